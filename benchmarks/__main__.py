"""Run one benchmark: ``python -m benchmarks NAME [--customers N] [--quick] [--json FILE]``.

Some take ``--order ORDER`` or ``--predicates P`` too.

A benchmark is a module with ``measure(options)``, which returns its figures by name; its docstring says what it
measures, on which data and seed. Figures go to stdout and, with ``--json``, into a file under the same names.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import NoDataError, Options

BENCHMARKS = {
    "advance": "advance",
    "bitmaps": "bitmaps",
    "build": "building",
    "counts": "counts",
    "import": "importing",
    "inline": "inline",
    "kernels": "compiling",
    "live": "live",
    "roofline": "roofline",
    "startup": "startup",
    "threads": "threads",
    "thresholds": "thresholds",
}
TAKEN = {"order": {"counts", "roofline", "threads", "thresholds"}, "predicates": {"startup"}}
"""The benchmarks that know an option which not all of them know."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure segdex.")
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--customers", type=int, metavar="N", help="how many customers to generate")
    parser.add_argument("--order", choices=("ordered", "random", "aged"), help="how customers are numbered")
    parser.add_argument("--predicates", type=int, metavar="P", help="how many sets to make")
    parser.add_argument("--quick", action="store_true", help="few repeats and little data: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    asked = parser.parse_args(arguments)
    for option, names in TAKEN.items():
        if getattr(asked, option) is not None and asked.name not in names:
            parser.error(f"{asked.name} takes no --{option}")

    module = importlib.import_module(f"benchmarks.{BENCHMARKS[asked.name]}")
    options = Options(asked.customers, asked.quick, asked.order, asked.predicates)
    try:
        figures = module.measure(options)
    except NoDataError as error:
        print(f"{asked.name} is skipped: {error}", file=sys.stderr)
        return 0
    found = {"benchmark": asked.name, "machine": machine(), "quick": asked.quick, **figures}
    show(found)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def machine() -> str:
    """What figures were measured on."""
    cpus = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", cpus.read_text(encoding="utf-8"), re.M) if cpus.exists() else None
    processor = f"{named[1]}, {platform.machine()}" if named else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def show(found: dict[str, Any]) -> None:
    """Print the figures, and a list of them as a table; texts of a row, but for its name, are left to the file."""
    tables = {name: rows for name, rows in found.items() if isinstance(rows, list) and isinstance(rows[0], dict)}
    for name, value in found.items():
        if name not in tables:
            print(f"{name:24} {value}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # in a file nothing is cut
    for name, rows in tables.items():
        columns = [key for key, value in rows[0].items() if key == "name" or not isinstance(value, str)]
        table = Table(title=name, box=None)
        for column in columns:
            table.add_column(column.replace("_", " "), justify="left" if column == "name" else "right")
        for row in rows:
            table.add_row(*(_shown(row[column]) for column in columns))
        console.print(table)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
