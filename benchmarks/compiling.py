"""How long kernels take to be ready: all of them compiled into an empty folder, and loaded from it again.

No data. Each figure is a fresh process; compiling is measured once, loading is the median.

    python -m benchmarks kernels
"""

from __future__ import annotations

import statistics
import tempfile
from typing import Any

from benchmarks.measuring import Options, in_new_process

CODE = """
import json, time
from segdex import jit
started = time.perf_counter()
times = {}
for kernel in jit.kernels():
    begun = time.perf_counter()
    kernel.compile()
    times[kernel.__name__] = time.perf_counter() - begun
print(json.dumps({"seconds": time.perf_counter() - started, "times": times}))
"""


def measure(options: Options) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        cold = in_new_process(CODE, SEGDEX_CACHE_DIR=folder)
        cached = [in_new_process(CODE, SEGDEX_CACHE_DIR=folder) for _ in range(1 if options.quick else 5)]
    times = cold["times"]
    return {
        "kernels": len(times),
        "cold_s": round(cold["seconds"], 3),
        "cached_s": round(statistics.median(each["seconds"] for each in cached), 3),
        "slowest_s": {name: round(times[name], 3) for name in sorted(times, key=times.__getitem__)[:-6:-1]},
    }
