"""The objective: sums over rows of a family's loss of a network, and a penalty.

F(w) = sum_i w_i [ A(theta_i) - theta_i . y_i + A*(y_i) ] / sum_i w_i + penalty(w)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Network, ShiftedSparse, gradient_tangent, hessian, tangent
from glmnet_nn.training.batches import MiniBatches
from glmnet_nn.training.data import Rows
from glmnet_nn.training.moments import Moments
from glmnet_nn.training.penalties import ElasticNet

_CACHED_ROWS = 4096
_FALLING = 1e-3  # of F, where t w is e times as far
_HESSIAN_BYTES = 2**22  # of the tangents along all parameters for one block of rows
_BLOCK_BYTES = 2**22  # of the largest array formed for one block of rows


class Objective:
    """The problem that a solver sees: a function of one flat vector.

    Parameters
    ----------
    rows : Rows
    family : ExponentialFamily
    network : Network
    penalty : ElasticNet
    total_weight : float, optional
        What the sums over rows are divided by: the sum of their weights, unless they are part
        of more rows, whose mean weight times their number it is then.
    """

    def __init__(
        self,
        rows: Rows,
        family: ExponentialFamily,
        network: Network,
        penalty: ElasticNet,
        total_weight: float | None = None,
    ) -> None:
        self.rows = rows
        self.family = family
        self.network = network
        self.penalty = penalty
        self.n_rows = len(rows)
        self.total_weight = float(rows.weight.sum()) if total_weight is None else total_weight

    # ------------------------------------------------------------ one block

    def linear_predictor(self, w: Array, rows: Rows) -> tuple[list[Array], Array]:
        """Return the inputs of all layers and eta = network(X) + offset."""
        inputs, eta = self.network.forward(w, rows.X)
        return inputs, eta if rows.offset is None else eta + rows.offset

    def _loss(self, rows: Rows, eta: Array) -> float:
        """Return sum_i w_i loss_i, infinite if some eta_i has no mean of this law."""
        if not self.family.is_feasible(eta):
            return np.inf
        loss = self.family.loss(rows.y, eta)
        with np.errstate(over="ignore"):
            return float(rows.weight @ loss.reshape(len(rows), -1).sum(axis=1))

    def _seed(self, rows: Rows, eta: Array) -> Array:
        """Return P_L = w (mu - y) d theta / d eta, over the total weight."""
        share = rows.weight / self.total_weight
        return self.family.error(rows.y, eta) * share[:, None]

    # ------------------------------------------------------- sums over rows

    def predicted(self, w: Array) -> Iterator[tuple[Rows, Array]]:
        """Yield all rows in blocks, each with its linear predictors."""
        for rows in self.rows.blocks(self._block_size()):
            yield rows, self.linear_predictor(w, rows)[1]

    def mean_loss(self, w: Array) -> float:
        """Return the data term of F: half the mean deviance."""
        return sum(self._loss(rows, eta) for rows, eta in self.predicted(w)) / self.total_weight

    def value(self, w: Array) -> float:
        """Return F(w)."""
        return self.mean_loss(w) + self.penalty.value(w)

    def smooth_value_and_gradient(self, w: Array) -> tuple[float, Array]:
        """Return F(w) and its gradient, both without the l1 part of the penalty."""
        total, gradient = 0.0, self.penalty.smooth_gradient(w)
        for rows in self.rows.blocks(self._block_size()):
            inputs, eta = self.linear_predictor(w, rows)
            total += self._loss(rows, eta)
            if not np.isfinite(total):
                return np.inf, np.full_like(w, np.nan)
            gradient += self.network.gradient(w, inputs, self._seed(rows, eta))
        return total / self.total_weight + self.penalty.smooth_value(w), gradient

    def mini_batches(self, size: int, single: bool) -> MiniBatches:
        """Return the source of gradients estimated from ``size`` rows at a time."""
        rows, total = self.rows, self.total_weight
        return MiniBatches(rows, self.family, self.network, size, single, total)

    def information(self, w: Array) -> Array:
        """Return the Fisher information F = J' S'S J over the total weight, plus the ridge."""
        if self.network.depth:
            F = sum(A.T @ A for A, _ in self.scoring_blocks(w))
            return np.asarray(F)
        moments = Moments(self.family, self.network.layout)
        for rows in self.rows.blocks(moments.block_size):
            X = rows.X.astype(float, copy=False)
            moments.add(X, rows.weight / self.total_weight, self.linear_predictor(w, rows)[1])
        F = moments.information()
        F[np.diag_indices_from(F)] += self.penalty.l2
        return F

    def hessian_product(self, w: Array) -> Callable[[Array], Array]:
        """Return v -> H v, H as :meth:`hessian` has it, by one pass forwards and one backwards."""

        def product(v: Array) -> Array:
            total = self.penalty.l2 * v
            for rows in self.rows.blocks(self._block_size()):
                inputs, eta = self.linear_predictor(w, rows)
                moved, share = tangent(self.network, w, inputs, v), rows.weight / self.total_weight
                bend = self.family.curvature_times(rows.y, eta, moved.eta[..., None])[..., 0]
                bend = bend * share[:, None]
                seed = self._seed(rows, eta)
                total += gradient_tangent(self.network, w, inputs, moved, seed, bend, v)
            return np.asarray(total)

        return product

    def hessian(self, w: Array) -> Array:
        """Return d^2 F / dw dw' (without the l1 part): the observed information.

        J' C J + d^2 (P_L . eta) / dw dw', with C = d^2 loss / d eta d eta' of each row
        and P_L the seed of the gradient. The second term is 0 without hidden layers.
        """
        H = np.diag(self.penalty.l2)
        units = sum(self.network.layout.sizes[1:])
        for rows in self.rows.blocks(max(64, _HESSIAN_BYTES // (8 * units * w.size))):
            inputs, eta = self.linear_predictor(w, rows)
            J = self.network.jacobian(w, inputs)
            CJ = self.family.curvature_times(rows.y, eta, J)
            CJ *= (rows.weight / self.total_weight)[:, None, None]
            H += J.reshape(-1, w.size).T @ CJ.reshape(-1, w.size)
            H += hessian(self.network, w, inputs, self._seed(rows, eta))
        return H

    def scoring_blocks(self, w: Array) -> Iterator[tuple[Array, Array]]:
        """Yield (A, r) with A'A summing to the Fisher information, A'r to -gradient.

        A = sqrt(w_i / sum w) S J for the data, S'S the Fisher information of eta and
        J its Jacobian, r the Pearson residuals; and one block for the ridge. One
        scoring step is then the least-squares problem min |A delta - r|^2.
        """
        for rows in self.rows.blocks(self._block_size(self.network.layout.size)):
            inputs, eta = self.linear_predictor(w, rows)
            root = np.sqrt(rows.weight / self.total_weight)
            A = self.family.fisher_root(eta, self.network.jacobian(w, inputs))
            A *= root[:, None, None]
            r = self.family.pearson(rows.y, eta) * root[:, None]
            yield A.reshape(-1, A.shape[-1]), r.ravel()
        yield from self.ridge_block(w)

    def ridge_block(self, w: Array) -> Iterator[tuple[Array, Array]]:
        """Yield the (A, r) of the ridge, if there is one."""
        ridge = np.flatnonzero(self.penalty.l2)
        if len(ridge):
            A = np.zeros((len(ridge), w.size))
            A[np.arange(len(ridge)), ridge] = np.sqrt(self.penalty.l2[ridge])
            yield A, -np.sqrt(self.penalty.l2[ridge]) * w[ridge]

    def flat_directions(self) -> Array:
        """Return orthonormal rows along which the data term does not change.

        Non-empty for laws whose eta is determined up to a shift (Multinoulli): the
        same shift may be added to every column of the output layer.
        """
        layout = self.network.layout
        shift = self.family.flat_direction(layout.sizes[-1])
        if shift is None:
            return np.zeros((0, layout.size))
        return layout.shifts(shift)

    def score_scale(self, w: Array) -> float:
        """Return n / phi: times g' H^-1 g, the squared score in standard errors.

        n counts rows, not weight, and phi is the mean deviance where the law has a
        dispersion, so that neither the scale of the weights nor of y matters.
        """
        if not self.family.has_dispersion:
            return float(self.n_rows)
        phi = 2.0 * self.mean_loss(w)
        return self.n_rows / phi if phi > 0 else np.inf

    def escapes(self, w: Array) -> bool:
        """Tell whether w separates all rows of a GLM without a penalty: then F has no minimum.

        C_i J_i w > 0 for all i, but for the rows of zeros that C of
        :meth:`families.ExponentialFamily.escape_cone` has: F falls to 0 along w, for ever.
        Where it hardly falls, as at an optimum, the rows are not asked.
        """
        return self._falls(w) and self._separates(w)

    def _falls(self, w: Array) -> bool:
        """Tell whether F has no penalty and, d F(t w) / d log t = g . w, falls along w."""
        if self.network.depth or self.penalty.l2.any():
            return False
        value, gradient = self.smooth_value_and_gradient(w)
        return bool(-gradient @ w > _FALLING * value)

    def _separates(self, w: Array) -> bool:
        for rows in self.rows.blocks(self._block_size()):
            cone = self.family.escape_cone(rows.y)
            v = self.linear_predictor(w, replace(rows, offset=None))[1]
            if np.any((np.einsum("nmk,nk->nm", cone, v) <= 0) & cone.any(axis=2)):
                return False
        return True

    def pearson_chi2(self, w: Array) -> float:
        """Return sum_i w_i |r_i|^2, r the Pearson residuals."""
        return sum(
            float(rows.weight @ np.square(self.family.pearson(rows.y, eta)).sum(axis=1))
            for rows, eta in self.predicted(w)
        )

    def squared_lengths(self) -> float:
        """Return the mean of |[x 1]|^2."""
        total = sum(
            float(rows.weight @ (row_squares(rows.X) + 1.0))
            for rows in self.rows.blocks(_CACHED_ROWS)
        )
        return total / self.total_weight

    def null_curvature(self, intercept: Array) -> float:
        """Return the mean Fisher weight where eta is the intercept (and offset) alone."""
        rows = self.rows
        eta = np.broadcast_to(intercept, rows.y.shape)
        eta = eta if rows.offset is None else eta + rows.offset
        with np.errstate(all="ignore"):
            weight = self.family.fisher_weight(eta).mean(axis=1)
        return float(rows.weight @ weight) / self.total_weight

    def _block_size(self, width: int = 0) -> int:
        sizes = self.network.layout.sizes
        widest = max(self.rows.width, *sizes[1:], width * sizes[-1])
        return max(256, _BLOCK_BYTES // (8 * widest))


def row_squares(X: Any) -> Array:
    """Return |x_i|^2 of each row."""
    if isinstance(X, ShiftedSparse):
        return X.row_squares()
    return np.asarray(np.einsum("ij,ij->i", X, X))
