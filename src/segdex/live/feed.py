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
"""Bytes of dense ids that the feed keeps; older generations go first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """What happened since a generation. Nothing is written in place: a reader goes on with what it holds.

    Attributes:
        since: the generation that the first entry follows.
        entries: one a generation, oldest first.
    """

    since: int
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> Feed:
        """This feed and one entry more."""
        return Feed(self.since, (*self.entries, entry))

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
        return Feed(self.since, tuple(_renumbered(entry, places) for entry in self.entries))


def _renumbered(entry: Entry, places: Ints) -> Entry:
    def moved(side: Mapping[str, bytes]) -> dict[str, bytes]:
        held = {name: places[ids[ids < len(places)]] for name, ids in ids_of(side).items()}
        return {name: np.sort(ids[ids >= 0]).astype("<i8").tobytes() for name, ids in held.items()}

    return msgspec.structs.replace(entry, entered=moved(entry.entered), left=moved(entry.left))
