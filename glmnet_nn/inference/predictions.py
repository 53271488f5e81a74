"""Predictions, contrasts and average effects with their standard errors and intervals."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from families import Array, ExponentialFamily
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference import functionals
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.functionals import Functional, WithError, delta_method
from glmnet_nn.inference.local_coefficients import Door
from glmnet_nn.inference.margins import MarginalEffects
from glmnet_nn.inference.predictive import predictor_range
from glmnet_nn.inference.reference import ContrastTest, critical_value
from glmnet_nn.inference.shown import ShownTable
from glmnet_nn.training.data import Rows

_BLOCK = 2**22  # numbers of the Jacobian of one block of rows


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
    log_odds : (values, se), of shape (n, K), or None
        log(mu_k / (1 - mu_k)) of K classes.
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
    log_odds: WithError | None = None

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
        if self.log_odds is not None:
            return np.asarray(special.expit(around(self.log_odds.values, z * self.log_odds.se)))
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


class PredictionInference:
    """``get_prediction`` and ``contrast`` of the results of inference, at any depth."""

    if TYPE_CHECKING:  # what the results have
        fitted: Any
        index: pd.Index
        door: Door

        @property
        def estimate(self) -> Estimate: ...
        @property
        def _labels(self) -> tuple[list[str], list[str] | None, str]: ...

    def get_prediction(
        self,
        X: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Prediction:
        """Return eta and mu of rows, with standard errors and confidence intervals.

        By the delta method, exact for eta without hidden layers, where they are the numbers
        of statsmodels' ``GLMResults.get_prediction`` and of R's ``predict(se.fit=TRUE)``.

        Parameters
        ----------
        X : array-like of shape (m, p), optional
            The rows of the fit if absent, with their offset.
        offset, exposure : array-like of shape (m,), optional
            As in ``predict``: new rows have none of the fit.

        Warns
        -----
        InferenceWarning
            The data do not determine some row: its standard errors and limits are NaN.
        """
        rows, index = self._new_rows(X, offset, exposure)
        linear = self._delta(functionals.linear_predictors, rows)
        mean = self._delta(functionals.means, rows)
        outputs, n = self._labels[1], len(index)
        odds = None if outputs is None else self._delta(functionals.log_odds, rows)
        mean.se[np.isinf(mean.values)] = np.inf
        is_open = np.isnan(linear.se.reshape(n, -1)).any(axis=1)
        mean.se[is_open] = np.nan  # where the slope rounds to 0 too
        if odds is not None:
            odds.se[is_open] = np.nan
        return Prediction(
            linpred=linear.values,
            se_linpred=linear.se,
            predicted_mean=mean.values,
            se_mean=mean.se,
            family=self.estimate.family,
            index=index,
            outputs=outputs,
            df=self.estimate.df,
            note=self._note(linear.se, mean.se),
            log_odds=odds,
        )

    def contrast(
        self,
        X1: ArrayLike,
        X2: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        which: str = "mean",
    ) -> Differences:
        """Return f(x1) - f(x2), row by row, tested against 0.

        Parameters
        ----------
        X1, X2 : array-like of shape (m, p)
        offset, exposure : array-like of shape (m,), optional
            Of both.
        which : {"mean", "linear"}, default="mean"
            f is mu or eta; with the log link exp of a difference of eta is a rate ratio.
        """
        functions = {"mean": functionals.means, "linear": functionals.linear_predictors}
        if which not in functions:
            raise ValueError(f"which must be one of {list(functions)}, but got {which!r}.")
        (one, index), (two, _) = (self._new_rows(X, offset, exposure) for X in (X1, X2))
        if len(one) != len(two):
            raise ValueError(
                f"X1 and X2 must have as many rows, but they have {len(one)} and {len(two)}. "
                "Repeat a row that others are compared with."
            )
        found = self._delta(functions[which], one, two)
        labels, outputs = [str(label) for label in index], self._labels[1]
        if outputs is not None:
            outputs = outputs[int(which == "linear") :]
            labels = [f"{label}:{output}" for label in labels for output in outputs]
        values, se = found.values.ravel(), found.se.ravel()
        null = np.zeros(len(values))
        return Differences(values, se, null, self.estimate.df, labels, self._note(se))

    def _new_rows(self, X: Any, offset: Any, exposure: Any) -> tuple[_SeenRows, pd.Index]:
        """Return rows of standardised X, those of the fit if X is None, and their labels."""
        if X is None:
            if offset is not None or exposure is not None:
                raise ValueError(
                    "offset and exposure belong to new rows, but X is absent. The rows of the "
                    "fit keep theirs."
                )
            rows = self.fitted.rows
            return _SeenRows(rows, np.zeros(len(rows), dtype=bool)), self.index
        raw, known, index = self.door(X, offset, exposure)
        Z, outside = self.estimate.seen(raw)
        y = np.empty((len(raw), self.estimate.network.layout.sizes[-1]))
        return _SeenRows(Rows(Z, y, np.ones(len(raw)), known), outside), index

    @property
    def _block(self) -> int:
        """Rows whose Jacobian is formed at a time."""
        return max(64, _BLOCK // self.estimate.w.size)

    def _delta(self, function: Callable[..., Functional], *tables: _SeenRows) -> WithError:
        """Return f, or f(first) - f(second), row by row, with standard errors."""
        estimate, n = self.estimate, len(tables[0])
        values, se = delta_method(
            partial(function, estimate.network, estimate.family, estimate.w),
            estimate.root,
            estimate.determines,
            [table.rows.blocks(self._block) for table in tables],
        )
        by_row = se.reshape(n, -1)
        for table in tables:
            by_row[table.outside] = np.nan
        shape = (-1,) if self._labels[1] is None else (n, -1)
        return WithError(values.reshape(shape), by_row.reshape(shape))

    def _note(self, *errors: Array) -> str:
        """Return what goes with numbers: the flags, and how many are not estimable."""
        missing = sum(int(np.isnan(se).sum()) for se in errors)
        notes = [self._labels[2]]
        if missing and not np.isfinite(self.estimate.scale):
            notes.append(
                f"{missing} standard errors are nan: the dispersion is not known, for the fit has "
                "as many parameters as rows."
            )
        elif missing:
            notes.append(
                f"{missing} standard errors are nan: the data do not determine what was asked "
                "for (rows unlike any of the fit, or an information that is not positive "
                "definite)."
            )
        if missing:
            warnings.warn(notes[-1], InferenceWarning, stacklevel=3)
        return " ".join(note for note in notes if note)


@dataclass(frozen=True)
class _SeenRows:
    """Rows as the network sees them, and which are no combination of those of the fit."""

    rows: Rows
    outside: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


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
