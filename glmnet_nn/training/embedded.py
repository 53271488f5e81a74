"""The objective of a network with embeddings, from that of the dense one."""

from __future__ import annotations

import numpy as np

from glmnet_nn.network import EmbeddedLayout, EmbeddedNetwork, Embedding
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.source_objective import objective_on

_LEVELS = 0.1  # the ridge of E over that of V


def embedded(objective: Objective, embeddings: tuple[Embedding, ...]) -> Objective:
    """Return the objective with W_0[:, J] = V E', and ridges in the place of that of W_0[:, J].

    alpha_0 is that of V, the weights of what the layer sees, as it is of all other inputs;
    alpha_0 / 10 that of E. With alpha="auto" a level's numbers have so the prior variance 1,
    that of standardised inputs, and V has 1 / 10. Since (c V) (E / c)' is V E' the least of
    alpha_0 / 2 (|V|^2 + |E|^2 / 10) is alpha_0 / sqrt(10) times the sum of the singular values
    of W_0[:, J], and the same with alpha_0 / sqrt(10) on both, as it stands here.
    """
    network, penalty = objective.network, objective.penalty
    dense = network.layout
    layout = EmbeddedLayout(dense.sizes, dense.fit_intercept, dense.skip, embeddings)
    (first, _), (W_0, _) = layout.slices[0], dense.slices[0]
    ridge = penalty.l2[0]
    l2 = np.concatenate([np.full(first.stop, ridge), penalty.l2[W_0.stop :]])
    for _, factors in layout.factors(l2):
        for part in factors:
            part[:] = np.sqrt(_LEVELS) * ridge
    return objective_on(
        objective.rows,
        objective.family,
        EmbeddedNetwork(layout, network.activation, network.bounds),
        ElasticNet(np.zeros_like(l2), l2),
    )
