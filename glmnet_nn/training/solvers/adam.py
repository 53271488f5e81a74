"""Adam over mini-batches, on a one-cycle schedule or at a constant rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from families import Array
from glmnet_nn.training.solvers._problem import (
    FORGETFUL,
    BatchProblem,
    Keeper,
    Penalty,
    Problem,
    Solution,
    State,
)

SCHEDULES = ("one_cycle", "constant")
_BLOCK = 2**14  # parameters whose moments stay in the processor's cache


@dataclass(frozen=True)
class Adam:
    """Adam with a one-cycle learning rate and a proximal step for L1.

        g <- g + l2 o w
        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g o g
        s = rate_t / (sqrt(v / (1 - b2^t)) + eps)
        w <- prox_s( w - s o m / (1 - b1^t) )

    On the schedule "one_cycle" the rate rises linearly over the first ``warm_up`` of all
    steps and falls to 0 along a cosine; else it is "constant". ``grad_norm`` is the
    largest entry of the last m, the gradient as the last batches have it (with L1 of
    w - prox(w - m)).

    Sources: Kingma and Ba (2015), "Adam", algorithm 1; Smith and Topin (2019),
    "Super-convergence" (one cycle); Yun, Lozano and Yang (2021), "Adaptive proximal
    gradient methods" (the prox in the metric of the step).

    Parameters
    ----------
    epochs : int
        Passes over the rows.
    batch_size : int
        Rows in each step.
    learning_rate : float
        The peak rate.
    schedule : {"one_cycle", "constant"}
    rng : numpy.random.Generator
        Orders the rows, anew for each epoch.
    shuffle : bool
        False: the rows stay in their order.
    n_steps : int, optional
        Steps of the schedule; by default those of all epochs.
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
    schedule: str = "one_cycle"
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    shuffle: bool = True
    n_steps: int | None = None
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
        keeper: Keeper = FORGETFUL,
    ) -> Solution:
        """Minimise the problem from ``start`` or, if there is one, from the state of ``keeper``."""
        with np.errstate(over="ignore", invalid="ignore"):  # a rate too high ends in inf
            return self._solve(problem, start, report, keeper)

    def _solve(
        self,
        problem: BatchProblem,
        start: Array,
        report: Callable[[int, float], None] | None,
        keeper: Keeper,
    ) -> Solution:
        n, whole = problem.n_rows, problem.n_rows <= self.batch_size
        batches = problem.mini_batches(min(self.batch_size, n), single=not whole)
        moments = _State(start, batches.dtype, problem.penalty, self.betas, self.eps)
        rates = self._rates(self.n_steps or -(-n // self.batch_size) * self.epochs)
        run = _Run.resumed(keeper.state, start, self.rng, moments)

        def step() -> None:
            moments.step(rates[min(moments.t, len(rates) - 1)])

        while run.epoch < self.epochs and run.waited < self.patience:
            order = self.rng.permutation(n) if self.shuffle and not whole else np.arange(n)
            loss = batches.sweep(moments.w, moments.gradient, order, step)
            if not np.isfinite(loss):
                at = f"in epoch {run.epoch + 1}; lower learning_rate_init"
                return run.ended(problem, moments, False, f"the loss was not finite {at}", run.w)
            w = moments.w.astype(float)
            run.w = w
            run.curve.append(loss + problem.penalty.value(w))
            if self.validation is not None:
                run.hold_out(self.validation(w), self.tol)
            if report is not None:
                report(run.epoch, run.curve[-1])
            keeper.keep(run.epoch, lambda: run.state(self.rng, moments))
        stopped = run.waited >= self.patience
        message = "the held-out deviance stopped falling" if stopped else "all epochs done"
        end = run.w if self.validation is None else run.best
        return run.ended(problem, moments, True, message, end)

    def _rates(self, n_steps: int) -> Array:
        """Return the learning rate of every step."""
        if self.schedule == "constant":
            return np.full(n_steps, self.learning_rate)
        at = (np.arange(n_steps) + 0.5) / n_steps
        falling = 0.5 * (1 + np.cos(np.pi * (at - self.warm_up) / (1 - self.warm_up)))
        return self.learning_rate * np.where(at < self.warm_up, at / self.warm_up, falling)


class _State:
    """Parameters and moments, updated in place, some thousands at a time.

    M = b1 M + g and V = b2 V + g o g are m / (1 - b1) and v / (1 - b2): the factors
    join those of the rate, for fewer passes. A long vector is cut into blocks that
    stay in the cache during all of them.
    """

    def __init__(
        self,
        start: Array,
        dtype: DTypeLike,
        penalty: Penalty,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        self.penalty, self._has_l2 = penalty, bool(np.any(penalty.l2))
        self.w = start.astype(dtype)
        self.gradient, self._s = np.empty_like(self.w), np.empty_like(self.w)
        sums = np.zeros_like(self.w), np.zeros_like(self.w)
        self._M, self._V = sums
        vectors = (self.w, self.gradient, *sums, self._s, penalty.l2.astype(dtype))
        cuts = [slice(at, at + _BLOCK) for at in range(0, len(start), _BLOCK)]
        self._blocks = [tuple(vector[cut] for vector in vectors) for cut in cuts]
        self.betas, self.eps, self.t = betas, eps, 0

    @property
    def mean_gradient(self) -> Array:
        """The corrected m: about the gradient at the last steps."""
        b1 = self.betas[0]
        return self._M.astype(float) * ((1 - b1) / (1 - b1 ** max(self.t, 1)))

    def copied(self) -> State:
        """Return copies of the parameters and of the sums, and the number of steps."""
        return {"at": self.w.copy(), "M": self._M.copy(), "V": self._V.copy(), "t": self.t}

    def restore(self, state: State) -> None:
        """Set them to those of this state."""
        self.w[:], self._M[:], self._V[:] = state["at"], state["M"], state["V"]
        self.t = state["t"]

    def step(self, rate: float) -> None:
        """Take one step from the gradient, which is overwritten: see :class:`Adam`."""
        b1, b2 = self.betas
        self.t += 1
        share = (1 - b1) / (1 - b1**self.t)  # of M: the corrected m
        spread = math.sqrt((1 - b2) / (1 - b2**self.t))  # times sqrt(V): that of v
        scaled_rate, eps = rate * share / spread, self.eps / spread
        for w, g, M, V, s, l2 in self._blocks:
            if self._has_l2:
                np.multiply(l2, w, out=s)
                np.add(g, s, out=g)
            np.multiply(M, b1, out=M)
            np.add(M, g, out=M)
            np.multiply(g, g, out=s)
            np.multiply(V, b2, out=V)
            np.add(V, s, out=V)
            np.sqrt(V, out=s)
            np.add(s, eps, out=s)
            np.divide(scaled_rate, s, out=s)
            np.multiply(s, M, out=g)
            np.subtract(w, g, out=w)
        if self.penalty.has_l1:
            self.w[:] = self.penalty.prox(self.w, self._s / share)


def initial_state(start: Array, rng: np.random.Generator) -> State:
    """Return the state of a search before its first epoch, with this generator."""
    zeros = np.zeros_like(start)
    moments = {"at": start, "M": zeros, "V": zeros, "t": 0}
    return {**vars(_Run(start, start)), **moments, "order": rng.bit_generator.state}


@dataclass
class _Run:
    """How far training has come, beside the moments: w after the last epoch, curves, the best."""

    w: Array
    best: Array
    lowest: float = np.inf
    waited: int = 0
    curve: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The number of the last epoch."""
        return len(self.curve)

    @classmethod
    def resumed(
        cls, state: State | None, start: Array, rng: np.random.Generator, moments: _State
    ) -> _Run:
        """Return the run of this state, its generator and moments set to theirs; else a new one."""
        if state is None:
            return cls(start, start)
        moments.restore(state)
        rng.bit_generator.state = state["order"]
        own = {name: state[name] for name in ("w", "best", "lowest", "waited")}
        return cls(**own, curve=list(state["curve"]), held_out=list(state["held_out"]))

    def state(self, rng: np.random.Generator, moments: _State) -> State:
        """Return all that the next epoch depends on."""
        own = {**vars(self), "curve": list(self.curve), "held_out": list(self.held_out)}
        return {**own, **moments.copied(), "order": rng.bit_generator.state}

    def hold_out(self, deviance: float, tol: float) -> None:
        """Add the deviance of held-out rows after an epoch."""
        self.held_out.append(deviance)
        self.waited = 0 if deviance < self.lowest - tol else self.waited + 1
        if deviance < self.lowest:
            self.lowest, self.best = deviance, self.w

    def ended(
        self, problem: Problem, moments: _State, converged: bool, message: str, w: Array
    ) -> Solution:
        """Return the solution w."""
        residual = w - problem.penalty.prox(w - moments.mean_gradient, 1.0)
        size = float(np.abs(residual).max(initial=0.0))
        value, curves = problem.value(w), (tuple(self.curve), tuple(self.held_out))
        return Solution(w, value, size, self.epoch, converged, message, *curves)
