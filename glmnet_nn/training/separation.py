"""Directions in which the likelihood rises for ever, and the limit of the fit there.

The likelihood of a GLM has no maximum exactly if some direction d of the
parameters never lowers the likelihood of any row and raises that of some: then the
fitted means of those rows tend to the end of their domain, and the coefficients
along d to infinity. Such a d is a point of the cone C_i v_i >= 0, v_i = J_i d, of
:meth:`families.ExponentialFamily.escape_cone`; a linear program finds it or proves
that there is none.

Sources: Albert and Anderson (1984), "On the existence of maximum likelihood
estimates in logistic regression models"; Geyer (2009), "Likelihood inference in
exponential families and directions of recession"; Correia, Guimaraes and Zylkin
(2019), "Verifying the existence of maximum likelihood estimates for GLMs".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from families import Array
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import stacked_qr
from glmnet_nn.training.solvers._problem import Penalty
from glmnet_nn.training.source_objective import SourceObjective

_MOST_OPEN = 100_000  # rows of blocks that a linear program is asked about
_FAR = 40.0  # e^-40 is below the rounding of 1: the mean is at its end
_CACHED_ROWS = 4096
_BLOCK_BYTES = 2**25  # of rows of G, where there are many columns
_NULL = 1e-10  # below this, relative to rows of length 1, a movement is rounding


@dataclass(frozen=True)
class Separation:
    """What separates, and along which direction.

    Attributes
    ----------
    rows : array of int
        Rows whose mean tends to the end of its domain.
    direction : array of shape (n_parameters,)
        The shortest d that moves each of these rows by at least 1.
    free : array of shape (n_parameters, r)
        Orthonormal basis of all directions that leave every other row alone: what
        the data do not determine.
    system : Inequalities
        ``system @ direction >= 1`` of the separated rows.
    """

    rows: NDArray[np.intp]
    direction: Array
    free: Array
    system: Inequalities

    def finite_part(self, w: Array) -> Array:
        """Return w without its part in the directions that the data do not determine."""
        return w - self.free @ (self.free.T @ w)

    def limit(self, w: Array) -> Array:
        """Return w moved along d until the separated rows are at their end."""
        short = (_FAR - self.system @ w) / (self.system @ self.direction)
        return w + max(float(short.max()), 0.0) * self.direction


def find_separation(objective: Objective, w: Array, clear: float) -> Separation | None:
    """Return the separation of a depth-zero fit that ended at w, or None.

    A row whose Fisher weight is not small where the score vanishes takes part in
    no separation (its residual is a positive multiplier that certifies it), so
    only those below ``clear`` enter the linear program. At a regular optimum that
    Newton's method has found there are hardly any; for a w further from the
    optimum ``clear`` must be higher, and np.inf always decides exactly.
    """
    if np.isfinite(clear) and is_informed(objective, w, clear):
        return None
    system = _inequalities(objective, w, clear)
    if system is None:
        return None
    free = system.but(~system.kept).null_space()
    if not free.shape[1]:
        return None
    moving = _rises(np.concatenate([_unit_rows(G) @ free for G in system.blocks()]))
    if not moving.any():
        return None
    separated = np.zeros(len(system.kept), dtype=bool)
    separated[np.flatnonzero(system.kept)[moving]] = True
    free = system.but(~separated).null_space()
    system = system.but(separated)
    direction = free @ _shortest(system @ free)
    n_each = len(separated) // objective.n_rows
    rows = np.unique(np.flatnonzero(separated) // n_each)
    return Separation(rows, direction, free, system)


def is_informed(objective: Objective, w: Array, clear: float) -> bool:
    """Tell whether every direction, the flat ones aside, has more than little information.

    A direction d that moves only rows of Fisher weight below ``clear`` has
    d'F d <= clear K sum_i w_i |[x_i 1]|^2 / sum w: an inexpensive proof, for
    most fits, that no direction of escape was followed to its end.
    """
    F, flat = objective.information(w), objective.flat_directions()
    F += np.trace(F) * (flat.T @ flat)
    size = objective.network.layout.sizes[-1] * objective.squared_lengths()
    F[np.diag_indices_from(F)] -= clear * size
    _, info = linalg.lapack.dpotrf(F, overwrite_a=True)  # positive definite?
    return bool(info == 0)


@dataclass(frozen=True)
class Inequalities:
    """G d >= 0, the cone of escape, for some of its rows: a block at a time, from w.

    ``kept`` tells which rows, those of the first observation first.
    """

    objective: Objective
    w: Array
    kept: NDArray[np.bool_]

    def but(self, kept: NDArray[np.bool_]) -> Inequalities:
        """Return those of other rows."""
        return replace(self, kept=kept)

    def blocks(self) -> Iterator[Array]:
        """Yield the rows of G that are kept, (m, n_parameters) at a time."""
        objective, at = self.objective, 0
        width = self.w.size * objective.network.layout.sizes[-1]
        size = min(_CACHED_ROWS, max(1, _BLOCK_BYTES // (8 * width)))
        for rows in objective.rows.blocks(size):
            cone = objective.family.escape_cone(rows.y)
            kept = self.kept[at : at + cone.shape[0] * cone.shape[1]]
            at += len(kept)
            if not kept.any():
                continue
            some = np.asarray(kept.reshape(len(rows), -1).any(axis=1))  # no J of the others
            inputs, _ = objective.linear_predictor(self.w, rows.take(some))
            J = objective.network.jacobian(self.w, inputs)
            G = np.einsum("nmk,nkp->nmp", cone[some], J)
            yield G.reshape(-1, self.w.size)[kept.reshape(len(rows), -1)[some].ravel()]

    def __matmul__(self, V: Array) -> Array:
        """Return G V."""
        empty = np.empty((0, *V.shape[1:]))
        return np.concatenate([empty, *(G @ V for G in self.blocks())])

    def null_space(self) -> Array:
        """Return an orthonormal basis (p, r) of the d with G d = 0, rows scaled to length 1."""
        p = self.w.size
        if not self.kept.any():
            return np.eye(p)
        _, s, Vt = linalg.svd(self.triangle()[:p, :p], full_matrices=True)
        rank = int(np.sum(s > _NULL * s.max(initial=0.0)))
        return np.asarray(Vt[rank:].T)

    def triangle(self) -> Array:
        """Return R of the QR factorisation of the rows scaled to length 1."""
        blocks = ((_unit_rows(G), np.zeros(len(G))) for G in self.blocks())
        return stacked_qr(blocks, self.w.size)


@dataclass(frozen=True)
class SourceInequalities(Inequalities):
    """The same of rows that come in blocks; ``lengths`` are the inequalities of each block."""

    objective: SourceObjective
    lengths: tuple[int, ...]

    def _of_blocks(self, function: Callable[[Inequalities], list[Array]]) -> list[list[Array]]:
        own = np.split(self.kept, np.cumsum(self.lengths)[:-1])
        return self.objective.of_blocks(_of_block, function, self.w, each=own)

    def blocks(self) -> Iterator[Array]:
        n_open = int(self.kept.sum())
        if n_open > _MOST_OPEN:
            raise ValueError(
                f"the data seem to be separated: {n_open} rows have lost their Fisher weight, and "
                f"of blocks at most {_MOST_OPEN} can be asked why. Set alpha > 0, or fit a sample "
                "in memory to see which columns separate."
            )
        for found in self._of_blocks(_rows_of):
            yield from found

    def triangle(self) -> Array:
        parts = [R for found in self._of_blocks(_triangle_of) for R in found]
        return stacked_qr(((R[:, :-1], R[:, -1]) for R in parts), self.w.size)


def _of_block(
    block: Objective,
    function: Callable[[Inequalities], list[Array]],
    w: Array,
    kept: NDArray[np.bool_],
) -> list[Array]:
    return function(Inequalities(block, w, kept))


def _rows_of(inequalities: Inequalities) -> list[Array]:
    return list(inequalities.blocks())


def _triangle_of(inequalities: Inequalities) -> list[Array]:
    return [inequalities.triangle()]


def _inequalities(objective: Objective, w: Array, clear: float) -> Inequalities | None:
    """Return the inequalities of the rows that are not settled as G d = 0, None if all are."""
    if not isinstance(objective, SourceObjective):
        unsettled = _unsettled(objective, w, clear)
        return Inequalities(objective, w, unsettled) if unsettled.any() else None
    parts = objective.of_blocks(_unsettled, w, clear)
    if not any(part.any() for part in parts):
        return None
    lengths = tuple(len(part) for part in parts)
    return SourceInequalities(objective, w, np.concatenate(parts), lengths)


def _unsettled(objective: Objective, w: Array, clear: float) -> NDArray[np.bool_]:
    settled = []
    for rows in objective.rows.blocks(_CACHED_ROWS):
        eta = objective.linear_predictor(w, rows)[1]
        cone, weight = objective.family.escape_cone(rows.y), objective.family.fisher_weight(eta)
        repeats = cone.shape[1] // weight.shape[1]
        clearly = np.tile(weight > clear, (1, repeats))
        settled.append((clearly | ~cone.any(axis=2)).ravel())
    return np.asarray(~np.concatenate(settled))


def _unit_rows(G: Array) -> Array:
    """Return the rows scaled to length 1; rows of zeros stay."""
    lengths = np.sqrt(np.square(G).sum(axis=1, keepdims=True))
    return G / np.where(lengths > 0, lengths, 1.0)


def _rises(M: Array) -> NDArray[np.bool_]:
    """Tell which rows some c with M c >= 0 makes positive: max sum z, 0 <= z <= 1, z <= M c."""
    lengths = np.sqrt(np.square(M).sum(axis=1))
    live = np.flatnonzero(lengths > _NULL)  # the others are 0 but for rounding
    rising = np.zeros(len(M), dtype=bool)
    if not len(live):
        return rising
    A = M[live] / lengths[live, None]
    m, k = A.shape
    found = optimize.linprog(
        np.r_[np.zeros(k), -np.ones(m)],
        A_ub=sparse.hstack([-sparse.csr_array(A), sparse.eye_array(m)]),
        b_ub=np.zeros(m),
        bounds=[(None, None)] * k + [(0, 1)] * m,
        method="highs",
    )
    if found.x is not None:
        rising[live] = found.x[k:] > 0.5
    return rising


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


class Restricted:
    """A scoring problem on the affine set origin + basis u."""

    def __init__(self, problem: Objective, origin: Array, basis: Array) -> None:
        self.problem, self.origin, self.basis = problem, origin, basis
        self.n_rows = problem.n_rows

    def full(self, u: Array) -> Array:
        """Return the parameters of the whole problem."""
        return self.origin + self.basis @ u

    @property
    def penalty(self) -> Penalty:
        return self.problem.penalty

    def value(self, u: Array) -> float:
        return self.problem.value(self.full(u))

    def smooth_value_and_gradient(self, u: Array) -> tuple[float, Array]:
        value, gradient = self.problem.smooth_value_and_gradient(self.full(u))
        return value, self.basis.T @ gradient

    def information(self, u: Array) -> Array:
        return self.basis.T @ self.problem.information(self.full(u)) @ self.basis

    def scoring_blocks(self, u: Array) -> Iterator[tuple[Array, Array]]:
        for A, r in self.problem.scoring_blocks(self.full(u)):
            yield A @ self.basis, r

    def flat_directions(self) -> Array:
        # A flat direction moves no row, so it is among the directions left out.
        return np.zeros((0, self.basis.shape[1]))

    def score_scale(self, u: Array) -> float:
        return self.problem.score_scale(self.full(u))


def limit_problem(objective: Objective, separation: Separation, w: Array) -> Restricted:
    """Return the problem that is left when the separated rows are at their end."""
    kept = linalg.null_space(separation.free.T) if separation.free.shape[1] else np.eye(w.size)
    return Restricted(objective, separation.limit(separation.finite_part(w)), kept)
