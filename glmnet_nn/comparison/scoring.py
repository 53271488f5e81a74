"""A scorer for scikit-learn's tools: the deviance, with weights, offset and exposure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.utils.metadata_routing import MetadataRequest

from families import ExponentialFamily, get_family
from glmnet_nn.comparison.means import innermost, observed, predicted, unit_deviances
from glmnet_nn.estimators._validation import check_weight

_METADATA = ("sample_weight", "offset", "exposure")


class DevianceScorer:
    """Minus the mean unit deviance, - sum w d(y, mu) / sum w: greater is better, 0 perfect.

    Any ``scoring=`` of scikit-learn takes it. The law is that of the fitted model
    (through a pipeline or a search), or ``family``, so that models of other makers
    can be scored by it. Of labels, d is twice the log loss. Where the law has no such
    mean the score is -inf.

    scikit-learn's own tools pass no offset to a scorer unless metadata routing is
    enabled: then ``set_score_request(offset=True)`` asks for it. Without routing,
    let the model read a column: ``DeepGLMRegressor(exposure="column")``.

    Parameters
    ----------
    family : str, ExponentialFamily or None, default=None
        The law whose deviance counts; None for that of the model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import mean_poisson_deviance
    >>> from glmnet_nn import DeepGLMRegressor, deviance_scorer
    >>> X, y = np.arange(6.0)[:, None], np.array([0, 1, 0, 2, 1, 3])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> bool(np.isclose(deviance_scorer(glm, X, y), -mean_poisson_deviance(y, glm.predict(X))))
    True
    """

    def __init__(self, family: str | ExponentialFamily | None = None) -> None:
        self.family = family
        self._requests: dict[str, bool | str | None] = {}

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return the score of a fitted estimator on these rows."""
        family = law_of(estimator) if self.family is None else get_family(self.family)
        mu = predicted(estimator, X, offset=offset, exposure=exposure)
        target, trials = family.response(
            observed(y, estimator.classes_ if is_classifier(estimator) else None)
        )
        if target.shape != mu.shape:
            raise ValueError(
                f"y must have a value for each mean that {type(estimator).__name__} predicts, "
                f"but y is {target.shape} and the means are {mu.shape}."
            )
        weight = check_weight(sample_weight, target)
        weight = weight if trials is None else weight * trials
        present = weight > 0
        family.check_response(target[present])
        deviance = unit_deviances(family, target[present], mu[present])
        return -float(np.average(deviance, weights=weight[present]))

    def set_score_request(self, **requests: bool | str | None) -> DevianceScorer:
        """Return this scorer, asking for metadata: sample_weight, offset, exposure."""
        unknown = set(requests) - set(_METADATA)
        if unknown:
            raise TypeError(f"{self!r} takes {_METADATA}, but not {sorted(unknown)}.")
        copy = DevianceScorer(self.family)
        copy._requests = {**self._requests, **requests}
        return copy

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what the scorer asks of scikit-learn's metadata routing."""
        request = MetadataRequest(owner=self)
        for name in _METADATA:
            request.score.add_request(param=name, alias=self._requests.get(name))
        return request

    def __repr__(self) -> str:
        return f"DevianceScorer({'' if self.family is None else repr(self.family)})"


deviance_scorer = DevianceScorer()


def law_of(estimator: Any) -> ExponentialFamily:
    """Return the family of a fitted model, also inside a pipeline or a search.

    Raises
    ------
    ValueError
        It has none.
    """
    model = innermost(estimator)
    if not hasattr(model, "family_"):
        raise ValueError(
            f"the deviance is that of a law, but {type(model).__name__} has no family_. "
            "Say which: DevianceScorer('poisson')."
        )
    return model.family_
