"""The figure of residuals against what a model says, or against a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array, ExponentialFamily
from glmnet_nn._plotting import Display, plain_log_axis
from glmnet_nn.displays.residual_sources import (
    Residuals,
    of_estimator,
    of_predictions,
    of_results,
    require_finite,
)
from glmnet_nn.explanation.interactions import check_curve
from glmnet_nn.explanation.smoothing import Smooth, quantiles, smooth
from glmnet_nn.validation.display import reach, ticks

_POINTS = 60  # of a smooth
_MOST_POINTS = 3000  # that are drawn one by one; more are counted in hexagons
FEWEST_VALUES = 8  # of a number that has an axis; fewer are levels
_MOST_LEVELS = 60
_NORMAL = 1.0  # standard deviation of quantile residuals
_LABELS = {"pearson": "Pearson", "anscombe": "Anscombe"}


class ResidualDisplay(Display):
    """Residuals against the fitted mean, the linear predictor or a column, with a smooth.

    The curve is the local mean with an interval of 95 % for it, broken lines are one local
    standard deviation away. Of a model that is right the mean is 0 everywhere, and the
    deviation of quantile residuals is 1, whatever the law. More than 3,000 rows are counted in
    hexagons; levels of a factor have boxes.

    Parameters
    ----------
    table : DataFrame
        One row for each row of positive weight: ``x``, what they are drawn against;
        ``residual``; and ``weight``. ``attrs`` has the labels of the axes.
    log : bool
        Whether x has a logarithmic axis, on which the smooth is taken too.

    Attributes
    ----------
    smooth_ : DataFrame or None
        ``x``, ``mean``, ``deviation`` and ``se`` (of the mean) of the curve; None of levels.
    points_ : PathCollection, PolyCollection or list of boxes
    line_ : Line2D or None

    References
    ----------
    Dunn and Smyth (1996), "Randomized quantile residuals", J. Computational and Graphical
    Statistics 5. Cleveland (1979), JASA 74, for the smooth.

    Examples
    --------
    >>> mu = np.repeat([1.0, 2.0, 4.0], 10)
    >>> y = np.tile(np.arange(10.0), 3)
    >>> display = ResidualDisplay.from_predictions(y, mu, "normal", kind="response")
    >>> print(display.table.groupby("x")["residual"].mean().tolist())
    [3.5, 2.5, 0.5]
    """

    def __init__(self, table: pd.DataFrame, log: bool = False) -> None:
        self.table = table
        self.log = log

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        against: Any = "fitted",
        *,
        kind: str = "quantile",
        output: Any = None,
        random_state: Any = 0,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        span: float = 0.5,
        ax: Any = None,
    ) -> ResidualDisplay:
        """Draw the residuals of a fitted model of any depth, on any data.

        Parameters
        ----------
        estimator : DeepGLMRegressor, DeepGLMClassifier or what ends in one
        X, y, sample_weight, offset, exposure
            As in ``residuals``; rows of weight 0 have none.
        against : {"fitted", "linear"}, column of X, or array-like of shape (n,)
        kind : {"quantile", "deviance", "pearson", "anscombe", "response", "working"}
            See :func:`glmnet_nn.inference.residuals.residuals`. Classes need "deviance" or
            "pearson".
        output : optional
            Which of several outputs, by its name.
        random_state : int, RandomState, Generator or None, default=0
            Seed of the draws of quantile residuals of discrete laws.
        span : float, default=0.5
            Share of the rows in each neighbourhood of the smooth.
        ax : matplotlib Axes, optional
        """
        found, kept = of_estimator(
            estimator,
            X,
            y,
            kind,
            output=output,
            random_state=random_state,
            sample_weight=sample_weight,
            offset=offset,
            exposure=exposure,
        )
        return cls._of(found, against, X, kept).plot(span=span, ax=ax)

    @classmethod
    def from_results(
        cls,
        results: Any,
        against: Any = "fitted",
        *,
        kind: str = "quantile",
        output: Any = None,
        random_state: Any = 0,
        span: float = 0.5,
        ax: Any = None,
    ) -> ResidualDisplay:
        """Draw the residuals of the rows of ``inference(X, y)``; parameters as there."""
        found, columns = of_results(results, kind, output=output, random_state=random_state)
        return cls._of(found, against, columns, np.ones(len(columns), bool)).plot(span=span, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: ArrayLike,
        family: str | ExponentialFamily,
        against: Any = "fitted",
        *,
        kind: str = "quantile",
        dispersion: float | ArrayLike | None = None,
        random_state: Any = 0,
        sample_weight: ArrayLike | None = None,
        span: float = 0.5,
        ax: Any = None,
    ) -> ResidualDisplay:
        """Draw the residuals of means that any model has predicted.

        Parameters
        ----------
        y, mu : array-like of shape (n,)
            On the same scale: counts and expected counts.
        family : str or ExponentialFamily
            The law of y with its parameters.
        against : {"fitted", "linear"} or array-like of shape (n,)
        dispersion : float or array-like of shape (n,), optional
            phi, of laws that have one, for quantile residuals; Pearson's chi^2 over the
            number of rows by default.
        kind, random_state, sample_weight, span, ax
            As in ``from_estimator``.
        """
        found, kept = of_predictions(
            y,
            mu,
            family,
            kind,
            dispersion=dispersion,
            random_state=random_state,
            sample_weight=sample_weight,
        )
        return cls._of(found, against, None, kept).plot(span=span, ax=ax)

    @classmethod
    def _of(cls, found: Residuals, against: Any, X: Any, kept: Any) -> ResidualDisplay:
        x = found.against(against, X, kept)
        table = pd.DataFrame({"x": x, "residual": found.values, "weight": found.weight})
        table.attrs |= {"x": str(x.name), "kind": found.kind, "name": found.name}
        multiplicative = found.family.link_name == "log"
        return cls(table, log=isinstance(against, str) and against == "fitted" and multiplicative)

    # ----------------------------------------------------------------- draw

    def plot(self, *, span: float = 0.5, ax: Any = None) -> ResidualDisplay:
        """Draw the table on ``ax``, or on new axes; infinite residuals are counted in the title."""
        check_curve(span, _POINTS)
        ax, kind = self._axes(ax), self.table.attrs["kind"]
        finite = self.table[require_finite(np.isfinite(self.table["residual"]))]
        ax.axhline(0.0, color="0.3", lw=0.8, zorder=2)
        if kind == "quantile":
            for level in (-_NORMAL, _NORMAL):
                ax.axhline(level, color="0.3", lw=0.8, ls=":", zorder=2)
        if is_factor(self.table["x"]):
            self._boxes(finite)
        else:
            self._cloud(finite, span)
        label = _LABELS.get(kind, kind)
        lost = len(self.table) - len(finite)
        missing = f"{lost} infinite residuals left out" if lost else ""
        ax.set(
            xlabel=self.table.attrs["x"],
            ylabel=f"{label} residual",
            title=", ".join(part for part in (self.table.attrs["name"], missing) if part),
        )
        return self

    def _boxes(self, table: pd.DataFrame) -> None:
        """Draw a box for each level.

        Raises
        ------
        ValueError
            There are none, or too many.
        """
        levels = pd.Categorical(table["x"]).remove_unused_categories()
        if not 1 <= len(levels.categories) <= _MOST_LEVELS:
            raise ValueError(
                f"a factor must have 1 to {_MOST_LEVELS} levels to have a box for each, but "
                f"{self.table.attrs['x']!r} has {len(levels.categories)}. Pass numbers (of dates "
                "the days since one), or fewer levels."
            )
        groups = [table["residual"][levels == level] for level in levels.categories]
        places = range(len(groups))
        look = {"flierprops": {"marker": ".", "ms": 2, "alpha": 0.4, "rasterized": True}}
        look["medianprops"] = {"color": "C3", "lw": 1.6}
        drawn = self.ax_.boxplot(groups, positions=places, widths=0.6, **look)
        self.points_, self.line_, self.smooth_ = drawn["boxes"], None, None
        numeric = pd.api.types.is_numeric_dtype(levels.categories)
        ticks(self.ax_, pd.Index([f"{x:.4g}" if numeric else x for x in levels.categories]))

    def _cloud(self, table: pd.DataFrame, span: float) -> None:
        """Draw points or hexagons, and the smooth."""
        ax = self.ax_
        given = table[table["x"].notna() & np.isfinite(table["x"].astype(float))]
        x, residual, weight = (given[name].to_numpy(float) for name in ("x", "residual", "weight"))
        scale = "log" if self.log else "linear"
        if len(x) > _MOST_POINTS:
            self.points_ = ax.hexbin(
                x, residual, gridsize=(60, 40), xscale=scale, bins="log", mincnt=1, cmap="Blues",
                lw=0, rasterized=True,
            )  # fmt: skip
            self.figure_.colorbar(self.points_, ax=ax, label="rows", format="{x:g}")
        else:
            alpha = float(np.clip(30.0 / np.sqrt(max(len(x), 1)), 0.25, 0.8))
            self.points_ = ax.scatter(x, residual, s=9, color="C0", alpha=alpha, lw=0)
            ax.set_xscale(scale)
        points, curve = _curve(np.log(x) if self.log else x, residual, weight, span)
        at = np.exp(points) if self.log else points
        self.smooth_ = pd.DataFrame({"x": at, **curve._asdict()})
        half = reach(curve.se)
        ax.fill_between(at, curve.mean - half, curve.mean + half, color="C3", alpha=0.25, lw=0)
        (self.line_,) = ax.plot(at, curve.mean, color="C3", lw=2, label="local mean, 95 %")
        for number, sign in enumerate((-1.0, 1.0)):
            label = "one standard deviation" if not number else None
            edge = curve.mean + sign * curve.deviation
            ax.plot(at, edge, "--", color="C3", lw=1.0, label=label)
        if self.log:
            plain_log_axis(ax.xaxis)
        ax.legend(loc="best", fontsize="small")


def is_factor(x: pd.Series) -> bool:
    """Tell whether values are levels: no numbers, truth values, or few distinct ones."""
    if not pd.api.types.is_numeric_dtype(x) or pd.api.types.is_bool_dtype(x):
        return True
    return x.nunique() < FEWEST_VALUES


def _curve(x: Array, values: Array, weight: Array, span: float) -> tuple[Array, Smooth]:
    """Return points and the smooth there, each value of x once."""
    points = quantiles(x, weight, _POINTS)
    return points, smooth(x, values, weight, points, span)
