"""Tables of any library: factors and missing values coded at the door, by rules of others."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import get_tags

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    ElasticNetGLMClassifierCV,
    ElasticNetGLMCV,
    ResidualDisplay,
    elastic_net_path,
    load_model,
    local_importance,
    save_model,
)
from glmnet_nn.tables import TableCoding, as_frame

N = 160


def claims():
    """Numbers, strings, a Categorical whose order is not the alphabet's, truth values."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 10, N),
            "area": rng.choice(["north", "east", "south"], N),
            "fuel": pd.Categorical(rng.choice(["gas", "diesel"], N), ["none", "gas", "diesel"]),
            "new": rng.random(N) < 0.5,
        }
    )
    eta = 0.02 * X["age"] + 0.8 * (X["area"] == "north") - 0.5 * (X["fuel"] == "diesel")
    y = rng.poisson(np.exp(eta.to_numpy() - 0.5)).astype(float)
    return X, y, rng.uniform(0.5, 2.0, N)


def holes(X):
    """The table with missing values in a number and in a factor."""
    X = X.copy()
    X.loc[::7, "age"] = np.nan
    X.loc[::9, "area"] = None
    return X


def glm(**parameters):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), **parameters)


def net(**parameters):
    asked = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0, "tol": 0.0}
    return DeepGLMRegressor("poisson", **asked | parameters)


def shuffled(X):
    """The numbers that the model is to see with all levels, by hand."""
    return pd.get_dummies(X.assign(fuel=X["fuel"].cat.remove_unused_categories()), dtype=float)


# ------------------------------------------------------------------- coding


def test_columns_of_arrow_in_pandas_and_a_display_of_any_table():
    X, y, _ = claims()
    arrow = pa.Table.from_pandas(X, preserve_index=False)
    behind = arrow.to_pandas(types_mapper=pd.ArrowDtype)  # fuel is a dictionary there
    model = glm().fit(X, y)
    np.testing.assert_array_equal(model.predict(behind), model.predict(X))
    names = ["age", "area[T.north]", "area[T.south]", "fuel[T.gas]", "new"]
    assert glm().fit(behind, y).feature_names_ == names
    shown = [
        ResidualDisplay.from_estimator(model, table, y, against="area", kind="pearson")
        for table in (X, arrow, pl.from_arrow(arrow))
    ]
    for display in shown[1:]:
        ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert ticks == ["east", "north", "south"]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_glm_is_that_of_statsmodels_formula(fit_intercept):
    X, y, time = claims()
    ours = glm(fit_intercept=fit_intercept).fit(X, y, exposure=time)
    found = ours.inference(X, y, exposure=time)
    data = X.assign(y=y, fuel=X["fuel"].cat.remove_unused_categories(), new=X["new"].astype(int))
    formula = "y ~ area + fuel + new + age" + ("" if fit_intercept else " - 1")
    law = sm.families.Poisson()
    theirs = smf.glm(formula, data, family=law, exposure=time).fit(tol=1e-12)
    names = {"area[T.north]", "area[T.south]", "fuel[T.diesel]", "new", "age"}
    names |= {"Intercept"} if fit_intercept else {"area[east]", "area[north]", "area[south]"}
    names -= set() if fit_intercept else {"area[T.north]", "area[T.south]"}
    assert set(found.params.index) == names == set(theirs.params.index)
    order = list(found.params.index)
    np.testing.assert_allclose(found.params, theirs.params[order], rtol=1e-7)
    np.testing.assert_allclose(found.bse, theirs.bse[order], rtol=1e-6)
    np.testing.assert_allclose(ours.coef_, found.params[ours.feature_names_], rtol=1e-12)
    assert list(ours.feature_names_in_) == list(X.columns)
    assert ours.n_features_in_ == X.shape[1]
    assert ours.input_bounds_.shape == (2, len(ours.feature_names_))


def test_numbers_are_those_of_scikit_learns_transformers():
    X, _, weight = claims()
    X = holes(X)
    coding = TableCoding.fit(X, "auto", True, True, "indicator", np.ones(N))
    age = SimpleImputer(add_indicator=True).fit_transform(X[["age"]])
    area = OneHotEncoder(
        categories=[["east", "north", "south", np.nan]], drop="first", sparse_output=False
    )
    fuel = OneHotEncoder(categories=[["gas", "diesel"]], drop="first", sparse_output=False)
    areas = X[["area"]].where(X[["area"]].notna(), np.nan)  # None is no level of it before 1.8
    parts = [age, area.fit_transform(areas), fuel.fit_transform(X[["fuel"]]), X[["new"]]]
    np.testing.assert_array_equal(coding.matrix(X, "error"), np.hstack(parts).astype(float))
    assert coding.names[:2] == ["age", "age[missing]"]
    assert coding.names[2:5] == ["area[T.north]", "area[T.south]", "area[T.missing]"]
    weighted = TableCoding.fit(X, "auto", True, True, "indicator", weight)
    known = X["age"].notna()
    mean = np.average(X["age"][known], weights=weight[known])
    np.testing.assert_allclose(weighted.columns[0].fill, mean, rtol=1e-14)


@pytest.mark.parametrize(
    ("parameters", "reference"),
    [
        ({}, False),
        ({"n_estimators": 2}, False),
        ({"skip_connection": True}, True),
        ({"architecture": "local"}, True),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_see_all_levels_unless_eta_has_x_beta(parameters, reference):
    X, y, _ = claims()
    model = net(**parameters).fit(X, y)
    by_hand = pd.get_dummies(
        X.assign(fuel=X["fuel"].cat.remove_unused_categories()), dtype=float, drop_first=reference
    ).astype(float)
    columns = ["age", *[c for c in by_hand if c.startswith(("area", "fuel"))], "new"]
    by_hand = pd.DataFrame(np.ascontiguousarray(by_hand[columns]), columns=columns)  # as coded
    same = net(**parameters).fit(by_hand, y)
    np.testing.assert_allclose(model.predict(X), same.predict(by_hand), rtol=1e-9)
    slopes = same.local_coef(by_hand)
    np.testing.assert_allclose(model.local_coef(X), slopes, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(model.input_bounds_, same.input_bounds_)
    assert ("area[T.north]" in model.feature_names_) == reference
    assert ("area[east]" in model.feature_names_) != reference
    table = local_importance(model, X) if "n_estimators" not in parameters else None
    assert table is None or set(table.index) == set(model.feature_names_)


@pytest.mark.parametrize("as_table", [pl.from_pandas, pa.Table.from_pandas])
def test_every_table_is_the_same_table(as_table):
    X, y, time = claims()
    X = holes(X).assign(fuel=X["fuel"].astype(object), time=time)
    model = glm(missing="indicator", exposure="time").fit(X, y)
    theirs = as_table(X)
    other = clone(model).fit(theirs, as_table(pd.DataFrame({"y": y}))["y"])
    assert other.feature_names_ == model.feature_names_
    assert list(other.feature_names_in_) == ["age", "area", "fuel", "new"]
    np.testing.assert_array_equal(other.coef_, model.coef_)
    for each in (model.predict, model.local_coef, model.linear_predictor):
        np.testing.assert_array_equal(each(theirs), each(X))
    assert other.score(theirs, y) == model.score(X, y)
    pd.testing.assert_series_equal(other.inference(theirs, y).bse, model.inference(X, y).bse)
    without = X.drop(columns="time")
    plain = glm(missing="indicator")
    by_argument = plain.fit(
        as_table(without), y, sample_weight=theirs["time"], offset=theirs["time"]
    )
    expected = clone(plain).fit(without, y, sample_weight=time, offset=time)
    np.testing.assert_array_equal(by_argument.coef_, expected.coef_)


def test_types_of_other_libraries():
    polars = pl.DataFrame(
        {
            "whole": [1, None, 3],
            "single": pl.Series([1.5, 2.5, 3.5], dtype=pl.Float32),
            "exact": pl.Series(["1.25", "2.50", "3.75"]).cast(pl.Decimal(10, 2)),
            "size": pl.Series(["S", "L", "S"], dtype=pl.Enum(["S", "M", "L"])),
            "kind": pl.Series(["z", "b", None], dtype=pl.Categorical),
            "flag": [True, None, False],
        }
    )
    frame = as_frame(polars)
    assert frame["single"].dtype == np.float32
    coding = TableCoding.fit(frame, "auto", True, True, "indicator", np.ones(3))
    assert coding.names == [
        "whole", "whole[missing]", "single", "exact", "size[T.L]", "kind[T.z]", "kind[T.missing]",
        "flag", "flag[missing]",
    ]  # fmt: skip
    expected = [
        [1, 0, 1.5, 1.25, 0, 1, 0, 1, 0],
        [2, 1, 2.5, 2.5, 1, 0, 0, 0.5, 1],
        [3, 0, 3.5, 3.75, 0, 0, 1, 0, 0],
    ]
    np.testing.assert_array_equal(coding.matrix(frame, "error"), expected)
    nullable = frame.convert_dtypes()
    np.testing.assert_array_equal(coding.matrix(nullable, "error"), expected)
    with pytest.raises(TypeError, match=r"lazy.*collect"):
        glm().fit(polars.lazy(), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("X", ["frame", "array", "objects"])
def test_listed_columns_are_factors(X):
    table, y, _ = claims()
    table = table.assign(year=np.arange(N) % 3 + 2001)[["age", "year"]]
    given = {"frame": table, "array": table.to_numpy(), "objects": table.to_numpy(dtype=object)}[X]
    model = glm(categorical=["year"] if X == "frame" else [1]).fit(given, y)
    theirs = smf.glm("y ~ age + C(year)", table.assign(y=y), family=sm.families.Poisson()).fit()
    name = "year" if X == "frame" else "x1"
    level = "2002.0" if X == "array" else "2002"
    assert model.feature_names_[1] == f"{name}[T.{level}]"
    np.testing.assert_allclose(model.predict(given), theirs.fittedvalues, rtol=1e-6)


# ------------------------------------------- levels and rows that are not there


def test_unseen_levels():
    X, y, weight = claims()
    strict = glm().fit(X, y, weight)
    new = X.head(3).assign(area=["west", "north", "upper"])
    with pytest.raises(ValueError, match=r"'area'.*\['west', 'upper'\], in 2 rows.*'east'") as said:
        strict.predict(new)
    assert "unseen='average'" in str(said.value)
    model = clone(strict).set_params(unseen="average").fit(X, y, weight)
    shares = {level: weight[X["area"] == level].sum() / weight.sum() for level in set(X["area"])}
    each = [share * model.linear_predictor(new.assign(area=a)) for a, share in shares.items()]
    expected = np.where(
        new["area"] == "north", strict.linear_predictor(new.assign(area="north")), sum(each)
    )
    np.testing.assert_allclose(model.linear_predictor(new), expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"'area'.*missing values in 1 rows"):
        model.predict(new.assign(area=["north", None, "west"]))


def test_rows_of_weight_0_have_no_levels():
    X, y, weight = claims()
    X.loc[:1, "area"] = "nowhere"
    weight[:2] = 0.0
    rest = (X[2:], y[2:], weight[2:])
    model = glm().fit(X, y, weight)
    present = clone(model).fit(*rest)
    np.testing.assert_array_equal(model.coef_, present.coef_)
    ours, theirs = model.inference(X, y, weight), present.inference(*rest)
    pd.testing.assert_series_equal(ours.bse, theirs.bse)
    np.testing.assert_array_equal(
        model.residuals(X, y, weight), present.residuals(X[2:], y[2:], weight[2:])
    )


def test_one_level_is_the_intercept():
    X, y, _ = claims()
    model = glm().fit(X[["age"]].assign(land="here"), y)
    assert model.feature_names_ == ["age"]
    np.testing.assert_array_equal(model.coef_, glm().fit(X[["age"]], y).coef_)
    assert net().fit(X[["age"]].assign(land="here"), y).feature_names_ == ["age", "land[here]"]


# ------------------------------------------------------------ missing values


def test_missing_values_are_an_error_that_names_the_columns():
    X, y, _ = claims()
    words = r"NaN.*'age' \(23\), 'area' \(18\).*missing='indicator'"
    for model in (glm(), net(), ElasticNetGLMCV("poisson")):
        with pytest.raises(ValueError, match=words):
            model.fit(holes(X), y)
    numbers = X[["age"]].to_numpy(copy=True)
    numbers[3] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*'x0' \(1\)"):
        glm().fit(numbers, y)


def test_missing_indicator_is_the_mean_and_a_column():
    X, y, weight = claims()
    X = holes(X)[["age"]]
    model = glm(missing="indicator").fit(X, y, weight)
    gone = X["age"].isna()
    mean = np.average(X["age"][~gone], weights=weight[~gone])
    by_hand = X.fillna(mean).assign(gone=gone)
    theirs = glm().fit(by_hand, y, weight)
    np.testing.assert_array_equal(model.predict(X), theirs.predict(by_hand))
    standardised = net(missing="indicator").fit(X, y, weight)._inputs
    assert standardised.transform(np.array([[mean, 1.0]]))[0, 0] == pytest.approx(0.0, abs=1e-12)
    array = glm(missing="indicator").fit(X.to_numpy(), y, weight)
    assert array.feature_names_ == ["x0", "x0[missing]"]
    np.testing.assert_array_equal(array.predict(X.to_numpy()), model.predict(X))
    assert get_tags(model).input_tags.allow_nan
    assert not get_tags(glm()).input_tags.allow_nan


@pytest.mark.parametrize("fitted_with", ["factors", "numbers", "array"])
def test_missing_where_the_fit_had_none(fitted_with):
    X, y, _ = claims()
    X = X if fitted_with == "factors" else X[["age"]]
    known = X.to_numpy() if fitted_with == "array" else X
    model = glm(missing="indicator").fit(known, y)
    new = X.assign(age=np.nan)
    with pytest.raises(ValueError, match=r"'(age|x0)'.*had none.*missing='indicator'"):
        model.predict(new.to_numpy() if fitted_with == "array" else new)


# ------------------------------------------------------- what is behind the door


@pytest.mark.parametrize("depth", ["glm", "net"])
@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_effect_of_a_level_is_against_the_first(depth):
    X, y, _ = claims()
    if depth == "glm":
        model = glm().fit(X, y)
        effects = model.inference(X, y).get_margeff(dummy=True)
        prefix = "area[T."
    else:
        model = net(hidden_layer_sizes=(2,), max_iter="auto", tol="auto").fit_for_inference(X, y)
        effects = model.inference(X, y).average_partial_effects(dummy=True)
        prefix = "area["
    table = effects.summary_frame().iloc[:, 0]
    first = model.predict(X.assign(area="east"))
    for level in ("north", "south"):
        change = (model.predict(X.assign(area=level)) - first).mean()
        assert table[f"{prefix}{level}]"] == pytest.approx(change, rel=1e-9)
    on, off = (model.predict(X.assign(new=value)).mean() for value in (True, False))
    assert table["new"] == pytest.approx(on - off, rel=1e-9)


def test_model_goes_where_others_go(tmp_path):
    X, y, time = claims()
    X = holes(X).assign(time=time)
    ensemble = net(n_estimators=2, missing="indicator", exposure="time").fit(X, y)
    expected = ensemble.predict(X)
    save_model(ensemble, tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(ensemble)), load_model(tmp_path / "model")):
        np.testing.assert_array_equal(other.predict(pl.from_pandas(X)), expected)
        assert other.feature_names_ == ensemble.feature_names_
    np.testing.assert_array_equal(clone(ensemble).fit(X, y).predict(X), expected)
    search = GridSearchCV(
        ensemble, {"alpha": [0.1, 1.0]}, cv=KFold(2, shuffle=True, random_state=0)
    )
    assert np.isfinite(search.fit(pa.Table.from_pandas(X), y).cv_results_["mean_test_score"]).all()
    before, _, _ = claims()
    pd.testing.assert_frame_equal(holes(before).assign(time=time), X)


def test_forecast_of_a_table():
    X, y, _ = claims()
    model = glm(store_covariance=True).fit(X, y)
    data = X.assign(y=y, fuel=X["fuel"].astype(str), new=X["new"].astype(int))
    formula = "y ~ age + area + C(fuel, Treatment('gas')) + new"
    theirs = smf.glm(formula, data, family=sm.families.Poisson()).fit(tol=1e-12)
    frame = theirs.get_prediction(data).summary_frame()
    ends = model.predict_interval(pl.from_pandas(X), kind="mean")
    eta_se = theirs.get_prediction(data, which="linear").se
    found = np.log(ends[:, 1] / ends[:, 0]) / (2 * norm.ppf(0.975))
    np.testing.assert_allclose(found, eta_se, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), frame["mean"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_keeps_the_coding():
    X, y, _ = claims()
    model = net(warm_start=True, missing="indicator").fit(holes(X), y)
    names = model.feature_names_
    some = holes(X)[X["area"] != "south"].head(40)
    fill = model._coding.columns[0].fill
    model.fit(some, y[some.index])
    assert model.feature_names_ == names
    assert model._coding.columns[0].fill == fill
    with pytest.raises(ValueError, match=r"warm_start=True continues.*'levels'"):
        model.fit(X.assign(area=1.0, fuel=2.0), y)


def test_elastic_net_and_classifiers():
    X, y, _ = claims()
    numbers = shuffled(X)
    columns = ["age", *[c for c in numbers if c.startswith(("area", "fuel"))], "new"]
    numbers = numbers[columns].astype(float)
    path = ElasticNetGLMCV("poisson", n_alphas=10, cv=2)
    by_hand = clone(path).fit(numbers, y).coef_
    np.testing.assert_allclose(path.fit(X, y).coef_, by_hand, rtol=1e-9, atol=1e-12)
    assert "area[east]" in path.path_.to_frame().columns
    labels = np.where(y > 1, "many", "few")
    for model in (
        ElasticNetGLMClassifierCV(n_alphas=5, cv=2),
        DeepGLMClassifier(hidden_layer_sizes=()),
    ):
        found = model.fit(pl.from_pandas(X), labels)
        assert len(found.feature_names_) == len(np.ravel(found.coef_))
        np.testing.assert_array_equal(
            found.predict_proba(pa.Table.from_pandas(X)), found.predict_proba(X)
        )


def test_double_glm():
    X, y, _ = claims()
    y = X["age"].to_numpy() * (1 + 0.2 * (X["fuel"] == "gas").to_numpy()) + y
    numbers = pd.get_dummies(X, dtype=float, drop_first=True)
    X = X.drop(columns="age")
    asked = {"mean": DeepGLMRegressor(hidden_layer_sizes=()), "dispersion_features": ["fuel"]}
    ours = DoubleGLMRegressor(**asked).fit(X, y)
    fuel = X["fuel"].cat.codes.astype(float) - 1.0
    numbers = numbers[["new", "area_north", "area_south"]].astype(float).assign(fuel=fuel)
    theirs = DoubleGLMRegressor(**asked).fit(numbers, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(numbers), rtol=1e-9)
    phi = theirs.predict_dispersion(numbers)
    np.testing.assert_allclose(ours.predict_dispersion(pl.from_pandas(X)), phi, rtol=1e-9)
    assert "fuel[T.diesel]" in ours.inference(X, y).summary().as_text()


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("parameters", "change", "error", "words"),
    [
        ({"categorical": None}, lambda X: X, ValueError, r"\['area', 'fuel'\].*categorical=None"),
        ({"categorical": ["fuel"]}, lambda X: X, ValueError, r"\['area'\].*categorical=\['fuel'\]"),
        ({"categorical": ["hue"]}, lambda X: X, ValueError, "'hue' is none of"),
        ({"categorical": [7]}, lambda X: X, ValueError, "7 is none of"),
        ({"categorical": [0]}, lambda X: sparse.csr_array(X[["age"]]), TypeError, "X is sparse"),
        ({}, lambda X: X.assign(age=pd.Timestamp("2020")), ValueError, "'age' holds datetime64"),
        ({}, lambda X: X.assign(age=[1, *"a" * (N - 1)]), ValueError, "of the types int, str"),
        ({}, lambda X: X.assign(age=1j), ValueError, "'age' holds complex"),
        ({"categorical": ["age"]}, lambda X: X[["age"]].astype(object).replace(X["age"][0], "a"),
         ValueError, r"one type, but they are \['float', 'str'\]"),
        ({}, lambda X: X[["area"]].assign(area="here"), ValueError, "one level each"),
        ({"missing": "indicator"}, lambda X: X.assign(age=np.nan), ValueError, "'age'.*no value"),
        ({"unseen": "reference"}, lambda X: X, ValueError, "'unseen' parameter"),
    ],
)  # fmt: skip
def test_what_cannot_be_coded_is_said(parameters, change, error, words):
    X, y, _ = claims()
    with pytest.raises(error, match=words):
        glm(**parameters).fit(change(X), y)


def test_columns_at_prediction():
    X, y, _ = claims()
    model = glm().fit(X, y)
    for other, words in (
        (X.drop(columns="age"), "now missing:\n- age"),
        (X[["area", "age", "fuel", "new"]], "same order"),
        (X.assign(age="old"), "'age' of X held numbers in the fit"),
    ):
        with pytest.raises(ValueError, match=words):
            model.predict(other)
    numbers = glm().fit(X[["age"]], y)
    with pytest.raises(ValueError, match=words):
        numbers.predict(X[["age"]].assign(age="old"))
    with pytest.raises(ValueError, match=r"'area', 'fuel'.*ElasticNetGLMCV"):
        elastic_net_path(X, y)


def test_slopes_of_a_base_are_in_other_columns():
    X, y, _ = claims()
    model = net(base=glm().fit(X, y)).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(ValueError, match="Encode X before"):
        model.local_coef(X)
