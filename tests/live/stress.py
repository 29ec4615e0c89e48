"""Readers and a writer at once, for as long as one likes: what holds of every version is asked again and again.

The writer moves customers between two segments that share nobody, and lives a whole life meanwhile: it advances,
defines, loads, erases, compacts. Readers are threads of its process, or processes of their own that follow the folder.

    python -m tests.live.stress --seconds 60 [--processes]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import faulthandler
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import segdex
from segdex.errors import RuleError
from tests.live import actions

READERS = 8
MOVERS = 40
"""Customers who are always in one of the two segments, and never in both."""

SCHEMA: dict[str, Any] = {
    **actions.SCHEMA,
    "segments": {
        **actions.SCHEMA["segments"],
        "left": {"where": "country = 'left'", "tracked": True},
        "right": {"where": "country = 'right'", "tracked": True},
    },
}
PAIRS = [
    ("recency = 'hot'", "orders_10d > 1"), ("spend > 30.5", "country = 'IN'"), ("segment 'hot'", "segment 'left'"),
    ("count(orders, 3d) >= 1", "tags has any ('a', 'b')"), ("share['x'] > 0.3", "not life = 'lead'"),
]  # fmt: skip


def mover(number: int) -> str:
    """The key of a customer who moves."""
    return f"mover-{number}"


def people(side: Callable[[int], str]) -> dict[str, tuple[str | None, tuple[str, ...], int]]:
    """All who move, each on one side."""
    return {mover(number): (side(number), (), number) for number in range(MOVERS)}


def build(folder: Path | None) -> segdex.Index:
    """The index before anything has happened."""
    begun = actions.begun()
    everybody = begun.people | people(lambda number: "left" if number % 2 else "right")
    tables = {"customers": actions.customers(everybody), "orders": actions.orders(tuple(begun.rows))}
    return segdex.build(SCHEMA, as_of=actions.START, sources=tables, out=folder)


# --- the writer ----------------------------------------------------------------------------------------------------


def write(index: segdex.Index, folder: Path | None, stop: Callable[[], bool], done: Counter[str]) -> None:
    """Change *index* until told to *stop*."""
    model, number = actions.begun(), 0
    while not stop():
        number += 1
        chance = random.Random(number)
        moved = people(lambda _, by=chance: by.choice(("left", "right")))
        index.apply({"customers": actions.customers(moved)})
        done["move"] += 1
        action = actions.action(number, model.clock)
        if action.kind != "save" or folder is not None:
            actions.act(index, action, model)
            model.act(action)
            done[action.kind] += 1
        if number % len(actions.KINDS) == 0 and actions.told(index, model).tracked["hot"] != model.tracked()["hot"]:
            raise AssertionError("the writer does not find what it wrote")


# --- readers -------------------------------------------------------------------------------------------------------


class Reader:
    """Asks *index*, and raises where an answer is none of one version, or of an earlier one than before."""

    def __init__(self, index: segdex.Index, seed: int) -> None:
        self.index = index
        self.chance = random.Random(seed)
        self.seen = (0, dt.datetime.min.replace(tzinfo=dt.UTC))
        self.left = index.prepare("segment 'left'")
        self.sides = index.prepare("segment 'left' or segment 'right'")
        self.done: Counter[str] = Counter()

    def ask(self) -> None:
        """Ask one thing, whatever it is."""
        name = self.chance.choice(("view", "counts", "moved", "members", "prepared", "back", "tells"))
        getattr(self, f"_{name}")()
        self.done[name] += 1

    def _view(self) -> None:
        one, other = self.chance.choice(PAIRS)
        with self.index.view() as view:
            both, either = view.count(f"({one}) and ({other})"), view.count(f"({one}) or ({other})")
            _equal(both + either, view.count(one) + view.count(other), one, other)
            _equal(view.count("everyone") - view.count(one), view.count(f"not ({one})"), one)

    def _counts(self) -> None:
        one, other = self.chance.choice(PAIRS)
        rules = [f"({one}) and ({other})", f"({one}) or ({other})", one, other, f"not ({one})", "everyone"]
        both, either, first, second, rest, everyone = self.index.counts(rules)
        _equal(both + either, first + second, one, other)
        _equal(first + rest, everyone, one)

    def _moved(self) -> None:
        _equal(sum(self.index.counts(["segment 'left'", "segment 'right'"])), MOVERS)
        _equal(self.index.count("segment 'left' or segment 'right'"), MOVERS)
        _equal(self.index.count("segment 'left' and segment 'right'"), 0)
        with self.index.view() as view:
            _equal(view.count("segment 'left'") + view.count("segment 'right'"), MOVERS)
        by = self.index.count_by("everyone", "country").counts
        _equal(by.get("left", 0) + by.get("right", 0), MOVERS)

    def _prepared(self) -> None:
        _equal(self.sides.count(), MOVERS)
        if not 0 <= self.left.count() <= MOVERS:
            raise AssertionError("a prepared query counts too many")

    def _members(self) -> None:
        one, other = self.chance.choice(PAIRS)
        rule = self.chance.choice((one, other, f"({one}) and not ({other})", "segment 'left'"))
        with self.index.view() as view:
            count, bitmap = view.count(rule), view.bitmap(rule)
            _equal(len(bitmap), count, rule)
            keys = view.keys(bitmap).to_pylist()
            _equal(view.members(rule, columns=["spend"]).read_all()["id"].to_pylist(), keys, rule)
            _equal(view.ids(keys), bitmap, rule)
            _equal(view.contains(rule, keys), [True] * len(keys), rule)
            _equal(sum(view.count_by(rule, "life").counts.values()), count, rule)

    def _back(self) -> None:
        with self.index.view() as view:
            now = view.generation, view.as_of
        self._not_back(now)
        self._not_back((self.index.generation, self.seen[1]))
        self._not_back((self.seen[0], self.index.as_of))

    def _not_back(self, now: tuple[int, dt.datetime]) -> None:
        if now[0] < self.seen[0] or now[1] < self.seen[1]:
            raise AssertionError(f"versions go back from {self.seen} to {now}")
        self.seen = now

    def _tells(self) -> None:
        """Whatever else may be asked; names may go while it is."""
        self.index.explain("segment 'left' and spend > 3")
        self.index.customer(mover(self.chance.randrange(MOVERS)))
        self.index.why("segment 'left' or spend > 3", mover(3))
        self.index.aggregate("everyone", "spend")
        if set(self.index.segments_of(mover(5))) & {"left", "right"} in (set(), {"left", "right"}):
            raise AssertionError("a customer is in no segment, or in both")
        names = [name for name in self.index.schema.segments if name.startswith(("big", "large"))]
        with contextlib.suppress(RuleError):
            for name in names:
                self.index.count(f"segment '{name}' and spend > 1")
                self.index.members(f"segment '{name}'").read_all()
        since = self.index.generation
        for changes in self.index.changes(since):
            if changes.generation <= since:
                raise AssertionError("the feed gives what was before")


def _equal(found: Any, expected: Any, *of: object) -> None:
    if found != expected:
        raise AssertionError(f"{' | '.join(map(str, of))}: {found!r}, expected {expected!r}")


# --- threads -------------------------------------------------------------------------------------------------------


def in_threads(seconds: float, folder: Path | None, done: Counter[str], problems: list[str]) -> None:
    """Eight readers and a writer in this process."""
    index, end = build(folder), time.monotonic() + seconds

    def over() -> bool:
        return bool(problems) or time.monotonic() > end

    def guarded(run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException:
            problems.append(traceback.format_exc())

    readers = [Reader(index, seed) for seed in range(READERS)]

    def read(reader: Reader) -> None:
        while not over():
            reader.ask()

    threads = [threading.Thread(target=guarded, args=(lambda each=each: read(each),)) for each in readers]
    threads.append(threading.Thread(target=guarded, args=(lambda: write(index, folder, over, done),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reader in readers:
        done.update(reader.done)
    index.close()


# --- processes -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def forked(run: Callable[[], object]) -> Iterator[Callable[[], Any]]:
    """A child that does *run*; gives what waits for what that came to, or raises what went wrong there.

    The child is killed at the end, whatever it does.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(300, exit=True)  # where it waits for ever
        try:
            told = {"result": run()}
        except BaseException:
            told = {"trouble": traceback.format_exc()}
        with os.fdopen(theirs, "w") as pipe:
            json.dump(told, pipe)
        os._exit(0)
    os.close(theirs)

    def result() -> Any:
        told = json.loads(pipe.read() or '{"trouble": "the child died"}')
        if "trouble" in told:
            raise AssertionError(told["trouble"])
        return told["result"]

    try:
        with os.fdopen(ours) as pipe:
            yield result
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def in_processes(seconds: float, folder: Path, readers: int, done: Counter[str], problems: list[str]) -> None:
    """A writer in this process, and readers in others that refresh."""
    index, end = build(folder), time.monotonic() + seconds

    def read(seed: int) -> Counter[str]:
        reader = Reader(segdex.open(folder), seed)
        while time.monotonic() < end:
            if reader.index.refresh():
                reader.done["refresh"] += 1
            reader.ask()
        if reader.done["refresh"] < 2:
            raise AssertionError("the reader saw nothing new")
        return reader.done

    with contextlib.ExitStack() as stack:
        results = [stack.enter_context(forked(lambda seed=seed: read(seed))) for seed in range(readers)]
        try:
            write(index, folder, lambda: time.monotonic() > end, done)
            for result in results:
                done.update(result())
        except BaseException:
            problems.append(traceback.format_exc())
    index.close()


def main() -> int:
    """Run for a while and print what was done."""
    parser = argparse.ArgumentParser(description="readers and a writer at once")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", action="store_true", help="readers are processes that refresh")
    parser.add_argument("--memory", action="store_true", help="the index is in memory alone")
    options = parser.parse_args()
    done: Counter[str] = Counter()
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        if options.processes:
            in_processes(options.seconds, folder, 3, done, problems)
        else:
            in_threads(options.seconds, None if options.memory else folder, done, problems)
    print(", ".join(f"{name} {count:,}" for name, count in sorted(done.items())))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
