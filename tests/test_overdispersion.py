"""The prior of a network counts a log-likelihood of overdispersed counts for less."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from families import NegativeBinomial, Poisson, known_families
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import standardized
from glmnet_nn.training.overdispersion import overdispersion


def phi_of(family, X, y, weight=None, offset=None, trials=None):
    weight = np.ones(len(X)) if weight is None else weight
    rows = Rows(X, y.reshape(len(X), -1), weight, offset, trials)
    return overdispersion(rows, standardized(X, weight, keep_binary=True), family)


def counts(n=2000, phi=3.0, seed=0):
    """Counts of variance phi mu."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    mu = np.exp(1.0 + 0.4 * X[:, 0])
    return X, rng.negative_binomial(mu / (phi - 1), 1 / phi).astype(float)


def fletcher(fitted, slope):
    """Pearson's chi^2 / df of statsmodels over 1 + the mean of V'(mu) (y - mu) / V(mu)."""
    model = fitted.model
    s = slope * (model.endog - fitted.fittedvalues) / model.family.variance(fitted.fittedvalues)
    return fitted.pearson_chi2 / fitted.df_resid / (1 + np.average(s, weights=model.freq_weights))


# ------------------------------------------------------------------ estimate


def test_poisson_with_repetitions_and_exposure_is_fletchers_of_statsmodels():
    X, y = counts(300)
    rng = np.random.default_rng(1)
    times, exposure = rng.integers(1, 4, 300).astype(float), rng.uniform(0.5, 2, 300)
    design, offset = sm.add_constant(X), np.log(exposure)
    model = sm.GLM(y, design, sm.families.Poisson(), offset=offset, freq_weights=times)
    expected = fletcher(model.fit(tol=1e-12), 1.0)
    found = phi_of(Poisson(), X, y, times, offset[:, None])
    assert found == pytest.approx(expected, rel=1e-8)
    repeated = (np.repeat(a, times.astype(int), axis=0) for a in (X, y, offset[:, None]))
    X, y, offset = repeated
    assert phi_of(Poisson(), X, y, offset=offset) == pytest.approx(expected, rel=1e-8)


def test_binomial_counts_rows_not_trials():
    data = sm.datasets.star98.load_pandas()
    exog, endog = data.exog.to_numpy(), data.endog.to_numpy()
    fitted = sm.GLM(endog, sm.add_constant(exog), sm.families.Binomial()).fit(tol=1e-12)
    trials = endog.sum(axis=1)
    mu = fitted.fittedvalues
    s = (1 - 2 * mu) * (endog[:, 0] / trials - mu) / (mu * (1 - mu))
    expected = fitted.pearson_chi2 / fitted.df_resid / (1 + s.mean())
    assert expected > 10
    model = DeepGLMRegressor("binomial", hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    model.fit(exog, endog)
    np.testing.assert_allclose(model.alpha_, 10 * expected / trials.sum(), rtol=1e-6)
    absent = np.r_[np.ones(300), np.zeros(3)]  # no row that is absent has trials either
    part = model.fit(exog, endog, sample_weight=absent).alpha_
    np.testing.assert_allclose(part, model.fit(exog[:300], endog[:300]).alpha_, rtol=1e-12)


def test_rates_weighted_by_exposure_are_the_counts():
    X, y = counts(300)
    exposure = np.random.default_rng(1).uniform(0.1, 1.0, 300)
    found = phi_of(Poisson(), X, y, offset=np.log(exposure)[:, None])
    assert phi_of(Poisson(), X, y / exposure, exposure) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize("phi", [1.5, 4.0])
def test_it_finds_the_phi_that_counts_were_drawn_with(phi):
    X, y = counts(20_000, phi)
    assert phi_of(Poisson(), X, y) == pytest.approx(phi, rel=0.05)


def test_sparse_counts_do_not_drive_it():
    """Where mu is .001, one claim has a squared Pearson residual of 1,000."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 1))
    y = rng.poisson(np.exp(-6 + 1.5 * X[:, 0])).astype(float)
    y[np.argmin(X[:, 0])] = 1.0
    fitted = sm.GLM(y, sm.add_constant(X), sm.families.Poisson()).fit()
    assert fitted.pearson_chi2 / fitted.df_resid > 2
    assert phi_of(Poisson(), X, y) < 1.2


def test_many_rows_are_sampled():
    X, y = counts(60_000)
    found = phi_of(Poisson(), X, y)
    assert found == pytest.approx(3.0, rel=0.1)
    assert found == phi_of(Poisson(), X, y)


def test_it_is_1_where_nothing_tells():
    X, y = counts(3)
    assert phi_of(Poisson(), X, y) == 1.0  # as many coefficients as rows
    assert phi_of(Poisson(), np.c_[X, X, X], y) == 1.0
    X, y = counts(500)
    assert phi_of(NegativeBinomial(alpha=100.0), X, y) == 1.0  # underdispersed
    doubled = phi_of(Poisson(), np.c_[X, X[:, :1], np.ones(500)], y)
    assert doubled == pytest.approx(phi_of(Poisson(), X, y), rel=1e-9)  # rank, not columns


def test_an_indicator_cannot_be_overdispersed():
    names = {law.name for law in known_families() if not law.may_be_overdispersed}
    assert names == {"bernoulli", "multinoulli"}
    X, y = counts(200)
    model = DeepGLMClassifier(hidden_layer_sizes=(2,), max_iter=1, random_state=0).fit(X, y > 2)
    assert model.alpha_ == [10 / 200] * 2


# --------------------------------------------------------------------- prior


def test_the_prior_is_that_of_the_quasi_likelihood():
    X, y = counts()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    phi = phi_of(Poisson(), X, y)
    assert phi > 2.5
    np.testing.assert_allclose(model.fit(X, y).alpha_, 10 * phi / len(y), rtol=1e-9)
    assert DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y).alpha_ == [0.0]


def test_school_districts_are_predicted_as_well_as_by_the_glm():
    """Full training under a prior for pure binomial counts was five times as bad."""
    data = sm.datasets.star98.load_pandas()
    X, y = data.exog.to_numpy(), data.endog.to_numpy()
    loss = {}
    for seed in range(
        2
    ):  # ten folds, twice shuffled, as in docs/tables.md: one district weighs much
        fold = np.random.default_rng(seed).permutation(len(X)) % 10
        for hidden in ((), (32, 16)):
            for k in range(10):
                model = DeepGLMRegressor("binomial", hidden_layer_sizes=hidden, random_state=0)
                model.fit(X[fold != k], y[fold != k])
                trials = y[fold == k].sum(axis=1)
                found = model.family_.divergence(
                    (y[fold == k, 0] / trials)[:, None], model.predict(X[fold == k])[:, None]
                )
                loss[hidden] = loss.get(hidden, 0.0) + float(trials @ found[:, 0])
    assert loss[32, 16] < 1.15 * loss[()]
