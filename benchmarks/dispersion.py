"""Do intervals of a double GLM cover, where y varies little and where it varies much?

``python -m benchmarks dispersion --replicates 20`` draws, in each cell, that many samples
whose mean and log phi depend on four columns, linearly or not, fits them by
``DoubleGLMRegressor`` with models of the right shape, and counts how often 90 % intervals
hold new observations: all of them, and the quarters with the smallest and the largest phi.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np
from numpy.typing import NDArray

from glmnet_nn import DeepGLMRegressor, DoubleGLMRegressor, ExponentialFamily, get_family

Array = NDArray[np.float64]

LAWS = {
    "normal": get_family("normal"),
    "gamma": get_family("gamma", "log"),
    "tweedie": get_family("tweedie", "log"),
}
COVERAGE = 0.9
_NEW = 4000
_SEED = 20240611


def predictors(X: Array, bent: bool) -> tuple[Array, Array]:
    """Return eta and log phi."""
    if bent:
        eta = 0.5 * np.sin(1.5 * X[:, 0]) + 0.25 * X[:, 1]
        return eta, -1.0 + np.tanh(1.5 * X[:, 0]) + 0.5 * X[:, 2]
    return 0.4 * X[:, 0] + 0.25 * X[:, 1], -1.0 + 0.6 * X[:, 0] + 0.5 * X[:, 2]


def sample(
    law: ExponentialFamily, n: int, bent: bool, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return X, y and phi."""
    X = rng.uniform(-2.0, 2.0, (n, 4))
    eta, log_phi = predictors(X, bent)
    phi = np.exp(log_phi)
    return X, law.sample(law.mean(eta), phi, rng), phi


def shares(
    law: ExponentialFamily, n: int, bent: bool, method: str, rng: np.random.Generator
) -> Array:
    """Return the shares of new observations inside: all, of the smallest phi, of the largest."""
    X, y, _ = sample(law, n, bent, rng)
    hidden = (8,) if bent else ()
    solver = "lbfgs" if bent else "auto"  # until the alternation rests
    mean = DeepGLMRegressor(law, hidden_layer_sizes=hidden, solver=solver)
    double = DoubleGLMRegressor(mean, method=method, random_state=0).fit(X, y)
    new, observed, phi = sample(law, _NEW, bent, rng)
    low, high = double.predict_interval(new, coverage=COVERAGE).T
    inside = (low <= observed) & (observed <= high)
    order = np.argsort(phi)
    quarter = _NEW // 4
    parts = (order, order[:quarter], order[-quarter:])
    return np.array([inside[part].mean() for part in parts])


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks dispersion", description=__doc__)
    parser.add_argument("--replicates", type=int, default=20)
    replicates = parser.parse_args(arguments).replicates
    print("| law | models | rows | method | all | smallest phi | largest phi | s a sample |")
    print("|---|---|---|---|---|---|---|---|")
    for name, bent, n in product(LAWS, (False, True), (100, 400)):
        for method in ("ml", "reml"):
            start, rngs = time.perf_counter(), np.random.default_rng(_SEED).spawn(replicates)
            found = [shares(LAWS[name], n, bent, method, rng) for rng in rngs]
            seconds = (time.perf_counter() - start) / replicates
            cells = " | ".join(f"{share:.3f}" for share in np.mean(found, axis=0))
            kind = "networks" if bent else "GLMs"
            print(f"| {name} | {kind} | {n} | {method} | {cells} | {seconds:.2f} |", flush=True)
