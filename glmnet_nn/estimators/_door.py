"""How results of inference take new rows: as the fit that they are of."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from families import Array
from glmnet_nn.estimators._columns import known_columns
from glmnet_nn.estimators._validation import check_offset, row_labels
from glmnet_nn.inference import Door


def door_of(estimator: BaseEstimator) -> Door:
    """Return what validates new rows as this fit does; another fit does not change it."""
    return partial(_validated, copy.copy(estimator))


def _validated(
    estimator: BaseEstimator, X: Any, offset: Any, exposure: Any
) -> tuple[Array, Array | None, pd.Index]:
    """Return new rows as the fit had them, their offset, and their labels."""
    X, offset, exposure = known_columns(estimator, X, offset, exposure)
    rows: Array = validate_data(estimator, X, reset=False, dtype=np.float64)
    known = check_offset(offset, exposure, estimator.family_, len(rows), estimator.n_outputs_)
    return rows, known, row_labels(X, len(rows))
