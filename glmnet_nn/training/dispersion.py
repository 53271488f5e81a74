"""The dispersion as a second response: the score of log phi in the form of a Gamma model.

Of one observation, with unit deviance d and leverage h, the score of log phi is

    s = [ d / phi - (c - h) ] / 2,   c = family.saturated_slopes(y, phi)[0],

exactly with that c, by the saddlepoint approximation with c = 1. h = 0 is maximum
likelihood; with the leverage of the mean model it is the score of the likelihood adjusted
for the estimated means (Cox and Reid 1987), for the Normal law with linear means that of
residual maximum likelihood. A Gamma model with log link of the working response R with
weight I has the score I (R / phi - 1). So that this is s at the present phi,

    R = phi (1 + s / I),

for any I > 0; R >= 0 if 2 I >= c - h. With I near the information of log phi, fitting R
is a step of Fisher scoring, in as many parameters as the model of phi has. Of the Normal
law, R = d / (1 - h) and I = (1 - h) / 2.

Sources: Smyth (1989), "Generalized linear models with varying dispersion", J. R. Statist.
Soc. B 51; Smyth and Verbyla (1999), "Adjusted likelihood methods for modelling dispersion
in generalized linear models", Environmetrics 10.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from families import Array, ExponentialFamily
from glmnet_nn.training.objective import Objective

_LEAST_INFORMATION = 0.05  # a tenth of the usual 1/2: of any size the fixed point is the same
_RANK_RCOND = 1e-12


def slopes(
    family: ExponentialFamily, y: Array, phi: Array, saddlepoint: bool
) -> tuple[Array, Array]:
    """Return c and d c / d log phi of each observation; 1 and 0 by the saddlepoint."""
    if saddlepoint:
        return np.ones_like(phi), np.zeros_like(phi)
    return family.saturated_slopes(y, phi)


def working_dispersion(
    family: ExponentialFamily,
    y: Array,
    deviance: Array,
    phi: Array,
    leverage: Array | float = 0.0,
    saddlepoint: bool = False,
) -> tuple[Array, Array]:
    """Return the working response R and its weight I, in the shape of y.

    Examples
    --------
    Of the Normal law it is the squared residual, whatever phi is:

    >>> from families import Normal
    >>> y, phi = np.array([1.0, 2.0]), np.array([3.0, 0.5])
    >>> working_dispersion(Normal(), y, np.array([4.0, 9.0]), phi)
    (array([4., 9.]), array([0.5, 0.5]))
    """
    c, curvature = slopes(family, y, phi, saddlepoint)
    expected = c - leverage  # of d / phi
    twice = np.maximum(expected + np.maximum(curvature, 0.0), 2.0 * _LEAST_INFORMATION)
    return (phi * (twice - expected) + deviance) / twice, 0.5 * twice


def leverages(objective: Objective, w: Array) -> Array:
    """Return the leverage of each row, (n,): A_i F^-1 A_i', A_i'A_i its share of F.

    F is the Fisher information with the ridge of the penalty, so that the sum over rows
    is the number of parameters or, if they are penalised, the effective number of them.
    """
    F = objective.information(w)
    scale = np.sqrt(np.maximum(np.diagonal(F), np.finfo(float).tiny))
    values, vectors = linalg.eigh(F / scale / scale[:, None])
    sound = values > _RANK_RCOND * values.max(initial=0.0)
    root = vectors[:, sound] / np.sqrt(values[sound]) / scale[:, None]
    blocks = [np.square(A @ root).sum(axis=1) for A, _ in objective.scoring_blocks(w)]
    of_rows = np.concatenate(blocks)[: objective.rows.y.size]  # those of the ridge come last
    return np.minimum(of_rows.reshape(objective.rows.y.shape).sum(axis=1), 1.0)
