"""Predictions: one row, over the numpy calls that it takes; and many rows at once."""

from __future__ import annotations

from typing import Any

from benchmarks import data, tables
from benchmarks.crew import Contender, Crew, crew, race, stored

GOAL = 100e-6  # seconds on top of the plain calls
_DEPTHS = {"GLM": [], "32-16 network": [32, 16]}
_FITTED_TO = 2000


def _contenders(hidden: list[int], threads: tuple[int, ...]) -> list[Contender]:
    settings = {"law": "poisson", "hidden_layer_sizes": hidden, "max_iter": 50, "random_state": 0}
    return [
        Contender(
            "predict", "ours", "predict", {**settings, "plain": False}, threads, prepared=True
        ),
        Contender(
            "plain numpy", "ours", "predict", {**settings, "plain": True}, threads, prepared=True
        ),
    ]


def _measure(
    workers: Crew, name: str, hidden: list[int], n: int, options: Any
) -> list[dict[str, Any]]:
    drawn = data.glm("poisson", _FITTED_TO, 20)
    asked = {"X": drawn["X"], "y": drawn["y"], "X_test": data.glm("poisson", n, 20)["X"]}
    with stored(asked) as directory:
        contenders = _contenders(hidden, options.threads)
        rows = race(workers, contenders, directory, None, options.repeats)
    return [{"model": name, "n": n, **row} for row in rows]


def run(options: Any) -> dict[str, Any]:
    """Return the rows for one row of X and for many."""
    rows = []
    with crew() as workers:
        for name in options.matching(_DEPTHS):
            for n in (1, 5000 if options.quick else 10**6):
                options.tell(f"{name}, {n} rows")
                rows += _measure(workers, name, _DEPTHS[name], n, options)
    for row in rows:
        plain = next(
            other
            for other in rows
            if (other["model"], other["n"]) == (row["model"], row["n"])
            and other["contender"] == "plain numpy"
        )
        if "seconds" in row and "seconds" in plain:
            row["over_plain"] = row["seconds"] - plain["seconds"]
    return {"rows": rows, "goal": GOAL}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    body = [
        [
            row["model"],
            f"{row['n']:,}".replace(",", " "),
            row["contender"],
            tables.status(row) or tables.seconds(row.get("seconds")),
            f"{1e6 * row['over_plain']:.1f} us" if row["n"] == 1 and "over_plain" in row else "",
            f"<= {1e6 * found['goal']:.0f} us" if row["n"] == 1 else "",
            "-" if row.get("bytes") is None else f"{row['bytes'] / 2**20:.1f} MiB",
            str(row.get("threads", "-")),
        ]
        for row in found["rows"]
    ]
    heads = ["model", "rows", "call", "time", "over plain", "goal", "extra memory", "threads"]
    return tables.markdown(heads, body)
