"""What a weight means: repetitions, precisions, or inverse probabilities of selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from families import Array, ExponentialFamily


@dataclass(frozen=True)
class Weighting:
    """Weights as copies of an observation times a factor of its loss.

    All three kinds weight the loss alike, so the estimates agree.

    ======  =========================  ======================  ===========================
    kind    w is                       copies, factor          law of y_i
    ======  =========================  ======================  ===========================
    freq    number of equal rows       w, 1                    dispersion phi, w times
    var     precision                  1, w                    dispersion phi / w
    prob    1 / P(row was drawn)       1, w n / sum w          unknown: pseudo-likelihood
    ======  =========================  ======================  ===========================

    Where y is the share of successes in some trials, they multiply the factor and are a
    precision under every kind: a row of counts is one observation.

    Examples
    --------
    >>> weighting(np.array([1.0, 3.0]), "freq").nobs, weighting(np.array([1.0, 3.0]), "var").nobs
    (4.0, 2.0)
    """

    kind: str
    copies: Array
    factor: Array
    trials: Array

    @property
    def total(self) -> Array:
        """The weight of each row's loss."""
        return self.copies * self.factor

    @property
    def nobs(self) -> float:
        """The number of observations."""
        return float(self.copies.sum())

    @property
    def precision(self) -> Array:
        """What divides the dispersion of each row."""
        return self.factor if self.kind == "var" else self.trials

    @property
    def shares(self) -> Array:
        """The weight of each row in an average over the population, summing to 1."""
        members = self.total / self.precision
        return np.asarray(members / members.sum())


def weighting(weight: Array, kind: str, trials: Array | None = None) -> Weighting:
    """Return the weighting of that kind; weights of kind "prob" are scaled to sum to n.

    ``weight`` counts the ``trials``, if there are any, as in ``training.data.Rows``.
    """
    ones = np.ones_like(weight)
    trials = ones if trials is None else trials
    weight = weight / trials
    if kind == "freq":
        return Weighting(kind, weight, trials, trials)
    factor = weight if kind == "var" else weight * (len(weight) / weight.sum())
    return Weighting(kind, ones, factor * trials, trials)


def log_likelihood(
    family: ExponentialFamily, y: Array, weights: Weighting, total_loss: float, phi: float
) -> float:
    """Return sum_i copies_i log f(y_i | mu_i, phi / precision_i), given sum_i w_i loss_i.

    A law that takes no precision has no density at phi / w: then, as in statsmodels, the
    logarithm of the density at 1 is weighted. Under probability weights this is the
    pseudo-log-likelihood of the population, per row drawn.
    """
    if not family.takes_precision:
        saturated = family.log_saturated(y).reshape(len(y), -1).sum(axis=1)
        return float(weights.total @ saturated) - total_loss
    phi = phi if family.has_dispersion else 1.0
    if phi == 0:  # an exact fit: the density is a point's
        return np.inf
    own = (phi / weights.precision)[:, None]
    saturated = family.log_saturated(y, own).reshape(len(y), -1).sum(axis=1)
    return float((weights.total / weights.precision) @ saturated) - total_loss / phi


def likelihood_phi(
    family: ExponentialFamily, nobs: float, total_loss: float, scale: float
) -> float:
    """Return the phi at which a log-likelihood is told: the scale of the fit.

    Of a location-scale law it is at the maximum likelihood estimate of phi: so does
    statsmodels, and of least squares it is the usual likelihood.
    """
    if not family.is_location_scale:
        return scale
    return family.likelihood_dispersion(2 * total_loss / nobs)


def total_log_likelihood(
    family: ExponentialFamily, y: Array, weights: Weighting, total_loss: float, scale: float
) -> float:
    """Return the log-likelihood at the scale of the fit: see :func:`likelihood_phi`."""
    phi = likelihood_phi(family, weights.nobs, total_loss, scale)
    return log_likelihood(family, y, weights, total_loss, phi)
