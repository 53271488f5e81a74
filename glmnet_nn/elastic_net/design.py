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
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.inputs import Inputs, standardized, unscaled

_CHUNK_BYTES = 2**20  # of Z: the second product of a chunk finds it in the cache
_LEAST_CHUNK = 256
_LARGEST = 1e140

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
    """Z in compressed columns, what all rows have of it aside."""

    Z: ShiftedSparse
    inputs: Inputs

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        return self.Z.shape[0]

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.Z.shape[1]

    def chunks(self, width: int) -> Iterator[slice]:
        yield slice(0, self.n_rows)

    def _taken(self, columns: Index) -> ShiftedSparse:
        return self.Z if self._is_all(columns) else self.Z.columns(columns)

    def times(self, rows: slice, columns: Index, W: Array) -> Array:
        return np.ascontiguousarray(W @ self._taken(columns).T)

    def transposed_times(self, rows: slice, E: Array) -> Array:
        return np.ascontiguousarray(E @ self.Z)

    def moments(self, first: Index, second: Index, v: Array) -> Array:
        A = self._taken(first)
        return A.moments(v, A if second is first else self._taken(second))

    def sums(self, columns: Index, v: Array) -> Array:
        return v @ self._taken(columns)


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
    is_sparse = sparse.issparse(X)
    if is_sparse:
        columns = sparse.csc_array(X, dtype=np.float64)
        if not columns.has_canonical_format:
            columns = columns.copy()
            columns.sum_duplicates()
        X = ShiftedSparse(columns)
    inputs = standardized(X, share, center=center)
    if not standardize:
        inputs = Inputs(inputs.center, unscaled(X.shape[1]).scale)
    if is_sparse:
        return SparseDesign(inputs.transform(X), inputs)  # type: ignore[arg-type]
    Zt = np.array(X.T, dtype=np.float64, order="C")
    Zt -= inputs.center[:, None]
    Zt /= inputs.scale[:, None]
    return DenseDesign(Zt, inputs)
