"""From a fitted network and data to the results of inference."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.estimators._door import Door
from glmnet_nn.estimators._inference import dispersion
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference import Fitted, InferenceOptions, NetworkResults, ObservedInformation
from glmnet_nn.inference.flags import find_flags, in_words
from glmnet_nn.inference.weights import total_log_likelihood, weighting
from glmnet_nn.training.data import Rows, scaled_rows
from glmnet_nn.training.embedded import embedded
from glmnet_nn.training.inputs import unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.start import null_model


def network_results(
    estimator: BaseEstimator, rows: Rows, index: pd.Index, options: InferenceOptions
) -> NetworkResults:
    """Return the results of a fit with hidden layers at these rows (X as given).

    Warns
    -----
    InferenceWarning
        The standard errors cannot be trusted; why, and what to do.
    """
    if estimator.l1_ratio > 0 and any(estimator.alpha_):
        raise ValueError(
            f"inference() needs an objective with second derivatives, but l1_ratio="
            f"{estimator.l1_ratio} sets weights to 0. Use fit_for_inference() with l1_ratio=0."
        )
    if estimator.skip_connection == "fixed":
        raise ValueError(
            "inference() needs all parameters estimated together, but skip_connection='fixed' "
            "held beta. Set skip_connection=True, or take the inference of the GLM "
            "(hidden_layer_sizes=())."
        )
    if estimator._embeddings:
        raise ValueError(
            "inference() needs parameters that the data determine, but this network has embeddings "
            "(embedding_size), whose axes can be turned. Fit with embedding_size=None, or take the "
            "inference of a GLM of the factors (hidden_layer_sizes=())."
        )
    family, inputs = estimator.family_, estimator._inputs
    given = float(rows.weight.sum())
    weights = weighting(rows.weight, options.weight_type, rows.trials)
    rows = Rows(rows.X, rows.y, weights.total, rows.offset)
    objective, w = at_the_fit(estimator, rows)
    information = ObservedInformation.of(objective, w)
    fitted = Fitted(objective, w, information.root, weights)
    nobs, total = weights.nobs, objective.total_weight
    df_resid = nobs - information.effective_parameters
    chi2 = float(weights.total @ np.square(fitted.pearson).sum(axis=1))
    loss = objective.mean_loss(w) * total
    null_loss = null_model(rows, family)[1] * total
    scale = dispersion(options.dispersion, family, chi2, 2 * loss, df_resid)
    phi = scale if family.has_dispersion else 1.0
    precision = objective.penalty.l2 * given / phi if phi > 0 else np.zeros(w.size)
    flags = find_flags(information, phi, precision, estimator._search)
    if flags:
        warnings.warn(in_words(flags), InferenceWarning, stacklevel=4)
    return NetworkResults(
        fitted=fitted,
        information=information,
        inputs=inputs,
        options=options,
        flags=flags,
        llf=total_log_likelihood(family, rows.y, weights, loss, scale),
        llnull=total_log_likelihood(family, rows.y, weights, null_loss, scale),
        deviance=2 * loss,
        null_deviance=2 * null_loss,
        pearson_chi2=chi2,
        scale=scale,
        nobs=nobs,
        n_law_parameters=int(estimator.law_estimate_ is not None),
        has_intercept=estimator.fit_intercept,
        names=estimator.feature_names_,
        outputs=estimator._output_names() if family.event_ndim else None,
        level_steps=estimator._level_steps,
        index=index,
        door=Door.of(estimator),
    )


def at_the_fit(estimator: BaseEstimator, rows: Rows) -> tuple[Objective, Array]:
    """Return the objective of the fit, its penalty included, and the parameters that it ended at.

    Those of its standardised inputs, and of embeddings where there are any.
    """
    inputs = estimator._inputs
    network = estimator._network.on_inputs(inputs.rank, inputs.bounds)
    scaled = scaled_rows(Rows(rows.X, rows.y, rows.weight, rows.offset), inputs)
    penalises_raw = not network.depth and inputs.basis is None
    scale = inputs.scale if penalises_raw and estimator.standardize is not True else None
    penalty = elastic_net(
        network.layout,
        estimator.alpha_,
        estimator.l1_ratio,
        scale,
        group_inputs=estimator.group_lasso,
    )
    objective = Objective(scaled, estimator.family_, network, penalty)
    w = unfolded(network.layout, inputs, estimator._weights)
    if estimator._embeddings:
        objective = embedded(objective, estimator._embeddings)
    return objective, objective.network.layout.narrowed(w)
