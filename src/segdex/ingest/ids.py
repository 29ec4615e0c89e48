"""Identifiers, in which 7 and ``'7'`` are one: columns of type id, units, and the keys of all sources together.

Text with a type (Parquet, Arrow) stays text. Text of a CSV file has no type: it follows the other sources, and where
there is no text with a type, it stands for integers if every single one is an integer as usually written. So
``007`` keeps its zeros, and makes strings of the whole column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.ingest.arrays import Converted, Problem, is_decimal, is_text, plain, unfit
from segdex.ingest.memo import Integers, Texts
from segdex.ingest.texts import ranked, whole_numbers
from segdex.ingest.to_numbers import integers
from segdex.ingest.to_texts import encode
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column, Data, Ints, Mask

MOST_KEYS = 0xFFFFFFFF
"""How many customers there may be: dense ids are unsigned 32-bit."""
NOBODY = 0xFFFFFFFF
"""Stands in place of a key's number where a row has no key."""
_ALLOWED = "text, integers, whole floats, decimals without fraction, dictionaries of these"


class Merged(NamedTuple):
    """Distinct identifiers of both kinds as one.

    Attributes:
        values: ``int64`` or ``large_string``, ascending, without duplicates.
        of_integers: the position in *values* of each integer.
        of_texts: the position in *values* of each text.
    """

    values: pa.Int64Array | pa.LargeStringArray
    of_integers: Ints
    of_texts: Ints


def merge(whole: Ints, texts: pa.LargeStringArray, typed: bool) -> Merged:
    """Bring distinct integers and distinct texts together; *typed*: among the texts are some with a type."""
    numbers = None if typed else whole_numbers(texts)
    if numbers is None:
        strings = pa.concat_arrays([pa.array(whole, pa.int64()).cast(pa.large_string()), texts])
        values, ranks = ranked(strings)
        return Merged(values, ranks[: len(whole)], ranks[len(whole) :])
    distinct, ranks = np.unique(np.concatenate([whole, numbers]), return_inverse=True)
    return Merged(pa.array(distinct, pa.int64()), ranks[: len(whole)], ranks[len(whole) :])


def as_identifiers(array: pa.Array, texts: Texts, what: str) -> tuple[bool, Converted]:
    """Whether the identifiers are text, and either the numbers of the texts (-1 missing) or the integers.

    Raises:
        SourceError: the type holds no identifiers.
    """
    if not pa.types.is_dictionary(array.type):
        array = plain(array)
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if is_text(kind):
        return True, encode(array, texts, what)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or is_decimal(kind) or pa.types.is_null(kind):
        return False, integers(array)  # writes a dictionary out
    raise unfit(array, what, _ALLOWED)


class Ids:
    """A column of type id: int64 where every row has an integer, else codes.

    Args:
        kind: the type of the column.
        any_type: dates, times and booleans are taken too, as their text: what makes a unit only has to be equal.
    """

    def __init__(self, kind: ValueType, any_type: bool = False) -> None:
        self._type = kind
        self._any_type = any_type
        self._texts = Texts()
        self._typed = False
        self._parts: list[tuple[bool, Data]] = []

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:
        """See `Gatherer`."""
        if self._any_type and (pa.types.is_temporal(array.type) or pa.types.is_boolean(array.type)):
            array = array.cast(pa.large_string())
        text, converted = as_identifiers(array, self._texts, "an identifier")
        self._typed |= text and not untyped
        # A text's number fits 32 bits, an integer may not.
        data = converted.data.astype(np.int32) if text else converted.data
        self._parts.append((text, data))
        return converted.problems

    def finish(self) -> Column:
        """See `FieldGatherer`."""
        if not any(text for text, _ in self._parts):
            return Column(self._type, _joined([data for _, data in self._parts], np.int64))
        merged, whole = self._merged()
        strings = pa.types.is_large_string(merged.values.type)
        table = np.append(merged.of_texts, -1)
        if not strings:
            table = np.append(np.asarray(merged.values)[merged.of_texts], MISSING)
        parts: list[Data] = []
        for text, data in self._parts:
            if text:
                parts.append(table[data])
            elif strings:
                places = np.where(data == MISSING, len(whole), np.searchsorted(whole, data))
                parts.append(np.append(merged.of_integers, -1)[places])
            else:
                parts.append(data)
        self._parts = []
        if strings:
            return Column(self._type, _joined(parts, np.int32), merged.values)
        return Column(self._type, _joined(parts, np.int64))

    def _merged(self) -> tuple[Merged, Ints]:
        """Everything distinct as one, and the distinct integers ascending."""
        distinct = [np.unique(data[data != MISSING]) for text, data in self._parts if not text]
        whole = np.unique(np.concatenate([np.empty(0, np.int64), *distinct]))
        return merge(whole, self._texts.values(), self._typed), whole


class KeySpace:
    """The keys of all sources, numbered as they come; who belongs to the universe is settled at the end."""

    def __init__(self) -> None:
        self.integers = Integers(MOST_KEYS)
        self.texts = Texts(MOST_KEYS)


class KeyColumn:
    """The keys of the rows of one source.

    Attributes:
        parts: for each array whether its keys are text, and their numbers in the key space, `NOBODY` for null.
        typed: for each array whether its keys are text with a type.
    """

    def __init__(self, space: KeySpace) -> None:
        self._space = space
        self.parts: list[tuple[bool, npt.NDArray[np.uint32]]] = []
        self.typed: list[bool] = []

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:
        """See `Gatherer`."""
        text, converted = as_identifiers(array, self._space.texts, "a key")
        codes = converted.data
        if not text:
            codes = self._space.integers.add(codes, codes != MISSING)  # type: ignore[arg-type]
        self.parts.append((text, codes.astype(np.uint32)))  # -1 becomes NOBODY
        self.typed.append(text and not untyped)
        return converted.problems

    def known(self) -> Mask:
        """Which rows of the last array have a key."""
        known: Mask = self.parts[-1][1] != NOBODY
        return known


def _joined(parts: list[Data], dtype: type[np.generic]) -> Data:
    return np.concatenate([np.empty(0, dtype), *(part.astype(dtype, copy=False) for part in parts)])
