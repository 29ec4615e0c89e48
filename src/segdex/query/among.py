"""Some customers of a generation as items: an inline call is computed from their rows alone.

In ``country = 'IN' and count(orders, 90d) > 2`` nobody asks for the orders of other countries. Where few customers are
left by the rest of a rule, it is much less work to gather their rows than to go through the whole stream.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from segdex.events.renumber import rows_of
from segdex.events.store import Events
from segdex.metrics.compute import Source, compute
from segdex.query.bind import Bound, leaves
from segdex.query.customers import Customers
from segdex.rules import nodes
from segdex.rules.printer import value_to_text
from segdex.schema.calls import metric_of
from segdex.schema.catalog import Catalog
from segdex.schema.model import Metric
from segdex.values.column import Column, Ints
from segdex.values.family import Family
from segdex.values.lazy import Lazy

T = TypeVar("T")


class Among:
    """The customers *ids*, in their order; what is computed for them is kept as long as this object.

    Args:
        customers: all of them.
        ids: dense ids, ascending, int64.
    """

    def __init__(self, customers: Customers, ids: Ints) -> None:
        self._customers = customers
        self._ids = ids
        self._calls: dict[str, Column | Family] = {}
        self._source = source_among(customers.source(), ids)

    @property
    def count(self) -> int:
        """How many customers these are."""
        return len(self._ids)

    @property
    def as_of(self) -> int:
        """The index's clock, in microseconds UTC."""
        return self._customers.as_of

    @property
    def zone(self) -> dt.tzinfo:
        """The schema's time zone."""
        return self._customers.zone

    def column(self, node: nodes.Reference) -> Column:
        """The values of a name, one category of a family or an inline call, one a customer."""
        if isinstance(node, nodes.Call | nodes.Sequence):
            held = self._call(node)
            assert isinstance(held, Column)
            return held
        if isinstance(node, nodes.Item) and isinstance(node.of, nodes.Call):
            assert isinstance(node.key, nodes.Text)
            family = self.family(node)
            return family.dense(family.code(node.key.value), self.count)
        return self._customers.column(node).take(self._ids)

    def bucket(self, node: nodes.Bucket) -> Column:
        """The bucket of each customer."""
        return self._customers.bucket(node).take(self._ids)

    def family(self, node: nodes.Item) -> Family:
        """The family that an item belongs to; of an inline call for these customers, of a name for all."""
        held = self._call(node.of) if isinstance(node.of, nodes.Call) else self._customers.family(node)
        assert isinstance(held, Family)
        return held

    def _call(self, call: nodes.Call | nodes.Sequence) -> Column | Family:
        text = value_to_text(call)
        if text not in self._calls:
            metric = metric_of(call, self._source.catalog)
            if needs_all(metric):
                self._calls[text] = self._customers.column(call).take(self._ids)
            else:
                self._calls[text] = compute(metric, self._source)
        return self._calls[text]


def needs_all(metric: Metric) -> bool:
    """Whether one customer's value depends on all others: a model is fitted to them, or a declared name is used."""
    return fits(metric) or metric.metric is not None


def fits(metric: Metric) -> bool:
    """Whether a model is fitted to all customers for it."""
    return metric.kind == "p_alive" and metric.r is None


def asks_for_all(bound: Bound, catalog: Catalog) -> bool:
    """Whether a rule has an inline call whose value of one customer depends on the rows of all others."""
    return any(
        fits(metric_of(node, catalog))
        for leaf in leaves(bound)
        for node in nodes.walk(leaf.rule)
        if isinstance(node, nodes.Call) and node.kind == "p_alive"
    )


def source_among(source: Source, ids: Ints) -> Source:
    """What metrics of the customers *ids* are computed from; gathered when it is asked for."""
    return dataclasses.replace(
        source,
        count=len(ids),
        attributes=_made(source.attributes, lambda column: column.take(ids)),
        events=_made(source.events, lambda events: _rows(events, ids)),
    )


def _rows(events: Events, ids: Ints) -> Events:
    bare, rows = rows_of(events, ids)
    return dataclasses.replace(bare, fields=_made(events.fields, lambda column: column.take(rows)))


def _made(of: Mapping[str, T], make: Callable[[T], T]) -> Lazy[str, T]:
    """What *make* makes of the values of *of*, each when it is first asked for."""
    return Lazy({name: partial(lambda name: make(of[name]), name) for name in of})
