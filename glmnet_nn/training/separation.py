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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective, row_squares
from glmnet_nn.training.recession import null_space, rising_rows, shortest_direction, unit_rows
from glmnet_nn.training.solvers import stacked_qr
from glmnet_nn.training.solvers._problem import Penalty
from glmnet_nn.training.source_objective import SourceObjective

_MOST_OPEN = 100_000  # rows of blocks that a linear program is asked about
_FAR = 40.0  # e^-40 is below the rounding of 1: the mean is at its end
_CACHED_ROWS = 4096
_BLOCK_BYTES = 2**25  # of rows of G, where there are many columns


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
    optimum ``clear`` must be higher, and np.inf always decides exactly; so does a w that
    separates all rows itself.
    """
    if objective.escapes(w):
        clear = np.inf
    if np.isfinite(clear) and is_informed(objective, w, clear):
        return None
    system = _inequalities(objective, w, clear)
    if system is None:
        return None
    free = system.but(~system.kept).null_space()
    if not free.shape[1]:
        return None
    moving = rising_rows(system, free, w)
    if not moving.any():
        return None
    separated = np.zeros(len(system.kept), dtype=bool)
    separated[np.flatnonzero(system.kept)[moving]] = True
    if not moving.all():
        free = system.but(~separated).null_space()
    system = system.but(separated)
    direction = shortest_direction(system, free, w)
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
        objective, width = self.objective, self.w.size * self.objective.network.layout.sizes[-1]
        size = min(_CACHED_ROWS, max(1, _BLOCK_BYTES // (8 * width)))
        for rows, cone, kept in self._cones(size):
            inputs, _ = objective.linear_predictor(self.w, rows)
            J = objective.network.jacobian(self.w, inputs)
            yield np.einsum("nmk,nkp->nmp", cone, J)[kept]

    def __matmul__(self, d: Array) -> Array:
        """Return G d, by the linear predictors of the parameters d."""
        found = [np.empty(0)]
        for rows, cone, kept in self._cones(_CACHED_ROWS):
            v = self.objective.linear_predictor(d, replace(rows, offset=None))[1]
            found.append(np.einsum("nmk,nk->nm", cone, v)[kept])
        return np.concatenate(found)

    def lengths(self) -> Array:
        """Return the lengths of the rows of G: |C_ij| |[x_i 1]|."""
        found, constant = [np.empty(0)], float(self.objective.network.layout.fit_intercept)
        for rows, cone, kept in self._cones(_CACHED_ROWS):
            squares = np.square(cone).sum(axis=2) * (row_squares(rows.X) + constant)[:, None]
            found.append(np.sqrt(squares)[kept])
        return np.concatenate(found)

    def _cones(self, size: int) -> Iterator[tuple[Rows, Array, NDArray[np.bool_]]]:
        """Yield the rows that have some, their C, (n, m, K), and which are kept, (n, m)."""
        at = 0
        for rows in self.objective.rows.blocks(size):
            cone = self.objective.family.escape_cone(rows.y)
            kept = self.kept[at : at + cone.shape[0] * cone.shape[1]].reshape(cone.shape[:2])
            at += kept.size
            some = np.asarray(kept.any(axis=1))
            if some.any():
                yield rows.take(some), cone[some], kept[some]

    def only(self, numbers: NDArray[np.intp]) -> Inequalities:
        """Return those of these numbers among the kept ones."""
        chosen = np.zeros(len(self.kept), dtype=bool)
        chosen[np.flatnonzero(self.kept)[numbers]] = True
        return self.but(chosen)

    def of(self, numbers: NDArray[np.intp]) -> Array:
        """Return the rows of G of these numbers, which rise, among the kept ones."""
        return np.concatenate([np.empty((0, self.w.size)), *self.only(numbers).blocks()])

    def null_space(self) -> Array:
        """Return an orthonormal basis (p, r) of the d with G d = 0, rows scaled to length 1."""
        p = self.w.size
        if not self.kept.any():
            return np.eye(p)
        return null_space(self.triangle()[:p, :p])

    def triangle(self) -> Array:
        """Return R of the QR factorisation of the rows scaled to length 1."""
        blocks = ((unit_rows(G), np.zeros(len(G))) for G in self.blocks())
        return stacked_qr(blocks, self.w.size)


@dataclass(frozen=True)
class SourceInequalities(Inequalities):
    """The same of rows that come in blocks; ``counts`` are the inequalities of each block."""

    objective: SourceObjective
    counts: tuple[int, ...]

    def _of_blocks(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        own = np.split(self.kept, np.cumsum(self.counts)[:-1])
        return self.objective.of_blocks(_of_block, function, arguments, self.w, each=own)

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

    def __matmul__(self, d: Array) -> Array:
        return np.concatenate(self._of_blocks(_moved, d))

    def lengths(self) -> Array:
        return np.concatenate(self._of_blocks(Inequalities.lengths))

    def triangle(self) -> Array:
        parts = [R for found in self._of_blocks(_triangle_of) for R in found]
        return stacked_qr(((R[:, :-1], R[:, -1]) for R in parts), self.w.size)


def _of_block(
    block: Objective,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    w: Array,
    kept: NDArray[np.bool_],
) -> Any:
    return function(Inequalities(block, w, kept), *arguments)


def _moved(inequalities: Inequalities, d: Array) -> Array:
    return inequalities @ d


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
    counts = tuple(len(part) for part in parts)
    return SourceInequalities(objective, w, np.concatenate(parts), counts)


def _unsettled(objective: Objective, w: Array, clear: float) -> NDArray[np.bool_]:
    settled = []
    for rows in objective.rows.blocks(_CACHED_ROWS):
        eta = objective.linear_predictor(w, rows)[1]
        cone, weight = objective.family.escape_cone(rows.y), objective.family.fisher_weight(eta)
        repeats = cone.shape[1] // weight.shape[1]
        clearly = np.tile(weight > clear, (1, repeats))
        settled.append((clearly | ~cone.any(axis=2)).ravel())
    return np.asarray(~np.concatenate(settled))


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

    def escapes(self, u: Array) -> bool:
        # What runs off to infinity does so along the directions left out.
        return False


def limit_problem(objective: Objective, separation: Separation, w: Array) -> Restricted:
    """Return the problem that is left when the separated rows are at their end."""
    kept = linalg.null_space(separation.free.T) if separation.free.shape[1] else np.eye(w.size)
    return Restricted(objective, separation.limit(separation.finite_part(w)), kept)
