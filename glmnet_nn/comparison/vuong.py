"""Vuong's likelihood-ratio test of models of which neither contains the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from families import Array
from glmnet_nn.estimators._validation import check_weight


@dataclass(frozen=True)
class VuongTest:
    """z > 0 speaks for the first model, z < 0 for the second.

        m_i = log f(y_i) - log g(y_i),   omega^2 = mean m^2 - (mean m)^2
        z = (sum m - penalty) / (sqrt(n) omega)

    with penalty 0, p - q (AIC) or (p - q) log(n) / 2 (BIC), p and q the numbers of
    parameters. Under the hypothesis that both models are equally near the truth z is
    asymptotically N(0, 1), for strictly non-nested models whose densities differ. For
    overlapping or nested ones omega may tend to 0, and the law is another.

    Attributes
    ----------
    llr : float
        sum m.
    omega : float
    nobs : float
        n, the sum of weights.
    z, z_aic, z_bic, pvalue, pvalue_aic, pvalue_bic : float
        p-values are two-sided.

    References
    ----------
    Vuong (1989), "Likelihood ratio tests for model selection and non-nested hypotheses",
    Econometrica 57, section 5.
    """

    llr: float
    omega: float
    nobs: float
    surplus: float

    def _z(self, penalty: float) -> float:
        gain, spread = self.llr - penalty, float(np.sqrt(self.nobs)) * self.omega
        if spread == 0:
            return 0.0 if gain == 0 else float(np.copysign(np.inf, gain))
        return gain / spread

    @property
    def z(self) -> float:
        """Without a correction."""
        return self._z(0.0)

    @property
    def z_aic(self) -> float:
        """With Akaike's correction."""
        return self._z(self.surplus)

    @property
    def z_bic(self) -> float:
        """With Schwarz's correction."""
        return self._z(0.5 * self.surplus * float(np.log(self.nobs)))

    @property
    def pvalue(self) -> float:
        """Of z."""
        return float(2 * stats.norm.sf(abs(self.z)))

    @property
    def pvalue_aic(self) -> float:
        """Of z_aic."""
        return float(2 * stats.norm.sf(abs(self.z_aic)))

    @property
    def pvalue_bic(self) -> float:
        """Of z_bic."""
        return float(2 * stats.norm.sf(abs(self.z_bic)))


def vuong_test(
    first: ArrayLike,
    second: ArrayLike,
    n_parameters: tuple[float, float] = (0, 0),
    sample_weight: ArrayLike | None = None,
) -> VuongTest:
    """Return Vuong's test from the log-likelihoods of each row under two fits.

    Parameters
    ----------
    first, second : array-like of shape (n,)
        log f(y_i) at the maximum likelihood estimates.
    n_parameters : tuple, default=(0, 0)
        Numbers of parameters of both.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows.

    Raises
    ------
    ValueError
        Lengths differ, a number is not finite, or a weight negative.

    Examples
    --------
    >>> test = vuong_test([-1.0, -2.0, -1.5], [-1.5, -1.0, -3.0])
    >>> print(round(test.llr, 6), round(test.z, 6))
    1.0 0.561951
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    wrong = ""
    if a.shape != b.shape or a.ndim != 1:
        wrong = f"their shapes are {a.shape} and {b.shape}. Fit both models to the same rows."
    elif not np.all(np.isfinite(a) & np.isfinite(b)):
        at = int(np.argmin(np.isfinite(a) & np.isfinite(b)))
        wrong = f"those of row {at} are {a[at]} and {b[at]}. A model that excludes it is refuted."
    if wrong:
        raise ValueError(
            "first and second must hold a finite log-likelihood for each row of the same data, "
            f"but {wrong}"
        )
    numbers = np.asarray(n_parameters, dtype=float)
    if numbers.shape != (2,) or not np.all((numbers >= 0) & np.isfinite(numbers)):
        raise ValueError(
            "n_parameters must hold two numbers >= 0, those of both models, but got "
            f"{n_parameters!r}."
        )
    weight = check_weight(sample_weight, a)
    m: Array = a - b
    centred = m - np.average(m, weights=weight)
    return VuongTest(
        llr=float(weight @ m),
        omega=float(np.sqrt(np.average(np.square(centred), weights=weight))),
        nobs=float(weight.sum()),
        surplus=float(numbers[0] - numbers[1]),
    )
