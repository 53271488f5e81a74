"""Lift: actual and expected in bins of equal exposure, by one model or by the ratio of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from glmnet_nn.validation.grouping import bin_index, check_bins, equal_bins, totals
from glmnet_nn.validation.observations import Observations, Predictions, observations


def lift_table(
    y: ArrayLike,
    mu: Predictions,
    *,
    n_bins: int = 10,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return actual and expected in bins of equal exposure, by ascending prediction.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count, not the rate.
    mu : array-like of shape (n,), or dict or DataFrame of the predictions of several models
        Means on the scale of y.
    n_bins : int, default=10
        Rows of the same prediction stay together: there may be fewer bins, and less equal.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: the table is of rates y / e and mu / e, with weights e.

    Returns
    -------
    DataFrame
        One row a bin (within each model, if there are several): ``exposure``, sum of weights;
        ``actual`` and ``expected``, weighted mean rates; ``ratio`` = actual / expected; ``se``,
        the standard error of actual where expected is right; ``lift`` = actual over the
        actual of all rows. sum(exposure * actual) is the observed total, and so of expected.
        A ratio of nothing to nothing is NaN.

    Examples
    --------
    >>> table = lift_table([0, 1, 2, 5], [0.5, 0.5, 2.0, 4.0], n_bins=2)
    >>> print(table[["exposure", "actual", "expected", "lift"]].to_string(index_names=False))
       exposure  actual  expected  lift
    1       2.0     0.5       0.5  0.25
    2       2.0     3.5       3.0  1.75
    """
    seen = observations(y, mu, sample_weight, exposure)
    check_bins(n_bins)
    return seen.by_model({name: _lift(seen, name, n_bins) for name in seen.means})


def _lift(seen: Observations, name: str, n_bins: int) -> pd.DataFrame:
    mu = seen.means[name]
    bins = equal_bins(seen.places(mu), seen.weight, n_bins)
    n = int(bins.max()) + 1
    table = pd.DataFrame(totals(seen, mu, bins, n), index=bin_index(n))
    overall = float(np.average(seen.y, weights=seen.weight))
    with np.errstate(divide="ignore", invalid="ignore"):
        table["lift"] = table["actual"].to_numpy() / overall
    return table


def double_lift_table(
    y: ArrayLike,
    mu: Mapping[str, ArrayLike] | pd.DataFrame,
    *,
    n_bins: int = 10,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return actual and what two models expect, in bins of equal exposure, by their ratio.

    Where the models disagree, whom does experience bear out? The first bin holds the rows
    that the first model thinks the second one overstates most.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count, not the rate.
    mu : dict or DataFrame
        The predictions of two models, > 0, on the scale of y.
    n_bins : int, default=10
    sample_weight, exposure : array-like of shape (n,), optional
        As in :func:`lift_table`.

    Returns
    -------
    DataFrame
        One row a bin: ``exposure``; ``sort_ratio`` = total of the first model / total of the
        second; ``actual``; the weighted mean rates of both models under their names; and
        ``se`` of actual where the first model is right.

    Raises
    ------
    ValueError
        There are not two models; a prediction is not positive.

    Examples
    --------
    >>> models = {"split": [1, 3, 1, 3], "flat": [2, 2, 2, 2]}
    >>> table = double_lift_table([1, 3, 1, 3], models, n_bins=2)
    >>> print(table.drop(columns="se").to_string(index_names=False))
       exposure  sort_ratio  actual  split  flat
    1       2.0         0.5     1.0    1.0   2.0
    2       2.0         1.5     3.0    3.0   2.0
    """
    if not isinstance(mu, Mapping | pd.DataFrame) or len(list(mu)) != 2:
        raise ValueError(
            "a double lift is of two models: pass mu={'new': ..., 'current': ...}, but got "
            f"{_said(mu)}."
        )
    seen = observations(y, mu, sample_weight, exposure)
    (first, new), (second, current) = seen.means.items()
    taken = {"exposure", "sort_ratio", "actual", "se"} & {first, second}
    if taken:
        raise ValueError(f"models must not be called {sorted(taken)}, a column of the table.")
    for name, values in seen.means.items():
        if not np.all(values > 0):
            at = int(np.argmin(values > 0))
            raise ValueError(
                f"the ratio of two models needs predictions > 0, but that of {name!r} in row "
                f"{int(seen.kept[at])} is {float(values[at] * seen.exposure[at])!r}."
            )
    bins = equal_bins(seen.places(new / current), seen.weight, n_bins)
    n = int(bins.max()) + 1
    one, other = totals(seen, new, bins, n), totals(seen, current, bins, n)
    return pd.DataFrame(
        {
            "exposure": one["exposure"],
            "sort_ratio": one["expected"] / other["expected"],
            "actual": one["actual"],
            first: one["expected"],
            second: other["expected"],
            "se": one["se"],
        },
        index=bin_index(n),
    )


def _said(mu: Any) -> str:
    return f"{len(list(mu))} models" if isinstance(mu, Mapping | pd.DataFrame) else repr(type(mu))
