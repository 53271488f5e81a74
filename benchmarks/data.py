"""The data of the tables: drawn here, shipped with scikit-learn, or read from a folder."""

from __future__ import annotations

from pathlib import Path

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


def held_out(data: Data, share: float, seed: int = 0) -> Data:
    """Return the data with ``share`` of the rows moved to X_test, y_test, exposure_test.

    The columns of X get mean 0 and variance 1 over the rows that stay, as every guide to
    scikit-learn's perceptrons asks for.
    """
    n = len(data["y"])
    order = np.random.default_rng(seed).permutation(n)
    test, train = order[: int(share * n)], order[int(share * n) :]
    return scaled(
        {name: values[train] for name, values in data.items()}
        | {f"{name}_test": values[test] for name, values in data.items()}
    )


def scaled(data: Data) -> Data:
    """Return the data with the columns of X standardised, those of X_test alike.

    Columns of 0 and 1 stay as they are, constant ones are centred only.
    """
    X = data["X"]
    center, scale = X.mean(axis=0), X.std(axis=0)
    indicator = ((X == 0) | (X == 1)).all(axis=0)
    center = np.where(indicator, 0.0, center)
    scale = np.where(indicator | (scale == 0), 1.0, scale)
    return {**data, **{name: (data[name] - center) / scale for name in ("X", "X_test")}}


def friedman(n: int) -> Data:
    """Return the regression of Friedman (1991), "Multivariate adaptive regression splines"."""
    from sklearn.datasets import make_friedman1

    X, y = make_friedman1(n, n_features=10, noise=1.0, random_state=0)
    return {"X": X, "y": y}


def digits() -> Data:
    """Return the 1,797 handwritten digits that scikit-learn ships."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return {"X": X, "y": y}


def motor_claims(folder: Path, n: int | None = None) -> Data:
    """Return claim counts with exposure of French motor policies (freMTPL2), split as published.

    ``folder`` has freMTPL2.parquet, the table of Wüthrich and Merz (2023), whose column
    LearnTest tells the split. The inputs are theirs: capped numbers, the area as an
    ordinal, log density, brand and region as indicators. ``n`` takes the first
    rows of each part only.
    """
    import pandas as pd

    table = pd.read_parquet(folder / "freMTPL2.parquet")
    inputs = pd.DataFrame(
        {
            "VehAge": table["VehAge"].clip(upper=20),
            "DrivAge": table["DrivAge"].clip(upper=90),
            "BonusMalus": table["BonusMalus"].clip(upper=150),
            "VehPower": table["VehPower"].clip(upper=15),
            "Area": table["Area"].astype(str).map(ord),
            "Density": np.log(table["Density"]),
            "VehGas": table["VehGas"].astype(str) == table["VehGas"].astype(str).iloc[0],
        }
    )
    indicators = pd.get_dummies(table[["VehBrand", "Region"]].astype(str))
    whole = {
        "X": np.column_stack([inputs.to_numpy(np.float64), indicators.to_numpy(np.float64)]),
        "y": table["ClaimNb"].to_numpy(np.float64),
        "exposure": table["Exposure"].to_numpy(np.float64),
    }
    learns = (table["LearnTest"] == "L").to_numpy()
    parts = (("", np.flatnonzero(learns)[:n]), ("_test", np.flatnonzero(~learns)[:n]))
    return scaled({name + s: values[rows] for s, rows in parts for name, values in whole.items()})
