"""What a rule says of those who have changed since the base was made, carried from one version to the next.

A batch gives some customers new rows, and of nobody else a rule says anything new. So who of the changed a rule holds
for is known of a version once it is known of the one before: only the rows of the batch are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Words
from segdex.generation import Generation
from segdex.query.bind import Bound
from segdex.query.execute import Plan
from segdex.query.formula import And, Formula, Leaf, Not, Or, Truth, walk
from segdex.query.leaves import Within
from segdex.query.scan import Scan
from segdex.values.column import Ints, Mask

MOST_STEPS = 64
"""So many batches may come between two questions for the second one to be answered from the first."""
MOST_ROWS = 1 << 17
"""Of so many rows in all, but for those of the latest batch: they are kept in memory, and must be asked."""


class Changed(NamedTuple):
    """Rows that were derived anew.

    Attributes:
        slots: the slot of each, int64, each once; those from the number of slots before on are new.
        ids: the dense id of each.
        scan: tells whom of them rules hold for.
    """

    slots: Ints
    ids: Ints
    scan: Scan


class Step(NamedTuple):
    """What makes the changed of one version those of the next.

    Attributes:
        mark: stands for the changed that there are after it.
        changed: the rows that are new.
        slots: how many slots there are after it.
        taken: the dense ids of customers of the base who have not changed before, ascending.
    """

    mark: object
    changed: Changed
    slots: int
    taken: Ints


class Trail:
    """The latest steps to a version.

    Attributes:
        mark: stands for the changed of this version.
    """

    def __init__(self, begin: object | None = None, steps: Sequence[Step] = ()) -> None:
        self._begin = object() if begin is None else begin
        self._steps = tuple(steps)
        self.mark = steps[-1].mark if steps else self._begin

    def next(self, changed: Changed, before: int, base: Generation) -> Trail:
        """The trail of the version after *changed*, which has *before* slots without it."""
        taken = np.sort(changed.ids[(changed.slots >= before) & (changed.ids < base.count)])
        taken = taken[hot.having(base.universe, taken)]
        slots = max(before, int(changed.slots.max(initial=-1)) + 1)
        begin, steps = self._begin, [*self._steps, Step(object(), changed, slots, taken)]
        while len(steps) > 1 and (
            len(steps) > MOST_STEPS or sum(len(each.changed.slots) for each in steps[:-1]) > MOST_ROWS
        ):
            begin = steps.pop(0).mark
        return Trail(begin, steps)

    def since(self, mark: object) -> tuple[Step, ...] | None:
        """The steps from the changed that *mark* stands for to those of this version; None where that is not known."""
        marks = [self._begin, *(each.mark for each in self._steps)]
        return next((self._steps[at:] for at, each in enumerate(marks) if each is mark), None)


class Tally(NamedTuple):
    """Whom of the changed a rule holds for.

    Attributes:
        mark: stands for the changed of one version.
        was: for how many as the base has them.
        now: for how many as they are now.
        words: for whom now, one bit a slot, 1,024 words a chunk.
    """

    mark: object
    was: int
    now: int
    words: Words

    def has(self, slot: int) -> bool:
        """Whether it holds for the customer in *slot*."""
        return bool(int(self.words[slot >> 6]) >> (slot & 63) & 1)

    def after(self, step: Step, bound: Bound, plan: Plan, base: Generation) -> Tally:
        """The tally after a step; *plan* is that of *bound* over *base*, which asks of a customer for nobody else."""
        slots, scan = step.changed.slots, step.changed.scan
        words = np.zeros(hot.chunks_of(step.slots) * (CHUNK // 64), np.uint64)
        words[: len(self.words)] = self.words
        old = words[slots >> 6] >> (slots & 63).astype(np.uint64) & np.uint64(1)
        new = scan.members(bound)
        kernels_rows.put_bits(hot.mask_words(new), slots, words)
        was = self.was + int(np.count_nonzero(holding(plan, base, step.taken)))
        return Tally(step.mark, was, self.now + int(np.count_nonzero(new)) - int(old.sum()), words)


def tally_of_nobody(mark: object) -> Tally:
    """Nobody has changed."""
    return Tally(mark, 0, 0, np.zeros(0, np.uint64))


def holding(plan: Plan, generation: Generation, ids: Ints) -> Mask:
    """Which of *ids*, customers of *generation*, a plan over it finds; shape (ids,)."""
    made: dict[Formula, Mask] = {}
    for part in walk(plan.formula):
        match part:
            case Truth():
                made[part] = np.full(len(ids), part.value, np.bool_)
            case Leaf(name=Within(name, low, high)):  # their values tell it, so that no set is made for it
                values = generation.ranks[name].values[ids]
                made[part] = (values >= low) & (values <= high)  # no range has what stands for missing
            case Leaf():
                operand = plan.sets[part]
                assert isinstance(operand, hot.Predicate)
                made[part] = hot.having(operand, ids)
            case Not():
                made[part] = ~made[part.part]
            case And() | Or():
                join = np.logical_and if isinstance(part, And) else np.logical_or
                made[part] = reduce(join, [made[each] for each in part.parts])
    return made[plan.formula]
