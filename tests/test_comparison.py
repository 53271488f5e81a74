"""compare(): every number of the table by hand, on equal terms for models of three makers."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, mean_poisson_deviance
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, RepeatedKFold, TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, compare
from glmnet_nn.exceptions import InferenceWarning

POISSON = sm.families.Poisson()


def claims(n=240):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    time, weight = rng.uniform(0.3, 3.0, n), rng.integers(0, 4, n).astype(float)
    y = rng.poisson(time * np.exp(0.5 * X["a"])).astype(float)
    return X, y, time, weight


def glm(**parameters):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), **parameters)


def test_four_guises_of_one_model_have_one_row():
    """With weights and exposure: an offset for two, a column for one, rates for scikit-learn."""
    X, y, time, weight = claims()
    frame = X.assign(time=time)
    models = {
        "ours": glm(),
        "column": glm(exposure="time"),
        "theirs": sm.GLM(y, sm.add_constant(X), family=POISSON, exposure=time),
        "sklearn": make_pipeline(
            StandardScaler(), PoissonRegressor(alpha=0, tol=1e-9, max_iter=1000)
        ),
    }
    found = compare(models, frame, y, sample_weight=weight, exposure="time")
    table = found.table.loc[list(models)]
    for column in ("deviance", "se", "d2", "slope", "balance"):
        np.testing.assert_allclose(table[column], table.loc["ours", column], rtol=1e-5)
    for name in ("aic", "bic"):
        np.testing.assert_allclose(table[name].iloc[:3], table.loc["ours", name], rtol=1e-9)
    assert np.isnan(table.loc["sklearn", ["aic", "bic"]].astype(float)).all()
    assert np.all(found.differences["pvalue"] == 1.0)
    pd.testing.assert_frame_equal(frame, claims()[0].assign(time=time))


def test_the_table_by_hand():
    X, y, time, weight = claims()
    found = compare({"glm": glm()}, X, y, cv=KFold(4), sample_weight=weight, exposure=time)
    mu, null = np.empty(len(y)), np.empty(len(y))
    kept = np.flatnonzero(weight)
    for train, test in KFold(4).split(kept):
        train, test = kept[train], kept[test]
        fit = glm().fit(X.iloc[train], y[train], weight[train], exposure=time[train])
        mu[test] = fit.predict(X.iloc[test], exposure=time[test])
        rate = np.average(y[train], weights=weight[train])
        null[test] = time[test] * rate / np.average(time[train], weights=weight[train])
    mu, null, y, w = mu[kept], null[kept], y[kept], weight[kept]
    row = found.table.loc["glm"]
    deviance = mean_poisson_deviance(y, mu, sample_weight=w)
    assert row["deviance"] == pytest.approx(deviance, rel=1e-9)
    against = mean_poisson_deviance(y, null, sample_weight=w)
    assert row["d2"] == pytest.approx(1 - deviance / against, rel=1e-9)
    assert row["balance"] == pytest.approx((w @ mu) / (w @ y), rel=1e-12)
    eta = np.log(mu / time[kept])
    recalibrated = sm.GLM(
        y, sm.add_constant(eta), family=POISSON, exposure=time[kept], freq_weights=w
    )
    assert row["slope"] == pytest.approx(recalibrated.fit(tol=1e-12).params[1], rel=1e-7)
    whole = sm.GLM(y, sm.add_constant(X.iloc[kept]), family=POISSON, exposure=time[kept],
                   freq_weights=w).fit(tol=1e-12)  # fmt: skip
    assert row["aic"] == pytest.approx(whole.aic, rel=1e-9)
    assert row["bic"] == pytest.approx(whole.bic_llf, rel=1e-9)
    assert row["fit_time"] > 0
    np.testing.assert_array_equal(found.index, kept)
    assert "Poisson deviance" in repr(found)
    assert "<table" in found._repr_html_()


def test_networks_and_formulas_stand_beside_each_other():
    X, y, _, _ = claims()
    formula = smf.glm("y ~ a + np.abs(a)", X.assign(y=y), family=POISSON)
    models = [
        ("net", DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0)),
        ("formula", formula),
        ("fitted", formula.fit()),
        KNeighborsRegressor(),
        KNeighborsRegressor(3),
    ]
    found = compare(models, X, y, cv=3, criteria=False)
    names = {"net", "formula", "fitted", "KNeighborsRegressor", "KNeighborsRegressor #2"}
    assert set(found.table.index) == names
    assert found.table.loc["formula", "deviance"] == found.table.loc["fitted", "deviance"]
    assert found.table["deviance"].is_monotonic_increasing
    assert np.isnan(found.table["aic"]).all()
    with pytest.raises(ValueError, match=r"likelihood.*'net' are not defined"):
        found.vuong("net", "formula")
    with pytest.raises(ValueError, match="'nett' is none of them"):
        found.difference("nett", "formula")


def test_networks_have_criteria_by_their_effective_degrees_of_freedom():
    X, y, time, _ = claims()
    options = {"hidden_layer_sizes": (2,), "solver": "lbfgs", "tol": 1e-8}
    net = DeepGLMRegressor("poisson", random_state=0, **options)
    found = compare({"net": net, "glm": glm()}, X, y, cv=2, exposure=time)
    fit = net.fit(X, y, exposure=time)
    with pytest.warns(InferenceWarning):
        results = fit.inference(X, y, exposure=time)
    assert found.table.loc["net", "bic"] == pytest.approx(results.bic, rel=1e-9)
    assert found.in_sample["net"].n_parameters == pytest.approx(results.n_parameters)
    penalty = results.n_parameters - 3
    m = found.vuong("net", "glm")
    assert m.llr == pytest.approx(results.llf - found.in_sample["glm"].llf)
    assert m.z - m.z_aic == pytest.approx(penalty / (np.sqrt(240) * m.omega))
    stopped = net.set_params(max_iter=3)
    with pytest.warns(ConvergenceWarning):
        assert np.isnan(compare([stopped], X, y, cv=2).table["aic"].iloc[0])


def test_means_that_no_count_has_cost_all():
    X, y, _, _ = claims()
    found = compare({"glm": glm(), "line": LinearRegression()}, X, y)
    assert found.means["line"].min() < 0
    assert found.table.loc["line", "deviance"] == np.inf
    assert np.isnan(found.difference("line", "glm").se)
    assert list(found.table.index) == ["glm", "line"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers_are_compared_by_their_log_loss(n_classes):
    X, _, _, _ = claims()
    rng = np.random.default_rng(1)
    score = 2 * X["a"].to_numpy() + rng.logistic(size=len(X))
    y = np.array(["low", "mid", "top"])[np.digitize(score, [-1.0, 1.0][: n_classes - 1])]
    models = {
        "glm": DeepGLMClassifier(hidden_layer_sizes=()),
        "net": DeepGLMClassifier(hidden_layer_sizes=(2,), random_state=0),
        "ridge": LogisticRegression(C=0.01),
        "prior": DummyClassifier(),
    }
    found = compare(models, X, y, cv=4)
    table = found.table
    both = found.means["ridge"]
    if n_classes == 2:
        both = np.hstack([1 - both, both])
    assert table.loc["ridge", "deviance"] == pytest.approx(2 * log_loss(y, both), rel=1e-9)
    assert table.loc["prior", "d2"] == pytest.approx(0, abs=1e-3)
    assert table.loc["ridge", "slope"] > 1.2  # shrunk too far
    assert table.loc["glm", "slope"] == pytest.approx(1, abs=0.25)
    results = models["glm"].fit(X, y).inference(X, y)
    assert table.loc["glm", "aic"] == pytest.approx(results.aic, rel=1e-12)
    if n_classes == 2:
        return
    order = np.argsort(y)
    with pytest.raises(ValueError, match="Use StratifiedKFold"):
        compare([models["glm"]], X.iloc[order], y[order], cv=KFold(3))


def test_dependent_rows_widen_the_standard_error():
    X, y, _, _ = claims()
    three = np.repeat(np.arange(len(y)), 3)
    frame, repeated = X.iloc[three].reset_index(drop=True), y[three]
    models = {"glm": glm(), "short": make_pipeline(KNeighborsRegressor(20))}
    alone = compare(models, X, y, cv=GroupKFold(4), groups=np.arange(len(y)))
    found = compare(models, frame, repeated, cv=GroupKFold(4), groups=three)
    independent = compare(models, frame, repeated, cv=GroupKFold(4), groups=three, criteria=False)
    assert found.table.loc["glm", "se"] == pytest.approx(alone.table.loc["glm", "se"], rel=0.15)
    object.__setattr__(independent, "groups", None)
    ratio = found.table.loc["glm", "se"] / independent.table.loc["glm", "se"]
    assert ratio == pytest.approx(np.sqrt(3), rel=0.02)


def test_rows_that_are_never_tested_are_left_out():
    X, y, _, _ = claims()
    found = compare([glm()], X, y, cv=TimeSeriesSplit(3))
    np.testing.assert_array_equal(found.index, np.arange(60, 240))


@pytest.mark.parametrize(
    ("models", "options", "error", "words"),
    [
        ([glm()], {"cv": RepeatedKFold(n_splits=2)}, ValueError, "test each row once"),
        ([glm(), DeepGLMRegressor("gamma")], {}, ValueError, "several laws.*family='poisson'"),
        ([LinearRegression()], {}, ValueError, "no law"),
        ([glm(), DeepGLMClassifier()], {}, ValueError, "no measure in common"),
        ([glm(exposure="time")], {}, ValueError, r"Say so to compare\(exposure='time'\)"),
        ([glm()], {"exposure": "hours"}, ValueError, "must name one column"),
        ([glm()], {"exposure": np.zeros(240)}, ValueError, "exposure must be > 0"),
        ([glm()], {"offset": np.zeros(3)}, ValueError, r"its shape is \(3,\)"),
        ([glm()], {"sample_weight": -np.ones(240)}, ValueError, "must be >= 0"),
        (["glm"], {}, TypeError, "a scikit-learn estimator, or a GLM of statsmodels"),
        ([glm(), KNeighborsRegressor()], {"sample_weight": np.arange(240)}, ValueError,
         "'KNeighborsRegressor' takes no sample_weight"),
        ([DeepGLMRegressor(hidden_layer_sizes=()), LinearRegression()], {"offset": np.ones(240)},
         ValueError, "takes no offset, and without the log link"),
        ([sm.GLM(np.ones(9), np.ones((9, 1)))], {}, ValueError, "must hold the rows of X and y"),
        ([sm.GLM(claims()[1], np.ones((240, 1)), offset=np.ones(240))], {}, ValueError,
         "another offset or exposure"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(models, options, error, words):
    X, y, time, _ = claims()
    with pytest.raises(error, match=words):
        compare(models, X.assign(time=time), y, **options)


# ------------------------------------------------------------- pipelines and searches


def test_models_within_pipelines_and_searches_have_criteria():
    """A scaler before the model changes no likelihood; weights and a pipeline in a search."""
    X, y, time, weight = claims()
    frame, reads = X.assign(time=time), {"exposure": "time", "sample_weight": weight}
    scaler = make_column_transformer((StandardScaler(), ["a", "b"]), remainder="passthrough",
                                     verbose_feature_names_out=False)  # fmt: skip
    pipeline = make_pipeline(scaler.set_output(transform="pandas"), glm(exposure="time"))
    models = {
        "glm": glm(),
        "pipeline": make_pipeline(StandardScaler(), glm()),
        "column": pipeline,
        "search": GridSearchCV(pipeline, {"deepglmregressor__tol": [1e-8]}, cv=2),
    }
    found = compare(models, frame, y, cv=3, **reads)
    results = glm().fit(X, y, weight, exposure=time).inference(X, y, weight, exposure=time)
    for name in models:
        assert found.table.loc[name, "aic"] == pytest.approx(results.aic, rel=1e-9)
        assert found.table.loc[name, "bic"] == pytest.approx(results.bic, rel=1e-9)
        assert found.vuong("glm", name).llr == pytest.approx(0, abs=1e-6)
    penalised = make_pipeline(StandardScaler(), glm(alpha=1.0))
    assert np.isnan(compare([penalised], X, y, cv=2).table["aic"].iloc[0])


def test_an_unfitted_search_states_the_law_of_its_model():
    X, y, time, _ = claims()
    search = GridSearchCV(glm(), {"alpha": [0.0]}, cv=2)
    found = compare({"search": search, "glm": glm()}, X, y, cv=3)
    assert compare([search], X, y, cv=3, criteria=False).family == found.family
    for column in ("deviance", "aic", "bic"):
        values = found.table[column]
        assert values["search"] == pytest.approx(values["glm"], rel=1e-9)
    # neither its scores nor its predictions take an exposure: rates, with a likelihood of rates
    for given in (search, clone(search).fit(X, y)):
        found = compare({"search": given, "glm": glm()}, X, y, cv=3, exposure=time)
        deviance = found.table["deviance"]
        assert deviance["search"] == pytest.approx(deviance["glm"], rel=1e-5)
        assert np.isnan(found.table.loc["search", "aic"])


# -------------------------------------------------------- what of statsmodels is refused


def regularized(model, **options):
    return model.fit_regularized(alpha=0.1, L1_wt=1.0, **options)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda y, X: sm.GLM(y, X, family=POISSON, freq_weights=np.arange(1.0, 241)), ValueError,
         r"has freq_weights .* sample_weight to compare\(\)"),
        (lambda y, X: sm.GLM(y, X, family=POISSON, var_weights=np.full(240, 2.0)).fit(),
         ValueError, "has var_weights"),
        (lambda y, X: regularized(sm.GLM(y, X, family=POISSON)), ValueError, "fit_regularized"),
        (lambda y, X: regularized(sm.GLM(y, X, family=POISSON), refit=True), ValueError,
         "fit_regularized"),
        (lambda y, X: sm.GLM(y, X, family=POISSON).fit_constrained("a = b"), ValueError,
         "fit_constrained"),
        (sm.Poisson, TypeError, r"it is a Poisson. Use sm.GLM\(y, X, family"),
        (lambda y, X: sm.Logit((y > 0).astype(float), X), TypeError, "it is a Logit. Use sm.GLM"),
        (lambda y, X: sm.GEE(y, X, groups=np.arange(240), family=POISSON), TypeError, "is a GEE"),
        (lambda y, X: sm.Poisson(y, X).fit(disp=0), TypeError, "it is a Poisson. Use sm.GLM"),
    ],
)  # fmt: skip
def test_another_model_of_statsmodels_is_refused(make, error, words):
    X, y, _, _ = claims()
    with pytest.raises(error, match=words):
        compare([make(y, sm.add_constant(X))], X, y, cv=2)


def test_weights_of_statsmodels_that_all_models_have_are_taken():
    X, y, _, weight = claims()
    weight = weight + 1.0
    theirs = sm.GLM(y, sm.add_constant(X), family=POISSON, freq_weights=weight).fit()
    table = compare({"theirs": theirs, "ours": glm()}, X, y, cv=3, sample_weight=weight).table
    assert table.loc["theirs", "aic"] == pytest.approx(theirs.aic, rel=1e-9)
    assert table.loc["theirs", "deviance"] == pytest.approx(table.loc["ours", "deviance"])


@pytest.mark.parametrize("models", [glm(), make_pipeline(StandardScaler(), glm()), 3])
def test_models_are_a_list_or_a_dict(models):
    X, y, _, _ = claims()
    with pytest.raises(TypeError, match=r"a dict or a list of models.*compare\(\[model\]"):
        compare(models, X, y)


def test_classifiers_must_state_probabilities():
    X, y, _, _ = claims()
    with pytest.raises(TypeError, match=r"SVC has no predict_proba.*probability=True"):
        compare([SVC(), DeepGLMClassifier(hidden_layer_sizes=())], X, y > 0)
