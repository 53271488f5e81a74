"""Which point of a path: held-out deviance over folds, its minimum or one standard error away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.elastic_net.path import PathData, PathOptions, fitted_path
from glmnet_nn.elastic_net.results import ElasticNetPath

RULES = ("min", "1se")


@dataclass(frozen=True)
class HeldOut:
    r"""The held-out mean deviance along one path, fold by fold.

    With D_k the weighted mean unit deviance of fold k and W_k its weight,

        mean = sum_k W_k D_k / W,    se^2 = sum_k W_k (D_k - mean)^2 / W / (K - 1),

    as in glmnet's cv.glmnet.

    Attributes
    ----------
    alphas : array of shape (m,)
    deviance : array of shape (m, K)
    weight : array of shape (K,)

    Examples
    --------
    The minimum is at the second alpha; the first is within one standard error of it:

    >>> folds = HeldOut(np.array([2.0, 1.0]), np.array([[1.0, 3.0], [0.0, 3.5]]), np.ones(2))
    >>> print(folds.mean, folds.se)
    [2.   1.75] [1.   1.75]
    >>> folds.chosen("min"), folds.chosen("1se")
    (1, 0)
    """

    alphas: Array
    deviance: Array
    weight: Array

    @property
    def mean(self) -> Array:
        """The weighted mean over the folds; infinite where a fold had an impossible mean."""
        return np.asarray(self.deviance @ self.weight / self.weight.sum())

    @property
    def se(self) -> Array:
        """The standard error of the mean; NaN with one fold, or with an impossible mean."""
        if len(self.weight) < 2:
            return np.full(len(self.alphas), np.nan)
        with np.errstate(invalid="ignore"):
            square = np.square(self.deviance - self.mean[:, None])
        return np.sqrt(square @ self.weight / self.weight.sum() / (len(self.weight) - 1))

    def chosen(self, rule: str) -> int:
        """Return the place of the least mean, or of the largest alpha within one se of it.

        Source: Breiman, Friedman, Olshen and Stone (1984), section 3.4.3.
        """
        best = int(np.argmin(self.mean))
        if rule == "min":
            return best
        return int(np.argmax(self.mean <= self.mean[best] + np.nan_to_num(self.se[best])))


def held_out_fold(
    train: PathData,
    test: PathData,
    family: ExponentialFamily,
    options: PathOptions,
    names: list[str],
) -> tuple[Array, float, ElasticNetPath]:
    """Return the mean unit deviance of the test rows at each alpha, their weight, and the path."""
    path = fitted_path(train, family, options, names)
    eta = path.linear_predictor(test.X)
    total = float(test.weight.sum())
    found = np.empty(len(path.alphas))
    for at in range(len(found)):
        predicted = eta[..., at].reshape(len(test.y), -1)
        if test.offset is not None:
            predicted = predicted + test.offset
        found[at] = _mean_deviance(test, family, predicted) / total
    return found, total, path


def _mean_deviance(test: PathData, family: ExponentialFamily, eta: Array) -> float:
    """Return sum w d(y, mu); infinite if some eta has no mean of the law."""
    if not family.is_feasible(eta):
        return np.inf
    with np.errstate(over="ignore"):
        loss = family.loss(test.y, eta).reshape(len(eta), -1).sum(axis=1)
        value = 2.0 * float(test.weight @ loss)
    return value if np.isfinite(value) else np.inf


def joined_folds(alphas: Array, folds: Sequence[tuple[Array, float, ElasticNetPath]]) -> HeldOut:
    """Return the curves of all folds side by side."""
    deviance = np.column_stack([found for found, _, _ in folds])
    return HeldOut(alphas, deviance, np.array([weight for _, weight, _ in folds]))


def present_in(index: NDArray[np.intp], present: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the places, among the present rows, of those rows of ``index`` that are present."""
    place = np.cumsum(present) - 1
    return place[index[present[index]]]


def at_alphas(options: PathOptions, alphas: Array) -> PathOptions:
    """Return the same layout at given alphas."""
    return replace(options, alphas=alphas)
