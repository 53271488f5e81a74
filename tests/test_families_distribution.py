"""Every law as scipy.stats has laws: the same density, mean and variance, and its quantiles."""

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, stats
from test_families_density import dispersions
from test_families_reference import domain_points, laws, responses

from families import Tweedie


def frozen(law, phi):
    """The law at each of some means, as many as there are responses."""
    y = np.asarray(responses(law), dtype=float)
    mu = np.asarray(domain_points(law.mean_domain), dtype=float)[1:-1]
    y, mu = y[: len(mu)], mu[: len(y)]
    return y, mu, law.distribution(mu, phi)


@laws
def test_density_is_the_log_likelihood(law):
    for phi in dispersions(law):
        y, mu, distribution = frozen(law, phi)
        y = np.rint(y) if hasattr(distribution, "logpmf") else y
        if law.event_ndim:
            y = np.eye(y.shape[1])[y.argmax(axis=1)]
        density = getattr(distribution, "logpmf", None) or distribution.logpdf
        expected = law.log_likelihood(y, mu, phi)
        np.testing.assert_allclose(density(y), expected, rtol=1e-9, atol=1e-9)


@laws
def test_mean_and_variance_are_mu_and_phi_v(law):
    for phi in dispersions(law):
        _, mu, distribution = frozen(law, phi)
        if law.event_ndim:
            np.testing.assert_allclose(distribution.mean(), mu, rtol=1e-12)
            np.testing.assert_allclose([one.cov() for one in map(law.distribution, mu)],
                                       law.variance(mu), rtol=1e-10)  # fmt: skip
            continue
        np.testing.assert_allclose(distribution.mean(), mu, rtol=1e-9)
        np.testing.assert_allclose(distribution.var(), phi * law.variance(mu), rtol=1e-9)


TWEEDIE = [(1.5, 2.0, 1.0), (1.1, 3.0, 0.5), (1.9, 1.0, 2.0), (1.5, 10.0, 1e-3), (1.3, 0.02, 1.0)]
tweedie = pytest.mark.parametrize(("power", "mu", "phi"), TWEEDIE)


@tweedie
def test_distribution_function_of_tweedie_is_the_sum_of_its_definition(power, mu, phi):
    law = Tweedie(power=power).distribution(mu, phi)
    rate, shape, scale = law.args
    for q in (1e-6, 0.3, 0.9, 1 - 1e-6):
        y = law.ppf(q)
        if y == 0:
            assert law.cdf(0.0) == pytest.approx(np.exp(-rate), rel=1e-14)
            continue
        top = int(rate + 12 * np.sqrt(rate) + 30)
        k = np.arange(max(1, int(rate - 12 * np.sqrt(rate))), top)
        parts = stats.poisson.pmf(k, rate) * stats.gamma.cdf(y, k * shape, scale=scale)
        assert law.cdf(y) == pytest.approx(parts.sum() + np.exp(-rate), rel=1e-10)
        assert law.cdf(y) == pytest.approx(q, rel=1e-11)
        assert law.sf(y) == pytest.approx(1 - law.cdf(y), rel=1e-9)


@tweedie
def test_density_of_tweedie_is_the_slope_of_its_distribution_function(power, mu, phi):
    law = Tweedie(power=power).distribution(mu, phi)
    low, high = law.ppf([0.4, 0.6]) if law.cdf(0.0) < 0.4 else law.ppf([0.995, 0.999])
    if high > 0:
        area = integrate.quad(law.pdf, low, high, epsabs=1e-13)[0]
        assert area == pytest.approx(law.cdf(high) - law.cdf(low), rel=1e-9)


def test_tails_of_tweedie_keep_their_digits():
    law = Tweedie(power=1.5).distribution(2.0, 1.0)
    rate, shape, scale = law.args
    with mp.workdps(25):
        tail = mp.nsum(
            lambda k: mp.e ** (-rate) * mp.mpf(rate) ** k / mp.factorial(k)
            * mp.gammainc(k * shape, 60 / scale, regularized=True),
            [1, 80],
        )  # fmt: skip
    assert law.sf(60.0) == pytest.approx(float(tail), rel=1e-10)
    assert law.cdf(1e-300) == pytest.approx(np.exp(-rate), rel=1e-14)
    assert law.ppf(0.0) == 0.0
    assert law.isf(1e-20) > law.isf(1e-10)


def test_samples_of_tweedie_have_its_distribution():
    law = Tweedie(power=1.4).distribution(np.array([1.0, 5.0]), 1.5)
    draws = law.rvs(size=(4000, 2), random_state=3)
    for column, probability in zip(draws.T, law.cdf(0.0), strict=True):
        assert np.mean(column == 0) == pytest.approx(probability, abs=0.03)
    uniform = law.cdf(draws)[draws[:, 1] > 0, 1]
    atom = law.cdf(0.0)[1]
    assert stats.kstest((uniform - atom) / (1 - atom), "uniform").pvalue > 1e-3
