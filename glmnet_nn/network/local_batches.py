"""The recursion of one mini-batch of a LocalGLMnet, in place."""

from __future__ import annotations

import numpy as np

from glmnet_nn.network.batches import BatchRecursion, Buffer, aligned, batch_recursion
from glmnet_nn.network.local import LocalNetwork


class LocalBatchRecursion:
    """Forward and backward passes of a :class:`LocalNetwork`, as :class:`BatchRecursion`'s.

    Features in rows and observations in columns: eta_k = b_k + sum_j beta_kj o d_j and
    S_kj = P_k o d_j, with d = x - c, the second in the buffer of the products of the first.

    Parameters
    ----------
    network : LocalNetwork
    w, gradient : array
        The flat parameters and their gradient, of one dtype.
    size : int
        Largest number of observations of a batch.
    """

    def __init__(self, network: LocalNetwork, w: Buffer, gradient: Buffer, size: int) -> None:
        layout = network.layout
        p, K = layout.sizes[0], layout.sizes[-1]
        self._below = BatchRecursion(network.coefficients, w, gradient, size)
        self._b, self._gradient_b = layout.intercept(w), layout.intercept(gradient)
        self._center = None if network.center is None else network.center.astype(w.dtype)[:, None]
        self._beta, self._products = (aligned((K * p, size), w.dtype) for _ in range(2))
        self._shape = (K, p)

    def forward(self, X: Buffer, eta: Buffer) -> None:
        """Write the linear predictors of the columns of X to ``eta``, (K, m).

        X as :meth:`LocalNetwork.packed` returns it, transposed.
        """
        m = X.shape[1]
        beta, products = self._beta[:, :m], self._products[:, :m]
        self._below.forward(X, beta)
        by_output = (*self._shape, m)
        np.multiply(beta.reshape(by_output), self._deviations(X), out=products.reshape(by_output))
        np.add.reduce(products.reshape(by_output), axis=1, out=eta)
        if self._b is not None:
            np.add(eta, self._b[:, None], out=eta)

    def backward(self, X: Buffer, seed: Buffer) -> None:
        """Write the gradient of the batch of the last ``forward`` from P = seed, (K, m)."""
        m = X.shape[1]
        S = self._products[:, :m]
        np.multiply(seed[:, None], self._deviations(X), out=S.reshape(*self._shape, m))
        self._below.backward(X, S)
        if self._gradient_b is not None:
            np.add.reduce(seed, axis=1, out=self._gradient_b)

    def _deviations(self, X: Buffer) -> Buffer:
        X = X[-self._shape[1] :]  # beside what is clipped of it
        return X if self._center is None else X - self._center


@batch_recursion.register
def _(network: LocalNetwork, w: Buffer, gradient: Buffer, size: int) -> LocalBatchRecursion:
    return LocalBatchRecursion(network, w, gradient, size)
