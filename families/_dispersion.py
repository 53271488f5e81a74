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
    >>> c, _ = Gamma().saturated_slopes(np.array([3.0]), np.array([1.0]))
    >>> print(c / 2, np.euler_gamma)
    [0.57721566] 0.5772156649015329
    """

    if TYPE_CHECKING:  # what ExponentialFamily has

        def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array: ...

    def saturated_slopes(self, y: Array, phi: Array) -> tuple[Array, Array]:
        """Return c and d c / d log phi, by differences unless the law states them."""
        y, phi = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(phi, dtype=float))
        one = np.ones(y.shape)  # about 1 the steps of difference_slope are thousandths

        def slope(x: Array) -> Array:
            def saturated(x: Array) -> Array:
                return self.log_saturated(y, phi * np.exp(x - 2.0))

            return -2.0 * difference_slope(saturated, x)

        return slope(2.0 * one), difference_slope(lambda x: slope(x + one), one)
