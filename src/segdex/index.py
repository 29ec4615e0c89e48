"""The façade that a service holds: an index that answers and changes; every method is one hand-over."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow as pa

from segdex.arguments import folder_of, is_one_key, moment_of, offset_of, source_name, text_of
from segdex.asking import Asking, RuleLike, Stats, View, texts_kept
from segdex.errors import ArgumentError, LockedError
from segdex.forks import ForkLock
from segdex.generation import Generation, alone
from segdex.query.answers import Answers
from segdex.query.prepared import Query, make_ready
from segdex.schema import model
from segdex.schema.load import load
from segdex.store import generations, journal
from segdex.store import os as door
from segdex.store.container import Identity
from segdex.store.folder import pointer
from segdex.store.generations import Opened

if TYPE_CHECKING:  # what builds, loads and changes is imported by who does: an index that is opened needs none of it
    from segdex.derive import Progress
    from segdex.ingest.report import Report
    from segdex.live.changer import Changer
    from segdex.live.changes import Changes
    from segdex.live.state import State
    from segdex.live.writer import Writer
    from segdex.load import Loaded

Source: TypeAlias = Any


class Index(Asking):
    """Answers rules over customers, and changes. Safe to use from many threads; made by `build` and `open`."""

    def __init__(
        self,
        opened: Opened,
        folder: Path | None = None,
        *,
        report: Report | None = None,
        memory_limit: int | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(Answers(alone(opened.generation), memory_limit), threads)
        self._opened = opened
        self._folder = folder  # where this index was opened, or saved last
        self._read_only = folder is not None and opened.identity is not None
        self._position: journal.Position | None = None  # how far a reader has read the journal
        self._changer: Changer | None = None
        self._changing = ForkLock()  # who holds it puts the next version in place
        self._begun = time.monotonic()  # when a change began last
        self.report = report
        """What reading the tables found; None for an index that was opened."""

    # --- changing ------------------------------------------------------------------------------------------------

    def apply(
        self,
        tables: Mapping[str, Source],
        *,
        source: str | None = None,
        offset: int | None = None,
        as_of: str | dt.datetime | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Changes:
        """Take in a batch of rows, of any mix of streams and customers. It is on the disk and seen when this returns.

        Customers are upserted by key: attributes that the table does not have stay, null clears. The cost is that of
        the customers who have a row in it, and of their own rows.

        Args:
            tables: by name of stream, or ``customers``.
            source: where the rows come from. With *offset*, a batch that was taken in already is known again: it
                changes nothing, and `Changes.replayed` says so.
            offset: the position after the last row, greater than that of the batch before.
            as_of: where the clock moves to, in the same generation; default: it stays.
            on_error: ``raise``: a bad row raises and nothing is taken in; ``skip``: good rows are, and
                `Changes.rejected` lists the others.

        Raises:
            SourceError: a table cannot be read, a column is missing or of the wrong type, or a row is bad.
            ArgumentError: a table has another name, or *source* comes without *offset*.
            LimitError: the clock would go back, or a sum leaves the range of 64 bits.
            LockedError: the index was opened to be read, another writer is at work, or this is a fork of the writer.
            StorageError: a write failed: whether the batch is taken in is known when the index is opened again.
        """
        if (source is None) != (offset is None):
            raise ArgumentError("source and offset go together", found="one of them")
        if source is not None and offset is not None:
            source, offset = source_name(source), offset_of(offset)
        moment = None if as_of is None else moment_of(as_of)
        with self._changing:
            return self._to_change().apply(tables, source, offset, moment, on_error)

    def advance(self, as_of: str | dt.datetime) -> Changes:
        """Move the clock: windows slide, and who is in a segment by them leaves it without an event.

        Raises:
            LimitError: the clock would go back.
            LockedError, StorageError: as `apply`.
        """
        if as_of is None:
            raise ArgumentError("as_of", found="None", allowed="a time with a zone")
        moment = moment_of(as_of)
        with self._changing:
            return self._to_change().advance(moment)

    def define(
        self,
        name: str,
        rule: RuleLike,
        *,
        tracked: bool = False,
        replace: bool = False,
        title: str | None = None,
        description: str | None = None,
        owner: str | None = None,
        suppression: Iterable[str] = (),
    ) -> Changes:
        """Declare a segment, or with *replace* give one another rule; whatever uses it follows.

        Raises:
            RuleError: the rule is wrong.
            SchemaError: it would use itself.
            ArgumentError: the name is taken, or an argument is of another type.
            LockedError, StorageError: as `apply`.
        """
        query = self.prepare(rule)
        for what, text in (("title", title), ("description", description), ("owner", owner)):
            if text is not None:
                text_of(what, text)
        for what, flag in (("tracked", tracked), ("replace", replace)):
            if not isinstance(flag, bool):
                raise ArgumentError(what, found=type(flag).__name__, allowed="True or False")
        if isinstance(suppression, str | bytes) or not isinstance(suppression, Iterable):
            raise ArgumentError("suppression", found=type(suppression).__name__, allowed="a list: ['email']")
        purposes = tuple(text_of("suppression", purpose) for purpose in suppression)
        segment = model.Segment(
            where=query.rule,  # type: ignore[arg-type]
            tracked=tracked, title=title, description=description, owner=owner, suppression=purposes,
        )  # fmt: skip
        with self._changing:
            return self._to_change().define(name, segment, replace)

    def rename(self, name: str, new: str) -> Changes:
        """Call a segment, metric, band or stage otherwise; rules that use it are rewritten.

        Raises:
            ArgumentError: there is no such name, it is that of a column of the data, or the new one is taken.
            LockedError, StorageError: as `apply`.
        """
        with self._changing:
            return self._to_change().rename(name, new)

    def drop(self, name: str) -> Changes:
        """Take away a segment, metric, band or stage that nothing uses.

        Raises:
            ArgumentError: there is no such name, it is used, or it is that of a column of the data.
            LockedError, StorageError: as `apply`.
        """
        with self._changing:
            return self._to_change().drop(name)

    def alter(self, schema: str | Path | Mapping[str, Any] | model.Schema) -> Changes:
        """Have what another schema declares: new and changed metrics, bands, stages and segments are computed from the
        stored rows. Metrics, bands and stages that it no longer declares go; segments stay until they are dropped.

        Raises:
            SchemaError: the schema is wrong, or declares other data: attributes, streams, lookups or time zone.
            LockedError, StorageError: as `apply`.
        """
        catalog = load(schema)
        with self._changing:
            return self._to_change().alter(catalog)

    def load(self, name: str, data: Any) -> Loaded:
        """Take in a segment or a label that was made elsewhere; rules use it from the next call on.

        Readers that are at work end with what they began with. Loading a name again puts the new data in the place of
        the old, as a whole.

        Args:
            name: what rules call it. Whatever else is declared keeps its name; a label of the schema may be loaded.
            data: a segment is a list or Arrow array of keys, a table of one column, a ``pyroaring.BitMap`` of this
                epoch, or such a set as portable Roaring bytes. A label is ``{label: keys}``, or a table with the
                columns ``key``, ``label`` and maybe ``score``, which is then ``NAME_score``; of several rows with
                one key the last one counts.

        Returns:
            how many customers it has, and how many keys nobody has: these are left out.

        Raises:
            ArgumentError: the name is taken, or *data* is none of these, or holds ids that no customer has.
            CorruptError: the bytes are not one well-formed set.
            SourceError: the table cannot be read, or a row is bad.
            LockedError, StorageError: as `apply`.
        """
        with self._changing:
            return self._to_change().load(name, data)

    def erase(self, keys: Any) -> Changes:
        """Forget customers: when this returns no file of the index holds a key or anything else of theirs.

        What stays is a salted hash of each key, by which later rows are dropped until `readmit`. The whole index is
        written anew, so that many keys in one call take no longer than one.

        Args:
            keys: one or many; keys that nobody has are remembered too. `Changes.found` says how many were customers.

        Raises:
            ArgumentError: these are no keys.
            LockedError, StorageError: as `apply`; after an error call it again.
        """
        array = _keys_of(keys)
        with self._changing:
            return self._to_change().erase(array)

    def merge(self, keep: Any, drop: Any) -> Changes:
        """Make customers one: who has the key *keep* gets all that those with the keys *drop* have, and their keys.

        The survivor keeps its own attributes and labels, and takes those that it has none of from the others, in the
        order in which they are given. Events and the segments that were loaded are those of all. From now on a dropped
        key means the survivor: in questions, and in rows that come later. It need not be known yet.

        Args:
            keep: the key of a customer, or one that was dropped in favour of theirs.
            drop: one or many keys; those that mean the survivor already change nothing.

        Returns:
            who entered and left by it, in one generation; `Changes.found` says how many customers there are less.
            Where nothing changes there is no new generation.

        Raises:
            ArgumentError: these are no keys, nobody has the key *keep*, or one of *drop* is that of an erased customer.
            LockedError, StorageError: as `apply`.
        """
        if not is_one_key(keep):
            raise ArgumentError("keep", found=type(keep).__name__, allowed="one key")
        kept, dropped = _keys_of(keep), _keys_of(drop)
        with self._changing:
            return self._to_change().merge(kept, dropped)

    def readmit(self, keys: Any) -> Changes:
        """Let erased customers come again: rows that arrive from now on are theirs. `Changes.found`: how many of them
        had been erased.

        Raises:
            ArgumentError: these are no keys.
            LockedError, StorageError: as `apply`.
        """
        array = _keys_of(keys)
        with self._changing:
            return self._to_change().readmit(array)

    def compact(self, *, progress: Progress | None = None) -> None:
        """Fold everything that changed into a new base, in which customers are numbered anew: a new `epoch`.

        Readers go on with what they have.

        Raises:
            LockedError, StorageError: as `apply`.
        """
        with self._changing:
            self._to_change().compact(progress)

    def changes(self, since: int) -> Iterator[Changes]:
        """Who entered and left the tracked segments in each generation after *since*, oldest first.

        Raises:
            LimitError: the feed does not reach back so far.
            ArgumentError: *since* is no generation.
        """
        if not isinstance(since, int) or isinstance(since, bool):
            raise ArgumentError("since", found=repr(since), allowed="the number of a generation")
        followed = self._followed()
        if followed is not None:
            return followed.changes(since)
        with self._changing:
            return self._known().changes(since)

    @property
    def offsets(self) -> Mapping[str, int]:
        """The position after the last batch that was taken in, by source."""
        followed = self._followed()
        if followed is not None:
            return dict(followed.state.offsets)
        with self._changing:
            return dict(self._known().state.offsets)

    # --- life ----------------------------------------------------------------------------------------------------

    def view(self) -> View:
        """This version of the index, whatever its writer does meanwhile."""
        return View(self._running(), 1 if self._workers is None else self._workers.threads)

    def refresh(self) -> bool:
        """Follow the writer of the folder, in whatever process it is: whether there was something new.

        An index that changes itself, or is in memory alone, has nothing to follow.

        Raises:
            CorruptError: a file is damaged; the index answers on as before.
            StorageError: the operating system refused; so too.
        """
        with self._changing:
            self._running()
            if not self._read_only or self._folder is None:
                return False
            return self._follow(self._folder)

    def save(self, path: str | Path) -> None:
        """Write the index into the folder *path*, all or nothing.

        Raises:
            ArgumentError: the folder holds something else.
            CorruptError: the index there is damaged: it is not written over.
            LimitError: no greater number is left for a generation than a file there has.
            LockedError: another writer is at work there, or this index was opened there and another one was saved
                since, whose changes would be lost.
            StorageError: the operating system refused; what was there before still is.
        """
        folder = folder_of(path).absolute()
        with self._changing:
            answers, changer = self._running(), self._changer
            if changer is not None and changer.writer is not None and changer.writer.folder == folder:
                changer.fold()
                return
            identity = self._opened.identity if self._folder == folder else None
            since = None if identity is None else identity.generation
            sequence = None if self._position is None or identity is None else self._position.sequence
            more = self._opened.more if changer is None else changer.more()
            base = answers.version.base if answers.version.delta is None else self._known().refolded()
            base = dataclasses.replace(base, number=answers.version.number)
            identity = generations.save(base, folder, door.SYSTEM, since, more, last_sequence=sequence)
            if changer is None or changer.writer is None:
                self._moved_to(folder, base, identity, more)

    def close(self) -> None:
        """Let go of files, locks and memory; every later call raises `ClosedError`."""
        with self._changing:
            changer, self._changer, self._answers = self._changer, None, None
            self._texts = self._earlier_texts = texts_kept()
            if changer is not None:
                changer.close()
        if self._workers is not None:
            self._workers.close()

    def __enter__(self) -> Index:
        self._running()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _state(self) -> State:
        """Everything about the index at this generation."""
        followed = self._followed()
        if followed is not None:
            return followed.state
        with self._changing:
            return self._known().state

    def _followed(self) -> Changer | None:
        """What a reader knows of the changes, None where it has not looked yet: it is replaced as a whole and never
        changed, so that who asks need not wait for a refresh that is under way."""
        self._running()
        return self._changer if self._read_only else None

    # --- inside; who calls these holds the lock --------------------------------------------------------------------

    def _known(self) -> Changer:
        """What is known of the changes of this index."""
        answers = self._running()
        if self._changer is None:
            from segdex.live.changer import Changer

            self._changer = Changer(self._opened, answers, self._publish)
        return self._changer

    def _to_change(self) -> Changer:
        """Who changes this index; where it is in a folder, as the one writer there."""
        self._begun = time.monotonic()
        changer = self._known()
        if self._read_only:
            raise LockedError(
                "the index was opened to be read", place=str(self._folder),
                hint="segdex.open(…, read_only=False) opens it for its one writer",
            )  # fmt: skip
        if changer.writer is None and self._folder is not None:
            changer.writer = self._writer_of(self._folder)
        if changer.writer is not None:
            changer.writer.check()
        return changer

    def _writer_of(self, folder: Path) -> Writer:
        """The writer of the folder that this index was saved in, which must hold what it was saved as."""
        from segdex.live.writer import Writer

        writer, opened = Writer.take(folder, door.SYSTEM)
        if opened.identity != self._opened.identity or writer.records():
            writer.close()
            raise LockedError(
                "another writer changed this index since it was saved", place=str(folder),
                hint="segdex.open(…, read_only=False) opens it as it is now",
            )  # fmt: skip
        return writer

    def _write_with(self, writer: Writer) -> None:
        """Become the writer that *writer* is, with what its journal holds: of an index that nobody else has yet."""
        self._read_only = False
        changer = self._known()
        changer.writer = writer
        try:
            if changer.feed.ends_with_erasure:
                writer.forget_older()
            changer.replay(writer.records(), str(writer.folder))
            self._publish(changer.state)
        except BaseException:
            writer.close()
            raise

    def _follow(self, folder: Path) -> bool:
        self._begun = time.monotonic()
        answers, opened, position, changer = self._running(), self._opened, self._position, self._changer
        assert opened.identity is not None
        if pointer(folder, door.SYSTEM).generation != opened.identity.generation:
            opened, position, changer = generations.opened(folder, door.SYSTEM), None, None
            answers = answers.next(alone(opened.generation))
        assert opened.identity is not None
        found, position = journal.read(folder, opened.identity, door.SYSTEM, position)
        if found:
            from segdex.live.changer import Changer

            changer = Changer(opened, answers, self._publish) if changer is None else copy.copy(changer)
            # A reader far behind takes several steps, and no rule is carried over more than a few at once.
            changer.replay(found, str(folder), lambda each: make_ready(self, self._answers, each, self._begun))
            answers = changer.state.answers
        news = answers is not self._answers
        make_ready(self, self._answers, answers, self._begun)
        # In one step: a child may be forked between any two, and would read records again, or not at all.
        vars(self).update(_answers=answers, _opened=opened, _position=position, _changer=changer)
        if news:
            self._put(answers)
        return news

    def _moved_to(self, folder: Path, base: Generation, identity: Identity, more: bytes) -> None:
        """From now on this index says what whoever opens the folder says."""
        base = dataclasses.replace(base, number=identity.generation)
        self._opened, self._folder, self._position, self._changer = Opened(base, identity, more), folder, None, None
        answers = self._running()
        if answers.version.number != identity.generation or answers.version.delta is not None:
            self._put(answers.next(alone(base)))

    def _publish(self, state: State) -> None:
        self._put(state.answers)

    def _put(self, answers: Answers) -> None:
        """Put a version in place, in one step, with the rules that are asked made ready for it."""
        try:
            make_ready(self, self._answers, answers, self._begun)
        finally:  # whoever is interrupted here has changed the index
            self._answers = answers
        self._forget_others(answers)
        # Rules hold plans of their version: those that nobody asks any more go with the version after the next.
        self._earlier_texts, self._texts = self._texts, texts_kept()


def _keys_of(keys: Any) -> pa.Array:
    from segdex.ingest.keys import key_array

    return key_array([keys] if is_one_key(keys) else keys)


__all__ = ["Index", "Query", "Stats", "View"]
