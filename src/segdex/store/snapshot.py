"""An index on disk: a folder of immutable generation files and ``CURRENT``, which names the one to read.

A generation becomes visible in one step, when ``CURRENT`` is replaced; whatever happens before leaves the older one
in place. Readers write nothing and take no lock. Writers hold ``LOCK``, so that one alone is at work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from segdex.errors import ArgumentError, CorruptError, LimitError, LockedError, SegdexError, StorageError, VersionError
from segdex.store.container import Identity, Reader, Writer, checksum, hexed
from segdex.store.os import NewFile, OperatingSystem

CURRENT = "CURRENT"
LOCK = "LOCK"

_GENERATION = re.compile(r"generation-(\d{8,18})\.segdex")
_TEMPORARY = re.compile(r"(generation-\d{8,18}\.segdex|CURRENT)\.[0-9a-f]{16}\.tmp")
_CURRENT = re.compile(
    r"segdex index (?P<version>\d{1,9})\n"
    r"store (?P<store>[0-9a-f]{32})\n"
    r"generation (?P<generation>\d{1,18})\n"
    r"length (?P<length>\d{1,18})\n"
    r"contents (?P<seal>[0-9a-f]{16})\n"
)
_CURRENT_VERSION = 1
_LARGEST_GENERATION = 10**18 - 1  # as many digits as a reader takes
_MOST_CURRENT = 4096

_log = logging.getLogger("segdex")


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


def file_name(generation: int) -> str:
    """The name of a generation's file.

    >>> file_name(1)
    'generation-00000001.segdex'
    """
    return f"generation-{generation:08d}.segdex"


# --- reading -----------------------------------------------------------------------------------------------------


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


def open_current(folder: Path, system: OperatingSystem) -> Reader:
    """The current generation of an index, mapped.

    Raises:
        ArgumentError: the folder is not there, or is no index.
        CorruptError: a file is damaged, or does not belong to this index.
        VersionError: a file was written by a newer version.
        StorageError: the operating system refused.
    """
    while True:
        found = pointer(folder, system)
        try:
            return _open(folder, found, system)
        except (CorruptError, StorageError):
            # A writer may have removed the file since CURRENT was read; it names another one then.
            if pointer(folder, system) == found:
                raise


def _open(folder: Path, found: Pointer, system: OperatingSystem) -> Reader:
    path = folder / found.file
    if not system.exists(path):
        raise CorruptError("the file that CURRENT names is missing", place=str(path))
    reader = Reader(path, system)
    identity = reader.identity
    facts = (identity.store, identity.generation, reader.size, reader.seal)
    expected = (found.store, found.generation, found.length, found.seal)
    if facts != expected:
        names = ("store", "generation", "length", "contents")
        wrong = next(i for i in range(4) if facts[i] != expected[i])
        problem = f"the file is not the one that CURRENT names: its {names[wrong]} differs"
        raise CorruptError(problem, place=str(path), found=str(facts[wrong]), allowed=str(expected[wrong]))
    return reader


def generations(folder: Path, system: OperatingSystem) -> list[int]:
    """The numbers of the generation files in a folder, ascending."""
    matches = (_GENERATION.fullmatch(name) for name in system.names(folder))
    return sorted(int(match[1]) for match in matches if match and file_name(int(match[1])) == match[0])


def verify(folder: Path, system: OperatingSystem) -> Iterator[SegdexError]:
    """Read every byte of all generations there and yield what is wrong; nothing where all is well.

    Raises:
        ArgumentError: the folder is not there, or is no index.
    """
    try:
        current = pointer(folder, system)
    except CorruptError as error:
        yield error
        return
    numbers = {current.generation, *generations(folder, system)}
    for number in sorted(numbers, reverse=True):
        path = folder / file_name(number)
        try:
            reader = _open(folder, current, system) if number == current.generation else Reader(path, system)
            yield from reader.verify()
        except (CorruptError, VersionError, StorageError) as error:
            yield error


# --- writing -----------------------------------------------------------------------------------------------------


def commit(
    folder: Path,
    fill: Callable[[Writer], None],
    system: OperatingSystem,
    last_sequence: int = 0,
    least: int = 1,
    since: int | None = None,
) -> Identity:
    """Write the next generation of an index, the first where the folder is empty or missing.

    Args:
        folder: the index; made where it is missing.
        fill: adds the sections. It must not write into the folder itself.
        last_sequence: the last batch of the journal that the generation holds.
        least: the generation has this number or a greater one.
        since: where given, the generation that this one follows: it must still be the current one.

    Raises:
        ArgumentError: the folder holds other files and is no index.
        CorruptError: the index there is damaged: it is not written over.
        LimitError: a file there has the greatest number that a generation may have.
        LockedError: another writer is at work, or has been since generation *since*.
        StorageError: the operating system refused; the older generation is still the current one, except where
            only the last ``fsync`` failed: then either is.
    """
    if system.exists(folder) and not system.is_folder(folder):
        raise ArgumentError("this is a file; an index is a folder", place=str(folder))
    system.make_folder(folder)
    _ours(folder, system)  # before LOCK is made there
    lock = system.lock(folder / LOCK)
    try:
        before = _ours(folder, system)
        if since is not None and (before is None or before.generation != since):
            raise LockedError(
                "another writer saved this index since it was opened", place=str(folder),
                found="no generation" if before is None else f"generation {before.generation}",
                allowed=f"generation {since}", hint="open it again and change that, or save into another folder",
            )  # fmt: skip
        _sweep(folder, system)
        number = _next(folder, before, least, system)
        identity = Identity(before.store if before else uuid.uuid4(), number, last_sequence)
        made = _write_generation(folder, identity, fill, system)
        try:
            _replace(folder / CURRENT, system, lambda file: system.write(file, made.to_bytes()))
        except SegdexError:
            _withdraw(folder, made, system)
            raise
        _prune(folder, {made, before}, system)
        return identity
    finally:
        system.close(lock)


def _ours(folder: Path, system: OperatingSystem) -> Pointer | None:
    """What ``CURRENT`` says, None where there is none yet; refuses a folder with anything else in it."""
    names = system.names(folder)  # listed once: another writer may be making the index at this moment
    if CURRENT in names:
        return pointer(folder, system)
    for name in names:
        if name != LOCK and not _GENERATION.fullmatch(name) and not _TEMPORARY.fullmatch(name):
            problem = "the folder is not empty and is no index"
            raise ArgumentError(problem, place=str(folder), found=repr(name), hint="give an empty or a new folder")
    return None


def _next(folder: Path, before: Pointer | None, least: int, system: OperatingSystem) -> int:
    """The number of the next generation: greater than those of all files that are there."""
    last = max([before.generation if before else 0, *generations(folder, system), least - 1])
    if last >= _LARGEST_GENERATION:
        raise LimitError(
            "no number is left for the next generation", place=str(folder / file_name(last)),
            hint="remove this file if no index needs it, or save into another folder",
        )  # fmt: skip
    return last + 1


def _sweep(folder: Path, system: OperatingSystem) -> None:
    """Remove what writers left that were killed; the lock says that none is alive."""
    for name in system.names(folder):
        if _TEMPORARY.fullmatch(name):
            system.remove(folder / name)


def _write_generation(
    folder: Path, identity: Identity, fill: Callable[[Writer], None], system: OperatingSystem
) -> Pointer:
    writers: list[Writer] = []

    def write(file: NewFile) -> None:
        writer = Writer(file, identity, system)
        fill(writer)
        writer.finish()
        writers.append(writer)

    _replace(folder / file_name(identity.generation), system, write)
    return Pointer(identity.store, identity.generation, writers[0].size, writers[0].seal)


def _replace(target: Path, system: OperatingSystem, write: Callable[[NewFile], None]) -> None:
    """Give *target* new bytes in one step that a crash cannot halve."""
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
    system.sync_folder(target.parent)


def _withdraw(folder: Path, made: Pointer, system: OperatingSystem) -> None:
    """Remove a generation that could not be published; one that ``CURRENT`` names after all stays."""
    with contextlib.suppress(SegdexError):
        if not system.exists(folder / CURRENT) or pointer(folder, system) != made:
            system.remove(folder / made.file)


def _prune(folder: Path, kept: set[Pointer | None], system: OperatingSystem) -> None:
    """Remove older generations. What cannot be removed now is left to the next writer: the commit stands."""
    numbers = {each.generation for each in kept if each}
    for number in generations(folder, system):
        if number not in numbers:
            try:
                system.remove(folder / file_name(number))
            except StorageError as error:
                _log.warning("an old generation stays for now: %s", error)
