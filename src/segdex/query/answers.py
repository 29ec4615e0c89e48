"""One version of the index as what rules are asked of: the base, and the rows of those who have changed since.

A rule says the same of a customer wherever the row stands, so what it counts adds up: over the base, less the rows
that the base has of those who have changed, plus their rows of now. Where it matters who is who, members of the base
are replaced, in one pass, by what the rows of now say. What is told of values is told of *folded* columns: those of the
base with the changed rows put in, each made when it is first asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Ids, Predicate, Words
from segdex.forks import Once
from segdex.generation import Generation, Version
from segdex.query.among import asks_for_all
from segdex.query.beyond import matters
from segdex.query.bind import Binder, Bound
from segdex.query.estimate import Estimate
from segdex.query.execute import Executor, Plan
from segdex.rules import nodes
from segdex.values.column import Ints

DELTA_BYTES = 32 << 20
"""How many bytes of computed sets and inline calls the rows of a delta remember, of each kind."""


@dataclasses.dataclass(frozen=True, eq=False)
class Plans:
    """How a rule is answered over a version.

    Attributes:
        base: over the base.
        minus, plus: over the rows of those who have changed; None where nobody has.
    """

    base: Plan
    minus: Plan | None = None
    plus: Plan | None = None

    def count(self) -> int:
        """How many customers the rule holds for."""
        return self.base.count() + self.changed

    @Once
    def changed(self) -> int:
        """How many more it holds for than it does for the base; counted once."""
        if self.minus is None or self.plus is None:
            return 0
        return self.plus.count() - self.minus.count()


class Answers:
    """Answers bound rules over one version. Safe from many threads; what it returns must not be changed.

    Args:
        version: what is asked.
        memory_limit: bytes of computed sets and inline calls to keep; None: the default.
        before: the answers of an earlier version: what is known of the same base is used again.
    """

    def __init__(self, version: Version, memory_limit: int | None = None, before: Answers | None = None) -> None:
        self.version = version
        self._memory_limit = memory_limit
        same = before is not None and before.base.generation is version.base
        self.base: Executor = before.base if same and before is not None else Executor(version.base, memory_limit)
        self.binder: Binder = self.base.binder
        delta = version.delta
        self.minus: Executor | None = None if delta is None else self._executor(delta.minus)
        self.plus: Executor | None = None if delta is None else self._executor(delta.plus)
        for each in (self.minus, self.plus):
            if each is not None:
                each.customers.elsewhere = self.categories

    def next(self, version: Version) -> Answers:
        """The answers of a later version."""
        return Answers(version, self._memory_limit, self)

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
        """Whether a category that came since may make a rule hold for customers who have not changed."""
        return self.plus is not None and matters(bound, self.base, self._new)

    def is_whole(self, bound: Bound) -> bool:
        """Whether a rule must be asked of all customers together: what it says of one depends on others."""
        return self.plus is not None and (asks_for_all(bound, self.version.catalog) or self.differs(bound))

    def plan(self, bound: Bound, base: Plan | None = None) -> Plans:
        """Plan a bound rule; one that says of a customer what depends on others is planned over all of them together.

        Args:
            bound: the rule.
            base: its plan over the base, where that was made for an earlier version.
        """
        if self.is_whole(bound):
            return Plans(self.folded.plan(bound))
        if base is None or not self.base.made(base):
            base = self.base.plan(bound)
        if self.minus is None or self.plus is None:
            return Plans(base)
        return Plans(base, self.minus.plan(bound), self.plus.plan(bound))

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
        if self.version.delta is None or self.plus is None or plans.plus is None:
            return (self.base if self.version.delta is None else self.folded).members_of(plans.base)
        held = self.base.members_of(plans.base)
        now = self.plus.members_of(plans.plus)
        return hot.from_words(put_in(held, now, self.version.delta.owners, self.version.count), self.version.count)

    def ids(self, plans: Plans) -> Ids:
        """The dense ids that plans find, ascending."""
        return hot.to_ids(self.members_of(plans))

    def estimate(self, plans: Plans) -> Estimate:
        """How many customers plans find, about; of those who have changed they are counted."""
        if plans.minus is None or plans.plus is None:
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
        if delta is not None and plans.plus is not None:
            row = delta.row_of(one)
            if row >= 0:
                return plans.plus.program.contains(row)
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
