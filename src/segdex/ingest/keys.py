"""Customers' keys and their dense ids, both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import ArgumentError, SourceError
from segdex.forks import Once
from segdex.ingest import kernels
from segdex.ingest.aliases import Aliases
from segdex.ingest.arrays import is_text, known_of, numbers_of, plain, strings_of, text_buffers
from segdex.ingest.search import firsts_of, places_of, wants_firsts
from segdex.ingest.to_numbers import LARGEST, integers
from segdex.values.column import MISSING, Ints, Mask

KeyValues: TypeAlias = pa.Int64Array | pa.LargeStringArray

NO_KEY = 0xFFFFFFFF
"""Stands in place of a key's position for a dense id whose customer was erased."""
_MOST_BITS = 8192
"""Python refuses to write out a number of more than some thousand digits."""
_CANONICAL = "^(0|-?[1-9][0-9]{0,18})$"


@dataclasses.dataclass(frozen=True, slots=True)
class Numbering:
    """Dense ids that do not follow the keys, and back. A dense id whose customer was erased has no key.

    Attributes:
        ids: the dense id of each key, keys ascending; uint32, shape (keys,).
        places: the position of each dense id's key among the ascending keys, `NO_KEY` where it has none; uint32, shape
            (dense ids,).
    """

    ids: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, places: Ints) -> Numbering | None:
        """The numbering that gives dense id i to the key at position ``places[i]``; each position comes once.

        None where that is the order of keys.
        """
        if np.array_equal(places, np.arange(len(places))):
            return None
        ids = np.empty(len(places), np.uint32)
        ids[places] = np.arange(len(places), dtype=np.uint32)
        return cls(ids, places.astype(np.uint32))


class AnyKeys(Protocol):
    """The keys of an index, as those see it that ask: `Keys`, or `GrownKeys` of one that has changed since."""

    @property
    def aliases(self) -> Aliases | None:
        """Keys that mean other keys, for `lookup` alone; None: there are none."""
        ...

    def __len__(self) -> int:
        """How many dense ids there are, erased customers included."""
        ...

    @property
    def parts(self) -> Sequence[Keys]:
        """The same keys in parts: the dense ids of each begin where those of the one before end."""
        ...

    def take(self, ids: npt.ArrayLike) -> pa.Array:
        """The keys of dense ids, in their order, null where the customer was erased; shape (ids,)."""
        ...

    def lookup(self, values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> Ints:
        """The dense ids of *values*, see `Keys.lookup`."""
        ...


@dataclasses.dataclass(frozen=True)
class Keys:
    """The keys and their dense ids. Keys are held ascending (integers by value, strings by bytes), to be searched.

    Attributes:
        values: an ``int64`` or ``large_string`` array without nulls or duplicates, ascending.
        numbering: which dense id each has; None: its position.
        aliases: see `AnyKeys`.
    """

    values: KeyValues
    numbering: Numbering | None = None
    aliases: Aliases | None = None

    def __len__(self) -> int:
        return len(self.values) if self.numbering is None else len(self.numbering.places)

    @property
    def erased(self) -> int:
        """How many dense ids have no key."""
        return len(self) - len(self.values)

    @property
    def parts(self) -> Sequence[Keys]:
        """See `AnyKeys`."""
        return (self,)

    def take(self, ids: npt.ArrayLike) -> pa.Array:
        """The keys of dense ids, in their order, null where the customer was erased; shape (ids,)."""
        wanted = np.asarray(ids)
        if self.numbering is None:
            return self.values.take(pa.array(wanted))
        places = self.numbering.places[wanted]
        return self.values.take(pa.array(places, mask=places == NO_KEY) if self.erased else pa.array(places))

    def lookup(self, values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> Ints:
        """The dense ids of *values*, int64 of their shape, -1 for null and for keys that no customer has.

        7 and ``'7'`` are one key, whichever of them the index holds; ``'007'`` is another. A key that means another one
        has the dense id of that.

        Raises:
            ArgumentError: the values are neither text nor whole numbers.
        """
        array = as_array(values)
        found = self._positions(array if self.aliases is None else self.aliases.meant(array))
        if self.numbering is None or not len(self.values):
            return found
        return np.where(found < 0, np.int64(-1), self.numbering.ids[found])

    def _positions(self, array: pa.Array) -> Ints:
        """Where the keys in *array* stand among the ascending ones."""
        array = plain(array)
        if is_text(array.type):
            strings, _ = strings_of(array)
            return self._of_texts(strings)
        if pa.types.is_null(array.type):
            return np.full(len(array), -1, np.int64)
        if pa.types.is_boolean(array.type) or pa.types.is_temporal(array.type):
            raise _no_keys(str(array.type))
        try:
            whole = integers(array).data
        except SourceError:
            raise _no_keys(str(array.type)) from None
        return self._of_integers(whole.astype(np.int64, copy=False), whole != MISSING)

    def _of_texts(self, strings: pa.LargeStringArray) -> Ints:
        if pa.types.is_int64(self.values.type):
            return self._of_integers(*_canonical(strings))
        return places_of(strings, self.values, self._firsts if wants_firsts(strings, self.values) else None)

    @Once
    def _firsts(self) -> pa.LargeStringArray:
        """A table of contents, made for who asks for many keys."""
        return firsts_of(self.values)

    def _of_integers(self, whole: Ints, known: Mask) -> Ints:
        if not pa.types.is_int64(self.values.type):
            return self._of_texts(pa.array(whole, mask=~known).cast(pa.large_string()))
        ids = np.empty(len(whole), np.int64)
        kernels.search_integers(numbers_of(self.values), whole, known, ids)
        return ids


def _canonical(strings: pa.LargeStringArray) -> tuple[Ints, Mask]:
    """The integers that strings stand for, and which of them stand for one as it is usually written."""
    offsets, data, known = text_buffers(strings)
    whole, statuses = np.empty(len(strings), np.int64), np.empty(len(strings), np.int8)
    kernels.parse_decimals(offsets, data, known, 0, whole, statuses)
    usual = known_of(strings) & numbers_of(pc.match_substring_regex(strings, _CANONICAL))
    return whole, usual & (statuses == kernels.EXACT)


def unknown(array: pa.Array, found: Ints) -> tuple[int, int]:
    """How many of the keys in *array* no customer has, given their dense ids *found*, and how many are null."""
    array = plain(array)
    null = array.null_count
    if pa.types.is_floating(array.type):
        null = int(np.count_nonzero(~known_of(array) | np.isnan(numbers_of(array))))
    return int(np.count_nonzero(found < 0)) - null, null


def as_array(values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> pa.Array:
    """Keys as one Arrow array; a key that none can be is null.

    Raises:
        ArgumentError: these are no keys.
    """
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, pa.ChunkedArray):
        return _combined(values)
    if isinstance(values, np.ndarray) or hasattr(values, "__arrow_array__"):
        return _converted(pa.array, values)
    if hasattr(values, "__arrow_c_stream__"):
        return _converted(lambda stream: _combined(pa.chunked_array(stream)), values)
    if isinstance(values, str | bytes | bytearray | memoryview) or not isinstance(values, Iterable):
        raise _no_keys(type(values).__name__)
    items = list(values)
    if any(isinstance(item, bool) or not isinstance(item, str | int | np.integer | None) for item in items):
        raise _no_keys("other values among them")
    if any(isinstance(item, str) or (item is not None and abs(int(item)) > LARGEST) for item in items):
        return pa.array([None if item is None else _text(item) for item in items], pa.large_string())
    return _converted(pa.array, [None if item is None else int(item) for item in items])


def key_array(values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> pa.LargeStringArray:
    """Keys as text, 7 as ``'7'``; a key that none can be is null.

    Raises:
        ArgumentError: these are no keys.
    """
    array = plain(as_array(values))
    if is_text(array.type):
        return strings_of(array)[0]
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.large_string())
    try:
        whole = None if pa.types.is_boolean(array.type) or pa.types.is_temporal(array.type) else integers(array).data
    except SourceError:
        whole = None
    if whole is None:
        raise _no_keys(str(array.type))
    return pa.array(whole, pa.int64(), mask=whole == MISSING).cast(pa.large_string())


def _combined(chunks: pa.ChunkedArray) -> pa.Array:
    """All chunks as one array; an empty one at an offset, as slices have it, cannot be joined in Arrow 26."""
    return pa.chunked_array([chunk for chunk in chunks.chunks if len(chunk)], chunks.type).combine_chunks()


def _text(key: str | int | np.integer[Any]) -> str | None:
    """A key as text; None, a key that nobody has, where it is too long a number or holds half a surrogate pair."""
    if not isinstance(key, str):
        return str(key) if int(key).bit_length() <= _MOST_BITS else None
    return None if any("\ud800" <= character <= "\udfff" for character in key) else str(key)


def _converted(convert: Callable[[Any], pa.Array], values: Any) -> pa.Array:
    try:
        return convert(values)
    except Exception:  # whatever a foreign object raises may quote the keys
        raise _no_keys(type(values).__name__) from None


def _no_keys(found: str) -> ArgumentError:
    return ArgumentError("these are no keys", found=found, allowed="strings or whole numbers")
