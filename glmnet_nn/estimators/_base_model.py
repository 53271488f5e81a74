"""A fitted estimator under the network: eta = g(base.predict(x)) + network(x).

What a tree, a spline or a GLM of other columns has found enters as an offset, in every
call from the same columns of X, so that it is there at prediction too.

Source: Schelldorfer and Wüthrich (2019), "Nesting classical actuarial models into neural
networks", section 3 (there the base is a GLM).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily
from glmnet_nn.estimators._validation import check_offset


def base_offset(
    base: Any,
    X: Any,
    family: ExponentialFamily,
    offset: ArrayLike | None,
    n_outputs: int,
    classes: NDArray[Any] | None = None,
) -> ArrayLike | None:
    """Return the offset and the linear predictor of ``base``, (n, K); the offset, if it is None.

    An estimator with ``linear_predictor`` and the same link is asked for that, exact where
    a mean rounds to the end of its range. Others: eta = g(mu), mu what ``predict_proba``
    or, without that, ``predict`` returns. ``classes`` are the labels of the outputs, if they
    have any.

    Raises
    ------
    NotFittedError
        It is not fitted.
    ValueError
        It predicts a mean that has no linear predictor, other classes, or too many columns.
    """
    if base is None:
        return offset
    _check_base(base, classes)
    if hasattr(base, "linear_predictor") and getattr(base, "link_", None) == family.link:
        eta = _columns(base.linear_predictor(X))
    else:
        eta = _of_means(base, X, family, n_outputs)
    if eta.ndim != 2 or eta.shape[1] not in (1, n_outputs):
        raise ValueError(
            f"base must predict one column for each output, {n_outputs}, but what "
            f"{type(base).__name__} predicts gives linear predictors of shape {eta.shape}. Fit it "
            "to the same y."
        )
    known = check_offset(offset, None, family, len(eta), n_outputs)
    return eta if known is None else eta + known


def _check_base(base: Any, classes: NDArray[Any] | None) -> None:
    """Raise unless it is fitted, to the same classes. Of other makers' models nobody can tell."""
    try:
        if isinstance(base, BaseEstimator | type):
            check_is_fitted(base)
    except NotFittedError as error:
        raise NotFittedError(
            f"base must be fitted, but this {type(base).__name__} is not. Fit it first; where the "
            "estimator is cloned (cross_validate, GridSearchCV, Pipeline) wrap the fitted base in "
            "sklearn.frozen.FrozenEstimator, which clone() leaves as it is."
        ) from error
    its = getattr(base, "classes_", None)
    if classes is not None and its is not None and not np.array_equal(its, classes):
        raise ValueError(
            f"base must know the classes of y, {classes.tolist()}, but this {type(base).__name__} "
            f"was fitted to {np.asarray(its).tolist()}. Fit it to the same labels."
        )


def base_slopes(base: Any, X: Any, family: ExponentialFamily, coded: bool) -> Array | None:
    """Return the slopes of the linear predictor of ``base``, (n, K, p); None if there is no base.

    ``coded`` tells whether the network sees columns of X coded.

    Raises
    ------
    ValueError
        They are not known: it has no ``local_coef``, as a tree, or another link; or they are
        slopes in other columns than those of the network.
    """
    if base is None:
        return None
    if coded:
        raise ValueError(
            "slopes are those of the whole linear predictor, but the network codes columns of X, "
            f"and base, a {type(base).__name__}, has slopes in others. Encode X before both of "
            "them, or use base=None."
        )
    if not hasattr(base, "local_coef") or getattr(base, "link_", None) != family.link:
        raise ValueError(
            f"local_coef() is the slope of the whole linear predictor, but that of base, a "
            f"{type(base).__name__}, is not known. Use a base with local_coef(X) and link "
            f"{family.link_name!r}, or base=None."
        )
    slopes = np.asarray(base.local_coef(X), dtype=float)
    return slopes[:, None, :] if slopes.ndim == 2 else slopes


def _of_means(base: Any, X: Any, family: ExponentialFamily, n_outputs: int) -> Array:
    """Return g(mu) of the predictions."""
    mu = _probabilities(base, X) if hasattr(base, "predict_proba") else _columns(base.predict(X))
    if hasattr(base, "predict_proba") and n_outputs == 1 and mu.shape[1] == 2:
        mu = mu[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = family.link_of(mu)
    lost = ~np.isfinite(eta).all(axis=1)
    if lost.any():
        at = int(np.argmax(lost))
        raise ValueError(
            f"base must predict means inside their range, but {type(base).__name__} predicts "
            f"{mu[at].tolist()} for row {at}, which link {family.link_name!r} takes to "
            f"{eta[at].tolist()}. Use a base whose predictions are never at the end of the range."
        )
    return eta


def _probabilities(base: Any, X: Any) -> Array:
    """Return those of the classes; of several labels, of which some give (n, 2) each, that of 1."""
    found = base.predict_proba(X)
    if isinstance(found, list):
        found = np.column_stack([of_label[:, -1] for of_label in found])
    return _columns(found)


def _columns(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array
