"""Solve: from which starts, by which solver, with which rows held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from families import Array
from glmnet_nn.estimators._task import Specification, glm_seen, mean_curvature, searched
from glmnet_nn.network import Layer, Layout
from glmnet_nn.training.bias_reduction import reduce_bias
from glmnet_nn.training.inputs import Inputs, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.polish import polished
from glmnet_nn.training.solvers import (
    FORGETFUL,
    LBFGS,
    Adam,
    Curves,
    Keeper,
    Newton,
    NewtonCG,
    Solution,
    State,
)
from glmnet_nn.training.start import feasible_start, initial_weights, paired_weights
from glmnet_nn.training.units import Units
from glmnet_nn.training.watch import Watch, watch_of

_ANEW = 4
_NO_GAIN = 1e-6  # of F
_SLOWER = (1.0, 0.25, 0.0625)  # rates of adam, where a step may leave the image of a link


def best_of(
    objective: Objective,
    inputs: Inputs,
    intercept: Array,
    units: Units,
    null_loss: float,
    spec: Specification,
    glm: Layer | None,
    fit: Callable[[Solution], Any],
) -> Solution:
    """Solve from ``n_init`` random starts (one, if there is no hidden layer); keep the best.

    The best has the lowest F or, if rows are held out, the lowest deviance of these. Every
    start is ``glm``, for X and y as given, or without hidden layers the null model with this
    intercept. With few rows the penalty may draw a network back to that GLM (of a network
    without one in it: the null model) before it has found what
    there is: where all rows are used in each step and no end is below the GLM, up to four more
    starts are tried, each with output weights twice as large.

    ``fit`` is what a solution makes. Ctrl-C ends all this with the best so far.
    """
    if spec.settled:
        return _settled(objective, inputs, units, spec)
    narrow = searched(objective, spec)
    layout = narrow.network.layout
    training, validation = _split(narrow, spec)
    seen = (intercept - units.middle) / units.unit
    scale = _Scale(mean_curvature(objective, seen), null_loss / units.of_loss)
    solutions: list[Solution] = []
    n_init = spec.n_init if spec.hidden else 1
    again = _ANEW if glm is not None and spec.solver != "adam" and spec.start is None else 0

    def solve(start: Array, rng: np.random.Generator, name: str) -> bool:
        """Tell whether that was the last search."""
        found = _solve(
            training,
            validation,
            start,
            rng,
            scale,
            spec,
            name,
            units.of_loss,
            lambda solution: fit(_widened(layout, solution)),
        )
        solutions.append(found)
        return spec.waiting is not None and spec.waiting.is_over

    for attempt in range(n_init + again):
        rng = np.random.default_rng([spec.seed, attempt])
        size = 2.0 ** max(attempt - n_init + 1, 0)
        start = random_start(layout, inputs, seen, units, glm, rng, size)
        if attempt >= n_init and _is_enough(solutions, training.mean_loss(start)):
            break
        if not spec.hidden:
            start = feasible_start(objective, start)
        if spec.start is not None and attempt == 0:
            known = unfolded(layout.plain, inputs, spec.start)
            warm = layout.opened(units.seen(layout.plain, known))
            if solve(warm, rng, "from the last fit"):
                break
            if solutions[-1].converged or spec.max_iter == 1:  # or one step from there is asked
                continue  # else: the previous fit may lie where nothing has a slope
        if solve(start, rng, _name(attempt, n_init)):
            break
    best = min(solutions, key=lambda found: min(found.validation_curve, default=found.value))
    if len(solutions) > 1:
        curves = (Curves(found.deviance_curve, found.validation_curve) for found in solutions)
        best = replace(best, searches=tuple(curves))
    if solutions[-1].ended_by == "interrupt":
        best = replace(best, ended_by="interrupt")
    elif spec.polish_output:
        best = polished(training, best)
    return _widened(layout, best)


def _settled(objective: Objective, inputs: Inputs, units: Units, spec: Specification) -> Solution:
    """Return the start, where it is known to be the minimum."""
    layout = objective.network.layout
    assert spec.start is not None
    w = units.seen(layout, unfolded(layout, inputs, spec.start))
    return Solution(w, objective.value(w), 0.0, 0, True, "the GLM in it reproduces y")


def _widened(layout: Layout, solution: Solution) -> Solution:
    """Return the solution with the parameters of the network without embeddings."""
    return replace(solution, w=layout.widened(solution.w))


def random_start(
    layout: Layout,
    inputs: Inputs,
    intercept: Array,
    units: Units,
    glm: Layer | None,
    rng: np.random.Generator,
    size: float = 1.0,
) -> Array:
    """Return the null model with this intercept or, if given, the GLM, with random layers."""
    if glm is None:
        return layout.opened(initial_weights(layout.plain, intercept, rng))
    return layout.opened(paired_weights(layout.plain, glm_seen(glm, inputs, units), rng, size))


def most_searches(spec: Specification) -> int:
    """Return the largest number of searches of :func:`best_of`."""
    more = _ANEW if spec.hidden and spec.solver != "adam" else spec.start is not None
    return (spec.n_init if spec.hidden else 1) + more


def _is_enough(solutions: list[Solution], level: float) -> bool:
    """Tell whether some F is below that of the GLM, whose network has no penalty.

    Or whether a callback has ended the last search: then it may never be.
    """
    below = min(found.value for found in solutions) < level - _NO_GAIN * abs(level)
    return below or solutions[-1].ended_by == "callback"


def _name(attempt: int, n_init: int) -> str:
    """Return what to call a search, nothing if it is the one."""
    if attempt >= n_init:
        return "another start"
    return f"start {attempt + 1} of {n_init}" if n_init > 1 else ""


@dataclass(frozen=True)
class _Scale:
    """What a solver's tolerances are multiples of, so that the unit of y does not matter."""

    curvature: float
    null_loss: float


def _solve(
    training: Objective,
    validation: Objective | None,
    start: Array,
    rng: np.random.Generator,
    scale: _Scale,
    spec: Specification,
    name: str,
    of_loss: float,
    fit: Callable[[Solution], Any],
) -> Solution:
    held_out = None if validation is None else lambda w: 2.0 * validation.mean_loss(w)
    if spec.waiting is None:
        return _run(training, held_out, start, rng, scale, spec)
    watch = watch_of(training, start, held_out, descends=not spec.bias_reduction)
    watched = None if validation is None else watch.validation
    return spec.waiting.solve(
        lambda report, keeper: _run(watch, watched, start, rng, scale, spec, report, keeper),
        watch,
        spec.max_iter,
        name,
        of_loss,
        lambda solution: (fit(solution), spec),
    )


def _run(
    training: Objective,
    validation: Callable[[Array], float] | None,
    start: Array,
    rng: np.random.Generator,
    scale: _Scale,
    spec: Specification,
    report: Callable[[int, float], None] | None = None,
    keeper: Keeper = FORGETFUL,
) -> Solution:
    if spec.bias_reduction:
        return reduce_bias(training, start, spec.tol, spec.max_iter, report, keeper)
    if spec.solver == "newton":
        return Newton(spec.tol, spec.max_iter).solve(training, start, report, keeper)
    if spec.solver in ("lbfgs", "newton_cg"):
        tol = spec.tol * scale.curvature
        solver = LBFGS if spec.solver == "lbfgs" else NewtonCG
        return solver(tol, spec.max_iter).solve(training, start, report, keeper)
    rates = (1.0,) if spec.family.has_safe_link else _SLOWER
    kept = keeper.state
    first = 0 if kept is None else kept["attempt"]
    for attempt in range(first, len(rates)):
        if attempt > first and isinstance(training, Watch):
            training.begin(start)
        adam = Adam(
            epochs=spec.max_iter,
            batch_size=min(spec.batch_size, training.n_rows),
            learning_rate=rates[attempt] * spec.learning_rate,
            schedule=spec.schedule,
            rng=rng,
            shuffle=spec.shuffle,
            validation=validation,
            patience=spec.patience,
            tol=spec.tol * 2.0 * scale.null_loss,
            eps=1e-6 * scale.curvature,
        )
        found = adam.solve(training, start, report, _Attempt(keeper, attempt))
        if found.converged:
            break
    return found


@dataclass(frozen=True)
class _Attempt:
    """The keeper of one of several attempts, whose number the state has."""

    keeper: Keeper
    number: int

    @property
    def state(self) -> State | None:
        """The state of this attempt."""
        kept = self.keeper.state
        return kept["adam"] if kept is not None and kept["attempt"] == self.number else None

    def keep(self, n_iter: int, describe: Callable[[], State]) -> None:
        """Tell the number too."""
        self.keeper.keep(n_iter, lambda: {"attempt": self.number, "adam": describe()})


def _split(objective: Objective, spec: Specification) -> tuple[Objective, Objective | None]:
    """Return the objective on the training rows, and that on the held-out rows if any."""
    fraction, n = spec.validation_fraction, objective.n_rows
    if not fraction:
        return objective, None
    held_out = int(np.ceil(fraction * n))
    if held_out >= n:
        raise ValueError(
            f"validation_fraction={fraction} of {n} rows leaves none for training. "
            "Set early_stopping=False, or give more rows."
        )
    order = np.random.default_rng(spec.seed).permutation(n)
    training, validation = (
        Objective(
            objective.rows.subset(np.sort(part)),
            objective.family,
            objective.network,
            objective.penalty,
        )
        for part in (order[held_out:], order[:held_out])
    )
    return training, validation
