"""glum's generalized linear models."""

from __future__ import annotations

import numpy as np
from glum import GeneralizedLinearRegressor

from benchmarks.contenders import Data, Numbers, with_intercept

_FAMILY = {"normal": "normal", "poisson": "poisson", "bernoulli": "binomial"}


def glm(data: Data, law: str, solver: str, tol: float) -> Numbers:
    """Fit without a penalty, by iteratively reweighted least squares."""
    model = GeneralizedLinearRegressor(
        family=_FAMILY[law], alpha=0, solver=solver, gradient_tol=tol, max_iter=1000
    )
    model.fit(data["X"], data["y"].astype(np.float64, copy=False))
    return with_intercept(model.intercept_, model.coef_)


def path(data: Data, law: str, tol: float) -> Numbers:
    """Fit a lasso at each alpha, each from where the one before ended."""
    model = GeneralizedLinearRegressor(
        family=_FAMILY[law],
        l1_ratio=1,
        alpha_search=True,
        alpha=list(data["alphas"]),
        gradient_tol=tol,
        max_iter=1000,
    )
    model.fit(data["X"], data["y"].astype(np.float64, copy=False))
    return with_intercept(model.intercept_path_, model.coef_path_)[:, None]
