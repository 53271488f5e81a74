"""What the package runs on: versions, BLAS libraries with their kernels, and threads."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "statsmodels")
_AVX512_KERNELS = {"skylakex", "cooperlake", "sapphirerapids"}
_REMEDY = "OPENBLAS_CORETYPE=SkylakeX"


def configuration() -> dict[str, Any]:
    """Return versions, processor, BLAS libraries and what could make them faster.

    Returns
    -------
    dict
        "versions", of this package, Python and the packages it builds on; "avx512", whether
        the processor has AVX-512; "blas", a list with the library, version, kernel
        and threads of every BLAS that is loaded, "openmp", the threads of every OpenMP
        runtime; "remedy", what to set before Python starts, or None.

    Examples
    --------
    >>> sorted(configuration())
    ['avx512', 'blas', 'openmp', 'remedy', 'versions']
    """
    # Loaded here so that their BLAS can be asked: numpy's and scipy's are two.
    for module in ("numpy.linalg", "scipy.linalg"):
        import_module(module)
    pools = threadpool_info()
    blas = [
        {
            "library": pool["internal_api"],
            "version": pool["version"],
            "kernel": pool.get("architecture"),
            "threads": pool["num_threads"],
        }
        for pool in pools
        if pool["user_api"] == "blas"
    ]
    avx512 = _has_avx512()
    return {
        "versions": _versions(),
        "avx512": avx512,
        "blas": blas,
        "openmp": [pool["num_threads"] for pool in pools if pool["user_api"] == "openmp"],
        "remedy": _remedy(blas, avx512),
    }


def show_config() -> None:
    """Print :func:`configuration`, with the remedy if there is one to be had.

    numpy's bundled OpenBLAS picks its kernel by the processor's model number. One
    that it does not know may get the AVX2 kernel (Haswell, Zen) although it has
    AVX-512, at about half the speed in matrix products.
    """
    found = configuration()
    for name, number in found["versions"].items():
        print(f"{name}: {number}")
    print(f"processor: {platform.machine()}, {os.cpu_count()} cores", end="")
    print(", AVX-512" if found["avx512"] else "")
    for pool in found["blas"]:
        kernel = pool["kernel"] or "unknown"
        print(f"BLAS: {pool['library']} {pool['version']}, kernel {kernel}, ", end="")
        print(f"threads {pool['threads']}")
    for threads in found["openmp"]:
        print(f"OpenMP: threads {threads}")
    if found["remedy"]:
        print(
            "remedy: the processor has AVX-512, but OpenBLAS runs a kernel without it. Set "
            f"{found['remedy']} in the environment before Python starts."
        )


def _versions() -> dict[str, str]:
    from glmnet_nn import __version__

    own = {"glmnet_nn": __version__, "python": platform.python_version()}
    return own | {package: version(package) for package in _PACKAGES}


def _has_avx512() -> bool:
    """Whether numpy, at its import, found the AVX-512 set that SkylakeX kernels need."""
    private = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
    features = import_module(f"{private}._multiarray_umath").__cpu_features__
    return bool(features.get("AVX512_SKX") or features.get("X86_V4"))


def _remedy(blas: list[dict[str, Any]], avx512: bool) -> str | None:
    """Return the setting that wakes AVX-512, if an OpenBLAS does not use the processor's."""
    kernels = {pool["kernel"].lower() for pool in blas if _is_openblas(pool)}
    asleep = bool(kernels - _AVX512_KERNELS)
    return _REMEDY if avx512 and asleep else None


def _is_openblas(pool: dict[str, Any]) -> bool:
    """Whether it is an OpenBLAS that tells its kernel."""
    return pool["library"] == "openblas" and pool["kernel"] is not None
