"""The y of a regressor: what it may be, and the shape in which predictions of it come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array

from families import Array, ExponentialFamily
from glmnet_nn.estimators._base_model import base_offset
from glmnet_nn.estimators._choices import asked_law
from glmnet_nn.estimators._columns import entered_columns
from glmnet_nn.estimators._validation import with_trials


class ResponseMixin:
    """Columns of y, one for each output of the network; ``_y_ndim`` is what y had in ``fit``."""

    if TYPE_CHECKING:  # what DeepGLMRegressor has
        base: Any
        family: str | ExponentialFamily
        family_: ExponentialFamily
        link: Any
        n_outputs_: int

        def _entered_matrix(
            self,
            X: Any,
            y: ArrayLike,
            sample_weight: ArrayLike | None,
            reset: bool = True,
            **checks: Any,
        ) -> tuple[Array, NDArray[Any]]: ...

    def _entered(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
        partial: bool = False,
    ) -> tuple[Any, ...]:
        """Return X, columns of y, the law, weights, offset, exposure and trials, validated."""
        reset = not (partial and hasattr(self, "family_"))
        given = (X, y, sample_weight, offset, exposure)
        X, y, offset, exposure = entered_columns(self, *given, reset=reset)
        family = asked_law(self.family, self.link)
        rows, target = self._entered_matrix(
            X, y, sample_weight, reset, multi_output=True, y_numeric=True
        )
        target = np.asarray(target, dtype=float)
        columns = target[:, None] if target.ndim == 1 else target
        if family.event_ndim and columns.shape[1] < 2:
            raise ValueError(
                f"{type(family).__name__} needs y of shape (n, K), K >= 2, a row of probabilities "
                f"each, but y has shape {target.shape}. For labels use DeepGLMClassifier."
            )
        if family.event_ndim:  # proportions in single precision sum to 1 to its digits
            totals = columns.sum(axis=1, keepdims=True)
            columns = columns / np.where(np.abs(totals - 1) <= 1e-6, totals, 1.0)
        columns, trials = family.response(columns)
        if reset:
            self._y_ndim = target.ndim if trials is None else 1
        offset = base_offset(self.base, X, family.initial, offset, columns.shape[1])
        weight = with_trials(sample_weight, trials, rows)
        return rows, columns, family, weight, offset, exposure, trials

    def _response(self, y: ArrayLike, X: Array, sample_weight: ArrayLike | None) -> Array:
        return self._columns(y, len(X))[0]

    def _trials(self, y: ArrayLike, X: Array) -> Array | None:
        return self._columns(y, len(X))[1]

    def _columns(self, y: ArrayLike, n_rows: int) -> tuple[Array, Array | None]:
        """Return y as (n, n_outputs), if it has the shape of the fit, and its trials."""
        observed: Array = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        columns = observed[:, None] if observed.ndim == 1 else observed
        columns, trials = self.family_.response(columns)
        if columns.shape != (n_rows, self.n_outputs_):
            raise ValueError(
                f"y must have {n_rows} rows, as X has, and {self.n_outputs_} columns, as in fit, "
                f"but its shape is {observed.shape}. Give one y for each row of X."
            )
        return columns, trials

    def _output_names(self) -> list[str]:
        return [str(k) for k in range(self.n_outputs_)]

    def _row_shape(self, method: str) -> tuple[tuple[int, ...], Any]:
        """Return the shape of a row of what a method of predictions returns, and its type."""
        return () if self._y_ndim == 1 else (self.n_outputs_,), np.dtype(float)

    def _by_row(self, eta: Array) -> Array:
        """Return the means of each network, (k, n), or (k, n, n_outputs)."""
        mu = self.family_.mean(eta)
        return mu[..., 0] if self._y_ndim == 1 else mu

    def _shaped(self, values: Array) -> Array:
        return values[:, 0] if self._y_ndim == 1 else values
