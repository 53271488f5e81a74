"""The group penalty on the first layer's input columns: its proximal map, and whole variables."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.linear_model import MultiTaskElasticNet

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.network import Layout
from glmnet_nn.training.penalties import GroupElasticNet, elastic_net


def penalty(n_groups=4, size=3, strength=0.7):
    groups = np.arange(n_groups * size).reshape(n_groups, size)
    zeros = np.zeros(n_groups * size)
    return GroupElasticNet(zeros, zeros, groups=groups, strength=np.full(n_groups, strength))


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_prox_is_the_minimum(spread):
    """In the metric of any steps: the subgradient of the norm and the distance is 0."""
    rng = np.random.default_rng(0)
    v, step = rng.normal(size=12), np.exp(spread * rng.normal(size=12))
    v[:3] /= 10 ** (1 + spread)
    found = penalty().prox(v, step)
    for g in range(4):
        at = slice(3 * g, 3 * g + 3)
        w, pull = found[at], ((v - found) / step)[at]
        if not w.any():
            assert np.linalg.norm(pull) <= 0.7 * (1 + 1e-6)
        else:
            assert_allclose(pull, 0.7 * w / np.linalg.norm(w), rtol=1e-10)
    assert (found == 0).any()
    assert (found != 0).any()


def test_prox_is_scipys_minimum():
    rng = np.random.default_rng(1)
    v, step = 3 * rng.normal(size=3), np.array([0.1, 1.0, 2.0])
    one = penalty(1)
    objective = lambda w: one.value(w) + (np.square(w - v) / (2 * step)).sum()  # noqa: E731
    found = minimize(objective, v, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    assert_allclose(one.prox(v, step), found.x, atol=1e-6)


def test_prox_of_nothing_and_without_strength():
    v = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0])
    assert_array_equal(penalty(2, strength=0.0).prox(v, 1.0), v)
    assert_array_equal(penalty(2, strength=3.0).prox(v, 1.0), np.zeros(6))
    assert_allclose(penalty(2, strength=1.5).prox(v, 1.0), v / 2)


def test_groups_are_the_columns_of_the_first_layer():
    layout = Layout((3, 4, 2))
    found = elastic_net(layout, [2.0, 1.0], 0.25, group_inputs=True)
    w = np.random.default_rng(0).normal(size=layout.size)
    W_0, W_1 = (layer.W for layer in layout.layers(w))
    expected = 2.0 * (0.25 * 2 * np.linalg.norm(W_0, axis=0).sum() + 0.375 * np.square(W_0).sum())
    expected += 0.25 * np.abs(W_1).sum() + 0.375 * np.square(W_1).sum()
    assert_allclose(found.value(w), expected)


def test_depth_zero_with_several_outputs_is_scikit_learns():
    """MultiTaskElasticNet has this penalty, without our sqrt(n_outputs) and mean over outputs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    Y = X @ rng.normal(size=(5, 2)) * [[1.0, 1.0]] + rng.normal(size=(200, 2))
    Y += 0 * X[:, :2]
    ours = DeepGLMRegressor(
        hidden_layer_sizes=(), alpha=0.5, l1_ratio=1.0, group_lasso=True, tol=1e-10
    ).fit(X, Y)
    theirs = MultiTaskElasticNet(alpha=0.5 * np.sqrt(2), l1_ratio=1.0, tol=1e-12).fit(X, Y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert (ours.coef_ == 0).any()


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("skip", [False, True])
def test_it_drops_whole_variables(solver, skip):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 6))
    y = np.cos(2 * X[:, 0]) + X[:, 1] * X[:, 0] + 0.5 * X[:, 2] + 0.3 * rng.normal(size=800)
    model = DeepGLMRegressor(
        hidden_layer_sizes=(8,), alpha=0.01, l1_ratio=0.9, group_lasso=True, solver=solver,
        skip_connection=skip, random_state=1, max_iter=400, batch_size=800,
    )  # fmt: skip
    if solver == "lbfgs":
        model.set_params(max_iter=5000)
    model.fit(X, y)
    sizes = np.linalg.norm(model.coefs_[0], axis=1)
    assert (sizes[:2] > 0.1).all()
    assert_array_equal(sizes[3:], 0.0)
    assert model.score(X, y) > 0.6
    if skip:
        assert abs(model.coef_[2] - 0.5) < 0.1


def test_without_absolute_values_it_changes_nothing():
    X = np.random.default_rng(0).normal(size=(100, 3))
    y = X[:, 0] > 0.1
    one, two = (
        DeepGLMClassifier(hidden_layer_sizes=(3,), group_lasso=on, random_state=0).fit(X, y)
        for on in (False, True)
    )
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
