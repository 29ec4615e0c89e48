"""Portable Roaring and the hot form read the slow way: value by value, with nothing but integers."""

from __future__ import annotations

import struct
from itertools import pairwise

from segdex.bitmap.predicate import Predicate


class NotASetError(ValueError):
    """The bytes are not one well-formed set."""


def require(holds: bool) -> None:
    if not holds:
        raise NotASetError


class _Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int) -> int:
        """The next *size* bytes as one little-endian integer."""
        require(self.position + size <= len(self.data))
        self.position += size
        return int.from_bytes(self.data[self.position - size : self.position], "little")


def read(data: bytes) -> list[int]:
    """The ids of a set in portable Roaring bytes, ascending; exactly what the format specification says."""
    source = _Bytes(data)
    cookie = source.take(4)
    if cookie & 0xFFFF == 12347:
        size = (cookie >> 16) + 1
        flags = source.take((size + 7) // 8)
        located = size >= 4
    else:
        require(cookie == 12346)
        size, flags, located = source.take(4), 0, True
        require(size <= 65_536)
    described = [(source.take(2), source.take(2) + 1) for _ in range(size)]
    require(all(low < high for (low, _), (high, _) in pairwise(described)))
    offsets = [source.take(4) for _ in range(size)] if located else []
    ids: list[int] = []
    for number, (key, cardinality) in enumerate(described):
        require(not located or offsets[number] == source.position)
        values = _runs(source) if flags >> number & 1 else _plain(source, cardinality)
        require(len(values) == cardinality)
        ids += [65_536 * key + value for value in values]
    require(source.position == len(data))
    require(all(low < high for low, high in pairwise(ids)))
    return ids


def _plain(source: _Bytes, cardinality: int) -> list[int]:
    if cardinality <= 4096:
        return [source.take(2) for _ in range(cardinality)]
    return [64 * i + bit for i in range(1024) for word in [source.take(8)] for bit in range(64) if word >> bit & 1]


def _runs(source: _Bytes) -> list[int]:
    values: list[int] = []
    for _ in range(source.take(2)):
        start, more = source.take(2), source.take(2)
        require(not values or start > values[-1] + 1)
        require(start + more <= 65_535)
        values += range(start, start + more + 1)
    return values


def write(ids: list[int]) -> bytes:
    """Ids, ascending, as portable Roaring bytes without runs."""
    chunks: dict[int, list[int]] = {}
    for each in ids:
        chunks.setdefault(each >> 16, []).append(each & 0xFFFF)
    containers = []
    for values in chunks.values():
        if len(values) <= 4096:
            containers.append(struct.pack(f"<{len(values)}H", *values))
        else:
            containers.append(sum(1 << value for value in values).to_bytes(8192, "little"))
    parts = [struct.pack("<II", 12346, len(chunks))]
    parts += [struct.pack("<HH", key, len(values) - 1) for key, values in chunks.items()]
    offset = 8 + 8 * len(chunks)
    for container in containers:
        parts.append(struct.pack("<I", offset))
        offset += len(container)
    return b"".join(parts + containers)


def ids_of(predicate: Predicate) -> list[int]:
    """The ids of a predicate in hot form, with everything checked that its description says."""
    words = predicate.words.tolist()
    assert not words or predicate.words.ctypes.data % 64 == 0
    line = -(-predicate.chunks // 8)
    assert not any(words[predicate.chunks : 8 * line])
    ids: list[int] = []
    for chunk, entry in enumerate(words[: predicate.chunks]):
        cardinality, first = entry & 0xFFFFFF, entry >> 24
        assert first == line
        size = {0: 0, 65_536: 0}.get(cardinality, -(-cardinality // 4) if cardinality < 512 else 1024)
        line += -(-size // 8)
        container = sum(word << 64 * i for i, word in enumerate(words[8 * first : 8 * line]))
        if cardinality == 65_536:
            values = list(range(65_536))
        elif cardinality < 512:
            values = [container >> 16 * i & 0xFFFF for i in range(cardinality)]
            assert container >> 16 * cardinality == 0
            assert all(low < high for low, high in pairwise(values))
        else:
            values = [i for i, bit in enumerate(reversed(f"{container:b}")) if bit == "1"]
        assert len(values) == cardinality
        ids += [65_536 * chunk + value for value in values]
    assert 8 * line == len(words)
    return ids
