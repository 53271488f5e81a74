"""Ensembles: what the average is, which networks are in it, and what it has not."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import variation
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families import NegativeBinomial, get_family
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    RankWarning,
    compare,
    glm_to_net_path,
    nonlinearity_test,
)
from glmnet_nn.bridges import to_statsmodels
from glmnet_nn.estimators import _nested

N = 400
FAST = {"hidden_layer_sizes": (4,), "solver": "adam", "max_iter": 3, "random_state": 5}


def data(family="poisson", n=N):
    rng = np.random.default_rng(3)
    X, weight, exposure = rng.normal(size=(n, 3)), rng.uniform(0.2, 3, n), rng.uniform(0.1, 2, n)
    mean = np.exp(0.5 * np.sin(2 * X[:, 0]) + 0.3 * X[:, 1])
    y = {
        "poisson": lambda: rng.poisson(mean * exposure),
        "gamma": lambda: rng.gamma(2.0, mean * exposure / 2.0),
        "inverse_gaussian": lambda: rng.wald(mean, 2.0),
        "normal": lambda: 40 + mean + rng.normal(size=n),
        "bernoulli": lambda: rng.random(n) < mean / (1 + mean),
    }[family]().astype(float)
    return X, y, weight, exposure


def labels(n_classes=2):
    X, y = load_iris(return_X_y=True)
    rows = slice(0, 50 * n_classes)
    return X[rows], np.array(["setosa", "versicolor", "virginica"])[y[rows]]


def ensemble(family="poisson", k=3, **options):
    return DeepGLMRegressor(family, n_estimators=k, **{**FAST, **options})


def weights_of(model):
    return [member._weights for member in model.estimators_]


# ------------------------------------------------------------- the average


@pytest.mark.parametrize(
    ("family", "link"),
    [("poisson", "log"), ("normal", "identity"), ("gamma", "log"), ("bernoulli", "cloglog"),
     ("poisson", "sqrt"), ("inverse_gaussian", "log"), ("bernoulli", "logit")],
)  # fmt: skip
def test_it_averages_means(family, link):
    X, y, weight, _ = data(family)
    offset = np.linspace(-0.2, 0.3, N)
    model = ensemble(family, link=link).fit(X, y, weight, offset=offset)
    mu = model.predict(X, offset=offset)
    members = [member.predict(X, offset=offset) for member in model.estimators_]
    assert np.ptp(members, axis=0).max() > 1e-4
    assert_allclose(mu, np.mean(members, axis=0), rtol=1e-15)
    eta = model.linear_predictor(X, offset=offset)
    assert_allclose(eta, model.link_.link(mu), rtol=1e-12, atol=1e-13)
    if link in ("log", "identity"):
        assert_allclose(eta, model.linear_predictor(X) + offset, rtol=1e-12, atol=1e-15)


def test_it_is_the_vote_of_scikit_learn():
    """VotingRegressor and soft VotingClassifier, given the members unfitted."""
    X, y, *_ = data()
    model = ensemble().fit(X, y)
    members = [(f"{m}", clone(member)) for m, member in enumerate(model.estimators_)]
    assert_allclose(model.predict(X), VotingRegressor(members).fit(X, y).predict(X), rtol=1e-14)
    for n_classes in (2, 3):
        X, y = labels(n_classes)
        classifier = DeepGLMClassifier(n_estimators=3, **FAST).fit(X, y)
        members = [(f"{m}", clone(member)) for m, member in enumerate(classifier.estimators_)]
        vote = VotingClassifier(members, voting="soft").fit(X, y)
        assert_allclose(classifier.predict_proba(X), vote.predict_proba(X), rtol=1e-14)
        assert_array_equal(classifier.predict(X), vote.predict(X))


@pytest.mark.parametrize("balance", ["shift", "refit"])
@pytest.mark.parametrize("family", ["poisson", "gamma", "bernoulli"])
def test_the_average_of_means_keeps_balance(family, balance):
    X, y, weight, exposure = data(family)
    known = {} if family == "bernoulli" else {"exposure": exposure}
    link = "logit" if family == "bernoulli" else "log"
    model = ensemble(family, link=link, balance=balance).fit(X, y, weight, **known)
    assert model.balance_ == balance
    assert abs(weight @ model.predict(X, **known) / (weight @ y) - 1) < 1e-12
    eta = np.mean([m.linear_predictor(X, **known) for m in model.estimators_], axis=0)
    assert abs(weight @ model.family_.mean(eta) / (weight @ y) - 1) > 1e-7


def test_deviance_and_dispersion_are_those_of_the_average():
    for family, theirs in (("poisson", mean_poisson_deviance), ("gamma", mean_gamma_deviance)):
        X, y, weight, exposure = data(family)
        model = ensemble(family, link="log").fit(X, y, weight, exposure=exposure)
        mu = model.predict(X, exposure=exposure)
        expected = theirs(y, mu, sample_weight=weight) * weight.sum()
        assert model.deviance_ == pytest.approx(expected, rel=1e-12)
        assert model.null_deviance_ == model.estimators_[0].null_deviance_
        score = model.score(X, y, weight, exposure=exposure)
        assert score == pytest.approx(1 - model.deviance_ / model.null_deviance_, rel=1e-9)
        residuals = model.residuals(X, y, weight, exposure=exposure, kind="deviance")
        assert weight @ residuals**2 == pytest.approx(model.deviance_, rel=1e-9)
    pearson = np.square((y - mu) / mu)
    assert model.dispersion_ == pytest.approx(weight @ pearson / weight.sum(), rel=1e-12)


def test_it_is_no_worse_than_its_members_on_average():
    """Jensen: the unit deviance of these laws is convex in the mean, on any data."""
    for family in ("poisson", "normal"):
        X, y, *_ = data(family)
        model = ensemble(family, learning_rate_init=0.3).fit(X[:50], y[:50])
        losses = [np.sum(model.family_.unit_deviance(y, m.predict(X))) for m in model.estimators_]
        assert np.sum(model.family_.unit_deviance(y, model.predict(X))) < np.mean(losses)


def test_coefficient_of_variation_is_that_of_scipy():
    X, y, _, exposure = data()
    model = ensemble(k=4).fit(X, y, exposure=exposure)
    members = [member.predict(X) for member in model.estimators_]
    found = model.coefficient_of_variation(X)
    assert_allclose(found, variation(members, ddof=1), rtol=1e-12)
    assert_allclose(model.coefficient_of_variation(X, exposure=exposure), found, rtol=1e-12)
    X, y = labels(3)
    classifier = DeepGLMClassifier(n_estimators=3, **FAST).fit(X, y)
    members = [member.predict_proba(X) for member in classifier.estimators_]
    assert_allclose(classifier.coefficient_of_variation(X), variation(members, ddof=1), rtol=1e-12)


def test_variation_where_the_mean_is_zero_or_negative():
    X, y, *_ = data("normal")
    model = ensemble("normal", k=2).fit(X, y)
    first, second = (member._weights for member in model.estimators_)
    second[:] = first
    assert_array_equal(model.coefficient_of_variation(X), np.zeros(N))
    weights, intercept = model.estimators_[0]._network.layout.slices[-1]
    second[weights], second[intercept] = -first[weights], -first[intercept]
    assert np.all(model.predict(X) == 0)
    assert np.all(np.isinf(model.coefficient_of_variation(X)))
    first[intercept] -= 1000.0
    second[intercept] -= 1000.0
    spread = np.std([member.predict(X) for member in model.estimators_], axis=0, ddof=1)
    assert_allclose(model.coefficient_of_variation(X), spread / 1000)
    for w in (first, second):
        w[weights] = w[intercept] = 0.0
    assert_array_equal(model.coefficient_of_variation(X), np.zeros(N))


# ---------------------------------------------------------- the classifier


def test_probabilities_of_two_classes():
    X, y = labels()
    model = DeepGLMClassifier(n_estimators=3, **FAST).fit(X, y)
    members = [member.predict_proba(X) for member in model.estimators_]
    assert_allclose(model.predict_proba(X), np.mean(members, axis=0), rtol=1e-15)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-12)
    odds = np.log(model.predict_proba(X)[:, 1] / model.predict_proba(X)[:, 0])
    assert_allclose(model.decision_function(X), odds, rtol=1e-10, atol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[(odds > 0).astype(int)])


def test_logarithms_are_finite_where_probabilities_round_to_zero():
    for n_classes in (2, 3):
        X, y = labels(n_classes)
        model = DeepGLMClassifier(n_estimators=2, **FAST).fit(X, y)
        for member in model.estimators_:
            member._weights[member._network.layout.slices[-1][0]] *= 1e5
        logs = model.predict_log_proba(X)
        assert np.isfinite(logs).all()
        assert logs.min() < -1000
        members = np.stack([member.predict_log_proba(X) for member in model.estimators_])
        assert_allclose(logs, np.logaddexp(*members) - np.log(2), rtol=1e-9, atol=1e-9)


def test_labels_of_several_columns():
    X, y = labels(3)
    indicators = (y[:, None] == np.unique(y)).astype(int)
    indicators[::7, 0] = 1
    model = DeepGLMClassifier(n_estimators=3, **FAST).fit(X, indicators)
    members = [member.predict_proba(X) for member in model.estimators_]
    assert_allclose(model.predict_proba(X), np.mean(members, axis=0), rtol=1e-15)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-12)
    assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    assert model.coefficient_of_variation(X).shape == indicators.shape


# --------------------------------------------------------------- the members


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True}, {"solver": "lbfgs", "n_init": 2}]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_members_are_single_networks_and_nested(options):
    X, y, weight, exposure = data()
    large = ensemble(k=4, **options).fit(X, y, weight, exposure=exposure)
    small = ensemble(k=2, **options).fit(X, y, weight, exposure=exposure)
    one = ensemble(k=1, **options).fit(X, y, weight, exposure=exposure)
    assert_array_equal(weights_of(small), weights_of(large)[:2])
    assert_array_equal(one._weights, large.estimators_[0]._weights)
    for member in large.estimators_:
        again = clone(member).fit(X, y, weight, exposure=exposure)
        assert_array_equal(again._weights, member._weights)
        assert again.loss_curve_ == member.loss_curve_
        assert again.deviance_ == member.deviance_
    assert len({member.random_state for member in large.estimators_}) == 4


def test_random_state_may_be_a_generator_or_none():
    X, y, *_ = data()
    rng = np.random.RandomState
    small, large = (ensemble(k=k, random_state=rng(1)).fit(X, y) for k in (2, 3))
    assert_array_equal(weights_of(small), weights_of(large)[:2])
    again = clone(large.estimators_[2]).fit(X, y)
    assert_array_equal(again._weights, weights_of(large)[2])
    first, second = (ensemble(k=2, random_state=None).fit(X, y) for _ in range(2))
    assert not np.array_equal(weights_of(first), weights_of(second))


def layouts():
    X, y, weight, _ = data(n=3000)
    wide = np.repeat(X, 16, axis=1) + np.random.default_rng(0).normal(size=(3000, 48))
    yield "small", (X, y, weight)
    yield "memory map", (wide, y, None)
    yield "by columns, one weight", (np.asfortranarray(wide), y, np.broadcast_to(2.0, 3000))
    yield "strided", (wide[:, ::2], y, np.repeat(weight, 2)[::2])
    yield "single precision", (wide.astype(np.float32), y, weight)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_bits_are_the_same_for_any_number_of_jobs_and_any_backend(solver, tmp_path):
    for name, (X, y, weight) in layouts():
        options = {"solver": solver, "max_iter": 1 if solver == "adam" else 5}
        alone = ensemble(k=3, **options).fit(X, y, weight)
        for backend in ("loky", "threading"):
            file = tmp_path / backend if name == "small" else None
            with joblib.parallel_config(backend=backend):
                together = ensemble(k=3, n_jobs=2, checkpoint=file, **options).fit(X, y, weight)
            assert_array_equal(weights_of(together), weights_of(alone), f"{name}, {backend}")
            assert together.deviance_ == alone.deviance_
        if name != "strided":  # sums of one network are in the order of its memory
            one = ensemble(k=1, **options).fit(X, y, weight)
            assert_array_equal(one._weights, weights_of(alone)[0])


def test_warm_start_continues_each_member():
    X, y, *_ = data()
    model = ensemble(k=2, warm_start=True).fit(X, y)
    before = weights_of(model)
    model.set_params(n_estimators=3, learning_rate_init=1e-12, balance=None).fit(X, y)
    assert_allclose(weights_of(model)[:2], before, atol=1e-8)
    fresh = ensemble(k=3, learning_rate_init=1e-12, balance=None).fit(X, y)
    assert_array_equal(weights_of(model)[2], weights_of(fresh)[2])
    model.set_params(n_estimators=1).fit(X, y)
    assert_allclose(model._weights, before[0], atol=1e-8)
    model.set_params(hidden_layer_sizes=(3,))
    with pytest.raises(ValueError, match="warm_start=True continues"):
        model.fit(X, y)


def test_what_was_fitted_before_leaves_nothing():
    X, y, *_ = data()
    model = ensemble(k=1).fit(X, y)
    assert model.loss_ > 0
    model.set_params(n_estimators=2).fit(X, y)
    assert not any(hasattr(model, name) for name in ("loss_", "loss_curve_", "coefs_"))
    assert set(vars(model)) == set(vars(ensemble(k=2).fit(X, y)))
    single = model.set_params(n_estimators=1).fit(X, y)
    assert_array_equal(single.predict(X), ensemble(k=1).fit(X, y).predict(X))
    assert set(vars(single)) == set(vars(ensemble(k=1).fit(X, y)))


@pytest.mark.parametrize("skip", [True, "fixed"])
def test_members_around_a_glm(skip):
    """The GLM is fitted once, and told of once; beta is that of each member."""
    X, y, weight, exposure = data()
    X = np.column_stack([X, X[:, 0]])
    with pytest.warns(RankWarning) as caught:
        model = ensemble(skip_connection=skip).fit(X, y, weight, exposure=exposure)
    assert len(caught) == 1
    assert model.rank_ == 3
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), alpha=0)
    with pytest.warns(RankWarning):
        glm.fit(X, y, weight, exposure=exposure)
    for member in model.estimators_:
        assert np.allclose(member.coef_, glm.coef_, rtol=1e-6) == (skip == "fixed")
        with pytest.warns(RankWarning):
            again = clone(member).fit(X, y, weight, exposure=exposure)
        assert_array_equal(again._weights, member._weights)
    with pytest.raises(AttributeError, match="coef_ of each of estimators_"):
        _ = model.coef_
    with pytest.warns(RankWarning):
        jobs = ensemble(skip_connection=skip, n_jobs=2).fit(X, y, weight, exposure=exposure)
    assert_array_equal(weights_of(jobs), weights_of(model))


def test_a_glm_inside_that_did_not_converge_is_told_once(monkeypatch):
    X, y, *_ = data(n=100)
    monkeypatch.setitem(_nested.DEFAULT_MAX_ITER, "newton", 1)
    with pytest.warns(ConvergenceWarning, match="the GLM that the network starts from") as caught:
        ensemble(skip_connection=True).fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_members_upon_a_base():
    X, y, weight, exposure = data()
    base = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y, weight, exposure=exposure)
    model = ensemble(base=base).fit(X, y, weight, exposure=exposure)
    offset = np.log(exposure) + base.linear_predictor(X)
    members = [member.predict(X, exposure=exposure) for member in model.estimators_]
    assert_allclose(model.predict(X, exposure=exposure), np.mean(members, axis=0), rtol=1e-15)
    inner = [m._network.linear_predictor(m._weights, X)[:, 0] + offset for m in model.estimators_]
    assert_allclose(members, np.exp(inner), rtol=1e-12)
    assert all(member.base is base for member in model.estimators_)
    assert model.estimators_[0].get_params(deep=False).keys() == model.get_params(deep=False).keys()


# ---------------------------------------------------------------- the rest


def test_frames_columns_weights_of_zero_and_read_only_rows():
    X, y, weight, exposure = data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(time=exposure)
    weight[::5] = 0
    model = ensemble(exposure="time").fit(frame, y, weight)
    kept = weight > 0
    other = ensemble().fit(X[kept], y[kept], weight[kept], exposure=exposure[kept])
    assert_array_equal(weights_of(model), weights_of(other))
    member = model.estimators_[1]
    assert list(member.feature_names_in_) == ["a", "b", "c"]
    assert_array_equal(member.predict(frame), member.predict(frame.iloc[:, [0, 1, 2, 3]]))
    for array in (X, y, weight):
        array.flags.writeable = False
    assert_array_equal(weights_of(ensemble().fit(X, y)), weights_of(ensemble().fit(X.copy(), y)))


def test_several_outputs():
    X, y, *_ = data("normal")
    Y = np.column_stack([y, y**2, -y])
    model = ensemble("normal").fit(X, Y)
    members = [member.predict(X) for member in model.estimators_]
    assert_allclose(model.predict(X), np.mean(members, axis=0), rtol=1e-13)
    assert_allclose(model.coefficient_of_variation(X), np.abs(variation(members, ddof=1)))


def test_pipelines_searches_copies_and_comparison():
    X, y, *_ = data(n=150)
    model = ensemble(k=2).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), ensemble(k=2)),
        {"deepglmregressor__hidden_layer_sizes": [(), (2,)]},
        cv=2,
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    table = compare({"glm": glm, "nets": ensemble(k=2)}, X, y, cv=2).table
    assert np.isfinite(table.loc["nets", "deviance"])
    assert np.isnan(table.loc["nets", "aic"])


def test_without_hidden_layers_it_is_the_glm():
    X, y, *_ = data()
    options = {"hidden_layer_sizes": (), "solver": "auto", "max_iter": "auto"}
    one, several = (ensemble(k=k, **options).fit(X, y) for k in (1, 5))
    assert_array_equal(several.coef_, one.coef_)
    assert not hasattr(several, "estimators_")
    assert several.inference(X, y).llf == one.inference(X, y).llf
    with pytest.raises(ValueError, match="this model is one fit"):
        several.coefficient_of_variation(X)


def test_members_that_did_not_converge_are_told_once():
    X, y, *_ = data()
    model = ensemble(solver="lbfgs", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="in 3 of 3 members after 2 iterations") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not model.converged_
    assert model.n_iter_ == 2
    assert model.balance_ == "shift"


def test_attributes_where_members_differ():
    X, y, *_ = data()
    model = ensemble(solver="lbfgs", max_iter=1000).fit(X, y)
    n_iter = [member.n_iter_ for member in model.estimators_]
    assert model.converged_
    assert model.n_iter_ == max(n_iter) > min(n_iter)
    assert model.balance_ is None
    with pytest.warns(ConvergenceWarning, match="in 2 of 3 members"):
        model.set_params(max_iter=min(n_iter)).fit(X, y)
    assert [member.converged_ for member in model.estimators_].count(True) == 1
    assert {member.balance_ for member in model.estimators_} == {None, "shift"}
    assert not model.converged_
    assert model.balance_ is None


def test_members_report_under_their_numbers(capsys):
    X, y, *_ = data(n=100)
    ensemble(k=2, verbose=2).fit(X, y)
    printed = capsys.readouterr().out
    assert printed.startswith("[DeepGLMRegressor] solver=adam\n")
    assert printed.count("[DeepGLMRegressor member 0] iteration ") == 3
    assert "[DeepGLMRegressor member 1] iteration 3: objective " in printed


@pytest.mark.parametrize(
    "name",
    ["coefs_", "intercepts_", "coef_", "loss_", "loss_curve_", "validation_loss_curve_"],
)
def test_what_one_network_has(name):
    X, y, *_ = data(n=60)
    message = "without hidden layers" if name == "coef_" else "See .* of each of estimators_"
    with pytest.raises(AttributeError, match=f"{name} belongs to .*{message}"):
        getattr(ensemble(k=2).fit(X, y), name)
    with pytest.raises(AttributeError, match=r"after fit|not fitted"):
        getattr(ensemble(), name)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m, X, y: m.inference(X, y), "inference.. needs the parameters of one network"),
        (lambda m, X, y: m.forecast(X), "an ensemble of 2"),
        (lambda m, X, y: m.predict_interval(X), "an ensemble of 2"),
        (lambda m, X, y: m.predict_quantiles(X), "an ensemble of 2"),
        (lambda m, X, y: m.predict_distribution(X), "an ensemble of 2"),
        (lambda m, X, y: m.sample_y(X), "an ensemble of 2"),
        (lambda m, X, y: nonlinearity_test(m, X, y), "1 hidden layers"),
        (lambda m, X, y: to_statsmodels(m, X, y), "hidden_layer_sizes="),
        (lambda m, X, y: glm_to_net_path(m, X, y), "Set n_estimators=1, and fit the ensemble"),
        (
            lambda m, X, y: clone(m).set_params(solver="auto").fit_for_inference(X, y),
            "chooses n_estimators itself",
        ),
        (
            lambda m, X, y: clone(m).set_params(store_covariance=True).fit(X, y),
            "store_covariance=True keeps the covariance",
        ),
        (
            lambda m, X, y: ensemble(NegativeBinomial(alpha="estimate")).fit(X, y),
            "its own estimate of alpha",
        ),
        (lambda m, X, y: ensemble(k=0).fit(X, y), "'n_estimators' parameter"),
    ],
)
def test_what_is_refused(ask, message):
    X, y, *_ = data(n=60)
    model = ensemble(k=2).fit(X, y)
    with pytest.raises(ValueError, match=message):
        ask(model, X, y)


def test_a_single_network_has_no_variation():
    X, y, *_ = data(n=60)
    with pytest.raises(ValueError, match="Fit with n_estimators=10"):
        ensemble(k=1).fit(X, y).coefficient_of_variation(X)


def test_means_outside_the_link_are_the_members():
    """Under the square root a member may have no mean at a new row: then there is none."""
    X, y, *_ = data()
    model = ensemble(link="sqrt", k=2).fit(X, y)
    intercept = model.estimators_[0]._network.layout.slices[-1][1]
    model.estimators_[0]._weights[intercept] -= 100.0
    assert np.all(model.predict(X) == -np.inf)
    assert np.all(get_family("poisson", "sqrt").mean(model.linear_predictor(X)) == -np.inf)
    assert np.all(np.isnan(model.coefficient_of_variation(X)))
