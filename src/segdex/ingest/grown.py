"""The keys of an index that has changed since it was built: those it was built with, and those that came since.

What was built is mapped and large, and stays as it is. What came since is small, and copied when more comes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import LimitError
from segdex.ingest.aliases import Aliases
from segdex.ingest.keys import NO_KEY, AnyKeys, Keys, KeyValues, Numbering, as_array
from segdex.values.column import Ints

_NONE = np.empty(0, np.int64)
_TIMES = 8
"""So many times as long as the next one is a part of what came since, and more."""


@dataclasses.dataclass(frozen=True, slots=True)
class GrownKeys:
    """Keys over others; see `segdex.ingest.keys.AnyKeys`. Made by `grown` and `without`.

    Attributes:
        base: the keys that the index was built with.
        kind: the type of every key that is given out: text, where there is text among the keys of any part.
        later: those that came since, in parts: the dense ids of each begin where those of the one before end. Each is
            more than eight times as long as the next, so that there are few, and what comes is sorted in few times.
        gone: the dense ids of *base* that were erased, ascending; such a key may be there again in *later*.
        aliases: see `AnyKeys`; the parts have none.
    """

    base: Keys
    kind: pa.DataType
    later: tuple[Keys, ...] = ()
    gone: Ints = dataclasses.field(default_factory=lambda: _NONE)
    aliases: Aliases | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def parts(self) -> Sequence[Keys]:
        """See `AnyKeys`."""
        return (self.base, *self.later)

    def take(self, ids: npt.ArrayLike) -> pa.Array:
        """The keys of dense ids, in their order, null where the customer was erased; shape (ids,)."""
        wanted = np.asarray(ids).astype(np.int64)
        starts = np.cumsum([0, *map(len, self.parts)])
        of = np.searchsorted(starts, wanted, "right") - 1
        pieces, places = [], []
        for number, part in enumerate(self.parts):
            here = np.flatnonzero(of == number)
            if len(here) or not number:
                pieces.append(self._taken(number, part, wanted[here] - starts[number]))
                places.append(here)
        if len(pieces) == 1:
            return pieces[0]
        back = np.empty(len(wanted), np.int64)
        back[np.concatenate(places)] = np.arange(len(wanted))
        return pa.concat_arrays(pieces).take(pa.array(back))

    def _taken(self, number: int, part: Keys, ids: Ints) -> pa.Array:
        keys = part.take(ids).cast(self.kind)
        if number or not len(self.gone):
            return keys
        return pc.if_else(pa.array(~_among(ids, self.gone)), keys, pa.scalar(None, keys.type))

    def lookup(self, values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> Ints:
        """The dense ids of *values*, see `Keys.lookup`; the key of an erased customer is that of nobody."""
        array = as_array(values)
        if self.aliases is not None:
            array = self.aliases.meant(array)
        found = self.base.lookup(array)
        if len(self.gone):
            found[_among(found, self.gone)] = -1
        start = len(self.base)
        for part in self.later:
            late = part.lookup(array)
            found = np.where(late >= 0, late + start, found)
            start += len(part)
        return found


def grown(keys: AnyKeys, values: KeyValues) -> GrownKeys:
    """*keys* with new ones, which get the next dense ids in the order in which they come.

    The time it takes depends on *values*, and a little on how many came since the index was built; not on the rest.

    Args:
        keys: stay as they are.
        values: keys without doubles that nobody in *keys* has. Strings, even none, make strings of all keys.

    Raises:
        LimitError: there are more than dense ids can number.
    """
    held = _over(keys)
    if len(keys) + len(values) >= NO_KEY:
        raise LimitError("too many customers", found=f"{len(keys) + len(values):,}", allowed=f"{NO_KEY - 1:,}")
    kind = pa.large_string() if pa.types.is_large_string(values.type) else held.kind
    later = list(held.later)
    if kind != held.kind:  # in the order of texts 10 comes before 7
        later = [numbered(part.values.cast(kind), _ids(part), len(part)) for part in later]
    if len(values):
        fresh = numbered(values.cast(kind), np.arange(len(values)), len(values))
        while later and len(later[-1]) <= _TIMES * len(fresh):
            fresh = _merged(later.pop(), fresh)
        later.append(fresh)
    return dataclasses.replace(held, kind=kind, later=tuple(later))


def _merged(first: Keys, then: Keys) -> Keys:
    """Two parts as one."""
    ids = np.concatenate([_ids(first), len(first) + _ids(then)])
    return numbered(pa.concat_arrays([first.values, then.values]), ids, len(first) + len(then))


def without(keys: AnyKeys, ids: Ints) -> GrownKeys:
    """*keys* of which the customers with the dense ids *ids*, in any order, have none; other customers keep theirs."""
    held = _over(keys)
    start, later = len(held.base), []
    gone = np.union1d(held.gone, ids[ids < start]).astype(np.int64)
    for part in held.later:
        numbers = _ids(part)
        kept = ~np.isin(numbers, ids - start)
        later.append(part if kept.all() else numbered(part.values.filter(pa.array(kept)), numbers[kept], len(part)))
        start += len(part)
    return dataclasses.replace(held, later=tuple(later), gone=gone)


def under(keys: AnyKeys, aliases: Aliases | None) -> GrownKeys:
    """*keys* with other aliases."""
    return dataclasses.replace(_over(keys), aliases=aliases)


def settled(keys: AnyKeys) -> Keys:
    """The same keys with the same dense ids as one object, as a file holds them."""
    if isinstance(keys, Keys):
        return keys
    held = _over(keys)
    numbers, values = _ids(held.base), held.base.values
    if len(held.gone):
        kept = ~_among(numbers, held.gone)
        numbers, values = numbers[kept], values.filter(pa.array(kept))
    starts = np.cumsum([0, *map(len, held.parts)])
    together = pa.concat_arrays([values.cast(held.kind), *(part.values.cast(held.kind) for part in held.later)])
    ids = [start + _ids(part) for start, part in zip(starts[1:], held.later, strict=False)]
    made = numbered(together, np.concatenate([numbers, *ids]), len(held))
    return dataclasses.replace(made, aliases=held.aliases)


def _over(keys: AnyKeys) -> GrownKeys:
    if isinstance(keys, GrownKeys):
        return keys
    (base,) = keys.parts
    bare = base if base.aliases is None else dataclasses.replace(base, aliases=None)
    return GrownKeys(bare, base.values.type, aliases=keys.aliases)


def _ids(keys: Keys) -> Ints:
    """The dense id of each key, keys ascending."""
    return np.arange(len(keys)) if keys.numbering is None else keys.numbering.ids.astype(np.int64)


def numbered(values: KeyValues, ids: Ints, count: int) -> Keys:
    """Keys in any order with their dense ids, of which there are *count*."""
    order = np.asarray(pc.array_sort_indices(values)).astype(np.int64)
    values, numbers = values.take(pa.array(order)), ids[order].astype(np.uint32)
    if len(numbers) == count and np.array_equal(numbers, np.arange(count)):
        return Keys(values)
    places = np.full(count, NO_KEY, np.uint32)
    places[numbers] = np.arange(len(numbers), dtype=np.uint32)
    return Keys(values, Numbering(numbers, places))


def _among(ids: Ints, held: Ints) -> npt.NDArray[np.bool_]:
    """Which of *ids* are in *held*, which ascends and is not empty."""
    places = np.minimum(np.searchsorted(held, ids), len(held) - 1)
    among: npt.NDArray[np.bool_] = held[places] == ids
    return among
