"""Tests of linear hypotheses, of added columns, and of one model within another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg, stats

from families import Array
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.contrasts import Contrasts
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.sandwich import meat
from glmnet_nn.inference.shown import ShownTable
from glmnet_nn.training.solvers import stacked_qr

if TYPE_CHECKING:
    from glmnet_nn.inference.results import GLMResults

_ROUNDING = 1e-10
_NESTED = 1e-7  # of the length of a column: less of it outside the other columns is rounding
_RANK_RCOND = 1e-13  # eigenvalues of a correlation matrix below, of the largest, count as 0


@dataclass(frozen=True)
class JointTest:
    """A statistic with its reference law: chi-square, or F if ``df_denom`` is a number.

    Attributes
    ----------
    statistic : float
        An F statistic is the chi-square one over ``df_num``.
    df_num : int
    df_denom : float or None
    """

    statistic: float
    df_num: int
    df_denom: float | None = None

    @property
    def pvalue(self) -> float:
        """P(a larger statistic) under the hypothesis."""
        if self.df_denom is None:
            return float(stats.chi2.sf(self.statistic, self.df_num))
        return float(stats.f.sf(self.statistic, self.df_num, self.df_denom))

    @property
    def distribution(self) -> str:
        """ "chi2" or "F"."""
        return "chi2" if self.df_denom is None else "F"

    def __str__(self) -> str:
        df = f"{self.df_num}" if self.df_denom is None else f"{self.df_num}, {self.df_denom:g}"
        return f"{self.distribution}({df}) = {self.statistic:.6g}, p = {self.pvalue:.4g}"

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class ContrastTest(ShownTable):
    """Tests of R b = q row by row.

    Attributes
    ----------
    effect, sd : array of shape (m,)
        R b and its standard error.
    value : array of shape (m,)
        q.
    df : float or None
        Degrees of freedom of the t law; None is the normal law.
    """

    effect: Array
    sd: Array
    value: Array
    df: float | None
    labels: list[str]

    _digits = ".4f"

    @cached_property
    def tvalue(self) -> Array:
        """(effect - value) / sd; NaN for a row that is compared with itself."""
        return ratio(self.effect - self.value, self.sd)

    @property
    def pvalue(self) -> Array:
        """Two-sided."""
        return np.asarray(2.0 * reference(self.df).sf(np.abs(self.tvalue)))

    def conf_int(self, alpha: float = 0.05) -> Array:
        """Return effect -+ t sd, (m, 2)."""
        half = critical_value(self.df, alpha) * self.sd
        return np.column_stack([self.effect - half, self.effect + half])

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the tests as a table."""
        return coefficient_table(self.effect, self.sd, self.df, alpha, self.labels, self.value)


def reference(df: float | None) -> stats.rv_frozen:
    """Return the law that a statistic is referred to: normal, or t with df degrees."""
    return stats.norm() if df is None else stats.t(df)


def critical_value(df: float | None, alpha: float) -> float:
    """Return the 1 - alpha / 2 quantile of that law."""
    if not 0 < alpha < 1:
        raise ValueError(
            f"alpha must lie between 0 and 1, but got {alpha!r}. Use 0.05 for 95 % intervals."
        )
    return float(reference(df).ppf(1.0 - alpha / 2))


def ratio(estimate: Array, se: Array | float) -> Array:
    """Return estimate / se, infinite or NaN where se is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(estimate / np.asarray(se))


def coefficient_table(
    estimate: Array,
    se: Array,
    df: float | None,
    alpha: float,
    index: pd.Index | list[str],
    value: Array | float = 0.0,
) -> pd.DataFrame:
    """Return estimates, standard errors, tests of ``value`` and intervals, one row each."""
    law, letter = reference(df), "z" if df is None else "t"
    z = ratio(estimate - value, se)
    half = critical_value(df, alpha) * se
    columns = {
        "coef": estimate,
        "std err": se,
        letter: z,
        f"P>|{letter}|": 2.0 * law.sf(np.abs(z)),
        f"[{alpha / 2:g}": estimate - half,
        f"{1 - alpha / 2:g}]": estimate + half,
    }
    return pd.DataFrame(columns, index=index)


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


def likelihood_ratio(full: GLMResults, restricted: GLMResults) -> JointTest:
    """Return (D_0 - D_1) / phi_1, D_0 the deviance of the restricted model.

    Source: McCullagh and Nelder (1989), section 2.3; F as in Venables and Ripley (2002), 7.5.

    Raises
    ------
    ValueError
        The models cannot be nested, or their covariance is not model-based.
    """
    for results in (full, restricted):
        if results.options.is_robust:
            raise ValueError(
                f"the likelihood-ratio test holds under the model alone, but cov_type="
                f"{results.cov_type!r}. Use wald_test, or cov_type='nonrobust'."
            )
    _require_nested(full.fitted, restricted.fitted)
    df = full.n_parameters - restricted.n_parameters
    same = full.title == restricted.title and full.nobs == restricted.nobs
    gain = restricted.deviance - full.deviance
    if same and full.fitted.family != restricted.fitted.family:
        gain = _profile_gain(full, restricted)
    if not same or df <= 0 or gain < -1e-8 * abs(restricted.deviance):
        raise ValueError(
            "lr_test(restricted) needs a special case of this model, fitted to the same data, but "
            f"this is a {full.title!r} with {full.n_parameters} parameters, {full.nobs:g} "
            f"observations and deviance {full.deviance:.6g}; the other a {restricted.title!r} with "
            f"{restricted.n_parameters}, {restricted.nobs:g} and {restricted.deviance:.6g}."
        )
    statistic = max(gain, 0.0) / full.scale
    if not full.use_t:
        return JointTest(statistic, df)
    return JointTest(statistic / df, df, full.df_inference)


def _require_nested(full: Fitted, restricted: Fitted) -> None:
    """Raise unless the rows are the same and the full model can say what the restricted can."""
    ours, theirs = full.rows, restricted.rows
    pairs: dict[str, tuple[Any, Any]] = {
        "y": (ours.y, theirs.y),
        "weights": (full.weights.total, restricted.weights.total),
        "weight_type": (full.weights.kind, restricted.weights.kind),
    }
    for name, (one, other) in pairs.items():
        if not np.array_equal(one, other):
            raise ValueError(
                "lr_test(restricted) compares two models of the same rows in the same order, but "
                f"the {name} of the restricted one are not those of this one. Call inference() of "
                "both with the same data."
            )
    if full.eta.shape != restricted.eta.shape:  # which likelihood_ratio tells from their titles
        return
    zero = np.zeros_like(full.eta)
    known = [zero if rows.offset is None else rows.offset + zero for rows in (ours, theirs)]
    offset = known[1] - known[0]
    offset = offset - offset[:, :1] if full.family.event_ndim else offset
    D, D0 = _reduced(full, restricted, offset)
    size = np.sqrt(np.square(D0).sum(axis=0))
    rest = D0 - D @ linalg.lstsq(D, D0)[0]
    if np.any(np.sqrt(np.square(rest).sum(axis=0)) > _NESTED * size):
        raise ValueError(
            "lr_test(restricted) needs a special case of this model, but the columns of the "
            "restricted one, or what its offset has more, are no linear combinations of the "
            "columns of this one. Compare aic, or fit a model that holds the columns of both."
        )


def _reduced(full: Fitted, restricted: Fitted, offset: Array) -> tuple[Array, Array]:
    """Return Q'[1, X] and Q'[1, X_0, offset], Q of both side by side: no more rows than columns."""
    size = full.n_designed + restricted.n_designed + offset.shape[1]
    parts = (
        np.hstack([full.design(at), restricted.design(at), offset[at]]) for at in full.blocks(size)
    )
    R = stacked_qr(((part, np.zeros(len(part))) for part in parts), size)[:, :size]
    return R[:, : full.n_designed], R[:, full.n_designed :]


def _profile_gain(full: GLMResults, restricted: GLMResults) -> float:
    """Return twice the gain in log-likelihood, each at its own estimate of the law."""
    law, other = full.fitted.family, restricted.fitted.family
    estimated = full.n_law_parameters and restricted.n_law_parameters
    if law.has_dispersion or not estimated:
        raise ValueError(
            f"lr_test(restricted) compares deviances of one law, but this model has {law!r}, the "
            f"other {other!r}. Fit the restricted model with family={law!r}."
        )
    return 2 * (full.llf - restricted.llf)


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
