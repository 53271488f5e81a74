"""What a fit is worth: measured here, alike for every contender.

In plain numpy, which every worker has: another library's runtime would be one too many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contenders import Data, Mean, Numbers

_CHUNK = 20_000
_TINY = 1e-12  # a probability or a mean of 0 would end the comparison


def gradient(coefficients: Numbers, data: Data, law: str) -> dict[str, Any]:
    """Return max |[1 X]' (mu - y)| / n, the gradient of the mean loss at the coefficients.

    For the canonical links, on the columns of X as given: ``coefficients`` is
    (K, 1 + p), the intercept first.
    """
    X, y = data["X"], data["y"]
    total = np.zeros_like(coefficients, dtype=np.float64)
    for start in range(0, len(X), _CHUNK):
        rows = slice(start, start + _CHUNK)
        block = X[rows].astype(np.float64, copy=False)
        eta = block @ coefficients[:, 1:].T + coefficients[:, 0]
        residual = _mean(eta, law)
        if law == "multinoulli":
            residual[np.arange(len(block)), y[rows]] -= 1
        else:
            residual -= y[rows, None]
        total[:, 0] += residual.sum(axis=0)
        total[:, 1:] += residual.T @ block
    return {"gradient": float(np.abs(total).max()) / len(X)}


def excess(path: Numbers, data: Data, law: str) -> dict[str, Any]:
    """Return how far F of a lasso path is above its minimum, over F of the null model.

    ``path`` is (m, K, 1 + p), the intercepts first, at data["alphas"]; F is half the mean
    deviance plus alpha sum |beta|. The largest over the alphas, beside data["least"]; where
    that is not known yet, F itself, as ``values``.
    """
    X, y, alphas = data["X"], data["y"], data["alphas"]
    F = alphas * np.abs(path[:, :, 1:]).sum(axis=(1, 2))
    for k, one in enumerate(path):
        mu = _mean(X @ one[:, 1:].T + one[:, 0], law)
        F[k] += 0.5 * float(np.mean(_deviances(mu if len(one) > 1 else mu[:, 0], y, law)))
    if "least" not in data:
        return {"values": F.tolist()}
    return {"excess": float(np.max(F - data["least"]) / data["least"][0])}


def _mean(eta: Numbers, law: str) -> Numbers:
    """Return the mean at eta under the canonical link."""
    if law == "normal":
        return eta.copy()
    if law == "poisson":
        return np.exp(eta)
    if law == "bernoulli":
        return 0.5 + 0.5 * np.tanh(eta / 2)
    odds = np.exp(eta - eta.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def deviance(mean: Mean, data: Data, law: str) -> dict[str, Any]:
    """Return the mean deviance on the held-out rows, or on the first rows where there are none.

    Poisson with exposure e: d(y / e, mu) averaged with the weights e. Probabilities:
    twice the log loss. Normal: the squared error.
    """
    suffix = "_test" if "X_test" in data else ""
    X, y = data["X" + suffix][: _CHUNK * 5], data["y" + suffix][: _CHUNK * 5]
    mu = np.asarray(mean(X), dtype=np.float64)
    weight = np.ones(len(y))
    if "exposure" + suffix in data:
        weight = data["exposure" + suffix][: len(y)]
        y = y / weight
    value = float(np.average(_deviances(mu, y, law), weights=weight))
    return {"deviance": value, **mean.__dict__}


def portfolio(mean: Mean, data: Data, law: str) -> dict[str, Any]:
    """Return the mean deviances of rates on both parts, and sum e mu / sum y - 1 on the first."""
    found = {}
    for part, suffix in (("learn", ""), ("test", "_test")):
        weight, y = data["exposure" + suffix], data["y" + suffix]
        mu = np.asarray(mean(data["X" + suffix]), dtype=np.float64)
        found[part] = float(np.average(_deviances(mu, y / weight, law), weights=weight))
        found.setdefault("imbalance", float(weight @ mu / y.sum() - 1.0))
    return {**found, **mean.__dict__}


def _deviances(mu: Numbers, y: Numbers, law: str) -> Numbers:
    if law == "normal":
        return np.square(y - mu)
    if law == "poisson":
        mu = np.maximum(mu, _TINY)
        return 2 * (y * np.log(np.where(y > 0, y, mu) / mu) - y + mu)
    chances = mu if mu.ndim == 2 else np.column_stack([1 - mu, mu])
    picked = chances[np.arange(len(y)), y.astype(np.intp)]
    return -2 * np.log(np.maximum(picked, _TINY))
