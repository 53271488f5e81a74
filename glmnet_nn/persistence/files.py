"""save_model() and load_model(): a zip of a JSON header and arrays without pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from glmnet_nn import __version__
from glmnet_nn.persistence.encoding import Decoder, Encoder

SCHEMA = 1  # of the files that this version writes; it reads all up to it
_HEADER = "header.json"
_FORMAT = "glmnet_nn model"
# what zipfile, json and the constructors of what is in the file say of a file that is none
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, json.JSONDecodeError, UnicodeDecodeError, EOFError,
    RuntimeError, LookupError, TypeError, AttributeError, OverflowError,
)  # fmt: skip


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
    parts = [_bytes_of(array) for array in encoder.arrays]
    header = {
        "format": _FORMAT,
        "schema": SCHEMA,
        "glmnet_nn": __version__,
        "model": tree,
        "arrays": [
            {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": _digest(part)}
            for array, part in zip(encoder.arrays, parts, strict=True)
        ],
    }
    members = {_HEADER: json.dumps(header, indent=1, allow_nan=False).encode()}
    members |= {_name(i): part for i, part in enumerate(parts)}
    _write(Path(path), members)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Return the model of a file that :func:`save_model` wrote.

    Raises
    ------
    ValueError
        The file is no such file, is damaged, or was written by a later version.
    """
    members = _read(path)
    try:
        header = json.loads(members[_HEADER])
        _check(header, path)
        facts = header["arrays"]
        arrays = [_array(members[_name(i)], fact) for i, fact in enumerate(facts)]
        model = Decoder(arrays).decode(header["model"])
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if not isinstance(model, BaseEstimator):
        raise ValueError(
            f"{os.fspath(path)!r} holds no model of save_model(), but a {type(model).__name__}."
        )
    return model


def _read(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """Return the members of the archive."""
    whole = io.BytesIO(Path(path).read_bytes())
    try:
        with zipfile.ZipFile(whole) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (*_DAMAGE, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: str | os.PathLike[str], error: Exception) -> ValueError:
    return ValueError(
        f"{os.fspath(path)!r} is no complete file of save_model(): {error}. Write it again."
    )


def _check(header: Any, path: str | os.PathLike[str]) -> None:
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


def _bytes_of(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(part: bytes, fact: dict[str, Any]) -> NDArray[Any]:
    """Return an array, if it is the one that was written."""
    if _digest(part) != fact["sha256"]:
        raise ValueError("the file is damaged: an array has not its checksum. Write it again.")
    array: NDArray[Any] = np.load(io.BytesIO(part), allow_pickle=False)
    if list(array.shape) != fact["shape"] or array.dtype.str != fact["dtype"]:
        raise ValueError("the file is damaged: an array has not its shape. Write it again.")
    return array


def _digest(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def _name(at: int) -> str:
    return f"arrays/{at}.npy"


def _write(path: Path, members: dict[str, bytes]) -> None:
    """Write the archive beside its place, and move it there when it is on the disk."""
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, part in members.items():
                    archive.writestr(name, part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
