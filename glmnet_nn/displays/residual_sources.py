"""Residuals from wherever a fit is known: an estimator, its results, or predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from families import Array, ExponentialFamily
from glmnet_nn.comparison.means import unwrapped
from glmnet_nn.estimators._validation import check_weight, named_output
from glmnet_nn.inference import GLMResults, NetworkResults, generator
from glmnet_nn.inference.residuals import KINDS, residuals
from glmnet_nn.validation.lift_display import column_of
from glmnet_nn.validation.observations import known_law, observations

_SCALES = ("fitted", "linear")


@dataclass(frozen=True)
class Residuals:
    """Residuals of one output at the rows of positive weight.

    Attributes
    ----------
    values, mu, eta : array of shape (n,)
    weight : array of shape (n,)
        How many rows each stands for in a smooth.
    kind : str
    family : ExponentialFamily
    name : str
        What to call the model.
    """

    values: Array
    mu: Array
    eta: Array
    weight: Array
    kind: str
    family: ExponentialFamily
    name: str

    def against(self, by: Any, X: Any, kept: Any) -> pd.Series:
        """Return what the residuals are drawn against, under the name of its axis.

        Parameters
        ----------
        by : {"fitted", "linear"}, a column of X, or array-like with a value for each row
        X : the data, or None
        kept : array of bool
            Which rows of the data have residuals.

        Raises
        ------
        ValueError
            X has no such column, or the array another length.
        """
        if isinstance(by, str) and by in _SCALES:
            what = {"fitted": (self.mu, "fitted mean"), "linear": (self.eta, "linear predictor")}
            values, label = what[by]
            return pd.Series(values, name=label)
        found = column_of(X, by, len(kept))
        named = found[kept].reset_index(drop=True)
        return named.rename("column" if named.name is None else str(named.name))


def check_kind(kind: str) -> str:
    """Return the kind of residual, if it is one."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}, but got {kind!r}.")
    return kind


def require_finite(finite: Any) -> Any:
    """Return which residuals are finite.

    Raises
    ------
    ValueError
        None is.
    """
    if not finite.any():
        raise ValueError(
            f"none of {len(finite)} residuals is finite: the law gives no y of these rows a "
            "probability that has a quantile. Look at kind='response'."
        )
    return finite


def of_estimator(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    kind: str,
    *,
    output: Any,
    random_state: Any,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
) -> tuple[Residuals, NDArray[np.bool_]]:
    """Return the residuals of a fitted model, and which rows of X have one."""
    check_kind(kind)
    model, columns = unwrapped(estimator, X)
    if not hasattr(model, "residuals"):
        raise TypeError(
            "residuals are those of an estimator with residuals(), as DeepGLMRegressor has it, "
            f"but got a {type(model).__name__}. Pass its predictions to from_predictions."
        )
    known = {"offset": offset, "exposure": exposure}
    values = model.residuals(
        columns, y, sample_weight, **known, kind=kind, random_state=random_state
    )
    kept = check_weight(sample_weight, np.empty((len(np.asarray(y)), 0))) > 0
    eta = np.asarray(model.linear_predictor(columns, **known))[kept]
    weight = np.ones(len(eta)) if sample_weight is None else np.asarray(sample_weight)[kept]
    place = named_output(output, model._output_names() if values.ndim == 2 else None)
    mu = model.family_.mean(eta.reshape(len(eta), -1))
    found = Residuals(
        values if place is None else values[:, place],
        mu[:, place or 0],
        eta if place is None else eta[:, place],
        weight.astype(float),
        kind,
        model.family_,
        type(model).__name__,
    )
    return found, kept


def of_results(
    results: GLMResults | NetworkResults, kind: str, *, output: Any, random_state: Any
) -> tuple[Residuals, pd.DataFrame]:
    """Return the residuals at the rows of a fit, and its columns."""
    if not isinstance(results, GLMResults | NetworkResults):
        raise TypeError(
            "results must be what inference(X, y) returned, but got a "
            f"{type(results).__name__}. Use from_estimator or from_predictions."
        )
    values = results.residuals(check_kind(kind), random_state)
    fitted, estimate = results.fitted, results.estimate
    names, outputs, _ = results._labels
    place = named_output(output, outputs)
    at = place or 0
    columns = pd.DataFrame(estimate.inputs.given(fitted.rows.X), columns=names)
    found = Residuals(
        values if place is None else values[:, at],
        fitted.family.mean(fitted.eta)[:, at],
        fitted.eta[:, at],
        fitted.weights.copies,
        kind,
        fitted.family,
        "",
    )
    return found, columns


def of_predictions(
    y: ArrayLike,
    mu: ArrayLike,
    family: str | ExponentialFamily,
    kind: str,
    *,
    dispersion: float | ArrayLike | None,
    random_state: Any,
    sample_weight: ArrayLike | None,
) -> tuple[Residuals, NDArray[np.bool_]]:
    """Return the residuals of predicted means, and which rows have one."""
    law = known_law(family)
    seen = observations(y, mu, sample_weight)
    law.check_response(seen.y)
    means = seen.single
    with np.errstate(all="ignore"):
        eta = law.link_of(means)
    possible = np.isfinite(eta) & law.mean_domain.contains(means)
    if not possible.all():
        at = int(np.argmin(possible))
        raise ValueError(
            f"{type(law).__name__} has no finite linear predictor for the mean {means[at]!r} of "
            f"row {int(seen.kept[at])}. Leave such rows out, or use another family."
        )
    kept = np.zeros(seen.n_given, dtype=bool)
    kept[seen.kept] = True
    phi = _dispersion(law, seen.y, eta, seen.frequency, dispersion, kept)
    values = residuals(
        law,
        seen.y[:, None],
        eta[:, None],
        check_kind(kind),
        precision=np.ones(len(eta)),
        phi=phi,
        rng=generator(random_state),
    )
    return Residuals(values[:, 0], means, eta, seen.frequency, kind, law, ""), kept


def _dispersion(
    law: ExponentialFamily,
    y: Array,
    eta: Array,
    weight: Array,
    given: float | ArrayLike | None,
    kept: NDArray[np.bool_],
) -> Array | float:
    """Return phi: as given, (n, 1) if by row, or Pearson's chi^2 over the sum of weights."""
    if not law.has_dispersion:
        return 1.0
    if given is None:
        return float(weight @ np.square(law.pearson(y, eta)) / weight.sum())
    phi = np.asarray(given, dtype=float)
    if phi.ndim and phi.shape != kept.shape:
        raise ValueError(
            f"dispersion must be a number or have one value for each of the {len(kept)} rows, but "
            f"its shape is {phi.shape}."
        )
    if not np.all(phi > 0):
        raise ValueError(f"dispersion must be > 0, but the least is {float(phi.min())!r}.")
    return phi[kept][:, None] if phi.ndim else float(phi)
