"""Anderson's acceleration of a fixed-point iteration x -> G(x)."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from families import Array

_MEMORY = 5  # differences of points
_WORSE = 2.0  # growth of the residual after which the past is no guide
_RCOND = 1e-10


class Anderson:
    """The next point from the last few: where a linear G would have its fixed point.

    With residuals f = G(x) - x of the last points and their differences dF, and dG those
    of the images, x is followed by G(x) - dG t, t the least-squares solution of dF t = f.
    On a linear G it is GMRES; near a fixed point, where G is nearly linear, it turns a
    slow linear convergence into a fast one. Far from it, it may find another.

    Source: Walker and Ni (2011), "Anderson acceleration for fixed-point iterations",
    SIAM J. Numerical Analysis 49.

    Examples
    --------
    A linear map of two numbers needs three evaluations, though it contracts by .95 only:

    >>> A, x, anderson = np.diag([0.95, 0.5]), np.ones(2), Anderson()
    >>> for _ in range(3):
    ...     x = anderson.next(x, A @ x, A @ x - x)
    >>> bool(np.abs(x).max() < 1e-12)
    True
    """

    def __init__(self) -> None:
        self._past: list[tuple[Array, Array]] = []

    def forget(self) -> None:
        """Begin anew."""
        self._past = []

    def next(self, x: Array, image: Array, residual: Array) -> Array:
        """Return the point to try after x, whose image and residual are given.

        The residual may be in other coordinates than x, linear in image - x, in which its
        length means something.
        """
        if self._past and linalg.norm(residual) > _WORSE * linalg.norm(self._past[-1][1]):
            self.forget()
        self._past = [*self._past[-_MEMORY:], (image, residual)]
        if len(self._past) == 1:
            return image
        images, residuals = (np.diff(part, axis=0).T for part in zip(*self._past, strict=True))
        t = linalg.lstsq(residuals, residual, cond=_RCOND)[0]
        return np.asarray(image - images @ t)
