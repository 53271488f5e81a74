"""Where a value may live: intervals and the simplex, as data and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An interval of the real line, each end open or closed.

    The same object checks values (:meth:`contains`) and says its rule in words
    (``str``), so that no family repeats either.

    Examples
    --------
    >>> counts = Interval(0, np.inf, closed_low=True)
    >>> print(counts)
    y >= 0
    >>> counts.contains([-1.0, 0.0, 2.5, np.inf])
    array([False,  True,  True, False])
    """

    low: float = -np.inf
    high: float = np.inf
    closed_low: bool = False
    closed_high: bool = False

    def contains(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Tell for each value whether it lies in the interval (NaN never does)."""
        x = np.asarray(values, dtype=float)
        above = x >= self.low if self.closed_low else x > self.low
        below = x <= self.high if self.closed_high else x < self.high
        return np.asarray(above & below)

    def __str__(self) -> str:
        lower, upper = ("<=" if c else "<" for c in (self.closed_low, self.closed_high))
        if np.isinf(self.low) and np.isinf(self.high):
            return "finite y"
        if np.isinf(self.high):
            return f"y {'>=' if self.closed_low else '>'} {self.low:g}"
        if np.isinf(self.low):
            return f"y {upper} {self.high:g}"
        return f"{self.low:g} {lower} y {upper} {self.high:g}"


@dataclass(frozen=True)
class Simplex:
    """Rows of non-negative numbers that sum to one, along the last axis.

    Examples
    --------
    >>> Simplex().contains([[0.25, 0.75], [0.5, 0.6]])
    array([ True, False])
    """

    def contains(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Tell for each row whether it lies in the simplex (to 1e-9 in the sum)."""
        y = np.asarray(values, dtype=float)
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is not 1 either
            total = y.sum(axis=-1)
        return np.asarray((y >= 0).all(axis=-1) & (np.abs(total - 1) <= 1e-9))

    def __str__(self) -> str:
        return "rows of y that are >= 0 and sum to 1"


REAL = Interval()
POSITIVE = Interval(low=0)
NON_NEGATIVE = Interval(low=0, closed_low=True)
UNIT = Interval(low=0, high=1)
CLOSED_UNIT = Interval(low=0, high=1, closed_low=True, closed_high=True)
