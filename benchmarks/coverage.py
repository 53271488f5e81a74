"""Do intervals of networks cover? Simulated, since only then the truth is known.

``python -m benchmarks coverage --replicates 400 --jobs 2`` draws, in each cell, that many
samples from a network of three tanh units, fits each by ``fit_for_inference``, and counts
how often 95 % intervals hold the truth: of the mean at 20 fresh points, and of average
partial effects in the sample and in the population. The last column is the share of fits
that the results flag as untrustworthy: it should be low, and high for networks of more
units than the truth has.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import machine, tables
from glmnet_nn import (
    DeepGLMRegressor,
    ExponentialFamily,
    InferenceWarning,
    NegativeBinomial,
    get_family,
)

Array = NDArray[np.float64]

SEED = 20240607
POINTS = 20
_POPULATION = 2**20  # rows that stand for the population
_QUICK = 4

# The truth: eta = 0.5 + v' tanh(W x + b), x standard normal in three dimensions.
_W = np.array([[1.3, -0.9, 0.4], [-0.5, 1.2, 1.0], [0.8, 0.7, -1.4]])
_B = np.array([0.3, -0.6, 0.2])
_V = np.array([0.8, -0.7, 0.6])
_C = 0.5


@dataclass(frozen=True)
class Cell:
    """One design: the law of y, what is fitted to it, and the goals."""

    name: str
    family: str
    n: int
    units: int = 3
    strength: float = 1.0  # times eta
    alpha: float = 0.0  # of a negative binomial law of y, fitted as Poisson
    cov_type: str = "nonrobust"
    prepared: bool = True  # by fit_for_inference, not by fit
    least_mean: float | None = None
    most_mean: float | None = None
    least_worst: float | None = None
    least_flagged: float | None = None

    @property
    def law(self) -> ExponentialFamily:
        """What y is drawn from."""
        if self.alpha:
            return NegativeBinomial("log", alpha=self.alpha)
        return get_family(self.family)

    def linear_predictor(self, X: Array) -> Array:
        """Return the true eta, (n,)."""
        return np.asarray(self.strength * (_C + np.tanh(X @ _W.T + _B) @ _V))

    def average_effects(self, X: Array) -> Array:
        """Return the average of d mu / d x over these rows, (3,)."""
        eta = self.linear_predictor(X)
        slopes = self.strength * (((1.0 - np.tanh(X @ _W.T + _B) ** 2) * _V) @ _W)
        return np.asarray(self.law.mean_tangent(eta, np.ones_like(eta)) @ slopes / len(X))

    @property
    def phi(self) -> float:
        """The dispersion of y."""
        return 0.25 if self.law.has_dispersion else 1.0


_GOOD: dict[str, Any] = {"least_mean": 0.935, "most_mean": 0.965, "least_worst": 0.90}
CELLS = (
    Cell("Poisson, n = 500", "poisson", 500, least_mean=0.925),
    Cell("Poisson, n = 2,000", "poisson", 2000, **_GOOD),
    Cell("Poisson, n = 10,000", "poisson", 10_000, **_GOOD),
    Cell("Normal, n = 2,000", "normal", 2000, **_GOOD),
    Cell("Normal, n = 10,000", "normal", 10_000, **_GOOD),
    Cell("Bernoulli, n = 2,000", "bernoulli", 2000, least_mean=0.925),
    Cell("Bernoulli, n = 10,000", "bernoulli", 10_000, **_GOOD),
    Cell("Bernoulli, eta doubled, n = 2,000", "bernoulli", 2000, strength=2.0, least_mean=0.925),
    Cell(
        "overdispersed counts, n = 2,000, HC1", "poisson", 2000,
        alpha=0.5, cov_type="HC1", least_mean=0.93,
    ),
    Cell("the same, not robust", "poisson", 2000, alpha=0.5),
    Cell("4 units fitted, Poisson, n = 2,000", "poisson", 2000, units=4, least_flagged=0.95),
    Cell("6 units fitted, Poisson, n = 2,000", "poisson", 2000, units=6, least_flagged=0.95),
    Cell("3 units by plain fit(), Poisson, n = 2,000", "poisson", 2000, prepared=False),
)  # fmt: skip


def points() -> Array:
    """Return the fresh points, the same for all replicates."""
    return np.random.default_rng([SEED, 0]).normal(size=(POINTS, 3))


def population_effects(cell: Cell) -> Array:
    """Return the average of d mu / d x over the law of x, by simulation."""
    half = np.random.default_rng([SEED, 1]).normal(size=(_POPULATION // 2, 3))
    return cell.average_effects(np.vstack([half, -half]))


def replicate(cell: Cell, population: Array, number: int) -> dict[str, Any]:
    """Draw one sample, fit, and tell which intervals hold the truth."""
    rng = np.random.default_rng([SEED, 2, *map(ord, cell.name), number])
    X, law = rng.normal(size=(cell.n, 3)), cell.law
    y = law.sample(law.mean(cell.linear_predictor(X)), cell.phi, rng)
    model = DeepGLMRegressor(cell.family, hidden_layer_sizes=(cell.units,), random_state=number)
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        fitted = (model.fit_for_inference if cell.prepared else model.fit)(X, y)
        results = fitted.inference(X, y, cov_type=cell.cov_type)
        limits = results.get_prediction(points()).conf_int(which="linear")
        effects = {
            "sample": (results.average_partial_effects("sample"), cell.average_effects(X)),
            "population": (results.average_partial_effects("population"), population),
        }
    spent = time.perf_counter() - begun
    found = {
        "points": _holds(limits, cell.linear_predictor(points())),
        "width": float(np.median(limits[:, 1] - limits[:, 0])),
        "flags": sorted(results.flags),
        "bic": results.bic,
        "edf": results.n_parameters,
        "seconds": spent,
    }
    return found | {name: _holds(e.conf_int(), truth) for name, (e, truth) in effects.items()}


def _holds(limits: Array, truth: Array) -> list[bool]:
    """Tell which intervals hold the truth; NaN holds nothing."""
    inside = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
    return [bool(hit) for hit in inside]


def summarise(cell: Cell, replicates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return coverage and flags of one cell."""
    hits = np.array([found["points"] for found in replicates], dtype=float)
    flagged = np.array([bool(found["flags"]) for found in replicates])
    names = sorted({name for found in replicates for name in found["flags"]})
    by_replicate = hits.mean(axis=1)
    row = {
        "cell": asdict(cell),
        "replicates": len(replicates),
        "mean": float(hits.mean()),
        "mean_error": float(by_replicate.std(ddof=1) / np.sqrt(len(hits))) if len(hits) > 1 else 0,
        "worst": float(hits.mean(axis=0).min()),
        "by_point": hits.mean(axis=0).tolist(),
        "sample": float(np.mean([found["sample"] for found in replicates])),
        "population": float(np.mean([found["population"] for found in replicates])),
        "flagged": float(flagged.mean()),
        "mean_unflagged": float(hits[~flagged].mean()) if not flagged.all() else None,
        "flags": {n: float(np.mean([n in f["flags"] for f in replicates])) for n in names},
        "width": float(np.median([found["width"] for found in replicates])),
        "seconds": float(np.median([found["seconds"] for found in replicates])),
    }
    return row | {"met": _met(cell, row)}


def _met(cell: Cell, row: dict[str, Any]) -> bool | None:
    """Tell whether the goals of the cell are met; None if it has none."""
    bounds = [
        (cell.least_mean, row["mean"]),
        (row["mean"] if cell.most_mean else None, cell.most_mean),
        (cell.least_worst, row["worst"]),
        (cell.least_flagged, row["flagged"]),
    ]
    asked = [low <= high for low, high in bounds if low is not None and high is not None]
    return all(asked) if asked else None


def _replicates(cell: Cell, count: int, jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the replicates of a cell, in order."""
    one = partial(replicate, cell, population_effects(cell))
    if jobs == 1:
        with threadpool_limits(1):
            yield from map(one, range(count))
        return
    with ProcessPoolExecutor(jobs, initializer=threadpool_limits, initargs=(1,)) as pool:
        yield from pool.map(one, range(count), chunksize=4)


def study(names: str, count: int, jobs: int) -> dict[str, Any]:
    """Return the rows of the cells whose name matches the pattern ``names``."""
    rows = []
    for cell in CELLS:
        if re.search(names, cell.name, re.IGNORECASE):
            begun = time.perf_counter()
            rows.append(summarise(cell, list(_replicates(cell, count, jobs))))
            told = f"{cell.name}: {table({'rows': rows[-1:]}).splitlines()[-1]}"
            print(f"[{time.perf_counter() - begun:.0f} s] {told}", file=sys.stderr, flush=True)
    return {"rows": rows, "seed": SEED, "points": POINTS}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a study."""
    heads = [
        "truth of 3 tanh units", "mean of 20 points", "worst point", "APE, sample",
        "APE, population", "flagged", "mean of the unflagged", "goal", "s per fit",
    ]  # fmt: skip
    return tables.markdown(heads, [_cells(row) for row in found["rows"]])


def _cells(row: dict[str, Any]) -> list[str]:
    cell = row["cell"]
    goals = [
        f"{100 * low:g}-{100 * cell['most_mean']:g}" if cell["most_mean"] else f">= {100 * low:g}"
        for low in (cell["least_mean"],)
        if low
    ]
    goals += [f"worst >= {100 * cell['least_worst']:g}"] if cell["least_worst"] else []
    goals += [f"flagged >= {100 * cell['least_flagged']:g}"] if cell["least_flagged"] else []
    verdict = {True: " (met)", False: " (missed)", None: ""}[row["met"]]
    return [
        cell["name"],
        f"{100 * row['mean']:.1f} +- {100 * row['mean_error']:.1f}",
        f"{100 * row['worst']:.1f}",
        f"{100 * row['sample']:.1f}",
        f"{100 * row['population']:.1f}",
        f"{100 * row['flagged']:.1f}",
        "-" if row["mean_unflagged"] is None else f"{100 * row['mean_unflagged']:.1f}",
        ", ".join(goals) + verdict,
        f"{row['seconds']:.2f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the study, print its table, and keep everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coverage", description=__doc__)
    parser.add_argument("--replicates", type=int, default=400, help="samples per cell (400)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", default="", help="only cells whose name matches this pattern")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} samples: does it run?")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    asked = parser.parse_args(arguments)
    count = _QUICK if asked.quick else asked.replicates
    described = machine.describe()
    found = study(asked.only, count, 1 if asked.quick else asked.jobs)
    print(f"### coverage of 95 % intervals, in %, {count} samples a cell\n")
    print(f"{machine.sentence(described)}\n\n{table(found)}")
    if asked.json is not None:
        report = {"table": "coverage", "machine": described, **found}
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
