"""Newton's method by conjugate gradients, and the polish of the output layer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from test_training_reference import draw

from families import Normal, Poisson, known_pairs
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.training.polish import polished, scored_output
from glmnet_nn.training.solvers import Newton, NewtonCG, Solution
from glmnet_nn.training.solvers.newton_cg import _steihaug


@pytest.mark.parametrize("pair", known_pairs(), ids=lambda pair: pair.name)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_products_are_those_of_the_hessian(pair, depth):
    rng = np.random.default_rng(1)
    objective, w = draw(pair, depth, n=40, p=3)
    H, product = objective.hessian(w), objective.hessian_product(w)
    for v in rng.normal(size=(3, w.size)):
        assert_allclose(product(v), H @ v, rtol=1e-9, atol=1e-11 * np.abs(H).max())


def test_products_by_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    monkeypatch.setattr("glmnet_nn.training.objective._BLOCK_BYTES", 1)  # blocks of 256 rows
    objective, w = draw(Poisson(), 1, n=300, p=3)
    v = rng.normal(size=w.size)
    assert_allclose(objective.hessian_product(w)(v), objective.hessian(w) @ v, rtol=1e-9)


@pytest.mark.parametrize("radius", [np.inf, 10.0, 0.3])
def test_a_step_minimises_the_model_within_the_radius(radius):
    """Against the closed form: -F^-1 g, or on the sphere -(F + t I)^-1 g by its multiplier.

    Conjugate gradients cut at the radius end between the two (Steihaug 1983, theorem 2.1:
    at least half of the best fall), and on the sphere exactly.
    """
    rng = np.random.default_rng(1)
    A = rng.normal(size=(6, 6))
    F, g = A @ A.T + np.eye(6), rng.normal(size=6)
    step = _steihaug(lambda v: F @ v, g, radius, 1e-12, 100)
    newton = -np.linalg.solve(F, g)
    assert step.promise == pytest.approx(-(g @ step.delta + 0.5 * step.delta @ F @ step.delta))
    if np.linalg.norm(newton) < radius:
        assert not step.is_bounded
        assert_allclose(step.delta, newton, rtol=1e-9)
        return
    assert step.is_bounded
    assert np.linalg.norm(step.delta) == pytest.approx(radius)
    low, high = 0.0, 1e6
    for _ in range(200):
        t = 0.5 * (low + high)
        best = -np.linalg.solve(F + t * np.eye(6), g)
        low, high = (t, high) if np.linalg.norm(best) > radius else (low, t)
    fall = -(g @ best + 0.5 * best @ F @ best)
    assert 0.5 * fall <= step.promise <= fall * (1 + 1e-9)


def test_a_singular_model_is_cut_at_the_radius():
    step = _steihaug(lambda v: np.zeros(2), np.array([3.0, 4.0]), 2.0, 0.1, 10)
    assert_allclose(step.delta, [-1.2, -1.6])
    assert step.promise == pytest.approx(10.0)


def test_negative_curvature_leads_to_the_radius():
    """F = diag(2, -1): the model has no minimum but for the radius."""
    F = np.diag([2.0, -1.0])
    step = _steihaug(lambda v: F @ v, np.array([1.0, 0.1]), 3.0, 1e-9, 10)
    assert step.is_bounded
    assert np.linalg.norm(step.delta) == pytest.approx(3.0)
    assert step.delta[1] < -2.5
    assert step.promise > 0.25  # the fall without the second direction


@pytest.mark.parametrize("size", [2, 5])
def test_round_the_bend_of_rosenbrock(size):
    """F falls at every step that is taken, and the end is the minimum, (1, ..., 1)."""

    class Valley:
        def smooth_value_and_gradient(self, w):
            return optimize.rosen(w), optimize.rosen_der(w)

        def hessian_product(self, w):
            return lambda v: optimize.rosen_hess_prod(w, v)

    start = np.full(size, -1.2)
    start[1::2] = 1.0
    found = NewtonCG(tol=1e-9).solve(Valley(), start)
    assert found.converged
    assert_allclose(found.w, 1.0, atol=1e-8)
    assert np.all(np.diff([optimize.rosen(start), *found.loss_curve]) <= 0)
    assert found.n_iter < 100


def test_no_gradient_no_step():
    objective, w = draw(Normal(), 0, n=30, p=2)
    w = Newton().solve(objective, w).w
    found = NewtonCG(tol=1e-9).solve(objective, w)
    assert found.converged
    assert found.n_iter == 0


def drawn(family):
    """A model without its solver, X and y."""
    X, draws = np.random.default_rng(1).normal(size=(300, 3)), np.random.default_rng(2)
    mean = np.exp(np.sin(2 * X[:, 0]) + 0.3 * X[:, 1])
    options = {"hidden_layer_sizes": (4,), "alpha": 1e-2, "random_state": 0}
    if family == "poisson":
        return DeepGLMRegressor("poisson", **options), X, draws.poisson(mean)
    if family == "gamma":
        return DeepGLMRegressor("gamma", link="log", **options), X, draws.gamma(2.0, mean / 2.0)
    cuts = [1.0] if family == "bernoulli" else [0.7, 1.8]
    return DeepGLMClassifier(**options), X, np.digitize(mean * draws.lognormal(0, 0.5, 300), cuts)


@pytest.mark.parametrize("family", ["poisson", "gamma", "bernoulli", "multinoulli"])
def test_a_network_is_as_good_as_by_lbfgs(family):
    """From the same start both end at a stationary point of F."""
    model, X, y = drawn(family)
    scoring = clone(model).set_params(solver="newton_cg").fit(X, y)
    quasi = clone(model).set_params(solver="lbfgs").fit(X, y)
    assert scoring.converged_
    assert scoring.solver_ == "newton_cg"
    assert scoring.loss_ <= quasi.loss_ * 1.05  # other optima are possible


@pytest.mark.parametrize("family", ["poisson", "gamma", "bernoulli", "multinoulli"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_steps_lead_further_than_those_of_lbfgs(family):
    model, X, y = drawn(family)
    model.set_params(max_iter=10)
    scoring = clone(model).set_params(solver="newton_cg").fit(X, y)
    quasi = clone(model).set_params(solver="lbfgs").fit(X, y)
    assert scoring.loss_ < quasi.loss_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_means_that_the_law_has_not_are_never_reached():
    """Identity link: steps to means below 0 shrink the radius instead."""
    X, y = load_diabetes(return_X_y=True)
    model = DeepGLMRegressor("poisson", link="identity", hidden_layer_sizes=(3,), max_iter=25)
    model.set_params(solver="newton_cg", tol=1.0, random_state=0)
    assert np.all(model.fit(X, np.round(y)).predict(X) > 0)


# --------------------------------------------------------------------- polish


@pytest.mark.parametrize("pair", [p for p in known_pairs() if p.is_canonical], ids=lambda p: p.name)
@pytest.mark.parametrize("depth", [1, 2])
def test_the_output_layer_is_the_glm_of_the_hidden_outputs(pair, depth):
    """The gradient in the output layer vanishes, the hidden layers are as they were."""
    objective, w = draw(pair, depth, n=60, p=3)
    output = objective.network.layout.slices[-1]
    at = slice(output[0].start, output[1].stop)
    objective.penalty.l2[at] = 0.05
    start = Solution(w, objective.value(w), 0.0, 3, True, "")
    found = polished(objective, start)
    assert found.value < start.value
    assert found.value == pytest.approx(objective.value(found.w), rel=1e-12)
    assert found.n_iter == 3
    assert np.abs(objective.smooth_value_and_gradient(found.w)[1][at]).max() < 1e-6
    np.testing.assert_array_equal(found.w[: at.start], w[: at.start])


def test_the_least_ridge_is_that_of_ridge_regression():
    """Of the sum of squares / 2 over dependent hidden outputs, as scikit-learn has it."""
    objective, w = draw(Normal(), 1, n=60, p=3)
    objective.penalty.l2[:] = 0.0
    hidden_W, hidden_b = objective.network.layout.layers(w)[0]
    hidden_W[1], hidden_b[1] = hidden_W[0], hidden_b[0]  # twice the same unit
    rows = objective.rows
    hidden = objective.network.forward(w, rows.X)[0][-1]
    ridge = Ridge(alpha=0.3).fit(hidden, rows.y[:, 0], sample_weight=rows.weight)
    output = objective.network.layout.layers(scored_output(objective, w, 0.3))[-1]
    assert_allclose(output.W[0], ridge.coef_, rtol=1e-7)
    assert_allclose(output.b[0], ridge.intercept_, rtol=1e-7)


def test_a_polish_that_does_not_help_is_not_taken(monkeypatch):
    objective, w = draw(Poisson(), 1, n=60, p=3)
    found = Solution(w, objective.value(w), 0.0, 1, True, "")
    output = objective.network.layout.slices[-1]
    size = output[1].stop - output[0].start
    monkeypatch.setattr(
        Newton, "solve", lambda *_: Solution(np.full(size, 9.0), 0.0, 0.0, 1, True, "")
    )
    assert polished(objective, found) is found


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_polish_output_of_an_estimator(hidden):
    """F is lower, and under the canonical link the sums of y and of the means agree."""
    X, y = load_diabetes(return_X_y=True)
    options = {"hidden_layer_sizes": hidden, "solver": "adam", "max_iter": 6, "random_state": 0}
    options["balance"] = None
    rough = DeepGLMRegressor("poisson", **options).fit(X, y)
    fine = DeepGLMRegressor("poisson", polish_output=True, **options).fit(X, y)
    assert fine.loss_ < rough.loss_
    assert fine.predict(X).sum() == pytest.approx(y.sum(), rel=1e-9)
    assert abs(rough.predict(X).sum() / y.sum() - 1) > 1e-6


@pytest.mark.parametrize("options", [{"l1_ratio": 0.5}, {"bias_reduction": True}])
def test_polish_output_refuses(options):
    X, y = load_diabetes(return_X_y=True)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), polish_output=True, **options)
    if "l1_ratio" in options:
        model.set_params(alpha=0.1)
    with pytest.raises(ValueError, match="polish_output=True"):
        model.fit(X, y)
