"""What changes of metrics over streams: computed from no more rows than it takes.

- Sums of integers, and numbers of rows or transactions, change by what the transactions come to in which something
  happens: that are no longer in the window, or now are, or have a row that is visible now.
- Days since the latest or the earliest transaction of all are those of before, or those of such a transaction.
- Of other metrics the customers with such transactions are computed anew, from their rows in the window where it begins
  with some moment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.errors import LimitError
from segdex.events.store import Events
from segdex.metrics.compute import Source, compute_fitted
from segdex.query.among import source_among
from segdex.reclock.changes import WHOLE, Change, changed_columns, empties, under
from segdex.reclock.columns import FARTHEST, Since, taken
from segdex.reclock.dependence import asks_today, rules_of
from segdex.reclock.gather import affected, after
from segdex.reclock.spans import Advance, Reach
from segdex.reclock.touched import Touched
from segdex.rules.windows import Last, Lifetime
from segdex.schema.model import Gap, Metric
from segdex.spread import spread
from segdex.values import clock
from segdex.values.cells import Cell
from segdex.values.column import Column, Data, Ints
from segdex.values.family import Family

Some: TypeAlias = tuple[Ints, Source]
"""Some customers, and what metrics of them are computed from at the later clock."""


class FromRows:
    """The changes of metrics over streams.

    Args:
        advance: the two clocks.
        source: the data at the later clock.
        before: the columns at the earlier clock, by name.
        fitted: what was fitted to the data.
        later: how days since a moment follow the clock, by the name of the metric.
        strings: the strings of each column before, by the name of the metric; None: it has none.
        have: how many customers had each of these.
    """

    def __init__(
        self,
        advance: Advance,
        source: Source,
        before: Mapping[str, Cell[Column | Family]],
        fitted: Mapping[str, tuple[int | float, ...]],
        later: Callable[[str], Since],
        strings: Callable[[str], pa.LargeStringArray | None],
        have: Callable[[str], Ints],
    ) -> None:
        self._advance, self._source, self._before, self._fitted, self._later = advance, source, before, fitted, later
        self._strings, self._have = strings, have
        self._metrics = advance.catalog.schema.metrics
        self._held: dict[tuple[object, ...], Cell[Some]] = {}

    def changes(self, names: list[str]) -> dict[str, Change]:
        """What changes of each of *names*, several at the same time."""
        reaches = {name: self._advance.reach(self._metrics[name]) for name in names if not self._is_whole(name)}
        touched = Touched(self._source.events, reaches.values())
        for name, reach in reaches.items():
            self._hold(self._metrics[name], reach, touched)
        # What takes long begins first: sums take few rows, scores all rows of their customers.
        order = sorted(reaches, key=lambda name: (self._is_simple(self._metrics[name]), self._metrics[name].by is None))
        found = spread(lambda name: self._change(name, reaches[name]), order) if order else []
        return dict.fromkeys(names, WHOLE) | dict(zip(order, found, strict=True))

    def _is_whole(self, name: str) -> bool:
        """Whether all values have to be computed anew."""
        metric = self._metrics[name]
        if asks_today(rules_of(metric)) or self._advance.now - self._advance.before >= FARTHEST:
            return True
        return metric.kind == "p_alive" and metric.r is None and name not in self._fitted

    def _moves(self, metric: Metric) -> bool:
        """Whether the values follow the clock for everybody."""
        before, now = self._advance.days
        return (
            metric.kind in ("days_since", "days_until")
            or (metric.kind == "score" and metric.half_life is not None)
            or (metric.kind == "p_alive" and before != now)
        )

    # --- which rows ---

    def _hold(self, metric: Metric, reach: Reach, touched: Touched) -> None:
        """Make place for what *metric* is computed from, once for all that are computed from the same rows."""
        whole, low = ("all", reach), self._low(metric)
        self._held.setdefault(whole, Cell(lambda: self._all(touched.customers(reach))))
        if self._is_simple(metric):
            stream = metric.stream or ""
            self._held.setdefault(
                ("affected", stream, reach), Cell(lambda: self._affected(stream, touched.rows(stream, reach)))
            )
            if low is not None:
                self._held.setdefault(("after", stream, reach, low), Cell(lambda: self._after(stream, low, whole)))

    def _is_simple(self, metric: Metric) -> bool:
        """Whether what a transaction counts for is told by its own rows."""
        stream = None if metric.stream is None else self._advance.catalog.schema.streams[metric.stream]
        if stream is None or stream.time is None or isinstance(stream.unit, Gap):
            return False
        return metric.kind not in ("score", "sequence", "ratio", "p_alive") and not isinstance(metric.window, Last)

    def _low(self, metric: Metric) -> int | None:
        """Where the window begins, at either clock; None: nowhere, or not for the first row of a transaction."""
        if not self._is_simple(metric) or isinstance(metric.window, Lifetime):
            return None
        stream = self._advance.catalog.schema.streams[metric.stream or ""]
        if stream.unit is not None and (metric.where is not None or metric.by is not None):
            return None  # the earliest row may be one that does not count, or of another category
        ends = (clock.bounds(metric.window, as_of, self._advance.zone) for as_of in self._clocks)
        low = min(first for first, _ in ends)
        return None if low <= clock.FIRST else low

    @property
    def _clocks(self) -> tuple[int, int]:
        return self._advance.before, self._advance.now

    def _all(self, ids: Ints) -> Some:
        return ids, source_among(self._source, ids)

    def _affected(self, stream: str, rows: Ints) -> Some:
        ids, events = affected(self._source.events[stream], rows)
        return ids, self._over(stream, events, len(ids))

    def _after(self, stream: str, low: int, whole: tuple[object, ...]) -> Some:
        ids = self._held[whole].get()[0]
        return ids, self._over(stream, after(self._source.events[stream], ids, low), len(ids))

    def _over(self, stream: str, events: Events, count: int) -> Source:
        return dataclasses.replace(self._source, count=count, attributes={}, events={stream: events})

    # --- what changes ---

    def _change(self, name: str, reach: Reach) -> Change:
        metric = self._metrics[name]
        if self._is_simple(metric) and metric.by is None:
            affected_some = self._held["affected", metric.stream, reach]
            found = None
            if self._is_sum(metric):
                found = self._summed(name, *affected_some.get())
            elif metric.kind == "days_since" and isinstance(metric.window, Lifetime) and metric.having is None:
                found = self._extreme(name, *affected_some.get())
            if found is not None:
                return found
        low = self._low(metric)
        key: tuple[object, ...] = ("all", reach) if low is None else ("after", metric.stream, reach, low)
        return self._anew(name, *self._held[key].get())

    def _is_sum(self, metric: Metric) -> bool:
        if metric.kind in ("count", "rows"):
            return True
        if metric.kind != "sum":
            return False
        kind = self._advance.catalog.fields[metric.stream or ""][metric.field or ""]
        return kind.kind == "integer" or kind.scale is not None

    def _summed(self, name: str, ids: Ints, source: Source) -> Change | None:
        """The change of a sum: what transactions come to now, and what they came to before; None: it is too large."""
        before = taken(self._before[name], ids)
        try:
            old, new = (self._column(name, each) for each in (self._earlier(source), source))
        except LimitError:
            return None  # of these transactions alone, which others may make up for
        more = _added(new.data, -old.data)
        data = None if more is None else _added(before.data, more)
        if data is None:
            return None
        return changed_columns(ids, before, dataclasses.replace(before, data=data))

    def _extreme(self, name: str, ids: Ints, source: Source) -> Change:
        """The change of days since the latest, or the earliest, transaction of all; `numpy.fmin` leaves out missing."""
        moved = self._moved(name, ids)
        own = self._column(name, source)
        nearer = np.fmax if self._metrics[name].start == "first" else np.fmin
        return self._beside(name, ids, dataclasses.replace(moved, data=nearer(moved.data, own.data)), moved)

    def _beside(self, name: str, ids: Ints, now: Column, moved: Column | None = None) -> Change:
        """The change of days since a moment: of those alone who have not *moved* along with the clock."""
        change = changed_columns(ids, self._moved(name, ids) if moved is None else moved, now)
        return dataclasses.replace(change, moves=True)

    def _moved(self, name: str, ids: Ints) -> Column:
        """Days since a moment as they are now if the moment is the same."""
        before = taken(self._before[name], ids)
        return dataclasses.replace(before, data=self._later(name).shifted(before.data, self._advance.before, ids))

    def _anew(self, name: str, ids: Ints, source: Source) -> Change:
        metric = self._metrics[name]
        moves = self._moves(metric)
        if not len(ids):
            return Change(ids, moves=moves)
        now = self._computed(name, source)
        if isinstance(now, Family):
            return Change(ids, self._computed(name, self._earlier(source)), now, moves)
        if metric.kind == "score" and moves:  # nobody's is missing, and labels are compared with those of before
            return Change(ids, now, now, moves)
        if metric.kind == "days_since":
            return self._beside(name, ids, now)
        return self.compared(name, ids, now, moves)

    def compared(self, name: str, ids: Ints, now: Column, moves: bool = False) -> Change:
        """The change of a column from what it was to *now*, of the customers *ids*."""
        held = self._strings(name)
        own = now if held is None else under(now, held)
        if own is None:
            return WHOLE
        change = changed_columns(ids, taken(self._before[name], ids), own, moves)
        return WHOLE if empties(change, lambda: self._have(name)) else change

    def _earlier(self, source: Source) -> Source:
        return dataclasses.replace(source, as_of=self._advance.before)

    def _column(self, name: str, source: Source) -> Column:
        column = self._computed(name, source)
        assert isinstance(column, Column)
        return column

    def _computed(self, name: str, source: Source) -> Column | Family:
        fitted = self._fitted.get(name)
        return compute_fitted(self._metrics[name], source, fitted)[0]  # type: ignore[arg-type]


def _added(one: Data, other: Data) -> Data | None:
    """The sums of integers; None where one leaves the range of 64 bits."""
    a: Any = one
    b: Any = other
    total = a + b
    wrapped = (a ^ total) & (b ^ total)
    return None if (wrapped < 0).any() else total
