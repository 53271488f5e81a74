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


def figure_and_axes(ax: Any = None, figsize: tuple[float, float] | None = None) -> tuple[Any, Any]:
    """Return the figure and the axes to draw on: those given, or new ones of this size."""
    plt = pyplot()
    if ax is None:
        return plt.subplots(layout="constrained", figsize=figsize)
    return ax.figure, ax


def plain_log_axis(ax: Any) -> None:
    """Mark a logarithmic x axis by round numbers: powers of ten would mark hardly any."""
    pyplot()
    from matplotlib.ticker import MaxNLocator

    low, high = ax.get_xlim()
    if high < 10.0 * low:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        ax.minorticks_off()
    ax.xaxis.set_major_formatter("{x:g}")
