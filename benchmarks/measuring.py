"""What benchmarks share: their options, code that is measured in a process of its own, and calls timed hot and cold."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        customers: how many to generate; None: the benchmark's own number.
        quick: few repeats and little data.
        order: how customers are numbered, for benchmarks that know orders; None: the benchmark's own.
    """

    customers: int | None = None
    quick: bool = False
    order: str | None = None


def in_new_process(code: str, *arguments: object, **environment: str) -> Any:
    """Run *code* in a fresh interpreter and return the JSON value that it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def l3_bytes() -> int:
    """The size of the largest cache of the first core; 32 MiB where the system does not tell."""
    caches = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
    try:
        return max(_cache_bytes((cache / "size").read_text()) for cache in caches)
    except (OSError, ValueError):
        return 32 << 20


def _cache_bytes(text: str) -> int:
    """The bytes of a size as Linux writes it: 512K, 32M."""
    units = {"K": 10, "M": 20, "G": 30}
    size = text.strip()
    return int(size[:-1]) << units[size[-1]] if size[-1:] in units else int(size)


class Timer:
    """Times calls one by one, in microseconds; two readings of the clock, some 0.1, are in each."""

    def __init__(self) -> None:
        # Three times the cache: a cache that is not strictly least recently used is empty after that too.
        self._other = np.ones(3 * l3_bytes() // 8, np.int64)

    def hot(self, call: Callable[[], object], calls: int) -> list[float]:
        """*calls* in a row, after one that is not timed."""
        call()
        return [_timed(call) for _ in range(calls)]

    def cold(self, call: Callable[[], object], before: Callable[[], object]) -> float:
        """One, after other memory of three times the size of the cache was read and written, and then *before* called.

        What is cold is the data: *before* runs the same code over other data.
        """
        self._other += 1
        before()
        return _timed(call)


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / 1000
