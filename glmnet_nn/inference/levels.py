"""Steps of indicators: from the first level of their factor to their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from families import Array

LevelSteps = Mapping[int, tuple[NDArray[np.intp], int]]


def ends_of_step(j: int, steps: LevelSteps) -> tuple[NDArray[np.intp], Array, Array]:
    """Return the columns that a step of column j moves, their values before, and after it.

    ``steps`` has, for each indicator of a factor, the columns of all its indicators and that
    of the first level, -1 if it has none. Another column of 0 and 1 goes from 0 to 1 by itself.

    Examples
    --------
    >>> factor = (np.array([1, 2, 3]), 1)
    >>> ends_of_step(3, {1: factor, 2: factor, 3: factor})
    (array([1, 2, 3]), array([1., 0., 0.]), array([0., 0., 1.]))
    """
    places, first = steps.get(j, (np.array([j]), -1))
    return places, (places == first).astype(float), (places == j).astype(float)
