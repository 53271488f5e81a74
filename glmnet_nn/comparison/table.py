"""compare(): several models on the same folds, weights and offsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import check_cv

from families import Array, ExponentialFamily, get_family
from glmnet_nn.comparison.calibration import balance, calibration_slope
from glmnet_nn.comparison.contenders import (
    Contender,
    EstimatorContender,
    InSample,
    contender,
)
from glmnet_nn.comparison.means import observed, unit_deviances
from glmnet_nn.comparison.paired import DevianceDifference, deviance_difference, mean_error
from glmnet_nn.comparison.sample import Sample, sample_of
from glmnet_nn.comparison.vuong import VuongTest, vuong_test
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.training.data import Rows
from glmnet_nn.training.start import null_model


@dataclass(frozen=True)
class Comparison:
    """Models compared on the same rows, each row predicted out of its fold.

    Attributes
    ----------
    table : DataFrame
        One row a model, the best first: ``deviance``, the mean out-of-fold unit deviance,
        and its standard error ``se``; ``d2`` = 1 - deviance / deviance of the null model
        of the same folds; ``aic`` and ``bic`` of a fit to all rows, where defined (by the
        effective degrees of freedom of a network of up to 2,000 weights at its optimum);
        ``slope``, 1 if predictions are spread as they should, below 1 if they are
        spread too far; ``balance`` = sum w mu / sum w y; ``fit_time``, seconds a fold.
    differences : DataFrame
        Each model less the best: see :class:`DevianceDifference`.
    family : ExponentialFamily
        The law whose deviance counts.
    y, weight, known, fold, groups, index : arrays
        The rows that were predicted: response (n, K), weights, known part of the linear
        predictor, fold, group, and place in the data.
    means : dict of arrays
        Out-of-fold means of each model, (n, K).
    in_sample : dict
        Likelihoods of the fits to all rows; None where not defined.
    """

    family: ExponentialFamily
    y: Array
    weight: Array
    known: Array | None
    fold: NDArray[np.intp]
    groups: NDArray[Any] | None
    index: NDArray[np.intp]
    null: Array
    means: dict[str, Array]
    fit_time: dict[str, float]
    in_sample: dict[str, InSample | None]
    whole_y: Array
    whole_weight: Array

    def deviances(self, name: str) -> Array:
        """Return the out-of-fold unit deviance of each row, (n,)."""
        return unit_deviances(self.family, self.y, self._of(self.means, name))

    def difference(self, first: str, second: str) -> DevianceDifference:
        """Return the paired test of the out-of-fold deviances of two models."""
        one, other = self.deviances(first), self.deviances(second)
        return deviance_difference(one, other, self.weight, self.fold, self.groups)

    def vuong(self, first: str, second: str) -> VuongTest:
        """Return Vuong's test of the fits of two models to all rows.

        Raises
        ------
        ValueError
            One of them has no likelihood or number of parameters (a penalised fit, an
            estimator of another maker, a search fitted to rates), or ``criteria=False``.
        """
        rows, numbers = [], []
        for name in (first, second):
            fit = self._of(self.in_sample, name)
            if fit is None:
                raise ValueError(
                    f"Vuong's test needs the likelihood and the number of parameters of both "
                    f"models, but those of {name!r} are not defined. Compare unpenalised GLMs, "
                    "with criteria=True; or see difference()."
                )
            rows.append(fit.log_likelihoods(self.whole_y, self.whole_weight))
            numbers.append(fit.n_parameters)
        return vuong_test(rows[0], rows[1], (numbers[0], numbers[1]), self.whole_weight)

    @property
    def table(self) -> pd.DataFrame:
        """One row a model, the best first."""
        null = np.average(unit_deviances(self.family, self.y, self.null), weights=self.weight)
        rows = {}
        for name, mu in self.means.items():
            d = self.deviances(name)
            deviance = float(np.average(d, weights=self.weight))
            finite = np.isfinite(deviance)
            fit = self.in_sample[name]
            rows[name] = {
                "deviance": deviance,
                "se": mean_error(d, self.weight, self.fold, self.groups) if finite else np.nan,
                "d2": 1.0 - deviance / float(null),
                "aic": np.nan if fit is None else fit.aic,
                "bic": np.nan if fit is None else fit.bic,
                "slope": calibration_slope(self.family, self.y, mu, self.weight, self.known),
                "balance": balance(self.y, mu, self.weight),
                "fit_time": self.fit_time[name],
            }
        return pd.DataFrame.from_dict(rows, orient="index").sort_values("deviance")

    @property
    def differences(self) -> pd.DataFrame:
        """Each model less the best: the paired test in both forms."""
        best, *others = self.table.index
        names = ("difference", "se", "z", "pvalue", "corrected_se", "t", "corrected_pvalue")
        tests = {name: self.difference(name, best) for name in others}
        return pd.DataFrame(
            [[getattr(test, column) for column in names] for test in tests.values()],
            index=pd.Index(tests, name=f"less {best}"),
            columns=list(names),
        )

    def _of(self, values: Mapping[str, Any], name: str) -> Any:
        if name not in values:
            raise ValueError(f"the models are {list(values)}, but {name!r} is none of them.")
        return values[name]

    def __repr__(self) -> str:
        law = f"{type(self.family).__name__} deviance, {len(self.y)} rows out of fold"
        return f"{law}\n{self.table.to_string(float_format='{:.5g}'.format)}"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format="{:.5g}".format))


def compare(
    models: Mapping[str, Any] | Iterable[Any],
    X: Any,
    y: ArrayLike,
    *,
    cv: Any = 5,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | str | None = None,
    exposure: ArrayLike | str | None = None,
    groups: ArrayLike | None = None,
    family: str | ExponentialFamily | None = None,
    criteria: bool = True,
) -> Comparison:
    """Compare models by cross-validation, on the same folds, weights and offsets.

    Parameters
    ----------
    models : dict, or list of (name, model) or of models
        Estimators of this package or any other's with scikit-learn's interface
        (pipelines, searches), and GLMs of statsmodels, fitted or not, as they are: a
        clone, or the same design and family, is fitted in each fold. Criteria are those
        of the last model, on the columns that reach it.
    X : array-like or DataFrame of shape (n, p)
    y : array-like of shape (n,) or (n, n_outputs)
        For classifiers labels.
    cv : int, splitter or iterable, default=5
        As in scikit-learn. No row may be tested twice.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    offset, exposure : array-like of shape (n,) or str, optional
        Known part of the linear predictor, or the column of X that holds it.
        An estimator that knows of neither is fitted to rates, if the link is log.
    groups : array-like of shape (n,), optional
        Passed to cv; and rows of a group are taken as dependent in standard errors.
    family : str or ExponentialFamily, optional
        The law whose deviance counts; by default that of the models, if they agree.
    criteria : bool, default=True
        Whether to fit each model to all rows for AIC, BIC and Vuong's test.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        Something is no model or takes no weights or offset; the models have different
        laws, and none was named; a row is tested twice.

    Examples
    --------
    >>> import numpy as np
    >>> from glmnet_nn import DeepGLMRegressor, compare
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = rng.poisson(np.exp(X[:, 0]))
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    >>> found = compare({"line": glm, "flat": glm.set_params}, X, y)
    Traceback (most recent call last):
        ...
    TypeError: model 'flat' must be a scikit-learn estimator, or a GLM of statsmodels (fitted \
or not), but it is a method.
    >>> print(compare([glm], X, y).table.index.tolist())
    ['DeepGLMRegressor']
    """
    weight = check_weight(sample_weight, np.empty((len(np.asarray(y)), 0)))
    sample = sample_of(X, y, weight, sample_weight is not None, offset, exposure)
    n = len(weight)
    contenders = {name: contender(name, m, sample, n) for name, m in _named(models).items()}
    _check_columns(contenders, offset, exposure)
    is_classifier = _is_classification(contenders)
    classes = np.unique(sample.y) if is_classifier and sample.y.ndim == 1 else None
    law = _law(contenders, family, classes)
    response = observed(sample.y, classes)
    if law.unknown is not None:
        raise ValueError(
            f"the deviance of {type(law).__name__} depends on {law.unknown.name}, which each fold "
            f"would estimate anew. Say at which value, as in compare(..., family={law.initial!r})."
        )
    if law.response(response)[1] is not None:
        raise ValueError(
            f"compare() takes y as shares of successes, but y has {response.shape[1]} columns of "
            "counts. Pass the shares, and the trials as sample_weight."
        )
    law.check_response(response)
    unit = None if groups is None else np.asarray(groups)[sample.index]
    splits = list(check_cv(cv, sample.y, classifier=is_classifier).split(sample.X, sample.y, unit))
    fold = fold_of_each_row(splits, len(sample))
    tested = np.flatnonzero(fold >= 0)
    null = np.full(response.shape, np.nan)
    for train, test in splits:
        null[test] = _null_means(law, response, sample, train, test)
    means, fit_time, in_sample = {}, {}, {}
    for name, model in contenders.items():
        mu, fit_time[name] = _out_of_fold(model, sample, splits, law, response.shape, classes)
        means[name] = mu[tested]
        whole = model.in_sample(model.fit(sample, law), sample) if criteria else None
        in_sample[name] = whole
    return Comparison(
        family=law,
        y=response[tested],
        weight=sample.weight[tested],
        known=None if sample.known is None else sample.known[tested],
        fold=fold[tested],
        groups=None if unit is None else unit[tested],
        index=sample.index[tested],
        null=null[tested],
        means=means,
        fit_time=fit_time,
        in_sample=in_sample,
        whole_y=response,
        whole_weight=sample.weight,
    )


def _named(models: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    """Return the models by name: that of the class, with a number if it is not the only one."""
    if hasattr(models, "fit") or not isinstance(models, Iterable):  # a pipeline is iterable
        raise TypeError(
            f"models must be a dict or a list of models, but it is a {type(models).__name__}. "
            "Use compare([model], X, y) for one of them."
        )
    if isinstance(models, Mapping):
        return dict(models)
    named: dict[str, Any] = {}
    for entry in models:
        name, model = entry if isinstance(entry, tuple) else (type(entry).__name__, entry)
        number = 1 + sum(known.partition(" #")[0] == name for known in named)
        named[name if number == 1 else f"{name} #{number}"] = model
    return named


def _check_columns(contenders: dict[str, Contender], offset: Any, exposure: Any) -> None:
    """Raise if a model reads an offset of its own that the others are not given."""
    given = {
        name: values
        for name, values in (("offset", offset), ("exposure", exposure))
        if values is not None
    }
    for name, model in contenders.items():
        own = model.columns if isinstance(model, EstimatorContender) else {}
        if own and own != {k: v if isinstance(v, str) else None for k, v in given.items()}:
            told = ", ".join(f"{key}={column!r}" for key, column in own.items())
            raise ValueError(
                f"model {name!r} reads {told} of X by itself. Say so to compare({told}), so "
                "that the null model and all other models have the same."
            )


def _is_classification(contenders: dict[str, Contender]) -> bool:
    """Whether y holds labels: if any model is a classifier, statsmodels' 0 and 1 are labels."""
    kinds = {
        name: model.is_classifier
        for name, model in contenders.items()
        if isinstance(model, EstimatorContender)
    }
    if len(set(kinds.values())) > 1:
        raise ValueError(
            f"classifiers and regressors have no measure in common: {kinds} (True: classifier). "
            "Compare them apart."
        )
    return any(kinds.values())


def _law(
    contenders: dict[str, Contender],
    family: str | ExponentialFamily | None,
    classes: NDArray[Any] | None,
) -> ExponentialFamily:
    """Return the law whose deviance counts."""
    if family is not None:
        return get_family(family)
    if classes is not None and len(classes) > 2:
        return get_family("multinoulli")
    laws = {name: law for name, c in contenders.items() if (law := c.family()) is not None}
    # of one law with several links the first one's: the deviance is the same
    kinds = {get_family(law, "auto") for law in laws.values()}
    if not kinds and classes is not None:
        return get_family("bernoulli")
    if len(kinds) != 1:
        named = {name: type(law).__name__ for name, law in laws.items()}
        raise ValueError(
            f"the models state {'several laws' if kinds else 'no law'} of y: {named}. Say whose "
            "deviance counts, as in compare(..., family='poisson')."
        )
    return next(iter(laws.values()))


def fold_of_each_row(splits: list[tuple[NDArray[Any], NDArray[Any]]], n: int) -> NDArray[np.intp]:
    """Return the number of the fold in which each row is tested; -1 if in none."""
    fold = np.full(n, -1, dtype=np.intp)
    for k, (_, test) in enumerate(splits):
        if np.any(fold[test] >= 0):
            raise ValueError(
                "cv must test each row once, as the standard errors have it, but some "
                f"of fold {k} were tested before. Use KFold, GroupKFold, or StratifiedKFold."
            )
        fold[test] = k
    return fold


def _null_means(
    family: ExponentialFamily,
    y: Array,
    sample: Sample,
    train: NDArray[Any],
    test: NDArray[Any],
) -> Array:
    """Return the means of the model without inputs, fitted to the training rows."""
    known = sample.known
    rows = Rows(
        np.empty((len(train), 0)),
        y[train],
        sample.weight[train],
        None if known is None else known[train],
    )
    intercept, _ = null_model(rows, family)
    eta = np.broadcast_to(intercept, y[test].shape)
    return family.mean(np.asarray(eta if known is None else eta + known[test]))


def _out_of_fold(
    model: Contender,
    sample: Sample,
    splits: list[tuple[NDArray[Any], NDArray[Any]]],
    law: ExponentialFamily,
    shape: tuple[int, ...],
    classes: NDArray[Any] | None,
) -> tuple[Array, float]:
    """Return means (n, K), each row's from the fit without its fold, and seconds a fit."""
    mu, seconds = np.full(shape, np.nan), 0.0
    for train, test in splits:
        before = perf_counter()
        fit = model.fit(sample.take(train), law)
        seconds += perf_counter() - before
        if classes is not None and model.is_classifier and len(fit.classes_) < len(classes):
            raise ValueError(
                f"every training fold must have all classes {classes.tolist()}, but one has only "
                f"{fit.classes_.tolist()}. Use StratifiedKFold with fewer folds."
            )
        predicted = model.means(fit, sample.take(test))
        if predicted.shape[1] != shape[1]:
            raise ValueError(
                f"a model predicts {predicted.shape[1]} means a row, but y has {shape[1]}."
            )
        mu[test] = predicted
    return mu, seconds / len(splits)
