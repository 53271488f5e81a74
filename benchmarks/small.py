"""Small data: the defaults of networks against the GLM, by repeated cross-validation.

Sets of twenty to three thousand rows that ship with statsmodels and scikit-learn. Both models
have their defaults; the GLM is that of the same law and columns. Differences are of deviances
of the same held-out rows, and their standard error is that of the way of fitting: Nadeau and
Bengio (2003), "Inference for the generalization error", Machine Learning 52.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import tables

_BEYOND_NOISE = 2.0  # standard errors
_FOLDS = 10


@dataclass(frozen=True)
class Small:
    """X, y, the law, and what else belongs to the rows."""

    name: str
    law: str
    X: Any
    y: Any
    settings: dict[str, Any] = field(default_factory=dict)
    exposure: Any = None
    groups: Any = None


def _of_statsmodels() -> Iterator[Small]:
    from statsmodels import datasets as sm

    def frame(name: str) -> Any:
        return getattr(sm, name).load_pandas().data

    engel = frame("engel")
    yield Small("engel", "normal", engel[["income"]], engel["foodexp"])
    crime, columns = frame("statecrime"), ["hs_grad", "poverty", "single", "white", "urban"]
    yield Small("statecrime", "normal", crime[columns], crime["murder"])
    yield Small("statecrime, violent", "gamma", crime[columns], crime["violent"], {"link": "log"})
    grunfeld = frame("grunfeld")
    yield Small("grunfeld", "normal", grunfeld[["value", "capital"]], grunfeld["invest"])
    strikes = frame("strikes")
    yield Small("strikes", "gamma", strikes[["iprod"]], strikes["duration"], {"link": "log"})
    scotland = sm.scotland.load_pandas()
    yield Small("scotland", "gamma", scotland.exog, scotland.endog, {"link": "log"})
    card = frame("ccard")
    yield Small("ccard", "normal", card[["AGE", "INCOME", "OWNRENT"]], card["AVGEXP"])
    stack = sm.stackloss.load_pandas()
    yield Small("stackloss", "normal", stack.exog, stack.endog)
    cancer = frame("cancer")
    size = cancer["population"]
    yield Small("cancer", "poisson", cancer[["population"]], cancer["cancer"], exposure=size)
    schools = sm.star98.load_pandas()
    yield Small("star98", "binomial", schools.exog, schools.endog)
    voters = frame("anes96")
    known = ["logpopul", "selfLR", "age", "educ", "income"]
    yield Small("anes96, vote", "classes", voters[[*known, "PID"]], voters["vote"])
    yield Small("anes96, party", "classes", voters[known], voters["PID"])
    fair = frame("fair").sample(1000, random_state=0)
    yield Small("fair", "classes", fair.drop(columns="affairs"), fair["affairs"] > 0)
    rand = frame("randhie").drop_duplicates().sample(1500, random_state=0)
    yield Small("randhie", "poisson", rand.drop(columns="mdvis"), rand["mdvis"])
    yield _new_persons(frame("randhie"))


def _new_persons(rand: Any) -> Small:
    """Return the visits of 400 persons, whom their columns tell apart; folds keep them whole."""
    columns = rand.drop(columns="mdvis")
    person = columns.groupby(list(columns)).ngroup().to_numpy()
    chosen = np.random.default_rng(0).permutation(person.max() + 1)[:400]
    kept = np.isin(person, chosen)
    visits = rand.loc[kept, "mdvis"]
    return Small("randhie, new persons", "poisson", columns[kept], visits, groups=person[kept])


def _of_scikit_learn() -> Iterator[Small]:
    from sklearn import datasets

    for name, law in (
        ("diabetes", "normal"),
        ("breast_cancer", "classes"),
        ("wine", "classes"),
        ("iris", "classes"),
    ):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield Small(name, law, X, y)
    X, y = datasets.make_friedman1(300, n_features=10, noise=1.0, random_state=0)
    yield Small("Friedman's, 300 rows", "normal", X, y)


def _models(data: Small, seed: int) -> dict[str, Any]:
    """Return the GLM and the network, at their defaults."""
    from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor

    make: Callable[..., Any] = DeepGLMRegressor
    named = {"family": data.law}
    if data.law == "classes":
        make, named = DeepGLMClassifier, {}
    return {
        "glm": make(hidden_layer_sizes=(), **named, **data.settings),
        "network": make(random_state=seed, **named, **data.settings),
    }


def _folds(data: Small, seed: int) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    if data.groups is not None:
        return GroupKFold(_FOLDS, shuffle=True, random_state=seed)
    kind = StratifiedKFold if data.law == "classes" else KFold
    return kind(_FOLDS, shuffle=True, random_state=seed)


def _deviance(model: Any, data: Small, rows: Any) -> float:
    """Return the mean deviance of a fit on these rows, of rates weighted by exposure."""
    X, y = np.asarray(data.X)[rows], np.asarray(data.y)[rows]
    if data.law == "classes":
        chosen = np.searchsorted(model.classes_, y)
        return float(-2.0 * model.predict_log_proba(X)[np.arange(len(y)), chosen].mean())
    weight = np.ones(len(y)) if data.exposure is None else np.asarray(data.exposure)[rows]
    if y.ndim == 2:  # successes and failures
        y, weight = y[:, 0] / y.sum(axis=1), y.sum(axis=1)
    elif data.exposure is not None:
        y = y / weight
    deviances = model.family_.unit_deviance(y[:, None], model.predict(X)[:, None])
    return float(np.average(deviances[:, 0], weights=weight))


def _one_shuffle(data: Small, seed: int) -> tuple[dict[str, list[float]], float]:
    """Return the deviances of each fold, and the seconds of a fit of the network."""
    X, y = np.asarray(data.X, dtype=float), np.asarray(data.y)
    exposure = None if data.exposure is None else np.asarray(data.exposure, dtype=float)
    found: dict[str, list[float]] = {}
    seconds = []
    for train, test in _folds(data, seed).split(X, y, data.groups):
        for name, model in _models(data, seed).items():
            start = perf_counter()
            known = {} if exposure is None else {"exposure": exposure[train]}
            model.fit(X[train], y[train], **known)
            seconds += [perf_counter() - start] if name == "network" else []
            found.setdefault(name, []).append(_deviance(model, data, test))
    return found, fmean(seconds)


def measure(data: Small, n_repeats: int) -> dict[str, Any]:
    """Return mean deviances, and the difference with its standard error, over all shuffles.

    Of K folds, with delta_k the difference in fold k: (1 / K + 1 / (K - 1)) Var(delta_k).
    """
    found = [_one_shuffle(data, seed) for seed in range(n_repeats)]
    deltas = [np.subtract(losses["network"], losses["glm"]) for losses, _ in found]
    errors = [np.sqrt((1 / len(d) + 1 / (len(d) - 1)) * d.var(ddof=1)) for d in deltas]
    difference, error = fmean(d.mean() for d in deltas), fmean(errors)
    return {
        "set": data.name,
        "law": data.law,
        "rows": len(data.X),
        "columns": np.asarray(data.X).shape[1],
        "glm": fmean(fmean(losses["glm"]) for losses, _ in found),
        "network": fmean(fmean(losses["network"]) for losses, _ in found),
        "difference": float(difference),
        "error": float(error),
        "fit_time": fmean(seconds for _, seconds in found),
        "met": bool(difference <= _BEYOND_NOISE * error),
    }


def run(options: Any) -> dict[str, Any]:
    """Return a row for each set; ``repeats`` shuffles of ten folds."""
    works = options.chosen([*_of_statsmodels(), *_of_scikit_learn()])
    rows = []
    for data in works[:2] if options.quick else works:
        options.tell(data.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of GLMs: separated, or of dependent columns
            rows.append(measure(data, options.repeats))
        options.keep({"rows": rows})
    return {"rows": rows}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    heads = [
        "set",
        "law",
        "rows",
        "columns",
        "GLM",
        "network",
        "difference",
        "s.e.",
        "t",
        "s / fit",
    ]
    body = [
        [
            row["set"],
            row["law"],
            str(row["rows"]),
            str(row["columns"]),
            tables.digits(row["glm"]),
            tables.digits(row["network"]),
            f"{row['difference'] / row['glm']:+.1%}",
            f"{row['error'] / row['glm']:.1%}",
            f"{row['difference'] / row['error']:+.1f}" if row["error"] > 0 else "-",
            tables.digits(row["fit_time"]),
        ]
        for row in found["rows"]
    ]
    worse = [row["set"] for row in found["rows"] if not row["met"]]
    verdict = (
        f"Worse than the GLM beyond noise (t > {_BEYOND_NOISE:g}): {', '.join(worse)}."
        if worse
        else f"On no set is the network worse than the GLM beyond noise (t > {_BEYOND_NOISE:g})."
    )
    return f"{tables.markdown(heads, body)}\n\n{verdict}"
