"""What metrics are computed from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from segdex.events.store import Events
from segdex.schema.catalog import Catalog
from segdex.values.column import Column, Mask
from segdex.values.family import Family


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """The data of one generation, as a metric sees it.

    Attributes:
        catalog: the checked schema.
        as_of: the clock, in microseconds UTC.
        count: how many customers there are.
        attributes: the attributes by name, each of shape (customers,).
        events: the streams by name, each with the rows of all customers.
        value: gives a metric that was computed before, by name.
        universe: gives who is a customer, shape (customers,); None: everybody. Values are computed for all, but what
            is fitted to data is fitted to customers.
        common: what metrics over the whole of a stream have in common, kept for as long as this object; None: it is
            made anew for each, as memory for all of a large stream would be too much.
    """

    catalog: Catalog
    as_of: int
    count: int
    attributes: Mapping[str, Column]
    events: Mapping[str, Events]
    value: Callable[[str], Column | Family]
    universe: Callable[[], Mask] | None = None
    common: dict[Hashable, Any] | None = None
