"""Draws that are repeated on request: one reading of ``random_state`` for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np


def generator(random_state: Any) -> np.random.Generator:
    """Return the generator of an integer, RandomState, Generator or None.

    Not of their own stream but of a child's: the integer that drew y draws other numbers
    here. A RandomState and a Generator give another child each time.

    Raises
    ------
    TypeError, ValueError
        It is none of these, or a negative integer.
    """
    seed = random_state
    if isinstance(seed, np.random.RandomState):
        seed = seed.randint(2**31 - 1)
    try:
        return np.random.default_rng(seed).spawn(1)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(
            "random_state must be an integer >= 0, a RandomState, a Generator or None, but got "
            f"{random_state!r}."
        ) from error
