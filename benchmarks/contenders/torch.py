"""PyTorch, eager, float32, with the fused Adam; batches are taken from one permutation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contenders import Data, Mean, Numbers


def _loss(law: str) -> Any:
    """Return a function of (eta, y, exposure or None), a mean over the batch."""
    if law == "multinoulli":
        return lambda eta, y, exposure: nn.functional.cross_entropy(eta, y)
    if law == "bernoulli":
        return lambda eta, y, exposure: nn.functional.binary_cross_entropy_with_logits(eta[:, 0], y)

    def poisson(eta: Any, y: Any, exposure: Any) -> Any:
        mu = torch.exp(eta[:, 0])
        return ((mu if exposure is None else mu * exposure) - y * eta[:, 0]).mean()

    return poisson


def _network(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def epochs(
    data: Data, law: str, hidden: list[int], batch: int, epochs: int, rate: float, seed: int
) -> Mean:
    """Train a tanh network for a number of epochs."""
    torch.manual_seed(seed)
    X = torch.as_tensor(data["X"], dtype=torch.float32)
    labels = law == "multinoulli"
    y = torch.as_tensor(data["y"], dtype=torch.int64 if labels else torch.float32)
    exposure = None
    if "exposure" in data:
        exposure = torch.as_tensor(data["exposure"], dtype=torch.float32)
    n_outputs = int(data["y"].max()) + 1 if labels else 1
    net = _network([X.shape[1], *hidden, n_outputs])
    adam = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
    loss = _loss(law)
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for rows in order.split(batch):
            adam.zero_grad(set_to_none=True)
            known = None if exposure is None else exposure[rows]
            loss(net(X[rows]), y[rows], known).backward()
            adam.step()
    mean = {"poisson": torch.exp, "bernoulli": torch.sigmoid}.get(law)

    def predict(rows: Numbers) -> Numbers:
        with torch.no_grad():
            eta = net(torch.as_tensor(rows, dtype=torch.float32))
            mu = torch.softmax(eta, 1) if mean is None else mean(eta[:, 0])
        return np.asarray(mu, dtype=np.float64)

    return predict
