"""The working copy of a network's numbers, in the order that products like best.

Invariant: the same P numbers as the flat vector. Behind the first layer a layer's biases lie beside its weights, as [b w]: a bias
is the weight of one more neuron, whose activation is always 1, so that the products that serve the weights serve the biases
too. What enters the first layer is the caller's, and has no such neuron: there they lie apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.network import Architecture, LayerParameters, Parameters
from core.types import Array

__all__ = ["Working"]


class Working:
    """Numbers in the parameters' space: parameters, a gradient or a velocity; zeros, until some are loaded."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.vector: Array = np.zeros(architecture.parameter_count, architecture.dtype)
        """(P,), in the order in which they lie here: for what is done to every number alike."""
        first, *others = architecture.layout
        self._held: Array | None = None
        self.joined = tuple(
            self.vector[place.start : place.stop].reshape(place.rows, 1 + place.columns) for place in others
        )
        """[b w] (n_l, 1 + n_{l-1}) of the layers behind the first."""
        behind = (
            LayerParameters(place.layer, both[:, 1:], both[:, 0])
            for place, both in zip(others, self.joined, strict=True)
        )
        weights = self.vector[first.start : first.split].reshape(first.rows, first.columns)
        self.layers = (LayerParameters(first.layer, weights, self.vector[first.split : first.stop]), *behind)
        """The weights and biases of every layer, as views."""
        self._pieces = [
            self.vector[: first.stop],
            *(piece for layer in self.layers[1:] for piece in (layer.weights, layer.biases)),
        ]

    def hold(self, parameters: Parameters) -> None:
        """Copy all numbers in, where they are not in already: a vector that was held is known again by its identity."""
        if parameters.vector is not self._held:
            self.load(parameters)
            self._held = parameters.vector

    @classmethod
    def of(cls, parameters: Parameters) -> Working:
        """A copy."""
        made = cls(parameters.architecture)
        made.load(parameters)
        return made

    def load(self, parameters: Parameters) -> None:
        """Copy all numbers in."""
        for mine, given in zip(self._pieces, self._pieces_of(parameters.vector), strict=True):
            np.copyto(mine, given)

    def parameters(self) -> Parameters:
        """Copy all numbers out, into a flat vector of its own."""
        vector = np.empty_like(self.vector)
        for mine, taken in zip(self._pieces, self._pieces_of(vector), strict=True):
            np.copyto(taken, mine)
        return Parameters(self.architecture, vector)

    def _pieces_of(self, vector: Array) -> Iterator[Array]:
        """What lies in one piece both here and in a flat vector: the first layer, then the weights and biases of each other."""
        first, *others = self.architecture.layout
        yield vector[: first.stop]
        for place in others:
            yield vector[place.start : place.split].reshape(place.rows, place.columns)
            yield vector[place.split : place.stop]
