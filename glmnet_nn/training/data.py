"""A source of rows (X, y, weight, offset), whole or block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.network import ShiftedSparse, row_width
from glmnet_nn.training.inputs import Inputs

T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """Observations in memory.

    Parameters
    ----------
    X : array of shape (n, p), or ShiftedSparse
    y : array of shape (n, K)
    weight : array of shape (n,)
        Positive; any scale.
    offset : array of shape (n, K) or (n, 1), or None
        Known part of the linear predictor.
    trials : array of shape (n,) or None
        Trials of which y is the share of successes, or another precision of y; the weight
        counts them already.
    """

    X: Array
    y: Array
    weight: Array
    offset: Array | None = None
    trials: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    @property
    def is_resident(self) -> bool:
        """Whether the rows stay in memory between passes: they do."""
        return True

    @property
    def n_features(self) -> int:
        """The number of inputs, p."""
        return int(self.X.shape[1])

    @property
    def width(self) -> int:
        """How many numbers of x there are in a row, in memory: p, or the entries of a sparse x."""
        return row_width(self.X)

    @property
    def n_outputs(self) -> int:
        """The number of columns of y."""
        return self.y.shape[1]

    @property
    def total_weight(self) -> float:
        """The sum of the weights."""
        return float(self.weight.sum())

    def mean_response(self) -> Array:
        """Return the weighted mean of y, (K,)."""
        return weighted_mean(self.y, self.weight)

    @property
    def has_equal_weights(self) -> bool:
        """Whether the weights are one number, seen n times."""
        return self.weight.strides == (0,)

    def take(self, index: NDArray | slice) -> Rows:
        """Return the rows at ``index``."""
        offset = None if self.offset is None else self.offset[index]
        trials = None if self.trials is None else self.trials[index]
        return Rows(self.X[index], self.y[index], self.weight[index], offset, trials)

    def in_double(self) -> Rows:
        """Return the rows with X in double precision: themselves, if it is."""
        return replace(self, X=self.X.astype(float, copy=False))

    def subset(self, index: NDArray | slice) -> Rows:
        """Return the rows at ``index``, as a source of the same kind."""
        return self.take(index)

    def map(self, function: Callable[[Rows], T]) -> list[T]:
        """Return ``function`` of every block that they come in: of the one in memory."""
        return [function(self)]

    def seen(self, change: Callable[[Rows], Rows]) -> Rows:
        """Return what ``change`` makes of them."""
        return change(self)

    def blocks(self, size: int) -> Iterator[Rows]:
        """Yield the rows in order, at most ``size`` at a time."""
        if len(self) <= size:
            yield self
            return
        for at in range(0, len(self), size):
            yield self.take(slice(at, at + size))


@dataclass(frozen=True)
class TransformedRows(Rows):
    """Rows whose inputs are ``transform(X)``, made when and where they are asked for.

    ``X`` holds them as they came, in single precision if they did; ``take`` and ``blocks``
    return rows with the transformed inputs in double precision, so that no second
    copy of all of X is needed. ``n_inputs`` is their number, if it is not that of X.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[1.0], [3.0]], dtype=np.float32), np.zeros((2, 1))
    >>> rows = TransformedRows(X, y, np.ones(2), transform=lambda X: X - 2.0)
    >>> [block.X.tolist() for block in rows.blocks(1)]
    [[[-1.0]], [[1.0]]]
    """

    transform: Callable[[Array], Array] = np.asarray
    n_inputs: int | None = None

    @property
    def n_features(self) -> int:
        return super().n_features if self.n_inputs is None else self.n_inputs

    @property
    def width(self) -> int:
        return self.n_features

    def take(self, index: NDArray | slice) -> Rows:
        rows = super().take(index)
        return replace(rows, X=self.transform(rows.X.astype(float, copy=False)))

    def subset(self, index: NDArray | slice) -> TransformedRows:
        some = vars(super().take(index))
        return TransformedRows(**some, transform=self.transform, n_inputs=self.n_inputs)

    def blocks(self, size: int) -> Iterator[Rows]:
        for at in range(0, len(self), size):
            yield self.take(slice(at, at + size))


def weighted_mean(values: Array, weight: Array) -> Array:
    """Return sum_i w_i v_i / sum w of values (n, K), right to the last digit or so.

    The mean of the deviations from a first sum takes out what that has lost, so the mean of
    equal numbers is that number.

    Examples
    --------
    >>> import numpy as np
    >>> y, weight = np.ones((120, 1)), np.ones(120)
    >>> bool((weight / weight.sum() @ y)[0] == 1.0), bool(weighted_mean(y, weight)[0] == 1.0)
    (False, True)
    """
    total = weight.sum()
    mean = weight @ values / total
    return np.asarray(mean + weight @ (values - mean) / total)


def scaled_rows(rows: Rows, inputs: Inputs, lazily: bool = False) -> Rows:
    """Return the rows of Z = ``inputs`` of X: now, or ``lazily`` where they are asked for.

    Z of a sparse X takes no more room than X, unless its columns are mixed by a basis: then
    it is made a block at a time, whatever was asked for.
    """
    if isinstance(rows.X, ShiftedSparse):
        lazily = inputs.basis is not None
    if lazily:
        return TransformedRows(**vars(rows), transform=inputs.transform, n_inputs=inputs.rank)
    return replace(rows, X=inputs.transform(rows.X))
