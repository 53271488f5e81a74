"""While a fit runs: bars and lines of progress, scikit-learn's callbacks, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_callbacks import data, fitted, model

from families import NegativeBinomial, Poisson
from glmnet_nn import DeepGLMClassifier
from glmnet_nn.estimators import _waiting
from glmnet_nn.estimators._waiting import Lines, raise_if_repeated
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training.batches import MiniBatches
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.watch import Watch

OPTIONS = {
    "lbfgs": {"solver": "lbfgs", "max_iter": 12},
    "newton_cg": {"solver": "newton_cg", "max_iter": 12},
    "adam": {"solver": "adam", "max_iter": 12, "learning_rate": "constant"},
    "held out": {"solver": "adam", "max_iter": 12, "early_stopping": True},
    "newton": {"hidden_layer_sizes": (), "alpha": 0.1},
    "lasso": {"solver": "lbfgs", "max_iter": 12, "l1_ratio": 0.5, "alpha": 0.02},
    "normal": {"family": "normal", "solver": "lbfgs", "max_iter": 12},
    "around": {"skip_connection": True, "solver": "adam", "max_iter": 12},
    "beside": {"skip_connection": "fixed", "solver": "adam", "max_iter": 12},
    "firth": {"hidden_layer_sizes": (), "bias_reduction": True},
}


@pytest.fixture(autouse=True)
def _no_ctrl_c_before(monkeypatch):
    monkeypatch.setattr(_waiting, "_interrupted_at", -np.inf)


@pytest.fixture
def interrupt(monkeypatch):
    """Return what makes Ctrl-C come as an iteration is told of, and gives all that were.

    The one of that number or, over all searches, the one so many iterations after the first.
    """

    def when(iteration=None, told=None):
        curve = []

        def show(self, at):
            curve.append(at)
            if at.number == iteration or len(curve) == told:
                raise KeyboardInterrupt
            return False

        monkeypatch.setattr(Lines, "_print", show)
        monkeypatch.setattr(_waiting, "_interrupted_at", -np.inf)
        return curve

    return when


# --------------------------------------------------------------- progress


@pytest.fixture
def bars(capsys):
    pytest.importorskip("tqdm")

    def drawn():
        out, err = capsys.readouterr()
        assert not out
        return err.replace("\r", "\n")

    return drawn


def test_a_bar_shows_iterations_deviances_and_the_time_left(bars):
    X, y = data()
    found = fitted(model(**OPTIONS["held out"], verbose=1), X, y)
    last = bars().strip().splitlines()[-1]
    n = found.n_iter_
    assert last.startswith("DeepGLMRegressor (adam): 100%")
    assert f"{n}/{n} [00:" in last
    shown = float(last.split(", deviance=")[1].split(",")[0])
    assert 0.7 < shown / (2 * found.loss_curve_[-1]) < 1.0  # F has the penalty too
    assert f"validation={found.validation_loss_curve_[-1]:.5g}]" in last


def test_a_bar_ends_full_where_the_solver_has_converged(bars):
    X, y = data()
    found = model(hidden_layer_sizes=(), alpha=0.1, verbose=1).fit(X, y)
    assert f"{found.n_iter_}/{found.n_iter_} [" in bars().strip().splitlines()[-1]


def test_the_deviance_of_a_bar_is_that_of_the_fit(bars):
    """Of mean-0 columns and of y in its own unit, whatever the solver sees."""
    X, y = data()
    for name in ("lbfgs", "normal", "newton"):
        found = fitted(model(**{**OPTIONS[name], "balance": None}, verbose=1), X, 30 * y)
        shown = float(bars().split("deviance=")[-1].split("]")[0])
        assert shown == pytest.approx(found.deviance_ / len(y), rel=1e-4), name


def test_a_bar_counts_starts_and_members(bars):
    X, y = data()
    fitted(model(**OPTIONS["adam"], verbose=1, n_init=2), X, y)
    drawn = bars()
    assert "DeepGLMRegressor (adam) start 1 of 2: 100%" in drawn
    assert "DeepGLMRegressor (adam) start 2 of 2: 100%" in drawn
    with joblib.parallel_config(backend="threading"):
        ensemble = model(**OPTIONS["adam"], verbose=1, n_estimators=3, n_jobs=2).fit(X, y)
    drawn = bars()
    assert drawn.strip().splitlines()[-1].startswith("DeepGLMRegressor (adam): 100%")
    assert "3/3 [" in drawn
    assert f"deviance={ensemble.estimators_[2].deviance_ / len(y):.5g}]" in drawn


def test_a_bar_of_many_rows_by_scoring(bars):
    X, y = data(n=500)
    found = model(hidden_layer_sizes=(), verbose=1).fit(X, y)
    assert f"deviance={found.deviance_ / len(y):.5g}]" in bars()


def test_a_bar_counts_the_starts_of_a_fit_for_inference(bars):
    X, y = data(n=60)
    found = fitted(model(hidden_layer_sizes=(1,), verbose=1), X, y)
    bars()
    found.fit_for_inference(X, y)
    assert "start/s" in bars()


def test_a_bar_closes_on_an_error(bars, monkeypatch):
    tqdm = pytest.importorskip("tqdm.auto").tqdm
    X, y = data()

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(MiniBatches, "sweep", broken)
    with pytest.raises(RuntimeError, match="broken"):
        model(**OPTIONS["adam"], verbose=1).fit(X, y)
    assert bars().endswith("\n"), "the next line would begin beside the bar"
    assert not tqdm._instances


def test_lines_where_there_is_no_tqdm_or_two_are_asked_for(capsys, monkeypatch):
    X, y = data()
    found = fitted(model(**OPTIONS["held out"], verbose=2), X, y)
    lines = capsys.readouterr().out
    assert lines.startswith("[DeepGLMRegressor] solver=adam\n")
    assert lines.count("] iteration ") == found.n_iter_
    assert f"validation deviance {found.validation_loss_curve_[-1]:.5g}\n" in lines
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # what is not installed
    fitted(model(**OPTIONS["held out"], verbose=1), X, y)
    assert capsys.readouterr() == (lines, "")


def test_watching_changes_no_bit(capsys):
    X, y = data()
    for name, options in OPTIONS.items():
        alone = fitted(model(**options), X, y)
        for verbose in (1, 2):
            watched = fitted(model(**options, verbose=verbose), X, y)
            assert_array_equal(watched._weights, alone._weights, name)
            assert watched.loss_curve_ == alone.loss_curve_
    capsys.readouterr()


# ----------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("name", OPTIONS)
def test_ctrl_c_leaves_a_usable_model_as_good_as_any_before(name, interrupt, capsys):
    X, y = data()
    curve = interrupt(2)
    found = model(**OPTIONS[name], verbose=2, balance=None)
    with pytest.warns(ConvergenceWarning, match="best parameters of 2 iterations.*warm_start") as w:
        found.fit(X, y)
    assert w[0].filename == __file__
    assert found.n_iter_ == 2
    assert not found.converged_
    assert len(curve) == 2
    if name == "held out":
        assert found.validation_loss_curve_ == [at.held_out for at in curve]
    elif name not in ("adam", "around", "beside"):  # whose F is a mean over the epoch
        unit = 1.0 if name != "normal" else np.var(y)
        assert found.loss_ == pytest.approx(min(at.objective for at in curve) * unit)
    assert found.deviance_ < found.null_deviance_
    assert np.all(np.isfinite(found.predict(X)))
    assert np.isfinite(found.score(X, y))


def test_what_is_left_is_the_fit_of_so_many_iterations(interrupt, capsys):
    X, y = data()
    for name in ("lbfgs", "newton", "newton_cg"):
        interrupt(3)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            left = model(**OPTIONS[name], verbose=2).fit(X, y)
        asked = fitted(model(**{**OPTIONS[name], "max_iter": 3}), X, y)
        assert_array_equal(left._weights, asked._weights, name)


def test_lasso_is_left_with_its_zeros(interrupt, capsys):
    X, y = data()
    lasso = {"hidden_layer_sizes": (), "alpha": 0.2, "l1_ratio": 1.0, "tol": 1e-12}
    zeros = fitted(model(**lasso), X, y).coef_ == 0
    assert 0 < zeros.sum() < 3
    interrupt(4)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        left = model(**lasso, verbose=2).fit(X, y)
    assert_array_equal(left.coef_ == 0, zeros)


def test_under_l1_points_on_the_way_are_not_kept():
    """A solver asks for gradients where weights are not 0 that it would end with at 0."""
    X, y = data()
    layout = Layout((3, 1))
    network = Network(layout, get_activation("identity"))
    rows = Rows(X, y[:, None], np.ones(len(y)))
    w = np.array([0.5, 0.1, 0.0, 0.3])
    for l1_ratio in (0.0, 1.0):
        objective = Objective(rows, Poisson(), network, elastic_net(layout, [1.0], l1_ratio))
        watch = Watch(objective, np.zeros(4))
        watch.smooth_value_and_gradient(w)
        assert (watch.current is w) == (l1_ratio == 0)
        watch.value(w)
        assert watch.current is w


def test_bias_reduction_is_left_where_it_is_though_it_raises_f(interrupt, capsys):
    X, y = data(n=30)
    glm = model(hidden_layer_sizes=(), warm_start=True, verbose=2).fit(X, y)
    lowest = glm.loss_
    interrupt(1)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        glm.set_params(bias_reduction=True).fit(X, y)
    assert glm.loss_ > lowest


def test_warm_start_goes_on(interrupt, capsys, monkeypatch):
    X, y = data()
    found = model(solver="lbfgs", verbose=2, warm_start=True)
    interrupt(20)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        left = found.fit(X, y).loss_
    interrupt()
    found.fit(X, y)
    assert found.converged_
    assert found.loss_ < left
    whole = model(solver="lbfgs").fit(X, y)
    assert found.n_iter_ < whole.n_iter_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("ruin", [False, True])
def test_ctrl_c_amid_an_epoch_keeps_the_better_of_there_and_before(
    early_stopping, ruin, monkeypatch
):
    """Also where what is amid an epoch is far from anywhere."""
    X, _ = data(n=600)
    y = np.exp(X[:, 0]).round()  # what the first steps find already
    per_epoch = 9 if early_stopping else 10
    stop, kept = (25, 2 * per_epoch - 1) if ruin else (8, 7)
    seen = []
    sweep = MiniBatches.sweep

    def swept(self, w, gradient, order, step):
        def stepping():
            step()
            seen.append(w.astype(float))
            if len(seen) == stop:
                if ruin:
                    w[:] = 50.0
                raise KeyboardInterrupt

        return sweep(self, w, gradient, order, stepping)

    monkeypatch.setattr(MiniBatches, "sweep", swept)
    options = {"solver": "adam", "batch_size": 60, "learning_rate": "constant"}
    found = model(**options, early_stopping=early_stopping, balance=None, standardize=False)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found.fit(X, y)
    assert_array_equal(found._weights, seen[kept])
    assert found.n_iter_ == len(found.loss_curve_) == stop // per_epoch


def test_ctrl_c_before_the_first_step_leaves_the_null_model(monkeypatch):
    X, y = data()
    monkeypatch.setattr(Watch, "smooth_value_and_gradient", _raise_interrupt)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found = model(solver="lbfgs", max_iter=9).fit(X, y)
    assert found.n_iter_ == 0
    assert found.deviance_ == pytest.approx(found.null_deviance_)


def _raise_interrupt(*_):
    raise KeyboardInterrupt


def test_ctrl_c_passes_before_there_is_anything_to_keep(monkeypatch):
    X, y = data(n=500)
    monkeypatch.setattr(Poisson, "check_response", _raise_interrupt)
    with pytest.raises(KeyboardInterrupt):
        model().fit(X, y)


def test_ctrl_c_twice_passes(interrupt, capsys, monkeypatch):
    X, y = data()
    interrupt(2)
    search = GridSearchCV(model(solver="lbfgs", verbose=2), {"alpha": [0.1, 0.2]}, cv=2)
    with (
        pytest.warns(ConvergenceWarning, match="interrupted"),
        pytest.raises(KeyboardInterrupt),
    ):
        search.fit(X, y)
    monkeypatch.setattr(_waiting, "_interrupted_at", -np.inf)
    raise_if_repeated()
    with pytest.raises(KeyboardInterrupt):
        raise_if_repeated()
    monkeypatch.setattr(_waiting, "_interrupted_at", _waiting._interrupted_at - 2.1)
    raise_if_repeated()


def test_ctrl_c_ends_all_starts_and_keeps_the_best(interrupt, capsys):
    X, y = data()
    options = {"solver": "lbfgs", "max_iter": 20, "verbose": 2}
    first = fitted(model(**options), X, y)
    curve = interrupt(told=23)
    with pytest.warns(ConvergenceWarning, match="best parameters of 20 iterations") as caught:
        found = model(**options, n_init=3).fit(X, y)
    assert len(caught) == 1
    assert len(curve) == 23
    assert_array_equal(found._weights, first._weights)


def test_ctrl_c_in_an_ensemble_keeps_whole_members(interrupt, capsys):
    X, y = data()
    options = {**OPTIONS["adam"], "n_estimators": 3, "verbose": 2, "warm_start": True}
    whole = model(**options).fit(X, y)
    interrupt(told=24 + 5)
    found = model(**options)
    with pytest.warns(ConvergenceWarning, match="of 3 members 2 are kept, and"):
        found.fit(X, y)
    assert not found.converged_
    for one, other in zip(found.estimators_, whole.estimators_[:2], strict=True):
        assert_array_equal(one._weights, other._weights)
    mean = np.mean([member.predict(X) for member in found.estimators_], axis=0)
    np.testing.assert_allclose(found.predict(X), mean)
    interrupt()
    assert len(found.fit(X, y).estimators_) == 3
    assert found.converged_
    interrupt(2)
    with pytest.warns(ConvergenceWarning, match="1 are kept, the first as far as it came"):
        found = model(**options).fit(X, y)
    assert found.estimators_[0].n_iter_ == 2


def test_ctrl_c_in_the_fit_of_a_law(interrupt, capsys):
    X, y = data()
    interrupt(2)
    found = model(family=NegativeBinomial(alpha="estimate"), hidden_layer_sizes=(), verbose=2)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found.fit(X, y)
    assert found.law_estimate_ is None
    assert found.family_ == NegativeBinomial(alpha=NegativeBinomial(alpha="estimate").unknown.usual)
    assert found.deviance_ < found.null_deviance_


CHILD = """
import sys, warnings
import numpy as np
from glmnet_nn import DeepGLMRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 3))
y = rng.poisson(np.exp(0.5 * X[:, 0]))
model = DeepGLMRegressor("poisson", solver="adam", max_iter=10**6, verbose=2, random_state=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(X, y)
print("kept", model.n_iter_, model.score(X, y) > 0, caught[0].category.__name__, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_the_signal_of_the_keyboard():
    child = subprocess.Popen([sys.executable, "-u", "-c", CHILD], stdout=subprocess.PIPE, text=True)
    try:
        for line in child.stdout:
            if "iteration 3:" in line:
                break
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    said, n_iter, useful, warned = out.strip().splitlines()[-1].split()
    assert (said, useful, warned) == ("kept", "True", "ConvergenceWarning")
    assert int(n_iter) >= 3
    assert child.returncode == 0


def test_what_lines_hold(capsys):
    """A classifier has them too."""
    X, y = data()
    fitted(DeepGLMClassifier(solver="adam", max_iter=2, verbose=2), X, y > 1)
    assert capsys.readouterr().out.count("[DeepGLMClassifier] iteration ") == 2


def test_pipelines_are_left_in_peace(interrupt, capsys):
    X, y = data()
    interrupt(2)
    pipeline = make_pipeline(StandardScaler(), model(solver="lbfgs", verbose=2))
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        pipeline.fit(X, y)
    assert np.isfinite(pipeline.score(X, y))
