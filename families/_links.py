"""Link functions: the linear predictor eta as a function of the mean mu.

Links of the positive half line are in ``_positive_links``, those of the unit interval
and the simplex in ``_unit_links``.

Each link states the three facts that everything else is derived from: ``link``
(mu to eta), ``inverse`` (eta to mu) and ``inverse_slope`` (d mu / d eta), with the
intervals on which they hold. Where eta is outside the image, ``inverse`` is -inf,
below every mean, so that the loss of every law is inf there.
Source: McCullagh and Nelder (1989), Generalized Linear Models, sections 2.2.3, 4.3.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar

import numpy as np

from families._special import difference_slope
from families._support import REAL, Array, Interval, Simplex

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

    def relative_curvature(self, eta: Array) -> Array:
        """Return (d^2 mu / d eta^2) / (d mu / d eta), by differences unless stated."""
        return difference_slope(lambda at: np.log(np.abs(self.inverse_slope(at))), eta)

    @property
    def simplest(self) -> Link:
        """The same link under its shortest name: Inverse() for Power(-1)."""
        return self

    @property
    def degree(self) -> float | None:
        """The k of g(c mu) = c^k g(mu) for every c > 0, if there is one that is not 0."""
        return None

    def average(self, eta: Array) -> Array:
        """Return g((1/k) sum_m g^-1(eta_m)) over the first axis: eta of the mean of k means.

        It is the quasi-arithmetic mean that belongs to the link, and (1/k) sum_m eta_m for the
        identity alone. Links override it where mu overflows, underflows or rounds to 1. An
        eta_m outside the image has no mean, and neither has the average.
        """
        mu = self.inverse(eta)
        lost = np.isneginf(mu)
        if not lost.any():
            return self.link(mu.mean(axis=0))
        outside = np.take_along_axis(np.asarray(eta), lost.argmax(axis=0)[None], axis=0)[0]
        return np.where(lost.any(axis=0), outside, self.link(np.where(lost, 1.0, mu).mean(axis=0)))

    def average_tangent(self, eta: Array, v: Array) -> Array:
        """Return how :meth:`average` changes when each eta_m does along v_m.

        (1/k) sum_m h'(eta_m) v_m / h'(average), h = g^-1; where all means are at the end of
        their range, and slopes are 0 to rounding, the mean of v.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = self.inverse_slope(self.average(eta))
            moved = np.mean(self.inverse_slope(eta) * v, axis=0) / slope
        return np.asarray(np.where(np.isfinite(moved), moved, np.mean(v, axis=0)))

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

    def relative_curvature(self, eta: Array) -> Array:
        return np.zeros_like(eta, dtype=float)

    @property
    def degree(self) -> float:
        return 1.0

    def average(self, eta: Array) -> Array:
        return np.asarray(np.mean(eta, axis=0))


def get_link(link: str | Link) -> Link:
    """Return the link of that name; a link object passes under its simplest name.

    Raises
    ------
    ValueError
        The name is not known, or does not say which link it is: "power".
    TypeError
        Neither a name nor a link.

    Examples
    --------
    >>> get_link("log")
    Log()
    >>> from families import Power
    >>> get_link(Power(-1.0))
    Inverse()
    """
    if isinstance(link, Link):
        return link.simplest
    if not isinstance(link, str):
        raise TypeError(f"link must be a name or a Link, but got {link!r}.")
    if link not in _LINKS:
        raise ValueError(f"link must be one of {sorted(known_links())}, but got {link!r}.")
    needed = _parameters(_LINKS[link])
    if needed:
        raise ValueError(
            f"link {link!r} needs its parameter: pass {_LINKS[link].__name__}({', '.join(needed)})."
        )
    return _LINKS[link]()


def known_links() -> dict[str, type[Link]]:
    """Return by name every link class that needs no parameter."""
    return {name: link for name, link in _LINKS.items() if not _parameters(link)}


def _parameters(link: type[Link]) -> list[str]:
    """The names of the parameters that have no default."""
    return [field.name for field in fields(link) if field.init and field.default is MISSING]
