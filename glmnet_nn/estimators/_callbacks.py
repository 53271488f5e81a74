"""scikit-learn's callbacks, which it has since version 1.9: who is told of the tasks of a fit.

A fit is a tree of tasks: below the fit its iterations or, where there are several random
starts or members, those and below each of them its iterations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from families import ExponentialFamily
from glmnet_nn.estimators._journal import Journal
from glmnet_nn.estimators._search import most_searches
from glmnet_nn.estimators._task import Specification
from glmnet_nn.estimators._waiting import Iteration, Waiting, displays
from glmnet_nn.training.watch import Stopped

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""


@dataclass
class Callbacks:
    """Tells the callbacks of an estimator of its iterations.

    Parameters
    ----------
    estimator : BaseDeepGLM
    task : sklearn.callback.CallbackContext
        That of the fit.
    data : dict
        X, y and metadata as the user gave them.
    is_flat : bool
        Whether there is one search, whose iterations are the tasks below that of the fit.
    first : int or None
        Number of the first search, if their tasks do not come in sequence.
    label : str
        Part of the name of their tasks.
    """

    wants_fits: ClassVar[bool] = True

    estimator: Any
    task: Any
    data: dict[str, Any]
    is_flat: bool
    first: int | None = None
    label: str = ""
    is_over: bool = field(default=False, init=False)
    _searches: int = field(default=0, init=False)

    def of_member(self, m: int, per_member: int) -> Callbacks:
        """Return what tells of the searches of member m."""
        return Callbacks(self.estimator, self.task, self.data, False, m * per_member, f"member {m}")

    @contextmanager
    def following(self, max_iter: int, name: str) -> Iterator[Callable[[Iteration], bool]]:
        """Yield what tells of an iteration."""
        task = self.task
        if not self.is_flat:
            number = None if self.first is None else self.first + self._searches
            label = f"{self.label} {name}".strip() or "search"
            task = task.subcontext(label, number, max_subtasks=max_iter)
            task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        self._searches += 1
        search = _Search(self, task, max_iter)
        search.begin()
        try:
            yield search.told
        except (Stopped, KeyboardInterrupt):
            self._close(search)
            raise
        self._close(search)

    def _close(self, search: _Search) -> None:
        search.end()
        if not self.is_flat:
            self.is_over = self._ended(search.task)

    def _ended(self, task: Any, **state: Any) -> bool:
        return bool(task.call_on_fit_task_end(estimator=self.estimator, **self.data, **state))

    def attributes(self, at: Iteration) -> dict[str, Any]:
        """Return the attributes of the estimator as if the fit had ended at this iteration."""
        assert at.fit is not None
        fitted = copy.copy(self.estimator)
        fitted._store(*at.fit())
        gone = dict.fromkeys(vars(self.estimator).keys() - vars(fitted).keys())
        return {**gone, **vars(fitted)}


class _Search:
    """The tasks of the iterations of one search."""

    def __init__(self, callbacks: Callbacks, task: Any, max_iter: int) -> None:
        self.callbacks, self.task, self.max_iter = callbacks, task, max_iter
        self._iteration: Any = None

    def begin(self) -> None:
        self._iteration = self.task.subcontext("iteration")
        estimator, data = self.callbacks.estimator, self.callbacks.data
        self._iteration.call_on_fit_task_begin(estimator=estimator, **data)

    def told(self, at: Iteration) -> bool:
        """End the task of an iteration, and begin the next; return whether to stop."""
        iteration, self._iteration = self._iteration, None
        state = partial(self.callbacks.attributes, at) if at.fit is not None else None
        stop = self.callbacks._ended(iteration, reconstruction_attributes=state)
        if at.number < self.max_iter and not stop:
            self.begin()
        return stop

    def end(self) -> None:
        """End the task that has begun after the last iteration: there was none."""
        if self._iteration is not None:
            self._iteration.call_on_fit_task_end(estimator=self.callbacks.estimator)
            self._iteration = None


def watched(
    estimator: Any,
    spec: Specification,
    given: tuple[Any, ...],
    law: ExponentialFamily,
    n_members: int,
    to_optimum: bool,
    journal: Journal | None,
) -> tuple[Specification, tuple[Callbacks, ...]]:
    """Return the specification of a fit with all who watch it, and the callbacks among them.

    The task of the fit begins. Callbacks are told no more than that and its end of a fit that
    is not to be stopped before its optimum.
    """
    shown = displays(estimator, spec.solver)
    if to_optimum:
        return replace(spec, waiting=Waiting(shown)), _begun(estimator, given, 0, 1, 1)
    n_searches = most_searches(spec) if law.unknown is None else None
    callbacks = _begun(estimator, given, spec.max_iter, n_searches, n_members)
    return replace(spec, waiting=Waiting((*callbacks, *shown), journal)), callbacks


def _begun(
    estimator: Any,
    given: tuple[Any, ...],
    max_iter: int,
    n_searches: int | None,
    n_members: int,
) -> tuple[Callbacks, ...]:
    """Begin the task of a fit; return what tells the callbacks of the estimator, if any.

    ``given`` are X, y, sample_weight, offset and exposure as the user gave them; each member
    has at most ``n_searches``, if that is known.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return ()
    X, y, *others = given
    known = zip(("sample_weight", "offset", "exposure"), others, strict=True)
    metadata = {name: value for name, value in known if value is not None}
    is_flat = n_searches == 1 and n_members == 1
    most = n_searches and n_searches * n_members
    task = estimator._init_callback_context(
        max_subtasks=max_iter if is_flat else most, sequential_subtasks=n_members == 1
    )
    told = Callbacks(estimator, task, {"X": X, "y": y, "metadata": metadata}, is_flat)
    task.call_on_fit_task_begin(estimator=estimator, **told.data)
    return (told,)


def end_callbacks(callbacks: tuple[Callbacks, ...]) -> None:
    """End the task of a fit."""
    for told in callbacks:
        told._ended(told.task, reconstruction_attributes={})
