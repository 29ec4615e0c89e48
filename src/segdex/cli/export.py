"""Members into a file: Parquet, CSV or Arrow by the name's ending, or CSV on stdout."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import ArgumentError
from segdex.rules.words import is_storable
from segdex.store.os import refused


def writer(out: str) -> Callable[[pa.RecordBatchReader], int]:
    """A function that writes record batches to *out* and returns the number of rows.

    A file is written under a temporary name beside *out* and renamed when it is complete, so that whatever had the
    name stays until then, and a failure leaves nothing behind.

    Raises:
        ArgumentError: *out* has no ending that is known.
    """
    if out == "-":
        return lambda reader: _write(reader, _csv, sys.stdout.buffer)
    made = _FORMATS.get(Path(out).suffix.lower())
    if made is None:
        raise ArgumentError("--out", found=repr(out), allowed=f"a name that ends in {', '.join(_FORMATS)}, or -")
    if not is_storable(out):
        raise ArgumentError("--out", found=ascii(out), allowed="a name in UTF-8")

    def to_file(reader: pa.RecordBatchReader) -> int:
        with _replaced(Path(out)) as sink:
            return _write(reader, made, sink)

    return to_file


def _write(reader: pa.RecordBatchReader, make: Callable[[Any, pa.Schema], Any], sink: Any) -> int:
    flat = make is _csv
    schema = _flat_schema(reader.schema) if flat else reader.schema
    rows = 0
    with make(sink, schema) as target:
        for batch in reader:
            target.write_batch(_flat(batch, schema) if flat else batch)
            rows += batch.num_rows
    return rows


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Any]:
    """An output stream for a temporary file that takes the place of *path* at the end."""
    from pyarrow import fs

    system = fs.LocalFileSystem()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        with system.open_output_stream(str(temporary)) as sink:
            yield sink
        system.move(str(temporary), str(path))
    except BaseException as error:
        with contextlib.suppress(OSError):
            system.delete_file(str(temporary))
        if isinstance(error, OSError):
            raise refused("write", path, error) from None
        raise


# --- formats -----------------------------------------------------------------------------------------------------


def _parquet(sink: Any, schema: pa.Schema) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(sink, schema)


def _csv(sink: Any, schema: pa.Schema) -> Any:
    from pyarrow import csv

    return csv.CSVWriter(sink, schema, write_options=csv.WriteOptions(quoting_style="needed"))


def _arrow(sink: Any, schema: pa.Schema) -> Any:
    return pa.ipc.new_file(sink, schema)


_FORMATS: dict[str, Callable[[Any, pa.Schema], Any]] = {".parquet": _parquet, ".csv": _csv, ".arrow": _arrow}


def _flat_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with tags as text, and places as two columns: CSV has no lists and no structs."""
    fields: list[pa.Field] = []
    for field in schema:
        if pa.types.is_struct(field.type):
            fields += field.flatten()
        elif pa.types.is_list(field.type):
            fields.append(field.with_type(pa.string()))
        else:
            fields.append(field)
    return pa.schema(fields)


def _flat(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the tags of each customer as a JSON list, which is how tags are read from CSV too.

    Of a place ``home`` there are ``home.latitude`` and ``home.longitude``.
    """
    arrays: list[pa.Array] = []
    for array in batch.columns:
        if pa.types.is_struct(array.type):
            arrays += array.flatten()
        elif pa.types.is_list(array.type):
            arrays.append(_json_lists(array))
        else:
            arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _json_lists(lists: pa.ListArray) -> pa.StringArray:
    """``["beta","vip"]`` for each list; each distinct tag is quoted once."""
    distinct = lists.flatten().dictionary_encode()
    quoted = pa.array([json.dumps(tag, ensure_ascii=False) for tag in distinct.dictionary.to_pylist()], pa.string())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    items = pa.ListArray.from_arrays(offsets, quoted.take(distinct.indices), mask=lists.is_null())
    return pc.binary_join_element_wise("[", pc.binary_join(items, ","), "]", "")
