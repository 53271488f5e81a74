"""Where training starts: the null model, with random hidden layers."""

from __future__ import annotations

import numpy as np

from families import Array, ExponentialFamily, Normal
from glmnet_nn.network import Layer, Layout, Network, get_activation
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.penalties import elastic_net
from glmnet_nn.training.solvers import Newton

_CACHED_ROWS = 2**16
_SOUND = 1e-11  # relative


def linear_objective(rows: Rows, family: ExponentialFamily, fit_intercept: bool) -> Objective:
    """Return the unpenalised objective of the GLM with these rows."""
    layout = Layout((rows.n_features, rows.y.shape[1]), fit_intercept)
    network = Network(layout, get_activation("identity"))
    return Objective(rows, family, network, elastic_net(layout, [0.0], 0.0))


def saturated_loss(rows: Rows, family: ExponentialFamily) -> float:
    """Return the weighted mean of A*(y), the part of the mean loss that no model changes."""
    total = sum(
        float(block.weight @ family.conjugate(block.y).reshape(len(block), -1).sum(axis=1))
        for block in rows.blocks(_CACHED_ROWS)
    )
    return total / float(rows.weight.sum())


def null_model(
    rows: Rows, family: ExponentialFamily, saturated: float | None = None
) -> tuple[Array, float]:
    """Return the intercepts (K,) of the model without inputs, and its mean loss.

    Without an offset the intercept is the link of the weighted mean of y, under
    any link; with an offset it is fitted. ``saturated`` is :func:`saturated_loss`, if it
    is known already.

    Raises
    ------
    ValueError
        With this offset no intercept was found that gives every row a mean.
    """
    mean = rows.weight @ rows.y / rows.weight.sum()
    with np.errstate(divide="ignore"):
        intercept = family.link_of(mean)
    empty = Rows(np.empty((len(rows), 0)), rows.y, rows.weight, rows.offset)
    objective = linear_objective(empty, family, fit_intercept=True)
    if not np.all(np.isfinite(intercept)):  # y at the end of its range: the limit
        return intercept, 0.0
    if rows.offset is not None:
        intercept = Newton().solve(objective, _null_start(objective, intercept)).w
        return intercept, _require_finite(objective, intercept)
    if saturated is None:
        saturated = saturated_loss(rows, family)
    loss = _constant_loss(family, mean, intercept, saturated)
    return intercept, _require_finite(objective, intercept) if loss is None else loss


def _constant_loss(
    family: ExponentialFamily, mean: Array, eta: Array, saturated: float
) -> float | None:
    """Return the mean loss where eta is the same for all rows; None if its digits cancel.

    A(theta) - theta . y is linear in y, so that of the mean of y is its mean.
    """
    kernel = float(family.kernel(mean[None, :], eta[None, :]).sum())
    loss = saturated + kernel
    rounding = 64 * np.finfo(float).eps * (abs(saturated) + abs(kernel))
    return loss if np.isfinite(loss) and rounding <= _SOUND * loss else None


def _require_finite(objective: Objective, w: Array) -> float:
    """Return the mean loss at w; raise if it is not finite."""
    loss = objective.mean_loss(w)
    if not np.isfinite(loss):
        family = objective.family
        raise ValueError(
            f"{type(family).__name__} with link {family.link_name!r} has no finite loss where "
            "fitting starts: some means are impossible or overflow. Use an intercept, another "
            "link, or smaller values of y and offset."
        )
    return loss


def _null_start(objective: Objective, target: Array) -> Array:
    """Return intercepts at which every mean is one that the law can have, and no overflow.

    Linear predictors lie about the target or all on one side of it, whichever has the
    lowest loss: about it they may leave the image of a link, such as eta > 0.
    """
    rows = objective.rows
    offset = np.broadcast_to(np.asarray(rows.offset), rows.y.shape)
    mean = rows.weight / rows.weight.sum() @ offset
    starts = [target - level for level in (mean, offset.min(axis=0), offset.max(axis=0))]
    best = min(starts, key=objective.mean_loss)
    _require_finite(objective, best)
    return np.asarray(best)


def initial_weights(layout: Layout, intercept: Array | float, rng: np.random.Generator) -> Array:
    """Return parameters whose predictions are those of the null model.

    Hidden weights and offsets are uniform on +- sqrt(6 / (n_in + n_out)) (Glorot and Bengio
    2010), output weights 0, the output intercept that of the null model. (With offsets 0 a tanh
    network is an odd function of centred inputs: squares and products have no slope in its
    weights.)
    """
    flat = np.zeros(layout.size)
    for W, b in layout.layers(flat)[:-1]:
        W[:] = _glorot(W.shape, rng)
        assert b is not None  # hidden layers have offsets
        b[:] = _glorot(W.shape, rng)[:, 0]
    b = layout.intercept(flat)
    if b is not None:
        b[:] = intercept
    return flat


def paired_weights(
    layout: Layout, glm: Layer, rng: np.random.Generator, size: float = 1.0
) -> Array:
    """Return parameters whose predictions are those of a GLM, and that can leave it.

    The null model is one such GLM. From output weights 0 a network with a penalty may never
    move: the gradient reaches the hidden weights through the output weights, and before that
    the penalty draws them to 0. Hidden outputs are nearly linear at first, and so the gradient
    of the output weights small too: where y depends on squares and products of inputs, and at
    the maximum likelihood estimate of a GLM, whose residuals are orthogonal to the inputs. So
    output weights are random, and the last hidden
    units come in pairs (of the same weights; a unit may be left over) whose output weights
    are v and -v: a pair adds nothing, but its units have gradients of opposite sign.

    Parameters
    ----------
    layout : Layout
    glm : Layer
        W, (n_outputs, n_features), if the layout nests it, and the output intercept b.
    rng : Generator
    size : float, default=1.0
        A multiple of v: the larger, the farther is the start from hidden weights at 0.

    Sources
    -------
    Chizat, Oyallon and Bach (2019), "On lazy training in differentiable programming",
    section 1; Zhang, Xu, Luo and Ma (2020), "A type of generalization error induced by
    initialization in deep neural networks".

    Examples
    --------
    >>> layout = Layout((2, 4, 1), skip=True)
    >>> network = Network(layout, get_activation("tanh"))
    >>> glm = Layer(np.array([[3.0, -1.0]]), np.array([0.5]))
    >>> w = paired_weights(layout, glm, np.random.default_rng(0))
    >>> X = np.array([[1.0, 2.0], [0.0, 4.0]])
    >>> bool(np.allclose(network.linear_predictor(w, X), glm.sums(X), rtol=1e-15))
    True
    """
    flat = initial_weights(layout, 0.0 if glm.b is None else glm.b, rng)
    *_, last, output = layout.layers(flat)
    pairs = len(last.W) // 2
    v = size * _glorot((len(output.W), pairs), rng)
    first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    last.W[second] = last.W[first]
    assert last.b is not None  # hidden layers have offsets
    last.b[second] = last.b[first]
    output.W[:, first], output.W[:, second] = v, -v
    if layout.nests_glm:
        layout.glm(flat)[:] = glm.W
    return flat


def _glorot(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return weights uniform on +- sqrt(6 / (n_in + n_out))."""
    limit = np.sqrt(6.0 / sum(shape))
    return rng.uniform(-limit, limit, shape)


def feasible_start(objective: Objective, start: Array) -> Array:
    """Return parameters of a GLM at which every mean is one that the law can have.

    ``start``, if it is one. Without an intercept, links such as identity may give it
    no means: then the least-squares fit to g((y + mean of y) / 2), the classical start
    of IRLS (McCullagh and Nelder 1989, section 2.5).

    Raises
    ------
    ValueError
        There is none nearby.
    """
    if np.isfinite(objective.mean_loss(start)):
        return start
    rows, family = objective.rows, objective.family
    share = rows.weight / rows.weight.sum()
    target = family.link_of(0.5 * (rows.y + share @ rows.y))
    if rows.offset is not None:
        target = target - rows.offset
    normal = Rows(rows.X, target, rows.weight)
    found = Newton().solve(
        linear_objective(normal, Normal(), objective.network.layout.fit_intercept),
        np.zeros_like(start),
    )
    _require_finite(objective, found.w)
    return found.w
