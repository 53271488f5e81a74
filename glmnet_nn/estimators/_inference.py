"""From a fitted estimator and data to the results of inference."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import linalg
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from families import Array, ExponentialFamily
from glmnet_nn.estimators._door import Door
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference import Coefficients, Fitted, GLMResults, InferenceOptions
from glmnet_nn.inference.covariance import covariance, information_root
from glmnet_nn.inference.flags import MOST_DECREMENT
from glmnet_nn.inference.hypotheses import ratio
from glmnet_nn.inference.margins import LinearPredictor, Population
from glmnet_nn.inference.weights import weighting
from glmnet_nn.network import Layout
from glmnet_nn.training.data import Rows, scaled_rows
from glmnet_nn.training.estimability import estimable
from glmnet_nn.training.inputs import Inputs, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.start import linear_objective

_ROUNDING = 1e-12  # of a mean: smaller residuals are noise


def glm_results(
    estimator: BaseEstimator, rows: Rows, index: pd.Index, options: InferenceOptions
) -> GLMResults:
    """Return the results of a depth-zero fit at these rows (X as given).

    Warns
    -----
    ConvergenceWarning
        The fit did not converge.
    InferenceWarning
        These are not the rows of the fit, or it reproduces y exactly.
    """
    family, inputs = estimator.family_, estimator._inputs
    weights = weighting(rows.weight, options.weight_type, rows.trials)
    given = float(rows.weight.sum())
    rows = Rows(rows.X, rows.y, weights.total, rows.offset)
    scaled = scaled_rows(rows, inputs)
    objective = linear_objective(scaled, family, estimator.fit_intercept)
    w = unfolded(objective.network.layout, inputs, estimator._weights)
    free = estimator._free_directions
    _require_optimum(estimator, objective, w)
    fitted = Fitted(objective, w, information_root(objective, w, free), weights)
    n_flat = len(objective.flat_directions())
    n_parameters = w.size - n_flat - free.shape[1]
    chi2 = float(weights.total @ np.square(fitted.pearson).sum(axis=1))
    deviance = 2 * objective.mean_loss(w) * objective.total_weight
    nobs, K = weights.nobs, objective.network.layout.sizes[-1]
    scale = dispersion(options.dispersion, family, chi2, deviance, nobs - n_parameters)
    _warn_of_other_rows(estimator, fitted, scale, given)
    return GLMResults(
        coefficients=_coefficients(estimator, fitted, free),
        fitted=fitted,
        V=covariance(fitted, scale, n_parameters, options),
        population=_population(rows, weights.shares),
        predictor=_predictor(estimator),
        index=index,
        options=options,
        deviance=deviance,
        pearson_chi2=chi2,
        scale=scale,
        nobs=nobs,
        n_parameters=n_parameters,
        df_model=n_parameters - estimator.fit_intercept * (K - bool(n_flat)),
        df_resid=nobs - n_parameters,
        df_inference=_df_inference(options, nobs - n_parameters),
        title=f"{type(family).__name__} GLM with {family.link_name} link",
        inputs=inputs,
        free=free,
        door=Door.of(estimator),
        bias_reduced=estimator.bias_reduction,
        n_law_parameters=int(estimator.law_estimate_ is not None),
    )


def _require_optimum(estimator: BaseEstimator, objective: Objective, w: Array) -> None:
    """Warn if the fit did not converge; raise if it has left the domain of means."""
    if not np.isfinite(objective.mean_loss(w)):
        raise ValueError(
            f"inference() needs means that {type(objective.family).__name__} can have at every "
            f"row, but the fit with link {objective.family.link_name!r} has others or X and y are "
            "not those of the fit. Use another link."
        )
    if not estimator.converged_:
        warnings.warn(
            "The fit did not converge: standard errors, tests and intervals are those of the "
            "point that was reached, not of the maximum likelihood estimate. Raise max_iter, or "
            "change link or solver, before using them.",
            ConvergenceWarning,
            stacklevel=5,
        )


def _warn_of_other_rows(
    estimator: BaseEstimator, fitted: Fitted, scale: float, total_weight: float
) -> None:
    """Warn if the fit leaves no residuals, or is not the optimum at these rows.

    The score at them, of Firth's estimates adjusted at ``total_weight``, is measured in
    standard errors, as :func:`glmnet_nn.inference.flags.find_flags` measures that of a
    network.
    """
    family, objective, w = fitted.family, fitted.objective, fitted.w
    phi = scale if family.has_dispersion else 1.0
    if family.has_dispersion and phi <= _rounding_of(fitted) < np.inf:
        warnings.warn(
            "The fit reproduces y exactly, but for rounding: the dispersion is 0, and standard "
            "errors and tests mean nothing.",
            InferenceWarning,
            stacklevel=5,
        )
        return
    if not estimator.converged_:
        return  # as was said
    gradient = objective.smooth_value_and_gradient(w)[1]
    score = -objective.total_weight * (fitted.root.T @ gradient)
    if estimator.bias_reduction:
        score += objective.total_weight / total_weight * fitted.bias_adjustment()
    decrement = float(score @ score) / phi
    if decrement > MOST_DECREMENT:
        warnings.warn(
            "These do not seem to be the data of the fit: at the maximum of their likelihood the "
            f"score is 0, but the decrement g' F^-1 g is {decrement:.3g}, above "
            f"{MOST_DECREMENT:g}. Give inference() the rows, y, sample_weight, offset and exposure "
            "that fit() had. If you did, the fit stopped early (lower tol, or use solver='auto'), "
            "or balance has moved it (set balance=None).",
            InferenceWarning,
            stacklevel=5,
        )


def _rounding_of(fitted: Fitted) -> float:
    """Return the dispersion that residuals of 1e-12 of the means would give."""
    mu, total = fitted.family.mean(fitted.eta), fitted.weights.total
    unit = np.square(ratio(_ROUNDING * mu, np.sqrt(fitted.family.variance(mu))))
    return float(np.nansum(total @ unit)) / fitted.total_weight


def dispersion(
    choice: str | float | None,
    family: ExponentialFamily,
    chi2: float,
    deviance: float,
    df_resid: float,
) -> float:
    """Return phi: as given, estimated, or 1 for a law without a dispersion."""
    if choice is None and not family.has_dispersion:
        return 1.0
    if choice is not None and not isinstance(choice, str):
        return float(choice)
    total = deviance if choice == "deviance" else chi2
    return total / df_resid if df_resid > 0 else np.nan


def _df_inference(options: InferenceOptions, df_resid: float) -> float:
    """Return the degrees of freedom of t and F: of clusters their number less 1."""
    if options.groups is None:
        return df_resid
    labels = np.asarray(options.groups)
    columns = labels.reshape(len(labels), -1).T
    return float(min(len(pd.unique(column)) for column in columns) - 1)


def _coefficients(estimator: BaseEstimator, fitted: Fitted, free: Array) -> Coefficients:
    family, inputs = fitted.family, estimator._inputs
    layout = fitted.objective.network.layout
    T = coefficient_map(layout, inputs)
    determined = estimator.estimable_coef_
    outputs = None
    if family.event_ndim:  # differences from the first class
        by_class = T.reshape(layout.sizes[-1], -1, fitted.w.size)
        T = (by_class[1:] - by_class[0]).reshape(-1, fitted.w.size)
        determined = estimable(*_differences(layout, free, inputs))
        outputs = estimator._output_names()[1:]
    determined = np.roll(determined, 1, axis=1)[:, 1 - estimator.fit_intercept :].ravel()
    undetermined = T @ free
    if inputs.basis is not None:  # the null space of X, for each output
        null = linalg.null_space(inputs.basis.T) / inputs.scale[:, None]
        one = np.vstack([-inputs.center @ null, null])[1 - estimator.fit_intercept :]
        undetermined = np.hstack([undetermined, np.kron(np.eye(len(T) // len(one)), one)])
    return Coefficients(
        values=T @ fitted.w,
        names=["Intercept"] * estimator.fit_intercept + estimator.feature_names_,
        outputs=outputs,
        from_u=T @ fitted.root,
        determined=determined,
        undetermined=undetermined,
    )


def _population(rows: Rows, shares: Array) -> Population:
    offset = np.zeros((len(rows), 1)) if rows.offset is None else rows.offset
    return Population(rows.X, offset, shares)


def _predictor(estimator: BaseEstimator) -> LinearPredictor:
    """Return eta for X as given; of Multinoulli with the first class at 0."""
    W, b = estimator.coefs_[0].T, estimator.intercepts_[0]
    outputs = list(range(len(W)))
    if estimator.family_.event_ndim:
        W, b, outputs = W - W[0], b - b[0], outputs[1:]
    return LinearPredictor(
        family=estimator.family_,
        slopes=W,
        intercept=b,
        outputs=outputs,
        has_intercept=estimator.fit_intercept,
        names=estimator.feature_names_,
        output_names=estimator._output_names(),
        level_steps=estimator._level_steps,
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
