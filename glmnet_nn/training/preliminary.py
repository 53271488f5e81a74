"""The classical GLM on the way to a network: it tells how much y varies about a fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.data import Rows, scaled_rows
from glmnet_nn.training.inputs import Inputs, full_rank, rough_rank
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import Newton, NewtonCG, Solution
from glmnet_nn.training.sources import Source
from glmnet_nn.training.start import initial_weights, linear_objective, null_model

MOST_COLUMNS = 2000  # of a sparse X: beyond, p x p numbers are more than a rough fit is worth
_MANY = 200  # columns, of which a rough fit needs no p x p equations
_STEPS = 25
_NEAR = 1e-6  # of the slope at the start


def is_wide(X: Array | ShiftedSparse) -> bool:
    """Tell whether X is sparse with so many columns that p x p arrays are to be avoided."""
    return isinstance(X, ShiftedSparse) and X.shape[1] > MOST_COLUMNS


def independent_inputs(rows: Rows | Source, inputs: Inputs) -> Inputs:
    """Return the inputs, restricted to their row space if columns are dependent."""
    return rows.full_rank(inputs) if isinstance(rows, Source) else full_rank(inputs, rows.X)


@dataclass(frozen=True)
class PreliminaryGLM:
    """An unpenalised GLM with an intercept, and the null model, where its fit starts.

    Of many columns the minimum is found by conjugate gradients, which need no independent ones.
    Of a wide sparse X all columns count as parameters, a few too many of a one-hot X.
    """

    objective: Objective
    start: Array
    n_parameters: int
    has_many: bool

    @classmethod
    def of(cls, rows: Rows | Source, inputs: Inputs, family: ExponentialFamily) -> PreliminaryGLM:
        """Return that of these rows; ``inputs`` is the scaling of X."""
        design, rank, many = inputs, rows.n_features, False
        if isinstance(rows, Rows) and rank > _MANY:
            rank, many = rank if is_wide(rows.X) else rough_rank(inputs, rows.X), True
        else:
            design = independent_inputs(rows, inputs)
            rank = design.rank
        scaled = rows.seen(partial(scaled_rows, inputs=design))
        objective = linear_objective(scaled, family, True, design.rank)
        intercept, _ = null_model(rows, family)
        layout = objective.network.layout
        start = initial_weights(layout, intercept, np.random.default_rng(0))
        return cls(objective, start, (rank + 1) * rows.n_outputs, many)

    def solved(self) -> Solution:
        """Return the fit, as far as some steps lead."""
        if not self.has_many:
            return Newton(max_iter=_STEPS).solve(self.objective, self.start)
        slope = self.objective.smooth_value_and_gradient(self.start)[1]
        tol = _NEAR * float(np.abs(slope).max(initial=0.0))
        return NewtonCG(tol, _STEPS).solve(self.objective, self.start)
