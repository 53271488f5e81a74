"""What fitted models predict of the rows at hand, as the tables of this package take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier

from families import Array, ExponentialFamily, get_family
from glmnet_nn.comparison.contenders import EstimatorContender
from glmnet_nn.comparison.means import innermost, observed, unwrapped
from glmnet_nn.comparison.sample import Sample, sample_of
from glmnet_nn.estimators._validation import check_weight


@dataclass(frozen=True)
class Fitted:
    """Observations and predictions of fitted models on the same rows, those of weight > 0.

    Attributes
    ----------
    y : array of shape (n,), or (n, K) for several classes
    mu : dict of arrays of that shape, or one array
        A dict if several models were given, by name.
    arguments : dict
        ``sample_weight`` and ``exposure`` of these rows, for the tables.
    name : str
        What to call a single model.
    family : ExponentialFamily or None
        The law of the models, if they state one; Bernoulli or Multinoulli for classes.
    index : array of int
        The numbers of these rows in X.
    """

    y: Array
    mu: Any
    arguments: dict[str, Array | None]
    name: str
    family: ExponentialFamily | None
    index: NDArray[np.intp]

    def law(self, family: str | ExponentialFamily | None) -> ExponentialFamily:
        """Return the family asked for, else that of the models.

        Raises
        ------
        ValueError
            The models agree on none, and none was asked for.
        """
        if family is not None:
            return get_family(family)
        if self.family is None:
            raise ValueError("the models agree on no law of y. Say which, as family='poisson'.")
        return self.family


def fitted_means(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | str | None = None,
    exposure: ArrayLike | str | None = None,
    pos_label: Any = None,
    classes: bool = False,
) -> Fitted:
    """Return y and the means that fitted models predict of it.

    Parameters
    ----------
    estimator : estimator, or dict of them by name
        Fitted; of this package or any with scikit-learn's interface, pipelines and searches
        too. One that knows no exposure is taken to predict rates, which are multiplied by it.
    X, y, sample_weight, offset, exposure
        As in ``fit``; ``offset`` and ``exposure`` may name columns of X. A column that a model
        reads by itself (``exposure="months"``) need not be named again.
    pos_label : label, optional
        Of a classifier: the class whose probability counts, against the rest. By default the
        second of two.
    classes : bool, default=False
        Whether the probabilities of several classes are wanted together, (n, K).

    Raises
    ------
    ValueError, TypeError
        The models do not predict one mean of the same y.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = np.arange(6.0)[:, None], np.array(["no", "no", "yes", "no", "yes", "yes"])
    >>> found = fitted_means(LogisticRegression().fit(X, y), X, y)
    >>> print(found.y, found.name)
    [0. 0. 1. 0. 1. 1.] LogisticRegression
    """
    several = isinstance(estimator, Mapping)
    models = dict(estimator) if several else {type(innermost(estimator)).__name__: estimator}
    if not models:
        raise ValueError("estimator must be a fitted model or a dict of them, but it is empty.")
    for name, model in models.items():
        if not hasattr(model, "predict") or not hasattr(model, "get_params"):
            raise TypeError(
                f"estimator must be a fitted model with scikit-learn's interface, or a dict of "
                f"them, but {name!r} is a {type(model).__name__}. Use from_predictions."
            )
    faces = {name: EstimatorContender(name, model) for name, model in models.items()}
    known = _columns(faces, {"offset": offset, "exposure": exposure})
    weight = check_weight(sample_weight, np.empty((len(np.asarray(y)), 0)))
    sample = sample_of(X, y, weight, sample_weight is not None, known["offset"], known["exposure"])
    labels = _labels(models)
    target, trials = _response(models, sample, labels)
    means = {name: _means(face, models[name], sample) for name, face in faces.items()}
    if labels is not None and (target.shape[1] > 1 or pos_label is not None) and not classes:
        k = _class(labels, pos_label)
        target = _one(target, k)
        means = {name: _one(values, k) for name, values in means.items()}
    for name, values in means.items():
        if values.shape != target.shape or (values.shape[1] > 1 and labels is None):
            raise ValueError(
                f"model {name!r} predicts means of shape {values.shape} for y of shape "
                f"{target.shape}. Validate one output at a time, from its predictions."
            )
    squeezed = target.shape[1] == 1
    mu = {name: values[:, 0] if squeezed else values for name, values in means.items()}
    return Fitted(
        y=target[:, 0] if squeezed else target,
        mu=mu if several else next(iter(mu.values())),
        arguments={
            "sample_weight": sample.weight if trials is None else sample.weight * trials,
            "exposure": sample.exposure,
        },
        name=next(iter(models)),
        family=_law(models, labels, target),
        index=sample.index,
    )


def inference_of(estimator: Any, X: Any, y: ArrayLike, what: str, **data: Any) -> Any:
    """Return the results of inference of a model fitted to these data.

    ``data`` are arguments of ``inference()``. The model may be the last step of a pipeline, or the
    best of a search.

    Raises
    ------
    TypeError
        The model has no ``inference()``, which ``what`` needs.
    """
    model, columns = unwrapped(estimator, X)
    if not hasattr(model, "inference"):
        raise TypeError(
            f"{what} need inference(), which {type(model).__name__} does not have. Pass a table of "
            "estimates and standard errors, or results, where they are taken."
        )
    return model.inference(columns, y, **data)


def _means(face: EstimatorContender, model: Any, sample: Sample) -> Array:
    """Return the means of one model, (n, K).

    Raises
    ------
    ValueError
        It knows nothing of an offset that there is.
    """
    if face.predicts_rates(sample) and (sample.offset is not None or face.is_classifier):
        raise ValueError(
            f"model {face.name!r} knows neither offset nor exposure: a regressor is taken to "
            "predict rates, which an exposure multiplies, but an offset, or an exposure of "
            "probabilities, has no such meaning. Pass the predictions to from_predictions."
        )
    return face.means(model, sample)


def _columns(faces: dict[str, EstimatorContender], given: dict[str, Any]) -> dict[str, Any]:
    """Return offset and exposure, as given or as the models read them from X."""
    known = dict(given)
    for name, face in faces.items():
        for what, column in face.columns.items():
            if known[what] is not None and not (
                isinstance(known[what], str) and known[what] == column
            ):
                raise ValueError(
                    f"model {name!r} reads {what}={column!r} of X by itself, but {what} is another "
                    "one here. Leave it out: all models are given that column."
                )
            known[what] = column
    return known


def _labels(models: dict[str, Any]) -> NDArray[Any] | None:
    """Return the classes of classifiers, None of regressors.

    Raises
    ------
    ValueError
        There are both, or their classes differ.
    """
    kinds = {name: is_classifier(model) for name, model in models.items()}
    if not any(kinds.values()):
        return None
    found = [np.asarray(model.classes_) for model in models.values() if hasattr(model, "classes_")]
    same = all(np.array_equal(found[0], other) for other in found)
    if not all(kinds.values()) or not same:
        raise ValueError(
            f"the models must all be classifiers of the same classes, or all regressors, but "
            f"they are {kinds} (True: classifier). Validate them apart."
        )
    return found[0]


def _response(
    models: dict[str, Any], sample: Sample, labels: NDArray[Any] | None
) -> tuple[Array, Array | None]:
    """Return y as numbers, (n, K), and trials, if y counts successes and failures."""
    columns = observed(sample.y, labels)
    family = getattr(innermost(next(iter(models.values()))), "family_", None)
    return (columns, None) if family is None else family.response(columns)


def _class(labels: NDArray[Any], pos_label: Any) -> int:
    """Return the number of the class that counts."""
    if pos_label is None or pos_label not in labels.tolist():
        raise ValueError(
            f"of several classes one counts, against the rest: pos_label must be one of "
            f"{labels.tolist()}, but got {pos_label!r}."
        )
    return labels.tolist().index(pos_label)


def _one(means: Array, k: int) -> Array:
    """Return the column of class k; a single column is that of the second of two classes."""
    if means.shape[1] > 1:
        return means[:, [k]]
    return means if k == 1 else 1.0 - means


def _law(
    models: dict[str, Any], labels: NDArray[Any] | None, target: Array
) -> ExponentialFamily | None:
    """Return the law of the models, with the first one's link; None if they agree on none."""
    if labels is not None:
        return get_family("bernoulli" if target.shape[1] == 1 else "multinoulli")
    stated = [getattr(innermost(model), "family_", None) for model in models.values()]
    laws = [law for law in stated if law is not None]
    return laws[0] if len({get_family(law, "auto") for law in laws}) == 1 else None
