"""Displays: what is drawn is the table, whoever made the model; what cannot be drawn is refused."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.validation import (
    ActualExpectedDisplay,
    AutocalibrationDisplay,
    DoubleLiftDisplay,
    LiftDisplay,
    LorenzDisplay,
    MurphyDisplay,
    RelativitiesDisplay,
    actual_expected,
    double_lift_table,
    gini_table,
    isotonic_calibration,
    lift_table,
    local_calibration,
    lorenz_curve,
    murphy_decomposition,
    relativities,
)
from glmnet_nn.validation.fitted import fitted_means


def claims(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "area": rng.choice(list("ABC"), n),
            "time": rng.uniform(0.2, 2, n),
        }
    )
    rate = np.exp(0.5 * frame["x"] + 0.4 * (frame["area"] == "C"))
    y = rng.poisson(rate * frame["time"]).astype(float)
    return frame, y, rng.integers(0, 3, n).astype(float)


def encoded(frame):
    return frame.assign(area=(frame["area"] == "C").astype(float))


def glm(**parameters):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), **parameters)


@pytest.fixture
def fitted():
    """X, y, weight, two models that read the exposure from X, and their means."""
    frame, y, weight = claims()
    X = encoded(frame)
    models = {
        "all": glm(exposure="time").fit(X, y),
        "one": make_pipeline(
            make_column_transformer(
                ("passthrough", ["x", "time"]), verbose_feature_names_out=False
            ).set_output(transform="pandas"),
            glm(exposure="time"),
        ).fit(X, y),
    }
    return X, y, weight, models, {name: model.predict(X) for name, model in models.items()}


def drawn(ax, label):
    """Return the data of the line or the points of that label."""
    lines = {line.get_label(): line for line in ax.get_lines()}
    lines |= {box.get_label(): box.lines[0] for box in ax.containers}
    return np.asarray(lines[label].get_xydata(), dtype=float)


def test_lift_draws_its_table(fitted):
    X, y, weight, models, mu = fitted
    display = LiftDisplay.from_estimator(models, X, y, sample_weight=weight, n_bins=5)
    table = lift_table(y, mu, n_bins=5, sample_weight=weight, exposure=X["time"])
    pd.testing.assert_frame_equal(display.table, table)
    for name in models:
        for what in ("actual", "expected"):
            points = drawn(display.ax_, f"{what} ({name})")
            np.testing.assert_allclose(points[:, 1], table.loc[name, what])
    assert display.figure_ is display.ax_.figure


def test_double_lift_draws_its_table(fitted):
    X, y, _, models, mu = fitted
    display = DoubleLiftDisplay.from_estimator(models, X, y, n_bins=5)
    table = double_lift_table(y, mu, n_bins=5, exposure=X["time"])
    pd.testing.assert_frame_equal(display.table, table)
    for what in ("actual", "all", "one"):
        np.testing.assert_allclose(drawn(display.ax_, what)[:, 1], table[what])


@pytest.mark.parametrize("by", ["area", "values"])
def test_actual_expected_draws_its_table(fitted, by):
    X, y, weight, models, mu = fitted
    factor = by if by == "area" else np.where(X["area"] == 1, "C", "other")
    display = ActualExpectedDisplay.from_estimator(models, X, y, factor, sample_weight=weight)
    column = X["area"] if by == "area" else factor
    table = actual_expected(y, mu, column, sample_weight=weight, exposure=X["time"])
    pd.testing.assert_frame_equal(display.table, table)
    np.testing.assert_allclose(drawn(display.ax_, "actual")[:, 1], table.loc["all", "actual"])
    np.testing.assert_allclose(
        drawn(display.ax_, "expected (one)")[:, 1], table.loc["one", "expected"]
    )
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == [str(level) for level in table.loc["all"].index]


def test_autocalibration_draws_both_regressions(fitted):
    X, y, weight, models, mu = fitted
    display = AutocalibrationDisplay.from_estimator(models["one"], X, y, sample_weight=weight)
    data = {"sample_weight": weight, "exposure": X["time"]}
    steps = isotonic_calibration(y, mu["one"], **data)
    curve = local_calibration(y, mu["one"], "poisson", **data)
    pd.testing.assert_frame_equal(display.isotonic, steps)
    pd.testing.assert_frame_equal(display.local, curve)
    points = drawn(display.ax_, "isotonic regression")
    np.testing.assert_allclose(points[::2], steps[["lower", "recalibrated"]])
    np.testing.assert_allclose(points[1::2], steps[["upper", "recalibrated"]])
    np.testing.assert_allclose(
        drawn(display.ax_, "local GLM, 95 %"), curve[["expected", "recalibrated"]]
    )
    np.testing.assert_allclose(display.exposure["exposure"].sum(), weight @ X["time"])
    assert display.ax_.get_title() == "DeepGLMRegressor"


def test_a_few_rows_that_all_had_an_event_do_not_stretch_autocalibration():
    mu = np.linspace(0.05, 0.3, 4000)
    y = (np.arange(4000) % 7 < 1).astype(float)
    y[-2:] = 1  # an isotonic level of 1, of three rows
    high = AutocalibrationDisplay.from_predictions(y, mu).ax_.get_ylim()[1]
    assert 0.3 < high < 0.35
    few = AutocalibrationDisplay.from_predictions(y[-50:], mu[-50:])
    assert few.ax_.get_ylim()[1] > 1  # of fifty, they are many
    plt.close("all")


def test_murphy_draws_its_table(fitted):
    X, y, weight, models, mu = fitted
    display = MurphyDisplay.from_estimator(models, X, y, sample_weight=weight)
    table = murphy_decomposition(y, mu, "poisson", sample_weight=weight, exposure=X["time"])
    pd.testing.assert_frame_equal(display.table, table)
    for name in models:
        points = drawn(display.ax_, f"{name}: {table.loc[name, 'score']:.5g}")
        np.testing.assert_allclose(points[0], table.loc[name].iloc[:2])
    endless = murphy_decomposition([1.0, 2.0], [-1.0, 1.0], "poisson")
    with pytest.raises(ValueError, match=r"of \['model'\] is infinite"):
        MurphyDisplay(endless).plot()


def test_lorenz_draws_its_table_and_says_the_index(fitted):
    X, y, weight, models, mu = fitted
    data = {"sample_weight": weight, "exposure": X["time"]}
    display = LorenzDisplay.from_estimator(models, X, y, sample_weight=weight)
    curves, gini = lorenz_curve(y, mu, **data), gini_table(y, mu, **data)
    pd.testing.assert_frame_equal(display.table, curves)
    pd.testing.assert_frame_equal(display.gini, gini)
    row = gini.loc["one"]
    points = drawn(display.ax_, f"one: Gini {row['gini']:.3f} ± {row['se']:.3f}")
    np.testing.assert_allclose(points, curves.loc["one", ["exposure", "actual"]])
    against = LorenzDisplay.from_predictions(y, mu["all"], base=mu["one"], **data)
    assert against.ax_.get_xlabel() == "share of base, by ascending prediction / base"
    assert against.table.columns[0] == "base"


def test_relativities_are_drawn_factor_by_factor():
    frame, y, _ = claims()
    encoder = OneHotEncoder(drop="first", sparse_output=False).set_output(transform="pandas")
    X = encoder.fit_transform(frame[["area"]]).assign(x=frame["x"])
    model = glm().fit(X, y, exposure=frame["time"])
    piped = make_pipeline(StandardScaler(with_std=False).set_output(transform="pandas"), glm())
    piped.fit(X + 1, y, deepglmregressor__exposure=frame["time"])
    display = RelativitiesDisplay.from_estimator(
        model, X, y, {"area": "A"}, exposure=frame["time"], cov_type="HC1"
    )
    same = RelativitiesDisplay.from_estimator(
        piped, X + 1, y, {"area": "A"}, exposure=frame["time"], cov_type="HC1"
    )
    np.testing.assert_allclose(same.table.iloc[1:], display.table.iloc[1:], rtol=1e-7)
    results = model.inference(X, y, exposure=frame["time"], cov_type="HC1")
    pd.testing.assert_frame_equal(display.table, relativities(results, {"area": "A"}))
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["area A", "area B", "area C", "x"]
    points = np.concatenate([box.lines[0].get_xydata()[:, 0] for box in display.ax_.containers])
    np.testing.assert_allclose(points, display.table["relativity"].iloc[1:])
    table = pd.DataFrame({"estimate": [0.1, 1.0], "se": [np.nan, 0.0]}, index=["u", "v"])
    RelativitiesDisplay.from_estimates(table).figure_.canvas.draw()


def test_axes_may_be_given_and_a_display_drawn_again():
    figure, (left, right) = plt.subplots(1, 2)
    display = LiftDisplay.from_predictions([1.0, 2.0], [1.0, 2.0], ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert display.plot(ax=right).ax_ is right


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[plot\]\""):
        LiftDisplay.from_predictions([1.0, 2.0], [1.0, 2.0])


# ------------------------------------------------- what fitted models predict


def test_models_of_any_maker_predict_the_same_counts():
    """By a column, an argument, a search, and rates of scikit-learn times the exposure."""
    frame, y, weight = claims()
    X = encoded(frame)
    rates = make_pipeline(StandardScaler(), PoissonRegressor(alpha=0, tol=1e-9, max_iter=1000))
    features = X[["x", "area"]]
    rates.fit(
        features,
        y / X["time"],
        poissonregressor__sample_weight=np.maximum(weight, 0) * X["time"],
    )
    ours = glm().fit(features, y, sample_weight=weight, exposure=X["time"])
    search = GridSearchCV(glm(exposure="time"), {"alpha": [0.0]}).fit(X, y, sample_weight=weight)
    found = fitted_means({"rates": rates, "ours": ours}, X, y, exposure="time")
    np.testing.assert_allclose(found.mu["rates"], found.mu["ours"], rtol=1e-5)
    searched = fitted_means(search, X, y)
    np.testing.assert_allclose(searched.mu, found.mu["ours"], rtol=1e-8)
    np.testing.assert_array_equal(searched.arguments["exposure"], X["time"])
    assert searched.family.name == found.family.name == "poisson"
    assert searched.name == "DeepGLMRegressor"


@pytest.mark.parametrize("maker", [LogisticRegression(), DeepGLMClassifier(hidden_layer_sizes=())])
def test_of_labels_one_class_counts(maker):
    frame, _, _ = claims()
    rng = np.random.default_rng(1)
    y = np.where(rng.uniform(size=len(frame)) < 1 / (1 + np.exp(-frame["x"])), "yes", "no")
    X = frame[["x"]]
    model = maker.fit(X, y)
    second, first = (fitted_means(model, X, y, pos_label=k) for k in (None, "no"))
    np.testing.assert_allclose(second.mu, model.predict_proba(X)[:, 1])
    np.testing.assert_allclose(first.mu, model.predict_proba(X)[:, 0], rtol=1e-12)
    np.testing.assert_array_equal(first.y, y == "no")
    assert second.family.name == "bernoulli"
    display = AutocalibrationDisplay.from_estimator(model, X, y)
    assert display.local is not None


def test_of_several_classes_one_is_named_or_all_count():
    frame, _, _ = claims()
    X, y = frame[["x"]], frame["area"].to_numpy()
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    with pytest.raises(ValueError, match=r"pos_label must be one of \['A', 'B', 'C'\]"):
        LiftDisplay.from_estimator(model, X, y)
    found = fitted_means(model, X, y, pos_label="C")
    np.testing.assert_array_equal(found.mu, model.predict_proba(X)[:, 2])
    display = MurphyDisplay.from_estimator(model, X, y)
    expected = murphy_decomposition(
        (y[:, None] == model.classes_).astype(float), model.predict_proba(X), "multinoulli"
    )
    np.testing.assert_allclose(display.table, expected)
    assert display.table.index.tolist() == ["DeepGLMClassifier"]


def test_trials_weight_the_share_of_successes():
    rng = np.random.default_rng(0)
    x, trials = rng.normal(size=50), rng.integers(1, 9, 50)
    hits = rng.binomial(trials, 0.4)
    y = np.column_stack([hits, trials - hits])
    model = DeepGLMRegressor("binomial", hidden_layer_sizes=()).fit(x[:, None], y)
    found = fitted_means(model, x[:, None], y)
    np.testing.assert_allclose(found.y, hits / trials)
    np.testing.assert_allclose(found.arguments["sample_weight"], trials)
    table = LiftDisplay.from_estimator(model, x[:, None], y, n_bins=1).table
    np.testing.assert_allclose(table["actual"], hits.sum() / trials.sum())
    np.testing.assert_allclose(table["expected"], table["actual"], rtol=1e-9)


def two_outputs():
    X = np.random.default_rng(0).normal(size=(20, 1))
    Y = np.hstack([X, -X])
    return DeepGLMRegressor(hidden_layer_sizes=()).fit(X, Y), X, Y


def poisson_of_sklearn():
    X = np.arange(6.0)[:, None]
    y = np.array([0.0, 1.0, 0.0, 2.0, 1.0, 3.0])
    return PoissonRegressor().fit(X, y), X, y


REFUSED = [
    (lambda: fitted_means({}, np.ones((2, 1)), [1, 2]), ValueError, "it is empty"),
    (lambda: fitted_means(np.mean, np.ones((2, 1)), [1, 2]), TypeError, "Use from_predictions"),
    (lambda: fitted_means(*two_outputs()), ValueError, "one output at a time"),
    (
        lambda: fitted_means(*poisson_of_sklearn(), offset=np.ones(6)),
        ValueError,
        "knows neither offset nor exposure",
    ),
    (
        lambda: MurphyDisplay.from_estimator(*poisson_of_sklearn()),
        ValueError,
        "agree on no law of y. Say which",
    ),
    (
        lambda: RelativitiesDisplay.from_estimator(*poisson_of_sklearn()),
        TypeError,
        "PoissonRegressor does not have",
    ),
    (
        lambda: ActualExpectedDisplay.from_estimator(*poisson_of_sklearn(), by="x"),
        ValueError,
        "by='x' must name one column",
    ),
    (
        lambda: ActualExpectedDisplay.from_estimator(*poisson_of_sklearn(), by=np.ones(7)),
        ValueError,
        "each of the 6 rows, but it has 7",
    ),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED)
def test_what_cannot_be_validated_is_refused_in_words(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_models_must_agree_on_what_y_is_and_where_exposure_comes_from(fitted):
    X, y, _, models, _ = fitted
    labels = LogisticRegression().fit(X, y > 0)
    with pytest.raises(ValueError, match="all be classifiers of the same classes"):
        fitted_means({"glm": models["all"], "labels": labels}, X, y)
    with pytest.raises(ValueError, match="reads exposure='time' of X by itself"):
        fitted_means(models["all"], X, y, exposure=np.ones(len(y)))
    with pytest.raises(ValueError, match="an exposure of probabilities"):
        fitted_means(labels, X[["x", "area", "time"]], y > 0, exposure=np.ones(len(y)))
