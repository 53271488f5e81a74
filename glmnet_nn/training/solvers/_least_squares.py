"""Least squares over blocks of rows: normal equations where safe, else QR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from families import Array

Block = tuple[Array, Array]
_SAFE_RCOND = 1e-9  # of the scaled Gram matrix: condition of A below about 3e4
_RANK_RCOND = 1e-15


@dataclass(frozen=True)
class Factor:
    """The Cholesky factor of a positive definite H, scaled to a unit diagonal."""

    lower: Array
    scale: Array
    rcond: float

    def solve(self, g: Array) -> Array:
        """Return H^-1 g."""
        solution, _ = linalg.lapack.dpotrs(self.lower, g / self.scale, lower=True)
        return np.asarray(solution / self.scale)


def gram_factor(H: Array, gauge: Array) -> Factor | None:
    """Return the factor of H = A'A, or None if its condition is unsafe; H is used up.

    ``gauge`` holds orthonormal directions in which A is known to be null and every
    gradient 0; they are filled in so that a solution has no component along them. The
    matrix is scaled to a unit diagonal first, which undoes differing units.
    """
    H += gauge.T @ (gauge * np.trace(H) / max(len(H), 1))
    scale = np.sqrt(np.diagonal(H)).copy()
    if not (np.all(np.isfinite(scale)) and np.all(scale > 0)):
        return None
    H /= scale[:, None]
    H /= scale
    norm = np.abs(H).sum(axis=0).max(initial=0.0)
    lower, info = linalg.lapack.dpotrf(H, lower=True, overwrite_a=True)
    if info != 0:
        return None
    rcond, _ = linalg.lapack.dpocon(lower, norm, uplo="L")
    return Factor(lower, scale, float(rcond)) if rcond >= _SAFE_RCOND else None


def gram_solve(H: Array, gradient: Array, gauge: Array) -> Array | None:
    """Return delta with H delta = -gradient by Cholesky, or None if unsafe; H is used up."""
    factor = gram_factor(H, gauge)
    return None if factor is None else -factor.solve(gradient)


def stacked_qr(blocks: Iterable[Block], width: int) -> Array:
    """Return R of the QR factorisation of all blocks [A, r] stacked, a block at a time."""
    R = np.zeros((0, width + 1))
    for A, r in blocks:
        stacked = np.vstack([R, np.column_stack([A, r])])
        R = linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0][: width + 1]
    return R


def qr_solve(blocks: Iterable[Block], gauge: Array) -> Array:
    """Return the minimum-norm delta that minimises |A delta - r|^2, by Householder QR."""
    width = gauge.shape[1]
    R = stacked_qr(_with_gauge(blocks, gauge), width)
    A, r = R[:, :width], R[:, width]
    scale = np.sqrt(np.square(A).sum(axis=0))
    scale[scale == 0] = 1.0
    A = A / scale
    if len(A) >= width:
        triangle = A[:width]
        rcond, _ = linalg.lapack.dtrcon(triangle)
        if rcond > _RANK_RCOND:
            return linalg.solve_triangular(triangle, r[:width]) / scale
    return linalg.lstsq(A, r, cond=_RANK_RCOND, lapack_driver="gelsd")[0] / scale


def _with_gauge(blocks: Iterable[Block], gauge: Array) -> Iterator[Block]:
    yield from blocks
    if len(gauge):
        yield gauge, np.zeros(len(gauge))
