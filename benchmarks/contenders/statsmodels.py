"""statsmodels' GLM, Logit and OLS; their results bring the covariance with them."""

from __future__ import annotations

import statsmodels.api as sm

from benchmarks.contenders import Data, Numbers


def glm(data: Data, law: str, model: str, tol: float | None = None) -> Numbers:
    """Fit GLM (IRLS), Logit (Newton) or OLS."""
    X, y = sm.add_constant(data["X"], has_constant="add"), data["y"]
    if model == "OLS":
        fitted = sm.OLS(y, X).fit()
    elif model == "Logit":
        fitted = sm.Logit(y, X).fit(method="newton", tol=tol, maxiter=1000, disp=False)
    else:
        family = {
            "normal": sm.families.Gaussian,
            "poisson": sm.families.Poisson,
            "bernoulli": sm.families.Binomial,
        }[law]()
        fitted = sm.GLM(y, X, family=family).fit(tol=tol, maxiter=1000)
    return fitted.params[None]
