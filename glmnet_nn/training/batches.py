"""Mini-batches of an objective: its gradient estimated from a few rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.network import Network, ShiftedSparse, batch_recursion, row_width
from glmnet_nn.training.data import Rows
from glmnet_nn.training.threads import blas_threads

_LARGE = 1e15  # products and squares of larger numbers may leave the range of float32
_CHUNK_BYTES = 2**19  # of rows gathered at once: they stay in the processor's cache
_PACKED_NUMBERS = 2**16  # of x at a time, when rows are laid side by side

Buffer = NDArray[Any]  # float32 or float64


class MiniBatches:
    """The loss of an objective, and its gradient, from the rows of one batch.

    Unbiased estimates: rows enter with weight w_i n / (m W) for a batch of m of
    n rows, W = sum w. Rows are copied once, each with all that belongs to it side by side
    (x, y, offset, weight), so that a batch in random order touches memory once a row.
    float32 halves the time of a step, and its rounding is far below the noise of a
    batch. A sparse x stays where it is, in compressed rows, of which a batch takes its own.

    Parameters
    ----------
    rows : Rows
    family : ExponentialFamily
    network : Network
    size : int
        Largest number of rows of a batch.
    single : bool
        Whether to use float32, if every number has a place in it: ``dtype`` tells.
    total_weight : float
        W.
    """

    def __init__(
        self,
        rows: Rows,
        family: ExponentialFamily,
        network: Network,
        size: int,
        single: bool,
        total_weight: float,
    ) -> None:
        self.family, self.network, self.size, self.n_rows = family, network, size, len(rows)
        share = rows.weight * (len(rows) / total_weight)
        first = rows.take(slice(0, 1)).X
        is_sparse = isinstance(first, ShiftedSparse)
        self._places = _Places.of(rows, 0 if is_sparse else network.packed(first).shape[1])
        x: Any = network.packed(rows.take(slice(None)).X) if is_sparse else None
        dtypes = [np.dtype(np.float32)] * single + [np.dtype(np.float64)]
        kept = (self._places.packed(rows, share, dtype, network, x) for dtype in dtypes)
        packed = next(found for found in kept if found is not None)
        self._packed, self.dtype = packed, packed.dtype
        self._x = None if x is None else x.astype(packed.dtype, copy=False)
        saturated = family.conjugate(rows.y).reshape(len(rows), -1).sum(axis=1)
        self._saturated = float(share @ saturated) / len(rows)

    def sweep(
        self, w: Buffer, gradient: Buffer, order: NDArray[np.intp], step: Callable[[], None]
    ) -> float:
        """Visit the rows in this order, ``size`` at a time; return their mean loss.

        For each batch the gradient of the loss at ``w``, without the penalty, is
        written to ``gradient`` and ``step`` called, which may change ``w`` in place.
        The loss of a row is that at the w its batch met: A(theta) - theta y of the
        batches and A*(y) of all rows, cheap, and enough to follow training. Where it
        is not finite the sweep ends.
        """
        with blas_threads(self.size, self.network.layout.sizes):
            return self._sweep(w, gradient, order, step)

    def _sweep(
        self, w: Buffer, gradient: Buffer, order: NDArray[np.intp], step: Callable[[], None]
    ) -> float:
        width = self._packed.shape[1]
        numbers = width + (0 if self._x is None else 2 * row_width(self._x))
        chunk = self.size * max(1, _CHUNK_BYTES // (self._packed.itemsize * numbers * self.size))
        taken = np.empty((min(chunk, len(order)), width), self.dtype)
        eta = np.empty((self.network.layout.sizes[-1], len(taken)), self.dtype)
        one, total = _Batch(self, w, gradient), 0.0
        for at in range(0, len(order), chunk):
            index = order[at : at + chunk]
            packed = self._packed.take(index, axis=0, out=taken[: len(index)], mode="clip")
            rows = self._places.split(packed)
            if self._x is not None:
                rows = rows._replace(X=self._sparse_rows(index))
            for first in range(0, len(index), self.size):
                batch = slice(first, min(first + self.size, len(index)))
                one.differentiate(rows, batch, eta)
                step()
            total += self._kernel(rows, eta[:, : len(index)].T)
            if not np.isfinite(total):
                return total
        return total / self.n_rows + self._saturated

    def _sparse_rows(self, index: NDArray[np.intp]) -> ShiftedSparse:
        """Return x of these rows; of all in their order what it is, with what it has cached."""
        assert self._x is not None
        if len(index) == self.n_rows and np.all(index[1:] > index[:-1]):
            return self._x
        return self._x[index]

    def _kernel(self, rows: _Packed, eta: Buffer) -> float:
        """Return the sum over rows of w [A(theta) - theta y], w of mean 1."""
        kernel = self.family.kernel(rows.y, eta).reshape(len(eta), -1).sum(axis=1)
        return float(kernel.sum() if rows.share is None else kernel @ rows.share[:, 0])


class _Batch:
    """The gradient at ``w`` of one batch after the other."""

    def __init__(self, batches: MiniBatches, w: Buffer, gradient: Buffer) -> None:
        self.dtype, self.error = batches.dtype, batches.family.error
        self.recursion = batch_recursion(batches.network, w, gradient, batches.size)

    def differentiate(self, rows: _Packed, batch: slice, etas: Buffer) -> None:
        """Write eta of these rows to their place in ``etas``, (K, n), and the gradient."""
        X, y, offset, share = rows
        columns, eta, m = X[batch].T, etas[:, batch], batch.stop - batch.start
        self.recursion.forward(columns, eta)
        if offset is not None:
            eta += offset[batch].T
        each = 1.0 / m if share is None else share[batch].T / m
        error = self.error(y[batch], eta.T).T
        seed = np.multiply(error, each, dtype=self.dtype, casting="same_kind", order="C")
        self.recursion.backward(columns, seed)


class _Packed(NamedTuple):
    """Columns of rows: x, y, and offset and weight (of mean 1) where there are any."""

    X: Buffer | ShiftedSparse
    y: Buffer
    offset: Buffer | None
    share: Buffer | None


@dataclass(frozen=True)
class _Places:
    """How many columns x, y, offset and weight of a row take, side by side."""

    x: int
    y: int
    offset: int
    weight: int

    @classmethod
    def of(cls, rows: Rows, n_inputs: int) -> _Places:
        """Equal weights take no place."""
        offset = 0 if rows.offset is None else rows.offset.shape[1]
        return cls(n_inputs, rows.y.shape[1], offset, int(np.ptp(rows.weight) > 0))

    def packed(
        self,
        rows: Rows,
        share: Array,
        dtype: np.dtype[Any],
        network: Network,
        sparse_x: ShiftedSparse | None,
    ) -> Buffer | None:
        """Return the rows, (n, sum of columns), x as the network packs it if it is not sparse.

        None if float32 has no place for a number.
        """
        if dtype == np.float32 and sparse_x is not None and sparse_x.largest() >= _LARGE:
            return None
        packed = np.empty((len(rows), self.x + self.y + self.offset + self.weight), dtype)
        at = 0
        for block in rows.blocks(max(1, _PACKED_NUMBERS // max(self.x, 1))):
            x = [] if sparse_x is not None else [network.packed(block.X)]
            parts = [*x, block.y, *([] if block.offset is None else [block.offset])]
            if dtype == np.float32 and any(np.abs(a).max(initial=0.0) >= _LARGE for a in parts):
                return None
            np.concatenate(
                parts, axis=1, out=packed[at : at + len(block), : self.x + self.y + self.offset]
            )
            at += len(block)
        if self.weight:
            packed[:, -1] = share
        return packed

    def split(self, packed: Buffer) -> _Packed:
        """Return the columns as views."""
        y, offset = self.x + self.y, self.x + self.y + self.offset
        return _Packed(
            packed[:, : self.x],
            packed[:, self.x : y],
            packed[:, y:offset] if self.offset else None,
            packed[:, offset:] if self.weight else None,
        )
