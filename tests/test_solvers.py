"""A matrix of solver x problem; the optimality conditions are the oracle."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import Lasso, LogisticRegression
from test_elastic_net_path import mixed
from test_training_reference import Plain, central_mean, draw, pairs

from families import Bernoulli, Multinoulli, Normal, Poisson, get_family, known_pairs
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet, elastic_net
from glmnet_nn.training.solvers import LBFGS, SOLVERS, Adam, Newton, NewtonCG

CANONICAL = [pair for pair in known_pairs() if pair.is_canonical]
canonical = pytest.mark.parametrize("pair", CANONICAL, ids=lambda pair: pair.name)


def penalty(size, l1=0.0, l2=0.0):
    return ElasticNet(np.full(size, l1), np.full(size, l2))


def glm(X, y, family, alpha=0.0, l1_ratio=0.0, weight=None, intercept=True, offset=None):
    layout = Layout((X.shape[1], y.shape[1]), intercept)
    network = Network(layout, get_activation("identity"))
    weight = np.ones(len(X)) if weight is None else weight
    elastic = elastic_net(layout, [alpha], l1_ratio)
    return Objective(Rows(X, y, weight, offset), family, network, elastic)


def problem_of(pair, n=80, p=3, seed=0, **how):
    """A GLM with a finite optimum, and the start of its null model."""
    objective, w = draw(pair, 0, n=n, p=p, seed=seed)
    rows = objective.rows
    mu = pair.mean(objective.linear_predictor(w, rows)[1])
    rows = Rows(rows.X, mu + 0.5 * (rows.y - mu), rows.weight)  # scoring crawls in much noise
    start = np.zeros_like(w)
    objective.network.layout.layers(start)[-1].b[:] = pair.link_of(central_mean(pair))
    return glm(rows.X, rows.y, pair, weight=rows.weight, **how), start


def prox_residual(objective, w):
    gradient = objective.smooth_value_and_gradient(w)[1]
    return np.abs(w - objective.penalty.prox(w - gradient, 1.0)).max()


def made(name):
    tight = {
        "newton": Newton(),
        "lbfgs": LBFGS(tol=1e-8),
        "newton_cg": NewtonCG(tol=1e-8),
        "adam": Adam(epochs=1500, learning_rate=0.05, rng=np.random.default_rng(0)),
    }
    return tight[name]


def test_every_solver_is_known_by_its_name():
    assert {name: solver.name for name, solver in SOLVERS.items()} == {n: n for n in SOLVERS}
    assert all(type(made(name)) is SOLVERS[name] for name in SOLVERS)


@pytest.mark.parametrize("name", SOLVERS)
@canonical
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_every_solver_finds_the_stationary_point(name, pair, alpha):
    objective, start = problem_of(pair, alpha=alpha)
    kept = start.copy()
    solution = made(name).solve(objective, start)
    np.testing.assert_array_equal(start, kept)
    assert solution.converged, solution.message
    assert np.abs(objective.smooth_value_and_gradient(solution.w)[1]).max() < 1e-7
    assert solution.value == pytest.approx(objective.value(solution.w), rel=1e-13)
    assert solution.loss_curve[-1] == pytest.approx(solution.value, rel=1e-9)
    assert solution.n_iter >= 1


@canonical
def test_solvers_agree_where_the_optimum_is_unique(pair):
    objective, start = problem_of(pair, alpha=0.3)
    # without the flat direction of the intercepts
    found = [objective.network.layout.layers(made(n).solve(objective, start).w) for n in SOLVERS]
    for layers in found[1:]:
        np.testing.assert_allclose(layers[0].W, found[0][0].W, atol=2e-7)


@pytest.mark.parametrize("name", SOLVERS)
def test_report_is_called_with_every_iteration_and_value(name):
    objective, start = problem_of(Poisson(), alpha=0.1)
    solver = Adam(epochs=7, rng=np.random.default_rng(0)) if name == "adam" else made(name)
    calls = []
    solution = solver.solve(objective, start, lambda *call: calls.append(call))
    assert [n for n, _ in calls] == list(range(1, solution.n_iter + 1))
    curve = solution.loss_curve[-len(calls) :]
    np.testing.assert_allclose([value for _, value in calls], curve, rtol=1e-15)


@pytest.mark.parametrize("name", ["newton", "lbfgs", "newton_cg"])
def test_too_few_iterations_are_not_convergence(name):
    objective, start = problem_of(Poisson(), seed=2)
    start[:] = 0.5
    solution = SOLVERS[name](max_iter=1).solve(objective, start)
    assert not solution.converged
    assert solution.n_iter == 1
    assert solution.message


# -------------------------------------------------------- problems without rows


def rosenbrock(w):
    a, b = 1 - w[:-1], w[1:] - np.square(w[:-1])
    gradient = np.zeros_like(w)
    gradient[:-1] = -2 * a - 400 * b * w[:-1]
    gradient[1:] += 200 * b
    return float(a @ a + 100 * b @ b), gradient


@pytest.mark.parametrize("size", [2, 6])
def test_lbfgs_goes_round_the_bend(size):
    start = np.full(size, -1.2)
    start[1::2] = 1.0
    solution = LBFGS(tol=1e-8).solve(Plain(rosenbrock, penalty(size)), start)
    assert solution.converged
    assert np.abs(rosenbrock(solution.w)[1]).max() <= 1e-8
    if size == 2:
        np.testing.assert_allclose(solution.w, 1.0, atol=1e-7)


def test_proximal_lbfgs_goes_round_the_bend_to_a_point_that_satisfies_kkt():
    problem = Plain(rosenbrock, penalty(2, l1=0.1))
    solution = LBFGS(tol=1e-7).solve(problem, np.array([-1.2, 1.0]))
    assert solution.converged
    gradient = rosenbrock(solution.w)[1]
    np.testing.assert_allclose(gradient, -0.1 * np.sign(solution.w), atol=1e-6)


@pytest.mark.parametrize("l1", [0.0, 0.5])
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_quadratic_has_its_closed_form(l1, condition):
    """A diagonal H: w = soft(b, l1) / (h + l2), with exact zeros."""
    h = np.geomspace(1.0, condition, 5)
    b = np.array([3.0, -0.4, 0.2, -5.0, 0.5]) * h
    elastic = ElasticNet(l1 * h, 0.1 * h)
    problem = Plain(lambda w: (float(0.5 * h @ w**2 - b @ w), h * w - b), elastic)
    solution = LBFGS(tol=1e-8 * condition).solve(problem, np.zeros(5))
    expected = np.sign(b) * np.maximum(np.abs(b) - l1 * h, 0) / (1.1 * h)
    assert solution.converged
    np.testing.assert_allclose(solution.w, expected, atol=1e-4 if condition > 1 else 1e-8)
    np.testing.assert_array_equal(solution.w == 0, expected == 0)


# ----------------------------------------------------------------------- L1


def design(n=60, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.array([1.0, 0.3, 2.0, 1.0, 1.0, 0.5])[:p]
    beta = np.array([1.5, 0.0, -0.8, 0.0, 0.1, 0.0])[:p]
    return X, X @ beta, rng


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
def test_l1_is_sklearns_elastic_net(alpha, l1_ratio):
    X, eta, rng = design()
    y = eta + 0.7 + 0.3 * rng.normal(size=len(X))
    objective = glm(X, y[:, None], Normal(), alpha, l1_ratio)
    solution = LBFGS(tol=1e-9).solve(objective, np.zeros(7))
    assert solution.converged
    kind = {"alpha": alpha, "tol": 1e-13, "max_iter": 10**6}
    reference = Lasso(**kind) if l1_ratio == 1 else SklearnElasticNet(l1_ratio=l1_ratio, **kind)
    reference.fit(X, y)
    np.testing.assert_allclose(solution.w[:6], reference.coef_, atol=1e-7)
    assert solution.w[6] == pytest.approx(reference.intercept_, abs=1e-7)
    np.testing.assert_array_equal(solution.w[:6] == 0, reference.coef_ == 0)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.15])
def test_l1_is_sklearns_logistic_regression(alpha):
    X, eta, rng = design(n=100)
    y = (rng.uniform(size=100) < 1 / (1 + np.exp(-eta))).astype(float)
    objective = glm(X, y[:, None], Bernoulli(), alpha, 1.0)
    solution = LBFGS(tol=1e-9).solve(objective, np.zeros(7))
    assert solution.converged
    reference = LogisticRegression(
        C=1 / (100 * alpha), solver="saga", tol=1e-10, max_iter=10**5, **mixed(1.0)
    )
    reference.fit(X, y)
    np.testing.assert_allclose(solution.w[:6], reference.coef_[0], atol=1e-6)
    np.testing.assert_array_equal(solution.w[:6] == 0, reference.coef_[0] == 0)


@pairs
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_l1_satisfies_the_optimality_conditions(pair, l1_ratio):
    """gradient = -l1 sign(w) where w is not 0, |gradient| <= l1 where it is 0."""
    objective, start = problem_of(pair, alpha=0.08, l1_ratio=l1_ratio)
    solution = LBFGS(tol=1e-8, max_iter=3000).solve(objective, start)
    assert solution.converged, solution.message
    gradient = objective.smooth_value_and_gradient(solution.w)[1]
    l1, live = objective.penalty.l1, solution.w != 0
    np.testing.assert_allclose(gradient[live], -(l1 * np.sign(solution.w))[live], atol=1e-7)
    assert np.all(np.abs(gradient[~live]) <= l1[~live] + 1e-7)
    assert solution.grad_norm <= 1e-8


@canonical
def test_l1_above_the_largest_gradient_of_the_null_model_is_the_null_model(pair):
    objective, start = problem_of(pair)
    null = LBFGS(tol=1e-10).solve(
        glm(np.zeros((80, 0)), objective.rows.y, pair, weight=objective.rows.weight),
        start[-objective.rows.y.shape[1] :],
    )
    at_null = np.zeros_like(start)
    at_null[-len(null.w) :] = null.w
    largest = np.abs(objective.smooth_value_and_gradient(at_null)[1]).max()
    for factor, all_zero in ((1.01, True), (0.9, False)):
        lasso, _ = problem_of(pair, alpha=factor * largest, l1_ratio=1.0)
        W = lasso.network.layout.layers(LBFGS(tol=1e-9).solve(lasso, start).w)[0].W
        assert (not np.any(W)) == all_zero


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("pair", [Normal(), Poisson(), Multinoulli()], ids=lambda p: p.name)
def test_l1_of_a_network_ends_at_a_stationary_point_with_exact_zeros(pair, depth):
    objective, w = draw(pair, depth, "tanh", n=50, alpha=0.03, l1_ratio=1.0, seed=1)
    before = objective.value(w)
    solution = LBFGS(tol=1e-6, max_iter=5000).solve(objective, w)
    assert solution.converged, solution.message
    assert prox_residual(objective, solution.w) < 1e-5
    assert solution.value < before
    assert np.sum(solution.w == 0) > 0


def poisson_on_the_edge():
    """Poisson with identity link: most steps from this start leave the domain of means."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0.0, 1.0, size=(200, 2))
    y = rng.poisson(0.2 + X @ [2.0, 5.0])[:, None].astype(float)
    return glm(X, y, get_family("poisson", link="identity")), np.array([0.0, 0.0, 20.0])


def test_lbfgs_gets_past_parameters_that_have_no_mean():
    objective, start = poisson_on_the_edge()
    by_newton = Newton().solve(objective, start)
    by_lbfgs = LBFGS(tol=1e-8).solve(objective, start)
    assert by_newton.converged
    assert by_lbfgs.converged, by_lbfgs.message
    np.testing.assert_allclose(by_lbfgs.w, by_newton.w, atol=1e-6)


def test_lbfgs_under_l1_gets_past_parameters_that_have_no_mean():
    objective, start = poisson_on_the_edge()
    with_l1 = glm(objective.rows.X, objective.rows.y, objective.family, 0.02, 1.0)
    solution = LBFGS(tol=1e-7).solve(with_l1, start)
    assert solution.converged, solution.message
    assert prox_residual(with_l1, solution.w) < 1e-6


def test_a_step_that_has_vanished_at_the_edge_of_the_domain_is_not_convergence():
    """A row with y = 0 and mean 0: F is finite there and infinite beyond, with a slope left."""
    rng = np.random.default_rng(14)
    X = rng.normal(size=(80, 4)) * rng.choice([0.3, 1, 3, 30], 4)
    beta = rng.normal(size=4) / np.abs(X).max(0) * 2
    X = np.abs(X)
    y = rng.poisson(0.1 + X @ np.abs(beta)).astype(float)
    objective = glm(X, y[:, None], get_family("poisson", link="identity"), 0.05, 1.0)
    solution = LBFGS(tol=1e-6, max_iter=300).solve(objective, np.r_[np.zeros(4), y.mean()])
    assert np.isfinite(solution.value)
    assert not (solution.converged and prox_residual(objective, solution.w) > 1e-3)
