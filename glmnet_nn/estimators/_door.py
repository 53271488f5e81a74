"""How results of inference take new rows: as the fit that they are of."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.estimators._base_model import base_slopes
from glmnet_nn.estimators._columns import known_columns
from glmnet_nn.estimators._sparse import accepted_sparse
from glmnet_nn.estimators._tables import known_matrix
from glmnet_nn.estimators._validation import as_inputs, check_offset, row_labels


@dataclass(frozen=True)
class Door:
    """What the results of a fit ask of it; see :class:`glmnet_nn.inference.Door`."""

    estimator: BaseEstimator

    @classmethod
    def of(cls, estimator: BaseEstimator) -> Door:
        """Return the door of this fit; another fit of the estimator does not change it."""
        return cls(copy.copy(estimator))

    def __call__(self, X: Any, offset: Any, exposure: Any) -> tuple[Array, Array | None, pd.Index]:
        """Return new rows as the fit had them, their offset, and their labels."""
        estimator = self.estimator
        X, offset, exposure = known_columns(estimator, X, offset, exposure)
        accepted = accepted_sparse(estimator)
        rows: Array = as_inputs(
            known_matrix(estimator, X, dtype=np.float64, accept_sparse=accepted)
        )
        known = check_offset(offset, exposure, estimator.family_, len(rows), estimator.n_outputs_)
        return rows, known, row_labels(X, len(rows))

    def base_slopes(self, rows: Array) -> Array | None:
        """Return d eta / d x of ``base`` at validated rows, (n, K, p); None without a base."""
        names = getattr(self.estimator, "feature_names_in_", None)
        plain = names is None or self.estimator._coding is not None
        X = rows if plain else pd.DataFrame(rows, columns=names)
        coded = self.estimator._coding is not None
        return base_slopes(self.estimator.base, X, self.estimator.family_, coded)
