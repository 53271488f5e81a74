"""checkpoint=: a fit that is cut off at any moment goes on, and ends with the same bits."""

import os
import subprocess
import sys
import zipfile

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_validate
from test_solvers import problem_of

from families import NegativeBinomial, Poisson
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    load_model,
    save_model,
)
from glmnet_nn.estimators import _journal, _waiting
from glmnet_nn.training.solvers import LBFGS, Adam, Memory, Newton, NewtonCG

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
Y = RNG.poisson(np.exp(0.5 * X[:, 0] + 0.3 * X[:, 1] ** 2)).astype(float)


class CutOff(BaseException):
    """What no code catches: as good as the end of the process."""


def model(family="poisson", **options):
    defaults = {"hidden_layer_sizes": (3,), "max_iter": 8, "random_state": 0}
    return DeepGLMRegressor(family, **{**defaults, **options})


def assert_same_fit(one, other):
    assert_array_equal(one._weights, other._weights)
    names = ("n_iter_", "loss_", "loss_curve_", "validation_loss_curve_", "converged_", "balance_")
    for name in (*names, "deviance_", "deviance_curve_", "dispersion_", "alpha_"):
        assert getattr(one, name) == getattr(other, name), name


def cut_off_after(monkeypatch, n_writes, estimator, **known):
    """Fit until it has written so many checkpoints; tell whether it came to its end."""
    left, write = [n_writes], _journal.write_archive

    def counting(*given, **named):
        write(*given, **named)
        left[0] -= 1
        if left[0] == 0:
            raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(_journal, "write_archive", counting)
        try:
            estimator.fit(X, Y, **known)
        except CutOff:
            return False
    return True


FITS = {
    "adam": {},
    "early stopping": {
        "early_stopping": True,
        "n_iter_no_change": 2,
        "max_iter": 60,
        "learning_rate": "constant",
        "learning_rate_init": 0.1,
    },
    "slower rates": {  # two of them leave the range of the link after some epochs
        "link": "identity",
        "learning_rate_init": 7.0,
        "batch_size": 50,
        "max_iter": 16,
    },
    "lbfgs": {"solver": "lbfgs"},
    "panoc": {"solver": "lbfgs", "l1_ratio": 0.5, "alpha": 0.01},
    "newton_cg": {"solver": "newton_cg"},
    "newton": {"hidden_layer_sizes": (), "standardize": True, "alpha": 0.1},
    "many rows": {"hidden_layer_sizes": (), "max_iter": 50},
    "bias reduction": {"hidden_layer_sizes": (), "bias_reduction": True},
    "starts": {"solver": "lbfgs", "n_init": 2, "polish_output": True},
    "around a GLM": {"skip_connection": True, "solver": "lbfgs", "alpha": 1e3, "max_iter": 4},
    "law": {"family": NegativeBinomial(alpha="estimate"), "max_iter": 3},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FITS)
def test_resumed_again_and_again_it_ends_with_the_same_bits(name, tmp_path, monkeypatch):
    """Cut off after every second checkpoint: each search, its curves, draws and rounds go on."""
    whole = model(**FITS[name]).fit(X, Y)
    times = 0
    asked = model(**FITS[name], checkpoint=tmp_path / "file")
    while not cut_off_after(monkeypatch, 3, asked):
        assert not hasattr(asked, "family_")
        times += 1
    assert times > 1
    assert_same_fit(asked, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    assert_same_fit(clone(asked).fit(X, Y), whole)  # it has ended: at once


class At(Memory):
    """Keeps the state of one iteration."""

    def keep(self, n_iter, describe):
        if n_iter == 2:
            self.state = describe()


@pytest.mark.parametrize("solver", [Newton, LBFGS, NewtonCG, Adam], ids=lambda cls: cls.name)
def test_a_state_is_not_changed_by_what_comes_after(solver):
    objective, start = problem_of(Poisson())
    options = {"epochs": 5, "batch_size": 16} if solver is Adam else {}

    def solved(keeper):
        if solver is Adam:
            options["rng"] = np.random.default_rng(7)
        return solver(**options).solve(objective, start, keeper=keeper)

    kept = At()
    whole = solved(kept)
    assert whole.n_iter > 3
    again = solved(Memory(kept.state))
    assert_array_equal(again.w, whole.w)
    assert again.loss_curve == whole.loss_curve


def test_a_fit_that_has_ended_is_there_without_training(tmp_path, monkeypatch):
    weight, known = RNG.uniform(0.5, 2, 300), {"exposure": RNG.uniform(0.5, 2, 300)}
    asked = model(checkpoint=str(tmp_path / "file")).fit(X, Y, weight, **known)
    with monkeypatch.context() as patch:
        patch.setattr(Adam, "solve", None)
        assert_same_fit(clone(asked).fit(X, Y, weight, **known), asked)
    save_model(asked.set_params(checkpoint=tmp_path / "file"), tmp_path / "model")
    assert load_model(tmp_path / "model").checkpoint == str(tmp_path / "file")


def test_without_a_seed_the_first_draw_is_kept(tmp_path, monkeypatch):
    asked = model(random_state=None, checkpoint=tmp_path / "file")
    assert not cut_off_after(monkeypatch, 4, asked)
    with zipfile.ZipFile(tmp_path / "file") as archive:
        assert b'"searches"' in archive.read("header.json")
    one, other = clone(asked).fit(X, Y), clone(asked).fit(X, Y)
    assert_same_fit(one, other)
    fresh = model(random_state=None, checkpoint=tmp_path / "other").fit(X, Y)
    assert not np.array_equal(fresh._weights, one._weights)
    rng = np.random.RandomState(3)
    drawn = model(random_state=rng, checkpoint=tmp_path / "drawn").fit(X, Y)
    again = model(random_state=np.random.RandomState(3), checkpoint=tmp_path / "drawn").fit(X, Y)
    assert_same_fit(again, drawn)
    with pytest.raises(ValueError, match="of another fit: random_state is another"):
        drawn.fit(X, Y)


@pytest.mark.parametrize("seed", [0, None])
def test_members_have_files_of_their_own(seed, tmp_path):
    options = {"n_estimators": 3, "max_iter": 3, "random_state": seed}
    first = model(**options, checkpoint=tmp_path / "file").fit(X, Y)
    names = ["file", "file.member0", "file.member1", "file.member2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    (tmp_path / "file.member1").unlink()
    with joblib.parallel_config(backend="threading"):
        again = model(**options, n_jobs=2, checkpoint=tmp_path / "file").fit(X, Y)
    for one, other in zip(first.estimators_, again.estimators_, strict=True):
        assert_same_fit(one, other)
    (tmp_path / "file").unlink()
    if seed is None:
        with pytest.raises(ValueError, match=r"file.member0' is of another fit: random_state"):
            model(**options, checkpoint=tmp_path / "file").fit(X, Y)


def test_every_so_many_epochs(tmp_path, monkeypatch):
    written, write = [], _journal.write_archive

    def listening(path, header, arrays, **named):
        written.append(header["content"]["dict"]["searches"])
        write(path, header, arrays, **named)

    monkeypatch.setattr(_journal, "write_archive", listening)
    asked = model(max_iter=7, checkpoint=tmp_path / "file", checkpoint_every=3).fit(X, Y)
    states = [at[0]["dict"]["state"] for at in written if at]
    curves = [s["dict"]["solver"]["dict"]["adam"]["dict"]["curve"] for s in states if s is not None]
    assert [len(curve) for curve in curves] == [3, 6]
    assert written[-1][0]["dict"]["solution"]["dict"]["n_iter"] == asked.n_iter_ == 7


def test_another_fit_is_refused(tmp_path):
    file, options = tmp_path / "file", {"alpha": [0.1, 0.2], "max_iter": 2}
    asked = model(**options, checkpoint=file)
    asked.fit(X, Y, np.ones(300))
    before = file.read_bytes()
    refused = [
        (asked, (X + 1, Y, None), "X is another"),
        (asked, (X, 2 * Y, None), "y is another"),
        (asked, (X, Y, X[:, 0] > 0), "X is another; sample_weight is another; y is another"),
        (asked, (X, Y, None, X[:, 0]), "offset is another"),
        (clone(asked).set_params(max_iter=3), (X, Y), "max_iter is 3, there it was 2"),
        (clone(asked).set_params(alpha=0.1), (X, Y), r"alpha is 0.1, there it was \[0.1, 0.2\]"),
        (clone(asked).set_params(random_state=1), (X, Y), "random_state is another"),
        (clone(asked).set_params(warm_start=True), (X, Y), "warm_start is True"),
        (
            DeepGLMClassifier(hidden_layer_sizes=(3,), checkpoint=file),
            (X, Y > 1),
            "estimator is 'DeepGLMClassifier', there it was 'DeepGLMRegressor'",
        ),
    ]
    for estimator, given, words in refused:
        with pytest.raises(ValueError, match=f"of another fit: .*{words}.*Remove it"):
            estimator.fit(*given)
    assert file.read_bytes() == before
    same = clone(asked).set_params(alpha=np.array([0.1, 0.2]), n_jobs=2, verbose=0)
    same.fit(X.tolist(), list(Y), [1] * 300)
    asked.set_params(warm_start=True, checkpoint=tmp_path / "warm").fit(X, Y)
    with pytest.raises(ValueError, match="the start of warm_start, 0 is another"):
        asked.fit(X, Y)


def test_sparse_rows_are_known_again(tmp_path):
    S = sparse.csr_array(np.where(X > 0, X, 0.0))
    asked = model(checkpoint=tmp_path / "file").fit(S, Y)
    assert_same_fit(clone(asked).fit(S.copy(), Y), asked)
    for other in (2 * S, S[:, [1, 0, 2]], S.toarray()):
        with pytest.raises(ValueError, match=r"of another fit: X is another\. Give"):
            clone(asked).fit(other, Y)


def test_what_is_no_whole_checkpoint_is_refused(tmp_path):
    """Cut or changed at any place: an error that says so, or the file was whole after all."""
    file, complaints = tmp_path / "file", []
    asked = model("normal", hidden_layer_sizes=(1,), max_iter=1, checkpoint=file)
    asked.fit(X[:9], Y[:9])
    whole = file.read_bytes()
    for at in range(0, len(whole), 41):
        flipped = whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
        for damaged in (whole[:at], flipped):
            file.write_bytes(damaged)
            try:
                again = clone(asked).fit(X[:9], Y[:9])
            except ValueError as error:
                complaints.append(str(error))
            else:
                assert_same_fit(again, asked)
    assert len(complaints) > len(whole) / 41
    assert all("Remove it to start anew" in words for words in complaints)
    for other in (b"", b"a,b\n1,2\n"):
        file.write_bytes(other)
        with pytest.raises(ValueError, match="is no complete checkpoint of glmnet_nn"):
            asked.fit(X, Y)
        assert file.read_bytes() == other
    save_model(model(max_iter=1).fit(X, Y), file)
    with pytest.raises(ValueError, match="is no checkpoint"):
        asked.fit(X, Y)


def test_another_version_is_refused(tmp_path, monkeypatch):
    asked = model(max_iter=2, checkpoint=tmp_path / "file").fit(X, Y)
    monkeypatch.setattr(_journal, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"written by glmnet_nn .*, and this is 99.0"):
        asked.fit(X, Y)


def test_what_cannot_have_a_checkpoint(tmp_path):
    file = tmp_path / "file"
    with pytest.raises(ValueError, match="checkpoint must be a file in a folder"):
        model(checkpoint=file / "deeper").fit(X, Y)
    with pytest.raises(ValueError, match="checkpoint must be a file in a folder"):
        model(checkpoint=tmp_path).fit(X, Y)
    with pytest.raises(ValueError, match=r"fit_for_inference\(\) chooses checkpoint itself"):
        model(checkpoint=file).fit_for_inference(X, Y)
    with pytest.raises(ValueError, match="mean is fitted again and again, and a checkpoint"):
        DoubleGLMRegressor(model("normal", checkpoint=file)).fit(X, Y)
    with pytest.raises(ValueError, match="Clones, as in cross-validation, need a file each"):
        cross_validate(model(max_iter=1, checkpoint=file), X, Y, error_score="raise")


def test_two_fits_do_not_share_a_file(tmp_path, monkeypatch):
    one = model(checkpoint=tmp_path / "file")
    keep = _journal.Record.keep

    def meanwhile(*given):
        monkeypatch.setattr(_journal.Record, "keep", keep)
        clone(one).fit(X, Y)
        keep(*given)

    monkeypatch.setattr(_journal.Record, "keep", meanwhile)
    with pytest.raises(ValueError, match="was written by another fit while this one ran"):
        one.fit(X, Y)


def test_what_another_fit_is_writing_is_left_alone(tmp_path):
    of_another = tmp_path / f".file.2.{'0a' * 16}.part"
    of_this = tmp_path / f".file.{'0a' * 16}.part"
    of_another.touch()
    of_this.touch()
    model(max_iter=1, checkpoint=tmp_path / "file").fit(X, Y)
    assert of_another.exists()
    assert not of_this.exists()


def test_ctrl_c_leaves_the_checkpoint(tmp_path, monkeypatch):
    """The model has what there is, and the next fit goes on, not from the best but from there."""
    monkeypatch.setattr(_waiting, "_interrupted_at", -np.inf)
    last = 6
    whole = model(early_stopping=True, max_iter=8).fit(X, Y)
    asked = model(early_stopping=True, max_iter=8, checkpoint=tmp_path / "file")
    report = _waiting.Waiting.reporting

    def impatient(self, max_iter, describe=None, name=""):
        def stopping(n_iter, value):
            if n_iter == last:
                raise KeyboardInterrupt
            return describe(n_iter, value)

        return report(self, max_iter, stopping, name)

    with monkeypatch.context() as patch:
        patch.setattr(_waiting.Waiting, "reporting", impatient)
        with pytest.warns(ConvergenceWarning, match="fit was interrupted"):
            asked.fit(X, Y)
        assert asked.n_iter_ == 5
        last = 7
        patch.setattr(_waiting, "_interrupted_at", -np.inf)
        with pytest.warns(ConvergenceWarning, match="of 6 iterations are kept"):
            asked.fit(X, Y)
        assert (asked.n_iter_, len(asked.validation_loss_curve_)) == (6, 7)
    assert_same_fit(asked.fit(X, Y), whole)


KILLED = """
import os, signal, sys, zipfile
import numpy as np
from glmnet_nn import DeepGLMRegressor
from glmnet_nn.training.solvers import adam

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3))
y = rng.poisson(np.exp(X[:, 0])).astype(float)
path = sys.argv[1]

def fitted(**options):
    model = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(4,), batch_size=100, max_iter=6, early_stopping=True,
        random_state=0, **options,
    ).fit(X, y)
    return model._weights.tobytes() + np.array(model.loss_curve_).tobytes()

def fatal(owner, name, at, before):
    inner, left = getattr(owner, name), [at]
    def called(*given, **named):
        left[0] -= 1
        if before and left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        found = inner(*given, **named)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(owner, name, called)

moments = [
    (os, "replace", 1, True),              # the first file is written, but has not its name
    (adam._State, "step", 3, True),        # within the first epoch
    (zipfile.ZipFile, "writestr", 5, True),  # half a file is written
    (os, "replace", 3, False),             # a file has just got its name
    (adam._State, "step", 7, False),
    (os, "fsync", 3, True),
    (adam._State, "step", 6, True),
]
whole, killed = fitted(), 0
for moment in moments:
    child = os.fork()
    if child == 0:
        fatal(*moment)
        fitted(checkpoint=path)
        os._exit(0)
    killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
same = fitted(checkpoint=path) == whole
print(killed == len(moments), same, os.listdir(os.path.dirname(path)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the script forks")
def test_killed_at_any_moment(tmp_path):
    """By kill -9, amid an epoch, amid a write, before and after the file gets its name."""
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "file")]
    found = subprocess.run(command, capture_output=True, text=True, env=alone)
    assert found.stdout.split("\n")[0] == "True True ['file']", found.stdout + found.stderr
