"""Files and Arrow streams as batches of the columns that are needed, a bounded number of rows at a time.

What each reader promises: only the wanted columns are decoded, in batches of at most `MOST_ROWS` rows; a file that
cannot be read is a `SourceError` that names it; a message never carries text of the file, because it may hold keys.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from segdex.errors import SourceError, listed, nearest

MOST_ROWS = 1 << 18
FEW_ROWS = 1 << 13
"""Batches smaller than this are joined: each costs some hundred microseconds whatever its size."""
_CSV_BLOCK = 1 << 24
Item = TypeVar("Item")
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one file or table.

    Attributes:
        place: the name of the file or table, for messages.
        first: how many rows that could be read came before.
        rows: how many there are.
        columns: the wanted columns.
        untyped: they are text whatever they mean (CSV).
        malformed: lines of a CSV file since the batch before that are no rows: row number and reason.
        skipped: the row numbers of all such lines of the file, ascending; lines after the batch may be missing.
    """

    place: str
    first: int
    rows: int
    columns: Mapping[str, pa.Array]
    untyped: bool = False
    malformed: Sequence[tuple[int, str]] = ()
    skipped: Sequence[int] = ()

    def number(self, row: int) -> int:
        """The number of a row for messages: counted from 1, a header not counted."""
        place = self.first + row
        # Before line skipped[i] there are skipped[i] - 1 - i rows: the line comes first if they are no more than those
        # before this row.
        before = bisect.bisect_right(range(len(self.skipped)), place, key=lambda i: self.skipped[i] - 1 - i)
        return place + 1 + before


class Format(NamedTuple):
    """How files of some suffixes are read."""

    name: str
    batches: Callable[[Path, str, Sequence[str]], Iterator[Batch]]
    names: Callable[[Path, str], Sequence[str]]


def read_file(path: Path, place: str, columns: Sequence[str]) -> Iterator[Batch]:
    """The rows of one file.

    Raises:
        SourceError: the file is missing, empty, damaged, of unknown format, or lacks a column.
    """
    found = _format_of(path, place)
    yield from _guarded(path, place, found, lambda: found.batches(path, place, columns))


def _format_of(path: Path, place: str) -> Format:
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise SourceError("unknown format", place=place, found=repr(path.suffix), allowed=", ".join(FORMATS))
    return found


def _guarded(path: Path, place: str, found: Format, read: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """What is read of a file, and whatever goes wrong as an error that names it."""
    from pyarrow import fs

    try:
        if fs.LocalFileSystem().get_file_info(path.as_posix()).size == 0:
            raise SourceError("the file is empty", place=place)
        yield from read()
    except FileNotFoundError:
        raise SourceError("no such file", place=place) from None
    except SourceError:
        raise
    # A damaged length asks for more memory than there is.
    except (pa.ArrowException, pa.ArrowMemoryError, OSError, EOFError, ValueError) as error:
        raise SourceError(
            f"the file cannot be read as {found.name}", place=place, found=type(error).__name__,
            hint="it may be damaged, cut short, or of another format than its name says",
        ) from None  # fmt: skip


def names_of(path: Path, place: str) -> list[str]:
    """The names of a file's columns.

    Raises:
        SourceError: as `read_file`.
    """
    found = _format_of(path, place)
    return list(_guarded(path, place, found, lambda: iter(found.names(path, place))))


def read_stream(table: Any, place: str, columns: Sequence[str], untyped: bool = False) -> Iterator[Batch]:
    """The rows of anything with ``__arrow_c_stream__``, which is read once; *untyped* as in `Batch`.

    Raises:
        SourceError: it cannot be read, or lacks a column.
    """
    try:
        reader = stream_of(table, place)
        yield from _numbered(_projected(reader.schema.names, reader, place, columns), place, untyped)
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        raise _unreadable(error, place) from None


def stream_of(table: Any, place: str) -> pa.RecordBatchReader:
    """A reader of anything with ``__arrow_c_stream__``.

    Raises:
        SourceError: it cannot be read.
    """
    if isinstance(table, pa.RecordBatchReader):
        return table
    try:
        if isinstance(table, pa.Table):
            return table.to_reader()
        if not hasattr(table, "__arrow_c_stream__"):
            table = pa.Table.from_batches([pa.record_batch(table)])
        return pa.RecordBatchReader.from_stream(table)
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(error, place) from None


def _unreadable(error: Exception, place: str) -> BaseException:
    """What to raise for *error*, whatever the producer raised: its text may quote values."""
    # Of what a producer in Python raises Arrow passes on the text alone, which ends in the name.
    if str(error).rstrip().endswith(KeyboardInterrupt.__name__):
        return KeyboardInterrupt()
    return SourceError("the table cannot be read", place=place, found=type(error).__name__)


def positions_of(columns: Sequence[str], present: Sequence[str], place: str) -> list[int]:
    """Where each of *columns* stands among the columns that are *present*.

    Raises:
        SourceError: one is missing, or there twice.
    """
    for column in columns:
        if column not in present:
            hint = nearest(column, present)
            raise SourceError(f"no column {column!r}", place=place, found=listed(present), hint=hint)
        if present.count(column) > 1:
            raise SourceError(f"column {column!r} is there {present.count(column)} times", place=place)
    return [present.index(column) for column in columns]


# --- formats -----------------------------------------------------------------------------------------------------


def _parquet(path: Path, place: str, columns: Sequence[str]) -> Iterator[Batch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        positions_of(columns, file.schema_arrow.names, place)
        batches = file.iter_batches(batch_size=MOST_ROWS, columns=list(columns))
        yield from _numbered(batches, place)


def _parquet_names(path: Path, _place: str) -> Sequence[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names: list[str] = file.schema_arrow.names
    return names


def _ipc(path: Path, place: str, columns: Sequence[str]) -> Iterator[Batch]:
    from pyarrow import fs, ipc

    with fs.LocalFileSystem().open_input_file(path.as_posix()) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        if is_file:
            reader = ipc.open_file(file)
            batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
        else:
            reader = batches = ipc.open_stream(file)
            _check_end(file, place)
        projected = _projected(reader.schema.names, batches, place, columns)
        yield from _numbered(_validated(projected), place)


def _ipc_names(path: Path, _place: str) -> Sequence[str]:
    from pyarrow import fs, ipc

    with fs.LocalFileSystem().open_input_file(path.as_posix()) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        names: list[str] = (ipc.open_file(file) if is_file else ipc.open_stream(file)).schema.names
    return names


def _check_end(file: Any, place: str) -> None:
    """A stream may end without a mark, but then nobody can tell a whole file from one that was cut: it is refused."""
    at = file.tell()
    file.seek(max(file.size() - len(_END_OF_STREAM), 0))
    if file.read() != _END_OF_STREAM:
        raise SourceError("the stream has no end", place=place, hint="it was cut short, or its writer was not closed")
    file.seek(at)


def _csv(path: Path, place: str, columns: Sequence[str]) -> Iterator[Batch]:
    from pyarrow import csv

    _check_quotes(path, place)
    malformed: list[tuple[int, str]] = []
    skipped: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        number = row.number - 1  # the header is row 1
        malformed.append((number, f"{row.actual_columns} fields where the header has {row.expected_columns}"))
        skipped.append(number)
        return "skip"

    # Without threads rows come with their numbers.
    read = csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK)
    positions_of(columns, _header(path), place)
    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip)
    convert = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.binary()),
        null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
    )  # fmt: skip
    told = 0
    with csv.open_csv(_ended(path), read_options=read, parse_options=parse, convert_options=convert) as reader:
        for batch in _numbered(reader, place):
            fresh = malformed[told:]
            told += len(fresh)
            yield dataclasses.replace(batch, untyped=True, malformed=fresh, skipped=skipped)
    if malformed[told:]:
        yield Batch(place, 0, 0, {}, malformed=malformed[told:])


def _csv_names(path: Path, place: str) -> Sequence[str]:
    _check_quotes(path, place)
    return _header(path)


def _header(path: Path) -> Sequence[str]:
    """The names of the columns; a pass of its own, which may read ahead and must not list what it meets."""
    from pyarrow import csv

    read = csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK)
    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    with csv.open_csv(_ended(path), read_options=read, parse_options=parse) as reader:
        names: list[str] = reader.schema.names
    return names


def _ended(path: Path) -> Any:
    """The file with an end to its last line; Arrow finds no header in a file that is one line without.

    A file of more than one block has a line end, or a header that is refused either way.
    """
    from pyarrow import fs

    with fs.LocalFileSystem().open_input_file(path.as_posix()) as file:
        if file.size() > _CSV_BLOCK:
            return path
        data = file.read()
    return pa.BufferReader(data if data.endswith((b"\n", b"\r")) else data + b"\n")


def _check_quotes(path: Path, place: str) -> None:
    """A quote that is never closed would take the rest of the file into one field."""
    from pyarrow import fs

    from segdex.ingest import kernels

    state = kernels.FIELD_START
    with fs.LocalFileSystem().open_input_file(path.as_posix()) as file:
        while block := file.read_buffer(_CSV_BLOCK):
            state = kernels.csv_state(np.frombuffer(block, np.uint8), state)
    if state == kernels.QUOTED:
        raise SourceError(
            "a quoted field is never closed", place=place, hint="the file was cut short, or lacks a quote"
        )


PARQUET = Format("Parquet", _parquet, _parquet_names)
CSV = Format("CSV", _csv, _csv_names)
ARROW = Format("Arrow", _ipc, _ipc_names)
FORMATS = {".parquet": PARQUET, ".csv": CSV, ".arrow": ARROW, ".feather": ARROW, ".ipc": ARROW}
"""Every format by its suffixes."""


# --- batches -----------------------------------------------------------------------------------------------------


def _projected(present: Sequence[str], batches: Any, place: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    positions = positions_of(columns, present, place)
    for batch in batches:
        yield batch.select(positions)


def _validated(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The format has no checksum: nothing of a file is believed before lengths and offsets have been checked."""
    for batch in batches:
        batch.validate(full=True)
        yield batch


def _numbered(batches: Any, place: str, untyped: bool = False) -> Iterator[Batch]:
    first = 0
    for batch in _joined(batches):
        for start in range(0, batch.num_rows, MOST_ROWS):
            part = batch.slice(start, MOST_ROWS)
            columns = dict(zip(part.schema.names, part.columns, strict=True))
            yield Batch(place, first, part.num_rows, columns, untyped)
            first += part.num_rows


def _joined(batches: Any) -> Iterator[pa.RecordBatch]:
    """The same rows with runs of small batches joined."""
    small: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue  # one at an offset, as slices have it, cannot be joined in Arrow 26
        if batch.num_rows >= FEW_ROWS:
            yield from _as_one(small)
            small, rows = [], 0
            yield batch
            continue
        small.append(batch)
        rows += batch.num_rows
        if rows >= FEW_ROWS:
            yield from _as_one(small)
            small, rows = [], 0
    yield from _as_one(small)


def _as_one(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if len(batches) < 2:
        return iter(batches)
    return iter(pa.Table.from_batches(batches).combine_chunks().to_batches())
