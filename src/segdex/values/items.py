"""What a rule is evaluated over: customers, rows, transactions, or anything else with columns."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from segdex.rules import nodes
from segdex.values.column import Column


class Items(Protocol):
    """What a rule is evaluated over."""

    @property
    def count(self) -> int:
        """How many items there are."""
        ...

    @property
    def as_of(self) -> int:
        """The index's clock, in microseconds UTC."""
        ...

    @property
    def zone(self) -> dt.tzinfo:
        """The schema's time zone."""
        ...

    def column(self, node: nodes.Reference) -> Column:
        """The values that a name, one category of a family or an inline call stands for."""
        ...


class Keyed(Items, Protocol):
    """Items with keys: customers. Rows and transactions have none."""

    def bucket(self, node: nodes.Bucket) -> Column:
        """The bucket of each customer."""
        ...
