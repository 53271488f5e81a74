"""Exponential families in standard form, for numpy arrays; useful on their own.

>>> from families import get_family
>>> poisson = get_family("poisson", link="log")
>>> float(poisson.mean(0.0))
1.0
"""

from families._base import ExponentialFamily, get_family, known_families, known_pairs
from families._links import (
    CLogLog,
    Identity,
    Link,
    Log,
    Logit,
    Probit,
    Softmax,
    get_link,
    known_links,
)
from families._support import Array, Interval, Simplex
from families.bernoulli import Bernoulli
from families.multinoulli import Multinoulli
from families.normal import Normal
from families.poisson import Poisson

__all__ = [
    "Array",
    "Bernoulli",
    "CLogLog",
    "ExponentialFamily",
    "Identity",
    "Interval",
    "Link",
    "Log",
    "Logit",
    "Multinoulli",
    "Normal",
    "Poisson",
    "Probit",
    "Simplex",
    "Softmax",
    "get_family",
    "get_link",
    "known_families",
    "known_links",
    "known_pairs",
]
