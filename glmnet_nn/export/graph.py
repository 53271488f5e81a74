"""A graph of ONNX, built node by node, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def onnx() -> Any:
    """Return the package onnx.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import onnx as package
    except ImportError as error:
        raise ImportError(
            "to_onnx() needs onnx, which is not installed. Install it with: "
            'pip install "glmnet_nn[onnx]"'
        ) from error
    return package


class Graph:
    """Nodes and constants under names that are given out in turn.

    The operators are those that runtimes have for double precision.

    Examples
    --------
    >>> graph = Graph()
    >>> x = graph.input("x", ["rows", 1])
    >>> graph.output(graph.add("Exp", x), "y", ["rows", 1])
    >>> model = graph.model({})
    >>> [node.op_type for node in model.graph.node]
    ['Exp', 'Identity']
    """

    OPSET = 17
    IR_VERSION = 8  # that of this opset: older runtimes read it

    def __init__(self) -> None:
        self._onnx = onnx()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def constant(self, values: ArrayLike, dtype: Any = np.float64) -> str:
        """Add a constant; return its name."""
        name = f"constant_{len(self._constants)}"
        values = np.asarray(values, dtype)
        self._constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def input(self, name: str, shape: list[Any]) -> str:
        """Add an input of double precision; a name in its shape is a free dimension."""
        self._inputs.append(self._value(name, shape))
        return name

    def output(self, source: str, name: str, shape: list[Any]) -> None:
        """Name an output of the graph."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [source], [name], name=name))
        self._outputs.append(self._value(name, shape))

    def model(self, metadata: dict[str, str]) -> Any:
        """Return the graph as a checked ``onnx.ModelProto``."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, "glmnet_nn", self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.OPSET)],
            ir_version=self.IR_VERSION,
            producer_name="glmnet_nn",
        )
        helper.set_model_props(model, metadata)
        self._onnx.checker.check_model(model, full_check=True)
        return model

    # ----------------------------------------------- what has no operator of its own

    def one_minus_exp_minus(self, h: str) -> str:
        """1 - e^-h = 2 t / (1 + t) with t = tanh(h / 2), which keeps the digits of a small h."""
        t = self.add("Tanh", self.add("Mul", self.constant(0.5), h))
        return self.add(
            "Div", self.add("Mul", self.constant(2.0), t), self.add("Add", self.constant(1.0), t)
        )

    def where_negative(self, tested: str, value: float, other: str) -> str:
        """Return ``value`` where ``tested`` is negative, else ``other``."""
        condition = self.add("Less", tested, self.constant(0.0))
        return self.add("Where", condition, self.constant(value), other)

    def total(self, terms: list[str]) -> str:
        """Return the sum of the terms."""
        found = terms[0]
        for term in terms[1:]:
            found = self.add("Add", found, term)
        return found

    def _value(self, name: str, shape: list[Any]) -> Any:
        kind = self._onnx.TensorProto.DOUBLE
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)
