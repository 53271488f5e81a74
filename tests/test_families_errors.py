"""What a wrong argument is told, and families and links as values."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from test_families_reference import LINKS, PAIRS, label, laws, links, pairs, responses

from families import (
    ExponentialFamily,
    Link,
    get_family,
    get_link,
    known_families,
    known_links,
)

REFUSED = [
    (law, link())
    for law in known_families()
    for link in known_links().values()
    if not law.allows(link())
]


def test_unknown_family_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"family must be one of \[.*'poisson'.*\], but got 'p'"):
        get_family("p")


def test_unknown_link_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"link must be one of \[.*'probit'.*\], but got 'l'"):
        get_link("l")
    with pytest.raises(ValueError, match="link must be one of"):
        get_family("poisson", link="l")


@pytest.mark.parametrize("wrong", [3, None, ExponentialFamily, ["poisson"]])
def test_family_of_a_wrong_type(wrong):
    with pytest.raises(TypeError, match="family must be a name or an ExponentialFamily, but got"):
        get_family(wrong)


@pytest.mark.parametrize("wrong", [3, Link, ["log"]])
def test_link_of_a_wrong_type(wrong):
    with pytest.raises(TypeError, match="link must be a name or a Link, but got"):
        get_link(wrong)


@pytest.mark.parametrize(("law", "link"), REFUSED, ids=lambda item: label(item))
def test_refused_pair_names_both_and_the_links_to_use(law, link):
    with pytest.raises(ValueError, match="does not give means of") as caught:
        law(link)
    message = str(caught.value)
    assert repr(link.name) in message
    assert law.__name__ in message
    assert all(repr(allowed.name) in message for allowed in law.allowed_links())


def test_some_pair_is_refused():
    assert REFUSED


def _outside(law):
    """Values that are no responses of this law: beyond each end, open ends, NaN, infinite."""
    if law.event_ndim:
        return [[-0.5, 0.5, 1.0], [0.5, 0.5, 0.5], [np.nan, 0.5, 0.5], [np.inf, -np.inf, 1.0]]
    low, high = law.support.low, law.support.high
    ends = [low] * (not law.support.closed_low) + [high] * (not law.support.closed_high)
    return [low - 2.0, high + 2.0, *ends, np.nan, np.inf, -np.inf]


@laws
def test_response_outside_the_support_names_law_rule_index_value_and_remedy(law):
    good = responses(law)
    for value in _outside(law):
        y = np.concatenate([good, np.atleast_1d([value])])
        with pytest.raises(ValueError, match="Remove or correct such rows") as caught:
            law.check_response(y)
        for part in (
            type(law).__name__,
            str(law.support),
            f"y[{len(good)}] = {value!r}",
            "(1 such in all)",
        ):
            assert part in str(caught.value)


@laws
def test_response_in_a_column_is_checked_as_well(law):
    if law.event_ndim:
        return
    y = np.stack([responses(law), responses(law)], axis=1)
    law.check_response(y)
    y[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"y\[\(2, 1\)\] = nan \(1 such in all\)"):
        law.check_response(y)
    with pytest.raises(ValueError, match=r"y\[2\] = nan"):
        law.check_response(y[:, 1:])


@laws
def test_response_that_is_a_number_or_whole_numbers_is_checked_as_well(law):
    if law.event_ndim:
        return
    with pytest.raises(ValueError, match=r"y\[0\] = nan"):
        law.check_response(np.array(np.nan))
    law.check_response(np.ones(3, dtype=int))


@laws
def test_response_in_the_support_passes(law):
    assert law.check_response(responses(law)) is None


# ---------------------------------------------------- families and links as values


@pairs
def test_equal_pairs_are_equal_hash_alike_and_survive_copying(pair):
    again = dataclasses.replace(pair)
    for other in (again, pickle.loads(pickle.dumps(pair)), copy.deepcopy(pair)):
        assert other == pair
        assert hash(other) == hash(pair)
        assert other.link == pair.link
        assert other.is_canonical == pair.is_canonical


def test_different_pairs_are_different():
    pairs_ = PAIRS
    assert len(set(pairs_)) == len(pairs_)
    assert all((a == b) == (i == j) for i, a in enumerate(pairs_) for j, b in enumerate(pairs_))


@links
def test_links_are_values(link):
    for other in (dataclasses.replace(link), pickle.loads(pickle.dumps(link)), copy.copy(link)):
        assert other == link
        assert hash(other) == hash(link)
    assert get_link(link) is link
    assert sum(link == other for other in LINKS) == 1
    if link.name in known_links():
        assert get_link(link.name) == link


@laws
def test_default_link_is_the_canonical_one(law):
    assert law.is_canonical
    assert law.link == law.canonical_link
    assert dataclasses.replace(law, link="auto") == law


@pairs
def test_family_is_found_by_every_name(pair):
    parameters = {k: v for k, v in vars(pair).items() if k != "link"}
    for name in (pair.name, *pair.aliases):
        assert get_family(name, link=pair.link.name, **parameters) == pair
        assert get_family(name) == type(pair)()


@pairs
def test_family_object_passes_and_takes_another_link(pair):
    assert get_family(pair) is pair
    auto = dataclasses.replace(pair, link="auto")
    assert get_family(auto, link=pair.link) == pair
    assert get_family(pair, link="auto") == auto


@laws
def test_unknown_parameter_is_refused(law):
    with pytest.raises(TypeError, match="no_such_parameter"):
        get_family(law.name, no_such_parameter=1)


def test_families_are_frozen():
    with pytest.raises(AttributeError):
        get_family("poisson").link = "log"


def test_base_class_is_no_law():
    assert ExponentialFamily not in known_families()
    with pytest.raises(TypeError):
        ExponentialFamily()
