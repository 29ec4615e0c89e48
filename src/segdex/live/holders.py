"""Whom a batch may take events from: with ids a row may stand for an event that another customer has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segdex.errors import SourceError
from segdex.events.store import ID, VERSION, Events
from segdex.ingest.batch import Batch
from segdex.live.state import State
from segdex.values.column import Column, Ints


def with_holders(state: State, batch: Batch) -> Batch:
    """The batch, which names those too who have a row with one of its ids.

    Raises:
        SourceError: its versions are times and those of the index are numbers, or the other way round.
    """
    found = [batch.ids[:0]]
    for name, graves in batch.graves.items():
        for rows in (batch.events[name], graves):
            expect_versions(state, name, rows)
            found.append(holders(state, name, rows.marks[ID]))
    more = np.setdiff1d(np.concatenate(found), batch.ids)
    return batch.naming(more, state.version.keys.take(more)) if len(more) else batch


def holders(state: State, stream: str, ids: Column) -> Ints:
    """The dense ids of those who have a row with one of *ids*."""
    if not ids.known.any():
        return np.empty(0, np.int64)
    version, rows = state.version, state.held
    of_base = state.by_ids[stream].customers(ids)
    found = [of_base if version.delta is None else of_base[version.delta.slots_of(of_base) < 0]]
    for number, run in enumerate(rows.runs):
        slots = run.slots[run.by_ids[stream].customers(ids)]
        found.append(rows.ids[slots[rows.where.sources[slots] == number]])  # others have later rows in another run
    return np.concatenate(found)


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
    base, runs = state.base, state.held.runs
    for held in (base.events, base.graves, *(each for run in runs for each in (run.events, run.graves))):
        yield held[stream].marks[VERSION]
