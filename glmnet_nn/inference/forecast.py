"""Predictions with their uncertainty: of the mean, and of a new observation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.predictions import around, mean_limits
from glmnet_nn.inference.predictive import (
    PredictiveDistribution,
    predictor_range,
    truncated_normal,
)
from glmnet_nn.inference.reference import critical_value
from glmnet_nn.inference.shown import ShownTable


@dataclass(frozen=True, repr=False)
class Forecast(ShownTable):
    """What a fit says of rows of X, for a law of numbers.

        eta_hat ~ N(eta, J C J'),   mu = g^-1(eta),   Y ~ integral of f(y | g^-1(eta), phi) d N

    Intervals of the mean end at g^-1(eta_hat -+ z se), as in statsmodels and R, so that
    they stay in the range of means; their width falls like 1 / sqrt(n). Those of an
    observation are quantiles of the predictive law, whose variance tends to phi V(mu).
    Intervals of the mean are those of t if the inference was made with ``use_t``; for
    observations phi is taken as known, and eta_hat as normal.

    Rows that the data do not determine have NaN. Where inference gives a phi to a law that
    has none (quasi-Poisson) there is no law of an observation: what needs it raises an error.

    Parameters
    ----------
    estimate : Estimate
    X : array of shape (n, p)
    offset : array of shape (n, K) or (n, 1), or None
    index : Index, optional
        Labels of the rows.
    """

    estimate: Estimate
    X: Array
    offset: Array | None = None
    index: pd.Index | None = None

    @cached_property
    def eta(self) -> Array:
        """The linear predictor, (n, K)."""
        eta = self.estimate.linear_predictor(self.X)
        return eta if self.offset is None else eta + self.offset

    @cached_property
    def se_eta(self) -> Array:
        """The standard error of eta, (n, K)."""
        cov = self.estimate.predictor_covariance(self.X)
        return np.asarray(np.sqrt(np.einsum("nkk->nk", cov)))

    @cached_property
    def mean(self) -> Array:
        """The estimate of mu, g^-1(eta), (n, K)."""
        return self.estimate.family.mean(self.eta)

    @cached_property
    def se_mean(self) -> Array:
        """The standard error of mu by the delta method, |d mu / d eta| se, (n, K).

        d mu / d eta = V d theta / d eta, as in the seed of the recursion.
        """
        family = self.estimate.family
        slope = family.variance(self.mean) * family.natural_slope(self.eta)
        return np.asarray(np.abs(slope) * self.se_eta)

    def interval(self, coverage: float = 0.95, kind: str = "observation") -> Array:
        """Return the ends, (n, K, 2), of intervals of the mean or of an observation.

        Those of an observation are equal-tailed; of a discrete law they cover at least
        ``coverage``.
        """
        if kind == "observation":
            return np.stack(self.distribution().interval(coverage), axis=-1)
        half = critical_value(self.estimate.df, 1.0 - coverage) * self.se_eta
        return mean_limits(self.estimate.family, around(self.eta, half))

    def distribution(self) -> PredictiveDistribution:
        """Return the predictive law of each row, (n, K)."""
        estimate = self.estimate
        return PredictiveDistribution(estimate.family, estimate.phi, self.eta, self.se_eta)

    def quantiles(self, quantiles: ArrayLike) -> Array:
        """Return quantiles of the predictive law, (n, K, number of quantiles)."""
        asked = np.atleast_1d(np.asarray(quantiles, dtype=float))
        return np.moveaxis(self.distribution().ppf(asked[:, None, None]), 0, -1)

    def sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        """Draw observations, (n, K, n_samples): each sample has one set of parameters.

        Where a draw leaves the linear predictors with a mean, it is replaced by one of
        the normal law restricted to them.
        """
        estimate = self.estimate
        phi = estimate.phi
        draws = rng.standard_normal((estimate.root.shape[1], n_samples))
        eta = self.eta[..., None] + estimate.deviations(self.X, draws)
        low, high = predictor_range(estimate.family)
        outside = (eta <= low) | (eta >= high)
        if outside.any():
            middle = np.broadcast_to(self.eta[..., None], eta.shape)[outside]
            se = np.broadcast_to(self.se_eta[..., None], eta.shape)[outside]
            eta[outside] = truncated_normal(estimate.family, middle, se, rng)
        values = np.full(eta.shape, np.nan)
        sound = ~np.isnan(eta)
        mu = estimate.family.mean(eta[sound])
        values[sound] = estimate.family.sample(mu, phi, rng)
        return values

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the table of statsmodels: mean, its standard error, both intervals.

        Without a law of the observation (quasi-Poisson) the table has that of the mean only.
        """
        table = {"mean": self.mean, "mean_se": self.se_mean}
        kinds = {"mean": "mean"}
        if self.estimate.states_law:
            kinds["obs"] = "observation"
        for name, kind in kinds.items():
            ends = self.interval(1 - alpha, kind)
            table |= {f"{name}_ci_lower": ends[..., 0], f"{name}_ci_upper": ends[..., 1]}
        rows, outputs = self.eta.shape
        index = pd.RangeIndex(rows) if self.index is None else self.index
        if outputs > 1:
            index = pd.MultiIndex.from_product([index, range(outputs)], names=["row", "output"])
        return pd.DataFrame({name: values.ravel() for name, values in table.items()}, index=index)
