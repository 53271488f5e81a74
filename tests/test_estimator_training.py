"""Training as users meet it: seeds, curves, early stopping, warm starts, penalties, weights."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from test_estimator_behaviour import classifier, data, depths, regressor

from glmnet_nn import DeepGLMRegressor


def exact(hidden):
    """The solver that ends at an optimum: one that does not depend on order or repetition."""
    return "lbfgs" if hidden else "auto"


# ------------------------------------------------------------------- training


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("effect", ["product", "square"])
def test_effects_without_a_linear_part_are_found(effect, solver):
    """From output weights 0 the prior drew such networks to the null model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    mu = X[:, 0] * X[:, 1] if effect == "product" else X[:, 0] ** 2
    y = mu + 0.5 * rng.standard_normal(300)
    net = DeepGLMRegressor(solver=solver, random_state=0).fit(X[:200], y[:200])
    assert np.corrcoef(net.predict(X[200:]), mu[200:])[0, 1] > 0.85


@pytest.mark.parametrize("kind", [regressor, classifier])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_random_state(kind, solver):
    X, y, *_ = data()
    y = np.minimum(y, 2)
    options = {"solver": solver, "max_iter": 30, "batch_size": 32, "tol": 1.0}
    one, same, other = (
        kind(**options, random_state=seed).fit(X, y) for seed in (0, np.random.RandomState(0), 1)
    )
    np.testing.assert_array_equal(
        one.coefs_[0], kind(**options, random_state=0).fit(X, y).coefs_[0]
    )
    np.testing.assert_array_equal(one.coefs_[0], same.coefs_[0])
    assert np.abs(one.coefs_[0] - other.coefs_[0]).max() > 1e-3


def test_n_init_keeps_the_best():
    X, y, *_ = data()
    losses = [regressor(n_init=n, hidden=(3,), solver="lbfgs").fit(X, y).loss_ for n in (1, 2, 5)]
    assert losses[0] >= losses[1] >= losses[2]
    assert losses[2] < losses[0]


@pytest.mark.parametrize("kind", [regressor, classifier])
def test_warm_start_continues(kind):
    X, y, *_ = data()
    y = np.minimum(y, 2)
    model = kind(warm_start=True, solver="lbfgs").fit(X, y)
    first, coefs = model.loss_, model.coefs_[0].copy()
    model.set_params(max_iter=5).fit(X, y)
    assert model.n_iter_ <= 3
    assert model.loss_ <= first + 1e-12
    np.testing.assert_allclose(model.coefs_[0], coefs, atol=1e-2)
    cold = kind(warm_start=False, solver="lbfgs").fit(X, y)
    assert cold.n_iter_ > 10


def test_warm_start_of_another_network():
    X, y, *_ = data()
    model = regressor(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start=True.*\(3, 4, 1\).*\(3, 5, 1\).*warm_start="):
        model.set_params(hidden_layer_sizes=(5,)).fit(X, y)
    model.set_params(warm_start=False).fit(X, y)
    assert model.coefs_[0].shape == (3, 5)


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_warm_start_does_not_move_the_optimum(hidden):
    X, y, *_ = data()
    model = regressor(hidden=hidden, warm_start=True, solver=exact(hidden)).fit(X, y)
    again = model.predict(X)
    np.testing.assert_allclose(model.fit(X, y).predict(X), again, rtol=1e-5)


def test_early_stopping():
    X, y, _, weight = data(600)
    parameters = {"early_stopping": True, "max_iter": 400, "n_iter_no_change": 5, "hidden": (16,)}
    model = regressor(**parameters, alpha=0.0, learning_rate_init=0.05).fit(X, y, weight)
    assert model.solver_ == "adam"
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_loss_curve_)
    assert 5 < model.n_iter_ < 400
    best = int(np.argmin(model.validation_loss_curve_))
    assert model.n_iter_ - 1 - best <= 2 * 5
    whole = regressor(hidden=(16,), solver="adam", max_iter=3).fit(X, y)
    assert whole.validation_loss_curve_ == []
    assert len(whole.loss_curve_) == 3


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton_cg", "adam"])
def test_curves(solver):
    X, y, *_ = data()
    model = regressor(hidden=(), solver=solver).fit(X, y)
    assert len(model.loss_curve_) == model.n_iter_ + (solver == "newton")
    assert model.loss_curve_[-1] == pytest.approx(model.loss_, rel=1e-9)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize(
    ("hidden", "solver"), [((), "newton"), ((), "lbfgs"), ((4,), "lbfgs"), ((4,), "newton_cg")]
)
def test_too_few_iterations(hidden, solver):
    X, y, *_ = data()
    with pytest.warns(
        ConvergenceWarning, match=f"{solver} did not converge after 1 iter.*max_iter"
    ):
        model = regressor(hidden=hidden, solver=solver, max_iter=1).fit(X, y)
    assert model.n_iter_ == 1
    assert not model.converged_
    assert np.all(np.isfinite(model.predict(X)))


@pytest.mark.parametrize(
    ("hidden", "n", "expected"),
    [((), 50, "newton"), ((4,), 50, "adam"), ((1,), 5001, "adam")],
)
def test_automatic_solver(hidden, n, expected, capsys):
    X, y, *_ = data(n)
    model = regressor(hidden=hidden, verbose=2, max_iter=100 if expected != "adam" else 1, tol=1e-2)
    model.fit(X, y)
    printed = capsys.readouterr().out
    assert model.solver_ == expected
    assert f"[DeepGLMRegressor] solver={expected}" in printed
    assert printed.count("iteration") == model.n_iter_
    assert f"objective {model.loss_curve_[-1]:.10g}" in printed


def test_silence_by_default(capsys):
    X, y, *_ = data()
    regressor().fit(X, y)
    classifier().fit(X, y > 1)
    out, err = capsys.readouterr()
    assert not out
    assert not err


@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_training_starts_at_the_null_model(family, activation):
    """A rate too small to learn anything leaves the weighted mean (here, of exposed rates)."""
    X, y, exposure, weight = data()
    y = np.minimum(y, 1) if family == "bernoulli" else y
    model = regressor(
        family, solver="adam", max_iter=1, learning_rate_init=1e-12, activation=activation
    ).fit(X, y, weight)
    np.testing.assert_allclose(model.predict(X), np.average(y, weights=weight), rtol=1e-8)
    assert model.deviance_ == pytest.approx(model.null_deviance_, rel=1e-8)
    if family == "poisson":
        model.fit(X, y, weight, exposure=exposure)
        np.testing.assert_allclose(model.predict(X), (weight @ y) / (weight @ exposure), rtol=1e-8)


def test_classes_start_at_their_shares():
    X, y, *_ = data()
    y = np.minimum(y, 2)
    model = classifier(solver="adam", max_iter=1, learning_rate_init=1e-12).fit(X, y)
    shares = np.bincount(y.astype(int)) / len(y)
    np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (len(X), 1)), rtol=1e-8)


# ------------------------------------------------------------ alpha and weights


def test_automatic_alpha():
    """10 phi / sum w with hidden layers, phi of a classical fit; 0 without."""
    X, y, _, weight = data()
    indicator = np.minimum(y, 1)
    binary = regressor("bernoulli", alpha="auto").fit(X, indicator, weight)
    np.testing.assert_allclose(binary.alpha_, [10 / weight.sum()] * 2, rtol=1e-12)
    assert regressor(alpha="auto", hidden=()).fit(X, y, weight).alpha_ == [0.0]
    normal = regressor("normal", alpha="auto").fit(X, y, weight)
    glm = regressor("normal", alpha=0.0, hidden=()).fit(X, y, weight)
    alpha = 10 * glm.dispersion_ / weight.sum()
    spread = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    np.testing.assert_allclose(normal.alpha_, [alpha, alpha / spread], rtol=1e-8)
    classes = classifier(alpha="auto").fit(X, np.minimum(y, 2), weight)
    np.testing.assert_allclose(classes.alpha_, [10 / weight.sum()] * 2, rtol=1e-12)


@depths
@pytest.mark.parametrize("factor", [1e-4, 1e5])
def test_rescaling_y(hidden, factor):
    """alpha="auto": predictions in the new unit, and nothing else."""
    X, y, *_ = data()
    one, other = (regressor("normal", hidden=hidden, alpha="auto") for _ in range(2))
    one.fit(X, y)
    other.fit(X, factor * y)
    atol = 1e-5 * factor * np.abs(y).max()
    np.testing.assert_allclose(other.predict(X), factor * one.predict(X), rtol=1e-5, atol=atol)
    assert other.dispersion_ == pytest.approx(factor**2 * one.dispersion_, rel=1e-5)
    assert other.score(X, factor * y) == pytest.approx(one.score(X, y), rel=1e-5)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("family", "link", "order"),
    [("gamma", "inverse", 2), ("inverse_gaussian", "inverse_squared", 3), ("tweedie", "sqrt", 1.5)],
)
def test_rescaling_y_of_positive_laws(family, link, order, solver):
    """Claims in cents are claims in euros, under links whose eta has a unit too."""
    X, y, *_ = data()
    asked = {"link": link, "hidden": (4,), "alpha": "auto", "solver": solver, "max_iter": 40}
    offset = 0.01 * X[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one = regressor(family, **asked).fit(X, y + 1.0, offset=offset)
        degree = one.family_.link_degree
        other = regressor(family, **asked).fit(X, 1e3 * (y + 1.0), offset=1e3**degree * offset)
    assert one.deviance_ < 0.98 * one.null_deviance_, "it learns"
    np.testing.assert_allclose(other.predict(X), 1e3 * one.predict(X), rtol=1e-6)
    np.testing.assert_allclose(other.loss_, 1e3 ** (2 - order) * one.loss_, rtol=1e-6)


@depths
@pytest.mark.parametrize("factor", [1e-9, 1e9])
@pytest.mark.parametrize("family", ["normal", "poisson"])
def test_weights_times_a_constant(family, hidden, factor):
    X, y, _, weight = data()
    options = {"hidden": hidden, "solver": exact(hidden)}
    one = regressor(family, **options).fit(X, y, weight)
    other = regressor(family, **options).fit(X, y, factor * weight)
    np.testing.assert_allclose(other.predict(X), one.predict(X), rtol=1e-3, atol=1e-3)
    assert other.loss_ == pytest.approx(one.loss_, rel=1e-8)
    assert other.deviance_ == pytest.approx(factor * one.deviance_, rel=1e-4)


@depths
def test_weights_are_repeated_rows(hidden):
    """alpha="auto" too: weights count as repetitions."""
    X, y, *_ = data()
    times = np.random.default_rng(4).integers(0, 4, len(y))
    options = {"hidden": hidden, "solver": exact(hidden), "alpha": "auto"}
    one = regressor(**options).fit(X, y, sample_weight=times)
    other = regressor(**options).fit(np.repeat(X, times, axis=0), y.repeat(times))
    np.testing.assert_allclose(one.alpha_, other.alpha_, rtol=1e-12)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-3)
    assert one.deviance_ == pytest.approx(other.deviance_, rel=1e-5)


def test_alpha_of_each_layer():
    X, y, *_ = data()
    strong = regressor(alpha=[0.0, 100.0], tol=1e-8).fit(X, y)
    assert np.abs(strong.coefs_[1]).max() < 1e-2
    assert strong.alpha_ == [0.0, 100.0]
    assert regressor(alpha=0.3).fit(X, y).alpha_ == [0.3, 0.3]


def test_l1_zeroes_in_a_network():
    X, y, *_ = data()
    options = {"alpha": 0.02, "hidden": (6,), "solver": "lbfgs"}
    model = regressor(l1_ratio=1.0, max_iter=5000, tol=1e-4, **options).fit(X, y)
    zeros = sum(int((W == 0).sum()) for W in model.coefs_)
    assert 0 < zeros < 24
    ridge = regressor(**options).fit(X, y)
    assert all(np.all(W != 0) for W in ridge.coefs_)


def test_standardize_makes_units_irrelevant():
    """With hidden layers the penalty and the start see columns of mean 0 and variance 1."""
    X, y, *_ = data()
    moved = X * [1e3, 1e-2, 1.0] + [5.0, -3.0, 100.0]
    on, on_moved = regressor().fit(X, y), regressor().fit(moved, y)
    np.testing.assert_allclose(on_moved.predict(moved), on.predict(X), rtol=1e-3)
    off = regressor(standardize=False, max_iter=20_000, solver="lbfgs").fit(X, y)
    assert np.abs(off.predict(X) - on.predict(X)).max() > 1e-2


def test_standardize_leaves_columns_of_0_and_1():
    X, y, *_ = data()
    dummies = (X.mean(axis=0) < X).astype(float)
    on = regressor(standardize=True).fit(dummies, y)
    off = regressor(standardize=False).fit(dummies, y)
    np.testing.assert_array_equal(on.predict(dummies), off.predict(dummies))


def test_hidden_layer_sizes_may_be_a_number():
    X, y, *_ = data()
    one, other = (regressor(hidden=hidden).fit(X, y) for hidden in (4, [4]))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_a_network_learns_what_a_glm_cannot():
    X, y, exposure, _ = data(2000)
    scores = [
        regressor(hidden=hidden, alpha="auto").fit(X, y, exposure=exposure).score(
            X, y, exposure=exposure
        )
        for hidden in ((), (8,))
    ]  # fmt: skip
    assert scores[1] > scores[0] + 0.05
