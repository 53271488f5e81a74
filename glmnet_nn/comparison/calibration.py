"""Do predictions add up, and are they spread as they should?"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from families import Array, ExponentialFamily
from glmnet_nn.training.data import Rows
from glmnet_nn.training.solvers import Newton
from glmnet_nn.training.start import linear_objective


def balance(y: Array, mu: Array, weight: Array) -> float:
    """Return sum w mu / sum w y: 1 if the predictions add up; of several classes always 1."""
    return float((weight @ mu).sum() / (weight @ y).sum())


def calibration_slope(
    family: ExponentialFamily, y: Array, mu: Array, weight: Array, known: Array | None = None
) -> float:
    """Return b of the GLM  eta_i = known_i + a + b (g(mu_i) - known_i).

    1 if the predictions are spread as they should; below 1 if they are spread too far,
    as those of a model that fits noise. Of several classes it is the b that minimises
    the deviance of softmax(b log mu), an inverse temperature. NaN where the means do
    not vary, or some have no linear predictor.

    Source: Cox (1958), "Two further applications of a model for binary regression",
    Biometrika 45; Guo et al. (2017), "On calibration of modern neural networks", ICML.
    """
    with np.errstate(all="ignore"):
        eta = np.log(mu) if family.event_ndim else family.link_of(mu)
    if not np.all(np.isfinite(eta)) or not family.is_feasible(eta):
        return np.nan
    if family.event_ndim:
        return _inverse_temperature(family, y, eta, weight)
    free = eta if known is None else eta - known
    K = y.shape[1]
    if np.ptp(free) <= 1e-12 * np.abs(free).max(initial=0.0):
        return np.nan
    rows = Rows(
        free.reshape(-1, 1),
        y.reshape(-1, 1),
        np.repeat(weight, K),
        None if known is None else np.broadcast_to(known, y.shape).reshape(-1, 1),
    )
    as_predicted = np.array([1.0, 0.0])
    solution = Newton().solve(linear_objective(rows, family, fit_intercept=True), as_predicted)
    return float(solution.w[0]) if solution.converged else np.nan


def _inverse_temperature(family: ExponentialFamily, y: Array, eta: Array, weight: Array) -> float:
    found = optimize.minimize_scalar(
        lambda b: float(weight @ family.loss(y, b * eta)) / float(weight.sum()),
        bounds=(0.0, 100.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)
