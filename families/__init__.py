"""Exponential families in standard form, for numpy arrays; useful on their own.

>>> from families import get_family
>>> poisson = get_family("poisson", link="log")
>>> float(poisson.mean(0.0))
1.0
"""

from families._base import ExponentialFamily
from families._links import Identity, Link, get_link, known_links
from families._parameters import Estimable
from families._positive_links import (
    Inverse,
    InverseSquared,
    Log,
    NegativeBinomialLink,
    Power,
    Sqrt,
)
from families._registry import get_family, known_families, known_pairs
from families._support import Array, Interval, Simplex
from families._unit_links import Cauchit, CLogLog, Logit, LogLog, Probit, Softmax
from families.bernoulli import Bernoulli
from families.binomial import Binomial
from families.gamma import Gamma
from families.inverse_gaussian import InverseGaussian
from families.multinoulli import Multinoulli
from families.negative_binomial import NegativeBinomial
from families.normal import Normal
from families.poisson import Poisson
from families.tweedie import Tweedie

__all__ = [
    "Array",
    "Bernoulli",
    "Binomial",
    "CLogLog",
    "Cauchit",
    "Estimable",
    "ExponentialFamily",
    "Gamma",
    "Identity",
    "Interval",
    "Inverse",
    "InverseGaussian",
    "InverseSquared",
    "Link",
    "Log",
    "LogLog",
    "Logit",
    "Multinoulli",
    "NegativeBinomial",
    "NegativeBinomialLink",
    "Normal",
    "Poisson",
    "Power",
    "Probit",
    "Simplex",
    "Softmax",
    "Sqrt",
    "Tweedie",
    "get_family",
    "get_link",
    "known_families",
    "known_links",
    "known_pairs",
]
