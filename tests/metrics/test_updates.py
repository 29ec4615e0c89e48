"""Metrics of rows that came in batches are those of the same rows read together, to the last bit."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segdex.events.arrange import arrange
from segdex.events.fold import folded
from segdex.events.store import Events
from segdex.events.update import LooseRows, joined
from segdex.metrics.compute import Source, compute
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import Column
from segdex.values.family import Family
from tests.metrics.worlds import AS_OF, CATALOG, METRICS, STREAMS, TIMES, column, random_rows
from tests.oracle.metrics import Row

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
CUSTOMERS = 4
Streams = Mapping[str, Sequence[Row]]


def arranged(name: str, held: Sequence[Row]) -> Events:
    """Rows as they are read."""
    timed, unit = STREAMS[name]
    loose = LooseRows(
        time=np.array([clock.to_microseconds(row.time or AS_OF) for row in held], np.int64) if timed else None,
        unit=column(ValueType("id", role="field"), [row.unit for row in held]) if unit else None,
        fields={f: column(kind, [row.fields[f] for row in held]) for f, kind in CATALOG.fields[name].items()},
        marks={},
    )
    return arrange(loose, np.array([row.customer for row in held], np.uint32), CUSTOMERS)


def in_two(name: str, held: Sequence[Row], generator: random.Random) -> Events:
    """The same rows, some of them read later."""
    later = [generator.random() < 0.5 for _ in held]
    old, new = (arranged(name, [row for row, each in zip(held, later, strict=True) if each == side]) for side in (0, 1))
    everybody = np.arange(old.customers)
    return joined([(old, everybody), (new, everybody)], old.customers, list(CATALOG.fields[name]))


def in_pieces(name: str, held: Sequence[Row], generator: random.Random) -> Events:
    """The same rows, those of some customers folded in from elsewhere."""
    ids = sorted(generator.sample(range(CUSTOMERS), 2))
    base = arranged(name, [row for row in held if row.customer not in ids or generator.random() < 0.5])
    other = arranged(
        name, [dataclasses.replace(row, customer=ids.index(row.customer)) for row in held if row.customer in ids]
    )
    return folded(base, other, np.array(ids), np.array([0, 1]), CUSTOMERS)


def bits(events: Mapping[str, Events], names: Sequence[str], generator: random.Random) -> dict[str, Any]:
    attributes = {
        "born": column(CATALOG.types["born"], [None] * CUSTOMERS),
        "seen": column(CATALOG.types["seen"], [generator.choice(TIMES) for _ in range(CUSTOMERS)]),
    }
    source = Source(
        CATALOG,
        clock.to_microseconds(AS_OF),
        CUSTOMERS,
        attributes,
        events,
        lambda name: compute(METRICS[name], source),
    )
    return {name: told(compute(METRICS[name], source)) for name in names}


def told(held: Column | Family) -> Any:
    if isinstance(held, Column):
        strings = None if held.dictionary is None else held.dictionary.to_pylist()
        return held.data.tobytes() if strings is None else [strings[code] if code >= 0 else None for code in held.data]
    names = held.categories.to_pylist()
    return {name: told(held.dense(code, CUSTOMERS)) for code, name in [*enumerate(names), (-1, None)]}


def check(rows: Streams, names: Sequence[str], seed: int) -> None:
    whole = bits({name: arranged(name, held) for name, held in rows.items()}, names, random.Random(seed))
    for way in (in_two, in_pieces):
        parts = {name: way(name, held, random.Random(seed)) for name, held in rows.items()}
        found = bits(parts, names, random.Random(seed))
        for name in names:
            assert found[name] == whole[name], METRICS[name]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32), st.lists(st.sampled_from(sorted(METRICS)), min_size=25, max_size=25, unique=True))
def test_any_metric(seed: int, names: list[str]) -> None:
    generator = random.Random(seed)
    times = generator.sample(TIMES, 3)
    check({name: random_rows(generator, times, timed, 3, 14) for name, (timed, _) in STREAMS.items()}, names, seed)


def test_every_metric() -> None:
    generator = random.Random(7)
    times = generator.sample(TIMES, 12)
    rows = {name: random_rows(generator, times, timed, 3, 60) for name, (timed, _) in STREAMS.items()}
    check(rows, sorted(METRICS), 7)
