"""D^2, the share of the deviance that a regression explains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from families import Array, ExponentialFamily
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source
from glmnet_nn.training.start import null_model

_EPS = np.finfo(float).eps
_ROUNDING = 1e-28  # of the square of y: a null deviance below is none


def explained_deviance(rows: Rows, eta: Array, family: ExponentialFamily) -> float:
    """Return D^2 = 1 - deviance / null deviance, the null model fitted to these rows.

    ``rows`` need no inputs; ``eta``, (n, K), has the offset in it. Without a deviance to
    explain it is 1 if the means are those observed, else 0.
    """
    deviance = _total_loss(family, lambda rows: eta, rows) / rows.total_weight
    constant = rows.offset is None and not np.ptp(rows.y, axis=0).any()
    null = 0.0 if constant else null_model(rows, family)[1]
    if null <= _ROUNDING * float(np.square(rows.y).mean()):  # no deviance to explain
        return float(_agrees(family, lambda rows: eta, rows))
    return 1.0 - deviance / null


def explained_deviance_of_blocks(
    source: Source, predictor: Callable[[Rows], Array], family: ExponentialFamily
) -> float:
    """Return D^2 of rows that come in blocks; ``predictor`` gives eta of rows."""
    deviance = sum(source.map(partial(_total_loss, family, predictor))) / source.total_weight
    response = source.facts.response
    varies = response.variance > np.square(16 * _EPS * response.mean)
    constant = source.facts.offset_levels is None and not varies.any()
    null = 0.0 if constant else null_model(source, family)[1]
    squares = float((response.variance + np.square(response.mean)).mean())
    if null <= _ROUNDING * squares:
        return float(all(source.map(partial(_agrees, family, predictor))))
    return 1.0 - deviance / null


def _total_loss(family: ExponentialFamily, predictor: Callable[[Rows], Array], rows: Rows) -> float:
    loss = family.loss(rows.y, predictor(rows)).reshape(len(rows), -1).sum(axis=1)
    return float(rows.weight @ loss)


def _agrees(family: ExponentialFamily, predictor: Callable[[Rows], Array], rows: Rows) -> bool:
    return bool(np.allclose(family.mean(predictor(rows)), rows.y, rtol=1e-9))
