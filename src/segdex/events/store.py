"""The rows of one stream, grouped by customer and transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from segdex.values.column import Column, Ints

UNIT, ID, VERSION = "unit", "id", "version"
"""The marks: of transactions, and of rows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Events:
    """A stream as compressed sparse rows.

    Rows are sorted by customer, then by the earliest time of their transaction, then by transaction, then by time:
    the rows of a customer, and those of a transaction, are contiguous. Transactions that begin at the same time are in
    the order of their units, those without a unit before them in the order of their fields (see `segdex.events.ties`);
    other ties are in any order, and nothing may depend on it. Future rows are included.

    Attributes:
        offsets: int64, shape (customers + 1,): the rows of customer c are ``offsets[c]`` to ``offsets[c + 1]``.
        time: int64 microseconds UTC, shape (rows,); None for a related table, which has no time.
        fields: the columns by name, each of shape (rows,).
        units: int64, shape (transactions + 1,): row offsets of transactions; None where every row is one.
        unit_offsets: int64, shape (customers + 1,): transaction offsets of customers; None with *units*.
        marks: what rows that come later are recognised by, no metric reads it: under `UNIT` the declared unit of each
            transaction, of type id, shape (transactions,), missing for a row without one; under `ID` and `VERSION`
            what is declared so, shape (rows,). Each is there where a column of it is declared.
    """

    offsets: Ints
    time: Ints | None
    fields: Mapping[str, Column]
    units: Ints | None = None
    unit_offsets: Ints | None = None
    marks: Mapping[str, Column] = dataclasses.field(default_factory=dict)

    @property
    def unit(self) -> Column | None:
        """The unit of each transaction, see *marks*; None where none is declared."""
        return self.marks.get(UNIT)

    def items(self, mark: str) -> int:
        """How many values the column of a mark has."""
        return self.transactions if mark == UNIT else self.rows

    @property
    def customers(self) -> int:
        """How many customers there are, those without rows included."""
        return len(self.offsets) - 1

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.offsets[-1])

    @property
    def transactions(self) -> int:
        """How many transactions there are."""
        return self.rows if self.units is None else len(self.units) - 1
