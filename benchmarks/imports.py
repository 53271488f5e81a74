"""Seconds of an import in a fresh interpreter, over an interpreter that imports nothing."""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks import tables

GOAL = 0.35
_BARE = "a bare interpreter"
_STATEMENTS = {
    _BARE: "pass",
    "numpy and scipy.linalg": "import numpy, scipy.linalg",
    "scikit-learn (an estimator)": "import sklearn.linear_model",
    "glmnet_nn": "import glmnet_nn",
    "glmnet_nn and its estimators": "from glmnet_nn import DeepGLMRegressor",
}
_LEAST = 11


def _time(statement: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return perf_counter() - start


def run(options: Any) -> dict[str, Any]:
    """Return medians over interleaved interpreters; the first of each only fills the caches."""
    repeats = 2 if options.quick else max(_LEAST, options.repeats)
    chosen = options.matching(_STATEMENTS)
    timings: dict[str, list[float]] = {name: [] for name in dict.fromkeys([_BARE, *chosen])}
    for turn in range(repeats + 1):
        for name, values in timings.items():
            seconds = _time(_STATEMENTS[name])
            if turn:
                values.append(seconds)
    bare = median(timings[_BARE])
    rows = [
        {
            "import": name,
            "seconds": median(values),
            "over_bare": median(values) - bare,
            "all_timings": values,
        }
        for name, values in timings.items()
    ]
    return {"rows": rows, "goal": GOAL}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    body = [
        [
            row["import"],
            tables.seconds(row["seconds"]),
            tables.seconds(max(0.0, row["over_bare"])),
            f"<= {found['goal']} s" if row["import"] == "glmnet_nn" else "",
        ]
        for row in found["rows"]
    ]
    return tables.markdown(["import", "whole", "over the bare interpreter", "goal"], body)
