"""Random schemas and tables whose clock moves on, and what it is for two generations to be the same."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.bitmap import kernels_ranks
from segdex.bitmap.program import INPUT_TABLES, assemble
from segdex.bitmap.ranks import Ranks, range_of
from segdex.derive import derive
from segdex.generation import Generation, Values
from segdex.ingest.read import Tables, read
from segdex.schema.catalog import Catalog
from segdex.schema.load import load
from segdex.values import clock
from segdex.values.column import Column
from segdex.values.family import Family
from tests.language import cases
from tests.metrics import worlds

ATTRIBUTES: dict[str, Any] = {
    "country": "category", "points": "integer", "born": "date", "seen": "time", "weight": "number",
}  # fmt: skip
STAGES = [
    "points > 0", "country = 'IN'", "born >= today - 30d", "anniversary(born) <= today + 7d", "did(orders, 90d)",
    "count(visits, 1mo, where gift = true) >= 1", "days_since(seen) < 40", "segment 'young'",
    "sum(orders.amount, previous mo) > 10", "days_since(orders) < 31 or seen is missing", "not segment 'buyer'",
    "any c (count(orders, 90d, by = department)[c] >= 1)",
]  # fmt: skip
TODAY = ["due >= today", "due between today - 30d and today + 30d", "due < today or gift = true"]
STEPS = [dt.timedelta(microseconds=1), dt.timedelta(minutes=30), dt.timedelta(days=1), dt.timedelta(days=7),
         dt.timedelta(days=31), dt.timedelta(days=200), dt.timedelta(days=366)]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Moving:
    """Tables and a schema, and moments at which to look at them."""

    catalog: Catalog
    tables: Tables
    moments: list[int]

    def derived(self, as_of: int, fitted: Any = None) -> Generation:
        """The generation at a moment, from nothing."""
        return derive(self.catalog, self.fresh(), as_of, fitted=fitted)

    def fresh(self) -> Tables:
        """The tables, which may be emptied."""
        events = {
            name: dataclasses.replace(held, fields=dict(held.fields), marks=dict(held.marks))
            for name, held in self.tables.events.items()
        }
        attributes = dict(self.tables.attributes)
        return dataclasses.replace(self.tables, attributes=attributes, events=events)


def make(seed: int, names: list[str] | None = None, most: int = 14, customers: int | None = None) -> Moving:
    """A world; the same for a seed. *names* are metrics of `worlds.METRICS`, else some are chosen."""
    chance = random.Random(seed)
    count = customers or chance.choice([1, 2, 3, 5, 8])
    rows = {
        name: worlds.random_rows(chance, chance.choices(worlds.TIMES, k=6), timed, count, chance.randrange(most + 1))
        for name, (timed, _) in worlds.STREAMS.items()
    }
    chosen = names if names is not None else chance.sample(sorted(worlds.METRICS), 12)
    metrics = {name: worlds.METRICS[name] for name in chosen}
    metrics |= {name: worlds.METRICS[name] for each in list(metrics.values()) for name in cases._used(each)}
    people = [
        {
            "country": chance.choice([None, "IN", "AE"]),
            "points": chance.choice([None, -1, 0, 1, 10]),
            "born": chance.choice([None, *worlds.DATES, dt.date(2000, 3, 8), dt.date(2000, 3, 9), dt.date(1, 1, 1)]),
            "seen": chance.choice([None, *worlds.TIMES]),
            "weight": chance.choice([None, 0.0, -1.5]),
        }
        for _ in range(count)
    ]
    catalog = load(_schema(chance, metrics))
    sources = _sources(rows, people)
    if catalog.schema.customers.only:  # some are known by their rows alone, and are no customers
        keep = [at for at in range(count) if chance.random() < 0.6]
        sources["customers"] = sources["customers"].take(pa.array(keep, pa.int64()))
    return Moving(catalog, read(catalog, sources), _moments(chance))


def _moments(chance: random.Random) -> list[int]:
    """Moments that ascend; one of them is the clock whose edges the times of `worlds` hug."""
    before, between, after = (chance.choice(STEPS) for _ in range(3))
    found = [worlds.AS_OF - before, worlds.AS_OF, worlds.AS_OF + between, worlds.AS_OF + between + after]
    if chance.random() < 0.3:  # the end of a month, and the next one
        found = [dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC), dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC), *found[1:]]
    return [clock.to_microseconds(each) for each in sorted(found)]


def _schema(chance: random.Random, metrics: dict[str, Any]) -> dict[str, Any]:
    streams: dict[str, Any] = {}
    for name, (timed, unit) in worlds.STREAMS.items():
        declared = {"key": "id", "fields": worlds.FIELDS}
        streams[name] = declared | ({"time": "at"} if timed else {}) | ({"unit": "basket"} if unit else {})
        if name in worlds.GAPS:
            streams[name]["unit"] = {"gap": f"{worlds.GAPS[name] // dt.timedelta(minutes=1)}min"}
    declarations = worlds.declarations()
    held = {name: declarations[name] for name in metrics}
    held["due_soon"] = {"kind": "count", "stream": chance.choice(list(streams)), "where": chance.choice(TODAY)}
    held["alive"] = {"kind": "p_alive", "stream": "orders", "r": 0.25, "alpha": 4.0, "a": 0.8, "b": 2.5}
    held["age"] = {"kind": "years_since", "attribute": "born"}
    held["since_seen"] = {"kind": "days_since", "attribute": "seen"}
    types = {name: worlds.CATALOG.types[name] for name in metrics}
    numeric = [name for name, kind in types.items() if kind.numeric]
    plain = [name for name in numeric if not types[name].family]
    bands: dict[str, Any] = {
        f"band{at}": {"metric": name, "edges": sorted(chance.sample([-20, 0, 1, 2, 10, 31, 100], 3))}
        for at, name in enumerate([*numeric, "age", "since_seen"])
    }
    bands["alive_band"] = {"metric": "alive", "edges": [0.5, 0.9]}
    for at, name in enumerate(plain[:2]):
        bands[f"part{at}"] = {"metric": name, "quantiles": 3, "among": "points is known and born <= today"}
    if plain:
        held["mixed"] = {"kind": "formula", "formula": f"{plain[0]} * 2 - since_seen / {plain[-1]}"}
        bands["mixed_band"] = {"metric": "mixed", "edges": [-1, 0, 1]}
    stage = [{"name": f"s{at}", "where": where} for at, where in enumerate(chance.sample(STAGES, 3))]
    if plain:
        stage[1]["where"] = f"{plain[0]} >= 1 or {stage[1]['where']}"
    return {
        "timezone": worlds.ZONE.key,
        "customers": {"key": "id", "attributes": ATTRIBUTES, "only": chance.random() < 0.3},
        "streams": streams,
        "metrics": held,
        "bands": bands,
        "stages": {"stage": stage, "later": [{"name": "in", "where": "stage = 's0' and alive_band is known"}]},
        "segments": {"young": {"where": "born > today - 20y"}, "buyer": {"where": "did(orders, 31d)"}},
    }  # fmt: skip


def _sources(rows: dict[str, list[Any]], people: list[dict[str, Any]]) -> dict[str, pa.Table]:
    types = {name: cases.TYPES[name] for name in ATTRIBUTES}
    found = {
        "customers": pa.table(
            {"id": pa.array(range(len(people)), pa.int64())}
            | {name: pa.array([person[name] for person in people], kind) for name, kind in types.items()}
        )
    }
    for stream, held in rows.items():
        timed, unit = worlds.STREAMS[stream]
        columns: dict[str, pa.Array] = {"id": pa.array([row.customer for row in held], pa.int64())}
        if timed:
            columns["at"] = pa.array([row.time for row in held], pa.timestamp("us", "UTC"))
        if unit:
            columns["basket"] = pa.array([row.unit for row in held], pa.string())
        for name, kind in cases.FIELD_TYPES.items():
            columns[name] = pa.array([row.fields[name] for row in held], kind)
        found[stream] = pa.table(columns)
    return found


# --- the same ----------------------------------------------------------------------------------------------------


def assert_same(found: Generation, expected: Generation) -> None:
    """Both have the same values to the last bit, the same sets, and ranks that answer alike."""
    assert found.as_of == expected.as_of
    assert set(found.values) == set(expected.values)
    for name, value in expected.values.items():
        assert_same_values(name, found.values[name], value)
    assert set(found.dictionaries) == set(expected.dictionaries)
    for name, column in expected.dictionaries.items():
        assert_same_values(name, found.dictionaries[name], column)
    assert set(found.predicates) == set(expected.predicates)
    for each, members in expected.predicates.items():
        assert found.predicates[each].words.tobytes() == members.words.tobytes(), str(each)
        assert found.predicates[each].words.ctypes.data % 64 == 0
    assert set(found.ranks) == set(expected.ranks)
    for name in expected.ranks:
        assert_ranks(name, found.ranks[name], expected.ranks[name])
    assert dict(found.fitted) == dict(expected.fitted)
    assert found.universe.words.tobytes() == expected.universe.words.tobytes()


def assert_same_values(name: str, found: Values, expected: Values) -> None:
    assert type(found) is type(expected), name
    if isinstance(expected, Family):
        assert isinstance(found, Family)
        assert found.categories.equals(expected.categories), name
        for key in ("offsets", "customers", "among", "rests"):
            assert_array(f"{name}.{key}", getattr(found, key), getattr(expected, key))
        assert repr(found.rest) == repr(expected.rest), name
        found, expected = found.column, expected.column
    assert isinstance(found, Column)
    assert isinstance(expected, Column)
    assert found.type == expected.type, name
    assert (found.dictionary is None) == (expected.dictionary is None), name
    assert found.dictionary is None or found.dictionary.equals(expected.dictionary), name
    assert_array(name, found.data, expected.data)
    assert_array(name, found.offsets, expected.offsets)


def assert_array(name: str, found: Any, expected: Any) -> None:
    assert (found is None) == (expected is None), name
    if expected is not None:
        assert found.dtype == expected.dtype, name
        assert found.tobytes() == expected.tobytes(), (name, found, expected)


def assert_ranks(name: str, found: Ranks, expected: Ranks) -> None:
    assert_array(name, found.values, expected.values)
    assert_array(name, found.places, expected.places)
    count, starts = len(found.values), found.starts.tolist()
    assert starts == sorted(set(starts)), name
    assert starts[:1] == [0] * bool(len(found.places)), name
    assert len(starts) <= 255
    assert kernels_ranks.codes_fit(found.codes, found.places, found.starts, count), name
    assert len(found.codes) == len(expected.codes)
    known = expected.values[expected.places]
    for low, high in [(known[len(known) // 3], known[-1])] if len(known) else []:
        within = range_of(found, low, high)
        program = assemble([within], [(INPUT_TABLES[0], (0,))], count, count)
        with np.errstate(invalid="ignore"):
            mask = (known >= low) & (known <= high)
        assert program.count() == int(mask.sum()), name
