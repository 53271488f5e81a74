"""Robust covariances, kinds of weight and dispersions, where statsmodels' GLM has none."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.exceptions import ConvergenceWarning

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, InferenceWarning
from glmnet_nn.inference.sandwich import meat

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}


def counts(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, rng.poisson(np.exp(0.5 + X @ [0.4, -0.3])).astype(float), rng.uniform(0.5, 3, n)


def glm(family="poisson", **options):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **options)


def test_least_squares_has_all_of_whites_covariances():
    X, _, _ = counts()
    y = X[:, 0] + np.random.default_rng(1).normal(size=80) * np.exp(X[:, 1])
    model, ols = glm("normal").fit(X, y), sm.OLS(y, sm.add_constant(X))
    two = np.column_stack([np.arange(80) // 4, np.arange(80) % 11])
    cases = [
        ({"cov_type": "HC0"}, {}), ({"cov_type": "HC1"}, {}), ({"cov_type": "HC2"}, {}),
        ({"cov_type": "HC3"}, {}),
        ({"cov_type": "HAC", "hac_maxlags": 4}, {"cov_kwds": {"maxlags": 4}}),
        ({"cov_type": "cluster", "groups": two}, {"cov_kwds": {"groups": two}}),
    ]  # fmt: skip
    for options, theirs in cases:
        expected = ols.fit(cov_type=options["cov_type"], **theirs)
        results = model.inference(X, y, **options)
        np.testing.assert_allclose(results.cov_params(), expected.cov_params(), rtol=1e-10)
    default = model.inference(X, y, cov_type="HAC").bse  # lags: 4 (80 / 100)^(2/9) = 3.8
    np.testing.assert_array_equal(default, model.inference(X, y, cov_type="HAC", hac_maxlags=3).bse)


def test_clusters_count_as_degrees_of_freedom_of_t():
    X, _, _ = counts()
    y, group = X[:, 0] + np.random.default_rng(1).normal(size=80), np.arange(80) // 10
    ours = glm("normal").fit(X, y).inference(X, y, cov_type="cluster", groups=group, use_t=True)
    theirs = sm.OLS(y, sm.add_constant(X)).fit(cov_type="cluster", cov_kwds={"groups": group},
                                               use_t=True)  # fmt: skip
    assert ours.df_inference == 7
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-9)
    np.testing.assert_allclose(ours.conf_int(), theirs.conf_int(), rtol=1e-9)


def test_hc1_to_hc3_of_a_glm_are_their_definitions_and_not_statsmodels():
    """statsmodels' GLM answers HC0 to each; R's sandwich::vcovHC has these formulas."""
    X, y, _ = counts()
    model, D = glm().fit(X, y), sm.add_constant(X)
    mu = model.predict(X)
    bread = np.linalg.inv(D.T @ (D * mu[:, None]))
    leverage = mu * np.einsum("ij,jk,ik->i", D, bread, D)
    scores = D * (y - mu)[:, None]
    hc2, hc3 = scores / np.sqrt(1 - leverage)[:, None], scores / (1 - leverage)[:, None]
    meats = {"HC1": scores.T @ scores * (80 / 77), "HC2": hc2.T @ hc2, "HC3": hc3.T @ hc3}
    for cov_type, M in meats.items():
        results = model.inference(X, y, cov_type=cov_type)
        np.testing.assert_allclose(results.cov_params(), bread @ M @ bread, rtol=1e-8)
    law = sm.families.Poisson()
    theirs = [sm.GLM(y, D, law).fit(cov_type=c).bse for c in ("HC0", "HC1", "HC2", "HC3")]
    for other in theirs[1:]:
        np.testing.assert_array_equal(theirs[0], other)  # if this fails, compare instead


def classes():
    """Return columns, classes, and the two models of them."""
    data = sm.datasets.anes96.load_pandas()
    X, y = data.exog[["logpopul", "selfLR", "age"]], (data.endog // 3).astype(int)
    ours = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    return X, y, ours, sm.MNLogit(y, sm.add_constant(X))


def test_classes_have_the_robust_covariances_of_mnlogit():
    X, y, ours, model = classes()
    group = np.arange(len(y)) // 8
    for cov_type, options, kwds in (
        ("HC0", {}, {}),
        ("cluster", {"groups": group}, {"cov_kwds": {"groups": group}}),
    ):  # fmt: skip
        theirs = model.fit(disp=0, method="newton", cov_type=cov_type, **kwds)
        results = ours.inference(X, y, cov_type=cov_type, **options)
        np.testing.assert_allclose(results.bse, theirs.bse, rtol=1e-8)


@pytest.mark.skipif(
    not hasattr(sm.MNLogit, "score_factor"), reason="statsmodels < 0.15 has no such test"
)
def test_the_score_test_of_classes_is_that_of_mnlogit():
    X, y, ours, model = classes()
    extra = np.random.default_rng(0).normal(size=(len(y), 2))
    theirs = model.fit(disp=0, method="newton").score_test(exog_extra=extra)
    test = ours.inference(X, y).score_test(extra)
    assert test.df_num == 4
    assert test.statistic == pytest.approx(theirs.statistic, rel=1e-8)


def test_hc2_and_hc3_of_classes_are_those_of_two_classes():
    X, y, _ = counts()
    label = (y > 1).astype(int)
    two = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, label)
    K2 = DeepGLMRegressor("multinoulli", hidden_layer_sizes=()).fit(X, np.eye(2)[label])
    for cov_type in ("HC1", "HC2", "HC3"):
        several = K2.inference(X, np.eye(2)[label], cov_type=cov_type).bse["1"]
        one = two.inference(X, label, cov_type=cov_type).bse
        np.testing.assert_allclose(several, one, rtol=1e-8)


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3", "cluster"])
def test_a_frequency_is_rows_repeated(cov_type):
    X, y, _ = counts()
    w = np.random.default_rng(2).integers(0, 4, 80)
    rows = np.repeat(np.arange(80), w)
    group = {"groups": np.arange(80) // 4} if cov_type == "cluster" else {}
    long = {"groups": group["groups"][rows]} if group else {}
    one = glm().fit(X, y, w).inference(X, y, w, cov_type=cov_type, **group)
    two = glm().fit(X[rows], y[rows]).inference(X[rows], y[rows], cov_type=cov_type, **long)
    np.testing.assert_allclose(one.cov_params(), two.cov_params(), rtol=1e-8)
    assert one.nobs == two.nobs


def test_probability_weights():
    """Estimates of the weighted likelihood, linearised covariance, n rows, no scale."""
    X, y, w = counts()
    model, D = glm().fit(X, y, w), sm.add_constant(X)
    results = model.inference(X, y, w, weight_type="prob")
    mu = model.predict(X)
    bread = np.linalg.inv(D.T @ (D * (w * mu)[:, None]))
    scores = D * (w * (y - mu))[:, None]
    linearised = bread @ scores.T @ scores @ bread  # R's svyglm: times n / (n - 1)
    np.testing.assert_allclose(results.cov_params(), linearised * 80 / 77, rtol=1e-8)
    assert results.nobs == 80
    assert results.cov_type == "HC1"
    twice = model.inference(X, y, 1000 * w, weight_type="prob")
    assert twice.llf == pytest.approx(results.llf)
    np.testing.assert_allclose(twice.bse, results.bse, rtol=1e-10)


def test_kinds_of_weight_have_the_same_estimates_and_their_own_n():
    X, y, w = counts()
    model = glm("gamma", link="log").fit(X, y + 1, w)
    freq, var, prob = (
        model.inference(X, y + 1, w, weight_type=kind) for kind in ("freq", "var", "prob")
    )
    np.testing.assert_array_equal(freq.params, var.params)
    np.testing.assert_array_equal(freq.params, prob.params)
    assert freq.nobs == pytest.approx(w.sum())
    assert var.nobs == prob.nobs == 80
    assert freq.pearson_chi2 == pytest.approx(var.pearson_chi2)
    assert freq.scale * freq.df_resid == pytest.approx(var.scale * var.df_resid)


@pytest.mark.parametrize(("ours", "theirs"), [("pearson", "X2"), ("deviance", "dev"), (2.5, 2.5)])
def test_dispersion_is_the_scale_of_statsmodels(ours, theirs):
    X, y, _ = counts()
    model = glm().fit(X, y)
    expected = sm.GLM(y, sm.add_constant(X), sm.families.Poisson()).fit(scale=theirs, **TIGHT)
    results = model.inference(X, y, dispersion=ours)
    assert results.scale == pytest.approx(expected.scale, rel=1e-9)
    np.testing.assert_allclose(results.bse, expected.bse, rtol=1e-9)
    assert results.llf == model.inference(X, y).llf  # the law has no density at phi != 1


def test_tests_of_nested_models_are_those_of_least_squares():
    X, _, _ = counts()
    y = X[:, 0] + np.random.default_rng(1).normal(size=80)
    full, small = sm.OLS(y, sm.add_constant(X)).fit(), sm.OLS(y, sm.add_constant(X[:, :1])).fit()
    ours = glm("normal").fit(X, y).inference(X, y, use_t=True)
    restricted = glm("normal").fit(X[:, :1], y).inference(X[:, :1], y)
    F, p, df = full.compare_f_test(small)
    for test in (ours.lr_test(restricted), ours.f_test("x1 = 0")):
        assert test.statistic == pytest.approx(F, rel=1e-9)
        assert test.pvalue == pytest.approx(p, rel=1e-9)
        assert test.df_num == df
    assert str(test).startswith("F(1, 77) = ")
    with pytest.raises(ValueError, match="special case of this model"):
        restricted.lr_test(ours)
    robust = glm("normal").fit(X, y).inference(X, y, cov_type="HC0")
    with pytest.raises(ValueError, match="wald_test"):
        robust.lr_test(restricted)


def test_robust_score_test_is_near_the_robust_wald_test():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(4000, 2))
    X[:, 1] += 2 * X[:, 0]
    y = rng.negative_binomial(1, 1 / (1 + np.exp(0.3 * X[:, 0] + 0.06 * X[:, 1]))).astype(float)
    wald = glm().fit(X, y).inference(X, y, cov_type="HC1").wald_test("x1 = 0")
    small = glm().fit(X[:, :1], y)
    score = small.inference(X[:, :1], y, cov_type="HC1").score_test(X[:, 1])
    naive = small.inference(X[:, :1], y).score_test(X[:, 1])
    assert score.statistic == pytest.approx(wald.statistic, rel=0.1)
    assert naive.statistic > 1.5 * score.statistic  # variance is twice the mean
    with pytest.raises(ValueError, match="columns that the model lacks"):
        small.inference(X[:, :1], y).score_test(2 * X[:, 0] + 1)


def test_options_that_would_be_ignored_are_refused():
    X, y, w = counts()
    model = glm().fit(X, y)
    refused = [
        ({"cov_type": "HC4"}, "cov_type must be one of"),
        ({"weight_type": "aweight"}, "weight_type must be one of"),
        ({"dispersion": "X2"}, "dispersion must be None, a number"),
        ({"dispersion": -1.0}, "dispersion must be None, a number"),
        ({"groups": w}, "groups is for cov_type='cluster'"),
        ({"cov_type": "HC0", "hac_maxlags": 2}, "hac_maxlags is for cov_type='HAC'"),
        ({"cov_type": "cluster"}, "needs groups"),
        ({"cov_type": "cluster", "groups": w[:5]}, "a label for each of the 80 rows"),
        ({"cov_type": "cluster", "groups": np.ones(80)}, "at least 2 groups"),
        ({"cov_type": "cluster", "groups": np.where(w > 1, w, np.nan)}, "no missing labels"),
        ({"cov_type": "HAC", "hac_maxlags": 80}, "between 0 and 79"),
        ({"cov_type": "HAC", "hac_maxlags": 1.5}, "an integer"),
        ({"cov_type": "HAC", "hac_maxlags": True}, "an integer"),
        ({"use_t": "no"}, "use_t must be True or False"),
        ({"cov_type": "nonrobust", "weight_type": "prob"}, "leaves open"),
    ]
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            model.inference(X, y, **options)
    with pytest.raises(ValueError, match="one observation a period"):
        glm().fit(X, y, w).inference(X, y, w, cov_type="HAC")
    lone = np.column_stack([X, np.arange(80) == 3])
    model = glm("normal").fit(lone, y)
    with pytest.raises(ValueError, match="leverage 1"):
        model.inference(lone, y, cov_type="HC3")
    with pytest.raises(ValueError, match=r"n - k.*80 observations and 80 parameters"):
        meat(np.ones((80, 1)), "HC1", n_parameters=80)


def test_groups_follow_the_rows_that_have_a_weight():
    X, y, _ = counts()
    w = (np.arange(80) % 3 > 0).astype(float)
    group = pd.Series(np.arange(80) // 5).astype(str)
    one = glm().fit(X, y, w).inference(X, y, w, cov_type="cluster", groups=group)
    kept = w > 0
    two = glm().fit(X[kept], y[kept])
    two = two.inference(X[kept], y[kept], cov_type="cluster", groups=group[kept])
    np.testing.assert_allclose(one.bse, two.bse, rtol=1e-9)


def test_a_fit_that_did_not_converge_says_so_again():
    X, y, _ = counts()
    with pytest.warns(ConvergenceWarning):
        model = glm(max_iter=1).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="not of the maximum likelihood estimate"):
        model.inference(X, y)


def test_means_outside_their_domain_are_refused():
    X, y, _ = counts()
    X = np.abs(X)
    model = glm("poisson", link="identity").fit(X, 1 + X.sum(axis=1))
    with pytest.raises(ValueError, match="needs means that Poisson can have"):
        model.inference(-10 * X, y)


def test_two_ways_of_grouping_have_no_negative_variance():
    """Cameron, Gelbach and Miller (2011), 2.3; where the information is I, whatever X is scaled by.

    Without it a standard error here is the root of a negative number.
    """
    X, _, _ = counts()
    y = X[:, 0] + np.random.default_rng(1).normal(size=80)
    rng = np.random.default_rng(2)
    two = rng.integers(0, 3, (80, 2))
    with pytest.warns(InferenceWarning, match="not positive semi-definite"):
        bse = glm("normal").fit(X, y).inference(X, y, cov_type="cluster", groups=two).bse
    assert np.all(bse > 0)
    D = sm.add_constant(X)
    V = sm.OLS(y, D).fit(cov_type="cluster", cov_kwds={"groups": two}).cov_params()
    L = np.linalg.cholesky(D.T @ D)
    values, U = np.linalg.eigh(L.T @ V @ L)
    assert values[0] < 0
    root = np.linalg.solve(L.T, U * np.sqrt(np.maximum(values, 0)))
    np.testing.assert_allclose(bse, np.sqrt(np.square(root).sum(axis=1)), rtol=1e-8)


def test_more_restrictions_than_clusters_are_tested_along_what_has_a_variance():
    X, y, _ = counts()
    group = np.arange(80) % 2
    theirs = sm.GLM(y, sm.add_constant(X), sm.families.Poisson())
    theirs = theirs.fit(cov_type="cluster", cov_kwds={"groups": group}, **TIGHT)
    R = np.eye(3)[1:]
    with pytest.warns(sm.tools.sm_exceptions.ValueWarning, match="rank is 1"):
        expected = theirs.wald_test(R, scalar=True)
    ours = glm().fit(X, y).inference(X, y, cov_type="cluster", groups=group)
    with pytest.warns(InferenceWarning, match="has rank 1"):
        test = ours.wald_test(R)
    assert test.df_num == 1
    assert test.pvalue == pytest.approx(float(expected.pvalue), rel=1e-6)
    assert ours.wald_test(R[:1]).statistic == pytest.approx(ours.tvalues["x0"] ** 2)
    small = glm().fit(X[:, :1], y).inference(X[:, :1], y, cov_type="cluster", groups=group)
    more = np.random.default_rng(0).normal(size=(80, 4))
    with pytest.warns(InferenceWarning, match="these 4 restrictions has rank 2"):
        assert small.score_test(more).df_num == 2
