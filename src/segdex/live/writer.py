"""The one writer of a folder: its lock, its journal, and snapshots that fold the journal in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from segdex.errors import StorageError
from segdex.generation import Generation
from segdex.store import generations
from segdex.store.container import Identity
from segdex.store.folder import pointer
from segdex.store.journal import Journal
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem
from segdex.store.snapshot import forget_older


class Writer:
    """Holds the lock of an index's folder and appends to its journal. Not safe from several threads at once.

    Attributes:
        folder: the index.
        identity: the generation that the journal follows.
    """

    def __init__(self, folder: Path, lock: Lock, identity: Identity, system: OperatingSystem) -> None:
        self.folder = folder
        self.identity = identity
        self._lock = lock
        self._system = system
        self._sound = True  # whether memory is known to be what the disk holds
        self._journal, recovered = Journal.open(folder, identity, system, lock)
        self._records = recovered.records

    def records(self) -> list[tuple[int, bytes]]:
        """Sequence and payload of each record that the journal held when it was opened; told once: they may be many."""
        found, self._records = self._records, []
        return found

    def forget_older(self) -> None:
        """Remove every generation but the current one: an erasure that was cut short may have left some.

        Raises:
            StorageError: the operating system refused.
        """
        forget_older(self.folder, self._system, self._lock)

    @classmethod
    def take(cls, folder: Path, system: OperatingSystem) -> tuple[Writer, generations.Opened]:
        """Become the writer of an index, and what its folder holds.

        Raises:
            LockedError: another writer is at work.
            ArgumentError, CorruptError, VersionError, StorageError: as `generations.opened`.
        """
        pointer(folder, system)  # before LOCK is made there: a folder that is no index stays as it is
        lock = Lock.take(folder, system)
        try:
            opened = generations.opened(folder, system)
            assert opened.identity is not None
            return cls(folder, lock, opened.identity, system), opened
        except BaseException:
            lock.close()
            raise

    def check(self) -> None:
        """Raise unless this process may write.

        Raises:
            LockedError: it is a fork of the one that may.
            StorageError: an earlier write failed: another record could follow a journal that nobody reads any more.
        """
        self._lock.check()
        if not self._sound:
            raise StorageError(
                "an earlier change failed or was interrupted, and what the disk holds is not known",
                place=str(self.folder),
                hint="open the index again",
            )  # fmt: skip

    @property
    def journal_bytes(self) -> int:
        """The length of the journal."""
        return self._journal.size

    def accept(self, payload: bytes) -> None:
        """Write a record; it is on the disk when this returns. Nothing more is taken before `settled`.

        Raises:
            StorageError: the operating system refused; the index must be opened again.
        """
        self.check()
        self._sound = False
        self._journal.append(payload)

    def settled(self) -> None:
        """What was written last is what the index says now: more may be written.

        Whoever is interrupted between the two would go on from something else than the disk has.
        """
        self._sound = True

    def fold(self, generation: Generation, more: bytes, keep: Literal[1, 2] = 2) -> Generation:
        """Write *generation*, which holds all that the journal does, as a snapshot, and give it as it is there, mapped.
        Nothing more is taken before `settled`.

        Raises:
            StorageError: the operating system refused; what was there before still is, or the new one is. Which one is
                known when the index is opened again.
        """
        self.check()
        self._sound = False
        self.identity = generations.save(
            generation, self.folder, self._system, more=more, lock=self._lock,
            last_sequence=self._journal.sequence, keep=keep,
        )  # fmt: skip
        self._journal.close()
        self._journal, _ = Journal.open(self.folder, self.identity, self._system, self._lock)
        return generations.load(self.folder, self._system)

    def close(self) -> None:
        """Let the folder go; a second time nothing happens."""
        try:
            self._journal.close()
        finally:
            self._lock.close()
