"""The file of a checkpoint: the state of the present search, and the ends of those before it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from glmnet_nn import __version__
from glmnet_nn.storage import (
    PlainDecoder,
    PlainEncoder,
    read_archive,
    remove_unfinished,
    write_archive,
)
from glmnet_nn.training.solvers import Solution, State
from glmnet_nn.training.watch import Watch

_SCHEMA = 1
_FORMAT = "glmnet_nn checkpoint"
_REMEDY = "Remove it to start anew, or set checkpoint to another file."

T = TypeVar("T")


class Record:
    """The keeper of one search: its state or, when it has ended, its solution."""

    def __init__(
        self,
        write: Callable[[], None],
        every: int,
        solution: Solution | None = None,
        kept: State | None = None,
    ) -> None:
        self.solution = solution
        self._write, self._every, self._kept = write, every, kept
        self._watch: Watch | None = None

    @property
    def state(self) -> State | None:
        """The state of the solver."""
        return None if self._kept is None else self._kept["solver"]

    def attend(self, watch: Watch) -> None:
        """Keep with the solver's state what a watch remembers, and give that back to it."""
        self._watch = watch
        if self._kept is not None:
            watch.restore(self._kept["watch"])

    def keep(self, n_iter: int, describe: Callable[[], State]) -> None:
        """Write the state after every so many iterations."""
        if n_iter % self._every == 0:
            watched = None if self._watch is None else self._watch.state()
            self._kept = {"solver": describe(), "watch": watched}
            self._write()

    def end(self, solution: Solution) -> None:
        """Write the solution."""
        self.solution, self._kept = solution, None
        self._write()

    def content(self) -> dict[str, Any]:
        """Return what the file is to hold of it."""
        solution = None if self.solution is None else vars(self.solution)
        return {"solution": solution, "state": self._kept}


@dataclass
class Journal:
    """The file of one fit: of what fit it is, what was drawn, and a record for each search.

    Parameters
    ----------
    path : Path
    every : int
        Iterations between two states.
    facts : dict
        What tells this fit from others.
    is_free : bool
        Whether what was drawn at random is to be taken from the file.
    """

    path: Path
    every: int
    facts: dict[str, Any]
    is_free: bool
    _drawn: dict[str, Any] = field(default_factory=dict, init=False)
    _records: list[Record] = field(default_factory=list, init=False)
    _next: int = field(default=0, init=False)
    _written: tuple[int, int] | None = field(default=None, init=False)

    def open(self) -> Journal:
        """Read the file, if it is there.

        Raises
        ------
        ValueError
            There is a file, and it is none of this fit, or not whole.
        """
        remove_unfinished(self.path)
        if not self.path.exists():
            return self
        kind = f"checkpoint of glmnet_nn {__version__}"
        self._written = self._mark()
        self._drawn, self._records = read_archive(
            self.path, self._check, self._content, kind, _REMEDY
        )
        return self

    def _content(
        self, header: dict[str, Any], arrays: list[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[Record]]:
        """Return what was drawn, and the records."""
        content = PlainDecoder(arrays).decode(header["content"])
        records = []
        for held in content["searches"]:
            solution = held["solution"] and Solution(**held["solution"])
            records.append(Record(self._write, self.every, solution, held["state"]))
        return content["drawn"], records

    def drawn(self, name: str, value: T) -> T:
        """Return what was drawn at random: with ``random_state=None`` what the fit drew first."""
        known: T = self._drawn.setdefault(name, value)
        if known != value and not self.is_free:
            raise self._foreign(["random_state is another"])
        self._write()
        return known

    def following(self) -> Record:
        """Return the record of the next search."""
        if self._next == len(self._records):
            self._records.append(Record(self._write, self.every))
        self._next += 1
        return self._records[self._next - 1]

    def of_member(self, m: int) -> Journal:
        """Return the journal of member m of an ensemble, a file beside this one."""
        path = self.path.with_name(f"{self.path.name}.member{m}")
        facts = {**self.facts, "member": m, "seed": self._drawn["members"][m]}
        return Journal(path, self.every, facts, is_free=False).open()

    def _write(self) -> None:
        if self._mark() != self._written:
            raise ValueError(
                f"checkpoint {os.fspath(self.path)!r} was written by another fit while this one "
                "ran. Give each fit, so each clone of an estimator, a file of its own."
            )
        encoder = PlainEncoder()
        records = [record.content() for record in self._records]
        content = encoder.encode({"drawn": self._drawn, "searches": records}, "the checkpoint")
        header = {"format": _FORMAT, "schema": _SCHEMA, "glmnet_nn": __version__}
        header |= {"fit": self.facts, "content": content}
        write_archive(self.path, header, encoder.arrays, compressed=False)
        self._written = self._mark()

    def _mark(self) -> tuple[int, int] | None:
        """Return which file is there, None if there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _check(self, header: Any) -> None:
        """Raise unless this is the header of a checkpoint of this fit and version."""
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError(f"{os.fspath(self.path)!r} is no checkpoint. {_REMEDY}")
        if (header["schema"], header["glmnet_nn"]) != (_SCHEMA, __version__):
            raise ValueError(
                f"checkpoint {os.fspath(self.path)!r} was written by glmnet_nn "
                f"{header['glmnet_nn']}, and this is {__version__}: it could not go on to the bit. "
                f"{_REMEDY}"
            )
        differences = list(_differences(self.facts, header["fit"]))
        if differences:
            raise self._foreign(differences)

    def _foreign(self, differences: list[str]) -> ValueError:
        return ValueError(
            f"checkpoint {os.fspath(self.path)!r} is of another fit: {'; '.join(differences)}. "
            f"Give the arguments of that fit to go on with it. {_REMEDY} Clones, as in "
            "cross-validation, need a file each."
        )


def _differences(now: dict[str, Any], then: dict[str, Any], within: str = "") -> list[str]:
    """Return in words what is not the same."""
    found = []
    for name in sorted(now.keys() | then.keys()):
        one, other = now.get(name), then.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, name)
        elif within == "data" or name == "seed":
            found.append(f"{'random_state' if name == 'seed' else name} is another")
        else:
            found.append(f"{name} is {one!r}, there it was {other!r}")
    return found
