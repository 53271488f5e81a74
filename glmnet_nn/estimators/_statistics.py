"""What every estimator offers a statistician: inference and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.blocks import blocks_of
from glmnet_nn.estimators._block_entry import known_rows, surveyed
from glmnet_nn.estimators._columns import given_response, known_columns
from glmnet_nn.estimators._ensemble import require_one_network
from glmnet_nn.estimators._inference import glm_results
from glmnet_nn.estimators._network_inference import network_results
from glmnet_nn.estimators._sparse import accepted_sparse
from glmnet_nn.estimators._tables import known_matrix
from glmnet_nn.estimators._validation import (
    COMPRESSED,
    as_inputs,
    check_offset,
    check_weight,
    present_rows,
    row_labels,
    with_trials,
)
from glmnet_nn.inference import (
    Estimate,
    GLMResults,
    InferenceOptions,
    NetworkResults,
    generator,
)
from glmnet_nn.inference.residuals import residuals
from glmnet_nn.inference.weights import weighting
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source


class StatisticsMixin:
    """``inference()`` and ``residuals()`` of a fitted estimator."""

    if TYPE_CHECKING:  # what BaseDeepGLM has
        alpha: Any
        alpha_: list[float]
        dispersion_: float
        family_: Any
        fit_intercept: bool
        n_outputs_: int
        _network: Any

        @property
        def feature_names_(self) -> list[str]: ...
        def _predictors(self, rows: Array, known: Array | None) -> Array: ...
        def _mean_predictor(self, eta: Array) -> Array: ...
        def _response(self, y: ArrayLike, X: Array, sample_weight: ArrayLike | None) -> Array: ...
        def _trials(self, y: ArrayLike, X: Array) -> Array | None: ...

    def inference(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        cov_type: str = "auto",
        groups: ArrayLike | None = None,
        dispersion: str | float | None = None,
        hac_maxlags: int | None = None,
        weight_type: str = "freq",
        use_t: bool = False,
    ) -> GLMResults | NetworkResults:
        """Return estimates, standard errors, tests and diagnostics.

        With hidden layers they are of predictions, average partial effects and contrasts,
        never of weights, and hold if the model was fitted by ``fit_for_inference``.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            The data that the model was fitted to. Of proportions with trials as weights,
            nobs, df_resid, llf, AIC and BIC are those of the single trials, which differ
            from those of binomial counts.
        cov_type : str, default="auto"
            "nonrobust" is phi F^-1, F the Fisher information. "HC0" to "HC3" hold when
            the variance is wrong, "cluster" when rows of the same group depend on each
            other, "HAC" when rows near in time do. "auto" is nonrobust, or HC1 under
            probability weights.
        groups : array-like of shape (n,) or (n, 2), optional
            For "cluster": labels; two columns are two ways of grouping.
        dispersion : None, "pearson", "deviance" or float, default=None
            phi: None estimates it by Pearson's chi^2 / df_resid if the law has a
            dispersion, else it is 1. By name it is estimated for every law (quasi-Poisson);
            llf, AIC and BIC of a law without one stay those at 1. Robust standard errors do
            not depend on phi; scale, llf, studentised residuals, Cook's distances and the law
            of a new observation do.
        hac_maxlags : int, optional
            For "HAC": lags with a weight, 4 (n / 100)^(2/9) by default.
        weight_type : {"freq", "var", "prob"}, default="freq"
            What a weight w says. freq: the row is w equal observations. var: its dispersion
            is phi / w. prob: it was drawn with probability proportional to 1 / w. The
            estimates are the same; nobs, phi, llf and standard errors are not.
        use_t : bool, default=False
            Refer tests to t and F, as R does where phi is estimated, not to the normal law.

        Returns
        -------
        GLMResults
            Without hidden layers. With statsmodels' names: params, bse, tvalues, pvalues,
            conf_int(), cov_params(), llf, aic, bic, deviance, scale, summary(), wald_test(),
            t_test(), score_test(), get_prediction(), get_margeff(), get_influence(),
            resid_deviance, ...
        NetworkResults
            With hidden layers: get_prediction(), average_partial_effects(), contrast(), llf,
            aic, bic, scale, flags, trustworthy, summary(), ...

        Warns
        -----
        InferenceWarning
            The standard errors of this network cannot be trusted: ``flags`` tells why. Without
            hidden layers: the score is not 0 at these data, which then are not those of the
            fit (g' F^-1 g / phi is above 1e-3); the fit reproduces y exactly.

        Raises
        ------
        ValueError
            The model has several outputs or members, l1_ratio > 0 or, without hidden layers, a
            penalty;
            options that do not go together; names of columns that are not distinct.
        """
        options = InferenceOptions(cov_type, groups, dispersion, hac_maxlags, weight_type, use_t)
        check_is_fitted(self)
        require_one_network(
            self,
            "inference()",
            "Fit one by fit_for_inference() with n_estimators=1; coefficient_of_variation(X) "
            "tells how predictions vary over the members.",
        )
        self._require_distinct_names()
        blocks = blocks_of(X, y, sample_weight, offset, exposure)
        if blocks is not None:
            source = surveyed(known_rows(self, blocks), self.family_)
            return self._results(source, pd.RangeIndex(0), options)
        y = given_response(self, X, y, sample_weight)
        X, offset, exposure = known_columns(self, X, offset, exposure, sample_weight)
        checks = {"dtype": np.float64, "accept_sparse": accepted_sparse(self)}
        rows: Array = as_inputs(known_matrix(self, X, sample_weight, **checks))
        weight = with_trials(sample_weight, self._trials(y, rows), rows)
        present = check_weight(weight, rows) > 0
        index = row_labels(X, len(rows))[present]
        data = self._rows(rows, y, sample_weight, offset, exposure)
        return self._results(data, index, options.take(present))

    def residuals(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        kind: str = "deviance",
        weight_type: str = "freq",
        random_state: Any = None,
    ) -> Array:
        """Return residuals of a model of any depth, on any data.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            Rows of weight 0 have none.
        kind : {"response", "working", "pearson", "deviance", "anscombe", "quantile"}
            See :func:`glmnet_nn.inference.residuals.residuals`. Quantile residuals are
            standard normal under the model, at ``dispersion_``; those of discrete laws are
            drawn within the jump of the distribution function.
        weight_type : {"freq", "var", "prob"}, default="freq"
            Weights of type var are precisions: the residuals are on the scale of weight 1.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws of quantile residuals.

        Returns
        -------
        array of shape (n,), or (n, n_outputs)
        """
        options = InferenceOptions(weight_type=weight_type)
        check_is_fitted(self)
        rows = self._given_rows(X, y, sample_weight, offset, exposure)
        values = residuals(
            self.family_,
            rows.y,
            self._mean_predictor(self._predictors(rows.X, rows.offset)),
            kind,
            precision=weighting(rows.weight, options.weight_type, rows.trials).precision,
            phi=self.dispersion_,
            rng=generator(random_state),
        )
        return values[:, 0] if values.shape[1] == 1 else values

    def _given_rows(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
    ) -> Rows:
        """Return data as the user has them as rows, checked against the fit."""
        y = given_response(self, X, y, sample_weight)
        X, offset, exposure = known_columns(self, X, offset, exposure, sample_weight)
        checks: dict[str, Any] = {"dtype": np.float64, "accept_sparse": COMPRESSED}
        validated: Array = as_inputs(known_matrix(self, X, sample_weight, **checks))
        return self._rows(validated, y, sample_weight, offset, exposure)

    def _require_distinct_names(self) -> None:
        """Raise if a coefficient could not be told from another by its name."""
        intercept = self.fit_intercept and not self._network.depth
        names = ["Intercept"] * intercept + self.feature_names_
        if len(set(names)) < len(names):
            clash = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(
                "inference() calls coefficients by the names of columns, and that of the ones "
                f"'Intercept', so that names must be distinct, but {clash} occur more than once. "
                "Rename columns of X and fit again."
            )

    def _rows(
        self,
        X: Array,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
    ) -> Rows:
        """Return the rows of positive weight, y checked against family and fit."""
        columns = self._response(y, X, sample_weight)
        trials = self._trials(y, X)
        weight = check_weight(with_trials(sample_weight, trials, X), X)
        known = check_offset(offset, exposure, self.family_, len(X), columns.shape[1], weight > 0)
        # Taken even if all are present: a copy, since results ask their rows for more later.
        rows = Rows(X, columns, weight, known, trials).take(weight > 0)
        self.family_.check_response(rows.y)
        return rows

    def _own_estimate(
        self,
        X: Array,
        y: Array,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
    ) -> Estimate:
        """Return the parameters and their covariance from the validated data of the fit."""
        X = X.astype(float, copy=False)
        rows = present_rows(X, y, self.family_, sample_weight, offset, exposure, None)
        return self._results(rows, pd.RangeIndex(len(rows)), InferenceOptions()).estimate

    def _results(
        self, rows: Rows | Source, index: pd.Index, options: InferenceOptions
    ) -> GLMResults | NetworkResults:
        """Return the results of inference at these rows."""
        if any(self.alpha_) and not self._network.depth:
            raise ValueError(
                "inference() needs the maximum likelihood estimate, but this model was fitted "
                f"with alpha={self.alpha!r}. Set alpha=0."
            )
        if self.n_outputs_ > 1 and not self.family_.event_ndim:
            raise ValueError(
                f"inference() takes one output, but this model has {self.n_outputs_}. "
                "Fit one model for each column of y."
            )
        if not self._network.depth:
            return glm_results(self, rows, index, options)
        if isinstance(rows, Source):
            raise ValueError(
                "inference() of a network needs rows in memory, but X comes in blocks. Give a "
                "sample of them, or fit without hidden layers."
            )
        return network_results(self, rows, index, options)
