"""Rows that are not all at hand: sums over blocks of them are.

Gradient, Fisher information, deviance and balance are sums over rows. So all that a fit asks
of the data is a function of each block, and the sum of what it returns: parameters go
out, sums come back, and where the blocks lie is the business of :class:`Parts` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array
from glmnet_nn.training.data import Rows
from glmnet_nn.training.facts import Facts, stacked_triangle
from glmnet_nn.training.inputs import Inputs, row_space

T = TypeVar("T")

_EPS = np.finfo(float).eps
_CLEARLY = 1e-9  # of the trace: the least eigenvalue of columns that are independent


class Parts(Protocol):
    """Blocks of rows, wherever they are: in a file, in other processes.

    ``is_resident`` tells whether they stay in memory between passes.
    """

    @property
    def is_resident(self) -> bool: ...

    def made(self, function: Callable[[Rows], Any]) -> Parts:
        """Return what ``function`` makes of each block, made once if they stay in memory."""

    def only(self, n_blocks: int, kept: Sequence[int]) -> Parts:
        """Return the blocks of these numbers, of so many in all."""

    def map(self, function: Callable[..., T], *each: Sequence[Any]) -> list[T]:
        """Return function(block, its item of each of ``each``) of every block, in order.

        The function must be fit to be pickled.
        """


@dataclass(frozen=True)
class Source:
    """Observations that come in blocks.

    Parameters
    ----------
    parts : Parts
    facts : Facts
        Of the rows as they come.
    change : callable, optional
        What makes of each block, where it is, the rows that are asked for.
    """

    parts: Parts
    facts: Facts
    change: Callable[[Rows], Rows] | None = None

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def n_features(self) -> int:
        """The number of columns of X as it comes."""
        return len(self.facts.low)

    @property
    def n_outputs(self) -> int:
        """The number of columns of y."""
        return len(self.facts.response.mean)

    @property
    def total_weight(self) -> float:
        """The sum of the weights."""
        return self.facts.response.weight

    def mean_response(self) -> Array:
        """Return the weighted mean of y, (K,), as it comes."""
        return self.facts.response.mean

    def map(self, function: Callable[..., T], *each: Sequence[Any]) -> list[T]:
        """Return ``function`` of every block, in order."""
        return self.parts.map(_after(self.change, function), *each)

    def seen(self, change: Callable[[Rows], Rows]) -> Source:
        """Return the source of what ``change`` makes of each block."""
        return replace(self, change=_after(self.change, change))

    def made(self, function: Callable[[Rows], Any]) -> Parts:
        """Return what ``function`` makes of each block, kept where blocks are kept."""
        return self.parts.made(_after(self.change, function))

    @property
    def is_resident(self) -> bool:
        """Whether the rows stay in memory between passes."""
        return self.parts.is_resident

    def require_residence(self) -> None:
        """Raise ValueError if blocks are read anew in each pass: no rows at random then."""
        if not self.is_resident:
            raise ValueError(
                "solver='adam' takes rows at random from all blocks, but these are read anew in "
                "each pass. Use solver='auto', 'lbfgs' or 'newton_cg', which sum over all rows, "
                "partial_fit block by block, or Dask, whose workers keep their blocks in memory."
            )

    def take(self, index: NDArray[np.intp]) -> Rows:
        """Return the rows of these numbers, which rise, in memory."""
        ends = np.cumsum((0, *self.facts.lengths))
        cuts = np.searchsorted(index, ends)
        own = [index[a:b] - at for a, b, at in zip(cuts[:-1], cuts[1:], ends[:-1], strict=True)]
        return together(self.map(Rows.take, own))

    # ------------------------------------------------------------ the inputs

    def standardized(
        self, center: bool = True, keep_binary: bool = False, reach: float | None = None
    ) -> Inputs:
        """Return what :func:`glmnet_nn.training.inputs.standardized` does of rows in memory."""
        facts = self.facts
        facts.check_sizes()
        mean, square = facts.inputs.mean, facts.inputs.variance
        middle = mean.copy() if center else np.zeros_like(mean)
        scale = np.sqrt(square if center else square + np.square(mean))
        constant = (facts.low == facts.high) if center else facts.size == 0
        constant |= scale <= 16 * _EPS * facts.size if center else scale == 0
        scale[constant] = 1.0
        if keep_binary:
            middle[facts.binary], scale[facts.binary] = 0.0, 1.0
        if center:
            middle[constant] = facts.low[constant]
        reaches = None if reach is None else np.where(facts.binary, np.inf, reach)
        return Inputs(middle, scale, reach=reaches)

    def full_rank(self, inputs: Inputs) -> Inputs:
        """Return what :func:`glmnet_nn.training.inputs.full_rank` does of rows in memory."""
        spread, p = self.facts.inputs, self.n_features
        apart = (spread.mean - inputs.center) / inputs.scale
        gram = spread.cross / spread.weight / inputs.scale / inputs.scale[:, None]
        gram += np.outer(apart, apart)
        if not p or linalg.eigvalsh(gram, subset_by_index=[0, 0])[0] > _CLEARLY * np.trace(gram):
            return inputs
        R = stacked_triangle(self.parts.map(partial(_triangle, inputs)))
        return row_space(inputs, R, len(self))


def together(blocks: Sequence[Rows]) -> Rows:
    """Return the rows of all blocks, in memory."""
    if len(blocks) == 1:
        return blocks[0]

    def joined(name: str) -> Any:
        columns = [getattr(block, name) for block in blocks]
        return None if columns[0] is None else np.concatenate(columns)

    offsets = [block.offset for block in blocks if block.offset is not None]
    if 0 < len(offsets) < len(blocks):  # where a block has none, it is 0
        width = offsets[0].shape[1]
        blocks = [
            replace(block, offset=np.zeros((len(block), width))) if block.offset is None else block
            for block in blocks
        ]
    return Rows(*map(joined, ("X", "y", "weight", "offset", "trials")))


def added(parts: Sequence[Any]) -> Any:
    """Return the sum of numbers, arrays or tuples of them, in their order.

    Examples
    --------
    >>> added([(1.0, np.array([2.0, 3.0])), (4.0, np.array([5.0, 6.0]))])
    (5.0, array([7., 9.]))
    """
    first, *rest = parts
    if isinstance(first, tuple):
        return tuple(added(column) for column in zip(*parts, strict=True))
    total = first.copy() if isinstance(first, np.ndarray) else first
    for part in rest:
        total += part
    return total


def _after(change: Callable[[Rows], Rows] | None, function: Callable[..., T]) -> Callable[..., T]:
    return function if change is None else partial(_of_changed, change, function)


def _of_changed(
    change: Callable[[Rows], Rows], function: Callable[..., T], rows: Rows, *each: Any
) -> T:
    return function(change(rows), *each)


def _triangle(inputs: Inputs, rows: Rows) -> Array:
    """Return R of the QR factorisation of Z."""
    Z = inputs.transform(rows.X.astype(float, copy=False))
    return np.asarray(linalg.qr(Z, mode="r", check_finite=False)[0][: Z.shape[1]])
