"""Keys: dense ids and back, 7 and '7', hash tables that grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import ArgumentError, LimitError
from segdex.ingest import memo, universe
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.keys import Keys
from segdex.ingest.texts import ranked, whole_numbers
from segdex.ingest.universe import Universe
from tests.ingest.arrays import disguised, pieces
from tests.oracle import ingest as oracle

BIG = 2**63 - 1
integers = st.sampled_from([0, 1, -1, 7, 10, 2**31, 2**53 + 1, BIG, -BIG]) | st.integers(-20, 20)
texts = st.sampled_from(
    ["", "0", "7", "07", "-7", "-0", "+7", "7.0", " 7", "a", "Ä", "\U0001f600", "zz", str(BIG), str(BIG + 1)]
)


def settled(sources: list[tuple[pa.Array, bool]]) -> tuple[Keys, list[np.ndarray]]:
    space = KeySpace()
    columns = []
    for array, untyped in sources:
        column = KeyColumn(space)
        assert column.add(array, untyped) == []
        columns.append(column)
    universe = Universe(space)
    masks = [np.ones(len(array), np.bool_) for array, _ in sources]
    for column, mask in zip(columns, masks, strict=True):
        universe.admit(column, mask)
    keys = universe.settle()
    return keys, [universe.owners(column, mask) for column, mask in zip(columns, masks, strict=True)]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_keys_of_all_sources_get_ascending_ids(data: st.DataObject) -> None:
    whole = data.draw(st.lists(st.none() | integers, max_size=12))
    strings = data.draw(st.lists(st.none() | texts, max_size=12))
    sources = [(whole, pa.int64()), (strings, pa.string())][:: data.draw(st.sampled_from([1, -1]))]
    keys, owners = settled([(data.draw(disguised(pa.array(raws, kind))), False) for raws, kind in sources])
    text = any(each is not None for each in strings)  # text without a single key says nothing about keys
    wanted = oracle.keys([whole, strings], text)
    assert keys.values.type == (pa.large_string() if text else pa.int64())
    assert keys.values.to_pylist() == wanted
    for (raws, _), ids in zip(sources, owners, strict=True):
        assert [None if id == 0xFFFFFFFF else wanted[id] for id in ids.tolist()] == [
            None if raw is None else str(raw) if text else raw for raw in raws
        ]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([(pa.array([10, 9, -1]), False)], [-1, 9, 10]),
        ([(pa.array([10], pa.uint64()), False), (pa.array([9.0, None]), False)], [9, 10]),
        ([(pa.array(["10", "9"]), True)], [9, 10]),
        ([(pa.array(["10", "9"]), True), (pa.array([9, 11]), False)], [9, 10, 11]),
        ([(pa.array(["10", "09"]), True), (pa.array([9, 11]), False)], ["09", "10", "11", "9"]),
        ([(pa.array(["10", "9"]), False)], ["10", "9"]),
        ([(pa.array(["10", "9"]), False), (pa.array(["9"]), True)], ["10", "9"]),
        ([(pa.array([str(BIG), str(BIG + 1)]), True)], [str(BIG), str(BIG + 1)]),
        ([(pa.array(["-0", "1"]), True)], ["-0", "1"]),
        ([(pa.nulls(2), False)], []),
        ([], []),
    ],
)
def test_what_kind_the_keys_are(sources: list[tuple[pa.Array, bool]], expected: list[Any]) -> None:
    keys, _ = settled(sources)
    assert keys.values.to_pylist() == expected
    assert keys.take(np.arange(len(expected), dtype=np.uint32)).to_pylist() == expected


@settings(max_examples=80, deadline=None)
@given(
    st.lists(texts, unique=True, max_size=15), st.lists(st.none() | texts | integers, max_size=5), st.integers(0, 300)
)
def test_lookup_of_strings(held: list[str], wanted: list[Any], more: int) -> None:
    held = sorted({*held, *(f"k{i}" for i in range(more))}, key=str.encode)  # many keys are searched, few are hashed
    keys = Keys(pa.array(held, pa.large_string()))
    places = {key: place for place, key in enumerate(held)}
    expected = [-1 if each is None else places.get(str(each), -1) for each in wanted]
    assert keys.lookup(wanted).tolist() == expected
    strings = pa.array([None if each is None else str(each) for each in wanted], pa.string())
    padded = pa.concat_arrays([pa.array(["pad"]), strings]).slice(1)
    assert keys.lookup(padded).tolist() == expected
    assert keys.lookup(pa.chunked_array([strings, strings])).tolist() == expected * 2


@settings(max_examples=80, deadline=None)
@given(st.lists(integers, unique=True, max_size=15), st.lists(st.none() | texts | integers, max_size=8))
def test_lookup_of_integers(held: list[int], wanted: list[Any]) -> None:
    held.sort()
    keys = Keys(pa.array(held, pa.int64()))
    places = {str(key): place for place, key in enumerate(held)}
    assert keys.lookup(wanted).tolist() == [places.get(str(each), -1) if each is not None else -1 for each in wanted]


def test_lookup_takes_what_holds_keys() -> None:
    keys = Keys(pa.array([3, 7], pa.int64()))
    for wanted in (
        [7, 3, 8], np.array([7, 3, 8], np.uint8), pd.Series([7, 3, 8]), pl.Series([7, 3, 8]),
        pa.array([7.0, 3.0, 8.0]),
        (key for key in ("7", 3, np.int32(8))), pa.array(["7", "3", "8"]).dictionary_encode(),
        np.array(["7", "3", "08"]),
        [7, 3, 2**70],
    ):  # fmt: skip
        assert keys.lookup(wanted).tolist() == [1, 0, -1]
    assert keys.lookup([7, 10**5000, "3", -(2**63)]).tolist() == [1, -1, 0, -1]
    assert Keys(pa.array(["1" + "0" * 30], pa.large_string())).lookup([10**30, 10**5000]).tolist() == [0, -1]
    assert keys.lookup([]).tolist() == []
    assert keys.lookup(pa.nulls(2)).tolist() == [-1, -1]


@pytest.mark.parametrize(
    "wanted",
    [
        [True],
        [1.5],
        [b"7"],
        "7",
        7,
        b"7",
        bytearray(b"7"),
        memoryview(b"7"),
        pa.array([True]),
        pa.array([[7]]),
        np.array([object()]),
    ],
)
def test_lookup_refuses_what_are_no_keys(wanted: Any) -> None:
    with pytest.raises(ArgumentError, match="no keys"):
        Keys(pa.array([7], pa.int64())).lookup(wanted)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_tables_number_values_as_they_come(data: st.DataObject) -> None:
    raws = data.draw(st.lists(st.none() | texts, max_size=40))
    whole = data.draw(st.lists(st.none() | integers, max_size=40))
    strings, numbers = memo.Texts(), memo.Integers()
    seen: dict[Any, int] = {}
    for piece in data.draw(pieces(len(raws))):
        array = pa.array(["pad", *raws[piece]], pa.large_string()).slice(1)
        assert strings.add(array).tolist() == [
            -1 if raw is None else seen.setdefault(raw, len(seen)) for raw in raws[piece]
        ]
    assert strings.values().to_pylist() == list(seen)
    seen = {}
    for piece in data.draw(pieces(len(whole))):
        part = whole[piece]
        codes = numbers.add(
            np.array([raw or 0 for raw in part], np.int64), np.array([raw is not None for raw in part], bool)
        )
        assert codes.tolist() == [-1 if raw is None else seen.setdefault(raw, len(seen)) for raw in part]
    assert numbers.values().tolist() == list(seen)


def test_tables_grow_and_keep_their_numbers() -> None:
    strings, numbers = memo.Texts(), memo.Integers()
    for start in range(0, 6000, 500):
        names = pa.array([f"name {i}" for i in range(start, start + 1000)], pa.large_string())
        assert strings.add(names).tolist() == list(range(start, start + 1000))
        values = np.arange(start, start + 1000, dtype=np.int64) << 33
        assert numbers.add(values, np.ones(1000, bool)).tolist() == list(range(start, start + 1000))
    assert strings.values()[6499].as_py() == "name 6499"


def test_a_table_says_when_it_is_full() -> None:
    with pytest.raises(LimitError, match="too many distinct values"):
        memo.Texts(most=2).add(pa.array(["a", "b", "c"], pa.large_string()))


def test_too_many_customers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universe, "MOST_KEYS", 1)
    with pytest.raises(LimitError, match="too many customers; found 2; allowed: 1"):
        settled([(pa.array([1, 2]), False)])


@settings(max_examples=80, deadline=None)
@given(st.lists(texts))
def test_ranks_ascend_by_bytes(raws: list[str]) -> None:
    values, ranks = ranked(pa.array(raws, pa.large_string()))
    assert values.to_pylist() == sorted(set(raws), key=str.encode)
    assert [values[rank].as_py() for rank in ranks.tolist()] == raws


@settings(max_examples=80, deadline=None)
@given(st.lists(texts | integers.map(str)))
def test_whole_numbers_are_those_that_print_alike(raws: list[str]) -> None:
    def usual(raw: str) -> bool:
        return raw.lstrip("-").isdecimal() and raw.isascii() and str(int(raw)) == raw and abs(int(raw)) <= BIG

    found = whole_numbers(pa.array(raws, pa.large_string()))
    assert (found is not None) == all(usual(raw) for raw in raws)
    if found is not None:
        assert found.tolist() == [int(raw) for raw in raws]
