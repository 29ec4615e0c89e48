"""An index on disk: a folder of immutable generation files and ``CURRENT``, which names the one to read.

A generation becomes visible in one step, when ``CURRENT`` is replaced; whatever happens before leaves the older one
in place. Readers write nothing and take no lock. Writers hold ``LOCK``, so that one alone is at work.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from segdex.errors import ArgumentError, CorruptError, LimitError, LockedError, SegdexError, StorageError, VersionError
from segdex.store import journal
from segdex.store.container import Identity, Reader, Writer
from segdex.store.folder import (
    CURRENT,
    Pointer,
    file_name,
    generations,
    journal_name,
    journals,
    pointer,
    pointer_to_write,
    replace,
    sweep,
)
from segdex.store.lock import Lock
from segdex.store.os import NewFile, OperatingSystem

_LARGEST_GENERATION = 10**18 - 1  # as many digits as a reader takes

_log = logging.getLogger("segdex")


# --- reading -----------------------------------------------------------------------------------------------------


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


def verify(folder: Path, system: OperatingSystem) -> Iterator[SegdexError]:
    """Read every byte of all generations and journals there and yield what is wrong; nothing where all is well.

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
        else:
            yield from journal.verify(folder, reader.identity, system)


# --- writing -----------------------------------------------------------------------------------------------------


def commit(
    folder: Path,
    fill: Callable[[Writer], None],
    system: OperatingSystem,
    last_sequence: int | None = None,
    least: int = 1,
    since: int | None = None,
    lock: Lock | None = None,
    keep: Literal[1, 2] = 2,
) -> Identity:
    """Write the next generation of an index, the first where the folder is empty or missing.

    Its journal is the one of its number, and is empty. Whoever has the journal of the generation before open must write
    nothing more into it, from the moment that *fill* is called.

    Args:
        folder: the index; made where it is missing.
        fill: adds the sections. It must not write into the folder itself.
        last_sequence: the last batch that the generation holds, of the journal of the one before, or that one's own.
            None: it holds none of them, and replaces them all; numbers go on from the last one all the same.
        least: the generation has this number or a greater one.
        since: where given, the generation that this one follows: it must still be the current one.
        lock: of this folder, where the caller holds it.
        keep: how many generations stay, this one included, each with its journal: 2, or 1 so that nothing remains of
            what was erased.

    Raises:
        ArgumentError: the folder holds other files and is no index.
        CorruptError: the index there is damaged: it is not written over.
        LimitError: a file there has the greatest number that a generation may have.
        LockedError: another writer is at work, or has been since generation *since*, or has accepted batches after
            *last_sequence*.
        StorageError: the operating system refused; the older generation is still the current one, except where
            only the last ``fsync`` failed: then either is. With *keep* 1 also where an older file could not be removed.
    """
    if lock is not None:
        lock.check()
        if lock.folder != folder:
            raise ArgumentError("this is the lock of another folder", found=str(lock.folder), allowed=str(folder))
        return _commit(folder, fill, system, last_sequence, least, since, keep)
    if system.exists(folder) and not system.is_folder(folder):
        raise ArgumentError("this is a file; an index is a folder", place=str(folder))
    system.make_folder(folder)
    pointer_to_write(folder, system)  # before LOCK is made there
    with Lock.take(folder, system):
        return _commit(folder, fill, system, last_sequence, least, since, keep)


def _commit(
    folder: Path,
    fill: Callable[[Writer], None],
    system: OperatingSystem,
    last_sequence: int | None,
    least: int,
    since: int | None,
    keep: Literal[1, 2],
) -> Identity:
    before = pointer_to_write(folder, system)
    if since is not None and (before is None or before.generation != since):
        raise LockedError(
            "another writer saved this index since it was opened", place=str(folder),
            found="no generation" if before is None else f"generation {before.generation}",
            allowed=f"generation {since}", hint="open it again and change that, or save into another folder",
        )  # fmt: skip
    sequence = _sequence(folder, before, system, last_sequence, since is not None)
    sweep(folder, system)
    number = _next(folder, before, least, system)
    identity = Identity(before.store if before else uuid.uuid4(), number, sequence)
    made = _write_generation(folder, identity, fill, system)
    try:
        replace(folder / CURRENT, system, lambda file: system.write(file, made.to_bytes()))
    except SegdexError:
        _withdraw(folder, made, system)
        raise
    _prune(folder, {made, before} if keep > 1 else {made}, system, strict=keep == 1)
    return identity


def forget_older(folder: Path, system: OperatingSystem, lock: Lock) -> None:
    """Remove every generation but the current one, and their journals.

    A commit with *keep* 1 does this too; one that was cut short after the new generation became current has left the
    older ones, and they hold what was to be erased.

    Raises:
        LockedError: the lock is not held here.
        CorruptError: ``CURRENT``, or the file that it names, is damaged: then the older ones stay.
        StorageError: the operating system refused; some may still be there.
    """
    lock.check()
    current = pointer(folder, system)
    _open(folder, current, system)
    _prune(folder, {current}, system, strict=True)


def _sequence(
    folder: Path, before: Pointer | None, system: OperatingSystem, last_sequence: int | None, follows: bool
) -> int:
    """The last batch that the new generation holds, or that it replaces.

    Raises:
        LockedError: the new generation is made of the one before, and lacks batches that were accepted since.
    """
    replaced = not follows and last_sequence is None
    held = accepted = 0
    if before is not None:
        identity = None
        with contextlib.suppress(CorruptError, VersionError):  # a damaged generation may be replaced
            identity = _open(folder, before, system).identity
        if identity is not None:
            held = accepted = identity.last_sequence
            with contextlib.suppress(*(CorruptError, VersionError) if replaced else ()):
                accepted = journal.last_sequence(folder, identity, system)
    known = last_sequence if last_sequence is not None else accepted if replaced else held
    if known < accepted:
        raise LockedError(
            "another writer changed this index since it was opened", place=str(folder),
            found=f"batch {accepted}", allowed=f"batch {known}",
            hint="open it again and change that, or save into another folder",
        )  # fmt: skip
    return known


def _next(folder: Path, before: Pointer | None, least: int, system: OperatingSystem) -> int:
    """The number of the next generation: greater than those of all generations and journals that are there."""
    there = [*generations(folder, system), *journals(folder, system)]
    last = max([before.generation if before else 0, *there, least - 1])
    if last >= _LARGEST_GENERATION:
        raise LimitError(
            "no number is left for the next generation", place=str(folder / file_name(last)),
            hint="remove this file if no index needs it, or save into another folder",
        )  # fmt: skip
    return last + 1


def _write_generation(
    folder: Path, identity: Identity, fill: Callable[[Writer], None], system: OperatingSystem
) -> Pointer:
    writers: list[Writer] = []

    def write(file: NewFile) -> None:
        writer = Writer(file, identity, system)
        fill(writer)
        writer.finish()
        writers.append(writer)

    replace(folder / file_name(identity.generation), system, write)
    return Pointer(identity.store, identity.generation, writers[0].size, writers[0].seal)


def _withdraw(folder: Path, made: Pointer, system: OperatingSystem) -> None:
    """Remove a generation that could not be published; one that ``CURRENT`` names after all stays."""
    with contextlib.suppress(SegdexError):
        if not system.exists(folder / CURRENT) or pointer(folder, system) != made:
            system.remove(folder / made.file)


def _prune(folder: Path, kept: set[Pointer | None], system: OperatingSystem, strict: bool) -> None:
    """Remove older generations and their journals.

    What cannot be removed now is left to the next writer, and the commit stands; where *strict*, that is an error, and
    what was removed stays so whatever happens.
    """
    numbers = {each.generation for each in kept if each}
    old = [file_name(number) for number in generations(folder, system) if number not in numbers]
    old += [journal_name(number) for number in journals(folder, system) if number not in numbers]
    for name in old:
        try:
            system.remove(folder / name)
        except StorageError as error:
            if strict:
                raise
            _log.warning("an old generation stays for now: %s", error)
    if strict:
        system.sync_folder(folder)
