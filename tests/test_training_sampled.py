"""The way to a GLM of many rows by a sample: the same optimum, the same objective."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from families import Poisson, get_family
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.estimators import _fit
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training import linear, moments, sampled, threads
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import standardized
from glmnet_nn.training.linear import LinearSums
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.solvers import MetricLBFGS
from glmnet_nn.training.start import saturated_loss

N = 3000
PAIRS = [
    ("poisson", "log"),
    ("poisson", "sqrt"),
    ("bernoulli", "logit"),
    ("bernoulli", "cloglog"),
    ("normal", "identity"),
    ("normal", "log"),
    ("gamma", "inverse"),
    ("gamma", "log"),
    ("inverse_gaussian", "log"),
    ("tweedie", "log"),
    ("negative_binomial", "log"),
]


def draw(family, n=N, seed=0):
    """X in unlike units, y of the law, unlike weights and an offset."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) * [1.0, 50.0, 0.01, 1.0] + [0, 900, 0, 3]
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    eta = 1.5 + 0.1 * (z @ [1.0, -1.0, 0.5, 0.5])
    if family.link_name == "inverse":
        eta = 1.0 / eta
    mu = family.mean(eta)
    offset = 0.05 * rng.random(n)
    return X, family.sample(mu, 0.5, rng), rng.integers(1, 4, n).astype(float), offset


def both_ways(model, monkeypatch, *data):
    """Return the model fitted by a sample of the rows, and by Newton's method on all."""
    found = []

    def spied(*arguments):
        found.append(sampled.sampled_fit(*arguments))
        return found[-1]

    monkeypatch.setattr(_fit, "sampled_fit", spied)
    by_sample = clone(model).fit(*data)
    assert found[0] is not None
    monkeypatch.setattr(_fit, "sampled_fit", lambda *arguments: None)
    return by_sample, clone(model).fit(*data)


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_same_fit_as_newton(name, link, monkeypatch):
    family = get_family(name, link=link)
    X, y, weight, offset = draw(family)
    model = DeepGLMRegressor(family, hidden_layer_sizes=())
    by_sample, newton = both_ways(model, monkeypatch, X, y, weight, offset)
    bse = newton.inference(X, y, weight, offset).bse.to_numpy()
    apart = np.r_[by_sample.intercept_ - newton.intercept_, by_sample.coef_ - newton.coef_]
    assert np.abs(apart / bse).max() < 1e-8
    for fact in ("deviance_", "null_deviance_", "dispersion_", "loss_"):
        assert getattr(by_sample, fact) == pytest.approx(getattr(newton, fact), rel=1e-11)
    assert by_sample.converged_
    assert by_sample.rank_ == newton.rank_ == 4


@pytest.mark.parametrize("n_classes", [2, 4])
def test_same_classifier_as_newton(n_classes, monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 3))
    y = np.argmax(X @ rng.normal(size=(3, n_classes)) + rng.gumbel(size=(N, n_classes)), axis=1)
    by_sample, newton = both_ways(DeepGLMClassifier(hidden_layer_sizes=()), monkeypatch, X, y)
    assert_allclose(by_sample.coef_, newton.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(by_sample.predict_proba(X), newton.predict_proba(X), rtol=1e-9)
    assert by_sample.deviance_ == pytest.approx(newton.deviance_, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_penalties_and_intercepts(alpha, fit_intercept, monkeypatch):
    X, y, *_ = draw(Poisson())
    X = X - X.mean(axis=0)  # without an intercept the mean of a column is information
    options = {"hidden_layer_sizes": (), "alpha": alpha, "fit_intercept": fit_intercept}
    model = DeepGLMRegressor("poisson", **options)
    by_sample, newton = both_ways(model, monkeypatch, X, y)
    assert_allclose(by_sample.coef_, newton.coef_, rtol=1e-9, atol=1e-10)
    assert by_sample.loss_ == pytest.approx(newton.loss_, rel=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_sums_are_the_objective(n_threads, monkeypatch):
    """Whatever the chunks and threads."""
    monkeypatch.setattr(linear, "_CHUNK_BYTES", 8 * 4 * 700)
    monkeypatch.setattr(linear, "_SHARED_BYTES", 8 * 4 * 450)
    monkeypatch.setattr(moments, "_BLOCK_BYTES", 8 * 5 * 800)
    X, y, weight, offset = draw(Poisson())
    rows = Rows(X, y[:, None], weight, offset[:, None])
    inputs = standardized(X[:100], weight[:100])
    layout = Layout((4, 1))
    penalty = elastic_net(layout, [0.2], 0.0, inputs.scale)
    scaled = Rows(inputs.transform(X), rows.y, weight, rows.offset)
    objective = Objective(scaled, Poisson(), Network(layout, get_activation("identity")), penalty)
    saturated = saturated_loss(rows, Poisson())
    sums = LinearSums(rows, Poisson(), layout, inputs, penalty, saturated, n_threads)
    w = np.array([0.1, -0.2, 0.05, 0.3, 1.2])
    value, gradient = sums.smooth_value_and_gradient(w)
    expected, expected_gradient = objective.smooth_value_and_gradient(w)
    assert value == pytest.approx(expected, rel=1e-13)
    assert_allclose(gradient, expected_gradient, rtol=1e-11)
    same, same_gradient, information = sums.expansion(w)
    assert same == pytest.approx(value, rel=1e-14)
    assert_allclose(same_gradient, gradient, rtol=1e-12)
    assert_allclose(information, objective.information(w), rtol=1e-9, atol=1e-12)
    assert sums.mean_loss(value, w) == pytest.approx(objective.mean_loss(w), rel=1e-12)


def test_sums_tell_when_their_digits_have_cancelled():
    """A near-perfect fit of large counts: the loss is far below its terms."""
    y = np.full((N, 1), 1e9)
    y[0] += 1e3
    rows = Rows(np.zeros((N, 0)), y, np.broadcast_to(1.0, N))
    layout = Layout((0, 1))
    inputs = standardized(rows.X, rows.weight)
    saturated = saturated_loss(rows, Poisson())
    sums = LinearSums(rows, Poisson(), layout, inputs, elastic_net(layout, [0.0], 0.0), saturated)
    w = np.log([1e9])
    value, _ = sums.smooth_value_and_gradient(w)
    assert sums.mean_loss(value, w) is None


def test_bad_columns_are_left_to_newton():
    """Columns that are dependent, or so far from 0 that sums over X would lose digits."""
    X, y, *_ = draw(Poisson())
    layout, weight = Layout((4, 1)), np.broadcast_to(1.0, N)

    def found(X):
        return sampled.sampled_fit(
            Rows(X, y[:, None], weight),
            Poisson(),
            layout,
            lambda inputs: elastic_net(layout, [0.0], 0.0),
            lambda inputs: np.r_[np.zeros(4), np.log(y.mean())],
            saturated_loss(Rows(X, y[:, None], weight), Poisson()),
            MetricLBFGS(1e-9),
        )

    assert found(X).solution.converged
    dependent = X.copy()
    dependent[:, 3] = 2 * X[:, 0] - X[:, 2]
    assert found(dependent) is None
    far = X.copy()
    far[:, 0] += 1e10
    assert found(far) is None


def test_a_rare_event_is_fitted():
    """The sample has hardly an event; the fit is that of all rows."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40_000, 3))
    y = (rng.random(40_000) < 1 / (1 + np.exp(7 - X @ [0.5, -0.5, 0.2]))).astype(float)
    assert 20 < y.sum() < 100
    model = DeepGLMRegressor("bernoulli", hidden_layer_sizes=()).fit(X, y)
    score = X.T @ (y - model.predict(X))
    assert np.abs(score).max() < 1e-7


def test_a_rare_level_absent_from_the_sample():
    """Its column is constant in the sample: all rows decide."""
    X, y, *_ = draw(Poisson(), 50_000)
    level = np.zeros(50_000)
    level[[17, 23_456, 40_001]] = 1.0
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(np.column_stack([X, level]), y)
    assert model.converged_
    assert model.rank_ == 5
    fitted = model.predict(np.column_stack([X, level]))
    assert fitted[level == 1].sum() == pytest.approx(y[level == 1].sum(), rel=1e-10)


def test_separated_rows_are_found_among_many():
    X, y, *_ = draw(Poisson(), 20_000)
    level = np.zeros(20_000)
    level[::4] = 1.0
    y[::4] = 0.0
    with pytest.warns(match="separated"):
        model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(
            np.column_stack([X, level]), y
        )
    assert len(model.separated_rows_) == 5000


def test_warm_start_and_iterations():
    X, y, *_ = draw(Poisson())
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), warm_start=True).fit(X, y)
    first = model.coef_.copy()
    steps = model.n_iter_
    model.fit(X, y)
    assert model.n_iter_ < steps
    assert_allclose(model.coef_, first, rtol=1e-8)


def test_metric_of_a_quadratic_ends_in_a_step():
    """With the Hessian itself for the metric, one step is enough."""
    H = np.array([[3.0, 1.0], [1.0, 2.0]])

    class Quadratic:
        def smooth_value_and_gradient(self, w):
            return 0.5 * w @ H @ w, H @ w

        def rounding(self, value):
            return 0.0

        def score_scale(self, value):
            return 1.0

    w = np.ones(2)
    start = (w, *Quadratic().smooth_value_and_gradient(w))
    found = MetricLBFGS(1e-9).solve(Quadratic(), start, lambda g: np.linalg.solve(H, g))
    assert found.converged
    assert found.n_iter == 1
    assert_allclose(found.w, 0.0, atol=1e-15)


def test_a_quadratic_of_known_hessian_takes_one_pass(monkeypatch):
    """Least squares: the pass that sums the information, a step, and no second pass."""
    passes = []

    class Counted(LinearSums):
        def smooth_value_and_gradient(self, w):
            passes.append("value")
            return super().smooth_value_and_gradient(w)

    monkeypatch.setattr(sampled, "LinearSums", Counted)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4)) * [1.0, 30.0, 0.01, 2.0] + [5.0, 0.0, 1.0, -3.0]
    y = X @ [1.0, 0.1, 3.0, 0.0] + rng.normal(size=N)
    model = DeepGLMRegressor("normal", hidden_layer_sizes=()).fit(X, y)
    assert not passes
    assert model.n_iter_ == 1
    D = np.column_stack([X, np.ones(N)])
    expected, residual, *_ = np.linalg.lstsq(D, y, rcond=None)
    assert_allclose([*model.coef_, model.intercept_], expected, rtol=1e-10, atol=1e-11)
    assert model.deviance_ == pytest.approx(residual[0], rel=1e-12)


def test_a_last_step_is_not_proved():
    """Steady steps that leave a tenth: the last one is taken, its pass over the rows is not.

    F = |w|^2 / 2 with the metric I / .9: w, .1 w, .01 w, ... without curvature pairs.
    """
    passes = []

    class Bowl:
        def smooth_value_and_gradient(self, w):
            passes.append(w)
            return 0.5 * w @ w, w

        def rounding(self, value):
            return 0.0

        def score_scale(self, value):
            return 1.0

    w = np.array([1.0])
    solver = MetricLBFGS(1e-6, memory=0)
    found = solver.solve(Bowl(), (w, 0.5, w), lambda g: 0.9 * g)
    assert found.converged
    assert found.n_iter == 6
    assert len(passes) == 5
    assert found.w == pytest.approx(1e-6)
    assert found.value == pytest.approx(0.5e-12, abs=1e-11)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_how_many_rows_make_a_start(n_outputs):
    """Of one output, few rows for a start or many for a metric; all where half is too few."""
    size, is_metric = sampled._sample_size(1_000_000, 20, n_outputs)
    assert (size, is_metric) == (200 * 21, True)
    size, is_metric = sampled._sample_size(100_000, 200, n_outputs)
    assert (size, is_metric) == ((20 * 201, False) if n_outputs == 1 else (50 * 201, True))
    assert sampled._sample_size(3000, 20, n_outputs) == (3000, False)


def test_blas_has_one_thread_but_for_wide_sums(monkeypatch):
    """Elsewhere the threads of numpy's and scipy's BLAS would wait for each other."""
    seen = []

    class Seen(LinearSums):
        def smooth_value_and_gradient(self, w):
            seen.append((self.n_threads, threads.n_blas_threads()))
            return super().smooth_value_and_gradient(w)

    monkeypatch.setattr(sampled, "LinearSums", Seen)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 70))
    y = rng.poisson(np.exp(0.1 * X[:, 0]))
    with threads.at_most(2):
        allowed = threads.n_blas_threads()
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X[:, :3], y)
        assert threads.n_blas_threads() == allowed
    assert set(seen) == {(allowed, 1), (1, 1)}


def test_wide_sums_share_their_products(monkeypatch):
    asked = []
    monkeypatch.setattr(linear, "at_most", lambda n: asked.append(n) or threads.at_most(n))
    rows = Rows(np.zeros((9, 2)), np.ones((9, 1)), np.broadcast_to(1.0, 9))
    layout, inputs = Layout((2, 1)), standardized(np.eye(2), np.ones(2))
    for n_threads in (1, 3):
        penalty = elastic_net(layout, [0.0], 0.0)
        sums = LinearSums(rows, Poisson(), layout, inputs, penalty, 0.0, n_threads)
        sums.smooth_value_and_gradient(np.zeros(3))
    assert asked == [3]
