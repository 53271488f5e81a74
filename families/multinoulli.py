"""The Multinoulli (categorical) law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from families._base import ExponentialFamily
from families._links import Link
from families._special import is_indicator, poisson_divergence, times, x_log_x
from families._support import Array, Simplex
from families._unit_links import Softmax


@dataclass(frozen=True)
class Multinoulli(ExponentialFamily):
    """One of K classes:  A = log sum_k e^theta_k,  mu = softmax(theta),
    V = diag(mu) - mu mu',  A* = sum_k y_k log y_k,  d = 1.

    y is a row of K indicators or proportions. The components lie on the last
    axis; theta and theta + constant are the same law.

    Examples
    --------
    Two classes are a Bernoulli law in theta_2 - theta_1:

    >>> from families import Bernoulli
    >>> eta = np.array([0.3, 1.5])
    >>> print(f"{Multinoulli().loss(np.array([0.0, 1.0]), eta):.15g}")
    0.263282467338031
    >>> print(f"{Bernoulli().loss(np.array(1.0), np.array(1.2)):.15g}")
    0.263282467338031
    """

    name: ClassVar[str] = "multinoulli"
    aliases: ClassVar[tuple[str, ...]] = ("multinomial", "categorical")
    support: ClassVar[Simplex] = Simplex()
    mean_domain: ClassVar[Simplex] = Simplex()
    canonical_link: ClassVar[Link] = Softmax()
    event_ndim: ClassVar[int] = 1
    may_be_overdispersed: ClassVar[bool] = False

    def log_partition(self, theta: Array) -> Array:
        """By log1p of the sum without its largest term, which keeps the small rest."""
        return np.asarray(np.max(theta, axis=-1) + _log_total(theta))

    def variance(self, mu: Array) -> Array:
        """Return the (..., K, K) covariance diag(mu) - mu mu'."""
        return mu[..., :, None] * (np.eye(mu.shape[-1]) - mu[..., None, :])

    def conjugate(self, y: Array) -> Array:
        return np.asarray(x_log_x(y).sum(axis=-1))

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """A*(y): 0 for indicators; h = 1."""
        return self.conjugate(y)

    def working(self, y: Array, eta: Array) -> Array:
        """(y_k - mu_k) / mu_k, which V maps to y - mu."""
        return np.asarray((y - self.mean(eta)) / self.mean(eta))

    def deviance_residual(self, y: Array, eta: Array) -> Array:
        """By class, (n, K): squares of a row sum to its deviance, 2 (y log(y / mu) - (y - mu))."""
        log_mu = self.log_probabilities(eta)
        mu = np.exp(log_mu)
        return np.asarray(np.sign(y - mu) * np.sqrt(2.0 * poisson_divergence(y, mu, log_mu=log_mu)))

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        return rng.multinomial(1, mu).astype(float)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        """One trial: rows of indicators."""
        return scipy.stats.multinomial(1, mu)

    def divergence(self, y: Array, mu: Array) -> Array:
        return np.asarray(poisson_divergence(y, mu).sum(axis=-1))

    def loss(self, y: Array, eta: Array) -> Array:
        """sum_k of y_k log(y_k / mu_k) - (y_k - mu_k), with log mu = theta - A(theta).

        For indicators it is -log mu_k of the class k with y_k = 1.
        """
        log_mu = self.log_probabilities(eta)
        if is_indicator(y):
            return np.asarray(-times(y, log_mu).sum(axis=-1))
        return np.asarray(poisson_divergence(y, np.exp(log_mu), log_mu=log_mu).sum(axis=-1))

    def kernel_and_error(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """With e_k = e^(theta_k - max theta): log sum e_k + max theta - theta . y and mu - y."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            shifted = eta - np.max(eta, axis=-1, keepdims=True)
            error = np.exp(shifted)
            total = error.sum(axis=-1, keepdims=True)
            shifted *= y
            kernel = np.log(total[..., 0]) - shifted.sum(axis=-1)
            error /= total
            error -= y
        return kernel, error

    def log_probabilities(self, eta: Array) -> Array:
        """log mu_k = theta_k - A(theta)."""
        with np.errstate(over="ignore"):
            shifted = eta - np.max(eta, axis=-1, keepdims=True)
        return np.asarray(shifted - _log_total(eta)[..., None])

    def fisher_weight(self, eta: Array) -> Array:
        """mu_k (1 - mu_k), the diagonal of V, 1 - mu_k as the sum of the others."""
        mu = self.mean(eta)
        others = mu @ (1.0 - np.eye(mu.shape[-1]))
        return np.asarray(mu * others)

    def fisher_couplings(self, eta: Array) -> Iterator[tuple[int, int, Array]]:
        """-mu_k mu_l."""
        mu = self.mean(eta)
        for k in range(mu.shape[1]):
            for l in range(k):
                yield k, l, -mu[:, k] * mu[:, l]

    def curvature_times(self, y: Array, eta: Array, directions: Array) -> Array:
        """V v = mu o (v - mu . v): the observed information is the Fisher information."""
        mu = self.mean(eta)[..., None]
        return np.asarray(mu * (directions - (mu * directions).sum(axis=-2, keepdims=True)))

    def mean_tangent(self, eta: Array, v: Array) -> Array:
        """V v."""
        mu = self.mean(eta)
        return np.asarray(mu * (v - (mu * v).sum(axis=-1, keepdims=True)))

    def mean_second_tangent(self, eta: Array, v: Array, u: Array) -> Array:
        """The product rule on mu o (v - mu . v), with d mu = V u."""
        mu, change = self.mean(eta), self.mean_tangent(eta, u)
        inner = (mu * v).sum(axis=-1, keepdims=True)
        return np.asarray(change * (v - inner) - mu * (change * v).sum(axis=-1, keepdims=True))

    def fisher_root(self, eta: Array, jacobian: Array) -> Array:
        """S = diag(sqrt(mu)) (I - 1 mu'), since S'S = diag(mu) - mu mu'."""
        mu = self.mean(eta)
        centred = jacobian - np.einsum("nk,nkp->np", mu, jacobian)[:, None, :]
        return np.asarray(np.sqrt(mu)[..., None] * centred)

    def bias_adjustment(self, eta: Array, spread: Array) -> Array:
        """mu_m (L_mm - sum_k mu_k L_kk) / 2 - mu_m ((L mu)_m - mu' L mu), L = spread.

        Half of L contracted with the third cumulants, dV_kl / d eta_m.
        """
        mu = self.mean(eta)
        own, shared = np.diagonal(spread, axis1=1, axis2=2), np.einsum("nkl,nl->nk", spread, mu)
        return mu * (0.5 * _about_mean(own, mu) - _about_mean(shared, mu))

    def pearson(self, y: Array, eta: Array) -> Array:
        """(y_k - mu_k) / sqrt(mu_k); S' maps it to y - mu as both sum to one."""
        mu = self.mean(eta)
        positive = mu > 0
        return np.where(positive, (y - mu) / np.sqrt(np.where(positive, mu, 1.0)), 0.0)

    def flat_direction(self, n_outputs: int) -> Array | None:
        return np.full(n_outputs, n_outputs**-0.5)

    def escape_cone(self, y: Array) -> Array:
        """v . y >= v_k for every class k."""
        return y[:, None, :] - np.eye(y.shape[1])


def _about_mean(values: Array, mu: Array) -> Array:
    """values_k - sum_l mu_l values_l."""
    return np.asarray(values - np.sum(mu * values, axis=-1, keepdims=True))


def _log_total(theta: Array) -> Array:
    """log sum_k e^(theta_k - max theta), by log1p of the terms but the largest."""
    top = np.argmax(theta, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        grown = np.exp(theta - np.take_along_axis(np.asarray(theta), top, axis=-1))
    np.put_along_axis(grown, top, 0.0, axis=-1)
    return np.asarray(np.log1p(grown.sum(axis=-1)))
