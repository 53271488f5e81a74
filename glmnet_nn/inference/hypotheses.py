"""Tests of linear hypotheses, and of added columns."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg

from families import Array
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.contrasts import Contrasts
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.reference import ContrastTest, JointTest
from glmnet_nn.inference.sandwich import meat

_ROUNDING = 1e-10
_RANK_RCOND = 1e-13  # eigenvalues of a correlation matrix below, of the largest, count as 0


def wald(
    hypothesis: Contrasts, coefficients: Coefficients, V: Array, df_denom: float | None
) -> JointTest:
    """Return (R b - q)' (R C R')^-1 (R b - q), over its degrees of freedom for F.

    C is the covariance of b when u has V.

    Raises
    ------
    ValueError
        The rows of R depend on each other, or R asks for what is not determined.
    """
    R = hypothesis.matrix
    if np.linalg.matrix_rank(R) < len(R):
        raise ValueError(
            f"the {len(R)} restrictions {hypothesis.labels} are linearly dependent. "
            "Leave out those that follow from the others."
        )
    gap = R @ coefficients.values - hypothesis.values
    test = _chi2(gap, _between(R, coefficients, V))
    if df_denom is None:
        return test
    return JointTest(test.statistic / test.df_num, test.df_num, df_denom)


def by_row(
    hypothesis: Contrasts, coefficients: Coefficients, V: Array, df: float | None
) -> ContrastTest:
    """Return the test of each row of R b = q."""
    variance = np.diagonal(_between(hypothesis.matrix, coefficients, V))
    effect = hypothesis.matrix @ coefficients.values
    return ContrastTest(effect, np.sqrt(variance), hypothesis.values, df, hypothesis.labels)


def _between(R: Array, coefficients: Coefficients, V: Array) -> Array:
    """Return R C R', if the data determine R b."""
    unknown = ~coefficients.determine(R)
    if unknown.any():
        row = R[np.argmax(unknown)]
        asked = [
            label
            for label, r, known in zip(
                coefficients.labels, row, coefficients.determined, strict=True
            )
            if r != 0 and not known
        ]
        raise ValueError(
            f"the hypothesis asks for {asked}, which the data do not determine, alone or in this "
            "combination: see bse. Test what is determined."
        )
    root = R @ coefficients.from_u
    return np.asarray(root @ V @ root.T)


def _chi2(gap: Array, S: Array) -> JointTest:
    """Return gap' S^-1 gap; of a singular S, as statsmodels, by its pseudo-inverse and rank.

    Warns
    -----
    InferenceWarning
        S is singular.
    """
    m, size = len(S), np.sqrt(np.diagonal(S))
    if not np.all(size > 0):
        raise ValueError(
            f"the test divides by standard errors, but those of the {m} restrictions are {size}: "
            "the fit leaves no residuals to estimate them from."
        )
    correlation = S / np.outer(size, size)
    values = linalg.eigvalsh(correlation)
    rank = int(np.sum(values > _RANK_RCOND * values[-1]))
    if rank == m:
        z = gap / size
        return JointTest(float(z @ linalg.solve(correlation, z, assume_a="sym")), m)
    warnings.warn(
        f"the covariance of these {m} restrictions has rank {rank}: chi-square has {rank} degrees "
        "of freedom, and the rest goes untested. Of G clusters the rank is at most G - 1. Test "
        "fewer restrictions, or group less coarsely.",
        InferenceWarning,
        stacklevel=4,
    )
    values, U = linalg.eigh(S)
    along = (U.T @ gap)[-rank:]
    return JointTest(float(np.sum(np.square(along) / values[-rank:])), rank)


def added_columns(
    fitted: Fitted,
    extra: Array,
    phi: float,
    n_parameters: int,
    options: InferenceOptions,
    observed: bool,
) -> JointTest:
    """Return the score test of columns Z that the model lacks: no other model is fitted.

    With s = sum_i w_i z_i (y_i - mu_i) theta'_i the score of their coefficients at 0,

        s' [ I_zz - I_zu I_uu^-1 I_uz ]^-1 s / phi,

    I the observed or the expected information; under a robust cov_type the covariance
    of s less I_zu I_uu^-1 times the other scores is estimated by :func:`meat` instead.
    Source: Cox and Hinkley (1974), section 9.3; Boos (1992), The American Statistician 46.
    """
    n, K = fitted.eta.shape
    total = fitted.weights.total
    r, m = fitted.root.shape[1], extra.shape[1] * K
    information, scores = np.zeros((r + m, r + m)), np.empty((n, r + m))
    for block, J in fitted.jacobian_blocks():
        ours = np.einsum("nj,kl->nklj", extra[block], np.eye(K)).reshape(len(J), K, m)
        both = np.concatenate([J, ours], axis=2)
        y, eta = fitted.rows.y[block], fitted.eta[block]
        if observed:
            turned = fitted.family.curvature_times(y, eta, both)
            information += np.einsum("nkr,nks,n->rs", both, turned, total[block])
        else:
            A = fitted.family.fisher_root(eta, both)
            information += np.einsum("nkr,nks,n->rs", A, A, total[block])
        error = fitted.family.error(y, eta) * fitted.weights.factor[block, None]
        scores[block] = -np.einsum("nkr,nk->nr", both, error)
    B = linalg.solve(information[:r, :r], information[:r, r:], assume_a="sym")
    kept = _estimable(information[r:, r:] - information[r:, :r] @ B, information[r:, r:])
    B, own = B @ kept, scores[:, r:] @ kept
    s = fitted.weights.copies @ own
    if options.is_robust:
        M = meat(
            own - scores[:, :r] @ B,
            "HC0" if options.cov_type in ("HC2", "HC3") else options.cov_type,
            n_parameters=n_parameters,
            repeats=fitted.weights.copies,
            groups=options.groups,
            maxlags=options.hac_maxlags,
        )
    else:
        M = phi * (kept.T @ information[r:, r:] @ kept - (kept.T @ information[r:, :r]) @ B)
    return _chi2(s, M)


def _estimable(schur: Array, information: Array) -> Array:
    """Return orthonormal directions of added coefficients that the model does not hold yet."""
    scale = np.sqrt(np.diagonal(information))
    scale = np.where(scale > 0, scale, 1.0)
    s, U = linalg.eigh(schur / np.outer(scale, scale))
    kept = np.abs(s) > _ROUNDING
    if not kept.any():
        raise ValueError(
            "the added columns are linear combinations of those in the model. "
            "Give columns that the model lacks."
        )
    return np.asarray(U[:, kept] / scale[:, None])
