"""The textbook's program: one example at a time, column vectors, gradients summed over the batch (Nielsen, network.py).

Kept as the book has it, but for the cases' activations and costs, and the dtype.
"""

from __future__ import annotations

import numpy as np

from benchmarks.core.cases import Array, Layers, join, split
from benchmarks.core.engines import Engine, Task, shuffled

Example = tuple[Array, Array]

SHARE = 0.05
"""The part of an epoch that one run of `epochs` is."""


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def relu(z: Array) -> Array:
    return np.maximum(z, 0)


def relu_prime(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def tanh_prime(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max())
    return e / e.sum()


ACTIVATIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": relu, "softmax": softmax}
PRIMES = {"sigmoid": sigmoid_prime, "tanh": tanh_prime, "relu": relu_prime}


class Network:
    """The book's class: lists of weights and biases, one example a call."""

    def __init__(self, task: Task) -> None:
        case = task.case
        self.names, self.cost = case.activations, case.cost
        layers = split(case, task.vector.copy())
        self.weights = [w.copy() for w, _ in layers]
        self.biases = [b.reshape(-1, 1).copy() for _, b in layers]

    def feedforward(self, a: Array) -> Array:
        for name, b, w in zip(self.names, self.biases, self.weights, strict=True):
            a = ACTIVATIONS[name](np.dot(w, a) + b)
        return a

    def update_mini_batch(self, mini_batch: list[Example], eta: float) -> None:
        nabla_w, nabla_b = self.summed(mini_batch)
        rate = eta / len(mini_batch)
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def summed(self, mini_batch: list[Example]) -> tuple[list[Array], list[Array]]:
        nabla_b = [np.zeros(b.shape, b.dtype) for b in self.biases]
        nabla_w = [np.zeros(w.shape, w.dtype) for w in self.weights]
        for x, y in mini_batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
        return nabla_w, nabla_b

    def backprop(self, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
        nabla_b: list[Array] = list(self.biases)
        nabla_w: list[Array] = list(self.weights)
        activation, activations, zs = x, [x], []
        for name, b, w in zip(self.names, self.biases, self.weights, strict=True):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = ACTIVATIONS[name](z)
            activations.append(activation)
        delta = activations[-1] - y
        if self.cost == "quadratic":
            delta = delta * PRIMES[self.names[-1]](zs[-1])
        nabla_b[-1], nabla_w[-1] = delta, np.dot(delta, activations[-2].transpose())
        for layer in range(2, len(self.weights) + 1):
            slope = PRIMES[self.names[-layer]](zs[-layer])
            delta = np.dot(self.weights[-layer + 1].transpose(), delta) * slope
            nabla_b[-layer] = delta
            nabla_w[-layer] = np.dot(delta, activations[-layer - 1].transpose())
        return nabla_b, nabla_w

    def layers(self) -> Layers:
        return list(zip(self.weights, self.biases, strict=True))


class Loop:
    """Forward, backprop or step over batches of (x, y) columns."""

    share = 1.0

    def __init__(self, task: Task) -> None:
        self.network, self.task = Network(task), task
        self.batches = [
            [(x.reshape(-1, 1), y.reshape(-1, 1)) for x, y in zip(batch.x, batch.y, strict=True)]
            for batch in task.batches
        ]
        self.done, self.last = 0, np.empty(0)

    def run(self, count: int) -> None:
        act = {"forward": self.forward, "backprop": self.backprop, "step": self.step}[self.task.operation]
        for _ in range(count):
            act(self.batches[self.done % len(self.batches)])
            self.done += 1

    def forward(self, batch: list[Example]) -> None:
        self.outputs = [self.network.feedforward(x) for x, _ in batch]

    def backprop(self, batch: list[Example]) -> None:
        nabla_w, nabla_b = self.network.summed(batch)
        size = len(batch)
        self.gradient = [(nw / size, nb / size) for nw, nb in zip(nabla_w, nabla_b, strict=True)]

    def step(self, batch: list[Example]) -> None:
        self.network.update_mini_batch(batch, self.task.case.learning_rate)

    def result(self) -> Array:
        if self.task.operation == "forward":
            return np.concatenate(self.outputs, axis=1).T
        return join(self.gradient if self.task.operation == "backprop" else self.network.layers())


class Epochs(Loop):
    """A part of an epoch: it takes seconds for the whole."""

    share = SHARE

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.examples = self.batches[0]

    def run(self, count: int) -> None:
        rows = shuffled(len(self.examples), self.task.case.batch, 0)
        for _ in range(count):
            for batch in rows[: round(len(rows) * SHARE)]:
                self.step([self.examples[row] for row in batch])


def build(task: Task) -> Engine:
    return Epochs(task) if task.operation == "epochs" else Loop(task)
