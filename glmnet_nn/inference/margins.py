"""Partial effects of the columns of X on the mean, with standard errors by the delta method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from families import Array, ExponentialFamily
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.levels import LevelSteps, ends_of_step
from glmnet_nn.inference.reference import coefficient_table, critical_value, ratio, reference
from glmnet_nn.inference.shown import ShownTable
from glmnet_nn.network import ShiftedSparse, beside

_AT = ("overall", "mean", "median", "zero")
_TITLES = {
    "dydx": "dy/dx",
    "eyex": "d(lny)/d(lnx)",
    "dyex": "dy/d(lnx)",
    "eydx": "d(lny)/dx",
}


@dataclass(frozen=True)
class Population:
    """Where effects are evaluated: rows of X and of the offset, with shares summing to 1."""

    X: Array
    offset: Array
    shares: Array

    def at(self, place: str) -> Population:
        """Return the population, or one row that stands for it."""
        if place == "overall":
            return self
        offset = self.shares @ self.offset
        if place == "mean":
            row = self.shares @ self.X
        elif place == "zero":
            row = np.zeros(self.X.shape[1])
        elif isinstance(self.X, ShiftedSparse):
            raise ValueError(
                "at='median' sorts every column of X, which is sparse. Use at='mean', or "
                "inference() with X.toarray()."
            )
        elif np.ptp(self.shares) > 1e-12 * self.shares.max():
            raise ValueError("at='median' needs rows of equal weight. Use at='mean'.")
        else:
            row = np.median(self.X, axis=0)
        return Population(row[None], offset[None], np.ones(1))


@dataclass(frozen=True)
class LinearPredictor:
    """eta = b_0 + X b + offset, and which of its coefficients are parameters.

    ``slopes`` is (K, p), ``intercept`` (K,); parameters are those of ``outputs``, output by
    output, in each the intercept first if ``has_intercept``. Of the indicators of a factor
    ``level_steps`` has what :func:`ends_of_step` takes.
    """

    family: ExponentialFamily
    slopes: Array
    intercept: Array
    outputs: list[int]
    has_intercept: bool
    names: list[str]
    output_names: list[str]
    level_steps: LevelSteps

    def eta(self, X: Array, offset: Array) -> Array:
        """Return the linear predictors, (n, K)."""
        return X @ self.slopes.T + self.intercept + offset

    def design(self, X: Array) -> Array:
        """Return [1, X], what multiplies the parameters of one output."""
        ones: Array = beside(np.ones((len(X), int(self.has_intercept))), X)
        return ones


@dataclass(frozen=True, repr=False)
class MarginalEffects(ShownTable):
    """Effects, (p,) or (p, K), and their standard errors.

    Attributes
    ----------
    margeff, margeff_se : array
    """

    margeff: Array
    margeff_se: Array
    names: list[str]
    outputs: list[str] | None
    df: float | None
    title: str

    _digits = ".4f"

    @cached_property
    def tvalues(self) -> Array:
        """margeff / margeff_se."""
        return ratio(self.margeff, self.margeff_se)

    @property
    def pvalues(self) -> Array:
        """Two-sided."""
        return np.asarray(2.0 * reference(self.df).sf(np.abs(self.tvalues)))

    def conf_int(self, alpha: float = 0.05) -> Array:
        """Return effect -+ z se on a last axis of length 2."""
        half = critical_value(self.df, alpha) * self.margeff_se
        return np.stack([self.margeff - half, self.margeff + half], axis=-1)

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the effects as a table, of several outputs one below the other."""
        index = pd.Index(self.names)
        if self.outputs is not None:
            index = pd.MultiIndex.from_product([self.outputs, self.names])
        effects, se = (np.ravel(values.T) for values in (self.margeff, self.margeff_se))
        table = coefficient_table(effects, se, self.df, alpha, index)
        return table.rename(columns={"coef": self.title})


@dataclass(frozen=True)
class Effects:
    """Which effects: the mean over the population of

        dydx  d mu / d x     eyex  (x / mu) d mu / d x     dyex, eydx  one of the two factors;

    of a 0/1 column, if ``dummy``, the change of mu (of log mu for ey) from 0 to 1, of a level
    of a factor that from the first level; of a column of other whole numbers >= 0, if
    ``count``, half the change from x - 1 to x + 1.
    """

    at: str
    method: str
    dummy: bool
    count: bool

    def __post_init__(self) -> None:
        for name, known in (("at", _AT), ("method", tuple(_TITLES))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {list(known)}, but got {getattr(self, name)!r}."
                )
        steps = self.dummy or self.count
        if steps and (self.method in ("dyex", "eyex") or self.at in ("median", "zero")):
            raise ValueError(
                "dummy=True and count=True are for method 'dydx' or 'eydx' at 'overall' or "
                f"'mean', but got method={self.method!r}, at={self.at!r}: a step has no "
                "elasticity, and starts where the rows are."
            )

    def of(
        self,
        model: LinearPredictor,
        population: Population,
        coefficients: Coefficients,
        V: Array,
        df: float | None,
    ) -> MarginalEffects:
        """Return them with standard errors from the covariance V of u."""
        steps, where = self._steps(population.X), population.at(self.at)
        steps |= dict.fromkeys(model.level_steps, "dummy") if self.dummy else {}
        K, p = model.slopes.shape
        effects, se = np.empty((p, K)), np.empty((p, K))
        for j in range(p):
            if j in steps:
                effects[j], J = _change(model, where, j, steps[j], self.method.startswith("ey"))
            else:
                effects[j], J = _slope(model, where, j, self.method)
            root = J @ coefficients.from_u
            se[j] = np.sqrt(np.einsum("kr,rs,ks->k", root, V, root))
        known = coefficients.determined.reshape(len(model.outputs), -1)[:, -p:].all(axis=0)
        se[~known] = np.nan
        one = K == 1
        return MarginalEffects(
            margeff=effects[:, 0] if one else effects,
            margeff_se=se[:, 0] if one else se,
            names=model.names,
            outputs=None if one else model.output_names,
            df=df,
            title=_TITLES[self.method],
        )

    def _steps(self, X: Array) -> dict[int, str]:
        """Return the columns that are stepped."""
        if isinstance(X, ShiftedSparse):
            if self.dummy or self.count:
                raise ValueError(
                    "dummy=True and count=True set all of a column of X, which is sparse, to "
                    "another number. Use slopes, or inference() with X.toarray()."
                )
            return {}
        whole = ((X >= 0) & (np.rint(X) == X)).all(axis=0) & (np.ptp(X, axis=0) > 0)
        binary = whole & (X.max(axis=0) == 1)
        dummies = dict.fromkeys(np.flatnonzero(binary & self.dummy).tolist(), "dummy")
        counts = dict.fromkeys(np.flatnonzero(whole & ~binary & self.count).tolist(), "count")
        return dummies | counts


def _slope(model: LinearPredictor, where: Population, j: int, method: str) -> tuple[Array, Array]:
    """Return the mean slope in column j, (K,), and its Jacobian, (K, q)."""
    family, K = model.family, len(model.slopes)
    eta, D = model.eta(where.X, where.offset), model.design(where.X)
    b = np.broadcast_to(model.slopes[:, j], eta.shape)
    factor = where.shares * (_column(where.X, j) if method.endswith("ex") else 1.0)
    relative = method.startswith("ey")
    divisor = family.mean(eta) if relative else 1.0
    slope = family.mean_tangent(eta, b) / divisor
    own = j + model.has_intercept
    blocks = []
    for l in model.outputs:
        e = np.broadcast_to(np.eye(K)[l], eta.shape)
        first = family.mean_tangent(eta, e) / divisor
        second = family.mean_second_tangent(eta, b, e) / divisor
        if relative:
            second = second - slope * first
        block = (factor[:, None] * second).T @ D
        block[:, own] += factor @ first
        blocks.append(block)
    return factor @ slope, np.hstack(blocks)


def _column(X: Array, j: int) -> Array:
    """Return column j."""
    one: Array = X.columns([j]).toarray()[:, 0] if isinstance(X, ShiftedSparse) else X[:, j]
    return one


def _change(
    model: LinearPredictor, where: Population, j: int, kind: str, relative: bool
) -> tuple[Array, Array]:
    """Return the mean change over a step of column j, (K,), and its Jacobian, (K, q)."""
    family, K = model.family, len(model.slopes)
    total: Array = np.zeros(K)
    jacobian: Array | float = 0.0
    divisor = 1.0 if kind == "dummy" else 2.0
    places, before, after = ends_of_step(j, model.level_steps)
    for sign, values in ((-1.0, before), (1.0, after)):
        X = where.X.copy()
        if kind == "dummy":
            X[:, places] = values
        else:
            X[:, j] += sign
        eta, D = model.eta(X, where.offset), model.design(X)
        mu = family.mean(eta)
        weight = sign / divisor * where.shares
        total += weight @ (np.log(mu) if relative else mu)
        blocks = []
        for l in model.outputs:
            slope = family.mean_tangent(eta, np.broadcast_to(np.eye(K)[l], eta.shape))
            blocks.append((weight[:, None] * (slope / mu if relative else slope)).T @ D)
        jacobian = jacobian + np.hstack(blocks)
    return total, np.asarray(jacobian)
