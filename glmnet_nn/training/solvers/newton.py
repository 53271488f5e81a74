"""Fisher scoring (IRLS): a weighted least-squares problem each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from families import Array
from glmnet_nn.training.solvers._least_squares import gram_solve, qr_solve
from glmnet_nn.training.solvers._problem import FORGETFUL, Keeper, ScoringProblem, Solution, State

_EPS = np.finfo(float).eps
_STALLED = 4096 * _EPS  # of F: a predicted fall below this may be rounding
_ROUNDING = 32 * _EPS  # of A w


@dataclass(frozen=True)
class Newton:
    """Fisher scoring with step halving; Newton's method for a canonical link.

    1. delta minimises |A delta - r|^2, that is A'A delta = -gradient F(w).
    2. The decrement sqrt(n / phi * delta' A'A delta) is the largest score of any
       contrast of the parameters, in standard errors.
    3. w moves by delta, halved until F does not rise and is not rising steeply:
       where the Fisher information is too small (a link that is not canonical), full
       steps would swing from one side of the optimum to the other.
    4. Stop when the decrement is at most ``tol`` (that last step is taken too), or
       when it has ceased to fall and what is left of it is below the rounding of F or
       of the linear predictor. Not converged: stop where F halves in a step and the problem
       knows that it falls to 0 along w for ever.

    Step 1 uses the normal equations while their condition allows, else QR.
    Source: McCullagh and Nelder (1989), section 2.5; Boyd and Vandenberghe (2004),
    section 9.5 (decrement and stopping).

    Parameters
    ----------
    tol : float
        Largest score at the solution, in standard errors.
    max_iter : int
        Largest number of steps.
    """

    name: ClassVar[str] = "newton"
    handles_l1: ClassVar[bool] = False
    handles_hidden_layers: ClassVar[bool] = False

    tol: float = 1e-9
    max_iter: int = 100

    def solve(
        self,
        problem: ScoringProblem,
        start: Array,
        report: Callable[[int, float], None] | None = None,
        keeper: Keeper = FORGETFUL,
    ) -> Solution:
        """Minimise the problem from ``start`` or, if there is one, from the state of ``keeper``."""
        gauge, state = problem.flat_directions(), keeper.state
        if state is None:
            w, squares, decrement, use_qr, risen = start, np.inf, np.inf, False, 0
            value, gradient = problem.smooth_value_and_gradient(w)
            curve = [value]
        else:
            w, value, gradient = state["w"], state["value"], state["gradient"]
            squares, decrement = state["squares"], state["decrement"]
            use_qr, risen, curve = state["use_qr"], state["risen"], list(state["curve"])

        def told() -> State:
            at = {"w": w, "value": value, "gradient": gradient, "curve": list(curve)}
            return at | {
                "squares": squares, "decrement": decrement, "use_qr": use_qr, "risen": int(risen)
            }  # fmt: skip

        converged, message = False, f"{self.max_iter} iterations did not suffice"
        for n_iter in range(len(curve), self.max_iter + 1):
            delta, use_qr, trace = _scoring_step(problem, w, gradient, gauge, use_qr)
            before, squares = squares, abs(float(gradient @ delta))  # delta' A'A delta
            decrement = float(np.sqrt(squares * problem.score_scale(w))) if squares else 0.0
            risen += squares >= before
            at_rounding = (risen >= 2 and squares <= _STALLED * abs(value)) or (
                squares > 0.25 * before
                and squares <= 2.0 * _ROUNDING**2 * trace * float(w @ w)  # else it is not
                and _is_rounding(problem, w, delta)
            )
            higher = value
            w, value, gradient, moved = _halved(problem, w, value, gradient, delta)
            curve.append(value)
            if report is not None:
                report(n_iter, value)
            if (decrement <= self.tol or at_rounding) and use_qr and _hides(problem, w, gradient):
                message = "rows far from their y have lost their Fisher weight to rounding"
                break
            if decrement <= self.tol:
                converged, message = True, "the score is within tol standard errors of zero"
                break
            if value < 0.5 * higher and problem.escapes(w):
                message = "the deviance falls to 0 for ever along the parameters"
                break
            if not moved:
                small = squares <= _STALLED * abs(value)
                at_rounding = small or _is_rounding(problem, w, delta)
            if at_rounding:
                converged, message = True, "what is left of the score is rounding"
                break
            if not moved:
                message = "no step along the scoring direction lowers the deviance"
                break
            keeper.keep(n_iter, told)
        return Solution(w, value, decrement, len(curve) - 1, converged, message, tuple(curve))


def _scoring_step(
    problem: ScoringProblem, w: Array, gradient: Array, gauge: Array, use_qr: bool
) -> tuple[Array, bool, float]:
    """Return delta, whether QR was needed (then it is used from here on), and a bound of A'A.

    |A v|^2 <= trace(A'A) |v|^2, without QR.
    """
    if not use_qr:
        F = problem.information(w)
        trace = float(np.trace(F))
        delta = gram_solve(F, gradient, gauge)
        if delta is not None:
            return delta, False, trace
    return qr_solve(problem.scoring_blocks(w), gauge), True, np.inf


def _is_rounding(problem: ScoringProblem, w: Array, delta: Array) -> bool:
    """Tell whether A delta is below the rounding of A w."""
    moved = size = 0.0
    for A, _ in problem.scoring_blocks(w):
        moved += float(np.square(A @ delta).sum())
        size += float(np.square(A @ w).sum())
    return bool(moved <= _ROUNDING**2 * size)


def _hides(problem: ScoringProblem, w: Array, gradient: Array) -> bool:
    """Tell whether some score is far from zero though the decrement, its bound, is not.

    g_j^2 / F_jj <= g' F^-1 g, unless rows with a residual have underflown in F.
    """
    diagonal = sum(np.square(A).sum(axis=0) for A, _ in problem.scoring_blocks(w))
    scores = np.square(gradient) * problem.score_scale(w)
    return bool(np.any(scores > 1e-6 * diagonal))


def _halved(
    problem: ScoringProblem, w: Array, value: float, gradient: Array, delta: Array
) -> tuple[Array, float, Array, bool]:
    """Return w + delta 2^-k with the first k for which F has not risen nor rises steeply.

    Where the fall that delta promises is below the rounding of F, its slope decides.
    """
    promised = -float(gradient @ delta)
    slack = np.inf if abs(promised) <= _STALLED * abs(value) else 64 * _EPS * abs(value)
    steepest = 0.8 * promised
    step = 1.0
    for _ in range(40):
        trial = w + step * delta
        if np.array_equal(trial, w):
            break
        trial_value, trial_gradient = problem.smooth_value_and_gradient(trial)
        if trial_value <= value + slack and float(trial_gradient @ delta) <= steepest:
            return trial, trial_value, trial_gradient, True
        step *= 0.5
    return w, value, gradient, False
