"""Formulas: the columns of X, and y, that formulaic makes of a data frame.

What stateful transforms (``bs``, ``poly``, ``center``, ``scale``) and categories learned from
the rows of the fit is kept as data, and used for every other row. A formula is an expression
that is evaluated, and models are kept in files: so that no file runs code, it may call the
functions of formulaic and of numpy that are elementwise, and nothing else
(:mod:`glmnet_nn.estimators._formula_language`).

Source: Wilkinson and Rogers (1973), "Symbolic description of factorial models for analysis
of variance", Applied Statistics 22; as in R and statsmodels.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glmnet_nn.estimators._formula_language import Terms, parsed
from glmnet_nn.tables.columns import kind_of, labels, numbers
from glmnet_nn.tables.frames import as_table, frame_of, require_distinct

State = dict[str, Any]
ModelSpec = Any  # formulaic.ModelSpec


@dataclass(frozen=True)
class Design:
    """A formula with what it learned from the rows of the fit.

    Attributes
    ----------
    formula : str
    available : list of str
        The columns that there were, which ``.`` stands for.
    columns : list of str
        The names of the columns of X, without the intercept.
    transforms : dict
        By expression, the state of each transform: knots, means, ...
    levels : dict
        By expression, the categories in their order.
    """

    formula: str
    available: list[str]
    columns: list[str]
    transforms: dict[str, State]
    levels: dict[str, list[Any]]

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept: the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def of(self, frame: pd.DataFrame, present: NDArray[np.bool_] | None = None) -> pd.DataFrame:
        """Return the columns of X of other rows; 0 in rows that are not ``present``.

        Raises
        ------
        ValueError
            A column is not there, has missing values or levels that the rows of the fit did
            not have, is of another type, or beyond the knots of a spline.
        """
        if present is not None and not present.all():
            values = np.zeros((len(frame), len(self.columns)), order="F")
            values[present] = self.of(frame[present]).to_numpy()
            return pd.DataFrame(values, frame.index, self.columns)
        terms = parsed(self.formula, self.available)
        data = _plain_frame(self.formula, frame, terms.right_variables)
        found = _evaluated(self.formula, data, self._spec(terms.right), self.levels)
        if found.columns != self.columns or not found.categorical.issuperset(self.levels):
            raise ValueError(
                f"formula {self.formula!r} makes columns {self.columns} of the rows of the fit, "
                f"but {found.columns} of these, in which {sorted(found.categorical)} are factors, "
                f"and not {sorted(self.levels)}: some column has another type. Give numbers where "
                "there were numbers, and text or categories where there were those."
            )
        self.__dict__["_structure"] = found.spec.structure  # for the next rows, and not kept
        return pd.DataFrame(found.values, frame.index, self.columns)

    def _spec(self, right: Terms) -> ModelSpec:
        """Return what formulaic is to do, with the structure that it found before, if it did.

        With a structure it takes one column of numbers for all levels of a factor: whether
        factors are what they were is for :meth:`of` to see.
        """
        spec = _new_spec(right, copy.deepcopy(self.transforms), self.levels)
        structure = self.__dict__.get("_structure")
        return spec if structure is None else spec.update(structure=structure)


def fitted_design(
    formula: str, frame: pd.DataFrame, present: NDArray[np.bool_], fit_intercept: bool
) -> tuple[Design, pd.DataFrame]:
    """Return the design that the present rows give, and X; rows that are absent are 0.

    Raises
    ------
    ValueError
        As :meth:`Design.of`; the formula cannot be read, has no columns, or says something
        else of the intercept than ``fit_intercept``.
    """
    available = [name for name in frame.columns if isinstance(name, str)]
    terms = parsed(formula, available)
    if terms.has_intercept != fit_intercept:
        has, word = ("an", "False") if terms.has_intercept else ("no", "True")
        raise ValueError(
            f"formula {formula!r} has {has} intercept, but fit_intercept={word}. Set "
            f"fit_intercept={terms.has_intercept}, or write the formula "
            f"{'with 0 +' if terms.has_intercept else 'without 0 + or - 1'}."
        )
    data = _plain_frame(formula, frame[present], terms.right_variables)
    found = _evaluated(formula, data, _new_spec(terms.right, {}, {}), {})
    if not found.columns:
        raise ValueError(
            f"formula {formula!r} makes no column of X beside the intercept. Name one: the null "
            "model is part of every fit, as null_deviance_."
        )
    require_distinct(found.columns)
    values = np.zeros((len(frame), len(found.columns)), order="F")
    values[present] = found.values
    design = Design(
        formula,
        available if terms.uses_all else [],
        found.columns,
        {expr: _plain(state) for expr, state in found.spec.transform_state.items()},
        found.levels,
    )
    return design, pd.DataFrame(values, frame.index, found.columns)


def response(formula: str, frame: pd.DataFrame, present: NDArray[np.bool_]) -> NDArray[Any]:
    """Return y, (n,) or (n, K): the left side, of which a lone column may hold labels."""
    terms = parsed(formula, [name for name in frame.columns if isinstance(name, str)])
    if terms.left is None:
        raise ValueError(
            f"y must be given, for formula {formula!r} does not name it. Pass y, or write "
            f"'y ~ {formula.lstrip('~ ')}'."
        )
    names = [str(term) for term in terms.left]
    if len(names) == 1 and names[0] in frame.columns:
        _require_values(formula, frame[present], {names[0]})
        column = frame[names[0]]
        return np.asarray(_plain_numbers(column) if present.all() else column)
    data = _plain_frame(formula, frame[present], terms.left_variables)
    found = _evaluated(formula, data, _new_spec(terms.left, {}, {}), {})
    if found.levels:
        raise ValueError(
            f"the left side of a formula must be numbers, or one column of labels, but in "
            f"{formula!r} it makes {found.columns}. Name the column itself."
        )
    values = np.zeros((len(frame), len(found.columns)))
    values[present] = found.values
    return values[:, 0] if values.shape[1] == 1 else values


def pandas_frame(formula: str, X: Any, needed: set[str]) -> pd.DataFrame:
    """Return a data frame of any kind as one of pandas: the columns needed, or all for ``.``.

    Raises
    ------
    TypeError
        It is none, or has no rows yet.
    """
    if isinstance(X, pd.DataFrame):
        return X
    table = as_table(X)
    if table is None:
        raise TypeError(
            f"formula {formula!r} names columns, so X must be a data frame, but it is a "
            f"{type(X).__name__}. Pass a DataFrame."
        )
    names = table.columns
    terms = parsed(formula, names)
    asked = terms.left_variables | terms.right_variables | needed
    return frame_of(table.select(n for n in names if terms.uses_all or n in asked))


@dataclass(frozen=True)
class _Evaluated:
    values: NDArray[Any]
    columns: list[str]
    spec: ModelSpec

    @property
    def categorical(self) -> set[str]:
        """The expressions that are factors."""
        kinds = self.spec.encoder_state.items()
        return {expr for expr, (kind, _) in kinds if kind.value == "categorical"}

    @property
    def levels(self) -> dict[str, list[Any]]:
        """The categories of each factor, by its expression."""
        return {
            expr: _plain(state["categories"])
            for expr, (_, state) in self.spec.encoder_state.items()
            if "categories" in state
        }


def _new_spec(
    terms: Terms, transforms: dict[str, State], levels: dict[str, list[Any]]
) -> ModelSpec:
    """Return what formulaic is to do; it writes what it learns into ``transforms``."""
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor

    known = {
        expr: (Factor.Kind.CATEGORICAL, {"categories": list(found)})
        for expr, found in levels.items()
    }
    return ModelSpec(
        formula=terms,
        na_action="ignore",
        output="numpy",
        transform_state=transforms,
        encoder_state=known,
    )


def _evaluated(
    formula: str, data: pd.DataFrame, spec: ModelSpec, levels: dict[str, list[Any]]
) -> _Evaluated:
    """Return what formulaic makes of plain columns, the intercept left out."""
    from formulaic.errors import DataMismatchWarning, FormulaicError
    from formulaic.materializers import PandasMaterializer

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            matrix = PandasMaterializer(data).get_model_matrix(spec)
        except DataMismatchWarning as error:
            raise ValueError(_unseen(formula, data, levels, str(error))) from None
        except (FormulaicError, ValueError, TypeError) as error:
            raise ValueError(
                f"formula {formula!r} cannot be evaluated: {error} Mend the column, or the formula."
            ) from error
    spec = matrix.model_spec
    kept = [at for at, name in enumerate(spec.column_names) if name != "Intercept"]
    columns = [str(spec.column_names[at]) for at in kept]
    values = np.asarray(matrix, dtype=float)[:, kept]
    _require_finite(formula, values, columns)
    return _Evaluated(values, columns, spec)


def _plain_frame(formula: str, frame: pd.DataFrame, named: Iterable[str]) -> pd.DataFrame:
    """Return the columns that are named as formulaic understands them, their rows numbered."""
    columns = _require_values(formula, frame, named)
    plain = {name: _plain_column(formula, column).array for name, column in columns.items()}
    return pd.DataFrame(plain, pd.RangeIndex(len(frame)))


def _plain_column(formula: str, column: pd.Series) -> pd.Series:
    """Return a column without missing values as formulaic understands it.

    A level that no row has is none, as in R's ``glm`` and in tables without a formula.

    Raises
    ------
    ValueError
        It holds dates, or whatever else is neither a number nor a category.
    """
    kind = kind_of(column)
    if kind == "number":
        return _plain_numbers(column)
    if kind != "factor":
        raise ValueError(
            f"formula {formula!r} needs numbers, categories, strings or truth values, but the "
            f"column {column.name!r} holds {kind}. Convert it to one of these (a date to days "
            "since another)."
        )
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return column.cat.rename_categories(labels(column.cat.categories))
    return column.astype(object).infer_objects()


def _plain_numbers(column: pd.Series) -> pd.Series:
    """Return a column without missing values in a type of numpy, if it holds numbers."""
    if kind_of(column) != "number" or _is_plain(column.dtype):
        return column
    column = column.infer_objects()
    of_numpy = getattr(column.dtype, "numpy_dtype", column.dtype)  # Int64 is int64
    if _is_plain(of_numpy):
        return column.astype(of_numpy)
    return pd.Series(numbers(column), column.index, name=column.name)  # decimals


def _is_plain(dtype: Any) -> bool:
    """Tell whether a type is one of numpy's numbers or truth values."""
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _require_values(
    formula: str, frame: pd.DataFrame, named: Iterable[str]
) -> dict[str, pd.Series]:
    """Return the columns that are named, if each is there once, with a value in every row."""
    named, names = sorted(named), list(frame.columns)
    absent = [name for name in named if names.count(name) != 1]
    if absent:
        raise ValueError(
            f"formula {formula!r} names columns {absent}, which must be in the data once each, but "
            f"the columns are {names[:20]}. A name that is no Python name is written `in ticks`."
        )
    columns = {name: frame[name] for name in named}
    gone = {name: column.isna().to_numpy() for name, column in columns.items()}
    gone = {name: missing for name, missing in gone.items() if missing.any()}
    if gone:
        said = [
            f"{name!r} ({int(missing.sum())}, the first in row {int(np.argmax(missing))})"
            for name, missing in gone.items()
        ]
        raise ValueError(
            f"formula {formula!r} needs a value in every row, but values are missing in "
            f"{', '.join(said)}. Fill them, or leave such rows out: "
            f"data.dropna(subset={list(gone)})."
        )
    return columns


def _require_finite(formula: str, values: NDArray[Any], columns: list[str]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, at = np.argwhere(bad)[0].tolist()
        raise ValueError(
            f"formula {formula!r} makes a column {columns[at]!r} that is {values[row, at]} in row "
            f"{row} ({int(bad.any(axis=1).sum())} such rows in all). Remove or correct such rows."
        )


def _unseen(formula: str, frame: pd.DataFrame, levels: dict[str, list[Any]], error: str) -> str:
    """Return what to say of levels that the rows of the fit did not have."""
    for expr, known in levels.items():
        for name in parsed(f"~ {expr}", []).right_variables:
            rows = ~frame[name].isin(known).to_numpy()
            if rows.any():
                at = int(np.argmax(rows))
                return (
                    f"{expr!r} of formula {formula!r} has the levels {known[:20]} in the fit, but "
                    f"{frame[name].iloc[at]!r} in row {at} ({int(rows.sum())} such rows in all). "
                    "Fit to data with that level, or join it to one that is known."
                )
    return f"formula {formula!r}: {error}"


def _plain(value: Any) -> Any:
    """Return a state of numbers of Python's own, for files."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
