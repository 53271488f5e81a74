"""Influence of single observations on a GLM: leverage, one step without the row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from families import Array
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.reference import ratio
from glmnet_nn.inference.shown import ShownTable


@dataclass(frozen=True, repr=False)
class Influence(ShownTable):
    """What each observation does to the fit, by one scoring step without it.

    With A_i = sqrt(w_i) S_i J_i the root of the information of the observation and r_i its
    Pearson residual, times sqrt(w_i), so that A_i' r_i is its score,

        H_ii = A_i F^-1 A_i'                                 leverage
        d_i  = F^-1 A_i' (I - H_ii)^-1 r_i                   b less b without i
        D_i  = d_i' F d_i / (phi k)                          Cook's distance.

    F is the expected information, as in R; statsmodels' get_influence(observed=False).
    For the Normal law with identity link d_i is exact. A frequency weight of k is k
    observations, each with the influence given here; precisions and probability weights
    belong to w_i.

    References
    ----------
    Pregibon (1981), Annals of Statistics 9; Williams (1987), Applied Statistics 36.
    """

    fitted: Fitted
    coefficients: Coefficients
    covariance: Array
    scale: float
    n_parameters: float
    df_resid: float
    index: pd.Index

    @cached_property
    def _steps(self) -> tuple[Array, Array, Array]:
        """Leverages H_kk, (n, K), studentised residuals, (n, K), and d_i in u, (n, r)."""
        y, eta = self.fitted.rows.y, self.fitted.eta
        n, K = eta.shape
        leverage, studentised = np.empty((n, K)), np.empty((n, K))
        steps = np.empty((n, self.fitted.root.shape[1]))
        for block, A, r, H in self.fitted.scoring_blocks():
            leverage[block] = np.diagonal(H, axis1=1, axis2=2)
            rest = np.eye(K) - H
            size = np.abs(r) * np.sign(self.fitted.family.pearson_residual(y[block], eta[block]))
            with np.errstate(divide="ignore", invalid="ignore"):
                studentised[block] = size / np.sqrt(self.scale * (1.0 - leverage[block]))
            whole = np.linalg.eigvalsh(rest)[:, 0] < 1e-10  # fitted exactly: no step
            rest[whole] = np.nan
            alone = np.linalg.solve(rest, r[..., None])[..., 0]
            steps[block] = np.einsum("nkr,nk->nr", A, alone)
        return leverage, studentised, steps

    @property
    def hat_matrix_diag(self) -> Array:
        """Leverages, (n,): the traces of H_ii.

        Weighted by copies they sum to k, for the expected information. For a network,
        where the observed information and the ridge take its place, they need not.
        """
        return np.asarray(self._steps[0].sum(axis=1))

    @property
    def resid_studentized(self) -> Array:
        """r_i / sqrt(phi (1 - H_ii)), (n,) or (n, K)."""
        return _folded(self._steps[1])

    @property
    def cooks_distance(self) -> tuple[Array, Array]:
        """D_i and P(F > D_i), F with k and n - k degrees of freedom."""
        D = ratio(np.square(self._steps[2]).sum(axis=1), self.scale * self.n_parameters)
        return D, stats.f.sf(D, self.n_parameters, self.df_resid)

    @property
    def d_params(self) -> Array:
        """d_i, (n, q): coefficients less those without the observation, class by class."""
        if not len(self.coefficients.values):
            raise AttributeError(
                "d_params and dfbetas would be of the weights of a network, which are not "
                "identified. Use d_linpred, d_fittedvalues or cooks_distance."
            )
        steps = self._steps[2] @ self.coefficients.from_u.T
        return np.where(self.coefficients.determined, steps, np.nan)

    @property
    def dfbetas(self) -> Array:
        """d_i over the standard errors of the coefficients, (n, q)."""
        return ratio(self.d_params, np.sqrt(np.diagonal(self.covariance)))

    @property
    def d_linpred(self) -> Array:
        """Change of the observation's own linear predictor, (n,) or (n, K)."""
        return _folded(self._own_change())

    @property
    def d_fittedvalues(self) -> Array:
        """Change of its own mean, to first order, (n,) or (n, K)."""
        fitted = self.fitted
        return _folded(fitted.family.mean_tangent(fitted.eta, self._own_change()))

    def _own_change(self) -> Array:
        steps = self._steps[2]
        blocks = [
            np.einsum("nkr,nr->nk", J, steps[block]) for block, J in self.fitted.jacobian_blocks()
        ]
        return np.concatenate(blocks)

    def summary_frame(self) -> pd.DataFrame:
        """Return dfbetas, Cook's distance, studentised residual and leverage of each row."""
        frame = pd.DataFrame(index=self.index)
        if labels := [f"dfb_{label}" for label in self.coefficients.labels]:
            frame[labels] = self.dfbetas
        frame["cooks_d"] = self.cooks_distance[0]
        for k, column in enumerate(self._steps[1].T):
            name = "standard_resid" if self._steps[1].shape[1] == 1 else f"standard_resid_{k}"
            frame[name] = column
        frame["hat_diag"] = self.hat_matrix_diag
        return frame


def _folded(values: Array) -> Array:
    return values[:, 0] if values.shape[1] == 1 else values
