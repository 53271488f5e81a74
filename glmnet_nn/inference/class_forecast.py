"""Predicted probabilities of several classes, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special
from scipy.stats import qmc

from families import Array
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.functionals import odds_of_classes
from glmnet_nn.inference.reference import critical_value

_POINTS = 2**10


@dataclass(frozen=True, repr=False)
class ClassForecast:
    """What a fit says of rows of X, for a law of K classes.

        eta_hat ~ N(eta, J C J'),   mu = softmax(eta)

    Parameters
    ----------
    estimate, X, offset
        As of :class:`Forecast`.
    """

    estimate: Estimate
    X: Array
    offset: Array | None = None

    def __repr__(self) -> str:
        rows, classes = self.mean.shape
        return f"<{type(self).__name__} of {rows} rows, {classes} classes>"

    @cached_property
    def eta(self) -> Array:
        """The linear predictor, (n, K)."""
        eta = self.estimate.linear_predictor(self.X)
        return eta if self.offset is None else eta + self.offset

    @cached_property
    def mean(self) -> Array:
        """The estimate of the probabilities mu, (n, K)."""
        return self.estimate.family.mean(self.eta)

    @cached_property
    def covariance(self) -> Array:
        """The covariance of eta, (n, K, K)."""
        return self.estimate.predictor_covariance(self.X)

    @cached_property
    def se_mean(self) -> Array:
        """The standard error of mu by the delta method, d mu / d eta = V, (n, K)."""
        V = self.estimate.family.variance(self.mean)
        return np.asarray(np.sqrt(np.einsum("nkl,nlm,nkm->nk", V, self.covariance, V)))

    def interval(self, coverage: float = 0.95) -> Array:
        """Return the ends, (n, K, 2), of intervals of each probability.

        They are those of log(mu_k / (1 - mu_k)), by the delta method, taken back: they
        lie in [0, 1], and of two classes they are those of logistic regression.
        """
        logit, slope = odds_of_classes(self.eta)
        se = np.sqrt(np.einsum("nkl,nlm,nkm->nk", slope, self.covariance, slope))
        half = critical_value(self.estimate.df, 1.0 - coverage) * se
        return np.asarray(special.expit(np.stack([logit - half, logit + half], axis=-1)))

    def probabilities(self) -> Array:
        """Return the predictive probabilities, (n, K): softmax averaged over eta.

        The average is that of 1,024 points of a Sobol sequence, taken in pairs of
        opposite sign: the same in every call, and within some 1e-4 of the integral.
        """
        values, vectors = np.linalg.eigh(np.nan_to_num(self.covariance))
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        total = np.zeros_like(self.eta)
        for z in _normal_points(self.eta.shape[1]):
            moved = root @ z
            total += special.softmax(self.eta + moved, axis=1)
            total += special.softmax(self.eta - moved, axis=1)
        total /= total.sum(axis=1, keepdims=True)
        total[np.isnan(self.covariance).any(axis=(1, 2))] = np.nan
        return total

    def distribution(self) -> Any:
        """Return the predictive law: scipy.stats.multinomial of one trial a row."""
        return self.estimate.family.distribution(self.probabilities(), self.estimate.phi)

    def sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        """Draw indicators, (n, K, n_samples): each sample has one set of parameters."""
        phi = self.estimate.phi
        draws = rng.standard_normal((self.estimate.root.shape[1], n_samples))
        eta = self.eta[..., None] + self.estimate.deviations(self.X, draws)
        family = self.estimate.family
        mu = family.mean(np.moveaxis(eta, 1, -1))
        values = np.full(mu.shape, np.nan)
        sound = ~np.isnan(mu).any(axis=-1)
        values[sound] = family.sample(mu[sound], phi, rng)
        return np.moveaxis(values, -1, 1)


def _normal_points(n_dimensions: int) -> Array:
    """Return points of the standard normal law, spread evenly: a Sobol sequence, shifted."""
    sequence = qmc.Sobol(n_dimensions, scramble=False).random(_POINTS // 2)
    return np.asarray(special.ndtri((sequence + 0.5 / len(sequence)) % 1.0))
