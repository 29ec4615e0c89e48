"""Run one benchmark: ``python -m benchmarks NAME [--customers N] [--quick] [--json FILE]``.

A benchmark is a module with ``measure(options)``, which returns its figures by name; its docstring says what it
measures, on which data and seed. Figures go to stdout and, with ``--json``, into a file under the same names.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from benchmarks.measuring import Options

BENCHMARKS = {"build": "building", "import": "importing", "kernels": "compiling"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure segdex.")
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--customers", type=int, metavar="N", help="how many customers to generate")
    parser.add_argument("--quick", action="store_true", help="few repeats and little data: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    asked = parser.parse_args(arguments)

    module = importlib.import_module(f"benchmarks.{BENCHMARKS[asked.name]}")
    figures = module.measure(Options(customers=asked.customers, quick=asked.quick))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    found = {"benchmark": asked.name, "machine": machine, **figures}
    for name, value in found.items():
        print(f"{name:24} {value}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
