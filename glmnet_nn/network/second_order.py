"""The recursion differentiated once more: tangents, and the Hessian of seed . eta.

Let the parameters move along (V_l, v_l), one pair a layer, the inputs along R I_0,
and R be the derivative along that direction. Forwards,

    R S_l = R I_l W_l' + I_l V_l' + v_l,     R I_{l+1} = a'(O_l) o R S_l,

backwards from P_L = seed and R P_L,

    R P_l = (R P_{l+1} W_{l+1} + P_{l+1} V_{l+1}) o a'(O_l)
            + (P_{l+1} W_{l+1}) o a''(O_l) o R S_l,

and R dF/dW_l = R P_l' I_l + P_l' R I_l, R dF/db_l = the column sums of R P_l.

============================  ==============================================
inputs fixed, R seed = 0      (Hessian of sum_i seed_i . eta_i) v
inputs along e_j, v = 0       d (d eta / d x_j) / d w, contracted with seed
============================  ==============================================

Source: Pearlmutter (1994), "Fast exact multiplication by the Hessian", Neural
Computation 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from families import Array
from glmnet_nn.network.recursion import Network
from glmnet_nn.network.sparse import ShiftedSparse, beside, laid_out


class Tangent(NamedTuple):
    """R I_0, ..., R I_L and R S_0, ..., R S_L of every layer."""

    inputs: list[Array]
    sums: list[Array]

    @property
    def eta(self) -> Array:
        """R eta, (n, K)."""
        return self.sums[-1]


@singledispatch
def tangent(
    network: Network,
    w: Array,
    inputs: list[Array],
    v: Array | None = None,
    input_tangent: Array | None = None,
) -> Tangent:
    """Return the derivative of the forward pass along v and ``input_tangent``.

    Parameters
    ----------
    network : Network
    w : array of shape (q,)
    inputs : list of arrays
        Of all layers, as :meth:`Network.forward` returns them.
    v : array of shape (q,), optional
        Direction of the parameters; none if absent.
    input_tangent : array of shape (n, p), optional
        R X, and R I_0 where X is not clipped; none if absent.

    Examples
    --------
    Without hidden layers eta is linear in w, and R eta is eta at v:

    >>> from glmnet_nn.network import Layout, get_activation
    >>> network = Network(Layout((2, 1)), get_activation("tanh"))
    >>> X, v = np.array([[1.0, 2.0]]), np.array([3.0, -1.0, 0.5])
    >>> tangent(network, np.zeros(3), [X], v).eta
    array([[1.5]])
    """
    directions = None if v is None else network.layout.layers(v)
    RX = _at_rest(inputs[0]) if input_tangent is None else input_tangent
    moved = Tangent([RX if input_tangent is None else network.input_tangent(inputs, RX)], [])
    for at, layer in enumerate(network.layout.layers(w)):
        RS = moved.inputs[at] @ layer.W.T
        if directions is not None:
            RS += directions[at].sums(inputs[at])
        moved.sums.append(RS)
        if at < network.depth:
            O = inputs[at + 1][:, : RS.shape[1]]
            moved.inputs.append(RS * network.activation.slope(O))
        if at == network.depth - 1 and network.layout.skip:
            moved.inputs[-1] = beside(moved.inputs[-1], RX)
    return moved


def _at_rest(I_0: Array) -> Array:
    """Return R I_0 = 0."""
    return I_0.empty() if isinstance(I_0, ShiftedSparse) else np.zeros_like(I_0)


@singledispatch
def gradient_tangent(
    network: Network,
    w: Array,
    inputs: list[Array],
    moved: Tangent,
    seed: Array,
    seed_tangent: Array | None = None,
    v: Array | None = None,
) -> Array:
    """Return R of the flat gradient of sum_i seed_i . eta_i.

    ``moved`` is what :func:`tangent` returned for the same v; ``seed_tangent``, (n, K),
    is R seed, none if absent.
    """
    flat = np.empty(network.layout.size)
    views = network.layout.layers(flat)
    passes = backward_tangent(network, w, inputs, moved, seed, seed_tangent, v)
    for at, P, RP in passes:
        views[at].W[:] = RP.T @ inputs[at] + P.T @ moved.inputs[at]
        if views[at].b is not None:
            RP.sum(axis=0, out=views[at].b)
    return flat


def jacobian_tangent(network: Network, w: Array, inputs: list[Array], moved: Tangent) -> Array:
    """Return R of d eta / d w with w fixed, row by row, (n, K, q).

    ``moved`` is what :func:`tangent` returned without a v. Along an input e_j it is
    d (d eta / d x_j) / d w.

    Examples
    --------
    Without hidden layers d eta / d x_2 is the second weight:

    >>> from glmnet_nn.network import Layout, get_activation
    >>> network = Network(Layout((2, 1)), get_activation("tanh"))
    >>> X, along = np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]])
    >>> moved = tangent(network, np.zeros(3), [X], input_tangent=along)
    >>> jacobian_tangent(network, np.zeros(3), [X], moved)
    array([[[0., 1., 0.]]])
    """
    n, K = moved.eta.shape
    J = np.zeros((n, K, network.layout.size))
    for k, e in enumerate(np.eye(K)):
        seed = np.broadcast_to(e, (n, K))
        for at, P, RP in backward_tangent(network, w, inputs, moved, seed):
            W, b = network.layout.slices[at]
            products = RP[:, :, None] * laid_out(inputs[at])[:, None, :]
            products += P[:, :, None] * laid_out(moved.inputs[at])[:, None, :]
            J[:, k, W] = products.reshape(n, W.stop - W.start)
            J[:, k, b] = RP[:, : b.stop - b.start]
    return J


@singledispatch
def input_slopes_tangent(network: Network, w: Array, inputs: list[Array], moved: Tangent) -> Array:
    """Return R of d eta / d x with w fixed, R P_0 W_0, (n, K, n_features).

    ``moved`` is what :func:`tangent` returned without a v. Along an input e_j it is
    d^2 eta / d x_j d x, how the slope in x_j changes with each input.

    Examples
    --------
    Without hidden layers slopes are constant:

    >>> from glmnet_nn.network import Layout, get_activation
    >>> network = Network(Layout((2, 1)), get_activation("tanh"))
    >>> X, along = np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]])
    >>> moved = tangent(network, np.ones(3), [X], input_tangent=along)
    >>> input_slopes_tangent(network, np.ones(3), [X], moved)
    array([[[0., 0.]]])
    """
    n, K = moved.eta.shape
    W_0 = network.layout.layers(w)[0].W[:, : network.layout.sizes[0]]
    slopes = np.empty((n, K, W_0.shape[1]))
    for k, e in enumerate(np.eye(K)):
        seed = np.broadcast_to(e, (n, K))
        *_, (_, _, RP_0) = backward_tangent(network, w, inputs, moved, seed)
        slopes[:, k] = network.input_tangent(inputs, RP_0 @ W_0)
    return slopes


@singledispatch
def backward_tangent(
    network: Network,
    w: Array,
    inputs: list[Array],
    moved: Tangent,
    seed: Array,
    seed_tangent: Array | None = None,
    v: Array | None = None,
) -> Iterator[tuple[int, Array, Array]]:
    """Yield l, P_l, R P_l for l = L, ..., 0, started from P_L = seed, R P_L = seed_tangent."""
    a, layout = network.activation, network.layout
    layers = layout.layers(w)
    directions = None if v is None else layout.layers(v)
    P, RP = seed, np.zeros_like(seed) if seed_tangent is None else seed_tangent
    for at in reversed(range(layout.n_layers)):
        yield at, P, RP
        if at:
            units = slice(layout.sizes[at])
            O, W = inputs[at][:, units], layers[at].W[:, units]
            slope, bend = a.slope(O), a.curvature(O) * moved.sums[at - 1]
            back = P @ W
            RP = RP @ W
            if directions is not None:
                RP += P @ directions[at].W[:, units]
            RP = RP * slope + back * bend
            P = back * slope


def hessian_vector(network: Network, w: Array, inputs: list[Array], seed: Array, v: Array) -> Array:
    """Return (d^2 / dw dw' of sum_i seed_i . eta_i(w)) v by one forward and backward pass."""
    moved = tangent(network, w, inputs, v)
    return gradient_tangent(network, w, inputs, moved, seed, v=v)


@singledispatch
def hessian(network: Network, w: Array, inputs: list[Array], seed: Array) -> Array:
    """Return d^2 / dw dw' of sum_i seed_i . eta_i(w), (q, q).

    The passes of :func:`hessian_vector` along every unit vector at once, as matrix
    products. The Hessian is symmetric, so the rows of layer l need the directions of the
    layers up to l only; along those V_{l+1} = 0, and nothing is propagated to layers
    that a direction does not reach. About as costly as J'J; memory n x units x q.

    Examples
    --------
    The column of a unit vector is the product with it:

    >>> from glmnet_nn.network import Layout, get_activation
    >>> network = Network(Layout((1, 2, 1)), get_activation("tanh"))
    >>> w, X = np.linspace(-1.0, 1.0, 7), np.array([[0.5], [2.0]])
    >>> inputs, eta = network.forward(w, X)
    >>> H = hessian(network, w, inputs, np.ones_like(eta))
    >>> v = np.eye(7)[2]
    >>> bool(np.allclose(H[:, 2], hessian_vector(network, w, inputs, np.ones_like(eta), v)))
    True
    """
    layout, a = network.layout, network.activation
    layers, q = layout.layers(w), layout.size
    H = np.zeros((q, q))
    if not network.depth or not len(seed):
        return H
    sums = _unit_tangents(network, w, inputs)
    P, RP = seed, None
    for at in reversed(range(layout.n_layers)):
        W, b = layout.slices[at]
        if RP is not None:
            n, width, reach = RP.shape
            flat = RP.reshape(n, width * reach)
            products = (inputs[at].T @ flat).reshape(-1, width, reach)
            H[W, :reach] = products.swapaxes(0, 1).reshape(-1, reach)
            H[b, :reach] = flat.sum(axis=0).reshape(width, reach)
        if at:
            units = slice(layout.sizes[at])
            O, above = inputs[at][:, units], layers[at].W[:, units]
            slope, bend = a.slope(O), a.curvature(O)
            reach = layout.slices[at - 1][1].stop  # parameters of the layers below
            RI = sums[at - 1] * slope[:, :, None]
            places = np.arange(W.start, W.stop).reshape(layers[at].W.shape)[:, units].ravel()
            H[places, :reach] += (P.T @ RI.reshape(len(RI), -1)).reshape(-1, reach)
            back = P @ above
            following = sums[at - 1] * (back * bend)[:, :, None]
            if RP is not None:
                following += (above.T @ RP[:, :, :reach]) * slope[:, :, None]
            P, RP = back * slope, following
    lower = np.tril(H)
    return lower + np.tril(H, -1).T


def _unit_tangents(network: Network, w: Array, inputs: list[Array]) -> list[Array]:
    """Return R S_l of the hidden layers along the unit vectors of the layers up to l.

    Arrays (n, units, parameters of the layers up to l).
    """
    layout, a = network.layout, network.activation
    sums: list[Array] = []
    for at, layer in enumerate(layout.layers(w)[:-1]):
        below, (W, b) = laid_out(inputs[at]), layout.slices[at]
        RS = np.zeros((len(below), len(layer.W), b.stop))
        if at:
            np.matmul(layer.W, sums[-1] * a.slope(below)[:, :, None], out=RS[:, :, : W.start])
        n_in = below.shape[1]
        for unit in range(len(layer.W)):
            RS[:, unit, W.start + unit * n_in : W.start + (unit + 1) * n_in] = below
            RS[:, unit, b.start + unit] = 1.0
        sums.append(RS)
    return sums
