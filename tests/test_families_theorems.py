"""Theorems of exponential families, over every law and every pair of law and link."""

import numpy as np
from scipy import optimize
from test_families_reference import (
    domain_points,
    etas,
    grid,
    jacobian,
    laws,
    links,
    means,
    pairs,
    responses,
    scalar_pairs,
    slope,
)

from families import Bernoulli, Multinoulli


def close(actual, expected, rtol=1e-8, atol=1e-9):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def thetas(law):
    return law.natural_of(domain_points(law.mean_domain))


def mean_at(law, theta):
    """A'(theta), by the inverse of the canonical link."""
    return law.canonical_link.inverse(theta / law.natural_scale)


# --------------------------------------------------------------- the law


@laws
def test_derivative_of_A_is_the_mean_and_the_inverse_canonical_link(law):
    theta = thetas(law)
    numeric = (jacobian if law.event_ndim else slope)(law.log_partition, theta)
    close(mean_at(law, theta), numeric)
    close(law.mean(theta / law.natural_scale), numeric)
    close(mean_at(law, theta), domain_points(law.mean_domain), rtol=1e-12)


@laws
def test_second_derivative_of_A_is_the_variance_function(law):
    theta = thetas(law)
    numeric = (jacobian if law.event_ndim else slope)(lambda t: mean_at(law, t), theta)
    close(law.variance(mean_at(law, theta)), numeric)


def _fine_thetas(law):
    """Natural parameters of means that come close to both ends of their domain."""
    low, high = law.mean_domain.low, law.mean_domain.high
    t = np.linspace(-60.0, 60.0, 2501)
    if np.isfinite(low) and np.isfinite(high):
        mu = low + (high - low) / (1 + np.exp(-t[t < 35]))
    else:
        mu = low + np.exp(t) if np.isfinite(low) else t
    return np.sort(law.natural_of(mu))


@laws
def test_conjugate_is_the_supremum(law):
    y, conjugate = responses(law), law.conjugate(responses(law))
    for y_i, bound in zip(y, conjugate, strict=True):

        def fall(theta, y_i=y_i):
            return float(law.log_partition(theta) - np.sum(theta * y_i))

        if law.event_ndim:
            found = optimize.minimize(fall, np.zeros(len(y_i)), tol=1e-10)
            best = found.fun
        else:
            theta = _fine_thetas(law)
            values = law.log_partition(theta) - theta * y_i
            k = int(np.clip(np.argmin(values), 1, len(theta) - 2))
            found = optimize.minimize_scalar(fall, bounds=theta[[k - 1, k + 1]], method="bounded")
            best = min(found.fun, values[k - 1], values[k], values[k + 1])
        close(-best, bound, rtol=1e-6, atol=1e-5)
        assert -best <= bound + 1e-9 * (1 + abs(bound))


@laws
def test_divergence_is_zero_at_mu_equal_to_y(law):
    y = responses(law)
    assert np.all(np.abs(law.divergence(y, y)) <= 1e-15)


@laws
def test_unit_deviance_is_twice_the_divergence(law):
    y, mu = responses(law)[0], domain_points(law.mean_domain)[1]
    close(law.unit_deviance(y.tolist(), mu.tolist()), 2 * law.divergence(y, mu), rtol=1e-15)


@laws
def test_divergence_is_the_generic_formula(law):
    y, theta = responses(law)[:, None], thetas(law)
    product = (theta * y).sum(axis=-1) if law.event_ndim else theta * y
    generic = law.conjugate(y) + law.log_partition(theta) - product
    close(law.divergence(y, np.broadcast_to(mean_at(law, theta), (len(y), *theta.shape))), generic)


# ------------------------------------------------------------ law and link


@pairs
def test_loss_is_positive_and_zero_at_mu_equal_to_y(pair):
    assert np.all(pair.loss(*grid(pair)) >= 0)
    y = means(pair)
    assert np.all(np.abs(pair.loss(y, pair.link.link(y))) <= 1e-15)


@pairs
def test_loss_is_never_negative_however_close_mu_is_to_y(pair):
    y, eta = means(pair), etas(pair)
    for step in 10.0 ** np.arange(-17, -3):
        for factor in (1 - step, 1 + step):
            assert np.all(pair.loss(y, eta * factor) >= 0)


@pairs
def test_loss_is_the_divergence_from_the_mean(pair):
    y, eta = grid(pair)
    close(pair.loss(y, eta), pair.divergence(y, pair.mean(eta)), rtol=1e-12, atol=1e-14)


@pairs
def test_a_change_of_unit_goes_through_link_and_loss(pair):
    """g(c mu) = c^k g(mu), and the loss of c y is c^(2 - p) times that of y."""
    c, degree, order = 1e3, pair.link_degree, pair.scale_order
    if degree is not None:
        mu = means(pair)
        close(pair.link.link(c * mu), c**degree * pair.link.link(mu), rtol=1e-12)
    if order is not None:
        y = means(pair)[:, None]
        mu = means(pair) + 0.1
        close(pair.divergence(c * y, c * mu), c ** (2.0 - order) * pair.divergence(y, mu))


@pairs
def test_every_row_stands_alone(pair):
    """Whatever else is in the batch: zeros and ones may take a shorter way than proportions."""
    y, eta = grid(pair)
    y = np.broadcast_to(y, eta.shape)
    for method in (pair.loss, pair.error, pair.pearson):
        one_by_one = [
            [method(*cell) for cell in zip(*rows, strict=True)] for rows in zip(y, eta, strict=True)
        ]
        close(method(y, eta), np.array(one_by_one), rtol=1e-14, atol=1e-16)


@pairs
def test_loss_is_the_generic_formula(pair):
    y, eta = grid(pair)
    theta = pair.natural(eta)
    product = (theta * y).sum(axis=-1) if pair.event_ndim else theta * y
    generic = pair.conjugate(y) + pair.log_partition(theta) - product
    close(pair.loss(y, eta), generic, rtol=1e-11, atol=1e-11)


@pairs
def test_error_is_the_derivative_of_the_loss(pair):
    y, eta = grid(pair)
    numeric = (jacobian if pair.event_ndim else slope)(lambda e: pair.loss(y, e), eta)
    close(pair.error(y, eta), numeric, rtol=1e-7, atol=1e-8)


@scalar_pairs
def test_fisher_weight_is_the_expected_second_derivative_of_the_loss(pair):
    """d^2 loss / d eta^2 is affine in y, so that its mean is its value at y = mu."""
    eta = etas(pair)
    mu = pair.mean(eta)
    close(pair.fisher_weight(eta), slope(lambda e: pair.error(mu, e), eta), rtol=1e-7)


@scalar_pairs
def test_fisher_weight_is_the_squared_slope_of_the_mean_over_V(pair):
    eta = etas(pair)
    close(pair.fisher_weight(eta), slope(pair.mean, eta) ** 2 / pair.variance(pair.mean(eta)))


@pairs
def test_natural_is_the_natural_parameter_of_the_mean(pair):
    eta = etas(pair)
    theta = pair.natural_of(pair.mean(eta))
    natural = pair.natural(eta)
    if pair.event_ndim:
        natural = natural - natural.mean(axis=-1, keepdims=True)
    close(natural, theta, rtol=1e-12, atol=1e-13)


@pairs
def test_link_is_canonical_if_and_only_if_theta_is_a_multiple_of_eta(pair):
    eta = etas(pair)
    theta = pair.natural_of(pair.mean(eta))
    along = theta * np.sum(eta * eta) - eta * np.sum(theta * eta)  # 0 iff parallel
    size = np.linalg.norm(theta) * np.linalg.norm(eta) ** 2
    assert pair.is_canonical == np.all(np.abs(along) < 1e-9 * size)
    multiple = pair.natural_scale * eta
    assert pair.is_canonical == np.allclose(theta, multiple, rtol=1e-9, atol=1e-12)
    assert pair.is_canonical == np.array_equal(pair.natural(eta), multiple)


@scalar_pairs
def test_natural_slope_is_the_derivative_of_natural(pair):
    eta = etas(pair)
    close(pair.natural_slope(eta), slope(pair.natural, eta))
    close(pair.natural_slope(eta), slope(pair.mean, eta) / pair.variance(pair.mean(eta)))


@pairs
def test_tails_of_the_link_agree_with_its_mean(pair):
    if pair.event_ndim:
        return
    link, eta = pair.link, etas(pair)
    mu = link.inverse(eta)
    close(link.complement(eta), 1 - mu, rtol=1e-12, atol=1e-14)
    above = eta[mu > 0]
    close(link.log_inverse(above), np.log(mu[mu > 0]), rtol=1e-12, atol=1e-14)
    close(link.log_inverse_slope(above), slope(link.log_inverse, above))
    within = eta[(mu > 0) & (mu < 0.999)]
    close(link.log_complement(within), np.log1p(-link.inverse(within)), rtol=1e-12, atol=1e-14)
    close(link.log_complement_slope(within), -slope(link.log_complement, within))


@pairs
def test_law_is_feasible_where_its_mean_is_a_mean(pair):
    eta = etas(pair)
    assert pair.is_feasible(eta)
    broken = np.array(eta)
    broken.flat[0] = np.nan
    assert not pair.is_feasible(broken)


@scalar_pairs
def test_loss_is_infinite_outside_the_domain_of_means(pair):
    """The closure of A is +inf there, so that a line search turns back by itself."""
    eta = np.array([-1e3, -3.0, -1.0, 3.0, 1e3])
    eta = eta[pair.link.image.contains(eta)]
    mu = pair.mean(eta)
    outside = (mu < pair.mean_domain.low) | (mu > pair.mean_domain.high)
    for y in responses(pair):
        assert np.all(np.isposinf(pair.loss(y, eta[outside])))
    assert all(not pair.is_feasible(e) for e in eta[outside])


# -------------------------------------------------------------------- links


@links
def test_link_inverts_its_inverse(link):
    mu = domain_points(link.domain)
    eta = link.link(mu)
    assert np.all(link.image.contains(eta))
    close(link.inverse(eta), mu, rtol=1e-13, atol=1e-15)
    close(link.link(link.inverse(eta)), eta, rtol=1e-12, atol=1e-13)


@links
def test_inverse_slope_is_the_derivative_of_the_inverse(link):
    eta = link.link(domain_points(link.domain))
    vector = not hasattr(link.domain, "low")
    close(link.inverse_slope(eta), (jacobian if vector else slope)(link.inverse, eta))


@links
def test_link_reaches_both_ends_of_its_domain(link):
    """At an end of the domain the link is infinite or an end of the image, never NaN."""
    if not hasattr(link.domain, "low"):
        assert not np.isnan(link.link(np.eye(3))).any()
        return
    ends = [end for end in (link.domain.low, link.domain.high) if np.isfinite(end)]
    reached = link.link(np.array(ends, dtype=float))
    assert np.all(np.isin(reached, [link.image.low, link.image.high]))


# ------------------------------------------------------- one law as another


def test_multinoulli_of_two_classes_is_bernoulli():
    eta = np.array([-800.0, -40.0, -3.0, -0.2, 0.0, 0.5, 7.0, 36.0, 800.0])[:, None]
    y = np.array([0.0, 0.25, 1.0])
    both = np.stack([np.zeros_like(eta), eta], axis=-1)
    shares = np.stack([1 - y, y], axis=-1)
    two, one = Multinoulli(), Bernoulli()
    close(two.loss(shares, both), one.loss(y, eta), rtol=1e-14, atol=1e-16)
    close(two.mean(both)[..., 1], one.mean(eta), rtol=1e-14, atol=0)
    close(two.error(shares, both)[..., 1], one.error(y, eta), rtol=1e-14, atol=1e-15)
    close(two.fisher_weight(both)[..., 1], one.fisher_weight(eta), rtol=1e-13, atol=0)
    close(two.log_partition(both), one.log_partition(eta), rtol=1e-14, atol=0)
    mu = np.array([[0.3, 0.7]])
    close(two.divergence(shares, mu), one.divergence(y, np.array(0.7)), rtol=1e-14, atol=0)
