"""The training run of the demo: Nielsen's SGD step by step over REST, with a SIGKILL in the middle of the middle epoch.

`Run.answered` holds every step that the service acknowledged, in order; the promises are judged against it.
"""

from __future__ import annotations

import secrets
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from demo_client import Batch, NetworkClient, Step
from demo_drawing import ProgressLine
from demo_report import Promises
from demo_server import Server

__all__ = ["EPOCHS", "OPTIMIZER", "SPEC", "Digits", "Run"]

EPOCHS = 30
BATCH_SIZE = 10
TRAINING_EXAMPLES = 1437  # four fifths; the last 360 in the file are never trained on
SEED = 7
OPTIMIZER = {"kind": "sgd", "learning_rate": 3.0}
SPEC: dict[str, Any] = {
    "name": "digits",
    "inputs": 64,
    "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": SEED,
}


@dataclass(frozen=True)
class Digits:
    """The images scaled to 0..1; a target is 1 at its digit and 0 elsewhere.

    The split is the file's own order. Neighbors in the file are by the same hand, so a shuffled split would examine the
    network on people whose writing it has learned from, and flatter it: 0.97 to 0.99 in place of about 0.92.
    """

    train: Batch
    test: Batch

    @classmethod
    def read(cls, path: Path) -> Digits:
        """Read `images` (n, 64) of 0..16 and `labels` (n,) of 0..9."""
        with np.load(path) as file:
            inputs, targets = file["images"] / 16.0, np.eye(10)[file["labels"]]
        cut = TRAINING_EXAMPLES
        return cls(Batch(inputs[:cut], targets[:cut]), Batch(inputs[cut:], targets[cut:]))

    def batches(self, epoch: int) -> list[Batch]:
        """The training set in an order of the epoch's own, ten by ten."""
        order = np.random.default_rng([SEED, epoch]).permutation(TRAINING_EXAMPLES)
        chosen = [order[start : start + BATCH_SIZE] for start in range(0, TRAINING_EXAMPLES, BATCH_SIZE)]
        return [Batch(self.train.inputs[rows], self.train.targets[rows]) for rows in chosen]


@dataclass
class Run:
    """One training run: what it talks to, and what came of it."""

    client: NetworkClient
    server: Server
    digits: Digits
    promises: Promises
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    answered: list[Step] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    killed_at: float = 0.0
    pace: float = 0.0
    """Steps a second, in the epoch before."""

    def train(self) -> None:
        """All epochs, one line of progress for each."""
        progress = ProgressLine()
        for epoch in range(1, EPOCHS + 1):
            self._epoch(epoch, progress)

    def key(self, step: int) -> str:
        """The idempotency key of the step that makes version `step`."""
        return f"digits-{self.name}-{step}"

    def _epoch(self, epoch: int, progress: ProgressLine) -> None:
        label, costs, busy = f"epoch {epoch:2}/{EPOCHS}", [], 0.0
        batches = self.digits.batches(epoch)
        for number, batch in enumerate(batches):
            began = time.perf_counter()
            if epoch == EPOCHS // 2 and number == len(batches) // 2:
                progress.interrupt()
                self.killed_at = epoch - 1 + number / len(batches)
                self._step_through_a_kill(batch)
            else:
                self.answered.append(self.client.step(batch, self.key(len(self.answered) + 1)))
                busy += time.perf_counter() - began
            costs.append(self.answered[-1].cost)
            progress.update(label, number / len(batches), f"cost {costs[-1]:.4f}")
        self.pace = len(batches) / busy
        self.costs.append(statistics.fmean(costs))
        self.accuracies.append(self._accuracy())
        rest = f"cost {self.costs[-1]:.4f}   accuracy {self.accuracies[-1]:.4f}   {self.pace:5,.0f} steps/s"
        progress.finish(label, rest)

    def _accuracy(self) -> float:
        guesses = self.client.outputs(self.digits.test.inputs).argmax(axis=1)
        return float((guesses == self.digits.test.targets.argmax(axis=1)).mean())

    def _step_through_a_kill(self, batch: Batch) -> None:
        """SIGKILL the server while it has this step, then learn from its successor what became of it."""
        last = self.answered[-1].version
        kept = self.client.parameters(last)
        reply = self.client.step_in_flight(batch, self.key(last + 1), self._kill)
        lost = "its answer is lost" if reply is None else "it was answered in its last moment"
        print(f"\n  kill -9      the last answer made version {last}; step {last + 1} was in flight, and {lost}")
        seconds = self.server.start()
        self.client.reconnect(self.server.url)
        self._judge_the_store(last, kept, reply, seconds)
        self._judge_the_keys(last, batch, reply)
        print()

    def _kill(self) -> None:
        time.sleep(0.25 / self.pace)  # a quarter of what a step takes: the server is in the midst of it
        self.server.kill()

    def _judge_the_store(self, last: int, kept: list[dict[str, Any]], reply: Step | None, seconds: float) -> None:
        found = self.client.describe()["version"]
        came_through = "which it did not reach" if found == last else "which had reached the disk"
        print(f"  restart      on the same store in {seconds:.1f} s; it is at version {found}: all that was answered,")
        print(f"               and step {last + 1}, {came_through}")
        self.promises.hold(
            "every answered step survived the kill, and nothing came after the one in flight",
            (last if reply is None else last + 1) <= found <= last + 1,
        )
        self.promises.hold(
            "the parameters of the last answered version are the same to the bit", self.client.parameters(last) == kept
        )

    def _judge_the_keys(self, last: int, batch: Batch, reply: Step | None) -> None:
        retried = self.client.step(batch, self.key(last + 1))
        print(f"  retry        with the same Idempotency-Key: version {retried.version}")
        again = self.client.step(batch, self.key(last + 1))
        self.promises.hold(
            "the step in flight was applied exactly once, however often it was sent",
            retried.version == last + 1 == self.client.describe()["version"]
            and again == retried
            and reply in (None, retried),
        )
        first = self.client.step(self.digits.batches(1)[0], self.key(1))
        print(f"  older retry  of step 1, answered by the server that was killed: version {first.version}, as then")
        self.promises.hold("a late retry of the first step got its first answer", first == self.answered[0])
        self.answered.append(retried)
