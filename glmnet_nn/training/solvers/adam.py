"""Adam over mini-batches, on a one-cycle schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from families import Array
from glmnet_nn.training.solvers._problem import Problem, Solution


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
        problem: Problem,
        start: Array,
        report: Callable[[int, float], None] | None = None,
    ) -> Solution:
        """Minimise the problem from ``start``."""
        w, m, v, t = start.copy(), np.zeros_like(start), np.zeros_like(start), 0
        rates = self._rates(-(-problem.n_rows // self.batch_size) * self.epochs)
        best, waited = (np.inf, w.copy()), 0
        curve: list[float] = []
        held_out: list[float] = []
        for epoch in range(1, self.epochs + 1):
            for index in self._batches(problem.n_rows):
                gradient = problem.batch_gradient(w, index)
                if not np.all(np.isfinite(gradient)):
                    return self._stopped(problem, w, epoch, curve, held_out)
                t += 1
                w = self._step(problem, w, gradient, m, v, t, rates[t - 1])
            curve.append(problem.value(w))
            if report is not None:
                report(epoch, curve[-1])
            if self.validation is not None:
                held_out.append(self.validation(w))
                waited = 0 if held_out[-1] < best[0] - self.tol else waited + 1
                if held_out[-1] < best[0]:
                    best = held_out[-1], w.copy()
                if waited >= self.patience:
                    break
        if self.validation is not None:
            w = best[1]
        stopped = len(curve) < self.epochs
        message = "the held-out deviance stopped falling" if stopped else "all epochs done"
        value, gradient = problem.value(w), problem.smooth_value_and_gradient(w)[1]
        residual = w - problem.penalty.prox(w - gradient, 1.0)
        size = float(np.abs(residual).max(initial=0.0))
        return Solution(w, value, size, len(curve), True, message, tuple(curve), tuple(held_out))

    def _rates(self, n_steps: int) -> Array:
        """Return the learning rate of every step."""
        at = (np.arange(n_steps) + 0.5) / n_steps
        falling = 0.5 * (1 + np.cos(np.pi * (at - self.warm_up) / (1 - self.warm_up)))
        return self.learning_rate * np.where(at < self.warm_up, at / self.warm_up, falling)

    def _batches(self, n_rows: int) -> list[np.ndarray]:
        """Return the rows of each step of one epoch; all rows, in order, if they fit."""
        if n_rows <= self.batch_size:
            return [np.arange(n_rows)]
        order = self.rng.permutation(n_rows)
        return [order[at : at + self.batch_size] for at in range(0, n_rows, self.batch_size)]

    def _step(
        self, problem: Problem, w: Array, gradient: Array, m: Array, v: Array, t: int, rate: float
    ) -> Array:
        """Return w after one step; m and v are updated in place."""
        b1, b2 = self.betas
        m += (1 - b1) * (gradient - m)
        v += (1 - b2) * (gradient * gradient - v)
        s = rate / (np.sqrt(v / (1 - b2**t)) + self.eps)
        return problem.penalty.prox(w - s * m / (1 - b1**t), s)

    @staticmethod
    def _stopped(
        problem: Problem, w: Array, epoch: int, curve: list[float], held_out: list[float]
    ) -> Solution:
        message = f"the gradient was not finite in epoch {epoch}; lower learning_rate_init"
        return Solution(
            w, problem.value(w), np.inf, epoch, False, message, tuple(curve), tuple(held_out)
        )
