"""The commands that change an index, and what `inspect` and `verify` then tell of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import segdex
from segdex.live import records
from segdex.store import generations, journal
from segdex.store.os import OperatingSystem
from tests.cli.conftest import Command, Run
from tests.query import shop

SCHEMA = {**shop.SCHEMA, "segments": {**shop.SCHEMA["segments"], "big": {"where": "spend >= 40", "tracked": True}}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "index"
    sources = {"customers": shop.CUSTOMERS, "orders": shop.ORDERS}
    with segdex.build(SCHEMA, as_of=shop.AS_OF, sources=sources, out=path):
        return path


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    """An index that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "index"))


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(
        "customer_id,basket,ordered_at,department,amount\n"
        "cat,70,2026-06-29T10:00:00Z,garden,60.00\n"
        "fay,71,2026-06-29T11:00:00Z,toys,5.00\n"
    )
    return path


def value(run: Run) -> Any:
    assert (run.code, run.err) == (0, "")
    (line,) = run.out.splitlines()
    return json.loads(line)


def count(command: Command, index: Path, rule: str) -> int:
    found: int = value(command("count", index, rule, "--json"))["count"]
    return found


# --- rows --------------------------------------------------------------------------------------------------------


def test_apply_json(segdex_command: Command, index: Path, orders: Path) -> None:
    found = value(
        segdex_command("apply", index, "--stream", "orders", orders, "--source", "s", "--offset", 2, "--json")
    )
    facts = {"as_of": "2026-06-30T00:00:00Z", "rejected": 0, "dropped": 0, "replayed": False}
    assert found == {"generation": 2, "entered": {"big": 1}, "left": {}, **facts}
    assert list(found)[:3] == ["generation", "entered", "left"]
    assert count(segdex_command, index, "segment 'big'") == 3
    assert count(segdex_command, index, "everyone") == 6


def test_apply_tells_who_moved(segdex_command: Command, index: Path, orders: Path) -> None:
    code, out, err = segdex_command("apply", index, orders, "--stream", "orders")
    assert (code, err) == (0, "")
    assert out.startswith("generation 2 as of 2026-06-30T00:00:00Z\n")
    assert out.splitlines()[-1].split() == ["1", "0", "big"]


def test_a_batch_that_was_taken_in_is_known_again(segdex_command: Command, index: Path, orders: Path) -> None:
    batch = ("apply", index, "--stream", "orders", orders, "--source", "shop", "--offset", 7)
    assert value(segdex_command(*batch, "--json"))["replayed"] is False
    again = value(segdex_command(*batch, "--json"))
    assert (again["replayed"], again["generation"], again["entered"]) == (True, 2, {})
    assert segdex_command(*batch).out == "taken in before: nothing changed, generation 2\n"
    assert count(segdex_command, index, "count(orders) >= 1 and country is missing") == 2


def test_apply_moves_the_clock(segdex_command: Command, index: Path, orders: Path) -> None:
    found = value(
        segdex_command("apply", index, "--stream", "orders", orders, "--as-of", "2026-07-01T00:00:00Z", "--json")
    )
    assert (found["generation"], found["as_of"]) == (2, "2026-07-01T00:00:00Z")


def test_apply_customers(segdex_command: Command, index: Path, tmp_path: Path) -> None:
    table = tmp_path / "changed.csv"
    table.write_text("customer_id,country\nann,FR\nzoe,FR\n")
    value(segdex_command("apply", index, "--stream", "customers", table, "--json"))
    assert count(segdex_command, index, "country = 'FR'") == 2
    assert count(segdex_command, index, "income = 'high'") == 1  # ann's: a column that is not there stays


def test_a_bad_row(segdex_command: Command, index: Path, orders: Path) -> None:
    with orders.open("a") as file:
        file.write("ann,72,yesterday,toys,5.00\n")
    code, out, err = segdex_command("apply", index, "--stream", "orders", orders)
    assert (code, out) == (1, "")
    assert "orders.csv, row 3, column 'ordered_at'" in err
    assert count(segdex_command, index, "everyone") == 5
    code, out, err = segdex_command("apply", index, "--stream", "orders", orders, "--on-error", "skip", "--json")
    assert (code, json.loads(out)["rejected"]) == (0, 1)
    assert "left out: " in err
    assert "row 3, column 'ordered_at'" in err


def test_advance(segdex_command: Command, index: Path) -> None:
    rule = "recency = 'hot'"
    value(segdex_command("define", index, "hot", rule, "--tracked", "--json"))
    found = value(segdex_command("advance", index, "--to", "2026-07-02T10:00:00Z", "--json"))
    assert found == {"generation": 3, "entered": {}, "left": {"hot": 1}, "as_of": "2026-07-02T10:00:00Z"}
    assert segdex_command("advance", index, "--to", "2026-07-02T10:00:00Z").out.endswith(": nobody moved\n")
    code, out, err = segdex_command("advance", index, "--to", "2026-06-01T00:00:00Z")
    assert (code, out) == (2, "")
    assert "does not go back" in err


# --- the feed ----------------------------------------------------------------------------------------------------


def test_changes(segdex_command: Command, index: Path, orders: Path) -> None:
    segdex_command("apply", index, "--stream", "orders", orders)
    segdex_command("define", index, "hot", "recency = 'hot'", "--tracked")
    code, out, err = segdex_command("changes", index, "--since", 1, "--json")
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    facts = {"as_of": "2026-06-30T00:00:00Z", "erased": 0}
    assert first == {"generation": 2, "entered": {"big": 1}, "left": {}, "redefined": [], **facts}
    assert second == {"generation": 3, "entered": {}, "left": {}, "redefined": ["hot"], **facts}
    assert value(segdex_command("changes", index, "--since", 2, "--json")) == second
    assert segdex_command("changes", index, "--since", 3, "--json").out == ""
    found = json.loads(segdex_command("changes", index, "--since", 1, "--keys", "--json").out.splitlines()[0])
    assert (found["entered"], found["left"]) == ({"big": ["cat"]}, {})
    told = segdex_command("changes", index, "--since", 1, "--keys").out
    assert ["big", "entered", "cat"] in [line.split() for line in told.splitlines()]
    assert "declared anew: hot" in told


def test_changes_that_the_feed_no_longer_has(segdex_command: Command, index: Path) -> None:
    code, out, err = segdex_command("changes", index, "--since", 0)
    assert (code, out) == (2, "")
    assert "does not reach back" in err


# --- names -------------------------------------------------------------------------------------------------------


def test_define_rename_drop(segdex_command: Command, index: Path) -> None:
    code, out, _ = segdex_command("define", index, "rich", "spend > 90", "--title", "Rich", "--owner", "crm")
    assert (code, out) == (0, "generation 2 as of 2026-06-30T00:00:00Z: nobody moved\n")
    assert count(segdex_command, index, "segment 'rich'") == 1
    code, _, err = segdex_command("define", index, "rich", "spend > 80")
    assert code == 2
    assert "taken" in err
    value(segdex_command("define", index, "rich", "spend > 30", "--replace", "--json"))
    value(segdex_command("rename", index, "rich", "wealthy", "--json"))
    assert count(segdex_command, index, "segment 'wealthy'") == 2
    value(segdex_command("drop", index, "wealthy", "--json"))
    assert segdex_command("count", index, "segment 'wealthy'").code == 2
    code, _, err = segdex_command("drop", index, "spenders")
    assert code == 2
    assert "used" in err


def test_alter(segdex_command: Command, index: Path, tmp_path: Path) -> None:
    schema = {**SCHEMA, "metrics": {**SCHEMA["metrics"], "baskets": {"kind": "count", "stream": "orders"}}}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    assert value(segdex_command("alter", index, path, "--json"))["generation"] == 2
    assert count(segdex_command, index, "baskets >= 2") == 1
    path.write_text(json.dumps({**schema, "timezone": "Asia/Kolkata"}))
    code, _, err = segdex_command("alter", index, path)
    assert code == 2
    assert "timezone" in err


# --- customers ---------------------------------------------------------------------------------------------------


def test_erase_and_readmit(segdex_command: Command, index: Path, orders: Path, tmp_path: Path) -> None:
    value(segdex_command("apply", index, "--stream", "orders", orders, "--json"))
    found = value(segdex_command("erase", index, "fay", "nobody", "--json"))
    assert (found["generation"], found["found"]) == (3, 1)
    assert not [path for path in index.iterdir() if b"fay" in path.read_bytes()]
    assert count(segdex_command, index, "everyone") == 5
    again = segdex_command("apply", index, "--stream", "orders", orders)
    assert "1 rows of erased customers were dropped" in again.out
    keys = tmp_path / "keys.txt"
    keys.write_text("fay\n\nnobody\n")
    told = segdex_command("readmit", index, "--keys", keys)
    assert told.out == "2 of 2 had been erased and may come again; generation 5\n"
    assert value(segdex_command("readmit", index, "fay", "--json"))["found"] == 0
    told = segdex_command("erase", index, "--keys", keys)
    assert told.out == "0 of 2 were customers and are erased; generation 7\n"
    (entry,) = [
        json.loads(line)
        for line in segdex_command("changes", index, "--since", 2, "--json").out.splitlines()
        if json.loads(line)["erased"]
    ]
    assert (entry["generation"], entry["erased"]) == (3, 1)


def test_compact(segdex_command: Command, index: Path, orders: Path) -> None:
    segdex_command("apply", index, "--stream", "orders", orders)
    before = value(segdex_command("inspect", index, "--json"))
    found = value(segdex_command("compact", index, "--json"))
    after = value(segdex_command("inspect", index, "--json"))
    assert (found["customers"], found["epoch"]) == (6, after["epoch"])
    assert found["epoch"] != before["epoch"]
    assert (before["live"]["changed"], after["live"]["changed"]) == (2, 0)
    assert "6 customers in one base" in segdex_command("compact", index).out
    assert count(segdex_command, index, "segment 'big'") == 3


# --- about the index ---------------------------------------------------------------------------------------------


def test_inspect_tells_of_the_journal(segdex_command: Command, index: Path, orders: Path) -> None:
    segdex_command("apply", index, "--stream", "orders", orders, "--source", "shop", "--offset", 7)
    segdex_command("advance", index, "--to", "2026-07-02T10:00:00Z")
    found = value(segdex_command("inspect", index, "--json"))
    (journal_file,) = index.glob("journal-*")
    assert found["live"] == {
        "base": 1, "records": 2, "journal_bytes": journal_file.stat().st_size, "changed": 2, "feed_since": 1,
        "feed_generations": 2, "feed_bytes": 8, "offsets": {"shop": 7}, "erased": 0,
    }  # fmt: skip
    assert (found["generation"], found["customers"], found["as_of"]) == (3, 6, "2026-07-02T10:00:00Z")
    assert found["streams"] == {"orders": 7}
    out = segdex_command("inspect", index).out
    assert "2 records since generation 1" in out
    assert ["offset", "of", "shop", "7"] in [line.split() for line in out.splitlines()]


def forge(index: Path, record: bytes) -> None:
    """Add a record to the index's journal that no writer wrote."""
    system = OperatingSystem()
    opened = generations.opened(index, system)
    assert opened.identity is not None
    writer, _ = journal.Journal.open(index, opened.identity, system)
    writer.append(record)
    writer.close()


def test_verify_does_what_the_records_say(segdex_command: Command, index: Path, orders: Path) -> None:
    segdex_command("apply", index, "--stream", "orders", orders)
    assert segdex_command("verify", index).code == 0
    wrong = records.Record(records.Advance(2**51), records.Entry(3, 2**51, {"big": b"\0" * 8}))
    forge(index, records.to_bytes(wrong))
    code, out, _ = segdex_command("verify", index)
    assert code == 1
    assert "record 2" in out


def test_verify_finds_records_that_cannot_be_done(segdex_command: Command, index: Path) -> None:
    forge(index, records.to_bytes(records.Record(records.Advance(0), records.Entry(2, 0))))
    code, out, _ = segdex_command("verify", index)
    assert code == 1
    assert "record 1: what was accepted cannot be done again; found the clock of an index does not go back" in out


def test_verify_reads_records(segdex_command: Command, index: Path) -> None:
    forge(index, b"no record")
    code, out, _ = segdex_command("verify", index, "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "record 1" in json.loads(out)["damage"][0]


def test_verify_reads_what_is_kept_beside(segdex_command: Command, index: Path) -> None:
    generations.save(generations.load(index), index, more=b"nonsense")
    code, out, _ = segdex_command("verify", index)
    assert code == 1
    assert "section 'live'" in out


# --- whatever goes wrong -----------------------------------------------------------------------------------------


def test_a_second_writer(segdex_command: Command, index: Path) -> None:
    with segdex.open(index, read_only=False):
        code, out, err = segdex_command("advance", index, "--to", "2026-07-02T10:00:00Z")
        assert (code, out) == (1, "")
        assert "another writer is at work" in err
        assert segdex_command("count", index, "everyone").code == 0
        assert segdex_command("changes", index, "--since", 1).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apply", "INDEX", "--stream", "order", "FILE"], "did you mean 'orders'?"),
        (["apply", "INDEX", "FILE"], "--stream"),
        (["apply", "INDEX", "--stream", "orders"], "FILE"),
        (["apply", "INDEX", "--stream", "orders", "FILE", "--source", "shop"], "source and offset"),
        (["apply", "INDEX", "--stream", "orders", "FILE", "--source", "shop", "--offset", "-1"], "offset"),
        (["apply", "INDEX", "--stream", "orders", "FILE", "--source", "shop", "--offset", "x"], "--offset"),
        (["apply", "INDEX", "--stream", "orders", "FILE", "--as-of", "today"], "as_of"),
        (["apply", "INDEX", "--stream", "orders", "FILE", "--on-error", "ignore"], '"raise", "skip"'),
        (["advance", "INDEX"], "--to"),
        (["advance", "INDEX", "--to", "2026-07-01"], "zone"),
        (["changes", "INDEX"], "--since"),
        (["changes", "INDEX", "--since", "yesterday"], "--since"),
        (["define", "INDEX", "rich"], "RULE"),
        (["define", "INDEX", "rich", "spned > 5"], "'spend'"),
        (["define", "INDEX", "", "spend > 5"], "name"),
        (["rename", "INDEX", "nothing", "else"], "no such name"),
        (["drop", "INDEX", "country"], "cannot be dropped"),
        (["alter", "INDEX", "/nowhere/schema.toml"], "/nowhere/schema.toml"),
        (["erase", "INDEX"], "no keys"),
        (["erase", "INDEX", "ann", "--keys", "FILE"], "--keys"),
        (["erase", "INDEX", "--keys", "/nowhere/keys.txt"], "/nowhere/keys.txt"),
        (["readmit", "INDEX"], "no keys"),
        (["compact", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_wrong_calls(arguments: list[str], said: str, segdex_command: Command, index: Path, orders: Path) -> None:
    given = {"INDEX": str(index), "FILE": str(orders)}
    code, out, err = segdex_command(*(given.get(each, each) for each in arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_folder_that_is_no_index_stays_as_it_is(segdex_command: Command, tmp_path: Path) -> None:
    code, _, err = segdex_command("advance", tmp_path, "--to", "2026-07-02T10:00:00Z")
    assert code == 2
    assert "not the folder of an index" in err
    assert list(tmp_path.iterdir()) == []


def test_keys_that_are_no_text(segdex_command: Command, index: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.bin"
    keys.write_bytes(b"\xff\xfe\x00")
    code, _, err = segdex_command("erase", index, "--keys", keys)
    assert code == 2
    assert "UTF-8" in err
    code, _, err = segdex_command("erase", index, "--keys", tmp_path)
    assert code == 1
    assert "Traceback" not in err
