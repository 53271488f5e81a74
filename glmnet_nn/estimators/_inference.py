"""From a fitted estimator and data to the results of inference."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.inference import Estimate, GLMResults, covariance, root_of
from glmnet_nn.network import Layout
from glmnet_nn.training.data import Rows
from glmnet_nn.training.estimability import estimable
from glmnet_nn.training.inputs import Inputs, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.start import linear_objective, null_model


def glm_results(estimator: BaseEstimator, rows: Rows) -> GLMResults:
    """Return the results of a depth-zero fit at these rows (X as given)."""
    family, inputs = estimator.family_, estimator._inputs
    scaled = Rows(inputs.transform(rows.X), rows.y, rows.weight, rows.offset)
    objective = linear_objective(scaled, family, estimator.fit_intercept)
    layout = objective.network.layout
    w = unfolded(layout, inputs, estimator._weights)
    T = coefficient_map(layout, inputs)
    K = layout.sizes[-1]
    free = estimator._free_directions
    determined = estimator.estimable_coef_
    names = ["Intercept"] * estimator.fit_intercept + estimator._column_names()
    index = pd.Index(names)
    if family.event_ndim:  # differences from the first class
        T = (T.reshape(K, -1, w.size)[1:] - T.reshape(K, -1, w.size)[0]).reshape(-1, w.size)
        determined = estimable(*_differences(layout, free, inputs))
        index = pd.MultiIndex.from_product([estimator._output_names()[1:], names])
    n_flat = len(objective.flat_directions())
    determined = np.roll(determined, 1, axis=1)[:, 1 - estimator.fit_intercept :].ravel()
    n_parameters = w.size - n_flat - free.shape[1]
    _, eta = objective.linear_predictor(w, scaled)
    chi2 = float(rows.weight @ np.square(family.pearson(rows.y, eta)).sum(axis=1))
    nobs = objective.total_weight
    df_resid = nobs - n_parameters
    scale = 1.0
    if family.has_dispersion:
        scale = chi2 / df_resid if df_resid > 0 else np.nan
    cov_w = scale * covariance(objective, w, free)
    cov = T @ cov_w @ T.T
    cov[~determined] = np.nan
    cov[:, ~determined] = np.nan
    mean_loss, null_loss = objective.mean_loss(w), null_model(rows, family)[1]
    return GLMResults(
        params=pd.Series(T @ w, index=index),
        covariance=cov,
        llf=_log_likelihood(objective, mean_loss, scale),
        llnull=_log_likelihood(objective, null_loss, scale),
        deviance=2 * nobs * mean_loss,
        null_deviance=2 * nobs * null_loss,
        pearson_chi2=chi2,
        scale=scale,
        nobs=nobs,
        n_parameters=n_parameters,
        df_model=n_parameters - estimator.fit_intercept * (K - bool(n_flat)),
        df_resid=df_resid,
        title=f"{type(family).__name__} GLM with {family.link_name} link",
        estimate=Estimate(family, scale, objective.network, inputs, w, root_of(cov_w), free),
    )


def _differences(layout: Layout, free: Array, inputs: Inputs) -> tuple[Layout, Inputs, Array]:
    """Return the layout, and the free directions, of differences from the first output.

    A difference may be determined where neither of its terms is.
    """
    sizes = (*layout.sizes[:-1], layout.sizes[-1] - 1)
    against_first = Layout(sizes, layout.fit_intercept)
    directions = np.zeros((against_first.size, free.shape[1]))
    for column, direction in zip(directions.T, free.T, strict=True):
        (W, b), (W_all, b_all) = against_first.layers(column)[-1], layout.layers(direction)[-1]
        W[:] = W_all[1:] - W_all[0]
        if b is not None and b_all is not None:
            b[:] = b_all[1:] - b_all[0]
    return against_first, inputs, directions


def coefficient_map(layout: Layout, inputs: Inputs) -> Array:
    """Return T, (K (p + 1), size): T w are the coefficients of X, the intercept first."""
    K, r, has_intercept = layout.sizes[-1], inputs.rank, layout.fit_intercept
    slopes, shifts = inputs.fold(np.eye(r), np.zeros(r))
    one = slopes.T  # (p, r)
    if has_intercept and shifts is not None:
        one = np.block([[shifts[None, :], np.ones((1, 1))], [one, np.zeros((len(one), 1))]])
    T = np.zeros((K, len(one), layout.size))
    W, b = layout.slices[-1]
    for k in range(K):
        T[k, :, W.start + k * r : W.start + (k + 1) * r] = one[:, :r]
        if has_intercept:
            T[k, :, b.start + k] = one[:, r]
    return T.reshape(-1, layout.size)


def _log_likelihood(objective: Objective, mean_loss: float, scale: float) -> float:
    """Return sum_i w_i log f(y_i), from the saturated value and the mean loss.

    phi is ``scale``, that of the fit, but of a location-scale law the maximum likelihood
    estimate: so does statsmodels, and of least squares it is the usual likelihood.
    """
    family, rows = objective.family, objective.rows
    phi = family.likelihood_dispersion(2 * mean_loss) if family.is_location_scale else scale
    saturated = family.log_saturated(rows.y, phi).reshape(len(rows), -1).sum(axis=1)
    return float(rows.weight @ saturated) - objective.total_weight * mean_loss / phi
