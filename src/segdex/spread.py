"""Work on several threads: where it is split over blocks, streams or rules, and each part takes long."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from segdex.deadlines import current

P = TypeVar("P")
T = TypeVar("T")

MOST_THREADS = 4


def spread(one: Callable[[P], T], parts: Sequence[P], several: bool = True) -> list[T]:
    """*one* over all parts, some at the same time: kernels, and most of numpy, run without the interpreter's lock.

    Args:
        one: what is done.
        parts: what it is done to.
        several: whether it takes longer than to hand parts to threads.

    Raises:
        LimitError: the call in hand takes too long.
    """

    def timely(part: P) -> T:
        current().check()
        return one(part)

    if len(parts) <= 1 or not several:
        return [timely(each) for each in parts]
    with ThreadPoolExecutor(min(len(parts), _threads()), thread_name_prefix="segdex") as pool:
        # Each part has the deadline of the call, and so has what is spread within it.
        done = [pool.submit(copy_context().run, timely, each) for each in parts]
        try:
            return [each.result() for each in done]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _threads() -> int:
    """How many parts are worked on at once: as many as this process has cores, and no more than memory bears."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)
