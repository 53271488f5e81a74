"""Time to quality: seconds to the held-out deviance that scikit-learn's perceptron reaches.

The peer is an MLPRegressor or MLPClassifier at its defaults, with the loss of the law and
early stopping; its time is that of its fit, its deviance the target. Ours is measured
twice. *Whole fit*: one fit, as a user would call it, with its time and deviance.
*First to the target*: complete fits from scratch with rising ``max_iter``; the first
whose held-out deviance is no worse than the target counts, with the time of that fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import data, tables
from benchmarks.contenders import Data
from benchmarks.crew import Contender, ContenderError, Crew, crew, is_installed, stored

PEER = "scikit-learn MLP, early stopping"
GOALS = {"same recipe": 4.0, "defaults": 8.0}
_QUICK = 8  # iterations of all, when only asked whether it runs
_PILOT = 2  # iterations of the fits that tell the better number of threads
_RECIPE: dict[str, Any] = {
    "hidden_layer_sizes": [100],
    "activation": "relu",
    "solver": "adam",
    "batch_size": 200,
    "learning_rate": "constant",
    "learning_rate_init": 1e-3,
    "alpha": 1e-4 / 200,  # scikit-learn divides its alpha by the rows of the batch
    "early_stopping": True,
    "max_iter": 200,
}


@dataclass(frozen=True)
class Work:
    """A data set."""

    name: str
    law: str
    read: Callable[[], Data]


def works(options: Any) -> list[Work]:
    """Return the data sets; that of motor claims only where its folder is given."""
    n = 500 if options.quick else 100_000
    found = [
        Work(
            f"synthetic Poisson {n} x 20",
            "poisson",
            lambda: data.held_out(data.nonlinear("poisson", n + n // 5, 20), 1 / 6),
        ),
        Work("digits", "multinoulli", lambda: data.held_out(data.digits(), 1 / 4)),
        Work(
            "Friedman's Normal 20000 x 10",
            "normal",
            lambda: data.held_out(data.friedman(24_000), 1 / 6),
        ),
    ]
    if options.data is not None:
        few = 500 if options.quick else None
        found.append(
            Work(
                "freMTPL2 claims with exposure",
                "poisson",
                lambda: data.motor_claims(options.data, few),
            )
        )
    chosen: list[Work] = options.chosen(found)
    return chosen[:1] if options.quick and not options.only else chosen


def _contenders(law: str, seed: int, quick: bool) -> dict[str, Contender]:
    """Return the peer and ours; ``quick`` ends all of them after a few iterations."""
    few = {"max_iter": _QUICK} if quick else {}
    peer = {"law": law, "early_stopping": True, "random_state": seed, **few}
    ours = {"law": law, "random_state": seed}
    recipe = {**ours, **_RECIPE, **few}
    return {
        PEER: Contender(PEER, "scikit_learn", "network", peer),
        "same recipe": Contender("same recipe", "ours", "network", recipe),
        "defaults": Contender("defaults", "ours", "network", {**ours, **few}),
    }


@dataclass(frozen=True)
class _Field:
    """A data set in its directory, and the workers."""

    workers: Crew
    directory: str

    def fit(self, contender: Contender, threads: int, **settings: Any) -> dict[str, Any]:
        """Return seconds, deviance and the like of one fit."""
        return self.workers.run(
            contender.package,
            threads,
            self.directory,
            run=contender.function,
            settings={**contender.settings, **settings},
            judge="deviance",
        )

    def better_threads(self, contender: Contender, tried: tuple[int, ...]) -> int:
        """Return the number of threads at which a few iterations are fastest."""
        if len(tried) == 1:
            self.fit(contender, tried[0], max_iter=_PILOT)  # imports and warms up
            return tried[0]

        def pilot(threads: int) -> float:
            fits = [self.fit(contender, threads, max_iter=_PILOT) for _ in range(3)]
            return min(fit["seconds"] for fit in fits)

        return min(tried, key=pilot)

    def first_to(
        self, target: float, patience: float, contender: Contender, threads: int, whole: int
    ) -> dict[str, Any] | None:
        """Return the first fit that reaches the target, under rising ``max_iter``.

        Budgets rise by about 2^(1/2) up to ``whole`` iterations; a fit that takes longer
        than ``patience`` seconds ends the search.
        """
        for budget in budgets(whole):
            fit = self.fit(contender, threads, max_iter=budget)
            if fit["deviance"] <= target:
                return {**fit, "max_iter": budget}
            if fit["seconds"] > patience:
                break
        return None


def budgets(whole: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, ... up to ``whole``.

    >>> budgets(20)
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    steps = {1, whole, *(2**k for k in range(30)), *(3 * 2**k for k in range(30))}
    return sorted(step for step in steps if step <= whole)


def _one_seed(
    field: _Field, contenders: dict[str, Contender], threads: dict[str, int]
) -> list[dict[str, Any]]:
    """Return the rows of one seed: the peer, and twice ours."""
    peer = field.fit(contenders[PEER], threads[PEER])
    rows: list[dict[str, Any]] = [{"contender": PEER, **peer}]
    for name in GOALS:
        whole = field.fit(contenders[name], threads[name])
        row = {"contender": name, **whole, "whole_ratio": peer["seconds"] / whole["seconds"]}
        row["whole_reached"] = whole["deviance"] <= peer["deviance"]
        most = contenders[name].settings.get("max_iter", whole["n_iter"])
        first = field.first_to(
            peer["deviance"], peer["seconds"], contenders[name], threads[name], most
        )
        if first is not None:
            row["first"] = {k: first[k] for k in ("seconds", "deviance", "max_iter")}
        row["ratio"] = peer["seconds"] / first["seconds"] if first else 0.0
        rows.append(row)
    return [{**row, "threads": threads[row["contender"]]} for row in rows]


def measure(workers: Crew, work: Work, options: Any) -> list[dict[str, Any]]:
    """Return the rows of all seeds of a data set."""
    rows = []
    with stored(work.read()) as directory:
        field = _Field(workers, directory)
        threads = {
            name: field.better_threads(contender, options.threads)
            for name, contender in _contenders(work.law, 0, options.quick).items()
        }
        for seed in range(options.repeats):
            measured = _one_seed(field, _contenders(work.law, seed, options.quick), threads)
            rows += [{"work": work.name, "seed": seed, **row} for row in measured]
    return rows


def _summary(work: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return medians over the seeds, against the goals."""
    peer = [row for row in rows if row["contender"] == PEER]
    lines = []
    for name, goal in GOALS.items():
        own = [row for row in rows if row["contender"] == name]
        firsts = [row["first"]["seconds"] for row in own if "first" in row]
        ratio = median(row["ratio"] for row in own)
        lines.append(
            {
                "work": work,
                "ours_is": name,
                "theirs": median(row["seconds"] for row in peer),
                "target": median(row["deviance"] for row in peer),
                "ours": median(firsts) if firsts else None,
                "whole": median(row["seconds"] for row in own),
                "whole_ratio": median(row["whole_ratio"] for row in own),
                "whole_deviance": median(row["deviance"] for row in own),
                "whole_reached": sum(row["whole_reached"] for row in own),
                "reached": len(firsts),
                "seeds": len(own),
                "ratio": ratio,
                "goal": goal,
                "met": ratio >= goal,
            }
        )
    return lines


def run(options: Any) -> dict[str, Any]:
    """Return the rows of all seeds, and the medians against the goals."""
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    notes = []
    if options.data is None:
        notes.append("freMTPL2 was left out: `--data FOLDER` names the folder of its parquet file.")
    if not is_installed("scikit_learn"):
        raise SystemExit("quality needs scikit-learn >= 1.9, whose perceptron sets the target.")
    with crew() as workers:
        for work in works(options):
            options.tell(work.name)
            try:
                measured = measure(workers, work, options)
            except ContenderError as error:
                notes.append(f"{work.name} failed: {str(error).strip().splitlines()[-1]}")
                continue
            rows += measured
            lines += _summary(work.name, measured)
            options.keep({"rows": rows, "goals": lines, "notes": notes})
    return {"rows": rows, "goals": lines, "notes": notes}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    heads = [
        "data",
        "ours",
        "MLP",
        "its deviance",
        "ours, first to it",
        "seeds that got there",
        "ratio",
        "goal",
        "met",
        "ours, whole fit",
        "ratio",
        "deviance",
        "seeds no worse",
    ]
    body = [
        [
            line["work"],
            line["ours_is"],
            tables.seconds(line["theirs"]),
            f"{line['target']:.5f}",
            tables.seconds(line["ours"]),
            f"{line['reached']} of {line['seeds']}",
            tables.digits(line["ratio"]),
            f">= {line['goal']:g}",
            "yes" if line["met"] else "no",
            tables.seconds(line["whole"]),
            tables.digits(line["whole_ratio"]),
            f"{line['whole_deviance']:.5f}",
            f"{line['whole_reached']} of {line['seeds']}",
        ]
        for line in found["goals"]
    ]
    return "\n\n".join([tables.markdown(heads, body), *found["notes"]])
