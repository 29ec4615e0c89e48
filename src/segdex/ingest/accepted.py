"""What was accepted of a batch, as tables and as bytes that a journal holds.

The bytes are MessagePack around one Arrow stream a table: uncompressed, without dictionaries, extension types or names.
They are read as if a stranger had written them: an Arrow stream has no checksum and believes its own lengths.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa

from segdex.errors import CorruptError
from segdex.ingest.arrays import is_text, plain
from segdex.ingest.readers import Batch
from segdex.values.column import Mask

_FORMAT = 1
_COMPRESSION = 3  # the field of a record batch's metadata that says how its buffers are compressed
_HEADER = 2  # the field of a message's metadata that holds the record batch


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Rows whose columns have one type each.

    Attributes:
        table: the columns that are needed.
        untyped: they are text whatever they mean (CSV).
    """

    table: pa.Table
    untyped: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """The good rows of one table of a batch, in their order. It stands for a table, and may be read many times."""

    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(part.table.num_rows for part in self.parts)


def accepted(batches: Sequence[Batch], rows: Mask) -> Accepted:
    """The *rows* of *batches*; dictionaries and views are written out, so that what is kept is as large as the rows.

    Args:
        batches: in the order in which they were read.
        rows: which of them are kept, shape (all their rows,).
    """
    parts: list[Part] = []
    start = 0
    for batch in batches:
        chosen = rows[start : start + batch.rows]
        start += batch.rows
        if not chosen.any():
            continue
        table = pa.table({name: compact(array) for name, array in batch.columns.items()})
        if not chosen.all():
            table = table.filter(pa.array(chosen))
        if parts and parts[-1].untyped == batch.untyped and parts[-1].table.schema == table.schema:
            table = pa.concat_tables([parts.pop().table, table])
        parts.append(Part(table, batch.untyped))
    return Accepted(tuple(parts))


def compact(array: pa.Array) -> pa.Array:
    """The same items without encodings and without sharing more bytes than they have."""
    array = plain(array)
    kind = array.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        held = array.cast(pa.large_binary())
        return held.view(pa.large_string()) if pa.types.is_string_view(kind) else held
    if not pa.types.is_nested(kind) or not hasattr(kind, "value_type"):
        return array
    inner = kind.value_type
    nested = isinstance(inner, pa.BaseExtensionType) or pa.types.is_dictionary(inner) or is_text(inner)
    if nested or not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        items = array.to_pylist() if nested else array.cast(pa.large_list(inner)).to_pylist()
        return pa.array(items, pa.large_list(pa.large_string() if nested else inner))
    return array


# --- bytes -------------------------------------------------------------------------------------------------------


class _Stream(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One part: its columns' names, and the Arrow stream in which they are called by their places."""

    untyped: bool
    names: list[str]
    rows: int
    stream: bytes


class _Payload(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    format: int
    tables: dict[str, list[_Stream]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Payload)


def to_bytes(tables: Mapping[str, Accepted]) -> bytes:
    """The tables of a batch as one run of bytes; the same tables give the same bytes."""
    held = {name: [_written(part) for part in table.parts] for name, table in tables.items()}
    return _encoder.encode(_Payload(_FORMAT, held))


def from_bytes(data: bytes | memoryview) -> dict[str, Accepted]:
    """The tables that `to_bytes` wrote.

    Raises:
        CorruptError: the bytes are something else.
    """
    try:
        payload = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise _corrupt("no tables of a batch") from None
    if payload.format != _FORMAT:
        raise _corrupt(f"format {payload.format}", f"format {_FORMAT}")
    return {name: Accepted(tuple(map(_read, streams))) for name, streams in payload.tables.items()}


def _written(part: Part) -> _Stream:
    names = part.table.schema.names
    fields = [pa.field(str(place), kind) for place, kind in enumerate(part.table.schema.types)]
    # One chunk a column: what is written does not depend on how the rows came.
    columns = [column.combine_chunks() for column in part.table.columns]
    batch = pa.record_batch(
        [c.chunk(0) if isinstance(c, pa.ChunkedArray) else c for c in columns], schema=pa.schema(fields)
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return _Stream(part.untyped, names, batch.num_rows, sink.getvalue().to_pybytes())


def _read(held: _Stream) -> Part:
    if len(set(held.names)) != len(held.names):
        raise _corrupt("two columns of one name")
    # Every row has a key, and every key a byte: what claims more rows would take memory that nobody wrote.
    if not 0 < held.rows <= len(held.stream):
        raise _corrupt(f"{held.rows} rows in {len(held.stream)} bytes")
    batch = batch_of(held.stream, len(held.names))
    if batch.num_rows != held.rows:
        raise _corrupt(f"{batch.num_rows} rows", f"{held.rows} rows")
    return Part(pa.Table.from_batches([batch.rename_columns(held.names)]), held.untyped)


def batch_of(stream: bytes, columns: int | None = None) -> pa.RecordBatch:
    """The one batch of an Arrow stream that was written here, in which nothing points outside of it.

    Args:
        stream: a schema and a batch; plain types alone, nothing compressed.
        columns: how many it must have; None: any number.

    Raises:
        CorruptError: it is something else.
    """
    try:
        _check_messages(stream)
        with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
            _check_types(reader.schema, len(reader.schema) if columns is None else columns)
            batch = reader.read_next_batch()
        batch.validate(full=True)
    except CorruptError:
        raise
    except (pa.ArrowException, pa.ArrowMemoryError, OSError, EOFError, ValueError, TypeError, struct.error):
        raise _corrupt("no stream of Arrow") from None
    return batch


def _check_messages(stream: bytes) -> None:
    """A stream is a schema without extension types, which a reader would call, and one batch that is not compressed,
    which would claim any size.
    """
    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(stream))
    schema, batch = reader.read_next_message(), reader.read_next_message()
    if schema.type != "schema" or batch.type != "record batch":
        raise _corrupt("other messages", "a schema and one batch")
    if b"ARROW:extension" in schema.metadata.to_pybytes():
        raise _corrupt("an extension type")
    metadata = batch.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", metadata, 0)
    at = _field(metadata, root, _HEADER)
    if at and _field(metadata, at + struct.unpack_from("<I", metadata, at)[0], _COMPRESSION):
        raise _corrupt("compressed buffers")


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table is, 0 where it has its default."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    place = 4 + 2 * number
    if place >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, table - back + place)
    return table + int(offset) if offset else 0


def _check_types(schema: pa.Schema, columns: int) -> None:
    if len(schema) != columns:
        raise _corrupt(f"{len(schema)} columns", f"{columns} columns")
    for kind in schema.types:
        inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        if pa.types.is_nested(inner) or pa.types.is_dictionary(inner) or isinstance(inner, pa.BaseExtensionType):
            raise _corrupt("a column of a type that no batch has")


def _corrupt(found: str, allowed: str | None = None) -> CorruptError:
    return CorruptError("the rows of a batch are unreadable", found=found, allowed=allowed)
