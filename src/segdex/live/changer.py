"""Whoever changes an index: one action after another, each written before it is seen."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa

from segdex.errors import CorruptError, SegdexError
from segdex.generation import Generation, alone
from segdex.ingest.accepted import to_bytes as tables_to_bytes
from segdex.live import declare, kept, records
from segdex.live.changes import Changes, changes_of, replayed, unchanged
from segdex.live.erase import erased
from segdex.live.feed import Feed
from segdex.live.fold import refolded, reordered
from segdex.live.loaded import action_of
from segdex.live.merge import merge_of
from segdex.live.perform import batch_of, later, performed
from segdex.live.records import Advance, Apply, Declare, Entry, Readmit, Record, entry_of
from segdex.live.rows import MOST_CHANGED
from segdex.live.state import State, composed, started
from segdex.live.together import runs
from segdex.live.widened import kept_rules, recomputed
from segdex.live.writer import Writer
from segdex.load import Loaded, read_into
from segdex.query.answers import Answers
from segdex.schema import model
from segdex.schema.catalog import Catalog
from segdex.store.generations import Opened

MOST_JOURNAL = 1 << 30
"""Bytes of a journal that are folded into a snapshot by themselves: whoever opens the index does them again."""
MOST_KEPT = 1 << 18
"""So many changed customers are never too many."""

_log = logging.getLogger("segdex")


class Changer:
    """An index that changes. Not safe from several threads: its index holds a lock.

    Attributes:
        state: where it stands.
        feed: what changed.
    """

    def __init__(
        self, opened: Opened, answers: Answers, publish: Callable[[State], None], writer: Writer | None = None
    ) -> None:
        place = f"generation {opened.generation.number}, section 'live'"
        offsets, gone, self.feed = kept.from_bytes(opened.more, opened.generation.number, place)
        self.state = started(answers, offsets, gone)
        self.writer = writer
        self._publish = publish
        self._large = 1.0  # so many times its limit the journal, or what has changed, is let grow before it is folded

    # --- what was written ----------------------------------------------------------------------------------------

    def replay(
        self, found: Sequence[tuple[int, bytes]], place: str, on_the_way: Callable[[Answers], None] | None = None
    ) -> None:
        """Do again what the journal says; it is seen when it is published.

        Args:
            found: the records.
            place: where they are, for errors.
            on_the_way: called with each version that comes, of which only the last one is published.

        Raises:
            CorruptError: a record is none, or cannot be done.
        """
        state, feed = self.state, self.feed
        read = [records.from_bytes(payload, f"{place}, record {sequence}") for sequence, payload in found]
        records.check_order([each.entry for each in read], state.version.number, state.version.as_of, place)
        with records.done_again(place):
            for run in runs(read, state.catalog):
                state = run.performed(state)
                if run.records[-1].entry.as_of != state.version.as_of:
                    raise CorruptError("a record says another clock than it makes")
                if on_the_way is not None:
                    on_the_way(state.answers)
        self.state, self.feed = state, feed.with_entries([record.entry for record in read])

    # --- what is asked for -----------------------------------------------------------------------------------------

    def apply(
        self, tables: Any, source: str | None, offset: int | None, as_of: int | None,
        on_error: Literal["raise", "skip"],
    ) -> Changes:  # fmt: skip
        """See `segdex.index.Index.apply`."""
        state = self.state
        if as_of is not None:
            later(state, as_of)
        last = None if source is None else state.offsets.get(source)
        if last is not None and offset is not None and offset <= last:
            return replayed(state.version.number, state.version.as_of)
        batch = batch_of(state, tables, on_error)
        action = Apply(b"" if self.writer is None else tables_to_bytes(batch.tables), source, offset, as_of)
        entry = self._do(action, batch)
        return changes_of(entry, self.state.version.keys, batch.report)

    def advance(self, as_of: int) -> Changes:
        """See `segdex.index.Index.advance`."""
        later(self.state, as_of)
        return self._told(self._do(Advance(as_of)))

    def define(self, name: Any, segment: model.Segment, replace: bool) -> Changes:
        """See `segdex.index.Index.define`."""
        return self._declare(declare.with_segment(self.state.catalog, name, segment, replace))

    def drop(self, name: Any) -> Changes:
        """See `segdex.index.Index.drop`."""
        return self._declare(declare.without(self.state.catalog, name))

    def rename(self, was: Any, name: Any) -> Changes:
        """See `segdex.index.Index.rename`."""
        return self._declare(declare.with_name(self.state.catalog, was, name), was, name)

    def alter(self, catalog: Catalog) -> Changes:
        """See `segdex.index.Index.alter`."""
        return self._declare(declare.altered(self.state.catalog, catalog))

    def _declare(self, catalog: Catalog, was: str | None = None, name: str | None = None) -> Changes:
        return self._told(self._do(Declare(msgspec.json.encode(catalog.schema), was, name)))

    def load(self, name: Any, data: Any) -> Loaded:
        """See `segdex.index.Index.load`."""
        answers = self.state.answers
        reading = read_into(answers.folded.generation, name, data)
        entry = self._do(action_of(reading))
        return dataclasses.replace(reading.loaded, generation=entry.generation)

    def changes(self, since: int) -> Iterator[Changes]:
        """See `segdex.index.Index.changes`."""
        keys = self.state.version.keys
        return (changes_of(entry, keys) for entry in self.feed.after(since))

    def refolded(self) -> Generation:
        """All of the state as a base."""
        return refolded(self.state)

    def merge(self, keep: pa.Array, drop: pa.Array) -> Changes:
        """See `segdex.index.Index.merge`."""
        action, found = merge_of(self.state, keep, drop)
        if action is None:
            return unchanged(self.state.version.number, self.state.version.as_of)
        return changes_of(self._do(action), self.state.version.keys, found=found)

    def readmit(self, keys: pa.Array) -> Changes:
        """See `segdex.index.Index.readmit`."""
        hashes = self.state.erased.hashes & set(self.state.erased.hashed(keys))
        entry = self._do(Readmit(tuple(sorted(hashes))))
        return changes_of(entry, self.state.version.keys, found=len(hashes))

    def erase(self, keys: pa.Array) -> Changes:
        """See `segdex.index.Index.erase`."""
        state, moves, found = erased(self.state, keys)
        if kept_rules(state):  # a category that nobody else has is none any more
            state, more = recomputed(state)
            moves = composed(moves, more)
        entry = entry_of(state.version.number, state.version.as_of, moves, erased=found)
        feed = self.feed.with_entry(entry)
        state = self._folded(state, feed, keep=1)
        self._put(state, feed)
        return changes_of(entry, state.version.keys, found=found)

    def compact(self, progress: Callable[[str, int, int], None] | None = None) -> None:
        """See `segdex.index.Index.compact`."""
        base, places = reordered(self.state, progress)
        feed = self.feed.renumbered(places)
        self._put(self._based(self.state, base, feed, keep=2), feed)

    def fold(self, progress: Callable[[str, int, int], None] | None = None) -> None:
        """Fold what has changed into a new base with the same dense ids."""
        self._put(self._folded(self.state, self.feed, 2, progress), self.feed)

    def more(self) -> bytes:
        """What a snapshot keeps beside the generation."""
        return kept.to_bytes(dict(self.state.offsets), self.state.erased, self.feed)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _do(self, action: Any, batch: Any = None) -> Entry:
        """Do it, write it, and let it be seen."""
        state, moves, redefined = performed(self.state, action, batch)
        entry = entry_of(state.version.number, state.version.as_of, moves, redefined)
        feed = self.feed.with_entry(entry)
        if self.writer is not None:
            self.writer.accept(records.to_bytes(Record(action, entry)))
        self._put(state, feed)
        self._fold_if_large()
        return entry

    def close(self) -> None:
        """Let go of the folder."""
        if self.writer is not None:
            self.writer.close()

    def _put(self, state: State, feed: Feed) -> None:
        self.state, self.feed = state, feed
        if self.writer is not None:
            self.writer.settled()
        self._publish(state)

    def _told(self, entry: Entry) -> Changes:
        return changes_of(entry, self.state.version.keys)

    def _fold_if_large(self) -> None:
        """Fold the journal in where it, or what has changed, is large.

        What has just been accepted stays so where that fails: if it cannot go on, the next call says why; if it can,
        that is tried again when there is a quarter more.
        """
        version = self.state.version
        changed = 0 if version.delta is None else len(version.delta.ids)
        journal = 0 if self.writer is None else self.writer.journal_bytes
        large = max(journal / MOST_JOURNAL, changed / max(MOST_KEPT, MOST_CHANGED * version.base.count))
        if large <= self._large:
            return
        try:
            self.fold()
            self._large = 1.0
        except Exception as error:
            self._large = 1.25 * large
            _log.warning("the journal is not folded in: %s", error if isinstance(error, SegdexError) else type(error))

    def _folded(
        self, state: State, feed: Feed, keep: Literal[1, 2], progress: Callable[[str, int, int], None] | None = None
    ) -> State:
        return self._based(state, refolded(state, progress), feed, keep)

    def _based(self, state: State, base: Generation, feed: Feed, keep: Literal[1, 2]) -> State:
        """*state* on a new base that holds all of it, written where there is a folder."""
        if self.writer is None:
            return state.folded(dataclasses.replace(alone(base), number=state.version.number))
        # Its number is that of its file, which may be greater: it is what whoever opens the folder goes on from.
        more = kept.to_bytes(dict(state.offsets), state.erased, feed)
        return state.folded(alone(self.writer.fold(base, more, keep)))
