"""Markdown tables, and the comparison of times with the goals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
OURS = "glmnet_nn"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first are aligned to the right.

    >>> print(markdown(["work", "s"], [["sum", "1.0"]]))
    | work | s |
    |---|---:|
    | sum | 1.0 |
    """
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def digits(value: float | None, unit: float = 1.0) -> str:
    """Return a number with three digits, or a dash.

    >>> digits(0.0123456), digits(1234.5), digits(None)
    ('0.0123', '1234', '-')
    """
    if value is None:
        return "-"
    value /= unit
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def seconds(value: float | None) -> str:
    """Return a time in the unit that suits it.

    >>> seconds(3.2e-5), seconds(0.012), seconds(75.0)
    ('32.0 us', '12.0 ms', '75.0 s')
    """
    if value is None:
        return "-"
    for unit, name in ((1e-6, "us"), (1e-3, "ms")):
        if value < 1000 * unit:
            return f"{digits(value, unit)} {name}"
    return f"{digits(value)} s"


def status(row: Row) -> str:
    """Return why a row has no numbers, or nothing.

    >>> status({"absent": True})
    'not installed'
    """
    if row.get("absent"):
        return "not installed"
    return f"failed: {row['error'].strip().splitlines()[-1]}" if "error" in row else ""


def collect(
    options: Any,
    works: Iterable[Any],
    measure: Callable[[Any], list[Any]],
    key: str,
    larger: bool = False,
) -> dict[str, Any]:
    """Return rows and goals of the works asked for, each kept when it is done."""
    rows: list[Any] = []
    lines: list[dict[str, Any]] = []
    for work in options.chosen(works):
        options.tell(work.name)
        measured = measure(work)
        rows += measured
        lines += compare(work.name, measured, work.goals, key, larger)
        options.keep({"rows": rows, "goals": lines})
    return {"rows": rows, "goals": lines}


def compare(
    work: str, rows: Sequence[Row], goals: Mapping[str, float], key: str, larger: bool = False
) -> list[dict[str, Any]]:
    """Return a line for each goal: a peer's number over ours, or ours over its if larger is better.

    A goal is named by the beginning of the contenders' names; "" is the best of all
    peers. Of several contenders of that name the best counts, but none that missed
    the quality asked for (``reached`` is False).

    >>> rows = [{"contender": OURS, "s": 1.0}, {"contender": "a", "s": 3.0},
    ...         {"contender": "b fast", "s": 2.0}, {"contender": "b slow", "s": 4.0}]
    >>> [(line["against"], line["ratio"]) for line in compare("w", rows, {"": 2, "a": 2}, "s")]
    [('b fast', 2.0), ('a', 3.0)]
    """
    ours = next((row[key] for row in rows if row["contender"] == OURS and key in row), None)
    lines = []
    for beginning, goal in goals.items():
        peers = [
            row
            for row in rows
            if row["contender"] != OURS and row["contender"].startswith(beginning) and key in row
        ]
        valid = [row for row in peers if row.get("reached", True)]
        line: dict[str, Any] = {"work": work, "against": beginning or "best peer", "goal": goal}
        if ours is not None and valid:
            best = (max if larger else min)(valid, key=lambda row: row[key])
            ratio = ours / best[key] if larger else best[key] / ours
            line |= {"against": best["contender"], "ours": ours, "theirs": best[key]}
            line |= {"ratio": ratio, "met": ratio >= goal}
        lines.append(line)
    return lines


def goals(lines: Iterable[Row], show: Any = seconds) -> str:
    """Return the table of the comparison with the goals."""
    return markdown(
        ["work", "ahead of", "ours", "theirs", "ratio", "goal", "met"],
        (
            [
                line["work"],
                line["against"],
                show(line.get("ours")),
                show(line.get("theirs")),
                digits(line.get("ratio")),
                f">= {line['goal']:g}",
                ("yes" if line["met"] else "no") if "met" in line else "not measured",
            ]
            for line in lines
        ),
    )
