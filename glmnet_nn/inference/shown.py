"""How results show themselves in a session: by their tables, never by the arrays behind them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from glmnet_nn.inference.summary import Summary, of_pvalues

# Fields from which results are made, of use to nobody who reads them.
_MAKINGS = frozenset(
    {"V", "coefficients", "door", "estimate", "fitted", "free", "has_intercept", "index",
     "information", "inputs", "level_steps", "options", "population", "predictor"}
)  # fmt: skip


class ShownSummary:
    """A line in a console, ``summary()`` when printed and in notebooks; names worth completing."""

    if TYPE_CHECKING:  # what the results have
        nobs: Any
        title: Any

        def summary(self) -> Summary: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}, {self.nobs:g} observations; see summary()>"

    def __str__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()

    def __dir__(self) -> list[str]:
        return sorted(set(super().__dir__()) - _MAKINGS)


class ShownTable:
    """``summary_frame()`` with its note, cut in the middle where pandas would cut it."""

    _digits: ClassVar[str] = ".4g"

    def __str__(self: Any) -> str:
        frame = self.summary_frame()
        text = frame.to_string(min_rows=pd.get_option("display.min_rows"), **self._ways(frame))
        note = getattr(self, "note", "")
        return f"{text}\n\n{note}" if note else str(text)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self: Any) -> str:
        frame = self.summary_frame()
        ways = self._ways(frame)
        if ways["show_dimensions"]:  # to_html has no min_rows
            ways["max_rows"] = pd.get_option("display.min_rows")
        table = frame.to_html(**ways)
        note = getattr(self, "note", "")
        return f"{table}\n<p>{escape(note)}</p>" if note else str(table)

    def _ways(self, frame: pd.DataFrame) -> dict[str, Any]:
        most = pd.get_option("display.max_rows")
        return {
            "float_format": lambda value: f"{value:{self._digits}}",
            "formatters": of_pvalues(frame),
            "max_rows": most,
            "show_dimensions": bool(most) and len(frame) > most,
        }
