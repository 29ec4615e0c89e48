"""Whose rows have an id: of a base it is sorted once, of a run of the delta too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segdex.events.store import Events
from segdex.ingest.marks import Identified
from segdex.live.gathering import lazily
from segdex.values.column import Column, Ints


class ByIds(NamedTuple):
    """The rows of one stream by their ids.

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
