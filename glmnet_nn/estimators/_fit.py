"""One fit, from validated arrays to parameters for X as given."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.estimators._choices import choose_balance
from glmnet_nn.estimators._search import best_of
from glmnet_nn.estimators._task import (
    Specification,
    mean_curvature,
    objective_of,
    prior,
    scaled_inputs,
    searched,
)
from glmnet_nn.estimators._waiting import Iteration
from glmnet_nn.network import Layer, Layout, Network
from glmnet_nn.training.balance import balanced
from glmnet_nn.training.data import Rows
from glmnet_nn.training.estimability import estimable, moves
from glmnet_nn.training.inputs import (
    Inputs,
    folded,
    unfolded,
    unscaled,
)
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet, elastic_net
from glmnet_nn.training.preliminary import independent_inputs
from glmnet_nn.training.sampled import has_few_rows, sampled_fit
from glmnet_nn.training.separation import find_separation, is_informed, limit_problem
from glmnet_nn.training.solvers import (
    FORGETFUL,
    MetricLBFGS,
    Newton,
    Solution,
)
from glmnet_nn.training.sources import Source
from glmnet_nn.training.start import (
    initial_weights,
    null_model,
    saturated_loss,
)
from glmnet_nn.training.threads import at_most, n_blas_threads
from glmnet_nn.training.units import AS_GIVEN, Units, units_of

_CLEAR = 1e-6  # Fisher weights above this, of the null model's, take part in no separation
_SMALL = 5000  # rows up to which a linear program may ask all of them


@dataclass(frozen=True)
class Fit:
    """What was found; ``weights`` and ``network`` are for X as given."""

    solution: Solution
    network: Network
    weights: Array
    inputs: Inputs
    alpha: list[float]
    loss: float
    deviance: float
    null_deviance: float
    dispersion: float
    rank: int
    dependent: NDArray[np.intp]
    separated_rows: NDArray[np.intp]
    infinite: NDArray[np.bool_] | None
    estimable: NDArray[np.bool_] | None
    free: Array
    balance: str | None = None


def fit_network(
    X: Array,
    y: Array,
    weight: Array,
    offset: Array | None,
    spec: Specification,
    glm: Layer | None = None,
) -> Fit:
    """Minimise the objective from the null model or, if given, from that GLM.

    The solver works on scaled inputs and, if it is a first-order one, on y in units
    of its spread; what is returned is for X and y as given.
    """
    return fit_rows(Rows(X, y, weight, offset, spec.trials), spec, glm)


def fit_rows(rows: Rows | Source, spec: Specification, glm: Layer | None = None) -> Fit:
    """Do what :func:`fit_network` does, of rows in memory or in blocks."""
    saturated = saturated_loss(rows, spec.family)
    intercept, null_loss = null_model(rows, spec.family, saturated)
    adjusted = spec.bias_reduction or spec.balance not in (None, "auto")
    scoring = not spec.hidden and spec.solver == "newton" and not adjusted
    followed = spec.waiting is not None and spec.waiting.shows_states
    sampled = scoring and spec.standardize is not True and not followed
    if sampled and isinstance(rows, Rows):
        n_threads = n_blas_threads()
        with at_most(1):  # but for the sums: a second BLAS, scipy's, would spin beside numpy's
            found = _sampled(rows, intercept, null_loss, saturated, spec, n_threads)
        if found is not None:
            return found
    if isinstance(rows, Rows) and not spec.hidden:
        rows = rows.in_double()
    if glm is None and spec.hidden:
        nothing = np.zeros((rows.n_outputs, rows.n_features))
        glm = Layer(nothing, intercept if spec.fit_intercept else None)
    inputs = scaled_inputs(rows, spec)
    alpha = spec.alpha if spec.alpha is not None else prior(rows, inputs, spec, null_loss)
    is_mle = not spec.hidden and not any(alpha)
    reduced = independent_inputs(rows, inputs) if is_mle else inputs
    exact = spec.solver == "newton"
    working = reduced if exact else inputs
    units = AS_GIVEN if exact else units_of(rows, spec.family, spec.fit_intercept)
    objective = objective_of(rows, working, alpha, units, spec)
    task = Task(rows, spec, working, reduced, units, alpha, is_mle, objective, intercept, null_loss)
    return task.fit(best_of(objective, working, intercept, units, null_loss, spec, glm, task.fit))


@dataclass(frozen=True)
class Task:
    """What a solver is given, and what its solution means for X and y as given.

    The inputs are ``working`` for the solver and ``reduced`` for what comes after it.
    """

    rows: Rows | Source
    spec: Specification
    working: Inputs
    reduced: Inputs
    units: Units
    alpha: list[float]
    is_mle: bool
    objective: Objective
    intercept: Array
    null_loss: float

    def _as_given(self, w: Array) -> tuple[Objective, Array]:
        """Return the objective of y as given, and its parameters."""
        layout, w = (
            self.objective.network.layout,
            self.units.given(self.objective.network.layout, w),
        )
        if self.working is self.reduced and self.units is AS_GIVEN:
            return self.objective, w
        raw = folded(layout, self.working, w)
        objective = objective_of(self.rows, self.reduced, self.alpha, AS_GIVEN, self.spec)
        return objective, unfolded(objective.network.layout, self.reduced, raw)

    def fit(self, solution: Solution) -> Fit:
        """Return the fit; where the search was cut short, no limit of separated data."""
        spec, reduced, rows = self.spec, self.reduced, self.rows
        objective, w = self._as_given(solution.w)
        separated = _Separated.nothing(len(w))
        if self.is_mle and not spec.bias_reduction and solution.ended_by == "solver":
            clear = _clear(objective, self.intercept)
            if spec.solver != "newton" and len(rows) <= _SMALL:
                clear = np.inf  # wherever the solver stopped
            w, solution, separated = _limit(objective, w, solution, clear)
        layout, total = objective.network.layout, rows.total_weight
        balance = choose_balance(spec, solution)
        if balance is not None:
            w = balanced(objective, w, refit=balance == "refit")
        mean_loss, n_features = objective.mean_loss(w), rows.n_features
        narrow = searched(objective, spec)
        n_parameters = 0 if spec.hidden else reduced.rank + spec.fit_intercept
        found = Fit(
            solution=solution,
            network=objective.network.on_inputs(n_features, reduced.raw_bounds, reduced.center),
            weights=folded(layout, reduced, w),
            inputs=reduced,
            alpha=self.alpha,
            loss=mean_loss + narrow.penalty.value(narrow.network.layout.narrowed(w)),
            deviance=2.0 * mean_loss * total,
            null_deviance=2.0 * self.null_loss * total,
            dispersion=pearson_dispersion(objective, w, n_parameters),
            rank=reduced.rank,
            dependent=reduced.dependent_columns(n_features),
            separated_rows=separated.rows,
            infinite=None if spec.hidden else moves(layout, reduced, separated.direction[:, None]),
            estimable=None if spec.hidden else estimable(layout, reduced, separated.open),
            free=separated.open,
            balance=balance,
        )
        return found if spec.completed is None else spec.completed(found)


def _sampled(
    rows: Rows,
    intercept: Array,
    null_loss: float,
    saturated: float,
    spec: Specification,
    n_threads: int,
) -> Fit | None:
    """Return the fit of a GLM to many rows, by way of a sample of them; None if it was refused."""
    layout = Layout((rows.X.shape[1], rows.y.shape[1]), spec.fit_intercept)
    if has_few_rows(len(rows), layout):
        return None
    alpha = [0.0] if spec.alpha is None else spec.alpha

    def penalty_on(inputs: Inputs) -> ElasticNet:
        return elastic_net(
            layout, alpha, spec.l1_ratio, inputs.scale, group_inputs=spec.group_lasso
        )

    def start(inputs: Inputs) -> Array:
        if spec.start is not None:
            return unfolded(layout, inputs, spec.start)
        return initial_weights(layout, intercept, np.random.default_rng(spec.seed))

    waiting = spec.waiting

    def describe(n_iter: int, value: float) -> Iteration:
        return Iteration(n_iter, value, None if any(alpha) else 2.0 * value)

    with nullcontext() if waiting is None else waiting.reporting(spec.max_iter, describe) as report:
        found = sampled_fit(
            rows,
            spec.family,
            layout,
            penalty_on,
            start,
            saturated,
            MetricLBFGS(spec.tol, spec.max_iter),
            report,
            n_threads,
            FORGETFUL if waiting is None else waiting.keeper,
        )
    if found is None:
        return None
    inputs, w, total = found.inputs, found.solution.w, rows.total_weight
    deviances = () if any(alpha) else tuple(2.0 * value for value in found.solution.loss_curve)
    if not any(alpha) and not is_informed(found.sample, w, _clear(found.sample, intercept)):
        return None
    network, weights = found.sample.network, folded(layout, inputs, w)
    given = Objective(rows, spec.family, network, penalty_on(unscaled(inputs.rank)))
    mean_loss = given.mean_loss(weights) if found.mean_loss is None else found.mean_loss
    nothing = _Separated.nothing(len(w))
    return Fit(
        solution=replace(found.solution, deviance_curve=deviances),
        network=network,
        weights=weights,
        inputs=inputs,
        alpha=alpha,
        loss=mean_loss + given.penalty.value(weights),
        deviance=2.0 * mean_loss * total,
        null_deviance=2.0 * null_loss * total,
        dispersion=pearson_dispersion(given, weights, inputs.rank + spec.fit_intercept),
        rank=inputs.rank,
        dependent=inputs.dependent_columns(rows.X.shape[1]),
        separated_rows=nothing.rows,
        infinite=moves(layout, inputs, nothing.direction[:, None]),
        estimable=estimable(layout, inputs, nothing.open),
        free=nothing.open,
    )


@dataclass(frozen=True)
class _Separated:
    """The separated rows, the direction of escape, and all undetermined directions."""

    rows: NDArray[np.intp]
    direction: Array
    open: Array

    @classmethod
    def nothing(cls, size: int) -> _Separated:
        return cls(np.zeros(0, dtype=np.intp), np.zeros(size), np.zeros((size, 0)))


def _clear(objective: Objective, intercept: Array) -> float:
    """Return the Fisher weight above which a row takes part in no separation."""
    return _CLEAR * min(1.0, mean_curvature(objective, intercept))


def _limit(
    objective: Objective, w: Array, solution: Solution, clear: float
) -> tuple[Array, Solution, _Separated]:
    """Return the fit or, if the data are separated, the limit that it tends to."""
    separation = find_separation(objective, w, clear)
    if separation is None:
        return w, solution, _Separated.nothing(len(w))
    problem = limit_problem(objective, separation, w)
    start = np.zeros(problem.basis.shape[1])
    if len(start):
        solution = Newton().solve(problem, start)
        start = solution.w
    else:
        solution = replace(solution, converged=True, message="every row is at its limit")
    w = separation.limit(separation.finite_part(problem.full(start)))
    flat = objective.flat_directions()
    undetermined = separation.free - flat.T @ (flat @ separation.free)
    return w, solution, _Separated(separation.rows, separation.direction, undetermined)


def pearson_dispersion(objective: Objective, w: Array, n_parameters: int) -> float:
    """Return Pearson chi^2 / (sum w - parameters) where the law has a dispersion, else 1."""
    if not objective.family.has_dispersion:
        return 1.0
    chi2 = objective.pearson_chi2(w)
    freedom = (objective.total_weight - n_parameters) * objective.rows.n_outputs
    return chi2 / freedom if freedom > 0 else np.nan
