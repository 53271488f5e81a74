"""The objective of rows that come in blocks: the sum of what the blocks' objectives are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.solvers import stacked_qr
from glmnet_nn.training.source_batches import SourceBatches
from glmnet_nn.training.sources import Source, added


class SourceObjective(Objective):
    """F(w) of a source: each value, gradient or matrix is one pass over the blocks.

    With F_b the mean loss of block b and W_b its weight, F = sum_b W_b F_b / W + penalty,
    and so are its derivatives. Each block makes an :class:`Objective` of its rows where it
    is, and sends back W_b F_b and the like.

    What the last pass found is kept. With ``scores``, or once the Fisher information has been
    asked for, it comes with value and gradient: a step of Fisher scoring takes one pass.

    Parameters
    ----------
    rows : Source
    family : ExponentialFamily
    network : Network
    penalty : ElasticNet
    scores : bool, default=False
        Whether the Fisher information will be asked for at every step.
    """

    rows: Source  # type: ignore[assignment]

    def __init__(
        self,
        rows: Source,
        family: ExponentialFamily,
        network: Network,
        penalty: ElasticNet,
        scores: bool = False,
    ) -> None:
        self.rows = rows
        self.family = family
        self.network = network
        self.penalty = penalty
        self.n_rows = len(rows)
        self.total_weight = rows.total_weight
        self.kept = Kept(scores and not network.depth)

    # ------------------------------------------------------- sums over blocks

    def total(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the sum over blocks of function(objective of the block, *arguments).

        That objective has no penalty.
        """
        return added(self.of_blocks(function, *arguments))

    def of_blocks(
        self, function: Callable[..., Any], *arguments: Any, each: Sequence[Any] | None = None
    ) -> list[Any]:
        """Return function(objective of the block, *arguments) of every block, in order.

        ``each`` holds a last argument for each block.
        """
        on_block = partial(_on_block, self.family, self.network, function, arguments)
        return self.rows.map(on_block) if each is None else self.rows.map(on_block, each)

    def mean_loss(self, w: Array) -> float:
        """Return the data term of F: half the mean deviance."""
        last = self.kept.last
        if last is not None and last.is_at(w):
            return last.value
        if self.kept.scores:
            return self._passed(w).value
        return float(self.total(_loss, w)) / self.total_weight

    def smooth_value_and_gradient(self, w: Array) -> tuple[float, Array]:
        """Return F(w) and its gradient, both without the l1 part of the penalty."""
        found = self._passed(w)
        value = found.value + self.penalty.smooth_value(w)
        return value, found.gradient + self.penalty.smooth_gradient(w)

    def information(self, w: Array) -> Array:
        """Return the Fisher information over the total weight, plus the ridge."""
        self.kept.scores = not self.network.depth
        if not self.kept.scores:
            F = self.total(_information, w) / self.total_weight
        else:
            found = self._passed(w)
            if found.information is None:
                raise ValueError("the Fisher information exists where every row has a mean.")
            F = found.information.copy()
        F[np.diag_indices_from(F)] += self.penalty.l2
        return np.asarray(F)

    def _passed(self, w: Array) -> _Pass:
        """Return value, gradient and, if scored, information at w, of the data term."""
        last, scores = self.kept.last, self.kept.scores
        if last is None or not last.is_at(w) or (scores and last.information is None):
            sums = self.total(_scored if scores else _differentiated, w)
            value, gradient, *F = (part / self.total_weight for part in sums)
            last = _Pass(w.copy(), float(value), gradient, F[0] if F else None)
            self.kept.last = last
        return last

    def hessian_product(self, w: Array) -> Callable[[Array], Array]:
        """Return v -> H v, one pass each."""

        def product(v: Array) -> Array:
            of_data = self.total(_hessian_times, w, v) / self.total_weight
            return np.asarray(of_data + self.penalty.l2 * v)

        return product

    def hessian(self, w: Array) -> Array:
        """Return d^2 F / dw dw' (without the l1 part): the observed information."""
        H = self.total(_hessian, w) / self.total_weight
        H[np.diag_indices_from(H)] += self.penalty.l2
        return np.asarray(H)

    def scoring_blocks(self, w: Array) -> Iterator[tuple[Array, Array]]:
        """Yield (A, r) as of rows in memory, with A'A and A'r those of a block: its triangle."""
        for R in self.of_blocks(_scoring_triangle, w):
            R /= np.sqrt(self.total_weight)
            yield R[:, :-1], R[:, -1]
        yield from self.ridge_block(w)

    def mini_batches(self, size: int, single: bool) -> SourceBatches:  # type: ignore[override]
        """Return the source of gradients estimated from ``size`` rows at a time."""
        return SourceBatches(self.rows, self.family, self.network, size, single)

    def _separates(self, w: Array) -> bool:
        return all(self.of_blocks(Objective._separates, w))

    def pearson_chi2(self, w: Array) -> float:
        """Return sum_i w_i |r_i|^2, r the Pearson residuals."""
        return float(self.total(Objective.pearson_chi2, w))

    def squared_lengths(self) -> float:
        """Return the mean of |[x 1]|^2."""
        null = self.kept.null
        return (self._null_pass(np.zeros(self.rows.n_outputs)) if null is None else null)[2]

    def null_curvature(self, intercept: Array) -> float:
        """Return the mean Fisher weight where eta is the intercept (and offset) alone."""
        return self._null_pass(intercept)[1]

    def _null_pass(self, intercept: Array) -> tuple[Array, float, float]:
        """Return the intercept, and what one pass finds there: curvature and squared lengths."""
        null = self.kept.null
        if null is None or not np.array_equal(null[0], intercept):
            curvature, squares = self.total(_null_sums, intercept)
            total = self.total_weight
            null = self.kept.null = intercept, float(curvature) / total, float(squares) / total
        return null


@dataclass
class Kept:
    """What passes have found, for all who ask about the same objective.

    ``scores`` tells whether a pass brings the Fisher information too.
    """

    scores: bool
    last: _Pass | None = None
    null: tuple[Array, float, float] | None = None


@dataclass(frozen=True)
class _Pass:
    """What a pass found of the data term at w."""

    w: Array
    value: float
    gradient: Array
    information: Array | None

    def is_at(self, w: Array) -> bool:
        return np.array_equal(self.w, w)


def objective_on(
    rows: Rows | Source,
    family: ExponentialFamily,
    network: Network,
    penalty: ElasticNet,
    scores: bool = False,
) -> Objective:
    """Return the objective of rows in memory, or of a source of blocks.

    ``scores`` tells whether the Fisher information will be asked for at every step.
    """
    if isinstance(rows, Source):
        return SourceObjective(rows, family, network, penalty, scores)
    return Objective(rows, family, network, penalty)


def _on_block(
    family: ExponentialFamily,
    network: Network,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    rows: Rows,
    *own: Any,
) -> Any:
    nothing = np.zeros(network.layout.size)
    with np.errstate(over="ignore", invalid="ignore"):  # trial points may lie far out
        block = Objective(rows, family, network, ElasticNet(nothing, nothing))
        return function(block, *arguments, *own)


def _loss(block: Objective, w: Array) -> float:
    return block.mean_loss(w) * block.total_weight


def _differentiated(block: Objective, w: Array) -> tuple[Any, ...]:
    value, gradient = block.smooth_value_and_gradient(w)
    return value * block.total_weight, gradient * block.total_weight


def _scored(block: Objective, w: Array) -> tuple[Any, ...]:
    value, gradient = _differentiated(block, w)
    if not np.isfinite(value):
        return value, gradient, np.full((w.size, w.size), np.nan)
    return value, gradient, _information(block, w)


def _information(block: Objective, w: Array) -> Array:
    return np.asarray(block.information(w) * block.total_weight)


def _hessian(block: Objective, w: Array) -> Array:
    return np.asarray(block.hessian(w) * block.total_weight)


def _hessian_times(block: Objective, w: Array, v: Array) -> Array:
    return np.asarray(block.hessian_product(w)(v) * block.total_weight)


def _scoring_triangle(block: Objective, w: Array) -> Array:
    return stacked_qr(block.scoring_blocks(w), w.size) * np.sqrt(block.total_weight)


def _null_sums(block: Objective, intercept: Array) -> tuple[float, float]:
    total = block.total_weight
    return block.null_curvature(intercept) * total, block.squared_lengths() * total
