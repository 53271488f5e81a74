"""Robust covariances: the middle of the sandwich B M B, from scores row by row.

A score s_i is the gradient of the log-likelihood of one observation in the parameters,
for a network of any depth the recursion seeded with its error. B is the inverse of the
information, M = ``meat(...)`` the estimated covariance of sum_i s_i:

==========  ==============================================================================
HC0         sum_i s_i s_i'
HC1         HC0 times n / (n - k)
HC2         HC0 of scores whose residuals are divided by sqrt(1 - leverage)
HC3         HC0 of scores whose residuals are divided by 1 - leverage
cluster     sum_g s_g s_g' of sums within groups, times G / (G - 1) (n - 1) / (n - k)
HAC         sum_l (1 - l / (L + 1)) sum_i (s_i s_(i-l)' + its transpose), Bartlett's weights
==========  ==============================================================================

Sources: White (1980), Econometrica 48; MacKinnon and White (1985), J. Econometrics 29;
Liang and Zeger (1986), Biometrika 73; Newey and West (1987), Econometrica 55; Cameron,
Gelbach and Miller (2011), J. Business & Economic Statistics 29 (two ways of grouping).
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from families import Array
from glmnet_nn.exceptions import InferenceWarning

ROBUST = ("HC0", "HC1", "HC2", "HC3", "cluster", "HAC")
_POWERS = {"HC2": 0.5, "HC3": 1.0}  # of 1 - leverage
_ROUNDING = 1e-12  # of the largest eigenvalue
_WHOLE = 1e-10  # a leverage this near 1: the row is fitted exactly


def meat(
    scores: Array,
    cov_type: str,
    *,
    n_parameters: float,
    repeats: Array | None = None,
    groups: ArrayLike | None = None,
    maxlags: int | None = None,
) -> Array:
    """Return M, (q, q), the estimated covariance of the sum of the scores.

    Parameters
    ----------
    scores : array of shape (n, q)
        Score of one observation of each row. For HC2 and HC3 of residuals that
        :func:`without_leverage` has changed.
    cov_type : {"HC0", "HC1", "HC2", "HC3", "cluster", "HAC"}
    n_parameters : float
        k in the corrections for small samples, effective degrees of freedom for a network.
    repeats : array of shape (n,), optional
        How many observations each row stands for; 1 by default. Those of a row are
        independent for HC0 to HC3 and belong to its group for cluster.
    groups : array-like of shape (n,) or (n, 2), optional
        For cluster, labels of any kind. Two columns are two ways of grouping, not nested:
        M is the sum for each, less that for their intersection; where that is not
        positive semi-definite, its negative eigenvalues are set to 0, with a warning.
    maxlags : int, optional
        For HAC, L; rows are in the order of time, a period apart. By default
        4 (n / 100)^(2/9), rounded down. HAC has no correction for small samples.

    Raises
    ------
    ValueError
        An unknown cov_type, groups or maxlags missing or unfit, n <= k where the
        correction divides by n - k.

    Examples
    --------
    Groups of one are HC0 but for the correction, n / (n - k) in both:

    >>> scores = np.array([[1.0, 0.5], [-2.0, 1.0], [1.0, -1.5]])
    >>> one = meat(scores, "HC1", n_parameters=2)
    >>> two = meat(scores, "cluster", n_parameters=2, groups=["a", "b", "c"])
    >>> bool(np.allclose(one, two))
    True
    """
    if cov_type not in ROBUST:
        raise ValueError(f"cov_type must be one of {list(ROBUST)}, but got {cov_type!r}.")
    counts = np.ones(len(scores)) if repeats is None else repeats
    n = float(counts.sum())
    if cov_type in ("HC1", "cluster") and n <= n_parameters:
        raise ValueError(
            f"{cov_type} divides by n - k, but there are {n:g} observations and "
            f"{n_parameters:g} parameters. Use cov_type='HC0', or give more rows."
        )
    if cov_type == "cluster":
        totals = scores * counts[:, None]
        correction = (n - 1.0) / (n - n_parameters)
        return correction * _between_groups(totals, _group_columns(groups, len(scores)))
    if cov_type == "HAC":
        return _newey_west(scores, counts, maxlags)
    M = scores.T @ (scores * counts[:, None])
    return M * (n / (n - n_parameters)) if cov_type == "HC1" else M


def without_leverage(residuals: Array, leverages: Array, cov_type: str) -> Array:
    """Return (I - H_ii)^-1 r_i for HC3, (I - H_ii)^-1/2 r_i for HC2, r_i for all else.

    The first are about the residuals that the rows would have if left out; the second
    have the variance of the errors where that is constant (the symmetric root; Bell
    and McCaffrey 2002, Survey Methodology 28).

    Parameters
    ----------
    residuals : array of shape (n, K)
        Pearson residuals, as :meth:`Objective.scoring_blocks` has them.
    leverages : array of shape (n, K, K)
        H_ii = A_i F^-1 A_i' of one observation, A_i = S J the root of its information.
    cov_type : str

    Raises
    ------
    ValueError
        A row has leverage 1: it is fitted exactly whatever its y is.

    Examples
    --------
    >>> r, h = np.array([[3.0]]), np.array([[[0.75]]])
    >>> [float(without_leverage(r, h, cov_type)[0, 0]) for cov_type in ("HC0", "HC2", "HC3")]
    [3.0, 6.0, 12.0]
    """
    if cov_type not in _POWERS or not len(residuals):
        return residuals
    rest, U = np.linalg.eigh(np.eye(residuals.shape[1]) - leverages)
    if np.any(rest[:, 0] < _WHOLE):
        at = int(np.argmin(rest[:, 0]))
        raise ValueError(
            f"{cov_type} divides by 1 - leverage, but row {at} (of those with a weight) has "
            "leverage 1: it is fitted exactly. Use cov_type='HC1', or leave out the column that "
            "only this row determines."
        )
    along = np.einsum("nkj,nk->nj", U, residuals) / rest ** _POWERS[cov_type]
    return np.asarray(np.einsum("nkj,nj->nk", U, along))


def _group_columns(groups: ArrayLike | None, n: int) -> list[NDArray[np.intp]]:
    """Return the number of its group for each row, for one or two ways of grouping."""
    if groups is None:
        raise ValueError("cov_type='cluster' needs groups, a label for each row.")
    labels = np.asarray(groups)
    if labels.shape not in ((n,), (n, 1), (n, 2)):
        raise ValueError(
            f"groups must have shape ({n},), a label for each row, or ({n}, 2) for two ways of "
            f"grouping, but its shape is {labels.shape}."
        )
    if np.any(missing := pd.isna(labels)):
        at = int(np.flatnonzero(missing.reshape(n, -1).any(axis=1))[0])
        raise ValueError(f"groups must have no missing labels, but groups[{at}] is missing.")
    columns = [pd.factorize(c)[0] for c in labels.reshape(n, -1).T]
    for column in columns:
        if column.max(initial=0) < 1:
            raise ValueError(
                "cov_type='cluster' needs at least 2 groups, but groups holds 1. "
                "Use cov_type='HC1' for independent rows."
            )
    return columns


def _between_groups(totals: Array, columns: list[NDArray[np.intp]]) -> Array:
    """Return G / (G - 1) sum_g s_g s_g'; for two ways their sum, less that of both at once."""
    both = [] if len(columns) == 1 else [columns[0] * (columns[1].max() + 1) + columns[1]]
    terms = []
    for column in (*columns, *both):
        labels, place = np.unique(column, return_inverse=True)
        sums = np.zeros((len(labels), totals.shape[1]))
        np.add.at(sums, place, totals)
        terms.append(sums.T @ sums * (len(labels) / (len(labels) - 1.0)))
    M = np.asarray(sum(terms[: len(columns)]) - sum(terms[len(columns) :]))
    return _positive(M) if both else M


def _positive(M: Array) -> Array:
    """Return M, with 0 for negative eigenvalues (Cameron, Gelbach and Miller 2011, 2.3)."""
    values, U = np.linalg.eigh(M)
    if values[0] >= -_ROUNDING * np.abs(values).max():
        return M
    warnings.warn(
        "the covariance of two ways of grouping, a difference, is not positive semi-definite: its "
        f"smallest eigenvalue is {values[0] / values[-1]:.2g} of the largest. Negative ones "
        "are set to 0. There may be too few groups; compare with groups of one column.",
        InferenceWarning,
        stacklevel=2,
    )
    return np.asarray((U * np.maximum(values, 0.0)) @ U.T)


def _newey_west(scores: Array, counts: Array, maxlags: int | None) -> Array:
    """Return the sum over lags with Bartlett's weights 1 - l / (L + 1)."""
    n = len(scores)
    if np.any(counts != 1):
        raise ValueError(
            "cov_type='HAC' needs one observation a period, but some weights are not 1. Give "
            "the observations as rows, or say weight_type='var' if the weights are precisions."
        )
    lags = int(4 * (n / 100) ** (2 / 9)) if maxlags is None else maxlags
    if not 0 <= lags < n:
        raise ValueError(f"hac_maxlags must be between 0 and {n - 1}, but got {maxlags!r}.")
    M = scores.T @ scores
    for lag in range(1, lags + 1):
        products = scores[lag:].T @ scores[:-lag]
        M += (1.0 - lag / (lags + 1.0)) * (products + products.T)
    return np.asarray(M)
