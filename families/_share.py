"""The share of successes as a frozen distribution."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from families._support import Array


class Share:
    """y = k / m with k ~ Binomial(m, mu), under the names of a frozen scipy.stats law.

    Examples
    --------
    >>> float(Share(4, 0.5).cdf(0.5))
    0.6875
    >>> float(Share(4, 0.5).ppf(0.5))
    0.5
    """

    def __init__(self, trials: ArrayLike, mu: ArrayLike) -> None:
        self.trials = np.rint(np.asarray(trials, dtype=float)).astype(int)
        self.count = scipy.stats.binom(self.trials, mu)

    def _count(self, y: ArrayLike) -> Array:
        """m y, whole where it is but for rounding."""
        k = np.asarray(y, dtype=float) * self.trials
        whole = np.rint(k)
        return np.asarray(np.where(np.abs(k - whole) <= 1e-12 * self.trials, whole, k))

    def pmf(self, y: ArrayLike) -> Array:
        return np.asarray(self.count.pmf(self._count(y)))

    def logpmf(self, y: ArrayLike) -> Array:
        return np.asarray(self.count.logpmf(self._count(y)))

    def cdf(self, y: ArrayLike) -> Array:
        return np.asarray(self.count.cdf(self._count(y)))

    def sf(self, y: ArrayLike) -> Array:
        return np.asarray(self.count.sf(self._count(y)))

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self.count.ppf(q) / self.trials)

    def isf(self, q: ArrayLike) -> Array:
        return np.asarray(self.count.isf(q) / self.trials)

    def median(self) -> Array:
        return self.ppf(0.5)

    def interval(self, confidence: float) -> tuple[Array, Array]:
        return self.ppf(0.5 - 0.5 * confidence), self.ppf(0.5 + 0.5 * confidence)

    def support(self) -> tuple[Array, Array]:
        return np.zeros_like(self.trials), np.ones_like(self.trials)

    def mean(self) -> Array:
        return np.asarray(self.count.mean() / self.trials)

    def var(self) -> Array:
        return np.asarray(self.count.var() / self.trials**2)

    def std(self) -> Array:
        return np.asarray(np.sqrt(self.var()))

    def rvs(self, size: int | tuple[int, ...] | None = None, random_state: object = None) -> Array:
        shape = np.shape(self.mean()) if size is None else size
        return np.asarray(self.count.rvs(size=shape, random_state=random_state) / self.trials)
