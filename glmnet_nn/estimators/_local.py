"""Slopes of the linear predictor in the inputs, of any fitted model, and attentions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.estimators._base_model import base_slopes
from glmnet_nn.estimators._columns import design_columns
from glmnet_nn.estimators._ensemble import require_one_network
from glmnet_nn.estimators._tables import known_inputs
from glmnet_nn.network import LocalNetwork

_BLOCK_NUMBERS = 2**18  # of a layer for one block of rows


class LocalCoefMixin:
    """``local_coef()`` and ``regression_attention()`` of a fitted estimator."""

    if TYPE_CHECKING:  # what BaseDeepGLM has
        base: Any
        _coding: Any
        family_: Any
        link_: Any
        estimators_: list[Any]
        _is_ensemble: bool
        _network: Any
        _weights: Array

        def _predictors_at(self, X: Any, offset: Any, exposure: Any) -> Array: ...

    def local_coef(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return d eta / d x at each row, the coefficients of the GLM that is the model there.

        The recursion, started from unit vectors and carried to the input. Without hidden
        layers it is ``coef_`` in every row. Under the log link exp of it is a relativity:
        the factor on the mean per unit of x. It is the slope of ``linear_predictor``, that
        of ``base`` included; of Multinoulli only differences between classes mean anything.
        Of a column that is clipped in a row (``input_bounds_``) a dense network has slope 0.
        Standard errors: ``inference(X, y).local_coef(X)``.

        Parameters
        ----------
        X : array-like of shape (n, p)
        offset, exposure : array-like of shape (n,), optional
            As of ``predict``. They change the slopes of an ensemble alone, whose eta is g of a
            mean of means, and not under the links identity and log.

        Returns
        -------
        array of shape (n, p), or (n, n_outputs, p) for several outputs

        Raises
        ------
        ValueError
            The slopes of ``base`` are not known.

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
        features, _, _ = design_columns(self, X, None, None)
        known = base_slopes(self.base, features, self.family_, self._coding is not None)
        members = self.estimators_ if self._is_ensemble else [self]
        slopes = np.stack([member._network_slopes(features) for member in members])
        if known is not None:
            slopes += known
        found = slopes[0]
        if self._is_ensemble:
            eta = self._predictors_at(X, offset, exposure)
            for j in range(slopes.shape[-1]):
                found[..., j] = self.link_.average_tangent(eta, slopes[..., j])
        return found[:, 0] if found.shape[1] == 1 else found

    def _network_slopes(self, X: ArrayLike) -> Array:
        """Return d network(x) / d x, (n, K, p)."""
        network, w = self._network, self._weights
        return self._by_rows(X, lambda rows: network.input_slopes(w, network.forward(w, rows)[0]))

    def regression_attention(self, X: ArrayLike) -> Array:
        """Return beta(x) of ``architecture="local"``, for X as given.

            eta = attention_intercept_ + sum_j beta_j(x) (x_j - attention_center_j) + offset

        with beta(x) the outputs of the network. beta_j (x_j - c_j) is what column j
        contributes to eta of the row; d eta / d x_j, which is ``local_coef``, has
        the slopes of beta as well. Without hidden layers it is ``coef_`` in every row.

        Parameters
        ----------
        X : array-like of shape (n, p)

        Returns
        -------
        array of shape (n, p), or (n, n_outputs, p) for several outputs

        Raises
        ------
        ValueError
            The model has hidden layers and another architecture, or is an ensemble, whose
            eta is not linear in the attentions of its members.

        References
        ----------
        Richman and Wüthrich (2023), "LocalGLMnet: interpretable deep learning for tabular
        data", Scandinavian Actuarial Journal 2023(1).
        """
        check_is_fitted(self)
        X, _, _ = design_columns(self, X, None, None)
        network, w = self._attending(), self._weights
        if isinstance(network, LocalNetwork):
            beta = self._by_rows(X, lambda rows: network.attention(w, rows))
        else:
            glm = network.layout.layers(w)[0].W
            beta = self._by_rows(X, lambda rows: np.broadcast_to(glm, (len(rows), *glm.shape)))
        return beta[:, 0] if beta.shape[1] == 1 else beta

    @property
    def attention_center_(self) -> Array:
        """The c of ``regression_attention``, (p,): 0 where the intercept has it."""
        network = self._attended()
        center = network.center if isinstance(network, LocalNetwork) else None
        return np.zeros(network.layout.sizes[0]) if center is None else center.copy()

    @property
    def attention_intercept_(self) -> float | Array:
        """The b of ``regression_attention``: a number, or (n_outputs,)."""
        layout = self._attended().layout
        b = layout.intercept(self._weights)
        b = np.zeros(layout.sizes[-1]) if b is None else b
        return float(b[0]) if len(b) == 1 else b

    def _attended(self) -> Any:
        """Return the network, for an attribute that a model without attentions has not."""
        try:
            return self._attending()
        except NotFittedError:  # an AttributeError as well
            raise
        except ValueError as error:
            raise AttributeError(str(error)) from error

    def _attending(self) -> Any:
        """Return the network, if it has attentions."""
        check_is_fitted(self)
        require_one_network(
            self, "regression_attention()", "Ask each of estimators_, or see local_coef()."
        )
        network = self._network
        if network.depth and not isinstance(network, LocalNetwork):
            raise ValueError(
                "regression attentions are the coefficients of architecture='local', but this "
                "model has dense layers. Use local_coef(X), the slopes of its linear predictor, "
                "or fit with architecture='local'."
            )
        return network

    def _by_rows(self, X: ArrayLike, values: Callable[[Array], Array]) -> Array:
        """Return values of rows, (n, K, p), of a block at a time."""
        rows = known_inputs(self, X)
        sizes = self._network.layout.sizes
        found = np.empty((len(rows), sizes[-1], sizes[0]))
        size = max(1, _BLOCK_NUMBERS // max(sizes))
        for first in range(0, len(rows), size):
            at = slice(first, first + size)
            found[at] = values(rows[at].astype(float, copy=False))
        return found
