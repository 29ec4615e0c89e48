"""Counts over real bitmaps, against pyroaring, and how many bytes these take.

Data: the sets that papers on bitmap indexes measure with, `census1881` and `weather_sept_85`, and both over a sorted
table (`_srt`), 192 or 200 bitmaps each. They are not part of this repository: `SEGDEX_DATA` names a folder that has
`bitmaps/census1881.parquet` and so on (a row a bitmap: its number, and its ids as a list), or the archives that come
with CRoaring, `bitmaps/census1881.zip` (a text a bitmap: its ids, with commas). Without them nothing is measured.

Every bitmap is a predicate loaded from the portable Roaring bytes of the pyroaring set. Of each set:

- pairs: AND, OR and ANDNOT counts of all pairs of bitmaps, a truth table of two inputs each, against
  `intersection_cardinality`, `union_cardinality` and `difference_cardinality`;
- rules: 500 random rules of 3 to 6 leaves (seed 5): a shape of `SHAPES` over different bitmaps, as one truth table,
  against the fastest of the shape's expressions by hand.

All programs are assembled, and all calls of pyroaring bound, before. Everything is timed in whole passes over all pairs
or all rules, segdex and pyroaring in turns, the latter over sets with runs and sets without, of which the faster one is
taken. Ratios are pyroaring time / segdex time, medians of the passes; that of pairs is the geometric mean of the
three operations. Bytes are of all bitmaps of a set: in hot form, as portable Roaring, and the same with runs.

    SEGDEX_DATA=folder python -m benchmarks bitmaps
"""

from __future__ import annotations

import array
import dataclasses
import itertools
import os
import random
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq
from pyroaring import BitMap

from benchmarks.measuring import NoDataError, Options, Timer, WrongAnswerError, geometric_mean, no_garbage
from benchmarks.peers import Count
from segdex.bitmap import portable
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.program import assemble
from segdex.query.cover import cover
from segdex.query.formula import And, Formula, Leaf, Not, Or

SETS = ("census1881", "census1881_srt", "weather_sept_85", "weather_sept_85_srt")
SEED = 5
PASSES = 9

Ways: TypeAlias = dict[str, list[Count]]
"""The calls of one pass, by what makes them."""
Made: TypeAlias = Callable[..., Formula]

TABLES = {"and": 0x8888888888888888, "or": 0xEEEEEEEEEEEEEEEE, "andnot": 0x2222222222222222}
"""As truth tables, the first operand being the lower bit of a row."""
CALLS = {"and": "intersection_cardinality", "or": "union_cardinality", "andnot": "difference_cardinality"}


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a random rule looks like.

    Attributes:
        groups: letters of leaves; those of one group are drawn so that the smallest comes first.
        formula: of as many leaves.
        ways: expressions over pyroaring sets of these letters.
    """

    groups: tuple[str, ...]
    formula: Made
    ways: tuple[str, ...]


SHAPES = (
    Shape(("abc",), lambda a, b, c: And((a, b, c)), ("(a & b).intersection_cardinality(c)",)),
    Shape(
        ("ab", "c"),
        lambda a, b, c: And((a, b, Not(c))),
        ("(a & b).difference_cardinality(c)", "(a - c).intersection_cardinality(b)"),
    ),
    Shape(
        ("a", "bc"),
        lambda a, b, c: And((a, Or((b, c)))),
        ("a.intersection_cardinality(b | c)", "(a & b).union_cardinality(a & c)"),
    ),
    Shape(("abc",), lambda a, b, c: Or((a, b, c)), ("(a | b).union_cardinality(c)", "len(union(a, b, c))")),
    Shape(
        ("ab", "cd"),
        lambda a, b, c, d: And((a, b, Not(c), Not(d))),
        ("(a & b).difference_cardinality(c | d)", "((a & b) - c).difference_cardinality(d)"),
    ),
    Shape(
        ("ab", "cd"),
        lambda a, b, c, d: Or((And((a, b)), And((c, d)))),
        (
            "(a & b).union_cardinality(c & d)",
            "a.intersection_cardinality(b) + c.intersection_cardinality(d) - len(intersection(a, b, c, d))",
        ),
    ),
    Shape(
        ("a", "bc", "d"),
        lambda a, b, c, d: And((a, Or((b, c)), Not(d))),
        (
            "(a & (b | c)).difference_cardinality(d)",
            "(a - d).intersection_cardinality(b | c)",
            "(a & b).union_cardinality(a & c) - ((a & b) | (a & c)).intersection_cardinality(d)",
        ),
    ),
    Shape(
        ("abcd", "e"),
        lambda a, b, c, d, e: And((a, b, c, d, Not(e))),
        ("(a & b & c & d).difference_cardinality(e)",),
    ),
    Shape(
        ("ab", "cd", "e"),
        lambda a, b, c, d, e: And((Or((a, b)), Or((c, d)), Not(e))),
        ("((a | b) & (c | d)).difference_cardinality(e)", "((a | b) - e).intersection_cardinality(c | d)"),
    ),
    Shape(
        ("abcde",),
        lambda a, b, c, d, e: Or((a, b, c, d, e)),
        ("(a | b | c | d).union_cardinality(e)", "len(union(a, b, c, d, e))"),
    ),
    Shape(
        ("abcdef",),
        lambda a, b, c, d, e, f: And((a, b, c, d, e, f)),
        ("(a & b & c & d & e).intersection_cardinality(f)", "len(intersection(a, b, c, d, e, f))"),
    ),
    Shape(
        ("ab", "cd", "ef"),
        lambda a, b, c, d, e, f: And((Or((And((a, b)), And((c, d)))), Not(Or((e, f))))),
        (
            "((a & b) | (c & d)).difference_cardinality(e | f)",
            "(((a & b) | (c & d)) - e).difference_cardinality(f)",
        ),
    ),
    Shape(
        ("a", "bcd", "ef"),
        lambda a, b, c, d, e, f: And((a, Or((b, c, d)), Not(e), Not(f))),
        (
            "(a & (b | c | d)).difference_cardinality(e | f)",
            "((a - e) - f).intersection_cardinality(b | c | d)",
            "(a & union(b, c, d)).difference_cardinality(e | f)",
        ),
    ),
    Shape(
        ("ab", "cd", "ef"),
        lambda a, b, c, d, e, f: Or((And((a, b)), And((c, d)), And((e, f)))),
        ("((a & b) | (c & d)).union_cardinality(e & f)", "len(union(a & b, c & d, e & f))"),
    ),
)


def measure(options: Options) -> dict[str, Any]:
    folder = os.environ.get("SEGDEX_DATA")
    if not folder:
        raise NoDataError("SEGDEX_DATA names no folder with the real bitmaps")
    figures: dict[str, Any] = {"seed": SEED, "checked": 0}
    rows = []
    for name in SETS:
        ids = list(read(Path(folder) / "bitmaps", name))
        bitmaps = Bitmaps(ids[:20] if options.quick else ids)
        row, ratios, checked = compare(bitmaps, *((20, 2, 1) if options.quick else (500, PASSES, 5)))
        figures["checked"] += checked
        figures |= {f"{name}_{key}": ratio for key, ratio in ratios.items()}
        rows.append({"name": name, **row, **ratios})
    return {**figures, "sets": rows}


def read(folder: Path, name: str) -> Iterator[np.ndarray]:
    """The ids of each bitmap of a set, ascending.

    Raises:
        NoDataError: the set is not there.
    """
    table, archive = folder / f"{name}.parquet", folder / f"{name}.zip"
    if table.exists():
        for ids in pq.read_table(table).column("values"):
            yield ids.values.to_numpy()
    elif archive.exists():
        with zipfile.ZipFile(archive) as texts:
            for each in sorted(texts.namelist()):
                if each.endswith(".txt"):
                    yield np.array(texts.read(each).split(b","), np.uint32)
    else:
        raise NoDataError(f"there is neither {table} nor {archive}")


class Bitmaps:
    """One set of bitmaps in all its forms."""

    def __init__(self, ids: Sequence[np.ndarray]) -> None:
        self.count = 1 + max(int(each[-1]) for each in ids)
        made = [BitMap(array.array("I", each.astype(np.uint32).tobytes())) for each in ids]
        with_runs = [each.copy() for each in made]
        for each in with_runs:
            each.run_optimize()
        self.predicates = [portable.load(each.serialize(), self.count) for each in made]
        # Bytes that are read back lie as close together as they can.
        self.forms = {
            "plain": [BitMap.deserialize(each.serialize()) for each in made],
            "runs": [BitMap.deserialize(each.serialize()) for each in with_runs],
        }

    def sizes(self) -> dict[str, int]:
        """Bytes in each form."""
        plain, runs = (sum(len(each.serialize()) for each in held) for held in self.forms.values())
        hot = sum(each.words.nbytes for each in self.predicates)
        return {"hot_bytes": hot, "portable_bytes": plain, "portable_with_runs_bytes": runs}


def compare(bitmaps: Bitmaps, rules: int, passes: int, trials: int) -> tuple[dict[str, Any], dict[str, float], int]:
    """What is told of a set: its row, its two ratios, and how many answers were checked."""
    row: dict[str, Any] = {"bitmaps": len(bitmaps.predicates), "ids": bitmaps.count, **bitmaps.sizes()}
    ratios, checked = [], 0
    for operation in TABLES:
        ways = pairs(bitmaps, operation)
        ratio, row[f"{operation}_us"], row[f"pyroaring_{operation}_us"] = timed(ways, passes)
        ratios.append(ratio)
        checked += len(ways) * len(ways["segdex"])
    ways = random_rules(bitmaps, rules, trials)
    ratio, row["rule_us"], row["pyroaring_rule_us"] = timed(ways, passes)
    checked += len(ways) * len(ways["segdex"])
    return row, {"pairs_vs_pyroaring": geometric_mean(ratios), "rules_vs_pyroaring": round(ratio, 3)}, checked


def pairs(bitmaps: Bitmaps, operation: str) -> Ways:
    """One count of every pair of bitmaps."""
    nodes = [(TABLES[operation], (0, 1))]
    found = {
        "segdex": [
            assemble(both, nodes, bitmaps.count, bitmaps.count).count
            for both in itertools.combinations(bitmaps.predicates, 2)
        ]
    }
    for form, held in bitmaps.forms.items():
        both_of = itertools.combinations(held, 2)
        found[form] = [partial(getattr(one, CALLS[operation]), other) for one, other in both_of]
    return found


def random_rules(bitmaps: Bitmaps, rules: int, trials: int) -> Ways:
    """Random rules; of each the fastest of its expressions, for each form."""
    rng, timer = random.Random(SEED), Timer()
    found: Ways = {"segdex": [], **{form: [] for form in bitmaps.forms}}
    for _ in range(rules):
        shape = rng.choice(SHAPES)
        chosen = drawn(rng, shape, bitmaps.predicates)
        found["segdex"].append(program_of(shape, [bitmaps.predicates[each] for each in chosen], bitmaps.count))
        for form, held in bitmaps.forms.items():
            ways = expressions(shape, [held[each] for each in chosen])
            expect_equal([ways[0]] * len(ways), ways, f"{shape.ways[0]} of {chosen}")
            fastest = min(ways, key=lambda way: statistics.median(timer.hot(way, trials)))
            found[form].append(fastest)
    return found


def drawn(rng: random.Random, shape: Shape, predicates: Sequence[Predicate]) -> list[int]:
    """Which bitmaps take the place of the letters: the smallest first in each group."""
    left = rng.sample(range(len(predicates)), sum(map(len, shape.groups)))
    groups = [[left.pop() for _ in group] for group in shape.groups]
    return [each for group in groups for each in sorted(group, key=lambda each: len(predicates[each]))]


def program_of(shape: Shape, predicates: Sequence[Predicate], count: int) -> Count:
    leaves = [Leaf(number) for number in range(len(predicates))]
    held = sorted(leaves, key=lambda leaf: predicates[leaves.index(leaf)].occupied)  # as the planner does it
    nodes = cover(shape.formula(*leaves), held, {})
    return assemble([predicates[leaves.index(leaf)] for leaf in held], nodes, count, count).count


def expressions(shape: Shape, sets: Sequence[BitMap]) -> list[Count]:
    letters = dict(zip("abcdef", sets, strict=False))
    known = {**letters, "union": BitMap.union, "intersection": BitMap.intersection}
    return [eval(f"lambda: {way}", known) for way in shape.ways]


def timed(ways: Ways, passes: int) -> tuple[float, float, float]:
    """The ratio of the faster form of pyroaring to segdex, and microseconds a count of segdex and of that form."""
    expected = ways["segdex"]
    for name, calls in ways.items():
        expect_equal(expected, calls, name)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with no_garbage():
        for number in range(passes):
            for name in reversed(ways) if number % 2 else ways:
                seconds[name].append(one_pass(ways[name]))
    medians = {name: statistics.median(held) * 1e6 / len(expected) for name, held in seconds.items()}
    ours = medians.pop("segdex")
    theirs = min(medians.values())
    return theirs / ours, round(ours, 3), round(theirs, 3)


def one_pass(calls: list[Count]) -> float:
    started = time.perf_counter()
    for call in calls:
        call()
    return time.perf_counter() - started


def expect_equal(some: list[Count], others: list[Count], of: str) -> None:
    """Call all of them.

    Raises:
        WrongAnswerError: some answers differ.
    """
    wrong = sum(one() != other() for one, other in zip(some, others, strict=True))
    if wrong:
        raise WrongAnswerError(f"{of}: {wrong} of {len(some)} counts differ")
