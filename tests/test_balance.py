"""The balance property: sum w mu = sum w y, after a shift or a refit, at any depth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from test_training_reference import draw

from families import get_family, known_pairs
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.training.balance import balanced, level_shift
from glmnet_nn.training.data import Rows

N = 700


def totals(model, X, y, weight, **known):
    """Relative distance of the two totals."""
    return abs(weight @ model.predict(X, **known) / (weight @ y) - 1)


def data(family="poisson", seed=0):
    rng = np.random.default_rng(seed)
    X, weight, exposure = rng.normal(size=(N, 3)), rng.uniform(0.2, 3, N), rng.uniform(0.1, 2, N)
    mean = np.exp(0.5 * np.sin(2 * X[:, 0]) + 0.3 * X[:, 1] - 0.5)
    y = {
        "poisson": lambda: rng.poisson(mean * exposure),
        "gamma": lambda: rng.gamma(2.0, mean / 2.0),
        "normal": lambda: 40 + mean + rng.normal(size=N),
        "bernoulli": lambda: rng.random(N) < mean / (1 + mean),
    }[family]().astype(float)
    return X, y, weight, exposure


@pytest.mark.parametrize("pair", known_pairs(), ids=lambda pair: pair.name)
@pytest.mark.parametrize("depth", [0, 1])
def test_every_law_and_link(pair, depth):
    """From anywhere, only the intercept moves, and the totals agree to 1e-9."""
    objective, w = draw(pair, depth, n=60, p=3)
    rows = objective.rows
    found = balanced(objective, w)
    mu = pair.mean(objective.linear_predictor(found, rows)[1])
    assert_allclose(rows.weight @ mu, rows.weight @ rows.y, rtol=1e-9)
    changed = np.flatnonzero(found != w)
    intercept = objective.network.layout.slices[-1][1]
    assert set(changed) <= set(range(intercept.start, intercept.stop))


@pytest.mark.parametrize("name", ["log", "identity", "sqrt", "logit"])
def test_a_shift_is_undone(name):
    """Means in balance, eta moved by -2.5 or .5: the shift is what was taken."""
    pair = get_family("bernoulli" if name == "logit" else "poisson", name)
    eta = np.random.default_rng(1).uniform(1.0, 2.0, (50, 1))
    if name == "logit":
        eta -= 1.5
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 50)
    for shift in (0.4, -0.4):
        rows = Rows(np.empty((50, 0)), pair.mean(eta + shift), weight)
        assert level_shift(rows, pair, eta)[0] == pytest.approx(shift, rel=1e-9)


def test_a_total_that_the_link_does_not_reach():
    """Identity link: one mean is .01, and that of both must fall by 24.9."""
    pair = get_family("poisson", "identity")
    rows = Rows(np.empty((2, 0)), np.array([[0.1], [0.2]]), np.ones(2))
    with pytest.raises(ValueError, match="balance='shift' moves the output intercept"):
        level_shift(rows, pair, np.array([[0.01], [50.0]]))


@pytest.mark.parametrize("balance", ["auto", "shift", "refit"])
@pytest.mark.parametrize("family", ["poisson", "gamma", "normal"])
def test_mini_batches_end_in_balance(family, balance):
    X, y, weight, exposure = data(family)
    link = "identity" if family == "normal" else "log"
    known = {} if family == "normal" else {"exposure": exposure}
    options = {"link": link, "solver": "adam", "max_iter": 3, "random_state": 0}
    model = DeepGLMRegressor(family, balance=balance, **options)
    model.fit(X, y, sample_weight=weight, **known)
    assert totals(model, X, y, weight, **known) < 1e-9
    assert model.balance_ == ("shift" if balance == "auto" else balance)
    mu = model.predict(X, **known)
    assert model.deviance_ == pytest.approx(weight @ model.family_.unit_deviance(y, mu), rel=1e-9)
    model.set_params(balance=None).fit(X, y, sample_weight=weight, **known)
    assert model.balance_ is None
    assert totals(model, X, y, weight, **known) > 1e-5


def test_early_stopping_and_data_in_single_precision():
    X, y, weight, _ = data()
    model = DeepGLMRegressor("poisson", early_stopping=True, random_state=0)
    model.fit(X.astype(np.float32), y, sample_weight=weight)
    assert totals(model, X.astype(np.float32), y, weight) < 1e-9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_auto_shifts_what_was_stopped_and_leaves_what_has_converged():
    X, y, *_ = data()
    assert DeepGLMRegressor("poisson", random_state=0).fit(X, y).balance_ == "shift"
    whole = {"solver": "lbfgs", "random_state": 0}
    assert DeepGLMRegressor("poisson", max_iter=3, **whole).fit(X, y).balance_ == "shift"
    ended = DeepGLMRegressor("poisson", **whole).fit(X, y)
    assert ended.converged_
    assert ended.balance_ is None
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    assert glm.balance_ is None
    assert totals(glm, X, y, np.ones(N)) < 1e-9


def test_auto_leaves_other_links_and_models_without_an_intercept():
    X, y, *_ = data("bernoulli")
    options = {"solver": "adam", "max_iter": 3, "random_state": 0}
    assert DeepGLMClassifier(**options).fit(X, y).balance_ is None
    X, y, *_ = data()
    assert DeepGLMRegressor("poisson", fit_intercept=False, **options).fit(X, y).balance_ is None
    identity = DeepGLMRegressor("poisson", link="identity", **options).fit(X, y)
    assert identity.balance_ is None  # a shift might leave the range of means


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("balance", ["shift", "refit"])
def test_classes_are_as_frequent_as_expected(hidden, balance):
    X, y = load_iris(return_X_y=True)
    model = DeepGLMClassifier(hidden_layer_sizes=hidden, alpha=0.01, solver="adam", max_iter=5)
    model.set_params(balance=balance, random_state=0).fit(X, y)
    assert_allclose(model.predict_proba(X).sum(axis=0), [50, 50, 50], rtol=1e-9)


def test_a_glm_whose_link_is_not_canonical_is_shifted_on_request():
    X, y, weight, _ = data("gamma")
    options = {"link": "log", "hidden_layer_sizes": ()}
    plain = DeepGLMRegressor("gamma", **options).fit(X, y, weight)
    shifted = DeepGLMRegressor("gamma", balance="shift", **options).fit(X, y, weight)
    assert totals(plain, X, y, weight) > 1e-5
    assert totals(shifted, X, y, weight) < 1e-12
    assert_allclose(shifted.coef_, plain.coef_, rtol=1e-7)
    assert shifted.loss_ > plain.loss_


def test_a_refit_lowers_the_deviance_of_a_rough_fit():
    X, y, weight, _ = data()
    options = {"solver": "adam", "max_iter": 3, "random_state": 0}
    shift, refit = (
        DeepGLMRegressor("poisson", balance=b, **options).fit(X, y, weight)
        for b in ("shift", "refit")
    )
    assert refit.deviance_ < shift.deviance_
    assert_allclose(refit.coefs_[0], shift.coefs_[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": "shift", "fit_intercept": False}, "fit_intercept=False"),
        ({"balance": "refit", "l1_ratio": 0.5, "alpha": 0.1}, "l1_ratio=0.5"),
        ({"balance": "shift", "bias_reduction": True}, "bias_reduction=True"),
    ],
)
def test_what_cannot_be_balanced(options, message):
    X, y, *_ = data()
    with pytest.raises(ValueError, match=message):
        DeepGLMRegressor("poisson", hidden_layer_sizes=(), **options).fit(X, y)
