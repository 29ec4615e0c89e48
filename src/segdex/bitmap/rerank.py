"""The ranks of a column in which some values have changed: the others stay in their order and are not sorted again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segdex.bitmap import kernels_ranks
from segdex.bitmap.predicate import Ids, Ints
from segdex.bitmap.ranks import Bound, Ranks, Values, ranks_of

MOST = 4
"""Where more than one in so many values changed, all are sorted again."""
MOST_ROUNDS = 8
"""So often others than those told are looked for; then all are sorted again."""


def reranked(old: Ranks, values: Values, ids: Ids, edges: Iterable[Bound] = ()) -> Ranks:
    """The ranks of *values*, which come in the order of *old* but for the customers *ids* and few others.

    Classes begin where they began in *old*, so that they are not those that `ranks_of` would make; that changes no
    answer. Others than *ids* that are out of order are found.

    Args:
        old: of the column as it was.
        values: as it is, int64 or float64, shape (customers,).
        ids: the customers whose values changed, ascending.
        edges: where bands begin, for the case that all are sorted anew.
    """
    changed = np.zeros(len(values), np.bool_)
    changed[ids] = True
    _mark_missing(values, changed)
    for _ in range(MOST_ROUNDS):
        if int(np.count_nonzero(changed)) * MOST > len(values):
            break
        stays = ~changed[old.places]
        places = old.places[stays]
        ordered = values[places]
        wrong = ordered[1:] < ordered[:-1]
        wrong |= (ordered[1:] == ordered[:-1]) & (places[1:] < places[:-1])
        at = np.flatnonzero(wrong)
        if not len(at):
            removed = np.concatenate([[0], np.cumsum(~stays)])
            return _inserted(places, old.starts - removed[old.starts], values, _movers(values, changed))
        changed[places[at]] = changed[places[at + 1]] = True
    return ranks_of(values, edges)


def _mark_missing(values: Values, changed: np.ndarray) -> None:
    """A value that is missing now has no place, whether it was told as changed or not."""
    changed |= np.isnan(values) if values.dtype == np.float64 else values == np.iinfo(np.int64).min


def _movers(values: Values, changed: np.ndarray) -> Ids:
    """The customers with a known value among those that changed, ascending by value, then by id."""
    ids = np.flatnonzero(changed)
    moved = values[ids]
    known = ~np.isnan(moved) if values.dtype == np.float64 else moved != np.iinfo(np.int64).min
    ids, moved = ids[known], moved[known]
    return ids[np.argsort(moved, kind="stable")].astype(np.uint32)


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
