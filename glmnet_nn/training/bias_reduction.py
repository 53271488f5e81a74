"""Bias-reduced estimates of a GLM: the score, adjusted so that its root has less bias.

Maximum likelihood estimates are biased by O(1 / n), away from 0 for most laws, and
infinite where the data are separated. The root of

    U*(w) = U(w) + sum_i J_i' A_i,      A_i = h_i / 2 (d^2 mu / d eta^2) / (d mu / d eta),

U the score, J_i = d eta_i / d w and h_i the leverage, has bias O(1 / n^2) and is finite
for binary and categorical laws. The recursion that is seeded with w (mu - y) d theta / d eta
for the gradient is seeded with A besides. With a canonical link U* is the slope of
l(w) + log|F(w)| / 2, the likelihood times Jeffreys' prior; else it is no slope of anything.

Sources: Firth (1993), "Bias reduction of maximum likelihood estimates", Biometrika 80;
Kosmidis and Firth (2009), "Bias reduction in exponential family nonlinear models",
Biometrika 96, section 4.2; Heinze and Schemper (2002), "A solution to the problem of
separation in logistic regression", Statistics in Medicine 21.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import FORGETFUL, Keeper, Solution, State, stacked_qr

_BLOCK_ROWS = 4096
_NEAR = 3.0  # standard errors from the root, where Newton's method may converge
_FAST = 0.1  # of the score left by a scoring step: below, Newton's step is not worth its price
_HALVINGS = 12


@dataclass(frozen=True)
class _Point:
    """The adjusted score over the total weight at w, and a root T of F^-1 = T T'.

    ``decrement`` = sqrt(n U*' F^-1 U*) is the largest adjusted score of any contrast of
    the parameters, in standard errors; inf where w gives some row no mean.
    """

    w: Array
    score: Array
    root: Array
    decrement: float

    def in_standard_errors(self, score: Array) -> Array:
        """Return T' score: the score of contrasts of unit information."""
        return np.asarray(self.root.T @ score)

    def moved(self, objective: Objective, z: Array) -> _Point:
        """Return the point at w + T z."""
        return _at(objective, self.w + self.root @ z)


def reduce_bias(
    objective: Objective,
    start: Array,
    tol: float,
    max_iter: int,
    report: Callable[[int, float], None] | None = None,
    keeper: Keeper = FORGETFUL,
) -> Solution:
    """Return the root of the adjusted score of an unpenalised GLM.

    w moves by the scoring step F^-1 U*, halved while the decrement does not fall. Scoring
    converges linearly, and slowly where rows are few; near the root, where it leaves more
    than a tenth of the score, Newton's step takes over, with the Jacobian of U* by
    differences. Stop when the decrement is at most ``tol``. ``Solution.value`` is F(w),
    without Jeffreys' prior: no function decides, as U* need not be the slope of one.
    """
    state = keeper.state
    point = _at(objective, start if state is None else state["w"])
    curve = [objective.value(start)] if state is None else list(state["curve"])

    def told() -> State:
        return {"w": point.w, "curve": list(curve)}

    converged = point.decrement <= tol
    message = f"{max_iter} iterations did not suffice"
    while not converged and len(curve) <= max_iter:
        point = _nearer(objective, point)
        curve.append(objective.value(point.w))
        converged = point.decrement <= tol
        if report is not None:
            report(len(curve) - 1, curve[-1])
        keeper.keep(len(curve) - 1, told)
    if converged:
        message = "the adjusted score is within tol standard errors of zero"
    return Solution(
        point.w, curve[-1], point.decrement, len(curve) - 1, converged, message, tuple(curve)
    )


def _nearer(objective: Objective, point: _Point) -> _Point:
    """Return the next point: by a scoring step or, near the root, by Newton's."""
    step = point.in_standard_errors(point.score)
    scored = point.moved(objective, step)
    if scored.decrement <= _FAST * point.decrement:
        return scored
    if point.decrement < _NEAR:
        newton = point.moved(objective, -linalg.lstsq(_jacobian(objective, point), step)[0])
        if newton.decrement <= _FAST * point.decrement:
            return newton
    shorter = scored
    for _ in range(_HALVINGS):
        if shorter.decrement < point.decrement:
            return shorter
        step = 0.5 * step
        shorter = point.moved(objective, step)
    return scored if np.isfinite(scored.decrement) else shorter


def _jacobian(objective: Objective, point: _Point) -> Array:
    """Return d T'U* / d z at w + T z, column by column: -1 but for what the adjustment bends."""
    h = 1e-3 / np.sqrt(objective.total_weight)  # a thousandth of a standard error
    steps = h * np.eye(point.root.shape[1])
    rises = [
        point.moved(objective, step).score - point.moved(objective, -step).score for step in steps
    ]
    columns = [point.in_standard_errors(rise / (2 * h)) for rise in rises]
    J = np.column_stack(columns)
    return J if np.all(np.isfinite(J)) else -np.eye(len(J))


def _at(objective: Objective, w: Array) -> _Point:
    value, gradient = objective.smooth_value_and_gradient(w)
    if np.isfinite(value):
        with np.errstate(over="ignore", invalid="ignore"):  # where all weights underflow
            root = _inverse_root(objective, w)
            score = _adjustment(objective, w, root) - gradient
            decrement = float(np.sqrt(objective.n_rows * np.square(root.T @ score).sum()))
        if np.isfinite(decrement):
            return _Point(w, score, root, decrement)
    return _Point(w, np.full_like(w, np.nan), np.zeros((w.size, 1)), np.inf)


def _inverse_root(objective: Objective, w: Array) -> Array:
    """Return T with T T' = F^-1, F over the total weight, off the flat directions of the law."""
    flat = objective.flat_directions()
    kept = linalg.null_space(flat) if len(flat) else np.eye(w.size)
    width = kept.shape[1]
    blocks = ((A @ kept, r) for A, r in objective.scoring_blocks(w))
    R = stacked_qr(blocks, width)[:width, :width]
    if len(R) < width or not np.all(np.diagonal(R)):
        return np.full_like(kept, np.inf)
    return np.asarray(kept @ linalg.solve_triangular(R, np.eye(width)))


def _adjustment(objective: Objective, w: Array, root: Array) -> Array:
    """Return sum_i J_i' A_i over the total weight, from the covariances w_i J_i F^-1 J_i'."""
    network, total = objective.network, objective.total_weight
    slope = np.zeros_like(w)
    for rows in objective.rows.blocks(_BLOCK_ROWS):
        inputs, eta = objective.linear_predictor(w, rows)
        T = network.jacobian(w, inputs) @ root
        spread = (rows.weight / total)[:, None, None] * (T @ T.swapaxes(1, 2))
        seed = objective.family.bias_adjustment(eta, spread) / total
        slope += network.gradient(w, inputs, seed)
    return slope
