"""How a mean is made of a linear predictor by operators of ONNX: one function for each link.

:func:`mean` looks the link up by its class. A link that is not here is refused, and can be
used everywhere else; the tests ask every known link for the same numbers as ``inverse``, and
:func:`complement` for those of ``complement``.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from families import (
    Cauchit,
    CLogLog,
    Identity,
    Link,
    Log,
    Logit,
    LogLog,
    NegativeBinomialLink,
    Power,
    Probit,
    Softmax,
)
from glmnet_nn.export.graph import Graph
from glmnet_nn.export.special import cauchy_probability, normal_probability


@singledispatch
def mean(link: Link, graph: Graph, eta: str) -> str:
    """Return mu = g^-1(eta).

    Raises
    ------
    ValueError
        It is a link of another file, of which nothing is known here.
    """
    raise ValueError(
        f"link {link.name!r} cannot be written as ONNX: nobody has said by which operators. Use "
        "a link of this package, or keep the model by pickle."
    )


@mean.register
def _(link: Identity, graph: Graph, eta: str) -> str:
    return eta


@mean.register
def _(link: Log, graph: Graph, eta: str) -> str:
    return graph.add("Exp", eta)


@mean.register
def _(link: Power, graph: Graph, eta: str) -> str:
    """eta^(1 / exponent); -inf, no mean, where eta < 0."""
    size = graph.add("Abs", eta)
    mu = graph.add("Pow", size, graph.constant(1.0 / link.exponent))
    return graph.where_negative(eta, -np.inf, mu)


@mean.register
def _(link: NegativeBinomialLink, graph: Graph, eta: str) -> str:
    """1 / (alpha (e^|eta| - 1)), e^x - 1 = e^x (1 - e^-x); -inf, no mean, where eta > 0."""
    size = graph.add("Abs", eta)
    grown = graph.add("Mul", graph.add("Exp", size), graph.one_minus_exp_minus(size))
    mu = graph.add("Div", graph.constant(1.0 / link.alpha), grown)
    return graph.where_negative(graph.add("Neg", eta), -np.inf, mu)


@mean.register
def _(link: Logit, graph: Graph, eta: str) -> str:
    """1 / (1 + e^-eta): the operator Sigmoid has no digits in the tail."""
    grown = graph.add("Exp", graph.add("Neg", eta))
    one = graph.constant(1.0)
    return graph.add("Div", one, graph.add("Add", one, grown))


@mean.register
def _(link: Probit, graph: Graph, eta: str) -> str:
    return normal_probability(graph, eta)


@mean.register
def _(link: Cauchit, graph: Graph, eta: str) -> str:
    return cauchy_probability(graph, eta)


@mean.register
def _(link: CLogLog, graph: Graph, eta: str) -> str:
    """1 - e^-h, h = e^eta."""
    return graph.one_minus_exp_minus(graph.add("Exp", eta))


@mean.register
def _(link: LogLog, graph: Graph, eta: str) -> str:
    """1 - mu of cloglog at -eta."""
    return complement(CLogLog(), graph, graph.add("Neg", eta))


@mean.register
def _(link: Softmax, graph: Graph, eta: str) -> str:
    return graph.add("Softmax", eta, axis=-1)


@singledispatch
def complement(link: Link, graph: Graph, eta: str) -> str:
    """Return 1 - mu, where the link can with the digits of a mu near 1."""
    return graph.add("Sub", graph.constant(1.0), mean(link, graph, eta))


@complement.register(Logit)
@complement.register(Probit)
@complement.register(Cauchit)
def _(link: Link, graph: Graph, eta: str) -> str:
    """mu at -eta: these links are symmetric."""
    return mean(link, graph, graph.add("Neg", eta))


@complement.register
def _(link: CLogLog, graph: Graph, eta: str) -> str:
    """e^-h, h = e^eta."""
    return graph.add("Exp", graph.add("Neg", graph.add("Exp", eta)))


@complement.register
def _(link: LogLog, graph: Graph, eta: str) -> str:
    """mu of cloglog at -eta."""
    return mean(CLogLog(), graph, graph.add("Neg", eta))
