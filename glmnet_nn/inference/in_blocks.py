"""A model at its maximum, of rows that come in blocks: sums of them are all there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NoReturn

import numpy as np

from families import Array
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.sandwich import meat
from glmnet_nn.inference.weights import weighting
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.source_objective import SourceObjective
from glmnet_nn.training.sources import Source, added
from glmnet_nn.training.start import null_model

_SUMMED = ("HC0", "HC1", "HC2", "HC3")


def _refuse() -> NoReturn:
    raise ValueError(
        "these results are of data in blocks, whose rows are not kept, but residuals, fitted "
        "values and predictions without X, influence, marginal effects, score and "
        "likelihood-ratio tests need them. Call inference() with rows in memory, or a sample of "
        "them."
    )


@dataclass(frozen=True)
class BlockWeighting:
    """What :class:`glmnet_nn.inference.weights.Weighting` is, but for what it has of each row."""

    kind: str
    nobs: float

    @classmethod
    def of(cls, source: Source, kind: str) -> BlockWeighting:
        """Return that of weights of type freq or var."""
        if kind == "prob":
            raise ValueError(
                "weight_type='prob' is for rows in memory, but X comes in blocks. Use 'freq' or "
                "'var', with cov_type='HC1' for standard errors that hold for samples."
            )
        return cls(kind, float(sum(source.map(partial(_n_observations, kind)))))

    @property
    def copies(self) -> Array:
        """Not at hand."""
        _refuse()

    factor = total = precision = shares = trials = copies


@dataclass(frozen=True)
class BlockPopulation:
    """What :class:`glmnet_nn.inference.margins.Population` would be: not at hand."""

    @property
    def X(self) -> Array:
        """Not at hand."""
        _refuse()

    offset = shares = X


class BlockFitted(Fitted):
    """:class:`Fitted` of a :class:`SourceObjective`: what is a sum over rows is summed."""

    objective: SourceObjective

    @cached_property
    def rows(self) -> Rows:
        """Not at hand."""
        _refuse()

    @cached_property
    def eta(self) -> Array:
        """Not at hand."""
        _refuse()

    @property
    def pearson_chi2(self) -> float:
        return self.objective.pearson_chi2(self.w)

    def rounding(self, relative: float) -> float:
        return float(self._total(Fitted.rounding_total, relative)) / self.total_weight

    def null_loss(self) -> float:
        return null_model(self.objective.rows, self.family)[1]

    def log_likelihood_at(self, total_loss: float, phi: float) -> float:
        n_blocks = len(self.objective.rows.facts.lengths)  # each takes its part of the loss
        return float(self._total(Fitted.log_likelihood_at, total_loss / n_blocks, phi))

    def bias_adjustment(self) -> Array:
        return np.asarray(self._total(Fitted.bias_adjustment))

    def observed_information(self) -> Array:
        if self.family.is_canonical:
            return np.eye(self.root.shape[1])
        return np.asarray(self._total(Fitted.observed_information))

    def meat(self, options: InferenceOptions, n_parameters: int) -> Array:
        if options.cov_type not in _SUMMED:
            raise ValueError(
                f"cov_type={options.cov_type!r} compares rows of different blocks. Of data in "
                f"blocks use 'nonrobust' or one of {list(_SUMMED)}."
            )
        plain = "HC0" if options.cov_type == "HC1" else options.cov_type
        M = np.asarray(self._total(_meat_of_block, plain))
        n = self.weights.nobs
        if options.cov_type == "HC1" and n <= n_parameters:
            raise ValueError(
                f"HC1 divides by n - k, but there are {n:g} observations and {n_parameters:g} "
                "parameters. Use cov_type='HC0', or give more rows."
            )
        return M * (n / (n - n_parameters)) if options.cov_type == "HC1" else M

    def _total(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the sum over blocks of function(Fitted of the block, *arguments)."""
        on_block = partial(_of_block, function, self.w, self.root, self.weights.kind)
        return added(self.objective.of_blocks(on_block, *arguments))


def _of_block(
    function: Callable[..., Any], w: Array, root: Array, kind: str, block: Objective, *rest: Any
) -> Any:
    weights = weighting(block.rows.weight, kind, block.rows.trials)
    return function(Fitted(block, w, root, weights), *rest)


def _meat_of_block(fitted: Fitted, cov_type: str) -> Array:
    return meat(fitted.scores(cov_type), cov_type, n_parameters=0, repeats=fitted.weights.copies)


def _n_observations(kind: str, rows: Rows) -> float:
    return weighting(rows.weight, kind, rows.trials).nobs
