"""A program: truth tables over predicates, packed into one run of words that a kernel takes by its address.

A rule of up to six different predicates is one table. A larger one is several *nodes*: each a table of up to six
operands, which are predicates or nodes before it; the last node is the result. As 64-bit words:

- chunks, predicates (ranges are among them, see `segdex.bitmap.ranks`), nodes, bitsets kept at once;
- the address of each predicate;
- each node: its table, how many operands, where its result is kept, its guard (1 + the number of the one node that
  uses it, or 0), and six operands: predicates are numbered from 0, nodes after them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from segdex.bitmap import kernels_evaluate
from segdex.bitmap.predicate import CHUNK, Predicate, Words, aligned_words, chunks_of
from segdex.bitmap.ranks import Range

MOST_OPERANDS = 6
EVERY_ROW = (1 << 64) - 1
INPUT_TABLES: tuple[int, ...] = (
    0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0, 0xFF00FF00FF00FF00, 0xFFFF0000FFFF0000,
    0xFFFFFFFF00000000,
)  # fmt: skip
"""The truth table of each operand alone, as 64 rows."""

_FOR_RANGES = 1 + MOST_OPERANDS
"""Bitsets that ranges need: which ids are asked for, and one for each operand of a table."""

Operand: TypeAlias = Predicate | Range
Node: TypeAlias = tuple[int, tuple[int, ...]]
"""A table and its operands; operands at or above the number of predicates are nodes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """What a kernel evaluates; made by `assemble`.

    Attributes:
        words: the packed form.
        predicates: the operands, which this object keeps alive.
        nodes: the tables, as given to `assemble`.
        chunks: how many chunks there are.
        members: how many dense ids are in the universe, to which every predicate belongs.
        address: where the words are.
        outside: how many ids the kernels count that are in no chunk's universe: those beyond the last customer, and
            erased ones. They are in no predicate, so the program holds for all of them or for none.
    """

    words: Words
    predicates: tuple[Operand, ...]
    nodes: tuple[Node, ...]
    chunks: int
    members: int
    address: int
    outside: int

    @property
    def payload_bytes(self) -> int:
        """How many bytes of containers and codes the operands have."""
        return sum(each.payload_bytes for each in self.predicates)

    @property
    def place(self) -> tuple[int, int, int]:
        """What a caller needs who calls the kernel by itself: address, chunks, and what to take off the result."""
        return self.address, self.chunks, self.outside

    def count(self) -> int:
        """How many customers the program holds for."""
        return kernels_evaluate.count(self.address, 0, self.chunks) - self.outside

    def count_chunk(self, chunk: int, members: int) -> int:
        """How many customers of one chunk the program holds for; *members* of it are in the universe."""
        return kernels_evaluate.count(self.address, chunk, chunk + 1) - (CHUNK - members if self.outside else 0)

    def contains(self, one: int) -> bool:
        """Whether the program holds for the customer with dense id *one*: one chunk is evaluated."""
        bits = aligned_words(CHUNK // 64)
        kernels_evaluate.members(self.address, one // CHUNK, one // CHUNK + 1, bits)
        return bool(int(bits[one % CHUNK // 64]) >> one % 64 & 1)

    def write_members(self) -> Words:
        """One bit a dense id, 1,024 words a chunk; where `outside` is not 0, ids outside the universe are set too."""
        bits = aligned_words(self.chunks * (CHUNK // 64))
        kernels_evaluate.members(self.address, 0, self.chunks, bits)
        return bits


STEP = 8
"""Chunks of all programs that `count_all` counts before it goes on: 64 KiB of each set, so that many fit a cache."""


def count_all(programs: Sequence[Program]) -> list[int]:
    """The counts of programs over one generation, a few chunks at a time."""
    count = kernels_evaluate.count.compile()
    found = [-program.outside for program in programs]
    chunks = programs[0].chunks if programs else 0
    for first in range(0, chunks, STEP):
        last = min(first + STEP, chunks)
        for i, program in enumerate(programs):
            found[i] += count(program.address, first, last)
    return found


def assemble(predicates: Sequence[Operand], nodes: Sequence[Node], count: int, members: int) -> Program:
    """Pack tables over predicates.

    Args:
        predicates: all over the same *count* dense ids.
        nodes: at least one; each uses only nodes before it.
        count: how many dense ids there are.
        members: how many of them are in the universe.
    """
    chunks, first = chunks_of(count), len(predicates)
    users = Counter(operand for _, operands in nodes for operand in set(operands))
    user_of = {operand: number for number, (_, operands) in enumerate(nodes) for operand in operands}
    ranged = _FOR_RANGES if any(isinstance(each, Range) for each in predicates) else 0
    kept = [ranged + place for place in _kept(nodes, first)]
    words = [chunks, first, len(nodes), max(kept, default=ranged - 1) + 1, *(each.address for each in predicates)]
    for number, (table, operands) in enumerate(nodes):
        own = first + number
        guard = user_of[own] + 1 if users[own] == 1 else 0
        words += [table, len(operands), kept[number], guard, *operands, *[0] * (MOST_OPERANDS - len(operands))]
    packed = np.array(words, np.uint64)
    outside = chunks * CHUNK - members if _of_nothing(nodes, first) else 0
    return Program(packed, tuple(predicates), tuple(nodes), chunks, members, int(packed.ctypes.data), outside)


def _kept(nodes: Sequence[Node], first: int) -> list[int]:
    """A place for each node's result that no other result needs at the same time; the last node has none, 0 stands."""
    last_use = {operand - first: number for number, (_, operands) in enumerate(nodes) for operand in operands}
    ending: dict[int, list[int]] = {}
    for node, user in last_use.items():
        if node >= 0:
            ending.setdefault(user, []).append(node)
    free: list[int] = []
    places: list[int] = []
    fresh = itertools.count()
    for number in range(len(nodes)):
        # A node writes while it reads: what it uses last is free for the node after it.
        free += [places[each] for each in ending.get(number - 1, ())]
        places.append(free.pop() if free else next(fresh))
    return places


def _of_nothing(nodes: Sequence[Node], first: int) -> bool:
    """Whether the last node holds for an id that is in no predicate."""
    held: list[int] = []
    for table, operands in nodes:
        row = sum(held[operand - first] << place for place, operand in enumerate(operands) if operand >= first)
        held.append(table >> row & 1)
    return bool(held[-1])
