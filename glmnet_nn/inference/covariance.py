"""The covariance of maximum likelihood estimates: model-based, and robust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from families import Array, ExponentialFamily
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.sandwich import meat, without_leverage
from glmnet_nn.inference.weights import Weighting, likelihood_phi, log_likelihood
from glmnet_nn.network import laid_out
from glmnet_nn.training.data import Rows
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import stacked_qr
from glmnet_nn.training.start import null_model

_RANK_RCOND = 1e-12
_ROWS = 4096  # in a block, so that the Jacobian of all rows is never formed
_BLOCK_BYTES = 2**25  # and no more of it, where there are many parameters


def information_root(objective: Objective, w: Array, free: Array) -> Array:
    """Return R, (size, r), with R R' = F^-1 on what the data determine.

    F = sum_i w_i J_i' S_i' S_i J_i is the Fisher information of the sum over rows at
    phi = 1 (THEORY: the recursion seeded with unit vectors gives J). F is never formed:
    with A = Q R, A'A = F, the inverse is R^-1 R^-T, by the singular values of R with its
    columns scaled to length 1. Along ``free`` and the flat directions of the law the
    covariance is 0: what they change is not estimable.

    Source: McCullagh and Nelder (1989), section 2.5; Golub and Van Loan (2013), 5.3.
    """
    fixed = np.column_stack([free, objective.flat_directions().T])
    kept = linalg.null_space(fixed.T) if fixed.shape[1] else np.eye(w.size)
    blocks = ((A @ kept, r) for A, r in objective.scoring_blocks(w))
    R = stacked_qr(blocks, kept.shape[1])[:, : kept.shape[1]]
    scale = np.sqrt(np.square(R).sum(axis=0))
    scale[scale == 0] = 1.0
    _, s, Vt = linalg.svd(R / scale, full_matrices=False)
    sound = s > _RANK_RCOND * s.max(initial=0.0)
    root = kept @ ((Vt[sound].T / s[sound]) / scale[:, None])
    return np.asarray(root / np.sqrt(objective.total_weight))


@dataclass(frozen=True)
class Fitted:
    """A model at its maximum, with what inference asks of its rows.

    Parameters
    ----------
    objective : Objective
        Without a penalty; its weights are ``weights.total``.
    w : array of shape (size,)
    root : array of shape (size, r)
        R with R R' = F^-1, from :func:`information_root`. In the parameters u, w = R u,
        the Fisher information is the identity.
    weights : Weighting
    """

    objective: Objective
    w: Array
    root: Array
    weights: Weighting

    @property
    def family(self) -> ExponentialFamily:
        """The law of y."""
        return self.objective.family

    @property
    def rows(self) -> Rows:
        """The observations; what is taken of them has X as the network sees it."""
        return self.objective.rows

    @property
    def n_designed(self) -> int:
        """The number of columns of [1, X]."""
        return self.rows.n_features + self.objective.network.layout.fit_intercept

    def design(self, block: slice) -> Array:
        """Return [1, X] of a model without hidden layers, X as the network sees it."""
        X = laid_out(self.rows.take(block).X)
        return np.hstack([np.ones((len(X), self.n_designed - X.shape[1])), X])

    @property
    def total_weight(self) -> float:
        """The sum of the weights of the loss."""
        return self.objective.total_weight

    @cached_property
    def eta(self) -> Array:
        """The linear predictors, (n, K)."""
        return np.concatenate([eta for _, eta in self.objective.predicted(self.w)])

    @cached_property
    def pearson(self) -> Array:
        """Pearson residuals r of weight 1, (n, K): S' r = -error."""
        return self.family.pearson(self.rows.y, self.eta)

    @property
    def pearson_chi2(self) -> float:
        """The weighted sum of their squares."""
        return float(self.weights.total @ np.square(self.pearson).sum(axis=1))

    def rounding(self, relative: float) -> float:
        """Return the dispersion that residuals of this share of the means would give."""
        return self.rounding_total(relative) / self.total_weight

    def rounding_total(self, relative: float) -> float:
        """Return the chi^2 that such residuals would give."""
        mu = self.family.mean(self.eta)
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.square(relative * mu / np.sqrt(self.family.variance(mu)))
        return float(np.nansum(self.weights.total @ unit))

    def null_loss(self) -> float:
        """Return the mean loss of the model with an intercept (and the offset) alone."""
        return null_model(self.rows, self.family)[1]

    def log_likelihood(self, total_loss: float, scale: float) -> float:
        """Return the log-likelihood where the loss is ``total_loss``, at the scale of the fit."""
        phi = likelihood_phi(self.family, self.weights.nobs, total_loss, scale)
        return self.log_likelihood_at(total_loss, phi)

    def log_likelihood_at(self, total_loss: float, phi: float) -> float:
        """Return it for this phi."""
        return log_likelihood(self.family, self.rows.y, self.weights, total_loss, phi)

    def meat(self, options: InferenceOptions, n_parameters: int) -> Array:
        """Return the M of a sandwich: see :mod:`glmnet_nn.inference.sandwich`."""
        return meat(
            self.scores(options.cov_type),
            options.cov_type,
            n_parameters=n_parameters,
            repeats=self.weights.copies,
            groups=options.groups,
            maxlags=options.hac_maxlags,
        )

    def blocks(self, width: int) -> Iterator[slice]:
        """Yield blocks of rows, for arrays with ``width`` numbers a row."""
        size = min(_ROWS, max(1, _BLOCK_BYTES // (8 * width)))
        for at in range(0, len(self.rows), size):
            yield slice(at, min(at + size, len(self.rows)))

    def jacobian_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield (rows, d eta / d u), blocks of shape (m, K, r)."""
        for block in self.blocks(self.w.size * self.objective.network.layout.sizes[-1]):
            inputs, _ = self.objective.linear_predictor(self.w, self.rows.take(block))
            yield block, self.objective.network.jacobian(self.w, inputs) @ self.root

    def scoring_blocks(self) -> Iterator[tuple[slice, Array, Array, Array]]:
        """Yield (rows, A, r, H): of one observation the root of its information in u,
        sqrt(factor) S d eta / d u, its residual with A' r its score, and H = A A', its leverage.
        """
        root = np.sqrt(self.weights.factor)
        for block, J in self.jacobian_blocks():
            A = self.family.fisher_root(self.eta[block], J) * root[block, None, None]
            yield block, A, self.pearson[block] * root[block, None], A @ A.transpose(0, 2, 1)

    def scores(self, cov_type: str = "HC0") -> Array:
        """Return the score of one observation of each row in u, (n, r), at phi = 1.

        For HC2 and HC3 its residual is freed of its own leverage.
        """
        scores = np.empty((len(self.rows), self.root.shape[1]))
        for block, A, r, H in self.scoring_blocks():
            scores[block] = np.einsum("nkr,nk->nr", A, without_leverage(r, H, cov_type))
        return scores

    def bias_adjustment(self) -> Array:
        """Return what Firth's adjusted score in u has more: see training.bias_reduction."""
        slope = np.zeros(self.root.shape[1])
        for block, J in self.jacobian_blocks():
            spread = self.weights.total[block, None, None] * (J @ J.transpose(0, 2, 1))
            seed = self.family.bias_adjustment(self.eta[block], spread)
            slope += np.einsum("nkr,nk->r", J, seed)
        return slope

    def observed_information(self) -> Array:
        """Return the second derivatives of sum_i w_i loss_i in u: I for a canonical link."""
        if self.family.is_canonical:
            return np.eye(self.root.shape[1])
        total, information = self.weights.total, 0.0
        for block, J in self.jacobian_blocks():
            C = self.family.curvature_times(self.rows.y[block], self.eta[block], J)
            information += np.einsum("nkr,nks->rs", J, C * total[block, None, None])
        return np.asarray(information)


def covariance(fitted: Fitted, phi: float, n_parameters: int, options: InferenceOptions) -> Array:
    """Return the covariance of u, (r, r): phi I, or a sandwich. That of w = R u is R V R'.

    The sandwich is O^-1 M O^-1, M of :mod:`glmnet_nn.inference.sandwich` and O the observed
    information. With a canonical link O is the expected information; with another they
    differ unless the mean is right, and the asymptotic covariance is that with O (White
    1982, Econometrica 50). So do statsmodels and Stata; R's sandwich takes the expected one.

    Raises
    ------
    ValueError
        O is not positive definite; or what :func:`meat` complains of.
    """
    if not options.is_robust:
        return phi * np.eye(fitted.root.shape[1])
    M = fitted.meat(options, n_parameters)
    bread = _inverse(fitted.observed_information(), options.cov_type)
    return np.asarray(bread @ M @ bread)


def _inverse(O: Array, cov_type: str) -> Array:
    s, U = linalg.eigh(O)
    if np.any(s <= _RANK_RCOND * s.max(initial=0.0)):
        raise ValueError(
            f"cov_type={cov_type!r} needs a positive definite observed information, but its "
            f"smallest eigenvalue relative to the expected information is {s.min():.3g}: the "
            "optimum is a saddle or flat. Use cov_type='nonrobust' or the canonical link."
        )
    return np.asarray((U / s) @ U.T)
