"""A sparse X gives what the same numbers give in an array, in the memory of its entries."""

import tracemalloc

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from families import Normal, Poisson
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning, SeparationWarning
from glmnet_nn.bridges import to_statsmodels
from glmnet_nn.comparison import nonlinearity_test
from glmnet_nn.explanation import local_importance
from glmnet_nn.network import ShiftedSparse, beside
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import standardized
from glmnet_nn.training.overdispersion import overdispersion
from glmnet_nn.training.preliminary import PreliminaryGLM


def one_hot(codes, n_levels):
    n = len(codes)
    return sparse.csr_array((np.ones(n), codes, np.arange(n + 1)), shape=(n, n_levels))


@pytest.fixture(scope="module")
def data():
    """Levels of two factors, a column that is mostly 0, and one that never is, far from 0."""
    rng = np.random.default_rng(0)
    n = 300
    a, b = rng.integers(0, 9, n), rng.integers(0, 6, n)
    rare = rng.normal(size=(n, 1)) * (rng.random((n, 1)) < 0.2)
    full = rng.normal(50.0, 2.0, size=(n, 1))
    X = sparse.hstack([one_hot(a, 9)[:, 1:], one_hot(b, 6)[:, 1:], rare, full], format="csr")
    eta = 0.3 * (a % 3) - 0.4 * (b % 2) + 0.5 * rare[:, 0]
    return sparse.csr_array(X), rng.poisson(np.exp(eta)).astype(float)


# ------------------------------------------------------------- the products


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("width", [4, 60])  # many columns: only those with entries are touched
@pytest.mark.parametrize("shifted", [False, True])
def test_products_are_those_of_the_array(container, width, shifted):
    rng = np.random.default_rng(1)
    D = rng.normal(size=(5, width)) * (rng.random((5, width)) < 0.2)
    center, scale = rng.normal(size=width) * shifted, rng.uniform(0.5, 2.0, width)
    I, Z = (ShiftedSparse(container(D)) - center) / scale, (D - center) / scale
    M, E, v = rng.normal(size=(width, 3)), rng.normal(size=(3, 5)), rng.uniform(size=5)
    assert_allclose(I.toarray(), Z)
    assert_allclose(I @ M, Z @ M)
    assert_allclose(I @ M[:, 0], Z @ M[:, 0])
    assert_allclose(E @ I, E @ Z)
    assert_allclose(v @ I, v @ Z)
    assert_allclose(np.matmul(E, I, out=np.full((3, width), np.nan)), E @ Z)
    assert_allclose(np.matmul(M.T, I.T, out=np.full((3, 5), np.nan)), M.T @ Z.T)
    assert_allclose(I.T @ E.T, Z.T @ E.T)
    assert_allclose(I.moments(v), Z.T @ np.diag(v) @ Z)
    assert_allclose(I.moments(v, I.columns(slice(1, 3))), Z.T @ np.diag(v) @ Z[:, 1:3])
    assert_allclose(I.row_squares(), np.square(Z).sum(axis=1))
    for low, high in ((-0.5, 0.25), (0.1, 0.3), (-np.inf, -0.2)):  # 0 inside, below and above
        bounds = np.full(width, low), np.full(width, high)
        assert_allclose(I.clip(*bounds).toarray(), np.clip(Z, low, high))
    both, wide = beside(E.T, I), np.hstack([E.T, Z])
    W = rng.normal(size=(3 + width, 2))
    assert_allclose(v @ both, v @ wide)
    assert_allclose(both @ W, wide @ W)
    assert_allclose(both.toarray(), wide)
    assert_allclose(beside(I, I).toarray(), np.hstack([Z, Z]))
    for rows in (slice(1, 3), np.array([4, 0]), np.array([True, False, True, False, False])):
        assert_allclose(I[rows].toarray(), Z[rows])


def test_sparse_inputs_are_never_laid_out_by_accident():
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        np.asarray(ShiftedSparse(sparse.eye_array(3, format="csr")))


def test_the_scaling_is_that_of_the_array():
    rng = np.random.default_rng(2)
    n = 403
    D = rng.normal(size=(n, 6)) * (rng.random((n, 6)) < 0.3)
    D[:, 1], D[:, 2], D[:, 3] = D[:, 1] != 0, 3.0, rng.normal(1e6, 1.0, n)
    weight = rng.uniform(0.5, 2.0, n)
    for center in (True, False):
        ours = standardized(ShiftedSparse(sparse.csr_array(D)), weight, center, True, 3.0)
        theirs = standardized(D, weight, center, True, 3.0)
        assert_allclose(ours.center, theirs.center, atol=1e-15)
        assert_allclose(ours.scale, theirs.scale, rtol=1e-9)
        assert_array_equal(ours.reach, theirs.reach)


# ------------------------------------------------------------------ formats


def _unsorted(X):
    """Entries of each row in reversed order, each cut in two, and a zero that is stored."""
    rows, columns = X.nonzero()
    values = X[rows, columns]
    parts = np.concatenate([values / 4, values * 0.75, [0.0]])
    at = (np.r_[rows, rows, 0], np.r_[columns, columns, 3])
    made = sparse.coo_array((parts, at), shape=X.shape)
    order = np.lexsort((-made.col, made.row))
    indptr = np.r_[0, np.cumsum(np.bincount(made.row, minlength=X.shape[0]))]
    return sparse.csr_array((parts[order], made.col[order], indptr), shape=X.shape)


FORMATS = {
    "csr_matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "bsr": lambda X: sparse.bsr_array(X, blocksize=(1, 1)),
    "int64": lambda X: sparse.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape
    ),
    "unsorted": _unsorted,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_fit_of_the_array(data, name):
    S, y = data
    X = FORMATS[name](S)
    if name != "coo":
        for part in (X.data, X.indices, X.indptr):
            part.setflags(write=False)
    before = X.copy()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    dense = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(S.toarray(), y)
    assert_allclose(glm.coef_, dense.coef_, rtol=1e-9, atol=1e-11)
    assert_allclose(glm.predict(X), dense.predict(S.toarray()), rtol=1e-9)
    assert_allclose(glm.score(X, y), dense.score(S.toarray(), y), rtol=1e-9)
    assert X.nnz == before.nnz
    assert abs(X - before).max() == 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_entries_of_one_place_are_one_number(data):
    S, y = data  # what a network clips, and takes for a column of 0 and 1
    sparse_fit, fit = (
        DeepGLMRegressor(
            "poisson", hidden_layer_sizes=(3,), max_iter=5, solver="lbfgs", random_state=0
        ).fit(X, y)
        for X in (_unsorted(S), S.toarray())
    )
    assert_allclose(sparse_fit.input_bounds_, fit.input_bounds_, rtol=1e-9)
    assert_allclose(sparse_fit.predict(_unsorted(S)), fit.predict(S.toarray()), rtol=1e-8)


def test_single_precision_is_read_as_it_is(data):
    S, y = data
    X = S.astype(np.float32)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    dense = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X.toarray(), y)
    assert_allclose(glm.coef_, dense.coef_, rtol=1e-9)
    assert_allclose(glm.predict(X), dense.predict(X.toarray()), rtol=1e-9)


# --------------------------------------------------------------------- fits

GLMS = {
    "newton": {},
    "lbfgs": {"solver": "lbfgs"},
    "newton_cg": {"solver": "newton_cg", "alpha": 0.01},
    "ridge": {"alpha": 0.1, "standardize": True},
    "lasso": {"alpha": 0.03, "l1_ratio": 1.0},
    "no intercept": {"fit_intercept": False},
}
NETWORKS = {
    "lbfgs": {"solver": "lbfgs"},
    "newton_cg": {"solver": "newton_cg", "max_iter": 4},
    "whole batch": {"solver": "adam", "batch_size": 300, "max_iter": 30},
    "skip": {"solver": "lbfgs", "skip_connection": True},
    "skip newton_cg": {"solver": "newton_cg", "skip_connection": True, "max_iter": 4},
    "skip fixed": {"solver": "lbfgs", "skip_connection": "fixed"},
    "skip polished": {
        "batch_size": 300,
        "skip_connection": True,
        "polish_output": True,
        "fit_intercept": False,
    },
    "balanced": {"solver": "lbfgs", "balance": "refit"},
    "columns as given": {"solver": "lbfgs", "standardize": False, "max_iter": 20},
    "groups": {"solver": "lbfgs", "alpha": 0.01, "l1_ratio": 1.0, "group_lasso": True},
    "ensemble": {"solver": "lbfgs", "n_estimators": 2},
}


@pytest.mark.parametrize("asked", GLMS.values(), ids=GLMS)
def test_a_glm_is_that_of_the_array(data, asked):
    S, y = data
    sparse_fit, fit = (
        DeepGLMRegressor("poisson", hidden_layer_sizes=(), **asked).fit(X, y)
        for X in (S, S.toarray())
    )
    assert_allclose(sparse_fit.coef_, fit.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(sparse_fit.deviance_, fit.deviance_, rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("asked", NETWORKS.values(), ids=NETWORKS)
def test_a_network_is_that_of_the_array(data, asked):
    S, y = data
    S = S if asked.get("standardize", True) else S[:, :-1]  # 50 saturates every unit
    sparse_fit, fit = (
        DeepGLMRegressor(
            "poisson", hidden_layer_sizes=(4, 2), random_state=0, **{"max_iter": 8, **asked}
        ).fit(X, y)
        for X in (S, S.toarray())
    )
    eta = fit.linear_predictor(S.toarray())
    assert eta.std() > 0.005
    assert_allclose(sparse_fit.linear_predictor(S), eta, rtol=1e-8, atol=1e-8)
    assert_allclose(sparse_fit.deviance_, fit.deviance_, rtol=1e-9)


@pytest.mark.parametrize("asked", [{}, {"skip_connection": True}, {"early_stopping": True}])
def test_mini_batches_are_those_of_the_array(data, asked):
    S, y = data
    known = {"hidden_layer_sizes": (4,), "batch_size": 64, "max_iter": 5, "random_state": 0}
    weight = np.arange(len(y)) % 3  # some of 0
    sparse_fit, fit = (
        DeepGLMClassifier(**known, **asked).fit(X, np.minimum(y, 2), weight, offset=0.1 * y)
        for X in (S, S.toarray())
    )
    assert_allclose(sparse_fit.predict_proba(S), fit.predict_proba(S.toarray()), atol=1e-5)
    assert_array_equal(sparse_fit.predict(S), fit.predict(S.toarray()))


def test_many_rows_are_sampled_as_those_of_an_array():
    rng = np.random.default_rng(3)
    n = 20_000
    S = sparse.csr_array(one_hot(rng.integers(0, 10, n), 10)[:, 1:])
    y = rng.poisson(np.exp(S @ rng.normal(size=9)))
    S, y = sparse.csr_array(sparse.hstack([S, one_hot(rng.integers(0, 4, n), 4)[:, 1:]])), y
    ours, theirs = (
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y) for X in (S, S.toarray())
    )
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
    assert ours.n_iter_ == theirs.n_iter_


def test_dependent_and_separated_columns_are_found():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 8, 200), rng.integers(0, 5, 200)
    S = sparse.csr_array(sparse.hstack([one_hot(a, 8), one_hot(b, 5)]))  # all levels of both
    y = rng.poisson(1.0, 200) * (a != 3)
    fits = []
    for X in (S, S.toarray()):
        with pytest.warns(RankWarning, match="rank 11 but 13"), pytest.warns(SeparationWarning):
            fits.append(DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y))
    ours, theirs = fits
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-9)
    assert_array_equal(ours.separated_rows_, np.flatnonzero(a == 3))
    assert_array_equal(ours.estimable_coef_, theirs.estimable_coef_)
    forecasts = [
        fit.forecast(X, inference=fit.inference(X, y)).summary_frame()
        for fit, X in zip(fits, (S, S.toarray()), strict=True)
    ]
    assert_allclose(*forecasts, atol=1e-9)


# ---------------------------------------------------------------- inference


def test_inference_is_statsmodels(data):
    S, y = data
    inference = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(S, y).inference(S, y)
    model = sm.GLM(y, sm.add_constant(S.toarray()), family=sm.families.Poisson())
    theirs = model.fit(tol=1e-14, tol_criterion="params")
    assert_allclose(inference.params, theirs.params, rtol=1e-6)
    assert_allclose(inference.bse, theirs.bse, rtol=1e-6)
    assert_allclose(inference.llf, theirs.llf, rtol=1e-12)


def test_results_are_those_of_the_array(data):
    S, y = data
    D = S.toarray()
    fits = [DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y) for X in (S, D)]
    ours, theirs = (fit.inference(X, y) for fit, X in zip(fits, (S, D), strict=True))
    robust = [fit.inference(X, y, cov_type="HC3").bse for fit, X in zip(fits, (S, D), strict=True)]
    assert_allclose(*robust, rtol=1e-8)
    for method, at in (("dydx", "overall"), ("eyex", "overall"), ("dydx", "mean")):
        effects = [results.get_margeff(at, method).summary_frame() for results in (ours, theirs)]
        assert_allclose(*effects, rtol=1e-7, atol=1e-9)
    influence = [results.get_influence().summary_frame() for results in (ours, theirs)]
    assert_allclose(*influence, rtol=1e-6, atol=1e-9)
    ends = [
        fit.predict_interval(X[:20], inference=results)
        for fit, X, results in zip(fits, (S, D), (ours, theirs), strict=True)
    ]
    assert_allclose(*ends)
    smaller = [
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X[:, :8], y).inference(X[:, :8], y)
        for X in (S, D)
    ]
    tests = [a.lr_test(b).statistic for a, b in zip((ours, theirs), smaller, strict=True)]
    assert_allclose(*tests, rtol=1e-9)
    others = S[:, 9:11]
    other = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(others, y)
    with pytest.raises(ValueError, match="no linear combinations"):
        smaller[0].lr_test(other.inference(others, y))
    assert_allclose(fits[0].local_coef(S[:4]), fits[1].local_coef(D[:4]), rtol=1e-9)
    assert_allclose(fits[0].residuals(S, y), fits[1].residuals(D, y), atol=1e-9)


# ------------------------------------------------------------- wide and far


@pytest.fixture(scope="module")
def wide():
    """Levels of three factors, 5,000 columns: 763 MiB as an array."""
    rng = np.random.default_rng(5)
    n, levels = 20_000, np.array([2500, 1500, 1000])
    codes = np.floor(rng.random((n, 3)) * levels).astype(int) + np.array([0, 2500, 4000])
    S = sparse.csr_array((np.ones(3 * n), codes.ravel(), 3 * np.arange(n + 1)), shape=(n, 5000))
    return S, rng.poisson(np.exp(S @ rng.normal(scale=0.3, size=5000)))


def peak_of(call):
    tracemalloc.start()
    try:
        made = call()
        return made, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "asked",
    [
        {"hidden_layer_sizes": (), "alpha": 1e-3},
        {"hidden_layer_sizes": (4,), "alpha": 1e-3, "max_iter": 1},
        {"hidden_layer_sizes": (4,), "alpha": 1e-3, "max_iter": 3, "solver": "lbfgs"},
    ],
    ids=["glm", "adam", "lbfgs"],
)
def test_memory_is_that_of_the_entries(wide, asked):
    S, y = wide
    array = 8 * S.shape[0] * S.shape[1]
    model = DeepGLMRegressor("poisson", random_state=0, **asked)
    _, of_fit = peak_of(lambda: model.fit(S, y))
    _, of_predict = peak_of(lambda: model.predict(S))
    assert of_fit < array / 40
    assert of_predict < array / 100
    assert model.deviance_ < model.null_deviance_
    if not asked["hidden_layer_sizes"]:
        assert model.solver_ == "newton_cg"


@pytest.mark.filterwarnings("ignore::glmnet_nn.RankWarning")
def test_dependent_columns_are_mixed_a_block_at_a_time():
    rng = np.random.default_rng(6)
    n, p = 20_000, 160
    S = sparse.csr_array(sparse.hstack([one_hot(rng.integers(0, 80, n), 80) for _ in range(2)]))
    y = rng.normal(size=n)
    glm, peak = peak_of(lambda: DeepGLMRegressor(hidden_layer_sizes=()).fit(S, y))
    assert glm.rank_ == p - 2
    assert peak < 0.6 * (8 * n * p)


def test_the_prior_of_many_columns_is_nearly_that_of_few(wide, monkeypatch):
    S, y = wide
    S, y = S[:3000, 2500:2560], y[:3000].astype(float)[:, None]
    X = ShiftedSparse(sparse.csr_array(S))
    rows = Rows(X, y, np.ones(len(y)))
    inputs = standardized(X, rows.weight)
    exact = PreliminaryGLM.of(rows, inputs, Normal())
    counted = overdispersion(rows, inputs, Poisson())
    monkeypatch.setattr("glmnet_nn.training.preliminary.MOST_COLUMNS", 10)
    monkeypatch.setattr("glmnet_nn.training.preliminary._MANY", 10)
    rough = PreliminaryGLM.of(rows, inputs, Normal())
    assert rough.has_many
    assert not exact.has_many
    assert_allclose(rough.solved().value, exact.solved().value, rtol=1e-8)
    assert_allclose(overdispersion(rows, inputs, Poisson()), counted, rtol=0.01)


def test_what_cannot_be_done_is_said(data):
    S, y = data
    many = sparse.csr_array((20, 10_001))
    few = np.arange(20) % 2
    with pytest.raises(ValueError, match="alpha > 0"):
        DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(many, few)
    with pytest.raises(ValueError, match="skip_connection=False"):
        DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), skip_connection=True).fit(many, few)
    with pytest.raises(ValueError, match="architecture='dense'"):
        DeepGLMRegressor("poisson", architecture="local").fit(S, y)
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        DeepGLMRegressor("poisson", hidden_layer_sizes=(2,)).fit_for_inference(S, y)
    network = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), max_iter=2).fit(S, y)
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        network.inference(S, y)
    results = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(S, y).inference(S, y)
    with pytest.raises(ValueError, match="at='mean'"):
        results.get_margeff("median")
    with pytest.raises(ValueError, match="Use slopes"):
        results.get_margeff(dummy=True)
    with pytest.raises(ValueError, match="X\\[:100\\]"):
        results.local_coef()
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        nonlinearity_test(DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(S, y), S, y)
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        to_statsmodels(DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(S, y), S, y)
    with pytest.raises(TypeError, match=r"toarray\(\)"):
        local_importance(network, S)
    broken = S.copy()
    broken.data[3] = np.nan
    place = rf"NaN, stored in 1 columns, .*: {broken.tocoo().col[3]} \(1\)\. .*is for tables"
    for call in (
        lambda: DeepGLMRegressor("poisson", missing="indicator").fit(broken, y),
        lambda: network.predict(broken),
    ):
        with pytest.raises(ValueError, match=place):
            call()
    with pytest.raises(ValueError, match="14 features"):
        network.predict(S[:, :14])
