"""The door for data in blocks: each is checked as rows in memory are, and becomes rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pickle import dumps
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from families import ExponentialFamily
from glmnet_nn.blocks import Block
from glmnet_nn.estimators._validation import present_rows
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.data import Rows
from glmnet_nn.training.facts import Facts
from glmnet_nn.training.sources import Source

T = TypeVar("T")


class Entered(NamedTuple):
    """The rows of a block of positive weight, if there are any, and what it tells of all.

    ``marks`` are the attributes that validation has set, the law and the number of outputs.
    """

    rows: Rows | None
    marks: dict[str, Any]


@dataclass(frozen=True)
class EnteredParts:
    """Blocks of :class:`Entered`, as functions of rows see them."""

    parts: Any

    @property
    def is_resident(self) -> bool:
        """Whether the blocks stay in memory between passes."""
        return bool(self.parts.is_resident)

    def made(self, function: Callable[[Rows], Any]) -> Any:
        """Return what ``function`` makes of the rows of each block."""
        return self.parts.made(partial(_of_rows, function))

    def only(self, n_blocks: int, kept: Sequence[int]) -> EnteredParts:
        """Return the blocks of these numbers, of so many in all."""
        return EnteredParts(self.parts.only(n_blocks, kept))

    def map(self, function: Callable[..., T], *each: Sequence[Any]) -> list[T]:
        """Return function(rows of the block, its item of each of ``each``), in order."""
        found: list[T] = self.parts.map(partial(_of_rows, function), *each)
        return found


def entered(estimator: Any, blocks: Any) -> tuple[Source, ExponentialFamily, dict[str, Any]]:
    """Return the source of the blocks, the law, and the attributes that validation sets.

    Raises
    ------
    ValueError, TypeError
        A block is not as ``fit`` takes rows, or not as the others; no row has a weight.
    """
    door = type(estimator)(**estimator.get_params(deep=False))
    classes, found = None, None
    if hasattr(door, "_classes_in"):
        found = blocks.map(partial(_classes_of_block, door))
        classes = _union(found)
    parts = blocks.entered(partial(_enter, door, classes))
    if found is not None:
        parts = parts.only(len(found), range(len(found)))
    looks = parts.map(_look)
    kept = _with_rows([facts is None for facts, _ in looks])
    marks = _common([(k, looks[k][1]) for k in kept])
    law = marks.pop("law")
    facts = Facts.of_all([looks[k][0] for k in kept])
    return Source(EnteredParts(parts.only(len(looks), kept)), facts), law, marks


def known_rows(estimator: Any, blocks: Any) -> EnteredParts:
    """Return the blocks as the rows of data for a fitted estimator."""
    parts = blocks.entered(partial(_enter_known, estimator))
    empty = parts.map(_is_empty)
    kept = _with_rows(empty)
    return EnteredParts(parts.only(len(empty), kept))


def _with_rows(are_empty: list[bool]) -> list[int]:
    """Return the numbers of the blocks that are not empty; raise ValueError if all are."""
    kept = [k for k, is_empty in enumerate(are_empty) if not is_empty]
    if not kept:
        raise ValueError(
            f"X comes in {len(are_empty)} blocks, but none has a row of positive weight: no row is "
            "left. If the source can be gone through but once, make it anew."
        )
    return kept


def surveyed(parts: EnteredParts, family: ExponentialFamily) -> Source:
    """Return the source of entered blocks of a known law."""
    return Source(parts, Facts.of_all(parts.map(partial(_facts, family))))


def _facts(family: ExponentialFamily, rows: Rows) -> Facts:
    return Facts.of(rows, family)


def _of_rows(function: Callable[..., T], block: Entered, *each: Any) -> T:
    assert block.rows is not None
    return function(block.rows, *each)


def _is_empty(block: Entered) -> bool:
    return block.rows is None


def _look(block: Entered) -> tuple[Facts | None, dict[str, Any]]:
    if block.rows is None:
        return None, block.marks
    return Facts.of(block.rows, block.marks["law"].initial), block.marks


def in_block(number: int, function: Callable[..., T], *arguments: Any) -> T:
    """Return function(*arguments); what it complains of names the block."""
    try:
        return function(*arguments)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"in block {number}: {error}") from error


def has_rows(block: Block) -> bool:
    """Tell whether there are rows, and weights that are not all 0."""
    n_rows = block.X.shape[0] if hasattr(block.X, "shape") else len(block.X)
    if not n_rows:
        return False
    return block.sample_weight is None or bool(np.any(np.asarray(block.sample_weight)))


def _enter(door: Any, classes: NDArray[Any] | None, block: Block, number: int) -> Entered:
    return in_block(number, _entered, door, classes, block)


def _entered(door: Any, classes: NDArray[Any] | None, block: Block) -> Entered:
    if not has_rows(block):
        return Entered(None, {})
    known = () if classes is None else (classes,)
    own = copy(door)  # the door is one for all blocks of a process
    X, y, law, *others = own._entered(*block, *known)
    if isinstance(X, ShiftedSparse):
        raise TypeError(
            "X is sparse, but blocks must hold arrays or tables: what is learned of all columns "
            "at once takes p x p numbers. Use X.toarray() of each block, or one sparse X in memory."
        )
    rows = present_rows(X, y, law.initial, *others, *(None,) * (4 - len(others)))
    marks = {name: value for name, value in vars(own).items() if name not in vars(door)}
    return Entered(rows, {**marks, "law": law, "n_outputs": y.shape[1]})


def _enter_known(estimator: Any, block: Block, number: int) -> Entered:
    if not has_rows(block):
        return Entered(None, {})
    X, y, sample_weight, offset, exposure = block
    given = (X, y, sample_weight, offset, exposure)
    return Entered(in_block(number, estimator._given_rows, *given), {})


def _classes_of_block(door: Any, block: Block, number: int) -> NDArray[Any] | None:
    if not has_rows(block):
        return np.empty(0)
    return in_block(number, door._classes_in, block.y, block.sample_weight)


def _union(found: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Return all labels; None where y has a column for each."""
    labels = [classes for classes in found if classes is not None and len(classes)]
    return np.unique(np.concatenate(labels)) if labels else None


def _common(marks: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Return what all blocks tell; raise ValueError where they tell different things."""
    first, common = marks[0]
    for number, own in marks[1:]:
        for name in dict.fromkeys([*common, *own]):
            one, other = common.get(name), own.get(name)
            if not _are_equal(one, other):
                _require_no_coding(name, one or other, number)
                raise ValueError(
                    f"all blocks must have the same columns, but {name.strip('_')} is {one} in "
                    f"block {first} and {other} in block {number}. Give every block the columns of "
                    "the first, in its order; what is learned from rows, as levels of factors, "
                    "make numbers of before."
                )
    return {name: value for name, value in common.items() if name != "n_outputs"}


def _require_no_coding(name: str, coding: Any, number: int) -> None:
    if name == "_coding":
        learned = [
            column.name for column in coding.columns if getattr(column, "fill", "") is not None
        ]
        raise ValueError(
            f"the columns of blocks must be numbers, none missing, but {learned[:10]} "
            f"{'and more ' if len(learned) > 10 else ''}are coded by what all rows tell (levels, "
            f"shares, means), and block {number} tells other things than those before it. Make "
            "0/1 columns of levels and fill in missing numbers before, as of a pandas.Categorical "
            "with all levels by pandas.get_dummies(); or fit a sample in memory."
        )


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    try:
        return bool(one == other)
    except ValueError:  # objects that hold arrays
        return dumps(one) == dumps(other)
