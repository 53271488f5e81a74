"""The forward pass of a network by operators of ONNX: eta = network(x)."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import numpy as np

from families import Array
from glmnet_nn.export.graph import Graph
from glmnet_nn.network import Activation, Layer, LocalNetwork, Network


def _softplus(graph: Graph, s: str) -> str:
    """max(s, 0) + log(1 + e^-|s|): the operator Softplus is one of single precision."""
    small = graph.add("Exp", graph.add("Neg", graph.add("Abs", s)))
    rest = graph.add("Log", graph.add("Add", graph.constant(1.0), small))
    return graph.add("Add", graph.add("Relu", s), rest)


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, s: s,
    "logistic": lambda graph, s: graph.add("Sigmoid", s),
    "tanh": lambda graph, s: graph.add("Tanh", s),
    "relu": lambda graph, s: graph.add("Relu", s),
    "softplus": _softplus,
}


def activated(activation: Activation, graph: Graph, sums: str) -> str:
    """Return O = a(S).

    Raises
    ------
    ValueError
        The activation is not known here.
    """
    if activation.name not in _ACTIVATIONS:
        raise ValueError(
            f"activation {activation.name!r} cannot be written as ONNX. Use one of "
            f"{sorted(_ACTIVATIONS)}, or export with save_model()."
        )
    return _ACTIVATIONS[activation.name](graph, sums)


@singledispatch
def linear_predictor(network: Network, w: Array, graph: Graph, X: str) -> str:
    """Return eta, (n, K), of a dense network, with its clipped inputs and skip connection."""
    *hidden, output = network.layout.layers(w)
    at = _clipped(network, graph, X)
    for layer in hidden:
        at = activated(network.activation, graph, layer_sums(layer, graph, at))
    if network.layout.skip:
        at = graph.add("Concat", at, X, axis=1)
    return layer_sums(output, graph, at)


@linear_predictor.register
def _(network: LocalNetwork, w: Array, graph: Graph, X: str) -> str:
    """eta_k = b_k + sum_j beta_kj(x) (x_j - c_j)."""
    (p, *_, K), b = network.layout.sizes, network.layout.intercept(w)
    beta = linear_predictor(network.coefficients, w, graph, X)
    beta = graph.add("Reshape", beta, graph.constant([0, K, p], np.int64))
    if network.center is not None:
        X = graph.add("Sub", X, graph.constant(network.center))
    deviations = graph.add("Unsqueeze", X, graph.constant([1], np.int64))
    products = graph.add("Mul", beta, deviations)
    eta = graph.add("ReduceSum", products, graph.constant([2], np.int64), keepdims=0)
    return eta if b is None else graph.add("Add", eta, graph.constant(b))


def layer_sums(layer: Layer, graph: Graph, inputs: str) -> str:
    """Return S = I W' + b."""
    S = graph.add("MatMul", inputs, graph.constant(np.ascontiguousarray(layer.W.T)))
    return S if layer.b is None else graph.add("Add", S, graph.constant(layer.b))


def _clipped(network: Network, graph: Graph, X: str) -> str:
    """Return min(max(X, low), high)."""
    if network.bounds is None:
        return X
    above = graph.add("Max", X, graph.constant(network.bounds.low))
    return graph.add("Min", above, graph.constant(network.bounds.high))
