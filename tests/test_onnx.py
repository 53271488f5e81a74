"""What onnxruntime computes of an exported model is what predict does."""

import json
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import PoissonRegressor

from families import (
    Identity,
    Log,
    NegativeBinomial,
    NegativeBinomialLink,
    Poisson,
    Power,
    Softmax,
    Tweedie,
    known_links,
)
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    ElasticNetGLMClassifierCV,
    ElasticNetGLMCV,
    to_onnx,
)
from glmnet_nn.export.graph import Graph
from glmnet_nn.export.links import mean
from glmnet_nn.export.networks import activated
from glmnet_nn.network import get_activation, known_activations

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) * [1.0, 5.0, 0.1] + [0.0, 2.0, 7.0]
COUNTS = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
LABELS = np.array(["low", "middle", "high"])[np.minimum(COUNTS.astype(int), 2)]
FAR = X * 3.0  # clipped in part
NET = {"hidden_layer_sizes": (4, 3), "max_iter": 5, "random_state": 0}
GLM = {"hidden_layer_sizes": ()}


def run(model, **inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def evaluated(operators, values):
    """Return what a function of a graph and a name makes of values."""
    graph = Graph()
    shape = ["rows", *values.shape[1:]]
    graph.output(operators(graph, graph.input("x", shape)), "y", shape)
    return run(graph.model({}), x=values)


@pytest.mark.parametrize("link", [*known_links(), Power(0.3), NegativeBinomialLink(0.5)], ids=str)
def test_every_link_is_written_or_refused(link):
    """To 1e-12 in the tails too; probit and cauchit have no operator in double precision."""
    link = known_links()[link]() if isinstance(link, str) else link
    eta = np.array([-30.0, -20.0, -3.0, -0.5, -1e-9, 1e-9, 0.4, 2.0, 3.3, 30.0])
    eta = np.stack([eta, eta[::-1]], axis=1)
    if link.name in ("probit", "cauchit"):
        with pytest.raises(ValueError, match=f"link '{link.name}' cannot be written as ONNX"):
            mean(link, Graph(), "eta")
        return
    found = evaluated(lambda graph, name: mean(link, graph, name), eta)
    assert_allclose(found, link.inverse(eta), rtol=1e-12)


@pytest.mark.parametrize("name", known_activations())
def test_every_activation_is_written(name):
    sums = np.linspace(-40.0, 40.0, 41)[:, None]
    found = evaluated(lambda graph, at: activated(get_activation(name), graph, at), sums)
    assert_allclose(found, get_activation(name).value(sums.copy()), rtol=1e-12, atol=1e-15)


def test_what_is_new_is_refused():
    """A link or an activation of another file works everywhere else, and says so here."""

    @dataclass(frozen=True)
    class Other(Identity):
        pass

    class Shy(type(get_activation("tanh"))):
        def __post_init__(self):
            pass  # not registered

    assert mean(Other(), Graph(), "eta") == "eta"  # a kind of identity
    tanh = get_activation("tanh")
    with pytest.raises(ValueError, match="activation 'shy' cannot be written as ONNX"):
        activated(Shy("shy", tanh.value, tanh.slope, tanh.curvature), Graph(), "s")


REGRESSORS = {
    "glm": DeepGLMRegressor("poisson", **GLM),
    "no intercept": DeepGLMRegressor(fit_intercept=False, **GLM),
    "network": DeepGLMRegressor("poisson", **NET),
    "relu": DeepGLMRegressor("poisson", activation="relu", balance="refit", **NET),
    "raw": DeepGLMRegressor(standardize=False, activation="softplus", **NET),
    "skip": DeepGLMRegressor("poisson", skip_connection=True, **NET),
    "local": DeepGLMRegressor("poisson", architecture="local", **NET),
    "local without": DeepGLMRegressor(architecture="local", fit_intercept=False, **NET),
    "ensemble": DeepGLMRegressor("poisson", n_estimators=3, **NET),
    "estimated": DeepGLMRegressor(NegativeBinomial(alpha="estimate"), **GLM),
    "tweedie": DeepGLMRegressor(Tweedie("log", power=1.4), activation="logistic", **NET),
    "path": ElasticNetGLMCV("poisson", n_alphas=5),
}


def fitted(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations
        return model.fit(X, y)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, tmp_path):
    """Rows within and beyond the bounds; offset and exposure for all rows, or for each."""
    model = fitted(REGRESSORS[name], COUNTS)
    graph = to_onnx(model, tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx") == graph
    assert_allclose(run(graph, X=FAR), model.predict(FAR), rtol=1e-9)
    assert [given.name for given in graph.graph.input] == ["X"]
    offset = RNG.normal(size=80)
    graph = to_onnx(model, offset=True)
    assert_allclose(run(graph, X=X, offset=offset[:, None]), model.predict(X, offset), rtol=1e-9)
    if model.family_.link_name == "log":
        years = RNG.uniform(0.5, 2.0, 80)
        graph = to_onnx(model, offset=True, exposure=True)
        found = run(graph, X=X, offset=np.full((1, 1), 0.5), exposure=years[:, None])
        assert_allclose(found, model.predict(X, 0.5, years), rtol=1e-9)
    else:
        with pytest.raises(ValueError, match="needs the log link"):
            to_onnx(model, exposure=True)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (DeepGLMClassifier(**NET), LABELS),
        (DeepGLMClassifier(link="cloglog", **GLM), COUNTS > 0),
        (DeepGLMClassifier(n_estimators=2, **NET), LABELS),
        (DeepGLMClassifier(**NET), (X.mean(axis=0) < X).astype(int)),
        (ElasticNetGLMClassifierCV(n_alphas=4, cv=3), LABELS),
        (ElasticNetGLMClassifierCV(n_alphas=4, cv=3), COUNTS > 0),
    ],
)
def test_classifiers(model, y):
    graph = to_onnx(fitted(model, y))
    assert_allclose(run(graph, X=FAR), model.predict_proba(FAR), rtol=1e-9, atol=1e-15)
    assert [made.name for made in graph.graph.output] == ["probabilities"]
    facts = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert facts["classes"] == model.classes_.tolist()


def test_several_outputs():
    many = fitted(DeepGLMRegressor(**NET), np.column_stack([COUNTS, X[:, 0]]))
    offset = RNG.normal(size=(80, 2))
    assert_allclose(
        run(to_onnx(many, offset=True), X=X, offset=offset), many.predict(X, offset), rtol=1e-9
    )
    column = DeepGLMRegressor(**GLM).fit(X, COUNTS[:, None])
    assert run(to_onnx(column), X=X).shape == column.predict(X).shape == (80, 1)
    shares = DeepGLMRegressor("binomial", **GLM).fit(X, np.column_stack([COUNTS, COUNTS + 1]))
    assert_allclose(run(to_onnx(shares), X=X), shares.predict(X), rtol=1e-9)


def test_named_columns_are_inputs_that_must_be_given():
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(years=RNG.uniform(0.5, 2.0, 80))
    model = DeepGLMRegressor("poisson", exposure="years", **GLM).fit(frame, COUNTS)
    graph, years = to_onnx(model), frame[["years"]].to_numpy()
    assert_allclose(run(graph, X=X, exposure=years), model.predict(frame), rtol=1e-9)
    with pytest.raises(ValueError, match="exposure"):
        run(graph, X=X)
    facts = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert facts == {"family": "poisson", "link": "log", "feature_names": ["a", "b", "c"]}


def test_a_base_of_this_package_is_in_the_graph():
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, COUNTS)
    for base in (glm, FrozenEstimator(glm), fitted(ElasticNetGLMCV("poisson", n_alphas=4), COUNTS)):
        model = fitted(DeepGLMRegressor("poisson", base=base, n_estimators=2, **NET), COUNTS)
        assert_allclose(run(to_onnx(model), X=FAR), model.predict(FAR), rtol=1e-9)
    other = DeepGLMRegressor("poisson", link="sqrt", **GLM).fit(X, COUNTS)
    named = DeepGLMRegressor("poisson", offset="d", **GLM)
    frame = pd.DataFrame(X, columns=list("abc")).assign(d=RNG.normal(size=80))
    for base, rows in ((other, X), (named.fit(frame, COUNTS), frame)):
        with pytest.raises(ValueError, match="Give its linear predictor as offset"):
            to_onnx(DeepGLMRegressor("poisson", base=base, **GLM).fit(rows, COUNTS))
    theirs = DeepGLMRegressor("poisson", base=PoissonRegressor().fit(X, COUNTS), **GLM)
    with pytest.raises(ValueError, match=r"base=PoissonRegressor\(\) has no graph"):
        to_onnx(theirs.fit(X, COUNTS))


def test_what_has_no_graph_is_refused(monkeypatch):
    probit = DeepGLMClassifier(link="probit", **GLM).fit(X, COUNTS > 0)
    with pytest.raises(ValueError, match="link 'probit' cannot be written"):
        to_onnx(probit)
    with pytest.raises(TypeError, match="Of a double GLM"):
        to_onnx(DoubleGLMRegressor(DeepGLMRegressor(**GLM)).fit(X, COUNTS + X[:, 0]))
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=COUNTS)
    with pytest.raises(ValueError, match="columns that formula='y ~ a' makes"):
        to_onnx(DeepGLMRegressor.from_formula("y ~ a", frame, **GLM))
    glm = DeepGLMRegressor(Poisson(Log()), **GLM).fit(X, COUNTS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[onnx\]\""):
        to_onnx(glm)


def test_softmax_is_by_rows():
    eta = np.array([[800.0, 0.0, -800.0], [1.0, 2.0, 3.0]])
    found = evaluated(lambda graph, name: mean(Softmax(), graph, name), eta)
    assert_allclose(found, Softmax().inverse(eta), rtol=1e-12)
