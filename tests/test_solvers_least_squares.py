"""Least squares over blocks: both ways agree with each other and with numpy."""

import numpy as np
import pytest

from glmnet_nn.training.solvers._least_squares import gram_solve, qr_solve, stacked_qr

NO_GAUGE = np.zeros((0, 4))
SIZES = [(30,), (10, 20), (3, 3, 24), (1,) * 30, (2, 1, 27)]
splits = pytest.mark.parametrize("sizes", SIZES, ids=str)


def system(p=4, n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=n)


def in_blocks(A, r, sizes):
    ends = np.cumsum(sizes)[:-1]
    return list(zip(np.split(A, ends), np.split(r, ends), strict=True))


@splits
def test_both_ways_are_numpys_least_squares(sizes):
    A, r = system()
    blocks = in_blocks(A, r, sizes)
    expected = np.linalg.lstsq(A, r, rcond=None)[0]
    np.testing.assert_allclose(gram_solve(A.T @ A, -A.T @ r, NO_GAUGE), expected, rtol=1e-11)
    np.testing.assert_allclose(qr_solve(blocks, NO_GAUGE), expected, rtol=1e-12)


@splits
def test_stacked_qr_is_the_qr_of_the_whole(sizes):
    A, r = system()
    R = stacked_qr(in_blocks(A, r, sizes), 4)
    whole = np.column_stack([A, r])
    assert R.shape == (5, 5)
    np.testing.assert_array_equal(R, np.triu(R))
    np.testing.assert_allclose(R.T @ R, whole.T @ whole, rtol=1e-11, atol=1e-12)
    expected = np.linalg.qr(whole, mode="r")
    np.testing.assert_allclose(np.abs(R), np.abs(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("units", [(1e-8, 1.0, 1e8, 1.0), (1e-150, 1e150, 1.0, 1.0)], ids=str)
def test_units_of_the_columns_do_not_matter(units):
    A, r = system()
    expected = np.linalg.lstsq(A, r, rcond=None)[0]
    B = A * np.array(units)
    found = qr_solve([(B, r)], NO_GAUGE) * units
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    if max(units) < 1e100:  # else the Gram matrix itself overflows or underflows
        found = gram_solve(B.T @ B, -B.T @ r, NO_GAUGE) * units
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("gap", [1e-5, 1e-7, 1e-11, 0.0])
def test_gram_refuses_what_qr_must_do(gap):
    A, r = system()
    A[:, 3] = A[:, 2] + gap * A[:, 3]
    assert gram_solve(A.T @ A, -A.T @ r, NO_GAUGE) is None
    delta = qr_solve([(A, r)], NO_GAUGE)
    residual = A.T @ (A @ delta - r)
    assert np.abs(residual).max() < 1e-12 * max(1.0, np.abs(delta).max())


def test_gram_refuses_a_column_of_zeros_and_infinities():
    A, r = system()
    A[:, 1] = 0.0
    assert gram_solve(A.T @ A, -A.T @ r, NO_GAUGE) is None
    A[:, 1] = np.inf
    with np.errstate(invalid="ignore"):
        assert gram_solve(A.T @ A, np.ones(4), NO_GAUGE) is None


def test_rank_deficient_is_solved_with_minimum_norm():
    A, r = system()
    A[:, 3] = -A[:, 2]
    A /= np.sqrt(np.square(A).sum(axis=0))
    delta = qr_solve([(A, r)], NO_GAUGE)
    np.testing.assert_allclose(delta, np.linalg.pinv(A) @ r, rtol=1e-10)
    short = A[:2]  # fewer rows than columns
    delta = qr_solve([(short, r[:2])], NO_GAUGE)
    np.testing.assert_allclose(short @ delta, r[:2], rtol=1e-10)


@pytest.mark.parametrize("n_flat", [1, 2])
def test_along_the_gauge_nothing_moves(n_flat):
    A, r = system()
    directions = np.random.default_rng(3).normal(size=(4, n_flat))
    gauge = np.linalg.qr(directions)[0].T
    A = A - A @ gauge.T @ gauge
    expected = np.linalg.pinv(A) @ r
    by_gram = gram_solve(A.T @ A, -A.T @ r, gauge)
    by_qr = qr_solve([(A[:9], r[:9]), (A[9:], r[9:])], gauge)
    for delta in (by_gram, by_qr):
        np.testing.assert_allclose(delta, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(gauge @ delta, 0.0, atol=1e-13)


def test_no_column_is_solved_by_nothing():
    assert qr_solve([(np.zeros((3, 0)), np.ones(3))], np.zeros((0, 0))).shape == (0,)
