"""The Fisher information of a GLM, block by block of rows, without its Jacobian."""

from __future__ import annotations

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Layout, ShiftedSparse, laid_out

_BLOCK_BYTES = 2**22  # of rows for one product
_LEAST_BLOCK = 256


class Moments:
    """F = sum_i w_i J_i' S_i'S_i J_i of rows that come in blocks.

    Without hidden layers J_k = [x, 1] in the places of output k, and F has the blocks
    [X 1]' diag(w_i (S'S)_kl) [X 1]: the Jacobian, nearly all zeros for several
    outputs, is not formed.

    Parameters
    ----------
    family : ExponentialFamily
    layout : Layout
        Without hidden layers.
    """

    def __init__(self, family: ExponentialFamily, layout: Layout) -> None:
        self.family = family
        self.layout = layout
        p, K = layout.sizes
        self.width = p + layout.fit_intercept
        self._blocks = np.zeros((K, self.width, K, self.width))

    @property
    def block_size(self) -> int:
        """How many rows to add at a time."""
        p = self.layout.sizes[0]
        return max(_LEAST_BLOCK, 2 * p, _BLOCK_BYTES // (8 * p + 8))

    def add(self, X: Array, weight: Array, eta: Array) -> None:
        """Add rows of inputs X, (n, p), in double precision, and linear predictors (n, K)."""
        F, width = self._blocks, self.width
        X = X if isinstance(X, ShiftedSparse) else laid_out(X)
        fisher = self.family.fisher_weight(eta)
        for k in range(len(F)):
            F[k, :, k] += _moments(X, weight * fisher[:, k])[:width, :width]
        for k, l, coupling in self.family.fisher_couplings(eta):
            F[k, :, l] += _moments(X, weight * coupling)[:width, :width]

    def information(self) -> Array:
        """Return F in the order of the flat vector."""
        F, size = self._blocks, self.layout.size
        for k in range(len(F)):
            for l in range(k):
                F[l, :, k] = F[k, :, l].T
        places = self._places_by_output()
        flat = np.empty((size, size))
        flat[np.ix_(places, places)] = F.reshape(size, size)
        return flat

    def _places_by_output(self) -> np.ndarray:
        """Return where (W_k, b_k), output by output, lie in the flat vector."""
        p, K = self.layout.sizes
        slopes = np.arange(K * p).reshape(K, p)
        offsets = K * p + np.arange(K)[:, None]
        return np.hstack([slopes, offsets])[:, : self.width].ravel()


def _moments(X: Array, v: Array) -> Array:
    """Return [X 1]' diag(v) [X 1]."""
    p = X.shape[1]
    M = np.empty((p + 1, p + 1))
    if isinstance(X, ShiftedSparse):
        M[:p, :p] = X.moments(v)
    elif v.max() == v.min():
        np.matmul(X.T, X, out=M[:p, :p])
        M[:p, :p] *= v[0]
    elif v.min() >= 0:  # half the work of a product of two matrices
        root = X * np.sqrt(v)[:, None]
        np.matmul(root.T, root, out=M[:p, :p])
    else:
        np.matmul(X.T, X * v[:, None], out=M[:p, :p])
    M[p, :p] = M[:p, p] = v @ X
    M[p, p] = v.sum()
    return M
