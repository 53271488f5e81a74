"""Elastic-net paths: seconds for a lasso at 100 alphas, beside glum and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import data, tables
from benchmarks.contenders import Data
from benchmarks.crew import Contender, Crew, crew, stored
from benchmarks.glm import Work
from benchmarks.judged import judged_race, judged_rows

EXCESS = 1e-6  # of F above its minimum, over F of the null model: the quality asked of all
_TIGHT = 1e-13  # our tolerance for what is called the minimum


_FOURTH = {"glum": 4.0}
WORKS = (
    *(Work(law, 10_000, 100, goals=_FOURTH) for law in ("bernoulli", "poisson", "normal")),
    *(Work(law, 100_000, 50, goals=_FOURTH) for law in ("bernoulli", "poisson", "normal")),
    *(Work(law, 500, 2000, goals=_FOURTH) for law in ("bernoulli", "poisson", "normal")),
    Work("multinoulli", 10_000, 50, 4),
)
QUICK = (
    *(Work(law, 300, 5, goals=_FOURTH) for law in ("poisson", "normal")),
    Work("multinoulli", 300, 4, 3),
)

_OURS = Contender(tables.OURS, "ours", "path", {})


def peers(law: str) -> list[Contender]:
    """Return who else can fit a path of a law."""
    glum = Contender("glum", "glum", "path", {"tol": None})
    if law == "normal":
        return [glum, Contender("scikit-learn enet_path", "scikit_learn", "path", {"tol": None})]
    return [] if law == "multinoulli" else [glum]


def drawn(work: Work, n_alphas: int) -> Data:
    """Return standardised X, y, and alphas from the least that leaves no coefficient.

    Over four decades, or two where there are more columns than rows.
    """
    found = data.glm(work.law, work.n, work.p, work.n_outputs)
    X, y = found["X"], found["y"]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    targets = np.eye(work.n_outputs)[y] if work.n_outputs > 1 else y[:, None]
    top = np.abs(X.T @ (targets - targets.mean(axis=0))).max() / work.n
    least = 1e-4 if work.n > work.p else 1e-2
    return {"X": X, "y": y, "alphas": top * np.geomspace(1.0, least, n_alphas)}


def measure(workers: Crew, work: Work, options: Any) -> list[Any]:
    """Return a row for each contender at one work."""
    known = drawn(work, 10 if options.quick else 100)
    with stored(known) as directory:
        request = {"run": "path", "settings": {"law": work.law, "tol": _TIGHT}, "judge": "excess"}
        least = workers.run(_OURS.package, options.threads[0], directory, **request)["values"]
    contenders = [_OURS, *options.invited(peers(work.law))]
    with stored({**known, "least": np.array(least)}) as directory:
        return judged_race(workers, directory, work, contenders, options, "excess", EXCESS)


def run(options: Any) -> dict[str, Any]:
    """Return rows and goals of all works."""
    works = QUICK if options.quick else WORKS
    with crew() as workers:
        return tables.collect(
            options, works, lambda work: measure(workers, work, options), "seconds"
        )


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    heads, body = judged_rows(found, "excess", "F above minimum")
    return tables.goals(found["goals"]) + "\n\n" + tables.markdown(heads, body)
