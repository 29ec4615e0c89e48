"""The one door to the operating system: every file that segdex opens, maps or writes goes through here.

A failed call becomes a `StorageError` that names the path and the reason; a short write is continued. Tests put a
faulty `OperatingSystem` in place of the real one, by overriding `perform`, to see what a full disk leaves behind.
POSIX only: a folder must be open to `fsync`, and a rename must replace its target at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from segdex.errors import CorruptError, LockedError, StorageError

P = ParamSpec("P")
T = TypeVar("T")

_MOST_WRITTEN = 1 << 30  # Linux writes at most 2 GiB less a page in one call
# Opening a pipe to read it would wait until somebody writes into it, opening a terminal could make it our own.
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclasses.dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is being written: its path and its descriptor."""

    path: Path
    descriptor: int


def in_small_pages(size: int) -> mmap.mmap:
    """*size* bytes, all 0, of which each page takes memory when it is first written to.

    A page is small: what first touches a large one waits until all 2 MiB of it are cleared, which takes 0.1 ms, and
    up to 5 where a virtual machine has to get them from its host.

    Raises:
        MemoryError: there are not so many.
    """
    try:
        made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{size} bytes") from error
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with contextlib.suppress(OSError):  # a system without large pages
            made.madvise(mmap.MADV_NOHUGEPAGE)
    return made


class OperatingSystem:
    """Calls on files. Without state; one object may serve every thread.

    Raises:
        StorageError: the operating system refused.
        CorruptError: what is to be read is no regular file.
    """

    def perform(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Make one call; the seam for tests."""
        return function(*arguments, **named)

    def _call(self, doing: str, path: Path, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        try:
            return self.perform(function, *arguments, **named)
        except OSError as error:
            raise refused(doing, path, error) from error

    # --- reading -------------------------------------------------------------------------------------------------

    def map(self, path: Path) -> memoryview:
        """The whole of a file as read-only bytes; pages are read when touched and shared by all processes.

        The mapping lives as long as a view of it. A file that is cut short while mapped kills the process that
        touches the lost pages: files of an index are never changed in place.
        """
        descriptor = self._call("open", path, os.open, path, _READING)
        try:
            length = self._measure(path, descriptor)
            if length == 0:  # an empty mapping is not allowed
                return memoryview(b"")
            return memoryview(self._call("map", path, mmap.mmap, descriptor, length, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)

    def read(self, path: Path, most: int) -> bytes | None:
        """The first *most* bytes of a small file; None where there is no such file."""
        descriptor = self._open_to_read(path)
        if descriptor is None:
            return None
        try:
            self._measure(path, descriptor)
            data = b""
            while len(data) < most and (more := self._call("read", path, os.read, descriptor, most - len(data))):
                data += more
            return data
        finally:
            os.close(descriptor)

    def tail(self, path: Path, start: int) -> bytes | None:
        """The bytes of a file from *start* to its end as it is now; None where there is no such file.

        A file that grows meanwhile is read to where it ended; nothing is read where it ends before *start*.
        """
        descriptor = self._open_to_read(path)
        if descriptor is None:
            return None
        try:
            end = self._measure(path, descriptor)
            parts, at = [], start
            while at < end and (more := self._call("read", path, os.pread, descriptor, end - at, at)):
                parts.append(more)
                at += len(more)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(descriptor)

    def _open_to_read(self, path: Path) -> int | None:
        """A descriptor, None where there is no such file."""
        try:
            return self.perform(os.open, path, _READING)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refused("open", path, error) from error

    def _measure(self, path: Path, descriptor: int) -> int:
        """The length of an open file.

        Raises:
            CorruptError: it is a folder, a pipe or a device, and no part of an index.
        """
        facts = self._call("measure", path, os.fstat, descriptor)
        if not stat.S_ISREG(facts.st_mode):
            found = _KINDS.get(stat.S_IFMT(facts.st_mode), "something else")
            raise CorruptError("this is no file", place=str(path), found=found, allowed="a regular file")
        return facts.st_size

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, in order."""
        return sorted(self._call("list", folder, os.listdir, folder))

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder at *path*."""
        return self._mode(path) is not None

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder at *path*."""
        mode = self._mode(path)
        return mode is not None and stat.S_ISDIR(mode)

    def _mode(self, path: Path) -> int | None:
        try:
            return self.perform(os.stat, path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refused("look at", path, error) from error

    # --- writing -------------------------------------------------------------------------------------------------

    def create(self, path: Path) -> NewFile:
        """Make a file that did not exist."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return NewFile(path, self._call("create", path, os.open, path, flags, 0o666))

    def append_to(self, path: Path) -> NewFile:
        """Open a file that is there; what is written comes after its end."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        return NewFile(path, self._call("open", path, os.open, path, flags))

    def write(self, file: NewFile, data: bytes | bytearray | memoryview) -> None:
        """Write all of *data* at the end of what was written."""
        rest = memoryview(data).cast("B") if len(data) else memoryview(b"")
        while len(rest):
            written = self._call("write", file.path, os.write, file.descriptor, rest[:_MOST_WRITTEN])
            rest = rest[written:]

    def overwrite(self, file: NewFile, data: bytes) -> None:
        """Write a few bytes at the start of a file, in one call."""
        self._call("write", file.path, os.pwrite, file.descriptor, data, 0)

    def sync(self, file: NewFile) -> None:
        """Wait until what was written is on the disk."""
        self._call("sync", file.path, os.fsync, file.descriptor)

    def close(self, file: NewFile) -> None:
        """Close the file; a lock on it is let go."""
        _locked.discard(file.descriptor)
        self._call("close", file.path, os.close, file.descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file; whatever had the new name is replaced at once."""
        self._call("rename", source, os.replace, source, target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self._call("remove", path, os.unlink, path)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        descriptor = self._call("open", folder, os.open, folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._call("sync", folder, os.fsync, descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, where they are not there yet."""
        if not self.is_folder(folder):
            if folder.parent != folder:
                self.make_folder(folder.parent)
            try:
                self.perform(os.mkdir, folder)
            except FileExistsError:
                if not self.is_folder(folder):
                    raise StorageError("cannot make the folder: a file has this name", place=str(folder)) from None
            except OSError as error:
                raise refused("make", folder, error) from error
            self.sync_folder(folder.parent)

    def lock(self, path: Path) -> NewFile:
        """Hold the lock file at *path*, made if need be, until it is closed or the process ends.

        A forked child does not hold it, and does not keep it from ending with its parent.

        Raises:
            LockedError: another holds it.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        file = NewFile(path, self._call("open", path, os.open, path, flags, 0o666))
        try:
            self.perform(fcntl.flock, file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file.descriptor)
            if isinstance(error, BlockingIOError):
                raise LockedError("another writer is at work on this index", place=str(path)) from None
            raise refused("lock", path, error) from error
        _locked.add(file.descriptor)
        return file


_locked: set[int] = set()
"""Descriptors of locks. A lock lasts as long as any process has one: a forked child closes those it was born with."""


def _let_go() -> None:
    for descriptor in _locked:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _locked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def refused(doing: str, path: Path, error: OSError) -> StorageError:
    """What to raise where the operating system refused.

    >>> str(refused("write", Path("a"), OSError(28, "No space left on device")))
    'a: cannot write: No space left on device (ENOSPC)'
    """
    known = errno.errorcode.get(error.errno or 0)
    symbol = f" ({known})" if known else ""
    return StorageError(f"cannot {doing}: {error.strerror or error}{symbol}", place=str(path))


SYSTEM = OperatingSystem()
"""That of every index."""
