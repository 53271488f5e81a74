"""Curves through clouds of points: local lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from families import Array

_EPS = np.finfo(float).eps


def quantiles(x: Array, weight: Array, n_points: int) -> Array:
    """Return the values of x in the middle of ``n_points`` equal shares of the weight.

    So the outermost are no outliers, where a local line has next to no neighbours.
    """
    order = np.argsort(x, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    wanted = (np.arange(n_points) + 0.5) / n_points * (1.0 - len(x) * _EPS)
    places = np.searchsorted(share, wanted)
    return np.unique(x[order][np.minimum(places, len(x) - 1)])


def local_lines(x: Array, values: Array, weight: Array, points: Array, span: float) -> Array:
    """Return local regressions of values, (n, m), on x at points, (len(points), m).

    At each point the weighted least-squares line through its neighbours, those nearest with
    ``span`` of the weight, by tricube weights (1 - |x - point|^3 / h^3)^3; the local mean
    where x does not vary among them.

    Source: Cleveland (1979), "Robust locally weighted regression and smoothing
    scatterplots", JASA 74.

    Examples
    --------
    A line is its own local line:

    >>> x = np.linspace(0.0, 1.0, 50)
    >>> curve = local_lines(x, 3.0 * x[:, None], np.ones(50), np.array([0.25, 0.5]), 0.3)
    >>> print(curve.round(12))
    [[0.75]
     [1.5 ]]
    """
    order = np.argsort(x, kind="stable")
    x, values, weight = x[order], values[order], weight[order]
    curves = np.empty((len(points), values.shape[1]))
    for row, point in enumerate(points):
        at, _, smoother = _local_line(x, weight, float(point), span)
        curves[row] = smoother @ values[at]
    return curves


class Smooth(NamedTuple):
    """A local regression at points, the standard deviation about it, and its own error."""

    mean: Array
    deviation: Array
    se: Array


def smooth(x: Array, values: Array, weight: Array, points: Array, span: float) -> Smooth:
    """Return the local regression of values, (n,), on x at points, with deviation and error.

    With l the weights of the smoother, mean = l' values (:func:`local_lines`), and s the shares
    of the neighbours,

        deviation^2 = sum s_i (values_i - mean)^2,    se^2 = deviation^2 sum l_i^2 / weight_i

    for rows that are independent, each of them ``weight`` rows.

    Source: Loader (1999), Local Regression and Likelihood, section 2.3.
    """
    order = np.argsort(x, kind="stable")
    x, values, weight = x[order], values[order], weight[order]
    found = np.empty((3, len(points)))
    for column, point in enumerate(points):
        at, share, smoother = _local_line(x, weight, float(point), span)
        mean = smoother @ values[at]
        deviation = np.sqrt(share @ np.square(values[at] - mean))
        se = deviation * np.sqrt(np.sum(np.square(smoother) / weight[at]))
        found[:, column] = mean, deviation, se
    return Smooth(*found)


def _local_line(x: Array, weight: Array, point: float, span: float) -> tuple[slice, Array, Array]:
    """Return the neighbours of a point in x, ascending, their shares, and the smoother's weights.

    The local line at the point is (smoother's weights)' values.
    """
    at, kernel = _neighbours(x, weight, point, span)
    share = kernel / kernel.sum()
    distance = x[at] - share @ x[at]
    spread = share @ np.square(distance)
    if spread > _EPS * (x[at][-1] - x[at][0]) ** 2 > 0:
        return at, share, share * (1.0 + distance / spread * (point - share @ x[at]))
    return at, share, share


def _neighbours(x: Array, weight: Array, point: float, span: float) -> tuple[slice, Array]:
    """Return where the neighbours of a point lie in x, ascending, and their tricube weights."""
    total = np.concatenate([[0.0], np.cumsum(weight)])
    low, high = 0.0, float(max(x[-1] - point, point - x[0]))
    while high - low > 2 * _EPS * max(abs(x[0]), abs(x[-1])):  # bisect for h
        h = 0.5 * (low + high)
        at = _within(x, point, h)
        enough = total[at.stop] - total[at.start] >= span * total[-1] * (1.0 - len(x) * _EPS)
        low, high = (low, h) if enough else (h, high)
    at = _within(x, point, high)
    kernel = (1.0 - np.minimum(np.abs(x[at] - point) / high, 1.0) ** 3) ** 3 if high > 0 else 1.0
    found = weight[at] * kernel
    if found.sum() > 0:
        return at, found
    return at, weight[at]  # all at the same distance


def _within(x: Array, point: float, h: float) -> slice:
    left, right = np.searchsorted(x, point - h), np.searchsorted(x, point + h, "right")
    return slice(int(left), int(right))
