"""Random schemas, data and rules: one index and what every rule over it must say, by the naive meaning.

Streams and metrics are those of `tests/metrics/worlds.py`, whose values hug edges; here some of them are declared, some
asked inline, and everything goes through the front door: tables are read, an index is built, rules are asked.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import math
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

import segdex
from segdex.rules import nodes as n
from segdex.schema.kinds import NOT_INLINE, given
from segdex.schema.model import Metric
from tests.metrics import worlds
from tests.oracle import metrics as oracle_metrics
from tests.oracle import rules as oracle

ATTRIBUTES: dict[str, Any] = {
    "country": "category",
    "income": {"type": "category", "order": ["low", "mid", "high"]},
    "tags": "tags",
    "consent": "bool",
    "points": "integer",
    "spend": {"type": "number", "scale": 2},
    "weight": "number",
    "account": "id",
    "email": "text",
    "born": "date",
    "seen": "time",
}
VALUES: dict[str, Sequence[Any]] = {
    "country": ["IN", "AE", "ünï", "o'n"],
    "income": ["low", "mid", "high", "unsaid"],
    "tags": [[], ["vip"], ["vip", "beta"], ["it's"]],
    "consent": [True, False],
    "points": [-1, 0, 1, 9, 10, 11, 2**53 + 1],
    "spend": [Decimal(v) for v in ("0.00", "-0.01", "99.99", "100.00", "100.01")],
    "weight": [0.0, 0.5, -1.5, 1e300, math.inf, -math.inf],
    "account": ["A1", "A2", "b_%"],
    "email": ["", "ann@x.org", "Bob@X.org", "100%", "a_b"],
    "born": [dt.date(2000, 2, 29), dt.date(2026, 3, 8), dt.date(2026, 3, 7), dt.date(1, 1, 1)],
    "seen": worlds.TIMES[::7],
}
TYPES = {
    "country": pa.string(), "income": pa.string(), "tags": pa.list_(pa.string()), "consent": pa.bool_(),
    "points": pa.int64(), "spend": pa.decimal128(12, 2), "weight": pa.float64(), "account": pa.string(),
    "email": pa.string(), "born": pa.date32(), "seen": pa.timestamp("us", "UTC"),
}  # fmt: skip
FIELD_TYPES = {
    "amount": pa.decimal128(12, 2), "quantity": pa.int64(), "score": pa.float64(), "rating": pa.float64(),
    "stars": pa.int64(), "department": pa.string(), "level": pa.string(), "product": pa.string(),
    "note": pa.string(), "gift": pa.bool_(), "due": pa.date32(), "renews": pa.timestamp("us", "UTC"),
}  # fmt: skip
SEEN = frozenset(worlds.VALUES["department"])


@dataclasses.dataclass
class Case:
    """One index, and the items that rules are asked of.

    Attributes:
        index: built from random tables.
        items: what the oracle knows of each customer, by dense id.
        world: what all of them share.
        chance: the generator that everything is drawn from.
        numbers, moments, labels, families: names by what may be asked of them.
        calls: inline calls whose values are among the items.
    """

    index: segdex.Index
    items: list[dict[str, Any]]
    world: oracle.World
    chance: random.Random
    types: dict[str, Any]
    calls: list[n.Call]

    def expected(self, rule: n.Rule) -> list[int]:
        """The keys for which *rule* holds."""
        return [at for at, item in enumerate(self.items) if oracle.holds(rule, item, self.world)]


def make(seed: int) -> Case:
    """A case; the same for a seed."""
    chance = random.Random(seed)
    customers = chance.choice([1, 2, 3, 5, 8])
    rows = {
        name: worlds.random_rows(chance, worlds.TIMES, timed, customers, chance.randrange(14))
        for name, (timed, _) in worlds.STREAMS.items()
    }
    people = [
        {name: None if chance.random() < 0.2 else chance.choice(VALUES[name]) for name in ATTRIBUTES}
        for _ in range(customers)
    ]
    metrics = dict(chance.sample(sorted(worlds.METRICS.items()), 8))
    metrics |= {name: worlds.METRICS[name] for each in list(metrics.values()) for name in _used(each)}
    world = worlds.make_world(rows, chance, customers)
    world = dataclasses.replace(world, attributes=people)
    calls = [call for call in map(_call, chance.sample(sorted(worlds.METRICS), 6)) if call is not None]
    schema = _schema(chance, metrics)
    items = _items(world, people, metrics, calls, schema)
    index = segdex.build(schema, as_of=worlds.AS_OF, sources=_sources(rows, people))
    orders = {"income": ("low", "mid", "high"), **{name: _labels(band) for name, band in schema["bands"].items()}}
    orders |= {name: worlds.ORDER for name, metric in metrics.items() if _ordered(metric)}
    orders |= {repr(call): worlds.ORDER for call in calls if _ordered(declared(call))}
    segments = {name: segdex.parse(each["where"]) for name, each in schema["segments"].items()}
    shared = oracle.World(worlds.AS_OF, worlds.ZONE, orders, segments)
    for item in items:
        _add_stages(item, schema, shared)
    types = {name: kind for name, kind in index._running().generation.catalog.types.items() if kind.role != "segment"}
    return Case(index, items, shared, chance, types, calls)


def _used(metric: Metric) -> set[str]:
    """The metrics that a formula is made of."""
    if not isinstance(metric.formula, n.Node):
        return set()
    return {node.name for node in n.walk(metric.formula) if isinstance(node, n.Name)}


def _ordered(metric: Metric) -> bool:
    return worlds.CATALOG.metric_type(metric).order is not None


# --- schemas -----------------------------------------------------------------------------------------------------


def _schema(chance: random.Random, metrics: dict[str, Metric]) -> dict[str, Any]:
    streams: dict[str, Any] = {}
    for name, (timed, unit) in worlds.STREAMS.items():
        declared = {"key": "id", "fields": worlds.FIELDS}
        streams[name] = declared | ({"time": "at"} if timed else {}) | ({"unit": "basket"} if unit else {})
    declarations = worlds.declarations()
    numeric = [name for name in metrics if worlds.CATALOG.types[name].numeric]
    banded = [*chance.sample(numeric, min(2, len(numeric))), "points"]
    return {
        "timezone": worlds.ZONE.key,
        "customers": {"key": "id", "attributes": ATTRIBUTES},
        "streams": streams,
        "metrics": {name: declarations[name] for name in metrics},
        "bands": {
            f"band{at}": {"metric": name, "edges": sorted(chance.sample([-20, 0, 1, 2, 10, 100], 3))}
            for at, name in enumerate(banded)
        },
        "stages": {
            "stage": [
                {"name": "first", "where": chance.choice(["points > 0", "country = 'IN'", "not consent = true"])},
                {"name": "second", "where": chance.choice(["spend >= 100", "income >= 'mid'", "tags has any ('vip')"])},
                {"name": "third", "where": "consent is known"},
            ]
        },
        "segments": {
            "plain": {"where": chance.choice(["country != 'IN'", "points between 0 and 10", "weight is missing"])},
            "nested": {"where": "not segment 'plain' or consent = false"},
        },
    }


def _labels(band: dict[str, Any]) -> tuple[str, ...]:
    edges = band["edges"]
    return (f"..{edges[0]}", *(f"{low}..{high}" for low, high in itertools.pairwise(edges)), f"{edges[-1]}..")


def _call(name: str) -> n.Call | None:
    """A declared metric as an inline call, where it has one."""
    metric = worlds.METRICS[name]
    if metric.kind in NOT_INLINE or metric.attribute is not None or metric.stream is None:
        return None
    options: dict[str, Any] = {}
    for key, held in (("weight", metric.weight), ("count", metric.count), ("from", metric.start)):
        if held is not None:
            options[key] = n.Name(held) if key == "weight" else n.Text(held)
    if set(given(metric)) - {"stream", "field", "window", "where", "having", "by", *options}:
        return None
    parts = (metric.field, metric.window, metric.where, metric.having, metric.by)
    return n.Call(metric.kind, metric.stream, *parts, options)  # type: ignore[arg-type]


# --- what the oracle knows ---------------------------------------------------------------------------------------


def _items(
    world: Any, people: list[dict[str, Any]], metrics: dict[str, Metric], calls: list[n.Call], schema: dict[str, Any]
) -> list[dict[str, Any]]:
    items = []
    for customer, person in enumerate(people):
        item = {name: frozenset(held) if isinstance(held, list) else held for name, held in person.items()}
        for name, metric in metrics.items():
            item[name] = _value(metric, customer, world)
        for call in calls:
            item[repr(call)] = _value(declared(call), customer, world)
        for name, band in schema["bands"].items():
            item[name] = _banded(item[band["metric"]], band)
        items.append(item)
    return items


@functools.cache
def _by_call() -> dict[str, Metric]:
    made = {name: _call(name) for name in worlds.METRICS}
    return {repr(call): worlds.METRICS[name] for name, call in made.items() if call is not None}


def declared(call: n.Call) -> Metric:
    """The metric that an inline call of a case was made of."""
    return _by_call()[repr(call)]


def _value(metric: Metric, customer: int, world: Any) -> Any:
    if not worlds.CATALOG.metric_type(metric).family:
        return oracle_metrics.value(metric, customer, world)
    names = [*worlds.DEPARTMENTS, *worlds.ORDER, "other", "zzz"]
    values = {name: oracle_metrics.value(metric, customer, world, name) for name in names}
    seen = _seen(metric, world)
    return oracle.Family(values, oracle_metrics.value(metric, customer, world, "never"), seen)


def _seen(metric: Metric, world: Any) -> frozenset[str]:
    """The categories that the rows of a metric's streams have."""
    parts = [metric.stream] if metric.stream else [metric.numerator.stream, metric.denominator.stream]  # type: ignore[union-attr]
    return frozenset(
        row.fields[metric.by or ""]
        for stream in parts
        for row in world.rows[stream]
        if row.fields[metric.by or ""] is not None
    )


def _banded(value: Any, band: dict[str, Any]) -> Any:
    if isinstance(value, oracle.Family):
        held = {name: _band(each, band) for name, each in value.values.items()}
        return oracle.Family(held, _band(value.rest, band), value.categories)
    return _band(value, band)


def _band(value: Any, band: dict[str, Any]) -> str | None:
    return None if value is None else _labels(band)[sum(edge <= value for edge in band["edges"])]


def _add_stages(item: dict[str, Any], schema: dict[str, Any], shared: oracle.World) -> None:
    for name, stages in schema["stages"].items():
        holds = (stage["name"] for stage in stages if oracle.holds(segdex.parse(stage["where"]), item, shared))
        item[name] = next(holds, None)


# --- tables ------------------------------------------------------------------------------------------------------


def _sources(rows: dict[str, list[Any]], people: list[dict[str, Any]]) -> dict[str, pa.Table]:
    found = {
        "customers": pa.table(
            {"id": pa.array(range(len(people)), pa.int64())}
            | {name: pa.array([person[name] for person in people], kind) for name, kind in TYPES.items()}
        )
    }
    for stream, held in rows.items():
        timed, unit = worlds.STREAMS[stream]
        columns: dict[str, pa.Array] = {"id": pa.array([row.customer for row in held], pa.int64())}
        if timed:
            columns["at"] = pa.array([row.time for row in held], pa.timestamp("us", "UTC"))
        if unit:
            columns["basket"] = pa.array([row.unit for row in held], pa.string())
        for name, kind in FIELD_TYPES.items():
            columns[name] = pa.array([row.fields[name] for row in held], kind)
        found[stream] = pa.table(columns)
    return found
