"""A generation: one immutable version of the whole index, which readers hold while they ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import NamedTuple, TypeAlias, TypeVar

from segdex.bitmap.predicate import Predicate
from segdex.bitmap.ranks import Ranks
from segdex.events.store import Events
from segdex.ingest.keys import Keys
from segdex.rules.words import name_text, string_text
from segdex.schema.catalog import Catalog
from segdex.values.column import Column
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
    """Everything that an answer is computed from.

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
        order: the names by which customers were numbered; none: by their keys, ascending.
        graves: of each stream with ids the rows that are no events and hold their own against rows that come later,
            see `segdex.events.ids`.
    """

    catalog: Catalog
    as_of: int
    number: int
    epoch: str
    count: int
    key_source: Callable[[], Keys]
    universe: Predicate
    values: Mapping[str, Values]
    dictionaries: Mapping[str, Column]
    events: Mapping[str, Events]
    predicates: Mapping[PredicateName, Predicate]
    ranks: Mapping[str, Ranks]
    fitted: Mapping[str, tuple[int | float, ...]]
    order: tuple[str, ...] = ()
    graves: Mapping[str, Events] = dataclasses.field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """The customers' keys by dense id."""
        return self.key_source()

    def labels(self, name: str) -> tuple[str, ...] | None:
        """The labels for which *name* has precomputed sets, in their order; None where it has none."""
        if name not in self.dictionaries or PredicateName(name) not in self.predicates:
            return None
        distinct = self.dictionaries[name].dictionary
        return None if distinct is None or len(distinct) > MOST_LABELS else tuple(distinct.to_pylist())


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
    return dict(held) if isinstance(held, dict) else Overlay(held)
