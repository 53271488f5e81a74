"""Solve: from which starts, by which solver, with which rows held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from families import Array
from glmnet_nn.estimators._task import Specification, Units, glm_seen, mean_curvature
from glmnet_nn.network import Layer
from glmnet_nn.training.bias_reduction import reduce_bias
from glmnet_nn.training.inputs import Inputs, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.polish import polished
from glmnet_nn.training.solvers import LBFGS, Adam, Newton, NewtonCG, Solution
from glmnet_nn.training.start import feasible_start, initial_weights, paired_weights

_ANEW = 4
_NO_GAIN = 1e-6  # of F


def best_of(
    objective: Objective,
    inputs: Inputs,
    intercept: Array,
    units: Units,
    null_loss: float,
    spec: Specification,
    glm: Layer | None = None,
) -> Solution:
    """Solve from ``n_init`` random starts (one, if there is no hidden layer); keep the best.

    The best has the lowest F or, if rows are held out, the lowest deviance of these. Every
    start is the null model with this intercept or, if given, ``glm``, for X and y as given.
    With few rows the penalty may draw a network back to that GLM before it has found what
    there is: where all rows are used in each step and no end is below the GLM, up to four more
    starts are tried, each with output weights twice as large.
    """
    layout = objective.network.layout
    training, validation = _split(objective, spec)
    seen = (intercept - units.middle) / units.unit
    scale = _Scale(mean_curvature(objective, seen), null_loss / units.unit**2)
    solutions: list[Solution] = []
    n_init = spec.n_init if spec.hidden else 1
    again = _ANEW if glm is not None and spec.solver != "adam" and spec.start is None else 0
    for attempt in range(n_init + again):
        rng = np.random.default_rng([spec.seed, attempt])
        if glm is None:
            start = initial_weights(layout, seen, rng)
        else:
            size = 2.0 ** max(attempt - n_init + 1, 0)
            start = paired_weights(layout, glm_seen(glm, inputs, units), rng, size)
        if attempt >= n_init and _left(training.mean_loss(start), solutions):
            break
        if not spec.hidden:
            start = feasible_start(objective, start)
        if spec.start is not None and attempt == 0:
            warm = units.seen(layout, unfolded(layout, inputs, spec.start))
            solutions.append(_solve(training, validation, warm, rng, scale, spec))
            if solutions[-1].converged or spec.max_iter == 1:  # or one step from there is asked
                continue  # else: the previous fit may lie where nothing has a slope
        solutions.append(_solve(training, validation, start, rng, scale, spec))
    best = min(solutions, key=lambda found: min(found.validation_curve, default=found.value))
    return polished(training, best) if spec.polish_output else best


def _left(level: float, solutions: list[Solution]) -> bool:
    """Tell whether some F is below that of the GLM, whose network has no penalty."""
    return min(found.value for found in solutions) < level - _NO_GAIN * abs(level)


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
) -> Solution:
    if spec.bias_reduction:
        return reduce_bias(training, start, spec.tol, spec.max_iter, spec.report)
    if spec.solver == "newton":
        return Newton(spec.tol, spec.max_iter).solve(training, start, spec.report)
    if spec.solver in ("lbfgs", "newton_cg"):
        tol = spec.tol * scale.curvature
        solver = LBFGS if spec.solver == "lbfgs" else NewtonCG
        return solver(tol, spec.max_iter).solve(training, start, spec.report)
    adam = Adam(
        epochs=spec.max_iter,
        batch_size=min(spec.batch_size, training.n_rows),
        learning_rate=spec.learning_rate,
        schedule=spec.schedule,
        rng=rng,
        validation=None if validation is None else lambda w: 2.0 * validation.mean_loss(w),
        patience=spec.patience,
        tol=spec.tol * 2.0 * scale.null_loss,
        eps=1e-6 * scale.curvature,
    )
    return adam.solve(training, start, spec.report)


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
