"""Links of the unit interval and the simplex: means that are probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from families._links import Link
from families._special import log1pexp, log_mean_exp, times
from families._support import UNIT, Array, Interval, Simplex


@dataclass(frozen=True)
class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    name: ClassVar[str] = "logit"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        return np.asarray(special.logit(mu))

    def inverse(self, eta: Array) -> Array:
        """1 / (1 + e^-eta); in float32 as 1/2 + tanh(eta / 2) / 2, several times faster."""
        if getattr(eta, "dtype", None) == np.float32:
            mu = np.tanh(0.5 * eta)
            mu *= 0.5
            mu += 0.5
            return mu
        return np.asarray(special.expit(eta))

    def inverse_slope(self, eta: Array) -> Array:
        return self.inverse(eta) * self.complement(eta)

    def relative_curvature(self, eta: Array) -> Array:
        """1 - 2 mu = -tanh(eta / 2)."""
        return np.asarray(-np.tanh(0.5 * np.asarray(eta)))

    def average(self, eta: Array) -> Array:
        low, high = log_mean_exp(self.log_inverse(eta)), log_mean_exp(self.log_complement(eta))
        return np.asarray(low - high)

    def complement(self, eta: Array) -> Array:
        return self.inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        return -log1pexp(-np.asarray(eta))

    def log_complement(self, eta: Array) -> Array:
        return -log1pexp(eta)

    def log_inverse_slope(self, eta: Array) -> Array:
        return self.complement(eta)

    def log_complement_slope(self, eta: Array) -> Array:
        return self.inverse(eta)


@dataclass(frozen=True)
class Probit(Link):
    """eta = Phi^-1(mu), Phi the standard normal distribution function."""

    name: ClassVar[str] = "probit"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        return np.asarray(special.ndtri(mu))

    def inverse(self, eta: Array) -> Array:
        return np.asarray(special.ndtr(eta))

    def inverse_slope(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-0.5 * np.square(eta)) / np.sqrt(2 * np.pi))

    def relative_curvature(self, eta: Array) -> Array:
        return -np.asarray(eta, dtype=float)

    def average(self, eta: Array) -> Array:
        """By the logarithm of the smaller tail."""
        low, high = log_mean_exp(self.log_inverse(eta)), log_mean_exp(self.log_complement(eta))
        quantile = special.ndtri_exp(np.minimum(low, high))
        return np.asarray(np.where(low <= high, quantile, -quantile))

    def complement(self, eta: Array) -> Array:
        return self.inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(special.log_ndtr(eta))

    def log_complement(self, eta: Array) -> Array:
        return self.log_inverse(-np.asarray(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        """phi(eta) / Phi(eta), the inverse Mills ratio, by the scaled erfc."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(np.sqrt(2 / np.pi) / special.erfcx(-np.asarray(eta) / np.sqrt(2)))

    def log_complement_slope(self, eta: Array) -> Array:
        return self.log_inverse_slope(-np.asarray(eta))


@dataclass(frozen=True)
class CLogLog(Link):
    """eta = log(-log(1 - mu)): grouped survival times, presence given a Poisson count.

    Below, h = e^eta = -log(1 - mu) is the cumulative hazard.
    """

    name: ClassVar[str] = "cloglog"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(-np.log1p(-np.asarray(mu)))

    def inverse(self, eta: Array) -> Array:
        return -np.expm1(self.log_complement(eta))

    def inverse_slope(self, eta: Array) -> Array:
        """h e^-h, 0 where h overflows."""
        h = self.log_complement_slope(eta)
        return times(np.exp(-h), h)

    def relative_curvature(self, eta: Array) -> Array:
        """1 - h."""
        return np.asarray(1.0 - self.log_complement_slope(eta))

    def average(self, eta: Array) -> Array:
        """By mu below 1/2 (there h = mu in the limit), else by 1 - mu."""
        low, high = log_mean_exp(self.log_inverse(eta)), log_mean_exp(self.log_complement(eta))
        tiny, upper = low < -37.0, low > -0.7
        hazard = np.where(upper, -high, -np.log1p(-np.exp(np.where(upper | tiny, -1.0, low))))
        return np.where(tiny, low, np.log(hazard))

    def complement(self, eta: Array) -> Array:
        return np.exp(self.log_complement(eta))

    def log_inverse(self, eta: Array) -> Array:
        """log(1 - e^-h); eta itself where h is below the rounding of 1."""
        h = self.log_complement_slope(eta)
        tiny = h < 1e-17
        mu = -np.expm1(-np.where(tiny, 1.0, h))
        by_log1p = np.log1p(-np.exp(-np.maximum(h, 0.5)))
        return np.where(tiny, eta, np.where(h < 0.7, np.log(mu), by_log1p))

    def log_complement(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.exp(eta)

    def log_inverse_slope(self, eta: Array) -> Array:
        """h / (e^h - 1): 1 where h underflows, 0 where it overflows."""
        h = self.log_complement_slope(eta)
        usual = (h > 0) & (h < 700)  # e^h - 1 is neither 0 nor inf
        middle = np.where(usual, h, 1.0)
        ratio = middle / np.expm1(middle)
        return np.where(usual, ratio, np.where(h > 0, times(np.exp(-h), h), 1.0))

    def log_complement_slope(self, eta: Array) -> Array:
        return -self.log_complement(eta)


@dataclass(frozen=True)
class LogLog(Link):
    """eta = -log(-log mu), the mirror image of cloglog: 1 - mu at -eta.

    Examples
    --------
    >>> eta = np.array([-1.0, 2.0])
    >>> bool(np.all(LogLog().inverse(eta) == CLogLog().complement(-eta)))
    True
    """

    name: ClassVar[str] = "loglog"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log(-np.log(mu)))

    def inverse(self, eta: Array) -> Array:
        return CLogLog().complement(-np.asarray(eta))

    def inverse_slope(self, eta: Array) -> Array:
        return CLogLog().inverse_slope(-np.asarray(eta))

    def relative_curvature(self, eta: Array) -> Array:
        return -CLogLog().relative_curvature(-np.asarray(eta))

    def average(self, eta: Array) -> Array:
        return -CLogLog().average(-np.asarray(eta))

    def complement(self, eta: Array) -> Array:
        return CLogLog().inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        return CLogLog().log_complement(-np.asarray(eta))

    def log_complement(self, eta: Array) -> Array:
        return CLogLog().log_inverse(-np.asarray(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        return CLogLog().log_complement_slope(-np.asarray(eta))

    def log_complement_slope(self, eta: Array) -> Array:
        return CLogLog().log_inverse_slope(-np.asarray(eta))


@dataclass(frozen=True)
class Cauchit(Link):
    """eta = tan(pi (mu - 1/2)), the quantile of the Cauchy law: robust to wild rows.

    The tails are those of an angle: mu = angle(-eta, 1) / pi, 1 - mu = angle(eta, 1) / pi.

    Examples
    --------
    >>> print(f"{Cauchit().inverse(np.array(-1e300)):.14g}")  # 1 / (1e300 pi)
    3.1830988618379e-301
    """

    name: ClassVar[str] = "cauchit"
    domain: ClassVar[Interval] = UNIT

    def link(self, mu: Array) -> Array:
        """By the cotangent in the tails, where mu - 1/2 has lost the digits of mu."""
        mu = np.asarray(mu, dtype=float)
        tail = np.pi * np.minimum(mu, 1.0 - mu)
        with np.errstate(divide="ignore"):
            by_cotangent = np.sign(mu - 0.5) / np.tan(tail)
        return np.where(tail < 0.75, by_cotangent, np.tan(np.pi * (mu - 0.5)))

    def inverse(self, eta: Array) -> Array:
        return np.asarray(np.arctan2(1.0, -np.asarray(eta)) / np.pi)

    def inverse_slope(self, eta: Array) -> Array:
        radius = np.hypot(1.0, eta)
        return np.asarray(1.0 / radius / radius / np.pi)

    def relative_curvature(self, eta: Array) -> Array:
        """-2 eta / (1 + eta^2)."""
        radius = np.hypot(1.0, eta)
        return np.asarray(-2.0 * (np.asarray(eta) / radius) / radius)

    def average(self, eta: Array) -> Array:
        """By the smaller tail."""
        low, high = self.inverse(eta).mean(axis=0), self.complement(eta).mean(axis=0)
        quantile = self.link(np.minimum(low, high))
        return np.where(low <= high, quantile, -quantile)

    def complement(self, eta: Array) -> Array:
        return self.inverse(-np.asarray(eta))

    def log_inverse(self, eta: Array) -> Array:
        mu = self.inverse(eta)
        with np.errstate(divide="ignore"):
            return np.where(mu < 0.5, np.log(mu), np.log1p(-self.complement(eta)))

    def log_complement(self, eta: Array) -> Array:
        return self.log_inverse(-np.asarray(eta))

    def log_inverse_slope(self, eta: Array) -> Array:
        """1 / (pi (1 + eta^2) mu), the radius sqrt(1 + eta^2) divided out in turn."""
        radius = np.hypot(1.0, eta)
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (np.pi * (radius * self.inverse(eta))) / radius)

    def log_complement_slope(self, eta: Array) -> Array:
        return self.log_inverse_slope(-np.asarray(eta))


@dataclass(frozen=True)
class Softmax(Link):
    """mu_k = e^eta_k / sum_j e^eta_j over the last axis.

    eta is determined up to a constant per row; ``link`` returns the
    representative with mean zero, the one of minimum norm (the mean over the
    classes with mu_k > 0; the others are at -inf).
    """

    name: ClassVar[str] = "softmax"
    domain: ClassVar[Simplex] = Simplex()

    def link(self, mu: Array) -> Array:
        positive = np.asarray(mu) > 0
        eta = np.log(np.where(positive, mu, 1.0))
        centre = eta.sum(axis=-1, keepdims=True) / positive.sum(axis=-1, keepdims=True)
        return np.where(positive, eta - centre, -np.inf)

    def inverse(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            grown = np.exp(eta - np.max(eta, axis=-1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=-1, keepdims=True))

    def inverse_slope(self, eta: Array) -> Array:
        """Return the (..., K, K) Jacobian diag(mu) - mu mu'."""
        mu = self.inverse(eta)
        return mu[..., :, None] * (np.eye(mu.shape[-1]) - mu[..., None, :])

    def average(self, eta: Array) -> Array:
        """log of the mean mu, which is finite where mu underflows, its mean over k zero."""
        logs = log_mean_exp(eta - special.logsumexp(eta, axis=-1, keepdims=True))
        return np.asarray(logs - logs.mean(axis=-1, keepdims=True))

    def average_tangent(self, eta: Array, v: Array) -> Array:
        """sum_m w_mk (v_mk - mu_m . v_m), w_mk = mu_mk / sum_m mu_mk, its mean over k zero."""
        logs = eta - special.logsumexp(eta, axis=-1, keepdims=True)
        change = v - (np.exp(logs) * v).sum(axis=-1, keepdims=True)
        moved = (special.softmax(logs, axis=0) * change).sum(axis=0)
        return np.asarray(moved - moved.mean(axis=-1, keepdims=True))
