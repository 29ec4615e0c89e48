"""Kernels that evaluate a program, see `segdex.bitmap.program`, chunk by chunk.

In a chunk an operand (a predicate, a range, or a node computed before) is empty, full, an array of values, a bitset, or
a range that has to be looked at. Empty and full ones fold the truth table, and with them whatever no longer matters
drops out; often nothing is left, or one input, whose cardinality the directory tells. A count never writes its result.

What is needed on the way lies in one workspace, whose address goes from helper to helper: views of raw memory cost
nothing, while an array of numba's own is counted in and out of every call (that alone was 100 ns a chunk).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_ranks import RANGE_WORDS, store_range
from segdex.bitmap.kernels_tables import (
    INPUTS,
    PATTERNS,
    RECIPE_WORDS,
    SLOTS,
    count_recipe,
    depends,
    fixed,
    moved,
    store_recipe,
    write_recipe,
)
from segdex.bitmap.kernels_words import (
    clear_words,
    count_array,
    count_both,
    count_rows,
    count_shared,
    set_bits,
    store_filled,
    store_flipped,
    store_rows,
)
from segdex.jit import helper, ints_at, kernel, prefetch, signed, words_at

EMPTY, FULL, ARRAY, BITSET, RANGE = 0, 1, 2, 3, 4
_CHUNK = 65_536
_MOST_ARRAY = 511
_WORDS = 1024
_BITSET_BYTES = 8192
_CARDINALITY, _CARDINALITY_BITS, _LINE_BYTES = (1 << 24) - 1, 24, 64
_NONE, _ALL = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)

# Words of a program.
CHUNKS, PREDICATES, NODES, RESULTS, HEADER = 0, 1, 2, 3, 4
# Words of a node.
TABLE, ARITY, RESULT, GUARD, FIRST, NODE = 0, 1, 2, 3, 4, 10

# The workspace, in bytes from its start: bitsets first, each on a line of its own, for the recipe's scratch slots and
# for arrays turned into bitsets; what is known of the inputs in hand; the tables of a block of chunks; and last what
# nodes are in the chunk in hand, three words each. Before the start lie, from there backwards, what ranges need (where
# there are any: which ids are asked for, and a bitset for each of six), and what nodes leave.
_ARRAYS = (SLOTS - INPUTS) * _BITSET_BYTES
_BITS = _ARRAYS + INPUTS * _BITSET_BYTES
_KINDS = _BITS + 8 * SLOTS
_SIZES = _KINDS + 8 * INPUTS
_MASKS = _SIZES + 8 * INPUTS
_SEEN = _MASKS + 8 * 28
_SPREAD = _SEEN + 8 * 2
_KEPT = _SPREAD + 8 * 3 * INPUTS
_RECIPE = _KEPT + 8 * 3 * INPUTS
_TABLES = _RECIPE + 8 * RECIPE_WORDS
_BLOCK = 128
"""Chunks whose tables are folded at once."""
_NODE_BYTES = 8 * (_BLOCK + 3)


@helper
def workspace_bytes(program: Any) -> int:
    """How large a workspace the program needs, with a line to spare for alignment."""
    return signed(program[RESULTS]) * _BITSET_BYTES + _TABLES + signed(program[NODES]) * _NODE_BYTES + 64


@helper
def start(program: Any, memory: Any) -> int:
    """Make ready the workspace in *memory*, and return its address."""
    results = signed(program[RESULTS]) * _BITSET_BYTES
    work = (signed(memory.ctypes.data) + 63) // 64 * 64 + results
    bits = ints_at(work + _BITS, SLOTS)
    for slot in range(INPUTS, SLOTS):
        bits[slot] = work + (slot - INPUTS) * _BITSET_BYTES
    words_at(work + _SEEN, 2)[1] = _NONE
    spread = ints_at(work + _SPREAD, 3 * INPUTS)
    for i in range(3 * INPUTS):
        spread[i] = 0
    return work


@helper
def result_at(program: Any, number: int, work: int) -> Any:
    """Kind, cardinality and address of what a node is in the chunk in hand."""
    return ints_at(work + _TABLES + 8 * _BLOCK * signed(program[NODES]) + 24 * number, 3)


@helper
def tables_at(number: int, work: int) -> Any:
    """The tables of a node in the block in hand."""
    return words_at(work + _TABLES + 8 * _BLOCK * number, _BLOCK)


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
        tables[i] = without if state == _NONE else (within if state == full else table)


@helper
def fold_block(program: Any, first: int, size: int, work: int) -> None:
    """Fold into each node's table what is empty or full in the chunks from *first* on.

    Directories are read one after another, eight chunks at a time; where customers are in a good order, most chunks
    are then done.
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
                fold_input(tables, directory, np.uint64(_CARDINALITY), np.uint64(_CHUNK), j, size)
            else:
                fold_input(tables, tables_at(operand - predicates, work), _ALL, _ALL, j, size)


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
            table, cardinality = tables[i], directory[i] & np.uint64(_CARDINALITY)
            known = cardinality <= np.uint64(_CHUNK)
            is_alone, is_complement = known & (table == alone), known & (table == complement)
            total += signed(cardinality) if is_alone else 0
            total += _CHUNK - signed(cardinality) if is_complement else 0
            tables[i] = _NONE if is_alone | is_complement else table
    return total


# --- one chunk ---------------------------------------------------------------------------------------------------


@helper
def take_inputs(table: Any, program: Any, node: Any, chunk: int, work: int) -> Any:
    """Have at hand those inputs of *node* that matter: returns the table over them, and how many these are."""
    predicates, arity = signed(program[PREDICATES]), signed(node[ARITY])
    if signed(program[NODES]) > 1:
        for j in range(arity):
            operand = signed(node[FIRST + j])
            if operand >= predicates and depends(table, j):
                kind = result_at(program, operand - predicates, work)[0]
                if kind <= FULL:
                    table = fixed(table, j, kind)
    inputs = 0
    for j in range(arity):
        if depends(table, j):
            table = moved(table, inputs, j)
            take_input(program, signed(node[FIRST + j]), inputs, chunk, work)
            inputs += 1
    return table, inputs


@helper
def take_input(program: Any, operand: int, place: int, chunk: int, work: int) -> None:
    """Have one input at hand: what it is, its cardinality and its address."""
    kinds, sizes, bits = inputs_at(work)
    predicates = signed(program[PREDICATES])
    if operand < predicates:
        predicate = signed(program[HEADER + operand])
        entry = signed(words_at(predicate + 8 * chunk, 1)[0])
        sizes[place] = entry & _CARDINALITY
        kinds[place] = ARRAY if sizes[place] <= _MOST_ARRAY else BITSET
        bits[place] = predicate + (entry >> _CARDINALITY_BITS) * _LINE_BYTES
        if sizes[place] == _CARDINALITY:
            kinds[place] = RANGE
            bits[place] = predicate + (signed(program[CHUNKS]) + 7) // 8 * _LINE_BYTES
    else:
        result = result_at(program, operand - predicates, work)
        kinds[place], sizes[place], bits[place] = result[0], result[1], result[2]


@helper
def inputs_at(work: int) -> Any:
    """Kinds, cardinalities and addresses of the inputs at hand; after these, the addresses of the recipe's slots."""
    return ints_at(work + _KINDS, INPUTS), ints_at(work + _SIZES, INPUTS), ints_at(work + _BITS, SLOTS)


@helper
def smallest_array(inputs: int, work: int) -> int:
    """The input that is the smallest array, or -1."""
    kinds, sizes, _ = inputs_at(work)
    found, least = -1, _CHUNK
    for j in range(inputs):
        if kinds[j] == ARRAY and sizes[j] < least:
            found, least = j, sizes[j]
    return found


@helper
def narrowing_array(table: Any, inputs: int, work: int) -> int:
    """An input that is an array outside of which the table is 0, or -1."""
    kinds, _, _ = inputs_at(work)
    for j in range(inputs):
        if kinds[j] == ARRAY and fixed(table, j, 0) == _NONE:
            return j
    return -1


@helper
def swap_inputs(table: Any, low: int, high: int, work: int) -> Any:
    """The table, and the inputs at hand, with *low* and *high* in each other's place; *low* is at most *high*."""
    kinds, sizes, bits = inputs_at(work)
    kinds[low], kinds[high] = kinds[high], kinds[low]
    sizes[low], sizes[high] = sizes[high], sizes[low]
    bits[low], bits[high] = bits[high], bits[low]
    return moved(table, low, high)


@helper
def spread_arrays(inputs: int, work: int) -> None:
    """Make bitsets of those inputs at hand that are arrays, until `gather_arrays`.

    The bitsets are zeros in between: to clear some hundred words is much less work than to fill them all.
    """
    kinds, sizes, bits = inputs_at(work)
    spread = ints_at(work + _SPREAD, 3 * INPUTS)
    for j in range(inputs):
        if kinds[j] == ARRAY:
            to = zeros_at(j, work)
            spread[3 * j + 1], spread[3 * j + 2] = sizes[j], bits[j]
            set_bits(bits[j], sizes[j], to)
            bits[j] = to


@helper
def zeros_at(place: int, work: int) -> int:
    """The address of a bitset of zeros, to be left so; one for each input."""
    spread, to = ints_at(work + _SPREAD, 3 * INPUTS), work + _ARRAYS + place * _BITSET_BYTES
    if spread[3 * place] == 0:
        store_filled(_NONE, to)
        spread[3 * place] = 1
    return to


@helper
def gather_arrays(work: int) -> None:
    """Make zeros again of what arrays were spread over."""
    spread = ints_at(work + _SPREAD, 3 * INPUTS)
    for j in range(INPUTS):
        if spread[3 * j + 1]:
            clear_words(spread[3 * j + 2], spread[3 * j + 1], work + _ARRAYS + j * _BITSET_BYTES)
            spread[3 * j + 1] = 0


@helper
def narrowed(table: Any, inputs: int, work: int) -> Any:
    """The table over those of the inputs at hand that matter, which move to the front, and how many these are."""
    left = 0
    for j in range(inputs):
        if depends(table, j):
            table = swap_inputs(table, left, j, work)
            left += 1
    return table, left


@helper
def store_condition(table: Any, inputs: int, out: int, work: int) -> int:
    """Write a table over inputs at hand, of which it uses no range, and count its bits; the inputs stay as they are."""
    kinds, sizes, bits = inputs_at(work)
    kept = ints_at(work + _KEPT, 3 * INPUTS)
    for j in range(inputs):
        kept[3 * j], kept[3 * j + 1], kept[3 * j + 2] = kinds[j], sizes[j], bits[j]
    table, left = narrowed(table, inputs, work)
    spread_arrays(left, work)
    if left == 0:
        store_filled(table, out)
        found = _CHUNK if table == _ALL else 0
    elif left == 1:
        found = store_flipped(bits[0], _NONE if table & np.uint64(2) else _ALL, out)
    else:
        found = store_recipe(recipe_of(table, left, work), bits, sizes, work + _MASKS, out)
    gather_arrays(work)
    for j in range(inputs):
        kinds[j], sizes[j], bits[j] = kept[3 * j], kept[3 * j + 1], kept[3 * j + 2]
    return found


@helper
def look_at_ranges(table: Any, inputs: int, chunk: int, work: int) -> Any:
    """Turn ranges among the inputs at hand into bitsets; returns the table over those inputs that still matter.

    A range is looked at only where it can change the result, by what the other inputs are: often nowhere, or for few.
    """
    kinds, sizes, bits = inputs_at(work)
    seen = 0
    for j in range(inputs):
        if kinds[j] != RANGE:
            continue
        seen += 1
        matters = fixed(table, j, 1) ^ fixed(table, j, 0)
        for i in range(inputs):
            if kinds[i] == RANGE:
                matters = fixed(matters, i, 0) | fixed(matters, i, 1)
        among, out = work - _BITSET_BYTES, work - (1 + seen) * _BITSET_BYTES
        size = 0
        if store_condition(matters, inputs, among, work):
            size = store_range(ints_at(bits[j], RANGE_WORDS), chunk, among, out)
        kinds[j], sizes[j], bits[j] = BITSET, size, out
        if size == 0:
            table = fixed(table, j, 0)
    return narrowed(table, inputs, work) if seen else (table, inputs)


@helper
def recipe_of(table: Any, inputs: int, work: int) -> Any:
    """The recipe of *table*; neighbouring chunks often leave the same table."""
    seen, recipe = words_at(work + _SEEN, 2), ints_at(work + _RECIPE, RECIPE_WORDS)
    if seen[0] != table or seen[1] != np.uint64(inputs):
        write_recipe(table, inputs, recipe)
        seen[0], seen[1] = table, np.uint64(inputs)
    return recipe


@helper
def count_of_two(table: Any, first: int, second: int, both: int) -> int:
    """The count of a table of two inputs, from their cardinalities and that of their intersection."""
    total = both if table & np.uint64(8) else 0
    if table & np.uint64(2):
        total += first - both
    if table & np.uint64(4):
        total += second - both
    if table & np.uint64(1):
        total += _CHUNK - first - second + both
    return total


@helper
def count_bitsets(table: Any, inputs: int, work: int) -> int:
    """The count of a table of bitsets of which all matter."""
    _, sizes, bits = inputs_at(work)
    if inputs == 0:
        return _CHUNK if table & np.uint64(1) else 0
    if inputs == 1:
        return signed(sizes[0]) if table & np.uint64(2) else _CHUNK - signed(sizes[0])
    if inputs == 2:
        return count_of_two(table, sizes[0], sizes[1], count_both(bits[0], bits[1]))
    return count_recipe(recipe_of(table, inputs, work), bits, sizes, work + _MASKS)


@helper
def count_with_array(table: Any, inputs: int, work: int) -> int:
    """The count of a table whose last input is an array: as if it were empty, and then what its values change."""
    kinds, sizes, bits = inputs_at(work)
    others = inputs - 1
    values, size = bits[others], sizes[others]
    if others == 1 and kinds[0] == ARRAY:
        return count_of_two(table, sizes[0], size, count_shared(values, size, bits[0], sizes[0], zeros_at(0, work)))
    spread_arrays(others, work)
    if others == 1:
        return count_of_two(table, sizes[0], size, count_array(values, size, bits[0]))
    without, within = fixed(table, others, 0), fixed(table, others, 1)
    change = count_rows(values, size, bits, others, within, without)
    without, others = narrowed(without, others, work)
    return change + count_bitsets(without, others, work)


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
        result[1] = _CHUNK * result[0]
        return
    if inputs == 1 and table & np.uint64(2):
        result[0], result[1], result[2] = kinds[0], sizes[0], bits[0]
        if bits[0] < work and bits[0] >= work - signed(program[RESULTS]) * _BITSET_BYTES:
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
        result[1] = store_flipped(bits[0], _ALL, out)
    else:
        result[1] = store_recipe(recipe_of(table, inputs, work), bits, sizes, work + _MASKS, out)
    gather_arrays(work)
    result[0] = EMPTY if result[1] == 0 else (FULL if result[1] == _CHUNK else BITSET)


@helper
def copy_container(kind: int, size: int, source: int, out: int) -> None:
    """Copy an array or a bitset."""
    words = _WORDS if kind == BITSET else (size + 3) >> 2  # places of results have room to spare
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
        if table == _NONE or table == _ALL or wanted(program, number, place, work):
            out = work - (1 + signed(node_at(program, number)[RESULT])) * _BITSET_BYTES
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
            at = predicate + (entry >> _CARDINALITY_BITS) * _LINE_BYTES
            lines = 128 if (entry & _CARDINALITY) > _MOST_ARRAY else 1
            if (entry & _CARDINALITY) == _CARDINALITY:
                lines = 0
            for line in range(0, lines, 16):
                prefetch(at + line * _LINE_BYTES)


@kernel("i8(i8, i8, i8)")
def count(address: int, first: int, last: int) -> int:
    """How many ids of the chunks *first* to *last* - 1 the program at *address* holds for; ids beyond the last
    customer are in no predicate, and count where the program holds for such ids."""
    return count_chunks(address, first, last)


@kernel("void(i8[:], i8, i8, OUT i8[:])")
def count_many(addresses: Any, chunks: int, step: int, out: Any) -> None:
    """Count several programs, a few chunks of all of them before the next few: what they share is still in a cache."""
    for first in range(0, chunks, step):
        for i in range(len(addresses)):
            out[i] += count_chunks(addresses[i], first, min(first + step, chunks))


@helper
def count_chunks(address: int, first: int, last: int) -> int:
    """What `count` says."""
    program = program_at(address)
    memory = np.empty(workspace_bytes(program), np.uint8)
    work = start(program, memory)
    number = signed(program[NODES]) - 1
    root, tables = node_at(program, number), tables_at(number, work)
    total = 0
    for block in range(first, last, _BLOCK):
        size = min(_BLOCK, last - block)
        fold_block(program, block, size, work)
        total += take_single_inputs(program, number, block, size, work)
        for place in range(size):
            if tables[place] == _NONE:
                continue
            if tables[place] == _ALL:
                total += _CHUNK
                continue
            if place + 1 < size:
                prefetch_inputs(program, root, tables[place + 1], block + place + 1)
            run_inner_nodes(program, block + place, place, work)
            total += count_node(tables[place], program, root, block + place, work)
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
    for block in range(first, last, _BLOCK):
        size = min(_BLOCK, last - block)
        fold_block(program, block, size, work)
        for place in range(size):
            table = tables[place]
            if not (table == _NONE or table == _ALL):
                run_inner_nodes(program, block + place, place, work)
            to = signed(out.ctypes.data) + (block + place - first) * _BITSET_BYTES
            store_node(table, program, number, block + place, to, work)
            settle(result, to, work)
            total += result[1]
    return total


@helper
def settle(result: Any, to: int, work: int) -> None:
    """Bring what a node is, wherever it lies, to *to* as a bitset."""
    if result[0] == EMPTY:
        store_filled(_NONE, to)
    elif result[0] == FULL:
        store_filled(_ALL, to)
    elif result[0] == BITSET:
        if result[2] != to:
            store_flipped(result[2], _NONE, to)
    else:
        spare = work  # a scratch slot: the values may lie where their bits will be
        store_filled(_NONE, spare)
        set_bits(result[2], result[1], spare)
        store_flipped(spare, _NONE, to)
