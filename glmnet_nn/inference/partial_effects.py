"""What a column does to predictions, averaged over rows, with its error by the delta method."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from families import Array, ExponentialFamily
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference import functionals
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.local_coefficients import Door
from glmnet_nn.inference.predictions import around, mean_limits, probability_limits
from glmnet_nn.inference.reference import critical_value
from glmnet_nn.inference.shown import ShownTable
from glmnet_nn.tables import as_frame
from glmnet_nn.training.data import Rows

_BLOCK = 2**22  # numbers of a layer for one block of rows
_OUTER = (0.01, 0.99)  # quantiles of a column between which values lie
WHICH = ("mean", "linear", "slope")


@dataclass(frozen=True, repr=False)
class PartialEffect(ShownTable):
    """What rows predict on average when a column has the same value in all of them.

    Attributes
    ----------
    column : str
    values : list
        Of the column, numbers or levels.
    effect, se : array of shape (m,), or (m, K) of classes
        The averages and their standard errors; NaN where the data do not determine them.
    which : {"mean", "linear", "slope"}
    reference : number, level or None
        The value whose average has been taken away.
    outputs : list of str or None
    df : float or None
        Degrees of freedom of t; None is the normal law.
    note : str
        What the numbers are to be taken with; empty if nothing.
    """

    column: str
    values: list[Any]
    effect: Array
    se: Array
    which: str
    reference: Any
    family: ExponentialFamily
    outputs: list[str] | None
    df: float | None
    note: str

    def conf_int(self, alpha: float = 0.05) -> Array:
        """Return the limits on a last axis of length 2, at each value by itself.

        Those of an average mean are taken on the scale of the link (of the log odds for
        classes) and mapped back, so that they are means too.
        """
        half = critical_value(self.df, alpha) * self.se
        if self.which != "mean" or self.reference is not None:
            return around(self.effect, half)
        if self.family.event_ndim:
            return probability_limits(self.effect, half)
        with np.errstate(divide="ignore", invalid="ignore"):
            eta = self.family.link_of(self.effect)
            slope = self.family.mean_tangent(eta[:, None], np.ones((len(eta), 1)))[:, 0]
            return mean_limits(self.family, around(eta, half / np.abs(slope)))

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return averages, standard errors and limits, value by value and output by output."""
        index = pd.Index(self.values, name=self.column)
        if self.outputs is not None:
            names = [self.column, "output"]
            index = pd.MultiIndex.from_product([self.values, self.outputs], names=names)
        limits = self.conf_int(alpha)
        columns = {
            self.which: self.effect.ravel(),
            "std err": self.se.ravel(),
            f"[{alpha / 2:g}": limits[..., 0].ravel(),
            f"{1 - alpha / 2:g}]": limits[..., 1].ravel(),
        }
        frame = pd.DataFrame(columns, index=index)
        frame.attrs["note"] = self.note
        return frame


class PartialInference:
    """``partial_effect`` of the results of inference, with and without hidden layers."""

    if TYPE_CHECKING:  # what the results have
        door: Door

        @property
        def estimate(self) -> Estimate: ...
        @property
        def _labels(self) -> tuple[list[str], list[str] | None, str]: ...

    def partial_effect(
        self,
        X: Any,
        column: Any,
        values: Sequence[Any] | NDArray[Any] | None = None,
        *,
        which: str = "mean",
        reference: Any = None,
        n_points: int = 40,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> PartialEffect:
        """Return the average prediction of rows along a column, with confidence intervals.

        With x_i(v) the i-th row where the column is v, f(v) = sum_i s_i f(x_i(v)), s_i the
        shares of the rows (the partial dependence of Friedman 2001): all other columns stay as
        they are, those that go with this one too. Its gradient in the parameters is the average
        of theirs, G(v), its variance by the delta method G(v)' C G(v). Errors are of the
        parameters; the rows are taken as they are.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            The rows over which to average.
        column : str or int
            Its name or, of an array, its number too.
        values : array-like, optional
            Values of the column; by default all there are, if they are no numbers or at most
            ``n_points``, else ``n_points`` evenly from the quantile .01 to .99.
        which : {"mean", "linear", "slope"}, default="mean"
            f is mu, eta (of classes less that of the first), or d eta / d x_j, the local
            coefficient, for a column of the model. Without hidden layers the linear one is a
            line and the slope one number.
        reference : value of the column, optional
            f(v) - f(reference): under the log link exp of the linear one is a relativity.
        n_points : int, default=40
        sample_weight : array-like of shape (n,), optional
        offset, exposure : array-like of shape (n,), optional
            As in ``predict``; without them means are of rows with offset 0, rates.
        transform : callable, optional
            Makes of X with its column changed what the model takes, as the steps of a pipeline
            before it do.

        Warns
        -----
        InferenceWarning
            The data do not determine some average: its standard error is NaN.

        Raises
        ------
        ValueError, TypeError
            There is no such column; X is sparse; arguments that do not go together.

        References
        ----------
        Friedman (2001), "Greedy function approximation", Annals of Statistics 29, section 8.2.
        """
        if which not in WHICH:
            raise ValueError(f"which must be one of {list(WHICH)}, but got {which!r}.")
        names, outputs, note = self._labels
        table = _Column.of(X, column, names)
        points = table.points(n_points) if values is None else list(values)
        asked = points if reference is None else [*points, reference]
        family = self.estimate.family
        j = _place(names, table.name) if which == "slope" else 0
        average = _Average(self.estimate, which, j, table.shares(sample_weight))
        effects, gradients = [], []
        for value in asked:
            changed = table.at(value)
            changed = changed if transform is None else transform(changed)
            rows, known, _ = self.door(changed, offset, exposure)
            effect, gradient = average.of(rows, known)
            if which == "slope":
                effect = effect + self._slope_of_base(rows, j, average.shares)
            effects.append(effect)
            gradients.append(gradient)
        effect, G = np.array(effects), np.array(gradients)
        if reference is not None:
            effect, G = effect[:-1] - effect[-1], G[:-1] - G[-1]
        se = np.sqrt(np.square(G @ self.estimate.root).sum(axis=-1))
        se = np.where(self.estimate.determines(G), se, np.nan)
        missing = int(np.isnan(se).sum())
        if missing:
            said = (
                f"{missing} of {se.size} averages are not determined by the data (a column that "
                "depends on others, rows unlike any of the fit): their standard errors are nan."
            )
            warnings.warn(said, InferenceWarning, stacklevel=2)
            note = f"{note} {said}".strip()
        if outputs is not None and which != "mean":
            outputs = outputs[1:]
        return PartialEffect(
            column=table.name,
            values=points,
            effect=effect[:, 0] if outputs is None else effect,
            se=se[:, 0] if outputs is None else se,
            which=which,
            reference=reference,
            family=family,
            outputs=outputs,
            df=self.estimate.df,
            note=note,
        )

    def _slope_of_base(self, rows: Array, j: int, shares: Array) -> Array | float:
        known = self.door.base_slopes(rows)
        if known is None:
            return 0.0
        if self.estimate.family.event_ndim:
            known = known[:, 1:] - known[:, :1]
        return np.asarray(shares @ known[:, :, j])


@dataclass(frozen=True)
class _Average:
    """The average of f over rows, and its gradient in the parameters."""

    estimate: Estimate
    which: str
    j: int
    shares: Array

    def of(self, X: Array, offset: Array | None) -> tuple[Array, Array]:
        """Return them, (K,) and (K, q); NaN where some row is unlike any of the fit."""
        estimate = self.estimate
        Z, outside = estimate.seen(X)
        rows = Rows(Z, np.empty((len(Z), 0)), self.shares, offset)
        total, gradients = np.zeros(()), np.zeros(())
        for block in self._blocks(rows):
            values, gradient = self._function(block)
            total = total + block.weight @ values
            gradients = gradients + gradient
        if outside.any():
            gradients = gradients + np.nan
        return total, gradients

    def _blocks(self, rows: Rows) -> Iterator[Rows]:
        return rows.blocks(max(64, _BLOCK // max(self.estimate.network.layout.sizes)))

    def _function(self, rows: Rows) -> tuple[Array, Array]:
        estimate = self.estimate
        model = (estimate.network, estimate.family, estimate.w, rows)
        if self.which == "slope":
            direction = estimate.inputs.directions()[self.j]
            return functionals.partial_effects(*model, direction, mean=False)
        return functionals.averaged(*model, mean=self.which == "mean")


@dataclass(frozen=True)
class _Column:
    """A table and one of its columns."""

    X: Any
    name: str
    key: Any

    @classmethod
    def of(cls, X: Any, column: Any, names: list[str]) -> _Column:
        """Return the column of that name or, of an array, of that number."""
        if hasattr(X, "toarray"):
            raise TypeError(
                "X must be a table or an array, but it is sparse: pass some of its rows, as "
                "X[:1000].toarray()."
            )
        X = as_frame(X)
        if isinstance(X, pd.DataFrame):
            if list(X.columns).count(column) != 1:
                raise ValueError(
                    f"column must name one column of X, {list(X.columns)[:20]}, but got {column!r}."
                )
            return cls(X, str(column), column)
        X = np.array(X)
        if X.ndim != 2:
            raise ValueError(f"X must have rows and columns, but its shape is {X.shape}.")
        if isinstance(column, str):
            column = _place(names, column)
        if isinstance(column, bool) or column not in range(X.shape[1]):
            raise ValueError(
                f"column must be a name or the number, from 0, of one of {X.shape[1]} columns, but "
                f"got {column!r}."
            )
        return cls(X, names[column] if X.shape[1] == len(names) else str(column), int(column))

    @property
    def given(self) -> pd.Series:
        """The column as it is."""
        is_frame = isinstance(self.X, pd.DataFrame)
        return self.X[self.key] if is_frame else pd.Series(self.X[:, self.key])

    def points(self, n_points: int) -> list[Any]:
        """Return the values to take by default."""
        if isinstance(n_points, bool) or not (isinstance(n_points, Real) and n_points >= 2):
            raise ValueError(f"n_points must be an integer >= 2, but got {n_points!r}.")
        known = self.given.dropna()
        if isinstance(known.dtype, pd.CategoricalDtype):
            return list(known.cat.remove_unused_categories().cat.categories)
        numeric = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
        if not numeric or known.nunique() <= n_points:
            return sorted(known.unique().tolist())
        low, high = known.astype(float).quantile(list(_OUTER))
        return [float(value) for value in np.linspace(low, high, int(n_points))]

    def at(self, value: Any) -> Any:
        """Return the table with this value in every row of the column."""
        if isinstance(self.X, pd.DataFrame):
            new = pd.Series([value] * len(self.X), index=self.X.index)
            if isinstance(self.given.dtype, pd.CategoricalDtype):
                new = new.astype(self.given.dtype)
            return self.X.assign(**{self.key: new}) if isinstance(self.key, str) else self._put(new)
        X = self.X.astype(np.result_type(self.X.dtype, np.asarray(value).dtype))
        X[:, self.key] = value
        return X

    def _put(self, new: pd.Series) -> pd.DataFrame:
        X = self.X.copy()
        X[self.key] = new
        return X

    def shares(self, sample_weight: ArrayLike | None) -> Array:
        """Return the weight of each row, summing to 1."""
        n = len(self.X)
        weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        fine = weight.shape == (n,) and np.isfinite(weight).all()
        if not (fine and (weight >= 0).all() and weight.any()):
            raise ValueError(
                f"sample_weight must hold {n} finite numbers >= 0, one for each row of X and not "
                "all 0."
            )
        return np.asarray(weight / weight.sum())


def _place(names: list[str], column: str) -> int:
    """Return the number of a column of the model."""
    if column not in names:
        raise ValueError(
            f"column must be one of those of the model, {names[:20]}, but got {column!r}."
        )
    return names.index(column)
