"""The lock that makes a writer the only one, for as long as it lives."""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from segdex.errors import ClosedError, LockedError, StorageError
from segdex.store.folder import LOCK
from segdex.store.os import NewFile, OperatingSystem

_WIDTH = 19  # a process id is written over the one before in one call, with spaces up to here and a line feed


class Lock:
    """``LOCK`` of an index, held until `close` or the end of the process, however it ends.

    The file names the holder's process, for the message that a second writer gets. A name that a dead writer left there
    means nothing: it is the operating system that holds the lock. A forked child does not have it.

    Attributes:
        folder: of the index.
    """

    def __init__(self, folder: Path, file: NewFile, system: OperatingSystem) -> None:
        self.folder = folder
        self._file: NewFile | None = file
        self._system = system
        self._process = os.getpid()
        # Who forgets to close an index need not end the process before another writer can be.
        self._left = weakref.finalize(self, _let_go, file, system, self._process)

    @classmethod
    def take(cls, folder: Path, system: OperatingSystem) -> Lock:
        """Take the lock of the index in *folder*, which is there.

        Raises:
            LockedError: another writer holds it; the message names its process.
            StorageError: the operating system refused.
        """
        path = folder / LOCK
        try:
            file = system.lock(path)
        except LockedError:
            holder = _holder(path, system)
            raise LockedError(
                "another writer is at work on this index", place=str(path),
                found=None if holder is None else f"process {holder}",
                hint="an index has one writer at a time; readers need no lock",
            ) from None  # fmt: skip
        with contextlib.suppress(StorageError):  # on a full disk the lock holds as well, without a name
            system.overwrite(file, f"{os.getpid():<{_WIDTH}}\n".encode())
        return cls(folder, file, system)

    def check(self) -> None:
        """Raise unless the lock is held here.

        Raises:
            LockedError: this process is a fork of the one that took it.
            ClosedError: it was let go.
        """
        same_process(self._process, self.folder)
        if self._file is None:
            raise ClosedError("the writer let its lock go", place=str(self.folder), hint="open the index again")

    def close(self) -> None:
        """Let the lock go; in a forked child, or a second time, nothing happens."""
        file, self._file = self._file, None
        if file is not None:
            self._left.detach()
            _let_go(file, self._system, self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def _let_go(file: NewFile, system: OperatingSystem, process: int) -> None:
    if process == os.getpid():
        system.close(file)


def same_process(process: int, folder: Path) -> None:
    """Raise `LockedError` where this process is not *process* but a fork of it."""
    if os.getpid() != process:
        raise LockedError(
            "this process is a fork of the writer, which alone may write", place=str(folder),
            found=f"process {os.getpid()}", allowed=f"process {process}",
        )  # fmt: skip


def _holder(path: Path, system: OperatingSystem) -> int | None:
    """The process that ``LOCK`` names, None where it names none."""
    text = (system.read(path, _WIDTH + 1) or b"").strip()
    return int(text) if text.isdigit() else None
