"""Dask collections: parameters go out, sums come back, and the fit is that in memory."""

from __future__ import annotations

import os
import signal

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor
from glmnet_nn.blocks import _dask

N = 600


@pytest.fixture(scope="module")
def rows():
    """X, y, weights with zeros, and exposure, in memory."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4)) * [1, 10, 0.1, 1] + [0, 100, 3, 0]
    weight, exposure = rng.uniform(0.5, 2, N), rng.uniform(0.2, 1, N)
    weight[::7] = 0
    y = rng.poisson(np.exp(X @ [0.3, 0.02, 1.0, 0.2] - 5) * exposure).astype(float)
    return X, y, weight, exposure


def in_dask(rows, chunks=(250, 1, 349)):
    return [da.from_array(values, chunks=(chunks, *values.shape[1:])) for values in rows]


def poisson(**settings):
    return DeepGLMRegressor("poisson", hidden_layer_sizes=(), tol=1e-11, **settings)


def fitted(model, X, y, weight, exposure):
    return model.fit(X, y, weight, exposure=exposure)


def close(actual, expected, rtol=1e-10):
    actual, expected = np.asarray(actual), np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.fixture(autouse=True)
def synchronous():
    """Tasks run one by one in this process, unless a test has a cluster."""
    with dask.config.set(scheduler="synchronous"):
        yield


def test_arrays_of_known_and_unknown_chunks(rows):
    whole, lazy = fitted(poisson(), *rows), in_dask(rows)
    summed = fitted(poisson(), *lazy)
    close(summed._weights, whole._weights)
    close(summed.null_deviance_, whole.null_deviance_)
    close(fitted(poisson(), lazy[0], *rows[1:])._weights, whole._weights)  # others in memory
    apart = in_dask(rows, (100, 500))  # cut otherwise: Dask cuts again
    close(fitted(poisson(), lazy[0], *apart[1:])._weights, whole._weights)
    X, y, weight, exposure = rows
    predicted = summed.predict(lazy[0], exposure=lazy[3])
    assert isinstance(predicted, da.Array)
    assert predicted.chunks == lazy[0].chunks[:1]
    close(predicted.compute(), whole.predict(X, exposure=exposure))
    close(summed.score(lazy[0], lazy[1], lazy[2], exposure=lazy[3]), whole.score(X, y, weight,
          exposure=exposure))  # fmt: skip
    bse = [summed.inference(*given[:3], exposure=given[3]).bse for given in (rows, lazy)]
    close(*bse)
    kept = lazy[0][:, 0] > -0.5
    unknown = fitted(poisson(), *(values[kept] for values in lazy))
    close(
        unknown._weights, fitted(poisson(), *(values[X[:, 0] > -0.5] for values in rows))._weights
    )


def test_data_frames_with_columns_that_are_no_features(rows):
    X, y, weight, exposure = rows
    frame = pd.DataFrame(X, columns=list("abcd")).assign(years=exposure)
    model = poisson(exposure="years")
    whole = poisson(exposure="years").fit(frame, y, weight)
    lazy = dd.from_pandas(frame.assign(y=y, w=weight), npartitions=3)
    model.fit(lazy[list(frame)], lazy.y, lazy.w)
    close(model._weights, whole._weights)
    assert model.feature_names_in_.tolist() == list("abcd")
    close(model.predict(lazy[list(frame)]).compute(), whole.predict(frame))


def test_files_whose_columns_dask_would_read_in_other_partitions(rows, tmp_path):
    X, y, weight, _ = rows
    names = [f"x{j}" for j in range(4)]
    frame = pd.DataFrame(X, columns=names).assign(y=y, w=weight)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=100)
    lazy = dd.read_parquet(tmp_path, split_row_groups=1)
    assert len(lazy.y.to_delayed()) < lazy.npartitions == 6  # what Dask makes of y alone
    summed = poisson().fit(lazy[names], lazy.y, lazy.w)
    close(summed._weights, poisson().fit(frame[names], y, weight)._weights)


def test_classes_and_their_probabilities(rows):
    X, y, weight, _ = rows
    labels = np.where(np.arange(N) < 250, "few", np.where(y > 0, "many", "none"))
    whole = DeepGLMClassifier(hidden_layer_sizes=(), tol=1e-11).fit(X, labels, weight)
    lazy = in_dask((X, labels, weight))
    summed = DeepGLMClassifier(hidden_layer_sizes=(), tol=1e-11).fit(*lazy)
    close(summed._weights, whole._weights, 1e-9)
    for name in ("predict_proba", "predict_log_proba", "decision_function"):
        close(getattr(summed, name)(lazy[0]).compute(), getattr(whole, name)(X), 1e-9)
    assert np.array_equal(summed.predict(lazy[0]).compute(), whole.predict(X))
    assert summed.predict(lazy[0]).dtype == whole.classes_.dtype
    close(summed.score(*lazy), whole.score(X, labels, weight))


def test_mini_batches_are_those_in_memory(rows):
    settings = {"hidden_layer_sizes": (3,), "max_iter": 2, "batch_size": 100, "random_state": 0}
    whole, summed = (
        fitted(DeepGLMRegressor("poisson", **settings), *given) for given in (rows, in_dask(rows))
    )
    assert summed.solver_ == "adam"
    close(summed._weights, whole._weights, 1e-5)  # steps are in single precision
    close(summed.loss_curve_, whole.loss_curve_, 1e-6)


def test_what_is_not_aligned_is_refused(rows):
    X, y, *_ = in_dask(rows)
    with pytest.raises(ValueError, match="as many rows as X, 600, but it has 599"):
        poisson().fit(X, y[:-1])
    with pytest.raises(ValueError, match="has 2 of them and X 3"):
        poisson().fit(X[X[:, 0] > 0], da.from_array(rows[1], chunks=(300,)))
    with pytest.raises(TypeError, match="y is in memory, but the lengths"):
        poisson().fit(X[X[:, 0] > 0], rows[1])
    with pytest.raises(TypeError, match=r"\['y'\] come in blocks"):
        poisson().fit(rows[0], y)
    with pytest.raises(ValueError, match="in block 1"):
        poisson().fit(X, y - 3 * (da.arange(N, chunks=y.chunks) == 250))
    with pytest.raises(TypeError, match="needs all rows in memory"):
        poisson().fit(X, y).predict_interval(X)


def check_an_ensemble_on(client, rows):
    """The members of an ensemble in memory are trained by the workers, with the same bits."""
    settings = {"hidden_layer_sizes": (3,), "max_iter": 1, "n_estimators": 2, "random_state": 0}
    here = fitted(DeepGLMRegressor("poisson", **settings), *rows)

    def n_moves(dask_scheduler):
        return len(dask_scheduler.transition_log)

    before = client.run_on_scheduler(n_moves)
    with joblib.parallel_config(backend="dask"):
        there = fitted(DeepGLMRegressor("poisson", n_jobs=2, **settings), *rows)
    assert client.run_on_scheduler(n_moves) > before
    for one, other in zip(here.estimators_, there.estimators_, strict=True):
        assert one._weights.tobytes() == other._weights.tobytes()


def test_a_killed_worker_costs_a_recomputation_not_the_fit(rows, monkeypatch):
    """Two processes; the numbers do not depend on them, nor on the death of one."""
    lazy = in_dask(rows)
    alone = fitted(poisson(), *lazy)
    run, passes = _dask._run, []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
        dask.config.set(scheduler="distributed"),
    ):
        assert fitted(poisson(), *lazy)._weights.tobytes() == alone._weights.tobytes()
        check_an_ensemble_on(client, rows)
        victims = client.run(os.getpid)

        def killing(*arguments):
            passes.append(1)
            if len(passes) == 4:
                os.kill(next(iter(victims.values())), signal.SIGKILL)
            return run(*arguments)

        monkeypatch.setattr(_dask, "_run", killing)
        survived = fitted(poisson(), *lazy)
        assert survived._weights.tobytes() == alone._weights.tobytes()
        assert len(passes) > 6
        assert set(client.run(os.getpid).values()) != set(victims.values())
