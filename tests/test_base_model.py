"""A fitted estimator as base: its linear predictor is an offset, at prediction too."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from families import Poisson
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.inference.functionals import partial_effects
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.data import Rows


def data(n=600, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    mean = np.exp(0.4 * X["a"] - 0.2 * X["b"] + 0.5 * np.abs(X["c"]) - 0.5)
    exposure = rng.uniform(0.2, 2.0, n)
    return X, rng.poisson(mean * exposure).astype(float), exposure


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_it_is_an_offset_of_every_call(hidden):
    X, y, exposure = data()
    base = PoissonRegressor(alpha=0.1).fit(X, y / exposure, sample_weight=exposure)
    asked = {"hidden_layer_sizes": hidden, "random_state": 0}
    by_base = DeepGLMRegressor("poisson", base=base, **asked).fit(X, y, exposure=exposure)
    eta = np.log(base.predict(X))
    new, eta_new = X[:9] + 0.1, np.log(base.predict(X[:9] + 0.1))
    by_hand = DeepGLMRegressor("poisson", **asked)
    if hidden:  # the same start: not that of a network without base
        by_hand = DeepGLMRegressor("poisson", base=Nothing().fit(), **asked)
    by_hand.fit(X, y, offset=eta, exposure=exposure)
    assert_allclose(by_base.predict(new), by_hand.predict(new, offset=eta_new), rtol=1e-6)
    assert_allclose(
        by_base.score(X, y, exposure=exposure, offset=0.1 * X["a"]),
        by_hand.score(X, y, exposure=exposure, offset=eta + 0.1 * X["a"]),
        rtol=1e-6,
    )
    assert_allclose(
        by_base.residuals(X, y, exposure=exposure, kind="pearson"),
        by_hand.residuals(X, y, offset=eta, exposure=exposure, kind="pearson"),
        atol=1e-5,
    )


class Nothing:
    """A base that says nothing: a mean of 1."""

    def fit(self):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.ones(len(X))

    def __sklearn_tags__(self):
        return PoissonRegressor().__sklearn_tags__()


def test_inference_knows_it():
    """At depth zero with the numbers of the GLM with that offset."""
    X, y, _ = data()
    base = HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(X[["a"]], y)
    base = OfColumns(base, ["a"])
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=base).fit(X, y)
    plain = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    eta = np.log(base.predict(X))
    one = model.inference(X, y)
    two = plain.fit(X, y, offset=eta).inference(X, y, offset=eta)
    assert_allclose(one.params, two.params, rtol=1e-9)
    assert_allclose(one.bse, two.bse, rtol=1e-9)
    frame = model.forecast(X[:5], inference=one).summary_frame()
    other = plain.forecast(X[:5], offset=eta[:5], inference=two).summary_frame()
    assert_allclose(frame, other, rtol=1e-8)


class OfColumns:
    """An estimator of some columns."""

    def __init__(self, model, columns):
        self.model, self.columns, self.fitted_ = model, columns, True

    def fit(self):
        return self

    def predict(self, X):
        return self.model.predict(X[self.columns])

    def __sklearn_tags__(self):
        return self.model.__sklearn_tags__()


def test_its_own_linear_predictor_is_taken_under_the_same_link():
    """exp and log are not asked for, where a mean would overflow."""
    X, y, _ = data()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=glm).fit(X, y)
    assert_allclose(model.coef_, 0.0, atol=1e-9)
    far = X[:3] * 5000
    assert_allclose(model.linear_predictor(far), glm.linear_predictor(far), rtol=1e-6)
    other = DeepGLMRegressor("normal", hidden_layer_sizes=(), base=glm).fit(X, y)
    eta = other.linear_predictor(X) - X @ other.coef_ - other.intercept_
    assert_allclose(eta, glm.predict(X), rtol=1e-9)


def test_probabilities_of_a_classifier():
    X, y, _ = data()
    two, three = np.where(y > 0, "yes", "no"), np.minimum(y, 2)
    for labels in (two, three):
        base = LogisticRegression().fit(X[["a", "b", "c"]], labels)
        model = DeepGLMClassifier(hidden_layer_sizes=(), base=base).fit(X, labels)
        plain = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
        assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-6)
        start = DeepGLMClassifier(
            hidden_layer_sizes=(3,), base=base, solver="adam", max_iter=1,
            learning_rate_init=1e-300, batch_size=1000,
        ).fit(X, labels)  # fmt: skip
        # LogisticRegression's own intercept balances the classes: nothing is left to shift
        assert_allclose(start.predict_proba(X), base.predict_proba(X), rtol=1e-3)


def test_a_network_learns_on_top():
    X, y, _ = data(n=1500)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(8,), base=glm, random_state=0).fit(X, y)
    assert_allclose(net.null_deviance_, glm.deviance_, rtol=1e-9)
    assert net.deviance_ < 0.95 * glm.deviance_


def test_cross_validation_keeps_a_frozen_base():
    X, y, _ = data()
    base = PoissonRegressor().fit(X, y)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=base)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        clone(model).fit(X, y)
    frozen = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=FrozenEstimator(base))
    assert np.all(np.isfinite(cross_val_score(frozen, X, y, cv=3)))


def test_bad_bases():
    X, y, _ = data()
    with pytest.raises(NotFittedError, match="base must be fitted"):
        DeepGLMRegressor("poisson", base=PoissonRegressor()).fit(X, y)
    with pytest.raises(ValueError, match="'base' parameter"):
        DeepGLMRegressor("poisson", base="glm").fit(X, y)
    with pytest.raises(ValueError, match="'base' parameter"):
        DeepGLMClassifier(base=LinearRegression().fit(X, y)).fit(X, y > 0)
    with pytest.raises(ValueError, match=r"predicts \[-.*\] for row \d+, which link 'log'"):
        DeepGLMRegressor("poisson", base=LinearRegression().fit(X, y - 1)).fit(X, y)
    trees = RandomForestClassifier(5, random_state=0).fit(X, y > 0)
    with pytest.raises(ValueError, match="end of the range"):
        DeepGLMClassifier(base=trees).fit(X, y > 0)
    with pytest.raises(ValueError, match=r"must know the classes of y, \[False, True\]"):
        DeepGLMClassifier(base=DummyClassifier().fit(X, np.minimum(y, 2))).fit(X, y > 0)
    with pytest.raises(ValueError, match="one column for each output, 1"):
        DeepGLMRegressor("poisson", base=DummyRegressor().fit(X, X**2)).fit(X, y)
    with pytest.raises(TypeError, match="is a class, not an instance"):
        DeepGLMRegressor("poisson", base=PoissonRegressor).fit(X, y)
    base = PoissonRegressor().fit(X, y)
    with pytest.raises(ValueError, match="offset must have shape"):
        DeepGLMRegressor("poisson", base=base).fit(X, y, offset=np.zeros(7))


def test_classes_are_those_of_the_base():
    """Not columns in the order in which they come."""
    X, y, _ = data()
    base = LogisticRegression().fit(
        X, np.array(["few", "more", "none"])[np.minimum(y, 2).astype(int)]
    )
    labels = np.array(["none", "few", "more"])[np.minimum(y, 2).astype(int)]
    assert np.isfinite(DeepGLMClassifier(hidden_layer_sizes=(), base=base).fit(X, labels).deviance_)
    with pytest.raises(ValueError, match=r"\['a', 'b', 'c'\], but this LogisticRegression"):
        DeepGLMClassifier(hidden_layer_sizes=(), base=base).fit(
            X, np.array(["a", "b", "c"])[np.minimum(y, 2).astype(int)]
        )


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("trees", [False, True])
def test_labels_side_by_side(n_labels, trees):
    """scikit-learn's networks give (n, K) probabilities of K labels, its trees (n, 2) K times."""
    X, y, _ = data()
    Y = np.column_stack([y > 0, y > 1, y > 2]).astype(int)[:, :n_labels]
    if trees:
        base = RandomForestClassifier(5, max_depth=1, min_samples_leaf=50, random_state=0).fit(X, Y)
        mu = np.column_stack([of_label[:, 1] for of_label in base.predict_proba(X)])
    else:
        base = MLPClassifier((2,), solver="lbfgs", alpha=10.0, random_state=0).fit(X, Y)
        mu = base.predict_proba(X)
    model = DeepGLMClassifier(hidden_layer_sizes=(), base=base).fit(X, Y)
    eta = model.linear_predictor(X) - X.to_numpy() @ model.coef_.T - model.intercept_
    assert_allclose(eta, special.logit(mu), atol=1e-9)


def test_whatever_predicts_may_be_a_base():
    """Without fit, tags or anything else of scikit-learn's."""
    X, y, _ = data()

    class Tariff:
        def predict(self, X):
            return np.exp(0.4 * X["a"])

    asked = {"hidden_layer_sizes": ()}
    model = DeepGLMRegressor("poisson", base=Tariff(), **asked).fit(X, y)
    plain = DeepGLMRegressor("poisson", **asked).fit(X, y)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_average_effects_have_the_slopes_of_the_base():
    X, y, _ = data(n=120)
    base = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    asked = {"base": base, "alpha": 0.05, "solver": "lbfgs", "random_state": 0}
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), **asked).fit(X, y)
    results, slopes, mu = net.inference(X, y), net.local_coef(X), net.predict(X)
    linear = results.average_partial_effects(which="linear")
    assert_allclose(linear.margeff, slopes.mean(axis=0), rtol=1e-9)
    of_mean = results.average_partial_effects()
    assert_allclose(of_mean.margeff, (mu[:, None] * slopes).mean(axis=0), rtol=1e-9)
    with pytest.raises(ValueError, match="no steps of a base"):
        results.average_partial_effects(dummy=True)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=base).fit(X, y)
    with pytest.raises(ValueError, match="has a base, whose slopes are part"):
        glm.inference(X, y).get_margeff()


def test_gradients_of_effects_know_the_slopes_of_an_offset():
    rng = np.random.default_rng(0)
    network = Network(Layout((2, 3, 1)), get_activation("tanh"))
    w = rng.standard_normal(network.layout.size)
    X, known, share = rng.standard_normal((7, 2)), rng.standard_normal((7, 1)), np.full(7, 1 / 7)
    rows = Rows(X, np.zeros((7, 1)), share, rng.standard_normal((7, 1)))

    def effect(w):
        return partial_effects(network, Poisson(), w, rows, np.array([0.0, 1.0]), True, known)

    gradient = effect(w)[1][0]
    for i, step in enumerate(1e-6 * np.eye(w.size)):
        change = share @ (effect(w + step)[0] - effect(w - step)[0])
        assert_allclose(gradient[i], change / 2e-6, rtol=1e-6, atol=1e-9)
