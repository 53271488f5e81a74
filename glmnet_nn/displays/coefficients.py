"""The forest of coefficients: estimates with intervals, of models side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from families import Array
from glmnet_nn._plotting import Display, plain_log_axis
from glmnet_nn.inference import RATIOS
from glmnet_nn.validation.display import colour
from glmnet_nn.validation.estimates import read_estimates
from glmnet_nn.validation.fitted import inference_of

Names = Sequence[str] | Mapping[str, str] | None  # of the rows, or what to call each
Groups = Mapping[str, Sequence[str]] | None  # the names below each heading

_INTERCEPT = "Intercept"
_SORTS = (None, "estimate", "size")
_ROW, _MODEL, _WRITTEN, _MARGINS = 0.24, 0.07, 0.16, 1.1  # inches
_LETTER, _NUMBERS = 0.075, 20  # inches; letters of an estimate with its limits
_LETTERS = 38  # of a name in a line
_SPREAD = 0.84  # of a row, over which models lie


class CoefficientDisplay(Display):
    """Coefficients with confidence intervals, one row each, models side by side.

    The rows of `RelativitiesDisplay` are levels of factors with their base levels, of one
    tariff; these are coefficients as they are, of any model and any link. A network stands for
    its average partial effects on the linear predictor, which of a GLM are its coefficients.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By model: ``estimate``, ``lower`` and ``upper``, index the names.
    label : str
        Of the horizontal axis.
    exponentiated : bool
        Whether the numbers are ratios, with a logarithmic axis.

    Attributes
    ----------
    bars_ : dict of str to ErrorbarContainer
        By model.

    Examples
    --------
    >>> table = pd.DataFrame({"estimate": [0.5, -0.2], "se": [0.1, 0.1]}, index=["age", "sex"])
    >>> display = CoefficientDisplay.from_results(table)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['age', 'sex']
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        label: str = "coefficient",
        exponentiated: bool = False,
    ) -> None:
        self.tables = dict(tables)
        self.label = label
        self.exponentiated = exponentiated

    @classmethod
    def from_results(
        cls,
        results: Any,
        *,
        exponentiate: bool = False,
        alpha: float = 0.05,
        intercept: bool = False,
        names: Names = None,
        groups: Groups = None,
        sort: str | None = None,
        annotate: bool = False,
        ax: Any = None,
    ) -> CoefficientDisplay:
        """Draw estimates of one model, or of a dict of them by name.

        Parameters
        ----------
        results : results of inference or of statsmodels, effects, DataFrame; or a dict of them
            See :func:`glmnet_nn.validation.estimates.read_estimates`.
        exponentiate : bool, default=False
            Whether exp of the estimates and limits is drawn: relativities under the log link,
            odds ratios under the logit link.
        alpha : float, default=0.05
            1 - coverage.
        intercept : bool, default=False
            Whether the intercept has a row ("const" of statsmodels is one).
        names : sequence of str, or mapping of str to str, optional
            Which coefficients, in this order, and what to call them; of classes a coefficient
            is ``class:name``.
        groups : mapping of str to sequence of str, optional
            Headings with the names of the coefficients below them; those of none come last,
            under "other".
        sort : {None, "estimate", "size"}, default=None
            Order of the rows (of each group): as they are; by the estimate of the first model
            that has one, or by its distance from 0, the largest above.
        annotate : bool, default=False
            Whether estimates and limits stand in numbers on the right.
        ax : matplotlib Axes, optional
            By default new axes, as high as the rows need.
        """
        sources = dict(results) if isinstance(results, Mapping) else {"": results}
        if not sources:
            raise ValueError("results must hold those of a model, but the dict is empty.")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be a number in (0, 1), but got {alpha!r}.")
        found = {str(name): read_estimates(source, alpha) for name, source in sources.items()}
        links = {estimates.link for estimates in found.values()}
        label = _label(links, exponentiate)
        tables = {}
        for name, estimates in found.items():
            columns = np.column_stack([estimates.estimate, estimates.limits])
            with np.errstate(over="ignore"):
                columns = np.exp(columns) if exponentiate else columns
            table = pd.DataFrame(
                columns, index=estimates.names, columns=["estimate", "lower", "upper"]
            )
            if not intercept:
                table = table[[n.split(":")[-1] != _INTERCEPT for n in table.index]]
            tables[name] = table
        return cls(tables, label, exponentiate).plot(
            names=names, groups=groups, sort=sort, annotate=annotate, ax=ax
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        exponentiate: bool = False,
        alpha: float = 0.05,
        intercept: bool = False,
        names: Names = None,
        groups: Groups = None,
        sort: str | None = None,
        annotate: bool = False,
        ax: Any = None,
        **inference: Any,
    ) -> CoefficientDisplay:
        """Draw the coefficients of a model fitted to these data, or of a dict of them by name.

        ``inference`` are arguments of ``inference()``: sample_weight, exposure, cov_type, ... A
        model may be the last step of a pipeline, or the best of a search. The others are as in
        ``from_results``.
        """
        several = isinstance(estimator, Mapping)
        models = dict(estimator) if several else {"": estimator}
        results = {
            name: inference_of(model, X, y, "coefficients with intervals", **inference)
            for name, model in models.items()
        }
        return cls.from_results(
            results,
            exponentiate=exponentiate,
            alpha=alpha,
            intercept=intercept,
            names=names,
            groups=groups,
            sort=sort,
            annotate=annotate,
            ax=ax,
        )

    # ----------------------------------------------------------------- draw

    def plot(
        self,
        *,
        names: Names = None,
        groups: Groups = None,
        sort: str | None = None,
        annotate: bool = False,
        ax: Any = None,
    ) -> CoefficientDisplay:
        """Draw the tables on ``ax``, or on new axes: no point where nothing is determined."""
        rows = self._rows(names, groups, sort)
        shown = dict(names) if isinstance(names, Mapping) else {}
        labels = [
            "" if key is None else textwrap.fill(shown.get(key, key), _LETTERS) for _, key in rows
        ]
        ax = self._axes(ax, _size(labels, len(self.tables), annotate))
        place = {key: at for at, (_, key) in enumerate(rows) if key is not None}
        self.bars_: dict[str, Any] = {}
        numbers: dict[float, str] = {}
        offsets = _offsets(len(self.tables))
        for number, (name, table) in enumerate(self.tables.items()):
            drawn = table.loc[[key for key in place if key in table.index]]
            at = np.array([place[key] for key in drawn.index]) + offsets[number]
            self.bars_[name] = self._bars(drawn, at, colour(number), name)
            numbers |= dict(zip(at.tolist(), map(_in_words, drawn.to_numpy()), strict=True))
        for at in range(0, len(rows), 2):
            ax.axhspan(at - 0.5, at + 0.5, color="0.96", lw=0, zorder=-2)
        ax.axvline(1.0 if self.exponentiated else 0.0, color="0.3", lw=0.8, zorder=0)
        self._heads(rows, labels)
        if self.exponentiated:
            ax.set_xscale("log")
            plain_log_axis(ax.xaxis)
        ax.set(xlabel=self.label, ylim=(len(rows) - 0.5, -0.5))
        if annotate:
            right = ax.secondary_yaxis("right")
            right.set_yticks(list(numbers), list(numbers.values()), fontsize="small")
            right.tick_params(length=0)
        if len(self.tables) > 1:
            handles = list(self.bars_.values())
            ax.legend(handles, list(self.tables), loc="lower left", bbox_to_anchor=(0.0, 1.0),
                      ncols=min(len(handles), 4), frameon=False, borderaxespad=0.2)  # fmt: skip
        return self

    def _rows(self, names: Names, groups: Groups, sort: str | None) -> list[tuple[str, str | None]]:
        """Return a heading and no name, or no heading and a name, for each row.

        Raises
        ------
        ValueError
            ``sort`` is unknown; no model has a coefficient of such a name; there are none at all.
        """
        if sort not in _SORTS:
            raise ValueError(f"sort must be one of {list(_SORTS)}, but got {sort!r}.")
        known = list(dict.fromkeys(key for table in self.tables.values() for key in table.index))
        asked = [*(names or ()), *(key for keys in (groups or {}).values() for key in keys)]
        unknown = [key for key in asked if key not in known]
        if unknown or not known:
            raise ValueError(
                f"coefficients must be some of {known[:30]}, but {unknown[:10]} are asked for."
            )
        chosen = list(dict.fromkeys(names)) if names is not None else known
        if sort is not None:
            size = self._first_estimates(chosen, sort)
            chosen = sorted(chosen, key=lambda key: -size[key])
        grouped = {key for keys in (groups or {}).values() for key in keys}
        rows: list[tuple[str, str | None]] = []
        for heading, keys in (groups or {}).items():
            members = [key for key in chosen if key in set(keys)]
            rows += [(heading, None), *(("", key) for key in members)] if members else []
        rest: list[tuple[str, str | None]] = [("", key) for key in chosen if key not in grouped]
        return [*rows, *([("other", None)] if rows and rest else []), *rest]

    def _first_estimates(self, keys: list[str], sort: str) -> dict[str, float]:
        """Return the estimate, or its size, of the first model that has one; -inf without."""
        found = dict.fromkeys(keys, -np.inf)
        for table in reversed(list(self.tables.values())):
            for key in table.index.intersection(keys):
                value = float(table.loc[key, "estimate"])
                if sort == "size":
                    value = abs(np.log(value)) if self.exponentiated else abs(value)
                if not np.isnan(value):
                    found[key] = value
        return found

    def _bars(self, table: pd.DataFrame, at: Array, shade: str, name: str) -> Any:
        """Draw points and intervals; an end that no axis has leaves its point without a bar."""
        value, ends = table["estimate"].to_numpy(), table[["lower", "upper"]].to_numpy()
        drawable = np.isfinite(ends) & ((ends > 0) | (not self.exponentiated))
        with np.errstate(invalid="ignore"):
            half = np.where(drawable.all(axis=1), np.abs(ends.T - value), np.nan)
        value = np.where(
            np.isfinite(value) & ((value > 0) | (not self.exponentiated)), value, np.nan
        )
        return self.ax_.errorbar(
            value, at, xerr=half, fmt="o", ms=4, color=shade, elinewidth=1.4, capsize=0,
            label=name or None,
        )  # fmt: skip

    def _heads(self, rows: list[tuple[str, str | None]], labels: list[str]) -> None:
        """Name the rows; headings are bold."""
        texts = [heading or label for (heading, _), label in zip(rows, labels, strict=True)]
        self.ax_.set_yticks(range(len(rows)), texts)
        self.ax_.tick_params(axis="y", length=0)
        for (heading, _), text in zip(rows, self.ax_.get_yticklabels(), strict=True):
            text.set_fontweight("bold" if heading else "normal")


def _label(links: set[str | None], exponentiate: bool) -> str:
    """Return what the axis has.

    Raises
    ------
    ValueError
        exp of a coefficient is no ratio under a link.
    """
    if not exponentiate:
        return "coefficient"
    known = links - {None}
    wrong = sorted(str(link) for link in known if link not in RATIOS)
    if wrong:
        raise ValueError(
            f"exp of a coefficient is a ratio under the links {list(RATIOS)}, but the link is "
            f"{wrong[0]!r}. Set exponentiate=False."
        )
    ratios = {RATIOS[str(link)] for link in known}
    return ratios.pop() if len(ratios) == 1 else "exp(coefficient)"


def _size(labels: list[str], n_models: int, annotated: bool) -> tuple[float, float]:
    """Return width and height of new axes, in inches."""
    lines = sum(1 + label.count("\n") * 0.6 for label in labels)
    more = (_WRITTEN if annotated else _MODEL) * (n_models - 1)
    height = _MARGINS + lines * (_ROW + more)
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    return 4.8 + _LETTER * (longest + _NUMBERS * annotated), max(height, 2.4)


def _offsets(n: int) -> Array:
    """Return where in a row each of n models lies, the first above."""
    return _SPREAD * ((np.arange(n) + 0.5) / n - 0.5)


def _in_words(row: Array) -> str:
    if np.isnan(row[0]):
        return "not determined"
    width = float(np.abs(row[2] - row[1]))
    if not 0 < width < np.inf:
        return f"{row[0]:.3g} ({row[1]:.3g}, {row[2]:.3g})"
    digits = int(np.clip(1 - np.floor(np.log10(width / 2)), 0, 8))
    return "{:.{d}f} ({:.{d}f}, {:.{d}f})".format(*row, d=digits)
