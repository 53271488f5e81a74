"""What README and docs show runs as printed, and prints what they say it prints."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from pathlib import Path
from types import ModuleType

import pytest

import families
import glmnet_nn
from families import known_families, known_pairs
from glmnet_nn import validation
from glmnet_nn.network import known_activations

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))  # folders below are Sphinx's
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]

# A python block and, if a text block follows it, what it is to print.
SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
TOCTREE = re.compile(
    r"^```\{toctree\}\n(?::[^\n]*\n)*\n(?P<names>.*?)^```$", re.MULTILINE | re.DOTALL
)
# A page with this line is pasted from top to bottom; on others each block stands alone.
ONE_SESSION = "<!-- one session -->"


def snippets() -> list[object]:
    """Return what is pasted into one session, with the output that each block is to print."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [(m["code"], m["printed"]) for m in SNIPPET.finditer(text)]
        sessions = [blocks] if ONE_SESSION in text else [[block] for block in blocks]
        found += [
            pytest.param(session, id=f"{page.name}-{number}")
            for number, session in enumerate(sessions, start=1)
        ]
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("session", snippets())
def test_snippet_runs_when_pasted(
    session: list[tuple[str, str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for code, printed in session:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "snippet", "exec"), names)
        if printed is not None:
            assert output.getvalue() == printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def test_readme_names_every_family_with_its_links() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for family in known_families():
        row = re.search(rf"^\| `{family.name}`(.*)\|.*\|(.*)\|$", readme, re.MULTILINE)
        assert row, f"README has no row for {family.name}"
        links = [name.strip() for name in row[2].split(",")]
        assert links[0] == family().link_name  # a canonical link may depend on parameters
        pairs = [pair for pair in known_pairs() if type(pair) is family]
        assert sorted(links) == sorted(pair.link_name for pair in pairs)
        assert re.findall(r"`([\w.]+)`", row[1]) == list(family.aliases)  # R's have dots


def test_readme_names_every_activation() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(name in readme for name in known_activations())


def test_readme_and_theory_have_snippets() -> None:
    """A change of the pages' form must not leave the tests above with nothing to run."""
    found = [page.name for page in PAGES for _ in SNIPPET.finditer(page.read_text("utf-8"))]
    assert found.count("README.md") >= 1
    assert found.count("theory.md") >= 4


def test_every_page_can_be_reached() -> None:
    """Sphinx lists pages by toctrees; index.md and guide.md hold most of them."""
    listed = {
        re.sub(r".*<(.*)>", r"\1", name.strip())
        for page in DOCS
        for tree in TOCTREE.finditer(page.read_text(encoding="utf-8"))
        for name in tree["names"].splitlines()
    }
    missing = {page.stem for page in DOCS} - listed - {"index"}
    assert not missing, f"{missing} in no toctree: add them to docs/guide.md, with a line on each"


@pytest.mark.parametrize("package", [families, glmnet_nn, validation], ids=lambda p: p.__name__)
def test_the_reference_has_every_public_name(package: object) -> None:
    reference = (ROOT / "docs" / "reference.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", reference, re.MULTILINE))
    assert set(package.__all__) - listed <= {"Array"}  # a type, not a class


@pytest.mark.parametrize("name", ["pages", "plain"])
def test_what_sphinx_is_told_of_links_and_formulas(name: str) -> None:
    path = ROOT / "docs" / "_sphinx" / f"{name}.py"
    module = ModuleType(name)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    done = doctest.testmod(module)
    assert done.attempted >= 1
    assert not done.failed
