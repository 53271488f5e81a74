"""A fitted estimator under the network: eta = g(base.predict(x)) + network(x).

What a tree, a spline or a GLM of other columns has found enters as an offset, in every
call from the same columns of X, so that it is there at prediction too.

Source: Schelldorfer and Wuthrich (2019), "Nesting classical actuarial models into neural
networks", section 3 (there the base is a GLM).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily


def base_offset(
    base: Any, X: Any, family: ExponentialFamily, offset: ArrayLike | None
) -> ArrayLike | None:
    """Return the offset and the linear predictor of ``base``, (n, K); the offset, if it is None.

    An estimator with ``linear_predictor`` and the same link is asked for that, exact where
    a mean rounds to the end of its range. Others: eta = g(mu), mu what ``predict_proba``
    or, without that, ``predict`` returns.

    Raises
    ------
    NotFittedError
        It is not fitted.
    ValueError
        It predicts a mean that has no linear predictor.
    """
    if base is None:
        return offset
    try:
        check_is_fitted(base)
    except NotFittedError as error:
        raise NotFittedError(
            f"base must be fitted, but this {type(base).__name__} is not. Fit it first; where the "
            "estimator is cloned (cross_validate, GridSearchCV, Pipeline) wrap the fitted base in "
            "sklearn.frozen.FrozenEstimator, which clone() leaves as it is."
        ) from error
    if hasattr(base, "linear_predictor") and getattr(base, "link_", None) == family.link:
        eta = _columns(base.linear_predictor(X))
    else:
        eta = _of_means(base, X, family)
    if offset is None:
        return eta
    known = np.asarray(offset, dtype=float)
    return eta + (known[:, None] if known.ndim == 1 else known)


def base_slopes(base: Any, X: Any, family: ExponentialFamily) -> Array | None:
    """Return the slopes of the linear predictor of ``base``, (n, K, p); None if there is no base.

    Raises
    ------
    ValueError
        They are not known: it has no ``local_coef``, as a tree, or another link.
    """
    if base is None:
        return None
    if not hasattr(base, "local_coef") or getattr(base, "link_", None) != family.link:
        raise ValueError(
            f"local_coef() is the slope of the whole linear predictor, but that of base, a "
            f"{type(base).__name__}, is not known. Use a base with local_coef(X) and link "
            f"{family.link_name!r}, or base=None."
        )
    slopes = np.asarray(base.local_coef(X), dtype=float)
    return slopes[:, None, :] if slopes.ndim == 2 else slopes


def _of_means(base: Any, X: Any, family: ExponentialFamily) -> Array:
    """Return g(mu) of the predictions."""
    mu = _columns(base.predict_proba(X) if hasattr(base, "predict_proba") else base.predict(X))
    if hasattr(base, "predict_proba") and not family.event_ndim and mu.shape[1] == 2:
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


def _columns(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array
