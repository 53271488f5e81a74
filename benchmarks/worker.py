"""The process of one library: ``python -m benchmarks.worker LIBRARY``, spoken to by JSON lines.

``{"load": DIRECTORY}`` reads each NAME.npy there. ``{"run": FUNCTION, "settings": {...},
"number": k, "judge": NAME}`` calls the library's function k times and answers with
the seconds of one call, the memory it took on top of what was there before, and
what the judge says of the result.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import judges, memory
from benchmarks.contenders import Data


def run(
    function: Callable[..., Any], data: Data, settings: dict[str, Any], number: int
) -> tuple[Any, dict[str, Any]]:
    """Return the last result of ``number`` calls, with seconds per call and bytes."""
    before = memory.start_watch()
    start = perf_counter()
    for _ in range(number):
        result = function(data, **settings)
    seconds = (perf_counter() - start) / number
    return result, {"seconds": seconds, "bytes": memory.peak_since(before)}


def answer(request: dict[str, Any], library: ModuleType, data: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to one request; ``data`` is replaced by a load."""
    if "load" in request:
        data.clear()
        data.update({path.stem: np.load(path) for path in Path(request["load"]).glob("*.npy")})
        return {"loaded": sorted(data)}
    settings, judge = request["settings"], request.get("judge")
    function = getattr(library, request["run"])
    result, measured = run(function, data, settings, request.get("number", 1))
    if judge is not None:
        measured |= getattr(judges, judge)(result, data, settings["law"])
    return measured | (result if isinstance(result, dict) else {})


def main(name: str) -> None:
    """Answer requests until there are no more; what the library prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # of convergence: the judge looks at what was reached
    library = import_module(f"benchmarks.contenders.{name}")
    data: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), library, data)
        except Exception:  # told to the parent, which names it in the table
            reply = {"error": traceback.format_exc(limit=-3)}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
