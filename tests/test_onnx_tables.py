"""Tables as inputs of ONNX: one for each column, text and missing values among them."""

import warnings

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    ElasticNetGLMCV,
    to_onnx,
)

RNG = np.random.default_rng(0)
N = 90
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(40.0, 10.0, N),
        "area": RNG.choice(["north", "south", "east"], N),
        "fuel": pd.Categorical(RNG.choice(["gas", "oil"], N), ["oil", "gas", "none"]),
        "new": RNG.random(N) < 0.5,
        "grade": RNG.integers(1, 4, N),
        "country": "here",
    }
)
COUNTS = RNG.poisson(1.0 + (TABLE["area"] == "north") + 0.5 * TABLE["grade"]).astype(float)
HOLES = TABLE.mask(np.arange(N)[:, None] % [7, 5, 6, N + 1, 4, N + 1] == 1)
HOLES["new"] = HOLES["new"].astype(bool)
FACTORS = ["area", "fuel", "grade", "country"]
NET = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}
GLM = {"hidden_layer_sizes": ()}


def fitted(model, table, y=COUNTS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations
        return model.fit(table, y)


def run(graph, table, **others):
    """Return the outputs for a table, its columns as the documentation asks for them."""
    text = {given.name: given.type.tensor_type.elem_type == 8 for given in graph.graph.input}
    columns = {}
    for name in set(text) - set(others):
        column = table[[name]].astype(object)
        column = column.where(column.notna(), "" if text[name] else np.nan)
        columns[name] = column.to_numpy() if text[name] else column.to_numpy(float)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {**columns, **others})


MODELS = {
    "glm": (DeepGLMRegressor("poisson", **GLM), TABLE),
    "network": (DeepGLMRegressor("poisson", categorical=FACTORS, **NET), TABLE),
    "embedded": (
        DeepGLMRegressor("poisson", categorical=FACTORS, embedding_size=1, **NET),
        TABLE,
    ),
    "missing": (
        DeepGLMRegressor("poisson", categorical=FACTORS, missing="indicator", **NET),
        HOLES,
    ),
    "unseen": (
        DeepGLMRegressor(
            "poisson", categorical=FACTORS, missing="indicator", unseen="average", **GLM
        ),
        HOLES,
    ),
    "local": (
        DeepGLMRegressor("poisson", architecture="local", unseen="average", n_estimators=2, **NET),
        TABLE,
    ),
    "no intercept": (DeepGLMRegressor("poisson", fit_intercept=False, **GLM), TABLE),
    "elastic net": (ElasticNetGLMCV("poisson", n_alphas=4, cv=3), TABLE),
}


@pytest.mark.parametrize("name", MODELS)
def test_tables(name):
    """Also single rows, none, and rows of the fit with one value that is new to it."""
    model, table = MODELS[name]
    graph = to_onnx(fitted(model, table))
    assert [given.name for given in graph.graph.input] == list(TABLE.columns)
    for rows in (table, table.tail(1), table.head(0)):
        expected = model.predict(rows) if len(rows) else np.empty(0)
        assert_allclose(run(graph, rows)[0], expected, rtol=1e-12)
    changes = [("area", "west"), ("country", "there"), ("fuel", "none"), ("area", None)]
    changes += [("age", np.nan), ("age", np.inf), ("grade", 9.0), ("grade", np.nan)]
    for column, value in changes:
        changed = table.iloc[[3]].assign(**{column: value})
        try:
            expected = model.predict(changed)
        except ValueError:
            expected = [np.nan]
        assert_allclose(run(graph, changed)[0], expected, rtol=1e-12, err_msg=f"{column}={value}")


def test_tables_of_others_and_classes():
    table = pl.from_pandas(TABLE)
    labels = np.where(COUNTS > 1, "many", "few")
    model = fitted(DeepGLMClassifier(link="probit", **NET), table, labels)
    found = run(to_onnx(model), TABLE)[0]
    assert_allclose(found, model.predict_proba(table), rtol=1e-12)


def test_arrays_with_factors():
    """Their columns have numbers for names."""
    rows = TABLE[["age", "grade"]].to_numpy()
    model = fitted(DeepGLMRegressor("poisson", categorical=[1], **NET), rows)
    found = run(to_onnx(model), pd.DataFrame(rows, columns=["x0", "x1"]))[0]
    assert_allclose(found, model.predict(rows), rtol=1e-12)


def test_a_base_codes_in_its_own_way():
    """A reference for the GLM, all levels for the network; or the base alone codes."""
    base = DeepGLMRegressor("poisson", exposure="age", **GLM).fit(TABLE, COUNTS)
    model = fitted(DeepGLMRegressor("poisson", base=base, **NET), TABLE)
    assert_allclose(run(to_onnx(model), TABLE)[0], model.predict(TABLE), rtol=1e-12)
    plain = TABLE[["age", "grade"]]
    base = DeepGLMRegressor("poisson", categorical=["grade"], **GLM).fit(plain, COUNTS)
    model = fitted(DeepGLMRegressor("poisson", base=base, **NET), plain)
    assert_allclose(run(to_onnx(model), plain)[0], model.predict(plain), rtol=1e-12)


def test_double_glms():
    """Columns that neither model sees are no inputs."""
    double = DoubleGLMRegressor(
        DeepGLMRegressor("gamma", link="log", **GLM),
        mean_features=["area", "new"],
        dispersion_features=["fuel"],
    ).fit(TABLE, COUNTS + 1.0)
    graph = to_onnx(double, exposure=True)
    assert [given.name for given in graph.graph.input] == ["area", "fuel", "new", "exposure"]
    years = RNG.uniform(0.5, 2.0, N)
    mu, phi = run(graph, TABLE, exposure=years[:, None])
    assert_allclose(mu, double.predict(TABLE, exposure=years), rtol=1e-12)
    assert_allclose(phi, double.predict_dispersion(TABLE), rtol=1e-12)


def test_names_of_columns():
    """Those of nodes are free; those of other inputs and outputs are not."""
    for name in ("exp_0", "constant_0", "X", "offset"):
        table = TABLE[["area", "age"]].set_axis(["area", name], axis=1)
        model = DeepGLMRegressor("poisson", **GLM).fit(table, COUNTS)
        assert_allclose(run(to_onnx(model), table)[0], model.predict(table), rtol=1e-12)
    with pytest.raises(ValueError, match=r"'offset' would be two of them. Rename"):
        to_onnx(model, offset=True)
    table = TABLE[["area", "age"]].set_axis(["mean", "age"], axis=1)
    with pytest.raises(ValueError, match=r"'mean' would be two of them. Rename"):
        to_onnx(DeepGLMRegressor("poisson", **GLM).fit(table, COUNTS))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (pd.Categorical([1, "b", 1, "b"] * 5), "text and others that are numbers"),
        ([2**53, 2**53 + 1] * 10, "double precision does not tell"),
        (["", "a", None, "a"] * 5, "empty texts and missing values"),
    ],
)
def test_levels_that_an_input_cannot_tell(levels, words):
    table = pd.DataFrame({"code": levels, "age": TABLE["age"][:20]})
    model = DeepGLMRegressor("poisson", categorical=["code"], missing="indicator", **GLM)
    with pytest.raises(ValueError, match=f"column 'code' of X has .*{words}.* before fit"):
        to_onnx(model.fit(table, COUNTS[:20]))
