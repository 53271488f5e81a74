"""The Normal law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from families._base import ExponentialFamily
from families._links import Identity, Link
from families._support import REAL, Array, Interval


@dataclass(frozen=True)
class Normal(ExponentialFamily):
    """y ~ N(mu, tau^2):  A = theta^2 / 2,  mu = theta,  V = 1,  A* = y^2 / 2,  d = tau^2.

    Examples
    --------
    The deviance is the residual sum of squares:

    >>> Normal().unit_deviance([1.0, 2.0], [1.5, 0.0])
    array([0.25, 4.  ])
    """

    name: ClassVar[str] = "normal"
    aliases: ClassVar[tuple[str, ...]] = ("gaussian",)
    support: ClassVar[Interval] = REAL
    mean_domain: ClassVar[Interval] = REAL
    canonical_link: ClassVar[Link] = Identity()
    has_dispersion: ClassVar[bool] = True

    @property
    def is_location_scale(self) -> bool:
        return self.is_canonical

    @property
    def scale_order(self) -> float:
        return 0.0

    def log_partition(self, theta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(0.5 * theta * theta)

    def variance(self, mu: Array) -> Array:
        return np.ones_like(mu, dtype=float)

    def log_variance_slope(self, eta: Array) -> Array:
        return np.zeros_like(eta, dtype=float)

    def conjugate(self, y: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(0.5 * y * y)

    def dispersion(self, tau: Array | float) -> Array | float:
        return np.square(tau)

    def likelihood_dispersion(self, mean_deviance: float) -> float:
        """The mean squared residual."""
        return mean_deviance

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        return np.broadcast_to(-0.5 * np.log(2 * np.pi * np.asarray(phi)), np.shape(y))

    def saturated_slopes(self, y: Array, phi: Array) -> tuple[Array, Array]:
        shape = np.broadcast_shapes(np.shape(y), np.shape(phi))
        return np.ones(shape), np.zeros(shape)

    def anscombe_transform(self, y: Array) -> Array:
        return np.asarray(y, dtype=float)

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.normal(mu, np.sqrt(phi))

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        return scipy.stats.norm(mu, np.sqrt(phi))

    def divergence(self, y: Array, mu: Array) -> Array:
        """(y - mu)^2 / 2: the general form squares y first and loses its digits."""
        with np.errstate(over="ignore"):
            difference = np.asarray(y - mu)
            return 0.5 * difference * difference

    def loss(self, y: Array, eta: Array) -> Array:
        return self.divergence(y, self.mean(eta))
