"""Estimators of data in blocks: Blocks, Parquet files, Dask collections.

What is asked of the data is a sum over blocks, so the estimators' own code is that of rows
in memory: here is the way in and out alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily
from glmnet_nn.blocks import Block, Blocks, blocks_of
from glmnet_nn.estimators._block_entry import (
    entered,
    has_rows,
    in_block,
)
from glmnet_nn.estimators._callbacks import end_callbacks, watched
from glmnet_nn.estimators._nested import fit_nested_rows
from glmnet_nn.estimators._notices import warn_of_fits
from glmnet_nn.estimators._validation import check_estimable
from glmnet_nn.inference import InferenceOptions

_IN_MEMORY = {
    "early_stopping": (False, "holds out rows at random"),
    "bias_reduction": (False, "asks each row for its leverage in every step"),
    "polish_output": (False, "makes a GLM of hidden outputs"),
    "n_estimators": (1, "hands all rows to each member"),
    "checkpoint": (None, "knows the data it is of by all rows"),
}


class BlockwiseMixin:
    """``fit``, ``score`` and ``inference`` of data in blocks."""

    if TYPE_CHECKING:  # what BaseDeepGLM has
        balance: str | None
        formula: str | None
        hidden_layer_sizes: tuple[int, ...]
        store_covariance: bool
        _estimate: Any

        def _specified(self, *args: Any) -> Any: ...
        def _store(self, *args: Any) -> None: ...
        def _results(self, *args: Any) -> Any: ...

    def _fit_blocks(self, blocks: Any, told: tuple[Any, ...]) -> None:
        """Fit to the rows of all blocks together."""
        self._require_sums()
        source, law, marks = entered(self, blocks)
        _require_known_law(law)
        check_estimable(law, source.mean_response()[None], np.ones(1))
        for name, value in marks.items():  # the coding among them, which embeddings ask
            setattr(self, name, value)
        spec, _ = self._specified(law, source)
        if spec.solver == "adam":
            source.require_residence()
        spec, callbacks = watched(self, spec, told, law, 1, False, None)
        fit = fit_nested_rows(source, spec)
        self._store(fit, spec)
        warn_of_fits(self, [fit], 1)
        if self.store_covariance:
            self._estimate = self._results(source, _NO_LABELS, InferenceOptions()).estimate
        end_callbacks(callbacks)

    def _require_sums(self) -> None:
        """Raise ValueError if something is asked for that is no sum over blocks."""
        for name, (allowed, why) in _IN_MEMORY.items():
            given = getattr(self, name)
            if given != allowed and not (name == "n_estimators" and not self.hidden_layer_sizes):
                raise ValueError(
                    f"{name}={given!r} {why}, which needs them in memory, but X comes in blocks. "
                    f"Set {name}={allowed!r}, or fit a sample in memory."
                )
        if self.formula is not None:
            raise ValueError(
                f"formula={self.formula!r} learns levels and means from the rows, but X comes in "
                "blocks. Make the columns of each block before, and set formula=None."
            )
        if self.balance == "refit":
            raise ValueError(
                "balance='refit' scores the output layer on rows in memory, but X comes in blocks. "
                "Use balance='shift'."
            )


_NO_LABELS = pd.RangeIndex(0)  # of rows that are not at hand


def _require_known_law(law: ExponentialFamily) -> None:
    if law.unknown is not None:
        raise ValueError(
            f"{law.unknown.name} of {type(law).__name__} is estimated from the means of all rows "
            "in memory, but X comes in blocks. Estimate it from a sample, and give the family_ of "
            "that fit as family."
        )


# ---------------------------------------------------------------- predictions


def lazily(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method of (X, offset, exposure) take X in blocks, and return its result in blocks.

    Of a Dask collection it returns a Dask array, nothing of it made yet; of Blocks an
    iterator of arrays.
    """

    @wraps(method)
    def blockwise(self: Any, X: Any, offset: Any = None, exposure: Any = None) -> Any:
        blocks = blocks_of(X, None, None, offset, exposure)
        if blocks is None:
            return method(self, X, offset, exposure)
        check_is_fitted(self)
        of_block = partial(_predicted, method.__name__, self)
        if isinstance(blocks, Blocks):
            return _one_by_one(of_block, blocks)
        return blocks.array(of_block, *self._row_shape(method.__name__))

    return blockwise


def _predicted(name: str, estimator: Any, block: Block, number: int) -> Array:
    if not has_rows(block._replace(sample_weight=None)):
        shape, dtype = estimator._row_shape(name)
        return np.empty((0, *shape), dtype)
    found: Array = in_block(number, getattr(estimator, name), block.X, block.offset, block.exposure)
    return found


def _one_by_one(of_block: Callable[[Block, int], Array], blocks: Blocks) -> Iterator[Array]:
    for number, block in enumerate(blocks):
        yield of_block(block, number)
