"""Cost in n: seconds and memory of a depth-zero Poisson fit and of one epoch of a network."""

from __future__ import annotations

from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import tables
from benchmarks.crew import Contender, crew, race

_P = 20
_CHUNK = 100_000
_SIZES = (10**4, 10**5, 10**6, 10**7)
_QUICK = (500, 5000)


def write(directory: str, n: int) -> int:
    """Write X, (n, 20) float32, and Poisson counts y, drawn by chunks; return the bytes of X."""
    rng = np.random.default_rng(0)
    beta = rng.standard_normal(_P) / np.sqrt(_P)
    folder = Path(directory)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n, _P))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (n,))
    for start in range(0, n, _CHUNK):
        block = rng.standard_normal((min(_CHUNK, n - start), _P), dtype=np.float32)
        X[start : start + _CHUNK] = block
        y[start : start + _CHUNK] = rng.poisson(np.exp(0.5 * (block @ beta) - 0.5))
    X.flush()
    y.flush()
    return int(X.nbytes)


def _contenders(threads: tuple[int, ...]) -> list[Contender]:
    epoch = {
        "law": "poisson",
        "hidden_layer_sizes": [32, 16],
        "solver": "adam",
        "max_iter": 1,
        "random_state": 0,
    }
    return [
        Contender("GLM", "ours", "glm", {"law": "poisson"}, threads),
        Contender("32-16 network, one epoch", "ours", "network", epoch, threads),
    ]


def run(options: Any) -> dict[str, Any]:
    """Return rows by n; ``exponent`` is the slope of log seconds in log n since the n before."""
    rows: list[dict[str, Any]] = []
    before: dict[str, dict[str, Any]] = {}
    for n in _QUICK if options.quick else _SIZES:
        options.tell(f"n = {n:.0e}")
        with TemporaryDirectory(prefix="benchmarks-") as directory, crew() as workers:
            size = write(directory, n)
            # no judge: what was reached is the business of the other tables
            measured = race(workers, _contenders(options.threads), directory, None, options.repeats)
        for row in measured:
            row |= {"n": n, "size": size}
            last = before.get(row["contender"])
            if last and "seconds" in row and "seconds" in last:
                row["exponent"] = log(row["seconds"] / last["seconds"]) / log(n / last["n"])
            before[row["contender"]] = row
        rows += measured
        options.keep({"rows": rows})
    return {"rows": rows}


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    body = [
        [
            row["contender"],
            f"{row['n']:.0e}".replace("e+0", "e"),
            tables.status(row) or tables.seconds(row.get("seconds")),
            tables.digits(row.get("exponent")),
            f"{row['size'] / 2**20:.1f} MiB",
            "-" if row.get("bytes") is None else f"{row['bytes'] / 2**20:.1f} MiB",
            str(row.get("threads", "-")),
        ]
        for row in sorted(found["rows"], key=lambda row: row["contender"])
    ]
    heads = ["Poisson, n x 20 float32", "n", "time", "growth, power of n", "X", "extra memory"]
    return tables.markdown([*heads, "threads"], body)
