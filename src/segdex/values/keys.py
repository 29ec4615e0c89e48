"""Values as int64 keys that sort as the values do, so that one kernel serves every type."""

from __future__ import annotations

import numpy as np

from segdex.values.column import MISSING, Column, Data, Floats, Ints
from segdex.values.compare import order_ranks

_MAGNITUDE = np.int64(np.iinfo(np.int64).max)


def keys_of(column: Column) -> Ints:
    """One key a value, `MISSING` for missing ones; equal values have equal keys, -0.0 and 0.0 too.

    Strings sort by bytes, or as declared where the category has an order; strings outside it come first.
    """
    data = column.data
    if data.dtype == np.float64:
        return keys_of_floats(data)  # type: ignore[arg-type]
    if data.dtype == np.int64:
        return data  # type: ignore[return-value]
    if column.type.order is None:
        keys = data.astype(np.int64)
    else:
        assert column.dictionary is not None
        ranks = (order_ranks(column) + 1) * len(column.dictionary) + np.arange(len(column.dictionary))
        keys = np.concatenate([ranks, [MISSING]])[data]  # code -1 is the last place
    keys[data < 0] = MISSING
    return keys


def keys_of_floats(values: Floats) -> Ints:
    """The bits of each float, those of negative ones turned so that they sort.

    >>> keys_of_floats(np.array([-1.0, 0.0])) < keys_of_floats(np.array([-0.5, 5e-324]))
    array([ True,  True])
    """
    bits = (values + 0.0).view(np.int64)  # -0.0 becomes 0.0
    keys = np.where(bits < 0, bits ^ _MAGNITUDE, bits)
    keys[np.isnan(values)] = MISSING
    return keys


def values_of(keys: Ints, like: Data) -> Data:
    """Keys of numbers as numbers of *like*'s physical form again."""
    if like.dtype == np.int64:
        return keys
    values = np.where(keys < 0, keys ^ _MAGNITUDE, keys).view(np.float64)
    values[keys == MISSING] = np.nan
    return values
