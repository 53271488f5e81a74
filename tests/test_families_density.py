"""The full probability law: densities, log-likelihoods, samples, dispersion."""

import numpy as np
import pytest
from scipy import stats
from test_families_reference import domain_points, laws, responses

from families import known_families


def dispersions(law):
    return (0.3, 1.0, 2.5) if law.has_dispersion else (1.0,)


def draw(law, mu, phi=1.0, n=40_000):
    """n draws at the mean mu, always the same."""
    rng = np.random.default_rng(20)
    return law.sample(np.broadcast_to(mu, (n, *np.shape(mu))), phi, rng)


def atoms(law):
    """The values that a sample repeats, at small mean and large phi: points of probability."""
    mu, phi = domain_points(law.mean_domain)[0], dispersions(law)[-1]
    values, counts = np.unique(draw(law, mu, phi, 2_000), return_counts=True)
    return values[counts > 1]


def density(law, y, mu, phi):
    return np.exp(law.log_likelihood(np.asarray(y, dtype=float), np.asarray(mu), phi))


@laws
def test_density_sums_to_one(law):
    for phi in dispersions(law):
        for mu in domain_points(law.mean_domain)[1:4]:
            if law.event_ndim:
                total = density(law, np.eye(len(mu)), mu, phi).sum()
            else:
                total = _total(law, mu, phi)
            assert total == pytest.approx(1.0, rel=1e-9)


def _total(law, mu, phi):
    points = atoms(law)
    spread = np.sqrt(law.variance(np.array(mu)) * phi)
    if len(points) > 1:  # a discrete law: every integer of the support
        top = min(law.support.high, np.ceil(mu + 60 * spread + 60))
        return density(law, np.arange(law.support.low, top + 1), mu, phi).sum()
    low, high = max(law.support.low, mu - 40 * spread), min(law.support.high, mu + 150 * spread)
    near_end = low + (mu - low) * np.geomspace(1e-40, 1.0, 41)
    knots = np.unique(np.concatenate([[low], near_end, np.linspace(low, high, 300)]))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(knots)[:, None] / 2
    y = knots[:-1, None] + half * (1 + nodes)
    return density(law, points, mu, phi).sum() + (density(law, y, mu, phi) * half * weights).sum()


SCIPY = {  # name -> the log-density that scipy gives
    "normal": lambda law, y, mu, phi: stats.norm.logpdf(y, mu, np.sqrt(phi)),
    "bernoulli": lambda law, y, mu, phi: stats.bernoulli.logpmf(y, mu),
    "binomial": lambda law, y, mu, phi: stats.binom.logpmf(y / phi, 1 / phi, mu),
    "multinoulli": lambda law, y, mu, phi: stats.multinomial.logpmf(y, 1, mu),
    "poisson": lambda law, y, mu, phi: stats.poisson.logpmf(y, mu),
    "gamma": lambda law, y, mu, phi: stats.gamma.logpdf(y, 1 / phi, scale=mu * phi),
    "inverse_gaussian": lambda law, y, mu, phi: stats.invgauss.logpdf(y, mu * phi, scale=1 / phi),
    "negative_binomial": lambda law, y, mu, phi: stats.nbinom.logpmf(
        y, _size(law), _size(law) / (_size(law) + mu)
    ),
}


def _size(law):
    return 1 / (law.variance(np.array(1.0)) - 1)


def test_every_law_that_scipy_has_is_compared_with_scipy():
    assert {family.name for family in known_families()} - {"tweedie"} <= set(SCIPY)


@laws
def test_log_likelihood_is_that_of_scipy(law):
    if law.name not in SCIPY:
        pytest.skip("scipy has no such law")
    for phi in dispersions(law):
        for mu in domain_points(law.mean_domain):
            y = draw(law, mu, phi, 20)
            expected = SCIPY[law.name](law, y, mu, phi)
            actual = law.log_likelihood(y, np.broadcast_to(mu, y.shape), phi)
            np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)


@laws
def test_log_likelihood_lost_by_mu_is_the_divergence(law):
    y, mu = responses(law), domain_points(law.mean_domain)[1]
    for phi in dispersions(law):
        lost = law.log_saturated(y, phi) - law.log_likelihood(y, mu, phi)
        np.testing.assert_allclose(lost, law.divergence(y, mu) / phi, rtol=1e-10, atol=1e-12)


@laws
def test_base_measure_completes_the_density(law):
    """log f = log h + (theta . y - A) / phi, as the standard form has it."""
    y, mu = responses(law), domain_points(law.mean_domain)[1]
    theta = law.natural_of(mu)
    product = (theta * y).sum(axis=-1) if law.event_ndim else theta * y
    for phi in dispersions(law):
        log_density = law.log_base_measure(y, phi) + (product - law.log_partition(theta)) / phi
        np.testing.assert_allclose(
            log_density, law.log_likelihood(y, mu, phi), rtol=1e-10, atol=1e-11
        )


@laws
def test_sample_has_mean_mu_and_variance_V_phi(law):
    for phi in dispersions(law):
        for mu in domain_points(law.mean_domain)[:3]:
            y = draw(law, mu, phi)
            assert np.all(law.support.contains(y))
            deviations = y - mu
            squares = deviations**2
            if law.event_ndim:
                squares = deviations[:, :, None] * deviations[:, None, :]
            for found, expected in ((y, mu), (squares, law.variance(mu) * phi)):
                error = found.std(axis=0) / np.sqrt(len(y))
                assert np.all(np.abs(found.mean(axis=0) - expected) < 4.5 * error + 1e-12)


@laws
def test_sample_is_reproducible_and_row_by_row(law):
    mu = domain_points(law.mean_domain)
    draws = [law.sample(mu, 1.0, np.random.default_rng(seed)) for seed in (1, 1)]
    assert draws[0].shape == mu.shape
    assert draws[0].dtype == float
    np.testing.assert_array_equal(*draws)


@laws
def test_dispersion_is_one_or_grows_with_the_scale(law):
    tau = np.array([0.2, 1.0, 3.0])
    phi = law.dispersion(tau)
    assert np.shape(phi) == np.shape(tau)
    assert np.all(np.diff(phi) > 0) if law.has_dispersion else np.all(phi == 1.0)
    assert np.all(phi > 0)
