"""The regularization path as a function, in scikit-learn's manner."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _get_feature_names, check_consistent_length, check_X_y

from families import Array, ExponentialFamily
from glmnet_nn.elastic_net import ElasticNetPath, PathData, PathOptions, Stopping, fitted_path
from glmnet_nn.estimators._choices import asked_law
from glmnet_nn.estimators._validation import (
    FLOATING,
    check_estimable,
    check_offset,
    check_weight,
    with_trials,
)
from glmnet_nn.tables import as_frame
from glmnet_nn.tables.columns import kind_of

SPARSE = ("csr", "csc")  # what X may be; another sparse format becomes the first


def elastic_net_path(
    X: Any,
    y: ArrayLike,
    *,
    family: str | ExponentialFamily = "normal",
    link: Any = "auto",
    l1_ratio: float = 1.0,
    alphas: ArrayLike | None = None,
    n_alphas: int = 100,
    eps: str | float = "auto",
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    standardize: bool = True,
    fit_intercept: bool = True,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> ElasticNetPath:
    r"""Fit generalized linear models with an elastic net along a path of penalties.

    At each alpha the minimum of

        F = sum_i w_i [A(theta_i) - theta_i . y_i + A*(y_i)] / sum_i w_i
            + alpha [ l1_ratio |beta|_1 + (1 - l1_ratio) / 2 |beta|_2^2 ]

    over coefficients beta and intercepts, that of :class:`DeepGLMRegressor` with
    ``hidden_layer_sizes=()``, of glmnet (its lambda) and of glum.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, p)
        Sparse X stays sparse: its columns are centred and scaled in the products.
    y : array-like of shape (n,), or (n, K)
        K columns for "multinoulli" (rows of probabilities), two for "binomial".
    family : str or ExponentialFamily, default="normal"
    link : str or Link, default="auto"
    l1_ratio : float, default=1.0
        1 is the lasso, 0 the ridge.
    alphas : array-like of shape (m,), optional
        >= 0; they are sorted to fall.
    n_alphas : int, default=100
        Without ``alphas``: as many, evenly spaced in their logarithms, from the least one at
        which all coefficients are 0 (of a ridge: at l1_ratio = 0.001).
    eps : "auto" or float, default="auto"
        Smallest over largest of them; "auto" is 1e-4 if n > p, else 1e-2.
    sample_weight : array-like of shape (n,), optional
    offset : array-like of shape (n,) or (n, K), optional
        Known part of the linear predictor.
    exposure : array-like of shape (n,), optional
        > 0, log link only: offset += log(exposure).
    standardize : bool, default=True
        Whether the penalty sees columns of variance 1. Coefficients are always for X as
        given.
    fit_intercept : bool, default=True
        Intercepts are never penalised.
    tol : float, default=1e-9
        How far F may stay above its minimum, over F of the null model.
    max_iter : int, default=100
        Newton steps for one alpha.

    Returns
    -------
    ElasticNetPath
        alphas, coefs, intercepts, deviance_ratio, df, converged; to_frame(), plot().

    Warns
    -----
    ConvergenceWarning
        At some alphas (``converged`` tells which) F is not known to be within ``tol`` of
        its minimum.

    Raises
    ------
    ValueError
        Input outside the rules above, or a y that no finite parameters fit.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), "Regularization paths for generalized linear
    models via coordinate descent", Journal of Statistical Software 33. Lee, Sun and
    Saunders (2014), "Proximal Newton-type methods for minimizing composite functions".

    Examples
    --------
    At the top of the path every coefficient is 0, and the slope of the loss at the largest
    is the penalty itself:

    >>> import numpy as np
    >>> from glmnet_nn import elastic_net_path
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
    >>> y = np.array([0.0, 1.0, 2.0, 4.0])
    >>> path = elastic_net_path(X, y, family="poisson", standardize=False)
    >>> path.df[[0, -1]]
    array([0, 2])
    >>> slope = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 4
    >>> print(f"{path.alphas[0] / slope:.12f}")
    1.000000000000
    """
    law = asked_law(family, link)
    X = as_frame(X)
    _require_numbers(X)
    names = _get_feature_names(X)
    rows, target = check_X_y(
        X, y, accept_sparse=SPARSE, dtype=FLOATING, multi_output=True, y_numeric=True
    )
    data = path_data(rows, np.asarray(target, dtype=float), law, sample_weight, offset, exposure)
    options = path_options(
        l1_ratio, alphas, n_alphas, eps, standardize, fit_intercept, tol, max_iter
    )
    path = fitted_path(data, law, options, feature_names(names, rows.shape[1]))
    warn_of([path])
    return path


def _require_numbers(X: Any) -> None:
    """Raise if a table has columns of another kind."""
    if isinstance(X, pd.DataFrame):
        others = [str(name) for name, column in X.items() if kind_of(column) != "number"]
        if others:
            raise ValueError(
                f"elastic_net_path() takes numbers, but the columns {others[:20]} of X hold none. "
                "ElasticNetGLMCV codes factors, and its path_ is this path; or encode them."
            )


def feature_names(names: Any, n_features: int) -> list[str]:
    """Return the names of the columns, x0, x1, ... if they have none."""
    if names is None:
        return [f"x{j}" for j in range(n_features)]
    return [str(name) for name in names]


def path_data(
    X: Any,
    target: Array,
    family: ExponentialFamily,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
) -> PathData:
    """Return the rows of positive weight from which a path can be learned, all of it checked."""
    if family.unknown is not None:
        raise ValueError(
            f"{family.unknown.name}='estimate' would need a fit of its own at each alpha, which "
            "a path has not. Estimate it by DeepGLMRegressor(hidden_layer_sizes=()) and give "
            "the number."
        )
    data = observed(X, target, family, sample_weight, offset, exposure)
    check_estimable(family, data.y, data.weight)
    return data


def observed(
    X: Any,
    target: Array,
    family: ExponentialFamily,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
) -> PathData:
    """Return the rows of positive weight, y as the family has it, all of it checked."""
    check_consistent_length(X, target)
    columns = target[:, None] if target.ndim == 1 else target
    columns, trials = family.response(columns)
    if family.event_ndim and columns.shape[1] < 2:
        raise ValueError(
            f"{type(family).__name__} needs y of shape (n, K), K >= 2, a row of probabilities "
            f"each, but y has shape {target.shape}. For labels use ElasticNetGLMClassifierCV."
        )
    if not family.event_ndim and columns.shape[1] > 1:
        raise ValueError(
            f"a path of the {type(family).__name__} family has one output, but y has shape "
            f"{target.shape}. Fit one path for each column of y."
        )
    n = X.shape[0]
    weight = check_weight(with_trials(sample_weight, trials, columns), columns)
    present = weight > 0
    known = check_offset(offset, exposure, family, n, columns.shape[1], present)
    data = PathData(X, columns, weight, known)
    if not present.all():
        data = data.take(np.flatnonzero(present))
    family.check_response(data.y)
    return data


def path_options(
    l1_ratio: float,
    alphas: ArrayLike | None,
    n_alphas: int,
    eps: str | float,
    standardize: bool,
    fit_intercept: bool,
    tol: float,
    max_iter: int,
) -> PathOptions:
    """Return the layout of a path, all of it checked."""
    if not 0 <= l1_ratio <= 1:
        raise ValueError(f"l1_ratio must be in [0, 1], but got {l1_ratio!r}.")
    if n_alphas < 1 or n_alphas != int(n_alphas):
        raise ValueError(f"n_alphas must be an integer >= 1, but got {n_alphas!r}.")
    if eps != "auto" and not (not isinstance(eps, str) and 0 < eps < 1):
        raise ValueError(f"eps must be 'auto' or in (0, 1), but got {eps!r}.")
    if not tol > 0:
        raise ValueError(f"tol must be > 0, but got {tol!r}.")
    if max_iter < 1 or max_iter != int(max_iter):
        raise ValueError(f"max_iter must be an integer >= 1, but got {max_iter!r}.")
    return PathOptions(
        l1_ratio=float(l1_ratio),
        alphas=None if alphas is None else _falling(alphas),
        n_alphas=int(n_alphas),
        eps=None if isinstance(eps, str) else float(eps),
        standardize=bool(standardize),
        fit_intercept=bool(fit_intercept),
        stopping=Stopping(float(tol), int(max_iter)),
    )


def _falling(alphas: ArrayLike) -> Array:
    given = np.asarray(alphas, dtype=float)
    if given.ndim != 1 or not given.size or not np.all((given >= 0) & (given < np.inf)):
        raise ValueError(
            f"alphas must be a sequence of finite numbers >= 0, but got {alphas!r}. "
            "Use None for a grid."
        )
    return np.sort(given)[::-1]


def warn_of(paths: list[ElasticNetPath]) -> None:
    """Warn where the optimum was not reached."""
    missed = np.concatenate([path.unconverged() for path in paths])
    if not missed.size:
        return
    n_alphas = sum(len(path.alphas) for path in paths)
    warnings.warn(
        f"At {missed.size} of {n_alphas} alphas (from {missed.min():.3g} to "
        f"{missed.max():.3g}) the minimum was not reached: columns may be collinear, or the data "
        "separated. Raise max_iter or tol, or leave the smallest alphas out; 'converged' tells "
        "which.",
        ConvergenceWarning,
        stacklevel=4,
    )
