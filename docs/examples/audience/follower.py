"""An index that follows its writer: a thread looks again and again whether there is something new."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import segdex

log = logging.getLogger("audience.follower")


class Follower:
    """A reader's index. Whoever asks has the newest version that was found, and never waits for the next.

    Args:
        folder: the index.
        every: seconds between two looks.
        patience: seconds to wait for an index that is not there yet.

    Attributes:
        index: what answers.
    """

    def __init__(self, folder: Path, every: float, patience: float = 60.0) -> None:
        self.index = _opened(folder, patience)
        self._every = every
        self._looked = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()  # in each process that answers: threads do not outlive a fork

    @property
    def age(self) -> float:
        """Seconds since the last look that succeeded."""
        return time.monotonic() - self._looked

    def close(self) -> None:
        """Stop following, and let go of the index."""
        self._stop.set()
        self._thread.join()
        self.index.close()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.index.refresh()
            except segdex.SegdexError as error:
                log.error("the index goes on as it is: %s", error)
            else:
                self._looked = time.monotonic()


def _opened(folder: Path, patience: float) -> segdex.Index:
    until = time.monotonic() + patience
    while True:
        try:
            return segdex.open(folder)
        except (segdex.ArgumentError, segdex.CorruptError):  # the writer has not made it yet, or is about to
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
