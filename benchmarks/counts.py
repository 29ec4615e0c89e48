"""How long prepared counts take, against pyroaring, numpy, Polars, DuckDB and chDB on the same customers.

Data: generated customers (`benchmarks/customers.py`, seed 2), 10 million unless told, in one of three orders; rules:
`benchmarks/rules.py`, all answerable from stored sets. Every engine answers every rule first, and nothing is timed
unless all answers are equal. One thread each.

Hot is the same rule again and again; cold is one call after three times the third-level cache was written over and
a small rule over other sets was counted by both engines, so that the operands are cold and the code is not.
In each round each rule is timed by segdex and by pyroaring, in turns; the slower engines have fewer rounds, hot, one
call untimed before. A rule's time is its median; where an engine has several ways for a rule (expressions by hand, sets
with runs and without, a filter or a sum), the fastest is found before, for hot and for cold apart. `hot_p50_us` to
`cold_p99_us` are over all calls of segdex, every rule with equally many. Ratios are peer time / segdex time: geometric
means over the rules, of equals (`vs_pyroaring_cold` cold, all others hot); `vs_pyroaring_worst` is the least ratio of
any rule, hot or cold.

Of more than 20 million customers the index has their sets alone, in memory, and no values (`sets_only`): building one
with values takes 400 bytes a customer.

    python -m benchmarks counts --order aged
    SEGDEX_BENCHMARK_DIR=folder python -m benchmarks counts     # keeps the built index there for the next run

`pip install 'segdex[bench]'` has all peers; those that are missing are left out, and named.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

import segdex
from benchmarks import customers
from benchmarks.measuring import Options, Timer, WrongAnswerError, geometric_mean, l3_bytes, no_garbage
from benchmarks.peers import Count, Engine, Roaring, Segdex, SetEngine, tables
from benchmarks.rules import RULES, Rule

Key: TypeAlias = tuple[str, str]
"""The names of an engine and of a rule."""
Ways: TypeAlias = Mapping[Key, list[Count]]
Samples: TypeAlias = dict[Key, list[float]]
"""Microseconds."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How often things are timed.

    Attributes:
        rounds: over all rules, for segdex and pyroaring.
        calls: hot calls of a rule in one round.
        trials: calls that decide which way is the fastest.
        slow_rounds: over all rules, for the engines that scan.
    """

    rounds: int = 15
    calls: int = 20
    trials: int = 5
    slow_rounds: int = 3


QUICK = Effort(rounds=2, calls=3, trials=1, slow_rounds=1)


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (70_000 if options.quick else 10_000_000)
    order = options.order or customers.ORDERS[0]
    effort = QUICK if options.quick else Effort()
    columns = customers.generate(count, order)
    table = customers.peers_table(columns)
    with _index(columns, order) as (index, built), tables(columns, table) as (scanning, absent):
        for name in absent:
            print(f"{name} is not installed: left out", file=sys.stderr)
        engines: list[SetEngine] = [Segdex(index), Roaring(columns)]
        figures = compare(RULES, engines, scanning, effort)
    return {
        "customers": count,
        "order": order,
        "seed": customers.SEED,
        "threads": 1,
        "l3_mb": l3_bytes() >> 20,
        **built,
        "checked": len(RULES) * (len(engines) + len(scanning)),
        **figures,
    }


@contextlib.contextmanager
def _index(columns: customers.Columns, order: str) -> Iterator[tuple[segdex.Index, dict[str, Any]]]:
    """The index of these customers, saved and opened; of very many, the sets alone, in memory."""
    count = len(columns["country"])
    if count > customers.MOST_BUILT:
        yield customers.sets_only(columns), {"sets_only": True}
    else:
        with customers.opened(count, order) as found:
            yield found


def compare(
    rules: Sequence[Rule], sets: Sequence[SetEngine], scanning: Sequence[Engine], effort: Effort
) -> dict[str, Any]:
    """The figures of *rules*; *sets* are segdex and pyroaring, *scanning* the slower ones."""
    ways = {(engine.name, rule.name): engine.ways(rule) for engine in [*sets, *scanning] for rule in rules}
    answers = check(ways)
    timer = Timer()

    def warm_up() -> None:
        for engine in sets:
            engine.warm_up()

    def hot(way: Count) -> list[float]:
        return timer.hot(way, effort.calls)

    def cold(way: Count) -> list[float]:
        return [timer.cold(way, warm_up)]

    def cold_trials(way: Count) -> list[float]:
        return [timer.cold(way, warm_up) for _ in range(effort.trials)]

    def once(way: Count) -> list[float]:
        return timer.hot(way, 1)

    fast = {key: ways[key] for key in ways if key[0] in {engine.name for engine in sets}}
    slow = {key: ways[key] for key in ways if key not in fast}
    with no_garbage():
        hot_samples = sampled(fastest(fast, hot), hot, effort.rounds)
        cold_samples = sampled(fastest(fast, cold_trials), cold, effort.rounds)
        slow_samples = sampled(fastest(slow, once), once, effort.slow_rounds)
    return _figures(rules, answers, hot_samples, cold_samples, slow_samples)


def check(ways: Ways) -> dict[str, int]:
    """The answer to each rule, on which every engine agrees in all its ways.

    Raises:
        WrongAnswerError: one does not.
    """
    answers: dict[str, tuple[str, int]] = {}
    for (engine, rule), counts in ways.items():
        for count in counts:
            found = count()
            giver, expected = answers.setdefault(rule, (engine, found))
            if found != expected:
                raise WrongAnswerError(f"rule {rule!r}: {giver} counts {expected}, {engine} {found}")
    return {rule: found for rule, (_, found) in answers.items()}


def fastest(ways: Ways, timed: Callable[[Count], list[float]]) -> dict[Key, Count]:
    """Of each engine and rule the way with the least median."""
    return {
        key: counts[0] if len(counts) == 1 else min(counts, key=lambda way: float(np.median(timed(way))))
        for key, counts in ways.items()
    }


def sampled(ways: dict[Key, Count], timed: Callable[[Count], list[float]], rounds: int) -> Samples:
    """Every way timed once a round, one engine after another for each rule, and the other way round in the next."""
    engines = list(dict.fromkeys(engine for engine, _ in ways))
    samples: Samples = defaultdict(list)
    for number in range(rounds):
        for rule in dict.fromkeys(rule for _, rule in ways):
            for engine in reversed(engines) if number % 2 else engines:
                samples[engine, rule] += timed(ways[engine, rule])
    return samples


# --- figures -----------------------------------------------------------------------------------------------------


def _figures(
    rules: Sequence[Rule], answers: Mapping[str, int], hot: Samples, cold: Samples, slow: Samples
) -> dict[str, Any]:
    ours = Segdex.name
    queries = [_query(rule, answers[rule.name], hot, cold, slow) for rule in rules]
    hot_ratios, cold_ratios = ratios(rules, hot, hot, Roaring.name), ratios(rules, cold, cold, Roaring.name)
    figures = {
        "hot_p50_us": _percentile(hot, ours, 50),
        "hot_p99_us": _percentile(hot, ours, 99),
        "cold_p50_us": _percentile(cold, ours, 50),
        "cold_p99_us": _percentile(cold, ours, 99),
        "vs_pyroaring_hot": geometric_mean(hot_ratios),
        "vs_pyroaring_cold": geometric_mean(cold_ratios),
        "vs_pyroaring_worst": round(min(hot_ratios + cold_ratios), 3),
    }
    for engine in dict.fromkeys(engine for engine, _ in slow):
        figures[f"vs_{engine}"] = geometric_mean(ratios(rules, slow, hot, engine))
    return {**figures, "queries": queries}


def _query(rule: Rule, answer: int, hot: Samples, cold: Samples, slow: Samples) -> dict[str, Any]:
    """What is told of one rule."""
    found: dict[str, Any] = {"name": rule.name, "leaves": rule.size, "count": answer}
    for engine, prefix in ((Segdex.name, ""), (Roaring.name, "pyroaring_")):
        found[f"{prefix}hot_us"] = _median(hot, engine, rule)
        found[f"{prefix}cold_us"] = _median(cold, engine, rule)
    for engine in dict.fromkeys(engine for engine, _ in slow):
        found[f"{engine}_us"] = _median(slow, engine, rule)
    return {**found, "rule": rule.text}


def _median(samples: Samples, engine: str, rule: Rule) -> float:
    return round(float(np.median(samples[engine, rule.name])), 2)


def ratios(rules: Sequence[Rule], theirs: Samples, ours: Samples, engine: str) -> list[float]:
    """For each rule the median time of *engine* / that of segdex."""
    return [float(np.median(theirs[engine, rule.name]) / np.median(ours[Segdex.name, rule.name])) for rule in rules]


def _percentile(samples: Samples, engine: str, percent: float) -> float:
    calls = [call for (name, _), times in samples.items() if name == engine for call in times]
    return round(float(np.percentile(calls, percent)), 2)
