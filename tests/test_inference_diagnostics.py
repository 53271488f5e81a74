"""Residuals at any depth, influence by deletion, partial effects, hypotheses, summaries."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families import Bernoulli, known_pairs
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    RankWarning,
    SeparationWarning,
    to_statsmodels,
)
from glmnet_nn.inference.contrasts import contrasts

NAMES = ["Intercept", "x1", "x10", "C(a)[T.b]", "odd, one"]


def glm(family="normal", **options):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **options)


def sample(pair, n=120, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    unit = pair.support.high == 1
    mu = 0.3 + X @ [0.15, 0.1] if unit else 3 + X @ [1.0, 0.5]
    return X, pair.sample(mu, 0.1 if pair.has_dispersion else 1.0, rng)


# ----------------------------------------------------------------- residuals

SCALAR = [pair for pair in known_pairs() if pair.is_canonical and not pair.event_ndim]
scalar = pytest.mark.parametrize("pair", SCALAR, ids=lambda pair: pair.name)


@scalar
def test_quantile_residuals_of_the_true_law_are_standard_normal(pair):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(4000, 1))
    y = pair.sample(np.full(4000, 0.4), 0.3 if pair.has_dispersion else 1.0, rng)
    model = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(X, y)
    r = model.residuals(X, y, kind="quantile", random_state=0)
    assert stats.kstest(r, "norm").pvalue > 1e-3
    assert np.array_equal(r, model.residuals(X, y, kind="quantile", random_state=0))


@pytest.mark.parametrize("kind", ["response", "working", "pearson", "deviance", "anscombe"])
def test_residuals_of_results_and_estimator_agree_at_depth_zero(kind):
    pair = get("gamma")
    X, y = sample(pair)
    w = np.random.default_rng(0).uniform(1, 2, len(y))
    model = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(X, y, w)
    for weight_type in ("freq", "var"):
        results = model.inference(X, y, w, weight_type=weight_type)
        ours = model.residuals(X, y, w, kind=kind, weight_type=weight_type)
        np.testing.assert_allclose(results.residuals(kind), ours, rtol=1e-10, atol=1e-12)


def test_quantile_residuals_of_least_squares_are_standardised_by_precision():
    X, y = sample(get("normal"))
    w = np.random.default_rng(0).uniform(0.5, 4, len(y))
    results = glm().fit(X, y, w).inference(X, y, w, weight_type="var")
    expected = results.resid_response * np.sqrt(w / results.scale)
    np.testing.assert_allclose(results.residuals("quantile"), expected, rtol=1e-9)


def get(name):
    return next(pair for pair in SCALAR if pair.name == name)


def test_residuals_of_a_network_are_those_of_its_means():
    pair = get("poisson")
    X, y = sample(pair)
    w = (np.arange(len(y)) % 4 > 0).astype(float)
    model = DeepGLMRegressor(pair, hidden_layer_sizes=(3,), random_state=0).fit(X, y, w)
    mu, kept = model.predict(X), w > 0
    for kind, expected in {
        "response": y - mu,
        "pearson": (y - mu) / np.sqrt(mu),
        "deviance": np.sign(y - mu) * np.sqrt(pair.unit_deviance(y, mu)),
        "anscombe": 1.5 * (y ** (2 / 3) - mu ** (2 / 3)) / mu ** (1 / 6),
    }.items():
        np.testing.assert_allclose(model.residuals(X, y, w, kind=kind), expected[kept], rtol=1e-7)
    u = stats.norm.cdf(model.residuals(X, y, kind="quantile", random_state=1))
    assert np.all((u >= stats.poisson.cdf(y - 1, mu) - 1e-12) & (u <= stats.poisson.cdf(y, mu)))


def test_squared_residuals_of_classes_sum_to_deviance_and_pearson_chi2():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    results = model.inference(X, y)
    assert results.resid_deviance.shape == (60, 3)
    assert np.square(results.resid_deviance).sum() == pytest.approx(results.deviance)
    assert np.square(results.resid_pearson).sum() == pytest.approx(results.pearson_chi2)
    for kind in ("anscombe", "quantile"):
        with pytest.raises(ValueError, match="kind='deviance'"):
            results.residuals(kind)


def test_residuals_that_are_not_there_are_refused():
    X, y = sample(get("bernoulli"))
    model = glm("bernoulli").fit(X, 0.5 * y)
    with pytest.raises(ValueError, match="need whole numbers"):
        model.residuals(X, 0.5 * y, kind="quantile")
    with pytest.raises(ValueError, match="kind must be one of"):
        model.residuals(X, y, kind="studentised")


# ----------------------------------------------------------------- influence


@scalar
def test_influence_is_near_what_deletion_does(pair):
    """Exactly it for least squares; else one scoring step of the way there."""
    X, y = sample(pair)
    model = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(X, y)
    results = model.inference(X, y)
    change = results.get_influence().d_params
    at = np.argsort(np.abs(change[:, 0]))[-3:]
    for i in at:
        rest = np.arange(len(y)) != i
        without = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(X[rest], y[rest])
        exact = results.params - np.r_[without.intercept_, without.coef_]
        limit = 1e-9 if pair.name == "normal" else 0.25
        np.testing.assert_allclose(change[i], exact, rtol=limit, atol=limit * np.abs(exact).max())


def test_influence_on_classes():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(150, 2)), rng.integers(0, 3, 150)
    results = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y).inference(X, y)
    influence = results.get_influence()
    assert influence.hat_matrix_diag.sum() == pytest.approx(results.n_parameters)
    rest = np.arange(150) != 7
    without = DeepGLMClassifier(hidden_layer_sizes=()).fit(X[rest], y[rest])
    without = without.inference(X[rest], y[rest])
    exact = (results.params - without.params).to_numpy().T.ravel()
    np.testing.assert_allclose(influence.d_params[7], exact, rtol=0.2, atol=2e-3)
    frame = influence.summary_frame()
    assert frame.shape == (150, 6 + 1 + 3 + 1)
    np.testing.assert_allclose(frame["cooks_d"], influence.cooks_distance[0])


def test_influence_has_the_index_of_x_and_nan_for_a_row_of_its_own():
    X, y = sample(get("normal"), n=20)
    frame = pd.DataFrame(X, columns=["a", "b"], index=[f"row {i}" for i in range(20)])
    frame["alone"] = np.arange(20) == 3
    results = glm().fit(frame, y).inference(frame, y)
    table = results.get_influence().summary_frame()
    assert list(table.index) == list(frame.index)
    assert table.loc["row 3", "hat_diag"] == pytest.approx(1.0)
    assert table.drop(index="row 3").notna().all(axis=None)
    assert np.isnan(table.loc["row 3", "cooks_d"])


# ----------------------------------------------------------- partial effects

EFFECTS = [
    (at, method) for at in ("overall", "mean", "median", "zero")
    for method in ("dydx", "eyex", "dyex", "eydx")
]  # fmt: skip


def discrete_data():
    rng = np.random.default_rng(2)
    n = 200
    X = np.column_stack([rng.normal(2, 1, n), rng.integers(0, 2, n), rng.integers(0, 5, n)])
    eta = -0.5 + X @ [0.3, 0.5, -0.2]
    return X, eta, rng


@pytest.mark.parametrize("model", ["logit", "probit", "poisson", "mnlogit"])
def test_partial_effects_are_those_of_statsmodels(model):
    X, eta, rng = discrete_data()
    D = sm.add_constant(X)
    if model == "poisson":
        y = rng.poisson(np.exp(eta))
        ours, theirs = glm("poisson").fit(X, y), sm.Poisson(y, D)
    elif model == "mnlogit":
        y = rng.integers(0, 3, len(X))
        ours, theirs = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y), sm.MNLogit(y, D)
    else:
        y = (eta + rng.logistic(size=len(X)) > 0).astype(int)
        ours = DeepGLMClassifier(link=model, hidden_layer_sizes=()).fit(X, y)
        theirs = (sm.Logit if model == "logit" else sm.Probit)(y, D)
    results, theirs = ours.inference(X, y), theirs.fit(disp=0, method="newton", tol=1e-12)
    # their covariance of Probit is from the observed, ours from the expected information
    rtol_se = 0.02 if model == "probit" else 2e-5  # their Jacobian is a difference quotient
    for at, method in EFFECTS:
        if model == "mnlogit" and method.endswith("ex"):
            continue  # they fail to broadcast
        expected, effects = (
            theirs.get_margeff(at=at, method=method),
            results.get_margeff(at, method),
        )
        np.testing.assert_allclose(effects.margeff, expected.margeff, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(effects.margeff_se, expected.margeff_se, rtol=rtol_se, atol=1e-9)
    for at in ("overall", "mean") if model != "mnlogit" else ():
        options = {"at": at, "dummy": True, "count": True}
        expected, effects = theirs.get_margeff(**options), results.get_margeff(**options)
        np.testing.assert_allclose(effects.margeff, expected.margeff, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(effects.margeff_se, expected.margeff_se, rtol=rtol_se)
    assert "dy/dx" in str(results.get_margeff())


def test_partial_effects_on_two_classes_are_those_of_the_logit_model():
    X, eta, rng = discrete_data()
    y = (eta + rng.logistic(size=len(X)) > 0).astype(int)
    one = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y).inference(X, y)
    Y = np.eye(2)[y]
    two = DeepGLMRegressor("multinoulli", hidden_layer_sizes=()).fit(X, Y).inference(X, Y)
    for method in ("dydx", "eydx"):
        options = {"method": method, "dummy": True, "count": True}
        logit, classes = one.get_margeff(**options), two.get_margeff(**options)
        np.testing.assert_allclose(classes.margeff[:, 1], logit.margeff, rtol=1e-8)
        np.testing.assert_allclose(classes.margeff_se[:, 1], logit.margeff_se, rtol=1e-8)


def test_partial_effects_average_over_weights_and_keep_offsets():
    X, eta, rng = discrete_data()
    time, w = rng.uniform(1, 3, len(X)), rng.integers(1, 4, len(X))
    y = rng.poisson(time * np.exp(eta))
    rows = np.repeat(np.arange(len(X)), w)
    ours = glm("poisson").fit(X, y, w, exposure=time)
    effects = ours.inference(X, y, w, exposure=time).get_margeff()
    mu = ours.predict(X, exposure=time)
    np.testing.assert_allclose(effects.margeff, np.average(mu, weights=w) * ours.coef_)
    long = glm("poisson").fit(X[rows], y[rows], exposure=time[rows])
    long = long.inference(X[rows], y[rows], exposure=time[rows]).get_margeff()
    np.testing.assert_allclose(effects.margeff_se, long.margeff_se, rtol=1e-8)
    with pytest.raises(ValueError, match="equal weight"):
        ours.inference(X, y, w, exposure=time).get_margeff("median")
    with pytest.raises(ValueError, match="no elasticity"):
        ours.inference(X, y, w, exposure=time).get_margeff(method="eyex", dummy=True)


# ---------------------------------------------------------------- hypotheses


@pytest.mark.parametrize(
    ("text", "matrix", "values"),
    [
        ("x1", [[0, 1, 0, 0, 0]], [0]),
        ("x1 = x10, `odd, one` = 0", [[0, 1, -1, 0, 0], [0, 0, 0, 0, 1]], [0, 0]),
        ("C(a)[T.b] - 2*(x1 - 1) = Intercept/4", [[-0.25, -2, 0, 1, 0]], [-2]),
        ("x1 = x10 = 3", [[0, 1, -1, 0, 0], [0, 0, 1, 0, 0]], [0, 3]),
        (["-x1 + 1e-1 = +2", "3 * x10 * 2 = 1"], [[0, -1, 0, 0, 0], [0, 0, 6, 0, 0]], [1.9, 1]),
        (([[0, 1, 0, 0, 0]], [4.0]), [[0, 1, 0, 0, 0]], [4]),
    ],
)
def test_hypotheses_are_read(text, matrix, values):
    found = contrasts(text, NAMES)
    np.testing.assert_allclose(found.matrix, matrix)
    np.testing.assert_allclose(found.values, values)


@pytest.mark.parametrize(
    "text", ["x2 = 0", "x1 * x10 = 0", "x1 / x10", "x1 =", "exp(x1)", "x1 / 0", "__import__('os')"]
)
def test_what_is_no_linear_hypothesis_is_refused(text):
    with pytest.raises(ValueError, match="not a linear combination"):
        contrasts(text, NAMES)
    with pytest.raises(ValueError, match="5 columns"):
        contrasts([[1.0, 0.0]], NAMES)


def test_hypotheses_about_classes_and_about_what_is_not_determined():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(90, 2)), rng.integers(0, 3, 90)
    results = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y).inference(X, y)
    R = np.zeros((1, 6))
    R[0, 1], R[0, 4] = 1, -1
    test = results.wald_test("1:x0 = 2:x0")
    assert test.statistic == pytest.approx(results.wald_test(R).statistic)
    with pytest.raises(ValueError, match="linearly dependent"):
        results.wald_test("1:x0 = 0, 2 * 1:x0 = 0")
    with pytest.warns(SeparationWarning):
        model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="do not determine"):
        model.inference(X, X[:, 0] > 0).t_test("x0 = 0")


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_dependent_columns_what_the_data_determine_can_be_tested(fit_intercept):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(3, 1, 90), "b": rng.normal(size=90)})
    y = rng.integers(0, 3, 90)
    both = X.assign(d=2 * X.a)
    options = {"hidden_layer_sizes": (), "fit_intercept": fit_intercept}
    smaller = DeepGLMClassifier(**options).fit(X, y).inference(X, y)
    with pytest.warns(RankWarning):
        results = DeepGLMClassifier(**options).fit(both, y).inference(both, y)
    one = smaller.t_test(["1:a = 0", "1:a - 2:b = 0"])
    two = results.t_test(["1:a + 2 * 1:d = 0", "1:a + 2 * 1:d - 2:b = 0"])
    np.testing.assert_allclose(two.effect, one.effect, rtol=1e-6)
    np.testing.assert_allclose(two.sd, one.sd, rtol=1e-6)
    joint = results.wald_test("1:a + 2*1:d = 0, 2:b = 0").statistic
    assert joint == pytest.approx(smaller.wald_test("1:a = 0, 2:b = 0").statistic, rel=1e-6)
    for text in ("1:a = 0", "1:a = 2 * 1:d", "1:a + 2 * 2:d = 0"):
        with pytest.raises(ValueError, match="do not determine"):
            results.t_test(text)


def test_what_is_no_test_is_refused():
    X, y = sample(get("poisson"))
    results = glm("poisson").fit(X, y).inference(X, y)
    for hypothesis, message in (
        ([[0.0, 1.0, np.nan]], "finite numbers"),
        ([[0.0, 0.0, 0.0]], "holds no coefficient"),
        ("x0 = x0", "holds no coefficient"),
        ([["a", "b", "c"]], "must hold numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            results.t_test(hypothesis)
    with pytest.raises(ValueError, match="exog_extra must hold numbers"):
        results.score_test(["one"] * len(y))
    asked = (results, results.t_test("x0 = 0"), results.get_margeff())
    for where in asked:
        for alpha in (1.5, 0.0):
            with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
                where.conf_int(alpha)
            with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
                where.summary_frame(alpha)


# ------------------------------------------------------------------- summary


def test_summary_is_text_html_and_latex_with_names_escaped():
    X, y = sample(get("poisson"))
    frame = pd.DataFrame(X, columns=["<b>50%</b>", "a_b & c"])
    summary = glm("poisson").fit(frame, y).inference(frame, y).summary()
    assert str(summary) == summary.as_text()
    assert "a_b & c" in str(summary)
    html = summary._repr_html_()
    assert "&lt;b&gt;50%&lt;/b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == html.count("</tr>") == 6 + 1 + 3
    latex = summary.as_latex()
    assert r"a\_b \& c" in latex
    assert r"50\%" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2


def test_summary_of_classes_has_a_table_for_each():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 2)), np.array(["a", "b", "c"])[rng.integers(0, 3, 60)]
    results = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y).inference(X, y)
    text = str(results.summary())
    assert "b against a" in text
    assert "c against a" in text
    assert results.summary_frame().loc[("c", "x1"), "coef"] == results.params.loc["x1", "c"]


# -------------------------------------------------------------------- bridge


@pytest.mark.parametrize("pair", known_pairs(), ids=lambda pair: f"{pair.name}-{pair.link_name}")
def test_the_same_model_in_statsmodels(pair):
    unit = pair.link_name in ("logit", "probit", "cloglog", "loglog", "cauchit")
    if unit and not isinstance(pair, Bernoulli):
        pytest.skip("means of other laws are in the unit interval for special data only")
    rng = np.random.default_rng(3)
    if pair.event_ndim:
        X, y = rng.normal(size=(80, 2)), rng.integers(0, 3, 80)
        model, args = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y), (X, y)
    else:
        X, y = sample(pair)
        args = (X, y) if isinstance(pair, Bernoulli) else (X, y, rng.integers(1, 3, len(y)))
        model = DeepGLMRegressor(pair, hidden_layer_sizes=()).fit(*args)
    ours, theirs = model.inference(*args), to_statsmodels(model, *args)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-6)
    assert list(ours.params.index) == list(theirs.params.index)
    assert ours.llf == pytest.approx(theirs.llf, rel=1e-9)


def test_what_has_no_counterpart_in_statsmodels_is_refused():
    X, y = sample(get("poisson"))
    model = glm("poisson").fit(X, y)
    with pytest.raises(ValueError, match="HC0 under the name 'HC3'"):
        to_statsmodels(model, X, y, cov_type="HC3")
    with pytest.raises(ValueError, match="weight_type must be"):
        to_statsmodels(model, X, y, weight_type="prob")
    robust = to_statsmodels(model, X, y, cov_type="HC0")
    np.testing.assert_allclose(model.inference(X, y, cov_type="HC0").bse, robust.bse, rtol=1e-7)
    with pytest.raises(TypeError, match="got a Pipeline"):
        to_statsmodels(make_pipeline(StandardScaler(), glm("poisson")).fit(X, y), X, y)
    with pytest.raises(TypeError, match="cov_type must be a name"):
        to_statsmodels(model, X, y, cov_type=3)
    with pytest.raises(ValueError, match="bias_reduction=True, which statsmodels has not"):
        to_statsmodels(glm("poisson", bias_reduction=True).fit(X, y), X, y)
    deep = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(\)"):
        to_statsmodels(deep, X, y)
    label = (y > 3).astype(int) + (y > 5)
    classes = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, label, offset=np.ones(len(y)))
    with pytest.raises(ValueError, match="Repeat the rows"):
        to_statsmodels(classes, X, label, offset=np.ones(len(y)))
