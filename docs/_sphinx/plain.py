"""Docstrings write formulas as they are read in a terminal: |x|, coef_, A*(y). Here they stay so.

reStructuredText takes these for references and emphasis. They are escaped before numpydoc
sees them, outside literals, doctests and the lines that name parameters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # tests read this file without Sphinx
    from sphinx.application import Sphinx

# Sections whose lines without indentation are names, which numpydoc escapes itself.
LISTS = {"Parameters", "Attributes", "Returns", "Raises", "Yields", "Warns", "See Also"}
LITERAL = re.compile(r"(``.+?``|:\w+(?::\w+)?:`[^`]+`|`[^`]+`_?)")
SPECIAL = re.compile(r"[|*]|(?<=\w)_(?!\w)")


def escaped(line: str) -> str:
    """Return the line with its special characters escaped outside literals.

    >>> escaped("sum |coef_| of ``|coef_|``")
    'sum \\\\|coef\\\\_\\\\| of ``|coef_|``'
    """
    parts = LITERAL.split(line)
    parts[::2] = [SPECIAL.sub(r"\\\g<0>", text) for text in parts[::2]]
    return "".join(parts)


def plain(lines: list[str]) -> list[str]:
    """Return a docstring with formulas escaped, and those that stand alone as literal blocks.

    >>> plain(["The sum", "", "    |a| + |b|", "", "of |a|."])
    ['The sum', '', '::', '', '    |a| + |b|', '', 'of \\\\|a\\\\|.']
    """
    lines = "\n".join(lines).replace("\\\n", "").split("\n")  # names may go on in the next line
    found: list[str] = []
    section, doctest, block = "", False, 0
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        indent = len(line) - len(line.lstrip())
        if re.fullmatch(r"-{3,}", below):
            section = line.strip()
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        margin = 4 if section in LISTS else 0
        if line.strip() and indent < block:
            block = 0
        stands_alone = not doctest and indent >= margin + 4 and found and not found[-1].strip()
        if stands_alone and not block:
            block = margin + 4
            found += [margin * " " + "::", ""]
        is_name = section in LISTS and line[:1].strip()
        found.append(line if doctest or block or is_name else escaped(line))
    return found


def escape_formulas(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrite a docstring in place, before numpydoc reads it."""
    lines[:] = plain(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Come before numpydoc, whose priority is 500."""
    app.connect("autodoc-process-docstring", escape_formulas, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
