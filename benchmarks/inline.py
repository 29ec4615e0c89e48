"""How long rules take that nobody declared before: straight from a stream of many rows, against DuckDB.

Data: generated orders (seed 6), 100 million unless told, ten for each customer on average, with a time in the last two
years, an amount in cents and one of twelve departments, both skewed. segdex opens a saved index; DuckDB has the same
rows in memory, in the narrowest types, sorted by customer. Both use as many threads as the process has cores.

Each of the shapes is asked five times with other numbers, so that nothing that was asked before answers:
`inline_p50_s` and `inline_max_s` are over all first counts. One more is asked of a twentieth of the customers only
(`few_p50_s`): their rows alone are looked at. `again_us` is the same question asked again, the median: the answer is
kept. Ratios are peer time / segdex time, geometric means over all questions; every answer is checked equal first.

    python -m benchmarks inline --customers 1000000
    SEGDEX_BENCHMARK_DIR=folder python -m benchmarks inline     # keeps the built index there for the next run
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import segdex
from benchmarks.measuring import Options, agreed, built, geometric_mean, no_garbage

SEED = 6
AS_OF = "2026-06-30T00:00:00Z"
END = 1_782_777_600_000_000  # AS_OF in microseconds
DAY = 86_400_000_000
PER_CUSTOMER = 10
DEPARTMENTS = tuple(f"d{number:02}" for number in range(12))
GROUPS = 20
VARIANTS = 5
_BLOCK = 1 << 18

SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "order": [], "attributes": {"panel": "category"}},
    "streams": {
        "orders": {
            "key": "id",
            "time": "at",
            "fields": {"amount": {"type": "number", "scale": 2}, "department": "category"},
        }
    },
}
BUILD = """
import json, resource, sys, time
import segdex
from benchmarks import inline
customers = int(sys.argv[1])
sources = {"customers": inline.people(customers), "orders": inline.orders(customers)}
started = time.perf_counter()
segdex.build(inline.SCHEMA, as_of=inline.AS_OF, sources=sources, out=sys.argv[2]).close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"index_build_s": round(time.perf_counter() - started, 1), "index_build_peak_mb": round(peak)}))
"""

Shape = tuple[str, Callable[[int], str], Callable[[int], str]]
"""Its name, the rule, and the condition by which DuckDB says the same of one customer's rows."""

SHAPES: tuple[Shape, ...] = (
    (
        "count in a window",
        lambda n: f"count(orders, {90 + n}d) >= 3",
        lambda n: f"count(*) FILTER ({since(90 + n)}) >= 3",
    ),
    (
        "count of what is large",
        lambda n: f"count(orders, 180d, where amount > {100 + n}) >= 2",
        lambda n: f"count(*) FILTER ({since(180)} AND amount > {100 + n}00) >= 2",
    ),
    (
        "sum in a department",
        lambda n: f"sum(orders.amount, 1y, where department = 'd0{n}') > 200",
        lambda n: f"sum(amount) FILTER ({since(365)} AND department = {n}) > 20000",
    ),
    (
        "largest of late",
        lambda n: f"max(orders.amount, {200 + n}d) > 500",
        lambda n: f"max(amount) FILTER ({since(200 + n)}) > 50000",
    ),
    ("did lately", lambda n: f"did(orders, {7 + n}d)", lambda n: f"count(*) FILTER ({since(7 + n)}) >= 1"),
    (
        "mean, and often",
        lambda n: f"mean(orders.amount, {300 + n}d) > 60 and count(orders, {300 + n}d) > 4",
        lambda n: f"avg(amount) FILTER ({since(300 + n)}) > 6000 AND count(*) FILTER ({since(300 + n)}) > 4",
    ),
)  # fmt: skip
FEW = ("count of a twentieth", lambda n: f"panel = 'p07' and count(orders, {120 + n}d) >= 3")


def since(days: int) -> str:
    """The rows of a rolling window, as a filter."""
    return f"WHERE (moment > {END - days * DAY} AND moment <= {END})"


# --- data --------------------------------------------------------------------------------------------------------


def people(customers: int) -> pa.RecordBatchReader:
    """The customers, each in one of twenty panels."""
    names = [f"p{number:02}" for number in range(GROUPS)]

    def batch(start: int, stop: int) -> pa.RecordBatch:
        ids = np.arange(start, stop)
        panels = pa.DictionaryArray.from_arrays(pa.array((ids % GROUPS).astype(np.int8)), names)
        return pa.RecordBatch.from_pydict({"id": ids, "panel": panels})

    parts = (batch(start, min(start + _BLOCK, customers)) for start in range(0, customers, _BLOCK))
    return pa.RecordBatchReader.from_batches(batch(0, 0).schema, parts)


def rows(customers: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The orders, in blocks of customers."""
    for number, start in enumerate(range(0, customers, _BLOCK)):
        rng = np.random.default_rng([SEED, number])
        here = min(_BLOCK, customers - start)
        owners = np.repeat(np.arange(start, start + here), rng.poisson(rng.gamma(1.0, PER_CUSTOMER, here)))
        count = len(owners)
        yield {
            "id": owners,
            "at": END - rng.integers(0, 730 * DAY, count),
            "amount": np.minimum(rng.lognormal(8, 1, count), 10_000_000).astype(np.int32),
            "department": np.minimum(rng.exponential(3, count), 11).astype(np.int8),
        }


def orders(customers: int) -> pa.RecordBatchReader:
    """The orders as `segdex.build` reads them."""

    def batch(block: dict[str, npt.NDArray[Any]]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict(
            {
                "id": block["id"],
                "at": pa.array(block["at"], pa.timestamp("us", "UTC")),
                "amount": block["amount"] / 100,
                "department": pa.DictionaryArray.from_arrays(pa.array(block["department"]), list(DEPARTMENTS)),
            }
        )

    blocks = rows(customers)
    first = batch(next(rows(1)))
    return pa.RecordBatchReader.from_batches(first.schema, (batch(block) for block in blocks))


# --- measuring ---------------------------------------------------------------------------------------------------


def measure(options: Options) -> dict[str, Any]:
    customers = options.customers or (20_000 if options.quick else 10_000_000)
    variants = 2 if options.quick else VARIANTS
    with (
        built(f"inline-{customers}", BUILD, customers, made_by=Path(__file__)) as (path, took),
        segdex.open(path) as index,
    ):
        peers = _peers(customers)
        firsts: dict[str, list[float]] = {}
        ratios: dict[str, list[float]] = {name: [] for name in peers}
        again: list[float] = []
        with no_garbage():
            index.count(SHAPES[0][1](99))  # every column is mapped, and read once
            index.count(SHAPES[2][1](9))
            for name, rule, condition in SHAPES:
                for variant in range(variants):
                    text = rule(variant)
                    ours, found = timed(partial(index.count, text))
                    firsts.setdefault(name, []).append(ours)
                    again.append(timed(partial(index.count, text))[0])
                    answers = {"segdex": found}
                    for peer, count in peers.items():
                        theirs, answers[peer] = timed(partial(count, condition(variant)))
                        ratios[peer].append(theirs / ours)
                    agreed(answers, text)
            few = [timed(partial(index.count, FEW[1](variant)))[0] for variant in range(variants)]
        events = index.aggregate("everyone", "count(orders)").sum
    every = [each for times in firsts.values() for each in times]
    return {
        "customers": customers,
        "events": int(events or 0),
        "seed": SEED,
        **took,
        "checked": len(every) * (1 + len(peers)),
        "inline_p50_s": round(statistics.median(every), 4),
        "inline_max_s": round(max(every), 4),
        "few_p50_s": round(statistics.median(few), 4),
        "again_us": round(statistics.median(again) * 1e6, 2),
        **{f"vs_{peer}": geometric_mean(found) for peer, found in ratios.items()},
        "shapes": [{"name": name, "first_s": round(statistics.median(times), 4)} for name, times in firsts.items()],
    }


def timed(call: Callable[[], int]) -> tuple[float, int]:
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def _peers(customers: int) -> dict[str, Callable[[str], int]]:
    """DuckDB, where it is installed, with the rows in memory."""
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ImportError:
        return {}
    connection = duckdb.connect()
    connection.execute("CREATE TABLE orders (id INTEGER, moment BIGINT, amount INTEGER, department TINYINT)")
    for block in rows(customers):
        narrow = pa.table({**block, "id": block["id"].astype(np.int32)})
        connection.register("block", narrow)
        connection.execute("INSERT INTO orders SELECT * FROM block")
        connection.unregister("block")

    def count(condition: str) -> int:
        asked = f"SELECT count(*) FROM (SELECT id FROM orders GROUP BY id HAVING {condition})"
        return int(connection.execute(asked).fetchone()[0])

    return {"duckdb": count}
