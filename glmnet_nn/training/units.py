"""The unit in which a solver sees y, so that no choice of its unit changes the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Layout
from glmnet_nn.training.data import Rows


@dataclass(frozen=True)
class Units:
    """eta = middle + unit * (the eta that a first-order solver sees).

    Its y is (y - middle) / of_y, and its loss that of y as given over ``of_loss``.
    """

    unit: float
    middle: Array
    of_y: float
    of_loss: float

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


def units_of(rows: Rows, family: ExponentialFamily, fit_intercept: bool) -> Units:
    """Return units of y where they change but the output layer.

    Of a location-scale law the standard deviation of y about its mean (about 0 without an
    intercept). Of other laws with V = mu^p under a link of degree k the mean c of y: then eta
    has the unit c^k and the loss c^(2 - p).
    """
    share = rows.weight / rows.weight.sum()
    middle = share @ rows.y
    if family.is_location_scale:
        unit = float(np.sqrt(np.mean(share @ np.square(rows.y - middle)))) or 1.0
        return Units(unit, middle if fit_intercept else np.zeros(1), unit, unit**2)
    order, degree = family.scale_order, family.link_degree
    if order is None or degree is None:
        return AS_GIVEN
    c = float(np.mean(middle))
    return Units(c**degree, np.zeros(1), c, c ** (2.0 - order))
