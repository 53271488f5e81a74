"""A graph of ONNX, built node by node, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

TEXT = "ai.onnx.ml"  # where operators on text are


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
    TEXT_OPSET = 2  # of LabelEncoder, the one operator that looks text up
    IR_VERSION = 8  # that of this opset: older runtimes read it

    def __init__(self) -> None:
        self._onnx = onnx()
        self._names: set[str] = set()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = self._new_name(operator.lower(), len(self._nodes))
        node = self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def cast(self, source: str, dtype: Any = np.float64) -> str:
        """Return values as another type."""
        return self.add(
            "Cast", source, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        )

    def constant(self, values: ArrayLike, dtype: Any = np.float64) -> str:
        """Add a constant; return its name."""
        name = self._new_name("constant", len(self._constants))
        values = np.asarray(values, dtype)
        self._constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def input(self, name: str, shape: list[Any], text: bool = False) -> str:
        """Add an input, of double precision or text; a name in its shape is a free dimension."""
        self._take(name)
        self._inputs.append(self._value(name, shape, text))
        return name

    def output(self, source: str, name: str, shape: list[Any]) -> None:
        """Name an output of the graph."""
        self._take(name)
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
            opset_imports=[
                helper.make_opsetid("", self.OPSET),
                helper.make_opsetid(TEXT, self.TEXT_OPSET),
            ],
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

    def if_finite(self, x: str) -> str:
        """Return x, or NaN where it is infinite."""
        return self.add("Add", x, self.add("Sub", x, x))

    def total(self, terms: list[str]) -> str:
        """Return the sum of the terms."""
        found = terms[0]
        for term in terms[1:]:
            found = self.add("Add", found, term)
        return found

    def _value(self, name: str, shape: list[Any], text: bool = False) -> Any:
        kinds = self._onnx.TensorProto
        kind = kinds.STRING if text else kinds.DOUBLE
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)

    def _take(self, name: str) -> None:
        """Keep a name that is given from outside.

        Raises
        ------
        ValueError
            It is taken.
        """
        if name in self._names:
            raise ValueError(
                f"inputs and outputs of a graph need names of their own, but {name!r} would be "
                "two of them. Rename that column of X before fit."
            )
        self._names.add(name)

    def _new_name(self, kind: str, number: int) -> str:
        """Return a name that is not taken."""
        name = f"{kind}_{number}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name
