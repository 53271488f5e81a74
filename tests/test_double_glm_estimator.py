"""DoubleGLMRegressor as its users meet it: networks, columns, laws of new observations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from glmnet_nn import (
    DeepGLMRegressor,
    DoubleGLMRegressor,
    Gamma,
    Tweedie,
    load_model,
    save_model,
)


def glm(family="normal", **parameters):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **parameters)


def net(family="normal", **parameters):
    return DeepGLMRegressor(
        family, **{"hidden_layer_sizes": (8,), "solver": "lbfgs", "random_state": 0, **parameters}
    )


def curved(n, seed, law=None):
    """Rows whose mean and dispersion bend with x; the law is Normal, or the one given."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    eta, phi = np.sin(2 * X[:, 0]) + X[:, 1] / 2, np.exp(-1.5 + 1.2 * np.cos(X[:, 0] - 1))
    if law is None:
        return X, eta + np.sqrt(phi) * rng.standard_normal(n), phi
    return X, law.sample(law.mean(0.5 * eta), phi, rng), phi


# ------------------------------------------------------------------ networks


@pytest.fixture(scope="module")
def double_net():
    X, y, _ = curved(1500, 0)
    return DoubleGLMRegressor(net()).fit(X, y)


def test_a_network_finds_both_curves(double_net):
    X, y, phi = curved(4000, 1)
    assert double_net.converged_
    assert double_net.n_iter_ <= 15
    found = np.log(double_net.predict_dispersion(X))
    assert np.corrcoef(found, np.log(phi))[0, 1] > 0.9
    assert abs(np.mean(found - np.log(phi))) < 0.1
    single = net().fit(*curved(1500, 0)[:2])
    of_one = stats.norm.logpdf(y, single.predict(X), np.sqrt(single.dispersion_)).sum()
    assert double_net.log_likelihood(X, y) > of_one + 0.1 * len(y)


def test_intervals_of_a_network_cover_everywhere(double_net):
    X, y, phi = curved(8000, 2)
    low, high = double_net.predict_interval(X, coverage=0.8).T
    inside = (low <= y) & (y <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    for part in np.array_split(np.argsort(phi), 4):  # not too wide here and too narrow there
        assert inside[part].mean() == pytest.approx(0.8, abs=0.07)


def test_the_prior_of_both_has_precision_ten_on_the_joint_log_likelihood():
    X, y, _ = curved(150, 3)
    double = DoubleGLMRegressor(net(), method="ml", tol=1e-3).fit(X, y)
    precision = 1.0 / double.predict_dispersion(X)
    first, output = np.array(double.mean_.alpha_) * precision.sum()
    assert first == pytest.approx(10.0, rel=1e-3)
    assert output == pytest.approx(10.0 / y.var(), rel=1e-3)  # of weights in the unit of y
    np.testing.assert_allclose(np.array(double.dispersion_model_.alpha_) * len(y) / 2, 10.0)
    assert double.mean_.alpha == double.dispersion_model_.alpha == "auto"  # as it was given


def test_a_network_frees_the_dispersion_of_what_its_mean_has_taken():
    """REML by effective degrees of freedom: of pure noise, phi is the variance."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(3):
        X, y = rng.uniform(-2, 2, (60, 4)), rng.standard_normal(60)
        ml, reml = (DoubleGLMRegressor(net(), method=m).fit(X, y) for m in ("ml", "reml"))
        ratios.append([d.predict_dispersion(X).mean() / y.var() for d in (ml, reml)])
    ml, reml = np.mean(ratios, axis=0)
    assert ml < 0.94 < reml < 1.1


def test_adam_makes_three_rounds():
    X, y, phi = curved(3000, 4)
    double = DoubleGLMRegressor(net(solver="adam")).fit(X, y)
    assert double.n_iter_ == 3
    assert double.converged_
    assert np.corrcoef(np.log(double.predict_dispersion(X)), np.log(phi))[0, 1] > 0.9
    repeated = DoubleGLMRegressor(net(solver="adam")).fit(X, y)
    np.testing.assert_array_equal(repeated.predict_dispersion(X), double.predict_dispersion(X))


def test_either_model_may_be_a_glm():
    X, y, _ = curved(400, 5)
    straight = DoubleGLMRegressor(net(), glm("gamma", link="log")).fit(X, y)
    assert straight.dispersion_model_.coef_.shape == (2,)
    bent = DoubleGLMRegressor(glm(), net("gamma", link="log")).fit(X, y)
    assert bent.mean_.coef_.shape == (2,)
    assert straight.log_likelihood(X, y) != bent.log_likelihood(X, y)


@pytest.mark.parametrize("law", [Gamma("log"), Tweedie("log", power=1.5)], ids=repr)
def test_networks_of_other_laws(law):
    X, y, phi = curved(400, 6, law)
    double = DoubleGLMRegressor(net(law), random_state=1).fit(X, y)
    assert double.converged_
    new, observed, _ = curved(3000, 7, law)
    assert np.corrcoef(np.log(double.predict_dispersion(X)), np.log(phi))[0, 1] > 0.7
    low, high = double.predict_interval(new, coverage=0.9).T
    assert np.mean((low <= observed) & (observed <= high)) == pytest.approx(0.9, abs=0.05)


# ------------------------------------------------------------------- columns


@pytest.fixture(scope="module")
def claims():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(-1, 1, (200, 3)), columns=["a", "b", "c"])
    exposure = rng.uniform(0.2, 2.0, 200)
    mu = exposure * np.exp(0.3 + frame["a"] - 0.5 * frame["b"])
    law = Gamma("log")
    return frame, law.sample(mu.to_numpy(), np.exp(-1 + frame["c"].to_numpy()), rng), exposure


def test_exposure_and_offset_belong_to_the_mean(claims):
    frame, y, exposure = claims
    model = glm(Gamma("log"))
    double = DoubleGLMRegressor(model).fit(frame, y, exposure=exposure)
    same = DoubleGLMRegressor(model).fit(frame, y, offset=np.log(exposure))
    named = DoubleGLMRegressor(glm(Gamma("log"), exposure="e")).fit(frame.assign(e=exposure), y)
    for other in (same, named):
        np.testing.assert_allclose(other.mean_.coef_, double.mean_.coef_, rtol=1e-7)
    np.testing.assert_allclose(
        double.predict(frame, exposure=exposure), exposure * double.predict(frame)
    )
    np.testing.assert_allclose(
        named.predict(frame.assign(e=exposure)), double.predict(frame, exposure=exposure), rtol=1e-7
    )
    np.testing.assert_array_equal(named.feature_names_in_, ["a", "b", "c"])
    assert 0.2 < double.score(frame, y, exposure=exposure) < 1.0
    assert named.score(frame.assign(e=exposure), y) == pytest.approx(
        double.score(frame, y, exposure=exposure)
    )


def test_the_dispersion_may_have_an_offset_of_its_own(claims):
    frame, y, exposure = claims
    weight = 1.0 / exposure
    by_weight = DoubleGLMRegressor(glm(Gamma("log")), weight_type="var").fit(frame, y, weight)
    dispersion = glm("gamma", link="log", exposure="e")  # phi / w = phi exposure
    by_offset = DoubleGLMRegressor(glm(Gamma("log")), dispersion).fit(frame.assign(e=exposure), y)
    np.testing.assert_allclose(
        by_offset.dispersion_model_.coef_, by_weight.dispersion_model_.coef_, rtol=1e-5
    )
    np.testing.assert_allclose(
        by_offset.predict_dispersion(frame.assign(e=exposure)),
        by_weight.predict_dispersion(frame) * exposure,
        rtol=1e-5,
    )


def test_each_model_has_its_features(claims):
    frame, y, _ = claims
    model = DoubleGLMRegressor(
        glm(Gamma("log")), mean_features=["a", "b"], dispersion_features=["c"]
    )
    double = model.fit(frame, y)
    numbered = clone(model).set_params(mean_features=[0, 1], dispersion_features=[2])
    numbered.fit(frame.to_numpy(), y)
    np.testing.assert_allclose(numbered.mean_.coef_, double.mean_.coef_)
    assert double.n_features_in_ == 3
    names = double.inference(frame, y).params.index
    assert names.tolist() == [
        *(("mean", name) for name in ("Intercept", "a", "b")),
        *(("dispersion", name) for name in ("Intercept", "c")),
    ]
    shuffled = frame[["c", "a", "b"]]
    with pytest.raises(ValueError, match="feature names"):
        double.predict(shuffled)


# --------------------------------------------------------- laws, scores, tests


def test_predictive_laws(claims):
    frame, y, _ = claims
    double = DoubleGLMRegressor(glm(Gamma("log"))).fit(frame, y)
    mu, phi = double.predict(frame), double.predict_dispersion(frame)
    law = double.predict_distribution(frame)
    np.testing.assert_allclose(law.mean(), mu)
    np.testing.assert_allclose(law.var(), phi * mu**2)
    ends = double.predict_interval(frame, coverage=0.9)
    np.testing.assert_allclose(double.predict_quantiles(frame, [0.05, 0.95]), ends)
    np.testing.assert_allclose(law.cdf(ends.T[1]) - law.cdf(ends.T[0]), 0.9)
    draws = double.sample_y(frame, 4000, random_state=0)
    assert draws.shape == (200, 4000)
    np.testing.assert_allclose(draws.var(axis=1), law.var(), rtol=0.5)
    assert double.log_likelihood(frame, y) == pytest.approx(law.logpdf(y).sum())
    z = double.residuals(frame, y)
    assert stats.kstest(z, "norm").pvalue > 0.05
    pearson = double.residuals(frame, y, kind="pearson")
    np.testing.assert_allclose(pearson, (y - mu) / np.sqrt(law.var()))
    plain = double.residuals(frame, y, kind="response")
    np.testing.assert_allclose(plain, y - mu)


def test_a_file_without_code_holds_both_models(claims, tmp_path):
    frame, y, exposure = claims
    model = DoubleGLMRegressor(glm(Gamma("log"), exposure="e"), dispersion_features=["c"])
    double = model.fit(frame.assign(e=exposure), y)
    save_model(double, tmp_path / "double.zip")
    loaded = load_model(tmp_path / "double.zip")
    new = frame.assign(e=2.0)
    np.testing.assert_array_equal(loaded.predict(new), double.predict(new))
    np.testing.assert_array_equal(loaded.predict_interval(new), double.predict_interval(new))


def test_inference_has_the_joint_criteria(claims):
    frame, y, _ = claims
    model = DoubleGLMRegressor(glm(Gamma("log")), method="ml", dispersion_features=["c"])
    small = model.fit(frame, y).inference(frame, y)
    wide = clone(model).set_params(dispersion_features=["b", "c"])
    large = wide.fit(frame, y).inference(frame, y)
    test = large.lr_test(small)
    assert test.df_num == 1
    assert test.statistic == pytest.approx(2 * (large.llf - small.llf))
    wald = large.dispersion.wald_test("b = 0")
    assert test.statistic == pytest.approx(wald.statistic, abs=0.3)
    assert small.aic == pytest.approx(-2 * small.llf + 2 * 6)
    assert small.bic == pytest.approx(-2 * small.llf + 6 * np.log(200))
    text = small.summary().as_text()
    assert "dispersion, log phi" in text
    half = stats.norm.ppf(0.975) * small.bse
    np.testing.assert_allclose(small.conf_int()[1], small.params + half)
    for name in ("llf", "llnull", "aic", "bic"):
        with pytest.raises(AttributeError, match="both"):
            getattr(small.mean, name)


def test_log_likelihood_chooses_the_model_of_the_dispersion(claims):
    frame, y, _ = claims

    def log_score(model, X, y):
        return model.log_likelihood(X, y) / len(y)

    search = GridSearchCV(
        DoubleGLMRegressor(glm(Gamma("log"))),
        {"dispersion_features": [["a"], ["c"]]},
        scoring=log_score,
        cv=2,
    ).fit(frame, y)
    assert search.best_params_ == {"dispersion_features": ["c"]}


# -------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (DoubleGLMRegressor(glm("poisson")), "law with a dispersion"),
        (DoubleGLMRegressor(glm(Tweedie("log", power="estimate"))), "unknown power"),
        (DoubleGLMRegressor(glm(), glm("gamma")), "Gamma model with log link"),
        (DoubleGLMRegressor(glm(), glm("poisson")), "Gamma model with log link"),
        (DoubleGLMRegressor(net(l1_ratio=0.5)), "l1_ratio=0.5"),
        (DoubleGLMRegressor(net(n_estimators=3)), "mean must be one model"),
        (DoubleGLMRegressor(net(), net("gamma", link="log", base=glm())), "dispersion must be one"),
        (DoubleGLMRegressor(glm("gamma")), "y > 0"),
        (DoubleGLMRegressor(glm(), mean_features=["no"]), "column"),
        (DoubleGLMRegressor(glm(), method="map"), "method"),
        (DoubleGLMRegressor("normal"), "mean"),
    ],
)
def test_what_is_refused(model, message):
    X, y, _ = curved(30, 0)
    frame = pd.DataFrame(X, columns=["a", "b"])
    with pytest.raises(ValueError, match=message):
        model.fit(frame, y)


def test_inference_is_of_models_without_hidden_layers(double_net):
    with pytest.raises(ValueError, match="hidden layers"):
        double_net.inference(*curved(60, 0)[:2])


def test_restricted_likelihoods_do_not_compare(claims):
    frame, y, _ = claims
    results = DoubleGLMRegressor(glm(Gamma("log"))).fit(frame, y).inference(frame, y)
    with pytest.raises(ValueError, match="method='ml'"):
        results.lr_test(results)
