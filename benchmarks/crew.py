"""The workers, one process for each library and number of threads, and their race."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np

from benchmarks.contenders import Data

_ROOT = Path(__file__).resolve().parents[1]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MODULE = {"ours": "glmnet_nn", "scikit_learn": "sklearn"}  # where the names differ
_SHORT = 0.05  # seconds: a faster call is timed over several
_SLOWER = 1.15  # a number of threads this much slower in the pilot is out of the race
_BUDGET = 60.0  # seconds that one contender may spend on its repeats


def is_installed(library: str) -> bool:
    """Whether the library of a module of :mod:`benchmarks.contenders` can be imported."""
    return find_spec(_MODULE.get(library, library)) is not None


class ContenderError(RuntimeError):
    """A contender raised, or its process ended."""


class Worker:
    """A process that has imported one library, with its threads set before it started."""

    def __init__(self, library: str, threads: int) -> None:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(_ROOT)]))
        environment = {**os.environ, "PYTHONPATH": path}
        environment |= dict.fromkeys(_THREADS, str(threads))
        self._noise = TemporaryFile("w+")  # noqa: SIM115 -- lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=environment,
            text=True,
        )
        self._loaded = ""

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._noise.seek(0)
            raise ContenderError(f"the process ended: {self._noise.read()[-2000:]}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContenderError(reply["error"])
        return reply

    def load(self, directory: str) -> None:
        """Load the data of a directory, unless they are there."""
        if self._loaded != directory:
            self.ask(load=directory)
            self._loaded = directory

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._noise.close()


@dataclass
class Crew:
    """Workers, started when first asked for and kept for the next table row."""

    workers: dict[tuple[str, int], Worker] = field(default_factory=dict)

    def run(self, library: str, threads: int, directory: str, **request: Any) -> dict[str, Any]:
        """Return the reply of a library's worker, which has the data of a directory."""
        key = (library, threads)
        if key not in self.workers:
            self.workers[key] = Worker(library, threads)
        try:
            self.workers[key].load(directory)
            return self.workers[key].ask(**request)
        except ContenderError:
            self.workers.pop(key).close()
            raise

    def close(self) -> None:
        """End all processes."""
        while self.workers:
            self.workers.popitem()[1].close()


@contextmanager
def crew() -> Iterator[Crew]:
    """Give a crew whose processes end with the block."""
    workers = Crew()
    try:
        yield workers
    finally:
        workers.close()


@contextmanager
def stored(data: Data) -> Iterator[str]:
    """Give a temporary directory with each array as NAME.npy."""
    with TemporaryDirectory(prefix="benchmarks-") as directory:
        for name, values in data.items():
            np.save(Path(directory) / f"{name}.npy", values)
        yield directory


@dataclass(frozen=True)
class Contender:
    """A function of a library, with its settings: the row of a table.

    ``threads`` are tried both, and the better counts. ``runs`` are settings that
    differ between the runs that one measurement needs, such as two numbers of epochs.
    Of a ``prepared`` one, what the function returns is timed, not the function.
    """

    name: str
    package: str
    function: str
    settings: Mapping[str, Any]
    threads: tuple[int, ...] = (1, 2)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"seconds": {}})
    prepared: bool = False


@dataclass
class _Lane:
    """A contender at one number of threads, its timings so far."""

    contender: Contender
    threads: int
    judge: str | None
    number: int = 1
    repeats: int = 1
    pilot: float = 0.0
    timings: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    bytes: int | None = None

    def measure(self, crew: Crew, directory: str) -> float:
        """Run all runs once; return the sum of their seconds."""
        total = 0.0
        for label, special in self.contender.runs.items():
            self.last = crew.run(
                self.contender.package,
                self.threads,
                directory,
                run=self.contender.function,
                settings={**self.contender.settings, **special},
                number=self.number,
                judge=self.judge,
                prepared=self.contender.prepared,
            )
            self.timings.setdefault(label, []).append(self.last["seconds"])
            if self.last["bytes"] is not None:
                self.bytes = max(self.bytes or 0, self.last["bytes"])
            total += self.last["seconds"]
        return total

    def prepare(self, crew: Crew, directory: str, repeats: int) -> None:
        """Warm up, and set how often a call is repeated within a timing, and a timing."""
        self.pilot = self.measure(crew, directory)
        if self.pilot < 2.0:  # the first call also imports, compiles and grows the heap
            self.pilot = self.measure(crew, directory)
        self.number = max(1, int(_SHORT / max(self.pilot, 1e-6)))
        self.repeats = max(1, min(repeats, int(_BUDGET / max(self.pilot, 1e-6))))
        self.timings, self.bytes = {}, None

    def result(self) -> dict[str, Any]:
        """Return the row: medians, extremes, memory and what the judge said."""
        medians = {label: median(values) for label, values in self.timings.items()}
        rest = {k: v for k, v in self.last.items() if k not in {"seconds", "bytes"}}
        return {
            "contender": self.contender.name,
            "threads": self.threads,
            **medians,
            "all_timings": self.timings,
            "bytes": self.bytes,
            **rest,
        }


def race(
    crew: Crew, contenders: list[Contender], directory: str, judge: str | None, repeats: int
) -> list[dict[str, Any]]:
    """Return a row for each contender, at its better number of threads.

    Each is warmed up and timed once; a number of threads that is clearly slower than
    the other drops out. Then all are timed in turn, ``repeats`` times (fewer where
    that takes more than a minute), starting with another one each time.
    """
    rows: list[dict[str, Any]] = []
    lanes: list[_Lane] = []
    for contender in contenders:
        if not is_installed(contender.package):
            rows.append({"contender": contender.name, "absent": True})
            continue
        tried = [_Lane(contender, threads, judge) for threads in contender.threads]
        try:
            for lane in tried:
                lane.prepare(crew, directory, repeats)
        except ContenderError as error:
            rows.append({"contender": contender.name, "error": str(error)})
            continue
        limit = _SLOWER * min(lane.pilot for lane in tried)
        lanes += [lane for lane in tried if lane.pilot <= limit]
    for turn in range(repeats):
        at = turn % max(1, len(lanes))
        for lane in lanes[at:] + lanes[:at]:
            if turn < lane.repeats:
                lane.measure(crew, directory)
    for contender in contenders:
        own = [lane.result() for lane in lanes if lane.contender is contender]
        if own:
            label = list(contender.runs)[-1]
            rows.append(min(own, key=lambda row: row[label]))
    names = [contender.name for contender in contenders]
    return sorted(rows, key=lambda row: names.index(row["contender"]))
