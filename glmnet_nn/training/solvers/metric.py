"""Quasi-Newton in a given metric: few passes over many rows, no second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from families import Array
from glmnet_nn.training.solvers._problem import FORGETFUL, Keeper, Solution, State, SummedProblem
from glmnet_nn.training.solvers._quasi_newton import (
    Pairs,
    keep,
    recalled,
    remembered,
    two_loop,
    wolfe,
)

_PATIENCE = 10  # iterations in which the decrement must halve
_STEADY = 0.3  # share of the decrement: steps that leave no more converge steadily


@dataclass(frozen=True)
class MetricLBFGS:
    """L-BFGS whose initial matrix is the inverse of an approximate Hessian.

    With F0 near the Hessian, such as the Fisher information of a sample of the rows,
    every step of size one divides the error by a constant, and the curvature pairs
    correct F0 where it is wrong. It ends when the decrement sqrt(n / phi * g' F0^-1 g),
    the largest score of any contrast in standard errors as F0 has it, is at most
    ``tol``, or when one more step of size one must bring it there: each of the last two
    left at most r <= 0.3 of the decrement, and r times what is left is within ``tol``. That
    step is taken, and no pass over the rows is spent on its proof. Not converged, if the
    decrement has not halved for some iterations or a step fails.

    Source: Nocedal and Wright (2006), Numerical Optimization, section 7.2 (initial
    matrix of L-BFGS); Byrd, Chin, Neveitt and Nocedal (2011), "On the use of stochastic
    Hessian information in optimization methods for machine learning", section 5.

    Parameters
    ----------
    tol : float
        Largest score at the solution, in standard errors.
    max_iter : int
        Largest number of iterations.
    memory : int
        Number of curvature pairs kept.
    """

    tol: float
    max_iter: int = 100
    memory: int = 20

    def solve(
        self,
        problem: SummedProblem,
        start: tuple[Array, float, Array],
        inverse: Callable[[Array], Array],
        report: Callable[[int, float], None] | None = None,
        left: float = np.inf,
        keeper: Keeper = FORGETFUL,
    ) -> Solution:
        """Minimise F from ``start`` = (w, F(w), its gradient); ``inverse(g)`` is F0^-1 g.

        ``left`` is the share of the decrement that a step leaves, where that is known:
        the rounding of F0^-1, if F is quadratic and F0 its Hessian.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._solve(problem, start, inverse, report, left, keeper)

    def _solve(
        self,
        problem: SummedProblem,
        start: tuple[Array, float, Array],
        inverse: Callable[[Array], Array],
        report: Callable[[int, float], None] | None,
        left: float,
        keeper: Keeper,
    ) -> Solution:
        state = keeper.state
        if state is None:
            (w, value, gradient), pairs = start, Pairs(maxlen=self.memory)
            curve, best, waited, decrement = [value], np.inf, 0, np.inf
        else:
            w, value, gradient, left = (state[name] for name in ("w", "value", "gradient", "left"))
            pairs, curve = recalled(self.memory, state["pairs"]), list(state["curve"])
            best, waited, decrement = state["best"], state["waited"], state["decrement"]

        def told() -> State:
            at = {"w": w, "value": value, "gradient": gradient, "left": left}
            past = {"best": best, "waited": waited, "decrement": decrement}
            return {**at, **past, "pairs": remembered(pairs), "curve": list(curve)}

        converged, message = False, f"{self.max_iter} iterations did not suffice"
        while np.isfinite(value):
            before, decrement = decrement, _decrement(problem, value, gradient, inverse)
            if decrement <= self.tol:
                converged, message = True, "the score is within tol standard errors of zero"
                break
            waited = 0 if decrement < 0.5 * best else waited + 1
            best = min(best, decrement)
            if waited >= _PATIENCE:
                message = "the score falls no more"
                break
            if len(curve) > self.max_iter:
                break
            direction = -two_loop(pairs, gradient, inverse)
            left_before, left = left, decrement / before
            share = max(left_before, left)
            if share <= _STEADY and share * decrement <= self.tol:
                w, decrement = w + direction, share * decrement
                value += 0.5 * float(gradient @ direction)
                converged, message = True, "a last step leaves the score within tol of zero"
            else:
                found = wolfe(problem, w, value, gradient, direction, problem.rounding(value))
                if found is None:
                    message = "no step lowers the objective"
                    break
                following, value, following_gradient = found
                keep(pairs, following - w, following_gradient - gradient)
                w, gradient = following, following_gradient
            curve.append(value)
            if report is not None:
                report(len(curve) - 1, value)
            if converged:
                break
            keeper.keep(len(curve) - 1, told)
        else:
            decrement, message = np.inf, "the objective is not finite at the start"
        return Solution(w, value, decrement, len(curve) - 1, converged, message, tuple(curve))


def _decrement(
    problem: SummedProblem, value: float, gradient: Array, inverse: Callable[[Array], Array]
) -> float:
    """Return sqrt(n / phi * g' F0^-1 g), 0 where g is 0 even if phi is."""
    squares = abs(float(gradient @ inverse(gradient)))
    return float(np.sqrt(squares * problem.score_scale(value))) if squares else 0.0
