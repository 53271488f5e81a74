"""Limited-memory quasi-Newton: scipy's L-BFGS-B, or its proximal form under L1."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import optimize

from families import Array
from glmnet_nn.training.solvers._problem import Problem, Solution

Report = Callable[[int, float], None] | None


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS over all rows.

    Without absolute values in the penalty this is scipy's L-BFGS-B (Byrd, Lu,
    Nocedal and Zhu 1995). With them it is PANOC: quasi-Newton directions for the
    fixed point of the proximal step, which keeps weights at exactly 0
    (Stella, Themelis, Sopasakis and Patrinos 2017, "A simple and efficient
    algorithm for nonlinear model predictive control", algorithm 1).

    Parameters
    ----------
    tol : float
        Largest absolute component of the gradient of the mean objective; under L1
        of the proximal residual (w - prox(w - t gradient)) / t.
    max_iter : int
        Largest number of iterations.
    memory : int
        Number of curvature pairs kept.
    """

    name: ClassVar[str] = "lbfgs"
    handles_l1: ClassVar[bool] = True
    handles_hidden_layers: ClassVar[bool] = True

    tol: float = 1e-6
    max_iter: int = 1000
    memory: int = 20

    def solve(self, problem: Problem, start: Array, report: Report = None) -> Solution:
        """Minimise the problem from ``start``."""
        if problem.penalty.has_l1:
            return self._panoc(problem, start, report)
        return self._smooth(problem, start, report)

    def _smooth(self, problem: Problem, start: Array, report: Report) -> Solution:
        curve: list[float] = []

        def record(intermediate_result: optimize.OptimizeResult) -> None:
            curve.append(float(intermediate_result.fun))
            if report is not None:
                report(len(curve), curve[-1])

        found = optimize.minimize(
            problem.smooth_value_and_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=record,
            options={
                "maxiter": self.max_iter,
                "maxfun": 10 * self.max_iter,
                "gtol": self.tol,
                "ftol": 0.0,
                "maxcor": self.memory,
                "maxls": 50,
            },
        )
        size = float(np.abs(found.jac).max(initial=0.0))
        # A line search that can no longer lower F has met its rounding.
        converged = size <= self.tol or (found.status == 2 and size <= 1e3 * self.tol)
        message = str(found.message)
        return Solution(
            found.x, float(found.fun), size, int(found.nit), converged, message, tuple(curve)
        )

    def _panoc(self, problem: Problem, start: Array, report: Report) -> Solution:
        state = _Proximal(problem, start)
        pairs: deque[tuple[Array, Array]] = deque(maxlen=self.memory)
        curve: list[float] = []
        size, converged = np.inf, False
        for _ in range(self.max_iter):
            if state.shrink():
                pairs.clear()  # the residual of another step size is another map
            size = float(np.abs(state.residual).max(initial=0.0))
            curve.append(problem.value(state.forward))
            if report is not None:
                report(len(curve), curve[-1])
            if size <= self.tol:
                converged = True
                break
            following = state.along(-_two_loop(pairs, state.residual))
            if following is None:
                break
            s, y = following.w - state.w, following.residual - state.residual
            if s @ y > 1e-12 * np.sqrt((s @ s) * (y @ y)):
                pairs.append((s, y))
            state = following
        w = state.forward
        message = (
            "the proximal residual is within tol"
            if converged
            else f"{len(curve)} iterations did not suffice"
        )
        return Solution(w, problem.value(w), size, len(curve), converged, message, tuple(curve))


class _Proximal:
    """One point w of PANOC: its proximal step T(w) and residual (w - T(w)) / t."""

    def __init__(self, problem: Problem, w: Array, step: float = 1.0) -> None:
        self.problem, self.w = problem, w
        self.value, self.gradient = problem.smooth_value_and_gradient(w)
        self._set_step(step)

    def _set_step(self, step: float) -> None:
        self.step = step
        self.forward = self.problem.penalty.prox(self.w - step * self.gradient, step)
        self.residual = (self.w - self.forward) / step

    def shrink(self) -> bool:
        """Halve the step until the quadratic model of the smooth part bounds it."""
        shrunk = False
        for _ in range(60):
            change = self.forward - self.w
            bound = self.value + self.gradient @ change + 0.475 * (change @ change) / self.step
            slack = 1e-14 * abs(self.value)
            if self.problem.smooth_value_and_gradient(self.forward)[0] <= bound + slack:
                break
            self._set_step(0.5 * self.step)
            shrunk = True
        return shrunk

    def envelope(self) -> float:
        """Return the forward-backward envelope, a smooth lower bound with the same minima."""
        change = self.forward - self.w
        penalty = self.problem.penalty
        l1 = penalty.value(self.forward) - penalty.smooth_value(self.forward)
        model = self.gradient @ change + 0.5 * (change @ change) / self.step
        return self.value + float(model) + l1

    def along(self, direction: Array) -> _Proximal | None:
        """Return the next point, between the proximal step and w + direction."""
        target = self.envelope() - 0.01 * self.step * (self.residual @ self.residual)
        tau = 1.0
        for _ in range(30):
            w = (1 - tau) * self.forward + tau * (self.w + direction)
            trial = _Proximal(self.problem, w, self.step)
            if trial.envelope() <= target + 1e-14 * abs(target):
                return trial
            tau = 0.5 * tau if tau > 1e-6 else 0.0
        return None


def _two_loop(pairs: deque[tuple[Array, Array]], residual: Array) -> Array:
    """Return H residual for the L-BFGS matrix H of the pairs (Nocedal 1980)."""
    q, coefficients = residual.copy(), []
    for s, y in reversed(pairs):
        a = (s @ q) / (s @ y)
        coefficients.append(a)
        q -= a * y
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), a in zip(pairs, reversed(coefficients), strict=True):
        q += (a - (y @ q) / (s @ y)) * s
    return q
