"""A person out of an index: no value, no row and no key is left, but for a salted hash."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.derive import derive_few
from segdex.ingest.aliases import Aliases
from segdex.ingest.grown import under, without
from segdex.ingest.keys import AnyKeys
from segdex.live.apply import Places, hidden_of, placed, rows_of, touched, values_of, was
from segdex.live.erased import Erased
from segdex.live.rows import keys_of
from segdex.live.state import Moves, State, loaded_in, tracked_in
from segdex.values.column import Ints


def erased(state: State, keys: pa.Array) -> tuple[State, Moves, int]:
    """The state without the customers with *keys*, who left which segments, and how many there were.

    What is in the files of the index, and in the memory of a base, is left to who folds the state.
    """
    found = state.version.keys.lookup(keys)
    ids = np.unique(found[found >= 0])
    inside = int(np.count_nonzero(hot.having(state.answers.universe, ids)))
    hashed = state.erased.with_keys(keys)
    left = state.version.keys
    if left.aliases is not None and len(ids):
        ids, hashed, left = _with_merged(left, left.aliases, ids, hashed)
    if not len(ids):
        return dataclasses.replace(state.numbered(state.version.number + 1), erased=hashed), {}, 0
    those = touched(state, ids, without(left, ids))
    before = {name: was(state, name, those) for name in tracked_in(state.catalog)}
    base, nobody = state.base, np.zeros(len(ids), np.bool_)
    nowhere = Places(np.full(len(ids), -1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    fresh = derive_few(
        base,
        lambda: keys_of(those.keys, ids),
        {name: values_of(state, name, nowhere) for name in state.catalog.given},
        {name: rows_of(state, name, nowhere) for name in base.events},
        {name: rows_of(state, name, nowhere, graves=True) for name in base.graves},
        {name: hot.from_mask(nobody) for name in loaded_in(state.catalog)},
        {name: hidden_of(state, name, nowhere) for name in base.hidden},
        nobody,
        state.answers.binder,
        state.answers.categories,
    )
    made, moves = placed(state, those, fresh, before)
    return dataclasses.replace(made, erased=hashed), moves, inside


def _with_merged(keys: AnyKeys, aliases: Aliases, ids: Ints, hashed: Erased) -> tuple[Ints, Erased, AnyKeys]:
    """All ids of those with the dense ids *ids*, *hashed* with all their keys, and the aliases without these."""
    kept = keys.take(ids).cast(pa.large_string())
    dropped = pa.array(aliases.of(kept.drop_null().to_pylist()), pa.large_string())
    merged = under(keys, None).lookup(dropped)
    left = under(keys, aliases.without(kept.drop_null().to_pylist()))
    return np.union1d(ids, merged[merged >= 0]), hashed.with_keys(kept).with_keys(dropped), left
