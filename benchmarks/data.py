"""The data of the tables: drawn here, shipped with scikit-learn, or read from a folder."""

from __future__ import annotations

import numpy as np

from benchmarks.contenders import Data, Numbers


def glm(
    law: str, n: int, p: int, n_outputs: int = 1, independent: bool = False, seed: int = 0
) -> Data:
    """Return X, (n, p), and y of the law, around a linear predictor of variance near 1.

    Columns as data sets have them: neighbours have correlation 1/2 (an autoregression),
    standard deviations lie between 1/3 and 3, means between -1 and 1 of them. With
    ``independent``, standard normal ones instead: the Hessian is then nearly a
    multiple of the identity, as no real data have it, which is the best case of solvers
    that use gradients only.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    if not independent:
        for j in range(1, p):
            X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    eta = X @ (rng.standard_normal((p, n_outputs)) / np.sqrt(p))
    if not independent:
        X += rng.uniform(-1, 1, p)
        X *= 3.0 ** rng.uniform(-1, 1, p)
    return {"X": X, "y": _draw(law, eta, rng)}


def _draw(law: str, eta: Numbers, rng: np.random.Generator) -> Numbers:
    """Return y, (n,), of a law at linear predictors (n, K) of variance near 1.

    Poisson counts have mean exp(eta / 2 - 1/2); the Normal law has noise of variance 1.
    """
    if law == "multinoulli":  # the largest of eta + Gumbel noise has the softmax chances
        return (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    eta = eta[:, 0]
    if law == "poisson":
        return rng.poisson(np.exp(0.5 * eta - 0.5)).astype(np.float64)
    if law == "bernoulli":
        return (rng.random(len(eta)) < 0.5 + 0.5 * np.tanh(eta / 2)).astype(np.int64)
    return eta + rng.standard_normal(len(eta))


def nonlinear(
    law: str, n: int, p: int, n_outputs: int = 1, exposure: bool = False, seed: int = 0
) -> Data:
    """Return X, (n, p), and y of the law around sines and products of five columns.

    With ``exposure``, e uniform on (0.1, 1) and a Poisson count of mean e mu.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    mixed = X @ (rng.standard_normal((p, 5)) / np.sqrt(p))
    bent = np.column_stack([np.sin(2 * mixed), mixed[:, :1] * mixed[:, 1:], mixed])
    eta = bent @ rng.standard_normal((bent.shape[1], n_outputs))
    eta = (eta - eta.mean(axis=0)) / eta.std(axis=0)
    if not exposure:
        return {"X": X, "y": _draw(law, eta, rng)}
    time = rng.uniform(0.1, 1.0, n)
    y = rng.poisson(time * np.exp(0.5 * eta[:, 0] - 0.5)).astype(np.float64)
    return {"X": X, "y": y, "exposure": time}
