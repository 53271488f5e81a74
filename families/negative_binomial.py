"""The negative binomial law of given size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike
from scipy import special

from families._links import Link
from families._parameters import Estimable
from families._positive_links import NegativeBinomialLink
from families._positive_mean import PositiveMean
from families._special import log1mexp, log1pexp, log_poisson_mode, poisson_divergence
from families._support import NON_NEGATIVE, POSITIVE, Array, Interval


@dataclass(frozen=True)
class NegativeBinomial(PositiveMean):
    """y ~ Poisson(mu G), G ~ Gamma of mean 1 and variance alpha; size r = 1 / alpha:
    A = -r log(1 - e^theta),  mu = r e^theta / (1 - e^theta),  V = mu + alpha mu^2,
    A* = y log(y / (y + r)) - r log((y + r) / r),  d = 1.

    y may be any number >= 0, as with Poisson, its limit at alpha = 0. The canonical
    link log(mu / (mu + r)) < 0 is rarely wanted: link="log" is the usual choice.

    Parameters
    ----------
    alpha : float or "estimate", default=1.0
        Variance of the mixing law; in R and MASS, 1 / theta. With "estimate", fitting a
        model maximises the likelihood over alpha too, as MASS's glm.nb does.

    Raises
    ------
    ValueError
        alpha is not positive and finite.

    Examples
    --------
    It is the Poisson law with V = mu (1 + alpha mu):

    >>> NegativeBinomial(alpha=0.5).variance(np.array([1.0, 4.0]))
    array([ 1.5, 12. ])

    References
    ----------
    Hilbe (2011), Negative Binomial Regression, chapter 8.
    """

    alpha: float | str = 1.0

    name: ClassVar[str] = "negative_binomial"
    aliases: ClassVar[tuple[str, ...]] = ("negative.binomial",)
    support: ClassVar[Interval] = NON_NEGATIVE
    estimable: ClassVar[Estimable] = Estimable(
        "alpha", POSITIVE, search=(1e-8, 1e8), usual=1.0, limits=("the Poisson law", "")
    )

    def __post_init__(self) -> None:
        if self.unknown is None and not 0 < self._alpha < np.inf:
            raise ValueError(
                f"NegativeBinomial needs alpha > 0 and finite, but got {self.alpha!r}. "
                "The limit at 0 is the family Poisson."
            )
        super().__post_init__()

    @property
    def _alpha(self) -> float:
        return self._number("alpha")

    @property
    def canonical_link(self) -> Link:
        return NegativeBinomialLink(self._alpha)

    def log_partition(self, theta: Array) -> Array:
        inside = np.asarray(theta) <= 0
        return np.where(inside, -log1mexp(np.where(inside, theta, 0.0)) / self._alpha, np.inf)

    def variance(self, mu: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(mu * (1.0 + self._alpha * np.asarray(mu)))

    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        """V is mu for alpha mu < 1 and alpha mu^2 above, times 1 + e^-|log(alpha mu)|."""
        log_alpha = np.log(self._alpha)
        logit = log_mu + log_alpha
        above = (a - 2.0 * b) * log_mu - b * log_alpha
        below = (a - b) * log_mu
        rest = b * np.log1p(np.exp(-np.abs(logit)))
        return np.asarray(np.where(logit > 0, above, below) - rest)

    def variance_order(self, log_mu: Array) -> Array:
        """1 + alpha mu / (1 + alpha mu)."""
        return np.asarray(1.0 + special.expit(log_mu + np.log(self._alpha)))

    def conjugate(self, y: Array) -> Array:
        r = 1.0 / self._alpha
        y = np.asarray(y, dtype=float)
        return np.asarray(special.xlogy(y, y / (y + r)) - r * np.log1p(self._alpha * y))

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """M(y) + M(r) - M(y + r) - log(1 + alpha y), with M(k) = k log k - k - log k!."""
        r, y = 1.0 / self._alpha, np.asarray(y, dtype=float)
        modes = log_poisson_mode(y) + (log_poisson_mode(r) - log_poisson_mode(y + r))
        return np.asarray(modes - np.log1p(self._alpha * y))

    def anscombe_transform(self, y: Array) -> Array:
        """By 2F1, the integral of (1 + alpha y)^(-1/3) over y^(1/3)."""
        y = np.asarray(y, dtype=float)
        series = special.hyp2f1(1 / 3, 2 / 3, 5 / 3, -self._alpha * y)
        return np.asarray(1.5 * np.power(y, 2 / 3) * series)

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        mixed = rng.gamma(1.0 / self._alpha, self._alpha * np.asarray(mu, dtype=float))
        return rng.poisson(mixed).astype(float)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        """r = 1 / alpha successes, each of probability 1 / (1 + alpha mu)."""
        return scipy.stats.nbinom(1.0 / self._alpha, 1.0 / (1.0 + self._alpha * np.asarray(mu)))

    def natural(self, eta: Array) -> Array:
        """log(mu / (mu + r)) by log mu."""
        if self.is_canonical:
            return super().natural(eta)
        return -log1pexp(-self._link.log_inverse(eta) - np.log(self._alpha))

    def divergence(self, y: Array, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return self._divergence(y, mu, np.log(np.maximum(mu, 0.0)))

    def loss(self, y: Array, eta: Array) -> Array:
        return self._divergence(y, self.mean(eta), self._link.log_inverse(eta))

    def _divergence(self, y: ArrayLike, mu: ArrayLike, log_mu: ArrayLike) -> Array:
        """y log(y / m) + r log(r / s), the shares m + s = y + r in the ratio mu : r.

        Two Poisson divergences, both positive, where y log(y / mu) less
        (y + r) log((y + r) / (mu + r)) would cancel.
        """
        y, mu = np.asarray(y, dtype=float), np.asarray(mu, dtype=float)
        r = 1.0 / self._alpha
        logit = log_mu + np.log(self._alpha)  # log(mu / r)
        m, s = (y + r) * special.expit(logit), (y + r) * special.expit(-logit)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.where(logit < 600.0, (mu - y) * special.expit(-logit), r - s)  # m - y
        log_total = np.log(y + r)
        counts = poisson_divergence(y, m, gap=gap, log_mu=log_total - log1pexp(-logit))
        value = counts + poisson_divergence(r, s, gap=-gap, log_mu=log_total - log1pexp(logit))
        return np.where(mu < 0, np.inf, value)
