"""How long the clock of an index takes to go a day forward, against deriving everything anew at the later clock.

Data: generated customers and ten events for each (seed 11), 10 million and 100 million unless told, made in memory
with no tables read: four in ten events are lines of baskets, the others visits. Events lie in the three years before
the clock and the month after it. 28 metrics, 12 bands, 2 lists of stages: some 200 sets.

The clock goes a day forward, and then another one from there. Each time the new generation's sets are there when the
clock has moved; columns and ranks that changed are made when they are first read, which `read_s` tells for all of
them together. Before any time is told, rules over all names are counted by the generations that were moved and by one
that was derived at the later clock, and every set is compared. `advance_s` is the first day, `again_s` the second one,
`rebuild_s` what deriving takes, all in one process in which kernels are compiled; with `cpu` the seconds of all
processors together, which others at work change less. Ten million customers take 20 GB, most of it to check.

    python -m benchmarks advance --customers 1000000
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measuring import Options, WrongAnswerError, no_garbage
from segdex import jit
from segdex.derive import derive
from segdex.events.csr import layout
from segdex.events.store import UNIT, Events
from segdex.generation import Generation
from segdex.ingest.keys import Keys
from segdex.ingest.read import Tables
from segdex.ingest.report import Report
from segdex.query.execute import Executor
from segdex.reclock import reclocked
from segdex.rules.text import parse
from segdex.schema.load import load
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import Column, texts

SEED = 11
PER_CUSTOMER = 10
DAY = clock.DAY
AS_OF = 1_767_225_600_000_000 + 14 * 3_600_000_000  # 2026-01-01T14:00Z
DEPARTMENTS = [f"department {n:02}" for n in range(12)]
WINDOWS = {"30d": "30d", "3mo": "3mo", "6mo": "6mo", "1y": "1y"}

ORDERS = {"stream": "orders"}
METRICS: dict[str, Any] = {
    **{f"orders_{name}": {"kind": "count", **ORDERS, "window": window} for name, window in WINDOWS.items()},
    **{f"spend_{name}": {"kind": "sum", **ORDERS, "field": "amount", "window": window}
       for name, window in WINDOWS.items()},
    "basket_6mo": {"kind": "mean", **ORDERS, "field": "amount", "window": "6mo"},
    "basket_1y": {"kind": "mean", **ORDERS, "field": "amount", "window": "1y"},
    "products_3mo": {"kind": "distinct", **ORDERS, "field": "product", "window": "3mo"},
    "products_1y": {"kind": "distinct", **ORDERS, "field": "product", "window": "1y"},
    **{f"visits_{name}": {"kind": "count", "stream": "visits", "window": window} for name, window in WINDOWS.items()},
    "pages_30d": {"kind": "sum", "stream": "visits", "field": "pages", "window": "30d"},
    "pages_1y": {"kind": "sum", "stream": "visits", "field": "pages", "window": "1y"},
    "minutes_6mo": {"kind": "mean", "stream": "visits", "field": "minutes", "window": "6mo"},
    "seen_1y": {"kind": "distinct", "stream": "visits", "field": "department", "window": "1y"},
    "orders_ever": {"kind": "count", **ORDERS},
    "since_order": {"kind": "days_since", **ORDERS},
    "since_visit": {"kind": "days_since", "stream": "visits"},
    "since_first": {"kind": "days_since", **ORDERS, "from": "first"},
    "engagement": {"kind": "score", "half_life": "30d",
                   "terms": [{"stream": "orders", "points": 10}, {"stream": "visits", "points": 1}]},
    "value_share": {"kind": "share", **ORDERS, "by": "department", "weight": "amount"},
    "age": {"kind": "years_since", "attribute": "born"},
    "last_department": {"kind": "last_value", **ORDERS, "field": "department"},
}  # fmt: skip
BANDS: dict[str, Any] = {
    "recency": {"metric": "since_order", "edges": [7, 30, 60, 90, 180, 365]},
    "presence": {"metric": "since_visit", "edges": [1, 7, 30, 90, 180, 365]},
    "tenure": {"metric": "since_first", "edges": [30, 90, 180, 365, 730]},
    "engaged": {"metric": "engagement", "edges": [0.1, 1, 5, 10, 20, 50]},
    "affinity": {"metric": "value_share", "edges": [0.1, 0.2, 0.35, 0.5, 0.75, 0.9]},
    "ages": {"metric": "age", "edges": [18, 25, 35, 45, 55, 65, 75]},
    "spent_30d": {"metric": "spend_30d", "edges": [1, 20, 50, 100, 200, 500]},
    "spent_1y": {"metric": "spend_1y", "quantiles": 10},
    "spent_6mo": {"metric": "spend_6mo", "quantiles": 5, "among": "spend_6mo > 0"},
    "frequency": {"metric": "orders_1y", "edges": [1, 2, 3, 4, 6, 10]},
    "visiting": {"metric": "visits_3mo", "edges": [1, 2, 4, 8]},
    "basket": {"metric": "basket_1y", "edges": [10, 20, 40, 80, 160]},
}
STAGES: dict[str, Any] = {
    "lifecycle": [
        {"name": "lead", "where": "orders_ever = 0"},
        {"name": "new", "where": "since_first <= 90"},
        {"name": "regular", "where": "orders_1y >= 4 and since_order <= 180"},
        {"name": "active", "where": "recency <= '180..365'"},
        {"name": "inactive", "where": "everyone"},
    ],
    "attention": [
        {"name": "both", "where": "recency <= '7..30' and presence <= '7..30'"},
        {"name": "looks", "where": "presence <= '7..30'"},
        {"name": "buys", "where": "recency <= '7..30'"},
        {"name": "neither", "where": "everyone"},
    ],
}
SCHEMA: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "customers": {"attributes": {"country": "category", "born": "date"}},
    "streams": {
        "orders": {"time": "at", "unit": "basket", "fields": {
            "amount": {"type": "number", "scale": 2}, "product": "id", "department": "category"}},
        "visits": {"time": "at", "fields": {"minutes": "number", "pages": "integer", "department": "category"}},
    },
    "metrics": METRICS,
    "bands": BANDS,
    "stages": STAGES,
}  # fmt: skip
RULES = [
    *(f"{name} >= {least}" for name in ("orders_30d", "orders_1y", "visits_3mo", "products_3mo", "seen_1y")
      for least in (1, 2, 5)),
    *(f"{name} between 20 and 333" for name in ("spend_30d", "spend_3mo", "spend_6mo", "spend_1y", "basket_6mo")),
    *(f"{name} <= {days}" for name in ("since_order", "since_visit", "since_first") for days in (1, 33, 90, 365.5)),
    *(f"age >= {years}" for years in (18, 40, 66)),
    *(f"engagement > {score}" for score in (0.5, 5, 17)),
    *(f"value_share['department {n:02}'] > 0.4" for n in (0, 5, 11)),
    *(f"affinity['department {n:02}'] = '0.35..0.5'" for n in (1, 7)),
    "recency = '30..60' and engaged >= '5..10'", "lifecycle = 'regular' and spent_1y = '10'",
    "attention in ('both', 'looks') and not ages = '25..35'", "lifecycle = 'new' or presence = '..1'",
    "last_department = 'department 03' and minutes_6mo > 5", "basket >= '80..160' and pages_30d > 10",
    "visiting = '8..' and country = 'AE'", "frequency = '2..3' and since_order > 40",
    "tenure = '365..730' and spend_1y > 2 * spend_3mo", "spent_6mo = '5' and not recency = '..7'",
]  # fmt: skip


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (20_000 if options.quick else 10_000_000)
    for kernel in jit.kernels():
        kernel.compile()
    catalog, tables = load(SCHEMA), generate(count)
    took: dict[str, float] = {}

    def timed(name: str, work: Any) -> Generation:
        started, processor = time.perf_counter(), time.process_time()
        made: Generation = work()
        took[name] = time.perf_counter() - started
        took[name.replace("_s", "_cpu_s")] = time.process_time() - processor
        return made

    first = derive(catalog, tables, AS_OF)

    def derived(as_of: int) -> Generation:
        """Everything anew; customers keep the numbers that they have."""
        keys, values = first.keys, {name: first.values[name] for name in catalog.given}
        assert isinstance(keys, Keys)
        columns = {name: held for name, held in values.items() if isinstance(held, Column)}
        again = dataclasses.replace(tables, keys=keys, attributes=columns, events=dict(first.events))
        return derive(catalog, again, as_of, fitted=first.fitted, like=first)

    with no_garbage():
        moved = timed("advance_s", lambda: reclocked(first, AS_OF + DAY))
        again = timed("again_s", functools.partial(reclocked, moved, AS_OF + 2 * DAY))
    rebuilt = timed("rebuild_s", lambda: derived(AS_OF + DAY))
    started = time.perf_counter()
    for name in moved.values:
        moved.values[name]
    for name in moved.ranks:
        moved.ranks[name]
    took["read_s"] = time.perf_counter() - started
    check(moved, rebuilt)
    del rebuilt, moved
    check(again, derived(AS_OF + 2 * DAY))
    return {
        "customers": count,
        "events": sum(events.rows for events in first.events.values()),
        "metrics": len(METRICS),
        "predicates": len(first.predicates),
        "seed": SEED,
        "checked": 2 * len(RULES),
        **{name: round(seconds, 4) for name, seconds in took.items()},
        "vs_rebuild": round(took["rebuild_s"] / took["advance_s"], 2),
    }


def check(found: Generation, expected: Generation) -> None:
    """Both generations have the same sets and say the same to all rules.

    Raises:
        WrongAnswerError: they do not.
    """
    if set(found.predicates) != set(expected.predicates):
        raise WrongAnswerError("the clock that moved has other sets")
    for name, members in expected.predicates.items():
        if not np.array_equal(found.predicates[name].words, members.words):
            raise WrongAnswerError(f"the clock that moved has another set {name}")
    executors = Executor(found), Executor(expected)
    for text in RULES:
        counts = [executor.count(executor.binder.bind(parse(text))) for executor in executors]
        if counts[0] != counts[1]:
            raise WrongAnswerError(f"rule {text!r}: {counts[0]} with a clock that moved, {counts[1]} derived")


# --- data --------------------------------------------------------------------------------------------------------


def generate(count: int) -> Tables:
    """The customers and their events; some have none, few have many."""
    rng = np.random.default_rng(SEED)
    countries = texts(["AE", "DE", "FR", "IN", "NO"])
    types = load(SCHEMA).types
    born = rng.integers(-20_000, 12_000, count)
    attributes = {
        "country": Column(types["country"], rng.integers(0, 5, count).astype(np.int32), countries),
        "born": Column(types["born"], born.astype(np.int64)),
    }
    activity = rng.gamma(0.6, 1.0, count)  # rates of customers as models of repeat buying have them
    activity[rng.random(count) < 0.1] = 0.0
    events = {
        name: stream(rng, name, activity, int(count * PER_CUSTOMER * share))
        for name, share in (("orders", 0.4), ("visits", 0.6))
    }
    keys = Keys(pa.array(np.arange(count, dtype=np.int64)))
    return Tables(keys, attributes, events, Report((), pa.table({})))


def stream(rng: np.random.Generator, name: str, activity: np.ndarray, rows: int) -> Events:
    count = len(activity)
    each = rng.poisson(activity * (rows / activity.sum()))
    owners = np.repeat(np.arange(count, dtype=np.uint32), each)
    rows = len(owners)
    seconds = rng.integers(-1095 * 86_400, 30 * 86_400, rows)
    unit = None
    if name == "orders":  # rows of a customer on one day are lines of a basket
        unit = seconds // 86_400
    time_of = AS_OF + seconds * 1_000_000
    laid = layout(owners, count, time_of, unit)
    fields = {kind: make_field(rng, name, kind, rows) for kind in SCHEMA["streams"][name]["fields"]}
    marks = {}
    if unit is not None and laid.units is not None:
        marks[UNIT] = Column(ValueType("id", role="field"), unit[laid.order[laid.units[:-1]]])
    return Events(laid.offsets, time_of[laid.order], fields, laid.units, laid.unit_offsets, marks)


def make_field(rng: np.random.Generator, stream_name: str, field: str, rows: int) -> Column:
    kind = load(SCHEMA).fields[stream_name][field]
    match field:
        case "amount":
            return Column(kind, rng.integers(100, 20_000, rows))
        case "pages":
            return Column(kind, rng.integers(1, 30, rows))
        case "minutes":
            return Column(kind, rng.random(rows) * 20)
        case "product":
            names = texts(sorted(f"p{n}" for n in range(500)))
            return Column(kind, rng.integers(0, 500, rows).astype(np.int32), names)
        case _:
            favourite = rng.random(rows) ** 2 * len(DEPARTMENTS)
            return Column(kind, favourite.astype(np.int32), texts(DEPARTMENTS))
