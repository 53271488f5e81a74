"""The balance property: the means of a fit add up to the total of y, as those of a GLM do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy

from families import Array, ExponentialFamily
from glmnet_nn.network import Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import ElasticNet
from glmnet_nn.training.polish import scored_output
from glmnet_nn.training.solvers import Newton
from glmnet_nn.training.sources import Source
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

    Source: Wüthrich (2021), "The balance property in neural network modelling",
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
    return _shift(Rows(np.empty((len(eta), 0)), rows.y, rows.weight, eta), family)


def _shift(rows: Rows | Source, family: ExponentialFamily) -> Array:
    """Return b, the offset of rows without inputs being eta."""
    if family.event_ndim:
        objective = linear_objective(rows, family, True, n_features=0)
        return Newton(tol=1e-12).solve(objective, np.zeros(rows.n_outputs)).w
    totals = rows.total_weight * rows.mean_response()
    return np.array([_root(_Output(rows, family, k), total) for k, total in enumerate(totals)])


def balanced(objective: Objective, w: Array, refit: bool = False) -> Array:
    """Return w with the output intercept moved by :func:`level_shift`.

    With ``refit`` the output layer is scored before, with a small ridge: hidden outputs are
    often nearly dependent.
    """
    if refit:
        w = scored_output(objective, w, _RIDGE)
    moved = w.copy()
    intercept = objective.network.layout.intercept(moved)
    assert intercept is not None
    at_means = objective.rows.seen(partial(_around_means, objective.family, objective.network, w))
    intercept += _shift(at_means, objective.family)
    return moved


def _around_means(family: ExponentialFamily, network: Network, w: Array, rows: Rows) -> Rows:
    """Return rows without inputs whose offset is eta."""
    nothing = np.zeros(w.size)
    objective = Objective(rows, family, network, ElasticNet(nothing, nothing))
    eta = np.concatenate([eta for _, eta in objective.predicted(w)])
    return Rows(np.empty((len(eta), 0)), rows.y, rows.weight, eta)


@dataclass(frozen=True)
class _Output:
    """The means of one output with its linear predictors moved by b."""

    rows: Rows | Source
    family: ExponentialFamily
    k: int

    def total(self, b: float) -> float:
        """Return sum_i w_i h(eta_i + b)."""
        return float(sum(self.rows.map(partial(_total, self.family, self.k, b))))

    def is_feasible(self, b: float) -> bool:
        """Tell whether every row has a mean."""
        return all(self.rows.map(partial(_has_means, self.family, self.k, b)))


def _total(family: ExponentialFamily, k: int, b: float, rows: Rows) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(rows.weight @ family.mean(np.asarray(rows.offset)[:, k] + b))


def _has_means(family: ExponentialFamily, k: int, b: float, rows: Rows) -> bool:
    return bool(family.is_feasible(np.asarray(rows.offset)[:, k : k + 1] + b))


def _root(output: _Output, total: float) -> float:
    """Return b for one output."""
    family = output.family
    if family.link_name in ("log", "identity"):
        level, by_log = output.total(0.0), family.link_name == "log"
        apart = (total - level) / output.rows.total_weight
        shift = float(np.log(total / level) if by_log else apart)
        if not output.is_feasible(shift):
            raise ValueError(_UNREACHABLE)
        return shift

    def excess(b: float) -> float:
        return output.total(b) - total

    here = excess(0.0)
    if here == 0.0:
        return 0.0
    for sign in (1.0, -1.0):
        end = _other_side(output, excess, here, sign)
        if end is not None:
            root = scipy.optimize.brentq(excess, 0.0, end, xtol=1e-300, rtol=4 * _EPS)
            return float(root)
    raise ValueError(_UNREACHABLE)


def _other_side(
    output: _Output, excess: Callable[[float], float], here: float, sign: float
) -> float | None:
    """Return a b of that sign, its excess of another sign than ``here``; None if the link ends."""
    reached, step, ends = 0.0, 1.0, False
    for _ in range(_REACH):
        trial = reached + sign * step
        value = excess(trial) if output.is_feasible(trial) else np.nan
        if not np.isfinite(value):
            ends = True
        elif value * here <= 0:
            return trial
        else:
            reached = trial
        step *= 0.5 if ends else 2.0
    return None
