"""What one look at rows tells: numbers that facts of blocks add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array, ExponentialFamily
from glmnet_nn.training.data import Rows

_CACHED_ROWS = 2**14
_LARGEST = 1e140  # products of two larger columns leave double precision


@dataclass(frozen=True)
class Spread:
    """Weight, mean and centred second moments of columns.

    C = sum w (x - m)(x - m)', m = sum w x / sum w. Of two sets of rows

        C = C_1 + C_2 + w_1 w_2 / (w_1 + w_2) (m_1 - m_2)(m_1 - m_2)',

    which adds what is >= 0, so that no digits cancel (Chan, Golub and LeVeque 1983,
    "Algorithms for computing the sample variance", The American Statistician 37).

    Examples
    --------
    >>> x, ones = np.array([[1.0], [2.0], [6.0]]), np.ones(3)
    >>> joined = Spread.of(x[:1], ones[:1]).joined(Spread.of(x[1:], ones[1:]))
    >>> joined.mean, joined.cross
    (array([3.]), array([[14.]]))
    """

    weight: float
    mean: Array
    cross: Array

    @classmethod
    def of(cls, values: Array, weight: Array) -> Spread:
        """Return that of values (n, p) in memory, a positive weight each."""
        total = float(weight.sum())
        mean = weight @ values / total
        deviation = values - mean
        rest = weight @ deviation / total
        cross = (deviation * weight[:, None]).T @ deviation
        return cls(total, mean + rest, cross - total * np.outer(rest, rest))

    def joined(self, other: Spread) -> Spread:
        """Return that of both."""
        total = self.weight + other.weight
        share, apart = other.weight / total, other.mean - self.mean
        between = self.weight * share * np.outer(apart, apart)
        return Spread(total, self.mean + share * apart, self.cross + other.cross + between)

    @property
    def variance(self) -> Array:
        """The weighted variance of each column."""
        return np.maximum(np.diagonal(self.cross), 0.0) / self.weight


@dataclass(frozen=True)
class Facts:
    """What a fit asks of all rows before it begins.

    Attributes
    ----------
    lengths : tuple of int
        The number of rows of each block.
    inputs, response : Spread
        Of X and of y.
    low, high : array of shape (p,)
        The ends of each column of X.
    binary : array of bool, (p,)
        Which columns hold nothing but 0 and 1.
    offset_levels : array of shape (3, K), or None
        The mean of the offset, its least and its largest value; None without one.
    saturated : float
        sum w A*(y).
    """

    lengths: tuple[int, ...]
    inputs: Spread
    response: Spread
    low: Array
    high: Array
    binary: NDArray[np.bool_]
    offset_levels: Array | None
    saturated: float

    @classmethod
    def of(cls, rows: Rows, family: ExponentialFamily) -> Facts:
        """Return those of rows in memory, each of a positive weight."""
        return cls.of_all([_of_some(part, family) for part in rows.blocks(_CACHED_ROWS)], True)

    @classmethod
    def of_all(cls, parts: Sequence[Facts], one_block: bool = False) -> Facts:
        """Return those of blocks together, added up in their order."""
        lengths = tuple(length for part in parts for length in part.lengths)
        found = reduce(_joined, parts)
        lengths = (sum(lengths),) if one_block else lengths
        return Facts(lengths, *(vars(found)[name] for name in _JOINED))

    def __len__(self) -> int:
        return sum(self.lengths)

    @property
    def size(self) -> Array:
        """The largest absolute value of each column of X."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def check_sizes(self) -> None:
        """Raise ValueError if second moments of a column leave double precision."""
        size = self.size
        bad = (size > _LARGEST) | ((size > 0) & (size < 1 / _LARGEST))
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(
                f"columns of X that come in blocks must have sizes between {1 / _LARGEST:g} and "
                f"{_LARGEST:g}, but that of column {at} is {size[at]:g}. Measure it in another "
                "unit."
            )


_JOINED = ("inputs", "response", "low", "high", "binary", "offset_levels", "saturated")


def _of_some(rows: Rows, family: ExponentialFamily) -> Facts:
    X = rows.X.astype(float, copy=False)
    levels = None
    if rows.offset is not None:
        offset = np.broadcast_to(rows.offset, rows.y.shape)
        mean = rows.weight / rows.weight.sum() @ offset
        levels = np.stack([mean, offset.min(axis=0), offset.max(axis=0)])
    conjugates = family.conjugate(rows.y).reshape(len(rows), -1).sum(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # of sizes that are refused below
        spread = Spread.of(X, rows.weight)
    return Facts(
        lengths=(len(rows),),
        inputs=spread,
        response=Spread.of(rows.y, rows.weight),
        low=X.min(axis=0),
        high=X.max(axis=0),
        binary=((X == 0) | (X == 1)).all(axis=0),
        offset_levels=levels,
        saturated=float(rows.weight @ conjugates),
    )


def _joined(one: Facts, two: Facts) -> Facts:
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = one.inputs.joined(two.inputs)
    return Facts(
        lengths=(),
        inputs=inputs,
        response=one.response.joined(two.response),
        low=np.minimum(one.low, two.low),
        high=np.maximum(one.high, two.high),
        binary=one.binary & two.binary,
        offset_levels=_joined_levels(one, two),
        saturated=one.saturated + two.saturated,
    )


def _joined_levels(one: Facts, two: Facts) -> Array | None:
    """Return the offset levels of both, 0 where one set of rows has no offset."""
    first, second = one.offset_levels, two.offset_levels
    if first is None and second is None:
        return None
    first = np.zeros_like(second) if first is None else first
    second = np.zeros_like(first) if second is None else second
    share = two.inputs.weight / (one.inputs.weight + two.inputs.weight)
    return np.stack(
        [
            first[0] + share * (second[0] - first[0]),
            np.minimum(first[1], second[1]),
            np.maximum(first[2], second[2]),
        ]
    )


def stacked_triangle(triangles: Sequence[Array]) -> Array:
    """Return R with R'R the sum of the R_i'R_i, by QR of the R_i stacked in order."""
    p = triangles[0].shape[1]
    return np.asarray(linalg.qr(np.vstack(triangles), mode="r", check_finite=False)[0][:p])
