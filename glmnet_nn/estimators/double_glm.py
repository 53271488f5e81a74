"""The double GLM: a model of the mean and a model of the dispersion."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from families import Array, get_family
from glmnet_nn.estimators._alternation import Alternation, Observations
from glmnet_nn.estimators._choices import asked_law
from glmnet_nn.estimators._columns import take_columns
from glmnet_nn.estimators._double_predictions import DoublePredictions, chosen
from glmnet_nn.estimators._validation import FLOATING, check_offset, check_weight
from glmnet_nn.estimators.regressor import DeepGLMRegressor
from glmnet_nn.inference.weights import weighting
from glmnet_nn.tables import as_frame

_OWN = {
    "family": "gamma",
    "link": "log",
    "alpha": "auto",
    "l1_ratio": 0.0,
    "fit_intercept": True,
    "bias_reduction": False,
    "group_lasso": False,
    "skip_connection": False,
    "architecture": "dense",
    "offset": None,
    "exposure": None,
}
_HIDDEN = (8,)  # of the dispersion of a network: wider or deeper finds no more, and less surely


class DoubleGLMRegressor(DoublePredictions, RegressorMixin, BaseEstimator):
    r"""A network for the mean and a network for the dispersion of y.

        g(mu) = mean(x) + offset,   log phi = dispersion(x),   y ~ family(mu, phi)

    so that Var[y] = phi(x) V(mu(x)): a predictive law whose spread depends on x. Either
    may be a classical GLM, ``hidden_layer_sizes=()``: both, and it is the double GLM of
    Smyth (1989), R's ``dglm``. The two are fitted in turns until neither moves: the mean
    with weights w / phi, the dispersion as a Gamma model with log link of the unit
    deviances (:mod:`glmnet_nn.training.dispersion`). The fixed point maximises the joint
    likelihood; penalised, each with its own ``alpha``.

    Parameters
    ----------
    mean : DeepGLMRegressor, default=None
        The model of the mean; its family is the law of y, which must have a dispersion:
        normal, gamma, inverse_gaussian, tweedie. None is ``DeepGLMRegressor()``.
    dispersion : DeepGLMRegressor, default=None
        The model of phi: family "gamma", link "log". None is one trained as ``mean`` is, of
        8 hidden units, or none if ``mean`` has none.
    mean_features, dispersion_features : list of columns or None, default=None
        Names or numbers of the columns of X that each sees; None is all. Of a table each codes
        the factors that it sees, as its own ``categorical``, ``unseen`` and ``missing`` ask.
    method : {"reml", "ml"}, default="reml"
        "ml" is maximum likelihood. It takes the fitted means for the true ones, and so
        finds too small a dispersion where the mean has many parameters. "reml" adds what
        the leverage of a row takes from its deviance: residual maximum likelihood for the
        Normal law with linear means, an approximation else (Smyth and Verbyla 1999), with
        hidden layers by the effective degrees of freedom. Of a constant dispersion it is
        what dividing by n - p is.
    likelihood : {"exact", "saddlepoint"}, default="exact"
        "exact" is the likelihood of the law; "saddlepoint" the extended quasi-likelihood
        of Nelder and Pregibon (1987), in which every unit deviance has mean phi. They are
        the same for the Normal and the inverse Gaussian law, near for small phi.
    weight_type : {"freq", "var"}, default="freq"
        What a sample weight w says. freq: the row is w equal observations. var: its
        dispersion is phi / w, as of a mean of w observations (R's ``dglm``).
    max_iter : "auto" or int, default="auto"
        Rounds: 100 or, where adam trains, which never rests, 3.
    tol : "auto" or float, default="auto"
        Stop when a round moves eta and log phi of all rows together by no more standard
        errors: 1e-7 without hidden layers, 1e-2 with; where adam trains all rounds are made.
    random_state : int, RandomState or None, default=None
        Unless None, seeds both models; else each has its own.
    verbose : int, default=0
        Print the log-likelihood after every round.

    Attributes
    ----------
    mean_, dispersion_model_ : DeepGLMRegressor
        The fitted models, of the weights that the last round gave them: their own
        ``dispersion_``, ``inference`` and predictive laws are not those of y. Offset and
        exposure that ``mean`` names as columns are taken by this estimator.
    family_ : ExponentialFamily
        The law of y.
    log_likelihood_curve_ : list of float
        sum w log f(y | mu, phi) after every round.
    n_iter_, converged_
        Rounds made, and whether the last one was within ``tol``; True where all were asked.
    n_features_in_, feature_names_in_

    References
    ----------
    Smyth (1989), J. R. Statist. Soc. B 51. Smyth and Verbyla (1999), Environmetrics 10.
    Nix and Weigend (1994), "Estimating the mean and variance of the target probability
    distribution": the same for networks, by one gradient. Sluijterman, Cator and Heskes
    (2024), "Optimal training of mean variance estimation neural networks": fit the mean
    first, and penalise the two apart, as here.

    Examples
    --------
    Of a dispersion that differs between two groups, each phi is the residual variance:

    >>> import numpy as np
    >>> from glmnet_nn import DeepGLMRegressor, DoubleGLMRegressor
    >>> X = np.repeat([[0.0], [1.0]], 4, axis=0)
    >>> y = np.array([1.0, 2.0, 3.0, 4.0, 0.0, 4.0, 8.0, 12.0])
    >>> glm = DeepGLMRegressor(hidden_layer_sizes=())
    >>> double = DoubleGLMRegressor(glm).fit(X, y)
    >>> print(double.predict_dispersion([[0.0], [1.0]]).round(6))
    [ 1.666667 26.666667]
    >>> print(np.var(y[:4], ddof=1).round(6), np.var(y[4:], ddof=1).round(6))
    1.666667 26.666667
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mean": [DeepGLMRegressor, None],
        "dispersion": [DeepGLMRegressor, None],
        "mean_features": ["array-like", None],
        "dispersion_features": ["array-like", None],
        "method": [StrOptions({"ml", "reml"})],
        "likelihood": [StrOptions({"exact", "saddlepoint"})],
        "weight_type": [StrOptions({"freq", "var"})],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        mean: DeepGLMRegressor | None = None,
        dispersion: DeepGLMRegressor | None = None,
        *,
        mean_features: Any = None,
        dispersion_features: Any = None,
        method: str = "reml",
        likelihood: str = "exact",
        weight_type: str = "freq",
        max_iter: str | int = "auto",
        tol: str | float = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.mean = mean
        self.dispersion = dispersion
        self.mean_features = mean_features
        self.dispersion_features = dispersion_features
        self.method = method
        self.likelihood = likelihood
        self.weight_type = weight_type
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------ fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> DoubleGLMRegressor:
        """Fit to X, (n, p), and y, (n,).

        Parameters
        ----------
        X : array-like of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            >= 0, of the kind ``weight_type``; 0 is no row.
        offset, exposure : array-like of shape (n,), optional
            Of the mean, as in ``DeepGLMRegressor.fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Input outside these rules, a law without a dispersion, a dispersion that is no
            Gamma model with log link.
        """
        mean, dispersion = self._models()
        self._named = clone(mean), clone(dispersion)
        self.family_ = asked_law(mean.family, mean.link)
        data = self._observations(X, y, sample_weight, offset, exposure, reset=True)
        own = {"offset": None, "exposure": None, "store_covariance": False}
        alternation = Alternation(
            mean.set_params(**own),
            dispersion.set_params(**own),
            data,
            residual=self.method == "reml",
            saddlepoint=self.likelihood == "saddlepoint",
            max_iter=self.max_iter,
            tol=self.tol,
            report=_print_round if self.verbose else None,
        )
        alternation.run()
        self.mean_, self.dispersion_model_ = mean, dispersion
        self._least = alternation.least
        self.n_iter_ = alternation.n_iter
        self.converged_ = alternation.converged
        self.log_likelihood_curve_ = alternation.log_likelihoods
        return self

    def _models(self) -> tuple[DeepGLMRegressor, DeepGLMRegressor]:
        """Return both models, not fitted, if they are what they must be."""
        mean = DeepGLMRegressor() if self.mean is None else clone(self.mean)
        law = asked_law(mean.family, mean.link)
        unknown = law.unknown
        if not law.has_dispersion or unknown is not None:
            reason = "has none" if unknown is None else f"has an unknown {unknown.name}"
            raise ValueError(
                f"mean must be of a law with a dispersion and no other unknown parameter, but "
                f"{law!r} {reason}. Use 'normal', 'gamma', 'inverse_gaussian' or Tweedie(power=p); "
                "DeepGLMRegressor estimates p."
            )
        if self.method == "reml" and mean.l1_ratio > 0:
            raise ValueError(
                "method='reml' takes the leverages of the mean, which absolute values in its "
                f"penalty leave undefined, but mean has l1_ratio={mean.l1_ratio}. Use method='ml'."
            )
        if self.dispersion is None:
            hidden = _HIDDEN if mean._hidden_sizes() else ()
            dispersion = clone(mean).set_params(**_OWN, hidden_layer_sizes=hidden)
        else:
            dispersion = clone(self.dispersion)
        second = asked_law(dispersion.family, dispersion.link)
        if (second.name, second.link_name) != ("gamma", "log"):
            raise ValueError(
                "dispersion must be a Gamma model with log link, the law of unit deviances, but "
                f"its law is {second!r}. Use DeepGLMRegressor('gamma', link='log', ...)."
            )
        for name, model in (("mean", mean), ("dispersion", dispersion)):
            if model.formula is not None:
                raise ValueError(
                    f"{name} must see columns of X, but it has formula={model.formula!r}. Make its "
                    f"columns first, and choose those of each model by {name}_features."
                )
            if model.n_estimators > 1 or model.base is not None:
                raise ValueError(
                    f"{name} must be one model without a base, since it is fitted again and again, "
                    f"but it has n_estimators={model.n_estimators} and base={model.base!r}. Give "
                    "the linear predictor of a base as offset, and average double GLMs by "
                    "sklearn.ensemble.BaggingRegressor."
                )
            if model.checkpoint is not None:
                raise ValueError(
                    f"{name} is fitted again and again, and a checkpoint is of one fit, but it has "
                    f"checkpoint={model.checkpoint!r}. Set checkpoint=None."
                )
        if self.random_state is not None:
            rng = check_random_state(self.random_state)
            for model in (mean, dispersion):
                model.set_params(random_state=int(rng.randint(2**31 - 1)))
        return mean, dispersion

    def _observations(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
        reset: bool = False,
    ) -> Observations:
        """Return the rows of positive weight, checked."""
        given, *named = self._columns(X, offset, exposure)
        rows, target = self._checked(given, y, reset=reset)
        weight = check_weight(sample_weight, rows)
        present = np.flatnonzero(weight > 0)
        offsets = [
            None if known is None else known[present]
            for known in self._offsets(named, len(rows), weight > 0)
        ]
        features = _safe_indexing(rows, present)
        target = np.asarray(target, dtype=float)[present]
        self.family_.check_response(target)
        return Observations(
            chosen(features, self.mean_features),
            chosen(features, self.dispersion_features),
            target,
            weighting(weight[present], self.weight_type),
            *offsets,
        )

    def _columns(
        self, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
    ) -> tuple[Any, tuple[Any, Any], tuple[Any, Any]]:
        """Return X without columns that are no features; (offset, exposure) of each model."""
        X = as_frame(X)
        mean, dispersion = self._named
        _, *of_mean = take_columns(mean, X, offset, exposure)
        _, *of_dispersion = take_columns(dispersion, X, None, None)
        taken = {mean.offset, mean.exposure, dispersion.offset, dispersion.exposure} - {None}
        if taken:
            X = X[[label for label in X.columns if label not in taken]]
        return X, (of_mean[0], of_mean[1]), (of_dispersion[0], of_dispersion[1])

    def _offsets(
        self, named: list[tuple[Any, Any]], n_rows: int, present: NDArray[np.bool_] | None = None
    ) -> list[Array | None]:
        """Return the offsets of both linear predictors, (n,), or None."""
        laws = (self.family_, get_family("gamma", "log"))
        found = (
            check_offset(*known, law, n_rows, 1, present)
            for known, law in zip(named, laws, strict=True)
        )
        return [None if total is None else total[:, 0] for total in found]

    def _rows(
        self, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
    ) -> tuple[Any, Array | None, Array | None]:
        """Return the features of new rows, checked, and both offsets."""
        check_is_fitted(self)
        given, *named = self._columns(X, offset, exposure)
        rows = self._checked(given, reset=False)
        return rows, *self._offsets(named, len(rows))

    def _checked(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        """Return X, and y if given, checked; the columns of a table are for either model."""
        if not hasattr(X, "columns"):
            numeric = {} if isinstance(y, str) else {"y_numeric": True}
            filled = all(model.missing == "indicator" for model in self._named)
            finite = "allow-nan" if filled else True
            checks = {"dtype": FLOATING, "ensure_all_finite": finite, **numeric}
            return validate_data(self, X, y, reset=reset, **checks)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if isinstance(y, str):
            return X
        _, target = check_X_y(np.zeros((len(X), 1)), y, y_numeric=True, estimator=self)
        return X, target

    def _fitted(self, data: Observations) -> tuple[Array, Array]:
        """Return eta and phi of each row."""
        eta = self.mean_.linear_predictor(data.X, data.offset)
        return eta, self.dispersion_model_.predict(data.Z, data.dispersion_offset)


def _print_round(number: int, log_likelihood: float) -> None:
    print(f"[DoubleGLMRegressor] round {number}: log-likelihood {log_likelihood:.10g}")
