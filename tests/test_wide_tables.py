"""Factors of many levels: coded without zeros, and no p x p equations on the way to a network."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from families import Gamma, Normal, Poisson
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, local_importance
from glmnet_nn.tables import TableCoding
from glmnet_nn.tables import coding as coding_module
from glmnet_nn.training import preliminary
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import standardized
from glmnet_nn.training.overdispersion import overdispersion


def portfolio(n=600, n_levels=120, seed=0):
    rng = np.random.default_rng(seed)
    level, age = rng.integers(n_levels, size=n), rng.normal(size=n)
    eta = 0.5 * rng.normal(size=n_levels)[level] + 0.4 * np.sin(2 * age)
    model = [f"model {k:04d}" for k in level]
    return pd.DataFrame({"age": age, "model": model}), rng.poisson(np.exp(eta))


@pytest.mark.parametrize("reference", [False, True])
def test_entries_are_the_matrix_without_its_zeros(reference):
    X, _ = portfolio()
    X.loc[[3, 5], "age"], X.loc[[5, 9], "model"] = np.nan, None
    share = np.ones(len(X))
    coding = TableCoding.fit(X, "auto", reference, True, "indicator", share)
    other = X.copy()
    other.loc[[0, 9, 20], "model"] = ["new", "model 0003", "newer"]
    absent = np.arange(len(X)) == 7
    for frame in (X, other, other.iloc[:0], other.iloc[:1]):
        given = (frame, "average", absent[: len(frame)])
        entries = coding.entries(*given)
        assert entries.format == "csr"
        assert np.array_equal(entries.toarray(), coding.matrix(*given))
    with pytest.raises(ValueError, match=r"2 rows \(the first: 0\)"):
        coding.entries(other, "error")


@pytest.fixture
def laid_out(monkeypatch):
    """Return what fits a clone, all tables laid out."""

    def fitted(model, *given):
        with monkeypatch.context() as patch:
            patch.setattr(coding_module, "_WIDE", np.inf)
            return clone(model).fit(*given)

    return fitted


@pytest.mark.parametrize(
    "settings", [{"embedding_size": 2}, {"skip_connection": True}, {"n_estimators": 2}], ids=str
)
def test_a_wide_table_is_the_same_model(laid_out, settings):
    X, y = portfolio()
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(5,), solver="lbfgs", max_iter=15, random_state=0, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = laid_out(net, X, y), net.fit(X, y)
        assert net._coding.is_wide
        assert_allclose(other.predict(X), one.predict(X), rtol=1e-9)
        assert_allclose(other.local_coef(X), one.local_coef(X), rtol=1e-6, atol=1e-8)
        assert other.score(X, y) == pytest.approx(one.score(X, y), rel=1e-9)
        for kind in ("deviance", "pearson"):
            assert_allclose(other.residuals(X, y, kind=kind), one.residuals(X, y, kind=kind), 1e-6)
    assert_allclose(other.predict(X.head(1)), other.predict(X)[:1], rtol=1e-12)


def test_what_takes_all_numbers_has_them():
    X, y = portfolio(n=400, n_levels=70)
    net = DeepGLMClassifier(hidden_layer_sizes=(1,), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit_for_inference(X, y > 0)
        assert net._coding.is_wide
        assert net.inference(X, y > 0).get_prediction(X.head(2)).se_linpred.shape == (2,)
        net = clone(net).set_params(store_covariance=True, max_iter=5).fit(X, y > 0)
    assert len(local_importance(net, X)) == len(net.feature_names_)


def test_blocks_of_a_wide_table():
    X, y = portfolio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = DeepGLMRegressor("poisson", hidden_layer_sizes=(4,), max_iter=3, random_state=0)
        net.partial_fit(X, y).partial_fit(X.head(100), y[:100])
        local = clone(net).set_params(architecture="local").fit(X, y)
    assert local.regression_attention(X.head(2)).shape == (2, len(local.feature_names_))
    assert np.isfinite(net.predict(X)).all()
    with pytest.raises(ValueError, match="age"):
        net.predict(X.assign(age=np.inf))


def test_zeros_take_no_memory():
    X, y = portfolio(n=6000, n_levels=1500)
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(4,), embedding_size=1, unseen="average", max_iter=1,
        random_state=0,
    )  # fmt: skip
    dense = len(X) * 1500 * 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracemalloc.start()
        net.fit(X, y)
        fit = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        net.predict(X)
        predict = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert predict < dense / 10
    assert fit < dense * 1.5  # 1500 x 1500 products, for the rank, are among it


@pytest.mark.parametrize("family", [Poisson(), Normal(), Gamma(link="log")], ids=str)
def test_a_rough_fit_needs_no_equations(family, monkeypatch):
    """Conjugate gradients find the preliminary GLM of many, dependent columns, as scoring does."""
    rng = np.random.default_rng(1)
    level = rng.integers(12, size=800)
    X = np.column_stack([np.eye(12)[level], level < 6, rng.normal(size=(800, 2))])
    mu = np.exp(0.5 * rng.normal(size=12)[level] + 0.3 * X[:, -1])
    y = {
        "Poisson": rng.poisson(mu * rng.gamma(2.0, 0.5, 800)),
        "Normal": mu + rng.normal(size=800),
        "Gamma": rng.gamma(2.0, mu / 2),
    }[type(family).__name__]
    rows = Rows(X, y[:, None].astype(float), rng.uniform(0.5, 2.0, 800))
    inputs = standardized(X, rows.weight, keep_binary=True)
    exact = preliminary.PreliminaryGLM.of(rows, inputs, family)
    phi = overdispersion(rows, inputs, family)
    monkeypatch.setattr(preliminary, "_MANY", 5)
    rough = preliminary.PreliminaryGLM.of(rows, inputs, family)
    assert rough.has_many
    assert not exact.has_many
    assert rough.n_parameters == exact.n_parameters
    assert rough.solved().value == pytest.approx(exact.solved().value, rel=1e-9)
    assert overdispersion(rows, inputs, family) == pytest.approx(phi, rel=1e-5)
