"""A network's life over HTTP, drawn: writes with keys and conditions, retries, races and reads, against a model of it.

Invariants: a version is one write that was answered; a key is applied once and answers the same for good; a write
whose condition fails changes nothing; every version is read whole, the same each time, and as the mathematics says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fuzz.drawing import batches, names, parameters
from tests.fuzz.life import SPEC, Life, document_of, encoded, layers_of, require_equal
from tests.fuzz.sending import CONDITIONS, Sending, Sent
from tests.fuzz.watched import Watched

LIVES, STEPS = 40, 25

_conditions = st.none() | st.sampled_from(list(CONDITIONS))
_keys = st.booleans()


class Lives(Sending, RuleBasedStateMachine):
    """One network after another; `client` is set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[str] = []

    @initialize(seed=st.integers(0, 99), keyed=_keys)
    def _first(self, seed: int, keyed: bool) -> None:
        self.create(seed, keyed)

    @precondition(lambda self: self.life is None)
    @rule(seed=st.integers(0, 99), keyed=_keys)
    def create(self, seed: int, keyed: bool) -> None:
        answer = self.send("POST", "/v1/networks", {**SPEC, "seed": seed, "initializer": "gaussian"}, keyed=keyed)
        assert (answer.status_code, answer.headers["etag"]) == (201, '"0"')
        path = answer.headers["location"]
        assert path not in self.gone
        self.life = Life(path, None, [layers_of(self.client.get(f"{path}/parameters").json())], ["create"])

    @precondition(lambda self: self.life is not None)
    @rule(batch=batches(), rate=st.floats(0, 0.5), keyed=_keys, condition=_conditions, binary=st.booleans())
    def step(self, batch: dict[str, Any], rate: float, keyed: bool, condition: str | None, binary: bool) -> None:
        assert self.life
        document = {**batch, "optimizer": {"kind": "sgd", "learning_rate": rate}}
        answer = self.write("POST", "/sgd-step", document, keyed, condition, binary)
        if answer is None:
            return
        cost, norm = self.life.step(batch, rate)
        said = answer.json()
        assert answer.status_code == 200
        assert (said["version"], answer.headers["etag"]) == (self.life.version, f'"{self.life.version}"')
        np.testing.assert_allclose([said["cost"], said["gradient_norm"]], [cost, norm], rtol=1e-10, atol=1e-13)

    @precondition(lambda self: self.life is not None)
    @rule(layers=parameters(), keyed=_keys, condition=_conditions, binary=st.booleans())
    def put(self, layers: Any, keyed: bool, condition: str | None, binary: bool) -> None:
        assert self.life
        answer = self.write("PUT", "/parameters", document_of(layers), keyed, condition, binary)
        if answer is None:
            return
        self.life.write(layers, "put-parameters")
        assert (answer.status_code, answer.json()) == (200, {"version": self.life.version})

    @precondition(lambda self: self.life is not None)
    @rule(name=names | st.none(), condition=_conditions)
    def rename(self, name: str | None, condition: str | None) -> None:
        assert self.life
        answer = self.write("PATCH", "", {"name": name}, False, condition, False)
        if answer is None:
            return
        self.life.name = name
        assert (answer.status_code, answer.json()["name"]) == (200, name)

    @precondition(lambda self: self.life is not None and self.life.version > 0)
    @rule(condition=_conditions)
    def delete(self, condition: str | None) -> None:
        assert self.life
        answer = self.write("DELETE", "", None, False, condition, False)
        if answer is None:
            return
        assert answer.status_code == 204
        self.gone.append(self.life.path)
        self.life = None

    @precondition(lambda self: self.life is not None)
    @rule(broken=st.sampled_from(["ragged", "wide", "unknown", "rate"]), keyed=_keys)
    def step_wrongly(self, broken: str, keyed: bool) -> None:
        assert self.life
        document: dict[str, Any] = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd"}}
        document |= {
            "ragged": {"inputs": [[0, 1], [0]]},
            "wide": {"inputs": [[0, 1, 2]]},
            "unknown": {"dry_run": True},
            "rate": {"optimizer": {"kind": "sgd", "learning_rate": -1}},
        }[broken]
        key = {"idempotency-key": self.new_key()} if keyed else {}
        refused = self.client.post(f"{self.life.path}/sgd-step", json=document, headers=key)
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-input")

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), condition=st.sampled_from([None, '"0"', "*"]))
    def retry(self, data: st.DataObject, condition: str | None) -> None:
        """Whenever it comes, a retry gets the first answer, whatever its condition says now."""
        sent = data.draw(st.sampled_from(self.sent), "sent")
        headers = {**sent.headers} | ({"if-match": condition} if condition and sent.path != "/v1/networks" else {})
        again = self.client.request(sent.method, sent.path, content=sent.body, headers=headers)
        if sent.path.removesuffix("/sgd-step").removesuffix("/parameters") in self.gone:
            assert again.status_code == 404
            return
        assert (again.status_code, again.content) == (sent.answer.status_code, sent.answer.content)
        assert again.headers["etag"] == sent.answer.headers["etag"]

    @precondition(lambda self: self.sent and not self.gone)
    @rule(data=st.data())
    def take_a_key_that_is_taken(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.sent), "sent")
        document = {**SPEC, "name": "other"} if sent.path == "/v1/networks" else {"other": 1}
        if sent.path.endswith("/sgd-step"):
            document = {"inputs": [[9, 9]], "targets": [[9]], "optimizer": {"kind": "sgd"}}
        elif sent.method == "PUT":
            document = document_of([(np.ones((2, 2)) * 9, np.ones(2)), (np.ones((1, 2)), np.ones(1))])
        body, headers = encoded(document, binary=False)
        headers["idempotency-key"] = sent.headers["idempotency-key"]
        refused = self.client.request(sent.method, sent.path, content=body, headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/idempotency-mismatch")

    @precondition(lambda self: self.life is not None)
    @rule(batch=batches(), rate=st.floats(0, 0.5))
    def race_for_a_key(self, batch: dict[str, Any], rate: float) -> None:
        assert self.life
        document = {**batch, "optimizer": {"kind": "sgd", "learning_rate": rate}}
        body, headers = encoded(document, binary=False)
        headers["idempotency-key"] = self.new_key()
        answers = self.at_once(f"{self.life.path}/sgd-step", body, headers)
        assert {answer.status_code for answer in answers} <= {200, 409}
        done = [answer for answer in answers if answer.status_code == 200]
        assert done
        assert {answer.content for answer in done} == {done[0].content}
        self.life.step(batch, rate)
        self.sent.append(Sent("POST", f"{self.life.path}/sgd-step", body, headers, done[0]))

    @precondition(lambda self: self.life is not None)
    @rule(batch=batches(), rate=st.floats(0, 0.5))
    def race_for_a_version(self, batch: dict[str, Any], rate: float) -> None:
        assert self.life
        document = {**batch, "optimizer": {"kind": "sgd", "learning_rate": rate}}
        body, headers = encoded(document, binary=False)
        headers["if-match"] = f'"{self.life.version}"'
        answers = self.at_once(f"{self.life.path}/sgd-step", body, headers)
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
        self.life.step(batch, rate)

    @precondition(lambda self: self.life is not None)
    @rule(data=st.data())
    def read_a_version(self, data: st.DataObject) -> None:
        assert self.life
        version = data.draw(st.integers(0, self.life.version + 1), "version")
        answer = self.client.get(f"{self.life.path}/parameters?version={version}")
        if version > self.life.version:
            assert answer.status_code == 404
            return
        assert (answer.status_code, answer.headers["etag"]) == (200, f'"{version}"')
        require_equal(layers_of(answer.json()), self.life.layers[version])

    @precondition(lambda self: self.life is not None)
    @rule(batch=batches(), binary=st.booleans())
    def feedforward(self, batch: dict[str, Any], binary: bool) -> None:
        assert self.life
        body, headers = encoded({"inputs": batch["inputs"]}, binary)
        answer = self.client.post(f"{self.life.path}/feedforward", content=body, headers=headers)
        (w2, b2), (w3, b3) = self.life.layers[-1]
        expected = np.tanh(np.array(batch["inputs"]) @ w2.T + b2) @ w3.T + b3
        assert answer.json()["version"] == self.life.version
        np.testing.assert_allclose(answer.json()["outputs"], expected, rtol=1e-10, atol=1e-12)

    @invariant()
    def the_network_is_what_was_answered(self) -> None:
        if self.gone:
            assert self.client.get(self.gone[-1]).status_code == 404
        if self.life is None:
            return
        network = self.client.get(self.life.path)
        assert network.headers["etag"] == f'"{self.life.version}"'
        assert (network.json()["version"], network.json()["name"]) == (self.life.version, self.life.name)
        versions = self.client.get(f"{self.life.path}/versions?limit=500").json()["versions"]
        expected = list(enumerate(self.life.made_by))[::-1]
        assert [(entry["version"], entry["made_by"]) for entry in versions] == expected
        self._read_as_ever()

    def _read_as_ever(self) -> None:
        """The parameters of a version come in the same bytes each time that they are read."""
        assert self.life
        for version in range(max(0, len(self.life.kept) - 2), self.life.version + 1):
            answer = self.client.get(f"{self.life.path}/parameters?version={version}")
            if version == len(self.life.kept):
                require_equal(layers_of(answer.json()), self.life.layers[version])
                self.life.kept.append(answer.content)
            assert answer.content == self.life.kept[version]


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Watched]:
    server = Watched(tmp_path)
    yield server
    server.stop()


@pytest.mark.slow
def test_lives(server: Watched, pytestconfig: pytest.Config) -> None:
    Lives.client = server.client()
    limits = settings(
        max_examples=LIVES * pytestconfig.getoption("--fuzz-times"),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(seed(pytestconfig.getoption("--fuzz-seed"))(Lives), settings=limits)
    server.require_whole()
