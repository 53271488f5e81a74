"""Residuals of every kind, for a model of any depth: functions of y, eta and the law."""

from __future__ import annotations

import numpy as np
from scipy import special

from families import Array, ExponentialFamily

KINDS = ("response", "working", "pearson", "deviance", "anscombe", "quantile")


def residuals(
    family: ExponentialFamily,
    y: Array,
    eta: Array,
    kind: str,
    *,
    precision: Array,
    phi: float,
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
    estimation; of a law with a dispersion they are at phi / precision.

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
        own = phi / precision[:, None] if family.has_dispersion else 1.0
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
    if hasattr(law, "pmf") and np.any(y != np.rint(y)):
        at = int(np.flatnonzero((y != np.rint(y)).any(axis=1))[0])
        raise ValueError(
            f"quantile residuals of {type(family).__name__} need whole numbers, but y[{at}] = "
            f"{y[at].tolist()}. Give single observations, or use kind='deviance'."
        )
    before = np.nextafter(y, -np.inf)
    u = rng.uniform(size=y.shape)
    below = law.cdf(before) + u * (law.cdf(y) - law.cdf(before))
    above = law.sf(y) + (1.0 - u) * (law.sf(before) - law.sf(y))
    return np.where(below < 0.5, special.ndtri(below), -special.ndtri(above))
