"""Which coefficients of a GLM the data determine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array
from glmnet_nn.network import Layout
from glmnet_nn.training.inputs import Inputs

_ROUNDING = 1e-8


def moves(layout: Layout, inputs: Inputs, directions: Array) -> NDArray[np.bool_]:
    """Return, (n_outputs, p + 1), which coefficients of X some direction changes.

    ``directions`` are columns of changes of the parameters of Z = ``inputs`` of X;
    the last coefficient is the intercept.
    """
    K, p = layout.sizes[-1], len(inputs.center)
    changed = np.zeros((K, p + 1), dtype=bool)
    for direction in directions.T:
        noise = _ROUNDING * np.abs(direction).max(initial=0.0)
        W, b = layout.layers(_without_noise(direction, noise))[-1]
        scaled = W if inputs.basis is None else _without_noise(W @ inputs.basis.T, noise)
        changed[:, :p] |= scaled != 0
        if b is not None:
            shifts = scaled / inputs.scale * inputs.center
            sizes = np.abs(b) + np.abs(shifts).sum(axis=1)
            changed[:, p] |= np.abs(b - shifts.sum(axis=1)) > _ROUNDING * sizes
    return changed


def _without_noise(values: Array, noise: float) -> Array:
    return np.where(np.abs(values) > noise, values, 0.0)


def estimable(layout: Layout, inputs: Inputs, free: Array) -> NDArray[np.bool_]:
    """Return, (n_outputs, p + 1), which coefficients of X have one finite estimate.

    Not so where a change is possible that moves no fitted mean: along the null
    space of X, and along ``free``, the directions that separated data leave open.
    A coefficient is estimable exactly if no such direction changes it.
    """
    undetermined = moves(layout, inputs, free)
    if inputs.basis is not None:
        whole = Inputs(inputs.center, inputs.scale)
        one = Layout((len(inputs.center), 1), layout.fit_intercept)
        null = linalg.null_space(inputs.basis.T)
        directions = np.vstack([null, np.zeros((one.size - len(null), null.shape[1]))])
        undetermined |= moves(one, whole, directions)
    return ~undetermined
