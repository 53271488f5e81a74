"""Feed-forward networks: arrays in, arrays out; no y, no family."""

from glmnet_nn.network.activations import Activation, get_activation, known_activations
from glmnet_nn.network.batches import BatchRecursion, batch_recursion
from glmnet_nn.network.embedded import EmbeddedLayout, EmbeddedNetwork, Embedding
from glmnet_nn.network.layout import Layer, Layout
from glmnet_nn.network.local import LocalLayout, LocalNetwork, network_on
from glmnet_nn.network.local_batches import LocalBatchRecursion
from glmnet_nn.network.recursion import Bounds, Network
from glmnet_nn.network.second_order import (
    gradient_tangent,
    hessian,
    hessian_vector,
    input_slopes_tangent,
    jacobian_tangent,
    tangent,
)
from glmnet_nn.network.sparse import ShiftedSparse, beside, laid_out, row_width

__all__ = [
    "Activation",
    "BatchRecursion",
    "Bounds",
    "EmbeddedLayout",
    "EmbeddedNetwork",
    "Embedding",
    "Layer",
    "Layout",
    "LocalBatchRecursion",
    "LocalLayout",
    "LocalNetwork",
    "Network",
    "ShiftedSparse",
    "batch_recursion",
    "beside",
    "get_activation",
    "gradient_tangent",
    "hessian",
    "hessian_vector",
    "input_slopes_tangent",
    "jacobian_tangent",
    "known_activations",
    "laid_out",
    "network_on",
    "row_width",
    "tangent",
]
