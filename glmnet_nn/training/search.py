"""The search for the global optimum of a network: many starts, rivals, units to spare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.network import Layout, network_on
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.solvers import LBFGS, DampedNewton, Solution

_SAME = 1e-2  # of the spread of the means: fits this near are one optimum, but for L-BFGS
_POLISHED = 1e-3  # and this near after the polish
_RIVAL = 3.0  # an optimum this far below has 5 % of the best one's posterior odds
_CANDIDATES = 8  # units whose removal is tried


def best_optimum(
    objective: Objective,
    starts: Iterable[Array],
    solver: LBFGS,
    log_likelihood: Callable[[Array], float],
) -> tuple[Solution, float]:
    """Return the best end of all starts, polished, and how near its nearest rival comes.

    A rival is another optimum within 3 log-likelihoods of the best with other means, not the
    same one with its units exchanged or their signs flipped. ``log_likelihood`` gives for the
    parameters of an optimum one log-likelihood, phi / sum w, on the scale of F; the gap is in
    log-likelihoods, infinite if there is no rival.
    """
    ends = sorted((solver.solve(objective, start) for start in starts), key=lambda end: end.value)
    best = _polished(objective, ends[0])
    seen, unit = [_means(objective, ends[0].w)], log_likelihood(best.w)
    for end in ends[1:]:
        if end.value > best.value + _RIVAL * unit:
            break
        means = _means(objective, end.w)
        if any(_distance(objective, means, other) <= _SAME for other in seen):
            continue
        seen.append(means)
        found = _polished(objective, end)
        one, two = sorted((best, found), key=lambda solution: solution.value)
        apart = _distance(objective, _means(objective, found.w), _means(objective, best.w))
        best = one
        if apart > _POLISHED and two.value <= one.value + _RIVAL * unit:
            return best, float(two.value - one.value) / unit
    return best, np.inf


def _means(objective: Objective, w: Array) -> Array:
    return np.concatenate([objective.family.mean(eta) for _, eta in objective.predicted(w)])


def _distance(objective: Objective, one: Array, two: Array) -> float:
    """Return the root mean square of a difference of means, over their own deviation."""
    share = objective.rows.weight / objective.total_weight
    spread = float((share @ np.square(one - share @ one)).sum())
    apart = float((share @ np.square(two - one)).sum())
    return float(np.sqrt(apart / spread)) if spread > 0 else np.sqrt(apart)


def _polished(objective: Objective, end: Solution) -> Solution:
    found = DampedNewton().solve(objective, end.w)
    return replace(found, n_iter=end.n_iter + found.n_iter)


def least_loss_of_a_unit(
    objective: Objective, w: Array, solver: LBFGS, unit: float
) -> tuple[float, int]:
    """Return by how little the log-likelihood falls without one hidden unit, and its weights.

    Units are left out one at a time, those that contribute least first, and the others
    fitted again from where they are. ``unit`` is one log-likelihood on the scale of F.
    Infinite, and 0 weights, if no layer can lose one.
    """
    candidates = sorted(_contributions(objective, w))[:_CANDIDATES]
    least = (np.inf, 0)
    value = objective.value(w)
    for _, layer, at in candidates:
        smaller, start = _without(objective, w, layer, at)
        fall = (solver.solve(smaller, start).value - value) / unit
        least = min(least, (float(fall), w.size - start.size))
    return least


def _contributions(objective: Objective, w: Array) -> list[tuple[float, int, int]]:
    """Return (contribution, hidden layer, unit) of each unit that has others beside it."""
    inputs, _ = objective.linear_predictor(w, objective.rows.take(slice(None)))
    share = objective.rows.weight / objective.total_weight
    layers = objective.network.layout.layers(w)
    found = []
    for layer in range(objective.network.depth):
        units = slice(len(layers[layer].W))  # an output layer may see the inputs beside them
        O, W = inputs[layer + 1][:, units], layers[layer + 1].W[:, units]
        deviation = np.sqrt(share @ np.square(O - share @ O))
        sizes = deviation * np.linalg.norm(W, axis=0)
        found += [(float(size), layer, j) for j, size in enumerate(sizes) if len(sizes) > 1]
    return found


def _without(objective: Objective, w: Array, layer: int, unit: int) -> tuple[Objective, Array]:
    """Return the objective without a unit, and the other parameters.

    The mean of its output goes to the offsets of the layer above.
    """
    layout, network = objective.network.layout, objective.network
    sizes = list(layout.sizes)
    sizes[layer + 1] -= 1
    smaller = replace(layout, sizes=tuple(sizes))
    kept = _places(layout, layer, unit)
    start = w[kept]
    inputs, _ = objective.linear_predictor(w, objective.rows.take(slice(None)))
    mean = objective.rows.weight @ inputs[layer + 1][:, unit] / objective.total_weight
    above = smaller.layers(start)[layer + 1]
    if above.b is not None:
        above.b[:] += layout.layers(w)[layer + 1].W[:, unit] * mean
    penalty = ElasticNet(objective.penalty.l1[kept], objective.penalty.l2[kept])
    network = network_on(smaller, network.activation, network.bounds)
    return Objective(objective.rows, objective.family, network, penalty), start


def _places(layout: Layout, layer: int, unit: int) -> NDArray[np.intp]:
    """Return where the parameters that do not belong to a hidden unit lie."""
    layers = layout.layers(np.arange(layout.size, dtype=float))
    own, above = layers[layer], layers[layer + 1]
    assert own.b is not None  # hidden layers have offsets
    its = np.concatenate([own.W[unit], own.b[unit : unit + 1], above.W[:, unit]])
    return np.delete(np.arange(layout.size), its.astype(np.intp))
