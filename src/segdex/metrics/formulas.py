"""Formulas: arithmetic over other metrics, one value a customer, or over families one for every category too."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.metrics import families, select
from segdex.metrics.source import Source
from segdex.rules import nodes
from segdex.schema.families import references
from segdex.schema.model import Metric
from segdex.values.column import Column, Floats, Ints, Mask
from segdex.values.family import Family
from segdex.values.operands import floats, operand

Part: TypeAlias = nodes.Name | nodes.Item
Parts: TypeAlias = Mapping[Part, Column]


def compute(metric: Metric, source: Source) -> Column | Family:
    """float64 arithmetic over values in their units; a missing part or a division by 0 gives a missing value.

    Of each family a customer without a pair has the value that the formula gives for the parts' values without one.
    """
    assert isinstance(metric.formula, nodes.Node)
    plain: dict[Part, Column] = {}
    whole: dict[Part, Family] = {}
    for part in references(metric.formula):
        held = _held(part, source)
        if isinstance(held, Column):
            plain[part] = held
        else:
            whole[part] = held
    of = source.catalog.metric_type(metric)
    if not whole:
        return Column(of, _values(metric.formula, plain, source.count, source))
    made = _OverFamilies(metric.formula, plain, whole, source).family()
    return dataclasses.replace(made, column=dataclasses.replace(made.column, type=of))


def _held(part: Part, source: Source) -> Column | Family:
    if isinstance(part, nodes.Name):
        return source.value(part.name)
    assert isinstance(part.of, nodes.Name)
    assert isinstance(part.key, nodes.Text)
    family = source.value(part.of.name)
    assert isinstance(family, Family)
    return family.dense(family.code(part.key.value), source.count)


@dataclasses.dataclass(frozen=True, slots=True)
class _Items:
    """The parts of a formula as what it is evaluated over: one value each a customer or pair."""

    held: Parts
    count: int
    as_of: int
    zone: dt.tzinfo

    def column(self, node: nodes.Reference) -> Column:
        assert not isinstance(node, nodes.Call | nodes.Sequence)
        return self.held[node]


def _values(formula: nodes.Value, held: Parts, count: int, source: Source) -> Floats:
    result = operand(formula, _Items(held, count, source.as_of, source.catalog.zone))
    if isinstance(result, Column):
        return floats(result) + 0.0
    return np.full(count, float(result) + 0.0)  # type: ignore[arg-type]


class _OverFamilies:
    """A formula with families in it, a few categories at a time so that scratch memory stays small."""

    def __init__(self, formula: nodes.Value, plain: Parts, whole: Mapping[Part, Family], source: Source) -> None:
        self._formula, self._plain, self._source = formula, plain, source
        self._categories = families.united(*(family.categories for family in whole.values()))
        self._whole = {part: _moved(family, self._categories) for part, family in whole.items()}

    def family(self) -> Family:
        """All its pairs."""
        pairs = np.sum([family.offsets for family in self._whole.values()], axis=0)
        parts = [self._pairs(first, last) for first, last in select.spans(pairs)]
        codes, customers, values = (np.concatenate([part[at] for part in parts]) for at in range(3))
        column = next(iter(self._whole.values())).column
        column = Column(column.type, values)
        return families.sparse(codes, customers, column, self._categories, *self._without_pairs())

    def _pairs(self, first: int, last: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32], Floats]:
        """Codes, customers and values of all pairs that some family has in the categories *first* to *last* - 1."""
        own = {part: _places(family, first, last) for part, family in self._whole.items()}
        places = families.merged(list(own.values()))
        customers = (places & 0xFFFFFFFF).astype(np.uint32)
        held = {part: column.take(customers.astype(np.int64)) for part, column in self._plain.items()}
        for part, family in self._whole.items():
            data = family.without_pair(customers)
            pairs = slice(int(family.offsets[first]), int(family.offsets[last]))
            data[np.searchsorted(places, own[part])] = family.column.data[pairs]
            held[part] = family.column.with_data(data)
        values = _values(self._formula, held, len(places), self._source)
        return (places >> 32).astype(np.int32), customers, values

    def _without_pairs(self) -> tuple[float, Mask | None, Floats | None]:
        """Rest, among and rests of the family: what the formula gives where no part has a pair."""
        alike = not self._plain and all(each.among is None and each.rests is None for each in self._whole.values())
        count = 1 if alike else self._source.count
        held = dict(self._plain)
        for part, family in self._whole.items():
            held[part] = family.column.with_data(family.without_pairs(count))
        values = _values(self._formula, held, count, self._source)
        known = ~np.isnan(values)
        if not known.any():
            return float("nan"), None, None
        rest = float(values[np.argmax(known)])
        if (values[known] == rest).all():
            return rest, None if known.all() else known, None
        return float("nan"), None, values


def _moved(family: Family, categories: pa.LargeStringArray) -> Family:
    """*family* with its pairs under the codes of *categories*, which hold its own in the same order."""
    places = families.places_in(family.categories, categories)
    offsets = family.offsets[np.searchsorted(places, np.arange(len(categories) + 1))]
    return dataclasses.replace(family, categories=categories, offsets=offsets)


def _places(family: Family, first: int, last: int) -> Ints:
    """One number a pair of the categories *first* to *last* - 1, ascending: the code above, the customer below."""
    sizes = np.diff(family.offsets[first : last + 1])
    customers = family.customers[int(family.offsets[first]) : int(family.offsets[last])]
    codes: Ints = np.repeat(np.arange(first, last, dtype=np.int64), sizes)
    return (codes << 32) | customers.astype(np.int64)
