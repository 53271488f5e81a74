"""Adam over mini-batches, on a one-cycle schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from families import Array
from glmnet_nn.training.solvers._problem import BatchProblem, Penalty, Problem, Solution


@dataclass(frozen=True)
class Adam:
    """Adam with a one-cycle learning rate and a proximal step for L1.

        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g o g
        s = rate_t / (sqrt(v / (1 - b2^t)) + eps)
        w <- prox_s( w - s o m / (1 - b1^t) )

    The rate rises linearly over the first ``warm_up`` of all steps and falls to 0
    along a cosine. Sources: Kingma and Ba (2015), "Adam", algorithm 1; Smith and
    Topin (2019), "Super-convergence" (one cycle); Yun, Lozano and Yang (2021),
    "Adaptive proximal gradient methods" (the prox in the metric of the step).

    Parameters
    ----------
    epochs : int
        Passes over the rows.
    batch_size : int
        Rows in each step.
    learning_rate : float
        The peak rate.
    rng : numpy.random.Generator
        Orders the rows, anew for each epoch.
    validation : callable, optional
        Mean deviance of held-out rows at w; if given, training stops early after
        ``patience`` epochs without an improvement by ``tol``, and the best w is kept.
    """

    name: ClassVar[str] = "adam"
    handles_l1: ClassVar[bool] = True
    handles_hidden_layers: ClassVar[bool] = True

    epochs: int = 30
    batch_size: int = 2048
    learning_rate: float = 1e-2
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    validation: Callable[[Array], float] | None = None
    patience: int = 10
    tol: float = 1e-4
    warm_up: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6

    def solve(
        self,
        problem: BatchProblem,
        start: Array,
        report: Callable[[int, float], None] | None = None,
    ) -> Solution:
        """Minimise the problem from ``start``."""
        whole = problem.n_rows <= self.batch_size
        batches = problem.mini_batches(min(self.batch_size, problem.n_rows), single=not whole)
        state = _State(start, batches.dtype, self.betas, self.eps)
        rates = iter(self._rates(-(-problem.n_rows // self.batch_size) * self.epochs))
        best, waited = (np.inf, start), 0
        curve: list[float] = []
        held_out: list[float] = []
        message = "all epochs done"
        for epoch in range(1, self.epochs + 1):
            total = 0.0
            for index in self._batches(problem.n_rows):
                total += len(index) * batches.gradient(state.w, index, state.gradient)
                if not np.isfinite(total):
                    message = f"the loss was not finite in epoch {epoch}; lower learning_rate_init"
                    return _ended(problem, state.w, False, message, curve, held_out)
                state.step(next(rates), problem.penalty)
            w = state.w.astype(float)
            curve.append(total / problem.n_rows + problem.penalty.value(w))
            if report is not None:
                report(epoch, curve[-1])
            if self.validation is not None:
                held_out.append(self.validation(w))
                waited = 0 if held_out[-1] < best[0] - self.tol else waited + 1
                if held_out[-1] < best[0]:
                    best = held_out[-1], w
                if waited >= self.patience:
                    message = "the held-out deviance stopped falling"
                    break
        end = state.w if self.validation is None else best[1]
        return _ended(problem, end, True, message, curve, held_out)

    def _rates(self, n_steps: int) -> Array:
        """Return the learning rate of every step."""
        at = (np.arange(n_steps) + 0.5) / n_steps
        falling = 0.5 * (1 + np.cos(np.pi * (at - self.warm_up) / (1 - self.warm_up)))
        return self.learning_rate * np.where(at < self.warm_up, at / self.warm_up, falling)

    def _batches(self, n_rows: int) -> list[NDArray[np.intp]]:
        """Return the rows of each step of one epoch; all rows, in order, if they fit."""
        if n_rows <= self.batch_size:
            return [np.arange(n_rows)]
        order = self.rng.permutation(n_rows)
        return [order[at : at + self.batch_size] for at in range(0, n_rows, self.batch_size)]


class _State:
    """Parameters and moments, updated in place."""

    def __init__(
        self, start: Array, dtype: DTypeLike, betas: tuple[float, float], eps: float
    ) -> None:
        self.w = start.astype(dtype)
        self.gradient = np.zeros_like(self.w)
        self.m, self.v = np.zeros_like(self.w), np.zeros_like(self.w)
        self._s, self._change = np.empty_like(self.w), np.empty_like(self.w)
        self.betas, self.eps, self.t = betas, eps, 0

    def step(self, rate: float, penalty: Penalty) -> None:
        """Take one step from the gradient: the formulas of :class:`Adam`, line by line."""
        (b1, b2), g, s, change = self.betas, self.gradient, self._s, self._change
        self.t += 1
        np.subtract(g, self.m, out=change)
        change *= 1 - b1
        self.m += change
        np.multiply(g, g, out=change)
        change -= self.v
        change *= 1 - b2
        self.v += change
        np.divide(self.v, 1 - b2**self.t, out=s)
        np.sqrt(s, out=s)
        s += self.eps
        np.divide(rate, s, out=s)
        np.multiply(s, self.m, out=change)
        change /= 1 - b1**self.t
        self.w -= change
        if penalty.has_l1:
            self.w[:] = penalty.prox(self.w, s)


def _ended(
    problem: Problem,
    end: NDArray[Any],
    converged: bool,
    message: str,
    curve: list[float],
    held_out: list[float],
) -> Solution:
    w: Array = end.astype(float)
    value, gradient = problem.smooth_value_and_gradient(w)
    value += problem.penalty.value(w) - problem.penalty.smooth_value(w)
    residual = w - problem.penalty.prox(w - gradient, 1.0)
    size = float(np.abs(residual).max(initial=0.0))
    return Solution(w, value, size, len(curve), converged, message, tuple(curve), tuple(held_out))
