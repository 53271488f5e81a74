"""Second derivatives of the loss and of the mean in the linear predictor.

With theta' = mu' / V, the derivatives in eta of the first-order facts are

    theta'' / theta' = mu'' / mu' - (d V / d eta) / V,
    d^2 loss / d eta^2 = mu' theta' + (mu - y) theta''
                       = fisher_weight + error (mu'' / mu' - d log V / d eta),

so a link has to state mu'' / mu' and a law d log V / d eta, and no more.
Source: McCullagh and Nelder (1989), Generalized Linear Models, section 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from families._special import difference_slope, times
from families._support import Array

if TYPE_CHECKING:
    from families._links import Link


class SecondOrder:
    """What follows for a scalar law; a law overrides what it can state exactly.

    A vector law, whose components are not independent, overrides
    :meth:`curvature_times`, :meth:`mean_tangent`, :meth:`mean_second_tangent` and
    :meth:`bias_adjustment`.
    """

    if TYPE_CHECKING:  # what ExponentialFamily has

        @property
        def is_canonical(self) -> bool: ...
        @property
        def _link(self) -> Link: ...
        def mean(self, eta: Array) -> Array: ...
        def variance(self, mu: Array) -> Array: ...
        def error(self, y: Array, eta: Array) -> Array: ...
        def fisher_weight(self, eta: Array) -> Array: ...

    def log_variance_slope(self, eta: Array) -> Array:
        """Return d log V(mu) / d eta, by differences unless the law states it."""
        return difference_slope(lambda at: np.log(self.variance(self.mean(at))), eta)

    def observed_weight(self, y: Array, eta: Array) -> Array:
        """Return d^2 loss / d eta^2, of which ``fisher_weight`` is the expectation.

        They agree for the canonical link. For others it may be negative.
        """
        if self.is_canonical:
            return self.fisher_weight(eta)
        growth = self._link.relative_curvature(eta) - self.log_variance_slope(eta)
        return np.asarray(self.fisher_weight(eta) + times(self.error(y, eta), growth))

    def curvature_times(self, y: Array, eta: Array, directions: Array) -> Array:
        """Return C v for every v, (n, K, m), C = d^2 loss / d eta d eta' of each row."""
        return self.observed_weight(y, eta)[..., None] * directions

    def mean_tangent(self, eta: Array, v: Array) -> Array:
        """Return D mu(eta) v, (n, K): how the means change when eta does along v."""
        return np.asarray(self._link.inverse_slope(eta) * v)

    def mean_second_tangent(self, eta: Array, v: Array, u: Array) -> Array:
        """Return D^2 mu(eta) [v, u], (n, K): how D mu v changes when eta does along u."""
        return np.asarray(self._link.relative_curvature(eta) * self.mean_tangent(eta, v) * u)

    def bias_adjustment(self, eta: Array, spread: Array) -> Array:
        """Return what bias reduction adds to the score of eta, h / 2 (d^2 mu) / (d mu), (n, K).

        ``spread``, (n, K, K), is the covariance of eta times the weight of the row, so that
        h = diag(spread) fisher_weight is the leverage. With a canonical link the sum over
        rows is the slope of log|F| / 2, F the Fisher information: Jeffreys' prior.
        Source: Firth (1993); Kosmidis and Firth (2009), section 4.2.
        """
        leverage = np.diagonal(spread, axis1=1, axis2=2) * self.fisher_weight(eta)
        return 0.5 * times(leverage, self._link.relative_curvature(eta))
