"""The Gamma law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from families._links import Link
from families._positive_links import Inverse
from families._positive_mean import PositiveMean
from families._special import (
    log_minus_digamma,
    log_poisson_mode,
    poisson_divergence,
    trigamma_excess,
)
from families._support import POSITIVE, Array, Interval


@dataclass(frozen=True)
class Gamma(PositiveMean):
    """y ~ Gamma(shape 1 / phi, mean mu):  A = -log(-theta),  mu = -1 / theta,  V = mu^2,
    A* = -1 - log y,  d = tau.

    The canonical link is 1 / mu = -theta.

    Examples
    --------
    The deviance depends on y / mu alone:

    >>> deviance = Gamma().unit_deviance([1.0, 1e-200], [2.0, 2e-200])
    >>> print(deviance.round(14))
    [0.38629436 0.38629436]
    """

    name: ClassVar[str] = "gamma"
    support: ClassVar[Interval] = POSITIVE
    otherwise: ClassVar[str] = "; amounts some of which are 0 have the Tweedie law"
    canonical_link: ClassVar[Link] = Inverse()
    natural_scale: ClassVar[float] = -1.0
    has_dispersion: ClassVar[bool] = True

    def log_partition(self, theta: Array) -> Array:
        below = np.asarray(theta) < 0
        return np.where(below, -np.log(-np.where(below, theta, -1.0)), np.inf)

    def variance(self, mu: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.square(mu, dtype=float)

    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        return (a - 2.0 * b) * log_mu

    def variance_order(self, log_mu: Array) -> float:
        return 2.0

    @property
    def scale_order(self) -> float:
        return 2.0

    def conjugate(self, y: Array) -> Array:
        return np.asarray(-1.0 - np.log(y))

    def dispersion(self, tau: Array | float) -> Array | float:
        return tau

    def likelihood_dispersion(self, mean_deviance: float) -> float:
        """1 / k with log k - digamma(k) = mean_deviance / 2: between that and its double."""
        half = 0.5 * mean_deviance
        if not 0.0 < half < np.inf:
            return mean_deviance

        def excess(phi: float) -> float:
            return float(log_minus_digamma(1.0 / phi)) - half

        return float(scipy.optimize.brentq(excess, 0.99 * half, 2.02 * half, xtol=1e-300))

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """k log k - k - log Gamma(k) - log y, k = 1 / phi, by Stirling's series."""
        phi = np.asarray(phi, dtype=float)
        return np.asarray(log_poisson_mode(1.0 / phi) - np.log(phi) - np.log(y))

    def saturated_slopes(self, y: Array, phi: Array) -> tuple[Array, Array]:
        """c = 2 k [log k - digamma(k)], k = 1 / phi, between 1 and 2; c and its slope add up
        to 2 [k^2 trigamma(k) - k], twice the information of log phi."""
        _, k = np.broadcast_arrays(y, 1.0 / np.asarray(phi, dtype=float))
        c = 2.0 * k * log_minus_digamma(k)
        return c, 2.0 * trigamma_excess(k) - c

    def anscombe_transform(self, y: Array) -> Array:
        return np.asarray(3.0 * np.cbrt(y))

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.gamma(1.0 / np.asarray(phi), np.asarray(mu) * phi)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        """Shape 1 / phi, scale phi mu."""
        return scipy.stats.gamma(1.0 / np.asarray(phi), scale=np.asarray(mu) * phi)

    def divergence(self, y: Array, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return _divergence(y, mu, np.log(np.maximum(mu, 0.0)))

    def loss(self, y: Array, eta: Array) -> Array:
        return _divergence(y, self.mean(eta), self._link.log_inverse(eta))


def _divergence(y: ArrayLike, mu: ArrayLike, log_mu: ArrayLike) -> Array:
    """y / mu - 1 - log(y / mu): the Poisson divergence of 1 from y / mu."""
    y, mu = np.asarray(y, dtype=float), np.asarray(mu, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio, gap = y / mu, (y - mu) / mu
    ratio = np.where(mu < 0, -1.0, ratio)
    return poisson_divergence(1.0, ratio, gap=gap, log_mu=np.log(y) - log_mu)
