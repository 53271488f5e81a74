"""Estimates with standard errors and limits, from results of any kind or from a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from families import Array
from glmnet_nn.inference import GLMResults, LocalCoefficients, NetworkResults
from glmnet_nn.inference.margins import MarginalEffects

_ESTIMATES = ("estimate", "coef", "params")
_CONSTANT = "const"  # what sm.add_constant calls the intercept
_ERRORS = ("se", "bse", "std err", "std_err")


@dataclass(frozen=True)
class Estimates:
    """Coefficients by name.

    Attributes
    ----------
    names : list of str
        Of classes ``class:name``.
    estimate, se : array of shape (m,)
    limits : array of shape (m, 2)
    link : str or None
        Of the model, if it is known.
    """

    names: list[str]
    estimate: Array
    se: Array
    limits: Array
    link: str | None = None


def read_estimates(source: Any, alpha: float) -> Estimates:
    """Return the estimates in results of inference, of statsmodels, or in a table.

    Parameters
    ----------
    source : GLMResults, NetworkResults, effects, local coefficients of one row, results of \
statsmodels, or DataFrame
        A network stands for its average partial effects on the linear predictor, which of a
        GLM are its coefficients. Of other results ``params``, ``bse`` and ``conf_int(alpha)`` are
        taken. A table has columns "estimate" and "se" ("coef" and "std err", "params" and "bse"
        do as well), and limits of the normal law.
    alpha : float
        1 - coverage of the limits.

    Raises
    ------
    ValueError, TypeError
        The table has no estimates or standard errors; it is nothing of the kind.

    Examples
    --------
    >>> table = pd.DataFrame({"coef": [1.0], "std err": [0.5]}, index=["x"])
    >>> read_estimates(table, 0.05).limits.round(2).tolist()
    [[0.02, 1.98]]
    """
    if isinstance(source, pd.DataFrame):
        return _of_table(source, alpha)
    if isinstance(source, NetworkResults):
        effects = source.average_partial_effects(which="linear")
        return _of_effects(effects, alpha, source.family.link_name)
    if isinstance(source, MarginalEffects):
        return _of_effects(source, alpha, None)
    if isinstance(source, LocalCoefficients):
        return _of_one_row(source, alpha)
    if not all(hasattr(source, name) for name in ("params", "bse", "conf_int")):
        raise TypeError(
            "estimates must be the results of inference(), results with params, bse and "
            "conf_int(), or a DataFrame with columns 'estimate' and 'se', but got a "
            f"{type(source).__name__}."
        )
    link = source.fitted.family.link_name if isinstance(source, GLMResults) else None
    limits = source.conf_int(alpha)
    ends = np.asarray(limits, dtype=float).reshape(-1, 2)
    estimate, se = _by_output(source.params), _by_output(source.bse)
    return Estimates(_names(source, limits), estimate, se, ends, link)


def _by_output(values: Any) -> Array:
    """Return values of names x outputs, output by output."""
    return np.asarray(values, dtype=float).T.ravel()


def _names(source: Any, limits: Any) -> list[str]:
    """Return the names of the parameters, of several outputs with the name of the output."""
    names = getattr(limits, "index", None)
    if names is None:
        names = source.model.exog_names
    keys = (name if isinstance(name, tuple) else (name,) for name in names)
    return [":".join("Intercept" if k == _CONSTANT else str(k) for k in key) for key in keys]


def _of_effects(effects: MarginalEffects, alpha: float, link: str | None) -> Estimates:
    names = effects.names
    if effects.outputs is not None:
        names = [f"{output}:{name}" for output in effects.outputs for name in names]
    limits = effects.conf_int(alpha)
    if limits.ndim == 3:  # columns x outputs
        limits = limits.transpose(1, 0, 2).reshape(-1, 2)
    estimate, se = _by_output(effects.margeff), _by_output(effects.margeff_se)
    return Estimates(names, estimate, se, limits, link)


def _of_one_row(slopes: LocalCoefficients, alpha: float) -> Estimates:
    if slopes.coef.shape != (1, len(slopes.names)):
        raise ValueError(
            "a table has one local coefficient of each column, but got those of several rows or "
            f"outputs, of shape {slopes.coef.shape}. Pass local_coef(X[:1]) of one row; of several "
            "see their relativities()."
        )
    limits = slopes.conf_int(alpha)[0]
    return Estimates(slopes.names, slopes.coef[0], slopes.se[0], limits, slopes.link_name)


def _of_table(table: pd.DataFrame, alpha: float) -> Estimates:
    estimate = _column(table, "estimate", _ESTIMATES)
    se = _column(table, "se", _ERRORS)
    if np.any(se < 0):
        raise ValueError(f"standard errors must be >= 0, but one is {float(np.nanmin(se))!r}.")
    half = special.ndtri(1.0 - alpha / 2) * se
    limits = np.column_stack([estimate - half, estimate + half])
    return Estimates([str(name) for name in table.index], estimate, se, limits)


def _column(table: pd.DataFrame, what: str, names: tuple[str, ...]) -> Array:
    """Return the column of the table that goes by one of these names."""
    found = [name for name in names if name in table.columns]
    if len(found) != 1:
        raise ValueError(
            f"the table must have one column for {what}, called one of {names}, but its columns "
            f"are {list(table.columns)}."
        )
    return table[found[0]].to_numpy(dtype=float)
