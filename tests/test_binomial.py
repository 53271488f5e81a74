"""Counts of successes and failures: one row is one observation, as in R and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.base import clone
from test_inference import TIGHT

from families import Bernoulli, Binomial, get_family
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, to_statsmodels

NUMBERS = [
    "llf", "llnull", "deviance", "null_deviance", "pearson_chi2", "scale", "aic", "nobs",
    "df_model", "df_resid",
]  # fmt: skip


def fitted(X, y, link="auto", **given):
    return DeepGLMRegressor("binomial", link=link, hidden_layer_sizes=()).fit(X, y, **given)


@pytest.fixture(scope="module")
def schools():
    data = sm.datasets.star98.load_pandas()  # pupils above and below the median, 303 districts
    X = data.exog.iloc[:, :8]
    return (X - X.mean()) / X.std(), data.endog


@pytest.fixture(scope="module", params=["logit", "probit", "cloglog"])
def both(request, schools):
    X, y = schools
    names = {"logit": "Logit", "probit": "Probit", "cloglog": "CLogLog"}
    theirs = sm.families.Binomial(getattr(sm.families.links, names[request.param])())
    theirs = sm.GLM(y, sm.add_constant(X), family=theirs).fit(**TIGHT)
    return fitted(X, y, request.param).inference(X, y), theirs


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_those_of_statsmodels(both, name):
    ours, theirs = both
    assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-10)


def test_table_and_residuals_are_those_of_statsmodels(both):
    ours, theirs = both
    for name in ("params", "bse", "tvalues"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8)
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-6)  # as small as 1e-290
    for name in ("resid_pearson", "resid_deviance"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-9)
    leverage = ours.get_influence().hat_matrix_diag
    np.testing.assert_allclose(leverage, theirs.get_hat_matrix_diag(observed=False), rtol=1e-8)


def test_robust_covariance_takes_rows_as_observations(schools):
    X, y = schools
    ours = fitted(X, y).inference(X, y, cov_type="HC0")
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial())
    theirs = theirs.fit(**TIGHT, cov_type="HC0")
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)


def test_bridge_takes_the_counts_along(schools):
    X, y = schools
    model = fitted(X, y)
    assert to_statsmodels(model, X, y).llf == pytest.approx(model.inference(X, y).llf, rel=1e-10)


def test_dispersion_may_be_estimated_and_leaves_the_likelihood(schools):
    X, y = schools
    model = fitted(X, y)
    plain, quasi = model.inference(X, y), model.inference(X, y, dispersion="pearson")
    assert quasi.scale == pytest.approx(plain.pearson_chi2 / plain.df_resid)
    np.testing.assert_allclose(quasi.bse, plain.bse * quasi.scale**0.5)
    assert quasi.llf == plain.llf


# -------------------------------------------------- what counts stand for


def single_trials(X, y):
    """One row for every success and every failure."""
    successes, failures = np.asarray(y).T.astype(int)
    rows = np.asarray(X, dtype=float)
    outcomes = np.r_[np.ones(successes.sum()), np.zeros(failures.sum())]
    rows = np.vstack([np.repeat(rows, successes, axis=0), np.repeat(rows, failures, axis=0)])
    return rows, outcomes


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.01}, {"bias_reduction": True}, {"hidden_layer_sizes": (3,)}]
)
def test_estimates_are_those_of_the_single_trials(options):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    trials = rng.integers(1, 6, 30)
    ones = rng.binomial(trials, 1 / (1 + np.exp(-X[:, 0])))
    y = np.column_stack([ones, trials - ones])
    counts = DeepGLMRegressor("binomial", random_state=0)
    counts.set_params(**{"hidden_layer_sizes": (), "standardize": False, "alpha": 0, **options})
    single = clone(counts).set_params(family="bernoulli").fit(*single_trials(X, y))
    counts.fit(X, y)
    rtol = 1e-4 if counts.hidden_layer_sizes else 1e-8
    np.testing.assert_allclose(counts.predict(X), single.predict(X), rtol=rtol)
    assert counts.score(X, y) > single.score(*single_trials(X, y))  # nothing within a row


def test_shares_with_trials_as_precisions_are_counts(schools):
    X, y = schools
    trials = y.sum(axis=1)
    share = y.iloc[:, 0] / trials
    shares = fitted(X, share, sample_weight=trials)
    by_shares = shares.inference(X, share, sample_weight=trials, weight_type="var")
    by_counts = fitted(X, y).inference(X, y)
    for name in NUMBERS:
        assert getattr(by_shares, name) == pytest.approx(getattr(by_counts, name), rel=1e-9)


def test_weights_repeat_rows_of_counts(schools):
    X, y = schools
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    ours = fitted(X, y, sample_weight=weight).inference(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    theirs = fitted(X.iloc[rows], y.iloc[rows]).inference(X.iloc[rows], y.iloc[rows])
    for name in NUMBERS:
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)


def test_rows_without_trials_are_absent(schools):
    X, y = schools
    emptied = y.copy()
    emptied.iloc[::7] = 0
    some = emptied.sum(axis=1) > 0
    ours = fitted(X, emptied).inference(X, emptied)
    theirs = fitted(X[some], y[some]).inference(X[some], y[some])
    assert ours.nobs == theirs.nobs == some.sum()
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-9)
    assert len(fitted(X, emptied).residuals(X, emptied)) == some.sum()


def test_predictions_are_probabilities_in_one_column(schools):
    X, y = schools
    model = fitted(X, y)
    assert model.predict(X).shape == model.linear_predictor(X).shape == (len(y),)
    trials = y.sum(axis=1)
    assert trials @ model.predict(X) == pytest.approx(y.iloc[:, 0].sum(), rel=1e-9)
    results = model.inference(X, y)
    assert model.score(X, y) == pytest.approx(1 - results.deviance / results.null_deviance)


def test_quantile_residuals_of_counts_are_standard_normal():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(3000, 1))
    trials = rng.integers(1, 30, 3000)
    ones = rng.binomial(trials, 1 / (1 + np.exp(0.5 - X[:, 0])))
    y = np.column_stack([ones, trials - ones])
    residuals = fitted(X, y).residuals(X, y, kind="quantile", random_state=3)
    assert stats.kstest(residuals, "norm").pvalue > 0.01


# ------------------------------------------------------------------ the law


@pytest.mark.parametrize("trials", [1, 2, 7, 40, 100_000])
def test_law_is_that_of_scipy(trials):
    law, mu = Binomial(), 0.3
    counts = np.unique(np.linspace(0, trials, 9).astype(int))
    expected = stats.binom.logpmf(counts, trials, mu)
    found = law.log_likelihood(counts / trials, np.full(len(counts), mu), 1 / trials)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    share = law.distribution(mu, 1 / trials)
    np.testing.assert_allclose(share.logpmf(counts / trials), expected, rtol=1e-10)
    np.testing.assert_allclose(share.cdf(counts / trials), stats.binom.cdf(counts, trials, mu))
    np.testing.assert_allclose(share.sf(counts / trials), stats.binom.sf(counts, trials, mu))
    q = np.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(share.ppf(q), stats.binom.ppf(q, trials, mu) / trials)
    np.testing.assert_allclose(share.isf(q), share.ppf(1 - q), atol=1.01 / trials)
    assert share.interval(0.98) == (share.ppf(0.01), share.ppf(0.99))
    assert share.median() == share.ppf(0.5)
    assert share.mean() == pytest.approx(mu)
    assert share.std() == pytest.approx(np.sqrt(law.variance(np.array(mu)) / trials))
    drawn = share.rvs(size=4000, random_state=np.random.default_rng(0))
    sampled = law.sample(np.full(4000, mu), 1 / trials, np.random.default_rng(1))
    for draws in (drawn, sampled):
        assert abs(draws.mean() - mu) < 4 * share.std() / np.sqrt(4000)
        assert np.all(np.isin(np.round(draws * trials, 6), np.arange(trials + 1)))


def test_single_trials_are_bernoulli():
    y, mu = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.9])
    np.testing.assert_allclose(
        Binomial().log_likelihood(y, mu), Bernoulli().log_likelihood(y, mu), rtol=1e-14
    )
    assert get_family("binomial") == Binomial()


# ----------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1, 2], [-1, 2], [3, 0]], r"counts >= 0.*y\[1\] = \[-1.0, 2.0\]"),
        ([[0, 0], [0, 0], [0, 0]], "needs rows with trials"),
        ([[1, 2, 3], [1, 2, 3], [0, 1, 2]], r"two columns.*'bernoulli'"),
        ([1.5, 0.2, 0.1], "0 <= y <= 1"),
    ],
)
def test_what_is_no_count_is_refused_with_a_remedy(y, message):
    with pytest.raises(ValueError, match=message):
        fitted(np.arange(3.0)[:, None], np.array(y, dtype=float))


def test_two_columns_are_two_outputs_of_bernoulli():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(50, 2)), rng.uniform(size=(50, 2))
    assert DeepGLMRegressor("bernoulli", hidden_layer_sizes=()).fit(X, y).n_outputs_ == 2


def test_classifier_is_for_labels():
    assert DeepGLMClassifier(hidden_layer_sizes=()).fit([[0.0], [1], [2], [3]], [0, 1, 0, 1])
