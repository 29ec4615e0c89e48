"""How many counts a second two threads make, against one: segdex, pyroaring, and what the machine itself allows.

Data: generated customers (`benchmarks/customers.py`, seed 2), 10 million unless told, ordered unless told; rules:
`benchmarks/rules.py`, all answerable from stored sets, prepared once for all threads. Each thread goes through all
rules, in an order of its own (shuffled, seed 3), as often as takes one thread of the same engine half a second, and
compares every answer with the one that segdex and pyroaring agreed on before; no time counts if one is wrong. pyroaring
counts each rule in its fastest way.

A run is timed from the first thread that begins to the last one that ends, threads having waited for each other at the
start. Runs of one thread and of two, and of the engines, take turns. `throughput_ratio` is counts a second of two
threads / of one, medians of the runs; 2 is the most. pyroaring holds the lock of the interpreter in every call, so its
ratio is what threads are worth without kernels that release it. `machine_throughput_ratio` is that of checksums of
1 MiB, long calls without it: less than 2 where other programs have a share in the cores.

    python -m benchmarks threads --customers 10000000
"""

from __future__ import annotations

import random
import statistics
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

from benchmarks import customers
from benchmarks.measuring import Options, Timer, WrongAnswerError, agreed, no_garbage
from benchmarks.peers import Count, Engine, Roaring, Segdex
from benchmarks.rules import RULES

SEED = 3
THREADS = 2
MACHINE = "machine"

Asked: TypeAlias = list[tuple[Count, int]]
"""Counts, and what each must answer."""


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (70_000 if options.quick else 10_000_000)
    order = options.order or customers.ORDERS[0]
    runs, seconds, trials = (2, 0.02, 1) if options.quick else (15, 0.5, 20)
    with customers.opened(count, order) as (index, _):
        asked = questions([Segdex(index), Roaring(customers.generate(count, order))], trials)
        figures = compare({**asked, MACHINE: _checksums()}, runs, seconds)
    return {"customers": count, "order": order, "seed": customers.SEED, "threads": THREADS, **figures}


def questions(engines: Sequence[Engine], trials: int) -> dict[str, Asked]:
    """Every rule in the fastest way of each engine, with the answer that all ways of all engines agree on."""
    timer = Timer()
    asked: dict[str, Asked] = {engine.name: [] for engine in engines}
    for rule in RULES:
        ways = {engine.name: engine.ways(rule) for engine in engines}
        answers = {f"{name} {n}": way() for name, held in ways.items() for n, way in enumerate(held, 1)}
        answer = agreed(answers, f"rule {rule.name!r}")
        for name, held in ways.items():
            fastest = min(held, key=lambda way: statistics.median(timer.hot(way, trials)))
            asked[name].append((fastest, answer))
    return asked


def _checksums() -> Asked:
    """Work that holds no lock and needs no memory bandwidth."""
    octets = bytes(1 << 20)
    return [(partial(zlib.crc32, octets), zlib.crc32(octets))]


def compare(asked: dict[str, Asked], runs: int, seconds: float) -> dict[str, Any]:
    """The figures of all engines from *runs* runs each, of as many counts a thread as take one about *seconds*."""
    passes = {name: max(1, round(seconds * rate(held, 1, 1, first=0) / len(held))) for name, held in asked.items()}
    rates: dict[tuple[str, int], list[float]] = {(name, n): [] for name in asked for n in (1, THREADS)}
    with no_garbage():
        for number in range(runs):
            keys = list(rates)
            for name, threads in reversed(keys) if number % 2 else keys:
                rates[name, threads].append(rate(asked[name], threads, passes[name], first=number))
    counts = runs * (1 + THREADS) * sum(passes[name] * len(held) for name, held in asked.items())
    figures: dict[str, Any] = {"runs": runs, "checked": counts}
    for name in asked:
        prefix = "" if name == Segdex.name else f"{name}_"
        one, more = (statistics.median(rates[name, n]) for n in (1, THREADS))
        figures[f"{prefix}throughput_ratio"] = round(more / one, 3)
        figures[f"{prefix}counts_per_s"] = [round(one), round(more)]
    return figures


def rate(asked: Asked, threads: int, passes: int, first: int) -> float:
    """Counts a second of all threads together; the order of a thread goes by its number, which is *first* or more.

    Raises:
        WrongAnswerError: an answer was wrong.
    """
    barrier = threading.Barrier(threads)

    def work(mine: Asked) -> tuple[float, float, int]:
        wrong = 0
        barrier.wait()
        started = time.perf_counter()
        for _ in range(passes):
            for count, answer in mine:
                if count() != answer:
                    wrong += 1
        return started, time.perf_counter(), wrong

    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(work, [shuffled(asked, first + n) for n in range(threads)]))
    wrong = sum(each for _, _, each in done)
    if wrong:
        raise WrongAnswerError(f"{wrong} wrong answers in {threads} threads")
    seconds = max(end for _, end, _ in done) - min(start for start, _, _ in done)
    return threads * passes * len(asked) / seconds


def shuffled(asked: Asked, number: int) -> Asked:
    """The same questions in the order of thread *number*."""
    mine = list(asked)
    random.Random(f"{SEED} {number}").shuffle(mine)
    return mine
