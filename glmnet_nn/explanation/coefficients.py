"""Local coefficients of a fitted model at rows, and how they change with the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._columns import design_columns, on_design
from glmnet_nn.estimators._ensemble import require_one_network
from glmnet_nn.estimators._tables import known_inputs
from glmnet_nn.estimators._validation import (
    check_weight,
    named_output,
    require_array,
    row_labels,
)
from glmnet_nn.network import LocalNetwork, Network, input_slopes_tangent, tangent

_BLOCK_NUMBERS = 2**20
_KINDS = ("local_coef", "regression_attention")


@dataclass(frozen=True)
class Explained:
    """A fitted model at rows of positive weight.

    Parameters
    ----------
    estimator : DeepGLMRegressor or DeepGLMClassifier
    X : array of shape (n, p)
    shares : array of shape (n,)
        Weights, summing to 1.
    of : {"local_coef", "regression_attention"}
        beta: the slopes of eta, or the attentions of architecture="local".
    standardize : bool
        Whether beta_j is per standard deviation of x_j, or per unit.
    index : Index
        Labels of the rows.
    table : DataFrame, optional
        The rows of X before they were numbers, if the model codes them.
    """

    estimator: BaseDeepGLM
    X: Array
    shares: Array
    of: str
    standardize: bool
    index: pd.Index
    table: pd.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The columns of X."""
        return self.estimator.feature_names_

    @property
    def outputs(self) -> list[str] | None:
        """What several outputs are called; None for one."""
        return self.estimator._output_names() if self.estimator.n_outputs_ > 1 else None

    @cached_property
    def scale(self) -> Array:
        """What beta_j is per, (p,): standard deviations of X, or 1."""
        if not self.standardize:
            return np.ones(self.X.shape[1])
        return np.asarray(np.sqrt(self.shares @ np.square(self.X - self.shares @ self.X)))

    @cached_property
    def coefficients(self) -> Array:
        """beta_j, (n, K, p); of classes less their mean, for eta is determined up to a shift."""
        given = getattr(self.estimator, self.of)(self.frame)
        beta = given if given.ndim == 3 else given[:, None]
        return self._determined(beta) * self.scale

    def slopes(self, j: int) -> Array:
        """Return d beta_j / d x_k, (n, K, p), per scale_k."""
        _require_slopes(self.estimator)
        found = np.concatenate(list(_slopes(self.estimator, self.of, self.X, self.frame, j)))
        return self._determined(found) * self.scale * self.scale[j]

    def place(self, column: str) -> int:
        """Return the number of a column."""
        if column not in self.names:
            raise ValueError(f"column must be one of {self.names[:20]}, but got {column!r}.")
        return self.names.index(column)

    def output(self, output: Any) -> int:
        """Return the number of an output; of one output nothing need be said."""
        return named_output(output, self.outputs) or 0

    @cached_property
    def frame(self) -> Any:
        """X as the estimator takes it, with the neutral offset and exposure that it names."""
        estimator = self.estimator
        if not hasattr(estimator, "feature_names_in_"):
            return self.X if self.table is None else self.table
        if self.table is None:
            frame = pd.DataFrame(self.X, columns=estimator.feature_names_in_)
        else:
            frame = self.table.copy()
        for column, neutral in ((estimator.offset, 0.0), (estimator.exposure, 1.0)):
            if column is not None:
                frame[column] = neutral
        return frame

    def _determined(self, values: Array) -> Array:
        if self.estimator.family_.event_ndim:
            return np.asarray(values - values.mean(axis=1, keepdims=True))
        return values


def explained(
    estimator: BaseDeepGLM,
    X: Any,
    of: str,
    sample_weight: ArrayLike | None,
    standardize: bool,
) -> Explained:
    """Return the model at the rows of positive weight, all arguments checked."""
    if not isinstance(estimator, BaseDeepGLM):
        raise TypeError(
            "local coefficients are those of a DeepGLMRegressor or DeepGLMClassifier, but got a "
            f"{type(estimator).__name__}. Of a pipeline pass its last step, and X transformed by "
            "the others."
        )
    check_is_fitted(estimator)
    if of not in _KINDS:
        raise ValueError(f"of must be one of {list(_KINDS)}, but got {of!r}.")
    features, _, _ = design_columns(estimator, X, None, None)
    estimator = on_design(estimator)
    rows = known_inputs(estimator, features, as_entries=False).astype(float, copy=False)
    require_array(rows, "there is a coefficient for every column of every row")
    weight = check_weight(sample_weight, rows)
    index = row_labels(features, len(rows))
    present = weight > 0
    shares = weight[present] / weight.sum()
    table = None
    if estimator._coding is not None:
        table = features if isinstance(features, pd.DataFrame) else pd.DataFrame(features)
        table = table[present]
    found = Explained(estimator, rows[present], shares, of, standardize, index[present], table)
    getattr(estimator, of)(found.frame[:1])  # which says so if there are none
    return found


def _require_slopes(estimator: Any) -> None:
    """Raise if a model, or its base, is an ensemble: of its slopes the slopes are not taken."""
    while estimator is not None:
        require_one_network(
            estimator, "the slope of a local coefficient", "Ask each of estimators_."
        )
        estimator = getattr(estimator, "base", None)


def _slopes(estimator: Any, of: str, X: Array, frame: Any, j: int) -> Iterator[Array]:
    """Yield d beta_j / d x of blocks of rows, (m, K, p)."""
    network, w = estimator._network, estimator._weights
    sizes = network.layout.sizes
    base = estimator.base if of == "local_coef" else None
    size = max(1, _BLOCK_NUMBERS // (max(sizes) * sizes[-1]))
    for at in range(0, len(X), size):
        block = slice(at, at + size)
        inputs, _ = network.forward(w, X[block])
        found = _of_network(network, w, inputs, of, j)
        if base is not None:
            part = frame.iloc[block] if isinstance(frame, pd.DataFrame) else frame[block]
            found = found + np.concatenate(list(_slopes(base, of, X[block], part, j)))
        yield found


def _of_network(network: Network, w: Array, inputs: list[Array], of: str, j: int) -> Array:
    """Return d beta_j / d x, (m, K, p): the recursion differentiated along x_j."""
    if of == "regression_attention":
        if isinstance(network, LocalNetwork):
            return network.attention_slopes(w, inputs, j)
        return np.zeros((len(inputs[0]), network.layout.sizes[-1], network.layout.sizes[0]))
    along = np.zeros_like(inputs[0])
    along[:, j] = 1.0
    moved = tangent(network, w, inputs, input_tangent=along)
    return np.asarray(input_slopes_tangent(network, w, inputs, moved))
