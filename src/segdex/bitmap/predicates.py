"""Columns of labels to one set of customers a label."""

from __future__ import annotations

import numpy as np

from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.values.column import Column
from segdex.values.family import Family

_FEW = 8
"""Up to so many labels, a mask a label is faster than sorting the codes."""


def sets_by_label(column: Column, labels: int) -> list[BitMap]:
    """The customers of each code below *labels*, for one value a customer or for tags."""
    if column.offsets is not None:
        owners = np.repeat(np.arange(len(column), dtype=np.uint32), np.diff(column.offsets))
        return _grouped(column.data, owners, labels)
    if labels <= _FEW:
        return [roaring.from_mask(column.data == code) for code in range(labels)]
    return _grouped(column.data, np.arange(len(column), dtype=np.uint32), labels)


def sets_by_category(family: Family, labels: int) -> list[list[BitMap]]:
    """The customers of each category and code, customers without a pair left out."""
    found = []
    for first, last in zip(family.offsets[:-1], family.offsets[1:], strict=True):
        found.append(_grouped(family.column.data[first:last], family.customers[first:last], labels))
    return found


def _grouped(codes: np.ndarray, ids: roaring.Ids, labels: int) -> list[BitMap]:
    # A stable sort keeps the ids of one code ascending, which is how CRoaring adds them fastest.
    places = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[places], np.arange(labels + 1))
    return [roaring.from_ids(ids[places[bounds[code] : bounds[code + 1]]]) for code in range(labels)]
