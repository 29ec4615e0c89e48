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


@dataclasses.dataclass(frozen=True, slots=True)
class GrownKeys:
    """Keys over others; see `segdex.ingest.keys.AnyKeys`. Made by `grown` and `without`.

    Attributes:
        base: the keys that the index was built with.
        more: those that came since: dense id i of these is dense id ``len(base) + i``. Where there is text among the
            keys of either these are text, and so is every key that is given out.
        gone: the dense ids of *base* that were erased, ascending; such a key may be there again among *more*.
        aliases: see `AnyKeys`; *base* and *more* have none.
    """

    base: Keys
    more: Keys
    gone: Ints = dataclasses.field(default_factory=lambda: _NONE)
    aliases: Aliases | None = None

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    @property
    def parts(self) -> Sequence[Keys]:
        """See `AnyKeys`."""
        return (self.base, self.more)

    def take(self, ids: npt.ArrayLike) -> pa.Array:
        """The keys of dense ids, in their order, null where the customer was erased; shape (ids,)."""
        wanted = np.asarray(ids).astype(np.int64)
        late = wanted >= len(self.base)
        early = self.base.take(wanted[~late]).cast(self.more.values.type)
        if len(self.gone):
            early = pc.if_else(pa.array(~_among(wanted[~late], self.gone)), early, pa.scalar(None, early.type))
        if not late.any():
            return early
        whole = pa.concat_arrays([early, self.more.take(wanted[late] - len(self.base))])
        places = np.empty(len(wanted), np.int64)
        places[~late], places[late] = np.arange(len(early)), np.arange(len(early), len(wanted))
        return whole.take(pa.array(places))

    def lookup(self, values: pa.Array | pa.ChunkedArray | Iterable[Any]) -> Ints:
        """The dense ids of *values*, see `Keys.lookup`; the key of an erased customer is that of nobody."""
        array = as_array(values)
        if self.aliases is not None:
            array = self.aliases.meant(array)
        found = self.base.lookup(array)
        if len(self.gone):
            found[_among(found, self.gone)] = -1
        if len(self.more.values):
            late = self.more.lookup(array)
            found = np.where(late >= 0, late + len(self.base), found)
        return found


def grown(keys: AnyKeys, values: KeyValues) -> GrownKeys:
    """*keys* with new ones, which get the next dense ids in the order in which they come.

    The time it takes depends on *values* and on what came since the index was built, not on the rest.

    Args:
        keys: stay as they are.
        values: keys without doubles that nobody in *keys* has. Strings, even none, make strings of all keys.

    Raises:
        LimitError: there are more than dense ids can number.
    """
    held = _over(keys)
    if len(keys) + len(values) >= NO_KEY:
        raise LimitError("too many customers", found=f"{len(keys) + len(values):,}", allowed=f"{NO_KEY - 1:,}")
    more = held.more
    kind = pa.large_string() if pa.types.is_large_string(values.type) else more.values.type
    together = pa.concat_arrays([more.values.cast(kind), values.cast(kind)])
    ids = np.concatenate([_ids(more), len(more) + np.arange(len(values))])
    return dataclasses.replace(held, more=numbered(together, ids, len(more) + len(values)))


def without(keys: AnyKeys, ids: Ints) -> GrownKeys:
    """*keys* of which the customers with the dense ids *ids*, in any order, have none; other customers keep theirs."""
    held = _over(keys)
    split, more = len(held.base), held.more
    gone = np.union1d(held.gone, ids[ids < split]).astype(np.int64)
    numbers = _ids(more)
    kept = ~np.isin(numbers, ids[ids >= split] - split)
    if not kept.all():
        more = numbered(more.values.filter(pa.array(kept)), numbers[kept], len(more))
    return dataclasses.replace(held, more=more, gone=gone)


def under(keys: AnyKeys, aliases: Aliases | None) -> GrownKeys:
    """*keys* with other aliases."""
    return dataclasses.replace(_over(keys), aliases=aliases)


def settled(keys: AnyKeys) -> Keys:
    """The same keys with the same dense ids as one object, as a file holds them."""
    if isinstance(keys, Keys):
        return keys
    held = _over(keys)
    kind, numbers, values = held.more.values.type, _ids(held.base), held.base.values
    if len(held.gone):
        kept = ~_among(numbers, held.gone)
        numbers, values = numbers[kept], values.filter(pa.array(kept))
    together = pa.concat_arrays([values.cast(kind), held.more.values])
    made = numbered(together, np.concatenate([numbers, len(held.base) + _ids(held.more)]), len(held))
    return dataclasses.replace(made, aliases=held.aliases)


def _over(keys: AnyKeys) -> GrownKeys:
    if isinstance(keys, GrownKeys):
        return keys
    (base,) = keys.parts
    bare = base if base.aliases is None else dataclasses.replace(base, aliases=None)
    return GrownKeys(bare, Keys(base.values[:0]), aliases=keys.aliases)


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
