"""The Poisson law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from families._links import Link
from families._positive_links import Log
from families._positive_mean import PositiveMean
from families._special import log_poisson_mode, poisson_divergence, x_log_x
from families._support import NON_NEGATIVE, Array, Interval


@dataclass(frozen=True)
class Poisson(PositiveMean):
    """y ~ Poisson(mu):  A = e^theta,  mu = e^theta,  V = mu,  A* = y log y - y,  d = 1.

    y may be any number >= 0, as a rate is (quasi-likelihood); the log-likelihood
    is then that of the density with y! = Gamma(y + 1).

    Examples
    --------
    The digits of the deviance survive at large counts:

    >>> print(f"{Poisson().unit_deviance(1e8, 1e8 + 1):.14g}")
    9.9999999333333e-09
    """

    name: ClassVar[str] = "poisson"
    support: ClassVar[Interval] = NON_NEGATIVE
    canonical_link: ClassVar[Link] = Log()

    def log_partition(self, theta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(theta)

    def variance(self, mu: Array) -> Array:
        return np.asarray(mu, dtype=float)

    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        return (a - b) * log_mu

    def variance_order(self, log_mu: Array) -> float:
        return 1.0

    def conjugate(self, y: Array) -> Array:
        with np.errstate(over="ignore"):
            return x_log_x(y) - y

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """y log y - y - log y!, by Stirling's series: y log y never appears."""
        return log_poisson_mode(y)

    def anscombe_transform(self, y: Array) -> Array:
        return np.asarray(1.5 * np.power(y, 2 / 3))

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.poisson(mu).astype(float)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        return scipy.stats.poisson(mu)

    def natural(self, eta: Array) -> Array:
        """log mu, by the tail of the link: finite where mu underflows."""
        return self._link.log_inverse(eta)

    def kernel_and_error(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """mu - eta y and mu - y for the log link: one exponential."""
        if not self.is_canonical:
            return super().kernel_and_error(y, eta)
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.exp(eta)
            kernel = error - eta * y
            error -= y
        return kernel, error

    def divergence(self, y: Array, mu: Array) -> Array:
        return poisson_divergence(y, mu)

    def loss(self, y: Array, eta: Array) -> Array:
        """The divergence, with log mu = theta where mu is far below y or underflows."""
        return poisson_divergence(y, self.mean(eta), log_mu=self.natural(eta))
