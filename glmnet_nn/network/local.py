"""The LocalGLMnet: a GLM whose coefficients are the outputs of a network.

With beta(x) = A(x), the K p outputs of a dense network A (:mod:`glmnet_nn.network.recursion`)
with linear output layer, and c a centre,

    eta_k = b_k + sum_j beta_kj(x) (x_j - c_j).

It is linear in beta, so the recursion goes through: seeded with P, (n, K), that of A starts from

    S_kj = P_k (x_j - c_j),

and dF/db = the column sums of P. To the input there is a second way, through the product:
d eta_k / d x_j = beta_kj + sum_l (x_l - c_l) d beta_kl / d x_j. Differentiated once more along an
input tangent t, R S_kj = R P_k (x_j - c_j) + P_k t_j. Constant coefficients are a GLM.

Source: Richman and Wüthrich (2023), "LocalGLMnet: interpretable deep learning for tabular
data", Scandinavian Actuarial Journal 2023(1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.network.activations import Activation
from glmnet_nn.network.layout import Conversion, Layer, Layout
from glmnet_nn.network.recursion import Bounds, Network
from glmnet_nn.network.second_order import (
    Tangent,
    backward_tangent,
    gradient_tangent,
    hessian,
    input_slopes_tangent,
    tangent,
)


@dataclass(frozen=True)
class LocalLayout(Layout):
    """The layers of the network of the coefficients, and after them b.

    ``sizes`` are (n_features, hidden sizes ..., n_outputs), as of a dense network: the last
    layer has n_outputs n_features outputs, ordered output by output, and always offsets,
    the coefficients where its weights are 0. ``fit_intercept`` is for b.

    Examples
    --------
    >>> layout = LocalLayout((3, 2, 1))
    >>> layout.size == (3 * 2 + 2) + (2 * 3 + 3) + 1
    True
    """

    @cached_property
    def coefficients(self) -> Layout:
        """The layout of the network of the coefficients."""
        *below, K = self.sizes
        return Layout((*below, K * self.sizes[0]))

    @cached_property
    def slices(self) -> tuple[tuple[slice, slice], ...]:
        """For each layer the places of W_l and of b_l in the flat vector."""
        return self.coefficients.slices

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.coefficients.size + self.sizes[-1] * self.fit_intercept

    def layers(self, flat: Array) -> list[Layer]:
        """Return the layers of the network of the coefficients as views of the flat vector."""
        return self.coefficients.layers(flat)

    def intercept(self, flat: Array) -> Array | None:
        """Return b, (n_outputs,), as a view, or None."""
        return flat[self.coefficients.size :] if self.fit_intercept else None

    @property
    def nests_glm(self) -> bool:
        """Whether some parameters are the coefficients of a GLM."""
        return True

    def glm(self, flat: Array) -> Array:
        """Return the offsets of beta, (n_outputs, n_features), as a view."""
        return flat[self.slices[-1][1]].reshape(self.sizes[-1], self.sizes[0])

    def output_parts(self, flat: Array) -> list[Array]:
        """Return as views what eta is linear in."""
        *_, last = self.layers(flat)
        return [part for part in (*last, self.intercept(flat)) if part is not None]

    @property
    def output_places(self) -> NDArray[np.intp]:
        """Where these lie, output by output W and b of beta, and then b of eta."""
        K, (W, b) = self.sizes[-1], self.slices[-1]
        blocks = [np.arange(part.start, part.stop).reshape(K, -1) for part in (W, b)]
        return np.concatenate([np.hstack(blocks).ravel(), np.arange(b.stop, self.size)])

    def converted(self, flat: Array, convert: Conversion) -> Array:
        """Return the parameters with all converted that sees the inputs: W_0, b_0 and beta."""
        flat = flat.copy()
        first, *_, last = self.layers(flat)
        assert first.b is not None  # hidden layers have offsets
        first.W[:], first.b[:] = convert(first.W, first.b)
        beta, W = self.glm(flat), last.W.reshape(self.sizes[-1], self.sizes[0], -1)
        beta[:], _ = convert(beta, None)
        for unit in range(W.shape[2]):
            W[:, :, unit], _ = convert(W[:, :, unit], None)
        return flat

    def shifts(self, shift: Array) -> Array:
        """Return orthogonal rows along which eta moves by multiples of ``shift``, (K,)."""
        p, h, K = self.sizes[0], self.sizes[-2], self.sizes[-1]
        W, b = self.slices[-1]
        rows = np.zeros((p * h + p + self.fit_intercept, self.size))
        rows[: p * h, W] = np.kron(shift, np.eye(p * h))
        rows[p * h : p * h + p, b] = np.kron(shift, np.eye(p))
        if self.fit_intercept:
            rows[-1, -K:] = shift
        return rows


class LocalNetwork(Network):
    """A LocalGLMnet.

    Parameters
    ----------
    layout : LocalLayout
    activation : Activation
        The activation of every hidden layer.
    bounds : Bounds, optional
        The range of the inputs of the coefficients; x - c is not clipped.
    center : array of shape (p,), optional
        c; 0 if absent. Of scaled inputs (x - c) / s the weights can be turned into
        weights for x, but c stays, for it multiplies the coefficients.

    Examples
    --------
    With output weights 0 the coefficients are constant, those of a GLM:

    >>> from glmnet_nn.network import get_activation
    >>> layout = LocalLayout((2, 1, 1))
    >>> network, w = LocalNetwork(layout, get_activation("tanh")), np.zeros(layout.size)
    >>> layout.layers(w)[-1].b[:] = [3.0, -1.0]
    >>> layout.intercept(w)[:] = 0.5
    >>> inputs, eta = network.forward(w, np.array([[1.0, 2.0]]))
    >>> eta
    array([[1.5]])
    >>> network.input_slopes(w, inputs)
    array([[[ 3., -1.]]])
    """

    layout: LocalLayout

    def __init__(
        self,
        layout: LocalLayout,
        activation: Activation,
        bounds: Bounds | None = None,
        center: Array | None = None,
    ) -> None:
        super().__init__(layout, activation, bounds)
        self.center = center
        self.coefficients = Network(layout.coefficients, activation, bounds)

    def on_inputs(
        self, n_features: int, bounds: Bounds | None = None, center: Array | None = None
    ) -> LocalNetwork:
        """Return the network on other inputs, with their bounds, measured from ``center``."""
        layout = self.layout.resized(n_features=n_features)
        return LocalNetwork(layout, self.activation, bounds, center)

    def packed(self, X: Array) -> Array:
        """Return I_0 and, beside it, X where they differ."""
        I_0 = self.clipped(X)
        return I_0 if self.bounds is None else np.concatenate([I_0, X], axis=1)

    def deviations(self, X: Array) -> Array:
        """Return x - c, (n, p)."""
        return X if self.center is None else X - self.center

    def forward(self, w: Array, X: Array) -> tuple[list[Array], Array]:
        """Return [I_0, ..., I_L, beta, x - c], beta of shape (n, K p), and eta, (n, K)."""
        inputs, beta = self.coefficients.forward(w, X)
        D, b = self.deviations(X), self.layout.intercept(w)
        eta = np.einsum("nkj,nj->nk", self.by_output(beta), D)
        return [*inputs, beta, D], eta if b is None else eta + b

    def by_output(self, beta: Array) -> Array:
        """Return beta as (n, K, p)."""
        return beta.reshape(len(beta), self.layout.sizes[-1], self.layout.sizes[0])

    def attention(self, w: Array, X: Array) -> Array:
        """Return beta(x), (n, K, p)."""
        return self.by_output(self.coefficients.linear_predictor(w, X))

    def attention_slopes(self, w: Array, inputs: list[Array], feature: int) -> Array:
        """Return d beta_j / d x for one j, (n, K, p)."""
        (p, *_, K), below = self.layout.sizes, self.coefficients
        W_0 = below.layout.layers(w)[0].W
        slopes = np.empty((len(inputs[0]), K, p))
        for k in range(K):
            seed = np.zeros((len(inputs[0]), K * p))
            seed[:, k * p + feature] = 1.0
            *_, (_, P_0) = below.backward(w, inputs[:-2], seed)
            slopes[:, k] = self.input_tangent(inputs, P_0 @ W_0)
        return slopes

    def output_inputs(self, w: Array, X: Array) -> Array:
        """Return what eta is a GLM of, given the hidden layers: (x_j - c_j) O_h and x_j - c_j."""
        O = self.coefficients.forward(w, X)[0][-1]
        D = self.deviations(X)
        return np.hstack([_products(D, O), D])

    def seed(self, inputs: list[Array], seed: Array) -> Array:
        """Return S, (n, K p), from P = ``seed``, (n, K)."""
        return _products(seed, inputs[-1])

    def backward(self, w: Array, inputs: list[Array], seed: Array) -> Iterator[tuple[int, Array]]:
        """Yield l, P_l of the network of the coefficients for l = L, ..., 0."""
        yield from self.coefficients.backward(w, inputs[:-2], self.seed(inputs, seed))

    def gradient(self, w: Array, inputs: list[Array], seed: Array) -> Array:
        """Return the flat gradient."""
        flat = super().gradient(w, inputs, seed)
        b = self.layout.intercept(flat)
        if b is not None:
            seed.sum(axis=0, out=b)
        return flat

    def jacobian(self, w: Array, inputs: list[Array]) -> Array:
        """Return d eta / d w, (n, K, number of parameters)."""
        J = super().jacobian(w, inputs)
        if self.layout.fit_intercept:
            K = self.layout.sizes[-1]
            J[:, :, -K:] = np.eye(K)
        return J

    def input_slopes(self, w: Array, inputs: list[Array]) -> Array:
        """Return d eta / d x = beta + (x - c) d beta / d x, (n, K, n_features)."""
        return super().input_slopes(w, inputs) + self.by_output(inputs[-2])


def network_on(layout: Layout, activation: Activation, bounds: Bounds | None = None) -> Network:
    """Return the network that a layout is of."""
    if isinstance(layout, LocalLayout):
        return LocalNetwork(layout, activation, bounds)
    return Network(layout, activation, bounds)


def _products(one: Array, other: Array) -> Array:
    """Return one_k other_j, (n, K p), the second index fastest."""
    return (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)


@tangent.register
def _(
    network: LocalNetwork,
    w: Array,
    inputs: list[Array],
    v: Array | None = None,
    input_tangent: Array | None = None,
) -> Tangent:
    *below, beta, D = inputs
    moved = tangent(network.coefficients, w, below, v, input_tangent)
    t = np.zeros_like(D) if input_tangent is None else input_tangent
    R_eta = np.einsum("nkj,nj->nk", network.by_output(moved.eta), D)
    R_eta += np.einsum("nkj,nj->nk", network.by_output(beta), t)
    b = None if v is None else network.layout.intercept(v)
    return Tangent([*moved.inputs, t], [*moved.sums, R_eta if b is None else R_eta + b])


@backward_tangent.register
def _(
    network: LocalNetwork,
    w: Array,
    inputs: list[Array],
    moved: Tangent,
    seed: Array,
    seed_tangent: Array | None = None,
    v: Array | None = None,
) -> Iterator[tuple[int, Array, Array]]:
    *inputs_of_moved, t = moved.inputs
    below, R_seed = Tangent(inputs_of_moved, moved.sums[:-1]), _products(seed, t)
    if seed_tangent is not None:
        R_seed += network.seed(inputs, seed_tangent)
    S = network.seed(inputs, seed)
    return backward_tangent(network.coefficients, w, inputs[:-2], below, S, R_seed, v)


@gradient_tangent.register
def _(
    network: LocalNetwork,
    w: Array,
    inputs: list[Array],
    moved: Tangent,
    seed: Array,
    seed_tangent: Array | None = None,
    v: Array | None = None,
) -> Array:
    flat = gradient_tangent.dispatch(Network)(network, w, inputs, moved, seed, seed_tangent, v)
    b = network.layout.intercept(flat)
    if b is not None:
        b[:] = 0.0 if seed_tangent is None else seed_tangent.sum(axis=0)
    return flat


@input_slopes_tangent.register
def _(network: LocalNetwork, w: Array, inputs: list[Array], moved: Tangent) -> Array:
    below = input_slopes_tangent.dispatch(Network)(network, w, inputs, moved)
    R_beta = network.by_output(moved.sums[-2])
    return np.asarray(below + R_beta)


@hessian.register
def _(network: LocalNetwork, w: Array, inputs: list[Array], seed: Array) -> Array:
    H, q = np.zeros((w.size, w.size)), network.coefficients.layout.size
    H[:q, :q] = hessian(network.coefficients, w, inputs[:-2], network.seed(inputs, seed))
    return H
