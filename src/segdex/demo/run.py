"""The demonstration: an index of a grocer's or a generated retailer's customers, and what its segments count."""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from segdex import opening as library
from segdex.demo import grocer
from segdex.errors import ArgumentError, CorruptError, VersionError
from segdex.index import Index
from segdex.schema.load import load

Progress: TypeAlias = Callable[[str, int, int], None]

_FEWEST, _MOST, _ENOUGH = 5, 101, 0.02
"""A count is repeated so many times at least and at most, and no longer than so many seconds in all."""


class Line(msgspec.Struct, frozen=True):
    """One segment of the demonstration.

    Attributes:
        name: as rules refer to it.
        title: for people.
        rule: as text.
        count: how many customers are in it.
        share: of all customers, 0 to 1.
        microseconds: what one count of it takes, prepared; the median of several.
    """

    name: str
    title: str
    rule: str
    count: int
    share: float
    microseconds: float


class Demonstration(msgspec.Struct, frozen=True):
    """What `run` found.

    Attributes:
        data: what the customers are.
        folder: where the index is.
        reused: whether it was there already.
        seconds: what building and saving took, or only opening where it was there.
        customers: how many there are.
        as_of: the index's clock.
        lines: one a segment, in the order of the schema.
    """

    data: str
    folder: Path
    reused: bool
    seconds: float
    customers: int
    as_of: dt.datetime
    lines: tuple[Line, ...]


class _Plan(msgspec.Struct, frozen=True):
    """What to build: *customers* is the number of generated ones."""

    data: str
    name: str
    schema: Path
    as_of: dt.datetime
    customers: int | None
    sources: Callable[[], Mapping[str, Any]]


def run(customers: int | None = None, out: Path | None = None, progress: Progress | None = None) -> Demonstration:
    """Build an index of the demonstration's customers, save it, open it again, and count its segments.

    An index that an earlier run has left is used again.

    Args:
        customers: None takes the real grocer's households, a number so many of a generated retailer.
        out: the folder of the index; default: one in the user's cache folder.
        progress: called with what is being done, how many parts are done, and how many there are.

    Raises:
        ArgumentError: the data is not installed, or *out* holds something else.
    """
    plan = _grocer() if customers is None else _retailer(customers)
    folder = _cache() / plan.name if out is None else out
    started = time.perf_counter()
    saved = _saved(plan, folder, out is not None)
    if saved is not None:
        try:
            return _shown(plan, folder, saved, started, reused=True)
        except CorruptError:
            pass  # damage shows when a part is first read; the data is there to build it anew
    library.build(plan.schema, as_of=plan.as_of, sources=plan.sources(), out=folder, progress=progress).close()
    return _shown(plan, folder, library.open(folder), started, reused=False)


def _shown(plan: _Plan, folder: Path, index: Index, started: float, *, reused: bool) -> Demonstration:
    seconds = time.perf_counter() - started
    with index:
        lines = tuple(_line(index, name) for name in index.schema.segments)
        return Demonstration(plan.data, folder, reused, seconds, len(index), index.as_of, lines)


def _grocer() -> _Plan:
    return _Plan("households of a grocer", "demo-grocer", grocer.SCHEMA, grocer.AS_OF, None, grocer.sources)


def _retailer(customers: int) -> _Plan:
    from segdex.demo import retailer

    tables = retailer.generate(customers)
    name = f"demo-retailer-{customers}"
    return _Plan("generated customers", name, retailer.SCHEMA, retailer.AS_OF, customers, lambda: tables)


def _saved(plan: _Plan, folder: Path, chosen: bool) -> Index | None:
    """The index in *folder* if it is the one that would be built; *chosen* folders of others are left alone."""
    if not folder.exists():
        return None
    try:
        index = library.open(folder)
    except (ArgumentError, CorruptError, VersionError):
        return None  # built anew; saving refuses a folder that holds anything else than an index
    same_schema = index.schema == load(plan.schema).schema
    if same_schema and index.as_of == plan.as_of and plan.customers in (None, len(index)):
        return index
    index.close()
    if chosen and not same_schema:
        raise ArgumentError("the folder holds an index of other data", found=str(folder), hint="name another folder")
    return None


def _cache() -> Path:
    asked = os.environ.get("SEGDEX_CACHE_DIR")
    return Path(asked) if asked else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segdex"


def _line(index: Index, name: str) -> Line:
    segment = index.schema.segments[name]
    rule = str(segment.where)  # asked in full: a segment that was named before would only be looked up
    query = index.prepare(rule)
    count = query.count()
    share = count / len(index) if len(index) else 0.0
    return Line(name, segment.title or name, rule, count, share, _time(query.count))


def _time(count: Callable[[], int]) -> float:
    """The median time of a call, in microseconds."""
    times: list[float] = []
    while len(times) < _FEWEST or (len(times) < _MOST and sum(times) < _ENOUGH):
        started = time.perf_counter()
        count()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6
