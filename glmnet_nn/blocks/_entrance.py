"""Which data come in blocks, and the blocks that they are."""

from __future__ import annotations

import sys
from typing import Any

from glmnet_nn.blocks._blocks import Block, Blocks


def is_in_blocks(data: Any) -> bool:
    """Tell whether these are Blocks or a Dask collection."""
    return isinstance(data, Blocks) or _is_dask(data)


def _is_dask(data: Any) -> bool:
    return "dask" in sys.modules and hasattr(data, "__dask_graph__")


def blocks_of(
    X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None, exposure: Any = None
) -> Any:
    """Return what has ``map`` and ``entered`` as Blocks have; None of data in memory.

    Raises
    ------
    TypeError
        Of Blocks, y or others are given beside them; X is in memory, but something else in
        blocks.
    """
    others = Block(None, y, sample_weight, offset, exposure)._asdict()
    if isinstance(X, Blocks):
        beside = [name for name, value in others.items() if value is not None]
        if beside:
            raise TypeError(
                f"Blocks hold y, weights, offset and exposure of their rows, but {beside} "
                "were given beside them. Put them into the blocks: (X, y, sample_weight, offset, "
                "exposure), None for what there is not."
            )
        return X
    if _is_dask(X):
        from glmnet_nn.blocks._dask import dask_blocks

        return dask_blocks(Block(X, y, sample_weight, offset, exposure))
    apart = [name for name, value in others.items() if is_in_blocks(value)]
    if apart:
        raise TypeError(
            f"X is a {type(X).__name__}, in memory, but {apart} come in blocks. Make X a Dask "
            "collection of the same blocks, or call .compute() on the others."
        )
    return None
