"""The crash matrix: a writer's life, a power loss after every call, a failure of every call.

A `Store` is the smallest thing that uses snapshots and a journal as an index does: its state is how many payloads it
accepted, and those that it still holds. A scenario appends, folds, erases and opens again. After every call the disk
may lose power, in every mode of `tests.store.disk`; a store that is then opened must be in a state that the scenario
allows: everything that was acknowledged, and at most the one step more that was under way.

    python -m tests.store.crash        runs all of it and prints a table
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from segdex.errors import SegdexError, StorageError
from segdex.store.container import Reader, Writer
from segdex.store.journal import Journal, Position, read
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem
from segdex.store.snapshot import commit, open_current, verify
from tests.store.disk import MODES, Disk, Failure, Quick, State, after_power_loss, restore

Held = tuple[int, tuple[bytes, ...]]  # how many payloads were accepted, and which are held
SECRET = b"SECRET"


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What a store may hold, bytes that no file of it may have any more, and whether it was made for sure."""

    states: tuple[Held, ...]
    gone: tuple[bytes, ...]
    made: bool


# --- the store ---------------------------------------------------------------------------------------------------


def written(held: Held) -> Callable[[Writer], None]:
    text = json.dumps([held[0], [payload.hex() for payload in held[1]]]).encode()
    return lambda writer: writer.add_bytes("held", text + b"".join(held[1]))


def folded(reader: Reader) -> Held:
    count, payloads = json.JSONDecoder().raw_decode(bytes(reader.section("held")).decode("latin-1"))[0]
    assert count == reader.identity.last_sequence
    return count, tuple(bytes.fromhex(payload) for payload in payloads)


def joined(held: Held, records: Sequence[tuple[int, bytes]]) -> Held:
    return held[0] + len(records), (*held[1], *(payload for _, payload in records))


class Store:
    """A writer of a store, which is made where it is not there."""

    def __init__(self, folder: Path, system: OperatingSystem) -> None:
        self.folder = folder
        self.system = system
        self.lock = Lock.take(folder, system)
        try:
            if not system.exists(folder / "CURRENT"):
                commit(folder, written((0, ())), system, lock=self.lock)
            reader = open_current(folder, system)
            self.journal, found = Journal.open(folder, reader.identity, system, self.lock)
            self.held = joined(folded(reader), found.records)
        except BaseException:
            with contextlib.suppress(SegdexError):
                self.lock.close()
            raise

    def append(self, payload: bytes) -> None:
        assert self.journal.append(payload) == self.held[0] + 1
        self.held = joined(self.held, [(self.held[0] + 1, payload)])

    def fold(self, held: Held, keep: Literal[1, 2], then: Callable[[], None] = lambda: None) -> None:
        """A new generation that holds *held*; *then* is called when it is committed, before it gets its journal."""
        identity = commit(self.folder, written(held), self.system, last_sequence=held[0], lock=self.lock, keep=keep)
        then()
        old, self.held = self.journal, held
        self.journal, _ = Journal.open(self.folder, identity, self.system, self.lock)
        old.close()

    def close(self) -> None:
        """Let go of everything, whatever fails."""
        for each in (self.journal, self.lock):
            with contextlib.suppress(SegdexError):
                each.close()


class Follower:
    """A reader in another process, which looks at the store from time to time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.system = OperatingSystem()
        self.reader: Reader | None = None
        self.position: Position | None = None
        self.held: Held = (0, ())

    def refresh(self) -> Held:
        reader = open_current(self.folder, self.system)
        if self.reader is None or reader.identity != self.reader.identity:
            self.reader, self.position, self.held = reader, None, folded(reader)
        records, self.position = read(self.folder, reader.identity, self.system, self.position)
        self.held = joined(self.held, records)
        return self.held


# --- the scenario ------------------------------------------------------------------------------------------------


def steps(appends: int) -> list[str]:
    """What is done: so many appends, with everything else between them."""
    others = ["reopen", "fold", "reopen", "erase", "fold", "fold", "erase", "erase"]
    done, other = [], 0
    for number in range(appends):
        done.append("append")
        if number % 5 == 4 or number % 23 == 7:
            done.append(others[other % len(others)])
            other += 1
    return done


def payload(number: int) -> bytes:
    """Payload number *number*: of every length up to 60, now and then a long one; every third is to be erased."""
    kind = SECRET if number % 3 == 0 else b"kept"
    return b"%s %d " % (kind, number) + b"." * (3000 if number % 40 == 39 else number * 7 % 60)


class Scenario:
    """One life of a store on a *disk*, which notes what is allowed at each time.

    Where a step fails, the writer is closed and opened again, as its error says; before that it must refuse to go on.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.problems: list[str] = []
        self.known: Held = (0, ())
        self.follower = Follower(disk.folder)
        self.store: Store | None = None
        self.appended = 0
        self.gone: tuple[bytes, ...] = ()
        self.made = False

    def run(self, todo: Sequence[str], after: int | None = None) -> None:
        """Do all steps; with *after*, so many after a failure."""
        self._allow(self.known)
        try:
            for step in todo:
                while self.store is None:
                    self._attempt(self._open, self.known)
                getattr(self, f"_{step}")()
                self._look()
                if after is not None and self.disk.failed:
                    after -= 1
                    if after == 0:
                        break
        finally:
            if self.store is not None:
                self.store.close()

    def _allow(self, *states: Held) -> None:
        self.disk.expect(Allowed(tuple(dict.fromkeys(states)), self.gone, self.made))

    def _attempt(self, action: Callable[[], None], *results: Held) -> bool:
        """Do one thing that leads from what is known to one of *results*."""
        self.doubtful = (self.known, *results)
        self._allow(*self.doubtful)
        try:
            action()
        except StorageError:
            if self.store is not None:
                self._insist(self.store)
                self.store.close()
                self.store = None
                self._attempt(self._open, *results)
            return False
        self.known, self.made = self.store.held if self.store else self.known, True
        if self.known not in self.doubtful:
            self.problems.append(f"call {self.disk.calls}: the writer holds {short(self.known)}")
        self._allow(self.known)
        return True

    def _insist(self, store: Store) -> None:
        """What an append takes after a failure of the journal was acknowledged like any other."""
        if self.disk.syncs and self.disk.failed in ("fsync", "write") and store.held[0] < self.appended:
            with contextlib.suppress(StorageError):
                store.append(b"insisted")
                self.problems.append(f"call {self.disk.calls}: an append is taken after one that failed")

    def _open(self) -> None:
        self.store = Store(self.disk.folder, self.disk)

    def _append(self) -> None:
        assert self.store is not None
        store, new = self.store, payload(self.appended)
        self.appended += 1
        self._attempt(lambda: store.append(new), joined(self.known, [(0, new)]))

    def _reopen(self) -> None:
        assert self.store is not None
        self.store.close()
        self.store = None
        self._attempt(self._open, self.known)

    def _fold(self) -> None:
        assert self.store is not None
        store = self.store
        self._attempt(lambda: store.fold(self.known, keep=2), self.known)

    def _erase(self) -> None:
        assert self.store is not None
        store, before = self.store, self.known
        after = (before[0], tuple(each for each in before[1] if not each.startswith(SECRET)))

        def erased() -> None:
            if self.disk.failed != "fsync of the folder":  # names that it lost cannot be taken away any more
                self.gone = tuple(set(before[1]) - set(after[1]))
            self._allow(after)

        self._attempt(lambda: store.fold(after, keep=1, then=erased), after)

    def _look(self) -> None:
        try:
            seen = self.follower.refresh()
        except SegdexError as error:
            self.problems.append(f"call {self.disk.calls}: a reader meets {error}")
        else:
            if self.store is not None and seen != self.known:
                self.problems.append(f"call {self.disk.calls}: a reader sees {short(seen)}")


def short(held: Held) -> str:
    return f"{held[0]} accepted, {len(held[1])} held"


# --- the matrix --------------------------------------------------------------------------------------------------


class Reboots:
    """Stores that are opened in *folder* after a power loss.

    Most calls leave a disk as it was before them: the same files, of which the same is expected, are opened once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.system = Quick()
        self._known: dict[tuple[bytes, Allowed], str | None] = {}

    def fault(self, state: State, mode: str, seed: int) -> str | None:
        """What is wrong with a store that is opened after a power loss in *state*; None: nothing."""
        files = after_power_loss(state, mode, seed)
        key = hashlib.sha256(repr(sorted(files.items())).encode()).digest(), state.expected
        if key not in self._known:
            self._known[key] = fault(files, state.expected, self.folder, self.system)
        return self._known[key]


def fault(files: dict[str, bytes], allowed: Allowed, folder: Path, system: OperatingSystem) -> str | None:
    """What is wrong with a store of *files* that is opened; None: nothing."""
    for secret in allowed.gone:
        if any(secret in data for data in files.values()):
            return "what was erased is on the disk"
    restore(files, folder)
    try:
        seen = Follower(folder).refresh() if allowed.made else (0, ())
        store = Store(folder, system)
        store.close()
        damage = list(verify(folder, system))
    except (SegdexError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    if damage:
        return f"verify finds {damage[0]}"
    if store.held not in allowed.states or seen != store.held:
        states = " or ".join(map(short, allowed.states))
        return f"the writer finds {short(store.held)}, a reader {short(seen)}; allowed: {states}"
    return None


Violation = tuple[str, str, str]  # kind of run, mode, what is wrong


def scenario(place: Path, appends: int, failure: Failure | None = None, deaf: str | None = None) -> Scenario:
    """A life on a new disk at *place*, up to some steps after a failure."""
    place.mkdir()
    life = Scenario(Disk(place, failure, deaf))
    life.run(steps(appends), after=None if failure is None else 8)
    return life


def power_losses(
    place: Path, appends: int, step: int = 1, start: int = 0, seeds: int = 1, deaf: str | None = None,
    modes: Sequence[str] = MODES, counts: Counter[str] | None = None,
) -> Iterator[Violation]:  # fmt: skip
    """A power loss after every *step*-th call, in every mode."""
    life = scenario(place / "power", appends, deaf=deaf)
    yield from (("scenario", "", problem) for problem in life.problems)
    reboots = Reboots(place / "after")
    for state in life.disk.states[1:][start::step]:
        for mode in modes:
            for seed in range(seeds):
                if counts is not None:
                    counts[mode] += 1
                problem = reboots.fault(state, mode, seed)
                if problem is not None:
                    yield "power loss", mode, f"call {state.call}, seed {seed}: {problem}"


def two_losses(
    place: Path, appends: int, step: int = 1, start: int = 0, counts: Counter[str] | None = None
) -> Iterator[Violation]:
    """A power loss after every *step*-th call, and a second one after every call of the recovery."""
    life = scenario(place / "first", appends)
    reboots = Reboots(place / "after")
    for state in life.disk.states[1:][start::step]:
        for mode in ("everything", "torn", "reordered", "apart"):
            folder = restore(after_power_loss(state, mode, 7), place / "second")
            disk = Disk(folder)
            disk.expect(state.expected)
            store = Store(folder, disk)
            store.close()
            disk.expect(Allowed((store.held,), state.expected.gone, True))
            for later in disk.states[1:]:
                for then in MODES:
                    if counts is not None:
                        counts[then] += 1
                    problem = reboots.fault(later, then, 1)
                    if problem is not None:
                        yield "two losses", f"{mode}, {then}", f"call {state.call}, then {later.call}: {problem}"


FAILURES = {
    "EIO": Failure(0, errno.EIO),
    "ENOSPC": Failure(0, errno.ENOSPC),
    "short write": Failure(0, short=True),
}


def failures(
    place: Path, appends: int, step: int = 1, start: int = 0, kinds: Sequence[str] = tuple(FAILURES),
    counts: Counter[str] | None = None,
) -> Iterator[Violation]:  # fmt: skip
    """A failure of every *step*-th call, a life that goes on for some steps, and a power loss in what follows."""
    whole = scenario(place / "calls", appends).disk
    reboots = Reboots(place / "after")
    for at in range(start, whole.calls, step):
        for kind in kinds:
            if FAILURES[kind].short and at not in whole.writes:
                continue
            life = scenario(place / f"{at} {kind}", appends, dataclasses.replace(FAILURES[kind], at=at))
            yield from ((f"failure: {kind}", "", problem) for problem in life.problems)
            # None after the last call of all, nor after a short write that no other one follows.
            after = [state for state in life.disk.states if life.disk.failed and state.call > at]
            for number, state in enumerate([*after[:6], *after[6:-1:9], *after[6:][-1:]]):
                mode = MODES[(at + number) % len(MODES)]
                for each in {"nothing", mode}:
                    if counts is not None:
                        counts[each] += 1
                    problem = reboots.fault(state, each, at)
                    if problem is not None:
                        yield f"failure: {kind}", each, f"call {at} fails, then power loss at {state.call}: {problem}"


def memory() -> str | None:
    """A folder in memory, where there is one: what is simulated needs no real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Run the whole matrix and print what was found."""
    parser = argparse.ArgumentParser(description="a power loss after, and a failure of, every call of a scenario")
    parser.add_argument("--appends", type=int, default=220, help="writes in the scenario (default: 220)")
    options = parser.parse_args()
    logging.getLogger("segdex").setLevel(logging.ERROR)  # torn tails are cut by the thousand
    total = 0
    print(f"{'run':<12} {'mode':<12} {'recoveries':>10} {'violations':>10}")
    for name, run, arguments in (
        ("power loss", power_losses, {"appends": options.appends, "seeds": 2}),
        ("two losses", two_losses, {"appends": 24, "step": 3}),
        ("failures", failures, {"appends": 50}),
    ):
        counts: Counter[str] = Counter()
        found: Counter[str] = Counter()
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(dir=memory()) as place:
            for kind, mode, problem in run(Path(place), counts=counts, **arguments):  # type: ignore[operator]
                found[mode.rpartition(", ")[2]] += 1
                print(f"  {kind}, {mode}: {problem}", file=sys.stderr)
        for mode in sorted(counts | found):
            print(f"{name:<12} {mode:<12} {counts[mode]:>10,} {found[mode]:>10,}")
        print(f"{name:<12} {'all':<12} {counts.total():>10,} {found.total():>10,}   {time.monotonic() - begun:.0f} s")
        total += found.total()
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
