"""Theorems of the objective, over every pair of law and link, depth and activation."""

from dataclasses import replace

import numpy as np
import pytest
from test_training_reference import (
    draw,
    in_turn,
    label,
    pairs,
    pairs_in_nets,
    reach,
    slope,
    slopes_along,
)

from families import Multinoulli, Normal, Poisson, get_family, known_pairs
from glmnet_nn.network import Layout, Network, get_activation
from glmnet_nn.training import batches as batches_module
from glmnet_nn.training import objective as objective_module
from glmnet_nn.training.data import Rows, TransformedRows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.start import initial_weights, linear_objective, null_model

SETTINGS = {
    "plain": {"intercept": True, "offset": False, "weighted": True, "alpha": 0.0},
    "ridge": {"intercept": True, "offset": True, "weighted": True, "alpha": 0.3},
    "bare": {"intercept": False, "offset": True, "weighted": False, "alpha": 0.3},
    "base": {"intercept": False, "offset": False, "weighted": True, "alpha": 0.0},
}
pairs_in_settings = pytest.mark.parametrize(
    ("pair", "setting"),
    [
        pytest.param(pair, SETTINGS[name], id=f"{label(pair)}-{name}")
        for pair, name in in_turn(list(SETTINGS))
    ],
)
IDENTITY = get_activation("identity")


def close(actual, expected, rtol=1e-12, atol=1e-13):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def in_blocks(objective, monkeypatch, size=2):
    """Make every sum over rows run over blocks of that many."""
    monkeypatch.setattr(Objective, "_block_size", lambda self, width=0: size)
    assert len(list(objective.rows.blocks(size))) > 1


# ---------------------------------------------------------------- gradient


@pairs_in_nets
def test_gradient_is_the_derivative_of_the_objective(pair, depth, activation):
    for seed, setting in enumerate(SETTINGS.values()):
        objective, w = draw(pair, depth, activation, seed=seed, **setting)
        value, gradient = objective.smooth_value_and_gradient(w)
        assert value == pytest.approx(objective.value(w), rel=1e-14)
        directions = np.random.default_rng(seed).uniform(-0.5, 0.5, (3, w.size))
        numeric = slopes_along(objective.value, w, directions, step=5e-4 * reach(pair))
        close(directions @ gradient, numeric, rtol=1e-7, atol=1e-9)
        assert np.abs(gradient).max() > 1e-4


@pairs_in_settings
def test_value_is_the_sum_written_out(pair, setting):
    objective, w = draw(pair, 2, "tanh", **setting)
    rows, layout = objective.rows, objective.network.layout
    total = 0.0
    for i in range(len(rows)):
        eta = objective.network.forward(w, rows.X[i : i + 1])[1][0]
        if rows.offset is not None:
            eta = eta + rows.offset[i]
        theta = pair.natural_of(pair.mean(eta))
        A = pair.log_partition(theta)
        half_deviance = np.sum(A) - theta @ rows.y[i] + np.sum(pair.conjugate(rows.y[i]))
        total += rows.weight[i] * half_deviance
    penalty = sum(
        0.5 * setting["alpha"] * (1 + at) * np.square(layer.W).sum()
        for at, layer in enumerate(layout.layers(w))
    )
    close(objective.value(w), total / rows.weight.sum() + penalty, rtol=1e-9, atol=1e-11)
    close(objective.mean_loss(w), objective.value(w) - penalty, rtol=1e-9, atol=1e-11)


@pairs
def test_a_broadcast_offset_column_is_that_column_for_every_output(pair):
    objective, w = draw(pair, 1, "tanh")
    shared = reach(pair) * np.linspace(-0.1, 0.1, objective.n_rows)[:, None]
    wide = np.tile(shared, objective.rows.y.shape[1])
    found = []
    for offset in (shared, wide):
        rows = Rows(objective.rows.X, objective.rows.y, objective.rows.weight, offset)
        f = Objective(rows, pair, objective.network, objective.penalty)
        found.append(f.smooth_value_and_gradient(w))
    assert np.isfinite(found[0][0])
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


# ------------------------------------------------------- rows and weights


@pairs_in_settings
def test_weights_are_repeated_rows(pair, setting):
    objective, w = draw(pair, 2, "softplus", **setting)
    times = np.array([1, 3, 2, 1, 2, 4, 1])
    rows = objective.rows
    weighted = Rows(rows.X, rows.y, times.astype(float), rows.offset)
    repeated = rows.take(np.repeat(np.arange(len(rows)), times))
    repeated = Rows(repeated.X, repeated.y, np.ones(times.sum()), repeated.offset)
    one, two = (
        Objective(r, pair, objective.network, objective.penalty) for r in (weighted, repeated)
    )
    close(one.value(w), two.value(w))
    close(one.smooth_value_and_gradient(w)[1], two.smooth_value_and_gradient(w)[1])
    informations = [sum(A.T @ A for A, _ in f.scoring_blocks(w)) for f in (one, two)]
    close(*informations, rtol=1e-11)


@pairs
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_a_common_factor_of_the_weights_changes_nothing(pair, factor):
    objective, w = draw(pair, 1, "tanh", alpha=0.2)
    rows = objective.rows
    scaled = Rows(rows.X, rows.y, rows.weight * factor, rows.offset)
    other = Objective(scaled, pair, objective.network, objective.penalty)
    close(other.value(w), objective.value(w))
    close(other.smooth_value_and_gradient(w)[1], objective.smooth_value_and_gradient(w)[1])
    close(other.score_scale(w), objective.score_scale(w))


@pairs
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_blocks_sum_to_the_whole(pair, depth, size, monkeypatch):
    objective, w = draw(pair, depth, "tanh", offset=True, alpha=0.1)
    value, gradient = objective.smooth_value_and_gradient(w)
    information = sum(A.T @ A for A, _ in objective.scoring_blocks(w))
    in_blocks(objective, monkeypatch, size)
    close(objective.value(w), value)
    in_parts = objective.smooth_value_and_gradient(w)
    close(in_parts[0], value)
    close(in_parts[1], gradient)
    blocks = list(objective.scoring_blocks(w))
    assert len(blocks) == -(-objective.n_rows // size) + 1
    close(sum(A.T @ A for A, _ in blocks), information, rtol=1e-11)


def test_block_size_falls_with_the_widest_array_and_never_below_256(monkeypatch):
    objective, _ = draw(Poisson(), 1, "tanh", p=5)
    monkeypatch.setattr(objective_module, "_BLOCK_BYTES", 8 * 5 * 1000)
    assert objective._block_size() == 1000
    assert objective._block_size(width=5) == 500  # times two outputs
    assert objective._block_size(width=10**6) == 256


@pytest.mark.parametrize("size", [1, 3, 4, 7, 8])
def test_rows_in_blocks_are_the_rows_in_order(size):
    objective, _ = draw(Poisson(), offset=True)
    blocks = list(objective.rows.blocks(size))
    assert all(len(block) <= size for block in blocks)
    for part in ("X", "y", "weight", "offset"):
        joined = np.concatenate([getattr(block, part) for block in blocks])
        np.testing.assert_array_equal(joined, getattr(objective.rows, part))


def sweep(objective, w, order, size, single=False):
    """The loss of a sweep that changes nothing, and the gradient of each batch."""
    batches, found = objective.mini_batches(size, single), []
    w = w.astype(batches.dtype)
    out = np.empty_like(w)
    loss = batches.sweep(w, out, order, lambda: found.append(out.copy()))
    return loss, found


@pairs_in_settings
@pytest.mark.parametrize("chunk", [1, 2**19])  # rows gathered a batch or all at a time
def test_batches_sum_to_the_whole(pair, setting, chunk, monkeypatch):
    monkeypatch.setattr(batches_module, "_CHUNK_BYTES", chunk)
    objective, w = draw(pair, 2, "logistic", n=8, **setting)
    value, whole = objective.smooth_value_and_gradient(w)
    whole -= objective.penalty.smooth_gradient(w)
    order = np.random.default_rng(0).permutation(8)
    for size in (2, 5):
        loss, found = sweep(objective, w, order, size)
        lengths = np.diff([*range(0, 8, size), 8])
        assert len(found) == len(lengths)
        close(lengths @ found / 8, whole, rtol=1e-10)
        close(loss, value - objective.penalty.smooth_value(w), rtol=1e-9, atol=1e-11)


@pairs_in_settings
def test_a_batch_is_the_objective_of_its_rows(pair, setting):
    """With the share of all rows, w_i n / (m sum w), in the place of w_i / sum w."""
    objective, w = draw(pair, 2, "tanh", n=8, **setting)
    order = np.random.default_rng(1).permutation(8)
    rows = objective.rows
    for at, gradient in zip((0, 5), sweep(objective, w, order, 5)[1], strict=True):
        part = rows.take(order[at : at + 5])
        alone = Objective(part, objective.family, objective.network, objective.penalty)
        share = part.weight.sum() / len(part) / (rows.weight.sum() / 8)
        ridge = objective.penalty.smooth_gradient(w)
        data = alone.smooth_value_and_gradient(w)[1] - ridge
        close(gradient, share * data, rtol=1e-9, atol=1e-12)


def test_a_step_is_seen_by_the_next_batch_and_its_loss():
    objective, w = draw(Poisson(), 1, "tanh", n=8)
    batches, out, met = objective.mini_batches(4, single=False), np.empty_like(w), []

    def step():
        met.append(w.copy())
        w[:] += 0.1

    loss = batches.sweep(w, out, np.arange(8), step)
    halves = [objective.rows.take(slice(at, at + 4)) for at in (0, 4)]
    expected = [
        objective._loss(rows, objective.linear_predictor(at, rows)[1])
        for at, rows in zip(met, halves, strict=True)
    ]
    close(loss, sum(expected) / objective.total_weight, rtol=1e-12)


@pytest.mark.parametrize("pair", [Poisson(), get_family("poisson", "identity")], ids=str)
def test_a_sweep_ends_where_the_loss_is_not_finite(pair, monkeypatch):
    monkeypatch.setattr(batches_module, "_CHUNK_BYTES", 1)
    objective, w = draw(Poisson(), 1, "tanh", n=8)
    objective = Objective(objective.rows, pair, objective.network, objective.penalty)
    w[-1] = 1e4 if pair.is_canonical else -1e4  # the intercept: overflow, or no mean at all
    batches, steps = objective.mini_batches(2, single=False), []
    with np.errstate(all="ignore"):
        loss = batches.sweep(w, np.empty_like(w), np.arange(8), lambda: steps.append(1))
    assert not np.isfinite(loss)
    assert len(steps) == 1


@pairs_in_settings
def test_a_batch_in_single_precision_is_that_batch_to_its_digits(pair, setting):
    objective, w = draw(pair, 2, "tanh", n=8, **setting)
    double, single = (sweep(objective, w, np.arange(8), 8, kind) for kind in (False, True))
    assert single[1][0].dtype == np.float32
    close(single[1][0], double[1][0], rtol=1e-4, atol=2e-5)
    close(single[0], double[0], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("size", [1e14, 1e40])
def test_numbers_without_a_place_in_single_precision_stay_in_double(size):
    objective, w = draw(get_family("normal"), 1, "tanh", n=8)
    objective.rows.X[0, 0] = size
    assert objective.mini_batches(8, single=True).dtype == (
        np.float32 if size < 1e15 else np.float64
    )
    assert np.isfinite(sweep(objective, w, np.arange(8), 8, single=True)[0])


@pairs_in_settings
def test_rows_transformed_where_they_are_used_are_rows_transformed(pair, setting):
    objective, w = draw(pair, 1, "tanh", n=8, **setting)
    rows = objective.rows
    raw = np.float32(rows.X)
    source = TransformedRows(
        raw, rows.y, rows.weight, rows.offset, transform=lambda X: 2.0 * X + 1.0
    )
    eager = replace(rows, X=2.0 * raw.astype(float) + 1.0)
    order = np.array([6, 1, 3])
    for one, two in ((source, eager), (source.subset(order), eager.take(order))):
        parts = [
            Objective(each, objective.family, objective.network, objective.penalty)
            for each in (one, two)
        ]
        lazy, whole = (part.smooth_value_and_gradient(w) for part in parts)
        close(lazy[0], whole[0], rtol=1e-14)
        close(lazy[1], whole[1], rtol=1e-12, atol=1e-15)
        for a, b in zip(*(sweep(part, w, np.arange(3), 2)[1] for part in parts), strict=True):
            np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------- information


def information_of_eta(pair, eta):
    """(d mu / d eta)' V^-1 (d mu / d eta) row by row, by differences of the mean."""
    if pair.event_ndim:  # canonical, so it is V, here written out
        mu = pair.mean(eta)
        return np.array([np.diag(m) - np.outer(m, m) for m in mu])
    h = 1e-3 * reach(pair)
    near, far = (pair.mean(eta + k * h) - pair.mean(eta - k * h) for k in (1, 2))
    weight = np.square((8 * near - far) / (12 * h)) / pair.variance(pair.mean(eta))
    return np.array([np.diag(row) for row in weight])


@pytest.mark.parametrize("depth", [0, 1, 3])
@pairs_in_settings
def test_information_is_that_of_the_scoring_blocks(pair, depth, setting):
    """Also without hidden layers, where the Jacobian is not formed."""
    objective, w = draw(pair, depth, "tanh", n=9, **setting)
    close(objective.information(w), sum(A.T @ A for A, _ in objective.scoring_blocks(w)))


@pytest.mark.parametrize("depth", [0, 2])
@pairs_in_settings
def test_scoring_blocks_give_the_fisher_information_and_the_gradient(pair, depth, setting):
    objective, w = draw(pair, depth, "tanh", **setting)
    rows = objective.rows
    blocks = list(objective.scoring_blocks(w))
    information = sum(A.T @ A for A, _ in blocks)
    J = slope(lambda w: objective.linear_predictor(w, rows)[1], w)
    eta = objective.linear_predictor(w, rows)[1]
    share = rows.weight / rows.weight.sum()
    expected = np.einsum("n,nkp,nkl,nlq->pq", share, J, information_of_eta(pair, eta), J)
    expected += np.diag(objective.penalty.l2)
    close(information, expected, rtol=1e-7, atol=1e-9)
    score = sum(A.T @ r for A, r in blocks)
    close(score, -objective.smooth_value_and_gradient(w)[1], rtol=1e-10, atol=1e-12)


@pairs
def test_information_is_the_expected_hessian(pair):
    """At y = mu the Hessian has no other term, so it is the information exactly."""
    objective, w = draw(pair, 0)
    rows = objective.rows
    y = pair.mean(objective.linear_predictor(w, rows)[1])
    fitted = Objective(Rows(rows.X, y, rows.weight), pair, objective.network, objective.penalty)
    hessian = slope(lambda w: fitted.smooth_value_and_gradient(w)[1], w, 1e-3 * reach(pair))
    information = sum(A.T @ A for A, _ in fitted.scoring_blocks(w))
    close(information, hessian, rtol=1e-7, atol=1e-9)


@pairs
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("intercept", [True, False])
def test_flat_directions_are_flat_and_orthonormal(pair, depth, intercept):
    objective, w = draw(pair, depth, "tanh", intercept=intercept)
    flat = objective.flat_directions()
    close(flat @ flat.T, np.eye(len(flat)), atol=1e-15)
    gradient = objective.smooth_value_and_gradient(w)[1]
    A = np.vstack([A for A, _ in objective.scoring_blocks(w)])
    close(A @ flat.T, 0.0, atol=1e-14)
    close(flat @ gradient, 0.0, atol=1e-14)
    for t in (-2.0, 5.0):
        for direction in flat:
            close(objective.mean_loss(w + t * direction), objective.mean_loss(w), rtol=1e-12)
    assert (len(flat) > 0) == isinstance(pair, Multinoulli)


def test_multinoulli_has_one_flat_direction_a_column_of_its_output_layer():
    for intercept in (True, False):
        objective, w = draw(Multinoulli(), 0, intercept=intercept, n=40)
        information = sum(A.T @ A for A, _ in objective.scoring_blocks(w))
        nullity = w.size - np.linalg.matrix_rank(information)
        assert len(objective.flat_directions()) == nullity == 2 + intercept


# ------------------------------------------------------------- infeasible


@pytest.mark.parametrize("link", ["identity"])
def test_infeasible_eta_is_infinitely_bad_and_warns_of_nothing(link):
    objective, w = draw(get_family("poisson", link=link), 0)
    bad = w.copy()
    objective.network.layout.layers(bad)[-1].b[:] = -50.0
    assert objective.value(bad) == np.inf
    value, gradient = objective.smooth_value_and_gradient(bad)
    assert value == np.inf
    assert np.all(np.isnan(gradient))
    assert np.isfinite(objective.value(w))


def test_score_scale_counts_rows_per_dispersion():
    objective, w = draw(Poisson(), 0)
    assert objective.score_scale(w) == objective.n_rows
    normal, w = draw(Normal(), 0)
    rows = normal.rows
    residuals = rows.y - normal.linear_predictor(w, rows)[1]
    phi = rows.weight @ np.square(residuals).sum(axis=1) / rows.weight.sum()
    close(normal.score_scale(w), normal.n_rows / phi)
    perfect = Objective(
        Rows(rows.X, rows.y - residuals, rows.weight), Normal(), normal.network, normal.penalty
    )
    assert perfect.score_scale(w) == np.inf


# ------------------------------------------------------------------- start


@pairs
def test_null_model_is_the_link_of_the_mean_and_stationary(pair):
    objective, _ = draw(pair, 0)
    rows = objective.rows
    intercept, loss = null_model(rows, pair)
    share = rows.weight / rows.weight.sum()
    close(pair.mean(intercept), share @ rows.y, rtol=1e-10)
    constant = Layout((0, len(intercept)))
    empty = Rows(np.empty((len(rows), 0)), rows.y, rows.weight)
    null = Objective(empty, pair, Network(constant, IDENTITY), elastic_net(constant, [0], 0))
    close(null.smooth_value_and_gradient(intercept)[1], 0.0, atol=1e-12)
    close(loss, null.value(intercept))


@pairs
def test_null_model_with_an_offset_is_stationary(pair):
    objective, _ = draw(pair, 0, offset=True)
    rows = objective.rows
    intercept, loss = null_model(rows, pair)
    eta = intercept + rows.offset
    share = rows.weight / rows.weight.sum()
    close(share @ pair.error(rows.y, eta), 0.0, atol=1e-9)
    close(loss, share @ pair.loss(rows.y, eta).reshape(len(rows), -1).sum(axis=1))


FAR = np.array([[50.0]])
HALF_LINE = [p for p in known_pairs() if p.is_feasible(FAR) != p.is_feasible(-FAR)]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("pair", HALF_LINE, ids=label)
def test_null_model_is_found_under_an_offset_wider_than_half_of_the_line(pair, sign):
    """The intercept that starts at the mean offset leaves some row without a mean."""
    offset = sign * np.array([0.0, 0.0, 0.0, 9.0])[:, None]
    y = np.array([0.2, 0.6, 0.9, 0.4])[:, None]
    rows = Rows(np.empty((4, 0)), y, np.ones(4), offset)
    intercept, loss = null_model(rows, pair)
    assert np.isfinite(loss)
    assert pair.is_feasible(intercept + offset)


def test_an_offset_that_leaves_no_row_a_mean_is_refused():
    rows = Rows(np.empty((2, 0)), np.ones((2, 1)), np.ones(2), np.array([[0.0], [3.0]]))
    with pytest.raises(ValueError, match=r"Bernoulli with link 'identity' .* and offset"):
        null_model(rows, get_family("bernoulli", link="identity"))


@pairs_in_nets
def test_start_predicts_the_null_model_and_is_reproducible(pair, depth, activation):
    objective, _ = draw(pair, depth, activation)
    layout = objective.network.layout
    intercept, loss = null_model(objective.rows, pair)
    w, again = (initial_weights(layout, intercept, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(w, again)
    close(objective.mean_loss(w), loss)
    for W, b in layout.layers(w)[:-1]:
        limit = np.sqrt(6.0 / sum(W.shape))
        assert np.all(np.abs(W) <= limit)
        assert np.unique(W).size == W.size
        assert np.all((np.abs(b) <= limit) & (b != 0)), "else tanh is odd: no even effects"


def test_hidden_weights_fill_the_range_of_glorot_and_bengio():
    layout = Layout((20, 30, 10, 1))
    hidden = layout.layers(initial_weights(layout, np.zeros(1), np.random.default_rng(0)))[:-1]
    for W, n_in, n_out in zip((layer.W for layer in hidden), (20, 30), (30, 10), strict=True):
        assert np.abs(W).max() == pytest.approx(np.sqrt(6.0 / (n_in + n_out)), rel=0.02)
        assert abs(W.mean()) < 0.02


@pairs
def test_linear_objective_is_unpenalised_and_has_no_hidden_layer(pair):
    objective, w = draw(pair, 0)
    linear = linear_objective(objective.rows, pair, fit_intercept=True)
    assert linear.penalty.value(np.ones(linear.network.layout.size)) == 0
    assert linear.network.depth == 0
    close(linear.value(w), objective.value(w))
