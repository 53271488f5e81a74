"""In the examples warnings are errors, as they are in the tests."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

_around = contextlib.ExitStack()


def reset(gallery_conf: dict[str, Any], fname: str, when: str) -> None:
    """Let a warning of an example stop the build; put back after it what was there before."""
    _around.close()
    if when == "before":
        _around.enter_context(warnings.catch_warnings(action="error"))
