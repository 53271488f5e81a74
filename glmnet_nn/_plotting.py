"""matplotlib, which is optional: imported when a figure is asked for."""

from __future__ import annotations

from typing import Any


def pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "figures need matplotlib, which is not installed. Install it with: "
            "pip install glmnet_nn[plot]"
        ) from error
    return plt


def figure_and_axes(ax: Any = None) -> tuple[Any, Any]:
    """Return the figure and the axes to draw on: those given, or new ones."""
    plt = pyplot()
    if ax is None:
        return plt.subplots(layout="constrained")
    return ax.figure, ax
