"""Newton's method on the Hessian itself, damped where it is not positive definite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.training.solvers._problem import CurvedProblem, Solution
from glmnet_nn.training.solvers._trust import kept_share

_EPS = np.finfo(float).eps
_LEAST_DAMPING = 1e-12  # relative to the diagonal: directions without curvature stay put
_MOST_DAMPING = 1e12


@dataclass(frozen=True)
class DampedNewton:
    """(H + lambda D) delta = -gradient, with H = d^2 F / dw dw' and D = |diag H|.

    lambda grows until H + lambda D is positive definite and F falls by a fair share of
    what the quadratic model promises, and shrinks after steps that the model foretold:
    far from the optimum a short step down the gradient, near it Newton's step, whose
    error is squared each time. D makes the steps independent of the units of w.

    It ends when the decrement (n / phi) gradient' (H + lambda D)^-1 gradient is at most
    ``tol``: the squared distance from the optimum in standard errors.

    Source: Marquardt (1963), "An algorithm for least-squares estimation of nonlinear
    parameters"; Nocedal and Wright (2006), algorithm 4.1 (the share).

    Parameters
    ----------
    tol : float
        Largest decrement at the solution.
    max_iter : int
        Largest number of Hessians.
    """

    name: ClassVar[str] = "damped_newton"
    handles_l1: ClassVar[bool] = False
    handles_hidden_layers: ClassVar[bool] = True

    tol: float = 1e-8
    max_iter: int = 100

    def solve(
        self,
        problem: CurvedProblem,
        start: Array,
        report: Callable[[int, float], None] | None = None,
    ) -> Solution:
        """Minimise the problem from ``start``."""
        w, damping, decrement = start, _LEAST_DAMPING, np.inf
        value, gradient = problem.smooth_value_and_gradient(w)
        curve: list[float] = [value]
        converged, message = False, f"{self.max_iter} Hessians did not suffice"
        for n_iter in range(1, self.max_iter + 1):
            model = _Model(problem.hessian(w), gradient)
            delta, damping = model.step(damping)
            decrement = float(-gradient @ delta) * problem.score_scale(w)
            while damping <= _MOST_DAMPING:
                trial = w + delta
                trial_value, trial_gradient = problem.smooth_value_and_gradient(trial)
                share = kept_share(value, trial_value, model.promise(delta))
                if share > 0.01:
                    break
                delta, damping = model.step(max(8.0 * damping, 1e-6))
            else:
                message = "no step lowers the objective"
                break
            w, value, gradient = trial, trial_value, trial_gradient
            curve.append(value)
            if report is not None:
                report(n_iter, value)
            if decrement <= self.tol:
                converged, message = True, "the decrement is within tol"
                break
            if share > 0.75:
                damping = max(0.1 * damping, _LEAST_DAMPING)
            elif share < 0.25:
                damping *= 4.0
        return Solution(w, value, decrement, len(curve) - 1, converged, message, tuple(curve))


class _Model:
    """The quadratic model gradient' delta + delta' H delta / 2, in units of sqrt(D)."""

    def __init__(self, H: Array, gradient: Array) -> None:
        diagonal = np.abs(np.diagonal(H))
        self.scale = np.sqrt(np.maximum(diagonal, _EPS * diagonal.max(initial=0.0)))
        self.scale[self.scale == 0] = 1.0
        self.H = H / self.scale / self.scale[:, None]
        self.gradient = gradient / self.scale

    def step(self, damping: float) -> tuple[Array, float]:
        """Return the damped step, and the damping that made the matrix positive definite."""
        while True:
            damped = self.H + damping * np.eye(len(self.H))
            factor, failed = linalg.lapack.dpotrf(damped, lower=True, overwrite_a=True)
            if not failed:
                return -linalg.cho_solve((factor, True), self.gradient) / self.scale, damping
            damping = max(8.0 * damping, 1e-8)

    def promise(self, delta: Array) -> float:
        """Return by how much the model falls along delta."""
        moved = delta * self.scale
        return -float(self.gradient @ moved + 0.5 * moved @ self.H @ moved)
