"""How near counts come to the bandwidth of caches and memory, and how they grow.

Bandwidth is measured on the spot, by one thread that adds up 64-bit words: of half the second-level cache, of half the
third-level cache, and of twice the latter, which is memory; the best of several trials each, half of them before and
half after everything else, since others may have their share of a machine for a while.

Rules: those of `benchmarks/rules.py`, over the generated customers of `benchmarks/customers.py` (seed 2), 10 million
unless told, ordered unless told. What a rule must read is worked out from directories (`benchmarks/footprint.py`). Each
answer is compared with numpy's before. Hot and cold are as in the benchmark `counts`; a call from Python, about a
microsecond, is part of each. `hot_share` is the bytes a second of a hot count, as a part of the bandwidth of the cache
that the bytes fit; `cold_share` those of a cold one, as a part of the bandwidth of memory. A share says nothing where
few bytes are read: of many rules over well ordered customers little is left but the call. `hot_share_p50` and
`cold_share_p50` are therefore medians of the rules that read 64 KiB or more, None where there is no such rule.

Growth: sets of random ids (seed 6), which compress worst. By customers, up to as many as asked for, and by density,
the rule is `a and (b or c) and not d`, each set with 0.3 of all customers where nothing else is said; by leaves, it is
an AND of 1 to 12 sets of density 0.5.

    python -m benchmarks roofline --order random
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import and_
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from benchmarks import customers
from benchmarks.conditions import count_mask
from benchmarks.footprint import bytes_read
from benchmarks.measuring import Options, Timer, agreed, l2_bytes, l3_bytes, no_garbage
from benchmarks.rules import RULES
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.program import Program, assemble
from segdex.query.cover import cover
from segdex.query.formula import And, Formula, Leaf, Not, Or, leaves, walk

SEED = 6
MOST_LEAVES = 12
DENSITIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)
ENOUGH = 64 << 10
"""Bytes from which on the share of the bandwidth is told by a median."""

Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Effort:
    """How often things are timed.

    Attributes:
        hot: calls in a row.
        cold: calls, each after the cache was written over.
        trials: of each bandwidth, before and after.
    """

    hot: int = 200
    cold: int = 15
    trials: int = 7


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (70_000 if options.quick else 10_000_000)
    order = options.order or customers.ORDERS[0]
    effort = Effort(3, 2, 2) if options.quick else Effort()
    timer = Timer()
    before = bandwidths(effort.trials)
    with no_garbage():
        rows = rules(count, order, timer, effort)
        growth = {
            "by_customers": grown(by_customers(count), timer, effort),
            "by_leaves": grown(by_leaves(count), timer, effort),
            "by_density": grown(by_density(count), timer, effort),
        }
    bandwidth = {level: max(before[level], after) for level, after in bandwidths(effort.trials).items()}
    rows = [{**row, **shares(row, bandwidth)} for row in rows]
    return {
        "customers": count,
        "order": order,
        "seed": customers.SEED,
        "threads": 1,
        "l2_mb": round(l2_bytes() / 2**20, 1),
        "l3_mb": l3_bytes() >> 20,
        **{f"{level}_gb_s": round(rate, 1) for level, rate in bandwidth.items()},
        "checked": len(rows) + sum(map(len, growth.values())),
        "hot_share_p50": _middle(rows, "hot_share"),
        "cold_share_p50": _middle(rows, "cold_share"),
        "rules": rows,
        **growth,
    }


def _middle(rows: list[dict[str, Any]], key: str) -> float | None:
    shares = [row[key] for row in rows if row["bytes"] >= ENOUGH]
    return round(statistics.median(shares), 3) if shares else None


# --- bandwidth ---------------------------------------------------------------------------------------------------


def bandwidths(trials: int) -> dict[str, float]:
    """GB a second of caches and of memory."""
    add: Callable[[npt.NDArray[np.uint64]], int] = numba.njit("u8(u8[::1])")(_added)
    sizes = {"l2": l2_bytes() // 2, "l3": l3_bytes() // 2, "memory": 2 * l3_bytes()}
    return {level: _bandwidth(add, np.ones(size // 8, np.uint64), trials) for level, size in sizes.items()}


def _added(words: npt.NDArray[np.uint64]) -> np.uint64:
    total = np.uint64(0)
    for i in range(len(words)):
        total += words[i]
    return total


def _bandwidth(add: Callable[[npt.NDArray[np.uint64]], int], words: npt.NDArray[np.uint64], trials: int) -> float:
    passes = max(1, (256 << 20) // words.nbytes)
    add(words)
    best = 0.0
    for _ in range(trials):
        started = time.perf_counter()
        for _ in range(passes):
            add(words)
        best = max(best, passes * words.nbytes / (time.perf_counter() - started) / 1e9)
    return best


# --- rules -------------------------------------------------------------------------------------------------------


def rules(count: int, order: str, timer: Timer, effort: Effort) -> list[dict[str, Any]]:
    """What is told of each rule."""
    columns = customers.generate(count, order)
    rows = []
    with customers.opened(count, order) as (index, _):
        for rule in RULES:
            query = index.prepare(rule.text)
            answers = {"numpy": count_mask(rule.where, columns), "segdex": query.count()}
            answer = agreed(answers, f"rule {rule.name!r}")
            needed = bytes_read(query.plan().base.program)
            times = _times(query.count, timer, effort)
            rates = {"hot": needed / times["hot_us"] / 1000, "cold": needed / times["cold_us"] / 1000}
            rows.append(
                {
                    "name": rule.name,
                    "leaves": rule.size,
                    "count": answer,
                    "bytes": needed,
                    **times,
                    **{f"{kind}_gb_s": round(rate, 2) for kind, rate in rates.items()},
                }
            )
    return rows


def shares(row: dict[str, Any], bandwidth: dict[str, float]) -> dict[str, float]:
    """What a rule reaches of the bandwidth that it could have."""
    held = "l2" if row["bytes"] <= l2_bytes() else "l3" if row["bytes"] <= l3_bytes() else "memory"
    return {
        "hot_share": round(row["hot_gb_s"] / bandwidth[held], 3),
        "cold_share": round(row["cold_gb_s"] / bandwidth["memory"], 3),
    }


def _times(call: Callable[[], object], timer: Timer, effort: Effort) -> dict[str, float]:
    return {
        "hot_us": round(statistics.median(timer.hot(call, effort.hot)), 2),
        "cold_us": round(statistics.median(timer.cold(call) for _ in range(effort.cold)), 2),
    }


# --- growth ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Grown:
    """One point of a curve: what it is told as, the program, and its answer by numpy."""

    told: dict[str, int | float]
    program: Program
    answer: int


def grown(points: Iterator[Grown], timer: Timer, effort: Effort) -> list[dict[str, Any]]:
    rows = []
    for point in points:
        agreed({"numpy": point.answer, "segdex": point.program.count()}, f"sets with {point.told}")
        needed = bytes_read(point.program)
        rows.append({**point.told, "bytes": needed, **_times(point.program.count, timer, effort)})
    return rows


def by_customers(most: int) -> Iterator[Grown]:
    masks = _random(most, 4, 0.3)
    for share in (0.1, 0.2, 0.5, 1):
        count = max(1, int(most * share))
        yield _four({"customers": count}, [mask[:count] for mask in masks])


def by_density(count: int) -> Iterator[Grown]:
    for density in DENSITIES:
        yield _four({"density": density}, _random(count, 4, density))


def by_leaves(count: int) -> Iterator[Grown]:
    masks = _random(count, MOST_LEAVES, 0.5)
    predicates = [hot.from_mask(mask) for mask in masks]
    leaves = [Leaf(number) for number in range(MOST_LEAVES)]
    for size in range(1, MOST_LEAVES + 1):
        formula = And(tuple(leaves[:size])) if size > 1 else leaves[0]
        answer = int(np.count_nonzero(reduce(and_, masks[:size])))
        yield Grown({"leaves": size}, program_of(formula, predicates, count), answer)


def _four(told: dict[str, int | float], masks: list[Mask]) -> Grown:
    a, b, c, d = (Leaf(number) for number in range(4))
    formula = And((a, Or((b, c)), Not(d)))
    answer = int(np.count_nonzero(masks[0] & (masks[1] | masks[2]) & ~masks[3]))
    return Grown(told, program_of(formula, [hot.from_mask(mask) for mask in masks], len(masks[0])), answer)


def program_of(formula: Formula, predicates: list[Predicate], count: int) -> Program:
    """A formula over leaves that are named by numbers of predicates."""
    held = leaves(formula)
    nodes = cover(formula, held, dict.fromkeys(walk(formula), 0.0))
    return assemble([predicates[int(str(leaf.name))] for leaf in held], nodes, count, count)


def _random(count: int, sets: int, density: float) -> list[Mask]:
    rng = np.random.default_rng([SEED, round(density * 10_000)])
    return [rng.random(count, np.float32) < density for _ in range(sets)]
