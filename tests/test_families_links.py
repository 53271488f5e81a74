"""Links with parameters, links against statsmodels, and what lies outside their image."""

import numpy as np
import pytest
from mpmath import mpf
from statsmodels.genmod.families import links as theirs
from test_families_reference import exact_link, label, links, pairs, responses

from families import (
    Cauchit,
    CLogLog,
    Identity,
    Inverse,
    InverseSquared,
    Log,
    Logit,
    LogLog,
    Normal,
    Poisson,
    Power,
    Probit,
    Sqrt,
    get_family,
    get_link,
    known_links,
)

STATSMODELS = [
    (Cauchit(), theirs.Cauchy()),
    (CLogLog(), theirs.CLogLog()),
    (Identity(), theirs.Identity()),
    (Inverse(), theirs.InversePower()),
    (InverseSquared(), theirs.InverseSquared()),
    (Log(), theirs.Log()),
    (LogLog(), theirs.LogLog()),
    (Logit(), theirs.Logit()),
    (Power(-0.3), theirs.Power(-0.3)),
    (Power(1 / 3), theirs.Power(1 / 3)),
    (Probit(), theirs.Probit()),
    (Sqrt(), theirs.Sqrt()),
]


@pytest.mark.parametrize(("ours", "their"), STATSMODELS, ids=lambda link: label(link)[:20])
def test_link_is_that_of_statsmodels(ours, their):
    mu = np.array([0.02, 0.3, 0.5, 0.71, 0.97])
    eta = their(mu)
    np.testing.assert_allclose(ours.link(mu), eta, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ours.inverse(eta), their.inverse(eta), rtol=1e-13)
    np.testing.assert_allclose(ours.inverse_slope(eta), their.inverse_deriv(eta), rtol=1e-12)


def test_every_known_link_but_softmax_is_compared_with_statsmodels():
    assert {ours.name for ours, _ in STATSMODELS} >= set(known_links()) - {"softmax"}


# ------------------------------------------------------------------ powers


@pytest.mark.parametrize("link", [Identity(), Sqrt(), Inverse(), InverseSquared()], ids=label)
def test_a_power_with_a_name_is_the_link_of_that_name(link):
    power = Power(getattr(link, "exponent", 1.0))
    assert get_link(power) == link
    assert Normal(power) == Normal(link.name)
    eta = np.array([0.3, 1.0, 7.0])
    for method in ("link", "inverse", "inverse_slope", "log_inverse"):
        np.testing.assert_allclose(getattr(power, method)(eta), getattr(link, method)(eta))


@pytest.mark.parametrize("link", [Sqrt(), Inverse(), InverseSquared(), Power(-0.5)], ids=label)
def test_complement_of_a_power_has_its_digits_as_mu_approaches_one(link):
    for step in 2.0 ** -np.arange(3, 50, 4):
        for eta in (1 + step, 1 - step):
            true = exact_link(link, mpf(eta))[1]
            assert link.complement(np.array(eta)) == pytest.approx(float(true), rel=1e-14, abs=0)


def test_any_other_power_stays_what_it_is():
    assert get_link(Power(1 / 3)) == Power(1 / 3) != Power(0.3)
    assert Poisson(Power(1 / 3)).link.exponent == 1 / 3


@pytest.mark.parametrize("exponent", [0.0, np.inf, -np.inf, np.nan])
def test_power_refuses_an_exponent_that_gives_no_link(exponent):
    with pytest.raises(ValueError, match=r"exponent that is finite and not 0.*'log'"):
        Power(exponent)


def test_name_of_a_link_with_a_parameter_is_told_what_to_pass():
    assert "power" not in known_links()
    with pytest.raises(ValueError, match=r"link 'power' needs its parameter: pass Power\(exponent"):
        get_family("poisson", link="power")


# --------------------------------------------------------- outside the image


@links
def test_no_mean_outside_the_image(link):
    eta = _outside(link)
    if eta.size:
        assert np.all(link.inverse(eta) == -np.inf)
        assert np.all(link.complement(eta) == np.inf)


@pairs
def test_loss_is_infinite_outside_the_image(pair):
    if pair.event_ndim:
        return
    eta = _outside(pair.link)
    for y in responses(pair):
        assert np.all(np.isposinf(pair.loss(np.broadcast_to(y, eta.shape), eta)))
    assert all(not pair.is_feasible(e) for e in eta)


def _outside(link):
    eta = np.array([-1e308, -50.0, -1.0, -1e-3, 1e-3, 1.0, 50.0, 1e308])
    return eta[(eta < link.image.low) | (eta > link.image.high)]
