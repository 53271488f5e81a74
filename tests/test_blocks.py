"""Data in blocks give the fit, and the statistics, of the rows in memory."""

from __future__ import annotations

import warnings
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from families import NegativeBinomial
from glmnet_nn import (
    Blocks,
    DeepGLMClassifier,
    DeepGLMRegressor,
    ParquetBlocks,
    SeparationWarning,
)
from glmnet_nn.training import separation
from glmnet_nn.training.facts import Spread

N = 900
CUTS = {"several": (0, 200, 200, 520, 521, 900), "halves": (0, 450, 900)}


@pytest.fixture(scope="module")
def data():
    """X in units of its own, weights with rows and a whole block of 0, offset and exposure."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4)) * [1, 10, 0.1, 1] + [0, 100, 3, 0]
    X[:, 3] = X[:, 3] > 0
    eta = X @ [0.3, 0.02, 1.0, 0.2] - 5
    weight = rng.uniform(0.5, 2, N)
    weight[::7] = weight[520] = 0
    exposure, offset = rng.uniform(0.2, 1, N), 0.1 * rng.normal(size=N)
    successes = rng.binomial(5, 0.3, N)
    y = {
        "poisson": rng.poisson(np.exp(eta) * exposure).astype(float),
        "gamma": rng.gamma(2, np.exp(eta) / 2),
        "normal": eta + rng.normal(size=N),
        "binomial": np.stack([successes, 5 - successes], axis=1).astype(float),
        "classes": np.where(np.arange(N) < 200, "a", rng.choice(["a", "b", "c"], N)),
    }
    return X, y, weight, offset, exposure


def in_blocks(*columns, cuts="several"):
    """Return the rows as Blocks: (X, y, ...), None for what there is not."""
    ends = CUTS[cuts]
    return Blocks(
        [
            tuple(None if values is None else values[a:b] for values in columns)
            for a, b in pairwise(ends)
        ]
    )


def close(actual, expected, rtol=1e-10):
    """Compare on the scale of the largest number: a coefficient may be 0 but for noise."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max())


def same_fit(one, other, rtol=1e-10):
    close(one._weights, other._weights, rtol)
    for name in ("deviance_", "null_deviance_", "dispersion_", "loss_"):
        close(getattr(one, name), getattr(other, name), rtol)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("poisson", {}),
        ("poisson", {"alpha": 0.01, "l1_ratio": 0.5}),
        ("gamma", {"link": "log", "alpha": 0.1}),
        ("normal", {"fit_intercept": False}),
        ("binomial", {}),
        ("poisson", {"standardize": True, "solver": "lbfgs", "alpha": 0.1}),
    ],
)
def test_a_classical_fit_is_that_in_memory(data, family, settings, cuts):
    X, y, weight, offset, exposure = data
    rows = (X, y[family], weight, offset, exposure if family == "poisson" else None)
    glm = DeepGLMRegressor(family, hidden_layer_sizes=(), tol=1e-11, **settings)
    whole, blocks = glm.fit(*rows), in_blocks(*rows, cuts=cuts)
    summed = DeepGLMRegressor(**glm.get_params()).fit(blocks)
    same_fit(summed, whole)
    assert summed.converged_
    assert summed.n_features_in_ == 4
    close(summed.score(blocks), whole.score(*rows))
    predicted = list(summed.predict(Blocks([(X[:9],), X[9:20]])))
    close(np.concatenate(predicted), whole.predict(X[:20]))


def test_classes_are_those_of_all_blocks(data):
    X, y, weight, *_ = data
    labels, blocks = y["classes"], in_blocks(X, y["classes"], weight)
    whole = DeepGLMClassifier(hidden_layer_sizes=(), tol=1e-11).fit(X, labels, weight)
    summed = DeepGLMClassifier(hidden_layer_sizes=(), tol=1e-11).fit(blocks)
    assert summed.classes_.tolist() == ["a", "b", "c"]
    same_fit(summed, whole)
    close(summed.score(blocks), whole.score(X, labels, weight))
    assert np.array_equal(np.concatenate(list(summed.predict(in_blocks(X)))), whole.predict(X))
    with pytest.raises(ValueError, match="at least two classes"):
        DeepGLMClassifier(hidden_layer_sizes=()).fit(Blocks([(X[:200], labels[:200])]))


@pytest.mark.parametrize(
    ("family", "solver", "settings"),
    [
        ("poisson", "lbfgs", {"skip_connection": "fixed"}),
        ("poisson", "newton_cg", {"architecture": "local"}),
        ("normal", "lbfgs", {}),
    ],
)
def test_a_network_is_that_in_memory(data, family, solver, settings):
    X, y, weight, offset, exposure = data
    rows = (X, y[family], weight, offset, exposure if family == "poisson" else None)
    settings = {"hidden_layer_sizes": (3,), "max_iter": 4, "random_state": 0, **settings}
    network = DeepGLMRegressor(family, solver=solver, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # four iterations do not suffice
        whole = network.fit(*rows)
        summed = DeepGLMRegressor(**network.get_params()).fit(in_blocks(*rows))
    assert summed.balance_ == whole.balance_ == "shift"
    close(summed.alpha_, whole.alpha_, 1e-12)
    same_fit(summed, whole, 1e-8)


def test_what_the_data_do_not_determine_is_found_over_blocks(data):
    X, *_ = data
    rng = np.random.default_rng(1)
    both = np.column_stack([X, X[:, 0] + X[:, 3]])
    y = np.where(X[:, 3] > 0, 1, rng.integers(0, 2, N))
    found = []
    for given in ((both, y), (in_blocks(both, y),)):
        with pytest.warns() as told:
            found.append(DeepGLMClassifier(hidden_layer_sizes=()).fit(*given))
        assert [type(one.message).__name__ for one in told] == ["RankWarning", "SeparationWarning"]
        assert {one.filename for one in told} == {__file__}
    whole, summed = found
    same_fit(summed, whole, 1e-8)
    assert np.array_equal(summed.separated_rows_, whole.separated_rows_)
    assert np.array_equal(summed.estimable_coef_, whole.estimable_coef_)


def test_separated_rows_need_not_be_gathered(data, monkeypatch):
    """A pass tells that all 1,800 inequalities are met, and a few of them how."""
    X, *_ = data
    y = np.select([X[:, 0] > 0.5, X[:, 2] > 3.0], ["a", "b"], "c")
    y[(X[:, 0] > 0.5) & (X[:, 2] < 3.0)] = "c"
    X = np.column_stack([X, X[:, 0] * X[:, 2], y == "a", y == "b"])
    monkeypatch.setattr(separation, "_MOST_OPEN", 1000)
    with pytest.warns(SeparationWarning, match="900"):
        whole = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    with pytest.warns(SeparationWarning, match="900"):
        summed = DeepGLMClassifier(hidden_layer_sizes=()).fit(in_blocks(X, y))
    assert np.array_equal(summed.separated_rows_, np.arange(N))
    close(summed.coef_, whole.coef_, 1e-8)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1", "HC3"])
@pytest.mark.parametrize("weight_type", ["freq", "var"])
def test_inference_sums_over_blocks(data, cov_type, weight_type):
    X, y, weight, offset, _ = data
    rows = (X, y["gamma"], weight, offset)
    glm = DeepGLMRegressor("gamma", link="log", hidden_layer_sizes=()).fit(*rows)
    options = {"cov_type": cov_type, "weight_type": weight_type}
    whole, summed = (glm.inference(*given, **options) for given in (rows, (in_blocks(*rows),)))
    for name in ("bse", "pvalues", "scale", "llf", "llnull", "aic", "bic", "df_resid"):
        close(getattr(summed, name), getattr(whole, name))
    assert str(summed.summary()) == str(whole.summary())
    close(
        glm.predict_interval(X[:3], offset[:3], inference=summed),
        glm.predict_interval(X[:3], offset[:3], inference=whole),
    )
    for ask in (summed.residuals, summed.get_margeff, lambda: summed.score_test(X)):
        with pytest.raises(ValueError, match="rows are not kept"):
            ask()


def test_a_step_of_fisher_scoring_is_one_pass_and_one_block_is_in_memory(data):
    X, y, *_ = data
    passes, alive, most = [], [], [0]

    def read():
        passes.append(1)
        for at in range(0, N, 100):
            block = X[at : at + 100].copy()
            alive.append(at)
            weakref.finalize(block, alive.pop)
            most[0] = max(most[0], len(alive))
            yield block, y["poisson"][at : at + 100]
            del block

    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(Blocks(read))
    first_look, null_model, start = 1, 1, 1
    assert len(passes) == first_look + null_model + start + glm.n_iter_
    assert most[0] == 1


def test_parquet_is_read_by_row_groups(data, tmp_path: Path):
    X, y, weight, _, exposure = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame = frame.assign(claims=y["poisson"], w=weight, years=exposure)
    for part, at in enumerate((0, 450)):
        rows = frame.iloc[at : at + 450]
        rows.to_parquet(tmp_path / f"{part}.parquet", row_group_size=200)
    names = {"sample_weight": "w", "exposure": "years"}
    blocks = ParquetBlocks(tmp_path, "claims", **names, block_rows=150)
    assert [len(block.X) for block in blocks] == [150, 50, 150, 50, 50] * 2
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), tol=1e-11)
    whole = glm.fit(frame[list("abcd")], frame.claims, frame.w, exposure=frame.years)
    summed = DeepGLMRegressor(**glm.get_params()).fit(blocks)
    same_fit(summed, whole)
    assert summed.feature_names_in_.tolist() == list("abcd")
    to_predict = ParquetBlocks(tmp_path, None, columns=list("abcd"))
    close(np.concatenate(list(summed.predict(to_predict))), whole.predict(frame[list("abcd")]))
    with pytest.raises(ValueError, match=r"has no columns \['x'\]"):
        ParquetBlocks(tmp_path, "x")
    with pytest.raises(ValueError, match="one role"):
        ParquetBlocks(tmp_path, "claims", columns=["a", "claims"])
    with pytest.raises(ValueError, match="block_rows"):
        ParquetBlocks(tmp_path, "claims", block_rows=0)


def test_parquet_of_a_table_with_an_index(tmp_path: Path):
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": [0.0, 1.0, 1.0], "id": [7, 9, 8]})
    table[table.id > 7].to_parquet(tmp_path / "unnamed.parquet")
    (block,) = ParquetBlocks(tmp_path / "unnamed.parquet", "y")
    assert block.X.columns.tolist() == ["a", "id"]
    table.set_index("id").to_parquet(tmp_path / "named.parquet")
    (block,) = ParquetBlocks(tmp_path / "named.parquet", "y", block_rows=np.int64(9))
    assert block.X.columns.tolist() == ["a"]
    (block,) = ParquetBlocks(tmp_path / "named.parquet", "id")
    assert (block.X.columns.tolist(), block.y.tolist()) == (["a", "y"], [7, 9, 8])
    (tmp_path / "folder").mkdir()
    table.to_parquet(tmp_path / "folder" / "1.parquet")
    table.drop(columns="a").to_parquet(tmp_path / "folder" / "2.parquet")
    with pytest.raises(ValueError, match=r"2.parquet has no columns \['a'\]"):
        list(ParquetBlocks(tmp_path / "folder", "y"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"early_stopping": True}, "early_stopping=True holds out"),
        ({"bias_reduction": True}, "bias_reduction=True asks"),
        ({"n_estimators": 3}, "n_estimators=3 hands"),
        ({"polish_output": True}, "polish_output=True makes"),
        ({"balance": "refit"}, "balance='refit' scores"),
        ({"formula": "y ~ x"}, "formula='y ~ x' learns"),
        ({"solver": "adam"}, "solver='adam' takes rows at random.*Use solver='auto', 'lbfgs'"),
        ({"family": NegativeBinomial(alpha="estimate")}, "alpha of NegativeBinomial"),
    ],
)
def test_what_is_no_sum_is_refused(data, settings, words):
    X, y, *_ = data
    with pytest.raises(ValueError, match=words):
        DeepGLMRegressor(**{"family": "poisson", **settings}).fit(in_blocks(X, y["poisson"]))


@pytest.mark.parametrize("estimator", [DeepGLMRegressor("poisson"), DeepGLMClassifier()])
def test_auto_of_a_network_is_a_solver_of_all_rows(data, estimator):
    """With the tolerance and the iterations of that solver."""
    X, y, *_ = data
    X, y = X[:60], y["poisson"][:60]
    y = y if isinstance(estimator, DeepGLMRegressor) else y > 1
    estimator.set_params(hidden_layer_sizes=(2,), random_state=0, alpha=1.0)
    network = clone(estimator).fit(Blocks([(X[:20], y[:20]), (X[20:], y[20:])]))
    assert network.solver_ == "lbfgs"
    assert network.converged_
    whole = clone(estimator).set_params(solver="lbfgs").fit(X, y)
    assert network.loss_ == pytest.approx(whole.loss_, rel=1e-9)
    assert clone(estimator).set_params(max_iter=1).fit(X, y).solver_ == "adam"


@pytest.mark.parametrize("first", [True, False])
def test_a_block_without_an_offset_has_one_of_0(data, first):
    X, y, _, offset, _ = data
    y, offset = y["poisson"], offset + 1.0
    offset[450 if first else 0 :][:450] = 0.0
    halves = [(X[:450], y[:450], None, offset[:450]), (X[450:], y[450:], None, offset[450:])]
    halves[first] = halves[first][:2]
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=(), tol=1e-11)
    in_memory = glm.fit(X, y, offset=offset).score(X, y, offset=offset)
    expected = glm.coef_, glm.null_deviance_, in_memory
    glm.fit(Blocks(halves))
    for one, other in zip(
        (glm.coef_, glm.null_deviance_, glm.score(Blocks(halves))), expected, strict=True
    ):
        close(one, other)


def test_complaints_name_the_block(data):
    X, y, weight, *_ = data
    y = y["poisson"]
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    with pytest.raises(ValueError, match=r"in block 1: Poisson needs y >= 0"):
        glm.fit(Blocks([(X, y), (X, -y)]))
    with pytest.raises(ValueError, match="n_features_in is 4 in block 0 and 2 in block 1"):
        glm.fit(Blocks([(X, y), (X[:, :2], y)]))
    with pytest.raises(ValueError, match="none has a row of positive weight"):
        glm.fit(Blocks([(X, y, 0 * weight)]))
    with pytest.raises(ValueError, match="no finite parameters"):
        glm.fit(Blocks([(X, 0 * y)]))
    with pytest.raises(TypeError, match="ends after once"):
        Blocks(iter([(X, y)]))
    with pytest.raises(TypeError, match="given beside them"):
        glm.fit(in_blocks(X, y), y)
    with pytest.raises(TypeError, match="'X' and may have"):
        glm.fit(Blocks([{"X": X, "target": y}]))
    with pytest.raises(TypeError, match="in block 0: X is sparse"):
        glm.fit(Blocks([(sparse.csr_array(X), y)]))
    table = pd.DataFrame({"a": X[:, 0], "area": np.where(X[:, 1] > 100, "A", "B")})
    with pytest.raises(ValueError, match=r"but \['area'\] are coded by what.* block 1 "):
        glm.fit(Blocks([(table[:400], y[:400]), (table[400:], y[400:])]))
    several = iter([[(X, y)] * 2, [(X, y)]])
    with pytest.raises(ValueError, match="gave 2 blocks in the first pass, but 1"):
        glm.fit(Blocks(lambda: next(several)))
    once = iter([(X, y > 0), (X, y > 0)])
    with pytest.raises(ValueError, match="gave 2 blocks in the first pass, but 0"):
        DeepGLMClassifier(hidden_layer_sizes=()).fit(Blocks(lambda: once))
    assert glm.fit(Blocks([{"X": X, "y": y}])).n_features_in_ == 4
    for method in (glm.score, glm.inference):
        with pytest.raises(ValueError, match="0 blocks, but none has a row"):
            method(Blocks([]))
    with pytest.raises(TypeError, match="one after the other"):
        DeepGLMClassifier().partial_fit(in_blocks(X, y > 0), classes=[False, True])
    with pytest.raises(TypeError, match="comes in blocks, but this method"):
        glm.residuals(in_blocks(X), y)


def test_second_moments_of_blocks_keep_their_digits():
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(size=(1000, 2))
    weight = rng.uniform(size=1000)
    joined = Spread.of(x[:1], weight[:1])
    for at in range(1, 1000, 111):
        joined = joined.joined(Spread.of(x[at : at + 111], weight[at : at + 111]))
    close(joined.cross, np.cov(x.T, aweights=weight, ddof=0) * weight.sum(), 1e-7)
    close(joined.mean, np.average(x, axis=0, weights=weight), 1e-15)
