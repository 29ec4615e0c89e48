"""The page on the file format says what the code does."""

from __future__ import annotations

import re
import struct
import uuid
from pathlib import Path

import numpy as np
import pytest

from segdex.store import container
from segdex.store.container import FOOTER, HEADER, Identity, Reader, Writer
from segdex.store.folder import Pointer, file_name
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
