"""Writes the files of this version that later versions must read: python tests/saved_models.py.

Beside every file ``<name>.model`` stands ``<name>.json``: rows, what the model predicts for
them, and what else was asked of it. At a release run this once and add what it wrote.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import glmnet_nn
from families import NegativeBinomial, Tweedie
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    ElasticNetGLMClassifierCV,
    ElasticNetGLMCV,
    save_model,
)

SAVED = Path(__file__).parent / "saved"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)).round(2)
COUNTS = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
AMOUNTS = (COUNTS * RNG.gamma(2.0, 1.0, 60)).round(2)
CLASSES = np.array(["low", "middle", "high"])[np.minimum(COUNTS.astype(int), 2)]
_NET = {"hidden_layer_sizes": (2,), "max_iter": 3, "random_state": 0}
_GLM = {"hidden_layer_sizes": ()}

# every public estimator, depth, architecture and kind of y
MODELS = {
    "glm": (DeepGLMRegressor("poisson", store_covariance=True, **_GLM), COUNTS),
    "network": (DeepGLMRegressor("poisson", **_NET | {"hidden_layer_sizes": (3, 2)}), COUNTS),
    "skip": (DeepGLMRegressor("poisson", skip_connection=True, **_NET), COUNTS),
    "local": (DeepGLMRegressor("poisson", architecture="local", **_NET), COUNTS),
    "ensemble": (DeepGLMRegressor("poisson", n_estimators=2, **_NET), COUNTS),
    "formula": (
        DeepGLMRegressor(
            "poisson", formula="~ bs(a, 4, extrapolation='clip') + poly(b, 2)", **_GLM
        ),
        COUNTS,
    ),
    "estimated": (DeepGLMRegressor(NegativeBinomial(alpha="estimate"), **_GLM), COUNTS),
    "amounts": (DeepGLMRegressor(Tweedie("log", power=1.5), **_NET), AMOUNTS),
    "outputs": (DeepGLMRegressor(**_NET), np.column_stack([COUNTS, AMOUNTS])),
    "two-classes": (DeepGLMClassifier(link="probit", **_GLM), COUNTS > 0),
    "classes": (DeepGLMClassifier(**_NET), CLASSES),
    "labels": (DeepGLMClassifier(**_NET), (X > 0.1).astype(int)),
    "double": (
        DoubleGLMRegressor(DeepGLMRegressor(**_NET), DeepGLMRegressor("gamma", link="log", **_GLM)),
        X[:, 0] + AMOUNTS,
    ),
    "elastic-net": (ElasticNetGLMCV("poisson", n_alphas=4, cv=3, l1_ratio=[0.5, 1]), COUNTS),
    "elastic-net-classes": (ElasticNetGLMClassifierCV(n_alphas=4, cv=3), CLASSES),
}


def rows_for(model, rows):
    """Return rows as the model takes them: a formula names columns."""
    named = getattr(model, "formula", None) is not None
    return pd.DataFrame(rows, columns=["a", "b"]) if named else rows


def fitted(name):
    """Return a fitted model of that name, and its y."""
    model, y = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three epochs do not converge
        model.fit(rows_for(model, X), y)
    return model, y


def answers(model, rows):
    """Return what a model says of rows, as JSON has it."""
    asked = ("predict", "predict_proba", "linear_predictor", "predict_interval")
    rows, found = rows_for(model, rows), {}
    for name in asked:
        is_kept = name != "predict_interval" or getattr(model, "store_covariance", False)
        if hasattr(model, name) and is_kept:
            found[name] = np.asarray(getattr(model, name)(rows)).tolist()
    return found


def write(folder: Path) -> None:
    """Write every model and its answers."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        model, _ = fitted(name)
        save_model(model, folder / f"{name}.model")
        rows = X[:5] * 1.5  # some are clipped
        beside = {"rows": rows.tolist(), "answers": answers(model, rows)}
        (folder / f"{name}.json").write_text(json.dumps(beside) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(SAVED / glmnet_nn.__version__)
