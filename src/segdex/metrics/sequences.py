"""Sequences: how many rows of a first step are followed by the steps after it.

A sequence is about rows, not transactions. It goes through the customers in blocks; within one all events of the first
step are followed at once from step to step, each by a binary search among its customer's rows of the next step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.events import kernels
from segdex.events.store import Events
from segdex.metrics import kernels_sequences, select
from segdex.metrics.source import Source
from segdex.rules.windows import Lifetime, Window
from segdex.schema.model import Metric, Step
from segdex.spread import spread
from segdex.values import calendar
from segdex.values.column import MISSING, Column, Ints

_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_LARGEST = "9223372036854775807"


@dataclasses.dataclass(frozen=True, slots=True)
class _Rows:
    """What counts of one step, of one block of customers.

    Attributes:
        offsets: int64, shape (customers + 1,).
        keys: what rows of all steps have in common, shape (rows,); `MISSING` where it is not known.
        times: of each row; a customer's rows come in the order of keys, then of times.
    """

    offsets: Ints
    keys: Ints
    times: Ints


def compute(metric: Metric, source: Source) -> Column:
    """How many rows of the first step, inside the window, are followed by all the others; one number a customer.

    Raises:
        LimitError: the call in hand takes too long.
    """
    steps, tables = metric.steps or (), _tables(metric, source)

    def one(block: tuple[int, Sequence[Events]]) -> Ints:
        events = block[1]
        rows = _rows(steps[0], events[0], tables[0], metric, source, metric.window)
        at = rows.times
        for step, held, table in zip(steps[1:], events[1:], tables[1:], strict=True):
            at = _followed(step, rows, at, _rows(step, held, table, metric, source, Lifetime()), source)
        done = np.concatenate([[0], np.cumsum(at != MISSING)])
        return done[rows.offsets[1:]] - done[rows.offsets[:-1]]  # type: ignore[no-any-return]

    counts = spread(one, list(select.shared_blocks([source.events[step.stream] for step in steps])))
    return Column(source.catalog.metric_type(metric), np.concatenate(counts))


def _rows(step: Step, events: Events, table: Ints | None, metric: Metric, source: Source, window: Window) -> _Rows:
    """The rows of a step up to the clock that satisfy its ``where``, of the first step those in the window."""
    assert events.time is not None
    asked = Metric(kind="rows", stream=step.stream, where=step.where, window=window)
    low, high = select.bounds(window, source.as_of, source.catalog.zone)
    _, keep = select.kept(asked, source, events)
    keep &= (events.time > low) & (events.time <= high)
    keys = np.zeros(events.rows, np.int64)
    if metric.on is not None:
        data = events.fields[metric.on].data
        keys = data if table is None else table[data]  # type: ignore[assignment]
    rows = np.flatnonzero(keep)
    offsets = np.concatenate([[0], np.cumsum(keep)])[events.offsets]
    longest = int(np.diff(offsets).max(initial=0))
    spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    if events.units is not None:  # else they come in the order of time
        kernels.sort_segments(offsets, events.time[rows], rows, *spare)
    if metric.on is not None:
        kernels.sort_segments(offsets, keys[rows], rows, *spare)
    return _Rows(offsets, keys[rows], events.time[rows])


def _followed(step: Step, rows: _Rows, at: Ints, next_rows: _Rows, source: Source) -> Ints:
    """The time at which *step* is done for each event that had come so far at *at*; missing where it is not."""
    found = np.empty(len(at), np.int64)
    kernels_sequences.follow(
        rows.offsets, rows.keys, at, next_rows.offsets, next_rows.keys, next_rows.times, found
    )  # fmt: skip
    if step.within is None:
        return found
    ends = calendar.later(at, step.within, source.catalog.zone)
    if not step.negated:
        return np.where(found <= ends, found, MISSING)
    # Nothing came in time, and that time is over.
    clear = ((found == MISSING) | (found > ends)) & (ends <= source.as_of)
    return np.where(clear, ends, MISSING)


# --- what rows of several streams have in common -----------------------------------------------------------------


def _tables(metric: Metric, source: Source) -> list[Ints | None]:
    """For each step, the key of each of its codes; the code -1 is the last place. None: its values are keys themselves.

    Where all steps have strings, a key is the code that the first step has for it; where some have integers, it is the
    integer.
    """
    steps = metric.steps or ()
    if metric.on is None:
        return [None] * len(steps)
    columns = [source.events[step.stream].fields[metric.on] for step in steps]
    if any(column.dictionary is None for column in columns):
        return [None if column.dictionary is None else _integers(column.dictionary) for column in columns]
    first = columns[0].dictionary
    assert first is not None
    return [_codes(column, first) for column in columns]


def _codes(column: Column, names: pa.LargeStringArray) -> Ints:
    assert column.dictionary is not None
    if column.dictionary is names:
        return np.append(np.arange(len(names), dtype=np.int64), MISSING)
    places = pc.fill_null(pc.index_in(column.dictionary, value_set=names).cast(pa.int64()), MISSING)
    return np.append(np.asarray(places, np.int64), MISSING)


def _integers(texts: pa.LargeStringArray) -> Ints:
    """Texts that are integers as usually written, as these; all others match no integer."""
    digits = pc.utf8_ltrim(texts, characters="-")
    fits = pc.or_(pc.less(pc.utf8_length(digits), len(_LARGEST)), pc.less_equal(digits, _LARGEST))
    whole = pc.and_(pc.match_substring_regex(texts, _INTEGER), fits)
    integers = pc.if_else(whole, texts, pa.scalar(None, pa.large_string())).cast(pa.int64())
    return np.append(np.asarray(pc.fill_null(integers, MISSING), np.int64), MISSING)
