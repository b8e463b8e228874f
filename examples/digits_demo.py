"""Teach a network handwritten digits over REST, kill the server half way, and go on.

    ./dev demo [--output DIR]

The service is another process, and all that this one knows of it is HTTP. The status is 0 only if every promise held.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from demo_client import Batch, NetworkClient
from demo_drawing import curve_svg, curve_text
from demo_report import Promises, by_hand, shown, table
from demo_server import Server, ServerFailed
from demo_training import EPOCHS, OPTIMIZER, SPEC, Digits, Run

ROOT = Path(__file__).resolve().parent.parent
DIGITS = Path(__file__).resolve().with_name("data") / "digits.npz"


def main() -> int:
    """Run the demo and give its exit status."""
    signal.signal(signal.SIGTERM, _leave)
    folder = _output_folder()
    try:
        return _demo(folder)
    except KeyboardInterrupt:
        print("\ninterrupted; the server is stopped", file=sys.stderr)
        return 130
    except (ServerFailed, httpx.HTTPError) as error:
        print(f"\nthe demo failed: {error}\nthe server's log: {folder / 'server.log'}", file=sys.stderr)
        return 1


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the signature of a handler
    raise SystemExit(128 + number)


def _output_folder() -> Path:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.partition("\n")[0] if __doc__ else "")
    started = datetime.now().astimezone()
    default = ROOT / "demo-output" / f"{started:%Y-%m-%dT%H-%M-%S.%f}"
    parser.add_argument(
        "--output", type=Path, default=default, metavar="DIR", help="a new folder for the store and the picture"
    )
    folder: Path = parser.parse_args().output.absolute()
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        parser.error(f"{folder} exists; the demo starts in a new folder")
    return folder


def _demo(folder: Path) -> int:
    began = time.monotonic()
    digits, promises = Digits.read(DIGITS), Promises()
    print(f"{len(digits.train.inputs):,} digits to learn from, {len(digits.test.inputs)} to be examined on\n")
    with Server(folder / "store", folder / "server.log") as server:
        client = NetworkClient.create(server.url, SPEC, OPTIMIZER, key=secrets.token_hex(16))
        run = Run(client, server, digits, promises)
        run.train()
        about = client.describe()
        client.close()
        promises.hold("the server left in order when it was asked to", server.stop() == 0)
    accuracy = run.accuracies[-1]
    promises.hold("the version counts the steps, no more and no less", about["version"] == len(run.answered))
    promises.hold("it learned: a test accuracy from 0.90 to 1.00", 0.90 <= accuracy <= 1.0)
    picture, body = folder / "learning-curve.svg", folder / "step.json"
    title = f"64-30-10 learns digits over REST, through a kill -9: {accuracy:.1%} right"
    picture.write_text(curve_svg(run.costs, run.accuracies, run.killed_at, title))
    body.write_bytes(client.step_body(Batch(digits.test.inputs[:1], digits.test.targets[:1])))

    print(f"\nTest accuracy\n\n{curve_text(run.accuracies)}\n")
    used = sum(file.stat().st_size for file in (folder / "store").rglob("*") if file.is_file())
    rows = {
        "network": f"{about['id']}, 64-30-10 sigmoid, quadratic cost, {about['parameter_count']:,} parameters",
        "computed by": about["backend"],
        "steps": f"{len(run.answered):,} in {EPOCHS} epochs, each on disk before its answer",
        "accuracy": f"{accuracy:.4f} on images that it never saw",
        "took": f"{time.monotonic() - began:.1f} s",
        "store": f"{shown(folder / 'store')} ({used / 1e6:.1f} MB)",
        "picture": shown(picture),
    }
    print(f"Summary\n\n{table(rows)}\n\nPromises\n\n{promises}\n")
    print(by_hand(ROOT / "dev", folder / "store", body, client.network, about["version"]))
    return 0 if promises.all_held else 1


if __name__ == "__main__":
    sys.exit(main())
