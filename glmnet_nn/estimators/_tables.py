"""Tables at the door of an estimator: numbers for all that is behind it.

A fitted :class:`glmnet_nn.tables.TableCoding` is the attribute ``_coding``, None where the
columns are numbers as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import (
    _check_y,
    check_array,
    check_consistent_length,
    check_X_y,
    validate_data,
)

from families import Array
from glmnet_nn.estimators._validation import (
    FLOATING,
    as_inputs,
    check_inputs,
    check_weight,
    has_columns_of_fit,
    has_finite_sum,
    refuse_labels,
)
from glmnet_nn.inference.levels import LevelSteps
from glmnet_nn.tables import TableCoding
from glmnet_nn.tables.coding import column_names, planned, refuse_missing
from glmnet_nn.tables.columns import kind_of, numbers, require_numbers

TABLE_CONSTRAINTS: dict[str, list[Any]] = {
    "categorical": [StrOptions({"auto"}), "array-like", None],
    "unseen": [StrOptions({"error", "average"})],
    "missing": [StrOptions({"error", "indicator"})],
}


class TableMixin:
    """What an estimator that takes tables has: the names of the numbers behind the door."""

    n_features_in_: int
    categorical: Any
    missing: str
    _coding: TableCoding | None = None

    @property
    def _codes_entries(self) -> bool:
        """Whether a fit and its predictions leave out the zeros of wide tables."""
        return False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = self.missing == "indicator"
        return tags

    @property
    def feature_names_(self) -> list[str]:
        """Names of the columns that the coefficients belong to, x0, x1, ... if X had none.

        A number is itself; ``area[T.B]`` is the indicator of level B of ``area`` against its
        first level, ``area[B]`` one of all levels, ``age[missing]`` that of a missing value.
        """
        if not hasattr(self, "n_features_in_"):
            raise AttributeError("feature_names_ is there after fit.")
        if self._coding is not None:
            return self._coding.names
        known = getattr(self, "feature_names_in_", None)
        if known is None:
            return [f"x{j}" for j in range(self.n_features_in_)]
        return [str(name) for name in known]

    @property
    def _level_steps(self) -> LevelSteps:
        """Which of the columns are indicators of a factor, for steps between its levels."""
        return {} if self._coding is None else self._coding.level_steps


def fitted_matrix(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    reference: bool,
    **checks: Any,
) -> tuple[Any, Any]:
    """Return X as numbers and y, checked, of a fit; the coding of X becomes the estimator's.

    ``reference`` tells whether a factor leaves out its first level; ``checks`` are those of
    scikit-learn's ``check_X_y``.

    Raises
    ------
    ValueError
        X has missing values or columns that are not to be coded; under ``warm_start`` columns
        of other kinds, or other levels, than the fit before.
    """
    if checks.get("y_numeric"):
        refuse_labels(y)
    frame, coding = _coded_frame(estimator, X), None
    if frame is not None:
        share = check_weight(sample_weight, frame)
        coding = _coding(estimator, frame, reference, share)
    if coding is None or frame is None:
        with _naming_columns(X, in_fit=True):
            rows, target = validate_data(estimator, X, y, dtype=FLOATING, **checks)
    else:
        _, target = validate_data(estimator, X, y, skip_check_array=True)
        rows = _coded(estimator, coding, frame, share == 0, estimator._codes_entries)
        if not _is_finite(rows):
            _refuse_infinite(frame)
        rows, target = check_X_y(rows, target, dtype=FLOATING, estimator=estimator, **checks)
    estimator._coding = coding
    return rows, target


def known_inputs(estimator: Any, X: Any, as_entries: bool = True) -> Any:
    """Return the X of a fitted estimator as the numbers of its fit, float64 or float32.

    Those of a wide table without its zeros, unless ``as_entries`` is False.
    """
    if estimator._coding is not None:
        as_entries = as_entries and estimator._codes_entries
        return as_inputs(known_matrix(estimator, X, as_entries=as_entries))
    with _naming_columns(X, in_fit=False):
        return check_inputs(estimator, X)


def known_matrix(
    estimator: Any,
    X: Any,
    sample_weight: ArrayLike | None = None,
    as_entries: bool = False,
    **checks: Any,
) -> Any:
    """Return the X of a fitted estimator as the numbers of its fit, checked.

    Rows of weight 0 may have levels that the fit has not seen. ``as_entries`` leaves out the
    zeros of a wide table.
    """
    coding: TableCoding | None = estimator._coding
    checks = {"dtype": FLOATING, **checks}
    if coding is None:
        with _naming_columns(X, in_fit=False):
            return validate_data(estimator, X, reset=False, **checks)
    frame = _frame_of(estimator, X)
    if not has_columns_of_fit(estimator, X):
        validate_data(estimator, X, reset=False, skip_check_array=True)
    absent = None if sample_weight is None else check_weight(sample_weight, frame) == 0
    rows = _coded(estimator, coding, frame, absent, as_entries)
    if _is_finite(rows):
        return rows
    _refuse_infinite(frame)
    return check_array(rows, estimator=estimator, **checks)


def known_rows(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    multi_output: bool,
    y_numeric: bool = False,
    **checks: Any,
) -> tuple[Any, Any]:
    """Return X as :func:`known_matrix` does, and y, checked, of rows that a fit goes on with."""
    entries = estimator._codes_entries
    rows = known_matrix(estimator, X, sample_weight, as_entries=entries, **checks)
    target = _check_y(y, multi_output=multi_output, y_numeric=y_numeric, estimator=estimator)
    check_consistent_length(rows, target)
    return rows, target


def _coded(
    estimator: Any, coding: TableCoding, frame: pd.DataFrame, absent: Any, as_entries: bool
) -> Any:
    """Return the numbers of a table; of a wide one, where it may be, in compressed rows."""
    coded = coding.entries if as_entries and coding.is_wide else coding.matrix
    return coded(frame, estimator.unseen, absent)


def _is_finite(rows: Any) -> bool:
    return has_finite_sum(rows.data if sparse.issparse(rows) else rows)


def _coding(
    estimator: Any, frame: pd.DataFrame, reference: bool, share: Array
) -> TableCoding | None:
    """Return the coding of a fit; one that goes on from another keeps that of the other."""
    chosen = (estimator.categorical, reference, estimator.fit_intercept)
    if not (getattr(estimator, "warm_start", False) and hasattr(estimator, "family_")):
        return TableCoding.fit(frame, *chosen, estimator.missing, share)
    known: TableCoding | None = estimator._coding
    before = ["number"] * estimator.n_features_in_ if known is None else known.plan
    if planned(frame, *chosen) != before:
        raise ValueError(
            f"warm_start=True continues the last fit, in which columns became {before}, but now "
            f"they would become {planned(frame, *chosen)}. Set warm_start=False to start anew."
        )
    return known


def _coded_frame(estimator: Any, X: Any) -> pd.DataFrame | None:
    """Return X as a DataFrame if some of it may have to be coded.

    Columns of an array have no types of their own: they are numbers, unless named.
    """
    if isinstance(X, pd.DataFrame):
        return X
    named = _names_factors(estimator)
    going_on = getattr(estimator, "warm_start", False) and estimator._coding is not None
    if sparse.issparse(X):
        if named:
            raise TypeError(
                f"categorical={estimator.categorical!r} codes columns of a table or an array, but "
                "X is sparse. Encode them before, or pass a DataFrame."
            )
        return None
    if not named and estimator.missing == "error" and not going_on:
        return None
    return _frame_of(estimator, X)


def _frame_of(estimator: Any, X: Any) -> pd.DataFrame:
    """Return X as a DataFrame; of an array the columns of numbers are numbers."""
    if isinstance(X, pd.DataFrame):
        return X
    known: TableCoding | None = estimator._coding
    text = _names_factors(estimator) or (known is not None and set(known.plan) != {"number"})
    as_it_is = None if isinstance(X, np.ndarray) else object
    array = check_array(
        X,
        dtype=as_it_is if text else FLOATING,
        ensure_all_finite="allow-nan",
        estimator=estimator,
    )
    return pd.DataFrame(array).infer_objects()


def _names_factors(estimator: Any) -> bool:
    """Tell whether columns to be coded are listed, which an array may have too."""
    return not isinstance(estimator.categorical, str | None)


@contextmanager
def _naming_columns(X: Any, *, in_fit: bool) -> Iterator[None]:
    """Tell in which columns X has what scikit-learn complains of."""
    try:
        yield
    except ValueError as error:
        if isinstance(X, pd.DataFrame) and not in_fit:
            for name, column in X.items():
                require_numbers(str(name), column)
        if "NaN" in str(error) and sparse.issparse(X):
            _refuse_sparse(X)
        elif "NaN" in str(error):
            refuse_missing(X, in_fit)
        elif "infinity" in str(error) and not sparse.issparse(X):
            _refuse_infinite(X)
        raise


def _refuse_infinite(X: Any) -> None:
    """Raise if a number of a table or an array is infinite, naming the columns."""
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    names = column_names(frame)
    found = {}
    for j, name in enumerate(names):
        if kind_of(frame.iloc[:, j]) == "number":
            found[name] = int(np.isinf(numbers(frame.iloc[:, j])).sum())
    counts = [f"{name!r} ({k})" for name, k in found.items() if k]
    if counts:
        raise ValueError(
            "Input X contains infinity or a value too large for dtype('float64'), in the columns "
            f"(rows) {', '.join(counts[:10])}. Correct them or drop the rows."
        )


def _refuse_sparse(X: Any) -> None:
    """Raise if a stored value is missing, naming the columns."""
    cells = sparse.coo_array(X)
    counts = np.bincount(cells.col[np.isnan(cells.data)], minlength=cells.shape[1])
    found = np.flatnonzero(counts)
    if len(found):
        named = ", ".join(f"{j} ({counts[j]})" for j in found[:10].tolist())
        raise ValueError(
            f"Input X contains NaN, stored in {len(found)} columns, by their places (rows): "
            f"{named}. Fill them in or drop the rows; missing='indicator' is for tables and "
            "arrays, and codes no sparse X."
        )
