"""The Bernoulli law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from scipy import special

from families._base import ExponentialFamily
from families._links import Link
from families._special import is_indicator, log1pexp, poisson_divergence, times
from families._support import CLOSED_UNIT, UNIT, Array, Interval
from families._unit_links import Logit

_LARGEST = {"d": 700.0, "f": 80.0}  # whose exponential is finite, by precision


@dataclass(frozen=True)
class Bernoulli(ExponentialFamily):
    """y ~ Bernoulli(mu):  A = log(1 + e^theta),  mu = 1 / (1 + e^-theta),  V = mu (1 - mu),
    A* = y log y + (1 - y) log(1 - y),  d = 1.

    y in [0, 1]: 0 and 1, or proportions whose numbers of trials are the weights.

    Examples
    --------
    The loss is finite and exact far in the tail:

    >>> float(Bernoulli().loss(np.array(1.0), np.array(-800.0)))
    800.0
    """

    name: ClassVar[str] = "bernoulli"
    support: ClassVar[Interval] = CLOSED_UNIT
    otherwise: ClassVar[str] = "; labels are for a classifier, counts of successes for 'binomial'"
    mean_domain: ClassVar[Interval] = UNIT
    canonical_link: ClassVar[Link] = Logit()
    may_be_overdispersed: ClassVar[bool] = False  # an indicator's variance follows from its mean

    def log_partition(self, theta: Array) -> Array:
        return log1pexp(theta)

    def variance(self, mu: Array) -> Array:
        return np.asarray(mu * (1.0 - np.asarray(mu)))

    def log_variance_slope(self, eta: Array) -> Array:
        """d log mu / d eta + d log(1 - mu) / d eta, V = mu (1 - mu)."""
        return self._link.log_inverse_slope(eta) - self._link.log_complement_slope(eta)

    def conjugate(self, y: Array) -> Array:
        if is_indicator(y):
            return np.zeros(np.shape(y))
        return np.asarray(special.xlogy(y, y) + special.xlog1py(1.0 - y, -y))

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """A*(y): 0 for y = 0 and 1; h = 1."""
        return self.conjugate(y)

    def anscombe_transform(self, y: Array) -> Array:
        """The incomplete beta function, B(y; 2/3, 2/3)."""
        return np.asarray(special.beta(2 / 3, 2 / 3) * special.betainc(2 / 3, 2 / 3, y))

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.binomial(1, mu).astype(float)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        return scipy.stats.bernoulli(mu)

    def divergence(self, y: Array, mu: Array) -> Array:
        return _divergence(y, mu, 1.0 - mu)

    def natural(self, eta: Array) -> Array:
        """log mu - log(1 - mu), by the tails of the link."""
        if self.is_canonical:
            return super().natural(eta)
        return self._link.log_inverse(eta) - self._link.log_complement(eta)

    def natural_slope(self, eta: Array) -> Array:
        """d log mu / d eta - d log(1 - mu) / d eta, both terms positive."""
        if self.is_canonical:
            return super().natural_slope(eta)
        return self._link.log_inverse_slope(eta) + self._link.log_complement_slope(eta)

    def error(self, y: Array, eta: Array) -> Array:
        """-y d log mu / d eta - (1 - y) d log(1 - mu) / d eta: mu - y for the logit link.

        Unlike mu - y it keeps its digits where mu rounds to y = 1 (in double
        precision: a caller with float32 asks for speed).
        """
        if self.is_canonical and eta.dtype == np.float32:
            return self.mean(eta) - y
        gained = times(y, self._link.log_inverse_slope(eta))
        return times(1.0 - y, self._link.log_complement_slope(eta)) - gained

    def kernel_and_error(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """log(1 + e) + eta - eta y and 1 / (1 + e) - y with e = e^-eta, for the logit link.

        Below -700, where e overflows, log(1 + e) + eta is 0.
        """
        if not self.is_canonical:
            return super().kernel_and_error(y, eta)
        with np.errstate(invalid="ignore", under="ignore"):
            minus = np.minimum(-eta, _LARGEST[eta.dtype.char])
            error = np.exp(minus)
            error += 1.0
            kernel = np.log(error)
            kernel -= minus
            kernel -= eta * y
            np.divide(1.0, error, out=error)
            error -= y
        return kernel, error

    def complement(self, eta: Array) -> Array:
        """1 - mu, the probability of 0, without rounding mu."""
        return self._link.complement(eta)

    def log_probabilities(self, eta: Array) -> Array:
        """log(1 - mu) and log mu; eta (n, 1) gives (n, 2), (n, K) gives (n, K, 2)."""
        logs = np.stack([self._link.log_complement(eta), self._link.log_inverse(eta)], axis=-1)
        return logs[:, 0] if eta.shape[1] == 1 else logs

    def fisher_weight(self, eta: Array) -> Array:
        """(d log mu / d eta) (-d log(1 - mu) / d eta), without rounding mu (1 - mu)."""
        link = self._link
        return times(link.log_inverse_slope(eta), link.log_complement_slope(eta))

    def pearson(self, y: Array, eta: Array) -> Array:
        """-error / sqrt(fisher_weight): y - mu and mu (1 - mu) as their tails have them."""
        weight = self.fisher_weight(eta)
        positive = weight > 0
        root = np.sqrt(np.where(positive, weight, 1.0))
        return np.where(positive, -self.error(y, eta) / root, 0.0)

    def loss(self, y: Array, eta: Array) -> Array:
        """-log mu for y = 1, -log(1 - mu) for y = 0, the divergence for proportions.

        Zeros and ones are the common case, and three times as fast without it.
        """
        link = self._link
        logs = link.log_inverse(eta), link.log_complement(eta)
        if is_indicator(y) and self._covers_mean_domain:
            return -np.where(y > 0, *logs)
        return _divergence(y, link.inverse(eta), link.complement(eta), *logs)


def _divergence(
    y: Array,
    mu: Array,
    complement: Array,
    log_mu: Array | None = None,
    log_complement: Array | None = None,
) -> Array:
    """y log(y / mu) + (1 - y) log((1 - y) / (1 - mu)) as two Poisson divergences.

    mu - y is taken on the side where it is exact: near 1 between the complements.
    """
    gap = np.where(np.minimum(y, mu) > 0.5, (1.0 - y) - complement, mu - y)
    ones = poisson_divergence(y, mu, gap=gap, log_mu=log_mu)
    return ones + poisson_divergence(1.0 - y, complement, gap=-gap, log_mu=log_complement)
