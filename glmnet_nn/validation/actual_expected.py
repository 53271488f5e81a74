"""Actual against expected by the levels of a factor, or in bins of a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from glmnet_nn.validation.grouping import levels_of, totals
from glmnet_nn.validation.observations import Predictions, observations


def actual_expected(
    y: ArrayLike,
    mu: Predictions,
    by: Any,
    *,
    n_bins: int = 10,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return actual against expected for each level of a factor, in the model or not.

    A GLM with canonical link and intercept, fitted to these rows, has ratio 1 in every
    level of a factor that is in it; elsewhere, and for networks, the ratio tells what is
    missed.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count, not the rate.
    mu : array-like of shape (n,), or dict or DataFrame of the predictions of several models
        Means on the scale of y.
    by : array-like of shape (n,)
        The factor. Numbers of more than ``n_bins`` distinct values are put into bins of
        equal exposure, labelled by their range; missing values are a level of their own.
    n_bins : int, default=10
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: the table is of rates y / e and mu / e, with weights e.

    Returns
    -------
    DataFrame
        One row a level (within each model, if there are several): ``exposure``, ``actual``,
        ``expected``, ``ratio`` = actual / expected (NaN if both are 0), ``se``, the standard
        error of actual where expected is right, and ``z`` = (actual - expected) / se.

    Examples
    --------
    >>> table = actual_expected([1, 0, 4, 2], [1, 1, 2, 2], ["a", "a", "b", "b"])
    >>> print(table[["exposure", "actual", "expected", "ratio"]].to_string(index_names=False))
       exposure  actual  expected  ratio
    a       2.0     0.5       1.0    0.5
    b       2.0     3.0       2.0    1.5
    """
    seen = observations(y, mu, sample_weight, exposure)
    keeps_order = isinstance(by, pd.Categorical | pd.CategoricalIndex)
    factor = pd.Series(by) if keeps_order else by if isinstance(by, pd.Series) else np.asarray(by)
    if factor.shape != (seen.n_given,):
        raise ValueError(
            f"by must have one value for each of the {seen.n_given} rows, but its shape is "
            f"{factor.shape}. Call this once for each factor."
        )
    factor = factor.iloc[seen.kept] if isinstance(factor, pd.Series) else factor[seen.kept]
    code, levels = levels_of(factor, seen.weight, n_bins)
    tables = {}
    for name, values in seen.means.items():
        table = pd.DataFrame(totals(seen, values, code, len(levels)), index=levels)
        gap = table["actual"] - table["expected"]
        with np.errstate(divide="ignore", invalid="ignore"):
            table["z"] = np.where(gap == 0, 0.0, gap / table["se"])
        tables[name] = table
    return seen.by_model(tables)
