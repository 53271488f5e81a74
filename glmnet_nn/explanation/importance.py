"""How much each column of X matters, by its local coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from families import Array
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.explanation.coefficients import Explained, explained


def local_importance(
    estimator: BaseDeepGLM,
    X: Any,
    *,
    of: str = "local_coef",
    sample_weight: ArrayLike | None = None,
    standardize: bool = True,
    control: str | None = None,
    alpha: float = 0.01,
) -> pd.DataFrame:
    """Return the mean absolute local coefficient of each column, largest first.

        VI_j = sum_i w_i |beta_j(x_i)| / sum_i w_i

    Of a GLM it is |coef_j|. What a network adds is the spread of beta_j over the rows.

    Parameters
    ----------
    estimator : DeepGLMRegressor or DeepGLMClassifier
    X : array-like of shape (n, p)
    of : {"local_coef", "regression_attention"}, default="local_coef"
        beta: d eta / d x, of any model; or the attentions of architecture="local", for which
        the measure was proposed.
    sample_weight : array-like of shape (n,), optional
        Exposures, say; rows of weight 0 do not count.
    standardize : bool, default=True
        Whether beta_j is per standard deviation of x_j, so that columns can be compared.
    control : str, optional
        A column known to mean nothing: random numbers that the model was fitted with. The
        table then has ``inside``, the share of rows with |beta_j| at most z times the root
        mean square of beta of the control, z the 1 - alpha / 2 quantile of the normal law.
        A column inside in a share of 1 - alpha of the rows, or more, is not told from noise.
    alpha : float, default=0.01

    Returns
    -------
    DataFrame
        By column (of several outputs by output and column): ``importance``, ``share`` of
        their sum, ``mean`` and ``std`` of beta_j over the rows.

    References
    ----------
    Richman and Wüthrich (2023), "LocalGLMnet: interpretable deep learning for tabular data",
    Scandinavian Actuarial Journal 2023(1), sections 3.2 and 3.4.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> glm = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, X @ [1.0, -3.0])
    >>> local_importance(glm, X, standardize=False)["importance"].round(9).to_dict()
    {'x1': 3.0, 'x0': 1.0}
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number in (0, 1), but got {alpha!r}.")
    model = explained(estimator, X, of, sample_weight, standardize)
    beta, shares = model.coefficients, model.shares
    mean = np.einsum("n,nkp->kp", shares, beta)
    importance = np.einsum("n,nkp->kp", shares, np.abs(beta))
    variance = np.einsum("n,nkp->kp", shares, np.square(beta - mean))
    total = importance.sum(axis=1, keepdims=True)
    columns = {
        "importance": importance,
        "share": importance / np.where(total > 0, total, 1.0),
        "mean": mean,
        "std": np.sqrt(variance),
    }
    if control is not None:
        columns["inside"] = _inside(model, control, alpha)
    tables = [
        pd.DataFrame(
            {name: values[k] for name, values in columns.items()},
            index=pd.Index(model.names, name="column"),
        ).sort_values("importance", ascending=False, kind="stable")
        for k in range(len(importance))
    ]
    table = tables[0]
    if model.outputs is not None:
        table = pd.concat(dict(zip(model.outputs, tables, strict=True)), names=["output"])
    table.attrs |= {"of": of, "control": control}
    return table


def _inside(model: Explained, control: str, alpha: float) -> Array:
    """Return the share of rows in which beta_j is no larger than noise, (K, p)."""
    beta = np.abs(model.coefficients)
    of_control = beta[:, :, model.place(control)]
    size = np.sqrt(model.shares @ np.square(of_control))
    band = float(special.ndtri(1.0 - alpha / 2)) * size
    return np.einsum("n,nkp->kp", model.shares, beta <= band[:, None])
