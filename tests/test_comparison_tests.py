"""Tests between models: by hand, against statsmodels, and their size by simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    compare,
    deviance_scorer,
    nonlinearity_test,
    vuong_test,
)
from glmnet_nn.comparison import deviance_difference

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}


# ------------------------------------------------------------------ paired deviances


def test_of_one_fold_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(1.0, size=(2, 50))
    found = deviance_difference(a, b, np.ones(50), np.zeros(50))
    expected = stats.ttest_rel(a, b)
    assert found.difference / found.se == pytest.approx(expected.statistic, rel=1e-12)
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)))
    assert np.isnan(found.corrected_se)


def test_within_folds_and_corrected_by_hand():
    rng = np.random.default_rng(1)
    D, fold = rng.normal(0.1, 1.0, 60), np.repeat(np.arange(5), 12)
    found = deviance_difference(D, np.zeros(60), np.ones(60), fold)
    within = np.mean([D[fold == k].var(ddof=1) for k in range(5)])
    assert found.se == pytest.approx(np.sqrt(within / 60), rel=1e-12)
    means = D.reshape(5, 12).mean(axis=1)
    assert found.corrected_se == pytest.approx(np.sqrt((1 / 5 + 1 / 4) * means.var(ddof=1)))
    assert found.t == pytest.approx(D.mean() / found.corrected_se)
    assert found.corrected_pvalue == pytest.approx(2 * stats.t.sf(abs(found.t), 4))


def test_a_group_of_copies_is_one_row():
    rng = np.random.default_rng(2)
    D, fold = rng.normal(size=40), np.repeat(np.arange(4), 10)
    once = deviance_difference(D, np.zeros(40), np.ones(40), fold)
    rows = np.repeat(np.arange(40), 3)
    many = deviance_difference(D[rows], np.zeros(120), np.ones(120), fold[rows], groups=rows)
    weighted = deviance_difference(D, np.zeros(40), np.full(40, 3.0), fold)
    assert once.se == pytest.approx(many.se, rel=1e-12) == pytest.approx(weighted.se, rel=1e-12)
    same = deviance_difference(D, D + 1e-9, np.ones(40), fold)
    assert (same.difference, same.z, same.pvalue, same.t) == (0.0, 0.0, 1.0, 0.0)


def test_size_of_the_paired_test():
    """Two lines through one column of noise each are equally good; the corrected test is wider."""
    rng = np.random.default_rng(3)
    fold = np.repeat(np.arange(5), 20)
    pvalues = []
    for _ in range(300):
        X, y = rng.normal(size=(100, 2)), rng.normal(size=100)
        losses = np.empty((2, 100))
        for k in range(5):
            for column in range(2):
                line = np.polyfit(X[fold != k, column], y[fold != k], 1)
                losses[column, fold == k] = (y - np.polyval(line, X[:, column]))[fold == k] ** 2
        found = deviance_difference(*losses, np.ones(100), fold)
        pvalues.append((found.pvalue, found.corrected_pvalue))
    rejected = np.mean(np.array(pvalues) < 0.05, axis=0)
    assert rejected[0] < 0.12
    assert rejected[1] < 0.06


# ------------------------------------------------------------------------------ Vuong


@pytest.mark.parametrize("law", ["poisson", "normal"])
def test_vuong_by_hand(law):
    """From densities of scipy at statsmodels' estimates, by the formulas of the paper."""
    data = sm.datasets.randhie.load_pandas().data.iloc[::40]
    y = data["mdvis"].to_numpy(float)
    one, two = sm.add_constant(data[["lncoins", "physlm"]]), sm.add_constant(data[["hlthp"]])
    model = DeepGLMRegressor(law, hidden_layer_sizes=())
    family = {"poisson": sm.families.Poisson(), "normal": sm.families.Gaussian()}[law]
    rows = []
    for X in (one, two):
        fit = sm.GLM(y, X, family=family).fit(**TIGHT)
        spread = np.sqrt(np.mean((y - fit.mu) ** 2))
        rows.append(stats.poisson.logpmf(y, fit.mu) if law == "poisson"
                    else stats.norm.logpdf(y, fit.mu, spread))  # fmt: skip
        assert rows[-1].sum() == pytest.approx(fit.llf, rel=1e-10)
    m, n = rows[0] - rows[1], len(y)
    spread = np.sqrt(n) * m.std()
    found = vuong_test(*rows, (3, 2))
    assert found.z == pytest.approx(m.sum() / spread, rel=1e-12)
    assert found.z_aic == pytest.approx((m.sum() - 1) / spread, rel=1e-12)
    assert found.z_bic == pytest.approx((m.sum() - np.log(n) / 2) / spread, rel=1e-12)
    assert found.pvalue_bic == pytest.approx(2 * stats.norm.sf(abs(found.z_bic)))
    statsmodels = {"one": sm.GLM(y, one, family=family), "two": sm.GLM(y, two, family=family)}
    table = compare(statsmodels, data[["lncoins"]], y, family=law)
    assert table.vuong("one", "two").z_aic == pytest.approx(found.z_aic, rel=1e-7)
    assert table.vuong("two", "one").z_bic == pytest.approx(-found.z_bic, rel=1e-7)
    ours = compare({"glm": model, "two": statsmodels["two"]}, data[["lncoins", "physlm"]], y)
    assert ours.vuong("glm", "two").z_bic == pytest.approx(found.z_bic, rel=1e-7)


def test_vuong_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30))
    weight = rng.integers(0, 4, 30)
    one = vuong_test(a, b, (2, 3), weight)
    two = vuong_test(np.repeat(a, weight), np.repeat(b, weight), (2, 3))
    assert (one.z, one.z_aic, one.z_bic) == pytest.approx((two.z, two.z_aic, two.z_bic))
    assert vuong_test(a, a).z == 0.0
    with pytest.raises(ValueError, match="the same rows"):
        vuong_test(a, b[:5])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_weight": [1.0, -1.0, 1.0]}, "sample_weight must be >= 0"),
        ({"sample_weight": [1.0, 1.0]}, "sample_weight"),
        ({"n_parameters": 3}, "two numbers >= 0.*got 3"),
        ({"n_parameters": (1, -1)}, "two numbers >= 0"),
        ({"second": [-1.0, np.nan, -1.0]}, "those of row 1 are -2.0 and nan"),
        ({"second": [-1.0, -1.0, -np.inf]}, "those of row 2"),
    ],
)
def test_what_vuong_is_given_is_checked(options, words):
    given = {"first": [-1.0, -2.0, -1.5], "second": [-1.5, -1.0, -3.0]} | options
    with pytest.raises(ValueError, match=words):
        vuong_test(**given)


def test_weights_of_a_score_are_checked():
    X, y = bent("poisson")
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        deviance_scorer(glm, X, y, sample_weight=-1)
    with pytest.raises(ValueError, match="zero everywhere"):
        deviance_scorer(glm, X, y, sample_weight=np.zeros(len(y)))


# ------------------------------------------------------------- neglected nonlinearity


def bent(law, n=200, curvature=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    eta = 0.3 + 0.4 * X[:, 0] + curvature * X[:, 1] ** 2
    if law == "bernoulli":
        return X, rng.binomial(1, 1 / (1 + np.exp(-eta))).astype(float)
    return X, rng.poisson(np.exp(eta)) if law == "poisson" else eta + rng.normal(size=n)


THEIRS = {
    "poisson": sm.families.Poisson(),
    "bernoulli": sm.families.Binomial(),
    "normal": sm.families.Gaussian(),
}


@pytest.mark.parametrize("law", THEIRS)
def test_score_test_is_that_of_statsmodels_at_the_same_columns(law):
    X, y = bent(law)
    weight = np.random.default_rng(1).integers(1, 3, len(y))
    ours = DeepGLMRegressor(law, hidden_layer_sizes=()).fit(X, y, weight)
    found = nonlinearity_test(ours, X, y, weight, random_state=0)
    rows = np.repeat(np.arange(len(y)), weight)
    theirs = sm.GLM(y[rows], sm.add_constant(X[rows]), family=THEIRS[law]).fit(**TIGHT)
    expected = theirs.score_test(exog_extra=found.columns[rows])  # a tuple before 0.15
    assert found.statistic == pytest.approx(float(np.squeeze(expected[0])), rel=1e-7)
    assert found.pvalue == pytest.approx(float(np.squeeze(expected[1])), rel=1e-6)
    assert found.df == 5
    # statsmodels centres the scores and divides by n - 1; White's form does neither
    n, robust = len(rows), nonlinearity_test(ours, X, y, weight, robust=True, random_state=0)
    expected = theirs.score_test(exog_extra=robust.columns[rows], cov_type="HC0")
    centred = robust.statistic / (1 - robust.statistic / n) * (n - 1) / n
    assert centred == pytest.approx(float(np.squeeze(expected[0])), rel=1e-6)


@pytest.mark.skipif(
    not hasattr(sm.MNLogit, "score_factor"), reason="statsmodels < 0.15 has no such test"
)
def test_of_several_classes_each_but_one_has_its_columns():
    X, y = bent("normal", curvature=0.6)
    labels = np.digitize(y, [0.3, 1.2])
    glm = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    found = nonlinearity_test(glm, X, labels, random_state=0)
    assert str(found) == f"chi2({found.df}) = {found.statistic:.6g}, p = {found.pvalue:.4g}"
    assert "columns" not in repr(found)  # a matrix of all rows
    model = sm.MNLogit(labels, sm.add_constant(X)).fit(disp=0, method="newton", maxiter=50)
    expected = model.score_test(exog_extra=found.columns)
    assert found.df == 10
    assert found.statistic == pytest.approx(float(np.squeeze(expected.statistic)), rel=1e-6)


def test_size_and_power():
    pvalues, bends = [], []
    for seed in range(100):
        X, y = bent("poisson", seed=seed)
        glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
        glm.fit(X, y)
        pvalues.append([nonlinearity_test(glm, X, y, robust=r, random_state=seed).pvalue
                        for r in (False, True)])  # fmt: skip
        if seed < 15:
            X, y = bent("poisson", curvature=0.15, seed=seed)
            bends.append(nonlinearity_test(glm.fit(X, y), X, y, random_state=seed).pvalue)
    assert np.all(np.mean(np.array(pvalues) < 0.1, axis=0) < 0.18)
    assert np.all(stats.kstest(np.array(pvalues), "uniform").pvalue > 1e-3)
    assert np.mean(np.array(bends) < 0.05) > 0.7


def test_what_the_test_cannot_do_is_said():
    X, y = bent("poisson")
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="1 hidden layers"):
        nonlinearity_test(net, X, y)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    binary = (X[:, :1] > 0).astype(float)
    with pytest.raises(ValueError, match="asks for more than the 0"):
        nonlinearity_test(glm.fit(binary, y), binary, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": -1}, "n_components must be an integer >= 1, but got -1"),
        ({"n_components": 0}, "n_components must be .* got 0"),
        ({"n_hidden": 0}, "n_hidden must be .* got 0"),
        ({"n_hidden": 2.5}, "n_hidden must be .* got 2.5"),
        ({"n_hidden": 3}, "asks for more than the 3"),
    ],
)
def test_numbers_of_the_test_are_checked(options, words):
    X, y = bent("poisson")
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    with pytest.raises(ValueError, match=words):
        nonlinearity_test(glm, X, y, **options)


def test_in_a_pipeline_it_is_the_test_of_the_last_step():
    """X is scaled to [0, 1] anyway: a scaler before the model changes nothing."""
    X, y = bent("poisson")
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    expected = nonlinearity_test(glm.fit(X, y), X, y, random_state=0).statistic
    pipeline = make_pipeline(StandardScaler(), glm).fit(X, y)
    found = nonlinearity_test(pipeline, X, y, random_state=0)
    assert found.statistic == pytest.approx(expected, rel=1e-6)
    with pytest.raises(TypeError, match=r"a model of this package.*PoissonRegressor"):
        nonlinearity_test(PoissonRegressor().fit(X, y), X, y)
