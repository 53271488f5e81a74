"""Feed-forward networks: arrays in, arrays out; no y, no family."""

from glmnet_nn.network.activations import Activation, get_activation, known_activations
from glmnet_nn.network.batches import BatchRecursion
from glmnet_nn.network.layout import Layer, Layout
from glmnet_nn.network.recursion import Bounds, Network
from glmnet_nn.network.second_order import gradient_tangent, hessian, hessian_vector, tangent

__all__ = [
    "Activation",
    "BatchRecursion",
    "Bounds",
    "Layer",
    "Layout",
    "Network",
    "get_activation",
    "gradient_tangent",
    "hessian",
    "hessian_vector",
    "known_activations",
    "tangent",
]
