"""to_onnx(): what ``predict`` does, for any runtime of ONNX."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from glmnet_nn.estimators._double_predictions import chosen
from glmnet_nn.estimators._elastic_net import BaseElasticNetCV
from glmnet_nn.estimators.double_glm import DoubleGLMRegressor
from glmnet_nn.export.columns import Columns
from glmnet_nn.export.graph import Graph
from glmnet_nn.export.links import complement, mean
from glmnet_nn.export.models import OURS, Model


def to_onnx(
    estimator: BaseEstimator,
    path: str | os.PathLike[str] | None = None,
    *,
    offset: bool = False,
    exposure: bool = False,
) -> Any:
    """Return the predict path of a fitted model as a graph of ONNX, and write it.

    All in double precision, opset 17, any number of rows: what onnxruntime computes is what
    ``predict`` does to 1e-12, relatively, in the tails of every link too. Coded columns, clipped
    and standardised inputs, skip connections, local networks, ensembles (averaged on the mean),
    the balance shift and a ``base`` of this package with the same link are part of the graph.

    - Input ``X``, (n, n_features_in_): the columns as in ``predict``, without named ones. If fit
      has coded some, each column is an input (n, 1) by its name (x0, x1, ... without names): text
      of a factor with levels of text, "" where it is missing; else double, NaN where it is
      missing, truth values 0 and 1.
    - Input ``offset``, (n or 1, K or 1), added to eta; ``exposure``, (n or 1, 1), multiplies the
      mean.
    - Output ``mean``, (n,) or (n, K), as ``predict``; of a classifier ``probabilities``, as
      ``predict_proba``. ``dispersion``, (n,), of a double GLM, as ``predict_dispersion``.

    Rows that ``predict`` refuses, of missing or infinite values, levels that are not known
    (unless ``unseen="average"``), exposures that are not positive, are NaN.

    Parameters
    ----------
    estimator : estimator
        A fitted DeepGLMRegressor, DeepGLMClassifier, DoubleGLMRegressor, ElasticNetGLMCV or
        ElasticNetGLMClassifierCV.
    path : str or path, optional
        Where to write it.
    offset, exposure : bool, default=False
        Whether the graph has that input. It always has, where the constructor names a column;
        what the dispersion of a double GLM names is ``dispersion_offset`` and
        ``dispersion_exposure``.

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
        It has no graph: a formula, a ``base`` of another package, with another link, or that is
        an ensemble, a link or an activation of another package, levels that are partly text, a
        column called as another input or output. Or exposure is asked for without the log link.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 0.0, 2.0, 3.0, 5.0, 9.0])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> [given.name for given in to_onnx(glm, exposure=True).graph.input]
    ['X', 'exposure']
    """
    check_is_fitted(estimator)
    names = _names(estimator)
    parts = _parts(estimator, names)
    graph = Graph()
    columns = Columns(graph, names, [seen for part in parts for seen in part.model.codings])
    asked = {"offset": offset, "exposure": exposure}
    for part in parts:
        etas = part.model.linear_predictors(graph, columns)
        known = part.known(graph, asked)
        if known is not None:
            etas = [graph.add("Add", eta, known) for eta in etas]
        part.write(graph, etas)
        asked = {}
    model = graph.model(_metadata(estimator))
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model


@dataclass(frozen=True)
class Part:
    """An output of the graph: the mean of a model, its probabilities, or a dispersion.

    ``named`` is the estimator whose ``offset`` and ``exposure`` may name columns of X.
    """

    output: str
    model: Model
    named: BaseEstimator

    def known(self, graph: Graph, asked: dict[str, bool]) -> str | None:
        """Return offset + log(exposure) of inputs that are asked for, or named; None of none."""
        before = "dispersion_" if self.output == "dispersion" else ""
        terms = []
        if asked.get("offset") or self.named.offset is not None:
            terms.append(graph.input(f"{before}offset", ["n_offset", "k_offset"]))
        if asked.get("exposure") or self.named.exposure is not None:
            link = self.model.estimator.family_.link_name
            if link != "log":
                raise ValueError(
                    "exposure multiplies the mean, so it needs the log link, but the link is "
                    f"{link!r}. Set exposure=False, or offset=True."
                )
            exposure = graph.input(f"{before}exposure", ["n_exposure", 1])
            terms.append(graph.add("Log", exposure))
        return graph.if_finite(graph.total(terms)) if terms else None

    def write(self, graph: Graph, etas: list[str]) -> None:
        """Write the mean over the networks, shaped as ``predict`` or ``predict_proba`` does."""
        estimator = self.model.estimator
        link, K = estimator.family_.link, _n_outputs(estimator)
        mu = _average(graph, [mean(link, graph, eta) for eta in etas])
        if is_classifier(estimator):
            if K == 1:
                rest = _average(graph, [complement(link, graph, eta) for eta in etas])
                mu, K = graph.add("Concat", rest, mu, axis=1), 2
            graph.output(mu, self.output, ["rows", K])
        elif K == 1 and getattr(estimator, "_y_ndim", 1) == 1:
            flat = graph.add("Squeeze", mu, graph.constant([1], np.int64))
            graph.output(flat, self.output, ["rows"])
        else:
            graph.output(mu, self.output, ["rows", K])


def _parts(estimator: BaseEstimator, names: list[str]) -> list[Part]:
    """Return what the graph of an estimator gives."""
    if isinstance(estimator, DoubleGLMRegressor):
        of_mean, of_dispersion = estimator._named
        mu = _of_columns(estimator.mean_, estimator.mean_features, names)
        phi = _of_columns(estimator.dispersion_model_, estimator.dispersion_features, names)
        return [Part("mean", mu, of_mean), Part("dispersion", phi, of_dispersion)]
    output = "probabilities" if is_classifier(estimator) else "mean"
    return [Part(output, Model.of(estimator, np.arange(len(names)), names), estimator)]


def _of_columns(estimator: BaseEstimator, features: Any, names: list[str]) -> Model:
    """Return the model of columns that are chosen by name or by number."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is None:
        places = chosen(np.arange(len(names))[None], features)[0]
    else:
        places = np.array([names.index(name) for name in known])
    return Model.of(estimator, places, names)


def _names(estimator: BaseEstimator) -> list[str]:
    """Return the names of the columns of X, if it is an estimator that has a graph of them."""
    if not isinstance(estimator, (*OURS, DoubleGLMRegressor)):
        raise TypeError(
            "to_onnx() takes a DeepGLMRegressor, DeepGLMClassifier, DoubleGLMRegressor, "
            f"ElasticNetGLMCV or ElasticNetGLMClassifierCV, but got a {type(estimator).__name__}. "
            "Of a search export best_estimator_, of a pipeline its last step."
        )
    numbered = [f"x{j}" for j in range(estimator.n_features_in_)]
    return [str(name) for name in getattr(estimator, "feature_names_in_", numbered)]


def _n_outputs(estimator: BaseEstimator) -> int:
    """Return K, the number of columns of eta."""
    linear = isinstance(estimator, BaseElasticNetCV)
    return len(np.atleast_2d(estimator.coef_)) if linear else int(estimator.n_outputs_)


def _average(graph: Graph, values: list[str]) -> str:
    """Return the mean over the networks."""
    total = graph.total(values)
    return total if len(values) == 1 else graph.add("Div", total, graph.constant(len(values)))


def _metadata(estimator: BaseEstimator) -> dict[str, str]:
    """Return what a reader of the file may want to know, as JSON."""
    facts: dict[str, Any] = {
        "family": estimator.family_.name,
        "link": estimator.family_.link_name,
        "feature_names": [str(name) for name in getattr(estimator, "feature_names_in_", [])],
    }
    if is_classifier(estimator):
        facts["classes"] = estimator.classes_.tolist()
    return {name: json.dumps(fact, default=str) for name, fact in facts.items()}
