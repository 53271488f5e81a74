"""Average effects of the columns of X on what a network says, and the error of sampling rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.inference import functionals
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.levels import LevelSteps, ends_of_step
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.sandwich import meat
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs

Ends = tuple[NDArray[np.intp], Array, Array]  # columns, and their values before and after


@dataclass(frozen=True)
class ColumnEffects:
    """Effects of p columns on K outputs at the rows of a fit.

    Parameters
    ----------
    by_row : array of shape (n, p, K)
    shares : array of shape (n,)
        Weights of the rows in the average, summing to 1.
    gradients : array of shape (p K, q)
        Of the averages, in the parameters.
    """

    by_row: Array
    shares: Array
    gradients: Array

    @property
    def average(self) -> Array:
        """The averages, (p, K)."""
        return np.einsum("n,npk->pk", self.shares, self.by_row)

    def sampling_variance(self, fitted: Fitted, options: InferenceOptions) -> Array:
        """Return Var(effect) / n, (p K,): the rows were drawn, in groups if they are clusters."""
        copies = fitted.weights.copies
        deviations = (self.by_row - self.average).reshape(len(copies), -1)
        dependent = options.cov_type in ("cluster", "HAC")
        M = meat(
            deviations * (self.shares / copies)[:, None],
            options.cov_type if dependent else "HC1",
            n_parameters=1.0,
            repeats=copies,
            groups=options.groups,
            maxlags=options.hac_maxlags,
        )
        return np.diagonal(M)


def column_effects(
    fitted: Fitted,
    inputs: Inputs,
    mean: bool,
    dummy: bool,
    block: int,
    levels: LevelSteps,
    known: Array | None,
) -> ColumnEffects:
    """Return d mu / d x_j (or of eta) at every row, ``block`` of them at a time.

    With ``dummy`` it is, for columns of 0 and 1, mu at 1 less mu at 0; for an indicator of a
    factor (``levels``) mu at its level less mu at the first. ``known``, (n, K, p), is the part
    of d eta / d x that the offset has: that of a base.
    """
    shares = fitted.weights.shares
    rows = replace(fitted.rows, weight=shares)
    found = []
    for j in range(rows.X.shape[1]):
        ends = _ends(rows, inputs, j, levels) if dummy else None
        of_offset = None if known is None else known[..., j]
        found.append(_effects_of(fitted, inputs, rows, j, mean, ends, block, of_offset))
    by_row, gradients = zip(*found, strict=True)
    return ColumnEffects(np.stack(by_row, axis=1), shares, np.concatenate(gradients))


def _effects_of(
    fitted: Fitted,
    inputs: Inputs,
    rows: Rows,
    j: int,
    mean: bool,
    ends: Ends | None,
    size: int,
    known: Array | None,
) -> tuple[Array, Array]:
    """Return the effects of column j, (n, K), and the gradients of their averages, (K, q)."""
    model = (fitted.objective.network, fitted.family, fitted.w)
    direction = inputs.directions()[j]
    effects, gradients = [], np.zeros(())
    for first, block in zip(range(0, len(rows), size), rows.blocks(size), strict=True):
        if ends is not None:
            places, *values = ends
            found, gradient = functionals.steps(*model, *(_at(block, places, z) for z in values))
        else:
            slope = 0.0 if known is None else known[first : first + size]
            found, gradient = functionals.partial_effects(*model, block, direction, mean, slope)
        effects.append(found)
        gradients = gradients + gradient
    return np.concatenate(effects), gradients


def _ends(rows: Rows, inputs: Inputs, j: int, levels: LevelSteps) -> Ends | None:
    """Return the columns of Z that a step moves, and their values before and after it."""
    values = np.unique(rows.X[:, j] * inputs.scale[j] + inputs.center[j])
    binary = len(values) == 2 and np.allclose(values, (0.0, 1.0), atol=1e-12)
    if j not in levels and not binary:
        return None
    places, *given = ends_of_step(j, levels)
    before, after = ((x - inputs.center[places]) / inputs.scale[places] for x in given)
    return places, before, after


def _at(rows: Rows, places: NDArray[np.intp], values: Array) -> Rows:
    """Return the rows with these values in these columns."""
    X = rows.X.copy()
    X[:, places] = values
    return replace(rows, X=X)
