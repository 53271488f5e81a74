"""Standardised inputs, the rank of a design, and the way back to the user's columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array
from glmnet_nn.network import Bounds, Layout, ShiftedSparse, laid_out
from glmnet_nn.training.solvers import stacked_qr

_EPS = np.finfo(float).eps
_BLOCK_NUMBERS = 2**15
_CLEAR = 1e-9  # eigenvalues of Z'Z above this share of their sum are not 0
_LARGEST = 1e290  # sums and quotients of larger numbers leave double precision


@dataclass(frozen=True)
class Inputs:
    """Z = (X - center) / scale, or that times an orthonormal ``basis`` (p, r).

    Weights on Z are turned into weights on X by :meth:`fold`; with a basis these
    are the ones of minimum norm. With a ``reach``, (p,), a network sees column j of Z clipped
    to +- reach_j, or X clipped to center +- reach scale, which is the same: Z itself is not
    clipped, since the network does it.

    Examples
    --------
    >>> X = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    >>> inputs = standardized(X, np.ones(3))
    >>> W, b = inputs.fold(np.array([[2.0, -1.0]]), np.array([0.5]))
    >>> bool(np.allclose(X @ W.T + b, inputs.transform(X) @ [[2.0], [-1.0]] + 0.5))
    True
    """

    center: Array
    scale: Array
    basis: Array | None = None
    reach: Array | None = None

    @property
    def bounds(self) -> Bounds | None:
        """The range of Z, for a network of Z."""
        return None if self.reach is None else Bounds(-self.reach, self.reach)

    @property
    def raw_bounds(self) -> Bounds | None:
        """The range of X, for a network of X."""
        if self.reach is None:
            return None
        half = self.reach * self.scale
        return Bounds(self.center - half, self.center + half)

    @property
    def rank(self) -> int:
        """The number of columns of Z."""
        return len(self.center) if self.basis is None else self.basis.shape[1]

    def transform(self, X: Array) -> Array:
        """Return Z."""
        Z = X - self.center
        Z /= self.scale
        return Z if self.basis is None else Z @ self.basis

    def given(self, Z: Array) -> Array:
        """Return X, from the Z of rows of the fit: :meth:`transform` undone."""
        return (Z if self.basis is None else Z @ self.basis.T) * self.scale + self.center

    def directions(self) -> Array:
        """Return d z / d x_j, (p, r): d eta / d x is d eta / d z along them.

        With a basis those of :meth:`fold`, so that slopes are of minimum norm too.
        """
        return self.fold(np.eye(self.rank), None)[0].T

    def fold(self, W: Array, b: Array | None) -> tuple[Array, Array | None]:
        """Return W and b of X, from those of Z; without an intercept nothing is centred."""
        if self.basis is None:
            raw = W / self.scale
        else:
            # b_raw = M g with M = diag(scale) basis spans the rows of X - center;
            # M'b_raw = W makes the predictions those of Z, and b_raw has no more.
            M = self.scale[:, None] * self.basis
            raw = linalg.lstsq(M.T, W.T)[0].T
        return raw, None if b is None else b - raw @ self.center

    def unfold(self, W: Array, b: Array | None) -> tuple[Array, Array | None]:
        """Return W and b of Z from those of X, the inverse of :meth:`fold`."""
        scaled = W * self.scale
        if self.basis is not None:
            scaled = scaled @ self.basis
        return scaled, None if b is None else b + W @ self.center

    def dependent_columns(self, n_features: int) -> NDArray[np.intp]:
        """Return the columns that take part in a linear dependency."""
        if self.basis is None:
            return np.zeros(0, dtype=np.intp)
        outside = np.eye(n_features) - self.basis @ self.basis.T
        return np.flatnonzero(np.diagonal(outside) > 1e-9)


def unscaled(n_features: int) -> Inputs:
    """Return inputs that are the columns themselves."""
    return Inputs(np.zeros(n_features), np.ones(n_features))


def standardized(
    X: Array,
    weight: Array,
    center: bool = True,
    keep_binary: bool = False,
    reach: float | None = None,
) -> Inputs:
    """Return inputs of weighted mean 0 and variance 1.

    Parameters
    ----------
    X : array of shape (n, p), or ShiftedSparse
        Of a sparse X the entries alone are read: nothing is centred in memory.
    weight : array of shape (n,)
    center : bool, default=True
        False: no mean is taken out, and the mean square is 1.
    keep_binary : bool, default=False
        Leave columns that hold nothing but 0 and 1 as they are. (A rare level,
        standardised, would be an input of many standard deviations.)
    reach : float, optional
        How many standard deviations from the mean a network may see; more for none of the
        columns of 0 and 1.
    """
    share = weight / weight.sum()
    size, binary = _sizes(X)
    if np.any(size > _LARGEST) or np.any((size > 0) & (size < 1 / _LARGEST)):
        at = int(np.argmax((size > _LARGEST) | ((size > 0) & (size < 1 / _LARGEST))))
        raise ValueError(
            f"columns of X must have sizes between {1 / _LARGEST:g} and {_LARGEST:g}, but that of "
            f"column {at} is {size[at]:g}. Measure it in another unit."
        )
    size[size == 0] = 1.0  # squares of columns near 1e200 must not overflow
    unit = 1.0 / size
    summed = _sums_of_entries if isinstance(X, ShiftedSparse) else _sums_of_rows
    middle, rest, square = summed(X, share, unit, center)
    if center:  # the mean of what is left: the first sum has an error that grows with n
        middle += rest
        square -= np.square(rest)
    middle, scale = middle * size, np.sqrt(np.maximum(square, 0.0)) * size
    constant = scale <= 16 * _EPS * size if center else scale == 0
    scale[constant] = 1.0
    if keep_binary:
        middle[binary], scale[binary] = 0.0, 1.0
    if center:
        middle[constant] = laid_out(X[:1])[0, constant] if len(X) else 0.0
    reaches = None if reach is None else np.where(binary, np.inf, reach)
    return Inputs(middle, scale, reach=reaches)


def _sums_of_rows(X: Array, share: Array, unit: Array, center: bool) -> tuple[Array, Array, Array]:
    """Return the weighted means m of X * unit, 0 unless ``center``; those of X * unit - m and
    of its square.
    """
    middle, rest, square = np.zeros((3, X.shape[1]))
    if center:
        for rows, block in _blocks(X):
            middle += share[rows] @ (block * unit)
    for rows, block in _blocks(X):
        deviation = block * unit - middle
        rest += share[rows] @ deviation
        square += share[rows] @ np.square(deviation)
    return middle, rest, square


def _sums_of_entries(
    X: ShiftedSparse, share: Array, unit: Array, center: bool
) -> tuple[Array, Array, Array]:
    """Return what :func:`_sums_of_rows` does, from the entries and, once, all the zeros."""
    entries = X.matrix.data * X.by_column(unit)
    weight = X.by_row(share)

    def summed(values: Array) -> Array:
        return X.sums_of_columns(weight * values)

    middle = summed(entries) if center else np.zeros(X.shape[1])
    deviation = entries - X.by_column(middle)
    zeros = 1.0 - summed(np.ones_like(entries))
    zeros[X.sums_of_columns(np.ones_like(entries)) == len(X)] = 0.0  # and not their rounding
    rest = summed(deviation) - zeros * middle
    return middle, rest, summed(np.square(deviation)) + zeros * np.square(middle)


def _sizes(X: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the largest absolute value of each column, and which hold but 0 and 1."""
    if isinstance(X, ShiftedSparse):
        entries = X.matrix.data
        other = X.sums_of_columns((entries != 0) & (entries != 1))
        return X.largest_of_columns(np.abs(entries)), other == 0
    size, binary = np.zeros(X.shape[1]), np.ones(X.shape[1], dtype=bool)
    for _, block in _blocks(X):
        np.maximum(size, np.abs(block).max(axis=0), out=size)
        kept = block[:, binary]
        binary[binary] = ((kept == 0) | (kept == 1)).all(axis=0)
    return size, binary


def _blocks(X: Array) -> Iterator[tuple[slice, Array]]:
    """Yield the rows in double precision, as many at a time as the cache has room for."""
    step = max(1, _BLOCK_NUMBERS // max(X.shape[1], 1))
    for first in range(0, len(X), step):
        at = slice(first, first + step)
        yield at, X[at].astype(float, copy=False)


def full_rank(inputs: Inputs, X: Array) -> Inputs:
    """Return the inputs, restricted to the row space of Z if its columns are dependent.

    The rank is that of Z, so it does not depend on units; a singular value counts
    as 0 when it is below the rounding of the columns.
    """
    Z = inputs.transform(X)
    n, p = Z.shape
    gram = _gram(Z)
    if n >= p and p and linalg.eigvalsh(gram, subset_by_index=[0, 0])[0] > _CLEAR * np.trace(gram):
        return inputs
    return row_space(inputs, _triangle(Z), n)


def rough_rank(inputs: Inputs, X: Array) -> int:
    """Return the rank of Z, as far as the squares of its columns tell: for a rough fit."""
    gram = _gram(inputs.transform(X))
    return int(np.sum(linalg.eigvalsh(gram) > _CLEAR * np.trace(gram)))


def _gram(Z: Array) -> Array:
    """Return Z'Z / n."""
    moments = Z.moments(np.ones(len(Z))) if isinstance(Z, ShiftedSparse) else Z.T @ Z
    return np.asarray(moments / max(len(Z), 1))


def row_space(inputs: Inputs, R: Array, n: int) -> Inputs:
    """Return the inputs, restricted to the row space of R, with R'R = Z'Z of n rows."""
    p = R.shape[1]
    _, s, Vt = linalg.svd(R, full_matrices=False)
    noise = np.max(np.abs(inputs.center) / inputs.scale, initial=1.0)
    rank = int(np.sum(s > _EPS * max(n, p, noise) * s.max(initial=0.0)))
    if rank == p:
        return inputs
    return Inputs(inputs.center, inputs.scale, Vt[:rank].T)


def _triangle(Z: Array) -> Array:
    """Return R with R'R = Z'Z and no more rows than Z."""
    n, p = Z.shape
    if isinstance(Z, ShiftedSparse):
        size = max(p, 1)
        parts = (Z[at : at + size].toarray() for at in range(0, n, size))
        return stacked_qr(((part, np.zeros(len(part))) for part in parts), p)[:p, :p]
    return linalg.qr(Z, mode="r", check_finite=False)[0][:p] if n > p else Z


def folded(layout: Layout, inputs: Inputs, w: Array) -> Array:
    """Return the parameters for X, from those of a network on Z."""
    return layout.converted(w, inputs.fold)


def unfolded(layout: Layout, inputs: Inputs, weights: Array) -> Array:
    """Return the parameters on Z, from those of the network on X: `folded` undone."""
    return layout.resized(n_features=len(inputs.center)).converted(weights, inputs.unfold)
