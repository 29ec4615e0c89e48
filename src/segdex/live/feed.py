"""The feed of changes: for each generation who entered and who left the tracked segments, by dense id."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from segdex.errors import LimitError
from segdex.live.records import Entry, ids_of
from segdex.values.column import Ints

MOST_BYTES = 256 << 20
"""How much the feed keeps; older generations go first."""
ENTRY_BYTES = 256
"""What a generation counts beside its dense ids."""


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """What happened since a generation. Nothing is written in place: a reader goes on with what it holds.

    Attributes:
        since: the generation that the first entry follows.
        entries: one a generation, oldest first.
        size: what they count against `MOST_BYTES`.
    """

    since: int
    entries: tuple[Entry, ...] = ()
    size: int = 0

    @classmethod
    def of(cls, since: int, entries: tuple[Entry, ...]) -> Feed:
        """The feed of *entries*."""
        return cls(since, entries, sum(map(_size, entries)))

    def with_entry(self, entry: Entry) -> Feed:
        """This feed and one entry more."""
        return self.with_entries((entry,))

    def with_entries(self, new: Sequence[Entry]) -> Feed:
        """This feed and the entries that follow it, without the oldest where that is too much; the last one stays."""
        entries, size = (*self.entries, *new), self.size + sum(map(_size, new))
        since, first = self.since, 0
        while size > MOST_BYTES and first < len(entries) - 1:
            since, size, first = entries[first].generation, size - _size(entries[first]), first + 1
        return Feed(since, entries[first:], size)

    @property
    def ends_with_erasure(self) -> bool:
        """Whether the last thing that happened was that customers were erased."""
        return bool(self.entries) and self.entries[-1].erased > 0

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
        return [entry for entry in self.entries if entry.generation > generation]

    def renumbered(self, places: Ints) -> Feed:
        """The feed under another numbering: dense id i is ``places[i]`` now, or nobody's, -1."""
        return Feed.of(self.since, tuple(_renumbered(entry, places) for entry in self.entries))


def _size(entry: Entry) -> int:
    return ENTRY_BYTES + sum(len(ids) for side in (entry.entered, entry.left) for ids in side.values())


def _renumbered(entry: Entry, places: Ints) -> Entry:
    def moved(side: Mapping[str, bytes]) -> dict[str, bytes]:
        held = {name: places[ids] for name, ids in ids_of(side, len(places)).items()}
        return {name: np.sort(ids[ids >= 0]).astype("<i8").tobytes() for name, ids in held.items()}

    return msgspec.structs.replace(entry, entered=moved(entry.entered), left=moved(entry.left))
