"""Columns of X that are no features: offset and exposure by name."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from glmnet_nn.blocks import is_in_blocks
from glmnet_nn.estimators._base_model import base_offset

_NEUTRAL = {"offset": "0 for no offset", "exposure": "1 for rates"}


def take_columns(
    estimator: BaseEstimator, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return X without the columns that the constructor names, offset and exposure.

    scikit-learn's tools hand on nothing but X and y, and rows of X when they split: an
    offset that is a column of X stays with its row.

    Raises
    ------
    TypeError
        A column is named, but X has no names.
    ValueError
        It is not in X, there twice, named twice, or the argument is given as well.
    """
    if is_in_blocks(X):
        raise TypeError(
            f"X is a {type(X).__name__}, which comes in blocks, but this method needs all rows in "
            "memory. fit, score, inference and predict and its like take blocks; for others pass "
            "a sample in memory (.compute() of some Dask partitions)."
        )
    asked = {
        name: column
        for name, column in (("offset", estimator.offset), ("exposure", estimator.exposure))
        if column is not None
    }
    if not asked:
        return X, offset, exposure
    given = {"offset": offset, "exposure": exposure}
    for name, column in asked.items():
        if given[name] is not None:
            raise ValueError(
                f"{name} must be given once, but it is an argument of this call and, by "
                f"{name}={column!r} of {type(estimator).__name__}, a column of X. Leave out the "
                f"argument, or set {name}=None."
            )
        given[name] = _column(X, name, column)
    if len(set(asked.values())) < len(asked):
        raise ValueError(
            f"offset and exposure must name different columns of X, but both are "
            f"{estimator.offset!r}. Set one of them to None."
        )
    features = [label for label in X.columns if label not in asked.values()]
    return X[features], given["offset"], given["exposure"]


def known_columns(
    estimator: BaseEstimator, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return what :func:`take_columns` does for a fitted estimator, its base in the offset."""
    check_is_fitted(estimator)
    X, offset, exposure = take_columns(estimator, X, offset, exposure)
    known = base_offset(
        estimator.base, X, estimator.family_, offset, estimator.n_outputs_, estimator._labels()
    )
    return X, known, exposure


def _column(X: Any, name: str, column: str) -> Any:
    """Return the one column of X of that name."""
    if not hasattr(X, "columns"):
        raise TypeError(
            f"{name}={column!r} names a column, so X must be a DataFrame, but it is a "
            f"{type(X).__name__}. Pass a DataFrame (a transformer gives one after "
            f".set_output(transform='pandas')), or set {name}=None and pass {name} as an argument."
        )
    found = list(X.columns).count(column)
    if found != 1:
        raise ValueError(
            f"{name}={column!r} must name one column of X, but {found} of its columns "
            f"{list(X.columns)[:20]} have that name. Add it to X ({_NEUTRAL[name]}); offsets of "
            "the training rows are never used again."
        )
    return X[column]
