"""Kernels that evaluate a program, see `segdex.bitmap.program`.

In a chunk an operand (a predicate, a range, or a node computed before) is empty, full, an array of values, a bitset, or
a range that has to be looked at. Empty and full ones fold the truth table, for many chunks at a time, and with them
whatever no longer matters drops out; often nothing is left, or one input, whose cardinality the directory tells.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_inputs import (
    count_bitsets,
    count_with_array,
    gather_arrays,
    look_at_ranges,
    narrowing_array,
    recipe_of,
    smallest_array,
    spread_arrays,
    swap_inputs,
    take_inputs,
)
from segdex.bitmap.kernels_tables import PATTERNS, depends, fixed, store_recipe
from segdex.bitmap.kernels_words import set_bits, store_filled, store_flipped, store_rows
from segdex.bitmap.kernels_workspace import (
    ALL,
    ARITY,
    ARRAY,
    BITSET,
    BITSET_BYTES,
    BLOCK,
    CARDINALITY,
    CARDINALITY_BITS,
    CHUNK,
    EMPTY,
    FIRST,
    FULL,
    GUARD,
    HEADER,
    LINE_BYTES,
    MASKS,
    MOST_ARRAY,
    NODES,
    NONE,
    PREDICATES,
    RESULT,
    RESULTS,
    TABLE,
    WORDS,
    end,
    inputs_at,
    node_at,
    program_at,
    result_at,
    start,
    tables_at,
    workspace_bytes,
)
from segdex.jit import helper, kernel, prefetch, signed, words_at

# --- constants, many chunks at a time ----------------------------------------------------------------------------


@helper
def fold_input(tables: Any, states: Any, mask: Any, full: Any, at: int, size: int) -> None:
    """Fold input *at* into the tables of *size* chunks: its state under *mask* is 0 where it is empty, or *full*."""
    pattern, shift = PATTERNS[at], np.uint64(1 << at)
    for i in range(size):
        table, state = tables[i], states[i] & mask
        without, within = table & ~pattern, table & pattern
        without |= without << shift
        within |= within >> shift
        tables[i] = without if state == NONE else (within if state == full else table)


@helper
def open_chunks(tables: Any, size: int) -> bool:
    """Whether any table of *size* chunks holds for anything."""
    found = NONE
    for i in range(size):
        found |= tables[i]
    return bool(found != NONE)


@helper
def fold_block(program: Any, first: int, size: int, work: int) -> None:
    """Fold into each node's table what is empty or full in the chunks from *first* on.

    Directories are read one after another, eight chunks at a time; where customers are in a good order, most chunks
    are then done. A node that is nothing in all of these chunks needs none of its further operands.
    """
    predicates = signed(program[PREDICATES])
    for number in range(signed(program[NODES])):
        node, tables = node_at(program, number), tables_at(number, work)
        for i in range(size):
            tables[i] = node[TABLE]
        for j in range(signed(node[ARITY])):
            operand = signed(node[FIRST + j])
            if operand < predicates:
                directory = words_at(signed(program[HEADER + operand]) + 8 * first, size)
                fold_input(tables, directory, np.uint64(CARDINALITY), np.uint64(CHUNK), j, size)
            else:
                fold_input(tables, tables_at(operand - predicates, work), ALL, ALL, j, size)
            if not open_chunks(tables, size):
                break


@helper
def take_single_inputs(program: Any, number: int, first: int, size: int, work: int) -> int:
    """The count of those chunks where the table of a node is one predicate or its complement; these become empty.

    Directories tell it, eight chunks at a time; customers in a good order leave many such chunks.
    """
    node, tables = node_at(program, number), tables_at(number, work)
    total = 0
    for j in range(signed(node[ARITY])):
        operand = signed(node[FIRST + j])
        if operand >= signed(program[PREDICATES]):
            continue
        directory = words_at(signed(program[HEADER + operand]) + 8 * first, size)
        alone, complement = PATTERNS[j], ~PATTERNS[j]
        for i in range(size):
            table, cardinality = tables[i], directory[i] & np.uint64(CARDINALITY)
            known = cardinality <= np.uint64(CHUNK)
            is_alone, is_complement = known & (table == alone), known & (table == complement)
            total += signed(cardinality) if is_alone else 0
            total += CHUNK - signed(cardinality) if is_complement else 0
            tables[i] = NONE if is_alone | is_complement else table
    return total


# --- one chunk ---------------------------------------------------------------------------------------------------


@helper
def count_node(table: Any, program: Any, node: Any, chunk: int, work: int) -> int:
    """How many ids of a chunk the node holds for."""
    table, inputs = take_inputs(table, program, node, chunk, work)
    table, inputs = look_at_ranges(table, inputs, chunk, work)
    if inputs > 1:
        array = smallest_array(inputs, work)
        if array >= 0:
            found = count_with_array(swap_inputs(table, array, inputs - 1, work), inputs, work)
            gather_arrays(work)
            return found
    return count_bitsets(table, inputs, work)


@helper
def store_node(table: Any, program: Any, number: int, chunk: int, out: int, work: int) -> None:
    """Say what a node is in a chunk; its values go to *out* where they are nobody's yet."""
    result = result_at(program, number, work)
    result[2] = out
    table, inputs = take_inputs(table, program, node_at(program, number), chunk, work)
    table, inputs = look_at_ranges(table, inputs, chunk, work)
    kinds, sizes, bits = inputs_at(work)
    if inputs == 0:
        result[0] = signed(table & np.uint64(1))
        result[1] = CHUNK * result[0]
        return
    if inputs == 1 and table & np.uint64(2):
        result[0], result[1], result[2] = kinds[0], sizes[0], bits[0]
        if bits[0] < work and bits[0] >= work - signed(program[RESULTS]) * BITSET_BYTES:
            copy_container(kinds[0], sizes[0], bits[0], out)  # another node's result, whose place may be used anew
            result[2] = out
        return
    array = narrowing_array(table, inputs, work)
    if array >= 0:
        last = inputs - 1
        table = swap_inputs(table, array, last, work)
        spread_arrays(last, work)
        result[1] = store_rows(bits[last], sizes[last], bits, last, fixed(table, last, 1), out)
        gather_arrays(work)
        result[0] = ARRAY if result[1] else EMPTY
        return
    spread_arrays(inputs, work)
    if inputs == 1:
        result[1] = store_flipped(bits[0], ALL, out)
    else:
        result[1] = store_recipe(recipe_of(table, inputs, work), bits, sizes, work + MASKS, out)
    gather_arrays(work)
    result[0] = EMPTY if result[1] == 0 else (FULL if result[1] == CHUNK else BITSET)


@helper
def copy_container(kind: int, size: int, source: int, out: int) -> None:
    """Copy an array or a bitset."""
    words = WORDS if kind == BITSET else (size + 3) >> 2  # places of results have room to spare
    x, y = words_at(source, words), words_at(out, words)
    for i in range(words):
        y[i] = x[i]


@helper
def wanted(program: Any, number: int, place: int, work: int) -> bool:
    """Whether the one node that uses node *number* still depends on it, by what is known of its other inputs.

    *place* is that of the chunk in its block.
    """
    guard = signed(node_at(program, number)[GUARD])
    if guard == 0:
        return True
    predicates = signed(program[PREDICATES])
    user, table, at = node_at(program, guard - 1), tables_at(guard - 1, work)[place], 0
    for j in range(signed(user[ARITY])):
        other = signed(user[FIRST + j]) - predicates
        if other == number:
            at = j
        elif 0 <= other < number:
            kind = result_at(program, other, work)[0]
            if kind <= FULL:
                table = fixed(table, j, kind)
    return depends(table, at)


@helper
def run_inner_nodes(program: Any, chunk: int, place: int, work: int) -> None:
    """Compute every node but the last one in a chunk; a node that nothing depends on any more counts as empty."""
    for number in range(signed(program[NODES]) - 1):
        table = tables_at(number, work)[place]
        if table == NONE or table == ALL or wanted(program, number, place, work):
            out = work - (1 + signed(node_at(program, number)[RESULT])) * BITSET_BYTES
            store_node(table, program, number, chunk, out, work)
        else:
            result_at(program, number, work)[0] = EMPTY


@helper
def prefetch_inputs(program: Any, node: Any, table: Any, chunk: int) -> None:
    """Ask for the containers that *table* will read in a chunk to come, while the one before is worked on.

    One line in sixteen is enough: what follows the processor fetches by itself. Where operands are in memory this
    saves up to a third of the time, where they are in a cache it costs nothing that was measured.
    """
    for j in range(signed(node[ARITY])):
        operand = signed(node[FIRST + j])
        if operand < signed(program[PREDICATES]) and depends(table, j):
            predicate = signed(program[HEADER + operand])
            entry = signed(words_at(predicate + 8 * chunk, 1)[0])
            at = predicate + (entry >> CARDINALITY_BITS) * LINE_BYTES
            lines = 128 if (entry & CARDINALITY) > MOST_ARRAY else 1
            if (entry & CARDINALITY) == CARDINALITY:
                lines = 0
            for line in range(0, lines, 16):
                prefetch(at + line * LINE_BYTES)


@kernel("i8(i8, i8, i8)")
def count(address: int, first: int, last: int) -> int:
    """How many ids of the chunks *first* to *last* - 1 the program at *address* holds for; ids beyond the last
    customer are in no predicate, and count where the program holds for such ids."""
    program = program_at(address)
    memory = np.empty(workspace_bytes(program), np.uint8)
    work = start(program, memory)
    number = signed(program[NODES]) - 1
    root, tables = node_at(program, number), tables_at(number, work)
    total = 0
    for block in range(first, last, BLOCK):
        size = min(BLOCK, last - block)
        fold_block(program, block, size, work)
        if not open_chunks(tables, size):
            continue
        total += take_single_inputs(program, number, block, size, work)
        for place in range(size):
            if tables[place] == NONE:
                continue
            if tables[place] == ALL:
                total += CHUNK
                continue
            if place + 1 < size:
                prefetch_inputs(program, root, tables[place + 1], block + place + 1)
            run_inner_nodes(program, block + place, place, work)
            total += count_node(tables[place], program, root, block + place, work)
    end(memory)
    return total


@kernel("i8(i8, i8, i8, OUT u8[:])")
def members(address: int, first: int, last: int, out: Any) -> int:
    """Write one bit an id of the chunks *first* to *last* - 1, as `count` counts them, and return how many are set.

    *out* has 1,024 words a chunk, and starts on a line of 64 bytes for the sake of speed.
    """
    program = program_at(address)
    memory = np.empty(workspace_bytes(program), np.uint8)
    work = start(program, memory)
    number = signed(program[NODES]) - 1
    tables, result = tables_at(number, work), result_at(program, number, work)
    total = 0
    for block in range(first, last, BLOCK):
        size = min(BLOCK, last - block)
        fold_block(program, block, size, work)
        for place in range(size):
            table = tables[place]
            if not (table == NONE or table == ALL):
                run_inner_nodes(program, block + place, place, work)
            to = signed(out.ctypes.data) + (block + place - first) * BITSET_BYTES
            store_node(table, program, number, block + place, to, work)
            settle(result, to, work)
            total += result[1]
    end(memory)
    return total


@helper
def settle(result: Any, to: int, work: int) -> None:
    """Bring what a node is, wherever it lies, to *to* as a bitset."""
    if result[0] == EMPTY:
        store_filled(NONE, to)
    elif result[0] == FULL:
        store_filled(ALL, to)
    elif result[0] == BITSET:
        if result[2] != to:
            store_flipped(result[2], NONE, to)
    else:
        spare = work  # a scratch slot: the values may lie where their bits will be
        store_filled(NONE, spare)
        set_bits(result[2], result[1], spare)
        store_flipped(spare, NONE, to)
