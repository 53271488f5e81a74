"""What was observed and what was predicted, in one form: rates, with the weight of each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array, check_consistent_length

from families import Array, ExponentialFamily, get_family
from glmnet_nn.comparison.sample import sample_of
from glmnet_nn.estimators._validation import check_weight

_RESOLUTION = 1e-12  # relative, of predictions in double precision
_SINGLE_RESOLUTION = 1e-6

Predictions: TypeAlias = "ArrayLike | pd.DataFrame | Mapping[str, ArrayLike]"


@dataclass(frozen=True)
class Observations:
    """Rates y_i / e_i, what models predict of them, and weights s_i e_i.

    Without exposure e_i = 1, and rates are the values themselves. ``weight @ y`` is the
    weighted total of what was observed, whatever the exposure. Rows of weight 0 are gone.

    Attributes
    ----------
    y : array of shape (n,)
        Rates.
    means : dict of arrays of shape (n,)
        Predicted rates, by the name of the model.
    frequency : array of shape (n,)
        s_i, how many rows this row stands for.
    exposure : array of shape (n,)
        e_i.
    kept : array of int, shape (n,)
        The numbers of these rows in what was given.
    n_given : int
        The number of rows given, with those of weight 0.
    several : bool
        Whether predictions came by name: then tables are by model.
    resolution : float
        Predictions that differ relatively by less are tied.
    """

    y: Array
    means: dict[str, Array]
    frequency: Array
    exposure: Array
    kept: NDArray[np.intp]
    n_given: int
    several: bool
    resolution: float

    @property
    def weight(self) -> Array:
        """s_i e_i, the weight of a rate."""
        return self.frequency * self.exposure

    @property
    def single(self) -> Array:
        """The predicted rates of the only model.

        Raises
        ------
        ValueError
            There are several.
        """
        if len(self.means) != 1:
            raise ValueError(
                f"mu must be the predictions of one model, but it has {len(self.means)}: "
                f"{list(self.means)}. Call this once for each."
            )
        return next(iter(self.means.values()))

    def places(self, values: Array) -> NDArray[np.intp]:
        """Return the place of each value among the distinct ones: see :func:`places`."""
        return places(values, self.resolution)

    def by_model(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return the tables of all models in one, with their names in front of the index."""
        if not self.several:
            return next(iter(tables.values()))
        return pd.concat(dict(tables), names=["model"])


def places(values: Array, resolution: float = _RESOLUTION) -> NDArray[np.intp]:
    """Return the place of each value among the distinct ones, 0 for the least.

    Values that differ by rounding alone are one: a rate that was multiplied by an exposure
    and divided by it again is still the same rate, and must not be put in an order by it.

    Examples
    --------
    >>> print(places(np.array([0.3, 0.1 * 3, 0.2])))
    [1 1 0]
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    size = np.maximum(np.abs(ascending[1:]), np.abs(ascending[:-1]))
    place = np.empty(len(values), dtype=np.intp)
    place[order] = np.concatenate([[0], np.cumsum(np.diff(ascending) > resolution * size)])
    return place


def _named(mu: Predictions) -> tuple[dict[str, Any], bool]:
    """Return the predictions by the name of the model, and whether there may be several."""
    if isinstance(mu, Mapping | pd.DataFrame):
        return {str(name): mu[name] for name in mu}, True
    return {"model": mu}, False


def observations(
    y: ArrayLike,
    mu: Predictions,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> Observations:
    """Return what was observed and predicted, checked.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count (or amount) of the row, not its rate.
    mu : array-like of shape (n,), or dict or DataFrame of several
        Predicted means, on the scale of y: with ``exposure`` the expected count.
    sample_weight : array-like of shape (n,), optional
        >= 0; a weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0. Rates y / e and mu / e then have the weight e times that of the row.

    Raises
    ------
    ValueError, TypeError
        Lengths differ; a number is not finite; a row has no exposure.

    Examples
    --------
    >>> seen = observations([1, 0, 3], [0.5, 0.5, 2.0], exposure=[0.5, 1.0, 2.0])
    >>> print(seen.y, seen.single, float(seen.weight @ seen.y))
    [2.  0.  1.5] [1.  0.5 1. ] 4.0
    """
    named, several = _named(mu)
    if not named:
        raise ValueError("mu must hold the predictions of a model, but it is empty.")
    for what, values in (("sample_weight", sample_weight), ("exposure", exposure)):
        if isinstance(values, str):
            raise TypeError(
                f"{what} must hold a number for each row, but got {values!r}. Pass the column, "
                "or use from_estimator, which knows X."
            )
    check_consistent_length(y, *named.values(), sample_weight, exposure)
    target = np.asarray(y)
    weight = check_weight(sample_weight, np.empty((len(target), 0)))
    kept = np.flatnonzero(weight > 0)
    columns = [column(f"mu of {name!r}" if several else "mu", v, kept) for name, v in named.items()]
    time = None if exposure is None else np.asarray(exposure)[kept]
    sample = sample_of(
        np.column_stack(columns), column("y", target, kept), weight[kept], True, None, time
    )
    e = np.ones(len(kept)) if sample.exposure is None else sample.exposure
    means = dict(zip(named, (sample.X / e[:, None]).T, strict=True))
    single = any(np.asarray(v).dtype == np.float32 for v in named.values())
    return Observations(
        sample.y / e,
        means,
        sample.weight,
        e,
        kept,
        len(target),
        several,
        _SINGLE_RESOLUTION if single else _RESOLUTION,
    )


def column(name: str, values: Any, rows: NDArray[np.intp]) -> Array:
    """Return rows of a column of finite numbers.

    Raises
    ------
    ValueError, TypeError
        It is no column, or holds what is no finite number.
    """
    found = np.asarray(values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise ValueError(
            f"{name} must have one value for each row, but its shape is {found.shape}. Validate "
            "one output at a time; of classes, one against the rest: y == k and its probability."
        )
    if found.dtype.kind not in "buif" and not _are_numbers(found):
        raise TypeError(
            f"{name} must hold numbers, but it holds {found[:1].tolist()[0]!r}. Of labels pass "
            "y == label and the probability of that label, or use from_estimator."
        )
    checked: Array = check_array(found[rows], ensure_2d=False, dtype=np.float64, input_name=name)
    return checked


def _are_numbers(values: Any) -> bool:
    """Tell whether an array of objects (a nullable column of pandas, say) holds numbers."""
    return not any(isinstance(value, str | bytes) for value in values.ravel())


def known_law(family: str | ExponentialFamily) -> ExponentialFamily:
    """Return the family, if its parameters are known and its y is one number.

    Raises
    ------
    ValueError
        A parameter is to be estimated.
    """
    law = get_family(family)
    if law.unknown is not None:
        raise ValueError(
            f"the deviance of {type(law).__name__} depends on {law.unknown.name}, which is to be "
            f"estimated. Say at which value, as family={law.initial!r}, or pass model.family_."
        )
    return law
