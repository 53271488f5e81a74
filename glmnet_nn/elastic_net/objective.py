"""The loss of a GLM at many coefficient vectors at once: one pass over the rows for all.

    F(w, b) = sum_i v_i loss(y_i, eta_i) + alpha [ l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2 ],
    eta_i = W z_i + b + offset_i,   sum_i v_i = 1

The columns of W, (p, K), lie in one vector of p K pairs (column, output), those of one
output side by side: pair k p + j is column j of output k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.elastic_net.design import Design

_EPS = np.finfo(float).eps
_SOUND = 1e-11  # relative


@dataclass(frozen=True)
class Points:
    """m coefficient vectors, with what one pass has found there.

    Attributes
    ----------
    w : array of shape (m, p K)
    b : array of shape (m, K)
    loss : array of shape (m,)
        Mean loss without A*(y), which no coefficient changes; infinite or NaN where some
        eta has no mean of the law.
    slope : array of shape (m, p K)
        Its gradient in w.
    slope_b : array of shape (m, K)
    """

    w: Array
    b: Array
    loss: Array
    slope: Array
    slope_b: Array

    def __len__(self) -> int:
        return len(self.w)

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Points:
        """Return all points of the parts, in order."""
        names = [part.name for part in fields(cls)]
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def take(self, at: NDArray[np.intp]) -> Points:
        """Return the points at these places, copied."""
        return Points(self.w[at], self.b[at], self.loss[at], self.slope[at], self.slope_b[at])

    def put(self, at: NDArray[np.intp], others: Points) -> None:
        """Overwrite the points at these places."""
        for part in fields(self):
            getattr(self, part.name)[at] = getattr(others, part.name)


@dataclass(frozen=True)
class PathObjective:
    """The data term of a path.

    Parameters
    ----------
    design : Design
    y : array of shape (n, K)
    share : array of shape (n,)
        Weights that sum to 1.
    offset : array of shape (n, K) or (n, 1), or None
    family : ExponentialFamily
    fit_intercept : bool
    saturated : float
        sum_i v_i A*(y_i).
    """

    design: Design
    y: Array
    share: Array
    offset: Array | None
    family: ExponentialFamily
    fit_intercept: bool
    saturated: float
    _columns: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_columns", np.asfortranarray(self.y))

    @property
    def n_outputs(self) -> int:
        """K."""
        return self.y.shape[1]

    @property
    def n_pairs(self) -> int:
        """p K."""
        return self.design.n_columns * self.n_outputs

    @property
    def is_quadratic(self) -> bool:
        """Whether the Hessian is the same everywhere: least squares."""
        return self.family.is_location_scale

    def linear_predictor(self, rows: slice, w: Array, b: Array) -> Array:
        """Return eta, (m, n_rows, K), of m points."""
        m, K = len(w), self.n_outputs
        stacked = w.reshape(m * K, self.design.n_columns)
        columns = np.flatnonzero(stacked.any(axis=0))
        if 2 * len(columns) > stacked.shape[1]:
            columns = np.arange(stacked.shape[1])
        n = rows.stop - rows.start
        if len(columns):
            eta = self.design.times(rows, columns, stacked[:, columns]).reshape(m, K, n)
        else:
            eta = np.zeros((m, K, n))
        eta += b[:, :, None]
        if self.offset is not None:
            eta += self.offset[rows].T
        return eta.transpose(0, 2, 1)

    def at(self, w: Array, b: Array) -> Points:
        """Return m points with their loss and its gradient, by one pass over the rows."""
        m, K, p = len(w), self.n_outputs, self.design.n_columns
        loss, slope, slope_b = np.zeros(m), np.zeros((m, K, p)), np.zeros((m, K))
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in self.design.chunks(m * K):
                eta = self.linear_predictor(rows, w, b)
                kernel, error = self._kernel_and_error(rows, eta)
                share = self.share[rows]
                loss += kernel.reshape(m, len(share), -1).sum(axis=2) @ share
                seed = np.ascontiguousarray(error.transpose(0, 2, 1))
                seed *= share
                slope_b += seed.sum(axis=2)
                seed = seed.reshape(m * K, len(share))
                slope += self.design.transposed_times(rows, seed).reshape(m, K, p)
        return Points(w, b, loss, slope.reshape(m, K * p), slope_b)

    def _kernel_and_error(self, rows: slice, eta: Array) -> tuple[Array, Array]:
        """Return both, (m, n, K); the kernel is NaN where a point has an impossible mean."""
        y = self._columns[rows]
        if self.family.has_safe_link:
            return self.family.kernel_and_error(y, eta)
        possible = np.array([bool(self.family.is_feasible(one)) for one in eta])
        kernel, error = np.full(eta.shape, np.nan), np.full(eta.shape, np.nan)
        if possible.any():
            kernel[possible], error[possible] = self.family.kernel_and_error(y, eta[possible])
        return kernel, error

    def rounding(self, loss: Array | float) -> Array | float:
        """Return what may be rounding in a loss, the difference of larger sums."""
        return 64 * _EPS * (abs(self.saturated) + np.abs(loss))

    def mean_deviance(self, points: Points) -> Array:
        """Return twice the mean loss, with A*(y); afresh where its digits have cancelled."""
        mean = self.saturated + points.loss
        poor = np.flatnonzero(~(np.asarray(self.rounding(points.loss)) <= _SOUND * mean))
        whole = slice(0, self.design.n_rows)
        for at in poor:
            eta = self.linear_predictor(whole, points.w[at : at + 1], points.b[at : at + 1])[0]
            loss = self.family.loss(self.y, eta).reshape(len(eta), -1).sum(axis=1)
            mean[at] = self.share @ loss
        return 2.0 * mean

    def curvature(self, w: Array, b: Array) -> tuple[Array, dict[tuple[int, int], Array], float]:
        """Return what the Hessian at a point is made of.

        The second derivatives of the loss in eta_k, (K, n), and in eta_k and eta_l where they
        are not 0, times v: observed ones, or expected ones where those are not positive. And
        sum_i v_i error^2 / second derivative, a measure of all the working residuals.
        """
        whole = slice(0, self.design.n_rows)
        eta = self.linear_predictor(whole, w[None], b[None])[0]
        family = self.family
        with np.errstate(all="ignore"):
            weight = family.fisher_weight(eta)
            if not family.is_canonical:
                observed = family.observed_weight(self.y, eta)
                weight = np.where((observed > 0) & np.isfinite(observed), observed, weight)
            finite = np.isfinite(weight)
            if not finite.all():  # rows at the end of a link
                weight = np.where(finite, weight, np.max(weight, where=finite, initial=0.0))
            error = family.error(self.y, eta)
            square = np.where(weight > 0, np.square(error) / weight, 0.0)
        pairs = {(k, l): self.share * v for k, l, v in family.fisher_couplings(eta)}
        size = float(self.share @ square.sum(axis=1))
        return (weight * self.share[:, None]).T.copy(), pairs, size
