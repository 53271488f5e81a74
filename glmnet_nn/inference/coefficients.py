"""The coefficients of a GLM for X as given, with their names and their place in the fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from families import Array

_NONE = 1e-6  # of the size of its terms: less of r N is rounding


@dataclass(frozen=True)
class Coefficients:
    """Estimates b, class by class and in each the intercept first.

    Parameters
    ----------
    values : array of shape (q,)
    names : list of str
        ``Intercept`` and the columns of X, of one output.
    outputs : list of str, optional
        Classes that the coefficients belong to, as differences from the first class.
    from_u : array of shape (q, r)
        d b / d u, u the parameters in which the information is the identity.
    determined : array of bool, (q,)
        Which of them the data determine.
    undetermined : array of shape (q, m)
        N: along its columns the coefficients can move without moving any fitted mean.
    """

    values: Array
    names: list[str]
    outputs: list[str] | None
    from_u: Array
    determined: NDArray[np.bool_]
    undetermined: Array

    @cached_property
    def index(self) -> pd.Index:
        """Name, or (class, name), of each."""
        if self.outputs is None:
            return pd.Index(self.names)
        return pd.MultiIndex.from_product([self.outputs, self.names])

    @property
    def labels(self) -> list[str]:
        """What each is called in a hypothesis: ``name``, or ``class:name``."""
        if self.outputs is None:
            return self.names
        return [f"{output}:{name}" for output in self.outputs for name in self.names]

    def shaped(self, values: Array) -> pd.Series | pd.DataFrame:
        """Return values under their names: a Series, or names x classes."""
        if self.outputs is None:
            return pd.Series(values, index=self.index)
        table = np.reshape(values, (len(self.outputs), -1)).T
        return pd.DataFrame(table, index=pd.Index(self.names), columns=pd.Index(self.outputs))

    def determine(self, R: Array) -> NDArray[np.bool_]:
        """Tell for each row r of R whether the data determine r b: r N = 0."""
        N = np.where(self.determined[:, None], 0.0, self.undetermined)
        terms = np.abs(R) @ np.sqrt(np.square(N).sum(axis=1))
        return np.asarray(np.sqrt(np.square(R @ N).sum(axis=1)) <= _NONE * terms)

    def covariance(self, V: Array) -> Array:
        """Return the covariance of b when u has V; NaN for what is not determined."""
        C = self.from_u @ V @ self.from_u.T
        C[~self.determined] = np.nan
        C[:, ~self.determined] = np.nan
        return np.asarray(C)
