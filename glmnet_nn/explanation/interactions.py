"""How local coefficients vary: curvature and interactions."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.explanation.coefficients import explained
from glmnet_nn.explanation.smoothing import local_lines, quantiles


def local_interactions(
    estimator: BaseDeepGLM,
    X: Any,
    *,
    of: str = "local_coef",
    sample_weight: ArrayLike | None = None,
    standardize: bool = True,
    output: Any = None,
) -> pd.DataFrame:
    """Return the mean absolute slope of each local coefficient in each column.

        S_jk = sum_i w_i |d beta_j(x_i) / d x_k| / sum_i w_i

    Of ``local_coef`` it is the mean absolute second derivative of eta, symmetric: off the
    diagonal 0 means that x_j and x_k do not interact, on it that x_j is linear. A GLM
    has zeros. (The second derivatives of relu networks are 0 where they exist.)

    Parameters
    ----------
    estimator, X, of, sample_weight
        As in :func:`local_importance`.
    standardize : bool, default=True
        Whether slopes are per standard deviation of x_j and of x_k.
    output : optional
        Which of several outputs (classes, columns of y), by its name.

    Returns
    -------
    DataFrame
        Rows j, columns k, in the order of X.

    References
    ----------
    Friedman and Popescu (2008), "Predictive learning via rule ensembles", section 8.1, for
    the second derivative as the measure of interaction; Richman and Wüthrich (2023),
    Scandinavian Actuarial Journal 2023(1), section 3.5.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> glm = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, X @ [1.0, -3.0])
    >>> print(local_interactions(glm, X).to_numpy())
    [[0. 0.]
     [0. 0.]]
    """
    model = explained(estimator, X, of, sample_weight, standardize)
    k = model.output(output)
    strengths = [model.shares @ np.abs(model.slopes(j)[:, k]) for j in range(len(model.names))]
    names = pd.Index(model.names)
    table = pd.DataFrame(np.array(strengths), index=names, columns=names)
    table.attrs["of"] = of
    return table


def interaction_profile(
    estimator: BaseDeepGLM,
    X: Any,
    column: str,
    *,
    of: str = "local_coef",
    sample_weight: ArrayLike | None = None,
    standardize: bool = True,
    output: Any = None,
    span: float = 0.3,
    n_points: int = 50,
) -> pd.DataFrame:
    """Return the slopes of one local coefficient, averaged smoothly along its column.

    The local regression of d beta_j / d x_k on x_j, for every k. A curve at 0 says that x_j
    and x_k do not interact there, that of k = j that x_j enters linearly.

    Parameters
    ----------
    estimator, X, of, sample_weight, standardize, output
        As in :func:`local_interactions`.
    column : str
        The column j.
    span : float, default=0.3
        Share of the weight in each neighbourhood, in (0, 1].
    n_points : int, default=50
        Points, at the values of x_j in the middle of as many equal shares of the weight.

    Returns
    -------
    DataFrame
        Index: values of x_j; a column for each k.
    """
    model = explained(estimator, X, of, sample_weight, standardize)
    check_curve(span, n_points)
    j, k = model.place(column), model.output(output)
    x = model.X[:, j]
    points = quantiles(x, model.shares, n_points)
    curves = local_lines(x, model.slopes(j)[:, k], model.shares, points, span)
    table = pd.DataFrame(curves, index=pd.Index(points, name=column), columns=model.names)
    table.attrs["of"] = of
    return table


def local_profile(
    estimator: BaseDeepGLM,
    X: Any,
    column: str,
    by: str | None = None,
    *,
    of: str = "local_coef",
    sample_weight: ArrayLike | None = None,
    standardize: bool = False,
    output: Any = None,
) -> pd.DataFrame:
    """Return the local coefficient of a column row by row, beside the column and another.

    Parameters
    ----------
    estimator, X, of, sample_weight, output
        As in :func:`local_interactions`.
    column : str
        The column j.
    by : str, optional
        The column beside it; by default the one that beta_j varies most with, x_j apart
        (the largest mean absolute slope per standard deviation).
    standardize : bool, default=False
        Whether beta_j is per standard deviation of x_j, or per unit.

    Returns
    -------
    DataFrame
        One row for each row of positive weight: ``x`` and ``by``, values of the two columns
        (whose names are in ``attrs``), ``coef`` and ``weight``, the share of the row.
    """
    model = explained(estimator, X, of, sample_weight, standardize)
    j, k = model.place(column), model.output(output)
    if by is None:
        scaled = explained(estimator, X, of, sample_weight, True)
        strength = scaled.shares @ np.abs(scaled.slopes(j)[:, k])
        strength[j] = -1.0 if len(strength) > 1 else 0.0
        other = int(np.argmax(strength))
    else:
        other = model.place(by)
    columns = {
        "x": model.X[:, j],
        "by": model.X[:, other],
        "coef": model.coefficients[:, k, j],
        "weight": model.shares,
    }
    table = pd.DataFrame(columns, index=model.index)
    table.attrs |= {"x": column, "by": model.names[other], "of": of}
    return table


def check_curve(span: float, n_points: int) -> None:
    """Raise unless 0 < span <= 1 and n_points is an integer >= 2."""
    if not (isinstance(span, Real) and 0 < span <= 1):
        raise ValueError(f"span must be a number in (0, 1], but got {span!r}.")
    if isinstance(n_points, bool) or not (isinstance(n_points, Integral) and n_points >= 2):
        raise ValueError(f"n_points must be an integer >= 2, but got {n_points!r}.")
