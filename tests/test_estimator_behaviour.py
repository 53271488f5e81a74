"""The estimators as their users meet them: tools of scikit-learn, shapes, labels, training."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, d2_log_loss_score, d2_tweedie_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from glmnet_nn import Bernoulli, DeepGLMClassifier, DeepGLMRegressor, Poisson

ACTIVATIONS = {
    "identity": lambda S: S,
    "logistic": lambda S: 1 / (1 + np.exp(-S)),
    "tanh": np.tanh,
    "relu": lambda S: np.maximum(S, 0),
    "softplus": lambda S: np.logaddexp(0, S),
}
INVERSES = {
    "normal": lambda eta: eta,
    "poisson": np.exp,
    "bernoulli": lambda eta: 1 / (1 + np.exp(-eta)),
}
depths = pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])


def regressor(family="poisson", hidden=(4,), **parameters):
    return DeepGLMRegressor(
        family, hidden_layer_sizes=hidden, **{"random_state": 0, "alpha": 0.01, **parameters}
    )


def classifier(hidden=(4,), **parameters):
    return DeepGLMClassifier(
        hidden_layer_sizes=hidden, **{"random_state": 0, "alpha": 0.01, **parameters}
    )


def data(n=200, seed=0):
    """Counts over a time of exposure, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 3.0]
    exposure = rng.uniform(0.2, 2.0, n)
    mu = exposure * np.exp(0.5 * np.sin(2 * X[:, 0]) + 0.03 * (X[:, 1] - 50))
    return X, rng.poisson(mu).astype(float), exposure, rng.uniform(0.5, 2.0, n)


def frame(n=200):
    X, y, exposure, weight = data(n)
    region = np.random.default_rng(1).choice(["north", "south", "west"], n)
    return pd.DataFrame(X, columns=["a", "b", "c"]).assign(region=region), y, exposure, weight


# ------------------------------------------------------- tools of scikit-learn


def in_pipeline(model):
    onehot = make_column_transformer(
        (OneHotEncoder(drop="first", sparse_output=False), ["region"]),
        (StandardScaler(), ["a", "b", "c"]),
    )
    return make_pipeline(onehot, model)


@depths
def test_pipeline_of_a_column_transformer(hidden):
    X, y, exposure, _ = frame()
    pipeline = in_pipeline(regressor(hidden=hidden))
    pipeline.fit(X, y, deepglmregressor__exposure=exposure)
    assert pipeline[-1].n_features_in_ == 5
    inside = pipeline[0].transform(X)
    expected = regressor(hidden=hidden).fit(inside, y, exposure=exposure)
    np.testing.assert_array_equal(pipeline.predict(X), expected.predict(inside))


@depths
def test_cross_validate(hidden):
    X, y, *_ = frame()
    found = cross_validate(in_pipeline(regressor(hidden=hidden)), X, y, cv=3, error_score="raise")
    assert np.all(np.isfinite(found["test_score"]))
    labels = np.where(y > 1, "many", "few")
    found = cross_validate(in_pipeline(classifier(hidden)), X, labels, cv=3, error_score="raise")
    assert np.all(found["test_score"] > 0.3)


def test_grid_search_in_two_processes():
    X, y, *_ = data()
    grid = {"alpha": [1e-3, 1.0], "hidden_layer_sizes": [(), (3,)]}
    search = GridSearchCV(regressor(), grid, cv=3, n_jobs=2, error_score="raise").fit(X, y)
    alone = GridSearchCV(regressor(), grid, cv=3, n_jobs=1, error_score="raise").fit(X, y)
    for key in ("params", "mean_test_score"):
        assert np.all(search.cv_results_[key] == alone.cv_results_[key])
    expected = clone(search.best_estimator_).fit(X, y).predict(X)
    np.testing.assert_array_equal(search.predict(X), expected)


@depths
def test_metadata_routing(hidden):
    """Weights, offset and exposure reach every fold's fit, and its score, row by row."""
    X, y, exposure, weight = data()
    offset = 0.1 * np.arange(len(y)) / len(y)
    params = {"sample_weight": weight, "exposure": exposure, "offset": offset}
    with sklearn.config_context(enable_metadata_routing=True):
        model = regressor(hidden=hidden).set_fit_request(
            sample_weight=True, exposure=True, offset=True
        )
        model.set_score_request(sample_weight=True, exposure=True, offset=True)
        found = cross_validate(model, X, y, cv=KFold(3), params=params, error_score="raise")
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            regressor(hidden=hidden)
            .set_fit_request(exposure=True, sample_weight=True, offset=True)
            .set_predict_request(exposure=True, offset=True),
        )
        pipeline.fit(X, y, **params)
        expected = pipeline.predict(X, exposure=exposure, offset=offset)
    for (train, test), score in zip(KFold(3).split(X), found["test_score"], strict=True):
        fold = regressor(hidden=hidden).fit(
            X[train], y[train], **{k: v[train] for k, v in params.items()}
        )
        by_hand = fold.score(X[test], y[test], **{k: v[test] for k, v in params.items()})
        assert score == pytest.approx(by_hand, rel=1e-12)
    inside = pipeline[-1].predict(pipeline[0].transform(X))
    np.testing.assert_allclose(expected, exposure * np.exp(offset) * inside, rtol=1e-12)


def test_routing_unasked_is_refused():
    X, y, exposure, _ = data()
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match="exposure"),
    ):
        cross_validate(regressor(), X, y, params={"exposure": exposure})


@depths
@pytest.mark.parametrize("kind", [regressor, classifier])
def test_clone_and_pickle(kind, hidden):
    X, y, *_ = data()
    y = np.minimum(y, 2)
    model = kind(hidden=hidden)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    model.fit(X, y)
    assert not hasattr(twin, "n_features_in_")
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(twin.fit(X, y).predict(X), model.predict(X))
    assert loaded.get_params() == model.get_params()
    assert loaded.loss_ == model.loss_


def test_clone_keeps_a_family_object():
    model = DeepGLMRegressor(Poisson(link="identity"))
    assert clone(model).get_params()["family"] == Poisson(link="identity")
    assert "Identity" in repr(clone(model))


@pytest.mark.parametrize("name", ["predict", "linear_predictor"])
def test_not_fitted(name):
    with pytest.raises(NotFittedError):
        getattr(regressor(), name)([[1.0]])
    with pytest.raises(NotFittedError):
        classifier().predict_proba([[1.0]])
    for attribute in ("coef_", "coefs_"):
        assert not hasattr(regressor(), attribute)


@depths
def test_frames(hidden):
    X, y, *_ = data()
    named = pd.DataFrame(X, columns=["age", "sex", "bmi"], index=np.arange(len(X)) + 7)
    model = regressor(hidden=hidden).fit(named, pd.Series(y, index=named.index))
    assert model.feature_names_in_.tolist() == ["age", "sex", "bmi"]
    plain = regressor(hidden=hidden).fit(X, y)  # a frame holds its columns in another order
    np.testing.assert_allclose(model.predict(named), plain.predict(X), rtol=1e-3)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(named[["sex", "age", "bmi"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


def test_output_of_frames_asked_for():
    """set_output is for transformers: a pipeline of frames still predicts arrays."""
    X, y, *_ = frame()
    pipeline = in_pipeline(regressor()).set_output(transform="pandas").fit(X, y)
    assert pipeline[-1].feature_names_in_[0] == "onehotencoder__region_south"
    assert isinstance(pipeline.predict(X), np.ndarray)


# ------------------------------------------------------------ the forward pass


# With relu F has kinks, where its gradient need not vanish: lbfgs may say so.
@pytest.mark.filterwarnings("ignore:lbfgs did not:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("family", INVERSES)
@pytest.mark.parametrize("standardize", [True, False])
def test_predictions_by_hand(activation, family, standardize):
    """coefs_ and intercepts_ are those of X as given, however the solver scaled it."""
    X, y, *_ = data()
    X = X / [1, 50, 3]
    y = np.minimum(y, 1) if family == "bernoulli" else y
    model = regressor(
        family, hidden=(4, 3), activation=activation, standardize=standardize, tol=1e-3
    ).fit(X, y)
    *hidden, (W, b) = zip(model.coefs_, model.intercepts_, strict=True)
    O = np.clip(X, *model.input_bounds_)
    for layer, offset in hidden:
        O = ACTIVATIONS[activation](O @ layer + offset)
    eta = O @ W + b
    assert [layer.shape for layer in model.coefs_] == [(3, 4), (4, 3), (3, 1)]
    assert [offset.shape for offset in model.intercepts_] == [(4,), (3,), (1,)]
    np.testing.assert_allclose(model.linear_predictor(X), eta[:, 0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        model.predict(X), INVERSES[family](eta[:, 0]), rtol=1e-10, atol=1e-10
    )
    with pytest.raises(AttributeError, match=r"without hidden layers; this one has 2.*coefs_"):
        _ = model.coef_


@pytest.mark.parametrize("family", INVERSES)
def test_predictions_by_hand_without_hidden_layers(family):
    X, y, *_ = data()
    y = np.minimum(y, 1) if family == "bernoulli" else y
    model = regressor(family, hidden=()).fit(X, y)
    eta = X @ model.coef_ + model.intercept_
    assert model.coef_.shape == (3,)
    assert isinstance(model.intercept_, float)
    np.testing.assert_allclose(model.predict(X), INVERSES[family](eta), rtol=1e-11)
    np.testing.assert_array_equal(model.coefs_[0][:, 0], model.coef_)


@depths
def test_no_intercept_in_the_output_layer(hidden):
    """Documented: with ``fit_intercept=False`` it is the output layer that has none."""
    X, y, *_ = data()
    model = regressor("normal", hidden=hidden, fit_intercept=False).fit(X, y)
    assert model.intercepts_[-1].tolist() == [0.0]
    assert all(np.any(b != 0) for b in model.intercepts_[:-1])


@depths
def test_outputs_one_by_one_and_together(hidden):
    X, y, *_ = data()
    both = np.column_stack([y, X[:, 0] + 0.5 * y])
    model = regressor("normal", hidden=hidden).fit(X, both)
    assert model.predict(X).shape == both.shape
    assert model.n_outputs_ == 2
    assert model.n_layers_ == len(hidden) + 2
    assert regressor("normal", hidden=hidden).fit(X, y).predict(X).shape == (len(X),)
    assert regressor("normal", hidden=hidden).fit(X, y[:, None]).predict(X).shape == (len(X), 1)
    if not hidden:
        assert model.coef_.shape == (2, 3)
        for k in range(2):
            one = regressor("normal", hidden=()).fit(X, both[:, k])
            np.testing.assert_allclose(model.coef_[k], one.coef_, rtol=1e-9)
            np.testing.assert_allclose(model.intercept_[k], one.intercept_, rtol=1e-9)


# ------------------------------------------------------- exposure and offset


@depths
def test_predict_with_exposure(hidden):
    X, y, exposure, _ = data()
    model = regressor(hidden=hidden).fit(X, y, exposure=exposure)
    rate = model.predict(X)
    np.testing.assert_allclose(model.predict(X, exposure=exposure), exposure * rate, rtol=1e-12)
    np.testing.assert_allclose(model.predict(X, exposure=2.0), 2 * rate, rtol=1e-12)
    np.testing.assert_allclose(
        model.predict(X, offset=np.log(exposure)), exposure * rate, rtol=1e-12
    )
    np.testing.assert_allclose(
        model.linear_predictor(X, offset=1.5), model.linear_predictor(X) + 1.5
    )
    if not hidden:  # balance: what was expected is what was seen
        glm = regressor(hidden=(), alpha=0).fit(X, y, exposure=exposure)
        assert glm.predict(X, exposure=exposure).sum() == pytest.approx(y.sum(), rel=1e-10)


@depths
def test_exposure_is_an_offset(hidden):
    X, y, exposure, _ = data()
    one = regressor(hidden=hidden).fit(X, y, exposure=exposure)
    other = regressor(hidden=hidden).fit(X, y, offset=np.log(exposure))
    both = regressor(hidden=hidden).fit(X, y, offset=0.5 * np.log(exposure), exposure=exposure**0.5)
    for model in (other, both):
        np.testing.assert_allclose(model.predict(X), one.predict(X), rtol=1e-3)
        assert model.null_deviance_ == pytest.approx(one.null_deviance_, rel=1e-10)


@pytest.mark.parametrize("solver", ["lbfgs", "newton", "adam"])
def test_normal_offset_is_taken_from_y(solver):
    """Identity link: y - offset is what is left to explain, whatever the solver scales."""
    X, y, *_ = data()
    y, offset = 100 * y, 30 * np.sin(np.arange(len(y)))
    options = {"max_iter": 2000} if solver == "adam" else {}
    kind = {"hidden": (), "alpha": 0.0, "solver": solver, **options}
    with_offset = regressor("normal", **kind).fit(X, y, offset=offset)
    expected = regressor("normal", **{**kind, "solver": "newton"}).fit(X, y - offset)
    np.testing.assert_allclose(with_offset.predict(X), expected.predict(X), rtol=1e-3, atol=0.1)


def test_normal_offset_with_hidden_layers():
    """A constant offset is a matter of the intercept."""
    X, y, *_ = data()
    y = 100 * y
    plain = regressor("normal", tol=1e-8).fit(X, y)
    moved = regressor("normal", tol=1e-8).fit(X, y, offset=np.full(len(y), 40.0))
    np.testing.assert_allclose(moved.predict(X, offset=40.0), plain.predict(X), rtol=1e-3, atol=1.0)
    assert moved.deviance_ == pytest.approx(plain.deviance_, rel=1e-3)


# -------------------------------------------------------------------- scores


@depths
@pytest.mark.parametrize(("family", "power"), [("normal", 0), ("poisson", 1)])
def test_score_is_the_share_of_deviance(family, power, hidden):
    X, y, _, weight = data()
    model = regressor(family, hidden=hidden).fit(X, y)
    for sample_weight in (None, weight):
        expected = d2_tweedie_score(y, model.predict(X), sample_weight=sample_weight, power=power)
        found = model.score(X, y, sample_weight=sample_weight)
        assert found == pytest.approx(expected, rel=1e-10)


def test_score_of_proportions_is_the_share_of_log_loss():
    X, y, _, weight = data()
    y = np.minimum(y, 1)
    model = regressor("bernoulli").fit(X, y)
    expected = d2_log_loss_score(
        y, np.column_stack([1 - model.predict(X), model.predict(X)]), sample_weight=weight
    )
    assert model.score(X, y, sample_weight=weight) == pytest.approx(expected, rel=1e-10)


@depths
def test_score_on_the_training_rows(hidden):
    """D^2 = 1 - deviance / null deviance: of the same rows, weights and exposure."""
    X, y, exposure, weight = data()
    model = regressor(hidden=hidden).fit(X, y, weight, exposure=exposure)
    expected = 1 - model.deviance_ / model.null_deviance_
    found = model.score(X, y, weight, exposure=exposure)
    assert found == pytest.approx(expected, rel=1e-10)
    mu = model.predict(X, exposure=exposure)
    deviance = weight @ model.family_.unit_deviance(y, mu)
    assert model.deviance_ == pytest.approx(deviance, rel=1e-10)
    squares = 0.005 * sum(np.square(W).sum() for W in model.coefs_)
    if not hidden:
        assert model.loss_ == pytest.approx(deviance / weight.sum() / 2 + squares, rel=1e-10)


def test_null_deviance_is_the_deviance_of_a_constant():
    X, y, exposure, weight = data()
    model = regressor().fit(X, y, weight, exposure=exposure)
    rate = (weight @ y) / (weight @ exposure)
    expected = weight @ model.family_.unit_deviance(y, rate * exposure)
    assert model.null_deviance_ == pytest.approx(expected, rel=1e-10)


# ------------------------------------------------------------- the classifier


@depths
@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [-1, 1], [10.0, 20.0], np.array(["a", "b"], dtype=object)],
    ids=str,
)
def test_two_classes_of_any_label(labels, hidden):
    X, y, *_ = data()
    labels = np.asarray(labels)
    named = labels[(y > 1).astype(int)]
    model = classifier(hidden).fit(X, named)
    assert model.classes_.tolist() == labels.tolist()
    assert model.classes_.dtype == labels.dtype
    assert set(model.predict(X)) <= set(labels.tolist())
    reference = regressor("bernoulli", hidden=hidden).fit(X, (y > 1).astype(float))
    probability = model.predict_proba(X)
    np.testing.assert_allclose(
        probability[:, 1], reference.predict(X), rtol=2e-3 if hidden else 1e-9
    )
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    odds = np.log(probability[:, 1] / probability[:, 0])
    np.testing.assert_allclose(model.decision_function(X), odds, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(
        model.predict(X), labels[(model.decision_function(X) > 0).astype(int)]
    )
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probability, rtol=1e-12)
    assert model.score(X, named) == accuracy_score(named, model.predict(X))
    assert (model.family_.name, model.n_outputs_, model.out_activation_) == (
        "bernoulli",
        1,
        "logit",
    )


@depths
def test_three_classes(hidden):
    X, y, *_ = data()
    named = np.array(["a", "b", "c"])[np.minimum(y, 2).astype(int)]
    model = classifier(hidden).fit(X, named)
    probability, eta = model.predict_proba(X), model.decision_function(X)
    assert probability.shape == eta.shape == (len(X), 3)
    by_hand = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, by_hand, rtol=1e-11)
    np.testing.assert_array_equal(model.predict(X), model.classes_[probability.argmax(axis=1)])
    assert (model.family_.name, model.out_activation_) == ("multinoulli", "softmax")
    if not hidden:
        assert model.coef_.shape == (3, 3)
        assert model.intercept_.shape == (3,)
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-12)
        one_hot = (named[:, None] == model.classes_).astype(float)
        shares = regressor("multinoulli", hidden=()).fit(X, one_hot)
        np.testing.assert_allclose(shares.predict(X), probability, rtol=1e-9)


def test_multinoulli_of_two_is_bernoulli():
    """Three columns of which one never happens are refused; two give the logistic regression."""
    X, y, *_ = data()
    y = (y > 1).astype(float)
    two = regressor("multinoulli", hidden=(), alpha=0).fit(X, np.column_stack([1 - y, y]))
    one = regressor("bernoulli", hidden=(), alpha=0).fit(X, y)
    np.testing.assert_allclose(two.predict(X)[:, 1], one.predict(X), rtol=1e-10)
    np.testing.assert_allclose(two.coef_[1] - two.coef_[0], one.coef_, rtol=1e-9)
    assert two.deviance_ == pytest.approx(one.deviance_, rel=1e-10)
    with pytest.raises(ValueError, match="add rows"):
        regressor("multinoulli").fit(X, np.column_stack([1 - y, y, 0 * y]))


@depths
def test_multilabel(hidden):
    X, y, *_ = data()
    labels = np.column_stack([y > 0, y > 1, X[:, 0] + 0.3 * y > 1]).astype(int)
    model = classifier(hidden).fit(X, labels)
    assert model.predict_proba(X).shape == model.decision_function(X).shape == labels.shape
    np.testing.assert_array_equal(model.predict(X), (model.predict_proba(X) > 0.5).astype(int))
    assert model.score(X, labels) == accuracy_score(labels, model.predict(X))
    if not hidden:
        one = classifier(()).fit(X, labels[:, 1])
        np.testing.assert_allclose(model.coef_[1], one.coef_, rtol=1e-8)


def test_link_of_a_classifier():
    X, y, *_ = data()
    model = classifier((), link="probit").fit(X, y > 1)
    expected = regressor(Bernoulli(link="probit"), hidden=()).fit(X, (y > 1).astype(float))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    assert model.link_.name == "probit"


def test_offset_of_classes():
    X, y, *_ = data()
    y = np.minimum(y, 2)
    shift = np.random.default_rng(2).normal(size=(len(y), 3))
    model = classifier(()).fit(X, y, offset=shift)
    eta = model.decision_function(X, offset=shift)
    np.testing.assert_allclose(eta, model.decision_function(X) + shift)
    error = (y[:, None] == model.classes_) - model.predict_proba(X, offset=shift)
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-8)
