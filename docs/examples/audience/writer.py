"""The one writer: takes the log of events into the index, and moves its clock.

    python -m audience.writer --index INDEX --events EVENTS.jsonl

What was taken in is on the disk before the next lines are read, together with the position after it. So a writer that
was killed goes on where it was: no line is lost and none counts twice.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import signal
import threading
from pathlib import Path

import segdex
from audience import events
from segdex.live.changes import Changes

SCHEMA = Path(__file__).with_name("schema.toml")
SOURCE = "events"

log = logging.getLogger("audience.writer")


class Writer:
    """Takes in batch after batch.

    Args:
        index: opened to be written.
        path: the log.
        most: how many lines a batch may have.
        tick: the clock stands at whole multiples of so many seconds. Moving it costs more than a batch.
    """

    def __init__(self, index: segdex.Index, path: Path, most: int, tick: int) -> None:
        self.index = index
        self._path = path
        self._most = most
        self._tick = tick

    def step(self) -> bool:
        """Take in what there is, at most one batch; whether there was something."""
        clock = self._clock()
        batch = events.read(self._path, self.index.offsets.get(SOURCE, 0), self._most)
        if batch is not None:
            self._apply(batch, clock)
        elif clock is not None:
            told(self.index.advance(clock))
        return batch is not None

    def _apply(self, batch: events.Batch, clock: dt.datetime | None) -> None:
        changes = self.index.apply(batch.tables, source=SOURCE, offset=batch.offset, as_of=clock, on_error="skip")
        told(changes)
        rejected = 0 if changes.rejected is None else changes.rejected.num_rows
        if rejected or batch.unreadable:
            log.warning("of %d lines %d were unreadable and %d bad", batch.lines, batch.unreadable, rejected)

    def _clock(self) -> dt.datetime | None:
        """Where the clock should be; None where it is there."""
        now = int(dt.datetime.now(dt.UTC).timestamp())
        clock = dt.datetime.fromtimestamp(now - now % self._tick, dt.UTC)
        return clock if clock > self.index.as_of else None


def told(changes: Changes) -> None:
    """Say how many moved; who they are is nobody's business in a log."""
    log.info("%s", changes)


def opened(folder: Path, tick: int) -> segdex.Index:
    """The index to be written: an empty one where there is none yet."""
    if not (folder / "CURRENT").exists():
        now = int(dt.datetime.now(dt.UTC).timestamp())
        empty = {name: events.table(name, []) for name in events.COLUMNS}
        clock = dt.datetime.fromtimestamp(now - now % tick, dt.UTC)
        segdex.build(SCHEMA, as_of=clock, sources=empty, out=folder).close()
    return segdex.open(folder, read_only=False)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Take a log of events into an index.")
    parser.add_argument("--index", type=Path, required=True, help="the folder of the index; made if need be")
    parser.add_argument("--events", type=Path, required=True, help="the log: a file that grows, JSON lines")
    parser.add_argument("--batch", type=int, default=1000, help="at most so many lines at once")
    parser.add_argument("--tick", type=int, default=60, help="the clock stands at multiples of so many seconds")
    parser.add_argument("--poll", type=float, default=0.2, help="seconds to wait where there is nothing new")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Whatever a step raises ends the process: after a failed write the index must be opened again, by the next one.
    with opened(given.index, given.tick) as index:
        writer = Writer(index, given.events, given.batch, given.tick)
        log.info("generation %d, from byte %d on", index.generation, index.offsets.get(SOURCE, 0))
        while not stop.is_set():
            if not writer.step():
                stop.wait(given.poll)


if __name__ == "__main__":
    main()
