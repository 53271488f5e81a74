"""The columns of X as a path sees them: shifted and scaled, and never densified if sparse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from families import Array
from glmnet_nn.training.inputs import Inputs, standardized, unscaled

_CHUNK_BYTES = 2**20  # of Z: the second product of a chunk finds it in the cache
_LEAST_CHUNK = 256
_LARGEST = 1e140
_ROUNDING = 16 * np.finfo(float).eps

Index = NDArray[np.intp]


class Design(ABC):
    """Z = (X - center) / scale, (n, p), by its products.

    Attributes
    ----------
    inputs : Inputs
        Center and scale, and the way from coefficients of Z to those of X.
    n_rows, n_columns : int
    """

    inputs: Inputs
    n_rows: int
    n_columns: int

    def _is_all(self, columns: Index) -> bool:
        """Tell whether these are all columns, in order."""
        return len(columns) == self.n_columns and bool(np.all(columns[1:] > columns[:-1]))

    @abstractmethod
    def chunks(self, width: int) -> Iterator[slice]:
        """Yield slices of rows for products with ``width`` vectors."""

    @abstractmethod
    def times(self, rows: slice, columns: Index, W: Array) -> Array:
        """Return W Z' for rows of Z: (m, n_rows), from W, (m, len(columns))."""

    @abstractmethod
    def transposed_times(self, rows: slice, E: Array) -> Array:
        """Return E Z for rows of Z, (m, p), from E, (m, n_rows)."""

    @abstractmethod
    def moments(self, first: Index, second: Index, v: Array) -> Array:
        """Return Z_first' diag(v) Z_second."""

    @abstractmethod
    def sums(self, columns: Index, v: Array) -> Array:
        """Return Z_columns' v."""


@dataclass(frozen=True)
class DenseDesign(Design):
    """Z in memory, columns contiguous: ``Zt`` is its transpose, (p, n)."""

    Zt: Array
    inputs: Inputs

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        return self.Zt.shape[1]

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.Zt.shape[0]

    def chunks(self, width: int) -> Iterator[slice]:
        step = max(_LEAST_CHUNK, _CHUNK_BYTES // (8 * max(self.n_columns, width)))
        for start in range(0, self.n_rows, step):
            yield slice(start, min(start + step, self.n_rows))

    def _taken(self, rows: slice, columns: Index) -> Array:
        return self.Zt[:, rows] if self._is_all(columns) else self.Zt[columns, rows]

    def times(self, rows: slice, columns: Index, W: Array) -> Array:
        return W @ self._taken(rows, columns)

    def transposed_times(self, rows: slice, E: Array) -> Array:
        return E @ self.Zt[:, rows].T

    def moments(self, first: Index, second: Index, v: Array) -> Array:
        total = np.zeros((len(first), len(second)))
        same = first is second and bool((v >= 0).all())
        for rows in self.chunks(len(first)):
            A = self._taken(rows, first)
            if same:  # half the work of a product of two matrices
                root = A * np.sqrt(v[rows])
                total += root @ root.T
            else:
                total += (A * v[rows]) @ self._taken(rows, second).T
        return total

    def sums(self, columns: Index, v: Array) -> Array:
        return np.asarray((self.Zt @ v)[columns])  # cheaper than a copy of the columns


@dataclass(frozen=True)
class SparseDesign(Design):
    """X as it came, in compressed columns; shift and scale enter the products.

    X' diag(v) X - c m' - m c' + c c' sum v, with m = X'v, is (X - 1c')' diag(v) (X - 1c').
    """

    X: Any
    inputs: Inputs

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        return int(self.X.shape[0])

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return int(self.X.shape[1])

    def chunks(self, width: int) -> Iterator[slice]:
        yield slice(0, self.n_rows)

    def _taken(self, columns: Index) -> Any:
        return self.X if self._is_all(columns) else self.X[:, columns]

    def times(self, rows: slice, columns: Index, W: Array) -> Array:
        raw = W / self.inputs.scale[columns]
        product = np.ascontiguousarray((self._taken(columns) @ raw.T).T)
        product -= (raw @ self.inputs.center[columns])[:, None]
        return product

    def transposed_times(self, rows: slice, E: Array) -> Array:
        product = np.ascontiguousarray((self.X.T @ E.T).T)
        product -= np.outer(E.sum(axis=1), self.inputs.center)
        product /= self.inputs.scale
        return product

    def moments(self, first: Index, second: Index, v: Array) -> Array:
        A = self._taken(first)
        B = A if second is first else self._taken(second)
        weighted = sparse.csc_array((A.data * v[A.indices], A.indices, A.indptr), shape=A.shape)
        raw = (weighted.T @ B).toarray()
        a, b = self.inputs.center[first], self.inputs.center[second]
        raw -= np.outer(a, B.T @ v)
        raw -= np.outer(A.T @ v, b)
        raw += v.sum() * np.outer(a, b)
        raw /= self.inputs.scale[first][:, None]
        raw /= self.inputs.scale[second]
        return raw

    def sums(self, columns: Index, v: Array) -> Array:
        raw = self._taken(columns).T @ v - self.inputs.center[columns] * v.sum()
        return np.asarray(raw / self.inputs.scale[columns])


def design_of(X: Any, share: Array, center: bool, standardize: bool) -> Design:
    """Return the design of X, dense or sparse, of rows with weights that sum to 1.

    Columns are centred if there is an intercept to take their means up, and divided by
    their standard deviations (without an intercept: root mean squares) if the penalty is
    to see them so. A constant column is a column of zeros.
    """
    size = float(max(abs(X.max()), abs(X.min()))) if 0 not in X.shape else 0.0
    if size > _LARGEST:
        raise ValueError(
            f"X must hold numbers below {_LARGEST:g}, whose squares can be added, but the largest "
            f"is {size:g}. Measure its column in another unit."
        )
    if sparse.issparse(X):
        columns = sparse.csc_array(X, dtype=np.float64)
        return SparseDesign(columns, _sparse_inputs(columns, share, center, standardize))
    inputs = standardized(X, share, center=center)
    if not standardize:
        inputs = Inputs(inputs.center, unscaled(X.shape[1]).scale)
    Zt = np.array(X.T, dtype=np.float64, order="C")
    Zt -= inputs.center[:, None]
    Zt /= inputs.scale[:, None]
    return DenseDesign(Zt, inputs)


def _sparse_inputs(X: Any, share: Array, center: bool, standardize: bool) -> Inputs:
    """Return weighted means and standard deviations from the entries that are not 0."""
    middle = np.asarray(X.T @ share) if center else np.zeros(X.shape[1])
    squares = X.copy()
    squares.data = np.square(squares.data)
    square = np.asarray(squares.T @ share)
    variance = square - np.square(middle)
    variance[variance <= _ROUNDING * square] = 0.0
    scale = np.sqrt(variance)
    scale[scale == 0] = 1.0
    return Inputs(middle, scale if standardize else np.ones_like(scale))
