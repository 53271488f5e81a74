"""Theorems of networks: activations, the flat vector, and the recursion with its seeds."""

import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from test_training_reference import activations, is_near_kink, nets, slope

from glmnet_nn.network import (
    Activation,
    BatchRecursion,
    Layer,
    Layout,
    Network,
    get_activation,
    known_activations,
)

intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
SHAPES = [(3, 1), (2, 3), (1, 1), (4, 3, 2), (3, 2, 4, 1), (2, 1, 3, 2, 3)]
shapes = pytest.mark.parametrize("sizes", SHAPES, ids=str)
FORMULAS = {
    "identity": lambda s: s,
    "logistic": lambda s: 1 / (1 + np.exp(-s)),
    "tanh": np.tanh,
    "relu": lambda s: np.where(s > 0, s, 0.0),
    "softplus": lambda s: np.log(1 + np.exp(s)),
}


def drawn(depth, activation, fit_intercept=True, K=2, n=6, p=3, seed=1):
    """A network, parameters, and inputs away from the kinks."""
    rng = np.random.default_rng(seed)
    network = Network(Layout((p, *(4, 2, 3)[:depth], K), fit_intercept), get_activation(activation))
    while True:
        w, X = rng.normal(size=network.layout.size), rng.normal(size=(n, p))
        if not is_near_kink(network, w, X):
            return network, w, X, rng


# ------------------------------------------------------------- activations


def test_every_activation_has_its_formula_in_this_file():
    assert set(FORMULAS) == set(known_activations())


@activations
def test_value_is_the_formula(activation):
    s = np.linspace(-6.0, 6.0, 25)
    value = get_activation(activation).value(s.copy())
    np.testing.assert_allclose(value, FORMULAS[activation](s), rtol=1e-13, atol=1e-15)


@activations
def test_slope_of_the_output_is_the_derivative(activation):
    a = get_activation(activation)
    s, h = np.linspace(-6.0, 6.0, 24), 1e-3  # 24 points leave out the kink at 0
    near, far = (a.value(s + k * h) - a.value(s - k * h) for k in (1, 2))
    np.testing.assert_allclose(a.slope(a.value(s.copy())), (8 * near - far) / (12 * h), atol=1e-11)


@activations
@pytest.mark.parametrize("far", [40.0, 800.0, 1e308])
def test_activation_is_finite_far_out(activation, far):
    a = get_activation(activation)
    output = a.value(np.array([-far, far]))
    assert np.all(np.isfinite(output))
    slopes = a.slope(output)
    assert np.all((slopes >= 0) & (slopes <= 1))


@activations
def test_activation_survives_pickle_and_is_looked_up(activation):
    a = get_activation(activation)
    assert pickle.loads(pickle.dumps(a)) == a  # by its functions: no other is
    assert get_activation(a) is a
    assert isinstance(a, Activation)


def test_unknown_activation_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \['identity', .*'tanh'\], but got 'sigmoid'"):
        get_activation("sigmoid")


# ------------------------------------------------------------------ layout


@shapes
@intercepts
def test_layout_counts_every_parameter(sizes, fit_intercept):
    layout = Layout(sizes, fit_intercept)
    weights = sum(m * n for m, n in itertools.pairwise(sizes))
    offsets = sum(sizes[1:-1]) + (sizes[-1] if fit_intercept else 0)
    assert layout.size == weights + offsets
    places = np.concatenate([np.arange(s.start, s.stop) for pair in layout.slices for s in pair])
    np.testing.assert_array_equal(places, np.arange(layout.size))


@shapes
@intercepts
def test_flatten_and_layers_are_inverse(sizes, fit_intercept):
    layout = Layout(sizes, fit_intercept)
    flat = np.random.default_rng(0).normal(size=layout.size)
    layers = layout.layers(flat)
    np.testing.assert_array_equal(layout.flatten(layers), flat)
    for (W, b), m, n in zip(layers, sizes, sizes[1:], strict=False):
        assert W.shape == (n, m)
        assert b is None or b.shape == (n,)
    assert (layers[-1].b is None) == (not fit_intercept)
    assert all(layer.b is not None for layer in layers[:-1])


@shapes
@intercepts
def test_layers_are_views(sizes, fit_intercept):
    layout = Layout(sizes, fit_intercept)
    flat = np.zeros(layout.size)
    for at, layer in enumerate(layout.layers(flat)):
        assert isinstance(layer, Layer)
        layer.W[:] = at + 1
        if layer.b is not None:
            layer.b[:] = -at - 1
    assert np.all(flat != 0)
    flat[:] = 7.0
    assert all(np.all(layer.W == 7.0) for layer in layout.layers(flat))


# --------------------------------------------------------------- recursion


@nets
@intercepts
def test_forward_is_the_written_out_composition(depth, activation, fit_intercept):
    network, w, X, _ = drawn(depth, activation, fit_intercept)
    outputs, expected = X, [X]
    *hidden, output = network.layout.layers(w)
    for W, b in hidden:
        outputs = np.array([FORMULAS[activation](W @ x + b) for x in outputs])
        expected.append(outputs)
    inputs, eta = network.forward(w, X)
    b = 0.0 if output.b is None else output.b
    np.testing.assert_allclose(eta, [output.W @ x + b for x in outputs], rtol=1e-12, atol=1e-13)
    assert len(inputs) == depth + 1 == network.depth + 1
    for got, layer in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(got, layer, rtol=1e-12, atol=1e-13)


@nets
@intercepts
def test_jacobian_is_the_derivative_of_eta(depth, activation, fit_intercept):
    network, w, X, _ = drawn(depth, activation, fit_intercept)
    J = network.jacobian(w, network.forward(w, X)[0])
    expected = slope(lambda w: network.forward(w, X)[1], w)
    np.testing.assert_allclose(J, expected, rtol=1e-8, atol=1e-9)


@nets
@intercepts
def test_gradient_is_the_jacobian_contracted_with_the_seed(depth, activation, fit_intercept):
    network, w, X, rng = drawn(depth, activation, fit_intercept)
    inputs, eta = network.forward(w, X)
    seed = rng.normal(size=eta.shape)
    expected = np.einsum("nk,nkp->p", seed, network.jacobian(w, inputs))
    np.testing.assert_allclose(network.gradient(w, inputs, seed), expected, rtol=1e-12, atol=1e-13)


@nets
@intercepts
def test_input_slopes_are_the_derivative_of_eta_in_x(depth, activation, fit_intercept):
    network, w, X, _ = drawn(depth, activation, fit_intercept)
    slopes = network.input_slopes(w, network.forward(w, X)[0])
    for x, found in zip(X, slopes, strict=True):
        expected = slope(lambda x: network.forward(w, x[None])[1][0], x)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@nets
def test_gradient_is_linear_in_the_seed_and_additive_over_rows(depth, activation):
    network, w, X, rng = drawn(depth, activation)
    inputs, eta = network.forward(w, X)
    one, two = rng.normal(size=(2, *eta.shape))
    whole = network.gradient(w, inputs, one + 2 * two)
    parts = network.gradient(w, inputs, one) + 2 * network.gradient(w, inputs, two)
    np.testing.assert_allclose(whole, parts, rtol=1e-12, atol=1e-12)
    by_row = sum(
        network.gradient(w, [part[i : i + 1] for part in inputs], one[i : i + 1])
        for i in range(len(X))
    )
    np.testing.assert_allclose(network.gradient(w, inputs, one), by_row, rtol=1e-12, atol=1e-12)


@nets
def test_backward_yields_every_layer_once_from_the_top(depth, activation):
    network, w, X, rng = drawn(depth, activation)
    inputs, eta = network.forward(w, X)
    seed = rng.normal(size=eta.shape)
    at, P = zip(*network.backward(w, inputs, seed), strict=True)
    assert at == tuple(range(depth, -1, -1))
    assert P[0] is seed
    assert [p.shape for p in P] == [(len(X), n) for n in network.layout.sizes[:0:-1]]


@nets
def test_a_pass_leaves_parameters_and_inputs_as_they_are(depth, activation):
    network, w, X, rng = drawn(depth, activation)
    before = w.copy(), X.copy()
    inputs, eta = network.forward(w, X)
    kept = [part.copy() for part in inputs]
    network.gradient(w, inputs, rng.normal(size=eta.shape))
    network.jacobian(w, inputs)
    network.input_slopes(w, inputs)
    np.testing.assert_array_equal(w, before[0])
    np.testing.assert_array_equal(X, before[1])
    for part, copy in zip(inputs, kept, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_identity_network_is_the_product_of_its_matrices():
    network, w, X, _ = drawn(3, "identity")
    layers = network.layout.layers(w)
    product = np.linalg.multi_dot([layer.W for layer in layers[::-1]])
    slopes = network.input_slopes(w, network.forward(w, X)[0])
    np.testing.assert_allclose(slopes, np.broadcast_to(product, slopes.shape), rtol=1e-12)


@pytest.mark.parametrize("n", [0, 1])
def test_recursion_serves_no_row_and_one_row(n):
    network, w, X, _ = drawn(2, "tanh")
    inputs, eta = network.forward(w, X[:n])
    assert eta.shape == (n, 2)
    assert network.jacobian(w, inputs).shape == (n, 2, w.size)
    assert network.input_slopes(w, inputs).shape == (n, 2, 3)
    assert np.all(np.isfinite(network.gradient(w, inputs, eta)))


# ------------------------------------------------------- batches, in place


@nets
@intercepts
@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_batch_recursion_is_the_recursion_in_its_precision(
    depth, activation, fit_intercept, dtype, digits, n_outputs
):
    network, w, X, rng = drawn(depth, activation, fit_intercept, K=n_outputs)
    own, out = np.empty(w.size, dtype), np.full(w.size, np.nan, dtype)
    batches = BatchRecursion(network, own, out, 6)
    for rows in (slice(0, 4), slice(4, 6), slice(0, 6)):  # buffers are used again, in part too
        w *= 1.001
        own[:] = w  # in place, as a solver does
        inputs, eta = network.forward(w, X[rows])
        seed = rng.normal(size=eta.shape)
        columns, found = np.array(X[rows].T, dtype), np.empty(eta.T.shape, dtype)
        batches.forward(columns, found)
        np.testing.assert_allclose(found.T, eta, rtol=digits, atol=digits)
        batches.backward(columns, np.array(seed.T, dtype))
        expected = network.gradient(w, inputs, seed)
        np.testing.assert_allclose(out, expected, rtol=20 * digits, atol=20 * digits)


def test_batch_recursion_serves_an_activation_that_does_not_overwrite_its_argument():
    """That ``value`` may overwrite its argument does not mean that it must."""
    network, w, X, rng = drawn(2, "tanh")
    by_name = network.activation
    own = SimpleNamespace(value=np.tanh, slope=by_name.slope)
    out, eta = np.empty(w.size), np.empty((2, 6))
    batches = BatchRecursion(Network(network.layout, own), w, out, 6)
    seed = rng.normal(size=(6, 2))
    batches.forward(X.T, eta)
    batches.backward(X.T, seed.T)
    expected = network.gradient(w, network.forward(w, X)[0], seed)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", known_activations())
def test_a_slope_goes_where_it_is_told_and_leaves_the_output_alone(name):
    a = get_activation(name)
    output = a.value(np.linspace(-3.0, 3.0, 12).reshape(3, 4).astype(np.float32))
    kept, out = output.copy(), np.full((3, 4), np.nan, np.float32)
    expected = a.slope(output)
    assert a.slope(output, out) is out
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(output, kept)
