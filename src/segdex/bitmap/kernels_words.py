"""Passes over the 1,024 words of bitset containers.

Every loop here is left to the compiler to vectorise: no instruction set is assumed. Addresses are of words in memory,
masks are all zeros or all ones: XOR with a mask takes an input as it is, or its complement.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, popcount, shorts_at, shorts_equal, signed, words_at

_WORDS = 1024


@helper
def count_both(a: int, b: int) -> int:
    """How many bits two bitsets share."""
    x, y = words_at(a, _WORDS), words_at(b, _WORDS)
    found = 0
    for i in range(_WORDS):
        found += popcount(x[i] & y[i])
    return found


# A chain is f(x0, ..., xk) = ((x0 ^ m0) & (x1 ^ m1) ^ n1) & (x2 ^ m2) ^ n2 ...: whatever AND, OR and NOT can say by
# adding one input after the other. *at* are the inputs' addresses, *m* and *n* the masks; n0 is not used.


@helper
def count_chain2(at: Any, m: Any) -> int:
    """Count the bits of a chain of two inputs; like all counts of chains without the last of *n*."""
    a, b = words_at(at[0], _WORDS), words_at(at[1], _WORDS)
    m0, m1 = m[0], m[1]
    found = 0
    for i in range(_WORDS):
        found += popcount((a[i] ^ m0) & (b[i] ^ m1))
    return found


@helper
def count_chain3(at: Any, m: Any, n: Any) -> int:
    """Count the bits of a chain of three inputs."""
    a, b, c = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS)
    m0, m1, m2, n1 = m[0], m[1], m[2], n[1]
    found = 0
    for i in range(_WORDS):
        found += popcount((((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2))
    return found


@helper
def count_chain4(at: Any, m: Any, n: Any) -> int:
    """Count the bits of a chain of four inputs."""
    a, b, c, d = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS), words_at(at[3], _WORDS)
    m0, m1, m2, m3, n1, n2 = m[0], m[1], m[2], m[3], n[1], n[2]
    found = 0
    for i in range(_WORDS):
        x = (((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)
        found += popcount((x ^ n2) & (d[i] ^ m3))
    return found


@helper
def count_chain5(at: Any, m: Any, n: Any) -> int:
    """Count the bits of a chain of five inputs."""
    a, b, c = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS)
    d, e = words_at(at[3], _WORDS), words_at(at[4], _WORDS)
    m0, m1, m2, m3, m4, n1, n2, n3 = m[0], m[1], m[2], m[3], m[4], n[1], n[2], n[3]
    found = 0
    for i in range(_WORDS):
        x = (((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)
        found += popcount((((x ^ n2) & (d[i] ^ m3)) ^ n3) & (e[i] ^ m4))
    return found


@helper
def count_chain6(at: Any, m: Any, n: Any) -> int:
    """Count the bits of a chain of six inputs."""
    a, b, c = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS)
    d, e, f = words_at(at[3], _WORDS), words_at(at[4], _WORDS), words_at(at[5], _WORDS)
    m0, m1, m2, m3, m4, m5 = m[0], m[1], m[2], m[3], m[4], m[5]
    n1, n2, n3, n4 = n[1], n[2], n[3], n[4]
    found = 0
    for i in range(_WORDS):
        x = (((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)
        x = (((x ^ n2) & (d[i] ^ m3)) ^ n3) & (e[i] ^ m4)
        found += popcount((x ^ n4) & (f[i] ^ m5))
    return found


@helper
def store_flipped(a: int, m: Any, out: int) -> int:
    """Write ``a ^ m`` and count its bits."""
    x, y = words_at(a, _WORDS), words_at(out, _WORDS)
    found = 0
    for i in range(_WORDS):
        word = x[i] ^ m
        y[i] = word
        found += popcount(word)
    return found


@helper
def store_and(a: int, m0: Any, b: int, m1: Any, n: Any, out: int) -> int:
    """Write ``(a ^ m0) & (b ^ m1) ^ n`` and count its bits; *out* may be one of the inputs."""
    x, y, z = words_at(a, _WORDS), words_at(b, _WORDS), words_at(out, _WORDS)
    found = 0
    for i in range(_WORDS):
        word = ((x[i] ^ m0) & (y[i] ^ m1)) ^ n
        z[i] = word
        found += popcount(word)
    return found


@helper
def store_chain3(at: Any, m: Any, n: Any, out: int) -> int:
    """Write a chain of three inputs, with all of *n*, and count its bits."""
    a, b, c, y = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS), words_at(out, _WORDS)
    m0, m1, m2, n1, n2 = m[0], m[1], m[2], n[1], n[2]
    found = 0
    for i in range(_WORDS):
        word = ((((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)) ^ n2
        y[i] = word
        found += popcount(word)
    return found


@helper
def store_chain4(at: Any, m: Any, n: Any, out: int) -> int:
    """Write a chain of four inputs, with all of *n*, and count its bits."""
    a, b, c, d = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS), words_at(at[3], _WORDS)
    y = words_at(out, _WORDS)
    m0, m1, m2, m3, n1, n2, n3 = m[0], m[1], m[2], m[3], n[1], n[2], n[3]
    found = 0
    for i in range(_WORDS):
        x = (((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)
        word = ((x ^ n2) & (d[i] ^ m3)) ^ n3
        y[i] = word
        found += popcount(word)
    return found


@helper
def store_chain6(at: Any, m: Any, n: Any, out: int) -> int:
    """Write a chain of six inputs, with all of *n*, and count its bits."""
    a, b, c = words_at(at[0], _WORDS), words_at(at[1], _WORDS), words_at(at[2], _WORDS)
    d, e, f, y = words_at(at[3], _WORDS), words_at(at[4], _WORDS), words_at(at[5], _WORDS), words_at(out, _WORDS)
    m0, m1, m2, m3, m4, m5 = m[0], m[1], m[2], m[3], m[4], m[5]
    n1, n2, n3, n4, n5 = n[1], n[2], n[3], n[4], n[5]
    found = 0
    for i in range(_WORDS):
        x = (((a[i] ^ m0) & (b[i] ^ m1)) ^ n1) & (c[i] ^ m2)
        x = (((x ^ n2) & (d[i] ^ m3)) ^ n3) & (e[i] ^ m4)
        word = ((x ^ n4) & (f[i] ^ m5)) ^ n5
        y[i] = word
        found += popcount(word)
    return found


@helper
def store_xor(a: int, b: int, out: int) -> None:
    """Write ``a ^ b``."""
    x, y, z = words_at(a, _WORDS), words_at(b, _WORDS), words_at(out, _WORDS)
    for i in range(_WORDS):
        z[i] = x[i] ^ y[i]


@helper
def store_selected(by: int, high: int, low: int, out: int) -> None:
    """Write *high* where *by* is 1 and *low* where it is 0."""
    x, y, z, o = words_at(by, _WORDS), words_at(high, _WORDS), words_at(low, _WORDS), words_at(out, _WORDS)
    for i in range(_WORDS):
        o[i] = (x[i] & y[i]) | (~x[i] & z[i])


@helper
def store_lookup(a: int, b: int, c: int, d: int, rows: Any, out: int) -> None:
    """Write a truth table of four inputs; *rows* are its 16 rows as masks, input *a* in the lowest bit of a row."""
    w, x, y, z = words_at(a, _WORDS), words_at(b, _WORDS), words_at(c, _WORDS), words_at(d, _WORDS)
    o = words_at(out, _WORDS)
    for i in range(_WORDS):
        p, q = w[i], x[i]
        s, t = y[i], z[i]
        e0 = (q & ((p & rows[3]) | (~p & rows[2]))) | (~q & ((p & rows[1]) | (~p & rows[0])))
        e1 = (q & ((p & rows[7]) | (~p & rows[6]))) | (~q & ((p & rows[5]) | (~p & rows[4])))
        e2 = (q & ((p & rows[11]) | (~p & rows[10]))) | (~q & ((p & rows[9]) | (~p & rows[8])))
        e3 = (q & ((p & rows[15]) | (~p & rows[14]))) | (~q & ((p & rows[13]) | (~p & rows[12])))
        o[i] = (t & ((s & e3) | (~s & e2))) | (~t & ((s & e1) | (~s & e0)))


@helper
def store_filled(word: Any, out: int) -> None:
    """Write one word everywhere."""
    y = words_at(out, _WORDS)
    for i in range(_WORDS):
        y[i] = word


@helper
def set_bits(values: int, count: int, out: int) -> None:
    """Set the bits of an array container in a bitset."""
    x, y = shorts_at(values, count), words_at(out, _WORDS)
    for i in range(count):
        value = signed(x[i])
        y[value >> 6] |= np.uint64(1) << np.uint64(value & 63)


@helper
def clear_words(values: int, count: int, out: int) -> None:
    """Zero the words of a bitset that hold values of an array container."""
    x, y = shorts_at(values, count), words_at(out, _WORDS)
    for i in range(count):
        y[signed(x[i]) >> 6] = np.uint64(0)


@helper
def count_array(values: int, count: int, bits: int) -> int:
    """How many values of an array container a bitset holds."""
    x, y = shorts_at(values, count), words_at(bits, _WORDS)
    found = np.uint64(0)
    for i in range(count):
        value = signed(x[i])
        found += (y[value >> 6] >> np.uint64(value & 63)) & np.uint64(1)
    return signed(found)


@helper
def place_of(values: int, count: int, least: int) -> int:
    """The place of the first value of an array container that is at least *least*, by bisection."""
    x = shorts_at(values, count)
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if signed(x[middle]) < least:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def count_shared(a: int, size_a: int, b: int, size_b: int, zeros: int) -> int:
    """How many values two array containers share; *zeros* is a bitset of zeros, and is left so."""
    if size_a > size_b:
        a, size_a, b, size_b = b, size_b, a, size_a
    if size_a * size_b <= MOST_PAIRS:
        return count_pairs(a, size_a, b, size_b)
    return count_overlap(a, size_a, b, size_b, zeros)


MOST_PAIRS = 8192
"""So many pairs of values are compared at most; a vector of 32 at a time, that takes as long as the other way."""


@helper
def count_pairs(a: int, size_a: int, b: int, size_b: int) -> int:
    """How many values two array containers share, each of *a* compared with all of *b*.

    The last line of *b* may have room after its values, whatever is in it: a container begins a line, and owns it.
    """
    x = shorts_at(a, size_a)
    lines, left = (size_b - 1) >> 5, ((size_b - 1) & 31) + 1
    there = (np.uint64(1) << np.uint64(left)) - np.uint64(1)
    found = 0
    for i in range(size_a):
        value = signed(x[i])
        same = shorts_equal(b + 64 * lines, value) & there
        for line in range(lines):
            same |= shorts_equal(b + 64 * line, value)
        found += 1 if same else 0
    return found


@helper
def count_overlap(a: int, size_a: int, b: int, size_b: int, zeros: int) -> int:
    """How many values two array containers share, by way of a bitset of zeros.

    Where like customers are neighbours the two often lie apart: only the range that both have is looked at.
    """
    x, y = shorts_at(a, size_a), shorts_at(b, size_b)
    least, most = max(signed(x[0]), signed(y[0])), min(signed(x[size_a - 1]), signed(y[size_b - 1]))
    if least > most:
        return 0
    first_a, first_b = place_of(a, size_a, least), place_of(b, size_b, least)
    count_a, count_b = place_of(a, size_a, most + 1) - first_a, place_of(b, size_b, most + 1) - first_b
    set_bits(a + 2 * first_a, count_a, zeros)
    found = count_array(b + 2 * first_b, count_b, zeros)
    clear_words(a + 2 * first_a, count_a, zeros)
    return found


@helper
def row_of(value: int, bits: Any, inputs: int) -> Any:
    """The row of a truth table that one value is in: bit j says whether input j, a bitset, holds it."""
    word, bit = value >> 6, np.uint64(value & 63)
    row = np.uint64(0)
    for j in range(inputs):
        row |= ((words_at(bits[j], _WORDS)[word] >> bit) & np.uint64(1)) << np.uint64(j)
    return row


@helper
def count_rows(values: int, count: int, bits: Any, inputs: int, plus: Any, minus: Any) -> int:
    """Over the values of an array: how often table *plus* holds, less how often table *minus* does."""
    x = shorts_at(values, count)
    found = 0
    for i in range(count):
        row = row_of(signed(x[i]), bits, inputs)
        found += signed((plus >> row) & np.uint64(1)) - signed((minus >> row) & np.uint64(1))
    return found


@helper
def store_rows(values: int, count: int, bits: Any, inputs: int, table: Any, out: int) -> int:
    """Write as an array the values of an array for which *table* holds, and count them."""
    x, y = shorts_at(values, count), shorts_at(out, count)
    found = 0
    for i in range(count):
        if (table >> row_of(signed(x[i]), bits, inputs)) & np.uint64(1):
            y[found] = x[i]
            found += 1
    return found
