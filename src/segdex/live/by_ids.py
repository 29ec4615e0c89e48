"""Who may have the event that an id stands for: a base is sorted once, what came since grows batch by batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.events.store import ID, Events
from segdex.events.update import owners_of
from segdex.ingest.marks import Identified
from segdex.live.gathering import lazily
from segdex.query.buckets import hash_texts
from segdex.values.column import Column, Ints

Hashes = npt.NDArray[np.uint64]


class ByIds(NamedTuple):
    """The rows of one stream of a base by their ids.

    Attributes:
        events: those that are events.
        graves: those that are none.
    """

    events: Identified
    graves: Identified

    def customers(self, ids: Column) -> Ints:
        """The customers who have a row with one of *ids*, each once, ascending."""
        found = np.unique(np.concatenate([each.customers(ids) for each in self]))
        return found[found >= 0]


def by_ids(events: Mapping[str, Events], graves: Mapping[str, Events]) -> Mapping[str, ByIds]:
    """The rows of each stream that has graves, as those with ids have; sorted when they are first asked for."""
    return lazily(graves, lambda name: ByIds(Identified(events[name]), Identified(graves[name])))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Named:
    """Whom rows of a stream that came since the base named, by their ids. Nothing is written in place.

    Attributes:
        levels: hashes of ids, ascending, and the dense id that each came with; each level is more than twice as long
            as the next, so that there are few, and what is put in is moved few times.
    """

    levels: tuple[tuple[Hashes, Ints], ...] = ()

    def with_rows(self, rows: Events, ids: Ints) -> Named:
        """These, and *rows*, whose customer i has the dense id ``ids[i]``."""
        column = rows.marks[ID]
        known = np.flatnonzero(column.known)
        if not len(known):
            return self
        fresh = hashes_of(column.take(known)), ids[owners_of(rows)[known]]
        levels = list(self.levels)
        while levels and len(levels[-1][0]) <= 2 * len(fresh[0]):
            earlier = levels.pop()
            fresh = np.concatenate([earlier[0], fresh[0]]), np.concatenate([earlier[1], fresh[1]])
        order = np.argsort(fresh[0], kind="stable")  # of a few ascending runs this is a merge
        return Named((*levels, (fresh[0][order], fresh[1][order])))

    def customers(self, ids: Column) -> Ints:
        """The dense ids of those who were named with one of *ids*; one may be told of who was not."""
        wanted = hashes_of(ids.take(np.flatnonzero(ids.known)))
        found = [np.empty(0, np.int64)]
        for held, customers in self.levels:
            first, last = (np.searchsorted(held, wanted, side) for side in ("left", "right"))
            counts = last - first
            starts = np.repeat(first - np.cumsum(counts) + counts, counts)
            found.append(customers[starts + np.arange(len(starts))])
        return np.unique(np.concatenate(found))


def hashes_of(ids: Column) -> Hashes:
    """A hash of each id, 7 as ``'7'``; all are known."""
    if ids.dictionary is None:
        found = np.empty(len(ids), np.uint64)
        hash_texts(pa.array(ids.data).cast(pa.large_string()), b"", found)
        return found
    of_texts = np.empty(len(ids.dictionary), np.uint64)
    hash_texts(ids.dictionary, b"", of_texts)
    return of_texts[ids.data]
