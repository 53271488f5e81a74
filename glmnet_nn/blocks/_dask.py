"""Dask collections: each block stays where it is, parameters go out, sums come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed

from glmnet_nn.blocks._blocks import Block

T = TypeVar("T")


@dataclass(frozen=True)
class DaskBlocks:
    """Blocks, each a task, in the order of the rows.

    ``lengths`` are their numbers of rows, if the collections tell.
    """

    blocks: tuple[Delayed, ...]
    lengths: tuple[int, ...] | None = None

    def map(self, function: Callable[..., T]) -> list[T]:
        """Return function(block, its number) of every block, in order."""
        return _run(function, self.blocks, range(len(self.blocks)))

    def entered(self, enter: Callable[[Block, int], Any]) -> DaskParts:
        """Return the blocks as ``enter`` makes them, once: kept in the workers' memory.

        Where a worker is lost, its blocks are made again from their source.
        """
        made = _tasks(enter, self.blocks, range(len(self.blocks)))
        return DaskParts(_persisted(made))

    def array(
        self, function: Callable[[Block, int], Any], row_shape: tuple[int, ...], dtype: Any
    ) -> Any:
        """Return the Dask array of what function(block, its number) will return."""
        tasks = _tasks(function, self.blocks, range(len(self.blocks)))
        lengths = self.lengths or (np.nan,) * len(tasks)
        pieces = [
            da.from_delayed(task, (n, *row_shape), dtype=dtype)
            for task, n in zip(tasks, lengths, strict=True)
        ]
        return da.concatenate(pieces, axis=0, allow_unknown_chunksizes=True)


@dataclass(frozen=True)
class DaskParts:
    """Blocks that workers hold."""

    is_resident: ClassVar[bool] = True

    blocks: tuple[Delayed, ...]

    def made(self, function: Callable[[Any], Any]) -> DaskParts:
        """Return what ``function`` makes of each, once, where they are."""
        return DaskParts(_persisted(_tasks(function, self.blocks)))

    def map(self, function: Callable[..., T], *each: Sequence[Any]) -> list[T]:
        """Return function(block, its item of each of ``each``) of every block, in order."""
        return _run(function, self.blocks, *each)

    def only(self, n_blocks: int, kept: Sequence[int]) -> DaskParts:
        """Return the blocks of these numbers."""
        return DaskParts(tuple(self.blocks[k] for k in kept))


def _tasks(
    function: Callable[..., Any], blocks: Sequence[Delayed], *each: Sequence[Any]
) -> list[Delayed]:
    """Return one task for each block; the function, with the parameters in it, is sent once."""
    shared = delayed(function, name=f"glmnet-{uuid4().hex}", pure=False, traverse=False)
    own = zip(*each, strict=True) if each else ((),) * len(blocks)
    return [
        delayed(_called, pure=False, traverse=False)(shared, block, *items)
        for block, items in zip(blocks, own, strict=True)
    ]


def _persisted(tasks: Sequence[Delayed]) -> tuple[Delayed, ...]:
    return tuple(dask.persist(*tasks, optimize_graph=False))


def _called(function: Callable[..., T], *arguments: Any) -> T:
    return function(*arguments)


def _run(function: Callable[..., T], blocks: Sequence[Delayed], *each: Sequence[Any]) -> list[T]:
    """Run one graph: a pass over the blocks."""
    return list(dask.compute(*_tasks(function, blocks, *each), optimize_graph=False))


# --------------------------------------------------------- from collections


def dask_blocks(given: Block) -> DaskBlocks:
    """Return the blocks of Dask collections (and arrays, None or numbers) row by row.

    Raises
    ------
    ValueError, TypeError
        They are not aligned, or what is in memory cannot be cut as X is.
    """
    X, lengths = _rows_of(given.X, None, "X")
    columns = [X]
    for name, values in list(given._asdict().items())[1:]:
        columns.append(list(_aligned(values, lengths, len(X), name)))
    made = delayed(Block, pure=False)
    return DaskBlocks(tuple(made(*row) for row in zip(*columns, strict=True)), lengths)


def _rows_of(
    values: Any, lengths: tuple[int, ...] | None, name: str
) -> tuple[list[Delayed], tuple[int, ...] | None]:
    """Return the blocks of rows of a collection, cut at ``lengths`` if both are known."""
    if not hasattr(values, "chunks"):  # a data frame or a series
        # as they are: to optimise one would read few columns in fewer, larger partitions
        return list(values.to_delayed(optimize_graph=False)), None
    if values.ndim > 1 and len(values.chunks[1]) > 1:
        values = values.rechunk({1: -1})
    own = values.chunks[0]
    known = not np.isnan(own).any()
    if known and lengths is not None and own != lengths:
        if sum(own) != sum(lengths):
            raise ValueError(
                f"{name} must have as many rows as X, {sum(lengths)}, but it has {sum(own)}."
            )
        values = values.rechunk({0: lengths})
        own = lengths
    blocks = list(np.ravel(values.to_delayed()))
    return blocks, tuple(int(n) for n in own) if known else None


def _aligned(
    values: Any, lengths: tuple[int, ...] | None, n_blocks: int, name: str
) -> Iterator[Any]:
    """Yield what belongs to each block of X."""
    if values is None or np.isscalar(values):
        yield from (values,) * n_blocks
        return
    if hasattr(values, "__dask_graph__"):
        blocks, _ = _rows_of(values, lengths, name)
        if len(blocks) != n_blocks:
            raise ValueError(
                f"{name} must come in the blocks of X, but it has {len(blocks)} of them and X "
                f"{n_blocks}, of unknown lengths. Take both from one collection, or call "
                ".compute_chunk_sizes() on arrays (frame.to_dask_array(lengths=True))."
            )
        yield from blocks
        return
    array = np.asarray(values)
    if lengths is None:
        raise TypeError(
            f"{name} is in memory, but the lengths of the blocks of X are not known. Make {name} "
            "a Dask collection of the same blocks, or X.compute_chunk_sizes()."
        )
    if len(array) != sum(lengths):
        raise ValueError(
            f"{name} must have as many rows as X, {sum(lengths)}, but it has {len(array)}."
        )
    yield from np.split(array, np.cumsum(lengths)[:-1])
