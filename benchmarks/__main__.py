"""``python -m benchmarks TABLE``: measure, print Markdown, and keep everything as JSON."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import machine

TABLES = {
    "glm": "classical GLMs beside glum, scikit-learn and statsmodels",
    "path": "elastic-net paths of 100 alphas beside glum and scikit-learn",
    "nets": "samples per second of Adam beside scikit-learn, torch and jax",
    "quality": "time to the held-out deviance of scikit-learn's perceptrons",
    "insurance": "claim frequencies (freMTPL2) beside published networks and GLMs",
    "small": "defaults of networks beside the GLM on small sets, by cross-validation",
    "scale": "seconds and memory for n = 1e4 .. 1e7",
    "grow": "the same fit in memory, out of core, and on two Dask workers",
    "import": "seconds of the import in a fresh interpreter",
    "predict": "one row over plain numpy, and a million rows",
}
_STUDIES = ("coverage", "dispersion")  # of intervals: they measure no time
_WITH_PEERS = ("glm", "path", "nets")  # several, of which some may be left out
_MODULES = {"import": "imports"}  # a keyword is no name for a module


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    quick: bool
    repeats: int
    threads: tuple[int, ...]
    only: str
    data: Path | None
    without: str = ""
    keep: Callable[[dict[str, Any]], None] = field(default=lambda found: None)

    def matching(self, names: Iterable[str]) -> list[str]:
        """Return the names that match ``only``."""
        return [name for name in names if re.search(self.only, name, re.IGNORECASE)]

    def chosen(self, works: Iterable[Any]) -> list[Any]:
        """Return the works whose name matches ``only``."""
        return [work for work in works if self.matching([work.name])]

    def invited(self, contenders: Iterable[Any]) -> list[Any]:
        """Return the contenders whose name does not match ``without``."""
        return [
            contender
            for contender in contenders
            if not (self.without and re.search(self.without, contender.name, re.IGNORECASE))
        ]

    def tell(self, what: str) -> None:
        """Say on stderr what is being measured."""
        print(f"[benchmarks] {what}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        epilog="Do intervals cover? python -m benchmarks coverage --help, dispersion --help",
    )
    listed = "\n".join(f"{name:9} {what}" for name, what in TABLES.items())
    parser.add_argument("table", choices=TABLES, help=listed)
    parser.add_argument("--quick", action="store_true", help="tiny data: does it run? (seconds)")
    parser.add_argument("--repeats", type=int, help="timings, seeds (default 5; 1 with --quick)")
    parser.add_argument("--only", default="", help="only rows whose name matches this pattern")
    parser.add_argument("--without", default="", help="glm, path, nets: no peers of this name")
    parser.add_argument("--threads", default="1,2", help="numbers tried for each library (1,2)")
    parser.add_argument("--json", type=Path, help="keep what is measured here, row by row")
    parser.add_argument("--data", type=Path, help="folder of freMTPL2.parquet: quality, insurance")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Measure one table; studies of intervals, which measure no time, have options of their own."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in _STUDIES:
        import_module(f"benchmarks.{given[0]}").main(given[1:])
        return
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.without and asked.table not in _WITH_PEERS:
        parser.error(f"--without is for the tables {', '.join(_WITH_PEERS)}")
    module = import_module(f"benchmarks.{_MODULES.get(asked.table, asked.table)}")
    described = machine.describe()
    repeats = asked.repeats or (1 if asked.quick else 5)

    def keep(found: dict[str, Any]) -> None:
        if asked.json is not None:
            report = {"table": asked.table, "quick": asked.quick, "repeats": repeats}
            report |= {"machine": described, **found}
            asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    options = Options(
        quick=asked.quick,
        repeats=repeats,
        threads=(1,) if asked.quick else tuple(int(k) for k in asked.threads.split(",")),
        only=asked.only,
        data=asked.data,
        without=asked.without,
        keep=keep,
    )
    found = module.run(options)
    print(f"### {asked.table}: {TABLES[asked.table]}\n\n{machine.sentence(described)}\n")
    print(module.table(found))
    keep(found)


if __name__ == "__main__":
    main()
