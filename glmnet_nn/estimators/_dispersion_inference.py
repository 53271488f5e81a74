"""From a fitted double GLM and data to the results of inference."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from glmnet_nn.estimators._alternation import Observations
from glmnet_nn.inference import DoubleGLMResults, GLMResults, PartResults
from glmnet_nn.inference.double_glm import dispersion_covariance
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
    options: dict[str, Any] = {"cov_type": cov_type, "use_t": use_t, "dispersion": 1.0}
    mean = estimator.mean_.inference(data.X, data.y, weights.total / phi, data.offset, **options)
    dispersion = estimator.dispersion_model_.inference(
        data.Z, response, data.members * information, data.dispersion_offset, **options
    )
    if cov_type == "nonrobust":
        c, curvature = slopes(family, data.y, phi / weights.precision, saddlepoint)
        own = 0.5 * (c + curvature)
        V = dispersion_covariance(mean.fitted, dispersion.fitted, data.members, own, residual)
        dispersion = replace(dispersion, V=V)
    llf = data.log_likelihood(family, eta, phi)
    return DoubleGLMResults(
        mean=_part(mean),
        dispersion=_part(dispersion),
        llf=llf,
        nobs=weights.nobs,
        method=estimator.method,
    )


def _part(results: GLMResults) -> PartResults:
    return PartResults(**{field.name: getattr(results, field.name) for field in fields(results)})
