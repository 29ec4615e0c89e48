"""Every benchmark runs and gives the figures that its readers look for; wrong answers are never timed."""

from __future__ import annotations

import json
import operator
import random
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyroaring import BitMap

import segdex
from benchmarks import (
    bitmaps,
    compiling,
    conditions,
    counts,
    customers,
    footprint,
    measuring,
    page,
    roofline,
    startup,
    svg,
    threads,
    thresholds,
)
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.peers import Count
from benchmarks.rules import LEAVES, RULES, Rule
from segdex.bitmap import predicate
from segdex.bitmap.predicate import Predicate
from segdex.query.explain import Step
from segdex.query.formula import And, Formula, Leaf, Not, Or

KEYS = {
    "advance": {"advance_s", "rebuild_s", "again_s", "read_s", "checked"},
    "bitmaps": {f"{name}_{what}_vs_pyroaring" for name in bitmaps.SETS for what in ("pairs", "rules")} | {"checked"},
    "build": {"events_per_s", "peak_rss_mb", "build_s"},
    "counts": {
        "hot_p50_us", "hot_p99_us", "cold_p50_us", "cold_p99_us",
        "vs_pyroaring_hot", "vs_pyroaring_cold", "vs_pyroaring_worst", "vs_polars", "vs_duckdb", "vs_numpy",
        "customers", "seed", "threads", "l3_mb",
    },
    "import": {"import_ms", "index_ms", "parse_ms", "help_ms"},
    "inline": {"events", "inline_p50_s", "inline_max_s", "few_p50_s", "again_us", "vs_duckdb", "checked"},
    "kernels": {"kernels", "cold_s", "cached_s"},
    "live": {
        "apply_events_per_s", "apply_ms_p50", "apply_ms_p99", "reader_p99_ratio", "delta_p50_ratio",
        "reader_process_p99_ratio", "delta_customers",
    },
    "roofline": {"l2_gb_s", "l3_gb_s", "memory_gb_s", "checked"},
    "startup": {
        "first_count_s", "imports_s", "open_s", "rule_s", "rss_mb", "index_rss_mb", "snapshot_mb", "checked",
    },
    "thresholds": {
        "alone_p50_us", "alone_p99_us", "combined_p50_us", "combined_p99_us", "alone_hot_p50_us", "alone_hot_p99_us",
        "combined_hot_p50_us", "combined_hot_p99_us", "first_p50_us", "first_p99_us", "vs_polars", "vs_duckdb",
        "alone_at_edges", "combined_at_edges", "checked",
    },
    "threads": {"throughput_ratio", "pyroaring_throughput_ratio", "machine_throughput_ratio", "checked"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - {"bitmaps", "counts"}))
def test_quick(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # All kernels are compiled before the tests; how that is measured is the same for a few of them.
    monkeypatch.setattr(compiling, "CODE", compiling.CODE.replace("jit.kernels()", "jit.kernels()[:6]"))
    out = tmp_path / "figures.json"
    assert main([name, "--quick", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["benchmark"] == name
    assert all(figures[key] > 0 for key in KEYS[name])


# --- counts ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.compiled
def test_quick_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "chdb", None)  # as if it were not installed
    monkeypatch.setenv(measuring.FOLDER, str(tmp_path / "kept"))
    out = tmp_path / "figures.json"
    assert main(["counts", "--quick", "--order", "aged", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert all(figures[key] > 0 for key in KEYS["counts"])
    assert figures["customers"] == 70_000  # two chunks
    assert figures["order"] == "aged"
    assert figures["checked"] == len(RULES) * 5  # segdex, pyroaring, numpy, Polars, DuckDB
    assert "vs_chdb_scan" not in figures
    assert [query["name"] for query in figures["queries"]] == [rule.name for rule in RULES]
    assert all(query["hot_us"] > 0 and query["pyroaring_cold_us"] > 0 for query in figures["queries"])
    told = capsys.readouterr()
    assert "chdb is not installed" in told.err
    assert "twelve leaves" in told.out

    index = tmp_path / "kept"
    before = {path: path.stat().st_mtime_ns for path in index.rglob("*")}
    with customers.opened(70_000, "aged") as (again, _):
        assert len(again) == 70_000
        ways = {step.way for rule in RULES for step in steps(again.explain(rule.text).plan)}
    assert "values" not in ways  # stored sets answer
    assert {path: path.stat().st_mtime_ns for path in index.rglob("*")} == before  # nothing was built again


def steps(step: Step) -> Iterator[Step]:
    yield step
    for part in step.parts:
        yield from steps(part)


class Stub:
    """An engine that answers everything with one number."""

    def __init__(self, name: str, answer: int) -> None:
        self.name = name
        self._answer = answer

    def ways(self, _rule: Rule) -> list[Count]:
        return [lambda: self._answer]


def test_a_wrong_answer_is_named_and_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("timed")

    monkeypatch.setattr(measuring, "_timed", never)
    fast = [Stub("segdex", 3), Stub("pyroaring", 3)]
    with pytest.raises(counts.WrongAnswerError, match="rule 'frequent buyers': segdex counts 3, polars 4"):
        counts.compare(RULES[:2], fast, [Stub("polars", 4)], counts.QUICK)


def test_every_way_of_an_engine_is_checked() -> None:
    ways: counts.Ways = {("segdex", "some"): [lambda: 3], ("pyroaring", "some"): [lambda: 3, lambda: 5]}
    with pytest.raises(counts.WrongAnswerError, match="segdex counts 3, pyroaring 5"):
        counts.check(ways)


def test_figures_of_known_times() -> None:
    rules = RULES[:2]
    names = [rule.name for rule in rules]
    hot = {("segdex", names[0]): [1.0], ("segdex", names[1]): [2.0, 2.0, 90.0]}
    hot |= {("pyroaring", names[0]): [4.0], ("pyroaring", names[1]): [2.0]}
    cold = {key: [10 * time for time in times] for key, times in hot.items()}
    slow = {("polars", names[0]): [100.0], ("polars", names[1]): [200.0]}
    figures = counts._figures(rules, dict.fromkeys(names, 7), hot, cold, slow)
    assert (figures["vs_pyroaring_hot"], figures["vs_pyroaring_worst"], figures["vs_polars"]) == (2.0, 1.0, 100.0)
    assert (figures["hot_p50_us"], figures["cold_p50_us"]) == (2.0, 20.0)
    assert figures["queries"][1] == {
        "name": names[1], "leaves": 2, "count": 7, "hot_us": 2.0, "cold_us": 20.0,
        "pyroaring_hot_us": 2.0, "pyroaring_cold_us": 20.0, "polars_us": 200.0, "rule": rules[1].text,
    }  # fmt: skip


@pytest.mark.parametrize(("option", "value"), [("--order", "aged"), ("--predicates", "7")])
def test_options_are_refused_where_they_mean_nothing(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["import", option, value])
    assert f"takes no {option}" in capsys.readouterr().err


# --- thresholds --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(columns: customers.Columns) -> list[thresholds.Drawn]:
    return list(thresholds.draw(columns, thresholds.Effort()))


def test_thresholds_are_of_every_column_and_kind(drawn: list[thresholds.Drawn]) -> None:
    assert [len([each for each in drawn if (each.shape == "alone") == alone]) for alone in (True, False)] == [100, 200]
    assert len({each.rule.name for each in drawn}) == 300
    assert {each.shape for each in drawn} == {"alone", *thresholds.SHAPES}
    alone = [each.rule.where for each in drawn if each.shape == "alone"]
    assert {leaf.column for each in alone for leaf in conditions.leaves(each)} == set(customers.NUMBERS)
    assert {each.text.split()[1] for each in alone if isinstance(each, conditions.Leaf)} == set(thresholds.OPERATORS)
    assert 0 < sum(each.at_edges for each in drawn) < 100


def test_thresholds_are_answered_as_by_masks(drawn: list[thresholds.Drawn], columns: customers.Columns) -> None:
    sources = {"customers": customers.batches(columns)}
    index = segdex.build(customers.SCHEMA, as_of=customers.AS_OF, sources=sources)
    for each in drawn:
        assert index.count(each.rule.text) == conditions.count_mask(each.rule.where, columns), each.rule.text
        if each.shape == "alone":  # at edges there are labels, nobody, or all whose value is known
            assert each.at_edges != ("from" in index.explain(each.rule.text).rewritten), each.rule.text
    for text in thresholds.others():
        index.count(text)


def test_the_share_that_is_left_to_comparisons() -> None:
    a, b, c = (np.arange(8) % n == 0 for n in (2, 3, 4))
    shares = {shape: thresholds._open(shape, [a, b, c]) for shape in thresholds.SHAPES}
    assert shares["two comparisons"] == shares["either of two comparisons"] == 1
    assert shares["and a set"] == shares["without a set"] == shares["or a set"] == 0.5
    assert (shares["and two sets"], shares["and either of two"]) == (0.25, 0.625)
    assert shares["and two, without a third"] == 0.125


@pytest.mark.parametrize(
    ("first", "ours", "polars", "problem"),
    [
        (4, 3, 3, "numpy counts 3, segdex, first 4"),
        (3, 4, 3, "numpy counts 3, segdex 4"),
        (3, 3, 4, "numpy counts 3, polars 4"),
    ],
)
def test_a_wrong_answer_to_a_threshold_is_an_error(
    first: int,
    ours: int,
    polars: int,
    problem: str,
    drawn: list[thresholds.Drawn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("timed")

    monkeypatch.setattr(measuring, "_timed", never)
    firsts = {each.rule.name: (first, 1.0) for each in drawn}
    peers = [Stub("numpy", 3), Stub("polars", polars)]
    with pytest.raises(measuring.WrongAnswerError, match=problem):
        thresholds.compare(drawn, firsts, Stub("segdex", ours), peers, int, thresholds.QUICK)


# --- threads -----------------------------------------------------------------------------------------------------


def test_threads_go_through_all_rules_in_orders_of_their_own() -> None:
    asked: threads.Asked = [(int, n) for n in range(20)]
    first, second = threads.shuffled(asked, 0), threads.shuffled(asked, 1)
    assert sorted(n for _, n in first) == sorted(n for _, n in second) == list(range(20))
    assert first != second


def test_a_wrong_answer_of_any_thread_is_an_error() -> None:
    answers = iter([3, 3, 3, 4])
    with pytest.raises(measuring.WrongAnswerError, match="1 wrong answers in 2 threads"):
        threads.rate([(lambda: next(answers), 3)], threads=2, passes=2, first=0)


# --- startup -----------------------------------------------------------------------------------------------------


def test_labels_are_skewed_and_the_answer_is_that_of_masks() -> None:
    source = startup.Source(5_000, 4)
    table = source.batches().read_all()
    columns = {name: np.array(table[name].to_pylist()) for name in startup.names(4)}
    shares = [float((columns[name] == "l0").mean()) for name in startup.names(4)]
    assert 0.1 < shares[0] < shares[3] < 0.7
    assert len(set(table["customer_id"].to_pylist())) == 5_000
    expected = (columns["c00"] == "l0") & (columns["c01"] != "l3")
    expected &= (columns["c02"] == "l1") | (columns["c03"] == "l7")
    assert source.answer == expected.sum() > 0


def test_a_wrong_first_count_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(startup, "in_new_process", lambda *_: {"answer": 4, "done": 0.0})
    with pytest.raises(measuring.WrongAnswerError, match="does not count 3"):
        startup.first_count(tmp_path, 3)


# --- bitmaps -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ids() -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    shares = [0.5, 0.3, 0.1, 0.01, 0.001, 0.00001, 0.2, 0.7]
    return [
        np.union1d(np.flatnonzero(rng.random(150_000) < share), [n]).astype(np.uint32) for n, share in enumerate(shares)
    ]


@pytest.mark.slow
@pytest.mark.compiled
def test_quick_bitmaps(ids: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "bitmaps"
    folder.mkdir(parents=True)
    table = pa.table({"bitmap": range(len(ids)), "values": pa.array(ids, pa.list_(pa.uint32()))})
    for name in bitmaps.SETS[1:]:
        pq.write_table(table, folder / f"{name}.parquet")
    with zipfile.ZipFile(folder / f"{bitmaps.SETS[0]}.zip", "w") as archive:
        for number, each in enumerate(ids):
            archive.writestr(f"{number}.txt", ",".join(map(str, each)))
    monkeypatch.setenv("SEGDEX_DATA", str(folder.parent))
    out = tmp_path / "figures.json"
    assert main(["bitmaps", "--quick", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert all(figures[key] > 0 for key in KEYS["bitmaps"])
    assert figures["checked"] == 4 * 3 * (3 * 28 + 20)
    assert [(row["name"], row["bitmaps"]) for row in figures["sets"]] == [(name, 8) for name in bitmaps.SETS]
    sizes = ("hot_bytes", "portable_bytes", "portable_with_runs_bytes")
    assert len({tuple(row[size] for size in sizes) for row in figures["sets"]}) == 1


def test_without_real_bitmaps_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SEGDEX_DATA", raising=False)
    assert main(["bitmaps", "--json", str(tmp_path / "figures.json")]) == 0
    monkeypatch.setenv("SEGDEX_DATA", str(tmp_path))
    assert main(["bitmaps", "--json", str(tmp_path / "figures.json")]) == 0
    told = capsys.readouterr().err
    assert "SEGDEX_DATA names no folder" in told
    assert "there is neither" in told
    assert not (tmp_path / "figures.json").exists()


@pytest.mark.parametrize("shape", bitmaps.SHAPES, ids=lambda shape: shape.ways[0])
def test_every_way_of_a_shape_says_the_same(shape: bitmaps.Shape, ids: list[np.ndarray]) -> None:
    held = bitmaps.Bitmaps(ids)
    rng = random.Random(7)
    for _ in range(20):
        chosen = bitmaps.drawn(rng, shape, held.predicates)
        expected = bitmaps.program_of(shape, [held.predicates[each] for each in chosen], held.count)()
        ways = bitmaps.expressions(shape, [held.forms["runs"][each] for each in chosen])
        assert [way() for way in ways] == [expected] * len(ways)


def test_bitmaps_that_differ_are_an_error() -> None:
    with pytest.raises(measuring.WrongAnswerError, match="runs: 1 of 2 counts differ"):
        bitmaps.timed({"segdex": [lambda: 1, lambda: 2], "runs": [lambda: 1, lambda: 3]}, passes=1)


# --- roofline ----------------------------------------------------------------------------------------------------


def sets(*shares: float) -> list[Predicate]:
    """Of three chunks: the first is full in every set, the second empty, the third has every n-th id."""
    masks = [np.zeros(3 * 65_536, np.bool_) for _ in shares]
    for mask, share in zip(masks, shares, strict=True):
        mask[:65_536] = True
        mask[2 * 65_536 :: round(1 / share)] = True
    return [predicate.from_mask(mask) for mask in masks]


A, B, C = (Leaf(number) for number in range(3))


@pytest.mark.parametrize(
    ("formula", "shares", "containers"),
    [
        (And((A, B)), (1 / 2, 1 / 4), 2 * 8192),
        (A, (1 / 2, 1 / 4), 0),  # the directory knows
        (And((A, B)), (1 / 4096, 1 / 2), 64 + 16 * 64),  # 16 values, and as many lines
        (And((A, B)), (1 / 256, 1 / 2), 512 + 8192),  # no more lines than there are
        (Or((A, Not(B))), (1 / 4096, 1 / 2), 64 + 16 * 64),  # the size of b, corrected
        (And((A, Or((B, C)))), (1 / 2, 1 / 4096, 1 / 4), 64 + 2 * 8192),  # without b, a and c are needed
        (And((A, B, C)), (1 / 256, 1 / 4096, 1 / 2), 512 + 64 + 16 * 64),  # the smaller array goes first
    ],
)
def test_bytes_that_a_count_must_read(formula: Formula, shares: tuple[float, ...], containers: int) -> None:
    made = roofline.program_of(formula, sets(*shares), 3 * 65_536)
    assert footprint.bytes_read(made) == 8 * 3 * len(made.predicates) + containers


def test_the_table_of_several_nodes() -> None:
    leaves = [Leaf(number) for number in range(9)]
    made = roofline.program_of(And((*leaves[:8], Not(leaves[8]))), sets(*[1 / 2] * 9), 3 * 65_536)
    assert len(made.nodes) > 1
    assert np.argwhere(footprint.table_of(made)).tolist() == [[1] * 8 + [0]]


def test_shares_are_of_the_cache_that_the_bytes_fit() -> None:
    bandwidth = {"l2": 100.0, "l3": 50.0, "memory": 20.0}
    rates = {"hot_gb_s": 10.0, "cold_gb_s": 5.0}
    few, many = {"bytes": 1000, **rates}, {"bytes": 8 * measuring.l3_bytes(), **rates}
    assert roofline.shares(few, bandwidth) == {"hot_share": 0.1, "cold_share": 0.25}
    assert roofline.shares(many, bandwidth) == {"hot_share": 0.5, "cold_share": 0.25}


def test_curves_are_checked_by_masks() -> None:
    points = [*roofline.by_customers(2_000), *roofline.by_leaves(2_000), *roofline.by_density(2_000)]
    assert [point.program.count() for point in points] == [point.answer for point in points]
    assert len(points) == 4 + 12 + len(roofline.DENSITIES)
    wrong = roofline.Grown({"leaves": 1}, points[0].program, points[0].answer + 1)
    with pytest.raises(measuring.WrongAnswerError, match="sets with"):
        roofline.grown(iter([wrong]), measuring.Timer(), roofline.Effort())


# --- the page of figures -----------------------------------------------------------------------------------------

TEXT = "".join(f"Of {name}:\n<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in page.SECTIONS)


def figures_of(name: str, **more: object) -> page.Figures:
    """Figures with every key that the page tells of *name*."""
    found: page.Figures = {"benchmark": name, "machine": "a machine", "quick": False, "customers": 70_000}
    match name:
        case "counts":
            query = {"hot_us": 1.5, "cold_us": 20.0, "pyroaring_hot_us": 3.0, "pyroaring_cold_us": 0.0}
            found |= {**dict.fromkeys(page.COUNTS, 2.5), "order": "aged", "queries": [query, query]}
        case "thresholds":
            query = {"open": 0.5, "cold_us": 20.0, "hot_us": 1.5, "first_us": 300.0}
            found |= {**dict.fromkeys(page.THRESHOLDS, 2.5), "order": "aged"}
            found |= {"shapes": [{**dict.fromkeys(page.SHAPES, 2.5), "name": "and a set"}]}
            found |= {"queries": [{"shape": "alone"}, {"shape": "and a set", **query}, {"shape": "or a set", **query}]}
        case "threads":
            for prefix in ("", "pyroaring_", "machine_"):
                found |= {f"{prefix}counts_per_s": [1000, 1900], f"{prefix}throughput_ratio": 1.9}
        case "inline":
            found |= {**dict.fromkeys(page.INLINE, 0.5), "shapes": [{"name": "one", "first_s": 0.5}]}
        case "startup":
            found |= {**dict.fromkeys(page.STARTUP, 0.5), "predicates": 1000}
        case "bitmaps":
            found |= {"sets": [{**dict.fromkeys(page.BITMAPS, 3), "name": each} for each in bitmaps.SETS]}
        case "roofline":
            times = {"bytes": 5000, "hot_us": 1.5, "cold_us": 20.0, "hot_gb_s": 3.0, "cold_gb_s": 0.2}
            found |= {**dict.fromkeys(page.ROOFLINE, 30.0), "order": "random"}
            found |= {"rules": [{"name": "one", "leaves": 2, **times}, {"name": "two", "leaves": 2, **times}]}
            found |= {key: [{of: n / 4, **times} for n in (1, 2)] for key, (of, _, _) in page.GROWTH.items()}
    return {**found, **more}


def written(folder: Path, *files: page.Figures) -> Path:
    folder.mkdir(exist_ok=True)
    for number, figures in enumerate(files):
        (folder / f"{number}.json").write_text(json.dumps(figures), encoding="utf-8")
    return folder


def test_the_page_has_a_place_for_every_benchmark_that_it_tells_of() -> None:
    text, plots = page.written(page.PAGE.read_text(encoding="utf-8"), {}, "performance")
    assert text.count(page.NOT_YET) == len(page.SECTIONS)
    assert plots == {}
    assert set(page.SECTIONS) <= set(BENCHMARKS)


@pytest.mark.parametrize("name", page.SECTIONS)
def test_figures_of_a_benchmark_go_into_its_place(name: str, tmp_path: Path) -> None:
    at = tmp_path / "page.md"
    at.write_text(TEXT, encoding="utf-8")
    folder = written(tmp_path / "figures", figures_of(name), {"benchmark": "import"})
    for _ in range(2):  # it can be done again
        assert page.main([str(folder), "--page", str(at)]) == 0
    text = at.read_text(encoding="utf-8")
    assert text.count(page.NOT_YET) == len(page.SECTIONS) - 1
    assert "On a machine; 70,000 customers.\n\n| " in text
    for image in re.findall(r"\]\((.*)\)", text):
        ElementTree.parse(tmp_path / image)
    assert text.count("![") == len(list(tmp_path.glob("page/*.svg")))


def test_counts_of_every_order_are_in_one_table(tmp_path: Path) -> None:
    orders = [figures_of("counts", order=order) for order in ("random", "ordered", "aged")]
    found = page.read(written(tmp_path, *orders), quick=False)
    text, plots = page.counts(found["counts"])
    assert "|  | ordered | aged | random |" in text
    assert list(plots) == ["counts-ordered", "counts-aged", "counts-random"]


def test_counts_of_several_sizes_are_tables_of_their_own(tmp_path: Path) -> None:
    files = [
        figures_of("counts", order=order, customers=size) for order in ("random", "ordered") for size in (5, 7_000)
    ]
    files.append(figures_of("counts", order="aged", customers=7_000))
    text, plots = page.counts(page.read(written(tmp_path, *files), quick=False)["counts"])
    assert text.index("7,000 customers") < text.index("|  | ordered | aged | random |") < text.index(" 5 customers")
    assert len(plots) == 3


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([{"benchmark": "threads", "quick": True}], "0.json is of a quick run"),
        ([{"benchmark": "threads"}, {"benchmark": "threads"}], "1.json is the second file of threads"),
        ([{"name": "threads"}], "0.json holds no figures"),
        ([{"benchmark": "counts"}], "0.json holds no figures"),
        ([], "the page has not one pair of markers for 'counts'"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    files: list[page.Figures], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = tmp_path / "page.md"
    at.write_text("no markers", encoding="utf-8")
    assert page.main([str(written(tmp_path / "figures", *files)), "--page", str(at)]) == 1
    assert problem in capsys.readouterr().err
    assert at.read_text(encoding="utf-8") == "no markers"
    assert page.main([str(tmp_path / "nowhere"), "--page", str(at)]) == 1


def test_cells_have_four_digits() -> None:
    assert page.table(["", "a"], [["b", 1234567], ["c", 0.123456], ["d", 1234.5], ["e", None]]) == (
        "|  | a |\n| --- | ---: |\n| b | 1,234,567 |\n| c | 0.1235 |\n| d | 1,234 |\n| e |  |\n"
    )


def test_plots_are_xml_and_in_their_frame() -> None:
    series = [svg.Series("<a>", [(1, 0.5), (1000, 50), (0, 3)]), svg.Series("b", [(10, 0)], joined=False, marked=False)]
    plot = ElementTree.fromstring(svg.curves("x & y", svg.Axis("x", log=True), svg.Axis("y", log=True), series))
    circles = [each for each in plot.iter() if each.tag.endswith("circle") and each.get("r")]
    assert len(circles) == 3  # two points that a logarithm has, and the mark in the legend
    assert all(
        0 < float(each.get("cx", 0)) < svg.WIDTH and 0 < float(each.get("cy", 0)) < svg.HEIGHT for each in circles
    )
    titles = [each.text for each in plot.iter() if each.tag.endswith("text")]
    assert {"x & y", "<a>", "b"} <= set(titles)
    bars = ElementTree.fromstring(svg.bars("t", "u", {"one": {"p": 2.0, "q": 1.0}, "two": {"p": 0.0}}, equal=1.0))
    tall = [float(each.get("height", 0)) for each in bars.iter() if each.get("fill") in svg.COLOURS and each.get("x")]
    assert sorted(tall)[-1] == pytest.approx(2 * sorted(tall)[-2])


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0001, "1e-4"), (0.25, "0.25"), (999, "999"), (10_000, "10k"), (2.5e6, "2.5M")]
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert svg.told(value) == text


# --- its customers and rules -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def columns() -> customers.Columns:
    return customers.generate(5_000, "ordered")


def test_orders_are_of_the_same_customers(columns: customers.Columns) -> None:
    rows = as_rows(columns)
    for order in ("random", "aged"):
        other = as_rows(customers.generate(5_000, order))
        assert (rows != other).any()
        assert (np.sort(rows) == np.sort(other)).all()


def as_rows(columns: customers.Columns) -> np.ndarray:
    return np.rec.fromarrays(list(columns.values()))


def test_ordered_is_by_slowly_changing_keys(columns: customers.Columns) -> None:
    frequency = np.minimum(columns["orders_ever"], 20).astype(np.int64) * 20 + columns["country"]
    assert (np.diff(frequency) >= 0).all()


def test_more_customers_are_others_too() -> None:
    few, many = customers.generate(500, "random"), customers.generate(700, "random")
    assert all((many[name][:500] == few[name]).all() for name in few)


def test_rules_are_many_and_unlike() -> None:
    assert len(RULES) >= 40
    assert len({rule.name for rule in RULES}) == len({rule.text for rule in RULES}) == len(RULES)
    assert {rule.size for rule in RULES} >= {2, 3, 4, 5, 6, 7, 8, 12}
    used = {leaf.name for rule in RULES for leaf in conditions.leaves(rule.where)}
    assert used == set(LEAVES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_bitmap_functions_say_the_same(rule: Rule, columns: customers.Columns) -> None:
    """What chDB is asked, by Python functions of the same names."""
    known = {name: BitMap(np.flatnonzero(conditions.to_mask(leaf, columns)).tolist()) for name, leaf in LEAVES.items()}
    functions = {
        "bitmapAnd": operator.and_,
        "bitmapOr": operator.or_,
        "bitmapAndnot": operator.sub,
        "bitmapCardinality": len,
        "bitmapAndCardinality": BitMap.intersection_cardinality,
        "bitmapOrCardinality": BitMap.union_cardinality,
        "bitmapAndnotCardinality": BitMap.difference_cardinality,
    }
    expression = conditions.to_bitmap_count(rule.where, 5_000)
    found = eval(expression, {**known, **functions, "everyone": BitMap(range(5_000))})
    assert found == conditions.count_mask(rule.where, columns)


def test_conditions_as_text_and_as_sql() -> None:
    holds = (LEAVES["active90"] | ~LEAVES["open20"]) & conditions.one_of(LEAVES["india"], LEAVES["norway"])
    assert conditions.to_text(holds) == "(recency <= 'cooling' or not opens = 'some') and country in ('IN', 'NO')"
    assert conditions.to_sql(holds) == (
        "((since_order < 90) OR (NOT (open_rate >= 20 AND open_rate < 30))) AND (country IN (0, 16))"
    )
    assert conditions.to_sql(LEAVES["seldom_opens"]) == "open_rate >= 0 AND open_rate < 20"
    assert conditions.to_sql(LEAVES["silent180"]) == "since_order >= 180 AND since_order < 5000"
    assert conditions.to_sql(LEAVES["vip"]) == "vip"


@pytest.mark.parametrize(("text", "size"), [("512K\n", 512 << 10), ("32M", 32 << 20), ("100", 100)])
def test_sizes_of_caches(text: str, size: int) -> None:
    assert measuring._cache_bytes(text) == size
