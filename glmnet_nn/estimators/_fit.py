"""One fit, from validated arrays to parameters for X as given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.bias_reduction import reduce_bias
from glmnet_nn.training.data import Rows, TransformedRows
from glmnet_nn.training.estimability import estimable, moves
from glmnet_nn.training.inputs import (
    Inputs,
    folded,
    full_rank,
    standardized,
    unfolded,
    unscaled,
)
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet, elastic_net
from glmnet_nn.training.polish import polished
from glmnet_nn.training.sampled import sampled_fit
from glmnet_nn.training.separation import find_separation, is_informed, limit_problem
from glmnet_nn.training.solvers import (
    LBFGS,
    Adam,
    MetricLBFGS,
    Newton,
    NewtonCG,
    Solution,
)
from glmnet_nn.training.start import (
    feasible_start,
    initial_weights,
    linear_objective,
    null_model,
    saturated_loss,
)
from glmnet_nn.training.threads import at_most, n_blas_threads

_PRIOR_PRECISION = 10.0
_NO_RESIDUALS = 1e-4  # of the null dispersion: a prior this weak shrinks next to nothing
_CLEAR = 1e-6  # Fisher weights above this, of the null model's, take part in no separation
_SMALL = 5000  # rows up to which a linear program may ask all of them


@dataclass(frozen=True)
class Specification:
    """What to fit and how, every choice made."""

    family: ExponentialFamily
    hidden: tuple[int, ...]
    activation: str
    alpha: list[float] | None
    l1_ratio: float
    fit_intercept: bool
    standardize: str | bool
    solver: str
    max_iter: int
    tol: float
    batch_size: int
    learning_rate: float
    schedule: str
    validation_fraction: float
    patience: int
    n_init: int
    start: Array | None
    seed: int
    report: Callable[[int, float], None] | None
    bias_reduction: bool = False
    polish_output: bool = False


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


def fit_network(
    X: Array, y: Array, weight: Array, offset: Array | None, spec: Specification
) -> Fit:
    """Minimise the objective from the null model.

    The solver works on scaled inputs and, if it is a first-order one, on y in units
    of its spread; what is returned is for X and y as given.
    """
    rows = Rows(X, y, weight, offset)
    saturated = saturated_loss(rows, spec.family)
    intercept, null_loss = null_model(rows, spec.family, saturated)
    scoring = not spec.hidden and spec.solver == "newton" and not spec.bias_reduction
    if scoring and spec.standardize is not True:
        n_threads = n_blas_threads()
        with at_most(1):  # but for the sums: a second BLAS, scipy's, would spin beside numpy's
            found = _sampled(rows, intercept, null_loss, saturated, spec, n_threads)
        if found is not None:
            return found
    inputs = _inputs(rows, spec)
    alpha = spec.alpha if spec.alpha is not None else _prior(rows, inputs, spec, null_loss)
    is_mle = not spec.hidden and not any(alpha)
    reduced = full_rank(inputs, X) if is_mle else inputs
    exact = spec.solver == "newton"
    working, units = (reduced, _AS_GIVEN) if exact else (inputs, _units(rows, spec))
    objective = _objective(rows, working, alpha, units, spec)
    solution = _best_of(objective, working, intercept, units, null_loss, spec)
    w = units.given(objective.network.layout, solution.w)
    if working is not reduced or units is not _AS_GIVEN:
        raw = folded(objective.network.layout, working, w)
        objective = _objective(rows, reduced, alpha, _AS_GIVEN, spec)
        w = unfolded(objective.network.layout, reduced, raw)
    separated = _Separated.nothing(len(w))
    if is_mle and not spec.bias_reduction:
        clear = _clear(objective, intercept)
        if not exact and len(rows) <= _SMALL:
            clear = np.inf  # wherever the solver stopped
        w, solution, separated = _limit(objective, w, solution, clear)
    layout, total = objective.network.layout, float(weight.sum())
    mean_loss = objective.mean_loss(w)
    n_parameters = 0 if spec.hidden else reduced.rank + spec.fit_intercept
    return Fit(
        solution=solution,
        network=Network(
            Layout((X.shape[1], *layout.sizes[1:]), layout.fit_intercept),
            objective.network.activation,
        ),
        weights=folded(layout, reduced, w),
        inputs=reduced,
        alpha=alpha,
        loss=mean_loss + objective.penalty.value(w),
        deviance=2.0 * mean_loss * total,
        null_deviance=2.0 * null_loss * total,
        dispersion=_dispersion(objective, w, n_parameters),
        rank=reduced.rank,
        dependent=reduced.dependent_columns(X.shape[1]),
        separated_rows=separated.rows,
        infinite=None if spec.hidden else moves(layout, reduced, separated.direction[:, None]),
        estimable=None if spec.hidden else estimable(layout, reduced, separated.open),
        free=separated.open,
    )


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
    alpha = [0.0] if spec.alpha is None else spec.alpha

    def penalty_on(inputs: Inputs) -> ElasticNet:
        return elastic_net(layout, alpha, spec.l1_ratio, inputs.scale)

    def start(inputs: Inputs) -> Array:
        if spec.start is not None:
            return unfolded(layout, inputs, spec.start)
        return initial_weights(layout, intercept, np.random.default_rng(spec.seed))

    found = sampled_fit(
        rows,
        spec.family,
        layout,
        penalty_on,
        start,
        saturated,
        MetricLBFGS(spec.tol, spec.max_iter),
        spec.report,
        n_threads,
    )
    if found is None:
        return None
    inputs, w, total = found.inputs, found.solution.w, float(rows.weight.sum())
    if not any(alpha) and not is_informed(found.sample, w, _clear(found.sample, intercept)):
        return None
    network, weights = found.sample.network, folded(layout, inputs, w)
    given = Objective(rows, spec.family, network, penalty_on(unscaled(inputs.rank)))
    mean_loss = given.mean_loss(weights) if found.mean_loss is None else found.mean_loss
    nothing = _Separated.nothing(len(w))
    return Fit(
        solution=found.solution,
        network=network,
        weights=weights,
        inputs=inputs,
        alpha=alpha,
        loss=mean_loss + given.penalty.value(weights),
        deviance=2.0 * mean_loss * total,
        null_deviance=2.0 * null_loss * total,
        dispersion=_dispersion(given, weights, inputs.rank + spec.fit_intercept),
        rank=inputs.rank,
        dependent=inputs.dependent_columns(rows.X.shape[1]),
        separated_rows=nothing.rows,
        infinite=moves(layout, inputs, nothing.direction[:, None]),
        estimable=estimable(layout, inputs, nothing.open),
        free=nothing.open,
    )


# ------------------------------------------------------------------ before


def _inputs(rows: Rows, spec: Specification) -> Inputs:
    """Return the scaled inputs; without hidden layers that is a matter of accuracy alone."""
    if not spec.hidden:
        return standardized(rows.X, rows.weight, center=spec.fit_intercept)
    if spec.standardize is False:
        return unscaled(rows.X.shape[1])
    return standardized(rows.X, rows.weight, keep_binary=True)


def _objective(
    rows: Rows, inputs: Inputs, alpha: list[float], units: _Units, spec: Specification
) -> Objective:
    """Return the objective of (y - middle) / unit on scaled inputs."""
    layout = Layout((inputs.rank, *spec.hidden, rows.y.shape[1]), spec.fit_intercept)
    network = Network(layout, get_activation(spec.activation))
    penalises_raw = not spec.hidden and spec.standardize is not True and inputs.basis is None
    scale = inputs.scale if penalises_raw else None
    penalty = elastic_net(layout, alpha, spec.l1_ratio, scale, units.unit)
    offset = None if rows.offset is None else rows.offset / units.unit
    y = rows.y if units is _AS_GIVEN else (rows.y - units.middle) / units.unit
    if spec.solver in ("newton", "adam") and not spec.bias_reduction:
        # few passes, or batches that make a copy of their own
        scaled: Rows = TransformedRows(rows.X, y, rows.weight, offset, transform=inputs.transform)
    else:
        scaled = Rows(inputs.transform(rows.X), y, rows.weight, offset)
    return Objective(scaled, spec.family, network, penalty)


@dataclass(frozen=True)
class _Units:
    """y = middle + unit * (the y that a first-order solver sees)."""

    unit: float
    middle: Array

    def given(self, layout: Layout, w: Array) -> Array:
        """Return the parameters for y as given: only the output layer changes."""
        w = w.copy()
        W, b = layout.layers(w)[-1]
        W *= self.unit
        if b is not None:
            b *= self.unit
            b += self.middle
        return w

    def seen(self, layout: Layout, w: Array) -> Array:
        """Return the parameters for the y that the solver sees: `given` undone."""
        w = w.copy()
        W, b = layout.layers(w)[-1]
        W /= self.unit
        if b is not None:
            b -= self.middle
            b /= self.unit
        return w


_AS_GIVEN = _Units(1.0, np.zeros(1))


def _units(rows: Rows, spec: Specification) -> _Units:
    """Return the mean and standard deviation of y, where they change but the output layer.

    That is so for location-scale laws alone, and for the mean only with an intercept.
    """
    if not spec.family.is_location_scale:
        return _AS_GIVEN
    share = rows.weight / rows.weight.sum()
    middle = share @ rows.y
    unit = float(np.sqrt(np.mean(share @ np.square(rows.y - middle)))) or 1.0
    return _Units(unit, middle if spec.fit_intercept else np.zeros(1))


def _prior(rows: Rows, inputs: Inputs, spec: Specification, null_loss: float) -> list[float]:
    """Return alpha="auto": 0 for the GLM, else a Gaussian prior of precision 10.

    On the summed log-likelihood: alpha = 10 phi / sum w. The output weights carry
    the unit of y, so their prior is in that unit.
    """
    if not spec.hidden:
        return [0.0]
    phi = _preliminary_dispersion(rows, inputs, spec, null_loss)
    alpha = _PRIOR_PRECISION * phi / float(rows.weight.sum())
    return [alpha] * len(spec.hidden) + [alpha / _units(rows, spec).unit ** 2]


def _preliminary_dispersion(
    rows: Rows, inputs: Inputs, spec: Specification, null_loss: float
) -> float:
    """Return phi of the classical GLM, or of the null model where that GLM is saturated."""
    if not spec.family.has_dispersion:
        return 1.0
    null_phi = 2.0 * null_loss or 1.0
    design = full_rank(inputs, rows.X)
    classical = replace(rows, X=design.transform(rows.X))
    objective = linear_objective(classical, spec.family, fit_intercept=True)
    intercept, _ = null_model(rows, spec.family)
    start = initial_weights(objective.network.layout, intercept, np.random.default_rng(0))
    freedom = objective.total_weight - len(start)
    if freedom <= 0:
        return null_phi
    loss = Newton(max_iter=25).solve(objective, start).value
    phi = 2.0 * loss * objective.total_weight / freedom
    if phi > _NO_RESIDUALS * null_phi:
        return phi
    saturated = len(np.unique(rows.X, axis=0)) <= len(start)
    return null_phi if saturated else _NO_RESIDUALS * null_phi


def _best_of(
    objective: Objective,
    inputs: Inputs,
    intercept: Array,
    units: _Units,
    null_loss: float,
    spec: Specification,
) -> Solution:
    """Solve from ``n_init`` random starts (one, if there is no hidden layer); keep the best.

    The best has the lowest F or, if rows are held out, the lowest deviance of these.
    """
    layout = objective.network.layout
    training, validation = _split(objective, spec)
    scale = _Scale(
        _curvature(objective, (intercept - units.middle) / units.unit), null_loss / units.unit**2
    )
    solutions: list[Solution] = []
    for attempt in range(spec.n_init if spec.hidden else 1):
        rng = np.random.default_rng([spec.seed, attempt])
        start = initial_weights(layout, (intercept - units.middle) / units.unit, rng)
        if not spec.hidden:
            start = feasible_start(objective, start)
        if spec.start is not None and attempt == 0:
            warm = units.seen(layout, unfolded(layout, inputs, spec.start))
            solutions.append(_solve(training, validation, warm, rng, scale, spec))
            if solutions[-1].converged:
                continue  # else: the previous fit may lie where nothing has a slope
        solutions.append(_solve(training, validation, start, rng, scale, spec))
    return min(solutions, key=lambda found: min(found.validation_curve, default=found.value))


@dataclass(frozen=True)
class _Scale:
    """What a solver's tolerances are multiples of, so that the unit of y does not matter."""

    curvature: float
    null_loss: float


def _curvature(objective: Objective, intercept: Array) -> float:
    """Return the mean Fisher weight of the null model."""
    rows, family = objective.rows, objective.family
    eta = np.broadcast_to(intercept, rows.y.shape)
    eta = eta if rows.offset is None else eta + rows.offset
    with np.errstate(all="ignore"):
        weight = family.fisher_weight(eta).mean(axis=1)
    mean = float(rows.weight @ weight) / objective.total_weight
    return mean if 0 < mean < np.inf else 1.0


def _solve(
    training: Objective,
    validation: Objective | None,
    start: Array,
    rng: np.random.Generator,
    scale: _Scale,
    spec: Specification,
) -> Solution:
    found = _searched(training, validation, start, rng, scale, spec)
    return polished(training, found) if spec.polish_output else found


def _searched(
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


# ------------------------------------------------------------------- after


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
    return _CLEAR * min(1.0, _curvature(objective, intercept))


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


def _dispersion(objective: Objective, w: Array, n_parameters: int) -> float:
    """Return Pearson chi^2 / (sum w - parameters) where the law has a dispersion, else 1."""
    family, rows = objective.family, objective.rows
    if not family.has_dispersion:
        return 1.0
    chi2 = sum(
        float(block.weight @ np.square(family.pearson(block.y, eta)).sum(axis=1))
        for block, eta in objective.predicted(w)
    )
    freedom = (objective.total_weight - n_parameters) * rows.y.shape[1]
    return chi2 / freedom if freedom > 0 else np.nan
