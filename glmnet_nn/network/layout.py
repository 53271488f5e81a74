"""The flat parameter vector and its views, one pair (W_l, b_l) per layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from families import Array


class Layer(NamedTuple):
    """Weights W, (n_out, n_in), and offsets b, (n_out,); b is None if there are none."""

    W: Array
    b: Array | None

    def sums(self, inputs: Array) -> Array:
        """Return S = I W' + b, (n, n_out)."""
        S = inputs @ self.W.T
        if self.b is not None:
            S += self.b
        return S


@dataclass(frozen=True)
class Layout:
    """Where each layer lies in one flat vector: W_0, b_0, W_1, b_1, ..., W_L, b_L.

    Parameters
    ----------
    sizes : tuple of int
        (n_features, hidden sizes ..., n_outputs).
    fit_intercept : bool, default=True
        Whether the output layer has an intercept b_L. Hidden layers always do.

    Examples
    --------
    Two hidden units on three inputs, with n_in n_out + n_out parameters a layer:

    >>> layout = Layout((3, 2, 1))
    >>> layout.size == (3 * 2 + 2) + (2 * 1 + 1)
    True
    >>> [layer.W.shape for layer in layout.layers(np.zeros(layout.size))]
    [(2, 3), (1, 2)]
    """

    sizes: tuple[int, ...]
    fit_intercept: bool = True

    @property
    def n_layers(self) -> int:
        """The number of weight matrices, L + 1."""
        return len(self.sizes) - 1

    @cached_property
    def slices(self) -> tuple[tuple[slice, slice], ...]:
        """For each layer the places of W_l and of b_l in the flat vector."""
        places: list[tuple[slice, slice]] = []
        at = 0
        for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False):
            output = len(places) == self.n_layers - 1
            W = slice(at, at + n_in * n_out)
            b = slice(W.stop, W.stop + (n_out if self.fit_intercept or not output else 0))
            places.append((W, b))
            at = b.stop
        return tuple(places)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.slices[-1][1].stop

    def layers(self, flat: Array) -> list[Layer]:
        """Return the layers as views of the flat vector."""
        views = []
        for (W, b), n_in, n_out in zip(self.slices, self.sizes, self.sizes[1:], strict=False):
            offsets = flat[b] if b.stop > b.start else None
            views.append(Layer(flat[W].reshape(n_out, n_in), offsets))
        return views

    def flatten(self, layers: list[Layer]) -> Array:
        """Return the flat vector with these layers in it."""
        parts = [part.ravel() for layer in layers for part in layer if part is not None]
        return np.concatenate(parts)
