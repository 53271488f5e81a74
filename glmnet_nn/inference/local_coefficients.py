"""Local coefficients d eta / d x with their standard errors: at each row, those of a GLM."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array
from glmnet_nn.exceptions import InferenceWarning
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.reference import coefficient_table, critical_value
from glmnet_nn.inference.shown import ShownTable
from glmnet_nn.network import ShiftedSparse, jacobian_tangent, laid_out, tangent

_BLOCK_BYTES = 2**25
RATIOS = {"log": "relativity", "logit": "odds ratio", "softmax": "odds ratio"}


class Door(Protocol):
    """What the results of a fit ask of the estimator."""

    def __call__(self, X: Any, offset: Any, exposure: Any) -> tuple[Array, Array | None, pd.Index]:
        """Return X of new rows as the fit had it, their offset, and their labels."""

    def base_slopes(self, rows: Array) -> Array | None:
        """Return the slopes of a model that eta has as an offset, (n, K, p), if there is one."""


@dataclass(frozen=True, repr=False)
class LocalCoefficients(ShownTable):
    """d eta / d x_j at rows of X, with what the parameters' error makes of them.

    In the neighbourhood of a row a network is the GLM with these coefficients. Of K
    classes eta is determined up to a shift: they are of eta_k - eta_1, the log odds of a
    class against the first, as are the coefficients of a Multinoulli GLM.

    Attributes
    ----------
    coef, se : array of shape (n, p), or (n, K - 1, p) for K classes
        NaN in ``se`` where the data do not determine the slope.
    X : array of shape (n, p)
        The rows, as given.
    names : list of str
        Columns of X.
    outputs : list of str or None
        Classes, without the first.
    index : Index
        Labels of the rows.
    link_name : str
    df : float or None
        Degrees of freedom of t; None is the normal law.
    note : str
        What the numbers are to be taken with; empty if nothing.
    """

    coef: Array
    se: Array
    X: Array
    names: list[str]
    outputs: list[str] | None
    index: pd.Index
    link_name: str
    df: float | None
    note: str

    def conf_int(self, alpha: float = 0.05) -> Array:
        """Return coef -+ z se on a last axis of length 2."""
        half = critical_value(self.df, alpha) * self.se
        return np.stack([self.coef - half, self.coef + half], axis=-1)

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return coefficients, standard errors, tests of 0 and limits, column by column."""
        frame = coefficient_table(
            self.coef.ravel(), self.se.ravel(), self.df, alpha, self._long_index()
        )
        frame.attrs["note"] = self.note
        return frame

    def relativities(
        self, step: float | Mapping[str, float] = 1.0, alpha: float = 0.05
    ) -> pd.DataFrame:
        """Return exp(coef_j step_j) with its limits, a table row by row and column by column.

        Under the log link it is the factor on the mean per ``step_j`` of x_j, as a tariff
        has it; under logit and softmax that on the odds. Without hidden layers it holds
        for any step, else for the slope at the row: from one level of a factor to another
        see ``contrast(X1, X2, which="linear")``.

        Parameters
        ----------
        step : float or mapping of names to floats, default=1.0
            The change of each column; 1 for columns that a mapping leaves out.
        alpha : float, default=0.05
            The limits are those of ``conf_int(alpha)``, mapped.

        Returns
        -------
        DataFrame
            Columns ``x`` (where the slope is taken), ``relativity`` or ``odds ratio``, and
            its limits.

        Raises
        ------
        ValueError
            exp(coef) is no ratio under this link, or ``step`` has other names.
        """
        if self.link_name not in RATIOS:
            raise ValueError(
                f"exp(coef) is a ratio of means or odds under the links {list(RATIOS)}, but the "
                f"link is {self.link_name!r}. Use conf_int() or summary_frame()."
            )
        steps = self._steps(step)
        limits = np.sort(self.conf_int(alpha) * steps[:, None], axis=-1)
        with np.errstate(over="ignore"):
            columns = {
                "x": np.broadcast_to(self._at, self.coef.shape).ravel(),
                RATIOS[self.link_name]: np.exp(self.coef * steps).ravel(),
                f"[{alpha / 2:g}": np.exp(limits[..., 0]).ravel(),
                f"{1 - alpha / 2:g}]": np.exp(limits[..., 1]).ravel(),
            }
        frame = pd.DataFrame(columns, index=self._long_index())
        frame.attrs["note"] = self.note
        return frame

    @property
    def _at(self) -> Array:
        """x_j beside each coefficient."""
        return self.X if self.outputs is None else self.X[:, None, :]

    def _steps(self, step: float | Mapping[str, float]) -> Array:
        given = step if isinstance(step, Mapping) else dict.fromkeys(self.names, step)
        unknown = sorted(map(str, set(given) - set(self.names)))
        if unknown:
            raise ValueError(
                f"step must name columns of X, {self.names[:20]}, but it names {unknown}."
            )
        steps = [given.get(name, 1.0) for name in self.names]
        wrong = [s for s in steps if not (isinstance(s, Real) and np.isfinite(s))]
        if wrong:
            raise ValueError(f"step must hold finite numbers, but got {wrong[0]!r}.")
        return np.array(steps, dtype=float)

    def _long_index(self) -> pd.MultiIndex:
        levels: list[Any] = [self.index, self.names]
        labels = ["row", "column"]
        if self.outputs is not None:
            levels.insert(1, self.outputs)
            labels.insert(1, "output")
        return pd.MultiIndex.from_product(levels, names=labels)


class LocalInference:
    """``local_coef`` of the results of inference, with and without hidden layers."""

    if TYPE_CHECKING:  # what the results have
        fitted: Any
        index: pd.Index
        door: Door

        @property
        def estimate(self) -> Estimate: ...
        @property
        def _labels(self) -> tuple[list[str], list[str] | None, str]: ...

    def local_coef(self, X: ArrayLike | None = None) -> LocalCoefficients:
        """Return d eta / d x at rows, with standard errors and intervals by the delta method.

        The slopes of a ``base`` are part of them, taken as known.

        Parameters
        ----------
        X : array-like of shape (m, p), optional
            The rows of the fit if absent. Neither an offset nor an exposure changes a
            slope of eta; columns that the model knows them by may have any value.

        Warns
        -----
        InferenceWarning
            The data do not determine some slope: its standard error is NaN.
        """
        estimate = self.estimate
        if X is None:
            Z, index = self.fitted.rows.X, self.index
            if isinstance(Z, ShiftedSparse):
                raise ValueError(
                    "local_coef() has a slope and an error for every column of every row, but "
                    "inference() had a sparse X. Give the rows that are asked for, X[:100] say."
                )
            rows = estimate.inputs.given(Z)
        else:
            rows, _, index = self.door(X, None, None)
            rows = laid_out(rows)
            Z = estimate.inputs.transform(rows)
        coef, se = slopes_with_errors(estimate, Z)
        known = self.door.base_slopes(rows)
        if known is not None:
            coef += known[:, 1:] - known[:, :1] if estimate.family.event_ndim else known
        names, outputs, note = self._labels
        outputs = None if outputs is None else outputs[1:]
        missing = int(np.isnan(se).sum())
        if missing:
            sentence = f"{missing} standard errors are nan: the data do not determine these slopes."
            warnings.warn(sentence, InferenceWarning, stacklevel=2)
            note = f"{note} {sentence}".strip()
        one = outputs is None
        return LocalCoefficients(
            coef=coef[:, 0] if one else coef,
            se=se[:, 0] if one else se,
            X=rows,
            names=names,
            outputs=outputs,
            index=index,
            link_name=estimate.family.link_name,
            df=estimate.df,
            note=note,
        )


def slopes_with_errors(estimate: Estimate, Z: Array) -> tuple[Array, Array]:
    """Return d eta / d x, (n, K, p), and sqrt(g' C g) of each, g its gradient in w.

    g is the recursion differentiated once more, along the direction that z takes with x_j;
    of one column and one block of rows at a time. Of a vector law less that of the first
    output, which is left out.

    Parameters
    ----------
    estimate : Estimate
    Z : array of shape (n, r)
        The rows, as the network sees them.
    """
    network, w, inputs = estimate.network, estimate.w, estimate.inputs
    directions = inputs.directions()
    n, p, K = len(Z), len(directions), network.layout.sizes[-1]
    first = int(bool(estimate.family.event_ndim))
    coef, se = np.empty((2, n, K - first, p))
    size = max(1, _BLOCK_BYTES // (8 * w.size * K))
    for at in range(0, n, size):
        block = slice(at, at + size)
        layers, _ = network.forward(w, Z[block])
        for j, direction in enumerate(directions):
            along = np.broadcast_to(direction, Z[block].shape)
            moved = tangent(network, w, layers, input_tangent=along)
            g, values = jacobian_tangent(network, w, layers, moved), moved.eta
            if first:
                g, values = g[:, 1:] - g[:, :1], values[:, 1:] - values[:, :1]
            coef[block, :, j] = values
            variance = np.square(g @ estimate.root).sum(axis=-1)
            se[block, :, j] = np.where(estimate.determines(g), np.sqrt(variance), np.nan)
    se[..., inputs.dependent_columns(p)] = np.nan
    return coef, se
