"""Blocks of rows from any source that can be gone through again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeVar

T = TypeVar("T")

_REMEDY = (
    "Pass a list of blocks, an object whose iter() begins anew, or a function without arguments "
    "that returns a new iterator each time: training goes through the data several times."
)


class Block(NamedTuple):
    """One block, as the arguments of ``fit``."""

    X: Any
    y: Any = None
    sample_weight: Any = None
    offset: Any = None
    exposure: Any = None

    @classmethod
    def of(cls, given: Any) -> Block:
        """Return a tuple, or a mapping with these names, as a block; anything else is X."""
        if isinstance(given, Mapping):
            unknown = sorted(set(map(str, given)) - set(cls._fields))
            if unknown or "X" not in given:
                raise TypeError(
                    f"a block given by names needs 'X' and may have {list(cls._fields[1:])}, but "
                    f"its names are {list(given)}."
                )
            return cls(**given)
        if isinstance(given, tuple) and not isinstance(given, cls):
            if not 1 <= len(given) <= len(cls._fields):
                raise TypeError(
                    f"a block is (X, y) or more of {cls._fields}, in this order, but got "
                    f"{len(given)} items."
                )
            return cls(*given)
        return given if isinstance(given, cls) else cls(given)


class Blocks:
    """Rows that come in blocks, for data that do not fit in memory.

    ``model.fit(blocks)`` gives the fit of all rows together: each value, gradient or
    information matrix that the solver asks for is a sum over the blocks, one pass through
    them. No more than one block is in memory at a time. ``score(blocks)`` and
    ``inference(blocks)`` sum as well, and ``predict(blocks)`` and its like yield an
    array for each block.

    Parameters
    ----------
    source : iterable, or callable that returns an iterator
        Of blocks: tuples (X, y), (X, y, sample_weight), (X, y, sample_weight, offset),
        (X, y, sample_weight, offset, exposure), or dicts with these names; for predictions X
        alone will do. Each is what ``fit`` takes of rows in memory, a DataFrame for instance.
        It is gone through many times, and has to give the same blocks each time.

    Raises
    ------
    TypeError
        ``source`` is an iterator, which can be gone through but once.

    Examples
    --------
    >>> import numpy as np
    >>> from glmnet_nn import Blocks, DeepGLMRegressor
    >>> X = np.arange(12.0)[:, None]
    >>> y = np.array([0, 1, 0, 2, 1, 3, 2, 4, 6, 5, 9, 11])
    >>> halves = Blocks([(X[:5], y[:5]), (X[5:], y[5:])])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    >>> bool(np.isclose(glm.fit(halves).coef_, glm.fit(X, y).coef_, rtol=1e-10))
    True
    """

    def __init__(self, source: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        if not callable(source):
            if isinstance(source, Iterator):
                raise TypeError(
                    f"Blocks needs a source that can be gone through again, but a "
                    f"{type(source).__name__} ends after once. {_REMEDY}"
                )
            if not isinstance(source, Iterable):
                raise TypeError(
                    f"Blocks needs an iterable of blocks, but got a {type(source).__name__}. "
                    f"{_REMEDY}"
                )
        self.source = source

    def __iter__(self) -> Iterator[Block]:
        """Begin to read."""
        found: Any = self.source() if callable(self.source) else self.source
        return map(Block.of, found)

    def map(self, function: Callable[..., T]) -> list[T]:
        """Return function(block, its number) of every block, in order."""
        return BlockParts(self, function).map(_itself)

    def entered(self, enter: Callable[[Block, int], Any]) -> BlockParts:
        """Return the blocks as ``enter`` makes them, anew in each pass."""
        return BlockParts(self, enter)


@dataclass(frozen=True)
class BlockParts:
    """Blocks that are read, and made by ``enter``, in each pass.

    ``kept`` are the numbers of those that are not empty, once that is known.
    """

    blocks: Iterable[Block]
    enter: Callable[[Block, int], Any]
    n_blocks: int | None = None
    kept: tuple[int, ...] | None = None
    is_resident: ClassVar[bool] = False

    def made(self, function: Callable[[Any], Any]) -> BlockParts:
        """Return what ``function`` makes of each, anew in each pass."""
        return replace(self, enter=partial(_made, function, self.enter))

    def map(self, function: Callable[..., T], *each: Sequence[Any]) -> list[T]:
        """Return function(block, its item of each of ``each``) of every block, in order."""
        found: list[T] = []
        own, n_read = zip(*each, strict=True) if each else None, 0
        for block in self.blocks:
            if self.kept is None or n_read in self.kept:
                items = next(own) if own is not None else ()
                found.append(function(self.enter(block, n_read), *items))
            n_read += 1
            del block  # before the next is read
        if self.n_blocks not in (None, n_read):
            raise ValueError(
                f"the source of Blocks gave {self.n_blocks} blocks in the first pass, but "
                f"{n_read} in a later one. {_REMEDY}"
            )
        return found

    def only(self, n_blocks: int, kept: Sequence[int]) -> BlockParts:
        """Return the blocks of these numbers, of so many in all."""
        return replace(self, n_blocks=n_blocks, kept=tuple(kept))


def _made(
    function: Callable[[Any], Any], enter: Callable[[Block, int], Any], block: Block, number: int
) -> Any:
    return function(enter(block, number))


def _itself(value: T) -> T:
    return value
