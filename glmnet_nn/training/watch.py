"""A search that can be cut short: an objective that remembers the best parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import Array
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import Solution, State
from glmnet_nn.training.solvers._problem import Batches
from glmnet_nn.training.source_objective import SourceObjective

_CUT = {
    "callback": "a callback asked to stop",
    "interrupt": "it was interrupted from the keyboard",
}
_REMEMBERED = ("current", "curve", "deviance_curve", "held_out_curve", "_best", "_lowest")


class Stopped(Exception):
    """A report raises this to end a search where it is."""


class Watch(Objective):
    """The objective, to the bit, that remembers what a solver asked it about.

    A solver that is given this in place of the objective may be left at any time, and needs
    no code for that. ``current`` is where its search is: the parameters of the lowest F that
    it has met or, of mini-batches, those after the last sweep. Nothing is evaluated and
    nothing copied for that, but at the end of a search cut short.

    Parameters
    ----------
    objective : Objective
    start : array
        Where the search begins.
    held_out : callable, optional
        Mean deviance of held-out rows at w; :meth:`validation` is to take its place.
    descends : bool
        Whether the solver lowers F. Else the last w that it asked the value of counts.

    Examples
    --------
    A line search that is left in the middle:

    >>> import numpy as np
    >>> from families import Normal
    >>> from glmnet_nn.network import Layout, Network, get_activation
    >>> from glmnet_nn.training.data import Rows
    >>> from glmnet_nn.training.penalties import elastic_net
    >>> layout = Layout((1, 1), False)
    >>> network = Network(layout, get_activation("identity"))
    >>> rows = Rows(np.array([[1.0]]), np.array([[2.0]]), np.ones(1))
    >>> objective = Objective(rows, Normal(), network, elastic_net(layout, [0.0], 0.0))
    >>> watch = Watch(objective, np.zeros(1))
    >>> [watch.value(np.array([w])) for w in (1.0, 3.0, 5.0)]  # (2 - w)^2 / 2
    [0.5, 0.5, 4.5]
    >>> watch.solution("interrupt").w
    array([1.])
    """

    def __init__(
        self,
        objective: Objective,
        start: Array,
        held_out: Callable[[Array], float] | None = None,
        descends: bool = True,
    ) -> None:
        super().__init__(
            objective.rows,
            objective.family,
            objective.network,
            objective.penalty,
            objective.total_weight,
        )
        self._held_out, self._descends = held_out, descends
        self.begin(start)

    def begin(self, start: Array) -> None:
        """Forget what came before: a search begins, or begins anew after one that failed."""
        self.current = start
        self.curve: list[float] = []
        self.deviance_curve: list[float] = []
        self.held_out_curve: list[float] = []
        self._best, self._lowest = start, np.inf
        self._asked, self._answer = start, np.nan
        self._buffer: NDArray[Any] | None = None

    # --------------------------------------------------- what a solver asks

    def value(self, w: Array) -> float:
        """Return F(w)."""
        value = super().value(w)
        self._asked, self._answer = w, value
        if value < self._lowest or not self._descends:
            self.current, self._best, self._lowest = w, w, value
        return value

    def smooth_value_and_gradient(self, w: Array) -> tuple[float, Array]:
        """Return F(w) and its gradient, both without the l1 part of the penalty.

        Under that penalty a solver asks between its steps about parameters that are not
        sparse; those it would end with it asks the value of.
        """
        value, gradient = super().smooth_value_and_gradient(w)
        if value < self._lowest and self._descends and not self.penalty.has_l1:
            self.current, self._best, self._lowest = w, w, value
        return value, gradient

    def mini_batches(self, size: int, single: bool) -> Any:
        """Return the source of gradients estimated from ``size`` rows at a time."""
        return _WatchedBatches(super().mini_batches(size, single), self)

    def validation(self, w: Array) -> float:
        """Return the mean deviance of the held-out rows."""
        assert self._held_out is not None
        deviance = self._held_out(w)
        self.held_out_curve.append(deviance)
        if deviance < self._lowest:
            self._best, self._lowest = w, deviance
        return deviance

    def deviance(self, value: float) -> float:
        """Return the mean deviance of the training rows where F is ``value``, as reported.

        That is what was asked last or, if another value, where the search is: a proximal step
        may end above the lowest F.
        """
        w = self._asked if value == self._answer else self.current
        deviance = 2.0 * (value - self.penalty.value(w))
        self.deviance_curve.append(deviance)
        return deviance

    # ------------------------------------------------- a search that goes on

    def state(self) -> State:
        """Return what it remembers; lists as they are now."""
        held = {name: getattr(self, name) for name in _REMEMBERED}
        return {name: list(v) if isinstance(v, list) else v for name, v in held.items()}

    def restore(self, state: State) -> None:
        """Remember that."""
        for name in _REMEMBERED:
            held = state[name]
            setattr(self, name, list(held) if isinstance(held, list) else held)

    def _sweeping(self, buffer: NDArray[Any]) -> None:
        self._buffer = buffer

    def _swept(self, buffer: NDArray[Any], loss: float) -> None:
        self.current = buffer.astype(float)
        value = loss + self.penalty.value(self.current)
        if self._held_out is None and value < self._lowest:
            self._best, self._lowest = self.current, value

    # ------------------------------------------------- a search cut short

    def solution(self, ended_by: str) -> Solution:
        """Return the end of a search that is left now.

        For a "callback" where the search is, or the best of the held-out rows. For an
        "interrupt", which may come amid a sweep of mini-batches, the best of where they are,
        of the last whole sweep and of that of the lowest mean loss, by F or by the held-out
        rows: one pass over them for each.
        """
        w = self.current if self._held_out is None else self._best
        if ended_by == "interrupt":
            w = self._best
            if self._buffer is not None:
                reached = (w, self.current, self._buffer.astype(float))
                w = min(reached, key=self._criterion)
        return Solution(
            w,
            super().value(w),
            np.nan,
            len(self.curve),
            False,
            _CUT[ended_by],
            tuple(self.curve),
            tuple(self.held_out_curve),
            ended_by,
            tuple(self.deviance_curve),
        )

    def _criterion(self, w: Array) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            value = super().value(w) if self._held_out is None else self._held_out(w)
        return value if np.isfinite(value) else np.inf


@dataclass(frozen=True)
class _WatchedBatches:
    """Mini-batches that tell a watch where the parameters are."""

    batches: Batches
    watch: Watch

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.batches.dtype

    def sweep(
        self,
        w: NDArray[Any],
        gradient: NDArray[Any],
        order: NDArray[np.intp],
        step: Callable[[], None],
    ) -> float:
        self.watch._sweeping(w)
        loss = self.batches.sweep(w, gradient, order, step)
        self.watch._swept(w, loss)
        return loss


class SourceWatch(Watch, SourceObjective):
    """The same of the objective of a source: what a watch asks of it is next in its bases."""


def watch_of(
    objective: Objective,
    start: Array,
    held_out: Callable[[Array], float] | None = None,
    descends: bool = True,
) -> Watch:
    """Return the watch of an objective, of rows in memory or in blocks."""
    if not isinstance(objective, SourceObjective):
        return Watch(objective, start, held_out, descends)
    watch = SourceWatch(objective, start, held_out, descends)
    watch.kept = objective.kept
    return watch
