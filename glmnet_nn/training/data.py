"""A source of rows (X, y, weight, offset), whole or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from numpy.typing import NDArray

from families import Array


@dataclass(frozen=True)
class Rows:
    """Observations in memory.

    Parameters
    ----------
    X : array of shape (n, p)
    y : array of shape (n, K)
    weight : array of shape (n,)
        Positive; any scale.
    offset : array of shape (n, K) or (n, 1), or None
        Known part of the linear predictor.
    trials : array of shape (n,) or None
        Trials of which y is the share of successes; the weight counts them already.
    """

    X: Array
    y: Array
    weight: Array
    offset: Array | None = None
    trials: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, index: NDArray | slice) -> Rows:
        """Return the rows at ``index``."""
        offset = None if self.offset is None else self.offset[index]
        trials = None if self.trials is None else self.trials[index]
        return Rows(self.X[index], self.y[index], self.weight[index], offset, trials)

    def blocks(self, size: int) -> Iterator[Rows]:
        """Yield the rows in order, at most ``size`` at a time."""
        if len(self) <= size:
            yield self
            return
        for at in range(0, len(self), size):
            yield self.take(slice(at, at + size))
