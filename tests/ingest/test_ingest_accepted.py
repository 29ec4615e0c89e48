"""The bytes of a batch in hands that mean no good: refused, or other values, never more."""

from __future__ import annotations

import contextlib
import random

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from segdex.errors import CorruptError, SegdexError
from segdex.ingest.accepted import Accepted, Part, from_bytes, to_bytes
from segdex.ingest.batch import read_batch
from tests.ingest.test_ingest_batch import CATALOG, EMPTY, HELD, LOOKUPS

GIVEN = {name: EMPTY[name] for name in ("customers", "orders", "tickets")}
GOOD = to_bytes(read_batch(CATALOG, GIVEN, HELD, LOOKUPS).tables)


def payload(stream: bytes, names: list[str], rows: int, **changes: object) -> bytes:
    whole = {"format": 1, "untyped": False} | changes
    return msgspec.msgpack.encode([whole["format"], {"s": [[whole["untyped"], names, rows, stream]]}])


def stream_of(batch: pa.RecordBatch, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:  # type: ignore[arg-type]
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def test_every_flip_and_every_cut_is_harmless() -> None:
    chance = random.Random(1)
    for position in range(len(GOOD)):
        for changed in (bytes([GOOD[position] ^ (1 << chance.randrange(8))]), b"\xff"):
            data = GOOD[:position] + changed + GOOD[position + 1 :]
            with contextlib.suppress(SegdexError):
                read_batch(CATALOG, from_bytes(data), HELD, LOOKUPS)
        with pytest.raises(CorruptError):
            from_bytes(GOOD[:position])


def test_other_bytes_are_refused() -> None:
    whole = pa.record_batch({"0": pa.array([1, 2], pa.int64())})
    assert from_bytes(payload(stream_of(whole), ["id"], 2))["s"].rows == 2
    coded = pa.record_batch({"0": pa.array(["a", "b"]).dictionary_encode()})
    nested = pa.record_batch({"0": pa.array([[[1]], [[2]]])})
    struct = pa.record_batch({"0": pa.array([{"a": 1}, {"a": 2}])})
    extension = pa.record_batch(
        {"0": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * 2, pa.binary(16)))}
    )
    nulls = pa.record_batch([pa.Array.from_buffers(pa.null(), 1 << 30, [None])], names=["0"])
    twice = pa.record_batch({"0": [1, 2], "1": [1, 2]})
    for data in (
        b"", b"\xc0", b"\xc1", b"[]", b"\x91" * 100_000,
        payload(stream_of(whole), ["id"], 2, format=2),
        payload(stream_of(whole), ["id"], 3),
        payload(stream_of(whole), ["id"], 1 << 60),
        payload(stream_of(whole), ["id"], -1),
        payload(stream_of(whole), ["id"], 0),
        payload(stream_of(whole), ["id", "more"], 2),
        payload(stream_of(twice), ["id", "id"], 2),
        payload(b"", ["id"], 2),
        payload(stream_of(whole)[:40], ["id"], 2),
        payload(stream_of(whole, compression="lz4"), ["id"], 2),
        payload(stream_of(whole, compression="zstd"), ["id"], 2),
        payload(stream_of(coded), ["id"], 2),
        payload(stream_of(nested), ["id"], 2),
        payload(stream_of(struct), ["id"], 2),
        payload(stream_of(extension), ["id"], 2),
        payload(stream_of(nulls), ["id"], 1 << 30),
        payload(stream_of(nulls), ["id"], 100),
    ):  # fmt: skip
        with pytest.raises(CorruptError, match="the rows of a batch are unreadable"):
            from_bytes(data)


def test_odd_names_are_kept() -> None:
    names = ["ARROW:extension:name", "", "ünï", "0"]
    table = pa.table([pa.array([1])] * 4, names=names).replace_schema_metadata({"ARROW:extension:name": "x"})
    found = from_bytes(to_bytes({"a/b": Accepted((Part(table, True),)), "": Accepted(())}))
    assert list(found) == ["a/b", ""]
    assert found["a/b"].parts[0].table.schema.names == names
    assert found["a/b"].parts[0].untyped


def test_pieces_make_no_other_bytes() -> None:
    rows = pa.table({"who": np.arange(10), "topic": list("abcdefghij")})
    cut = pa.concat_tables([rows.slice(0, 3), rows.slice(3, 0), rows.slice(3)])
    one, two = (to_bytes(read_batch(CATALOG, {"tickets": each}, HELD, LOOKUPS).tables) for each in (rows, cut))
    assert one == two
