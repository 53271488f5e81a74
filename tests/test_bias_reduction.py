"""bias_reduction=True: published values, Jeffreys' prior, closed forms, finite estimates."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.exceptions import ConvergenceWarning
from statsmodels.genmod.families import links as theirs
from test_families_reference import links, slope

from families import Bernoulli, NegativeBinomial, Poisson
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor

# NV, PI, EH and HG of 79 cases of endometrial cancer: Heinze and Schemper (2002); Agresti (2015).
ENDOMETRIAL = """
0 13 1.64 0  0 16 2.26 0  0 8 3.14 0  0 34 2.68 0  0 20 1.28 0  0 5 2.31 0  0 17 1.80 0
0 10 1.68 0  0 26 1.56 0  0 17 2.31 0  0 8 2.01 0  0 7 1.89 0  0 20 3.15 0  0 10 1.23 0
0 18 1.27 0  0 16 1.76 0  0 18 2.00 0  0 8 2.64 1  0 29 0.88 1  0 12 1.27 1  0 20 1.37 1
1 38 0.97 1  1 22 1.14 1  1 7 0.88 1  1 25 0.91 1  1 15 0.58 1  0 7 0.97 1  0 28 1.50 0
0 11 1.33 0  0 19 2.37 0  0 10 1.82 0  0 10 3.13 0  0 18 1.31 0  0 14 1.92 0  0 21 1.64 0
0 11 2.01 0  0 17 1.88 0  0 25 1.93 0  0 16 2.11 0  0 19 1.29 0  0 15 1.72 0  0 33 0.75 0
0 24 1.92 0  0 48 1.84 1  0 12 1.11 1  0 19 1.61 1  0 2 1.18 1  1 22 1.44 1  1 40 1.18 1
1 5 0.93 1  1 0 1.17 1  0 21 1.19 1  0 15 1.06 1  0 29 2.02 0  0 15 2.29 0  0 12 2.33 0
0 3 2.90 0  0 20 1.70 0  0 23 1.41 0  0 12 2.25 0  0 22 1.54 0  0 42 1.97 0  0 15 1.75 0
0 13 2.16 0  0 14 2.57 0  0 19 1.37 0  0 12 3.61 0  0 13 2.04 0  0 10 2.17 0  0 12 1.69 1
1 49 0.27 1  0 6 1.84 1  0 5 1.30 1  0 17 0.96 1  1 11 1.01 1  1 21 0.98 1  0 5 0.35 1
1 19 1.02 1  0 33 0.85 1
"""
*COLUMNS, Y = np.array(ENDOMETRIAL.split(), dtype=float).reshape(-1, 4).T
X = np.column_stack(COLUMNS)


def firth(X, y, family=None, **asked):
    model = DeepGLMClassifier if family is None else DeepGLMRegressor
    asked = asked if family is None else {"family": family, **asked}
    weight = asked.pop("sample_weight", None)
    model = model(hidden_layer_sizes=(), bias_reduction=True, **asked)
    return model.fit(X, y, sample_weight=weight)


def test_endometrial_data_as_brglm2_prints_them():
    """summary(glm(HG ~ NV + PI + EH, binomial, method = "brglm_fit")), from brglm2's README."""
    results = firth(X, Y).inference(X, Y)
    assert [f"{b:.5f}" for b in results.params] == ["3.77456", "2.92927", "-0.03475", "-2.60416"]
    assert [f"{s:.5f}" for s in results.bse] == ["1.48869", "1.55076", "0.03958", "0.77602"]
    assert [f"{z:.3f}" for z in results.tvalues] == ["2.535", "1.889", "-0.878", "-3.356"]
    assert f"{results.deviance:.3f} {results.null_deviance:.3f}" == "56.575 104.903"
    assert f"{results.aic:.3f}" == "64.575"


# ------------------------------------------------------- the adjusted score


def adjusted_score(X, y, beta, link, variance):
    """Kosmidis and Firth (2009), with links and their derivatives as statsmodels has them."""
    Z = sm.add_constant(X)
    eta = Z @ beta
    mu, d1, d2 = link.inverse(eta), link.inverse_deriv(eta), link.inverse_deriv2(eta)
    W = d1**2 / variance(mu)
    F = Z.T @ (W[:, None] * Z)
    leverage = W * np.einsum("ij,jk,ik->i", Z, np.linalg.inv(F), Z)
    return Z.T @ ((y - mu) * d1 / variance(mu) + 0.5 * leverage * d2 / d1), F


def binary(mu):
    return mu * (1 - mu)


GLMS = {
    "bernoulli-logit": (Bernoulli(), theirs.Logit(), binary),
    "bernoulli-probit": (Bernoulli("probit"), theirs.Probit(), binary),
    "bernoulli-cloglog": (Bernoulli("cloglog"), theirs.CLogLog(), binary),
    "bernoulli-loglog": (Bernoulli("loglog"), theirs.LogLog(), binary),
    "bernoulli-cauchit": (Bernoulli("cauchit"), theirs.Cauchy(), binary),
    "poisson-log": (Poisson(), theirs.Log(), lambda mu: mu),
    "poisson-sqrt": (Poisson("sqrt"), theirs.Sqrt(), lambda mu: mu),
    "negative-binomial": (
        NegativeBinomial(alpha=0.5, link="log"), theirs.Log(), lambda mu: mu + 0.5 * mu**2
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GLMS)
def test_adjusted_score_vanishes_for_every_link(name):
    family, link, variance = GLMS[name]
    y = Y if name.startswith("bernoulli") else np.random.default_rng(0).poisson(2 + 3 * Y)
    model = firth(X, y, family)
    score, F = adjusted_score(X, y, np.r_[model.intercept_, model.coef_], link, variance)
    assert np.sqrt(score @ np.linalg.solve(F, score)) < 1e-8
    assert model.converged_


@pytest.mark.parametrize("name", ["bernoulli-logit", "bernoulli-probit", "poisson-log"])
@pytest.mark.parametrize("n", [500, 5000])
def test_many_rows_are_no_way_around_the_adjustment(name, n):
    """Maximum likelihood estimates of as many rows come by way of a sample of them."""
    family, link, variance = GLMS[name]
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 3))
    mu = family.mean(-1.0 + 0.5 * X[:, :1])
    y = family.sample(mu, 1.0, rng)[:, 0]

    def off(model):
        b = np.r_[model.intercept_, model.coef_]
        score, F = adjusted_score(X, y, b, link, variance)
        return np.sqrt(score @ np.linalg.solve(F, score))

    assert off(firth(X, y, family)) < 1e-8
    assert off(DeepGLMRegressor(family, hidden_layer_sizes=()).fit(X, y)) > 1e-3


@links
def test_relative_curvature_is_the_derivative_of_the_logarithm_of_the_slope(link):
    if link.name == "softmax":
        return
    eta = np.array([0.3, 0.9, 1.8, -0.4, -2.5])
    eta = eta[(eta > link.image.low) & (eta < link.image.high)]
    numeric = slope(lambda e: np.log(np.abs(link.inverse_slope(e))), eta)
    np.testing.assert_allclose(link.relative_curvature(eta), numeric, rtol=1e-8, atol=1e-9)


# ----------------------------------------------------------- Jeffreys' prior


def steepness(likelihood, params):
    """The largest slope of l + log|F| / 2, in standard errors; statsmodels' l and F = -H."""

    def penalised(b):
        F = -likelihood.hessian(b)
        return likelihood.loglike(b) + 0.5 * np.linalg.slogdet(F)[1]

    gradient = [
        (penalised(params + step) - penalised(params - step)) / 2e-5
        for step in 1e-5 * np.eye(len(params))
    ]
    F = -likelihood.hessian(params)
    return np.sqrt(gradient @ np.linalg.solve(F, gradient))


def test_jeffreys_prior_is_maximised_by_poisson():
    data = sm.datasets.randhie.load_pandas()
    rows = slice(0, 400)
    design, counts = data.exog.to_numpy()[rows, :4], data.endog.to_numpy()[rows]
    model = firth(design, counts, "poisson")
    params = np.r_[model.intercept_, model.coef_]
    assert steepness(sm.Poisson(counts, sm.add_constant(design)), params) < 1e-6
    unadjusted = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(design, counts)
    off = np.r_[unadjusted.intercept_, unadjusted.coef_]
    assert steepness(sm.Poisson(counts, sm.add_constant(design)), off) > 0.02


def test_jeffreys_prior_is_maximised_by_three_classes():
    data = sm.datasets.anes96.load_pandas()
    design, party = data.exog.to_numpy()[:120, [0, 2]], data.endog.to_numpy()[:120] // 2.4
    model = firth(design, party)
    params = model.inference(design, party).params.to_numpy()
    likelihood = sm.MNLogit(party, sm.add_constant(design))
    assert steepness(likelihood, params.ravel(order="F")) < 1e-6


# ------------------------------------------------------------ closed forms


def test_half_a_success_and_half_a_failure_are_added_to_each_group():
    """Saturated models: log((s + 1/2) / (f + 1/2)), and log((y + 1/2) / n) (Firth 1993)."""
    group = np.repeat([0.0, 1.0], [6, 5])[:, None]
    y = np.array([1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1.0])  # the second group is separated
    model = firth(group, y)
    assert model.intercept_ == pytest.approx(np.log(3.5 / 3.5), abs=1e-12)
    assert model.intercept_ + model.coef_[0] == pytest.approx(np.log(5.5 / 0.5), rel=1e-10)
    assert not len(model.separated_rows_)
    counts = np.where(group[:, 0] > 0, 0.0, y)
    rates = firth(group, counts, "poisson")
    assert rates.intercept_ == pytest.approx(np.log(3.5 / 6), rel=1e-10)
    assert rates.intercept_ + rates.coef_[0] == pytest.approx(np.log(0.5 / 5), rel=1e-10)


def test_labels_are_fitted_one_by_one():
    labels = np.column_stack([Y, np.roll(Y, 7), np.roll(Y, 20)]).astype(int)
    together = firth(X, labels)
    for k, label in enumerate(labels.T):
        alone = firth(X, label)
        np.testing.assert_allclose(together.coef_[k], alone.coef_, rtol=1e-7)


def test_two_classes_of_multinoulli_are_bernoulli():
    both = DeepGLMRegressor("multinoulli", hidden_layer_sizes=(), bias_reduction=True)
    both.fit(X, np.column_stack([1 - Y, Y]))
    np.testing.assert_allclose(both.coef_[1] - both.coef_[0], firth(X, Y).coef_, rtol=1e-7)


def test_a_weight_of_two_is_a_row_taken_twice():
    weight = np.random.default_rng(1).integers(0, 4, len(Y))
    weighted = firth(X, Y, sample_weight=weight)
    repeated = firth(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)


def test_offset_and_dependent_columns_are_as_without_bias_reduction():
    shift = 0.3 * X[:, 1]
    plain = firth(X, Y)
    model = DeepGLMClassifier(hidden_layer_sizes=(), bias_reduction=True)
    model.fit(X, Y, offset=shift)
    np.testing.assert_allclose(model.coef_, plain.coef_ - [0, 0.3, 0], rtol=1e-7)
    with pytest.warns(UserWarning, match="linearly dependent"):
        doubled = firth(np.column_stack([X, X[:, 0]]), Y)
    np.testing.assert_allclose(doubled.predict_proba(doubled_X()), plain.predict_proba(X))


def doubled_X():
    return np.column_stack([X, X[:, 0]])


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({"hidden_layer_sizes": (3,)}, r"hidden_layer_sizes=\(\)"),
        ({"alpha": 0.1}, "alpha=0"),
        ({"solver": "lbfgs"}, "solver='auto'"),
        ({"family": "normal"}, "without a dispersion"),
        ({"family": "gamma"}, "without a dispersion"),
    ],
)
def test_what_it_does_not_do_is_refused_with_a_remedy(asked, remedy):
    asked = {"family": "poisson", "hidden_layer_sizes": (), "bias_reduction": True, **asked}
    with pytest.raises(ValueError, match=remedy):
        DeepGLMRegressor(**asked).fit(X, Y + 1)


def test_tests_that_suppose_a_maximum_are_refused():
    results, smaller = firth(X, Y).inference(X, Y), firth(X[:, 1:], Y).inference(X[:, 1:], Y)
    with pytest.raises(ValueError, match=r"likelihood-ratio test supposes.*Use wald_test"):
        results.lr_test(smaller)
    with pytest.raises(ValueError, match=r"score test supposes.*Use wald_test"):
        smaller.score_test(X[:, 0])
    assert results.wald_test("x0 = 0").pvalue == pytest.approx(results.pvalues["x0"])


def test_too_few_iterations_are_confessed():
    with pytest.warns(ConvergenceWarning, match="2 iterations did not suffice"):
        firth(X, Y, max_iter=2)
