"""How many threads BLAS gets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

_LEAST_ROWS = 1024
_LEAST_WIDTH = 64

T = TypeVar("T")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def blas_threads(n_rows: int, sizes: tuple[int, ...]) -> AbstractContextManager[object]:
    """Return a context for many products of layers of these sizes with batches of n_rows.

    One thread, unless some layer and the batch are so large that sharing a product
    outweighs starting and awaiting threads: on a busy machine it never does, and small
    products then take several times as long. It holds for the process, as BLAS has it.

    Examples
    --------
    >>> with blas_threads(200, (20, 32, 1)):
    ...     libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    ...     print({library.num_threads for library in libraries} <= {1})
    True
    """
    width = max(min(pair) for pair in pairwise(sizes))
    if n_rows >= _LEAST_ROWS and width >= _LEAST_WIDTH:
        return nullcontext()
    return at_most(1)


def on_one_thread(function: Callable[..., T], *given: Any) -> T:
    """Return what a function returns while BLAS has one thread.

    Sums that threads share end in other bits than those of one. So what is done n_jobs at a
    time, here, in threads or in other processes, has one everywhere. Around several at a time
    it needs :func:`at_most` 1 as well: a limit holds for the process, and ends in any order.
    """
    with at_most(1):
        return function(*given)


def n_blas_threads() -> int:
    """Return how many threads BLAS may use: by the environment, threadpoolctl or joblib."""
    libraries = _controller().select(user_api="blas").lib_controllers
    return max((library.num_threads for library in libraries), default=1)


def at_most(n_threads: int) -> AbstractContextManager[object]:
    """Return a context in which BLAS has no more threads; it holds for the process."""
    limited: AbstractContextManager[object] = _controller().limit(limits=n_threads, user_api="blas")
    return limited
