"""The house stands: imports point down, names say something, one wheel carries both packages."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("families", "glmnet_nn")
EVERYTHING = ("families", "glmnet_nn")
STATISTICS = frozenset({"pandas", "statsmodels"})


@dataclass(frozen=True)
class Floor:
    """What the modules under ``name`` may import.

    ``ours`` lists modules of this project, as prefixes; ``families:Array`` allows
    that one name only. ``theirs`` are the foreign packages beside numpy, scipy
    and the standard library.
    """

    name: str
    ours: tuple[str, ...]
    theirs: frozenset[str] = frozenset()


# From the ground up; for a module the last floor whose name is a prefix of it counts.
FLOORS = (
    Floor("families", ("families",)),
    Floor("glmnet_nn", EVERYTHING, STATISTICS | {"sklearn", "matplotlib"}),
    Floor("glmnet_nn.exceptions", ()),
    Floor("glmnet_nn._config", ("glmnet_nn:__version__",), frozenset({"threadpoolctl"})),
    Floor("glmnet_nn.storage", ("glmnet_nn.storage",)),
    Floor(
        "glmnet_nn.tables",
        ("families:Array", "glmnet_nn.tables"),
        frozenset({"pandas", "narwhals"}),
    ),
    Floor("glmnet_nn.network", ("families:Array", "glmnet_nn.network")),
    Floor(
        "glmnet_nn.training",
        ("families", "glmnet_nn.network", "glmnet_nn.training", "glmnet_nn.exceptions"),
        frozenset({"threadpoolctl"}),
    ),
    Floor("glmnet_nn.training.solvers", ("families:Array", "glmnet_nn.training.solvers")),
    Floor(
        "glmnet_nn.inference",
        (
            "families",
            "glmnet_nn.network",
            "glmnet_nn.training",
            "glmnet_nn.tables",
            "glmnet_nn.exceptions",
            "glmnet_nn.inference",
        ),
        STATISTICS,
    ),
    Floor(
        "glmnet_nn.elastic_net",
        (
            "families",
            "glmnet_nn._plotting",
            "glmnet_nn.network",
            "glmnet_nn.training",
            "glmnet_nn.exceptions",
            "glmnet_nn.elastic_net",
        ),
        frozenset({"pandas", "sklearn", "matplotlib"}),
    ),
    Floor("glmnet_nn.blocks", ("glmnet_nn.blocks",), frozenset({"dask", "pyarrow"})),
    Floor(
        "glmnet_nn.estimators",
        (
            "families",
            "glmnet_nn.blocks",
            "glmnet_nn.network",
            "glmnet_nn.training",
            "glmnet_nn.exceptions",
            "glmnet_nn.inference",
            "glmnet_nn.elastic_net",
            "glmnet_nn.storage",
            "glmnet_nn:__version__",
            "glmnet_nn.tables",
            "glmnet_nn.estimators",
        ),
        STATISTICS | {"sklearn", "tqdm", "formulaic", "narwhals"},
    ),
    Floor(
        "glmnet_nn.comparison",
        (
            "families",
            "glmnet_nn.network",
            "glmnet_nn.training",
            "glmnet_nn.exceptions",
            "glmnet_nn.inference",
            "glmnet_nn.tables",
            "glmnet_nn.estimators",
            "glmnet_nn.comparison",
        ),
        STATISTICS | {"sklearn"},
    ),
    Floor(
        "glmnet_nn.export",
        (
            "families",
            "glmnet_nn.network",
            "glmnet_nn.tables",
            "glmnet_nn.estimators",
            "glmnet_nn.export",
        ),
        frozenset({"sklearn", "onnx"}),
    ),
    Floor("glmnet_nn._plotting", (), frozenset({"matplotlib"})),
    Floor(
        "glmnet_nn.persistence",
        (
            "families",
            "glmnet_nn:__version__",
            "glmnet_nn.network",
            "glmnet_nn.training",
            "glmnet_nn.inference",
            "glmnet_nn.elastic_net",
            "glmnet_nn.tables",
            "glmnet_nn.estimators",
            "glmnet_nn.storage",
            "glmnet_nn.persistence",
        ),
        frozenset({"sklearn"}),
    ),
    Floor(
        "glmnet_nn.validation",
        (
            "families",
            "glmnet_nn._plotting",
            "glmnet_nn.training",
            "glmnet_nn.exceptions",
            "glmnet_nn.inference",
            "glmnet_nn.tables",
            "glmnet_nn.estimators",
            "glmnet_nn.comparison",
            "glmnet_nn.validation",
        ),
        STATISTICS | {"sklearn"},
    ),
    Floor(
        "glmnet_nn.nesting",
        (
            "families",
            "glmnet_nn._plotting",
            "glmnet_nn.training",
            "glmnet_nn.estimators",
            "glmnet_nn.comparison",
            "glmnet_nn.nesting",
        ),
        STATISTICS | {"sklearn", "joblib"},
    ),
    Floor(
        "glmnet_nn.displays",
        (
            "families",
            "glmnet_nn._plotting",
            "glmnet_nn.inference",
            "glmnet_nn.estimators",
            "glmnet_nn.comparison",
            "glmnet_nn.validation",
            "glmnet_nn.explanation",
            "glmnet_nn.displays",
        ),
        STATISTICS | {"sklearn"},
    ),
    Floor(
        "glmnet_nn.explanation",
        (
            "families:Array",
            "glmnet_nn._plotting",
            "glmnet_nn.network",
            "glmnet_nn.estimators",
            "glmnet_nn.explanation",
        ),
        STATISTICS | {"sklearn"},
    ),
)


def is_within(name: str, prefix: str) -> bool:
    """Whether the module ``name`` is ``prefix`` or lies under it."""
    return name == prefix or name.startswith(prefix + ".")


def floor_of(module: str) -> Floor:
    """Return the floor on which a module stands: the one of the longest name."""
    return max((f for f in FLOORS if is_within(module, f.name)), key=lambda f: len(f.name))


def imported_names(module: str, source: str, is_package: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for every import, also inside functions; name "" for a plain one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: None if is_package else -1]
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def is_allowed(floor: Floor, module: str, name: str) -> bool:
    """Whether a module of this floor may say ``from module import name``."""
    package = module.split(".")[0]
    if package not in PACKAGES:
        return package in sys.stdlib_module_names | floor.theirs | {"numpy", "scipy"}
    for allowed in floor.ours:
        prefix, _, only = allowed.partition(":")
        if only and (module, name) == (prefix, only):
            return True
        # "from glmnet_nn import network" imports glmnet_nn.network
        if not only and (is_within(module, prefix) or is_within(f"{module}.{name}", prefix)):
            return True
    return False


def upward_imports(module: str, source: str, is_package: bool = False) -> list[str]:
    """Return the imports that the floor of a module forbids, in words."""
    floor = floor_of(module)
    return [
        f"{module} (floor {floor.name}) imports {name or 'all'} of {imported}"
        for imported, name in imported_names(module, source, is_package)
        if not is_allowed(floor, imported, name)
    ]


def family_type_tests(source: str) -> list[int]:
    """Return the lines with isinstance(family, ...) or type(family) is ..., or of a link.

    To ask whether it is a name (a str) is no such test, nor is to print its type.
    """
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name("isinstance"), args=[asked, answer]):
                told_apart = ast.unparse(answer) != "str"
            case ast.Compare(left=ast.Call(func=ast.Name("type"), args=[asked])):
                told_apart = True
            case _:
                continue
        subject = ast.unparse(asked).split(".")[-1].strip("_")
        if told_apart and subject in {"family", "link"}:
            lines.append(node.lineno)
    return lines


EMPTY_NAME = re.compile(r"(^|_)(helpers?|utils?|compute|misc)(_|$)|^_?do_")


def empty_names(module: str, source: str) -> list[str]:
    """Return the modules, functions and classes whose names say nothing."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, definitions)]
    return [name for name in (*module.split("."), *defined) if EMPTY_NAME.search(name.lower())]


def modules() -> list[tuple[str, Path]]:
    """Return every module of both packages, by its dotted name."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


ALL_MODULES = [pytest.param(name, path, id=name) for name, path in modules()]


@pytest.mark.parametrize(("module", "path"), ALL_MODULES)
def test_imports_point_down(module: str, path: Path) -> None:
    is_package = path.name == "__init__.py"
    assert not upward_imports(module, path.read_text(encoding="utf-8"), is_package)


@pytest.mark.parametrize(("module", "path"), ALL_MODULES)
def test_names_say_something(module: str, path: Path) -> None:
    assert not empty_names(module, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("module", "path"), [case for case in ALL_MODULES if is_within(str(case.id), "glmnet_nn")]
)
def test_families_are_asked_not_told_apart(module: str, path: Path) -> None:
    assert not family_type_tests(path.read_text(encoding="utf-8")), "ask the family instead"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("families.poisson", "import glmnet_nn"),
        ("families.poisson", "import sklearn"),
        ("families.poisson", "from glmnet_nn.network import Layout"),
        ("glmnet_nn.network.recursion", "from families import Poisson"),
        ("glmnet_nn.network.recursion", "import families"),
        ("glmnet_nn.network.recursion", "from sklearn.utils import check_array"),
        ("glmnet_nn.network.recursion", "from glmnet_nn.training import data"),
        ("glmnet_nn.network.recursion", "from ..training.data import Rows"),
        ("glmnet_nn.network.recursion", "from glmnet_nn import training"),
        ("glmnet_nn.network.recursion", "from glmnet_nn import DeepGLMRegressor"),
        ("glmnet_nn.training.objective", "from glmnet_nn.estimators import regressor"),
        ("glmnet_nn.training.objective", "def f():\n    import sklearn"),
        ("glmnet_nn.training.solvers.adam", "from families import Poisson"),
        ("glmnet_nn.training.solvers.adam", "from glmnet_nn.training.data import Rows"),
        ("glmnet_nn.training.solvers.adam", "from .. import data"),
        ("glmnet_nn.training.solvers.adam", "from glmnet_nn.network import Network"),
        ("glmnet_nn.inference.tests", "from glmnet_nn.estimators import regressor"),
        ("glmnet_nn.estimators.regressor", "from glmnet_nn.plotting import curve"),
        ("glmnet_nn.estimators.regressor", "from glmnet_nn.comparison import compare"),
        ("glmnet_nn.estimators.regressor", "import torch"),
        ("glmnet_nn.elastic_net.solver", "from glmnet_nn.estimators import paths"),
        ("glmnet_nn.comparison.table", "from glmnet_nn.plotting import curve"),
        ("glmnet_nn.comparison.table", "from glmnet_nn.validation import lift_table"),
        ("glmnet_nn.validation.lift", "import matplotlib"),
        ("glmnet_nn.export.onnx", "from glmnet_nn.persistence import save_model"),
    ],
)
def test_an_upward_import_is_seen(module: str, source: str) -> None:
    assert len(upward_imports(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("families.poisson", "from families._base import ExponentialFamily"),
        ("families.poisson", "from scipy import special"),
        ("glmnet_nn.network.recursion", "from families import Array"),
        ("glmnet_nn.network.recursion", "from .layout import Layout"),
        ("glmnet_nn.training.objective", "from glmnet_nn import network"),
        ("glmnet_nn.training.solvers.adam", "from ._problem import Solution"),
        ("glmnet_nn.estimators.regressor", "from glmnet_nn.training.data import Rows"),
    ],
)
def test_a_downward_import_is_allowed(module: str, source: str) -> None:
    assert not upward_imports(module, source)


def test_what_the_other_rules_forbid_is_seen() -> None:
    assert family_type_tests("if isinstance(self.family_, Poisson): pass") == [1]
    assert family_type_tests("type(link) is Log") == [1]
    assert not family_type_tests("isinstance(X, Frame); isinstance(link, str)")
    assert not family_type_tests("print(type(family).__name__)")
    assert empty_names("glmnet_nn.utils", "def compute_loss(): ...\ndef _helper(): ...") == [
        "utils",
        "compute_loss",
        "_helper",
    ]
    assert not empty_names("glmnet_nn.training", "def double(): ...\ndef done(): ...")


def test_the_wheel_carries_both_packages_whole() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": list(PACKAGES)}
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file(), "the wheel would carry no types"
    for name, path in modules():
        assert (path.parent / "__init__.py").is_file(), f"{name} is in no package"


def test_the_import_is_light():
    """What takes a second to import waits until it is needed."""
    heavy = {"sklearn", "pandas", "statsmodels", "matplotlib", "scipy.stats", "scipy.optimize"}
    source = f"import sys, glmnet_nn; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stdout + found.stderr
