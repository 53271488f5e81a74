"""The door: weights, offset, exposure and response, checked once.

Every complaint names the argument, the rule, the evidence and the remedy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    validate_data,
)

from families import Array, ExponentialFamily
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.data import Rows

FLOATING = (np.float64, np.float32)  # what X may be; all else becomes the first
COMPRESSED = "csr"  # what a sparse X becomes


def as_inputs(X: Any) -> Any:
    """Return validated X: an array as it is, compressed rows as what a first layer multiplies.

    Entries of one place are added up and stored zeros dropped, in a copy: what is left
    tells which columns hold but 0 and 1.
    """
    if not sparse.issparse(X):
        return X
    S = sparse.csr_array(X)
    if not (S.has_canonical_format and S.data.all()):
        S = S.copy()
        S.sum_duplicates()
        S.eliminate_zeros()
    return ShiftedSparse(S)


def require_array(X: Any, why: str) -> None:
    """Raise TypeError if X is sparse."""
    if isinstance(X, ShiftedSparse):
        raise TypeError(
            f"X must be an array, since {why}, but it is sparse. Give X.toarray() to this call; "
            "the fit may stay as it is."
        )


def check_inputs(estimator: BaseEstimator, X: ArrayLike) -> Any:
    """Return the X of a fitted estimator, (n, n_features_in_), finite, float64 or float32.

    A sparse X becomes a ShiftedSparse.

    A plain array that scikit-learn would return as it is passes by the quick door, and so
    does a DataFrame of the columns of the fit that would be one: scikit-learn's checks cost
    several times what one row costs a network. All else, and whatever is wrong, is left to
    scikit-learn, which says so in its own words.
    """
    rows = _plain_rows(estimator, X)
    if rows is not None:
        return rows
    check_is_fitted(estimator)
    return as_inputs(
        validate_data(estimator, X, reset=False, dtype=FLOATING, accept_sparse=COMPRESSED)
    )


def _plain_rows(estimator: BaseEstimator, X: Any) -> NDArray[Any] | None:
    """Return the numbers of X if they are fit for use: of the type and columns, and finite."""
    if type(X) is pd.DataFrame and has_columns_of_fit(estimator, X):
        if not all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in X.dtypes):
            return None
        X = X.to_numpy()
    elif type(X) is not np.ndarray or hasattr(estimator, "feature_names_in_"):
        return None
    if X.dtype not in FLOATING or X.ndim != 2 or not len(X):
        return None
    as_in_fit = X.shape[1] == getattr(estimator, "n_features_in_", None)
    return X if as_in_fit and has_finite_sum(X) else None


def has_columns_of_fit(estimator: BaseEstimator, X: Any) -> bool:
    """Tell whether X is a DataFrame of the names of the fit, in their order."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or type(X) is not pd.DataFrame or X.shape[1] != len(names):
        return False
    return bool(X.columns.tolist() == names.tolist())


def has_finite_sum(X: NDArray[Any]) -> bool:
    """Tell whether no number is missing or infinite; not so of numbers near the largest."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))


def row_labels(X: Any, n_rows: int) -> pd.Index:
    """Return the labels of the rows of a DataFrame; of others their numbers."""
    return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)


def check_weight(sample_weight: ArrayLike | None, X: Array) -> Array:
    """Return the weights, (n,), finite, >= 0 and not all 0."""
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight must hold a number for each row of X, but got {sample_weight!r}."
        )
    if sample_weight is None:
        return np.broadcast_to(1.0, len(X))  # no memory
    given = np.asarray(sample_weight)
    if given.size and not given.any():
        raise ValueError(
            f"sample_weight must not be zero everywhere, but all {given.size} are 0: "
            "no row is left to fit."
        )
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weight < 0):
        at = int(np.argmin(weight))
        raise ValueError(
            f"sample_weight must be >= 0, but sample_weight[{at}] = {weight[at].item()!r}. "
            "Use 0 to leave a row out."
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError(
                f"sample_weight must have a finite sum, but its largest entry is {weight.max():g}. "
                "Divide the weights by a constant."
            )
    return weight


def present_rows(
    X: Array,
    y: Array,
    family: ExponentialFamily,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    trials: Array | None,
) -> Rows:
    """Return the rows of positive weight of validated X, (n, p), and y, (n, K).

    ``sample_weight`` counts the trials already; the others are checked here.
    """
    weight = check_weight(sample_weight, X)
    present = weight > 0
    known = check_offset(offset, exposure, family, len(X), y.shape[1], present)
    rows = Rows(X, y, weight, known, trials)
    if not present.all():
        rows = rows.take(present)
    family.check_response(rows.y)
    return rows


def with_trials(
    sample_weight: ArrayLike | None, trials: Array | None, X: Array
) -> ArrayLike | None:
    """Return the weights of the trials: those of the rows times their number of trials."""
    return sample_weight if trials is None else check_weight(sample_weight, X) * trials


def check_offset(
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    family: ExponentialFamily,
    n_rows: int,
    n_outputs: int,
    present: NDArray[np.bool_] | None = None,
) -> Array | None:
    """Return offset + log(exposure), (n, 1) or (n, n_outputs); None if both are absent.

    Rows that are not ``present`` may have any exposure.
    """
    total = None
    if offset is not None:
        total = _column(offset, "offset", n_rows, n_outputs)
    if exposure is not None:
        if family.link_name != "log":
            raise ValueError(
                f"exposure multiplies the mean, so it needs the log link, but the link is "
                f"{family.link_name!r}. Use link='log', or pass offset on the scale of the linear "
                "predictor."
            )
        time = _column(exposure, "exposure", n_rows, n_outputs)
        if present is not None:
            time = np.where(present[:, None], time, 1.0)
        if np.any(time <= 0):
            at = int(np.flatnonzero((time <= 0).any(axis=1))[0])
            raise ValueError(
                f"exposure must be > 0, but exposure[{at}] = {float(time[at].min())!r}. "
                "Remove rows that were not exposed."
            )
        total = np.log(time) if total is None else total + np.log(time)
    return total


def _column(values: Any, name: str, n_rows: int, n_outputs: int) -> Array:
    array = values.to_numpy() if type(values) is pd.Series else values
    if type(array) is not np.ndarray or array.dtype != np.float64 or not has_finite_sum(array):
        array = check_array(
            values, ensure_2d=False, dtype=np.float64, input_name=name, ensure_min_samples=0
        )
    if array.ndim == 0:
        array = np.full(n_rows, float(array))
    if array.ndim == 1:
        array = array[:, None]
    if array.shape[0] != n_rows or array.shape[1] not in (1, n_outputs):
        shapes = {f"({n_rows},)", f"({n_rows}, {n_outputs})"}
        raise ValueError(
            f"{name} must have shape {' or '.join(sorted(shapes))}, "
            f"but its shape is {np.shape(values)}. Give one value for each row of X."
        )
    return array


def refuse_labels(y: Any) -> None:
    """Raise ValueError where y holds text that is no number."""
    values = np.asarray(y)
    if values.dtype.kind not in "OUS":
        return
    for at, value in enumerate(values.ravel().tolist()):
        if not isinstance(value, str | bytes):
            continue
        try:
            float(value)
        except ValueError:
            raise ValueError(
                f"y must hold numbers, but it holds {value!r} (place {at}). Labels are for a "
                "classifier: DeepGLMClassifier."
            ) from None


def is_estimable(family: ExponentialFamily, y: Array, weight: Array) -> bool:
    """Tell whether some parameters give the mean of y."""
    return bool(np.all(_mean_is_possible(family, y, weight)[1]))


def _mean_is_possible(
    family: ExponentialFamily, y: Array, weight: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the mean of y, and for which outputs there are parameters that give it."""
    mean = weight / weight.sum() @ y
    with np.errstate(all="ignore"):
        return mean, np.isfinite(family.link_of(mean)) & family.mean_domain.contains(mean)


def check_estimable(family: ExponentialFamily, y: Array, weight: Array) -> None:
    """Raise if no parameters give the mean of y: all counts 0, a class without rows, ..."""
    mean, possible = _mean_is_possible(family, y, weight)
    if np.all(possible):
        return
    output = "" if y.shape[1] == 1 else f" of output {int(np.argmin(possible))}"
    raise ValueError(
        f"The weighted mean of y{output} is {mean[np.argmin(possible)].item()!r}, which the "
        f"{type(family).__name__} family with link {family.link_name!r} reaches for no finite "
        "parameters (every y at the end of its range?). Such data determine no model: add rows "
        "in which y varies."
    )


def named_output(output: Any, names: list[str] | None) -> int | None:
    """Return the number of the output of that name; None where there is one, without ``names``."""
    if names is None:
        if output is not None:
            raise ValueError(f"output is for several outputs, but the model has one: {output!r}.")
        return None
    if str(output) not in names:
        raise ValueError(f"output must be one of {names}, but got {output!r}.")
    return names.index(str(output))
