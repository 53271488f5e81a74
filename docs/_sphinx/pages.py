"""Links between pages and files of the repository, which Markdown writes as paths."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

# Pages link to these files, so that the link can be followed in the repository too.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
TARGET = re.compile(r"\]\((?P<path>[^)\s#:]+)(?=[)#])")


def from_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let a link to a file that is a page here lead to that page."""
    up = "../" * (docname.count("/") + 1)
    for name, page in PAGES.items():
        source[0] = source[0].replace(f"]({up}{name}", f"](/{page}")


def from_root(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """Do so in a file of the root that a page includes: its paths start there."""

    def target(link: re.Match[str]) -> str:
        path = link["path"]
        if path.startswith("docs/"):
            return f"]({path.removeprefix('docs/')}"
        return f"]({PAGES.get(path, '../' + path)}"

    content[0] = TARGET.sub(target, content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links when a page is read."""
    app.connect("source-read", from_page)
    app.connect("include-read", from_root)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
