"""What is only ever added to, against lists and dictionaries of Python: every version stays what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.live import growing, rows
from segdex.live.bits import chunked
from segdex.live.families import GrowingFamily, of_customers
from segdex.live.growing import Growing, GrowingColumn
from segdex.live.slots import Slots
from segdex.live.streams import GrowingEvents
from segdex.schema.types import ValueType
from segdex.values.column import Column, texts
from segdex.values.family import Family
from tests.events.test_update import CUSTOMERS, FORMS, Row, arranged, same_kind, told
from tests.events.test_update import rows as drawn_rows
from tests.live import actions
from tests.values.test_fold import TYPES, column, columns, values

# --- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_column(kind: str, data: st.DataObject) -> None:
    """Some are written and never seen, and the next ones written over them; readers ask late, early or never."""
    held, expected, versions = GrowingColumn(), [], []
    for _ in range(data.draw(st.integers(1, 8))):
        piece = data.draw(columns(kind, most=5))
        put = held.add if data.draw(st.booleans()) else _settled(held)
        put(len(expected), piece)
        if data.draw(st.booleans()):
            both = [*expected, *values(piece)]
            if data.draw(st.booleans()):  # the writer looks at what nobody else will see
                assert values(held.column(len(both))) == both
            if data.draw(st.booleans()):
                expected = both
                versions.append(list(expected))
        for version in data.draw(st.lists(st.sampled_from(versions), max_size=2)) if versions else []:
            assert values(held.column(len(version))) == version
            at = data.draw(st.lists(st.integers(0, len(version) - 1), max_size=6)) if version else []
            assert values(held.take(np.array(at, np.int64))) == [version[each] for each in at]


def _settled(held: GrowingColumn) -> Any:
    def put(at: int, column: Column) -> None:
        held._settle() if held._later else None
        held.put(at, column)

    return put


@pytest.mark.parametrize("kind", ["category", "tags", "id"])
def test_what_was_interrupted_is_done_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held, real, calls = GrowingColumn(), growing._Form.put, []
    parts = [["a", None, "b"], ["c", "a"], ["7"]] if kind == "id" else [["a", None], ["c", "b"], ["a"]]
    pieces = [column(kind, [None if each is None else frozenset([each]) for each in part]) if kind == "tags"
              else column(kind, part) for part in parts]  # fmt: skip
    expected = [value for piece in pieces for value in values(piece)]
    for at, piece in zip(np.cumsum([0, *map(len, pieces)]).tolist(), pieces, strict=False):
        held.add(at, piece)

    def interrupted(form: Any, at: int, piece: Column) -> None:
        real(form, at, piece)
        calls.append(at)
        if len(calls) % 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(growing._Form, "put", interrupted)
    for _ in pieces:
        with pytest.raises(KeyboardInterrupt):
            held.column(1)
    assert values(held.column(len(expected))) == expected


def test_strings_that_are_new_in_each_batch_are_not_put_together_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    held, expected, united = GrowingColumn(), [], []
    real = growing.united
    monkeypatch.setattr(growing, "united", lambda *strings: united.append(strings) or real(*strings))
    for batch in range(40):
        names = sorted({f"{number}" for number in range(700 * batch, 700 * batch + 1000)}, key=str.encode)
        held.put(len(expected), Column(ValueType("text"), np.arange(1000, dtype=np.int32), texts(names)))
        expected += names
    assert len(united) < 10
    at = np.random.default_rng(3).permutation(len(expected))[:5000]
    assert values(held.take(at)) == [expected[each] for each in at.tolist()]
    assert values(held.column(len(expected))) == expected


def test_what_a_reader_holds_stays_while_others_are_written() -> None:
    held = Growing(np.int64)
    held.put(0, np.arange(10))
    seen = held.upto(10)
    for at in range(10, 20_000, 10):
        held.put(at, np.arange(10))
    assert seen.tolist() == list(range(10))
    assert held.upto(20_000).tolist() == list(range(10)) * 2000


# --- rows of streams -----------------------------------------------------------------------------------------------


@FORMS
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_events(timed: bool, unit: bool, data: st.DataObject) -> None:
    whole = data.draw(st.lists(st.booleans(), min_size=1, max_size=4))
    parts: list[list[Row]] = [data.draw(drawn_rows(each)) for each in whole]
    pieces = [arranged(part, timed, unit) for part in parts]
    held = GrowingEvents(pieces[0])
    for at, piece in enumerate(pieces):
        if data.draw(st.booleans()):
            held.put(CUSTOMERS * at, data.draw(st.sampled_from(pieces[: at + 1])))  # never seen
        held.put(CUSTOMERS * at, piece)
    # Where one piece has text for identifiers, all have.
    expected: list[Any] = []
    for part in parts:
        expected += told(arranged(same_kind(part, [row for each in parts for row in each])[: len(part)], timed, unit))
    everybody = CUSTOMERS * len(parts)
    assert told(held.events(everybody)) == expected
    some = data.draw(st.lists(st.integers(0, everybody - 1), unique=True))
    assert told(held.take(np.array(some, np.int64))) == [expected[each] for each in some]


# --- families ------------------------------------------------------------------------------------------------------


@st.composite
def families(draw: st.DrawFn, count: int, among: bool) -> Family:
    categories = sorted(draw(st.sets(st.sampled_from("abcdé"))), key=str.encode)
    pairs = sorted(
        draw(st.sets(st.tuples(st.integers(0, len(categories) - 1), st.integers(0, count - 1)), max_size=8))
        if categories and count
        else ()
    )
    there = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_) if among else None
    data = draw(st.lists(st.integers(1, 9), min_size=len(pairs), max_size=len(pairs)))
    return Family(
        texts(categories), np.searchsorted([code for code, _ in pairs], np.arange(len(categories) + 1)),
        np.array([customer for _, customer in pairs], np.uint32),
        Column(ValueType("integer"), np.array(data, np.int64)), 0, there,
    )  # fmt: skip


def of_each(family: Family, count: int) -> list[tuple[dict[str, int], bool]]:
    """The pairs of each customer, and whether one without a pair has the rest."""
    found: list[dict[str, int]] = [{} for _ in range(count)]
    for code, category in enumerate(family.categories.to_pylist()):
        pairs = slice(int(family.offsets[code]), int(family.offsets[code + 1]))
        owners = family.customers[pairs].tolist()
        assert owners == sorted(set(owners))
        for owner, value in zip(owners, family.column.data[pairs].tolist(), strict=True):
            found[owner][category] = value
    rest = [True] * count if family.among is None else family.among.tolist()
    return list(zip(found, rest, strict=True))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_family(data: st.DataObject) -> None:
    held, expected, counts = GrowingFamily(), [], []
    for _ in range(data.draw(st.integers(1, 6))):
        count = data.draw(st.integers(0, 4))
        among = data.draw(st.booleans()) if data.draw(st.booleans()) else True
        piece = data.draw(families(count, among))
        held.put(len(expected), piece, count)
        if data.draw(st.booleans()):
            held.family(len(expected) + count)
        if counts and data.draw(st.integers(0, 3)) == 0:
            continue  # never seen
        expected += of_each(piece, count)
        counts += range(len(expected) - count, len(expected) + 1)
        for seen in data.draw(st.lists(st.sampled_from(counts), max_size=3)):
            family = held.family(seen)
            assert of_each(family, seen) == expected[:seen]
            some = data.draw(st.lists(st.integers(0, seen - 1), unique=True)) if seen else []
            assert of_each(of_customers(family, np.array(some, np.int64)), len(some)) == [expected[at] for at in some]


# --- who has changed -----------------------------------------------------------------------------------------------


@given(st.lists(st.sets(st.integers(0, 60)), max_size=8), st.lists(st.integers(0, 70)))
def test_slots(batches: list[set[int]], asked: list[int]) -> None:
    held, expected = Slots(), {}
    for batch in batches:
        before, fresh = held, [one for one in batch if one not in expected]
        known = dict(expected)
        expected |= {one: len(known) + at for at, one in enumerate(fresh)}
        held = held.with_ids(np.array(fresh, np.int64))
        assert before.of(np.array(asked, np.int64)).tolist() == [known.get(one, -1) for one in asked]
    assert held.of(np.array(asked, np.int64)).tolist() == [expected.get(one, -1) for one in asked]
    assert held.count == len(expected)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 65_535, 65_536, 65_537, 131_072])
def test_the_latest_rows(count: int) -> None:
    for first in {0, count // 2, max(count - 1, 0), count}:
        before = rows._with_last(chunked(np.empty(0, np.uint64), first), 0, first)
        bits = rows._with_last(chunked(before, count), first, count)
        assert len(bits) == -(-count // 65_536) * 1024
        assert np.unpackbits(bits.view(np.uint8), bitorder="little")[:count].all()
        assert int(np.bitwise_count(bits).sum()) == count


@pytest.mark.parametrize("many", [0, 7])
def test_rows_that_are_no_longer_the_latest_go(many: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A life in which the same few change again and again says what the model says."""
    monkeypatch.setattr(rows, "_MANY", many)
    model, index = actions.begun(), actions.build(tmp_path / "index")
    most = 0
    for number in range(1, 40):
        action = actions.action(number, model.clock)
        actions.act(index, action, model)
        model.act(action)
        assert actions.told(index, model) == model.told(), action
        held = index._changer.state.rows if index._changer else None
        if held is not None:
            assert held.count <= 2 * held.slots.count + many
            most = max(most, held.slots.count)
    assert most > 10
