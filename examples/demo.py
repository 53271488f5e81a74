"""Doctor visits: what does a network see that a classical GLM does not?

The RAND Health Insurance Experiment, 20,190 years of insured persons, as statsmodels
ships it. A Poisson GLM and the same model with hidden layers predict the visits of rows
that they have not seen. Two questions, two kinds of folds: rows drawn at random, and
rows drawn so that equal covariates stay together. Most persons appear in three or five
years with the same covariates, so only the second kind asks about new persons.

Run:  python examples/demo.py      (a table, and the picture demo.png)
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold

from glmnet_nn import DeepGLMRegressor, Poisson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED = 0
MODELS = {
    "classical GLM": DeepGLMRegressor(family="poisson", hidden_layer_sizes=()),
    "deep GLM": DeepGLMRegressor(family="poisson", random_state=SEED),
}
QUESTIONS = ("new rows", "new persons")
BLUE, ORANGE, INK, GREY = "#2b6ca3", "#d9730d", "#222222", "#8a8a8a"
TITLE = {"loc": "left", "fontsize": 11}

Array = NDArray[np.float64]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True)
class Visits:
    """The data: X, y, and the covariate pattern that each row belongs to."""

    X: pd.DataFrame
    y: Array
    pattern: NDArray[np.intp]


@dataclass(frozen=True)
class Forecast:
    """Out-of-fold means of one model, those of the intercept alone, and seconds per fit."""

    mu: Array
    null: Array
    seconds: float


def load_visits() -> Visits:
    """Return the doctor visits with their nine raw columns, nothing scaled."""
    frame = sm.datasets.randhie.load_pandas().data.astype(float)
    y = frame.pop("mdvis").to_numpy()
    return Visits(frame, y, frame.groupby(list(frame.columns)).ngroup().to_numpy())


def folds_for(question: str, visits: Visits) -> Folds:
    """Return five shuffled folds; for new persons equal covariates share a fold."""
    if question == "new rows":
        return list(KFold(5, shuffle=True, random_state=SEED).split(visits.X))
    folds = GroupKFold(5, shuffle=True, random_state=SEED)
    return list(folds.split(visits.X, groups=visits.pattern))


def forecast(model: DeepGLMRegressor, visits: Visits, folds: Folds) -> Forecast:
    """Predict each row by a fit that has not seen its fold."""
    mu, null, seconds = np.empty_like(visits.y), np.empty_like(visits.y), 0.0
    for train, test in folds:
        start = time.perf_counter()
        fitted = clone(model).fit(visits.X.iloc[train], visits.y[train])
        seconds += time.perf_counter() - start
        mu[test] = fitted.predict(visits.X.iloc[test])
        null[test] = visits.y[train].mean()
    return Forecast(mu, null, seconds / len(folds))


def standard_error(contribution: Array, pattern: NDArray[np.intp]) -> float:
    """Return that of a sum whose contributions are independent between patterns only."""
    totals = np.bincount(pattern, weights=contribution)
    return float(np.sqrt(np.square(totals).sum()))


# ------------------------------------------------------------------- table


def print_table(visits: Visits, forecasts: dict[tuple[str, str], Forecast]) -> None:
    """Print each model's scores for both questions, and the difference with its error."""
    print("new rows:     folds of rows; other years of the same person may be in training")
    print("new persons:  folds of covariate patterns; rows with equal covariates stay together")
    deviance = Poisson().unit_deviance
    print(f"\n{'':14}{'':15}{'deviance':>9}{'D^2':>8}{'sum mu/sum y':>14}{'seconds/fit':>13}")
    for question in QUESTIONS:
        losses = []
        for name in MODELS:
            got = forecasts[question, name]
            losses.append(deviance(visits.y, got.mu))
            d2 = 1 - losses[-1].sum() / deviance(visits.y, got.null).sum()
            balance = got.mu.sum() / visits.y.sum()
            print(
                f"{question:14}{name:15}{losses[-1].mean():9.4f}{d2:8.4f}"
                f"{balance:14.4f}{got.seconds:13.2f}"
            )
        gap = (losses[1] - losses[0]) / len(visits.y)
        error = standard_error(gap - gap.mean(), visits.pattern)
        print(f"{'':14}{'difference':15}{gap.sum():+9.4f} +- {error:.4f} (standard error)\n")


def print_depth_zero(visits: Visits) -> None:
    """Print how far the coefficients without hidden layers are from statsmodels'."""
    ours = clone(MODELS["classical GLM"]).fit(visits.X, visits.y)
    law = sm.families.Poisson()
    theirs = sm.GLM(visits.y, sm.add_constant(visits.X), family=law).fit(tol=1e-12)
    gap = np.append(ours.intercept_, ours.coef_) - theirs.params.to_numpy()
    worst = np.abs(gap / theirs.bse.to_numpy()).max()
    print("No hidden layer, all rows: the coefficients are those of statsmodels' GLM to within")
    print(f"{worst:.0e} standard errors; deviance {ours.deviance_:.6f} and {theirs.deviance:.6f}.")


# ----------------------------------------------------------------- picture


def ratio_by_group(
    observed: Array, expected: Array, groups: Iterable[NDArray[np.intp]], pattern: NDArray[np.intp]
) -> tuple[Array, Array]:
    """Return observed / expected totals of each group of rows, and 95% half-widths."""
    ratios, widths = [], []
    for rows in groups:
        ratio = observed[rows].sum() / expected[rows].sum()
        error = standard_error(observed[rows] - ratio * expected[rows], pattern[rows])
        ratios.append(ratio)
        widths.append(1.96 * error / expected[rows].sum())
    return np.array(ratios), np.array(widths)


def draw_lift(axes: Axes, visits: Visits, forecasts: dict[tuple[str, str], Forecast]) -> None:
    """Where the models disagree, who is right? Diagonal: the network; level line: the GLM."""
    ends = []
    for question, colour, marker in zip(QUESTIONS, (GREY, ORANGE), "so", strict=True):
        glm, deep = (forecasts[question, name].mu for name in MODELS)
        tenths = np.array_split(np.argsort(deep / glm), 10)
        expected, _ = ratio_by_group(deep, glm, tenths, visits.pattern)
        ratio, width = ratio_by_group(visits.y, glm, tenths, visits.pattern)
        gap = deep - glm
        slope = np.sum(gap * (visits.y - glm) / glm) / np.sum(gap * gap / glm)
        label = f"{question}: {slope:.0%} of the difference holds"
        axes.errorbar(expected, ratio, width, fmt=marker, color=colour, ms=5, lw=1.2, label=label)
        ends += [expected[0], expected[-1]]
    low, high = min(ends) - 0.03, max(ends) + 0.03
    axes.plot([low, high], [low, high], color=INK, lw=1, zorder=0)
    axes.plot([low, high], [1, 1], color=BLUE, lw=1, zorder=0)
    axes.annotate("network right", (high, high), ha="right", va="bottom", color=INK)
    axes.annotate("GLM right", (low, 1), ha="left", va="bottom", color=BLUE)
    axes.set(xlabel="network's mean / GLM's mean, ten groups of rows")
    axes.set(ylabel="observed visits / GLM's mean, with 95% intervals")
    axes.set_title("Where the two disagree, who is right?", **TITLE)
    axes.legend(frameon=False, loc="lower right")


def draw_coinsurance(axes: Axes, visits: Visits, glm: Array, deep: Array) -> None:
    """Mean visits along the coinsurance: observed, and predicted for new persons."""
    percent = np.expm1(visits.X["lncoins"]).round().to_numpy()
    shares = np.unique(percent)
    at = np.arange(len(shares))
    plans = [np.flatnonzero(percent == share) for share in shares]
    mean, width = ratio_by_group(visits.y, np.ones_like(visits.y), plans, visits.pattern)
    axes.errorbar(at, mean, width, fmt="o", color=INK, ms=6, lw=1.2, label="observed", zorder=3)
    for name, mu, colour in zip(MODELS, (glm, deep), (BLUE, ORANGE), strict=True):
        fitted = [mu[rows].mean() for rows in plans]
        axes.plot(at, fitted, "o-", color=colour, lw=2, ms=4, label=name)
    axes.set_xticks(at, [f"{share:.0f}%" for share in shares])
    axes.set(xlabel="share of the bill that the patient pays")
    axes.set(ylabel="mean visits a year, with 95% intervals")
    axes.set_title("Visits by cost to the patient, predictions for new persons", **TITLE)
    axes.legend(frameon=False)


def headline(visits: Visits, forecasts: dict[tuple[str, str], Forecast]) -> str:
    """Return the finding in numbers: the change of deviance by the hidden layers."""
    deviance = Poisson().unit_deviance
    changes = []
    for question in QUESTIONS:
        glm, deep = (deviance(visits.y, forecasts[question, n].mu).mean() for n in MODELS)
        changes.append(f"{deep / glm - 1:+.1%} on {question}")
    finding = " and ".join(changes).replace("-", "\N{MINUS SIGN}")
    return f"Doctor visits: hidden layers change the GLM's deviance by {finding}"


def draw(visits: Visits, forecasts: dict[tuple[str, str], Forecast], path: Path) -> None:
    """Write the picture, or say what is missing for it."""
    try:
        import matplotlib
    except ImportError:
        print("No picture: matplotlib is missing. Install it with: pip install matplotlib")
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), dpi=100, layout="constrained")
    figure.suptitle(headline(visits, forecasts), x=0.01, ha="left", fontsize=14, weight="bold")
    figure.get_layout_engine().set(wspace=0.05)
    draw_lift(left, visits, forecasts)
    draw_coinsurance(right, visits, *(forecasts["new persons", name].mu for name in MODELS))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    print(f"Picture: {path.resolve()}")


def main() -> None:
    """Fit, compare, print, draw."""
    visits = load_visits()
    print(
        f"Doctor visits: {len(visits.y):,} rows, {visits.X.shape[1]} columns, "
        f"{visits.pattern.max() + 1:,} covariate patterns; 5-fold cross-validation ..."
    )
    forecasts = {
        (question, name): forecast(model, visits, folds_for(question, visits))
        for question in QUESTIONS
        for name, model in MODELS.items()
    }
    print_table(visits, forecasts)
    print_depth_zero(visits)
    draw(visits, forecasts, Path("demo.png"))


if __name__ == "__main__":
    main()
