"""How long imports take: the public names, the library behind them, and the help of the command line.

No data. Each figure is the median of fresh processes whose files are in the page cache.

    python -m benchmarks import
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measuring import Options, in_new_process

CODE = """
import sys, time
started = time.perf_counter()
exec(sys.argv[1])
sys.__stdout__.write(str((time.perf_counter() - started) * 1000))
"""

MEASURED = {
    "import_ms": "import segdex",
    "index_ms": "import segdex; segdex.Index",
    "parse_ms": "import segdex; segdex.parse('a > 1')",
    "help_ms": "import os; sys.stdout = open(os.devnull, 'w'); from segdex.cli import main; main(['--help'])",
}


def measure(options: Options) -> dict[str, Any]:
    repeats = 2 if options.quick else 11
    runs = [{name: in_new_process(CODE, code) for name, code in MEASURED.items()} for _ in range(repeats)]
    return {name: round(statistics.median(run[name] for run in runs), 1) for name in MEASURED}
