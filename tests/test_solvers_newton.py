"""Fisher scoring: invariances, step halving, convergence, the score in standard errors."""

import numpy as np
import pytest
from test_solvers import glm, problem_of
from test_training_reference import pairs

from families import Bernoulli, Multinoulli, Normal, Poisson, get_family
from glmnet_nn.training.solvers import Newton


def scores_in_standard_errors(objective, w):
    """|g_j| n / sqrt(n I_jj), which at a solution is below the rounding of the data."""
    gradient = objective.smooth_value_and_gradient(w)[1]
    information = sum(A.T @ A for A, _ in objective.scoring_blocks(w))
    return np.sqrt(objective.score_scale(w)) * np.abs(gradient) / np.sqrt(np.diag(information))


@pairs
def test_score_vanishes_in_units_of_its_standard_error(pair):
    objective, start = problem_of(pair)
    solution = Newton().solve(objective, start)
    assert solution.converged, solution.message
    assert scores_in_standard_errors(objective, solution.w).max() < 1e-8
    assert np.all(np.diff(solution.loss_curve) <= 1e-13 * abs(solution.value) + 1e-300)


@pairs
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_a_common_factor_of_the_weights_changes_no_estimate(pair, factor):
    objective, start = problem_of(pair)
    rows = objective.rows
    scaled = glm(rows.X, rows.y, pair, weight=factor * rows.weight)
    one, two = (Newton().solve(f, start) for f in (objective, scaled))
    assert one.converged
    assert two.converged
    np.testing.assert_allclose(two.w, one.w, rtol=1e-9, atol=1e-11)


@pairs
@pytest.mark.parametrize("units", [(1e-8, 1e8, 1.0), (1e8, 1e-4, 1e-8)], ids=str)
def test_units_of_the_columns_change_no_fit(pair, units):
    objective, start = problem_of(pair)
    rows = objective.rows
    scaled = glm(rows.X * np.array(units), rows.y, pair, weight=rows.weight)
    one, two = (Newton().solve(f, start) for f in (objective, scaled))
    assert one.converged
    assert two.converged, two.message
    assert two.value == pytest.approx(one.value, rel=1e-13)
    W = [f.network.layout.layers(s.w)[0].W for f, s in ((objective, one), (scaled, two))]
    if pair.event_ndim:  # what all classes share is not determined
        W = [each - each.mean(axis=0) for each in W]
    np.testing.assert_allclose(W[1] * units, W[0], rtol=1e-7, atol=1e-9)


@pairs
def test_a_shift_of_the_columns_moves_the_intercept_alone(pair):
    objective, start = problem_of(pair)
    rows, shift = objective.rows, np.array([100.0, -3.0, 0.5])
    shifted = glm(rows.X + shift, rows.y, pair, weight=rows.weight)
    one, two = (Newton().solve(f, start) for f in (objective, shifted))
    assert one.converged
    assert two.converged, two.message
    (W, b), (W2, b2) = (objective.network.layout.layers(s.w)[0] for s in (one, two))
    np.testing.assert_allclose(W2, W, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(b2 + W2 @ shift, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-10, 1e10])
def test_the_unit_of_y_changes_a_linear_model_by_that_unit(unit):
    objective, start = problem_of(Normal())
    rows = objective.rows
    other = glm(rows.X, rows.y * unit, Normal(), weight=rows.weight)
    one, two = Newton().solve(objective, start), Newton().solve(other, start * unit)
    assert two.converged
    np.testing.assert_allclose(two.w, one.w * unit, rtol=1e-10, atol=1e-12 * unit)


def test_linear_model_is_least_squares_in_one_step():
    objective, start = problem_of(Normal())
    rows = objective.rows
    solution = Newton().solve(objective, start)
    root = np.sqrt(rows.weight)[:, None]
    A = np.column_stack([rows.X, np.ones(len(rows))])
    expected = np.linalg.lstsq(root * A, root * rows.y, rcond=None)[0]
    W, b = objective.network.layout.layers(solution.w)[0]
    np.testing.assert_allclose(np.column_stack([W, b]).T, expected, rtol=1e-10)
    assert solution.n_iter <= 2
    assert solution.converged


def test_perfect_fit_converges():
    """No residual is left, so there is no standard error to measure the score by."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    y = X @ [1.0, -2.0, 0.5] + 4.0
    solution = Newton().solve(glm(X, y[:, None], Normal()), np.zeros(4))
    assert solution.converged, solution.message
    np.testing.assert_allclose(solution.w, [1.0, -2.0, 0.5, 4.0], rtol=1e-12)


def test_poisson_with_identity_link_halves_steps_that_leave_the_domain():
    """From far above, the full scoring step goes where some mean is negative."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0.0, 1.0, size=(200, 2))
    family = get_family("poisson", link="identity")
    y = rng.poisson(0.05 + X @ [2.0, 5.0])[:, None].astype(float)
    objective, start = glm(X, y, family), np.array([0.0, 0.0, 20.0])
    full_step = Newton(max_iter=1).solve(objective, start)
    assert np.isfinite(full_step.value)
    solution = Newton().solve(objective, start)
    assert solution.converged, solution.message
    assert np.all(np.isfinite(solution.loss_curve))
    assert np.all(np.diff(solution.loss_curve) <= 1e-12)
    assert scores_in_standard_errors(objective, solution.w).max() < 1e-7


def test_a_full_step_that_raises_the_deviance_is_halved():
    """Far out on the logistic curve the Newton step overshoots by orders of magnitude."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(100, 2))
    y = (rng.uniform(size=100) < 1 / (1 + np.exp(-X @ [1.0, -1.0])))[:, None].astype(float)
    objective = glm(X, y, Bernoulli())
    solution = Newton().solve(objective, np.array([6.0, 6.0, -6.0]))
    assert solution.converged, solution.message
    assert np.all(np.diff(solution.loss_curve) <= 1e-12)
    reference = Newton().solve(objective, np.zeros(3))
    np.testing.assert_allclose(solution.w, reference.w, rtol=1e-9)


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 10.0])
@pytest.mark.parametrize("pair", [Bernoulli(), Multinoulli(), Poisson()], ids=lambda p: p.name)
def test_ridge_is_stationary(pair, alpha):
    objective, start = problem_of(pair, alpha=alpha)
    solution = Newton().solve(objective, start)
    assert solution.converged
    np.testing.assert_allclose(objective.smooth_value_and_gradient(solution.w)[1], 0, atol=1e-11)


def test_along_the_flat_direction_of_the_classes_nothing_moves():
    objective, start = problem_of(Multinoulli())
    rng = np.random.default_rng(0)
    start = start + rng.normal(scale=0.1, size=start.shape)
    flat = objective.flat_directions()
    solution = Newton().solve(objective, start)
    assert solution.converged
    np.testing.assert_allclose(flat @ solution.w, flat @ start, atol=1e-12)


def test_nearly_dependent_columns_are_solved_by_qr():
    """Condition 1e8: the normal equations would lose every digit of the difference."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    X[:, 2] = X[:, 1] + 1e-8 * X[:, 2]
    y = rng.poisson(np.exp(0.3 * X[:, 0] + 0.2 * X[:, 1] + 0.5))[:, None].astype(float)
    objective = glm(X, y, Poisson())
    solution = Newton().solve(objective, np.zeros(4))
    assert solution.converged, solution.message
    clear = X.copy()
    clear[:, 2] = (X[:, 2] - X[:, 1]) * 1e8  # the same space, spanned well
    reference = Newton().solve(glm(clear, y, Poisson()), np.zeros(4))
    # eta is a difference of terms 1e8 times as large, and F has its rounding
    assert solution.value == pytest.approx(reference.value, rel=1e-8)
    back = solution.w[2] * 1e-8, solution.w[1] + solution.w[2]
    np.testing.assert_allclose(back, reference.w[[2, 1]], rtol=1e-5)


def test_a_solver_that_has_nothing_to_do_is_done():
    objective, start = problem_of(Poisson())
    first = Newton().solve(objective, start)
    again = Newton().solve(objective, first.w)
    assert again.converged
    assert again.n_iter <= 2
    np.testing.assert_allclose(again.w, first.w, rtol=1e-11)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_scoring_does_not_swing_where_residuals_are_large(link):
    """Normal with a bounded mean and y far outside it: full steps overshoot for ever."""
    pair = get_family("normal", link=link)
    objective, start = problem_of(pair)
    rows = objective.rows
    eta = objective.linear_predictor(start, rows)[1]
    mu = pair.mean(eta)
    noisy = glm(rows.X, mu + 3.0 * (rows.y - mu), pair, alpha=0.02, weight=rows.weight)
    solution = Newton().solve(noisy, start)
    assert solution.converged, solution.message
    np.testing.assert_allclose(noisy.smooth_value_and_gradient(solution.w)[1], 0.0, atol=1e-9)
