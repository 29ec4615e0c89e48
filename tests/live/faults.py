"""Faults at the level of the index: a power loss after, and a failure of, every call of a life.

The life of `tests.live.actions` goes on over the simulated disk of `tests.store.disk`. Whatever the disk may hold after
a power loss, an index that is opened there is in a state of that life: everything acknowledged, and at most the action
that was under way. What was erased is in no file any more.

    python -m tests.live.faults [--actions N] [--step N]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import segdex
from segdex.errors import SegdexError, StorageError
from segdex.store import generations
from segdex.store import os as door
from segdex.store.os import OperatingSystem
from tests.live import actions
from tests.store.crash import FAILURES, memory
from tests.store.disk import MODES, Disk, Failure, Quick, State, after_power_loss, restore


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What an index may be: after *done* actions, or one more where *under_way*; and keys that no file may hold."""

    done: int
    under_way: bool
    gone: frozenset[str]


@contextlib.contextmanager
def through(system: OperatingSystem) -> Iterator[None]:
    """Every index goes through *system*."""
    before = door.SYSTEM
    door.SYSTEM = system
    try:
        yield
    finally:
        door.SYSTEM = before


class Calls(Disk):
    """A disk that knows by name what was called."""

    def __init__(self, folder: Path, failure: Failure | None = None) -> None:
        self.called: list[str] = []
        super().__init__(folder, failure)

    def perform(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Make one call."""
        self.called.append(function.__name__)
        return super().perform(function, *arguments, **named)

    def chosen(self, step: int, start: int) -> list[int]:
        """Every *step*-th call; of the many writes into a new generation one of sixteen counts."""
        return [at for at, name in enumerate(self.called) if name != "write" or at % 16 == 0][start::step]


class Models:
    """The model after each number of actions."""

    def __init__(self, start: actions.Model) -> None:
        self.first = start.done
        self._held = [start]

    def after(self, done: int) -> actions.Model:
        """The model after *done* actions."""
        while self.first + len(self._held) <= done:
            model = actions.copied(self._held[-1])
            model.act(self.next(model.done))
            self._held.append(model)
        return self._held[done - self.first]

    def next(self, done: int) -> actions.Action:
        """The action after *done* others."""
        return actions.action(done + 1, self.after(done).clock)


def same(index: segdex.Index, model: actions.Model) -> bool:
    """Whether *index* says what *model* does, by names, counts, offsets, members and the feed."""
    names = {name for name, held in index.schema.segments.items() if held.tracked}
    return (
        names == set(model.tracked())
        and actions.told(index, model) == model.told()
        and actions.replayed(index, model) == model.tracked()
    )


class Life:
    """Actions on a disk that notes what is allowed at each time; where one fails the index is opened again."""

    def __init__(self, folder: Path, models: Models, failure: Failure | None = None) -> None:
        self.folder = folder
        self.models = models
        self.disk = Calls(folder, failure)
        self.problems: list[str] = []
        self.done = models.first
        self.gone: frozenset[str] = frozenset()
        self.index: segdex.Index | None = None

    def run(self, count: int, after: int | None = None) -> None:
        """So many actions; with *after*, so many after a failure."""
        with through(self.disk):
            self._expect(False)
            while self.done < self.models.first + count and (after is None or after > 0):
                self._open()
                self._act()
                if after is not None and self.disk.failed:
                    after -= 1
            self._close()

    def _expect(self, under_way: bool) -> None:
        self.disk.expect(Allowed(self.done, under_way, self.gone))

    def _open(self) -> None:
        while self.index is None:
            with contextlib.suppress(StorageError):
                self.index = segdex.open(self.folder, read_only=False)

    def _act(self) -> None:
        assert self.index is not None
        model, action = self.models.after(self.done), self.models.next(self.done)
        returning = {row.key for row in action.rows} | set(action.people)
        self.gone -= returning
        self._expect(True)
        try:
            actions.act(self.index, action, model)
        except StorageError as error:
            self._failed(action, error)
            return
        self.done += 1
        if action.kind == "erase" and self.disk.failed != "fsync of the folder":  # names it lost come back for good
            self.gone |= self.models.after(self.done).erased - model.erased | set(action.keys)
        self._expect(False)
        if not same(self.index, self.models.after(self.done)):
            self.problems.append(f"call {self.disk.calls}: after {action} the index says something else")

    def _failed(self, action: actions.Action, error: StorageError) -> None:
        """Nothing is half done, nothing more is taken, and the index opened again is as before or after."""
        assert self.index is not None
        before = self.models.after(self.done)
        if not same(self.index, before):
            self.problems.append(f"call {self.disk.calls}: {action.kind} failed ({error}) and has done something")
        try:
            self.index.advance(self.index.as_of)
            self.problems.append(f"call {self.disk.calls}: after {error} the writer goes on")
        except StorageError:
            pass
        except SegdexError as other:
            self.problems.append(f"call {self.disk.calls}: after {error} the writer goes on to {other}")
        self._close()
        self._open()
        assert self.index is not None
        if not same(self.index, before) or action.kind in ("save", "compact"):
            self.done += 1
            if not same(self.index, self.models.after(self.done)):
                self.problems.append(f"call {self.disk.calls}: {action.kind} failed and is half done")
        self._expect(False)

    def _close(self) -> None:
        index, self.index = self.index, None
        if index is not None:
            with contextlib.suppress(StorageError):
                index.close()


# --- what is found after a power loss ------------------------------------------------------------------------------


def fault(state: State, mode: str, seed: int, folder: Path, models: Models) -> str | None:
    """What is wrong with an index that is opened after a power loss in *state*; None: nothing."""
    allowed: Allowed = state.expected
    files = after_power_loss(state, mode, seed)
    for key in sorted(allowed.gone):
        if any(key.encode() in data for data in files.values()):
            return f"{key}, who was erased, is on the disk"
    restore(files, folder)
    may_be = [models.after(allowed.done + more) for more in ((0, 1) if allowed.under_way else (0,))]
    with through(Quick()):
        try:
            with segdex.open(folder) as reader:
                seen = [same(reader, model) for model in may_be]
                number = reader.generation
            with segdex.open(folder, read_only=False) as writer:
                found = [same(writer, model) for model in may_be]
                if writer.generation != number:
                    return f"a reader sees generation {number}, the writer {writer.generation}"
            damage = list(generations.verify(folder))
        except (SegdexError, AssertionError) as error:
            return f"{type(error).__name__}: {error}"
    if damage:
        return f"verify finds {damage[0]}"
    if seen != found or not any(seen):
        return f"neither after {allowed.done} actions nor after the next one"
    return None


def erased_again(state: State, mode: str, seed: int, folder: Path, keys: Sequence[str]) -> str | None:
    """What is wrong where *keys* are erased once more after a power loss while that was under way."""
    restore(after_power_loss(state, mode, seed), folder)
    with through(Quick()), segdex.open(folder, read_only=False) as writer:
        writer.erase(list(keys))
        for path in folder.iterdir():
            for key in keys:
                if key.encode() in path.read_bytes():
                    return f"{key} is in {path.name}"
        if len(writer.ids(list(keys))):
            return "there is a customer of this key"
    return None


# --- runs ----------------------------------------------------------------------------------------------------------

Violation = tuple[str, str, str]  # kind of run, mode, what is wrong


def started(folder: Path, after: int) -> Models:
    """An index in *folder*, *after* some actions."""
    model = actions.begun()
    with through(Quick()):
        index = actions.build(folder)
        while model.done < after:
            action = actions.action(model.done + 1, model.clock)
            actions.act(index, action, model)
            model.act(action)
        index.save(folder)
        index.close()
    return Models(model)


def power_losses(
    place: Path, after: int, count: int, step: int = 1, start: int = 0, modes: Sequence[str] = MODES,
    counts: Counter[str] | None = None,
) -> Iterator[Violation]:  # fmt: skip
    """A power loss after every *step*-th call of *count* actions, in every mode."""
    models = started(place / "index", after)
    life = Life(place / "index", models)
    life.run(count)
    yield from (("life", "", problem) for problem in life.problems)
    after_call = {state.call: state for state in life.disk.states}
    chosen = [after_call[at + 1] for at in life.disk.chosen(step, start) if at + 1 in after_call]
    for number, state in enumerate(chosen):
        for mode in modes if step == 1 else [modes[number % len(modes)]]:
            if counts is not None:
                counts[mode] += 1
            problem = fault(state, mode, 1, place / "after", models)
            action = models.next(state.expected.done)
            if problem is None and state.expected.under_way and action.kind == "erase":
                problem = erased_again(state, mode, 1, place / "after", action.keys)
            if problem is not None:
                yield "power loss", mode, f"call {state.call}, {action.kind}: {problem}"


def failures(
    place: Path, after: int, count: int, step: int = 1, start: int = 0, kinds: Sequence[str] = tuple(FAILURES),
    counts: Counter[str] | None = None,
) -> Iterator[Violation]:  # fmt: skip
    """A failure of every *step*-th call, some actions more, and a power loss at the end of these."""
    models = started(place / "index", after)
    files = {path.name: path.read_bytes() for path in (place / "index").iterdir()}
    whole = Life(place / "index", models)
    whole.run(count)
    for number, at in enumerate(whole.disk.chosen(step, start)):
        for kind in kinds if step == 1 else [kinds[number % len(kinds)]]:
            folder = restore(files, place / f"{at} {kind.partition(' ')[0]}")
            life = Life(folder, models, dataclasses.replace(FAILURES[kind], at=at))
            life.run(count, after=3)
            yield from ((f"failure: {kind}", "", f"call {at}: {problem}") for problem in life.problems)
            later = [state for state in life.disk.states if life.disk.failed and state.call > at]
            for state in {id(state): state for state in [*later[:1], *later[-1:]]}.values():
                mode = MODES[at % len(MODES)]
                if counts is not None:
                    counts[mode] += 1
                problem = fault(state, mode, at, place / "after", models)
                if problem is not None:
                    yield f"failure: {kind}", mode, f"call {at} fails, then power loss at {state.call}: {problem}"


def main() -> int:
    """Run everything and print what was found."""
    parser = argparse.ArgumentParser(description="a power loss after, and a failure of, every call of a life")
    parser.add_argument("--actions", type=int, default=len(actions.KINDS))
    parser.add_argument("--after", type=int, default=len(actions.KINDS) + 10, help="actions before that")
    parser.add_argument("--step", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("segdex").setLevel(logging.ERROR)
    total = 0
    for name, run in (("power loss", power_losses), ("failures", failures)):
        counts: Counter[str] = Counter()
        begun, found = time.monotonic(), 0
        with tempfile.TemporaryDirectory(dir=memory()) as place:
            for kind, mode, problem in run(
                Path(place), options.after, options.actions, options.step, options.step // 2, counts=counts
            ):
                found += 1
                print(f"  {kind}, {mode}: {problem}"[:2000], file=sys.stderr, flush=True)
        print(
            f"{name}: {counts.total():,} recoveries, {found} violations, {time.monotonic() - begun:.0f} s", flush=True
        )
        total += found
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
