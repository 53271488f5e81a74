"""A zip of a JSON header and of arrays without pickle, that is there whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_HEADER = "header.json"
_UNFINISHED = ".part"  # ends the name of a file that is being written
# what zipfile, json, numpy and the makers of what is in the file say of a file that is none
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, json.JSONDecodeError, UnicodeDecodeError, EOFError,
    RuntimeError, LookupError, TypeError, AttributeError, OverflowError,
)  # fmt: skip

T = TypeVar("T")


def write_archive(
    path: str | os.PathLike[str],
    header: dict[str, Any],
    arrays: Sequence[NDArray[Any]],
    compressed: bool = True,
) -> None:
    """Write ``header.json`` and ``arrays/0.npy``, ... to a zip archive.

    The header gets ``arrays``: shape, dtype and SHA-256 of each. It is written beside its
    place, forced to the disk and moved there in one step: under its name there is, at any
    moment, the old file or the new one.

    Parameters
    ----------
    path : str or path
    header : dict
        What JSON holds.
    arrays : sequence of arrays
        Not of Python objects.
    compressed : bool, default=True
        Random numbers do not shrink; to try takes longer than to write them.
    """
    parts = [_bytes_of(array) for array in arrays]
    facts = [
        {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": _digest(part)}
        for array, part in zip(arrays, parts, strict=True)
    ]
    text = json.dumps({**header, "arrays": facts}, indent=1, allow_nan=False)
    members = {_HEADER: text.encode()} | {_name(i): part for i, part in enumerate(parts)}
    _write(Path(path), members, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)


def read_archive(
    path: str | os.PathLike[str],
    check: Callable[[Any], None],
    make: Callable[[dict[str, Any], list[NDArray[Any]]], T],
    kind: str,
    remedy: str,
) -> T:
    """Return what is made of the header and the arrays that :func:`write_archive` wrote.

    Parameters
    ----------
    path : str or path
    check : callable
        Given the header, raises if it is not the one that was looked for.
    make : callable
        Given header and arrays, makes what they stand for.
    kind, remedy : str
        What the file is to be, and what to do if it is not, for the complaint.

    Raises
    ------
    ValueError
        The file is cut, damaged, or none of these.
    """
    incomplete = f"{os.fspath(path)!r} is no complete {kind}: {{}}. {remedy}"
    whole = io.BytesIO(Path(path).read_bytes())
    try:
        with zipfile.ZipFile(whole) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (*_DAMAGE, ValueError) as error:
        raise ValueError(incomplete.format(error)) from error
    try:
        header = json.loads(members[_HEADER])
        check(header)
        facts = header["arrays"]
        arrays = [_array(members[_name(i)], fact, path, remedy) for i, fact in enumerate(facts)]
        return make(header, arrays)
    except _DAMAGE as error:
        raise ValueError(incomplete.format(error)) from error


def remove_unfinished(path: str | os.PathLike[str]) -> None:
    """Remove what a process that was killed while it wrote this archive has left beside it."""
    path = Path(path)
    name = "[0-9a-f]" * 32  # that of a file "fit.2" begins as one of "fit" does
    for left in path.parent.glob(f".{glob.escape(path.name)}.{name}{_UNFINISHED}"):
        left.unlink(missing_ok=True)


def _bytes_of(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(
    part: bytes, fact: dict[str, Any], path: str | os.PathLike[str], remedy: str
) -> NDArray[Any]:
    """Return an array, if it is the one that was written."""
    damaged = f"{os.fspath(path)!r} is damaged: an array has not its"
    if _digest(part) != fact["sha256"]:
        raise ValueError(f"{damaged} checksum. {remedy}")
    array: NDArray[Any] = np.load(io.BytesIO(part), allow_pickle=False)
    if list(array.shape) != fact["shape"] or array.dtype.str != fact["dtype"]:
        raise ValueError(f"{damaged} shape. {remedy}")
    return array


def _digest(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def _name(at: int) -> str:
    return f"arrays/{at}.npy"


def _write(path: Path, members: dict[str, bytes], compression: int) -> None:
    """Write the archive beside its place, and move it there when it is on the disk."""
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}{_UNFINISHED}"
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w", compression) as archive:
                for name, part in members.items():
                    archive.writestr(name, part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
