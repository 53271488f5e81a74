"""What to fit: the choices, the scaled inputs, the unit of y, the objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.estimators._waiting import Waiting
from glmnet_nn.network import (
    Embedding,
    Layer,
    Layout,
    LocalLayout,
    ShiftedSparse,
    get_activation,
    network_on,
)
from glmnet_nn.training.data import Rows, scaled_rows
from glmnet_nn.training.embedded import embedded
from glmnet_nn.training.inputs import Inputs, standardized, unscaled
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.overdispersion import overdispersion
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.preliminary import PreliminaryGLM
from glmnet_nn.training.source_objective import objective_on
from glmnet_nn.training.sources import Source
from glmnet_nn.training.units import ROUNDING, Units, units_of

PRIOR_PRECISION = 10.0
_REACH = 3.0  # standard deviations: an outlier is an input no larger than that
_NO_RESIDUALS = 1e-4  # of the null dispersion: a prior this weak shrinks next to nothing


@dataclass(frozen=True)
class Specification:
    """What to fit and how, every choice made.

    ``waiting`` is None for a fit on the way to another, which nobody watches. ``completed``
    adds to a fit what others than the solver know of it. Where ``start`` is ``settled`` it is
    the minimum, but for rounding, and nothing is searched.
    """

    family: ExponentialFamily
    hidden: tuple[int, ...]
    architecture: str
    skip: bool | str
    activation: str
    alpha: list[float] | None
    l1_ratio: float
    group_lasso: bool
    fit_intercept: bool
    standardize: str | bool
    solver: str
    max_iter: int
    tol: float
    batch_size: int
    learning_rate: float
    schedule: str
    shuffle: bool
    validation_fraction: float
    patience: int
    n_init: int
    start: Array | None
    seed: int
    waiting: Waiting | None
    trials: Array | None = None
    bias_reduction: bool = False
    polish_output: bool = False
    balance: str | None = None
    completed: Callable[[Any], Any] | None = None
    embeddings: tuple[Embedding, ...] = ()
    settled: bool = False

    @property
    def nests_glm(self) -> bool:
        """Whether the network has a GLM in it, to start from."""
        return bool(self.skip) or self.architecture == "local"


def scaled_inputs(rows: Rows | Source, spec: Specification) -> Inputs:
    """Return the scaled inputs; without hidden layers that is a matter of accuracy alone."""
    if spec.hidden and spec.standardize is False:
        return unscaled(rows.n_features)
    scaling = (
        rows.standardized
        if isinstance(rows, Source)
        else partial(standardized, rows.X, rows.weight)
    )
    return scaling(
        center=can_be_centred(spec),
        keep_binary=bool(spec.hidden),
        reach=_REACH if spec.hidden else None,
    )


def can_be_centred(spec: Specification) -> bool:
    """Tell whether an intercept takes up the means of all columns.

    Hidden layers have one each. What eta is linear in, if it is the columns themselves, has
    one with ``fit_intercept`` only.
    """
    linear = spec.skip is True or spec.architecture == "local"
    return spec.fit_intercept or bool(spec.hidden and not linear)


def layout_of(architecture: str, sizes: tuple[int, ...], fit_intercept: bool, skip: bool) -> Layout:
    """Return the layout; without hidden layers it is that of a GLM, whatever was asked for."""
    if len(sizes) == 2:
        return Layout(sizes, fit_intercept)
    if architecture == "local":
        return LocalLayout(sizes, fit_intercept)
    return Layout(sizes, fit_intercept, skip)


def objective_of(
    rows: Rows | Source, inputs: Inputs, alpha: list[float], units: Units, spec: Specification
) -> Objective:
    """Return the objective of (y - middle) / unit on scaled inputs."""
    sizes = (inputs.rank, *spec.hidden, rows.n_outputs)
    layout = layout_of(spec.architecture, sizes, spec.fit_intercept, spec.skip is True)
    network = network_on(layout, get_activation(spec.activation), inputs.bounds)
    penalises_raw = not spec.hidden and spec.standardize is not True and inputs.basis is None
    scale = inputs.scale if penalises_raw else None
    penalty = elastic_net(
        layout, alpha, spec.l1_ratio, scale, units.unit, spec.group_lasso, units.of_loss
    )
    # few passes, or batches that make a copy of their own
    late = spec.solver in ("newton", "adam") and not spec.bias_reduction
    scaled = rows.seen(partial(_scaled_rows, inputs, units, late))
    return objective_on(scaled, spec.family, network, penalty, spec.solver == "newton")


def searched(objective: Objective, spec: Specification) -> Objective:
    """Return the objective in the parameters that a search moves."""
    return embedded(objective, spec.embeddings) if spec.embeddings else objective


def _scaled_rows(inputs: Inputs, units: Units, late: bool, rows: Rows) -> Rows:
    """Return the rows as a solver sees them, X scaled now or ``late``, where it is asked for."""
    offset = None if rows.offset is None else rows.offset / units.unit
    y = rows.y if units.are_given else (rows.y - units.middle) / units.of_y
    return scaled_rows(Rows(rows.X, y, rows.weight, offset), inputs, late)


def glm_seen(glm: Layer, inputs: Inputs, units: Units) -> Layer:
    """Return a GLM of X and y as given, for the inputs and the y that a solver sees."""
    W, b = inputs.unfold(glm.W, glm.b)
    return Layer(W / units.unit, None if b is None else (b - units.middle) / units.unit)


def prior(
    rows: Rows | Source, inputs: Inputs, spec: Specification, null_loss: float
) -> list[float]:
    """Return alpha="auto": 0 for the GLM, else a Gaussian prior of precision 10.

    On the summed log-likelihood, or the quasi-likelihood of overdispersed counts: alpha =
    10 phi / sum w. The output weights carry the unit of eta, so their prior is in that unit.
    """
    if not spec.hidden:
        return [0.0]
    if spec.family.has_dispersion:
        phi = preliminary_dispersion(rows, inputs, spec, null_loss)
    else:
        phi = overdispersion(rows, inputs, spec.family)
    alpha = PRIOR_PRECISION * phi / rows.total_weight
    unit = units_of(rows, spec.family, spec.fit_intercept).unit
    return [alpha] * len(spec.hidden) + [alpha / unit**2]


def preliminary_dispersion(
    rows: Rows | Source, inputs: Inputs, spec: Specification, null_loss: float
) -> float:
    """Return phi of the classical GLM, or of the null model where that GLM is saturated.

    Where y does not vary about the null model but by rounding, the data say nothing of phi: then
    mu^2 / V(mu), that of a y whose standard deviation is its mean mu.
    """
    if not spec.family.has_dispersion:
        return 1.0
    null_phi, mean = 2.0 * null_loss, rows.mean_response()
    size = float(np.mean(mean**2 / spec.family.variance(mean))) or 1.0
    if null_phi <= ROUNDING**2 * size:
        return size
    classical = PreliminaryGLM.of(rows, inputs, spec.family)
    total = classical.objective.total_weight
    freedom = total - classical.n_parameters
    if freedom <= 0:
        return null_phi
    phi = 2.0 * classical.solved().value * total / freedom
    if phi > _NO_RESIDUALS * null_phi:
        return phi
    saturated = n_distinct(rows, classical.n_parameters + 1) <= classical.n_parameters
    return null_phi if saturated else _NO_RESIDUALS * null_phi


def n_distinct(rows: Rows | Source, most: int) -> int:
    """Return the number of different rows of X, or ``most`` if there are more."""
    if isinstance(rows, Rows) and isinstance(rows.X, ShiftedSparse):
        return rows.X.n_distinct()
    found = rows.map(partial(_distinct_rows, most))
    return len(np.unique(np.concatenate(found), axis=0))


def _distinct_rows(most: int, rows: Rows) -> Array:
    return np.unique(rows.X, axis=0)[:most]


def mean_curvature(objective: Objective, intercept: Array) -> float:
    """Return the mean Fisher weight of the null model."""
    mean = objective.null_curvature(intercept)
    return mean if 0 < mean < np.inf else 1.0
