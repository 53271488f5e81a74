"""What a network says of y, and how it changes with the parameters.

A functional of the parameters, f(w), has by the delta method the variance g' C g, g its
gradient and C the covariance of w. The gradients come from the recursion: of a linear
predictor the Jacobian, of a mean the Jacobian times d mu / d eta, of an average partial
effect the recursion differentiated once more along an input.

Source: van der Vaart (1998), Asymptotic Statistics, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from families import Array, ExponentialFamily
from glmnet_nn.network import Network, gradient_tangent, tangent
from glmnet_nn.training.data import Rows


class Functional(NamedTuple):
    """Values, (m,), and their gradients in the parameters, (m, q)."""

    values: Array
    gradients: Array

    def __sub__(self, other: Functional) -> Functional:
        return Functional(self.values - other.values, self.gradients - other.gradients)


class WithError(NamedTuple):
    """Values and their standard errors; NaN where the data do not determine the value."""

    values: Array
    se: Array


def delta_method(
    function: Callable[[Rows], Functional],
    root: Array,
    is_estimable: Callable[[Array], NDArray[np.bool_]],
    rows: Sequence[Iterable[Rows]],
) -> WithError:
    """Return f, or f(first) - f(second), with sqrt(g' C g), C = ``root`` ``root``'.

    ``rows`` holds the blocks of one table of rows, or of two of equal length.
    """
    values, errors = [], []
    for blocks in zip(*rows, strict=True):
        found = function(blocks[0])
        if len(blocks) == 2:
            found = found - function(blocks[1])
        se = np.sqrt(np.square(found.gradients @ root).sum(axis=1))
        values.append(found.values)
        errors.append(np.where(is_estimable(found.gradients), se, np.nan))
    return WithError(np.concatenate(values), np.concatenate(errors))


def linear_predictors(
    network: Network, family: ExponentialFamily, w: Array, rows: Rows
) -> Functional:
    """Return eta, row by row; of a vector law less that of the first output.

    (The components of its eta are determined up to a shift.)
    """
    inputs, eta = network.forward(w, rows.X)
    eta = eta if rows.offset is None else eta + rows.offset
    J = network.jacobian(w, inputs)
    if family.event_ndim:
        eta, J = eta[:, 1:] - eta[:, :1], J[:, 1:] - J[:, :1]
    return Functional(eta.ravel(), J.reshape(eta.size, -1))


def means(network: Network, family: ExponentialFamily, w: Array, rows: Rows) -> Functional:
    """Return mu = g^-1(eta), row by row; its gradients are those of eta times D mu(eta)."""
    inputs, eta = network.forward(w, rows.X)
    eta = eta if rows.offset is None else eta + rows.offset
    J = network.jacobian(w, inputs)
    slopes = np.stack([family.mean_tangent(eta, e) for e in _units(eta)], axis=1)
    return Functional(
        family.mean(eta).ravel(), np.einsum("nkl,nlq->nkq", slopes, J).reshape(eta.size, -1)
    )


def log_odds(network: Network, family: ExponentialFamily, w: Array, rows: Rows) -> Functional:
    """Return log(mu_k / (1 - mu_k)) of the classes k of a law of K of them, row by row."""
    inputs, eta = network.forward(w, rows.X)
    eta = eta if rows.offset is None else eta + rows.offset
    values, slopes = odds_of_classes(eta)
    gradients = slopes @ network.jacobian(w, inputs)
    return Functional(values.ravel(), gradients.reshape(eta.size, -1))


def odds_of_classes(eta: Array) -> tuple[Array, Array]:
    """Return log(mu_k / (1 - mu_k)), mu = softmax(eta), (n, K), and d / d eta_l of it, (n, K, K).

    It is eta_k - log sum_(l != k) exp(eta_l): no probability that rounds to 0 or 1 is in it.

    Examples
    --------
    >>> print(odds_of_classes(np.array([[800.0, 0.0]]))[0])
    [[ 800. -800.]]
    """
    same = np.eye(eta.shape[1], dtype=bool)
    others = np.where(same, -np.inf, eta[:, None, :])
    return eta - special.logsumexp(others, axis=2), same - special.softmax(others, axis=2)


def partial_effects(
    network: Network,
    family: ExponentialFamily,
    w: Array,
    rows: Rows,
    direction: Array,
    mean: bool,
    known: Array | float = 0.0,
) -> tuple[Array, Array]:
    """Return d mu_k / dt, z moving by ``direction`` dt, of every row, (n, K); and the gradient, \
(K, q), of their average.

    The average is weighted by ``rows.weight``, which sums to 1. For ``mean=False`` it is
    d eta_k / dt; of a vector law less that of the first output, which is left out. ``known`` is
    the part of d eta_k / dt that the offset has, (n, K).
    """
    inputs, eta = network.forward(w, rows.X)
    eta = eta if rows.offset is None else eta + rows.offset
    along = np.broadcast_to(direction, rows.X.shape)
    moved = tangent(network, w, inputs, input_tangent=along)
    slope = moved.eta + known
    share, gradients = rows.weight[:, None], []
    for e in _units(eta):
        if mean:
            seed = family.mean_tangent(eta, e)
            change = family.mean_second_tangent(eta, e, slope)
        else:
            seed, change = e - _units(eta)[0] * bool(family.event_ndim), np.zeros_like(eta)
        gradients.append(gradient_tangent(network, w, inputs, moved, share * seed, share * change))
    if mean:
        return family.mean_tangent(eta, slope), np.array(gradients)
    if family.event_ndim:
        return slope[:, 1:] - slope[:, :1], np.array(gradients[1:])
    return slope, np.array(gradients)


def steps(
    network: Network, family: ExponentialFamily, w: Array, low: Rows, high: Rows
) -> tuple[Array, Array]:
    """Return mu(high) - mu(low) of every row, (n, K), and the gradient of its average, (K, q)."""
    above, rising = averaged(network, family, w, high, mean=True)
    below, falling = averaged(network, family, w, low, mean=True)
    return above - below, rising - falling


def averaged(
    network: Network, family: ExponentialFamily, w: Array, rows: Rows, mean: bool
) -> tuple[Array, Array]:
    """Return mu of every row, (n, K), and the gradient of its average, (K, q).

    For ``mean=False`` it is eta; weights and outputs are as in :func:`partial_effects`.
    """
    inputs, eta = network.forward(w, rows.X)
    eta = eta if rows.offset is None else eta + rows.offset
    share, units, first = rows.weight[:, None], _units(eta), int(bool(family.event_ndim))
    if mean:
        values, seeds = family.mean(eta), [family.mean_tangent(eta, e) for e in units]
    elif first:
        values, seeds = eta[:, 1:] - eta[:, :1], [e - units[0] for e in units[1:]]
    else:
        values, seeds = eta, units
    return values, np.array([network.gradient(w, inputs, share * seed) for seed in seeds])


def _units(eta: Array) -> list[Array]:
    """Return for each output k the rows e_k, (n, K)."""
    return [np.broadcast_to(e, eta.shape) for e in np.eye(eta.shape[1])]
