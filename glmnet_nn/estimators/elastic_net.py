"""Elastic-net GLMs whose alpha is chosen by cross-validation."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from families import Array, Bernoulli, ExponentialFamily, Multinoulli, get_family
from glmnet_nn.estimators._choices import asked_law
from glmnet_nn.estimators._columns import present_data, take_columns
from glmnet_nn.estimators._elastic_net import BaseElasticNetCV
from glmnet_nn.estimators._score import explained_deviance
from glmnet_nn.estimators._tables import fitted_matrix
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.estimators.paths import SPARSE, observed
from glmnet_nn.training.data import Rows


class ElasticNetGLMCV(RegressorMixin, BaseElasticNetCV):
    r"""Generalized linear model with an elastic net, its strength chosen by cross-validation.

    Along a path of alphas it minimises F of :func:`elastic_net_path`, on all rows and on
    those of each fold's complement, and takes the alpha of the least held-out deviance, or
    the largest one within a standard error of it.

    Parameters
    ----------
    family : str or ExponentialFamily, default="normal"
    link : str or Link, default="auto"
    l1_ratio : float or list of float, default=1.0
        1 is the lasso, 0 the ridge; of several the one of the least held-out deviance.
    alphas : array-like, optional
        By default a grid of ``n_alphas`` from the least that leaves no coefficient down to
        ``eps`` times it, for each l1_ratio; the folds use that of all rows.
    n_alphas : int, default=100
    eps : "auto" or float, default="auto"
        "auto" is 1e-4 if n > p, else 1e-2.
    cv : int, splitter or iterable of (train, test), optional
        By default five folds, not shuffled.
    rule : {"min", "1se"}, default="min"
        The least mean deviance, or the largest alpha whose mean is within one standard
        error of that: fewer coefficients for a loss that the data cannot tell from the best.
    standardize : bool, default=True
        Whether the penalty sees columns of variance 1. Coefficients are for X as given.
    fit_intercept : bool, default=True
    offset, exposure : str, optional
        The column of X, a DataFrame, that holds it, in every call.
    categorical, unseen, missing
        As of :class:`DeepGLMRegressor`; factors have an indicator for each level, so that the
        penalty favours none.
    tol : float, default=1e-9
        How far F may stay above its minimum, over F of the null model.
    max_iter : int, default=100
        Newton steps for one alpha.
    n_jobs : int, optional
        Folds fitted at a time.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        What was chosen.
    alpha_min_, alpha_1se_ : float
        What either rule takes at that l1_ratio.
    coef_ : array of shape (n_features,), or (K, n_features)
    intercept_ : float, or array of shape (K,)
    path_ : ElasticNetPath
        The path on all rows at ``l1_ratio_``; ``path(l1_ratio)`` gives those of others.
    alphas_ : array
    cv_results_ : DataFrame
        For each l1_ratio and alpha: mean_deviance, se_deviance, deviance_ratio (of all
        rows, not held out), df, and the deviance of each fold, split0_deviance, ...
    deviance_, null_deviance_, converged_
        At the chosen point, on all rows.
    n_iter_ : int
        The most Newton steps that an alpha took.
    family_, link_, feature_names_, n_features_in_, feature_names_in_

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), "Regularization paths for generalized linear
    models via coordinate descent", Journal of Statistical Software 33. Breiman, Friedman,
    Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3.

    Examples
    --------
    The one-standard-error rule never takes a weaker penalty:

    >>> import numpy as np
    >>> from glmnet_nn import ElasticNetGLMCV
    >>> X = np.random.default_rng(0).standard_normal((60, 5))
    >>> y = np.random.default_rng(1).poisson(np.exp(0.8 * X[:, 0]))
    >>> model = ElasticNetGLMCV("poisson", rule="1se").fit(X, y)
    >>> model.alpha_ == model.alpha_1se_ >= model.alpha_min_
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseElasticNetCV._parameter_constraints,
        "family": [str, ExponentialFamily],
    }

    def __init__(
        self,
        family: str | ExponentialFamily = "normal",
        *,
        link: Any = "auto",
        l1_ratio: Any = 1.0,
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
        super().__init__(
            link=link,
            l1_ratio=l1_ratio,
            alphas=alphas,
            n_alphas=n_alphas,
            eps=eps,
            cv=cv,
            rule=rule,
            standardize=standardize,
            fit_intercept=fit_intercept,
            offset=offset,
            exposure=exposure,
            categorical=categorical,
            unseen=unseen,
            missing=missing,
            tol=tol,
            max_iter=max_iter,
            n_jobs=n_jobs,
        )
        self.family = family

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> ElasticNetGLMCV:
        """Fit to X, (n, p), dense or sparse, and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, p)
        y : array-like of shape (n,), or (n, K) for "multinoulli" and "binomial"
            With ``exposure``, the count, not the rate.
        sample_weight : array-like of shape (n,), optional
            >= 0; a weight of k is k rows in one fold, 0 is no row.
        offset : array-like of shape (n,) or (n, K), optional
        exposure : array-like of shape (n,), optional
            > 0, log link only: offset += log(exposure).

        Returns
        -------
        self
        """
        X, offset, exposure = take_columns(self, X, offset, exposure)
        family = asked_law(self.family, self.link)
        checks = {"accept_sparse": SPARSE, "multi_output": True, "y_numeric": True}
        rows, target = fitted_matrix(self, X, y, sample_weight, reference=False, **checks)
        target = np.asarray(_single(target), dtype=float)
        self._fit(rows, target, target, family, (sample_weight, offset, exposure))
        return self

    def linear_predictor(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return eta = x beta + intercept + offset, (n,), or (n, K)."""
        eta = self._linear_predictor(X, offset, exposure)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the mean mu: with ``exposure`` the expected count, without it the rate."""
        eta = self._linear_predictor(X, offset, exposure)
        mu = self.family_.mean(eta)
        return mu[:, 0] if mu.shape[1] == 1 else mu

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return D^2 = 1 - deviance / null deviance, the null model fitted to this y."""
        X, y, sample_weight, offset, exposure = present_data(X, y, sample_weight, offset, exposure)
        eta = self._linear_predictor(X, offset, exposure)
        _, offset, exposure = take_columns(self, X, offset, exposure)
        target: Array = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        data = observed(eta, target, self.family_, sample_weight, offset, exposure)
        rows = Rows(np.empty((len(data.y), 0)), data.y, data.weight, data.offset)
        return explained_deviance(rows, data.X, self.family_)


class ElasticNetGLMClassifierCV(ClassifierMixin, BaseElasticNetCV):
    r"""Logistic regression with an elastic net, its strength chosen by cross-validation.

    Two classes: Bernoulli. More: Multinoulli, with a row of coefficients for each class.

    Parameters
    ----------
    link : str or Link, default="auto"
        Of two classes: logit, or another whose means are in (0, 1) for every number.
    l1_ratio, alphas, n_alphas, eps, cv, rule, standardize, fit_intercept, offset, exposure, \
categorical, unseen, missing, tol, max_iter, n_jobs
        As in :class:`ElasticNetGLMCV`; the five folds are stratified by class.

    Attributes
    ----------
    classes_ : array
    coef_ : array of shape (n_features,), or (n_classes, n_features)
    intercept_ : float, or array of shape (n_classes,)
    alpha_, l1_ratio_, alpha_min_, alpha_1se_, path_, alphas_, cv_results_, deviance_, \
null_deviance_, converged_, n_iter_, family_, link_, feature_names_, n_features_in_, \
feature_names_in_
        As in :class:`ElasticNetGLMCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from glmnet_nn import ElasticNetGLMClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = ElasticNetGLMClassifierCV(rule="1se").fit(X, y)
    >>> model.coef_.shape, bool(model.score(X, y) > 0.95)
    ((3, 4), True)
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> ElasticNetGLMClassifierCV:
        """Fit to X, (n, p), dense or sparse, and labels y, (n,).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            >= 0; a weight of k is k rows in one fold, 0 is no row.
        offset : array-like of shape (n,) or (n, K), optional
        exposure : array-like of shape (n,), optional

        Returns
        -------
        self
        """
        X, offset, exposure = take_columns(self, X, offset, exposure)
        rows, target = fitted_matrix(
            self, X, y, sample_weight, reference=False, accept_sparse=SPARSE
        )
        check_classification_targets(target)
        labels = column_or_1d(target, warn=True)
        present = check_weight(sample_weight, labels) > 0
        self.classes_: NDArray[Any] = np.unique(labels[present])
        if len(self.classes_) < 2:
            raise ValueError(
                f"ElasticNetGLMClassifierCV needs at least two classes, but y has 1 class: "
                f"{self.classes_.tolist()[0]!r} (rows of weight 0 do not count)."
            )
        columns = np.zeros((len(labels), len(self.classes_)))
        columns[present] = np.equal.outer(labels[present], self.classes_)
        columns[~present, 0] = 1.0  # absent, of any class
        self._fit(
            rows,
            columns[:, 1] if len(self.classes_) == 2 else columns,
            labels,
            self._law(),
            (sample_weight, offset, exposure),
            [str(label) for label in self.classes_],
        )
        return self

    def _law(self) -> ExponentialFamily:
        family = get_family("bernoulli" if len(self.classes_) == 2 else "multinoulli", self.link)
        if not family.has_safe_link:
            raise ValueError(
                f"link must give every linear predictor a probability, but {family.link_name!r} "
                "does not. Use 'logit', 'probit' or 'cloglog'."
            )
        return family

    def decision_function(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the linear predictor: (n,) for two classes, else (n, n_classes)."""
        eta = self._linear_predictor(X, offset, exposure)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict_proba(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the probability of each class, (n, n_classes)."""
        eta = self._linear_predictor(X, offset, exposure)
        mu = self.family_.mean(eta)
        if mu.shape[1] > 1:
            return mu
        return np.hstack([cast(Bernoulli, self.family_).complement(eta), mu])

    def predict_log_proba(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the logarithm of the probabilities, finite where they round to 0."""
        eta = self._linear_predictor(X, offset, exposure)
        return cast("Bernoulli | Multinoulli", self.family_).log_probabilities(eta)

    def predict(
        self, X: Any, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Return the most probable class of each row."""
        eta = self._linear_predictor(X, offset, exposure)
        mu = self.family_.mean(eta)
        best = mu.argmax(axis=1) if mu.shape[1] > 1 else (mu[:, 0] > 0.5).astype(int)
        return self.classes_[best]

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy."""
        X, y, sample_weight, offset, exposure = present_data(X, y, sample_weight, offset, exposure)
        predicted = self.predict(X, offset, exposure)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def _single(target: NDArray[Any]) -> NDArray[Any]:
    """Return a lone column as a vector, with scikit-learn's warning."""
    lone = target.ndim == 2 and target.shape[1] == 1
    return column_or_1d(target, warn=True) if lone else target
