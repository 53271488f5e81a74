"""From a fitted double GLM and data to the results of inference."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.estimators._alternation import Observations
from glmnet_nn.estimators._inference import glm_results
from glmnet_nn.estimators._tables import known_matrix
from glmnet_nn.estimators._validation import row_labels
from glmnet_nn.inference import DoubleGLMResults, GLMResults, InferenceOptions, PartResults
from glmnet_nn.inference.double_glm import dispersion_covariance
from glmnet_nn.training.data import Rows
from glmnet_nn.training.dispersion import slopes


def double_glm_results(
    estimator: BaseEstimator, data: Observations, cov_type: str, use_t: bool
) -> DoubleGLMResults:
    """Return the results of both models at the rows of the fit."""
    for name in ("mean_", "dispersion_model_"):
        if getattr(estimator, name)._network.depth:
            raise ValueError(
                f"inference() of a double GLM needs two models without hidden layers, but {name} "
                "has some. Set hidden_layer_sizes=(), or use predict_distribution()."
            )
    eta, phi = estimator._fitted(data)
    family, weights = estimator.family_, data.weights
    residual, saddlepoint = estimator.method == "reml", estimator.likelihood == "saddlepoint"
    leverage = data.leverages(estimator.mean_, phi) if residual else np.zeros(len(phi))
    response, information = data.working(family, eta, phi, leverage, saddlepoint, estimator._least)
    options = InferenceOptions(cov_type, use_t=use_t, dispersion=1.0)
    mean = glm_results(
        estimator.mean_,
        _rows(
            estimator.mean_, data.X, data.y, weights.copies, weights.precision / phi, data.offset
        ),
        row_labels(data.X, len(phi)),
        options,
    )
    dispersion = glm_results(
        estimator.dispersion_model_,
        _rows(
            estimator.dispersion_model_,
            data.Z,
            response,
            weights.copies,
            information,
            data.dispersion_offset,
        ),
        row_labels(data.Z, len(phi)),
        options,
    )
    if cov_type == "nonrobust":
        c, curvature = slopes(family, data.y, phi / weights.precision, saddlepoint)
        own = 0.5 * (c + curvature)
        V = dispersion_covariance(mean.fitted, dispersion.fitted, own, residual)
        dispersion = replace(dispersion, V=V)
    llf = data.log_likelihood(family, eta, phi)
    return DoubleGLMResults(
        mean=_part(mean),
        dispersion=_part(dispersion),
        llf=llf,
        nobs=weights.nobs,
        method=estimator.method,
    )


def _rows(
    model: Any, X: Any, y: Array, copies: Array, precision: Array, offset: Array | None
) -> Rows:
    """Return rows that are some copies of an observation of that precision."""
    known = None if offset is None else offset[:, None]
    numbers = known_matrix(model, X, dtype=np.float64)
    return Rows(numbers, y[:, None], copies * precision, known, precision)


def _part(results: GLMResults) -> PartResults:
    return PartResults(**{field.name: getattr(results, field.name) for field in fields(results)})
