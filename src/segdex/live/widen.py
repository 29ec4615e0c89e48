"""A category that nobody had before, where what is declared asks for any category: it says something of everybody."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.generation import Generation, alone
from segdex.live.fold import refolded
from segdex.live.state import Moved, Moves, State, tracked_in
from segdex.query.among import asked_for_any, widened
from segdex.query.bind import Binder, Bound
from segdex.query.scan import Scan
from segdex.rules import nodes
from segdex.schema.catalog import Catalog


def widened_to(made: State, before: State, fresh: tuple[Generation, Scan]) -> tuple[State, Moves] | None:
    """*made* with everything derived anew, and who moved since *before*, where *fresh* has such a category; else None.

    ``share[any] = 0`` holds for all who have nothing in a category that is new. That is rare, and costs a fold.
    """
    answers = made.answers
    asked = [each for bound in _declared(made.catalog, answers.binder) for each in asked_for_any(bound)]
    if not any(widened(each, answers.base.customers, fresh[1].customers) for each in asked):
        return None
    base = refolded(made)
    after = made.folded(dataclasses.replace(alone(base), number=made.version.number))
    return after, {name: _moved(before, after, name) for name in tracked_in(made.catalog) if _is_in(before, name)}


def _declared(catalog: Catalog, binder: Binder) -> list[Bound]:
    """The rules whose answers are kept: those of stages and tracked segments."""
    rules = [stage.where for stages in catalog.schema.stages.values() for stage in stages]
    rules += [nodes.Segment(name) for name in tracked_in(catalog)]
    return [binder.bind_checked(rule) for rule in rules if isinstance(rule, nodes.Rule)]


def _is_in(state: State, name: str) -> bool:
    return name in tracked_in(state.catalog)


def _moved(before: State, after: State, name: str) -> Moved:
    """Who entered a segment and who left it, of all customers."""
    old, new = (
        hot.to_ids(each.answers.members(each.answers.binder.bind_checked(nodes.Segment(name)))).astype(np.int64)
        for each in (before, after)
    )
    return Moved(np.setdiff1d(new, old), np.setdiff1d(old, new))
