"""What may be asked of an index, and of one version of it; every method is one hand-over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

import numpy as np
import pyarrow as pa

from segdex.arguments import is_one_key, purposes_of
from segdex.bitmap import predicate as hot
from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.deadlines import within
from segdex.errors import ArgumentError, ClosedError, RuleError
from segdex.forks import ForkLock
from segdex.query import collect
from segdex.query.advice import warnings
from segdex.query.aggregate import Aggregate, aggregate
from segdex.query.answers import Answers
from segdex.query.bind import Bound, Some, leaves
from segdex.query.collect import CountBy, Customer
from segdex.query.estimate import Estimate
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
from segdex.values import clock

if TYPE_CHECKING:
    from segdex.rules.sql import Sql

RuleLike: TypeAlias = str | Rule

MOST_TEXT_BYTES = 64 << 20
"""How many bytes of bound rules an index remembers by their text."""
MOST_QUERIES = 1024
"""Of more prepared queries than these it is seen now and then which are gone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """What an index holds and keeps.

    Attributes:
        customers: the size of the universe.
        generation: the number of the generation that answers.
        predicates: how many precomputed sets there are.
        changed: how many customers have changed since the base was made.
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
    changed: int
    remembered: int
    remembered_bytes: int
    texts: int
    text_bytes: int
    threads: int


class Asking:
    """Answers rules over customers. Safe to use from many threads.

    Args:
        answers: the version that answers.
        threads: how many threads one count may use.
    """

    def __init__(self, answers: Answers, threads: int = 1) -> None:
        self._workers = Workers(threads) if threads > 1 else None
        self._answers: Answers | None = answers
        self._texts: Remembered[Query] = texts_kept()
        self._earlier_texts: Remembered[Query] = texts_kept()
        self._queries: list[ref[Query]] = []  # those that were prepared, and some that are gone
        self._many_queries = MOST_QUERIES
        self._noting = ForkLock()
        self._base = ref(answers.base)  # no query holds another one

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
            answers, queries = self._running(), [self.prepare(rule) for rule in rules]
            return answers.counts([query.plan(suppression, answers) for query in queries])

    def prepare(self, rule: RuleLike) -> Query:
        """Parse, bind and plan *rule* once, to be asked many times; it follows the index to later generations."""
        answers = self._running()
        if isinstance(rule, Rule):
            return self._noted(Query(self, rule, answers.binder.bind(rule), answers.version.catalog))
        if not isinstance(rule, str):
            raise ArgumentError("not a rule", found=type(rule).__name__, allowed="text or segdex.Rule")

        def prepared() -> Query:
            earlier = self._earlier_texts.peek(rule)
            if earlier is not None and earlier.fits(answers):
                return earlier
            source = read_rule(rule)
            bound = answers.binder.bind(source.rule, source.positions)
            return self._noted(Query(self, source.rule, bound, answers.version.catalog))

        return self._texts.get(rule, prepared)

    def _noted(self, query: Query) -> Query:
        with self._noting:
            self._queries.append(ref(query))
            if len(self._queries) > self._many_queries:
                self._queries = [each for each in self._queries if each() is not None]
                self._many_queries = max(MOST_QUERIES, 2 * len(self._queries))
        return query

    def _forget_others(self, answers: Answers) -> None:
        """Have no query hold another base than that of *answers*."""
        if self._base() is answers.base:
            return
        self._base = ref(answers.base)
        with self._noting:
            queries = self._queries.copy()
        for reference in queries:
            query = reference()
            if query is not None:
                query.forget_others(answers)

    def estimate(self, rule: RuleLike, *, suppression: Suppression = False, timeout: float | None = None) -> Estimate:
        """How many customers *rule* holds for, about, from cardinalities and a few chunks: low <= count <= high holds.

        Comparisons that no precomputed set answers are computed, once.
        """
        query, answers = self.prepare(rule), self._running()
        with within(timeout):
            return answers.estimate(query.plan(suppression, answers))

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
        answers = self._running()
        with within(timeout):
            chosen = answers.members_of(query.plan(self._exported(query.rule, suppression, answers), answers))
            return collect.members(chosen, answers.folded, columns, limit, order_by, descending)

    def contains(
        self, rule: RuleLike, key: Any, *, suppression: Suppression = False, timeout: float | None = None
    ) -> Any:
        """Whether *rule* holds for the customer with *key*; for a list of keys, a list. Unknown keys: False."""
        query, answers = self.prepare(rule), self._running()
        with within(timeout):
            plans = query.plan(suppression, answers)
        if is_one_key(key):
            at = _dense(key, answers)
            return at >= 0 and answers.holds(plans, at)
        members = answers.members_of(plans)
        return [at >= 0 and hot.has(members, at) for at in answers.lookup(key).tolist()]

    def segments_of(self, key: Any) -> Any:
        """The names of the segments that a customer is in; for a list of keys, a list. Unknown keys: none."""
        answers = self._running()
        if is_one_key(key):
            return _segments_of(_dense(key, answers), answers)
        return [_segments_of(at, answers) for at in answers.lookup(key).tolist()]

    def customer(self, key: Any) -> Any:
        """Everything that the index holds of one customer, a `Customer`; for a list of keys, a list.

        Raises:
            ArgumentError: no customer has this key.
        """
        answers = self._running()
        if not is_one_key(key):
            return [_customer(at, answers) for at in answers.lookup(key).tolist()]
        return _customer(_dense(key, answers), answers)

    def count_by(
        self, rule: RuleLike, name: str, *, suppression: Suppression = False, timeout: float | None = None
    ) -> CountBy:
        """How the members of *rule* spread over the labels of a band, stage, category, boolean or tags."""
        query = self.prepare(rule)
        answers = self._running()
        with within(timeout):
            chosen = answers.members_of(query.plan(suppression, answers))
            return collect.count_by(chosen, answers.folded, name, str(query.rule))

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
        answers = self._running()
        with within(timeout):
            chosen = answers.members_of(query.plan(suppression, answers))
            return aggregate(chosen, answers.folded, name, str(query.rule), quantiles)

    def keys(self, bitmap: BitMap) -> pa.Array:
        """The keys of a set of dense ids, ascending by dense id.

        Raises:
            ArgumentError: the set holds ids that this index does not have.
        """
        answers = self._running()
        ids = roaring.to_ids(roaring.expect(bitmap))
        strange = ids[~hot.having(answers.universe, ids)]
        if len(strange):
            raise ArgumentError("the set holds a dense id that no customer has", found=f"dense id {strange[0]}")
        return answers.version.keys.take(ids)

    def ids(self, keys: Any) -> BitMap:
        """The dense ids of *keys*; keys that no customer has are left out."""
        found = self._running().lookup([keys] if is_one_key(keys) else keys)
        return roaring.from_ids(found[found >= 0])

    def check(self, rule: RuleLike) -> Check:
        """Whether *rule* fits the schema, and what in it is probably not meant; nothing is counted."""
        answers = self._running()
        try:
            query = self.prepare(rule)
            bound = query.bound_by(answers)
        except RuleError as error:
            return Check(str(rule), False, str(error), (), 0, ())
        held = list(leaves(bound))
        used = [node for leaf in held for node in nodes.walk(leaf.rule)]
        calls = {node.of for node in used if isinstance(node, nodes.Call)}
        calls |= {node.stream for node in used if isinstance(node, nodes.Step)}
        streams = tuple(sorted(calls & set(answers.version.catalog.schema.streams)))
        warned = tuple(warnings(bound, answers.folded))
        return Check(str(query.rule), True, None, warned, len(held), streams)

    def to_sql(self, rule: RuleLike) -> Sql:
        """*rule* as a condition for a WHERE clause of DuckDB; its ``columns`` are those of `members` that it reads.

        Raises:
            RuleError: the rule is wrong, or asks for more than stored values.
        """
        from segdex.query.sql import to_sql

        query = self.prepare(rule)
        return to_sql(query.rule, self._running().folded)

    def explain(self, rule: RuleLike, *, timeout: float | None = None) -> Explanation:
        """The plan of *rule* with what each step was expected to find, what it finds, how and in what time.

        Each part is counted by itself, for all customers: of a rule straight from a stream that takes longer than to
        count the rule.
        """
        query = self.prepare(rule)
        answers = self._running()
        bound = query.bound_by(answers)
        with within(timeout):
            plan, steps = query.plan(False, answers).base, trace(bound, answers.folded)
            exported = query.plan(self._exported(query.rule, True, answers), answers).count()
        return Explanation(
            rule=str(query.rule),
            count=steps.count,
            suppressed=steps.count - exported,
            plan=steps,
            rewritten=told(plan.formula),
            tables=len(plan.program.nodes),
            notes=tuple(warnings(bound, answers.folded)),
            as_of=_clock_of(answers),
            generation=answers.version.number,
        )

    def why(self, rule: RuleLike, key: Any, *, timeout: float | None = None) -> Any:
        """Why *rule* holds for the customer with *key*, or why not, a `Why`; for a list of keys, a list.

        Raises:
            RuleError: the rule is wrong.
            LimitError: it takes longer than *timeout* seconds.
            ArgumentError: no customer has this key.
        """
        query, answers = self.prepare(rule), self._running()
        bound = query.bound_by(answers)
        keys = [key] if is_one_key(key) else key
        with within(timeout):
            found = [_why(query, bound, at, answers) for at in answers.lookup(keys).tolist()]
        return found[0] if is_one_key(key) else found

    # --- about the index -----------------------------------------------------------------------------------------

    @property
    def as_of(self) -> dt.datetime:
        """The index's clock, in UTC."""
        return clock.from_microseconds(self._running().version.as_of)

    @property
    def generation(self) -> int:
        """The number of the generation that answers."""
        return self._running().version.number

    @property
    def epoch(self) -> str:
        """The numbering of customers that dense ids, and so sets of them, belong to."""
        return self._running().version.base.epoch

    @property
    def schema(self) -> model.Schema:
        """The declared schema."""
        return self._running().version.catalog.schema

    def stats(self) -> Stats:
        """What the index holds and keeps, in numbers."""
        answers = self._running()
        version, base = answers.version, answers.version.base
        remembered, remembered_bytes = answers.remembered
        texts, text_bytes = self._texts.held
        return Stats(
            customers=version.customers,
            generation=version.number,
            predicates=len(base.predicates),
            ranks=len(base.ranks),
            changed=0 if version.delta is None else len(version.delta.ids),
            remembered=remembered,
            remembered_bytes=remembered_bytes,
            texts=texts,
            text_bytes=text_bytes,
            threads=1 if self._workers is None else self._workers.threads,
        )

    def __len__(self) -> int:
        return self._running().version.customers

    def __repr__(self) -> str:
        if self._answers is None:
            return f"<segdex.{type(self).__name__}, closed>"
        return f"<segdex.{type(self).__name__} of {len(self):,} customers as of {self.as_of:%Y-%m-%d %H:%M}Z>"

    # --- inside --------------------------------------------------------------------------------------------------

    def _running(self) -> Answers:
        answers = self._answers
        if answers is None:
            raise self._closed()
        return answers

    def _closed(self) -> ClosedError:
        return ClosedError("the index is closed", hint="open it again")

    def _suppressing(self, suppression: Suppression, answers: Answers) -> Bound | None:
        """The customers that *suppression* leaves out, None where there are no such segments."""
        segments = answers.version.catalog.schema.segments
        held = {name: segment.suppression for name, segment in segments.items() if segment.suppression}
        if not isinstance(suppression, bool):
            wanted = purposes_of(suppression, {purpose for purposes in held.values() for purpose in purposes})
            held = {name: purposes for name, purposes in held.items() if wanted & set(purposes)}
        parts = tuple(answers.binder.bind_checked(nodes.Segment(name)) for name in held)
        return Some(parts) if parts and suppression is not False else None

    def _exported(self, rule: Rule, suppression: Suppression, answers: Answers) -> Suppression:
        """What is left out of an export of *rule*: nothing of a bare reference to a suppression segment."""
        segments = answers.version.catalog.schema.segments
        named = segments.get(rule.name) if isinstance(rule, nodes.Segment) else None  # None too: it has gone since
        if named is None or not named.suppression:
            return suppression
        self._suppressing(suppression, answers)  # an unknown purpose is an error here too
        return False


def _dense(key: Any, answers: Answers) -> int:
    if not is_one_key(key):
        raise ArgumentError("not a key", found=type(key).__name__, allowed="a string or an integer")
    return int(answers.lookup([key])[0])


def _segments_of(at: int, answers: Answers) -> tuple[str, ...]:
    if at < 0:
        return ()
    names = answers.version.catalog.schema.segments
    rules = {name: answers.binder.bind_checked(nodes.Segment(name)) for name in names}
    return tuple(name for name, rule in rules.items() if _is_in(rule, at, answers))


def _is_in(rule: Bound, at: int, answers: Answers) -> bool:
    executor, row = answers.of(at, rule)
    return executor.plan(rule).program.contains(row)


def _customer(at: int, answers: Answers) -> Customer:
    if at < 0:
        raise ArgumentError("no customer has this key")
    executor, row = answers.of(at)
    return collect.customer(row, executor, _segments_of(at, answers))


def _why(query: Query, bound: Bound, at: int, answers: Answers) -> Why:
    if at < 0:
        raise ArgumentError("no customer has this key")
    executor, row = answers.of(at, bound)
    reason = why(bound, row, executor)
    return Why(str(query.rule), reason.holds, reason, _clock_of(answers), answers.version.number)


def _clock_of(answers: Answers) -> str:
    """The clock in ISO 8601."""
    return clock.from_microseconds(answers.version.as_of).isoformat().replace("+00:00", "Z")


def texts_kept() -> Remembered[Query]:
    """Room for rules by their text."""
    # Nodes take some thirty times the bytes of their text (lists of short strings), and a short rule about 2 KiB.
    return Remembered(MOST_TEXT_BYTES, lambda held: 2048 + 32 * len(str(held.rule)))


class View(Asking):
    """One version of an index, whatever its writer does; made by `Index.view`."""

    def _closed(self) -> ClosedError:
        return ClosedError("this view of the index is closed", hint="make another one with index.view()")

    def __enter__(self) -> View:
        self._running()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the version; every later call raises `ClosedError`."""
        self._answers = None
        self._texts = self._earlier_texts = texts_kept()
