"""Embeddings: the levels of a factor as a few numbers each, which the first layer sees.

Let J be the columns of X that hold the indicators of a factor. With an embedding of size d
their weights in the first layer, (h, |J|), have rank d at most:

    W_0[:, J] = V E',     V (h, d),  E (|J|, d),

so that a level is a row of E, and the layer sees E' x_J by the weights V. Other columns have
weights of their own. All else is the dense network of these W_0. From its gradient
G = dF / dW_0[:, J] the recursion goes on,

    dF/dV = G E,     dF/dE = G' V,

and along a direction (V., E.) of the parameters, R being the derivative along it,

    R W_0[:, J] = V. E' + V E.',    R dF/dV = (R G) E + G E.,    R dF/dE = (R G)' V + G' V..

V M and E M^-T make the same network for any M, (d, d), that has an inverse. Ridges on V and E
choose among them: the least |V|^2 + |E|^2 is twice the sum of the singular values of V E'.

Sources: Guo and Berkhahn (2016), "Entity embeddings of categorical variables"; Srebro, Rennie
and Jaakkola (2004), "Maximum-margin matrix factorization", section 3, for the last sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array
from glmnet_nn.network.activations import Activation
from glmnet_nn.network.batches import BatchRecursion, Buffer, batch_recursion
from glmnet_nn.network.layout import Layer, Layout
from glmnet_nn.network.recursion import Bounds, Network
from glmnet_nn.network.second_order import Tangent, gradient_tangent, hessian, tangent

_NOTHING = 1e-6  # of the root of the largest singular value: less is rounding


@dataclass(frozen=True)
class Embedding:
    """The columns start, ..., stop - 1 of X, of one factor, and the numbers of a level."""

    start: int
    stop: int
    size: int


class Factors(NamedTuple):
    """W_0[:, J] = V E'."""

    V: Array
    E: Array


@dataclass(frozen=True)
class EmbeddedLayout(Layout):
    """Where the parameters lie: W_0 of the other columns, V, E, V, E, ..., b_0, W_1, b_1, ...

    Parameters
    ----------
    sizes, fit_intercept, skip
        As of a dense network.
    embeddings : tuple of Embedding
        In the order of their columns.

    Examples
    --------
    A factor of four levels as one number each, beside one other column, into two units:

    >>> layout = EmbeddedLayout((5, 2, 1), embeddings=(Embedding(1, 5, 1),))
    >>> layout.size == 2 * 1 + (2 * 1 + 4 * 1) + 2 + (2 * 1 + 1)
    True
    >>> w = np.arange(1.0, layout.size + 1)
    >>> layout.layers(w)[0].W
    array([[ 1., 15., 18., 21., 24.],
           [ 2., 20., 24., 28., 32.]])
    """

    embeddings: tuple[Embedding, ...] = ()

    @cached_property
    def plain(self) -> Layout:
        """The layout of the dense network."""
        return Layout(self.sizes, self.fit_intercept, self.skip)

    @cached_property
    def others(self) -> NDArray[np.intp]:
        """The columns of X that are not embedded."""
        embedded = [np.arange(at.start, at.stop) for at in self.embeddings]
        return np.delete(np.arange(self.sizes[0]), np.concatenate([[], *embedded]).astype(np.intp))

    @cached_property
    def slices(self) -> tuple[tuple[slice, slice], ...]:
        """For each layer the places of W_l, of the first layer its factors, and of b_l."""
        h, ((W, b), *above) = self.sizes[1], self.plain.slices
        factors = sum((h + at.stop - at.start) * at.size for at in self.embeddings)
        size = h * len(self.others) + factors
        by = size - W.stop
        moved = [tuple(slice(at.start + by, at.stop + by) for at in both) for both in above]
        first = (slice(0, size), slice(b.start + by, b.stop + by))
        return (first, *((W, b) for W, b in moved))

    def _layer(self, flat: Array, at: int) -> Layer:
        """Return a layer; the weights of the first one are no view."""
        if at:
            return super()._layer(flat, at)
        W = np.empty((self.sizes[1], self.sizes[0]), flat.dtype)
        return Layer(self._formed(flat, W), flat[self.slices[0][1]])

    def own(self, flat: Array) -> Array:
        """Return W_0 of the other columns, (h, number of them), as a view."""
        h, k = self.sizes[1], len(self.others)
        return flat[: h * k].reshape(h, k)

    def factors(self, flat: Array) -> Iterator[tuple[slice, Factors]]:
        """Yield the columns, and V and E as views, of each embedding."""
        h, at = self.sizes[1], self.sizes[1] * len(self.others)
        for of in self.embeddings:
            J, d = slice(of.start, of.stop), of.size
            V, E = slice(at, at + h * d), slice(at + h * d, at + (h + J.stop - J.start) * d)
            yield J, Factors(flat[V].reshape(h, d), flat[E].reshape(-1, d))
            at = E.stop

    def _formed(self, flat: Array, out: Array) -> Array:
        """Write W_0 to ``out``, (h, p)."""
        out[:, self.others] = self.own(flat)
        for J, (V, E) in self.factors(flat):
            np.matmul(V, E.T, out=out[:, J])
        return out

    def _copied(self, dense: Array, flat: Array) -> None:
        """Copy what both have, but the first layer, along the last axis."""
        flat[..., self.slices[0][0].stop :] = dense[..., self.plain.slices[0][0].stop :]

    def widened(self, flat: Array, out: Array | None = None) -> Array:
        """Return the parameters of the dense network."""
        out = np.empty(self.plain.size, flat.dtype) if out is None else out
        first = self.plain.slices[0][0].stop
        self._formed(flat, out[:first].reshape(self.sizes[1], -1))
        out[first:] = flat[self.slices[0][0].stop :]
        return out

    def narrowed(self, dense: Array) -> Array:
        """Return those whose dense network is the nearest, the same one where ranks allow it.

        With V = U_d S_d^1/2, E = Q_d S_d^1/2 from the singular values S of W_0[:, J] = U S Q',
        so that ridges on V and E are the sum of the d largest (Eckart and Young 1936).
        """
        return self._factorised(dense, opened=False)

    def opened(self, dense: Array) -> Array:
        """Return :meth:`narrowed` with a slope in every axis, for a search to start from.

        Where a column of V and its column of E are both 0, neither has one, and the search would
        never use the axis. There V has the column of U, as long as its shortest other one.
        """
        return self._factorised(dense, opened=True)

    def _factorised(self, dense: Array, opened: bool) -> Array:
        flat = np.empty(self.size)
        self._copied(dense, flat)
        W = self.plain.layers(dense)[0].W
        self.own(flat)[:] = W[:, self.others]
        for J, (V, E) in self.factors(flat):
            d = V.shape[1]
            U, s, Qt = linalg.svd(W[:, J], full_matrices=False)
            root = np.sqrt(s[:d])
            V[:], E[:] = U[:, :d] * root, Qt[:d].T * root
            if opened:
                n_axes = np.count_nonzero(root > _NOTHING * root[0])
                V[:, n_axes:] = U[:, n_axes:d] * (root[n_axes - 1] if n_axes else 1.0)
                E[:, n_axes:] = 0.0
        return flat

    def widened_direction(self, flat: Array, v: Array) -> Array:
        """Return the derivative of :meth:`widened` along v."""
        out = self.widened(v)
        W = self.plain.layers(out)[0].W
        for (J, (V, E)), (_, (dV, dE)) in zip(self.factors(flat), self.factors(v), strict=True):
            W[:, J] = dV @ E.T + V @ dE.T
        return out

    def pulled(self, flat: Array, G: Array, out: Array | None = None) -> Array:
        """Return the gradient from that of the dense network, along the last axis of G."""
        out = np.empty((*G.shape[:-1], self.size), G.dtype) if out is None else out
        self._copied(G, out)
        h, first = self.sizes[1], self.plain.slices[0][0].stop
        by_column = G[..., :first].reshape(*G.shape[:-1], h, -1)
        k = h * len(self.others)
        out[..., :k] = by_column[..., self.others].reshape(*G.shape[:-1], k)
        self._factor_gradients(flat, by_column, out)
        return out

    def bent(self, v: Array, G: Array) -> Array:
        """Return what :meth:`pulled` changes by along v, where G stays."""
        out = np.zeros(self.size)
        W = self.plain.layers(G)[0].W
        self._factor_gradients(v, W, out)
        return out

    def _factor_gradients(self, flat: Array, G: Array, out: Array) -> None:
        """Write G E and G' V of each embedding to their places along the last axis."""
        at = self.sizes[1] * len(self.others)
        for J, (V, E) in self.factors(flat):
            for part in (G[..., J] @ E, np.swapaxes(G[..., J], -1, -2) @ V):
                size = part.shape[-2] * part.shape[-1]
                out[..., at : at + size] = part.reshape(*part.shape[:-2], size)
                at += size


class EmbeddedNetwork(Network):
    """A dense network whose first layer sees embeddings of factors.

    Parameters
    ----------
    layout : EmbeddedLayout
    activation : Activation
    bounds : Bounds, optional
        The range of the inputs.

    Examples
    --------
    It is the dense network of W_0[:, J] = V E':

    >>> from glmnet_nn.network import get_activation
    >>> layout = EmbeddedLayout((5, 2, 1), embeddings=(Embedding(1, 5, 1),))
    >>> network = EmbeddedNetwork(layout, get_activation("tanh"))
    >>> w = np.random.default_rng(0).normal(size=layout.size)
    >>> X = np.array([[0.5, 0.0, 1.0, 0.0, 0.0]])
    >>> eta = network.dense.linear_predictor(layout.widened(w), X)
    >>> bool(np.all(network.linear_predictor(w, X) == eta))
    True
    """

    layout: EmbeddedLayout

    def __init__(
        self, layout: EmbeddedLayout, activation: Activation, bounds: Bounds | None = None
    ) -> None:
        super().__init__(layout, activation, bounds)
        self.dense = Network(layout.plain, activation, bounds)

    def gradient(self, w: Array, inputs: list[Array], seed: Array) -> Array:
        """Return the flat gradient."""
        dense = self.dense.gradient(self.layout.widened(w), inputs, seed)
        return self.layout.pulled(w, dense)

    def jacobian(self, w: Array, inputs: list[Array]) -> Array:
        """Return d eta / d w, (n, K, number of parameters)."""
        return self.layout.pulled(w, self.dense.jacobian(self.layout.widened(w), inputs))


@tangent.register
def _(
    network: EmbeddedNetwork,
    w: Array,
    inputs: list[Array],
    v: Array | None = None,
    input_tangent: Array | None = None,
) -> Tangent:
    layout = network.layout
    along = None if v is None else layout.widened_direction(w, v)
    return tangent(network.dense, layout.widened(w), inputs, along, input_tangent)


@gradient_tangent.register
def _(
    network: EmbeddedNetwork,
    w: Array,
    inputs: list[Array],
    moved: Tangent,
    seed: Array,
    seed_tangent: Array | None = None,
    v: Array | None = None,
) -> Array:
    layout, dense, wide = network.layout, network.dense, network.layout.widened(w)
    along = None if v is None else layout.widened_direction(w, v)
    RG = gradient_tangent(dense, wide, inputs, moved, seed, seed_tangent, along)
    pulled = layout.pulled(w, RG)
    return pulled if v is None else pulled + layout.bent(v, dense.gradient(wide, inputs, seed))


@hessian.register
def _(network: EmbeddedNetwork, w: Array, inputs: list[Array], seed: Array) -> Array:
    layout, wide = network.layout, network.layout.widened(w)
    H = layout.pulled(w, layout.pulled(w, hessian(network.dense, wide, inputs, seed)).T)
    G = network.dense.gradient(wide, inputs, seed)
    return H + np.stack([layout.bent(e, G) for e in np.eye(layout.size)])


class EmbeddedBatchRecursion:
    """Forward and backward passes of an :class:`EmbeddedNetwork`, as :class:`BatchRecursion`'s.

    Parameters
    ----------
    network : EmbeddedNetwork
    w, gradient : array
        The flat parameters and their gradient, of one dtype.
    size : int
        Largest number of observations of a batch.
    """

    def __init__(self, network: EmbeddedNetwork, w: Buffer, gradient: Buffer, size: int) -> None:
        self._layout, self._w, self._gradient = network.layout, w, gradient
        self._wide, self._wide_gradient = np.empty((2, network.dense.layout.size), w.dtype)
        self._below = BatchRecursion(network.dense, self._wide, self._wide_gradient, size)

    def forward(self, X: Any, eta: Buffer) -> None:
        """Write the linear predictors of the columns of X to ``eta``, (K, m)."""
        self._layout.widened(self._w, self._wide)
        self._below.forward(X, eta)

    def backward(self, X: Any, seed: Buffer) -> None:
        """Write the gradient of the batch of the last ``forward`` from P_L = seed, (K, m)."""
        self._below.backward(X, seed)
        self._layout.pulled(self._w, self._wide_gradient, self._gradient)


@batch_recursion.register
def _(network: EmbeddedNetwork, w: Buffer, gradient: Buffer, size: int) -> EmbeddedBatchRecursion:
    return EmbeddedBatchRecursion(network, w, gradient, size)
