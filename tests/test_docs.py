"""What README and docs show runs as printed, and prints what they say it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from families import known_families, known_pairs
from glmnet_nn.network import known_activations

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A python block and, if a text block follows it, what it is to print.
SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def snippets() -> list[object]:
    """Return every python block of every page, with its expected output."""
    return [
        pytest.param(m["code"], m["printed"], id=f"{page.name}-{number}")
        for page in PAGES
        for number, m in enumerate(SNIPPET.finditer(page.read_text(encoding="utf-8")), start=1)
    ]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize(("code", "printed"), snippets())
def test_snippet_runs_when_pasted(
    code: str, printed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})
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
