"""The top category of each customer: that of most transactions, of the greatest weight, or of the greatest value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from segdex.metrics import families, kernels_top
from segdex.metrics.select import Selected, pairs_by_block
from segdex.metrics.source import Source
from segdex.metrics.streams import KINDS
from segdex.schema.model import Metric
from segdex.values.column import MISSING, Codes, Column, Data, Ints
from segdex.values.family import Family
from segdex.values.keys import keys_of, keys_of_floats

Pairs: TypeAlias = tuple[Codes, npt.NDArray[np.uint32], Ints]
"""Codes, customers and keys that sort as the values do; each customer's by ascending code."""


def compute(metric: Metric, source: Source) -> Column:
    """The category of every customer's greatest value, of equal ones the first by bytes.

    Only categories that a customer has something in are looked at: a transaction that counts, or in a family a value
    other than that of a category never touched. Whoever has none has no top category.
    """
    if metric.metric is None:
        assert metric.stream is not None
        assert metric.by is not None
        pairs, categories = _of_stream(metric, source), source.events[metric.stream].fields[metric.by].dictionary
    else:
        family = source.value(metric.metric)
        assert isinstance(family, Family)
        pairs, categories = _of_family(family), family.categories
    best, chosen = np.full(source.count, MISSING, np.int64), np.full(source.count, -1, np.int32)
    for codes, customers, keys in pairs:
        kernels_top.keep_greatest(codes, customers, keys, best, chosen)
    return Column(source.catalog.metric_type(metric), chosen, categories)


def _of_stream(metric: Metric, source: Source) -> Sequence[Pairs]:
    """Transactions or weights by category and customer, block by block; missing where no transaction counts."""
    kind = "count" if metric.weight is None else "sum"
    asked = msgspec.structs.replace(metric, kind=kind, field=metric.weight, weight=None)
    return pairs_by_block(asked, source, lambda selected: _keys(selected, asked))


def _keys(selected: Selected, asked: Metric) -> Ints:
    counts = KINDS["count"].compute(selected, asked)
    values = counts if asked.kind == "count" else KINDS[asked.kind].compute(selected, asked)
    keys = _sorting(values)
    keys[counts == 0] = MISSING
    return keys


def _sorting(values: Data) -> Ints:
    if values.dtype == np.float64:
        return keys_of_floats(values)  # type: ignore[arg-type]
    return values.copy()  # type: ignore[return-value]


def _of_family(family: Family) -> Sequence[Pairs]:
    return [(families.codes_of(family), family.customers, keys_of(family.column))]
