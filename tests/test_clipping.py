"""With hidden layers numeric inputs are clipped at 3 standard deviations, wherever X goes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from test_network import drawn

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, load_model, save_model
from glmnet_nn.network import BatchRecursion, Bounds, Network, gradient_tangent, hessian, tangent
from glmnet_nn.training.inputs import folded, standardized

depths = pytest.mark.parametrize("depth", [0, 1, 2])


def regressor(hidden=(4,), **parameters):
    options = {"random_state": 0, "alpha": 0.02, **parameters}
    return DeepGLMRegressor("poisson", hidden_layer_sizes=hidden, **options)


def table(n=300, seed=0):
    """Heavy tails, an indicator, a rare indicator, a constant; counts."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([
        50 + 10 * rng.standard_t(2, n),
        rng.integers(0, 2, n),
        np.arange(n) < 4,
        np.full(n, 7.0),
    ])  # fmt: skip
    y = rng.poisson(np.exp(0.3 * np.tanh((X[:, 0] - 50) / 10) + 0.4 * X[:, 1]))
    return X, y.astype(float)


def by_hand(X, weight=None):
    """The numeric columns of `table` as a network sees them."""
    scaler = StandardScaler().fit(X[:, [0, 3]], sample_weight=weight)
    Z = X.astype(float)
    Z[:, [0, 3]] = np.clip(scaler.transform(X[:, [0, 3]]), -3, 3)
    return Z


# ----------------------------------------------------------------- networks


def bounded(depth, n=6, skip=False):
    """A network, the same without bounds, parameters, and rows on both sides of the bounds."""
    free, w, X, _ = drawn(depth, "tanh", True)
    if skip:
        layout = replace(free.layout, skip=True)
        free = Network(layout, free.activation)
        w = np.random.default_rng(3).normal(size=layout.size)
    X = np.resize(X, (n, X.shape[1]))
    p = X.shape[1]
    bounds = Bounds(np.full(p, -0.4), np.r_[np.inf, np.full(p - 1, 0.6)])
    assert 0 < np.mean(bounds.slope(X)) < 1
    return Network(free.layout, free.activation, bounds), free, w, X


@depths
def test_a_bounded_network_is_the_network_of_clipped_inputs(depth):
    network, free, w, X = bounded(depth)
    clipped = np.clip(X, network.bounds.low, network.bounds.high)
    for one, other in zip(network.forward(w, X), free.forward(w, clipped), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(network.linear_predictor(w, X), free.forward(w, clipped)[1])
    inputs, eta = network.forward(w, X)
    before, seed = X.copy(), np.ones_like(eta)
    np.testing.assert_array_equal(network.jacobian(w, inputs), free.jacobian(w, inputs))
    np.testing.assert_array_equal(hessian(network, w, inputs, seed), hessian(free, w, inputs, seed))
    np.testing.assert_array_equal(X, before)


skips = pytest.mark.parametrize(
    ("depth", "skip"), [(0, False), (1, False), (2, False), (1, True), (2, True)]
)


@skips
def test_slopes_in_the_inputs_are_differences_and_0_beyond_the_bounds(depth, skip):
    network, _, w, X = bounded(depth, skip=skip)
    inputs, eta = network.forward(w, X)
    slopes, h = network.input_slopes(w, inputs), 1e-6
    for j, e in enumerate(np.eye(X.shape[1])):
        ahead, behind = (network.forward(w, X + sign * h * e)[1] for sign in (1, -1))
        np.testing.assert_allclose(slopes[:, :, j], (ahead - behind) / (2 * h), atol=1e-8)
        along = np.broadcast_to(e, X.shape)
        moved = tangent(network, w, inputs, input_tangent=along)
        np.testing.assert_allclose(moved.eta, slopes[:, :, j], atol=1e-12)
        found = gradient_tangent(network, w, inputs, moved, np.ones_like(eta))
        grads = [
            network.gradient(w, network.forward(w, X + sign * h * e)[0], np.ones_like(eta))
            for sign in (1, -1)
        ]
        np.testing.assert_allclose(found, (grads[0] - grads[1]) / (2 * h), atol=1e-7)
    outside = network.bounds.slope(X) == 0
    passed = network.layout.skipping(w) if skip else np.zeros((eta.shape[1], X.shape[1]))
    left = slopes - passed
    assert not left.transpose(0, 2, 1)[outside].any()


def test_a_skip_connection_passes_x_as_it_came():
    network, free, w, X = bounded(1, skip=True)
    layout, B = network.layout, network.layout.skipping(w)
    alone = w.copy()
    layout.skipping(alone)[:] = 0.0
    clipped = np.clip(X, network.bounds.low, network.bounds.high)
    expected = free.linear_predictor(alone, clipped) + X @ B.T
    np.testing.assert_allclose(network.linear_predictor(w, X), expected, rtol=1e-12)


# ------------------------------------------------------------------- inputs


def test_bounds_of_z_and_of_x_are_the_same_clip():
    X, _ = table()
    inputs = standardized(X, np.ones(len(X)), keep_binary=True, reach=3.0)
    clipped = inputs.transform(inputs.raw_bounds.clip(X))
    np.testing.assert_allclose(clipped, inputs.bounds.clip(inputs.transform(X)), atol=1e-12)
    np.testing.assert_allclose(clipped, by_hand(X), atol=1e-12)
    assert inputs.reach.tolist() == [3.0, np.inf, np.inf, 3.0]
    assert standardized(X, np.ones(len(X))).bounds is None


@depths
def test_folding_keeps_the_function_of_clipped_inputs(depth):
    free, w, X, _ = drawn(depth, "tanh", True)
    X = X * 5.0 + 3.0
    inputs = standardized(X, np.ones(len(X)), reach=0.7)
    of_z = Network(free.layout, free.activation, inputs.bounds)
    of_x = Network(free.layout, free.activation, inputs.raw_bounds)
    expected = of_z.linear_predictor(w, inputs.transform(X))
    found = of_x.linear_predictor(folded(free.layout, inputs, w), X)
    np.testing.assert_allclose(found, expected, atol=1e-12)


# --------------------------------------------------------------- estimators


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_training_sees_what_a_table_clipped_by_hand_shows(solver):
    X, y = table()
    options = {"solver": solver, "max_iter": 60, "tol": 1e-3, "balance": "shift"}
    ours = regressor(**options).fit(X, y)
    theirs = regressor(**options, standardize=False).fit(by_hand(X), y)
    tolerance = 1e-4 if solver == "adam" else 1e-9  # single precision, of other numbers
    np.testing.assert_allclose(ours.predict(X), theirs.predict(by_hand(X)), rtol=tolerance)
    assert ours.deviance_ == pytest.approx(theirs.deviance_, rel=tolerance)
    assert ours.predict(X).sum() == pytest.approx(y.sum(), rel=1e-9)


def test_prediction_is_constant_beyond_three_standard_deviations():
    X, y = table()
    model = regressor().fit(X, y)
    center, scale = X[:, 0].mean(), X[:, 0].std()
    np.testing.assert_allclose(model.input_bounds_[:, 0], center + 3 * scale * np.r_[-1, 1])
    np.testing.assert_array_equal(model.input_bounds_[:, [1, 2]], [[-np.inf] * 2, [np.inf] * 2])
    far = np.repeat(X[:1], 4, axis=0)
    far[:, 0] = center + scale * np.array([3.0, 3.0001, 1e9, 2.9])
    eta = model.linear_predictor(far)
    np.testing.assert_array_equal(eta[:3], eta[0])
    assert eta[3] != eta[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).linear_predictor(far), eta)
    frame = pd.DataFrame(far.astype(np.float32))
    np.testing.assert_allclose(model.predict(frame), model.predict(far), rtol=1e-5)


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [((), {}), ((), {"standardize": True}), ((4,), {"standardize": False})],
)
def test_nothing_is_clipped_without_hidden_layers_or_standardizing(hidden, parameters):
    X, y = table()
    X = X[:, :3] / [20, 1, 1]
    model = regressor(hidden, **parameters).fit(X, y)
    assert np.isinf(model.input_bounds_).all()
    lower, upper = model.linear_predictor(np.array([[1e3, 0, 0], [1e3 + 1e-3, 0, 0]]))
    assert lower != upper or hidden  # tanh has ends of its own


def test_rows_of_weight_0_move_no_bound():
    X, y = table()
    weight = (np.abs(X[:, 0] - 50) < 15).astype(float)
    whole = regressor().fit(X, y, sample_weight=weight)
    part = regressor().fit(X[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(whole.input_bounds_, part.input_bounds_)
    np.testing.assert_allclose(whole.predict(X), part.predict(X), rtol=1e-9)


def test_a_warm_start_takes_the_bounds_of_its_own_data():
    X, y = table()
    model = regressor(warm_start=True, solver="lbfgs").fit(X, y)
    again = clone(model).fit(X, y).fit(X, y)
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=1e-3)
    model.fit(X * [2, 1, 1, 1], y)
    expected = model.input_bounds_
    np.testing.assert_allclose(expected[:, 0], regressor().fit(X, y).input_bounds_[:, 0] * 2)


def test_classifiers_clip_too():
    X, y = table()
    model = DeepGLMClassifier(hidden_layer_sizes=(3,), random_state=0).fit(X, y.astype(int) > 1)
    far = np.vstack([X[0], X[0]])
    far[:, 0] = model.input_bounds_[1, 0] + [0, 1e6]
    assert np.ptp(model.predict_proba(far), axis=0).max() == 0


# ---------------------------------------------------------------- inference


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_inference_is_that_of_the_clipped_table():
    X, y = table()
    X = X[:, :2]
    options = {"hidden": (2,), "tol": 1e-7, "max_iter": 5000}
    model = regressor(**options).fit(X, y)
    Z = np.clip(X, *model.input_bounds_)
    Z[:, 0] = (Z[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    found = model.inference(X, y)
    expected = regressor(standardize=False, **options).fit(Z, y).inference(Z, y)
    assert found.llf == pytest.approx(expected.llf, rel=1e-8)
    far = X[:3].copy()
    far[:, 0] += 1e5
    at_end = np.clip(far, *model.input_bounds_)
    one, other = (found.get_prediction(rows).summary_frame() for rows in (far, at_end))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_average_partial_effects_count_clipped_rows_as_0():
    X, y = table()
    X = X[:, :2]
    model = regressor(hidden=(2,)).fit(X, y)
    h = 1e-4
    ahead, behind = (model.predict(X + np.array([sign * h, 0.0])) for sign in (1, -1))
    beyond = (X[:, 0] < model.input_bounds_[0, 0]) | (X[:, 0] > model.input_bounds_[1, 0])
    assert beyond.any()
    np.testing.assert_array_equal(ahead[beyond], behind[beyond])
    effects = model.inference(X, y).average_partial_effects().margeff
    assert effects[0] == pytest.approx(np.mean(ahead - behind) / (2 * h), rel=1e-6)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_fit_for_inference_clips_nothing():
    X, y = table()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    assert np.isinf(model.fit_for_inference(X[:, :2], y).input_bounds_).all()


@skips
def test_mini_batches_are_packed_clipped(depth, skip):
    network, _, w, X = bounded(depth, skip=skip)
    gradient, eta = np.empty_like(w), np.empty((network.layout.sizes[-1], len(X)))
    recursion = BatchRecursion(network, w, gradient, len(X))
    columns = np.ascontiguousarray(network.packed(X).T)
    recursion.forward(columns, eta)
    np.testing.assert_allclose(eta.T, network.linear_predictor(w, X), rtol=1e-12)
    seed = np.random.default_rng(0).normal(size=eta.shape)
    recursion.backward(columns, seed)
    expected = network.gradient(w, network.forward(w, X)[0], seed.T)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)


def test_a_skip_connection_nests_the_glm_of_x_unclipped():
    """No row is clipped for beta: with a network that learns nothing, the GLM is left."""
    X, y = table()
    X = X[:, :3]
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    options = {"learning_rate_init": 1e-12, "max_iter": 1, "balance": None}
    nested = regressor(skip_connection=True, **options).fit(X, y)
    np.testing.assert_allclose(nested.predict(X), glm.predict(X), rtol=1e-6)
    assert np.isfinite(nested.input_bounds_[:, 0]).all()
    fixed = regressor(skip_connection="fixed", **options).fit(X, y)
    np.testing.assert_array_equal(fixed.input_bounds_, nested.input_bounds_)


def test_ensembles_and_files_keep_the_bounds(tmp_path):
    X, y = table()
    model = regressor(n_estimators=2, max_iter=3).fit(X, y)
    np.testing.assert_array_equal(
        model.input_bounds_, regressor(max_iter=3).fit(X, y).input_bounds_
    )
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    far = X * [100, 1, 1, 1]
    np.testing.assert_array_equal(again.predict(far), model.predict(far))
    np.testing.assert_array_equal(again.input_bounds_, model.input_bounds_)
