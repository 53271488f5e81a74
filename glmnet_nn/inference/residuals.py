"""Residuals of every kind, for a model of any depth: functions of y, eta and the law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from families import Array, ExponentialFamily
from glmnet_nn.inference.draws import generator

KINDS = ("response", "working", "pearson", "deviance", "anscombe", "quantile")


def residuals(
    family: ExponentialFamily,
    y: Array,
    eta: Array,
    kind: str,
    *,
    precision: Array,
    phi: float | Array,
    rng: np.random.Generator,
) -> Array:
    """Return the residuals of each row and output, (n, K).

    ==========  =====================================================================
    response    y - mu
    working     (y - mu) d eta / d mu
    pearson     (y - mu) / sqrt(V(mu))
    deviance    sign(y - mu) sqrt(unit deviance)
    anscombe    [t(y) - t(mu)] / V(mu)^(1/6),  t the integral of V^(-1/3)
    quantile    Phi^-1 of F(y); where F jumps at y, of a point drawn within the jump
    ==========  =====================================================================

    Pearson, deviance and Anscombe residuals are times sqrt(precision); phi scales none of
    them. Quantile residuals are standard normal if the model is right, but for the error of
    estimation; of a law that takes a precision they are at phi / precision.

    Raises
    ------
    ValueError
        An unknown kind, or one that this law has not.

    References
    ----------
    McCullagh and Nelder (1989), section 2.4. Dunn and Smyth (1996), "Randomized quantile
    residuals", J. Computational and Graphical Statistics 5.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}, but got {kind!r}.")
    if kind == "response":
        return np.asarray(y - family.mean(eta))
    if kind == "working":
        return family.working(y, eta)
    if kind == "quantile":
        phi = phi if family.has_dispersion else 1.0
        own = phi / precision[:, None] if family.takes_precision else 1.0
        return _quantile(family, y, family.mean(eta), own, rng)
    scaled = {
        "pearson": family.pearson_residual,
        "deviance": family.deviance_residual,
        "anscombe": family.anscombe,
    }
    return np.asarray(np.sqrt(precision)[:, None] * scaled[kind](y, eta))


def _quantile(
    family: ExponentialFamily, y: Array, mu: Array, phi: Array | float, rng: np.random.Generator
) -> Array:
    """Return Phi^-1(U), U uniform on [P(Y < y), P(Y <= y)], by the nearer tail."""
    if family.event_ndim:
        raise ValueError(
            f"quantile residuals need an order of the values of y, and the classes of "
            f"{type(family).__name__} have none. Use kind='deviance'."
        )
    law = family.distribution(mu, phi)
    impossible = np.isneginf(law.logpmf(y)) if hasattr(law, "pmf") else np.zeros(y.shape, bool)
    if impossible.any():
        at = int(np.flatnonzero(impossible.any(axis=1))[0])
        raise ValueError(
            f"quantile residuals of {type(family).__name__} need whole numbers, but y[{at}] = "
            f"{y[at].tolist()}. Give single observations, or use kind='deviance'."
        )
    below, above = law.cdf(y), law.sf(y)
    jump = law.pmf(y) if hasattr(law, "pmf") else below - law.cdf(np.nextafter(y, -np.inf))
    unused = (1.0 - rng.uniform(size=y.shape)) * jump
    below, above = np.maximum(below - unused, 0.0), above + unused
    return np.where(below < 0.5, special.ndtri(below), -special.ndtri(above))


class ResidualInference:
    """Residuals and fitted values of the results of inference, under statsmodels' names."""

    if TYPE_CHECKING:  # what the results have
        fitted: Any
        scale: float

    def residuals(self, kind: str = "deviance", random_state: Any = None) -> Array:
        """Return residuals, (n,) or (n, K): see :func:`glmnet_nn.inference.residuals.residuals`."""
        fitted = self.fitted
        values = residuals(
            fitted.family,
            fitted.rows.y,
            fitted.eta,
            kind,
            precision=fitted.weights.precision,
            phi=self.scale,
            rng=generator(random_state),
        )
        return values[:, 0] if values.shape[1] == 1 else values

    @property
    def resid_response(self) -> Array:
        """y - mu."""
        return self.residuals("response")

    @property
    def resid_working(self) -> Array:
        """(y - mu) d eta / d mu."""
        return self.residuals("working")

    @property
    def resid_pearson(self) -> Array:
        """(y - mu) / sqrt(V(mu)), times the root of a precision."""
        return self.residuals("pearson")

    @property
    def resid_deviance(self) -> Array:
        """sign(y - mu) sqrt(unit deviance), times the root of a precision."""
        return self.residuals("deviance")

    @property
    def resid_anscombe(self) -> Array:
        """Anscombe residuals, times the root of a precision; not divided by sqrt(scale)."""
        return self.residuals("anscombe")

    @property
    def fittedvalues(self) -> Array:
        """mu, (n,) or (n, K)."""
        mu = self.fitted.family.mean(self.fitted.eta)
        return mu[:, 0] if mu.shape[1] == 1 else mu
