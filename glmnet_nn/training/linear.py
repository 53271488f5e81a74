"""The objective of a GLM as sums over chunks of X as given: no scaled copy of X.

With Z = (X - center) / scale, eta = Z W' + 1 b' is X (W / scale)' + 1 (b - W center /
scale)', and a gradient in the parameters of X is carried back by the chain rule. So one
pass reads X once, whatever the scaling, and the memory is that of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Layer, Layout
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs, folded
from glmnet_nn.training.moments import Moments
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.threads import at_most

_EPS = np.finfo(float).eps
_CHUNK_BYTES = 2**20  # of X: the second product of a chunk finds it in the cache
_SHARED_BYTES = 2**21  # for each of several threads: less is faster than their meeting
_LEAST_CHUNK = 256
_SOUND = 1e-11  # relative
_CANCELLED = 1e-13  # relative: squares of deviations below, of the squares, are rounding


@dataclass(frozen=True)
class LinearSums:
    """F(w) and its gradient at depth zero, in the parameters w of Z = ``inputs`` of X.

    The same function as :class:`Objective` on scaled rows, to the rounding of its
    largest terms (:meth:`families.ExponentialFamily.kernel_and_error`).

    Parameters
    ----------
    rows : Rows
        X as given, float64 or float32, or sparse: sums are float64.
    family : ExponentialFamily
    layout : Layout
        Of w: no hidden layer.
    inputs : Inputs
        Without a basis.
    penalty : ElasticNet
        On w.
    saturated : float
        The mean of w A*(y), the part of F that no w changes.
    n_threads : int, default=1
        Threads of BLAS that share a product.
    """

    rows: Rows
    family: ExponentialFamily
    layout: Layout
    inputs: Inputs
    penalty: ElasticNet
    saturated: float
    n_threads: int = 1
    total_weight: float = field(init=False)
    safe: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "safe", self.family.has_safe_link)
        object.__setattr__(self, "total_weight", float(self.rows.weight.sum()))

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def smooth_value_and_gradient(self, w: Array) -> tuple[float, Array]:
        """Return F(w) and its gradient; NaN where some eta has no mean of the law."""
        return self._evaluated(w, None)

    def expansion(self, w: Array) -> tuple[float, Array, Array]:
        """Return F(w), its gradient and the Fisher information, from one pass.

        With V = W / scale and a = b - V center these are T w, and the information is
        T' F_X T, from that of the parameters of X.
        """
        moments = Moments(self.family, self.layout)
        value, gradient = self._evaluated(w, moments)
        F = moments.information() / self.total_weight
        terms = self._largest_terms(np.diagonal(F))
        F = self._carried_back(self._carried_back(F).T)
        lost = np.diagonal(F) <= _CANCELLED * terms
        F[lost], F[:, lost] = 0.0, 0.0  # a constant column: nothing is left but rounding
        F[np.diag_indices_from(F)] += self.penalty.l2
        return value, gradient, F

    def _evaluated(self, w: Array, moments: Moments | None) -> tuple[float, Array]:
        """Return F(w) and its gradient; add every row to the moments, if there are any."""
        W, b = self.layout.layers(folded(self.layout, self.inputs, w))[-1]
        with nullcontext() if self.n_threads == 1 else at_most(self.n_threads):
            total, g_W, g_b = self._data_term(W, b, moments)
        raw = self.layout.flatten([Layer(g_W, None if b is None else g_b)])
        gradient = self._carried_back(raw) / self.total_weight
        gradient += self.penalty.smooth_gradient(w)
        value = total / self.total_weight + self.saturated + self.penalty.smooth_value(w)
        return float(value), gradient

    def _carried_back(self, gradients: Array) -> Array:
        """Return T' g, the gradient in w, from that in the parameters of X, for every row g."""
        p, K = self.layout.sizes
        carried = np.array(gradients)
        slopes = carried[..., : K * p].reshape(*carried.shape[:-1], K, p)
        if self.layout.fit_intercept:
            slopes -= carried[..., K * p :, None] * self.inputs.center
        slopes /= self.inputs.scale
        return carried

    def _largest_terms(self, diagonal: Array) -> Array:
        """Return the size of the terms that the diagonal of T' F T is the sum of."""
        size_W, size_b = self.layout.layers(diagonal)[-1]
        if size_b is not None:
            size_W = size_W + np.outer(size_b, np.square(self.inputs.center))
        return self.layout.flatten([Layer(size_W / np.square(self.inputs.scale), size_b)])

    def rounding(self, value: float) -> float:
        """Return what may be rounding in F, sums of larger terms."""
        return 64 * _EPS * (abs(self.saturated) + abs(value - self.saturated))

    def score_scale(self, value: float) -> float:
        """Return n / phi, phi the mean deviance where F is ``value``.

        A law without a dispersion has phi = 1, or less where the weights are exposures and y
        rates far below 1: neither the unit of y nor that of the weights matters.
        """
        phi = 2.0 * value if self.family.has_dispersion else min(2.0 * value, 1.0)
        return self.n_rows / phi if phi > 0 else np.inf

    def mean_loss(self, value: float, w: Array) -> float | None:
        """Return the data term of ``value`` = F(w), or None if its digits have cancelled."""
        loss = value - self.penalty.smooth_value(w)
        return loss if self.rounding(value) <= _SOUND * loss else None

    def _chunks(self, moments: Moments | None) -> Iterator[Rows]:
        width = max(self.rows.width, self.layout.sizes[-1])
        n_bytes = _CHUNK_BYTES if self.n_threads == 1 else _SHARED_BYTES * self.n_threads
        size = max(_LEAST_CHUNK, n_bytes // (8 * width))
        return self.rows.blocks(size if moments is None else max(size, moments.block_size))

    def _data_term(
        self, W: Array, b: Array | None, moments: Moments | None
    ) -> tuple[float, Array, Array]:
        """Return the sums of w (A(theta) - theta y), of P' X and of P, with P = w dloss/deta."""
        value, g_W, g_b = 0.0, np.zeros_like(W), np.zeros(len(W))
        equal = self.rows.has_equal_weights
        for rows in self._chunks(moments):
            X = rows.X.astype(float, copy=False)
            eta = (W @ X.T).T  # outputs in rows: elementwise steps run along observations
            if b is not None:
                eta += b
            if rows.offset is not None:
                eta += rows.offset
            if not self.safe and not self.family.is_feasible(eta):
                return np.nan, g_W, g_b
            if moments is not None:
                moments.add(X, rows.weight, eta)
            kernel, P = self.family.kernel_and_error(np.asfortranarray(rows.y), eta)
            if equal:
                value += float(kernel.sum()) * float(rows.weight[0])
                P *= rows.weight[0]
            else:
                value += float(rows.weight @ kernel.reshape(len(rows), -1).sum(axis=1))
                P *= rows.weight[:, None]
            g_W += P.T @ X
            g_b += P.sum(axis=0)
        return value, g_W, g_b
