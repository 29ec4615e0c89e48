"""Sets of rows by name, one bit a row, to which rows are added; see `segdex.live.growing`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Predicate, Words
from segdex.generation import PredicateName
from segdex.sets import Sets
from segdex.values.column import Ints, Mask

_CHUNK_WORDS = CHUNK // 64


class Bits:
    """Some sets. A set says of the rows that nobody has put in that they are not in it."""

    def __init__(self) -> None:
        self.places: dict[PredicateName, int] = {}
        self._words = np.zeros((0, _CHUNK_WORDS), np.uint64)

    def expect(self, names: Iterable[PredicateName], rows: int) -> None:
        """Make room for sets of all of *names*, and for so many rows."""
        fresh = [name for name in dict.fromkeys(names) if name not in self.places]
        sets, width, wanted = *self._words.shape, len(self.places) + len(fresh)
        if wanted > sets or rows > 64 * width:
            sets = sets if wanted <= sets else 2 * wanted
            width = width if rows <= 64 * width else _CHUNK_WORDS * -(-2 * rows // CHUNK)
            more = np.zeros((sets, width), np.uint64)
            more[: self._words.shape[0], : self._words.shape[1]] = self._words
            self._words = more
        for name in fresh:
            self.places[name] = len(self.places)

    def fill(self, held: Sets, presence: PredicateName, inside: Mask, first: int) -> None:
        """Put rows from *first* on into the sets of one name; there is room.

        Args:
            held: the sets.
            presence: the set of those who have a value.
            inside: the rows that are in the universe.
            first: the row of the sets' first one.
        """
        self.put_mask(presence, inside if held.present is None else held.present, first)
        words, width = self._words.reshape(-1), self._words.shape[1]
        rows = first + np.arange(len(inside))
        for each in held.labelled:
            places = np.array([-1 if name is None else self.places[name] for name in each.names], np.int64)
            kernels_rows.put_codes(each.codes, each.owners, rows, places, width, words)

    def put_mask(self, name: PredicateName, held: Mask, first: int) -> None:
        """Put rows from *first* on into a set, or not, as *held* says."""
        kernels_rows.put_bits(words_of(held), first + np.arange(len(held)), self._words[self.places[name]])

    def pick(self, name: PredicateName, held: Predicate, ids: Ints, rows: Ints) -> None:
        """Put ``rows[i]`` into a set, or not, as *held* says of ``ids[i]``."""
        kernels_rows.pick_bits(held.words, ids, rows, self._words[self.places[name]])

    def words(self, name: PredicateName, rows: int) -> Words:
        """The bits of a set of the first *rows* rows, of whole chunks; those of later rows may be there too."""
        return self._words[self.places[name], : -(-rows // CHUNK) * _CHUNK_WORDS]


def words_of(mask: Mask) -> Words:
    """A truth a row as one bit a row, of whole words."""
    octets = np.packbits(mask, bitorder="little")
    words = np.zeros(-(-len(octets) // 8), np.uint64)
    words.view(np.uint8)[: len(octets)] = octets
    return words


def chunked(words: Words, rows: int) -> Words:
    """A copy of bits, of whole chunks for *rows* rows, without those of later rows."""
    found = np.zeros(-(-rows // CHUNK) * _CHUNK_WORDS, np.uint64)
    held = words[: -(-rows // 64)]
    found[: len(held)] = held
    if rows & 63 and len(held) == -(-rows // 64):
        found[len(held) - 1] &= (np.uint64(1) << np.uint64(rows & 63)) - np.uint64(1)
    return found


def set_of(words: Words, among: Words, rows: int) -> Predicate:
    """The rows that both have, in hot form; *among* has no later ones."""
    return hot.from_words(words & among, rows)
