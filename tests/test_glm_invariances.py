"""What must not change an estimate, and the penalties of other software, without hidden layers."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor

LAWS = [("normal", "identity"), ("normal", "log"), ("poisson", "log"), ("poisson", "identity")]
LAWS += [("bernoulli", link) for link in ("logit", "probit", "cloglog")]
laws = pytest.mark.parametrize(("family", "link"), LAWS)


def glm(family="normal", link="auto", **parameters):
    return DeepGLMRegressor(family, link=link, hidden_layer_sizes=(), **parameters)


def data(family, n=300, seed=0):
    """Rows of a law with a mean inside the domain of all its links, weights and an offset."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.0, 1.0, (n, 3))
    eta = X @ [0.8, -0.5, 0.3]
    y = {
        "normal": lambda: 3.0 + eta + 0.3 * rng.normal(size=n),
        "poisson": lambda: rng.poisson(np.exp(1.0 + eta)).astype(float),
        "bernoulli": lambda: rng.binomial(1, 1 / (1 + np.exp(-eta))).astype(float),
    }[family]()
    return X, y, rng.integers(1, 5, n).astype(float), 0.1 * rng.normal(size=n)


def assert_same(model, other, X, rtol=1e-9):
    """Same coefficients, to rtol of the largest, same predictions and deviances."""
    size = np.abs(other.coef_).max()
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=rtol)
    assert model.loss_ == pytest.approx(other.loss_, rel=rtol)


# --------------------------------------------------------------- invariances


@laws
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_weights_times_a_constant(family, link, factor):
    X, y, weight, _ = data(family)
    one = glm(family, link).fit(X, y, sample_weight=weight)
    other = glm(family, link).fit(X, y, sample_weight=factor * weight)
    assert_same(other, one, X, rtol=1e-11)
    assert other.n_iter_ == one.n_iter_
    assert other.deviance_ == pytest.approx(factor * one.deviance_, rel=1e-11)
    assert other.null_deviance_ == pytest.approx(factor * one.null_deviance_, rel=1e-11)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_weights_times_a_constant_under_a_penalty(solver, factor):
    X, y, weight, _ = data("poisson")
    one = glm("poisson", alpha=0.1, solver=solver).fit(X, y, sample_weight=weight)
    other = glm("poisson", alpha=0.1, solver=solver).fit(X, y, sample_weight=factor * weight)
    assert_same(other, one, X, rtol=1e-9 if solver == "newton" else 1e-6)


@laws
def test_columns_scaled(family, link):
    X, y, weight, offset = data(family)
    scale = np.array([1e-8, 1.0, 1e8])
    one = glm(family, link).fit(X, y, weight, offset)
    other = glm(family, link).fit(X * scale, y, weight, offset)
    np.testing.assert_allclose(other.coef_ * scale, one.coef_, rtol=1e-9)
    np.testing.assert_allclose(other.intercept_, one.intercept_, rtol=1e-9)
    assert other.deviance_ == pytest.approx(one.deviance_, rel=1e-11)


@laws
def test_columns_shifted(family, link):
    """A shift by 1e6 costs the data themselves six digits; the coefficients keep the rest."""
    X, y, weight, offset = data(family)
    shift = np.array([1e6, -1e6, 1e3])
    shifted = X + shift
    one = glm(family, link).fit(shifted - shift, y, weight, offset)  # as rounded as the other
    other = glm(family, link).fit(shifted, y, weight, offset)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-8)
    expected = one.intercept_ - one.coef_ @ shift
    np.testing.assert_allclose(other.intercept_, expected, rtol=1e-8)
    assert other.deviance_ == pytest.approx(one.deviance_, rel=1e-9)


@laws
def test_order_of_rows(family, link):
    X, y, weight, offset = data(family)
    order = np.random.default_rng(1).permutation(len(X))
    one = glm(family, link).fit(X, y, weight, offset)
    other = glm(family, link).fit(X[order], y[order], weight[order], offset[order])
    assert_same(other, one, X)


@laws
def test_weights_are_repeated_rows(family, link):
    X, y, weight, offset = data(family)
    times = weight.astype(int)
    one = glm(family, link).fit(X, y, weight, offset)
    repeated = [np.repeat(values, times, axis=0) for values in (X, y)]
    other = glm(family, link).fit(*repeated, offset=np.repeat(offset, times))
    assert_same(other, one, X)
    for name in ("deviance_", "null_deviance_", "dispersion_"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-10)


@laws
def test_a_weight_of_zero_is_an_absent_row(family, link):
    X, y, weight, offset = data(family)
    weight[::3] = 0.0
    X[0], kept = 1e3, weight > 0  # an absent row may hold anything finite
    one = glm(family, link).fit(X[kept], y[kept], weight[kept], offset[kept])
    other = glm(family, link).fit(X, y, weight, offset)
    assert_same(other, one, X[kept], rtol=1e-12)


def test_a_constant_offset_moves_the_intercept():
    X, y, _, _ = data("poisson")
    one = glm("poisson").fit(X, y)
    other = glm("poisson").fit(X, y, offset=np.full(len(X), 2.5))
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-10)
    assert other.intercept_ == pytest.approx(one.intercept_ - 2.5, rel=1e-10)
    assert other.null_deviance_ == pytest.approx(one.null_deviance_, rel=1e-11)


def test_poisson_pseudo_likelihood_does_not_know_the_unit_of_y():
    """y c moves the intercept by log c, whatever y is: 1e-9 to 1e9, whole numbers or not."""
    X, y, weight, _ = data("poisson")
    one = glm("poisson").fit(X, y, weight)
    for unit in (1e-9, 0.1234, 1e9):
        other = glm("poisson").fit(X, unit * y, weight)
        np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-9)
        assert other.intercept_ == pytest.approx(one.intercept_ + np.log(unit), abs=1e-9)
        assert other.deviance_ == pytest.approx(unit * one.deviance_, rel=1e-9)


def test_exposure_is_a_weighted_rate():
    """Counts with exposure e, and rates with weight e, are the same Poisson fit."""
    X, y, _, offset = data("poisson")
    exposure = np.exp(offset) * 3
    counts = glm("poisson").fit(X, y, exposure=exposure)
    rates = glm("poisson").fit(X, y / exposure, sample_weight=exposure)
    assert_close_fits(counts, rates)
    assert counts.deviance_ == pytest.approx(rates.deviance_, rel=1e-10)


def assert_close_fits(one, other):
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-9)
    assert one.intercept_ == pytest.approx(other.intercept_, rel=1e-9)


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli"])
def test_canonical_score_equations(family):
    """X'w(y - mu) = 0: the theorem that defines the fit."""
    X, y, weight, offset = data(family)
    model = glm(family).fit(X, y, weight, offset)
    error = weight * (y - model.predict(X, offset=offset))
    assert np.abs(X.T @ error).max() <= 1e-10 * np.abs(weight * y).sum()
    assert abs(error.sum()) <= 1e-10 * np.abs(weight * y).sum()


# ---------------------------------------------------------------- statsmodels


@pytest.mark.parametrize("name", ["offset", "exposure", "both"])
def test_offset_and_exposure_are_those_of_statsmodels(name):
    X, y, _, offset = data("poisson")
    known = {"offset": offset, "exposure": np.exp(offset[::-1])}
    known = known if name == "both" else {name: known[name]}
    ours = glm("poisson").fit(X, y, **known)
    model = sm.GLM(y, sm.add_constant(X), sm.families.Poisson(), **known)
    theirs = model.fit(tol=1e-14, tol_criterion="params", maxiter=300)
    np.testing.assert_allclose(np.r_[ours.intercept_, ours.coef_], theirs.params, rtol=1e-9)
    assert ours.deviance_ == pytest.approx(theirs.deviance, rel=1e-10)
    assert ours.null_deviance_ == pytest.approx(theirs.null_deviance, rel=1e-9)
    np.testing.assert_allclose(ours.predict(X, **known), theirs.fittedvalues, rtol=1e-9)


@laws
def test_frequency_weights_and_no_intercept_are_those_of_statsmodels(family, link):
    X, y, weight, offset = data(family)
    X = np.column_stack([X, np.ones(len(X))])
    law = {"normal": "Gaussian", "poisson": "Poisson", "bernoulli": "Binomial"}[family]
    names = {"cloglog": "CLogLog"}
    law = getattr(sm.families, law)
    with warnings.catch_warnings():  # identity does not respect the domain of Poisson
        warnings.simplefilter("ignore", sm.tools.sm_exceptions.DomainWarning)
        link_class = getattr(sm.families.links, names.get(link, link.capitalize()))
        model = sm.GLM(y, X, law(link_class()), freq_weights=weight, offset=offset)
    theirs = model.fit(tol=1e-14, tol_criterion="params", maxiter=300)
    ours = glm(family, link, fit_intercept=False).fit(X, y, weight, offset)
    np.testing.assert_allclose(ours.coef_, theirs.params, rtol=1e-7)
    assert ours.intercept_ == 0.0
    assert ours.deviance_ == pytest.approx(theirs.deviance, rel=1e-10)
    if family == "normal":
        assert ours.dispersion_ == pytest.approx(theirs.scale, rel=1e-9)


# ----------------------------------------------------------------- penalties


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("alpha", [1e-4, 0.1, 10.0])
def test_poisson_ridge_is_scikit_learns(solver, alpha):
    X, y, weight, _ = data("poisson")
    theirs = PoissonRegressor(alpha=alpha, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    theirs.fit(X, y, sample_weight=weight)
    ours = glm("poisson", alpha=alpha, solver=solver).fit(X, y, sample_weight=weight)
    rtol = 1e-8 if solver == "newton" else 1e-4
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * 1e-2)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=rtol)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
def test_normal_ridge_is_scikit_learns(solver, alpha):
    X, y, weight, _ = data("normal")
    theirs = Ridge(alpha=alpha * weight.sum()).fit(X, y, sample_weight=weight)
    ours = glm(alpha=alpha, solver=solver).fit(X, y, sample_weight=weight)
    rtol = 1e-9 if solver == "newton" else 1e-4
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=rtol)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("C", [0.01, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_ridge_is_scikit_learns(solver, C, n_classes):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3)) * [1.0, 5.0, 0.2]
    y = (X @ [1.0, 0.2, -1.0] + rng.normal(size=200) > 0).astype(int)
    y += (X[:, 0] + rng.normal(size=200) > 1) * (n_classes - 2)
    y = np.minimum(y, n_classes - 1)
    theirs = LogisticRegression(C=C, tol=1e-12, max_iter=10_000).fit(X, y)
    ours = DeepGLMClassifier(hidden_layer_sizes=(), alpha=1 / (C * 200), solver=solver).fit(X, y)
    rtol = 1e-5 if solver == "newton" else 1e-3
    shape = theirs.coef_.shape
    np.testing.assert_allclose(ours.coef_.reshape(shape), theirs.coef_, rtol=rtol, atol=rtol * 0.1)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=rtol)


def sparse_data():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(120, 10)) * np.geomspace(0.1, 10, 10)
    return X, X @ np.r_[3.0, 0, 0, 1.0, 0, 0, 0, 0.2, 0, 0] + rng.normal(size=120) + 5


@pytest.mark.parametrize("alpha", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_elastic_net_is_scikit_learns(alpha, l1_ratio):
    X, y = sparse_data()
    kind = Lasso(alpha) if l1_ratio == 1.0 else ElasticNet(alpha, l1_ratio=l1_ratio)
    theirs = kind.set_params(tol=1e-14, max_iter=100_000).fit(X, y)
    ours = glm(alpha=alpha, l1_ratio=l1_ratio, tol=1e-9).fit(X, y)
    assert ours.solver_ == "lbfgs"
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    assert 0 < np.sum(theirs.coef_ == 0) < 10


def test_enough_l1_leaves_the_null_model():
    X, y = sparse_data()
    model = glm(alpha=1e4, l1_ratio=1.0).fit(X, y)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y.mean(), rel=1e-12)


def test_penalty_on_standardised_columns():
    """standardize=True: the ridge of scaled columns, its coefficients for X as given."""
    X, y = sparse_data()
    scale = X.std(axis=0)
    theirs = glm(alpha=0.3, standardize=False).fit((X - X.mean(axis=0)) / scale, y)
    ours = glm(alpha=0.3, standardize=True).fit(X, y)
    np.testing.assert_allclose(ours.coef_ * scale, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(
        ours.predict(X), theirs.predict((X - X.mean(axis=0)) / scale), rtol=1e-9
    )
    by_default = glm(alpha=0.3).fit(X, y)
    plain = glm(alpha=0.3, standardize=False).fit(X, y)
    np.testing.assert_array_equal(by_default.coef_, plain.coef_)
    assert np.abs(by_default.coef_ - ours.coef_).max() > 1e-3


def test_standardize_does_not_move_the_maximum_likelihood_estimate():
    X, y, weight, _ = data("poisson")
    one, other = (glm("poisson", standardize=on).fit(X, y, weight) for on in (True, False))
    assert_same(one, other, X)


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.7])
def test_alpha_may_be_a_list_of_one(alpha, l1_ratio):
    X, y = sparse_data()
    one = glm(alpha=alpha, l1_ratio=l1_ratio).fit(X, y)
    other = glm(alpha=[alpha], l1_ratio=l1_ratio).fit(X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.alpha_ == other.alpha_ == [alpha]


# ------------------------------------------------------------------- solvers


@laws
@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_solvers_agree(family, link, solver):
    X, y, weight, offset = data(family)
    exact = glm(family, link).fit(X, y, weight, offset)
    adam = {"max_iter": 3000, "batch_size": 300, "random_state": 0, "balance": None}
    model = glm(family, link, solver=solver, **(adam if solver == "adam" else {})).fit(
        X, y, weight, offset
    )
    assert (exact.solver_, model.solver_) == ("newton", solver)
    mu, expected = (m.predict(X, offset=offset) for m in (model, exact))
    np.testing.assert_allclose(mu, expected, rtol=1e-3 if solver == "adam" else 1e-4)
    above = model.loss_ - exact.loss_
    assert -1e-13 <= above <= (1e-7 if solver == "adam" else 1e-9)


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_solvers_agree_on_classes(solver):
    X, y, *_ = data("poisson")
    y = np.minimum(y, 3)
    exact = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    options = {"max_iter": 3000, "batch_size": 300} if solver == "adam" else {}
    model = DeepGLMClassifier(hidden_layer_sizes=(), solver=solver, **options).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X), exact.predict_proba(X), atol=1e-3 if solver == "adam" else 1e-5
    )


def test_lbfgs_in_a_domain_of_means():
    """The log link of Bernoulli has no mean above 1: a step may leave the domain."""
    rng = np.random.default_rng(11)
    X = rng.uniform(size=(400, 2))
    y = rng.binomial(1, np.exp(-1.5 + X @ [1.0, -0.5])).astype(float)
    exact = glm("bernoulli", "log").fit(X, y)
    model = glm("bernoulli", "log", solver="lbfgs").fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_rescaling_y_of_the_normal_law(scale):
    X, y, weight, _ = data("normal")
    one, other = glm().fit(X, y, weight), glm().fit(X, scale * y, weight)
    np.testing.assert_allclose(other.coef_, scale * one.coef_, rtol=1e-10)
    assert other.dispersion_ == pytest.approx(scale**2 * one.dispersion_, rel=1e-10)
    theirs = LinearRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(one.coef_, theirs.coef_, rtol=1e-10)
