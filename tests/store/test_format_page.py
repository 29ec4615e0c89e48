"""The page on the file format says what the code does."""

from __future__ import annotations

import os
import re
import struct
import uuid
from pathlib import Path

import numpy as np
import pytest
import xxhash

from segdex.store import container, journal
from segdex.store.container import FOOTER, HEADER, Identity, Reader, Writer, header_bytes
from segdex.store.folder import LOCK, Pointer, file_name, journal_name
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


@pytest.fixture
def tiny(tmp_path) -> Reader:
    system = OperatingSystem()
    file = system.create(tmp_path / "tiny.segdex")
    writer = Writer(file, Identity(uuid.UUID(int=0x1234), generation=1), system)
    writer.add_array("spend", np.array([250, -1, 7]))
    writer.add_bytes("names", b"ann", b"bob")
    writer.finish()
    system.close(file)
    return Reader(tmp_path / "tiny.segdex", system)


def dumped(data: bytes) -> str:
    lines = []
    for at in range(0, len(data), 16):
        line = data[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        lines.append(f"{at:04x}  {line.hex(' '):47}  {shown}")
    return "\n".join(lines)


def test_the_dump_is_what_the_code_writes(tiny):
    data = tiny.path.read_bytes()
    assert f"This makes {len(data)} bytes" in PAGE
    assert f"```text\n{dumped(data)}\n```" in PAGE


def test_the_example_of_current_is_that_file(tiny):
    text = Pointer(tiny.identity.store, 1, tiny.size, tiny.seal).to_bytes().decode()
    assert f"```text\n{text}```" in PAGE
    assert f"`{file_name(1)}`" in PAGE


def rows(heading: str) -> list[tuple[int, int, str]]:
    """Offset, bytes and meaning of the table below a heading."""
    section = PAGE.split(f"### {heading}\n")[1].split("\n### ")[0]
    return [(int(a), int(b), c) for a, b, c in re.findall(r"^\| (\d+) \| (\d+) \| (.+) \|$", section, re.M)]


@pytest.mark.parametrize(("heading", "layout"), [("Header", HEADER), ("Footer", FOOTER)])
def test_tables_of_offsets(heading, layout):
    table = rows(heading)
    offset = 0
    for (at, length, _), code in zip(table, re.findall(r"\d*[sIQ]", layout.format), strict=True):
        assert (at, length) == (offset, struct.calcsize("<" + code))
        offset += length
    assert offset == layout.size


def test_constants():
    assert container.MAGIC.hex(" ") in rows("Header")[0][2]
    assert container.END_MAGIC.hex(" ") in rows("Footer")[-1][2]
    assert f"version of the format: {container.FORMAT_VERSION}" in PAGE
    assert f"It describes format {container.FORMAT_VERSION}." in PAGE
    for number in (container.BLOCK, container.MOST_SECTIONS, container.LONGEST_NAME):
        assert f"{number:,}" in PAGE
    for kind in ("bytes", *container.KINDS):
        assert f"`{kind}`" in PAGE


# --- the journal -------------------------------------------------------------------------------------------------

AFTER = Identity(uuid.UUID(int=0x1234), generation=1, last_sequence=41)
RECORDS = [(42, b"a batch"), (43, b"")]


def journal_bytes(after: Identity, records: list[tuple[int, bytes]]) -> bytes:
    return header_bytes(journal.MAGIC, after) + b"".join(
        journal.encoded(payload, number, after) for number, payload in records
    )


def by_the_page(data: bytes, store: bytes, generation: int, last: int) -> list[tuple[int, bytes]]:
    """A journal read with nothing but what the page says."""
    magic = bytes.fromhex(re.search(r"with another magic: `([^`]+)`", PAGE)[1])  # type: ignore[index]
    assert data[:16] == magic + bytes([1, 0, 0, 0, 0, 0, 0, 0])
    assert data[16:48] == store + generation.to_bytes(8, "little") + last.to_bytes(8, "little")
    assert int.from_bytes(data[56:64], "little") == xxhash.xxh3_64_intdigest(data[:56])
    found, at = [], 64
    while len(data) - at >= 24:
        length, number, seal = struct.unpack_from("<QQQ", data, at)
        seed = xxhash.xxh3_64_intdigest(store + generation.to_bytes(8, "little") + (last + 1).to_bytes(8, "little"))
        if number != last + 1 or xxhash.xxh3_64_intdigest(data[at : at + 16], seed) != seal:
            break
        end = at + 24 + (length + 7) // 8 * 8
        if end + 8 > len(data) or xxhash.xxh3_64_intdigest(data[at:end], seed) != int.from_bytes(
            data[end : end + 8], "little"
        ):
            break
        found.append((number, data[at + 24 : at + 24 + length]))
        at, last = end + 8, number
    return found


def test_the_dump_of_a_journal():
    assert f"```text\n{dumped(journal_bytes(AFTER, RECORDS))}\n```" in PAGE
    assert f"`{journal_name(1)}`" in PAGE


@pytest.mark.parametrize("cut", [0, 1, 8, 31, 40, 300])
def test_a_journal_is_read_by_the_page_alone(tmp_path, cut):
    records = [*RECORDS, *((number, bytes([number]) * number) for number in range(44, 60))]
    data = journal_bytes(AFTER, records)
    data = data[: len(data) - cut]
    (tmp_path / journal_name(1)).write_bytes(data)
    found, _ = journal.read(tmp_path, AFTER, OperatingSystem())
    assert found == by_the_page(data, AFTER.store.bytes, 1, 41)
    assert len(found) == len(records) - (cut > 0) - (cut > 88) - (cut > 172) - (cut > 256)


def test_the_table_of_a_record():
    table = rows("Record")
    assert [(at, length) for at, length, _ in table] == [(0, 8), (8, 8), (16, 8)]
    assert journal.HEAD.size == 24
    assert "| 24 | | the payload" in PAGE


def test_what_the_lock_holds(tmp_path):
    with Lock.take(tmp_path, OperatingSystem()):
        text = (tmp_path / LOCK).read_bytes()
    assert len(text) == 20
    assert "; 20 bytes, its process id in decimal, spaces and a line feed" in PAGE
    assert text == str(os.getpid()).encode().ljust(19) + b"\n"
