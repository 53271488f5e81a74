"""Figures of Lorenz curves, and of relativities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from glmnet_nn._plotting import Display, plain_log_axis
from glmnet_nn.validation.display import DisplayOfMeans, by_model, colour
from glmnet_nn.validation.fitted import inference_of
from glmnet_nn.validation.lorenz import gini_table, lorenz_curve
from glmnet_nn.validation.observations import Predictions
from glmnet_nn.validation.relativities import relativities


class LorenzDisplay(DisplayOfMeans):
    """Shares of what was observed, and of what was predicted, by ascending prediction.

    Solid: observed; dotted: predicted. They are one if the model is autocalibrated; the
    further below the diagonal, the more the model tells risks apart. Against a base, only
    what was observed is drawn: below the diagonal, the model finds risks that the base
    overcharges.

    Parameters
    ----------
    table : DataFrame
        Of :func:`lorenz_curve`.
    gini : DataFrame
        Of :func:`gini_table`.

    Examples
    --------
    >>> display = LorenzDisplay.from_predictions([0, 1, 3], [1, 1, 2])
    >>> display.ax_.get_xlabel()
    'share of exposure, by ascending prediction'
    """

    def __init__(self, table: pd.DataFrame, gini: pd.DataFrame) -> None:
        self.table = table
        self.gini = gini

    def plot(self, *, ax: Any = None) -> LorenzDisplay:
        """Draw the curves on ``ax``, or on new axes."""
        ax = self._axes(ax)
        axis = str(self.table.columns[0])
        ax.plot([0, 1], [0, 1], color="0.6", lw=0.8)
        for number, (name, table) in enumerate(by_model(self.table).items()):
            row = self.gini.loc[name] if name else self.gini.iloc[0]
            label = f"{name or 'observed'}: Gini {row['gini']:.3f} ± {row['se']:.3f}"
            ax.plot(table[axis], table["actual"], color=colour(number), label=label)
            if axis == "exposure":
                ax.plot(table[axis], table["expected"], ":", color=colour(number))
        order = "prediction" if axis == "exposure" else "prediction / base"
        ax.set(
            xlabel=f"share of {axis}, by ascending {order}",
            ylabel="share of the total",
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
        )
        ax.legend(loc="upper left")
        return self

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: Predictions,
        *,
        base: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> LorenzDisplay:
        """Draw :func:`lorenz_curve` of these predictions; parameters as there."""
        given: dict[str, Any] = {
            "base": base,
            "sample_weight": sample_weight,
            "exposure": exposure,
        }
        return cls(lorenz_curve(y, mu, **given), gini_table(y, mu, **given)).plot(ax=ax)


class RelativitiesDisplay(Display):
    """Relativities with their intervals, on a logarithmic axis, factor by factor.

    Parameters
    ----------
    table : DataFrame
        Of :func:`relativities`.

    Examples
    --------
    >>> table = pd.DataFrame({"estimate": [0.5], "se": [0.1]}, index=["area_B"])
    >>> display = RelativitiesDisplay.from_estimates(table, {"area": "A"})
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['area A', 'area B']
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def plot(self, *, ax: Any = None) -> RelativitiesDisplay:
        """Draw the table on ``ax``, or on new axes, without the intercept.

        What the data do not determine is named, and has no point.
        """
        ax = self._axes(ax)
        table = self.table.drop(index="Intercept", level="factor", errors="ignore")
        factors = table.index.get_level_values("factor")
        place = np.arange(len(table)) + np.cumsum(np.r_[0, factors[1:] != factors[:-1]])
        n_factors = 0  # with levels: numbers have the first colour together
        for factor in dict.fromkeys(factors):
            rows, at = table[factors == factor], place[factors == factor]
            n_factors += len(rows) > 1
            shade = colour(n_factors if len(rows) > 1 else 0)
            value = rows["relativity"]
            ends = np.abs(rows[["lower", "upper"]].to_numpy().T - value.to_numpy())
            ax.errorbar(value, at, xerr=ends, fmt="o", color=shade, capsize=2)
        ax.axvline(1.0, color="0.6", lw=0.8, zorder=0)
        names = [f"{factor} {level}".strip() for factor, level in table.index]
        ax.set_yticks(place, names)
        ax.set(xscale="log", xlabel="relativity")
        plain_log_axis(ax.xaxis)
        ax.invert_yaxis()
        return self

    @classmethod
    def from_estimates(
        cls,
        estimates: Any,
        base: Mapping[str, Any] | None = None,
        *,
        alpha: float = 0.05,
        ax: Any = None,
    ) -> RelativitiesDisplay:
        """Draw :func:`relativities` of results or of a table; parameters as there."""
        return cls(relativities(estimates, base, alpha=alpha)).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        base: Mapping[str, Any] | None = None,
        *,
        alpha: float = 0.05,
        ax: Any = None,
        **data: Any,
    ) -> RelativitiesDisplay:
        """Draw the relativities of a model fitted to these data.

        ``data`` are arguments of ``inference()``: sample_weight, exposure, cov_type, ... The model
        may be the last step of a pipeline, or the best of a search.

        Raises
        ------
        TypeError
            The model has no ``inference()``.
        """
        results = inference_of(estimator, X, y, "relativities", **data)
        return cls.from_estimates(results, base, alpha=alpha, ax=ax)
