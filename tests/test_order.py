"""The numbering of customers: other dense ids, the same answers."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdex
from segdex import order
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK
from segdex.cli import answers
from segdex.demo import retailer
from segdex.events.renumber import renumbered
from segdex.events.store import Events
from segdex.generation import Generation
from segdex.schema.load import load
from segdex.schema.types import ValueType
from segdex.store import generations
from segdex.values.column import MISSING, Column
from segdex.values.family import Family
from tests.oracle import order as oracle
from tests.query import shop

Sources = dict[str, pa.Table]

SHOP: Sources = {"customers": shop.CUSTOMERS, "orders": shop.ORDERS}


def ordered(schema: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {**schema, "customers": {**schema["customers"], "order": list(names)}}


def of(index: segdex.Index) -> Generation:
    return index._running().generation


def keys_in_order(index: segdex.Index) -> list[Any]:
    return index.keys(index.bitmap("everyone")).to_pylist()


# --- the order ---------------------------------------------------------------------------------------------------


@st.composite
def tables_of(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    count = draw(st.integers(1, 60))
    kinds = draw(st.lists(st.sampled_from(["integer", "number", "category"]), min_size=1, max_size=4))
    values = {
        "integer": st.none() | st.integers(-3, 40) | st.sampled_from([MISSING + 1, 2**63 - 1]),
        "number": st.none() | st.sampled_from([-np.inf, np.inf, 0.0, 1.5, -2.0, 1e300]),
        "category": st.none() | st.sampled_from("abcd"),
    }
    return kinds, [draw(st.lists(values[kind], min_size=count, max_size=count)) for kind in kinds]


def column_of(kind: str, values: list[Any]) -> Column:
    if kind == "category":
        codes = [-1 if value is None else "abcd".index(value) for value in values]
        return Column(ValueType("category"), np.array(codes, np.int32), pa.array(list("abcd"), pa.large_string()))
    missing, dtype = (np.nan, np.float64) if kind == "number" else (MISSING, np.int64)
    return Column(ValueType(kind), np.array([missing if each is None else each for each in values], dtype))  # type: ignore[arg-type]


@given(tables_of())
def test_the_order_is_that_of_the_oracle(drawn: tuple[list[str], list[list[Any]]]) -> None:
    kinds, values = drawn
    columns = [column_of(kind, held) for kind, held in zip(kinds, values, strict=True)]
    found = order.places_by(columns, load({}))
    assert found.tolist() == oracle.places(values, [kind == "category" for kind in kinds])


def test_a_declared_order_of_labels_counts() -> None:
    kind = ValueType("category", order=("low", "high"))
    column = Column(kind, np.array([0, 2, -1, 1], np.int32), pa.array(["high", "low", "odd"], pa.large_string()))
    # Missing, outside the order, low, high.
    assert order.places_by([column], load({})).tolist() == [2, 1, 3, 0]
    assert order.places_by([column, column], load({})).tolist() == [2, 1, 3, 0]


def test_many_labels() -> None:
    labels = [f"{number:05}" for number in range(40_000)]
    column = Column(ValueType("category"), np.arange(40_000, dtype=np.int32)[::-1], pa.array(labels, pa.large_string()))
    assert order.places_by([column, column], load({})).tolist() == list(range(40_000))[::-1]


# --- rows --------------------------------------------------------------------------------------------------------


def test_rows_follow_their_customers() -> None:
    tags = Column(
        ValueType("tags"), np.array([0, 1, -1, 1, 0, 1], np.int32), pa.array(["a", "b"], pa.large_string()),
        np.array([0, 2, 3, 3, 4, 6]),
    )  # fmt: skip
    events = Events(
        offsets=np.array([0, 3, 3, 5]),
        time=np.array([10, 11, 12, 50, 51]),
        fields={},
        units=np.array([0, 2, 3, 4, 5]),
        unit_offsets=np.array([0, 2, 2, 4]),
    )
    fields = {"n": Column(ValueType("integer"), np.array([1, 2, 3, 4, 5])), "tags": tags}
    found = renumbered(events, np.array([2, 0, 1]), fields)
    assert fields == {}
    assert found.offsets.tolist() == [0, 2, 5, 5]
    assert found.time is not None
    assert found.time.tolist() == [50, 51, 10, 11, 12]
    assert found.units is not None
    assert found.units.tolist() == [0, 1, 2, 4, 5]
    assert found.unit_offsets is not None
    assert found.unit_offsets.tolist() == [0, 2, 4, 4]
    assert found.fields["n"].data.tolist() == [4, 5, 1, 2, 3]
    offsets = found.fields["tags"].offsets
    assert offsets is not None
    assert offsets.tolist() == [0, 1, 3, 5, 6, 6]
    assert found.fields["tags"].data.tolist() == [1, 0, 1, 0, 1, -1]


# --- the same answers --------------------------------------------------------------------------------------------


def by_key(generation: Generation) -> dict[str, Any]:
    """Everything of a generation that answers come from, customers by the place of their keys."""
    places = np.argsort(generation.keys.lookup(generation.keys.values))  # of each dense id
    ids = generation.keys.lookup(generation.keys.values)
    found: dict[str, Any] = {"keys": generation.keys.values.to_pylist(), "fitted": dict(generation.fitted)}
    for name, held in generation.values.items():
        found[f"values {name}"] = _family(held, places) if isinstance(held, Family) else _column(held, ids)
    for name, events in generation.events.items():
        moved = renumbered(dataclasses.replace(events, fields={}), ids, dict(events.fields))
        parts = {"offsets": moved.offsets, "time": moved.time, "units": moved.units, "unit_offsets": moved.unit_offsets}
        found |= {f"{name} {part}": None if held is None else held.tolist() for part, held in parts.items()}
        found |= {f"{name} {field}": _column(moved.fields[field], np.arange(events.rows)) for field in moved.fields}
    for name, members in generation.predicates.items():
        found[f"set {name}"] = sorted(places[hot.to_ids(members)].tolist())
    return found


def _column(column: Column, ids: Any) -> Any:
    taken = column.take(ids)
    ends = None if taken.offsets is None else taken.offsets.tolist()
    return taken.data.tobytes(), ends, None if taken.dictionary is None else taken.dictionary.to_pylist()


def _family(family: Family, places: Any) -> Any:
    codes = np.repeat(np.arange(len(family.categories)), np.diff(family.offsets))
    customers = places[family.customers]
    pairs = np.lexsort((customers, codes))
    among = None if family.among is None else family.among[np.argsort(places)].tolist()
    return codes[pairs].tolist(), customers[pairs].tolist(), _column(family.column, pairs), repr(family.rest), among


def same(left: Generation, right: Generation) -> None:
    one, other = by_key(left), by_key(right)
    assert one.keys() == other.keys()
    for part, held in one.items():
        assert other[part] == held, part


@pytest.fixture(scope="module")
def few_customers() -> tuple[dict[str, Any], Sources]:
    schema = tomllib.loads(retailer.SCHEMA.read_text(encoding="utf-8"))
    generated = retailer.generate(2_500)
    return schema, {name: each if isinstance(each, pa.Table) else each.table() for name, each in generated.items()}


@pytest.fixture(scope="module")
def plain(few_customers: tuple[dict[str, Any], Sources]) -> segdex.Index:
    schema, sources = few_customers
    return segdex.build(schema, as_of=retailer.AS_OF, sources=sources)


@pytest.mark.compiled
@pytest.mark.parametrize(
    "names",
    [
        ["orders_ever", "country"],
        ["lifecycle", "value_tier", "recency", "plan", "risk"],  # stages, bands, a category of a stream, a float
        ["discount_rate", "signup", "last_order"],  # a formula, a date, a time
        ["email_consent"],
    ],
)
def test_another_order_has_the_same_answers(
    names: list[str], few_customers: tuple[dict[str, Any], Sources], plain: segdex.Index, tmp_path: Path
) -> None:
    schema, sources = few_customers
    with segdex.build(ordered(schema, names), as_of=retailer.AS_OF, sources=sources, out=tmp_path / "index") as built:
        assert of(built).order == tuple(names)
        assert keys_in_order(built) != keys_in_order(plain)
        same(of(built), of(plain))
    with segdex.open(tmp_path / "index") as opened:
        assert of(opened).order == tuple(names)
        same(of(opened), of(plain))
        for name in schema["segments"]:
            rule = f"segment '{name}'"
            assert opened.count(rule) == plain.count(rule)
            members = opened.members(rule, columns=["country", "spend_ever"], suppression=False).read_all()
            expected = plain.members(rule, columns=["country", "spend_ever"], suppression=False).read_all()
            assert members.sort_by("customer_id").equals(expected.sort_by("customer_id"))
    assert list(generations.verify(tmp_path / "index")) == []


@pytest.mark.parametrize("names", [["spend"], ["lifecycle", "income"], ["consent", "recency", "birth_date"]])
def test_the_shop_in_another_order(names: list[str], tmp_path: Path) -> None:
    plain = shop.index()
    segdex.build(ordered(shop.SCHEMA, names), as_of=shop.AS_OF, sources=SHOP, out=tmp_path / "index").close()
    index = segdex.open(tmp_path / "index")
    same(of(index), of(plain))
    assert keys_in_order(index) != keys_in_order(plain)
    for key in ("ann", "bob", "cat", "dan", "eve"):
        assert repr(index.customer(key)) == repr(plain.customer(key))
        assert index.keys(index.ids(key)).to_pylist() == [key]
        assert index.segments_of(key) == plain.segments_of(key)
        assert index.contains("spend > 50", key) == plain.contains("spend > 50", key)
    assert index.contains("everyone", ["eve", "nobody", "ann"]) == [True, False, True]
    by_spend = index.members("everyone", order_by="spend", descending=True, suppression=False).read_all()
    assert by_spend["customer_id"].to_pylist()[:2] == ["ann", "bob"]


def test_members_come_by_dense_id() -> None:
    index = segdex.build(ordered(shop.SCHEMA, ["spend"]), as_of=shop.AS_OF, sources=SHOP)
    members = index.members("everyone", columns=["spend"], suppression=False).read_all()
    assert members["customer_id"].to_pylist() == ["cat", "dan", "eve", "bob", "ann"]  # nothing, 40, 100; ties by key
    assert members["customer_id"].to_pylist() == keys_in_order(index)


# --- the same order ----------------------------------------------------------------------------------------------


def sections(generation: Generation) -> dict[str, Any]:
    parts: dict[str, Any] = {"numbering": None, "keys": generation.keys.values.to_pylist()}
    if generation.keys.numbering is not None:
        parts["numbering"] = generation.keys.numbering.ids.tolist(), generation.keys.numbering.places.tolist()
    parts |= {str(name): members.words.tobytes() for name, members in generation.predicates.items()}
    return parts


@pytest.mark.compiled
def test_the_order_of_rows_and_batches_changes_nothing(few_customers: tuple[dict[str, Any], Sources]) -> None:
    schema, sources = few_customers
    rng = np.random.default_rng(5)
    shuffled = {
        name: pa.Table.from_batches(table.take(rng.permutation(len(table))).combine_chunks().to_batches(700))
        for name, table in sources.items()
    }
    declared = ordered(schema, ["orders_ever", "tier", "since_order"])
    one, other = (segdex.build(declared, as_of=retailer.AS_OF, sources=each) for each in (sources, shuffled))
    assert sections(of(one)) == sections(of(other))


def test_an_order_that_changes_nothing_is_that_of_the_keys() -> None:
    schema = {"customers": {"attributes": {"grade": "integer"}, "order": ["grade"]}}
    customers = pa.table({"customer_id": ["a", "b", "c"], "grade": [1, 1, 2]})
    index = segdex.build(schema, as_of=shop.AS_OF, sources={"customers": customers})
    assert of(index).keys.numbering is None
    assert of(index).order == ("grade",)


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_customers(rows: int, tmp_path: Path) -> None:
    customers = shop.CUSTOMERS.slice(0, rows)
    sources = {"customers": customers, "orders": shop.ORDERS.slice(0, 0)}
    names = ["spend", "country", "lifecycle", "consent"]
    segdex.build(ordered(shop.SCHEMA, names), as_of=shop.AS_OF, sources=sources, out=tmp_path / "index").close()
    assert segdex.open(tmp_path / "index").count("everyone") == rows


# --- chunks ------------------------------------------------------------------------------------------------------

GRADES: dict[str, Any] = {"customers": {"attributes": {"grade": "category", "score": "integer"}}}


def grades(count: int) -> pa.Table:
    """The grade of key k is that of k modulo 3; the score falls."""
    keys = np.arange(count)
    labels = pa.DictionaryArray.from_arrays(pa.array(keys % 3), ["x", "y", "z"])
    return pa.table({"customer_id": pa.array(keys.astype(str)), "grade": labels, "score": pa.array(count - keys)})


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_around_chunks(count: int, tmp_path: Path) -> None:
    schema = ordered(GRADES, ["grade", "score"])
    customers = {"customers": grades(count)}
    segdex.build(schema, as_of=shop.AS_OF, sources=customers, out=tmp_path / "index").close()
    index = segdex.open(tmp_path / "index")
    keys = index.keys(index.bitmap("everyone"))
    assert len(set(keys.to_pylist())) == count
    assert of(index).keys.lookup(keys).tolist() == list(range(count))
    some = keys.slice(count // 2, 100)  # so few are searched, not hashed
    assert of(index).keys.lookup(some).tolist() == list(range(count // 2, count // 2 + 100))
    assert index.counts(["grade = 'x'", "grade = 'y'", "grade = 'z'"]) == [len(range(at, count, 3)) for at in range(3)]
    members = np.array(index.members("grade = 'y'").read_all()["customer_id"].to_pylist(), np.int64)
    assert (members % 3 == 1).all()
    assert (np.diff(members) < 0).all()  # the score falls with the key
    numbers = index.bitmap("grade = 'y'")
    assert numbers[0] == len(range(0, count, 3))
    assert numbers[-1] - numbers[0] == len(numbers) - 1


# --- by default --------------------------------------------------------------------------------------------------


def chosen(schema: Mapping[str, Any], sources: Mapping[str, Any]) -> tuple[str, ...]:
    return of(segdex.build(schema, as_of=shop.AS_OF, sources=sources)).order


def test_few_customers_keep_the_order_of_keys() -> None:
    assert order.SMALL == 4 * CHUNK
    assert chosen(shop.SCHEMA, SHOP) == ()


def test_what_changes_slowly_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "SMALL", 5)
    assert chosen(shop.SCHEMA, SHOP) == ("spend", "country", "income", "consent", "since_order")
    counted = {**shop.SCHEMA["metrics"], "orders_ever": {"kind": "count", "stream": "orders"}}
    schema = {**shop.SCHEMA, "metrics": counted}
    assert chosen(schema, SHOP)[0] == "orders_ever"
    assert chosen(ordered(schema, []), SHOP) == ()
    assert chosen(ordered(schema, ["income"]), SHOP) == ("income",)


def test_where_nothing_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "SMALL", 1)
    customers = pa.table({"customer_id": [3, 1], "country": ["IN", "IN"], "name": ["a", "b"]})
    schema = {"customers": {"attributes": {"country": "category", "name": "text"}}}
    assert chosen(schema, {"customers": customers}) == ()
    countries = [f"c{number}" for number in range(300)]
    many = pa.table({"customer_id": range(300), "country": countries, "name": ["a"] * 300})
    assert chosen(schema, {"customers": many}) == ()
    assert chosen(ordered(schema, ["country"]), {"customers": many}) == ("country",)


def test_no_more_than_four_leading_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "SMALL", 1)
    names = list("abcdefgh")
    customers = pa.table({"customer_id": [1, 2], **{name: ["x", "y"] for name in names}})
    schema = {"customers": {"attributes": dict.fromkeys(names, "category")}}
    assert chosen(schema, {"customers": customers}) == ("a", "b", "c", "d")


# --- what is told ------------------------------------------------------------------------------------------------


@pytest.mark.compiled  # about what is told; orders around chunks are made uncompiled by the tests above
def test_inspect_tells_order_and_mixed_chunks(tmp_path: Path) -> None:
    for names in ([], ["grade"]):
        folder = tmp_path / "-".join(["index", *names])
        segdex.build(
            ordered(GRADES, names), as_of=shop.AS_OF, sources={"customers": grades(3 * CHUNK)}, out=folder
        ).close()
        found = answers.inspect(folder)
        assert found.order == names
        assert found.mixed == (0.0 if names else 1.0)  # every grade has a chunk of its own
        assert found.mixed_by == {"grade": found.mixed, "score": None}  # everyone has a score
        assert [each.mixed for each in found.predicates if each.label] == [found.mixed] * 3
