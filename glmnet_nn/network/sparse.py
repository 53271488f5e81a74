"""Inputs that are never laid out: sparse, with a shift of each column.

Standardised columns of a sparse X, or clipped ones, are no longer sparse, but

    I = S + 1 c',     S sparse, c a row,

is all that a layer needs: I W' = S W' + 1 (W c)', P' I = P' S + (P' 1) c'. So the first layer
of a one-hot X picks rows of W', as an embedding does, and its gradient adds up proxy errors
by level. The recursions take these as they take arrays: what they ask of inputs is ``@``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from families import Array

Index = NDArray[Any] | slice


class Unlaid(ABC):
    """A matrix (n, p) that is known by its products; ``numpy.matmul`` takes it too."""

    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __matmul__(self, M: Array) -> Array:
        return self.times(M)

    @property
    def T(self) -> Transposed:
        """The transpose."""
        return Transposed(self)

    @abstractmethod
    def times(self, M: Array) -> Array:
        """Return I M, (n, m), for M, (p, m); (n,) for (p,)."""

    @abstractmethod
    def left_times(self, M: Array, out: Array | None = None) -> Array:
        """Return M I, (m, p), for M, (m, n); (p,) for (n,)."""

    @abstractmethod
    def toarray(self) -> Array:
        """Return the matrix as an array."""

    def __array_ufunc__(
        self, ufunc: Any, method: str, *args: Any, out: tuple[Array] | None = None, **kwargs: Any
    ) -> Any:
        if ufunc is not np.matmul or method != "__call__" or kwargs:
            return NotImplemented
        left, right = args
        target = None if out is None else out[0]
        if isinstance(right, Unlaid):
            return right.left_times(left, target)
        product = left.times(right)
        if target is None:
            return product
        target[...] = product
        return target

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise TypeError("sparse inputs are not laid out by themselves: toarray() does it.")


class Transposed(Unlaid):
    """The transpose of a matrix, (p, n)."""

    def __init__(self, of: Unlaid) -> None:
        self.of = of
        self.shape = of.shape[::-1]

    @property
    def T(self) -> Any:
        return self.of

    def __getitem__(self, columns: slice) -> Transposed:
        """Return some columns of the matrix, transposed."""
        if columns.indices(len(self)) == (0, len(self), 1):
            return self
        assert isinstance(self.of, ShiftedSparse)
        return Transposed(self.of.columns(columns))

    def times(self, M: Array) -> Array:
        return self.of.left_times(M.T).T

    def left_times(self, M: Array, out: Array | None = None) -> Array:
        product = self.of.times(M.T).T
        if out is None:
            return product
        out[...] = product
        return out

    def toarray(self) -> Array:
        return self.of.toarray().T


class ShiftedSparse(Unlaid):
    """I = S + 1 c', (n, p).

    Parameters
    ----------
    matrix : csr_array or csc_array of shape (n, p)
        S, each place at most once.
    shift : array of shape (p,), optional
        c; 0 if absent.

    Examples
    --------
    >>> S = sparse.csr_array([[0.0, 2.0], [1.0, 0.0]])
    >>> I = (ShiftedSparse(S) - np.array([0.5, 1.0])) / np.array([0.5, 1.0])
    >>> I.toarray()
    array([[-1.,  1.],
           [ 1., -1.]])
    >>> I @ np.array([1.0, 3.0]), np.array([1.0, 3.0]) @ I
    (array([ 2., -2.]), array([ 2., -2.]))
    """

    def __init__(self, matrix: Any, shift: Array | None = None) -> None:
        self.matrix = matrix
        self.shape = matrix.shape
        self.shift = shift

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of S."""
        return self.matrix.dtype

    def astype(self, dtype: DTypeLike, copy: bool = True) -> ShiftedSparse:
        """Return the same numbers in that precision."""
        if self.dtype == dtype and not copy:
            return self
        shift = None if self.shift is None else self.shift.astype(dtype, copy=False)
        return ShiftedSparse(self.matrix.astype(dtype, copy=copy), shift)

    # ---------------------------------------------------------------- parts

    def __getitem__(self, rows: Index) -> ShiftedSparse:
        if isinstance(rows, slice) and rows.indices(len(self)) == (0, len(self), 1):
            return self
        return ShiftedSparse(self.matrix[rows], self.shift)

    def columns(self, columns: Index) -> ShiftedSparse:
        """Return some columns."""
        shift = None if self.shift is None else self.shift[columns]
        return ShiftedSparse(self.matrix[:, columns], shift)

    def toarray(self) -> Array:
        laid: Array = self.matrix.toarray()
        return laid if self.shift is None else laid + self.shift

    def empty(self) -> ShiftedSparse:
        """Return zeros of the same shape."""
        return ShiftedSparse(type(self.matrix)(self.shape, dtype=self.dtype))

    # ------------------------------------------------------- other columns

    def __sub__(self, center: Array) -> ShiftedSparse:
        if not center.any():
            return self
        return ShiftedSparse(self.matrix, -center if self.shift is None else self.shift - center)

    def __truediv__(self, scale: Array) -> ShiftedSparse:
        shift = None if self.shift is None else self.shift / scale
        return self._with(self.matrix.data / self.by_column(scale), shift)

    def clip(self, low: Array, high: Array) -> ShiftedSparse:
        """Return min(max(I, low), high), (p,) and (p,)."""
        before = np.zeros(self.shape[1]) if self.shift is None else self.shift
        shift = np.clip(before, low, high)
        entries = self.matrix.data + self.by_column(before)
        clipped = np.clip(entries, self.by_column(low), self.by_column(high))
        return self._with(clipped - self.by_column(shift), shift if shift.any() else None)

    @property
    def _column_of_entries(self) -> NDArray[np.intp]:
        S = self.matrix
        if S.format == "csr":
            return S.indices
        return np.repeat(np.arange(self.shape[1]), np.diff(S.indptr))

    def by_column(self, values: Array) -> Array:
        """Return, of (p,) numbers, that of each entry of S."""
        return values[self._column_of_entries]

    def by_row(self, values: Array) -> Array:
        """Return, of (n,) numbers, that of each entry of S."""
        S = self.matrix
        return values[S.indices] if S.format == "csc" else np.repeat(values, np.diff(S.indptr))

    def n_distinct(self) -> int:
        """Return the number of different rows; zeros that are stored count."""
        S = self.matrix
        ends = zip(S.indptr[:-1], S.indptr[1:], strict=True)
        return len({(S.indices[a:b].tobytes(), S.data[a:b].tobytes()) for a, b in ends})

    def sums_of_columns(self, values: Array) -> Array:
        """Return the sums, (p,), of values of the entries of S, column by column."""
        columns = self._column_of_entries
        sums = np.bincount(columns, values.astype(float, copy=False), minlength=self.shape[1])
        return np.asarray(sums, dtype=float)

    def largest_of_columns(self, values: Array) -> Array:
        """Return the largest, (p,), of values >= 0 of the entries of S; 0 where there are none."""
        largest = np.zeros(self.shape[1])
        np.maximum.at(largest, self._column_of_entries, values)
        return largest

    def largest(self) -> float:
        """Return the largest absolute number of S and of c."""
        shift = 0.0 if self.shift is None else float(np.abs(self.shift).max(initial=0.0))
        return max(shift, float(np.abs(self.matrix.data).max(initial=0.0)))

    def _with(self, data: Array, shift: Array | None) -> ShiftedSparse:
        S = self.matrix
        return ShiftedSparse(type(S)((data, S.indices, S.indptr), shape=S.shape), shift)

    # ------------------------------------------------------------- products

    @cached_property
    def _compact(self) -> tuple[NDArray[np.intp] | None, Any]:
        """The columns that have entries, and S without the others; all columns are None.

        A batch of rows meets few levels of many: no product should pass over the others.
        """
        S, (_, p) = self.matrix, self.shape
        if S.format != "csr" or 2 * S.nnz > p:
            return None, S
        seen = np.zeros(p, dtype=bool)
        seen[S.indices] = True
        columns = np.flatnonzero(seen)
        place = np.empty(p, dtype=S.indices.dtype)
        place[columns] = np.arange(len(columns))
        shape = (S.shape[0], len(columns))
        return columns, type(S)((S.data, place[S.indices], S.indptr), shape=shape)

    @cached_property
    def _compact_T(self) -> Any:
        return self._compact[1].T

    def times(self, M: Array) -> Array:
        columns, S = self._compact
        product: Array = S @ (M if columns is None else M.take(columns, axis=0))
        if self.shift is not None:
            product += self.shift @ M
        return product

    def left_times(self, M: Array, out: Array | None = None) -> Array:
        columns = self._compact[0]
        product: Array = (self._compact_T @ M.T).T
        if columns is not None or out is not None:
            if out is None:
                out = np.empty((*M.shape[:-1], self.shape[1]), product.dtype)
            out[...] = 0.0 if columns is not None else product
            if columns is not None:
                out[..., columns] = product
            product = out
        if self.shift is not None:
            product += np.multiply.outer(M.sum(axis=-1), self.shift)
        return product

    def moments(self, v: Array, other: ShiftedSparse | None = None) -> Array:
        """Return I' diag(v) I, (p, p), or I' diag(v) J for another J, (n, q).

        S'VS + m c' + c m' + c c' sum v, with m = S'v.
        """
        other = self if other is None else other
        weighted = self._with(self.matrix.data * self.by_row(v), None).matrix
        product: Array = (weighted.T @ other.matrix).toarray()
        if other.shift is not None:
            product += np.outer(self.matrix.T @ v, other.shift)
        if self.shift is not None:
            product += np.outer(self.shift, v @ other)
        return product

    def row_squares(self) -> Array:
        """Return |I_i|^2 of each row, (n,)."""
        entries = self.matrix.data
        if self.shift is None:
            return self._sums_of_rows(np.square(entries))
        c = self.by_column(self.shift)
        rest = float(self.shift @ self.shift)
        return rest + self._sums_of_rows(np.square(entries + c) - np.square(c))

    def _sums_of_rows(self, entries: Array) -> Array:
        return np.asarray(self._with(entries, None).matrix.sum(axis=1))


class Beside(Unlaid):
    """[A, I], (n, h + p): hidden outputs and, beside them, what a skip connection passes."""

    def __init__(self, left: Array, right: Unlaid) -> None:
        self.left, self.right = left, right
        self.shape = (len(left), left.shape[1] + right.shape[1])

    def __getitem__(self, at: tuple[slice, slice]) -> Array:
        """Return columns of A."""
        rows, columns = at
        assert columns.indices(self.shape[1])[1] <= self.left.shape[1]
        return self.left[rows, columns]

    def times(self, M: Array) -> Array:
        h = self.left.shape[1]
        return self.left @ M[:h] + self.right @ M[h:]

    def left_times(self, M: Array, out: Array | None = None) -> Array:
        product = np.concatenate([M @ self.left, M @ self.right], axis=-1)
        if out is None:
            return product
        out[...] = product
        return out

    def toarray(self) -> Array:
        return np.concatenate([self.left, self.right.toarray()], axis=1)


def beside(left: Any, right: Any) -> Any:
    """Return [left, right], side by side, laid out only if both are arrays."""
    if isinstance(left, ShiftedSparse):
        matrix = sparse.hstack([left.matrix, right.matrix], format=left.matrix.format)
        if left.shift is None and right.shift is None:
            return ShiftedSparse(matrix)
        shifts = (np.zeros(I.shape[1]) if I.shift is None else I.shift for I in (left, right))
        return ShiftedSparse(matrix, np.concatenate(list(shifts)))
    if isinstance(right, Unlaid):
        return Beside(left, right)
    return np.concatenate([left, right], axis=1)


def laid_out(I: Any) -> Array:
    """Return inputs as an array: for few rows at a time."""
    return I.toarray() if isinstance(I, Unlaid) else I


def row_width(I: Any) -> int:
    """Return how many numbers of a row there are: of a sparse matrix the mean, rounded up."""
    if not isinstance(I, ShiftedSparse):
        return int(I.shape[1])
    return -(-int(I.matrix.nnz) // max(len(I), 1))
