"""The three networks of the sources, each gradient written out in the source's notation.

The formulas are the corrected ones (docs/theory lists the corrections), typed row
by row with explicit loops; nothing of the recursion is used.
"""

import numpy as np
import pytest

from families import Bernoulli, Multinoulli, Normal, Poisson, get_family, known_pairs
from glmnet_nn.network import Layout, Network, get_activation, known_activations
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def close(actual, expected, rtol=1e-11):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-13)


def built(sizes, activation, family, X, y, alpha=None, l1_ratio=0.0, seed=0):
    """The objective of a network, its parameters, and its gradient as layers."""
    layout = Layout(sizes)
    alpha = [0.0] * layout.n_layers if alpha is None else alpha
    network = Network(layout, get_activation(activation))
    penalty = elastic_net(layout, alpha, l1_ratio)
    objective = Objective(Rows(X, y, np.ones(len(X))), family, network, penalty)
    w = np.random.default_rng(seed).normal(scale=0.6, size=layout.size)
    value, gradient = objective.smooth_value_and_gradient(w)
    return objective, w, layout.layers(w), value, layout.layers(gradient)


# ------------------------------------------------------------- source 000


@pytest.fixture(params=[2, 5], ids=["H=2", "H=5"])
def source_000(request):
    """Two hidden logistic layers of H units, one logistic output, summed loss."""
    N, p, H = 11, 3, request.param
    rng = np.random.default_rng(H)
    X, y = rng.normal(size=(N, p)), rng.integers(0, 2, (N, 1)).astype(float)
    _, _, layers, value, gradient = built((p, H, H, 1), "logistic", Bernoulli(), X, y)
    # In the source h_l = sigma(W_l' h_{l-1} + b_l): its W_l is (n_in, n_out).
    W = [None] + [layer.W.T for layer in layers]
    b = [None] + [layer.b for layer in layers]
    rows = []
    for x in X:
        h1 = sigma(W[1].T @ x + b[1])
        h2 = sigma(W[2].T @ h1 + b[2])
        f = sigma(W[3].T @ h2 + b[3])[0]
        rows.append((x, h1, h2, f))
    return W, rows, y[:, 0], N * value, [(N * g.W.T, N * g.b) for g in gradient]


def test_000_loss_is_the_summed_negative_log_likelihood(source_000):
    _, rows, y, L, _ = source_000
    f = np.array([row[3] for row in rows])
    close(L, -np.sum(y * np.log(f) + (1 - y) * np.log(1 - f)))


def test_000_gradient_by_the_delta_recursion(source_000):
    """delta_l = (delta_{l+1} W_{l+1}^T) o h_l o (1 - h_l), bracketed, of the positive L_i."""
    W, rows, y, _, gradient = source_000
    totals = [[np.zeros_like(g) for g in pair] for pair in gradient]
    for (x, h1, h2, f), y_i in zip(rows, y, strict=True):
        delta3 = np.array([y_i - f])
        delta2 = (delta3 @ W[3].T) * (h2 * (1 - h2))
        delta1 = (delta2 @ W[2].T) * (h1 * (1 - h1))
        for total, delta, h in zip(totals, (delta1, delta2, delta3), (x, h1, h2), strict=True):
            total[0] -= np.outer(h, delta)  # L = - sum_i L_i
            total[1] -= delta
    for found, total in zip(gradient, totals, strict=True):
        close(found[0], total[0])
        close(found[1], total[1])


def test_000_gradient_by_the_double_sum(source_000):
    """-sum_i (y_i - f) sum_l W_3l h_2^l (1 - h_2^l) W_2,ml h_1^m (1 - h_1^m) x_i^j."""
    W, rows, y, _, gradient = source_000
    p, H = W[1].shape
    expected = np.zeros((p, H))
    for (x, h1, h2, f), y_i in zip(rows, y, strict=True):
        for j in range(p):
            for m in range(H):
                for n in range(H):
                    through = W[3][n, 0] * h2[n] * (1 - h2[n]) * W[2][m, n]
                    expected[j, m] -= (y_i - f) * through * h1[m] * (1 - h1[m]) * x[j]
    close(gradient[0][0], expected)


# ------------------------------------------------------------- source 001


def test_001_half_squared_error_with_logistic_outputs():
    """3 - 4 - 2: delta^2 = (a^2 - t) o sigma'(z^2), delta^1 = [W^2]^T delta^2 o sigma'(z^1)."""
    rng = np.random.default_rng(1)
    X, t = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2))
    family = Normal(link="logit")
    _, _, layers, value, gradient = built((3, 4, 2), "logistic", family, X, t)
    (W1, b1), (W2, b2) = layers
    assert W1.shape == (4, 3)
    assert W2.shape == (2, 4)
    C = 0.0
    dW1, db1, dW2, db2 = (np.zeros_like(part) for part in (W1, b1, W2, b2))
    for a0, t_i in zip(X, t, strict=True):
        a1 = sigma(W1 @ a0 + b1)
        a2 = sigma(W2 @ a1 + b2)
        C += 0.5 * np.sum((a2 - t_i) ** 2)
        delta2 = (a2 - t_i) * a2 * (1 - a2)  # not a2 - t: the link is not canonical
        delta1 = (W2.T @ delta2) * a1 * (1 - a1)
        dW2 += np.outer(delta2, a1)
        dW1 += np.outer(delta1, a0)
        db2 += delta2
        db1 += delta1
    close(value, C / 6)
    for found, expected in zip(gradient, [(dW1, db1), (dW2, db2)], strict=True):
        close(found.W, expected[0] / 6)
        close(found.b, expected[1] / 6)


# ------------------------------------------------------------- source 002

CANONICAL = [
    pair
    for pair in known_pairs()
    if pair.is_canonical and np.isinf([pair.link.image.low, pair.link.image.high]).all()
]
DEPTHS = [(3, 2), (3, 4, 2), (2, 3, 4, 2), (2, 3, 2, 3, 2)]
by_family = pytest.mark.parametrize("family", CANONICAL, ids=lambda f: f.name)
by_depth = pytest.mark.parametrize("sizes", DEPTHS, ids=str)
SLOPES = {
    "identity": lambda S: np.ones_like(S),
    "logistic": lambda S: sigma(S) * (1 - sigma(S)),
    "tanh": lambda S: 1 / np.cosh(S) ** 2,
    "relu": lambda S: 1.0 * (S > 0),
    "softplus": sigma,
}
VALUES = {
    "identity": lambda S: S,
    "logistic": sigma,
    "tanh": np.tanh,
    "relu": lambda S: np.maximum(S, 0),
    "softplus": lambda S: np.log1p(np.exp(S)),
}


def proxy_errors(layers, activation, family, X, y):
    """sum over rows of P_l (x) I_l and P_l, with P_L = O_L - Y, one row at a time."""
    totals = [[np.zeros_like(W), np.zeros_like(b)] for W, b in layers]
    for x, Y in zip(X, y, strict=True):
        inputs, S = [x], []
        for W, b in layers:
            S.append(W @ inputs[-1] + b)
            inputs.append(VALUES[activation](S[-1]))
        P = family.mean(S[-1]) - Y
        for at in range(len(layers) - 1, -1, -1):
            totals[at][0] += np.outer(P, inputs[at])
            totals[at][1] += P
            if at:
                P = (P @ layers[at][0]) * SLOPES[activation](S[at - 1])
    return totals


def data_002(sizes, family):
    rng = np.random.default_rng(len(sizes))
    X = rng.normal(size=(9, sizes[0]))
    K = sizes[-1]
    centre = np.full((9, K), 1.0 / K)
    return X, np.asarray(family.sample(centre, 1.0, rng), dtype=float)


@by_family
@by_depth
@pytest.mark.parametrize("activation", known_activations())
def test_002_gradient_is_P_outer_I_for_every_canonical_family(family, sizes, activation):
    X, y = data_002(sizes, family)
    _, _, layers, _, gradient = built(sizes, activation, family, X, y)
    totals = proxy_errors(layers, activation, family, X, y)
    for found, (dW, db) in zip(gradient, totals, strict=True):
        close(found.W, dW / len(X))
        close(found.b, db / len(X))


@by_family
@by_depth
def test_002_l2_with_its_own_coefficient_per_layer(family, sizes):
    X, y = data_002(sizes, family)
    coefficients = [0.1 * (at + 1) for at in range(len(sizes) - 1)]
    _, _, layers, _, gradient = built(sizes, "tanh", family, X, y, coefficients)
    totals = proxy_errors(layers, "tanh", family, X, y)
    for found, layer, (dW, db), a in zip(gradient, layers, totals, coefficients, strict=True):
        close(found.W, dW / len(X) + a * layer.W)
        close(found.b, db / len(X))  # intercepts are never penalised


@by_family
@by_depth
def test_002_l1_away_from_zero_is_the_sign_with_its_coefficient(family, sizes):
    X, y = data_002(sizes, family)
    coefficients = [0.1 * (at + 1) for at in range(len(sizes) - 1)]
    objective, w, layers, _, _ = built(sizes, "tanh", family, X, y, coefficients, 1.0)
    totals = proxy_errors(layers, "tanh", family, X, y)
    expected = []
    for layer, (dW, db), a in zip(layers, totals, coefficients, strict=True):
        expected += [(dW / len(X) + a * np.sign(layer.W)).ravel(), db / len(X)]
    h = 1e-4 * np.eye(len(w))
    assert np.abs(w).min() > 2e-4
    near, far = (
        np.array([objective.value(w + k * d) - objective.value(w - k * d) for d in h])
        for k in (1, 2)
    )
    numeric = (8 * near - far) / 12e-4
    np.testing.assert_allclose(numeric, np.concatenate(expected), rtol=1e-7, atol=1e-9)


def test_002_squared_error_has_the_factor_two_on_every_term():
    """Its loss (O - Y)^2 + lambda |W|^2 is twice our mean loss with alpha = lambda."""
    rng = np.random.default_rng(5)
    m, n, lambdas = 3, 4, [0.2, 0.7]
    X, y = rng.normal(size=(1, m)), rng.normal(size=(1, 1))
    _, _, layers, value, gradient = built((m, n, 1), "tanh", Normal(), X, y, lambdas)
    (W1, b1), (W2, b2) = layers
    H = np.tanh(W1 @ X[0] + b1)
    error = (W2 @ H + b2 - y[0])[0]
    close(2 * value, error**2 + 0.2 * np.sum(W1**2) + 0.7 * np.sum(W2**2))
    for j in range(n):
        close(2 * gradient[1].W[0, j], 2 * error * H[j] + 2 * 0.7 * W2[0, j])
        for i in range(m):
            chained = 2 * error * W2[0, j] * (1 - H[j] ** 2) * X[0, i]
            close(2 * gradient[0].W[j, i], chained + 2 * 0.2 * W1[j, i])


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
def test_correction_2_the_likelihood_has_the_factor_one_over_the_dispersion(tau):
    """d(-log f) / d theta = (mu - y) / d(tau); for classification the factor is 1."""
    y, theta, h = np.array([0.3, -1.2]), np.array([0.1, 0.4]), 1e-4
    normal = Normal()
    phi = normal.dispersion(tau)
    assert phi == tau**2
    slope = (
        normal.log_likelihood(y, normal.mean(theta - h), phi)
        - normal.log_likelihood(y, normal.mean(theta + h), phi)
    ) / (2 * h)
    np.testing.assert_allclose(slope, (normal.mean(theta) - y) / tau**2, rtol=1e-7)
    for family in (Bernoulli(), Poisson(), Multinoulli()):
        assert family.dispersion(tau) == 1.0


# -------------------------------------------------- correction 3: the loss of appendix B


def appendix_b(S, Y):
    """-sum_k [ Y_k log R_k + (1 - Y_k) log(1 - R_k) ] with R = softmax(S)."""
    R = np.exp(S) / np.exp(S).sum()
    return -np.sum(Y * np.log(R) + (1 - Y) * np.log(1 - R))


def slope_in(function, S, h=1e-4):
    return np.array([(function(S + d) - function(S - d)) / (2 * h) for d in h * np.eye(len(S))])


def test_correction_3_four_classes():
    """The certified numbers: (0.34, 0.25, -0.92, 0.33) against R - Y."""
    R, Y = np.array([0.227, 0.173, 0.3815, 0.2185]), np.array([0.0, 0.0, 1.0, 0.0])
    S = np.log(R)
    assert R.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_array_equal(np.round(R - Y, 2), [0.23, 0.17, -0.62, 0.22])
    wrong = slope_in(lambda S: appendix_b(S, Y), S)
    np.testing.assert_array_equal(np.round(wrong, 2), [0.34, 0.25, -0.92, 0.33])
    right = slope_in(lambda S: float(Multinoulli().loss(Y, S)), S)
    np.testing.assert_allclose(right, R - Y, atol=1e-8)
    np.testing.assert_allclose(Multinoulli().error(Y, S), R - Y, atol=1e-15)


@pytest.mark.parametrize("S", [(0.0, 0.0), (1.3, -0.4), (-2.0, 3.0)], ids=str)
@pytest.mark.parametrize("k", [0, 1])
def test_correction_3_two_classes_are_exactly_twice(S, k):
    S, Y = np.array(S), np.eye(2)[k]
    twice = slope_in(lambda S: appendix_b(S, Y), S)
    np.testing.assert_allclose(twice, 2 * Multinoulli().error(Y, S), rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------ correction 4


@pytest.mark.parametrize(("m", "n"), [(3, 4), (7, 2), (1, 1), (5, 9)])
def test_correction_4_mn_plus_n_parameters(m, n):
    layout = Layout((m, n, 1), fit_intercept=False)
    hidden_biases = n
    assert layout.size - hidden_biases == m * n + n
    assert [layer.W.size for layer in layout.layers(np.zeros(layout.size))] == [m * n, n]


def test_sources_use_the_names_of_the_field():
    """A' is the INVERSE canonical link: the link maps the mean to the predictor."""
    for pair in CANONICAL:
        family = get_family(pair.name)
        theta = family.link_of(np.array([0.3, 0.7]))
        np.testing.assert_allclose(family.mean(theta), [0.3, 0.7], rtol=1e-12)
