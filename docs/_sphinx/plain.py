"""Docstrings write formulas as they are read in a terminal: |x|, coef_, A*(y). Here they stay so.

reStructuredText takes these for references and emphasis. They are escaped before numpydoc
sees them, outside literals, doctests and the lines that name parameters.
"""

from __future__ import annotations

import re
from typing import Any

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


def escape_formulas(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape a docstring in place, before numpydoc reads it."""
    lines[:] = "\n".join(lines).replace("\\\n", "").split("\n")  # names may go on in the next line
    section, doctest = "", False
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[number + 1]):
            section = line.strip()
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        is_name = section in LISTS and line[:1].strip()
        if not (doctest or is_name):
            lines[number] = escaped(line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Come before numpydoc, whose priority is 500."""
    app.connect("autodoc-process-docstring", escape_formulas, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
