"""min_w w'Qw / 2 - q'w + l1 |w|_1 + l2 |w|^2 / 2, by supports and coordinate descent.

Where the support and the signs of the solution are known, it is the solution of linear
equations: (Q + l2) w = q - l1 sign(w) on the support. Along a path they are nearly known,
from the neighbour and from the step before, and a few repairs find them. Else, and where Q
is singular on the support, coordinate descent brings them: that of scikit-learn, compiled.
Sources: Friedman, Hastie and Tibshirani (2010), "Regularization paths for generalized
linear models via coordinate descent"; Osborne, Presnell and Turlach (2000), "A new
approach to variable selection in least squares problems".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

from families import Array

_REPAIRS = 8
_SWEEPS = (20, 100, 500, 2500)  # of coordinate descent, between two looks at the support
_FLAT = 1e-11  # relative: an eigenvalue below is rounding, as columns of length 1 have it
_SINGULAR = 1e-13  # a pivot below, relative to its diagonal entry, is rounding


def minimise(
    Q: Array,
    q: Array,
    l1: float,
    l2: float,
    start: Array,
    square: float,
    tol: float,
    settle: Callable[[Array], Array] = np.asarray,
) -> tuple[Array, float]:
    """Return a minimiser w, and a bound on what its value is above the least.

    Parameters
    ----------
    Q : array of shape (p, p)
        Positive semidefinite, C-contiguous.
    q, start : array of shape (p,)
    l1, l2 : float
        >= 0.
    square : float
        y'y of a least-squares problem with Q = X'X and q = X'y: q'Q^+ q or more.
    tol : float
        The bound asked for.
    settle : callable, optional
        w -> an equally good w of no larger l1 norm, where Q is singular by design.

    Examples
    --------
    With Q = 1 it is soft thresholding:

    >>> w, gap = minimise(np.eye(2), np.array([3.0, -0.5]), 1.0, 0.0, np.zeros(2), 10.0, 1e-9)
    >>> w, gap
    (array([2., 0.]), 0.0)
    """
    if l1 == 0:
        return _ridge(Q, q, l2), 0.0
    w = start
    found = _by_support(Q, q, l1, l2, w)
    if found is not None:
        return found, 0.0
    gap = np.inf
    for sweeps in _SWEEPS:
        w, gap = _descended(Q, q, l1, l2, w, square, tol, sweeps)
        w = settle(w)
        found = _by_support(Q, q, l1, l2, w)
        if found is None and sweeps == _SWEEPS[1]:
            found = _by_faces(Q, q, l1, l2, w)
        if found is not None:
            return found, 0.0
        if gap <= tol:
            break
    return w, gap


def _ridge(Q: Array, q: Array, l2: float) -> Array:
    """Return the solution of (Q + l2) w = q, the shortest one if Q + l2 is singular."""
    system = Q.copy()
    system.flat[:: len(system) + 1] += l2
    w = _solved(system.copy(), q)
    return np.asarray(linalg.lstsq(system, q)[0]) if w is None else w


def _solved(system: Array, target: Array) -> Array | None:
    """Return the solution by Cholesky's factors, in place; None if a pivot is rounding."""
    diagonal = np.diagonal(system).copy()
    factor, w, info = linalg.lapack.dposv(system.T, target, lower=1, overwrite_a=1)
    if info or np.any(np.square(np.diagonal(factor)) <= _SINGULAR * diagonal):
        return None
    return np.asarray(w)


def _by_support(Q: Array, q: Array, l1: float, l2: float, start: Array) -> Array | None:
    """Return the minimiser, exact, from the signs of ``start`` and a few repairs, or None.

    Coefficients that change their sign leave, those whose score exceeds l1 enter.
    """
    signs = np.sign(start)
    slack = _slack(q, l1)
    for _ in range(_REPAIRS):
        at = np.flatnonzero(signs)
        w = np.zeros_like(start)
        if len(at):
            solved = _on_support(Q, q - l1 * signs, l2, at)
            if solved is None:
                return None
            wrong = solved * signs[at] < 0
            if wrong.any():
                signs[at[wrong]] = 0.0
                continue
            w[at] = solved
        score = q - (Q[:, at] @ w[at] if 3 * len(at) < len(q) else Q @ w)
        enters = (np.abs(score) > slack) & (signs == 0)
        if not enters.any():
            return w
        signs[enters] = np.sign(score[enters])
    return None


def _on_support(Q: Array, target: Array, l2: float, at: NDArray[np.intp]) -> Array | None:
    """Return the solution of (Q + l2) w = target on the support; None if it is singular."""
    system = Q[at][:, at] if len(at) < len(Q) else Q.copy()
    system.flat[:: len(system) + 1] += l2
    return _solved(system, target[at])


def _by_faces(Q: Array, q: Array, l1: float, l2: float, start: Array) -> Array | None:
    """Return a minimiser by steps from face to face of the signs, none of them upwards; or None.

    On a face the function is quadratic: a step goes to its minimum there, or to the first
    coefficient that it makes 0, which leaves; at the minimum of a face the coefficient of
    the largest excess score enters. Where columns are dependent, a step along what leaves
    the fit alone takes one of them out: slow work for coordinate descent.
    Source: Nocedal and Wright (2006), Numerical Optimization, section 16.5.
    """
    w, signs = start.copy(), np.sign(start)
    slack = _slack(q, l1)
    for _ in range(3 * len(q)):
        at = np.flatnonzero(signs)
        score = q - Q @ w - l2 * w
        if len(at):
            step, bounded = _face_step(Q[np.ix_(at, at)], l2, score[at] - l1 * signs[at], l1)
            with np.errstate(divide="ignore", invalid="ignore"):
                reach = np.where(step * signs[at] < 0, -w[at] / step, np.inf)
            first = int(np.argmin(reach))
            if bounded and reach[first] >= 1.0:
                w[at] += step
            elif np.isfinite(reach[first]):
                w[at] += reach[first] * step
                w[at[first]] = signs[at[first]] = 0.0
                continue
            else:
                return None
            score = q - Q @ w - l2 * w
        excess = np.where(signs == 0, np.abs(score), 0.0)
        enters = int(np.argmax(excess))
        if excess[enters] <= slack:
            return w
        signs[enters] = np.sign(score[enters])
    return None


def _face_step(H: Array, l2: float, downhill: Array, l1: float) -> tuple[Array, bool]:
    """Return the step to the minimum on a face; False with a direction without a minimum."""
    H.flat[:: len(H) + 1] += l2
    unit = 1.0 / np.sqrt(np.where(np.diagonal(H) > 0, np.diagonal(H), 1.0))
    values, vectors = linalg.eigh(H * unit * unit[:, None])
    parts = vectors.T @ (downhill * unit)
    flat = values <= _FLAT * values[-1]
    if np.abs(parts[flat]).max(initial=0.0) > _FLAT * l1 * unit.max():
        return np.asarray(unit * (vectors[:, flat] @ parts[flat])), False
    return np.asarray(unit * (vectors[:, ~flat] @ (parts[~flat] / values[~flat]))), True


def _slack(q: Array, l1: float) -> float:
    """Return l1 and what may be rounding in a score."""
    return float(l1 * (1.0 + 1e-10) + 1e-13 * np.abs(q).max(initial=0.0))


def _descended(
    Q: Array, q: Array, l1: float, l2: float, start: Array, square: float, tol: float, sweeps: int
) -> tuple[Array, float]:
    """Return w and the duality gap after at most that many sweeps of coordinate descent.

    scikit-learn asks for X and y besides their products. Of X, without checks, it reads
    but the shape, a single row so that it divides by n = 1, and of y nothing but y'y.
    """
    row = np.zeros((1, len(q)), order="F")
    y = np.array([np.sqrt(square)])
    alpha = l1 + l2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the gap says it
        _, path, gaps = enet_path(
            row,
            y,
            l1_ratio=l1 / alpha,
            alphas=np.array([alpha]),
            precompute=Q,
            Xy=np.ascontiguousarray(q),
            coef_init=start.copy(),
            tol=tol / square,
            max_iter=sweeps,
            check_input=False,
        )
    gap = abs(float(gaps[0]))
    return path[:, 0], gap if np.isfinite(gap) else np.inf
