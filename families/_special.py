"""Special functions where the naive formula loses digits or is NaN."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from families._support import Array

_TINY = np.finfo(float).tiny


def x_log_x(x: ArrayLike) -> Array:
    """Return ``x log x`` >= -1/e for x >= 0, and 0 for 0; several times as fast as ``xlogy``.

    Examples
    --------
    >>> print(x_log_x([0.0, 1.0, np.e]))
    [0.         0.         2.71828183]
    """
    x = np.asarray(x, dtype=float)
    return np.asarray(x * np.log(np.maximum(x, _TINY)) + 0.0)  # + 0: not -0


def log_mean_exp(x: ArrayLike) -> Array:
    """Return log of the mean of e^x over the first axis, without forming e^x.

    Examples
    --------
    >>> print(f"{log_mean_exp([-800.0, -800.0]):.1f}")
    -800.0
    """
    x = np.asarray(x, dtype=float)
    return np.asarray(np.logaddexp.reduce(x, axis=0) - np.log(len(x)))


def log1p_gap(x: ArrayLike) -> Array:
    """Return ``x - log(1 + x)`` for \\|x\\| <= 1/2, with all its digits near 0.

    With v = x / (2 + x) and log(1 + x) = 2 artanh(v),

        x - log(1 + x) = x v - 2 v^3 (1/3 + v^2/5 + v^4/7 + ...),

    a sum without cancellation (Loader 2000, "Fast and accurate computation of
    binomial probabilities", the deviance part).

    Examples
    --------
    >>> print(f"{log1p_gap(1e-8):.14g}")
    4.9999999666667e-17
    """
    x = np.asarray(x, dtype=float)
    v = x / (2.0 + x)
    square = v * v
    series = np.zeros_like(v)
    for odd in range(37, 1, -2):  # |v| <= 1/3, and 9 ** -18 < 1e-17
        series = series * square + 1.0 / odd
    return np.asarray(x * v - 2.0 * v * square * series)


def poisson_divergence(
    y: ArrayLike,
    mu: ArrayLike,
    *,
    gap: ArrayLike | None = None,
    log_mu: ArrayLike | None = None,
) -> Array:
    """Return ``y log(y / mu) - (y - mu)`` >= 0, exactly 0 at mu = y; inf for mu < 0.

    The half unit deviance of the Poisson law; summed over the classes it is
    that of Bernoulli and Multinoulli, whose totals of y and mu agree.

    ``gap`` = mu - y and ``log_mu`` = log mu may be given where they are known to
    more digits than y and mu can tell: 1 - mu near 1, e^theta below 1e-308.

    Examples
    --------
    >>> print(f"{poisson_divergence(1e8, 1e8 + 1):.14g}")
    4.9999999666667e-09
    """
    y, mu = np.asarray(y, dtype=float), np.asarray(mu, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        difference = np.asarray(mu - y if gap is None else gap, dtype=float)
        y, mu, difference = np.broadcast_arrays(y, mu, difference)
        value = np.where(mu < 0, np.inf, mu)  # right for y = 0
        near = np.abs(difference) < 0.5 * y
        far = (y > 0) & ~near & (mu >= 0) & (mu < np.inf)
        value[near] = y[near] * log1p_gap(difference[near] / y[near])
        y_far, mu_far = y[far], mu[far]
        if log_mu is None:
            ratio = y_far / mu_far
            usual = (ratio > 1e-300) & (ratio < np.inf)
            log_ratio = np.where(usual, np.log(ratio), np.log(y_far) - np.log(mu_far))
        else:
            log_ratio = np.log(y_far) - np.broadcast_to(log_mu, y.shape)[far]
        value[far] = y_far * (log_ratio - 1.0) + mu_far
    return np.asarray(value)


def log_poisson_mode(y: ArrayLike) -> Array:
    """Return ``y log y - y - log y!``, the log-density of the Poisson law at mu = y.

    From y = 15 on by Stirling's series (Loader 2000), -log(2 pi y) / 2 less the
    error of Stirling's formula: the difference of large numbers is never formed.

    Examples
    --------
    >>> print(f"{log_poisson_mode(1e8):.14g}")
    -10.129278906014
    """
    y = np.asarray(y, dtype=float)
    large = y >= 15.0
    z = np.where(large, y, 15.0)
    inverse = 1.0 / z
    square = inverse * inverse
    coefficients = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    series = np.polyval(coefficients[::-1], square)
    stirling = -0.5 * (np.log(2 * np.pi) + np.log(z)) - series * inverse
    small = np.where(large, 1.0, y)
    direct = special.xlogy(small, small) - small - special.gammaln(small + 1.0)
    return np.asarray(np.where(large, stirling, direct))


def log_minus_digamma(k: ArrayLike) -> Array:
    """Return ``log k - digamma(k)`` for k > 0, between 1 / (2 k) and 1 / k.

    From k = 15 on by the asymptotic series (Abramowitz and Stegun 6.3.18).

    Examples
    --------
    >>> print(f"{log_minus_digamma(1e8):.14g}")
    5.0000000083333e-09
    """
    k = np.asarray(k, dtype=float)
    large = k >= 15.0
    inverse = 1.0 / np.where(large, k, 15.0)
    square = inverse * inverse
    coefficients = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
    series = np.polyval(coefficients[::-1], square)
    small = np.where(large, 1.0, k)
    direct = np.log(small) - special.digamma(small)
    return np.asarray(np.where(large, 0.5 * inverse + series * square, direct))


def trigamma_excess(k: ArrayLike) -> Array:
    """Return ``k^2 trigamma(k) - k`` for k > 0, between 1/2 and 1.

    From k = 15 on by the asymptotic series (Abramowitz and Stegun 6.4.12).

    Examples
    --------
    >>> print(f"{trigamma_excess(1e8):.14g}")
    0.50000000166667
    """
    k = np.asarray(k, dtype=float)
    large = k >= 15.0
    inverse = 1.0 / np.where(large, k, 15.0)
    square = inverse * inverse
    coefficients = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
    series = np.polyval(coefficients[::-1], square)
    small = np.where(large, 1.0, k)
    direct = small * small * special.polygamma(1, small) - small
    return np.asarray(np.where(large, 0.5 + series * inverse, direct))


def log1pexp(x: ArrayLike) -> Array:
    """Return ``log(1 + e^x)`` (softplus) without overflow.

    Examples
    --------
    >>> [float(v) for v in log1pexp([-1e308, 0.0, 1e308])]
    [0.0, 0.6931471805599453, 1e+308]
    """
    with np.errstate(invalid="ignore"):  # NaN passes
        return np.asarray(np.logaddexp(0.0, np.asarray(x, dtype=float)))


def log1mexp(x: ArrayLike) -> Array:
    """Return ``log(1 - e^x)`` for x <= 0 with its digits at both ends; NaN for x > 0.

    By log1p where e^x is small and by expm1 where it is near 1.

    Examples
    --------
    >>> [f"{v:.14g}" for v in log1mexp([-50.0, -1e-20])]
    ['-1.9287498479639e-22', '-46.051701859881']
    """
    x = np.asarray(x, dtype=float)
    small = x < -np.log(2.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        by_log1p = np.log1p(-np.exp(np.where(small, x, -1.0)))
        return np.where(small, by_log1p, np.log(-np.expm1(x)))


def times(y: ArrayLike, log_mu: ArrayLike) -> Array:
    """Return ``y * log_mu`` with 0 * inf = 0, whichever is 0, as in entropies."""
    y, log_mu = np.asarray(y, dtype=float), np.asarray(log_mu, dtype=float)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where((y == 0) | (log_mu == 0), 0.0, y * log_mu)


def is_indicator(y: ArrayLike) -> bool:
    """Tell whether every y is 0 or 1.

    Examples
    --------
    >>> is_indicator([0.0, 1.0]), is_indicator([0.0, 0.5])
    (True, False)
    """
    y = np.asarray(y)
    return bool(np.all((y == 0) | (y == 1)))


def difference_slope(function: Callable[[Array], Array], x: ArrayLike) -> Array:
    """Return f'(x), element by element, by central differences of order 4.

    Steps are a thousandth of x, so that no point changes its sign; about ten digits.

    Examples
    --------
    >>> print(f"{difference_slope(np.log, 4.0):.9f}")
    0.250000000
    """
    x = np.asarray(x, dtype=float)
    h = 1e-3 * np.maximum(np.abs(x), 1e-2)
    near, far = (function(x + k * h) - function(x - k * h) for k in (1, 2))
    return np.asarray((8.0 * near - far) / (12.0 * h))
