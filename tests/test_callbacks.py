"""scikit-learn's callbacks: told of each iteration, shown usable states, heard when they ask."""

from __future__ import annotations

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer, mean_poisson_deviance
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from families import NegativeBinomial
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, load_model, save_model
from glmnet_nn.estimators import _waiting

try:
    from sklearn.callback import ScoringMonitor
except ImportError:
    ScoringMonitor = None

needs_callbacks = pytest.mark.skipif(ScoringMonitor is None, reason="scikit-learn < 1.9")


def data(n=150, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = rng.poisson(np.exp(0.5 * X[:, 0] + 0.3 * X[:, 1] ** 2)).astype(float)
    return X, y


def model(**options):
    return DeepGLMRegressor(
        **{"family": "poisson", "hidden_layer_sizes": (4,), "random_state": 0, **options}
    )


def fitted(estimator, *given, **known):
    """Fit, whether it converges or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*given, **known)


class Recorder:
    """Keeps what it is told, and asks to stop, or fails, at one iteration."""

    def __init__(self, stop_at=None, fail_at=None, stop_task=None, keep=True):
        self.stop_at, self.fail_at, self.stop_task, self.keep = stop_at, fail_at, stop_task, keep
        self.begun, self.ended, self.states, self.known = [], [], [], []

    def setup(self, estimator, context):
        self.open = True

    def teardown(self, estimator, context):
        self.open = False

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(_path(context))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.ended.append(_path(context))
        if context.task_name != "iteration":
            self.known.append((X, y, metadata))
            return context.task_name == self.stop_task
        if fitted_estimator is not None:
            self.states.append(fitted_estimator if self.keep else None)
        if len(self.states) == self.fail_at:
            raise RuntimeError("a callback failed")
        return len(self.states) == self.stop_at


def _path(context):
    names = []
    while context is not None:
        names.append(f"{context.task_name} {context.task_id}")
        context = context.parent
    return tuple(reversed(names))


def test_old_versions_of_scikit_learn_have_none():
    assert hasattr(DeepGLMRegressor, "set_callbacks") == (ScoringMonitor is not None)
    X, y = data()
    fitted(model(max_iter=3), X, y)


@needs_callbacks
@pytest.mark.parametrize("skip", [False, True, "fixed"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam", "newton"])
def test_each_state_is_the_fit_of_so_many_iterations(solver, skip):
    X, y = data()
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    exposure = np.random.default_rng(2).uniform(0.5, 2, len(y))
    options = {"solver": solver, "max_iter": 4, "skip_connection": skip, "alpha": 0.0}
    if solver == "adam":
        options["learning_rate"] = "constant"
    if solver == "newton":
        options |= {"hidden_layer_sizes": (), "alpha": 0.1}
    seen = Recorder(stop_at=4)
    known = {"sample_weight": weight, "exposure": exposure}
    fitted(model(**options).set_callbacks(seen), X, y, **known)
    assert len(seen.states) == 4
    for k, state in enumerate(seen.states, start=1):
        asked = fitted(model(**{**options, "max_iter": k}), X, y, **known)
        assert_array_equal(state._weights, asked._weights)
        names = [
            "deviance_",
            "null_deviance_",
            "dispersion_",
            "loss_",
            "n_iter_",
            "alpha_",
            "rank_",
        ]
        for name in names:
            assert getattr(state, name) == getattr(asked, name), name
        assert_array_equal(state.predict(X), asked.predict(X))
        assert state.score(X, y, **known) == asked.score(X, y, **known)


@needs_callbacks
def test_under_early_stopping_the_state_is_the_best_so_far():
    X, y = data()
    seen = Recorder()
    rate = {"learning_rate": "constant", "learning_rate_init": 0.1, "alpha": 0.0}
    found = model(solver="adam", max_iter=200, early_stopping=True, n_iter_no_change=4, **rate)
    fitted(found.set_callbacks(seen), X, y)
    curve = found.validation_loss_curve_
    assert_array_equal(seen.states[-1]._weights, found._weights)
    best = int(np.argmin(curve))
    assert 0 < best < len(curve) - 1
    assert_array_equal(seen.states[best]._weights, found._weights)
    assert not np.array_equal(seen.states[best - 1]._weights, found._weights)


@needs_callbacks
@pytest.mark.parametrize(
    ("options", "n_iterations", "n_tasks"),
    [
        ({"solver": "lbfgs"}, 5, 1),  # of up to five, if none leaves the null model
        ({"solver": "lbfgs", "n_init": 3}, 15, 3),
        ({"solver": "adam", "n_estimators": 2}, 10, 2),
        ({"solver": "adam", "n_estimators": 2, "n_init": 2}, 20, 4),
        ({"hidden_layer_sizes": ()}, None, 0),
        ({"hidden_layer_sizes": (), "family": NegativeBinomial(alpha="estimate")}, None, None),
        ({"solver": "lbfgs", "skip_connection": True, "alpha": 1e3}, None, None),
    ],
)
def test_the_tasks_are_a_tree(options, n_iterations, n_tasks):
    X, y = data()
    seen = Recorder()
    limit = {"max_iter": 5} if options.get("hidden_layer_sizes") != () else {}
    found = fitted(model(**options, **limit).set_callbacks(seen), X, y)
    assert seen.begun[0] == seen.ended[-1] == ("fit 0",)
    assert sorted(seen.begun) == sorted(seen.ended)
    assert len(set(seen.begun)) == len(seen.begun)
    assert not seen.open
    depth = {len(path) for path in seen.begun}
    assert depth == ({1, 2} if n_tasks == 0 else {1, 2, 3})
    if n_tasks:
        assert len([path for path in seen.begun if len(path) == 2]) == n_tasks
    if n_iterations is None:
        n_iterations = found.n_iter_
        assert len(seen.states) >= n_iterations
    else:
        assert len(seen.states) == n_iterations
    assert all(X is given and y is known and not more for given, known, more in seen.known)


@needs_callbacks
def test_members_begin_and_end_under_their_numbers():
    X, y = data()
    seen = Recorder()
    options = {"solver": "adam", "max_iter": 2, "n_estimators": 3}
    with joblib.parallel_config(backend="threading"):
        found = model(**options, n_jobs=2).set_callbacks(seen).fit(X, y)
    paths = sorted(path for path in seen.begun if len(path) == 2)
    assert paths == [("fit 0", f"member {m} {m}") for m in range(3)]
    alone = model(**options).fit(X, y)
    assert_array_equal(found.predict(X), alone.predict(X))
    means = sorted(state.predict(X).sum() for state in seen.states[-3:])
    assert np.isclose(means[-1], [member.predict(X).sum() for member in found.estimators_]).any()


@needs_callbacks
def test_a_member_in_another_process():
    X, y = data()
    monitor = ScoringMonitor(scoring="neg_mean_poisson_deviance")
    found = model(solver="adam", max_iter=3, n_estimators=2, n_jobs=2).set_callbacks(monitor)
    found.fit(X, y)
    log = monitor.get_logs().data_as_pandas
    ends = log[log["task_id_path"].isin([(0, 0, 2), (0, 1, 2)])]["neg_mean_poisson_deviance"]
    deviances = [-mean_poisson_deviance(y, member.predict(X)) for member in found.estimators_]
    np.testing.assert_allclose(sorted(ends), sorted(deviances))


@needs_callbacks
@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam", "newton"])
def test_who_asks_to_stop_is_heard(solver):
    X, y = data()
    hidden = {"hidden_layer_sizes": ()} if solver == "newton" else {}
    seen = Recorder(stop_at=2)
    found = model(solver=solver, **hidden).set_callbacks(seen).fit(X, y)  # and nothing warns
    assert found.n_iter_ == len(found.loss_curve_) == 2
    assert not found.converged_
    assert_array_equal(found._weights, seen.states[-1]._weights)
    assert found.deviance_ < found.null_deviance_


@needs_callbacks
def test_stopping_ends_its_own_level():
    X, y = data()
    seen = Recorder(stop_at=2)
    fitted(model(solver="lbfgs", max_iter=5, n_init=3).set_callbacks(seen), X, y)
    assert len(seen.states) == 12  # of the first start 2
    seen = Recorder(stop_task="start 2 of 3")
    fitted(model(solver="lbfgs", max_iter=5, n_init=3).set_callbacks(seen), X, y)
    assert len(seen.states) == 10
    seen = Recorder(stop_at=1)  # of a network drawn back to its GLM: no other start is tried
    found = model(solver="lbfgs", skip_connection=True, alpha=1e3)
    found.set_callbacks(seen).fit(X, y)
    assert len(seen.states) == 1


@needs_callbacks
def test_a_callback_that_fails_fails_the_fit_and_is_torn_down():
    X, y = data()
    seen = Recorder(fail_at=2)
    found = model(max_iter=5).set_callbacks(seen)
    with pytest.raises(RuntimeError, match="a callback failed"):
        found.fit(X, y)
    assert not seen.open
    assert not hasattr(found, "family_")
    with pytest.raises(TypeError, match="FitCallback"):
        found.set_callbacks(Recorder)


@needs_callbacks
def test_ctrl_c_in_a_callback(monkeypatch):
    monkeypatch.setattr(_waiting, "_interrupted_at", -np.inf)
    X, y = data()

    class Impatient(Recorder):
        def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
            super().on_fit_task_end(
                estimator, context, X=X, y=y, metadata=metadata, fitted_estimator=fitted_estimator
            )
            if len(self.states) == 2 and context.task_name == "iteration":
                raise KeyboardInterrupt

    seen = Impatient()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found = model(solver="lbfgs").set_callbacks(seen).fit(X, y)
    assert_array_equal(found._weights, seen.states[-1]._weights)
    assert seen.ended[-1] == ("fit 0",)


@needs_callbacks
def test_scoring_monitor_with_exposure_and_labels():
    X, y = data()
    exposure = np.random.default_rng(2).uniform(0.5, 2, len(y))
    frame = pd.DataFrame(X).add_prefix("x").assign(e=exposure)
    monitor = ScoringMonitor(scoring={"D2": lambda fitted, X, y: fitted.score(X, y)})
    found = model(solver="lbfgs", max_iter=6, exposure="e").set_callbacks(monitor)
    fitted(found, frame, y)
    scores = [row["D2"] for row in monitor.get_logs().data]
    assert scores[0] == scores[-1] == found.score(frame, y)
    assert scores[1] < scores[2] < scores[-1]
    labels = np.where(y > 1, "many", "few")
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    classifier = DeepGLMClassifier(max_iter=4, random_state=0).set_callbacks(monitor)
    fitted(classifier, X, labels, sample_weight=np.ones(len(y)))
    log = monitor.get_logs().data_as_pandas
    assert len(log) == 5
    assert log["accuracy"].iloc[-1] == classifier.score(X, labels)


@needs_callbacks
def test_in_pipelines_and_searches():
    X, y = data()
    scorer = make_scorer(mean_poisson_deviance, greater_is_better=False)
    for n_jobs in (None, 2):
        monitor = ScoringMonitor(scoring=scorer)
        inner = model(solver="lbfgs", max_iter=3).set_callbacks(monitor)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), inner),
            {"deepglmregressor__alpha": [0.01, 0.1]},
            cv=2,
            n_jobs=n_jobs,
        )
        with joblib.parallel_config(backend="threading"):
            fitted(search, X, y)
        log = monitor.get_logs().data_as_pandas
        assert (log["task_name"] == "iteration").sum() == (2 * 2 + 1) * 3


@needs_callbacks
def test_progress_bar(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y = data()
    fitted(model(max_iter=4, n_init=2).set_callbacks(ProgressBar()), X, y)
    out = capsys.readouterr().out
    assert "DeepGLMRegressor - fit" in out
    assert "DeepGLMRegressor - start 2 of 2 #1" in out


@needs_callbacks
def test_an_ensemble_that_becomes_one_network():
    X, y = data()
    found = model(solver="adam", max_iter=2, n_estimators=2).fit(X, y)
    seen = Recorder()
    found.set_params(n_estimators=1).set_callbacks(seen).fit(X, y)
    assert_array_equal(seen.states[-1].predict(X), found.predict(X))
    assert not hasattr(found, "estimators_")


@needs_callbacks
def test_a_fit_for_inference_is_told_of_but_not_stopped():
    X, y = data(n=60)
    alone = model(hidden_layer_sizes=(1,)).fit_for_inference(X, y)
    seen = Recorder(stop_task="fit")
    found = model(hidden_layer_sizes=(1,)).set_callbacks(seen).fit_for_inference(X, y)
    assert seen.begun == seen.ended == [("fit 0",)]
    assert_array_equal(found._weights, alone._weights)


@needs_callbacks
def test_callbacks_are_kept_by_clone_and_pickle_and_no_part_of_a_saved_model(tmp_path):
    X, y = data()
    seen = Recorder(keep=False)
    found = fitted(model(max_iter=2).set_callbacks(seen), X, y)
    assert clone(found)._skl_callbacks == [seen]
    assert_array_equal(pickle.loads(pickle.dumps(found)).predict(X), found.predict(X))
    save_model(found, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert_array_equal(loaded.predict(X), found.predict(X))
    assert not hasattr(loaded, "_skl_callbacks")
    assert {name for name in vars(found) if "callback" in name} == {"_skl_callbacks"}
