"""Whom a batch may take events from: with ids a row may stand for an event that another customer has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from segdex.errors import SourceError
from segdex.events.store import ID, VERSION, Events
from segdex.ingest.batch import Batch
from segdex.live.by_ids import Named
from segdex.live.state import State
from segdex.values.column import Column, Ints


def with_holders(state: State, batch: Batch) -> Batch:
    """The batch, which names those too who may have a row with one of its ids: all who have one are among them.

    Raises:
        SourceError: its versions are times and those of the index are numbers, or the other way round.
    """
    if not batch.graves:
        return batch
    found = []
    for name, graves in batch.graves.items():
        for rows in (batch.events[name], graves):
            expect_versions(state, name, rows)
            found.append(holders(state, name, rows.marks[ID]))
    more = np.setdiff1d(np.concatenate(found), batch.ids)
    if not len(more):
        return batch
    keys = state.version.keys.take(more)
    if keys.null_count:  # who was erased has no rows
        more, keys = more[np.asarray(keys.is_valid())], keys.drop_null()
    return batch.naming(more, keys)


def holders(state: State, stream: str, ids: Column) -> Ints:
    """The dense ids of those who had a row with one of *ids* in the base, or were named with one since."""
    if not ids.known.any():
        return np.empty(0, np.int64)
    return np.concatenate([state.by_ids[stream].customers(ids), named(state, stream).customers(ids)])


def named(state: State, stream: str) -> Named:
    """Whom rows of a stream have named since the base."""
    return state.named.get(stream, Named())


def naming(state: State, rows: Sequence[Mapping[str, Events]], ids: Ints) -> State:
    """*state*, told of *rows* by stream, whose customer i has the dense id ``ids[i]``; streams without ids are not."""
    known = dict(state.named)
    for held in rows:
        for name in held.keys() & state.base.graves.keys():
            known[name] = known.get(name, Named()).with_rows(held[name], ids)
    return dataclasses.replace(state, named=known)


def expect_versions(state: State, stream: str, rows: Events) -> None:
    """Versions are times or numbers, in the batch as in the index.

    Raises:
        SourceError: they are not.
    """
    if VERSION not in rows.marks or not rows.marks[VERSION].known.any():
        return
    timed = rows.marks[VERSION].type.kind == "time"
    for held in _versions(state, stream):
        # Versions of which none is known have the type of whole numbers.
        if (held.type.kind == "time") != timed and (not timed or held.known.any()):
            here, there = ("times", "numbers") if timed else ("numbers", "times")
            raise SourceError(
                f"versions are {here} in the batch and {there} in the index", place=f"streams.{stream}.version",
                hint=f"give all rows of the stream {there}",
            )  # fmt: skip


def _versions(state: State, stream: str) -> Iterator[Column]:
    base, delta = state.base, state.version.delta
    since = () if delta is None else (delta.plus.events, delta.plus.graves)
    for held in (base.events, base.graves, *since):
        yield held[stream].marks[VERSION]
