"""The folder of an index: the names in it, ``CURRENT``, and how a file there gets new bytes in one step."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path

from segdex.errors import ArgumentError, CorruptError, SegdexError, StorageError, VersionError
from segdex.store.container import checksum, hexed
from segdex.store.os import NewFile, OperatingSystem

CURRENT = "CURRENT"
LOCK = "LOCK"

_GENERATION = re.compile(r"generation-(\d{8,18})\.segdex")
_JOURNAL = re.compile(r"journal-(\d{8,18})\.segdex")
_TEMPORARY = re.compile(r"((generation|journal)-\d{8,18}\.segdex|CURRENT)\.[0-9a-f]{16}\.tmp")
_CURRENT = re.compile(
    r"segdex index (?P<version>\d{1,9})\n"
    r"store (?P<store>[0-9a-f]{32})\n"
    r"generation (?P<generation>\d{1,18})\n"
    r"length (?P<length>\d{1,18})\n"
    r"contents (?P<seal>[0-9a-f]{16})\n"
)
_CURRENT_VERSION = 1
_MOST_CURRENT = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Pointer:
    """What ``CURRENT`` says.

    Attributes:
        store: the index.
        generation: the number of the current generation; its file is named after it.
        length: of that file, in bytes.
        seal: the checksum of that file's contents.
    """

    store: uuid.UUID
    generation: int
    length: int
    seal: int

    @property
    def file(self) -> str:
        """The name of the generation's file."""
        return file_name(self.generation)

    def to_bytes(self) -> bytes:
        """The text of ``CURRENT``."""
        text = (
            f"segdex index {_CURRENT_VERSION}\nstore {self.store.hex}\ngeneration {self.generation}\n"
            f"length {self.length}\ncontents {hexed(self.seal)}\n"
        ).encode()
        return text + f"checksum {hexed(checksum(text))}\n".encode()


# --- names -------------------------------------------------------------------------------------------------------


def file_name(generation: int) -> str:
    """The name of a generation's file.

    >>> file_name(1)
    'generation-00000001.segdex'
    """
    return f"generation-{generation:08d}.segdex"


def journal_name(generation: int) -> str:
    """The name of the journal that follows a generation.

    >>> journal_name(1)
    'journal-00000001.segdex'
    """
    return f"journal-{generation:08d}.segdex"


def generations(folder: Path, system: OperatingSystem) -> list[int]:
    """The numbers of the generation files in a folder, ascending."""
    return _numbers(folder, system, _GENERATION, file_name)


def journals(folder: Path, system: OperatingSystem) -> list[int]:
    """The numbers of the generations that have a journal in a folder, ascending."""
    return _numbers(folder, system, _JOURNAL, journal_name)


def _numbers(folder: Path, system: OperatingSystem, pattern: re.Pattern[str], named: Callable[[int], str]) -> list[int]:
    matches = (pattern.fullmatch(name) for name in system.names(folder))
    return sorted(int(match[1]) for match in matches if match and named(int(match[1])) == match[0])


# --- CURRENT -----------------------------------------------------------------------------------------------------


def pointer(folder: Path, system: OperatingSystem) -> Pointer:
    """What ``CURRENT`` of an index folder says.

    Raises:
        ArgumentError: the folder is not there, or is no index.
        CorruptError: ``CURRENT`` is damaged, or missing where there are generations.
        VersionError: it was written by a newer version.
    """
    path = folder / CURRENT
    data = system.read(path, _MOST_CURRENT + 1)
    if data is None:
        raise _not_an_index(folder, system)
    body, separator, last = data.rpartition(b"checksum ")
    if not separator or last != f"{hexed(checksum(body))}\n".encode():
        expected = f"checksum {hexed(checksum(body))}" if separator else "a line with a checksum at the end"
        raise CorruptError("wrong checksum", place=str(path), found=repr(last[:40]), allowed=expected)
    match = _CURRENT.fullmatch(body.decode("ascii", "replace"))
    version = re.match(rb"segdex index (\d{1,9})\n", body)
    if version and int(version[1]) > _CURRENT_VERSION:
        found, allowed = version[1].decode(), str(_CURRENT_VERSION)
        raise VersionError("written by a newer version of segdex", place=str(path), found=found, allowed=allowed)
    if match is None:
        raise CorruptError("unreadable", place=str(path), found=repr(body[:60]))
    store = uuid.UUID(hex=match["store"])
    return Pointer(store, int(match["generation"]), int(match["length"]), int(match["seal"], 16))


def _not_an_index(folder: Path, system: OperatingSystem) -> SegdexError:
    """The error for a folder without ``CURRENT``."""
    place = str(folder)
    if not system.exists(folder):
        return ArgumentError("there is no such folder", place=place, hint="segdex.build(…, out=…) makes one")
    if not system.is_folder(folder):
        return ArgumentError("this is a file, not the folder of an index", place=place)
    if any(_GENERATION.fullmatch(name) for name in system.names(folder)):
        problem = "the index has no file CURRENT: its first save never ended, or the file was removed"
        return CorruptError(problem, place=place, hint="save the index again")
    return ArgumentError("this is not the folder of an index", place=place, hint="it has no file CURRENT")


def pointer_to_write(folder: Path, system: OperatingSystem) -> Pointer | None:
    """What ``CURRENT`` says, None where there is none yet; refuses a folder with anything else in it."""
    names = system.names(folder)  # listed once: another writer may be making the index at this moment
    if CURRENT in names:
        return pointer(folder, system)
    for name in names:
        if name != LOCK and not any(each.fullmatch(name) for each in (_GENERATION, _JOURNAL, _TEMPORARY)):
            problem = "the folder is not empty and is no index"
            raise ArgumentError(problem, place=str(folder), found=repr(name), hint="give an empty or a new folder")
    return None


# --- new bytes ---------------------------------------------------------------------------------------------------


def replace(target: Path, system: OperatingSystem, write: Callable[[NewFile], None]) -> None:
    """Give *target* new bytes in one step that a crash cannot halve, and wait until they are on the disk."""
    rewrite(target, system, write)
    system.sync_folder(target.parent)


def rewrite(target: Path, system: OperatingSystem, write: Callable[[NewFile], None]) -> None:
    """Give *target* new bytes in one step; until the folder is synced, a crash may bring back the old ones."""
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(8)}.tmp")
    file = system.create(temporary)
    try:
        try:
            write(file)
            system.sync(file)
        finally:
            system.close(file)
        system.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(StorageError):
            system.remove(temporary)
        raise


def sweep(folder: Path, system: OperatingSystem) -> None:
    """Remove what writers left that were killed; whoever holds the lock knows that none is alive."""
    for name in system.names(folder):
        if _TEMPORARY.fullmatch(name):
            system.remove(folder / name)
