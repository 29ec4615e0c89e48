"""Kernels of reading: hash tables of strings and integers, a search in sorted strings, numbers and times from text.

Strings arrive as Arrow lays them out: *offsets* (one more than strings) into the bytes of *data*. Arithmetic stays
within 63 bits or on Python's integers, so that the uncompiled kernels give the same results without warnings.
"""

from __future__ import annotations

from typing import Any

from segdex.jit import helper, kernel

EMPTY = 0xFFFFFFFF
"""A free slot of a hash table."""

# What a text turned out to be: the statuses of `parse_decimals` and `parse_times`.
BLANK, EXACT, INEXACT, TOO_LARGE, MALFORMED = 0, 1, 2, 3, 4
DATE, LOCAL, ABSOLUTE = 1, 2, 3


@helper
def mix(state: int, word: int) -> int:
    """Stir 32 bits into a 32-bit hash (one round of MurmurHash3's body, multipliers kept below 31 bits)."""
    word = (word * 0x4C9E2D51) & 0xFFFFFFFF
    word = ((word << 15) | (word >> 17)) & 0xFFFFFFFF
    state ^= (word * 0x1B873593) & 0xFFFFFFFF
    state = ((state << 13) | (state >> 19)) & 0xFFFFFFFF
    return (state * 5 + 0x6546B64) & 0xFFFFFFFF


@helper
def finish(state: int) -> int:
    """Spread the entropy of a hash over all of its bits."""
    state ^= state >> 16
    state = (state * 0x45EBCA6B) & 0xFFFFFFFF
    state ^= state >> 13
    state = (state * 0x42B2AE35) & 0xFFFFFFFF
    return state ^ (state >> 16)


@helper
def hash_bytes(data: Any, start: int, end: int) -> int:
    """A 32-bit hash of data[start:end]."""
    state = (end - start) & 0xFFFFFFFF
    at = start
    while at + 4 <= end:
        word = int(data[at]) | int(data[at + 1]) << 8 | int(data[at + 2]) << 16 | int(data[at + 3]) << 24
        state = mix(state, word)
        at += 4
    word = 0
    while at < end:
        word = (word << 8) | int(data[at])
        at += 1
    return finish(mix(state, word))


@helper
def same_bytes(left: Any, start: int, right: Any, begin: int, length: int) -> bool:
    """Whether two stretches of bytes are equal."""
    for i in range(length):
        if left[start + i] != right[begin + i]:
            return False
    return True


@kernel("i8(i8[:], u1[:], b1[:], OUT u4[:], OUT u4[:], OUT i8[:], OUT u1[:], i8, OUT i8[:])")
def encode_texts(
    offsets: Any, data: Any, known: Any, slots: Any, hashes: Any, starts: Any, kept: Any, count: int, codes: Any
) -> int:
    """Number strings in the order of their first appearance; unknown ones get -1. Returns how many are held now.

    The table holds *count* strings: string e is ``kept[starts[e]:starts[e + 1]]`` with hash ``hashes[e]``; *slots*, a
    power of two of them, more than strings, finds them. There must be room for every string of *data*.
    """
    last = len(slots) - 1
    for i in range(len(codes)):
        codes[i] = -1
        if not known[i]:
            continue
        start, length = int(offsets[i]), int(offsets[i + 1] - offsets[i])
        value = hash_bytes(data, start, start + length)
        slot = value & last
        while slots[slot] != EMPTY:
            entry = slots[slot]
            begin = starts[entry]
            if hashes[entry] == value and starts[entry + 1] - begin == length:
                if same_bytes(data, start, kept, begin, length):
                    codes[i] = entry
                    break
            slot = (slot + 1) & last
        if codes[i] < 0:
            slots[slot] = count
            hashes[count] = value
            begin = starts[count]
            for j in range(length):
                kept[begin + j] = data[start + j]
            starts[count + 1] = begin + length
            codes[i] = count
            count += 1
    return count


@kernel("i8(i8[:], b1[:], OUT u4[:], OUT u4[:], OUT i8[:], i8, OUT i8[:])")
def encode_integers(values: Any, known: Any, slots: Any, hashes: Any, kept: Any, count: int, codes: Any) -> int:
    """Number integers in the order of their first appearance, as `encode_texts` does."""
    last = len(slots) - 1
    for i in range(len(codes)):
        codes[i] = -1
        if not known[i]:
            continue
        whole = int(values[i])
        value = finish(mix(mix(0, whole & 0xFFFFFFFF), (whole >> 32) & 0xFFFFFFFF))
        slot = value & last
        while slots[slot] != EMPTY:
            entry = slots[slot]
            if kept[entry] == whole:
                codes[i] = entry
                break
            slot = (slot + 1) & last
        if codes[i] < 0:
            slots[slot] = count
            hashes[count] = value
            kept[count] = whole
            codes[i] = count
            count += 1
    return count


@kernel("void(u4[:], i8, OUT u4[:])")
def fill_slots(hashes: Any, count: int, slots: Any) -> None:
    """Enter *count* distinct values into empty slots, by their hashes."""
    last = len(slots) - 1
    for entry in range(count):
        slot = int(hashes[entry]) & last
        while slots[slot] != EMPTY:
            slot = (slot + 1) & last
        slots[slot] = entry


@helper
def order_of_bytes(left: Any, start: int, end: int, right: Any, begin: int, stop: int) -> int:
    """The sign of comparing two strings by their bytes."""
    shared = min(end - start, stop - begin)
    for i in range(shared):
        a, b = int(left[start + i]), int(right[begin + i])
        if a != b:
            return 1 if a > b else -1
    return int(end - start > stop - begin) - int(end - start < stop - begin)


@kernel("void(i8[:], u1[:], i8[:], u1[:], i8, i8[:], u1[:], b1[:], OUT i8[:])")
def search_texts(
    offsets: Any, data: Any, firsts: Any, firsts_data: Any, stride: int, wanted: Any, wanted_data: Any, known: Any,
    found: Any,
) -> None:  # fmt: skip
    """The position of each wanted string in strings that ascend by bytes; -1 where it is not among them.

    *firsts* are the first of every *stride* of these, held close together so that a cache has them; or none.
    """
    for i in range(len(found)):
        found[i] = -1
        if not known[i]:
            continue
        start, end = wanted[i], wanted[i + 1]
        low, high = 0, len(firsts) - 1
        while low < high:  # how many of the firsts are not greater
            middle = (low + high) // 2
            if order_of_bytes(firsts_data, firsts[middle], firsts[middle + 1], wanted_data, start, end) <= 0:
                low = middle + 1
            else:
                high = middle
        if len(firsts) > 1:
            low, high = max(low - 1, 0) * stride, min(low * stride, len(offsets) - 1)
        else:
            low, high = 0, len(offsets) - 1
        while low < high:
            middle = (low + high) // 2
            sign = order_of_bytes(data, offsets[middle], offsets[middle + 1], wanted_data, start, end)
            if sign == 0:
                found[i] = middle
                break
            if sign < 0:
                low = middle + 1
            else:
                high = middle


@kernel("void(i8[:], i8[:], b1[:], OUT i8[:])")
def search_integers(held: Any, wanted: Any, known: Any, found: Any) -> None:
    """The position of each wanted integer in *held*, which ascend; -1 where it is not among them.

    The search goes on from where the one before ended, in steps that double: many that ascend are found close by.
    """
    at = 0
    for i in range(len(found)):
        found[i] = -1
        if not known[i]:
            continue
        value = wanted[i]
        low, high = 0, at
        if at == 0 or held[at - 1] < value:  # it is not before
            low, step = at, 1
            while low + step <= len(held) and held[low + step - 1] < value:
                low += step
                step *= 2
            high = min(low + step - 1, len(held))
        while low < high:
            middle = (low + high) // 2
            if held[middle] < value:
                low = middle + 1
            else:
                high = middle
        at = low
        if at < len(held) and held[at] == value:
            found[i] = at


# --- numbers and times from text ---------------------------------------------------------------------------------


@helper
def skip_spaces(data: Any, start: int, end: int) -> int:
    """The position of the first byte that is no space or tab."""
    while start < end and (data[start] == 32 or data[start] == 9):
        start += 1
    return start


@helper
def drop_spaces(data: Any, start: int, end: int) -> int:
    """The end without trailing spaces and tabs."""
    while end > start and (data[end - 1] == 32 or data[end - 1] == 9):
        end -= 1
    return end


@helper
def digits(data: Any, start: int, count: int, end: int) -> int:
    """The number that exactly *count* digits stand for, or -1."""
    if start + count > end:
        return -1
    value = 0
    for at in range(start, start + count):
        digit = int(data[at]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@kernel("void(i8[:], u1[:], b1[:], i8, OUT i8[:], OUT i1[:])")
def parse_decimals(offsets: Any, data: Any, known: Any, scale: int, values: Any, statuses: Any) -> None:
    """Read ``[+-]digits[.digits]`` as integers of 10^-scale; decimals beyond the scale must be zeros.

    Values that are not ``EXACT`` are left at 0.
    """
    for i in range(len(values)):
        values[i], statuses[i] = 0, BLANK
        if not known[i]:
            continue
        at = skip_spaces(data, offsets[i], offsets[i + 1])
        end = drop_spaces(data, at, offsets[i + 1])
        if at == end:
            continue
        negative = data[at] == 45
        if data[at] == 45 or data[at] == 43:
            at += 1
        value, decimals, seen, status = 0, -1, 0, EXACT
        while at < end and status != MALFORMED:
            digit = int(data[at]) - 48
            at += 1
            if digit == -2 and decimals < 0:
                decimals = 0
            elif digit < 0 or digit > 9:
                status = MALFORMED
            elif decimals >= scale:
                seen += 1
                if digit > 0 and status == EXACT:
                    status = INEXACT
            else:
                seen += 1
                decimals += decimals >= 0
                if value > (9223372036854775807 - digit) // 10:
                    status = TOO_LARGE
                else:
                    value = value * 10 + digit
        for _ in range(scale - max(decimals, 0)):
            if value > 922337203685477580:
                status = TOO_LARGE if status != MALFORMED else status
                break
            value *= 10
        if seen == 0:
            status = MALFORMED
        statuses[i] = status
        if status == EXACT:
            values[i] = -value if negative else value


@helper
def day_of(year: int, month: int, day: int) -> int:
    """Days since 1970 of a date in the proleptic Gregorian calendar, or the lowest int64 where there is none.

    Years are counted from March, so that the leap day is the last (Howard Hinnant, "chrono-compatible low-level date
    algorithms").
    """
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 31
    if month in (4, 6, 9, 11):
        longest = 30
    if month == 2:
        longest = 29 if leap else 28
    if year < 1 or month < 1 or month > 12 or day < 1 or day > longest:
        return -9223372036854775808
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@helper
def offset_of(data: Any, at: int, end: int) -> int:
    """``Z``, ``+05``, ``+05:30`` or ``+0530`` in minutes; 10000 where it is none of them."""
    if at + 1 == end and (data[at] == 90 or data[at] == 122):
        return 0
    if at >= end or (data[at] != 43 and data[at] != 45):
        return 10000
    hours, minutes = digits(data, at + 1, 2, end), 0
    rest = at + 3
    if rest < end:
        if data[rest] == 58:
            rest += 1
        minutes = digits(data, rest, 2, end)
        rest += 2
    if rest != end or hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 10000
    return (hours * 60 + minutes) * (1 if data[at] == 43 else -1)


@kernel("void(i8[:], u1[:], b1[:], OUT i8[:], OUT i1[:])")
def parse_times(offsets: Any, data: Any, known: Any, values: Any, statuses: Any) -> None:
    """Read ISO 8601: ``2026-01-31`` as days, ``2026-01-31[T ]12:00[:00[.123456789]][offset]`` as microseconds.

    The status says which: ``DATE``, ``LOCAL`` (no offset), ``ABSOLUTE`` (the offset taken off); digits beyond
    microseconds are cut.
    """
    for i in range(len(values)):
        values[i], statuses[i] = 0, BLANK
        if not known[i]:
            continue
        at = skip_spaces(data, offsets[i], offsets[i + 1])
        end = drop_spaces(data, at, offsets[i + 1])
        if at == end:
            continue
        statuses[i] = MALFORMED
        if end - at < 10 or data[at + 4] != 45 or data[at + 7] != 45:
            continue
        day = day_of(digits(data, at, 4, end), digits(data, at + 5, 2, end), digits(data, at + 8, 2, end))
        if day == -9223372036854775808:
            continue
        at += 10
        if at == end:
            values[i], statuses[i] = day, DATE
            continue
        hour, minute, second, fraction = digits(data, at + 1, 2, end), digits(data, at + 4, 2, end), 0, 0
        if data[at] != 84 and data[at] != 116 and data[at] != 32:
            continue
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or data[at + 3] != 58:
            continue
        at += 6
        if at < end and data[at] == 58:
            second = digits(data, at + 1, 2, end)
            at += 3
            if second < 0 or second > 59:
                continue
            if at < end and data[at] == 46:
                at += 1
                first, unit = at, 100000
                while at < end and data[at] >= 48 and data[at] <= 57:
                    fraction += (int(data[at]) - 48) * unit
                    unit //= 10
                    at += 1
                if at == first or at - first > 9:
                    continue
        time = (((day * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + fraction
        if at == end:
            values[i], statuses[i] = time, LOCAL
            continue
        offset = offset_of(data, at, end)
        if offset != 10000:
            values[i], statuses[i] = time - offset * 60000000, ABSOLUTE


# Where a byte of a CSV stands: the states of `csv_state`.
FIELD_START, IN_FIELD, QUOTED, AFTER_QUOTE = 0, 1, 2, 3


@kernel("i8(u1[:], i8)")
def csv_state(data: Any, state: int) -> int:
    """The state after some bytes of a CSV: a quote opens only at the start of a field, and two inside are one."""
    for i in range(len(data)):
        byte = data[i]
        if state == QUOTED:
            if byte == 34:
                state = AFTER_QUOTE
        elif byte in (44, 10, 13):  # a comma or the end of a line
            state = FIELD_START
        elif byte == 34 and state != IN_FIELD:
            state = QUOTED  # at the start of a field, or the second of two
        else:
            state = IN_FIELD
    return state
