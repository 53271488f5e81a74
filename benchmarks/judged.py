"""Races to one quality: each contender at its loosest tolerance that ends within a bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks import tables
from benchmarks.crew import Contender, ContenderError, Crew, is_installed, race

GRADIENT = 1e-6  # of the mean loss, in its largest component: the quality asked of all
_TIGHTEST = 13  # a tolerance of 1e-13 is below what double precision resolves


def with_tolerance(
    workers: Crew,
    directory: str,
    contender: Contender,
    judge: str = "gradient",
    bound: float = GRADIENT,
) -> Contender:
    """Return the contender with the loosest tolerance, a power of ten, that reaches the bound.

    Bisection over 1e-1 .. 1e-13, four fits, what the judge says measured after each. Where
    even the tightest does not reach it, that one stays, and the table says so.
    """
    if "tol" not in contender.settings or not is_installed(contender.package):
        return contender
    low, high = 1, _TIGHTEST
    while low < high:
        middle = (low + high) // 2
        settings = {**contender.settings, "tol": 10.0**-middle}
        request = {"run": contender.function, "settings": settings, "judge": judge}
        reached = workers.run(contender.package, contender.threads[0], directory, **request)
        low, high = (low, middle) if reached[judge] <= bound else (middle + 1, high)
    return replace(contender, settings={**contender.settings, "tol": 10.0**-low})


def judged_race(
    workers: Crew,
    directory: str,
    work: Any,
    contenders: list[Contender],
    options: Any,
    judge: str = "gradient",
    bound: float = GRADIENT,
) -> list[Any]:
    """Return a row for each contender, at the loosest tolerance that ends within the bound."""
    failed: list[dict[str, Any]] = []
    ready = []
    for contender in contenders:
        settings = {**contender.settings, "law": work.law}
        asked = replace(contender, threads=options.threads, settings=settings)
        try:
            ready.append(with_tolerance(workers, directory, asked, judge, bound))
        except ContenderError as error:
            failed.append({"contender": contender.name, "error": str(error)})
    rows = race(workers, ready, directory, judge, options.repeats) + failed
    tolerances = {contender.name: contender.settings.get("tol") for contender in ready}
    for row in rows:
        row |= {"work": work.name, "tol": tolerances.get(row["contender"])}
        if judge in row:
            row["reached"] = row[judge] <= bound
    return rows


def judged_rows(found: dict[str, Any], judge: str, head: str) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells of a table of such races, what the judge says the last."""
    ours = {
        row["work"]: row.get("seconds") for row in found["rows"] if row["contender"] == tables.OURS
    }
    body = []
    for row in found["rows"]:
        seconds, own = row.get("seconds"), ours[row["work"]]
        late = "" if row.get("reached", True) else " (missed)"
        body.append(
            [
                row["work"],
                row["contender"],
                tables.status(row) or tables.seconds(seconds),
                tables.digits(seconds / own if seconds and own else None),
                str(row.get("threads", "-")),
                "-" if row["tol"] is None else f"{row['tol']:.0e}",
                f"{row[judge]:.0e}{late}" if judge in row else "-",
            ]
        )
    return ["work", "contender", "time", "over ours", "threads", "tol", head], body
