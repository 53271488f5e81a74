"""Figures: matplotlib, which is optional and imported when one is asked for, and its axes."""

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
            'pip install "glmnet_nn[plot]"'
        ) from error
    return plt


class Display:
    """Something and its figure, in the style of scikit-learn's displays.

    ``from_estimator`` and its like make it and draw it; ``plot`` draws it again, elsewhere.

    Attributes
    ----------
    ax_, figure_ : matplotlib's Axes and Figure
    """

    ax_: Any
    figure_: Any

    def _axes(self, ax: Any = None, figsize: tuple[float, float] | None = None) -> Any:
        """Return the axes to draw on, kept with their figure; new ones have this size."""
        plt = pyplot()
        if ax is None:
            _, ax = plt.subplots(layout="constrained", figsize=figsize)
        self.figure_, self.ax_ = ax.figure, ax
        return ax


_FEW = 10.0  # times the lower end of an axis: powers of ten would mark hardly any of it
_MANY = 1e4


def plain_log_axis(axis: Any) -> None:
    """Mark a logarithmic axis, ``ax.xaxis`` or ``ax.yaxis``, by round numbers in plain writing."""
    pyplot()
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    if high < _FEW * low:
        axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10], min_n_ticks=4))
        axis.set_minor_locator(LogLocator(subs=()))
    elif high < _MANY * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
