"""Stages of a later clock: whose stage may be another one, and which it is, told from their values alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.generation import MEMBER, Generation, PredicateName, Values
from segdex.query.customers import Customers
from segdex.query.leaves import references
from segdex.reclock.columns import taken
from segdex.rules import nodes
from segdex.rules.shorthand import written_out
from segdex.schema.catalog import Catalog
from segdex.schema.model import Stage
from segdex.values import masks
from segdex.values.cells import Cell
from segdex.values.column import Codes, Column, Ints, Mask


def expanded(rule: nodes.Rule, catalog: Catalog) -> nodes.Rule:
    """*rule* with the rules of segments in the place of their names; a set that was loaded stays a name."""
    match rule:
        case nodes.And(rules):
            return nodes.And(tuple(expanded(each, catalog) for each in rules))  # type: ignore[misc]
        case nodes.Or(rules):
            return nodes.Or(tuple(expanded(each, catalog) for each in rules))  # type: ignore[misc]
        case nodes.Not(inner):
            return nodes.Not(expanded(inner, catalog))  # type: ignore[arg-type]
        case nodes.Segment(name):
            where = catalog.schema.segments[name].where
            return expanded(where, catalog) if isinstance(where, nodes.Rule) else rule
        case _:
            return rule


def leaves(rule: nodes.Rule) -> list[nodes.Rule]:
    """The parts of *rule* that have no parts."""
    match rule:
        case nodes.And(rules) | nodes.Or(rules):
            return [leaf for each in rules for leaf in leaves(each)]
        case nodes.Not(inner):
            return leaves(inner)
        case _:
            return [rule]


def constants(leaf: nodes.Rule, name: str) -> list[float] | None:
    """The numbers that *leaf* compares *name* with; None where it does more than that."""
    match written_out(leaf):
        case nodes.Compare(_, nodes.Name(), value) | nodes.Compare(_, value, nodes.Name()):
            values: Sequence[nodes.Value] = (value,)
        case nodes.Between(nodes.Name(), low, high):
            values = (low, high)
        case nodes.In(nodes.Name(), several, _):
            values = several
        case nodes.Known(nodes.Name()) | nodes.Missing(nodes.Name()):
            values = ()
        case _:
            return None
    if references(leaf) != [nodes.Name(name)] or not all(isinstance(value, nodes.Number) for value in values):
        return None
    return [float(value.value) for value in values if isinstance(value, nodes.Number)]


@dataclasses.dataclass(frozen=True)
class Some:
    """Some customers as items of a rule: their values by name.

    Attributes:
        generation: with the clock that today is told by.
        cells: the columns, by name.
        ids: the customers, ascending.
        inside: who is in the universe, shape (customers,); None: everybody.
    """

    generation: Generation
    cells: Mapping[str, Cell[Values]]
    ids: Ints
    inside: Mask | None

    @property
    def count(self) -> int:
        """How many customers these are."""
        return len(self.ids)

    @property
    def as_of(self) -> int:
        """The clock, in microseconds UTC."""
        return self.generation.as_of

    @property
    def zone(self) -> dt.tzinfo:
        """The schema's time zone."""
        return self.generation.catalog.zone

    def column(self, node: nodes.Reference) -> Column:
        """The values of a name, one a customer."""
        assert isinstance(node, nodes.Name)
        return taken(self.cells[node.name], self.ids)

    def bucket(self, node: nodes.Bucket) -> Column:
        """The bucket of each customer."""
        return Customers(self.generation).bucket(node).take(self.ids)

    def holds(self, rule: nodes.Rule) -> Mask:
        """For whom *rule*, in which segments are written out, holds."""
        match rule:
            case nodes.And(rules):
                return np.logical_and.reduce([self.holds(each) for each in rules])  # type: ignore[no-any-return]
            case nodes.Or(rules):
                return np.logical_or.reduce([self.holds(each) for each in rules])  # type: ignore[no-any-return]
            case nodes.Not(inner):
                return ~self.holds(inner)
            case nodes.Segment(name):
                return self._in(self.generation.predicates[PredicateName(name, MEMBER)])
            case _:
                return masks.mask(rule, self)

    def _in(self, members: hot.Predicate) -> Mask:
        held: Mask = hot.to_mask(members, self.generation.count)[self.ids]
        return held

    def staged(self, stages: Sequence[Stage], write_out: Callable[[nodes.Rule], nodes.Rule]) -> Codes:
        """The first stage that holds for each, as its place in the list; -1: none does."""
        codes = np.full(self.count, -1, np.int32)
        left = np.ones(self.count, np.bool_) if self.inside is None else self.inside[self.ids]
        for code, stage in enumerate(stages):
            assert isinstance(stage.where, nodes.Rule)
            first = self.holds(write_out(stage.where)) & left
            codes[first] = code
            left &= ~first
        return codes
