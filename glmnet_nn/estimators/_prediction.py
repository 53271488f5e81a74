"""Predictive distributions, intervals and samples of a fitted estimator."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.estimators._door import Door
from glmnet_nn.estimators._ensemble import require_one_network
from glmnet_nn.inference import (
    ClassForecast,
    Forecast,
    GLMResults,
    NetworkResults,
    PredictiveDistribution,
    generator,
)

_SAME_FIT = 1e-6  # of eta: parameters on other inputs give it to rounding


def _forecast_of(
    estimator: BaseEstimator,
    X: Any,
    offset: ArrayLike | None,
    exposure: ArrayLike | None,
    inference: Any,
) -> Forecast | ClassForecast:
    """Return the forecast for X as given, by the uncertainty that inference found.

    Raises
    ------
    ValueError
        There is no inference, it is that of another fit, or the model is an ensemble.
    """
    check_is_fitted(estimator)
    require_one_network(
        estimator,
        "a forecast with the uncertainty of its parameters",
        "With means taken as known, the law is model.family_.distribution(model.predict(X), "
        "model.dispersion_); for the forecast fit with n_estimators=1.",
    )
    rows, known, labels = Door(estimator)(X, offset, exposure)
    family, K = estimator.family_, estimator.n_outputs_
    if inference is not None and not isinstance(inference, GLMResults | NetworkResults):
        raise TypeError(
            "inference must be what model.inference(X, y) returned, but it is a "
            f"{type(inference).__name__}."
        )
    estimate = estimator._estimate if inference is None else inference.estimate
    if estimate is None:
        raise ValueError(
            "the uncertainty of a forecast needs that of the parameters, which fit does not "
            "keep. Pass inference=model.inference(X, y) of the training data, or fit with "
            "store_covariance=True. With parameters taken as known, the law is "
            "model.family_.distribution(model.predict(X), model.dispersion_)."
        )
    ours = estimator._network.linear_predictor(estimator._weights, rows)
    same = estimate.network.layout.sizes[-1] == K and len(estimate.inputs.center) == rows.shape[1]
    if not same or not np.allclose(estimate.linear_predictor(rows), ours, _SAME_FIT, _SAME_FIT):
        raise ValueError(
            "inference must be that of this fit, but its parameters are others. Call "
            "model.inference(X, y) again after fit."
        )
    if not np.isfinite(estimate.scale):
        raise ValueError(
            "the dispersion is not known: the fit has as many parameters as rows. Fit to more "
            "rows, or with fewer columns."
        )
    if family.event_ndim:
        return ClassForecast(estimate, rows, known)
    return Forecast(estimate, rows, known, labels)


class Forecasts:
    """``forecast()``, from which a regressor and a classifier take all the others."""

    def forecast(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> Forecast | ClassForecast:
        """Return the law of new observations, and of their mean, with standard errors.

        Of the mean alone: ``inference(X, y).get_prediction(X)``, as in statsmodels.
        """
        return _forecast_of(self, X, offset, exposure, inference)


class RegressionPredictions(Forecasts):
    """Predictive methods of a regressor.

    ``inference`` is what ``inference(X, y)`` of the same fit gave, with its covariance
    (``cov_type``); it may be left out after a fit with ``store_covariance=True``. The
    uncertainty of the parameters is part of everything here; phi is taken as known.
    """

    def predict_distribution(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> Any:
        """Return the law of a new observation of each row, with scipy.stats' methods.

        It is the law of y averaged over N(eta, se^2), so that its mean is not quite
        ``predict(X)``, unless the link is the identity. Of the Multinoulli law it is
        scipy.stats.multinomial.
        """
        forecast = _forecast_of(self, X, offset, exposure, inference)
        law = forecast.distribution()
        if isinstance(law, PredictiveDistribution):
            return law.of_rows(self._shaped)  # type: ignore[attr-defined]
        return law

    def predict_interval(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        coverage: float = 0.95,
        kind: str = "observation",
        inference: Any = None,
    ) -> Array:
        """Return lower and upper ends, (n, 2), or (n, n_outputs, 2).

        Parameters
        ----------
        X, offset, exposure
            As of ``predict``.
        coverage : float, default=0.95
        kind : {"observation", "mean"}, default="observation"
            Where a new y lies with that probability (equal tails; of a discrete law at
            least that probability), or a confidence interval of its mean mu, by t if
            ``inference`` was made with ``use_t=True``. For observations phi is taken as known.
        inference : results of ``inference()``, optional
            Not needed after a fit with ``store_covariance=True``.

        Returns
        -------
        array
            NaN in rows that the data of the fit do not determine.
        """
        check_coverage(coverage)
        if kind not in ("mean", "observation"):
            raise ValueError(f"kind must be 'observation' or 'mean', but got {kind!r}.")
        forecast = _forecast_of(self, X, offset, exposure, inference)
        if isinstance(forecast, Forecast):
            ends = forecast.interval(coverage, kind)
        elif kind == "mean":
            ends = forecast.interval(coverage)
        else:
            raise ValueError(
                "an observation of several classes has no interval. Use kind='mean' for those of "
                "the probabilities."
            )
        return self._shaped(ends)  # type: ignore[attr-defined]

    def predict_quantiles(
        self,
        X: ArrayLike,
        quantiles: ArrayLike = (0.05, 0.5, 0.95),
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> Array:
        """Return quantiles of a new y, (n, n_quantiles), or (n, n_outputs, n_quantiles)."""
        asked = checked_quantiles(quantiles)
        forecast = _forecast_of(self, X, offset, exposure, inference)
        if isinstance(forecast, ClassForecast):
            raise ValueError("classes have no order, and so no quantiles. See predict().")
        return self._shaped(forecast.quantiles(asked))  # type: ignore[attr-defined]

    def sample_y(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: Any = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> Array:
        """Draw new observations, (n, n_samples), or (n, n_outputs, n_samples).

        The rows of one sample share one draw of the parameters, so that the spread of
        their sum is right as well.
        """
        check_number(n_samples)
        forecast = _forecast_of(self, X, offset, exposure, inference)
        drawn = forecast.sample(n_samples, generator(random_state))
        return self._shaped(drawn)  # type: ignore[attr-defined]


class ClassPredictions(Forecasts):
    """Predictive methods of a classifier; ``inference`` as of a regressor's."""

    def predict_distribution(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> Any:
        """Return the law of the class of each row, averaged over the uncertain parameters.

        Of two classes: 0 and 1, 1 for ``classes_[1]``. Of more: scipy.stats.multinomial.
        """
        law = _forecast_of(self, X, offset, exposure, inference).distribution()
        if isinstance(law, PredictiveDistribution):
            return law.of_rows(lambda values: values[:, 0])
        return law

    def predict_interval(
        self,
        X: ArrayLike,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        coverage: float = 0.95,
        inference: Any = None,
    ) -> Array:
        """Return confidence intervals of the probability of each class, (n, n_classes, 2)."""
        check_coverage(coverage)
        forecast = _forecast_of(self, X, offset, exposure, inference)
        if isinstance(forecast, ClassForecast):
            return forecast.interval(coverage)
        second = forecast.interval(coverage, "mean")
        return np.concatenate([1.0 - second[..., ::-1], second], axis=1)

    def sample_y(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: Any = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        inference: Any = None,
    ) -> NDArray[Any]:
        """Draw labels, (n, n_samples); rows of one sample share a draw of the parameters."""
        check_number(n_samples)
        forecast = _forecast_of(self, X, offset, exposure, inference)
        drawn = forecast.sample(n_samples, generator(random_state))
        if np.isnan(drawn).any():
            at = int(np.argmax(np.isnan(drawn).any(axis=(1, 2))))
            raise ValueError(
                f"the data of the fit do not determine the probabilities of row {at}: no label "
                "can be drawn. See predict_interval(), which has NaN there."
            )
        best = drawn[:, 0] if drawn.shape[1] == 1 else drawn.argmax(axis=1)
        return self.classes_[best.astype(int)]  # type: ignore[attr-defined]


def check_coverage(coverage: float) -> None:
    """Raise unless 0 < coverage < 1."""
    if not (isinstance(coverage, Real) and 0 < coverage < 1):
        raise ValueError(f"coverage must lie between 0 and 1, but got {coverage!r}. Use 0.95.")


def check_number(n_samples: int) -> None:
    """Raise unless n_samples is an integer >= 1."""
    if not (isinstance(n_samples, Integral) and n_samples >= 1):
        raise ValueError(f"n_samples must be an integer >= 1, but got {n_samples!r}.")


def checked_quantiles(quantiles: ArrayLike) -> Array:
    """Return the quantiles, (m,), if they lie between 0 and 1."""
    asked = np.atleast_1d(np.asarray(quantiles, dtype=float))
    if asked.ndim > 1 or not np.all((asked >= 0) & (asked <= 1)):
        raise ValueError(f"quantiles must be numbers between 0 and 1, but got {quantiles!r}.")
    return asked
