"""A saved index: the same answers from every process, and no damage that is not noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import segdex
from tests.query import shop

RULES = [
    "everyone", "spend > 50", "value_share[any] >= 0.8", "affinity['toys'] = '..0.5'", "recency is missing",
    "not country = 'IN'", "tags has any ('vip')", "count(orders, having amount >= 50) = 2", "segment 'good'",
    "email ends with '@gmail.com' ignoring case", "lifecycle = 'lead'", "years_since(birth_date) >= 46",
]  # fmt: skip
SMALL = {
    "customers": {"key": "customer_id", "attributes": {"country": "category", "spend": {"type": "number", "scale": 2}}},
    "segments": {"indians": {"where": "country = 'IN' and spend > 5"}},
}


def answers(index: segdex.Index) -> list[object]:
    """Everything that the rules find, and a customer."""
    members = [index.members(rule, suppression=False).read_all().to_pylist() for rule in RULES]
    return [index.counts(RULES), members, repr(index.customer("ann")), dict(index.count_by("everyone", "tags").counts)]


def test_a_saved_index_answers_like_the_one_it_was_saved_from(tmp_path: Path) -> None:
    with shop.index() as built:
        built.save(tmp_path / "index")
        expected = answers(built)
    with segdex.open(tmp_path / "index") as opened:
        assert answers(opened) == expected


def test_an_index_saved_again_has_the_number_of_its_file(tmp_path: Path) -> None:
    with shop.index() as built:
        built.save(tmp_path / "index")
        built.save(tmp_path / "index")
        with segdex.open(tmp_path / "index") as opened:
            assert opened.generation == built.generation == 2
        assert built.count("spend > 50") == 1


def test_two_processes_answer_alike(tmp_path: Path) -> None:
    with shop.index() as built:
        built.save(tmp_path / "index")
        expected = built.counts(RULES)
    script = "import json, sys, segdex; print(json.dumps(segdex.open(sys.argv[1]).counts(json.loads(sys.argv[2]))))"
    command = [sys.executable, "-c", script, str(tmp_path / "index"), json.dumps(RULES)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    assert [json.loads(process.communicate()[0]) for process in running] == [expected, expected]


def test_an_index_opened_before_a_fork_answers_in_the_child(tmp_path: Path) -> None:
    with shop.index() as built:
        built.save(tmp_path / "index")
    script = (
        "import os, sys, segdex\n"
        "index = segdex.open(sys.argv[1])\n"
        "before = index.count('spend > 50')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(index.count('spend > 50') + index.count('count(orders, 7d) > 0'))\n"
        "print(before, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "index")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["1", "2"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an index of two customers."""
    folder = tmp_path_factory.mktemp("small") / "index"
    shop_customers = shop.CUSTOMERS.select(["customer_id", "country"]).slice(0, 2)
    customers = shop_customers.append_column("spend", [[9.5, 1.0]])
    segdex.build(SMALL, as_of=shop.AS_OF, sources={"customers": customers}, out=folder)
    (file,) = folder.glob("generation-*")
    return file


def _asked(folder: Path) -> list[object]:
    with segdex.open(folder) as index:
        rules = ["everyone", "country = 'IN'", "spend > 5", "spend = 9.5 and segment 'indians'", "country is missing"]
        rules += ["country = 'AE'", "spend is known"]
        members = index.members("everyone", columns=["country", "spend"], suppression=False).read_all().to_pylist()
        return [index.counts(rules), members, index.as_of, index.segments_of("ann")]


def _damaged(file: Path, damage: Callable[[bytearray, int], bytearray], places: range) -> None:
    whole = file.read_bytes()
    expected = _asked(file.parent)
    refused = 0
    try:
        for at in places:
            file.write_bytes(damage(bytearray(whole), at))
            try:
                assert _asked(file.parent) == expected, f"a wrong answer after damage at {at}"
            except (segdex.CorruptError, segdex.VersionError) as error:
                refused += file.name in str(error)
    finally:
        file.write_bytes(whole)
    assert refused > len(places) * 0.95, "next to every byte is read by these questions"


def _flip(data: bytearray, at: int) -> bytearray:
    data[at] ^= 0xFF
    return data


def _cut(data: bytearray, at: int) -> bytearray:
    return data[:at]


def test_every_flipped_byte_is_refused_or_harmless(small: Path) -> None:
    _damaged(small, _flip, range(small.stat().st_size))


def test_every_cut_is_refused(small: Path) -> None:
    _damaged(small, _cut, range(small.stat().st_size))


def test_children_forked_while_threads_ask_answer_too(tmp_path: Path) -> None:
    with shop.index() as built:
        built.save(tmp_path / "index")
    script = (
        "import os, signal, sys, threading, segdex\n"
        "index = segdex.open(sys.argv[1])\n"
        "index.count('spend > 1')\n"
        "stop = []\n"
        "def ask(at=0):\n"
        "    while not stop:\n"
        "        at += 1\n"
        "        index.count(f'spend > {at % 500}')\n"
        "threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]\n"
        "[thread.start() for thread in threads]\n"
        "codes = []\n"
        "for at in range(60):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.alarm(5)\n"
        "        os._exit(index.count(f'spend > {at} and segment \\'good\\'') + 1)\n"
        "    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "    if codes[-1] != 2:\n"
        "        break\n"
        "stop.append(1)\n"
        "print(sorted(set(codes)))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "index")]
    # Measured for coverage, the child would wait for a lock of the tracer that a thread of the parent held.
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=untraced, timeout=120)
    assert done.stdout.strip() == "[2]"
