"""The inputs of a table in one chunk: what each is, which still matter, and how many ids the table holds for.

An input is an array of values, a bitset, or a range that has to be looked at; empty and full ones have been folded into
the table. Directories tell the cardinality of most. A count never writes its result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_ranks import RANGE_WORDS, store_range
from segdex.bitmap.kernels_tables import (
    INPUTS,
    RECIPE_WORDS,
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
)
from segdex.bitmap.kernels_workspace import (
    ALL,
    ARITY,
    ARRAY,
    ARRAYS,
    BITSET,
    BITSET_BYTES,
    CARDINALITY,
    CARDINALITY_BITS,
    CHUNK,
    CHUNKS,
    FIRST,
    FULL,
    HEADER,
    KEPT,
    LINE_BYTES,
    MASKS,
    MOST_ARRAY,
    NODES,
    NONE,
    PREDICATES,
    RANGE,
    RECIPE,
    SEEN,
    SPREAD,
    inputs_at,
    result_at,
)
from segdex.jit import helper, ints_at, signed, words_at


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
        sizes[place] = entry & CARDINALITY
        kinds[place] = ARRAY if sizes[place] <= MOST_ARRAY else BITSET
        bits[place] = predicate + (entry >> CARDINALITY_BITS) * LINE_BYTES
        if sizes[place] == CARDINALITY:
            kinds[place] = RANGE
            bits[place] = predicate + (signed(program[CHUNKS]) + 7) // 8 * LINE_BYTES
    else:
        result = result_at(program, operand - predicates, work)
        kinds[place], sizes[place], bits[place] = result[0], result[1], result[2]


@helper
def smallest_array(inputs: int, work: int) -> int:
    """The input that is the smallest array, or -1."""
    kinds, sizes, _ = inputs_at(work)
    found, least = -1, CHUNK
    for j in range(inputs):
        if kinds[j] == ARRAY and sizes[j] < least:
            found, least = j, sizes[j]
    return found


@helper
def narrowing_array(table: Any, inputs: int, work: int) -> int:
    """An input that is an array outside of which the table is 0, or -1."""
    kinds, _, _ = inputs_at(work)
    for j in range(inputs):
        if kinds[j] == ARRAY and fixed(table, j, 0) == NONE:
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
    kinds, _, _ = inputs_at(work)
    for j in range(inputs):
        if kinds[j] == ARRAY:
            spread_array(j, work)


@helper
def spread_array(place: int, work: int) -> None:
    """Make a bitset of one input that is an array, see `spread_arrays`."""
    _, sizes, bits = inputs_at(work)
    spread, to = ints_at(work + SPREAD, 3 * INPUTS), zeros_at(place, work)
    spread[3 * place + 1], spread[3 * place + 2] = sizes[place], bits[place]
    set_bits(bits[place], sizes[place], to)
    bits[place] = to


@helper
def zeros_at(place: int, work: int) -> int:
    """The address of a bitset of zeros, to be left so; one for each input."""
    spread, to = ints_at(work + SPREAD, 3 * INPUTS), work + ARRAYS + place * BITSET_BYTES
    if spread[3 * place] == 0:
        store_filled(NONE, to)
        spread[3 * place] = 1
    return to


@helper
def gather_arrays(work: int) -> None:
    """Make zeros again of what arrays were spread over."""
    spread = ints_at(work + SPREAD, 3 * INPUTS)
    for j in range(INPUTS):
        if spread[3 * j + 1]:
            clear_words(spread[3 * j + 2], spread[3 * j + 1], work + ARRAYS + j * BITSET_BYTES)
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
    kept = ints_at(work + KEPT, 3 * INPUTS)
    for j in range(inputs):
        kept[3 * j], kept[3 * j + 1], kept[3 * j + 2] = kinds[j], sizes[j], bits[j]
    table, left = narrowed(table, inputs, work)
    spread_arrays(left, work)
    if left == 0:
        store_filled(table, out)
        found = CHUNK if table == ALL else 0
    elif left == 1:
        found = store_flipped(bits[0], NONE if table & np.uint64(2) else ALL, out)
    else:
        found = store_recipe(recipe_of(table, left, work), bits, sizes, work + MASKS, out)
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
        among, out = work - BITSET_BYTES, work - (1 + seen) * BITSET_BYTES
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
    seen, recipe = words_at(work + SEEN, 2), ints_at(work + RECIPE, RECIPE_WORDS)
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
        total += CHUNK - first - second + both
    return total


@helper
def count_bitsets(table: Any, inputs: int, work: int) -> int:
    """The count of a table of bitsets of which all matter."""
    _, sizes, bits = inputs_at(work)
    if inputs == 0:
        return CHUNK if table & np.uint64(1) else 0
    if inputs == 1:
        return signed(sizes[0]) if table & np.uint64(2) else CHUNK - signed(sizes[0])
    if inputs == 2:
        return count_of_two(table, sizes[0], sizes[1], count_both(bits[0], bits[1]))
    return count_recipe(recipe_of(table, inputs, work), bits, sizes, work + MASKS)


LEAST_SPREAD = 64
"""Fewer values than this are looked up one by one, even where all words of the other inputs are read anyway.

To spread a value and to take it back costs 1 ns, to look it up in three inputs 2 ns and more, and much more where these
are not in the cache: a pass over their words, which reads them in order, had better come first.
"""


@helper
def depends_on_all(table: Any, inputs: int) -> bool:
    """Whether each of the first *inputs* inputs matters."""
    for j in range(inputs):
        if not depends(table, j):
            return False
    return True


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
    if size >= LEAST_SPREAD and depends_on_all(without, others):
        spread_array(others, work)
        return count_bitsets(table, inputs, work)
    change = count_rows(values, size, bits, others, within, without)
    without, others = narrowed(without, others, work)
    return change + count_bitsets(without, others, work)
