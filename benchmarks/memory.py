"""The memory of this process, from Linux's /proc."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path

_SELF = Path("/proc/self")


def _field(name: str) -> int:
    """Return a field of /proc/self/status, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB", (_SELF / "status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}")
    return 1024 * int(found[1])


def start_watch() -> int | None:
    """Return the resident bytes, after which the high-water mark starts anew; None if it cannot.

    What earlier work left in the allocator is given back first, or it would
    hide as much of the next fit's memory.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        (_SELF / "clear_refs").write_text("5")
        return _field("VmRSS")
    except (OSError, AttributeError):
        return None


def peak_since(start: int | None) -> int | None:
    """Return the bytes by which memory rose over ``start`` at its highest."""
    return None if start is None else max(0, _field("VmHWM") - start)
