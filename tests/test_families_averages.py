"""eta of the mean of means, under every link, also where means leave floating point."""

import numpy as np
import pytest
from mpmath import mp, mpf
from test_families_reference import exact_link, inside, label, links

from families import CLogLog, Log, Logit, LogLog, Multinoulli, Poisson, Probit, Softmax
from families._special import log_mean_exp

TAILS = {  # far enough that mu rounds to 0 or 1, or overflows
    "log": (-1000.0, -995.0, 720.0, 722.0),
    "logit": (-900.0, -899.5, 45.0, 900.0, 901.0),
    "probit": (-45.0, -44.9, 9.0, 44.0, 44.1),
    "cloglog": (-900.0, -900.3, 4.0, 6.0, 6.01),
    "loglog": (900.0, 900.3, -4.0, -6.0, -6.01),
    "cauchit": (-1e300, -2e300, 1e15, 1e299),
    "identity": (-1e300, 1e300, 1e-300),
}


def assert_average(link, eta):
    """The smaller of mu and 1 - mu at the average is the mean of those of the members."""
    found = exact_link(link, mpf(float(link.average(np.array(eta)))))[:2]
    members = [exact_link(link, mpf(float(e)))[:2] for e in eta]
    true = [sum(tail) / len(eta) for tail in zip(*members, strict=True)]
    at = 0 if link.domain.high > 1 else int(true[0] > true[1])
    near = abs(found[at] / true[at] - 1) < 1e-13 * (1 + abs(mp.log(abs(true[at]))))
    assert near, (link, eta, link.average(np.array(eta)), found, true)


@links
def test_average_is_eta_of_the_mean_of_means(link):
    if link.name == "softmax":
        pytest.skip("a vector: below")
    points = inside(max(link.image.low, -2.0), min(link.image.high, 2.0))
    for k in (1, 2, 4):
        eta = np.random.default_rng(k).choice(points, (k, 12))
        expected = link.link(link.inverse(eta).mean(axis=0))
        np.testing.assert_allclose(link.average(eta), expected, rtol=1e-12, atol=1e-13)
        for column in eta.T[:3]:
            if link.name != "identity":  # its means may cancel
                assert_average(link, column)


@pytest.mark.parametrize("link", [Log(), Logit(), Probit(), CLogLog(), LogLog()], ids=label)
def test_tails_that_leave_floating_point(link):
    tails = TAILS[link.name]
    for first in tails:
        for second in tails:
            assert_average(link, (first, second))


@links
def test_equal_members_are_their_average(link):
    points = [*inside(max(link.image.low, -50.0), min(link.image.high, 50.0))]
    points += TAILS.get(link.name, ())
    eta = np.array(points)
    if link.name == "softmax":
        eta = np.stack([eta, -eta], axis=-1)
        eta -= eta.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(link.average(np.stack([eta] * 3)), eta, rtol=1e-12, atol=1e-15)


def test_softmax():
    eta = np.random.default_rng(0).normal(size=(5, 7, 3))
    mu = Softmax().inverse(eta).mean(axis=0)
    np.testing.assert_allclose(Softmax().average(eta), Softmax().link(mu), rtol=1e-12)
    far = np.array([[[-900.0, 0.0, 0.0]], [[-905.0, 0.0, 0.0]]])
    logs = Multinoulli().log_probabilities(Softmax().average(far))[0]
    assert logs[0] == pytest.approx(log_mean_exp([-900.0, -905.0]) - np.log(2), rel=1e-14)


@pytest.mark.parametrize("name", ["sqrt", "inverse", "inverse_squared"])
def test_a_member_without_a_mean_leaves_none(name):
    """The mean of eta outside the image is -inf, and so is that of the average."""
    law = Poisson(link=name)
    eta = np.array([[1.0, 4.0, 2.0], [2.0, -1.0, 2.0]])
    average = law.link.average(eta)
    assert law.mean(average)[1] == -np.inf
    np.testing.assert_allclose(law.mean(average)[[0, 2]], law.mean(eta).mean(axis=0)[[0, 2]])
