"""What a statistic is referred to: its law, the test that follows, and the table of many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from families import Array
from glmnet_nn.inference.shown import ShownTable


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
