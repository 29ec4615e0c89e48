"""Values to bands: intervals between edges that were declared, or fitted to the data as quantiles."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from segdex.errors import SchemaError
from segdex.metrics import families
from segdex.schema.model import Band, Edge
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import MISSING, Codes, Column, Data, Mask, texts
from segdex.values.family import Family

PhysicalEdges: TypeAlias = tuple[int | float, ...]
_HIGHEST = int(np.iinfo(np.int64).max)
_EPOCH = dt.date(1970, 1, 1).toordinal()


@dataclasses.dataclass(frozen=True, slots=True)
class Banded:
    """A band of every customer.

    Attributes:
        values: codes into the labels, which stand in their order; a column, or a family where the metric is one.
        edges: the lower end of each band but the first, ascending, in physical values of the metric (days,
            microseconds, whole steps of the scale); of quantiles those that were fitted, merged ones repeated.
    """

    values: Column | Family
    edges: PhysicalEdges


def band(
    declared: Band,
    values: Column | Family,
    among: Mask | None,
    zone: dt.tzinfo,
    fitted: PhysicalEdges | None = None,
) -> Banded:
    """The bands of *values*, as *declared* (settled: with its labels).

    Args:
        declared: edges or quantiles.
        values: the metric or attribute.
        among: the customers that quantiles are fitted to, shape (customers,); None: all.
        zone: the schema's time zone, for edges that are dates among times.
        fitted: edges of an earlier build to be used again in place of fitting quantiles.

    Raises:
        SchemaError: quantiles of a family.
    """
    if isinstance(values, Family):
        if declared.edges is None:
            raise SchemaError("a family has no quantiles", found=repr(declared.metric), allowed="edges")
        edges = _declared_edges(declared.edges, values.column, zone)
        return Banded(_of_family(declared, values, edges), edges)
    if declared.edges is not None:
        edges = _declared_edges(declared.edges, values, zone)
    elif fitted is not None:
        edges = fitted
    else:
        assert declared.quantiles is not None
        edges = _quantile_edges(declared.quantiles, values, among)
    return Banded(_labelled(declared, _codes(values.data, edges)), edges)


def _of_family(declared: Band, family: Family, edges: PhysicalEdges) -> Family:
    """Bands of the pairs, and the bands of those without one."""
    rest = int(_codes(np.full(1, family.rest, family.column.data.dtype), edges)[0])
    column = _labelled(declared, _codes(family.column.data, edges), family=True)
    codes = families.codes_of(family)
    rests = None if family.rests is None else _codes(family.rests, edges)
    return families.sparse(codes, family.customers, column, family.categories, rest, family.among, rests)


def _labelled(declared: Band, codes: Codes, family: bool = False) -> Column:
    assert declared.labels is not None
    kind = ValueType("category", order=declared.labels, family=family, role="band")
    return Column(kind, codes, dictionary_of(declared.labels))


@lru_cache(maxsize=1024)
def dictionary_of(labels: tuple[str, ...]) -> pa.LargeStringArray:
    """Labels as the dictionary of a column, always the same one: columns that share it need not be compared."""
    return texts(labels)


def _codes(data: Data, edges: PhysicalEdges) -> Codes:
    """How many edges are at or below each value; -1 where it is missing."""
    if data.dtype == np.float64:
        codes = np.array(edges, np.float64).searchsorted(data, "right").astype(np.int32)
        codes[np.isnan(data)] = -1
        return codes
    # No value reaches an edge above the range of integers; every known value reaches one below it.
    reachable = [max(int(edge), MISSING) for edge in edges if edge <= _HIGHEST]
    codes = np.array(reachable, np.int64).searchsorted(data, "right").astype(np.int32)
    codes[data == MISSING] = -1
    return codes


# --- edges -----------------------------------------------------------------------------------------------------


def _declared_edges(edges: tuple[Edge, ...], column: Column, zone: dt.tzinfo) -> PhysicalEdges:
    return _physical_edges(edges, column.type, column.data.dtype == np.float64, zone)


@lru_cache(maxsize=1024)
def _physical_edges(edges: tuple[Edge, ...], of: ValueType, is_float: bool, zone: dt.tzinfo) -> PhysicalEdges:
    return tuple(_physical(edge, of, is_float, zone) for edge in edges)


def _physical(edge: Edge, of: ValueType, is_float: bool, zone: dt.tzinfo) -> int | float:
    """The least physical value that is at or above *edge*; a float edge is the float64 nearest to what is written."""
    match edge:
        case dt.datetime():
            return clock.to_microseconds(edge)
        case dt.date():
            day = edge.toordinal() - _EPOCH
            return clock.midnight(day, zone) if of.kind == "time" else day
        case Decimal() if is_float:
            return float(edge)
        case _:
            numerator, denominator = edge.as_integer_ratio()
            return int(-(-numerator * 10 ** (of.scale or 0) // denominator))  # rounded up, exactly


def _quantile_edges(count: int, values: Column, among: Mask | None) -> PhysicalEdges:
    """Edge i of 1 to *count* - 1: the smallest known value with at least i / *count* of the known values below it.

    A value has as many values below it as its first place in the sorted list says, so with N known values edge i is
    the first new value at or after place ceil(i N / count). Where no value starts there (the largest one begins
    before it) there is no edge, and none for a greater i. Several i may find one value: these edges are merged, but
    each still counts, so that a value's code is the number of i whose edge is at or below it and the labels between
    are skipped.
    """
    known = values.known if among is None else values.known & among
    ordered = np.sort(values.data[known])
    edges: list[int | float] = []
    for i in range(1, count):
        place = -(-i * len(ordered) // count)
        if place >= len(ordered):
            break
        if place > 0 and ordered[place] == ordered[place - 1]:
            place = int(np.searchsorted(ordered, ordered[place], "right"))
            if place == len(ordered):
                break
        edges.append(ordered[place].item())
    return tuple(edges)
