"""Data that come in blocks of rows: any iterable of them, Parquet, Dask."""

from glmnet_nn.blocks._blocks import Block, BlockParts, Blocks
from glmnet_nn.blocks._entrance import blocks_of, is_in_blocks
from glmnet_nn.blocks._parquet import ParquetBlocks

__all__ = ["Block", "BlockParts", "Blocks", "ParquetBlocks", "blocks_of", "is_in_blocks"]
