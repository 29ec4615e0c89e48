"""The one module that imports pyroaring: sets of customers as `BitMap`, in and out of arrays and bytes."""

from __future__ import annotations

import array
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyroaring

from segdex.bitmap import portable, predicate
from segdex.bitmap.predicate import Predicate
from segdex.errors import ArgumentError, CorruptError
from segdex.values.column import Mask

BitMap: TypeAlias = pyroaring.BitMap
Ids: TypeAlias = npt.NDArray[np.uint32]


def to_bitmap(members: Predicate) -> BitMap:
    """A predicate as `BitMap`.

    Kernels write portable bytes, which CRoaring reads at memory speed; handing over ids one by one takes fifty times
    as long.
    """
    return BitMap.deserialize(portable.dump(members))


def from_bitmap(bitmap: BitMap, count: int) -> Predicate:
    """A `BitMap` of ids below *count* as predicate.

    Raises:
        ArgumentError: an id is not below *count*.
    """
    if bitmap and bitmap.max() >= count:
        raise ArgumentError("an id is beyond the last one", found=f"{bitmap.max()}", allowed=f"ids below {count}")
    return portable.load(bitmap.serialize(), count)


def from_bytes(data: bytes | bytearray | memoryview, count: int) -> Predicate:
    """Portable Roaring bytes of ids below *count* as predicate.

    Raises:
        ArgumentError: an id is not below *count*.
        CorruptError: they are not one well-formed set.
    """
    try:
        octets = memoryview(data).cast("B")
    except TypeError:
        raise ArgumentError("not a run of bytes", found="a memoryview with gaps", allowed="bytes") from None
    portable.check(octets, None)
    try:
        return portable.load(octets, count)
    except CorruptError as error:  # well-formed it is: an id is beyond the last one
        raise ArgumentError(error.problem, found=error.found, allowed=error.allowed) from None


def from_mask(mask: Mask) -> BitMap:
    """The ids where *mask* is true."""
    return to_bitmap(predicate.from_mask(mask))


def from_ids(ids: npt.NDArray[Any]) -> BitMap:
    """The set of *ids*, in any order."""
    buffer = array.array("I")
    buffer.frombytes(np.ascontiguousarray(ids, np.uint32).tobytes())
    return BitMap(buffer)


def to_ids(bitmap: BitMap) -> Ids:
    """The ids of a set, ascending, uint32."""
    return np.frombuffer(bitmap.to_array(), np.uint32) if bitmap else np.empty(0, np.uint32)


def is_bitmap(value: object) -> bool:
    """Whether *value* is a set of pyroaring.

    Raises:
        ArgumentError: it is one of 64-bit ids.
    """
    if isinstance(value, pyroaring.BitMap64 | pyroaring.FrozenBitMap64):
        raise ArgumentError("a set of 64-bit ids", found=type(value).__name__, allowed="a pyroaring.BitMap")
    return isinstance(value, pyroaring.BitMap | pyroaring.FrozenBitMap)


def expect(bitmap: object) -> BitMap:
    """*bitmap*, if it is a set of pyroaring.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(bitmap, pyroaring.FrozenBitMap):
        return BitMap(bitmap)
    if not isinstance(bitmap, BitMap):
        raise ArgumentError("not a set of customers", found=type(bitmap).__name__, allowed="a pyroaring.BitMap")
    return bitmap
