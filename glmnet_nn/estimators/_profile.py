"""The parameter of a law that is to be estimated, by profile likelihood.

The profile likelihood of a parameter a (alpha of the negative binomial law, the power of
Tweedie's) is the likelihood at the means that fit best given a, and at the phi that does.
Its maximum is a fixed point: a maximises the likelihood at the means fitted given a. The
two steps are alternated, each fit started from the one before. As the mean is orthogonal
to the other parameters of an exponential dispersion model and of the negative binomial
law (Cox and Reid 1987), each round leaves about 1 / n of the error of the one before.
With hidden layers or a penalty it is the same fixed point, with the fitted means.

Sources: Venables and Ripley (2002), Modern Applied Statistics with S, section 7.4
(glm.nb); Dunn and Smyth (2005), "Series evaluation of Tweedie exponential dispersion
model densities", section 6.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, optimize, special

from families import Array, Estimable, ExponentialFamily
from glmnet_nn.estimators._fit import Fit
from glmnet_nn.estimators._nested import fit_nested
from glmnet_nn.estimators._task import Specification
from glmnet_nn.exceptions import BoundaryWarning
from glmnet_nn.training.data import Rows
from glmnet_nn.training.units import Units

# the last move, in standard errors
_TOL = {"newton": 1e-9, "lbfgs": 1e-3, "newton_cg": 1e-3, "adam": 0.1}
_ROUNDS = {"newton": 50, "lbfgs": 25, "newton_cg": 25, "adam": 5}


@dataclass(frozen=True)
class LawEstimate:
    """The estimate of a parameter of the law.

    ``standard_error`` is that of the observed information at the fitted means, phi
    estimated too; infinite at an end of the search.
    """

    name: str
    value: float
    standard_error: float


def fit_law(
    X: Array,
    y: Array,
    weight: Array,
    offset: Array | None,
    spec: Specification,
    law: ExponentialFamily,
) -> tuple[Fit, Specification, LawEstimate | None]:
    """Return the fit, its specification and the estimate of what ``law`` leaves unknown.

    ``spec.family`` is ``law``, or the law at a usual value of its unknown parameter; where
    Ctrl-C ends the first fit, that is all there is.
    """
    fit = fit_nested(X, y, weight, offset, spec)
    if law.unknown is None or fit.solution.ended_by == "interrupt":
        return fit, spec, None
    scale = _Scale(law.unknown)

    def likelihood() -> _Likelihood:
        eta = fit.network.linear_predictor(fit.weights, X)
        mu = spec.family.mean(eta if offset is None else eta + offset)
        return _Likelihood(law, scale, y, mu, weight)

    point = likelihood().maximum()
    root = likelihood().information_root(point)
    moved = np.inf
    for rounds in range(_ROUNDS[spec.solver] + 1):
        at_end = not scale.is_inside(point[0])
        former, spec = spec.family, replace(spec, family=law.at(scale.value(point[0])))
        start = _under_link_of(spec.family, fit, former, Rows(X, y, weight, offset))
        fit = fit_nested(X, y, weight, offset, replace(spec, start=start, n_init=1))
        if at_end or moved <= _TOL[spec.solver] or fit.solution.ended_by != "solver":
            break
        if rounds == _ROUNDS[spec.solver]:
            fit = _unfinished(fit, law.unknown, moved)
            break
        now = likelihood()
        step = root @ (root.T @ now.gradient(point))
        if linalg.norm(step) > 0.1:  # too far for the information of the first means
            before, point = point, now.maximum()
            root = now.information_root(point)
            step = point - before
        else:
            point = point + step
        moved = abs(step[0]) / linalg.norm(root[0])
    value = scale.value(point[0])
    if at_end:
        _warn_of_limit(law, law.unknown, value)
        return fit, spec, LawEstimate(law.unknown.name, value, np.inf)
    error = scale.slope(point[0]) * linalg.norm(root[0])
    return fit, spec, LawEstimate(law.unknown.name, value, float(error))


@dataclass(frozen=True)
class _Scale:
    """u, unbounded, for a parameter in its domain: log(a - low), or the logit."""

    parameter: Estimable

    def at(self, value: float) -> float:
        """Return u."""
        low, high = self.parameter.domain.low, self.parameter.domain.high
        upper = 0.0 if np.isinf(high) else np.log(high - value)
        return float(np.log(value - low) - upper)

    def value(self, u: float) -> float:
        """Return the parameter."""
        low, high = self.parameter.domain.low, self.parameter.domain.high
        return float(low + (np.exp(u) if np.isinf(high) else (high - low) * special.expit(u)))

    def slope(self, u: float) -> float:
        """Return d a / d u: a - low, or (a - low) (high - a) / (high - low)."""
        low, high = self.parameter.domain.low, self.parameter.domain.high
        value = self.value(u)
        return (value - low) * (1.0 if np.isinf(high) else (high - value) / (high - low))

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the search."""
        low, high = self.parameter.search
        return self.at(low), self.at(high)

    def is_inside(self, u: float) -> bool:
        """Tell whether u is off the ends of the search."""
        low, high = self.ends
        return low + 1e-6 < u < high - 1e-6


@dataclass(frozen=True)
class _Likelihood:
    """sum_i w_i log f(y_i | mu_i, a, phi) at given means, as a function of a point.

    A point is (u,) or, for a law with a dispersion, (u, log phi).
    """

    law: ExponentialFamily
    scale: _Scale
    y: Array
    mu: Array
    weight: Array

    def __call__(self, point: Array) -> float:
        phi = float(np.exp(point[1])) if self.law.has_dispersion else 1.0
        law = self.law.at(self.scale.value(point[0]))
        return float(self.weight @ law.log_likelihood(self.y, self.mu, phi).sum(axis=1))

    def maximum(self) -> Array:
        """Return the maximum, to some five digits, searched from the usual value."""
        total, law = self.weight.sum(), self.law.initial
        start = [self.scale.at(self.scale.parameter.usual)]
        if law.has_dispersion:
            deviance = 2.0 * self.weight @ law.divergence(self.y, self.mu).mean(axis=1)
            start.append(np.log(deviance / total))
        found = optimize.minimize(
            lambda point: -self(point) / total,
            start,
            jac=lambda point: -self._rough_gradient(point) / total,
            method="L-BFGS-B",
            bounds=[self.scale.ends, (None, None)][: len(start)],
        )
        best = np.asarray(found.x)
        for end in self.scale.ends:  # flat on the logarithmic scale: the gradient does not tell
            limit = np.append(end, best[1:])
            if self(limit) >= self(best):
                best = limit
        return best

    def _rough_gradient(self, point: Array, h: float = 1e-3) -> Array:
        """Return the gradient, by central differences of order 2."""
        return np.array([(self(point + e) - self(point - e)) / (2 * h) for e in _steps(point, h)])

    def gradient(self, point: Array, h: float = 1e-3) -> Array:
        """Return the gradient, by central differences of order 4: some eleven digits."""
        far = self._rough_gradient(point, 2 * h)
        return (4.0 * self._rough_gradient(point, h) - far) / 3.0

    def information_root(self, point: Array, h: float = 1e-2) -> Array:
        """Return T, T T' the inverse of minus the second derivatives, by differences."""
        steps = _steps(point, h)
        H = np.empty((len(steps), len(steps)))
        centre = self(point)
        for k, e in enumerate(steps):
            H[k, k] = self(point + e) + self(point - e) - 2 * centre
            for l, f in enumerate(steps[:k]):
                mixed = self(point + e + f) + self(point - e - f) - 2 * centre
                H[k, l] = H[l, k] = 0.5 * (mixed - H[k, k] - H[l, l])
        values, vectors = linalg.eigh(-H / h**2)
        return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-8)))


def _under_link_of(
    law: ExponentialFamily, fit: Fit, before: ExponentialFamily, rows: Rows
) -> Array:
    """Return the weights of a fit of ``before`` with about its means under the link of ``law``.

    eta -> g(mu) + g'(mu) / h'(mu) (eta - h(mu)), h the link before and g that after, mu the
    mean of y: a canonical link may have the parameter in it, and the same eta is other means.
    """
    layout, mu = fit.network.layout, rows.mean_response()
    h, g, one = before.link_of(mu), law.link_of(mu), np.ones_like(mu)
    slope = float(np.mean(before.mean_tangent(h, one) / law.mean_tangent(g, one)))
    moved = Units(slope, g - slope * h, 1.0, 1.0).given(layout, fit.weights)
    eta = fit.network.linear_predictor(moved, rows.X)
    feasible = law.is_feasible(eta if rows.offset is None else eta + rows.offset)
    return moved if feasible and layout.fit_intercept else fit.weights


def _steps(point: Array, h: float) -> Array:
    return h * np.eye(len(point))


def _unfinished(fit: Fit, parameter: Estimable, moved: float) -> Fit:
    message = f"{parameter.name} still moved by {moved:.2g} standard errors in the last round"
    return replace(fit, solution=replace(fit.solution, converged=False, message=message))


def _warn_of_limit(law: ExponentialFamily, parameter: Estimable, value: float) -> None:
    lower = abs(value - parameter.search[0]) < abs(value - parameter.search[1])
    limit = parameter.limits[0 if lower else 1]
    remedy = f" There the limit is {limit}: fit that instead." if limit else ""
    warnings.warn(
        f"The likelihood of {parameter.name} of {type(law).__name__} still rises at {value:.3g}, "
        f"the end of the search.{remedy}",
        BoundaryWarning,
        stacklevel=6,
    )
