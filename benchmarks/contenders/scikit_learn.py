"""scikit-learn's linear models and multilayer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    enet_path,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.contenders import Data, Mean, Numbers, with_intercept

_ITERATIONS = 10_000  # none that reaches the tolerance needs as many


def glm(data: Data, law: str, solver: str, tol: float | None = None) -> Numbers:
    """Fit without a penalty; ``solver`` of the Normal law is "cholesky" (Ridge) or "lstsq"."""
    model: Any
    if law == "normal":
        model = LinearRegression() if solver == "lstsq" else Ridge(alpha=0, solver=solver)
    elif law == "poisson":
        model = PoissonRegressor(alpha=0, solver=solver, tol=tol, max_iter=_ITERATIONS)
    else:
        model = LogisticRegression(C=np.inf, solver=solver, tol=tol, max_iter=_ITERATIONS)
    model.fit(data["X"], data["y"])
    return with_intercept(model.intercept_, model.coef_)


def path(data: Data, law: str, tol: float) -> Numbers:
    """Fit a lasso of the Normal law at each alpha; the columns of X have mean 0."""
    X, y = data["X"], data["y"]
    middle = y.mean()
    _, slopes, _ = enet_path(
        X, y - middle, l1_ratio=1.0, alphas=data["alphas"], tol=tol, max_iter=_ITERATIONS
    )
    return with_intercept(np.full(slopes.shape[1], middle), slopes.T)[:, None]


def network(data: Data, law: str, dtype: str = "float64", **settings: Any) -> Mean:
    """Fit a multilayer perceptron; under an exposure the rates, weighted by it."""
    X, y = data["X"].astype(dtype, copy=False), data["y"]
    known = {}
    if "exposure" in data:
        y, known = y / data["exposure"], {"sample_weight": data["exposure"]}
    if law in {"bernoulli", "multinoulli"}:
        classifier = MLPClassifier(**settings).fit(X, y, **known)
        return lambda rows: classifier.predict_proba(rows.astype(dtype, copy=False))
    loss = {"normal": "squared_error", "poisson": "poisson"}[law]
    regressor = MLPRegressor(loss=loss, **settings).fit(X, y.astype(dtype), **known)
    return lambda rows: regressor.predict(rows.astype(dtype, copy=False))


def epochs(data: Data, law: str, epochs: int, **settings: Any) -> Mean:
    """Fit a perceptron for a number of epochs, with no test of when to stop."""
    fixed: dict[str, Any] = {
        "max_iter": epochs,
        "tol": 0.0,
        "n_iter_no_change": epochs + 1,
        "alpha": 0.0,
    }
    return network(data, law, **fixed, **settings)
