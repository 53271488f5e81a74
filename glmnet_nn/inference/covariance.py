"""The covariance of maximum likelihood estimates from the Fisher information."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import stacked_qr

_RANK_RCOND = 1e-12


def covariance(objective: Objective, w: Array, free: Array) -> Array:
    """Return F^-1 on what the data determine, F = sum_i w_i J_i' S_i' S_i J_i.

    F is the Fisher information of the sum over rows at phi = 1 (THEORY: the
    recursion seeded with unit vectors gives J). F is never formed: with A = Q R,
    A'A = F, the inverse is R^-1 R^-T, by the singular values of R with its columns
    scaled to length 1. Along ``free`` and the flat directions of the law the
    covariance is 0: what they change is not estimable.

    Source: McCullagh and Nelder (1989), section 2.5; Golub and Van Loan (2013), 5.3.
    """
    fixed = np.column_stack([free, objective.flat_directions().T])
    kept = linalg.null_space(fixed.T) if fixed.shape[1] else np.eye(w.size)
    blocks = ((A @ kept, r) for A, r in objective.scoring_blocks(w))
    R = stacked_qr(blocks, kept.shape[1])[:, : kept.shape[1]]
    scale = np.sqrt(np.square(R).sum(axis=0))
    scale[scale == 0] = 1.0
    _, s, Vt = linalg.svd(R / scale, full_matrices=False)
    sound = s > _RANK_RCOND * s.max(initial=0.0)
    root = kept @ ((Vt[sound].T / s[sound]) / scale[:, None])
    return np.asarray(root @ root.T / objective.total_weight)
