"""The one writer of a folder: its lock, its journal, and snapshots that fold the journal in."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable
from pathlib import Path

from segdex.errors import LockedError
from segdex.generation import Generation
from segdex.live.records import Record, to_bytes
from segdex.store import generations
from segdex.store.container import Identity
from segdex.store.generations import More
from segdex.store.journal import Journal
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem

MOST_JOURNAL = 1 << 30
"""Bytes of a journal that are folded into a new snapshot by themselves: what is opened has to be done again."""

_log = logging.getLogger("segdex")


class Writer:
    """Holds the lock of an index's folder and appends to its journal. Not safe from several threads at once.

    Attributes:
        folder: the index.
        identity: the generation that the journal follows.
    """

    def __init__(
        self, folder: Path, lock: Lock, identity: Identity, journal: Journal, system: OperatingSystem
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._lock = lock
        self._journal = journal
        self._system = system

    def check(self) -> None:
        """Raise unless this process may write.

        Raises:
            LockedError: it is a fork of the one that may.
        """
        self._lock.check()

    @property
    def journal_bytes(self) -> int:
        """The length of the journal."""
        return self._journal.size

    def accept(self, record: Record) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            StorageError: the operating system refused; the index must be opened again.
        """
        self._journal.append(to_bytes(record))

    def fold(self, generation: Generation, more: More, keep: int = 2) -> Generation:
        """Write *generation*, which holds all that the journal does, as a snapshot, and give it as it is there, mapped.

        Raises:
            StorageError: the operating system refused; the index must be opened again where it cannot be told what the
                folder holds.
        """
        self._lock.check()
        sequence = self._journal.sequence
        identity = generations.commit(generation, more, self.folder, self._system, self._lock, sequence, keep)
        self._journal.close()
        self._journal, _ = Journal.open(self.folder, identity, self._system, self._lock)
        self.identity = identity
        return generations.load(self.folder, self._system).generation

    def close(self) -> None:
        """Let the folder go; a second time nothing happens."""
        self._journal.close()
        self._lock.close()
