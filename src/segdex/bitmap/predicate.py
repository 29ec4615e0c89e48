"""A predicate: one set of customers in the form that it is stored, mapped and computed on, its *hot form*.

Dense ids are cut into chunks of 65,536. A predicate is one run of little-endian 64-bit words, aligned to 64 bytes:

- a directory, one word a chunk: the cardinality in the low 24 bits, above them where the chunk's container starts, in
  lines of 64 bytes from the predicate's first word; zeros up to the next line;
- the containers, each starting on a line of its own and filled up with zeros.

The cardinality alone says what a container is: none for 0 (an *empty* chunk) and for 65,536 (a *full* one), an *array*
of ascending 16-bit values up to 511, and a *bitset* of 1,024 words above. So a directory can be out of bounds, but
it cannot contradict itself. Arrays end at 511 and not at Roaring's 4,096: an AND of two bitsets takes 75 ns whatever
they hold, while each value of an array costs one to two.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.bitmap import kernels_build, kernels_rows
from segdex.errors import CorruptError
from segdex.forks import Once

Words: TypeAlias = npt.NDArray[np.uint64]
Ints: TypeAlias = npt.NDArray[np.int64]
Ids: TypeAlias = npt.NDArray[np.uint32]

CHUNK = 65_536
"""Ids in a chunk."""
MOST_ARRAY = 511
"""A container of more values is a bitset."""
LINE_WORDS = 8
"""Words in a line, of 64 bytes: a container starts on one."""
CARDINALITY_BITS = 24
_CARDINALITY = (1 << CARDINALITY_BITS) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Predicate:
    """A set of dense ids in hot form.

    Attributes:
        words: directory and containers, see the module; not to be changed.
        chunks: how many chunks the directory has.
    """

    words: Words
    chunks: int

    @Once
    def cardinalities(self) -> Ints:
        """How many ids each chunk has, int64, shape (chunks,)."""
        return (self.words[: self.chunks] & np.uint64(_CARDINALITY)).astype(np.int64)

    @Once
    def cardinality(self) -> int:
        """How many ids there are."""
        return int(self.cardinalities.sum())

    @Once
    def occupied(self) -> int:
        """How many chunks have an id."""
        return int(np.count_nonzero(self.cardinalities))

    @property
    def payload_bytes(self) -> int:
        """How many bytes the containers take."""
        return int(self.words.nbytes) - 8 * -(-self.chunks // LINE_WORDS) * LINE_WORDS

    @Once
    def address(self) -> int:
        """Where the words are in memory; good as long as this object lives."""
        return int(self.words.ctypes.data)

    def __len__(self) -> int:
        return self.cardinality

    def __repr__(self) -> str:
        return f"<segdex.bitmap Predicate of {self.cardinality:,} ids in {self.chunks} chunks>"


def chunks_of(count: int) -> int:
    """How many chunks *count* ids have."""
    return -(-count // CHUNK)


def from_codes(codes: npt.NDArray[np.int32], ids: Ids, labels: int, count: int) -> list[Predicate]:
    """One predicate for each code below *labels*.

    Args:
        codes: int32, shape (items,); a negative code is nobody's.
        ids: the dense id of each item, ascending within a code, shape (items,).
        labels: how many predicates to make.
        count: how many dense ids there are.
    """
    chunks = chunks_of(count)
    cardinalities = np.zeros(labels * chunks, np.int64)
    kernels_build.count_codes(ids, codes, chunks, cardinalities)
    words, starts = _laid_out(cardinalities.reshape(labels, chunks))
    kernels_build.fill_codes(ids, codes, chunks, starts, np.zeros(labels * chunks, np.int64), words)
    bounds = [*starts.tolist(), len(words)]
    return [Predicate(_sealed(words[start:end]), chunks) for start, end in itertools.pairwise(bounds)]


def from_words(bits: Words, count: int) -> Predicate:
    """A predicate from one bit an id: bit i of word w is id 64 w + i; bits from *count* on are zeros."""
    cardinalities = np.zeros(chunks_of(count), np.int64)
    kernels_build.count_words(bits, cardinalities)
    words = unfilled(cardinalities)
    kernels_build.fill_words(bits, len(cardinalities), words)
    return Predicate(_sealed(words), len(cardinalities))


def from_mask(mask: npt.NDArray[np.bool_]) -> Predicate:
    """The ids where *mask* is true."""
    return from_words(mask_words(mask), len(mask))


def mask_words(mask: npt.NDArray[np.bool_]) -> Words:
    """A mask as one bit an id, in as many words as that takes."""
    octets = np.packbits(mask, bitorder="little")
    padded = np.zeros(-(-len(octets) // 8) * 8, np.uint8)
    padded[: len(octets)] = octets
    return padded.view(np.uint64)


def from_ids(ids: npt.NDArray[Any], count: int) -> Predicate:
    """The set of *ids*, ascending and each once, below *count*."""
    return from_codes(np.zeros(len(ids), np.int32), ids.astype(np.uint32, copy=False), 1, count)[0]


def everyone(count: int) -> Predicate:
    """All ids below *count*."""
    return from_mask(np.ones(count, np.bool_))


def to_words(predicate: Predicate) -> Words:
    """One bit an id, 1,024 words a chunk."""
    bits = np.zeros(predicate.chunks * (CHUNK // 64), np.uint64)
    kernels_build.to_words(predicate.words, predicate.chunks, bits)
    return bits


def to_mask(predicate: Predicate, count: int) -> npt.NDArray[np.bool_]:
    """A mask of *count* ids."""
    return np.unpackbits(to_words(predicate).view(np.uint8), count=count, bitorder="little").view(np.bool_)


def to_ids(predicate: Predicate) -> Ids:
    """The ids, ascending, uint32."""
    ids = np.empty(len(predicate), np.uint32)
    kernels_build.write_ids(to_words(predicate), ids)
    return ids


def flipped(predicate: Predicate, ids: Ids, count: int) -> Predicate:
    """The set without those of *ids* that are in it, and with those that are not; each once, below *count*."""
    bits = to_words(predicate)
    kernels_build.flip(ids, bits)
    return from_words(bits, count)


def has(predicate: Predicate, one: int) -> bool:
    """Whether *one* is among the ids."""
    entry = int(predicate.words[one // CHUNK])
    cardinality, value = entry & _CARDINALITY, one % CHUNK
    first = (entry >> CARDINALITY_BITS) * LINE_WORDS
    if cardinality in (0, CHUNK):
        return cardinality == CHUNK
    if cardinality <= MOST_ARRAY:
        values = predicate.words[first : first + -(-cardinality // 4)].view(np.uint16)[:cardinality]
        place = int(np.searchsorted(values, np.uint16(value)))
        return place < cardinality and int(values[place]) == value
    return bool(int(predicate.words[first + value // 64]) >> value % 64 & 1)


def having(predicate: Predicate, ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Which of *ids*, in any order, are in the set; below 0 is no id; shape (ids,)."""
    places = np.flatnonzero(ids >= 0)
    bits = np.zeros(-(-len(ids) // 64), np.uint64)
    kernels_rows.pick_bits(predicate.words, ids[places].astype(np.int64), places, bits)
    return np.unpackbits(bits.view(np.uint8), count=len(ids), bitorder="little").view(np.bool_)


def from_stored(words: Words, count: int) -> Predicate:
    """A predicate of *count* dense ids from words that were stored, checked completely.

    Raises:
        CorruptError: they are no predicate.
    """
    chunks = chunks_of(count)
    if len(words) < chunks:
        raise CorruptError("a predicate is cut short", found=f"{len(words)} words", allowed=f"{chunks} or more")
    cardinalities = (words[:chunks] & np.uint64(_CARDINALITY)).astype(np.int64)
    if chunks and int(cardinalities.max()) > CHUNK:
        raise CorruptError("a chunk has too many ids", found=str(cardinalities.max()), allowed=f"at most {CHUNK}")
    entries, length = _entries(cardinalities.reshape(1, -1))
    if len(words) != int(length[0]) * LINE_WORDS:
        raise CorruptError("a predicate has another length", found=str(len(words)), allowed=str(length[0] * LINE_WORDS))
    wrong = np.flatnonzero(words[:chunks] != entries[0])
    fault = int(wrong[0]) if len(wrong) else kernels_build.first_fault(words, chunks, count)
    if fault >= 0 or words[chunks : -(-chunks // LINE_WORDS) * LINE_WORDS].any():
        raise CorruptError("a container is not what its directory says", found=f"chunk {max(fault, 0)}")
    return Predicate(words, chunks)


def lines_of(cardinalities: Ints) -> Ints:
    """How many lines the container of each cardinality takes."""
    lines = np.where(cardinalities <= MOST_ARRAY, -(-cardinalities // (4 * LINE_WORDS)), CHUNK // 64 // LINE_WORDS)
    lines[cardinalities == CHUNK] = 0
    return lines


def unfilled(cardinalities: Ints) -> Words:
    """The words of one predicate with its directory, and zeros where its containers will be.

    Args:
        cardinalities: of each chunk, shape (chunks,).
    """
    return _laid_out(cardinalities.reshape(1, -1))[0]


def aligned_words(count: int) -> Words:
    """*count* words of zeros that start on a line."""
    room = np.zeros(count + LINE_WORDS, np.uint64)
    skip = -(room.ctypes.data // 8) % LINE_WORDS
    return room[skip : skip + count]


def _laid_out(cardinalities: Ints) -> tuple[Words, Ints]:
    """Words with the directories of predicates one after another, and where each starts; containers are zeros.

    Args:
        cardinalities: shape (predicates, chunks).
    """
    chunks = cardinalities.shape[1]
    entries, lengths = _entries(cardinalities)
    words = aligned_words(int(lengths.sum()) * LINE_WORDS)
    starts = (np.cumsum(lengths) - lengths) * LINE_WORDS
    words[(starts[:, np.newaxis] + np.arange(chunks)).ravel()] = entries.ravel()
    return words, starts


def _entries(cardinalities: Ints) -> tuple[Words, Ints]:
    """The directories of predicates, shape (predicates, chunks), and how many lines each predicate takes."""
    directory = -(-cardinalities.shape[1] // LINE_WORDS)
    lines = lines_of(cardinalities)
    offsets = directory + np.cumsum(lines, axis=1) - lines
    entries = ((offsets << CARDINALITY_BITS) | cardinalities).astype(np.uint64)
    return entries, directory + lines.sum(axis=1)


def _sealed(words: Words) -> Words:
    words.flags.writeable = False
    return words
