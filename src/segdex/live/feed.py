"""The feed of changes: for each generation who entered and who left the tracked segments, by dense id."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from segdex.errors import ArgumentError, LimitError
from segdex.live.records import Entry

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
