"""How one column of a table becomes numbers: as it is, or an indicator for each level."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from scipy import sparse

from families import Array

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"}
_LABELS = (str, int, float, np.number, np.bool_)
_GONE = ("missing", "no value")  # what the level of missing values is called
_SHOWN = 5

Flags = NDArray[np.bool_]


def kind_of(column: pd.Series) -> str:
    """Return "number", "factor", or what else the column holds, in words.

    Truth values are numbers, 0 and 1.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "factor"
    if types.is_bool_dtype(dtype) or (
        types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    ):
        return "number"
    if not types.is_object_dtype(dtype):
        is_text = types.is_string_dtype(dtype) or str(dtype).startswith("dictionary<values=")
        return "factor" if is_text else str(dtype)  # a dictionary is Arrow's Categorical
    held = types.infer_dtype(column, skipna=True)
    if held == "string":
        return "factor"
    if held in _NUMBERS:
        return "number"
    kinds = sorted({type(value).__name__ for value in column[column.notna()]})
    return "objects of the types " + ", ".join(kinds[:_SHOWN])


def numbers(column: pd.Series) -> Array:
    """Return the values in double precision, NaN where there is none."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Where values were missing in the fit, ``fill`` is the mean of the others, and a second
    column is 1 where the value is missing: after standardisation a missing value is 0.
    """

    name: str
    fill: float | None = None

    @classmethod
    def fit(cls, name: str, column: pd.Series, share: Array) -> Numbers:
        """Return the coding of a column; ``share`` are the weights of its rows."""
        values = numbers(column)
        gone = np.isnan(values)
        if not gone[share > 0].any():
            return cls(name)
        known = share * ~gone
        if not known.any():
            raise ValueError(
                f"column {name!r} of X has no value in any row (of positive weight), and so no "
                "mean to stand for missing ones. Drop it."
            )
        return cls(name, float(known @ np.where(gone, 0.0, values) / known.sum()))

    @property
    def width(self) -> int:
        """How many numbers it makes."""
        return 1 + (self.fill is not None)

    @property
    def names(self) -> list[str]:
        """What the numbers are called."""
        return [self.name] if self.fill is None else [self.name, f"{self.name}[missing]"]

    def code(self, column: pd.Series, absent: Flags, unseen: str, out: Array) -> None:
        """Write the numbers of each row into ``out``, zeros of shape (n, 1) or (n, 2)."""
        require_numbers(self.name, column)
        out[:, 0] = numbers(column)
        gone = np.isnan(out[:, 0])
        if self.fill is None:
            require_no_missing(self.name, gone & ~absent)
        else:
            out[:, 1] = gone
        out[gone, 0] = self.fill or 0.0

    def entries(self, column: pd.Series, absent: Flags, unseen: str) -> sparse.csr_array:
        """Return what :meth:`code` writes, without its zeros."""
        out = np.zeros((len(column), self.width))
        self.code(column, absent, unseen, out)
        return sparse.csr_array(out)


@dataclass(frozen=True)
class Factor:
    """A column of categories, an indicator for each of its levels in the fit.

    Parameters
    ----------
    name : str
    levels : array of shape (k,)
        Those of the rows of positive weight: a Categorical's in its order, others sorted.
    has_missing : bool
        Whether a missing value is a level, the last.
    reference : bool
        Whether the first level has no indicator.
    shares : array of shape (k + has_missing,)
        Of the rows, by weight.
    """

    name: str
    levels: NDArray[Any]
    has_missing: bool
    reference: bool
    shares: Array

    @classmethod
    def fit(cls, name: str, column: pd.Series, share: Array, reference: bool) -> Factor:
        """Return the coding of a column; ``share`` are the weights of its rows."""
        seen, gone = column[share > 0], column.isna().to_numpy()
        has_missing = bool(gone[share > 0].any())
        levels = _levels(name, seen)
        if not len(levels):
            raise ValueError(
                f"column {name!r} of X has no value in any row (of positive weight). Drop it."
            )
        at = cls(name, levels, has_missing, reference, np.empty(0)).places(column, gone)
        total = np.bincount(at[at >= 0], share[at >= 0], len(levels) + has_missing)
        return cls(name, levels, has_missing, reference, total / total.sum())

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept: the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def width(self) -> int:
        """How many indicators it makes."""
        return len(self.levels) + self.has_missing - self.reference

    @property
    def labels(self) -> list[str]:
        """What the levels are called; that of missing values "no value" beside one "missing"."""
        found = [str(level) for level in self.levels.tolist()]
        return [*found, *[_GONE["missing" in found]] * self.has_missing]

    @property
    def names(self) -> list[str]:
        """What the indicators are called, as in patsy: area[T.B], or area[B] without reference."""
        labels = self.labels
        before = "T." if self.reference else ""
        return [f"{self.name}[{before}{label}]" for label in labels[self.reference :]]

    @cached_property
    def _index(self) -> pd.Index:
        """The levels as they are looked up: of no guessed type, so that 1 is 1.0."""
        return pd.Index(self.levels, dtype=object)

    def places(self, column: pd.Series, gone: Flags) -> NDArray[np.intp]:
        """Return the number of each row's level, -1 where it has none of them."""
        known = self._index
        if isinstance(column.dtype, pd.CategoricalDtype):
            of_category = np.append(known.get_indexer(labels(column.cat.categories)), -1)
            at = of_category[column.cat.codes.to_numpy()]
        else:
            values = pd.Index(column.to_numpy(dtype=object), dtype=object)
            try:
                at = known.get_indexer(values)
            except TypeError as error:
                raise _no_levels(self.name, column) from error
            other = (at < 0) & ~gone
            if other.any():
                at[other] = known.get_indexer(labels(values[other]))
        return np.where(gone, len(self.levels) if self.has_missing else -1, at).astype(np.intp)

    def code(self, column: pd.Series, absent: Flags, unseen: str, out: Array) -> None:
        """Write the indicators of each row into ``out``, zeros of shape (n, k).

        With ``unseen="average"`` a level that is not known has the mean of the indicators over
        the rows of the fit; so have rows that are absent.
        """
        at = self._checked_places(column, absent, unseen)
        own = np.flatnonzero(at >= self.reference)
        out[own, at[own] - self.reference] = 1.0
        out[at < 0] = self.shares[self.reference :]

    def entries(self, column: pd.Series, absent: Flags, unseen: str) -> sparse.csr_array:
        """Return what :meth:`code` writes, (n, k), without its zeros."""
        at = self._checked_places(column, absent, unseen)
        own, unknown = np.flatnonzero(at >= self.reference), np.flatnonzero(at < 0)
        shares = self.shares[self.reference :]
        rows = np.concatenate([own, np.repeat(unknown, self.width)])
        places = np.concatenate(
            [at[own] - self.reference, np.tile(np.arange(self.width), len(unknown))]
        )
        values = np.concatenate([np.ones(len(own)), np.tile(shares, len(unknown))])
        return sparse.coo_array((values, (rows, places)), (len(at), self.width)).tocsr()

    def _checked_places(self, column: pd.Series, absent: Flags, unseen: str) -> NDArray[np.intp]:
        """Return the number of each row's level, -1 where it is to have the mean over all."""
        gone = column.isna().to_numpy()
        at = self.places(column, gone)
        unknown = at < 0
        require_no_missing(self.name, gone & unknown & ~absent)
        if unseen == "error":
            self._require_known(column, unknown & ~absent)
        return at

    def _require_known(self, column: pd.Series, unknown: Flags) -> None:
        if unknown.any():
            found = pd.unique(column[unknown]).tolist()
            raise ValueError(
                f"column {self.name!r} of X has levels that the fit has not seen, "
                f"{found[:_SHOWN]}, in {int(unknown.sum())} rows (the first: "
                f"{int(np.argmax(unknown))}); it knows {self.levels.tolist()[:20]}. Fit to rows of "
                "these levels, or set unseen='average' to take the mean over the known ones."
            )


def require_numbers(name: str, column: pd.Series) -> None:
    """Raise if a column that held numbers in the fit does not."""
    kind = kind_of(column)
    if kind != "number":
        raise ValueError(
            f"column {name!r} of X held numbers in the fit, but here it holds "
            f"{'categories or strings' if kind == 'factor' else kind}. Convert it to numbers."
        )


def require_no_missing(name: str, gone: Flags) -> None:
    """Raise if a value is missing in a column that had all in the fit."""
    if gone.any():
        raise ValueError(
            f"column {name!r} of X has missing values in {int(gone.sum())} rows (the first: "
            f"{int(np.argmax(gone))}), but had none in the fit, which says nothing of them. Fill "
            "them in, or fit with missing='indicator' to rows that have some."
        )


def _levels(name: str, column: pd.Series) -> NDArray[Any]:
    """Return the levels of rows: in the order of a Categorical, else sorted."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = column.cat.remove_unused_categories().cat.categories
    else:
        try:
            found = pd.Index(pd.unique(column[column.notna()].astype(object)), dtype=object)
            found = pd.Index(sorted(found), dtype=object)
        except TypeError as error:
            raise _no_levels(name, column) from error
    return _plain(found)


def _no_levels(name: str, column: pd.Series) -> ValueError:
    """Return what to raise of values that cannot be looked up, or not be sorted."""
    kinds = sorted({type(value).__name__ for value in column[column.notna()]})
    return ValueError(
        f"levels of column {name!r} of X must be numbers or text, of one type, but they are "
        f"{kinds[:_SHOWN]}. Convert the column to strings."
    )


def labels(values: pd.Index) -> pd.Index:
    """Return levels as what a file of data holds: numbers and text; an interval is its text."""
    found = [value if isinstance(value, _LABELS) else str(value) for value in values]
    return pd.Index(found, dtype=object)


def _plain(found: pd.Index) -> NDArray[Any]:
    """Return numbers as an array of numbers, all else as Python objects."""
    levels = np.empty(len(found), dtype=object)
    levels[:] = labels(found).tolist()
    held = types.infer_dtype(levels, skipna=False)
    return np.array(levels.tolist()) if held in ("integer", "floating", "boolean") else levels
