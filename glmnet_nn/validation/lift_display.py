"""Figures of actual against expected: by prediction, by the ratio of two models, by a factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array
from glmnet_nn._plotting import Display
from glmnet_nn.tables import as_frame
from glmnet_nn.validation.actual_expected import actual_expected
from glmnet_nn.validation.display import (
    DisplayOfMeans,
    by_model,
    colour,
    exposure_bars,
    labelled,
    reach,
    ticks,
    whole_ticks,
)
from glmnet_nn.validation.fitted import fitted_means
from glmnet_nn.validation.lift import double_lift_table, lift_table
from glmnet_nn.validation.observations import Predictions


class LiftDisplay(DisplayOfMeans):
    """Actual and expected in bins of equal exposure, by ascending prediction.

    The steeper the curves, the more the model tells risks apart; where they part, it is not
    calibrated. Bars are intervals of 95 % for the actual where the expected is right.

    Parameters
    ----------
    table : DataFrame
        Of :func:`lift_table`.

    Examples
    --------
    >>> display = LiftDisplay.from_predictions([0, 1, 2, 5], [0.5, 0.5, 2.0, 4.0], n_bins=2)
    >>> display.ax_.get_ylabel()
    'mean per exposure'
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def plot(self, *, ax: Any = None) -> LiftDisplay:
        """Draw the table on ``ax``, or on new axes."""
        ax = self._axes(ax)
        for number, (name, table) in enumerate(by_model(self.table).items()):
            x, shade = table.index.to_numpy(dtype=float), colour(number)
            if not number:
                exposure_bars(ax, x, table["exposure"].to_numpy())
            _draw_actual(ax, x, table, shade, labelled("actual", name))
            _draw_expected(ax, x, table["expected"], shade, labelled("expected", name))
        whole_ticks(ax)
        ax.set(xlabel="bin, by ascending prediction", ylabel="mean per exposure")
        ax.legend(loc="upper left")
        return self

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: Predictions,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> LiftDisplay:
        """Draw :func:`lift_table` of these predictions; parameters as there."""
        table = lift_table(y, mu, n_bins=n_bins, sample_weight=sample_weight, exposure=exposure)
        return cls(table).plot(ax=ax)


class DoubleLiftDisplay(DisplayOfMeans):
    """Actual and what two models expect, in bins by the ratio of the models.

    The better model is the one that stays near the actual where the two disagree, at both
    ends.

    Parameters
    ----------
    table : DataFrame
        Of :func:`double_lift_table`.

    Examples
    --------
    >>> models = {"split": [1, 3, 1, 3], "flat": [2, 2, 2, 2]}
    >>> display = DoubleLiftDisplay.from_predictions([1, 3, 1, 3], models, n_bins=2)
    >>> display.ax_.get_xlabel()
    'bin, by ascending split / flat'
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def plot(self, *, ax: Any = None) -> DoubleLiftDisplay:
        """Draw the table on ``ax``, or on new axes."""
        ax, table = self._axes(ax), self.table
        x = table.index.to_numpy(dtype=float)
        exposure_bars(ax, x, table["exposure"].to_numpy())
        _draw_actual(ax, x, table, "black", "actual")
        first, second = table.columns.drop(["exposure", "sort_ratio", "actual", "se"])
        for number, name in enumerate((first, second)):
            _draw_expected(ax, x, table[name], colour(number), name)
        whole_ticks(ax)
        ax.set(xlabel=f"bin, by ascending {first} / {second}", ylabel="mean per exposure")
        ax.legend(loc="best")
        return self

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: Mapping[str, ArrayLike] | pd.DataFrame,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> DoubleLiftDisplay:
        """Draw :func:`double_lift_table` of these predictions; parameters as there."""
        table = double_lift_table(
            y, mu, n_bins=n_bins, sample_weight=sample_weight, exposure=exposure
        )
        return cls(table).plot(ax=ax)


class ActualExpectedDisplay(Display):
    """Actual against expected by the levels of a factor.

    Bars are intervals of 95 % for the actual where the expected is right.

    Parameters
    ----------
    table : DataFrame
        Of :func:`actual_expected`.

    Examples
    --------
    >>> display = ActualExpectedDisplay.from_predictions([1, 0, 4], [1, 1, 3], ["a", "a", "b"])
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['a', 'b']
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def plot(self, *, ax: Any = None) -> ActualExpectedDisplay:
        """Draw the table on ``ax``, or on new axes."""
        ax = self._axes(ax)
        tables = by_model(self.table)
        for number, (name, table) in enumerate(tables.items()):
            x = np.arange(len(table), dtype=float)
            if not number:
                exposure_bars(ax, x, table["exposure"].to_numpy())
                ticks(ax, table.index)
                _draw_actual(ax, x, table, "black", "actual")
                ax.set_xlabel(str(table.index.name))
            _draw_expected(ax, x, table["expected"], colour(number), labelled("expected", name))
        ax.set_ylabel("mean per exposure")
        ax.legend(loc="best")
        return self

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        mu: Predictions,
        by: Any,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        ax: Any = None,
    ) -> ActualExpectedDisplay:
        """Draw :func:`actual_expected` of these predictions; parameters as there."""
        table = actual_expected(
            y, mu, by, n_bins=n_bins, sample_weight=sample_weight, exposure=exposure
        )
        return cls(table).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        by: Any,
        *,
        n_bins: int = 10,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | str | None = None,
        exposure: ArrayLike | str | None = None,
        pos_label: Any = None,
        ax: Any = None,
    ) -> ActualExpectedDisplay:
        """Draw :func:`actual_expected` of a fitted model, or a dict of them by name.

        ``by`` is the factor, or the name of a column of X; see :func:`fitted_means` for the
        other parameters.
        """
        found = fitted_means(
            estimator,
            X,
            y,
            sample_weight=sample_weight,
            offset=offset,
            exposure=exposure,
            pos_label=pos_label,
        )
        factor = column_of(X, by, len(np.asarray(y))).iloc[found.index]
        return cls.from_predictions(
            found.y, found.mu, factor, n_bins=n_bins, ax=ax, **found.arguments
        )


def _draw_actual(ax: Any, x: Array, table: pd.DataFrame, shade: str, label: str) -> None:
    """Draw what was observed, with intervals for it where the expected is right."""
    error = reach(table["se"].to_numpy())
    ax.errorbar(x, table["actual"], error, color=shade, marker="o", capsize=2, label=label)


def _draw_expected(ax: Any, x: Array, mean: pd.Series, shade: str, label: str) -> None:
    """Draw what a model expects."""
    ax.plot(x, mean, "--s", color=shade, mfc="white", label=label)


def column_of(X: Any, by: Any, n_rows: int) -> pd.Series:
    """Return the factor: as given, or the column of X of that name.

    Raises
    ------
    ValueError
        X has no such column; the factor has another number of rows.
    """
    X = as_frame(X) if isinstance(by, str) else X
    names = list(getattr(X, "columns", ()))
    if isinstance(by, str) and names.count(by) != 1:
        raise ValueError(
            f"by={by!r} must name one column of X, a DataFrame, but X has {names or 'no names'}. "
            "Pass the factor as an array."
        )
    factor = pd.Series(X[by] if isinstance(by, str) else by)
    if len(factor) != n_rows:
        raise ValueError(
            f"by must have one value for each of the {n_rows} rows, but it has {len(factor)}."
        )
    return factor
