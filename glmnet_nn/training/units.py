"""The unit in which a solver sees y, so that no choice of its unit changes the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Layout
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source

ROUNDING = 64 * np.finfo(float).eps  # of numbers of size 1


@dataclass(frozen=True)
class Units:
    """eta = middle + unit * (the eta that a first-order solver sees).

    Its y is (y - middle) / of_y, and its loss that of y as given over ``of_loss``.
    """

    unit: float
    middle: Array
    of_y: float
    of_loss: float

    @property
    def are_given(self) -> bool:
        """Whether y is seen as given."""
        return self.of_y == 1.0 and not self.middle.any()

    def given(self, layout: Layout, w: Array) -> Array:
        """Return the parameters for y as given: only the output layer changes."""
        w = w.copy()
        for part in layout.output_parts(w):
            part *= self.unit
        b = layout.intercept(w)
        if b is not None:
            b += self.middle
        return w

    def seen(self, layout: Layout, w: Array) -> Array:
        """Return the parameters for the y that the solver sees: `given` undone."""
        w = w.copy()
        b = layout.intercept(w)
        if b is not None:
            b -= self.middle
        for part in layout.output_parts(w):
            part /= self.unit
        return w


AS_GIVEN = Units(1.0, np.zeros(1), 1.0, 1.0)


def units_of(rows: Rows | Source, family: ExponentialFamily, fit_intercept: bool) -> Units:
    """Return units of y where they change but the output layer.

    Of a location-scale law the standard deviation of y about its mean or, if y varies by no
    more than rounding, the size of y. Of other laws with V = mu^p under a link of degree k the
    mean c of y: then eta has the unit c^k and the loss c^(2 - p).
    """
    if isinstance(rows, Source):
        middle, variance = rows.mean_response(), rows.facts.response.variance
    else:
        middle = rows.mean_response()
        variance = rows.weight @ np.square(rows.y - middle) / rows.weight.sum()
    if family.is_location_scale:
        unit, size = (float(np.sqrt(np.mean(square))) for square in (variance, middle**2))
        if unit <= ROUNDING * size:
            unit = size
        unit = unit or 1.0
        return Units(unit, middle if fit_intercept else np.zeros(1), unit, unit**2)
    order, degree = family.scale_order, family.link_degree
    if order is None or degree is None:
        return AS_GIVEN
    c = float(np.mean(middle))
    return Units(c**degree, np.zeros(1), c, c ** (2.0 - order))
