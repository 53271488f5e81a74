"""The likelihood-ratio test of one GLM within another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.reference import JointTest
from glmnet_nn.training.solvers import stacked_qr

if TYPE_CHECKING:
    from glmnet_nn.inference.results import GLMResults

_NESTED = 1e-7  # of the length of a column: less of it outside the other columns is rounding


def likelihood_ratio(full: GLMResults, restricted: GLMResults) -> JointTest:
    """Return (D_0 - D_1) / phi_1, D_0 the deviance of the restricted model.

    Source: McCullagh and Nelder (1989), section 2.3; F as in Venables and Ripley (2002), 7.5.

    Raises
    ------
    ValueError
        The models cannot be nested, or their covariance is not model-based.
    """
    for results in (full, restricted):
        if results.options.is_robust:
            raise ValueError(
                f"the likelihood-ratio test holds under the model alone, but cov_type="
                f"{results.cov_type!r}. Use wald_test, or cov_type='nonrobust'."
            )
    _require_nested(full.fitted, restricted.fitted)
    df = full.n_parameters - restricted.n_parameters
    same = full.title == restricted.title and full.nobs == restricted.nobs
    gain = restricted.deviance - full.deviance
    if same and full.fitted.family != restricted.fitted.family:
        gain = _profile_gain(full, restricted)
    if not same or df <= 0 or gain < -1e-8 * abs(restricted.deviance):
        raise ValueError(
            "lr_test(restricted) needs a special case of this model, fitted to the same data, but "
            f"this is a {full.title!r} with {full.n_parameters} parameters, {full.nobs:g} "
            f"observations and deviance {full.deviance:.6g}; the other a {restricted.title!r} with "
            f"{restricted.n_parameters}, {restricted.nobs:g} and {restricted.deviance:.6g}."
        )
    statistic = max(gain, 0.0) / full.scale
    if not full.use_t:
        return JointTest(statistic, df)
    return JointTest(statistic / df, df, full.df_inference)


def _require_nested(full: Fitted, restricted: Fitted) -> None:
    """Raise unless the rows are the same and the full model can say what the restricted can."""
    ours, theirs = full.rows, restricted.rows
    pairs: dict[str, tuple[Any, Any]] = {
        "y": (ours.y, theirs.y),
        "weights": (full.weights.total, restricted.weights.total),
        "weight_type": (full.weights.kind, restricted.weights.kind),
    }
    for name, (one, other) in pairs.items():
        if not np.array_equal(one, other):
            raise ValueError(
                "lr_test(restricted) compares two models of the same rows in the same order, but "
                f"the {name} of the restricted one are not those of this one. Call inference() of "
                "both with the same data."
            )
    if full.eta.shape != restricted.eta.shape:  # which likelihood_ratio tells from their titles
        return
    zero = np.zeros_like(full.eta)
    known = [zero if rows.offset is None else rows.offset + zero for rows in (ours, theirs)]
    offset = known[1] - known[0]
    offset = offset - offset[:, :1] if full.family.event_ndim else offset
    D, D0 = _reduced(full, restricted, offset)
    size = np.sqrt(np.square(D0).sum(axis=0))
    rest = D0 - D @ linalg.lstsq(D, D0)[0]
    if np.any(np.sqrt(np.square(rest).sum(axis=0)) > _NESTED * size):
        raise ValueError(
            "lr_test(restricted) needs a special case of this model, but the columns of the "
            "restricted one, or what its offset has more, are no linear combinations of the "
            "columns of this one. Compare aic, or fit a model that holds the columns of both."
        )


def _reduced(full: Fitted, restricted: Fitted, offset: Array) -> tuple[Array, Array]:
    """Return Q'[1, X] and Q'[1, X_0, offset], Q of both side by side: no more rows than columns."""
    size = full.n_designed + restricted.n_designed + offset.shape[1]
    parts = (
        np.hstack([full.design(at), restricted.design(at), offset[at]]) for at in full.blocks(size)
    )
    R = stacked_qr(((part, np.zeros(len(part))) for part in parts), size)[:, :size]
    return R[:, : full.n_designed], R[:, full.n_designed :]


def _profile_gain(full: GLMResults, restricted: GLMResults) -> float:
    """Return twice the gain in log-likelihood, each at its own estimate of the law."""
    law, other = full.fitted.family, restricted.fitted.family
    estimated = full.n_law_parameters and restricted.n_law_parameters
    if law.has_dispersion or not estimated:
        raise ValueError(
            f"lr_test(restricted) compares deviances of one law, but this model has {law!r}, the "
            f"other {other!r}. Fit the restricted model with family={law!r}."
        )
    return 2 * (full.llf - restricted.llf)
