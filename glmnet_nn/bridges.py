"""Ways out: the same model in statsmodels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from families import ExponentialFamily
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._validation import require_array
from glmnet_nn.training.data import Rows


def to_statsmodels(
    estimator: BaseDeepGLM,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    weight_type: str = "freq",
    scale: str | float | None = None,
    cov_type: str = "nonrobust",
    cov_kwds: dict[str, Any] | None = None,
) -> Any:
    """Return the results of statsmodels for a fitted model without hidden layers.

    The model is fitted there, from our estimates and to a stricter rule than its default;
    nothing is copied into its results. Columns have the names of ours, ``Intercept`` first.

    Parameters
    ----------
    estimator : DeepGLMRegressor or DeepGLMClassifier
        Fitted, with ``hidden_layer_sizes=()`` and without a penalty.
    X, y, sample_weight, offset, exposure
        The data that it was fitted to.
    weight_type : {"freq", "var"}, default="freq"
        As in ``inference()``; statsmodels has no probability weights.
    scale : None, "X2", "dev" or float
        What our ``dispersion`` None, "pearson", "deviance" or a number is called there.
    cov_type, cov_kwds
        As in ``GLM.fit``: "HC0", "cluster" with ``{"groups": ...}``, "HAC" with
        ``{"maxlags": ...}``.

    Returns
    -------
    GLMResults or MultinomialResults of statsmodels

    Raises
    ------
    ImportError
        statsmodels is not installed.
    ValueError
        Hidden layers, a penalty, several outputs, bias reduction; what statsmodels has not.
    TypeError
        ``estimator`` is not one of ours, as a pipeline.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X, y = np.arange(8.0)[:, None], np.array([1.0, 0, 2, 1, 3, 4, 4, 7])
    >>> ours = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> theirs = to_statsmodels(ours, X, y)
    >>> bool(np.isclose(ours.inference(X, y).llf, theirs.llf))
    True
    """
    if not isinstance(estimator, BaseDeepGLM):
        raise TypeError(
            "to_statsmodels() takes a DeepGLMRegressor or DeepGLMClassifier, but got a "
            f"{type(estimator).__name__}. Of a pipeline give the last step, and X as it sees it."
        )
    check_is_fitted(estimator)
    _require_glm(estimator)
    if weight_type not in ("freq", "var"):
        raise ValueError(f"weight_type must be 'freq' or 'var', but got {weight_type!r}.")
    if not isinstance(cov_type, str):
        raise TypeError(f"cov_type must be a name such as 'HC0', but got {cov_type!r}.")
    if cov_type.upper() in ("HC1", "HC2", "HC3"):
        raise ValueError(
            f"GLM of statsmodels returns HC0 under the name {cov_type!r}. Use cov_type='HC0', or "
            "our inference()."
        )
    rows = estimator._given_rows(X, y, sample_weight, offset, exposure)
    fit = {"cov_type": cov_type} | ({} if cov_kwds is None else {"cov_kwds": cov_kwds})
    if estimator.family_.event_ndim:
        return _multinomial(estimator, rows, fit)
    return _glm(estimator, rows, weight_type, {**fit, "scale": scale})


def _require_glm(estimator: BaseDeepGLM) -> None:
    several = estimator.n_outputs_ > 1 and not estimator.family_.event_ndim
    if estimator.n_layers_ > 2 or any(estimator.alpha_) or several:
        raise ValueError(
            "to_statsmodels() needs a model with hidden_layer_sizes=(), alpha=0 and one output, "
            f"but this one has hidden_layer_sizes={estimator.hidden_layer_sizes!r}, "
            f"alpha={estimator.alpha!r} and {estimator.n_outputs_} outputs. Fit such a model."
        )
    if estimator.bias_reduction:
        raise ValueError(
            "to_statsmodels() returns maximum likelihood estimates, but this model was fitted with "
            "bias_reduction=True, which statsmodels has not. Use our inference(), or fit with "
            "bias_reduction=False."
        )


def _api() -> Any:
    try:
        import statsmodels.api as sm
    except ImportError as error:
        raise ImportError("to_statsmodels() needs statsmodels: pip install statsmodels.") from error
    return sm


def _design(estimator: BaseDeepGLM, rows: Rows) -> pd.DataFrame:
    require_array(rows.X, "to_statsmodels() makes a table of X")
    design = pd.DataFrame(rows.X, columns=estimator.feature_names_)
    if estimator.fit_intercept:
        design.insert(0, "Intercept", 1.0)
    return design


def _glm(estimator: BaseDeepGLM, rows: Rows, weight_type: str, fit: dict[str, Any]) -> Any:
    sm = _api()
    y, weight = rows.y[:, 0], rows.weight
    if rows.trials is not None:
        weight = weight / rows.trials
        y = np.column_stack([rows.trials * y, rows.trials * (1.0 - y)])
    data = {f"{weight_type}_weights": weight} if np.any(weight != 1) else {}
    if rows.offset is not None:
        data["offset"] = rows.offset[:, 0]
    start = np.r_[[estimator.intercept_] * estimator.fit_intercept, estimator.coef_]
    with warnings.catch_warnings():  # of links such as identity with Poisson
        warnings.simplefilter("ignore", sm.tools.sm_exceptions.DomainWarning)
        law = _law(sm, estimator.family_)
        model = sm.GLM(y, _design(estimator, rows), family=law, **data)
        return model.fit(start_params=start, tol=1e-14, tol_criterion="params", maxiter=300, **fit)


def _law(sm: Any, family: ExponentialFamily) -> Any:
    """Return the family of statsmodels, with its link."""
    links = sm.families.links
    named = {
        "identity": "Identity", "log": "Log", "logit": "Logit", "probit": "Probit",
        "cloglog": "CLogLog", "loglog": "LogLog", "cauchit": "Cauchy",
    }  # fmt: skip
    link: Any = family.link
    if family.link_name in named:
        theirs = getattr(links, named[family.link_name])()
    elif hasattr(link, "exponent"):
        theirs = links.Power(power=link.exponent)
    else:
        theirs = links.NegativeBinomial(alpha=link.alpha)
    name, parameters = {
        "normal": ("Gaussian", {}),
        "bernoulli": ("Binomial", {}),
        "binomial": ("Binomial", {}),
        "poisson": ("Poisson", {}),
        "gamma": ("Gamma", {}),
        "inverse_gaussian": ("InverseGaussian", {}),
        "tweedie": ("Tweedie", {"var_power": getattr(family, "power", None)}),
        "negative_binomial": ("NegativeBinomial", {"alpha": getattr(family, "alpha", None)}),
    }[family.name]
    return getattr(sm.families, name)(link=theirs, check_link=False, **parameters)


def _multinomial(estimator: BaseDeepGLM, rows: Rows, fit: dict[str, Any]) -> Any:
    """Return MNLogit's results: neither weights, offsets nor proportions are known there."""
    indicators = np.isin(rows.y, (0.0, 1.0)).all()
    if np.any(rows.weight != 1) or rows.offset is not None or not indicators:
        raise ValueError(
            "MNLogit of statsmodels takes labels without weights and offset, but these data have "
            "weights, an offset or proportions. Repeat the rows, or use our inference()."
        )
    design = _design(estimator, rows)
    model = _api().MNLogit(pd.Series(rows.y.argmax(axis=1)), design)
    W, b = estimator.coef_, np.atleast_1d(estimator.intercept_)
    start = (W[1:] - W[0]).T
    if estimator.fit_intercept:
        start = np.vstack([b[1:] - b[0], start])
    return model.fit(
        start_params=start.ravel("F"), method="newton", tol=1e-12, maxiter=100, disp=0, **fit
    )
