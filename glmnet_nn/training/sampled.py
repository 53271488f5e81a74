"""Many rows: a sample of them gives the scaling, the start and the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.data import Rows, scaled_rows
from glmnet_nn.training.inputs import Inputs, standardized
from glmnet_nn.training.linear import LinearSums
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.solvers import (
    FORGETFUL,
    Keeper,
    MetricLBFGS,
    Newton,
    Solution,
    gram_factor,
)

_EPS = np.finfo(float).eps
_FEW_ROWS = 200  # below, Newton's method takes no longer
_LEAST_SAMPLE = 2000  # rows: the sample of fewer rows would save nothing
_SHARE = 0.05
_ROWS_PER_COLUMN = 20  # that make a start
_ROWS_PER_METRIC = (50, 200)  # for each column, least and most, that make a metric
_NEAR = 1.0  # standard errors of the sample: its optimum is no nearer to that of all rows
_SAMPLE_STEPS = 12
_WIDE = 64  # columns: products of many rows with fewer gain nothing from threads of BLAS
_SLACK = 64  # roundings that a Cholesky factor may add up
_NOISE = 1e-10  # standard errors of the score that rounding may make up


@dataclass(frozen=True)
class Sampled:
    """A fit of all rows that a sample of them has led to.

    Attributes
    ----------
    inputs : Inputs
        Z, standardised as the sample has it; its columns are independent.
    solution : Solution
        In the parameters of Z.
    mean_loss : float or None
        The mean loss of all rows, if its digits have not cancelled.
    sample : Objective
        The objective of the sample, on Z.
    """

    inputs: Inputs
    solution: Solution
    mean_loss: float | None
    sample: Objective


def sampled_fit(
    rows: Rows,
    family: ExponentialFamily,
    layout: Layout,
    penalty_on: Callable[[Inputs], ElasticNet],
    start: Callable[[Inputs], Array],
    saturated: float,
    solver: MetricLBFGS,
    report: Callable[[int, float], None] | None = None,
    n_threads: int = 1,
    keeper: Keeper = FORGETFUL,
) -> Sampled | None:
    """Return the fit, or None where rows are few or ill-conditioned, or no optimum was found.

    1. A fit of the sample, as near as a sample can tell, is the start.
    2. The Fisher information F_0 there is the metric: that of the sample if it has rows
       enough, else that of all rows, once. Of m rows and p columns, the eigenvalues of
       F_0^-1 F lie about (1 -+ sqrt(p / m))^2, so that each pass over all rows divides
       the error by a constant, whatever n.
    3. L-BFGS in that metric ends where Newton's method would.

    A law with constant Fisher information (Normal, identity link) needs no start, and ends
    after a step; so few rows for each column that a sample has no fit have none either.

    Parameters
    ----------
    rows : Rows
        X as given.
    family : ExponentialFamily
    layout : Layout
        Without hidden layers.
    penalty_on : callable
        The penalty on the parameters of Z.
    start : callable
        Parameters of Z to start from.
    saturated : float
        The mean of A*(y).
    solver : MetricLBFGS
    report : callable, optional
        Called with each iteration and its value.
    n_threads : int
        Threads of BLAS that may share the products of many columns.
    keeper : Keeper, optional
        Of the state of that solver; what comes before follows from the rows.
    """
    n, p = rows.X.shape
    if has_few_rows(n, layout):
        return None
    size, is_metric = _sample_size(n, p, layout.sizes[-1])
    sample = _taken(rows, size)
    inputs = standardized(sample.X, sample.weight, center=layout.fit_intercept)
    objective = _objective(sample, family, layout, inputs, penalty_on(inputs))
    shared = n_threads if p >= _WIDE else 1
    sums = LinearSums(rows, family, layout, inputs, objective.penalty, saturated, shared)
    w, whole = start(inputs), family.is_location_scale or not is_metric
    if size < n and not family.is_location_scale:
        w = _fit_of_sample(objective, w)
    if whole:
        value, gradient, information = sums.expansion(w)
    else:
        value, gradient = sums.smooth_value_and_gradient(w)
        information = objective.information(w)
    factor = gram_factor(information, objective.flat_directions())
    if factor is None or not _is_foldable(inputs, n, factor.rcond):
        return None
    left = _SLACK * _EPS / factor.rcond if family.is_location_scale else np.inf
    solution = solver.solve(sums, (w, value, gradient), factor.solve, report, left, keeper)
    if not solution.converged:
        return None
    return Sampled(inputs, solution, sums.mean_loss(solution.value, solution.w), objective)


def has_few_rows(n: int, layout: Layout) -> bool:
    """Tell whether n rows are too few for a sample of them."""
    return n < max(_FEW_ROWS, 4 * layout.size)


def _sample_size(n: int, p: int, n_outputs: int) -> tuple[int, bool]:
    """Return m, or n for all rows, and whether the information of m rows is the metric.

    A twentieth of the rows is, where that is many for each column. One more sum over
    all rows is cheaper for one output, for K outputs it is K (K + 1) / 2 sums.
    """
    least, most = (count * (p + 1) for count in _ROWS_PER_METRIC)
    share = int(_SHARE * n)
    if share >= most or n_outputs > 1:
        size, is_metric = min(max(share, least), most), True
    else:
        size, is_metric = _ROWS_PER_COLUMN * (p + 1), False
    size = max(size, _LEAST_SAMPLE)
    return (size, is_metric) if size <= n // 2 else (n, False)


def _taken(rows: Rows, size: int) -> Rows:
    """Return a random sample in the order of the rows, the same for the same n."""
    n, p = rows.X.shape
    size = min(size, max(_LEAST_SAMPLE, 2 * p)) if size == n else size
    if size < n:
        index = np.random.default_rng(0).choice(n, size, replace=False, shuffle=False)
        rows = rows.take(np.sort(index))
    return replace(rows, X=rows.X.astype(float, copy=False))


def _objective(
    rows: Rows, family: ExponentialFamily, layout: Layout, inputs: Inputs, penalty: ElasticNet
) -> Objective:
    scaled = scaled_rows(rows, inputs)
    return Objective(scaled, family, Network(layout, get_activation("identity")), penalty)


def _fit_of_sample(objective: Objective, start: Array) -> Array:
    """Return a rough fit of the sample, or ``start`` if it has none: separated, say."""
    found = Newton(tol=_NEAR, max_iter=_SAMPLE_STEPS).solve(objective, start)
    return found.w if found.converged else start


def _is_foldable(inputs: Inputs, n: int, rcond: float) -> bool:
    """Tell whether sums over X as given keep the digits that sums over Z would.

    The mean of a column cancels in its score: the rounding of sums of n rows, in standard
    errors, grows with |center| / scale, and with the condition of F.
    """
    size = 1.0 + float(np.max(np.abs(inputs.center) / inputs.scale, initial=0.0))
    return bool(_EPS * size * np.sqrt(n / rcond) <= _NOISE)
