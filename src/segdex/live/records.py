"""What a writer did, as bytes: the records of the journal.

A record says what was asked for, so that whoever reads it can do the same, and what came of it: who entered and left
the tracked segments. Both are written at once, before anybody sees them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec
import numpy as np

from segdex.errors import CorruptError, SegdexError, StorageError
from segdex.live.state import Moves
from segdex.store.container import Natural
from segdex.values import clock
from segdex.values.column import Ints


class Action(msgspec.Struct, frozen=True, tag_field="is", forbid_unknown_fields=True):
    """Something that makes the next generation."""


class Apply(Action, frozen=True, tag="apply"):
    """A batch of rows.

    Attributes:
        tables: the good rows, see `segdex.ingest.accepted.to_bytes`.
        source, offset: where they come from, and the position after them.
        as_of: where the clock moves to first; None: it stays.
    """

    tables: bytes
    source: str | None = None
    offset: Natural | None = None
    as_of: int | None = None


class Advance(Action, frozen=True, tag="advance"):
    """The clock moves."""

    as_of: int


class Declare(Action, frozen=True, tag="declare"):
    """The schema becomes another one, as JSON; where it only calls *was* otherwise, *name* is how."""

    schema: bytes
    was: str | None = None
    name: str | None = None


class Load(Action, frozen=True, tag="load"):
    """A segment or label that was made elsewhere, see `segdex.load`.

    Attributes:
        schema: in which it is declared, as JSON.
        name: the segment or label.
        members: of a segment, as portable Roaring bytes.
        table: of a label, an Arrow stream of dense id, label and maybe score.
    """

    schema: bytes
    name: str
    members: bytes | None = None
    table: bytes | None = None


class Readmit(Action, frozen=True, tag="readmit"):
    """Salted hashes of keys that may come again."""

    hashes: tuple[bytes, ...]


class Merge(Action, frozen=True, tag="merge"):
    """Customers become one.

    Attributes:
        keep: the key of the customer who survives, as text.
        drop: the other keys, which mean that customer from now on; neither is an alias.
    """

    keep: str
    drop: tuple[str, ...]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What the feed says of one generation; dense ids are int64, little-endian, ascending.

    Attributes:
        generation: its number.
        as_of: its clock.
        entered, left: dense ids by tracked segment; segments in which nothing moved are left out.
        redefined: tracked segments that were declared or changed: nobody entered or left them by that.
        erased: how many customers were erased.
    """

    generation: Natural
    as_of: int
    entered: dict[str, bytes] = {}
    left: dict[str, bytes] = {}
    redefined: tuple[str, ...] = ()
    erased: Natural = 0


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What was asked for, and what came of it."""

    action: Apply | Advance | Declare | Load | Readmit | Merge
    entry: Entry


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def to_bytes(record: Record) -> bytes:
    """The payload of a journal's record."""
    return _encoder.encode(record)


def from_bytes(payload: bytes, place: str) -> Record:
    """The record that *payload* stands for.

    Raises:
        CorruptError: it is none; *place* says where it is.
    """
    try:
        return _decoder.decode(payload)
    except (ValueError, RecursionError) as error:
        raise CorruptError("unreadable", place=place, found=str(error)) from None


def entry_of(generation: int, as_of: int, moves: Moves, redefined: tuple[str, ...] = (), erased: int = 0) -> Entry:
    """What the feed says of a generation."""
    return Entry(
        generation,
        as_of,
        {name: moved.entered.astype("<i8").tobytes() for name, moved in moves.items() if len(moved.entered)},
        {name: moved.left.astype("<i8").tobytes() for name, moved in moves.items() if len(moved.left)},
        redefined,
        erased,
    )


def ids_of(held: Mapping[str, bytes], count: int) -> dict[str, Ints]:
    """The dense ids of one side of an entry by segment, of *count* that there are.

    Raises:
        CorruptError: these are none.
    """
    found = {}
    for name, each in held.items():
        ids = np.frombuffer(each, "<i8", len(each) // 8).astype(np.int64)
        sound = len(each) % 8 == 0 and (not len(ids) or (ids[0] >= 0 and ids[-1] < count))
        if not sound or not (ids[1:] > ids[:-1]).all():
            raise CorruptError("the feed of changes names customers that are not there", place=f"segment {name!r}")
        found[name] = ids
    return found


def check_order(entries: Iterable[Entry], generation: int, as_of: int, place: str, gaps: bool = False) -> None:
    """Raise unless *entries* are those of the generations after *generation*, at clocks from *as_of* on.

    Args:
        entries: what is told of each generation.
        generation: the one that the first entry follows.
        as_of: its clock.
        place: where the entries are.
        gaps: whether there are generations that nothing is told of.

    Raises:
        CorruptError: they are not.
    """
    for entry in entries:
        expected = max(entry.generation, generation + 1) if gaps else generation + 1
        if entry.generation != expected:
            found, allowed = f"generation {entry.generation}", f"generation {expected}"
            raise CorruptError("changes are out of order", place=place, found=found, allowed=allowed)
        if not as_of <= entry.as_of <= clock.LATEST:
            raise CorruptError("the clock goes back", place=place, found=f"{entry.as_of} after {as_of}")
        generation, as_of = entry.generation, entry.as_of


@contextlib.contextmanager
def done_again(place: str) -> Iterator[None]:
    """Do inside what a record says: whoever wrote it has done so, and where it cannot be done it is damaged.

    Raises:
        CorruptError: it cannot be done.
    """
    try:
        yield
    except CorruptError as error:
        raise error.at(place) from None
    except (StorageError, MemoryError):
        raise
    except Exception as error:  # whatever a record says that passes its checksums, and that no writer wrote
        found = str(error) if isinstance(error, SegdexError) else type(error).__name__
        raise CorruptError("what was accepted cannot be done again", place=place, found=found) from error
