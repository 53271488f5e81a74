"""Linear hypotheses as text: "x1 = x2, x3 = 0" to R b = q."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from families import Array

_PLACE = re.compile(r"_(\d+)_")


@dataclass(frozen=True)
class Contrasts:
    """R b = q: ``matrix`` (m, n_coefficients), ``values`` (m,) and the rows in words."""

    matrix: Array
    values: Array
    labels: list[str]


def contrasts(given: Any, names: Sequence[str]) -> Contrasts:
    """Return R and q.

    Parameters
    ----------
    given : str, sequence of str, array-like of shape (m, k) or (k,), or (R, q)
        Text holds equations between linear combinations of names and numbers, separated by
        commas; one without "=" is = 0, and a = b = c are two. A name may stand in backticks.
    names : sequence of str

    Raises
    ------
    ValueError
        An unknown name, what is not linear, a matrix of another width, a row of zeros.

    Examples
    --------
    >>> found = contrasts("x1 = 2 * x2, x3 - 1 = 0", ["Intercept", "x1", "x2", "x3"])
    >>> print(found.matrix, found.values)
    [[ 0.  1. -2.  0.]
     [ 0.  0.  0.  1.]] [0. 1.]
    """
    found = _read(given, names)
    if not (found.matrix != 0).any(axis=1).all():
        at = int(np.argmin((found.matrix != 0).any(axis=1)))
        raise ValueError(
            f"the restriction {found.labels[at]!r} of the hypothesis holds no coefficient, so that "
            "there is nothing to test. Leave it out."
        )
    return found


def _read(given: Any, names: Sequence[str]) -> Contrasts:
    if isinstance(given, str):
        return _from_text([given], names)
    if isinstance(given, Sequence) and given and all(isinstance(part, str) for part in given):
        return _from_text(list(given), names)
    pair = isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) == 2
    R, q = given if pair else (given, None)
    return _from_arrays(R, q, names)


def _from_arrays(R: ArrayLike, q: ArrayLike | None, names: Sequence[str]) -> Contrasts:
    matrix = np.atleast_2d(numbers(R, "a hypothesis"))
    values = np.zeros(len(matrix)) if q is None else np.atleast_1d(numbers(q, "a hypothesis"))
    if matrix.shape[1:] != (len(names),) or values.shape != (len(matrix),):
        raise ValueError(
            f"contrasts must have {len(names)} columns, one for each coefficient, and a value "
            f"for each row, but their shapes are {matrix.shape} and {values.shape}. The "
            f"coefficients are {list(names)}."
        )
    if not (np.isfinite(matrix).all() and np.isfinite(values).all()):
        raise ValueError(
            "a hypothesis (R, q) must hold finite numbers, but some are nan or infinite. Use 0 for "
            "coefficients that it does not concern."
        )
    return Contrasts(matrix, values, [f"c{i}" for i in range(len(matrix))])


def numbers(given: ArrayLike, name: str) -> Array:
    """Return an array of floats."""
    try:
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}.") from error


def _from_text(texts: list[str], names: Sequence[str]) -> Contrasts:
    rows, labels = [], []
    for text in texts:
        for equation in _with_places(text, names).split(","):
            sides = [_side(part, text, names) for part in equation.split("=")]
            sides = sides if len(sides) > 1 else [*sides, np.zeros(len(names) + 1)]
            rows += [left - right for left, right in pairwise(sides)]
            shown = _PLACE.sub(lambda found: names[int(found[1])], equation).strip()
            labels += [shown] * (len(sides) - 1)
    table = np.array(rows)
    return Contrasts(table[:, :-1], 0.0 - table[:, -1], labels)


def _with_places(text: str, names: Sequence[str]) -> str:
    """Return the text with _j_ for the j-th name, the longest names first.

    Names need not be identifiers: "C(a)[T.b]" and, in backticks, "first: x 1" are found.
    """
    by_length = sorted(range(len(names)), key=lambda j: -len(names[j]))
    pattern = "|".join(
        rf"`{re.escape(names[j])}`|(?<![\w.]){re.escape(names[j])}(?![\w.])" for j in by_length
    )
    places = {name: f"_{j}_" for j, name in enumerate(names)}
    return re.sub(pattern, lambda found: places[found[0].strip("`")], text)


def _side(part: str, text: str, names: Sequence[str]) -> Array:
    """Return the coefficients of the names in one side, and its constant last."""
    try:
        tree = ast.parse(part.strip(), mode="eval").body
        return _linear(tree, len(names))
    except (SyntaxError, _NotLinear) as error:
        shown = _PLACE.sub(lambda found: f"`{names[int(found[1])]}`", part).strip()
        raise ValueError(
            f"{shown!r} in the hypothesis {text!r} is not a linear combination of coefficients. "
            f"Use + - * /, numbers and the names {list(names)}."
        ) from error


class _NotLinear(Exception):
    """A product of names, an unknown name, another operation."""


def _linear(node: ast.AST, k: int) -> Array:
    """Return a syntax tree as coefficients of the k names and a constant."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.append(np.zeros(k), float(number))
        case ast.Name(id=name) if found := _PLACE.fullmatch(name):
            return np.eye(k + 1)[int(found[1])]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_linear(operand, k)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _linear(operand, k)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return np.asarray(_linear(left, k) + _linear(right, k))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return np.asarray(_linear(left, k) - _linear(right, k))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, two = _linear(left, k), _linear(right, k)
            if one[:k].any() and two[:k].any():
                raise _NotLinear
            return np.asarray(one * two[k] if one[:k].any() else two * one[k])
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            one, two = _linear(left, k), _linear(right, k)
            if two[:k].any() or two[k] == 0:
                raise _NotLinear
            return np.asarray(one / two[k])
    raise _NotLinear
