"""A file of named sections, each checksummed, with its contents at the end: see ``docs/format.md``.

A `Writer` streams sections to disk one after another. A `Reader` maps the file, checks header, contents and footer
at once, and each section before its first use, so that no unverified byte leaves this module.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from segdex.errors import ArgumentError, ClosedError, CorruptError, LimitError, VersionError
from segdex.store.os import NewFile, OperatingSystem

MAGIC = b"\x89segdex\n"
END_MAGIC = b"\x89xedges\n"
FORMAT_VERSION = 1
KNOWN_FLAGS = 0
ALIGNMENT = 64
BLOCK = 1 << 20
"""Bytes under one checksum: a section has one for every block that it starts."""
MOST_SECTIONS = 1 << 20
_GREATEST = 2**63 - 1
LONGEST_NAME = 8192
"""Characters: enough for two declared names in one, each of whose characters may be written as three."""

HEADER = struct.Struct("<8sII16sQQQQ")
"""Magic, version, must-understand flags, store id, generation, last sequence, reserved, checksum.

It is the same in every version of the format, so that an older segdex can tell a newer file from a damaged one."""
FOOTER = struct.Struct("<QQQQQ8s")
"""Offset, length and checksum of the contents, length of the file, checksum, magic."""

Kind: TypeAlias = Literal["bytes", "b1", "u1", "i4", "u4", "i8", "u8", "f8"]
Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Buffer: TypeAlias = Any  # whatever memoryview takes: bytes, arrays, Arrow buffers

KINDS: dict[str, np.dtype[Any]] = {kind: np.dtype(f"<{kind}") for kind in get_args(Kind) if kind != "bytes"}


class Section(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One entry of the contents.

    Attributes:
        name: unique in the file.
        kind: what the bytes are: a little-endian array of one type, or opaque.
        offset: where it starts, a multiple of 64.
        length: in bytes, without the zeros that follow up to the next multiple of 64.
        checksums: xxh3-64 of each 1 MiB block, those zeros included, as little-endian uint64.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
    kind: Kind
    offset: Natural
    length: Natural
    checksums: bytes

    @property
    def end(self) -> int:
        """Where the next section starts."""
        return self.offset + padded(self.length)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """What the header of a file says it is.

    Attributes:
        store: the index that the file belongs to, whatever its generation.
        generation: counts up from 1.
        last_sequence: the last batch of the journal that the file holds.
    """

    store: uuid.UUID
    generation: int
    last_sequence: int = 0


_contents_encoder = msgspec.msgpack.Encoder()
_contents_decoder = msgspec.msgpack.Decoder(list[Section])


def padded(length: int) -> int:
    """*length* rounded up to the alignment."""
    return -(-length // ALIGNMENT) * ALIGNMENT


def checksum(data: Buffer, seed: int = 0) -> int:
    """The xxh3-64 of *data*."""
    return int(xxhash.xxh3_64_intdigest(data, seed))


def checksum_of(parts: Iterable[Buffer], seed: int = 0) -> int:
    """The xxh3-64 of *parts*, one after another."""
    digest = xxhash.xxh3_64(seed=seed)
    for part in parts:
        digest.update(part)
    return int(digest.intdigest())


def hexed(seal: int) -> str:
    """A checksum as 16 hexadecimal digits."""
    return f"{seal:016x}"


def damaged(path: Path, problem: str, offset: int, found: object, expected: object, part: str) -> CorruptError:
    """What to raise for a fault in a file."""
    place = f"{path}, {part}, offset {offset}"
    return CorruptError(problem, place=place, found=str(found), allowed=str(expected))


# --- the header --------------------------------------------------------------------------------------------------


def header_bytes(magic: bytes, identity: Identity) -> bytes:
    """The header of a file of one of the kinds that there are; *magic* says which. It ends with its checksum."""
    parts = (magic, FORMAT_VERSION, 0, identity.store.bytes, identity.generation, identity.last_sequence, 0)
    unsigned = HEADER.pack(*parts, 0)[:-8]
    return unsigned + checksum(unsigned).to_bytes(8, "little")


def read_header(data: Buffer, magic: bytes, path: Path) -> tuple[Identity, int]:
    """What the header at the start of *data* says, and its checksum.

    Raises:
        CorruptError: it is damaged, or that of another kind of file.
        VersionError: it was written by a newer version.
    """
    size = len(data)
    if size == 0:
        raise damaged(path, "the file is empty", 0, "0 bytes", "a segdex file", "header")
    start = bytes(data[: len(magic)])
    if start != magic:
        raise damaged(path, "this is no file of segdex", 0, start.hex(" "), magic.hex(" "), "header")
    if size < HEADER.size:
        raise damaged(path, "the file is cut short", size, f"{size} bytes", HEADER.size, "header")
    header = HEADER.unpack_from(data)
    computed = checksum(data[: HEADER.size - 8])
    if computed != header[7]:
        raise damaged(path, "wrong checksum", 0, hexed(computed), hexed(header[7]), "header")
    version, flags = header[1], header[2]
    if version > FORMAT_VERSION or flags & ~KNOWN_FLAGS:
        raise VersionError(
            "the file was written by a newer version of segdex",
            place=str(path),
            found=f"format {version}, features {flags:#x}",
            allowed=f"formats 1 to {FORMAT_VERSION}, features {KNOWN_FLAGS:#x}",
            hint="install that version, or build the index again",
        )
    if version == 0:
        raise damaged(path, "there is no such format", 8, version, f"1 to {FORMAT_VERSION}", "header")
    if max(header[4], header[5]) > _GREATEST:
        raise damaged(path, "a number is out of range", 32, max(header[4], header[5]), f"0 to {_GREATEST}", "header")
    return Identity(uuid.UUID(bytes=header[3]), header[4], header[5]), header[7]


# --- writing -----------------------------------------------------------------------------------------------------


class Writer:
    """Writes the sections of a new file; nothing is readable before `finish`.

    Attributes:
        size: how many bytes were written.
        seal: after `finish`, the checksum of the contents, which stands for every byte of the file.

    Raises:
        ArgumentError: an array of a type that no section holds, or a name that was used.
        LimitError: more sections than a file may have, or too long a name.
        StorageError: the operating system refused; the file is then of no use.
    """

    def __init__(self, file: NewFile, identity: Identity, system: OperatingSystem) -> None:
        self._file = file
        self._system = system
        self._sections: dict[str, Section] = {}
        self.size = 0
        header = header_bytes(MAGIC, identity)
        self._header_seal = int.from_bytes(header[-8:], "little")
        self._write(header)

    def _write(self, data: bytes | memoryview) -> None:
        self._system.write(self._file, data)
        self.size += len(data)

    def add_array(self, name: str, values: npt.NDArray[Any]) -> None:
        """Add a section that holds a one-dimensional array of a type in `KINDS`."""
        kind = "b1" if values.dtype == np.bool_ else f"{values.dtype.kind}{values.dtype.itemsize}"
        if kind not in KINDS or values.ndim != 1:
            found = f"{values.dtype} of {values.ndim} dimensions"
            raise ArgumentError("a section cannot hold this array", place=name, found=found, allowed=", ".join(KINDS))
        self._add(name, kind, np.ascontiguousarray(values, KINDS[kind]))

    def add_bytes(self, name: str, *chunks: Buffer) -> None:
        """Add a section that holds bytes, given in one or several buffers."""
        self._add(name, "bytes", *chunks)

    def _add(self, name: str, kind: Any, *chunks: Buffer) -> None:
        if name in self._sections:
            raise ArgumentError("a section is added twice", place=name)
        if len(name) > LONGEST_NAME or len(self._sections) == MOST_SECTIONS:
            limits = f"names of {LONGEST_NAME:,} characters, {MOST_SECTIONS:,} sections"
            raise LimitError("a name is too long, or there are too many sections", place=name[:60], allowed=limits)
        offset, blocks, length = self.size, _Blocks(), 0
        for chunk in chunks:
            data = memoryview(chunk)
            if data.nbytes:  # memoryview does not cast an empty array
                length += data.nbytes
                self._write(blocks.update(data.cast("B")))
        self._write(blocks.update(memoryview(bytes(padded(length) - length))))
        self._sections[name] = Section(name, kind, offset, length, blocks.digests())

    def finish(self) -> None:
        """Write contents and footer; the caller syncs and closes the file."""
        contents = _contents_encoder.encode(list(self._sections.values()))
        self.seal = checksum(contents)
        parts = (self.size, len(contents), self.seal, self.size + len(contents) + FOOTER.size)
        unsigned = FOOTER.pack(*parts, 0, END_MAGIC)[:-16]
        self._write(contents)
        self._write(FOOTER.pack(*parts, checksum(unsigned, self._header_seal), END_MAGIC))


class _Blocks:
    """Checksums of consecutive blocks of bytes that arrive in pieces of any size."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._state = xxhash.xxh3_64()
        self._filled = 0

    def update(self, data: memoryview) -> memoryview:
        rest = data
        while len(rest):
            piece = rest[: BLOCK - self._filled]
            self._state.update(piece)
            self._filled += len(piece)
            rest = rest[len(piece) :]
            if self._filled == BLOCK:
                self._close()
        return data

    def _close(self) -> None:
        self._done.append(self._state.intdigest())
        self._state.reset()
        self._filled = 0

    def digests(self) -> bytes:
        if self._filled:
            self._close()
        return np.array(self._done, "<u8").tobytes()


# --- reading -----------------------------------------------------------------------------------------------------


class Reader:
    """A mapped file. Header, contents and footer are checked here, each section before its first use.

    Safe to use from several threads. The mapping lives as long as any view that was handed out.

    Attributes:
        path: the file, for messages.
        size: its length in bytes.
        identity: what its header says.
        sections: its contents by name, in the order of the file.
        seal: the checksum of the contents.

    Raises:
        CorruptError: the file is damaged, cut, foreign or empty; the message names section and offset.
        VersionError: it was written by a newer version.
        StorageError: it cannot be read.
    """

    def __init__(self, path: Path, system: OperatingSystem) -> None:
        self.path = path
        self._data: memoryview | None = system.map(path)
        self.size = len(self._data)
        self.identity, seed = read_header(self._data, MAGIC, path)
        offset, length, self.seal = self._footer(self._data, seed)
        self.sections = self._check_contents(self._data[offset : offset + length], offset)
        self._verified: set[str] = set()

    # --- structure ---

    def _damaged(self, problem: str, offset: int, found: object, expected: object, part: str) -> CorruptError:
        return damaged(self.path, problem, offset, found, expected, part)

    def _check_seal(self, data: memoryview, recorded: int, offset: int, part: str, seed: int) -> None:
        computed = checksum(data, seed)
        if computed != recorded:
            raise self._damaged("wrong checksum", offset, hexed(computed), hexed(recorded), part)

    def _footer(self, data: memoryview, seed: int) -> tuple[int, int, int]:
        """Offset, length and checksum of the contents."""
        at = self.size - FOOTER.size
        if at < HEADER.size:
            raise self._damaged("the file is cut short", self.size, f"{self.size} bytes", "a footer", "footer")
        offset, length, seal, size, own, magic = FOOTER.unpack_from(data, at)
        if magic != END_MAGIC:
            problem = "the file is cut short, or something follows its end"
            raise self._damaged(problem, self.size - 8, magic.hex(" "), END_MAGIC.hex(" "), "footer")
        self._check_seal(data[at : self.size - 16], own, at, "footer", seed)
        if size != self.size:
            raise self._damaged("wrong length of the file", at + 24, self.size, size, "footer")
        if offset % ALIGNMENT or offset < HEADER.size or offset + length != at:
            raise self._damaged("contents out of place", at, (offset, length), f"up to {at}", "footer")
        self._check_seal(data[offset:at], seal, offset, "contents", seed=0)
        return offset, length, seal

    def _check_contents(self, contents: memoryview, offset: int) -> dict[str, Section]:
        try:
            entries = _contents_decoder.decode(contents)
        except (ValueError, RecursionError) as error:
            raise self._damaged("unreadable", offset, error, "a list of sections", "contents") from None
        if len(entries) > MOST_SECTIONS:
            raise self._damaged("too many sections", offset, len(entries), MOST_SECTIONS, "contents")
        sections: dict[str, Section] = {}
        position = HEADER.size
        for entry in entries:
            part = f"section {entry.name!r}"
            if entry.name in sections:
                raise self._damaged("the name is there twice", entry.offset, "2", "1", part)
            if entry.offset != position or entry.end > offset:
                raise self._damaged("out of place", entry.offset, entry.offset, f"{position} to {offset}", part)
            item = 1 if entry.kind == "bytes" else KINDS[entry.kind].itemsize
            if entry.length % item:
                raise self._damaged("not whole items", entry.offset, entry.length, f"a multiple of {item}", part)
            blocks = -(-padded(entry.length) // BLOCK)
            if len(entry.checksums) != 8 * blocks:
                found = len(entry.checksums) / 8
                raise self._damaged("wrong number of checksums", entry.offset, found, blocks, part)
            sections[entry.name] = entry
            position = entry.end
        if position != offset:
            raise self._damaged("bytes that belong to no section", position, offset - position, 0, "contents")
        return sections

    # --- sections ---

    def __contains__(self, name: str) -> bool:
        return name in self.sections

    def section(self, name: str) -> memoryview:
        """The bytes of a section, read-only, without a copy; its checksums are checked the first time.

        Raises:
            CorruptError: the section is damaged or missing.
            ClosedError: the file was closed.
        """
        entry = self._entry(name)
        data = self._mapped()
        if name not in self._verified:
            # Two threads may both do this: the answer is the same, and adding to a set is atomic.
            for problem in self._damage(entry, data):
                raise problem
            self._verified.add(name)
        return data[entry.offset : entry.offset + entry.length]

    def array(self, name: str, kind: Kind) -> npt.NDArray[Any]:
        """A section as a read-only array without a copy.

        Raises:
            CorruptError: the section is damaged, missing, or of another kind.
        """
        entry = self._entry(name)
        if entry.kind != kind:
            raise self._damaged("wrong kind", entry.offset, entry.kind, kind, f"section {name!r}")
        return np.frombuffer(self.section(name), KINDS[kind])

    def verify(self) -> Iterator[CorruptError]:
        """Read the whole file and yield what is wrong with it, block by block; nothing where all is well."""
        data = self._mapped()
        for entry in self.sections.values():
            yield from self._damage(entry, data)

    def close(self) -> None:
        """Hand out no more sections. Views that were handed out stay good."""
        self._data = None

    def _mapped(self) -> memoryview:
        if self._data is None:
            raise ClosedError("the file was closed", place=str(self.path))
        return self._data

    def _entry(self, name: str) -> Section:
        entry = self.sections.get(name)
        if entry is None:
            raise CorruptError("a section is missing", place=str(self.path), allowed=f"section {name!r}")
        return entry

    def _damage(self, entry: Section, data: memoryview) -> Iterator[CorruptError]:
        expected = np.frombuffer(entry.checksums, "<u8").tolist()
        for seal, start in zip(expected, range(entry.offset, entry.end, BLOCK), strict=True):
            found = checksum(data[start : min(start + BLOCK, entry.end)])
            if found != seal:
                part = f"section {entry.name!r}"
                yield self._damaged("wrong checksum", start, hexed(found), hexed(seal), part)
