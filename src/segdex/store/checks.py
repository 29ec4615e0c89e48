"""What must hold of arrays from a file before a kernel may touch them.

Checksums find what decayed; these find what was written wrong, by mistake or on purpose. Each check reads its array
once and raises `CorruptError`; *place* names file and section.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import CorruptError
from segdex.ingest.keys import NO_KEY
from segdex.schema.types import ValueType
from segdex.values.column import BOOLEANS, Ints
from segdex.values.dictionaries import DECLARED

_CODED = {"category", "tags", "text", "bool"}


def expect(holds: bool, problem: str, place: str, found: object = None, allowed: object = None) -> None:
    """Raise `CorruptError` unless *holds*."""
    if not holds:
        parts = {"found": found, "allowed": allowed}
        raise CorruptError(
            problem, place=place, **{key: str(value) for key, value in parts.items() if value is not None}
        )


def length(values: npt.NDArray[Any], expected: int, place: str) -> None:
    """*values* has *expected* items."""
    expect(len(values) == expected, "wrong number of items", place, len(values), expected)


def offsets(values: Ints, count: int, last: int, place: str) -> None:
    """*values* cuts *last* items into *count* parts: it starts at 0, never falls, and ends at *last*."""
    length(values, count + 1, place)
    expect(int(values[0]) == 0, "offsets do not start at 0", place, values[0])
    expect(int(values[-1]) == last, "offsets do not end at the last item", place, values[-1], last)
    expect(not bool((values[1:] < values[:-1]).any()), "offsets fall", place)


def codes(values: npt.NDArray[np.int32], size: int, place: str) -> None:
    """Every code is -1 or the position of one of *size* strings."""
    if len(values):
        low, high = int(values.min()), int(values.max())
        expect(low >= -1 and high < size, "a code is out of range", place, f"{low} to {high}", f"-1 to {size - 1}")


def tags(values: npt.NDArray[np.int32], ends: Ints, place: str) -> None:
    """Within an item codes ascend, and -1 stands alone. Codes and offsets were checked before."""
    firsts = np.zeros(len(values) + 1, np.bool_)
    firsts[ends] = True
    rises = values[1:] > values[:-1]
    expect(bool((rises | firsts[1:-1]).all()), "tags of an item are out of order", place)
    alone = firsts[:-1] & firsts[1:]
    expect(bool((alone | (values != -1)).all()), "an item is missing and has tags too", place)


def dense_ids(values: npt.NDArray[np.uint32], ends: Ints, customers: int, place: str) -> None:
    """Every id is below *customers*, and ids ascend between two offsets."""
    if len(values):
        high = int(values.max())
        expect(high < customers, "a dense id is out of range", place, high, f"0 to {customers - 1}")
        firsts = np.zeros(len(values) + 1, np.bool_)
        firsts[ends] = True
        rises = values[1:] > values[:-1]
        expect(bool((rises | firsts[1:-1]).all()), "dense ids of a category are out of order", place)


def inverses(ids: npt.NDArray[np.uint32], places: npt.NDArray[np.uint32], place: str) -> None:
    """Each of two arrays undoes the other; of *places*, which may be longer, the rest is `NO_KEY`."""
    if len(ids):
        high = int(ids.max())
        expect(high < len(places), "a dense id is out of range", place, high, f"0 to {len(places) - 1}")
        # What is undone came once: two keys with one dense id have one place, and it is not that of both.
        undone = bool((places[ids] == np.arange(len(ids), dtype=np.uint32)).all())
        expect(undone, "a dense id is there twice, or not where its place says", place)
    without = int(np.count_nonzero(places == NO_KEY))
    expect(without == len(places) - len(ids), "dense ids without a key", place, without, len(places) - len(ids))


def truths(values: npt.NDArray[np.bool_], place: str) -> None:
    """Every byte is 0 or 1: numpy and kernels count bytes."""
    expect(not len(values) or int(values.view(np.uint8).max()) <= 1, "a truth value is neither 0 nor 1", place)


def places(degrees: npt.NDArray[np.float64], place: str) -> None:
    """Latitudes and longitudes by turns are in range, and missing together."""
    latitudes, longitudes = degrees[::2], degrees[1::2]
    halves = np.isnan(latitudes) != np.isnan(longitudes)
    expect(not bool(halves.any()), "a place with one of latitude and longitude", place)
    outside = (np.abs(latitudes) > 90.0) | (np.abs(longitudes) > 180.0)
    expect(not bool(outside.any()), "a place is not on the Earth", place)


def strings(values: pa.LargeStringArray, place: str) -> None:
    """Every string is UTF-8. Offsets were checked before."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorruptError("strings are not UTF-8", place=place, found=str(error)[:200]) from None


def ascending(values: pa.Array, place: str) -> None:
    """Every value is greater than the one before, strings by bytes."""
    if len(values) > 1:
        rises = pc.all(pc.less(values[:-1], values[1:])).as_py()
        expect(rises, "values are out of order or there twice", place)


def dictionary(values: pa.LargeStringArray, kind: ValueType, place: str) -> None:
    """The strings of a coded column are distinct and in the order that its type asks for."""
    if kind.kind == "bool":
        expect(values.equals(BOOLEANS), "booleans have other labels", place, len(values), "false, true")
    elif kind.role in DECLARED:
        distinct = pc.count_distinct(values).as_py()
        expect(distinct == len(values), "a label is there twice", place, distinct, len(values))
    else:
        ascending(values, place)


def form(kind: ValueType, dtype: str, coded: bool, tagged: bool, place: str) -> None:
    """The physical form is one that the type may have, see `segdex.values.column`."""
    if kind.kind == "number":
        allowed = ["i8"] if kind.scale is not None else ["f8"]
    elif kind.kind == "id":
        allowed = ["i4", "i8"]
    elif kind.kind == "geo":
        allowed = ["c16"]
    else:
        allowed = ["i4"] if kind.kind in _CODED else ["i8"]
    expect(dtype in allowed, f"a {kind.kind} in another form", place, dtype, " or ".join(allowed))
    expect(coded == (dtype == "i4"), "codes and their strings do not go together", place)
    expect(tagged == (kind.kind == "tags"), "tags and their offsets do not go together", place)
