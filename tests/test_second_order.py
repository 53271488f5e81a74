"""Second derivatives: of losses and means in eta, of networks and objectives in w."""

import numpy as np
import pytest
from mpmath import mpf
from test_families_reference import exact, grid, has_exact, jacobian, scalar_pairs
from test_families_reference import slope as slope_by_element
from test_network import drawn, intercepts
from test_training_reference import activations, draw, nets, pairs, reach, slope

from families import Bernoulli, Link, Multinoulli, Poisson, known_links
from families._second_order import SecondOrder
from glmnet_nn.network import get_activation, gradient_tangent, hessian, hessian_vector, tangent


def close(actual, expected, rtol=1e-8, atol=1e-9):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


# -------------------------------------------------------------------- laws


def is_inside(pair, eta):
    """Whether differences at eta stay away from an edge that the link can step over."""
    mu, domain = pair.mean(eta), pair.mean_domain
    edge = np.minimum(mu - domain.low, domain.high - mu)
    return pair.has_safe_link | (edge > 0.05)


def exact_curvature(pair, y, eta):
    """d error / d eta by differences of order 4 in 60 digits."""
    h = 2.0**-11 * np.clip(abs(eta), 0.01, 1.0)
    at = {k: exact(pair, y, eta + k * h)["error"] for k in (-2, -1, 1, 2)}
    return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * mpf(float(h)))


@scalar_pairs
def test_observed_weight_is_the_exact_derivative_of_the_error(pair):
    if not has_exact(pair):
        return
    y, eta = np.broadcast_arrays(*grid(pair))
    inside = is_inside(pair, eta)
    y, eta = y[inside], eta[inside]
    for i in range(0, len(y), max(1, len(y) // 10)):
        found = float(pair.observed_weight(y[i : i + 1], eta[i : i + 1])[0])
        expected = exact_curvature(pair, y[i], eta[i])
        scale = abs(expected) + abs(exact(pair, y[i], eta[i])["fisher_weight"])
        assert abs(found - expected) <= 2e-9 * scale, (y[i], eta[i])


@scalar_pairs
def test_observed_is_expected_at_the_mean(pair):
    _, eta = grid(pair)
    close(pair.observed_weight(pair.mean(eta), eta), pair.fisher_weight(eta), rtol=1e-10)


@scalar_pairs
def test_what_a_law_or_link_states_is_what_differences_give(pair):
    eta = np.unique(grid(pair)[1])
    eta = eta[(np.abs(eta) > 0.05) & (np.abs(eta) < 5) & is_inside(pair, eta)]
    general = SecondOrder.log_variance_slope(pair, eta)
    close(pair.log_variance_slope(eta), general, rtol=1e-6, atol=1e-7)
    general = Link.relative_curvature(pair.link, eta)
    close(pair.link.relative_curvature(eta), general, rtol=1e-6, atol=1e-7)


def test_every_link_but_softmax_states_its_curvature():
    stated = {n for n, link in known_links().items() if _states(link)}
    assert stated == set(known_links()) - {"softmax"}


def _states(link):
    return link.relative_curvature is not Link.relative_curvature


@pairs
def test_tangents_are_derivatives_of_the_mean(pair):
    objective, w = draw(pair)
    eta = objective.linear_predictor(w, objective.rows)[1]
    v, u = np.random.default_rng(0).normal(size=(2, *eta.shape))
    step = 0.05 * reach(pair)

    def along(function):
        return slope(lambda t: function(eta + step * t[0] * u), np.zeros(1))[..., 0] / step

    close(pair.mean_tangent(eta, u), along(pair.mean))
    close(pair.mean_second_tangent(eta, v, u), along(lambda e: pair.mean_tangent(e, v)))


def test_curvature_of_classes_is_the_derivative_of_the_error():
    eta = np.random.default_rng(0).normal(size=(5, 3))
    y = np.eye(3)[[0, 1, 2, 1, 0]]
    directions = np.broadcast_to(np.eye(3), (5, 3, 3))
    law = Multinoulli()
    close(law.curvature_times(y, eta, directions), jacobian(lambda e: law.error(y, e), eta))


# ---------------------------------------------------------------- networks


@activations
def test_curvature_of_the_output_is_the_second_derivative(activation):
    a = get_activation(activation)
    s = np.linspace(-6.0, 6.0, 24)  # leaves out the kink at 0
    expected = slope_by_element(lambda s: a.slope(a.value(s.copy())), s)
    close(a.curvature(a.value(s.copy())), expected)
    assert a.is_smooth == (activation != "relu")


@nets
@intercepts
def test_hessian_is_the_derivative_of_the_gradient(depth, activation, fit_intercept):
    network, w, X, rng = drawn(depth, activation, fit_intercept)
    inputs, eta = network.forward(w, X)
    seed = rng.normal(size=eta.shape)
    H = hessian(network, w, inputs, seed)
    close(H, slope(lambda w: network.gradient(w, network.forward(w, X)[0], seed), w), atol=1e-8)
    columns = [hessian_vector(network, w, inputs, seed, e) for e in np.eye(w.size)]
    close(H, np.array(columns), rtol=1e-12, atol=1e-12)


@nets
def test_tangents_along_an_input_differentiate_its_slopes(depth, activation):
    network, w, X, rng = drawn(depth, activation)
    inputs, eta = network.forward(w, X)
    seed, seed_tangent = rng.normal(size=(2, *eta.shape))
    along = np.zeros_like(X)
    along[:, 1] = 1.0
    moved = tangent(network, w, inputs, input_tangent=along)
    close(moved.eta, network.input_slopes(w, inputs)[:, :, 1], rtol=1e-12)

    def seeded(w):
        slopes = network.input_slopes(w, network.forward(w, X)[0])[:, :, 1]
        return np.sum(seed * slopes)

    expected = slope(seeded, w) + network.gradient(w, inputs, seed_tangent)
    close(gradient_tangent(network, w, inputs, moved, seed, seed_tangent), expected, atol=1e-8)


# -------------------------------------------------------------- objectives


@pairs
@pytest.mark.parametrize("depth", [0, 1])
def test_hessian_of_the_objective_is_the_derivative_of_its_gradient(pair, depth):
    objective, w = draw(pair, depth, "tanh", offset=True, alpha=0.1)
    step = 1e-3 * min(1.0, reach(pair))
    expected = slope(lambda w: objective.smooth_value_and_gradient(w)[1], w, step)
    close(objective.hessian(w), expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())


def test_hessian_of_a_classical_model_is_its_information_under_the_canonical_link():
    for pair in (Multinoulli(), Poisson(), Bernoulli()):
        objective, w = draw(pair, 0, alpha=0.3)
        close(objective.hessian(w), objective.information(w), rtol=1e-12, atol=1e-14)


def test_blocks_sum_to_the_hessian(monkeypatch):
    objective, w = draw(Multinoulli(), 2, "tanh", n=200)
    whole = objective.hessian(w)
    monkeypatch.setattr("glmnet_nn.training.objective._HESSIAN_BYTES", 1)  # 64 rows each
    close(objective.hessian(w), whole, rtol=1e-12, atol=1e-14)
