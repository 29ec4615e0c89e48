"""Random Arrow arrays of the same values, and columns back to Python values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from segdex.values.column import MISSING, Column


@st.composite
def disguised(draw: st.DrawFn, array: pa.Array) -> pa.Array:
    """The same items behind an offset, and perhaps as a dictionary."""
    if draw(st.booleans()) and not pa.types.is_nested(array.type):
        array = array.dictionary_encode()
    padded = pa.concat_arrays([array, array, array])
    return padded.slice(len(array), len(array))


@st.composite
def pieces(draw: st.DrawFn, count: int) -> list[slice]:
    """Consecutive slices that cover *count* items, empty ones among them."""
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=3)))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, count], strict=True)]


def items(column: Column) -> list[Any]:
    """The values of a column as the oracle has them."""
    if column.dictionary is not None:
        names = column.dictionary.to_pylist()
        assert names == sorted(set(names), key=str.encode)
        if column.offsets is not None:
            return [_tags(column, names, item) for item in range(len(column))]
        assert column.data.dtype == np.int32
        found = [None if code < 0 else names[code] for code in column.data.tolist()]
        return [None if each is None else each == "true" for each in found] if column.type.kind == "bool" else found
    if column.data.dtype == np.float64:
        return [None if np.isnan(each) else each for each in column.data.tolist()]
    assert column.data.dtype == np.int64
    return [None if each == MISSING else each for each in column.data.tolist()]


def _tags(column: Column, names: list[str], item: int) -> frozenset[str] | None:
    assert column.offsets is not None
    codes = column.data[column.offsets[item] : column.offsets[item + 1]].tolist()
    assert codes == sorted(set(codes))
    return None if codes == [-1] else frozenset(names[code] for code in codes)
