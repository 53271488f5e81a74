"""Checkpoints: a fit that is killed at any moment goes on where its last checkpoint left it.

All random numbers of a fit follow from its seed, and all that lies between its searches
(scaling, null model, balance) from the data. So the state of the present search, the ends
of those before it and the seed are the state of the fit.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from families import Array
from glmnet_nn.estimators._journal import Journal
from glmnet_nn.estimators._task import Specification
from glmnet_nn.network import ShiftedSparse

_ELSEWHERE = {  # what changes no step, or is in the data and the seed
    "base",
    "checkpoint",
    "checkpoint_every",
    "n_jobs",
    "random_state",
    "store_covariance",
    "verbose",
}
_HASHED_NUMBERS = 2**16  # at a time


def checkpointed(
    estimator: BaseEstimator, spec: Specification, data: dict[str, Array | None]
) -> tuple[Specification, Journal | None]:
    """Return the specification with the seed of the checkpoint, and the journal, if asked for.

    ``data`` are the arrays of the fit, by name.
    """
    if estimator.checkpoint is None:
        return spec, None
    path = Path(estimator.checkpoint).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(
            f"checkpoint must be a file in a folder that is there, but got "
            f"{os.fspath(estimator.checkpoint)!r}. Make the folder {os.fspath(path.parent)!r}, or "
            "name a file in it."
        )
    facts = {
        "estimator": type(estimator).__name__,
        "parameters": {
            name: _plain(value)
            for name, value in estimator.get_params(deep=False).items()
            if name not in _ELSEWHERE
        },
        "data": {name: _fingerprint(array) for name, array in data.items()},
    }
    journal = Journal(path, estimator.checkpoint_every, facts, estimator.random_state is None)
    return replace(spec, seed=journal.open().drawn("seed", spec.seed)), journal


def _plain(value: Any) -> Any:
    """Return a parameter as JSON: equal for equal parameters."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else repr(value)


def _fingerprint(array: Any) -> str | None:
    """Return a short text that no other array has, of a sparse one that of its parts."""
    if isinstance(array, ShiftedSparse):
        S = array.matrix
        return f"{S.format} " + " ".join(_digest(part) for part in (S.data, S.indices, S.indptr))
    return None if array is None else _digest(array)


def _digest(array: NDArray[Any]) -> str:
    """Return the digest of an array, whatever its layout."""
    found = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    rows = max(1, _HASHED_NUMBERS // max(1, math.prod(array.shape[1:])))
    for first in range(0, len(array), rows):
        found.update(np.ascontiguousarray(array[first : first + rows]).data)
    return found.hexdigest()
