"""Figures of local coefficients: importance, interactions, a coefficient along its column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from glmnet_nn._plotting import Display
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._validation import named_output
from glmnet_nn.explanation.importance import local_importance
from glmnet_nn.explanation.interactions import (
    interaction_profile,
    local_interactions,
    local_profile,
)
from glmnet_nn.explanation.smoothing import local_lines, quantiles

_NAMED = 4  # curves with a colour and a name; the others are grey
_NUMBERED = 12  # columns up to which a heat map has numbers
_MOST_POINTS = 5000
_LABELS = {"local_coef": "local coefficient", "regression_attention": "regression attention"}


class LocalImportanceDisplay(Display):
    """Bars of :func:`local_importance`, one a column, and of the spread of beta over the rows.

    Parameters
    ----------
    table : DataFrame
        Of one output.

    Attributes
    ----------
    ax_, figure_
        Of matplotlib.
    bars_ : BarContainer
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls, estimator: BaseDeepGLM, X: Any, *, output: Any = None, ax: Any = None, **options: Any
    ) -> LocalImportanceDisplay:
        """Draw the importance of the columns for one output.

        Parameters
        ----------
        estimator, X
            As in :func:`local_importance`.
        output : optional
            Which of several outputs, by its name.
        ax : matplotlib Axes, optional
        **options
            As in :func:`local_importance`.
        """
        table = local_importance(estimator, X, **options)
        several = table.index.nlevels > 1
        names = list(table.index.unique("output")) if several else None
        if named_output(output, names) is not None:
            table = pd.DataFrame(table.xs(str(output), level="output"))
        return cls(table).plot(ax=ax)

    def plot(self, ax: Any = None) -> LocalImportanceDisplay:
        """Draw the bars, largest above; a line is the standard deviation over the rows."""
        ax = self._axes(ax)
        table = self.table.iloc[::-1]
        at = np.arange(len(table))
        control = table.attrs.get("control")
        colours = ["0.6" if name == control else "C0" for name in table.index]
        self.bars_ = ax.barh(at, table["importance"], color=colours)
        ax.errorbar(
            table["importance"], at, xerr=table["std"], fmt="none", ecolor="0.25", capsize=2
        )
        ax.set_yticks(at, [str(name) for name in table.index])
        ax.set_xlim(left=0.0)
        what = _LABELS.get(table.attrs.get("of", ""), "coefficient")
        ax.set_xlabel(f"mean absolute {what}, and its deviation over the rows")
        return self


class LocalInteractionsDisplay(Display):
    """A heat map of :func:`local_interactions`.

    Parameters
    ----------
    table : DataFrame

    Attributes
    ----------
    ax_, figure_
        Of matplotlib.
    image_ : AxesImage
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls, estimator: BaseDeepGLM, X: Any, *, ax: Any = None, **options: Any
    ) -> LocalInteractionsDisplay:
        """Draw the strengths; options are those of :func:`local_interactions`."""
        return cls(local_interactions(estimator, X, **options)).plot(ax=ax)

    def plot(self, ax: Any = None) -> LocalInteractionsDisplay:
        """Draw rows (coefficients) against columns (what they vary with)."""
        ax = self._axes(ax)
        values, names = self.table.to_numpy(), [str(name) for name in self.table.columns]
        self.image_ = ax.imshow(values, cmap="Blues", vmin=0.0)
        at = range(len(names))
        ax.set_xticks(at, names, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(at, names)
        ax.set(xlabel="varies with", ylabel="coefficient of")
        if len(names) <= _NUMBERED:
            largest = values.max(initial=0.0)
            digits = max(0, 1 - int(np.floor(np.log10(largest)))) if largest > 0 else 0
            for (row, column), value in np.ndenumerate(values):
                colour = "white" if value > 0.6 * largest else "black"
                ax.text(
                    column,
                    row,
                    f"{value:.{digits}f}",
                    ha="center",
                    va="center",
                    color=colour,
                    size=8,
                )
        self.figure_.colorbar(self.image_, ax=ax, label="mean absolute slope")
        return self


class InteractionProfileDisplay(Display):
    """The curves of :func:`interaction_profile`.

    Parameters
    ----------
    table : DataFrame

    Attributes
    ----------
    ax_, figure_
        Of matplotlib.
    lines_ : dict of artists
        By the column k.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls, estimator: BaseDeepGLM, X: Any, column: str, *, ax: Any = None, **options: Any
    ) -> InteractionProfileDisplay:
        """Draw the profile of a column; options are those of :func:`interaction_profile`."""
        return cls(interaction_profile(estimator, X, column, **options)).plot(ax=ax)

    def plot(self, ax: Any = None) -> InteractionProfileDisplay:
        """Draw a curve for each column, the largest on average with a colour and a name."""
        ax = self._axes(ax)
        x, own = self.table.index.to_numpy(), self.table.index.name
        size = self.table.abs().mean().sort_values(ascending=False, kind="stable")
        self.lines_ = {}
        ax.axhline(0.0, color="0.3", lw=0.8)
        for rank, name in enumerate(size.index):
            named = rank < _NAMED
            look = {"color": f"C{rank}", "lw": 1.8} if named else {"color": "0.75", "lw": 1.0}
            label = f"{name}{' (curvature)' if name == own else ''}" if named else None
            (line,) = ax.plot(
                x,
                self.table[name],
                ls="--" if name == own else "-",
                label=label,
                zorder=3 if named else 1,
                **look,
            )
            self.lines_[name] = line
        what = _LABELS.get(self.table.attrs.get("of", ""), "coefficient")
        ax.set(xlabel=str(own), ylabel=f"slope of the {what} of {own}")
        ax.legend(title="varying with", fontsize="small")
        return self


class LocalCoefDisplay(Display):
    """A local coefficient against its column, coloured by another: :func:`local_profile`.

    Where the cloud is flat and thin the model is a GLM in this column; a bend is
    curvature, layers of colour are an interaction.

    Parameters
    ----------
    table : DataFrame

    Attributes
    ----------
    ax_, figure_
        Of matplotlib.
    points_, line_ : artists
        The rows (evenly chosen ones of more than 5,000) and their local regression.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseDeepGLM,
        X: Any,
        column: str,
        by: str | None = None,
        *,
        ax: Any = None,
        **options: Any,
    ) -> LocalCoefDisplay:
        """Draw the coefficient of a column; options are those of :func:`local_profile`."""
        return cls(local_profile(estimator, X, column, by, **options)).plot(ax=ax)

    def plot(self, ax: Any = None, span: float = 0.3) -> LocalCoefDisplay:
        """Draw the rows, the smooth mean of the coefficient, and its overall mean."""
        ax = self._axes(ax)
        table, names = self.table, self.table.attrs
        x, coef, weight = (table[name].to_numpy() for name in ("x", "coef", "weight"))
        shown = table.iloc[:: -(-len(table) // _MOST_POINTS)]
        low, high = np.quantile(shown["by"], (0.02, 0.98))  # outliers would take all colours
        self.points_ = ax.scatter(
            shown["x"], shown["coef"], c=shown["by"], s=8, alpha=0.6, cmap="viridis", lw=0,
            vmin=low, vmax=high,
        )  # fmt: skip
        at = quantiles(x, weight, 60)
        curve = local_lines(x, coef[:, None], weight, at, span)[:, 0]
        (self.line_,) = ax.plot(at, curve, color="C3", lw=2, label="local mean")
        ax.axhline(weight @ coef, color="0.3", ls="--", lw=1, label="mean")
        bar = self.figure_.colorbar(self.points_, ax=ax, label=str(names["by"]), extend="both")
        bar.solids.set_alpha(1.0)
        what = _LABELS.get(names.get("of", ""), "coefficient")
        ax.set(xlabel=str(names["x"]), ylabel=f"{what} of {names['x']}")
        ax.legend(fontsize="small")
        return self
