"""Where an index stands: the version that answers, and what the next one is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segdex.bitmap.predicate import Predicate
from segdex.forks import Once
from segdex.generation import Generation, PredicateName, Version
from segdex.live.by_ids import ByIds, Named, by_ids
from segdex.live.erased import Erased
from segdex.live.gathering import lazily
from segdex.live.rows import TRACKED, Rows, begun
from segdex.query.answers import Answers
from segdex.query.tally import Changed
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
        tracked: the members that each tracked segment has in the base, found when they are first needed.
        by_ids: the rows of the base's streams with ids by these, sorted when they are first needed.
        named: whom rows of these streams have named since the base.
    """

    answers: Answers
    rows: Rows | None = None
    offsets: Mapping[str, int] = dataclasses.field(default_factory=dict)
    erased: Erased = dataclasses.field(default_factory=Erased)
    tracked: Mapping[str, Predicate] = dataclasses.field(default_factory=dict)
    by_ids: Mapping[str, ByIds] = dataclasses.field(default_factory=dict)
    named: Mapping[str, Named] = dataclasses.field(default_factory=dict)

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

    def next(self, version: Version, rows: Rows | None, changed: Changed | None = None) -> State:
        """The state of a later version; what is known of the same base is used again.

        Args:
            version: the version.
            rows: what its delta is made of.
            changed: the rows that it has over this one.
        """
        answers = self.answers.next(version, changed)
        tracked = self.tracked if version.base is self.base else tracked_by(answers)
        ids = (
            self.by_ids if version.base.events is self.base.events else by_ids(version.base.events, version.base.graves)
        )
        return dataclasses.replace(self, answers=answers, rows=rows, tracked=tracked, by_ids=ids)

    def folded(self, version: Version) -> State:
        """The state of a version that is a base alone and holds all that this one does."""
        return dataclasses.replace(self.next(version, None), named={})

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


def tracked_by(answers: Answers) -> Mapping[str, Predicate]:
    """The members of the tracked segments in the base of a version, each found when it is first needed."""
    base = answers.base
    names = tracked_in(answers.version.catalog)
    return lazily(dict.fromkeys(names), lambda name: base.members(base.binder.bind_checked(nodes.Segment(name))))


def started(answers: Answers, offsets: Mapping[str, int] | None = None, erased: Erased | None = None) -> State:
    """An index that is a base alone."""
    base = answers.version.base
    ids = by_ids(base.events, base.graves)
    return State(answers, None, offsets or {}, erased or Erased(), tracked_by(answers), ids)
