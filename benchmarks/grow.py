"""When data grow: a classical Poisson fit in memory, out of core, and on two Dask workers.

Each fit is a process of its own, ``python -m benchmarks.grow WAY DIRECTORY``, that reads the
same Parquet files and prints JSON: seconds from the files to the coefficients, and the memory
that it (and its workers) took on top of what was there before.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import memory, tables
from glmnet_nn import Blocks, DeepGLMRegressor, ParquetBlocks
from glmnet_nn.blocks import BlockParts

_P = 20
_GROUP = 100_000  # rows of a row group, and so of a block
_SIZES = (10**5, 10**6, 10**7)
_QUICK = (4_000,)
_BEYOND = 10**8  # rows that are not measured
_WORKERS = 2
_AGREES = 1e-10
_BLOCK_BYTES = 8 * _GROUP * (_P + 1)  # of a block in double precision


# ------------------------------------------------------------------ the data


def write(directory: str, n: int) -> int:
    """Write n rows of 20 float32 columns and Poisson counts as Parquet; return the bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    beta = rng.standard_normal(_P) / np.sqrt(_P)
    path = Path(directory) / "rows.parquet"
    group = min(_GROUP, n // 4)
    names = [*(f"x{j}" for j in range(_P)), "y"]
    schema = pa.schema([(name, pa.float32()) for name in names])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n, group):
            X = rng.standard_normal((min(group, n - start), _P), dtype=np.float32)
            y = rng.poisson(np.exp(0.5 * (X @ beta) - 0.5)).astype(np.float32)
            writer.write_table(pa.table([*X.T, y], schema=schema), row_group_size=group)
    return path.stat().st_size


# ------------------------------------------------------------- one fit, alone


def _glm() -> DeepGLMRegressor:
    return DeepGLMRegressor("poisson", hidden_layer_sizes=())


def _in_memory(directory: str) -> DeepGLMRegressor:
    import pandas as pd

    frame = pd.read_parquet(directory)
    return _glm().fit(frame.drop(columns="y"), frame["y"])


def _out_of_core(directory: str) -> DeepGLMRegressor:
    return _glm().fit(ParquetBlocks(directory, "y", block_rows=_GROUP))


def _on_workers(directory: str) -> DeepGLMRegressor:
    import dask.dataframe as dd

    frame = dd.read_parquet(directory, split_row_groups=1)
    return _glm().fit(frame.drop(columns="y"), frame["y"])


def alone(way: str, directory: str) -> dict[str, Any]:
    """Return what one fit takes, and its coefficients."""
    if way != "two Dask workers":
        return _watched(_WAYS[way], directory, memory.start_watch, memory.peak_since)
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=_WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        here: list[int | None] = []
        _warmed()

        def start() -> dict[str, Any]:
            here.append(memory.start_watch())
            found: dict[str, Any] = client.run(memory.start_watch)
            return found

        def peak(before: dict[str, Any]) -> int | None:
            own = memory.peak_since(here[0])
            parts = [client.run(memory.peak_since, b, workers=[w])[w] for w, b in before.items()]
            return None if own is None or None in parts else own + sum(parts)

        return _watched(_WAYS[way], directory, start, peak)


def _warmed() -> None:
    """Let every worker import what a fit needs: that is no part of it."""
    import dask.array as da

    n = 8 * _WORKERS
    X = da.from_array(np.arange(n, dtype=float)[:, None], chunks=(4, 1))
    _glm().fit(X, da.from_array(np.arange(n) % 3.0, chunks=4))


def _watched(
    fit: Callable[[str], DeepGLMRegressor],
    directory: str,
    start: Callable[[], Any],
    peak: Callable[[Any], int | None],
) -> dict[str, Any]:
    before, began = start(), perf_counter()
    model = fit(directory)
    seconds = perf_counter() - began
    return {
        "seconds": seconds,
        "bytes": peak(before),
        "weights": [*np.ravel(model.coef_).tolist(), model.intercept_],
        "iterations": model.n_iter_,
    }


_WAYS: dict[str, Callable[[str], DeepGLMRegressor]] = {
    "in memory": _in_memory,
    "out of core": _out_of_core,
    "two Dask workers": _on_workers,
}


# ------------------------------------------------------------------ the table


def sent() -> dict[str, int]:
    """Return the bytes of a pass of Fisher scoring: out to each worker, back for each block.

    Out go the parameters, the law and the network as a block's function has them; back come
    the sums of loss, gradient and information.
    """
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, _P)), rng.poisson(1.0, 100).astype(float)
    heard: list[tuple[int, int]] = []

    class Heard(BlockParts):
        def map(self, function: Callable[..., Any], *each: Any) -> list[Any]:
            found: list[Any] = super().map(function, *each)
            heard.append((len(pickle.dumps(function)), len(pickle.dumps(found[0]))))
            return found

    class Overheard(Blocks):
        def entered(self, enter: Callable[..., Any]) -> BlockParts:
            return Heard(self, enter)

    _glm().fit(Overheard([(X, y)]))
    out, back = heard[-1]  # a step, as its last pass
    return {"out": out, "back": back}


def measured(way: str, directory: str) -> dict[str, Any]:
    """Return what a process of its own found."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.grow", way, directory],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        return {"error": told.stderr}
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def run(options: Any) -> dict[str, Any]:
    """Return rows by n and way, and what is sent in a pass."""
    rows: list[dict[str, Any]] = []
    report = {"rows": rows, "sent": sent()}
    for n in _QUICK if options.quick else _SIZES:
        with TemporaryDirectory(prefix="benchmarks-") as directory:
            size = write(directory, n)
            first: list[float] | None = None
            for way in options.matching(_WAYS):
                options.tell(f"n = {n:.0e}, {way}")
                found = [measured(way, directory) for _ in range(options.repeats)]
                row = {"n": n, "way": way, "size": size, **_medians(found)}
                first = first or row.get("weights")
                row["apart"] = _apart(row.get("weights"), first)
                rows.append(row)
                options.keep(report)
    report["goals"] = judged(rows)
    if not options.quick:
        rows += [_beyond([row for row in rows if row["way"] == way]) for way in _ways(rows)]
    return report


def judged(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Tell whether the fits agree, and whether memory out of core is bounded by a block.

    Ten times the rows may take a block more than before: what was not yet read at the fewer.
    """
    apart = [row["apart"] for row in rows if row.get("apart") is not None]
    held = [row["bytes"] for row in rows if row["way"] == "out of core" and row.get("bytes")]
    steps = np.diff(held[1:])  # of the fewest rows all are one block
    return {
        f"coefficients within {_AGREES:.0e}": bool(apart) and max(apart) <= _AGREES,
        "memory out of core grows by a block at most": bool(np.all(steps <= _BLOCK_BYTES)),
    }


def _ways(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["way"] for row in rows))


def _medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    failed = [one for one in found if "error" in one]
    if failed:
        return failed[0]
    known = [one["bytes"] for one in found if one["bytes"] is not None]
    return {
        **found[0],
        "seconds": median(one["seconds"] for one in found),
        "bytes": median(known) if known else None,
    }


def _apart(weights: list[float] | None, first: list[float] | None) -> float | None:
    """Return the largest difference from the fit in memory, relative to its largest number."""
    if weights is None or first is None:
        return None
    return float(np.abs(np.subtract(weights, first)).max() / np.abs(first).max())


def _beyond(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a line through the last two sizes says of more rows."""
    before, last = rows[-2], rows[-1]
    row: dict[str, Any] = {"n": _BEYOND, "way": last["way"], "extrapolated": True}
    for name in ("seconds", "bytes", "size"):
        if last.get(name) is not None and before.get(name) is not None:
            slope = (last[name] - before[name]) / (last["n"] - before["n"])
            row[name] = last[name] + max(slope, 0.0) * (_BEYOND - last["n"])
    return row


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    body = [
        [
            row["way"],
            f"{row['n']:.0e}".replace("e+0", "e") + (" *" if row.get("extrapolated") else ""),
            tables.status(row) or tables.seconds(row.get("seconds")),
            "-" if row.get("bytes") is None else f"{row['bytes'] / 2**20:.0f} MiB",
            f"{row['size'] / 2**20:.0f} MiB",
            "-" if row.get("apart") is None else f"{row['apart']:.0e}",
        ]
        for row in sorted(found["rows"], key=lambda row: (_known(row["way"]), row["n"]))
    ]
    heads = ["Poisson, n x 20", "n", "files to fit", "memory", "files", "from in memory"]
    lines = tables.markdown(heads, body)
    out, back = found["sent"]["out"], found["sent"]["back"]
    starred = any(row.get("extrapolated") for row in found["rows"])
    note = "\\* Not measured: on the line through the two sizes before.\n\n" if starred else ""
    goals = "; ".join(f"{goal}: {'yes' if met else 'no'}" for goal, met in found["goals"].items())
    return (
        f"{lines}\n\n{note}Goals: {goals}.\n\n"
        "Memory is on top of what was there before the fit, of workers summed. "
        f"In each pass about {out} bytes go to a worker, and {back} come back from a block."
    )


def _known(way: str) -> int:
    return list(_WAYS).index(way)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(alone(*sys.argv[1:])))
