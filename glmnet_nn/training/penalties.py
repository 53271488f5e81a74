"""The elastic net, one coefficient per parameter; intercepts have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.network import Layout

_NEWTON_STEPS = 100  # some six are taken


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


@dataclass(frozen=True)
class GroupElasticNet(ElasticNet):
    """An elastic net in which some weights are shrunk, and set to 0, group by group.

    penalty(w) = sum_j l1_j |w_j| + l2_j w_j^2 / 2 + sum_g strength_g |w_g|_2.

    The proximal map of a norm shrinks the vector; in the metric of steps s_j it is

        prox_s(v)_j = v_j rho / (rho + strength s_j),   rho = |prox_s(v)|,

    and 0 where sum_j (v_j / (strength s_j))^2 <= 1.

    Sources: Yuan and Lin (2006), "Model selection and estimation in regression with grouped
    variables"; Scardapane, Comminiello, Hussain and Uncini (2017), "Group sparse
    regularization for deep neural networks".

    Examples
    --------
    >>> groups = np.array([[0, 1], [2, 3]])
    >>> zeros = np.zeros(4)
    >>> penalty = GroupElasticNet(zeros, zeros, groups=groups, strength=np.array([1.0, 1.0]))
    >>> penalty.prox(np.array([3.0, 4.0, 0.6, 0.6]), 1.0)
    array([2.4, 3.2, 0. , 0. ])
    """

    groups: NDArray[np.intp]
    strength: Array

    @cached_property
    def has_l1(self) -> bool:
        """Whether there is a term without a derivative at 0."""
        return bool(np.any(self.l1 > 0) or np.any(self.strength > 0))

    def value(self, w: Array) -> float:
        """Return the penalty at w."""
        norms = np.linalg.norm(w[self.groups], axis=1)
        return super().value(w) + float(self.strength @ norms)

    def prox(self, v: Array, step: Array | float) -> Array:
        """Return the proximal map of what has no derivative, one step size for all or one each."""
        moved = super().prox(v, step)
        moved = moved.copy() if moved is v else moved
        steps = np.broadcast_to(step, v.shape)[self.groups]
        moved[self.groups] = _shrunk(v[self.groups], self.strength[:, None] * steps)
        return moved


def _shrunk(v: Array, t: Array) -> Array:
    """Return the proximal map of each row of v, t = strength times step entry by entry.

    rho is the root of sum_j (v_j / (rho + t_j))^2 = 1. One over the root of that sum is nearly
    linear in rho (exactly, if a row of t is constant), and Newton's steps for it rise to the
    root from below, from |v| - max t (More and Sorensen 1983, "Computing a trust region step",
    section 3).
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is nothing to keep
        kept = np.square(v / t).sum(axis=1) > 1.0
    v, t, shrunk = v[kept], t[kept], np.zeros_like(v)
    rho = np.maximum(np.linalg.norm(v, axis=1) - t.max(axis=1, initial=0.0), 0.0)[:, None]
    for _ in range(_NEWTON_STEPS):
        part = np.square(v / (rho + t))
        total = part.sum(axis=1, keepdims=True)
        bend = (part / (rho + t)).sum(axis=1, keepdims=True)
        move = total * (np.sqrt(total) - 1.0) / bend
        rho = rho + np.maximum(move, 0.0)
        if np.all(move <= 4 * np.finfo(v.dtype).eps * rho):
            break
    shrunk[kept] = v * (rho / (rho + t))
    return shrunk


def elastic_net(
    layout: Layout,
    alpha: Sequence[float],
    l1_ratio: float,
    input_scale: Array | None = None,
    output_scale: float = 1.0,
    group_inputs: bool = False,
    loss_scale: float | None = None,
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
        The linear predictor is that of y over output_scale, while the penalty falls on
        output_scale W_L, the weights for y.
    group_inputs : bool, default=False
        In the first layer sqrt(n_out) sum_j |W_0[:, j]|_2 takes the place of |W_0|_1: the
        weights of an input become 0 together.
    loss_scale : float, optional
        What the loss, and hence the whole objective, is divided by; by default the square of
        ``output_scale``, as for least squares.
    """
    loss_scale = output_scale**2 if loss_scale is None else loss_scale
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
    l1, l2 = l1 / loss_scale, l2 / loss_scale
    if not (group_inputs and l1_ratio > 0):
        return ElasticNet(l1, l2)
    first, n_out = layout.slices[0][0], layout.sizes[1]
    groups = np.arange(first.stop).reshape(n_out, -1).T
    strength = np.sqrt(n_out) * l1[groups[:, 0]]  # the same for all weights of an input
    l1[first] = 0.0
    return GroupElasticNet(l1, l2, groups=groups, strength=strength)
