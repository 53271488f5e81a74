"""Digits: every pair against 60-digit arithmetic, from the middle to the last double."""

import functools

import numpy as np
import pytest
from mpmath import mp, mpf
from test_families_reference import (
    EXACT_LAWS,
    exact,
    exact_link,
    has_exact,
    laws,
    ln,
    means,
    pairs,
    responses,
    scalar_pairs,
    to_double,
)

from families import Bernoulli, Link, Multinoulli, Normal, Poisson

EPS = np.finfo(float).eps
TINY = np.finfo(float).tiny  # 1 / TINY is finite, 1 / denormal is not
SIZES = np.array([1e-8, 1e-3, 1.0, 3.0, 8.0, 30.0, 40.0, 300.0, 700.0, 1e5])
EXTREMES = np.array([TINY, 1e-300, 1e-30, 720.0, 800.0, 1e4, 1e10, 1e100, 1e154, 1e200, 1e308])
# exp(exp(1e5)) and erfc for mpmath; means below the normal doubles for cauchit
TOO_LARGE = {"cloglog": 1e3, "loglog": 1e3, "probit": 1e100, "cauchit": 1e300}

# every method of the conformance tests, as a function of y and eta
METHODS = {
    "mean": lambda pair, y, eta: pair.mean(eta),
    "natural": lambda pair, y, eta: pair.natural(eta),
    "natural_slope": lambda pair, y, eta: pair.natural_slope(eta),
    "fisher_weight": lambda pair, y, eta: pair.fisher_weight(eta),
    "error": lambda pair, y, eta: pair.error(y, eta),
    "loss": lambda pair, y, eta: pair.loss(y, eta),
    "pearson": lambda pair, y, eta: pair.pearson(y, eta),
    "log_partition": lambda pair, y, eta: pair.log_partition(pair.natural(eta)),
}
every_method = pytest.mark.parametrize("method", sorted(METHODS))


def _feasible(pair, sizes):
    """The sizes, of either sign, that are linear predictors of this pair."""
    eta = np.concatenate([-sizes[::-1], sizes])
    return eta[[bool(pair.is_feasible(e)) for e in eta]]


@functools.cache
def _exact(pair, y, eta):
    return exact(pair, y, eta)


def _tolerance(pair, method, true, y, eta):
    """What double arithmetic can keep: 2e-13, and the rounding of mu - y at y.

    mu is known to EPS relative to itself, and where the law has an upper end at 1
    also to EPS relative to 1 - mu.
    """
    bound = 2e-13 * abs(true[method])
    if method == "log_partition":  # A at the rounded theta, A' = mu
        bound += abs(true["mean"]) * abs(float(pair.natural(np.array(eta))) - true["natural"])
    if method == "natural":  # log mu - log(1 - mu), near 0
        bound += 4 * EPS
    if method in ("error", "loss", "pearson"):
        unit = pair.mean_domain.high == 1
        size = min(true["mean"], true["complement"]) if unit else abs(true["mean"])
        size = max(size, 0 if unit and y in (0.0, 1.0) else abs(mpf(float(y))))
        factor = {
            "error": abs(true["natural_slope"]),
            "loss": abs(true["mean"] - y) / true["variance"],
            "pearson": 1 / mp.sqrt(true["variance"]),
        }[method]
        bound += 8 * EPS * size * factor
    if abs(true["mean"] - y) < mpf(10) ** -50:
        bound += mpf(10) ** -55  # what 60 digits keep
    return bound + mpf(10) ** -305  # below lie the denormal doubles


@every_method
@scalar_pairs
def test_every_quantity_has_its_digits(pair, method):
    """Over y and eta from the middle to the last double; infinite only if truly so."""
    if not has_exact(pair):
        pytest.skip("no 60-digit formula")
    limit = TOO_LARGE.get(pair.link.name, np.inf)
    for eta in _feasible(pair, np.concatenate([SIZES, EXTREMES])):
        if abs(eta) > limit:
            continue
        weight = pair.fisher_weight(eta)
        for y in responses(pair):
            if method == "pearson" and not 1e-290 < weight < 1e290:
                continue  # 0 by definition where S underflows
            actual = float(METHODS[method](pair, y, np.array(eta)))
            true = _exact(pair, float(y), float(eta))
            if method == "log_partition" and not TINY <= abs(true["natural"]) < mpf(2) ** 1024:
                continue  # theta is no normal double
            where = f"y = {y}, eta = {eta}: {actual} for {to_double(true[method])}"
            if np.isinf(actual):
                assert np.isinf(to_double(true[method] * mpf("1.0001"))), where
                assert np.sign(actual) == mp.sign(true[method]), where
            else:
                assert abs(actual - true[method]) <= _tolerance(pair, method, true, y, eta), where


@every_method
@pairs
def test_nothing_is_nan_up_to_the_last_double(pair, method):
    sizes = np.concatenate([SIZES, EXTREMES])
    if pair.event_ndim:
        signed = np.concatenate([-sizes, [0.0], sizes])
        eta = np.stack(np.meshgrid(signed[::3], signed[::3], [0.0, 5.0]), axis=-1).reshape(-1, 3)
    else:
        eta = _feasible(pair, sizes)
    for y in responses(pair):
        assert not np.isnan(METHODS[method](pair, np.broadcast_to(y, eta.shape), eta)).any()


@laws
def test_log_partition_is_never_nan(law):
    theta = np.concatenate([-SIZES, -EXTREMES, SIZES, EXTREMES])
    if law.event_ndim:
        theta = np.stack([theta, -theta, np.zeros_like(theta)], axis=-1)
    else:
        with np.errstate(over="ignore"):
            eta = theta / law.natural_scale
        theta = theta[law.canonical_link.image.contains(eta)]
    assert not np.isnan(law.log_partition(theta)).any()


@pairs
def test_an_infinite_linear_predictor_has_the_mean_at_the_end_of_the_domain(pair):
    if pair.event_ndim:
        return
    image, domain = pair.link.image, pair.link.domain
    for end in (image.low, image.high):
        if np.isinf(end):
            assert pair.mean(np.array(end)) in (domain.low, domain.high)


# ------------------------------------------------------------------ the tails


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_bernoulli_has_all_digits_of_the_tails(name, sign, y):
    """Relative to the value itself, as small as it may be: 1 - mu is never formed."""
    pair = Bernoulli(name)
    for size in (1e-8, 1.0, 8.0, 30.0, 40.0, 700.0, 1e5):
        eta = sign * size
        if size > TOO_LARGE.get(name, np.inf):
            continue
        true = _exact(pair, y, eta)
        for method in ("mean", "natural", "natural_slope", "fisher_weight", "error", "loss"):
            actual = float(METHODS[method](pair, y, np.array(eta)))
            expected = to_double(true[method])
            least = 2 * EPS if method == "natural" else 1e-305
            assert actual == pytest.approx(expected, rel=1.5e-13, abs=least), (method, eta)


@scalar_pairs
def test_tails_of_the_link_have_their_digits(pair):
    link = pair.link
    if not has_exact(pair):
        pytest.skip("no 60-digit formula")
    limit = TOO_LARGE.get(link.name, np.inf)
    for eta in _feasible(pair, SIZES):
        if abs(eta) > limit:
            continue
        mu, complement, slope = exact_link(link, mpf(float(eta)))
        true = {"complement": complement}
        if mu > 0:
            true |= {"log_inverse": ln(mu, complement), "log_inverse_slope": slope / mu}
        stated = type(link).log_complement is not Link.log_complement
        if complement > 0 and (stated or link.domain.high == 1):
            true |= {
                "log_complement": ln(complement, mu),
                "log_complement_slope": slope / complement,
            }
        for name, expected in true.items():
            actual = float(getattr(link, name)(np.array(eta)))
            # 1 - mu, log mu at mu near 1: to EPS, unless the link states its tail
            loose = not stated
            bound = 1.5e-13 * abs(expected) + (2 * EPS * loose) + mpf(10) ** -305
            if np.isinf(actual):
                assert np.isinf(to_double(expected))
            else:
                assert abs(actual - expected) <= bound, (name, eta)


@pytest.mark.parametrize("name", ["log", "identity"])
def test_bernoulli_has_its_digits_as_mu_approaches_one_and_zero(name):
    pair = Bernoulli(name)
    near_one = -(10.0 ** np.arange(-15, 2)) if name == "log" else 1 - 10.0 ** np.arange(-15, -1)
    near_zero = (
        -np.array([30.0, 700.0, 800.0, 1e5]) if name == "log" else 10.0 ** np.arange(-300, 0)
    )
    for eta in np.concatenate([near_one, near_zero]):
        for y in (0.0, 1.0):
            true = _exact(pair, y, float(eta))
            for method in ("natural_slope", "fisher_weight", "error", "loss"):
                actual = float(METHODS[method](pair, y, np.array(eta)))
                expected = to_double(true[method])
                assert actual == pytest.approx(expected, rel=1e-13, abs=1e-305), (method, eta, y)


# ----------------------------------------------- mu close to y, and large counts


def test_poisson_deviance_at_large_counts_has_all_its_digits():
    y, mu = mpf(10) ** 8, mpf(10) ** 8 + 1
    true = float(2 * (y * mp.log(y / mu) - y + mu))
    assert Poisson().unit_deviance(1e8, 1e8 + 1) == pytest.approx(true, rel=1e-14, abs=0)


@scalar_pairs
def test_divergence_has_its_digits_however_close_mu_is_to_y(pair):
    if not (pair.is_canonical and has_exact(pair)):
        return
    law = pair
    for y in means(law):
        for step in 10.0 ** np.arange(-14, 1):
            for mu in (y * (1 + step), y * (1 - step / 2)):
                if not law.mean_domain.contains(mu):
                    continue
                actual = float(law.divergence(np.array(y), np.array(mu)))
                true = _exact_divergence(law, y, mu)
                assert actual == pytest.approx(float(true), rel=2e-13, abs=0), (y, mu)


def _exact_divergence(law, y, mu):
    y, mu = mpf(float(y)), mpf(float(mu))
    return EXACT_LAWS[law.name](law)["loss"](y, mu, 1 - mu)


@pytest.mark.parametrize("y", [1e-12, 0.01, 0.3, 0.5, 0.5 - 1e-11, 0.7, 0.99, 1 - 1e-6])
def test_bernoulli_divergence_within_1e_10_of_mu(y):
    for step in (1e-10, -1e-10, 3e-13, 1e-14):
        mu = y + step * min(y, 1 - y) / 0.5
        actual = float(Bernoulli().divergence(np.array(y), np.array(mu)))
        assert actual == pytest.approx(
            float(_exact_divergence(Bernoulli(), y, mu)), rel=1e-13, abs=0
        )
        eta = float(mp.log(mpf(mu) / (1 - mpf(mu))))
        assert 0 <= Bernoulli().loss(np.array(y), np.array(eta)) <= 1e-16


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog"])
def test_bernoulli_loss_of_a_proportion_near_one_has_its_digits(name):
    """mu - y is the difference of 1 - y and 1 - mu, both far below the rounding of mu."""
    for rest in (2.0**-20, 2.0**-40):
        eta = 1.0001 * float(Bernoulli(name).link.link(np.array(1 - 1.25 * rest)))
        actual = float(Bernoulli(name).loss(np.array(1 - rest), np.array(eta)))
        expected = float(_exact(Bernoulli(name), 1 - rest, eta)["loss"])
        assert actual == pytest.approx(expected, rel=1e-12, abs=0)


def test_poisson_and_bernoulli_divergence_far_from_mu():
    """mu / y below the rounding of 1, where (mu - y) / y + 1 has no digit left."""
    for y, mu in ((3.0, 1e-20), (1e-300, 1e300), (1e300, 1e-300), (1e15, 1e-3), (1.0, 1e-308)):
        actual = float(Poisson().divergence(np.array(y), np.array(mu)))
        assert actual == pytest.approx(float(_exact_divergence(Poisson(), y, mu)), rel=1e-14, abs=0)
    for y, mu in ((1.0, 1e-20), (0.5, 1e-300), (1e-300, 0.5), (1 - 1e-15, 1e-9)):
        actual = float(Bernoulli().divergence(np.array(y), np.array(mu)))
        assert actual == pytest.approx(
            float(_exact_divergence(Bernoulli(), y, mu)), rel=1e-14, abs=0
        )


def test_normal_deviance_at_large_values_has_all_its_digits():
    assert Normal().unit_deviance(1e8, 1e8 + 1) == 1.0
    assert Normal().loss(np.array(1.7e154), np.array(0.0)) == pytest.approx(
        1.445e308, rel=1e-14, abs=0
    )


def test_saturated_log_likelihood_of_poisson_has_its_digits():
    y = np.concatenate([10.0 ** np.arange(-8, 16), [0.5, 3.3, 14.0, 14.999, 15.0, 16.0, 171.5]])
    with mp.workdps(80):
        true = [mpf(float(v)) * (mp.log(v) - 1) - mp.loggamma(mpf(float(v)) + 1) for v in y]
    # relative to y log y - y near 0, where the terms that cancel are of the size of EPS
    np.testing.assert_allclose(
        Poisson().log_saturated(y), [float(v) for v in true], rtol=1e-14, atol=2e-16
    )
    assert Poisson().log_saturated(np.array(0.0)) == 0.0


# ------------------------------------------------------------------ several classes


def _exact_multinoulli(y, eta):
    grown = [mp.exp(mpf(float(e))) for e in eta]
    total = sum(grown)
    logs = [mpf(float(e)) - mp.log(total) for e in eta]
    terms = [mpf(float(v)) * (mp.log(v) - log) for v, log in zip(y, logs, strict=True) if v]
    mu = [g / total for g in grown]
    return sum(terms), mu


@pytest.mark.parametrize(
    "eta",
    [
        [0.0, 0.0, 0.0],
        [40.0, 0.0, 1.0],
        [-1e4, 700.0, 699.0],
        [1e5, -1e5, 0.0],
        [1e10, 1e10, 0.0],
        [1e-8, 0.0, -1e-8],
        [800.0, 0.0, -800.0],
        [1e100, 1e100, -1e100],
    ],
)
def test_multinoulli_has_its_digits(eta):
    law, eta = Multinoulli(), np.array(eta)
    with mp.workdps(400):
        for y in np.concatenate([np.eye(3), [[0.25, 0.5, 0.25], [0.0, 0.5, 0.5]]]):
            loss, mu = _exact_multinoulli(y, eta)
            assert law.loss(y, eta) == pytest.approx(to_double(loss), rel=1e-14, abs=1e-300)
            mu_ = [to_double(m) for m in mu]
            np.testing.assert_allclose(law.mean(eta), mu_, rtol=1e-14, atol=1e-300)
            error = [to_double(m - mpf(float(v))) for m, v in zip(mu, y, strict=True)]
            np.testing.assert_allclose(law.error(y, eta), error, rtol=1e-13, atol=EPS)
            weight = [to_double(m * (1 - m)) for m in mu]
            np.testing.assert_allclose(law.fisher_weight(eta), weight, rtol=1e-14, atol=1e-300)
