"""Blocks of rows from Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glmnet_nn.blocks._blocks import Block, Blocks

_ROLES = ("y", "sample_weight", "offset", "exposure")


class ParquetBlocks(Blocks):
    """The rows of a Parquet file, or of a folder of them, a batch of a row group at a time.

    Parameters
    ----------
    path : str or path
        A file, or the folder of a dataset, whose files have the same columns.
    y : str, list of str or None
        The column of y (several for several outputs); None for data to predict.
    sample_weight, offset, exposure : str, optional
        Columns with what ``fit`` takes under these names.
    columns : list of str, optional
        The columns of X; by default all others, but for the index of a table of pandas.
    block_rows : int, default=100_000
        The largest number of rows of a block. A row group is in memory, as it is stored,
        while its blocks are read: the smaller its row groups, the less memory a file takes.

    Raises
    ------
    ImportError
        pyarrow is not installed.
    ValueError
        A column is not there, in one of the files, or has two roles.
    """

    def __init__(
        self,
        path: str | Path,
        y: str | Sequence[str] | None,
        *,
        sample_weight: str | None = None,
        offset: str | None = None,
        exposure: str | None = None,
        columns: Sequence[str] | None = None,
        block_rows: int = 100_000,
    ) -> None:
        if not (isinstance(block_rows, int | np.integer) and block_rows >= 1):
            raise ValueError(f"block_rows must be an integer >= 1, but got {block_rows!r}.")
        self.path, self.block_rows = path, int(block_rows)
        roles = dict(zip(_ROLES, (y, sample_weight, offset, exposure), strict=True))
        self.roles = {name: column for name, column in roles.items() if column is not None}
        schema = _dataset(path).schema
        names = list(schema.names)
        named = [c for column in self.roles.values() for c in _listed(column)]
        apart = [*named, *_index_of(schema)]
        self.columns = [c for c in names if c not in apart] if columns is None else list(columns)
        _check_columns(path, names, [*named, *self.columns])
        super().__init__(self._read)

    def _read(self) -> Iterator[Block]:
        from pyarrow import parquet

        others = (column for role in self.roles.values() for column in _listed(role))
        columns = [*self.columns, *others]
        for file in _dataset(self.path).files:
            with parquet.ParquetFile(file, pre_buffer=False) as opened:
                _check_columns(file, opened.schema_arrow.names, columns)
                for group in range(opened.num_row_groups):
                    batches = opened.iter_batches(
                        self.block_rows, row_groups=[group], columns=columns, use_threads=False
                    )
                    yield from map(self._block, batches)  # which keeps none of them

    def _block(self, batch: Any) -> Block:
        """Return a batch of rows."""
        frame = batch.to_pandas()
        if any(column not in frame for column in batch.schema.names):  # some are its index
            frame = frame.reset_index()
        known = {name: frame[column] for name, column in self.roles.items()}
        return Block(frame[self.columns], **known)


def _listed(column: str | Sequence[str]) -> list[str]:
    return [column] if isinstance(column, str) else list(column)


def _index_of(schema: Any) -> list[str]:
    """Return the columns that pandas takes as the index of the rows."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [column for column in index if isinstance(column, str)]


def _dataset(path: str | Path) -> Any:
    """Return pyarrow's dataset."""
    try:
        from pyarrow import dataset
    except ImportError as error:
        raise ImportError(
            'ParquetBlocks needs pyarrow: pip install "glmnet_nn[parquet]"'
        ) from error
    return dataset.dataset(str(path), format="parquet")


def _check_columns(path: str | Path, names: list[str], asked: list[str]) -> None:
    missing = [column for column in asked if column not in names]
    if missing:
        raise ValueError(
            f"{path} has no columns {missing}; it has {names[:20]}"
            f"{' and more' if len(names) > 20 else ''}. Correct the names."
        )
    twice = sorted({column for column in asked if asked.count(column) > 1})
    if twice:
        raise ValueError(
            f"a column of {path} can have one role, but {twice} have more (y, weights, offset, "
            "exposure and the columns of X must differ). Leave them out of columns."
        )
