"""How soon a fresh process counts, and what memory that takes, with an index of many sets.

Data: 10 million customers unless told, keyed by whole numbers that are shuffled in blocks of 262,144, with 50
categories of 20 labels (1,000 sets, unless told; seed 4). Labels are skewed: of a category with skew s, label n has a
share proportional to n^-s, s going from 0.5 for the first category to 2 for the last; so sets hold from 0.2 % to 63 %
of all customers, spread evenly, which is what compresses worst. `segdex.build` makes the index in a process of its own;
what that took is among the figures.

The rule has four leaves, of four categories: `c00 = 'l0' and not c01 = 'l3' and (c02 = 'l1' or c03 = 'l7')`; its answer
is known from the generated labels, and every process must give it.

`first_count_s` goes from before a process is started to its first count: the interpreter, imports, opening, preparing,
counting; of it `imports_s`, `open_s` and `rule_s`. Kernels were compiled before and are loaded from their cache.
`rss_mb` is the memory of that process after the count, `index_rss_mb` its part that is mapped pages of the index (in
/proc/self/smaps). Medians of fresh processes, with all files in the page cache. `first_count_cold_s` is with those of
the index dropped from it, and given only where the system says that the process then read from the disk; a disk that
remembers is not asked to forget.

    python -m benchmarks startup --customers 1000000 --predicates 1000
    SEGDEX_BENCHMARK_DIR=folder python -m benchmarks startup    # keeps the built index there for the next run
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.measuring import NoDataError, Options, WrongAnswerError, built, in_new_process

SEED = 4
AS_OF = "2026-06-30T00:00:00Z"
LABELS = 20
RULE = "c00 = 'l0' and not c01 = 'l3' and (c02 = 'l1' or c03 = 'l7')"

Codes = npt.NDArray[np.int8]
_BLOCK = 1 << 18

BUILD = """
import json, resource, sys, time
import segdex
from benchmarks import startup
customers, categories = int(sys.argv[1]), int(sys.argv[2])
source = startup.Source(customers, categories)
started = time.perf_counter()
segdex.build(
    startup.schema(categories), as_of=startup.AS_OF, sources={"customers": source.batches()}, out=sys.argv[3]
).close()
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
took = {"index_build_s": round(seconds, 1), "index_build_peak_mb": round(peak)}
print(json.dumps({"answer": source.answer, **took}))
"""

COUNT = """
import time
began = time.time()
import segdex
segdex.open
imported = time.time()
index = segdex.open(__import__("sys").argv[1])
opened = time.time()
found = index.prepare(__import__("sys").argv[2]).count()
done = time.time()
import json, pathlib, re, sys
about = pathlib.Path("/proc/self")
rss = re.search(r"^VmRSS:\\s+(\\d+)", (about / "status").read_text(), re.M)[1]
mapped, ours = 0, False
for line in (about / "smaps").read_text().splitlines():
    if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
        ours = sys.argv[1] in line
    elif ours and line.startswith("Rss:"):
        mapped += int(line.split()[1])
read = re.search(r"^read_bytes: (\\d+)", (about / "io").read_text(), re.M)[1]
print(json.dumps({
    "answer": found, "done": done, "imports_s": imported - began, "open_s": opened - imported, "rule_s": done - opened,
    "rss_mb": int(rss) / 1024, "index_rss_mb": mapped / 1024, "read_mb": int(read) / 2**20,
}))
"""


def measure(options: Options) -> dict[str, Any]:
    customers = options.customers or (70_000 if options.quick else 10_000_000)
    if not Path("/proc/self/smaps").exists():
        raise NoDataError("this system has no /proc/self/smaps, which tells what memory is mapped")
    wanted = options.predicates or (80 if options.quick else 1000)
    categories = max(4, -(-wanted // LABELS))  # the rule has as many
    repeats = 2 if options.quick else 11
    name = f"startup-{customers}-{categories}"
    with built(name, BUILD, customers, categories, made_by=Path(__file__)) as (folder, took):
        answer = took.pop("answer")
        first_count(folder, answer)  # compiles what is not compiled
        runs = [(first_count(folder, answer), first_count(folder, answer, cold=True)) for _ in range(repeats)]
        warm, cold = [each for each, _ in runs], [each for _, each in runs]
        size = sum(file.stat().st_size for file in folder.iterdir())
    figures = {key: _median(warm, key) for key in warm[0] if key != "read_mb"}
    if _median(cold, "read_mb") > _median(warm, "read_mb"):
        figures["first_count_cold_s"] = _median(cold, "first_count_s")
        figures["cold_read_mb"] = _median(cold, "read_mb")
    return {
        "customers": customers,
        "predicates": categories * LABELS,
        "seed": SEED,
        "repeats": repeats,
        "checked": 1 + 2 * repeats,
        **figures,
        "snapshot_mb": round(size / 2**20, 1),
        **took,
    }


def first_count(folder: Path, answer: int, cold: bool = False) -> dict[str, float]:
    """What one fresh process finds out about itself.

    Raises:
        WrongAnswerError: it did not count *answer*.
    """
    if cold:
        forget(folder)
    started = time.time()
    found: dict[str, float] = in_new_process(COUNT, folder, RULE)
    if found.pop("answer") != answer:
        raise WrongAnswerError(f"a fresh process does not count {answer}")
    return {"first_count_s": found.pop("done") - started, **found}


def forget(folder: Path) -> None:
    """Ask the system to drop the files of an index from its page cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in folder.iterdir():
        opened = os.open(file, os.O_RDONLY)
        try:
            os.fsync(opened)  # pages that are not written yet stay
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(opened)


def _median(runs: list[dict[str, float]], key: str) -> float:
    return round(statistics.median(run[key] for run in runs), 3)


# --- data --------------------------------------------------------------------------------------------------------


def schema(categories: int) -> dict[str, Any]:
    return {"customers": {"key": "customer_id", "attributes": dict.fromkeys(names(categories), "category")}}


def names(categories: int) -> list[str]:
    return [f"c{number:02}" for number in range(categories)]


class Source:
    """The customers, made while they are read; *answer* is right once all are."""

    def __init__(self, customers: int, categories: int) -> None:
        self._customers = customers
        self._names = names(categories)
        self.answer = 0

    def batches(self) -> pa.RecordBatchReader:
        labels = pa.dictionary(pa.int8(), pa.string())
        columns = [("customer_id", pa.int64()), *((name, labels) for name in self._names)]
        return pa.RecordBatchReader.from_batches(pa.schema(columns), self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        known = pa.array([f"l{n}" for n in range(LABELS)])
        for number, first in enumerate(range(0, self._customers, _BLOCK)):
            rng = np.random.default_rng([SEED, number])
            count = min(_BLOCK, self._customers - first)
            codes = [labels_of(rng, n / max(len(self._names) - 1, 1), count) for n in range(len(self._names))]
            c00, c01, c02, c03 = codes[:4]
            self.answer += int(np.count_nonzero((c00 == 0) & (c01 != 3) & ((c02 == 1) | (c03 == 7))))
            keys = first + rng.permutation(count)
            labelled = [pa.DictionaryArray.from_arrays(pa.array(each), known) for each in codes]
            yield pa.RecordBatch.from_arrays([pa.array(keys), *labelled], ["customer_id", *self._names])


def labels_of(rng: np.random.Generator, place: float, count: int) -> Codes:
    """Labels of a category at *place*, from 0 for the first to 1 for the last."""
    shares = np.arange(1, LABELS + 1, dtype=np.float64) ** -(0.5 + 1.5 * place)
    ends = np.cumsum(shares / shares.sum())[:-1]
    return np.searchsorted(ends, rng.random(count, np.float32)).astype(np.int8)
