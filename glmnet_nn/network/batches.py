"""The recursion of one mini-batch, in place: buffers allocated once.

The same formulas as :mod:`glmnet_nn.network.recursion`, with features in rows and
observations in columns, so that every product is one BLAS call on a contiguous
block and every elementwise step one pass over a buffer:

    S_l = W_l I_l + b_l,   O_l = a(S_l),   P_l = (W_{l+1}' P_{l+1}) o a'(O_l),
    dF/dW_l = P_l I_l',    dF/db_l = row sums of P_l.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glmnet_nn.network.layout import Layer
from glmnet_nn.network.recursion import Network

Buffer = NDArray[Any]  # float32 or float64


class BatchRecursion:
    """Forward and backward passes for at most ``size`` observations at a time.

    Parameters
    ----------
    network : Network
    size : int
        Largest number of observations of a batch.
    dtype : dtype
        Of every buffer; the parameters and the gradient should be of it too.
    """

    def __init__(self, network: Network, size: int, dtype: DTypeLike) -> None:
        self.layout = network.layout
        self.activation = network.activation
        widths = self.layout.sizes[1:]
        self._outputs = [np.empty((width, size), dtype) for width in widths]
        self._errors = [np.empty((width, size), dtype) for width in widths]

    def forward(self, w: Buffer, X: Buffer) -> Buffer:
        """Return eta, (K, m), for the columns of X, (p, m): a view of a buffer."""
        m = X.shape[1]
        *hidden, output = self.layout.layers(w)
        below = X
        for layer, full in zip(hidden, self._outputs, strict=False):
            S = _sums(layer, below, full[:, :m])
            below = self.activation.value(S)
            if below is not S:  # value may overwrite its argument, but need not
                S[:] = below
        return _sums(output, below, self._outputs[-1][:, :m])

    def gradient(self, w: Buffer, X: Buffer, seed: Buffer, out: Buffer) -> None:
        """Write the flat gradient of the batch of the last ``forward`` to ``out``."""
        m = X.shape[1]
        layers, views = self.layout.layers(w), self.layout.layers(out)
        P: Buffer = seed
        for at in reversed(range(len(layers))):
            below = X if at == 0 else self._outputs[at - 1][:, :m]
            W, b = views[at]
            np.matmul(P, below.T, out=W)
            if b is not None:
                P.sum(axis=1, out=b)
            if at:
                P = np.matmul(layers[at].W.T, P, out=self._errors[at - 1][:, :m])
                P *= self.activation.slope(below)


def _sums(layer: Layer, below: Buffer, out: Buffer) -> Buffer:
    """Write S = W I + b to ``out``."""
    np.matmul(layer.W, below, out=out)
    if layer.b is not None:
        out += layer.b[:, None]
    return out
