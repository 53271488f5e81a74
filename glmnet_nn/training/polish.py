"""The output layer of a network as what it is: a GLM of the last hidden outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.network import Layout, Network, get_activation, laid_out
from glmnet_nn.training.data import TransformedRows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.solvers import Newton, Solution


def polished(objective: Objective, solution: Solution) -> Solution:
    """Return the solution with F minimised over the output layer, hidden layers held.

    By :func:`scored_output` with the ridge of the output weights; the solution itself,
    if that does not lower F.

    Examples
    --------
    A network whose output weights are 0 becomes the GLM of its hidden outputs:

    >>> import numpy as np
    >>> from families import Normal
    >>> from glmnet_nn.training.data import Rows
    >>> from glmnet_nn.training.penalties import elastic_net
    >>> layout = Layout((1, 1, 1))
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [3.0], [5.0]])
    >>> network = Network(layout, get_activation("identity"))
    >>> penalty = elastic_net(layout, [0.0, 0.0], 0.0)
    >>> objective = Objective(Rows(X, y, np.ones(3)), Normal(), network, penalty)
    >>> w = np.array([1.0, 0.0, 0.0, 0.0])  # hidden weight 1, all else 0
    >>> start = Solution(w, objective.value(w), 0.0, 0, True, "")
    >>> print(polished(objective, start).w.round(12))
    [1. 0. 2. 1.]
    """
    w = scored_output(objective, solution.w)
    value = objective.value(w)
    return replace(solution, w=w, value=value) if value <= solution.value else solution


def scored_output(objective: Objective, w: Array, ridge: float = 0.0) -> Array:
    """Return w with the output layer from Fisher scoring on the last hidden outputs.

    Its l2 penalty is at least ``ridge`` over the total weight, on weights alone.
    """
    layout, moved = objective.network.layout, w.copy()
    at, (W, _) = layout.output_places, layout.slices[-1]
    problem = _of_outputs(objective, w, at)
    least = np.where((at >= W.start) & (at < W.stop), ridge / objective.total_weight, 0.0)
    problem.penalty = ElasticNet(problem.penalty.l1, np.maximum(problem.penalty.l2, least))
    moved[at] = Newton(tol=1e-6).solve(problem, w[at]).w
    return moved


def _of_outputs(objective: Objective, w: Array, at: NDArray[np.intp]) -> Objective:
    """Return the objective of the output layer, a function of w[at]."""
    rows, network = objective.rows, objective.network
    K, has_intercept = network.layout.sizes[-1], network.layout.fit_intercept
    layout = Layout((len(at) // K - has_intercept, K), has_intercept)

    def outputs(X: Array) -> Array:
        given = rows.transform(X) if isinstance(rows, TransformedRows) else X
        return laid_out(network.output_inputs(w, given))

    hidden = TransformedRows(rows.X, rows.y, rows.weight, rows.offset, transform=outputs)
    penalty = ElasticNet(objective.penalty.l1[at], objective.penalty.l2[at])
    return Objective(hidden, objective.family, Network(layout, get_activation("identity")), penalty)
