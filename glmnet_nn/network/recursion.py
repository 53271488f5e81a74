"""The proxy-error recursion: one backward pass, several seeds.

With I_0 = X and, for hidden layers, O_l = a_l(I_l W_l' + b_l), I_{l+1} = O_l, the
linear predictor is eta = I_L W_L' + b_L. Backwards from a seed P_L,

    P_l = (P_{l+1} W_{l+1}) o a_l'(O_l)

and dF/dW_l = P_l' I_l, dF/db_l = sum of the rows of P_l. Rows are observations.
With a skip connection I_L = [O_{L-1}, X] and W_L = [W, B]: P_{L-1} sees W alone, and
d eta / d x has B beside what comes through the hidden layers.

========================  ======================================
seed                      result
========================  ======================================
w (mu - y) dtheta/deta    gradient of the loss
e_k                       Jacobian of eta_k, row by row
e_k, carried to the input d eta_k / d x
========================  ======================================

Source: Rao, "Recursive formulation of the gradient in a dense feed-forward deep
neural network", section 3, corrected as listed in the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from families import Array
from glmnet_nn.network.activations import Activation
from glmnet_nn.network.layout import Layout
from glmnet_nn.network.sparse import ShiftedSparse, beside, laid_out, row_width

_BLOCK_NUMBERS = 2**18  # of a layer for one block of rows: they stay in the cache
_LEAST_ROWS = 256


@dataclass(frozen=True)
class Bounds:
    """The range, (p,) and (p,), to which inputs are clipped; infinite where they are not."""

    low: Array
    high: Array

    def clip(self, X: Array) -> Array:
        """Return min(max(X, low), high)."""
        if isinstance(X, ShiftedSparse):
            return X.clip(self.low, self.high)
        clipped = np.maximum(X, self.low)
        return np.minimum(clipped, self.high, out=clipped)

    def slope(self, clipped: Array) -> Array:
        """Return d clip(x) / d x at clipped x: 1 between the bounds, 0 at them and beyond."""
        I_0 = laid_out(clipped)
        return ((self.low < I_0) & (self.high > I_0)).astype(float)


class Network:
    """A dense feed-forward network with a linear output layer.

    With ``bounds`` it is a network of clipped inputs, I_0 = min(max(X, low), high), constant
    beyond them. A skip connection passes X as it came.

    Parameters
    ----------
    layout : Layout
        Sizes of the layers and their places in the flat vector.
    activation : Activation
        The activation a of every hidden layer.
    bounds : Bounds, optional
        The range of the inputs.

    Examples
    --------
    The slopes of eta are the weights, if there is no hidden layer:

    >>> from glmnet_nn.network import get_activation
    >>> network = Network(Layout((2, 1)), get_activation("tanh"))
    >>> w = np.array([3.0, -1.0, 0.5])
    >>> inputs, eta = network.forward(w, np.array([[1.0, 2.0]]))
    >>> eta
    array([[1.5]])
    >>> network.input_slopes(w, inputs)
    array([[[ 3., -1.]]])

    and 0 for an input beyond its bounds:

    >>> bounds = Bounds(np.array([-1.0, -1.0]), np.array([1.0, np.inf]))
    >>> network = Network(Layout((2, 1)), get_activation("tanh"), bounds)
    >>> inputs, eta = network.forward(w, np.array([[4.0, 2.0]]))
    >>> eta, network.input_slopes(w, inputs)
    (array([[1.5]]), array([[[ 0., -1.]]]))
    """

    def __init__(
        self, layout: Layout, activation: Activation, bounds: Bounds | None = None
    ) -> None:
        self.layout = layout
        self.activation = activation
        self.bounds = bounds

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return self.layout.n_layers - 1

    def clipped(self, X: Array) -> Array:
        """Return I_0."""
        return X if self.bounds is None else self.bounds.clip(X)

    def packed(self, X: Array) -> Array:
        """Return I_0 and, beside it, X where a skip connection passes it and they differ."""
        I_0 = self.clipped(X)
        both = self.layout.skip and self.bounds is not None
        return beside(I_0, X) if both else I_0

    def input_tangent(self, inputs: list[Array], tangent: Array) -> Array:
        """Return R I_0, the change of the clipped inputs where X moves along ``tangent``."""
        return tangent if self.bounds is None else tangent * self.bounds.slope(inputs[0])

    def forward(self, w: Array, X: Array) -> tuple[list[Array], Array]:
        """Return the inputs [I_0, ..., I_L] of all layers, and eta, (n, K)."""
        inputs = [self.clipped(X)]
        *hidden, output = self.layout.layers(w)
        for layer in hidden:
            inputs.append(self.activation.value(layer.sums(inputs[-1])))
        if self.layout.skip:
            inputs[-1] = beside(inputs[-1], X)
        return inputs, output.sums(inputs[-1])

    def on_inputs(
        self, n_features: int, bounds: Bounds | None = None, center: Array | None = None
    ) -> Network:
        """Return the network on other inputs, with their bounds.

        A ``center`` that these are no longer measured from is in the offsets of the layers,
        unless the inputs are factors of eta themselves.
        """
        return Network(self.layout.resized(n_features=n_features), self.activation, bounds)

    def output_inputs(self, w: Array, X: Array) -> Array:
        """Return what eta is a GLM of, given all but ``layout.output_places``: I_L."""
        return self.forward(w, X)[0][-1]

    def linear_predictor(self, w: Array, X: Array) -> Array:
        """Return eta, (n, K), for X in single or double precision.

        Rows pass in blocks, so that the memory beside eta does not grow with n.
        """
        size = max(_LEAST_ROWS, _BLOCK_NUMBERS // max(row_width(X), *self.layout.sizes[1:]))
        if len(X) <= size:
            return self.forward(w, X.astype(float, copy=False))[1]
        eta = np.empty((len(X), self.layout.sizes[-1]))
        for first in range(0, len(X), size):
            at = slice(first, first + size)
            eta[at] = self.forward(w, X[at].astype(float, copy=False))[1]
        return eta

    def backward(self, w: Array, inputs: list[Array], seed: Array) -> Iterator[tuple[int, Array]]:
        """Yield l, P_l for l = L, ..., 0, started from P_L = seed."""
        layers = self.layout.layers(w)
        P = seed
        yield self.depth, P
        for below in reversed(range(self.depth)):
            outputs = slice(self.layout.sizes[below + 1])  # X beside them has no proxy error
            W, O = layers[below + 1].W[:, outputs], inputs[below + 1][:, outputs]
            P = (P @ W) * self.activation.slope(O)
            yield below, P

    def gradient(self, w: Array, inputs: list[Array], seed: Array) -> Array:
        """Return the flat gradient: P_l' I_l and the column sums of P_l for every layer."""
        flat = np.empty(self.layout.size)
        views = self.layout.layers(flat)
        for at, P in self.backward(w, inputs, seed):
            np.matmul(P.T, inputs[at], out=views[at].W)
            if views[at].b is not None:
                P.sum(axis=0, out=views[at].b)
        return flat

    def jacobian(self, w: Array, inputs: list[Array]) -> Array:
        """Return d eta / d w, (n, K, number of parameters)."""
        n, K = len(inputs[0]), self.layout.sizes[-1]
        J = np.zeros((n, K, self.layout.size))
        for k in range(K):
            for at, P in self.backward(w, inputs, self._unit_seed(n, k)):
                W, b = self.layout.slices[at]
                products = P[:, :, None] * laid_out(inputs[at])[:, None, :]
                J[:, k, W] = products.reshape(n, W.stop - W.start)
                J[:, k, b] = P[:, : b.stop - b.start]
        return J

    def input_slopes(self, w: Array, inputs: list[Array]) -> Array:
        """Return d eta / d x = P_0 W_0 (+ B), (n, K, n_features), P_0 W_0 = 0 beyond the bounds."""
        W_0 = self.layout.layers(w)[0].W
        n, K = len(inputs[0]), self.layout.sizes[-1]
        slopes = np.empty((n, K, W_0.shape[1]))
        for k in range(K):
            *_, (_, P_0) = self.backward(w, inputs, self._unit_seed(n, k))
            slopes[:, k, :] = self.input_tangent(inputs, P_0 @ W_0)
        if self.layout.skip:
            slopes += self.layout.skipping(w)
        return slopes

    def _unit_seed(self, n: int, k: int) -> Array:
        seed = np.zeros((n, self.layout.sizes[-1]))
        seed[:, k] = 1.0
        return seed
