"""Is one model's out-of-fold deviance lower than another's by more than chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from families import Array

_SAME = 1e-6  # fits that are no further apart in any row are one fit, by two solvers


@dataclass(frozen=True)
class DevianceDifference:
    r"""The mean out-of-fold deviance of one model less that of another, tested in two ways.

    With D_i = d_i(first) - d_i(second), delta_k its weighted mean in fold k and delta that
    over all rows,

        se^2 = sum_k n_k / (n_k - 1) sum_(i in k) [w_i (D_i - delta_k)]^2 / (sum_i w_i)^2

    (with groups, sums over the rows of a group take the place of single rows, and their
    number that of n_k). delta / se is asymptotically N(0, 1) when learning is stable:
    it tests *these fits*, one per fold (Bayle et al. 2020). The wider

        se_c^2 = (1 / K + r) sum_k (delta_k - mean)^2 / (K - 1),   r = w_test / w_train,

    allows for the choice of the training rows, so that delta / se_c ~ t with K - 1 degrees
    of freedom tests the *way of fitting* on new data of that size (Nadeau and Bengio 2003).

    Attributes
    ----------
    difference : float
        delta; negative if the first model is better.
    se, z, pvalue : float
        Of these fits, two-sided.
    corrected_se, t, df, corrected_pvalue : float
        Of the way of fitting, two-sided.

    References
    ----------
    Bayle, Bayle, Janson and Mackey (2020), "Cross-validation confidence intervals for test
    error", NeurIPS 33 (the within-fold variance). Nadeau and Bengio (2003), "Inference for
    the generalization error", Machine Learning 52, section 3.
    """

    difference: float
    se: float
    corrected_se: float
    n_folds: int

    @property
    def z(self) -> float:
        """difference / se."""
        return _ratio(self.difference, self.se)

    @property
    def pvalue(self) -> float:
        """Two-sided, of the normal law."""
        return float(2 * stats.norm.sf(abs(self.z)))

    @property
    def df(self) -> int:
        """K - 1."""
        return self.n_folds - 1

    @property
    def t(self) -> float:
        """difference / corrected_se."""
        return _ratio(self.difference, self.corrected_se)

    @property
    def corrected_pvalue(self) -> float:
        """Two-sided, of Student's t."""
        return float(2 * stats.t.sf(abs(self.t), self.df))


def deviance_difference(
    first: Array,
    second: Array,
    weight: Array,
    fold: NDArray[Any],
    groups: NDArray[Any] | None = None,
) -> DevianceDifference:
    """Return the paired comparison of unit deviances, row by row out of fold.

    Parameters
    ----------
    first, second : array of shape (n,)
        Unit deviances of the two models on the same rows.
    weight : array of shape (n,)
    fold : array of shape (n,)
        The fold in which each row was predicted.
    groups : array of shape (n,), optional
        Rows of one group are not independent.

    Examples
    --------
    >>> one = deviance_difference(
    ...     np.array([1.0, 2.0, 1.5, 3.0]), np.ones(4), np.ones(4), np.array([0, 0, 1, 1]))
    >>> print(one.difference, round(one.se, 6))
    0.875 0.450694
    """
    D = first - second
    if np.all(np.abs(D) <= _SAME * np.maximum(1.0, np.abs(first))):
        D = np.zeros_like(D)
    if not np.all(np.isfinite(D)):  # an impossible mean: nothing to average
        with np.errstate(invalid="ignore"):
            return DevianceDifference(float(np.average(D)), np.nan, np.nan, len(np.unique(fold)))
    folds = np.unique(fold)
    return DevianceDifference(
        difference=float(np.average(D, weights=weight)),
        se=mean_error(D, weight, fold, groups),
        corrected_se=_corrected_error(D, weight, fold),
        n_folds=len(folds),
    )


def mean_error(
    values: Array, weight: Array, fold: NDArray[Any], groups: NDArray[Any] | None
) -> float:
    """Return the standard error of the weighted mean, each fold about its own mean."""
    total = 0.0
    for k in np.unique(fold):
        rows = fold == k
        residual = weight[rows] * (values[rows] - np.average(values[rows], weights=weight[rows]))
        if groups is not None:
            _, unit = np.unique(groups[rows], return_inverse=True)
            residual = np.bincount(unit, weights=residual)
        n = len(residual)
        total += np.square(residual).sum() * n / (n - 1) if n > 1 else np.nan
    return float(np.sqrt(total) / weight.sum())


def _corrected_error(D: Array, weight: Array, fold: NDArray[Any]) -> float:
    """Return the standard error of Nadeau and Bengio."""
    folds = np.unique(fold)
    if len(folds) < 2:
        return np.nan
    means = [np.average(D[fold == k], weights=weight[fold == k]) for k in folds]
    shares = np.array([weight[fold == k].sum() for k in folds]) / weight.sum()
    ratio = float(np.mean(shares / (1.0 - shares)))
    return float(np.sqrt((1.0 / len(folds) + ratio) * np.var(means, ddof=1)))


def _ratio(value: float, error: float) -> float:
    """Return value / error; 0 / 0 (two models that agree in every row) is 0."""
    if error == 0:
        return 0.0 if value == 0 else float(np.copysign(np.inf, value))
    return value / error
