"""Gamma, inverse Gaussian, Tweedie and negative binomial: known values, limits, parameters."""

import mpmath
import numpy as np
import pytest
import statsmodels
from mpmath import mp, mpf
from scipy import optimize, stats
from statsmodels.genmod import families as theirs
from test_families_reference import LAWS, label

from families import (
    Gamma,
    InverseGaussian,
    NegativeBinomial,
    NegativeBinomialLink,
    Normal,
    Poisson,
    Power,
    Tweedie,
    get_family,
    known_links,
)

MU = np.array([0.03, 0.8, 2.0, 2.0, 7.0, 250.0])
Y = np.array([0.1, 1.0, 2.0, 1e-3, 3.0, 260.0])

STATSMODELS = [
    (Gamma(), theirs.Gamma()),
    (InverseGaussian(), theirs.InverseGaussian()),
    (NegativeBinomial(alpha=0.4), theirs.NegativeBinomial(alpha=0.4)),
    (NegativeBinomial(alpha=3.0), theirs.NegativeBinomial(alpha=3.0)),
    (Tweedie(power=1.3), theirs.Tweedie(var_power=1.3)),
    (Tweedie(power=1.8), theirs.Tweedie(var_power=1.8)),
]
with_statsmodels = pytest.mark.parametrize(
    ("ours", "their"), STATSMODELS, ids=lambda law: label(law)[:20]
)


@with_statsmodels
def test_variance_and_deviance_are_those_of_statsmodels(ours, their):
    np.testing.assert_allclose(ours.variance(MU), their.variance(MU), rtol=1e-14)
    deviance = ours.unit_deviance(Y, MU).sum()
    assert deviance == pytest.approx(their.deviance(Y, MU), rel=1e-12)


@with_statsmodels
def test_log_likelihood_is_that_of_statsmodels(ours, their):
    overflows = statsmodels.__version__ < "0.15"  # the series of Tweedie, at y = 260
    for phi in (0.2, 1.0, 3.0) if ours.has_dispersion else (1.0,):
        expected = their.loglike_obs(Y.copy(), MU, scale=phi)
        summed = np.isfinite(expected)
        assert summed[:-1].all()
        assert summed[-1] or overflows
        found = ours.log_likelihood(Y, MU, phi)
        np.testing.assert_allclose(found[summed], expected[summed], rtol=1e-9)


@pytest.mark.parametrize("law", [Gamma(), InverseGaussian()], ids=label)
def test_default_link_is_that_of_statsmodels(law):
    their = getattr(theirs, type(law).__name__)()
    np.testing.assert_allclose(law.link.link(MU), their.link(MU), rtol=1e-15)


def test_link_of_the_negative_binomial_is_that_of_statsmodels():
    ours, their = NegativeBinomialLink(0.4), theirs.links.NegativeBinomial(0.4)
    np.testing.assert_allclose(ours.link(MU), their(MU), rtol=1e-13)
    np.testing.assert_allclose(ours.inverse_slope(their(MU)), their.inverse_deriv(their(MU)))


# ----------------------------------------------------------- saturated values


def _log_compound_poisson(y, phi, p):
    """log f(y | mu = y) of a Poisson number of Gamma sizes, term by term, to 50 digits."""
    y, phi, p = mpf(y), mpf(phi), mpf(p)
    rate, a, scale = y ** (2 - p) / (phi * (2 - p)), (2 - p) / (p - 1), phi * (p - 1) * y ** (p - 1)

    def term(k):
        poisson = k * mp.log(rate) - rate - mp.loggamma(k + 1)
        return mp.exp(poisson + (k * a - 1) * mp.log(y / scale) - y / scale - mp.loggamma(k * a))

    mode = max(1, int(rate))
    total = most = term(mode)
    for direction in (1, -1):
        k = mode + direction
        while k >= 1 and term(k) > most * mpf(10) ** -20:
            total += term(k)
            k += direction
    return mp.log(total / scale)


@pytest.mark.parametrize("power", [1.001, 1.1, 1.5, 1.8, 1.99])
def test_tweedie_density_has_its_digits(power):
    """Few terms, many terms, and so many that only every (s / 2)-th is summed."""
    law = Tweedie(power=power)
    for y, phi in ((1e-8, 2.5), (0.05, 100.0), (0.4, 0.3), (12.0, 1.0), (30.0, 1e-2), (3.0, 1e-3)):
        with mp.workdps(50):
            expected = float(_log_compound_poisson(y, phi, power))
        assert law.log_saturated(np.array(y), phi) == pytest.approx(expected, rel=3e-14, abs=3e-14)


def test_tweedie_density_at_small_dispersion_is_the_saddlepoint():
    y, law = np.array([1e-3, 1.0, 1e6, 1e200]), Tweedie(power=1.7)
    for phi in (1e-30, 1e-200):
        saddlepoint = -0.5 * (np.log(2 * np.pi) + np.log(phi) + 1.7 * np.log(y))
        np.testing.assert_allclose(law.log_saturated(y, phi), saddlepoint, rtol=1e-13)


def test_tweedie_density_takes_a_dispersion_per_row():
    law, y, phi = Tweedie(), np.array([0.0, 1.0, 3.0, 3.0]), np.array([2.0, 0.5, 0.5, 1e-4])
    alone = [float(law.log_saturated(np.array(a), b)) for a, b in zip(y, phi, strict=True)]
    np.testing.assert_allclose(law.log_saturated(y, phi), alone, rtol=1e-14)
    assert np.isnan(law.log_saturated(y, np.nan)[1:]).all()


@pytest.mark.parametrize("alpha", [1e-8, 0.3, 1.0, 50.0])
def test_negative_binomial_density_has_its_digits(alpha):
    law, r = NegativeBinomial(alpha=alpha), 1 / mpf(alpha)
    for count in (0.0, 1.0, 7.0, 1e4, 1e9):
        y = mpf(count)
        mode = mpmath.loggamma(y + r) - mpmath.loggamma(r) - mpmath.loggamma(y + 1)
        mode += (y * mp.log(y / (y + r)) if y else 0) - r * mp.log1p(y / r)
        actual = law.log_saturated(np.array(count))
        assert actual == pytest.approx(float(mode), rel=1e-13, abs=1e-14)


def test_gamma_density_at_small_dispersion_keeps_its_digits():
    with mp.workdps(60):
        k = mpf(10) ** 12
        expected = float(k * mp.log(k) - k - mp.loggamma(k) - mp.log(3))
    assert Gamma().log_saturated(np.array(3.0), 1e-12) == pytest.approx(expected, rel=1e-14)


# ------------------------------------------------------------------- deviances


@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e3])
def test_negative_binomial_divergence_of_large_counts_near_mu(alpha):
    """Where y log(y / mu) and (y + r) log((y + r) / (mu + r)) agree to 8 digits."""
    r = 1 / mpf(alpha)
    for y, mu in ((1e8, 1e8 + 1), (1e8, 1.3e8), (3e12, 3e12 - 5), (1e-9, 2e-9), (1e9, 1.0)):
        Y_, M = mpf(y), mpf(mu)
        true = Y_ * mp.log(Y_ / M) - (Y_ + r) * mp.log((Y_ + r) / (M + r))
        actual = NegativeBinomial(alpha=alpha).divergence(np.array(y), np.array(mu))
        assert actual == pytest.approx(float(true), rel=1e-13, abs=0)


def test_negative_binomial_divergence_where_alpha_mu_overflows():
    r, y, mu = 1 / mpf(1e20), mpf(1), mpf(1e306)
    true = y * mp.log(y / mu) - (y + r) * mp.log((y + r) / (mu + r))
    actual = NegativeBinomial(alpha=1e20).divergence(np.array(1.0), np.array(1e306))
    assert actual == pytest.approx(float(true), rel=1e-12, abs=0)


@pytest.mark.parametrize("power", [1.0001, 1.3, 1.7, 1.9999])
def test_tweedie_divergence_near_mu_keeps_its_digits_at_any_power(power):
    p = mpf(power)
    for y, mu in ((3.0, 3.0 + 1e-9), (3.0, 3.5), (3.0, 5.9), (1e10, 1.4e10), (1e-10, 0.8e-10)):
        Y_, M = mpf(y), mpf(mu)
        true = Y_ ** (2 - p) / ((1 - p) * (2 - p)) - Y_ * M ** (1 - p) / (1 - p)
        true += M ** (2 - p) / (2 - p)
        actual = Tweedie(power=power).divergence(np.array(y), np.array(mu))
        assert actual == pytest.approx(float(true), rel=3e-14, abs=0)


@pytest.mark.parametrize(
    ("near", "limit"),
    [
        (NegativeBinomial(alpha=1e-9), Poisson()),
        (Tweedie(power=1 + 1e-9), Poisson()),
        (Tweedie(power=2 - 1e-9), Gamma()),
    ],
    ids=label,
)
def test_limits_of_the_parameters(near, limit):
    y, mu = np.array([0.5, 1.0, 3.0]), np.array([0.6, 3.0, 1.9])
    np.testing.assert_allclose(near.divergence(y, mu), limit.divergence(y, mu), rtol=2e-6)
    np.testing.assert_allclose(near.variance(mu), limit.variance(mu), rtol=1e-8)


def test_negative_binomial_of_size_one_is_geometric():
    y, mu = np.arange(30.0), 2.7
    expected = stats.geom.logpmf(y + 1, 1 / (1 + mu))
    np.testing.assert_allclose(NegativeBinomial(alpha=1.0).log_likelihood(y, mu), expected)


# ------------------------------------------------------------------ dispersion


@pytest.mark.parametrize("law", [law for law in LAWS if law.has_dispersion], ids=label)
@pytest.mark.parametrize("spread", [1e-4, 0.3, 4.0])
def test_likelihood_dispersion_maximises_the_likelihood(law, spread):
    y = np.random.default_rng(5).gamma(1 / spread, spread, 50) + 1e-3
    mu = np.full(50, y.mean())
    deviance = law.unit_deviance(y, mu).mean()
    phi = law.likelihood_dispersion(deviance)
    if np.isnan(phi):
        assert law.name == "tweedie"  # its density does not split
        return

    def fall(log_phi):
        return -law.log_likelihood(y, mu, np.exp(log_phi)).sum()

    bracket = (np.log(phi) - 2, np.log(phi) + 3)
    best = optimize.minimize_scalar(fall, bounds=bracket, method="bounded", options={"xatol": 1e-9})
    assert np.log(phi) == pytest.approx(best.x, abs=1e-6)


@pytest.mark.parametrize("phi", [1e-12, 1e-5, 0.03, 0.5, 1.0, 20.0, 1e6, 1e12])
def test_likelihood_dispersion_of_gamma_solves_its_equation(phi):
    with mp.workdps(50):
        k = 1 / mpf(phi)
        deviance = float(2 * (mp.log(k) - mp.digamma(k)))
    assert Gamma().likelihood_dispersion(deviance) == pytest.approx(phi, rel=2e-14, abs=0)


def test_likelihood_dispersion_at_the_ends():
    for law in (Normal(), Gamma(), InverseGaussian()):
        assert law.likelihood_dispersion(0.0) == 0.0
        assert law.likelihood_dispersion(np.inf) == np.inf
    assert NegativeBinomial().likelihood_dispersion(3.0) == 1.0


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize("power", [0, 1, 2, 3, 1.0, 2.0, -1.0, 2.5, np.nan, np.inf])
def test_tweedie_refuses_a_power_outside_1_2(power):
    with pytest.raises(ValueError, match=r"1 < power < 2, but got .*Powers 0, 1, 2 and 3 are"):
        get_family("tweedie", power=power)


@pytest.mark.parametrize("alpha", [0, -1.0, np.nan, np.inf])
def test_negative_binomial_refuses_alpha_that_is_not_positive_and_finite(alpha):
    with pytest.raises(ValueError, match="NegativeBinomial needs alpha > 0 and finite, but got"):
        get_family("negative_binomial", alpha=alpha)
    with pytest.raises(ValueError, match="nbinom link needs alpha > 0 and finite, but got"):
        NegativeBinomialLink(alpha)


def test_families_are_found_with_their_parameters():
    assert get_family("tweedie", power=1.6) == Tweedie(power=1.6) != Tweedie()
    found = get_family("negative_binomial", alpha=0.5, link="log")
    assert (found.alpha, found.link_name, found.is_canonical) == (0.5, "log", False)
    assert get_family("inverse.gaussian") == InverseGaussian()


def test_canonical_link_follows_the_parameter():
    assert Tweedie(power=1.6).link == Tweedie("power", 1.6).link == Power(1 - 1.6)
    assert NegativeBinomial(alpha=0.5).link == NegativeBinomialLink(0.5)
    assert get_family(Tweedie(power=1.6), power=1.7) == Tweedie(power=1.7)
    assert get_family(Tweedie("log", 1.6), power=1.7) == Tweedie("log", 1.7)
    assert not NegativeBinomial(NegativeBinomialLink(2.0), alpha=0.5).is_canonical


def test_canonical_power_is_canonical_under_any_name():
    assert Gamma(Power(-1.0)) == Gamma("inverse") == Gamma()
    assert InverseGaussian(Power(-2.0)).is_canonical
    assert not Gamma("inverse_squared").is_canonical


def test_link_with_a_parameter_needs_it_elsewhere():
    assert "nbinom" not in known_links()
    with pytest.raises(ValueError, match=r"needs its parameter: pass NegativeBinomialLink\(alpha"):
        get_family("poisson", link="nbinom")
