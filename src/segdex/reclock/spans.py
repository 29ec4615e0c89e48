"""Rows at which times can change a metric when the clock moves: what passes an edge, and what becomes visible.

A span (low, high] is an interval of microseconds UTC. All spans of a metric together are generous: that a customer has
a row in one of them does not mean that the value changes, but a customer with none keeps it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from segdex.rules.windows import Duration, Last, Window
from segdex.schema.catalog import Catalog
from segdex.schema.model import Metric, Step
from segdex.values import calendar, clock


class Span(NamedTuple):
    """An interval of times of one stream's rows."""

    stream: str
    low: int
    high: int


Reach: TypeAlias = frozenset[Span]
SPREAD = 4 * clock.DAY
"""How far a moment that is some months later, put back by as many months, may be from where it was: the days that
months differ by, and what clocks are put forward."""
JUMP = 2 * clock.DAY
"""No clock is put forward or back by so much."""


@dataclasses.dataclass(frozen=True, slots=True)
class Advance:
    """The clock moves from *before* to *now*.

    Attributes:
        catalog: the checked schema.
        before, now: microseconds UTC.
    """

    catalog: Catalog
    before: int
    now: int

    @property
    def zone(self) -> dt.tzinfo:
        """The schema's time zone."""
        return self.catalog.zone

    @property
    def days(self) -> tuple[int, int]:
        """Today before and now, in days since 1970."""
        return clock.today(self.before, self.zone), clock.today(self.now, self.zone)

    def reach(self, metric: Metric) -> Reach:
        """The spans of *metric*, but for what changes for everybody."""
        if metric.kind == "sequence":
            return frozenset(self._of_sequence(metric))
        parts = (metric, metric.numerator, metric.denominator, *(metric.terms or ()))
        streams = {part.stream for part in parts if part is not None and part.stream is not None}
        spans = {span for stream in streams for span in self._of_window(stream, metric.window)}
        if metric.period is not None:
            assert metric.stream is not None
            spans |= set(self._of_periods(metric, metric.stream))
        return frozenset(spans)

    def _visible(self, stream: str) -> Iterator[Span]:
        """The rows that are no longer in the future."""
        if self.catalog.schema.streams[stream].time is not None:
            yield Span(stream, self.before, self.now)

    def _of_window(self, stream: str, window: Window) -> Iterator[Span]:
        yield from self._visible(stream)  # a transaction may begin long before its last row is visible
        if isinstance(window, Last) or self.catalog.schema.streams[stream].time is None:
            return
        ends = (clock.bounds(window, as_of, self.zone) for as_of in (self.before, self.now))
        for one, other in zip(*ends, strict=True):
            if one != other:
                yield Span(stream, min(one, other), max(one, other))

    # --- periods ---

    def _of_periods(self, metric: Metric, stream: str) -> Iterator[Span]:
        """The periods that become complete, and of those before them the ones that a value no longer looks at."""
        assert metric.period is not None
        before, now = (calendar.current(as_of, metric.period, self.zone) for as_of in (self.before, self.now))
        if before == now:
            return
        back = 1 if metric.kind == "streak" else metric.of or 1
        last = now if metric.kind == "streak" else min(now - back, before)
        yield self._from_to(stream, metric.period, before - back, last)
        yield self._from_to(stream, metric.period, before, now)

    def _from_to(self, stream: str, period: calendar.Span, first: int, after: int) -> Span:
        """The times in the periods *first* to *after* - 1, and some more where clocks were put back at midnight."""
        low, high = (
            clock.midnight(calendar.first_day(number, period), self.zone) - 1 for number in (first, after)
        )  # fmt: skip
        return Span(stream, low - self._turned(low), high + self._turned(high))

    def _turned(self, moment: int) -> int:
        offsets = [clock.offset_at(moment + side, self.zone) for side in (-JUMP, JUMP)]
        return JUMP if offsets[0] != offsets[1] else 0

    # --- sequences ---

    def _of_sequence(self, metric: Metric) -> Iterator[Span]:
        steps = metric.steps or ()
        yield from self._of_window(steps[0].stream, metric.window)
        for step in steps:
            yield from self._visible(step.stream)
        for number, step in enumerate(steps):
            if step.negated and number:
                yield self._waited(steps, number)

    def _waited(self, steps: tuple[Step, ...], number: int) -> Span:
        """The rows from which on nothing was to happen until a moment that the clock passes."""
        waits: list[Duration] = []
        while number and steps[number].negated:
            within = steps[number].within
            assert within is not None
            waits.append(within)
            number -= 1
        low, high = self.before, self.now
        for wait in waits:
            low, high = clock.back(low, wait, self.zone), clock.back(high, wait, self.zone)
        spread = SPREAD * sum(wait.fixed_microseconds is None for wait in waits)
        return Span(steps[number].stream, low - spread, high + spread)


def points_of(spans: Iterable[Span]) -> list[int]:
    """The ends of *spans*, ascending, each once."""
    return sorted({end for span in spans for end in (span.low, span.high)})
