"""D^2, the share of the deviance that a regression explains."""

from __future__ import annotations

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.training.data import Rows
from glmnet_nn.training.start import null_model

_ROUNDING = 1e-28  # of the square of y: a null deviance below is none


def explained_deviance(rows: Rows, eta: Array, family: ExponentialFamily) -> float:
    """Return D^2 = 1 - deviance / null deviance, the null model fitted to these rows.

    ``rows`` need no inputs; ``eta``, (n, K), has the offset in it. Without a deviance to
    explain it is 1 if the means are those observed, else 0.
    """
    loss = family.loss(rows.y, eta).reshape(len(rows), -1).sum(axis=1)
    deviance = float(rows.weight @ loss) / float(rows.weight.sum())
    constant = rows.offset is None and not np.ptp(rows.y, axis=0).any()
    null = 0.0 if constant else null_model(rows, family)[1]
    if null <= _ROUNDING * float(np.square(rows.y).mean()):  # no deviance to explain
        return float(np.allclose(family.mean(eta), rows.y, rtol=1e-9))
    return 1.0 - deviance / null
