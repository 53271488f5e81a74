"""Inference for networks: at depth zero statsmodels' numbers; beyond, theorems."""

import copy
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from test_training_reference import slope

from families import Gamma
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.estimators._network_inference import network_results
from glmnet_nn.inference import InferenceOptions, functionals
from glmnet_nn.training.data import Rows

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}


def close(actual, expected, rtol=1e-8, atol=1e-10):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def sample(family="poisson", n=400, seed=0):
    """Rows of a network of two units, with an offset that is not used unless asked for."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    eta = 0.4 + np.tanh(X @ [1.5, -0.7]) - 0.8 * np.tanh(X @ [0.4, 1.3] - 0.5)
    if family == "classes":
        return X, np.where(eta > rng.logistic(size=n) + 0.5, "b", np.where(X[:, 0] > 0, "a", "c"))
    if family == "normal":
        return X, eta + 0.3 * rng.normal(size=n)
    if family == "gamma":
        return X, rng.gamma(4.0, np.exp(eta) / 4.0)
    return X, rng.poisson(np.exp(eta)).astype(float)


@cache
def fitted(family="poisson"):
    X, y = sample(family)
    if family == "classes":
        model = DeepGLMClassifier(hidden_layer_sizes=(2,), random_state=0)
    else:
        law = Gamma("log") if family == "gamma" else family
        model = DeepGLMRegressor(law, hidden_layer_sizes=(2,), random_state=0)
    return model.fit_for_inference(X, y), X, y


def results_of(family="poisson", **options):
    model, X, y = fitted(family)
    return model.inference(X, y, **options)


# ---------------------------------------------------------------- depth zero

GLMS = {
    "poisson-log": sm.families.Poisson(),
    "normal-identity": sm.families.Gaussian(),
    "gamma-log": sm.families.Gamma(sm.families.links.Log()),
}


def at_depth_zero(name):
    """The machinery of networks on a GLM, and statsmodels' fit with the observed information."""
    family, link = name.split("-")
    X, y = sample(family)
    frame = pd.DataFrame(X, columns=["u", "v"])
    model = DeepGLMRegressor(family, link=link, hidden_layer_sizes=()).fit(frame, y)
    rows = Rows(X, y[:, None], np.ones(len(y)))
    ours = network_results(model, rows, frame.index, InferenceOptions())
    theirs = sm.GLM(y, sm.add_constant(frame), family=GLMS[name]).fit(**TIGHT)
    observed = -theirs.model.hessian(theirs.params, scale=theirs.scale, observed=True)
    return ours, theirs, np.linalg.inv(observed)


@pytest.mark.parametrize("name", GLMS)
def test_without_hidden_layers_the_effective_parameters_are_the_parameters(name):
    ours, theirs, _ = at_depth_zero(name)
    assert ours.n_parameters == pytest.approx(3, abs=1e-9)
    assert ours.trustworthy
    assert ours.scale == pytest.approx(theirs.scale, rel=1e-9)
    assert ours.llf == pytest.approx(theirs.llf, rel=1e-9)
    assert ours.aic == pytest.approx(theirs.aic, rel=1e-9)
    assert ours.bic == pytest.approx(theirs.bic_llf, rel=1e-9)
    assert ours.df_resid == pytest.approx(theirs.df_resid, rel=1e-9)
    assert ours.pearson_chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-9)


@pytest.mark.parametrize("name", ["poisson-log", "normal-identity"])
def test_without_hidden_layers_predictions_are_those_of_statsmodels(name):
    ours, theirs, _ = at_depth_zero(name)
    new = pd.DataFrame({"u": [0.0, 1.0, -2.0], "v": [1.0, 0.5, 3.0]})
    found = ours.get_prediction(new)
    expected = theirs.get_prediction(sm.add_constant(new))
    frame = expected.summary_frame()
    close(found.summary_frame()[list(frame.columns)], frame)
    close(found.linpred, expected.linpred.predicted)
    close(found.se_linpred, expected.linpred.se)
    close(found.conf_int(0.1, which="linear"), expected.linpred.conf_int(alpha=0.1))


@pytest.mark.parametrize("name", GLMS)
def test_without_hidden_layers_average_effects_are_those_of_the_observed_information(name):
    ours, theirs, C = at_depth_zero(name)
    found = ours.average_partial_effects()
    exog, b = theirs.model.exog, theirs.params.to_numpy()
    change = theirs.model.family.link.inverse_deriv

    def effects(b):
        return change(exog @ b).mean() * b[1:]

    J = slope(effects, b)
    close(found.margeff, effects(b))
    close(found.margeff_se, np.sqrt(np.diag(J @ C @ J.T)), rtol=1e-6)
    if name == "poisson-log":  # canonical, where statsmodels has these very numbers
        discrete = sm.Poisson(theirs.model.endog, exog).fit(disp=0, tol=1e-14).get_margeff()
        close(found.margeff_se, discrete.margeff_se, rtol=1e-6)


# ------------------------------------------------------------ the optimum


@pytest.mark.parametrize("family", ["poisson", "normal", "gamma"])
def test_the_fit_maximises_the_likelihood_with_a_prior_of_precision_a_tenth(family):
    """Of weights, not of offsets, for standardised columns, in units of phi and of y."""
    model, X, y = fitted(family)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    phi, unit = model.dispersion_, y.std() if family == "normal" else 1.0
    layers = [np.vstack([W, b]) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    layers[0] = np.vstack(
        [
            model.coefs_[0] * X.std(axis=0)[:, None],
            model.intercepts_[0] + X.mean(axis=0) @ model.coefs_[0],
        ]
    )
    shapes = [layer.shape for layer in layers]

    def penalised(flat):
        first = flat[: shapes[0][0] * 2].reshape(shapes[0])
        second = flat[shapes[0][0] * 2 :].reshape(shapes[1])
        eta = np.tanh(Z @ first[:-1] + first[-1]) @ second[:-1] + second[-1]
        lost = model.family_.loss(y[:, None], eta).sum() / phi
        return lost + 0.05 * (np.square(first[:-1]).sum() + np.square(second[:-1] / unit).sum())

    flat = np.concatenate([layer.ravel() for layer in layers])
    score = slope(penalised, flat)
    assert np.abs(score).max() < 0.02 * (unit if family == "normal" else 1.0)
    assert model.converged_
    assert model.solver_ == "damped_newton"


def test_more_starts_find_nothing_better():
    model, X, y = fitted()
    other = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), n_init=25, random_state=1)
    assert model.loss_ == pytest.approx(other.fit_for_inference(X, y).loss_, rel=1e-9)


def test_without_hidden_layers_it_is_the_fit():
    X, y = sample()
    one = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    two = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit_for_inference(X, y)
    np.testing.assert_array_equal(two.coef_, one.coef_)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 0.1), ("l1_ratio", 0.5), ("standardize", False), ("early_stopping", True),
        ("polish_output", True), ("balance", "shift"),
    ],
)  # fmt: skip
def test_what_it_would_ignore_is_refused(name, value):
    X, y = sample(n=60)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), **{name: value})
    with pytest.raises(ValueError, match=rf"fit_for_inference\(\) chooses {name} itself"):
        model.fit_for_inference(X, y)


# ------------------------------------------------------------- invariances


def everything(results, X):
    """Numbers that no renaming of the hidden units may change."""
    prediction = results.get_prediction(X[:4])
    effects = results.average_partial_effects("population")
    return np.concatenate(
        [
            np.ravel(part)
            for part in (
                prediction.linpred, prediction.se_linpred, prediction.se_mean,
                effects.margeff, effects.margeff_se, results.contrast(X[:2], X[2:4]).sd,
                [results.n_parameters, results.aic, results.scale],
            )
        ]
    )  # fmt: skip


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC2", "HC3"])
@pytest.mark.parametrize("family", ["poisson", "normal", "classes"])
def test_the_order_and_the_signs_of_hidden_units_do_not_matter(family, cov_type):
    model, X, y = fitted(family)
    turned = copy.deepcopy(model)
    first, second = turned._network.layout.layers(turned._weights)
    for part in (first.W, first.b):
        part[:] = -part[::-1].copy()
    second.W[:] = -second.W[:, ::-1].copy()
    one, two = (m.inference(X, y, cov_type=cov_type) for m in (model, turned))
    close(everything(two, X), everything(one, X), rtol=1e-6)


def test_units_of_columns_and_of_y_change_units_alone():
    model, X, y = fitted("normal")
    scaled = DeepGLMRegressor(hidden_layer_sizes=(2,), random_state=0)
    U = X * [100.0, 0.01] + [5.0, 0.0]
    one = model.inference(X, y)
    two = scaled.fit_for_inference(U, 1000 * y - 7).inference(U, 1000 * y - 7)
    assert two.trustworthy
    close(two.get_prediction(U[:5]).se_mean, 1000 * one.get_prediction(X[:5]).se_mean, rtol=1e-5)
    a, b = (r.average_partial_effects().margeff_se for r in (one, two))
    close(b, a * 1000 / np.array([100.0, 0.01]), rtol=1e-5)


def test_frequency_weights_are_repeated_rows():
    X, y = sample(n=200)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    one = model.fit_for_inference(X, y, weight).inference(X, y, weight, cov_type="HC1")
    U, v = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    two = model.inference(U, v, cov_type="HC1")
    assert one.nobs == two.nobs == weight.sum()
    close(everything(two, X), everything(one, X), rtol=1e-9)


# -------------------------------------------------------- the delta method


@pytest.mark.parametrize("family", ["poisson", "normal", "gamma", "classes"])
@pytest.mark.parametrize("mean", [True, False])
def test_gradients_of_functionals_are_their_derivatives(family, mean):
    results = results_of(family)
    network, law, w = results.network, results.family, results.parameters
    share = np.full(7, 1 / 7)
    rows = Rows(results.fitted.rows.X[:7], results.fitted.rows.y[:7], share, np.full((7, 1), 0.1))
    function = functionals.means if mean else functionals.linear_predictors
    found = function(network, law, w, rows)
    close(found.gradients, slope(lambda w: function(network, law, w, rows).values, w), atol=1e-8)
    along = np.array([0.0, 1.0])
    effects, gradients = functionals.partial_effects(network, law, w, rows, along, mean)
    step = 1e-3
    moved = [
        function(
            network, law, w, Rows(rows.X + np.array([0.0, k * step]), rows.y, share, rows.offset)
        ).values
        for k in (-2, -1, 1, 2)
    ]
    numeric = (8 * (moved[2] - moved[1]) - (moved[3] - moved[0])) / (12 * step)
    close(effects.ravel(), numeric, atol=1e-8)

    def average(w):
        return share @ functionals.partial_effects(network, law, w, rows, along, mean)[0]

    close(gradients, slope(average, w), atol=1e-8)
    high = Rows(rows.X + np.array([1.0, 0.0]), rows.y, share, rows.offset)
    changes, gradients = functionals.steps(network, law, w, rows, high)
    close(gradients, slope(lambda w: share @ functionals.steps(network, law, w, rows, high)[0], w))
    one, two = (functionals.means(network, law, w, at).values for at in (rows, high))
    close(changes.ravel(), two - one)


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_covariances_are_the_formulas_written_out(family):
    """phi (H + P)^-1 and (H + P)^-1 sum s s' (H + P)^-1, with numerical derivatives."""
    results = results_of(family)
    objective, w, n = results.fitted.objective, results.parameters, 400
    bread = np.linalg.inv(n * slope(lambda w: objective.smooth_value_and_gradient(w)[1], w))
    close(results.covariance, results.scale * bread, rtol=1e-5, atol=1e-9)
    J = slope(lambda w: objective.linear_predictor(w, objective.rows)[1][:, 0], w)
    scores = J * objective.family.error(objective.rows.y, results.fitted.eta)
    robust = results_of(family, cov_type="HC0").covariance
    close(robust, bread @ scores.T @ scores @ bread, rtol=1e-4, atol=1e-8)
    H = n * (objective.hessian(w) - np.diag(objective.penalty.l2))
    assert results.n_parameters == pytest.approx(np.trace(bread @ H), rel=1e-5)


def test_the_population_adds_the_variance_of_the_effects_over_n():
    results = results_of()
    one, two = (results.average_partial_effects(target) for target in ("sample", "population"))
    _, X, _ = fitted()
    h = 1e-4
    for j in range(2):
        mu = [results.get_prediction(X + k * h * np.eye(2)[j]).predicted_mean for k in (-1, 1)]
        variance = np.var((mu[1] - mu[0]) / (2 * h), ddof=1) / len(X)
        assert two.margeff_se[j] ** 2 - one.margeff_se[j] ** 2 == pytest.approx(variance, rel=1e-5)
    assert (one.target, two.target) == ("sample", "population")
    close(one.margeff, two.margeff, rtol=1e-14)


def test_pearson_scaling_multiplies_every_variance():
    plain, scaled = results_of(), results_of(dispersion="pearson")
    assert scaled.scale == pytest.approx(plain.pearson_chi2 / plain.df_resid)
    se = [r.get_prediction().se_linpred for r in (plain, scaled, results_of(dispersion=4.0))]
    close(se[1], np.sqrt(scaled.scale) * se[0])
    close(se[2], 2.0 * se[0])
    assert scaled.llf == plain.llf


def test_intervals_of_the_mean_are_those_of_eta_and_stay_in_its_domain():
    prediction = results_of().get_prediction()
    z = stats.norm.ppf(0.95)
    low = np.exp(prediction.linpred - z * prediction.se_linpred)
    close(prediction.conf_int(0.1)[:, 0], low)
    inside = results_of("classes").get_prediction().conf_int(1e-9)
    assert np.all((inside > 0) & (inside < 1))


def test_a_dummy_steps_from_zero_to_one():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 2, 300)])
    y = rng.poisson(np.exp(0.5 * np.tanh(2 * X[:, 0]) + 0.7 * X[:, 1]))
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    results = model.fit_for_inference(X, y).inference(X, y)
    found = results.average_partial_effects(dummy=True)
    ends = [np.column_stack([X[:, 0], np.full(300, level)]) for level in (1.0, 0.0)]
    close(found.margeff[1], np.mean(results.contrast(*ends).effect))
    close(found.margeff[0], results.average_partial_effects().margeff[0])


def test_rows_that_are_compared_with_themselves_differ_by_nothing():
    X, _ = sample()
    results = results_of()
    found = results.contrast(X[:3], X[[1, 1, 1]])
    assert found.effect[1] == found.sd[1] == 0.0
    assert np.array_equal(np.isnan(found.tvalue), [False, True, False])
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        results.get_prediction(X[:3]).conf_int(alpha=2)


def test_intervals_of_predictions_are_of_t_with_use_t():
    X, _ = sample("normal")
    for use_t in (False, True):
        results = results_of("normal", use_t=use_t)
        law = stats.t(results.df_resid) if use_t else stats.norm()
        found = results.get_prediction(X[:4])
        half = law.ppf(0.975) * found.se_linpred
        close(found.conf_int()[:, 1], found.linpred + half)
        close(
            fitted("normal")[0].predict_interval(X[:4], kind="mean", inference=results)[:, 1],
            found.linpred + half,
        )


@pytest.mark.parametrize("family", ["poisson", "normal"])
def test_influence_is_what_leaving_out_the_row_does(family):
    model, X, y = fitted(family)
    influence = results_of(family).get_influence()
    leverage = influence.hat_matrix_diag
    assert leverage.sum() == pytest.approx(results_of(family).n_parameters, rel=0.05)
    at = int(np.argmax(influence.cooks_distance[0] * (leverage < 0.3)))
    kept = np.arange(len(y)) != at
    without = copy.deepcopy(model).set_params(warm_start=True).fit_for_inference(X[kept], y[kept])
    change = model.linear_predictor(X[[at]]) - without.linear_predictor(X[[at]])
    assert influence.d_linpred[at] == pytest.approx(change[0], rel=0.3)
    for name in ("d_params", "dfbetas"):
        with pytest.raises(AttributeError, match="weights of a network, which are not"):
            getattr(influence, name)
    assert next(iter(influence.summary_frame())) == "cooks_d"
