"""The customers of a generation as what a rule is evaluated over: names, categories and inline calls to columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial

from segdex.bitmap import predicate as hot
from segdex.errors import LimitError, RuleError, SchemaError
from segdex.generation import Generation, Values
from segdex.metrics.compute import Source, compute
from segdex.query.buckets import buckets
from segdex.query.remember import Remembered
from segdex.rules import nodes
from segdex.rules.printer import value_to_text
from segdex.schema.calls import metric_of
from segdex.values.column import Column, Mask
from segdex.values.family import Family
from segdex.values.lazy import Lazy
from segdex.values.places import Cells, cells_of

MOST_BYTES = 512 << 20
"""How many bytes of inline calls and buckets a generation remembers."""


class Customers:
    """Columns of one generation by what a rule calls them. Inline calls and buckets are computed once and kept."""

    def __init__(self, generation: Generation, most_bytes: int = MOST_BYTES) -> None:
        self._generation = generation
        self._calls: Remembered[Values | Cells] = Remembered(most_bytes, _bytes_of)
        self.elsewhere: Callable[[list[nodes.Item]], set[str]] | None = None
        """The categories that customers have who are not among these; None: these are all."""

    @property
    def held(self) -> tuple[int, int]:
        """How many inline calls and grids of places are kept, and their bytes."""
        return self._calls.held

    @property
    def count(self) -> int:
        """How many dense ids there are."""
        return self._generation.count

    @property
    def as_of(self) -> int:
        """The index's clock, in microseconds UTC."""
        return self._generation.as_of

    @property
    def zone(self) -> dt.tzinfo:
        """The schema's time zone."""
        return self._generation.catalog.zone

    def column(self, node: nodes.Reference) -> Column:
        """The values of a name, one category of a family or an inline call, one a customer."""
        if isinstance(node, nodes.Item):
            assert isinstance(node.key, nodes.Text)
            family = self.family(node)
            return family.dense(family.code(node.key.value), self.count)
        held = self.held_of(node)
        assert isinstance(held, Column)
        return held

    def family(self, node: nodes.Item) -> Family:
        """The family that an item belongs to."""
        held = self.held_of(node.of)
        assert isinstance(held, Family)
        return held

    def near(self, rule: nodes.Near) -> Mask:
        """Who is within a circle, shape (customers,); the cells that find them are made once and kept."""
        name = rule.value.name

        def made() -> Cells:
            column = self._generation.values[name]
            assert isinstance(column, Column)
            return cells_of(column)

        cells = self._calls.get(f"cells:{name}", made)
        assert isinstance(cells, Cells)
        return cells.within(float(rule.kilometres), float(rule.latitude), float(rule.longitude))

    def categories(self, items: list[nodes.Item]) -> list[str]:
        """The categories of all the families that *items* belong to, ascending by bytes."""
        found = (self.own_categories(items) | self.other_categories(items)) - self.vanished(items)
        return sorted(found, key=str.encode)

    def own_categories(self, items: list[nodes.Item]) -> set[str]:
        """The categories of the families here."""
        return {name for item in items for name in self.family(item).categories.to_pylist()}

    def other_categories(self, items: list[nodes.Item]) -> set[str]:
        """The categories that others have."""
        return set() if self.elsewhere is None else self.elsewhere(items)

    def vanished(self, items: list[nodes.Item]) -> set[str]:  # noqa: ARG002
        """Those among the categories of the families that nobody has any more."""
        return set()

    def breadth(self, item: nodes.Item) -> int:
        """How many categories the family has that an item belongs to."""
        gone = self.vanished([item])
        return len(self.categories([item]) if gone or self.elsewhere is not None else self.family(item).categories)

    def holds(self, call: nodes.Call | nodes.Sequence) -> bool:
        """Whether the values of an inline call are kept."""
        return self._calls.peek(value_to_text(call)) is not None

    def bucket(self, node: nodes.Bucket) -> Column:
        """The bucket of each customer, by the hash of a salt and the key."""
        held = self.held_of(node)
        assert isinstance(held, Column)
        return held

    def source(self) -> Source:
        """What metrics are computed from."""
        generation = self._generation
        declared = generation.catalog.schema.customers.attributes
        return Source(
            catalog=generation.catalog,
            as_of=generation.as_of,
            count=generation.count,
            attributes=Lazy({name: partial(self._attribute, name) for name in declared}),
            events=generation.events,
            value=generation.values.__getitem__,
            universe=None if generation.all_inside else lambda: hot.to_mask(generation.universe, generation.count),
        )

    def _attribute(self, name: str) -> Column:
        held = self._generation.values[name]
        assert isinstance(held, Column)
        return held

    def held_of(self, node: nodes.Name | nodes.Call | nodes.Sequence | nodes.Bucket) -> Values:
        """The values of a name, an inline call or buckets; what is computed is kept."""
        if isinstance(node, nodes.Name):
            return self._generation.values[node.name]
        held = self._calls.get(value_to_text(node), lambda: self._computed(node))
        assert not isinstance(held, Cells)
        return held

    def _computed(self, node: nodes.Call | nodes.Sequence | nodes.Bucket) -> Values:
        if isinstance(node, nodes.Bucket):
            return buckets(self._generation.keys, node.salt, node.count)
        try:
            return compute(metric_of(node, self._generation.catalog), self.source())
        except LimitError as error:
            raise error.at(value_to_text(node)) from None
        except SchemaError as error:
            raise RuleError(error.problem, place=value_to_text(node), found=error.found, hint=error.hint) from None


class Distinct:
    """The distinct strings of one name as items: which of them satisfy a rule about that name."""

    def __init__(self, column: Column, customers: Customers) -> None:
        self._column = column
        self.count = len(column)
        self.as_of = customers.as_of
        self.zone = customers.zone

    def column(self, _node: object) -> Column:
        """The labels themselves."""
        return self._column


class Pairs:
    """The pairs of one family (all, or those of one category) as items."""

    def __init__(self, column: Column, customers: Customers) -> None:
        self._column = column
        self.count = len(column)
        self.as_of = customers.as_of
        self.zone = customers.zone

    def column(self, _node: object) -> Column:
        """The pairs' values."""
        return self._column


def _bytes_of(value: Values | Cells) -> int:
    if isinstance(value, Cells):
        return value.nbytes
    if isinstance(value, Column):
        return value.data.nbytes
    among = 0 if value.among is None else value.among.nbytes
    return value.column.data.nbytes + value.customers.nbytes + value.offsets.nbytes + among
