"""The law of a new observation when the linear predictor is itself uncertain.

    f(y) = integral of f(y | g^-1(eta), phi) N(eta; eta_hat, se^2) d eta

The integrand is smooth and falls off like the normal density, so that the trapezoidal
rule converges exponentially: with steps h in units of se, and the law of y no narrower
than 1 / r of the normal density, the error is about exp(-2 pi^2 / (h^2 (1 + r^2))).
The step follows r: against adaptive quadrature, distribution functions are right to 1e-8
up to r = 5 (of Bernoulli, whose means have poles in the complex plane, to 1e-6). For small
r, as in large samples, Gauss and Hermite's rule needs but a few nodes, with an error of
about r^(2 m) / sqrt((2 m)!) for m of them.

Source: Trefethen and Weideman (2014), "The exponentially convergent trapezoidal rule",
SIAM Review 56, section 5; Davis and Rabinowitz (1984), Methods of Numerical Integration,
section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from families import Array, ExponentialFamily, Link
from glmnet_nn.inference.draws import generator

_HERMITE = {5: 0.05, 13: 0.3}  # nodes of Gauss and Hermite, and up to which r
_STEP = 0.8  # exp(-2 pi^2 / 0.8^2) = 4e-14
_REACH = 9.0  # standard errors; the mass beyond is 2e-19
_MOST_NODES = 2**12  # then r = 180, and no node has a weight above 0.2 %
_MOST_CUT = 2**8  # the cost of finding Legendre's nodes grows with their cube
_BLOCK = 2**18  # numbers of one array
_CLOSE = 1e-12
_MOST_STEPS = 200


class PredictiveDistribution:
    """The mixture of the law over N(eta, se^2), with the methods of a frozen scipy.stats law.

    ``mean, var, std, median, interval, cdf, sf, ppf, isf, rvs`` and, as the law is discrete
    or not, ``pmf, logpmf`` or ``pdf, logpdf``. Arguments are broadcast against the rows.
    phi is taken as known. Where a link leaves linear predictors without a mean (eta <= 0
    for the inverse link), the normal law is restricted to those that have one.

    Parameters
    ----------
    family : ExponentialFamily
        A scalar law.
    phi : float
        Its dispersion.
    eta, se : array
        Estimate and standard error of the linear predictor, of one shape.

    Examples
    --------
    Of the Normal law with identity link it is N(eta, phi + se^2):

    >>> from families import Normal
    >>> law = PredictiveDistribution(Normal(), 2.0, np.array([1.0]), np.array([0.5]))
    >>> print(law.var(), law.cdf(1.0))
    [2.25] [0.5]
    """

    def __init__(self, family: ExponentialFamily, phi: float, eta: Array, se: Array) -> None:
        self.family = family
        self.phi = phi
        self.eta, self.se = np.broadcast_arrays(eta, se)

    def of_rows(self, choose: Callable[[Array], Array]) -> PredictiveDistribution:
        """Return the law of some of the rows, or of rows of another shape."""
        return PredictiveDistribution(self.family, self.phi, choose(self.eta), choose(self.se))

    # ------------------------------------------------------------- moments

    def mean(self) -> Array:
        """Return the mean of y: not g^-1(eta), but the average of g^-1."""
        return self._per_row(lambda mu, weight: (weight * mu).sum(axis=-1))

    def var(self) -> Array:
        """Return E[phi V(mu)] + Var[mu]: it tends to phi V(mu), not to 0, as se does."""

        def variance(mu: Array, weight: Array) -> Array:
            centred = mu - (weight * mu).sum(axis=-1, keepdims=True)
            spread = self.phi * self.family.variance(mu) + np.square(centred)
            return np.asarray((weight * spread).sum(axis=-1))

        return self._per_row(variance)

    def std(self) -> Array:
        """Return the standard deviation."""
        return np.sqrt(self.var())

    # --------------------------------------------------------- probabilities

    def cdf(self, y: ArrayLike) -> Array:
        """Return P(Y <= y)."""
        return self._average("cdf", y)

    def sf(self, y: ArrayLike) -> Array:
        """Return P(Y > y)."""
        return self._average("sf", y)

    def ppf(self, q: ArrayLike) -> Array:
        """Return the smallest y with P(Y <= y) >= q."""
        return self._map(self._quantile, q)

    def isf(self, q: ArrayLike) -> Array:
        """Return the smallest y with P(Y > y) <= q."""
        return self.ppf(1.0 - np.asarray(q, dtype=float))

    def median(self) -> Array:
        """Return ppf(0.5)."""
        return self.ppf(0.5)

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Return the quantiles that leave (1 - confidence) / 2 on either side."""
        tail = 0.5 * (1.0 - confidence)
        return self.ppf(tail), self.ppf(1.0 - tail)

    def rvs(
        self,
        size: int | tuple[int, ...] | None = None,
        random_state: Any = None,
    ) -> Array:
        """Draw; ``size`` must be broadcastable to the rows, as in scipy.stats."""
        rng = generator(random_state)
        shape = self.eta.shape if size is None else tuple(np.atleast_1d(size))
        eta = truncated_normal(self.family, np.broadcast_to(self.eta, shape), self.se, rng)
        return self.family.sample(self.family.mean(eta), self.phi, rng)

    def __getattr__(self, name: str) -> Callable[[ArrayLike], Array]:
        """Return pmf and logpmf of discrete laws, pdf and logpdf of others."""
        plain = name.removeprefix("log")
        if plain not in ("pdf", "pmf") or (plain == "pmf") != self._is_discrete:
            raise AttributeError(f"the predictive distribution of this law has no {name!r}")
        if name == plain:
            return lambda y: self._average(plain, y)
        return lambda y: self._map(self._log_density, y)

    # ------------------------------------------------------------ one block

    @property
    def _is_discrete(self) -> bool:
        return hasattr(self._law(self.family.mean(np.zeros(1))), "pmf")

    def _law(self, mu: Array) -> Any:
        return self.family.distribution(mu, self.phi)

    def _log_density(self, y: Array, mu: Array, weight: Array) -> Array:
        law = self._law(mu)
        density = law.logpmf if hasattr(law, "logpmf") else law.logpdf
        return np.asarray(special.logsumexp(density(y[:, None]), axis=-1, b=weight))

    def _quantile(self, q: Array, mu: Array, weight: Array) -> Array:
        """Search between the quantiles at the least and the largest mean: they rise with it."""
        law = self._law(mu)
        least, most = mu.min(axis=1), mu.max(axis=1)
        low = self._law(least).ppf(q)
        high = self._law(most).ppf(q)
        with np.errstate(divide="ignore"):  # scipy gives up beyond 1e10 counts, Cantelli does not
            down, up = (np.sqrt(self.phi * self.family.variance(end)) for end in (least, most))
            low = np.where(np.isnan(low), np.floor(least - down * np.sqrt((1.0 - q) / q)), low)
            high = np.where(np.isnan(high), np.ceil(most + up * np.sqrt(q / (1.0 - q))), high)

        def excess(y: Array) -> Array:
            """P(Y <= y) - q, by the smaller tail."""
            upper = (1.0 - q) - (weight * law.sf(y[:, None])).sum(axis=-1)
            return np.where(q < 0.5, (weight * law.cdf(y[:, None])).sum(axis=-1) - q, upper)

        if hasattr(law, "pmf"):
            return _least_integer(excess, low - 1.0, high)

        def density(y: Array) -> Array:
            return np.asarray((weight * law.pdf(y[:, None])).sum(axis=-1))

        return _root(excess, density, low, high)

    # ----------------------------------------------------------- all blocks

    def _average(self, method: str, y: ArrayLike) -> Array:
        def averaged(y: Array, mu: Array, weight: Array) -> Array:
            values = getattr(self._law(mu), method)(y[:, None])
            return np.asarray((weight * values).sum(axis=-1))

        return self._map(averaged, y)

    def _per_row(self, function: Callable[[Array, Array], Array]) -> Array:
        return self._map(lambda _, mu, weight: function(mu, weight), 0.0)

    def _map(self, function: Callable[[Array, Array, Array], Array], y: ArrayLike) -> Array:
        """Apply function(y, mu, weight) to each y with the nodes of its row; NaN gives NaN."""
        y, eta, se = np.broadcast_arrays(np.asarray(y, dtype=float), self.eta, self.se)
        values = np.full(y.size, np.nan)
        flat, eta, se = y.ravel(), eta.ravel(), se.ravel()
        sound = np.flatnonzero(np.isfinite(flat + eta + se) | (np.isinf(flat) & np.isfinite(se)))
        for rows, t, weight in _rules(self.family, self.phi, eta, se, sound):
            mu = self.family.mean(eta[rows, None] + se[rows, None] * t)
            values[rows] = function(flat[rows], mu, weight)
        return values.reshape(y.shape)


def _rules(
    family: ExponentialFamily, phi: float, eta: Array, se: Array, rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Array, Array]]:
    """Yield blocks of rows with the nodes, in units of se, and weights that they need, (m, N)."""
    low, high = predictor_range(family)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(low - eta[rows]) / se[rows], (high - eta[rows]) / se[rows]], axis=1)
    ends = np.clip(np.nan_to_num(ends, nan=0.0), -_REACH, _REACH)
    cut = (ends > -_REACH)[:, 0] | (ends < _REACH)[:, 1]
    numbers = _numbers_of_nodes(family, phi, eta[rows], se[rows], low, high)
    for is_cut in (False, True):
        for number in np.unique(numbers[cut == is_cut]):
            alike = np.flatnonzero((numbers == number) & (cut == is_cut))
            t, weight = _legendre(number) if is_cut else _normal_rule(number)
            size = max(1, _BLOCK // len(t))
            for start in range(0, len(alike), size):
                block = alike[start : start + size]
                if is_cut:
                    a, b = ends[block, :1], ends[block, 1:]
                    nodes = 0.5 * ((a + b) + (b - a) * t)
                    shares = weight * np.exp(-0.5 * np.square(nodes))
                else:
                    nodes, shares = (np.broadcast_to(v, (len(block), len(t))) for v in (t, weight))
                yield rows[block], nodes, shares / shares.sum(axis=1, keepdims=True)


def _numbers_of_nodes(
    family: ExponentialFamily, phi: float, eta: Array, se: Array, low: float, high: float
) -> NDArray[np.int_]:
    """Return the number of nodes for each row, by the width of its law."""
    r = np.zeros(len(eta))
    for shift in (-2.0, 0.0, 2.0):  # the law of y may be narrower off the middle
        at = np.clip(eta + shift * se, low, high)
        with np.errstate(all="ignore"):
            width = se * np.sqrt(family.fisher_weight(at) / phi)
        r = np.fmax(r, np.where(np.isfinite(width), width, 0.0))
    powers = 2.0 ** np.ceil(np.log2(2.0 * _REACH / _STEP * np.sqrt(1.0 + np.square(r))))
    numbers = np.minimum(powers, _MOST_NODES) + 1
    for few, most in reversed(_HERMITE.items()):
        numbers[r <= most] = few
    return numbers.astype(int)


@lru_cache(maxsize=16)
def _normal_rule(number: int) -> tuple[Array, Array]:
    """Return nodes and weights for averages over the standard normal law."""
    if number in _HERMITE:
        return np.polynomial.hermite_e.hermegauss(number)
    t = np.linspace(-_REACH, _REACH, number)
    return t, np.exp(-0.5 * np.square(t))


@lru_cache(maxsize=16)
def _legendre(number: int) -> tuple[Array, Array]:
    """Gauss and Legendre's rule, for normal laws that the range of eta cuts off."""
    return np.polynomial.legendre.leggauss(min(max(2 * number, 64), _MOST_CUT))


def predictor_range(family: ExponentialFamily) -> tuple[float, float]:
    """Return the least and the largest linear predictor with a mean of this law."""
    domain, theirs = cast(Any, family.mean_domain), cast(Any, cast(Link, family.link).domain)
    ends = np.array([max(domain.low, theirs.low), min(domain.high, theirs.high)])
    with np.errstate(all="ignore"):
        low, high = np.sort(family.link_of(ends))
    return float(low), float(high)


def truncated_normal(
    family: ExponentialFamily, eta: Array, se: Array, rng: np.random.Generator
) -> Array:
    """Draw from N(eta, se^2), restricted to linear predictors with a mean of this law."""
    low, high = predictor_range(family)
    scale = np.where(se > 0, se, 1.0)
    least, most = special.ndtr((low - eta) / scale), special.ndtr((high - eta) / scale)
    uniform = rng.uniform(least, most, eta.shape)
    return np.asarray(eta + se * special.ndtri(uniform))


# ---------------------------------------------------------------------- search


def _least_integer(excess: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return the least integer with excess >= 0, by bisection: excess(low) < 0 <= excess(high)."""
    while True:
        middle = np.floor(0.5 * (low + high))
        open_ = (low < middle) & (middle < high)  # beyond 2^53 not every integer is a number
        if not open_.any():
            return high
        reached = excess(middle) >= 0
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle, low)


def _root(
    excess: Callable[[Array], Array], slope: Callable[[Array], Array], low: Array, high: Array
) -> Array:
    """Return the root of excess, by Newton's method within a bracket; low if it is no less."""
    high = np.where(excess(low) >= 0, low, high)
    y = 0.5 * (low + high)
    for _ in range(_MOST_STEPS):
        at = excess(y)
        high = np.where(at >= 0, np.minimum(y, high), high)
        low = np.where(at < 0, np.maximum(y, low), low)
        with np.errstate(all="ignore"):
            newton = y - at / slope(y)
        step = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        moved = np.abs(step - y)
        y = step
        if not np.any(moved > _CLOSE * np.maximum(np.abs(y), 1e-300)):
            break
    return y
