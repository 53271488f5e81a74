"""offset and exposure as columns of X, and the scorer, through scikit-learn's tools."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, mean_poisson_deviance
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, DevianceScorer, deviance_scorer

FOLDS = KFold(4)
FEATURES = ["age", "size"]


def claims(n=240):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {"age": rng.normal(size=n), "time": rng.uniform(0.1, 3.0, n), "size": rng.normal(size=n)}
    )
    y = rng.poisson(X["time"] * np.exp(0.4 * X["age"] - 0.2 * X["size"]))
    return X.assign(log_time=np.log(X["time"])), y.astype(float), rng.uniform(0.5, 2.0, n)


def model(hidden=(), **parameters):
    return DeepGLMRegressor(
        "poisson", hidden_layer_sizes=hidden, alpha=0.01, random_state=0, **parameters
    )


@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("name", ["offset", "exposure"])
def test_a_column_is_the_argument(name, hidden):
    X, y, weight = claims()
    column = {"offset": "log_time", "exposure": "time"}[name]
    known = {name: X[column]}
    by_argument = model(hidden).fit(X[FEATURES], y, weight, **known)
    frame = X[[*FEATURES, column]]
    by_column = model(hidden, **{name: column}).fit(frame, y, weight)
    assert by_column.n_features_in_ == 2
    assert list(by_column.feature_names_in_) == FEATURES
    expected = by_argument.predict(X[FEATURES], **known)
    np.testing.assert_array_equal(by_column.predict(frame), expected)
    eta = by_argument.linear_predictor(X[FEATURES], **known)
    np.testing.assert_array_equal(by_column.linear_predictor(frame), eta)
    score = by_argument.score(X[FEATURES], y, weight, **known)
    assert by_column.score(frame, y, weight) == score
    rates = frame.assign(**{column: 0.0 if name == "offset" else 1.0})
    np.testing.assert_allclose(by_column.predict(rates), by_argument.predict(X[FEATURES]))
    unchanged, _, _ = claims()
    pd.testing.assert_frame_equal(X, unchanged)


def test_both_columns_add_up():
    X, y, _ = claims()
    both = model(offset="log_time", exposure="time").fit(X, y)
    one = model().fit(X[FEATURES], y, offset=2 * X["log_time"])
    np.testing.assert_allclose(both.coef_, one.coef_, rtol=1e-12)


def test_inference_reads_the_column():
    X, y, _ = claims()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), exposure="time")
    X = X[[*FEATURES, "time"]]
    ours = glm.fit(X, y).inference(X, y)
    argument = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(
        X[FEATURES], y, None, None, X["time"]
    )
    theirs = argument.inference(X[FEATURES], y, exposure=X["time"])
    pd.testing.assert_series_equal(ours.bse, theirs.bse)


def test_classifier_reads_the_column():
    X, y, _ = claims()
    by_column = DeepGLMClassifier(hidden_layer_sizes=(), offset="log_time").fit(
        X[[*FEATURES, "log_time"]], y > 0
    )
    by_argument = DeepGLMClassifier(hidden_layer_sizes=()).fit(
        X[FEATURES], y > 0, offset=X["log_time"]
    )
    np.testing.assert_array_equal(
        by_column.predict_proba(X[[*FEATURES, "log_time"]]),
        by_argument.predict_proba(X[FEATURES], offset=X["log_time"]),
    )


@pytest.mark.parametrize(
    ("parameters", "change", "error", "words"),
    [
        ({}, lambda X: X.to_numpy(), TypeError, "must be a table, but it is a ndarray"),
        ({}, lambda X: X.drop(columns="time"), ValueError, "0 of its columns.*1 for rates"),
        ({}, lambda X: pd.concat([X, X[["time"]]], axis=1), ValueError, "2 of its columns"),
        ({"offset": "time"}, lambda X: X, ValueError, "different columns"),
        ({}, lambda X: X.assign(time=np.nan), ValueError, "exposure contains NaN"),
        ({}, lambda X: X.assign(time=-1.0), ValueError, "exposure must be > 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(parameters, change, error, words):
    X, y, _ = claims()
    glm = model(exposure="time", **parameters)
    with pytest.raises(error, match=words):
        glm.fit(change(X), y)
    fitted = model(exposure="time").fit(X, y).set_params(**parameters)
    with pytest.raises(error, match=words):
        fitted.predict(change(X))


def test_given_twice_is_an_error_in_every_call():
    X, y, _ = claims()
    glm = model(exposure="time").fit(X, y)
    for call in (glm.predict, glm.linear_predictor, glm.score, glm.inference, glm.fit):
        rest = () if call in (glm.predict, glm.linear_predictor) else (y,)
        with pytest.raises(ValueError, match=r"given once.*set exposure=None"):
            call(X, *rest, exposure=X["time"])


# ------------------------------------------------------------ scikit-learn's tools


def by_hand(X, y, alpha=0.01, weight=None):
    """Out-of-fold deviance per fold, offsets handed on row by row."""
    weight = np.ones(len(y)) if weight is None else weight
    scores = []
    for train, test in FOLDS.split(X):
        glm = model().set_params(alpha=alpha)
        part = X.iloc[train]
        glm.fit(part[FEATURES], y[train], weight[train], exposure=part["time"])
        mu = glm.predict(X.iloc[test][FEATURES], exposure=X.iloc[test]["time"])
        scores.append(-mean_poisson_deviance(y[test], mu, sample_weight=weight[test]))
    return np.array(scores)


def test_cross_validation_keeps_the_exposure_of_each_row():
    X, y, _ = claims()
    X = X[[*FEATURES, "time"]]
    found = cross_validate(model(exposure="time"), X, y, cv=FOLDS, scoring=deviance_scorer)
    np.testing.assert_allclose(found["test_score"], by_hand(X, y), rtol=1e-10)
    mu = cross_val_predict(model(exposure="time"), X, y, cv=FOLDS)
    total = [-mean_poisson_deviance(y[t], mu[t]) for _, t in FOLDS.split(X)]
    np.testing.assert_allclose(total, by_hand(X, y), rtol=1e-10)


def test_grid_search_picks_what_the_exposures_say():
    X, y, _ = claims()
    X = X[[*FEATURES, "time"]]
    grid = {"alpha": [0.0, 0.01, 10.0]}
    search = GridSearchCV(clone(model(exposure="time")), grid, cv=FOLDS, scoring=deviance_scorer)
    found = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, [by_hand(X, y, a).mean() for a in grid["alpha"]], rtol=1e-9)
    assert deviance_scorer(search, X, y) == deviance_scorer(search.best_estimator_, X, y)


def test_a_pipeline_hands_the_column_through():
    X, y, _ = claims()
    X = X[[*FEATURES, "time"]].assign(area=np.where(X["age"] > 0, "north", "south"))
    prepare = make_column_transformer(
        (StandardScaler(), FEATURES),
        (OneHotEncoder(sparse_output=False, drop="first"), ["area"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = make_pipeline(prepare, model(exposure="time"))
    found = cross_validate(pipeline, X, y, cv=FOLDS, scoring=deviance_scorer, error_score="raise")
    bare = make_pipeline(prepare, model())
    for (train, test), score in zip(FOLDS.split(X), found["test_score"], strict=True):
        inside = clone(prepare).fit(X.iloc[train])
        Z = inside.transform(X)
        names = ["age", "size", "area_south"]
        glm = clone(bare[-1]).fit(Z[names].iloc[train], y[train], exposure=X["time"].iloc[train])
        mu = glm.predict(Z[names].iloc[test], exposure=X["time"].iloc[test])
        assert score == pytest.approx(-mean_poisson_deviance(y[test], mu), rel=1e-10)


def test_with_routing_weights_and_offsets_reach_fit_and_score():
    X, y, weight = claims()
    names = {"sample_weight": True, "exposure": True}
    with sklearn.config_context(enable_metadata_routing=True):
        glm = model().set_fit_request(**names)
        found = cross_validate(
            glm,
            X[FEATURES],
            y,
            cv=FOLDS,
            scoring=deviance_scorer.set_score_request(**names),
            params={"sample_weight": weight, "exposure": X["time"]},
        )
        column = cross_validate(
            model(exposure="time").set_fit_request(sample_weight=True),
            X[[*FEATURES, "time"]],
            y,
            cv=FOLDS,
            scoring=deviance_scorer.set_score_request(sample_weight=True),
            params={"sample_weight": weight},
        )
    np.testing.assert_allclose(found["test_score"], by_hand(X, y, weight=weight), rtol=1e-9)
    np.testing.assert_allclose(column["test_score"], found["test_score"], rtol=1e-12)
    assert deviance_scorer._requests == {}
    with pytest.raises(TypeError, match="groups"):
        deviance_scorer.set_score_request(groups=True)


# ------------------------------------------------------------------------- scorer


@pytest.mark.parametrize("labels", [np.array(["a", "b"]), np.array(["a", "b", "c"])])
def test_of_labels_it_is_twice_the_log_loss(labels):
    X, _, weight = claims()
    y = np.random.default_rng(0).choice(labels, len(X))
    ours = DeepGLMClassifier(hidden_layer_sizes=()).fit(X[FEATURES], y)
    probability = ours.predict_proba(X[FEATURES])
    expected = -2 * log_loss(y, probability, sample_weight=weight)
    assert deviance_scorer(ours, X[FEATURES], y, weight) == pytest.approx(expected, rel=1e-12)
    theirs = LogisticRegression().fit(X[FEATURES], y)
    scorer = DevianceScorer("bernoulli" if len(labels) == 2 else "multinoulli")
    expected = -2 * log_loss(y, theirs.predict_proba(X[FEATURES]))
    assert scorer(theirs, X[FEATURES], y) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match=r"y\[0\] = 'z'"):
        scorer(theirs, X[FEATURES], ["z"] * len(y))


def test_of_several_labels_it_is_the_sum():
    X, _, _ = claims()
    y = np.random.default_rng(0).integers(0, 2, (len(X), 2))
    both = make_pipeline(StandardScaler(), DeepGLMClassifier(hidden_layer_sizes=()))
    both.fit(X[FEATURES], y)
    each = [make_pipeline(StandardScaler(), DeepGLMClassifier(hidden_layer_sizes=())) for _ in "ab"]
    alone = [
        deviance_scorer(e.fit(X[FEATURES], v), X[FEATURES], v)
        for e, v in zip(each, y.T, strict=True)
    ]
    assert deviance_scorer(both, X[FEATURES], y) == pytest.approx(sum(alone), rel=1e-8)


def test_models_of_other_makers_need_a_law():
    X, y, weight = claims()
    theirs = PoissonRegressor().fit(X[FEATURES], y)
    expected = -mean_poisson_deviance(y, theirs.predict(X[FEATURES]), sample_weight=weight)
    assert DevianceScorer("poisson")(theirs, X[FEATURES], y, weight) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"DevianceScorer\('poisson'\)"):
        deviance_scorer(theirs, X[FEATURES], y)
    line = LinearRegression().fit(X[FEATURES], y)
    assert line.predict(X[FEATURES]).min() < 0
    assert DevianceScorer("poisson")(line, X[FEATURES], y) == -np.inf
