"""save_model() and load_model(): data only, complete, and refused where damaged."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import PoissonRegressor

from families import NegativeBinomial, Poisson, known_pairs
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, load_model, save_model
from glmnet_nn.persistence.encoding import Decoder, Encoder

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["a", "b", "c"])
Y = RNG.poisson(np.exp(0.5 * X["a"])).astype(float)
LABELS = np.array(["one", "two", "three"])[RNG.integers(0, 3, 80)]

MODELS = {
    "glm": (DeepGLMRegressor("poisson", hidden_layer_sizes=(), store_covariance=True), Y),
    "network": (DeepGLMRegressor(Poisson(), hidden_layer_sizes=(4, 3), random_state=0), Y),
    "skip": (DeepGLMRegressor(hidden_layer_sizes=(2,), skip_connection=True, random_state=0), Y),
    "adam": (
        DeepGLMRegressor(
            "poisson", solver="adam", max_iter=3, early_stopping=True, alpha=[1, 2, 0]
        ),
        Y,
    ),
    "law": (DeepGLMRegressor(NegativeBinomial(alpha="estimate"), hidden_layer_sizes=()), Y),
    "classes": (DeepGLMClassifier(hidden_layer_sizes=(3,), store_covariance=True), LABELS),
    "objects": (DeepGLMClassifier(hidden_layer_sizes=()), LABELS.astype(object)),
    "ensemble": (
        DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), n_estimators=2, random_state=0),
        Y,
    ),
    "labels": (DeepGLMClassifier(hidden_layer_sizes=(2,)), (X.to_numpy() > 0.1).astype(int)),
}


def predictions(model):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
@pytest.mark.filterwarnings("ignore::glmnet_nn.BoundaryWarning")
@pytest.mark.parametrize("name", MODELS)
def test_what_is_loaded_is_what_was_saved(name, tmp_path):
    model, y = MODELS[name]
    model.fit(X, y)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert_array_equal(predictions(loaded), predictions(model))
    assert repr(loaded) == repr(model)
    assert vars(loaded).keys() == vars(model).keys()
    again = Encoder().encode(loaded)
    assert json.dumps(again, sort_keys=True) == json.dumps(Encoder().encode(model), sort_keys=True)
    assert loaded.score(X, y) == model.score(X, y)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_loaded_model_goes_on(tmp_path):
    """It predicts with intervals, is refitted, and has its inference."""
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(), store_covariance=True).fit(X, Y)
    save_model(model, str(tmp_path / "model"))
    loaded = load_model(str(tmp_path / "model"))
    assert_array_equal(loaded.predict_interval(X), model.predict_interval(X))
    assert_array_equal(loaded.inference(X, Y).bse, model.inference(X, Y).bse)
    assert_array_equal(loaded.fit(X, Y).coef_, model.coef_)


@pytest.mark.parametrize("pair", known_pairs(), ids=lambda pair: pair.name)
def test_every_law_and_link_comes_back(pair):
    encoder = Encoder()
    tree = json.loads(json.dumps(encoder.encode(pair)))
    assert Decoder(encoder.arrays).decode(tree) == pair


@pytest.mark.parametrize(
    "value", [np.inf, -np.inf, 0.1, 1e-300, (1, [2.0, (None,)]), {"a": True}, {0: "a"}]
)
def test_values_come_back(value):
    tree = json.loads(json.dumps(Encoder().encode(value), allow_nan=False))
    assert Decoder([]).decode(tree) == value


def test_what_is_no_data_is_refused(tmp_path):
    base = PoissonRegressor().fit(X, Y)
    fitted = DeepGLMRegressor("poisson", hidden_layer_sizes=(), base=base).fit(X, Y)
    with pytest.raises(TypeError, match=r"base of the model is a sklearn.*PoissonRegressor"):
        save_model(fitted, tmp_path / "model")
    drawn = DeepGLMRegressor(hidden_layer_sizes=(2,), random_state=np.random.RandomState(0))
    with pytest.raises(TypeError, match="random_state of the model"):
        save_model(drawn.fit(X, Y), tmp_path / "model")
    with pytest.raises(TypeError, match="which a file without code cannot hold"):
        save_model(base, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def members(tmp_path):
    save_model(DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, Y), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    return path


def test_it_can_be_read_without_the_package(members):
    header = json.loads(members["header.json"])
    assert header["schema"] == 1
    assert header["model"]["state"]["family_"]["type"] == "Poisson"
    at = header["model"]["state"]["_weights"]["array"]
    weights = np.load(io.BytesIO(members[f"arrays/{at}.npy"]), allow_pickle=False)
    assert list(weights.shape) == header["arrays"][at]["shape"] == [4]


def test_damage_is_seen(members, tmp_path):
    header = json.loads(members["header.json"])
    at = header["model"]["state"]["_weights"]["array"]
    part = bytearray(members[f"arrays/{at}.npy"])
    part[-1] ^= 1
    damaged = members | {f"arrays/{at}.npy": bytes(part)}
    with pytest.raises(ValueError, match="checksum"):
        load_model(written(tmp_path / "damaged", damaged))
    whole = (tmp_path / "model").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"no complete file of save_model"):
        load_model(tmp_path / "cut")
    del members[f"arrays/{at}.npy"]
    with pytest.raises(ValueError, match=r"no complete file"):
        load_model(written(tmp_path / "less", members))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "holds no model"),
        ({"schema": 99}, "reads schemas up to 1"),
        ({"model": {"estimator": "os.system", "parameters": {}, "state": {}}}, "does not know"),
        ({"model": {"type": "Popen", "fields": {}}}, "does not know"),
        ({"model": {"eval": "1"}}, "does not know"),
    ],
)
def test_foreign_files_are_refused(change, words, members, tmp_path):
    header = json.loads(members["header.json"]) | change
    changed = members | {"header.json": json.dumps(header).encode()}
    with pytest.raises(ValueError, match=words):
        load_model(written(tmp_path / "changed", changed))


def test_pickles_are_not_opened(members, tmp_path):
    """An array that is a pickle, with the right checksum, is refused by numpy."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    header = json.loads(members["header.json"])
    import hashlib

    header["arrays"][0]["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    changed = {"header.json": json.dumps(header).encode(), "arrays/0.npy": buffer.getvalue()}
    with pytest.raises(ValueError, match="allow_pickle"):
        load_model(written(tmp_path / "pickle", members | changed))


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, Y)
    save_model(model, tmp_path / "model")
    before = (tmp_path / "model").read_bytes()

    def full(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space"):
        save_model(model, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]
