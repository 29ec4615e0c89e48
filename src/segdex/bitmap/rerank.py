"""The ranks of a column in which some values have changed: the others stay in their order and are not sorted again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from segdex.bitmap import kernels_ranks
from segdex.bitmap.predicate import Ids, Ints
from segdex.bitmap.ranks import Bound, Ranks, Values, ranks_of

MOST = 4
"""Where more than one in so many values changed, all are sorted again."""
MOST_ROUNDS = 8
"""So often others than those told are looked for; then all are sorted again."""


def reranked(
    old: Ranks, values: Values, ids: Ids, edges: Iterable[Bound] = (), among: npt.NDArray[np.bool_] | None = None
) -> Ranks:
    """The ranks of *values*, which come in the order of *old* but for the customers *ids* and few others.

    Classes begin where they began in *old*, so that they are not those that `ranks_of` would make; that changes no
    answer. Others than *ids* that are out of order are found.

    Args:
        old: of the column as it was.
        values: as it is, int64 or float64, shape (customers,).
        ids: the customers whose values changed, ascending; all are there who had none and have one.
        edges: where bands begin, for the case that all are sorted anew.
        among: those who are customers, shape (customers,); None: all. They are those of *old*.
    """
    ranked = ~(np.isnan(values) if values.dtype == np.float64 else values == np.iinfo(np.int64).min)
    if among is not None:
        ranked &= among
    changed = np.zeros(len(values), np.bool_)
    changed[ids] = True
    for _ in range(MOST_ROUNDS):
        if int(np.count_nonzero(changed)) * MOST > len(values):
            break
        stays = (ranked & ~changed)[old.places]
        places = old.places[stays]
        ordered = values[places]
        wrong = ordered[1:] < ordered[:-1]
        wrong |= (ordered[1:] == ordered[:-1]) & (places[1:] < places[:-1])
        at = np.flatnonzero(wrong)
        if not len(at):
            movers = np.flatnonzero(changed & ranked)
            order = np.argsort(values[movers], kind="stable")
            removed = np.concatenate([[0], np.cumsum(~stays)])
            return _inserted(places, old.starts - removed[old.starts], values, movers[order].astype(np.uint32))
        changed[places[at]] = changed[places[at + 1]] = True
    return ranks_of(values, edges, among)


def _inserted(places: Ids, starts: Ints, values: Values, movers: Ids) -> Ranks:
    """Ranks of *places* with *movers* put where they belong; a class begins with the value that it began with."""
    at = np.empty(len(movers), np.int64)
    kernels_ranks.insertion_points(values, places, movers, at)
    into = at + np.arange(len(movers))
    merged = np.empty(len(places) + len(movers), np.uint32)
    there = np.ones(len(merged), np.bool_)
    there[into] = False
    merged[into], merged[there] = movers, places
    # Whoever comes before the first of a class belongs to the class before it, and before all to the first one.
    starts = np.unique(starts[starts < len(places)])
    starts += np.searchsorted(at, starts, "right")
    if len(merged):
        starts = np.unique(np.append(starts[1:], 0))
    codes = np.zeros(-(-len(values) // 64) * 64, np.uint8)
    kernels_ranks.assign_codes(merged, starts, codes)
    return Ranks(values, merged, starts, codes)
