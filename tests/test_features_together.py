"""Counts, estimated laws, bias reduction and offset columns where inference and scores meet."""

import numpy as np
import pandas as pd
import pytest

from families import Binomial, NegativeBinomial
from glmnet_nn import (
    DeepGLMRegressor,
    InferenceWarning,
    compare,
    deviance_scorer,
    nonlinearity_test,
    to_statsmodels,
)


def counts(n=300, seed=0):
    """Counts of successes and failures by a network of two units."""
    rng = np.random.default_rng(seed)
    X, trials = rng.normal(size=(n, 2)), rng.integers(5, 40, n)
    eta = 0.4 + np.tanh(X @ [1.5, -0.7]) - 1.2 * np.tanh(X @ [0.4, 1.3] - 0.5)
    successes = rng.binomial(trials, 1 / (1 + np.exp(-eta)))
    return X, np.column_stack([successes, trials - successes]).astype(float)


def test_network_on_counts_is_one_on_shares_with_trials_as_precisions():
    X, y = counts()
    trials = y.sum(axis=1)
    model = DeepGLMRegressor(Binomial(), hidden_layer_sizes=(2,), random_state=0)
    ours = model.fit_for_inference(X, y).inference(X, y)
    model.fit_for_inference(X, y[:, 0] / trials, sample_weight=trials)
    shares = model.inference(X, y[:, 0] / trials, sample_weight=trials, weight_type="var")
    assert ours.nobs == shares.nobs == len(X)
    for name in ("llf", "aic", "bic", "deviance", "n_parameters"):
        assert getattr(ours, name) == pytest.approx(getattr(shares, name), rel=1e-9)
    for one, two in zip(
        (ours.get_prediction().se_mean, ours.average_partial_effects("population").margeff_se),
        (shares.get_prediction().se_mean, shares.average_partial_effects("population").margeff_se),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, rtol=1e-9)


def overdispersed(n=400):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 2))
    mu = np.exp(0.8 + np.tanh(1.5 * X[:, 0] - X[:, 1]) - 0.9 * np.tanh(X[:, 1]))
    return X, rng.negative_binomial(2.0, 2.0 / (2.0 + mu))


def test_estimated_alpha_of_a_network_counts_in_its_criteria():
    X, y = overdispersed()
    model = DeepGLMRegressor(
        NegativeBinomial("log", alpha="estimate"), hidden_layer_sizes=(2,), random_state=0
    )
    with pytest.raises(ValueError, match="takes alpha of NegativeBinomial as known"):
        model.fit_for_inference(X, y)
    with pytest.warns(InferenceWarning):
        results = model.fit(X, y).inference(X, y)
    assert model.law_estimate_.value == model.family_.alpha
    extra = 1 + results.n_parameters
    assert results.aic == pytest.approx(-2 * results.llf + 2 * extra)
    assert results.bic == pytest.approx(-2 * results.llf + np.log(len(X)) * extra)


def test_comparison_asks_which_law_and_which_response():
    X, y = overdispersed()
    models = {
        "free": DeepGLMRegressor(NegativeBinomial("log", alpha="estimate"), hidden_layer_sizes=()),
        "poisson": DeepGLMRegressor("poisson", hidden_layer_sizes=()),
    }
    with pytest.raises(ValueError, match=r"family=NegativeBinomial\(.*alpha=1.0"):
        compare({"free": models["free"]}, X, y)
    found = compare(models, X, y, family=NegativeBinomial("log", alpha=0.5))
    assert found.table.loc["free", "aic"] < found.table.loc["poisson", "aic"]
    X, y = counts()
    with pytest.raises(ValueError, match="trials as sample_weight"):
        compare([DeepGLMRegressor(Binomial(), hidden_layer_sizes=())], X, y)


def test_deviance_of_counts_is_that_of_shares_with_trials_as_weights():
    X, y = counts()
    trials = y.sum(axis=1)
    model = DeepGLMRegressor(Binomial(), hidden_layer_sizes=()).fit(X, y)
    on_counts = deviance_scorer(model, X, y)
    assert on_counts == pytest.approx(
        deviance_scorer(model, X, y[:, 0] / trials, sample_weight=trials), rel=1e-12
    )
    assert on_counts == pytest.approx(-model.deviance_ / trials.sum(), rel=1e-9)


def test_intervals_of_bias_reduced_counts_come_from_their_information():
    X, y = counts()
    options = {"hidden_layer_sizes": (), "bias_reduction": True}
    kept = DeepGLMRegressor(Binomial(), store_covariance=True, **options).fit(X, y)
    asked = DeepGLMRegressor(Binomial(), **options).fit(X, y)
    results = asked.inference(X, y)
    np.testing.assert_allclose(
        kept.predict_interval(X, kind="mean"),
        asked.predict_interval(X, kind="mean", inference=results),
        rtol=1e-9,
    )
    with pytest.raises(ValueError, match="bias-reduced"):
        nonlinearity_test(asked, X, y)


def test_offset_columns_reach_statsmodels():
    X, y = overdispersed()
    exposure = np.random.default_rng(2).uniform(0.5, 2.0, len(y))
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "time": exposure})
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), exposure="time").fit(frame, y)
    np.testing.assert_allclose(
        to_statsmodels(model, frame, y).bse, model.inference(frame, y).bse, rtol=1e-8
    )
