"""Links of the positive half line: logarithm and powers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy import special

from families._links import Identity, Link
from families._special import log1mexp, log_mean_exp
from families._support import POSITIVE, Array, Interval


@dataclass(frozen=True)
class Log(Link):
    """eta = log mu."""

    name: ClassVar[str] = "log"
    domain: ClassVar[Interval] = POSITIVE

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(mu)

    def inverse(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(eta)

    def inverse_slope(self, eta: Array) -> Array:
        return self.inverse(eta)

    def relative_curvature(self, eta: Array) -> Array:
        return np.ones_like(eta, dtype=float)

    def average(self, eta: Array) -> Array:
        return log_mean_exp(eta)

    def average_tangent(self, eta: Array, v: Array) -> Array:
        """sum_m w_m v_m with w_m = mu_m / sum mu, finite where mu is not."""
        return np.asarray((special.softmax(eta, axis=0) * v).sum(axis=0))

    def complement(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.expm1(eta)

    def log_inverse(self, eta: Array) -> Array:
        return np.asarray(eta, dtype=float)

    def log_complement(self, eta: Array) -> Array:
        return log1mexp(eta)

    def log_inverse_slope(self, eta: Array) -> Array:
        return np.ones_like(eta, dtype=float)

    def log_complement_slope(self, eta: Array) -> Array:
        """1 / (e^-eta - 1)."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(1.0 / np.expm1(-np.asarray(eta, dtype=float)))


@dataclass(frozen=True)
class Power(Link):
    """eta = mu^exponent, for mu > 0 and eta > 0.

    Parameters
    ----------
    exponent : float
        Finite and not 0; the limit at 0 is the log link.

    Raises
    ------
    ValueError
        The exponent is 0 or not finite.

    Examples
    --------
    >>> Power(-0.5).inverse(np.array([1.0, 2.0]))
    array([1.  , 0.25])
    """

    exponent: float

    name: ClassVar[str] = "power"
    domain: ClassVar[Interval] = POSITIVE
    image: ClassVar[Interval] = POSITIVE

    def __post_init__(self) -> None:
        if self.exponent == 0 or not np.isfinite(self.exponent):
            raise ValueError(
                f"The power link needs an exponent that is finite and not 0, but got "
                f"{self.exponent!r}. The limit at 0 is the link 'log'."
            )

    @property
    def simplest(self) -> Link:
        by_exponent = {link.exponent: link for link in (Sqrt(), Inverse(), InverseSquared())}
        named: dict[float, Link] = {1.0: Identity(), **by_exponent}
        return self if type(self) is not Power else named.get(self.exponent, self)

    @property
    def degree(self) -> float:
        return self.exponent

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(np.power(np.asarray(mu, dtype=float), self.exponent))

    def inverse(self, eta: Array) -> Array:
        eta = np.asarray(eta, dtype=float)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(eta < 0, -np.inf, np.power(np.abs(eta), 1.0 / self.exponent))

    def inverse_slope(self, eta: Array) -> Array:
        """eta^(1 / exponent - 1) / exponent."""
        eta, order = np.asarray(eta, dtype=float), 1.0 / self.exponent
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.asarray(order * np.power(eta, order - 1.0))

    def relative_curvature(self, eta: Array) -> Array:
        """(1 / exponent - 1) / eta."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray((1.0 / self.exponent - 1.0) / np.asarray(eta, dtype=float))

    def complement(self, eta: Array) -> Array:
        """-expm1(log mu), inf where eta < 0 has no mean."""
        with np.errstate(over="ignore"):
            return np.where(np.asarray(eta) < 0, np.inf, -np.expm1(self.log_inverse(eta)))

    def log_inverse(self, eta: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(eta) / self.exponent)

    def log_complement(self, eta: Array) -> Array:
        return log1mexp(self.log_inverse(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        """1 / (exponent eta)."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(1.0 / self.exponent / np.asarray(eta, dtype=float))


@dataclass(frozen=True)
class Inverse(Power):
    """eta = 1 / mu: rates of what mu measures, canonical for Gamma."""

    exponent: float = field(default=-1.0, init=False, repr=False)
    name: ClassVar[str] = "inverse"


@dataclass(frozen=True)
class InverseSquared(Power):
    """eta = 1 / mu^2, canonical for InverseGaussian."""

    exponent: float = field(default=-2.0, init=False, repr=False)
    name: ClassVar[str] = "inverse_squared"


@dataclass(frozen=True)
class Sqrt(Power):
    """eta = sqrt(mu): on it the variance of a Poisson law is constant."""

    exponent: float = field(default=0.5, init=False, repr=False)
    name: ClassVar[str] = "sqrt"


@dataclass(frozen=True)
class NegativeBinomialLink(Link):
    """eta = log(mu / (mu + 1 / alpha)) < 0, canonical for NegativeBinomial(alpha).

    Examples
    --------
    >>> float(NegativeBinomialLink(alpha=0.5).inverse(np.array(-np.log(2))))
    2.0
    """

    alpha: float

    name: ClassVar[str] = "nbinom"
    domain: ClassVar[Interval] = POSITIVE
    image: ClassVar[Interval] = Interval(high=0)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < np.inf:
            raise ValueError(f"The nbinom link needs alpha > 0 and finite, but got {self.alpha!r}.")

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(-np.log1p(1.0 / (self.alpha * np.asarray(mu, dtype=float))))

    def inverse(self, eta: Array) -> Array:
        eta = np.asarray(eta, dtype=float)
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(eta > 0, -np.inf, 1.0 / (self.alpha * np.expm1(np.abs(eta))))

    def inverse_slope(self, eta: Array) -> Array:
        """mu (1 + alpha mu)."""
        mu = self.inverse(eta)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(mu * (1.0 + self.alpha * mu))

    def relative_curvature(self, eta: Array) -> Array:
        """1 + 2 alpha mu."""
        return np.asarray(1.0 + 2.0 * self.alpha * self.inverse(eta))

    def log_inverse(self, eta: Array) -> Array:
        return np.asarray(eta - log1mexp(eta) - np.log(self.alpha))

    def log_inverse_slope(self, eta: Array) -> Array:
        """1 + alpha mu = 1 / (1 - e^eta)."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(-1.0 / np.expm1(eta))
