"""A whole path: from the null model down, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from families import Array
from glmnet_nn.elastic_net.block import Block, BlockSolution, Penalty
from glmnet_nn.elastic_net.metric import Metric
from glmnet_nn.elastic_net.objective import PathObjective, Points
from glmnet_nn.elastic_net.quadratic import minimise

_TALL_SPAN = 0.39  # least over largest alpha of a block: ten of 100 over four decades
_WIDE_SPAN = 0.9  # with more coefficients than rows a Hessian costs more than its age: three
_MOST = 16  # alphas of a block, which hold a linear predictor each
_RIDGE_SHARE = 1e-3  # the l1_ratio below which the largest alpha no longer grows


@dataclass(frozen=True)
class Stopping:
    """When a point of the path is accepted.

    Parameters
    ----------
    tol : float
        The part of F above the minimum that may stay, over F of the null model.
    max_iter : int
        Newton steps for one alpha.
    """

    tol: float
    max_iter: int


def largest_alpha(null: Points, l1_ratio: float) -> float:
    """Return the least alpha at which every coefficient is 0, max |slope| / l1_ratio.

    A ridge has none: as in glmnet, that of l1_ratio = 0.001 stands in for it.
    """
    return float(np.abs(null.slope).max()) / max(l1_ratio, _RIDGE_SHARE)


def solve_path(
    objective: PathObjective, alphas: Array, l1_ratio: float, null: Points, stopping: Stopping
) -> BlockSolution:
    """Return the minimisers at falling alphas, from the null model on."""
    tol = stopping.tol * float(objective.saturated + null.loss[0])
    tall = objective.design.n_rows > objective.n_pairs
    if tall and objective.is_quadratic:
        return _least_squares(objective, Penalty(alphas, l1_ratio), null, tol)
    span = _TALL_SPAN if tall else _WIDE_SPAN
    metric, start = Metric(objective), null
    found: list[BlockSolution] = []
    for neighbours in _blocks(alphas, span):
        penalty = Penalty(neighbours, l1_ratio)
        block = Block(objective, metric, penalty, start, tol, stopping.max_iter)
        found.append(block.solve())
        start = found[-1].points.take(np.array([len(neighbours) - 1]))
    return BlockSolution(
        Points.joined([block.points for block in found]),
        np.concatenate([block.converged for block in found]),
        np.concatenate([block.n_iter for block in found]),
    )


def _least_squares(
    objective: PathObjective, penalty: Penalty, null: Points, tol: float
) -> BlockSolution:
    """Return the minimisers of a quadratic loss from its one Hessian, without another pass.

    loss = loss_0 + slope_0' w + w'Qw / 2 for changes w from the null model, whose
    intercepts are already at their best.
    """
    metric = Metric(objective)
    metric.set_point(null.w[0], null.b[0], np.arange(objective.n_pairs))
    slope = metric.reduced_slope(null.slope[0], null.slope_b[0])
    m = len(penalty.alphas)
    W, gaps, w = np.zeros((m, objective.n_pairs)), np.zeros(m), null.w[0]
    for k, (l1, l2) in enumerate(zip(penalty.l1, penalty.l2, strict=True)):
        w, gaps[k] = minimise(metric.Q, -slope, float(l1), float(l2), w, metric.square, 0.1 * tol)
        W[k] = w
    slopes = slope + W @ metric.Q
    b = np.array([null.b[0] + metric.intercept_change(one, null.slope_b[0]) for one in W])
    loss = null.loss[0] + 0.5 * np.einsum("mp,mp->m", W, slope + slopes)
    points = Points(W, b, loss, slopes, np.zeros_like(b))
    return BlockSolution(points, gaps <= tol, np.ones(m, dtype=np.intp))


def _blocks(alphas: Array, span: float) -> Iterator[Array]:
    """Yield falling alphas in runs whose least is at least ``span`` times their largest."""
    at = 0
    while at < len(alphas):
        near = alphas[at : at + _MOST] >= span * alphas[at]
        length = int(np.argmin(near)) if not near.all() else len(near)
        yield alphas[at : at + length]
        at += length
