"""The compound Poisson-Gamma law as scipy.stats has laws: distribution function, quantiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from families._special import log_poisson_mode, poisson_divergence
from families._support import Array

_NEGLIGIBLE = 1e-18
_CLOSE = 1e-13  # of a quantile: Newton's last step then leaves its rounding

_MOST_STEPS = 100  # where F is flat, rounding may keep the last digits moving


class CompoundPoissonGamma(stats.rv_continuous):  # type: ignore[misc]
    """y = sum of N Gamma sizes of shape a and scale s, N ~ Poisson(rate).

    Shapes: rate, a, s. The law has an atom at 0, P(y = 0) = e^-rate, and ``pdf`` is its
    density by Lebesgue measure on y > 0 and by the counting measure at 0. Given N = k,
    y is Gamma(k a, s), so that

        F(y) = e^-rate + sum_(k >= 1) Poisson(k; rate) P(k a, y / s),

    P the regularised incomplete gamma function. The smaller of F and 1 - F is summed.

    Examples
    --------
    >>> law = CompoundPoissonGamma(a=0.0, name="compound_poisson_gamma")(2.0, 1.0, 0.5)
    >>> bool(np.isclose(law.cdf(0.0), np.exp(-2.0)))
    True
    >>> float(law.mean()), float(law.var())
    (1.0, 1.0)
    """

    def _open_support_mask(self, x: Array, *shapes: Array) -> NDArray[np.bool_]:
        """0 itself is inside, for its atom."""
        return np.asarray(self._support_mask(x, *shapes))

    def _argcheck(self, rate: Array, a: Array, s: Array) -> NDArray[np.bool_]:
        return np.asarray((rate > 0) & (a > 0) & (s > 0))

    def _stats(self, rate: Array, a: Array, s: Array) -> tuple[Array, Array, Array, Array]:
        """Moments of a compound Poisson law: the cumulants are rate E[size^j]."""
        first, second = a * s, a * (a + 1.0) * s**2
        third, fourth = second * (a + 2.0) * s, second * (a + 2.0) * (a + 3.0) * s**2
        variance = rate * second
        return rate * first, variance, rate * third / variance**1.5, rate * fourth / variance**2

    def _cdf(self, x: Array, rate: Array, a: Array, s: Array) -> Array:
        return _tails(x, rate, a, s)[0]

    def _sf(self, x: Array, rate: Array, a: Array, s: Array) -> Array:
        return _tails(x, rate, a, s)[1]

    def _logpdf(self, x: Array, rate: Array, a: Array, s: Array) -> Array:
        x, rate, a, s = np.broadcast_arrays(x, rate, a, s)
        value = -np.asarray(rate, dtype=float)
        sizes = x > 0
        z = (x / s)[sizes]
        value[sizes] = _log_sum(_log_density, z, rate[sizes], a[sizes]) - np.log(x[sizes])
        return value

    def _pdf(self, x: Array, rate: Array, a: Array, s: Array) -> Array:
        return np.exp(self._logpdf(x, rate, a, s))

    def _rvs(
        self,
        rate: Array,
        a: Array,
        s: Array,
        size: tuple[int, ...] | None = None,
        random_state: np.random.Generator | np.random.RandomState | None = None,
    ) -> Array:
        assert random_state is not None  # scipy passes its own
        return np.asarray(random_state.gamma(random_state.poisson(rate, size) * a, s))

    def _ppf(self, q: Array, rate: Array, a: Array, s: Array) -> Array:
        """Newton's method in log y, within a bracket; 0 up to the atom."""
        q, rate, a, s = np.broadcast_arrays(q, rate, a, s)
        value = np.zeros(q.shape)
        above = q > np.exp(-rate)
        value[above] = self._positive_quantile(q[above], rate[above], a[above], s[above])
        return value

    def _positive_quantile(self, q: Array, rate: Array, a: Array, s: Array) -> Array:
        u = np.log(rate * a * s)
        low, high = np.full_like(u, -np.inf), np.full_like(u, np.inf)
        open_ = np.arange(len(u))
        for _ in range(_MOST_STEPS):
            if not len(open_):
                break
            shapes, y = (rate[open_], a[open_], s[open_]), np.exp(u[open_])
            cdf, sf = _tails(y, *shapes)
            excess = np.where(q[open_] < 0.5, cdf - q[open_], (1.0 - q[open_]) - sf)
            high[open_[excess >= 0]] = u[open_[excess >= 0]]
            low[open_[excess < 0]] = u[open_[excess < 0]]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = u[open_] - excess / (self._pdf(y, *shapes) * y)
                middle = 0.5 * (low[open_] + high[open_])
            reach = np.where(np.isfinite(middle), middle, u[open_] - 2.0 * np.sign(excess))
            inside = (newton >= low[open_]) & (newton <= high[open_])
            step = np.where(inside & (np.abs(newton - u[open_]) < 4.0), newton, reach)
            moving = np.abs(step - u[open_]) > _CLOSE * np.maximum(1.0, np.abs(u[open_]))
            u[open_] = step
            open_ = open_[moving]
        return np.exp(u)


compound_poisson_gamma = CompoundPoissonGamma(a=0.0, name="compound_poisson_gamma")


def _tails(x: Array, rate: Array, a: Array, s: Array) -> tuple[Array, Array]:
    """Return F(x) and 1 - F(x), x >= 0, the smaller of which is summed."""
    x, rate, a, s = np.broadcast_arrays(x, rate, a, s)
    z = x / s
    cdf, sf = np.exp(-rate), -np.expm1(-rate)
    low, high = (x > 0) & (z < rate * a), (x > 0) & (z >= rate * a)
    cdf[low] += np.exp(_log_sum(_log_lower, z[low], rate[low], a[low]))
    sf[low] = 1.0 - cdf[low]
    sf[high] = np.exp(_log_sum(_log_upper, z[high], rate[high], a[high]))
    cdf[high] = 1.0 - sf[high]
    return cdf, sf


def _log_poisson(k: Array, rate: Array) -> Array:
    return np.asarray(log_poisson_mode(k) - poisson_divergence(k, rate))


def _log_density(k: Array, z: Array, rate: Array, a: Array) -> Array:
    """log of Poisson(k; rate) z Gamma(z; k a) = Poisson(k; rate) k a Poisson(k a; z)."""
    return np.asarray(_log_poisson(k, rate) + _log_poisson(k * a, z) + np.log(k * a))


def _log_lower(k: Array, z: Array, rate: Array, a: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(_log_poisson(k, rate) + np.log(special.gammainc(k * a, z)))


def _log_upper(k: Array, z: Array, rate: Array, a: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(_log_poisson(k, rate) + np.log(special.gammaincc(k * a, z)))


def _log_sum(log_term: Callable[..., Array], z: Array, rate: Array, a: Array) -> Array:
    """Return log sum_(k >= 1) exp(log_term(k, z, rate, a)), outward from the k that z suggests.

    Given y, N has a law free of rate but for a factor, about (rate (z / a)^a)^(1 / (1 + a)).
    A smooth bump of width w > 8 is summed at every (w / 2)-th k: the trapezoidal rule is
    exact to e^-79 there, as in the density of ``Tweedie``.
    """
    middle = np.exp((np.log(rate) + a * np.log(z / a)) / (1.0 + a))
    width = np.sqrt(middle / (1.0 + a))
    smooth = width > 8.0
    step = np.where(smooth, 0.5 * width, 1.0)
    centre = np.where(smooth, middle, np.maximum(np.rint(middle), 1.0))
    peak = log_term(centre, z, rate, a)
    peak = np.where(np.isneginf(peak), 0.0, peak)

    def term(steps: float) -> Array:
        k = centre + steps * step
        logs = log_term(np.maximum(k, 0.5), z, rate, a)
        with np.errstate(over="ignore"):
            return np.exp(np.where(k > 0.5, logs - peak, -np.inf))

    total = term(0.0)
    for direction in (1.0, -1.0):
        steps, last = 0.0, total
        while np.any(last > _NEGLIGIBLE * total):
            steps += direction
            last = term(steps)
            total = total + last
    with np.errstate(divide="ignore"):
        return np.asarray(peak + np.log(total * step))
