"""Segments and labels that were made elsewhere, as records of the journal and into the next state."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.bitmap import roaring
from segdex.derive import changed
from segdex.errors import CorruptError
from segdex.ingest.accepted import batch_of
from segdex.ingest.columns import pick
from segdex.live.advance import Found, rebased
from segdex.live.records import Load
from segdex.live.state import Moves, State
from segdex.load import Reading
from segdex.schema.labels import LABEL, SCORE, score_name
from segdex.schema.load import load
from segdex.values.arrow import to_arrow
from segdex.values.column import Column, texts

_TYPES = [[text, *score] for text in (pa.string(), pa.large_string()) for score in ([], [pa.float64()])]
"""Those of the columns beside the dense ids: a label, and maybe a score."""


def action_of(reading: Reading) -> Load:
    """What is written of something to be loaded."""
    schema, name = msgspec.json.encode(reading.catalog.schema), reading.loaded.name
    if reading.sets:
        return Load(schema, name, members=roaring.to_bitmap(reading.sets[name]).serialize())
    known = np.logical_or.reduce([column.known for column in reading.columns.values()])
    ids = np.flatnonzero(known).astype(np.uint32)
    arrays = [pa.array(ids), *(to_arrow(column, ids) for column in reading.columns.values())]
    batch = pa.record_batch(arrays, names=["id", *reading.columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return Load(schema, name, table=sink.getvalue().to_pybytes())


def loaded(state: State, action: Load) -> tuple[State, Moves, tuple[str, ...]]:
    """The state in which a segment or label is what was loaded."""
    catalog = load(msgspec.json.decode(action.schema, type=dict), stored=True)
    catalog = dataclasses.replace(catalog, base=state.catalog.base)
    count, of_base = state.version.count, state.base.count
    if action.members is not None:
        members = roaring.from_bytes(action.members, count)
        mask = hot.to_mask(members, count)
        held = mask[:of_base]
        if not state.base.all_inside:  # who is a customer since is none of the base
            held = held & hot.to_mask(state.base.universe, of_base)
        base = changed(state.base, catalog, {}, {action.name: hot.from_mask(held)})
        return *rebased(state, base, Found(sets={action.name: mask})), ()
    columns = _columns(action, count)
    base = changed(state.base, catalog, {name: column.slice(0, of_base) for name, column in columns.items()}, {})
    return *rebased(state, base, Found(columns=columns)), ()


def _columns(action: Load, count: int) -> dict[str, Column]:
    """The label, and its score where there is one, of *count* dense ids."""
    batch = batch_of(action.table or b"")
    if batch.schema.types not in ([pa.uint32(), *more] for more in _TYPES) or batch.column(0).null_count:
        raise CorruptError("a label that was loaded has other columns", found=str(batch.schema.types))
    ids, labels, *scores = batch.columns
    places = np.asarray(ids).astype(np.int64)
    if len(places) and (int(places[-1]) >= count or (places[1:] <= places[:-1]).any()):
        raise CorruptError("a label that was loaded has other customers", found=str(places.max()), allowed=str(count))
    coded = labels.cast(pa.large_string()).dictionary_encode()
    strings = coded.dictionary.to_pylist()
    order = sorted(range(len(strings)), key=lambda at: strings[at].encode())
    ranks = np.empty(len(strings), np.int32)
    ranks[order] = np.arange(len(strings))
    codes = np.full(count, -1, np.int32)
    found = np.asarray(coded.indices.fill_null(-1))
    codes[places] = np.append(ranks, -1)[found]
    made = {action.name: pick(Column(LABEL, codes, texts([strings[at] for at in order])), np.arange(count))}
    if scores:
        data = np.full(count, np.nan)
        data[places] = np.asarray(scores[0].cast(pa.float64()).fill_null(np.nan))
        made[score_name(action.name)] = Column(SCORE, data)
    return made
