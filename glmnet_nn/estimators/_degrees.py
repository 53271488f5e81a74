"""Effective degrees of freedom of a penalised fit of any depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.estimators._network_inference import at_the_fit
from glmnet_nn.training.penalties import ElasticNet, GroupElasticNet

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

    F is the Fisher information of these rows and P the second derivative of the penalty: the
    ridge, and for a group of weights strength (1 - u u') / |w|, u = w / |w|. Without a penalty
    it is the rank of F: without hidden layers the number of coefficients that the data
    determine. A parameter that an l1 penalty sets to 0 counts for nothing.

    With beta held at the GLM (skip_connection="fixed") the fit has two stages, and of hat
    matrices H of the GLM and S of the network around it tr[H + S (1 - H)] is returned.

    Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning,
    section 7.6; for the l1 part Zou, Hastie and Tibshirani (2007), "On the degrees of freedom
    of the lasso"; for groups Vaiter, Deledalle, Peyre, Fadili and Dossal (2012), "The degrees of
    freedom of the group lasso".
    """
    rows = estimator._given_rows(X, y, sample_weight, offset, exposure)
    objective, w = at_the_fit(estimator, rows)
    P = np.diag(objective.penalty.l2) + _of_groups(objective.penalty, w)
    F = objective.information(w) + _of_groups(objective.penalty, w)
    held = np.zeros(len(w), dtype=bool)
    if objective.penalty.has_l1:  # intercepts, and beta, may be 0 by themselves
        penalised = objective.penalty.prox(np.full(len(w), 1e-300), 1.0) == 0
        held = penalised & (w == 0)
    layout = objective.network.layout
    if not (layout.skip and estimator.skip_connection == "fixed"):
        return _trace(F, P, ~held)
    beta = layout.skipping(np.arange(len(w), dtype=float)).astype(int)
    network, glm = ~held, np.zeros(len(w), dtype=bool)
    network[beta] = False
    glm[beta] = glm[layout.slices[-1][1]] = True
    both = np.ix_(network, glm)
    C = F[both] - P[both]
    shared = np.sum((_inverse(F, network) @ C) * (C @ _inverse(F - P, glm)))
    return _trace(F - P, np.zeros_like(P), glm) + _trace(F, P, network) - float(shared)


def _of_groups(penalty: ElasticNet, w: Array) -> Array:
    """Return the second derivatives of sum_g strength_g |w_g|_2; 0 for groups at 0."""
    bend = np.zeros((len(w), len(w)))
    if isinstance(penalty, GroupElasticNet):
        for at, strength in zip(penalty.groups, penalty.strength, strict=True):
            length = np.linalg.norm(w[at])
            if length > 0:
                u = w[at] / length
                bend[np.ix_(at, at)] = strength / length * (np.eye(len(at)) - np.outer(u, u))
    return bend


def _trace(F: Array, P: Array, kept: NDArray[np.bool_]) -> float:
    """Return tr[F^+ (F - P)] over the parameters that are kept, F with P in it."""
    at = np.ix_(kept, kept)
    inverse = _inverse(F, kept)
    return float(np.sum(inverse * (F - P)[at]))


def _inverse(F: Array, kept: NDArray[np.bool_]) -> Array:
    """Return F^+ over the parameters that are kept, of one size each."""
    F = F[np.ix_(kept, kept)]
    size = np.sqrt(np.maximum(np.diagonal(F), np.finfo(float).tiny))
    units = np.outer(size, size)
    return np.asarray(linalg.pinvh(F / units, atol=0.0, rtol=_CUT) / units)
