"""Tables of other libraries (polars, pyarrow, ...) as DataFrames of pandas, by narwhals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import get_pyarrow
from scipy import sparse

_MAKE_ROWS = ("collect", "read_all", "to_table")  # of polars, of a reader and a data set of Arrow


def as_frame(X: Any) -> Any:
    """Return a table of any library as a DataFrame; what is no table, as it is.

    Numbers stay numbers of their precision, a null becomes NaN, an Enum a Categorical with
    its order of levels, another category one in the order of its values; of other text only
    the values are kept.

    Raises
    ------
    TypeError
        The table is lazy, and has no rows yet; or it is a dict, or a list of them.
    ValueError
        Several columns have the same name.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"age": [31, None], "area": ["north", "south"]})
    >>> as_frame(table)["age"].tolist()
    [31.0, nan]
    >>> as_frame(table.to_batches()[0]).shape
    (2, 2)
    >>> as_frame([[1.0, 2.0]])
    [[1.0, 2.0]]
    """
    table = None if isinstance(X, pd.DataFrame) else as_table(X)
    return X if table is None else frame_of(table)


def frame_of(table: nw.DataFrame[Any]) -> pd.DataFrame:
    """Return a table as narwhals has it as a DataFrame."""
    return pd.DataFrame({name: _values(table[name]) for name in table.columns})


def as_table(X: Any) -> nw.DataFrame[Any] | None:
    """Return a table of any library as narwhals has it, None of what is none.

    Raises
    ------
    TypeError, ValueError
        As :func:`as_frame`.
    """
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        return None
    if isinstance(X, list | tuple | dict):
        _refuse_records(X)
        return None
    arrow = get_pyarrow()  # None before it is imported: then X is nothing of Arrow's
    if arrow is not None and isinstance(X, arrow.StructArray):  # rows of a batch, by scikit-learn
        X = arrow.RecordBatch.from_struct_array(X)
    if arrow is not None and isinstance(X, arrow.RecordBatch):
        X = arrow.Table.from_batches([X])
    if arrow is not None and isinstance(X, arrow.Table):
        require_distinct(X.column_names)
    table = nw.from_native(X, pass_through=True)
    if isinstance(table, nw.DataFrame):
        return table
    if isinstance(table, nw.LazyFrame) and table.implementation.is_dask():
        return None  # has rows, in parts
    makes = [name for name in _MAKE_ROWS if hasattr(X, name)]
    if isinstance(table, nw.LazyFrame) or (makes and type(X).__module__.startswith("pyarrow")):
        raise TypeError(
            f"X must be a table with rows, but it is a lazy one, {type(X).__module__}."
            f"{type(X).__name__}. Make a table of it, by .{(makes or _MAKE_ROWS)[0]}()."
        )
    return None


def require_distinct(names: Iterable[Any]) -> None:
    """Raise ValueError if columns of X have the same name."""
    twice = {name: k for name, k in Counter(names).items() if k > 1}
    if twice:
        raise ValueError(
            f"columns of X must have distinct names, but there are {twice} (name: columns). "
            "Rename them, or drop all but one."
        )


def _refuse_records(X: Any) -> None:
    """Raise if X is a dict, or a list of them."""
    first = X[0] if isinstance(X, list | tuple) and X else X
    if isinstance(first, dict):
        what = "a dict" if first is X else "dicts in a list"
        raise TypeError(
            f"X must be a table or an array, but it is {what}. Make a table of it: "
            "pandas.DataFrame(X), or pandas.DataFrame([X]) of a single row."
        )


def _values(column: nw.Series[Any]) -> Any:
    """Return a column as what pandas holds."""
    dtype = column.dtype
    if isinstance(dtype, nw.Int128 | nw.UInt128):  # numpy has none
        column = column.cast(nw.Float64())
    if dtype.is_numeric():
        return column.to_numpy()
    if isinstance(dtype, nw.Boolean):
        return pd.array(column.to_list(), dtype="boolean")
    if isinstance(dtype, nw.Enum):
        return pd.Categorical(column.to_list(), categories=list(dtype.categories))
    if isinstance(dtype, nw.Categorical):
        return pd.Categorical(column.to_list())
    return pd.Series(column.to_list(), dtype=object)
