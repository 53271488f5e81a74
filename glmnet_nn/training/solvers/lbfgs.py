"""Limited-memory quasi-Newton over all rows, and its proximal form under L1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from families import Array
from glmnet_nn.training.solvers._problem import FORGETFUL, Keeper, Problem, Solution, State
from glmnet_nn.training.solvers._quasi_newton import (
    Pairs,
    keep,
    recalled,
    remembered,
    spectral,
    two_loop,
    wolfe,
)

Report = Callable[[int, float], None] | None

_LEAST_STEP = 1e-9  # of the first one
_STALLED = "the objective falls no more, though its gradient does not vanish"


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS (Nocedal 1980), and PANOC where the penalty has absolute values.

    Both end when the gradient is small, or when F falls no more: at a minimum on a
    kink, as relu has them, the gradient need not vanish.

    Smooth problems: quasi-Newton directions with a weak Wolfe line search by
    bisection (Lewis and Overton 2013, algorithm 2.6). It needs no derivative of the
    step and takes F = inf for "too far": parameters for which the law has no mean
    are met with links such as identity, and scipy's L-BFGS-B stops there.

    Under L1: PANOC, quasi-Newton directions for the fixed point of the proximal
    step, which keeps weights at exactly 0 (Stella, Themelis, Sopasakis and Patrinos
    2017, "A simple and efficient algorithm for nonlinear model predictive control",
    algorithm 1).

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

    def solve(
        self,
        problem: Problem,
        start: Array,
        report: Report = None,
        keeper: Keeper = FORGETFUL,
    ) -> Solution:
        """Minimise the problem from ``start`` or, if there is one, from the state of ``keeper``."""
        with np.errstate(over="ignore", invalid="ignore"):  # trial points may lie far out
            run = self._panoc if problem.penalty.has_l1 else self._smooth
            return run(problem, start, report, keeper)

    def _smooth(self, problem: Problem, start: Array, report: Report, keeper: Keeper) -> Solution:
        curve: list[float] = []
        state = keeper.state
        if state is None:
            w, pairs = start, Pairs(maxlen=self.memory)
            value, gradient = problem.smooth_value_and_gradient(w)
        else:
            w, value, gradient = state["w"], state["value"], state["gradient"]
            pairs, curve = recalled(self.memory, state["pairs"]), list(state["curve"])

        def told() -> State:
            at = {"w": w, "value": value, "gradient": gradient}
            return {**at, "pairs": remembered(pairs), "curve": list(curve)}

        message = f"{self.max_iter} iterations did not suffice"
        while len(curve) < self.max_iter and _size(gradient) > self.tol and not _stalled(curve):
            direction = -two_loop(pairs, gradient, spectral(pairs))
            if not pairs:
                direction /= max(1.0, float(np.linalg.norm(gradient)))
            found = wolfe(problem, w, value, gradient, direction, 4e-16 * abs(value))
            if found is None and pairs:
                pairs.clear()
                continue
            if found is None:
                message = "no step along the gradient lowers the objective"
                break
            following, value, following_gradient = found
            keep(pairs, following - w, following_gradient - gradient)
            w, gradient = following, following_gradient
            curve.append(value)
            if report is not None:
                report(len(curve), value)
            keeper.keep(len(curve), told)
        size, converged = _size(gradient), True
        if size <= self.tol:
            message = "the gradient is within tol"
        elif _stalled(curve):
            message = _STALLED
        else:
            converged = False
        return Solution(w, value, size, len(curve), converged, message, tuple(curve))

    def _panoc(self, problem: Problem, start: Array, report: Report, keeper: Keeper) -> Solution:
        first = _first_step(problem, start)
        least = _LEAST_STEP * first
        curve: list[float] = []
        before = keeper.state
        if before is None:
            state, pairs = _Proximal(problem, start, first), Pairs(maxlen=self.memory)
        else:
            state = _Proximal(problem, before["w"], before["step"])
            pairs, curve = recalled(self.memory, before["pairs"]), list(before["curve"])

        def told() -> State:
            at = {"w": state.w, "step": state.step}
            return {**at, "pairs": remembered(pairs), "curve": list(curve)}

        converged, message = False, f"{self.max_iter} iterations did not suffice"
        while len(curve) < self.max_iter:
            if state.shrink(least):
                pairs.clear()  # the residual of another step size is another map
            curve.append(problem.value(state.forward))
            if report is not None:
                report(len(curve), curve[-1])
            if state.step < least:
                message = "the proximal step vanished, at an edge of the domain of means"
                break
            if _size(state.residual) <= self.tol:
                converged, message = True, "the proximal residual is within tol"
                break
            if _stalled(curve):
                converged, message = True, _STALLED
                break
            following = state.along(-two_loop(pairs, state.residual, spectral(pairs, state.step)))
            if following is None:
                message = "no step lowers the forward-backward envelope"
                break
            keep(pairs, following.w - state.w, following.residual - state.residual)
            state = following
            keeper.keep(len(curve), told)
        w = state.forward if state.is_bounded() else state.w
        size = _size(state.residual)
        return Solution(w, problem.value(w), size, len(curve), converged, message, tuple(curve))


class _Proximal:
    """One point w of PANOC: its proximal step T(w) and residual (w - T(w)) / t."""

    def __init__(self, problem: Problem, w: Array, step: float) -> None:
        self.problem, self.w = problem, w
        self.value, self.gradient = problem.smooth_value_and_gradient(w)
        self._set_step(step)

    def _set_step(self, step: float) -> None:
        self.step = step
        self.forward = self.problem.penalty.prox(self.w - step * self.gradient, step)
        self.residual = (self.w - self.forward) / step
        self._forward_value: float | None = None

    def is_bounded(self) -> bool:
        """Tell whether the quadratic model of the smooth part bounds it at T(w)."""
        if self._forward_value is None:
            self._forward_value = self.problem.smooth_value_and_gradient(self.forward)[0]
        change = self.forward - self.w
        model = self.value + self.gradient @ change + 0.475 * (change @ change) / self.step
        return bool(self._forward_value <= model + 1e-14 * abs(self.value))

    def shrink(self, least: float) -> bool:
        """Halve the step until the model is a bound; tell whether that was necessary."""
        first = self.step
        while not self.is_bounded() and self.step >= least:
            self._set_step(0.5 * self.step)
        return self.step < first

    def envelope(self) -> float:
        """Return the forward-backward envelope, a smooth lower bound with the same minima."""
        change = self.forward - self.w
        penalty = self.problem.penalty
        l1 = penalty.value(self.forward) - penalty.smooth_value(self.forward)
        model = self.gradient @ change + 0.5 * (change @ change) / self.step
        return self.value + float(model) + l1

    def along(self, direction: Array) -> _Proximal | None:
        """Return the next point, between the proximal step and w + direction."""
        envelope = self.envelope()
        target = envelope - 0.01 * self.step * (self.residual @ self.residual)
        for tau in (*0.5 ** np.arange(16), 0.0):
            w = (1 - tau) * self.forward + tau * (self.w + direction)
            trial = _Proximal(self.problem, w, self.step)
            falls = np.isfinite(trial.value) and trial.envelope() <= target + 1e-14 * abs(envelope)
            if falls and (tau == 0.0 or trial.is_bounded()):
                return trial
        return None


def _stalled(curve: list[float]) -> bool:
    """Tell whether F has fallen by less than 1e-9 of itself in the last 100 iterations."""
    return len(curve) > 100 and curve[-101] - curve[-1] <= 1e-9 * abs(curve[-1])


def _first_step(problem: Problem, w: Array) -> float:
    """Return a step that is safe at w: 0.95 over the curvature along the gradient."""
    gradient = problem.smooth_value_and_gradient(w)[1]
    length = float(np.linalg.norm(gradient))
    if length == 0:
        return 1.0
    small = 1e-6 * max(1.0, float(np.linalg.norm(w))) / length
    other = problem.smooth_value_and_gradient(w - small * gradient)[1]
    curvature = float(np.linalg.norm(other - gradient)) / (small * length)
    return 0.95 / curvature if np.isfinite(curvature) and curvature > 0 else 1.0


def _size(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
