"""What a solver sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from families import Array


class Penalty(Protocol):
    """The penalty, for proximal steps: l1 |w| is not in the smooth gradient, l2 o w is."""

    @property
    def l2(self) -> Array: ...
    @property
    def has_l1(self) -> bool: ...
    def value(self, w: Array) -> float: ...
    def smooth_value(self, w: Array) -> float: ...
    def prox(self, v: Array, step: Array | float) -> Array: ...


class Differentiable(Protocol):
    """A smooth function of one flat vector."""

    def smooth_value_and_gradient(self, w: Array) -> tuple[float, Array]: ...


class SummedProblem(Differentiable, Protocol):
    """A smooth function, summed fast: with the rounding of a value and n / phi there."""

    def rounding(self, value: float) -> float: ...
    def score_scale(self, value: float) -> float: ...


class Problem(Differentiable, Protocol):
    """A function F(w) = smooth(w) + l1 part, of one flat vector."""

    n_rows: int

    @property
    def penalty(self) -> Penalty: ...
    def value(self, w: Array) -> float: ...


class Batches(Protocol):
    """Gradients estimated from some rows at a time.

    ``sweep`` visits the rows in the given order: for each batch it writes the gradient
    at w, without the penalty, to ``gradient`` and calls ``step``, which may change w in
    place. It returns the mean loss of the rows, each at the w that its batch met.
    """

    dtype: np.dtype[Any]

    def sweep(
        self,
        w: NDArray[Any],
        gradient: NDArray[Any],
        order: NDArray[np.intp],
        step: Callable[[], None],
    ) -> float: ...


class BatchProblem(Problem, Protocol):
    """A problem whose gradient can be estimated from some of its rows."""

    def mini_batches(self, size: int, single: bool) -> Batches: ...


class ScoringProblem(Problem, Protocol):
    """A problem with a Fisher information, whole and as A'A with A in blocks of rows.

    ``escapes`` tells whether w is known as a direction along which F falls to 0 for ever.
    """

    def information(self, w: Array) -> Array: ...

    def scoring_blocks(self, w: Array) -> Iterator[tuple[Array, Array]]: ...
    def flat_directions(self) -> Array: ...
    def score_scale(self, w: Array) -> float: ...
    def escapes(self, w: Array) -> bool: ...


class CurvedProblem(Problem, Protocol):
    """A problem with second derivatives."""

    def hessian(self, w: Array) -> Array: ...
    def score_scale(self, w: Array) -> float: ...


class ProductProblem(Problem, Protocol):
    """A problem with products of its Hessian H at w, as a function v -> H v."""

    def hessian_product(self, w: Array) -> Callable[[Array], Array]: ...


State = dict[str, Any]  # numbers, lists, dicts, arrays: what a file of data can hold


class Keeper(Protocol):
    """Where a search leaves its state, and finds it when it goes on.

    ``state`` is what a solver of the same problem told last, or None at the start. A solver
    tells it at the end of an iteration, as a function, since it may not be wanted: of copies
    where arrays change in place. Resumed from there a search takes the same steps, to the
    bit.
    """

    @property
    def state(self) -> State | None: ...
    def keep(self, n_iter: int, describe: Callable[[], State]) -> None: ...


@dataclass
class Memory:
    """A keeper that remembers the last state.

    Examples
    --------
    >>> memory = Memory()
    >>> memory.keep(1, lambda: {"w": 3.0})
    >>> memory.state
    {'w': 3.0}
    """

    state: State | None = None

    def keep(self, n_iter: int, describe: Callable[[], State]) -> None:
        """Remember a state."""
        self.state = describe()


@dataclass(frozen=True)
class Forgetful:
    """A keeper that keeps nothing."""

    state: None = None

    def keep(self, n_iter: int, describe: Callable[[], State]) -> None:
        """Do nothing."""


FORGETFUL = Forgetful()


class Curves(NamedTuple):
    """Mean deviances after each iteration: of the training rows, and of those held out, if any."""

    deviance: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True)
class Solution:
    """Where a solver ended.

    Attributes
    ----------
    w : array
        The parameters.
    value : float
        F(w), penalty included.
    grad_norm : float
        The solver's measure of optimality (see each solver), compared with ``tol``; NaN if
        the search was cut short.
    n_iter : int
        Iterations (epochs for mini-batches).
    converged : bool
    message : str
        Why it stopped, in words.
    loss_curve : tuple of float
        F after each iteration; of mini-batches their mean over each epoch.
    validation_curve : tuple of float
        The mean deviance on held-out rows after each epoch, if there were any.
    ended_by : {"solver", "callback", "interrupt"}
        Who ended the search: the solver, or what cut it short.
    deviance_curve : tuple of float
        The mean deviance of the training rows after each iteration (of mini-batches over each
        epoch), where the search was watched.
    searches : tuple of Curves
        Of all the searches that this is the best of, in their order, if there were several.
    """

    w: Array
    value: float
    grad_norm: float
    n_iter: int
    converged: bool
    message: str
    loss_curve: tuple[float, ...] = ()
    validation_curve: tuple[float, ...] = ()
    ended_by: str = "solver"
    deviance_curve: tuple[float, ...] = ()
    searches: tuple[Curves, ...] = ()
