"""What quasi-Newton methods share: curvature pairs and the line search."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from families import Array
from glmnet_nn.training.solvers._problem import Differentiable

Pairs = deque[tuple[Array, Array]]


def wolfe(
    problem: Differentiable, w: Array, value: float, gradient: Array, direction: Array, slack: float
) -> tuple[Array, float, Array] | None:
    """Return w + t direction, F and its gradient there, for a t of the weak Wolfe conditions.

    F may stay above its bound by ``slack``, its rounding, as it must near the optimum.
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    low, high, step = 0.0, np.inf, 1.0
    for _ in range(60):
        trial = w + step * direction
        trial_value, trial_gradient = problem.smooth_value_and_gradient(trial)
        if not trial_value <= value + 1e-4 * step * slope + slack:
            high = step
        elif float(trial_gradient @ direction) < 0.9 * slope:
            low = step
        else:
            return trial, trial_value, trial_gradient
        step = 0.5 * (low + high) if high < np.inf else 2.0 * step
    return None


def two_loop(pairs: Pairs, residual: Array, first: Callable[[Array], Array]) -> Array:
    """Return H residual for the L-BFGS matrix H of the pairs that starts from ``first``."""
    q, coefficients = residual.copy(), []
    for s, y in reversed(pairs):
        a = (s @ q) / (s @ y)
        coefficients.append(a)
        q -= a * y
    q = first(q)
    for (s, y), a in zip(pairs, reversed(coefficients), strict=True):
        q += (a - (y @ q) / (s @ y)) * s
    return q


def spectral(pairs: Pairs, scale: float = 1.0) -> Callable[[Array], Array]:
    """Return the multiple of the identity that the last pair suggests; ``scale`` without any."""
    if pairs:
        s, y = pairs[-1]
        scale = float((s @ y) / (y @ y))
    return lambda q: scale * q


def remembered(pairs: Pairs) -> list[list[Array]]:
    """Return the pairs for a state."""
    return [[s, y] for s, y in pairs]


def recalled(memory: int, kept: list[list[Array]]) -> Pairs:
    """Return the pairs of a state."""
    return Pairs(((s, y) for s, y in kept), maxlen=memory)


def keep(pairs: Pairs, s: Array, y: Array) -> None:
    """Add a pair of positive curvature."""
    if s @ y > 1e-12 * np.sqrt((s @ s) * (y @ y)):
        pairs.append((s, y))
