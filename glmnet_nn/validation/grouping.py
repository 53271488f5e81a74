"""Groups of rows: bins of equal exposure that never split ties, and their totals."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from families import Array
from glmnet_nn.validation.observations import Observations, places

_SHARE_ROUNDING = 1e-9  # of the total weight: sums in another order put no row elsewhere


def check_bins(n_bins: int) -> int:
    """Return the number of bins, if it is one."""
    if not isinstance(n_bins, Integral) or isinstance(n_bins, bool) or n_bins < 1:
        raise ValueError(f"n_bins must be an integer >= 1, but got {n_bins!r}.")
    return int(n_bins)


def equal_bins(place: NDArray[np.intp], weight: Array, n_bins: int) -> NDArray[np.intp]:
    """Return the bin of each row, 0, 1, ..., of about equal weight, by ascending ``places``.

    Rows of the same place are in the same bin, that of the middle of their share of the
    weight, so that no order of rows matters. There are fewer bins where values are few.

    Examples
    --------
    >>> print(equal_bins(np.array([2, 0, 0, 1]), np.ones(4), 2))
    [1 0 0 1]
    """
    mass = np.bincount(place, weights=weight)
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    bins = np.floor(check_bins(n_bins) * middle + _SHARE_ROUNDING).astype(np.intp)
    renumbered: NDArray[np.intp] = np.unique(bins, return_inverse=True)[1]
    return renumbered[place]


def totals(
    seen: Observations, mu: Array, group: NDArray[np.intp], n_groups: int
) -> dict[str, Array]:
    """Return exposure, actual, expected, ratio and se of each group, as columns of a table.

        exposure = sum s e,  actual = sum s e y / exposure,  expected = sum s e mu / exposure
        ratio = actual / expected,  se^2 = sum s (e (y - mu))^2 / exposure^2

    with y and mu rates. se is the standard error of ``actual`` where ``expected`` is right, by
    the residuals of the group and no law; rows are taken as independent.
    """

    def summed(values: Array) -> Array:
        return np.asarray(np.bincount(group, values, n_groups), dtype=float)

    exposure = summed(seen.weight)
    observed, predicted = summed(seen.weight * seen.y), summed(seen.weight * mu)
    squares = summed(seen.frequency * np.square(seen.exposure * (seen.y - mu)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = observed / predicted
    return {
        "exposure": exposure,
        "actual": observed / exposure,
        "expected": predicted / exposure,
        "ratio": ratio,
        "se": np.sqrt(squares) / exposure,
    }


def bin_index(n_bins: int, name: str = "bin") -> pd.Index:
    """Return 1, 2, ..., the numbers of bins."""
    return pd.RangeIndex(1, n_bins + 1, name=name)


def levels_of(values: Any, weight: Array, n_bins: int) -> tuple[NDArray[np.intp], pd.Index]:
    """Return the level of each row, and the levels.

    Numbers of more than ``n_bins`` distinct values become bins of equal weight, labelled by
    the interval of their values; all else, categories in their order, is a factor as it is.
    What is missing is a level of its own, the last.
    """
    check_bins(n_bins)
    given = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    missing = given.isna().to_numpy()
    numeric = pd.api.types.is_numeric_dtype(given) and not pd.api.types.is_bool_dtype(given)
    code = np.full(len(given), -1, dtype=np.intp)
    if numeric and given.nunique() > n_bins:
        x = given.to_numpy(dtype=float, na_value=np.nan)[~missing]
        code[~missing] = bins = equal_bins(places(x), weight[~missing], n_bins)
        labels = _intervals([x[bins == k] for k in range(int(bins.max()) + 1)])
    else:
        factor = pd.Categorical(given)
        present = np.unique(factor.codes[~missing])
        code[~missing] = np.searchsorted(present, factor.codes[~missing])
        labels = [factor.categories[k] for k in present]
    if missing.any():
        code[missing] = len(labels)
        labels.append("missing")
    return code, pd.Index(labels, name=given.name if given.name is not None else "level")


def _intervals(bins: list[Array]) -> list[str]:
    """Return the range of each bin in words, with as few digits as tell the bins apart."""
    ends = [(float(x.min()), float(x.max())) for x in bins]
    for digits in range(3, 18):
        labels = [
            f"{low:.{digits}g}" if low == high else f"{low:.{digits}g} to {high:.{digits}g}"
            for low, high in ends
        ]
        if len(set(labels)) == len(labels):
            break
    return labels
