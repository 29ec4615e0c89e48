"""Which customers have changed since the base was made, and where each stands among them."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.values.column import Ints

_NOBODY = np.empty(0, np.int64)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Slots:
    """Dense ids and the slot of each; nothing is written in place.

    Attributes:
        levels: dense ids, ascending, and their slots; each level is more than eight times as long as the next, so that
            there are few, and what is put in is moved few times.
        count: how many slots there are.
    """

    levels: tuple[tuple[Ints, Ints], ...] = ()
    count: int = 0

    def with_ids(self, ids: Ints) -> Slots:
        """These, and *ids*, which have none, in the slots from the count on."""
        if not len(ids):
            return self
        slots = self.count + np.arange(len(ids))
        order = np.argsort(ids)
        fresh = ids[order], slots[order]
        levels = list(self.levels)
        while levels and len(levels[-1][0]) <= 8 * len(fresh[0]):
            fresh = _merged(*levels.pop(), *fresh)
        return Slots((*levels, fresh), self.count + len(ids))

    def of(self, ids: Ints) -> Ints:
        """The slot of each dense id, -1 where it has none."""
        found = np.full(len(ids), -1, np.int64)
        order = np.argsort(ids)  # of many, neighbours are found close together
        wanted = ids[order]
        for held, slots in self.levels:
            places = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
            here = np.flatnonzero(held[places] == wanted)
            found[order[here]] = slots[places[here]]
        return found


def _merged(held: Ints, slots: Ints, more: Ints, more_slots: Ints) -> tuple[Ints, Ints]:
    at = np.searchsorted(held, more) + np.arange(len(more))
    stays = np.ones(len(held) + len(more), np.bool_)
    stays[at] = False
    both = np.empty(len(stays), np.int64), np.empty(len(stays), np.int64)
    for made, old, new in zip(both, (held, slots), (more, more_slots), strict=True):
        made[stays], made[at] = old, new
    return both
