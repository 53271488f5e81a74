"""The score of log phi: c = -2 d log_saturated / d log phi, and what follows from it."""

import mpmath
import numpy as np
import pytest

from families import Gamma, InverseGaussian, Normal, Tweedie, known_families
from families._dispersion import DispersionScore
from families._special import trigamma_excess

LAWS = [family() for family in known_families() if family.has_dispersion]
laws = pytest.mark.parametrize("law", [*LAWS, Tweedie(power=1.2), Tweedie(power=1.8)], ids=repr)
PHI = np.array([1e-4, 0.03, 0.4, 1.0, 2.5, 30.0])


@laws
def test_the_slopes_are_those_of_the_likelihood(law):
    y = np.array([1e-2, 0.2, 1.0, 7.0, 300.0])[:, None]
    numeric = DispersionScore.saturated_slopes(law, y, PHI)
    for stated, differences in zip(law.saturated_slopes(y, PHI), numeric, strict=True):
        np.testing.assert_allclose(stated, differences, rtol=1e-7, atol=2e-7)


@laws
@pytest.mark.parametrize("phi", [0.2, 0.9])
def test_the_score_has_mean_zero_and_its_variance_is_the_information(law, phi):
    mu = 1.7
    frozen = law.distribution(mu, phi)

    def mean(function):
        """By the trapezoidal rule, in log y if y > 0, and an atom at 0 if there is one."""
        if law.support.low < 0:
            y = np.linspace(mu - 12 * np.sqrt(phi), mu + 12 * np.sqrt(phi), 4001)
            weight = np.full(len(y), y[1] - y[0])
        else:
            t = np.linspace(-90.0, 5.5, 2001)
            y = np.exp(t)
            weight = y * (t[1] - t[0])
        total = np.sum(function(y) * np.exp(frozen.logpdf(y)) * weight)
        has_atom = law.support.contains(np.zeros(1)).all() and law.support.low == 0
        return total + (frozen.cdf(0.0) * function(np.zeros(1))[0] if has_atom else 0.0)

    def score(y):
        c, _ = law.saturated_slopes(y, np.array([phi]))
        return 0.5 * (law.unit_deviance(y, mu) / phi - c)

    def information(y):
        return 0.5 * sum(law.saturated_slopes(y, np.array([phi])))

    assert mean(score) == pytest.approx(0.0, abs=1e-6)
    assert mean(lambda y: score(y) ** 2) == pytest.approx(mean(information), rel=1e-5)


@pytest.mark.parametrize("k", [1e-8, 0.03, 1.0, 14.9, 15.0, 400.0, 1e12])
def test_trigamma_excess_keeps_its_digits(k):
    with mpmath.workdps(60):
        exact = float(mpmath.mpf(k) ** 2 * mpmath.psi(1, k) - k)
    assert trigamma_excess(k) == pytest.approx(exact, rel=1e-14)


def test_laws_with_and_without_a_sufficient_deviance():
    y = np.array([0.0, 2.0])
    assert Tweedie().saturated_slopes(y, np.ones(2))[0][0] == 0.0  # the density at 0 has no factor
    y = np.array([0.5, 2.0])
    for law in (Normal(), InverseGaussian()):
        np.testing.assert_array_equal(law.saturated_slopes(y, np.full(2, 9.0))[0], 1.0)
    c, _ = Gamma().saturated_slopes(y, np.array([1e-9, 1e9]))  # from the Normal to the log-uniform
    np.testing.assert_allclose(c, [1.0, 2.0], rtol=1e-6)
    large = Tweedie().saturated_slopes(np.array([2.0]), np.array([1e-12]))[0]
    np.testing.assert_allclose(large, 1.0, rtol=1e-9)
