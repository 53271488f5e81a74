"""What broke once in the hands of a hostile reader: each with the case that showed it."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning, SeparationWarning
from glmnet_nn.training import separation


def regressor(family="poisson", hidden=(), **options):
    return DeepGLMRegressor(family, hidden_layer_sizes=hidden, random_state=0, **options)


def classifier(**options):
    return DeepGLMClassifier(hidden_layer_sizes=(), **options)


@pytest.mark.parametrize("n", [101, 494, 777, 1009, 3001, 10007, 29989])
@pytest.mark.parametrize("constant", [1.0, 3.7, -1e6 / 7])
def test_a_constant_column_is_seen_whatever_the_number_of_rows(n, constant):
    rng = np.random.default_rng(n)
    X = np.c_[rng.normal(size=(n, 4)), np.full(n, constant)]
    y = rng.poisson(np.exp(0.3 * X[:, 0]))
    plain = regressor().fit(X[:, :4], y)
    with pytest.warns(RankWarning, match="'x4' are"):
        model = regressor().fit(X, y)
    assert model.rank_ == 4
    assert model.coef_[4] == 0.0
    np.testing.assert_allclose(model.coef_[:4], plain.coef_, rtol=1e-10, atol=1e-10)
    assert model.intercept_ == pytest.approx(plain.intercept_, abs=1e-10)


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_rates_with_weights_are_counts_with_exposure(solver):
    """The same likelihood in units 1e5 apart; alpha on the scale of each."""
    rng = np.random.default_rng(3)
    X, exposure = rng.normal(size=(2000, 3)), np.exp(rng.normal(size=2000)) * 1e5
    y = rng.poisson(exposure * 1e-5 * np.exp(0.8 * X[:, 0] * X[:, 1])).astype(float)
    alpha = 10 / len(y)
    counts = regressor(hidden=(8,), solver=solver, alpha=alpha).fit(X, y, exposure=exposure)
    rates = regressor(hidden=(8,), solver=solver, alpha=alpha * len(y) / exposure.sum())
    rates.fit(X, y / exposure, sample_weight=exposure)
    a = counts.score(X, y, exposure=exposure)
    b = rates.score(X, y / exposure, sample_weight=exposure)
    assert a > 0.3
    assert b == pytest.approx(a, abs=0.1)


@pytest.mark.parametrize("size", [1e6, 1e8, 1e10])
def test_large_counts_are_at_the_optimum(size):
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(60, 3))
    y = rng.poisson(np.exp(Z @ [0.3, 0.2, -0.3]) * size).astype(float)
    model = regressor().fit(Z, y)
    design = np.c_[np.ones(60), Z].astype(np.longdouble)
    beta = np.r_[model.intercept_, model.coef_].astype(np.longdouble)
    for _ in range(3):  # Newton steps in extended precision
        mu = np.exp(design @ beta)
        F = (design.T * mu) @ design
        step = np.linalg.solve(F.astype(float), (design.T @ (y - mu)).astype(float))
        beta = beta + step
    se = np.sqrt(np.diagonal(np.linalg.inv(F.astype(float))))
    apart = np.abs(np.r_[model.intercept_, model.coef_] - beta.astype(float)) / se
    assert apart.max() < 1e-8


def test_y_must_have_the_shape_of_the_fit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.poisson(1, 200)
    model = regressor().fit(X, y)
    for wrong in (np.r_[y, y], np.c_[y, y], y[:-1]):
        with pytest.raises(ValueError, match=r"y must have 200 rows.*1 columns"):
            model.score(X, wrong)
        with pytest.raises(ValueError, match=r"y must have 200 rows.*1 columns"):
            model.inference(X, wrong)


def test_score_of_a_fold_without_events():
    rng = np.random.default_rng(0)
    X, y, time_ = rng.normal(size=(200, 3)), rng.poisson(1, 200), rng.uniform(0.5, 2, 200)
    model = regressor().fit(X, y, exposure=time_)
    assert model.score(X, 0 * y, exposure=time_) == 0.0
    assert model.score(X[:1], y[:1], exposure=time_[:1]) in (0.0, 1.0)


def test_small_rates_ask_no_linear_program(monkeypatch):
    """One over all these rows took ten seconds."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 20)), rng.poisson(0.3, 2000)
    monkeypatch.setattr(separation, "_inequalities", None)
    by_rate = regressor().fit(X, y * 1e-7, sample_weight=np.full(len(y), 1e7))
    np.testing.assert_allclose(by_rate.coef_, regressor().fit(X, y).coef_, rtol=1e-9)


def test_a_difference_may_be_estimable_where_neither_class_is():
    rng = np.random.default_rng(0)
    group, x = rng.integers(0, 3, 300), rng.normal(size=300)
    X = np.c_[np.eye(3)[group][:, 1:], x]
    labels = rng.integers(0, 3, 300)
    labels[(group == 2) & (labels == 2)] = 0  # class 2 never occurs in group 2
    with pytest.warns(SeparationWarning):
        model = classifier().fit(X, labels)
    bse = model.inference(X, labels).bse
    assert bse["1"].notna().all()
    assert bse["2"].isna().tolist() == [False, False, True, False]
    # Class 1 against 0 in group 2 is a two-class problem of its own.
    two = labels != 2
    alone = classifier().fit(X[two], labels[two]).inference(X[two], labels[two])
    assert bse.loc["x1", "1"] == pytest.approx(alone.bse["x1"], rel=0.05)


def test_warm_start_after_separated_data_begins_anew():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    model = classifier(warm_start=True)
    with pytest.warns(SeparationWarning):
        model.fit(X, X[:, 0] > 0)
    labels = X[:, 0] + rng.logistic(size=400) > 0
    np.testing.assert_allclose(
        model.fit(X, labels).coef_, classifier().fit(X, labels).coef_, rtol=1e-9
    )


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_a_shift_of_y_shifts_the_prediction(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = X[:, 0] + 0.5 * rng.normal(size=400)
    options = {"hidden": (4,), "solver": solver}
    plain = regressor("normal", **options).fit(X, y).predict(X)
    shifted = regressor("normal", **options).fit(X, y + 1e8).predict(X)
    # y + 1e8 keeps eight digits of y, and lbfgs stops where its gradient is small.
    np.testing.assert_allclose(shifted - 1e8, plain, atol=1e-3)


def test_logarithms_of_probabilities_do_not_round_to_minus_infinity():
    X = np.linspace(-1, 1, 50)[:, None]
    y = (np.sin(40 * X[:, 0]) + 2 * X[:, 0] > 0).astype(int)
    model = classifier().fit(X, y)
    eta = model.decision_function(1000 * X)
    assert np.abs(eta).max() > 800
    expected = -np.logaddexp(0, np.c_[eta, -eta])
    np.testing.assert_allclose(model.predict_log_proba(1000 * X), expected, rtol=1e-12)


def test_probabilities_outside_their_range_are_refused():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 1))
    labels = rng.uniform(size=300) < 0.3 + 0.4 * X[:, 0]
    model = classifier(link="identity").fit(X, labels)
    with pytest.raises(ValueError, match=r"probabilities lie in \[0, 1\].*link='logit'"):
        model.predict_proba([[100.0]])
    assert model.predict([[100.0], [-100.0]]).tolist() == [True, False]


def test_what_cannot_be_computed_is_said_before_it_is_tried():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.poisson(1, 200)
    with pytest.raises(ValueError, match="smaller values of y and offset"):
        regressor("normal").fit(X, X[:, 0] * 1e200)
    with pytest.raises(ValueError, match="in another unit"):
        regressor("normal").fit(X * 1e-310, y)
    with pytest.raises(ValueError, match="sample_weight must have a finite sum"):
        regressor().fit(X, y, sample_weight=np.full(200, 1e308))
    with pytest.raises(TypeError, match="sample_weight must hold a number"):
        regressor().fit(X, y, sample_weight="balanced")


@pytest.mark.parametrize("spread", [20, 50, 200, 1000])
def test_a_fit_under_wild_offsets_is_right_or_says_that_it_is_not(spread):
    rng = np.random.default_rng(0)
    X, y, offset = rng.normal(size=(200, 3)), rng.poisson(1, 200), rng.normal(size=200) * spread
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        model = regressor().fit(X, y, offset=offset)
    assert {warning.category for warning in issued} <= {ConvergenceWarning}
    mu = model.predict(X, offset=offset)
    assert np.isfinite(mu).all()
    assert model.converged_ == (not issued)
    if model.converged_:
        np.testing.assert_allclose(X.T @ (y - mu), 0, atol=1e-9)
    assert model.converged_ or spread > 20


def test_a_rate_that_is_too_high_leaves_the_last_finite_weights():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.poisson(1, 300)
    with pytest.warns(UserWarning, match="lower learning_rate_init"):
        model = regressor(hidden=(8,), solver="adam", learning_rate_init=1e6).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_rows_of_weight_zero_are_not_looked_at():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 2)), rng.poisson(1, 100).astype(float)
    exposure, weight = np.ones(100), np.ones(100)
    expected = regressor().fit(X[1:], y[1:], exposure=exposure[1:])
    y[0], exposure[0], weight[0] = -1.0, 0.0, 0.0
    model = regressor().fit(X, y, sample_weight=weight, exposure=exposure)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_proportions_in_single_precision():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    y = rng.dirichlet([1, 2, 3], size=100)
    single = regressor("multinoulli").fit(X, y.astype(np.float32))
    np.testing.assert_allclose(single.coef_, regressor("multinoulli").fit(X, y).coef_, rtol=1e-4)
