"""While a fit runs: lines or a bar of progress, callbacks, and Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, TypeVar

from glmnet_nn.estimators._journal import Journal
from glmnet_nn.training.solvers import FORGETFUL, Keeper, Solution
from glmnet_nn.training.watch import Stopped, Watch

Report = Callable[[int, float], None]
T = TypeVar("T")

_TWICE = 2.0  # seconds within which a second Ctrl-C is for the program that called fit
_interrupted_at = -float("inf")


@dataclass(frozen=True)
class Iteration:
    """What observers may know of an iteration.

    ``objective`` is F as the solver sees it; ``deviance`` and ``held_out`` are mean deviances of
    the training and of the held-out rows in the unit of y, None where there is none.
    ``fit()`` is the fit as if it ended here, with its specification.
    """

    number: int
    objective: float
    deviance: float | None = None
    held_out: float | None = None
    fit: Callable[[], tuple[Any, Any]] | None = None


class Observer(Protocol):
    """Who is told of the iterations of a search."""

    @property
    def is_over(self) -> bool:
        """Whether no other search is to begin."""

    @property
    def wants_fits(self) -> bool:
        """Whether it asks for the fit of an iteration."""

    def of_member(self, m: int, per_member: int) -> Observer | None:
        """Return who is told of member m of an ensemble."""

    def following(
        self, max_iter: int, name: str
    ) -> AbstractContextManager[Callable[[Iteration], bool]]:
        """Return a context for one search, in it what takes an iteration: True is to stop."""


@dataclass
class Waiting:
    """Who watches a fit, and whether it has been cut short.

    Attributes
    ----------
    observers : tuple of Observer
    journal : Journal, optional
        What its searches are written to, and resumed from.
    interrupted : bool
        Whether Ctrl-C has ended a search: no other search of this fit is to begin.
    """

    observers: tuple[Observer, ...] = ()
    journal: Journal | None = None
    interrupted: bool = field(default=False, init=False)

    @property
    def is_over(self) -> bool:
        """Whether no other random start is to be tried."""
        return self.interrupted or any(observer.is_over for observer in self.observers)

    def of_member(self, m: int, per_member: int) -> Waiting:
        """Return who watches member m of an ensemble, of so many searches each."""
        own = (observer.of_member(m, per_member) for observer in self.observers)
        journal = None if self.journal is None else self.journal.of_member(m)
        return Waiting(tuple(observer for observer in own if observer is not None), journal)

    @property
    def keeper(self) -> Keeper:
        """Where the next search is to leave its state."""
        return FORGETFUL if self.journal is None else self.journal.following()

    @property
    def shows_states(self) -> bool:
        """Whether an observer wants the fit that each iteration makes."""
        return any(observer.wants_fits for observer in self.observers)

    @contextmanager
    def reporting(
        self,
        max_iter: int,
        describe: Callable[[int, float], Iteration] = Iteration,
        name: str = "",
    ) -> Iterator[Report]:
        """Yield what a solver calls after each iteration.

        Raises
        ------
        Stopped
            By the report, where an observer asks to stop.
        """
        with ExitStack() as stack:
            tell = [stack.enter_context(o.following(max_iter, name)) for o in self.observers]

            def report(n_iter: int, value: float) -> None:
                iteration = describe(n_iter, value)
                asked = [follow(iteration) for follow in tell]  # each is told
                if any(asked):
                    raise Stopped

            yield report

    def solve(
        self,
        search: Callable[[Report, Keeper], Solution],
        watch: Watch,
        max_iter: int,
        name: str,
        of_loss: float,
        fit: Callable[[Solution], tuple[Any, Any]],
    ) -> Solution:
        """Return where the search ends, or where it is when it is cut short.

        Its curves are in the unit of y. One that has ended according to the journal is not
        begun again. That of one which Ctrl-C ends stays as it is: the next fit goes on there.

        Parameters
        ----------
        search : callable
            Given a report and a keeper, solves ``watch``.
        watch : Watch
        max_iter : int
        name : str
            Which of several searches it is, if there are several.
        of_loss : float
            The unit of the loss for the solver.
        fit : callable
            The fit that a solution makes, and its specification.
        """

        def describe(n_iter: int, value: float) -> Iteration:
            watch.curve.append(value)
            deviance = watch.deviance(value) * of_loss
            if not self.observers:
                return Iteration(n_iter, value)
            held_out = watch.held_out_curve[-1] * of_loss if watch.held_out_curve else None
            return Iteration(
                n_iter,
                value,
                deviance,
                held_out,
                lambda: fit(in_unit(watch.solution("callback"), of_loss)),
            )

        record = None if self.journal is None else self.journal.following()
        if record is not None and record.solution is not None:
            return in_unit(record.solution, of_loss)
        if record is not None:
            record.attend(watch)
        try:
            with self.reporting(max_iter, describe, name) as report:
                found = search(report, FORGETFUL if record is None else record)
            found = replace(found, deviance_curve=tuple(watch.deviance_curve))
        except Stopped:
            found = watch.solution("callback")
        except KeyboardInterrupt:
            raise_if_repeated()
            self.interrupted = True
            return in_unit(watch.solution("interrupt"), of_loss)
        if record is not None:
            record.end(found)
        return in_unit(found, of_loss)

    def counting(
        self, items: Iterable[T], n_items: int, unit: str, note: Callable[[T], str] | None = None
    ) -> Iterable[T]:
        """Return the items, with a bar where there are bars, and a note of each there."""
        bars = [observer for observer in self.observers if isinstance(observer, Bar)]
        return bars[0].counting(items, n_items, unit, note) if bars else items


def in_unit(found: Solution, of_loss: float) -> Solution:
    """Return the solution with its curves in the unit of the loss of y as given."""
    if of_loss == 1.0:
        return found

    def scaled(curve: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(of_loss * value for value in curve)

    return replace(
        found,
        loss_curve=scaled(found.loss_curve),
        deviance_curve=scaled(found.deviance_curve),
        validation_curve=scaled(found.validation_curve),
    )


def raise_if_repeated() -> None:
    """Raise KeyboardInterrupt if the last one is less than two seconds ago.

    So Ctrl-C twice ends not only this fit, but a search of many fits too.
    """
    global _interrupted_at
    before, _interrupted_at = _interrupted_at, time.monotonic()
    if _interrupted_at - before < _TWICE:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Lines:
    """Prints a line for each iteration."""

    is_over: ClassVar[bool] = False
    wants_fits: ClassVar[bool] = False

    name: str

    def of_member(self, m: int, per_member: int) -> Lines:
        """Return what prints the number of the member too."""
        return Lines(f"{self.name} member {m}")

    @contextmanager
    def following(self, max_iter: int, name: str) -> Iterator[Callable[[Iteration], bool]]:
        """Yield what prints an iteration."""
        yield self._print

    def _print(self, at: Iteration) -> bool:
        line = f"[{self.name}] iteration {at.number}: objective {at.objective:.10g}"
        if at.deviance is not None:
            line += f", deviance {at.deviance:.5g}"
        if at.held_out is not None:
            line += f", validation deviance {at.held_out:.5g}"
        print(line)
        return False


@dataclass(frozen=True)
class Bar:
    """Draws a bar by tqdm: iterations, deviances and the time left.

    ``unit`` is what it counts. It is left where it stands if the search does not end.
    """

    is_over: ClassVar[bool] = False
    wants_fits: ClassVar[bool] = False

    name: str
    unit: str

    def of_member(self, m: int, per_member: int) -> None:
        """Return nothing: one bar counts the members, which may be in other processes."""

    @contextmanager
    def following(self, max_iter: int, name: str) -> Iterator[Callable[[Iteration], bool]]:
        """Yield what moves a new bar to an iteration."""
        label = f"{self.name} {name}".rstrip()
        with _tqdm()(total=max_iter, desc=label, unit=self.unit, dynamic_ncols=True) as bar:

            def show(at: Iteration) -> bool:
                bar.set_postfix_str(_figures(at), refresh=False)
                bar.update(at.number - bar.n)
                return False

            yield show
            bar.total = max(bar.n, 1)  # max_iter was a limit
            bar.refresh()

    def counting(
        self, items: Iterable[T], n_items: int, unit: str, note: Callable[[T], str] | None
    ) -> Iterator[T]:
        """Yield the items with a bar that counts them."""
        with _tqdm()(total=n_items, desc=self.name, unit=unit, dynamic_ncols=True) as bar:
            for item in items:
                if note is not None:
                    bar.set_postfix_str(note(item), refresh=False)
                bar.update()
                yield item


def _figures(at: Iteration) -> str:
    """Return the deviances, or F where they are not known."""
    if at.deviance is None:
        return f"objective={at.objective:.5g}"
    held_out = "" if at.held_out is None else f", validation={at.held_out:.5g}"
    return f"deviance={at.deviance:.5g}{held_out}"


def _tqdm() -> Any:
    """Return tqdm for a terminal or a notebook, or None if it is not installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def displays(estimator: Any, solver: str) -> tuple[Observer, ...]:
    """Return what shows progress: nothing, a bar (``verbose=1``), or lines (2, or no tqdm)."""
    name = type(estimator).__name__
    if not estimator.verbose:
        return ()
    if int(estimator.verbose) == 1 and _tqdm() is not None:
        return (Bar(f"{name} ({solver})", "epoch" if solver == "adam" else "iteration"),)
    print(f"[{name}] solver={solver}")
    return (Lines(name),)
