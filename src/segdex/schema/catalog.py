"""A schema whose names and types are known: what every rule is checked and bound against."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from pathlib import Path
from zoneinfo import ZoneInfo

from segdex.forks import Once
from segdex.schema import kinds
from segdex.schema.families import Families, families_of
from segdex.schema.labels import label_types
from segdex.schema.model import DURATION, Gap, Metric, Schema
from segdex.schema.types import ValueType


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """A `Scope`: the names that a rule may use in one place."""

    place: str
    declared: Mapping[str, ValueType]
    stream: str | None = None

    def names(self) -> Mapping[str, ValueType]:
        """Every name that has a value."""
        return self.declared


@dataclasses.dataclass(frozen=True)
class Catalog:
    """A checked schema.

    Attributes:
        schema: what was declared; every rule and formula is a tree of nodes, and correct.
        zone: the schema's time zone.
        types: the type of every declared name; a segment has the role ``segment``.
        order: metrics, bands, stages and segments, each after what it uses.
        fields: for every stream the types of its fields.
        base: the folder that relative paths start at; None: the current one.
        uses: for every declared name those that its own rules and keys refer to.
    """

    schema: Schema
    zone: ZoneInfo
    types: Mapping[str, ValueType]
    order: tuple[str, ...]
    fields: Mapping[str, Mapping[str, ValueType]]
    base: Path | None = None
    uses: Mapping[str, Set[str]] = dataclasses.field(default_factory=dict)

    @Once
    def given(self) -> tuple[str, ...]:
        """The names whose values are read and not computed: attributes, labels and their scores."""
        return (*self.schema.customers.attributes, *label_types(self.schema))

    @Once
    def families(self) -> Families:
        """Of every declared metric the fields whose categories it has one value for each."""
        return families_of(self.schema.metrics)

    def customers(self) -> Names:
        """The names of a rule about customers: everything declared."""
        return self._customers

    def rows(self, stream: str) -> Names:
        """The names of a ``where`` over the rows of *stream*: its fields."""
        return self._rows[stream]

    def transactions(self, stream: str) -> Names:
        """The names of a ``having`` over the transactions of *stream*: its numeric fields, summed."""
        return self._transactions[stream]

    def metric_type(self, metric: Metric) -> ValueType:
        """The type of a metric that was declared here or came from `segdex.schema.calls.metric_of`."""
        return kinds.metric_type(metric, self.families, self._measured)

    @Once
    def _measured(self) -> dict[str, Mapping[str, ValueType]]:
        return {name: self.measured(name) for name in self.fields}

    def measured(self, stream: str) -> Mapping[str, ValueType]:
        """What a metric over *stream* may be about: its fields, and of sessions how long they are."""
        if isinstance(self.schema.streams[stream].unit, Gap):
            return {**self.fields[stream], DURATION: ValueType("number", role="field")}
        return self.fields[stream]

    @Once
    def _customers(self) -> Names:
        return Names("names of the schema", self.types)

    @Once
    def _rows(self) -> dict[str, Names]:
        return {name: Names(f"fields of stream {name!r}", held, name) for name, held in self.fields.items()}

    @Once
    def _transactions(self) -> dict[str, Names]:
        return {name: self._transactions_of(name) for name in self.fields}

    def _transactions_of(self, name: str) -> Names:
        stream = self.schema.streams[name]
        summed = {
            field: kind
            for field, kind in self.measured(name).items()
            if kind.numeric and not (stream.unit is not None and field in stream.per_row)
        }
        return Names(f"numbers of a transaction of stream {name!r}", summed, name)
