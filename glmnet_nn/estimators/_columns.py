"""Columns of X that are no features, offset and exposure by name; columns that a formula makes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from glmnet_nn.blocks import is_in_blocks
from glmnet_nn.estimators._base_model import base_offset
from glmnet_nn.estimators._formula import fitted_design, pandas_frame, response
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.tables import as_frame
from glmnet_nn.tables.frames import require_distinct

_NEUTRAL = {"offset": "0 for no offset", "exposure": "1 for rates"}


def take_columns(
    estimator: BaseEstimator, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return X without the columns that the constructor names, offset and exposure.

    A table of another library is a DataFrame from here on.

    scikit-learn's tools hand on nothing but X and y, and rows of X when they split: an
    offset that is a column of X stays with its row.

    Raises
    ------
    TypeError
        A column is named, but X has no names.
    ValueError
        It is not in X, there twice, named twice, or the argument is given as well; what is
        left of a table has no rows, no columns, or several of one name.
    """
    _require_memory(X)
    X = as_frame(X)
    X, offset, exposure = _divided(estimator, X, offset, exposure)
    if isinstance(X, pd.DataFrame):
        _require_features(estimator, X)
    return X, offset, exposure


def _divided(
    estimator: BaseEstimator, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return X without the columns that the constructor names, offset and exposure."""
    offset, exposure = _named_columns(estimator, X, offset, exposure)
    taken = {estimator.offset, estimator.exposure} - {None}
    if taken:
        X = X[[label for label in X.columns if label not in taken]]
    return X, offset, exposure


def _named_columns(
    estimator: BaseEstimator, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
) -> tuple[ArrayLike | None, ArrayLike | None]:
    """Return offset and exposure, those that the constructor names from their columns of X."""
    asked = {
        name: column
        for name, column in (("offset", estimator.offset), ("exposure", estimator.exposure))
        if column is not None
    }
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
    return given["offset"], given["exposure"]


def _require_features(estimator: BaseEstimator, X: pd.DataFrame) -> None:
    """Raise ValueError unless a table has rows, and columns that can be told apart."""
    if not X.columns.is_unique:
        require_distinct(X.columns)
    if 0 in X.shape:
        what = "feature(s)" if len(X) else "sample(s)"
        raise ValueError(  # as scikit-learn says it of arrays
            f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is required by "
            f"{type(estimator).__name__}. Give a table with rows, and with columns beside offset "
            "and exposure."
        )


def entered_columns(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    reset: bool = True,
) -> tuple[Any, Any, ArrayLike | None, ArrayLike | None]:
    """Return X, y, offset and exposure of the rows of a fit; by its formula, if it has one.

    A formula learns from the rows of positive weight alone, each once; or not at all, where a
    fit goes on (``reset=False``).
    """
    if not reset:
        y = given_response(estimator, X, y, sample_weight)
        X, offset, exposure = design_columns(estimator, X, offset, exposure)
        return X, y, offset, exposure
    formula = estimator.formula
    if formula is None:
        estimator.__dict__.pop("_design", None)
        X, offset, exposure = take_columns(estimator, X, offset, exposure)
        return X, y, offset, exposure
    if estimator.base is not None:
        raise ValueError(
            "base sees the columns of X, but with a formula those are made in fit. Make a column "
            "of its linear predictor, and name it as offset; or set formula=None."
        )
    _require_defaults(estimator)
    frame, offset, exposure = _divided(estimator, _framed(estimator, X), offset, exposure)
    present = check_weight(sample_weight, frame) > 0
    if y is None:
        y = response(formula, frame, present)
    estimator._design, X = fitted_design(formula, frame, present, estimator.fit_intercept)
    return X, y, offset, exposure


def _require_defaults(estimator: BaseEstimator) -> None:
    """Raise if a parameter says how columns are coded, which a formula does itself."""
    for name, default in (("unseen", "error"), ("missing", "error")):
        if getattr(estimator, name) != default:
            raise ValueError(
                f"{name}={getattr(estimator, name)!r} is for columns that fit codes, but formula="
                f"{estimator.formula!r} makes its own, in which every value must be there and "
                f"every level known. Leave {name} at {default!r} and mend the data before, or set "
                "formula=None."
            )


def design_columns(
    estimator: BaseEstimator,
    X: Any,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return what :func:`take_columns` does, and the columns that the formula of a fit makes.

    Those are 0 in rows of weight 0, which may hold anything.
    """
    if estimator.formula is None:
        return take_columns(estimator, X, offset, exposure)
    frame = _framed(estimator, X)
    offset, exposure = _named_columns(estimator, frame, offset, exposure)
    present = None if sample_weight is None else check_weight(sample_weight, frame) > 0
    return estimator._design.of(frame, present), offset, exposure


def on_design(estimator: BaseEstimator) -> BaseEstimator:
    """Return the same fit as a model of the columns that its formula makes."""
    if estimator.formula is None:
        return estimator
    behind = copy.copy(estimator)
    behind.formula = behind.offset = behind.exposure = None
    return behind


def given_response(estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any = None) -> Any:
    """Return y or, if it is None, what the left side of the formula makes of X."""
    if y is not None:
        return y
    _require_memory(X)
    if estimator.formula is None:
        raise ValueError(
            f"y must be given: only a {type(estimator).__name__} with a formula takes it from X."
        )
    frame = _framed(estimator, X)
    return response(estimator.formula, frame, check_weight(sample_weight, frame) > 0)


def present_data(
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
) -> tuple[Any, Any, Any, Any, Any]:
    """Return the rows of positive weight of data in memory: others may hold anything."""
    if sample_weight is None:
        return X, y, sample_weight, offset, exposure
    _require_memory(X)
    X = as_frame(X)
    present = check_weight(sample_weight, X) > 0
    given: list[Any] = [X, y, sample_weight, offset, exposure]
    if not present.all():
        check_consistent_length(*filter(np.ndim, given))  # None, and one number for all, have none
        given = [_safe_indexing(rows, present) if np.ndim(rows) else rows for rows in given]
    X, y, sample_weight, offset, exposure = given
    return X, y, sample_weight, offset, exposure


def _require_memory(X: Any) -> None:
    """Raise TypeError of data in blocks."""
    if is_in_blocks(X):
        raise TypeError(
            f"X is a {type(X).__name__}, which comes in blocks, but this method needs all rows in "
            "memory. fit, score, inference and predict and its like take blocks, and partial_fit "
            "one after the other: for block in blocks: model.partial_fit(block.X, block.y). For "
            "others pass a sample in memory (.compute() of some Dask partitions)."
        )


def _framed(estimator: BaseEstimator, X: Any) -> Any:
    """Return X, for a formula, as a data frame of pandas."""
    _require_memory(X)
    named = {name for name in (estimator.offset, estimator.exposure) if name is not None}
    return pandas_frame(estimator.formula, X, named)


def known_columns(
    estimator: BaseEstimator,
    X: Any,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
) -> tuple[Any, ArrayLike | None, ArrayLike | None]:
    """Return what :func:`design_columns` does for a fitted estimator, its base in the offset."""
    check_is_fitted(estimator)
    X, offset, exposure = design_columns(estimator, X, offset, exposure, sample_weight)
    known = base_offset(
        estimator.base, X, estimator.family_, offset, estimator.n_outputs_, estimator._labels()
    )
    return X, known, exposure


def _column(X: Any, name: str, column: str) -> Any:
    """Return the one column of X of that name."""
    if not hasattr(X, "columns"):
        raise TypeError(
            f"{name}={column!r} names a column, so X must be a table, but it is a "
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
