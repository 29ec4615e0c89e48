"""Columns and families that are folded, against lists and dictionaries of Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.schema.types import ValueType
from segdex.values.column import BOOLEANS, MISSING, Column
from segdex.values.dictionaries import alike, trimmed
from segdex.values.family import Family
from segdex.values.fold import concatenated, gather, patched, patched_family
from segdex.values.places import places as as_places
from segdex.values.splice import spliced

LABELS = ("zeta", "alpha", "mid")
TYPES = {
    "category": ValueType("category"), "text": ValueType("text"), "bool": ValueType("bool"), "id": ValueType("id"),
    "band": ValueType("category", role="band"), "tags": ValueType("tags"), "integer": ValueType("integer"),
    "money": ValueType("number", scale=2), "number": ValueType("number"), "geo": ValueType("geo"),
}  # fmt: skip
STRINGS = ["", "a", "b", "ab", "é", "\U0001f600", "10", "7"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "category": st.sampled_from(STRINGS), "text": st.sampled_from(STRINGS), "bool": st.booleans(),
    "id": st.sampled_from([7, 10, -1, 2**40]) | st.sampled_from(STRINGS), "band": st.sampled_from(LABELS),
    "tags": st.frozensets(st.sampled_from(STRINGS), max_size=3), "integer": st.integers(MISSING + 1, 2**63 - 1),
    "money": st.integers(-5, 5), "number": st.floats(allow_nan=False),
    "geo": st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
}  # fmt: skip


def column(kind: str, values: Sequence[Any], spare: Sequence[str] = ()) -> Column:
    """A column of *values*, some *spare* strings in its dictionary."""
    of = TYPES[kind]
    if kind == "id" and not spare and all(isinstance(each, int) for each in values if each is not None):
        return Column(of, np.array([MISSING if each is None else each for each in values], np.int64))
    if kind == "geo":
        pairs = [(math.nan, math.nan) if each is None else each for each in values]
        return as_places(of, *(np.array([pair[at] for pair in pairs], np.float64) for at in (0, 1)))
    if kind in ("integer", "money"):
        return Column(of, np.array([MISSING if each is None else each for each in values], np.int64))
    if kind == "number":
        return Column(of, np.array([math.nan if each is None else each for each in values], np.float64))
    items: list[Any] = [None if each is None else each if kind == "tags" else [text(each)] for each in values]
    known = {each for item in items if item is not None for each in item} | set(spare)
    names = {"bool": BOOLEANS.to_pylist(), "band": LABELS}.get(kind) or sorted(known, key=str.encode)
    codes = [[-1] if item is None else sorted(names.index(each) for each in item) for item in items]
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in codes])]).astype(np.int64)
    data = np.array([code for item in codes for code in item], np.int32)
    return Column(of, data, pa.array(names, pa.large_string()), offsets if kind == "tags" else None)


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def values(held: Column) -> list[Any]:
    """Values with identifiers as their text; the dictionary is in order on the way."""
    if held.dictionary is None:
        if held.type.kind == "geo":
            return [None if np.isnan(each) else each for each in held.data.tolist()]
        known = held.known
        made = [each if there else None for each, there in zip(held.data.tolist(), known, strict=True)]
        return [None if each is None else str(each) for each in made] if held.type.kind == "id" else made
    names = held.dictionary.to_pylist()
    if held.type.role == "band":
        assert names == list(LABELS)
    else:
        assert names == sorted(set(names), key=str.encode)
    if held.offsets is None:
        return [None if code < 0 else names[code] for code in held.data.tolist()]
    items = [held.data[a:b].tolist() for a, b in zip(held.offsets[:-1], held.offsets[1:], strict=True)]
    assert all(item == sorted(set(item)) for item in items)
    return [None if item == [-1] else frozenset(names[code] for code in item) for item in items]


@st.composite
def columns(draw: st.DrawFn, kind: str, most: int = 12) -> Column:
    held = draw(st.lists(st.none() | VALUES[kind], max_size=most))
    if kind == "id" and draw(st.booleans()):
        held = [each if isinstance(each, int) else None for each in held]
    spare = draw(st.lists(st.sampled_from([*STRINGS, "zz"]), max_size=3)) if kind in ("category", "id", "tags") else ()
    return column(kind, held, spare)


def kept_form(result: Column, *sides: Column) -> None:
    assert result.type == sides[0].type
    dtypes = {side.data.dtype for side in sides}
    assert result.data.dtype == (np.int32 if len(dtypes) > 1 else sides[0].data.dtype)


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_gather(kind: str, data: st.DataObject) -> None:
    sides = data.draw(st.lists(columns(kind), min_size=1, max_size=3))
    picks = [(at, row) for at, side in enumerate(sides) for row in range(-1, len(side))]
    chosen = data.draw(st.lists(st.sampled_from(picks), max_size=20))
    found = gather(sides, *(np.array([pick[at] for pick in chosen], np.int64) for at in (0, 1)))
    kept_form(found, *sides)
    expected = [None if row < 0 else values(sides[at])[row] for at, row in chosen]
    assert values(found) == expected
    if kind in ("category", "text", "tags"):  # no other strings
        used = {each for item in expected if item is not None for each in ([item] if kind != "tags" else item)}
        assert set(found.dictionary.to_pylist()) == used  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_patched(kind: str, data: st.DataObject) -> None:
    base, other = data.draw(columns(kind)), data.draw(columns(kind))
    count = len(base) + data.draw(st.integers(0, 4))
    places = data.draw(st.lists(st.integers(0, count - 1), unique=True, max_size=8)) if count else []
    row = st.integers(-1, len(other) - 1)
    rows = data.draw(st.lists(row, min_size=len(places), max_size=len(places)))
    before = values(base)
    found = patched(base, other, np.array(places, np.int64), np.array(rows, np.int64), count)
    kept_form(found, base, other)
    expected = values(base) + [None] * (count - len(base))
    for place, at in zip(places, rows, strict=True):
        expected[place] = None if at < 0 else values(other)[at]
    assert values(found) == expected
    assert values(base) == before
    assert values(concatenated([base, other])) == values(base) + values(other)


def test_a_dictionary_that_needs_no_change_is_not_copied() -> None:
    one, other = column("category", ["a", "b"]), column("category", ["b", None])
    left, right = alike([one, other])
    assert left.data is one.data
    assert left.dictionary is one.dictionary is right.dictionary
    assert right.data.tolist() == [1, -1]
    assert trimmed(left) is left
    assert trimmed(column("band", ["mid"])).dictionary.to_pylist() == list(LABELS)  # type: ignore[union-attr]


def test_few_items_of_many_strings() -> None:
    many = column("text", [f"{number:03}" for number in range(500)])
    found = trimmed(many.take(np.array([40, -1, 3, 40])))
    assert (values(found), found.dictionary.to_pylist()) == (["040", None, "003", "040"], ["003", "040"])  # type: ignore[union-attr]


# --- runs --------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spliced(data: st.DataObject) -> None:
    lists = st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=8)
    base, other = data.draw(lists), data.draw(lists)
    count = len(base) + data.draw(st.integers(0, 3))
    places = sorted(data.draw(st.sets(st.integers(0, count - 1)))) if count else []
    rows = data.draw(st.lists(st.integers(-1, len(other) - 1), min_size=len(places), max_size=len(places)))
    expected = base + [[]] * (count - len(base))
    for place, row in zip(places, rows, strict=True):
        expected[place] = [] if row < 0 else other[row]

    def offsets(held: list[list[int]]) -> Any:
        return np.concatenate([[0], np.cumsum([len(each) for each in held])]).astype(np.int64)

    runs = spliced(offsets(base), offsets(other), np.array(places, np.int64), np.array(rows, np.int64), count)
    assert runs.offsets.tolist() == offsets(expected).tolist()
    for dtype in (np.int32, np.int64, np.float64):
        one, two = (np.array([item for each in held for item in each], dtype) for held in (base, other))
        assert runs.of(one, two).tolist() == [item for each in expected for item in each]


# --- families ----------------------------------------------------------------------------------------------------

RESTS = {"number": [0.0, math.nan], "integer": [0, MISSING], "band": [-1, 0], "category": [-1]}


@st.composite
def families(draw: st.DrawFn, kind: str) -> tuple[Family, int]:
    customers = draw(st.integers(0, 6))
    names = sorted(draw(st.sets(st.sampled_from(STRINGS), max_size=3)), key=str.encode)
    members = [sorted(draw(st.sets(st.integers(0, customers - 1)))) if customers else [] for _ in names]
    pairs = sum(map(len, members))
    held = draw(st.lists(st.none() | VALUES[kind], min_size=pairs + customers, max_size=pairs + customers))
    whole = column(kind, held, ["zz"])
    form = draw(st.sampled_from(["rest", "among", "rests"]))
    missing = {"number": math.nan, "integer": MISSING}.get(kind, -1)
    among = draw(st.lists(st.booleans(), min_size=customers, max_size=customers))
    family = Family(
        pa.array(names, pa.large_string()),
        np.concatenate([[0], np.cumsum([len(each) for each in members])]).astype(np.int64),
        np.array([each for held in members for each in held], np.uint32),
        whole.slice(0, pairs),
        missing if form == "rests" else draw(st.sampled_from(RESTS[kind])),
        np.array(among, np.bool_) if form == "among" else None,
        whole.slice(pairs, pairs + customers).data if form == "rests" else None,
    )
    return family, customers


def by_category(family: Family, customers: int) -> dict[str | None, list[Any]]:
    names = [*family.categories.to_pylist(), None]
    codes = [*range(len(family.categories)), -1]
    return {name: values(family.dense(code, customers)) for name, code in zip(names, codes, strict=True)}


@pytest.mark.parametrize("kind", RESTS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_patched_family(kind: str, data: st.DataObject) -> None:
    base, customers = data.draw(families(kind))
    other, others = data.draw(families(kind))
    count = customers + data.draw(st.integers(0, 3))
    new = list(range(customers, count))
    places = [*new, *(data.draw(st.sets(st.integers(0, customers - 1))) if customers else ())]
    places = data.draw(st.permutations(places))
    rows = data.draw(st.permutations([*range(others), *[-1] * len(places)]))[: len(places)]
    found = patched_family(base, other, np.array(places, np.int64), np.array(rows, np.int64), count)
    assert (found.rests is None) or (found.among is None)
    theirs, mine, got = by_category(other, others), by_category(base, customers), by_category(found, count)
    for name in [*mine, *theirs]:
        expected = [*mine.get(name, mine[None]), *[None] * (count - customers)]
        for place, row in zip(places, rows, strict=True):
            expected[place] = None if row < 0 else theirs.get(name, theirs[None])[row]
        assert got[name] == expected
    without = found.without_pair(found.customers)
    assert not ((found.column.data == without) | ((without != without) & ~found.column.known)).any()
    for first, last in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        ids = found.customers[first:last].tolist()
        assert ids == sorted(set(ids))
