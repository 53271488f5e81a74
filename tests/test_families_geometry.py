"""Where the Fisher information is flat and where the likelihood has no maximum."""

import itertools

import numpy as np
import pytest
from test_families_reference import CLASSES, etas, jacobian, means, pairs, responses


def as_rows(values, pair):
    """The values as (n, n_outputs)."""
    return values if pair.event_ndim else values[:, None]


def information(pair, eta):
    """E[d^2 loss / d eta^2], by differentiating the error at y = mu, (n, K, K)."""

    def at(row):
        mu = pair.mean(row)
        return jacobian(lambda e: pair.error(mu, e), row)

    return np.stack([at(row) for row in eta])


@pairs
def test_fisher_root_squared_is_the_fisher_information(pair):
    eta = as_rows(etas(pair), pair)[:4]
    n, outputs = eta.shape
    eta = np.where(np.abs(eta) < 0.01, 0.01, eta)
    root = pair.fisher_root(eta, np.broadcast_to(np.eye(outputs), (n, outputs, outputs)))
    squared = np.swapaxes(root, 1, 2) @ root
    np.testing.assert_allclose(squared, information(pair, eta), rtol=2e-5, atol=1e-7)
    diagonal = np.einsum("nkk->nk", squared)
    np.testing.assert_allclose(diagonal, pair.fisher_weight(eta), rtol=1e-12)


@pairs
def test_fisher_root_is_linear_in_the_jacobian(pair):
    eta = as_rows(etas(pair), pair)
    n, outputs = eta.shape
    root = pair.fisher_root(eta, np.broadcast_to(np.eye(outputs), (n, outputs, outputs)))
    slopes = np.random.default_rng(0).normal(size=(n, outputs, 7))
    np.testing.assert_allclose(pair.fisher_root(eta, slopes), root @ slopes, rtol=1e-12, atol=1e-13)


@pairs
def test_fisher_root_carries_the_pearson_residual_to_the_error(pair):
    eta = as_rows(etas(pair), pair)
    outputs = eta.shape[1]
    for y in as_rows(responses(pair), pair):
        y = np.broadcast_to(y, eta.shape)
        root = pair.fisher_root(eta, np.broadcast_to(np.eye(outputs), (*eta.shape, outputs)))
        carried = np.einsum("nkj,nk->nj", root, pair.pearson(y, eta))
        np.testing.assert_allclose(carried, -pair.error(y, eta), rtol=1e-11, atol=1e-12)


@pairs
def test_flat_direction_is_flat_and_the_only_one(pair):
    outputs = CLASSES if pair.event_ndim else 1
    flat = pair.flat_direction(outputs)
    eta = as_rows(etas(pair), pair)[:4]
    eta = np.where(np.abs(eta) < 0.01, 0.01, eta)
    found = information(pair, eta)
    rank = np.linalg.matrix_rank(found / np.abs(found).max(axis=(1, 2), keepdims=True), tol=1e-7)
    assert np.all(rank == outputs - (flat is not None))
    if flat is None:
        return
    assert np.linalg.norm(flat) == pytest.approx(1.0, rel=1e-15)
    for y, t in itertools.product(responses(pair), (-5.0, 0.3, 40.0)):
        moved = pair.loss(np.broadcast_to(y, eta.shape), eta + t * flat)
        np.testing.assert_allclose(moved, pair.loss(y, eta), rtol=1e-12, atol=1e-13)


def _observed(pair):
    """Responses, with those at and beyond the ends of the means that the link gives."""
    if pair.event_ndim:
        return responses(pair)
    domain = pair.link.domain
    ends = np.array([domain.low, domain.high])
    y = np.concatenate([responses(pair), means(pair), ends, ends - 0.5, ends + 0.5])
    return y[pair.support.contains(y) & np.isfinite(y)]


def _never_rises(pair, y, eta, v):
    """Whether the loss along eta + t v never rises, t = 0 to 4000."""
    t = np.concatenate([[0.0], np.geomspace(0.01, 4000.0, 80)])
    with np.errstate(all="ignore"):
        path = pair.loss(y, eta + t[:, None] * v)
    path = path if pair.event_ndim else path.sum(axis=-1)
    lowest = np.minimum.accumulate(np.where(np.isnan(path), np.inf, path))
    return bool(np.all(path <= lowest + 1e-10 * (1 + lowest)))


@pairs
def test_escape_cone_holds_the_directions_along_which_the_loss_never_rises(pair):
    rng = np.random.default_rng(3)
    starts = as_rows(etas(pair), pair)
    if pair.event_ndim:
        corners = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=CLASSES)))
        directions = np.concatenate([rng.normal(size=(40, CLASSES)), corners])
    else:
        directions = np.array([[-1.0], [0.0], [1.0]])
    y = as_rows(_observed(pair), pair)
    cones = pair.escape_cone(y)
    assert cones.shape[0] == len(y)
    assert cones.shape[2] == y.shape[1]
    for y_i, cone in zip(y, cones, strict=True):
        for v in directions:
            inside = bool(np.all(cone @ v >= -1e-12))
            assert inside == all(_never_rises(pair, y_i, start, v) for start in starts), (y_i, v)


@pairs
def test_escape_cone_of_several_outputs_is_that_of_each(pair):
    if pair.event_ndim:
        return
    y = responses(pair)[:, None]
    both = pair.escape_cone(np.concatenate([y, y[::-1]], axis=1))
    alone, rng = pair.escape_cone(y), np.random.default_rng(4)
    for v in rng.choice([-1.0, 0.0, 1.0], size=(20, 2)):
        inside = np.all(both @ v >= 0, axis=1)
        first, second = (np.all(alone @ v[[k]] >= 0, axis=1) for k in (0, 1))
        np.testing.assert_array_equal(inside, first & second[::-1])
