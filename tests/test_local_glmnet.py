"""architecture="local": it starts at the GLM, leaves it, and works with everything else."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeRegressor
from test_local_coef import numeric_errors
from test_skip_connection import poisson, unmoved

from families import known_pairs
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    NegativeBinomial,
    RankWarning,
    SeparationWarning,
    glm_to_net_path,
    load_model,
    local_importance,
    local_interactions,
    save_model,
)

LOCAL = {"architecture": "local", "random_state": 0}
GLM = {"hidden_layer_sizes": ()}


def rebuilt(model, X):
    """eta from the attentions."""
    terms = model.regression_attention(X) * (
        np.asarray(X)[:, None] - model.attention_center_
        if model.n_outputs_ > 1
        else X - model.attention_center_
    )
    return model.attention_intercept_ + terms.sum(axis=-1)


def numeric_slopes(model, X):
    slopes = []
    for j, s in enumerate(X.std(axis=0)):
        h = 1e-3 * s * np.eye(X.shape[1])[j]
        one, two = (
            model.linear_predictor(X + k * h) - model.linear_predictor(X - k * h) for k in (1, 2)
        )
        slopes.append((8 * one - two) / (12e-3 * s))
    return np.stack(slopes, axis=-1)


# ----------------------------------------------------------------------- start


CANONICAL = [pair for pair in known_pairs() if pair.is_canonical]


@pytest.mark.parametrize("pair", CANONICAL, ids=lambda pair: pair.name)
def test_iteration_0_is_the_glm(pair):
    """For every law, with weights, offset and columns of any size."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3)) * [1.0, 100.0, 0.01] + [0.0, -300.0, 1.0]
    K = 3 if pair.event_ndim else 1
    y = rng.uniform(*((0.4, 0.6) if K == 3 else (0.2, 0.45)), size=(300, K))
    y = y / y.sum(axis=1, keepdims=True) if K == 3 else y
    if pair.event_ndim == 0 and pair.name.startswith(("Poisson", "NegativeBinomial")):
        y = np.round(5 * y)
    weight, offset = rng.uniform(0.5, 2, 300), 0.01 * rng.normal(size=300)
    given = {"sample_weight": weight, "offset": offset}
    glm = DeepGLMRegressor(pair, **GLM).fit(X, y, **given)
    net = unmoved(DeepGLMRegressor(pair, hidden_layer_sizes=(6, 5), **LOCAL)).fit(X, y, **given)
    etas = (model.linear_predictor(X, offset) for model in (net, glm))
    assert_allclose(*etas, rtol=1e-10, atol=1e-10)
    beta = net.regression_attention(X)
    assert_allclose(beta, np.broadcast_to(glm.coef_, beta.shape), rtol=1e-7, atol=1e-9)
    assert_allclose(net.deviance_, glm.deviance_, rtol=1e-10)
    assert_allclose(net.null_deviance_, glm.null_deviance_, rtol=1e-10)
    last = net.coefs_[-1]
    assert np.all(np.abs(last[:4]).max(axis=1) > 1e-6)  # four of the five units are at work


@pytest.mark.parametrize("how", [{"architecture": "local"}, {"skip_connection": True}])
def test_without_an_intercept_columns_are_not_centred(how):
    X, y, *_ = poisson(n=300)
    glm = DeepGLMRegressor("poisson", fit_intercept=False, **GLM).fit(X, y)
    net = DeepGLMRegressor("poisson", fit_intercept=False, hidden_layer_sizes=(4,), **how)
    net = unmoved(net).fit(X, y)
    assert_allclose(net.linear_predictor(X), glm.linear_predictor(X), rtol=1e-9, atol=1e-9)
    assert_allclose(net.local_coef(X), [glm.coef_] * 300, rtol=1e-7)
    if "architecture" in how:
        assert not net.attention_center_.any()
        assert net.attention_intercept_ == 0.0


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_it_leaves_the_glm(solver):
    """With the default L2 it learns what a dense network learns."""
    X, y, weight, exposure = poisson()
    given = {"sample_weight": weight, "exposure": exposure}
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, y, **given)
    steps = {"lbfgs": 2000, "adam": 150}[solver]
    asked = {"hidden_layer_sizes": (8,), "solver": solver, "max_iter": steps, "random_state": 0}
    plain = DeepGLMRegressor("poisson", **asked).fit(X, y, **given)
    net = DeepGLMRegressor("poisson", architecture="local", **asked).fit(X, y, **given)
    gained = (glm.deviance_ - net.deviance_) / (glm.deviance_ - plain.deviance_)
    assert gained > 0.9


def test_under_a_strong_penalty_it_is_the_glm():
    """The penalty falls on weights: constant coefficients are free."""
    X, y, weight, exposure = poisson(n=400)
    given = {"sample_weight": weight, "exposure": exposure}
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, y, **given)
    asked = {"alpha": 1e3, "solver": "lbfgs", "hidden_layer_sizes": (4,), **LOCAL}
    net = DeepGLMRegressor("poisson", **asked).fit(X, y, **given)
    assert_allclose(net.deviance_, glm.deviance_, rtol=1e-9)
    assert_allclose(net.regression_attention(X[:5]), [glm.coef_] * 5, rtol=1e-4)


def test_units_change_nothing():
    X, y, weight, _ = poisson(n=400)
    y, scale = np.log1p(y) + 0.01 * X[:, 1], np.array([1, 1e3, 1, 1e-3])
    one = DeepGLMRegressor(hidden_layer_sizes=(4,), **LOCAL).fit(X, y, weight)
    two = DeepGLMRegressor(hidden_layer_sizes=(4,), **LOCAL).fit(X * scale, 50 * y + 7, weight)
    assert_allclose(50 * one.predict(X) + 7, two.predict(X * scale), rtol=1e-5)
    moved = 50 * one.regression_attention(X) / scale
    assert_allclose(moved * scale, two.regression_attention(X * scale) * scale, atol=0.05)


# ------------------------------------------------------------------- attention


@pytest.mark.parametrize("solver", ["newton_cg", "adam"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_eta_is_linear_with_the_attentions(solver, standardize, fit_intercept):
    X, y, *_ = poisson(n=300)
    net = DeepGLMRegressor(
        "poisson",
        hidden_layer_sizes=(4, 3),
        solver=solver,
        tol=1e-2,
        standardize=standardize,
        fit_intercept=fit_intercept,
        **LOCAL,
    ).fit(X, y)
    assert_allclose(rebuilt(net, X), net.linear_predictor(X), rtol=1e-10, atol=1e-12)
    assert_allclose(net.local_coef(X[:5]), numeric_slopes(net, X)[:5], rtol=1e-6, atol=1e-7)
    assert not np.allclose(net.local_coef(X), net.regression_attention(X), rtol=0.01)


def test_of_several_outputs_each_has_its_own():
    X, y, *_ = poisson(n=300)
    two = np.column_stack([y, y + (X[:, 0] > 0)])
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(4,), **LOCAL).fit(X, two)
    assert net.regression_attention(X).shape == (300, 2, 4)
    assert_allclose(rebuilt(net, X), net.linear_predictor(X), rtol=1e-10)
    assert_allclose(net.local_coef(X[:5]), numeric_slopes(net, X)[:5], rtol=1e-6, atol=1e-7)
    assert_allclose(net.predict(X).sum(axis=0), two.sum(axis=0), rtol=1e-4)  # at the optimum


def test_of_classes_and_labels():
    X, y = load_iris(return_X_y=True)
    labels = np.array(["a", "b", "c"])[y[np.random.default_rng(0).permutation(150)]]
    net = DeepGLMClassifier(hidden_layer_sizes=(4,), max_iter=20, **LOCAL).fit(X, labels)
    with pytest.warns(SeparationWarning, match="Set architecture='dense', or drop columns"):
        clone(net).fit(X, X[:, 0] > 6)
    assert_allclose(rebuilt(net, X), net.decision_function(X), rtol=1e-9, atol=1e-9)
    assert_allclose(net.local_coef(X[:5]), numeric_slopes(net, X)[:5], rtol=1e-6, atol=1e-7)
    glm = unmoved(clone(net)).fit(X, labels)
    assert_allclose(
        glm.predict_proba(X), DeepGLMClassifier(**GLM).fit(X, labels).predict_proba(X), rtol=1e-8
    )
    many = DeepGLMClassifier(hidden_layer_sizes=(4,), max_iter=20, **LOCAL)
    many.fit(X, np.column_stack([labels == "a", labels == "c"]).astype(int))
    assert many.regression_attention(X).shape == (150, 2, 4)


@pytest.mark.parametrize("architecture", ["dense", "local"])
def test_without_hidden_layers_it_is_coef(architecture):
    X, y, *_ = poisson(n=300)
    glm = DeepGLMRegressor("poisson", architecture=architecture, **GLM).fit(X, y)
    assert_array_equal(glm.regression_attention(X), np.broadcast_to(glm.coef_, X.shape))
    assert_allclose(rebuilt(glm, X), glm.linear_predictor(X), rtol=1e-12)
    assert glm.attention_intercept_ == glm.intercept_


def test_dense_layers_have_no_attentions():
    X, y, *_ = poisson(n=100)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="architecture='local'"):
        net.regression_attention(X)
    with pytest.raises(ValueError, match="not fitted"):
        DeepGLMRegressor(architecture="local").regression_attention(X)


# ------------------------------------------------------- with everything else


def test_two_ways_of_nesting_the_glm_are_refused():
    X, y, *_ = poisson(n=100)
    with pytest.raises(ValueError, match="has a GLM in it"):
        DeepGLMRegressor("poisson", skip_connection=True, **LOCAL).fit(X, y)
    with pytest.raises(ValueError, match="architecture"):
        DeepGLMRegressor("poisson", architecture="deep").fit(X, y)


@pytest.mark.parametrize("asked", [{"balance": "shift"}, {"balance": "refit"}])
@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_totals_are_kept(asked, family):
    X, y, weight, exposure = poisson(n=400)
    y = y + 1.0
    net = DeepGLMRegressor(
        family, link="log", hidden_layer_sizes=(4,), solver="adam", **LOCAL, **asked
    ).fit(X, y, weight, exposure=exposure)
    assert_allclose(weight @ net.predict(X, exposure=exposure), weight @ y, rtol=1e-9)


def test_a_polish_ends_at_the_optimum_of_the_output_layer():
    X, y, weight, _ = poisson(n=400)
    two = np.column_stack([y, y + (X[:, 0] > 0)])  # places are permuted
    asked = {"hidden_layer_sizes": (3,), "solver": "adam", "max_iter": 20, **LOCAL}
    rough = DeepGLMRegressor("poisson", balance=None, **asked).fit(X, two, weight)
    fine = DeepGLMRegressor("poisson", balance=None, polish_output=True, **asked)
    fine.fit(X, two, weight)
    assert fine.loss_ < rough.loss_
    assert_allclose(fine.coefs_[0], rough.coefs_[0], rtol=1e-12)
    errors = weight[:, None] * (fine.predict(X) - two)
    D = X - fine.attention_center_
    assert np.abs(D.T @ errors).max() < 1e-4 * np.abs(D.T @ (weight[:, None] * two)).max()


def test_rows_of_weight_two_are_rows_twice():
    X, y, *_ = poisson(n=200)
    asked = {"hidden_layer_sizes": (3,), "alpha": 0.01, "solver": "lbfgs", **LOCAL}
    weight = np.where(np.arange(200) < 100, 2.0, 1.0)
    one = DeepGLMRegressor("poisson", **asked).fit(X, y, weight)
    two = DeepGLMRegressor("poisson", **asked).fit(np.r_[X, X[:100]], np.r_[y, y[:100]])
    assert_allclose(one.predict(X), two.predict(X), rtol=1e-3)


def test_frames_exposures_copies_and_precision():
    X, y, _, exposure = poisson(n=300)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(years=exposure)
    asked = {"hidden_layer_sizes": (3,), "max_iter": 20, **LOCAL}
    net = DeepGLMRegressor("poisson", exposure="years", **asked).fit(frame, y)
    again = DeepGLMRegressor("poisson", **asked).fit(X, y, exposure=exposure)
    assert_allclose(net.predict(frame), again.predict(X, exposure=exposure), rtol=1e-9)
    assert_allclose(net.regression_attention(frame), again.regression_attention(X), rtol=1e-9)
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(frame), net.predict(frame))
    single = X.astype(np.float32)
    single.flags.writeable = False
    near = DeepGLMRegressor("poisson", **asked).fit(single, y, exposure=exposure)
    assert_allclose(near.predict(X), again.predict(X), rtol=1e-3)


def test_a_warm_start_goes_on():
    X, y, *_ = poisson(n=300)
    asked = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "warm_start": True, **LOCAL}
    net = DeepGLMRegressor("poisson", **asked).fit(X, y)
    before, first = net.loss_, net.n_iter_
    net.fit(X, y)
    assert_allclose(net.loss_, before, rtol=1e-7)
    assert net.n_iter_ < first / 4
    with pytest.raises(ValueError, match="warm_start=True continues"):
        net.set_params(architecture="dense").fit(X, y)


def test_a_law_is_estimated_too():
    X, y, *_ = poisson(n=150)
    y = y * np.random.default_rng(0).poisson(2.0, 150)
    net = DeepGLMRegressor(NegativeBinomial(alpha="estimate"), hidden_layer_sizes=(3,), **LOCAL)
    net.fit(X, y)
    assert net.solver_ == "lbfgs"  # a canonical link has an end
    assert net.law_estimate_.value > 0
    assert_allclose(rebuilt(net, X), net.linear_predictor(X), rtol=1e-9)


def test_dependent_and_constant_columns():
    X, y, *_ = poisson(n=300)
    with pytest.warns(RankWarning, match="x4"):
        net = DeepGLMRegressor("poisson", hidden_layer_sizes=(3,), **LOCAL).fit(
            np.column_stack([X, X[:, 0] + X[:, 1]]), y
        )
    assert net.rank_ == 4
    with pytest.warns(RankWarning, match="x4"):
        net.fit(np.column_stack([X, np.full(300, 3.0)]), y)
    assert np.isfinite(net.regression_attention(np.column_stack([X, np.full(300, 3.0)]))).all()


# ------------------------------------------------------------------- inference


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
@pytest.mark.parametrize("skip", [False, True])
def test_errors_of_local_coefficients_are_a_numeric_delta_method(skip):
    X, y, *_ = poisson(n=400)
    how = {"skip_connection": True} if skip else {"architecture": "local"}
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0, **how)
    results = net.fit_for_inference(X, y).inference(X, y)
    assert "not_converged" not in results.flags
    found = results.local_coef(X[:5])
    coef, se = numeric_errors(results, X)
    assert_allclose(found.coef, coef.reshape(-1, 4)[:5], rtol=1e-6, atol=1e-7)
    assert_allclose(found.se, se.reshape(-1, 4)[:5], rtol=1e-5)
    assert_allclose(found.coef, net.local_coef(X[:5]), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
def test_intervals_of_predictions_come_with_the_fit():
    X, y, *_ = poisson(n=300)
    asked = {"hidden_layer_sizes": (2,), "solver": "lbfgs", **LOCAL}
    net = DeepGLMRegressor("poisson", store_covariance=True, **asked).fit(X, y)
    low, high = net.predict_interval(X, kind="mean").T
    assert np.all((low < net.predict(X)) & (net.predict(X) < high))
    results = net.inference(X, y)
    assert results.n_weights == (4 * 2 + 2) + (2 * 4 + 4) + 1
    assert 5 < results.n_parameters < results.n_weights


# ------------------------------------------------------------------ with a base


def test_the_slopes_of_a_base_are_part_of_local_coef():
    X, y, *_ = poisson(n=300)
    frame = pd.DataFrame(X, columns=list("abcd"))
    base = DeepGLMRegressor("poisson", **GLM).fit(frame, y)
    net = DeepGLMRegressor("poisson", base=base, hidden_layer_sizes=(3,), **LOCAL).fit(frame, y)
    slopes = np.stack(
        [
            (net.linear_predictor(frame + h) - net.linear_predictor(frame - h)) / 2e-5
            for h in 1e-5 * np.eye(4)
        ],
        axis=-1,
    )
    assert_allclose(net.local_coef(frame), slopes, rtol=1e-5, atol=1e-7)
    glm = DeepGLMRegressor("poisson", base=base, **GLM).fit(frame, y)
    results = glm.inference(frame, y)
    for found in (results.local_coef(frame), results.local_coef()):
        assert_allclose(found.coef, glm.local_coef(frame), rtol=1e-9)


def test_a_base_without_slopes_is_refused():
    X, y, *_ = poisson(n=300)
    tree = DecisionTreeRegressor(max_depth=1).fit(X, y + 1)
    net = DeepGLMRegressor("poisson", base=tree, **GLM).fit(X, y)
    with pytest.raises(ValueError, match="DecisionTreeRegressor, is not known"):
        net.local_coef(X)
    other = DeepGLMRegressor("gamma", link="log", **GLM).fit(X, y + 1.0)
    assert DeepGLMRegressor("poisson", base=other, **GLM).fit(X, y).local_coef(X).shape == X.shape
    identity = DeepGLMRegressor(**GLM).fit(X, y + 50.0)
    net = DeepGLMRegressor("poisson", base=identity, **GLM).fit(X, y)
    with pytest.raises(ValueError, match="link 'log'"):
        net.local_coef(X)


# -------------------------------------------------------- from the GLM onwards


def test_a_path_leads_from_the_glm_to_local_coefficients():
    X, y, *_ = poisson(n=200)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(3,), max_iter=300, **LOCAL)
    path = glm_to_net_path(net, X, y, strengths=[1e3, 0.1], cv=2)
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, y)
    assert list(path.table["is_glm"]) == [True, True, False]
    assert_allclose(path.table["train_deviance"].iloc[0], glm.deviance_ / 200, rtol=1e-9)
    assert path.models[-1].regression_attention(X).std(axis=0).min() > 0
    assert 5 < path.table["df"].iloc[-1] < path.models[-1]._network.layout.size


def test_a_group_lasso_takes_columns_out_of_the_coefficients():
    X, y, *_ = poisson(n=300)
    X = np.column_stack([X, np.random.default_rng(5).normal(size=(300, 2))])
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(3,), alpha=0.05, l1_ratio=1.0, group_lasso=True, **LOCAL
    ).fit(X, y)
    gone = ~net.coefs_[0].any(axis=1)
    assert gone.any()
    assert not gone.all()
    moved = X + gone * np.random.default_rng(1).normal(size=X.shape)
    assert_array_equal(net.regression_attention(moved), net.regression_attention(X))


# -------------------------------------------------------------------- ensembles


@pytest.mark.parametrize("pair", CANONICAL, ids=lambda pair: pair.name)
def test_averages_move_as_their_differences_say(pair):
    rng = np.random.default_rng(0)
    K = 3 if pair.event_ndim else 1
    mu = rng.dirichlet(np.ones(3), size=(4, 6)) if K == 3 else rng.uniform(0.1, 0.9, (4, 6, 1))
    eta, v = pair.link_of(mu), rng.normal(size=mu.shape)
    h, link = 1e-6, pair.link
    expected = (link.average(eta + h * v) - link.average(eta - h * v)) / (2 * h)
    assert_allclose(link.average_tangent(eta, v), expected, rtol=1e-6, atol=1e-8)
    if pair.has_safe_link:
        far = np.full((2, 1, 3), -1e4) * [1.0, 2.0, 3.0]  # where means underflow
        assert np.isfinite(link.average_tangent(far, np.ones_like(far))).all()


def test_local_coefficients_of_an_ensemble_are_slopes_of_its_linear_predictor():
    X, y, *_ = poisson(n=150)
    asked = {"hidden_layer_sizes": (3,), "max_iter": 20, "n_estimators": 3, **LOCAL}
    net = DeepGLMRegressor("poisson", **asked).fit(X, y)
    assert_allclose(net.local_coef(X)[:9], numeric_slopes(net, X)[:9], rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="ensemble of 3"):
        net.regression_attention(X)
    with pytest.raises(ValueError, match="ensemble of 3"):
        local_interactions(net, X)
    assert list(local_importance(net, X).columns) == ["importance", "share", "mean", "std"]
    offset = np.linspace(-2, 2, 150)
    many = DeepGLMClassifier(**asked).fit(X, y > 1)
    h = 1e-5 * np.eye(4)[0]
    ends = (many.linear_predictor(X + s * h, offset) for s in (1, -1))
    found = many.local_coef(X, offset)[:, 0]
    assert_allclose(found, np.subtract(*ends) / 2e-5, rtol=1e-4, atol=1e-6)
    assert not np.allclose(found, many.local_coef(X)[:, 0])


def test_members_start_at_the_glm_and_are_kept_in_files(tmp_path):
    X, y, *_ = poisson(n=150)
    asked = {"hidden_layer_sizes": (3,), **LOCAL}
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, y)
    start = unmoved(DeepGLMRegressor("poisson", n_estimators=2, **asked)).fit(X, y)
    assert_allclose(start.predict(X), glm.predict(X), rtol=1e-9)
    for k in (1, 2):
        net = DeepGLMRegressor("poisson", n_estimators=k, max_iter=20, **asked).fit(X, y)
        save_model(net, tmp_path / "model")
        again = load_model(tmp_path / "model")
        assert_array_equal(again.predict(X), net.predict(X))
        assert_array_equal(again.local_coef(X), net.local_coef(X))
    assert_allclose(again.estimators_[0].attention_center_, X.mean(axis=0), rtol=1e-12)
    for name in ("attention_center_", "attention_intercept_"):
        assert hasattr(again.estimators_[0], name)
        assert not hasattr(again, name), "an ensemble has none, and can be inspected"
