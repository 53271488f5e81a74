"""Slopes of the linear predictor in the inputs, of any fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.estimators._columns import take_columns
from glmnet_nn.estimators._validation import check_inputs

_BLOCK_NUMBERS = 2**18  # of a layer for one block of rows


class LocalCoefMixin:
    """``local_coef()`` of a fitted estimator."""

    if TYPE_CHECKING:  # what BaseDeepGLM has
        _network: Any
        _weights: Array

    def local_coef(self, X: ArrayLike) -> Array:
        """Return d eta / d x at each row, the coefficients of the GLM that is the model there.

        The recursion, started from unit vectors and carried to the input. Without hidden
        layers it is ``coef_`` in every row. Under the log link exp of it is a relativity:
        the factor on the mean per unit of x. It is the slope of ``linear_predictor``;
        of Multinoulli only differences between classes mean anything. Standard errors:
        ``inference(X, y).local_coef(X)``.

        Parameters
        ----------
        X : array-like of shape (n, p)
            An offset or exposure among its columns changes no slope.

        Returns
        -------
        array of shape (n, p), or (n, n_outputs, p) for several outputs

        Examples
        --------
        >>> import numpy as np
        >>> from glmnet_nn import DeepGLMRegressor
        >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
        >>> glm = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, y)
        >>> print(glm.local_coef([[0.0], [9.0]]).round(9))
        [[2.]
         [2.]]
        """
        check_is_fitted(self)
        X, _, _ = take_columns(self, X, None, None)
        rows, network = check_inputs(self, X), self._network
        sizes = network.layout.sizes
        slopes = np.empty((len(rows), sizes[-1], sizes[0]))
        size = max(1, _BLOCK_NUMBERS // max(sizes))
        for first in range(0, len(rows), size):
            at = slice(first, first + size)
            inputs, _ = network.forward(self._weights, rows[at].astype(float, copy=False))
            slopes[at] = network.input_slopes(self._weights, inputs)
        return slopes[:, 0] if sizes[-1] == 1 else slopes
