"""Truth tables of up to six inputs, and the passes over words that evaluate one.

A table is one 64-bit word: bit r is the value in row r, and input j is bit j of r. A table of fewer inputs repeats
itself, so that inputs that do not matter need no care.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_words import (
    count_chain2,
    count_chain3,
    count_chain4,
    count_chain5,
    count_chain6,
    store_and,
    store_chain3,
    store_chain4,
    store_chain6,
    store_flipped,
    store_lookup,
    store_selected,
    store_xor,
)
from segdex.jit import helper, signed, words_at

PATTERNS = (
    np.uint64(0xAAAAAAAAAAAAAAAA),
    np.uint64(0xCCCCCCCCCCCCCCCC),
    np.uint64(0xF0F0F0F0F0F0F0F0),
    np.uint64(0xFF00FF00FF00FF00),
    np.uint64(0xFFFF0000FFFF0000),
    np.uint64(0xFFFFFFFF00000000),
)
"""The table of each input alone."""
_NONE, _ALL = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
_CHUNK = 65_536


@helper
def fixed(table: Any, at: int, value: int) -> Any:
    """The table with input *at* held at *value*; it does not depend on that input any more."""
    shift = np.uint64(1 << at)
    if value:
        kept = table & PATTERNS[at]
        return kept | (kept >> shift)
    kept = table & ~PATTERNS[at]
    return kept | (kept << shift)


@helper
def depends(table: Any, at: int) -> bool:
    """Whether input *at* matters."""
    return bool(((table & PATTERNS[at]) >> np.uint64(1 << at)) != (table & ~PATTERNS[at]))


@helper
def swapped(table: Any, low: int, high: int) -> Any:
    """The table with the inputs *low* and *high* in each other's place; *low* is less than *high*."""
    moving = PATTERNS[low] & ~PATTERNS[high]
    shift = np.uint64((1 << high) - (1 << low))
    kept = table & ~(moving | (moving << shift))
    return kept | ((table & moving) << shift) | ((table >> shift) & moving)


@helper
def moved(table: Any, start: int, end: int) -> Any:
    """The table with input *start* in the place of *end*, which is greater or the same, and the other way round."""
    return swapped(table, start, end) if start < end else table


# --- recipes -----------------------------------------------------------------------------------------------------

# A recipe evaluates a table that depends on all of its inputs, bitsets in slots 0 to 5, by few passes over words.
# Rules are written with AND, OR and NOT, and few of them name a predicate twice. Such a table is taken apart from
# outside: an input that alone can decide the result goes to the end of a chain, the rest goes on; a pair of inputs
# that acts through one value becomes a gate, whose bits go into a scratch slot. What cannot be taken apart is looked
# up, row by row. (One pass of a six-input table takes 3.2 us, the passes of six inputs by a chain 0.4.)
#
# As int64: steps, length of the chain, the chain as (slot, flip in, flip out) x 6, the steps as (kind, out, a, b, c, d,
# extra) x 8; the last six are room for writing it.

_CHAIN, _STEPS, _STEP = 2, 20, 7
RECIPE_WORDS = _STEPS + 8 * _STEP + 6
AND, XOR, LOOKUP, SELECT = 0, 1, 2, 3
INPUTS = 6
SLOTS = 14
"""Six inputs and eight scratch slots: six inputs that cannot be taken apart take four look-ups and three selections."""


@helper
def deciding(table: Any, inputs: int) -> int:
    """An input of which one value makes the table constant, as 4 input + 2 value + constant; -1: there is none."""
    for at in range(inputs):
        for value in range(2):
            rest = fixed(table, at, value)
            if rest == _NONE:
                return 4 * at + 2 * value
            if rest == _ALL:
                return 4 * at + 2 * value + 1
    return -1


@helper
def gate_of(table: Any, a: int, b: int) -> int:
    """How inputs *a* and *b* act through one value: 0 to 3, it is 1 where (a, b) is that row; 4, it is a ^ b; -1."""
    t0 = fixed(fixed(table, a, 0), b, 0)
    t1 = fixed(fixed(table, a, 1), b, 0)
    t2 = fixed(fixed(table, a, 0), b, 1)
    t3 = fixed(fixed(table, a, 1), b, 1)
    if t0 == t1:
        return 3 if t1 == t2 else (2 if t1 == t3 else -1)
    if t2 == t3:
        return 1 if t0 == t2 else (0 if t1 == t2 else -1)
    return 4 if t0 == t3 and t1 == t2 else -1


@helper
def put_step(recipe: Any, kind: int, out: int, a: int, b: int, c: int, d: int, extra: int) -> None:
    """Add a step to a recipe."""
    at = _STEPS + _STEP * recipe[0]
    recipe[at], recipe[at + 1], recipe[at + 2], recipe[at + 3] = kind, out, a, b
    recipe[at + 4], recipe[at + 5], recipe[at + 6] = c, d, extra
    recipe[0] += 1


@helper
def put_lookup(recipe: Any, table: Any, inputs: int, slots: Any, scratch: int) -> int:
    """Add the steps that look a table up; returns the slot of the result. Uses up to seven scratch slots."""
    unused = slots[0]
    c = slots[2] if inputs > 2 else unused
    d = slots[3] if inputs > 3 else unused
    halves = 1 << max(inputs - 4, 0)
    for part in range(halves):
        rows = signed((table >> np.uint64(16 * part)) & np.uint64(0xFFFF))
        put_step(recipe, LOOKUP, scratch + part, slots[0], slots[1], c, d, rows)
    if halves == 4:
        put_step(recipe, SELECT, scratch, slots[4], scratch + 1, scratch, 0, 0)
        put_step(recipe, SELECT, scratch + 2, slots[4], scratch + 3, scratch + 2, 0, 0)
        put_step(recipe, SELECT, scratch, slots[5], scratch + 2, scratch, 0, 0)
    elif halves == 2:
        put_step(recipe, SELECT, scratch, slots[4], scratch + 1, scratch, 0, 0)
    return scratch


@helper
def put_gate(recipe: Any, table: Any, inputs: int, slots: Any, scratch: int) -> Any:
    """Add a gate and return the table with it in the place of its first input, its second one gone; 0: none is found.

    The table must depend on all inputs, so that no table left over is 0.
    """
    for a in range(inputs):
        for b in range(a + 1, inputs):
            row = gate_of(table, a, b)
            if row < 0:
                continue
            if row == 4:
                put_step(recipe, XOR, scratch, slots[a], slots[b], 0, 0, 0)
                high, low = fixed(fixed(table, a, 1), b, 0), fixed(fixed(table, a, 0), b, 0)
            else:
                p, q = row & 1, row >> 1
                put_step(recipe, AND, scratch, slots[a], slots[b], 1 - p, 1 - q, 0)
                high, low = fixed(fixed(table, a, p), b, q), fixed(fixed(table, a, 1 - p), b, q)
            slots[a] = scratch
            slots[b] = slots[inputs - 1]
            return moved((high & PATTERNS[a]) | (low & ~PATTERNS[a]), b, inputs - 1)
    return _NONE


@helper
def write_recipe(table: Any, inputs: int, recipe: Any) -> None:
    """Write the recipe of a table that depends on all of its *inputs*, two at least."""
    slots = recipe[RECIPE_WORDS - INPUTS :]
    for j in range(INPUTS):
        slots[j] = j
    recipe[0], length, scratch = 0, 0, INPUTS
    while inputs > 1:
        at = deciding(table, inputs)
        if at >= 0:
            one, value, constant = at >> 2, (at >> 1) & 1, at & 1
            entry = _CHAIN + 3 * length
            recipe[entry], recipe[entry + 1], recipe[entry + 2] = slots[one], value, constant
            length += 1
            rest = fixed(table, one, 1 - value)
            table = moved(~rest if constant else rest, one, inputs - 1)
            slots[one] = slots[inputs - 1]
            inputs -= 1
            continue
        rest = put_gate(recipe, table, inputs, slots, scratch)
        if rest == _NONE:
            slots[0] = put_lookup(recipe, table, inputs, slots, scratch)
            table, inputs = PATTERNS[0], 1
        else:
            table = rest
            inputs -= 1
            scratch += 1
    entry = _CHAIN + 3 * length
    recipe[entry], recipe[entry + 1], recipe[entry + 2] = slots[0], signed(table & np.uint64(1)), 0
    recipe[1] = length + 1


@helper
def run_steps(recipe: Any, at: Any, rows: Any) -> None:
    """Run the steps before the chain. *at* are the addresses of all slots; *rows* is room for 16 masks."""
    for step in range(recipe[0]):
        first = _STEPS + _STEP * step
        kind, out, a, b = recipe[first], at[recipe[first + 1]], at[recipe[first + 2]], at[recipe[first + 3]]
        if kind == AND:
            m0 = _ALL if recipe[first + 4] else _NONE
            m1 = _ALL if recipe[first + 5] else _NONE
            store_and(a, m0, b, m1, _NONE, out)
        elif kind == XOR:
            store_xor(a, b, out)
        elif kind == SELECT:
            store_selected(a, b, at[recipe[first + 4]], out)
        else:
            for row in range(16):
                rows[row] = _ALL if (recipe[first + 6] >> row) & 1 else _NONE
            store_lookup(a, b, at[recipe[first + 4]], at[recipe[first + 5]], rows, out)


@helper
def lay_chain(recipe: Any, at: Any, inputs: Any, m: Any, n: Any) -> int:
    """Addresses and masks of the chain, from its inner end; returns its length."""
    length = signed(recipe[1])
    for i in range(length):
        entry = _CHAIN + 3 * (length - 1 - i)
        inputs[i] = at[recipe[entry]]
        m[i] = _ALL if recipe[entry + 1] else _NONE
        n[i] = _ALL if recipe[entry + 2] else _NONE
    return length


@helper
def count_recipe(recipe: Any, at: Any, inputs: Any, masks: int) -> int:
    """How many bits the result has. *inputs* is room for six addresses, *masks* the address of room for 28 masks."""
    m, n = words_at(masks, 6), words_at(masks + 48, 6)
    run_steps(recipe, at, words_at(masks + 96, 16))
    length = lay_chain(recipe, at, inputs, m, n)
    if length == 1:
        return store_flipped(inputs[0], m[0], inputs[0])  # always a scratch slot: a table of one input has no recipe
    if length == 2:
        found = count_chain2(inputs, m)
    elif length == 3:
        found = count_chain3(inputs, m, n)
    elif length == 4:
        found = count_chain4(inputs, m, n)
    elif length == 5:
        found = count_chain5(inputs, m, n)
    else:
        found = count_chain6(inputs, m, n)
    return _CHUNK - found if n[length - 1] else found


@helper
def store_recipe(recipe: Any, at: Any, inputs: Any, masks: int, out: int) -> int:
    """Write the result and count its bits; *out* is none of the inputs."""
    m, n = words_at(masks, 6), words_at(masks + 48, 6)
    run_steps(recipe, at, words_at(masks + 96, 16))
    length = lay_chain(recipe, at, inputs, m, n)
    if length == 1:
        return store_flipped(inputs[0], m[0], out)
    if length == 2:
        return store_and(inputs[0], m[0], inputs[1], m[1], n[1], out)
    if length == 3:
        return store_chain3(inputs, m, n, out)
    if length == 6:
        return store_chain6(inputs, m, n, out)
    found = store_chain4(inputs, m, n, out)
    if length == 5:
        found = store_and(out, _NONE, inputs[4], m[4], n[4], out)
    return found
