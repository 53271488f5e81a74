"""What the laws of positive means share: everything through log mu."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from families._base import ExponentialFamily
from families._special import times
from families._support import POSITIVE, Array, Interval


@dataclass(frozen=True)
class PositiveMean(ExponentialFamily):
    """A law with means mu > 0, which states log(mu^a / V^b) as a function of log mu besides.

    The general formulas multiply mu - y, d mu / d eta and powers of V, each of
    which may overflow or underflow where the product does not. Here they are sums
    of logarithms, with d log mu / d eta and log mu as the link has them.

    Examples
    --------
    V underflows, the Fisher weight (d mu / d eta)^2 / V = 4 does not:

    >>> from families import Poisson
    >>> Poisson("sqrt").fisher_weight(np.array([1.0, 1e-200]))
    array([4., 4.])
    """

    mean_domain: ClassVar[Interval] = POSITIVE

    @abstractmethod
    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        """Return log(mu^a / V^b); (a - p b) log mu for V = mu^p."""

    @abstractmethod
    def variance_order(self, log_mu: Array) -> Array | float:
        """Return d log V / d log mu; p for V = mu^p."""

    def log_variance_slope(self, eta: Array) -> Array:
        """d log V / d log mu times d log mu / d eta."""
        order = self.variance_order(self._log_mean(eta))
        return np.asarray(order * self._link.log_inverse_slope(eta))

    def natural_slope(self, eta: Array) -> Array:
        """d log mu / d eta times mu / V."""
        if self.is_canonical:
            return super().natural_slope(eta)
        log_mu = self._log_mean(eta)
        return self._log_slope_times(eta, self.log_ratio(log_mu, 1.0, 1.0))

    def error(self, y: Array, eta: Array) -> Array:
        """d log mu / d eta times (mu - y) mu / V."""
        if self.is_canonical:
            return super().error(y, eta)
        log_mu = self._log_mean(eta)
        gap, order = self._gap(y, eta)
        with np.errstate(over="ignore"):
            return gap * self._log_slope_times(eta, self.log_ratio(log_mu, 1.0 + order, 1.0))

    def fisher_weight(self, eta: Array) -> Array:
        """The square of d log mu / d eta times mu / sqrt(V)."""
        if self.is_canonical:
            return super().fisher_weight(eta)
        log_mu = self._log_mean(eta)
        with np.errstate(over="ignore"):
            return np.square(self._log_slope_times(eta, self.log_ratio(log_mu, 1.0, 0.5)))

    def pearson(self, y: Array, eta: Array) -> Array:
        log_mu = self._log_mean(eta)
        gap, order = self._gap(y, eta)
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.exp(self.log_ratio(log_mu, order, 0.5))
            residual = -np.sign(self._link.log_inverse_slope(eta)) * times(gap, size)
        return np.where(self.fisher_weight(eta) > 0, residual, 0.0)

    def _log_mean(self, eta: Array) -> Array:
        """log mu, finite so that its multiples can be subtracted."""
        log_mu = np.asarray(self._link.log_inverse(eta), dtype=float)
        return np.asarray(np.clip(log_mu, -1e300, 1e300))

    def _gap(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """Return (g, a) with mu - y = g mu^a: a = 1 where mu >= y, else 0."""
        mu = self.mean(eta)
        above = mu >= y
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            relative = 1.0 - np.where(np.equal(y, 0.0), 0.0, y / mu)
        return np.where(above, relative, mu - y), np.where(above, 1.0, 0.0)

    def _log_slope_times(self, eta: Array, log_factor: Array) -> Array:
        """d log mu / d eta times e^log_factor, by halves: one may overflow before the other."""
        with np.errstate(over="ignore"):
            half = np.exp(0.5 * log_factor)
        return times(half, times(half, self._link.log_inverse_slope(eta)))
