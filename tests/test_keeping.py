"""Kept models are the same models: pickle, joblib, skops, files of this and earlier versions."""

import io
import json
import pickle
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose
from saved_models import MODELS, SAVED, X, answers, fitted, rows_for
from sklearn.utils import all_estimators

import glmnet_nn
from glmnet_nn import load_model, save_model


def by_pickle(model, path):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model, path):
    joblib.dump(model, path)
    return joblib.load(path)


def by_skops(model, path):
    skops.io.dump(model, path)
    foreign = skops.io.get_untrusted_types(file=path)
    assert all(name.startswith(("glmnet_nn.", "families.")) for name in foreign), foreign
    return skops.io.load(path, trusted=foreign)


def by_save_model(model, path):
    save_model(model, path)
    return load_model(path)


@pytest.fixture(scope="module")
def kept():
    return {name: fitted(name) for name in MODELS}


@pytest.mark.parametrize("way", [by_pickle, by_joblib, by_skops, by_save_model])
def test_a_kept_model_is_the_same(kept, way, tmp_path):
    """It predicts and scores the same to the bit, and can be kept again."""
    for name, (model, y) in kept.items():
        again = way(way(model, tmp_path / "once"), tmp_path / "twice")
        assert type(again) is type(model), name
        assert answers(again, X) == answers(model, X), name
        rows = rows_for(model, X)
        assert again.score(rows, y) == model.score(rows, y), name
        assert vars(again).keys() == vars(model).keys(), name
        assert repr(again) == repr(model), name


@pytest.mark.parametrize("way", [by_skops, by_save_model])
@pytest.mark.parametrize("formula", [None, "y ~ age + since"])
def test_levels_of_any_type_are_kept(way, formula, tmp_path):
    """Intervals of pandas.cut and dates are levels, and no types that a file would have to name."""
    dates = pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"] * 3)
    frame = pd.DataFrame(
        {"age": pd.cut(np.arange(9.0), [-1, 2, 4, 9]), "since": pd.Categorical(dates)}
    )
    y = frame.assign(y=np.arange(9))["y"]
    model = glmnet_nn.DeepGLMRegressor(hidden_layer_sizes=(), formula=formula).fit(frame, y)
    again = way(model, tmp_path / "model")
    np.testing.assert_array_equal(again.predict(frame[::-1]), model.predict(frame)[::-1])
    assert again.feature_names_[1] == "age[T.(4, 9]]"
    with pytest.raises(ValueError, match=r"2030-01-01"):
        again.predict(frame.assign(since=pd.Categorical([pd.Timestamp("2030-01-01")] * 9)))


def test_every_public_estimator_is_kept(kept):
    """One that is added to the package must be added to the models here."""
    public = {
        name
        for name in glmnet_nn.__all__
        if hasattr(getattr(glmnet_nn, name), "fit") and name not in dict(all_estimators())
    }
    assert public == {type(model).__name__ for model, _ in kept.values()}


def test_a_loaded_elastic_net_has_its_table_and_paths(kept, tmp_path):
    model, _ = kept["elastic-net"]
    again = by_skops(model, tmp_path / "model")
    assert again.cv_results_.equals(model.cv_results_)
    assert again.path(0.5).to_frame().equals(model.path(0.5).to_frame())
    with pytest.raises(AttributeError, match="after fit"):
        _ = glmnet_nn.ElasticNetGLMCV().cv_results_


FILES = sorted(SAVED.glob("*/*.model"))


def test_this_schema_has_files():
    assert {path.stem for path in FILES if path.parent.name == "0.1.0"} == set(MODELS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_all_versions_are_read(path):
    """They were written by that version, and say what it said."""
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    found = answers(load_model(path), np.array(beside["rows"]))
    assert found.keys() == beside["answers"].keys()
    for name, said in beside["answers"].items():
        if isinstance(said[0], str):
            assert found[name] == said
        else:
            assert_allclose(found[name], said, rtol=1e-9, atol=1e-12)


def changed(path, to, change):
    """Write the file again with another header."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header)
    with zipfile.ZipFile(to, "w") as archive:
        for name, part in (members | {"header.json": json.dumps(header).encode()}).items():
            archive.writestr(name, part)
    return to


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.update(schema=99), "schema 99 .*Install a later one"),
        (lambda header: header.update(schema="1"), "reads schemas up to"),
        (lambda header: header.pop("schema"), "no complete file"),
        (lambda header: header.update(arrays=[None]), "no complete file"),
        (lambda header: header.update(model=5), "but a int"),
        (lambda header: header.update(model={"array": 99}), "no complete file"),
        (lambda header: header["model"]["parameters"].update(nothing=1), "no complete file"),
        (lambda header: header["model"]["state"]["family_"]["fields"].update(link=[]), "link"),
    ],
)
def test_odd_headers_are_refused(change, words, tmp_path):
    path = next(path for path in FILES if path.stem == "glm")
    with pytest.raises(ValueError, match=words):
        load_model(changed(path, tmp_path / "model", change))


def test_damaged_bytes_are_refused_or_harmless(tmp_path):
    """Whatever byte is lost, the file is refused or gives the same model."""
    path = next(path for path in FILES if path.stem == "glm")
    whole, said = path.read_bytes(), answers(load_model(path), X)
    rng = np.random.default_rng(0)
    refused = 0
    for at in rng.integers(0, len(whole), 60):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        (tmp_path / "model").write_bytes(bytes(broken))
        try:
            assert answers(load_model(tmp_path / "model"), X) == said
        except ValueError:
            refused += 1
    assert refused > 30
    for foreign in (b"", pickle.dumps({"a": 1}), whole[:-30]):
        (tmp_path / "model").write_bytes(foreign)
        with pytest.raises(ValueError, match="no complete file of save_model"):
            load_model(tmp_path / "model")


def test_the_file_has_the_rights_of_any_other(tmp_path):
    path = next(path for path in FILES if path.stem == "glm")
    (tmp_path / "other").write_bytes(b"")
    save_model(load_model(path), tmp_path / "model")
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_pickles_hold_no_function():
    """Activations are kept by name: what a pickle of a model asks for are classes and arrays."""
    model, _ = fitted("network")
    found = io.BytesIO(pickle.dumps(model))
    assert b"lambda" not in found.getvalue()
    assert b"_one_minus_square" not in found.getvalue()
