"""Tables of other libraries (polars, pyarrow, ...) as DataFrames of pandas, by narwhals."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd


def as_frame(X: Any) -> Any:
    """Return a table of any library as a DataFrame; what is no table, as it is.

    Numbers stay numbers of their precision, a null becomes NaN, an Enum a Categorical with
    its order of levels; of other text only the values are kept.

    Raises
    ------
    TypeError
        The table is lazy: it has no rows yet.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"age": [31, None], "area": ["north", "south"]})
    >>> as_frame(table)["age"].tolist()
    [31.0, nan]
    >>> as_frame([[1.0, 2.0]])
    [[1.0, 2.0]]
    """
    if isinstance(X, pd.DataFrame | np.ndarray | list | tuple):
        return X
    table = nw.from_native(X, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        if table.implementation.is_dask():  # has rows, in parts
            return X
        raise TypeError(
            f"X must be a table with rows, but it is a lazy one, {type(X).__module__}."
            f"{type(X).__name__}. Call collect() first."
        )
    if not isinstance(table, nw.DataFrame):
        return X
    return pd.DataFrame({name: _values(table[name]) for name in table.columns})


def _values(column: nw.Series[Any]) -> Any:
    """Return a column as what pandas holds."""
    dtype = column.dtype
    if dtype.is_numeric():
        return column.to_numpy()
    if isinstance(dtype, nw.Boolean):
        return pd.array(column.to_list(), dtype="boolean")
    if isinstance(dtype, nw.Enum):
        return pd.Categorical(column.to_list(), categories=list(dtype.categories))
    return pd.Series(column.to_list(), dtype=object)
