"""inference() at depth zero is what statsmodels prints."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, SeparationWarning

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}
NUMBERS = [
    "llf", "deviance", "null_deviance", "pearson_chi2", "scale", "aic", "nobs", "df_model",
    "df_resid",
]  # fmt: skip

LAWS = {
    "poisson-log": (sm.families.Poisson(), "randhie"),
    "normal-identity": (sm.families.Gaussian(), "longley"),
    "bernoulli-logit": (sm.families.Binomial(), "spector"),
    "bernoulli-probit": (sm.families.Binomial(sm.families.links.Probit()), "spector"),
    "bernoulli-cloglog": (sm.families.Binomial(sm.families.links.CLogLog()), "spector"),
}


def both(law, fit_intercept=True):
    family, link = law.split("-")
    theirs, name = LAWS[law]
    data = getattr(sm.datasets, name).load_pandas()
    X, y = data.exog.iloc[:3000], data.endog.iloc[:3000].astype(float)
    if name == "spector" and "const" in X:
        X = X.drop(columns="const")
    weight = pd.Series(np.random.default_rng(0).integers(1, 4, len(y)), index=y.index)
    glm = DeepGLMRegressor(
        family, link=link, hidden_layer_sizes=(), fit_intercept=fit_intercept
    ).fit(X, y, sample_weight=weight)
    design = sm.add_constant(X) if fit_intercept else X
    ours = glm.inference(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)  # a weight of k is k rows
    return ours, sm.GLM(y.iloc[rows], design.iloc[rows], family=theirs).fit(**TIGHT)


@pytest.mark.parametrize("law", LAWS)
def test_numbers_are_those_of_statsmodels(law):
    ours, theirs = both(law)
    for name in NUMBERS:
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name
    assert ours.bic == pytest.approx(theirs.bic_llf, rel=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("law", LAWS)
def test_table_is_that_of_statsmodels(law, fit_intercept):
    if (law, fit_intercept) == ("bernoulli-cloglog", False):
        pytest.skip("statsmodels diverges without an intercept here")
    ours, theirs = both(law, fit_intercept)
    assert list(ours.params.index)[fit_intercept:] == list(theirs.params.index)[fit_intercept:]
    assert ("Intercept" in ours.params.index) == fit_intercept
    rtol = 1e-8
    np.testing.assert_allclose(ours.params, theirs.params, rtol=rtol)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=rtol)
    np.testing.assert_allclose(ours.tvalues, theirs.tvalues, rtol=rtol)
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-6, atol=1e-300)
    np.testing.assert_allclose(ours.conf_int(), theirs.conf_int(), rtol=1e-6)
    np.testing.assert_allclose(ours.conf_int(0.1), theirs.conf_int(0.1), rtol=1e-6)
    np.testing.assert_allclose(ours.cov_params(), theirs.cov_params(), rtol=1e-7)


def test_classes_are_compared_with_the_first_as_in_mnlogit():
    data = sm.datasets.anes96.load_pandas()
    X, y = data.exog, data.endog
    ours = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y).inference(X, y)
    theirs = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, method="newton", maxiter=100)
    assert ours.params.shape == (X.shape[1] + 1, 6)  # coefficients x classes
    assert list(ours.params.index) == ["Intercept", *X.columns]
    for name in ("params", "bse", "tvalues"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8)
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-6, atol=1e-300)
    np.testing.assert_allclose(ours.conf_int(), theirs.conf_int(), rtol=1e-6)
    np.testing.assert_allclose(ours.cov_params(), theirs.cov_params(), rtol=1e-8, atol=1e-12)
    for name in ("llf", "aic", "bic", "df_model", "df_resid"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)
    assert ours.llnull == pytest.approx(theirs.llnull, rel=1e-8)


def test_offset_enters():
    rng = np.random.default_rng(1)
    X, time = rng.normal(size=(200, 2)), rng.uniform(0.5, 2, 200)
    y = rng.poisson(time * np.exp(X[:, 0]))
    ours = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y, exposure=time)
    results = ours.inference(X, y, exposure=time)
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Poisson(), exposure=time).fit(**TIGHT)
    np.testing.assert_allclose(results.bse, theirs.bse, rtol=1e-9)
    assert results.null_deviance == pytest.approx(theirs.null_deviance, rel=1e-9)


def test_what_separation_leaves_open_has_no_standard_error():
    X = np.column_stack([np.arange(8.0), [0, 1, 0, 1, 1, 0, 1, 0]])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.warns(SeparationWarning):
        model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    results = model.inference(X, y)
    assert results.bse.isna().all()
    assert results.conf_int().isna().all(axis=None)


def test_linear_dependency_leaves_the_rest_its_standard_errors():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=50)
    doubled = np.column_stack([X, X[:, 2]])
    with pytest.warns(UserWarning, match="linearly dependent"):
        model = DeepGLMRegressor(hidden_layer_sizes=()).fit(doubled, y)
    bse = model.inference(doubled, y).bse
    expected = sm.OLS(y, sm.add_constant(X)).fit().bse
    np.testing.assert_allclose(bse.iloc[:3], expected[:3], rtol=1e-10)
    assert bse.iloc[3:].isna().all()


def test_summary_shows_the_table():
    ours, _ = both("poisson-log")
    text = ours.summary().as_text()
    assert "Poisson GLM with log link" in text
    for name, value in ours.params.items():
        assert str(name) in text
        assert f"{value:.4f}" in text
    frame = ours.summary_frame()
    z = stats.norm.ppf(0.975)
    np.testing.assert_allclose(frame["0.975]"], ours.params + z * ours.bse)


def test_what_inference_cannot_do_is_said():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    with pytest.raises(ValueError, match="alpha=0"):
        DeepGLMRegressor(hidden_layer_sizes=(), alpha=0.1).fit(X, y).inference(X, y)
    two = np.column_stack([y, y])
    with pytest.raises(ValueError, match="one output"):
        DeepGLMRegressor(hidden_layer_sizes=()).fit(X, two).inference(X, two)
    labels = np.where(y > 0, "a", "b")
    model = DeepGLMClassifier(hidden_layer_sizes=(), alpha=0).fit(X, labels)
    with pytest.raises(ValueError, match="y must hold the classes of the fit"):
        model.inference(X, np.where(y > 0, "a", "c"))
