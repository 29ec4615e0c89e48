"""The sets of a delta, one bit a slot: copied whole for each version, so that a slot's bits can be written anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Predicate, Words
from segdex.generation import PredicateName
from segdex.sets import Sets
from segdex.values.column import Ints, Mask

UNIVERSE = PredicateName("")
"""The place of the slots that are customers; no declared name is empty."""
_MORE = 64
"""Rows to spare for labels that are new."""


@dataclasses.dataclass(frozen=True, eq=False)
class Bits:
    """Sets of slots by name.

    Attributes:
        places: the row of each set.
        words: one bit a slot, shape (rows, words), 1,024 words a chunk; more rows than places.
        slots: how many slots there are.
    """

    places: Mapping[PredicateName, int]
    words: Words
    slots: int

    def grown(self, names: Iterable[PredicateName], slots: int) -> Bits:
        """A copy with rows for all of *names*, and *slots* slots."""
        new = [name for name in names if name not in self.places]
        places = self.places
        if new:
            places = {**places, **{name: len(places) + at for at, name in enumerate(new)}}
        rows, width = self.words.shape
        if len(places) > rows:
            rows = len(places) + _MORE
        before = self.words.shape[0]
        words = np.empty((rows, max(width, -(-slots // CHUNK) * (CHUNK // 64))), np.uint64)
        words[:before, :width] = self.words
        words[before:] = 0
        words[:before, width:] = 0
        return Bits(places, words, slots)

    def fill(self, held: Sets, presence: PredicateName, inside: Predicate, slots: Ints) -> None:
        """Put slots into the sets of one name; they are in none of these. Only for who has made these bits.

        Args:
            held: the sets, of rows.
            presence: the set of those who have a value.
            inside: the rows that are in the universe.
            slots: the slot of each row.
        """
        if held.present is None:
            self.put(presence, inside, slots)
        else:
            self.put_mask(presence, held.present, slots)
        words, width = self.words.reshape(-1), self.words.shape[1]
        for each in held.labelled:
            rows = np.array([-1 if name is None else self.places[name] for name in each.names], np.int64)
            kernels_rows.put_codes(each.codes, each.owners, slots, rows, width, words)

    def put(self, name: PredicateName, held: Predicate, slots: Ints) -> None:
        """What *held* says of row i is said of ``slots[i]``; only for who has made these bits."""
        kernels_rows.put_bits(hot.to_words(held), slots, self.words[self.places[name]])

    def put_mask(self, name: PredicateName, held: Mask, slots: Ints) -> None:
        """As `put`, of a truth a row."""
        octets = np.packbits(held, bitorder="little")
        words = np.zeros(-(-len(octets) // 8), np.uint64)
        words.view(np.uint8)[: len(octets)] = octets
        kernels_rows.put_bits(words, slots, self.words[self.places[name]])

    def pick(self, name: PredicateName, held: Predicate, ids: Ints, slots: Ints) -> None:
        """What *held* says of ``ids[i]`` is said of ``slots[i]``; only for who has made these bits."""
        kernels_rows.pick_bits(held.words, ids, slots, self.words[self.places[name]])

    def clear(self, slots: Ints) -> None:
        """Take *slots* out of every set; only for who has made these bits."""
        if not len(slots):
            return
        columns, inverse = np.unique(slots >> 6, return_inverse=True)
        keep = np.full(len(columns), ~np.uint64(0), np.uint64)
        np.bitwise_and.at(keep, inverse.reshape(-1), ~(np.uint64(1) << (slots & 63).astype(np.uint64)))
        self.words[:, columns] &= keep

    def take(self, name: PredicateName, slots: Ints) -> Mask:
        """Whether each of *slots* is in a set."""
        row = self.words[self.places[name]]
        found: Mask = (row[slots >> 6] >> (slots & 63).astype(np.uint64)) & np.uint64(1) != 0
        return found

    def set_of(self, name: PredicateName) -> Predicate:
        """A set in hot form."""
        return hot.from_words(self.words[self.places[name]], self.slots)


def no_bits() -> Bits:
    """No sets of no slots."""
    return Bits({UNIVERSE: 0}, np.zeros((1, 0), np.uint64), 0)


class SetsOf(Mapping[PredicateName, Predicate]):
    """Some of the sets of bits, each made when it is first asked for."""

    def __init__(self, bits: Bits, names: Mapping[PredicateName, None]) -> None:
        self._bits = bits
        self._names = names
        self._made: dict[PredicateName, Predicate] = {}

    def __getitem__(self, name: PredicateName) -> Predicate:
        made = self._made.get(name)
        if made is None:
            if name not in self._names:
                raise KeyError(name)
            made = self._made.setdefault(name, self._bits.set_of(name))
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[PredicateName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
