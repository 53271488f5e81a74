"""partial_fit(): epochs of fit, one at a time, over whatever rows a call brings."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from families import NegativeBinomial, Poisson, known_families
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, load_model, save_model

CONSTANT = {"learning_rate": "constant", "balance": "shift", "random_state": 0}
N = 300


def data(n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 3.0]
    return X, np.exp(0.5 * X[:, 0]), rng.uniform(0.5, 2.0, n), rng.uniform(0.2, 2.0, n)


def response(law, mu):
    """y of this law, with means from mu, as many outputs as it needs."""
    rng = np.random.default_rng(1)
    mu = mu / (1 + mu) if law.event_ndim or law.mean_domain.high == 1 else mu
    if law.event_ndim:
        return law.sample(np.column_stack([mu, 1 - mu]), 0.3, rng)
    y = law.sample(mu[:, None], 0.3, rng)
    return np.column_stack([10 * y, 10 * (1 - y)]) if law.name == "binomial" else y[:, 0]


def regressor(family="poisson", hidden=(4,), **options):
    return DeepGLMRegressor(family, hidden_layer_sizes=hidden, **{**CONSTANT, **options})


def assert_same_fit(one, other):
    """Two fits are the same to the bit, their curves and facts too."""
    assert_array_equal(one._weights, other._weights)
    assert one.loss_curve_ == other.loss_curve_
    for name in (
        "n_iter_",
        "alpha_",
        "deviance_curve_",
        "loss_",
        "deviance_",
        "null_deviance_",
        "dispersion_",
    ):
        assert getattr(one, name) == getattr(other, name), name


def assert_epochs_are_fit(model, X, y, n=3, first=(), **known):
    whole = clone(model).set_params(max_iter=n).fit(X, y, **known)
    for epoch in range(n):
        model.partial_fit(X, y, **(dict(first) if epoch == 0 else {}), **known)
    assert_same_fit(model, whole)
    assert model.balance_ == whole.balance_
    assert model.t_ == n * int((known["sample_weight"] > 0).sum()) if known else n * X.shape[0]


LAWS = [law() for law in known_families()]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_n_calls_are_n_epochs_of_fit(law):
    """Of every law: with weights, some 0, and an offset."""
    X, mu, weight, exposure = data()
    family = law.initial
    balance = "shift" if family.has_safe_link else None
    family = family if family.has_safe_link else type(family)(link="log")
    model = regressor(family, balance=balance)
    weight[:50] = 0
    known = {"sample_weight": weight, "offset": 0.1 * np.log(exposure)}
    assert_epochs_are_fit(model, X, response(family, mu), **known)


NETWORKS = {
    "no hidden layer": {"hidden": (), "solver": "adam"},
    "local": {"architecture": "local"},
    "skip": {"skip_connection": True},
    "l1": {"l1_ratio": 0.5, "alpha": 0.01},
    "alpha of each layer": {"alpha": [0.1, 0.0]},
    "one batch": {"batch_size": N},
    "refit": {"balance": "refit"},
    "raw inputs": {"standardize": False, "activation": "relu"},
    "sparse": {},
    "in order": {"shuffle": False, "batch_size": 50},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_goes_on_where_it_was(name):
    X, mu, weight, exposure = data()
    y = response(Poisson(), mu)
    X = X - [0.0, 50.0, 3.0] if name == "raw inputs" else X
    X = sparse.csr_array(np.where(X.mean(axis=0) < X, X, 0.0)) if name == "sparse" else X
    model = regressor("poisson", **NETWORKS[name])
    assert_epochs_are_fit(model, X, y, sample_weight=weight, exposure=exposure)


@pytest.mark.parametrize("kind", ["two", "three", "labels"])
def test_classes(kind):
    X, mu, weight, _ = data()
    y = np.array(["few", "many", "more"])[np.minimum(mu, 2).astype(int)]
    first, model = {}, DeepGLMClassifier(hidden_layer_sizes=(4,), **{**CONSTANT, "balance": None})
    if kind == "labels":
        y = (X.mean(axis=0) < X).astype(int)
    else:
        y = np.where(y == "few", "few", "many") if kind == "two" else y
        first = {"classes": np.unique(y)}
    assert_epochs_are_fit(model, X, y, first=first, sample_weight=weight)


def test_blocks_of_rows_are_an_epoch_in_their_order():
    """After a first call that sets the scaling, an epoch is the blocks of its rows."""
    X, mu, weight, exposure = data()
    y = response(Poisson(), mu)
    order = {"shuffle": False, "batch_size": 50, "balance": None}
    whole, blocks = regressor("poisson", **order), regressor("poisson", **order)
    for model in (whole, blocks):
        model.partial_fit(X, y, weight, exposure=exposure)
    whole.partial_fit(X, y, weight, exposure=exposure)
    for at in (slice(0, 100), slice(100, 150), slice(150, 300)):
        blocks.partial_fit(X[at], y[at], weight[at], exposure=exposure[at])
    assert_allclose(blocks._weights, whole._weights, rtol=1e-4, atol=1e-5)  # single precision
    assert blocks.t_ == whole.t_ == 2 * N
    assert (blocks.n_iter_, whole.n_iter_) == (4, 2)


def test_one_cycle_spans_max_iter_calls():
    X, mu, *_ = data()
    y = response(Poisson(), mu)
    model = regressor("poisson", learning_rate="one_cycle", max_iter=4)
    whole = clone(model).fit(X, y)
    for _ in range(4):
        model.partial_fit(X, y)
    assert_same_fit(model, whole)
    with pytest.raises(ValueError, match=r"come to its end.*learning_rate='constant'"):
        model.partial_fit(X, y)
    assert_same_fit(model, whole)
    model.set_params(learning_rate="constant").partial_fit(X, y)
    assert model.n_iter_ == 5
    endless = regressor("poisson", learning_rate="one_cycle")
    constant = regressor("poisson")
    for _ in range(3):
        assert_same_fit(endless.partial_fit(X, y), constant.partial_fit(X, y))


def test_later_calls_may_have_rows_that_determine_nothing():
    """One row, counts that are all 0, one class, equal columns: but the network learns of them."""
    X, mu, *_ = data()
    y = np.random.default_rng(2).poisson(mu).astype(float)
    model = regressor(balance="auto").partial_fit(X, y)
    assert model.balance_ is None
    before = model.predict(X[:1])
    for _ in range(20):
        model.partial_fit(X[:1], [0.0])
    assert model.predict(X[:1]) < before
    assert np.isnan(model.null_deviance_)
    assert np.isfinite(model.deviance_)
    with pytest.raises(ValueError, match="add rows in which y varies"):
        regressor().partial_fit(X[:1], [0.0])
    missing = DeepGLMClassifier(hidden_layer_sizes=(2,), random_state=0, learning_rate_init=1e-12)
    missing.partial_fit(X[:9], ["b"] * 9, classes=["a", "b", "c"])
    shares = np.array([1 / 30, 28 / 30, 1 / 30])  # ten rows, one of them shared by three
    assert_allclose(missing.predict_proba(X[:1])[0], shares, rtol=1e-6)
    assert_array_equal(missing.classes_, ["a", "b", "c"])


def test_after_fit_it_goes_on_with_the_model():
    X, mu, *_ = data()
    y = np.random.default_rng(2).poisson(mu).astype(float)
    model = regressor(max_iter=3, balance=None).fit(X, y)
    fitted, bounds = model.predict(X), model.input_bounds_
    model.set_params(learning_rate_init=1e-12).partial_fit(X[:100] + 1.0, y[:100])
    assert_allclose(model.predict(X), fitted, rtol=1e-6)
    assert_array_equal(model.input_bounds_, bounds)
    assert (model.n_iter_, model.t_) == (1, 100)
    classical = regressor(hidden=(), solver="newton", balance=None).fit(X, y)
    classical.set_params(solver="adam", learning_rate_init=1e-12).partial_fit(X[:9], y[:9])
    expected = regressor(hidden=(), solver="newton").fit(X, y).coef_
    assert_allclose(classical.coef_, expected, rtol=1e-6)
    model.set_params(learning_rate_init=0.01).fit(X, y)
    assert_array_equal(model.predict(X), fitted)
    assert not hasattr(model, "t_")


def test_a_formula_learns_from_the_first_call():
    X, mu, *_ = data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=mu, kind=["u", "v", "w"] * 100)
    formula = "y ~ poly(a, 2) + b + kind"
    model = regressor("normal", formula=formula, learning_rate_init=0.05)
    whole = clone(model).set_params(max_iter=2).fit(frame)
    assert_same_fit(model.partial_fit(frame).partial_fit(frame), whole)
    fitted = model.predict(frame[:5])
    model.set_params(learning_rate_init=1e-12, balance=None).partial_fit(frame[7:9])
    assert_allclose(model.predict(frame[:5]), fitted, rtol=0.1)


def test_factors_are_coded_as_in_the_first_call():
    X, mu, *_ = data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=["u", "v", "w"] * 100)
    model = regressor("normal")
    whole = clone(model).set_params(max_iter=2).fit(frame, mu)
    assert_same_fit(model.partial_fit(frame, mu).partial_fit(frame, mu), whole)
    model.partial_fit(frame[:2], mu[:2])  # two of three levels
    assert model.feature_names_ == whole.feature_names_
    with pytest.raises(ValueError, match="x"):
        model.partial_fit(frame.assign(kind="x"), mu)


def test_a_model_that_is_kept_between_calls_goes_on(tmp_path):
    X, mu, *_ = data()
    y = np.random.default_rng(2).poisson(mu).astype(float)
    model = regressor().partial_fit(X, y)
    save_model(model, tmp_path / "model")
    copies = [load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model))]
    model.partial_fit(X, y)
    for copy in copies:
        assert_same_fit(copy.partial_fit(X, y), model)


def test_what_takes_all_rows_is_not_there():
    for options in ({"hidden": ()}, {"solver": "lbfgs"}, {"hidden": (), "solver": "newton"}):
        model = regressor(**options)
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError) as caught:
            _ = model.partial_fit
        assert "Set solver='adam'" in str(caught.value.__cause__)
    X, mu, *_ = data(50)
    refused = {
        "early_stopping": True,
        "n_init": 2,
        "n_estimators": 2,
        "polish_output": True,
        "store_covariance": True,
        "checkpoint": "file",
        "skip_connection": "fixed",
    }
    for name, value in refused.items():
        with pytest.raises(AttributeError) as caught:
            regressor("normal", **{name: value}).partial_fit(X, mu)
        assert f"partial_fit() needs {name}=" in str(caught.value.__cause__)
    with pytest.raises(ValueError, match="alpha of NegativeBinomial as known"):
        regressor(NegativeBinomial(alpha="estimate")).partial_fit(X, mu)
    with pytest.raises(ValueError, match="'auto' is 'lbfgs' for this model"):
        regressor("gamma", architecture="local").partial_fit(X, mu)


def test_calls_that_do_not_fit_together():
    X, mu, *_ = data(50)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = regressor("normal").partial_fit(frame, mu)
    before = model.predict(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame[["b", "a", "c"]], mu)
    with pytest.raises(ValueError, match=r"\(3, 4, 1\).*but now it is.*\(3, 4, 2\)"):
        model.partial_fit(frame, np.column_stack([mu, mu]))
    with pytest.raises(ValueError, match=r"\(3, 5, 1\)"):
        clone_of(model, hidden_layer_sizes=(5,)).partial_fit(frame, mu)
    with pytest.raises(ValueError, match="but now the family is Poisson"):
        clone_of(model, family="poisson").partial_fit(frame, mu)
    assert_array_equal(model.predict(frame), before)
    ensemble = regressor("normal", n_estimators=2, max_iter=1).fit(frame, mu)
    with pytest.raises(ValueError, match="an ensemble of 2"):
        ensemble.set_params(n_estimators=1).partial_fit(frame, mu)
    labels = np.where(mu > 1, "many", "few")
    classes = DeepGLMClassifier(hidden_layer_sizes=(2,))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classes.partial_fit(X, labels)
    with pytest.raises(ValueError, match="classes must hold at least two"):
        classes.partial_fit(X, labels, classes=["few"])
    classes.partial_fit(X, labels, classes=["few", "many"]).partial_fit(X, labels)
    with pytest.raises(ValueError, match=r"hold the classes of the fit, \['few', 'many'\]"):
        classes.partial_fit(X, np.where(mu > 2, "more", labels))
    with pytest.raises(ValueError, match="is not the same as on last call"):
        classes.partial_fit(X, labels, classes=["few", "more"])
    with pytest.raises(ValueError, match="one label a row, but now y holds indicators"):
        classes.partial_fit(X, X > 3)
    assert_array_equal(classes.classes_, ["few", "many"])
    assert classes.predict(X).shape == (50,)
    with pytest.raises(ValueError, match="numbers of its columns"):
        DeepGLMClassifier(hidden_layer_sizes=(2,)).partial_fit(X, X > 3, classes=["a", "b"])


def clone_of(model, **options):
    return pickle.loads(pickle.dumps(model)).set_params(**options)


def test_an_epoch_that_leaves_the_numbers_is_not_kept():
    X, mu, *_ = data()
    model = regressor("poisson", balance=None).partial_fit(X, mu)
    before = model.predict(X)
    model.set_params(learning_rate_init=1e30)
    with pytest.warns(ConvergenceWarning, match="not finite in epoch 2; lower learning_rate_init"):
        model.partial_fit(X, mu)
    assert_array_equal(model.predict(X), before)
    assert not model.converged_
    expected = regressor("poisson", balance=None, max_iter=2).fit(X, mu)
    model.set_params(learning_rate_init=1e-2).partial_fit(X, mu)
    assert_array_equal(model._weights, expected._weights)


def test_a_line_for_each_call(capsys):
    X, mu, *_ = data(50)
    model = regressor("normal", verbose=1)
    model.partial_fit(X, mu).partial_fit(X, mu)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0][-11:] for line in lines] == ["iteration 1", "iteration 2"]
