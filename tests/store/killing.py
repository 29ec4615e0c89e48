"""A writer that is killed at any time: what it acknowledged is there, and at most what was under way besides.

A child process opens a *subject*, appends to it, and writes each acknowledgement into a pipe; it is killed
(``kill -9``) at a random time, and the subject is opened by the next child, which first says what it found. `cycles`
is for any `Subject`, named by module and class.

    python -m tests.store.killing --cycles 1000
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

import segdex
from tests.store.crash import Store, payload

ROOT = Path(__file__).parents[2]
SOURCE = Path(segdex.__file__).parents[1]
_COUNT = struct.Struct("<Q")


class Subject(Protocol):
    """What can be killed: made of a folder, where it may have been before.

    It raises where it finds something else than what was appended, in order.

    Attributes:
        found: how many appends it found there.
    """

    found: int

    def __init__(self, folder: Path) -> None: ...
    def append(self) -> int:
        """Append what comes next, whatever that is, and give how many there are then."""
        ...


class Journalled:
    """A store of snapshots and journals; every 50th append is followed by a new generation."""

    def __init__(self, folder: Path) -> None:
        from segdex.store.os import OperatingSystem

        folder.mkdir(exist_ok=True)
        self.store = Store(folder, OperatingSystem())
        self.found = self.store.held[0]
        if self.store.held[1] != tuple(payload(number) for number in range(self.found)):
            raise AssertionError("the store holds something else")

    def append(self) -> int:
        self.store.append(payload(self.store.held[0]))
        if self.store.held[0] % 50 == 0:
            self.store.fold(self.store.held, keep=2)
        return self.store.held[0]


# --- the child ---------------------------------------------------------------------------------------------------


def work(subject: type[Subject], folder: Path) -> None:
    """Append until killed; say first how many were found, then how many there are."""
    held = subject(folder)
    count = held.found
    while True:
        os.write(1, _COUNT.pack(count))
        count = held.append()


# --- the killer --------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Outcome:
    """What became of all the cycles.

    Attributes:
        kills: how many children were killed.
        acknowledged: how many appends were acknowledged.
        unsaid: how many more were found than were acknowledged: under way when the child was killed.
        problems: what must not be.
    """

    kills: int = 0
    acknowledged: int = 0
    unsaid: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)


def cycles(count: int, folder: Path, subject: str, longest: float = 0.03, seed: int = 1) -> Outcome:
    """Start, kill and start again; *longest* is how many seconds a child works after it has opened the subject."""
    chance, outcome, known = random.Random(seed), Outcome(), 0
    for cycle in range(count + 1):  # the last child only says what it found
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.store.killing", "--work", subject, str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(SOURCE), str(ROOT)))},
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        # Every fifth one is killed while it opens: imports are done once it has the lock, which is soon after.
        said = b"" if cycle % 5 == 4 and cycle < count else child.stdout.read(_COUNT.size)
        time.sleep(chance.random() * longest if said else chance.random() * 0.5)
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read()
        trouble = child.stderr.read().decode()
        status = child.wait()
        outcome.kills += 1
        if status != -signal.SIGKILL:
            outcome.problems.append(f"cycle {cycle}: the child ended by itself: {trouble[-500:]}")
        counts = [number for (number,) in _COUNT.iter_unpack(said[: len(said) // _COUNT.size * _COUNT.size])]
        if not counts:
            continue  # killed before it had opened
        if counts[0] not in (known, known + 1):
            outcome.problems.append(f"cycle {cycle}: {known} were acknowledged, {counts[0]} are found")
        if counts != list(range(counts[0], counts[0] + len(counts))):
            outcome.problems.append(f"cycle {cycle}: acknowledged out of order")
        outcome.unsaid += counts[0] - known
        outcome.acknowledged += len(counts) - 1
        known = counts[-1]
    return outcome


def main() -> int:
    """Run as the killer, or as a child."""
    parser = argparse.ArgumentParser(description="kill a writer at random times, again and again")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--subject", default="tests.store.killing:Journalled", help="module:class")
    parser.add_argument("--work", nargs=2, metavar=("SUBJECT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        module, name = options.work[0].split(":")
        work(getattr(importlib.import_module(module), name), Path(options.work[1]))
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        outcome = cycles(options.cycles, Path(place) / "subject", options.subject)
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    print(
        f"{outcome.kills:,} kills, {outcome.acknowledged:,} acknowledged, {outcome.unsaid:,} found that were not yet, "
        f"{len(outcome.problems):,} problems; {time.monotonic() - begun:.0f} s"
    )
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
