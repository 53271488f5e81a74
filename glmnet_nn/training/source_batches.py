"""Mini-batches of rows that come in blocks: gradients averaged over blocks, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.network import Network
from glmnet_nn.training.batches import Buffer, MiniBatches
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source, added


class SourceBatches:
    """What :class:`MiniBatches` is, of a source whose blocks stay in memory where they are.

    A batch has the rows that it would have in memory, wherever they lie: each block sends the
    sum of its rows' gradients, and the mean of all is one step, so that the steps do not
    depend on how the rows are cut into blocks, but for rounding.

    Parameters
    ----------
    source : Source
    family : ExponentialFamily
    network : Network
    size : int
        The number of rows of a batch.
    single : bool
        Whether to use float32, where every block has room in it for its numbers.

    Raises
    ------
    ValueError
        The blocks are read anew in each pass: rows at random would be one pass a step.
    """

    def __init__(
        self, source: Source, family: ExponentialFamily, network: Network, size: int, single: bool
    ) -> None:
        source.require_residence()
        self.source, self.size, self.n_rows = source, size, len(source)
        self.blocks = source.made(partial(_of_block, family, network, size, single))
        in_single = all(self.blocks.map(_is_single))
        self.dtype: np.dtype[Any] = np.dtype(np.float32 if in_single else np.float64)
        self._ends = np.cumsum((0, *source.facts.lengths))

    def sweep(
        self, w: Buffer, gradient: Buffer, order: NDArray[np.intp], step: Callable[[], None]
    ) -> float:
        """Visit the rows in this order, ``size`` at a time: see :meth:`MiniBatches.sweep`."""
        total = 0.0
        for at in range(0, len(order), self.size):
            index = np.sort(order[at : at + self.size])
            cuts = np.searchsorted(index, self._ends)
            kept = np.flatnonzero(np.diff(cuts))
            own = [index[cuts[k] : cuts[k + 1]] - self._ends[k] for k in kept]
            some = self.blocks.only(len(self._ends) - 1, kept.tolist())
            kernel, summed = added(some.map(partial(_summed, np.asarray(w)), own))
            scale = self.n_rows / self.source.total_weight
            np.multiply(summed, scale / len(index), out=gradient, casting="same_kind")
            step()
            total += kernel
            if not np.isfinite(total):
                return total
        return float(total + self.source.facts.saturated) / self.source.total_weight


def _of_block(
    family: ExponentialFamily, network: Network, size: int, single: bool, rows: Rows
) -> MiniBatches:
    return MiniBatches(rows, family, network, size, single, float(rows.weight.sum()))


def _is_single(batches: MiniBatches) -> bool:
    return batches.dtype == np.float32


def _summed(w: Buffer, batches: MiniBatches, index: NDArray[np.intp]) -> tuple[float, Array]:
    """Return the weighted sums of A(theta) - theta y and of its gradient over these rows."""
    own = w.astype(batches.dtype)
    gradient = np.zeros_like(own)
    with np.errstate(over="ignore", invalid="ignore"):
        kernel = batches.kernel_total(own, gradient, index)
    return kernel * batches.mean_weight, gradient.astype(float) * len(index) * batches.mean_weight
