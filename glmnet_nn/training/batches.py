"""Mini-batches of an objective: its gradient estimated from a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import ExponentialFamily
from glmnet_nn.network import BatchRecursion, Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.penalties import ElasticNet

_LARGE = 1e15  # products and squares of larger numbers may leave the range of float32


class MiniBatches:
    """The loss and the gradient of an objective from the rows of one batch.

    Unbiased estimates: rows enter with weight w_i n / (m sum w) for a batch of m of
    n rows. Rows are copied once; float32 halves the time of a step, and its rounding
    is far below the noise of a batch.

    Parameters
    ----------
    rows : Rows
    family : ExponentialFamily
    network : Network
    penalty : ElasticNet
    size : int
        Largest number of rows of a batch.
    single : bool
        Whether to use float32, if every number has a place in it: ``dtype`` tells.
    """

    def __init__(
        self,
        rows: Rows,
        family: ExponentialFamily,
        network: Network,
        penalty: ElasticNet,
        size: int,
        single: bool,
    ) -> None:
        self.family, self.n_rows = family, len(rows)
        numbers = [rows.X, rows.y, *([] if rows.offset is None else [rows.offset])]
        moderate = all(np.abs(array).max(initial=0.0) < _LARGE for array in numbers)
        self.dtype = dtype = np.dtype(np.float32 if single and moderate else np.float64)
        self.l2 = penalty.l2.astype(dtype)
        self._X = np.ascontiguousarray(rows.X, dtype)
        self._y = np.ascontiguousarray(rows.y, dtype)
        share = rows.weight * (len(rows) / rows.weight.sum())
        self._share = share[:, None].astype(dtype)
        self._offset = None if rows.offset is None else rows.offset.astype(dtype)
        self._recursion = BatchRecursion(network, size, dtype)
        self._taken = np.empty((size, rows.X.shape[1]), dtype)
        saturated = family.conjugate(rows.y).reshape(len(rows), -1).sum(axis=1)
        self._saturated = float(share @ saturated) / len(rows)

    def gradient(self, w: NDArray[Any], index: NDArray[np.intp], out: NDArray[Any]) -> float:
        """Write the smooth gradient at w to ``out``; return the mean loss of the batch.

        The loss is A(theta) - theta y of the batch and A*(y) of all rows: cheap, and
        enough to follow training.
        """
        m = len(index)
        X = np.take(self._X, index, axis=0, out=self._taken[:m], mode="clip").T
        y, share = self._y[index], self._share[index]
        share /= m
        eta: NDArray[Any] = self._recursion.forward(w, X).T
        if self._offset is not None:
            eta = eta + self._offset[index]
        loss = self.family.kernel(y, eta).reshape(m, -1).sum(axis=1) @ share[:, 0]
        seed = self.family.error(y, eta)
        seed *= share
        self._recursion.gradient(w, X, np.ascontiguousarray(seed.T, out.dtype), out)
        out += self.l2 * w
        return float(loss) + self._saturated
