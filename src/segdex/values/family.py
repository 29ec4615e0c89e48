"""A family: one value for every customer and category, kept for the pairs that have data."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.values.column import MISSING, Codes, Column, Data, Mask, missing_of


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """Values by category and customer; sparse, since most customers touch few categories.

    Category c has pairs ``offsets[c]`` to ``offsets[c + 1]``; pair i says that ``customers[i]`` has ``column.data[i]``
    (which may be missing). Every other customer has *rest*, or a value of their own for all categories without a pair.

    Attributes:
        categories: the names, a ``large_string`` array ascending by bytes.
        offsets: int64, shape (categories + 1,).
        customers: uint32 dense ids, shape (pairs,), ascending within a category.
        column: the values, shape (pairs,).
        rest: the physical value of customers without a pair: zero, or a missing value.
        among: where given, only these customers (shape (customers,)) have *rest*; the others are missing.
        rests: where given, the physical values of customers without a pair, shape (customers,); *rest* is a missing
            value then, and there is no *among*.
    """

    categories: pa.LargeStringArray
    offsets: npt.NDArray[np.int64]
    customers: npt.NDArray[np.uint32]
    column: Column
    rest: int | float
    among: Mask | None = None
    rests: Data | None = None

    def code(self, category: str) -> int:
        """The position of *category*, or -1 where it was never seen."""
        return int(self.categories.index(category).as_py())

    def one(self, code: int, customer: int) -> Column:
        """The value of one customer in category *code*, as a column of one item."""
        start, end = int(self.offsets[code]), int(self.offsets[code + 1])
        place = start + int(np.searchsorted(self.customers[start:end], np.uint32(customer)))
        if place < end and self.customers[place] == customer:
            return dataclasses.replace(self.column, data=self.column.data[place : place + 1])
        return dataclasses.replace(self.column, data=self.without_pair(np.array([customer])))

    def dense(self, code: int, count: int) -> Column:
        """The values of category *code* (-1: one never seen) as a column of *count* customers."""
        data = self.without_pairs(count)
        if code >= 0:
            pairs = slice(int(self.offsets[code]), int(self.offsets[code + 1]))
            data[self.customers[pairs]] = self.column.data[pairs]
        return dataclasses.replace(self.column, data=data)

    def without_pairs(self, count: int) -> Data:
        """The physical values of all *count* customers in a category in which nobody has a pair; a new array."""
        if self.rests is not None:
            return self.rests.copy()
        data: Data = np.full(count, self.rest, self.column.data.dtype)
        if self.among is not None:
            data[~self.among] = missing_of(data.dtype)
        return data

    def without_pair(self, customers: npt.NDArray[np.integer]) -> Data:
        """The physical values of *customers* in a category in which they have no pair; a new array."""
        if self.rests is not None:
            picked: Data = self.rests[customers]
            return picked
        data: Data = np.full(len(customers), self.rest, self.column.data.dtype)
        if self.among is not None:
            data[~self.among[customers]] = missing_of(data.dtype)
        return data


def sparse(
    codes: Codes,
    customers: npt.NDArray[np.uint32],
    column: Column,
    categories: pa.LargeStringArray,
    rest: int | float,
    among: Mask | None = None,
    rests: Data | None = None,
) -> Family:
    """The pairs that differ from what their customers have without one, as a family.

    Pairs come by category, then by customer; *rest*, *among* and *rests* are those of `Family`.
    """
    if rests is not None:
        without = rests[customers]
        says = (column.data != without) & (column.known | (without == without))
    elif rest == MISSING or rest != rest:
        says = column.known
    else:
        says = column.data != rest
        if among is not None:
            outside = ~among[customers]
            says[outside] = column.known[outside]
    if not says.all():
        codes, customers = codes[says], customers[says]
        column = dataclasses.replace(column, data=column.data[says])
    offsets = np.searchsorted(codes, np.arange(len(categories) + 1))
    return Family(categories, offsets, customers, column, rest, among, rests)


def codes_of(family: Family) -> Codes:
    """The category of each pair, shape (pairs,), ascending."""
    return np.repeat(np.arange(len(family.categories), dtype=np.int32), np.diff(family.offsets))
