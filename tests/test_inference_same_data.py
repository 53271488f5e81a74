"""inference() belongs to the data of the fit, lr_test() to two fits of the same data."""

import warnings

import numpy as np
import pandas as pd
import pytest

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, InferenceWarning, SeparationWarning


def poisson(**options):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), **options)


def counts(n=200):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(size=n)})
    y = rng.poisson(np.exp(0.3 + 0.5 * X["a"])).astype(float)
    return X, y, rng.integers(1, 4, n).astype(float), rng.uniform(1, 2, n)


@pytest.mark.parametrize("bias_reduction", [False, True])
def test_other_data_than_those_of_the_fit_are_noticed(bias_reduction):
    X, y, w, time = counts()
    plain = poisson(bias_reduction=bias_reduction).fit(X, y)
    full = poisson(bias_reduction=bias_reduction).fit(X, y, w, exposure=time)
    cases = [
        (plain, (X, y[::-1]), {}),
        (plain, (X[:5], y[:5]), {}),
        (plain, (X, y, w), {}),
        (full, (X, y), {"exposure": time}),
        (full, (X, y, w), {}),
    ]
    for model, data, known in cases:
        with pytest.warns(InferenceWarning, match="not seem to be the data of the fit") as found:
            model.inference(*data, **known)
        assert len(found) == 1


def test_the_decrement_is_the_score_test_of_the_estimates_at_these_rows():
    X, y, _, _ = counts()
    model, other = poisson().fit(X, y), y[::-1]
    D, mu = np.column_stack([np.ones(200), X]), model.predict(X)
    score = D.T @ (other - mu)
    decrement = score @ np.linalg.solve(D.T @ (D * mu[:, None]), score)
    with pytest.warns(InferenceWarning, match=f"is {decrement:.3g}, above"):
        model.inference(X, other)


@pytest.mark.parametrize("weight_type", ["freq", "var", "prob"])
def test_the_data_of_the_fit_are_recognised(weight_type):
    """Warnings are errors here. Weights that are multiplied, or repeated rows, are no others."""
    X, y, w, time = counts()
    for bias_reduction in (False, True):
        model = poisson(bias_reduction=bias_reduction).fit(X, y, w, exposure=time)
        model.inference(X, y, w, exposure=time, weight_type=weight_type)
    model = poisson().fit(X, y, w)
    model.inference(X, y, 3 * w, weight_type=weight_type)
    order = np.repeat(np.arange(200), w.astype(int))[::-1]
    model.inference(X.iloc[order], y[order])
    label = (X["a"] + 0.3 * X["b"] > 0.2).astype(int)
    label[0] = 1 - label[0]
    X["alone"] = np.arange(200.0) == 3  # separated
    with pytest.warns(SeparationWarning):
        model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, label)
    model.inference(X, label)


def test_likelihoods_of_different_data_are_not_compared():
    X, y, w, time = counts()
    full = poisson().fit(X, y).inference(X, y)

    def restricted(columns, y=y, w=None, **known):
        columns = X[columns] if isinstance(columns, list) else columns
        weight_type = known.pop("weight_type", "freq")
        model = poisson().fit(columns, y, w, **known)
        return model.inference(columns, y, w, weight_type=weight_type, **known)

    refused = [
        (restricted(["a"], y[::-1]), "the y of the restricted"),
        (restricted(["a"], w=w), "the weights of the restricted"),
        (restricted(["a"], weight_type="var"), "the weight_type of the restricted"),
        (restricted(["a"], exposure=time), "no linear combinations"),
        (restricted(time[:, None]), "no linear combinations"),
    ]
    for other, message in refused:
        with pytest.raises(ValueError, match=message):
            full.lr_test(other)
    for other in (5, None):
        with pytest.raises(TypeError, match="takes what inference"):
            full.lr_test(other)


def test_what_is_nested_in_other_words_is_compared():
    X, y, _, _ = counts()
    full = poisson().fit(X, y).inference(X, y)
    offset = 0.5 * X["a"]  # a = 0.5 is a hypothesis on this model
    held = poisson().fit(X[["b"]], y, offset=offset).inference(X[["b"]], y, offset=offset)
    test = full.lr_test(held)
    wald = full.wald_test("a = 0.5")
    assert test.df_num == 1
    assert test.statistic == pytest.approx(held.deviance - full.deviance)
    assert test.statistic == pytest.approx(wald.statistic, rel=0.1)
    total = (X["a"] - X["b"]).to_numpy()[:, None]
    equal = poisson().fit(total, y).inference(total, y)
    assert full.lr_test(equal).statistic == pytest.approx(equal.deviance - full.deviance)


def test_names_that_tell_two_coefficients_apart_are_asked_for():
    X, y, _, _ = counts()
    named = X.rename(columns={"a": "Intercept"})
    with pytest.raises(ValueError, match=r"\['Intercept'\] occur more than once"):
        poisson().fit(named, y).inference(named, y)
    results = poisson(fit_intercept=False).fit(named, y).inference(named, y)
    assert list(results.params.index) == ["Intercept", "b"]


def test_a_fit_without_residuals_says_that_its_errors_mean_nothing():
    X, _, _, _ = counts()
    exact = (2 * X["a"] - X["b"] + 1, np.full(200, 3.0), np.zeros(200))
    for y in exact:
        model = DeepGLMRegressor(hidden_layer_sizes=()).fit(X, y)
        with pytest.warns(InferenceWarning, match="reproduces y exactly") as found:
            results = model.inference(X, y)
        assert len(found) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(results.tvalues["a"])
        assert results.pvalues.isna().all()
        assert len(results.t_test("a = 0").summary_frame()) == 1
        assert np.isnan(results.get_margeff().tvalues).all()
        assert results.get_influence().summary_frame()["cooks_d"].isna().all()
        str(results.summary())
    with pytest.raises(ValueError, match="leaves no residuals"):
        results.wald_test("a = 0, b = 0")
