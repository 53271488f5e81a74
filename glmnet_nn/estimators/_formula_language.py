"""What a formula may say: names of columns, arithmetic, and functions from a closed list."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import Any

import numpy as np

_BESIDE_UFUNCS = {"where", "clip"}  # of numpy
_SPEECH = (
    ast.Expression, ast.Call, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.BinOp,
    ast.UnaryOp, ast.BoolOp, ast.Compare, ast.keyword, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context,
)  # fmt: skip

Terms = Any  # formulaic.SimpleFormula


@dataclass(frozen=True, eq=False)
class Parsed:
    """Both sides of a formula, as formulaic has them.

    ``uses_all`` tells whether it says ``.``, all columns that the left side does not name.
    """

    left: Terms | None
    right: Terms
    uses_all: bool

    @property
    def has_intercept(self) -> bool:
        """Whether 1 is a term of the right side, as it is unless taken out."""
        return any(str(term) == "1" for term in self.right)

    @cached_property
    def left_variables(self) -> frozenset[str]:
        """The columns that its left side names."""
        return frozenset(_variables(self.left or ()))

    @cached_property
    def right_variables(self) -> frozenset[str]:
        """The columns that its right side names."""
        return frozenset(_variables(self.right))


def _variables(terms: Terms) -> set[str]:
    """Return the columns that terms name: whatever is neither called nor a name of formulaic's.

    So a name of Python's own, as ``exec``, is nothing but a column that is to be in the data.
    What has the name of a function is that function, unless it stands alone or in Q().
    """
    from formulaic.transforms import TRANSFORMS

    found: set[str] = set()
    for factor in (factor for term in terms for factor in term.factors):
        if factor.eval_method.value == "lookup":
            found.add(factor.expr)
        if factor.eval_method.value != "python":
            continue
        tree, quoted = _tree(factor.expr)
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name) if name not in TRANSFORMS:
                    found.add(quoted.get(name, name))
                case ast.Call(func=ast.Name(id="Q"), args=[ast.Constant(value=str(name))]):
                    found.add(name)
    return found


def parsed(formula: str, available: list[str]) -> Parsed:
    """Return a formula's sides; ``available`` are the columns that ``.`` stands for.

    Raises
    ------
    ImportError
        formulaic is not installed.
    TypeError
        It is no text.
    ValueError
        It cannot be read, has more than two sides, or calls what it may not.
    """
    try:
        import formulaic  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "formulas need formulaic, which is not installed. Install it with: "
            'pip install "glmnet_nn[formula]"'
        ) from error
    if not isinstance(formula, str):
        raise TypeError(
            f"formula must be text, as 'y ~ a + log(b)', but got a {type(formula).__name__}."
        )
    return _parsed(formula, tuple(available))


@lru_cache(maxsize=256)  # reading one takes longer than predicting a row
def _parsed(formula: str, available: tuple[str, ...]) -> Parsed:
    from formulaic import Formula
    from formulaic.errors import FormulaicError
    from formulaic.formula import SimpleFormula, StructuredFormula

    uses_all = False
    try:
        found = Formula.from_spec(formula)
    except (FormulaicError, SyntaxError):
        uses_all = True  # a dot has nothing to stand for; or it is something else
        try:
            context = {"__formulaic_variables_available__": list(available)}
            found = Formula.from_spec(formula, context=context)
        except (FormulaicError, SyntaxError) as error:
            said = str(error).splitlines()[0]
            raise ValueError(
                f"formula {formula!r} cannot be read: {said} Write it as in 'y ~ a + log(b)'."
            ) from error
    sides = (None, found) if isinstance(found, SimpleFormula) else (None, None)
    if isinstance(found, StructuredFormula) and set(found._structure) == {"lhs", "rhs"}:
        sides = (found.lhs, found.rhs)
    if not isinstance(sides[1], SimpleFormula) or isinstance(sides[0], StructuredFormula | tuple):
        raise ValueError(
            f"formula must have one right side, and one left side or none, but got {formula!r}. "
            "Write 'y ~ a + b'."
        )
    if sides[0] is not None:
        _require_responses(formula)
    for side in sides:
        for term in side or ():
            for factor in term.factors:
                _require_speech(formula, factor.expr, factor.eval_method.value)
    return Parsed(sides[0], sides[1], uses_all)


def _require_responses(formula: str) -> None:
    """Raise unless the left side is responses joined by +.

    Other operators are those of terms, not of arithmetic: ``a / b`` would be ``a + a:b``, two
    responses, and ``a - b`` or ``a ** 2`` no more than ``a``.
    """
    from formulaic.parser import DefaultFormulaParser

    tokens = DefaultFormulaParser().get_tokens(formula)
    left = takewhile(lambda token: token.token != "~", tokens)
    for token in left:
        if token.kind is not None and token.kind.value == "operator" and token.token != "+":
            raise ValueError(
                f"formula {formula!r} has the operator {token.token!r} on its left side, where it "
                "would make terms of a model, and is no arithmetic. Write arithmetic in I(), as "
                "in 'I(a / b) ~ c'."
            )


def _require_speech(formula: str, expr: str, method: str) -> None:
    """Raise unless an expression says no more than formulas may."""
    if method != "python":
        return
    tree, _ = _tree(expr)
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if id(node) in functions or isinstance(node, ast.Attribute):
            allowed = _is_known(node)
        elif isinstance(node, ast.Name) and node.id in ("np", "contr"):
            allowed = True  # what is asked of it has been looked at
        else:
            allowed = isinstance(node, _SPEECH)
        if not allowed:
            raise ValueError(
                f"formula {formula!r} may use columns, arithmetic, comparisons, the functions of "
                f"formulaic and elementwise ones of numpy (np.sqrt), but not "
                f"{ast.unparse(node)!r}. Make such a column in the data first."
            )


def _tree(expr: str) -> tuple[ast.Expression, dict[str, str]]:
    """Return an expression as it will be evaluated, and what names stand for names in ticks.

    They are replaced as formulaic does before it evaluates: another way of reading ticks and
    quotes would look at another expression.
    """
    from formulaic.utils.code import sanitize_variable_names

    quoted: dict[str, str] = {}
    return ast.parse(sanitize_variable_names(expr, {}, quoted), mode="eval"), quoted


def _is_known(node: ast.AST) -> bool:
    """Whether it is a function of formulaic, or an elementwise one of numpy."""
    from formulaic.transforms import TRANSFORMS

    match node:
        case ast.Name(id=name):
            return name in TRANSFORMS and name not in ("np", "contr")
        case ast.Attribute(value=ast.Name(id="np"), attr=name):
            return name in _BESIDE_UFUNCS or isinstance(getattr(np, name, None), np.ufunc)
        case ast.Attribute(value=ast.Name(id="contr"), attr=name):
            return name in vars(TRANSFORMS["contr"]) and not name.startswith("_")
    return False
