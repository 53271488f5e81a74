"""How many threads BLAS gets, and sums over rows on threads of our own."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import pairwise
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")

_LEAST_NUMBERS = 2**18  # of X for each thread: less is faster than its start
_LEAST_ROWS = 1024
_LEAST_WIDTH = 64


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
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


def lanes(n_numbers: int) -> int:
    """Return how many threads sum over that many numbers: as many as BLAS may use.

    So OPENBLAS_NUM_THREADS, threadpoolctl and joblib's workers govern them too.
    """
    if n_numbers < 2 * _LEAST_NUMBERS:
        return 1
    return min(_blas_threads(), n_numbers // _LEAST_NUMBERS)


def _blas_threads() -> int:
    found = _controller().select(user_api="blas").lib_controllers
    return max((library.num_threads for library in found), default=1)


def over_rows(work: Callable[[slice], Result], n_rows: int, n_lanes: int) -> list[Result]:
    """Return work(rows) for ``n_lanes`` consecutive parts of the rows, in order.

    BLAS has one thread meanwhile: elementwise steps then run beside its products, which
    on a few columns are bounded by memory and gain little from threads of their own.
    """
    edges = [n_rows * lane // n_lanes for lane in range(n_lanes + 1)]
    parts = [slice(low, high) for low, high in pairwise(edges)]
    if n_lanes == 1:
        return [work(part) for part in parts]
    with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(n_lanes - 1) as pool:
        waiting = [pool.submit(contextvars.copy_context().run, work, part) for part in parts[1:]]
        return [work(parts[0]), *(result.result() for result in waiting)]
