"""xxh3-64 of strings behind a common prefix, seed 0, after the specification of XXH3 (Yann Collet, xxHash 0.8).

A hash that is stored nowhere and yet must stay the same for ever: tests hold it to the xxhash library at every length.
All words are unsigned with 64 bits and wrap around; constants are typed so, because numba makes floats of mixed signs.
Uncompiled, whoever calls the kernel keeps numpy from warning of the overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel

_BYTES = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_SECRET = np.array([int.from_bytes(_BYTES[at : at + 8], "little") for at in range(len(_BYTES) - 7)], np.uint64)
"""The secret as words, one beginning at every byte."""
_STATE = 8
"""Words of the state of a long input."""
_STRIPE, _STRIPES = 64, 16
"""Bytes of a stripe, and stripes of a block, after which the state is scrambled."""
_SHORT, _MIDDLE = 128, 240

_P32_1, _P32_2, _P32_3 = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_P64_1, _P64_2 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F)
_P64_3, _P64_4 = np.uint64(0x165667B19E3779F9), np.uint64(0x85EBCA77C2B2AE63)
_P64_5 = np.uint64(0x27D4EB2F165667C5)
_MIX_1, _MIX_2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW = np.uint64(0xFFFFFFFF)
_8, _15, _16, _24, _28, _29 = (np.uint64(each) for each in (8, 15, 16, 24, 28, 29))
_32, _33, _35, _37, _40, _47, _49 = (np.uint64(each) for each in (32, 33, 35, 37, 40, 47, 49))


@helper
def read_32(data: Any, at: int) -> Any:
    """Four bytes, the least first."""
    low = np.uint64(data[at]) | np.uint64(data[at + 1]) << _8
    return low | np.uint64(data[at + 2]) << _16 | np.uint64(data[at + 3]) << _24


@helper
def read_64(data: Any, at: int) -> Any:
    """Eight bytes, the least first."""
    return read_32(data, at) | read_32(data, at + 4) << _32


@helper
def swapped(word: Any) -> Any:
    """The bytes of a word in reverse order."""
    found = np.uint64(0)
    for i in range(8):
        found = found << _8 | (word >> np.uint64(8 * i)) & np.uint64(0xFF)
    return found


@helper
def folded(a: Any, b: Any) -> Any:
    """The two halves of the product of 128 bits, one XOR the other."""
    least, cross = (a & _LOW) * (b & _LOW), (a & _LOW) * (b >> _32)
    middle = (least >> _32) + (cross & _LOW) + (a >> _32) * (b & _LOW)
    high = (a >> _32) * (b >> _32) + (cross >> _32) + (middle >> _32)
    return high ^ (middle << _32 | least & _LOW)


@helper
def avalanche(word: Any) -> Any:
    """The last mixing of all but the shortest inputs."""
    word = (word ^ word >> _37) * _MIX_1
    return word ^ word >> _32


@helper
def mixed(data: Any, at: int, key: int) -> Any:
    """Sixteen bytes of input with sixteen of the secret."""
    return folded(read_64(data, at) ^ _SECRET[key], read_64(data, at + 8) ^ _SECRET[key + 8])


@helper
def hash_tiny(data: Any, length: int) -> Any:
    """Up to 16 bytes."""
    size = np.uint64(length)
    if length > 8:
        low = read_64(data, 0) ^ (_SECRET[24] ^ _SECRET[32])
        high = read_64(data, length - 8) ^ (_SECRET[40] ^ _SECRET[48])
        return avalanche(size + swapped(low) + high + folded(low, high))
    if length >= 4:
        word = read_32(data, length - 4) + (read_32(data, 0) << _32)
        word ^= _SECRET[8] ^ _SECRET[16]
        word ^= (word << _49 | word >> _15) ^ (word << _24 | word >> _40)
        word *= _MIX_2
        word = (word ^ (word >> _35) + size) * _MIX_2
        return word ^ word >> _28
    word = _SECRET[56] ^ _SECRET[64]
    if length > 0:
        word = np.uint64(data[0]) << _16 | np.uint64(data[length >> 1]) << _24
        word |= np.uint64(data[length - 1]) | size << _8
        word ^= _SECRET[0] & _LOW ^ _SECRET[0] >> _32
    word = (word ^ word >> _33) * _P64_2
    word = (word ^ word >> _29) * _P64_3
    return word ^ word >> _32


@helper
def hash_short(data: Any, length: int) -> Any:
    """17 to 128 bytes: pairs of sixteen from both ends inwards."""
    found = np.uint64(length) * _P64_1
    for i in range((length - 1) // 32 + 1):
        found += mixed(data, 16 * i, 32 * i) + mixed(data, length - 16 * (i + 1), 32 * i + 16)
    return avalanche(found)


@helper
def hash_middle(data: Any, length: int) -> Any:
    """129 to 240 bytes."""
    found = np.uint64(length) * _P64_1
    for i in range(8):
        found += mixed(data, 16 * i, 16 * i)
    found = avalanche(found) + mixed(data, length - 16, 136 - 17)
    for i in range(8, length // 16):
        found += mixed(data, 16 * i, 16 * (i - 8) + 3)
    return avalanche(found)


@helper
def take_stripe(state: Any, data: Any, at: int, key: int) -> None:
    """Work 64 bytes of input into the state."""
    for lane in range(_STATE):
        word = read_64(data, at + 8 * lane)
        keyed = word ^ _SECRET[key + 8 * lane]
        state[lane ^ 1] += word
        state[lane] += (keyed & _LOW) * (keyed >> _32)


@helper
def hash_long(data: Any, length: int, state: Any) -> Any:
    """More than 240 bytes."""
    state[0], state[1], state[2], state[3] = _P32_3, _P64_1, _P64_2, _P64_3
    state[4], state[5], state[6], state[7] = _P64_4, _P32_2, _P64_5, _P32_1
    for stripe in range((length - 1) // _STRIPE):
        take_stripe(state, data, stripe * _STRIPE, 8 * (stripe % _STRIPES))
        if stripe % _STRIPES == _STRIPES - 1:
            for lane in range(_STATE):
                word = state[lane]
                state[lane] = (word ^ word >> _47 ^ _SECRET[128 + 8 * lane]) * _P32_1
    take_stripe(state, data, length - _STRIPE, 121)
    found = np.uint64(length) * _P64_1
    for i in range(4):
        left, right = _SECRET[11 + 16 * i], _SECRET[19 + 16 * i]
        found += folded(state[2 * i] ^ left, state[2 * i + 1] ^ right)
    return avalanche(found)


@kernel("void(i8[:], u1[:], i8, OUT u1[:], OUT u8[:], OUT u8[:])")
def hash_texts(offsets: Any, data: Any, prefix: int, scratch: Any, state: Any, out: Any) -> None:
    """The hash of each string ``data[offsets[i]:offsets[i + 1]]`` behind the first *prefix* bytes of *scratch*.

    There must be room in *scratch* for the longest string, and eight words in *state*.
    """
    for i in range(len(out)):
        length = prefix
        for at in range(offsets[i], offsets[i + 1]):
            scratch[length] = data[at]
            length += 1
        if length <= 16:
            out[i] = hash_tiny(scratch, length)
        elif length <= _SHORT:
            out[i] = hash_short(scratch, length)
        elif length <= _MIDDLE:
            out[i] = hash_middle(scratch, length)
        else:
            out[i] = hash_long(scratch, length, state)
