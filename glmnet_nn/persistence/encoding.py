"""Fitted models as JSON and arrays, and back: data only, of types that are named here.

========================  =====================================================
None, bool, int, str      themselves
float                     itself; {"float": "inf"} where JSON has no number for it
list, tuple, dict         list, {"tuple": [...]}, {"dict": {...}}
dict with other keys      {"pairs": [[key, value], ...]}
array, numpy scalar       {"array": i}, {"scalar": i}: the i-th array of the file
array of Python strings   {"strings": [...]}
a class of this package   {"type": name, "fields": {...}}
an estimator              {"estimator": name, "parameters": {...}, "state": {...}}
========================  =====================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from families import ExponentialFamily, Link
from glmnet_nn.elastic_net import ElasticNetPath
from glmnet_nn.elastic_net.selection import HeldOut
from glmnet_nn.estimators import DeepGLMClassifier, DeepGLMRegressor, DoubleGLMRegressor
from glmnet_nn.estimators._formula import Design
from glmnet_nn.estimators._profile import LawEstimate
from glmnet_nn.estimators.elastic_net import ElasticNetGLMClassifierCV, ElasticNetGLMCV
from glmnet_nn.inference import Estimate, Search
from glmnet_nn.network import (
    Activation,
    Bounds,
    Layout,
    LocalLayout,
    LocalNetwork,
    Network,
    get_activation,
)
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
    Design, TableCoding, Factor, Numbers,
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


class Encoder:
    """Turns a model into JSON; ``arrays`` collects what is no JSON."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._known = _known()

    def encode(self, value: Any, where: str = "the model") -> Any:
        """Return ``value`` as JSON.

        Raises
        ------
        TypeError
            It is, or holds, something that a file without code cannot hold.
        """
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if np.isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, where)
        if isinstance(value, list | tuple | dict) and not hasattr(value, "_fields"):
            return self._container(value, where)
        return self._object(value, where)

    def _array(self, value: Any, where: str) -> Any:
        if value.dtype.hasobject:
            strings = value.tolist()
            if value.ndim != 1 or not all(isinstance(text, str) for text in strings):
                raise TypeError(
                    f"{where} is an array of Python objects, which a file without code cannot "
                    "hold. Convert labels to numbers or strings before fit, or use pickle."
                )
            return {"strings": strings}
        self.arrays.append(np.asarray(value))
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: len(self.arrays) - 1}

    def _container(self, value: Any, where: str) -> Any:
        if isinstance(value, dict):
            held = {k: self.encode(v, f"{where}[{k!r}]") for k, v in value.items()}
            if all(isinstance(key, str) for key in held):
                return {"dict": held}
            return {"pairs": [[self.encode(k, f"a key of {where}"), v] for k, v in held.items()]}
        items = [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}

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
        raise TypeError(
            f"{where} is a {cls.__module__}.{cls.__name__}, which a file without code cannot hold. "
            "Use a number, a string or an object of this package, or pickle the model."
        )

    def _fields(self, held: dict[str, Any], where: str) -> dict[str, Any]:
        return {name: self.encode(value, f"{name} of {where}") for name, value in held.items()}


class Decoder:
    """Makes a model of JSON and arrays: no other classes than :class:`Encoder` writes."""

    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._known = _known()
        self._made: dict[str, Callable[[Any], Any]] = {
            "float": float,
            "tuple": lambda items: tuple(map(self.decode, items)),
            "dict": self._fields,
            "pairs": lambda pairs: {self.decode(key): self.decode(held) for key, held in pairs},
            "array": lambda at: self._arrays[at],
            "scalar": lambda at: self._arrays[at][()],
            "strings": lambda items: np.array(items, dtype=object),
            "activation": get_activation,
            "network": lambda held: Network(**self._fields(held)),
            "local_network": lambda held: LocalNetwork(**self._fields(held)),
        }

    def decode(self, value: Any) -> Any:
        """Return what was encoded.

        Raises
        ------
        ValueError
            A class is not known.
        """
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "estimator" in value:
            return self._estimator(value)
        if "type" in value:
            return self._class(self._known, value["type"])(**self._fields(value["fields"]))
        ((kind, held),) = value.items()
        return self._class(self._made, kind)(held)

    def _fields(self, held: dict[str, Any]) -> dict[str, Any]:
        return {name: self.decode(value) for name, value in held.items()}

    def _estimator(self, value: dict[str, Any]) -> BaseEstimator:
        cls = self._class(_ESTIMATORS, value["estimator"])
        model: BaseEstimator = cls(**self._fields(value["parameters"]))
        for name, held in self._fields(value["state"]).items():
            setattr(model, name, held)
        return model

    def _class(self, known: dict[str, Any], name: Any) -> Any:
        if name not in known:
            raise ValueError(
                f"the file holds {name!r}, which this version does not know. Load it with the "
                "version that wrote it, or a later one."
            )
        return known[name]
