"""glm_to_net_path(): the GLM at its end, and what is said of each strength."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import LeaveOneOut, ShuffleSplit

from families import NegativeBinomial
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, glm_to_net_path
from glmnet_nn.comparison.means import unit_deviances
from glmnet_nn.estimators._degrees import degrees_of_freedom
from glmnet_nn.nesting import NetworkPathDisplay

mpl.use("Agg")


def data(n=240, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    exposure = rng.uniform(0.5, 2.0, n)
    mean = np.exp(0.3 * X["a"] + 1.2 * np.abs(X["b"]) - 0.5)
    return X, rng.poisson(mean * exposure).astype(float), rng.uniform(0.5, 2, n), exposure


NET = DeepGLMRegressor("poisson", hidden_layer_sizes=(4,), solver="lbfgs", random_state=0)


@pytest.fixture(scope="module")
def path():
    X, y, weight, exposure = data()
    given = {"sample_weight": weight, "exposure": exposure}
    return glm_to_net_path(NET, X, y, cv=3, n_strengths=4, **given)


def test_its_end_is_the_glm(path):
    X, y, weight, exposure = data()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    glm.fit(X, y, sample_weight=weight, exposure=exposure)
    for model in path.models[:2]:  # infinity, and the largest strength of the grid
        assert_allclose(model.linear_predictor(X), glm.linear_predictor(X), rtol=1e-10)
    assert path.table.index[0] == np.inf
    assert_array_equal(path.table["is_glm"].iloc[:3], [True, True, False])
    assert_allclose(path.table["df"].iloc[0], 4.0, rtol=1e-9)
    assert_array_equal(path.table["n_inputs"], [0, 0, 3, 3, 3])


def test_a_weaker_penalty_fits_better_and_uses_more(path):
    table = path.table
    assert np.all(np.diff(table["train_deviance"]) <= 1e-9)
    assert np.all(np.diff(table["df"]) >= -1e-6)
    assert_allclose(table["balance"], 1.0, rtol=1e-5)
    assert_allclose(table["alpha"].iloc[2:] / table.index[2:], table["alpha"].iloc[-1] * 10)


def test_deviances_are_those_of_the_models(path):
    X, y, weight, exposure = data()
    for model, deviance in zip(path.models, path.table["train_deviance"], strict=True):
        mu = model.predict(X, exposure=exposure)
        each = unit_deviances(model.family_, y[:, None], mu[:, None])
        assert_allclose(deviance, np.average(each, weights=weight))


def test_validation_is_of_rows_out_of_the_fold(path):
    X, y, weight, exposure = data()
    total = 0.0
    for fold in np.array_split(np.arange(len(y)), 3):
        rest = np.setdiff1d(np.arange(len(y)), fold)
        glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(
            X.iloc[rest], y[rest], sample_weight=weight[rest], exposure=exposure[rest]
        )
        mu = glm.predict(X.iloc[fold], exposure=exposure[fold])
        total += weight[fold] @ unit_deviances(glm.family_, y[fold, None], mu[:, None])
    assert_allclose(path.table["validation_deviance"].iloc[0], total / weight.sum())


def test_the_rule_of_one_standard_error(path):
    table = path.table
    best = table["validation_deviance"].min()
    assert table.loc[path.strength_min, "validation_deviance"] == best
    within = table["validation_deviance"] <= best + table.loc[path.strength_min, "se"]
    assert path.strength_1se == table.index[within].max()
    assert path.strength == path.strength_1se
    assert path.best_estimator is path.models[list(table.index).index(path.strength)]
    assert "strength" in repr(path)


def test_the_network_is_found_where_it_is_needed(path):
    assert not path.table.loc[path.strength_min, "is_glm"]
    glm = path.table["validation_deviance"].iloc[0]
    assert path.table["validation_deviance"].min() < 0.85 * glm


def test_folds_in_parallel_are_the_same():
    X, y, weight, exposure = data()
    given = {"sample_weight": weight, "exposure": exposure, "cv": 3, "strengths": [2.0]}
    one, two = (glm_to_net_path(NET, X, y, n_jobs=jobs, **given) for jobs in (None, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def test_columns_leave_the_network():
    X, y, *_ = data(n=400)
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(4,), alpha=0.01, l1_ratio=0.9, group_lasso=True,
        random_state=0,
    )  # fmt: skip
    found = glm_to_net_path(net, X, y, cv=2, strengths=[6.0, 0.25], rule="min")
    assert found.table["n_inputs"].iloc[1] < 3
    assert found.table["n_inputs"].iloc[2] >= 1
    assert found.models[1].coefs_[0][1].any()  # b, whose effect is not linear
    assert found.models[1].coef_[0] != 0.0


def test_classes_and_rows_without_weight():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    labels = np.where(np.abs(X[:, 0]) > 0.8, "far", "near")
    labels[rng.random(150) < 0.1] = "near"
    weight = np.r_[np.zeros(30), np.ones(120)]
    net = DeepGLMClassifier(hidden_layer_sizes=(3,), random_state=0)
    found = glm_to_net_path(net, X, labels, sample_weight=weight, cv=3, strengths=[0.5])
    assert found.table["validation_deviance"].iloc[1] < found.table["validation_deviance"].iloc[0]
    assert_allclose(found.table["df"].iloc[0], 3.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_folds_of_one_row_and_impossible_means():
    """Neither leaves the rule without a choice."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(24, 1)))
    y = rng.poisson(1 + X[:, 0]).astype(float)
    net = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0, max_iter=9)
    found = glm_to_net_path(net, X, y, cv=LeaveOneOut(), strengths=[1.0])
    assert np.isfinite(found.table["se"]).all()
    assert found.strength in found.table.index
    y = np.round(10 * X[:, 0])
    y[0], X[0] = 1.0, -0.3  # without this row the mean at it is below 0
    line = DeepGLMRegressor("poisson", link="identity", hidden_layer_sizes=(2,), random_state=0)
    found = glm_to_net_path(line, X, y, cv=2, strengths=[100.0])
    assert found.table["validation_deviance"].iloc[0] == np.inf
    assert found.strength in found.table.index


def test_degrees_of_freedom():
    """A ridge GLM's are sum d / (d + n alpha), d the eigenvalues of X'X (Hastie et al. 3.50)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)) * [1.0, 2.0, 0.1, 5.0]
    y = X @ [1.0, 0.5, 0.0, 0.1] + rng.normal(size=50)
    ridge = DeepGLMRegressor(hidden_layer_sizes=(), alpha=0.3).fit(X, y)
    d = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
    assert_allclose(degrees_of_freedom(ridge, X, y), 1 + (d / (d + 50 * 0.3)).sum(), rtol=1e-9)
    lasso = DeepGLMRegressor(hidden_layer_sizes=(), alpha=0.2, l1_ratio=1.0).fit(X, y)
    kept = np.count_nonzero(lasso.coef_)
    assert 0 < kept < 4
    assert_allclose(degrees_of_freedom(lasso, X, y), 1 + kept, rtol=1e-9)


def test_degrees_of_freedom_of_groups():
    """The divergence sum_i d mu_i / d y_i of the fit, by differences."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    Y = np.column_stack([X[:, 1], X[:, 2]]) + rng.normal(size=(30, 2))
    model = DeepGLMRegressor(
        hidden_layer_sizes=(), alpha=0.2, l1_ratio=0.8, group_lasso=True, tol=1e-10
    )
    found = degrees_of_freedom(model.fit(X, Y), X, Y)
    divergence = 0.0
    for at in np.ndindex(Y.shape):
        step = np.zeros(Y.shape)
        step[at] = 1e-4
        up, down = (model.fit(X, Y + sign * step).predict(X)[at] for sign in (1, -1))
        divergence += (up - down) / 2e-4
    assert_allclose(found, divergence, rtol=1e-6)


def test_degrees_of_freedom_with_beta_held():
    """From the hat matrices: H of the GLM, and S of the network around it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    X = (X - X.mean(axis=0)) / X.std(axis=0)  # what the penalty sees
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=60)
    asked = {"hidden_layer_sizes": (3,), "skip_connection": "fixed", "random_state": 0}
    model = DeepGLMRegressor(alpha=0.01, **asked).fit(X, y)
    O, v = np.tanh(X @ model.coefs_[0] + model.intercepts_[0]), model.coefs_[1][:, 0]
    P = v * (1 - O**2)
    J = np.column_stack([(P[:, :, None] * X[:, None, :]).reshape(60, 9), P, O, np.ones(60)])
    ridge = 60 * 0.01 * np.diag([1.0] * 9 + [0.0] * 3 + [1.0] * 3 + [0.0])
    S = J @ np.linalg.solve(J.T @ J + ridge, J.T)
    G = np.column_stack([X, np.ones(60)])
    H = G @ np.linalg.pinv(G)
    expected = np.trace(H + S @ (np.eye(60) - H))
    assert model.deviance_ < 0.5 * np.square(y - H @ y).sum()
    assert_allclose(degrees_of_freedom(model, X, y), expected, rtol=1e-8)
    model = DeepGLMRegressor(alpha=10.0, **asked).fit(X, y)  # the network is 0
    assert_allclose(degrees_of_freedom(model, X, y), 4.0, rtol=1e-6)


def test_a_figure(path):
    display = path.plot()
    assert isinstance(display, NetworkPathDisplay)
    assert_allclose(display.lines_["train"].get_ydata(), path.table["train_deviance"])
    assert display.lines_["chosen"].get_xdata()[0] == list(path.table.index).index(path.strength)
    assert display.ax_.get_xticklabels()[0].get_text() == "GLM"
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert ("least" in labels) == (path.strength != path.strength_min)
    lowest = (path.table["validation_deviance"] - path.table["se"]).min()
    assert display.ax_.get_ylim()[0] < lowest - 0.1 * np.ptp(display.ax_.get_ylim())
    ax = display.figure_.add_subplot()
    assert NetworkPathDisplay.from_path(path, ax=ax).ax_ is ax
    mpl.pyplot.close(display.figure_)


@pytest.mark.parametrize(
    ("change", "asked", "words"),
    [
        ({"hidden_layer_sizes": ()}, {}, "has none"),
        ({"alpha": 0.0}, {}, "alpha=0"),
        ({"alpha": 0.0}, {"strengths": [1.0]}, "alpha=0"),
        ({"family": NegativeBinomial(alpha="estimate")}, {}, "which each fit would estimate anew"),
        ({}, {"n_strengths": 0}, "n_strengths must be"),
        ({}, {"groups": np.zeros(7)}, "inconsistent numbers of samples"),
        ({}, {"strengths": [1.0], "cv": ShuffleSplit(3)}, "cv must test each row once"),
        ({}, {"strengths": [0.0, 1.0]}, "strengths must be finite"),
        ({}, {"rule": "best"}, "rule must be"),
        ({}, {"exposure": np.zeros(240)}, "exposure must be > 0"),
    ],
)
def test_what_is_refused(change, asked, words):
    X, y, *_ = data()
    net = DeepGLMRegressor(**{"family": "poisson", "hidden_layer_sizes": (2,), **change})
    with pytest.raises(ValueError, match=words):
        glm_to_net_path(net, X, y, **asked)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="DeepGLMRegressor"):
        glm_to_net_path(pd.DataFrame(), [[1.0]], [1.0])
