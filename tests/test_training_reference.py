"""What the tests of networks, objectives and solvers share: problems to test on.

Every problem is drawn for any pair of law and link: its linear predictors stay
where the pair has means, and its y lie in the support.
"""

import numpy as np
import pytest

from families import Simplex, known_pairs
from glmnet_nn.network import Layout, Network, get_activation, known_activations
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net

CLASSES = 3
HIDDEN = (3, 2, 3)  # of the deepest network


def label(item):
    """A readable test id."""
    return f"{item.name}-{item.link.name}" if hasattr(item, "link") else str(item)


NETS = [(0, "identity")] + [(d, a) for d in (1, 2, 3) for a in known_activations()]
pairs = pytest.mark.parametrize("pair", known_pairs(), ids=label)
activations = pytest.mark.parametrize("activation", known_activations())
nets = pytest.mark.parametrize(("depth", "activation"), NETS)


def in_turn(choices, n_each=1):
    """(pair, choice): canonical pairs with every choice, others with n_each, taken in turn.

    So each law meets every choice, and so does each link, without all of their products.
    """
    for i, pair in enumerate(known_pairs()):
        count = len(choices) if pair.is_canonical else n_each
        yield from ((pair, choices[(i * n_each + k) % len(choices)]) for k in range(count))


pairs_in_nets = pytest.mark.parametrize(
    ("pair", "depth", "activation"),
    [(pair, *net) for pair, net in in_turn(NETS, 3)],
    ids=label,
)


def central_mean(pair):
    """A mean well inside what both the law and the link allow."""
    ours, theirs = pair.mean_domain, pair.link.domain
    if isinstance(ours, Simplex):
        return np.array([0.2, 0.5, 0.3])
    low, high = max(ours.low, theirs.low), min(ours.high, theirs.high)
    if np.isfinite(low) and np.isfinite(high):
        return np.full(2, 0.5 * (low + high))
    if np.isfinite(low):
        return np.full(2, low + 3.0)
    return np.full(2, high - 3.0 if np.isfinite(high) else 0.5)


def reach(pair):
    """A step of eta that leaves every mean about the central one feasible: 1, 1/2, 1/4, ..."""
    centre, step = pair.link_of(central_mean(pair)), 1.0
    while not (pair.is_feasible(centre + step) and pair.is_feasible(centre - step)):
        step /= 2
    return step


def is_moderate(pair, eta, centre):
    """Whether eta +- a margin is feasible and no row weighs far more than a central one.

    Else differences would measure little but their own error, and scoring crawl.
    """
    if not np.abs(eta - centre).max() < 3:
        return False
    margin = 0.2 * reach(pair)
    ends = eta + margin, eta - margin
    largest = 100 * pair.fisher_weight(centre)
    return all(pair.is_feasible(end) and np.all(pair.fisher_weight(end) <= largest) for end in ends)


def is_near_kink(network, w, X):
    """Whether some S_l is within a difference step of 0, where relu has no derivative."""
    layers = network.layout.layers(w)
    inputs, _ = network.forward(w, X)
    S = [below @ W.T + b for below, (W, b) in zip(inputs, layers[:-1], strict=False)]
    return any(np.abs(s).min() < 2e-2 for s in S)


def draw(
    pair,
    depth=0,
    activation="identity",
    seed=0,
    n=7,
    intercept=True,
    offset=False,
    weighted=True,
    alpha=0.0,
    l1_ratio=0.0,
    p=2,
):
    """An objective, and parameters at which every eta is feasible."""
    rng = np.random.default_rng(seed)
    centre = pair.link_of(central_mean(pair))
    K = len(centre)
    layout = Layout((p, *HIDDEN[:depth], K), intercept)
    network = Network(layout, get_activation(activation))
    base = np.zeros((n, K)) if intercept else np.tile(centre, (n, 1))
    if offset:
        base = base + reach(pair) * rng.uniform(-0.1, 0.1, (n, K))
    while True:
        X = rng.normal(size=(n, p))
        w = rng.normal(scale=0.7, size=layout.size)
        output = layout.layers(w)[-1]
        if intercept:
            output.b[:] = centre
        if not is_near_kink(network, w, X):
            break
    for _ in range(30):
        eta = network.forward(w, X)[1] + base
        if is_moderate(pair, eta, centre):
            break
        output.W[:] *= 0.7
    assert is_moderate(pair, eta, centre)
    mu = pair.mean(eta)
    y = pair.sample(mu, 1.0, rng)
    y[::2] = 0.3 * y[::2] + 0.7 * mu[::2]  # proportions and rates as well as counts
    weight = rng.uniform(0.2, 3.0, n) if weighted else np.ones(n)
    while not np.all(pair.link.domain.contains(weight @ y / weight.sum())):
        # the null model must have a mean that the link can give; mu itself may round to its end
        y = 0.5 * (y + central_mean(pair))
    rows = Rows(X, y, weight, base if offset or not intercept else None)
    coefficients = [alpha * (1 + at) for at in range(layout.n_layers)]
    penalty = elastic_net(layout, coefficients, l1_ratio)
    return Objective(rows, pair, network, penalty), w


def slopes_along(function, w, directions, step=1e-3):
    """Derivatives of a number along each direction, by central differences of order 4."""
    found = []
    for d in directions:
        near, far = (function(w + k * step * d) - function(w - k * step * d) for k in (1, 2))
        found.append((8 * near - far) / (12 * step))
    return np.array(found)


def slope(function, w, step=1e-3):
    """Derivatives of ``function`` by central differences of order 4, on a new last axis."""
    columns = []
    for h in step * np.eye(len(w)):
        near, far = function(w + h) - function(w - h), function(w + 2 * h) - function(w - 2 * h)
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=-1)


class Plain:
    """A problem of a smooth function and an elastic net, for solvers that see no rows."""

    def __init__(self, function, penalty, n_rows=1):
        self.function, self.penalty, self.n_rows = function, penalty, n_rows
        self.seen = []

    def value(self, w):
        return self.function(w)[0] + self.penalty.value(w)

    def smooth_value_and_gradient(self, w):
        value, gradient = self.function(w)
        return value + self.penalty.smooth_value(w), gradient + self.penalty.smooth_gradient(w)

    def mini_batches(self, size, single):
        self.dtype, self.size = np.dtype(np.float32 if single else np.float64), size
        return self

    def sweep(self, w, gradient, order, step):
        total = 0.0
        for at in range(0, len(order), self.size):
            self.seen.append(np.array(order[at : at + self.size]))
            value, gradient[:] = self.function(w)
            total += len(self.seen[-1]) * value
            if not np.isfinite(total):
                break
            step()
        return total / len(order)
