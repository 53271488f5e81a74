"""Adam: what its schedule, batches, early stopping and proximal step promise."""

import numpy as np
import pytest
from test_solvers import glm, penalty, problem_of, prox_residual
from test_training_reference import Plain
from threadpoolctl import ThreadpoolController

from families import Normal, Poisson
from glmnet_nn.training.solvers import LBFGS, Adam
from glmnet_nn.training.threads import blas_threads


def quadratic(w):
    return float(0.5 * w @ w), w.copy()


def seeded(**how):
    return Adam(rng=np.random.default_rng(7), **how)


def test_the_same_seed_gives_the_same_bits():
    objective, start = problem_of(Poisson())
    one, two = (seeded(epochs=5, batch_size=16).solve(objective, start) for _ in range(2))
    np.testing.assert_array_equal(one.w, two.w)
    assert one.loss_curve == two.loss_curve
    other = Adam(epochs=5, batch_size=16, rng=np.random.default_rng(8)).solve(objective, start)
    assert np.any(other.w != one.w)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 3), (12, 4), (7, 1), (9, 8)])
def test_each_epoch_visits_every_row_once_in_a_new_order(n_rows, batch_size):
    problem = Plain(quadratic, penalty(2), n_rows)
    seeded(epochs=4, batch_size=batch_size).solve(problem, np.ones(2))
    steps = -(-n_rows // batch_size)
    assert len(problem.seen) == 4 * steps
    assert all(len(index) <= batch_size for index in problem.seen)
    orders = [np.concatenate(problem.seen[at * steps : (at + 1) * steps]) for at in range(4)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(n_rows))
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("batch_size", [10, 99])
def test_all_rows_that_fit_one_batch_stay_in_order(batch_size):
    problem = Plain(quadratic, penalty(2), 10)
    seeded(epochs=3, batch_size=batch_size).solve(problem, np.ones(2))
    assert problem.dtype == np.float64
    for index in problem.seen:
        np.testing.assert_array_equal(index, np.arange(10))


@pytest.mark.parametrize("warm_up", [0.1, 0.3])
def test_the_rate_rises_linearly_and_falls_along_a_cosine(warm_up):
    rates = Adam(learning_rate=0.4, warm_up=warm_up)._rates(10_000)
    assert rates.min() > 0
    assert rates.max() <= 0.4
    assert rates.max() == pytest.approx(0.4, rel=1e-3)
    peak = np.argmax(rates)
    assert peak == pytest.approx(warm_up * 10_000, abs=1)
    rising = rates[:peak]
    np.testing.assert_allclose(np.diff(rising), 0.4 / (warm_up * 10_000), rtol=1e-9)
    assert np.all(np.diff(rates[peak:]) < 0)
    assert rates[-1] < 1e-6
    # the triangle and the cosine have half the area of their rectangles each
    assert rates.mean() == pytest.approx(0.2, rel=1e-6)


def test_one_step_is_the_formula():
    """The first step is rate / (|g| + eps) * g: corrected for the start of both averages."""
    w, g = np.array([3.0, -0.5]), np.array([3.0, -0.5])
    adam = seeded(epochs=1, learning_rate=0.1)
    solution = adam.solve(Plain(quadratic, penalty(2)), w)
    rate = adam._rates(1)[0]
    np.testing.assert_allclose(solution.w, w - rate * g / (np.abs(g) + adam.eps), rtol=1e-12)


def test_three_steps_are_the_recursion_written_out():
    adam = seeded(epochs=3, learning_rate=0.2, betas=(0.8, 0.95))
    w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    solution = adam.solve(Plain(quadratic, penalty(2)), w)
    for t, rate in enumerate(adam._rates(3), start=1):
        g = w
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g**2
        w = w - rate * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + adam.eps)
    np.testing.assert_allclose(solution.w, w, rtol=1e-12)


def test_proximal_step_makes_exact_zeros_at_the_lasso():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    y = X @ [1.0, 0.0, -0.7, 0.0, 0.0, 0.0] + 0.3 * rng.normal(size=200)
    objective = glm(X, y[:, None], Normal(), 0.1, 1.0)
    exact = LBFGS(tol=1e-10).solve(objective, np.zeros(7))
    solution = seeded(epochs=3000, learning_rate=0.02).solve(objective, np.zeros(7))
    np.testing.assert_array_equal(solution.w == 0, exact.w == 0)
    assert np.sum(solution.w == 0) == 4
    np.testing.assert_allclose(solution.w, exact.w, atol=1e-5)
    assert prox_residual(objective, solution.w) < 1e-4


def test_mini_batches_come_near_the_optimum():
    objective, start = problem_of(Poisson(), n=400, alpha=0.1)
    exact = LBFGS(tol=1e-10).solve(objective, start)
    solution = seeded(epochs=60, batch_size=32, learning_rate=0.05).solve(objective, start)
    assert solution.value - exact.value < 1e-4
    assert len(solution.loss_curve) == solution.n_iter == 60


def test_early_stopping_returns_the_best_held_out_parameters():
    seen = []

    def held_out(w):  # falls, then rises while training goes on towards 0
        seen.append(w.copy())
        return float(np.sum(np.square(w - 0.5)))

    adam = seeded(epochs=200, learning_rate=0.05, validation=held_out, patience=5, tol=0.0)
    solution = adam.solve(Plain(quadratic, penalty(2)), np.ones(2))
    values = solution.validation_curve
    best = int(np.argmin(values))
    np.testing.assert_array_equal(solution.w, seen[best])
    assert solution.n_iter == len(values) == best + 1 + 5
    assert solution.n_iter < 200
    assert "held-out" in solution.message
    assert solution.value == pytest.approx(quadratic(solution.w)[0])


def test_an_improvement_below_tol_counts_as_none_but_is_kept():
    values = iter([1.0, 0.9, 0.899, 0.898, 0.897, 0.896])
    seen = []

    def held_out(w):
        seen.append(w.copy())
        return next(values)

    adam = seeded(epochs=6, validation=held_out, patience=2, tol=0.01)
    solution = adam.solve(Plain(quadratic, penalty(2)), np.ones(2))
    assert solution.validation_curve == (1.0, 0.9, 0.899, 0.898)
    np.testing.assert_array_equal(solution.w, seen[3])


def test_without_validation_the_last_parameters_are_returned():
    problem = Plain(quadratic, penalty(2))
    solution = seeded(epochs=50, learning_rate=0.1).solve(problem, np.ones(2))
    assert solution.validation_curve == ()
    assert solution.value == pytest.approx(quadratic(solution.w)[0], rel=1e-12)
    assert solution.converged
    assert solution.message == "all epochs done"


def test_a_gradient_that_is_not_finite_stops_with_the_remedy():
    def cliff(w):
        return (np.inf, np.full_like(w, np.nan)) if np.any(w < 0.9) else quadratic(w)

    solution = seeded(epochs=20, learning_rate=0.5).solve(Plain(cliff, penalty(2)), np.ones(2))
    assert not solution.converged
    assert "learning_rate" in solution.message
    assert solution.n_iter < 20


@pytest.mark.parametrize(("n_rows", "sizes"), [(200, (784, 256, 10)), (4096, (99, 63, 99, 1))])
def test_blas_has_one_thread_in_small_products_and_gets_the_others_back(n_rows, sizes):
    def threads():
        found = ThreadpoolController().select(user_api="blas").lib_controllers
        return [library.num_threads for library in found]

    before = threads()
    with blas_threads(n_rows, sizes):
        assert set(threads()) <= {1}
    assert threads() == before
    with blas_threads(1024, (20, 64, 64, 1)):
        assert threads() == before
