"""kernel_and_error: the kernel and the error, to the rounding of the largest term."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from families import Bernoulli, Multinoulli, Poisson, known_pairs


def draw(family):
    """Linear predictors and y, a few of them at the ends."""
    rng = np.random.default_rng(1)
    if family.event_ndim:
        return np.eye(3)[rng.integers(3, size=50)], 3 * rng.normal(size=(50, 3))
    mu = rng.uniform(0.05, 0.95, size=(50, 1))
    return family.sample(mu, 0.5, rng), family.link_of(mu)


@pytest.mark.parametrize("family", known_pairs(), ids=str)
def test_both_at_once(family):
    y, eta = draw(family)
    kernel, error = family.kernel_and_error(y, eta)
    assert_allclose(kernel, family.kernel(y, eta), rtol=1e-12, atol=1e-12)
    assert_allclose(error, family.error(y, eta), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_far_tails_of_the_logit(dtype, y):
    """No overflow, and |eta| itself where the loss is linear in it."""
    eta = np.array([-1e4, -800, -90, -40, -1, 0, 1, 40, 90, 800, 1e4], dtype)[:, None]
    kernel, error = Bernoulli().kernel_and_error(np.full_like(eta, y), eta)
    assert kernel.dtype == error.dtype == dtype
    exact = eta.astype(float)
    digits = 1e-14 if dtype == np.float64 else 1e-6
    size = 1 + np.abs(exact)
    assert np.all(np.abs(kernel - (np.logaddexp(0, exact) - exact * y)) <= digits * size)
    assert_allclose(error, Bernoulli().error(np.full_like(exact, y), exact), atol=digits)


@pytest.mark.parametrize("family", [Poisson(), Multinoulli()], ids=str)
def test_single_precision_stays(family):
    y, eta = draw(family)
    parts = family.kernel_and_error(y.astype(np.float32), eta.astype(np.float32))
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}
