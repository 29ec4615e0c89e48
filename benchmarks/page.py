"""The tables and plots of docs/performance.md, from files that benchmarks wrote with ``--json``.

    scripts/performance FOLDER [--page FILE] [--quick]

FOLDER has the files, whatever their names are: one a benchmark, of `counts` and `thresholds` one an order, and of
`counts` one an order for each number of customers, of which the one with most orders has the plots. What stands
between the markers ``<!-- NAME -->`` and ``<!-- end of NAME -->`` is written anew, and plots go into the folder that is
named like the page, as SVG. A benchmark without a file is "not measured yet". Quick runs are refused without
``--quick``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.svg import Axis, Series, bars, curves

Figures: TypeAlias = dict[str, Any]
"""What one file holds."""
Plots: TypeAlias = dict[str, str]
"""SVG by the name of the file, without its ending."""

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
NOT_YET = "Not measured yet.\n"
ORDERS = ("ordered", "aged", "random")
BY_ORDER = ("counts", "thresholds")
"""The benchmarks that have one file an order."""
BY_SIZE = ("counts",)
"""Those of them that have such files for several numbers of customers."""


class PageError(Exception):
    """The files or the page are not what they should be."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/performance", description="Write the figures into the page.")
    parser.add_argument("folder", type=Path, help="has the files that benchmarks wrote with --json")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="another page than the documentation's")
    parser.add_argument("--quick", action="store_true", help="take figures of quick runs too, to see that it works")
    asked = parser.parse_args(arguments)
    try:
        found = read(asked.folder, asked.quick)
        text, plots = written(asked.page.read_text(encoding="utf-8"), found, asked.page.stem)
    except (PageError, OSError) as error:
        print(f"scripts/performance: {error}", file=sys.stderr)
        return 1
    folder = asked.page.with_suffix("")
    for name, plot in plots.items():
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
    asked.page.write_text(text, encoding="utf-8")
    print(f"{len(found)} of {len(SECTIONS)} benchmarks in {asked.page}, {len(plots)} plots")
    return 0


def read(folder: Path, quick: bool) -> dict[str, list[Figures]]:
    """The figures in *folder* by benchmark; of `BY_ORDER` by size and in the order of `ORDERS`, of others one.

    Raises:
        PageError: a file holds no figures, or two hold the same, or those of a quick run.
    """
    if not folder.is_dir():
        raise PageError(f"there is no folder {folder}")
    found: dict[tuple[str, str, int], Figures] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            figures = json.loads(path.read_text(encoding="utf-8"))
            benchmark = figures["benchmark"]
            size = figures["customers"] if benchmark in BY_SIZE else 0
            key = benchmark, figures["order"] if benchmark in BY_ORDER else "", size
        except (ValueError, TypeError, KeyError) as error:
            raise PageError(f"{path} holds no figures of a benchmark") from error
        if figures.get("quick") and not quick:
            raise PageError(f"{path} is of a quick run")
        if key in found:
            raise PageError(f"{path} is the second file of {' '.join(key[:2]).strip()}")
        found[key] = figures
    grouped: dict[str, list[Figures]] = {}
    for key in sorted(found, key=lambda key: (key[2], ORDERS.index(key[1]) if key[1] else 0)):
        if key[0] in SECTIONS:  # the page does not tell of all
            grouped.setdefault(key[0], []).append(found[key])
    return grouped


def written(text: str, found: Mapping[str, list[Figures]], folder: str) -> tuple[str, Plots]:
    """The page with new figures, and its plots, which are in *folder*.

    Raises:
        PageError: the page has no markers for a benchmark.
    """
    plots: Plots = {}
    for name, section in SECTIONS.items():
        inside = NOT_YET
        if name in found:
            inside, drawn = section(found[name])
            plots |= drawn
            inside += "".join(f"\n![{_title(plot)}]({folder}/{file}.svg)\n" for file, plot in drawn.items())
        text = between(text, name, inside)
    return text, plots


def between(text: str, name: str, inside: str) -> str:
    """The page with *inside* between the markers of *name*.

    Raises:
        PageError: it has not one pair of them.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in after:
        raise PageError(f"the page has not one pair of markers for {name!r}")
    return f"{before}{begin}\n{inside}\n{end}{after}"


def _title(plot: str) -> str:
    named = re.search(r'font-weight="bold">(.*?)</text>', plot)
    return named[1] if named else ""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    ruler = ["---", *["---:"] * (len(head) - 1)]
    lines = [head, ruler, *([shown(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shown(cell: object) -> str:
    """A cell: four digits are enough for a measurement."""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell)


def where(figures: Figures) -> str:
    """What was measured on what."""
    facts = [f"On {figures['machine']}"]
    if "l3_mb" in figures:
        facts.append(f"{figures['l3_mb']} MiB of third-level cache")
    if "customers" in figures:
        facts.append(f"{figures['customers']:,} customers")
    quick = " **A quick run: it says nothing.**" if figures.get("quick") else ""
    return f"{'; '.join(facts)}.{quick}\n\n"


# --- sections ----------------------------------------------------------------------------------------------------

COUNTS = {
    "hot_p50_us": "hot, median, µs",
    "hot_p99_us": "hot, 99th percentile, µs",
    "cold_p50_us": "cold, median, µs",
    "cold_p99_us": "cold, 99th percentile, µs",
    "vs_pyroaring_hot": "times pyroaring, hot",
    "vs_pyroaring_cold": "times pyroaring, cold",
    "vs_pyroaring_worst": "times pyroaring, worst rule",
    "vs_polars": "times Polars",
    "vs_duckdb": "times DuckDB",
    "vs_numpy": "times numpy",
    "vs_chdb_scan": "times chDB, scanning",
    "vs_chdb_bitmap": "times chDB, bitmap functions",
    "index_build_s": "building the index, s",
}


def counts(files: list[Figures]) -> tuple[str, Plots]:
    sizes: dict[int, list[Figures]] = {}
    for each in files:
        sizes.setdefault(each["customers"], []).append(each)
    # That with most orders first, which has the plots; then the others by size.
    tables = sorted(sizes.values(), key=len, reverse=True)
    text = "\n".join(_by_order(each, COUNTS) for each in tables)
    return text, {f"counts-{each['order']}": _by_rule(each) for each in tables[0]}


def _by_order(files: list[Figures], titles: Mapping[str, str]) -> str:
    """The figures that any file has, a column for each order."""
    rows = [
        [title, *(each.get(key) for each in files)] for key, title in titles.items() if any(key in f for f in files)
    ]
    return where(files[0]) + table(["", *(each["order"] for each in files)], rows)


def _by_rule(figures: Figures) -> str:
    queries = sorted(figures["queries"], key=lambda query: float(query["hot_us"]))
    kinds = {
        "segdex, hot": "hot_us",
        "pyroaring, hot": "pyroaring_hot_us",
        "segdex, cold": "cold_us",
        "pyroaring, cold": "pyroaring_cold_us",
    }
    series = [
        Series(name, [(at, query[key]) for at, query in enumerate(queries, 1)], joined=False)
        for name, key in kinds.items()
    ]
    title = f"One count of each rule, customers {figures['order']}"
    return curves(title, Axis("rules, by the time of segdex"), Axis("µs", log=True), series)


THRESHOLDS = {
    "alone_p50_us": "alone, cold, median, µs",
    "alone_p99_us": "alone, cold, 99th percentile, µs",
    "alone_hot_p50_us": "alone, hot, median, µs",
    "alone_hot_p99_us": "alone, hot, 99th percentile, µs",
    "first_alone_p50_us": "alone, first, median, µs",
    "first_alone_p99_us": "alone, first, 99th percentile, µs",
    "combined_p50_us": "combined, cold, median, µs",
    "combined_p99_us": "combined, cold, 99th percentile, µs",
    "combined_hot_p50_us": "combined, hot, median, µs",
    "combined_hot_p99_us": "combined, hot, 99th percentile, µs",
    "first_combined_p50_us": "combined, first, median, µs",
    "first_combined_p99_us": "combined, first, 99th percentile, µs",
    "vs_polars": "times Polars",
    "vs_duckdb": "times DuckDB",
    "vs_numpy": "times numpy",
}
SHAPES = {
    "rules": "rules",
    "cold_us": "cold, µs",
    "cold_most_us": "slowest",
    "hot_us": "hot, µs",
    "hot_most_us": "slowest",
    "first_us": "first, µs",
    "first_most_us": "slowest",
}


def thresholds(files: list[Figures]) -> tuple[str, Plots]:
    text = _by_order(files, THRESHOLDS)
    for each in files:
        rows = [[shape["name"], *(shape[key] for key in SHAPES)] for shape in each["shapes"]]
        text += "\n" + table([f"customers {each['order']}", *SHAPES.values()], rows)
    return text, {f"thresholds-{each['order']}": _by_open(each) for each in files}


def _by_open(figures: Figures) -> str:
    """Every combined rule by the share of customers whom its sets leave to its comparisons."""
    queries = [query for query in figures["queries"] if query["shape"] != "alone"]
    kinds = {"cold": "cold_us", "hot": "hot_us", "first": "first_us"}
    series = [
        Series(name, [(query["open"], query[key]) for query in queries], joined=False) for name, key in kinds.items()
    ]
    title = f"One count of each combined rule, customers {figures['order']}"
    return curves(title, Axis("share of customers left to comparisons", log=True), Axis("µs", log=True), series)


def threads(files: list[Figures]) -> tuple[str, Plots]:
    (figures,) = files
    named = {"segdex": "", "pyroaring": "pyroaring_", "checksums, without any lock": "machine_"}
    rows = [
        [name, *figures[f"{prefix}counts_per_s"], figures[f"{prefix}throughput_ratio"]]
        for name, prefix in named.items()
    ]
    return where(figures) + table(["", "a second, 1 thread", "a second, 2 threads", "ratio"], rows), {}


INLINE = {
    "events": "rows of the stream",
    "inline_p50_s": "a rule never asked before, median, s",
    "inline_max_s": "the slowest of them, s",
    "few_p50_s": "asked of a twentieth of the customers, median, s",
    "again_us": "the same rule again, median, µs",
    "vs_duckdb": "times DuckDB",
    "index_build_s": "building the index, s",
    "index_build_peak_mb": "most memory while it was built, MiB",
}


def inline(files: list[Figures]) -> tuple[str, Plots]:
    (figures,) = files
    rows = [[title, figures[key]] for key, title in INLINE.items() if key in figures]
    shapes = [[shape["name"], shape["first_s"]] for shape in figures["shapes"]]
    return where(figures) + table(["", "inline"], rows) + "\n" + table(["rule", "first count, s"], shapes), {}


STARTUP = {
    "first_count_s": "from the start of a process to its first count, s",
    "imports_s": "of it: imports, s",
    "open_s": "of it: opening, s",
    "rule_s": "of it: preparing and counting one rule, s",
    "first_count_cold_s": "all of it with nothing of the index in the page cache, s",
    "rss_mb": "memory of the process after that, MiB",
    "index_rss_mb": "of it: mapped pages of the index, MiB",
    "snapshot_mb": "the index on disk, MiB",
    "index_build_s": "building it, s",
    "index_build_peak_mb": "most memory while it was built, MiB",
}


def startup(files: list[Figures]) -> tuple[str, Plots]:
    (figures,) = files
    head = ["", f"{figures['predicates']:,} sets"]
    return where(figures) + table(head, [[title, figures[key]] for key, title in STARTUP.items() if key in figures]), {}


BITMAPS = {
    "bitmaps": "bitmaps",
    "ids": "ids",
    "hot_bytes": "hot form, bytes",
    "portable_bytes": "portable Roaring, bytes",
    "portable_with_runs_bytes": "portable Roaring with runs, bytes",
    "and_us": "AND of a pair, µs",
    "pyroaring_and_us": "AND of a pair, pyroaring, µs",
    "or_us": "OR of a pair, µs",
    "pyroaring_or_us": "OR of a pair, pyroaring, µs",
    "andnot_us": "ANDNOT of a pair, µs",
    "pyroaring_andnot_us": "ANDNOT of a pair, pyroaring, µs",
    "rule_us": "a rule, µs",
    "pyroaring_rule_us": "a rule, pyroaring, µs",
    "pairs_vs_pyroaring": "times pyroaring, pairs",
    "rules_vs_pyroaring": "times pyroaring, rules",
}


def bitmaps(files: list[Figures]) -> tuple[str, Plots]:
    (figures,) = files
    sets = figures["sets"]
    rows = [[title, *(each[key] for each in sets)] for key, title in BITMAPS.items()]
    ratios = {each["name"]: {"pairs": each["pairs_vs_pyroaring"], "rules": each["rules_vs_pyroaring"]} for each in sets}
    plot = bars("Real bitmaps: times pyroaring", "pyroaring time / segdex time", ratios, equal=1.0)
    return where(figures) + table(["", *(each["name"] for each in sets)], rows), {"bitmaps": plot}


ROOFLINE = {
    "l2_gb_s": "second-level cache, GB/s",
    "l3_gb_s": "third-level cache, GB/s",
    "memory_gb_s": "memory, GB/s",
    "hot_share_p50": "a hot count's share of the cache's bandwidth, median",
    "cold_share_p50": "a cold count's share of memory's bandwidth, median",
}
GROWTH = {
    "by_customers": ("customers", "customers", False),
    "by_leaves": ("leaves", "leaves", False),
    "by_density": ("density", "density of each set", True),
}


def roofline(files: list[Figures]) -> tuple[str, Plots]:
    (figures,) = files
    text = where(figures) + table(["", figures["order"]], [[title, figures[key]] for key, title in ROOFLINE.items()])
    head = ["rule", "leaves", "KiB read", "hot, µs", "hot, GB/s", "cold, µs", "cold, GB/s"]
    keys = ("hot_us", "hot_gb_s", "cold_us", "cold_gb_s")
    rules = [
        [rule["name"], rule["leaves"], round(rule["bytes"] / 1024), *(rule[key] for key in keys)]
        for rule in figures["rules"]
    ]
    plots = {"roofline": _roof(figures)}
    for key, (of, title, log) in GROWTH.items():
        series = [Series(kind, [(row[of], row[f"{kind}_us"]) for row in figures[key]]) for kind in ("hot", "cold")]
        plots[key.replace("_", "-")] = curves(f"One count by {title}", Axis(title, log), Axis("µs", log), series)
    return f"{text}\n{table(head, rules)}", plots


def _roof(figures: Figures) -> str:
    """Bytes and time of each rule, and the time that bandwidth alone would take."""
    rules = figures["rules"]
    ends = [min(rule["bytes"] for rule in rules), max(rule["bytes"] for rule in rules)]
    roofs = {"all from the second cache": "l2_gb_s", "from the third": "l3_gb_s", "from memory": "memory_gb_s"}
    series = [Series(kind, [(r["bytes"], r[f"{kind}_us"]) for r in rules], joined=False) for kind in ("hot", "cold")]
    for name, key in roofs.items():
        points = [(end, end / figures[key] / 1000) for end in ends]
        series.append(Series(name, points, marked=False))
    title = f"What rules read, and how long they take, customers {figures['order']}"
    return curves(title, Axis("bytes that the rule needs", log=True), Axis("µs", log=True), series)


SECTIONS: dict[str, Callable[[list[Figures]], tuple[str, Plots]]] = {
    "counts": counts,
    "thresholds": thresholds,
    "inline": inline,
    "threads": threads,
    "startup": startup,
    "bitmaps": bitmaps,
    "roofline": roofline,
}


if __name__ == "__main__":
    sys.exit(main())
