"""What a folder holds, base and journal together, for whoever looks at it without answering from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from segdex.errors import CorruptError, SegdexError
from segdex.generation import alone
from segdex.live import records
from segdex.live.changer import Changer
from segdex.live.feed import Feed
from segdex.live.perform import performed
from segdex.live.records import entry_of
from segdex.live.state import State
from segdex.query.answers import Answers
from segdex.store import generations, journal
from segdex.store.os import OperatingSystem


@dataclasses.dataclass(frozen=True, eq=False)
class Recovered:
    """An index as its files tell it.

    Attributes:
        state: where it stands.
        feed: what changed.
        base: the generation that the journal follows.
        records: how many records the journal has.
        journal_bytes: its length.
    """

    state: State
    feed: Feed
    base: int
    records: int
    journal_bytes: int


def recovered(folder: Path, system: OperatingSystem) -> Recovered:
    """Everything that a folder holds. Nothing is written.

    Raises:
        ArgumentError: the folder is no index.
        CorruptError: a file is damaged.
        VersionError: a file was written by a newer version.
        StorageError: the operating system refused.
    """
    changer, found, length = _read(folder, system)
    base = changer.state.base.number
    changer.replay(found, str(folder))
    return Recovered(changer.state, changer.feed, base, len(found), length)


def _read(folder: Path, system: OperatingSystem) -> tuple[Changer, Sequence[tuple[int, bytes]], int]:
    """The current generation, the records that follow it, and the length of the journal."""
    opened = generations.opened(folder, system)
    assert opened.identity is not None
    changer = Changer(opened, Answers(alone(opened.generation)), lambda _: None)
    found, position = journal.read(folder, opened.identity, system)
    return changer, found, position.offset


def verify(folder: Path, system: OperatingSystem | None = None) -> Iterator[SegdexError]:
    """Check every byte of an index, every object in it, and that each record of its journal does what it says.

    Yields what is wrong, nothing where all is well.

    Raises:
        ArgumentError: the folder is no index.
    """
    system = system or OperatingSystem()
    damaged = False
    for problem in generations.verify(folder, system):
        damaged = True
        yield problem
    if damaged:
        return
    try:
        changer, found, _ = _read(folder, system)
        _do_again(changer.state, found, str(folder))
    except SegdexError as error:
        yield error


def _do_again(state: State, found: Sequence[tuple[int, bytes]], place: str) -> None:
    """Do each record by itself, and see whether it moves whom it says.

    Raises:
        CorruptError: it is none, cannot be done, or does something else.
    """
    for sequence, payload in found:
        here = f"{place}, record {sequence}"
        record = records.from_bytes(payload, here)
        with records.done_again(here):
            state, moves, redefined = performed(state, record.action)
        if entry_of(state.version.number, state.version.as_of, moves, redefined) != record.entry:
            raise CorruptError("a record says other changes than it makes", place=here)
