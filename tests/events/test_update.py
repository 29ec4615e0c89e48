"""Rows that join rows, against reading them all together; and rows folded, against lists."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import VersionError
from segdex.events.fold import folded
from segdex.events.renumber import renumbered, rows_of
from segdex.events.store import Events
from segdex.events.update import chained, joined, picked
from segdex.ingest.read import read
from segdex.metrics.select import part
from segdex.schema.load import load
from tests.values.test_fold import values

CUSTOMERS = 4
FIELDS = {"n": "integer", "x": "number", "c": "category", "i": "id", "t": "tags", "ok": "bool"}
TYPES = {
    "n": pa.int64(), "x": pa.float64(), "c": pa.string(), "t": pa.list_(pa.string()), "ok": pa.bool_(),
    "key": pa.int64(), "at": pa.timestamp("us", "UTC"),
}  # fmt: skip


class Row(NamedTuple):
    """A row of the table; *unit* and *i* are text, or integers where the table holds nothing else."""

    key: int
    at: int
    unit: str | int | None
    n: int | None
    x: float | None
    c: str | None
    i: str | int | None
    t: tuple[str, ...] | None
    ok: bool | None


def rows(whole: bool) -> st.SearchStrategy[list[Row]]:
    """Rows in which nearly everything repeats; *whole*: identifiers are integers."""
    ids: Any = st.none() | (st.sampled_from([7, 10, -3]) if whole else st.sampled_from(["7", "10", "b", "a"]))
    return st.lists(
        st.builds(
            Row, st.integers(0, CUSTOMERS - 2), st.integers(0, 3), ids, st.none() | st.integers(0, 2),
            st.none() | st.sampled_from([0.5, -1.0]), st.none() | st.sampled_from("abé"), ids,
            st.none() | st.lists(st.sampled_from("pq"), max_size=2).map(tuple), st.none() | st.booleans(),
        ),
        max_size=14,
    )  # fmt: skip


def schema(timed: bool, unit: bool) -> dict[str, Any]:
    stream = {"key": "key", "fields": FIELDS} | ({"time": "at"} if timed else {}) | ({"unit": "unit"} if unit else {})
    return {"customers": {"key": "key"}, "streams": {"s": stream}}


def arranged(held: Sequence[Row], timed: bool, unit: bool) -> Events:
    """The rows as build reads them, for customers of whom the last has none."""
    columns: dict[str, Any] = {}
    for name in Row._fields:
        cells = [getattr(row, name) for row in held]
        if name in ("unit", "i"):
            text = any(isinstance(each, str) for each in cells)
            columns[name] = pa.array(cells, pa.string() if text else pa.int64())
        else:
            columns[name] = pa.array(cells, TYPES[name])
    customers = pa.table({"key": range(CUSTOMERS)})
    return read(load(schema(timed, unit)), {"customers": customers, "s": pa.table(columns)}).events["s"]


def told(events: Events) -> list[Any]:
    """Everything of *events* in terms of values; what `Events` leaves open is put in one order."""
    fields = {name: values(column) for name, column in events.fields.items()}
    times = [0] * events.rows if events.time is None else events.time.tolist()
    plain = list(zip(times, *(map(repr, fields[name]) for name in fields), strict=True))
    if events.units is None:
        return [sorted(plain[a:b]) for a, b in spans(events.offsets)]
    assert events.unit_offsets is not None
    assert events.unit is not None
    assert len(events.unit) == events.transactions
    unit, bounds, found = values(events.unit), spans(events.units), []
    for first, last in spans(events.unit_offsets):
        held = [(unit[each], sorted(plain[slice(*bounds[each])])) for each in range(first, last)]
        assert [plain[bounds[each][0]][0] for each in range(first, last)] == sorted(min(each)[0] for _, each in held)
        found.append(held if events.time is not None else sorted(held, key=repr))
    return found


def spans(offsets: Any) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def dictionaries(events: Events) -> dict[str, Any]:
    held = {**events.fields, "unit of transactions": events.unit}
    return {name: each.dictionary.to_pylist() for name, each in held.items() if each is not None and each.dictionary}


def alike(found: Events, expected: Events) -> None:
    assert told(found) == told(expected)
    assert dictionaries(found) == dictionaries(expected)
    for name, column in expected.fields.items():
        assert (found.fields[name].type, found.fields[name].data.dtype) == (column.type, column.data.dtype)
    assert np.array_equal(found.offsets, expected.offsets)


FORMS = pytest.mark.parametrize(("timed", "unit"), [(True, True), (True, False), (False, True), (False, False)])
HALVES = st.tuples(st.booleans(), st.booleans()).flatmap(lambda whole: st.tuples(rows(whole[0]), rows(whole[1])))


def same_kind(one: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    """All rows as one table holds them: where some identifiers are text, all are."""
    whole = [*one, *other]
    for name in ("unit", "i"):
        if any(isinstance(getattr(row, name), str) for row in whole):
            whole = [row._replace(**{name: _text(getattr(row, name))}) for row in whole]
    return whole


def _text(value: Any) -> Any:
    return None if value is None else str(value)


@FORMS
@settings(max_examples=100, deadline=None)
@given(HALVES, st.permutations(range(CUSTOMERS)))
def test_joined_is_as_if_read_together(
    timed: bool, unit: bool, halves: tuple[list[Row], list[Row]], whose: list[int]
) -> None:
    """The customers of one side are in any order."""
    old, new = (arranged(half, timed, unit) for half in halves)
    moved = picked(old, np.array(whose, np.int64))
    found = joined([(moved, np.array(whose, np.int64)), (new, np.arange(CUSTOMERS))], CUSTOMERS, list(FIELDS))
    alike(found, arranged(same_kind(*halves), timed, unit))


def both(one: Events, other: Events) -> Events:
    everybody = np.arange(one.customers)
    return joined([(one, everybody), (other, everybody)], one.customers, list(FIELDS))


@FORMS
@settings(max_examples=60, deadline=None)
@given(HALVES, st.permutations(range(CUSTOMERS)), st.permutations(range(CUSTOMERS)), st.data())
def test_gathered(
    timed: bool, unit: bool, halves: tuple[list[Row], list[Row]], one: list[int], two: list[int], data: st.DataObject
) -> None:
    one, two = (each[: data.draw(st.integers(0, CUSTOMERS))] for each in (one, two))
    sides = [arranged(half, timed, unit) for half in halves]
    found = chained([picked(side, np.array(ids, np.int64)) for side, ids in zip(sides, (one, two), strict=True)])
    expected = []
    for half, ids in zip(halves, (one, two), strict=True):
        whole = told(arranged(same_kind(half, [*halves[0], *halves[1]])[: len(half)], timed, unit))
        expected += [whole[each] for each in ids]
    assert told(found) == expected


@FORMS
@settings(max_examples=100, deadline=None)
@given(HALVES, st.data())
def test_folded(timed: bool, unit: bool, halves: tuple[list[Row], list[Row]], data: st.DataObject) -> None:
    base, other = (arranged(half, timed, unit) for half in halves)
    count = CUSTOMERS + data.draw(st.integers(0, 2))
    places = data.draw(st.lists(st.integers(0, count - 1), unique=True, max_size=count))
    rows = data.draw(st.lists(st.integers(-1, CUSTOMERS - 1), min_size=len(places), max_size=len(places)))
    found = folded(base, other, np.array(places, np.int64), np.array(rows, np.int64), count)
    moved: list[Row] = [row for row in halves[0] if row.key not in places]
    for place, row in zip(places, rows, strict=True):
        moved += [each._replace(key=100 + place) for each in halves[1] if each.key == row]
    whole = same_kind(*halves)  # identifiers are text if any row had text, gone or not
    text = {name: any(isinstance(getattr(row, name), str) for row in whole) for name in ("unit", "i")}
    moved = [row._replace(key=row.key % 100) for row in moved]
    for name, there in text.items():
        if there:
            moved = [row._replace(**{name: _text(getattr(row, name))}) for row in moved]
    expected = told(more(moved, timed, unit, count))
    assert told(found) == expected
    for column in found.fields.values():
        if column.dictionary is not None and column.type.kind not in ("bool", "tags"):
            assert {each for each in values(column) if each is not None} == set(column.dictionary.to_pylist())


def more(held: Sequence[Row], timed: bool, unit: bool, customers: int) -> Events:
    """As `arranged`, for more customers."""
    global CUSTOMERS  # noqa: PLW0603
    before, CUSTOMERS = CUSTOMERS, customers
    try:
        return arranged(held, timed, unit)
    finally:
        CUSTOMERS = before


@settings(max_examples=40, deadline=None)
@given(rows(whole=False), st.permutations(range(CUSTOMERS)))
def test_units_follow_their_transactions(held: list[Row], order: list[int]) -> None:
    events = arranged(held, True, True)
    whole, places = told(events), np.array(order, np.int64)
    moved = renumbered(
        Events(events.offsets, events.time, {}, events.units, events.unit_offsets, events.marks),
        places,
        dict(events.fields),
    )
    assert told(moved) == [whole[each] for each in order]
    bare, at = rows_of(events, places[:2])
    fields = {name: column.take(at) for name, column in events.fields.items()}
    again = Events(bare.offsets, bare.time, fields, bare.units, bare.unit_offsets, bare.marks)
    assert told(again) == [whole[each] for each in order[:2]]
    assert told(part(events, 1, 3)) == whole[1:3]


def test_a_unit_of_integers_stays_one() -> None:
    row = Row(0, 0, 7, None, None, None, None, None, None)
    events = arranged([row, row._replace(unit=None), row._replace(unit=10)], True, True)
    assert events.unit is not None
    assert events.unit.data.tolist() == [np.iinfo(np.int64).min, 7, 10]
    assert arranged([row], True, False).unit is None
    text = arranged([row._replace(unit="b")], True, True)
    assert told(both(events, text))[0][1:] == [
        (unit, [(0, "None", "None", "None", "None", "None", "None")]) for unit in ("10", "7", "b")
    ]


def test_rows_without_their_units_cannot_be_joined() -> None:
    events = arranged([Row(0, 0, 7, None, None, None, None, None, None)], True, True)
    old = Events(events.offsets, events.time, events.fields, events.units, events.unit_offsets)
    with pytest.raises(VersionError, match=r"kept no units of transactions.*build it again"):
        both(old, events)


def test_many_rows_in_many_pieces() -> None:
    random_ = random.Random(3)
    every = [
        Row(random_.randrange(3), random_.randrange(40), random_.choice(["a", "b", "c", None]), None, 0.5,
            random_.choice("abc"), random_.choice("xyz"), None, None)
        for _ in range(600)
    ]  # fmt: skip
    found = arranged([], True, True)
    for start in range(0, 600, 37):
        found = both(found, arranged(every[start : start + 37], True, True))
    alike(found, arranged(every, True, True))
