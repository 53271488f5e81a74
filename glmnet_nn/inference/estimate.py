"""Fitted parameters with their covariance, and what it means for linear predictors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from families import Array, ExponentialFamily
from glmnet_nn.network import Network, laid_out
from glmnet_nn.training.inputs import Inputs

_BLOCK_BYTES = 2**25
_NONE = 1e-6  # of the length of a gradient: less of it along what is not determined is rounding


def root_of(covariance: Array) -> Array:
    """Return R with R R' = C, (q, r): the eigenvectors with a variance, scaled; NaN of NaN."""
    if np.isnan(covariance).any():
        return covariance
    values, vectors = linalg.eigh(covariance)
    sound = values > np.finfo(float).eps * len(values) * values.max(initial=0.0)
    return np.asarray(vectors[:, sound] * np.sqrt(values[sound]))


@dataclass(frozen=True)
class Estimate:
    """Parameters w ~ N(w_hat, C) of a network on Z = inputs.transform(X).

    By the delta method, and exactly without hidden layers, the linear predictors of any
    rows are jointly normal, with covariances J_i C J_j', J = d eta / d w.

    Parameters
    ----------
    family : ExponentialFamily
    scale : float
        phi of the covariance.
    network : Network
        On Z.
    inputs : Inputs
    w : array of shape (q,)
    root : array of shape (q, r)
        R with R R' = C, without what the data do not determine: see :func:`root_of`.
    undetermined : array of shape (q, m)
        N: a gradient g with g' N = 0 is that of something that the data determine.
    unit : array of shape (q,)
        Scale of the parameters: |g' N| counts as 0 if it is small beside |g / unit|.
    df : float, optional
        Degrees of freedom of the t law of eta_hat; None is the normal law.
    """

    family: ExponentialFamily
    scale: float
    network: Network
    inputs: Inputs
    w: Array
    root: Array
    undetermined: Array
    unit: Array
    df: float | None = None

    @property
    def states_law(self) -> bool:
        """Whether the law of y has this phi: quasi-Poisson and its like are no laws."""
        return self.family.has_dispersion or self.scale == 1.0

    @property
    def phi(self) -> float:
        """phi of the law of y.

        Raises
        ------
        ValueError
            The law has none: its variance is another than that of the inference.
        """
        if not self.states_law:
            name = type(self.family).__name__
            raise ValueError(
                f"the law of an observation is not known: inference has dispersion="
                f"{self.scale:.6g}, but the law of {name} has no dispersion. Leave it out of "
                "inference(), use a law that varies as y does (of counts NegativeBinomial), or "
                "ask for the mean: predict_interval(..., kind='mean')."
            )
        return self.scale

    def seen(self, X: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return Z of any rows, (n, r), and which are no combination of those of the fit, (n,).

        Where columns are dependent the data say nothing of such a row: Z is what makes eta
        that of the coefficients of minimum norm, ``predict``'s, which is not determined.
        """
        Z = self.inputs.transform(X)
        outside = self._is_outside(X, Z)
        if outside.any():
            rest = laid_out(X[outside] - self.inputs.center)
            Z[outside] = rest @ self.inputs.directions()
        return Z, outside

    def linear_predictor(self, X: Array) -> Array:
        """Return eta without offset, (n, K)."""
        if self.inputs.basis is None:
            return self.network.linear_predictor(self.w, self.inputs.transform(X))
        blocks = (self.seen(X[rows])[0] for rows in self._blocks(X))
        return np.concatenate([self.network.linear_predictor(self.w, Z) for Z in blocks])

    def predictor_covariance(self, X: Array) -> Array:
        """Return J C J' row by row, (n, K, K); NaN where a row is not determined."""
        K = self.network.layout.sizes[-1]
        cov = np.empty((len(X), K, K))
        for rows, J, is_open in self._jacobians(X):
            JR = J @ self.root
            cov[rows] = JR @ JR.transpose(0, 2, 1)
            cov[rows][is_open] = np.nan
        return cov

    def deviations(self, X: Array, draws: Array) -> Array:
        """Return J R z, (n, K, S), for draws z, (r, S): joint draws of eta - eta_hat.

        A draw has one set of parameters for all rows: sums over rows have the right
        spread.
        """
        K = self.network.layout.sizes[-1]
        moved = np.empty((len(X), K, draws.shape[1]))
        for rows, J, is_open in self._jacobians(X):
            moved[rows] = J @ (self.root @ draws)
            moved[rows][is_open] = np.nan
        return moved

    def _jacobians(self, X: Array) -> Iterator[tuple[slice, Array, NDArray[np.bool_]]]:
        """Yield rows with their J, (m, K, q), and which the data do not determine, (m,)."""
        for rows in self._blocks(X):
            Z, outside = self.seen(X[rows])
            J = self.network.jacobian(self.w, self.network.forward(self.w, Z)[0])
            yield rows, J, self._is_open(J) | outside

    def _blocks(self, X: Array) -> Iterator[slice]:
        width = max(self.w.size, len(self.inputs.center)) * self.network.layout.sizes[-1]
        size = max(1, _BLOCK_BYTES // (8 * width))
        return (slice(at, at + size) for at in range(0, len(X), size))

    def _is_open(self, J: Array) -> NDArray[np.bool_]:
        """Tell for which rows the data do not determine the mean."""
        # of classes only differences count: the same shift of all is no other law
        g = J - J.mean(axis=1, keepdims=True) if self.family.event_ndim else J
        return np.asarray(~self.determines(g).all(axis=1))

    def determines(self, gradients: Array) -> NDArray[np.bool_]:
        """Tell for gradients g on the last axis whether the data determine their functional."""
        along = np.square(gradients @ self.undetermined).sum(axis=-1)
        size = np.square(gradients / self.unit).sum(axis=-1)
        return np.asarray(along <= _NONE**2 * size)

    def _is_outside(self, X: Array, Z: Array) -> NDArray[np.bool_]:
        """Tell which rows are no combination of those of the fit, if these were dependent."""
        basis = self.inputs.basis
        if basis is None:
            return np.zeros(len(X), dtype=bool)
        full = laid_out((X - self.inputs.center) / self.inputs.scale)
        rest = linalg.norm(full - Z @ basis.T, axis=1)
        return np.asarray(rest > _NONE * np.maximum(1.0, linalg.norm(full, axis=1)))
