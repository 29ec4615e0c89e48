"""Tables of labels against the naive reading, whatever the types of keys, the split and the disguise of the rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from segdex.errors import ArgumentError, SourceError
from segdex.ingest.read import Tables, read
from segdex.schema.load import load
from tests.ingest.arrays import disguised, items, pieces
from tests.oracle import labels as oracle

SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": {"country": "category"}},
    "streams": {"visits": {"key": "id"}},
    "labels": {
        "survey": {"key": "who", "label": "cluster", "score": "probability"},
        "plain": {"label": "cluster"},
    },
}
CATALOG = load(SCHEMA)
KEYS = [1, 2, 3, 7, 10, 100]
PEOPLE = pa.table({"id": KEYS, "country": ["IN"] * len(KEYS)})
VISITS = pa.table({"id": pa.array([10, 11], pa.int64())})
NOTHING = pa.table({"customer_id": pa.array([], pa.int64()), "cluster": pa.array([], pa.string())})
keys = st.none() | st.sampled_from([1, 2, 3, 10, 11, 12, -5])
names = st.none() | st.sampled_from(["a", "b", "ünï", ""])
scores = st.none() | st.sampled_from([0.5, -1.0, math.nan, math.inf])
rows = st.lists(st.tuples(keys, names, scores), max_size=12)


def tables(survey: pa.Table, plain: pa.Table = NOTHING, people: pa.Table = PEOPLE, **options: Any) -> Tables:
    sources = {"customers": people, "visits": VISITS, "survey": survey, "labels.plain": plain}
    return read(CATALOG, sources, **options)


def survey_of(held: list[oracle.Row]) -> pa.Table:
    columns = [list(each) for each in zip(*held, strict=True)] or [[], [], []]
    kinds = [pa.int64(), pa.string(), pa.float64()]
    arrays = [pa.array(column, kind, from_pandas=False) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=["who", "cluster", "probability"])


def check(found: Tables, held: list[oracle.Row], customers: list[int]) -> None:
    expected = oracle.labelled(customers, held)
    names = [str(key) for key in found.keys.values.to_pylist()]
    assert names == [str(key) for key in customers]
    assert items(found.attributes["survey"]) == [expected.labels.get(name) for name in names]
    assert items(found.attributes["survey_score"]) == [expected.scores.get(name) for name in names]
    report = found.report["labels.survey"]
    counted = (report.kept, report.unowned, report.strangers, report.replaced)
    assert counted == (expected.kept, expected.unowned, expected.strangers, expected.replaced)
    assert report.rows == len(held) == sum(counted)


@settings(max_examples=150)
@given(st.data(), rows, st.booleans(), st.booleans())
def test_labels_equal_the_naive_reading(
    data: st.DataObject, held: list[oracle.Row], text: bool, text_customers: bool
) -> None:
    table = survey_of(held)
    if text:
        table = table.set_column(0, "who", table["who"].cast(pa.string()))
    chunks = [data.draw(disguised(column.combine_chunks())) for column in table.columns]
    whole = pa.table(chunks, names=table.column_names)
    parts = data.draw(pieces(len(held)))
    split = pa.concat_tables([whole.slice(part.start, part.stop - part.start) for part in parts])
    people = PEOPLE.set_column(0, "id", PEOPLE["id"].cast(pa.string())) if text_customers else PEOPLE
    customers = sorted([*KEYS, 11], key=str) if text_customers else sorted([*KEYS, 11])
    check(tables(split, people=people), held, customers)


@settings(max_examples=40)
@given(rows)
def test_a_csv_file_of_labels_is_read_alike(tmp_path_factory: pytest.TempPathFactory, held: list[oracle.Row]) -> None:
    path = tmp_path_factory.mktemp("labels") / "survey.csv"
    plain = [(key, label, score if score in (0.5, -1.0) else None) for key, label, score in held]
    csv.write_csv(survey_of(plain), path, csv.WriteOptions(quoting_style="needed"))
    check(tables(path), plain, sorted([*KEYS, 11]))


def test_a_label_makes_nobody_a_customer_and_decides_nothing_about_keys() -> None:
    table = pa.table({"who": ["007", "7", "x", None], "cluster": ["a", "b", "c", "d"], "probability": [1, 2, 3, 4]})
    found = tables(table)
    assert found.keys.values.to_pylist() == [1, 2, 3, 7, 10, 11, 100], "keys stay integers"
    assert items(found.attributes["survey"])[3] == "b", "007 is another key"
    report = found.report["labels.survey"]
    assert (report.kept, report.strangers, report.unowned) == (1, 2, 1)


def test_labels_may_be_numbers_and_booleans() -> None:
    for held, expected in (([1, 2], "1"), ([1.0, 2.0], "1"), ([True, False], "true")):
        table = pa.table({"who": [1, 2], "cluster": held, "probability": ["0.25", ""]})
        found = tables(table)
        assert items(found.attributes["survey"])[0] == expected
        assert items(found.attributes["survey_score"])[:2] == [0.25, None]


def test_only_labels_that_somebody_has_are_kept() -> None:
    table = pa.table({"who": [1, 1, 99], "cluster": ["early", "late", "nobody's"], "probability": [1.0, 2.0, 3.0]})
    column = tables(table).attributes["survey"]
    assert column.dictionary is not None
    assert column.dictionary.to_pylist() == ["late"]


def test_a_bad_row_is_named_or_left_out() -> None:
    table = pa.table({"who": ["1", "2"], "cluster": ["a", "b"], "probability": ["much", "0.5"]})
    with pytest.raises(SourceError, match="row 1, column 'probability'"):
        tables(table)
    found = tables(table, on_error="skip")
    assert items(found.attributes["survey"])[:2] == [None, "b"]
    assert found.report["labels.survey"].rejected == 1
    assert found.report.rejected["source"].to_pylist() == ["labels.survey"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"who": [1], "cluster": ["a"]}), "no column 'probability'"),
        (pa.table({"who": [1.5], "cluster": ["a"], "probability": [1.0]}), "column 'who'"),
        (pa.table({"who": [1], "cluster": [["a"]], "probability": [1.0]}), "column 'cluster'"),
        (pa.table({"who": [True], "cluster": ["a"], "probability": [1.0]}), "a key"),
    ],
)
def test_tables_that_are_no_labels(table: pa.Table, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        tables(table)


def test_a_declared_label_needs_a_table() -> None:
    with pytest.raises(ArgumentError, match=r"no table for 'labels\.survey'"):
        read(CATALOG, {"customers": PEOPLE, "visits": VISITS})


def test_a_file_is_named_by_the_schema(tmp_path: Path) -> None:
    csv.write_csv(pa.table({"customer_id": [1, 3], "cluster": ["x", "y"]}), tmp_path / "plain.csv")
    people = tmp_path / "people.csv"
    csv.write_csv(PEOPLE, people)
    schema = {
        "customers": {"key": "id", "source": str(people)},
        "labels": {"plain": {"source": str(tmp_path / "plain.csv"), "label": "cluster"}},
    }
    found = read(load(schema))
    assert items(found.attributes["plain"]) == ["x", None, "y", None, None, None]


def test_nobody_is_labelled_in_an_empty_index() -> None:
    empty = {"customers": PEOPLE.slice(0, 0), "visits": VISITS.slice(0, 0), "plain": NOTHING}
    found = read(CATALOG, empty | {"survey": survey_of([(1, "a", 1.0)])})
    assert len(found.attributes["survey"]) == 0
    assert found.report["labels.survey"].strangers == 1
