"""Of G d >= 0, millions of inequalities: which can be strict, and the shortest d with G d >= 1.

Both are decided by few of them. A d that is a solution of some is either one of all, which a
product G d tells, or breaks others, and the worst of these join the few: constraint
generation, which ends as each round has more of them. What it finds is exact: what no d can
make strict under some inequalities, no d can under all.

Sources: Dantzig, Fulkerson and Johnson (1954), "Solution of a large-scale traveling-salesman
problem" (constraints as they are needed); Lawson and Hanson (1974), "Solving least squares
problems", chapter 23 (the shortest d, problem LDP).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from families import Array

if TYPE_CHECKING:
    from glmnet_nn.training.separation import Inequalities

NULL = 1e-10  # below this, relative to rows and d of length 1, a movement is rounding
_MET = 1e-9  # G d >= 1 may fail by this


def rising_rows(system: Inequalities, free: Array, w: Array) -> NDArray[np.bool_]:
    """Tell which of G d >= 0 some d = ``free`` c makes positive; mostly w does.

    ``free`` has orthonormal columns. Newton's method runs along a d of all that there are:
    where its end w moves no row back, and leaves none that can move, that decides.
    """
    chosen, rises = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=bool)
    lengths = system.lengths()
    lengths[lengths == 0] = 1.0
    d = free @ (free.T @ w)
    while True:
        moved, rounding = system @ d / lengths, NULL * float(linalg.norm(d))
        moved[chosen] = np.where(rises, np.inf, 0.0)
        unsettled = np.flatnonzero(moved < -rounding)
        if not len(unsettled):
            still = np.setdiff1d(np.flatnonzero(moved <= rounding), chosen)
            unsettled = still[_reach(system, still, free) > NULL]
        if not len(unsettled):
            return np.asarray(moved > rounding)
        chosen = _joined(chosen, unsettled, moved, _at_a_time(free))
        M = unit_rows(system.of(chosen)) @ free
        rises, c = _rises(M)
        kept = null_space(M[~rises])
        if not kept.shape[1]:
            return np.zeros(len(moved), dtype=bool)
        d, free = free @ (kept @ (kept.T @ c)), free @ kept


def shortest_direction(system: Inequalities, free: Array, w: Array) -> Array:
    """Return the shortest d = ``free`` c with G d >= 1: there is one."""
    chosen = np.zeros(0, dtype=np.intp)
    moved = system @ (free @ (free.T @ w))
    broken = np.arange(len(moved))
    while len(broken):
        chosen = _joined(chosen, broken, moved, _at_a_time(free))
        d = free @ _shortest(system.of(chosen) @ free)
        moved = system @ d
        broken = np.setdiff1d(np.flatnonzero(moved < 1.0 - _MET), chosen)
    return np.asarray(d)


def unit_rows(G: Array) -> Array:
    """Return the rows scaled to length 1; rows of zeros stay."""
    lengths = np.sqrt(np.square(G).sum(axis=1, keepdims=True))
    return G / np.where(lengths > 0, lengths, 1.0)


def null_space(M: Array) -> Array:
    """Return an orthonormal basis of the c with M c = 0, M of unit rows or what is left of them."""
    _, s, Vt = linalg.svd(M, full_matrices=True)
    return np.asarray(Vt[int(np.sum(s > NULL * s.max(initial=1.0))) :].T)


def _reach(system: Inequalities, numbers: NDArray[np.intp], free: Array) -> Array:
    """Return how far a d of length 1 may move each of these rows, scaled to length 1."""
    lengths = [linalg.norm(unit_rows(G) @ free, axis=1) for G in system.only(numbers).blocks()]
    return np.concatenate([np.empty(0), *lengths])


def _at_a_time(free: Array) -> int:
    """Return how many inequalities join in a round."""
    return 100 + 4 * free.shape[1]


def _joined(
    chosen: NDArray[np.intp], others: NDArray[np.intp], moved: Array, few: int
) -> NDArray[np.intp]:
    """Return the chosen and the few of others that are moved least, in order."""
    least = others[np.argsort(moved[others], kind="stable")[:few]]
    return np.sort(np.concatenate([chosen, least]))


def _rises(M: Array) -> tuple[NDArray[np.bool_], Array]:
    """Tell which rows some c with M c >= 0 makes positive; return one c that does it to all.

    max sum z, 0 <= z <= 1, z <= M c.
    """
    lengths, rising = linalg.norm(M, axis=1), np.zeros(len(M), dtype=bool)
    live = np.flatnonzero(lengths > NULL)  # the others are 0 but for rounding
    m, k = len(live), M.shape[1]
    if not m:
        return rising, np.zeros(k)
    A = M[live] / lengths[live, None]
    found = optimize.linprog(
        np.r_[np.zeros(k), -np.ones(m)],
        A_ub=sparse.hstack([-sparse.csr_array(A), sparse.eye_array(m)]),
        b_ub=np.zeros(m),
        bounds=[(None, None)] * k + [(0, 1)] * m,
        method="highs",
    )
    if found.x is None:
        return rising, np.zeros(k)
    rising[live] = found.x[k:] > 0.5
    return rising, np.asarray(found.x[:k])


def _shortest(M: Array) -> Array:
    """Return the shortest c with M c >= 1 (Lawson and Hanson 1974, problem LDP).

    Its dual is non-negative least squares: with u >= 0 minimising
    |[M' ; 1'] u - (0, ..., 0, 1)|^2 and r the residual, c = -r / r_last.
    """
    E = np.vstack([M.T, np.ones(len(M))])
    target = np.r_[np.zeros(M.shape[1]), 1.0]
    u = optimize.nnls(E, target)[0]
    active = u > 0
    if active.any():  # the exact solution on the active rows
        u[active] = np.linalg.lstsq(E[:, active], target, rcond=None)[0]
    r = E @ u - target
    return -r[:-1] / r[-1]
