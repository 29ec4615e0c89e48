"""From a file, a table or structs to one and the same catalog; and files that are no schema."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import SchemaError
from segdex.rules.text import parse, parse_value
from segdex.rules.windows import Calendar, Dates, Duration, Last, Lifetime, Previous, Rolling, This
from segdex.schema.catalog import Catalog
from segdex.schema.load import LARGEST_FILE, load
from segdex.schema.model import Band, Customers, Field, Metric, Schema, Segment, Stage, Step, Stream, TimeColumn
from segdex.schema.types import ValueType
from tests.schema.example import TOML, example


def same(one: Catalog, other: Catalog) -> bool:
    return (one.schema, one.zone, one.types, one.order, one.fields) == (
        other.schema, other.zone, other.types, other.order, other.fields
    )  # fmt: skip


def written_out(catalog: Catalog) -> dict[str, Any]:
    """A loaded schema as the table that a snapshot keeps."""
    return msgspec.json.decode(msgspec.json.encode(catalog.schema), type=dict)


# --- what comes out ----------------------------------------------------------------------------------------------


def test_the_example(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(TOML, encoding="utf-8")
    catalog = load(path)
    assert catalog.base == tmp_path
    assert catalog.zone == ZoneInfo("Asia/Kolkata")
    assert catalog.schema.customers.attributes["tier"] == Field(type="category", column="loyalty_tier", fold="lower")
    assert catalog.schema.streams["orders"].time == TimeColumn(column="ordered_at")
    assert catalog.schema.metrics["trend_spend"].formula == parse_value("spend_6m / 6 - spend_1y / 12")
    assert catalog.schema.segments["no_email"].where == parse("not email_consent = true")
    assert catalog.schema.segments["no_email"].suppression == ("email",)
    assert catalog.schema.privacy.minimum_count == 20
    assert catalog.fields["orders"]["department"] == ValueType("category", role="field")
    assert catalog.types["tier"].fold


def test_order_puts_each_after_what_it_uses() -> None:
    table = example()
    # Declared before what they use, across tables.
    table["metrics"] = {"double": {"kind": "formula", "formula": "trend_spend * 2"}, **table["metrics"]}
    table["segments"] = {
        "top": {"where": "segment 'middle' and value_tier = '5'"},
        "middle": {"where": "lifecycle = 'active' and any c (affinity[c] = '0.75..')"},
        **table["segments"],
    }
    table["bands"]["value_tier"]["among"] = "segment 'frequent'"
    order = load(table).order
    uses = [
        ("double", "trend_spend"), ("trend_spend", "spend_6m"), ("top", "middle"), ("top", "value_tier"),
        ("middle", "lifecycle"), ("middle", "affinity"), ("value_tier", "frequent"), ("frequent", "orders_3m"),
        ("recency", "since_order"), ("lifecycle", "since_order"), ("affinity", "value_share"),
    ]  # fmt: skip
    assert [(a, b) for a, b in uses if order.index(a) < order.index(b)] == []
    assert sorted(order) == sorted([*table["metrics"], *table["bands"], *table["stages"], *table["segments"]])


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ("90d", Rolling(Duration(90, "d"))),
        ("36h", Rolling(Duration(36, "h"))),
        ("lifetime", Lifetime()),
        ({"from": "180d", "to": "90d"}, Rolling(Duration(180, "d"), Duration(90, "d"))),
        ({"from": "6mo", "to": "30d"}, Rolling(Duration(6, "mo"), Duration(30, "d"))),
        ({"to": "30d"}, Rolling(None, Duration(30, "d"))),
        ({"from": "30d"}, Rolling(Duration(30, "d"))),
        ({"from": "2025-11-24", "to": "2025-12-01"}, Dates(dt.date(2025, 11, 24), dt.date(2025, 12, 1))),
        ({"from": dt.date(2025, 11, 24)}, Dates(dt.date(2025, 11, 24))),
        ({"calendar": "30d"}, Calendar(Duration(30, "d"))),
        ({"calendar": "30d", "today": True}, Calendar(Duration(30, "d"), True)),
        ({"this": "mo"}, This("mo")),
        ({"previous": "w"}, Previous("w")),
        ({"last": 10}, Last(10)),
        (Rolling(Duration(90, "d")), Rolling(Duration(90, "d"))),
    ],
)
def test_windows(written: Any, window: object) -> None:
    table = example()
    table["metrics"]["orders_3m"]["window"] = written
    assert load(table).schema.metrics["orders_3m"].window == window


def test_steps_of_sequences() -> None:
    table = example()
    table["metrics"]["x"] = {
        "kind": "sequence", "window": {"last": 3},
        "steps": ["orders", {"stream": "emails", "where": "action = 'open'", "not": True, "within": "3d"}],
    }  # fmt: skip
    catalog = load(table)
    assert catalog.schema.metrics["x"] == Metric(
        kind="sequence", window=Last(3),
        steps=(Step(stream="orders"),
               Step(stream="emails", where=parse("action = 'open'"), negated=True, within=Duration(3, "d"))),
    )  # fmt: skip
    assert catalog.types["x"] == ValueType("integer", role="metric")
    assert same(load(written_out(catalog)), catalog)
    assert same(load(catalog.schema), catalog)


def test_sessions_have_a_duration_that_rows_have_not() -> None:
    table = example()
    table["streams"]["pages"] = {"time": "at", "unit": {"gap": "30min"}, "fields": {"seconds": "integer"}}
    table["metrics"]["x"] = {"kind": "max", "stream": "pages", "field": "duration", "having": "duration > 1"}
    catalog = load(table)
    assert list(catalog.fields["pages"]) == list(catalog.rows("pages").names()) == ["seconds"]
    assert list(catalog.transactions("pages").names()) == ["seconds", "duration"]
    assert catalog.types["x"] == ValueType("number", role="metric")
    assert same(load(written_out(catalog)), catalog)


def test_bands_are_written_out() -> None:
    table = example()
    table["customers"]["attributes"]["joined"] = "time"
    table["bands"] = {
        "share": {"metric": "value_share", "edges": [0.2, 0.50, "0.75"]},
        "fifths": {"metric": "spend_6m", "quantiles": 5},
        "named": {"metric": "spend_6m", "quantiles": 2, "labels": ["low", "high"]},
        "born": {"metric": "birth_date", "edges": [dt.date(1980, 1, 1), "2000-01-01"]},
        "joined_in": {"metric": "joined", "edges": [dt.date(2025, 1, 1), dt.datetime(2025, 1, 1, 12)]},
        "one": {"metric": "orders_3m", "edges": [-1]},
    }
    catalog = load(table)
    labels = {name: kind.order for name, kind in catalog.types.items() if kind.role == "band"}
    assert labels == {
        "share": ("..0.2", "0.2..0.5", "0.5..0.75", "0.75.."),
        "fifths": ("1", "2", "3", "4", "5"),
        "named": ("low", "high"),
        "born": ("..1980-01-01", "1980-01-01..2000-01-01", "2000-01-01.."),
        "joined_in": ("..2025-01-01", "2025-01-01..2025-01-01T06:30:00Z", "2025-01-01T06:30:00Z.."),
        "one": ("..-1", "-1.."),
    }
    assert catalog.types["share"].family
    assert not catalog.types["fifths"].family
    noon = dt.datetime(2025, 1, 1, 6, 30, tzinfo=dt.UTC)
    assert catalog.schema.bands["joined_in"].edges == (dt.date(2025, 1, 1), noon)
    assert catalog.schema.bands["share"].edges == (Decimal("0.2"), Decimal("0.5"), Decimal("0.75"))
    assert {name: band.labels for name, band in catalog.schema.bands.items()} == labels


def test_edges_of_times_ascend_as_moments() -> None:
    table = example()
    table["customers"]["attributes"]["joined"] = "time"
    # Midnight in Kolkata is 18:30 of the day before in UTC.
    for edge, fine in [("2024-12-31T18:30:00Z", False), ("2024-12-31T18:30:01Z", True)]:
        table["bands"] = {"b": {"metric": "joined", "edges": [dt.date(2025, 1, 1), edge]}}
        if fine:
            load(table)
        else:
            with pytest.raises(SchemaError, match="do not ascend"):
                load(table)


def test_a_lookup_gives_its_options_to_the_stream() -> None:
    table = example()
    table["lookups"]["my.products"] = {
        "key": "id",
        "fields": {
            "size.eu": {"type": "category", "order": ["S", "M"], "fold": None},
            "price": {"type": "number", "scale": 2},
        },
    }
    del table["lookups"]["my.products"]["fields"]["size.eu"]["fold"]
    fields = table["streams"]["orders"]["fields"]
    fields["size"] = {"type": "category", "lookup": "my.products.size.eu", "on": "product_id"}
    fields["price"] = {"type": "number", "lookup": "my.products.price", "on": "product_id"}
    found = load(table).fields["orders"]
    assert found["size"] == ValueType("category", order=("S", "M"), role="field")
    assert found["price"] == ValueType("number", scale=2, role="field")


# --- the same from everywhere ------------------------------------------------------------------------------------


def test_structs_with_text_rules() -> None:
    made = Schema(
        customers=Customers(attributes={"country": Field(type="category")}),
        streams={
            "orders": Stream(
                time=TimeColumn(column="at"), where="amount > 0", fields={"amount": Field(type="number")}
            )
        },
        metrics={
            "n": Metric(kind="count", stream="orders", window=Rolling(Duration(90, "d")), where="amount > 3"),
            "f": Metric(kind="formula", formula="n / 3"),
        },
        bands={"b": Band(metric="n", edges=(Decimal(1), Decimal("2.50")))},
        stages={"s": (Stage(name="new", where="n = 0"), Stage(name="old", where="everyone"))},
        segments={"x": Segment(where="n > 1 and country = 'IN'")},
    )  # fmt: skip
    table = {
        "customers": {"attributes": {"country": "category"}},
        "streams": {"orders": {"time": "at", "where": "amount > 0", "fields": {"amount": "number"}}},
        "metrics": {
            "n": {"kind": "count", "stream": "orders", "window": "90d", "where": "amount > 3"},
            "f": {"kind": "formula", "formula": "n / 3"},
        },
        "bands": {"b": {"metric": "n", "edges": [1, 2.5]}},
        "stages": {"s": [{"name": "new", "where": "n = 0"}, {"name": "old", "where": "everyone"}]},
        "segments": {"x": {"where": "n > 1 and country = 'IN'"}},
    }
    assert same(load(made), load(table))
    with pytest.raises(SchemaError) as caught:
        load(msgspec.structs.replace(made, segments={"x": Segment(where="m > 1")}))
    assert caught.value.place == "segments.x.where, line 1, column 1"


def test_loading_again_and_dumping() -> None:
    table = example()
    table["customers"]["attributes"]["joined"] = "time"
    table["bands"]["j"] = {"metric": "joined", "edges": ["2025-01-01", "2025-02-01T00:00:00Z"]}
    table["metrics"]["dated"] = {"kind": "count", "stream": "orders", "window": {"from": "2025-01-01"}}
    first = load(table)
    assert same(first, load(first.schema))
    assert same(first, load(written_out(first)))


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
leaf_types = st.sampled_from(["category", "tags", "text", "number", "integer", "bool", "date", "time", "id"])
windows = st.one_of(
    st.sampled_from(["lifetime", "90d", "12w", "6mo", "1y", "36h", "30min"]),
    st.sampled_from([{"from": "180d", "to": "90d"}, {"to": "30d"}, {"from": "2025-11-24", "to": "2025-12-01"}]),
    st.sampled_from([{"calendar": "30d", "today": False}, {"this": "mo"}, {"previous": "w"}]),
)
edge_lists = st.lists(st.integers(-1000, 1000), min_size=1, max_size=4, unique=True).map(
    lambda found: [edge / 4 for edge in sorted(found)]
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    attributes = draw(st.dictionaries(names, leaf_types, max_size=3))
    free = names.filter(lambda name: name not in attributes)
    counts = draw(st.dictionaries(free, windows, min_size=1, max_size=3))
    metrics = {name: {"kind": "count", "stream": "s", "window": window} for name, window in counts.items()}
    taken = {*attributes, *metrics}
    bands = draw(st.dictionaries(names.filter(lambda name: name not in taken), edge_lists, max_size=2))
    first = next(iter(metrics))
    quoted = '"' + first.replace('"', '""') + '"'
    taken |= bands.keys()
    segments = draw(st.lists(names.filter(lambda name: name not in taken), max_size=2, unique=True))
    return {
        "timezone": draw(st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])),
        "customers": {"attributes": attributes},
        "streams": {"s": {"time": {"column": draw(names)}, "fields": {draw(names): draw(leaf_types)}}},
        "metrics": metrics,
        "bands": {name: {"metric": first, "edges": edges} for name, edges in bands.items()},
        "segments": {name: {"where": f"{quoted} > 1", "title": draw(st.text("ab ", max_size=3))} for name in segments},
    }


def toml_text(value: Any) -> str:
    """Any value as inline TOML."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {toml_text(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(max_examples=60, deadline=None)
@given(tables())
def test_table_json_and_toml_are_one(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("schema")
    (folder / "s.json").write_text(json.dumps(table), encoding="utf-8")
    (folder / "s.toml").write_text(
        "\n".join(f"{key} = {toml_text(value)}" for key, value in table.items()), encoding="utf-8"
    )
    loaded = load(table)
    assert same(loaded, load(folder / "s.json"))
    assert same(loaded, load(str(folder / "s.toml")))
    assert same(loaded, load(written_out(loaded)))


# --- files that are no schema ------------------------------------------------------------------------------------

FILES: list[tuple[str, bytes, str, str]] = [
    ("a.toml", b"[metrics\n", ": line 1, column 9", "not valid TOML"),
    ("a.toml", b"a = 1\na = 2\n", ": line 2, column 6", "not valid TOML"),
    ("a.toml", b'a = "\xff"', "", "not UTF-8 text; found byte 0xff at offset 5"),
    ("a.toml", b"a = " + b"9" * 5_000, "", "not valid TOML"),
    ("a.toml", b"a = " + b"[" * 100_000, "", "nested too deeply"),
    ("a.toml", b"\0\0\0", ": line 1, column 1", "not valid TOML"),
    ("a.json", b'{\n"a": }', ": line 2, column 6", "not valid JSON"),
    ("a.json", b"", ": line 1, column 1", "not valid JSON"),
    ("a.json", b'{"customers": {"key": "a", "key": "b"}}', "", "the key 'key' stands twice"),
    ("a.json", b'{"a": NaN}', "", "NaN is not a number"),
    ("a.json", b"[" * 100_000, "", "nested too deeply"),
    ("a.json", b'{"a": ' + b"9" * 5_000 + b"}", "", "not valid JSON"),
    ("a.json", b"[]", "", "not a table; found []"),
    ("a.json", b"null", "", "not a table; found null"),
    ("a.json", b'{"timezone": null}', ": timezone", "leave the key out"),
    ("a.json", b'{"timezone": "\\ud800"}', ": timezone", "cannot be kept"),
    ("a.json", b'{"\\ud800": 1}', "", "cannot be kept"),
    ("a.yaml", b"a: 1", "", "a file named .toml or .json"),
    ("a", b"", "", "a file named .toml or .json"),
    ("a.toml", b"timezone = 'UTC'\n" + b"#" * LARGEST_FILE, "", "too large; allowed: at most 4 MiB"),
    ("a.toml", b"[bands]\nb = { metric = 'x', edges = [1e999999999] }", ": bands.b.edges[0]", "too many digits"),
    ("a.toml", b"[bands]\nb = { metric = 'x', edges = [inf] }", ": bands.b.edges[0]", "not a finite number"),
]


@pytest.mark.parametrize(("name", "content", "inside", "words"), FILES)
def test_files_that_are_no_schema(tmp_path: Path, name: str, content: bytes, inside: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SchemaError) as caught:
        load(path)
    assert caught.value.place == f"{path}{inside}"
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["none.toml", "none/none.json", "folder.toml", "a\0b.toml", "x" * 5_000 + ".toml"])
def test_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SchemaError):
        load(tmp_path / name)


def test_a_mark_at_the_start_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "A.TOML"
    path.write_bytes(b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode())
    assert same(load(path), load(example()))


def test_places_in_files_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(TOML.replace("orders_3m > 7", "order_3m > 7"), encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        load(path)
    assert caught.value.place == f"{path}: segments.frequent.where, line 1, column 1"
    assert caught.value.hint == "did you mean 'orders_3m'?"


@pytest.mark.parametrize("source", [None, 7, b"schema.toml", ["a"], Field(type="text")])
def test_what_is_no_schema(source: Any) -> None:
    with pytest.raises(SchemaError, match="a path, a mapping or a Schema"):
        load(source)


deep: dict[str, Any] = {}
deep["customers"] = deep


# As it is saved and shown it has a space after each comma, and is longer than a rule may be.
BRIEF = f"x in({','.join(['12345'] * 10_000)})"


@pytest.mark.parametrize(
    "table",
    [
        {7: "a"},
        {"metrics": {7: {}}},
        {"customers": deep},
        {"metrics": {"a": {"kind": "count", "stream": object()}}},
        {"segments": {"a": {"where": {"is": "and", "rules": []}}}},
        {"segments": {"a": {"where": {"is": "nothing"}}}},
        {"segments": {"a": {"where": {"is": object()}}}},
        {"metrics": {"a": {"kind": "formula", "formula": {"is": "nothing"}}}},
        {"metrics": {"a": {"kind": "count", "stream": "s", "window": {"is": "rolling", "start": 3}}}},
        {"metrics": {"a": {"kind": "count", "stream": "s", "window": {"is": "rolling"}}}},
        {"streams": {"s": {"retain": {"is": "duration", "count": -1, "unit": "d"}}}},
        {"streams": {"s": {"retain": "٣d"}}},
        {"streams": {"s": {}}, "metrics": {"a": {"kind": "count", "stream": "s", "window": "٣d"}}},
        {"metrics": {"a": {"kind": "formula", "formula": {"is": "number", "value": "1_0"}}}},
        {"customers": {"attributes": {"x": "integer"}}, "segments": {"a": {"where": BRIEF}}},
        {"segments": {"a": {"where": "(" * 70_000}}},
        {"segments": {"a": {"where": "x" * 70_000}}},
        {"bands": {"a": {"metric": "x", "edges": [dt.date(2025, 1, 1), dt.time(12)]}}},
        {"timezone": "a" * 100_000},
        {"customers": {"attributes": {"t": "time"}}, "bands": {"b": {"metric": "t", "edges": ["9999-13-01"]}}},
        {"customers": {"attributes": {"t": "time"}}, "bands": {"b": {"metric": "t", "edges": ["2025-01-01 25:00"]}}},
        {
            "timezone": "Asia/Kolkata",
            "customers": {"attributes": {"t": "time"}},
            "bands": {"b": {"metric": "t", "edges": ["0001-01-01"]}},
        },
        {"customers": {"attributes": {"t": "time"}}, "bands": {"b": {"metric": "t", "edges": [pd.NaT]}}},
        {"streams": {"s": {"retain": 3}}},
        {"timezone": "posix"},
        {"timezone": "/etc/localtime"},
    ],
)
def test_hostile_tables(table: Any) -> None:
    with pytest.raises(SchemaError):
        load(table)


def test_long_chains_are_no_recursion() -> None:
    count = 3_000
    metrics: dict[str, Any] = {f"m{i}": {"kind": "formula", "formula": f"m{i + 1} + 1"} for i in range(count)}
    metrics[f"m{count}"] = {"kind": "count", "stream": "s"}
    catalog = load({"streams": {"s": {}}, "metrics": metrics})
    assert catalog.order == tuple(f"m{i}" for i in range(count, -1, -1))


def test_an_empty_schema() -> None:
    assert load({}).order == ()


def test_a_loaded_score_loads_again() -> None:
    terms = [{"stream": "orders", "points": 0.1, "where": "amount > 1", "by": "department"}]
    table = example()
    table["metrics"]["taste"] = {"kind": "score", "half_life": "30d", "terms": terms}
    schema = load(table).schema
    assert load(schema).schema == schema
    assert load(msgspec.json.decode(msgspec.json.encode(schema))).schema == schema
    assert schema.metrics["taste"].terms is not None
    assert schema.metrics["taste"].terms[0].points == Decimal("0.1")
