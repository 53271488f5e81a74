"""The inverse Gaussian law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from families._links import Link
from families._positive_links import InverseSquared
from families._positive_mean import PositiveMean
from families._support import POSITIVE, Array, Interval


@dataclass(frozen=True)
class InverseGaussian(PositiveMean):
    """y ~ IG(mu, lambda = 1 / phi), the time at which a Brownian motion first reaches a level:
    A = -sqrt(-2 theta),  mu = (-2 theta)^-1/2,  V = mu^3,  A* = 1 / (2 y),  d = tau.

    The canonical link is 1 / mu^2 = -2 theta.

    Examples
    --------
    The unit deviance is (y - mu)^2 / (mu^2 y):

    >>> InverseGaussian().unit_deviance([1.0, 4.0], 2.0)
    array([0.25, 0.25])
    """

    name: ClassVar[str] = "inverse_gaussian"
    aliases: ClassVar[tuple[str, ...]] = ("inverse.gaussian",)
    support: ClassVar[Interval] = POSITIVE
    otherwise: ClassVar[str] = "; amounts some of which are 0 have the Tweedie law"
    canonical_link: ClassVar[Link] = InverseSquared()
    natural_scale: ClassVar[float] = -0.5
    has_dispersion: ClassVar[bool] = True

    def log_partition(self, theta: Array) -> Array:
        root = np.sqrt(2.0) * np.sqrt(np.maximum(-np.asarray(theta), 0.0))
        return np.where(np.asarray(theta) > 0, np.inf, -root)

    def variance(self, mu: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.power(np.asarray(mu, dtype=float), 3))

    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        return (a - 3.0 * b) * log_mu

    def variance_order(self, log_mu: Array) -> float:
        return 3.0

    @property
    def scale_order(self) -> float:
        return 3.0

    def conjugate(self, y: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(0.5 / np.asarray(y))

    def dispersion(self, tau: Array | float) -> Array | float:
        return tau

    def likelihood_dispersion(self, mean_deviance: float) -> float:
        """The mean unit deviance: phi^-1/2 e^(-D / 2 phi) is a Normal density in sqrt(D)."""
        return mean_deviance

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        return np.asarray(-0.5 * np.log(2 * np.pi * np.asarray(phi)) - 1.5 * np.log(y))

    def saturated_slopes(self, y: Array, phi: Array) -> tuple[Array, Array]:
        shape = np.broadcast_shapes(np.shape(y), np.shape(phi))
        return np.ones(shape), np.zeros(shape)

    def anscombe_transform(self, y: Array) -> Array:
        return np.log(y)

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.wald(mu, 1.0 / np.asarray(phi))

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        """scipy's invgauss(m) is the law of mean m and lambda 1."""
        return scipy.stats.invgauss(np.asarray(mu) * phi, scale=1.0 / np.asarray(phi))

    def divergence(self, y: Array, mu: Array) -> Array:
        """(y / mu - 1)^2 / (2 y), with y - mu first; 1 / (2 y) at mu = inf, inf for mu < 0."""
        y, mu = np.asarray(y, dtype=float), np.asarray(mu, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            gap = np.where(np.isposinf(mu), -1.0, (y - mu) / mu)
            return np.where(mu < 0, np.inf, 0.5 * gap * (gap / y))

    def loss(self, y: Array, eta: Array) -> Array:
        return self.divergence(y, self.mean(eta))
