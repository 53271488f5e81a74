"""The elastic net, one coefficient per parameter; intercepts have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from families import Array
from glmnet_nn.network import Layout


@dataclass(frozen=True)
class ElasticNet:
    """penalty(w) = sum_j l1_j |w_j| + l2_j w_j^2 / 2.

    The first term has no derivative at 0. It enters by its proximal map, which
    sets weights to exactly 0 (the subgradient ``sign(w)`` never does):

        prox_t(v) = argmin_w  t l1 |w| + (w - v)^2 / 2 = sign(v) max(|v| - t l1, 0).

    Examples
    --------
    >>> penalty = ElasticNet(l1=np.array([1.0, 0.0]), l2=np.array([0.0, 2.0]))
    >>> float(penalty.value(np.array([-3.0, 3.0])))
    12.0
    >>> penalty.prox(np.array([-3.0, 3.0]), 0.5)
    array([-2.5,  3. ])
    """

    l1: Array
    l2: Array

    @cached_property
    def has_l1(self) -> bool:
        """Whether any coefficient of the absolute values is positive."""
        return bool(np.any(self.l1 > 0))

    def value(self, w: Array) -> float:
        """Return the penalty at w."""
        return float(self.l1 @ np.abs(w) + 0.5 * self.l2 @ np.square(w))

    def smooth_value(self, w: Array) -> float:
        """Return its differentiable part, sum_j l2_j w_j^2 / 2."""
        return float(0.5 * self.l2 @ np.square(w))

    def smooth_gradient(self, w: Array) -> Array:
        """Return the gradient l2 o w of the differentiable part."""
        return self.l2 * w

    def prox(self, v: Array, step: Array | float) -> Array:
        """Return the proximal map of the l1 part, one step size for all or one each."""
        if not self.has_l1:
            return v
        return np.sign(v) * np.maximum(np.abs(v) - step * self.l1, 0.0)


def elastic_net(
    layout: Layout,
    alpha: Sequence[float],
    l1_ratio: float,
    input_scale: Array | None = None,
    output_scale: float = 1.0,
) -> ElasticNet:
    """Return sum_l alpha_l [ l1_ratio |W_l|_1 + (1 - l1_ratio) / 2 |W_l|_2^2 ].

    Weights that pass the hidden layers have none: they are those of a classical GLM.

    Parameters
    ----------
    layout : Layout
        Where the weights lie.
    alpha : sequence of float
        One coefficient per layer, input to output.
    l1_ratio : float
        The share of the absolute values.
    input_scale : array of shape (n_features,), optional
        If given, the penalty falls on W_0 / input_scale: the weights of the
        unscaled inputs, while W_0 belongs to inputs divided by ``input_scale``.
    output_scale : float, default=1.0
        The loss is that of y / output_scale, hence the whole objective is divided by
        its square, while the penalty falls on output_scale W_L, the weights for y.
    """
    l1, l2 = np.zeros(layout.size), np.zeros(layout.size)
    alike = np.ones(layout.size)
    layout.skipping(alike)[:] = 0.0  # the GLM beside the network
    for at, ((W, _), coefficient) in enumerate(zip(layout.slices, alpha, strict=True)):
        l1[W] = coefficient * l1_ratio * alike[W]
        l2[W] = coefficient * (1.0 - l1_ratio) * alike[W]
        if at == 0 and input_scale is not None:
            per_weight = np.tile(input_scale, layout.sizes[1])
            l1[W] /= per_weight
            l2[W] /= np.square(per_weight)
    output = layout.slices[-1][0]
    l1[output] *= output_scale
    l2[output] *= output_scale**2
    return ElasticNet(l1 / output_scale**2, l2 / output_scale**2)
