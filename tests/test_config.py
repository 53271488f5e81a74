"""What the package says of the machine, and when it has a remedy."""

from __future__ import annotations

from typing import Any

import pytest

import glmnet_nn
from glmnet_nn import _config


def pool(library: str, kernel: str | None, threads: int = 2) -> dict[str, Any]:
    """Return a BLAS as threadpoolctl describes it; not every library has a kernel."""
    described = {
        "user_api": "blas",
        "internal_api": library,
        "version": "0.3.30",
        "num_threads": threads,
    }
    return described if kernel is None else {**described, "architecture": kernel}


@pytest.mark.parametrize(
    ("pools", "avx512", "remedy"),
    [
        ([pool("openblas", "Haswell")], True, "OPENBLAS_CORETYPE=SkylakeX"),
        ([pool("openblas", "Zen")], True, "OPENBLAS_CORETYPE=SkylakeX"),
        ([pool("openblas", "SkylakeX"), pool("openblas", "Haswell")], True, "OPENBLAS_CORETYPE="),
        ([pool("openblas", "Haswell")], False, None),
        ([pool("openblas", "SkylakeX")], True, None),
        ([pool("openblas", "SapphireRapids"), pool("openblas", "Cooperlake")], True, None),
        ([pool("openblas", None)], True, None),
        ([pool("mkl", None)], True, None),
        ([], True, None),
    ],
)
def test_the_remedy_is_named_only_where_it_helps(
    pools: list[dict[str, Any]],
    avx512: bool,
    remedy: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    openmp = {"user_api": "openmp", "internal_api": "openmp", "version": None, "num_threads": 3}
    monkeypatch.setattr(_config, "threadpool_info", lambda: [*pools, openmp])
    monkeypatch.setattr(_config, "_has_avx512", lambda: avx512)
    found = glmnet_nn.configuration()
    assert len(found["blas"]) == len(pools)
    assert found["openmp"] == [3]
    glmnet_nn.show_config()
    printed = capsys.readouterr().out
    assert "OpenMP: threads 3" in printed
    assert ("AVX-512" in printed) == avx512
    if remedy is None:
        assert found["remedy"] is None
        assert "OPENBLAS_CORETYPE" not in printed
    else:
        assert found["remedy"].startswith(remedy)
        assert found["remedy"] in printed


def test_it_names_what_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    found = glmnet_nn.configuration()
    assert found["versions"]["glmnet_nn"] == glmnet_nn.__version__
    glmnet_nn.show_config()
    printed = capsys.readouterr().out
    assert all(f"{name}: {number}\n" in printed for name, number in found["versions"].items())
    assert printed.count("BLAS: ") == len(found["blas"])
