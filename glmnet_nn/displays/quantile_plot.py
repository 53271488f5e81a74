"""The quantile-quantile plot of quantile residuals, with an envelope."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from families import Array, ExponentialFamily
from glmnet_nn._plotting import Display
from glmnet_nn.displays.residual_sources import (
    of_estimator,
    of_predictions,
    of_results,
    require_finite,
)

_ENVELOPES = ("pointwise", "simultaneous")
_MOST_POINTS = 2000  # that are drawn; of more those evenly spaced, and all in the tails
_TAIL = 250  # points at either end that are drawn whatever their number


class QuantileResidualDisplay(Display):
    """Quantile residuals in order against those of the normal law, with an envelope.

    If the law is right the residuals r are standard normal, but for the error of estimation,
    whatever the family: of n in ascending order the i-th is drawn against Phi^-1(i / (n + 1)),
    and Phi(r_(i)) is Beta(i, n + 1 - i). So each point is in the envelope

        [Phi^-1(B_(alpha/2)), Phi^-1(B_(1-alpha/2))],    B the quantiles of Beta(i, n + 1 - i)

    with probability 1 - alpha, one point at a time: on average a share alpha of them is beyond,
    but neighbours go together, so that it is none in one sample and a third in another. With
    envelope="simultaneous" all points are within with that probability,

        [Phi^-1(i/n - d), Phi^-1((i - 1)/n + d)],    d the quantile of Kolmogorov's statistic,

    which is wide at both ends. Points below the line on the left, or above on the right, are
    tails heavier than those of the law.

    Parameters
    ----------
    table : DataFrame
        One row for each finite residual, in order: ``theoretical``, ``residual``, ``lower``,
        ``upper``.
    alpha : float
    name : str
    n_infinite : int
        Residuals beyond the range of floating-point numbers, which have ranks but no points.
    envelope : {"pointwise", "simultaneous"}

    Attributes
    ----------
    points_ : Line2D
        All residuals, or of more than 2,000 every so many, and 250 at either end.
    band_ : PolyCollection

    References
    ----------
    Dunn and Smyth (1996), "Randomized quantile residuals", J. Computational and Graphical
    Statistics 5. David and Nagaraja (2003), Order Statistics, section 2.3. Kolmogorov (1933), for
    all points. van Buuren and
    Fredriks (2001), "Worm plot", Statistics in Medicine 20, for ``detrended``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mu = np.full(200, 3.0)
    >>> table = QuantileResidualDisplay.from_predictions(rng.poisson(mu), mu, "poisson").table
    >>> inside = table["residual"].between(table["lower"], table["upper"])
    >>> print(f"{inside.mean():.2f}")
    1.00
    """

    def __init__(
        self,
        table: pd.DataFrame,
        alpha: float = 0.05,
        name: str = "",
        n_infinite: int = 0,
        envelope: str = "pointwise",
    ) -> None:
        self.table = table
        self.alpha = alpha
        self.name = name
        self.n_infinite = n_infinite
        self.envelope = envelope

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        output: Any = None,
        alpha: float = 0.05,
        envelope: str = "pointwise",
        detrended: bool = False,
        random_state: Any = 0,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> QuantileResidualDisplay:
        """Draw the quantile residuals of a fitted model of any depth, on any data.

        Parameters
        ----------
        estimator : DeepGLMRegressor, DeepGLMClassifier or what ends in one
        X, y, sample_weight, offset, exposure
            As in ``residuals``. A row of any positive weight is one residual.
        output : optional
            Which of several outputs, by its name.
        alpha : float, default=0.05
            1 - coverage of the envelope.
        envelope : {"pointwise", "simultaneous"}, default="pointwise"
            Whether it is of each point by itself, or of all of them.
        detrended : bool, default=False
            Whether the line is taken away: residual - theoretical (a worm plot).
        random_state : int, RandomState, Generator or None, default=0
            Seed of the draws of discrete laws: what another seed changes is no evidence.
        ax : matplotlib Axes, optional
        """
        found, _ = of_estimator(
            estimator,
            X,
            y,
            "quantile",
            output=output,
            random_state=random_state,
            sample_weight=sample_weight,
            offset=offset,
            exposure=exposure,
        )
        return cls._of(found.values, alpha, envelope, found.name).plot(detrended=detrended, ax=ax)

    @classmethod
    def from_results(
        cls,
        results: Any,
        *,
        output: Any = None,
        alpha: float = 0.05,
        envelope: str = "pointwise",
        detrended: bool = False,
        random_state: Any = 0,
        ax: Any = None,
    ) -> QuantileResidualDisplay:
        """Draw the quantile residuals of the rows of ``inference(X, y)``."""
        found, _ = of_results(results, "quantile", output=output, random_state=random_state)
        return cls._of(found.values, alpha, envelope, "").plot(detrended=detrended, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: ArrayLike,
        family: str | ExponentialFamily,
        *,
        dispersion: float | ArrayLike | None = None,
        alpha: float = 0.05,
        envelope: str = "pointwise",
        detrended: bool = False,
        random_state: Any = 0,
        sample_weight: ArrayLike | None = None,
        name: str = "",
        ax: Any = None,
    ) -> QuantileResidualDisplay:
        """Draw the quantile residuals of means that any model has predicted.

        ``y``, ``mu``, ``family`` and ``dispersion`` as in
        :meth:`glmnet_nn.displays.ResidualDisplay.from_predictions`.
        """
        found, _ = of_predictions(
            y,
            mu,
            family,
            "quantile",
            dispersion=dispersion,
            random_state=random_state,
            sample_weight=sample_weight,
        )
        return cls._of(found.values, alpha, envelope, name).plot(detrended=detrended, ax=ax)

    @classmethod
    def _of(cls, values: Array, alpha: float, envelope: str, name: str) -> QuantileResidualDisplay:
        table = normal_quantiles(values, alpha, envelope)
        finite = np.isfinite(table["residual"])
        require_finite(finite)
        return cls(table[finite], alpha, name, int(len(table) - finite.sum()), envelope)

    # ----------------------------------------------------------------- draw

    def plot(self, *, detrended: bool = False, ax: Any = None) -> QuantileResidualDisplay:
        """Draw the table on ``ax``, or on new axes."""
        ax, table = self._axes(ax), self.table
        line = table["theoretical"] * detrended
        at = table.iloc[_shown(len(table))]
        band = table[["lower", "upper"]].sub(line, axis=0)
        finite = band.to_numpy()[np.isfinite(band.to_numpy())]
        heights = np.concatenate([finite, table["residual"] - line])
        ends = band.replace({-np.inf: heights.min(), np.inf: heights.max()})  # no end is drawn
        of = "each point" if self.envelope == "pointwise" else "all points"
        self.band_ = ax.fill_between(
            table["theoretical"], ends["lower"], ends["upper"], color="0.85", lw=0,
            rasterized=len(table) > _MOST_POINTS,
            label=f"{100 * (1 - self.alpha):g} % for {of}",
        )  # fmt: skip
        (self.points_,) = ax.plot(
            at["theoretical"],
            at["residual"] - line[at.index],
            "o",
            ms=3,
            mew=0,
            color="C0",
            zorder=3,
        )
        if detrended:
            ax.axhline(0.0, color="0.3", lw=0.8)
        else:
            ax.axline((0.0, 0.0), slope=1.0, color="0.3", lw=0.8)
        lost = f"{self.n_infinite} infinite residuals left out" if self.n_infinite else ""
        ax.set(
            xlabel="quantile of the normal law",
            ylabel="quantile residual" + (" - that quantile" if detrended else ""),
            title=", ".join(part for part in (self.name, lost) if part),
        )
        ax.legend(loc="upper left")
        return self


def normal_quantiles(values: Array, alpha: float, envelope: str = "pointwise") -> pd.DataFrame:
    """Return values in order with the normal quantiles of their ranks, and the envelope.

    Raises
    ------
    ValueError
        There are none, some are NaN, alpha is no number in (0, 1), or no such envelope.

    Examples
    --------
    Of one value the envelope is that of the normal law itself:

    >>> print(normal_quantiles(np.zeros(1), 0.05).round(2).to_numpy())
    [[ 0.    0.   -1.96  1.96]]
    """
    if not (isinstance(alpha, Real) and 0 < alpha < 1):
        raise ValueError(f"alpha must be a number in (0, 1), but got {alpha!r}.")
    if envelope not in _ENVELOPES:
        raise ValueError(f"envelope must be one of {list(_ENVELOPES)}, but got {envelope!r}.")
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise ValueError(
            "a quantile plot needs one residual for each row, and at least one, none of them NaN, "
            f"but their shape is {values.shape}, with {int(np.isnan(values).sum())} NaN."
        )
    n = len(values)
    rank = np.arange(1, n + 1)
    if envelope == "pointwise":
        low, high = (special.betaincinv(rank, n + 1 - rank, p) for p in (alpha / 2, 1 - alpha / 2))
    else:
        d = stats.kstwo.isf(alpha, n)
        low, high = np.maximum(rank / n - d, 0.0), np.minimum((rank - 1) / n + d, 1.0)
    columns = {"theoretical": special.ndtri(rank / (n + 1)), "residual": np.sort(values)}
    return pd.DataFrame(columns | {"lower": special.ndtri(low), "upper": special.ndtri(high)})


def _shown(n: int) -> NDArray[np.intp]:
    """Return the ranks that are drawn, from 0."""
    if n <= _MOST_POINTS:
        return np.arange(n)
    middle = np.linspace(_TAIL, n - 1 - _TAIL, _MOST_POINTS - 2 * _TAIL).astype(int)
    return np.unique(np.r_[:_TAIL, middle, n - _TAIL : n])
