"""Embeddings of a given size: the first layer's weights of a factor have that rank."""

import pickle
import warnings
from dataclasses import astuple
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from scipy.spatial.distance import pdist
from sklearn.base import clone
from test_callbacks import Recorder, needs_callbacks
from test_checkpoints import assert_same_fit, cut_off_after

from families import Normal, Poisson
from glmnet_nn import (
    Blocks,
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    glm_to_net_path,
    load_model,
    save_model,
)
from glmnet_nn.estimators._degrees import degrees_of_freedom
from glmnet_nn.network import (
    EmbeddedLayout,
    Embedding,
    Layout,
    Network,
    batch_recursion,
    get_activation,
)
from glmnet_nn.training.data import Rows
from glmnet_nn.training.embedded import embedded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net

TANH = get_activation("tanh")
TWO = (Embedding(1, 5, 2), Embedding(6, 9, 1))  # numbers before, between and after


def one_hot(n, rng):
    X = rng.normal(size=(n, 10))
    for at in TWO:
        levels = np.eye(at.stop - at.start)
        X[:, at.start : at.stop] = levels[rng.integers(len(levels), size=n)]
    return X


@pytest.fixture(params=[False, True], ids=["dense", "skip"])
def objective(request):
    rng = np.random.default_rng(0)
    X, layout = one_hot(30, rng), Layout((10, 4, 3, 2), skip=request.param)
    rows = Rows(X, rng.poisson(2.0, (30, 2)), rng.uniform(0.5, 2.0, 30), rng.normal(size=(30, 2)))
    penalty = elastic_net(layout, [0.1, 0.2, 0.3], 0.0)
    return embedded(Objective(rows, Poisson(), Network(layout, TANH), penalty), TWO)


@pytest.fixture
def w(objective):
    return np.random.default_rng(1).normal(size=objective.network.layout.size)


def test_the_recursion_goes_on_to_the_factors(objective, w):
    gradient = objective.smooth_value_and_gradient(w)[1]
    by_differences = approx_fprime(w, objective.value, 1e-7)
    assert_allclose(gradient, by_differences, rtol=1e-5, atol=1e-5)


def test_second_derivatives_of_products(objective, w):
    slopes = approx_fprime(w, lambda w: objective.smooth_value_and_gradient(w)[1], 1e-7)
    H, product = objective.hessian(w), objective.hessian_product(w)
    assert_allclose(H, slopes, rtol=1e-5, atol=1e-5)
    assert_allclose(np.stack([product(e) for e in np.eye(w.size)]), H, rtol=1e-10, atol=1e-12)


def test_a_batch_has_the_same_gradient(objective, w):
    layout, rng = objective.network.layout, np.random.default_rng(2)
    X, seed = one_hot(8, rng), rng.normal(size=(8, 2))
    inputs, expected = objective.network.forward(w, X)
    gradient, eta = np.empty(layout.size), np.empty((2, 8))
    recursion = batch_recursion(objective.network, w, gradient, 8)
    recursion.forward(X.T, eta)
    recursion.backward(X.T, np.ascontiguousarray(seed.T))
    assert_allclose(eta.T, expected, rtol=1e-13)
    assert_allclose(gradient, objective.network.gradient(w, inputs, seed), rtol=1e-11, atol=1e-12)


def test_the_nearest_of_a_rank_and_its_penalty():
    """Eckart and Young: what is left out are the singular values after the first."""
    rng = np.random.default_rng(3)
    dense = Layout((10, 4, 1))
    layout = EmbeddedLayout(dense.sizes, embeddings=TWO)
    plain = rng.normal(size=dense.size)
    nearest = layout.widened(layout.narrowed(plain))
    W, W_d = dense.layers(plain)[0].W, dense.layers(nearest)[0].W
    left = sum((np.linalg.svd(W[:, a:b])[1][d:] ** 2).sum() for a, b, d in map(astuple, TWO))
    assert_allclose(np.square(plain - nearest).sum(), left)
    assert_allclose(layout.widened(layout.narrowed(nearest)), nearest, rtol=1e-12)
    network = Network(dense, TANH)
    rows = Rows(one_hot(5, rng), rng.normal(size=(5, 1)), np.ones(5))
    penalty = elastic_net(dense, [0.4, 0.0], 0.0)
    found = embedded(Objective(rows, Normal(), network, penalty), TWO).penalty
    nuclear = sum(np.linalg.norm(W_d[:, a:b], "nuc") for a, b, _ in map(astuple, TWO))
    others = np.square(W_d[:, layout.others]).sum()
    assert_allclose(
        found.value(layout.narrowed(nearest)), 0.2 * others + 0.4 / np.sqrt(10) * nuclear
    )


def test_reduced_rank_regression():
    """Izenman (1975): a singular value decomposition of the means of the levels."""
    rng = np.random.default_rng(4)
    levels = np.repeat([f"level {k}" for k in range(6)], 5)
    means = rng.normal(size=(6, 4))
    Y = np.repeat(means, 5, axis=0) + 0.1 * rng.normal(size=(30, 4))
    net = DeepGLMRegressor(
        hidden_layer_sizes=(4,), activation="identity", embedding_size=2, alpha=0.0, solver="lbfgs",
        tol=1e-9, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a penalty nothing holds V and E
        net.fit(pd.DataFrame({"level": levels}), Y)
    M = Y.reshape(6, 5, 4).mean(axis=1)
    U, s, Vt = np.linalg.svd(M - M.mean(axis=0))
    expected = M.mean(axis=0) + (U[:, :2] * s[:2]) @ Vt[:2]
    table = pd.DataFrame({"level": levels[::5]})
    assert_allclose(net.predict(table), expected, atol=1e-5)
    assert np.abs(expected - M).max() > 0.1
    free = 4 + 2 * (5 + 4 - 2)  # a centre, and a matrix (5, 4) of rank 2
    table = pd.DataFrame({"level": levels})
    assert degrees_of_freedom(net, table, Y) == pytest.approx(free)


def test_a_search_starts_with_a_slope_in_every_axis():
    """From v = e = 0 there is none, and no search would leave it."""
    layout = EmbeddedLayout((10, 4, 1), embeddings=TWO)
    rng = np.random.default_rng(5)
    dense = rng.normal(size=layout.plain.size)
    W = layout.plain.layers(dense)[0].W
    W[:, 1:5] = np.outer(W[:, 1], W[0, 1:5])  # of rank 1, for an embedding of size 2
    W[:, 6:9] = 0.0
    start = layout.opened(dense)
    assert_allclose(layout.widened(start), dense, atol=1e-12)
    of_dense = rng.normal(size=dense.size)
    gradient = layout.pulled(start, of_dense)
    for _, (V, E) in layout.factors(gradient):
        assert np.all(np.abs(V).max(axis=0) + np.abs(E).max(axis=0) > 1e-3)


# --------------------------------------------------------------- estimators


@pytest.fixture(scope="module")
def motor():
    """Claim counts: regions differ along two axes, brands are two kinds."""
    rng = np.random.default_rng(5)
    n, region, brand = 600, rng.integers(12, size=600), rng.integers(5, size=600)
    x, axes = rng.normal(size=(n, 2)), rng.normal(size=(12, 2))
    eta = 0.5 * np.sin(axes[region, 0] * x[:, 0]) + 0.4 * axes[region, 1] + 0.3 * (brand % 2)
    X = pd.DataFrame({"age": x[:, 0]})
    X["region"], X["size"], X["brand"] = [f"r{k:02d}" for k in region], x[:, 1], brand.astype(str)
    return X, rng.poisson(np.exp(eta))


def embedded_network(**settings):
    given = {"hidden_layer_sizes": (8, 4), "embedding_size": 2, "solver": "lbfgs"}
    return DeepGLMRegressor("poisson", random_state=0, **{**given, **settings})


def ranks(net):
    names, W = np.array(net.feature_names_), net.coefs_[0]
    of = {k: W[[name.startswith(k + "[") for name in names]] for k in ("region", "brand")}
    return {k: np.linalg.matrix_rank(block, tol=1e-8) for k, block in of.items()}


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_ranks_of_the_first_layer(motor, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = embedded_network(solver=solver, alpha=1e-3, max_iter=30).fit(*motor)
        free = clone(net).set_params(embedding_size=None).fit(*motor)
    assert ranks(net) == {"region": 2, "brand": 2}
    assert ranks(free) == {"region": 8, "brand": 5}
    assert {name: points.shape for name, points in net.embeddings_.items()} == {
        "region": (12, 2),
        "brand": (5, 2),
    }


def test_pairs_of_units_at_the_start_hold_back_no_axis(motor):
    """The hidden units of a start come in pairs of the same weights: four of them have rank 2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = embedded_network(
            hidden_layer_sizes=(4,), embedding_size=3, alpha=1e-3, max_iter=5
        ).fit(*motor)
    assert ranks(net) == {"region": 3, "brand": 3}


def test_a_warm_start_uses_new_axes(motor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = embedded_network(embedding_size=1, alpha=1e-3, warm_start=True, max_iter=20).fit(
            *motor
        )
        before = net.loss_
        net.set_params(embedding_size=2).fit(*motor)
    assert ranks(net) == {"region": 2, "brand": 2}
    assert net.loss_ < before


def test_distances_of_levels_are_those_of_their_weights(motor):
    net = embedded_network(embedding_size={"region": 3}).fit(*motor)
    for name, points in net.embeddings_.items():
        labels = [f"{name}[{level}]" for level in points.index]
        W = net.coefs_[0][[net.feature_names_.index(label) for label in labels]]
        assert_allclose(pdist(points), pdist(W), atol=1e-9)
        spread = np.square(points).sum().to_numpy()
        assert np.all(np.diff(spread) <= 0)
        assert points.index.name == name
    assert [points.shape[1] for points in net.embeddings_.values()] == [3, 5]


def test_levels_a_reference_leaves_out_lie_at_0(motor):
    X, y = motor
    X = X.assign(brand=X["brand"].where(X.index > 3))
    net = embedded_network(skip_connection=True, missing="indicator").fit(X, y)
    points = net.embeddings_["brand"]
    assert points.index.tolist() == ["0", "1", "2", "3", "4", "missing"]
    assert np.all(points.loc["0"] == 0)
    assert np.all(points.loc["1":].abs().sum(axis=1) > 0)


def test_one_level_against_a_reference_has_no_weights(motor):
    X, y = motor
    net = embedded_network(skip_connection=True, max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(X.assign(brand="the one"), y)
    assert net.embeddings_["brand"].shape == (1, 0)
    assert net.embeddings_["region"].shape == (12, 2)


@pytest.mark.parametrize("skip", [True, "fixed"])
def test_the_glm_beside_it_has_all_its_coefficients(motor, skip):
    X, y = motor[0], np.minimum(motor[1], 2)
    X = X.assign(again=X["age"])
    glm = DeepGLMClassifier(hidden_layer_sizes=(), alpha=0.0)
    net = DeepGLMClassifier(
        hidden_layer_sizes=(3,), embedding_size=1, skip_connection=skip, solver="lbfgs", alpha=1e3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column that is there twice
        glm.fit(X, y)
        net.fit(X, y)
    assert_allclose(net.predict_proba(X), glm.predict_proba(X), atol=1e-4)


def test_a_path_from_the_glm(motor):
    X, y = (part[:200] for part in motor)
    net = embedded_network(hidden_layer_sizes=(3,), embedding_size=1, max_iter=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = glm_to_net_path(net, X, y, strengths=[1e-2], cv=2)
    assert [model.n_layers_ for model in path.models] == [2, 3]
    assert max(ranks(path.models[1]).values()) == 1


def test_an_embedding_as_long_as_the_layer_restricts_nothing(motor):
    free = embedded_network(embedding_size=None, max_iter=20)
    wide = embedded_network(embedding_size=8, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = (net.fit(*motor).predict(motor[0]) for net in (free, wide))
    assert np.array_equal(one, other)


def test_one_optimum_by_two_solvers(motor):
    one = embedded_network(hidden_layer_sizes=(3,), alpha=0.02, tol=1e-7).fit(*motor)
    other = clone(one).set_params(solver="newton_cg").fit(*motor)
    assert one.loss_ == pytest.approx(other.loss_, rel=1e-9)
    assert one.loss_ == pytest.approx(one.loss_curve_[-1], rel=1e-9)


def test_calls_of_partial_fit_are_one_fit(motor):
    X, y = motor
    settings = {"solver": "adam", "learning_rate": "constant", "shuffle": False, "balance": None}
    net = embedded_network(**settings, max_iter=3, tol=0.0).fit(X, y)
    learner = embedded_network(**settings)
    for _ in range(3):
        learner.partial_fit(X, y)
    assert np.array_equal(learner.predict(X), net.predict(X))
    assert ranks(learner) == {"region": 2, "brand": 2}
    before = net.deviance_
    assert net.partial_fit(X, y).deviance_ < before
    with pytest.raises(ValueError, match=r"sizes \[2, 2\], but embedding_size=1"):
        learner.set_params(embedding_size=1).partial_fit(X, y)


def test_one_block_is_a_table(motor):
    X, y = motor
    net = embedded_network(max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = net.fit(Blocks([(X, y)])).predict(X), clone(net).fit(X, y).predict(X)
    assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(ValueError, match="X has none"):  # whatever was fitted before
        net.fit(Blocks([(X[["age", "size"]], y)]))


def test_a_warm_start_goes_on(motor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = embedded_network(warm_start=True, max_iter=40).fit(*motor)
        before = net.loss_
        net.fit(*motor)
    assert net.loss_curve_[0] <= before * (1 + 1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_estimators": 2, "n_jobs": 1},
        {"solver": "adam", "early_stopping": True},
        {"polish_output": True},
        {"balance": "refit"},
        {"skip_connection": "fixed"},
        {"link": "identity", "solver": "adam"},
    ],
    ids=str,
)
def test_with_other_options(motor, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = embedded_network(max_iter=15, **settings).fit(*motor)
    assert net.deviance_ < net.null_deviance_
    for member in net.estimators_ if "n_estimators" in settings else [net]:
        assert max(ranks(member).values()) <= 2


def test_files_and_copies(motor, tmp_path):
    net = embedded_network(embedding_size={"region": 2}).fit(*motor)
    save_model(net, tmp_path / "net.glmnn")
    for other in (load_model(tmp_path / "net.glmnn"), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other.predict(motor[0]), net.predict(motor[0]))
        assert other.embedding_size == {"region": 2}
        pd.testing.assert_frame_equal(other.embeddings_["region"], net.embeddings_["region"])


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_resumed_fit_is_the_same(motor, tmp_path, monkeypatch, solver):
    net = embedded_network(solver=solver, max_iter=12, checkpoint=tmp_path / "fit")
    asked = SimpleNamespace(fit=lambda *_: net.fit(*motor))  # to its own rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = clone(net).set_params(checkpoint=None).fit(*motor)
        assert not cut_off_after(monkeypatch, 5, asked)
        assert not hasattr(net, "family_")
        assert_same_fit(net.fit(*motor), whole)


@needs_callbacks
def test_what_callbacks_see(motor):
    seen = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = (
            embedded_network(solver="adam", max_iter=3, balance=None)
            .set_callbacks(seen)
            .fit(*motor)
        )
    assert np.array_equal(seen.states[-1].predict(motor[0]), net.predict(motor[0]))
    assert seen.states[-1].embeddings_["region"].shape == (12, 2)


def test_classes_and_degrees_of_freedom(motor):
    X, y = motor
    net = DeepGLMClassifier(
        hidden_layer_sizes=(4,), embedding_size=1, solver="lbfgs", random_state=0
    ).fit(X, np.minimum(y, 2))
    assert net.embeddings_["region"].shape == (12, 1)
    free = clone(net).set_params(embedding_size=None).fit(X, np.minimum(y, 2))
    few, many = (degrees_of_freedom(of, X, np.minimum(y, 2)) for of in (net, free))
    assert 0 < few < many


def test_a_mean_with_embeddings_beside_a_dispersion(motor):
    X, y = motor
    mean = embedded_network(hidden_layer_sizes=(3,), embedding_size=1)
    mean.set_params(family="gamma", link="log")
    double = DoubleGLMRegressor(mean).fit(X, y + 1.0)
    assert double.mean_.embeddings_["region"].shape == (12, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes=()"),
        ({"architecture": "local"}, "architecture='local'"),
        ({"l1_ratio": 0.5}, "l1_ratio=0.5"),
        ({"embedding_size": {"area": 2}}, "'area', but the factors of X are"),
        ({"embedding_size": {"region": 0}}, "that of 'region' is 0"),
        ({"embedding_size": {"region": True}}, "that of 'region' is True"),
        ({"embedding_size": True}, "is True"),
        ({"store_covariance": True}, "store_covariance=True"),
        ({"embedding_size": 0}, "embedding_size"),
        ({"embedding_size": "auto"}, "embedding_size"),
    ],
    ids=str,
)
def test_refusals(motor, settings, said):
    with pytest.raises(ValueError, match="embedding_size") as told:
        embedded_network(**settings).fit(*motor)
    assert said in str(told.value)


def test_nothing_to_embed(motor):
    X, y = motor
    with pytest.raises(ValueError, match="X has none"):
        embedded_network().fit(X[["age", "size"]], y)
    with pytest.raises(AttributeError, match="hidden"):
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y).embeddings_  # noqa: B018
    with pytest.raises(ValueError, match="embedding"):
        embedded_network().fit_for_inference(X, y)
    with pytest.raises(ValueError, match="embedding"):
        embedded_network().fit(X, y).inference(X, y)
