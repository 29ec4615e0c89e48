"""What a folder holds, base and journal together, for whoever looks at it without answering from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from segdex.errors import CorruptError, SegdexError
from segdex.generation import alone
from segdex.live import kept, records
from segdex.live.feed import Feed
from segdex.live.perform import performed
from segdex.live.records import entry_of
from segdex.live.state import State, started
from segdex.query.answers import Answers
from segdex.store import generations, journal
from segdex.store.container import Identity
from segdex.store.folder import pointer
from segdex.store.os import OperatingSystem


@dataclasses.dataclass(frozen=True, eq=False)
class Recovered:
    """An index as its files tell it.

    Attributes:
        state: where it stands.
        feed: what changed.
        identity: the generation that the journal follows.
        records: how many records the journal has.
        journal_bytes: its length.
        length: that of the generation's file, in bytes.
    """

    state: State
    feed: Feed
    identity: Identity
    records: int
    journal_bytes: int
    length: int


def recovered(folder: Path, system: OperatingSystem) -> Recovered:
    """Everything that a folder holds. Nothing is written.

    Raises:
        ArgumentError: the folder is no index.
        CorruptError: a file is damaged, or a record of the journal does not do what it says.
        VersionError: a file was written by a newer version.
        StorageError: the operating system refused.
    """
    opened = generations.opened(folder, system)
    identity = opened.identity
    assert identity is not None
    number = identity.generation
    offsets, erased, feed = kept.from_bytes(opened.more, number, f"generation {number}, section 'live'")
    state = started(Answers(alone(opened.generation)), offsets, erased)
    found, position = journal.read(folder, identity, system)
    for sequence, payload in found:
        place = f"{folder}, record {sequence}"
        record = records.from_bytes(payload, place)
        try:
            state, moves, redefined = performed(state, record.action)
        except SegdexError as error:
            raise CorruptError("a record cannot be done again", place=place, found=str(error)) from None
        if entry_of(state.version.number, state.version.as_of, moves, redefined) != record.entry:
            raise CorruptError("a record says other changes than it makes", place=place)
        feed = feed.with_entry(record.entry)
    length = pointer(folder, system).length
    return Recovered(state, feed, identity, len(found), position.offset, length)


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
        recovered(folder, system)
    except SegdexError as error:
        yield error
