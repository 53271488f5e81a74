"""The results of inference on a network: of what it says, never of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from families import Array, ExponentialFamily
from glmnet_nn.inference import functionals
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.flags import in_words
from glmnet_nn.inference.functionals import Functional
from glmnet_nn.inference.hypotheses import ContrastTest, reference
from glmnet_nn.inference.margins import MarginalEffects
from glmnet_nn.inference.observed import ObservedInformation
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.predictions import Prediction
from glmnet_nn.inference.residuals import residuals
from glmnet_nn.inference.sandwich import meat
from glmnet_nn.inference.summary import Summary
from glmnet_nn.network import Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs

_BLOCK = 2**22  # numbers of the Jacobian of one block of rows
_OF_WEIGHTS = frozenset(
    {"params", "bse", "tvalues", "pvalues", "conf_int", "cov_params", "t_test", "f_test",
     "wald_test", "score_test"}
)  # fmt: skip
_OF_UNITS = frozenset({"lr_test", "compare_lr_test"})


@dataclass(frozen=True)
class NetworkResults:
    """Standard errors, intervals and tests of predictions, effects and contrasts.

    The weights of a network are not identified: hidden units can be exchanged, their
    signs flipped, and units that the data do not need have no weights at all. What the
    network says of y is identified, and by the delta method (van der Vaart 1998, chapter 3)
    a functional f(w) with gradient g has variance g' C g,

        C = phi (H + P)^-1,     or    (H + P)^-1 M (H + P)^-1

    for a robust ``cov_type``: H the observed information at phi = 1, P the ridge of the fit
    and M the sandwich's middle (:mod:`glmnet_nn.inference.sandwich`). Intervals measure how
    far another sample would have led the same network. The error of approximation, what
    a network of this width cannot say, is in none of them.

    Attributes
    ----------
    flags : dict of str
        What makes the intervals untrustworthy, in words, by name: see
        :func:`glmnet_nn.inference.flags.find_flags`. Empty if nothing does.
    n_parameters : float
        Effective degrees of freedom tr[(H + P)^-1 H], which take the place of the
        number of parameters in scale, aic and bic.
    n_weights : int
        Weights and offsets of the network.
    llf, llnull, deviance, null_deviance, pearson_chi2, scale, nobs, df_model, df_resid : float
        As for a GLM; ``scale`` is phi, df_resid = nobs - n_parameters.
    parameters, covariance : arrays of shape (q,) and (q, q)
        w of ``network`` for ``inputs``, X standardised, and C: one representative, of use
        for functionals alone.
    """

    fitted: Fitted
    information: ObservedInformation
    inputs: Inputs
    options: InferenceOptions
    flags: dict[str, str]
    llf: float
    llnull: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    scale: float
    nobs: float
    has_intercept: bool
    names: list[str]
    outputs: list[str] | None
    index: pd.Index
    door: Callable[[Any, Any, Any], tuple[Array, Array | None, pd.Index]]

    # ------------------------------------------------------------- the whole

    @property
    def trustworthy(self) -> bool:
        """Whether no flag is raised."""
        return not self.flags

    @property
    def family(self) -> ExponentialFamily:
        """The law of y."""
        return self.fitted.family

    @property
    def network(self) -> Network:
        """The network, of standardised inputs."""
        return self.fitted.objective.network

    @property
    def parameters(self) -> Array:
        """The flat vector w of ``network``."""
        return self.fitted.w

    @property
    def n_weights(self) -> int:
        """The number of weights and offsets."""
        return self.fitted.w.size

    @property
    def n_parameters(self) -> float:
        """Effective degrees of freedom."""
        return self.information.effective_parameters

    @property
    def df_model(self) -> float:
        """Effective degrees of freedom beside the intercept."""
        return self.n_parameters - self.has_intercept

    @property
    def df_resid(self) -> float:
        """nobs - n_parameters."""
        return self.nobs - self.n_parameters

    @property
    def aic(self) -> float:
        """-2 llf + 2 n_parameters."""
        return -2.0 * self.llf + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) n_parameters: the one to choose the number of units by."""
        return -2.0 * self.llf + float(np.log(self.nobs)) * self.n_parameters

    @property
    def cov_type(self) -> str:
        """The covariance in use."""
        return self.options.cov_type

    @cached_property
    def _root(self) -> Array:
        """L, (q, m), with L L' = C."""
        R = self.information.root
        if not self.options.is_robust:
            return np.sqrt(self.scale) * R
        M = meat(
            self.fitted.scores(without_leverage=self.cov_type == "HC3"),
            self.cov_type,
            n_parameters=self.n_parameters,
            repeats=self.fitted.weights.copies,
            groups=self.options.groups,
            maxlags=self.options.hac_maxlags,
        )
        values, vectors = np.linalg.eigh(M)
        return np.asarray(R @ (vectors * np.sqrt(np.maximum(values, 0.0))))

    @cached_property
    def covariance(self) -> Array:
        """C, the covariance of ``parameters``."""
        return np.asarray(self._root @ self._root.T)

    @property
    def _df(self) -> float | None:
        return self.df_resid if self.options.use_t else None

    # ------------------------------------------------------------ functionals

    def get_prediction(
        self,
        X: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Prediction:
        """Return eta and mu of rows, with standard errors and confidence intervals.

        Parameters
        ----------
        X : array-like of shape (m, p), optional
            The rows of the fit if absent, with their offset.
        offset, exposure : array-like of shape (m,), optional
            As in ``predict``.
        """
        rows, index = self._rows(X, offset, exposure)
        family, one = self.family, self.outputs is None
        values, errors = [], []
        for function in (functionals.linear_predictors, functionals.means):
            found = [self._delta(self._of(function, block)) for block in self._blocks(rows)]
            columns = [np.concatenate(part).reshape(len(rows), -1) for part in zip(*found)]
            values.append(columns[0][:, 0] if one else columns[0])
            errors.append(columns[1][:, 0] if one else columns[1])
        return Prediction(
            linpred=values[0],
            se_linpred=errors[0],
            predicted_mean=values[1],
            se_mean=errors[1],
            family=family,
            index=index,
            outputs=self.outputs,
            df=self._df,
            note=self._note(errors[1]),
        )
