"""The linear predictor of a fitted model by operators of ONNX, with that of its base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._elastic_net import BaseElasticNetCV
from glmnet_nn.export.columns import Columns
from glmnet_nn.export.graph import Graph
from glmnet_nn.export.networks import layer_sums, linear_predictor
from glmnet_nn.network import Layer
from glmnet_nn.tables import TableCoding

Places = NDArray[np.intp]
OURS = (BaseDeepGLM, BaseElasticNetCV)


@dataclass(frozen=True)
class Model:
    """A fitted estimator, the places of the columns that are its features, and its base."""

    estimator: BaseEstimator
    places: Places
    names: list[str]
    base: Model | None

    @classmethod
    def of(cls, estimator: BaseEstimator, places: Places, names: list[str]) -> Model:
        """Return the model, of columns with these names.

        Raises
        ------
        ValueError
            Its columns are made by a formula, or its base has no graph.
        """
        if getattr(estimator, "formula", None) is not None:
            raise ValueError(
                f"the columns that formula={estimator.formula!r} makes have no operators in ONNX. "
                "Make them by formulaic.model_matrix, fit to these, and export that model."
            )
        base = None
        if getattr(estimator, "base", None) is not None:
            own = _own_base(estimator)
            features = [j for j in places.tolist() if names[j] not in (own.offset, own.exposure)]
            base = cls.of(own, np.array(features), names)
        return cls(estimator, places, names, base)

    @property
    def codings(self) -> list[tuple[Places, TableCoding | None]]:
        """The columns that it and its base see, and how they code them."""
        own = (self.places, self.estimator._coding)
        return [own] if self.base is None else [own, *self.base.codings]

    def linear_predictors(self, graph: Graph, columns: Columns) -> list[str]:
        """Return eta of each network, (n, K), with that of the base in each; without offset.

        It is NaN in rows that ``predict`` refuses, whatever an activation makes of them.
        """
        estimator = self.estimator
        X = columns.numbers(self.places, estimator._coding, estimator.unseen)
        zero = graph.add("Sub", X, X)
        common = [graph.add("ReduceSum", zero, graph.constant([1], np.int64), keepdims=1)]
        if self.base is not None:
            common += self.base.linear_predictors(graph, columns)
            common += self.base.named_terms(graph, columns)
        known = graph.total(common)
        return [graph.add("Add", eta, known) for eta in _networks(estimator, graph, X)]

    def named_terms(self, graph: Graph, columns: Columns) -> list[str]:
        """Return the offset and log(exposure) that are columns of X."""
        terms = []
        if self.estimator.offset is not None:
            terms.append(columns.column(self.names.index(self.estimator.offset)))
        if self.estimator.exposure is not None:
            exposure = columns.column(self.names.index(self.estimator.exposure))
            terms.append(graph.add("Log", exposure))
        return [graph.if_finite(term) for term in terms]


def _networks(estimator: BaseEstimator, graph: Graph, X: str) -> list[str]:
    """Return eta of each network alone."""
    if isinstance(estimator, BaseElasticNetCV):
        glm = Layer(np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_))
        return [layer_sums(glm, graph, X)]
    members = estimator.estimators_ if estimator._is_ensemble else [estimator]
    return [linear_predictor(m._network, m._weights, graph, X) for m in members]


def _own_base(estimator: BaseEstimator) -> Any:
    """Return the base of a model, if it has a graph."""
    base = getattr(estimator.base, "estimator", estimator.base)  # of a FrozenEstimator
    ours = isinstance(base, OURS)
    if not ours or base.link_ != estimator.link_ or len(getattr(base, "estimators_", [0])) > 1:
        raise ValueError(
            f"base={estimator.base!r} has no graph: it must be one network or GLM of this package, "
            f"with link {estimator.link_.name!r}. Give its linear predictor as offset."
        )
    return base
