"""What a fitted double GLM says of rows, new or old."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily
from glmnet_nn.estimators._alternation import Observations
from glmnet_nn.estimators._dispersion_inference import double_glm_results
from glmnet_nn.estimators._prediction import check_coverage, check_number, checked_quantiles
from glmnet_nn.inference import DoubleGLMResults, generator
from glmnet_nn.inference.residuals import residuals


def chosen(X: Any, features: Any) -> Any:
    """Return the columns of X that a model sees."""
    if features is None:
        return X
    known = list(getattr(X, "columns", range(X.shape[1])))
    missing = [feature for feature in features if not _is_column(feature, known)]
    if missing or not len(features):
        raise ValueError(
            "mean_features and dispersion_features must name columns of X, or number them, but "
            f"{missing or list(features)!r} are none of {known[:20]}. Use None for all columns."
        )
    return _safe_indexing(X, list(features), axis=1)


def _is_column(feature: Any, known: list[Any]) -> bool:
    """Tell whether it is the name, or the number, of a column."""
    return feature in known or (isinstance(feature, Integral) and 0 <= int(feature) < len(known))


class DoublePredictions:
    """Predictive methods, scores and inference of ``DoubleGLMRegressor``."""

    if TYPE_CHECKING:  # what DoubleGLMRegressor has
        mean_: Any
        dispersion_model_: Any
        family_: ExponentialFamily
        mean_features: Any
        dispersion_features: Any

        def _rows(
            self, X: Any, offset: ArrayLike | None, exposure: ArrayLike | None
        ) -> tuple[Any, Array | None, Array | None]: ...
        def _observations(self, *args: Any) -> Observations: ...
        def _fitted(self, data: Observations) -> tuple[Array, Array]: ...

    def linear_predictor(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return eta = mean(x) + offset, (n,)."""
        rows, known, _ = self._rows(X, offset, exposure)
        return self.mean_.linear_predictor(chosen(rows, self.mean_features), known)

    def predict(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the mean mu, (n,)."""
        eta = self.linear_predictor(X, offset, exposure)
        return self.family_.mean(eta)

    def predict_dispersion(self, X: ArrayLike) -> Array:
        """Return phi, (n,), of an observation of precision 1: Var[y] = phi V(mu)."""
        rows, _, known = self._rows(X, None, None)
        return self.dispersion_model_.predict(chosen(rows, self.dispersion_features), known)

    def predict_distribution(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Any:
        """Return the law of a new observation of each row, a frozen law of scipy.stats.

        Mean and dispersion are taken as known: with few rows for a parameter its intervals
        are somewhat narrow.
        """
        mu = self.predict(X, offset, exposure)
        return self.family_.distribution(mu, self.predict_dispersion(X))

    def predict_interval(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        coverage: float = 0.95,
    ) -> Array:
        """Return where a new y lies with that probability, equal tails, (n, 2)."""
        check_coverage(coverage)
        law = self.predict_distribution(X, offset, exposure)
        return np.stack(law.interval(coverage), axis=-1)

    def predict_quantiles(
        self,
        X: ArrayLike,
        quantiles: ArrayLike = (0.05, 0.5, 0.95),
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Array:
        """Return quantiles of a new y, (n, n_quantiles)."""
        asked = checked_quantiles(quantiles)
        law = self.predict_distribution(X, offset, exposure)
        return np.stack([law.ppf(q) for q in asked], axis=-1)

    def sample_y(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: Any = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Array:
        """Draw new observations, (n, n_samples), mean and dispersion taken as known."""
        check_number(n_samples)
        mu, phi = self.predict(X, offset, exposure), self.predict_dispersion(X)
        rows = np.ones((1, n_samples))
        return self.family_.sample(mu[:, None] * rows, phi[:, None] * rows, generator(random_state))

    # -------------------------------------------------------- on other data

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return D^2 of the mean, as ``DeepGLMRegressor.score``; see ``log_likelihood`` too.

        Its weights are the sample weights alone, so that it compares with models of any
        dispersion. It says nothing of phi.
        """
        check_is_fitted(self)
        data = self._observations(X, y, sample_weight, offset, exposure)
        return self.mean_.score(data.X, data.y, data.weights.total, data.offset)

    def log_likelihood(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return sum w log f(y | mu, phi), or with precisions sum log f(y | mu, phi / w).

        Over n it is the logarithmic score, which is highest in the mean for the true law:
        compare models of the dispersion by it, on rows that were not fitted.
        """
        check_is_fitted(self)
        data = self._observations(X, y, sample_weight, offset, exposure)
        return data.log_likelihood(self.family_, *self._fitted(data))

    def residuals(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        kind: str = "quantile",
        random_state: Any = None,
    ) -> Array:
        """Return residuals of the rows of positive weight, (n,), each over its own spread.

        Quantile residuals are standard normal if both models are right; Pearson and
        deviance residuals are divided by sqrt(phi), the others are those of
        :func:`glmnet_nn.inference.residuals.residuals`.
        """
        check_is_fitted(self)
        data = self._observations(X, y, sample_weight, offset, exposure)
        eta, phi = self._fitted(data)
        scaled = kind in ("pearson", "deviance")
        found = residuals(
            self.family_,
            data.y[:, None],
            eta[:, None],
            kind,
            precision=data.weights.precision / (phi if scaled else 1.0),
            phi=phi[:, None],
            rng=generator(random_state),
        )
        return found[:, 0]

    def inference(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        cov_type: str = "nonrobust",
        use_t: bool = False,
    ) -> DoubleGLMResults:
        """Return estimates, standard errors and tests of both models, without hidden layers.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            The data of the fit.
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3"}, default="nonrobust"
            "nonrobust" is the inverse of the information. The other hold for the mean if
            only it is right, and for log phi if E[d] is.
        use_t : bool, default=False
            Refer tests to t, not to the normal law.

        Returns
        -------
        DoubleGLMResults

        Raises
        ------
        ValueError
            A model has hidden layers, or a penalty.
        """
        check_is_fitted(self)
        data = self._observations(X, y, sample_weight, offset, exposure)
        return double_glm_results(self, data, cov_type, use_t)
