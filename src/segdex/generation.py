"""What answers are computed from: the values and sets of one numbering of customers, and versions made of these.

A *version* is what readers hold while they ask: one immutable state of the whole index, told by the number of its
generation. It is a base of all customers, which is never written, and a delta: for the customers who have changed since
the base was made, their rows as the base has them (minus) and as they are now (plus).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.ranks import Ranks
from segdex.events.store import Events
from segdex.forks import Once
from segdex.ingest.kept import Dimension
from segdex.ingest.keys import AnyKeys
from segdex.rules.words import name_text, string_text
from segdex.schema.catalog import Catalog
from segdex.values.cells import Cells
from segdex.values.column import Column, Ints
from segdex.values.family import Family

Values: TypeAlias = Column | Family
K = TypeVar("K")
V = TypeVar("V")


class PredicateName(NamedTuple):
    """The name of one precomputed predicate.

    Attributes:
        name: the attribute, label, band or stage; for presence the metric too; or a segment that was loaded.
        label: the value that its members have; None: a known value. That of a segment is `MEMBER`.
        category: for bands of a family, the category.
    """

    name: str
    label: str | None = None
    category: str | None = None

    def __str__(self) -> str:
        of = named(self.name, self.category)
        return f"{of} is known" if self.label is None else f"{of} = {string_text(self.label)}"


MEMBER = "true"
"""The label of a set that was loaded as a segment: being in it is what is true."""


def named(name: str, category: str | None) -> str:
    """A name as a rule writes it, so that no two things are told by one text: sets are remembered by it."""
    return name_text(name) if category is None else f"{name_text(name)}[{string_text(category)}]"


@dataclasses.dataclass(frozen=True)
class Generation:
    """Values and sets of one numbering of customers: of all of them, or of a delta's few.

    Attributes:
        catalog: the checked schema.
        as_of: the clock, in microseconds UTC.
        number: counts generations of one store, from 1.
        epoch: the numbering of customers that dense ids belong to.
        count: how many dense ids there are, erased customers included.
        key_source: gives the customers' keys by dense id; a rule needs none, so they are read when first asked for.
        universe: the customers that exist.
        values: attributes, labels, metrics, bands and stages by name, one value a customer (or a family).
        dictionaries: of each name whose values are strings, these, each once, as a column; a rule over labels needs no
            more of a name, and so no value of any customer is read for it.
        events: the rows of each stream.
        predicates: the precomputed sets, each within the universe.
        ranks: what answers ranges of values, for attributes and metrics of numbers, dates and times.
        fitted: what was fitted to the data: the edges of bands, in physical values, and the parameters r, alpha, a,
            b of the metrics of kind ``p_alive`` that state none.
        order: the names by which customers were numbered; none: by their keys, ascending. Who is not in the universe
            comes after all customers.
        lookups: the lookups that fields of streams come through, for rows that come later.
        rests: what `rest` tells, of a delta: its values need not be gathered for that.
        hidden: columns of customers that no rule can name: ``version``, where the schema declares one.
        graves: of each stream with ids the rows that are no events and hold their own against rows that come later,
            see `segdex.events.ids`.
    """

    catalog: Catalog
    as_of: int
    number: int
    epoch: str
    count: int
    key_source: Callable[[], AnyKeys]
    universe: Predicate
    values: Mapping[str, Values]
    dictionaries: Mapping[str, Column]
    events: Mapping[str, Events]
    predicates: Mapping[PredicateName, Predicate]
    ranks: Mapping[str, Ranks]
    fitted: Mapping[str, tuple[int | float, ...]]
    order: tuple[str, ...] = ()
    lookups: Mapping[str, Dimension] = dataclasses.field(default_factory=dict)
    hidden: Mapping[str, Column] = dataclasses.field(default_factory=dict)
    rests: Mapping[str, int] = dataclasses.field(default_factory=dict)
    graves: Mapping[str, Events] = dataclasses.field(default_factory=dict)

    @property
    def keys(self) -> AnyKeys:
        """The customers' keys by dense id; also those of who is no customer: who asks by key asks `lookup`."""
        return self.key_source()

    @property
    def all_inside(self) -> bool:
        """Whether every dense id is that of a customer."""
        return len(self.universe) == self.count

    def lookup(self, keys: Any) -> Ints:
        """The dense ids of *keys*, int64 of their shape, -1 for null and for keys that no customer has.

        Raises:
            ArgumentError: the values are neither text nor whole numbers.
        """
        found = self.keys.lookup(keys)
        return found if self.all_inside else np.where(hot.having(self.universe, found), found, np.int64(-1))

    def rest(self, name: str) -> int:
        """The code of the band that those have who are in no pair of the family of bands *name*; -1: none."""
        if name in self.rests:
            return self.rests[name]
        bands = self.values[name]
        assert isinstance(bands, Family)
        return int(bands.rest)

    def labels(self, name: str) -> tuple[str, ...] | None:
        """The labels for which *name* has precomputed sets, in their order; None where it has none."""
        if name not in self.dictionaries or PredicateName(name) not in self.predicates:
            return None
        distinct = self.dictionaries[name].dictionary
        return None if distinct is None or len(distinct) > MOST_LABELS else tuple(distinct.to_pylist())


class Numbering(Protocol):
    """Which customers there are, and the number of each among them."""

    def of(self, ids: Ints) -> Ints:
        """The number of each dense id, -1 where it has none."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Delta:
    """The customers who have changed since the base was made, each in a *slot*.

    Counts add: base - minus + plus. Where it matters who is who, a customer is what the latest of their rows in *plus*
    says.

    Attributes:
        slots: the slot of each customer who has changed.
        ids: the dense id of each slot, int64, each once, shape (slots,); those from the base's count on came since.
        latest: the row of each slot in *plus*, int64, shape (slots,).
        owners: the dense id of each row of *plus*; the latest row of a customer comes after earlier ones.
        minus: the customers as the base has them, by slot; its universe are those whom the base knows.
        plus: what became of them, by row; its universe are those who are not erased, each in the latest row.
    """

    slots: Numbering
    ids: Ints
    latest: Ints
    owners: Ints
    minus: Generation
    plus: Generation

    def slot_of(self, one: int) -> int:
        """The slot of the customer with dense id *one*, -1 where there is none."""
        return int(self.slots.of(np.array([one], np.int64))[0])

    def row_of(self, one: int) -> int:
        """As `slot_of`, the row in *plus*."""
        slot = self.slot_of(one)
        return int(self.latest[slot]) if slot >= 0 else -1


@dataclasses.dataclass(frozen=True, eq=False)
class Version:
    """One immutable state of the whole index.

    Attributes:
        base: all customers as of the clock, but for those who have changed since.
        number: counts generations of one store, from 1.
        keys: the customers' keys by dense id.
        delta: those who have changed; None: nobody.
    """

    base: Generation
    number: int
    key_source: Callable[[], AnyKeys]
    delta: Delta | None = None

    @property
    def catalog(self) -> Catalog:
        """The checked schema."""
        return self.base.catalog

    @property
    def as_of(self) -> int:
        """The clock, in microseconds UTC."""
        return self.base.as_of

    @property
    def keys(self) -> AnyKeys:
        """The customers' keys by dense id."""
        return self.key_source()

    @Once
    def count(self) -> int:
        """How many dense ids there are, erased customers included."""
        if self.delta is None or not len(self.delta.ids):
            return self.base.count
        return max(self.base.count, int(self.delta.ids.max()) + 1)

    @Once
    def customers(self) -> int:
        """The size of the universe."""
        changed = 0 if self.delta is None else len(self.delta.plus.universe) - len(self.delta.minus.universe)
        return len(self.base.universe) + changed


def alone(base: Generation) -> Version:
    """The version that is a base alone."""
    return Version(base, base.number, base.key_source)


MOST_LABELS = 4096
"""A column of more distinct values has no set for each of them: a scan of its codes is smaller and fast enough."""


class Overlay(MutableMapping[K, V]):
    """A mapping over another one, which stays as it is and is not read: what is put here hides what is there.

    Args:
        below: any mapping; over another overlay this one is as deep as that one.
    """

    def __init__(self, below: Mapping[K, V]) -> None:
        over = below if isinstance(below, Overlay) else None
        self._below: Mapping[K, V] = below if over is None else over._below
        self._above: dict[K, V] = {} if over is None else dict(over._above)
        self._gone: set[K] = set() if over is None else set(over._gone)

    def __getitem__(self, key: K) -> V:
        if key in self._above:
            return self._above[key]
        if key in self._gone:
            raise KeyError(key)
        return self._below[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._above[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._above.pop(key, None)
        self._gone.add(key)

    def __contains__(self, key: object) -> bool:  # without making a value that is not there yet
        return key in self._above or (key in self._below and key not in self._gone)

    def __iter__(self) -> Iterator[K]:
        yield from (key for key in self._below if key in self)
        yield from (key for key in self._above if key not in self._below)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def changeable(held: Mapping[K, V]) -> MutableMapping[K, V]:
    """A mapping like *held* that may be changed; values that are not made yet are not made for it."""
    if isinstance(held, Cells):
        return Cells(held.cells)  # type: ignore[return-value]
    return dict(held) if isinstance(held, dict) else Overlay(held)
