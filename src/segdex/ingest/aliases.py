"""Keys of customers who were merged into others: each goes on to mean whoever they are now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import SegdexError
from segdex.ingest.arrays import is_text, plain, strings_of
from segdex.ingest.search import places_of
from segdex.ingest.to_numbers import integers
from segdex.values.column import MISSING, Ints


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Aliases:
    """Keys that mean other keys. Nothing is written in place.

    Attributes:
        dropped: the keys as text (7 and ``'7'`` are one key), each once, ascending by bytes.
        kept: the key that each means, which is none of *dropped*; shape as *dropped*.
    """

    dropped: pa.LargeStringArray
    kept: pa.LargeStringArray

    def __len__(self) -> int:
        return len(self.dropped)

    def meant(self, keys: pa.Array) -> pa.Array:
        """*keys* with those that mean other keys replaced by these; the same array where there are none.

        Text stays text; whole numbers become text only where they mean a key that is no number.
        """
        keys = plain(keys)
        texts = _texts(keys)
        if texts is None:
            return keys
        places = places_of(texts, self.dropped)
        if (places < 0).all():
            return keys
        found = pa.array(places, mask=places < 0)
        meant = pc.if_else(found.is_valid(), self.kept.take(found), texts)
        return meant if is_text(keys.type) else _whole(meant)

    def of(self, kept: Iterable[str]) -> list[str]:
        """The keys that mean one of *kept*."""
        found = pc.is_in(self.kept, value_set=pa.array(list(kept), pa.large_string()))
        names: list[str] = self.dropped.filter(found).to_pylist()
        return names

    def without(self, kept: Iterable[str]) -> Aliases | None:
        """These but for the keys that mean one of *kept*; None: no other is left."""
        found = pc.is_in(self.kept, value_set=pa.array(list(kept), pa.large_string()))
        left = self.dropped.filter(pc.invert(found))
        return Aliases(left, self.kept.filter(pc.invert(found))) if len(left) else None


def meant(keys: pa.Array, aliases: Aliases | None) -> tuple[pa.Array, Ints | None]:
    """Distinct keys that ascend, with those that mean one customer as one: which these are, again ascending, and which
    of them each was; None: all are as they were.
    """
    those = keys if aliases is None else aliases.meant(keys)
    if those is keys:
        return keys, None
    distinct = pc.unique(those)
    distinct = distinct.take(pc.array_sort_indices(distinct))
    return distinct, np.asarray(pc.index_in(those, value_set=distinct)).astype(np.int64)


def with_keys(aliases: Aliases | None, kept: str, dropped: Iterable[str]) -> Aliases:
    """*aliases*, and *dropped* mean *kept*, which is no alias; so does now what meant one of them."""
    held = {} if aliases is None else dict(zip(aliases.dropped.to_pylist(), aliases.kept.to_pylist(), strict=True))
    gone = dict.fromkeys(dropped, kept)
    return _of({**{each: gone.get(means, means) for each, means in held.items()}, **gone})


def _of(held: Mapping[str, str]) -> Aliases:
    names = sorted(held, key=str.encode)
    return Aliases(pa.array(names, pa.large_string()), pa.array([held[name] for name in names], pa.large_string()))


def _texts(keys: pa.Array) -> pa.LargeStringArray | None:
    """Keys as text, null for what can be none; None: none of them can."""
    if is_text(keys.type):
        return strings_of(keys)[0]
    types = pa.types
    if types.is_null(keys.type) or types.is_boolean(keys.type) or types.is_temporal(keys.type):
        return None
    try:
        whole = integers(keys).data
    except SegdexError:
        return None
    return pa.array(whole, pa.int64(), mask=whole == MISSING).cast(pa.large_string())


def _whole(texts: pa.LargeStringArray) -> pa.Array:
    """Texts as the integers that all of them are, or as they are."""
    try:
        whole = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return texts
    return whole if whole.cast(pa.large_string()).equals(texts) else texts
