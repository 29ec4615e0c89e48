"""Small worlds of streams whose values hug edges, as segdex's columns and as the oracle's rows."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from segdex.events.store import Events
from segdex.metrics.compute import Source, compute
from segdex.schema.catalog import Catalog
from segdex.schema.load import load
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import BOOLEANS, MISSING, Column
from segdex.values.family import Family
from tests.oracle import metrics as oracle
from tests.oracle.metrics import Row, World

ZONE = ZoneInfo("America/New_York")
AS_OF = dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC)  # half an hour after clocks went forward
MICRO = dt.timedelta(microseconds=1)
DEPARTMENTS = ["apparel", "garden", "toys", "ünï"]
ORDER = ("low", "mid", "high")

FIELDS: dict[str, Any] = {
    "amount": {"type": "number", "scale": 2},
    "quantity": "integer",
    "score": "number",
    "rating": {"type": "number", "per": "row"},
    "stars": {"type": "integer", "per": "row"},
    "department": "category",
    "level": {"type": "category", "order": list(ORDER)},
    "product": "id",
    "note": "text",
    "gift": "bool",
    "due": "date",
    "renews": "time",
}
NUMBERS = ("amount", "quantity", "score", "rating", "stars")
STREAMS = {
    "orders": (True, True), "visits": (True, False), "tickets": (False, True), "cards": (False, False),
    "pages": (True, False),
}  # fmt: skip
"""Each stream: whether it has a time, whether it has units."""
GAPS = {"pages": dt.timedelta(minutes=30)}
"""The streams whose rows are joined into sessions."""
EVERY = ["1y", "1mo", "3mo", "2w", "10d", "2y"]
STEPS: list[list[dict[str, Any]]] = [
    [{"stream": "visits"}, {"stream": "orders"}],
    [{"stream": "orders"}, {"stream": "orders", "within": "30min"}],
    [{"stream": "pages", "where": "amount > 0"}, {"stream": "visits", "within": "90d"}, {"stream": "pages"}],
    [{"stream": "visits"}, {"stream": "orders", "not": True, "within": "36h"}],
    [{"stream": "orders"}, {"stream": "pages", "not": True, "within": "1mo"}, {"stream": "visits", "within": "1y"}],
    [{"stream": "visits"}, {"stream": "visits", "where": "gift = true", "within": "1mo"},
     {"stream": "orders", "where": "level >= 'mid'", "not": True, "within": "1w"}],
]  # fmt: skip
WINDOWS: list[Any] = [
    "90d", "1mo", "13mo", "1y", "36h", "30min", {"from": "180d", "to": "90d"}, {"to": "1mo"},
    {"from": "2025-11-02", "to": "2026-03-08"}, {"from": "2026-03-08", "to": "2026-03-09"},
    {"calendar": "30d", "today": False}, {"calendar": "1w", "today": True}, {"this": "mo"}, {"this": "w"},
    {"previous": "d"}, {"previous": "w"}, {"previous": "mo"}, {"previous": "y"}, "lifetime", {"last": 1}, {"last": 2},
]  # fmt: skip
RATIO_WINDOWS: list[Any] = ["lifetime", "90d", {"last": 2}]
WHERES = ["amount > 0", "department = 'toys'", "score >= 0.5 or department is missing", "level >= 'mid'", "gift = true"]
HAVINGS = ["amount >= 10", "quantity > 1 and amount < 100", "score > 0", "quantity is missing"]


def declarations() -> dict[str, dict[str, Any]]:
    """Metrics of every kind over every stream, windows and rules taking turns."""
    windows, wheres, havings = itertools.cycle(WINDOWS), itertools.cycle(WHERES), itertools.cycle(HAVINGS)
    everies = itertools.cycle(EVERY)
    found: dict[str, dict[str, Any]] = {}

    def add(metric: dict[str, Any]) -> None:
        found[f"m{len(found)}"] = metric

    def add_all(metric: dict[str, Any], timed: bool, by: bool, having: bool = True) -> None:
        choices = list(itertools.product((False, True), repeat=3))
        for with_where, with_having, with_by in choices if metric["stream"] == "orders" else choices[::3]:
            if (metric["kind"] == "share" and not (with_where or with_by)) or (with_by and not by):
                continue
            parts: dict[str, Any] = {"where": next(wheres)} if with_where else {}
            parts |= {"having": next(havings)} if with_having and having else {}
            parts |= {"by": "department" if next(windows) != "90d" else "level"} if with_by else {}
            add(metric | parts | ({"window": next(windows)} if timed else {}))

    for stream, (timed, _) in STREAMS.items():
        on = {"stream": stream}
        for kind in ("count", "rows"):
            add_all(on | {"kind": kind}, timed, by=True)
        for kind, field in itertools.product(("sum", "mean", "min", "max", "median"), NUMBERS):
            add_all(on | {"kind": kind, "field": field}, timed, by=True)
        for field in FIELDS:
            add_all(on | {"kind": "distinct", "field": field}, timed, by=field == "product")
        for field in ("due", "renews"):
            add_all(on | {"kind": "days_until", "field": field}, timed, by=False)
            add_all(on | {"kind": "days_until", "field": field, "every": next(everies)}, timed, by=False)
        if stream in GAPS:
            for kind in ("sum", "mean", "min", "max", "median", "distinct", "first_value", "last_value"):
                add_all(on | {"kind": kind, "field": "duration"}, timed, by="value" not in kind)
            add_all(on | {"kind": "share", "weight": "duration"}, timed, by=True, having=False)
            add(on | {"kind": "count", "having": "duration >= 30"})
            add(on | {"kind": "sum", "field": "amount", "having": "duration = 0", "window": {"last": 2}})
            add(on | {"kind": "mean", "field": "duration", "where": "gift = true", "window": {"last": 2}})
        for option in ({"weight": "amount"}, {"weight": "score"}, {"weight": "rating"}, {"count": "transactions"}, {}):
            add_all(on | {"kind": "share"} | option, timed, by=True, having=False)
        if timed:
            for kind, field in itertools.product(("first_value", "last_value"), FIELDS):
                add_all(on | {"kind": kind, "field": field}, timed, by=False)
            for kind in ("first", "last", "days_since", "mean_gap"):
                add_all(on | {"kind": kind}, timed, by=True)
            add_all(on | {"kind": "days_since", "from": "first"}, timed, by=True)
            for period in ("d", "w", "mo"):
                add_all(on | {"kind": "streak", "period": period}, timed, by=True)
                add_all(on | {"kind": "active_periods", "period": period, "of": 3}, timed, by=True)
                add_all(on | {"kind": "active_periods", "period": period, "of": 14, "least": 2}, timed, by=True)
    for by in ({}, {"by": "department"}):
        for window, numerator, denominator in itertools.product(RATIO_WINDOWS, ("orders", "visits"), STREAMS):
            if window == "lifetime" or STREAMS[denominator][0]:
                parts = {"numerator": {"stream": numerator, "where": next(wheres)},
                         "denominator": {"stream": denominator, "having": next(havings)}}  # fmt: skip
                add({"kind": "ratio", "window": window} | parts | by)
    for kind, attribute in (("days_since", "born"), ("days_until", "born"), ("years_since", "born"),
                            ("days_since", "seen"), ("days_until", "seen")):  # fmt: skip
        add({"kind": kind, "attribute": attribute})
    for attribute, every in itertools.product(("born", "seen"), EVERY):
        add({"kind": "days_until", "attribute": attribute, "every": every})
    for steps, on_field in itertools.product(STEPS, (None, "product", "level", "quantity", "due", "gift")):
        shared = {} if on_field is None else {"on": on_field}
        add({"kind": "sequence", "steps": steps, "window": next(windows)} | shared)
    for metric in (*scores(), *tops(), *matched()):
        add(metric)
    numeric = ("sum", "mean", "count", "max")
    plain = [name for name, each in found.items() if "by" not in each and each["kind"] in numeric]
    for number, formula in enumerate(["{0} / 6 - {1} / 12", "({2} + 1) * -{3}", "{4} / {5}", "{6}", "1 + 0.5"]):
        add({"kind": "formula", "formula": formula.format(*plain[number :: len(plain) // 8])})
    families = [name for name, each in found.items() if each.get("by") == "department" and each["kind"] != "top"]
    for metric in over_families(found, families, plain):
        add(metric)
    return found


def scores() -> Iterator[dict[str, Any]]:
    """Scores of one and of several streams, with and without a half-life, as one value and as families."""
    orders, visits = {"stream": "orders", "points": 10}, {"stream": "visits", "points": 0.1}
    refused = {"stream": "orders", "where": "amount < 0", "points": -2.5}
    due = {"stream": "tickets", "where": "gift = true", "points": 0.3}
    for window, half_life in itertools.product(("lifetime", "90d", {"to": "1mo"}), ("30d", "36h", "1min", None)):
        part: dict[str, Any] = {"kind": "score", "window": window} | ({"half_life": half_life} if half_life else {})
        yield part | {"terms": [orders, visits, refused]}
        yield part | {
            "terms": [orders | {"by": "department"}, visits | {"by": "level"}, refused | {"by": "department"}]
        }
        yield part | {"terms": [visits, orders], "by": "department"}
    yield {"kind": "score", "terms": [due, orders, {"stream": "cards", "points": 0.2}]}
    yield {"kind": "score", "terms": [due, visits | {"by": "department"}], "by": "level"}
    yield {"kind": "score", "terms": [refused], "half_life": "12w"}


def tops() -> Iterator[dict[str, Any]]:
    """Top categories by number and by weight; those of families come with `over_families`."""
    weights: list[str | None] = [None, "amount", "quantity", "score", "rating"]
    for stream, weight, window in itertools.product(STREAMS, weights, ("lifetime", "90d", {"to": "1mo"})):
        if window == "lifetime" or STREAMS[stream][0]:
            option = {"weight": weight} if weight else {}
            option |= {"where": "gift = true or level = 'mid'"} if window == "90d" else {}
            by = "level" if window == "90d" else "department"
            yield {"kind": "top", "stream": stream, "by": by, "window": window} | option
    yield {"kind": "top", "stream": "orders", "by": "department", "having": "amount >= 10"}


def matched() -> Iterator[dict[str, Any]]:
    """Ratios of the units of one stream."""
    windows: list[Any] = ["lifetime", "90d", {"to": "1mo"}, {"from": "180d", "to": "90d"}]
    for stream, by, window in itertools.product(("orders", "tickets"), ({}, {"by": "department"}), windows):
        if window == "lifetime" or STREAMS[stream][0]:
            yield {"kind": "ratio", "matched": True, "window": window,
                   "numerator": {"stream": stream, "where": "gift = true", "having": "amount < 100"},
                   "denominator": {"stream": stream, "where": "amount > 0 or level = 'mid'"}} | by  # fmt: skip
            yield {"kind": "ratio", "matched": True, "window": window,
                   "numerator": {"stream": stream, "where": "amount is known"},
                   "denominator": {"stream": stream, "having": "quantity > 0"}} | by  # fmt: skip


def over_families(
    found: Mapping[str, Mapping[str, Any]], families: Sequence[str], plain: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Formulas over families of one field, and the top categories of families."""
    kinds: dict[str, list[str]] = {}
    for name in families:
        kinds.setdefault(found[name]["kind"], []).append(name)
    counts, shares, scored = kinds["count"], kinds["share"], kinds["score"]
    means, rates = kinds["mean"], kinds["ratio"]
    count = next(name for name in plain if found[name]["kind"] == "count")
    first = len(found)
    for formula in (
        f"{shares[0]} - {rates[0]}", f"{counts[0]} / {counts[1]}", f"{shares[1]} + {shares[2]}", f"-{scored[0]}",
        f"{counts[0]} / {count}", f"{counts[2]} - {count}", f"1 / ({counts[0]} - {count})", f"{scored[1]} * {count}",
        f"({shares[0]} + 1) * {counts[-1]} - {means[0]} / {count}", f"{counts[0]}['toys'] * 2 + {count}",
        f"{counts[0]} - {counts[1]}['garden']", f"{counts[3]} + 0 * {rates[-1]}['toys']",
        f"{shares[-1]} / {shares[-2]}",
    ):  # fmt: skip
        yield {"kind": "formula", "formula": formula}
    made = list(found)[first:]  # what was yielded is there
    yield {"kind": "formula", "formula": f"{made[5]} / ({made[2]} + 1) - {made[0]}"}
    chosen = [name for each in kinds.values() for name in each[:2]] + [made[at] for at in (0, 2, 5, 6)]
    yield from ({"kind": "top", "metric": name} for name in chosen)


def catalog() -> Catalog:
    streams: dict[str, Any] = {}
    for name, (timed, unit) in STREAMS.items():
        streams[name] = {"fields": FIELDS} | ({"time": "at"} if timed else {}) | ({"unit": "basket"} if unit else {})
        if name in GAPS:
            streams[name]["unit"] = {"gap": f"{GAPS[name] // dt.timedelta(minutes=1)}min"}
    attributes = {"born": "date", "seen": "time"}
    customers = {"attributes": attributes}
    return load({"timezone": ZONE.key, "customers": customers, "streams": streams, "metrics": declarations()})


CATALOG = catalog()
METRICS = CATALOG.schema.metrics


# --- drawn data ------------------------------------------------------------------------------------------------


def edge_times() -> list[dt.datetime]:
    """Every end of every window and its neighbours, the clock, its future, and some repeated moments."""
    ends = {AS_OF, dt.datetime(2026, 3, 8, 6, 59, 59, 999999, tzinfo=dt.UTC), dt.datetime(1999, 1, 1, tzinfo=dt.UTC)}
    for metric in METRICS.values():
        low, high = oracle.interval(metric.window, AS_OF, ZONE)
        ends |= {high} if low is None else {low, high}
    return [*sorted({end + step * MICRO for end in ends for step in (-1, 0, 1)}), AS_OF + dt.timedelta(days=40)]


TIMES = edge_times()
DATES = [AS_OF.date() + dt.timedelta(days=n) for n in (-400, -1, 0, 1, 30)] + [dt.date(2024, 2, 29)]
VALUES: dict[str, Sequence[Any]] = {
    "amount": [Decimal(v) for v in ("0", "0.01", "-0.01", "10", "9.99", "55.5", "-20", "100")],
    "quantity": [0, 1, 2, -3, 2**53 + 1, -(2**53), 2**56],
    "score": [0.0, -0.0, 0.5, 0.1, 0.2, 0.3, 1e16, -1e16, math.inf, -math.inf, math.nan],
    "rating": [1.0, 2.5, 0.1, 0.7, -0.0, math.nan],
    "stars": [1, 2, 5, -(2**56) - 1],
    "department": DEPARTMENTS,
    "level": [*ORDER, "other", "zzz"],
    "product": ["p1", "p2", "é"],
    "note": ["", "a", "b"],
    "gift": [True, False],
    "due": DATES,
    "renews": [*TIMES[::9], AS_OF],
}


@st.composite
def rows(draw: st.DrawFn, timed: bool, customers: int, most: int = 14) -> list[Row]:
    """Rows of a stream: few customers, units that they share, times and values that repeat."""
    seed = draw(st.integers(0, 2**32))
    times = draw(st.lists(st.sampled_from(TIMES), min_size=1, max_size=4))
    return random_rows(random.Random(seed), times, timed, customers, draw(st.integers(0, most)))


def random_rows(
    generator: random.Random,
    times: Sequence[dt.datetime],
    timed: bool,
    customers: int,
    count: int,
    unknown: float = 0.25,
) -> list[Row]:
    def field(name: str) -> Any:
        return None if generator.random() < unknown else generator.choice(VALUES[name])

    return [
        Row(
            customer=generator.randrange(customers),
            time=generator.choice(times) if timed else None,
            unit=generator.choice(["a", "b", "c", None]),
            fields={name: field(name) for name in FIELDS},
        )
        for _ in range(count)
    ]


def attributes(generator: random.Random, customers: int) -> list[dict[str, Any]]:
    return [
        {
            "born": generator.choice([None, *DATES, dt.date(2000, 3, 8), dt.date(2000, 3, 9), dt.date(1, 1, 1)]),
            "seen": generator.choice([None, *TIMES]),
        }
        for _ in range(customers)
    ]


@st.composite
def worlds(draw: st.DrawFn, customers: int = 3) -> World:
    """A world of a few customers, the last of whom may have nothing."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    return make_world({s: draw(rows(timed, customers)) for s, (timed, _) in STREAMS.items()}, generator, customers + 1)


def make_world(held: Mapping[str, Sequence[Row]], generator: random.Random, customers: int) -> World:
    known = {name: [_without_nan(row) for row in rows] for name, rows in held.items()}
    return World(
        as_of=AS_OF, zone=ZONE, rows=known, attributes=attributes(generator, customers),
        units=frozenset(name for name, (_, unit) in STREAMS.items() if unit),
        gaps=GAPS,
        per_row=frozenset({"rating", "stars"}), orders={"level": ORDER}, scales={"amount": 2}, metrics=METRICS,
    )  # fmt: skip


def _without_nan(row: Row) -> Row:
    fields = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.fields.items()}
    return Row(row.customer, row.time, row.unit, fields)


# --- a world as segdex's columns -------------------------------------------------------------------------------


def column(kind: ValueType, values: Sequence[Any]) -> Column:
    if kind.kind == "bool":
        return Column(kind, np.array([-1 if v is None else int(v) for v in values], np.int32), BOOLEANS)
    if kind.kind in ("category", "text", "id"):
        names = sorted({v for v in values if v is not None}, key=str.encode)
        codes = np.array([-1 if v is None else names.index(v) for v in values], np.int32)
        return Column(kind, codes, pa.array(names, pa.large_string()))
    if kind.kind == "number" and kind.scale is None:
        return Column(kind, np.array([math.nan if v is None else v for v in values], np.float64))
    return Column(kind, np.array([MISSING if v is None else _whole(v, kind) for v in values], np.int64))


def _whole(value: Any, kind: ValueType) -> int:
    if kind.kind == "date":
        return value.toordinal() - 719163
    if kind.kind == "time":
        return clock.to_microseconds(value)
    return int(Decimal(value).scaleb(kind.scale or 0))


def events(name: str, held: Sequence[Row], customers: int, generator: random.Random) -> Events:
    """Rows sorted as `Events` promises; where the promise leaves a choice, at random."""
    orders = {"level": ORDER}
    timed, with_units = STREAMS[name]
    units: dict[Any, list[Row]] = {}
    for number, row in enumerate(held):
        alone = row.unit is None or not with_units
        units.setdefault((row.customer, number if alone else row.unit), []).append(row)

    def when(row: Row) -> Any:
        return row.time or AS_OF

    groups = list(units.values())
    generator.shuffle(groups)
    ties = (lambda group: oracle.tie(group, True, orders)) if with_units else (lambda _: ())
    groups.sort(key=lambda group: (group[0].customer, min(map(when, group)), ties(group)))
    for group in groups:
        generator.shuffle(group)
        group.sort(key=when)
    ordered = [row for group in groups for row in group]
    owners, unit_owners = [r.customer for r in ordered], [group[0].customer for group in groups]
    return Events(
        offsets=_offsets(np.bincount(owners, minlength=customers) if owners else np.zeros(customers)),
        time=np.array([clock.to_microseconds(when(r)) for r in ordered], np.int64) if timed else None,
        fields={f: column(kind, [r.fields[f] for r in ordered]) for f, kind in CATALOG.fields[name].items()},
        units=_offsets(np.array([len(group) for group in groups])) if with_units else None,
        unit_offsets=_offsets(np.bincount(unit_owners, minlength=customers) if groups else np.zeros(customers))
        if with_units else None,
    )  # fmt: skip


def _offsets(sizes: Any) -> Any:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def source(world: World, generator: random.Random) -> Source:
    """The world as the source of metrics; other metrics are computed as they are asked for."""
    customers = len(world.attributes)
    made = Source(
        catalog=CATALOG, as_of=clock.to_microseconds(world.as_of), count=customers,
        attributes={name: column(CATALOG.types[name], [each[name] for each in world.attributes])
                    for name in ("born", "seen")},
        events={name: events(name, held, customers, generator) for name, held in world.rows.items()},
        value=lambda name: compute(METRICS[name], made),
    )  # fmt: skip
    return made


def plain(column: Column, at: int) -> Any:
    """One value of a column in the oracle's terms."""
    held = column.data[at].item()
    if not column.known[at]:
        return None
    if column.dictionary is not None:
        text = column.dictionary[held].as_py()
        return text == "true" if column.type.kind == "bool" else text
    if column.type.kind == "date":
        return dt.date.fromordinal(held + 719163)
    if column.type.kind == "time":
        return clock.from_microseconds(held)
    return Decimal(held).scaleb(-column.type.scale) if column.type.scale else held


def answers(metric: str, made: Source) -> dict[tuple[int, str | None], Any]:
    """All values of a metric by customer and category; a family's for every category and one never seen."""
    result = compute(METRICS[metric], made)
    if isinstance(result, Column):
        assert len(result) == made.count
        return {(customer, None): plain(result, customer) for customer in range(made.count)}
    check_family(result, made.count)
    columns = {c: result.dense(result.code(c), made.count) for c in [*DEPARTMENTS, *ORDER, "other", "zzz", "never"]}
    return {(customer, c): plain(held, customer) for c, held in columns.items() for customer in range(made.count)}


def check_family(family: Family, customers: int) -> None:
    """What a family promises: categories by bytes, pairs by category and customer, none that says nothing."""
    names = family.categories.to_pylist()
    assert names == sorted(set(names), key=str.encode)
    assert len(family.offsets) == len(names) + 1
    assert family.offsets[-1] == len(family.customers) == len(family.column)
    for first, last in itertools.pairwise(family.offsets.tolist()):
        ids = family.customers[first:last].tolist()
        assert ids == sorted(set(ids))
        assert all(each < customers for each in ids)
    without = family.without_pair(family.customers)
    assert not ((family.column.data == without) | ((without != without) & ~family.column.known)).any()
    assert family.column.type.family
