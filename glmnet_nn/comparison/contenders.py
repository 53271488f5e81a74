"""Models of three makers behind one face: fit rows, give means of rows."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

from families import Array, ExponentialFamily, get_family
from glmnet_nn.comparison.means import innermost, last_step, predicted, unwrapped
from glmnet_nn.comparison.sample import Sample
from glmnet_nn.estimators import DeepGLMRegressor
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.exceptions import InferenceWarning

_MOST_WEIGHTS = 2000  # of a network whose second derivatives are formed, for its criteria
_NO_OPTIMUM = {"not_converged", "not_positive_definite"}  # no effective degrees of freedom


@dataclass(frozen=True)
class InSample:
    """What likelihood criteria need of a fit to all rows: llf, aic, bic, phi and the means."""

    family: ExponentialFamily
    mu: Array
    scale: float
    llf: float
    aic: float
    bic: float

    @property
    def n_parameters(self) -> float:
        """Parameters, or effective ones, as AIC counts them: aic = -2 llf + 2 k."""
        return 0.5 * self.aic + self.llf

    def log_likelihoods(self, y: Array, weight: Array) -> Array:
        """Return log f(y_i) of each row, (n,), which add up to llf with their weights.

        phi is the maximum likelihood estimate for a location-scale law, as in llf.
        """
        phi = self.scale
        if self.family.is_location_scale:
            deviance = self.family.unit_deviance(y, self.mu).reshape(len(y), -1).sum(axis=1)
            phi = self.family.likelihood_dispersion(float(np.average(deviance, weights=weight)))
        rows = np.asarray(self.family.log_likelihood(y, self.mu, phi))
        return rows.reshape(len(y), -1).sum(axis=1)


class Contender(ABC):
    """A model that can be fitted to the rows of any fold."""

    @property
    @abstractmethod
    def is_classifier(self) -> bool:
        """Whether y holds labels."""

    @abstractmethod
    def fit(self, sample: Sample, family: ExponentialFamily | None) -> Any:
        """Return a new fit; ``family`` is the law of the comparison."""

    @abstractmethod
    def means(self, fit: Any, sample: Sample) -> Array:
        """Return the predicted means, (n, K), with the offset and exposure of these rows."""

    @abstractmethod
    def family(self) -> ExponentialFamily | None:
        """Return the law of the model, if it states one."""

    @abstractmethod
    def in_sample(self, fit: Any, sample: Sample) -> InSample | None:
        """Return the likelihood of a fit to these rows; None where it is not defined."""


class EstimatorContender(Contender):
    """A scikit-learn estimator, ours or another's.

    Weights go to ``sample_weight`` (of the last step of a pipeline). offset and exposure
    go to an estimator that takes them or reads their columns. Another one (and a search,
    which would hand them to fits, but not to predictions and scores) is fitted to the rate
    y / e with weights w e^2 V(1) / V(e), e = exposure exp(offset): with the log link and
    V = mu^p this is the same model (for counts: weights w e), and its predictions are
    multiplied by e. That needs the log link.
    """

    def __init__(self, name: str, estimator: BaseEstimator) -> None:
        self.name = name
        self.estimator = estimator
        self._reads = _column_options(estimator)

    @property
    def is_classifier(self) -> bool:
        return bool(is_classifier(self.estimator))

    @property
    def columns(self) -> dict[str, str]:
        """The columns of X that the estimator reads by itself, by offset and exposure."""
        return self._reads

    def predicts_rates(self, sample: Sample) -> bool:
        """Whether the estimator knows neither offset nor exposure, but there is one."""
        return self._by_rates(sample, self._view(sample)[-1])

    def family(self) -> ExponentialFamily | None:
        model = innermost(self.estimator)
        if not isinstance(model, DeepGLMRegressor):  # the law of a classifier follows from y
            return None
        return get_family(model.family, None if model.link == "auto" else model.link)

    def fit(self, sample: Sample, family: ExponentialFamily | None) -> Any:
        estimator = clone(self.estimator)
        X, y, weight, known = self._view(sample)
        passed = {"sample_weight": weight if sample.weighted else None, **known}
        if self._by_rates(sample, known):
            y, passed["sample_weight"] = self._rates(sample, y, weight, family)
        arguments = {
            self._argument(estimator, name): values
            for name, values in passed.items()
            if values is not None
        }
        with sklearn.config_context(enable_metadata_routing=False):
            return estimator.fit(X, y, **arguments)

    def means(self, fit: Any, sample: Sample) -> Array:
        X, _, _, known = self._view(sample)
        with sklearn.config_context(enable_metadata_routing=False):
            mu = predicted(fit, X, **known)
        if self._by_rates(sample, known):
            mu = mu * np.exp(np.asarray(sample.known))
        return mu

    def in_sample(self, fit: Any, sample: Sample) -> InSample | None:
        X, y, weight, known = self._view(sample)
        with sklearn.config_context(enable_metadata_routing=False):
            model, X = unwrapped(fit, X)
        ours = isinstance(model, BaseDeepGLM) and not self._by_rates(sample, known)
        if not ours or model._is_ensemble or model._network.layout.size > _MOST_WEIGHTS:
            return None
        try:
            with warnings.catch_warnings():  # of standard errors, which are not asked for
                warnings.simplefilter("ignore", InferenceWarning)
                results = model.inference(X, y, weight if sample.weighted else None, **known)
        except ValueError:  # penalised, or several outputs: no likelihood to speak of
            return None
        if _NO_OPTIMUM & set(getattr(results, "flags", ())):
            return None
        mu = self.means(fit, sample)
        return InSample(model.family_, mu, results.scale, results.llf, results.aic, results.bic)

    def _view(self, sample: Sample) -> tuple[Any, Any, Array, dict[str, Array]]:
        """Return X, y, weight and the arguments of these rows, as the estimator wants them."""
        if self._reads:
            return sample.whole, sample.y, sample.weight, {}
        last = last_step(self.estimator)
        given = {"offset": sample.offset, "exposure": sample.exposure}
        known = {name: values for name, values in given.items() if values is not None}
        takes = inspect.signature(last.fit).parameters
        known = known if all(name in takes for name in known) else {}
        return sample.X, sample.y, sample.weight, known

    def _by_rates(self, sample: Sample, known: dict[str, Array]) -> bool:
        """Whether the estimator is fitted to rates: it takes no offset, and there is one."""
        return sample.known is not None and not known and not self._reads

    def _argument(self, estimator: BaseEstimator, name: str) -> str:
        """Return what fit calls an argument: step__name in a pipeline."""
        if isinstance(estimator, BaseSearchCV):
            return self._argument(estimator.estimator, name)
        if isinstance(estimator, Pipeline):
            step, model = estimator.steps[-1]
            return f"{step}__{self._argument(model, name)}"
        parameters = inspect.signature(estimator.fit).parameters.values()
        if any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters):
            return name
        raise ValueError(
            f"model {self.name!r} takes no {name}: {type(estimator).__name__}.fit has no such "
            f"argument. Compare without {name}, or leave that model out."
        )

    def _rates(
        self, sample: Sample, y: Any, weight: Array, family: ExponentialFamily | None
    ) -> tuple[Any, Array]:
        if self.is_classifier or family is None or family.link_name != "log":
            raise ValueError(
                f"model {self.name!r} takes no offset, and without the log link it cannot be "
                "fitted to rates instead. Leave that model out, or compare without an offset."
            )
        e = np.exp(np.asarray(sample.known)[:, 0])
        ratio = np.square(e) * family.variance(np.ones(1)) / family.variance(e)
        return np.asarray(y, dtype=float) / e, weight * ratio


class StatsmodelsContender(Contender):
    """A GLM of statsmodels, fitted or not: its design and family, on the rows of each fold.

    Columns that its formula derived from all rows (splines, standardised columns) stay
    as they are. Offsets and weights are those of the comparison, and the fit is by maximum
    likelihood; others of its own, a penalty or a constraint would be another model, and are
    refused.
    """

    def __init__(self, name: str, model: Any, sample: Sample, n_rows: int) -> None:
        self.name = name
        self.model = getattr(model, "model", model)  # results know their model
        endog, exog = np.asarray(self.model.endog), np.asarray(self.model.exog)
        same = len(endog) == n_rows and np.array_equal(endog[sample.index], sample.y)
        if not same:
            raise ValueError(
                f"model {name!r} of statsmodels must hold the rows of X and y, in their order, "
                f"but its endog, {len(endog)} rows, is not y, {n_rows} rows. Build it with the "
                "same y (and missing='raise')."
            )
        self._check_offset(sample)
        self._check_weights(sample)
        self._check_likelihood(model)
        self.exog = exog

    @property
    def is_classifier(self) -> bool:
        return False

    def family(self) -> ExponentialFamily | None:
        return statsmodels_law(self.model.family)

    def fit(self, sample: Sample, family: ExponentialFamily | None) -> Any:
        known = sample.known
        model = type(self.model)(
            np.asarray(sample.y, dtype=float),
            self.exog[sample.index],
            family=self.model.family,
            offset=None if known is None else known[:, 0],
            freq_weights=sample.weight if sample.weighted else None,
        )
        return model.fit(tol=1e-10)

    def means(self, fit: Any, sample: Sample) -> Array:
        eta = self.exog[sample.index] @ np.asarray(fit.params)
        if sample.known is not None:
            eta = eta + sample.known[:, 0]
        return np.asarray(self.model.family.link.inverse(eta))[:, None]

    def in_sample(self, fit: Any, sample: Sample) -> InSample | None:
        family = statsmodels_law(self.model.family)
        if family is None:
            return None
        return InSample(
            family, self.means(fit, sample), fit.scale, fit.llf, fit.aic, float(fit.bic_llf)
        )

    def _check_offset(self, sample: Sample) -> None:
        """Raise if the model has an offset that the comparison does not have."""
        own = np.asarray(getattr(self.model, "_offset_exposure", 0.0)) + np.zeros(
            len(self.model.endog)
        )
        known = 0.0 if sample.known is None else sample.known[:, 0]
        if not np.allclose(own[sample.index], known):
            raise ValueError(
                f"model {self.name!r} of statsmodels has another offset or exposure than the "
                "comparison. Pass the same to compare(), so that all models have it."
            )

    def _check_weights(self, sample: Sample) -> None:
        """Raise if the model has weights that the comparison does not have."""
        for name in ("freq_weights", "var_weights"):
            own = np.asarray(getattr(self.model, name, 1.0)) + np.zeros(len(self.model.endog))
            same = name == "freq_weights" and np.allclose(own[sample.index], sample.weight)
            if not same and np.any(own != 1.0):
                raise ValueError(
                    f"model {self.name!r} of statsmodels has {name} that the comparison does not "
                    "have. Build it without, and pass sample_weight to compare(), so that all "
                    "models have them."
                )

    def _check_likelihood(self, given: Any) -> None:
        """Raise if the model was fitted with a penalty or a constraint."""
        penalised = "Regularized" in type(given).__name__ or getattr(given, "regularized", False)
        if penalised or getattr(given, "constraints", None) is not None:
            how = "fit_regularized" if penalised else "fit_constrained"
            raise ValueError(
                f"model {self.name!r} of statsmodels is the result of {how}(), but each fold is "
                "fitted by fit(), which is another model. Pass the GLM that is meant, with the "
                "constraint in its design; or a penalised estimator, as "
                "DeepGLMRegressor(hidden_layer_sizes=(), alpha=...)."
            )


_LAWS = {
    "Gaussian": "normal",
    "Binomial": "bernoulli",
    "Poisson": "poisson",
    "Gamma": "gamma",
    "InverseGaussian": "inverse_gaussian",
    "NegativeBinomial": "negative_binomial",
    "Tweedie": "tweedie",
}
_LINKS = {
    "Identity": "identity",
    "Log": "log",
    "Logit": "logit",
    "Probit": "probit",
    "CLogLog": "cloglog",
    "LogLog": "loglog",
    "Cauchy": "cauchit",
    "InversePower": "inverse",
    "InverseSquared": "inverse_squared",
    "Sqrt": "sqrt",
}


def statsmodels_law(theirs: Any) -> ExponentialFamily | None:
    """Return our name for a family of statsmodels; None if there is none."""
    law, link = _LAWS.get(type(theirs).__name__), _LINKS.get(type(theirs.link).__name__)
    if law is None or link is None:
        return None
    parameters = {
        "negative_binomial": {"alpha": getattr(theirs, "alpha", None)},
        "tweedie": {"power": getattr(theirs, "var_power", None)},
    }.get(law, {})
    return get_family(law, link, **parameters)


def _column_options(estimator: BaseEstimator) -> dict[str, str]:
    """Return which columns of X an estimator, or a step of a pipeline, reads by name."""
    found = {}
    for key, value in estimator.get_params(deep=True).items():
        name = key.rpartition("__")[2]
        if name in ("offset", "exposure") and isinstance(value, str):
            found[name] = value
    return found


def contender(name: str, model: Any, sample: Sample, n_rows: int) -> Contender:
    """Return the model behind the common face.

    Raises
    ------
    TypeError
        It is neither a scikit-learn estimator nor a GLM of statsmodels.
    """
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        return EstimatorContender(name, model)
    theirs = getattr(model, "model", model)
    kind = type(theirs)
    if kind.__name__ == "GLM" and kind.__module__.startswith("statsmodels."):
        return StatsmodelsContender(name, model, sample, n_rows)
    remedy = " Use sm.GLM(y, X, family=...)." if kind.__module__.startswith("statsmodels.") else ""
    raise TypeError(
        f"model {name!r} must be a scikit-learn estimator, or a GLM of statsmodels (fitted or "
        f"not), but it is a {kind.__name__ if remedy else type(model).__name__}.{remedy}"
    )
