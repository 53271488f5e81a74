"""Observed and predicted means in one form, whatever the model: (n, K) arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_array, column_or_1d

from families import Array, ExponentialFamily, Simplex


def observed(y: ArrayLike, classes: NDArray[Any] | None = None) -> Array:
    """Return y as a family has it, (n, K): labels as indicators, of the second of two classes.

    Raises
    ------
    ValueError
        A label is none of the classes; a value is no finite number.
    """
    if classes is None or np.ndim(y) == 2:
        values: Array = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return values[:, None] if values.ndim == 1 else values
    labels = column_or_1d(y)
    unknown = ~np.isin(labels, classes)
    if unknown.any():
        at = int(np.argmax(unknown))
        raise ValueError(
            f"y must hold the classes of the fit, {classes.tolist()}, but y[{at}] = "
            f"{labels[at : at + 1].tolist()[0]!r}. Fit the model to data with that class."
        )
    return (labels[:, None] == classes).astype(float)[:, int(len(classes) == 2) :]


def predicted(estimator: Any, X: Any, **known: Any) -> Array:
    """Return the means of a fitted estimator, (n, K): probabilities of a classifier.

    ``known`` holds offset and exposure; what is None is not passed on.

    Raises
    ------
    TypeError
        A classifier states no probabilities.
    """
    known = {name: value for name, value in known.items() if value is not None}
    if not is_classifier(estimator):
        values = np.asarray(estimator.predict(X, **known), dtype=float)
        return values[:, None] if values.ndim == 1 else values
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"the deviance of a classifier is that of its probabilities, but "
            f"{type(innermost(estimator)).__name__} has no predict_proba. Give it one: "
            "probability=True, loss='log_loss', or CalibratedClassifierCV around it."
        )
    probabilities = np.asarray(estimator.predict_proba(X, **known), dtype=float)
    multilabel = getattr(innermost(estimator), "_multilabel", False)
    two = probabilities.shape[1] == 2 and not multilabel
    return probabilities[:, 1:] if two else probabilities


def innermost(estimator: Any) -> Any:
    """Return the model itself, out of pipelines and searches, fitted or not."""
    while True:
        estimator = last_step(estimator)
        if not isinstance(estimator, BaseSearchCV):
            return estimator
        estimator = getattr(estimator, "best_estimator_", estimator.estimator)


def last_step(estimator: Any) -> Any:
    """Return what fits and predicts: the last step of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def unwrapped(fit: Any, X: Any) -> tuple[Any, Any]:
    """Return the fitted model itself, and X as the steps before it hand it on."""
    while True:
        if isinstance(fit, Pipeline):
            fit, X = fit.steps[-1][1], fit[:-1].transform(X) if len(fit) > 1 else X
        elif hasattr(fit, "best_estimator_"):
            fit = fit.best_estimator_
        else:
            return fit, X


def unit_deviances(family: ExponentialFamily, y: Array, mu: Array) -> Array:
    """Return the unit deviance of each row, (n,), summed over the outputs.

    It is infinite where the law has no such mean: a linear model of counts, say, may
    predict less than none, and no law of counts gives that a likelihood.
    """
    domain = family.mean_domain
    if isinstance(domain, Simplex):
        possible = (mu >= 0).all(axis=1)
    else:
        possible = ((mu >= domain.low) & (mu <= domain.high)).all(axis=1)
    with np.errstate(all="ignore"):
        deviance = family.unit_deviance(y, mu).reshape(len(y), -1).sum(axis=1)
    return np.where(possible & ~np.isnan(deviance), deviance, np.inf)
