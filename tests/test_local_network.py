"""The LocalGLMnet as a network: recursion, tangents, Hessian, batches, folding of scales."""

import numpy as np
import pytest
from test_second_order import close
from test_training_reference import slope

from families import Normal
from glmnet_nn.network import (
    BatchRecursion,
    Bounds,
    Layout,
    LocalBatchRecursion,
    LocalLayout,
    LocalNetwork,
    Network,
    batch_recursion,
    get_activation,
    gradient_tangent,
    hessian,
    hessian_vector,
    jacobian_tangent,
    network_on,
    tangent,
)
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import folded, standardized, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.search import _without

SIZES = [(3, 4, 1), (2, 3, 4, 1), (3, 2, 2)]
shapes = pytest.mark.parametrize("sizes", SIZES)
intercepts = pytest.mark.parametrize("intercept", [True, False])


def drawn(sizes, intercept=True, centred=False, seed=0):
    rng = np.random.default_rng(seed)
    layout = LocalLayout(sizes, intercept)
    center = rng.normal(size=sizes[0]) if centred else None
    bounds = Bounds(np.full(sizes[0], -0.7), np.full(sizes[0], 0.9)) if centred else None
    network = LocalNetwork(layout, get_activation("tanh"), bounds, center)
    w = 0.7 * rng.normal(size=layout.size)
    return network, w, rng.normal(size=(6, sizes[0])), rng.normal(size=(6, sizes[-1]))


def by_hand(network, w, X):
    """eta and beta(x), from the definition, a row at a time."""
    (p, *_, K), layers = network.layout.sizes, network.layout.coefficients.layers(w)
    c = np.zeros(p) if network.center is None else network.center
    b = w[network.layout.coefficients.size :] if network.layout.fit_intercept else np.zeros(K)
    etas, betas = [], []
    for x in X:
        out = x if network.bounds is None else np.clip(x, network.bounds.low, network.bounds.high)
        for layer in layers[:-1]:
            out = np.tanh(layer.W @ out + layer.b)
        beta = (layers[-1].W @ out + layers[-1].b).reshape(K, p)
        betas.append(beta)
        etas.append([b[k] + sum(beta[k, j] * (x[j] - c[j]) for j in range(p)) for k in range(K)])
    return np.array(etas), np.array(betas)


@shapes
@intercepts
@pytest.mark.parametrize("centred", [False, True])
def test_eta_is_linear_in_x_with_coefficients_of_a_network(sizes, intercept, centred):
    network, w, X, _ = drawn(sizes, intercept, centred)
    eta, beta = by_hand(network, w, X)
    close(network.forward(w, X)[1], eta, rtol=1e-12)
    close(network.linear_predictor(w, X), eta, rtol=1e-12)
    close(network.attention(w, X), beta, rtol=1e-12)


@shapes
@intercepts
@pytest.mark.parametrize("centred", [False, True])
def test_the_recursion_gives_the_derivatives(sizes, intercept, centred):
    network, w, X, P = drawn(sizes, intercept, centred)
    inputs, _ = network.forward(w, X)
    J = network.jacobian(w, inputs)
    numeric = slope(lambda w: network.forward(w, X)[1].ravel(), w)
    close(J.reshape(numeric.shape), numeric, rtol=1e-8)
    close(network.gradient(w, inputs, P), np.einsum("nkq,nk->q", J, P), rtol=1e-12)
    close(network.input_slopes(w, inputs), slopes_in_x(network, w, X), rtol=1e-7)


def slopes_in_x(network, w, X):
    rows = [slope(lambda x: network.forward(w, x[None])[1][0], x) for x in X]
    return np.array(rows)


@shapes
@intercepts
@pytest.mark.parametrize("centred", [False, True])
def test_second_derivatives(sizes, intercept, centred):
    network, w, X, P = drawn(sizes, intercept, centred)
    inputs, _ = network.forward(w, X)
    rng = np.random.default_rng(1)
    v, t, RP = rng.normal(size=w.size), rng.normal(size=X.shape), rng.normal(size=P.shape)

    def gradient(w):
        return network.gradient(w, network.forward(w, X)[0], P)

    H = hessian(network, w, inputs, P)
    close(H, slope(gradient, w), rtol=1e-7, atol=1e-8)
    close(hessian_vector(network, w, inputs, P, v), H @ v, rtol=1e-10)

    def moved(h):
        h = h[0]
        inputs, eta = network.forward(w + h * v, X + h * t)
        return np.r_[eta.ravel(), network.gradient(w + h * v, inputs, P + h * RP)]

    found = tangent(network, w, inputs, v, t)
    expected = slope(moved, np.zeros(1))[:, 0]
    close(found.eta.ravel(), expected[: P.size], rtol=1e-7, atol=1e-8)
    change = gradient_tangent(network, w, inputs, found, P, RP, v)
    close(change, expected[P.size :], rtol=1e-7, atol=1e-8)


@shapes
def test_gradients_of_slopes_are_their_derivatives(sizes):
    network, w, X, _ = drawn(sizes, centred=True)
    inputs, _ = network.forward(w, X)
    along = np.broadcast_to(np.eye(sizes[0])[1], X.shape)
    found = jacobian_tangent(network, w, inputs, tangent(network, w, inputs, None, along))

    def slopes(w):
        return network.input_slopes(w, network.forward(w, X)[0])[:, :, 1].ravel()

    close(found.reshape(-1, w.size), slope(slopes, w), rtol=1e-7, atol=1e-8)


@shapes
@intercepts
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_batches_in_place_are_the_recursion(sizes, intercept, dtype):
    network, w, X, P = drawn(sizes, intercept, centred=intercept)
    w = w.astype(dtype)
    gradient, eta = np.full_like(w, np.nan), np.empty((sizes[-1], 6), dtype)
    recursion = batch_recursion(network, w, gradient, size=6)
    assert isinstance(recursion, LocalBatchRecursion)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    for m in (6, 4):  # a last batch is smaller
        w *= dtype(0.9)
        columns, seed = (
            network.packed(X[:m]).T.astype(dtype),
            np.ascontiguousarray(P[:m].T.astype(dtype)),
        )
        recursion.forward(columns, eta[:, :m])
        recursion.backward(columns, seed)
        inputs, expected = network.forward(w.astype(float), X[:m])
        close(eta[:, :m].T, expected, rtol=rtol, atol=1e-5 if rtol > 1e-9 else 1e-12)
        expected = network.gradient(w.astype(float), inputs, seed.T.astype(float))
        close(gradient, expected, rtol=rtol, atol=1e-5 if rtol > 1e-9 else 1e-12)


def test_a_layout_knows_its_network():
    a = get_activation("tanh")
    dense, local = network_on(Layout((2, 3, 1)), a), network_on(LocalLayout((2, 3, 1)), a)
    assert type(dense) is Network
    assert type(local) is LocalNetwork
    one = np.zeros(dense.layout.size)
    assert isinstance(batch_recursion(dense, one, one.copy(), 2), BatchRecursion)
    assert LocalLayout((2, 3, 1)) != Layout((2, 3, 1))


@shapes
@intercepts
def test_scales_are_folded_and_the_centre_stays(sizes, intercept):
    network, w, X, _ = drawn(sizes, intercept)
    X = X * [3.0, 0.1, 40.0][: sizes[0]] + 5.0
    inputs = standardized(X, np.linspace(1.0, 2.0, len(X)), reach=0.8)
    network = network.on_inputs(sizes[0], inputs.bounds)
    raw = folded(network.layout, inputs, w)
    given = network.on_inputs(sizes[0], inputs.raw_bounds, inputs.center)
    close(
        given.linear_predictor(raw, X), network.linear_predictor(w, inputs.transform(X)), rtol=1e-10
    )
    close(unfolded(network.layout, inputs, raw), w, rtol=1e-12)
    betas = given.attention(raw, X), network.attention(w, inputs.transform(X)) / inputs.scale
    close(*betas, rtol=1e-10)


@shapes
@intercepts
def test_shifts_move_eta_by_one_vector(sizes, intercept):
    network, w, X, _ = drawn(sizes, intercept)
    shift = np.full((1, sizes[-1]), sizes[-1] ** -0.5)
    rows = network.layout.shifts(shift)
    close(rows @ rows.T, np.eye(len(rows)), rtol=1e-12, atol=1e-12)
    J = network.jacobian(w, network.forward(w, X)[0]) @ rows.T
    close(J, np.broadcast_to(J[:, :1], J.shape), rtol=1e-12)
    rank = np.linalg.matrix_rank(np.concatenate([rows, w[None]]))
    assert rank == len(rows) + 1


@pytest.mark.parametrize("layout", [LocalLayout((3, 3, 4, 1)), Layout((3, 3, 4, 1))])
def test_a_unit_without_output_weights_can_go(layout):
    rng = np.random.default_rng(0)
    network, w = network_on(layout, get_activation("tanh")), rng.normal(size=layout.size)
    X = rng.normal(size=(9, 3))
    rows = Rows(X, np.ones((9, 1)), np.ones(9))
    for layer, unit in ((0, 2), (1, 1)):
        given = w.copy()
        layout.layers(given)[layer + 1].W[:, unit] = 0.0
        objective = Objective(rows, Normal(), network, elastic_net(layout, [0.1] * 3, 0.0))
        smaller, start = _without(objective, given, layer, unit)
        assert type(smaller.network) is type(network)
        _, eta = smaller.linear_predictor(start, rows)
        close(eta, objective.linear_predictor(given, rows)[1], rtol=1e-12)


@shapes
@intercepts
def test_eta_is_a_glm_of_the_output_inputs(sizes, intercept):
    network, w, X, _ = drawn(sizes, intercept, centred=True)
    places, K = network.layout.output_places, sizes[-1]
    features = network.output_inputs(w, X)
    glm = Layout((features.shape[1], K), intercept).layers(w[places])[0]
    close(glm.sums(features), network.forward(w, X)[1], rtol=1e-12)
    parts = network.layout.output_parts(np.arange(w.size))
    assert sorted(places) == sorted(np.concatenate([part.ravel() for part in parts]))
