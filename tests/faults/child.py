"""A process that forks others, each of which plays the script on a folder until a fault ends it.

Forked, since a fault at every system call takes hundreds of processes and starting Python takes longer than the script.
`python -m tests.faults.child` reads a job a line (JSON: store, folder, socket, script, cached) and answers with the wait status of
the fork. The fork talks over the socket: it says where it is and waits to be told to go on, so that a tracer can be attached
to one of its threads, and acknowledges each step when, and only when, the store has.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import numpy.random  # noqa: F401  loaded before the fork, so that no import is in the way of a fault

from service.errors import StorageFull, StorageUnavailable
from tests.contracts import stores
from tests.faults.script import KEEP_VERSIONS, SCRIPT, SIZES, Model, Player, view

PATIENCE = 400
"""How often a step that finds no room is tried again: more often than calls fail in a row."""


class Line:
    """The socket, line by line."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("r")

    def say(self, *words: Any) -> None:
        self._socket.sendall((" ".join(map(str, words)) + "\n").encode())

    def ask(self, *words: Any) -> None:
        self.say(*words)
        assert self._file.readline() == "go\n"


def play(job: dict[str, Any]) -> int:
    if job["cached"]:
        del os.O_DIRECT  # of this fork alone
    line = Line(job["socket"])
    line.ask("opening", threading.get_native_id())
    try:
        store = getattr(stores, job["store"])(Path(job["folder"]), keep_versions=KEEP_VERSIONS)
    except StorageUnavailable as error:
        line.say("unopened", error)
        return 1
    if job["script"] == "reopen":
        store.close()
        line.say("closed")
        return 0
    if job["script"] == "look":
        for network in SIZES:
            line.say("saw", json.dumps(view(store, network), sort_keys=True))
        os._exit(0)  # it ends as if killed: nothing is closed
    # One thread that fills slots: of two, each would make other calls in every run.
    store._keeper._threads._max_workers = 1
    store._keeper._threads.submit(int).result()  # it is there to be traced, though the first state goes into a row
    player, model = Player(store, Model()), Model()
    for number, step in enumerate(SCRIPT):
        refused, before = 0, player.refused
        while True:
            try:
                player.play(step)
            except StorageFull:
                if refused == PATIENCE:
                    raise
                assert view(store, step[1]) == model.view(step[1]), "a write was refused and changed something"
                refused += 1
            else:
                break
        if refused or player.refused > before:
            line.say("refused", refused + player.refused - before)
        model.apply(step)
        line.say("done", number)
        if job["script"] == str(number + 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 0:
            line.ask("threads", json.dumps({thread.name: thread.native_id for thread in threading.enumerate()}))
    store.close()
    line.say("closed")
    return 0


def main() -> None:
    for text in sys.stdin:
        fork = os.fork()
        if fork == 0:
            try:
                os._exit(play(json.loads(text)))
            except BaseException:  # noqa: BLE001  a fork never returns
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(99)
        print(os.waitpid(fork, 0)[1], flush=True)


if __name__ == "__main__":
    main()
