"""Networks: samples per second of Adam at equal architecture, batch and learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import data, tables
from benchmarks.contenders import Data
from benchmarks.crew import Contender, Crew, crew, race, stored

_RATE = 1e-3
_GOALS_SMALL = {"scikit-learn": 2.5, "torch": 4.0, "jax": 1.5}


@dataclass(frozen=True)
class Work:
    """A row of the issue's table; ``epochs`` are the two numbers whose difference is timed."""

    law: str
    n: int
    sizes: tuple[int, ...]
    batch: int
    goals: Mapping[str, float]
    exposure: bool = False
    epochs: tuple[int, int] = (1, 5)

    @property
    def name(self) -> str:
        """The work in words."""
        layers = "-".join(map(str, self.sizes))
        known = ", exposure" if self.exposure else ""
        law = self.law.capitalize()
        rows = f"{self.n:,}".replace(",", " ")
        return f"{layers} {law}{known}, n = {rows}, batch {self.batch}"

    def draw(self) -> Data:
        """Return the data."""
        return data.nonlinear(self.law, self.n, self.sizes[0], self.sizes[-1], self.exposure)


# n of the last two is a multiple of both batches, so that no contender has a short batch
WORKS = (
    Work("poisson", 100_000, (20, 32, 16, 1), 200, _GOALS_SMALL, epochs=(1, 11)),
    Work("poisson", 500_000, (20, 20, 15, 10, 1), 200, _GOALS_SMALL, exposure=True),
    Work("bernoulli", 100_000, (50, 128, 64, 1), 200, {"scikit-learn": 1.5, "torch": 1.8}),
    *(
        Work(
            "multinoulli",
            25_600,
            (784, 256, 128, 10),
            batch,
            {"scikit-learn": 1.0, "torch": 1.4},
            epochs=(1, 4),
        )
        for batch in (200, 1024)
    ),
)
QUICK = (
    Work("poisson", 1000, (4, 8, 1), 200, _GOALS_SMALL, exposure=True, epochs=(1, 2)),
    Work("multinoulli", 1000, (4, 8, 3), 200, {"scikit-learn": 1.0}, epochs=(1, 2)),
)


def contenders(work: Work, threads: tuple[int, ...]) -> list[Contender]:
    """Return all, without penalty, with settings in their own words."""
    hidden = list(work.sizes[1:-1])
    equal = {"law": work.law, "hidden": hidden, "batch": work.batch, "rate": _RATE, "seed": 0}
    ours = {
        "law": work.law,
        "hidden_layer_sizes": hidden,
        "activation": "tanh",
        "solver": "adam",
        "batch_size": work.batch,
        "learning_rate_init": _RATE,
        "alpha": 0.0,
        "random_state": 0,
    }
    sklearn = {k: v for k, v in ours.items() if k not in {"solver", "alpha"}}
    first, second = work.epochs

    def runs(name: str) -> dict[str, dict[str, int]]:
        return {"short": {name: first}, "whole": {name: second}}

    found = [Contender(tables.OURS, "ours", "network", ours, threads, runs("max_iter"))]
    found += [
        Contender(
            f"scikit-learn {dtype}",
            "scikit_learn",
            "epochs",
            {**sklearn, "dtype": dtype},
            threads,
            runs("epochs"),
        )
        for dtype in ("float32", "float64")
    ]
    found.append(Contender("torch eager", "torch", "epochs", equal, threads, runs("epochs")))
    return found + [
        Contender(f"jax {loop}", "jax", "epochs", {**equal, "loop": loop}, (1,), runs("epochs"))
        for loop in ("step", "scan")
    ]


def measure(workers: Crew, work: Work, options: Any) -> list[Any]:
    """Return a row for each contender, with samples per second.

    ``rate`` is that of the epochs after the first ones, from the median difference of
    two whole fits timed one after the other; ``rate_whole`` counts everything of
    the longer fit.
    """
    with stored(work.draw()) as directory:
        ours, *others = contenders(work, options.threads)
        racing = [ours, *options.invited(others)]
        rows = race(workers, racing, directory, "deviance", options.repeats)
    first, second = work.epochs
    for row in rows:
        row["work"] = work.name
        if "whole" in row:
            row["rate_whole"] = work.n * second / row["whole"]
            timings = row["all_timings"]
            pairs = zip(timings["short"], timings["whole"], strict=True)
            difference = median(whole - short for short, whole in pairs)
            if difference > 0:  # a disturbed timing of a tiny fit may say otherwise
                row["rate"] = work.n * (second - first) / difference
    return rows


def run(options: Any) -> dict[str, Any]:
    """Return rows and goals of all works."""
    works = QUICK if options.quick else WORKS
    with crew() as workers:
        return tables.collect(
            options, works, lambda work: measure(workers, work, options), "rate", larger=True
        )


def _thousands(value: float | None) -> str:
    return f"{tables.digits(value, 1000)} k/s" if value else "-"


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    body = [
        [
            row["work"],
            row["contender"],
            tables.status(row) or _thousands(row.get("rate")),
            _thousands(row.get("rate_whole")),
            str(row.get("threads", "-")),
            f"{row['deviance']:.4f}" if "deviance" in row else "-",
            "-" if row.get("bytes") is None else f"{row['bytes'] / 2**20:.0f} MiB",
        ]
        for row in found["rows"]
    ]
    heads = [
        "work",
        "contender",
        "samples, marginal",
        "samples, whole fit",
        "threads",
        "training deviance",
        "extra memory",
    ]
    return tables.goals(found["goals"], _thousands) + "\n\n" + tables.markdown(heads, body)
