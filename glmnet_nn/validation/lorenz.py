"""Lorenz and concentration curves, Gini indices with their standard errors, also against a base."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from families import Array
from glmnet_nn.validation.observations import Observations, Predictions, column, observations


@dataclass(frozen=True)
class _Order:
    """Rows in an order with ties, on an axis of mass a_i = w_i b_i: share of exposure, or of
    base premiums, with amounts c_i.

    The curve joins, for each place r, the shares of mass and of amount up to r by lines, so
    that rows of one place stand in no order among themselves.
    """

    place: NDArray[np.intp]
    mass: Array

    def cumulated(self, amount: Array) -> Array:
        """Return the share of an amount up to each place, from 0 to 1."""
        return np.concatenate([[0.0], np.cumsum(np.bincount(self.place, amount))]) / amount.sum()

    def middle(self, amount: Array) -> Array:
        """Return for each row the share before its place and half of that in it."""
        ends = self.cumulated(amount)
        return (0.5 * (ends[1:] + ends[:-1]))[self.place]

    def gini(self, amount: Array) -> tuple[float, Array]:
        """Return G = 1 - 2 T, and its derivative in the log of each row's weight.

            T = sum_i a_i C_i = 1 - sum_i c_i A_i
            dG / d log w_i = -2 [a_i (C_i - T) + c_i (1 - A_i - T)]

        with shares a and c, and C and A their ``middle``. T is the area under the curve.
        """
        a, c = self.mass / self.mass.sum(), amount / amount.sum()
        C, A = self.middle(amount), self.middle(self.mass)
        T = float(a @ C)
        return 1.0 - 2.0 * T, -2.0 * (a * (C - T) + c * (1.0 - A - T))


def lorenz_curve(
    y: ArrayLike,
    mu: Predictions,
    *,
    base: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the concentration curve of y and the Lorenz curve of mu, by ascending prediction.

    Up to each prediction m: the share of exposure, and the shares of what was observed
    (the concentration curve, or Lorenz curve of y in the order of mu) and of what was
    predicted (the Lorenz curve of mu). The two curves are one if the model is autocalibrated;
    the further from the diagonal, the more the model tells risks apart.

    With ``base``, premiums that are charged now, rows are ordered by mu / base, and the share
    of base premiums takes the place of that of exposure: the ordered Lorenz curve.

    Parameters
    ----------
    y : array-like of shape (n,)
        >= 0, not all 0. With ``exposure`` the count, not the rate.
    mu : array-like of shape (n,), or dict or DataFrame of the predictions of several models
        Means >= 0 on the scale of y.
    base : array-like of shape (n,), optional
        Premiums or predictions > 0 on the scale of y: of the nested GLM, say.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: rows are ordered by the rate mu / e.

    Returns
    -------
    DataFrame
        From (0, 0, 0) to (1, 1, 1), one row for each distinct prediction (within each model,
        if there are several): the shares ``exposure`` (or ``base``), ``actual``, ``expected``.

    References
    ----------
    Denuit, Sznajder and Trufin (2019), "Model selection based on Lorenz and concentration
    curves, Gini indices and convex order", Insurance: Mathematics and Economics 89. Frees,
    Meyers and Cummings (2011), "Summarizing insurance scores using a Gini index", JASA 106.

    Examples
    --------
    >>> print(lorenz_curve([0, 1, 3], [1, 1, 2]))
       exposure  actual  expected
    0  0.000000    0.00       0.0
    1  0.666667    0.25       0.5
    2  1.000000    1.00       1.0
    """
    seen = observations(y, mu, sample_weight, exposure)
    charged = _base(seen, base)
    _check_amounts(seen)
    tables = {}
    for name, values in seen.means.items():
        order = _order(seen, values, charged)
        tables[name] = pd.DataFrame(
            {
                "exposure" if charged is None else "base": order.cumulated(order.mass),
                "actual": order.cumulated(seen.weight * seen.y),
                "expected": order.cumulated(seen.weight * values),
            }
        )
    return seen.by_model(tables)


def gini_table(
    y: ArrayLike,
    mu: Predictions,
    *,
    base: ArrayLike | None = None,
    reference: str | None = None,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return Gini indices: 1 - 2 times the area under the concentration curve of y.

    Parameters
    ----------
    y, mu, base, sample_weight, exposure
        As in :func:`lorenz_curve`. With ``base`` the index is that of the ordered Lorenz
        curve: proportional to the covariance of profit, base less y, and the place in the
        order of mu / base; 0 if mu says nothing that base does not.
    reference : str, optional
        The name of one of several models: that of the nested GLM, say. Differences from it
        are then tested row by row.

    Returns
    -------
    DataFrame
        One row a model: ``gini``; ``se``, its standard error for independent rows;
        ``normalized``, gini over that of the order of y itself, the largest possible (of y
        0 and 1 it is 2 AUC - 1; NaN if there is no order); ``lorenz``, the index of the
        Lorenz curve of mu; and ``abc`` = (lorenz - gini) / 2, the area between the curves: 0
        if autocalibrated, above if predictions are spread too far. With ``reference`` also
        ``difference``, ``difference_se`` and the two-sided ``pvalue`` of their ratio.

    Notes
    -----
    The standard error is that of the linear approximation: se^2 = sum u_i^2 / s_i, with
    u_i = dG / d log s_i and s_i ``sample_weight``, by which it is that of Frees, Meyers and
    Cummings (2011), of any weights and ties.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> y, p = [0, 1, 0, 1, 1], [0.1, 0.3, 0.3, 0.4, 0.2]
    >>> float(gini_table(y, p).loc["model", "normalized"]).__round__(12)
    0.5
    >>> float(2 * roc_auc_score(y, p) - 1).__round__(12)
    0.5
    """
    seen = observations(y, mu, sample_weight, exposure)
    charged = _base(seen, base)
    _check_amounts(seen)
    named = list(seen.means) if seen.several else []
    if reference is not None and reference not in named:
        raise ValueError(
            f"reference must be one of the models {named}, named by the keys of mu, but got "
            f"{reference!r}."
        )
    amount = seen.weight * seen.y
    best = _order(seen, seen.y, charged)
    largest = best.gini(amount)[0] if best.place.any() else np.nan
    rows, slopes = {}, {}
    for name, values in seen.means.items():
        order = _order(seen, values, charged)
        gini, slopes[name] = order.gini(amount)
        lorenz = order.gini(seen.weight * values)[0]
        rows[name] = {
            "gini": gini,
            "se": _error(seen, slopes[name]),
            "normalized": gini / largest,
            "lorenz": lorenz,
            "abc": 0.5 * (lorenz - gini),
        }
    if reference is not None:
        for name, row in rows.items():
            row["difference"] = row["gini"] - rows[reference]["gini"]
            row["difference_se"] = _error(seen, slopes[name] - slopes[reference])
            row["pvalue"] = _pvalue(row["difference"], row["difference_se"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="model")


def _error(seen: Observations, slopes: Array) -> float:
    return float(np.sqrt(np.sum(np.square(slopes) / seen.frequency)))


def _pvalue(difference: float, se: float) -> float:
    """Return the two-sided p-value of the normal law; 1 of a model against itself."""
    return float(2 * special.ndtr(-abs(difference) / se)) if se > 0 else float(difference == 0)


def _order(seen: Observations, values: Array, charged: Array | None) -> _Order:
    if charged is None:
        return _Order(seen.places(values), seen.weight)
    return _Order(seen.places(values / charged), seen.weight * charged)


def _base(seen: Observations, base: ArrayLike | None) -> Array | None:
    """Return the base premiums of the rows, as rates."""
    if base is None:
        return None
    given = np.asarray(base)
    if given.shape[:1] != (seen.n_given,):
        raise ValueError(
            f"base must have one value for each of the {seen.n_given} rows, but its shape is "
            f"{given.shape}."
        )
    charged = column("base", given, seen.kept) / seen.exposure
    if not np.all(charged > 0):
        at = int(np.argmin(charged > 0))
        raise ValueError(
            f"base must be > 0, but base[{int(seen.kept[at])}] = "
            f"{float(given[seen.kept[at]])!r}. Premiums of 0 charge nobody: remove such rows."
        )
    return charged


def _check_amounts(seen: Observations) -> None:
    """Raise if y or mu are no amounts that can be shared out."""
    for name, values in {"y": seen.y, **{f"mu of {k!r}": v for k, v in seen.means.items()}}.items():
        if np.any(values < 0) or not np.any(values > 0):
            at = int(np.argmin(values))
            raise ValueError(
                f"shares of a total need amounts >= 0, not all 0, but {name} is "
                f"{float(values[at])!r} in row {int(seen.kept[at])}. Lorenz curves are of claims, "
                "costs or probabilities; see murphy_decomposition for other responses."
            )
