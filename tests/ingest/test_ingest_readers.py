"""Files, folders, patterns and streams: what is read, and how each damage is told, never with text of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv, ipc, parquet

from segdex.errors import ArgumentError, SourceError
from segdex.ingest import readers, sources
from segdex.ingest.read import read
from segdex.ingest.sources import Source, files, resolve
from segdex.schema.load import load

TABLE = pa.table({"key": ["a", "b", None], "amount": [1, None, 3], "spare": [1.5, 2.5, 3.5]})


def write(path: Path, table: pa.Table = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink:
            make = ipc.new_stream if path.suffix == ".ipc" else ipc.new_file
            with make(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=2)
    return path


def rows(source: Source, columns: Sequence[str] = ("key", "amount")) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for batch in source.batches(columns):
        assert set(batch.columns) == set(columns) or not batch.rows
        found += zip(*(batch.columns[column].to_pylist() for column in columns), strict=True)
    return found


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "t.ipc", "T.PARQUET"])
def test_typed_files(tmp_path: Path, name: str) -> None:
    (write(tmp_path / name.lower())).rename(tmp_path / name)
    assert rows(Source("orders", path=name, base=tmp_path)) == [("a", 1), ("b", None), (None, 3)]


def test_csv_is_text_and_only_an_empty_unquoted_field_is_null(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbfkey,spare,amount\n007,x,""\n,y,NA\n"two\nlines",z,"say ""hi"""\n')
    source = Source("orders", path="t.csv", base=tmp_path)
    assert rows(source) == [(b"007", b""), (None, b"NA"), (b"two\nlines", b'say "hi"')]
    assert all(batch.untyped for batch in source.batches(["key"]))


@pytest.mark.parametrize("header", ["key,amount", '"key","amount"', "\ufeffkey,amount", '\n"two\nlines",key,amount'])
def test_a_csv_of_a_header_alone_is_an_empty_table(tmp_path: Path, header: str) -> None:
    for end in ("", "\n", "\r\n", "\r"):
        (tmp_path / "t.csv").write_text(header + end, encoding="utf-8", newline="")
        assert rows(Source("orders", path="t.csv", base=tmp_path)) == []


def test_rows_of_a_csv_that_are_none_keep_the_numbers_right(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('key,amount\na,1\nbroken\nb,2\n1,2,3\n"c\nc",3\nlast,1,2\n')
    found = list(Source("orders", path="t.csv", base=tmp_path).batches(["key"]))
    assert [batch.number(row) for batch in found for row in range(batch.rows)] == [1, 3, 5]
    assert [number for batch in found for number, _ in batch.malformed] == [2, 4, 6]
    assert found[0].malformed[0][1] == "1 fields where the header has 2"


@pytest.mark.parametrize(
    "make",
    [
        lambda: TABLE,
        TABLE.to_reader,
        lambda: TABLE.combine_chunks().to_batches()[0],
        lambda: pl.from_arrow(TABLE),
        lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
        lambda: duckdb.from_arrow(TABLE),
    ],
    ids=["table", "reader", "batch", "polars", "pandas", "duckdb"],
)
def test_anything_with_an_arrow_stream(make: Any) -> None:
    assert rows(Source("orders", make())) == [("a", 1), ("b", None), (None, 3)]


def test_batches_are_bounded_and_small_ones_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_ROWS", 10)
    monkeypatch.setattr(readers, "FEW_ROWS", 4)
    table = pa.table({"n": np.arange(40)})
    batches = [
        *table.slice(0, 9).to_batches(max_chunksize=1),
        *table.slice(9, 25).to_batches(),
        *table.slice(34).to_batches(2),
    ]
    found = list(readers.read_stream(pa.RecordBatchReader.from_batches(table.schema, batches), "t", ["n"]))
    assert [batch.rows for batch in found] == [4, 4, 1, 10, 10, 5, 4, 2]
    assert [batch.first + row for batch in found for row in range(batch.rows)] == list(range(40))
    assert [n for batch in found for n in batch.columns["n"].to_pylist()] == list(range(40))


def test_small_batches_with_different_dictionaries() -> None:
    parts = [
        pa.record_batch({"c": pa.array(names).dictionary_encode()}) for names in (["a", "b"], ["c", None], ["b", "a"])
    ]
    reader = pa.RecordBatchReader.from_batches(parts[0].schema, parts)
    (found,) = readers.read_stream(reader, "t", ["c"])
    assert found.columns["c"].to_pylist() == ["a", "b", "c", None, "b", "a"]


# --- which files -------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.parquet", "a.csv", "in/c.arrow", "in/deep/d.parquet", "_x.parquet", "in/.h.parquet", "_in/e.csv"):
        write(tmp_path / "orders" / name)
    (tmp_path / "orders" / "_SUCCESS").touch()
    (tmp_path / "orders" / "notes.txt").write_text("no data")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("orders", ["a.csv", "b.parquet", "in/c.arrow", "in/deep/d.parquet"]),
        ("orders/*.parquet", ["_x.parquet", "b.parquet"]),
        ("orders/[ab].*", ["a.csv", "b.parquet"]),
        ("orders/**/*.parquet", ["_x.parquet", "b.parquet", "in/deep/d.parquet"]),
        ("orders/?n/*.arrow", ["in/c.arrow"]),
        ("orders/in/**", ["in/c.arrow", "in/deep/d.parquet"]),
        ("orders/in/.h*", ["in/.h.parquet"]),
        ("orders/b.parquet", ["b.parquet"]),
    ],
)
def test_files_of_a_folder_or_pattern_by_path(tree: Path, given: str, expected: list[str]) -> None:
    wanted = [f"orders/{name}" for name in expected]
    assert [place for _, place in files(given, tree)] == wanted
    assert [path for path, _ in files(given, tree)] == [tree / name for name in wanted]
    assert [place for _, place in files(str(tree / given), None)] == [(tree / name).as_posix() for name in wanted]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("nothing.parquet", "no such file or folder"),
        ("nothing/*.parquet", "no file matches this pattern"),
        ("orders/*.feather", "no file matches this pattern"),
        ("orders/_in", ""),
        ("empty", "no data files in this folder"),
    ],
)
def test_where_there_are_no_files(tree: Path, given: str, problem: str) -> None:
    (tree / "empty").mkdir()
    if not problem:
        assert len(files(given, tree)) == 1  # a folder that is named is read, whatever its name
        return
    with pytest.raises(SourceError, match=problem) as caught:
        files(given, tree)
    assert caught.value.place == given


@pytest.mark.parametrize("given", ["a\0b.csv", "a\0*.csv", "\udce9.csv", "x" * 5000, "http://x/y.csv"])
def test_paths_that_nothing_can_have(given: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be read|no such file"):
        files(given, None)


def test_a_folder_that_nobody_may_look_into(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources, "_inside", refuse)
    for given in ("orders", "orders/*.csv"):
        with pytest.raises(SourceError, match=r"this path cannot be read; found PermissionError") as caught:
            files(given, tree)
        assert caught.value.place == given


# --- damage ------------------------------------------------------------------------------------------------------


def failure(path: Path, columns: Sequence[str] = ("key",)) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows(Source("orders", path=path.name, base=path.parent), columns)
    assert caught.value.place is not None
    assert path.name in caught.value.place
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.arrow", "t.feather", "t.ipc"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert failure(tmp_path / name).problem == "the file is empty"


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.ipc"])
def test_a_file_that_is_something_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("secret-key,1\n" * 20)
    error = failure(tmp_path / name)
    assert "cannot be read as" in error.problem
    assert "secret" not in str(error)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.ipc"])
def test_a_file_cut_anywhere(tmp_path: Path, name: str) -> None:
    whole = write(tmp_path / name).read_bytes()
    for length in range(1, len(whole), 7):
        (tmp_path / name).write_bytes(whole[:length])
        failure(tmp_path / name)


def test_a_stream_cut_between_two_batches(tmp_path: Path) -> None:
    path = tmp_path / "t.ipc"
    ends = []
    with path.open("wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        for batch in TABLE.to_batches(max_chunksize=1):
            writer.write_batch(batch)
            ends.append(file.tell())
    whole = path.read_bytes()
    assert len(ends) > 1
    for end in ends:
        path.write_bytes(whole[:end])
        assert failure(path).problem == "the stream has no end"


@pytest.mark.parametrize(
    ("text", "closed"),
    [('1,"2\n2,3,4\n', False), ('1,2,"', False), ('1,2,"a""\n', False),
     ('1,2,5" pipe\n', True), ('1,2,"a""b\n,"\n', True), ('"1",2,""\n', True)],
)  # fmt: skip
def test_a_quote_that_is_never_closed(tmp_path: Path, text: str, closed: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,amount,spare\n" + text)
    if closed:
        assert sum(batch.rows for batch in readers.read_file(path, "t.csv", ["key"])) == 1
    else:
        assert failure(path).problem == "a quoted field is never closed"


LOGS = load({"streams": {"logs": {"key": "key", "fields": {"amount": "integer", "spare": "text"}}}})


@pytest.mark.parametrize("name", ["t.arrow", "t.ipc", "t.parquet"])
def test_a_flipped_file_is_read_or_refused_but_never_crashes(tmp_path: Path, name: str) -> None:
    table = TABLE.set_column(2, "spare", pa.array(["x", "", "yz"]))
    whole = bytearray(write(tmp_path / name, table).read_bytes())
    for place in range(0, len(whole), 3):
        whole[place] ^= 0xFF
        (tmp_path / name).write_bytes(whole)
        whole[place] ^= 0xFF
        try:
            read(LOGS, {"logs": tmp_path / name}, on_error="skip")
        except SourceError as error:
            assert name in str(error)  # noqa: PT017 (most flips are harmless)


def test_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("x")
    error = failure(tmp_path / "t.xlsx")
    assert (error.problem, error.found) == ("unknown format", "'.xlsx'")
    assert ".parquet" in str(error.allowed)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.arrow", "t.ipc"])
def test_a_missing_column_names_the_nearest(tmp_path: Path, name: str) -> None:
    error = failure(write(tmp_path / name), ["key", "amuont"])
    assert (error.problem, error.hint) == ("no column 'amuont'", "did you mean 'amount'?")
    with pytest.raises(SourceError, match=r"no column 'amuont'.*did you mean 'amount'"):
        rows(Source("orders", TABLE), ["amuont"])


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("key,key\n1,2\n")
    assert failure(tmp_path / "t.csv").problem == "column 'key' is there 2 times"
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["key", "key"])
    with pytest.raises(SourceError, match="is there 2 times"):
        rows(Source("orders", twice), ["key"])


def test_a_stream_that_fails_tells_nothing_of_its_values() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield TABLE.to_batches()[0]
        raise ValueError("customer secret-key is odd")

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, broken())
    with pytest.raises(SourceError, match="table 'orders': the table cannot be read") as caught:
        rows(Source("orders", reader))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_interrupted_stream_is_an_interrupt() -> None:
    def interrupted() -> Iterator[pa.RecordBatch]:
        yield from TABLE.to_batches()
        raise KeyboardInterrupt

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, interrupted())
    with pytest.raises(KeyboardInterrupt):
        rows(Source("orders", table=reader))


# --- names -------------------------------------------------------------------------------------------------------

CATALOG = load({
    "customers": {"source": "customers.parquet"},
    "lookups": {
        "products": {"source": "p.csv", "key": "id", "fields": {"brand": "category"}},
        "orders": {"key": "id", "fields": {"brand": "category"}},
    },
    "streams": {"orders": {"source": "orders.csv", "time": "at"}, "visits": {"time": "at"}},
})  # fmt: skip


class Odd:
    """A path that is no text."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


def test_what_is_given_comes_before_what_is_declared() -> None:
    given = {"products": TABLE, "lookups.orders": "other.csv", "visits": Path("v") / "a.csv"}
    found = resolve(CATALOG.schema, given, Path("base"))
    assert list(found) == ["customers", "lookups.products", "lookups.orders", "orders", "visits"]
    assert found["customers"] == Source("customers", path="customers.parquet", base=Path("base"))
    assert found["lookups.products"].table is TABLE
    assert found["lookups.orders"] == Source("lookups.orders", path="other.csv")  # from the current folder
    assert found["orders"].path == "orders.csv"  # the stream, not the lookup
    assert found["visits"].path == "v/a.csv"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"vists": TABLE}, "an unknown source; found 'vists'.*did you mean 'visits'"),
        ({"visits": TABLE}, "no table for 'lookups.orders'"),
        ({"lookups.orders": TABLE}, "no table for 'visits'"),
        ({"products": TABLE, "lookups.products": TABLE}, "given twice"),
        ({"visits": [1, 2]}, "the source 'visits' is no table; found list"),
        ({"visits": None}, "the source 'visits' is no table; found NoneType"),
        ({"visits": ""}, "the source 'visits' is no table; found ''"),
        ({"visits": Odd(b"a.csv")}, "the source 'visits' is no table; found Odd"),
        ({"visits": Odd(3)}, "the source 'visits' is no table; found Odd"),
        ([TABLE], "sources; found list; allowed: tables by name"),
    ],
)
def test_sources_that_are_refused(given: Any, problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem):
        resolve(CATALOG.schema, given, None)


@pytest.mark.parametrize("customers", [{"attributes": {"country": "category"}}, {"only": True}])
def test_customers_that_need_a_table(customers: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="no table for 'customers'"):
        resolve(load({"customers": customers}).schema, {}, None)
    assert resolve(load({"customers": {}}).schema, {}, None) == {}
