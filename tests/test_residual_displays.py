"""Figures of residuals draw what statsmodels and scipy compute."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glmnet_nn import (
    CoefficientDisplay,
    DeepGLMClassifier,
    DeepGLMRegressor,
    PartialEffectDisplay,
    QuantileResidualDisplay,
    ResidualDisplay,
    TrainingCurveDisplay,
)
from glmnet_nn.explanation.smoothing import local_lines, quantiles, smooth

N = 200


def visits():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=N), "arm": rng.choice([0.0, 1.0], N)})
    y = rng.poisson(np.exp(0.4 * X["age"] + 0.5 * X["arm"])).astype(float)
    return X, y, sm.GLM(y, sm.add_constant(X), sm.families.Poisson()).fit()


def glm(family="poisson", **parameters):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **parameters)


def points_of(display):
    return np.asarray(display.points_.get_offsets(), dtype=float)


@pytest.mark.parametrize("kind", ["pearson", "deviance", "response", "anscombe"])
def test_residuals_are_those_of_statsmodels_wherever_the_fit_is_known(kind):
    X, y, peer = visits()
    model = glm().fit(X, y)
    expected = getattr(peer, f"resid_{kind}")
    displays = [
        ResidualDisplay.from_estimator(model, X, y, kind=kind),
        ResidualDisplay.from_results(model.inference(X, y), kind=kind),
        ResidualDisplay.from_predictions(y, peer.fittedvalues, "poisson", kind=kind),
    ]
    for display in displays:
        assert_allclose(
            points_of(display), np.column_stack([peer.fittedvalues, expected]), atol=1e-7
        )
        assert display.ax_.get_xscale() == "log"
        assert display.figure_ is display.ax_.figure
    linear = ResidualDisplay.from_estimator(model, X, y, "linear", kind=kind)
    assert_allclose(points_of(linear)[:, 0], np.log(peer.fittedvalues), atol=1e-8)
    assert linear.ax_.get_xscale() == "linear"


def test_the_curve_is_lowess_and_its_band_that_of_its_weights():
    X, y, _ = visits()
    model = glm().fit(X, y)
    display = ResidualDisplay.from_estimator(model, X, y, "age", kind="deviance", span=0.4)
    x, r = points_of(display).T
    assert_array_equal(x, X["age"])
    at, line = display.line_.get_xdata(), display.line_.get_ydata()
    assert_allclose(at, quantiles(x, np.ones(N), 60))
    assert_allclose(line, sm.nonparametric.lowess(r, x, frac=0.4, it=0, xvals=at), atol=2e-3)
    weights = local_lines(x, np.eye(N), np.ones(N), at, 0.4)
    assert_allclose(line, weights @ r)
    error = display.smooth_["deviation"] * np.linalg.norm(weights, axis=1)
    assert_allclose(display.smooth_["se"], error)
    band = display.ax_.collections[1].get_paths()[0].vertices
    for end in (line - 1.959964 * error, line + 1.959964 * error):
        assert all(np.abs(band[:, 1] - height).min() < 1e-6 for height in end)


def test_a_weight_of_a_smooth_is_so_many_rows():
    rng = np.random.default_rng(3)
    x, r, times = rng.normal(size=30), rng.normal(size=30), rng.integers(1, 4, 30)
    at = np.array([-0.5, 0.7])
    one = smooth(x, r, times.astype(float), at, 0.5)
    two = smooth(np.repeat(x, times), np.repeat(r, times), np.ones(times.sum()), at, 0.5)
    assert_allclose(one, two)


def test_levels_have_boxes_many_rows_hexagons_and_weight_0_no_place():
    X, y, _ = visits()
    model = glm().fit(X, y)
    r = model.residuals(X, y, kind="pearson")
    boxes = ResidualDisplay.from_estimator(model, X, y, "arm", kind="pearson")
    medians = sorted(
        line.get_ydata()[0] for line in boxes.ax_.get_lines() if line.get_color() == "C3"
    )
    assert_allclose(medians, np.sort(pd.Series(r).groupby(X["arm"]).median()))
    assert [text.get_text() for text in boxes.ax_.get_xticklabels()] == ["0", "1"]
    names = np.where(X["arm"] == 1, "treated", "control")
    named = ResidualDisplay.from_estimator(model, X, y, names, kind="pearson")
    assert [t.get_text() for t in named.ax_.get_xticklabels()] == ["control", "treated"]
    weight = (np.arange(N) > 9) * 2.0
    fewer = ResidualDisplay.from_estimator(model, X, y, "age", kind="pearson", sample_weight=weight)
    assert_array_equal(fewer.table["x"], X["age"][10:])
    assert set(fewer.table["weight"]) == {2.0}
    many = np.tile(np.arange(40), N)
    cloud = ResidualDisplay.from_predictions(
        np.repeat(y, 40), np.repeat(y + 1, 40), "poisson", many
    )
    assert cloud.points_.get_array().sum() == 40 * N


def test_quantile_residuals_lie_within_the_jump_and_the_seed_repeats_them():
    X, y, peer = visits()
    model = glm().fit(X, y)
    one, two, other = (
        QuantileResidualDisplay.from_estimator(model, X, y, random_state=seed) for seed in (1, 1, 2)
    )
    assert_array_equal(one.table, two.table)
    assert not np.allclose(one.table["residual"], other.table["residual"])
    r = ResidualDisplay.from_estimator(model, X, y, random_state=1).table["residual"]
    law = stats.poisson(peer.fittedvalues)
    assert np.all((stats.norm.cdf(r) >= law.cdf(y - 1) - 1e-9) & (stats.norm.cdf(r) <= law.cdf(y)))
    assert_array_equal(one.table["residual"], np.sort(r))
    results = QuantileResidualDisplay.from_results(model.inference(X, y), random_state=1)
    assert_allclose(results.table, one.table, atol=1e-9)


def test_the_quantile_plot_is_that_of_statsmodels_with_an_envelope_of_beta_quantiles():
    rng = np.random.default_rng(1)
    y, mu = rng.normal(3.0, 2.0, size=150), np.full(150, 3.0)
    display = QuantileResidualDisplay.from_predictions(y, mu, "normal", dispersion=4.0, alpha=0.1)
    peer = sm.ProbPlot((y - 3.0) / 2.0)
    x, r = display.points_.get_data()
    assert_allclose(x, peer.theoretical_quantiles, atol=1e-12)
    assert_allclose(r, peer.sample_quantiles, atol=1e-12)
    rank = np.arange(1, 151)
    for end, p in (("lower", 0.05), ("upper", 0.95)):
        expected = stats.norm.ppf(stats.beta.ppf(p, rank, 151 - rank))
        assert_allclose(display.table[end], expected, rtol=1e-9)
    worm = QuantileResidualDisplay.from_predictions(y, mu, "normal", dispersion=4.0, detrended=True)
    assert_allclose(worm.points_.get_ydata(), r - x, atol=1e-12)
    band = worm.band_.get_paths()[0].vertices[:, 1]
    assert_allclose([band.min(), band.max()], [-band.max(), band.max()], rtol=1e-9)


def test_the_envelope_of_all_points_is_the_test_of_kolmogorov():
    rng = np.random.default_rng(6)
    for scale in (1.0, 1.1, 1.2, 1.3):
        r = rng.normal(scale=scale, size=120)
        p = stats.kstest(r, "norm").pvalue
        for alpha in (0.99 * p, min(1.01 * p, 0.999)):  # not rejected, rejected
            table = QuantileResidualDisplay.from_predictions(
                r, np.zeros(120), "normal", dispersion=1.0, alpha=alpha, envelope="simultaneous"
            ).table
            assert table["residual"].between(table["lower"], table["upper"]).all() == (alpha < p)


def test_of_many_residuals_both_tails_are_drawn_whole_and_infinite_ones_are_counted():
    rng = np.random.default_rng(2)
    r = rng.normal(size=20_000)
    display = QuantileResidualDisplay.from_predictions(r, np.zeros(20_000), "normal", dispersion=1)
    x, drawn = display.points_.get_data()
    assert len(x) == 2000
    assert_allclose(drawn[:250], np.sort(r)[:250])
    assert_allclose(drawn[-250:], np.sort(r)[-250:])
    far = QuantileResidualDisplay.from_predictions([1e9, 1.0, 2.0], np.ones(3), "poisson")
    assert far.n_infinite == 1
    assert far.ax_.get_title() == "1 infinite residuals left out"
    assert len(far.table) == 2
    cloud = ResidualDisplay.from_predictions([1e9, 1.0, 2.0], np.ones(3), "poisson", np.arange(3))
    assert cloud.ax_.get_title() == "1 infinite residuals left out"


def test_the_dispersion_of_predictions_is_pearsons_or_given_row_by_row():
    rng = np.random.default_rng(4)
    mu = rng.uniform(1, 5, 80)
    y = rng.gamma(4.0, mu / 4.0)
    phi = np.mean((y - mu) ** 2 / mu**2)
    display = ResidualDisplay.from_predictions(y, mu, "gamma")
    expected = stats.norm.ppf(stats.gamma.cdf(y, 1 / phi, scale=mu * phi))
    assert_allclose(display.table["residual"], expected, rtol=1e-7)
    by_row = rng.uniform(0.1, 0.5, 80)
    display = ResidualDisplay.from_predictions(y, mu, "gamma", dispersion=by_row)
    expected = stats.norm.ppf(stats.gamma.cdf(y, 1 / by_row, scale=mu * by_row))
    assert_allclose(display.table["residual"], expected, rtol=1e-7)


def test_outputs_are_named_and_pipelines_are_opened():
    X, y, _ = visits()
    labels = np.array(["none", "one", "more"])[np.minimum(y, 2).astype(int)]
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    display = ResidualDisplay.from_estimator(model, X, labels, kind="deviance", output="none")
    k = list(model.classes_).index("none")
    assert_allclose(display.table["residual"], model.residuals(X, labels)[:, k])
    assert_allclose(display.table["x"], model.predict_proba(X)[:, k])
    with pytest.raises(ValueError, match=r"output must be one of \['more', 'none', 'one'\]"):
        ResidualDisplay.from_estimator(model, X, labels, kind="deviance")
    with pytest.raises(ValueError, match="need an order of the values"):
        QuantileResidualDisplay.from_estimator(model, X, labels, output="none")
    piped = make_pipeline(StandardScaler(), glm()).fit(X, y)
    display = ResidualDisplay.from_estimator(piped, X, y, "age", kind="pearson")
    assert_array_equal(display.table["x"], X["age"])
    assert display.ax_.get_title() == "DeepGLMRegressor"


REFUSED = [
    (lambda X, y, m: ResidualDisplay.from_estimator(m, X, y, kind="raw"), "kind must be one of"),
    (lambda X, y, m: ResidualDisplay.from_estimator(m, X, y, "sex"), "by='sex' must name one"),
    (lambda X, y, m: ResidualDisplay.from_estimator(m, X, y, output="a"), "the model has one: 'a'"),
    (lambda X, y, m: ResidualDisplay.from_predictions(y, y, "poisson"), "no finite linear"),
    (
        lambda X, y, m: ResidualDisplay.from_predictions(y, y + 1, "gamma", dispersion=-1.0),
        "Gamma needs y > 0",
    ),
    (
        lambda X, y, m: ResidualDisplay.from_predictions(y, y + 1, "normal", dispersion=[1.0]),
        "a value for each of the 200 rows|one value for each of the 200",
    ),
    (
        lambda X, y, m: QuantileResidualDisplay.from_estimator(m, X, y, alpha=1.0),
        r"alpha must be a number in \(0, 1\)",
    ),
    (lambda X, y, m: ResidualDisplay.from_estimator(m, X, y, span=0.0), "span must be"),
    (lambda X, y, m: ResidualDisplay.from_predictions([1e9], [1.0], "poisson"), "none of 1 resid"),
    (lambda X, y, m: QuantileResidualDisplay.from_predictions([1e9], [1.0], "poisson"), "none of"),
    (
        lambda X, y, m: QuantileResidualDisplay.from_estimator(m, X, y, envelope="beta"),
        "envelope must be one of",
    ),
    (lambda X, y, m: ResidualDisplay.from_estimator(m, X, y, X["age"].astype(str)), "1 to 60 lev"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED)
def test_what_cannot_be_drawn_is_refused_in_words(call, said):
    X, y, _ = visits()
    with pytest.raises(ValueError, match=said):
        call(X, y, glm().fit(X, y))


def test_residuals_need_a_model_that_has_them():
    X, y, _ = visits()
    with pytest.raises(TypeError, match="StandardScaler"):
        ResidualDisplay.from_estimator(StandardScaler().fit(X), X, y)
    with pytest.raises(TypeError, match="what inference"):
        ResidualDisplay.from_results(glm())


def test_without_matplotlib_each_says_what_to_install(monkeypatch):
    X, y, _ = visits()
    model = glm().fit(X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (
        lambda: ResidualDisplay.from_estimator(model, X, y),
        lambda: QuantileResidualDisplay.from_estimator(model, X, y),
        lambda: CoefficientDisplay.from_estimator(model, X, y),
        lambda: PartialEffectDisplay.from_estimator(model, X, y, "age"),
        lambda: TrainingCurveDisplay.from_estimator(model),
    ):
        with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[plot\]\""):
            draw()


def test_axes_may_be_given():
    X, y, _ = visits()
    model = glm().fit(X, y)
    _, axes = plt.subplots(1, 5)
    for ax, draw in zip(
        axes,
        (
            lambda ax: ResidualDisplay.from_estimator(model, X, y, ax=ax),
            lambda ax: QuantileResidualDisplay.from_estimator(model, X, y, ax=ax),
            lambda ax: CoefficientDisplay.from_estimator(model, X, y, ax=ax),
            lambda ax: PartialEffectDisplay.from_estimator(model, X, y, "age", ax=ax),
            lambda ax: TrainingCurveDisplay.from_estimator(model, ax=ax),
        ),
        strict=True,
    ):
        assert draw(ax).ax_ is ax
