"""Pictures of a path, and of the held-out deviance along it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from glmnet_nn._plotting import Display, pyplot
from glmnet_nn.elastic_net.results import ElasticNetPath

AGAINST = {
    "alpha": "alpha",
    "deviance_ratio": "share of the deviance explained",
    "l1_norm": "sum of |coefficients|",
}
_LABELLED = 10  # coefficients named in the legend, from above to below as the lines end


class ElasticNetPathDisplay(Display):
    """Coefficients along a path, for X as given.

    Parameters
    ----------
    path : ElasticNetPath
    against : {"alpha", "deviance_ratio", "l1_norm"}, default="alpha"
        What the horizontal axis has.

    Attributes
    ----------
    figure_, ax_, lines_
        After :meth:`plot`; with several outputs ``ax_`` and ``lines_`` are arrays and lists
        of theirs.
    """

    lines_: list[Any]

    def __init__(self, path: ElasticNetPath, against: str = "alpha") -> None:
        if against not in AGAINST:
            raise ValueError(f"against must be one of {sorted(AGAINST)}, but got {against!r}.")
        self.path = path
        self.against = against

    @classmethod
    def from_path(
        cls, path: ElasticNetPath, *, against: str = "alpha", ax: Any = None, **kwargs: Any
    ) -> ElasticNetPathDisplay:
        """Return the display of a path, drawn."""
        return cls(path, against).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, against: str = "alpha", ax: Any = None, **kwargs: Any
    ) -> ElasticNetPathDisplay:
        """Return the display of the path that a fitted estimator has chosen from, drawn."""
        display = cls(estimator.path(), against).plot(ax=ax, **kwargs)
        if against == "alpha":
            for one in np.ravel(display.ax_):
                one.axvline(estimator.alpha_, color="0.4", linestyle="--", linewidth=1)
                at = (estimator.alpha_, 1.0)
                one.annotate(
                    "chosen",
                    at,
                    (-3, -3),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    ha="right",
                    va="top",
                    rotation=90,
                    color="0.4",
                    fontsize="small",
                )
        return display

    def plot(self, *, ax: Any = None, **kwargs: Any) -> ElasticNetPathDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or an array of K of them, optional
        **kwargs
            For the lines (``Axes.plot``).

        Returns
        -------
        self
        """
        panels = self.path.coefs.reshape(-1, *self.path.coefs.shape[-2:])
        if ax is None:
            size = (6.4, 1.2 + 3.2 * len(panels)) if len(panels) > 1 else (6.4, 4.8)
            _, ax = pyplot().subplots(len(panels), sharex=True, figsize=size, layout="constrained")
        axes = np.ravel(ax)
        if len(axes) != len(panels):
            raise ValueError(
                f"ax must have one Axes for each of {len(panels)} outputs, but has {len(axes)}."
            )
        self.lines_ = [self._draw(*pair, kwargs) for pair in zip(axes, panels, strict=True)]
        names = self.path.output_names
        if len(panels) > 1:
            for k, one in enumerate(axes):
                one.set_title(names[k] if names else f"output {k}")
        axes[-1].set_xlabel(AGAINST[self.against])
        self.ax_ = ax
        self.figure_ = axes[0].figure
        return self

    def _draw(self, ax: Any, coefs: Any, kwargs: dict[str, Any]) -> list[Any]:
        """Draw the lines of one output, the largest at the end of the path in colour."""
        where = self._horizontal(coefs)
        drawn = np.flatnonzero(coefs.any(axis=1))
        largest = drawn[np.argsort(-np.abs(coefs[drawn, -1]))[:_LABELLED]]
        named = sorted(largest, key=lambda j: -coefs[j, -1])
        lines = []
        for j in drawn:
            style = {"color": f"C{named.index(j)}"} if j in named else {"color": "0.8", "zorder": 1}
            style |= {"linewidth": 1.2, "label": self.path.feature_names[j]}
            lines += ax.plot(where, coefs[j], **{**style, **kwargs})
        if named:
            ax.legend(
                handles=[lines[int(np.flatnonzero(drawn == j)[0])] for j in named],
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                fontsize="small",
                frameon=False,
            )
        ax.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        if self.against == "alpha":
            if (self.path.alphas > 0).all():
                ax.set_xscale("log")
            ax.set_xlim(self.path.alphas[0], self.path.alphas[-1])
        ax.set_ylabel("coefficient")
        return lines

    def _horizontal(self, coefs: Any) -> Any:
        if self.against == "alpha":
            return self.path.alphas
        if self.against == "deviance_ratio":
            return self.path.deviance_ratio
        return np.abs(coefs).sum(axis=0)


class ElasticNetCVDisplay(Display):
    """Held-out mean deviance along a path, with its standard errors and both rules' choices.

    Parameters
    ----------
    table : DataFrame
        The rows of ``cv_results_`` at one l1_ratio.
    alpha_min, alpha_1se : float

    Attributes
    ----------
    figure_, ax_, errorbar_
        After :meth:`plot`.
    """

    errorbar_: Any

    def __init__(self, table: pd.DataFrame, alpha_min: float, alpha_1se: float) -> None:
        self.table = table
        self.alpha_min = alpha_min
        self.alpha_1se = alpha_1se

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, **kwargs: Any
    ) -> ElasticNetCVDisplay:
        """Return the display of a fitted ElasticNetGLMCV at its l1_ratio, drawn."""
        table = estimator.cv_results_
        table = table[table["l1_ratio"] == estimator.l1_ratio_]
        return cls(table, estimator.alpha_min_, estimator.alpha_1se_).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> ElasticNetCVDisplay:
        """Draw; ``kwargs`` are for ``Axes.errorbar``."""
        ax = self._axes(ax)
        finite = self.table[np.isfinite(self.table["mean_deviance"])]
        style = {"fmt": "o", "markersize": 3, "elinewidth": 0.8, "color": "C0", "ecolor": "0.7"}
        self.errorbar_ = ax.errorbar(
            finite["alpha"],
            finite["mean_deviance"],
            yerr=finite["se_deviance"],
            **{**style, **kwargs},
        )
        for alpha, name, line in ((self.alpha_min, "min", "--"), (self.alpha_1se, "1se", ":")):
            df = int(self.table.loc[self.table["alpha"] == alpha, "df"].iloc[0])
            ax.axvline(
                alpha, color="0.3", linestyle=line, label=f'"{name}": {alpha:.3g}, df = {df}'
            )
        if (finite["alpha"] > 0).all():
            ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlabel("alpha")
        ax.set_ylabel("held-out mean deviance")
        ax.legend(title="rule")
        return self
