"""Where everything is that evaluating a program needs on the way.

A program is that of `segdex.bitmap.program`. What is needed besides lies in one workspace, whose address goes from
helper to helper: views of raw memory cost nothing, while an array of numba's own is counted in and out of every call
(that alone was 100 ns a chunk).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_tables import INPUTS, RECIPE_WORDS, SLOTS
from segdex.jit import helper, ints_at, signed, words_at

EMPTY, FULL, ARRAY, BITSET, RANGE = 0, 1, 2, 3, 4
CHUNK = 65_536
MOST_ARRAY = 511
WORDS = 1024
BITSET_BYTES = 8192
CARDINALITY, CARDINALITY_BITS, LINE_BYTES = (1 << 24) - 1, 24, 64
NONE, ALL = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)

# Words of a program.
CHUNKS, PREDICATES, NODES, RESULTS, HEADER = 0, 1, 2, 3, 4
# Words of a node.
TABLE, ARITY, RESULT, GUARD, FIRST, NODE = 0, 1, 2, 3, 4, 10

# The workspace, in bytes from its start: bitsets first, each on a line of its own, for the recipe's scratch slots and
# for arrays turned into bitsets; what is known of the inputs in hand; the tables of a block of chunks; and last what
# nodes are in the chunk in hand, three words each. Before the start lie, from there backwards, what ranges need (where
# there are any: which ids are asked for, and a bitset for each of six), and what nodes leave.
ARRAYS = (SLOTS - INPUTS) * BITSET_BYTES
BITS = ARRAYS + INPUTS * BITSET_BYTES
KINDS = BITS + 8 * SLOTS
SIZES = KINDS + 8 * INPUTS
MASKS = SIZES + 8 * INPUTS
SEEN = MASKS + 8 * 28
SPREAD = SEEN + 8 * 2
KEPT = SPREAD + 8 * 3 * INPUTS
RECIPE = KEPT + 8 * 3 * INPUTS
TABLES = RECIPE + 8 * RECIPE_WORDS
BLOCK = 128
"""Chunks whose tables are folded at once."""
NODE_BYTES = 8 * (BLOCK + 3)


@helper
def workspace_bytes(program: Any) -> int:
    """How large a workspace the program needs, with a line to spare for alignment."""
    return signed(program[RESULTS]) * BITSET_BYTES + TABLES + signed(program[NODES]) * NODE_BYTES + 64


@helper
def start(program: Any, memory: Any) -> int:
    """Make ready the workspace in *memory*, and return its address; it is good until `end` of the same memory."""
    results = signed(program[RESULTS]) * BITSET_BYTES
    work = (signed(memory.ctypes.data) + 63) // 64 * 64 + results
    bits = ints_at(work + BITS, SLOTS)
    for slot in range(INPUTS, SLOTS):
        bits[slot] = work + (slot - INPUTS) * BITSET_BYTES
    words_at(work + SEEN, 2)[1] = NONE
    spread = ints_at(work + SPREAD, 3 * INPUTS)
    for i in range(3 * INPUTS):
        spread[i] = 0
    return work


@helper
def end(memory: Any) -> None:
    """The workspace in *memory* is needed up to here.

    An array is given back right after its last use, and to use its address is none: without this, kernels worked in
    memory that was no longer theirs.
    """
    memory[0] = 0


@helper
def result_at(program: Any, number: int, work: int) -> Any:
    """Kind, cardinality and address of what a node is in the chunk in hand."""
    return ints_at(work + TABLES + 8 * BLOCK * signed(program[NODES]) + 24 * number, 3)


@helper
def tables_at(number: int, work: int) -> Any:
    """The tables of a node in the block in hand."""
    return words_at(work + TABLES + 8 * BLOCK * number, BLOCK)


@helper
def program_at(address: int) -> Any:
    """The words of a program."""
    head = words_at(address, HEADER)
    return words_at(address, HEADER + signed(head[PREDICATES]) + NODE * signed(head[NODES]))


@helper
def node_at(program: Any, number: int) -> Any:
    """One node of a program."""
    first = HEADER + signed(program[PREDICATES]) + NODE * number
    return program[first : first + NODE]


@helper
def inputs_at(work: int) -> Any:
    """Kinds, cardinalities and addresses of the inputs at hand; after these, the addresses of the recipe's slots."""
    return ints_at(work + KINDS, INPUTS), ints_at(work + SIZES, INPUTS), ints_at(work + BITS, SLOTS)
