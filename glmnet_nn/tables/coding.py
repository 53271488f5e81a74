"""The stage at the door: which columns are coded, how, and what the numbers are called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from families import Array
from glmnet_nn.tables.columns import Factor, Flags, Numbers, kind_of

_SHOWN = 10
_WIDE = 32  # numbers for each column of the table, of which one or two are not 0
_FILL_IN = {
    True: "Fill them in or drop the rows, or set missing='indicator': a missing number is its "
    "column's mean, and a 0/1 column tells where; a missing category is a level.",
    False: "The fit had none, and says nothing of them. Fill them in, or fit with "
    "missing='indicator' to rows that have some.",
}


@dataclass(frozen=True)
class TableCoding:
    """What turns a table into numbers, column by column, as in the fit.

    Examples
    --------
    Against a reference the indicators of a factor leave out its first level:

    >>> table = pd.DataFrame({"size": [1.0, 2.0, 4.0], "area": ["south", "east", "north"]})
    >>> coding = TableCoding.fit(table, "auto", True, True, "error", np.ones(3))
    >>> coding.names
    ['size', 'area[T.north]', 'area[T.south]']
    >>> coding.matrix(table, "error")
    array([[1., 0., 1.],
           [2., 0., 0.],
           [4., 1., 0.]])
    """

    columns: tuple[Numbers | Factor, ...]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        categorical: Any,
        reference: bool,
        has_intercept: bool,
        missing: str,
        share: Array,
    ) -> TableCoding | None:
        """Return the coding of a table; None if its columns are numbers as they stand.

        Parameters
        ----------
        frame : DataFrame
        categorical : "auto", None or list of names and places
            Which columns are factors; "auto" those of categories and strings.
        reference : bool
            Whether factors leave out their first level.
        has_intercept : bool
            Without one the first factor has all its levels even so, as in R.
        missing : {"error", "indicator"}
        share : array of shape (n,)
            Weights of the rows; those of weight 0 are not there.

        Raises
        ------
        ValueError
            A column that cannot be coded, or may not; missing values with "error"; numbers
            of the same name.
        """
        plan = planned(frame, categorical, reference, has_intercept)
        if missing == "error":
            refuse_missing(frame, in_fit=True)
        names = column_names(frame)
        found: list[Numbers | Factor] = []
        for j, (name, kind) in enumerate(zip(names, plan, strict=True)):
            column = frame.iloc[:, j]
            if kind == "number":
                found.append(Numbers.fit(name, column, share))
            else:
                found.append(Factor.fit(name, column, share, kind == "contrasts"))
        coding = cls(tuple(found))
        if set(plan) <= {"number"} and len(coding.names) == len(names):
            return None
        _require_distinct_names(coding.names)
        if not coding.names:
            raise ValueError(
                f"the columns of X, {names[:_SHOWN]}, have one level each: against a reference "
                "nothing is left. Add a column that varies."
            )
        return coding

    @property
    def names(self) -> list[str]:
        """The names of the numbers, in order."""
        return [name for column in self.columns for name in column.names]

    @property
    def plan(self) -> list[str]:
        """What each column becomes; see :func:`planned`."""
        return [
            ("contrasts" if column.reference else "levels")
            if isinstance(column, Factor)
            else "number"
            for column in self.columns
        ]

    @property
    def level_steps(self) -> dict[int, tuple[NDArray[np.intp], int]]:
        """For each indicator the places of those of its factor; that of the first level, or -1."""
        found: dict[int, tuple[NDArray[np.intp], int]] = {}
        at = 0
        for column in self.columns:
            k = column.width
            if isinstance(column, Factor):
                of_factor = np.arange(at, at + k), -1 if column.reference else at
                found |= dict.fromkeys(range(at, at + k), of_factor)
            at += k
        return found

    def matrix(self, frame: pd.DataFrame, unseen: str, absent: Flags | None = None) -> Array:
        """Return the numbers of each row, (n, p).

        With ``unseen="average"`` a level that the fit has not seen has the mean of its
        indicators over the rows of the fit: for a linear predictor the mean over the levels.
        So have rows that are ``absent``, (n,), whatever they hold.

        Raises
        ------
        ValueError
            A level is not known, a value missing where none was, or a column of another kind.
        """
        absent = _none(frame) if absent is None else absent
        rows = np.zeros((len(frame), sum(column.width for column in self.columns)))
        at = 0
        for column, (_, values) in zip(self.columns, frame.items(), strict=True):
            column.code(values, absent, unseen, rows[:, at : at + column.width])
            at += column.width
        return rows

    @property
    def is_wide(self) -> bool:
        """Whether nearly all numbers of a row are zeros, of levels that are not its own."""
        width = sum(column.width for column in self.columns)
        return width >= _WIDE * len(self.columns)

    def entries(
        self, frame: pd.DataFrame, unseen: str, absent: Flags | None = None
    ) -> sparse.csr_array:
        """Return what :meth:`matrix` does, without its zeros."""
        absent = _none(frame) if absent is None else absent
        blocks = [
            column.entries(values, absent, unseen)
            for column, (_, values) in zip(self.columns, frame.items(), strict=True)
        ]
        return sparse.hstack(blocks, format="csr")


def _none(frame: pd.DataFrame) -> Flags:
    return np.zeros(len(frame), dtype=bool)


def _require_distinct_names(names: list[str]) -> None:
    """Raise if a coefficient could not be told from another by its name."""
    twice = [name for name, k in Counter(names).items() if k > 1]
    if twice:
        raise ValueError(
            f"columns and levels of X must be told apart by their names, but {twice[:_SHOWN]} "
            "would each be the name of several coefficients. Rename a column of X, or the level of "
            "a factor, so that no two of column[level] are alike."
        )


def planned(
    frame: pd.DataFrame, categorical: Any, reference: bool, has_intercept: bool
) -> list[str]:
    """Return what each column becomes: "number", "levels", or "contrasts" with a reference."""
    kinds = [kind_of(frame.iloc[:, j]) for j in range(frame.shape[1])]
    factors = _factors(frame, categorical, kinds)
    _check_kinds(column_names(frame), kinds, factors, categorical)
    plan = ["number"] * len(kinds)
    for j in sorted(factors):
        plan[j] = "contrasts" if reference else "levels"
    if reference and factors and not has_intercept:
        plan[min(factors)] = "levels"
    return plan


def refuse_missing(X: Any, in_fit: bool) -> None:
    """Raise if a value of a table or an array is missing, naming the columns."""
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    gone = frame.isna().sum(axis=0).to_numpy()
    if gone.any():
        counts = [f"{name!r} ({k})" for name, k in zip(column_names(frame), gone, strict=True) if k]
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        raise ValueError(
            f"Input X contains NaN, or another missing value, in the columns (rows) "
            f"{', '.join(counts[:_SHOWN])}{more}. {_FILL_IN[in_fit]}"
        )


def column_names(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns, x0, x1, ... if they are not strings."""
    named = all(isinstance(label, str) for label in frame.columns)
    return [str(label) if named else f"x{j}" for j, label in enumerate(frame.columns)]


def _factors(frame: pd.DataFrame, categorical: Any, kinds: list[str]) -> set[int]:
    """Return the places of the columns to be coded."""
    if categorical is None:
        return set()
    if isinstance(categorical, str):
        return {j for j, kind in enumerate(kinds) if kind == "factor"}
    labels, found = list(frame.columns), set()
    for column in categorical:
        if isinstance(column, Integral) and not isinstance(column, bool):
            places = [int(column)] if 0 <= int(column) < len(labels) else []
        else:
            places = [j for j, label in enumerate(labels) if label == column]
        if not places:
            raise ValueError(
                f"categorical must name columns of X, or number them, but {column!r} is none of "
                f"{column_names(frame)[:20]} (offset and exposure are no features)."
            )
        found.update(places)
    return found


def _check_kinds(names: list[str], kinds: list[str], factors: set[int], categorical: Any) -> None:
    """Raise if a column is neither a factor nor numbers."""
    others = [j for j, kind in enumerate(kinds) if j not in factors and kind != "number"]
    unknown = [j for j in others if kinds[j] != "factor"]
    if unknown:
        at = unknown[0]
        raise ValueError(
            f"columns of X must hold numbers, categories, strings or truth values, but "
            f"{names[at]!r} holds {kinds[at]}. Convert it to one "
            "of these (a date to days since another), or drop it."
        )
    if others:
        refused = [names[j] for j in others][:_SHOWN]
        raise ValueError(
            f"X must hold numbers, but its columns {refused} hold categories or strings, and "
            f"categorical={categorical!r} does not code them. Name them there, set "
            "categorical='auto', or encode them."
        )
