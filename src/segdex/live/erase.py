"""A person out of an index: no value, no row and no key is left, but for a salted hash."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.derive import derive_few
from segdex.ingest.grown import without
from segdex.live import gathering
from segdex.live.apply import placed, touched, was
from segdex.live.gathering import Places
from segdex.live.rows import keys_of
from segdex.live.state import Moves, State, loaded_in, tracked_in


def erased(state: State, keys: pa.Array) -> tuple[State, Moves, int]:
    """The state without the customers with *keys*, who left which segments, and how many there were.

    What is in the files of the index, and in the memory of a base, is left to who folds the state.
    """
    found = state.version.keys.lookup(keys)
    ids = np.unique(found[found >= 0])
    inside = int(np.count_nonzero(hot.having(state.answers.universe, ids)))
    hashed = state.erased.with_keys(keys)
    if not len(ids):
        return dataclasses.replace(state.numbered(state.version.number + 1), erased=hashed), {}, 0
    those = touched(state, ids, without(state.version.keys, ids))
    before = {name: was(state, name, those) for name in tracked_in(state.catalog)}
    nowhere, base = Places(np.full(len(ids), -1, np.int64), np.full(len(ids), -1, np.int64)), state.base
    nobody = np.zeros(len(ids), np.bool_)
    fresh = derive_few(
        base,
        lambda: keys_of(those.keys, ids),
        {name: gathering.values((base.values,), name, nowhere) for name in state.catalog.given},
        {name: gathering.events((base.events,), name, nowhere) for name in base.events},
        {name: gathering.events((base.graves,), name, nowhere) for name in base.graves},
        {name: hot.from_mask(nobody) for name in loaded_in(state.catalog)},
        {name: gathering.column((base.hidden,), name, nowhere) for name in base.hidden},
        nobody,
        state.answers.binder,
        state.answers.categories,
    )
    made, moves = placed(state, those, fresh, before)
    return dataclasses.replace(made, erased=hashed), moves, inside
