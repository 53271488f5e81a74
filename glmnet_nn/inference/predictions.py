"""Predictions, contrasts and average effects with their standard errors and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from families import Array, ExponentialFamily
from glmnet_nn.inference.hypotheses import ContrastTest, critical_value
from glmnet_nn.inference.margins import MarginalEffects
from glmnet_nn.inference.predictive import predictor_range
from glmnet_nn.inference.shown import ShownTable


@dataclass(frozen=True, repr=False)
class Prediction(ShownTable):
    """Linear predictors and means of rows, with what the parameters' error makes of them.

    Not intervals of a new y, whose own law is wider: confidence intervals of its mean.

    Attributes
    ----------
    linpred, se_linpred : array of shape (n,), or (n, K - 1) for K classes
        eta; of classes less that of the first.
    predicted_mean, se_mean : array of shape (n,) or (n, K)
        mu, by the delta method.
    note : str
        What the numbers are to be taken with; empty if nothing.
    """

    linpred: Array
    se_linpred: Array
    predicted_mean: Array
    se_mean: Array
    family: ExponentialFamily
    index: pd.Index
    outputs: list[str] | None
    df: float | None
    note: str

    @property
    def var_pred_mean(self) -> Array:
        """The squares of ``se_mean``."""
        return np.square(self.se_mean)

    def conf_int(self, alpha: float = 0.05, which: str = "mean") -> Array:
        """Return the limits on a last axis of length 2.

        Of the mean they are g^-1 of the limits of eta, and so lie in its domain; of
        the probability of a class those of its log odds, mapped back.
        """
        z = critical_value(self.df, alpha)
        if which == "linear":
            return around(self.linpred, z * self.se_linpred)
        if which != "mean":
            raise ValueError(f"which must be 'mean' or 'linear', but got {which!r}.")
        if self.family.event_ndim:
            return probability_limits(self.predicted_mean, z * self.se_mean)
        return mean_limits(self.family, around(self.linpred, z * self.se_linpred))

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return mean, its standard error and limits, under statsmodels' names, and eta."""
        frame = self._frame("mean", self.predicted_mean, self.se_mean, alpha)
        linear = self._frame("linpred", self.linpred, self.se_linpred, alpha, which="linear")
        frame = frame.join(linear)
        frame.attrs["note"] = self.note
        return frame

    def _frame(
        self, name: str, values: Array, se: Array, alpha: float, which: str = "mean"
    ) -> pd.DataFrame:
        limits = self.conf_int(alpha, which)
        index = self.index
        if self.outputs is not None:
            outputs = self.outputs if which == "mean" else self.outputs[1:]
            index = pd.MultiIndex.from_product([index, outputs])
        columns: dict[str, NDArray] = {
            name: values.ravel(),
            f"{name}_se": se.ravel(),
            f"{name}_ci_lower": limits[..., 0].ravel(),
            f"{name}_ci_upper": limits[..., 1].ravel(),
        }
        return pd.DataFrame(columns, index=index)


@dataclass(frozen=True, repr=False)
class Differences(ContrastTest):
    """Differences between rows, tested against 0."""

    note: str


@dataclass(frozen=True, repr=False)
class AverageEffects(MarginalEffects):
    """Average partial effects, and what their standard errors are for."""

    target: str
    note: str


def around(values: Array, half: Array) -> Array:
    """Return values -+ half on a last axis of length 2."""
    return np.stack([values - half, values + half], axis=-1)


def mean_limits(family: ExponentialFamily, limits: Array) -> Array:
    """Return the means at the limits of eta, in order; those beyond its range are its ends."""
    low, high = predictor_range(family)
    with np.errstate(divide="ignore", over="ignore"):
        return np.sort(family.mean(np.clip(limits, low, high)), axis=-1)


def probability_limits(mu: Array, half: Array) -> Array:
    """Return the limits of probabilities: those of their log odds, mapped back."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(special.expit(around(special.logit(mu), half / (mu * (1.0 - mu)))))
