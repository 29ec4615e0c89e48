"""Arrow arrays as numpy ones: what every conversion begins with."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import SourceError
from segdex.values.column import Data, Ints, Mask

Bytes: TypeAlias = npt.NDArray[np.uint8]


_DECIMAL_BITS = 128


class Problem(NamedTuple):
    """Rows of one array that cannot be converted, and why; the reason never quotes a value."""

    rows: Ints
    reason: str


class Converted(NamedTuple):
    """One array in its physical form; the rows of *problems* are missing in it."""

    data: Data
    problems: list[Problem]


def plain(array: pa.Array) -> pa.Array:
    """*array* without encodings: dictionaries and runs are written out, of an extension type its storage is taken.

    Narrow decimals, of which Arrow knows little more than how to widen them, are widened.
    """
    while True:
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            array = array.storage
        elif pa.types.is_dictionary(kind):
            array = _decoded(array)
        elif pa.types.is_run_end_encoded(kind):
            array = pc.run_end_decode(array)
        elif is_decimal(kind) and kind.bit_width < _DECIMAL_BITS:
            array = array.cast(pa.decimal128(kind.precision, kind.scale))
        else:
            return array


def _decoded(array: pa.DictionaryArray) -> pa.Array:
    values = array.dictionary
    if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_binary())  # Arrow cannot take from views
    return pa.DictionaryArray.from_arrays(array.indices, values).dictionary_decode()


def known_of(array: pa.Array) -> Mask:
    """Which items are not null."""
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    known: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return known


def numbers_of(array: pa.Array) -> npt.NDArray[Any]:
    """The items of an array of numbers or booleans, in its own width; nulls are 0."""
    if array.null_count:
        array = pc.fill_null(array, False if pa.types.is_boolean(array.type) else 0)
    items: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return items


def is_text(kind: pa.DataType) -> bool:
    """Whether the type holds text; binary columns do, in files of writers that do not mark their strings."""
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
        or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    )  # fmt: skip


def is_decimal(kind: pa.DataType) -> bool:
    """Whether the type is an exact decimal of any width."""
    return bool(pa.types.is_decimal(kind))


def strings_of(array: pa.Array) -> tuple[pa.LargeStringArray, list[Problem]]:
    """An array of text as large strings; what is not UTF-8 becomes null and a problem."""
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_binary())
    strings = _unchecked(array)
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        bad = np.array([row for row in range(len(strings)) if not _is_utf8(array[row])], np.int64)
        known = known_of(strings)
        known[bad] = False
        valid = pc.if_else(pa.array(known), array.cast(pa.large_binary()), pa.scalar(None, pa.large_binary()))
        return _unchecked(valid), [Problem(bad, "text that is not UTF-8")]
    return strings, []


def _unchecked(array: pa.Array) -> pa.LargeStringArray:
    """Text or binary as large strings, the bytes shared and not looked at."""
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        array = array.view(pa.binary()).cast(pa.large_binary())
    return array.view(pa.large_string())


def _is_utf8(item: pa.Scalar) -> bool:
    held = item.cast(pa.binary()).as_py()
    try:
        return held is None or held.decode() is not None
    except UnicodeDecodeError:
        return False


def text_buffers(strings: pa.LargeStringArray) -> tuple[Ints, Bytes, Mask]:
    """The offsets into the bytes, the bytes, and which strings are known, as kernels take them."""
    return *text_bytes(strings), known_of(strings)


def text_bytes(strings: pa.LargeStringArray) -> tuple[Ints, Bytes]:
    """The offsets into the bytes, and the bytes."""
    _, offsets, data = strings.buffers()
    if len(strings) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    starts = np.frombuffer(offsets, np.int64, strings.offset + len(strings) + 1)[strings.offset :]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return starts, held


def rows_where(mask: Mask) -> Ints:
    """The positions at which *mask* holds."""
    return np.flatnonzero(mask).astype(np.int64, copy=False)


def problems_of(*pairs: tuple[Mask, str]) -> list[Problem]:
    """One problem for each mask that holds anywhere."""
    return [Problem(rows_where(mask), reason) for mask, reason in pairs if mask.any()]


def unfit(array: pa.Array, what: str, allowed: str) -> SourceError:
    """The error of a column whose type can never be *what*; its place is put before it by who reads the table."""
    return SourceError(f"this column cannot be read as {what}", found=f"a column of {array.type}", allowed=allowed)
