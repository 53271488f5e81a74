"""This package, at its defaults unless a setting says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import Data, Mean, Numbers, with_intercept
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, elastic_net_path


def _estimator(law: str, **settings: Any) -> Any:
    if "hidden_layer_sizes" in settings:
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    if law in {"bernoulli", "multinoulli"}:
        return DeepGLMClassifier(**settings)
    return DeepGLMRegressor(law, **settings)


def _fit(data: Data, law: str, settings: dict[str, Any]) -> Any:
    known = {"exposure": data["exposure"]} if "exposure" in data else {}
    return _estimator(law, **settings).fit(data["X"], data["y"], **known)


def glm(data: Data, law: str) -> Numbers:
    """Fit the classical model."""
    fitted = _fit(data, law, {"hidden_layer_sizes": ()})
    return with_intercept(fitted.intercept_, fitted.coef_)


def path(data: Data, law: str, **settings: Any) -> Numbers:
    """Fit a lasso at each alpha; the columns of X have variance 1."""
    y = data["y"]
    if law == "multinoulli":
        y = np.eye(int(y.max()) + 1)[y]
    found = elastic_net_path(
        data["X"], y, family=law, alphas=data["alphas"], standardize=False, **settings
    )
    slopes = found.coefs.reshape(-1, *found.coefs.shape[-2:])
    intercepts = found.intercepts.reshape(len(slopes), 1, -1)
    return np.concatenate([intercepts, slopes], axis=1).transpose(2, 0, 1)


def network(data: Data, law: str, **settings: Any) -> Mean:
    """Fit a network."""
    fitted = _fit(data, law, settings)

    def mean(X: Numbers) -> Numbers:
        probable = law in {"bernoulli", "multinoulli"}
        return fitted.predict_proba(X) if probable else fitted.predict(X)

    mean.__dict__.update(n_iter=int(fitted.n_iter_), solver=fitted.solver_)
    return mean


def predict(data: Data, law: str, plain: bool, **settings: Any) -> Callable[[], Numbers]:
    """Return the prediction for X_test, to be timed: ours, or the numpy calls it needs.

    The plain calls are those of a Poisson network with tanh layers and of a Poisson GLM.
    """
    fitted, X = _fit(data, law, settings), data["X_test"]
    if not plain:
        return lambda: fitted.predict(X)
    *hidden, (W, b) = list(zip(fitted.coefs_, fitted.intercepts_, strict=True))

    def by_hand() -> Numbers:
        z = X
        for slopes, offsets in hidden:
            z = np.tanh(z @ slopes + offsets)
        return np.exp(z @ W + b)[:, 0]

    return by_hand
