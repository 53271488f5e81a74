"""The figure of what a column does to predictions, with confidence bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from families import Array
from glmnet_nn._plotting import Display, plain_log_axis, pyplot
from glmnet_nn.displays.residuals import FEWEST_VALUES
from glmnet_nn.inference import RATIOS, GLMResults, NetworkResults, PartialEffect
from glmnet_nn.validation.display import colour, ticks
from glmnet_nn.validation.fitted import inference_of

_NUMBERED = 10  # curves with a colour of their own
_BESIDE = 0.4  # of the distance of two levels, over which outputs lie
_DECILES = np.arange(0.05, 1.0, 0.1)


class PartialEffectDisplay(Display):
    """The average prediction of rows along a column, with confidence bands.

    The curve is the partial dependence of the mean, of the linear predictor, or of the local
    coefficient d eta / d x_j; its band is that of the error of the parameters, by the delta
    method, at each value by itself. Marks on the axis are at .05, .15, ..., .95 of the column's
    values: beyond them the curve hangs on few rows. Levels, and fewer than
    eight numbers, have points and bars.

    Where a curve of `LocalCoefDisplay` shows how a coefficient spreads over the rows, this one
    shows its average, and how well the data determine it.

    Parameters
    ----------
    effect : PartialEffect
        Of ``inference(X, y).partial_effect``.
    rug : array or None
        Values to mark on the axis.

    Attributes
    ----------
    lines_ : list of Line2D
        One for each output.
    bands_ : list of PolyCollection, or of ErrorbarContainer for levels

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 1, 0, 2, 1, 3, 5, 4])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> display = PartialEffectDisplay.from_estimator(glm, X, y, 0, which="linear")
    >>> height = display.lines_[0].get_ydata()
    >>> bool(np.allclose(np.diff(height), glm.coef_))
    True
    """

    def __init__(self, effect: PartialEffect, rug: Array | None = None) -> None:
        self.effect = effect
        self.rug = rug

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        column: Any,
        values: Any = None,
        *,
        which: str = "mean",
        reference: Any = None,
        exponentiate: bool = False,
        n_points: int = 40,
        alpha: float = 0.05,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
        **inference: Any,
    ) -> PartialEffectDisplay:
        """Draw the effect of a column of X in a model fitted to these data.

        Parameters
        ----------
        estimator : DeepGLMRegressor or DeepGLMClassifier
            A network fitted by ``fit_for_inference``, or a GLM. It may be the last step of a
            pipeline: then the column is one of those that enter the pipeline.
        X, y, sample_weight, offset, exposure
            The data of the fit. The average is over their rows, that of means with exposure 1
            and offset 0.
        column, values, which, reference, n_points
            See ``partial_effect`` of the results.
        exponentiate : bool, default=False
            With which="linear" and a ``reference``, under the log or logit link: whether exp of
            the difference is drawn, a relativity or an odds ratio.
        alpha : float, default=0.05
            1 - coverage.
        ax : matplotlib Axes, optional
        **inference
            As for ``inference``: cov_type, groups, ...
        """
        data = {"sample_weight": sample_weight, "offset": offset, "exposure": exposure}
        results = inference_of(estimator, X, y, "partial effects", **data, **inference)
        transform = _before(estimator)
        return cls.from_results(
            results,
            X,
            column,
            values,
            which=which,
            reference=reference,
            exponentiate=exponentiate,
            n_points=n_points,
            alpha=alpha,
            sample_weight=sample_weight,
            transform=transform,
            ax=ax,
        )

    @classmethod
    def from_results(
        cls,
        results: GLMResults | NetworkResults,
        X: Any,
        column: Any,
        values: Any = None,
        *,
        exponentiate: bool = False,
        alpha: float = 0.05,
        ax: Any = None,
        **options: Any,
    ) -> PartialEffectDisplay:
        """Draw the effect of a column; ``options`` are those of ``results.partial_effect``."""
        effect = results.partial_effect(X, column, values, **options)
        return cls(effect, _deciles(X, column, effect)).plot(
            exponentiate=exponentiate, alpha=alpha, ax=ax
        )

    # ----------------------------------------------------------------- draw

    def plot(
        self, *, exponentiate: bool = False, alpha: float = 0.05, ax: Any = None
    ) -> PartialEffectDisplay:
        """Draw the effect on ``ax``, or on new axes."""
        effect = self.effect
        label = self._label(exponentiate)
        limits, height = effect.conf_int(alpha), effect.effect
        if exponentiate:
            limits, height = np.exp(limits), np.exp(height)
        ax = self._axes(ax)
        outputs = effect.outputs or [""]
        heights = height.reshape(len(height), -1)
        bounds = limits.reshape(len(height), -1, 2)
        self.lines_: list[Any] = []
        self.bands_: list[Any] = []
        numeric = _are_numbers(effect.values)
        x = (
            np.asarray(effect.values, dtype=float)
            if numeric
            else np.arange(len(height), dtype=float)
        )
        levels = len(x) < FEWEST_VALUES or not numeric
        colours = _colours(len(outputs))
        for k, name in enumerate(outputs):
            look = {"color": colours[k], "label": name or None}
            if levels:
                beside = _BESIDE * _step(x) * ((k + 0.5) / len(outputs) - 0.5)
                self._points(x + beside, heights[:, k], bounds[:, k], look)
            else:
                self._curve(x, heights[:, k], bounds[:, k], look)
        self._mark(x, numeric, levels)
        if effect.reference is not None or effect.which == "slope":
            ax.axhline(1.0 if exponentiate else 0.0, color="0.3", lw=0.8, zorder=0)
        if exponentiate:
            ax.set_yscale("log")
            plain_log_axis(ax.yaxis)
        ax.set(xlabel=effect.column, ylabel=label)
        if effect.outputs is not None:
            ax.legend(fontsize="small", ncols=1 + len(outputs) // 6)
        return self

    def _label(self, exponentiate: bool) -> str:
        """Return what the vertical axis has."""
        effect = self.effect
        names = {
            "mean": "average probability" if effect.family.event_ndim else "average predicted mean",
            "linear": "average linear predictor",
            "slope": f"average local coefficient of {effect.column}",
        }
        if not exponentiate:
            label = names[effect.which]
            return (
                label if effect.reference is None else f"{label}, less that at {effect.reference}"
            )
        link = effect.family.link_name
        if effect.which != "linear" or effect.reference is None or link not in RATIOS:
            raise ValueError(
                "exponentiate=True is for differences of linear predictors under the links "
                f"{list(RATIOS)}, but which={effect.which!r}, reference={effect.reference!r} and "
                f"the link is {link!r}. Set which='linear' and a reference."
            )
        return f"{RATIOS[link]} to {effect.column} = {effect.reference}"

    def _mark(self, x: Array, numeric: bool, levels: bool) -> None:
        """Mark levels by their names, numbers that are levels by themselves, others by the rug."""
        ax = self.ax_
        if not numeric:
            ticks(ax, pd.Index(self.effect.values))
        elif levels:
            ax.set_xticks(x, [f"{value:.4g}" for value in x])
            ax.margins(x=1.0 / (1.0 + len(x)))
        elif self.rug is not None:
            ax.plot(self.rug, np.zeros(len(self.rug)), "|", color="0.3", ms=9, clip_on=False,
                    transform=ax.get_xaxis_transform())  # fmt: skip

    def _curve(self, x: Array, height: Array, bounds: Array, look: dict[str, Any]) -> None:
        band = self.ax_.fill_between(x, *bounds.T, color=look["color"], alpha=0.25, lw=0)
        (line,) = self.ax_.plot(x, height, **look)
        self.bands_.append(band)
        self.lines_.append(line)

    def _points(self, x: Array, height: Array, bounds: Array, look: dict[str, Any]) -> None:
        ends = np.abs(bounds - height[:, None]).T
        bar = self.ax_.errorbar(x, height, ends, fmt="o", capsize=2, **look)
        self.bands_.append(bar)
        self.lines_.append(bar.lines[0])


def _are_numbers(values: list[Any]) -> bool:
    kinds = all(isinstance(v, int | float | np.number) for v in values)
    return kinds and not any(isinstance(v, bool) for v in values)


def _step(x: Array) -> float:
    """Return the least distance of two values."""
    return float(np.diff(np.sort(x)).min()) if len(x) > 1 else 1.0


def _before(estimator: Any) -> Any:
    """Return what a pipeline does before its last step; None if there is nothing."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if not isinstance(estimator, Pipeline) or len(estimator) == 1:
        return None
    if _before(estimator[-1]) is not None:
        raise TypeError(
            "the model must be the last step of one pipeline, but it is within another. Use "
            "from_results with the results of its inference() and transform=."
        )
    return estimator[:-1].transform


def _deciles(X: Any, column: Any, effect: PartialEffect) -> Array | None:
    """Return the marks of the axis, if the column has numbers."""
    try:
        given = np.asarray(X[column] if hasattr(X, "columns") else X[:, column], dtype=float)
    except (TypeError, ValueError, IndexError):
        return None
    low, high = min(effect.values), max(effect.values)
    marks = np.quantile(given[np.isfinite(given)], _DECILES)
    return np.unique(marks[(marks >= low) & (marks <= high)])


def _colours(n: int) -> list[Any]:
    """Return n colours: those of the cycle, or of a map for more."""
    if n <= _NUMBERED:
        return [colour(k) for k in range(n)]
    return [pyplot().get_cmap("viridis")(k / (n - 1)) for k in range(n)]
