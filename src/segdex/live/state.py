"""Where an index stands: the version that answers, and what the next one is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segdex.bitmap.predicate import Predicate
from segdex.forks import Once
from segdex.generation import Generation, PredicateName, Version, alone
from segdex.live.erased import Erased
from segdex.live.gathering import lazily
from segdex.live.rows import TRACKED, Rows, begun
from segdex.query.answers import Answers
from segdex.rules import nodes
from segdex.schema.catalog import Catalog
from segdex.values.column import Ints


class Moved(NamedTuple):
    """Who entered a tracked segment and who left it, dense ids ascending."""

    entered: Ints
    left: Ints


Moves = dict[str, Moved]
"""By tracked segment."""


def composed(first: Moves, then: Moves) -> Moves:
    """What two moves, one after the other, come to."""
    made = dict(first)
    for name, after in then.items():
        before = first.get(name)
        made[name] = (
            after
            if before is None
            else Moved(
                np.union1d(np.setdiff1d(before.entered, after.left), np.setdiff1d(after.entered, before.left)),
                np.union1d(np.setdiff1d(before.left, after.entered), np.setdiff1d(after.left, before.entered)),
            )
        )
    return made


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """Everything about an index at one generation.

    Attributes:
        answers: the version that answers.
        rows: what its delta is made of; None where nobody has changed.
        offsets: the position after the last batch that was taken in, by source.
        erased: whom the index must not know.
    """

    answers: Answers
    rows: Rows | None = None
    offsets: Mapping[str, int] = dataclasses.field(default_factory=dict)
    erased: Erased = dataclasses.field(default_factory=Erased)

    @property
    def version(self) -> Version:
        """The version that answers."""
        return self.answers.version

    @property
    def base(self) -> Generation:
        """The base of the version."""
        return self.answers.version.base

    @property
    def catalog(self) -> Catalog:
        """The checked schema."""
        return self.answers.version.catalog

    @Once
    def tracked(self) -> Mapping[str, Predicate]:
        """The members that each tracked segment has in the base, found when they are first needed."""
        base = self.answers.base

        def members(name: str) -> Predicate:
            found: Predicate = base.members(base.binder.bind_checked(nodes.Segment(name)))
            return found

        return lazily(dict.fromkeys(tracked_in(self.catalog)), members)

    def next(self, version: Version, rows: Rows | None) -> State:
        """The state of a later version; what is known of the same base is used again."""
        made = dataclasses.replace(self, answers=self.answers.next(version), rows=rows)
        if version.base is self.base:
            made.__dict__["tracked"] = self.tracked
        return made

    def numbered(self, number: int) -> State:
        """The same under another number."""
        return self.next(dataclasses.replace(self.version, number=number), self.rows)

    @Once
    def held(self) -> Rows:
        """The rows, none where nobody has changed."""
        return self.rows if self.rows is not None else begun(self.base)


def tracked_in(catalog: Catalog) -> tuple[str, ...]:
    """The tracked segments of a schema."""
    return tuple(name for name, segment in catalog.schema.segments.items() if segment.tracked)


def loaded_in(catalog: Catalog) -> tuple[str, ...]:
    """The segments that are sets of customers which were loaded."""
    return tuple(name for name, segment in catalog.schema.segments.items() if segment.where is None)


def place_of(segment: str) -> PredicateName:
    """The place of a tracked segment among the sets of a delta."""
    return PredicateName(segment, TRACKED)


def started(base: Generation, memory_limit: int | None = None) -> State:
    """An index that is a base alone."""
    return State(Answers(alone(base), memory_limit))
