"""The columns of X in a graph: a matrix of numbers, or an input for each column of a table.

A fitted coding (:class:`glmnet_nn.tables.TableCoding`) is looked up: each level has the number
of a row of a constant matrix, whose columns are the indicators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.export.graph import TEXT, Graph
from glmnet_nn.tables import TableCoding
from glmnet_nn.tables.columns import Factor, Numbers

NO_TEXT = ""  # stands for a missing value among texts, which ONNX has not


class Columns:
    """The inputs of a graph that are columns of X, and what models see of them.

    Parameters
    ----------
    graph : Graph
    names : list of str
        Of the columns of X.
    codings : list of (places, TableCoding or None)
        Which columns the models see, and how they code them. If none does, X is one input.

    Raises
    ------
    ValueError
        A factor has levels that are partly text, or integers beyond double precision.
    """

    def __init__(
        self,
        graph: Graph,
        names: list[str],
        codings: list[tuple[NDArray[np.intp], TableCoding | None]],
    ) -> None:
        self._graph, self._width = graph, len(names)
        self._X: str | None = None
        if all(coding is None for _, coding in codings):
            self._X = graph.input("X", ["rows", len(names)])
            return
        text = {
            place: _is_text(column)
            for places, coding in codings
            for place, column in zip(places, coding.columns if coding else (), strict=False)
        }
        seen = sorted({int(place) for places, _ in codings for place in places})
        self._of = {
            place: graph.input(names[place], ["rows", 1], text.get(place, False)) for place in seen
        }

    def column(self, place: int) -> str:
        """Return one column as it is given, (n, 1)."""
        return self._of[place] if self._X is None else self._taken(self._X, np.array([place]))

    def numbers(self, places: NDArray[np.intp], coding: TableCoding | None, unseen: str) -> str:
        """Return the numbers that a model sees, (n, p); NaN where ``predict`` refuses a row."""
        if coding is None and self._X is not None:
            every = np.arange(self._width)
            return self._X if np.array_equal(places, every) else self._taken(self._X, places)
        if coding is None:
            return self._graph.add("Concat", *[self._of[j] for j in places.tolist()], axis=1)
        wide: list[str] = []
        empty: list[str] = []
        for column, place in zip(coding.columns, places.tolist(), strict=True):
            coded = self._coded(column, self._of[place], unseen)
            (wide if column.names else empty).append(coded)
        return self._graph.total([self._graph.add("Concat", *wide, axis=1), *empty])

    def _taken(self, matrix: str, places: NDArray[np.intp]) -> str:
        """Return some columns of a matrix."""
        return self._graph.add("Gather", matrix, self._graph.constant(places, np.int64), axis=1)

    def _coded(self, column: Numbers | Factor, given: str, unseen: str) -> str:
        """Return what a column of a table becomes, (n, number of its names); 0 if it has none."""
        graph = self._graph
        if isinstance(column, Factor):
            rows = indicators(column, unseen)
            number = self._level_of_text if _is_text(column) else self._level_of_number
            found = graph.add("Gather", graph.constant(rows), number(column, given), axis=0)
            return graph.add("Reshape", found, graph.constant([0, rows.shape[1]], np.int64))
        if column.fill is None:
            return given
        gone = graph.add("IsNaN", given)
        filled = graph.add("Where", gone, graph.constant(column.fill), given)
        return graph.add("Concat", filled, graph.cast(gone), axis=1)

    def _level_of_text(self, column: Factor, given: str) -> str:
        """Return the row of :func:`indicators` for each text, (n, 1)."""
        levels = column.levels.tolist()
        known = levels if NO_TEXT in levels else [*levels, NO_TEXT]
        numbers = list(range(1, len(known) + 1))
        return self._graph.add(
            "LabelEncoder",
            given,
            domain=TEXT,
            keys_strings=known,
            values_int64s=numbers,
            default_int64=0,
        )

    def _level_of_number(self, column: Factor, given: str) -> str:
        """Return the row of :func:`indicators` for each number, (n, 1)."""
        graph, k = self._graph, len(column.levels)
        same = graph.add("Equal", given, graph.constant(column.levels[None]))
        numbers = graph.constant(np.arange(1.0, k + 1.0)[:, None])
        number = graph.add("MatMul", graph.cast(same), numbers)
        number = graph.add("Where", graph.add("IsNaN", given), graph.constant(k + 1.0), number)
        return graph.cast(number, np.int64)


def indicators(column: Factor, unseen: str) -> Array:
    """Return the indicators of a level that is not known, of each level, and of no value.

    A row of NaN is one that ``predict`` refuses. A factor that is in the intercept has 0 there.
    """
    k, missing = len(column.levels), int(column.has_missing)
    unknown = column.shares if unseen == "average" else np.full(k + missing, np.nan)
    absent = np.full((1 - missing, k + missing), np.nan)
    rows = np.vstack([unknown, np.eye(k + missing), absent])
    return np.asarray(rows[:, int(column.reference) :] if column.names else 0.0 * rows)


def _is_text(column: Numbers | Factor) -> bool:
    """Tell whether a column is one of text, if its values can be told from each other.

    Raises
    ------
    ValueError
        They cannot.
    """
    if isinstance(column, Numbers):
        return False
    levels: list[Any] = column.levels.tolist()
    text = [isinstance(level, str) for level in levels]
    if all(text):
        if column.has_missing and NO_TEXT in levels:
            raise ValueError(
                f"column {column.name!r} of X has empty texts and missing values, which are the "
                "same in ONNX. Give the empty level a name before fit."
            )
        return True
    if any(text):
        raise ValueError(
            f"column {column.name!r} of X has levels that are text and others that are numbers, "
            f"{levels[:5]}, but an input of ONNX is of one type. Convert it to text before fit."
        )
    if [float(level) for level in levels] != levels:
        raise ValueError(
            f"column {column.name!r} of X has levels that double precision does not tell from "
            f"their neighbours, {levels[:5]}. Convert it to text before fit."
        )
    return False
