"""Claim frequencies of French motor policies: this package's models beside the published ones.

The table of Wüthrich and Merz (2023), split as they split it, with the inputs of the published
networks. Every model of ours has its defaults, but for the choices that its name tells; each
is fitted to the learning part from several seeds and judged on the test part, which nothing
was chosen by. The loss is theirs: 100 times the mean Poisson deviance of the frequencies,
weighted by exposure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import data, tables
from benchmarks.contenders import Data
from benchmarks.crew import Crew, crew, stored

_UNIT = 100.0  # of the published deviances
_MOST_IMBALANCE = 1e-9
_MOST_SECONDS = 10.0
_QUICK: dict[str, Any] = {"max_iter": 2, "n_estimators": 2, "n_jobs": 1}

# The constant and GLM3 (50 parameters, refitted): Wüthrich and Merz (2023), Statistical
# Foundations of Actuarial Learning. Networks: Wüthrich et al. (2025), AI Tools for Actuaries.
PUBLISHED = {
    "constant frequency": (47.722, 47.967),
    "GLM3": (45.586, 45.435),
    "network 20-15-10, Keras": (44.850, 44.974),
    "network 20-15-10, PyTorch": (44.965, 44.937),
    "with embeddings, Keras": (44.816, 44.902),
    "with embeddings, PyTorch": (44.973, 44.928),
    "CANN, Keras": (44.968, 44.932),
    "CANN, PyTorch": (44.989, 44.976),
    "LocalGLMnet, Keras": (44.961, 45.078),
    "LocalGLMnet, PyTorch": (45.042, 45.028),
}


@dataclass(frozen=True)
class Model:
    """A model of ours, and what its median loss on the test part is to be at most.

    ``seeded`` tells whether fits differ by the seed, ``timed`` whether one has to end in time.
    """

    name: str
    settings: Mapping[str, Any]
    goal: float | None = None
    seeded: bool = True
    timed: bool = False

    def fits(self, n_seeds: int, quick: bool) -> list[dict[str, Any]]:
        """Return the settings of every fit; ``quick`` ends it after a few iterations."""
        few = {k: v for k, v in _QUICK.items() if k in ("max_iter", *self.settings)}
        few = few if quick and self.seeded else {}
        seeds = range(n_seeds if self.seeded else 1)
        return [{"law": "poisson", **self.settings, "random_state": s, **few} for s in seeds]


MODELS = (
    Model("GLM", {"hidden_layer_sizes": []}, seeded=False),
    Model("network", {}, goal=44.88, timed=True),
    Model("network with skip_connection", {"skip_connection": True}),
    Model("network with n_estimators=10", {"n_estimators": 10, "n_jobs": -1}, goal=44.85),
)


def fitted(workers: Crew, directory: str, model: Model, options: Any) -> Iterator[dict[str, Any]]:
    """Yield a row for each seed: losses, balance and seconds."""
    for settings in model.fits(options.repeats, options.quick):
        options.tell(f"{model.name}, seed {settings['random_state']}")
        found = workers.run(
            "ours",
            max(options.threads),
            directory,
            run="network",
            settings=settings,
            judge="portfolio",
        )
        yield {"model": model.name, "seed": settings["random_state"], **found}


def summary(model: Model, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over the seeds, against the goals."""
    tests = [_UNIT * row["test"] for row in rows]
    line: dict[str, Any] = {
        "model": model.name,
        "seeds": len(rows),
        "learn": median(_UNIT * row["learn"] for row in rows),
        "test": median(tests),
        "from": min(tests),
        "to": max(tests),
        "imbalance": max(abs(row["imbalance"]) for row in rows),
        "seconds": median(row["seconds"] for row in rows),
        "goal": model.goal,
    }
    kept = line["imbalance"] <= _MOST_IMBALANCE
    kept &= model.goal is None or line["test"] <= model.goal
    kept &= not model.timed or max(row["seconds"] for row in rows) < _MOST_SECONDS
    return {**line, "met": bool(kept)}


def run(options: Any) -> dict[str, Any]:
    """Return the rows of all fits, and their medians.

    Raises
    ------
    SystemExit
        The folder of the data was not named.
    """
    if options.data is None:
        raise SystemExit(
            "insurance needs `--data FOLDER`, where freMTPL2.parquet is: the table of Wüthrich and "
            "Merz (2023), a cleaned version of OpenML's 41214 and 41215."
        )
    few = 500 if options.quick else None
    claims: Data = data.motor_claims(options.data, few)
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    size = {"learn": len(claims["y"]), "test": len(claims["y_test"])}
    report = {"rows": rows, "goals": lines, "size": size, "published": PUBLISHED}
    with crew() as workers, stored(claims) as directory:
        for model in options.chosen(MODELS):
            for row in fitted(workers, directory, model, options):
                rows.append(row)
                options.keep(report)
            lines.append(summary(model, [row for row in rows if row["model"] == model.name]))
    return report


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result, the published models below ours."""
    heads = ["model", "seeds", "learn", "test", "from", "to", "goal", "out of balance", "seconds"]
    ours = [
        [
            f"{line['model']} (this package)",
            str(line["seeds"]),
            *(f"{line[part]:.3f}" for part in ("learn", "test", "from", "to")),
            "-" if line["goal"] is None else f"<= {line['goal']:g}",
            f"{line['imbalance']:.0e}",
            tables.digits(line["seconds"]),
        ]
        for line in found["goals"]
    ]
    theirs = [
        [name, "-", f"{learn:.3f}", f"{test:.3f}", *"-----"]
        for name, (learn, test) in found["published"].items()
    ]
    size = found["size"]
    missed = [line["model"] for line in found["goals"] if not line["met"]]
    verdict = f"Goals missed: {', '.join(missed)}." if missed else "All goals are met."
    return (
        f"{tables.markdown(heads, [*ours, *theirs])}\n\n"
        f"{size['learn']} policies to learn from, {size['test']} to test. {verdict}"
    )
