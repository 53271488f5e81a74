"""The path is at its optimum everywhere: by its conditions, and beside other programs."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor, enet_path

from families import Bernoulli, Gamma, Multinoulli, NegativeBinomial, Normal, Poisson, Tweedie
from glmnet_nn import DeepGLMRegressor, elastic_net_path

RNG = np.random.default_rng(0)
N, P = 300, 8
X = RNG.standard_normal((N, P)) @ (np.eye(P) + 0.4) * 3.0 ** RNG.uniform(-1, 1, P) + 0.5
ETA = (X - X.mean(axis=0)) @ (RNG.standard_normal(P) * [1, 0, 1, 0, 1, 1, 0, 0]) / 8
CLASSES = (np.c_[ETA, -ETA, 0.5 * ETA**2] + RNG.gumbel(size=(N, 3))).argmax(axis=1)
WEIGHT = RNG.uniform(0.2, 3.0, N)
Y = {
    "normal": ETA + RNG.standard_normal(N),
    "bernoulli": (RNG.random(N) < 1 / (1 + np.exp(-ETA))).astype(float),
    "poisson": RNG.poisson(np.exp(ETA)).astype(float),
    "gamma": RNG.gamma(2.0, np.exp(ETA)),
    "inverse_gaussian": RNG.wald(np.exp(ETA), 2.0),
    "tweedie": RNG.gamma(2.0, np.exp(ETA)) * (RNG.random(N) < 0.7),
    "negative_binomial": RNG.poisson(np.exp(ETA) * RNG.gamma(1.0, size=N)).astype(float),
    "multinoulli": np.eye(3)[CLASSES],
}
PAIRS = [
    ("normal", "auto"),
    ("bernoulli", "auto"),
    ("bernoulli", "probit"),
    ("bernoulli", "cloglog"),
    ("poisson", "auto"),
    ("poisson", "sqrt"),
    ("gamma", "log"),
    ("gamma", "auto"),
    ("inverse_gaussian", "log"),
    ("tweedie", "log"),
    ("negative_binomial", "log"),
    ("multinoulli", "auto"),
]


def objective(path, X, y, weight=None, offset=0.0, standardize=True, center=True):
    """Return F and the largest violation of its conditions of optimality at every alpha.

    In plain numpy, from the coefficients for X as given: shares nothing with the solver.
    """
    X = X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=float)
    y = np.asarray(y, dtype=float).reshape(len(X), -1)
    v = np.full(len(X), 1 / len(X)) if weight is None else weight / weight.sum()
    middle = v @ X if center else np.zeros(X.shape[1])
    spread = np.sqrt(v @ np.square(X - middle))
    spread[spread == 0] = 1.0
    if not standardize:
        spread[:] = 1.0
    slopes = path.coefs.reshape(-1, *path.coefs.shape[-2:])
    intercepts = path.intercepts.reshape(len(slopes), -1)
    values, violations = [], []
    for k, alpha in enumerate(path.alphas):
        B = slopes[:, :, k]
        eta = X @ B.T + intercepts[:, k] + np.reshape(offset, (-1, 1))
        error = path.family.error(y, eta) * v[:, None]
        l1, l2, beta = alpha * path.l1_ratio, alpha * (1 - path.l1_ratio), B * spread
        slope = error.T @ ((X - middle) / spread) + l2 * beta
        inside = np.maximum(np.abs(slope) - l1, 0.0)
        violations.append(np.where(beta != 0, np.abs(slope + l1 * np.sign(beta)), inside).max())
        if center:
            violations[-1] = max(violations[-1], np.abs(error.sum(axis=0)).max())
        loss = path.family.loss(y, eta).reshape(len(X), -1).sum(axis=1)
        values.append(v @ loss + l1 * np.abs(beta).sum() + l2 / 2 * np.square(beta).sum())
    return np.array(values), np.array(violations)


# ------------------------------------------------------- conditions of optimality


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3, 0.0])
@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_every_point_is_optimal(family, link, l1_ratio):
    path = elastic_net_path(
        X, Y[family], family=family, link=link, l1_ratio=l1_ratio, n_alphas=25, tol=1e-14
    )
    values, violations = objective(path, X, Y[family])
    assert path.converged.all()
    assert np.all(violations <= 1e-5 * path.alphas[0] * max(l1_ratio, 1e-3))
    assert np.all(np.diff(values) <= 1e-12), "a weaker penalty has the lower minimum"


@pytest.mark.parametrize("family", ["normal", "bernoulli", "poisson", "multinoulli"])
def test_a_loose_tolerance_is_kept_in_the_objective(family):
    """F is within tol of the minimum, over F of the null model, as documented."""
    tight = elastic_net_path(X, Y[family], family=family, n_alphas=30, tol=1e-14)
    least = objective(tight, X, Y[family])[0]
    for tol in (1e-4, 1e-7, 1e-9):
        loose = elastic_net_path(X, Y[family], family=family, n_alphas=30, tol=tol)
        above = objective(loose, X, Y[family])[0] - least
        assert np.all(above <= tol * least[0])


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli", "multinoulli"])
def test_weights_offset_and_no_intercept(family):
    rng = np.random.default_rng(1)
    offset = rng.normal(scale=0.3, size=N)
    path = elastic_net_path(
        X,
        Y[family],
        family=family,
        sample_weight=WEIGHT,
        offset=offset,
        fit_intercept=False,
        standardize=False,
        n_alphas=15,
        tol=1e-13,
    )
    assert not path.intercepts.any()
    violations = objective(path, X, Y[family], WEIGHT, offset, standardize=False, center=False)[1]
    assert np.all(violations <= 1e-5 * path.alphas[0])


def test_the_top_of_the_path_is_the_null_model_and_no_more():
    for family in ("normal", "poisson", "bernoulli", "multinoulli"):
        path = elastic_net_path(X, Y[family], family=family, n_alphas=40)
        assert path.df[0] == 0
        assert path.df[1] > 0
        assert path.deviance_ratio[0] == pytest.approx(0.0, abs=1e-12)
        null = elastic_net_path(X, Y[family], family=family, alphas=[2 * path.alphas[0]])
        assert null.df[0] == 0


# --------------------------------------------------------------- other programs


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_normal_is_scikit_learns_path(l1_ratio):
    D, y = load_diabetes(return_X_y=True, scaled=False)
    Z = (D - D.mean(axis=0)) / D.std(axis=0)
    ours = elastic_net_path(D, y, l1_ratio=l1_ratio, tol=1e-14)
    _, theirs, _ = enet_path(
        Z, y - y.mean(), l1_ratio=l1_ratio, alphas=ours.alphas, tol=1e-13, max_iter=100_000
    )
    np.testing.assert_allclose(ours.coefs * D.std(axis=0)[:, None], theirs, atol=1e-5)
    assert ours.alphas[0] * l1_ratio == pytest.approx(np.abs(Z.T @ (y - y.mean())).max() / len(y))


def mixed(l1_ratio):
    """Return how LogisticRegression is told of it; before scikit-learn 1.8 in two words."""
    named = LogisticRegression().penalty != "deprecated"
    return {"l1_ratio": l1_ratio} | ({"penalty": "elasticnet"} if named else {})


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_bernoulli_is_scikit_learns_logistic_regression(l1_ratio):
    y = Y["bernoulli"]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    ours = elastic_net_path(
        Z, y, family="bernoulli", l1_ratio=l1_ratio, alphas=[0.02, 0.004], tol=1e-12
    )
    values = objective(ours, Z, y)[0]
    for k, alpha in enumerate(ours.alphas):
        theirs = LogisticRegression(
            solver="saga", C=1 / (alpha * len(y)), tol=1e-8, max_iter=20_000, **mixed(l1_ratio)
        ).fit(Z, y)
        b = theirs.coef_[0]
        eta = Z @ b + theirs.intercept_
        F = np.mean(Bernoulli().loss(y, eta)) + alpha * (
            l1_ratio * np.abs(b).sum() + (1 - l1_ratio) / 2 * b @ b
        )
        assert values[k] == pytest.approx(F, abs=1e-6)
        assert values[k] <= F + 1e-9


def test_multinoulli_is_scikit_learns_logistic_regression():
    D, y = load_iris(return_X_y=True)
    Z = (D - D.mean(axis=0)) / D.std(axis=0)
    onehot = np.eye(3)[y]
    alpha = 0.02
    ours = elastic_net_path(Z, onehot, family="multinoulli", l1_ratio=0.7, alphas=[alpha])
    theirs = LogisticRegression(
        solver="saga", C=1 / (alpha * len(y)), tol=1e-9, max_iter=50_000, **mixed(0.7)
    ).fit(Z, y)
    B = theirs.coef_
    F = np.mean(Multinoulli().loss(onehot, Z @ B.T + theirs.intercept_)) + alpha * (
        0.7 * np.abs(B).sum() + 0.15 * np.square(B).sum()
    )
    assert objective(ours, Z, onehot)[0][0] == pytest.approx(F, abs=1e-6)
    np.testing.assert_allclose(ours.coefs[:, :, 0], B, atol=1e-3)


def test_a_ridge_is_scikit_learns_poisson_regressor():
    rng = np.random.default_rng(1)
    exposure = rng.uniform(0.2, 1.0, N)
    ours = elastic_net_path(
        X,
        Y["poisson"],
        family="poisson",
        exposure=exposure,
        l1_ratio=0,
        alphas=[0.1],
        standardize=False,
        tol=1e-14,
    )
    theirs = PoissonRegressor(
        alpha=0.1 * N / exposure.sum(), solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(X, Y["poisson"] / exposure, sample_weight=exposure)
    np.testing.assert_allclose(ours.coefs[:, 0], theirs.coef_, atol=1e-7)


@pytest.mark.parametrize("family", [Poisson(), Bernoulli(), Gamma("log"), Tweedie("log")])
def test_glum(family):
    glum = pytest.importorskip("glum")
    y = Y[family.name]
    ours = elastic_net_path(X, y, family=family, l1_ratio=0.6, n_alphas=12, standardize=False)
    values = objective(ours, X, y, standardize=False)[0]
    law = {"bernoulli": "binomial", "tweedie": glum.TweedieDistribution(1.5)}
    for k, alpha in enumerate(ours.alphas[1:], start=1):
        theirs = glum.GeneralizedLinearRegressor(
            family=law.get(family.name, family.name),
            link="log" if family.link_name == "log" else "auto",
            alpha=alpha,
            l1_ratio=0.6,
            gradient_tol=1e-9,
            max_iter=1000,
        ).fit(X, y)
        eta = X @ theirs.coef_ + theirs.intercept_
        b = theirs.coef_
        F = np.mean(family.loss(y, eta)) + alpha * (0.6 * np.abs(b).sum() + 0.2 * b @ b)
        assert values[k] == pytest.approx(F, abs=1e-6)


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli"])
def test_one_point_is_the_network_without_hidden_layers(family):
    path = elastic_net_path(X, Y[family], family=family, l1_ratio=0.5, alphas=[0.05], tol=1e-14)
    model = DeepGLMRegressor(
        family, hidden_layer_sizes=(), alpha=0.05, l1_ratio=0.5, standardize=True, tol=1e-9
    ).fit(X, Y[family])
    np.testing.assert_allclose(path.coefs[:, 0], model.coef_, atol=1e-6)
    assert path.deviance[0] == pytest.approx(model.deviance_)
    assert path.null_deviance == pytest.approx(model.null_deviance_)


def test_without_a_penalty_it_is_the_maximum_likelihood_estimate():
    path = elastic_net_path(X, Y["poisson"], family="poisson", alphas=[0.0], tol=1e-15)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, Y["poisson"])
    np.testing.assert_allclose(path.coefs[:, 0], model.coef_, atol=1e-7)


# ----------------------------------------------------------------- hard designs


def _hard_designs():
    rng = np.random.default_rng(0)
    near = X[:, :3] + 1e-7 * rng.standard_normal((N, 3))
    yield "collinear", np.c_[X, X[:, :3], X[:, 0] + X[:, 1], np.ones(N)]
    yield "nearly", np.c_[X, near]
    yield "unscaled", X * 10.0 ** rng.uniform(-7, 7, P) + 10.0 ** rng.uniform(-5, 5, P)


@pytest.mark.parametrize(("name", "design"), list(_hard_designs()))
@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli", "multinoulli"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_hard_designs_reach_the_optimum(name, design, family, l1_ratio):
    path = elastic_net_path(
        design, Y[family], family=family, l1_ratio=l1_ratio, n_alphas=12, tol=1e-14
    )
    assert path.converged.all()
    violations = objective(path, design, Y[family])[1]
    assert np.all(violations <= 1e-5 * path.alphas[0] * max(l1_ratio, 1e-3))
    if name == "unscaled":
        plain = elastic_net_path(
            X, Y[family], family=family, l1_ratio=l1_ratio, n_alphas=12, tol=1e-14
        )
        np.testing.assert_allclose(path.deviance_ratio, plain.deviance_ratio, atol=1e-5)


@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_columns_of_any_size_with_the_penalty_on_them_as_given(family):
    """F to its minimum: that of another solver, from another start, is not lower."""
    design = X * 10.0 ** np.linspace(-3, 3, P)
    path = elastic_net_path(design, Y[family], family=family, standardize=False, n_alphas=8)
    tight = elastic_net_path(
        design, Y[family], family=family, standardize=False, alphas=path.alphas[::-1], tol=1e-15
    )
    above = (
        objective(path, design, Y[family], standardize=False)[0]
        - objective(tight, design, Y[family], standardize=False)[0]
    )
    assert path.converged.all()
    assert np.all(np.abs(above) <= 1e-9)


def test_separated_data_have_finite_coefficients_under_a_penalty():
    y = (ETA > 0).astype(float)
    path = elastic_net_path(X, y, family="bernoulli", n_alphas=30, eps=1e-6, tol=1e-12)
    assert path.converged.all()
    assert np.all(objective(path, X, y)[1] <= 1e-5 * path.alphas[0])
    assert path.deviance_ratio[-1] > 0.999


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli", "multinoulli"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_is_dense(family, standardize, layout):
    S = sparse.random_array((N, 20), density=0.1, rng=np.random.default_rng(1), format=layout)
    options = {"family": family, "standardize": standardize, "n_alphas": 12, "tol": 1e-13}
    lean = elastic_net_path(S, Y[family], sample_weight=WEIGHT, **options)
    full = elastic_net_path(S.toarray(), Y[family], sample_weight=WEIGHT, **options)
    np.testing.assert_allclose(lean.coefs, full.coefs, atol=1e-8)
    np.testing.assert_allclose(lean.linear_predictor(S), full.linear_predictor(S.toarray()))


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli", "multinoulli"])
def test_more_columns_than_rows(family):
    wide = np.random.default_rng(2).standard_normal((60, 200))
    y = Y[family][:60]
    path = elastic_net_path(wide, y, family=family, n_alphas=30, tol=1e-12)
    assert path.converged.all()
    assert np.all(objective(path, wide, y)[1] <= 1e-5 * path.alphas[0])


def test_what_is_not_reached_is_said():
    with pytest.warns(ConvergenceWarning, match="minimum was not reached"):
        path = elastic_net_path(X, Y["poisson"], family="poisson", n_alphas=10, max_iter=1)
    assert not path.converged.all()
    above = objective(path, X, Y["poisson"])[0]
    tight = elastic_net_path(X, Y["poisson"], family="poisson", alphas=path.alphas)
    least = objective(tight, X, Y["poisson"])[0]
    assert np.all((above - least)[path.converged] <= 1e-9 * least[0])
    counts = np.random.default_rng(7).poisson(np.exp(np.clip(2 * ETA, None, 4)))
    with pytest.warns(ConvergenceWarning):  # the least F is where some mean is at its end, 0
        path = elastic_net_path(X, counts, family="poisson", link="identity", n_alphas=10)
    assert not path.converged.all()


@pytest.mark.parametrize(
    ("family", "link"), [("bernoulli", "log"), ("tweedie", "identity")], ids=["log", "identity"]
)
def test_rows_at_the_end_of_a_link_are_no_storm_of_warnings(family, link):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 6))
    counts = rng.poisson(rng.uniform(0.2, 2.0, 150) * np.exp(0.3 * X[:, 0] - 0.2 * X[:, 1]))
    sizes = np.exp(0.1 * X[:, 0]) * rng.gamma(3.0, 1 / 3, 150)
    y = {"bernoulli": np.minimum(counts, 1), "tweedie": np.where(counts, sizes, 0.0)}[family]
    with pytest.warns(ConvergenceWarning) as said:
        path = elastic_net_path(X, y, family=family, link=link, l1_ratio=0.5, n_alphas=20)
    assert len(said) == 1
    assert np.isfinite(path.coefs).all()


# --------------------------------------------------------------------- results


def test_to_frame_and_names():
    frame = pd.DataFrame(X[:, :2], columns=["age", "power"])
    table = elastic_net_path(frame, Y["poisson"], family="poisson", n_alphas=5).to_frame()
    assert table.index.name == "alpha"
    assert [*table] == ["deviance_ratio", "df", "converged", "Intercept", "age", "power"]
    path = elastic_net_path(X, Y["multinoulli"], family="multinoulli", n_alphas=5)
    table = path.to_frame()
    np.testing.assert_array_equal(table["2", "x1"], path.coefs[2, 1])
    assert table["", "df"].tolist() == path.df.tolist()


def test_alphas_fall_whatever_their_order():
    path = elastic_net_path(X, Y["normal"], alphas=[0.01, 1.0, 0.1])
    assert path.alphas.tolist() == [1.0, 0.1, 0.01]
    assert path.nearest(0.09) == 1


def test_nothing_is_mutated_and_the_form_of_the_input_does_not_matter():
    fixed, y = X.astype(np.float32), Y["poisson"].copy()
    fixed.setflags(write=False)
    y.setflags(write=False)
    one = elastic_net_path(fixed, y, family="poisson", n_alphas=5)
    two = elastic_net_path(fixed.astype(float), y.tolist(), family="poisson", n_alphas=5)
    np.testing.assert_allclose(one.coefs, two.coefs)


def test_weights_are_repeated_rows_and_zero_is_no_row():
    times = np.random.default_rng(3).integers(0, 3, N)
    one = elastic_net_path(X, Y["bernoulli"], family="bernoulli", sample_weight=times, n_alphas=9)
    rows = np.repeat(np.arange(N), times)
    two = elastic_net_path(X[rows], Y["bernoulli"][rows], family="bernoulli", n_alphas=9)
    np.testing.assert_allclose(one.alphas, two.alphas)
    np.testing.assert_allclose(one.coefs, two.coefs, atol=1e-9)
    np.testing.assert_allclose(one.deviance, two.deviance)


def test_binomial_counts_are_weighted_shares():
    trials = np.random.default_rng(4).integers(1, 9, N)
    wins = np.random.default_rng(5).binomial(trials, 0.3)
    counts = np.c_[wins, trials - wins]
    one = elastic_net_path(X, counts, family="binomial", n_alphas=6)
    two = elastic_net_path(X, wins / trials, family="bernoulli", sample_weight=trials, n_alphas=6)
    np.testing.assert_allclose(one.coefs, two.coefs, atol=1e-12)


def test_digits_survive_a_large_mean():
    path = elastic_net_path(X, Y["normal"] + 1e9, n_alphas=6)
    plain = elastic_net_path(X, Y["normal"], n_alphas=6)
    np.testing.assert_allclose(path.coefs, plain.coefs, atol=1e-6)
    np.testing.assert_allclose(path.deviance, plain.deviance, rtol=1e-6)
    wide = np.random.default_rng(2).standard_normal((60, 90))
    path = elastic_net_path(wide, Y["normal"][:60] + 1e9, n_alphas=6)
    plain = elastic_net_path(wide, Y["normal"][:60], n_alphas=6)
    np.testing.assert_allclose(path.coefs, plain.coefs, atol=1e-5)


def test_digits_of_a_deviance_survive_a_nearly_perfect_fit():
    rng = np.random.default_rng(1)
    y = X @ np.arange(P) + 1e-7 * rng.standard_normal(N)
    path = elastic_net_path(X, y, alphas=[1e-12], tol=1e-15)
    residual = y - path.linear_predictor(X)[:, 0]
    assert path.deviance[0] == pytest.approx(residual @ residual, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l1_ratio": 1.5}, "l1_ratio must be in"),
        ({"alphas": [0.1, -1.0]}, "alphas must be"),
        ({"alphas": []}, "alphas must be"),
        ({"eps": 2.0}, "eps must be"),
        ({"n_alphas": 0}, "n_alphas must be"),
        ({"tol": 0.0}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"family": "poisson", "y": -Y["poisson"] - 1}, "Poisson needs y >= 0"),
        ({"y": np.c_[Y["normal"], Y["normal"]]}, "one output"),
        ({"family": "multinoulli"}, "row of probabilities"),
        ({"y": np.ones(N)}, "varies with no column"),
        ({"exposure": np.ones(N)}, "needs the log link"),
        ({"family": "gamma", "y": Y["gamma"], "fit_intercept": False}, "no finite loss"),
        ({"X": np.where(X > 3, np.nan, X)}, "NaN"),
        ({"sample_weight": np.zeros(N)}, "zero"),
        ({"X": X * 1e200}, "squares can be added"),
        ({"X": sparse.csr_array(X * 1e200)}, "squares can be added"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    given = {"X": X, "y": Y["normal"], **change}
    with pytest.raises(ValueError, match=message):
        elastic_net_path(given.pop("X"), given.pop("y"), **given)


def test_a_law_to_be_estimated_is_refused():
    law = NegativeBinomial(alpha="estimate")
    with pytest.raises(ValueError, match="estimate"):
        elastic_net_path(X, Y["poisson"], family=law)


def test_no_warning_leaks_from_the_inner_solver():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        elastic_net_path(np.c_[X, X], Y["normal"], family=Normal(), n_alphas=20)
