"""What `open` takes, what `stats` tells, many rules at once, and one count on several threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import segdex
from segdex.query import execute, workers
from tests.query import shop

RULES = ["everyone", "country = 'IN'", "not country = 'IN'", "spend > 50 and not recency = 'cold'", "spend > 17",
         "country = 'IN'", "tags has any ('vip') or email ends with '@gmail.com' and spend >= 1"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opening") / "index"
    with shop.index() as built:
        built.save(folder)
    return folder


@pytest.fixture(scope="module")
def large() -> Iterator[segdex.Index]:
    """Customers of three chunks and a bit, in no order."""
    rng = np.random.default_rng(8)
    count = 3 * 65_536 + 100
    people = pa.table(
        {
            "id": np.arange(count),
            "letter": rng.choice(list("abcdefgh"), count),
            "yes": rng.random(count) < 0.3,
            "points": rng.integers(0, 10_000, count),
        }
    )
    kinds = {"letter": "category", "yes": "bool", "points": "integer"}
    schema = {"customers": {"key": "id", "attributes": kinds}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        yield made


def test_what_is_kept_for_later_rules_is_bounded(folder: Path) -> None:
    rules = [f"sum(orders.amount, {days}d) > 10" for days in range(1, 60)]
    with segdex.open(folder) as free, segdex.open(folder, memory_limit="4KiB") as bounded:
        assert bounded.counts(rules) == free.counts(rules)
        assert 0 < bounded.stats().remembered < free.stats().remembered
        assert bounded.stats().remembered_bytes <= 4096
    with segdex.open(folder, memory_limit=0) as none:
        assert none.counts(RULES) == shop_counts()
        assert none.stats().remembered == 0


def shop_counts() -> list[int]:
    with shop.index() as index:
        return [index.count(rule) for rule in RULES]


def test_stats_tell_what_is_held(folder: Path) -> None:
    with segdex.open(folder) as index:
        before = index.stats()
        assert (before.customers, before.generation, before.texts, before.threads) == (5, 1, 0, 1)
        assert before.ranks == len(index._running().generation.ranks)
        index.count("spend > 50")
        assert index.stats().texts == 1
        assert index.stats().text_bytes > 0


@pytest.mark.parametrize("limit", ["many", "1 XB", "", "-1", -1, 1.5, True, "1e9"])
def test_wrong_limits(folder: Path, limit: object) -> None:
    with pytest.raises(segdex.ArgumentError, match="memory_limit"):
        segdex.open(folder, memory_limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -1, 1.0, "2", True, 10_000])
def test_wrong_numbers_of_threads(folder: Path, threads: object) -> None:
    with pytest.raises(segdex.ArgumentError, match="threads"):
        segdex.open(folder, threads=threads)  # type: ignore[arg-type]


def test_verify_reads_everything_first(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "index"
    copied.mkdir()
    for file in folder.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    segdex.open(copied, verify=True).close()
    (file,) = copied.glob("generation-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    segdex.open(copied).close()
    with pytest.raises(segdex.CorruptError):
        segdex.open(copied, verify=True)


def test_many_rules_chunk_by_chunk(large: segdex.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [f"letter in ('a', '{b}') and yes = true" for b in "bcdefgh"] + ["yes = true", "not yes = true"]
    rules += [f"points > {low} and not letter = 'c'" for low in (5, 777, 9000)] + rules[:3]
    expected = [large.count(rule) for rule in rules]
    monkeypatch.setattr(execute, "CACHE_BYTES", 0)
    assert large.counts(rules) == expected
    assert large.counts([]) == []
    assert large.counts(rules, suppression=True) == expected


def test_a_rule_that_is_asked_again_has_its_ranges_made_sets(large: segdex.Index) -> None:
    query = large.prepare("points between 1234 and 6789 and yes = true and not points > 5000")
    expected = len(large.bitmap(query.rule))
    assert query.plan().base.has_ranges
    before = large.stats().remembered
    assert [query.count() for _ in range(4)] == [expected] * 4
    assert not query.plan().base.has_ranges
    assert large.stats().remembered > before
    assert len(query.bitmap()) == query.count(suppression=True) == expected
    again = large.prepare("points between 1234 and 6789 and not points > 5000 or yes = true")
    assert not again.plan().base.has_ranges, "the sets are remembered for other rules"
    assert again.count() == len(again.bitmap())


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_one_count_on_several_threads(large: segdex.Index, threads: int, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    large.save(tmp_path / "index")
    monkeypatch.setattr("segdex.query.prepared.SPLIT_BYTES", 0)
    rules = ["yes = true and letter = 'a'", "not yes = true and not letter = 'a'", "points > 55 and yes = true"]
    with segdex.open(tmp_path / "index", threads=threads) as index:
        for rule in rules:
            assert index.count(rule) == large.count(rule)
            assert index.prepare(rule).count() == large.count(rule)
        assert index.stats().threads == threads
    assert workers.SPLIT_BYTES > 1 << 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this operating system does not fork")
def test_a_forked_child_has_threads_of_its_own(large: segdex.Index) -> None:
    program = large.prepare("yes = true and letter = 'a'").plan().base.program
    both = workers.Workers(2)
    expected = both.count(program)
    child = os.fork()
    if child == 0:
        os._exit(0 if both.count(program) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    both.close()
    assert both.count(program) == expected, "closed ones are made anew"
    both.close()
