"""The rows that all compared models see: X, y, weight, offset, exposure, together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length

from families import Array
from glmnet_nn.tables import as_frame


@dataclass(frozen=True)
class Sample:
    """Rows as they came, so that each model may read them in its own way.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n, p)
        Without the columns of offset and exposure.
    whole : array-like or DataFrame
        X with them, for models that read columns by name.
    y : array of shape (n,) or (n, K)
    weight : array of shape (n,)
        Positive.
    weighted : bool
        Whether weights were given.
    offset, exposure : array of shape (n,), or None
    index : array of shape (n,)
        Numbers of these rows in the data of the comparison.
    """

    X: Any
    whole: Any
    y: NDArray[Any]
    weight: Array
    weighted: bool
    offset: Array | None
    exposure: Array | None
    index: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: NDArray[Any]) -> Sample:
        """Return some of the rows."""
        return replace(
            self,
            X=_safe_indexing(self.X, rows),
            whole=_safe_indexing(self.whole, rows),
            y=self.y[rows],
            weight=self.weight[rows],
            offset=None if self.offset is None else self.offset[rows],
            exposure=None if self.exposure is None else self.exposure[rows],
            index=self.index[rows],
        )

    @property
    def known(self) -> Array | None:
        """offset + log(exposure), (n, 1), the known part of the linear predictor."""
        if self.exposure is None:
            return None if self.offset is None else self.offset[:, None]
        log_time = np.log(self.exposure)[:, None]
        return log_time if self.offset is None else self.offset[:, None] + log_time


def sample_of(X: Any, y: Any, weight: Array, weighted: bool, offset: Any, exposure: Any) -> Sample:
    """Return the rows of positive weight; ``offset`` and ``exposure`` may name columns of X.

    Raises
    ------
    ValueError, TypeError
        Lengths differ, a column is not there, a number is not finite, an exposure not > 0.
    """
    X, y = as_frame(X), np.asarray(y)
    names = [column for column in (offset, exposure) if isinstance(column, str)]
    known = {
        name: _numbers(name, _column(X, name, values), len(y))
        for name, values in (("offset", offset), ("exposure", exposure))
    }
    time = known["exposure"]
    if time is not None and not np.all(time > 0):
        at = int(np.argmin(time))
        raise ValueError(
            f"exposure must be > 0, but exposure[{at}] = {time[at].item()!r}. "
            "Remove rows that were not exposed."
        )
    features = X[[label for label in X.columns if label not in names]] if names else X
    check_consistent_length(X, y, weight)
    rows = np.arange(len(y))
    whole = Sample(features, X, y, weight, weighted, known["offset"], time, rows)
    return whole if np.all(weight > 0) else whole.take(np.flatnonzero(weight > 0))


def _column(X: Any, name: str, values: Any) -> Any:
    if not isinstance(values, str):
        return values
    if list(getattr(X, "columns", ())).count(values) != 1:
        raise ValueError(
            f"{name}={values!r} must name one column of X, a DataFrame, but X has "
            f"{list(getattr(X, 'columns', ())) or 'no names'}. Pass {name} as an array."
        )
    return X[values]


def _numbers(name: str, values: Any, n: int) -> Array | None:
    if values is None:
        return None
    array: Array = np.asarray(values, dtype=float)
    if array.shape != (n,) or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} must hold a finite number for each of the {n} rows, but its shape is "
            f"{array.shape}, with {int(np.sum(~np.isfinite(array)))} numbers that are not finite."
        )
    return array
