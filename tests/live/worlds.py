"""Random schemas and rows for indexes that change: everything that can be declared, everything that can be read."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from tests.language import cases
from tests.live.model import DEPARTMENT_OF, VERSION, Model, Person
from tests.metrics import worlds
from tests.oracle.metrics import Row

KEYS = {
    "integer": ["-3", "0", "7", "8", "12", "100", "101", "9007199254740993"],
    "text": ["", "7", "a", "b", "B", "ünï", "o'n", "zz"],
}
MIXED = ["07", "x1", "ün"]
"""Keys that are no numbers, which some batches bring to an index of numbers."""
WHERES = [
    "points > 0", "country = 'IN'", "not consent = true", "anniversary(born) <= today + 7d", "did(orders, 90d)",
    "count(visits, 1mo, where gift = true) >= 1", "days_since(seen) < 40", "tags has any ('vip')",
    "sum(orders.amount, previous mo) > 10", "days_since(orders) < 31 or seen is missing", "income >= 'mid'",
    "any c (count(orders, 90d, by = department)[c] >= 1)", "count(visits, by = department)[any] = 0",
    "any c (count(orders, by = level)[c] < 1 and count(visits, by = level)[c] < 1)",
    "panel = 'b' or panel_score > 0.4", "email contains 'x'",
    "home within 1200 km of (12.97, 77.59)", "bucket('a', 2) < 1", "count(orders, last 2, where gift = true) = 1",
    "own_age is known and not own_band = '31..'", "since_seen > 31", "not did(pages, 30min)", "everyone",
]  # fmt: skip
STEPS = [dt.timedelta(microseconds=1), dt.timedelta(minutes=30), dt.timedelta(days=1), dt.timedelta(days=7),
         dt.timedelta(days=31), dt.timedelta(days=200), dt.timedelta(days=366)]  # fmt: skip


def make(seed: int) -> tuple[Model, str]:
    """A model of nothing but a schema, a clock and labels, and what kind its keys are of; the same for a seed."""
    chance = random.Random(seed)
    kind = chance.choice(sorted(KEYS))
    names = chance.sample(sorted(worlds.METRICS), chance.choice([0, 3, 6]))
    schema, originals = _schema(chance, names)
    start = worlds.AS_OF - chance.choice([dt.timedelta(0), *STEPS])
    model = Model(schema, originals, start, {name: [] for name in worlds.STREAMS}, labels={"panel": {}})
    return model, kind


def _schema(chance: random.Random, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    metrics = {name: worlds.METRICS[name] for name in names}
    metrics |= {name: worlds.METRICS[name] for each in list(metrics.values()) for name in cases._used(each)}
    schema = copy.deepcopy(cases._schema(chance, metrics))
    customers = schema["customers"]
    if chance.random() < 0.3:
        customers["only"] = True
    if chance.random() < 0.3:
        customers["version"] = VERSION
    if chance.random() < 0.4:
        customers["order"] = chance.choice([["country", "points"], ["own_age"], ["panel", "weight"], ["stage"]])
    if chance.random() < 0.3:
        schema["lookups"] = {"products": {"key": "sku", "fields": {"department": "category"}}}
        through = {"type": "category", "lookup": "products.department", "on": "product"}
        schema["streams"]["visits"]["fields"] = worlds.FIELDS | {"department": through}
    schema["metrics"] |= {
        "alive": {"kind": "p_alive", "stream": "orders", "r": 0.25, "alpha": 4.0, "a": 0.8, "b": 2.5},
        "own_age": {"kind": "years_since", "attribute": "born"},
        "since_seen": {"kind": "days_since", "attribute": "seen"},
        "due_soon": {"kind": "count", "stream": chance.choice(list(worlds.STREAMS)), "where": "due >= today"},
    }
    schema["bands"] |= {
        "alive_band": {"metric": "alive", "edges": [0.5, 0.9]},
        "own_band": {"metric": "own_age", "edges": [0, 2, 31]},
    }
    single = [name for name in metrics if worlds.CATALOG.types[name].numeric and not worlds.CATALOG.types[name].family]
    for at, name in enumerate(["since_seen", *single[:1]]):
        schema["bands"][f"part{at}"] = {"metric": name, "quantiles": 3, "among": "weight is known or points > 0"}
    schema["stages"]["stage"][0]["where"] = chance.choice(WHERES)
    if chance.random() < 0.5:
        first = {"name": "in", "where": "stage = 'first' and alive_band is known"}
        schema["stages"]["later"] = [first, {"name": "rest", "where": "part0 = '1'"}]
    schema["segments"] |= {
        "plain": {"where": chance.choice(WHERES), "tracked": True},
        "nested": {"where": "not segment 'plain' or stage = 'second'", "tracked": chance.random() < 0.7},
        "no_email": {"where": chance.choice(WHERES), "suppression": ["email"]},
        "no_post": {"where": "consent = false", "suppression": ["post", "email"], "tracked": True},
    }
    return schema, {name: name for name in metrics}


def some_metrics(chance: random.Random, model: Model) -> list[str]:
    """Metrics of `worlds.METRICS` that may be declared too: what they are made of is there under its name, or not."""
    chosen = chance.sample(sorted(worlds.METRICS), 2)
    wanted = [*dict.fromkeys(name for each in chosen for name in (*cases._used(worlds.METRICS[each]), each))]
    taken = set(model.names())
    return [name for name in wanted if name not in taken or model.originals.get(name) == name]


# --- rows --------------------------------------------------------------------------------------------------------


def rows_of(chance: random.Random, stream: str, keys: Sequence[str], count: int, model: Model) -> list[Row]:
    """Rows of a stream whose times and values hug edges."""
    timed, _ = worlds.STREAMS[stream]
    times = [*chance.choices(worlds.TIMES, k=5), *_near(chance, model.as_of)]
    held = worlds.random_rows(chance, times, timed, len(keys), count)
    through = "lookup" in str(model.schema["streams"][stream]["fields"]["department"])
    made = []
    for row in held:
        fields = dict(row.fields)
        if through:
            fields["department"] = DEPARTMENT_OF.get(fields["product"] or "")
        made.append(dataclasses.replace(row, customer=keys[row.customer], fields=fields))  # type: ignore[arg-type]
    return made


def _near(chance: random.Random, now: dt.datetime) -> list[dt.datetime]:
    """Times about the clock: now, just before and after, and ends of windows that end now."""
    steps = [dt.timedelta(0), *STEPS]
    return [now + chance.choice([-1, 1]) * chance.choice(steps) + chance.choice([-1, 0, 1]) * worlds.MICRO
            for _ in range(3)]  # fmt: skip


def people_of(
    chance: random.Random, keys: Sequence[str], names: Sequence[str], most: int, versioned: bool
) -> list[Person]:
    """Rows of customers; several may be one customer's."""
    return [
        Person(
            chance.choice(keys),
            {name: None if chance.random() < 0.25 else chance.choice(cases.VALUES[name]) for name in names},
            chance.choice([None, 0, 1, 2, 3]) if versioned else None,
        )
        for _ in range(chance.randrange(most + 1))
    ]
