"""What the numbers were measured on and with."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import glmnet_nn

_PACKAGES = (
    "glmnet-nn",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "glum",
    "statsmodels",
    "torch",
    "jax",
)


def _processor() -> str:
    """Return the processor's name, with family and model where the name tells little."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, re.MULTILINE))
    named = fields.get("model name", platform.machine())
    return f"{named} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """Return the processor, BLAS, versions, and how busy the machine was at the start."""
    versions = {package: _version(package) for package in _PACKAGES}
    versions["glmnet-nn"] = glmnet_nn.__version__  # it need not be installed to be measured
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "blas": sorted(glmnet_nn.configuration()["blas"], key=lambda pool: str(pool["version"])),
        "coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "load_average": os.getloadavg()[0],
    }


def sentence(machine: dict[str, Any]) -> str:
    """Return the description as a paragraph of Markdown."""
    found = [f"{name} {number}" for name, number in machine["versions"].items() if number]
    missing = [name for name, number in machine["versions"].items() if not number]
    blas = "; ".join(
        f"{pool['library']} {pool['version']}, kernel {pool['kernel']}, {pool['threads']} threads"
        for pool in machine["blas"]
    )
    forced = f", OPENBLAS_CORETYPE={machine['coretype']}" if machine["coretype"] else ""
    absent = f" Not installed: {', '.join(missing)}." if missing else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}; load average at the start {machine['load_average']:.1f}. "
        f"BLAS of numpy and scipy in the parent: {blas}{forced}. "
        f"Python {machine['python']}; {', '.join(found)}.{absent}"
    )
