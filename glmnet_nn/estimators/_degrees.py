"""Effective degrees of freedom of a penalised fit of any depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from families import Array
from glmnet_nn.estimators._columns import known_columns
from glmnet_nn.estimators._network_inference import objective_of_fit
from glmnet_nn.training.inputs import unfolded

_CUT = 1e-10  # of the largest eigenvalue: less is no direction of the data


def degrees_of_freedom(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> float:
    """Return tr[(F + P)^-1 F] at the fitted parameters, of those that are not held at 0.

    F is the Fisher information of these rows and P the ridge. Without a penalty it is the
    rank of F: without hidden layers the number of coefficients that the data determine. A
    parameter that an l1 penalty sets to 0 counts for nothing.

    Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning,
    section 7.6; for the l1 part Zou, Hastie and Tibshirani (2007), "On the degrees of freedom
    of the lasso".
    """
    X, offset, exposure = known_columns(estimator, X, offset, exposure)
    validated: Array = validate_data(estimator, X, reset=False, dtype=np.float64)
    rows = estimator._rows(validated, y, sample_weight, offset, exposure)
    objective = objective_of_fit(estimator, rows)
    w = unfolded(objective.network.layout, estimator._inputs, estimator._weights)
    ridge = objective.penalty.l2
    F = objective.information(w)
    held = np.zeros(len(w), dtype=bool)
    if objective.penalty.has_l1:  # intercepts, and beta, may be 0 by themselves
        penalised = objective.penalty.prox(np.full(len(w), 1e-300), 1.0) == 0
        held = penalised & (w == 0)
    return _trace(F[np.ix_(~held, ~held)], ridge[~held])


def _trace(F: Array, ridge: Array) -> float:
    """Return tr[F^+ (F - diag(ridge))], F with the ridge in it."""
    size = np.sqrt(np.maximum(np.diagonal(F), np.finfo(float).tiny))
    values, vectors = linalg.eigh(F / np.outer(size, size))
    kept = values > _CUT * values.max(initial=0.0)
    shrunk = np.square(vectors[:, kept]) / values[kept]
    return float(kept.sum() - (ridge / np.square(size)) @ shrunk.sum(axis=1))
