"""Sums over rows on several threads, BLAS on one thread in each."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")

_LEAST_NUMBERS = 2**18  # of X for each thread: less is faster than its start


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


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
