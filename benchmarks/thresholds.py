"""How long counts take with thresholds that nobody declared: alone, with other sets, and two together.

Data: generated customers (`benchmarks/customers.py`, seed 2), 10 million unless told, in one of three orders. Rules are
drawn at random (seed 7) over all number columns in turn. A threshold is a customer's value, a number between two edges
of the column's band, one of its three commonest values, its least or greatest value, or one in the outer hundredth on
either side; its comparison is any of `<`, `<=`, `>`, `>=`, `=` and `between`. 100 rules are one comparison alone, 200
are combined, in eight shapes: a comparison with one to three of the sets of `benchmarks/rules.py` over other columns,
or two comparisons. `alone_at_edges` and `combined_at_edges` say how many rules have no comparison but such that begin
and end at edges of the band, or beyond all values, which stored sets answer; they are counted with the others.

First counts come first: each rule is given as text that was never asked before, so that it is parsed, bound, planned
and counted. Before, every column and every set was used by another rule, so that it is mapped and verified. Unions of
labels are made by the first rule that needs them, as they would be elsewhere. `first_p50_us` and `first_p99_us` are
over all rules, one call each; `first_alone` and `first_combined` tell them apart. Then every answer is compared with
that of numpy, and nothing more is timed unless all are equal.

Prepared counts are hot and cold as in the benchmark `counts`, but that the small rules before a cold call are asked of
another, small index. `alone_p50_us` to `combined_p99_us` are cold: operands are not in the caches, and neither is what
Python needs for the call. `alone_hot_p50_us` and so on are the same calls, hot. All are over all calls, every rule with
equally many. To prepare a comparison alone is to find its count, so that the prepared one is hardly more than a call;
what it takes to find it is in `first_alone_p50_us`.

Peers are timed on 24 of the combined rules, the first three of each shape that are not at edges, hot, each in its
fastest way, in turns with segdex, one thread each. `vs_polars` and others are peer time / segdex time, geometric means
over these rules.

In `queries`, `open` is the share of customers whom the other sets of a rule leave to its comparisons.

    python -m benchmarks thresholds --order random
"""

from __future__ import annotations

import dataclasses
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

import segdex
from benchmarks import customers
from benchmarks.conditions import Condition, Leaf, known, to_mask
from benchmarks.counts import Key, Samples, Ways, check, fastest, ratios, sampled
from benchmarks.customers import BANDS, BOOLEANS, CATEGORIES, MISSING, Array, Band, Columns
from benchmarks.measuring import Options, Timer, geometric_mean, l3_bytes, no_garbage
from benchmarks.peers import Count, Engine, Segdex, tables
from benchmarks.rules import LEAVES, Rule

SEED = 7
PEERS = ("polars", "duckdb")
ALONE = "alone"
SHAPES: dict[str, Callable[..., Any]] = {
    "and a set": lambda t, _u, a, _b, _c: t & a,
    "without a set": lambda t, _u, a, _b, _c: t & ~a,
    "or a set": lambda t, _u, a, _b, _c: t | a,
    "and two sets": lambda t, _u, a, b, _c: t & a & b,
    "and either of two": lambda t, _u, a, b, _c: t & (a | b),
    "and two, without a third": lambda t, _u, a, b, c: t & a & b & ~c,
    "two comparisons": lambda t, u, _a, _b, _c: t & u,
    "either of two comparisons": lambda t, u, _a, _b, _c: t | u,
}
"""What is made of two comparisons and three sets, as conditions or as masks."""
OPERATORS = ("<", "<=", ">", ">=", "=", "between")

Firsts: TypeAlias = Mapping[str, tuple[int, float]]
"""By the name of the rule: the answer of its first count, and the microseconds that it took."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is timed.

    Attributes:
        alone: rules of one comparison.
        combined: rules of a comparison with sets, or of two.
        rounds: over all rules, cold and hot.
        calls: hot calls of a rule in one round.
        compared: how many rules of each shape are asked of the peers too.
        slow_rounds: over these.
    """

    alone: int = 100
    combined: int = 200
    rounds: int = 5
    calls: int = 10
    compared: int = 3
    slow_rounds: int = 5


QUICK = Effort(alone=28, combined=16, rounds=1, calls=2, compared=1, slow_rounds=1)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One rule.

    Attributes:
        rule: its name, and what it asks.
        shape: `ALONE` or one of `SHAPES`.
        open: the share of customers whom its sets leave to its comparisons.
        at_edges: whether stored sets answer its comparisons.
    """

    rule: Rule
    shape: str
    open: float
    at_edges: bool


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (70_000 if options.quick else 10_000_000)
    order = options.order or customers.ORDERS[0]
    effort = QUICK if options.quick else Effort()
    columns = customers.generate(count, order)
    drawn = list(draw(columns, effort))
    table = customers.peers_table(columns)
    with customers.opened(count, order) as (index, built), tables(columns, table, PEERS) as (scanning, absent):
        for name in absent:
            print(f"{name} is not installed: left out", file=sys.stderr)
        firsts = first_counts(index, [each.rule for each in drawn])
        figures = compare(drawn, firsts, Segdex(index), scanning, warm_up(order), effort)
    return {
        "customers": count,
        "order": order,
        "seed": customers.SEED,
        "threads": 1,
        "l3_mb": l3_bytes() >> 20,
        **built,
        **figures,
    }


# --- rules -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Spread:
    """The known values of a column, ascending, how many customers have each, and how many each or less."""

    values: Array
    counts: Array
    reached: Array

    def at(self, share: float) -> int:
        """The value that *share* of the customers have or are below, 0 to less than 1."""
        return int(self.values[np.searchsorted(self.reached, share * self.reached[-1], "right")])


def spread_of(name: str, column: Array) -> Spread:
    counts = np.bincount(column[column != MISSING[name]] if name in MISSING else column)
    values = np.flatnonzero(counts)
    return Spread(values, counts[values], np.cumsum(counts[values]))


def _inside(rng: random.Random, spread: Spread, _: Band) -> int:
    return spread.at(rng.random())


def _between_edges(rng: random.Random, _: Spread, band: Band) -> int:
    low = rng.randrange(len(band.edges) - 1)
    return rng.randrange(band.edges[low], band.edges[low + 1])


def _common(rng: random.Random, spread: Spread, _: Band) -> int:
    return int(spread.values[rng.choice(np.argsort(spread.counts)[-3:].tolist())])


def _end(rng: random.Random, spread: Spread, _: Band) -> int:
    return int(spread.values[rng.choice((0, -1))])


def _outer(rng: random.Random, spread: Spread, _: Band) -> int:
    share = rng.random() / 100
    return spread.at(rng.choice((share, 1 - share - 1e-9)))


PLACEMENTS = (_inside, _between_edges, _common, _end, _outer)


def draw(columns: Columns, effort: Effort) -> Iterator[Drawn]:
    """The rules, the same for the same customers; those alone first."""
    rng = random.Random(SEED)
    bands = list(BANDS.values())
    spreads = {band.column: spread_of(band.column, columns[band.column]) for band in bands}
    mask = cache(lambda name: to_mask(LEAVES[name], columns))

    def comparison(number: int, band: Band) -> Leaf:
        return _comparison(rng, PLACEMENTS[number % len(PLACEMENTS)], spreads[band.column], band)

    for number in range(effort.alone):
        leaf = comparison(number, bands[number % len(bands)])
        yield Drawn(Rule(f"{ALONE} {number + 1}", leaf, ()), ALONE, 1.0, at_edges(leaf, spreads))
    for number in range(effort.combined):
        shape = list(SHAPES)[number % len(SHAPES)]
        band = bands[number % len(bands)]
        two = [comparison(number, band), comparison(number + 1, rng.choice([each for each in bands if each != band]))]
        if "comparisons" not in shape:
            two[1] = two[0]
        sets = _other_sets(rng, {leaf.column for leaf in two})
        where: Condition = SHAPES[shape](*two, *sets)
        share = _open(shape, [mask(each.name) for each in sets])
        edges = all(at_edges(leaf, spreads) for leaf in two)
        yield Drawn(Rule(f"{shape} {number // len(SHAPES) + 1}", where, ()), shape, share, edges)


def _comparison(
    rng: random.Random, placement: Callable[[random.Random, Spread, Band], int], spread: Spread, band: Band
) -> Leaf:
    """One comparison of a column, at a value that *placement* draws."""
    name, value = band.column, placement(rng, spread, band)
    operator = rng.choice(OPERATORS)
    if operator == "between":
        low, high = sorted((value, spread.at(rng.random())))
        return known(f"{name} between {low} and {high}", name, low, high + 1)
    low_end = {">": value + 1, ">=": value, "=": value}.get(operator)
    high_end = {"<": value, "<=": value + 1, "=": value + 1}.get(operator)
    return known(f"{name} {operator} {value}", name, low_end, high_end)


def at_edges(leaf: Leaf, spreads: Mapping[str, Spread]) -> bool:
    """Whether a comparison begins and ends at edges of the column's band, or beyond all values."""
    edges = {edge for band in BANDS.values() if band.column == leaf.column for edge in band.edges}
    least, most = spreads[leaf.column].values[[0, -1]].tolist()
    begins = leaf.low is None or leaf.low <= least or leaf.low > most or leaf.low in edges
    ends = leaf.high is None or leaf.high > most or leaf.high <= least or leaf.high in edges
    return begins and ends


def _other_sets(rng: random.Random, columns: set[str]) -> list[Leaf]:
    """Three sets over columns that differ, and are not among *columns*."""
    chosen: dict[str, Leaf] = {}
    for leaf in rng.sample(list(LEAVES.values()), len(LEAVES)):
        if leaf.column not in columns:
            chosen.setdefault(leaf.column, leaf)
    return list(chosen.values())[:3]


def _open(shape: str, sets: Sequence[Array]) -> float:
    """The share of customers for whom the rule depends on its comparisons."""
    everyone = np.ones(len(sets[0]), np.bool_)
    held, not_held = (SHAPES[shape](each, each, *sets) for each in (everyone, ~everyone))
    return round(float(np.mean(held != not_held)), 6)


# --- first counts ------------------------------------------------------------------------------------------------


def first_counts(index: segdex.Index, rules: Sequence[Rule]) -> Firsts:
    """The first count of each rule, given as text."""
    for text in others():
        index.count(text)
    found = {}
    with no_garbage():
        for rule in rules:
            text = rule.text
            started = time.perf_counter_ns()
            answer = index.count(text)
            found[rule.name] = answer, (time.perf_counter_ns() - started) / 1000
    return found


def others() -> Iterator[str]:
    """Rules that use every number column and every label; the one union of labels they make is of no other rule."""
    also = " and vip = true"
    yield f"country in ('PT', 'IE'){also}"
    for name, band in BANDS.items():
        yield f"{band.column} = {band.edges[-1] + 1}{also}"
        yield f"{band.column} is known{also}"
        yield from (f"{name} = '{label}'{also}" for label in band.labels)
    for name, values in CATEGORIES.items():
        yield from (f"{name} = '{value}'{also}" for value in values)
    yield from (f"{name} = true{also}" for name in BOOLEANS)


# --- prepared counts ---------------------------------------------------------------------------------------------


def warm_up(order: str) -> Callable[[], None]:
    """Small counts of each shape over an index of 66,000 customers, which run the same code over other data."""
    columns = customers.generate(66_000, order)
    index = segdex.build(customers.SCHEMA, as_of=customers.AS_OF, sources={"customers": customers.batches(columns)})
    effort = Effort(alone=1, combined=len(SHAPES))
    queries = [index.prepare(each.rule.text) for each in draw(columns, effort)]

    def count() -> None:
        for query in queries:
            query.count()

    return count


def compare(
    drawn: Sequence[Drawn],
    firsts: Firsts,
    ours: Engine,
    scanning: Sequence[Engine],
    before: Callable[[], None],
    effort: Effort,
) -> dict[str, Any]:
    """The figures of *drawn*; the first of *scanning* checks every rule, all of them are timed on some.

    Raises:
        WrongAnswerError: two engines differ.
    """
    rules = [each.rule for each in drawn]
    compared = list(_compared(drawn, effort.compared))
    fast = {(ours.name, rule.name): ours.ways(rule) for rule in rules}
    slow = {(engine.name, rule.name): engine.ways(rule) for engine in scanning for rule in compared}
    checking = {(scanning[0].name, rule.name): scanning[0].ways(rule) for rule in rules}
    first: dict[Key, list[Count]] = {
        (f"{ours.name}, first", name): [partial(int, answer)] for name, (answer, _) in firsts.items()
    }
    ways: Ways = {**checking, **fast, **slow, **first}
    answers = check(ways)
    timer = Timer()

    def hot(way: Count) -> list[float]:
        return timer.hot(way, effort.calls)

    def cold(way: Count) -> list[float]:
        return [timer.cold(way, before)]

    def once(way: Count) -> list[float]:
        return timer.hot(way, 1)

    with no_garbage():
        hot_samples = sampled(fastest(fast, hot), hot, effort.rounds)
        cold_samples = sampled(fastest(fast, cold), cold, effort.rounds)
        asked = {key: way for key, way in {**fast, **slow}.items() if key[1] in {rule.name for rule in compared}}
        turns = sampled(fastest(asked, once), once, effort.slow_rounds)
    figures = {"checked": len(ways), **_told(drawn, cold_samples, hot_samples, firsts)}
    for engine in scanning:
        figures[f"vs_{engine.name}"] = geometric_mean(ratios(compared, turns, turns, engine.name))
    times = {
        each.rule.name: {
            "hot_us": _median(hot_samples[ours.name, each.rule.name]),
            "cold_us": _median(cold_samples[ours.name, each.rule.name]),
            "first_us": round(firsts[each.rule.name][1], 2),
        }
        for each in drawn
    }
    return {
        **figures,
        "shapes": _by_shape(drawn, times),
        "peers": [_of_peers(rule, [ours, *scanning], turns) for rule in compared],
        "queries": [_query(each, answers[each.rule.name], times[each.rule.name]) for each in drawn],
    }


def _compared(drawn: Sequence[Drawn], most: int) -> Iterator[Rule]:
    """The first rules of each shape that stored sets alone do not answer."""
    for shape in SHAPES:
        yield from [each.rule for each in drawn if each.shape == shape and not each.at_edges][:most]


# --- figures -----------------------------------------------------------------------------------------------------


def _told(drawn: Sequence[Drawn], cold: Samples, hot: Samples, firsts: Firsts) -> dict[str, Any]:
    """How many rules there are of both kinds, and percentiles over all their calls."""
    kinds = {
        ALONE: [each for each in drawn if each.shape == ALONE],
        "combined": [each for each in drawn if each.shape != ALONE],
    }
    figures: dict[str, Any] = {}
    for kind, rules in kinds.items():
        names = {each.rule.name for each in rules}
        figures[kind] = len(rules)
        figures[f"{kind}_at_edges"] = sum(each.at_edges for each in rules)
        for prefix, samples in ((kind, cold), (f"{kind}_hot", hot)):
            calls = [call for (_, name), times in samples.items() if name in names for call in times]
            figures |= _percentiles(prefix, calls)
        figures |= _percentiles(f"first_{kind}", [firsts[name][1] for name in names])
    return {**figures, **_percentiles("first", [took for _, took in firsts.values()])}


def _percentiles(prefix: str, times: list[float]) -> dict[str, float]:
    return {f"{prefix}_p{percent}_us": round(float(np.percentile(times, percent)), 2) for percent in (50, 99)}


def _median(times: list[float]) -> float:
    return round(float(np.median(times)), 2)


def _by_shape(drawn: Sequence[Drawn], times: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """For each shape the median of its rules and the slowest of them."""
    rows = []
    for shape in dict.fromkeys(each.shape for each in drawn):
        held = [times[each.rule.name] for each in drawn if each.shape == shape]
        row: dict[str, Any] = {"name": shape, "rules": len(held)}
        for kind in ("cold", "hot", "first"):
            found = [each[f"{kind}_us"] for each in held]
            row |= {f"{kind}_us": _median(found), f"{kind}_most_us": max(found)}
        rows.append(row)
    return rows


def _of_peers(rule: Rule, engines: Sequence[Engine], turns: Samples) -> dict[str, Any]:
    return {"name": rule.name, **{f"{each.name}_us": _median(turns[each.name, rule.name]) for each in engines}}


def _query(drawn: Drawn, answer: int, times: Mapping[str, float]) -> dict[str, Any]:
    """What is told of one rule."""
    facts = {"shape": drawn.shape, "count": answer, "open": drawn.open, "at_edges": drawn.at_edges}
    return {"name": drawn.rule.name, **facts, **times, "rule": drawn.rule.text}
