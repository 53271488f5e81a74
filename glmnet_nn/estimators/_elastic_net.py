"""What the elastic-net regressor and classifier share: the choice of a point on a path."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily, Link, known_links
from glmnet_nn.elastic_net import ElasticNetPath, PathData, fitted_path
from glmnet_nn.elastic_net.selection import (
    RULES,
    HeldOut,
    at_alphas,
    held_out_fold,
    joined_folds,
    present_in,
)
from glmnet_nn.estimators._columns import take_columns
from glmnet_nn.estimators._tables import TABLE_CONSTRAINTS, TableMixin, known_matrix
from glmnet_nn.estimators._validation import (
    check_estimable,
    check_offset,
    check_weight,
    with_trials,
)
from glmnet_nn.estimators.paths import SPARSE, path_data, path_options, warn_of
from glmnet_nn.training.threads import at_most, on_one_thread

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


class BaseElasticNetCV(TableMixin, BaseEstimator):
    """Parameters, the common part of fit, and the linear predictor."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "link": [StrOptions({"auto", *known_links()}), Link],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "alphas": ["array-like", None],
        "n_alphas": [Interval(Integral, 1, None, closed="left")],
        "eps": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        "rule": [StrOptions(set(RULES))],
        "standardize": ["boolean"],
        "fit_intercept": ["boolean"],
        "offset": [str, None],
        "exposure": [str, None],
        **TABLE_CONSTRAINTS,
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        link: str | Link = "auto",
        l1_ratio: float | ArrayLike = 1.0,
        alphas: ArrayLike | None = None,
        n_alphas: int = 100,
        eps: str | float = "auto",
        cv: Any = None,
        rule: str = "min",
        standardize: bool = True,
        fit_intercept: bool = True,
        offset: str | None = None,
        exposure: str | None = None,
        categorical: Any = "auto",
        unseen: str = "error",
        missing: str = "error",
        tol: float = 1e-9,
        max_iter: int = 100,
        n_jobs: int | None = None,
    ) -> None:
        self.link = link
        self.l1_ratio = l1_ratio
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.eps = eps
        self.cv = cv
        self.rule = rule
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.offset = offset
        self.exposure = exposure
        self.categorical = categorical
        self.unseen = unseen
        self.missing = missing
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    # ------------------------------------------------------------------ fit

    def _fit(
        self,
        X: Any,
        target: Array,
        groups_of: ArrayLike,
        family: ExponentialFamily,
        known: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
        output_names: list[str] | None = None,
    ) -> None:
        """Fit to validated X and y; folds are those of ``groups_of``, the y as given.

        ``known`` is sample_weight, offset and exposure. Rows of weight 0 are absent, but
        count where folds are given by numbers of rows.
        """
        columns = target[:, None] if target.ndim == 1 else target
        weight = check_weight(with_trials(known[0], family.response(columns)[1], columns), columns)
        folds = self._folds(X, groups_of, weight > 0)
        data = path_data(X, target, family, *known)
        _check_learnable(folds, data, family)
        names = self.feature_names_
        self._paths: list[ElasticNetPath] = []
        self._held_out: list[HeldOut] = []
        missed: list[ElasticNetPath] = []
        for l1_ratio in self._l1_ratios():
            options = path_options(
                l1_ratio,
                self.alphas,
                self.n_alphas,
                self.eps,
                self.standardize,
                self.fit_intercept,
                self.tol,
                self.max_iter,
            )
            path = fitted_path(data, family, options, names, output_names)
            same = at_alphas(options, path.alphas)
            judge = partial(on_one_thread, held_out_fold)
            with at_most(1):
                found = Parallel(n_jobs=self.n_jobs)(
                    delayed(judge)(data.take(train), data.take(test), family, same, names)
                    for train, test in folds
                )
            self._paths.append(path)
            self._held_out.append(joined_folds(path.alphas, found))
            missed += [path, *(fold for _, _, fold in found)]
        self._choose(family)
        warn_of(missed)

    def _l1_ratios(self) -> list[float]:
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, dtype=float))
        if ratios.ndim != 1 or not ratios.size or not np.all((ratios >= 0) & (ratios <= 1)):
            raise ValueError(
                f"l1_ratio must be a number in [0, 1] or a list of them, but got {self.l1_ratio!r}."
            )
        return [float(ratio) for ratio in ratios]

    def _folds(self, X: Any, y: ArrayLike, present: NDArray[np.bool_]) -> list[Fold]:
        """Return the folds as places among the rows that are present."""
        splitter = check_cv(self.cv, y, classifier=is_classifier(self))
        folds = [
            (present_in(train, present), present_in(test, present))
            for train, test in splitter.split(np.empty((X.shape[0], 0)), y)
        ]
        for number, (train, test) in enumerate(folds):
            if not len(train) or not len(test):
                raise ValueError(
                    f"cv must leave rows of positive weight to learn from and to test on, but "
                    f"fold {number} has {len(train)} and {len(test)}. Choose fewer folds."
                )
        return folds

    def _choose(self, family: ExponentialFamily) -> None:
        """Keep the chosen point, and what led to it."""
        least = [held.mean.min() for held in self._held_out]
        best = int(np.argmin(least))
        if not np.isfinite(least[best]):
            raise ValueError(
                f"{type(family).__name__} with link {family.link_name!r} gives some held-out row "
                "an impossible mean at every alpha. Use another link."
            )
        path, held = self._paths[best], self._held_out[best]
        at = held.chosen(self.rule)
        self.family_ = family
        self.link_ = family.link
        self.path_ = path
        self.alphas_ = path.alphas
        self.l1_ratio_ = path.l1_ratio
        self.alpha_min_ = float(path.alphas[held.chosen("min")])
        self.alpha_1se_ = float(path.alphas[held.chosen("1se")])
        self.alpha_ = float(path.alphas[at])
        self.coef_ = path.coefs[..., at].copy()
        intercept = path.intercepts[..., at]
        self.intercept_ = float(intercept) if intercept.ndim == 0 else intercept.copy()
        self.deviance_ = float(path.deviance[at])
        self.null_deviance_ = path.null_deviance
        self.converged_ = bool(path.converged[at])
        self.n_iter_ = max(1, int(path.n_iter.max()))

    @property
    def cv_results_(self) -> pd.DataFrame:
        """For each l1_ratio and alpha the held-out deviance: a table made of what fit kept."""
        if not hasattr(self, "_held_out"):
            raise AttributeError("cv_results_ is there after fit.")
        curves = zip(self._paths, self._held_out, strict=True)
        return pd.concat([_table(path, held) for path, held in curves], ignore_index=True)

    def path(self, l1_ratio: float | None = None) -> ElasticNetPath:
        """Return the path of all rows at an ``l1_ratio`` that was tried, by default the best.

        Raises
        ------
        ValueError
            It was not tried.
        """
        check_is_fitted(self)
        if l1_ratio is None:
            return self.path_
        tried = {path.l1_ratio: path for path in self._paths}
        if l1_ratio not in tried:
            raise ValueError(
                f"l1_ratio must be one of those that were tried, {sorted(tried)}, but got "
                f"{l1_ratio!r}. Call elastic_net_path for another."
            )
        return tried[l1_ratio]

    # -------------------------------------------------------------- predict

    def _linear_predictor(
        self, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
    ) -> Array:
        """Return eta = x beta + intercept + offset, (n, K)."""
        check_is_fitted(self)
        X, offset, exposure = take_columns(self, X, offset, exposure)
        rows = known_matrix(self, X, accept_sparse=SPARSE)
        slopes = np.atleast_2d(self.coef_)
        eta = np.asarray(rows @ slopes.T) + self.intercept_
        known = check_offset(offset, exposure, self.family_, len(eta), len(slopes))
        return eta if known is None else eta + known

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _check_learnable(folds: list[Fold], data: PathData, family: ExponentialFamily) -> None:
    """Raise if the rows outside some fold have no mean that a model reaches."""
    for number, (train, _) in enumerate(folds):
        try:
            check_estimable(family, data.y[train], data.weight[train])
        except ValueError as error:
            raise ValueError(
                f"without the rows of fold {number} nothing is to be learned. {error} Or shuffle "
                "them, as by cv=KFold(5, shuffle=True, random_state=0)."
            ) from error


def _table(path: ElasticNetPath, held: HeldOut) -> pd.DataFrame:
    """Return a row for each alpha: the held-out deviance, its standard error, and by fold."""
    table = pd.DataFrame(
        {
            "l1_ratio": path.l1_ratio,
            "alpha": path.alphas,
            "mean_deviance": held.mean,
            "se_deviance": held.se,
            "deviance_ratio": path.deviance_ratio,
            "df": path.df,
        }
    )
    for number, column in enumerate(held.deviance.T):
        table[f"split{number}_deviance"] = column
    return table
