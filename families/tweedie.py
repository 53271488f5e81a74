"""The Tweedie laws between Poisson and Gamma."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from families._links import Link
from families._parameters import Estimable
from families._positive_links import Power
from families._positive_mean import PositiveMean
from families._special import log_poisson_mode, poisson_divergence, times
from families._support import NON_NEGATIVE, Array, Interval

_NO_BEND = 1e8  # rate from which on what the second derivative has is rounding


@dataclass(frozen=True)
class Tweedie(PositiveMean):
    """y = sum of N Gamma sizes, N ~ Poisson; 0 with positive probability.  For 1 < p < 2
    A = ((1 - p) theta)^((2 - p) / (1 - p)) / (2 - p),  mu = ((1 - p) theta)^(1 / (1 - p)),
    V = mu^p,  A* = y^(2 - p) / ((1 - p)(2 - p)),  d = tau.

    The canonical link is mu^(1 - p) = (1 - p) theta. Near the ends, the deviance
    loses about log10(1 / (p - 1)) or log10(1 / (2 - p)) digits where y is far from mu.

    Parameters
    ----------
    power : float or "estimate", default=1.5
        The power p of the variance function, 1 < p < 2. With "estimate", fitting a model
        maximises the likelihood over p and phi too, as R's tweedie.profile does.

    Raises
    ------
    ValueError
        The power is not between 1 and 2.

    Examples
    --------
    The probability of y = 0 is that of N = 0, exp(-mu^(2 - p) / (phi (2 - p))):

    >>> float(Tweedie(power=1.5).log_likelihood(0.0, 4.0, 2.0))
    -2.0

    References
    ----------
    Jorgensen (1997), The Theory of Dispersion Models, chapter 4.
    Dunn and Smyth (2005), "Series evaluation of Tweedie exponential dispersion
    model densities", Statistics and Computing 15.
    """

    power: float | str = 1.5

    name: ClassVar[str] = "tweedie"
    support: ClassVar[Interval] = NON_NEGATIVE
    has_dispersion: ClassVar[bool] = True
    estimable: ClassVar[Estimable] = Estimable(
        "power",
        Interval(1, 2),
        search=(1.01, 1.99),
        usual=1.5,
        limits=("the Poisson law", "the Gamma law"),
    )

    def __post_init__(self) -> None:
        if self.unknown is None and not 1 < self._power < 2:
            raise ValueError(
                f"Tweedie needs 1 < power < 2, but got {self.power!r}. Powers 0, 1, 2 and 3 "
                "are the families Normal, Poisson, Gamma and InverseGaussian."
            )
        super().__post_init__()

    @property
    def _power(self) -> float:
        return self._number("power")

    @property
    def canonical_link(self) -> Link:
        return Power(1.0 - self._power)

    @property
    def natural_scale(self) -> float:  # type: ignore[override]
        return 1.0 / (1.0 - self._power)

    def log_partition(self, theta: Array) -> Array:
        p = self._power
        with np.errstate(divide="ignore", over="ignore"):
            base = np.maximum((1.0 - p) * np.asarray(theta, dtype=float), 0.0)
            return np.asarray(np.power(base, (2.0 - p) / (1.0 - p)) / (2.0 - p))

    def variance(self, mu: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.power(np.asarray(mu, dtype=float), self._power))

    def log_ratio(self, log_mu: Array, a: float | Array, b: float) -> Array:
        return (a - self._power * b) * log_mu

    def variance_order(self, log_mu: Array) -> float:
        return self._power

    @property
    def scale_order(self) -> float:
        return self._power

    def conjugate(self, y: Array) -> Array:
        p = self._power
        return np.asarray(np.power(y, 2.0 - p) / ((1.0 - p) * (2.0 - p)))

    def dispersion(self, tau: Array | float) -> Array | float:
        return tau

    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """log of g(lambda) / y, where lambda = y^(2 - p) / (phi (2 - p)) is the mean of N."""
        sizes, log_y, log_rate, a = self._log_rate(y, phi)
        value = np.zeros(sizes.shape)
        value[sizes] = _log_compound(log_rate, a)[0] - log_y
        return value

    def saturated_slopes(self, y: Array, phi: Array) -> tuple[Array, Array]:
        """c = 2 d log g / d log lambda, and 0 for y = 0."""
        sizes, _, log_rate, a = self._log_rate(y, phi)
        c, curvature = np.zeros(sizes.shape), np.zeros(sizes.shape)
        _, slope, bend = _log_compound(log_rate, a)
        c[sizes], curvature[sizes] = 2.0 * slope, -2.0 * bend
        return c, curvature

    def _log_rate(
        self, y: Array, phi: Array | float
    ) -> tuple[NDArray[np.bool_], Array, Array, float]:
        """Where y > 0; there log y and log lambda; the shape of the Gamma sizes."""
        y, phi = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(phi, dtype=float))
        p, sizes = self._power, y > 0
        log_y = np.log(y[sizes])
        log_rate = (2.0 - p) * log_y - np.log(phi[sizes] * (2.0 - p))
        return sizes, log_y, log_rate, (2.0 - p) / (p - 1.0)

    def anscombe_transform(self, y: Array) -> Array:
        order = 1.0 - self._power / 3.0
        return np.asarray(np.power(y, order) / order)

    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        rate, shape, scale = self._compound(mu, phi)
        return rng.gamma(rng.poisson(rate) * shape, scale)

    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        # Not above: scipy.stats, whose class the law extends, takes a second to import.
        from families._compound_poisson import compound_poisson_gamma

        return compound_poisson_gamma(*self._compound(mu, phi))

    def _compound(self, mu: Array, phi: Array | float) -> tuple[Array, float, Array]:
        """The mean of N, and shape and scale of the Gamma sizes."""
        p, mu = self._power, np.asarray(mu, dtype=float)
        rate = mu ** (2.0 - p) / (phi * (2.0 - p))
        return rate, (2.0 - p) / (p - 1.0), phi * (p - 1.0) * mu ** (p - 1.0)

    def natural(self, eta: Array) -> Array:
        """mu^(1 - p) / (1 - p) by log mu: finite where mu underflows."""
        if self.is_canonical:
            return super().natural(eta)
        with np.errstate(over="ignore"):
            power = np.exp((1.0 - self._power) * self._link.log_inverse(eta))
        return np.asarray(power / (1.0 - self._power))

    def divergence(self, y: Array, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return _divergence(self._power, y, mu, np.log(np.maximum(mu, 0.0)))

    def loss(self, y: Array, eta: Array) -> Array:
        return _divergence(self._power, y, self.mean(eta), self._link.log_inverse(eta))


def _divergence(p: float, y: ArrayLike, mu: ArrayLike, log_mu: ArrayLike) -> Array:
    """[mu^(2-p) - y^(2-p)] / (2-p) + y [mu^(1-p) - y^(1-p)] / (p-1); inf for mu < 0.

    Near mu = y, with u = log(y / mu) and q = 2 - p, it is mu^q times the series
    sum_(n >= 2) (1 + q + ... + q^(n-2)) u^n / n!, which does not cancel.
    """
    q = 2.0 - p
    y, mu, log_mu = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (y, mu, log_mu)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gap = (y - mu) / mu
        far = np.exp(q * log_mu) / q + times(y, np.exp(-(p - 1.0) * log_mu)) / (p - 1.0)
        value = np.where(mu < 0, np.inf, far - np.power(y, q) / (q * (p - 1.0)))
    near = np.abs(gap) < 0.5
    u = np.log1p(gap[near])
    series = np.zeros_like(u)
    for n in range(20, 1, -1):  # |u| < 0.7
        series = series * u + np.sum(q ** np.arange(n - 1)) / math.factorial(n)
    value[near] = np.power(mu[near], q) * u * u * series
    return np.asarray(value)


def _log_compound(log_rate: Array, a: float) -> tuple[Array, Array, Array]:
    """log g, its slope and its second derivative in log L, where

        g = sum_k Poisson(k; L) z Gamma(z; k a),   z = L a, unit scale.

    z Gamma(z; k a) = k a Poisson(k a; z), so that with M(k) = k log k - k - log k!
    and the divergence D(k, L), the terms are free of cancellation:

        k a exp{ M(k) + M(k a) - (1 + a) D(k, L) }.

    They are summed outward from the mode. Where they are a smooth bump of width
    s = sqrt(L / (1 + a)) > 8, the sum over k is that of every (s / 2)-th term: the
    trapezoidal rule is exact to e^-79 there. Beyond a rate of 1e17, g grows as sqrt(L).
    As d D / d log L = L - k, the slope is (1 + a) times the mean of k - L over the terms,
    and the second derivative (1 + a) times (1 + a) Var[k] - L, about 1 / L where L is large.
    """
    top = np.log(1e17 * max(1.0, 1.0 / a))
    excess = np.maximum(log_rate - top, 0.0)
    log_rate = log_rate - excess
    rate = np.exp(log_rate)
    width = np.sqrt(rate / (1.0 + a))
    smooth = width > 8.0
    step = np.where(smooth, 0.5 * width, 1.0)
    centre = np.where(smooth, rate, np.maximum(np.rint(rate), 1.0))

    def log_term(steps: float) -> tuple[Array, Array]:
        k = centre + steps * step
        log_weight = np.log(np.maximum(k, 0.5)) + np.log(a)
        gap = np.where(smooth, -steps * step, rate - k)
        fall = poisson_divergence(np.maximum(k, 0.5), rate, gap=gap, log_mu=log_rate)
        log_size = log_weight + log_poisson_mode(k) + log_poisson_mode(k * a)
        return np.where(k > 0.5, log_size - (1.0 + a) * fall, -np.inf), -gap

    peak, first = log_term(0.0)
    total, second = np.ones_like(peak), np.square(first)
    for direction in (1.0, -1.0):
        steps, term = 0.0, total
        while np.any(term > 1e-18 * total):
            steps += direction
            log_size, excess_of_k = log_term(steps)
            with np.errstate(invalid="ignore"):  # a rate that is NaN
                term = np.exp(log_size - peak)
            total = total + term
            first = first + term * excess_of_k
            second = second + term * np.square(excess_of_k)
    log_g = peak + np.log(total * step) + 0.5 * excess
    mean = first / total
    bend = (1.0 + a) * ((1.0 + a) * (second / total - np.square(mean)) - rate)
    bend = np.where(rate < _NO_BEND, bend, 0.0)
    return np.asarray(log_g), np.asarray((1.0 + a) * mean), bend
