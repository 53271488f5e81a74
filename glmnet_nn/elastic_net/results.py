"""A path as it is returned: coefficients for X as given, and what was found at each alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from families import Array, ExponentialFamily


@dataclass(frozen=True, repr=False)
class ElasticNetPath:
    r"""GLMs with an elastic net, one for each alpha, from the strongest penalty to the weakest.

    Attributes
    ----------
    alphas : array of shape (m,)
        Falling; on the scale of half the mean deviance (glmnet's lambda).
    l1_ratio : float
    coefs : array of shape (p, m), or (K, p, m)
        For X as given.
    intercepts : array of shape (m,), or (K, m)
    deviance : array of shape (m,)
        sum w d(y, mu).
    null_deviance : float
        That of the intercept (and offset) alone.
    deviance_ratio : array of shape (m,)
        1 - deviance / null_deviance, the share explained; 0 where there is none to explain.
    df : array of int, (m,)
        Coefficients that are not 0.
    converged : array of bool, (m,)
    n_iter : array of int, (m,)
        Newton steps.
    family : ExponentialFamily
    feature_names : list of str
    output_names : list of str or None
        Names of the K outputs of a vector law.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), "Regularization paths for generalized linear
    models via coordinate descent", Journal of Statistical Software 33.
    """

    alphas: Array
    l1_ratio: float
    coefs: Array
    intercepts: Array
    deviance: Array
    null_deviance: float
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.intp]
    family: ExponentialFamily
    feature_names: list[str]
    output_names: list[str] | None = None

    @property
    def deviance_ratio(self) -> Array:
        """1 - deviance / null_deviance."""
        if self.null_deviance == 0:
            return np.zeros_like(self.deviance)
        return 1.0 - self.deviance / self.null_deviance

    @property
    def df(self) -> NDArray[np.intp]:
        """The number of coefficients that are not 0."""
        return np.count_nonzero(self.coefs, axis=tuple(range(self.coefs.ndim - 1)))

    def linear_predictor(self, X: Any) -> Array:
        """Return eta without an offset, (n, m), or (n, K, m), for validated X, sparse or not."""
        slopes = self.coefs.reshape(-1, *self.coefs.shape[-2:])
        eta = np.stack([np.asarray(X @ one) for one in slopes], axis=1)
        eta += self.intercepts.reshape(1, len(slopes), -1)
        return eta[:, 0] if self.coefs.ndim == 2 else eta

    def nearest(self, alpha: float) -> int:
        """Return the place of the alpha that is nearest on the logarithmic scale."""
        with np.errstate(divide="ignore"):
            gap = np.abs(np.log(self.alphas) - np.log(alpha))
        gap[self.alphas == alpha] = 0.0
        return int(np.argmin(gap))

    def __repr__(self) -> str:
        ends = f"{len(self.alphas)} alphas from {self.alphas[0]:.3g} to {self.alphas[-1]:.3g}"
        return f"<ElasticNetPath: {self.family!r}, {ends}; see to_frame() and plot()>"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each alpha: deviance_ratio, df, converged and the coefficients.

        The columns of the coefficients are called by their features, with the intercept as
        "Intercept"; of several outputs each by a pair (output, feature).
        """
        found = {
            "deviance_ratio": self.deviance_ratio,
            "df": self.df,
            "converged": self.converged,
        }
        index = pd.Index(self.alphas, name="alpha")
        if self.coefs.ndim == 2:
            names = ["Intercept", *self.feature_names]
            values = np.vstack([self.intercepts, self.coefs])
            summary = pd.DataFrame(found, index=index)
            return summary.join(pd.DataFrame(values.T, index=index, columns=names))
        outputs = self.output_names or [str(k) for k in range(len(self.coefs))]
        frames = [pd.DataFrame({("", name): column for name, column in found.items()}, index=index)]
        for name, intercept, coefs in zip(outputs, self.intercepts, self.coefs, strict=True):
            columns = pd.MultiIndex.from_product([[name], ["Intercept", *self.feature_names]])
            values = np.vstack([intercept, coefs])
            frames.append(pd.DataFrame(values.T, index=index, columns=columns))
        return pd.concat(frames, axis=1)

    def plot(self, *, against: str = "alpha", ax: Any = None, **kwargs: Any) -> Any:
        """Draw the coefficients along the path; see :class:`ElasticNetPathDisplay`."""
        from glmnet_nn.elastic_net.display import ElasticNetPathDisplay

        return ElasticNetPathDisplay.from_path(self, against=against, ax=ax, **kwargs)

    def unconverged(self) -> Array:
        """Return the alphas at which the optimum was not reached."""
        return self.alphas[~self.converged]
