"""What it costs to keep an index current: batches of events, and readers while they come.

Data: the customers, events and names of the benchmark `advance` (seed 11): 10 million customers and 100 million events
unless told, about 200 sets; and 20 tracked segments. A process of its own builds and saves the index; this one is its
writer. New events (seed 5) are of random customers, in the hours before the clock.

- `apply_ms_*`: batches of 1,000 events, from the call until the batch is on the disk and a rule counts it.
- `apply_events_per_s`: batches of 100,000 events, one after another.
- `delta_p50_ratio`: the median over rules, prepared and hot, with 100,000 changed customers by that without any.
- `reader_p99_ratio`: the 99th percentile over all counts of a thread that asks the prepared rules in turn while
  batches of 1,000 events are applied in another one, by that of the same thread alone.
- `reader_paced_*`: of a thread that asks one rule a millisecond, as requests come to a service.
- `reader_process_*`: of a process that follows by `refresh` ten times a second between its counts, which are timed
  without it. `reader_chasing_*`: of one that calls it after each round of rules, so that half of the rounds find what
  the cores keep near them filled with what `refresh` read. `*_refresh_ms_*` are the calls that found something new.

What batches need of new memory (130 MB are the rows of 100,000 customers) is touched just before they are timed: a
virtual machine that has to get it from its host waits 13 us a page of 4 KiB, which makes 0.4 s of 0.04 a batch; and
what nobody uses for some seconds its host may take back.

    python -m benchmarks live --customers 1000000
"""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import segdex
from benchmarks import advance
from benchmarks.measuring import Options, WrongAnswerError, built, touch_memory
from segdex import jit
from segdex.index import Query

SEED = 5
_BYTES = 800
"""So much memory is needed a customer, about."""
_NEVER = 1e9
TRACKED = [
    *(f"orders_1y >= {least}" for least in (1, 2, 3, 4, 5)),
    *(f"spend_1y > {least}" for least in (50, 100, 200, 400, 800)),
    "recency = '..7'", "affinity['department 03'] >= '0.5..0.75'", "engaged >= '5..10' and presence = '..1'",
    "lifecycle = 'regular'", "attention = 'both' and spent_1y = '10'", "visits_30d > 3", "pages_30d > 30",
    "country = 'AE' and orders_30d > 0", "since_order < 3", "spend_6mo > 2 * spend_3mo",
]  # fmt: skip
SEEN = "count(visits, 1d) >= 1 or orders_30d >= 1 or visits_30d >= 1"
"""Counts whoever is new in a batch."""

BUILD = """
import json, sys, time
from benchmarks import advance, live
from segdex.derive import derive
from segdex.index import Index
from segdex.schema.load import load
from segdex.store.generations import Opened
started = time.perf_counter()
base = derive(load(live.schema()), advance.generate(int(sys.argv[1])), advance.AS_OF)
Index(Opened(base, None, b"")).save(sys.argv[2])
print(json.dumps({"index_build_s": time.perf_counter() - started}))
"""

READER = """
import json, sys, time
import segdex
from benchmarks import advance
index = segdex.open(sys.argv[1])
queries = [index.prepare(rule) for rule in advance.RULES]
for _ in range(4):
    [query.count() for query in queries]
print("ready", flush=True)
sys.stdin.readline()
took, followed, every = [], [0.0], float(sys.argv[2])
begun = refreshed = time.perf_counter()
while (now := time.perf_counter()) < begun + float(sys.argv[3]):
    if now - refreshed >= every:
        if index.refresh():
            followed.append(time.perf_counter() - now)
        refreshed = time.perf_counter()
    for query in queries:
        started = time.perf_counter()
        query.count()
        took.append(time.perf_counter() - started)
import numpy as np
found = {"counts": len(took), "generation": index.generation}
for part in (50, 99):
    found[f"p{part}_us"] = float(np.percentile(took, part)) * 1e6
    found[f"refresh_ms_p{part}"] = float(np.percentile(followed[1:] or followed, part)) * 1e3
print(json.dumps(found))
"""


def schema() -> dict[str, Any]:
    """That of the benchmark `advance`, with tracked segments."""
    segments = {f"tracked {number}": {"where": rule, "tracked": True} for number, rule in enumerate(TRACKED)}
    return advance.SCHEMA | {"segments": segments}


def measure(options: Options) -> dict[str, Any]:
    count = options.customers or (20_000 if options.quick else 10_000_000)
    for kernel in jit.kernels():
        kernel.compile()
    with (
        built(f"live-{count}", BUILD, count, made_by=Path(advance.__file__)) as (kept, built_in),
        tempfile.TemporaryDirectory(dir=kept.parent) as folder,
    ):
        path = Path(folder) / "index"
        shutil.copytree(kept, path, copy_function=_linked)
        with segdex.open(path, read_only=False) as index:
            gc.freeze()  # as docs/service.md advises: each full collection takes 80 ms of whoever allocates just then
            found = _measured(index, path, count, options.quick)
            gc.unfreeze()
        found["journal_mb"] = round(sum(each.stat().st_size for each in path.glob("journal-*")) / 1e6, 1)
    return {"customers": count, "events": count * advance.PER_CUSTOMER, **built_in, **found}


def _linked(source: str, target: str) -> None:
    """Files of an index are never changed in place: a generation may be linked; small files are copied."""
    if Path(source).name.startswith("generation-"):
        Path(target).hardlink_to(source)
    else:
        shutil.copyfile(source, target)


def _measured(index: segdex.Index, path: Path, count: int, quick: bool) -> dict[str, Any]:
    batches, seconds = Batches(count), 2.0 if quick else 10.0
    queries = [index.prepare(rule) for rule in advance.RULES]
    offset = iter(range(1, 1 << 30))
    before = _hot(queries)
    alone, paced_alone = _asked(queries, seconds), _asked(queries, seconds, pause=0.001)
    with _reader(path, _NEVER, seconds) as measured:
        process_alone = measured()

    times = []
    small = list(batches.of(1_000, 20 if quick else 400))
    touch_memory(_BYTES * count)
    for batch in small:
        started = time.perf_counter()
        index.apply(batch, source="bench", offset=next(offset))
        queries[0].count()
        times.append(time.perf_counter() - started)
    first = next(batches.of(100_000 if count > 200_000 else count // 2, 1))
    index.apply(first, source="bench", offset=next(offset))
    changed = index.stats().changed
    during = _hot(queries)

    large = list(batches.of(100_000, 2 if quick else 5))  # more, and what follows would fold the delta in
    touch_memory(_BYTES * count)
    started = time.perf_counter()
    for batch in large:
        index.apply(batch, source="bench", offset=next(offset))
    rate = sum(table.num_rows for batch in large for table in batch.values()) / (time.perf_counter() - started)

    applied: list[float] = []

    @contextlib.contextmanager
    def writing() -> Iterator[None]:
        stop, before = threading.Event(), len(applied)

        def write() -> None:
            for batch in batches.of(1_000, 1 << 20):
                if stop.is_set():
                    return
                started = time.perf_counter()
                index.apply(batch, source="bench", offset=next(offset))
                applied.append(time.perf_counter() - started)

        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(write)
            try:
                yield
            finally:
                stop.set()
                writer.result()  # raises what it could not do
        assert len(applied) > before, "nothing was written meanwhile"

    with writing():
        busy, paced = _asked(queries, seconds), _asked(queries, seconds, pause=0.001)
    with _reader(path, 0.1, seconds) as measured, writing():
        process_busy = measured()
    with _reader(path, 0.0, seconds) as measured, writing():
        chasing = measured()

    _check(index, path)
    milliseconds = np.array(times) * 1000
    return {
        "apply_ms_p50": round(float(np.percentile(milliseconds, 50)), 2),
        "apply_ms_p99": round(float(np.percentile(milliseconds, 99)), 2),
        "apply_ms_max": round(float(milliseconds.max()), 2),
        "apply_events_per_s": round(rate),
        "delta_customers": changed,
        "delta_p50_ratio": round(float(np.median(during) / np.median(before)), 3),
        "hot_p50_us": round(float(np.median(before)) * 1e6, 2),
        **_compared("reader", alone, busy),
        **_compared("reader_paced", paced_alone, paced),
        **_compared("reader_process", process_alone, process_busy),
        **_compared("reader_chasing", process_alone, chasing),
        "apply_busy_ms_p50": round(float(np.median(applied)) * 1000, 2) if applied else None,
    }


class Batches:
    """Batches of events of random customers."""

    def __init__(self, customers: int) -> None:
        self._customers = customers
        self._rng = np.random.default_rng(SEED)

    def of(self, events: int, how_many: int) -> Iterator[dict[str, pa.Table]]:
        """So many batches, of so many events each: four in ten are lines of baskets."""
        orders = events * 4 // 10
        for _ in range(how_many):
            yield {"orders": self._orders(orders), "visits": self._visits(events - orders)}

    def _common(self, rows: int) -> dict[str, Any]:
        at = advance.AS_OF - self._rng.integers(0, 20 * 3_600_000_000, rows)
        keys = self._rng.integers(0, self._customers, rows)
        return {
            "customer_id": keys,
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "department": np.array(advance.DEPARTMENTS)[self._rng.integers(0, len(advance.DEPARTMENTS), rows)],
        }

    def _orders(self, rows: int) -> pa.Table:
        products = np.array([f"p{number}" for number in range(500)])
        return pa.table(
            self._common(rows)
            | {
                "basket": self._rng.integers(1 << 40, 1 << 41, rows),
                "amount": self._rng.integers(100, 20_000, rows) / 100,
                "product": products[self._rng.integers(0, 500, rows)],
            }
        )

    def _visits(self, rows: int) -> pa.Table:
        return pa.table(
            self._common(rows) | {"minutes": self._rng.random(rows) * 20, "pages": self._rng.integers(1, 30, rows)}
        )


def _hot(queries: list[Query]) -> list[float]:
    """The median seconds of each query, asked again and again."""
    found = []
    for query in queries:
        query.count()
        query.count()
        times = []
        for _ in range(31):
            started = time.perf_counter()
            query.count()
            times.append(time.perf_counter() - started)
        found.append(float(np.median(times)))
    return found


def _asked(queries: list[Query], seconds: float, pause: float = 0.0) -> dict[str, float]:
    """Percentiles over single counts of all queries in turn, with a pause before each."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for query in queries:
            if pause:
                time.sleep(pause)
            started = time.perf_counter()
            query.count()
            times.append(time.perf_counter() - started)
    return {f"p{part}_us": float(np.percentile(times, part)) * 1e6 for part in (50, 99)}


def _compared(name: str, alone: dict[str, Any], busy: dict[str, Any]) -> dict[str, float]:
    """What a reader measures alone, and with a busy writer."""
    refreshes = {f"{name}_{part}": round(held, 2) for part, held in busy.items() if part.startswith("refresh")}
    return refreshes | {
        f"{name}_p50_us": round(alone["p50_us"], 2),
        f"{name}_busy_p50_us": round(busy["p50_us"], 2),
        f"{name}_p99_us": round(alone["p99_us"], 1),
        f"{name}_busy_p99_us": round(busy["p99_us"], 1),
        f"{name}_p99_ratio": round(busy["p99_us"] / alone["p99_us"], 3),
    }


@contextlib.contextmanager
def _reader(path: Path, every: float, seconds: float) -> Iterator[Callable[[], dict[str, Any]]]:
    """A reader in a process of its own, which is ready: called, it measures for so long, following *every* so often."""
    command = [sys.executable, "-c", READER, str(path), str(every), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tell, told = process.stdin, process.stdout
        told.readline()

        def measured() -> dict[str, Any]:
            tell.write("\n")
            tell.flush()
            found: dict[str, Any] = json.loads(told.readline())
            return found

        yield measured


def _check(index: segdex.Index, path: Path) -> None:
    """A reader that opens the folder counts what the writer does.

    Raises:
        WrongAnswerError: it does not.
    """
    with segdex.open(path) as reader:
        for rule in (*advance.RULES, *TRACKED, SEEN):
            if reader.count(rule) != index.count(rule):
                raise WrongAnswerError(rule)
