"""Predictive laws: statsmodels' standard errors, exact integrals, limits, coverage."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate, stats

from families import known_families
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    RankWarning,
    get_family,
    nonlinearity_test,
)
from glmnet_nn.inference import Estimate, Forecast, PredictiveDistribution, root_of
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.inputs import standardized

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}
LAWS = {
    "poisson-log": sm.families.Poisson(),
    "gamma-log": sm.families.Gamma(sm.families.links.Log()),
    "gamma-inverse": sm.families.Gamma(),
    "normal-identity": sm.families.Gaussian(),
    "bernoulli-logit": sm.families.Binomial(),
    "bernoulli-cloglog": sm.families.Binomial(sm.families.links.CLogLog()),
}


def drawn(law, n=200, seed=0):
    family, link = law.split("-")
    family = get_family(family, link)
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 2))
    eta = 1.0 + 0.5 * X[:, 0] - 0.3 * X[:, 1]
    return X, family.sample(family.mean(eta), 0.5, rng), family


def fitted(law, n=200, weight=None, seed=0, **parameters):
    X, y, family = drawn(law, n, seed)
    glm = DeepGLMRegressor(family, hidden_layer_sizes=(), store_covariance=True, **parameters)
    return glm.fit(X, y, weight), X, y


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.DomainWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning:statsmodels")
@pytest.mark.parametrize("law", LAWS)
def test_mean_and_its_interval_are_those_of_statsmodels(law):
    glm, X, y = fitted(law)
    theirs = sm.GLM(y, sm.add_constant(X), family=LAWS[law]).fit(**TIGHT)
    expected = theirs.get_prediction(sm.add_constant(X)).summary_frame(alpha=0.1)
    ends = ["mean_ci_lower", "mean_ci_upper"]
    expected[ends] = np.sort(expected[ends])  # statsmodels turns them round for decreasing links
    ours = glm.forecast(X).summary_frame(alpha=0.1)
    assert list(ours.columns[:4]) == list(expected.columns)
    np.testing.assert_allclose(ours[expected.columns], expected, rtol=1e-7)
    ends = glm.predict_interval(X, coverage=0.9, kind="mean")
    np.testing.assert_array_equal(ends, ours[["mean_ci_lower", "mean_ci_upper"]])


@pytest.mark.parametrize("use_t", [False, True])
def test_intervals_of_the_mean_are_of_t_where_inference_is(use_t):
    """R's predict(lm, interval="confidence") is that of t."""
    X, y, _ = drawn("normal-identity", n=12)
    model = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, y)
    inference = model.inference(X, y, use_t=use_t)
    ours = model.predict_interval(X, kind="mean", inference=inference)
    D = sm.add_constant(X)
    theirs = (sm.OLS if use_t else sm.GLM)(y, D).fit().get_prediction(D)
    np.testing.assert_allclose(ours, theirs.conf_int(), rtol=1e-9)
    table = model.forecast(X, inference=inference).summary_frame()
    np.testing.assert_allclose(table["mean_ci_upper"], ours[:, 1])


def test_robust_inference_offset_and_exposure_are_used():
    X, y, _ = drawn("poisson-log")
    time = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y, exposure=time)
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Poisson(), exposure=time)
    expected = theirs.fit(**TIGHT).get_prediction(sm.add_constant(X), exposure=2 * time)
    results = glm.inference(X, y, exposure=time)
    ours = glm.forecast(X, exposure=2 * time, inference=results).summary_frame()
    np.testing.assert_allclose(ours.iloc[:, :4], expected.summary_frame(), rtol=1e-7)


def test_of_least_squares_the_variance_is_phi_plus_se_squared():
    glm, X, y = fitted("normal-identity", n=30)
    theirs = sm.OLS(y, sm.add_constant(X)).fit().get_prediction(sm.add_constant(X))
    law = glm.predict_distribution(X)
    np.testing.assert_allclose(law.std(), theirs.se_obs, rtol=1e-11)
    np.testing.assert_allclose(law.mean(), theirs.predicted_mean, rtol=1e-11)
    exact = stats.norm(theirs.predicted_mean, theirs.se_obs)
    for q in (1e-6, 0.025, 0.5, 0.9):
        np.testing.assert_allclose(glm.predict_quantiles(X, q)[:, 0], exact.ppf(q), rtol=1e-9)
    np.testing.assert_allclose(law.logpdf(y), exact.logpdf(y), rtol=1e-10)
    ends = glm.predict_interval(X)
    np.testing.assert_allclose(ends, np.stack(exact.interval(0.95), axis=1), rtol=1e-9)


@pytest.mark.parametrize("law", ["poisson-log", "gamma-log", "normal-identity", "bernoulli-logit"])
def test_variance_tends_to_phi_v_and_the_interval_of_the_mean_to_a_point(law):
    """A weight of k is k rows: se falls like 1 / sqrt(k), and nothing else changes."""
    _, X, _ = fitted(law)
    widths = []
    for k in (1.0, 1e4, 1e6):
        glm, _, _ = fitted(law, weight=np.full(200, k))
        mu = glm.predict(X)
        widths.append(np.ptp(glm.predict_interval(X, kind="mean"), axis=1))
        at_mean = glm.dispersion_ * glm.family_.variance(mu)
        excess = glm.predict_distribution(X).var() / at_mean - 1
        assert np.all(np.abs(excess) < 1 / k)
    np.testing.assert_allclose(widths[1] / widths[2], 10.0, rtol=1e-3)
    observed = np.ptp(glm.predict_interval(X), axis=1)
    low, high = glm.family_.distribution(mu, glm.dispersion_).interval(0.95)
    np.testing.assert_allclose(observed, high - low, rtol=2e-3)


SCALAR = [family() for family in known_families() if not family.event_ndim]


@pytest.mark.parametrize("family", [*SCALAR, get_family("gamma", "log")], ids=repr)
def test_mixture_is_the_integral(family):
    eta = float(family.link_of(np.array(0.4)))
    se, phi = 0.05 * abs(eta) + 0.05, 0.7
    law = PredictiveDistribution(family, phi, np.array([eta]), np.array([se]))
    y = float(family.distribution(np.array(0.4), phi).ppf(0.8))

    def part(t):
        return stats.norm.pdf(t) * family.distribution(
            family.mean(np.array(eta + se * t)), phi
        ).cdf(y)

    expected = integrate.quad(part, -9, 9, epsabs=1e-11)[0]
    assert law.cdf(y)[0] == pytest.approx(expected, abs=1e-9)
    assert law.sf(y)[0] == pytest.approx(1 - expected, abs=1e-9)
    for width, q in itertools.product((1e-6, 1e-3, se), (0.01, 0.5, 0.97)):
        law = PredictiveDistribution(family, phi, np.array([eta]), np.array([width]))
        at = law.ppf(q)[0]
        step = 1.0 if hasattr(law, "pmf") else 1e-6 * abs(at)
        assert law.cdf(at)[0] >= q - 1e-9
        assert at == 0 or law.cdf(at - step)[0] <= q


def test_uncertain_counts_are_spread_as_they_should():
    """se far above the Poisson spread: the rule takes more nodes, and no lumps are left."""
    law = PredictiveDistribution(get_family("poisson"), 1.0, np.array([9.0]), np.array([0.6]))
    exact = stats.lognorm(0.6, scale=np.exp(9.0))
    y = np.array([2000.0, 8000.0, 30000.0])
    np.testing.assert_allclose(law.cdf(y), exact.cdf(y), atol=1e-4)
    assert law.mean()[0] == pytest.approx(np.exp(9.18), rel=1e-12)
    assert law.var()[0] == pytest.approx(np.exp(9.18) + exact.var(), rel=1e-10)
    assert law.pmf(np.arange(8000, 8400)).sum() == pytest.approx(
        law.cdf(8399.0)[0] - law.cdf(7999.0)[0], rel=1e-9
    )
    np.testing.assert_allclose(np.exp(law.logpmf(y)), law.pmf(y), rtol=1e-10)
    assert not hasattr(law, "pdf")
    wild = PredictiveDistribution(get_family("poisson"), 1.0, np.array([1.0]), np.array([3.0]))
    at = wild.ppf([0.025, 0.975])  # scipy has no quantiles of such means as are mixed here
    assert np.all((wild.cdf(at) >= [0.025, 0.975]) & (wild.cdf(at - 1) <= [0.025, 0.975]))


def test_linear_predictors_without_a_mean_are_left_out():
    law = PredictiveDistribution(
        get_family("poisson", "identity"), 1.0, np.array([1.0]), np.array([1.0])
    )
    assert law.mean()[0] == pytest.approx(stats.truncnorm(-1, np.inf, loc=1).mean(), rel=1e-12)
    assert law.rvs((4000, 1), 0).mean() == pytest.approx(law.mean()[0], abs=0.1)
    glm, X, _ = fitted("gamma-inverse")
    assert np.all(glm.predict_interval(X, coverage=1 - 1e-12, kind="mean")[:, 0] >= 0)


@pytest.mark.parametrize("law", ["poisson-log", "normal-identity"])
def test_coverage_in_small_samples(law):
    """Averaged over fits; with parameters taken as known too few observations are covered."""
    covered, plugged = [], []
    rng = np.random.default_rng(5)
    family = get_family(*law.split("-"))
    X = rng.uniform(-1, 1, (14, 5))
    mu = family.mean(4.0 + X @ [0.5, 0.0, -0.5, 0.2, 0.0])
    truth = family.distribution(mu, 1.0)
    for _ in range(60):
        glm = DeepGLMRegressor(family, hidden_layer_sizes=(), store_covariance=True)
        glm.fit(X, family.sample(mu, 1.0, rng))
        forecast = glm.forecast(X)
        known = Forecast(
            Estimate(**{**vars(forecast.estimate), "scale": 1.0,
                        "root": forecast.estimate.root / glm.dispersion_**0.5}), X,
        )  # fmt: skip
        low, high = known.interval(0.9).reshape(-1, 2).T
        covered.append(truth.cdf(high) - truth.cdf(low - (law == "poisson-log")))
        low, high = family.distribution(glm.predict(X), 1.0).interval(0.9)
        plugged.append(truth.cdf(high) - truth.cdf(low - (law == "poisson-log")))
    assert 0.89 < np.mean(covered) < 0.93
    assert np.mean(plugged) < 0.86


def test_samples_of_one_draw_share_their_parameters():
    glm, X, _ = fitted("gamma-log", n=60)
    y = glm.sample_y(X, 20000, random_state=1)
    law = glm.predict_distribution(X)
    np.testing.assert_allclose(y.mean(axis=1), law.mean(), rtol=0.03)
    np.testing.assert_allclose(y.var(axis=1), law.var(), rtol=0.08)
    m, design = law.mean(), sm.add_constant(X)
    S = design @ glm.inference(*drawn("gamma-log", 60)[:2]).cov_params().to_numpy() @ design.T
    within = glm.dispersion_ * np.sum(m**2 * np.exp(np.diagonal(S)))  # mu is log-normal
    total = within + m @ np.expm1(S) @ m
    assert y.sum(axis=0).var() == pytest.approx(total, rel=0.05)
    assert y.sum(axis=0).var() > 1.5 * law.var().sum()
    np.testing.assert_array_equal(glm.sample_y(X, 3, random_state=1), glm.sample_y(X, 3, 1))


def test_two_classes_in_three_guises():
    X, y, _ = drawn("bernoulli-logit")
    labels = np.where(y > 0, "yes", "no")
    two = DeepGLMClassifier(hidden_layer_sizes=(), store_covariance=True).fit(X, labels)
    counted = fitted("bernoulli-logit")[0]
    softmax = DeepGLMRegressor("multinoulli", hidden_layer_sizes=(), store_covariance=True)
    softmax.fit(X, np.column_stack([1 - y, y]))
    ends = two.predict_interval(X)
    assert ends.shape == (200, 2, 2)
    np.testing.assert_allclose(ends[:, 1], counted.predict_interval(X, kind="mean"), rtol=1e-9)
    np.testing.assert_allclose(ends, softmax.predict_interval(X, kind="mean"), rtol=1e-6)
    np.testing.assert_allclose(1 - ends[:, 0, ::-1], ends[:, 1], rtol=1e-9)
    mean = two.predict_distribution(X).mean()
    np.testing.assert_allclose(softmax.predict_distribution(X).p[:, 1], mean, atol=2e-5)
    assert np.abs(mean - two.predict_proba(X)[:, 1]).max() > 1e-4  # it is an average
    se = softmax.forecast(X).se_mean[:, 1]
    np.testing.assert_allclose(se, counted.forecast(X).se_mean[:, 0], rtol=1e-6)


def test_labels_are_drawn_with_the_predictive_probabilities():
    data = sm.datasets.anes96.load_pandas()
    X, y = (
        data.exog[["age", "income"]].iloc[:300],
        data.endog.iloc[:300].map(dict(enumerate("abcdefg"))),
    )
    glm = DeepGLMClassifier(hidden_layer_sizes=())
    results = glm.fit(X, y).inference(X, y)
    probability = glm.predict_distribution(X[:2], inference=results).p
    labels = glm.sample_y(X[:2], 20000, 0, inference=results)
    shares = (labels[..., None] == glm.classes_).mean(axis=1)
    np.testing.assert_allclose(shares, probability, atol=0.015)
    ends = glm.predict_interval(X, inference=results)
    assert ends.shape == (300, 7, 2)
    inside = glm.predict_proba(X)[..., None]
    assert np.all((ends[..., :1] < inside) & (inside < ends[..., 1:]))


def test_rows_that_the_data_do_not_determine_have_nan():
    X, y, _ = drawn("poisson-log")
    X = np.column_stack([X, X[:, 0]])  # the same column twice
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), store_covariance=True)
    with pytest.warns(RankWarning):
        glm.fit(X, y)
    new = np.array([[0.3, 0.2, 0.3], [0.3, 0.2, 0.9]])
    plain = fitted("poisson-log")[0].predict_interval(new[:1, :2], kind="mean")
    found = glm.predict_interval(new, kind="mean")
    np.testing.assert_allclose(found[0], plain[0], rtol=1e-8)
    assert np.isnan(found[1]).all()
    assert np.isnan(glm.predict_interval(new)[1]).all()
    assert np.isnan(glm.sample_y(new, 2)[1]).all()
    assert np.isnan(glm.predict_distribution(new).mean()[1])


def test_of_a_network_it_is_the_delta_method():
    rng = np.random.default_rng(2)
    X = rng.normal(3.0, 2.0, (40, 2))
    network = Network(Layout((2, 3, 2)), get_activation("tanh"))
    w = rng.normal(size=network.layout.size)
    A = 1e-3 * rng.normal(size=(w.size, 5))
    inputs = standardized(X, np.ones(40))
    estimate = Estimate(
        get_family("poisson"), 1.0, network, inputs, w, root_of(A @ A.T),
        np.zeros((w.size, 0)), np.ones(w.size),
    )  # fmt: skip
    assert estimate.root.shape == (w.size, 5)
    Z, h = inputs.transform(X), 1e-5
    slopes = [
        (network.forward(w + h * a, Z)[1] - network.forward(w - h * a, Z)[1]) / (2 * h) for a in A.T
    ]
    expected = np.sqrt(np.square(slopes).sum(axis=0))
    np.testing.assert_allclose(Forecast(estimate, X).se_eta, expected, rtol=1e-6)
    draws = np.random.default_rng(0).standard_normal((5, 4000))
    np.testing.assert_allclose(estimate.deviations(X, draws).std(axis=2), expected, rtol=0.1)
    table = Forecast(estimate, X, np.full((40, 1), 0.5)).summary_frame()
    assert table.index.names == ["row", "output"]


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_networks_have_predictive_laws_too():
    rng = np.random.default_rng(4)
    X = rng.uniform(-3, 3, (300, 1))
    y = rng.poisson(np.exp(1 + np.sin(X[:, 0])))
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), n_init=10, random_state=0)
    net.set_params(store_covariance=True).fit_for_inference(X, y)
    results = net.inference(X, y)
    expected = results.get_prediction(X)
    ours = net.forecast(X)
    np.testing.assert_allclose(ours.se_eta[:, 0], expected.se_linpred, rtol=1e-9)
    np.testing.assert_allclose(ours.se_mean[:, 0], expected.se_mean, rtol=1e-9)
    ends = net.predict_interval(X, kind="mean", inference=results)
    np.testing.assert_allclose(ends, expected.conf_int(), rtol=1e-9)
    mu, law = net.predict(X), net.predict_distribution(X)
    se = expected.se_linpred
    np.testing.assert_allclose(law.mean(), mu * np.exp(se**2 / 2), rtol=1e-9)
    np.testing.assert_allclose(law.var(), law.mean() + law.mean() ** 2 * np.expm1(se**2), rtol=1e-8)
    covered = law.cdf(y) - law.pmf(y) < 0.975
    assert covered.mean() > 0.94
    robust = net.inference(X, y, cov_type="HC0")
    wider = net.forecast(X, inference=robust).se_eta[:, 0]
    np.testing.assert_allclose(wider, robust.get_prediction(X).se_linpred, rtol=1e-9)


def test_what_is_missing_is_said():
    X, y, _ = drawn("poisson-log")
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    for method in (glm.predict_interval, glm.predict_quantiles, glm.sample_y, glm.forecast):
        with pytest.raises(
            ValueError, match=r"inference=model.inference\(X, y\).*store_covariance"
        ):
            method(X)
    other = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="inference must be that of this fit"):
        glm.predict_interval(X, inference=other.inference(X[:50], y[:50]))
    results = glm.inference(X, y)
    with pytest.raises(ValueError, match="coverage must lie between 0 and 1, but got 95"):
        glm.predict_interval(X, coverage=95, inference=results)
    with pytest.raises(ValueError, match="kind must be"):
        glm.predict_interval(X, kind="both", inference=results)
    with pytest.raises(ValueError, match="quantiles must be"):
        glm.predict_quantiles(X, [0.5, 5], inference=results)
    with pytest.raises(ValueError, match="alpha=0"):
        DeepGLMRegressor("poisson", hidden_layer_sizes=(), alpha=1, store_covariance=True).fit(X, y)
    three = DeepGLMRegressor("normal", hidden_layer_sizes=(), store_covariance=True)
    with pytest.raises(ValueError, match="dispersion is not known"):
        three.fit(X[:3], y[:3]).predict_interval(X)


def test_what_is_kept_survives_pickle_and_frames():
    X, y, _ = drawn("poisson-log")
    X = pd.DataFrame(X, columns=["a", "b"]).assign(time=2.0)
    glm = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(), exposure="time", store_covariance=True
    ).fit(X, y)
    again = pickle.loads(pickle.dumps(glm))
    np.testing.assert_array_equal(again.predict_interval(X), glm.predict_interval(X))
    two = DeepGLMRegressor("poisson", hidden_layer_sizes=(), store_covariance=True)
    assert two.fit(X[["a", "b"]], y[:, None]).predict_interval(X[["a", "b"]]).shape == (200, 1, 2)


@pytest.mark.parametrize("law", ["poisson-log", "bernoulli-logit"])
def test_a_law_without_a_dispersion_is_no_law_of_y_at_another(law):
    """quasi-Poisson: intervals of the mean by sqrt(phi), as statsmodels'; none of observations."""
    X, y, family = drawn(law)
    glm = DeepGLMRegressor(family, hidden_layer_sizes=()).fit(X, y)
    quasi = glm.inference(X, y, dispersion="pearson")
    methods = ("predict_distribution", "predict_interval", "predict_quantiles", "sample_y")
    for method in methods:
        with pytest.raises(ValueError, match=r"has no dispersion.*NegativeBinomial.*kind='mean'"):
            getattr(glm, method)(X, inference=quasi)
    theirs = sm.GLM(y, sm.add_constant(X), family=LAWS[law]).fit(scale="X2", **TIGHT)
    expected = theirs.get_prediction(sm.add_constant(X)).summary_frame()
    found = glm.forecast(X, inference=quasi).summary_frame()
    assert list(found) == list(expected)  # of the mean alone
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    ends = glm.predict_interval(X, kind="mean", inference=quasi)
    np.testing.assert_array_equal(ends, found[["mean_ci_lower", "mean_ci_upper"]])
    one = glm.inference(X, y, dispersion=1.0)  # the law itself
    plain = glm.inference(X, y)
    for method in methods[1:3]:
        np.testing.assert_array_equal(
            getattr(glm, method)(X, inference=one), getattr(glm, method)(X, inference=plain)
        )


def test_neither_is_the_law_of_classes():
    X, y, _ = drawn("bernoulli-logit")
    labels = (y + (X[:, 0] > 0.5)).astype(int)
    glm = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    quasi = glm.inference(X, labels, dispersion=2.0)
    for method in (glm.predict_distribution, glm.sample_y):
        with pytest.raises(ValueError, match="has no dispersion"):
            method(X, inference=quasi)
    plain, wider = (glm.forecast(X, inference=r) for r in (glm.inference(X, labels), quasi))
    np.testing.assert_allclose(wider.se_mean, np.sqrt(2.0) * plain.se_mean, rtol=1e-9)
    assert np.all(np.ptp(glm.predict_interval(X, inference=quasi), axis=2) > 0)


def test_quantile_residuals_of_binomial_counts_are_those_of_the_counts():
    """Whatever phi the inference has: the trials are no dispersion."""
    X, _, _ = drawn("poisson-log")
    rng = np.random.default_rng(3)
    trials = rng.integers(5, 20, len(X))
    ones = rng.binomial(trials, rng.beta(2.0, 2.0, len(X)))
    y = np.column_stack([ones, trials - ones])
    glm = DeepGLMRegressor("binomial", hidden_layer_sizes=()).fit(X, y)
    found = glm.inference(X, y, dispersion="pearson").residuals("quantile", 0)
    np.testing.assert_array_equal(found, glm.inference(X, y).residuals("quantile", 0))
    mu = glm.predict(X)
    low, high = stats.binom.cdf(ones - 1, trials, mu), stats.binom.cdf(ones, trials, mu)
    assert np.all((stats.norm.ppf(low) <= found + 1e-9) & (found <= stats.norm.ppf(high) + 1e-9))


STATES = [0, np.int64(0), np.random.RandomState, np.random.default_rng]


@pytest.mark.parametrize("state", STATES, ids=["int", "int64", "RandomState", "Generator"])
def test_every_random_state_is_taken_everywhere(state):
    glm, X, y = fitted("poisson-log", n=30)
    results = glm.inference(X, y)

    def drawn_by(method):
        return method(random_state=state(7) if callable(state) else state)

    for method in (
        lambda **k: glm.sample_y(X, 3, **k),
        lambda **k: glm.residuals(X, y, kind="quantile", **k),
        lambda **k: results.residuals("quantile", **k),
        lambda **k: glm.predict_distribution(X).rvs(**k),
        lambda **k: nonlinearity_test(glm, X, y, **k).columns,
    ):
        np.testing.assert_array_equal(drawn_by(method), drawn_by(method))
        assert np.isfinite(method(random_state=None)).all()
        with pytest.raises((TypeError, ValueError), match="a RandomState, a Generator or None"):
            method(random_state="seed")
        with pytest.raises((TypeError, ValueError), match="a RandomState, a Generator or None"):
            method(random_state=-1)
    if callable(state):
        one = state(7)
        first, second = (glm.sample_y(X, 3, random_state=one) for _ in range(2))
        assert np.any(first != second)


def test_the_table_of_a_forecast_has_the_labels_of_the_rows():
    X, y, _ = drawn("poisson-log", n=40)
    frame = pd.DataFrame(X, columns=["a", "b"], index=[f"row {i}" for i in range(40)])
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), store_covariance=True).fit(frame, y)
    table = glm.forecast(frame[::-1]).summary_frame()
    assert table.index.tolist() == frame.index[::-1].tolist()
    assert table.loc["row 3", "mean"] == pytest.approx(glm.predict(frame.iloc[[3]])[0])


def test_lists_have_an_index_method_but_no_labels():
    X, y, _ = drawn("poisson-log", n=40)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    results = glm.inference(X.tolist(), y.tolist())
    table = glm.forecast(X.tolist(), inference=results).summary_frame()
    pd.testing.assert_frame_equal(table, glm.forecast(X, inference=results).summary_frame())


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        ("predict_interval", {"coverage": "a"}, ValueError, "coverage must lie .*'a'"),
        ("predict_interval", {"inference": 5}, TypeError, r"model.inference\(X, y\).* a int"),
        ("sample_y", {"n_samples": -1}, ValueError, "integer >= 1, but got -1"),
        ("sample_y", {"n_samples": 2.5}, ValueError, "integer >= 1, but got 2.5"),
    ],
)
def test_options_are_checked(method, options, error, words):
    glm, X, _ = fitted("poisson-log", n=30)
    with pytest.raises(error, match=words):
        getattr(glm, method)(X, **options)
