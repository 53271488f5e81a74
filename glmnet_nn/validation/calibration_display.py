"""Figures of calibration: the reliability diagram, and Murphy's decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import ExponentialFamily
from glmnet_nn._plotting import Display
from glmnet_nn.validation.calibration import isotonic_calibration, local_calibration
from glmnet_nn.validation.display import colour, exposure_bars
from glmnet_nn.validation.fitted import fitted_means
from glmnet_nn.validation.murphy import murphy_decomposition
from glmnet_nn.validation.observations import Predictions, observations

_BARS = 30
_OUTER = 1e-3  # share of the exposure at either end whose steps do not stretch the axis
_ROOM = 1.25


class AutocalibrationDisplay(Display):
    """Recalibrated against predicted means: on the diagonal if the model is autocalibrated.

    The steps are the isotonic regression, the curve with its band the local GLM. Bars show
    where the exposure lies. Steps of the outermost thousandths of the exposure, a few rows that
    all or none had an event, may end outside the picture.

    Parameters
    ----------
    isotonic : DataFrame
        Of :func:`isotonic_calibration`.
    local : DataFrame or None
        Of :func:`local_calibration`.
    exposure : DataFrame
        ``expected`` and ``exposure``, a histogram of the predictions.
    name : str or None
        What to call the model.

    Examples
    --------
    >>> y, mu = np.array([0, 2, 1, 3]), np.array([0.5, 1.0, 1.5, 2.0])
    >>> display = AutocalibrationDisplay.from_predictions(y, mu)
    >>> print(display.isotonic["recalibrated"].tolist())
    [0.0, 1.5, 3.0]
    """

    def __init__(
        self,
        isotonic: pd.DataFrame,
        local: pd.DataFrame | None,
        exposure: pd.DataFrame,
        name: str | None = None,
    ) -> None:
        self.isotonic = isotonic
        self.local = local
        self.exposure = exposure
        self.name = name

    def plot(self, *, ax: Any = None) -> AutocalibrationDisplay:
        """Draw the tables on ``ax``, or on new axes."""
        ax, steps = self._axes(ax), self.isotonic
        x = self.exposure["expected"].to_numpy()
        width = float(np.diff(x[:2])[0]) if len(x) > 1 else 0.8
        exposure_bars(ax, x, self.exposure["exposure"].to_numpy(), width)
        ends = [float(steps["lower"].min()), float(steps["upper"].max())]
        ax.plot(ends, ends, ":", color="black", label="autocalibrated")
        predicted = steps[["lower", "upper"]].to_numpy().ravel()
        level = np.repeat(steps["recalibrated"].to_numpy(), 2)
        ax.plot(predicted, level, color=colour(0), label="isotonic regression")
        if self.local is not None:
            at, low, high = (self.local[name] for name in ("expected", "lower", "upper"))
            ax.fill_between(at, low, high, color=colour(1), alpha=0.25, lw=0)
            ax.plot(at, self.local["recalibrated"], color=colour(1), label="local GLM, 95 %")
        ax.set(xlabel="predicted mean", ylabel="recalibrated mean", title=self.name or "")
        ax.set_ylim(*self._heights(ends))
        ax.legend(loc="upper left")
        return self

    def _heights(self, ends: list[float]) -> tuple[float, float]:
        """Return the ends of the vertical axis: of the diagonal, the steps and the band."""
        steps = self.isotonic
        upto = steps["exposure"].cumsum() / steps["exposure"].sum()
        before = upto - steps["exposure"] / steps["exposure"].sum()
        shown = steps["recalibrated"][(upto > _OUTER) & (before < 1 - _OUTER)]
        values = [*ends, *shown]
        if self.local is not None:
            values += [*self.local["recalibrated"].dropna()]
        margin = 0.05 * (max(values) - min(values))
        return min(values) - margin, max(values) + margin

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: ArrayLike,
        *,
        family: str | ExponentialFamily | None = None,
        span: float = 0.3,
        degree: int = 1,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> AutocalibrationDisplay:
        """Draw both regressions of y on these predictions; the local GLM if there is a family.

        Parameters as in :func:`local_calibration`.
        """
        weights: dict[str, Any] = {"sample_weight": sample_weight, "exposure": exposure}
        local = None
        if family is not None:
            local = local_calibration(y, mu, family, span=span, degree=degree, **weights)
        seen = observations(y, mu, **weights)
        heights, edges = np.histogram(seen.single, bins=_BARS, weights=seen.weight)
        bars = pd.DataFrame({"expected": 0.5 * (edges[1:] + edges[:-1]), "exposure": heights})
        return cls(isotonic_calibration(y, mu, **weights), local, bars, name).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        family: str | ExponentialFamily | None = None,
        span: float = 0.3,
        degree: int = 1,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | str | None = None,
        exposure: ArrayLike | str | None = None,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
    ) -> AutocalibrationDisplay:
        """Draw both regressions of y on what a fitted model predicts.

        The family is that of the model, unless it is given; of a model that states none there
        is no local GLM. See :func:`fitted_means` for the other parameters.
        """
        found = fitted_means(
            estimator,
            X,
            y,
            sample_weight=sample_weight,
            offset=offset,
            exposure=exposure,
            pos_label=pos_label,
        )
        return cls.from_predictions(
            found.y,
            found.mu,
            family=found.family if family is None else family,
            span=span,
            degree=degree,
            name=found.name if name is None else name,
            ax=ax,
            **found.arguments,
        )


class MurphyDisplay(Display):
    """Miscalibration and discrimination of models, with lines of equal score.

    Up is better (more discrimination), left is better (less miscalibration), and models on
    one line have the same mean deviance. The model without inputs is at the origin.

    Parameters
    ----------
    table : DataFrame
        Of :func:`murphy_decomposition`.

    References
    ----------
    Dimitriadis, Gneiting, Jordan and Vogel (2024), "Evaluating probabilistic classifiers: the
    triptych", International Journal of Forecasting 40.

    Examples
    --------
    >>> models = {"good": [0.2, 0.8, 0.7], "poor": [0.5, 0.4, 0.6]}
    >>> display = MurphyDisplay.from_predictions([0, 1, 1], models, "bernoulli")
    >>> bool(display.table.loc["good", "score"] < display.table.loc["poor", "score"])
    True
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def plot(self, *, ax: Any = None) -> MurphyDisplay:
        """Draw the table on ``ax``, or on new axes.

        Raises
        ------
        ValueError
            A score is infinite: the law does not have some mean.
        """
        endless = self.table.index[~np.isfinite(self.table["score"])]
        if len(endless):
            raise ValueError(
                f"the mean deviance of {list(endless)} is infinite: the law does not have some of "
                "the means. There is nothing to draw."
            )
        ax = self._axes(ax)
        x, y = self.table["miscalibration"], self.table["discrimination"]
        high = _ROOM * max(float(x.max()), float(y.max()), np.finfo(float).tiny)
        wide = min(high, 2.0 * float(x.max())) or high
        uncertainty = float(self.table["uncertainty"].iloc[0])
        for gain in np.linspace(-wide, high, 9)[1:-1]:
            end = min(wide, high - gain)  # where the line leaves the axes
            ax.axline((end, end + gain), slope=1.0, color="0.85", lw=0.8, zorder=0)
            score = f"{uncertainty - gain:.5g}"
            ax.annotate(
                score, (end, end + gain), (-3, -3), textcoords="offset points", color="0.5",
                fontsize=8, ha="right", va="top",
            )  # fmt: skip
        for number, name in enumerate(self.table.index):
            label = f"{name}: {self.table.loc[name, 'score']:.5g}"
            ax.plot(x[name], y[name], "o", color=colour(number), label=label, clip_on=False)
        ax.set(
            xlim=(0.0, wide),
            ylim=(0.0, high),
            xlabel="miscalibration",
            ylabel="discrimination",
            title=f"mean deviance; {uncertainty:.5g} without a model",
        )
        ax.legend(loc="best")
        return self

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: Predictions,
        family: str | ExponentialFamily,
        *,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> MurphyDisplay:
        """Draw :func:`murphy_decomposition` of these predictions; parameters as there."""
        table = murphy_decomposition(y, mu, family, sample_weight=sample_weight, exposure=exposure)
        return cls(table).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        family: str | ExponentialFamily | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | str | None = None,
        exposure: ArrayLike | str | None = None,
        ax: Any = None,
    ) -> MurphyDisplay:
        """Draw :func:`murphy_decomposition` of a fitted model, or a dict of them by name.

        The family is that on which the models agree, unless it is given; of several classes
        Multinoulli. See :func:`fitted_means` for the other parameters.
        """
        found = fitted_means(
            estimator,
            X,
            y,
            sample_weight=sample_weight,
            offset=offset,
            exposure=exposure,
            classes=True,
        )
        mu = found.mu if isinstance(found.mu, dict) else {found.name: found.mu}
        return cls.from_predictions(found.y, mu, found.law(family), ax=ax, **found.arguments)
