"""Segments and labels loaded into an index: every form of them, there and back, and what is refused."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap, BitMap64, FrozenBitMap

import segdex
from segdex.generation import Overlay, changeable
from segdex.store import generations
from tests.query import shop, test_labels
from tests.store.test_generations import described


@pytest.fixture
def index() -> Iterator[segdex.Index]:
    with shop.index() as made:
        yield made


def keys(index: segdex.Index, rule: str) -> list[Any]:
    return index.keys(index.bitmap(rule)).to_pylist()


WANTED = ["ann", "dan", "nobody", None, "ann"]
TABLE = pa.table({"customer_id": WANTED})


@pytest.mark.parametrize(
    "given_keys",
    [
        WANTED, tuple(WANTED), iter(WANTED), pa.array(WANTED), pa.chunked_array([WANTED[:2], WANTED[2:]]),
        pa.array(WANTED).dictionary_encode(), TABLE, TABLE.to_batches()[0], TABLE.to_reader(), pl.Series(WANTED),
        pl.DataFrame({"k": WANTED}), pd.DataFrame({"k": WANTED}), np.array(WANTED, object),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_keys_are_a_segment(index: segdex.Index, given_keys: Any) -> None:
    loaded = index.load("chosen", given_keys)
    assert keys(index, "segment 'chosen'") == ["ann", "dan"]
    assert index.count("everyone and not segment 'chosen'") == 3
    told = (loaded.name, loaded.kind, loaded.customers, loaded.unknown, loaded.null, loaded.repeated)
    assert told == ("chosen", "segment", 2, 1, 1, 1)
    assert loaded.generation == index.generation == 2
    assert "nobody" not in repr(loaded)


def test_keys_of_other_types_are_the_same_keys() -> None:
    people = pa.table({"id": [1, 2, 30]})
    with segdex.build({"customers": {"key": "id"}}, as_of=shop.AS_OF, sources={"customers": people}) as made:
        for held in ([1, 30], ["1", "30"], pa.array([1.0, 30.0]), pd.Series([1, 30, None]), np.array([30, 1]), {1, 30}):
            assert made.load("some", held).customers == 2
            assert keys(made, "segment 'some'") == [1, 30]
        assert made.load("some", pd.Series([1, 30, None])).null == 1
        assert made.load("some", ["01", "1.0"]).unknown == 2


SETS = {
    "bitmap": lambda held: held,
    "frozen": FrozenBitMap,
    "bytes": lambda held: held.serialize(),
    "runs": lambda held: _with_runs(held).serialize(),
    "bytearray": lambda held: bytearray(held.serialize()),
    "memoryview": lambda held: memoryview(held.serialize()),
}


def _with_runs(held: BitMap) -> BitMap:
    held = BitMap(held)
    held.run_optimize()
    return held


@pytest.mark.parametrize("form", SETS)
@pytest.mark.parametrize("rule", ["everyone", "spend > 10", "not everyone", "segment 'no_email'"])
def test_a_set_goes_out_and_comes_back(index: segdex.Index, form: str, rule: str) -> None:
    out = index.bitmap(rule)
    assert index.load("back", SETS[form](out)).customers == len(out) == index.count("segment 'back'")
    assert index.bitmap("segment 'back'") == out
    assert index.bitmap("segment 'back'").serialize() == out.serialize()
    exported = index.members(rule, suppression=False)
    assert index.load("keys", exported).customers == len(out)
    assert index.count("segment 'back' and not segment 'keys' or segment 'keys' and not segment 'back'") == 0


BORDERS = [0, 1, 63, 64, 510, 511, 512, 4096, 4097, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 131_099]


@pytest.fixture(scope="module")
def large() -> Iterator[segdex.Index]:
    people = pa.table({"id": np.arange(131_100) * 3})
    with segdex.build({"customers": {"key": "id"}}, as_of=shop.AS_OF, sources={"customers": people}) as made:
        yield made


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(BORDERS), st.sampled_from(BORDERS)), max_size=4), st.booleans())
def test_sets_at_the_borders_of_chunks(large: segdex.Index, spans: list[tuple[int, int]], step: bool) -> None:
    held = BitMap()
    for low, high in spans:
        held |= BitMap(range(low, high + 1, 7 if step else 1))
    for form in SETS.values():
        assert large.load("x", form(held)).customers == len(held)
        assert large.bitmap("segment 'x'") == held
        assert large.count("not segment 'x'") == 131_100 - len(held)
    ids = np.fromiter(held, np.int64, len(held))
    assert large.load("y", ids * 3).customers == len(held)
    assert large.bitmap("segment 'y'").serialize() == large.bitmap("segment 'x'").serialize()


@pytest.mark.parametrize("count", [0, 1, 65_535, 65_536, 65_537])
def test_nobody_and_everybody(count: int) -> None:
    people = pa.table({"id": pa.array(np.arange(count), pa.int64())})
    with segdex.build({"customers": {"key": "id"}}, as_of=shop.AS_OF, sources={"customers": people}) as made:
        for data, expected in (([], 0), (BitMap(), 0), (b"\x3a\x30\0\0\0\0\0\0", 0), (np.arange(count), count),
                               (made.bitmap("everyone"), count), (pa.nulls(2), 0)):  # fmt: skip
            assert made.load("x", data).customers == expected == made.count("segment 'x'")
            assert made.count("not segment 'x'") == count - expected
        assert made.load("l", {"all": np.arange(count), "none": []}).customers == count
        assert made.count("l = 'all'") == count


# --- labels ------------------------------------------------------------------------------------------------------


def test_keys_by_label(index: segdex.Index) -> None:
    loaded = index.load("cluster", {"b": ["bob", "cat", "zoe", None], "a": index.bitmap("country = 'IN'"), "c": []})
    assert (loaded.kind, loaded.customers, loaded.unknown, loaded.null, loaded.repeated) == ("label", 4, 1, 1, 0)
    assert dict(index.count_by("everyone", "cluster").counts) == {"a": 2, "b": 2, "missing": 1}
    assert keys(index, "cluster != 'a'") == ["bob", "cat"]
    assert index.load("cluster", {"a": ["ann", "bob"], "b": ["bob"]}).repeated == 1
    assert index.customer("bob").labels == {"cluster": "b"}, "the last label of a customer counts"
    assert index.customer("cat").labels == {"cluster": None}, "what is loaded takes the place of what was"


SCORED = pa.table({"key": ["ann", "bob", "ann"], "label": ["x", "y", "z"], "score": [0.5, 0.25, 0.75]})


@pytest.mark.parametrize(
    "table",
    [SCORED, SCORED.to_reader(), SCORED.to_batches()[0], pl.from_arrow(SCORED), SCORED.to_pandas(),
     SCORED.rename_columns(["customer_id", "model", "model_score"]), SCORED.select([2, 1, 0])],
    ids=["table", "reader", "batch", "polars", "pandas", "as members gives it", "another order"],
)  # fmt: skip
def test_a_table_of_labels(index: segdex.Index, table: Any) -> None:
    loaded = index.load("model", table)
    assert (loaded.customers, loaded.repeated) == (2, 1)
    assert keys(index, "model = 'z'") == ["ann"]
    assert keys(index, "model_score > 0.2") == ["ann", "bob"]
    assert index.customer("ann").labels == {"model": "z", "model_score": 0.75}


def test_labels_are_written_back_beside_the_keys(index: segdex.Index) -> None:
    index.load("model", SCORED)
    written = index.members("everyone", columns=["model", "model_score"], suppression=False).read_all()
    assert written.column_names == ["customer_id", "model", "model_score"]
    index.load("copy", written.rename_columns(["key", "label", "score"]))
    again = index.members("everyone", columns=["copy", "copy_score"], suppression=False).read_all()
    assert again.rename_columns(written.column_names) == written


def test_a_label_without_scores_takes_the_place_of_one_with_them(index: segdex.Index) -> None:
    index.load("model", SCORED)
    query = index.prepare("model_score > 0.5")
    assert query.count() == 1
    index.load("model", {"x": ["ann"]})
    assert list(index.customer("ann").labels) == ["model"]
    with pytest.raises(segdex.RuleError, match="unknown name 'model_score'"):
        query.count()
    assert not index.check("model_score > 0.5").valid
    index.load("model", SCORED)
    assert query.count() == 1


def test_a_label_of_the_schema_is_loaded_anew() -> None:
    """What uses it follows: bands, stages, segments; edges of quantiles stay until the next build."""
    with test_labels.build() as made:
        fitted = made._running().generation.fitted["rank"]
        table = pa.table({"customer_id": ["dan", "eve"], "cluster": ["loyal", "new"], "probability": [0.7, 0.1]})
        made.load("survey", table)
        assert keys(made, "survey = 'loyal'") == keys(made, "segment 'fans'") == keys(made, "kind = 'fan'") == ["dan"]
        assert keys(made, "sure = 'no'") == ["eve"]
        assert keys(made, "kind = 'other'") == ["eve"]
        assert keys(made, "rank = '1'") == ["dan", "eve"]
        assert keys(made, "survey_score < 0.5") == ["eve"]
        assert made.count("survey = 'bargain'") == 0
        assert made._running().generation.fitted["rank"] == fitted
        assert made.schema.labels["survey"].label == "cluster", "it stays as it was declared"
        with pytest.raises(segdex.ArgumentError, match="'survey_score' is used; found it is used by rank, sure"):
            made.load("survey", {"loyal": ["ann"]})
        assert keys(made, "survey = 'loyal'") == ["dan"], "what failed has changed nothing"


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("spend", ["ann"], "'spend' is taken; found a metric"),
        ("country", ["ann"], "'country' is taken; found an attribute"),
        ("recency", {"a": ["ann"]}, "'recency' is taken; found a band"),
        ("lifecycle", {"a": ["ann"]}, "'lifecycle' is taken; found a stage"),
        ("good", ["ann"], "'good' is taken; found a segment"),
        ("good", {"a": ["ann"]}, "'good' is taken; found a segment"),
        ("loaded", {"a": ["ann"]}, "'loaded' is taken; found a loaded segment"),
        ("labelled", ["ann"], "'labelled' is taken; found a label"),
        ("labelled_score", ["ann"], "'labelled_score' is taken; found a label"),
        ("spends", pa.table({"key": ["ann"], "label": ["a"], "score": [1.0]}), "'spends_score' is taken"),
        ("", ["ann"], "an empty name"),
        ("x" * 1025, ["ann"], "too long"),
        ("a\nb", ["ann"], "control character"),
        ("a\0b", ["ann"], "cannot be kept"),
        ("\ud800", ["ann"], "cannot be kept"),
        (None, ["ann"], "not a name; found NoneType"),
    ],
)
def test_names_that_are_taken_or_none(name: Any, data: Any, said: str) -> None:
    taken = {**shop.SCHEMA, "segments": {**shop.SCHEMA["segments"], "spends_score": {"where": "everyone"}}}
    sources = {"customers": shop.CUSTOMERS, "orders": shop.ORDERS}
    with segdex.build(taken, as_of=shop.AS_OF, sources=sources) as made:
        made.load("loaded", ["ann"])
        made.load("labelled", pa.table({"key": ["ann"], "label": ["a"], "score": [1.0]}))
        before = (made.generation, made.schema)
        with pytest.raises(segdex.ArgumentError, match=said):
            made.load(name, data)
        assert (made.generation, made.schema) == before


@pytest.mark.parametrize("name", ["größte Kunden", "x/y%", "and", "a'b", 'a"b', "n" * 1024])
def test_any_text_is_a_name(index: segdex.Index, name: str, tmp_path: Path) -> None:
    index.load(name, ["ann"])
    index.load(f"l{name[1:]}", {"a'b": ["bob"]})
    index.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        for made in (index, opened):
            assert keys(made, str(segdex.segment(name))) == ["ann"]
            assert keys(made, str(segdex.field(f"l{name[1:]}") == "a'b")) == ["bob"]


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("ann", segdex.ArgumentError, "nothing that can be loaded; found str"),
        (7, segdex.ArgumentError, "nothing that can be loaded; found int"),
        (None, segdex.ArgumentError, "no keys; found NoneType"),
        ([1.5], segdex.ArgumentError, "no keys"),
        ([True], segdex.ArgumentError, "no keys"),
        ([b"secret"], segdex.ArgumentError, "no keys"),
        (pa.array([[1]]), segdex.ArgumentError, "no keys"),
        (BitMap([5]), segdex.ArgumentError, "beyond the last one; found 5; allowed: ids below 5"),
        (BitMap([2**32 - 1]).serialize(), segdex.ArgumentError, "beyond the last customer"),
        (BitMap64([1]), segdex.ArgumentError, "64-bit ids"),
        (b"", segdex.CorruptError, "end too early"),
        (b"not a set at all", segdex.CorruptError, "not a portable Roaring set"),
        (BitMap([1, 2]).serialize()[:-1], segdex.CorruptError, "end too early"),
        (BitMap([1, 2]).serialize() + b"\0", segdex.CorruptError, "left over"),
        (BitMap64([1, 2]).serialize(), segdex.CorruptError, "64-bit"),
        ({"a": "ann"}, segdex.ArgumentError, "nothing that can be loaded; found str"),
        ({"a": None}, segdex.ArgumentError, "no keys"),
        ({"a": BitMap([5])}, segdex.ArgumentError, "beyond the last one"),
        ({"a": pa.table({"k": ["ann"], "l": ["x"]})}, segdex.ArgumentError, "one column; found k, l"),
        ({7: ["ann"]}, segdex.ArgumentError, "not a label; found int"),
        ({"a\0": ["ann"]}, segdex.ArgumentError, "not a label"),
        (pa.table({"key": ["ann"], "lable": ["a"]}), segdex.ArgumentError, "found key, lable; allowed: key, label"),
        (pa.table({"key": ["ann"], "label": ["a"], "score": ["much"]}), segdex.SourceError, "row 1, column 'score'"),
        (pa.table({"key": [1.5], "label": ["a"]}), segdex.SourceError, "column 'key'"),
        (pa.table({}), segdex.ArgumentError, "no keys and labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded(index: segdex.Index, data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        index.load("x", data)
    assert re.search(r"\bann\b", str(caught.value)) is None
    assert "secret" not in str(caught.value)
    assert index.generation == 1
    assert "x" not in index.schema.segments | index.schema.labels


def test_hostile_bytes_are_refused_or_a_set(index: segdex.Index) -> None:
    whole = index.bitmap("everyone").serialize()
    for at in range(len(whole)):
        for changed in (0x00, 0xFF, whole[at] ^ 1):
            data = whole[:at] + bytes([changed]) + whole[at + 1 :]
            try:
                index.load("x", data)
            except (segdex.CorruptError, segdex.ArgumentError):
                continue
            assert index.bitmap("segment 'x'") == BitMap.deserialize(data)


def test_what_a_foreign_object_raises_is_not_passed_on(index: segdex.Index) -> None:
    class Foreign:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("secret-key")

    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            def batches() -> Iterator[pa.RecordBatch]:
                yield pa.record_batch([["ann"]], names=["key"])
                raise RuntimeError("secret-key")

            schema = pa.schema([("key", pa.string())])
            return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)

    for data in (Foreign(), Broken(), {"a": Broken()}):
        with pytest.raises(segdex.ArgumentError) as caught:
            index.load("x", data)
        assert "secret-key" not in str(caught.value)


# --- generations -------------------------------------------------------------------------------------------------


def test_what_was_loaded_is_saved(index: segdex.Index, tmp_path: Path) -> None:
    index.load("chosen", ["ann", "bob"])
    index.load("model", SCORED)
    index.save(tmp_path)
    assert list(generations.verify(tmp_path)) == []
    rules = ["segment 'chosen'", "model = 'z'", "model_score >= 0.25", "segment 'chosen' and not model_score > 0.5"]
    with segdex.open(tmp_path) as reader, pytest.raises(segdex.LockedError, match="opened to be read"):
        reader.load("chosen", ["cat"])
    with segdex.open(tmp_path, read_only=False) as opened:
        assert opened.counts(rules) == index.counts(rules) == [2, 1, 2, 1]
        assert opened.generation == index.generation == 3
        assert opened.customer("ann") == index.customer("ann")
        assert opened.segments_of("ann") == ("spenders", "good", "chosen")
        assert opened.schema == index.schema
        opened.load("chosen", ["cat"])
        opened.load("other", ["ann"])
        opened.load("model", {"w": ["eve"]})
        assert opened.counts(["segment 'chosen'", "segment 'other'", "model = 'w'", "model = 'z'"]) == [1, 1, 1, 0]
        assert opened.count("segment 'good'") == 1, "the rest is as it was"
        with segdex.open(tmp_path) as again:
            assert again.counts(["segment 'chosen'", "model = 'w'"]) == [1, 1], "it was written at once"
        opened.save(tmp_path)
        assert opened.generation == 6
    with segdex.open(tmp_path) as last:
        assert last.counts(["segment 'chosen'", "segment 'other'", "model = 'w'"]) == [1, 1, 1]
        assert last.generation == 6
        assert "model_score" not in last.customer("eve").labels
    assert list(generations.verify(tmp_path)) == []


def test_a_saved_index_without_the_set_of_a_segment_is_damaged(index: segdex.Index, tmp_path: Path) -> None:
    index.load("chosen", ["ann"])
    index.save(tmp_path)
    (path,) = tmp_path.glob("generation-*")

    def lost(held: dict[str, Any]) -> None:
        held["predicates"][held["predicates"].index(["chosen", "true", None])][0] = "another"

    described(path, lost)
    with pytest.raises(segdex.CorruptError, match="the set of segment 'chosen' is not there"):
        segdex.open(tmp_path)


def test_a_number_never_goes_back(index: segdex.Index, tmp_path: Path) -> None:
    for _ in range(3):
        index.load("x", ["ann"])
    index.save(tmp_path)
    assert index.generation == 4
    index.save(tmp_path)
    assert index.generation == 5
    with segdex.open(tmp_path) as opened:
        assert opened.generation == 5


def test_a_schema_of_a_file_has_no_segment_without_a_rule(index: segdex.Index) -> None:
    index.load("x", ["ann"])
    with pytest.raises(segdex.SchemaError, match=r"segments\.x: 'where' is missing"):
        segdex.build(index.schema, as_of=shop.AS_OF, sources={})


def test_a_loaded_segment_is_told_like_any_other(index: segdex.Index) -> None:
    index.load("chosen", ["ann", "cat"])
    told = index.explain("segment 'chosen' and spend > 10")
    assert told.count == 1
    assert "a loaded set" in str(told)
    assert "chosen = 'true'" in told.rewritten
    assert dict(index.count_by("everyone", "chosen").counts) == {"false": 3, "true": 2, "missing": 0}
    found = index.members("everyone", columns=["chosen"], suppression=False).read_all()
    assert found["chosen"].to_pylist() == [True, False, True, False, False]
    assert index.segments_of("ann") == ("spenders", "good", "chosen")
    assert index.check("segment 'chosen'").leaves == 0
    assert index.contains("segment 'chosen'", ["ann", "bob"]) == [True, False]
    assert index.estimate("segment 'chosen'").value == 2
    with pytest.raises(segdex.RuleError, match="is a segment, not a value"):
        index.count("chosen = true")


def test_a_prepared_query_follows(index: segdex.Index) -> None:
    index.load("x", ["ann"])
    query, text = index.prepare("segment 'x'"), "segment 'x' and country = 'IN'"
    assert [query.count() for _ in range(3)] == [1, 1, 1]
    assert index.count(text) == 1
    index.load("x", ["ann", "bob", "dan"])
    assert (query.count(), query.count(suppression=True), len(query.bitmap())) == (3, 2, 3)
    assert index.count(text) == 2


def test_a_reader_ends_with_what_it_began_with(index: segdex.Index) -> None:
    index.load("model", {"x": ["ann"]})
    reader = index.members("everyone", columns=["model"], suppression=False)
    index.load("model", {"y": ["bob"]})
    assert reader.read_all()["model"].to_pylist() == ["x", None, None, None, None]


def test_threads_load_and_ask(index: segdex.Index) -> None:
    wrong: list[object] = []
    stop = threading.Event()
    index.load("l", pa.table({"key": ["ann"], "label": ["0"], "score": [0.0]}))

    def ask() -> None:
        while not stop.is_set():
            found = index.members("l is known", columns=["l", "l_score"], suppression=False).read_all().to_pylist()
            wrong.extend(row for row in found if float(row["l"]) != row["l_score"])

    def load(which: int) -> None:
        for number in range(20):
            index.load(f"s{which}-{number}", ["ann", "bob"][: 1 + number % 2])
            index.load("l", pa.table({"key": ["ann", "bob"], "label": [str(number)] * 2, "score": [float(number)] * 2}))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    loaders = [threading.Thread(target=load, args=(which,)) for which in range(2)]
    for thread in (*askers, *loaders):
        thread.start()
    for thread in loaders:
        thread.join()
    stop.set()
    for thread in askers:
        thread.join()
    assert wrong == []
    assert index.counts([f"segment 's{which}-{number}'" for which in range(2) for number in range(20)]) == [1, 2] * 20
    assert index.generation == 2 + 80


def test_a_closed_index_loads_nothing() -> None:
    with shop.index() as made:
        pass
    with pytest.raises(segdex.ClosedError):
        made.load("x", ["ann"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this operating system does not fork")
def test_a_forked_child_loads_for_itself(index: segdex.Index) -> None:
    index.load("x", ["ann"])
    child = os.fork()
    if child == 0:
        index.load("x", ["ann", "bob"])
        os._exit(0 if index.count("segment 'x'") == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.count("segment 'x'") == 1


@given(
    st.dictionaries(st.integers(0, 5), st.integers()), st.lists(st.tuples(st.integers(0, 8), st.none() | st.integers()))
)
def test_an_overlay_is_a_mapping(below: dict[int, int], changes: list[tuple[int, int | None]]) -> None:
    made: Any = Overlay(below)
    expected = dict(below)
    for at, (key, value) in enumerate(changes):
        if value is not None:
            made[key] = expected[key] = value
        elif key in expected:
            del made[key], expected[key]
        else:
            with pytest.raises(KeyError):
                del made[key]
        if at % 3 == 2:
            made = changeable(made)
        assert dict(made) == expected
        assert len(made) == len(expected)
        assert [key in made for key in range(9)] == [key in expected for key in range(9)]
        assert [made.get(key) for key in range(9)] == [expected.get(key) for key in range(9)]


def test_labels_of_many_values_have_no_sets() -> None:
    """A score written as text, say: more distinct labels than there are sets for."""
    count = 6000
    people = pa.table({"id": np.arange(count)})
    with segdex.build({"customers": {"key": "id"}}, as_of=shop.AS_OF, sources={"customers": people}) as made:
        table = pa.table({"key": np.arange(count), "label": [str(number // 1.2) for number in range(count)]})
        assert made.load("l", table).customers == count
        assert made._running().generation.labels("l") is None
        assert keys(made, "l = '0.0'") == [0, 1]
        made.load("l", {"few": [5]})
        assert (keys(made, "l = 'few'"), made.count("l = '0.0'")) == ([5], 0)


# --- what a first attack found -----------------------------------------------------------------------------------


def people() -> segdex.Index:
    table = pa.table({"id": range(10), "country": ["IN", "AE"] * 5})
    schema = {"customers": {"key": "id", "attributes": {"country": "category"}}}
    return segdex.build(schema, as_of="2026-06-30T00:00:00Z", sources={"customers": table})


@pytest.mark.parametrize("turned", [{917: "gold"}, {b"ann@x.com": [1]}, {"ann@x.com\0": "gold"}])
def test_a_mapping_turned_round_tells_no_key(turned: dict[Any, Any]) -> None:
    with people() as index, pytest.raises(segdex.ArgumentError, match="not a label") as caught:
        index.load("grade", turned)
    assert "917" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_scores_by_key_are_no_keys() -> None:
    with people() as index, pytest.raises(segdex.ArgumentError, match="columns key, label and score"):
        index.load("model", {"churn": {1: 0.9, 2: 0.1}})


def test_what_another_saved_is_not_lost(tmp_path: Path) -> None:
    built = people()
    built.save(tmp_path / "index")
    other = segdex.open(tmp_path / "index")
    with segdex.open(tmp_path / "index", read_only=False) as one:
        one.load("first", [1])
        with pytest.raises(segdex.LockedError, match="another writer is at work"):
            built.load("second", [2])
        one.load("third", [3])
        one.save(tmp_path / "index")  # its own is what is there
    with pytest.raises(segdex.LockedError, match="another writer changed this index since it was saved"):
        built.load("second", [2])
    for older in (built, other):
        with pytest.raises(segdex.LockedError, match="another writer saved this index since it was opened"):
            older.save(tmp_path / "index")
    other.save(tmp_path / "elsewhere")
    with segdex.open(tmp_path / "index") as index:
        assert index.counts(["segment 'first'", "segment 'third'"]) == [1, 1]
    people().save(tmp_path / "index")  # a new build takes the place of whatever is there
