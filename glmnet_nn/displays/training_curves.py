"""The figure of a training: mean deviances by iteration, and which iteration was kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from glmnet_nn._plotting import Display, plain_log_axis
from glmnet_nn.comparison.means import innermost

_OTHERS = {"lw": 0.8, "alpha": 0.35}
_TRAINING, _VALIDATION = "C0", "C1"


class TrainingCurveDisplay(Display):
    """Mean deviances of the training rows and of those held out, iteration by iteration.

    The deviance has no penalty in it, so that both curves are on one scale. A point is the
    iteration that was kept: the least held-out deviance, or the last. Of several random starts
    the one kept is drawn over the others; of an ensemble all members are alike.

    Parameters
    ----------
    table : DataFrame
        Columns ``deviance`` and, if rows were held out, ``validation``; index ``curve`` (the
        start or member, from 0) and ``iteration`` (epochs of mini-batches, from 1; from 0 where
        the deviance before the first step is known).
    kept : list of int
        The curves that the model consists of.
    name : str or None
    unit : {"iteration", "epoch"}

    Attributes
    ----------
    lines_ : dict of (str, int) to Line2D
        By "deviance" or "validation", and the curve.
    points_ : dict of (str, int) to Line2D
        The iterations that were kept.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 1, 0, 2, 1, 3, 5, 4])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(glm)
    >>> bool(np.isclose(display.table["deviance"].iloc[-1], glm.deviance_ / 8))
    True
    """

    def __init__(
        self,
        table: pd.DataFrame,
        kept: list[int],
        name: str | None = None,
        unit: str = "iteration",
    ) -> None:
        self.table = table
        self.kept = kept
        self.name = name
        self.unit = unit

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, log: bool = False, ax: Any = None
    ) -> TrainingCurveDisplay:
        """Draw the training of a fitted DeepGLMRegressor or DeepGLMClassifier.

        Parameters
        ----------
        estimator
            It may be the last step of a pipeline, or the best of a search.
        name : str, optional
            The title; by default the name of the class.
        log : bool, default=False
            Whether the deviance has a logarithmic axis.
        ax : matplotlib Axes, optional

        Raises
        ------
        TypeError
            The model keeps no curves.
        ValueError
            This fit has kept none.
        """
        model = innermost(estimator)
        check_is_fitted(model)
        if not hasattr(type(model), "deviance_curve_"):
            raise TypeError(
                "a training curve is that of a DeepGLMRegressor or DeepGLMClassifier, but a "
                f"{type(model).__name__} keeps none."
            )
        curves, kept = _curves(model)
        table = pd.concat({number: _frame(*curve) for number, curve in enumerate(curves)})
        table.index.names = ["curve", "iteration"]
        unit = "epoch" if model.solver_ == "adam" else "iteration"
        title = type(model).__name__ if name is None else name
        return cls(table, kept, title, unit).plot(log=log, ax=ax)

    def plot(self, *, log: bool = False, ax: Any = None) -> TrainingCurveDisplay:
        """Draw the curves on ``ax``, or on new axes."""
        ax = self._axes(ax)
        self.lines_: dict[tuple[str, int], Any] = {}
        self.points_: dict[tuple[str, int], Any] = {}
        numbers = self.table.index.get_level_values("curve").unique()
        several = len(self.kept) > 1
        for number in [*numbers.difference(self.kept), *self.kept]:
            curve = self.table.loc[number]
            for what, colour in (("deviance", _TRAINING), ("validation", _VALIDATION)):
                if what in curve:
                    look = {"lw": 1.0, "alpha": 0.7} if several else {"lw": 1.6}
                    look = look if number in self.kept else _OTHERS
                    (line,) = ax.plot(curve.index, curve[what], color=colour, **look)
                    self.lines_[what, int(number)] = line
            if number in self.kept:
                self._mark(curve, int(number))
        self._label(len(numbers))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel=self.unit, ylabel="mean deviance", title=self.name or "")
        if log:
            ax.set_yscale("log")
            plain_log_axis(ax.yaxis)
        ax.legend(loc="upper right")
        return self

    def _mark(self, curve: pd.DataFrame, number: int) -> None:
        """Mark the iteration that was kept."""
        by = "validation" if "validation" in curve else "deviance"
        at = curve["validation"].idxmin() if by == "validation" else curve.index[-1]
        (point,) = self.ax_.plot(
            [at], [curve.loc[at, by]], "o", color=self.lines_[by, number].get_color(),
            mec="white", ms=6, zorder=4, clip_on=False,
        )  # fmt: skip
        self.points_[by, number] = point
        if len(self.kept) == 1:
            self.ax_.axvline(at, color="0.6", ls=":", lw=1.0, zorder=0)

    def _label(self, n_curves: int) -> None:
        """Name one line of each kind, the point, and the other starts."""
        first = self.kept[0]
        last, which = self.points_.popitem()
        self.points_[last] = which
        at = f": {which.get_xdata()[0]:g}" if len(self.kept) == 1 else " of each member"
        whose = f", {len(self.kept)} members" if len(self.kept) > 1 else ""
        for what, label in (("deviance", "training"), ("validation", "validation")):
            if (what, first) in self.lines_:
                self.lines_[what, first].set_label(f"{label}{whose}")
        which.set_label(f"kept {self.unit}{at}")
        if n_curves > len(self.kept):
            label = f"the other {n_curves - 1} starts" if n_curves > 2 else "the other start"
            self.ax_.plot([], [], color="0.3", label=label, **_OTHERS)


def _curves(model: Any) -> tuple[list[tuple[list[float], list[float], int]], list[int]]:
    """Return both curves of each start or member, with the first iteration; and which were kept."""
    if getattr(model, "estimators_", None):
        members = [_own(member) for member in model.estimators_]
        return members, list(range(len(members)))
    own = _own(model)
    starts = [(of["deviance"], of["validation"], own[2]) for of in model.start_curves_]
    if not starts:
        return [own], [0]
    return starts, [starts.index(own)]


def _own(model: Any) -> tuple[list[float], list[float], int]:
    """Return both curves of one network, and the number of the first iteration.

    Raises
    ------
    ValueError
        There are none.
    """
    if not getattr(model, "deviance_curve_", None):
        raise ValueError(
            "this fit has kept no deviances: fit_for_inference(), separated data, a penalised GLM "
            "of many rows and files of earlier versions have none. Draw the training of fit()."
        )
    first = 1 + model.n_iter_ - len(model.deviance_curve_)
    return model.deviance_curve_, model.validation_loss_curve_, max(first, 0)


def _frame(deviance: list[float], validation: list[float], first: int) -> pd.DataFrame:
    curves = {"deviance": deviance} | ({"validation": validation} if validation else {})
    numbered = {  # Ctrl-C may leave one curve shorter
        name: pd.Series(curve, index=np.arange(first, first + len(curve)))
        for name, curve in curves.items()
    }
    return pd.DataFrame(numbered)
