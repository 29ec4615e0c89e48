"""Which rows and transactions of a stream count for a metric: the order of work, once for all kinds.

Rows up to the clock; ``where``; joining into transactions; the window by the transaction's time; ``having``. Nothing
is copied to leave something out: rows carry a mask of what was kept, transactions one of what is inside. Only a
family regroups its rows, so that each pair of a category and a customer takes the place of a customer, and every
kernel serves both.

A stream goes through in blocks of whole customers, so that scratch memory stays small however long it is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segdex.errors import LimitError
from segdex.events.store import UNIT, Events
from segdex.metrics import kernels_sum, kernels_transactions
from segdex.metrics.joined import durations, gap_of, latest, with_sessions
from segdex.metrics.source import Source
from segdex.rules import nodes
from segdex.rules.windows import Last, Lifetime, Window
from segdex.schema.model import DURATION, Gap, Metric
from segdex.spread import spread
from segdex.values import clock, masks
from segdex.values.column import MISSING, Codes, Column, Data, Ints, Mask
from segdex.values.lazy import Lazy

MOST_ROWS = 1 << 21
"""Rows of a block; a customer with more is a block alone."""
MOST_THREADS = 4
"""Blocks that are worked on at once; each takes some 100 bytes a row on the way."""
P = TypeVar("P")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Items (rows or transactions) by customer or pair, as kernels take them.

    Attributes:
        offsets: int64, shape (groups + 1,).
        inside: which items count, shape (items,).
        time: the items' times, shape (items,); zeros where the stream has none.
    """

    offsets: Ints
    inside: Mask
    time: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Selected:
    """What counts of one block of a stream.

    Attributes:
        stream: the stream's name.
        events: the block; the groups of a family's are pairs.
        keep: the rows up to the clock that satisfy ``where``, shape (rows,).
        time: of each row, shape (rows,); zeros where the stream has none.
        transactions: the transactions, with the times of their earliest kept rows.
        per_row: fields that are not summed over a transaction.
        own: fields that transactions have and rows do not, such as the length of sessions; shape (transactions,).
        sums: what `summed` has found; whatever counts of the same kept rows shares it.
        as_of: the clock, in microseconds UTC.
        zone: the schema's time zone.
    """

    stream: str
    events: Events
    keep: Mask
    time: Ints
    transactions: Group
    per_row: frozenset[str]
    own: Mapping[str, Column]
    sums: dict[str, Data]
    as_of: int
    zone: dt.tzinfo

    @property
    def groups(self) -> int:
        """How many customers or pairs there are."""
        return len(self.events.offsets) - 1

    def rows(self) -> Group:
        """The kept rows of the transactions that are inside."""
        if self.events.units is None:
            return self.transactions
        inside = np.empty(len(self.keep), np.bool_)
        kernels_transactions.rows_inside(self.events.units, self.transactions.inside, self.keep, inside)
        return Group(self.events.offsets, inside, self.time)

    def column(self, field: str) -> Column:
        """A field of each row, or one of transactions' own of each transaction; `items` says which of them count."""
        own = self.own.get(field)
        return self.events.fields[field] if own is None else own

    def items(self, field: str) -> Group:
        """What `column` holds values of."""
        return self.transactions if field in self.own else self.rows()

    def values(self, field: str) -> tuple[Group, Data]:
        """A numeric field by transaction, summed; by row where the field is not to be summed."""
        if field in self.own:
            return self.transactions, self.own[field].data
        if self.events.units is None or field in self.per_row:
            return self.rows(), self.events.fields[field].data
        return self.transactions, self.summed(field)

    def summed(self, field: str) -> Data:
        """The sums of a numeric field over the kept rows of each transaction; missing where none is known.

        Raises:
            LimitError: a sum of integers leaves the range of 64 bits.
        """
        data, units = self.column(field).data, self.events.units
        if units is None or field in self.own:
            return data
        if field not in self.sums:
            totals, known = self.totals(Group(units, self.keep, self.time), data, field)
            totals[known == 0] = MISSING if totals.dtype == np.int64 else np.nan
            self.sums[field] = totals
        return self.sums[field]

    def totals(self, group: Group, data: Data, field: str) -> tuple[Data, Ints]:
        """The sum (0 where nothing is known) and the number of known values of each group.

        Raises:
            LimitError: a sum of integers leaves the range of 64 bits.
        """
        count = len(group.offsets) - 1
        totals, known = np.zeros(count, data.dtype), np.empty(count, np.int64)
        if data.dtype == np.float64:
            kernels_sum.sum_floats(group.offsets, group.inside, group.time, data, totals, known)
        elif kernels_sum.sum_ints(group.offsets, group.inside, data, totals, known) >= 0:
            raise LimitError(
                "a sum leaves the range of 64-bit integers",
                found=f"field {field!r} of stream {self.stream!r}",
                hint="declare the field as a number without a scale, or with a smaller one",
            )
        return totals, known


def by_block(metric: Metric, source: Source, work: Callable[[Selected], T]) -> list[T]:
    """What *work* makes of what counts for *metric*, block by block in the order of customers.

    Raises:
        LimitError: the call in hand takes too long.
    """
    assert metric.stream is not None

    def one(block: Events) -> T:
        return work(of_customers(metric, source, block))

    return spread(one, list(blocks(source.events[metric.stream])))


def pairs_by_block(
    metric: Metric, source: Source, work: Callable[[Selected], T]
) -> list[tuple[Codes, npt.NDArray[np.uint32], T]]:
    """What *work* makes of what counts for each pair of a category and a customer, block by block.

    Returns:
        for each block the category's code and the customer's id of each pair, by category, then by customer; and what
        was made of them.
    """
    assert metric.stream is not None

    def one(block: Events) -> tuple[Codes, npt.NDArray[np.uint32], T]:
        selected, codes, customers = of_pairs(metric, source, block)
        return codes, customers, work(selected)

    parts = list(blocks(source.events[metric.stream]))
    first, held = 0, []
    for (codes, customers, made), block in zip(spread(one, parts), parts, strict=True):
        held.append((codes, customers + np.uint32(first), made))
        first += len(block.offsets) - 1
    return held


def of_customers(metric: Metric, source: Source, block: Events) -> Selected:
    """What counts of one block for each customer."""

    def selected() -> Selected:
        return _select(metric, source, _shared_joined(metric, source, block))

    return _shared(source, metric, block, ("selected", metric.window, metric.where, metric.having), selected)


def of_pairs(metric: Metric, source: Source, block: Events) -> tuple[Selected, Codes, npt.NDArray[np.uint32]]:
    """What counts of one block for each pair: as `pairs_by_block`, the first customer of the block being 0."""
    pairs, codes, customers, _ = _regrouped(metric, *kept(metric, source, block), _names(metric))
    joined = _joined(metric, source, pairs, np.ones(pairs.rows, np.bool_))
    return _select(metric, source, joined), codes, customers


def of_two(
    one: Metric, other: Metric, source: Source, block: Events
) -> tuple[Selected, Selected, Codes, npt.NDArray[np.uint32]]:
    """What counts of one block for two metrics of one stream, by the same customers or pairs and transactions.

    Returns:
        what counts for each, and the codes and customers of the pairs; of metrics without ``by`` all customers.
    """
    (_, keep), (_, others) = kept(one, source, block), kept(other, source, block)
    customers = np.arange(len(block.offsets) - 1, dtype=np.uint32)
    codes = np.zeros(len(customers), np.int32)
    if one.by is not None:
        names = _names(one) | _names(other)
        block, codes, customers, order = _regrouped(one, block, keep | others, names)
        keep, others = keep[order], others[order]
    first, second = _joined(one, source, block, keep), _joined(other, source, block, others)
    return _select(one, source, first), _select(other, source, second), codes, customers


def blocks(events: Events, most: int | None = None) -> Iterator[Events]:
    """*events* in parts of whole customers with at most *most* rows each, a longer customer alone."""
    for first, last in spans(events.offsets, most):
        yield part(events, first, last)


def shared_blocks(streams: Sequence[Events]) -> Iterator[tuple[int, list[Events]]]:
    """Several streams in parts of the same whole customers, as few rows together as `blocks` has.

    Yields:
        the first customer of the part, and the part of each stream.
    """
    together: Ints = np.sum([events.offsets for events in streams], axis=0)
    for first, last in spans(together):
        yield first, [part(events, first, last) for events in streams]


def spans(offsets: Ints, most: int | None = None) -> Iterator[tuple[int, int]]:
    """Runs of groups, as (first, after the last), with at most *most* items each; a longer group is a run alone."""
    most, groups = most or MOST_ROWS, len(offsets) - 1
    if offsets[-1] - offsets[0] <= most:
        yield 0, groups
        return
    first = 0
    while first < groups:
        last = int(np.searchsorted(offsets, offsets[first] + most, "right")) - 1
        last = min(max(last, first + 1), groups)
        yield first, last
        first = last


def part(events: Events, first: int, last: int) -> Events:
    """The rows of customers *first* to *last* - 1, offsets starting at 0."""
    if last - first == len(events.offsets) - 1:
        return events
    start, end = int(events.offsets[first]), int(events.offsets[last])
    units = unit_offsets = None
    marks = dict.fromkeys(events.marks, (start, end))
    if events.units is not None and events.unit_offsets is not None:
        unit_offsets = events.unit_offsets[first : last + 1] - events.unit_offsets[first]
        begin, stop = int(events.unit_offsets[first]), int(events.unit_offsets[last])
        units = events.units[begin : stop + 1] - start
        marks |= {UNIT: (begin, stop)} if UNIT in marks else {}
    return Events(
        offsets=events.offsets[first : last + 1] - start,
        time=None if events.time is None else events.time[start:end],
        fields=Lazy({name: partial(_sliced, events.fields, name, start, end) for name in events.fields}),
        units=units,
        unit_offsets=unit_offsets,
        marks=Lazy({name: partial(_sliced, events.marks, name, *span) for name, span in marks.items()}),
    )


def _sliced(fields: Mapping[str, Column], name: str, start: int, end: int) -> Column:
    return fields[name].slice(start, end)


# --- the order of work -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Fields:
    """Rows or transactions as items of a ``where`` or ``having``."""

    held: Mapping[str, Column]
    count: int
    as_of: int
    zone: dt.tzinfo

    def column(self, node: nodes.Reference) -> Column:
        assert isinstance(node, nodes.Name)
        return self.held[node.name]


def kept(metric: Metric, source: Source, events: Events) -> tuple[Events, Mask]:
    """*events*, and which rows up to the clock satisfy ``where``.

    A window of the latest transactions is looked up first, among all transactions: sessions are then those of all rows.
    """
    keep = np.ones(events.rows, np.bool_) if events.time is None else events.time <= source.as_of
    if isinstance(metric.window, Last):
        stream = source.catalog.schema.streams[metric.stream or ""]
        if isinstance(stream.unit, Gap):
            events = with_sessions(events, keep, gap_of(stream.unit))
        keep = latest(events, metric.window.count, source.as_of, list(stream.fields))
    if metric.where is not None:
        assert not isinstance(metric.where, str)
        rows = _Fields(events.fields, events.rows, source.as_of, source.catalog.zone)
        keep &= masks.mask(metric.where, rows)
    return events, keep


@dataclasses.dataclass(frozen=True, slots=True)
class _Joined:
    """The kept rows of a stream as transactions, of which windows then choose; *transactions* has all of them.

    The attributes are those of `Selected`.
    """

    events: Events
    keep: Mask
    time: Ints
    transactions: Group
    own: Mapping[str, Column]
    sums: dict[str, Data] = dataclasses.field(default_factory=dict)


def _shared(source: Source, metric: Metric, block: Events, what: Hashable, make: Callable[[], T]) -> T:
    """What *make* makes of *block* for *metric*; kept for other metrics where *source* keeps what they share."""
    if source.common is None or block is not source.events[metric.stream or ""]:
        return make()
    key = (metric.stream, source.as_of, what)
    if key not in source.common:
        source.common[key] = make()
    found: T = source.common[key]
    return found


def _shared_joined(metric: Metric, source: Source, block: Events) -> _Joined:
    last = metric.window if isinstance(metric.window, Last) else None

    def joined() -> _Joined:
        return _joined(metric, source, *kept(metric, source, block))

    return _shared(source, metric, block, ("joined", last, metric.where), joined)


def _joined(metric: Metric, source: Source, events: Events, keep: Mask) -> _Joined:
    """Join the rows in *keep* into transactions."""
    unit = source.catalog.schema.streams[metric.stream or ""].unit
    if isinstance(unit, Gap) and events.units is None:
        events = with_sessions(events, keep, gap_of(unit))
    time = np.zeros(events.rows, np.int64) if events.time is None else events.time
    if events.units is None:
        transactions = Group(events.offsets, keep, time)
    else:
        assert events.unit_offsets is not None
        began = np.empty(events.transactions, np.int64)
        kernels_transactions.earliest(events.units, time, keep, began)
        transactions = Group(events.unit_offsets, began != MISSING, began)
    own = {DURATION: durations(events, keep)} if isinstance(unit, Gap) else {}
    return _Joined(events, keep, time, transactions, own)


def _select(metric: Metric, source: Source, joined: _Joined) -> Selected:
    """Choose among transactions by window and ``having``."""
    assert metric.stream is not None
    zone, group = source.catalog.zone, joined.transactions
    if joined.events.time is not None:
        low, high = bounds(metric.window, source.as_of, zone)
        inside = group.time > low
        inside &= group.inside
        if high < source.as_of:  # no kept row is after the clock
            inside &= group.time <= high
        group = Group(group.offsets, inside, group.time)
    selected = Selected(
        metric.stream, joined.events, joined.keep, joined.time, group,
        source.catalog.schema.streams[metric.stream].per_row, joined.own, joined.sums, source.as_of, zone,
    )  # fmt: skip
    return selected if metric.having is None else _having(selected, metric.having)


def bounds(window: Window, as_of: int, zone: dt.tzinfo) -> tuple[int, int]:
    """As `clock.bounds`; a window of the latest transactions has chosen among rows and leaves nothing out by time."""
    return clock.bounds(Lifetime() if isinstance(window, Last) else window, as_of, zone)


def _having(selected: Selected, rule: nodes.Rule | str) -> Selected:
    """Leave out the transactions that do not satisfy *rule*."""
    assert not isinstance(rule, str)
    events, group = selected.events, selected.transactions
    names = {node.name for node in nodes.walk(rule) if isinstance(node, nodes.Name)}
    sums = {name: selected.column(name).with_data(selected.summed(name)) for name in names}
    items = _Fields(sums, events.transactions, selected.as_of, selected.zone)
    inside = group.inside & masks.mask(rule, items)
    return dataclasses.replace(selected, transactions=dataclasses.replace(group, inside=inside))


# --- families --------------------------------------------------------------------------------------------------


def _names(metric: Metric) -> set[str]:
    """The fields that are needed of what counts for *metric*."""
    having = nodes.walk(metric.having) if isinstance(metric.having, nodes.Node) else ()
    names = {metric.field, metric.weight, *(node.name for node in having if isinstance(node, nodes.Name))}
    return {name for name in names if name is not None}


def _regrouped(
    metric: Metric, events: Events, keep: Mask, names: Set[str]
) -> tuple[Events, Codes, npt.NDArray[np.uint32], Ints]:
    """The rows in *keep* with a known category, by category and customer, and the pairs that there are.

    Returns:
        the rows with the fields *names*, the category and the customer of each pair, and where each row was.
    """
    assert metric.by is not None
    by = events.fields[metric.by]
    assert by.dictionary is not None
    codes: Codes = by.data  # type: ignore[assignment]
    order = np.empty(events.rows, np.int64)
    places = np.zeros(len(by.dictionary) + 1, np.int64)
    order = order[: kernels_transactions.order_by_code(codes, keep, places, order)]
    codes, customers = codes[order], _owners(events.offsets)[order]
    new_pair = _changes(codes) | _changes(customers)
    starts = np.flatnonzero(new_pair)
    units = unit_offsets = None
    if events.units is not None:
        unit_starts = np.flatnonzero(new_pair | _changes(_owners(events.units)[order]))
        units = np.append(unit_starts, len(order))
        unit_offsets = np.searchsorted(units, np.append(starts, len(order)))
    pairs = Events(
        offsets=np.append(starts, len(order)),
        time=None if events.time is None else events.time[order],
        fields={name: events.fields[name].take(order) for name in events.fields if name in names},
        units=units,
        unit_offsets=unit_offsets,
    )
    return pairs, codes[starts], customers[starts], order


def _owners(offsets: Ints) -> npt.NDArray[np.uint32]:
    """The group that each item belongs to."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.uint32), np.diff(offsets))


def _changes(values: npt.NDArray[np.generic]) -> Mask:
    """Where a value differs from the one before it; the first does."""
    found = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found
