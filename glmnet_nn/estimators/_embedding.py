"""Embeddings of a given size: which columns of X they take, and what a fit has found."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.network import Embedding
from glmnet_nn.tables import TableCoding
from glmnet_nn.tables.columns import Factor

EMBEDDING_CONSTRAINTS: dict[str, list[Any]] = {
    "embedding_size": [Interval(Integral, 1, None, closed="left"), dict, None],
}


class EmbeddingMixin:
    """``embeddings_`` of a fitted network."""

    _embeddings: tuple[Embedding, ...] = ()

    if TYPE_CHECKING:  # what BaseDeepGLM has
        n_layers_: int
        _coding: TableCoding | None

        @property
        def coefs_(self) -> list[Array]: ...
        def _refuse_of_ensemble(self, name: str) -> None: ...

    @property
    def embeddings_(self) -> dict[str, pd.DataFrame]:
        """The levels of each factor as points, (levels, size): as far apart as their weights.

        With U S Q' the singular value decomposition of the weights (units, levels) of a factor
        in the first layer, the coordinates of its levels are Q S, those of largest spread
        first. Of ``embedding_size`` numbers each or, without it, as many as the weights have. A
        level that a reference coding leaves out lies at 0. The rows of the table are called as
        in ``feature_names_``.
        """
        check_is_fitted(self)
        self._refuse_of_ensemble("embeddings_")
        if self.n_layers_ == 2:
            raise AttributeError(
                "embeddings_ belongs to hidden layers; this model has none. See coef_."
            )
        sizes = {at.start: at.size for at in self._embeddings}
        return {
            factor.name: _points(factor, self.coefs_[0][start:stop], sizes.get(start))
            for start, stop, factor in _factors(self._coding)
        }


def _points(factor: Factor, weights: Array, size: int | None) -> pd.DataFrame:
    """Return the points of the levels of a factor, from its weights, (indicators, units)."""
    Q, s, Ut = linalg.svd(weights, full_matrices=False)
    if len(Q):  # against a reference a factor of one level has no indicator
        Q, _ = svd_flip(Q, Ut)
    points = (Q * s)[:, :size]
    if factor.reference:
        points = np.vstack([np.zeros(points.shape[1]), points])
    return pd.DataFrame(points, index=pd.Index(factor.labels, name=factor.name))


def _factors(coding: TableCoding | None) -> Iterator[tuple[int, int, Factor]]:
    """Yield the first indicator of each factor, the one after its last, and the factor."""
    at = 0
    for column in () if coding is None else coding.columns:
        stop = at + column.width
        if isinstance(column, Factor):
            yield at, stop, column
        at = stop


def embeddings_of(estimator: Any, hidden: tuple[int, ...]) -> tuple[Embedding, ...]:
    """Return the embeddings that the constructor asks for, in the order of their columns.

    Factors that have no more levels than the embedding would have numbers, or the first layer
    no more units, enter as they are: nothing is restricted.

    Raises
    ------
    ValueError
        There is nothing to embed, or the fit has weights that an embedding does not.
    """
    asked = estimator.embedding_size
    if asked is None:
        return ()
    _check_choices(estimator, hidden)
    factors = list(_factors(estimator._coding))
    sizes = _sizes(asked, [factor.name for *_, factor in factors])
    found = tuple(
        Embedding(start, stop, sizes[factor.name])
        for start, stop, factor in factors
        if sizes.get(factor.name, np.inf) < min(hidden[0], stop - start)
    )
    if found and estimator.store_covariance:
        raise ValueError(
            "store_covariance=True keeps the covariance of parameters that the data determine, but "
            f"with embedding_size={asked!r} axes can be turned. Set embedding_size=None or "
            "store_covariance=False."
        )
    return found


def _check_choices(estimator: Any, hidden: tuple[int, ...]) -> None:
    """Raise if there is no first hidden layer, or it has another penalty than a ridge."""
    given = f"embedding_size={estimator.embedding_size!r}"
    if not hidden:
        raise ValueError(
            f"{given} is what a first hidden layer sees of a factor, but hidden_layer_sizes=(). "
            "Set embedding_size=None, or give hidden layers."
        )
    if estimator.architecture == "local":
        raise ValueError(
            f"architecture='local' has a coefficient for each level of a factor, but {given} "
            "would join levels. Set embedding_size=None, or architecture='dense' with "
            "skip_connection=True."
        )
    if estimator.l1_ratio > 0:
        raise ValueError(
            f"{given} leaves the axes of an embedding free, on which absolute values depend, but "
            f"l1_ratio={estimator.l1_ratio}. Set l1_ratio=0 or embedding_size=None."
        )


def _sizes(asked: Any, names: list[str]) -> dict[str, int]:
    """Return the size asked for of each factor that is to be embedded."""
    if not names:
        raise ValueError(
            f"embedding_size={asked!r} is for factors, but X has none: its columns are numbers. "
            "Give a table with columns of categories or strings, name them in categorical, or "
            "set embedding_size=None. (The categories of a formula are columns of numbers.)"
        )
    sizes = asked if isinstance(asked, dict) else dict.fromkeys(names, asked)
    unknown = [name for name in sizes if name not in names]
    if unknown:
        raise ValueError(
            f"embedding_size has a size for {unknown[0]!r}, but the factors of X are "
            f"{names[:20]}. Name one of these."
        )
    for name, size in sizes.items():
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"embedding_size must have integers >= 1, but that of {name!r} is {size!r}. "
                "Give a number of axes; None keeps all weights."
            )
    return {name: int(size) for name, size in sizes.items()}
