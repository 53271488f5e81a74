"""What onnxruntime computes of an exported model is what predict does."""

import json
import sys
import warnings
from dataclasses import dataclass

import mpmath
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families import (
    Cauchit,
    Identity,
    Link,
    Log,
    NegativeBinomial,
    NegativeBinomialLink,
    Poisson,
    Power,
    Probit,
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
from glmnet_nn.export.links import complement, mean
from glmnet_nn.export.networks import activated
from glmnet_nn.network import get_activation, known_activations

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) * [1.0, 5.0, 0.1] + [0.0, 2.0, 7.0]
COUNTS = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
LABELS = np.array(["low", "middle", "high"])[np.minimum(COUNTS.astype(int), 2)]
FAR = X * 3.0  # clipped in part
NET = {"hidden_layer_sizes": (4, 3), "max_iter": 5, "random_state": 0}
GLM = {"hidden_layer_sizes": ()}


def session(model):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def run(model, **inputs):
    return session(model).run(None, inputs)[0]


def evaluated(operators, values):
    """Return what a function of a graph and a name makes of values."""
    graph = Graph()
    shape = ["rows", *values.shape[1:]]
    graph.output(operators(graph, graph.input("x", shape)), "y", shape)
    return run(graph.model({}), x=values)


TINY = np.finfo(float).tiny  # below it the exponentials of some runtimes never get to 0
ETA = np.array([1e-9, 0.0, 0.4, 2.0, 3.3, 30.0, 37.0, 200.0, 1e5, np.inf])
ETA = np.concatenate([-ETA[::-1], ETA])[:, None]


@pytest.mark.parametrize("link", [*known_links(), Power(0.3), NegativeBinomialLink(0.5)], ids=str)
def test_every_link_is_written(link):
    """To 1e-12 in the tails and at their ends."""
    link = known_links()[link]() if isinstance(link, str) else link
    eta = np.hstack([ETA, ETA[::-1]])[1:-1] if isinstance(link, Softmax) else ETA
    found = evaluated(lambda graph, name: mean(link, graph, name), eta)
    assert_allclose(found, link.inverse(eta), rtol=1e-12, atol=TINY)
    assert np.isnan(evaluated(lambda graph, name: mean(link, graph, name), eta * np.nan)).all()


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit", "cloglog", "loglog"])
def test_what_a_mean_lacks_to_one(link):
    """With all its digits, where 1 - mu has none."""
    link = known_links()[link]()
    found = evaluated(lambda graph, name: complement(link, graph, name), ETA)
    assert_allclose(found, link.complement(ETA), rtol=1e-12, atol=TINY)


@pytest.mark.parametrize(
    ("link", "law", "lowest"),
    [
        (Probit(), mpmath.ncdf, -37.0),
        (Cauchit(), lambda x: mpmath.acot(-x) / mpmath.pi if x else mpmath.mpf(0.5), -1e300),
    ],
    ids=["probit", "cauchit"],
)
def test_tails_of_probit_and_cauchit(link, law, lowest):
    """As mpmath has them; runtimes have neither erf nor arctan in double precision."""
    eta = -np.geomspace(1e-3, -lowest, 200)
    eta = np.concatenate([eta, [-1e-300, -0.0]])
    expected = [float(law(mpmath.mpf(value))) for value in eta]
    found = evaluated(lambda graph, name: mean(link, graph, name), eta)
    assert_allclose(found, expected, rtol=2e-13)


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

    class Unheard(Link):
        link = inverse = inverse_slope = np.abs

    Unheard.name = "unheard"  # not registered
    assert mean(Other(), Graph(), "eta") == "eta"  # a kind of identity
    with pytest.raises(ValueError, match="link 'unheard' cannot be written as ONNX"):
        mean(Unheard(), Graph(), "eta")
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


def fitted(model, y, rows=X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations
        return model.fit(rows, y)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, tmp_path):
    """Rows within and beyond the bounds; offset and exposure for all rows, or for each."""
    model = fitted(REGRESSORS[name], COUNTS)
    graph = to_onnx(model, tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx") == graph
    assert_allclose(run(graph, X=FAR), model.predict(FAR), rtol=1e-12)
    assert [given.name for given in graph.graph.input] == ["X"]
    offset = RNG.normal(size=80)
    graph = to_onnx(model, offset=True)
    assert_allclose(run(graph, X=X, offset=offset[:, None]), model.predict(X, offset), rtol=1e-12)
    if model.family_.link_name == "log":
        years = RNG.uniform(0.5, 2.0, 80)
        graph = to_onnx(model, offset=True, exposure=True)
        found = run(graph, X=X, offset=np.full((1, 1), 0.5), exposure=years[:, None])
        assert_allclose(found, model.predict(X, 0.5, years), rtol=1e-12)
    else:
        with pytest.raises(ValueError, match="needs the log link"):
            to_onnx(model, exposure=True)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (DeepGLMClassifier(**NET), LABELS),
        (DeepGLMClassifier(link="cloglog", **GLM), COUNTS > 0),
        (DeepGLMClassifier(link="probit", **NET), COUNTS > 0),
        (DeepGLMClassifier(link="cauchit", n_estimators=2, **NET), COUNTS > 0),
        (DeepGLMClassifier(n_estimators=2, **NET), LABELS),
        (DeepGLMClassifier(**NET), (X.mean(axis=0) < X).astype(int)),
        (ElasticNetGLMClassifierCV(n_alphas=4, cv=3), LABELS),
        (ElasticNetGLMClassifierCV(n_alphas=4, cv=3), COUNTS > 0),
    ],
)
def test_classifiers(model, y):
    """With the digits of probabilities near 0, of either class."""
    graph = to_onnx(fitted(model, y), offset=True)
    for known in (0.0, 30.0, -30.0):
        found = run(graph, X=FAR, offset=np.full((1, 1), known))
        p = model.predict_proba(FAR, known)
        last_bit = 2e-14 * np.abs(np.log(np.maximum(p, TINY)))  # of eta, as it counts in p
        np.testing.assert_array_less(np.abs(found - p), (1e-12 + last_bit) * p + 2 * TINY)
    assert [made.name for made in graph.graph.output] == ["probabilities"]
    facts = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert facts["classes"] == model.classes_.tolist()


def test_several_outputs():
    many = fitted(DeepGLMRegressor(**NET), np.column_stack([COUNTS, X[:, 0]]))
    offset = RNG.normal(size=(80, 2))
    assert_allclose(
        run(to_onnx(many, offset=True), X=X, offset=offset), many.predict(X, offset), rtol=1e-12
    )
    column = DeepGLMRegressor(**GLM).fit(X, COUNTS[:, None])
    assert run(to_onnx(column), X=X).shape == column.predict(X).shape == (80, 1)
    shares = DeepGLMRegressor("binomial", **GLM).fit(X, np.column_stack([COUNTS, COUNTS + 1]))
    assert_allclose(run(to_onnx(shares), X=X), shares.predict(X), rtol=1e-12)


def test_named_columns_are_inputs_that_must_be_given():
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(years=RNG.uniform(0.5, 2.0, 80))
    model = DeepGLMRegressor("poisson", exposure="years", **GLM).fit(frame, COUNTS)
    graph, years = to_onnx(model), frame[["years"]].to_numpy()
    assert_allclose(run(graph, X=X, exposure=years), model.predict(frame), rtol=1e-12)
    with pytest.raises(ValueError, match="exposure"):
        run(graph, X=X)
    facts = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert facts == {"family": "poisson", "link": "log", "feature_names": ["a", "b", "c"]}


def test_a_base_of_this_package_is_in_the_graph():
    glm = DeepGLMRegressor("poisson", **GLM).fit(X, COUNTS)
    for base in (glm, FrozenEstimator(glm), fitted(ElasticNetGLMCV("poisson", n_alphas=4), COUNTS)):
        model = fitted(DeepGLMRegressor("poisson", base=base, n_estimators=2, **NET), COUNTS)
        assert_allclose(run(to_onnx(model), X=FAR), model.predict(FAR), rtol=1e-12)
    other = DeepGLMRegressor("poisson", link="sqrt", **GLM).fit(X, COUNTS)
    many = fitted(DeepGLMRegressor("poisson", n_estimators=2, **NET), COUNTS)
    theirs = PoissonRegressor().fit(X, COUNTS)
    for base in (other, many, theirs):
        model = DeepGLMRegressor("poisson", base=base, **GLM).fit(X, COUNTS)
        with pytest.raises(
            ValueError, match=r"base=(.|\n)* has no graph.*Give its linear predictor"
        ):
            to_onnx(model)


def test_a_base_that_names_columns_and_its_base():
    """What is an offset for the base is a feature for the network."""
    frame = pd.DataFrame(X, columns=list("abc")).assign(years=RNG.uniform(0.5, 2.0, 80))
    first = DeepGLMRegressor("poisson", offset="b", exposure="years", **GLM).fit(frame, COUNTS)
    second = fitted(DeepGLMRegressor("poisson", base=FrozenEstimator(first), **NET), COUNTS, frame)
    third = fitted(DeepGLMRegressor("poisson", base=second, n_estimators=2, **NET), COUNTS, frame)
    graph = to_onnx(third)
    assert_allclose(run(graph, X=frame.to_numpy()), third.predict(frame), rtol=1e-12)
    wrong = frame.assign(years=[-1.0, 0.0, *frame["years"][2:]]).to_numpy()
    assert np.isnan(run(graph, X=wrong)).tolist() == [True, True] + [False] * 78


def test_what_has_no_graph_is_refused(monkeypatch):
    pipe = make_pipeline(StandardScaler(), DeepGLMRegressor("poisson", **GLM)).fit(X, COUNTS)
    with pytest.raises(TypeError, match="of a pipeline its last step"):
        to_onnx(pipe)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=COUNTS)
    with pytest.raises(ValueError, match="columns that formula='y ~ a' makes"):
        to_onnx(DeepGLMRegressor.from_formula("y ~ a", frame, **GLM))
    glm = DeepGLMRegressor(Poisson(Log()), **GLM).fit(X, COUNTS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install \"glmnet_nn\[onnx\]\""):
        to_onnx(glm)


def test_double_glms():
    """Two outputs; each model of its own columns, with offsets of its own."""
    y = COUNTS + X[:, 2]
    net = DeepGLMRegressor("gamma", link="log", **NET)
    double = fitted(DoubleGLMRegressor(net, net, max_iter=1), y)
    graph = to_onnx(double, offset=True)
    assert [made.name for made in graph.graph.output] == ["mean", "dispersion"]
    found = session(graph).run(None, {"X": FAR, "offset": np.full((1, 1), 0.5)})
    assert_allclose(found[0], double.predict(FAR, np.full(80, 0.5)), rtol=1e-12)
    assert_allclose(found[1], double.predict_dispersion(FAR), rtol=1e-12)
    frame = pd.DataFrame(X, columns=list("abc")).assign(years=np.exp(X[:, 0]))
    named = DoubleGLMRegressor(
        DeepGLMRegressor("gamma", link="log", exposure="years", **GLM),
        DeepGLMRegressor("gamma", link="log", offset="b", **GLM),
        mean_features=["c", "a"],
        dispersion_features=[1],
        max_iter=2,
    )
    fitted(named, y, frame)
    columns = {"exposure": frame[["years"]].to_numpy(), "dispersion_offset": X[:, [1]]}
    found = session(to_onnx(named)).run(None, {"X": X[:, [0, 2]], **columns})
    assert_allclose(found[0], named.predict(frame), rtol=1e-12)
    assert_allclose(found[1], named.predict_dispersion(frame), rtol=1e-12)


@pytest.mark.parametrize("architecture", ["dense", "local"])
def test_odd_rows(architecture):
    """None, one, of single precision, and with values that predict refuses."""
    model = DeepGLMRegressor("poisson", architecture=architecture, activation="relu", **NET)
    graph = to_onnx(fitted(model, COUNTS))
    assert run(graph, X=X[:0]).shape == (0,)
    assert_allclose(run(graph, X=X[:1]), model.predict(X[:1]), rtol=1e-12)
    with pytest.raises(Exception, match=r"expected: \(tensor\(double\)\)"):
        run(graph, X=X.astype(np.float32))
    single = fitted(model, COUNTS, X.astype(np.float32))
    rows = FAR.astype(np.float32)
    assert_allclose(run(to_onnx(single), X=rows.astype(float)), single.predict(rows), rtol=1e-6)
    wrong = X[:4].copy()
    wrong[[0, 1, 2], [0, 1, 2]] = np.nan, np.inf, -np.inf
    assert np.isnan(run(graph, X=wrong)).tolist() == [True, True, True, False]


def test_sparse_rows_are_rows():
    rows = np.where(X > 1.0, X, 0.0)
    model = fitted(DeepGLMRegressor("poisson", **NET), COUNTS, sparse.csr_array(rows))
    found = run(to_onnx(model), X=rows)
    assert_allclose(found, model.predict(sparse.csr_array(rows)), rtol=1e-12)


def test_softmax_is_by_rows():
    eta = np.array([[800.0, 0.0, -800.0], [1.0, 2.0, 3.0]])
    found = evaluated(lambda graph, name: mean(Softmax(), graph, name), eta)
    assert_allclose(found, Softmax().inverse(eta), rtol=1e-12, atol=TINY)
