"""A disk that loses what was not synced.

`Disk` is an operating system that works on a real folder and notes, call by call, what a disk below it would hold for
sure and what it might: writes to a file are sure after an ``fsync`` of the file, names after an ``fsync`` of the
folder. A `State` is such a note, and `after_power_loss` gives the files that one may find there after a reboot. A call
may fail; an ``fsync`` that fails loses what it should have written, though it can be read until the reboot.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segdex.store.os import OperatingSystem

Write = tuple[int, bytes]  # offset and data


@dataclasses.dataclass(frozen=True)
class File:
    """What the disk holds of a file for sure, and the writes since, in order."""

    sure: bytes = b""
    pending: tuple[Write, ...] = ()

    @property
    def length(self) -> int:
        return max([len(self.sure), *(offset + len(data) for offset, data in self.pending)])


@dataclasses.dataclass(frozen=True)
class Change:
    """A name that is given to a file, or taken from it; a rename does both at once."""

    file: int
    new: str | None = None
    old: str | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """What the disk holds after some call: files by number, names that are sure, and changes of names since.

    Attributes:
        expected: what the scenario said at that time, see `Disk.expect`.
        call: how many calls were made.
    """

    files: dict[int, File]
    names: dict[str, int]
    changes: tuple[Change, ...]
    expected: Any
    call: int


@dataclasses.dataclass(frozen=True)
class Failure:
    """Call number *at* fails with *number*; where *short*, a write takes one half first and the next one fails."""

    at: int
    number: int = errno.EIO
    short: bool = False


class Disk(OperatingSystem):
    """The calls on one folder, and what its disk holds after each of them.

    Args:
        folder: it is there, and what is in it is on the disk.
        failure: what fails.
        deaf: the sync that has no effect, by its label, see `label`: a protection that is taken away.
    """

    def __init__(self, folder: Path, failure: Failure | None = None, deaf: str | None = None) -> None:
        self.folder = folder
        self.failure = failure
        self.deaf = deaf
        self.calls = 0
        self.writes: set[int] = set()  # the numbers of the calls that write to a file from its position on
        self.syncs: list[str] = []
        self.failed: str | None = None
        names = sorted(os.listdir(folder))
        self._names = {name: number for number, name in enumerate(names)}
        files = {number: File((folder / name).read_bytes()) for name, number in self._names.items()}
        self._next = len(files)
        self._descriptors: dict[
            int, tuple[int | None, int, bool]
        ] = {}  # descriptor: file (None: the folder), position, append
        self._failing_write = False
        self._last = "nothing"
        self.states = [State(files, dict(self._names), (), None, 0)]

    # --- what the scenario says ---

    def expect(self, expected: Any) -> None:
        """From now on a reader of the disk may find *expected*, whatever that is to the scenario."""
        self._note(expected=expected)

    def _note(self, **changes: Any) -> None:
        self.states.append(dataclasses.replace(self.states[-1], call=self.calls, **changes))

    # --- calls ---

    def perform(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        at, failure = self.calls, self.failure
        self.calls += 1
        if function is os.write:
            self.writes.add(at)
        if self._failing_write and function is os.write:
            self._failing_write = False
            self._fail(function, arguments, errno.ENOSPC)
        if failure is not None and at == failure.at:
            if failure.short and function is os.write:
                self._failing_write = True
                half = memoryview(arguments[1])[: max(1, len(arguments[1]) // 2)]
                return self._done(function, (arguments[0], half), named)
            if not failure.short:
                self._fail(function, arguments, failure.number)
        return self._done(function, arguments, named)

    def _fail(self, function: Callable[..., Any], arguments: tuple[Any, ...], number: int) -> None:
        self.failed = function.__name__
        if function is os.close:  # a descriptor is gone even where closing it reports an error
            os.close(*arguments)
            self._descriptors.pop(arguments[0], None)
        elif function is os.fsync:
            file = self._descriptors[arguments[0]][0]
            if file is None:
                self.failed = "fsync of the folder"
                self._note(changes=())
            else:
                self._note(files=self.states[-1].files | {file: File(self.states[-1].files[file].sure)})
        raise OSError(number, os.strerror(number))

    def _done(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if function is os.fsync:
            return self._fsync(arguments[0])
        given = function(*arguments, **named)
        follow = getattr(self, f"_after_{function.__name__}", None)
        if follow is not None:
            follow(given, *arguments)
        return given

    def _fsync(self, descriptor: int) -> None:
        label = self.label(descriptor)
        self.syncs.append(label)
        if label == self.deaf:
            return
        state, file = self.states[-1], self._descriptors[descriptor][0]
        if file is None:
            names = dict(state.names)
            for change in state.changes:
                _apply(change, names)
            self._note(names=names, changes=())
        else:
            held = state.files[file]
            self._note(files=state.files | {file: File(_written(held.sure, held.pending))})

    def label(self, descriptor: int) -> str:
        """What a sync is for: "generation", "CURRENT" or "journal" of a new file, "append", "folder after …"."""
        file = self._descriptors[descriptor][0]
        if file is None:
            return f"folder after {self._last}"
        name = next((name for name, number in self._names.items() if number == file), "a removed file")
        return _kind(name) if name.endswith(".tmp") else "append" if name.startswith("journal") else name

    def _after_open(self, descriptor: int, path: Path, flags: int, _mode: int = 0) -> None:
        if path == self.folder:
            self._descriptors[descriptor] = (None, 0, False)
        elif path.parent == self.folder:
            if path.name not in self._names:
                self._names[path.name] = self._next
                self._note(
                    files=self.states[-1].files | {self._next: File()},
                    changes=(*self.states[-1].changes, Change(self._next, new=path.name)),
                )
                self._next += 1
            self._descriptors[descriptor] = (self._names[path.name], 0, bool(flags & os.O_APPEND))

    def _after_write(self, written: int, descriptor: int, data: Any) -> None:
        file, position, append = self._descriptors[descriptor]
        assert file is not None
        held = self.states[-1].files[file]
        at = os.fstat(descriptor).st_size - written if append else position
        piece = bytes(memoryview(data)[:written])
        self._note(files=self.states[-1].files | {file: File(held.sure, (*held.pending, (at, piece)))})
        self._descriptors[descriptor] = (file, at + written, append)

    def _after_pwrite(self, written: int, descriptor: int, data: bytes, offset: int) -> None:
        file = self._descriptors[descriptor][0]
        assert file is not None
        held = self.states[-1].files[file]
        self._note(files=self.states[-1].files | {file: File(held.sure, (*held.pending, (offset, data[:written])))})

    def _after_close(self, _given: None, descriptor: int) -> None:
        self._descriptors.pop(descriptor, None)

    def _after_replace(self, _given: None, source: Path, target: Path) -> None:
        file = self._names.pop(source.name)
        self._names[target.name] = file
        self._last = _kind(target.name)
        self._note(changes=(*self.states[-1].changes, Change(file, target.name, source.name)))

    def _after_unlink(self, _given: None, path: Path) -> None:
        file = self._names.pop(path.name)
        self._last = "remove"
        self._note(changes=(*self.states[-1].changes, Change(file, old=path.name)))


def _kind(name: str) -> str:
    return re.match(r"[a-zA-Z]+", name)[0]  # type: ignore[index]


def _apply(change: Change, names: dict[str, int]) -> None:
    if change.old is not None and names.get(change.old) == change.file:
        del names[change.old]
    if change.new is not None:
        names[change.new] = change.file


def _written(sure: bytes, writes: Any) -> bytes:
    """*sure* with *writes*; zeros where none of them was."""
    data = bytearray(sure)
    for offset, piece in writes:
        data.extend(bytes(max(0, offset + len(piece) - len(data))))
        data[offset : offset + len(piece)] = piece
    return bytes(data)


# --- power loss --------------------------------------------------------------------------------------------------

MODES = ("nothing", "everything", "names", "torn", "reordered", "apart")
"""What is kept of what was not synced.

    nothing      neither data nor names
    everything   all of it: the process died, and the machine lives
    names        names without data
    torn         names, and of each file the first writes, the last of them in part
    reordered    names, and of each file some pieces, with zeros in place of the others
    apart        some names, each by itself, and of each file any of the above
"""


def after_power_loss(state: State, mode: str, seed: int) -> dict[str, bytes]:
    """The files that a folder may hold after a power loss in *state*."""
    chance = random.Random(f"{mode} {seed} {state.call}")
    names = dict(state.names)
    for change in state.changes:
        if mode != "nothing" and (mode != "apart" or chance.random() < 0.5):
            _apply(change, names)
    return {name: _data(state.files[file], mode, chance) for name, file in names.items()}


def _data(file: File, mode: str, chance: random.Random) -> bytes:
    if mode == "apart":
        mode = chance.choice(("nothing", "everything", "torn", "reordered"))
    if mode == "everything":
        return _written(file.sure, file.pending)
    if mode == "torn" and file.pending:
        count = chance.randrange(len(file.pending))
        offset, last = file.pending[count]
        return _written(file.sure, [*file.pending[:count], (offset, last[: chance.randint(0, len(last))])])
    if mode == "reordered":
        pieces = [piece for write in file.pending for piece in _pieces(write, chance)]
        return _written(file.sure, [piece for piece in pieces if chance.random() < 0.6])
    return file.sure


def _pieces(write: Write, chance: random.Random) -> list[Write]:
    offset, data = write
    cuts = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(3))})
    return [(offset + start, data[start:end]) for start, end in itertools.pairwise(cuts)]


def restore(files: dict[str, bytes], folder: Path) -> Path:
    """Make *folder* hold *files* and nothing else."""
    folder.mkdir(exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(folder / name)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


class Quick(OperatingSystem):
    """Syncs nothing: no test loses power for real."""

    def perform(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return None if function is os.fsync else function(*arguments, **named)
