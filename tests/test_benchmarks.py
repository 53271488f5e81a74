"""The benchmarks measure what they say. No time is judged here."""

from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn import metrics

from benchmarks import __main__ as command
from benchmarks import (
    data,
    glm,
    grow,
    insurance,
    judged,
    judges,
    memory,
    nets,
    path,
    predict,
    quality,
    scale,
    tables,
)
from benchmarks.crew import Contender, Crew, crew, race, stored
from glmnet_nn import DeepGLMRegressor

# ------------------------------------------------------------ every command


@pytest.fixture(scope="module")
def workers() -> Iterator[Crew]:
    """One crew for all commands, since starting a library takes a second."""
    with crew() as found:
        yield found


@pytest.fixture
def run(
    workers: Crew,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Return a function that runs a command and returns its JSON and its Markdown."""

    @contextmanager
    def shared() -> Iterator[Crew]:
        yield workers

    for module in (glm, path, nets, quality, insurance, scale, predict):
        monkeypatch.setattr(module, "crew", shared)

    def command_line(*arguments: str) -> tuple[dict[str, Any], str]:
        kept = tmp_path / "found.json"
        command.main([*arguments, "--quick", "--json", str(kept)])
        return json.loads(kept.read_text()), capsys.readouterr().out

    return command_line


def test_glm_reaches_the_gradient_and_says_who_is_absent(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("crew", "judged"):
        monkeypatch.setattr(
            f"benchmarks.{module}.is_installed", {"ours", "scikit_learn"}.__contains__
        )
    found, printed = run("glm", "--only", "poisson")
    rows = {row["contender"]: row for row in found["rows"]}
    present = [row for row in rows.values() if "absent" not in row]
    assert len(present) == 3
    assert all(row["gradient"] <= judged.GRADIENT and row["reached"] for row in present)
    assert all(row["seconds"] > 0 for row in present)
    assert rows["glum irls-ls"]["absent"]
    assert "| glum irls-ls | not installed |" in printed
    assert found["machine"]["versions"]["numpy"] == np.__version__
    assert f"numpy {np.__version__}" in printed


def test_each_row_is_kept_when_it_is_done_and_peers_can_be_left_out(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(found: dict[str, Any]) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(glm, "table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("glm", "--only", "normal", "--without", "glum|statsmodels|Linear")
    found = json.loads((tmp_path / "found.json").read_text())
    names = [row["contender"] for row in found["rows"]]
    assert names == ["glmnet_nn", "scikit-learn Ridge(cholesky)"]
    with pytest.raises(SystemExit):
        run("scale", "--without", "torch")


def test_paths_reach_the_minimum(run: Any) -> None:
    found, printed = run("path")
    rows = [row for row in found["rows"] if "absent" not in row]
    assert {row["contender"] for row in rows} >= {"glmnet_nn", "scikit-learn enet_path"}
    assert all(row["excess"] <= path.EXCESS and row["reached"] for row in rows)
    assert "| Multinoulli 3e2 x 4, K = 3 | glmnet_nn |" in printed


def test_nets_train_alike(run: Any) -> None:
    found, printed = run("nets", "--only", "poisson")
    rows = {row["contender"]: row for row in found["rows"]}
    ours, peer = rows["glmnet_nn"], rows["scikit-learn float32"]
    assert ours["rate_whole"] > 0
    assert peer["rate_whole"] > 0
    assert ours["deviance"] == pytest.approx(peer["deviance"], rel=0.5)
    assert "4-8-1 Poisson, exposure" in printed


def test_quality_measures_both_of_ours_and_says_what_was_left_out(run: Any) -> None:
    found, printed = run("quality", "--only", "synthetic")
    assert {line["ours_is"] for line in found["goals"]} == set(quality.GOALS)
    for row in found["rows"]:
        if "first" in row:
            peer = next(r for r in found["rows"] if r["contender"] == quality.PEER)
            assert row["first"]["deviance"] <= peer["deviance"]
    assert "freMTPL2 was left out" in printed


def policies(n: int = 400) -> pd.DataFrame:
    """A table as that of the motor policies, its claims at random."""
    rng = np.random.default_rng(0)
    exposure = rng.uniform(0.1, 1.0, n)
    return pd.DataFrame(
        {
            "VehAge": rng.integers(0, 25, n),
            "DrivAge": rng.integers(18, 95, n),
            "BonusMalus": rng.integers(50, 160, n),
            "VehPower": rng.integers(4, 16, n),
            "Area": rng.choice(list("ABCDEF"), n),
            "Density": rng.integers(1, 10_000, n),
            "VehGas": rng.choice(["Diesel", "Regular"], n),
            "VehBrand": rng.choice(["B1", "B2", "B3"], n),
            "Region": rng.choice(["R1", "R2"], n),
            "ClaimNb": rng.poisson(exposure),
            "Exposure": exposure,
            "LearnTest": np.where(np.arange(n) < 300, "L", "T"),
        }
    )


@pytest.mark.filterwarnings("ignore::glmnet_nn.RankWarning")  # indicators of every level
def test_insurance_is_the_published_loss_on_the_published_split(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = policies()
    monkeypatch.setattr(pd, "read_parquet", lambda path: table)
    found, printed = run("insurance", "--data", str(tmp_path), "--repeats", "2")
    rows = [row for row in found["rows"] if row["model"] == "network"]
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[0]["test"] != rows[1]["test"]
    assert all(abs(row["imbalance"]) <= 1e-9 for row in found["rows"])
    assert found["size"] == {"learn": 300, "test": 100}
    claims = data.motor_claims(tmp_path)
    ours = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    ours.fit(claims["X"], claims["y"], exposure=claims["exposure"])
    glm_row = next(row for row in found["rows"] if row["model"] == "GLM")
    for part, suffix in (("learn", ""), ("test", "_test")):
        time, counts = claims["exposure" + suffix], claims["y" + suffix]
        mu = ours.predict(claims["X" + suffix])
        expected = metrics.mean_poisson_deviance(counts / time, mu, sample_weight=time)
        assert glm_row[part] == pytest.approx(expected, rel=1e-9)
    assert "| network (this package) | 2 |" in printed
    assert "| GLM3 | - | 45.586 | 45.435 |" in printed


def test_insurance_tells_which_goals_were_missed() -> None:
    fine = {"learn": 0.44, "test": 0.44, "imbalance": 0.0, "seconds": 1.0}
    model = insurance.Model("m", {}, goal=44.1, timed=True)
    assert insurance.summary(model, [fine, fine])["met"]
    for change in ({"imbalance": -1e-8}, {"test": 0.46}, {"seconds": 11.0}):
        assert not insurance.summary(model, [fine | change])["met"]
    with pytest.raises(SystemExit, match="--data FOLDER"):
        insurance.run(SimpleNamespace(data=None))


def test_small_compares_the_defaults_on_the_same_folds(run: Any) -> None:
    found, printed = run("small", "--only", "engel")
    (row,) = found["rows"]
    assert (row["rows"], row["columns"]) == (235, 1)
    assert row["difference"] == pytest.approx(row["network"] - row["glm"], rel=1e-9)
    assert "| engel | normal | 235 | 1 |" in printed


def test_growing_data_give_one_fit(run: Any) -> None:
    found, printed = run("grow", "--only", "memory|core")  # test_dask.py has a cluster
    assert {row["way"] for row in found["rows"]} == {"in memory", "out of core"}
    assert all(row["seconds"] > 0 and row["apart"] <= 1e-9 for row in found["rows"])
    assert found["sent"]["back"] > 8 * 21 * 21
    assert "| out of core | 4e3 |" in printed
    assert "coefficients within 1e-10: yes" in printed


def test_what_grows_is_judged() -> None:
    mib = 2**20
    rows = [{"way": "out of core", "bytes": held * mib, "apart": 1e-12} for held in (50, 100, 110)]
    assert all(grow.judged(rows).values())
    rows[2] |= {"bytes": 200 * mib, "apart": 1e-9}
    assert not any(grow.judged(rows).values())


def test_scale_and_predict(run: Any) -> None:
    found, _ = run("scale")
    assert [row["n"] for row in found["rows"]] == [500, 500, 5000, 5000]
    assert all("exponent" in row for row in found["rows"][2:])
    found, _ = run("predict", "--only", "network")
    assert all("over_plain" in row for row in found["rows"])


def test_import(run: Any) -> None:
    found, printed = run("import", "--only", "glmnet_nn$")
    assert [row["import"] for row in found["rows"]] == ["a bare interpreter", "glmnet_nn"]
    assert "<= 0.35 s" in printed


# ------------------------------------------------------------- what is judged


@pytest.mark.parametrize("law", ["normal", "poisson", "bernoulli"])
def test_the_gradient_is_the_score_of_statsmodels(law: str) -> None:
    drawn = data.glm(law, 300, 3)
    family = {"normal": "Gaussian", "poisson": "Poisson", "bernoulli": "Binomial"}[law]
    model = sm.GLM(drawn["y"], sm.add_constant(drawn["X"]), getattr(sm.families, family)())
    params = np.array([0.1, -0.2, 0.05, 0.3])
    expected = np.abs(model.score(params, scale=1.0)).max() / 300
    assert judges.gradient(params[None], drawn, law)["gradient"] == pytest.approx(expected)


def test_the_gradient_of_softmax_is_the_score_of_statsmodels() -> None:
    drawn = data.glm("multinoulli", 300, 2, 3)
    model = sm.MNLogit(drawn["y"], sm.add_constant(drawn["X"]))
    params = np.array([[0.1, -0.2, 0.3], [0.2, 0.1, -0.4]])  # of classes 1 and 2 against 0
    scores = model.score(params.T.ravel(order="F")).reshape(2, 3) / 300
    expected = np.abs(np.vstack([scores, scores.sum(axis=0)])).max()  # the scores sum to 0
    whole = np.vstack([np.zeros(3), params])
    assert judges.gradient(whole, drawn, "multinoulli")["gradient"] == pytest.approx(expected)


def test_the_deviance_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    mu, time, y = rng.uniform(0.5, 2, 50), rng.uniform(0.1, 1, 50), rng.poisson(1.0, 50)
    X = rng.standard_normal((50, 1))
    found = judges.deviance(lambda X: mu, {"X": X, "y": y, "exposure": time}, "poisson")
    expected = metrics.mean_poisson_deviance(y / time, mu, sample_weight=time)
    assert found["deviance"] == pytest.approx(expected)
    found = judges.deviance(lambda X: mu, {"X": X, "y": y}, "normal")
    assert found["deviance"] == pytest.approx(metrics.mean_squared_error(y, mu))
    chances = rng.dirichlet(np.ones(3), 50)
    labels = rng.integers(0, 3, 50)
    held_out = {"X": X, "y": y, "X_test": X, "y_test": labels}  # the held-out rows count
    found = judges.deviance(lambda X: chances, held_out, "multinoulli")
    assert found["deviance"] == pytest.approx(2 * metrics.log_loss(labels, chances))


def test_memory_sees_what_was_given_back() -> None:
    np.ones(256 * 2**17).sum()  # 256 MiB that do not count: gone before the watch
    start = memory.start_watch()
    if start is None:
        pytest.skip("no /proc to read the memory from")
    np.ones(64 * 2**17).sum()  # 64 MiB, gone when the sum is there
    risen = memory.peak_since(start)
    assert risen is not None
    assert 63 * 2**20 < risen < 80 * 2**20


# ------------------------------------------------------------------- the race


class Scripted(Crew):
    """Workers that answer at once, from a function of library, threads and settings."""

    def __init__(self, reply: Any) -> None:
        super().__init__()
        self.reply, self.asked = reply, []

    def run(self, library: str, threads: int, directory: str, **request: Any) -> dict[str, Any]:
        self.asked.append((library, threads))
        return {"bytes": None, **self.reply(library, threads, request)}


def test_the_race_is_interleaved_and_keeps_the_better_threads() -> None:
    fast = {("numpy", 1): 3.0, ("numpy", 2): 2.0, ("scipy", 1): 3.9, ("scipy", 2): 4.0}
    workers = Scripted(lambda library, threads, _: {"seconds": fast[library, threads]})
    entered = [Contender(name, name, "glm", {}) for name in ("numpy", "scipy", "no_such")]
    rows = race(workers, entered, "", None, repeats=3)
    assert [(row["contender"], row.get("threads")) for row in rows] == [
        ("numpy", 2),
        ("scipy", 1),
        ("no_such", None),
    ]
    assert rows[2]["absent"]
    repeats = workers.asked[4:]  # after one pilot of each
    assert ("numpy", 1) not in repeats  # clearly slower, out
    assert len(repeats) == 9
    assert repeats[:3] != repeats[3:6]  # another one starts


def test_a_contender_that_fails_is_named(workers: Crew) -> None:
    with stored(data.glm("poisson", 50, 2)) as directory:
        broken = Contender("broken", "ours", "glm", {"law": "no such law"}, (1,))
        sound = Contender("sound", "ours", "glm", {"law": "poisson"}, (1,))
        failed, fitted = race(workers, [broken, sound], directory, "gradient", 1)
    assert "no such law" in tables.status(failed)
    assert fitted["gradient"] < 1e-6


@pytest.mark.parametrize(
    ("factor", "expected"), [(0.5, 1e-6), (5.0, 1e-7), (20.0, 1e-8), (5e-4, 1e-3), (1e-9, 1e-1)]
)
def test_the_tolerance_is_the_loosest_that_reaches_the_gradient(
    factor: float, expected: float
) -> None:
    workers = Scripted(
        lambda library, threads, request: {"gradient": factor * request["settings"]["tol"]}
    )
    peer = Contender("peer", "numpy", "glm", {"tol": None})
    found = judged.with_tolerance(workers, "", peer)
    assert found.settings["tol"] == pytest.approx(expected)
    assert len(workers.asked) <= 4


def test_a_peer_that_missed_the_gradient_is_not_the_best() -> None:
    rows = [
        {"contender": tables.OURS, "seconds": 1.0, "reached": True},
        {"contender": "quick but far", "seconds": 0.5, "reached": False},
        {"contender": "there", "seconds": 3.0, "reached": True},
        {"contender": "absent", "absent": True},
    ]
    best, absent = tables.compare("work", rows, {"": 4, "absent": 2}, "seconds")
    assert (best["against"], best["ratio"], best["met"]) == ("there", 3.0, False)
    assert "ratio" not in absent
    assert "not measured" in tables.goals([absent])


def test_every_table_of_the_command_has_a_quick_way() -> None:
    assert set(command.TABLES) == {
        "glm",
        "nets",
        "quality",
        "insurance",
        "small",
        "path",
        "scale",
        "grow",
        "import",
        "predict",
    }
    with pytest.raises(SystemExit):
        command.main(["no such table"])


# -------------------------------------------------------------------- the data


def test_motor_claims_are_split_as_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame(
        {
            "VehAge": [1, 30, 3, 4],
            "DrivAge": [20, 95, 40, 50],
            "BonusMalus": [50, 200, 60, 70],
            "VehPower": [4, 20, 6, 7],
            "Area": list("ABCA"),
            "Density": [10, 100, 1000, 10],
            "VehGas": ["Diesel", "Regular", "Diesel", "Regular"],
            "VehBrand": ["B1", "B2", "B1", "B2"],
            "Region": ["R1", "R1", "R2", "R2"],
            "ClaimNb": [0, 1, 2, 0],
            "Exposure": [0.5, 1.0, 0.1, 1.0],
            "LearnTest": list("LLTL"),
        }
    )
    monkeypatch.setattr(pd, "read_parquet", lambda path: table)
    found = data.motor_claims(tmp_path)
    assert found["y"].tolist() == [0, 1, 0]
    assert found["y_test"].tolist() == [2]
    assert found["exposure_test"].tolist() == [0.1]
    assert found["X"].shape == (3, 11)
    np.testing.assert_array_equal(
        found["X"][:, 6:], [[1, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 0, 1, 0, 1]]
    )
    capped = np.array([[1, 20, 50, 4], [20, 90, 150, 15], [4, 50, 70, 7]])
    expected = (capped - capped.mean(axis=0)) / capped.std(axis=0)
    np.testing.assert_allclose(found["X"][:, :4], expected)


def test_quality_reads_the_motor_claims_when_told_where() -> None:
    options = SimpleNamespace(quick=False, only="", data=Path("somewhere"), chosen=list)
    assert len(quality.works(options)) == 4
    options.data = None
    assert len(quality.works(options)) == 3


@pytest.mark.parametrize("module", [tables, quality])
def test_doctests(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
