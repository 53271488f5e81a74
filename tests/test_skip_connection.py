"""eta = x beta + network(x): the recursion, the start at the GLM, and that it leaves it."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris

from families import known_pairs
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning, SeparationWarning
from glmnet_nn.network import BatchRecursion, Layer, Layout, Network, get_activation
from glmnet_nn.network.second_order import gradient_tangent, hessian, hessian_vector, tangent
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.start import paired_weights

SIZES = [(3, 4, 2), (3, 5, 4, 1)]


def slopes(function, at, step=1e-6):
    """Central differences along every coordinate, on a last axis."""
    moved = [step * e for e in np.eye(len(at))]
    return np.stack([(function(at + h) - function(at - h)) / (2 * step) for h in moved], axis=-1)


def drawn(sizes, fit_intercept=True):
    rng = np.random.default_rng(1)
    network = Network(Layout(sizes, fit_intercept, skip=True), get_activation("tanh"))
    return network, rng.normal(size=network.layout.size), rng.normal(size=(7, sizes[0])), rng


def poisson(n=1200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1.0, 10.0, 1.0, 0.1] + [0.0, 5.0, 0.0, 1.0]
    eta = 0.3 * X[:, 0] - 0.02 * X[:, 1] + 0.5 * np.abs(X[:, 2]) + 4 * X[:, 0] * (X[:, 3] - 1)
    exposure = rng.uniform(0.2, 2.0, n)
    return X, rng.poisson(exposure * np.exp(eta - 0.5)), rng.uniform(0.5, 2, n), exposure


# ------------------------------------------------------------------- recursion


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_eta_is_that_of_the_network_plus_x_beta(sizes, fit_intercept):
    network, w, X, _ = drawn(sizes, fit_intercept)
    layout = network.layout
    plain = Layout(sizes, fit_intercept)
    *below, last = layout.layers(w)
    alone = plain.flatten([*below, Layer(last.W[:, : sizes[-2]], last.b)])
    expected = Network(plain, network.activation).linear_predictor(alone, X)
    assert_allclose(network.linear_predictor(w, X), expected + X @ layout.skipping(w).T, rtol=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_derivatives_are_those_of_differences(sizes):
    network, w, X, rng = drawn(sizes)
    inputs, eta = network.forward(w, X)
    seed, v = rng.normal(size=eta.shape), rng.normal(size=w.size)
    J = network.jacobian(w, inputs)
    assert_allclose(J, slopes(lambda at: network.forward(at, X)[1], w), atol=1e-8)
    gradient = network.gradient(w, inputs, seed)
    assert_allclose(gradient, np.einsum("nk,nkq->q", seed, J), rtol=1e-12)
    H = slopes(lambda at: network.gradient(at, network.forward(at, X)[0], seed), w)
    assert_allclose(hessian(network, w, inputs, seed), H, atol=1e-7)
    assert_allclose(hessian_vector(network, w, inputs, seed, v), H @ v, atol=1e-6)
    along_x = [
        (network.forward(w, X + 1e-6 * e)[1] - network.forward(w, X - 1e-6 * e)[1]) / 2e-6
        for e in np.eye(sizes[0])
    ]
    assert_allclose(network.input_slopes(w, inputs), np.stack(along_x, axis=-1), atol=1e-8)


@pytest.mark.parametrize("sizes", SIZES)
def test_the_slope_along_an_input_changes_with_the_parameters(sizes):
    network, w, X, _ = drawn(sizes)
    inputs, eta = network.forward(w, X)
    along, seed = np.zeros_like(X), np.ones_like(eta)
    along[:, 1] = 1.0
    moved = tangent(network, w, inputs, input_tangent=along)
    assert_allclose(moved.eta, network.input_slopes(w, inputs)[:, :, 1], rtol=1e-12)
    total = slopes(
        lambda at: network.input_slopes(at, network.forward(at, X)[0])[:, :, 1].sum(keepdims=True),
        w,
    )
    found = gradient_tangent(network, w, inputs, moved, seed)
    assert_allclose(found, total.ravel(), atol=1e-7)


@pytest.mark.parametrize("sizes", SIZES)
def test_batches_in_place_are_the_same_recursion(sizes):
    network, w, X, rng = drawn(sizes)
    inputs, eta = network.forward(w, X)
    gradient, etas = np.empty(w.size), np.empty((sizes[-1], 7))
    recursion = BatchRecursion(network, w, gradient, size=9)
    columns = np.ascontiguousarray(X.T)
    recursion.forward(columns, etas)
    assert_allclose(etas.T, eta, rtol=1e-12)
    seed = rng.normal(size=eta.shape)
    recursion.backward(columns, np.ascontiguousarray(seed.T))
    assert_allclose(gradient, network.gradient(w, inputs, seed), rtol=1e-11)


@pytest.mark.parametrize("how", [np.True_, np.str_("fixed")])
def test_numpys_scalars_are_known(how):
    """As ParameterGrid gives them."""
    X, y, *_ = poisson(n=200)
    asked = {"hidden_layer_sizes": (3,), "random_state": 0}
    one = DeepGLMRegressor("poisson", skip_connection=how, **asked).fit(X, y)
    two = DeepGLMRegressor("poisson", skip_connection=how.item(), **asked).fit(X, y)
    assert_array_equal(one.coef_, two.coef_)


def test_there_is_nothing_to_skip_without_hidden_layers():
    with pytest.raises(ValueError, match="there are none"):
        Layout((3, 1), skip=True)


def test_beta_has_no_penalty():
    layout = Layout((3, 4, 1), skip=True)
    penalty = elastic_net(layout, [0.5, 2.0], 0.5, output_scale=3.0)
    beta = layout.skipping(np.arange(layout.size)).astype(int).ravel()
    plain = elastic_net(Layout((3, 4, 1)), [0.5, 2.0], 0.5, output_scale=3.0)
    assert not penalty.l1[beta].any()
    assert not penalty.l2[beta].any()
    assert_array_equal(np.delete(penalty.l2, beta), plain.l2)


# ----------------------------------------------------------------------- start


@pytest.mark.parametrize("units", [1, 2, 5])
def test_the_start_is_a_glm_with_output_weights(units):
    rng = np.random.default_rng(0)
    layout = Layout((3, 4, units, 2), skip=True)
    glm = Layer(rng.normal(size=(2, 3)), rng.normal(size=2))
    w = paired_weights(layout, glm, rng)
    X = rng.normal(size=(50, 3))
    network = Network(layout, get_activation("tanh"))
    assert_allclose(network.linear_predictor(w, X), glm.sums(X), rtol=1e-13)
    output = layout.layers(w)[-1].W[:, :units]
    assert np.count_nonzero(output) == 2 * 2 * (units // 2)


def unmoved(model):
    """A model whose training goes nowhere: in one step of all rows, in double precision."""
    asked = {"solver": "adam", "batch_size": 10**6, "max_iter": 1, "balance": None}
    return model.set_params(**asked, learning_rate_init=1e-300)


@pytest.mark.parametrize("how", [True, "fixed"])
@pytest.mark.parametrize("pair", known_pairs(), ids=lambda pair: pair.name)
def test_iteration_0_is_the_glm(pair, how):
    """For every law and link, with weights, offset and columns of any size."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3)) * [1.0, 100.0, 0.01] + [0.0, -300.0, 1.0]
    K = 3 if pair.event_ndim else 1
    low, high = (0.4, 0.6) if K == 3 else (0.2, 0.45)
    y = rng.uniform(low, high, size=(300, K))
    y = y / y.sum(axis=1, keepdims=True) if K == 3 else y
    if pair.event_ndim == 0 and pair.name.startswith(("Poisson", "NegativeBinomial")):
        y = np.round(5 * y)
    weight, offset = rng.uniform(0.5, 2, 300), 0.01 * rng.normal(size=300)
    given = {"sample_weight": weight, "offset": offset}
    glm = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(X, y, **given)
    net = DeepGLMRegressor(pair, hidden_layer_sizes=(6, 5), skip_connection=how, random_state=0)
    net = unmoved(net).fit(X, y, **given)
    assert_allclose(
        net.linear_predictor(X, offset), glm.linear_predictor(X, offset), rtol=1e-10, atol=1e-10
    )
    assert_allclose(net.coef_, glm.coef_, rtol=1e-8)
    assert_allclose(net.deviance_, glm.deviance_, rtol=1e-10)
    assert_allclose(net.null_deviance_, glm.null_deviance_, rtol=1e-10)


@pytest.mark.parametrize("how", [True, "fixed"])
@pytest.mark.parametrize("family", ["normal", "poisson"])
def test_without_an_intercept(family, how):
    """Nothing but the columns themselves can take up their means."""
    X, y, *_ = poisson(n=300)
    asked = {"fit_intercept": False, "random_state": 0}
    glm = DeepGLMRegressor(family, hidden_layer_sizes=(), **asked).fit(X, y)
    net = DeepGLMRegressor(family, hidden_layer_sizes=(4,), skip_connection=how, **asked).fit(X, y)
    loss = net.family_.loss(y[:, None], net.linear_predictor(X)[:, None])
    assert_allclose(net.deviance_, 2 * loss.sum(), rtol=1e-9)
    assert net.deviance_ < glm.deviance_
    start = unmoved(net).fit(X, y)
    assert_allclose(start.linear_predictor(X), glm.linear_predictor(X), rtol=1e-9, atol=1e-9)


def test_without_an_intercept_the_fit_for_inference_is_that_of_its_parameters():
    X, y, *_ = poisson(n=300)
    net = DeepGLMRegressor(
        hidden_layer_sizes=(1,), skip_connection=True, fit_intercept=False, random_state=0
    ).fit_for_inference(X, y)
    assert_allclose(net.deviance_, np.square(y - net.predict(X)).sum(), rtol=1e-9)


def test_iteration_0_of_a_classifier_is_the_glm():
    X, y = load_iris(return_X_y=True)
    y = y[np.random.default_rng(0).permutation(len(y))]  # not separated
    labels = np.array(["a", "b", "c"])[y]
    glm = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    net = unmoved(DeepGLMClassifier(hidden_layer_sizes=(8,), skip_connection=True)).fit(X, labels)
    assert_allclose(net.predict_proba(X), glm.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
@pytest.mark.parametrize("how", [True, "fixed"])
def test_it_leaves_the_glm(solver, how):
    """With the default L2 it learns what a network without the GLM learns."""
    X, y, weight, exposure = poisson()
    given = {"sample_weight": weight, "exposure": exposure}
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y, **given)
    steps = {"lbfgs": 2000, "newton_cg": 100, "adam": 150}[solver]
    asked = {"hidden_layer_sizes": (8,), "solver": solver, "random_state": 0, "max_iter": steps}
    plain = DeepGLMRegressor("poisson", **asked).fit(X, y, **given)
    net = DeepGLMRegressor("poisson", skip_connection=how, **asked).fit(X, y, **given)
    gained = (glm.deviance_ - net.deviance_) / (glm.deviance_ - plain.deviance_)
    assert gained > 0.9
    assert (net.coef_ == glm.coef_).all() == (how == "fixed")


@pytest.mark.parametrize("how", [True, "fixed"])
def test_it_leaves_the_glm_with_few_rows(how):
    """Where the prior weighs much and the default layers are many, at every seed."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    eta = 0.4 * X[:, 0] + 0.5 * X[:, 1] * X[:, 2] + 0.3 * np.sin(2 * X[:, 3]) - 0.7
    y = rng.poisson(np.exp(eta))
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    for seed in range(3):
        net = DeepGLMRegressor("poisson", skip_connection=how, random_state=seed).fit(X, y)
        assert net.deviance_ < 0.97 * glm.deviance_


@pytest.mark.parametrize("asked", [{"skip_connection": True}, {"architecture": "local"}])
def test_nothing_is_learned_where_the_glm_reproduces_y(asked):
    """The network is 0, and not what rounding would make of it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 12)), rng.normal(size=8)
    model = DeepGLMRegressor(hidden_layer_sizes=(5,), random_state=0, **asked)
    with pytest.warns(RankWarning):
        glm = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, y)
    with pytest.warns(RankWarning):
        model.fit(X, y)
    assert_allclose(model.predict(X), y, atol=1e-8)
    assert_allclose(model.local_coef(X[:2]), np.stack([glm.coef_] * 2), atol=1e-8)


def test_units_change_nothing():
    X, y, weight, _ = poisson(n=400)
    y = np.log1p(y) + 0.01 * X[:, 1]
    asked = {"hidden_layer_sizes": (4,), "skip_connection": True, "random_state": 0}
    one = DeepGLMRegressor(**asked).fit(X, y, weight)
    two = DeepGLMRegressor(**asked).fit(X * [1, 1e3, 1, 1e-3], 50 * y, weight)
    assert_allclose(50 * one.predict(X), two.predict(X * [1, 1e3, 1, 1e-3]), rtol=1e-5)


# ------------------------------------------------------------------ estimators


def test_parameters_are_for_x_as_given():
    X, y, *_ = poisson(n=300)
    asked = {"hidden_layer_sizes": (4, 3), "skip_connection": True, "random_state": 0}
    net = DeepGLMRegressor("poisson", **asked).fit(X, y)
    hidden = np.clip(X, *net.input_bounds_)
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        hidden = np.tanh(hidden @ W + b)
    eta = X @ net.coef_ + hidden @ net.coefs_[-1][:, 0] + net.intercepts_[-1][0]
    assert_allclose(net.linear_predictor(X), eta, rtol=1e-10)
    assert [W.shape for W in net.coefs_] == [(4, 4), (4, 3), (3, 1)]
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(X), net.predict(X))


@pytest.mark.parametrize("how", [True, "fixed"])
def test_a_warm_start_goes_on(how):
    X, y, *_ = poisson(n=300)
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(4,), skip_connection=how, warm_start=True, random_state=0,
        solver="lbfgs",
    ).fit(X, y)  # fmt: skip
    before, first = net.loss_, net.n_iter_
    net.fit(X, y)
    assert_allclose(net.loss_, before, rtol=1e-7)
    assert net.n_iter_ < first / 4
    with pytest.raises(ValueError, match="warm_start=True continues"):
        net.set_params(skip_connection=False).fit(X, y)


def test_without_hidden_layers_it_is_the_glm():
    X, y, *_ = poisson(n=300)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    same = DeepGLMRegressor("poisson", hidden_layer_sizes=(), skip_connection=True).fit(X, y)
    assert_array_equal(glm.coef_, same.coef_)


@pytest.mark.parametrize("asked", [{"polish_output": True}, {"balance": "refit"}])
def test_the_output_layer_can_be_scored(asked):
    """polish_output and balance="refit" take x among the inputs of the output layer."""
    X, y, weight, exposure = poisson(n=400)
    given = {"sample_weight": weight, "exposure": exposure}
    plain = {"hidden_layer_sizes": (4,), "skip_connection": True, "solver": "adam"}
    before = DeepGLMRegressor("poisson", **plain, random_state=0).fit(X, y, **given)
    after = DeepGLMRegressor("poisson", **plain, **asked, random_state=0).fit(X, y, **given)
    assert after.deviance_ < before.deviance_
    assert_allclose(weight @ after.predict(X, exposure=exposure), weight @ y, rtol=1e-9)


@pytest.mark.parametrize("fit", ["fit", "fit_for_inference"])
def test_dependent_columns_are_told(fit):
    X, y, *_ = poisson(n=300)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), skip_connection=True)
    with pytest.warns(RankWarning, match="x4"):
        getattr(net, fit)(np.column_stack([X, X[:, 0] + X[:, 1]]), y)
    assert net.rank_ == 4


def test_remedies_are_those_of_a_skip_connection():
    """beta has no penalty, whatever alpha is."""
    X, *_ = poisson(n=60)
    net = DeepGLMClassifier(hidden_layer_sizes=(2,), skip_connection=True, random_state=0)
    with pytest.warns(SeparationWarning, match="Set skip_connection=False, or drop columns"):
        net.fit(X, X[:, 0] > 0)
    y = X[:, 0] + np.random.default_rng(0).normal(size=60) > 0
    with pytest.warns(RankWarning, match="Drop columns for a unique solution"):
        net.fit(np.column_stack([X, X[:, 0]]), y)


# ------------------------------------------------------------------- inference


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")  # of a rival optimum
def test_standard_errors_of_beta():
    """Those of the flat vector, mapped to X as given; and of effects by differences."""
    X, y, *_ = poisson(n=500)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(2,), skip_connection=True, random_state=0, n_init=1
    ).fit_for_inference(frame, y)
    results = net.inference(frame, y)
    table = results.linear_coefficients().summary_frame()
    assert list(table.index) == ["a", "b", "c", "d"]
    assert_allclose(table["coef"], net.coef_, rtol=1e-10)
    beta = results.network.layout.skipping(np.arange(results.n_weights)).astype(int).ravel()
    of_beta = results.covariance[np.ix_(beta, beta)]
    scale = X.std(axis=0)
    assert_allclose(table["std err"], np.sqrt(np.diag(of_beta)) / scale, rtol=1e-10)
    fitted = results.fitted
    H = slopes(lambda w: fitted.objective.smooth_value_and_gradient(w)[1], results.parameters)
    C = np.linalg.inv(H) / len(y)
    assert_allclose(of_beta, C[np.ix_(beta, beta)], rtol=1e-4)


def test_beta_is_of_a_skip_connection_estimated_with_the_rest():
    X, y, *_ = poisson(n=300)
    asked = {"hidden_layer_sizes": (1,), "random_state": 0}
    plain = DeepGLMRegressor("poisson", **asked).fit_for_inference(X, y)
    with pytest.raises(ValueError, match="skip_connection=True"):
        plain.inference(X, y).linear_coefficients()
    with pytest.raises(AttributeError, match="without hidden layers"):
        _ = plain.coef_
    held = DeepGLMRegressor("poisson", skip_connection="fixed", **asked)
    with pytest.raises(ValueError, match="held beta"):
        held.fit(X, y).inference(X, y)
    with pytest.raises(ValueError, match="chooses skip_connection"):
        held.fit_for_inference(X, y)


@pytest.mark.parametrize("skip", [True, "fixed"])
def test_a_glm_that_leaves_nothing_is_left_alone(skip):
    """Of residuals that are rounding a solver would make weights."""
    rng = np.random.RandomState(42)
    X, y, weight = rng.rand(15, 30), rng.randint(0, 3, size=15), rng.randint(0, 5, size=15)
    new = rng.rand(5, 30)
    net = DeepGLMClassifier(hidden_layer_sizes=(5,), skip_connection=skip, random_state=0)
    glm = DeepGLMClassifier(hidden_layer_sizes=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the GLM is separated
        one, two = clone(net).fit(X, y, weight), net.fit(X.repeat(weight, 0), y.repeat(weight))
        glm.fit(X, y, weight)
    for fitted in (one, two):
        assert fitted.converged_
        assert_allclose(fitted.predict_proba(new), glm.predict_proba(new), atol=1e-12)
