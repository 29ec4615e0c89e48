"""Checks portable Roaring bytes before CRoaring reads them: it trusts what it is given.

The format is that of https://github.com/RoaringBitmap/RoaringFormatSpec: a cookie, for each chunk of 65,536 ids a
key and a cardinality, offsets, then the containers: arrays of up to 4,096 values, bitsets of 8,192 bytes, or runs.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

_COOKIE = 12346
_COOKIE_WITH_RUNS = 12347
_MOST_ARRAY = 4096
_BITSET_BYTES = 8192
_OFFSETS_FROM = 4  # with runs, fewer containers than this have no offsets

Shorts = npt.NDArray[np.uint16]


class MalformedError(ValueError):
    """The bytes are not a well-formed set."""


def check(data: memoryview, count: int) -> None:
    """Check that *data* is one well-formed set of ids below *count*, and nothing else.

    Raises:
        MalformedError: it is not; the message says why.
    """
    keys, cardinalities, runs, offsets, position = _header(data)
    if len(keys) == 0:
        _expect(position == len(data), "bytes are left over")
        return
    _expect(bool((keys[1:] > keys[:-1]).all()), "chunks are out of order")
    last = 0
    for number, cardinality in enumerate(cardinalities.tolist()):
        if offsets is not None:
            _expect(int(offsets[number]) == position, f"the offset of container {number} is wrong")
        container = _run if runs[number] else _array if cardinality <= _MOST_ARRAY else _bitset
        position, last = container(data, position, cardinality)
    _expect(position == len(data), "bytes are left over")
    _expect(int(keys[-1]) * 65_536 + last < count, "an id is beyond the last customer")


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise MalformedError(problem)


def _shorts(data: memoryview, position: int, count: int) -> Shorts:
    _expect(position + 2 * count <= len(data), "the bytes end too early")
    return np.frombuffer(data, "<u2", count, position)


def _header(
    data: memoryview,
) -> tuple[Shorts, npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.uint32] | None, int]:
    """Keys, cardinalities, which containers are runs, offsets if there are any, and where the containers start."""
    _expect(len(data) >= 8, "the bytes end too early")
    cookie, size = struct.unpack_from("<II", data)
    if cookie == _COOKIE:
        position = 8
        _expect(size <= 65_536, "too many containers")
        runs = np.zeros(size, np.bool_)
    else:
        _expect(cookie & 0xFFFF == _COOKIE_WITH_RUNS, "an unknown cookie")
        size = (cookie >> 16) + 1
        flags = np.frombuffer(data, np.uint8)[4 : 4 + (size + 7) // 8]
        position = 4 + (size + 7) // 8
        _expect(len(data) >= position, "the bytes end too early")
        runs = np.unpackbits(flags, count=size, bitorder="little").astype(np.bool_)
    described = _shorts(data, position, 2 * size).reshape(size, 2)
    position += 4 * size
    offsets = None
    if cookie == _COOKIE or size >= _OFFSETS_FROM:
        _expect(position + 4 * size <= len(data), "the bytes end too early")
        offsets = np.frombuffer(data, "<u4", size, position)
        position += 4 * size
    return described[:, 0], described[:, 1].astype(np.int64) + 1, runs, offsets, position


# Each of these checks one container and gives where it ends and its greatest value.


def _array(data: memoryview, position: int, cardinality: int) -> tuple[int, int]:
    values = _shorts(data, position, cardinality)
    _expect(bool((values[1:] > values[:-1]).all()), "values are out of order")
    return position + 2 * cardinality, int(values[-1])


def _bitset(data: memoryview, position: int, cardinality: int) -> tuple[int, int]:
    _expect(position + _BITSET_BYTES <= len(data), "the bytes end too early")
    octets = np.frombuffer(data, np.uint8, _BITSET_BYTES, position)
    counted = int(np.bitwise_count(octets.view(np.uint64) if position % 8 == 0 else octets).sum(dtype=np.int64))
    _expect(counted == cardinality, "the cardinality of a bitset is wrong")
    last = int(np.flatnonzero(octets)[-1])
    return position + _BITSET_BYTES, 8 * last + int(octets[last]).bit_length() - 1


def _run(data: memoryview, position: int, cardinality: int) -> tuple[int, int]:
    (count,) = _shorts(data, position, 1).tolist()
    _expect(count > 0, "a container has no runs")
    pairs = _shorts(data, position + 2, 2 * count).reshape(count, 2).astype(np.int64)
    starts, ends = pairs[:, 0], pairs[:, 0] + pairs[:, 1]
    _expect(bool((starts[1:] > ends[:-1] + 1).all()) and int(ends[-1]) <= 0xFFFF, "runs are out of order")
    _expect(int((pairs[:, 1] + 1).sum()) == cardinality, "the cardinality of runs is wrong")
    return position + 2 + 4 * count, int(ends[-1])
