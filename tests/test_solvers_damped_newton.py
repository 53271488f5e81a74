"""Damped Newton: bends, saddles, units, flat directions, and when it ends."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_solvers import rosenbrock
from test_training_reference import draw

from families import Bernoulli, Multinoulli, Poisson
from glmnet_nn.training.solvers import DampedNewton, Newton


def problem(function, second, n_rows=1.0):
    """A smooth function with its Hessian, as a solver sees it."""
    return SimpleNamespace(
        smooth_value_and_gradient=function,
        hessian=second,
        score_scale=lambda w: n_rows,
    )


def rosenbrock_hessian(w):
    H = np.zeros((w.size, w.size))
    for i in range(w.size - 1):
        x, y = w[i], w[i + 1]
        H[i : i + 2, i : i + 2] += [[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200.0]]
    return H


@pytest.mark.parametrize("start", [np.array([-1.2, 1.0]), np.zeros(5)], ids=len)
def test_it_goes_round_the_bend(start):
    found = DampedNewton(tol=1e-16).solve(problem(rosenbrock, rosenbrock_hessian), start)
    assert found.converged
    np.testing.assert_allclose(found.w, 1.0, atol=1e-8)
    assert np.all(np.diff(found.loss_curve) <= 0)


def test_units_of_the_parameters_change_no_step():
    units = np.array([1e-3, 1e3])

    def scaled(w):
        value, gradient = rosenbrock(w * units)
        return value, gradient * units

    plain = problem(rosenbrock, rosenbrock_hessian)
    other = problem(scaled, lambda w: rosenbrock_hessian(w * units) * np.outer(units, units))
    start = np.array([-1.2, 1.0])
    one, two = (DampedNewton().solve(p, s) for p, s in ((plain, start), (other, start / units)))
    assert one.n_iter == two.n_iter
    np.testing.assert_allclose(two.w * units, one.w, rtol=1e-6)


def test_it_leaves_negative_curvature_for_a_minimum():
    """(x^2 - 1)^2 + y^2 has a maximum in x at 0."""

    def value(w):
        x, y = w
        return (x**2 - 1) ** 2 + y**2, np.array([4 * x * (x**2 - 1), 2 * y])

    double_well = problem(value, lambda w: np.diag([12 * w[0] ** 2 - 4, 2.0]))
    found = DampedNewton().solve(double_well, np.array([1e-3, 1.0]))
    assert found.converged
    np.testing.assert_allclose(found.w, [1.0, 0.0], atol=1e-4)


def test_a_direction_without_curvature_stays_put():
    bowl = problem(
        lambda w: (0.5 * w[0] ** 2, np.array([w[0], 0.0])), lambda w: np.diag([1.0, 0.0])
    )
    found = DampedNewton().solve(bowl, np.array([3.0, 7.0]))
    assert found.converged
    np.testing.assert_allclose(found.w, [0.0, 7.0], atol=1e-9)


@pytest.mark.parametrize("pair", [Poisson(), Bernoulli("probit"), Multinoulli()], ids=str)
def test_it_agrees_with_scoring_without_hidden_layers(pair):
    objective, w = draw(pair, 0, n=60, alpha=0.05)
    one, two = (solver.solve(objective, w) for solver in (Newton(), DampedNewton()))
    assert two.converged
    means = [pair.mean(objective.linear_predictor(s.w, objective.rows)[1]) for s in (one, two)]
    np.testing.assert_allclose(means[1], means[0], rtol=1e-7)  # a common shift of eta is free


def test_the_decrement_is_the_distance_in_standard_errors_and_falls_quadratically():
    objective, w = draw(Poisson(), 1, "tanh", n=200, alpha=0.01)
    seen = []
    found = DampedNewton().solve(objective, w, lambda n, value: seen.append((n, value)))
    assert found.converged
    assert [n for n, _ in seen] == list(range(1, found.n_iter + 1))
    gradient = objective.smooth_value_and_gradient(found.w)[1]
    left = objective.n_rows * gradient @ np.linalg.solve(objective.hessian(found.w), gradient)
    assert left <= found.grad_norm <= 1e-8  # the last step was taken after it was measured
    assert left < 1e-12


def test_an_end_without_convergence_is_said():
    found = DampedNewton(max_iter=2).solve(
        problem(rosenbrock, rosenbrock_hessian), np.array([-1.2, 1.0])
    )
    assert not found.converged
    assert "2 Hessians did not suffice" in found.message
    lying = problem(lambda w: (float(w[0] ** 2), -2 * w), lambda w: np.eye(1))
    found = DampedNewton().solve(lying, np.ones(1))  # its gradient points the wrong way
    assert not found.converged
    assert "no step lowers the objective" in found.message
