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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from families import Array
from glmnet_nn.training.facts import stacked_triangle
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers._problem import Penalty
from glmnet_nn.training.source_objective import SourceObjective

_MOST_OPEN = 100_000  # rows of blocks that a linear program is asked about
_FAR = 40.0  # e^-40 is below the rounding of 1: the mean is at its end
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
    system : array of shape (m, n_parameters)
        The inequalities ``system @ direction >= 1`` of the separated rows.
    """

    rows: NDArray[np.intp]
    direction: Array
    free: Array
    system: Array

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
    free = _null_space(system.settled)
    if not free.shape[1]:
        return None
    unit = _unit_rows(system.open)
    moving = _rises(unit @ free)
    if not moving.any():
        return None
    free = _null_space(np.vstack([system.settled, unit[~moving]]))
    separated = system.open[moving]
    direction = free @ _shortest(separated @ free)
    return Separation(np.unique(system.rows[moving]), direction, free, separated)


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
class _System:
    """The cone of escape, settled d = 0 and open d >= 0, and the rows that are open.

    What is settled is of unit rows, or the triangle of their QR factorisation.
    """

    settled: Array
    open: Array
    rows: NDArray[np.intp]


def _inequalities(objective: Objective, w: Array, clear: float) -> _System | None:
    """Return the cone of escape; None, before it is formed, if every row is settled."""
    if not isinstance(objective, SourceObjective):
        if _settled(objective, w, clear)[1].all():
            return None
        return _of_block(objective, w, clear, triangle=False)
    n_open = objective.total(_n_open, w, clear)
    if not n_open:
        return None
    if n_open > _MOST_OPEN:
        raise ValueError(
            f"the data seem to be separated: the means of {n_open} rows have lost their Fisher "
            f"weight, and of blocks at most {_MOST_OPEN} can be asked why. Set alpha > 0, or fit "
            "a sample in memory to see which columns separate."
        )
    blocks = objective.of_blocks(_of_block, w, clear, True)
    starts = np.cumsum((0, *objective.rows.facts.lengths[:-1]))
    return _System(
        stacked_triangle([block.settled for block in blocks]),
        np.concatenate([block.open for block in blocks]),
        np.concatenate([block.rows + at for block, at in zip(blocks, starts, strict=True)]),
    )


def _settled(
    objective: Objective, w: Array, clear: float
) -> tuple[Array, NDArray[np.bool_], list[Array]]:
    """Return the cone of each row, which of its inequalities are equalities, and its inputs."""
    rows, family = objective.rows.take(slice(None)), objective.family
    inputs, eta = objective.linear_predictor(w, rows)
    cone, weight = family.escape_cone(rows.y), family.fisher_weight(eta)
    repeats = cone.shape[1] // weight.shape[1]
    settled = np.tile(weight > clear, (1, repeats)) | ~cone.any(axis=2)
    return cone, settled, inputs


def _n_open(block: Objective, w: Array, clear: float) -> int:
    return int((~_settled(block, w, clear)[1]).any(axis=1).sum())


def _of_block(block: Objective, w: Array, clear: float, triangle: bool) -> _System:
    cone, settled, inputs = _settled(block, w, clear)
    G = np.einsum("nmk,nkp->nmp", cone, block.network.jacobian(w, inputs))
    rows = np.nonzero(~settled)[0]
    equalities = _unit_rows(G[settled])
    if triangle:
        equalities = linalg.qr(equalities, mode="r", check_finite=False)[0][: w.size]
    return _System(equalities, G[~settled], rows)


def _null_space(G: Array) -> Array:
    """Return an orthonormal basis (p, r) of the d with G d = 0, G of unit rows."""
    p = G.shape[1]
    if not len(G):
        return np.eye(p)
    R = linalg.qr(G, mode="r", check_finite=False)[0][:p] if len(G) > p else G
    _, s, Vt = linalg.svd(R, full_matrices=True)
    rank = int(np.sum(s > _NULL * s.max(initial=0.0)))
    return Vt[rank:].T


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
