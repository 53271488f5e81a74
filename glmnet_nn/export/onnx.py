"""to_onnx(): what ``predict`` does, for any runtime of ONNX."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._elastic_net import BaseElasticNetCV
from glmnet_nn.export.graph import Graph
from glmnet_nn.export.links import mean
from glmnet_nn.export.networks import layer_sums, linear_predictor
from glmnet_nn.network import Layer


def to_onnx(
    estimator: BaseEstimator,
    path: str | os.PathLike[str] | None = None,
    *,
    offset: bool = False,
    exposure: bool = False,
) -> Any:
    """Return the predict path of a fitted model as a graph of ONNX, and write it.

    All in double precision, opset 17. Clipped and standardised inputs, skip connections,
    local networks, ensembles (averaged on the mean), the balance shift and a ``base`` of this
    package with the same link are part of the graph.

    ===============  ====================  =============================================
    input ``X``      (n, n_features_in_)   the columns as in ``predict``, without named ones
    ``offset``       (n or 1, K or 1)      added to eta
    ``exposure``     (n or 1, 1)           multiplies the mean
    output ``mean``  (n,) or (n, K)        as ``predict``; of a classifier it is
                                           ``probabilities``, as ``predict_proba``
    ===============  ====================  =============================================

    Parameters
    ----------
    estimator : DeepGLMRegressor, DeepGLMClassifier, ElasticNetGLMCV, ElasticNetGLMClassifierCV
        Fitted.
    path : str or path, optional
        Where to write it.
    offset, exposure : bool, default=False
        Whether the graph has that input. It always has, where the constructor names a column.

    Returns
    -------
    onnx.ModelProto
        Its metadata have ``family``, ``link``, ``feature_names`` and ``classes`` as JSON.

    Raises
    ------
    ImportError
        onnx is not installed.
    TypeError
        The model is none of these.
    ValueError
        It has no graph in double precision: link probit or cauchit, a ``base`` of another
        package, a formula, columns that are coded. Or exposure is asked for without the log link.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 0.0, 2.0, 3.0, 5.0, 9.0])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> [given.name for given in to_onnx(glm, exposure=True).graph.input]
    ['X', 'exposure']
    """
    check_is_fitted(estimator)
    graph = Graph()
    X = graph.input("X", ["rows", _n_features(estimator)])
    etas = _linear_predictors(estimator, graph, X)
    known = _known(estimator, graph, offset, exposure)
    if known is not None:
        etas = [graph.add("Add", eta, known) for eta in etas]
    means = [mean(estimator.family_.link, graph, eta) for eta in etas]
    mu = graph.total(means)
    if len(means) > 1:
        mu = graph.add("Div", mu, graph.constant(len(means)))
    _name_output(estimator, graph, mu)
    model = graph.model(_metadata(estimator))
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model


def _n_features(estimator: BaseEstimator) -> int:
    """Return the number of columns of X, if it is an estimator that has a graph of them."""
    if not isinstance(estimator, BaseDeepGLM | BaseElasticNetCV):
        raise TypeError(
            "to_onnx() takes a DeepGLMRegressor, DeepGLMClassifier, ElasticNetGLMCV or "
            f"ElasticNetGLMClassifierCV, but got a {type(estimator).__name__}. Of a double GLM "
            "export mean_ and dispersion_model_; of a pipeline its last step."
        )
    if getattr(estimator, "formula", None) is not None:
        raise ValueError(
            f"the columns that formula={estimator.formula!r} makes have no operators in ONNX. Make "
            "them by formulaic.model_matrix, fit to these, and export that model."
        )
    if estimator._coding is not None:
        raise ValueError(
            "the columns that factors and missing values become have no operators in ONNX. Encode "
            "X before fit (sklearn.preprocessing.OneHotEncoder, sklearn.impute.SimpleImputer), and "
            "export the model of what comes out."
        )
    return int(estimator.n_features_in_)


def _known(estimator: BaseEstimator, graph: Graph, offset: bool, exposure: bool) -> str | None:
    """Return offset + log(exposure) of the inputs that are asked for, or named; None of none."""
    terms = []
    if offset or estimator.offset is not None:
        terms.append(graph.input("offset", ["n_offset", "k_offset"]))
    if exposure or estimator.exposure is not None:
        if estimator.family_.link_name != "log":
            raise ValueError(
                "exposure multiplies the mean, so it needs the log link, but the link is "
                f"{estimator.family_.link_name!r}. Set exposure=False, or offset=True."
            )
        terms.append(graph.add("Log", graph.input("exposure", ["n_exposure", 1])))
    return graph.total(terms) if terms else None


def _linear_predictors(estimator: BaseEstimator, graph: Graph, X: str) -> list[str]:
    """Return eta of each network, without offset; the linear predictor of a base is in each."""
    if isinstance(estimator, BaseElasticNetCV):
        glm = Layer(np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_))
        return [layer_sums(glm, graph, X)]
    members = estimator.estimators_ if estimator._is_ensemble else [estimator]
    etas = [linear_predictor(m._network, m._weights, graph, X) for m in members]
    if estimator.base is None:
        return etas
    base = _own_base(estimator)
    (known,) = _linear_predictors(base, graph, X)
    return [graph.add("Add", eta, known) for eta in etas]


def _own_base(estimator: BaseEstimator) -> BaseEstimator:
    """Return the base of a model, if it has a graph."""
    base = getattr(estimator.base, "estimator", estimator.base)  # of a FrozenEstimator
    ours = isinstance(base, BaseDeepGLM | BaseElasticNetCV)
    if not ours or base.link_ != estimator.link_ or len(getattr(base, "estimators_", [0])) > 1:
        raise ValueError(
            f"base={estimator.base!r} has no graph: it must be one network or GLM of this package, "
            f"with link {estimator.link_.name!r}. Give its linear predictor as offset."
        )
    own = ("offset", "exposure", "formula", "_coding")
    if any(getattr(base, name, None) is not None for name in own):
        raise ValueError(
            f"base={estimator.base!r} names or codes columns of X, which the graph of this model "
            "has not. Give its linear predictor as offset."
        )
    return base


def _name_output(estimator: BaseEstimator, graph: Graph, mu: str) -> None:
    """Name the output: shaped as that of ``predict`` or ``predict_proba``."""
    K = len(np.atleast_2d(estimator.coef_)) if _is_linear(estimator) else estimator.n_outputs_
    if is_classifier(estimator):
        if K == 1:
            rest = graph.add("Sub", graph.constant(1.0), mu)
            mu, K = graph.add("Concat", rest, mu, axis=1), 2
        graph.output(mu, "probabilities", ["rows", K])
    elif K == 1 and getattr(estimator, "_y_ndim", 1) == 1:
        graph.output(graph.add("Squeeze", mu, graph.constant([1], np.int64)), "mean", ["rows"])
    else:
        graph.output(mu, "mean", ["rows", K])


def _is_linear(estimator: BaseEstimator) -> bool:
    return isinstance(estimator, BaseElasticNetCV)


def _metadata(estimator: BaseEstimator) -> dict[str, str]:
    """Return what a reader of the file may want to know, as JSON."""
    facts: dict[str, Any] = {
        "family": estimator.family_.name,
        "link": estimator.family_.link_name,
        "feature_names": [str(name) for name in getattr(estimator, "feature_names_in_", [])],
    }
    if is_classifier(estimator):
        facts["classes"] = estimator.classes_.tolist()
    return {name: json.dumps(fact) for name, fact in facts.items()}
