"""A rule that is asked many times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias
from weakref import ref

from segdex.bitmap import kernels_evaluate, roaring
from segdex.bitmap.program import Program
from segdex.bitmap.roaring import BitMap
from segdex.deadlines import within
from segdex.query.answers import Answers, Plans
from segdex.query.bind import All, Bound, Without
from segdex.query.execute import Plan
from segdex.query.workers import SPLIT_BYTES, Workers
from segdex.rules.nodes import Rule
from segdex.schema.catalog import Catalog
from segdex.spread import spread

MOST_READY = 256
"""So many queries are made ready for a version before it is put in place."""
MOST_IDLE = 16
"""For so many versions after the one that it was asked of, a query is made ready."""
READY_SECONDS = 0.02
"""So long they may take, about, or `READY_PART` of the time that the change took: others are left to whoever asks."""
READY_PART = 0.25
LONG_SECONDS = 0.1
"""A change that took longer has so many rows that rules are asked of them on several threads."""

Suppression: TypeAlias = bool | Sequence[str]


class Holder(Protocol):
    """Who holds the generation that answers: the index."""

    _answers: Answers | None
    _workers: Workers | None

    def _running(self) -> Answers:
        """The version that answers, unless the index is closed."""
        ...

    def _suppressing(self, suppression: Suppression, answers: Answers) -> Bound | None:
        """The customers that *suppression* leaves out, None where there are no such segments."""
        ...


class Query:
    """A rule, parsed and bound to an index; made by `Index.prepare`. Safe to use from many threads."""

    __slots__ = (
        "__weakref__", "_asked", "_bound", "_counted", "_index", "_planned", "_ready", "_staged", "_suppressed", "rule",
    )  # fmt: skip

    def __init__(self, index: Holder, rule: Rule, bound: Bound, catalog: Catalog) -> None:
        self._index = index
        self.rule = rule
        self._bound = catalog, bound
        # Each is replaced as a whole, so that a thread sees a plan with the executor that it belongs to.
        self._planned: tuple[Answers | None, Plans | None] = (None, None)
        self._suppressed: tuple[Suppression, Answers, Plans] | None = None
        self._ready: _Ready = _NOT_READY
        self._staged: tuple[Answers | None, Plans | None, _Ready | None] = (None, None, None)
        self._counted: Plan | None = None
        self._asked: Answers | None = None

    def count(self, *, suppression: Suppression = False) -> int:
        """How many customers the rule holds for, exactly."""
        if suppression is False:
            # Straight to the kernel: where caches are cold, each call of a Python function on the way takes 4 us.
            # The program is among the locals so that it lives while the kernel reads it.
            answers, _program, count, address, chunks, outside = self._ready
            if answers is not None and answers is self._index._answers:
                return count(address, 0, chunks) - outside
            return self._first_counts()
        return self.plan(suppression).count()

    def _first_counts(self) -> int:
        """Count by the plan; a rule that is asked again has its ranges made sets, and is ready for the kernel."""
        answers = self._index._running()  # one version for all that follows, whoever asks for others meanwhile
        if self._asked is not answers:
            self._asked = answers
            if len(answers.asked) < MOST_READY:
                answers.asked.append(ref(self))
        staged_for, staged, ready = self._staged
        if staged_for is answers and ready is not None:
            self._planned, self._ready = (answers, staged), ready
            _, _program, count, address, chunks, outside = ready
            return count(address, 0, chunks) - outside
        plans = self.plan(answers=answers)
        if plans.base.told is None and self._counted is not plans.base and plans.base.has_ranges:
            self._counted = plans.base
            return plans.count()
        plans = answers.settled(plans)
        self._planned = answers, plans
        ready = self._ready_by(answers, plans)
        if ready is not None:
            self._ready = ready
            return plans.count()
        assert self._index._workers is not None
        return self._index._workers.count(plans.base.program) + plans.changed

    def _ready_by(self, answers: Answers, plans: Plans) -> _Ready | None:
        """What counts *plans*, those of *answers*; None where several threads do."""
        plan, changed, workers = plans.base, plans.changed, self._index._workers
        if plan.told is not None:
            return answers, None, _told, plan.told + changed, 0, 0
        if workers is not None and plan.program.payload_bytes >= SPLIT_BYTES:
            return None
        program = plan.program  # read once: two threads may both have made one
        address, chunks, outside = program.place
        return answers, program, kernels_evaluate.count.compile(), address, chunks, outside - changed

    def make_ready(self, answers: Answers) -> None:
        """Plan for *answers*, which is about to be put in place: whoever counts then finds all done.

        What is ready for the version that answers now stays so.

        Raises:
            SegdexError: the rule cannot be answered there.
        """
        staged_for, staged, ready = self._staged
        if staged_for is not None and staged_for is self._index._answers and staged is not None:
            # Nobody has asked yet what was made ready for the version that answers now: it still may be.
            self._planned, self._ready = (staged_for, staged), ready or self._ready
        plans = answers.settled(answers.plan(self.bound_by(answers), self._before(answers)))
        self._staged = answers, plans, self._ready_by(answers, plans)

    def forget_others(self, answers: Answers) -> None:
        """Let go of what was planned over another base than that of *answers*: it would keep all of it in memory."""
        if _over_another(self._planned[0], answers):
            self._planned = None, None
        if _over_another(self._ready[0], answers):
            self._ready = _NOT_READY
        if _over_another(self._staged[0], answers):
            self._staged = None, None, None
        if self._suppressed is not None and _over_another(self._suppressed[1], answers):
            self._suppressed = None
        if _over_another(self._asked, answers):
            self._asked = self._counted = None

    def _before(self, answers: Answers) -> Plans | None:
        """The plans that there are of the latest version up to *answers*, or else any."""
        held = self._planned, self._staged[:2]
        found = [(by.version.number, plans) for by, plans in held if by is not None and plans is not None]
        if not found:
            return None
        earlier = [each for each in found if each[0] <= answers.version.number]
        return max(earlier or found, key=lambda each: each[0])[1]

    def bitmap(self, *, suppression: Suppression = False) -> BitMap:
        """The dense ids of the customers that the rule holds for; the caller's own set."""
        answers = self._index._running()
        return roaring.to_bitmap(answers.members_of(self.plan(suppression, answers)))

    def fits(self, answers: Answers) -> bool:
        """Whether the rule is bound to the names of the version in *answers*."""
        return self._bound[0] is answers.version.catalog

    @property
    def bound(self) -> Bound:
        """The rule bound to the generation that answers now."""
        return self.bound_by(self._index._running())

    def bound_by(self, answers: Answers) -> Bound:
        """The rule bound to the names of the version in *answers*; those of an earlier one may have gone.

        Raises:
            RuleError: a name that the rule uses is no longer there.
        """
        catalog, bound = self._bound
        if catalog is not answers.version.catalog:
            bound = answers.binder.bind(self.rule)
            self._bound = answers.version.catalog, bound
        return bound

    def plan(self, suppression: Suppression = False, answers: Answers | None = None) -> Plans:
        """How the rule is answered, made once a generation: that of *answers*, or the one that answers now."""
        if answers is None:
            answers = self._index._running()
        if suppression is False:
            planned_by, plan = self._planned
            if plan is None or planned_by is not answers:
                staged_for, staged, _ = self._staged
                if staged is None or staged_for is not answers:
                    staged = answers.plan(self.bound_by(answers), self._before(answers))
                plan = staged
                self._planned = answers, plan
            return plan
        kept = tuple(suppression) if isinstance(suppression, list) else suppression  # a list may become another
        held = self._suppressed
        if held is not None and held[0] == kept and held[1] is answers:
            return held[2]
        left_out, bound = self._index._suppressing(suppression, answers), self.bound_by(answers)
        before = held[2] if held is not None and held[0] == kept else None
        plan = answers.plan(bound if left_out is None else All((bound, Without(left_out))), before)
        self._suppressed = kept, answers, plan
        return plan

    def __repr__(self) -> str:
        return f"<segdex.Query {self.rule}>"


_Ready: TypeAlias = tuple[Answers | None, Program | None, Callable[[int, int, int], int], int, int, int]
"""Whose plan, its program, the kernel, and what it is called with: address, chunks, and what to take off the result."""


def _over_another(held: Answers | None, answers: Answers) -> bool:
    return held is not None and held.base is not answers.base


def _told(count: int, _first: int, _last: int) -> int:
    return count


def _not_ready(_address: int, _first: int, _last: int) -> int:
    raise AssertionError("the query is not planned")


_NOT_READY: _Ready = (None, None, _not_ready, 0, 0, 0)


def make_ready(index: Holder, before: Answers | None, answers: Answers, begun: float) -> None:
    """Make the queries of *index* that were asked lately ready for *answers*, as many as a short time allows.

    A query that cannot be answered there any more is left to whoever asks it: the version is put in place anyhow.

    Args:
        index: who puts *answers* in the place of *before*.
        before: what answers now.
        answers: what will.
        begun: when the change began, by `time.monotonic`.
    """
    if before is None or before is answers:
        return
    now = time.monotonic()
    took = now - begun
    until = now + max(READY_SECONDS, READY_PART * took)

    def ready(asked: tuple[int, Query]) -> None:
        age, query = asked
        left = until - time.monotonic()
        if left <= 0:
            return
        with contextlib.suppress(Exception), within(left):
            query.make_ready(answers)
            if age < MOST_IDLE:
                answers.idle.append((age + 1, ref(query)))

    spread(ready, _lately(index, before), several=took > LONG_SECONDS)


def _lately(index: Holder, answers: Answers) -> list[tuple[int, Query]]:
    """The queries of *index* that were asked of a version or some before it, and how many versions ago; those of now
    come first."""
    found: dict[int, tuple[int, Query]] = {}
    for age, reference in [*((0, each) for each in list(answers.asked)), *answers.idle]:
        query = reference()
        if query is not None and query._index is index and len(found) < MOST_READY:
            found.setdefault(id(query), (age, query))
    return list(found.values())
