"""The observed information of a penalised network, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.sandwich import meat
from glmnet_nn.training.objective import Objective

RIDGE = 0.1  # precision of the prior under which intervals have been found to hold
_CUT = 1e-8  # eigenvalues below, of the largest, count as 0
_FISHER_CUT = 1e-12


@dataclass(frozen=True)
class ObservedInformation:
    """H + P at the optimum: H = d^2 / dw dw' sum_i w_i loss_i, P the ridge, both at phi = 1.

    Of a network the information is scaled to a unit diagonal before its eigenvalues are
    asked, so that they do not depend on the units of the parameters. Directions in
    which the law has no curvature for any data (the shift of a softmax) are filled in:
    functionals do not depend on them.

    Attributes
    ----------
    objective : Objective
    w : array of shape (q,)
    data : array of shape (q, q)
        H.
    ridge : array of shape (q,)
        The diagonal of P.
    """

    objective: Objective
    w: Array
    data: Array
    ridge: Array

    @classmethod
    def of(cls, objective: Objective, w: Array) -> ObservedInformation:
        """Return the information of an objective at w."""
        total = objective.total_weight
        ridge = total * objective.penalty.l2
        return cls(objective, w, total * objective.hessian(w) - np.diag(ridge), ridge)

    @cached_property
    def scale(self) -> Array:
        """The square roots of the diagonal of H + P."""
        diagonal = np.abs(np.diagonal(self._filled))
        scale = np.sqrt(np.maximum(diagonal, 1e-30 * diagonal.max(initial=0.0)))
        scale[scale == 0] = 1.0
        return scale

    @cached_property
    def _filled(self) -> Array:
        """H + P, with the directions of no curvature filled in."""
        flat = self.objective.flat_directions()
        size = np.abs(np.trace(self.data)) / max(len(self.w), 1)
        return np.asarray(self.data + np.diag(self.ridge) + size * flat.T @ flat)

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of H + P, scaled."""
        values, vectors = linalg.eigh(self._filled / self.scale / self.scale[:, None])
        return values, vectors

    @property
    def condition(self) -> float:
        """The smallest eigenvalue over the largest, scaled: negative if not positive definite."""
        values, _ = self._spectrum
        return float(values[0] / np.abs(values).max())

    @cached_property
    def root(self) -> Array:
        """R, (q, r), with R R' = (H + P)^-1 on the eigenvalues above 1e-8 of the largest."""
        values, vectors = self._spectrum
        kept = values > _CUT * values[-1]
        return np.asarray(vectors[:, kept] / np.sqrt(values[kept]) / self.scale[:, None])

    @cached_property
    def effective_parameters(self) -> float:
        """tr[(H + P)^-1 H], the effective degrees of freedom."""
        return float(np.sum(self.root * (self.data @ self.root)))

    @cached_property
    def undetermined(self) -> Array:
        """N, (q, m): a gradient g with g' N = 0 is that of something the data determine.

        What the inverse leaves out, and the null space of H, for what the ridge alone
        determines is not estimated.
        """
        values, vectors = self._spectrum
        cut = vectors[:, values <= _CUT * values[-1]]
        flat = self.objective.flat_directions()
        scaled = (self._filled - np.diag(self.ridge)) / self.scale / self.scale[:, None]
        sizes, directions = linalg.eigh(scaled)
        null = directions[:, np.abs(sizes) <= _CUT * np.abs(sizes).max(initial=0.0)]
        both = np.column_stack([cut, null, self.scale[:, None] * flat.T])
        if not both.size:
            return both
        basis, s, _ = linalg.svd(both, full_matrices=False)
        return np.asarray(basis[:, s > 1e-6 * s[0]] / self.scale[:, None])

    def decrement(self, phi: float) -> float:
        """Return g' (F + P)^-1 g / phi, g the gradient of the sum, F the Fisher information.

        The squared distance from the optimum in standard errors, of whatever functional is
        furthest; F rather than H, since it is positive definite anywhere.
        """
        objective, total = self.objective, self.objective.total_weight
        gradient = total * objective.smooth_value_and_gradient(self.w)[1]
        F = total * objective.information(self.w)
        scale = np.sqrt(np.diagonal(F)).copy()
        scale[scale == 0] = 1.0
        values, vectors = linalg.eigh(F / scale / scale[:, None])
        kept = values > _FISHER_CUT * values[-1]
        moved = vectors[:, kept].T @ (gradient / scale)
        return float(np.sum(np.square(moved) / values[kept])) / phi

    def pearson_dispersion(self) -> float:
        """Return Pearson chi^2 / (sum w - effective parameters), NaN if none are left."""
        family = self.objective.family
        chi2 = sum(
            float(rows.weight @ np.square(family.pearson(rows.y, eta)).sum(axis=1))
            for rows, eta in self.objective.predicted(self.w)
        )
        freedom = self.objective.total_weight - self.effective_parameters
        return chi2 / freedom if freedom > 0 else float("nan")


def covariance_root(
    fitted: Fitted, n_parameters: float, phi: float, options: InferenceOptions
) -> Array:
    """Return L with L L' = phi (H + P)^-1 or, robust, (H + P)^-1 M (H + P)^-1.

    ``fitted.root`` is R with R R' = (H + P)^-1, so that in the parameters u, w = R u, H + P is
    the identity and the sandwich its middle.
    """
    if not options.is_robust:
        return np.asarray(np.sqrt(phi) * fitted.root)
    M = meat(
        fitted.scores(options.cov_type),
        options.cov_type,
        n_parameters=n_parameters,
        repeats=fitted.weights.copies,
        groups=options.groups,
        maxlags=options.hac_maxlags,
    )
    values, vectors = linalg.eigh(M)
    return np.asarray(fitted.root @ (vectors * np.sqrt(np.maximum(values, 0.0))))


def recommended_starts(hidden: tuple[int, ...]) -> int:
    """Return the number of random starts: 10 up to 3 hidden units, 3 more for each further."""
    return 10 + 3 * max(0, sum(hidden) - 3)
