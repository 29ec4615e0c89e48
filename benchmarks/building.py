"""How fast an index is built: the generated retailer (seed 7), from its tables to a saved snapshot.

Generating the rows, which happens while they are read, is part of the time; kernels are compiled before. One fresh
process; memory is the most that it ever held.

    python -m benchmarks build --customers 1000000
"""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks.measuring import Options, in_new_process

CODE = """
import json, resource, sys, time
import segdex
from segdex import jit
from segdex.demo import retailer
customers, folder = int(sys.argv[1]), sys.argv[2]
for kernel in jit.kernels():
    kernel.compile()
started = time.perf_counter()
sources = retailer.generate(customers)
with segdex.build(retailer.SCHEMA, as_of=retailer.AS_OF, sources=sources, out=folder) as index:
    seconds = time.perf_counter() - started
    events = sum(index.report[name].rows for name in index.schema.streams)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"events": events, "build_s": seconds, "events_per_s": events / seconds, "peak_rss_mb": peak}))
"""


def measure(options: Options) -> dict[str, Any]:
    customers = options.customers or (10_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        found = in_new_process(CODE, customers, f"{folder}/index")
    return {"customers": customers, **{name: round(value, 3) for name, value in found.items()}}
