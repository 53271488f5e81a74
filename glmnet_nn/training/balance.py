"""The balance property: the means of a fit add up to the total of y, as those of a GLM do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from families import Array, ExponentialFamily
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.polish import scored_output
from glmnet_nn.training.solvers import Newton
from glmnet_nn.training.start import linear_objective

_EPS = np.finfo(float).eps
_RIDGE = 0.1  # on the summed log-likelihood
_REACH = 60  # doublings of a bracket, or halvings of the way to the end of the link
_UNREACHABLE = (
    "balance='shift' moves the output intercept until the means add up to the total of y, but the "
    "link ends before: some mean would leave its range. Set balance=None, or use another link."
)


def level_shift(rows: Rows, family: ExponentialFamily, eta: Array) -> Array:
    """Return the b, (K,), with sum_i w_i h(eta_i + b) = sum_i w_i y_i in every output.

    b is the intercept of a model whose offset is eta. Under the log link it is the
    logarithm of the ratio of the totals, under the identity link their difference, each
    by closed form; under others the root of a monotone function, by Brent's method. For
    a vector law the outputs share their means, and b is its maximum likelihood estimate.

    Source: Wuthrich (2021), "The balance property in neural network modelling",
    Statistical Theory and Related Fields 5.

    Parameters
    ----------
    rows : Rows
        y, (n, K), and weights.
    family : ExponentialFamily
    eta : array of shape (n, K)

    Raises
    ------
    ValueError
        No b leaves every row a mean of the law.

    Examples
    --------
    >>> from families import Poisson
    >>> rows = Rows(np.empty((3, 0)), np.array([[1.0], [2.0], [6.0]]), np.ones(3))
    >>> eta = np.log([[1.0], [1.0], [1.0]])
    >>> bool(np.isclose(level_shift(rows, Poisson(), eta)[0], np.log(3.0)))
    True
    """
    if family.event_ndim:
        empty = Rows(np.empty((len(eta), 0)), rows.y, rows.weight, eta)
        objective = linear_objective(empty, family, fit_intercept=True)
        return Newton(tol=1e-12).solve(objective, np.zeros(eta.shape[1])).w
    outputs = zip(rows.y.T, eta.T, strict=True)
    return np.array([_root(family, rows.weight, y, column) for y, column in outputs])


def balanced(objective: Objective, w: Array, refit: bool = False) -> Array:
    """Return w with the output intercept moved by :func:`level_shift`.

    With ``refit`` the output layer is scored before, with a small ridge: hidden outputs are
    often nearly dependent.
    """
    if refit:
        w = scored_output(objective, w, _RIDGE)
    eta = np.concatenate([eta for _, eta in objective.predicted(w)])
    moved = w.copy()
    intercept = objective.network.layout.intercept(moved)
    assert intercept is not None
    intercept += level_shift(objective.rows, objective.family, eta)
    return moved


def _root(family: ExponentialFamily, weight: Array, y: Array, eta: Array) -> float:
    """Return b for one output."""
    total = float(weight @ y)
    level = float(weight @ family.mean(eta))
    if family.link_name in ("log", "identity"):
        by_log = family.link_name == "log"
        shift = float(np.log(total / level) if by_log else (total - level) / weight.sum())
        if not family.is_feasible((eta + shift)[:, None]):
            raise ValueError(_UNREACHABLE)
        return shift

    def excess(b: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(weight @ family.mean(eta + b)) - total

    here = excess(0.0)
    if here == 0.0:
        return 0.0
    for sign in (1.0, -1.0):
        end = _other_side(family, eta, excess, here, sign)
        if end is not None:
            root = scipy.optimize.brentq(excess, 0.0, end, xtol=1e-300, rtol=4 * _EPS)
            return float(root)
    raise ValueError(_UNREACHABLE)


def _other_side(
    family: ExponentialFamily,
    eta: Array,
    excess: Callable[[float], float],
    here: float,
    sign: float,
) -> float | None:
    """Return a b of that sign, its excess of another sign than ``here``; None if the link ends."""
    reached, step, ends = 0.0, 1.0, False
    for _ in range(_REACH):
        trial = reached + sign * step
        value = excess(trial) if family.is_feasible((eta + trial)[:, None]) else np.nan
        if not np.isfinite(value):
            ends = True
        elif value * here <= 0:
            return trial
        else:
            reached = trial
        step *= 0.5 if ends else 2.0
    return None
