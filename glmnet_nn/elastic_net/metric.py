"""The Hessian of a path's loss on a working set of coefficients, the intercepts taken out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.elastic_net.design import Index
from glmnet_nn.elastic_net.objective import PathObjective


class Metric:
    """Q = H_ww - H_wb H_bb^+ H_bw on the pairs ``at``, H the Hessian at one point.

    For every w the intercepts are then at their best: b - H_bb^+ (slope_b + H_bw (change
    of w)). The working set only grows between two points; new pairs cost their own rows of H.

    Parameters
    ----------
    objective : PathObjective
    """

    def __init__(self, objective: PathObjective) -> None:
        self.objective = objective
        self.at: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self.has_point = False
        self._member = np.zeros(objective.n_pairs, dtype=bool)
        self._flat = objective.family.flat_direction(objective.n_outputs)

    def set_point(self, w: Array, b: Array, at: NDArray[np.intp]) -> None:
        """Take the Hessian at (w, b), on the pairs ``at``."""
        self.has_point = True
        self._weight, self._couplings, self.square = self.objective.curvature(w, b)
        K = len(self._weight)
        self._bb = np.zeros((K, K))
        self._bb[np.diag_indices(K)] = self._weight.sum(axis=1)
        for (k, l), v in self._couplings.items():
            self._bb[k, l] = self._bb[l, k] = v.sum()
        self._inverse_bb = np.linalg.pinv(self._bb, rcond=1e-12, hermitian=True)
        if not self.objective.fit_intercept:
            self._inverse_bb[:] = 0.0
        self.at = np.zeros(0, dtype=np.intp)
        self._ww, self._wb = np.zeros((0, 0)), np.zeros((0, K))
        self._member[:] = False
        self._extend(at)

    def include(self, pairs: NDArray[np.intp]) -> None:
        """Add pairs to the working set."""
        new = pairs[~self._member[pairs]]
        if len(new):
            self._extend(new)

    def _extend(self, new: NDArray[np.intp]) -> None:
        self._member[new] = True
        old, self.at = self.at, np.concatenate([self.at, new])
        block, cross = self._entries(new, new), self._entries(new, old)
        self._ww = np.block([[self._ww, cross.T], [cross, block]])
        self._wb = np.vstack([self._wb, self._with_intercepts(new)])
        self.Q = np.ascontiguousarray(self._ww - self._wb @ self._inverse_bb @ self._wb.T)
        self._whole = self._whole_columns()

    def _by_output(self, pairs: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], Index]]:
        """Return for each output where its pairs are, and their columns."""
        p = self.objective.design.n_columns
        output, column = np.divmod(pairs, p)
        found = [np.flatnonzero(output == k) for k in range(self.objective.n_outputs)]
        return [(where, column[where]) for where in found]

    def _entries(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
        """Return H between two sets of pairs, disjoint or one and the same object."""
        H = np.zeros((len(first), len(second)))
        design, rows, same = self.objective.design, self._by_output(first), first is second
        columns = rows if same else self._by_output(second)

        def fill(k: int, l: int, v: Array) -> None:
            (i, a), (j, c) = rows[k], columns[l]
            if len(i) and len(j):
                H[np.ix_(i, j)] = design.moments(a, c, v)

        for k, v in enumerate(self._weight):
            fill(k, k, v)
        for (k, l), v in self._couplings.items():
            fill(k, l, v)
            if not same:
                fill(l, k, v)
            elif len(rows[k][0]) and len(rows[l][0]):
                H[np.ix_(rows[l][0], rows[k][0])] = H[np.ix_(rows[k][0], rows[l][0])].T
        return H

    def _with_intercepts(self, pairs: NDArray[np.intp]) -> Array:
        """Return H between pairs and intercepts, (len(pairs), K)."""
        H = np.zeros((len(pairs), self.objective.n_outputs))
        places = self._by_output(pairs)
        for k, v in enumerate(self._weight):
            where, columns = places[k]
            H[where, k] = self.objective.design.sums(columns, v)
        for (k, l), v in self._couplings.items():
            for mine, other in ((k, l), (l, k)):
                where, columns = places[mine]
                H[where, other] = self.objective.design.sums(columns, v)
        return H

    def _whole_columns(self) -> NDArray[np.intp]:
        """Return where the pairs of each column are, (m, K), if all of them are there."""
        if self._flat is None:
            return np.zeros((0, 1), dtype=np.intp)
        place = np.full(self._member.shape, -1)
        place[self.at] = np.arange(len(self.at))
        table = place.reshape(self.objective.n_outputs, -1).T
        return table[(table >= 0).all(axis=1)]

    def settled(self, w: Array) -> Array:
        """Return w, on the working set, less the multiples of the flat direction it can spare.

        A loss that is flat along v in eta (Multinoulli: a common shift) is flat in the
        coefficients of a column along v too. Of w - t v the l1 norm is least at a weighted
        median t of w / v, which leaves a coefficient of 0: the Hessian on the others is
        regular. Source: Friedman, Hastie and Tibshirani (2010), section 4.1.
        """
        if self._flat is None or not len(self._whole):
            return w
        w, v = w.copy(), self._flat
        W = w[self._whole]
        order = np.argsort(W / v, axis=1)
        mass = np.cumsum(np.abs(v)[order], axis=1) / np.abs(v).sum()
        rows = np.arange(len(W))
        low = order[rows, (mass >= 0.5 - 1e-9).argmax(axis=1)]
        high = order[rows, (mass > 0.5 + 1e-9).argmax(axis=1)]
        nearer = np.abs(W[rows, low] / v[low]) <= np.abs(W[rows, high] / v[high])
        middle = np.where(nearer, low, high)
        W -= (W[rows, middle] / v[middle])[:, None] * v
        W[rows, middle] = 0.0
        w[self._whole] = W
        return w

    def reduced_slope(self, slope: Array, slope_b: Array) -> Array:
        """Return the slope on the working set when the intercepts follow."""
        return np.asarray(slope[self.at] - self._wb @ (self._inverse_bb @ slope_b))

    def intercept_change(self, change: Array, slope_b: Array) -> Array:
        """Return the change of the intercepts that goes with a change on the working set."""
        return np.asarray(-self._inverse_bb @ (slope_b + self._wb.T @ change))
