"""A network around a GLM: eta = x beta + network(x), started at the GLM.

Sources: Schelldorfer and Wüthrich (2019), "Nesting classical actuarial models into neural
networks" (the combined actuarial neural network, CANN), section 3; He, Zhang, Ren and Sun
(2016), "Deep residual learning for image recognition".
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from families import Array
from glmnet_nn.estimators._choices import DEFAULT_MAX_ITER, DEFAULT_TOL
from glmnet_nn.estimators._fit import Fit, fit_rows
from glmnet_nn.estimators._task import Specification, layout_of
from glmnet_nn.network import Layer, Layout, Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source

_NOTHING_LEFT = 1e-12  # of the null deviance: the GLM reproduces y


def fit_nested(
    X: Array,
    y: Array,
    weight: Array,
    offset: Array | None,
    spec: Specification,
    glm: Fit | None = None,
) -> Fit:
    """Return the fit of the network and, where it nests one, of the GLM it is started from.

    With ``spec.skip`` "fixed" beta stays that of the GLM: X beta is part of the offset.
    ``glm`` is :func:`nested_glm`, if it is known already.

    Warns
    -----
    ConvergenceWarning
        The GLM did not converge.
    """
    return fit_nested_rows(Rows(X, y, weight, offset, spec.trials), spec, glm)


def fit_nested_rows(rows: Rows | Source, spec: Specification, glm: Fit | None = None) -> Fit:
    """Do what :func:`fit_nested` does, of rows in memory or in blocks."""
    if not spec.nests_glm:
        return fit_rows(rows, spec)
    glm = _glm_of(rows, spec) if glm is None else glm
    linear = glm.network.layout.layers(glm.weights)[0]
    spec = replace(spec, completed=partial(_with_rank_of, glm))
    if glm.deviance <= _NOTHING_LEFT * glm.null_deviance:
        # any solver would make steps of what is rounding
        spec = replace(spec, start=_without_network(linear, spec), settled=True)
    if spec.skip == "fixed":
        return _around(linear, rows, spec)
    return fit_rows(rows, spec, linear)


def _without_network(glm: Layer, spec: Specification) -> Array:
    """Return the parameters of the GLM with a network of weights 0, for X as given.

    Where the GLM reproduces y that is the minimum of F. From any other start the residuals,
    which are rounding, would tell the network where to go.
    """
    n_outputs, n_features = glm.W.shape
    sizes = (n_features, *spec.hidden, n_outputs)
    layout = layout_of(spec.architecture, sizes, spec.fit_intercept, bool(spec.skip))
    flat = np.zeros(layout.size)
    layout.glm(flat)[:] = glm.W
    b = layout.intercept(flat)
    if b is not None:
        b[:] = glm.b
    return flat


def _with_rank_of(glm: Fit, fit: Fit) -> Fit:
    """Return the fit with what the GLM tells of the data."""
    return replace(
        fit,
        null_deviance=glm.null_deviance,
        rank=glm.rank,
        dependent=glm.dependent,
        separated_rows=glm.separated_rows,
        infinite=glm.infinite,
    )


def nested_glm(X: Array, y: Array, weight: Array, offset: Array | None, spec: Specification) -> Fit:
    """Return the maximum likelihood fit of the GLM that the network has in it."""
    return _glm_of(Rows(X, y, weight, offset, spec.trials), spec)


def _glm_of(rows: Rows | Source, spec: Specification) -> Fit:
    classical = replace(
        spec,
        hidden=(),
        architecture="dense",
        skip=False,
        alpha=[0.0],
        l1_ratio=0.0,
        standardize="auto",
        solver="newton",
        max_iter=DEFAULT_MAX_ITER["newton"],
        tol=DEFAULT_TOL["newton"],
        validation_fraction=0.0,
        start=None,
        waiting=None,
        polish_output=False,
        balance=None,
        embeddings=(),
    )
    fit = fit_rows(rows.seen(Rows.in_double), classical)
    if not fit.solution.converged:
        warnings.warn(
            "the GLM that the network starts from did not converge: "
            f"{fit.solution.message}. Use another link, or a network without a GLM in it "
            "(architecture='dense', skip_connection=False).",
            ConvergenceWarning,
            stacklevel=8,
        )
    return fit


def _beside(W: Array, rows: Rows) -> Rows:
    """Return the rows with X W' in the offset."""
    known = rows.X @ W.T
    if rows.offset is not None:
        known += rows.offset
    return replace(rows, offset=known)


def _around(glm: Layer, rows: Rows | Source, spec: Specification) -> Fit:
    """Return the fit of the network beside X beta, with beta put into its skip connection."""
    start = spec.start
    if start is not None:
        sizes = (rows.n_features, *spec.hidden, rows.n_outputs)
        start = _without_skip(Layout(sizes, spec.fit_intercept, skip=True), start)
    alone = Layer(np.zeros_like(glm.W), glm.b)

    def completed(fit: Fit) -> Fit:
        layout = fit.network.layout
        *below, last = layout.layers(fit.weights)
        output = Layer(np.concatenate([last.W, glm.W], axis=1), last.b)
        whole = replace(
            fit,
            network=Network(replace(layout, skip=True), fit.network.activation, fit.network.bounds),
            weights=layout.flatten([*below, output]),
        )
        return whole if spec.completed is None else spec.completed(whole)

    beside = replace(spec, skip=False, start=start, completed=completed)
    return fit_rows(rows.seen(partial(_beside, glm.W)), beside, alone)


def _without_skip(layout: Layout, w: Array) -> Array:
    """Return the parameters of the hidden layers and of the output layer above them."""
    *below, last = layout.layers(w)
    return layout.flatten([*below, Layer(last.W[:, : layout.sizes[-2]], last.b)])
