"""A build that takes the place of an index: what was declared, loaded, merged and erased there holds here too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import ArgumentError, SchemaError

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {"key": "key", "attributes": {"country": "category", "age": "integer"}},
    "streams": {"orders": {"key": "key", "time": "at", "fields": {"amount": {"type": "number", "scale": 2}}}},
    "metrics": {"spend": {"kind": "sum", "stream": "orders", "field": "amount"}},
    "segments": {"big": {"where": "spend >= 10", "tracked": True}},
}


def customers(keys: Any = ("ann", "bob", "cid", "dan")) -> pa.Table:
    return pa.table({"key": list(keys), "country": ["IN", "AE", None, "IN"], "age": [None, 40, 50, None]})


def orders(**amounts: float) -> pa.Table:
    return pa.table({
        "key": list(amounts), "at": ["2026-06-20T10:00:00Z"] * len(amounts), "amount": list(amounts.values())
    })  # fmt: skip


def tables() -> dict[str, pa.Table]:
    return {"customers": customers(), "orders": orders(ann=12.5, bob=3.0, cid=20.0)}


def lived(folder: Path | None = None) -> segdex.Index:
    """An index to which all has been done that no table tells."""
    index = segdex.build(SCHEMA, as_of=AS_OF, sources=tables(), out=folder)
    index.define("rich", "spend >= 3", tracked=True, owner="crm")
    index.load("vip", ["bob", "cid"])
    index.define("chosen", "segment 'vip' or country = 'AE'", suppression=("email",))
    index.load("survey", pa.table({"key": ["ann", "dan"], "label": ["warm", "cold"], "score": [0.5, None]}))
    index.define("warm", "survey = 'warm' and survey_score > 0.1")
    index.merge("ann", ["visitor", "dan"])
    index.erase(["cid", "nobody"])
    return index


RULES = [
    "everyone", "segment 'big'", "segment 'rich'", "segment 'vip'", "segment 'chosen'", "segment 'warm'",
    "survey = 'cold'", "survey is known", "country = 'IN'", "age is missing", "bucket('x', 4) < 2",
]  # fmt: skip


def told(index: segdex.Index) -> dict[str, list[str]]:
    return {
        rule: sorted(index.members(rule, suppression=False).read_all()["key"].to_pylist()) for rule in RULES
    }  # fmt: skip


@pytest.mark.parametrize("how", ["index", "folder", "journal"])
def test_all_of_it(tmp_path: Path, how: str) -> None:
    old = lived(None if how == "index" else tmp_path / "old")
    if how == "journal":
        old.apply({"orders": orders(eve=11.0)}, source="shop", offset=7)
    expected = told(old)
    more = {**tables(), "orders": pa.concat_tables([tables()["orders"], orders(eve=11.0)])}
    carry: Any = old if how == "index" else tmp_path / "old"
    sources = more if how == "journal" else tables()
    new = segdex.build(SCHEMA, as_of=AS_OF, sources=sources, carry=carry, out=tmp_path / "new", offsets={"shop": 7})
    new.close()
    with segdex.open(tmp_path / "new", read_only=False, verify=True) as new:
        assert told(new) == expected
        assert expected["everyone"] == (["ann", "bob", "eve"] if how == "journal" else ["ann", "bob"])
        assert new.schema.segments["rich"].owner == "crm"
        assert new.schema.segments["chosen"].suppression == ("email",)
        assert dict(new.offsets) == {"shop": 7}
        assert new.ids("visitor") == new.ids("ann") == new.ids("dan")
        changes = new.apply({"orders": orders(cid=99.0, visitor=5.0, nobody=1.0)})
        assert (changes.dropped, changes.generation) == (2, 2)
        assert new.contains("spend = 17.5", "ann")
        assert new.readmit("cid").found == 1
    assert old.count("everyone") == len(expected["everyone"]), "the old one is as it was"


def test_rows_of_the_erased_are_dropped_and_counted() -> None:
    old = lived()
    new = segdex.build(SCHEMA, as_of=AS_OF, sources=tables(), carry=old)
    assert new.report is not None
    assert {source.name: (source.rows, source.kept, source.dropped) for source in new.report.sources} == {
        "customers": (4, 3, 1), "orders": (3, 2, 1), "labels.survey": (1, 1, 0),
    }  # fmt: skip


def test_nothing_of_the_erased_is_in_a_file(tmp_path: Path) -> None:
    old = segdex.build(SCHEMA, as_of=AS_OF, sources=tables())
    old.erase("cid")
    secret = pa.table({"key": ["cid"], "country": ["SECRETLAND"], "age": [77]})
    sources = {**tables(), "customers": pa.concat_tables([customers(), secret])}
    segdex.build(SCHEMA, as_of=AS_OF, sources=sources, carry=old, out=tmp_path / "new").close()
    for path in (tmp_path / "new").iterdir():
        held = path.read_bytes()
        assert b"cid" not in held
        assert b"SECRETLAND" not in held


def test_what_the_schema_declares_comes_first() -> None:
    old = lived()
    schema = {
        **SCHEMA,
        "segments": {**SCHEMA["segments"], "rich": {"where": "spend > 100"}},
        "labels": {"survey": {"source": "none.parquet", "label": "label", "key": "key"}},
    }
    old.drop("warm")
    given = pa.table({"key": ["bob"], "label": ["new"]})
    new = segdex.build(schema, as_of=AS_OF, sources={**tables(), "survey": given}, carry=old)
    assert new.count("segment 'rich'") == 0
    assert new.count("survey = 'new'") == new.count("survey is known") == 1
    assert new.count("segment 'chosen'") == 1


def test_a_label_of_the_schema_without_a_table() -> None:
    schema = {**SCHEMA, "labels": {"survey": {"key": "who", "label": "what", "score": "how"}}}
    given = pa.table({"who": ["ann", "bob"], "what": ["a", "b"], "how": [1.0, None]})
    old = segdex.build(schema, as_of=AS_OF, sources={**tables(), "survey": given})
    new = segdex.build(schema, as_of=AS_OF, sources=tables(), carry=old)
    assert new.count("survey = 'a' and survey_score = 1") == 1
    assert new.count("survey = 'b' and survey_score is missing") == 1
    with pytest.raises(ArgumentError, match=r"no table for 'labels\.survey'"):
        segdex.build(schema, as_of=AS_OF, sources=tables())


def test_a_segment_that_the_schema_has_no_names_for() -> None:
    old = segdex.build(SCHEMA, as_of=AS_OF, sources=tables())
    schema = {**SCHEMA, "metrics": {}, "segments": {}}
    with pytest.raises(SchemaError, match=r"carried over does not fit.*'spend'.*drop what uses it") as caught:
        segdex.build(schema, as_of=AS_OF, sources=tables(), carry=old)
    assert caught.value.place is not None
    assert caught.value.place.startswith("segments.big.where")


@pytest.mark.parametrize("carry", [7, ["index"], b"index"])
def test_nothing_that_can_be_carried(carry: Any) -> None:
    with pytest.raises(ArgumentError):
        segdex.build(SCHEMA, as_of=AS_OF, sources=tables(), carry=carry)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="none"):
        segdex.build(SCHEMA, as_of=AS_OF, sources=tables(), carry=tmp_path / "none")


def test_the_greatest_version_of_keys_that_are_one() -> None:
    schema = {**SCHEMA, "customers": {**SCHEMA["customers"], "version": "v"}}
    rows = customers().append_column("v", pa.array([3, 1, 1, 9]))
    old = segdex.build(schema, as_of=AS_OF, sources={**tables(), "customers": rows})
    old.merge("ann", "dan")
    new = segdex.build(schema, as_of=AS_OF, sources={**tables(), "customers": rows}, carry=old)
    for version, country in ((8, "IN"), (10, "US")):
        late = pa.table({"key": ["ann"], "country": ["US"], "v": [version]})
        for index in (old, new):
            index.apply({"customers": late})
            assert index.contains(f"country = '{country}'", "ann")


def test_a_survivor_of_whom_there_are_no_rows() -> None:
    old = segdex.build(SCHEMA, as_of=AS_OF, sources=tables())
    old.merge("ann", "dan")
    rows = customers().slice(1)
    new = segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": rows, "orders": orders(bob=1.0)}, carry=old)
    assert sorted(new.members("everyone").read_all()["key"].to_pylist()) == ["ann", "bob", "cid"]
    assert new.contains("country = 'IN'", ["ann", "dan"]) == [True, True]


# --- attributes of keys that are one, and numbers as keys ------------------------------------------------------------

KEYS = st.integers(7, 12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(KEYS, st.sampled_from([None, "IN", "AE"]), st.sampled_from([None, 1, 2])), max_size=6),
    merges=st.lists(st.tuples(KEYS, st.lists(KEYS, min_size=1, max_size=3)), max_size=4),
    gone=st.lists(KEYS, max_size=2),
    kinds=st.tuples(*[st.sampled_from([pa.int64(), pa.string()])] * 2),
)
def test_attributes_are_those_that_merging_gave(
    rows: list[Any], merges: list[Any], gone: list[int], kinds: tuple[pa.DataType, pa.DataType]
) -> None:
    def built(kind: pa.DataType, **more: Any) -> segdex.Index:
        table = pa.table({
            "key": pa.array([key for key, _, _ in rows], pa.int64()).cast(kind),
            "country": pa.array([country for _, country, _ in rows], pa.string()),
            "age": pa.array([age for _, _, age in rows], pa.int64()),
        })  # fmt: skip
        nothing = {"key": pa.array([], kind), "at": pa.array([], pa.string()), "amount": pa.array([], pa.int64())}
        return segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": table, "orders": pa.table(nothing)}, **more)

    def said(index: segdex.Index) -> dict[str, Any]:
        held = index.members("everyone", columns=["country", "age"]).read_all().to_pylist()
        return {str(row.pop("key")): row for row in held}

    old = built(kinds[0])
    known = {key for key, _, _ in rows}
    for keep, drop in merges:
        # To merge two that were merged already settles values in an order that only the merges tell.
        if {keep, *drop} <= known and len(set(drop) | {keep}) == len(drop) + 1 and drop == sorted(drop):
            old.merge(keep, drop)
            known -= {keep, *drop}
    old.erase(gone)
    assert said(built(kinds[1], carry=old)) == said(old)


def test_labels_that_are_called_like_something_else() -> None:
    old = segdex.build(SCHEMA, as_of=AS_OF, sources=tables())
    for name in ("key", "orders", "customers", "later"):
        old.load(name, {"a": ["ann"], "b": ["bob"]})
    metrics = {**SCHEMA["metrics"], "later": {"kind": "count", "stream": "orders"}}
    new = segdex.build({**SCHEMA, "metrics": metrics}, as_of=AS_OF, sources=tables(), carry=old)
    for name in ("key", "orders", "customers"):
        assert new.keys(new.bitmap(f"{name} = 'a'")).to_pylist() == ["ann"]
    assert new.count("later = 1") == 3, "what the schema declares comes first"


def test_the_label_of_the_key_that_is_kept_comes_first() -> None:
    schema = {**SCHEMA, "labels": {"survey": {"key": "key", "label": "label"}}}
    for keys in (["ann", "dan"], ["dan", "ann"]):
        given = pa.table({"key": keys, "label": [f"of {key}" for key in keys]})
        old = segdex.build(schema, as_of=AS_OF, sources={**tables(), "survey": given})
        old.merge("ann", "dan")
        new = segdex.build(schema, as_of=AS_OF, sources={**tables(), "survey": given}, carry=old)
        assert new.customer("ann").labels == old.customer("ann").labels == {"survey": "of ann"}


def test_what_erased_customers_had_won_against_does_not_come_back() -> None:
    schema = {**SCHEMA, "streams": {"orders": {**SCHEMA["streams"]["orders"], "id": "line", "version": "v"}}}
    rows = orders(ann=1.0, bob=2.0, cid=3.0, dan=4.0)
    rows = rows.append_column("line", pa.array([1, 1, 2, 2])).append_column("v", pa.array([1, 2, 2, 1]))
    old = segdex.build(schema, as_of=AS_OF, sources={"customers": customers(), "orders": rows})
    old.erase(["bob", "dan"])
    new = segdex.build(schema, as_of=AS_OF, sources={"customers": customers(), "orders": rows}, carry=old)
    for index in (old, new):
        assert index.keys(index.bitmap("spend > 0")).to_pylist() == ["cid"]
