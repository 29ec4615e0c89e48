"""Families: pairs of a category and a customer, gathered from blocks, left out where they say nothing, divided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.values.column import Codes, Column, Data, Ints
from segdex.values.dictionaries import places_in, united
from segdex.values.family import Family, codes_of, sparse

__all__ = ["Customers", "codes_of", "gathered", "merged", "places_in", "ratios", "shares", "sparse", "united"]

Customers = npt.NDArray[np.uint32]


def gathered(
    parts: Sequence[tuple[Codes, Customers, Data]], categories: pa.LargeStringArray, column: Column, rest: int | float
) -> Family:
    """One family of the pairs of several blocks, each block's customers above those of the blocks before it.

    Args:
        parts: codes, customers and values of each block's pairs, by category, then by customer.
        categories: the names of the codes.
        column: any column of the values' type; its data is not looked at.
        rest: the physical value of customers without a pair; pairs that have it are left out.
    """
    codes, customers, data = parts[0]
    if len(parts) > 1:
        codes, customers, data = (np.concatenate([part[at] for part in parts]) for at in range(3))
        order = np.argsort(codes, kind="stable")
        codes, customers, data = codes[order], customers[order], data[order]
    return sparse(codes, customers, column.with_data(data), categories, rest)


def shares(part: Family, whole: Column) -> Family:
    """Each pair of *part* divided by its customer's *whole*: 0 without a pair, missing where the whole is 0.

    Both have the same unit, which cancels out.
    """
    among = whole.known & (whole.data != 0)
    has_whole = among[part.customers]
    customers = part.customers[has_whole]
    with np.errstate(invalid="ignore", over="ignore"):
        values = part.column.data[has_whole] / whole.data[customers].astype(np.float64) + 0.0
    column = part.column.with_data(values)
    return sparse(codes_of(part)[has_whole], customers, column, part.categories, 0.0, among)


def ratios(numerator: Family, denominator: Family) -> Family:
    """Counts divided by counts, category by category; missing where the denominator is 0."""
    categories = united(numerator.categories, denominator.categories)
    above, below = _places(numerator, categories), _places(denominator, categories)
    # Where each pair of the denominator stands among those of the numerator; there is always an end to compare with.
    at = np.minimum(np.searchsorted(above, below), max(len(above) - 1, 0))
    counts = np.append(numerator.column.data, 0)
    values = np.where(np.append(above, -1)[at] == below, counts[at], 0) / denominator.column.data
    column = denominator.column.with_data(values)
    codes = (below >> 32).astype(np.int32)
    return sparse(codes, denominator.customers, column, categories, float("nan"))


def _places(family: Family, categories: pa.LargeStringArray) -> Ints:
    """One number a pair, ascending: the code among *categories* above, the customer below."""
    return (places_in(family.categories, categories)[codes_of(family)] << 32) | family.customers.astype(np.int64)


def merged(parts: Sequence[Ints]) -> Ints:
    """The numbers of several ascending lists, ascending, each once."""
    numbers = np.sort(np.concatenate(parts), kind="stable")  # finds the lists sorted and merges them
    new = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    return numbers[new]
