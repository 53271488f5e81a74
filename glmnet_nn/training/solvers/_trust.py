"""What methods with a quadratic model share: how far F kept its promise."""

from __future__ import annotations

import numpy as np

_EPS = np.finfo(float).eps


def kept_share(value: float, trial: float, promise: float) -> float:
    """Return the fall of F over the promised one; 1 where both are below the rounding of F."""
    rounding = 64 * _EPS * abs(value)
    if promise <= rounding and abs(trial - value) <= rounding:
        return 1.0
    return (value - trial) / promise
