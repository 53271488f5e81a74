"""The recursion of one mini-batch, in place: buffers and views made once.

The same formulas as :mod:`glmnet_nn.network.recursion`, with features in rows and
observations in columns, so that every product is one BLAS call and every
elementwise step one pass over a buffer in the processor's cache:

    S_l = W_l I_l + b_l,   O_l = a(S_l),   P_l = (W_{l+1}' P_{l+1}) o a'(O_l),
    dF/dW_l = P_l I_l',    dF/db_l = P_l 1.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glmnet_nn.network.recursion import Network

Buffer = NDArray[Any]  # float32 or float64
_CACHE_LINE = 64  # bytes


def aligned(shape: tuple[int, int], dtype: DTypeLike) -> Buffer:
    """Return an uninitialised array that starts at a cache line, as numpy's need not.

    Elementwise steps on arrays of some thousand numbers are up to twice as fast there.
    """
    itemsize = np.dtype(dtype).itemsize
    memory = np.empty(shape[0] * shape[1] + _CACHE_LINE // itemsize, dtype)
    first = -memory.ctypes.data % _CACHE_LINE // itemsize
    return memory[first : first + shape[0] * shape[1]].reshape(shape)


class _Buffers(NamedTuple):
    """For m observations: outputs O_l, proxy errors P_l and slopes of the hidden layers."""

    outputs: list[Buffer]
    errors: list[Buffer]
    slopes: list[Buffer]
    ones: Buffer

    def first(self, m: int) -> _Buffers:
        """Return views for the first m observations."""
        outputs, errors, slopes = ([full[:, :m] for full in part] for part in self[:3])
        return _Buffers(outputs, errors, slopes, self.ones[:m])


class BatchRecursion:
    """Forward and backward passes for at most ``size`` observations at a time.

    Parameters
    ----------
    network : Network
    w : array
        The flat parameters; they may change, in place, between calls.
    gradient : array
        Where the flat gradient is written, of the dtype of ``w`` as every buffer.
    size : int
        Largest number of observations of a batch.

    Examples
    --------
    Steps that change ``w`` in place need no new views:

    >>> from glmnet_nn.network import Layout, get_activation
    >>> network = Network(Layout((2, 1)), get_activation("tanh"))
    >>> w, gradient, eta = np.zeros(3), np.empty(3), np.empty((1, 4))
    >>> recursion = BatchRecursion(network, w, gradient, size=4)
    >>> X = np.arange(8.0).reshape(2, 4)
    >>> w += [1.0, 0.0, 0.5]
    >>> recursion.forward(X, eta)
    >>> eta
    array([[0.5, 1.5, 2.5, 3.5]])
    >>> recursion.backward(X, np.ones((1, 4)))
    >>> gradient
    array([ 6., 22.,  4.])
    """

    def __init__(self, network: Network, w: Buffer, gradient: Buffer, size: int) -> None:
        self._activation = network.activation
        layout = network.layout
        self._n_features = layout.sizes[0]
        self._layers = [
            (layer.W[:, :n_in], None if layer.b is None else layer.b[:, None])
            for layer, n_in in zip(layout.layers(w), layout.sizes, strict=False)
        ]
        self._gradients = [
            (layer.W[:, :n_in], layer.b)
            for layer, n_in in zip(layout.layers(gradient), layout.sizes, strict=False)
        ]
        self._skip = (layout.skipping(w), layout.skipping(gradient)) if layout.skip else None
        shapes = [(width, size) for width in network.layout.sizes[1:-1]]
        made = ([aligned(shape, w.dtype) for shape in shapes] for _ in range(3))
        outputs, errors, slopes = made
        self._buffers = {size: _Buffers(outputs, errors, slopes, np.ones(size, w.dtype))}
        self._size = size

    def _views(self, m: int) -> _Buffers:
        if m not in self._buffers:
            self._buffers[m] = self._buffers[self._size].first(m)
        return self._buffers[m]

    def forward(self, X: Buffer, eta: Buffer) -> None:
        """Write the linear predictors of the columns of X, (p, m), to ``eta``, (K, m).

        X as :meth:`Network.packed` returns it, transposed: clipped once, not in every step.
        """
        below = X[: self._n_features]
        *hidden, output = self._layers
        for layer, S in zip(hidden, self._views(X.shape[1]).outputs, strict=True):
            _sums(layer, below, S)
            below = self._activation.value(S)
            if below is not S:  # value may overwrite its argument, but need not
                S[:] = below
                below = S
        _sums(output, below, eta)
        if self._skip is not None:
            eta += self._skip[0] @ X[-self._n_features :]

    def backward(self, X: Buffer, seed: Buffer) -> None:
        """Write the gradient of the batch of the last ``forward`` from P_L = seed, (K, m)."""
        outputs, errors, slopes, ones = self._views(X.shape[1])
        P = seed
        if self._skip is not None:
            np.matmul(P, X[-self._n_features :].T, out=self._skip[1])
        for at in reversed(range(len(self._layers))):
            below = outputs[at - 1] if at else X[: self._n_features]
            W, b = self._gradients[at]
            np.matmul(P, below.T, out=W)
            if b is not None:
                np.matmul(P, ones, out=b)
            if at:
                P = _carried(self._layers[at][0], P, errors[at - 1])
                P *= self._activation.slope(below, slopes[at - 1])


@singledispatch
def batch_recursion(network: Network, w: Buffer, gradient: Buffer, size: int) -> Any:
    """Return the recursion of a network: a :class:`BatchRecursion` or one with its methods."""
    return BatchRecursion(network, w, gradient, size)


def _sums(layer: tuple[Buffer, Buffer | None], below: Buffer, out: Buffer) -> None:
    """Write S = W I + b to ``out``."""
    W, b = layer
    np.matmul(W, below, out=out)
    if b is not None:
        np.add(out, b, out=out)


def _carried(W: Buffer, P: Buffer, out: Buffer) -> Buffer:
    """Write W' P to ``out``; for one output by broadcasting, faster than BLAS there."""
    return (np.matmul if len(W) > 1 else np.multiply)(W.T, P, out=out)
