"""How much more counts vary than their law says, from a preliminary GLM."""

from __future__ import annotations

import numpy as np

from families import ExponentialFamily
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs
from glmnet_nn.training.preliminary import PreliminaryGLM
from glmnet_nn.training.sources import Source, together

_MOST_ROWS = 20_000  # a percent of phi is more than enough


def overdispersion(rows: Rows | Source, inputs: Inputs, family: ExponentialFamily) -> float:
    """Return max(1, phi), Var[y] = phi V(mu) / w, by Fletcher's estimate in the classical GLM.

    Pearson's chi^2 / (n - p), over 1 + the mean of s,

        s = V'(mu) (y - mu) / V(mu),

    whose large residuals of sparse counts cancel those of chi^2. n counts rows: a weight of
    two as two, one below 1 (the exposure of a rate) as one, and the trials of a row as one.
    1 for a law whose variance follows from its mean, and where no residuals are left. Of
    many rows a sample is taken.

    Source: Fletcher (2012), "Estimating overdispersion when fitting a generalized linear
    model to sparse data", Biometrika 99.

    Parameters
    ----------
    rows : Rows
    inputs : Inputs
        The scaling of X.
    family : ExponentialFamily

    Examples
    --------
    Counts that come in pairs vary twice as much:

    >>> from families import Poisson
    >>> from glmnet_nn.training.inputs import unscaled
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(5000, 1)), 2.0 * rng.poisson(3.0, size=(5000, 1))
    >>> print(f"{overdispersion(Rows(X, y, np.ones(5000)), unscaled(1), Poisson()):.1f}")
    2.0
    """
    if not family.may_be_overdispersed:
        return 1.0
    if len(rows) > _MOST_ROWS:
        chosen = np.random.default_rng(0).choice(len(rows), _MOST_ROWS, replace=False)
        rows = rows.take(np.sort(chosen))
    if isinstance(rows, Source):
        rows = together(rows.map(_as_it_is))
    classical = PreliminaryGLM.of(rows, inputs, family)
    repeats = np.maximum(rows.weight / (1.0 if rows.trials is None else rows.trials), 1.0)
    K = rows.y.shape[1]
    freedom = K * float(repeats.sum()) - classical.n_parameters
    if freedom <= 0:
        return 1.0
    predicted = classical.objective.predicted(classical.solved().w)
    eta = np.concatenate([eta for _, eta in predicted])
    chi2 = rows.weight @ np.square(family.pearson(rows.y, eta)).sum(axis=1)
    with np.errstate(all="ignore"):
        slope = family.log_variance_slope(eta) / family.mean_tangent(eta, np.ones_like(eta))
        s = repeats @ (slope * (rows.y - family.mean(eta))) / repeats.sum()
        phi = float(chi2 / freedom / (1.0 + s.mean()))
    return phi if 1.0 < phi < np.inf else 1.0


def _as_it_is(rows: Rows) -> Rows:
    return rows
