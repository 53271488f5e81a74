"""Values as JSON and arrays, and back.

========================  =====================================================
None, bool, int, str      themselves
float                     itself; {"float": "inf"} where JSON has no number for it
list, tuple, dict         list, {"tuple": [...]}, {"dict": {...}}
dict with other keys      {"pairs": [[key, value], ...]}
array, numpy scalar       {"array": i}, {"scalar": i}: the i-th array of the file
array of Python strings   {"strings": [...]}
========================  =====================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PlainEncoder:
    """Turns values into JSON; ``arrays`` collects what is no JSON.

    Examples
    --------
    >>> encoder = PlainEncoder()
    >>> tree = encoder.encode({"w": np.array([1.0, 2.0]), "lowest": float("inf")})
    >>> tree
    {'dict': {'w': {'array': 0}, 'lowest': {'float': 'inf'}}}
    >>> PlainDecoder(encoder.arrays).decode(tree)
    {'w': array([1., 2.]), 'lowest': inf}
    """

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []

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
            return value if np.isfinite(value) else {"float": repr(float(value))}
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
        """Return what is none of the above as JSON."""
        cls = type(value)
        raise TypeError(
            f"{where} is a {cls.__module__}.{cls.__name__}, which a file without code cannot hold. "
            "Use a number, a string or an object of this package, or pickle the model."
        )

    def _fields(self, held: dict[str, Any], where: str) -> dict[str, Any]:
        return {name: self.encode(value, f"{name} of {where}") for name, value in held.items()}


class PlainDecoder:
    """Makes values of JSON and arrays: of no other kinds than :class:`PlainEncoder` writes."""

    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._made: dict[str, Callable[[Any], Any]] = {
            "float": float,
            "tuple": lambda items: tuple(map(self.decode, items)),
            "dict": self._fields,
            "pairs": lambda pairs: {self.decode(key): self.decode(held) for key, held in pairs},
            "array": lambda at: self._arrays[at],
            "scalar": lambda at: self._arrays[at][()],
            "strings": lambda items: np.array(items, dtype=object),
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
        return self._object(value) if isinstance(value, dict) else value

    def _object(self, value: dict[str, Any]) -> Any:
        ((kind, held),) = value.items()
        return self._class(self._made, kind)(held)

    def _fields(self, held: dict[str, Any]) -> dict[str, Any]:
        return {name: self.decode(value) for name, value in held.items()}

    def _class(self, known: dict[str, Any], name: Any) -> Any:
        if name not in known:
            raise ValueError(
                f"the file holds {name!r}, which this version does not know. Load it with the "
                "version that wrote it, or a later one."
            )
        return known[name]
