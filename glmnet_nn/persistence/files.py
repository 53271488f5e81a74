"""save_model() and load_model(): a zip of a JSON header and arrays without pickle."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from glmnet_nn import __version__
from glmnet_nn.persistence.encoding import Decoder, Encoder
from glmnet_nn.storage import read_archive, write_archive

SCHEMA = 1  # of the files that this version writes; it reads all up to it
_FORMAT = "glmnet_nn model"


def save_model(model: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file that holds data and no code.

    A zip archive: ``header.json`` has the schema version, the version of the package, the
    model's parameters and facts, and shape, dtype and SHA-256 of every array; the arrays
    are ``.npy`` files. Anyone can read it, and reading it runs nothing. The file appears
    under its name when it is complete.

    Parameters
    ----------
    model : an estimator of this package
        Fitted.
    path : str or path

    Raises
    ------
    TypeError
        The model holds what is no data: a ``random_state`` that is a generator, a family or
        base of another maker, labels that are Python objects.
    """
    check_is_fitted(model)
    encoder = Encoder()
    tree = encoder.encode(model)
    if not isinstance(tree, dict) or "estimator" not in tree:
        raise TypeError(f"model must be an estimator of this package, but is {model!r}.")
    header = {"format": _FORMAT, "schema": SCHEMA, "glmnet_nn": __version__, "model": tree}
    write_archive(path, header, encoder.arrays)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Return the model of a file that :func:`save_model` wrote.

    Raises
    ------
    ValueError
        The file is no such file, is damaged, or was written by a later version.
    """
    kind, remedy = "file of save_model()", "Write it again."
    model = read_archive(path, partial(_check, path), _model, kind, remedy)
    if not isinstance(model, BaseEstimator):
        raise ValueError(
            f"{os.fspath(path)!r} holds no model of save_model(), but a {type(model).__name__}."
        )
    return model


def _model(header: dict[str, Any], arrays: list[NDArray[Any]]) -> Any:
    return Decoder(arrays).decode(header["model"])


def _check(path: str | os.PathLike[str], header: Any) -> None:
    """Raise unless the header is that of a file which this version can read."""
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError(
            f"{os.fspath(path)!r} holds no model of save_model(). Read it with the program that "
            "wrote it."
        )
    if not isinstance(header["schema"], int) or not 1 <= header["schema"] <= SCHEMA:
        raise ValueError(
            f"{os.fspath(path)!r} has schema {header['schema']} (glmnet_nn "
            f"{header['glmnet_nn']}), but this version, {__version__}, reads schemas up "
            f"to {SCHEMA}. Install a later one."
        )
