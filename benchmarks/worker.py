"""The process of one library: ``python -m benchmarks.worker LIBRARY``, spoken to by JSON lines.

``{"load": DIRECTORY}`` reads each NAME.npy there. ``{"run": FUNCTION, "settings": {...},
"number": k, "judge": NAME}`` calls the library's function k times and answers with
the seconds of one call, the memory it took on top of what was there before, and
what the judge says of the result. With ``"prepared": true`` the function is called once,
and what it returns is timed.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import judges, memory


def run(
    function: Callable[..., Any], arguments: dict[str, Any], number: int
) -> tuple[Any, dict[str, Any]]:
    """Return the last result of ``number`` calls, with seconds per call and bytes."""
    before = memory.start_watch()
    start = perf_counter()
    for _ in range(number):
        result = function(**arguments)
    seconds = (perf_counter() - start) / number
    return result, {"seconds": seconds, "bytes": memory.peak_since(before)}


@dataclass
class Session:
    """A library, the data that were loaded last, and what was prepared for them."""

    module: ModuleType
    data: dict[str, Any] = field(default_factory=dict)
    prepared: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to one request."""
        if "load" in request:
            self.prepared = {}
            self.data = {path.stem: np.load(path) for path in Path(request["load"]).glob("*.npy")}
            return {"loaded": sorted(self.data)}
        settings, judge = request["settings"], request.get("judge")
        function = getattr(self.module, request["run"])
        arguments = {"data": self.data, **settings}
        if request.get("prepared"):
            key = json.dumps([request["run"], settings])
            if key not in self.prepared:
                self.prepared[key] = function(**arguments)
            function, arguments = self.prepared[key], {}
        result, measured = run(function, arguments, request.get("number", 1))
        if judge is not None:
            measured |= getattr(judges, judge)(result, self.data, settings["law"])
        return measured


def main(name: str) -> None:
    """Answer requests until there are no more; what the library prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # of convergence: the judge looks at what was reached
    library = import_module(f"benchmarks.contenders.{name}")
    session = Session(library)
    for line in sys.stdin:
        try:
            reply = session.answer(json.loads(line))
        except Exception:  # told to the parent, which names it in the table
            reply = {"error": traceback.format_exc(limit=-3)}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
