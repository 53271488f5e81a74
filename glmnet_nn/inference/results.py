"""The table of a fitted GLM, under the names of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from families import Array
from glmnet_nn.inference.estimate import Estimate


@dataclass(frozen=True)
class GLMResults:
    """Estimates and their uncertainty: model-based, with phi as estimated or 1.

    Coefficients are asymptotically normal with covariance phi F^-1, F the Fisher
    information (McCullagh and Nelder 1989, section 2.5); tests and intervals refer
    to the normal law, as those of statsmodels' GLM. A coefficient that the data do
    not determine (separation, linear dependency) has standard error NaN.

    Attributes
    ----------
    params : Series
        Coefficients, ``Intercept`` first; for several outputs indexed by
        (output, name), for Multinoulli as differences from the first class.
    covariance : array
        Covariance of ``params``; NaN in the rows of what is not estimable.
    llf, llnull : float
        Log-likelihood of the fit and of the null model, both at ``scale``; for the Normal
        law with identity link each at its own mean squared residual.
    deviance, null_deviance, pearson_chi2, scale : float
        ``scale`` is phi.
    nobs, n_parameters, df_model, df_resid : float
        Sum of weights; coefficients that the data determine; those beside the
        intercepts; nobs - n_parameters.
    estimate : Estimate
        What predictions with standard errors need.
    """

    params: pd.Series
    covariance: Array
    llf: float
    llnull: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    scale: float
    nobs: float
    n_parameters: int
    df_model: int
    df_resid: float
    title: str
    estimate: Estimate

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors."""
        return self._series(np.sqrt(np.diagonal(self.covariance)))

    @cached_property
    def tvalues(self) -> pd.Series:
        """params / bse."""
        return self.params / self.bse

    @cached_property
    def pvalues(self) -> pd.Series:
        """Two-sided, of the normal law."""
        return self._series(2 * stats.norm.sf(np.abs(self.tvalues)))

    @property
    def aic(self) -> float:
        """-2 llf + 2 n_parameters."""
        return -2 * self.llf + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) n_parameters."""
        return -2 * self.llf + float(np.log(self.nobs)) * self.n_parameters

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance of params."""
        return pd.DataFrame(self.covariance, index=self.params.index, columns=self.params.index)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return params -+ z bse, z the 1 - alpha / 2 quantile of the normal law."""
        half = stats.norm.ppf(1 - alpha / 2) * self.bse
        return pd.DataFrame({0: self.params - half, 1: self.params + half})

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the table of coefficients."""
        low, high = stats.norm.ppf([alpha / 2, 1 - alpha / 2])
        return pd.DataFrame(
            {
                "coef": self.params,
                "std err": self.bse,
                "z": self.tvalues,
                "P>|z|": self.pvalues,
                f"[{alpha / 2:g}": self.params + low * self.bse,
                f"{1 - alpha / 2:g}]": self.params + high * self.bse,
            }
        )

    def summary(self, alpha: float = 0.05) -> str:
        """Return the results as text."""
        facts = [
            ("nobs", f"{self.nobs:g}"),
            ("df_model", f"{self.df_model}"),
            ("df_resid", f"{self.df_resid:g}"),
            ("scale", f"{self.scale:.6g}"),
            ("llf", f"{self.llf:.6g}"),
            ("deviance", f"{self.deviance:.6g}"),
            ("null deviance", f"{self.null_deviance:.6g}"),
            ("Pearson chi2", f"{self.pearson_chi2:.6g}"),
            ("aic", f"{self.aic:.6g}"),
            ("bic", f"{self.bic:.6g}"),
        ]
        lines = [f"{name:<16}{value:>14}" for name, value in facts]
        half = len(lines) // 2
        head = "\n".join(f"{a}    {b}" for a, b in zip(lines[:half], lines[half:], strict=True))
        table = self.summary_frame(alpha).to_string(float_format=lambda value: f"{value:.4f}")
        return f"{self.title}\n\n{head}\n\n{table}"

    def _series(self, values: Array) -> pd.Series:
        return pd.Series(values, index=self.params.index)
