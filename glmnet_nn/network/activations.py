"""Activations of the hidden layers, slope and curvature as functions of the OUTPUT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from families import Array

_ACTIVATIONS: dict[str, Activation] = {}


@dataclass(frozen=True)
class Activation:
    """O = value(S), elementwise, with a'(S) = slope(O) and a''(S) = curvature(O).

    ``value`` may overwrite its argument; ``slope(O, out)`` leaves O alone and writes to
    ``out``, if given, another array. That the slope needs only the output is
    what lets the recursion forget S (THEORY: P_l = (P_{l+1} W_{l+1}) o a_l'(O_l)).
    ``is_smooth`` tells whether a'' exists everywhere; at a kink, curvature is 0.

    Examples
    --------
    >>> tanh = get_activation("tanh")
    >>> output = tanh.value(np.array([0.0, 1.0]))
    >>> bool(np.allclose(tanh.slope(output), np.cosh([0.0, 1.0]) ** -2.0))
    True
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[..., Array]
    curvature: Callable[[Array], Array]
    is_smooth: bool = True

    def __post_init__(self) -> None:
        _ACTIVATIONS[self.name] = self

    def __getstate__(self) -> dict[str, str]:
        """Functions have no place in files: an activation is kept by its name."""
        return {"name": self.name}

    def __setstate__(self, state: dict[str, str]) -> None:
        vars(self).update(vars(get_activation(state["name"])))


def _logistic(s: Array) -> Array:
    """1 / (1 + e^-s) = 1/2 + tanh(s / 2) / 2: no overflow, one fast pass."""
    s *= 0.5
    np.tanh(s, out=s)
    s *= 0.5
    s += 0.5
    return s


def _ones(o: Array, out: Array | None = None) -> Array:
    out = np.empty_like(o) if out is None else out
    out.fill(1.0)
    return out


def _one_minus_square(o: Array, out: Array | None = None) -> Array:
    out = np.multiply(o, o, out=out)
    return np.subtract(1.0, out, out=out)


def _logistic_slope(o: Array, out: Array | None = None) -> Array:
    out = np.subtract(1.0, o, out=out)
    return np.multiply(o, out, out=out)


def _softplus_slope(o: Array, out: Array | None = None) -> Array:
    """1 - e^-o."""
    out = np.expm1(np.negative(o, out=out), out=out)
    return np.negative(out, out=out)


Activation("identity", lambda s: s, _ones, np.zeros_like)
Activation("logistic", _logistic, _logistic_slope, lambda o: _logistic_slope(o) * (1.0 - 2.0 * o))
Activation(
    "tanh",
    lambda s: np.tanh(s, out=s),
    _one_minus_square,
    lambda o: -2.0 * o * _one_minus_square(o),
)
Activation(
    "relu",
    lambda s: np.maximum(s, 0.0, out=s),
    np.sign,  # o >= 0
    np.zeros_like,
    is_smooth=False,
)
Activation(
    "softplus",
    lambda s: np.logaddexp(0.0, s, out=s),
    _softplus_slope,
    lambda o: _softplus_slope(o) * np.exp(-o),
)


def get_activation(name: str | Activation) -> Activation:
    """Return the activation of that name; an Activation passes through.

    Raises
    ------
    ValueError
        The name is not known.
    """
    if isinstance(name, Activation):
        return name
    if name not in _ACTIVATIONS:
        raise ValueError(f"activation must be one of {sorted(_ACTIVATIONS)}, but got {name!r}.")
    return _ACTIVATIONS[name]


def known_activations() -> list[str]:
    """Return the names of all activations."""
    return sorted(_ACTIVATIONS)
