"""JAX on one core, float32, Adam written out; a jitted step, or a whole epoch in a scan."""

from __future__ import annotations

import os
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.contenders import Data, Mean, Numbers

# XLA's thread pool has no switch that holds, so the process is kept to one core.
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:1]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

_BETAS = (0.9, 0.999)
_EPS = 1e-8


def _eta(layers: Any, X: Any) -> Any:
    for W, b in layers[:-1]:
        X = jnp.tanh(X @ W + b)
    W, b = layers[-1]
    return X @ W + b


def _loss(layers: Any, X: Any, y: Any, exposure: Any, law: str) -> Any:
    eta = _eta(layers, X)
    if law == "multinoulli":
        logs = jax.nn.log_softmax(eta)
        return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()
    eta = eta[:, 0]
    if law == "bernoulli":
        return (jnp.logaddexp(0.0, eta) - y * eta).mean()
    mu = jnp.exp(eta) if exposure is None else jnp.exp(eta) * exposure
    return (mu - y * eta).mean()


def _step(state: Any, rows: Any, X: Any, y: Any, exposure: Any, rate: float, law: str) -> Any:
    layers, m, v, t = state
    known = None if exposure is None else exposure[rows]
    gradient = jax.grad(_loss)(layers, X[rows], y[rows], known, law)
    first, second = _BETAS
    t = t + 1
    m = jax.tree.map(lambda m, g: first * m + (1 - first) * g, m, gradient)
    v = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, v, gradient)
    size, scale = rate / (1 - first**t), 1 / (1 - second**t)
    layers = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v * scale) + _EPS), layers, m, v)
    return layers, m, v, t


_one_step = partial(jax.jit, static_argnames="law", donate_argnums=0)(_step)


@partial(jax.jit, static_argnames="law", donate_argnums=0)
def _one_epoch(
    state: Any, batches: Any, X: Any, y: Any, exposure: Any, rate: float, law: str
) -> Any:
    def body(state: Any, rows: Any) -> Any:
        return _step(state, rows, X, y, exposure, rate, law), None

    return jax.lax.scan(body, state, batches)[0]


def _start(sizes: list[int], rng: np.random.Generator) -> Any:
    layers = []
    for n_in, n_out in pairwise(sizes):
        limit = np.sqrt(6 / (n_in + n_out))
        W = rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)
        layers.append((jnp.asarray(W), jnp.zeros(n_out, jnp.float32)))
    zeros = jax.tree.map(jnp.zeros_like, layers)
    return layers, zeros, jax.tree.map(jnp.zeros_like, layers), jnp.zeros((), jnp.float32)


def epochs(
    data: Data,
    law: str,
    hidden: list[int],
    batch: int,
    epochs: int,
    rate: float,
    seed: int,
    loop: str,
) -> Mean:
    """Train a tanh network; rows of a last, smaller batch wait for the next epoch."""
    rng = np.random.default_rng(seed)
    X = jnp.asarray(data["X"], jnp.float32)
    labels = law == "multinoulli"
    y = jnp.asarray(data["y"], jnp.int32 if labels else jnp.float32)
    exposure = jnp.asarray(data["exposure"], jnp.float32) if "exposure" in data else None
    n_outputs = int(data["y"].max()) + 1 if labels else 1
    state = _start([X.shape[1], *hidden, n_outputs], rng)
    for _ in range(epochs):
        order = rng.permutation(len(X)).astype(np.int32)
        batches = order[: len(X) // batch * batch].reshape(-1, batch)
        if loop == "scan":
            state = _one_epoch(state, batches, X, y, exposure, rate, law)
        else:
            for rows in batches:
                state = _one_step(state, rows, X, y, exposure, rate, law)
    layers = jax.block_until_ready(state)[0]
    mean = {"poisson": jnp.exp, "bernoulli": jax.nn.sigmoid}.get(law)

    def predict(rows: Numbers) -> Numbers:
        eta = _eta(layers, jnp.asarray(rows, jnp.float32))
        return np.asarray(jax.nn.softmax(eta) if mean is None else mean(eta[:, 0]), np.float64)

    return predict
