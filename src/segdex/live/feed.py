"""The feed of changes: for each generation who entered and who left the tracked segments, by dense id."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from segdex.errors import LimitError
from segdex.live.records import Entry, ids_of
from segdex.values.column import Ints

MOST_BYTES = 256 << 20
"""How much the feed keeps; older generations go first."""
_PIECE = 1024
ENTRY_BYTES = 256
"""What a generation counts beside its dense ids."""


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """What happened since a generation. Nothing is written in place: a reader goes on with what it holds.

    Attributes:
        since: the generation that the first entry follows.
        pieces: entries, one a generation, oldest first, in pieces of at most `_PIECE`, none empty: who puts one more at
            the end of a million does not copy the others.
        size: what they count against `MOST_BYTES`.
    """

    since: int
    pieces: tuple[tuple[Entry, ...], ...] = ()
    size: int = 0

    @classmethod
    def of(cls, since: int, entries: Sequence[Entry]) -> Feed:
        """The feed of *entries*."""
        return cls(since, tuple(_cut(tuple(entries))), sum(map(_size, entries)))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first."""
        return tuple(itertools.chain.from_iterable(self.pieces))

    def with_entry(self, entry: Entry) -> Feed:
        """This feed and one entry more."""
        return self.with_entries((entry,))

    def with_entries(self, new: Sequence[Entry]) -> Feed:
        """This feed and the entries that follow it, without the oldest where that is too much; the last one stays."""
        pieces, since, size = list(self.pieces), self.since, self.size + sum(map(_size, new))
        last = pieces.pop() if pieces and len(pieces[-1]) < _PIECE else ()
        pieces += _cut((*last, *new))
        while size > MOST_BYTES and (len(pieces) > 1 or len(pieces[0]) > 1):
            oldest = pieces[0][0]
            since, size = oldest.generation, size - _size(oldest)
            pieces[:1] = _cut(pieces[0][1:])
        return Feed(since, tuple(pieces), size)

    @property
    def ends_with_erasure(self) -> bool:
        """Whether the last thing that happened was that customers were erased."""
        return bool(self.pieces) and self.pieces[-1][-1].erased > 0

    def after(self, generation: int) -> Sequence[Entry]:
        """The entries of the generations after *generation*, oldest first.

        Raises:
            LimitError: the feed does not reach back so far.
        """
        if generation < self.since:
            raise LimitError(
                "the feed of changes does not reach back so far", found=f"since={generation}",
                allowed=f"{self.since} or more", hint="read the members, and follow the feed from this generation on",
            )  # fmt: skip
        late = [piece for piece in self.pieces if piece[-1].generation > generation]
        return [entry for piece in late for entry in piece if entry.generation > generation]

    def renumbered(self, places: Ints) -> Feed:
        """The feed under another numbering: dense id i is ``places[i]`` now, or nobody's, -1."""
        return Feed.of(self.since, [_renumbered(entry, places) for entry in self.entries])


def _cut(entries: tuple[Entry, ...]) -> list[tuple[Entry, ...]]:
    """Entries in pieces."""
    return [entries[start : start + _PIECE] for start in range(0, len(entries), _PIECE)]


def _size(entry: Entry) -> int:
    return ENTRY_BYTES + sum(len(ids) for side in (entry.entered, entry.left) for ids in side.values())


def _renumbered(entry: Entry, places: Ints) -> Entry:
    def moved(side: Mapping[str, bytes]) -> dict[str, bytes]:
        held = {name: places[ids] for name, ids in ids_of(side, len(places)).items()}
        return {name: np.sort(ids[ids >= 0]).astype("<i8").tobytes() for name, ids in held.items()}

    return msgspec.structs.replace(entry, entered=moved(entry.entered), left=moved(entry.left))
