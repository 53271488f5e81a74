"""Odd tables at the door: each is taken for what it is, or refused in words that help."""

import datetime
import pickle
from decimal import Decimal

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    ElasticNetGLMClassifierCV,
    ElasticNetGLMCV,
)
from glmnet_nn.tables import as_frame

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame({"age": RNG.normal(40, 10, N), "area": RNG.choice(list("abc"), N)})
Y = RNG.poisson(2.0, N).astype(float)
PRESENT = np.r_[0.0, np.ones(N - 1)]
ARROW = pa.Table.from_pandas(X, preserve_index=False)
BATCH = ARROW.to_batches()[0]
DATA = X.assign(y=Y)


def glm(**parameters):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), **parameters)


def from_formula(formula, data=DATA, **given):
    return DeepGLMRegressor.from_formula(
        formula, data, family="poisson", hidden_layer_sizes=(), **given
    )


def dictionary(codes, values):
    return pa.DictionaryArray.from_arrays(pa.array(codes), values)


# -------------------------------------------------------------------- taken


def test_a_record_batch_is_a_table():
    model = glm().fit(BATCH, Y)
    assert list(model.feature_names_in_) == ["age", "area"]
    assert_array_equal(model.coef_, glm().fit(X, Y).coef_)
    assert_array_equal(model.predict(BATCH), model.predict(X))
    line = from_formula("y ~ age + area", pa.RecordBatch.from_pandas(DATA))
    assert_array_equal(line.predict(BATCH), from_formula("y ~ age + area").predict(X))
    path = ElasticNetGLMCV("poisson", n_alphas=3, cv=2)
    assert_array_equal(path.fit(BATCH, Y).coef_, path.fit(X, Y).coef_)
    by_rows = cross_val_score(glm(), BATCH, Y, cv=2)  # of which scikit-learn makes structs
    assert_array_equal(by_rows, cross_val_score(glm(), X, Y, cv=2))


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pl.Series([3 * i % 7 for i in range(N)], dtype=pl.Int128), ["k"]),
        (pl.Series(["b", "a"] * 30, dtype=pl.Categorical), ["k[T.b]"]),
        (pl.Series(["b", "a"] * 30, dtype=pl.Enum(["z", "b", "a"])), ["k[T.a]"]),
        (pl.Series([Decimal(i % 5) for i in range(N)]), ["k"]),
        (dictionary([1, 2] * 30, ["a", "b", "c", "d"]), ["k[T.c]"]),
        (dictionary([0, 1] * 30, [30, 4]), ["k[T.30]"]),  # a category by its type, sorted
        (pa.chunked_array([dictionary([0] * 30, ["q"]), dictionary([0, 1] * 15, ["p", "q"])]),
         ["k[T.q]"]),
        (pd.array([1, 2] * 30, dtype="Int64"), ["k"]),
        (pd.array([1.5, 2.5] * 30, dtype="Float64"), ["k"]),
        (pd.array([True, False] * 30, dtype="boolean"), ["k"]),
        (pd.array(["a", "b"] * 30, dtype="string[pyarrow]"), ["k[T.b]"]),
        (pd.Categorical([1.5, 2.5] * 30, [2.5, 9.0, 1.5]), ["k[T.1.5]"]),
    ],
)  # fmt: skip
def test_columns_are_what_their_type_says(column, names):
    kind = {"polars": pl.DataFrame, "pyarrow": pa.table}
    of = kind.get(type(column).__module__.split(".")[0], pd.DataFrame)
    table = of({"age": X["age"].to_numpy(), "k": column})
    model = glm().fit(table, Y)
    assert model.feature_names_ == ["age", *names]
    assert model.predict(table[:1])[0] == model.predict(table)[0]


@pytest.mark.parametrize("columns", [[0, 1], pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])])
def test_labels_that_are_no_names_are_places(columns):
    table = X.set_axis(columns, axis=1)
    model = glm().fit(table, Y)
    assert model.feature_names_ == ["x0", "x1[T.b]", "x1[T.c]"]
    assert_array_equal(model.predict(table), glm().fit(X, Y).predict(X))


# -------------------------------------------------------------------- names


def test_missing_values_beside_a_level_missing():
    table = X.assign(area=np.where(np.arange(N) % 9 == 0, "missing", X["area"]))
    table.loc[::7, "area"] = None
    model = glm(missing="indicator").fit(table, Y)
    gone, called = "area[T.no value]", "area[T.missing]"
    assert model.feature_names_[-2:] == [called, gone]
    rows = X.head(1).assign(area=["missing"]), X.head(1).assign(area=[None])
    params = model.inference(table, Y).params
    step = np.log(model.predict(rows[1]) / model.predict(rows[0]))
    assert_allclose(step, params[gone] - params[called], rtol=1e-9)


@pytest.mark.parametrize(
    ("table", "clash"),
    [
        (X.assign(**{"age[missing]": 1.0, "age": X["age"].mask(X.index < 5)}), r"age\[missing\]"),
        (X.assign(**{"area[T.b]": 1.0}), r"area\[T.b\]"),
        (X.assign(area=pd.Categorical([0, 1, "1"] * 20, [0, 1, "1"])), r"area\[T.1\]"),
    ],
)
def test_names_that_would_be_alike(table, clash):
    with pytest.raises(ValueError, match=rf"told apart by their names, but \['{clash}'\].*Rename"):
        glm(missing="indicator").fit(table, Y)


def test_a_formula_makes_no_two_columns_of_one_name():
    with pytest.raises(ValueError, match=r"distinct names, but there are {'area\[T.b\]': 2}"):
        from_formula("y ~ area + `area[T.b]`", DATA.assign(**{"area[T.b]": X["age"]}))
    twice = pd.concat([DATA, DATA[["age"]]], axis=1)
    assert from_formula("y ~ area", twice).feature_names_ == ["area[T.b]", "area[T.c]"]


# ------------------------------------------------------------------ refusals

LAZY = r"must be a table with rows, but it is a lazy one.*LazyFrame.*\.collect\(\)"
DAY = datetime.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (pl.from_pandas(X).lazy(), TypeError, LAZY),
        (pa.RecordBatchReader.from_batches(BATCH.schema, [BATCH]), TypeError, r"\.read_all\(\)"),
        (pyarrow.dataset.dataset(ARROW), TypeError, r"InMemoryDataset.*\.to_table\(\)"),
        ({"age": X["age"]}, TypeError, r"but it is a dict.*pandas.DataFrame\(X\)"),
        ([{"age": 1.0}] * N, TypeError, "but it is dicts in a list.*pandas.DataFrame"),
        (pd.concat([X, X[["age"]]], axis=1), ValueError, "distinct names.*'age': 2.*Rename"),
        (pa.Table.from_arrays([ARROW["age"]] * 2, names=["a", "a"]), ValueError, "'a': 2"),
        (X[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 2\)\).*Give a table with rows"),
        (X[[]], ValueError, r"0 feature\(s\) \(shape=\(60, 0\)\).*columns beside offset"),
        (pl.DataFrame(), ValueError, r"0 sample\(s\)"),
        (X.assign(age=np.inf), ValueError, r"infinity.*'age' \(60\)"),
        (X[["age"]].assign(age=np.inf), ValueError, r"infinity.*'age' \(60\)"),
        (pl.DataFrame({"d": [DAY] * N}), ValueError, "'d' holds objects of the types date"),
        (X.assign(k=[[1]] * N), ValueError, "'k' holds objects of the types list"),
        (X.assign(k=None), ValueError, r"missing value, in the columns \(rows\) 'k' \(60\)"),
    ],
)
def test_tables_that_are_refused(table, error, words):
    with pytest.raises(error, match=words):
        glm().fit(table, Y)


def test_a_lazy_table_is_refused_everywhere():
    lazy = pl.from_pandas(DATA).lazy()
    line = from_formula("y ~ age")
    for call in (
        lambda: glm().fit(X, Y).predict(lazy),
        lambda: line.predict(lazy),
        lambda: from_formula("y ~ age", lazy),
        lambda: from_formula("y ~ age", lazy, sample_weight="age"),
        lambda: ElasticNetGLMCV("poisson").fit(lazy, Y),
    ):
        with pytest.raises(TypeError, match=LAZY):
            call()
    with pytest.raises(TypeError, match=r"formula must be text.*got a list"):
        from_formula(["y ~ age"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X[["area", "age"]], "same order"),
        (lambda X: X.assign(extra=1.0), "unseen at fit time:\n- extra"),
        (lambda X: X[["age"]], "yet now missing:\n- area"),
        (lambda X: X.assign(age=np.inf), r"infinity.*'age' \(60\)"),
        (lambda X: X.assign(area=[[1]] * N), r"levels of column 'area'.*are \['list'\]"),
        (lambda X: X.assign(area=pd.Categorical(["u"] * N, ["u", "a"])), r"not seen, \['u'\]"),
        (lambda X: X[:0], r"0 sample\(s\)"),
    ],
)
def test_tables_that_are_refused_at_prediction(change, words):
    model = glm().fit(X, Y)
    with pytest.raises(ValueError, match=words):
        model.predict(change(X))


def test_levels_must_be_values():
    with pytest.raises(ValueError, match=r"levels of column 'k'.*\['list'\]. Convert"):
        glm(categorical=["k"]).fit(X[["age"]].assign(k=[[1]] * N), Y)


# ------------------------------------------------------- rows that are not there


@pytest.mark.parametrize(
    "model",
    [
        glm(),
        DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), max_iter=2, random_state=0),
        DeepGLMClassifier(hidden_layer_sizes=()),
        ElasticNetGLMCV("poisson", n_alphas=3, cv=2),
        ElasticNetGLMClassifierCV(n_alphas=3, cv=2),
        DoubleGLMRegressor(DeepGLMRegressor(hidden_layer_sizes=())),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_level_of_a_row_of_weight_0(model):
    y = Y > 1 if hasattr(model, "predict_proba") else Y
    y = X["age"] + Y if isinstance(model, DoubleGLMRegressor) else y
    odd = X.assign(area=X["area"].where(X.index > 0, "only"))
    model.fit(odd, y, PRESENT)
    expected = pytest.approx(model.score(odd[1:], y[1:]), rel=1e-12, abs=1e-12)
    assert model.score(odd, y, PRESENT) == expected
    assert model.score(pl.from_pandas(odd), y, PRESENT) == expected
    with pytest.raises(ValueError, match=r"'area'.*not seen, \['only'\]"):
        model.predict(odd)


def test_rows_of_weight_0_and_a_formula():
    odd = DATA.assign(area=DATA["area"].where(X.index > 0, "only"))
    odd.loc[0, "age"] = np.nan
    model = from_formula("y ~ age + area", odd, sample_weight=PRESENT)
    rest = odd[1:]
    assert model.score(odd, sample_weight=PRESENT) == pytest.approx(model.score(rest), abs=1e-14)
    assert_array_equal(model.residuals(odd, sample_weight=PRESENT), model.residuals(rest))
    found = model.inference(odd, sample_weight=PRESENT)
    pd.testing.assert_series_equal(found.bse, model.inference(rest).bse)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(odd, Y[1:], PRESENT)


# ------------------------------------------------------------ one row, quickly


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_the_quick_door_for_numbers_changes_nothing(dtype):
    numbers = X[["age"]].assign(b=Y).astype(dtype)
    model = glm().fit(numbers, Y)
    expected = glm().fit(numbers.to_numpy(), Y).predict(numbers.to_numpy())
    assert_array_equal(model.predict(numbers), expected)
    assert_array_equal(model.predict(numbers.astype(object)), expected)
    for wrong in (numbers[["b", "age"]], numbers.assign(b=np.nan), numbers.assign(b=np.inf)):
        with pytest.raises(ValueError, match=r"same order|'b' \(60\)"):
            model.predict(wrong)


def test_a_formula_is_read_once(monkeypatch):
    model = from_formula("y ~ bs(age, df=4) + C(area)")
    first = model.predict(DATA[:1])
    read = formulaic.Formula.from_spec
    asked = []

    def counted(spec, *args, **named):
        asked.append(spec)
        return read(spec, *args, **named)

    monkeypatch.setattr(formulaic.Formula, "from_spec", counted)
    monkeypatch.setattr(formulaic.materializers.PandasMaterializer, "_get_scoped_terms", None)
    assert_array_equal(model.predict(DATA[:1]), first)
    assert not any(isinstance(spec, str) for spec in asked)


@pytest.mark.parametrize("warm", [False, True])
def test_the_types_of_a_formula_are_looked_at_each_time(warm):
    """formulaic would take one column of numbers for all levels of a factor."""
    model = from_formula("y ~ age + area")
    if warm:
        model.predict(DATA)
    for wrong in (DATA.assign(area=1.0), DATA.assign(age="young")):
        with pytest.raises(ValueError, match=r"another type|cannot be evaluated"):
            model.predict(wrong)
    again = pickle.loads(pickle.dumps(model))
    assert set(vars(again._design)) == {"formula", "available", "columns", "transforms", "levels"}
    assert_array_equal(again.predict(DATA), model.predict(DATA))


def test_factors_are_kept_without_what_they_look_up_by():
    model = glm().fit(X, Y)
    model.predict(X)
    kept = pickle.loads(pickle.dumps(model))._coding.columns[1]
    assert set(vars(kept)) == {"name", "levels", "has_missing", "reference", "shares"}


def test_what_is_no_table_stays_as_it_is():
    for value in ([[1.0, 2.0]], X.to_numpy(), None, "text"):
        assert as_frame(value) is value
