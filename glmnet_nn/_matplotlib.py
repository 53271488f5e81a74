"""matplotlib, which is optional: asked for in one place."""

from __future__ import annotations

from typing import Any


def require_pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed: pip install glmnet_nn[plot]"
        ) from error
    return pyplot
