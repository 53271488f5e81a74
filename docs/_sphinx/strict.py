"""What each example starts with: warnings are errors there, as they are in the tests."""

from __future__ import annotations

import warnings
from typing import Any


def reset(gallery_conf: dict[str, Any], fname: str) -> None:
    """Let a warning of an example stop the build; called before and after each."""
    warnings.resetwarnings()
    warnings.simplefilter("error")
