"""One module for each library: functions of ``(data, **settings)``, run by a worker.

``glm`` returns the coefficients, (K, 1 + p), the intercept first; ``network`` returns a
function from X to the mean. A module imports its own library and nothing else, so that
two BLAS or OpenMP runtimes never meet in one process.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
Data = Mapping[str, Numbers]  # X, y, perhaps exposure; X_test, y_test, exposure_test
Mean = Callable[[Numbers], Numbers]


def with_intercept(intercept: Any, slopes: Any) -> Numbers:
    """Return (K, 1 + p) from intercepts, a number or (K,), and slopes, (p,) or (K, p)."""
    rows = np.atleast_2d(slopes)
    return np.column_stack([np.broadcast_to(intercept, len(rows)), rows])
