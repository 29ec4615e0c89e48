"""Columns as Arrow arrays, for results that leave the index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.values.column import Column
from segdex.values.places import latitudes, longitudes

_PRECISION = 38


def to_arrow(column: Column, ids: npt.NDArray[np.unsignedinteger]) -> pa.Array:
    """The values of the items *ids*, in their order: strings, lists of strings, booleans, int64, exact decimals,
    float64, date32, timestamps in UTC, or structs of latitude and longitude; a missing value is null.
    """
    if column.offsets is not None:
        return _tags(column, ids)
    if column.type.kind == "geo":
        degrees = [pa.array(part(column)[ids]) for part in (latitudes, longitudes)]
        return pa.StructArray.from_arrays(degrees, ["latitude", "longitude"], mask=pa.array(~_known(column, ids)))
    data = column.data[ids]
    kind = column.type.kind
    if column.dictionary is not None:
        codes = pa.array(data, mask=data < 0)
        strings = column.dictionary.take(codes)
        return strings.cast(pa.bool_()) if kind == "bool" else strings.cast(pa.string())
    if kind == "date":
        return pa.array(data.astype("datetime64[D]"), pa.date32(), mask=~_known(column, ids))
    if kind == "time":
        return pa.array(data, pa.int64(), mask=~_known(column, ids)).cast(pa.timestamp("us", tz="UTC"))
    if column.type.scale and data.dtype == np.int64:
        return _decimals(data, ~_known(column, ids), column.type.scale)
    return pa.array(data, mask=~_known(column, ids))


def _known(column: Column, ids: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.bool_]:
    return column.take(ids.astype(np.int64)).known


def _decimals(data: npt.NDArray[np.generic], missing: npt.NDArray[np.bool_], scale: int) -> pa.Array:
    """Scaled integers as decimals: a 128-bit value is the 64-bit one and its sign, low half first."""
    halves = np.empty((len(data), 2), np.int64)
    halves[:, 0] = data
    halves[:, 1] = halves[:, 0] >> 63
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
    return pa.Array.from_buffers(
        pa.decimal128(_PRECISION, scale), len(data), [validity, pa.py_buffer(halves.tobytes())]
    )


def _tags(column: Column, ids: npt.NDArray[np.unsignedinteger]) -> pa.Array:
    assert column.offsets is not None
    assert column.dictionary is not None
    starts, ends = column.offsets[ids], column.offsets[ids.astype(np.int64) + 1]
    lengths = ends - starts
    known = column.known[ids]
    lengths = np.where(known, lengths, 0)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(starts, lengths)
    values = column.dictionary.take(pa.array(column.data[within])).cast(pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=pa.array(~known))
