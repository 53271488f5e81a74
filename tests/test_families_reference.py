"""What the other tests of `families` share: points to test at, and the laws to 60 digits.

The formulas below are typed from the table of the theory, in terms of mu and
1 - mu, and owe nothing to the code under test. Parameters of a law (the power of
Tweedie, the size of the negative binomial) are read off its variance function.
"""

import dataclasses
import functools

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from families import (
    NegativeBinomial,
    NegativeBinomialLink,
    Power,
    Tweedie,
    get_family,
    known_families,
    known_links,
    known_pairs,
)

mp.dps = 60
CLASSES = 3


def label(item):
    """A readable test id: family, or family and link."""
    link = getattr(item, "link", None)
    name = item.name if isinstance(getattr(item, "name", None), str) else type(item).__name__
    return f"{name}-{link.name}" if hasattr(link, "name") else name


WITH_PARAMETERS = [  # beside the defaults
    Tweedie(power=1.1),
    Tweedie(power=1.7),
    NegativeBinomial(alpha=0.2),
    NegativeBinomial(alpha=5.0),
]
LAWS = [family() for family in known_families()] + WITH_PARAMETERS
PAIRS = known_pairs() + WITH_PARAMETERS + [get_family(f, link="log") for f in WITH_PARAMETERS]
laws = pytest.mark.parametrize("law", LAWS, ids=label)
pairs = pytest.mark.parametrize("pair", PAIRS, ids=label)
scalar_pairs = pytest.mark.parametrize("pair", [p for p in PAIRS if not p.event_ndim], ids=label)
LINKS = [link() for link in known_links().values()]
LINKS += [Power(-0.5), Power(1 / 3), NegativeBinomialLink(0.7)]
links = pytest.mark.parametrize("link", LINKS, ids=label)


# ------------------------------------------------------------------- points


def inside(low, high):
    """Points strictly between two ends, either of which may be infinite."""
    if np.isfinite(low) and np.isfinite(high):
        return low + (high - low) * np.array([0.03, 0.2, 0.5, 0.77, 0.98])
    away = np.array([0.05, 0.4, 1.0, 2.5, 12.0])
    if np.isfinite(low):
        return low + away
    if np.isfinite(high):
        return high - away[::-1]
    return np.array([-7.5, -1.2, -0.1, 0.4, 3.0, 20.0])


def _rows(n):
    return np.random.default_rng(n).dirichlet(np.ones(CLASSES), n)


def domain_points(domain):
    """Points of a domain of means, in its interior."""
    return inside(domain.low, domain.high) if hasattr(domain, "low") else _rows(5)


def means(pair):
    """Means that both the law and the link allow."""
    ours, theirs = pair.mean_domain, pair.link.domain
    if pair.event_ndim:
        return _rows(5)
    return inside(max(ours.low, theirs.low), min(ours.high, theirs.high))


def etas(pair):
    """Linear predictors of these means."""
    return pair.link.link(means(pair))


def responses(law):
    """Values of y inside the support and at its closed ends."""
    if law.event_ndim:
        edges = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
        return np.concatenate([_rows(3), np.eye(CLASSES), edges])
    support = law.support
    ends = [support.low] * support.closed_low + [support.high] * support.closed_high
    return np.concatenate([inside(support.low, support.high), ends])


def grid(pair):
    """Every response against every eta, ready to broadcast."""
    y, eta = responses(pair), etas(pair)
    return y[:, None], np.broadcast_to(eta, (len(y), *eta.shape))


def slope(function, x):
    """f'(x) by central differences of order 4, element by element."""
    h = 5e-5 * np.clip(np.abs(x), 0.01, 1.0)
    near = function(x + h) - function(x - h)
    far = function(x + 2 * h) - function(x - 2 * h)
    return (8 * near - far) / (12 * h)


def jacobian(function, x):
    """d f / d x_k, stacked on a new last axis, for x with its components on the last axis."""
    steps = 1e-3 * np.eye(x.shape[-1])
    columns = [
        (8 * (function(x + h) - function(x - h)) - function(x + 2 * h) + function(x - 2 * h))
        / 12e-3
        for h in steps
    ]
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------ laws, exactly


def ln(x, rest):
    """log x, where rest = 1 - x is known to all its digits."""
    return mp.log1p(-rest) if 0 < rest < 0.5 else mp.log(x)


def _times_log(y, x, rest=1):
    return y * ln(x, rest) if y else mpf(0)


def _power(law):
    return mpf(round(float(np.log2(law.variance(np.array(2.0)))), 12))


def _size(law):
    return mpf(round(float(1 / (law.variance(np.array(1.0)) - 1)), 12))


def _tweedie(law):
    p = _power(law)

    def divergence(y, m, c):
        upper = y ** (2 - p) / ((1 - p) * (2 - p)) if y else mpf(0)
        return upper - y * m ** (1 - p) / (1 - p) + m ** (2 - p) / (2 - p)

    return {
        "V": lambda m, c: m**p,
        "theta": lambda m, c: m ** (1 - p) / (1 - p),
        "A": lambda m, c: m ** (2 - p) / (2 - p),
        "loss": divergence,
    }


def _negative_binomial(law):
    r = _size(law)
    return {
        "V": lambda m, c: m + m**2 / r,
        "theta": lambda m, c: mp.log(m / (m + r)),
        "A": lambda m, c: r * mp.log1p(m / r),
        "loss": lambda y, m, c: (
            _times_log(y, y / m if y else 1) - (y + r) * (mp.log1p(y / r) - mp.log1p(m / r))
        ),
    }


EXACT_LAWS = {  # in m = mu and c = 1 - mu
    "normal": lambda law: {
        "V": lambda m, c: mpf(1),
        "theta": lambda m, c: m,
        "A": lambda m, c: m**2 / 2,
        "loss": lambda y, m, c: (y - m) ** 2 / 2,
    },
    "bernoulli": lambda law: {
        "V": lambda m, c: m * c,
        "theta": lambda m, c: ln(m, c) - ln(c, m),
        "A": lambda m, c: -ln(c, m),
        "loss": lambda y, m, c: (
            _times_log(y, y)
            - _times_log(y, m, c)
            + _times_log(1 - y, 1 - y)
            - _times_log(1 - y, c, m)
        ),
    },
    "poisson": lambda law: {
        "V": lambda m, c: m,
        "theta": ln,
        "A": lambda m, c: m,
        "loss": lambda y, m, c: _times_log(y, y) - _times_log(y, m) - y + m,
    },
    "gamma": lambda law: {
        "V": lambda m, c: m**2,
        "theta": lambda m, c: -1 / m,
        "A": lambda m, c: mp.log(m),
        "loss": lambda y, m, c: y / m - 1 - mp.log(y / m),
    },
    "inverse_gaussian": lambda law: {
        "V": lambda m, c: m**3,
        "theta": lambda m, c: -1 / (2 * m**2),
        "A": lambda m, c: -1 / m,
        "loss": lambda y, m, c: (y - m) ** 2 / (2 * m**2 * y),
    },
    "tweedie": _tweedie,
    "negative_binomial": _negative_binomial,
}
EXACT_LAWS["binomial"] = EXACT_LAWS["bernoulli"]  # but for the base measure


def _cloglog(e):
    h = mp.exp(e)
    return -mp.expm1(-h), mp.exp(-h), h * mp.exp(-h)


def _cauchit(e):
    tail = mp.atan(1 / abs(e)) / mp.pi if e else mpf(1) / 2
    low, high = (tail, 1 - tail) if e <= 0 else (1 - tail, tail)
    return low, high, 1 / (mp.pi * (1 + e**2))


EXACT_LINKS = {  # eta -> mu, 1 - mu, d mu / d eta
    "identity": lambda e: (e, 1 - e, mpf(1)),
    "log": lambda e: (mp.exp(e), -mp.expm1(e), mp.exp(e)),
    "logit": lambda e: (
        1 / (1 + mp.exp(-e)),
        1 / (1 + mp.exp(e)),
        1 / ((1 + mp.exp(e)) * (1 + mp.exp(-e))),
    ),
    "probit": lambda e: (mp.ncdf(e), mp.ncdf(-e), mp.npdf(e)),
    "cloglog": _cloglog,
    "loglog": lambda e: (_cloglog(-e)[1], _cloglog(-e)[0], _cloglog(-e)[2]),
    "cauchit": _cauchit,
    "inverse": lambda e: (1 / e, 1 - 1 / e, -1 / e**2),
    "inverse_squared": lambda e: (e ** mpf(-0.5), 1 - e ** mpf(-0.5), -(e ** mpf(-1.5)) / 2),
    "sqrt": lambda e: (e**2, 1 - e**2, 2 * e),
}


def _nbinom(e, alpha):
    mu = 1 / (mpf(alpha) * mp.expm1(-e))
    return mu, 1 - mu, mu * (1 + alpha * mu)


EXACT_LINKS_WITH_PARAMETERS = {
    "power": lambda e, q: (e ** (1 / mpf(q)), 1 - e ** (1 / mpf(q)), e ** (1 / mpf(q) - 1) / q),
    "nbinom": _nbinom,
}


def exact_link(link, e):
    """mu, 1 - mu and d mu / d eta at eta = e, to 60 digits."""
    if link.name in EXACT_LINKS:
        return EXACT_LINKS[link.name](e)
    return EXACT_LINKS_WITH_PARAMETERS[link.name](e, *dataclasses.astuple(link))


def has_exact(pair):
    """Whether the tables above know this law and this link."""
    known = {*EXACT_LINKS, *EXACT_LINKS_WITH_PARAMETERS}
    return pair.name in EXACT_LAWS and pair.link.name in known


def exact(pair, y, eta):
    """Every quantity of the law at y and eta, to 60 digits."""
    with mp.workdps(60 + 2 * int(np.log10(max(abs(eta), 1.0)))):  # e^(-eta^2) needs the more
        return _exact(pair, y, eta)


@functools.cache
def _exact_mean(link, eta):
    return exact_link(link, eta)


def _exact(pair, y, eta):
    law = EXACT_LAWS[pair.name](pair)
    y, eta = mpf(float(y)), mpf(float(eta))
    m, c, dm = _exact_mean(pair.link, eta)
    V = law["V"](m, c)
    gap = (1 - y) - c if 0 < c < 0.5 else m - y  # mu - y
    return {
        "mean": m,
        "complement": c,
        "natural": law["theta"](m, c),
        "natural_slope": dm / V,
        "log_partition": law["A"](m, c),
        "fisher_weight": dm**2 / V,
        "error": gap * dm / V,
        "pearson": -mp.sign(dm) * gap / mp.sqrt(V),
        "loss": law["loss"](y, m, c),
        "variance": V,
        "slope": dm,
    }


def to_double(x):
    """The nearest double of an mpmath number, infinite beyond 1.8e308."""
    if abs(x) > mpf("1.797e308"):
        return float(mp.sign(x)) * np.inf
    return float(x)


# ----------------------------------------------- the reference tests itself


@links
def test_slope_of_an_exact_link_is_the_derivative_of_its_mean(link):
    if link.name == "softmax":
        return
    for eta in (mpf("0.2"), mpf("0.9"), mpf("1.7")):
        eta = -eta if link.image.high == 0 else eta
        mu, complement, slope_ = exact_link(link, eta)
        numeric = mpmath.diff(lambda e: exact_link(link, e)[0], eta)
        assert abs(numeric - slope_) < mpf(10) ** -15 * abs(slope_)
        assert abs(mu + complement - 1) < mpf(10) ** -50


class _Quadratic:
    """Stands for Tweedie of power 1.5 and the negative binomial of size 2."""

    def __init__(self, variance):
        self.variance = variance


@pytest.mark.parametrize("name", sorted(EXACT_LAWS))
def test_exact_law_hangs_together(name):
    """theta' = 1 / V, A' = mu / V and the divergence is that of A at theta, in mu."""
    stand_in = (
        _Quadratic(lambda m: m**1.5) if name == "tweedie" else _Quadratic(lambda m: m + m**2 / 2)
    )
    law = EXACT_LAWS[name](stand_in)
    m, y = mpf("0.4"), mpf("0.7")
    V = law["V"](m, 1 - m)
    bound = mpf(10) ** -15
    assert abs(mpmath.diff(lambda u: law["theta"](u, 1 - u), m) - 1 / V) < bound
    assert abs(mpmath.diff(lambda u: law["A"](u, 1 - u), m) - m / V) < bound
    assert abs(mpmath.diff(lambda u: law["loss"](y, u, 1 - u), m) - (m - y) / V) < bound
    assert abs(law["loss"](y, y, 1 - y)) < mpf(10) ** -50


def test_every_law_but_the_vector_laws_is_known_to_60_digits():
    scalar = {family.name for family in known_families() if not family.event_ndim}
    assert scalar <= set(EXACT_LAWS)
