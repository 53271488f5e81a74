"""Link functions: the linear predictor eta as a function of the mean mu.

Each link states the three facts that everything else is derived from:
``link`` (mu to eta), ``inverse`` (eta to mu) and ``inverse_slope`` (d mu / d eta),
with the intervals on which they hold. Source: McCullagh and Nelder (1989),
Generalized Linear Models, sections 2.2.3, 4.3.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from families._special import log1pexp, times
from families._support import POSITIVE, REAL, UNIT, Array, Interval, Simplex

_LINKS: dict[str, type[Link]] = {}


@dataclass(frozen=True)
class Link(ABC):
    """A monotone differentiable map from the mean to the linear predictor.

    A concrete link gives ``name``, the set ``domain`` of means and ``image`` of
    linear predictors, and the three functions. Links are frozen: equal links
    compare equal and hash alike.

    ======================  =========================================================
    ``link(mu)``            eta = g(mu)
    ``inverse(eta)``        mu = g^-1(eta)
    ``inverse_slope(eta)``  d mu / d eta (softmax: the full Jacobian diag(mu) - mu mu')
    ======================  =========================================================

    Laws whose means have an end at 0 or 1 ask for the tails besides: ``complement``
    1 - mu, both logarithms and their slopes. The defaults follow from the three
    functions; a link overrides those that it can state where mu rounds to 0 or 1.
    """

    name: ClassVar[str]
    domain: ClassVar[Interval | Simplex]
    image: ClassVar[Interval] = REAL

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            _LINKS[cls.name] = cls

    @abstractmethod
    def link(self, mu: Array) -> Array:
        """Return eta = g(mu)."""

    @abstractmethod
    def inverse(self, eta: Array) -> Array:
        """Return mu = g^-1(eta)."""

    @abstractmethod
    def inverse_slope(self, eta: Array) -> Array:
        """Return d mu / d eta."""

    def complement(self, eta: Array) -> Array:
        """Return 1 - mu."""
        return 1.0 - self.inverse(eta)

    def log_inverse(self, eta: Array) -> Array:
        """Return log mu."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(self.inverse(eta))

    def log_complement(self, eta: Array) -> Array:
        """Return log(1 - mu)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log1p(-self.inverse(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        """Return d log mu / d eta = (d mu / d eta) / mu."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self.inverse_slope(eta) / self.inverse(eta)

    def log_complement_slope(self, eta: Array) -> Array:
        """Return -d log(1 - mu) / d eta = (d mu / d eta) / (1 - mu)."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self.inverse_slope(eta) / self.complement(eta)


@dataclass(frozen=True)
class Identity(Link):
    """eta = mu."""

    name: ClassVar[str] = "identity"
    domain: ClassVar[Interval] = REAL

    def link(self, mu: Array) -> Array:
        return np.asarray(mu, dtype=float)

    def inverse(self, eta: Array) -> Array:
        return np.asarray(eta, dtype=float)

    def inverse_slope(self, eta: Array) -> Array:
        return np.ones_like(eta, dtype=float)


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

    def complement(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.expm1(eta)

    def log_inverse(self, eta: Array) -> Array:
        return np.asarray(eta, dtype=float)

    def log_complement(self, eta: Array) -> Array:
        """log(1 - e^eta), by log1p where e^eta is small and by expm1 where it is near 1."""
        small = np.asarray(eta) < -np.log(2.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_expm1 = np.log(self.complement(eta))
            return np.where(small, np.log1p(-self.inverse(np.where(small, eta, -1.0))), by_expm1)

    def log_inverse_slope(self, eta: Array) -> Array:
        return np.ones_like(eta, dtype=float)

    def log_complement_slope(self, eta: Array) -> Array:
        """1 / (e^-eta - 1)."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(1.0 / np.expm1(-np.asarray(eta, dtype=float)))


@dataclass(frozen=True)
class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    name: ClassVar[str] = "logit"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        return np.asarray(special.logit(mu))

    def inverse(self, eta: Array) -> Array:
        """1 / (1 + e^-eta); in float32 as 1/2 + tanh(eta / 2) / 2, several times faster."""
        if getattr(eta, "dtype", None) == np.float32:
            mu = np.tanh(0.5 * eta)
            mu *= 0.5
            mu += 0.5
            return mu
        return np.asarray(special.expit(eta))

    def inverse_slope(self, eta: Array) -> Array:
        return self.inverse(eta) * self.complement(eta)

    def complement(self, eta: Array) -> Array:
        return self.inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        return -log1pexp(-np.asarray(eta))

    def log_complement(self, eta: Array) -> Array:
        return -log1pexp(eta)

    def log_inverse_slope(self, eta: Array) -> Array:
        return self.complement(eta)

    def log_complement_slope(self, eta: Array) -> Array:
        return self.inverse(eta)


@dataclass(frozen=True)
class Probit(Link):
    """eta = Phi^-1(mu), Phi the standard normal distribution function."""

    name: ClassVar[str] = "probit"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        return np.asarray(special.ndtri(mu))

    def inverse(self, eta: Array) -> Array:
        return np.asarray(special.ndtr(eta))

    def inverse_slope(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-0.5 * np.square(eta)) / np.sqrt(2 * np.pi))

    def complement(self, eta: Array) -> Array:
        return self.inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(special.log_ndtr(eta))

    def log_complement(self, eta: Array) -> Array:
        return self.log_inverse(-np.asarray(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        """phi(eta) / Phi(eta), the inverse Mills ratio, by the scaled erfc."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(np.sqrt(2 / np.pi) / special.erfcx(-np.asarray(eta) / np.sqrt(2)))

    def log_complement_slope(self, eta: Array) -> Array:
        return self.log_inverse_slope(-np.asarray(eta))


@dataclass(frozen=True)
class CLogLog(Link):
    """eta = log(-log(1 - mu)): grouped survival times, presence given a Poisson count.

    Below, h = e^eta = -log(1 - mu) is the cumulative hazard.
    """

    name: ClassVar[str] = "cloglog"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(-np.log1p(-np.asarray(mu)))

    def inverse(self, eta: Array) -> Array:
        return -np.expm1(self.log_complement(eta))

    def inverse_slope(self, eta: Array) -> Array:
        """h e^-h, 0 where h overflows."""
        h = self.log_complement_slope(eta)
        return times(np.exp(-h), h)

    def complement(self, eta: Array) -> Array:
        return np.exp(self.log_complement(eta))

    def log_inverse(self, eta: Array) -> Array:
        """log(1 - e^-h); eta itself where h is below the rounding of 1."""
        h = self.log_complement_slope(eta)
        tiny = h < 1e-17
        mu = -np.expm1(-np.where(tiny, 1.0, h))
        by_log1p = np.log1p(-np.exp(-np.maximum(h, 0.5)))
        return np.where(tiny, eta, np.where(h < 0.7, np.log(mu), by_log1p))

    def log_complement(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.exp(eta)

    def log_inverse_slope(self, eta: Array) -> Array:
        """h / (e^h - 1): 1 where h underflows, 0 where it overflows."""
        h = self.log_complement_slope(eta)
        usual = (h > 0) & (h < 700)  # e^h - 1 is neither 0 nor inf
        middle = np.where(usual, h, 1.0)
        ratio = middle / np.expm1(middle)
        return np.where(usual, ratio, np.where(h > 0, times(np.exp(-h), h), 1.0))

    def log_complement_slope(self, eta: Array) -> Array:
        return -self.log_complement(eta)


@dataclass(frozen=True)
class Softmax(Link):
    """mu_k = e^eta_k / sum_j e^eta_j over the last axis.

    eta is determined up to a constant per row; ``link`` returns the
    representative with mean zero, the one of minimum norm (the mean over the
    classes with mu_k > 0; the others are at -inf).
    """

    name: ClassVar[str] = "softmax"
    domain: ClassVar[Simplex] = Simplex()

    def link(self, mu: Array) -> Array:
        positive = np.asarray(mu) > 0
        eta = np.log(np.where(positive, mu, 1.0))
        centre = eta.sum(axis=-1, keepdims=True) / positive.sum(axis=-1, keepdims=True)
        return np.where(positive, eta - centre, -np.inf)

    def inverse(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            grown = np.exp(eta - np.max(eta, axis=-1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=-1, keepdims=True))

    def inverse_slope(self, eta: Array) -> Array:
        """Return the (..., K, K) Jacobian diag(mu) - mu mu'."""
        mu = self.inverse(eta)
        return mu[..., :, None] * (np.eye(mu.shape[-1]) - mu[..., None, :])


def get_link(link: str | Link) -> Link:
    """Return the link of that name; a link object passes through.

    Raises
    ------
    ValueError
        The name is not known.
    TypeError
        Neither a name nor a link.

    Examples
    --------
    >>> get_link("log") == Log()
    True
    """
    if isinstance(link, Link):
        return link
    if not isinstance(link, str):
        raise TypeError(f"link must be a name or a Link, but got {link!r}.")
    if link not in _LINKS:
        raise ValueError(f"link must be one of {sorted(_LINKS)}, but got {link!r}.")
    return _LINKS[link]()


def known_links() -> dict[str, type[Link]]:
    """Return every link class by name."""
    return dict(_LINKS)
