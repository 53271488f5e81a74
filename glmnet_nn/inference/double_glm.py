"""The results of a double GLM: coefficients of the mean and of log phi."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import linalg

from families import Array
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.reference import JointTest
from glmnet_nn.inference.results import GLMResults
from glmnet_nn.inference.shown import ShownSummary, ShownTable
from glmnet_nn.inference.summary import Summary

_JOINT = "belongs to both models together: see that of inference() itself"


class PartResults(ShownTable, GLMResults):
    """One of the two models: coefficients, their uncertainty and tests, as of a GLM.

    Its deviance is that of the working response with the weights of the last round.
    New rows, as of ``get_prediction``, have the columns of this model alone.
    """

    @property
    def llf(self) -> float:
        raise AttributeError(f"llf {_JOINT}.")

    @property
    def llnull(self) -> float:
        raise AttributeError("llnull is not there: fit both models without features.")

    @property
    def aic(self) -> float:
        raise AttributeError(f"aic {_JOINT}.")

    @property
    def bic(self) -> float:
        raise AttributeError(f"bic {_JOINT}.")

    def lr_test(self, restricted: GLMResults) -> JointTest:
        raise AttributeError(f"lr_test {_JOINT}.")


@dataclass(frozen=True, repr=False)
class DoubleGLMResults(ShownSummary):
    """Both models, whose estimates are asymptotically independent.

    Attributes
    ----------
    mean, dispersion : PartResults
        With statsmodels' names: params, bse, tvalues, pvalues, conf_int(), cov_params(),
        wald_test(), t_test(), summary_frame(), ... ``dispersion`` is of log phi.
    llf : float
        sum w log f(y | mu, phi).
    nobs : float
    method : str
        "ml" or "reml".
    """

    mean: PartResults
    dispersion: PartResults
    llf: float
    nobs: float
    method: str

    @property
    def title(self) -> str:
        """The law in words."""
        return f"{type(self.mean.fitted.family).__name__} double GLM"

    @property
    def n_parameters(self) -> int:
        """Coefficients of both that the data determine."""
        return self.mean.n_parameters + self.dispersion.n_parameters

    @property
    def aic(self) -> float:
        """-2 llf + 2 n_parameters."""
        return -2.0 * self.llf + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) n_parameters."""
        return -2.0 * self.llf + float(np.log(self.nobs)) * self.n_parameters

    @cached_property
    def params(self) -> pd.Series:
        """Estimates, by ("mean" or "dispersion", name)."""
        return self._joined("params")

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors."""
        return self._joined("bse")

    @cached_property
    def tvalues(self) -> pd.Series:
        """params / bse."""
        return self._joined("tvalues")

    @cached_property
    def pvalues(self) -> pd.Series:
        """Two-sided."""
        return self._joined("pvalues")

    def _joined(self, name: str) -> pd.Series:
        parts = {"mean": self.mean, "dispersion": self.dispersion}
        return pd.concat({key: getattr(part, name) for key, part in parts.items()})

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return params -+ z bse, z the 1 - alpha / 2 quantile."""
        parts = {"mean": self.mean, "dispersion": self.dispersion}
        return pd.concat({key: part.conf_int(alpha) for key, part in parts.items()})

    def lr_test(self, restricted: DoubleGLMResults) -> JointTest:
        """Compare with a double GLM that is a special case of this one, on the same data.

        Twice the gain in llf by chi-square. Both must have been fitted by method "ml":
        adjusted likelihoods of different means do not compare.
        """
        for results in (self, restricted):
            if results.method != "ml":
                raise ValueError(
                    "lr_test() compares maximum likelihood fits, but one of the two has method="
                    f"{results.method!r}. Fit both with method='ml', or use wald_test of a part."
                )
        df = self.n_parameters - restricted.n_parameters
        gain = 2.0 * (self.llf - restricted.llf)
        if self.nobs != restricted.nobs or df <= 0 or gain < -1e-6 * abs(self.llf):
            raise ValueError(
                "lr_test(restricted) takes the results of a special case of this model on the same "
                f"data, but nobs is {restricted.nobs:g} against {self.nobs:g}, n_parameters "
                f"{restricted.n_parameters} against {self.n_parameters} and llf "
                f"{restricted.llf:.6g} against {self.llf:.6g}."
            )
        return JointTest(max(gain, 0.0), df)

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the results to print or to show: ``as_text()``, ``as_html()``, ``as_latex()``."""
        law = self.mean.fitted.family
        facts = [
            ("nobs", f"{self.nobs:g}"),
            ("method", self.method),
            ("n_parameters", f"{self.n_parameters}"),
            ("cov_type", self.mean.cov_type),
            ("llf", f"{self.llf:.6g}"),
            ("aic", f"{self.aic:.6g}"),
            ("scaled deviance", f"{self.mean.deviance:.6g}"),
            ("bic", f"{self.bic:.6g}"),
        ]
        tables = [
            (f"mean, {law.link_name} link", self.mean.summary_frame(alpha)),
            ("dispersion, log phi", self.dispersion.summary_frame(alpha)),
        ]
        return Summary(self.title, facts, tables, [])


def dispersion_covariance(mean: Fitted, dispersion: Fitted, own: Array, residual: bool) -> Array:
    """Return the covariance of the dispersion's u, the inverse of the information of log phi.

    With z the design of log phi, I the information of one observation, H the hat matrix
    of the mean and o Hadamard's product,

        sum_i I_i z_i z_i' - sum_i h_i z_i z_i' + 1/2 sum_ij h_ij^2 z_i z_j',

    the last two terms for residual maximum likelihood: exact for the Normal law with the
    identity link, Z' [(I - H) o (I - H)] Z / 2.
    Source: Smyth (2002), "An efficient algorithm for REML in heteroscedastic regression",
    J. Computational and Graphical Statistics 11.

    Parameters
    ----------
    mean, dispersion : Fitted
        Of the same rows, which are copies of an observation of precision 1 / phi.
    own : array of shape (n,)
        I of each.
    residual : bool
    """
    copies = mean.weights.copies
    Z = np.concatenate([J[:, 0] for _, J in dispersion.jacobian_blocks()])
    information = Z.T @ (Z * (copies * own)[:, None])
    if residual:
        A = np.concatenate([A[:, 0] for _, A, _, _ in mean.scoring_blocks()])
        leverage = np.square(A).sum(axis=1)
        coupled = np.zeros((Z.shape[1], A.shape[1] ** 2))
        for block in range(0, len(A), 256):
            at = slice(block, block + 256)
            pairs = (A[at, :, None] * A[at, None, :]).reshape(len(A[at]), -1)
            coupled += (Z[at] * copies[at, None]).T @ pairs
        information += 0.5 * coupled @ coupled.T - Z.T @ (Z * (copies * leverage)[:, None])
    values, vectors = linalg.eigh(information)
    if np.any(values <= 0):
        raise ValueError(
            "the information of the dispersion is not positive definite: its smallest eigenvalue "
            f"is {values.min():.3g}, in units of that of a Gamma model. The rows are too few for "
            "the coefficients; use cov_type='HC0', or fewer features."
        )
    return np.asarray((vectors / values) @ vectors.T)
