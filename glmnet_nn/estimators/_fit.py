"""One fit, from validated arrays to parameters for X as given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.network import Layer, Layout, Network, get_activation
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs, full_rank, standardized, unscaled
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet, elastic_net
from glmnet_nn.training.separation import find_separation, limit_problem
from glmnet_nn.training.solvers import LBFGS, Adam, Newton, Solution
from glmnet_nn.training.start import initial_weights, linear_objective, null_model

_PRIOR_PRECISION = 10.0


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
    validation_fraction: float
    patience: int
    n_init: int
    start: Array | None
    seed: int
    report: Callable[[int, float], None] | None


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
    infinite: NDArray[np.bool_]


def fit_network(
    X: Array, y: Array, weight: Array, offset: Array | None, spec: Specification
) -> Fit:
    """Minimise the objective from the null model; see THEORY in the documentation."""
    inputs = _inputs(X, weight, spec)
    rows = Rows(inputs.transform(X), y, weight, offset)
    intercept, null_loss = null_model(rows, spec.family)
    unit = _unit(rows, spec)
    alpha = spec.alpha if spec.alpha is not None else _prior(rows, spec, null_loss)
    layout = Layout((rows.X.shape[1], *spec.hidden, y.shape[1]), spec.fit_intercept)
    network = Network(layout, get_activation(spec.activation))
    raw_penalty = not spec.hidden and spec.standardize is not True and inputs.basis is None
    scale = inputs.scale if raw_penalty else None
    penalty = elastic_net(layout, alpha, spec.l1_ratio, scale, unit)
    scaled = replace(rows, y=rows.y / unit)
    objective = Objective(scaled, spec.family, network, penalty)

    solution = _best_of(objective, inputs, intercept / unit, spec, unit)
    separated, infinite = np.zeros(0, dtype=np.intp), np.zeros(layout.size, dtype=bool)
    if not spec.hidden and penalty.is_zero:
        solution, separated, infinite = _limit(objective, solution)
    w = _times_unit(layout, solution.w, unit)
    plain = Objective(rows, spec.family, network, penalty)
    mean_loss = plain.mean_loss(w)
    raw_layout = Layout((X.shape[1], *layout.sizes[1:]), spec.fit_intercept)
    total = float(weight.sum())
    rank = rows.X.shape[1] if not spec.hidden else X.shape[1]
    return Fit(
        solution=solution,
        network=Network(raw_layout, network.activation),
        weights=_folded(layout, inputs, w),
        inputs=inputs,
        alpha=alpha,
        loss=solution.value * unit**2,
        deviance=2.0 * mean_loss * total,
        null_deviance=2.0 * null_loss * total,
        dispersion=_dispersion(plain, w, rank + spec.fit_intercept if not spec.hidden else 0),
        rank=rank,
        dependent=inputs.names_of_null_space(X.shape[1]),
        separated_rows=separated,
        infinite=_infinite_coefficients(layout, inputs, infinite),
    )


# ------------------------------------------------------------------ before


def _inputs(X: Array, weight: Array, spec: Specification) -> Inputs:
    """Return the scaled inputs; without hidden layers and penalty those of full rank.

    Without hidden layers scaling is a matter of accuracy alone and is always done.
    """
    if not spec.hidden:
        inputs = standardized(X, weight, center=spec.fit_intercept)
        unpenalised = spec.alpha is None or not any(spec.alpha)
        return full_rank(inputs, X) if unpenalised else inputs
    if spec.standardize is False:
        return unscaled(X.shape[1])
    return standardized(X, weight, keep_binary=True)


def _unit(rows: Rows, spec: Specification) -> float:
    """Return the unit of y for first-order solvers: its standard deviation, or 1.

    Only where the law is a location-scale law in y does a unit change nothing but
    the scale of the output layer.
    """
    if spec.solver == "newton" or not spec.family.is_location_scale:
        return 1.0
    return _spread(rows) or 1.0


def _spread(rows: Rows) -> float:
    share = rows.weight / rows.weight.sum()
    return float(np.sqrt(np.mean(share @ np.square(rows.y - share @ rows.y))))


def _prior(rows: Rows, spec: Specification, null_loss: float) -> list[float]:
    """Return alpha="auto": 0 for the GLM, else a Gaussian prior of precision 10.

    On the summed log-likelihood: alpha = 10 phi / sum w. The output weights carry
    the unit of y, so their prior is in that unit.
    """
    if not spec.hidden:
        return [0.0]
    phi = _preliminary_dispersion(rows, spec, null_loss)
    alpha = _PRIOR_PRECISION * phi / float(rows.weight.sum())
    unit = _spread(rows) if spec.family.is_location_scale else 1.0
    return [alpha] * len(spec.hidden) + [alpha / (unit or 1.0) ** 2]


def _preliminary_dispersion(rows: Rows, spec: Specification, null_loss: float) -> float:
    """Return phi of the classical GLM; of the null model where that leaves no residuals."""
    if not spec.family.has_dispersion:
        return 1.0
    null_phi = 2.0 * null_loss or 1.0
    design = full_rank(unscaled(rows.X.shape[1]), rows.X)
    parameters = design.rank + 1
    if len(rows) <= parameters:
        return null_phi
    classical = replace(rows, X=design.transform(rows.X))
    objective = linear_objective(classical, spec.family, fit_intercept=True)
    intercept, _ = null_model(rows, spec.family)
    start = initial_weights(objective.network.layout, intercept, np.random.default_rng(0))
    found = Newton(max_iter=25).solve(objective, start)
    phi = 2.0 * found.value * len(rows) / (len(rows) - parameters)
    return max(phi, 1e-6 * null_phi)


def _best_of(
    objective: Objective, inputs: Inputs, intercept: Array, spec: Specification, unit: float
) -> Solution:
    """Solve from ``n_init`` random starts (one, if there is no hidden layer); keep the best."""
    layout = objective.network.layout
    solutions = []
    for attempt in range(spec.n_init if spec.hidden else 1):
        rng = np.random.default_rng([spec.seed, attempt])
        if spec.start is not None and attempt == 0:
            start = _unfolded(layout, inputs, spec.start, unit)
        else:
            start = initial_weights(layout, intercept, rng)
        solutions.append(_solve(objective, start, rng, spec))
    return min(solutions, key=lambda solution: solution.value)


def _solve(
    objective: Objective, start: Array, rng: np.random.Generator, spec: Specification
) -> Solution:
    if spec.solver == "newton":
        return Newton(spec.tol, spec.max_iter).solve(objective, start, spec.report)
    if spec.solver == "lbfgs":
        return LBFGS(spec.tol, spec.max_iter).solve(objective, start, spec.report)
    training, validation = _split(objective, rng, spec.validation_fraction)
    adam = Adam(
        epochs=spec.max_iter,
        batch_size=min(spec.batch_size, training.n_rows),
        learning_rate=spec.learning_rate,
        rng=rng,
        validation=None if validation is None else lambda w: 2.0 * validation.mean_loss(w),
        patience=spec.patience,
        tol=spec.tol,
    )
    return adam.solve(training, start, spec.report)


def _split(
    objective: Objective, rng: np.random.Generator, fraction: float
) -> tuple[Objective, Objective | None]:
    """Return the objective on the training rows, and that on the held-out rows if any."""
    if not fraction:
        return objective, None
    n = objective.n_rows
    held_out = int(np.ceil(fraction * n))
    if held_out >= n:
        raise ValueError(
            f"validation_fraction={fraction} of {n} rows leaves none for training. "
            "Set early_stopping=False, or give more rows."
        )
    order = rng.permutation(n)
    parts = order[held_out:], order[:held_out]
    training, validation = (
        Objective(
            objective.rows.take(np.sort(part)),
            objective.family,
            objective.network,
            objective.penalty,
        )
        for part in parts
    )
    return training, validation


# ------------------------------------------------------------------- after


def _limit(
    objective: Objective, solution: Solution
) -> tuple[Solution, NDArray[np.intp], NDArray[np.bool_]]:
    """Return the limit of the fit if the data are separated, else the fit itself.

    Returns also the separated rows, and which parameters the data leave open.
    """
    separation = find_separation(objective, solution.w)
    if separation is None:
        nothing = np.zeros(0, dtype=np.intp), np.zeros(solution.w.size, dtype=bool)
        return solution, *nothing
    problem = limit_problem(objective, separation, solution.w)
    start = np.zeros(problem.basis.shape[1])
    found = Newton().solve(problem, start) if len(start) else None
    w = separation.limit(separation.finite_part(problem.full(start if found is None else found.w)))
    limit = replace(
        solution,
        w=w,
        value=objective.value(w),
        converged=found is None or found.converged,
        message="the limit of separated data" if found is None else found.message,
    )
    flat = objective.flat_directions()
    determined = separation.free - flat.T @ (flat @ separation.free)
    open_parameters = np.sqrt(np.square(determined).sum(axis=1)) > 1e-8
    return limit, separation.rows, open_parameters


def _dispersion(objective: Objective, w: Array, n_parameters: int) -> float:
    """Return Pearson chi^2 / (sum w - parameters) where the law has a dispersion, else 1."""
    family, rows = objective.family, objective.rows
    if not family.has_dispersion:
        return 1.0
    _, eta = objective.linear_predictor(w, rows)
    chi2 = float(rows.weight @ np.square(family.pearson(rows.y, eta)).sum(axis=1))
    freedom = (objective.total_weight - n_parameters) * rows.y.shape[1]
    return chi2 / freedom if freedom > 0 else np.nan


def _times_unit(layout: Layout, w: Array, unit: float) -> Array:
    """Return parameters for y from those for y / unit: the output layer times the unit."""
    w = w.copy()
    for place in layout.slices[-1]:
        w[place] *= unit
    return w


def _folded(layout: Layout, inputs: Inputs, w: Array) -> Array:
    """Return the parameters for X as given."""
    layers = layout.layers(w)
    layers[0] = Layer(*inputs.fold(*layers[0]))
    return layout.flatten(layers)


def _unfolded(layout: Layout, inputs: Inputs, weights: Array, unit: float) -> Array:
    """Return the parameters for scaled inputs and y / unit, the inverse of `_folded`."""
    raw = Layout((len(inputs.center), *layout.sizes[1:]), layout.fit_intercept)
    layers = raw.layers(_times_unit(raw, weights, 1.0 / unit))
    layers[0] = Layer(*inputs.unfold(*layers[0]))
    return layout.flatten(layers)


def _infinite_coefficients(
    layout: Layout, inputs: Inputs, infinite: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return, (n_outputs, p + 1), which coefficients (intercept last) are not finite."""
    K = layout.sizes[-1]
    W, b = layout.slices[-1]
    result = np.zeros((K, len(inputs.center) + 1), dtype=bool)
    if infinite.any():
        slopes: Any = infinite[W].reshape(K, -1)
        result[:, :-1] = slopes if inputs.basis is None else slopes @ (inputs.basis.T != 0)
        result[:, -1] = infinite[b] if b.stop > b.start else False
    return result
