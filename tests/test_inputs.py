"""Scaled inputs: there and back, the rank of a design, and extreme columns."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from glmnet_nn.network import Layout
from glmnet_nn.training.estimability import estimable, moves
from glmnet_nn.training.inputs import Inputs, full_rank, standardized, unscaled

EXTREME = [1e-200, 1e-100, 1e-8, 1.0, 1e8, 1e100, 1e200]


def drawn(n=20, p=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) * 3 + rng.normal(size=p), rng.uniform(0.1, 2.0, n), rng


def dependent(seed=0):
    """Five columns of rank 3: c3 = c0 + c1, c4 = 2 c2."""
    X, weight, rng = drawn(p=3, seed=seed)
    return np.column_stack([X, X[:, 0] + X[:, 1], 2 * X[:, 2]]), weight, rng


# ------------------------------------------------------------- standardised


@pytest.mark.parametrize("center", [True, False])
def test_weighted_mean_is_0_and_mean_square_1(center):
    X, weight, _ = drawn()
    Z = standardized(X, weight, center=center).transform(X)
    share = weight / weight.sum()
    np.testing.assert_allclose(share @ np.square(Z), 1.0, rtol=1e-12)
    if center:
        np.testing.assert_allclose(share @ Z, 0.0, atol=1e-13)


def test_weights_are_repeated_rows():
    X, _, _ = drawn()
    times = np.arange(20) % 3 + 1
    one = standardized(X, times.astype(float))
    two = standardized(np.repeat(X, times, axis=0), np.ones(times.sum()))
    np.testing.assert_allclose(one.center, two.center, rtol=1e-12)
    np.testing.assert_allclose(one.scale, two.scale, rtol=1e-12)


def test_transform_leaves_X_as_it_is():
    X, weight, _ = drawn()
    kept = X.copy()
    standardized(X, weight).transform(X)
    unscaled(4).transform(X)
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, -1e8, 1e200, 1e-200])
@pytest.mark.parametrize("center", [True, False])
def test_constant_column(constant, center):
    X, weight, _ = drawn()
    X[:, 1] = constant
    inputs = standardized(X, weight, center=center)
    Z = inputs.transform(X)
    assert np.all(np.isfinite(Z))
    if center:
        np.testing.assert_array_equal(Z[:, 1], 0.0)
        assert inputs.scale[1] == 1.0
    elif constant:
        np.testing.assert_allclose(np.abs(Z[:, 1]), 1.0, rtol=1e-12)


def test_keep_binary_leaves_nothing_but_0_and_1_as_they_are():
    X, weight, rng = drawn(p=3)
    X[:, 1] = rng.integers(0, 2, 20)
    X[:, 2] = rng.integers(0, 2, 20) * 2
    inputs = standardized(X, weight, keep_binary=True)
    np.testing.assert_array_equal(inputs.transform(X)[:, 1], X[:, 1])
    assert inputs.scale[0] != 1.0
    assert inputs.scale[2] != 1.0
    assert standardized(X, weight).scale[1] != 1.0


@pytest.mark.parametrize("size", EXTREME)
@pytest.mark.parametrize("center", [True, False])
def test_huge_and_tiny_columns_are_columns_like_others(size, center):
    X, weight, _ = drawn()
    plain = standardized(X, weight, center=center).transform(X)
    scaled = X * np.array([size, 1.0, 1.0 / size, 1.0])
    Z = standardized(scaled, weight, center=center).transform(scaled)
    np.testing.assert_allclose(Z, plain, rtol=1e-11, atol=1e-12)


# --------------------------------------------------------- there and back


def cases():
    X, weight, _ = drawn()
    Xd, wd, _ = dependent()
    return {
        "unscaled": (X, unscaled(4)),
        "standardised": (X, standardized(X, weight)),
        "uncentred": (X, standardized(X, weight, center=False)),
        "rank 3 of 5": (Xd, full_rank(standardized(Xd, wd), Xd)),
        "wide": (X[:3], full_rank(standardized(X[:3], weight[:3]), X[:3])),
    }


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("K", [1, 3])
def test_fold_predicts_the_same_and_unfold_is_its_inverse(case, K):
    X, inputs = cases()[case]
    rng = np.random.default_rng(1)
    W, b = rng.normal(size=(K, inputs.rank)), rng.normal(size=K)
    raw, intercept = inputs.fold(W, b)
    assert raw.shape == (K, X.shape[1])
    expected = inputs.transform(X) @ W.T + b
    np.testing.assert_allclose(X @ raw.T + intercept, expected, rtol=1e-9, atol=1e-10)
    back, b_back = inputs.unfold(raw, intercept)
    np.testing.assert_allclose(back, W, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(b_back, b, rtol=1e-9, atol=1e-11)


def test_without_an_intercept_none_is_made():
    X, weight, _ = drawn()
    inputs = standardized(X, weight, center=False)
    W, b = inputs.fold(np.ones((1, 4)), None)
    assert b is None
    np.testing.assert_allclose(X @ W.T, inputs.transform(X) @ np.ones((4, 1)))
    assert inputs.unfold(W, None)[1] is None


# -------------------------------------------------------------------- rank


def test_full_rank_leaves_independent_columns_alone():
    X, weight, _ = drawn()
    inputs = standardized(X, weight)
    assert full_rank(inputs, X) is inputs
    assert inputs.rank == 4
    assert len(inputs.dependent_columns(4)) == 0


def test_rank_and_the_columns_that_depend_on_each_other():
    X, weight, rng = dependent()
    X = np.column_stack([X, rng.normal(size=20)])  # takes no part in any dependency
    inputs = full_rank(standardized(X, weight), X)
    assert inputs.rank == 4
    np.testing.assert_allclose(inputs.basis.T @ inputs.basis, np.eye(4), atol=1e-13)
    np.testing.assert_array_equal(inputs.dependent_columns(6), [0, 1, 2, 3, 4])


@pytest.mark.parametrize("units", [np.ones(5), np.geomspace(1e-8, 1e8, 5), 10.0 ** np.arange(5)])
def test_the_rank_does_not_depend_on_units(units):
    X, weight, _ = dependent()
    assert full_rank(standardized(X * units, weight), X * units).rank == 3
    X[:, 3] += 1e-6 * np.random.default_rng(5).normal(size=20)
    assert full_rank(standardized(X * units, weight), X * units).rank == 4


def minimum_norm_fit(X, y, weight):
    """Weighted least squares on the reduced inputs, folded."""
    inputs = full_rank(standardized(X, weight), X)
    Z = np.column_stack([inputs.transform(X), np.ones(len(X))])
    root = np.sqrt(weight)[:, None]
    g = np.linalg.lstsq(root * Z, root * y, rcond=None)[0].T
    return inputs.fold(g[:, :-1], g[:, -1])


@pytest.mark.parametrize("n", [3, 4, 20])
def test_basis_gives_the_coefficients_of_minimum_norm(n):
    """scikit-learn's LinearRegression is minimum-norm on centred columns."""
    X, _, rng = dependent()
    X, y, weight = X[:n], rng.normal(size=(n, 2)), np.ones(n)
    W, b = minimum_norm_fit(X, y, weight)
    reference = LinearRegression().fit(X, y)
    np.testing.assert_allclose(W, reference.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(b, reference.intercept_, rtol=1e-8, atol=1e-10)


def test_predictions_do_not_depend_on_units_even_where_coefficients_do():
    X, weight, rng = dependent()
    y, units = rng.normal(size=(20, 1)), 10.0 ** np.arange(5)
    W, b = minimum_norm_fit(X, y, weight)
    W2, b2 = minimum_norm_fit(X * units, y, weight)
    np.testing.assert_allclose(X * units @ W2.T + b2, X @ W.T + b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (5, 0), (0, 0)], ids=str)
def test_empty_designs(shape):
    X = np.ones(shape)
    inputs = standardized(X, np.ones(shape[0])) if shape[0] else unscaled(shape[1])
    assert inputs.transform(X).shape == shape
    if shape[0]:
        assert full_rank(inputs, X).rank == 0


# ------------------------------------------------------------- estimability


def test_a_coefficient_is_estimable_if_no_dependency_changes_it():
    X, weight, rng = dependent()
    X = np.column_stack([X, rng.normal(size=20)])
    inputs = full_rank(standardized(X, weight), X)
    layout = Layout((inputs.rank, 1))
    found = estimable(layout, inputs, np.zeros((layout.size, 0)))
    # the null space, centred, has no part in the last column nor in the intercept
    np.testing.assert_array_equal(found, [[False] * 5 + [True, True]])


def test_a_constant_column_leaves_the_intercept_undetermined_not_the_others():
    X, weight, _ = drawn()
    X[:, 2] = 5.0
    inputs = full_rank(standardized(X, weight), X)
    layout = Layout((inputs.rank, 1))
    found = estimable(layout, inputs, np.zeros((layout.size, 0)))
    np.testing.assert_array_equal(found, [[True, True, False, True, False]])


def test_moves_tells_which_coefficients_of_X_a_direction_changes():
    inputs = Inputs(np.array([2.0, 0.0]), np.array([4.0, 1.0]))
    layout = Layout((2, 1))
    cases = [
        ([1.0, 0.0, 0.0], [True, False, True]),  # centred at 2, so the intercept makes up for it
        ([1.0, 0.0, 0.5], [True, False, False]),  # unless it is moved along
        ([0.0, 1.0, 0.0], [False, True, False]),
        ([0.0, 0.0, 1.0], [False, False, True]),
    ]
    for direction, expected in cases:
        found = moves(layout, inputs, np.array([direction]).T)
        np.testing.assert_array_equal(found, [expected])
    both = moves(layout, inputs, np.array([cases[1][0], cases[2][0]]).T)
    np.testing.assert_array_equal(both, [[True, True, False]])
