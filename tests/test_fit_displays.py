"""Figures of trainings, coefficients and partial effects draw what statsmodels computes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from test_residual_displays import N, glm, visits

from glmnet_nn import (
    CoefficientDisplay,
    DeepGLMClassifier,
    DeepGLMRegressor,
    InferenceWarning,
    PartialEffectDisplay,
    TrainingCurveDisplay,
)


@pytest.fixture(scope="module")
def network():
    """A small network at its optimum, with its data and results."""
    X, y, _ = visits()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), n_init=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        model.fit_for_inference(X, y)
        return model, X, y, model.inference(X, y)


# ------------------------------------------------------------ trainings


def small(**parameters):
    given = {"hidden_layer_sizes": (4,), "max_iter": 12, "random_state": 0} | parameters
    return DeepGLMRegressor("poisson", **given)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("solver", "l1_ratio"),
    [("lbfgs", 0.0), ("lbfgs", 0.5), ("newton_cg", 0.0), ("adam", 0.0), ("adam", 0.5)],
)
def test_the_last_deviance_is_that_of_the_fit(solver, l1_ratio):
    X, y, _ = visits()
    model = small(solver=solver, balance=None, alpha=0.01, l1_ratio=l1_ratio, max_iter=400)
    model.fit(X, y)
    display = TrainingCurveDisplay.from_estimator(model)
    x, line = display.lines_["deviance", 0].get_data()
    assert_allclose(line[-1], model.deviance_ / N, rtol=1e-3 if solver == "adam" else 1e-6)
    assert x[0] == 1
    assert x[-1] == model.n_iter_
    assert display.points_["deviance", 0].get_xdata()[0] == model.n_iter_
    assert display.ax_.get_xlabel() == ("epoch" if solver == "adam" else "iteration")


def test_the_iteration_kept_has_the_least_held_out_deviance():
    X, y, _ = visits()
    model = small(early_stopping=True, max_iter=60, learning_rate_init=0.05).fit(X, y)
    curve = model.validation_loss_curve_
    display = TrainingCurveDisplay.from_estimator(make_pipeline(model))
    assert_allclose(display.lines_["validation", 0].get_ydata(), curve)
    (x,), (height,) = display.points_["validation", 0].get_data()
    assert x == 1 + np.argmin(curve)
    assert x < model.n_iter_
    assert height == min(curve)


def test_curves_are_in_the_unit_of_y():
    X, y, _ = visits()
    one, other = (
        DeepGLMRegressor(
            hidden_layer_sizes=(3,), max_iter=5, early_stopping=True, random_state=0
        ).fit(X, factor * y + 7.0)
        for factor in (1.0, 1000.0)
    )
    for name in ("loss_curve_", "deviance_curve_", "validation_loss_curve_"):
        assert_allclose(getattr(other, name), 1e6 * np.array(getattr(one, name)), rtol=1e-6)
    assert_allclose(one.deviance_curve_[-1], one.deviance_ / N, rtol=0.2)


def test_of_several_starts_and_of_an_ensemble_all_are_drawn():
    X, y, _ = visits()
    model = small(n_init=3).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(model)
    kept = display.kept[0]
    assert len(display.lines_) == 3
    assert_allclose(display.lines_["deviance", kept].get_ydata(), model.deviance_curve_)
    alone = small(n_init=1).fit(X, y)
    assert_allclose(display.lines_["deviance", 0].get_ydata(), alone.deviance_curve_)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["training", f"kept epoch: {model.n_iter_}", "the other 2 starts"]
    ensemble = small(n_estimators=2, early_stopping=True).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(ensemble)
    for m, member in enumerate(ensemble.estimators_):
        assert_allclose(display.lines_["deviance", m].get_ydata(), member.deviance_curve_)
        assert_allclose(
            display.points_["validation", m].get_ydata(), min(member.validation_loss_curve_)
        )
    with pytest.raises(AttributeError, match="belongs to one network"):
        ensemble.deviance_curve_  # noqa: B018


def test_what_keeps_no_curve_says_so(network):
    with pytest.raises(ValueError, match="has kept no deviances"):
        TrainingCurveDisplay.from_estimator(network[0])
    with pytest.raises(TypeError, match="StandardScaler keeps none"):
        TrainingCurveDisplay.from_estimator(StandardScaler().fit(network[1]))


# --------------------------------------------------------- coefficients


def bars(display, name=""):
    """Return the estimates and both ends, (m, 3), as drawn."""
    bar = display.bars_[name]
    ends = np.array([path.vertices[:, 0] for path in bar.lines[2][0].get_paths()])
    return np.column_stack([bar.lines[0].get_xdata(), ends])


def test_coefficients_are_those_of_statsmodels_side_by_side():
    X, y, peer = visits()
    expected = np.column_stack([peer.params, peer.conf_int()])
    sources = {"ours": glm().fit(X, y).inference(X, y), "theirs": peer}
    display = CoefficientDisplay.from_results(sources, intercept=True)
    order = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert order == ["Intercept", "age", "arm"]
    assert_allclose(bars(display, "ours"), expected, atol=1e-7)
    assert_allclose(bars(display, "theirs"), expected)
    display = CoefficientDisplay.from_estimator(glm().fit(X, y), X, y, exponentiate=True)
    assert_allclose(bars(display), np.exp(expected[1:]), rtol=1e-7)
    assert display.ax_.get_xlabel() == "relativity"
    assert display.ax_.get_xscale() == "log"


def test_coefficients_of_classes_are_those_of_statsmodels():
    X, y, _ = visits()
    labels = np.minimum(y, 2).astype(int)
    peer = sm.MNLogit(labels, sm.add_constant(X)).fit(disp=False, tol=1e-10)
    display = CoefficientDisplay.from_results(
        {"ours": DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels).inference(X, labels)}
    )
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["1:age", "1:arm", "2:age", "2:arm"]
    expected = np.column_stack(
        [peer.params.T.to_numpy()[:, 1:].ravel(), peer.conf_int().iloc[[1, 2, 4, 5]]]
    )
    assert_allclose(bars(display, "ours"), expected, atol=1e-6)
    theirs = CoefficientDisplay.from_results(peer)
    assert_allclose(bars(theirs), expected)
    assert [text.get_text() for text in theirs.ax_.get_yticklabels()] == names


def test_effects_of_classes_are_drawn_class_by_class():
    X, y, _ = visits()
    labels = np.minimum(y, 2).astype(int)
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    effects = model.inference(X, labels).get_margeff()
    table = effects.summary_frame()
    display = CoefficientDisplay.from_results(effects)
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [f"{k}:{name}" for k, name in table.index]
    assert_allclose(bars(display), table.iloc[:, [0, 4, 5]])


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_a_network_stands_for_its_average_effects(network):
    model, X, y, results = network
    display = CoefficientDisplay.from_estimator({"net": model, "glm": glm().fit(X, y)}, X, y)
    effects = results.average_partial_effects(which="linear")
    expected = np.column_stack([effects.margeff, effects.conf_int()])
    assert_allclose(bars(display, "net"), expected, rtol=1e-9)


def test_rows_have_an_order_headings_and_names():
    table = pd.DataFrame({"estimate": [0.1, -2.0, 1.0], "se": 0.1}, index=list("abc"))
    labels = lambda **options: [  # noqa: E731
        text.get_text()
        for text in CoefficientDisplay.from_results(table, **options).ax_.get_yticklabels()
    ]
    assert labels(sort="estimate") == ["c", "a", "b"]
    assert labels(sort="size", exponentiate=True) == ["b", "c", "a"]
    assert labels(names=["c", "a"]) == ["c", "a"]
    assert labels(names={"b": "a better name"}) == ["a better name"]
    assert labels(groups={"one": ["b"]}) == ["one", "b", "other", "a", "c"]
    display = CoefficientDisplay.from_results(table, annotate=True)
    assert display.ax_.get_ylim() == (2.5, -0.5)  # the first row above
    right = display.ax_.child_axes[0]
    assert right.get_yticklabels()[1].get_text() == "-2.00 (-2.20, -1.80)"


def test_what_is_not_determined_has_a_name_and_no_point():
    X, y, _ = visits()
    X = X.assign(twice=2 * X["age"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = glm().fit(X, y)
        display = CoefficientDisplay.from_estimator(model, X, y, exponentiate=True)
    with pytest.warns(InferenceWarning, match="2 of 2 averages are not determined"):
        effect = model.inference(X, y).partial_effect(X, "age", [0.0, 1.0])
    assert np.isnan(effect.se).all()
    assert len(display.ax_.get_yticklabels()) == 3
    assert np.isnan(display.tables[""].loc["age", "lower"])
    display.figure_.canvas.draw()
    endless = pd.DataFrame({"estimate": [1e3, 0.5], "se": [1e5, 0.1]}, index=["far", "near"])
    display = CoefficientDisplay.from_results(endless, exponentiate=True, annotate=True)
    assert np.isnan(bars(display)[0]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sort": "name"}, "sort must be one of"),
        ({"names": ["z"]}, r"\['z'\] are asked for"),
        ({"groups": {"g": ["z"]}}, r"\['z'\] are asked for"),
        ({"alpha": 0.0}, "alpha must be"),
        ({"exponentiate": True}, "the link is 'identity'"),
    ],
)
def test_coefficients_that_cannot_be_drawn_are_refused(options, said):
    X, y, _ = visits()
    with pytest.raises(ValueError, match=said):
        CoefficientDisplay.from_estimator(glm("normal").fit(X, y), X, y, **options)
    with pytest.raises(TypeError, match="got a int"):
        CoefficientDisplay.from_results(3)


# ------------------------------------------------------ partial effects


def test_effects_of_a_glm_are_those_of_statsmodels():
    X, y, peer = visits()
    results = glm().fit(X, y).inference(X, y)
    design, V = sm.add_constant(X), peer.cov_params().to_numpy()
    values = [-1.0, 0.0, 2.0]
    means, linear = ([], []), ([], [])
    for v in values:
        D = design.assign(age=v).to_numpy()
        mu, row = np.exp(D @ peer.params), D.mean(axis=0)
        G = mu @ D / N
        means[0].append(mu.mean()), means[1].append(np.sqrt(G @ V @ G))
        at = peer.get_prediction(row[None], which="linear")
        linear[0].append(at.predicted[0]), linear[1].append(at.se[0])
    for which, (effect, se) in (("mean", means), ("linear", linear)):
        found = results.partial_effect(X, "age", values, which=which)
        assert_allclose(found.effect, effect, rtol=1e-7)
        assert_allclose(found.se, se, rtol=1e-6)
    found = results.partial_effect(X, "age", values)
    half = 1.959964 * np.array(means[1]) / means[0]  # on the scale of the log
    assert_allclose(found.conf_int()[:, 1], means[0] * np.exp(half), rtol=1e-6)
    slope = results.partial_effect(X, "age", values, which="slope")
    assert_allclose(slope.effect, peer.params["age"], rtol=1e-7)
    assert_allclose(slope.se, peer.bse["age"], rtol=1e-6)
    ratio = PartialEffectDisplay.from_results(
        results, X, "age", values, which="linear", reference=0.0, exponentiate=True
    )
    heights = np.exp(peer.params["age"] * np.array(values))
    assert_allclose(ratio.lines_[0].get_ydata(), heights, rtol=1e-7)
    assert ratio.ax_.get_ylabel() == "relativity to age = 0.0"
    assert ratio.effect.se[1] == 0.0


def test_of_one_row_they_are_the_prediction_of_a_network(network):
    _, X, _, results = network
    row, moved = X.iloc[[3]], X.iloc[[3]].assign(age=0.7)
    at = results.get_prediction(moved)
    for which, value, se in (
        ("mean", at.predicted_mean, at.se_mean),
        ("linear", at.linpred, at.se_linpred),
    ):
        found = results.partial_effect(row, "age", [0.7], which=which)
        assert_allclose(found.effect, value, rtol=1e-10)
        assert_allclose(found.se, se, rtol=1e-8)
        limits = at.conf_int(which=which)
        assert_allclose(found.conf_int(), limits, rtol=1e-8)
    local = results.local_coef(moved)
    found = results.partial_effect(row, "age", [0.7], which="slope")
    assert_allclose(found.effect, local.coef[:, 0], rtol=1e-9)
    assert_allclose(found.se, local.se[:, 0], rtol=1e-8)
    step = results.contrast(moved, row.assign(age=0.0), which="linear")
    found = results.partial_effect(row, "age", [0.7], which="linear", reference=0.0)
    assert_allclose([found.effect[0], found.se[0]], [step.effect[0], step.sd[0]], rtol=1e-8)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_the_curve_is_the_average_of_predictions_and_the_band_that_of_the_table(network):
    model, X, y, _ = network
    display = PartialEffectDisplay.from_estimator(model, X, y, "age", n_points=9)
    x, line = display.lines_[0].get_data()
    assert_allclose(line, [model.predict(X.assign(age=v)).mean() for v in x], rtol=1e-9)
    assert_allclose([x[0], x[-1]], X["age"].quantile([0.01, 0.99]))
    band = display.bands_[0].get_paths()[0].vertices[:, 1]
    limits = display.effect.conf_int()
    assert_allclose([band.min(), band.max()], [limits.min(), limits.max()])
    weight = np.arange(N) % 2.0
    found = display.effect  # all rows; and half of them
    half = model.inference(X, y).partial_effect(X, "age", x, sample_weight=weight)
    assert_allclose(half.effect[2], model.predict(X[1::2].assign(age=x[2])).mean(), rtol=1e-9)
    assert not np.allclose(half.effect, found.effect)
    assert list(found.summary_frame().columns) == ["mean", "std err", "[0.025", "0.975]"]


def test_levels_of_a_column_go_through_the_pipeline():
    X, y, _ = visits()
    X = X.assign(area=np.random.default_rng(5).choice(["north", "south", "west"], N))
    encoder = make_column_transformer(
        (OneHotEncoder(drop="first", sparse_output=False), ["area"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = make_pipeline(encoder.set_output(transform="pandas"), glm()).fit(X, y)
    display = PartialEffectDisplay.from_estimator(model, X, y, "area", alpha=0.1)
    expected = [model.predict(X.assign(area=v)).mean() for v in ("north", "south", "west")]
    assert_allclose(display.lines_[0].get_ydata(), expected, rtol=1e-9)
    names = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert names == ["north", "south", "west"]
    ends = np.array([path.vertices[:, 1] for path in display.bands_[0].lines[2][0].get_paths()])
    assert_allclose(ends, display.effect.conf_int(0.1))


def test_probabilities_of_classes_have_a_curve_each():
    X, y, _ = visits()
    labels = np.array(["none", "one", "more"])[np.minimum(y, 2).astype(int)]
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, labels)
    display = PartialEffectDisplay.from_estimator(model, X, labels, "age", n_points=8)
    for k, line in enumerate(display.lines_):
        x, height = line.get_data()
        expected = [model.predict_proba(X.assign(age=v))[:, k].mean() for v in x]
        assert_allclose(height, expected, rtol=1e-9)
    limits = display.effect.conf_int()
    assert ((limits > 0) & (limits < 1)).all()
    table = display.effect.summary_frame()
    assert table.index.names == ["age", "output"]
    one_class = PartialEffectDisplay.from_estimator(
        model, X, labels, "age", [0.0, 1.0], which="linear"
    )
    assert one_class.effect.outputs == ["none", "one"]


def test_a_base_and_an_exposure_by_name_move_along():
    X, y, _ = visits()
    base = glm().fit(X, y)
    X = X.assign(time=np.linspace(0.5, 2.0, N))
    model = glm(base=FrozenEstimator(base), exposure="time").fit(X, y)
    results = model.inference(X, y)
    found = results.partial_effect(X, "age", [-1.0, 1.0])
    assert_allclose(
        found.effect, [model.predict(X.assign(age=v)).mean() for v in (-1.0, 1.0)], rtol=1e-9
    )
    slope = results.partial_effect(X, "age", [0.3], which="slope")
    assert_allclose(slope.effect, model.local_coef(X[:1])[:, 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"column": "sex"}, "column must name one column of X"),
        ({"which": "median"}, "which must be one of"),
        ({"n_points": 1}, "n_points must be"),
        ({"exponentiate": True}, "Set which='linear' and a reference"),
    ],
)
def test_effects_that_cannot_be_drawn_are_refused(options, said):
    X, y, _ = visits()
    model = glm().fit(X, y)
    column = options.pop("column", "age")
    with pytest.raises(ValueError, match=said):
        PartialEffectDisplay.from_estimator(model, X, y, column, **options)
    results = glm().fit(X.to_numpy(), y).inference(X.to_numpy(), y)
    with pytest.raises(ValueError, match="one of 2 columns, but got 2"):
        results.partial_effect(X.to_numpy(), 2)
    with pytest.raises(TypeError, match="it is sparse: pass some of its rows"):
        results.partial_effect(sparse.csr_array(X.to_numpy()), 0)
    with pytest.raises(ValueError, match="sample_weight must hold 200 finite numbers"):
        results.partial_effect(X.to_numpy(), "x1", sample_weight=-np.ones(N))
