"""Formulas: the columns that formulaic makes, as the rows of the fit determined them."""

import pickle
import sys
from decimal import Decimal

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    load_model,
    local_importance,
    save_model,
    to_statsmodels,
)

RNG = np.random.default_rng(0)
N = 300
DATA = pd.DataFrame(
    {
        "age": RNG.uniform(18, 80, N),
        "area": RNG.choice(list("ABC"), N),
        "density": RNG.uniform(1, 100, N),
        "exposure": RNG.uniform(0.2, 1.0, N),
        "weight": RNG.integers(1, 4, N),
    },
    index=[f"policy {i}" for i in range(N)],
)
DATA["claims"] = RNG.poisson(DATA["exposure"] * np.exp(0.02 * (DATA["age"] - 40)))
SIMPLE = "claims ~ age + C(area) + np.log(density)"
STATEFUL = (
    "claims ~ bs(age, df=4) + scale(weight) + poly(density, 2):weight"
    " + cr(density, df=3, constraints='center') + C(area, contr.sum)"
)
GLM = {"family": "poisson", "exposure": "exposure", "hidden_layer_sizes": ()}


def from_formula(formula, data=DATA, **parameters):
    return DeepGLMRegressor.from_formula(formula, data, **(GLM | parameters))


def polars(data):
    return pl.DataFrame({name: data[name].tolist() for name in data})


def test_a_line_is_that_of_statsmodels():
    """Same names and order, estimates, standard errors and likelihood."""
    model = from_formula(SIMPLE)
    theirs = smf.glm(
        SIMPLE.replace("age + C(area)", "C(area) + age"),
        DATA,
        family=sm.families.Poisson(),
        exposure=DATA["exposure"],
    ).fit(tol=1e-13)
    ours = model.inference(DATA)
    assert list(ours.params.index) == [
        "Intercept", "age", "C(area)[T.B]", "C(area)[T.C]", "np.log(density)"
    ]  # fmt: skip
    assert set(theirs.params.index) == set(ours.params.index)
    assert_allclose(ours.params, theirs.params[ours.params.index], rtol=1e-7, atol=1e-9)
    assert_allclose(ours.bse, theirs.bse[ours.params.index], rtol=1e-7)
    assert ours.llf == pytest.approx(theirs.llf, rel=1e-10)
    assert "C(area)[T.B]" in str(ours.summary())
    assert_allclose(model.predict(DATA), theirs.predict(DATA, exposure=DATA["exposure"]))
    assert model.score(DATA) == model.score(DATA, DATA["claims"])
    assert to_statsmodels(model, DATA, DATA["claims"]).llf == pytest.approx(theirs.llf, rel=1e-10)


def test_the_columns_are_those_of_formulaic():
    matrix = formulaic.model_matrix(STATEFUL, DATA).rhs
    model = from_formula(STATEFUL)
    assert ["Intercept", *model.feature_names_in_] == list(matrix.columns)
    columns = np.asarray(matrix)[:, 1:]
    plain = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    plain.fit(columns, DATA["claims"], exposure=DATA["exposure"])
    assert_array_equal(model.coef_, plain.coef_)
    assert_array_equal(model.intercept_, plain.intercept_)


@pytest.mark.parametrize("hidden", [(), (2,)])
def test_new_frames_are_seen_as_the_rows_of_the_fit(hidden):
    """Means, knots and levels are those of the fit, of whatever rows and kind of frame."""
    before = DATA.copy()
    model = from_formula(STATEFUL, hidden_layer_sizes=hidden, max_iter=40, random_state=0)
    whole = model.predict(DATA)
    few = DATA.iloc[[7, 3]].drop(columns="claims")
    assert_allclose(model.predict(few), whole[[7, 3]], rtol=1e-12)
    assert_array_equal(model.predict(polars(DATA)), whole)
    assert_array_equal(model.predict(pl.DataFrame(polars(DATA)).to_arrow()), whole)
    assert_array_equal(model.predict(DATA.astype(object)), whole)
    again = from_formula(
        STATEFUL, polars(DATA), hidden_layer_sizes=hidden, max_iter=40, random_state=0
    )
    assert_array_equal(again.predict(few), model.predict(few))
    pd.testing.assert_frame_equal(DATA, before)


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
def test_what_else_a_model_is_asked(tmp_path):
    """Residuals, intervals, inference of networks, local coefficients, ensembles."""
    model = from_formula(SIMPLE, store_covariance=True)
    assert model.residuals(DATA).shape == (N,)
    frame = model.forecast(DATA[:2]).summary_frame()
    assert list(frame.index) == list(DATA.index[:2])
    assert model.predict_interval(DATA[:2]).shape == (2, 2)
    network = DeepGLMRegressor("poisson", formula=SIMPLE, hidden_layer_sizes=(1,), random_state=0)
    network.set_params(exposure="exposure").fit_for_inference(DATA)
    assert network.inference(DATA).get_prediction(DATA[:3]).summary_frame().shape[0] == 3
    names = list(network.feature_names_in_)
    assert set(local_importance(network, DATA).index) == set(names)
    assert network.local_coef(DATA[:3]).shape == (3, len(names))
    ensemble = from_formula(SIMPLE, hidden_layer_sizes=(2,), n_estimators=2, max_iter=3)
    members = [member.predict(DATA) for member in ensemble.estimators_]
    assert_allclose(ensemble.predict(DATA), np.mean(members, axis=0))


def test_it_is_an_estimator(tmp_path):
    """Cloned, searched, and kept in all ways."""
    model = from_formula(STATEFUL, random_state=0)
    assert clone(model).fit(DATA).coef_.tolist() == model.coef_.tolist()
    bounded = clone(model).set_params(formula="claims ~ age + scale(density) + area")
    scores = cross_val_score(bounded, DATA, DATA["claims"], cv=3)
    train, test = np.arange(N) >= 100, np.arange(N) < 100
    assert scores[0] == pytest.approx(clone(bounded).fit(DATA[train]).score(DATA[test]))
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(DATA), model.predict(DATA))
    save_model(model, tmp_path / "model")
    assert_array_equal(load_model(tmp_path / "model").predict(DATA), model.predict(DATA))
    kept = skops.io.dumps(model)
    types = skops.io.get_untrusted_types(data=kept)
    assert all(name.startswith(("glmnet_nn.", "families.")) for name in types)
    assert_array_equal(skops.io.loads(kept, trusted=types).predict(DATA), model.predict(DATA))


def test_intercept_dot_and_offset():
    bare = from_formula("claims ~ 0 + area + age", offset=np.zeros(N))
    assert bare.intercept_ == 0.0
    assert list(bare.feature_names_in_) == ["area[A]", "area[B]", "area[C]", "age"]
    assert_allclose(bare.predict(DATA), from_formula("claims ~ area + age").predict(DATA))
    dot = from_formula("claims ~ . - weight")
    assert list(dot.feature_names_in_) == ["age", "area[T.B]", "area[T.C]", "density"]
    assert_array_equal(dot.predict(DATA[["density", "exposure", "age", "area"]]), dot.predict(DATA))
    quoted = DATA.rename(columns={"age": "the age"})
    spaced = from_formula("claims ~ `the age` + log(`the age`) + Q('the age'):density", quoted)
    assert spaced.predict(quoted).shape == (N,)


def test_weights_are_rows_and_absent_rows_teach_nothing():
    twice = DATA.loc[DATA.index.repeat(DATA["weight"])]
    weighted = from_formula(SIMPLE, sample_weight="weight")
    assert_allclose(weighted.coef_, from_formula(SIMPLE, twice).coef_, rtol=1e-8)
    odd = DATA.assign(area=DATA["area"].where(DATA.index != "policy 0", "Z"))
    odd.loc["policy 0", ["age", "weight"]] = np.nan, 0.0
    assert_allclose(
        from_formula(STATEFUL, odd, sample_weight="weight").coef_,
        from_formula(STATEFUL, DATA[1:], sample_weight="weight").coef_,
    )


def test_types_of_columns_do_not_matter():
    """Nullable numbers, decimals, and levels in an order of their own, one of them unused."""
    data, order = DATA.assign(claims=DATA["claims"].clip(0, 1) > 0), ["X", "C", "A", "B"]
    data["age"] = data["age"].round(2)
    formula = "claims ~ age + area + C(weight)"
    named = {"formula": formula, "hidden_layer_sizes": ()}
    plain = DeepGLMClassifier(**named).fit(data)
    assert plain.feature_names_[-1] == "C(weight)[T.3]"
    nullable, decimals = data.convert_dtypes(), data.assign(age=data["age"].map("{:.2f}".format))
    decimals["age"] = decimals["age"].map(Decimal)
    ordered = data.assign(area=pd.Categorical(data["area"], order))
    enum = polars(data).with_columns(pl.col("area").cast(pl.Enum(order)))
    for frame in (nullable, decimals, ordered, enum):
        model = DeepGLMClassifier(**named).fit(frame)
        assert model.classes_.dtype == bool
        assert_allclose(model.predict_proba(data), plain.predict_proba(frame), rtol=1e-9)
        reference = "[T.C]" if frame is nullable or frame is decimals else "[T.B]"
        assert model.feature_names_[2] == "area" + reference
    with pytest.raises(ValueError, match=r"column 'age' holds datetime64\[.*a date to days"):
        from_formula("claims ~ age", DATA.assign(age=pd.Timestamp("2020-01-01")))


def test_left_sides():
    """A column of labels, an expression, two columns of counts."""
    classes = DeepGLMClassifier.from_formula("area ~ age + density", DATA, hidden_layer_sizes=())
    assert classes.classes_.tolist() == ["A", "B", "C"]
    assert classes.score(DATA) == classes.score(DATA, DATA["area"])
    logs = DeepGLMRegressor.from_formula("log(density) ~ age", DATA, hidden_layer_sizes=())
    plain = DeepGLMRegressor(hidden_layer_sizes=())
    assert_allclose(logs.coef_, plain.fit(DATA[["age"]], np.log(DATA["density"])).coef_)
    counts = DATA.assign(rest=3)
    shares = DeepGLMRegressor.from_formula(
        "claims + rest ~ age", counts, family="binomial", hidden_layer_sizes=()
    )
    given = plain.set_params(family="binomial").fit(DATA[["age"]], counts[["claims", "rest"]])
    assert_allclose(shares.coef_, given.coef_)
    assert shares.score(counts) == pytest.approx(
        given.score(DATA[["age"]], counts[["claims", "rest"]])
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"area": "Z"}, r"'C\(area\)' of formula .* has the levels \['A', 'B', 'C'\] in the fit, "),
        ({"age": [1.0, np.nan, np.nan]}, r"missing in 'age' \(2, the first in row 1\)"),
        ({"area": [None, "A", "B"]}, r"dropna\(subset=\['area'\]\)"),
        ({"density": -1.0}, r"'np.log\(density\)' that is nan in row 0"),
        ({"density": 0.0}, "that is -inf"),
        ({"age": "young"}, "cannot be evaluated|another type"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        from_formula(SIMPLE).predict(DATA[:3].assign(**change))


def test_columns_that_are_not_there_are_named():
    model = from_formula("claims ~ bs(age, df=4) + C(area)")
    with pytest.raises(ValueError, match=r"columns \['age'\], which must be in the data"):
        model.predict(DATA.drop(columns="age"))
    with pytest.raises(ValueError, match="exposure='exposure' must name one column"):
        model.predict(DATA.drop(columns="exposure"))
    with pytest.raises(ValueError, match="extend beyond"):
        model.predict(DATA.assign(age=200.0))
    with pytest.raises(TypeError, match="must be a data frame"):
        model.predict(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"columns \['claims'\]"):
        model.score(DATA.drop(columns="claims"))


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("claims ~ open('x')", "but not 'open'"),
        ("claims ~ __import__('os').system('true')", "cannot be read"),
        ("claims ~ age.sum()", "but not 'age.sum'"),
        ("claims ~ np.load('x')", "but not 'np.load'"),
        ("claims ~ np.add.reduce(age)", "but not"),
        ("claims ~ I([a for a in age])", "but not"),
        ("claims ~ I(age[0])", r"but not 'age\[0\]'"),
        ("claims ~ contr.mro()", "but not"),
        ("""claims ~ I(log("`") + open('x') + log("`"))""", "but not"),
        ("claims ~ hashed('print()', levels=2, hash_func=exec)", r"columns \['exec'\]"),
        ("claims ~ C(area, levels=__builtins__)", r"columns \['__builtins__'\]"),
        ("claims ~ age +", "cannot be read"),
        ("claims ~ age | area", "one right side"),
        ("claims ~ 1", "no column"),
        ("claims ~ nothing", r"columns \['nothing'\]"),
        ("~ age", "does not name it"),
        ("C(area) ~ age", "must be numbers, or one column of labels"),
        ("claims / exposure ~ age", r"operator '/' on its left side.* I\(\)"),
        ("claims - weight ~ age", "operator '-' on its left"),
    ],
)
def test_formulas_that_are_refused(formula, words):
    with pytest.raises(ValueError, match=words):
        from_formula(formula)


def test_arguments_that_do_not_go_together():
    with pytest.raises(ValueError, match="has an intercept, but fit_intercept=False"):
        from_formula(SIMPLE, fit_intercept=False)
    with pytest.raises(ValueError, match="has no intercept, but fit_intercept=True"):
        DeepGLMRegressor(formula="claims ~ 0 + age").fit(DATA)
    with pytest.raises(ValueError, match="base sees the columns of X"):
        DeepGLMRegressor(formula="claims ~ age", base=from_formula(SIMPLE)).fit(DATA)
    with pytest.raises(ValueError, match="unseen='average' is for columns that fit codes"):
        from_formula(SIMPLE, unseen="average")
    with pytest.raises(ValueError, match="missing='indicator' is for columns that fit codes"):
        from_formula(SIMPLE, missing="indicator")
    with pytest.raises(ValueError, match="mean must see columns of X"):
        DoubleGLMRegressor(DeepGLMRegressor(formula="claims ~ age")).fit(DATA, DATA["claims"])
    with pytest.raises(ValueError, match="sample_weight='nothing' must name a column"):
        from_formula(SIMPLE, sample_weight="nothing")
    with pytest.raises(ValueError, match="y must be given"):
        DeepGLMRegressor(hidden_layer_sizes=()).fit(DATA[["age"]], DATA["claims"]).score(
            DATA[["age"]]
        )


def test_a_formula_in_a_file_runs_nothing(tmp_path):
    """Whoever changes the formula of a file changes what is evaluated: it is checked again."""
    model = from_formula("claims ~ age")
    model._design = type(model._design)(
        f"claims ~ open({str(tmp_path / 'made')!r}, 'w')", [], ["age"], {}, {}
    )
    save_model(model, tmp_path / "model")
    with pytest.raises(ValueError, match="but not 'open'"):
        load_model(tmp_path / "model").predict(DATA)
    assert not (tmp_path / "made").exists()


def test_without_formulaic_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[formula\]\""):
        from_formula(SIMPLE)
