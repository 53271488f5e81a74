"""glm_to_net_path(): a network around a GLM, under penalties from infinity downwards."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length

from families import Array, get_family
from glmnet_nn.comparison.calibration import balance
from glmnet_nn.comparison.means import observed, predicted, unit_deviances
from glmnet_nn.comparison.paired import mean_error
from glmnet_nn.comparison.sample import Sample, sample_of
from glmnet_nn.comparison.table import fold_of_each_row
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._degrees import degrees_of_freedom
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.nesting.results import NetworkPath
from glmnet_nn.training.threads import at_most, on_one_thread

_MOST_DOUBLINGS = 24
_ROUNDING = 1e-9  # of F: a network that gains less has gained nothing
_CLASSICAL = {
    "hidden_layer_sizes": (),
    "skip_connection": False,
    "alpha": 0.0,
    "l1_ratio": 0.0,
    "solver": "auto",
    "max_iter": "auto",
    "tol": "auto",
    "early_stopping": False,
    "polish_output": False,
    "balance": "auto",
    "embedding_size": None,
}


def glm_to_net_path(
    estimator: BaseDeepGLM,
    X: Any,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | str | None = None,
    exposure: ArrayLike | str | None = None,
    strengths: ArrayLike | None = None,
    n_strengths: int = 12,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    rule: str = "1se",
    n_jobs: int | None = None,
) -> NetworkPath:
    """Fit eta = x beta + network(x) under penalties on the network from infinity downwards.

    The penalty of the network is ``strength`` times that of ``estimator``; beta has none. At
    infinity the model is the GLM, exactly. At each strength the network is trained from
    where the one before ended and from a new start; the lower F is kept and, if the GLM
    with no network has a lower one still, the GLM. (There is a strength above which it
    has: the penalty of a product of layers makes the way from the GLM a step at that
    strength, and no slope.) Strengths are judged by cross-validation on the deviance.

    Parameters
    ----------
    estimator : DeepGLMRegressor or DeepGLMClassifier
        With hidden layers. ``skip_connection`` may be "fixed"; else it is taken as True,
        but with architecture="local", which has the GLM in it.
        With ``l1_ratio`` > 0 and ``group_lasso`` whole columns of X leave the network.
    X, y, sample_weight, offset, exposure, groups, cv
        As in :func:`glmnet_nn.compare`.
    strengths : array-like, optional
        Positive multiples of the penalty. By default ``n_strengths`` of them, evenly spaced
        by their logarithm from the first, by fours upwards, at which the GLM is all that is
        left, to a tenth of the estimator's own.
    n_strengths : int, default=12
    rule : {"1se", "min"}, default="1se"
        The largest strength within one standard error of the least validation deviance
        (Breiman et al. 1984, section 3.4.3), or the strength of the least.
    n_jobs : int, optional
        Folds fitted at a time, through joblib. The result does not depend on it, if
        ``random_state`` is a number.

    Returns
    -------
    NetworkPath

    Raises
    ------
    ValueError
        The estimator has no hidden layer, or several members; strengths are not positive; as
        ``fit``.
    """
    template = _template(estimator)
    weight = check_weight(sample_weight, np.asarray(y))
    sample = sample_of(X, y, weight, sample_weight is not None, offset, exposure)
    if rule not in ("1se", "min"):
        raise ValueError(f"rule must be '1se' or 'min', but got {rule!r}.")
    check_consistent_length(y, groups)
    unit = None if groups is None else np.asarray(groups)[sample.index]
    alpha, grid = _grid(template, sample, strengths, n_strengths)
    penalties = [strength * alpha for strength in grid]
    models = list(_path(template, sample, penalties))
    splitter = check_cv(cv, sample.y, classifier=is_classifier(estimator))
    splits = list(splitter.split(sample.X, sample.y, unit))
    fold_of_each_row(splits, len(sample))  # raises if some rows are tested twice
    judge = partial(on_one_thread, _held_out)
    with at_most(1):
        folds = Parallel(n_jobs=n_jobs)(
            delayed(judge)(template, sample.take(train), sample.take(test), penalties)
            for train, test in splits
        )
    deviances, held = (np.concatenate(part, axis=-1) for part in zip(*folds, strict=True))
    fold = np.concatenate([np.full(len(test), k) for k, (_, test) in enumerate(splits)])
    tested = None if unit is None else unit[np.concatenate([test for _, test in splits])]
    table = pd.DataFrame(
        [
            _facts(model, sample)
            | {
                "validation_deviance": np.average(d, weights=held),
                "se": _standard_error(d, held, fold, tested),
            }
            for model, d in zip(models, deviances, strict=True)
        ],
        index=pd.Index([np.inf, *grid], name="strength"),
    )
    order = ["alpha", "train_deviance", "validation_deviance", "se", "df", "balance"]
    return NetworkPath(table[[*order, "n_inputs", "is_glm"]], models, rule)


def _template(estimator: BaseDeepGLM) -> BaseDeepGLM:
    """Return what is fitted at each strength: with a GLM in it, and one fixed seed."""
    if not isinstance(estimator, BaseDeepGLM):
        raise TypeError(
            "glm_to_net_path() needs a DeepGLMRegressor or DeepGLMClassifier, but got a "
            f"{type(estimator).__name__}. Put preprocessing before it."
        )
    if not estimator._hidden_sizes():
        raise ValueError(
            "glm_to_net_path() goes from a GLM to a network, but hidden_layer_sizes=() has none. "
            "Set hidden_layer_sizes."
        )
    if estimator.n_estimators > 1:
        raise ValueError(
            "glm_to_net_path() keeps the network of the lowest F at each strength, but with "
            f"n_estimators={estimator.n_estimators} there is none. Set n_estimators=1, and fit the "
            "ensemble at the alpha that the path has chosen."
        )
    law = get_family(getattr(estimator, "family", "bernoulli"))
    if law.unknown is not None:
        raise ValueError(
            f"the deviance of {type(law).__name__} depends on {law.unknown.name}, which each fit "
            f"would estimate anew. Say at which value, as in family={law.initial!r}."
        )
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    nests = estimator.architecture == "local"  # the GLM, without a skip connection
    skip = estimator.skip_connection or not nests
    return clone(estimator).set_params(skip_connection=skip, random_state=seed)


def _grid(
    template: BaseDeepGLM, sample: Sample, strengths: ArrayLike | None, n_strengths: int
) -> tuple[Array, Array]:
    """Return alpha of each layer at strength 1, and the strengths, largest first."""
    alpha = np.asarray(_fitted(clone(template), sample).alpha_)
    if not alpha.any():
        raise ValueError(
            "glm_to_net_path() multiplies the penalty of the estimator, but alpha=0. Set alpha to "
            "'auto' or a positive number."
        )
    if strengths is not None:
        grid = np.unique(np.asarray(strengths, dtype=float))[::-1]
        if not (len(grid) and np.all((grid > 0) & np.isfinite(grid))):
            raise ValueError(
                f"strengths must be finite numbers > 0, but got {strengths!r}. The GLM, strength "
                "infinity, is part of every path."
            )
        return alpha, grid
    if not (isinstance(n_strengths, Integral) and n_strengths >= 1):
        raise ValueError(f"n_strengths must be an integer >= 1, but got {n_strengths!r}. Use 12.")
    largest = 1.0
    for _ in range(_MOST_DOUBLINGS):
        *_, model = _path(template, sample, [largest * alpha])
        if not model._network.depth:
            break
        largest *= 4.0
    return alpha, np.geomspace(largest, 0.1, n_strengths)


def _path(template: BaseDeepGLM, sample: Sample, penalties: list[Array]) -> Iterator[BaseDeepGLM]:
    """Yield the GLM and, for each penalty, the model of the lowest F."""
    glm = _fitted(clone(template).set_params(**_CLASSICAL), sample)
    level, previous = glm.loss_ - _ROUNDING * abs(glm.loss_), glm
    yield glm
    for penalty in penalties:
        alpha = penalty.tolist()
        found = [_fitted(clone(template).set_params(alpha=alpha), sample)]
        if previous._network.depth:
            again = copy.deepcopy(previous).set_params(alpha=alpha, warm_start=True)
            found.append(_fitted(again, sample).set_params(warm_start=template.warm_start))
        best = min(found, key=lambda model: model.loss_)
        previous = best if best.loss_ < level else glm
        yield previous


def _fitted(model: BaseDeepGLM, sample: Sample) -> BaseDeepGLM:
    return model.fit(sample.X, sample.y, **_arguments(sample, sample.weighted))


def _arguments(sample: Sample, weighted: bool) -> dict[str, Any]:
    """Return weights, offset and exposure, those that there are."""
    known: dict[str, Any] = {"offset": sample.offset, "exposure": sample.exposure}
    known["sample_weight"] = sample.weight if weighted else None
    return {name: values for name, values in known.items() if values is not None}


def _judged(model: BaseDeepGLM, sample: Sample) -> tuple[Array, Array, Array]:
    """Return y and mu, (n, K), and the weights, those of binomial counts times their trials."""
    mu = predicted(model, sample.X, **_arguments(sample, weighted=False))
    target = observed(sample.y, model.classes_ if is_classifier(model) else None)
    y, trials = model.family_.response(target)
    return y, mu, sample.weight if trials is None else sample.weight * trials


def _held_out(
    template: BaseDeepGLM, train: Sample, test: Sample, penalties: list[Array]
) -> tuple[Array, Array]:
    """Return the unit deviances of the rows of ``test``, one line for each model; and weights."""
    lines, weight = [], test.weight
    for model in _path(template, train, penalties):
        y, mu, weight = _judged(model, test)
        lines.append(unit_deviances(model.family_, y, mu))
    return np.array(lines), weight


def _standard_error(
    deviance: Array, weight: Array, fold: NDArray[Any], groups: NDArray[Any] | None
) -> float:
    """Return that of the mean deviance, NaN where a mean is impossible.

    Each fold about its own mean; all rows about one, where a fold has a single row or group.
    """
    if not np.all(np.isfinite(deviance)):
        return np.nan
    units = np.arange(len(fold)) if groups is None else groups
    single = any(len(np.unique(units[fold == k])) < 2 for k in np.unique(fold))
    return mean_error(deviance, weight, np.zeros_like(fold) if single else fold, groups)


def _facts(model: BaseDeepGLM, sample: Sample) -> dict[str, Any]:
    """Return what the fit to all rows says of itself."""
    y, mu, weight = _judged(model, sample)
    deviance = unit_deviances(model.family_, y, mu)
    is_glm = not model._network.depth
    given = _arguments(sample, sample.weighted)
    return {
        "alpha": np.inf if is_glm else model.alpha_[0],
        "train_deviance": float(np.average(deviance, weights=weight)),
        "df": degrees_of_freedom(model, sample.X, sample.y, **given),
        "balance": balance(y, mu, weight),
        "n_inputs": 0 if is_glm else int(model.coefs_[0].any(axis=1).sum()),
        "is_glm": is_glm,
    }
