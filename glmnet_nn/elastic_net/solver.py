"""A whole path: from the null model down, block by block."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from families import Array
from glmnet_nn.elastic_net.block import Block, BlockSolution, Penalty
from glmnet_nn.elastic_net.metric import Metric
from glmnet_nn.elastic_net.objective import PathObjective, Points

_TALL_BLOCK = 10
_WIDE_BLOCK = 3
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
    tall = objective.design.n_rows > objective.n_pairs
    length = _TALL_BLOCK if tall else _WIDE_BLOCK
    tol = stopping.tol * float(objective.saturated + null.loss[0])
    metric, start = Metric(objective), null
    found: list[BlockSolution] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a part of one step
        for first in range(0, len(alphas), length):
            penalty = Penalty(alphas[first : first + length], l1_ratio)
            block = Block(objective, metric, penalty, start, tol, stopping.max_iter)
            found.append(block.solve())
            start = found[-1].points.take(np.array([len(penalty.alphas) - 1]))
    return BlockSolution(
        Points.joined([block.points for block in found]),
        np.concatenate([block.converged for block in found]),
        np.concatenate([block.n_iter for block in found]),
    )
