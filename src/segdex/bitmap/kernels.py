"""Kernels from masks of customers to portable Roaring bytes."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel

CHUNK = 65_536


@kernel("void(b1[:], OUT i8[:])")
def chunk_cardinalities(mask: Any, out: Any) -> None:
    """How many ids of each chunk are in the mask."""
    for chunk in range(len(out)):
        found = 0
        for i in range(chunk * 65_536, min(len(mask), (chunk + 1) * 65_536)):
            found += mask[i]
        out[chunk] = found


@kernel("void(b1[:], i8[:], OUT u2[:])")
def portable(mask: Any, cardinalities: Any, out: Any) -> None:
    """Write the mask in the portable Roaring format without run containers, as little-endian 16-bit words.

    The format: a cookie, the number of containers, for each its key and cardinality - 1, for each its byte offset,
    then the containers: up to 4,096 sorted values, or 65,536 bits.
    Source: https://github.com/RoaringBitmap/RoaringFormatSpec
    """
    containers = 0
    for chunk in range(len(cardinalities)):
        containers += cardinalities[chunk] > 0
    out[0], out[1] = 12_346, 0
    out[2], out[3] = containers & 0xFFFF, containers >> 16
    at = 4 + 4 * containers
    container = 0
    for chunk in range(len(cardinalities)):
        cardinality = cardinalities[chunk]
        if cardinality == 0:
            continue
        out[4 + 2 * container] = chunk
        out[5 + 2 * container] = cardinality - 1
        out[4 + 2 * containers + 2 * container] = (2 * at) & 0xFFFF
        out[5 + 2 * containers + 2 * container] = (2 * at) >> 16
        container += 1
        first, last = chunk * 65_536, min(len(mask), (chunk + 1) * 65_536)
        if cardinality <= 4096:
            for i in range(first, last):
                if mask[i]:
                    out[at] = i - first
                    at += 1
        else:
            for word in range(4096):
                bits = 0
                for i in range(first + 16 * word, min(last, first + 16 * word + 16)):
                    bits |= int(mask[i]) << (i - first - 16 * word)
                out[at + word] = bits
            at += 4096
