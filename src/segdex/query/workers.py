"""One count on several threads: worth a hand-over only where there is much to read."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

from segdex.bitmap import kernels_evaluate
from segdex.bitmap.program import Program
from segdex.forks import ForkLock

SPLIT_BYTES = 8 << 20
"""Programs over less are counted by the thread that asks: to hand over takes some 20 microseconds."""


class Workers:
    """Threads that count parts of a program. In a forked child, where they do not exist, new ones are made.

    Args:
        threads: how many count together, the asking one among them.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._lock = ForkLock()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def count(self, program: Program) -> int:
        """The count of *program*, by several threads at once."""
        address, chunks, outside = program.place
        count = kernels_evaluate.count.compile()
        bounds = [chunks * part // self.threads for part in range(self.threads + 1)]
        pool = self._running()

        def of_part(first: int, last: int, _program: Program = program) -> int:  # which lives while it is read
            return count(address, first, last)

        parts = [pool.submit(of_part, *part) for part in itertools.pairwise(bounds[1:])]
        own = count(address, bounds[0], bounds[1])
        return own + sum(part.result() for part in parts) - outside

    def _running(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():
                pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="segdex")
                self._pool = os.getpid(), pool
            return self._pool[1]

    def close(self) -> None:
        """Let the threads end."""
        with self._lock:
            if self._pool is not None and self._pool[0] == os.getpid():
                self._pool[1].shutdown(wait=False)
            self._pool = None
