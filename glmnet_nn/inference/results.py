"""The results of a fitted GLM, under the names of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.contrasts import contrasts, numbers
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.estimate import Estimate, root_of
from glmnet_nn.inference.hypotheses import added_columns, by_row, wald
from glmnet_nn.inference.influence import Influence
from glmnet_nn.inference.likelihood_ratio import likelihood_ratio
from glmnet_nn.inference.local_coefficients import Door, LocalInference
from glmnet_nn.inference.margins import Effects, LinearPredictor, MarginalEffects, Population
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.partial_effects import PartialInference
from glmnet_nn.inference.predictions import PredictionInference
from glmnet_nn.inference.reference import (
    ContrastTest,
    JointTest,
    coefficient_table,
    critical_value,
    ratio,
    reference,
)
from glmnet_nn.inference.residuals import ResidualInference
from glmnet_nn.inference.shown import ShownSummary
from glmnet_nn.inference.summary import Summary
from glmnet_nn.training.inputs import Inputs


@dataclass(frozen=True, repr=False)
class GLMResults(
    ShownSummary, PredictionInference, LocalInference, PartialInference, ResidualInference
):
    """Estimates, their uncertainty, tests and diagnostics of a model without hidden layers.

    Coefficients are asymptotically normal, with covariance phi F^-1, F the Fisher
    information (McCullagh and Nelder 1989, section 2.5), or a sandwich that holds when
    only the mean is right (:mod:`glmnet_nn.inference.sandwich`). A coefficient that the
    data do not determine (separation, linear dependency) has standard error NaN; a linear
    combination that they do determine can be tested.

    Attributes
    ----------
    params, bse, tvalues, pvalues : Series, or DataFrame of names x classes
        Coefficients, ``Intercept`` first; of Multinoulli differences from the first class.
        Tests refer to the normal law, or to t with ``use_t=True``.
    llf, llnull : float
        Log-likelihood of the fit and of the null model, both at ``scale``; for the Normal
        law with identity link each at its own mean squared residual.
    deviance, null_deviance, pearson_chi2, scale : float
        ``scale`` is phi.
    nobs, n_parameters, df_model, df_resid : float
        Observations; coefficients that the data determine; those beside the
        intercepts; nobs - n_parameters.
    df_inference : float
        Degrees of freedom of t and F: df_resid, or groups - 1 for cov_type="cluster".
    n_law_parameters : int
        Parameters of the law that were estimated, as alpha of the negative binomial law:
        they count in AIC and BIC (as in R's glm.nb and in statsmodels); standard errors
        take them as known.
    bias_reduced : bool
        Whether the estimates are Firth's: no maximum of the likelihood.
    """

    coefficients: Coefficients
    fitted: Fitted
    V: Array
    population: Population
    predictor: LinearPredictor
    index: pd.Index
    options: InferenceOptions
    deviance: float
    pearson_chi2: float
    scale: float
    nobs: float
    n_parameters: int
    df_model: int
    df_resid: float
    df_inference: float
    title: str
    inputs: Inputs
    free: Array
    door: Door
    n_law_parameters: int = 0
    bias_reduced: bool = False

    @cached_property
    def estimate(self) -> Estimate:
        """The parameters and their covariance, as predictions need them."""
        return Estimate(
            family=self.fitted.family,
            scale=self.scale,
            network=self.fitted.objective.network,
            inputs=self.inputs,
            w=self.fitted.w,
            root=self.fitted.root @ root_of(self.V),
            undetermined=self.free,
            unit=np.ones(len(self.fitted.w)),
            df=self._df,
        )

    @property
    def _labels(self) -> tuple[list[str], list[str] | None, str]:
        several = self.coefficients.outputs is not None
        return self.predictor.names, self.predictor.output_names if several else None, ""

    # --------------------------------------------------------- coefficients

    @cached_property
    def params(self) -> Any:
        """Estimates."""
        return self.coefficients.shaped(self.coefficients.values)

    @cached_property
    def covariance(self) -> Array:
        """Covariance of the coefficients, class by class; NaN for what is not estimable."""
        return self.coefficients.covariance(self.V)

    @cached_property
    def _se(self) -> Array:
        return np.sqrt(np.diagonal(self.covariance))

    @cached_property
    def bse(self) -> Any:
        """Standard errors."""
        return self.coefficients.shaped(self._se)

    @cached_property
    def tvalues(self) -> Any:
        """params / bse."""
        return self.coefficients.shaped(ratio(self.coefficients.values, self._se))

    @cached_property
    def pvalues(self) -> Any:
        """Two-sided."""
        t = np.abs(ratio(self.coefficients.values, self._se))
        return self.coefficients.shaped(2 * reference(self._df).sf(t))

    @property
    def use_t(self) -> bool:
        """Whether tests refer to t and F, not to the normal law and chi-square."""
        return self.options.use_t

    @property
    def cov_type(self) -> str:
        """The covariance in use."""
        return self.options.cov_type

    @property
    def _df(self) -> float | None:
        return self.df_inference if self.use_t else None

    # ------------------------------------------------------------ likelihood

    @cached_property
    def null_deviance(self) -> float:
        """The deviance of the model with an intercept (and the offset) alone."""
        return 2 * self.fitted.null_loss() * self.fitted.total_weight

    @cached_property
    def llf(self) -> float:
        """The log-likelihood of the fit."""
        return self._log_likelihood(self.deviance)

    @cached_property
    def llnull(self) -> float:
        """The log-likelihood of the null model."""
        return self._log_likelihood(self.null_deviance)

    def _log_likelihood(self, deviance: float) -> float:
        return self.fitted.log_likelihood(deviance / 2, self.scale)

    @property
    def aic(self) -> float:
        """-2 llf + 2 (n_parameters + n_law_parameters)."""
        return -2 * self.llf + 2 * (self.n_parameters + self.n_law_parameters)

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) (n_parameters + n_law_parameters)."""
        n_parameters = self.n_parameters + self.n_law_parameters
        return -2 * self.llf + float(np.log(self.nobs)) * n_parameters

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance of params."""
        index = self.coefficients.index
        return pd.DataFrame(self.covariance, index=index, columns=index)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return params -+ z bse, z the 1 - alpha / 2 quantile; of classes one by one."""
        half = critical_value(self._df, alpha) * self._se
        values = self.coefficients.values
        limits = {0: values - half, 1: values + half}
        return pd.DataFrame(limits, index=self.coefficients.index)

    # ---------------------------------------------------------------- tests

    def wald_test(self, hypothesis: Any, use_f: bool | None = None) -> JointTest:
        """Test linear restrictions together.

        Parameters
        ----------
        hypothesis : str, list of str, array of shape (m, k), or (R, q)
            As in ``"x1 = x2, x3 = 0"``: see
            :func:`glmnet_nn.inference.contrasts.contrasts`. Coefficients of classes are
            called ``class:name``.
        use_f : bool, optional
            F instead of chi-square; by default as ``use_t``.
        """
        df = self.df_inference if (self.use_t if use_f is None else use_f) else None
        return wald(self._contrasts(hypothesis), self.coefficients, self.V, df)

    def f_test(self, hypothesis: Any) -> JointTest:
        """Test linear restrictions together by F."""
        return self.wald_test(hypothesis, use_f=True)

    def t_test(self, hypothesis: Any) -> ContrastTest:
        """Test linear restrictions one by one; ``hypothesis`` as in :meth:`wald_test`."""
        return by_row(self._contrasts(hypothesis), self.coefficients, self.V, self._df)

    def _contrasts(self, hypothesis: Any) -> Any:
        return contrasts(hypothesis, self.coefficients.labels)

    def score_test(self, exog_extra: ArrayLike, *, observed: bool = True) -> JointTest:
        """Test columns that the model lacks, without fitting a larger one.

        Parameters
        ----------
        exog_extra : array-like of shape (n,) or (n, m)
            Their values at the rows of the fit (those with a positive weight).
        observed : bool, default=True
            Whether the observed information is used, as by statsmodels, or the expected.
        """
        self._require_maximum("the score test")
        extra = numbers(exog_extra, "exog_extra")
        extra = extra[:, None] if extra.ndim == 1 else extra
        n = len(self.fitted.rows)
        if extra.ndim != 2 or len(extra) != n or not np.all(np.isfinite(extra)):
            raise ValueError(
                f"exog_extra must hold finite values, of shape ({n},) or ({n}, m), one row for "
                f"each row of the fit, but its shape is {np.shape(exog_extra)}."
            )
        return added_columns(
            self.fitted, extra, self.scale, self.n_parameters, self.options, observed
        )

    def lr_test(self, restricted: GLMResults) -> JointTest:
        """Compare with a model that is a special case of this one, on the same data.

        ``restricted`` is its ``inference()``: the same y, weights and weight_type row by
        row, columns that are linear combinations of those of this model, and no offset
        that they do not hold. (its deviance - this deviance) / scale by chi-square; over
        its degrees of freedom by F if ``use_t``. As R's ``anova``, phi is that of this
        model. Where both models have their own estimate of a parameter of the law, twice
        the gain in llf.
        """
        if not isinstance(restricted, GLMResults):
            raise TypeError(
                "lr_test(restricted) takes what inference() of the restricted model, without "
                f"hidden layers, returns, but got a {type(restricted).__name__}."
            )
        for results in (self, restricted):
            results._require_maximum("the likelihood-ratio test")
        return likelihood_ratio(self, restricted)

    def _require_maximum(self, test: str) -> None:
        if self.bias_reduced:
            raise ValueError(
                f"{test} supposes maximum likelihood estimates, but these are bias-reduced. Use "
                "wald_test, or fit with bias_reduction=False."
            )

    # ---------------------------------------------------------- diagnostics

    def get_influence(self) -> Influence:
        """Return leverages, Cook's distances and what each row does to the coefficients."""
        return Influence(
            fitted=self.fitted,
            coefficients=self.coefficients,
            covariance=self.covariance,
            scale=self.scale,
            n_parameters=self.n_parameters,
            df_resid=self.df_resid,
            index=self.index,
        )

    def get_margeff(
        self, at: str = "overall", method: str = "dydx", dummy: bool = False, count: bool = False
    ) -> MarginalEffects:
        """Return partial effects of the columns of X on the mean.

        Parameters
        ----------
        at : {"overall", "mean", "median", "zero"}, default="overall"
            The average over the rows (frequency and probability weights count), or the
            effect at a point. Rows keep their offset; a point has the mean offset.
        method : {"dydx", "eyex", "dyex", "eydx"}, default="dydx"
            Slope, elasticity, semi-elasticities.
        dummy, count : bool, default=False
            Whether 0/1 columns are stepped from 0 to 1, and columns of other whole numbers
            >= 0 from x - 1 to x + 1, halved. A level of a factor is stepped to from the first
            level (statsmodels, which sees 0/1 columns only, leaves the other levels as they
            are: then a row may have two).
        """
        if self.door.base_slopes(self.population.X[:1]) is not None:
            raise ValueError(
                "get_margeff() is of the coefficients alone, but this model has a base, whose "
                "slopes are part of d mu / d x. Use local_coef(X), the slopes of eta."
            )
        effects = Effects(at, method, dummy, count)
        return effects.of(self.predictor, self.population, self.coefficients, self.V, self._df)

    # -------------------------------------------------------------- summary

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the table of coefficients, of classes one below the other."""
        c = self.coefficients
        return coefficient_table(c.values, self._se, self._df, alpha, c.index)

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the results to print or to show: ``as_text()``, ``as_html()``, ``as_latex()``."""
        facts = [
            ("nobs", f"{self.nobs:g}"),
            ("df_model", f"{self.df_model}"),
            ("df_resid", f"{self.df_resid:g}"),
            ("scale", f"{self.scale:.6g}"),
            ("cov_type", self.cov_type),
            ("weight_type", self.options.weight_type),
            ("llf", f"{self.llf:.6g}"),
            ("deviance", f"{self.deviance:.6g}"),
            ("null deviance", f"{self.null_deviance:.6g}"),
            ("Pearson chi2", f"{self.pearson_chi2:.6g}"),
            ("aic", f"{self.aic:.6g}"),
            ("bic", f"{self.bic:.6g}"),
        ]
        frame, outputs = self.summary_frame(alpha), self.coefficients.outputs
        tables: list[tuple[str, pd.DataFrame]] = [("", frame)]
        if outputs is not None:
            first = self.predictor.output_names[0]
            tables = [
                (f"{output} against {first}", frame.loc[[output]].droplevel(0))
                for output in outputs
            ]
        notes = []
        if not self.coefficients.determined.all():
            notes.append("nan: the data do not determine the coefficient.")
        return Summary(self.title, facts, tables, notes)
