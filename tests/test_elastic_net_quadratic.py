"""The quadratic problem of one step, and what is relied on of scikit-learn's enet_path."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, enet_path

from glmnet_nn.elastic_net import quadratic
from glmnet_nn.elastic_net.quadratic import minimise


def least_squares(n=60, p=12, dependent=False):
    """Return Q, q, y'y and the data of a least-squares problem."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)) @ (np.eye(p) + 0.5) * 10.0 ** rng.uniform(-2, 2, p)
    if dependent:
        X = np.c_[X, X[:, :2], X[:, 0] + X[:, 2], X[:, 3] * (1 + 1e-9)]
    y = X @ rng.standard_normal(X.shape[1]) / 30 + rng.standard_normal(n)
    return X.T @ X, X.T @ y, y @ y, X, y


def violation(Q, q, l1, l2, w):
    """Return the largest violation of the conditions of optimality."""
    slope = Q @ w - q + l2 * w
    inside = np.maximum(np.abs(slope) - l1, 0.0)
    return np.where(w != 0, np.abs(slope + l1 * np.sign(w)), inside).max()


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("l2", [0.0, 1e-8, 0.3])
@pytest.mark.parametrize("share", [0.5, 0.01, 1e-5])
def test_the_minimum_is_exact(dependent, l2, share):
    Q, q, square, X, _ = least_squares(dependent=dependent)
    l1 = share * np.abs(q).max()
    w, gap = minimise(Q, q, l1, l2, np.zeros(len(q)), square, 1e-12 * square)
    assert gap <= 1e-12 * square
    assert violation(Q, q, l1, l2, w) <= 1e-7 * l1
    if l2 == 0.3 and not dependent:
        y = np.linalg.lstsq(X.T, q, rcond=None)[0]  # X'y = q
        alpha = (l1 + l2) / len(y)
        model = ElasticNet(
            alpha, l1_ratio=l1 / (l1 + l2), fit_intercept=False, tol=1e-14, max_iter=10**6
        )
        np.testing.assert_allclose(w, model.fit(X, y).coef_, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("method", ["_by_support", "_by_faces"])
def test_any_start_leads_there(method):
    """Each way by itself, from the wrong support and the wrong signs."""
    Q, q, square, *_ = least_squares()
    l1 = 0.05 * np.abs(q).max()
    best, _ = minimise(Q, q, l1, 0.0, np.zeros(len(q)), square, 0.0)
    found = 0
    for seed in range(10):
        start = np.random.default_rng(seed).standard_normal(len(q)) * np.abs(best).max()
        w = getattr(quadratic, method)(Q, q, l1, 0.0, start)
        if w is not None:
            found += 1
            assert violation(Q, q, l1, 0.0, w) <= 1e-8 * l1
    assert found >= (10 if method == "_by_faces" else 1)


def test_the_signs_of_a_neighbour_are_repaired():
    """Without coordinate descent: where one coefficient has left and others entered."""
    Q, q, square, *_ = least_squares()
    top = np.abs(q).max()
    w = np.zeros(len(q))
    entered = 0
    for share in 0.7 ** np.arange(1, 25):
        before, (w, _) = w, minimise(Q, q, share * top, 0.0, w, square, 0.0)
        repaired = quadratic._by_support(Q, q, share * top, 0.0, before)
        np.testing.assert_array_equal(repaired, w)
        entered += int(np.count_nonzero(w) > np.count_nonzero(before))
    assert entered > 3


def test_coordinate_descent_alone_bounds_what_is_left(monkeypatch):
    """Where neither of the exact ways answers, the duality gap is a bound."""
    Q, q, square, *_ = least_squares()
    l1 = 0.01 * np.abs(q).max()

    def value(w):
        return w @ Q @ w / 2 - q @ w + l1 * np.abs(w).sum()

    best, _ = minimise(Q, q, l1, 0.0, np.zeros(len(q)), square, 0.0)
    for name in ("_by_support", "_by_faces"):
        monkeypatch.setattr(quadratic, name, lambda *_: None)
    for tol in (1e-2, 1e-4, 1e-6):
        w, gap = minimise(Q, q, l1, 0.0, np.zeros(len(q)), square, tol * square)
        assert value(w) - value(best) <= gap + 1e-12 * square
        assert gap <= tol * square


def test_a_ridge_of_dependent_columns_is_the_shortest():
    Q, q, *_ = least_squares(dependent=True)
    w, _ = minimise(Q, q, 0.0, 0.0, np.zeros(len(q)), 1.0, 0.0)
    np.testing.assert_allclose(Q @ w, q, atol=1e-6 * np.abs(q).max())


def test_scikit_learn_reads_no_more_of_x_and_y_than_we_say():
    """Without checks: the shape of X, and y'y. A row of zeros, and another with the same y'y."""
    Q, q, square, X, y = least_squares()
    alphas = [0.05 * np.abs(q).max()]
    options = {"l1_ratio": 1.0, "precompute": Q, "Xy": q, "tol": 1e-10, "check_input": False}
    row = np.zeros((1, len(q)), order="F")
    _, ours, gap = enet_path(row, np.array([np.sqrt(square)]), alphas=alphas, **options)
    spread = np.array([0.6, -0.8]) * np.sqrt(square)
    _, other, twice = enet_path(
        np.zeros((2, len(q)), order="F"), spread, alphas=[alphas[0] / 2], **options
    )
    _, plain, _ = enet_path(
        np.asfortranarray(X), y, alphas=[alphas[0] / len(y)], l1_ratio=1.0, tol=1e-12
    )
    np.testing.assert_allclose(ours, other, atol=1e-12)
    assert gap[0] == pytest.approx(2 * twice[0], abs=1e-12 * square)
    np.testing.assert_allclose(ours, plain, atol=1e-6)
    assert 0 <= gap[0] <= 1e-10 * square
