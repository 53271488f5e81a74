"""The binomial law of the share of successes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from families._share import Share
from families._special import log_poisson_mode
from families._support import Array
from families.bernoulli import Bernoulli


@dataclass(frozen=True)
class Binomial(Bernoulli):
    """y the share of successes in m trials, m y ~ Binomial(m, mu): A, mu, V and A* are those of
    Bernoulli, d = 1 / m, and h contains the binomial coefficient C(m, m y).

    The response is given as two columns of counts, successes and failures, as R's
    cbind(s, f) and as statsmodels have it: the trials then weight the row, and one row is
    one observation, whatever its trials. Shares in one column are taken as they are.

    Examples
    --------
    Its likelihood at phi = 1 / m is that of the count:

    >>> from scipy import stats
    >>> share, trials = Binomial().response(np.array([[3.0, 4.0]]))
    >>> bool(np.isclose(Binomial().log_likelihood(share, 0.4, 1 / trials)[0, 0],
    ...                 stats.binom.logpmf(3, 7, 0.4)))
    True

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, sections 2.2 and 4.2.
    """

    name: ClassVar[str] = "binomial"
    aliases: ClassVar[tuple[str, ...]] = ()
    may_be_overdispersed: ClassVar[bool] = True
    otherwise: ClassVar[str] = "; counts are two columns of y, successes and failures"

    @property
    def takes_precision(self) -> bool:
        return True

    def response(self, columns: Array) -> tuple[Array, Array | None]:
        """Return shares and trials of counts of successes and failures.

        Rows without trials have none, and a share of 0 that says nothing.

        Raises
        ------
        ValueError
            More than two columns, a negative count, or no trials at all.
        """
        if columns.shape[1] == 1:
            return columns, None
        if columns.shape[1] > 2:
            raise ValueError(
                f"Binomial needs y of two columns, successes and failures, or one of shares, but "
                f"y has {columns.shape[1]}. Fit one model for each pair, or use 'bernoulli' for "
                "several columns of shares."
            )
        if np.any(columns < 0):
            at = int(np.argmax((columns < 0).any(axis=1)))
            raise ValueError(
                f"Binomial needs counts >= 0 of successes and failures, but y[{at}] = "
                f"{columns[at].tolist()}. Remove or correct such rows."
            )
        trials = columns.sum(axis=1)
        if not trials.any():
            raise ValueError(
                f"Binomial needs rows with trials, but successes and failures are 0 in all "
                f"{len(trials)}. Add rows."
            )
        return columns[:, :1] / np.maximum(trials, np.finfo(float).tiny)[:, None], trials

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """M(m y) + M(m - m y) - M(m), with m = 1 / phi and M(k) = k log k - k - log k!."""
        y, trials = np.broadcast_arrays(np.asarray(y, dtype=float), 1.0 / np.asarray(phi))
        ones, zeros = trials * y, trials * (1.0 - y)
        return log_poisson_mode(ones) + (log_poisson_mode(zeros) - log_poisson_mode(trials))

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        trials = np.rint(1.0 / np.asarray(phi)).astype(int)
        return np.asarray(rng.binomial(trials, mu) / trials)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        return Share(1.0 / np.asarray(phi), mu)
