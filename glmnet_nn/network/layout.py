"""The flat parameter vector and its views, one pair (W_l, b_l) per layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from families import Array

# W and b of what sees other inputs, from those of what saw these
Conversion = Callable[[Array, Array | None], tuple[Array, Array | None]]


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
    skip : bool, default=False
        Whether the output layer sees the inputs beside the last hidden outputs,
        I_L = [O_{L-1}, X]: then eta = X B' + network(X), and W_L = [W, B].

    Examples
    --------
    Two hidden units on three inputs, with n_in n_out + n_out parameters a layer:

    >>> layout = Layout((3, 2, 1))
    >>> layout.size == (3 * 2 + 2) + (2 * 1 + 1)
    True
    >>> [layer.W.shape for layer in layout.layers(np.zeros(layout.size))]
    [(2, 3), (1, 2)]
    >>> Layout((3, 2, 1), skip=True).size == layout.size + 3
    True
    """

    sizes: tuple[int, ...]
    fit_intercept: bool = True
    skip: bool = False

    def __post_init__(self) -> None:
        if self.skip and len(self.sizes) < 3:
            raise ValueError("a skip connection passes hidden layers, but there are none.")

    @property
    def inputs_of_layers(self) -> tuple[int, ...]:
        """The number of inputs of each layer."""
        return (*self.sizes[:-2], self.sizes[-2] + self.sizes[0] * self.skip)

    @property
    def plain(self) -> Layout:
        """The layout of the same network with all its weights: itself, unless some are products."""
        return self

    def widened(self, flat: Array) -> Array:
        """Return the parameters of that network."""
        return flat

    def narrowed(self, plain: Array) -> Array:
        """Return the parameters whose network is nearest to one of that layout."""
        return plain

    def opened(self, plain: Array) -> Array:
        """Return these for a search to start from."""
        return plain

    def resized(self, *, n_features: int) -> Self:
        """Return the layout for another number of features."""
        return replace(self, sizes=(n_features, *self.sizes[1:]))

    @property
    def n_layers(self) -> int:
        """The number of weight matrices, L + 1."""
        return len(self.sizes) - 1

    @cached_property
    def slices(self) -> tuple[tuple[slice, slice], ...]:
        """For each layer the places of W_l and of b_l in the flat vector."""
        places: list[tuple[slice, slice]] = []
        at = 0
        for n_in, n_out in zip(self.inputs_of_layers, self.sizes[1:], strict=True):
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
        return [self._layer(flat, at) for at in range(self.n_layers)]

    def _layer(self, flat: Array, at: int) -> Layer:
        W, b = self.slices[at]
        offsets = flat[b] if b.stop > b.start else None
        return Layer(flat[W].reshape(self.sizes[at + 1], self.inputs_of_layers[at]), offsets)

    def skipping(self, flat: Array) -> Array:
        """Return the view B, (n_outputs, n_features), of the weights that pass the hidden layers.

        (n_outputs, 0) if there are none.
        """
        return (
            self.layers(flat)[-1].W[:, self.sizes[-2] :]
            if self.skip
            else np.empty((self.sizes[-1], 0))
        )

    @property
    def nests_glm(self) -> bool:
        """Whether some parameters are the coefficients of a GLM."""
        return self.skip

    def glm(self, flat: Array) -> Array:
        """Return these, (n_outputs, n_features), as a view: the rest of eta may be 0."""
        return self.skipping(flat)

    def intercept(self, flat: Array) -> Array | None:
        """Return the intercept of eta, (n_outputs,), as a view, or None."""
        return self.layers(flat)[-1].b

    def output_parts(self, flat: Array) -> list[Array]:
        """Return as views the parameters that eta is linear in."""
        return [part for part in self.layers(flat)[-1] if part is not None]

    @property
    def output_places(self) -> NDArray[np.intp]:
        """Where these lie, W row by row and then b, as of a network without hidden layers."""
        W, b = self.slices[-1]
        return np.arange(W.start, b.stop)

    def shifts(self, shift: Array) -> Array:
        """Return orthogonal rows along which eta moves by multiples of ``shift``, (n_outputs,)."""
        n_in, (W, b) = self.inputs_of_layers[-1], self.slices[-1]
        has_intercept = b.stop > b.start
        rows = np.zeros((n_in + has_intercept, self.size))
        rows[:n_in, W] = np.kron(shift, np.eye(n_in))
        if has_intercept:
            rows[-1, b] = shift
        return rows

    def converted(self, flat: Array, convert: Conversion) -> Array:
        """Return the parameters with all converted that sees the inputs: W_0, b_0 and B."""
        layers = self.layers(flat)
        layers[0] = Layer(*convert(*layers[0]))
        if self.skip:
            last, (B, b) = layers[-1], convert(self.skipping(flat), layers[-1].b)
            layers[-1] = Layer(np.concatenate([last.W[:, : self.sizes[-2]], B], axis=1), b)
        return self.flatten(layers)

    def flatten(self, layers: list[Layer]) -> Array:
        """Return the flat vector with these layers in it."""
        parts = [part.ravel() for layer in layers for part in layer if part is not None]
        return np.concatenate(parts)
