"""How many bytes a count must read, from directories alone; nothing is measured here.

In each chunk the truth table of the whole rule is folded by what is empty or full there. If it is constant then, or
depends on one set only, whose cardinality the directory has, no container is read. Otherwise those on which it depends
are. An array, of which the smallest is taken first, narrows the others: the answer is that without the array, which may
need no other set, and what its values change, for which of a bitset only the lines with these values are read, at most
one a value. Directories are read whole.

It is what the answer needs by directories and not what kernels do: they evaluate a rule of more than six sets in
several tables, of which they may find one to be empty, and read less, or read a container twice.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.bitmap.predicate import CHUNK, MOST_ARRAY, Predicate, lines_of
from segdex.bitmap.program import Program

LINE = 64
EMPTY, FULL, ARRAY, BITSET = range(4)

Table: TypeAlias = npt.NDArray[np.bool_]
"""One axis of two a set."""
Ints: TypeAlias = npt.NDArray[np.int64]


def bytes_read(program: Program) -> int:
    """Bytes of directories and containers that *program*, which has no ranges, needs to count."""
    predicates = [each for each in program.predicates if isinstance(each, Predicate)]
    assert len(predicates) == len(program.predicates)
    cardinalities = np.stack([each.cardinalities for each in predicates])
    kinds = np.where(cardinalities <= MOST_ARRAY, ARRAY, BITSET)
    kinds[cardinalities == 0] = EMPTY
    kinds[cardinalities == CHUNK] = FULL
    sizes, table = lines_of(cardinalities) * LINE, table_of(program)
    total = 8 * cardinalities.size
    patterns, places = np.unique(kinds, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        chunks = np.flatnonzero(places.ravel() == number)
        known = tuple(slice(None) if kind > FULL else int(kind) for kind in pattern)
        mixed = np.flatnonzero(pattern > FULL)
        held = np.ix_(mixed, chunks)
        total += int(_touched(table[known], pattern[mixed] == ARRAY, cardinalities[held], sizes[held]).sum())
    return total


def table_of(program: Program) -> Table:
    """The truth table of the last node over all predicates."""
    inputs = len(program.predicates)
    held: list[npt.NDArray[np.uint64]] = list(np.indices((2,) * inputs).astype(np.uint64))
    for table, operands in program.nodes:
        row = np.zeros((2,) * inputs, np.uint64)
        for place, operand in enumerate(operands):
            row |= held[operand] << np.uint64(place)
        held.append(np.uint64(table) >> row & np.uint64(1))
    return held[-1].astype(np.bool_)


def _touched(table: Table, arrays: Table, cardinalities: Ints, sizes: Ints) -> Ints:
    """Bytes of each container of chunks that are alike, shape (sets, chunks).

    Args:
        table: over these sets.
        arrays: of each set whether its containers are arrays; the others are bitsets.
        cardinalities: of each container, shape (sets, chunks).
        sizes: how many bytes each has, shape (sets, chunks).
    """
    needed = [at for at in range(table.ndim) if (table.take(0, at) != table.take(1, at)).any()]
    found = np.zeros_like(sizes)
    if len(needed) < 2:
        return found
    if not arrays[needed].any():
        found[needed] = sizes[needed]
        return found
    candidates = [at for at in needed if arrays[at]]
    smallest = np.argmin(cardinalities[candidates], axis=0)
    for number, at in enumerate(candidates):
        chunks = np.flatnonzero(smallest == number)
        if not len(chunks):
            continue
        others = [each for each in range(table.ndim) if each != at]
        rest = np.ix_(np.array(others, np.int64), chunks)
        lines = np.minimum(sizes[rest], LINE * cardinalities[at, chunks])
        lines[arrays[others]] = sizes[rest][arrays[others]]
        lines[[each not in needed for each in others]] = 0
        without = _touched(np.asarray(table.take(0, at)), arrays[others], cardinalities[rest], sizes[rest])
        found[rest] = np.maximum(lines, without)
        found[at, chunks] = sizes[at, chunks]
    return found
