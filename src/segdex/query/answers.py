"""One version of the index as what rules are asked of: the base, and the rows of those who have changed since.

A rule says the same of a customer wherever the row stands, so what it counts adds up: over the base, less the rows
that the base has of those who have changed, plus their rows of now; see `segdex.query.tally`. Where it matters who is
who, members of the base are replaced, in one pass, by what the rows of now say. What is told of values is told of
*folded* columns: those of the base with the changed rows put in, each made when it is first asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Ids, Predicate, Words
from segdex.forks import Once
from segdex.generation import Generation, Version
from segdex.query.among import asks_for_all
from segdex.query.beyond import asks_any, matters
from segdex.query.bind import Binder, Bound
from segdex.query.estimate import Estimate
from segdex.query.execute import Executor, Plan
from segdex.query.tally import Changed, Tally, Trail, tally_of_nobody
from segdex.query.vanished import Vanished
from segdex.rules import nodes
from segdex.values.column import Ints

DELTA_BYTES = 32 << 20
"""How many bytes of computed sets and inline calls the rows of a delta remember, of each kind."""


@dataclasses.dataclass(frozen=True, eq=False)
class Plans:
    """How a rule is answered over a version.

    Attributes:
        base: over the base.
        tally: whom of those who have changed it holds for; None where *base* is over all customers together.
        apart: whether it is known that what the rule says of a customer depends on nobody else, whoever comes.
    """

    base: Plan
    tally: Tally | None = None
    apart: bool = False

    def count(self) -> int:
        """How many customers the rule holds for."""
        return self.base.count() + self.changed

    @property
    def changed(self) -> int:
        """How many more it holds for than it does for the base."""
        return 0 if self.tally is None else self.tally.now - self.tally.was


class Answers:
    """Answers bound rules over one version. Safe from many threads; what it returns must not be changed.

    Args:
        version: what is asked.
        memory_limit: bytes of computed sets and inline calls to keep; None: the default.
        before: the answers of an earlier version: what is known of the same base is used again.
        changed: the rows that the version has over *before*; None: there are others, or that is not known.

    Attributes:
        trail: the latest steps to the changed of this version.
        asked: the queries that were asked of this version, each once or more.
        vanished: the categories that nobody has any more.
        idle: those that were made ready for it, as they were asked lately, and how many versions ago.
    """

    def __init__(
        self,
        version: Version,
        memory_limit: int | None = None,
        before: Answers | None = None,
        changed: Changed | None = None,
    ) -> None:
        self.version = version
        self._memory_limit = memory_limit
        same = before is not None and before.base.generation is version.base
        self.base: Executor = before.base if same and before is not None else Executor(version.base, memory_limit)
        self.binder: Binder = self.base.binder
        self.trail = before._trail_to(version, changed) if same and before is not None else Trail()
        self.asked: list[ref[Any]] = []
        self.idle: list[tuple[int, ref[Any]]] = []
        self.vanished: Vanished = Vanished(version, before.vanished if same and before is not None else None)
        delta = version.delta
        self.minus: Executor | None = None if delta is None else self._executor(delta.minus)
        self.plus: Executor | None = None if delta is None else self._executor(delta.plus)
        for each in (self.minus, self.plus):
            if each is not None:
                each.customers.elsewhere = self.categories

    def next(self, version: Version, changed: Changed | None = None) -> Answers:
        """The answers of a later version, which has the rows *changed* over this one, if that is told."""
        return Answers(version, self._memory_limit, self, changed)

    def _trail_to(self, version: Version, changed: Changed | None) -> Trail:
        """The trail of a version of the same base."""
        held = self.version.delta
        if version.delta is held:
            return self.trail
        return Trail() if changed is None else self.trail.next(changed, len(held.ids) if held else 0, version.base)

    def _executor(self, rows: Generation) -> Executor:
        return Executor(rows, DELTA_BYTES, self.binder)

    @property
    def generation(self) -> Generation:
        """The base: it has the catalog and the clock of the version."""
        return self.version.base

    def categories(self, items: list[nodes.Item]) -> set[str]:
        """The categories of all the families that *items* belong to, in the base and since."""
        found = self.base.customers.own_categories(items)
        return found if self.plus is None else found | self.plus.customers.own_categories(items)

    def _new(self, items: list[nodes.Item]) -> list[str]:
        """Those of them that nobody in the base has."""
        return sorted(self.categories(items) - self.base.customers.own_categories(items), key=str.encode)

    def differs(self, bound: Bound) -> bool:
        """Whether a category that came or went since may make a difference to customers who have not changed."""
        if self.plus is None:
            return False
        return matters(bound, self.base, self._new) or self._lost(bound)

    def _lost(self, bound: Bound) -> bool:
        """Whether a rule may hold for somebody because they have nothing in a category that nobody has any more."""
        here = [each for each in (self.base, self.plus) if each is not None]
        return any(matters(bound, each, self._gone) for each in here)

    def _gone(self, items: list[nodes.Item]) -> list[str]:
        return sorted(self.vanished.of(items), key=str.encode)

    def is_whole(self, bound: Bound) -> bool:
        """Whether a rule must be asked of all customers together: what it says of one depends on others."""
        return self.plus is not None and (asks_for_all(bound, self.version.catalog) or self.differs(bound))

    def plan(self, bound: Bound, before: Plans | None = None) -> Plans:
        """Plan a bound rule; one that says of a customer what depends on others is planned over all of them together.

        Args:
            bound: the rule.
            before: how it was answered over another version.
        """
        followed = None if before is None else self._followed(bound, before)
        if followed is not None:
            return followed
        if self.is_whole(bound):
            return Plans(self.folded.plan(bound))
        known = before is not None and self.base.made(before.base)
        base = before.base if known and before is not None else self.base.plan(bound)
        return Plans(base, self._tally(bound))

    def _followed(self, bound: Bound, before: Plans) -> Plans | None:
        """*before* with the rows that are new since; None where not these alone make the difference."""
        tally = before.tally
        steps = None if tally is None else self.trail.since(tally.mark)
        if tally is None or steps is None:
            return None
        if not steps:
            return before
        if not (before.apart or not (asks_any(bound) or asks_for_all(bound, self.version.catalog))):
            return None
        for step in steps:
            tally = tally.after(step, bound, before.base, self.generation)
        return Plans(before.base, tally, apart=True)

    def _tally(self, bound: Bound) -> Tally:
        """Whom of the changed *bound* holds for, from the rows of them all."""
        delta = self.version.delta
        if self.minus is None or self.plus is None or delta is None:
            return tally_of_nobody(self.trail.mark)
        words = hot.to_words(self.plus.members(bound))
        if self.plus.generation.count > len(delta.ids):  # some have changed more than once
            latest, bit = delta.latest, np.uint64(1)
            words = hot.mask_words(words[latest >> 6] >> (latest & 63).astype(np.uint64) & bit != 0)
        return Tally(self.trail.mark, self.minus.count(bound), int(np.bitwise_count(words).sum()), words)

    def settled(self, plans: Plans) -> Plans:
        """The plans with sets in the place of ranges, see `Executor.settled`."""
        return dataclasses.replace(plans, base=self.base.settled(plans.base))

    def count(self, bound: Bound) -> int:
        """How many customers a bound rule holds for."""
        return self.plan(bound).count()

    def counts(self, plans: Sequence[Plans]) -> list[int]:
        """The counts of many plans."""
        of_base = [each for each in plans if self.base.made(each.base)]
        found = dict(zip(of_base, self.base.counts([each.base for each in of_base]), strict=True))
        return [found[each] + each.changed if each in found else each.count() for each in plans]

    def members(self, bound: Bound) -> Predicate:
        """The customers that a bound rule holds for."""
        return self.members_of(self.plan(bound))

    def members_of(self, plans: Plans) -> Predicate:
        """The customers that plans find, by dense id."""
        delta = self.version.delta
        if delta is None or plans.tally is None:
            return (self.base if delta is None else self.folded).members_of(plans.base)
        held, now = self.base.members_of(plans.base), hot.from_words(plans.tally.words, len(delta.ids))
        return hot.from_words(put_in(held, now, delta.ids, self.version.count), self.version.count)

    def ids(self, plans: Plans) -> Ids:
        """The dense ids that plans find, ascending."""
        return hot.to_ids(self.members_of(plans))

    def estimate(self, plans: Plans) -> Estimate:
        """How many customers plans find, about; of those who have changed they are counted."""
        if self.version.delta is None or plans.tally is None:
            return (self.base if self.version.delta is None else self.folded).estimate(plans.base)
        found = self.base.estimate(plans.base)
        low, value, high = (max(each + plans.changed, 0) for each in (found.low, found.value, found.high))
        return Estimate(low, value, high, found.exact)

    def of(self, one: int, bound: Bound | None = None) -> tuple[Executor, int]:
        """Who answers what *bound* asks of the customer with dense id *one*, and which row is theirs there."""
        if bound is not None and self.is_whole(bound):
            return self.folded, one
        delta = self.version.delta
        if delta is not None and self.plus is not None:
            row = delta.row_of(one)
            if row >= 0:
                return self.plus, row
        return self.base, one

    def holds(self, plans: Plans, one: int) -> bool:
        """Whether what plans find has the customer with dense id *one*."""
        delta = self.version.delta
        if delta is not None and plans.tally is not None:
            slot = delta.slot_of(one)
            if slot >= 0:
                return plans.tally.has(slot)
        return plans.base.program.contains(one)

    def lookup(self, keys: Any) -> Ints:
        """The dense ids of *keys*, -1 for null and for keys that no customer has."""
        found = self.version.keys.lookup(keys)
        if self.version.customers == self.version.count:
            return found
        return np.where(hot.having(self.universe, found), found, np.int64(-1))

    @Once
    def universe(self) -> Predicate:
        """The customers of this version by dense id."""
        delta, base = self.version.delta, self.version.base
        if delta is None:
            return base.universe
        bits = put_in(base.universe, delta.plus.universe, delta.owners, self.version.count)
        return hot.from_words(bits, self.version.count)

    @Once
    def folded(self) -> Executor:
        """The version as one generation, for what is told of values."""
        if self.version.delta is None:
            return self.base
        from segdex.query.folded import Folded, folded  # what only a delta needs is imported with it

        return Folded(self, folded(self.version, self.universe), self._memory_limit)

    @property
    def remembered(self) -> tuple[int, int]:
        """How many computed sets and inline calls are kept, and their bytes."""
        held = [each.remembered for each in (self.base, self.minus, self.plus) if each is not None]
        return sum(number for number, _ in held), sum(size for _, size in held)


def put_in(held: Predicate, now: Predicate, ids: Ints, count: int) -> Words:
    """The bits of *held*, of *count* ids, with those of *ids* replaced by the bits of *now*: of one that is there more
    than once by the last."""
    bits = np.zeros(-(-count // CHUNK) * (CHUNK // 64), np.uint64)
    old = hot.to_words(held)
    bits[: len(old)] = old
    kernels_rows.put_bits(hot.to_words(now), ids, bits)
    return bits
