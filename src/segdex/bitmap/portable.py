"""Predicates in hot form to and from portable Roaring, the bytes that Roaring libraries exchange.

The format is the 32-bit one of https://github.com/RoaringBitmap/RoaringFormatSpec, little-endian throughout:

- a cookie: 12346 in 32 bits, then the number of containers in 32; or, where some are runs, 12347 in 16 bits, the
  number of containers - 1 in 16, and one bit a container that says whether it is runs;
- for each container its key (the chunk) and its cardinality - 1, 16 bits each, keys ascending;
- for each container where it starts in the bytes, 32 bits; left out after the cookie 12347 where there are fewer than
  four;
- the containers, one after another: an array of ascending 16-bit values up to 4,096, a bitset of 65,536 bits above;
  or runs: how many, then for each its first value and how many more follow, 16 bits each.

So all containers are whole 16-bit words, but after bits that say which are runs they may start at an odd byte.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.bitmap import kernels_dump, kernels_load
from segdex.bitmap.predicate import CHUNK, Ints, Predicate, chunks_of, unfilled
from segdex.errors import CorruptError

Octets: TypeAlias = npt.NDArray[np.uint8]
Shorts: TypeAlias = npt.NDArray[np.uint16]
Flags: TypeAlias = npt.NDArray[np.bool_]

MOST_ARRAY = 4096
"""A portable container of more values is a bitset."""
_BITSET_SHORTS = 4096
_COOKIE = 12346
_COOKIE_WITH_RUNS = 12347
_OFFSETS_FROM = 4  # after the cookie with runs, fewer containers than this have no offsets


# --- out ---------------------------------------------------------------------------------------------------------


def dump(predicate: Predicate, runs: bool = False) -> bytes:
    """A predicate as portable Roaring bytes.

    Args:
        predicate: the set.
        runs: write runs where they take fewer bytes than an array or a bitset would, as `runOptimize` of CRoaring and
            of Java does. Otherwise no container is runs.
    """
    keys = np.flatnonzero(predicate.cardinalities)
    cardinalities = predicate.cardinalities[keys]
    words, shorts = predicate.words, predicate.words.view(np.uint16)
    sizes = np.where(cardinalities <= MOST_ARRAY, cardinalities, _BITSET_SHORTS)
    as_runs = np.zeros(len(keys), np.bool_)
    if runs:
        counts = np.empty(len(keys), np.int64)
        kernels_dump.count_runs(words, shorts, keys, counts)
        as_runs = 1 + 2 * counts < sizes
        sizes = np.where(as_runs, 1 + 2 * counts, sizes)
    starts = np.cumsum(sizes) - sizes
    body = np.empty(int(sizes.sum()), np.uint16)
    kernels_dump.write_containers(words, shorts, keys, starts, as_runs, body)
    return b"".join((_header(keys, cardinalities, as_runs, starts), body.data))


def _header(keys: Ints, cardinalities: Ints, runs: Flags, starts: Ints) -> bytes:
    """Everything before the containers. *starts* count 16-bit words from the first container."""
    described = np.column_stack((keys, cardinalities - 1)).astype("<u2").tobytes()
    if runs.any():
        size = struct.pack("<HH", _COOKIE_WITH_RUNS, len(keys) - 1)
        before = size + np.packbits(runs, bitorder="little").tobytes() + described
    else:
        before = struct.pack("<II", _COOKIE, len(keys)) + described
    if runs.any() and len(keys) < _OFFSETS_FROM:
        return before
    return before + (len(before) + 4 * len(keys) + 2 * starts).astype("<u4").tobytes()


# --- in ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Containers:
    """Containers in portable form; each array but *body* has one item a container.

    Attributes:
        keys: the chunk.
        cardinalities: how many ids.
        runs: whether it is runs.
        starts: where it starts in the body.
        body: all containers, one after another.
    """

    keys: Ints
    cardinalities: Ints
    runs: Flags
    starts: Ints
    body: Shorts


def load(data: bytes | memoryview, count: int | None) -> Predicate:
    """A predicate from portable Roaring bytes, with runs or without.

    Args:
        data: the bytes of one set, and nothing else.
        count: how many dense ids there are; None allows all of 32 bits, in as many chunks as the set needs. A chunk
            takes up to 8 KiB, however few bytes its runs are: 512 MiB if all chunks are there.

    Raises:
        CorruptError: the bytes are not one well-formed set of ids below *count*.
    """
    found = _checked(data, count)
    needed = int(found.keys[-1]) + 1 if len(found.keys) else 0
    cardinalities = np.zeros(needed if count is None else chunks_of(count), np.int64)
    cardinalities[found.keys] = found.cardinalities
    words = unfilled(cardinalities)
    kernels_load.fill_containers(found.body, found.starts, found.runs, found.keys, words, words.view(np.uint16))
    words.flags.writeable = False
    return Predicate(words, len(cardinalities))


def check(data: bytes | memoryview, count: int | None) -> None:
    """Check that *data* is one well-formed set of ids below *count*, and nothing else.

    Raises:
        CorruptError: it is not.
    """
    _checked(data, count)


def _checked(data: bytes | memoryview, count: int | None) -> _Containers:
    found = _located(np.frombuffer(data, np.uint8))
    if not len(found.keys):
        return found
    problems = np.empty(len(found.keys), np.int64)
    kernels_load.check_containers(found.body, found.starts, found.cardinalities, found.runs, problems)
    if problems.any():
        _refuse_container(found, problems)
    greatest = int(found.keys[-1]) * CHUNK + _last_value(found)
    if count is not None and greatest >= count:
        raise CorruptError("an id is beyond the last customer", found=f"{greatest}", allowed=f"ids below {count}")
    return found


_PROBLEMS = {
    kernels_load.VALUES_OUT_OF_ORDER: "values are out of order",
    kernels_load.WRONG_BITSET: "the cardinality of a bitset is wrong",
    kernels_load.NO_RUNS: "a container has no runs",
    kernels_load.RUNS_OUT_OF_ORDER: "runs are out of order",
    kernels_load.WRONG_RUNS: "the cardinality of runs is wrong",
}


def _refuse_container(found: _Containers, problems: Ints) -> NoReturn:
    first = int(np.flatnonzero(problems)[0])
    raise CorruptError(
        _PROBLEMS[int(problems[first])],
        place=f"container {first} of {len(problems)}",
        found=f"a stated cardinality of {found.cardinalities[first]}",
    )


def _last_value(found: _Containers) -> int:
    """The greatest value of the last container."""
    last = found.body[int(found.starts[-1]) :].astype(np.int64)
    if found.runs[-1]:
        return int(last[-2] + last[-1])
    if len(last) == found.cardinalities[-1]:
        return int(last[-1])
    place = int(np.flatnonzero(last)[-1])
    return 16 * place + int(last[place]).bit_length() - 1


def _located(octets: Octets) -> _Containers:
    """Where everything is: all that can be said without looking into the containers."""
    runs, position, has_offsets = _cookie(octets)
    size = len(runs)
    described = _part(octets, position, 4 * size).view("<u2").reshape(size, 2).astype(np.int64)
    keys, cardinalities = described[:, 0].copy(), described[:, 1] + 1
    falls = np.flatnonzero(keys[1:] <= keys[:-1])
    if len(falls):
        raise CorruptError("chunks are out of order", found=f"chunk {keys[falls[0] + 1]} after {keys[falls[0]]}")
    position += 4 * size
    offsets = None
    if has_offsets:
        offsets = _part(octets, position, 4 * size).view("<u4").astype(np.int64)
        position += 4 * size
    body = _part(octets, position, (len(octets) - position) // 2 * 2).view("<u2")
    starts = np.zeros(size, np.int64)
    end = position + 2 * kernels_load.locate(body, cardinalities, runs, starts)
    if end > len(octets):
        raise _too_short(octets)
    if end < len(octets):
        raise CorruptError("bytes are left over", found=f"{len(octets)} bytes", allowed=f"{end}")
    if offsets is not None:
        _expect_offsets(offsets, position + 2 * starts)
    return _Containers(keys, cardinalities, runs, starts, body)


def _expect_offsets(offsets: Ints, right: Ints) -> None:
    wrong = np.flatnonzero(offsets != right)
    if len(wrong):
        place = f"container {wrong[0]} of {len(offsets)}"
        found, allowed = f"{offsets[wrong[0]]}", f"{right[wrong[0]]}"
        raise CorruptError("an offset is wrong", place=place, found=found, allowed=allowed)


def _cookie(octets: Octets) -> tuple[Flags, int, bool]:
    """Of each container whether it is runs; where what follows starts; and whether offsets are part of it."""
    (cookie,) = struct.unpack("<I", _part(octets, 0, 4).tobytes())
    if cookie & 0xFFFF == _COOKIE_WITH_RUNS:
        size = (cookie >> 16) + 1
        flags = _part(octets, 4, -(-size // 8))
        runs = np.unpackbits(flags, count=size, bitorder="little").astype(np.bool_)
        return runs, 4 + len(flags), size >= _OFFSETS_FROM
    if cookie != _COOKIE:
        raise CorruptError(
            "not a portable Roaring set of 32-bit ids",
            found=_foreign(octets, cookie),
            allowed=f"a cookie of {_COOKIE} or {_COOKIE_WITH_RUNS}",
        )
    (size,) = struct.unpack("<I", _part(octets, 4, 4).tobytes())
    if size > CHUNK:
        raise CorruptError("too many containers", found=f"{size}", allowed=f"up to {CHUNK}")
    return np.zeros(size, np.bool_), 8, True


def _foreign(octets: Octets, cookie: int) -> str:
    """What bytes with an unknown cookie are."""
    # A set of 64-bit ids is a count in 64 bits, then for each of its 32-bit sets a key in 32 bits and the set.
    inner = int(octets[12]) | int(octets[13]) << 8 if len(octets) >= 14 else 0
    return "a set of 64-bit ids" if inner in (_COOKIE, _COOKIE_WITH_RUNS) else f"a cookie of {cookie}"


def _part(octets: Octets, position: int, length: int) -> Octets:
    """Some of the bytes, starting where 32-bit words may start.

    Raises:
        CorruptError: there are not as many.
    """
    if position + length > len(octets):
        raise _too_short(octets)
    part = octets[position : position + length]
    return part if part.ctypes.data % 4 == 0 else part.copy()


def _too_short(octets: Octets) -> CorruptError:
    return CorruptError("the bytes end too early", found=f"{len(octets)} bytes")
