"""Fitted models as JSON and arrays, and back: data only, of types that are named here.

Beside the values of :mod:`glmnet_nn.storage.values`:

=======================  =======================================================
a class of this package  {"type": name, "fields": {...}}
an estimator             {"estimator": name, "parameters": {...}, "state": {...}}
=======================  =======================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from families import ExponentialFamily, Link
from glmnet_nn.elastic_net import ElasticNetPath
from glmnet_nn.elastic_net.selection import HeldOut
from glmnet_nn.estimators import DeepGLMClassifier, DeepGLMRegressor, DoubleGLMRegressor
from glmnet_nn.estimators._formula import Design
from glmnet_nn.estimators._partial import Learner
from glmnet_nn.estimators._profile import LawEstimate
from glmnet_nn.estimators.elastic_net import ElasticNetGLMClassifierCV, ElasticNetGLMCV
from glmnet_nn.inference import Estimate, Search
from glmnet_nn.network import (
    Activation,
    Bounds,
    Embedding,
    Layout,
    LocalLayout,
    LocalNetwork,
    Network,
    get_activation,
)
from glmnet_nn.storage import PlainDecoder, PlainEncoder
from glmnet_nn.tables.coding import TableCoding
from glmnet_nn.tables.columns import Factor, Numbers
from glmnet_nn.training.inputs import Inputs

_ESTIMATORS: dict[str, type[BaseEstimator]] = {
    cls.__name__: cls
    for cls in (
        DeepGLMRegressor,
        DeepGLMClassifier,
        DoubleGLMRegressor,
        ElasticNetGLMCV,
        ElasticNetGLMClassifierCV,
    )
}
# from their fields
_PLAIN = (
    Layout, LocalLayout, Bounds, Inputs, Search, LawEstimate, Estimate, ElasticNetPath, HeldOut,
    Design, TableCoding, Factor, Numbers, Learner, Embedding,
)  # fmt: skip
_OWN_PACKAGES = ("families", "glmnet_nn")
_CALLBACKS = "_skl_callbacks"  # who watched the fit: no part of the model


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in _OWN_PACKAGES


def _descendants(cls: type) -> Iterable[type]:
    children: list[type] = cls.__subclasses__()
    for child in children:
        yield child
        yield from _descendants(child)


def _known() -> dict[str, type]:
    """Return the classes that are made from their fields, by name."""
    laws = [*_descendants(ExponentialFamily), *_descendants(Link)]
    return {cls.__name__: cls for cls in (*laws, *_PLAIN) if _is_ours(cls)}


class Encoder(PlainEncoder):
    """Turns a model into JSON; ``arrays`` collects what is no JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._known = _known()

    def _object(self, value: Any, where: str) -> Any:
        cls = type(value)
        if _ESTIMATORS.get(cls.__name__) is cls:
            parameters = value.get_params(deep=False)
            left_out = {*parameters, _CALLBACKS}
            state = {name: held for name, held in vars(value).items() if name not in left_out}
            return {
                "estimator": cls.__name__,
                "parameters": self._fields(parameters, where),
                "state": self._fields(state, where),
            }
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if cls is Activation:
            return {"activation": value.name}
        if cls is Network:
            return {"network": self._fields(vars(value), where)}
        if cls is LocalNetwork:
            held = {
                name: getattr(value, name) for name in ("layout", "activation", "bounds", "center")
            }
            return {"local_network": self._fields(held, where)}
        if self._known.get(cls.__name__) is cls and is_dataclass(value):
            held = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
            return {"type": cls.__name__, "fields": self._fields(held, where)}
        return super()._object(value, where)


class Decoder(PlainDecoder):
    """Makes a model of JSON and arrays: no other classes than :class:`Encoder` writes."""

    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        super().__init__(arrays)
        self._known = _known()
        self._made["activation"] = get_activation
        self._made["network"] = lambda held: Network(**self._fields(held))
        self._made["local_network"] = lambda held: LocalNetwork(**self._fields(held))

    def _object(self, value: dict[str, Any]) -> Any:
        if "estimator" in value:
            return self._estimator(value)
        if "type" in value:
            return self._class(self._known, value["type"])(**self._fields(value["fields"]))
        return super()._object(value)

    def _estimator(self, value: dict[str, Any]) -> BaseEstimator:
        cls = self._class(_ESTIMATORS, value["estimator"])
        model: BaseEstimator = cls(**self._fields(value["parameters"]))
        for name, held in self._fields(value["state"]).items():
            setattr(model, name, held)
        return model
