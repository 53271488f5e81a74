"""X in single precision, memory that does not grow with n, and the door of predict."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.validation import validate_data

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.estimators._validation import check_inputs
from glmnet_nn.network import recursion
from glmnet_nn.training import objective

MODELS = {
    "adam": {"hidden_layer_sizes": (6, 3), "solver": "adam", "max_iter": 3, "batch_size": 50},
    "early": {"hidden_layer_sizes": (6,), "early_stopping": True, "max_iter": 3},
    "lbfgs": {"hidden_layer_sizes": (4,), "solver": "lbfgs", "tol": 1e-3},
    "newton": {"hidden_layer_sizes": ()},
}


def data(n=700, p=4):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n, p)) * [1.0, 10.0, 0.1, 1.0][:p] + 3.0).astype(np.float32)
    return X, rng.poisson(np.exp(0.3 * np.sin(X[:, 0]))).astype(float)


def peak(call):
    """What the call returns, and the bytes that it held at most beside its arguments."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("family", ["poisson", "normal"])
def test_the_same_numbers_in_single_and_in_double_precision_give_the_same_fit(family, model):
    X, y = data()
    fits = [
        DeepGLMRegressor(family, random_state=0, **MODELS[model]).fit(X.astype(dtype), y)
        for dtype in (np.float32, np.float64)
    ]
    for name in ("coefs_", "intercepts_"):
        for single, double in zip(*(getattr(fit, name) for fit in fits), strict=True):
            assert single.dtype == np.float64
            np.testing.assert_array_equal(single, double)
    assert fits[0].deviance_ == fits[1].deviance_
    assert fits[0].dispersion_ == fits[1].dispersion_
    found = [fits[0].predict(X.astype(dtype)) for dtype in (np.float32, np.float64)]
    np.testing.assert_array_equal(*found)
    assert found[0].dtype == np.float64


def test_a_glm_of_many_rows_holds_no_copy_of_x():
    X, y = data(100_000)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    model.fit(X[:2000], y[:2000])  # imports and caches are not the fit's
    X = np.tile(X, 10)
    X += np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    fitted, held = peak(lambda: model.fit(X, y))
    assert fitted.rank_ == 40
    assert held < X.nbytes


def test_a_fit_by_mini_batches_holds_one_copy_of_x_in_its_precision(monkeypatch):
    monkeypatch.setattr(objective, "_BLOCK_BYTES", 2**18)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(15_000, 120)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = DeepGLMClassifier(
        hidden_layer_sizes=(4,), solver="adam", max_iter=1, batch_size=500, random_state=0
    )
    _, held = peak(lambda: model.fit(X, y))
    assert held < 1.6 * X.nbytes  # in double precision X alone would take twice as much


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_of_many_rows_need_the_memory_of_few(dtype):
    X, y = data()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(32, 16), tol=1.0).fit(X, y)
    many = np.tile(X, (430, 1)).astype(dtype)
    mu, held = peak(lambda: model.predict(many))
    assert held < 5 * mu.nbytes + 2**24 < len(many) * 32 * 8  # which one hidden layer would fill
    assert mu.dtype == np.float64
    np.testing.assert_allclose(mu, np.tile(model.predict(X), 430), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 512, 700])
def test_blocks_of_predictions_are_the_predictions(n, monkeypatch):
    X, y = data()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(4,), tol=1.0).fit(X, y)
    whole = model.predict(X[:n])
    monkeypatch.setattr(recursion, "_BLOCK_NUMBERS", 1)
    np.testing.assert_allclose(model.predict(X[:n]), whole, rtol=1e-13)


# -------------------------------------------------------------- the quick door


def inputs():
    X = data(5)[0]
    spoilt = X.copy()
    spoilt[2, 1] = np.nan
    huge = np.full((3, 4), 1e308)  # finite, but its sum is not
    yield from ((name, np.asarray(X, name)) for name in ("f4", "f8", ">f8", "f2", "i8", "U8"))
    yield from (("nan", spoilt), ("inf", np.where(spoilt > 0, X, np.inf)), ("huge", huge))
    yield from (("list", X.tolist()), ("frame", pd.DataFrame(X)), ("flat", X[0]), ("none", X[:0]))
    yield from (("narrow", X[:, :3]), ("cube", X[None]), ("object", X.astype(object)), ("no", None))
    yield from (("masked", np.ma.masked_array(X)), ("columns", np.asfortranarray(X)))
    yield "complex", X.astype(complex)


def outcome(call):
    try:
        return call()
    except (ValueError, TypeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize(("label", "X"), list(inputs()))
def test_the_quick_door_lets_pass_what_scikit_learn_does(label, X):
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(*data(200))
    found = outcome(lambda: check_inputs(model, X))
    dtype = (np.float64, np.float32)
    expected = outcome(lambda: validate_data(model, X, reset=False, dtype=dtype))
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        assert found == expected
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_names_of_the_fit_are_asked_for_at_the_door():
    X, y = data(200)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(frame, y)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("badc")])


def test_x_is_returned_as_it_is_and_left_alone():
    X, y = data(200)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    assert check_inputs(model, X) is X
    kept = X.copy()
    model.predict(X, offset=np.ones(len(X)))
    np.testing.assert_array_equal(X, kept)
