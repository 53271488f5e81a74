"""Importance, interactions and profiles: identities, differences, and what is drawn."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from test_skip_connection import poisson

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    InteractionProfileDisplay,
    LocalCoefDisplay,
    LocalImportanceDisplay,
    LocalInteractionsDisplay,
    interaction_profile,
    local_importance,
    local_interactions,
    local_profile,
)
from glmnet_nn.explanation.coefficients import explained
from glmnet_nn.explanation.smoothing import local_lines, quantiles

GLM = {"hidden_layer_sizes": ()}
ATTENTION = {"of": "regression_attention"}
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def rows():
    X, y, weight, exposure = poisson(n=300)
    return pd.DataFrame(X, columns=NAMES), y, weight, exposure


@pytest.fixture(scope="module")
def models(rows):
    X, y, weight, _ = rows
    asked = {"hidden_layer_sizes": (4, 3), "max_iter": 50, "random_state": 0}
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, y, weight)
    found = {
        "glm": glm,
        "dense": DeepGLMRegressor("poisson", **asked).fit(X, y, weight),
        "skip": DeepGLMRegressor("poisson", skip_connection=True, **asked).fit(X, y, weight),
        "local": DeepGLMRegressor("poisson", architecture="local", **asked).fit(X, y, weight),
    }
    found["base"] = DeepGLMRegressor("poisson", base=found["local"], **asked).fit(X, y, weight)
    labels = np.where(y > 2, "many", np.where(y > 0, "some", "none"))
    found["classes"] = DeepGLMClassifier(**asked).fit(X, labels)
    return found


@pytest.fixture(autouse=True)
def _no_window():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


# ------------------------------------------------------------------ importance


def test_of_a_glm_it_is_the_size_of_the_coefficients(rows, models):
    X, _, weight, _ = rows
    table = local_importance(models["glm"], X, sample_weight=weight)
    deviation = np.sqrt(np.cov(X.T, aweights=weight, ddof=0).diagonal())
    expected = pd.Series(np.abs(models["glm"].coef_) * deviation, index=NAMES)
    assert_allclose(table["importance"], expected[table.index], rtol=1e-10)
    assert_allclose(table["std"], 0.0, atol=1e-8)
    assert_allclose(table["share"].sum(), 1.0)
    assert table["importance"].is_monotonic_decreasing
    raw = local_importance(models["glm"], X, standardize=False)
    assert_allclose(raw.loc[NAMES, "mean"], models["glm"].coef_, rtol=1e-12)


@pytest.mark.parametrize("of", ["local_coef", "regression_attention"])
def test_it_is_the_mean_absolute_coefficient(rows, models, of):
    X, _, weight, _ = rows
    net = models["local"]
    beta = getattr(net, of)(X)
    table = local_importance(net, X, of=of, sample_weight=weight, standardize=False).loc[NAMES]
    assert_allclose(table["importance"], np.average(np.abs(beta), axis=0, weights=weight))
    assert_allclose(table["std"] ** 2, np.cov(beta.T, aweights=weight, ddof=0).diagonal())
    whole = np.where(weight > 1, 2, 1)
    one = local_importance(net, X, of=of, sample_weight=whole)
    two = local_importance(net, X.loc[X.index.repeat(whole)], of=of)
    pd.testing.assert_frame_equal(one, two, rtol=1e-9)


def test_rows_of_weight_0_do_not_count(rows, models):
    X, *_ = rows
    weight = (np.arange(300) < 100).astype(float)
    one = local_importance(models["dense"], X, sample_weight=weight)
    pd.testing.assert_frame_equal(one, local_importance(models["dense"], X[:100]), rtol=1e-12)
    assert len(local_profile(models["dense"], X, "a", sample_weight=weight)) == 100


def test_of_classes_a_common_shift_means_nothing(rows, models):
    X, *_ = rows
    net = models["classes"]
    table = local_importance(net, X, standardize=False)
    assert list(table.index.names) == ["output", "column"]
    beta = net.local_coef(X)
    expected = np.abs(beta[:, 2] - beta.mean(axis=1)).mean(axis=0)
    assert_allclose(table.loc["some"].loc[NAMES, "importance"], expected, rtol=1e-10)


def test_a_column_of_noise_is_inside_its_own_band(rows):
    X, y, weight, _ = rows
    rng = np.random.default_rng(0)
    noisy = X.assign(noise=rng.normal(size=300))
    net = DeepGLMRegressor(
        "poisson", architecture="local", hidden_layer_sizes=(4,), random_state=0
    ).fit(noisy, y)
    given = {"control": "noise", "sample_weight": weight, **ATTENTION}
    table = local_importance(net, noisy, **given)
    assert table["inside"].idxmax() == "noise"
    assert table.loc["noise", "inside"] > 0.95
    scale = np.sqrt(np.cov(noisy.T, aweights=weight, ddof=0).diagonal())
    beta = net.regression_attention(noisy) * scale
    band = norm.ppf(0.995) * np.sqrt(np.average(beta[:, 4] ** 2, weights=weight))
    inside = np.average(np.abs(beta) <= band, axis=0, weights=weight)
    assert_allclose(table.loc[[*NAMES, "noise"], "inside"], inside, rtol=1e-10)


# ---------------------------------------------------------------- interactions


def differences(model, X, of, j):
    """d beta_j / d x, (n, K, p), by central differences."""
    columns = []
    for scale, name in zip(X.std(), X.columns, strict=True):
        h = 1e-5 * scale
        ends = (getattr(model, of)(X.assign(**{name: X[name] + s * h})) for s in (1, -1))
        high, low = (beta[:, None] if beta.ndim == 2 else beta for beta in ends)
        columns.append((high - low)[:, :, j] / (2 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("name", ["glm", "dense", "skip", "local", "base", "classes"])
def test_slopes_of_local_coefficients_are_their_derivatives(rows, models, name):
    X, model = rows[0][:20], models[name]
    found = explained(model, X, "local_coef", None, False)
    for j in (0, 3):
        expected = differences(model, X, "local_coef", j)
        if name == "classes":
            expected = expected - expected.mean(axis=1, keepdims=True)
        assert_allclose(found.slopes(j), expected, rtol=1e-5, atol=1e-6)


def test_slopes_of_attentions_are_their_derivatives(rows, models, monkeypatch):
    X, net = rows[0][:20], models["local"]
    monkeypatch.setattr("glmnet_nn.explanation.coefficients._BLOCK_NUMBERS", 30)
    found = explained(net, X, "regression_attention", None, False)
    for j in (0, 3):
        expected = differences(net, X, "regression_attention", j)
        assert_allclose(found.slopes(j), expected, rtol=1e-5, atol=1e-6)
    assert not explained(models["glm"], X, "regression_attention", None, True).slopes(0).any()


@pytest.mark.parametrize("name", ["dense", "local"])
def test_interactions_are_mean_absolute_slopes(rows, models, name):
    X, _, weight, _ = rows
    S = local_interactions(models[name], X, sample_weight=weight, standardize=False)
    assert_allclose(S, S.T, rtol=1e-9)
    slopes = differences(models[name], X, "local_coef", 1)[:, 0]
    expected = np.average(np.abs(slopes), axis=0, weights=weight)
    assert_allclose(S.loc["b"], expected, rtol=1e-4, atol=1e-8)
    scaled = local_interactions(models[name], X, sample_weight=weight)
    s = np.sqrt(np.cov(X.T, aweights=weight, ddof=0).diagonal())
    assert_allclose(scaled, S * np.outer(s, s), rtol=1e-10)


def test_a_product_is_found():
    """eta = x0 x1: beta_0 is x1, and varies with nothing else."""
    X = np.random.default_rng(0).normal(size=(400, 3))
    net = DeepGLMRegressor(hidden_layer_sizes=(8,), architecture="local", random_state=0)
    net.fit(X, X[:, 0] * X[:, 1] + 0.1 * X[:, 2])
    S = local_interactions(net, X)
    assert S.loc["x0", "x1"] > 5 * S.drop(index=["x0", "x1"]).to_numpy().max()
    table = local_profile(net, X, "x0")
    assert (table.attrs["x"], table.attrs["by"]) == ("x0", "x1")
    assert np.corrcoef(table["by"], table["coef"])[0, 1] > 0.95
    curve = interaction_profile(net, X, "x0", standardize=False)["x1"]
    assert 0.6 < curve.median() < 1.2


def test_profiles_are_row_by_row(rows, models):
    X, _, weight, _ = rows
    labelled = X.set_axis([f"r{i}" for i in range(300)])
    table = local_profile(models["dense"], labelled, "a", "c", sample_weight=weight)
    assert_array_equal(table["x"], X["a"])
    assert_array_equal(table["by"], X["c"])
    assert_allclose(table["coef"], models["dense"].local_coef(X)[:, 0], rtol=1e-12)
    assert_allclose(table["weight"], weight / weight.sum())
    assert list(table.index[:2]) == ["r0", "r1"]
    of_class = local_profile(models["classes"], X, "a", output="none")
    beta = models["classes"].local_coef(X)
    assert_allclose(of_class["coef"], (beta[:, 1] - beta.mean(axis=1))[:, 0], rtol=1e-10)


# ------------------------------------------------------------------- smoothing


def test_local_lines_are_lowess():
    rng = np.random.default_rng(0)
    x, y = rng.gamma(2.0, size=120), rng.normal(size=(120, 2))
    points = quantiles(x, np.ones(120), 9)
    found = local_lines(x, y, np.ones(120), points, 0.3)
    for k in range(2):
        expected = sm.nonparametric.lowess(y[:, k], x, frac=0.3, it=0, xvals=points)
        assert_allclose(found[:, k], expected, rtol=1e-8)


def test_weights_of_local_lines_are_rows():
    rng = np.random.default_rng(0)
    x, y, times = rng.integers(0, 9, 60) * 1.0, rng.normal(size=(60, 1)), rng.integers(1, 4, 60)
    points = quantiles(x, times.astype(float), 5)
    assert_array_equal(points, quantiles(np.repeat(x, times), np.ones(times.sum()), 5))
    one = local_lines(x, y, times.astype(float), points, 0.4)
    two = local_lines(
        np.repeat(x, times), np.repeat(y, times, 0), np.ones(times.sum()), points, 0.4
    )
    assert_allclose(one, two, rtol=1e-10)


def test_where_x_does_not_vary_the_line_is_the_mean():
    y = np.arange(6.0)[:, None]
    assert_allclose(local_lines(np.ones(6), y, np.ones(6), np.ones(1), 0.5), [[2.5]])
    binary = np.repeat([0.0, 1.0], 3)
    found = local_lines(binary, y, np.ones(6), np.array([0.0, 1.0]), 0.3)
    assert_allclose(found, [[1.0], [4.0]])
    assert_array_equal(quantiles(binary, np.ones(6), 5), [0.0, 1.0])


# --------------------------------------------------------------------- refusals


def test_what_is_wrong_is_said(rows, models):
    X, y, *_ = rows
    net = models["local"]
    for call, error, words in (
        (lambda: local_importance(net, X, of="shap"), ValueError, "of must be"),
        (lambda: local_importance(net, X, control="z"), ValueError, "column must be one of"),
        (lambda: local_importance(net, X, alpha=1.0), ValueError, "alpha must be"),
        (lambda: local_importance(models["dense"], X, **ATTENTION), ValueError, "'local'"),
        (lambda: local_interactions(models["classes"], X), ValueError, "output must be one of"),
        (lambda: local_interactions(net, X, output="b"), ValueError, "output is for several"),
        (lambda: interaction_profile(net, X, "a", span=0.0), ValueError, "span must be"),
        (lambda: interaction_profile(net, X, "a", n_points=1), ValueError, "n_points must be"),
        (lambda: local_profile(net, X, "z"), ValueError, "column must be one of"),
        (lambda: local_importance(net, X, sample_weight=-X["c"]), ValueError, ">= 0"),
        (lambda: local_importance(net, X.assign(a=np.nan)), ValueError, "NaN"),
        (lambda: local_importance(LinearRegression().fit(X, y), X), TypeError, "last step"),
        (lambda: local_importance(DeepGLMRegressor(), X), ValueError, "not fitted"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_columns_of_offset_and_exposure_are_no_features(rows):
    X, y, _, exposure = rows
    named = X.assign(years=exposure)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(3,), exposure="years", random_state=0)
    net.fit(named, y)
    assert sorted(local_importance(net, named).index) == NAMES
    assert local_interactions(net, named).shape == (4, 4)


# --------------------------------------------------------------------- displays


def test_importance_is_drawn(rows, models):
    X, *_ = rows
    table = local_importance(models["local"], X, control="c")
    display = LocalImportanceDisplay.from_estimator(models["local"], X, control="c")
    assert_allclose([bar.get_width() for bar in display.bars_], table["importance"][::-1])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(table.index[::-1])
    assert len({bar.get_facecolor() for bar in display.bars_}) == 2
    figure, ax = plt.subplots()
    again = LocalImportanceDisplay.from_estimator(models["classes"], X, output="some", ax=ax)
    assert (again.ax_, again.figure_) == (ax, figure)
    with pytest.raises(ValueError, match="output must be one of"):
        LocalImportanceDisplay.from_estimator(models["classes"], X)
    with pytest.raises(ValueError, match="has one"):
        LocalImportanceDisplay.from_estimator(models["local"], X, output="some")


def test_interactions_are_drawn(rows, models):
    X, *_ = rows
    display = LocalInteractionsDisplay.from_estimator(models["local"], X)
    assert_array_equal(display.image_.get_array(), display.table)
    assert len(display.ax_.texts) == 16
    display = LocalInteractionsDisplay.from_estimator(models["glm"], X)
    assert {text.get_text() for text in display.ax_.texts} == {"0"}
    display = InteractionProfileDisplay.from_estimator(models["local"], X, "b", n_points=9)
    assert_array_equal(display.lines_["d"].get_ydata(), display.table["d"])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()].count(
        "b (curvature)"
    ) == 1


def test_a_coefficient_is_drawn(rows, models, monkeypatch):
    X, *_ = rows
    display = LocalCoefDisplay.from_estimator(models["local"], X, "a", "d", **ATTENTION)
    points = display.points_.get_offsets()
    assert_allclose(points[:, 1], models["local"].regression_attention(X)[:, 0])
    assert_array_equal(display.points_.get_array(), X["d"])
    assert display.ax_.get_ylabel() == "regression attention of a"
    monkeypatch.setattr("glmnet_nn.explanation.display._MOST_POINTS", 100)
    assert len(display.plot().points_.get_offsets()) == 100
