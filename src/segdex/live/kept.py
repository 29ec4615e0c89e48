"""What a snapshot keeps of an index beside its generation: offsets, whom it must not know, and the feed of changes."""

from __future__ import annotations

import msgspec

from segdex.errors import CorruptError
from segdex.live.erased import HASH_BYTES, SALT_BYTES, Erased
from segdex.live.feed import Feed
from segdex.live.records import Entry, check_order
from segdex.store.container import Natural
from segdex.values.column import MISSING


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``live`` of a file, as MessagePack.

    Attributes:
        offsets: the position after the last batch that was taken in, by source.
        salt: of the hashes.
        hashes: those of erased keys, one after another, ascending.
        since: the generation that the first entry of the feed follows.
        feed: one entry a generation.
    """

    offsets: dict[str, Natural]
    salt: bytes
    hashes: bytes
    since: Natural
    feed: tuple[Entry, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Kept)


def to_bytes(offsets: dict[str, int], erased: Erased, feed: Feed) -> bytes:
    """The section."""
    return _encoder.encode(Kept(offsets, erased.salt, b"".join(sorted(erased.hashes)), feed.since, feed.entries))


def from_bytes(data: bytes, generation: int, place: str) -> tuple[dict[str, int], Erased, Feed]:
    """What the section says; where it is empty, what an index has that never changed.

    Raises:
        CorruptError: it is damaged; *place* says where it is.
    """
    if not data:
        return {}, Erased(), Feed(generation)
    try:
        kept = _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        raise CorruptError("unreadable", place=place, found=str(error)) from None
    if len(kept.salt) != SALT_BYTES or len(kept.hashes) % HASH_BYTES:
        raise CorruptError("unreadable", place=place, found=f"{len(kept.salt)} and {len(kept.hashes)} bytes of hashes")
    check_order(kept.feed, kept.since, MISSING, place, gaps=True)
    if max([kept.since, *(entry.generation for entry in kept.feed)]) > generation:
        raise CorruptError("changes of a later generation", place=place, allowed=f"generation {generation}")
    hashes = {kept.hashes[at : at + HASH_BYTES] for at in range(0, len(kept.hashes), HASH_BYTES)}
    return kept.offsets, Erased(kept.salt, frozenset(hashes)), Feed.of(kept.since, kept.feed)


def begun(generation: int, offsets: dict[str, int], erased: Erased) -> bytes:
    """The section of a new index."""
    return to_bytes(offsets, erased, Feed(generation))
