"""The façade that a service holds: every method is one hand-over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.arguments import bytes_of, folder_of, is_one_key, moment_of, purposes_of
from segdex.bitmap import predicate as hot
from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.deadlines import within
from segdex.errors import ArgumentError, ClosedError, RuleError
from segdex.forks import ForkLock
from segdex.generation import Generation
from segdex.query import collect
from segdex.query.advice import warnings
from segdex.query.aggregate import Aggregate, aggregate
from segdex.query.bind import Bound, Some, leaves
from segdex.query.collect import CountBy, Customer
from segdex.query.estimate import Estimate
from segdex.query.execute import Executor
from segdex.query.explain import Check, Explanation
from segdex.query.formula import told
from segdex.query.prepared import Query, Suppression
from segdex.query.remember import Remembered
from segdex.query.trace import trace
from segdex.query.why import Why, why
from segdex.query.workers import Workers
from segdex.rules import nodes
from segdex.rules.nodes import Rule
from segdex.rules.text import read as read_rule
from segdex.schema import model
from segdex.schema.load import load
from segdex.store import generations
from segdex.values import clock

if TYPE_CHECKING:  # what builds and loads is imported by who does: an index that is opened needs none of it
    from segdex.derive import Progress
    from segdex.ingest.report import Report
    from segdex.load import Loaded
    from segdex.rules.sql import Sql

MOST_THREADS = 256
RuleLike: TypeAlias = str | Rule
Source: TypeAlias = Any

MOST_TEXT_BYTES = 64 << 20
"""How many bytes of bound rules an index remembers by their text."""


def build(
    schema: str | Path | Mapping[str, Any] | model.Schema,
    *,
    as_of: str | dt.datetime | None = None,
    sources: Mapping[str, Source] | None = None,
    out: str | Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    progress: Progress | None = None,
) -> Index:
    """Build an index from tables.

    Args:
        schema: path of a TOML or JSON file, or an object of the same shape.
        as_of: the index's clock, ISO 8601 with a zone, or a zone-aware datetime; default: now.
        sources: tables by name of stream, lookup, label or ``customers``, in place of the schema's sources: anything
            with ``__arrow_c_stream__``, or a path.
        out: a folder to save the index in.
        on_error: ``raise`` or ``skip``: what a bad row does; `Index.report` tells what was skipped.
        progress: called with what is being done, how many parts are done, and how many there are.

    Raises:
        SchemaError: the schema is wrong.
        SourceError: a table is wrong.
    """
    from segdex.derive import derive
    from segdex.ingest.read import read

    if progress is not None and not callable(progress):
        raise ArgumentError("progress", found=type(progress).__name__, allowed="a function of a text and two numbers")
    folder = None if out is None else folder_of(out)
    catalog = load(schema)
    moment = moment_of(as_of)
    tables = read(catalog, sources, on_error=on_error, progress=progress)
    index = Index(derive(catalog, tables, moment, progress), report=tables.report)
    if folder is not None:
        index.save(folder)
    return index


def open(
    path: str | Path,
    *,
    memory_limit: int | str | None = None,
    threads: int = 1,
    verify: bool = False,
) -> Index:
    """Open a saved index, mapped: start-up does not read it whole, processes share its pages.

    Args:
        path: the folder.
        memory_limit: how many bytes of sets and inline calls that were computed for rules are kept for the next ones:
            a number, or text like ``"2GiB"``; default: 768 MiB. The mapped index is not among them.
        threads: how many threads one count may use where it has much to read; many callers scale by themselves.
        verify: check everything before the first answer, and not each part before its first use.

    Raises:
        ArgumentError: *path* is no index.
        CorruptError: a file is damaged.
        VersionError: a file was written by a newer segdex.
    """
    folder = folder_of(path)
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS:
        raise ArgumentError("threads", found=repr(threads), allowed=f"1 to {MOST_THREADS}")
    limit = None if memory_limit is None else bytes_of(memory_limit)
    if verify:
        for problem in generations.verify(folder):
            raise problem
    index = Index(generations.load(folder), memory_limit=limit, threads=threads)
    index._stored = folder.absolute(), index.generation
    return index


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """What an index holds and keeps.

    Attributes:
        customers: the size of the universe.
        generation: the number of the generation that answers.
        predicates: how many precomputed sets there are.
        ranks: for how many columns any threshold is answered from ranks.
        remembered: how many sets and inline calls are kept that were computed for rules.
        remembered_bytes: how many bytes these take.
        texts: how many rules are remembered by their text.
        text_bytes: how many bytes these take, about.
        threads: how many threads one count may use.
    """

    customers: int
    generation: int
    predicates: int
    ranks: int
    remembered: int
    remembered_bytes: int
    texts: int
    text_bytes: int
    threads: int


class Index:
    """Answers rules over customers. Safe to use from many threads; made by `build` and `open`."""

    def __init__(
        self,
        generation: Generation,
        report: Report | None = None,
        memory_limit: int | None = None,
        threads: int = 1,
    ) -> None:
        self._memory_limit = memory_limit
        self._workers = Workers(threads) if threads > 1 else None
        self._executor: Executor | None = Executor(generation, memory_limit)
        self._texts: Remembered[Query] = _texts()
        self._writing = ForkLock()  # who holds it puts the next generation in place
        self._stored: tuple[Path, int] | None = None  # where this index was opened or saved last, and as what number
        self.report = report
        """What reading the tables found; None for an index that was opened."""

    # --- asking --------------------------------------------------------------------------------------------------

    def count(self, rule: RuleLike, *, suppression: Suppression = False, timeout: float | None = None) -> int:
        """How many customers *rule* holds for, exactly.

        Args:
            rule: text or `Rule`.
            suppression: True leaves out every suppression segment, a list those for these purposes.
            timeout: seconds after which the call gives up, here and in all that follow; default: never. Only what is
                computed straight from a stream, or for many categories, can take long.

        Raises:
            RuleError: the rule is wrong.
            LimitError: it takes too long. What was computed until then is gone; the index answers on.
        """
        if timeout is None:
            return self.prepare(rule).count(suppression=suppression)
        with within(timeout):
            return self.prepare(rule).count(suppression=suppression)

    def counts(
        self, rules: Iterable[RuleLike], *, suppression: Suppression = False, timeout: float | None = None
    ) -> list[int]:
        """The counts of many rules, in their order; equal rules are counted once.

        Where the sets of all rules fit no cache, this is faster than rule by rule. *timeout* is for all together.
        """
        if isinstance(rules, str | bytes | Rule) or not isinstance(rules, Iterable):
            raise ArgumentError("rules", found=type(rules).__name__, allowed="a list of rules: ['everyone']")
        with within(timeout):
            executor, queries = self._running(), [self.prepare(rule) for rule in rules]
            return executor.counts([query.plan(suppression, executor) for query in queries])

    def prepare(self, rule: RuleLike) -> Query:
        """Parse, bind and plan *rule* once, to be asked many times; it follows the index to later generations."""
        executor = self._running()
        if isinstance(rule, Rule):
            return Query(self, rule, executor.binder.bind(rule), executor.generation.catalog)
        if not isinstance(rule, str):
            raise ArgumentError("not a rule", found=type(rule).__name__, allowed="text or segdex.Rule")

        def prepared() -> Query:
            source = read_rule(rule)
            bound = executor.binder.bind(source.rule, source.positions)
            return Query(self, source.rule, bound, executor.generation.catalog)

        return self._texts.get(rule, prepared)

    def estimate(self, rule: RuleLike, *, suppression: Suppression = False, timeout: float | None = None) -> Estimate:
        """How many customers *rule* holds for, about, from cardinalities and a few chunks: low <= count <= high holds.

        Comparisons that no precomputed set answers are computed, once.
        """
        query, executor = self.prepare(rule), self._running()
        with within(timeout):
            return executor.estimate(query.plan(suppression, executor))

    def bitmap(self, rule: RuleLike, *, suppression: Suppression = False, timeout: float | None = None) -> BitMap:
        """The dense ids of the customers that *rule* holds for."""
        with within(timeout):
            return self.prepare(rule).bitmap(suppression=suppression)

    def members(
        self,
        rule: RuleLike,
        *,
        columns: Sequence[str] = (),
        limit: int | None = None,
        order_by: str | None = None,
        descending: bool = False,
        suppression: Suppression = True,
        timeout: float | None = None,
    ) -> pa.RecordBatchReader:
        """The keys of the members with chosen columns, as Arrow record batches.

        Args:
            rule: text or `Rule`.
            columns: names, ``family['category']``, inline calls, buckets and anniversaries, beside the key. An
                attribute that is named like the key is titled by its name in double quotes.
            limit: at most so many members.
            order_by: a column to order by, missing values last; default: by dense id, which is the order of
                keys only where customers are numbered by them.
            descending: greatest first.
            suppression: by default every suppression segment is left out, unless *rule* is a bare reference to one,
                which is given out whole.
            timeout: seconds; reading the batches is not part of it.
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise ArgumentError("limit", found=repr(limit), allowed="a whole number, 0 or more")
        if not isinstance(descending, bool | np.bool_):
            raise ArgumentError("descending", found=type(descending).__name__, allowed="True, False")
        query = self.prepare(rule)
        executor = self._running()
        with within(timeout):
            chosen = executor.members_of(query.plan(self._exported(query.rule, suppression, executor), executor))
            return collect.members(chosen, executor, columns, limit, order_by, descending)

    def contains(
        self, rule: RuleLike, key: Any, *, suppression: Suppression = False, timeout: float | None = None
    ) -> Any:
        """Whether *rule* holds for the customer with *key*; for a list of keys, a list. Unknown keys: False."""
        query, executor = self.prepare(rule), self._running()
        with within(timeout):
            plan = query.plan(suppression, executor)
        if is_one_key(key):
            at = self._dense(key)
            return at >= 0 and plan.program.contains(at)
        members = executor.members_of(plan)
        return [at >= 0 and hot.has(members, at) for at in executor.generation.lookup(key).tolist()]

    def segments_of(self, key: Any) -> Any:
        """The names of the segments that a customer is in; for a list of keys, a list. Unknown keys: none."""
        executor = self._running()
        if is_one_key(key):
            at = self._dense(key)
            return collect.segments_of(at, executor) if at >= 0 else ()
        return [collect.segments_of(int(at), executor) if at >= 0 else () for at in executor.generation.lookup(key)]

    def customer(self, key: Any) -> Any:
        """Everything that the index holds of one customer, a `Customer`; for a list of keys, a list.

        Raises:
            ArgumentError: no customer has this key.
        """
        executor = self._running()
        if not is_one_key(key):
            dense = executor.generation.lookup(key)
            return [self._customer(int(at), executor) for at in dense]
        return self._customer(self._dense(key), executor)

    def _customer(self, at: int, executor: Executor) -> Customer:
        if at < 0:
            raise ArgumentError("no customer has this key")
        return collect.customer(at, executor)

    def count_by(
        self, rule: RuleLike, name: str, *, suppression: Suppression = False, timeout: float | None = None
    ) -> CountBy:
        """How the members of *rule* spread over the labels of a band, stage, category, boolean or tags."""
        query = self.prepare(rule)
        executor = self._running()
        with within(timeout):
            chosen = executor.members_of(query.plan(suppression, executor))
            return collect.count_by(chosen, executor, name, str(query.rule))

    def aggregate(
        self,
        rule: RuleLike,
        name: str,
        *,
        quantiles: Iterable[float] = (0.25, 0.5, 0.75),
        suppression: Suppression = False,
        timeout: float | None = None,
    ) -> Aggregate:
        """What the values of the members of *rule* come to: number, sum, mean, least, greatest, quantiles.

        Everything but a mean, and a sum of numbers without a scale, is exact. Floats are added in the order of dense
        ids, so that one index always gives the same bits.

        Args:
            rule: text or `Rule`.
            name: a number, date or time: a name, ``family['category']`` or an inline call.
            quantiles: numbers from 0 to 1. The quantile q is the smallest known value such that at least q of the
                known values are at or below it: a value that some member has, 0 the least and 1 the greatest. A float
                is the decimal that it prints as.
            suppression: True leaves out every suppression segment, a list those for these purposes.
            timeout: seconds.

        Raises:
            RuleError: the rule is wrong.
            LimitError: it takes too long.
            ArgumentError: *name* has no numbers, or *quantiles* are none.
        """
        query = self.prepare(rule)
        executor = self._running()
        with within(timeout):
            chosen = executor.members_of(query.plan(suppression, executor))
            return aggregate(chosen, executor, name, str(query.rule), quantiles)

    def keys(self, bitmap: BitMap) -> pa.Array:
        """The keys of a set of dense ids, ascending by dense id.

        Raises:
            ArgumentError: the set holds ids that this index does not have.
        """
        generation = self._running().generation
        ids = roaring.to_ids(roaring.expect(bitmap))
        if len(ids) and int(ids[-1]) >= generation.count:
            raise ArgumentError(
                "the set is not of this index", found=f"dense id {ids[-1]}", allowed=f"less than {generation.count}"
            )
        strange = ids[:0] if generation.all_inside else ids[~hot.having(generation.universe, ids)]
        if len(strange):
            raise ArgumentError("the set holds a dense id that no customer has", found=f"dense id {strange[0]}")
        return generation.keys.take(ids)

    def ids(self, keys: Any) -> BitMap:
        """The dense ids of *keys*; keys that no customer has are left out."""
        found = self._running().generation.lookup([keys] if is_one_key(keys) else keys)
        return roaring.from_ids(found[found >= 0])

    def check(self, rule: RuleLike) -> Check:
        """Whether *rule* fits the schema, and what in it is probably not meant; nothing is counted."""
        executor = self._running()
        try:
            query = self.prepare(rule)
            bound = query.bound_by(executor)
        except RuleError as error:
            return Check(str(rule), False, str(error), (), 0, ())
        held = list(leaves(bound))
        used = [node for leaf in held for node in nodes.walk(leaf.rule)]
        calls = {node.of for node in used if isinstance(node, nodes.Call)}
        calls |= {node.stream for node in used if isinstance(node, nodes.Step)}
        streams = tuple(sorted(calls & set(executor.generation.catalog.schema.streams)))
        warned = tuple(warnings(bound, executor))
        return Check(str(query.rule), True, None, warned, len(held), streams)

    def to_sql(self, rule: RuleLike) -> Sql:
        """*rule* as a condition for a WHERE clause of DuckDB; its ``columns`` are those of `members` that it reads.

        Raises:
            RuleError: the rule is wrong, or asks for more than stored values.
        """
        from segdex.query.sql import to_sql

        query = self.prepare(rule)
        return to_sql(query.rule, self._running())

    def explain(self, rule: RuleLike, *, timeout: float | None = None) -> Explanation:
        """The plan of *rule* with what each step was expected to find, what it finds, how and in what time.

        Each part is counted by itself, for all customers: of a rule straight from a stream that takes longer than to
        count the rule.
        """
        query = self.prepare(rule)
        executor = self._running()
        bound = query.bound_by(executor)
        with within(timeout):
            plan, steps = query.plan(False, executor), trace(bound, executor)
            exported = query.plan(self._exported(query.rule, True, executor), executor).count()
        return Explanation(
            rule=str(query.rule),
            count=steps.count,
            suppressed=steps.count - exported,
            plan=steps,
            rewritten=told(plan.formula),
            tables=len(plan.program.nodes),
            notes=tuple(warnings(bound, executor)),
            as_of=_clock_of(executor),
            generation=executor.generation.number,
        )

    def why(self, rule: RuleLike, key: Any, *, timeout: float | None = None) -> Any:
        """Why *rule* holds for the customer with *key*, or why not, a `Why`; for a list of keys, a list.

        Raises:
            RuleError: the rule is wrong.
            LimitError: it takes longer than *timeout* seconds.
            ArgumentError: no customer has this key.
        """
        query, executor = self.prepare(rule), self._running()
        bound = query.bound_by(executor)
        keys = [key] if is_one_key(key) else key
        with within(timeout):
            found = [_why(query, bound, int(at), executor) for at in executor.generation.lookup(keys)]
        return found[0] if is_one_key(key) else found

    # --- changing ------------------------------------------------------------------------------------------------

    def load(self, name: str, data: Any) -> Loaded:
        """Take in a segment or a label that was made elsewhere; rules use it from the next call on.

        It is there in memory: `save` writes it, and an index that was opened may hold it too. Readers that are at work
        end with what they began with. Loading a name again puts the new data in the place of the old, as a whole.

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
        """
        from segdex.load import load_into

        with self._writing:
            generation, loaded = load_into(self._running().generation, name, data)
            self._publish(generation)
        return loaded

    # --- about the index -----------------------------------------------------------------------------------------

    @property
    def as_of(self) -> dt.datetime:
        """The index's clock, in UTC."""
        return clock.from_microseconds(self._running().generation.as_of)

    @property
    def generation(self) -> int:
        """The number of the generation that answers."""
        return self._running().generation.number

    @property
    def epoch(self) -> str:
        """The numbering of customers that dense ids, and so sets of them, belong to."""
        return self._running().generation.epoch

    @property
    def schema(self) -> model.Schema:
        """The declared schema."""
        return self._running().generation.catalog.schema

    def stats(self) -> Stats:
        """What the index holds and keeps, in numbers."""
        executor = self._running()
        generation = executor.generation
        remembered, remembered_bytes = executor.remembered
        texts, text_bytes = self._texts.held
        return Stats(
            customers=len(generation.universe),
            generation=generation.number,
            predicates=len(generation.predicates),
            ranks=len(generation.ranks),
            remembered=remembered,
            remembered_bytes=remembered_bytes,
            texts=texts,
            text_bytes=text_bytes,
            threads=1 if self._workers is None else self._workers.threads,
        )

    def __len__(self) -> int:
        return len(self._running().generation.universe)

    def __repr__(self) -> str:
        if self._executor is None:
            return "<segdex.Index, closed>"
        return f"<segdex.Index of {len(self):,} customers as of {self.as_of:%Y-%m-%d %H:%M}Z>"

    # --- life ----------------------------------------------------------------------------------------------------

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
        with self._writing:
            generation = self._running().generation
            since = self._stored[1] if self._stored is not None and self._stored[0] == folder else None
            number = generations.save(generation, folder, since=since)
            self._stored = folder, number
            if number != generation.number:  # from now on this index says what whoever opens the folder says
                self._publish(dataclasses.replace(generation, number=number))

    def close(self) -> None:
        """Let go of files and memory; every later call raises `ClosedError`."""
        with self._writing:
            self._executor = None
            self._texts = _texts()
        if self._workers is not None:
            self._workers.close()

    def __enter__(self) -> Index:
        self._running()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    # --- inside --------------------------------------------------------------------------------------------------

    def _running(self) -> Executor:
        executor = self._executor
        if executor is None:
            raise ClosedError("the index is closed", hint="open it again")
        return executor

    def _publish(self, generation: Generation) -> None:
        """Put *generation* in place, in one step; by who holds the lock."""
        self._executor = Executor(generation, self._memory_limit)
        self._texts = _texts()  # they hold plans of the generation before

    def _suppressing(self, suppression: Suppression, executor: Executor) -> Bound | None:
        """The customers that *suppression* leaves out, None where there are no such segments."""
        segments = executor.generation.catalog.schema.segments
        held = {name: segment.suppression for name, segment in segments.items() if segment.suppression}
        if not isinstance(suppression, bool):
            wanted = purposes_of(suppression, {purpose for purposes in held.values() for purpose in purposes})
            held = {name: purposes for name, purposes in held.items() if wanted & set(purposes)}
        parts = tuple(executor.binder.bind_checked(nodes.Segment(name)) for name in held)
        return Some(parts) if parts and suppression is not False else None

    def _exported(self, rule: Rule, suppression: Suppression, executor: Executor) -> Suppression:
        """What is left out of an export of *rule*: nothing of a bare reference to a suppression segment."""
        segments = executor.generation.catalog.schema.segments
        if not isinstance(rule, nodes.Segment) or not segments[rule.name].suppression:
            return suppression
        self._suppressing(suppression, executor)  # an unknown purpose is an error here too
        return False

    def _dense(self, key: Any) -> int:
        if not is_one_key(key):
            raise ArgumentError("not a key", found=type(key).__name__, allowed="a string or an integer")
        return int(self._running().generation.lookup([key])[0])


def _why(query: Query, bound: Bound, at: int, executor: Executor) -> Why:
    if at < 0:
        raise ArgumentError("no customer has this key")
    reason = why(bound, at, executor)
    return Why(str(query.rule), reason.holds, reason, _clock_of(executor), executor.generation.number)


def _clock_of(executor: Executor) -> str:
    """The clock in ISO 8601."""
    return clock.from_microseconds(executor.generation.as_of).isoformat().replace("+00:00", "Z")


def _texts() -> Remembered[Query]:
    # Nodes take some thirty times the bytes of their text (lists of short strings), and a short rule about 2 KiB.
    return Remembered(MOST_TEXT_BYTES, lambda held: 2048 + 32 * len(str(held.rule)))


__all__ = ["Index", "Query", "build", "open"]
