"""Residuals of a law: how far y is from mu, on scales where the law has a known spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from families._special import times
from families._support import Array

if TYPE_CHECKING:
    from families._links import Link


class Residuals:
    """What follows for a scalar law from ``anscombe_transform`` and the contract.

    All have the sign of y - mu. A vector law overrides what is not component by component.
    Source: McCullagh and Nelder (1989), Generalized Linear Models, section 2.4.
    """

    if TYPE_CHECKING:  # what ExponentialFamily has

        @property
        def _link(self) -> Link: ...
        def mean(self, eta: Array) -> Array: ...
        def variance(self, mu: Array) -> Array: ...
        def loss(self, y: Array, eta: Array) -> Array: ...
        def pearson(self, y: Array, eta: Array) -> Array: ...

    def anscombe_transform(self, y: Array) -> Array:
        """Return t(y), t' = V^(-1/3): under it the law is nearest to symmetric.

        Raises
        ------
        ValueError
            The law has none.
        """
        raise ValueError(
            f"{type(self).__name__} states no integral of V^(-1/3), which Anscombe residuals "
            "need. Use kind='deviance'."
        )

    def pearson_residual(self, y: Array, eta: Array) -> Array:
        """Return (y - mu) / sqrt(V(mu))."""
        return np.asarray(np.sign(y - self.mean(eta)) * np.abs(self.pearson(y, eta)))

    def deviance_residual(self, y: Array, eta: Array) -> Array:
        """Return sign(y - mu) sqrt(unit deviance)."""
        root = np.sqrt(2.0 * np.maximum(self.loss(y, eta), 0.0))
        return np.asarray(np.sign(y - self.mean(eta)) * root)

    def working(self, y: Array, eta: Array) -> Array:
        """Return (y - mu) d eta / d mu: a step of eta that carries mu to y, to first order."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(times(y - self.mean(eta), 1.0 / self._link.inverse_slope(eta)))

    def anscombe(self, y: Array, eta: Array) -> Array:
        """Return [t(y) - t(mu)] / V(mu)^(1/6): t has the slope V^(-1/3), y the spread V^(1/2)."""
        mu = self.mean(eta)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            gap = self.anscombe_transform(y) - self.anscombe_transform(mu)
            return np.asarray(gap / np.power(self.variance(mu), 1.0 / 6.0))
