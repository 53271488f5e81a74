"""Families by name."""

from __future__ import annotations

import itertools
from typing import Any

from families._base import _FAMILIES, ExponentialFamily
from families._links import Link


def get_family(
    family: str | ExponentialFamily, link: str | Link | None = None, **parameters: Any
) -> ExponentialFamily:
    """Return the family of that name or alias, with that link.

    Parameters
    ----------
    family : str or ExponentialFamily
        A name ("normal", "bernoulli", "multinoulli", "poisson", ...), an alias
        ("gaussian", "multinomial", "categorical") or a family object.
    link : str or Link, optional
        Its link; None leaves an object as it is and means "auto" for a name.
        A canonical link that depends on the parameters follows them.
    **parameters
        Parameters of the family beside the link.

    Raises
    ------
    ValueError
        The family or link is unknown, or they do not go together.
    TypeError
        Neither a name nor a family.

    Examples
    --------
    >>> get_family("poisson", link="log") == get_family("poisson")
    True
    """
    if isinstance(family, ExponentialFamily):
        if link is None and not parameters:
            return family
        if link is None:
            known = family.unknown is None
            link = "auto" if known and family.is_canonical else family.link
        facts: dict[str, Any] = {**vars(family), **parameters, "link": link}
        return type(family)(**facts)
    if not isinstance(family, str):
        raise TypeError(f"family must be a name or an ExponentialFamily, but got {family!r}.")
    if family not in _FAMILIES:
        raise ValueError(f"family must be one of {sorted(_FAMILIES)}, but got {family!r}.")
    return _FAMILIES[family](link="auto" if link is None else link, **parameters)


def known_families() -> list[type[ExponentialFamily]]:
    """Return every family class, once each, by name."""
    classes = {family.name: family for family in _FAMILIES.values()}
    return [classes[name] for name in sorted(classes)]


def known_pairs() -> list[ExponentialFamily]:
    """Return every family with its canonical link and every known link that it allows."""
    pairs = ([f(), *(f(link) for link in f.allowed_links())] for f in known_families())
    return list(dict.fromkeys(itertools.chain.from_iterable(pairs)))
