"""Murphy's decomposition of the mean deviance: miscalibration, discrimination, uncertainty."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_consistent_length

from families import Array, ExponentialFamily
from glmnet_nn.comparison.means import unit_deviances
from glmnet_nn.estimators import DeepGLMRegressor
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.exceptions import RankWarning, SeparationWarning
from glmnet_nn.validation.calibration import isotonic
from glmnet_nn.validation.observations import Predictions, known_law, observations


def murphy_decomposition(
    y: ArrayLike,
    mu: Predictions,
    family: str | ExponentialFamily,
    *,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the parts of the mean unit deviance S = MCB - DSC + UNC.

        S(m) = sum w d(y, m) / sum w,    MCB = S(mu) - S(mu'),
        DSC = S(mean) - S(mu'),          UNC = S(mean),

    with ``mean`` the weighted mean of y and mu' the recalibrated predictions: their isotonic
    regression or, of several classes, where there is no order, the GLM of y on their log-odds,
    log mu_k / mu_1. Both
    contain mu itself and the mean as special cases, so that MCB and DSC are >= 0: what
    recalibration would gain, and what recalibrated predictions say beyond their mean. A good
    model has a small MCB and a large DSC.

    Parameters
    ----------
    y : array-like of shape (n,), or (n, K) for Multinoulli
        With ``exposure`` the count, not the rate.
    mu : array-like of the shape of y, or dict (of scalar laws also DataFrame) of several models
        Predicted means on the scale of y.
    family : str or ExponentialFamily
        The law whose deviance counts; its link does not matter.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: deviances are those of rates y / e and mu / e, with weights e. Of the Poisson law
        their sum is the deviance of the counts, sum d(y, mu); of other laws it is that of rates
        whose dispersion is phi / e.

    Returns
    -------
    DataFrame
        One row a model: ``miscalibration``, ``discrimination``, ``uncertainty``, ``score`` (S) and
        ``d2`` = 1 - S / UNC = (DSC - MCB) / UNC, NaN of constant y. S and MCB are infinite
        where the law does not have such a mean.

    References
    ----------
    Murphy (1973), "A new vector partition of the probability score", Journal of Applied
    Meteorology 12. Dimitriadis, Gneiting and Jordan (2021), PNAS 118 (isotonic). Gneiting and
    Resin (2023), "Regression diagnostics meets forecast evaluation", Electronic Journal of
    Statistics 17. Van Hoorde et al. (2014), "Assessing calibration of multinomial risk prediction
    models", Statistics in Medicine 33 (logistic recalibration of classes).

    Examples
    --------
    >>> table = murphy_decomposition([0, 0, 1, 1], [-1.0, 1.0, 1.0, 2.0], "normal")
    >>> print(table.to_string(index_names=False))
           miscalibration  discrimination  uncertainty  score   d2
    model           0.625           0.125         0.25   0.75 -2.0
    """
    law = known_law(family)
    if law.event_ndim:
        rows = _of_classes(law, y, mu, sample_weight, exposure)
    else:
        seen = observations(y, mu, sample_weight, exposure)
        law.check_response(seen.y)
        target, weight = seen.y[:, None], seen.weight
        rows = {
            name: _parts(law, target, values[:, None], isotonic(seen, values)[:, None], weight)
            for name, values in seen.means.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="model")


def _parts(
    law: ExponentialFamily, y: Array, mu: Array, recalibrated: Array, weight: Array
) -> dict[str, float]:
    """Return the parts from means (n, K)."""

    def score(means: Array) -> float:
        return float(np.average(unit_deviances(law, y, means), weights=weight))

    total, best = score(mu), score(recalibrated)
    mean = np.average(y, axis=0, weights=weight)
    uncertainty = score(np.broadcast_to(mean, y.shape))
    return {
        "miscalibration": total - best,
        "discrimination": uncertainty - best,
        "uncertainty": uncertainty,
        "score": total,
        "d2": 1.0 - total / uncertainty if np.ptp(y, axis=0).any() else np.nan,
    }


def _of_classes(
    law: ExponentialFamily,
    y: ArrayLike,
    mu: Any,
    sample_weight: ArrayLike | None,
    exposure: ArrayLike | None,
) -> dict[str, dict[str, float]]:
    """Return the parts of each model, y and mu being rows of probabilities."""
    if exposure is not None:
        raise ValueError(
            f"{type(law).__name__} has no rates, and so no exposure. Pass sample_weight."
        )
    if np.ndim(y) != 2:
        raise ValueError(
            f"{type(law).__name__} needs y of shape (n, K), indicators or shares of the classes, "
            f"but its shape is {np.shape(y)}. Pass y[:, None] == classes."
        )
    named = mu if isinstance(mu, Mapping) else {"model": mu}
    check_consistent_length(y, *named.values(), sample_weight)
    target = check_array(y, dtype=np.float64, input_name="y")
    weight = check_weight(sample_weight, target)
    present = weight > 0
    target, weight = target[present], weight[present]
    law.check_response(target)
    rows = {}
    for name, values in named.items():
        means = check_array(values, dtype=np.float64, input_name=f"mu of {name!r}")[present]
        inside = law.mean_domain.contains(means) & (means > 0).all(axis=1)
        if means.shape != target.shape or not np.all(inside):
            raise ValueError(
                f"mu of {name!r} must hold {target.shape[1]} probabilities > 0 a row, which sum to "
                f"1, but its shape is {means.shape}, and {int(np.sum(~inside))} rows do not. Pass "
                "predict_proba(X), with the columns of y."
            )
        rows[str(name)] = _parts(law, target, means, _linear(law, target, means, weight), weight)
    return rows


def _linear(law: ExponentialFamily, y: Array, mu: Array, weight: Array) -> Array:
    """Return the means of the GLM of y on log mu_k / mu_1, which mu itself is a case of.

    They are what counts: dependent columns or infinite coefficients do not matter to them.
    """
    X = np.log(mu[:, 1:]) - np.log(mu[:, :1])
    glm = DeepGLMRegressor(law, hidden_layer_sizes=(), alpha=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        warnings.simplefilter("ignore", SeparationWarning)
        glm.fit(X, y, sample_weight=weight)
    return np.asarray(glm.predict(X))
