"""Functions that ONNX has not, or runtimes in single precision alone, by Chebyshev series.

What falls from x = 0 to infinity as 1 / x is a polynomial in t, over x + k:

    f(x) = p(t) / (x + k),    t = 1 - 2 k / (x + k),   -1 <= t <= 1,

to the relative precision of p, in the tail too. The coefficients of p are found when the graph
is made, from f itself: no table is copied. A degree is that from which on they are rounding.
Source: Shepherd and Laframboise (1981), "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x
in 0 <= x < infinity", Mathematics of Computation 36 (with their k = 3.75).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from families import Array
from glmnet_nn.export.graph import Graph


def normal_probability(graph: Graph, x: str) -> str:
    """Phi(x); with a = |x|, that of the lower tail is e^(-a^2 / 2) erfcx(a / sqrt 2) / 2."""
    a = graph.add("Abs", x)
    scaled = rational_chebyshev(
        graph, lambda a: 0.5 * erfcx(a / np.sqrt(2.0)), 3.75 * np.sqrt(2.0), 22, a
    )
    square = graph.add("Mul", graph.constant(-0.5), graph.add("Mul", a, a))
    return _of_tail(graph, x, graph.add("Mul", graph.add("Exp", square), scaled))


def cauchy_probability(graph: Graph, x: str) -> str:
    """1/2 + arctan(x) / pi; that of the lower tail is the angle of (|x|, 1) over pi."""
    tail = rational_chebyshev(
        graph, lambda a: np.arctan2(1.0, a) / np.pi, 1.0, 34, graph.add("Abs", x)
    )
    return _of_tail(graph, x, tail)


def rational_chebyshev(
    graph: Graph, function: Callable[[Array], Array], k: float, degree: int, x: str
) -> str:
    """Return f(x) for x >= 0, by a polynomial of that degree in t, over x + k.

    Examples
    --------
    1 / (1 + x)^2 is (1 - t) / 2 over x + 1:

    >>> from onnx.reference import ReferenceEvaluator
    >>> graph = Graph()
    >>> x = graph.input("x", ["rows"])
    >>> f = rational_chebyshev(graph, lambda x: 1.0 / (1.0 + x) ** 2, 1.0, 1, x)
    >>> graph.output(f, "f", ["rows"])
    >>> found, = ReferenceEvaluator(graph.model({})).run(None, {"x": np.array([0.0, 1.0, 999.0])})
    >>> print(np.round(found * [1.0, 4.0, 1e6], 12))
    [1. 1. 1.]
    """

    def scaled(t: Array) -> Any:
        x = k * (1.0 + t) / (1.0 - t)
        return (x + k) * function(x)

    beyond = graph.add("Add", x, graph.constant(k))
    t = graph.add("Sub", graph.constant(1.0), graph.add("Div", graph.constant(2.0 * k), beyond))
    p = chebyshev_sum(graph, chebyshev.chebinterpolate(scaled, degree), t)
    return graph.add("Div", p, beyond)


def chebyshev_sum(graph: Graph, coefficients: Array, t: str) -> str:
    """Return sum_k c_k T_k(t) by the recurrence of Clenshaw, b_k = c_k + 2 t b_k+1 - b_k+2."""
    first, *middle, last = coefficients
    double = graph.add("Add", t, t)
    b, before = graph.constant(last), graph.constant(0.0)
    for c in reversed(middle):
        less = graph.add("Sub", graph.constant(c), before)
        b, before = graph.add("Add", graph.add("Mul", double, b), less), b
    less = graph.add("Sub", graph.constant(first), before)
    return graph.add("Add", graph.add("Mul", t, b), less)


def _of_tail(graph: Graph, x: str, tail: str) -> str:
    """Return the probability below x of a symmetric law; ``tail`` is that below -|x|."""
    rest = graph.add("Sub", graph.constant(1.0), tail)
    return graph.add("Where", graph.add("Less", x, graph.constant(0.0)), tail, rest)
