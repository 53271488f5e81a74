"""Relativities: exp of coefficients with intervals, as a table of factors and levels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from families import Array
from glmnet_nn.inference import GLMResults, LocalCoefficients, NetworkResults
from glmnet_nn.validation.estimates import Estimates, read_estimates

_MULTIPLICATIVE = ("log", "logit")  # links under which exp(coefficient) multiplies
_FORMULA = re.compile(
    r"^(?:C\((?P<inner>[^,)]+)[^\[]*\)|(?P<plain>[^\[]+))\[(?:T\.)?(?P<level>.+)\]$"
)


def relativities(
    estimates: Any, base: Mapping[str, Any] | None = None, *, alpha: float = 0.05
) -> pd.DataFrame:
    """Return exp of coefficients with intervals, factor by factor and level by level.

    Under a log link exp(b) multiplies the mean: the relativity of a level against the base
    level, or of one unit more of a number. Under a logit link it multiplies the odds.

    Parameters
    ----------
    estimates : results, LocalCoefficients or DataFrame
        What ``model.inference(X, y)`` returned: coefficients or, with hidden layers, the means
        of the local coefficients over the rows of the fit. Local coefficients of one row,
        ``inference(X, y).local_coef(x)``. Or any table of estimates and standard errors:
        columns "estimate" and "se" ("coef" and "std err", "params" and "bse" do as well), one
        row a coefficient.
    base : dict of factor to level, optional
        The base level of each factor that was coded by 0/1 columns called ``factor_level``, as
        by scikit-learn's OneHotEncoder(drop="first"): the rows of those columns are its other
        levels. Names of formulas, ``factor[T.level]`` or ``C(factor)[T.level]``, are understood
        anyway.
    alpha : float, default=0.05
        1 - coverage of the intervals: by the normal law, or as the results have it.

    Returns
    -------
    DataFrame
        Index ``factor``, ``level`` ("" of a number and of the intercept); columns ``estimate``,
        ``se``, ``relativity`` = exp(estimate), ``lower``, ``upper``. Base levels that are known
        stand first in their factor, with relativity 1. What the data do not determine is NaN.

    Raises
    ------
    ValueError, TypeError
        The link is not multiplicative; local coefficients are of several rows; the table has
        no estimates or standard errors; no column belongs to a factor, or one to two of them.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"estimate": [-2.0, np.log(2), np.log(3)], "se": [0.1, 0.0, 0.0]},
    ...     index=["Intercept", "area_B", "area_C"])
    >>> print(relativities(table, {"area": "A"})["relativity"].round(3).to_string())
    factor     level
    Intercept           0.135
    area       A        1.000
               B        2.000
               C        3.000
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number in (0, 1), but got {alpha!r}.")
    found = _read(estimates, alpha)
    names = found.names
    bases = {str(factor): str(level) for factor, level in (base or {}).items()}
    places = [_place(name, bases) for name in names]
    missed = set(bases) - {factor for factor, level in places if level}
    if missed:
        raise ValueError(
            f"base names the factors {sorted(missed)}, but no coefficient is called "
            f"'factor_level' of them; the coefficients are {names[:20]}."
        )
    with np.errstate(over="ignore"):
        factors = np.exp(found.estimate), np.exp(found.limits)
        columns = np.column_stack([found.estimate, found.se, *factors])
    rows: dict[tuple[str, str], Array] = {}
    for (factor, level), values in zip(places, columns, strict=True):
        if factor in bases and (factor, bases[factor]) not in rows:
            rows[factor, bases[factor]] = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
        if (factor, level) in rows:
            raise ValueError(
                f"level {level!r} of {factor!r} is there twice. The base level has no coefficient "
                "of its own; and names must be distinct."
            )
        rows[factor, level] = values
    ordered = sorted(rows, key=lambda place: [f for f, _ in rows].index(place[0]))
    return pd.DataFrame(
        [rows[place] for place in ordered],
        index=pd.MultiIndex.from_tuples(ordered, names=["factor", "level"]),
        columns=["estimate", "se", "relativity", "lower", "upper"],
    )


def _read(source: Any, alpha: float) -> Estimates:
    """Return the estimates, if their exp multiplies."""
    if not isinstance(source, GLMResults | NetworkResults | LocalCoefficients | pd.DataFrame):
        raise TypeError(
            "estimates must be the results of inference(), local coefficients of one row, or a "
            f"DataFrame with columns 'estimate' and 'se', but got a {type(source).__name__}."
        )
    found = read_estimates(source, alpha)
    if found.link is not None and found.link not in _MULTIPLICATIVE:
        raise ValueError(
            f"exp of a coefficient is a factor under the links {_MULTIPLICATIVE}, but the "
            f"link is {found.link!r}. Fit with link='log', or read inference(X, y).summary()."
        )
    return found


def _place(name: str, bases: Mapping[str, str]) -> tuple[str, str]:
    """Return factor and level of a coefficient; of a number its name and ""."""
    coded = _FORMULA.match(name)
    if coded:
        return (coded["inner"] or coded["plain"]).strip(), coded["level"]
    owners = [factor for factor in bases if name.startswith(f"{factor}_")]
    if not owners:
        return name, ""
    factor = max(owners, key=len)  # "car" and "car_age": the column car_age_3 is of the second
    return factor, name[len(factor) + 1 :]
