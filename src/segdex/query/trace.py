"""A rule step by step: what each part was expected to hold for, what it holds for, and what that takes."""

from __future__ import annotations

import time

from segdex.query.bind import All, Bound, Every, ForAny, Leaf, Named, Some, Stored, Without
from segdex.query.execute import Executor
from segdex.query.explain import Step

_REPEATS = 3
"""A step is counted so often and the fastest time is told: the first one reads what later ones find in the cache."""


def trace(bound: Bound, executor: Executor, seen: set[str] | None = None) -> Step:
    """Count the rule and each part of it by itself; a segment is opened once."""
    seen = set() if seen is None else seen
    plan = executor.plan(bound)
    name, inner = _opened(bound, executor, seen)
    microseconds = float("inf")
    count = 0
    for _ in range(_REPEATS):
        started = time.perf_counter()
        count = plan.count()
        microseconds = min(microseconds, (time.perf_counter() - started) * 1e6)
    size = plan.program.payload_bytes
    return Step(name, _way(bound, executor), executor.estimate(plan).value, count, size, microseconds, inner)


def _opened(bound: Bound, executor: Executor, seen: set[str]) -> tuple[str, tuple[Step, ...]]:
    match bound:
        case Every():
            return "everyone", ()
        case Leaf(_, text) | ForAny(_, _, text):
            return text, ()
        case Stored():
            return "a loaded set", ()
        case All(parts):
            return "and", tuple(trace(part, executor, seen) for part in parts)
        case Some(parts):
            return "or", tuple(trace(part, executor, seen) for part in parts)
        case Without(part):
            return "not", (trace(part, executor, seen),)
        case Named(segment, part):
            if segment in seen:
                return f"segment {segment!r}", ()
            seen.add(segment)
            return f"segment {segment!r}", (trace(part, executor, seen),)


def _way(bound: Bound, executor: Executor) -> str:
    match bound:
        case Every():
            return "universe"
        case Leaf(_, text):
            return executor.way_of(text) or "predicates"
        case ForAny():
            return "categories"
        case Stored():
            return "predicates"
        case _:
            return "algebra"
