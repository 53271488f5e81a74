"""What the likelihood says of the dispersion: the score of log phi and its information.

With d the unit deviance, log f(y | mu, phi) = log_saturated(y, phi) - d(y, mu) / (2 phi), so that

    d log f / d log phi = [ d(y, mu) / phi - c(y, phi) ] / 2,   c = -2 d log_saturated / d log phi.

The score has mean 0, hence E[d] = phi E[c]. For the Normal and the inverse Gaussian law
c = 1; the saddlepoint approximation of any other law is to take c = 1 as well. The Fisher
information of log phi is the mean of [c + d c / d log phi] / 2: 1/2 where c is 1.

Sources: Jorgensen (1997), The Theory of Dispersion Models, section 3.5; Smyth (1989),
"Generalized linear models with varying dispersion", J. R. Statist. Soc. B 51, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from families._special import difference_slope
from families._support import Array


class DispersionScore:
    """What follows for a law with a dispersion from its ``log_saturated``.

    A law overrides what it can state exactly.

    Examples
    --------
    Of the exponential law, phi = 1, the mean unit deviance is twice Euler's constant:

    >>> from families import Gamma
    >>> c = Gamma().saturated_slope(np.array([3.0]), np.array([1.0]))
    >>> print(c / 2, np.euler_gamma)
    [0.57721566] 0.5772156649015329
    """

    if TYPE_CHECKING:  # what ExponentialFamily has

        def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array: ...

    def saturated_slope(self, y: Array, phi: Array) -> Array:
        """Return c = -2 d log_saturated / d log phi, by differences unless the law states it."""
        y, phi = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(phi, dtype=float))
        return -2.0 * difference_slope(lambda z: self.log_saturated(y, np.exp(z)), np.log(phi))

    def saturated_curvature(self, y: Array, phi: Array) -> Array:
        """Return d c / d log phi, by differences unless the law states it."""
        y, phi = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(phi, dtype=float))
        return difference_slope(lambda z: self.saturated_slope(y, np.exp(z)), np.log(phi))
