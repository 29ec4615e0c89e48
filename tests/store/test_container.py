from __future__ import annotations

import struct
import threading
import uuid
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import ArgumentError, ClosedError, CorruptError, LimitError, StorageError, VersionError
from segdex.store import container
from segdex.store.container import BLOCK, FOOTER, HEADER, Identity, Reader, Section, Writer, checksum, padded
from segdex.store.os import OperatingSystem

SYSTEM = OperatingSystem()
STORE = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
IDENTITY = Identity(STORE, 3, 9)
ARRAYS = {
    "codes": np.array([-1, 0, 7], np.int32),
    "ids": np.array([0, 2**32 - 1], np.uint32),
    "ints": np.array([np.iinfo(np.int64).min, -1, 2**63 - 1], np.int64),
    "words": np.array([0, 2**64 - 1], np.uint64),
    "floats": np.array([-0.0, np.nan, np.inf], np.float64),
    "truths": np.array([True, False], np.bool_),
    "nothing": np.array([], np.int64),
}


def write(path: Path, sections: dict[str, object], identity: Identity = IDENTITY) -> bytes:
    file = SYSTEM.create(path)
    writer = Writer(file, identity, SYSTEM)
    for name, content in sections.items():
        if isinstance(content, np.ndarray):
            writer.add_array(name, content)
        else:
            writer.add_bytes(name, *(content if isinstance(content, list) else [content]))
    writer.finish()
    SYSTEM.close(file)
    assert writer.size == path.stat().st_size
    assert writer.seal == Reader(path, SYSTEM).seal
    return path.read_bytes()


def contents_of(reader: Reader) -> dict[str, bytes]:
    return {name: bytes(reader.section(name)) for name in reader.sections}


def test_arrays_and_bytes_come_back_as_read_only_views(tmp_path):
    write(
        tmp_path / "f", {**ARRAYS, "text": b"abc", "parts": [b"ab", np.array([1], np.int16), b"", pa.py_buffer(b"c")]}
    )
    reader = Reader(tmp_path / "f", SYSTEM)
    assert reader.identity == Identity(STORE, 3, 9)
    for name, expected in ARRAYS.items():
        kind = "b1" if expected.dtype == np.bool_ else f"{expected.dtype.kind}{expected.dtype.itemsize}"
        found = reader.array(name, kind)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert not found.flags.writeable
        assert not len(found) or found.ctypes.data % 64 == 0
    assert bytes(reader.section("text")) == b"abc"
    assert bytes(reader.section("parts")) == b"ab\1\0c"
    assert reader.section("text").readonly
    assert "text" in reader
    assert "absent" not in reader
    assert list(reader.verify()) == []


def test_views_outlive_the_reader_and_the_file(tmp_path):
    write(tmp_path / "f", {"ints": np.arange(5)})
    reader = Reader(tmp_path / "f", SYSTEM)
    values = reader.array("ints", "i8")
    reader.close()
    (tmp_path / "f").unlink()
    assert values.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ClosedError):
        reader.section("ints")
    with pytest.raises(ClosedError):
        list(reader.verify())


def test_a_file_without_sections(tmp_path):
    write(tmp_path / "f", {})
    assert list(Reader(tmp_path / "f", SYSTEM).sections) == []


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.lists(st.binary(max_size=200), max_size=4), max_size=5))
def test_any_bytes_in_any_pieces(tmp_path_factory, sections):
    path = tmp_path_factory.mktemp("c") / "f"
    write(path, sections)
    reader = Reader(path, SYSTEM)
    assert contents_of(reader) == {name: b"".join(parts) for name, parts in sections.items()}


@pytest.mark.parametrize("length", [BLOCK - 64, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_large_sections_have_a_checksum_a_block(tmp_path, length):
    data = np.random.default_rng(1).bytes(length)
    pieces = [data[: length // 3], data[length // 3 :]]
    raw = bytearray(write(tmp_path / "f", {"small": b"x", "large": pieces}))
    reader = Reader(tmp_path / "f", SYSTEM)
    assert bytes(reader.section("large")) == data
    entry = reader.sections["large"]
    blocks = -(-padded(length) // BLOCK)
    assert len(entry.checksums) == 8 * blocks
    assert entry.checksums[:8] == checksum(raw[entry.offset : min(entry.offset + BLOCK, entry.end)]).to_bytes(
        8, "little"
    )
    del reader
    for damaged in {entry.offset, entry.offset + length - 1, entry.end - 1}:
        other = tmp_path / f"damaged-{damaged}"
        raw[damaged] ^= 1
        other.write_bytes(raw)
        raw[damaged] ^= 1
        reader = Reader(other, SYSTEM)
        start = entry.offset + (damaged - entry.offset) // BLOCK * BLOCK
        with pytest.raises(CorruptError, match=rf"section 'large', offset {start}: wrong checksum; found \w{{16}}"):
            reader.section("large")
        assert len(list(reader.verify())) == 1
        assert bytes(reader.section("small")) == b"x"


def test_verify_names_every_damaged_block(tmp_path):
    raw = bytearray(write(tmp_path / "f", {"a": bytes(3 * BLOCK), "b": b"x", "c": b"y"}))
    sections = Reader(tmp_path / "f", SYSTEM).sections
    (tmp_path / "f").unlink()
    for at in (sections["a"].offset, sections["a"].offset + 2 * BLOCK, sections["c"].offset):
        raw[at] ^= 0x80
    (tmp_path / "f").write_bytes(raw)
    places = [problem.place for problem in Reader(tmp_path / "f", SYSTEM).verify()]
    assert [place.split(", ", 1)[1] for place in places] == [
        f"section 'a', offset {sections['a'].offset}",
        f"section 'a', offset {sections['a'].offset + 2 * BLOCK}",
        f"section 'c', offset {sections['c'].offset}",
    ]


# --- damage ------------------------------------------------------------------------------------------------------

SMALL = {"ints": np.arange(3), "text": b"hello", "nothing": b"", "truths": np.array([True])}


def read_or_refuse(path: Path, data: bytes, expected: dict[str, bytes]) -> bool:
    """Whether *data* is refused; it must give *expected* otherwise."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    try:
        reader = Reader(path, SYSTEM)
        found, identity = contents_of(reader), reader.identity
    except (CorruptError, VersionError) as error:
        return str(path) in str(error)
    assert found == expected
    assert identity == Identity(STORE, 3, 9)
    return False


@pytest.fixture
def small(tmp_path) -> tuple[bytes, dict[str, bytes]]:
    raw = write(tmp_path / "small", SMALL)
    return raw, contents_of(Reader(tmp_path / "small", SYSTEM))


def test_every_flipped_byte_is_refused(tmp_path, small):
    raw, expected = small
    for position in range(len(raw)):
        for pattern in (0x01, 0x80, 0xFF):
            data = bytearray(raw)
            data[position] ^= pattern
            assert read_or_refuse(tmp_path / "f", bytes(data), expected), (position, pattern)


def test_every_truncation_is_refused(tmp_path, small):
    raw, expected = small
    for length in range(len(raw)):
        assert read_or_refuse(tmp_path / "f", raw[:length], expected), length


def test_every_insertion_and_removal_is_refused(tmp_path, small):
    raw, expected = small
    for position in range(len(raw) + 1):
        for inserted in (b"\0", b"\0" * 64):
            data = raw[:position] + inserted + raw[position:]
            assert read_or_refuse(tmp_path / "f", data, expected), position
        if position < len(raw):
            assert read_or_refuse(tmp_path / "f", raw[:position] + raw[position + 1 :], expected), position


def test_a_file_glued_together_from_two_is_refused(tmp_path, small):
    raw, expected = small
    other = write(tmp_path / "other", SMALL, Identity(uuid.uuid4(), 3, 9))
    assert len(other) == len(raw)
    for cut in (HEADER.size, len(raw) - FOOTER.size):
        assert read_or_refuse(tmp_path / "f", raw[:cut] + other[cut:], expected)
    assert read_or_refuse(tmp_path / "f", raw + raw, expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"PAR1" + bytes(200), "no file of segdex"),
        (b"\x89segdex\r\n" + bytes(200), "no file of segdex"),
        (container.MAGIC, "cut short"),
        (container.MAGIC + bytes(200), "header, offset 0: wrong checksum"),
    ],
)
def test_foreign_files(tmp_path, data, message):
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(CorruptError, match=message):
        Reader(tmp_path / "f", SYSTEM)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(StorageError, match="ENOENT"):
        Reader(tmp_path / "absent", SYSTEM)
    with pytest.raises(CorruptError, match="found a folder"):
        Reader(tmp_path, SYSTEM)


def with_header(raw: bytes, **changes: int) -> bytes:
    """*raw* with another version or other flags, its checksums right again."""
    fields = list(HEADER.unpack_from(raw))
    for name, value in changes.items():
        fields[{"version": 1, "flags": 2}[name]] = value
    fields[7] = checksum(HEADER.pack(*fields)[:-8])
    footer = list(FOOTER.unpack_from(raw, len(raw) - FOOTER.size))
    footer[4] = checksum(FOOTER.pack(*footer)[:-16], fields[7])
    return HEADER.pack(*fields) + raw[HEADER.size : -FOOTER.size] + FOOTER.pack(*footer)


@pytest.mark.parametrize("changes", [{"version": 2}, {"version": 2**32 - 1}, {"flags": 1}, {"flags": 1 << 31}])
def test_newer_files_are_told_from_damaged_ones(tmp_path, small, changes):
    (tmp_path / "f").write_bytes(with_header(small[0], **changes))
    with pytest.raises(VersionError, match="newer version of segdex") as caught:
        Reader(tmp_path / "f", SYSTEM)
    assert caught.value.place == str(tmp_path / "f")


def test_format_zero_never_was(tmp_path, small):
    (tmp_path / "f").write_bytes(with_header(small[0], version=0))
    with pytest.raises(CorruptError, match="no such format"):
        Reader(tmp_path / "f", SYSTEM)
    (tmp_path / "g").write_bytes(with_header(small[0]))
    assert contents_of(Reader(tmp_path / "g", SYSTEM)) == small[1]


def with_contents(raw: bytes, contents: bytes, **changes: int) -> bytes:
    """*raw* with other contents, every checksum right: what someone would make who knows the format."""
    header_seal = HEADER.unpack_from(raw)[7]
    offset, *_ = FOOTER.unpack_from(raw, len(raw) - FOOTER.size)
    footer = {"offset": offset, "length": len(contents), "seal": checksum(contents)}
    footer["size"] = offset + len(contents) + FOOTER.size
    footer |= changes
    unsigned = struct.pack("<QQQQ", *footer.values())
    seal = checksum(unsigned, header_seal).to_bytes(8, "little")
    return raw[:offset] + contents + unsigned + seal + container.END_MAGIC


def entries(raw: bytes) -> list[list[object]]:
    offset, length, *_ = FOOTER.unpack_from(raw, len(raw) - FOOTER.size)
    return msgspec.msgpack.decode(raw[offset : offset + length])


def changed(at: int, field: int, value: object):
    def change(held: list[list[object]]) -> None:
        held[at][field] = value

    return change


HOSTILE = {
    "twice": (lambda held: held[1].__setitem__(0, "ints"), "there twice"),
    "unnamed": (changed(0, 0, ""), "unreadable"),
    "long name": (changed(0, 0, "x" * (container.LONGEST_NAME + 1)), "unreadable"),
    "kind": (changed(0, 1, "O"), "unreadable"),
    "unaligned": (changed(1, 2, 129), "out of place"),
    "overlap": (changed(1, 2, 64), "out of place"),
    "negative": (changed(1, 2, -64), "unreadable"),
    "beyond": (changed(3, 3, 2**62), "out of place"),
    "overflow": (changed(3, 3, 2**64 - 1), "unreadable"),
    "not whole": (changed(0, 3, 23), "not whole items"),
    "fewer checksums": (changed(0, 4, b""), "number of checksums"),
    "more checksums": (changed(0, 4, bytes(16)), "number of checksums"),
    "half a checksum": (changed(0, 4, bytes(9)), "number of checksums"),
    "short entry": (lambda held: held[0].pop(), "unreadable"),
    "long entry": (lambda held: held[0].append(1), "unreadable"),
    "gap": (lambda held: held.pop(), "belong to no section"),
    "wrong type": (changed(0, 3, "24"), "unreadable"),
    "nested": (changed(0, 3, [[[[]]]]), "unreadable"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_contents(tmp_path, small, case):
    change, message = HOSTILE[case]
    held = entries(small[0])
    change(held)
    (tmp_path / "f").write_bytes(with_contents(small[0], msgspec.msgpack.encode(held)))
    with pytest.raises(CorruptError, match=message):
        Reader(tmp_path / "f", SYSTEM)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x80",
        b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x90\x90",
        b"\x91\x95\xa1\xff\xa5bytes\x40\x00\xc4\x00",
    ],
    ids=["none", "map", "null", "absurd", "deep", "trailing", "no utf-8"],
)
def test_contents_that_are_no_list_of_sections(tmp_path, small, contents):
    (tmp_path / "f").write_bytes(with_contents(small[0], contents))
    with pytest.raises(CorruptError, match="contents"):
        Reader(tmp_path / "f", SYSTEM)


def test_too_many_sections(tmp_path, small, monkeypatch):
    monkeypatch.setattr(container, "MOST_SECTIONS", 3)
    (tmp_path / "f").write_bytes(small[0])
    with pytest.raises(CorruptError, match="too many sections"):
        Reader(tmp_path / "f", SYSTEM)


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": 0},
        {"offset": 65},
        {"offset": 2**64 - 64},
        {"length": 0},
        {"length": 2**64 - 1},
        {"seal": 1},
        {"size": 0},
        {"size": 2**64 - 1},
    ],
)
def test_hostile_footers(tmp_path, small, changes):
    offset, length, *_ = FOOTER.unpack_from(small[0], len(small[0]) - FOOTER.size)
    contents = small[0][offset : offset + length]
    assert with_contents(small[0], contents) == small[0]
    (tmp_path / "f").write_bytes(with_contents(small[0], contents, **changes))
    with pytest.raises(CorruptError):
        Reader(tmp_path / "f", SYSTEM)


def test_a_section_of_another_kind_or_missing(tmp_path):
    write(tmp_path / "f", SMALL)
    reader = Reader(tmp_path / "f", SYSTEM)
    with pytest.raises(CorruptError, match=r"section 'ints', offset 64: wrong kind; found i8; allowed: f8"):
        reader.array("ints", "f8")
    with pytest.raises(CorruptError, match="a section is missing; allowed: section 'absent'"):
        reader.section("absent")


# --- the writer's own limits ---


def test_what_a_writer_refuses(tmp_path, monkeypatch):
    file = SYSTEM.create(tmp_path / "f")
    writer = Writer(file, Identity(STORE, 1), SYSTEM)
    writer.add_bytes("a", b"")
    with pytest.raises(ArgumentError, match="twice"):
        writer.add_bytes("a", b"")
    with pytest.raises(ArgumentError, match="cannot hold"):
        writer.add_array("b", np.zeros(3, np.int16))
    with pytest.raises(ArgumentError, match="cannot hold"):
        writer.add_array("b", np.zeros((3, 3)))
    with pytest.raises(LimitError, match="too long"):
        writer.add_bytes("x" * (container.LONGEST_NAME + 1), b"")
    monkeypatch.setattr(container, "MOST_SECTIONS", 1)
    with pytest.raises(LimitError, match="too many"):
        writer.add_bytes("b", b"")
    SYSTEM.close(file)


def test_strided_and_big_endian_arrays_are_stored_as_they_read(tmp_path):
    write(tmp_path / "f", {"a": np.arange(10)[::3], "b": np.arange(3, dtype=">i4")})
    reader = Reader(tmp_path / "f", SYSTEM)
    assert reader.array("a", "i8").tolist() == [0, 3, 6, 9]
    assert reader.array("b", "i4").tolist() == [0, 1, 2]


def test_many_threads_read_one_file(tmp_path):
    data = {f"s{i}": np.arange(50_000) + i for i in range(8)}
    write(tmp_path / "f", data)
    reader = Reader(tmp_path / "f", SYSTEM)
    wrong: list[str] = []

    def read() -> None:
        wrong.extend(name for name, held in data.items() if not np.array_equal(reader.array(name, "i8"), held))

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_layout_constants():
    assert (HEADER.size, FOOTER.size, container.ALIGNMENT, BLOCK) == (64, 48, 64, 1 << 20)
    assert Section("a", "bytes", 64, 0, b"").end == 64
    assert [padded(n) for n in (0, 1, 64, 65)] == [0, 64, 64, 128]
