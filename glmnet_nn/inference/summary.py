"""A summary that prints as text, shows as HTML in notebooks and goes into LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd

_LATEX = str.maketrans(
    {c: rf"\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
)


@dataclass(frozen=True)
class Summary:
    """A title, facts in two columns, tables of coefficients with headings, notes.

    Examples
    --------
    >>> frame = pd.DataFrame({"coef": [1.5]}, index=["x"])
    >>> print(Summary("GLM", [("nobs", "20")], [("", frame)], []))
    GLM
    <BLANKLINE>
    nobs                        20
    <BLANKLINE>
        coef
    x 1.5000
    """

    title: str
    facts: list[tuple[str, str]]
    tables: list[tuple[str, pd.DataFrame]]
    notes: list[str]

    def _fact_rows(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        half = (len(self.facts) + 1) // 2
        return list(zip_longest(self.facts[:half], self.facts[half:], fillvalue=("", "")))

    def as_text(self) -> str:
        """Return plain text."""
        head = "\n".join(
            "    ".join(f"{name:<16}{value:>14}" for name, value in pair if name)
            for pair in self._fact_rows()
        )
        parts = [self.title, head]
        for heading, table in self.tables:
            text = table.to_string(float_format=_shown, formatters=of_pvalues(table), na_rep="nan")
            parts.append(f"{heading}\n{text}" if heading else text)
        return "\n\n".join([*parts, *self.notes])

    def as_html(self) -> str:
        """Return HTML; names and notes are escaped."""
        head = "".join(
            "<tr>" + "".join(f"<th>{escape(a)}</th><td>{escape(b)}</td>" for a, b in pair) + "</tr>"
            for pair in self._fact_rows()
        )
        parts = [f"<table><caption>{escape(self.title)}</caption>{head}</table>"]
        for heading, table in self.tables:
            columns = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
            rows = "".join(
                f"<tr><th>{escape(name)}</th>"
                + "".join(f"<td>{escape(v)}</td>" for v in values)
                + "</tr>"
                for name, values in _cells(table)
            )
            caption = f"<caption>{escape(heading)}</caption>" if heading else ""
            parts.append(f"<table>{caption}<tr><th></th>{columns}</tr>{rows}</table>")
        return "\n".join([*parts, *(f"<p>{escape(note)}</p>" for note in self.notes)])

    def as_latex(self) -> str:
        """Return tabular environments; special characters are escaped."""
        head = "\n".join(
            " & ".join(f"{_tex(a)} & {_tex(b)}" for a, b in pair) + r" \\"
            for pair in self._fact_rows()
        )
        parts = [f"% {self.title}", _tabular("lrlr", head)]
        for heading, table in self.tables:
            names = " & ".join(["", *(_tex(str(name)) for name in table.columns)])
            rows = "\n".join(
                " & ".join(map(_tex, [name, *v])) + r" \\" for name, v in _cells(table)
            )
            body = rf"{names} \\ \hline" + "\n" + rows
            caption = [rf"\textbf{{{_tex(heading)}}}\\"] if heading else []
            parts += [*caption, _tabular("l" + "r" * table.shape[1], body)]
        return "\n\n".join([*parts, *map(_tex, self.notes)])

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()


def _shown(value: float) -> str:
    """Four digits behind the point; as many significant ones where that would show none."""
    if np.isfinite(value) and value != 0 and not 1e-3 <= abs(value) < 1e8:
        return f"{value:.4g}"
    return f"{value:.4f}"


def _shown_pvalue(value: float) -> str:
    return "<0.0001" if value < 5e-5 else f"{value:.4f}"


def of_pvalues(table: pd.DataFrame) -> dict[Any, Callable[[float], str]]:
    """Return what writes the columns of p-values: four digits, of less only that it is less."""
    return {name: _shown_pvalue for name in table if str(name).startswith("P>")}


def _cells(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    special = of_pvalues(table)
    ways = [special.get(name, _shown) for name in table]
    return [
        (str(name), [way(value) for way, value in zip(ways, row, strict=True)])
        for name, row in zip(table.index, table.to_numpy(dtype=float), strict=True)
    ]


def _tex(text: str) -> str:
    return text.translate(_LATEX)


def _tabular(columns: str, body: str) -> str:
    return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}"
