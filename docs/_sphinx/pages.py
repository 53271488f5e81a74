"""Links between pages and files of the repository, which Markdown writes as paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # tests read this file without Sphinx
    from sphinx.application import Sphinx

# Pages link to these files, so that the link can be followed in the repository too.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples": "gallery/index.rst",
}
FOLDER = re.compile(r"\[(?P<text>[^\]]+)\]\([^)\s#:]+/\)")
TARGET = re.compile(r"\]\((?P<path>[^)\s#:]+)(?=[)#])")


def page_of(path: str) -> str:
    """Return where a file of the repository is found, for a page of this folder.

    >>> page_of("CHANGELOG.md"), page_of("docs/theory.md"), page_of("families/poisson.py")
    ('changelog.md', 'theory.md', '../families/poisson.py')
    >>> page_of("examples/glms/plot_same_glm.py")
    'gallery/glms/plot_same_glm.rst'
    """
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    example = re.fullmatch(r"examples/(.*/plot_\w+)\.py", path)
    return f"gallery/{example[1]}.rst" if example else PAGES.get(path, f"../{path}")


def from_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let a link out of this folder lead to the page that shows the file."""

    def target(link: re.Match[str]) -> str:
        path = link["path"]
        return f"]({page_of(path.removeprefix('../')) if path.startswith('../') else path}"

    source[0] = TARGET.sub(target, FOLDER.sub(r"\g<text>", source[0]))


def from_root(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """Do so in a file of the root that a page includes: its paths start there."""
    text = FOLDER.sub(r"\g<text>", content[0])  # a folder has no page
    content[0] = TARGET.sub(lambda link: f"]({page_of(link['path'])}", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links when a page is read."""
    app.connect("source-read", from_page)
    app.connect("include-read", from_root)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
