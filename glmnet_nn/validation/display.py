"""What figures of models share: their means, bars of exposure, names, colours and ticks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from families import Array
from glmnet_nn._plotting import Display
from glmnet_nn.validation.fitted import fitted_means

_COVERAGE = 0.95
_UPRIGHT = 16  # levels
_LETTERS = 50  # that fit below the axis
_BAR_HEIGHT = 0.3  # of the axes: bars of exposure stay below the curves


class DisplayOfMeans(Display):
    """A display of what was observed and what models expect of it."""

    from_predictions: ClassVar[Callable[..., Any]]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | str | None = None,
        exposure: ArrayLike | str | None = None,
        pos_label: Any = None,
        **options: Any,
    ) -> Any:
        """Make the table of what a fitted model predicts, or a dict of them by name; draw it.

        Parameters
        ----------
        estimator, X, y, sample_weight, offset, exposure, pos_label
            See :func:`glmnet_nn.validation.fitted.fitted_means`.
        **options
            As in ``from_predictions``.
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
        return cls.from_predictions(found.y, found.mu, **found.arguments, **options)


def by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the table of each model; of a single one under the name ""."""
    if "model" not in table.index.names:
        return {"": table}
    names = table.index.get_level_values("model").unique()
    return {str(name): pd.DataFrame(table.xs(name, level="model")) for name in names}


def labelled(what: str, name: str) -> str:
    """Return the label of a curve: of which model, if there are several."""
    return f"{what} ({name})" if name else what


def colour(number: int) -> str:
    """Return a colour of matplotlib's cycle."""
    return f"C{number % 10}"


def reach(se: Array) -> Array:
    """Return the half width of an interval of the normal law."""
    return float(special.ndtri(0.5 + _COVERAGE / 2)) * se


def exposure_bars(ax: Any, x: Array, exposure: Array, width: float | Array = 0.8) -> None:
    """Draw bars of exposure behind the curves, on an axis of their own."""
    behind = ax.twinx()
    behind.bar(x, exposure, width=width, color="0.85", zorder=0)
    behind.set(ylim=(0, exposure.max() / _BAR_HEIGHT), yticks=[])
    behind.set_ylabel("exposure", color="0.5", loc="bottom")
    ax.set_zorder(behind.get_zorder() + 1)
    ax.patch.set_visible(False)


def ticks(ax: Any, labels: pd.Index) -> None:
    """Name the levels on the horizontal axis, aslant if they are long, upright if many."""
    names = [str(label) for label in labels]
    look: dict[str, Any] = {}
    if len(names) > _UPRIGHT:
        look = {"rotation": 90, "fontsize": "small"}
    elif sum(map(len, names)) > _LETTERS:
        look = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, **look)


def whole_ticks(ax: Any) -> None:
    """Mark whole numbers only on the horizontal axis."""
    ax.xaxis.get_major_locator().set_params(integer=True)
