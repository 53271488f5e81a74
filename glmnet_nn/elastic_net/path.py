"""From validated arrays to a path for X as given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from families import Array, ExponentialFamily
from glmnet_nn.elastic_net.design import design_of
from glmnet_nn.elastic_net.objective import PathObjective, Points
from glmnet_nn.elastic_net.results import ElasticNetPath
from glmnet_nn.elastic_net.solver import Stopping, largest_alpha, solve_path
from glmnet_nn.training.data import Rows
from glmnet_nn.training.start import null_model, saturated_loss

_TALL_EPS = 1e-4  # of the largest alpha: glmnet's lambda.min.ratio
_WIDE_EPS = 1e-2


@dataclass(frozen=True)
class PathOptions:
    """How a path is laid out.

    Parameters
    ----------
    l1_ratio : float
    alphas : array of shape (m,) or None
        Falling; None for a grid.
    n_alphas : int
    eps : float or None
        Smallest over largest alpha of the grid; None is 1e-4 if n > p, else 1e-2.
    standardize, fit_intercept : bool
    stopping : Stopping
    """

    l1_ratio: float
    alphas: Array | None
    n_alphas: int
    eps: float | None
    standardize: bool
    fit_intercept: bool
    stopping: Stopping


@dataclass(frozen=True)
class PathData:
    """Observations with a positive weight; X may be sparse.

    Parameters
    ----------
    X : array or sparse array of shape (n, p)
    y : array of shape (n, K)
    weight : array of shape (n,)
    offset : array of shape (n, K) or (n, 1), or None
    """

    X: Any
    y: Array
    weight: Array
    offset: Array | None

    def take(self, index: NDArray[np.intp]) -> PathData:
        """Return some of the rows."""
        offset = None if self.offset is None else self.offset[index]
        return PathData(self.X[index], self.y[index], self.weight[index], offset)


def fitted_path(
    data: PathData,
    family: ExponentialFamily,
    options: PathOptions,
    feature_names: list[str],
    output_names: list[str] | None = None,
) -> ElasticNetPath:
    """Return the path of the elastic net through these alphas.

    Raises
    ------
    ValueError
        The model with all coefficients 0 has no finite loss; or it is the only one, so
        that there is no grid of alphas.
    """
    total = float(data.weight.sum())
    share = data.weight / total
    objective, null, middle, null_loss = _start(data, share, family, options)
    alphas = options.alphas
    if alphas is None:
        alphas = alpha_grid(null, data.X.shape, options)
    found = solve_path(objective, alphas, options.l1_ratio, null, options.stopping)
    coefs, intercepts = _for_columns_as_given(objective, found.points, middle)
    return ElasticNetPath(
        alphas=alphas,
        l1_ratio=options.l1_ratio,
        coefs=coefs,
        intercepts=intercepts,
        deviance=objective.mean_deviance(found.points) * total,
        null_deviance=2.0 * null_loss * total,
        converged=found.converged,
        n_iter=found.n_iter,
        family=family,
        feature_names=feature_names,
        output_names=output_names,
    )


def _start(
    data: PathData, share: Array, family: ExponentialFamily, options: PathOptions
) -> tuple[PathObjective, Points, Array, float]:
    """Return the objective, its point without inputs, what y was shifted by, and the null loss.

    Where it changes but the intercept, y is centred and the offset taken out, so that no
    digits are lost on them.
    """
    y, offset = data.y, data.offset
    if family.is_location_scale and offset is not None:
        y, offset = y - offset, None
    middle = np.zeros(y.shape[1])
    if family.is_location_scale and options.fit_intercept:
        middle = share @ y
        y = y - middle
    rows = Rows(np.empty((len(y), 0)), y, data.weight, offset)
    saturated = saturated_loss(rows, family)
    intercept, null_loss = null_model(rows, family, saturated)
    if not options.fit_intercept:
        intercept = np.zeros_like(intercept)
    design = design_of(data.X, share, options.fit_intercept, options.standardize)
    objective = PathObjective(design, y, share, offset, family, options.fit_intercept, saturated)
    null = objective.at(np.zeros((1, objective.n_pairs)), intercept[None, :])
    if not np.all(np.isfinite(null.loss)):
        raise ValueError(
            f"{type(family).__name__} with link {family.link_name!r} has no finite loss where "
            "all coefficients are 0, which is where the path starts. Use an intercept, another "
            "link, or smaller values of offset."
        )
    return objective, null, middle, null_loss


def alpha_grid(null: Points, shape: tuple[int, int], options: PathOptions) -> Array:
    """Return n_alphas from the least alpha that leaves nothing down to eps times it."""
    top = largest_alpha(null, options.l1_ratio)
    if top == 0:
        raise ValueError(
            "alphas=None asks for a grid from the least alpha at which all coefficients are 0, "
            "but y varies with no column of X, so they are 0 at every alpha. Give alphas."
        )
    n, p = shape
    eps = options.eps if options.eps is not None else (_TALL_EPS if n > p else _WIDE_EPS)
    return top * np.geomspace(1.0, eps, options.n_alphas)


def _for_columns_as_given(
    objective: PathObjective, points: Points, middle: Array
) -> tuple[Array, Array]:
    """Return coefs, (p, m) or (K, p, m), and intercepts, (m,) or (K, m), for X and y as given."""
    m, K, inputs = len(points), objective.n_outputs, objective.design.inputs
    W = points.w.reshape(m, K, -1) / inputs.scale
    b = points.b + middle
    if objective.fit_intercept:
        b = b - W @ inputs.center
    coefs, intercepts = W.transpose(1, 2, 0), b.T
    return (coefs[0], intercepts[0]) if K == 1 else (coefs, intercepts)
