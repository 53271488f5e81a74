"""Proximal Newton for several neighbours on a path at once.

They share a working set, a Hessian on it and each pass over the rows, so that the products
are of matrices. A Hessian taken at one of them serves the others as a metric; a line
search on F makes each step a descent whatever the metric, and one that contracts too
little is taken anew. Sources: Lee, Sun and Saunders (2014), "Proximal Newton-type methods
for minimizing composite functions"; Friedman, Hastie and Tibshirani (2010), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.elastic_net.metric import Metric
from glmnet_nn.elastic_net.objective import PathObjective, Points
from glmnet_nn.elastic_net.quadratic import minimise

_ARMIJO = 1e-4
_SHRINK = 0.5
_LEAST_STEP = 2.0**-30
_CONTRACTS = 0.1  # of the decrease that is left, by one step: else the metric is renewed
_TRUSTED = 0.5  # contraction at which what is left is about what the metric says


@dataclass(frozen=True)
class Penalty:
    """alpha [ l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2 ] for an array of alphas."""

    alphas: Array
    l1_ratio: float

    @property
    def l1(self) -> Array:
        return self.alphas * self.l1_ratio

    @property
    def l2(self) -> Array:
        return self.alphas * (1.0 - self.l1_ratio)

    def value(self, w: Array) -> Array:
        """Return the penalty of each row of w at its own alpha."""
        squares = np.einsum("mp,mp->m", w, w)
        return self.l1 * np.abs(w).sum(axis=1) + 0.5 * self.l2 * squares

    def take(self, at: NDArray[np.intp]) -> Penalty:
        """Return the penalty of some of the points."""
        return Penalty(self.alphas[at], self.l1_ratio)


@dataclass
class BlockSolution:
    """The points of a block, and how each ended."""

    points: Points
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.intp]


class Block:
    """Neighbours on a path, from a common start.

    Parameters
    ----------
    objective : PathObjective
    metric : Metric
        Perhaps of another block: its Hessian is used until it contracts too little.
    penalty : Penalty
        One alpha for each point.
    start : Points
        One point, or as many.
    tol : float
        The part of F above the minimum that may stay.
    max_iter : int
        Steps.
    """

    def __init__(
        self,
        objective: PathObjective,
        metric: Metric,
        penalty: Penalty,
        start: Points,
        tol: float,
        max_iter: int,
    ) -> None:
        self.objective, self.metric, self.penalty = objective, metric, penalty
        self.tol, self.max_iter = tol, max_iter
        m = len(penalty.alphas)
        self.points = start.take(np.resize(np.arange(len(start)), m))
        self.value = self.points.loss + penalty.value(self.points.w)
        self.left = np.full(m, np.inf)  # what the last metric said was above the minimum
        self.contraction = np.full(m, np.nan)  # of what is left, by the last step
        self.step = np.ones(m)
        self.w_step = np.zeros_like(self.points.w)
        self.b_step = np.zeros_like(self.points.b)
        self.decrease = np.zeros(m)
        self.converged = np.zeros(m, dtype=bool)
        self.stuck = np.zeros(m, dtype=bool)
        self.fresh = -1  # the point at which the metric has been taken, as it now is
        self.n_iter = np.zeros(m, dtype=np.intp)
        self.n_passes = 0

    def solve(self) -> BlockSolution:
        """Step until every point has converged, is stuck or has had its steps."""
        turn = np.ones(len(self.value), dtype=bool)  # to take a new direction
        while True:
            pending = ~(self.converged | self.stuck | (self.n_iter >= self.max_iter))
            if not pending.any():
                return BlockSolution(self.points, self.converged, self.n_iter)
            aiming = np.flatnonzero(pending & turn)
            if len(aiming):
                self._renew(aiming)
            for k in aiming:
                self._aim(k)
            moving = np.flatnonzero(pending & ~self.converged & ~self.stuck)
            if len(moving):
                turn[:] = False
                turn[moving] = self._move(moving)

    # ------------------------------------------------------------ the metric

    def _needed(self, at: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the pairs that are not 0, or whose slope says that they should not be."""
        points, l1 = self.points, self.penalty.l1[at]
        wanted = (points.w[at] != 0) | (np.abs(points.slope[at]) > l1[:, None])
        if not l1.all():
            wanted[:] = True
        return np.flatnonzero(wanted.any(axis=0))

    def _renew(self, at: NDArray[np.intp]) -> None:
        """Take the Hessian anew where it has not contracted; extend the working set."""
        needed = self._needed(at)
        worst = at[np.argmax(np.nan_to_num(self.contraction[at], nan=0.0, posinf=np.inf))]
        slow = self.contraction[worst] > _CONTRACTS
        early = self.n_passes == 1 and not self.objective.is_quadratic  # now all are near
        if slow or early or not self.metric.has_point:
            center = int(worst if self.contraction[worst] > 1.0 else at[len(at) // 2])
            self.metric.set_point(self.points.w[center], self.points.b[center], needed)
            self.fresh = center
        else:
            self.metric.include(needed)

    # ------------------------------------------------------------- one point

    def _aim(self, k: np.intp) -> None:
        """Set the direction of point k to the minimiser of its model; see if it is there."""
        points, metric = self.points, self.metric
        l1, l2 = float(self.penalty.l1[k]), float(self.penalty.l2[k])
        w = points.w[k, metric.at]
        slope = metric.reduced_slope(points.slope[k], points.slope_b[k])
        Qw = metric.Q @ w
        square = float(w @ Qw + 2.0 * np.abs(slope) @ np.abs(w) + 4.0 * metric.square)
        square = square if square > 0 else 1.0  # rounding, where Q has large entries
        tol = 0.1 * max(self.tol, 0.01 * self.left[k] if np.isfinite(self.left[k]) else self.tol)
        settle = metric.settled if l2 == 0 else np.asarray
        target, gap = minimise(metric.Q, Qw - slope, l1, l2, w, square, tol, settle)
        change = target - w
        b_step = metric.intercept_change(change, points.slope_b[k])
        self.w_step[k] = 0.0
        self.w_step[k, metric.at] = change
        self.b_step[k] = b_step
        linear = points.slope[k, metric.at] @ change + points.slope_b[k] @ b_step
        bend = l1 * (np.abs(target).sum() - np.abs(w).sum())
        bend += 0.5 * l2 * (target @ target - w @ w)
        self.decrease[k] = -(linear + bend)
        self.step[k] = 1.0
        left = abs(self.decrease[k]) + gap
        before, self.left[k] = self.left[k], left
        self.contraction[k] = left / before if 0 < before < np.inf else np.nan
        trusted = self.contraction[k] <= _TRUSTED or before == 0 or self.fresh == k
        trusted |= self.objective.is_quadratic
        if left <= self.tol and trusted:
            self.converged[k] = True

    def _move(self, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Try the steps of these points; tell which were accepted."""
        t = self.step[at, None]
        w = self.points.w[at] + t * self.w_step[at]
        b = self.points.b[at] + t * self.b_step[at]
        found = self.objective.at(w, b)
        self.n_passes += 1
        value = found.loss + self.penalty.take(at).value(w)
        rounding = np.asarray(self.objective.rounding(found.loss))
        bound = self.value[at] - _ARMIJO * self.step[at] * self.decrease[at] + rounding
        accepted = np.isfinite(value) & (value <= bound)
        accepted &= np.isfinite(found.slope).all(axis=1)
        good, bad = np.flatnonzero(accepted), at[~accepted]
        self.points.put(at[good], found.take(good))
        self.value[at[good]] = value[good]
        if self.fresh in at[good]:
            self.fresh = -1
        self.n_iter[at] += 1
        self.contraction[bad] = np.inf
        self.step[bad] *= _SHRINK
        self.stuck[bad] |= self.step[bad] < _LEAST_STEP
        return accepted
