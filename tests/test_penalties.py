"""The elastic net: value, gradient, proximal map, and the scales it is stated in."""

import numpy as np
import pytest
from scipy import optimize
from test_training_reference import slope

from glmnet_nn.network import Layout
from glmnet_nn.training.penalties import ElasticNet, elastic_net

LAYOUTS = [Layout((3, 2)), Layout((3, 2), False), Layout((2, 3, 1)), Layout((2, 3, 2, 2), False)]
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.sizes))
ratios = pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])


def drawn(layout, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=layout.size), rng.uniform(0.1, 2.0, layout.n_layers)


@layouts
@ratios
def test_value_is_the_sum_over_layers_without_intercepts(layout, l1_ratio):
    w, alpha = drawn(layout)
    expected = sum(
        a * (l1_ratio * np.abs(layer.W).sum() + 0.5 * (1 - l1_ratio) * np.square(layer.W).sum())
        for a, layer in zip(alpha, layout.layers(w), strict=True)
    )
    penalty = elastic_net(layout, alpha, l1_ratio)
    assert penalty.value(w) == pytest.approx(expected, rel=1e-13)
    offsets_only = w.copy()
    for layer in layout.layers(offsets_only):
        layer.W[:] = 0.0
    assert penalty.value(offsets_only) == 0.0


@layouts
@ratios
def test_smooth_gradient_is_the_derivative(layout, l1_ratio):
    w, alpha = drawn(layout)
    penalty = elastic_net(layout, alpha, l1_ratio)
    numeric = slope(penalty.smooth_value, w)
    np.testing.assert_allclose(penalty.smooth_gradient(w), numeric, rtol=1e-9, atol=1e-10)
    rest = penalty.value(w) - penalty.smooth_value(w)
    assert rest == pytest.approx(penalty.l1 @ np.abs(w), rel=1e-12, abs=1e-13)


@layouts
@pytest.mark.parametrize("per_weight", [False, True], ids=["one step", "one step each"])
def test_prox_is_the_minimiser(layout, per_weight):
    v, alpha = drawn(layout, seed=4)
    penalty = elastic_net(layout, alpha, 0.6)
    rng = np.random.default_rng(1)
    step = rng.uniform(0.1, 2.0, layout.size) if per_weight else 0.7
    found = penalty.prox(v, step)
    steps = np.broadcast_to(step, v.shape)
    for at in range(layout.size):

        def cost(u, at=at):
            return steps[at] * penalty.l1[at] * abs(u) + 0.5 * (u - v[at]) ** 2

        brute = optimize.minimize_scalar(cost, bounds=(-5, 5), method="bounded")
        assert cost(found[at]) <= brute.fun + 1e-14
        assert found[at] == pytest.approx(brute.x, abs=1e-4)
    assert np.any((found == 0) & (v != 0))


def test_prox_makes_exact_zeros_and_leaves_intercepts():
    layout = Layout((2, 1))
    penalty = elastic_net(layout, [1.0], 1.0)
    np.testing.assert_array_equal(penalty.prox(np.array([0.5, -3.0, 0.5]), 1.0), [0.0, -2.0, 0.5])


def test_has_l1_and_is_zero_say_what_is_penalised():
    layout = Layout((2, 3, 1))
    assert elastic_net(layout, [0.0, 0.0], 0.5).is_zero
    assert not elastic_net(layout, [0.0, 1.0], 0.0).is_zero
    assert not elastic_net(layout, [0.0, 1.0], 0.0).has_l1
    assert elastic_net(layout, [0.0, 1.0], 1.0).has_l1
    assert not elastic_net(layout, [0.0, 1.0], 1.0).is_zero


def test_a_coefficient_for_every_layer_or_none():
    with pytest.raises(ValueError, match="shorter"):
        elastic_net(Layout((2, 3, 1)), [1.0], 0.0)


@layouts
@ratios
def test_input_scale_penalises_the_weights_of_the_unscaled_inputs(layout, l1_ratio):
    w, alpha = drawn(layout)
    scale = np.random.default_rng(2).uniform(0.1, 10.0, layout.sizes[0])
    raw = w.copy()
    layout.layers(raw)[0].W[:] /= scale
    scaled = elastic_net(layout, alpha, l1_ratio, input_scale=scale)
    assert scaled.value(w) == pytest.approx(elastic_net(layout, alpha, l1_ratio).value(raw))


@layouts
@ratios
@pytest.mark.parametrize("unit", [1e-3, 1.0, 40.0])
def test_output_scale_divides_the_whole_objective_by_its_square(layout, l1_ratio, unit):
    w, alpha = drawn(layout)
    for_y = w.copy()
    layout.layers(for_y)[-1].W[:] *= unit
    scaled = elastic_net(layout, alpha, l1_ratio, output_scale=unit)
    expected = elastic_net(layout, alpha, l1_ratio).value(for_y) / unit**2
    assert scaled.value(w) == pytest.approx(expected)


def test_both_scales_meet_on_the_one_layer_of_a_glm():
    layout = Layout((2, 1))
    scale, unit = np.array([2.0, 5.0]), 3.0
    penalty = elastic_net(layout, [1.0], 0.5, scale, unit)
    w = np.array([1.0, -4.0, 9.0])
    raw = unit * w[:2] / scale
    expected = 0.5 * np.abs(raw).sum() + 0.25 * np.square(raw).sum()
    assert penalty.value(w) == pytest.approx(expected / unit**2)
    assert isinstance(penalty, ElasticNet)
