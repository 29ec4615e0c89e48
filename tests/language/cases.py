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
from typing import Any, TypeAlias

import pyarrow as pa
from pyroaring import BitMap

import segdex
from segdex.rules import nodes as n
from segdex.rules.windows import Lifetime
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
    "home": {"type": "geo", "latitude": "lat", "longitude": "lon"},
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
    "home": [(0.0, 0.0), (12.97, 77.59), (90.0, 0.0), (-89.9, 180.0), (51.5, -0.1)],
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


Asked: TypeAlias = n.Call | n.Sequence
"""What a rule asks straight from streams."""
PANEL = ("cluster a", "b", "it's")


@dataclasses.dataclass
class Case:
    """One index, and the items that rules are asked of.

    Attributes:
        index: built from random tables.
        items: what the oracle knows of each customer, by dense id.
        world: what all of them share.
        chance: the generator that everything is drawn from.
        types: of every name that has a value.
        calls: inline calls and sequences whose values are among the items.
        segments: those that rules may ask for.
    """

    index: segdex.Index
    items: list[dict[str, Any]]
    world: oracle.World
    chance: random.Random
    types: dict[str, Any]
    calls: list[Asked]
    segments: tuple[str, ...] = ("plain", "nested", "loaded")

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
    for at, item in enumerate(items):
        panel = chance.choice([None, *PANEL])
        item |= {"key": at, "panel": panel, "panel_score": None if panel is None else chance.choice([0.0, 0.5, 1.0])}
    strange = random.Random(-1 - seed)
    if strange.random() < 0.5:
        schema["customers"]["only"] = True
        rows = {name: _with_strangers(strange, held) for name, held in rows.items()}
    index = segdex.build(schema, as_of=worlds.AS_OF, sources=_sources(rows, people, items))
    loaded = [at for at in range(customers) if chance.random() < 0.5]
    index.load("loaded", BitMap(loaded))
    orders = {"income": ("low", "mid", "high"), **{name: _labels(band) for name, band in schema["bands"].items()}}
    orders |= {name: worlds.ORDER for name, metric in metrics.items() if _ordered(metric)}
    orders |= {repr(call): worlds.ORDER for call in calls if _ordered(declared(call))}
    segments = {name: segdex.parse(each["where"]) for name, each in schema["segments"].items()}
    segments["loaded"] = n.Compare("=", n.Name("is loaded"), n.Boolean(True))
    shared = oracle.World(worlds.AS_OF, worlds.ZONE, orders, segments)
    for at, item in enumerate(items):
        item["is loaded"] = at in loaded
        _add_stages(item, schema, shared)
    types = {name: kind for name, kind in index._running().generation.catalog.types.items() if kind.role != "segment"}
    return Case(index, items, shared, chance, types, calls)


def _used(metric: Metric) -> set[str]:
    """The metrics that one is made of, and those that they are made of."""
    own = {metric.metric} if metric.metric is not None else set()
    if isinstance(metric.formula, n.Node):
        own |= {node.name for node in n.walk(metric.formula) if isinstance(node, n.Name)}
    return own.union(*(_used(worlds.METRICS[name]) for name in own))


def _ordered(metric: Metric) -> bool:
    return worlds.CATALOG.metric_type(metric).order is not None


# --- schemas -----------------------------------------------------------------------------------------------------


def _schema(chance: random.Random, metrics: dict[str, Metric]) -> dict[str, Any]:
    streams: dict[str, Any] = {}
    for name, (timed, unit) in worlds.STREAMS.items():
        declared = {"key": "id", "fields": worlds.FIELDS}
        streams[name] = declared | ({"time": "at"} if timed else {}) | ({"unit": "basket"} if unit else {})
        if name in worlds.GAPS:
            streams[name]["unit"] = {"gap": f"{worlds.GAPS[name] // dt.timedelta(minutes=1)}min"}
    declarations = worlds.declarations()
    numeric = [name for name in metrics if worlds.CATALOG.types[name].numeric]
    banded = [*chance.sample(numeric, min(2, len(numeric))), "points"]
    return {
        "timezone": worlds.ZONE.key,
        "customers": {"key": "id", "attributes": ATTRIBUTES},
        "streams": streams,
        "labels": {"panel": {"key": "id", "label": "cluster", "score": "p"}},
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


def _call(name: str) -> Asked | None:
    """A declared metric as an inline call, where it has one."""
    metric = worlds.METRICS[name]
    if metric.steps is not None:
        steps = tuple(n.Step(each.stream, each.where, each.negated, each.within) for each in metric.steps)  # type: ignore[arg-type]
        window = None if isinstance(metric.window, Lifetime) else metric.window
        return n.Sequence(steps, metric.on, window)
    if metric.kind in NOT_INLINE or metric.attribute is not None or metric.stream is None:
        return None
    texts = {"weight": metric.weight, "count": metric.count, "from": metric.start, "period": metric.period}
    options: dict[str, Any] = {
        key: n.Name(held) if key in ("weight", "period") else n.Text(held)
        for key, held in texts.items()
        if held is not None
    }
    options |= {
        key: n.Number(Decimal(held)) for key, held in (("of", metric.of), ("least", metric.least)) if held is not None
    }
    if metric.every is not None:
        options["every"] = n.Length(metric.every)
    if set(given(metric)) - {"stream", "field", "window", "where", "having", "by", *options}:
        return None
    parts = (metric.field, metric.window, metric.where, metric.having, metric.by)
    return n.Call(metric.kind, metric.stream, *parts, options)  # type: ignore[arg-type]


# --- what the oracle knows ---------------------------------------------------------------------------------------


def _items(
    world: Any, people: list[dict[str, Any]], metrics: dict[str, Metric], calls: list[Asked], schema: dict[str, Any]
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


def declared(call: Asked) -> Metric:
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
    if metric.kind == "formula":
        parts = [worlds.METRICS[name] for name in sorted(_used(metric))]
        families = [each for each in parts if worlds.CATALOG.metric_type(each).family]
        return frozenset().union(*(_seen(each, world) for each in families))
    fields = [(metric.stream, metric.by)] + [(term.stream, term.by or metric.by) for term in metric.terms or ()]
    fields += [(part.stream, metric.by) for part in (metric.numerator, metric.denominator) if part is not None]
    return frozenset(
        row.fields[by] for stream, by in fields if stream for row in world.rows[stream] if row.fields[by] is not None
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


STRANGERS = (-7, 1000, 1001)


def _with_strangers(chance: random.Random, held: list[Any]) -> list[Any]:
    """Rows among which are some of keys that are no customers, alike in everything else."""
    more = [dataclasses.replace(row, customer=chance.choice(STRANGERS)) for row in held if chance.random() < 0.6]
    mixed = held + more
    chance.shuffle(mixed)
    return mixed


# --- tables ------------------------------------------------------------------------------------------------------


def _sources(
    rows: dict[str, list[Any]], people: list[dict[str, Any]], items: list[dict[str, Any]]
) -> dict[str, pa.Table]:
    ids = pa.array(range(len(people)), pa.int64())
    homes = [person["home"] or (None, None) for person in people]
    found = {
        "panel": pa.table(
            {
                "id": ids,
                "cluster": pa.array([item["panel"] for item in items], pa.string()),
                "p": pa.array([item["panel_score"] for item in items], pa.float64()),
            }
        ),
        "customers": pa.table(
            {
                "id": ids,
                "lat": pa.array([home[0] for home in homes], pa.float64()),
                "lon": pa.array([home[1] for home in homes], pa.float64()),
            }
            | {name: pa.array([person[name] for person in people], kind) for name, kind in TYPES.items()}
        ),
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
