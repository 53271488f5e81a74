"""Local coefficients d eta / d x: finite differences, coef_ and bse, the delta method."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from test_second_order import close
from test_training_reference import slope

from families import Gamma
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    InferenceWarning,
    RankWarning,
    SeparationWarning,
)
from glmnet_nn.inference import local_coefficients
from glmnet_nn.network import Layout, Network, get_activation, jacobian_tangent, tangent

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}
GLM = {"hidden_layer_sizes": ()}


def sample(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 20.0, 0.3] + [0.0, 40.0, 1.0]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, 0.3 + 0.5 * Z[:, 0] * Z[:, 1] - 0.4 * Z[:, 2] + np.tanh(Z[:, 0]), rng


@cache
def fitted(name, hidden):
    """A model of each kind, with its rows and y."""
    X, eta, rng = sample()
    if name == "classes":
        y = np.array(["a", "b", "c"])[
            np.argmax(np.c_[eta, -eta, 0 * eta] + rng.gumbel(size=(300, 3)), 1)
        ]
        model = DeepGLMClassifier(hidden_layer_sizes=hidden, random_state=0)
    elif name == "labels":
        y = np.c_[eta > rng.logistic(size=300), -eta > rng.logistic(size=300)].astype(int)
        model = DeepGLMClassifier(hidden_layer_sizes=hidden, random_state=0)
    else:
        laws = {"gamma": Gamma("log"), "two": "poisson"}
        y = rng.gamma(4.0, np.exp(eta) / 4.0) if name == "gamma" else rng.poisson(np.exp(eta))
        y = np.c_[y, y + X[:, 0] ** 2] if name == "two" else y.astype(float)
        model = DeepGLMRegressor(
            laws.get(name, "poisson"), hidden_layer_sizes=hidden, random_state=0
        )
    return model.fit(X, y), X, y


@cache
def for_inference(name):
    X, eta, rng = sample()
    if name == "classes":
        y = np.where(eta > rng.logistic(size=300) + 0.5, 2, X[:, 1] > 40)
        model = DeepGLMClassifier(hidden_layer_sizes=(2,), random_state=0)
    else:
        y = rng.poisson(np.exp(eta)).astype(float)
        model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0)
    with warnings.catch_warnings():  # flags of the fit are no subject here
        warnings.simplefilter("ignore", InferenceWarning)
        model.fit_for_inference(X, y)
        return model, X, y, model.inference(X, y)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("name", ["poisson", "gamma", "classes", "labels", "two"])
@pytest.mark.parametrize("hidden", [(5,), (4, 3)])
def test_it_is_the_slope_of_the_linear_predictor(name, hidden):
    model, X, _ = fitted(name, hidden)
    rows, found = X[:20], model.local_coef(X[:20])
    for j, scale in enumerate(X.std(axis=0)):
        h = 1e-3 * scale * np.eye(3)[j]
        two, one = (
            model.linear_predictor(rows + k * h) - model.linear_predictor(rows - k * h)
            for k in (2, 1)
        )
        numeric = (8 * one - two) / (12 * 1e-3 * scale)
        close(found[..., j] * scale, numeric * scale, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["poisson", "gamma", "classes", "labels", "two"])
def test_without_hidden_layers_it_is_coef_in_every_row(name):
    model, X, _ = fitted(name, ())
    found = model.local_coef(X)
    assert found.shape == (len(X), *model.coef_.shape)
    np.testing.assert_array_equal(found, np.broadcast_to(model.coef_, found.shape))


def test_blocks_of_rows_change_nothing(monkeypatch):
    model, X, _ = fitted("classes", (4, 3))
    whole = model.local_coef(X)
    monkeypatch.setattr("glmnet_nn.estimators._local._BLOCK_NUMBERS", 30)
    close(model.local_coef(X), whole, rtol=1e-13)


def test_rows_come_as_predict_takes_them():
    X, eta, rng = sample()
    frame = pd.DataFrame(X, columns=["u", "v", "z"]).assign(years=rng.uniform(0.5, 2.0, 300))
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(3,), exposure="years", random_state=0)
    model.fit(frame, rng.poisson(np.exp(eta)))
    found = model.local_coef(frame)
    close(model.local_coef(frame.assign(years=1.0)), found, rtol=1e-15)
    X32 = X.astype(np.float32)
    X32.flags.writeable = False
    plain, _, _ = fitted("poisson", (5,))
    close(plain.local_coef(X32), plain.local_coef(X32.astype(float)), rtol=1e-15)
    with pytest.raises(ValueError, match="NaN"):
        plain.local_coef(np.where(X > 70, np.nan, X))
    with pytest.raises(ValueError, match="3 features"):
        plain.local_coef(X[:, :2])
    with pytest.raises(ValueError, match="not fitted"):
        DeepGLMRegressor().local_coef(X)


# ---------------------------------------------------------- standard errors


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 1), (2, 3, 4, 2)])
def test_gradients_of_slopes_are_their_derivatives(sizes):
    rng = np.random.default_rng(0)
    network = Network(Layout(sizes), get_activation("softplus"))
    w, X = rng.normal(size=network.layout.size), rng.normal(size=(4, sizes[0]))
    inputs, _ = network.forward(w, X)
    along = np.broadcast_to(rng.normal(size=sizes[0]), X.shape)
    found = jacobian_tangent(network, w, inputs, tangent(network, w, inputs, None, along))

    def directional(w):
        slopes = network.input_slopes(w, network.forward(w, X)[0])
        return np.einsum("nkj,nj->nk", slopes, along).ravel()

    close(found.reshape(-1, w.size), slope(directional, w), rtol=1e-7, atol=1e-8)


def numeric_errors(results, X):
    """Slopes of eta by finite differences in x, their errors by those in w."""
    estimate, K = results.estimate, len(results.outputs or "1")
    scale = X.std(axis=0)

    def slopes(w):
        moved = replace(estimate, w=w)

        def eta(X):
            return moved.linear_predictor(X)

        columns = []
        for j, s in enumerate(scale):
            h = 1e-3 * s * np.eye(X.shape[1])[j]
            one, two = (eta(X + k * h) - eta(X - k * h) for k in (1, 2))
            columns.append((8 * one - two) / (12e-3 * s))
        found = np.stack(columns, axis=-1)
        return (found[:, 1:] - found[:, :1] if K > 1 else found).ravel()

    J = slope(slopes, estimate.w)
    se = np.sqrt(np.square(J @ estimate.root).sum(axis=1))
    return slopes(estimate.w), se


@pytest.mark.parametrize("name", ["poisson", "classes"])
def test_errors_are_a_numeric_delta_method(name):
    model, X, _, results = for_inference(name)
    found = results.local_coef(X[:6])
    coef, se = numeric_errors(results, X[:6])
    close(found.coef.ravel(), coef, rtol=1e-6, atol=1e-7)
    close(found.se.ravel(), se, rtol=1e-5)
    exact = model.local_coef(X[:6])
    close(found.coef, exact[:, 1:] - exact[:, :1] if name == "classes" else exact, rtol=1e-9)


def test_blocks_of_rows_change_no_error(monkeypatch):
    _, X, _, results = for_inference("poisson")
    whole = results.local_coef(X[:10])
    monkeypatch.setattr(local_coefficients, "_BLOCK_BYTES", 3 * 8 * len(results.parameters))
    close(results.local_coef(X[:10]).se, whole.se, rtol=1e-12)


def test_without_x_it_is_of_the_rows_of_the_fit():
    _, X, _, results = for_inference("poisson")
    found = results.local_coef()
    close(found.X, X, rtol=1e-12)
    close(found.se, results.local_coef(X).se, rtol=1e-9)
    average = results.average_partial_effects(which="linear")
    close(found.coef.mean(axis=0), average.margeff, rtol=1e-9)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0"])
@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_without_hidden_layers_errors_are_statsmodels_bse(name, cov_type):
    model, X, y = fitted(name, ())
    frame = pd.DataFrame(X, columns=["u", "v", "z"])
    law = sm.families.Gamma(sm.families.links.Log()) if name == "gamma" else sm.families.Poisson()
    theirs = sm.GLM(y, sm.add_constant(frame), law).fit(cov_type=cov_type, **TIGHT)
    found = model.inference(X, y, cov_type=cov_type).local_coef(X[:2])
    for row in range(2):
        close(found.coef[row], theirs.params[1:], rtol=1e-8)
        close(found.se[row], theirs.bse[1:], rtol=1e-6)
        close(found.conf_int()[row], theirs.conf_int()[1:], rtol=1e-6)
        close(found.relativities().loc[row, "relativity"], np.exp(theirs.params[1:]), rtol=1e-8)
        limits = np.exp(theirs.conf_int(0.1)[1:])
        close(found.relativities(alpha=0.1).loc[row].iloc[:, 2:], limits, rtol=1e-6)


def test_of_classes_they_are_mnlogits():
    model, X, y = fitted("classes", ())
    theirs = sm.MNLogit(pd.Categorical(y).codes, sm.add_constant(X)).fit(disp=0, tol=1e-14)
    found = model.inference(X, y).local_coef(X[:1])
    close(found.coef[0], np.asarray(theirs.params)[1:].T, rtol=1e-6)
    close(found.se[0], np.asarray(theirs.bse)[1:].T, rtol=1e-5)
    frame = found.summary_frame()
    assert frame.index.names == ["row", "output", "column"]
    close(frame.loc[(0, "c", "x1"), "std err"], np.asarray(theirs.bse)[2, 1], rtol=1e-5)
    assert "odds ratio" in found.relativities()


def test_use_t_refers_to_t():
    model, X, y = fitted("gamma", ())
    normal, t = (model.inference(X, y, use_t=u).local_coef(X[:1]) for u in (False, True))
    assert t.df == 296
    assert np.all(t.conf_int()[..., 1] > normal.conf_int()[..., 1])


def test_what_dependent_columns_leave_open_has_no_error():
    X, eta, rng = sample()
    X = np.c_[X, X[:, 0] + X[:, 1]]
    y = rng.poisson(np.exp(eta)).astype(float)
    with pytest.warns(RankWarning):
        model = DeepGLMRegressor("poisson", **GLM).fit(X, y)
    results = model.inference(X, y)
    with pytest.warns(InferenceWarning, match="6 standard errors are nan"):
        found = results.local_coef(X[:2])
    np.testing.assert_allclose(found.coef, model.local_coef(X[:2]), rtol=1e-9)
    np.testing.assert_array_equal(np.isnan(found.se[0]), [True, True, False, True])
    close(found.se[0, 2], results.bse["x2"], rtol=1e-9)


# ------------------------------------------------------------- relativities


def test_relativities_are_factors_on_the_mean():
    model, X, _, results = for_inference("poisson")
    found = results.local_coef(X[:3])
    table = found.relativities({"x1": 20.0})
    close(table["relativity"], np.exp(found.coef * [1.0, 20.0, 1.0]).ravel())
    close(table["x"], X[:3].ravel())
    h = np.array([0.0, 1e-6, 0.0])
    moved = np.log(model.predict(X[:3] + h) / model.predict(X[:3])) / h[1]
    close(np.log(table.xs("x1", level="column")["relativity"]) / 20.0, moved, rtol=1e-4)
    down = found.relativities(-1.0)
    close(down.iloc[:, 1], 1.0 / found.relativities().iloc[:, 1])
    close(down.iloc[:, 2], 1.0 / found.relativities().iloc[:, 3])
    assert table.attrs["note"] == found.note == results.local_coef(X[:1]).note


def test_relativities_refuse_what_they_are_not():
    _, X, _, results = for_inference("poisson")
    found = results.local_coef(X[:2])
    with pytest.raises(ValueError, match=r"names \['age'\]"):
        found.relativities({"age": 5.0})
    with pytest.raises(ValueError, match="finite numbers, but got nan"):
        found.relativities(np.nan)
    with pytest.raises(ValueError, match="alpha must lie"):
        found.conf_int(0.0)
    y = X[:, 0] + np.sin(X[:, 1])
    normal = DeepGLMRegressor(**GLM).fit(X, y)
    with pytest.raises(ValueError, match="link is 'identity'"):
        normal.inference(X, y).local_coef(X[:2]).relativities()


def test_what_separation_leaves_open_has_no_error():
    rng = np.random.default_rng(0)
    x = np.r_[np.zeros(30), np.ones(10)]
    X = np.c_[x, rng.normal(size=40)]
    y = np.where(x == 1, 1, rng.integers(0, 2, 40))
    with pytest.warns(SeparationWarning):
        model = DeepGLMClassifier(**GLM).fit(X, y)
    results = model.inference(X, y)
    with pytest.warns(InferenceWarning, match="3 standard errors are nan"):
        found = results.local_coef(X[:3])
    np.testing.assert_array_equal(np.isnan(found.se), [[True, False]] * 3)
    close(found.se[:, 1], results.bse["x1"], rtol=1e-9)
