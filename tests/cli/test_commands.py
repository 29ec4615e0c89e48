"""Every command on a small shop: what it prints, as text and as JSON."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segdex.demo import run as demonstration
from tests.cli.conftest import Command
from tests.query import shop, test_labels


def parsed(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def words(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


# --- asking ------------------------------------------------------------------------------------------------------


def test_count_json(segdex_command: Command, folder: Path) -> None:
    code, out, err = segdex_command("count", folder, "spend >  50", "country = 'IN'", "--json")
    assert (code, err) == (0, "")
    facts = {"as_of": "2026-06-30T00:00:00Z", "generation": 1}
    assert parsed(out) == [
        {"rule": "spend >  50", "count": 1, **facts},
        {"rule": "country = 'IN'", "count": 2, **facts},
    ]
    assert all(list(value) == ["rule", "count", "as_of", "generation"] for value in parsed(out))


def test_count(segdex_command: Command, folder: Path) -> None:
    code, out, err = segdex_command("count", folder, "country = 'IN'", "value_share[any] > 0.7")
    assert (code, err) == (0, "")
    assert ["2", "40.00", "%", "country", "=", "'IN'"] in words(out)
    assert ["2", "40.00", "%", "value_share[any]", ">", "0.7"] in words(out)
    assert "of 5 customers as of 2026-06-30T00:00:00Z, generation 1" in out


def test_nothing_is_cut_when_piped(segdex_command: Command, folder: Path) -> None:
    rule = " or ".join(f"country = 'C{number:03}'" for number in range(100))
    assert rule in segdex_command("count", folder, rule).out


def test_a_wrong_rule_names_line_and_column(segdex_command: Command, folder: Path) -> None:
    code, out, err = segdex_command("count", folder, "everyone", "spned > 5")
    assert (code, out) == (2, "")
    assert "line 1, column 1" in err
    assert "'spend'" in err


def test_count_by(segdex_command: Command, folder: Path) -> None:
    code, out, _ = segdex_command("count-by", folder, "everyone", "lifecycle", "--json")
    assert (code, parsed(out)) == (
        0,
        [{"rule": "everyone", "by": "lifecycle", "counts": {"lead": 3, "active": 1, "missing": 1}}],
    )
    code, out, _ = segdex_command("count-by", folder, "everyone", "lifecycle")
    assert words(out)[-3:] == [["3", "lead"], ["1", "active"], ["1", "missing"]]


def test_check(segdex_command: Command, folder: Path) -> None:
    code, out, _ = segdex_command("check", folder, "country = 'ID' and did(orders, 7d)")
    assert code == 0
    assert out.startswith("valid: ")
    assert "warning: country never has the value 'ID'" in out
    assert "computed from orders" in out
    code, out, _ = segdex_command("check", folder, "contry = 'IN'", "--json")
    assert code == 2
    (found,) = parsed(out)
    assert found["valid"] is False
    assert "'country'" in found["problem"]


def test_explain(segdex_command: Command, folder: Path) -> None:
    rule = "country = 'IN' and not segment 'no_email'"
    code, out, _ = segdex_command("explain", folder, rule)
    assert code == 0
    assert "2 customers as of 2026-06-30T00:00:00Z, generation 1" in out
    (found,) = parsed(segdex_command("explain", folder, rule, "--json").out)
    assert (found["count"], found["plan"]["count"], len(found["plan"]["parts"])) == (2, 2, 2)


def test_estimate(segdex_command: Command, folder: Path) -> None:
    rule = "country = 'IN' and not segment 'no_email'"
    assert segdex_command("estimate", folder, rule).out == "2 customers, exactly\n"
    (found,) = parsed(segdex_command("estimate", folder, rule, "--json").out)
    assert found == {"rule": rule, "low": 2, "value": 2, "high": 2, "exact": True}


def test_why(segdex_command: Command, folder: Path) -> None:
    code, out, _ = segdex_command("why", folder, "country = 'IN' and spend > 1000", "ann")
    assert code == 0
    assert out.startswith("Not in, because spend > 1000 does not hold (spend is 100.00).\n")
    assert "country is 'IN'" in out
    (found,) = parsed(segdex_command("why", folder, "country = 'IN'", "ann", "--json").out)
    assert (found["holds"], found["key"], found["reason"]["values"]) == (True, "ann", {"country": "IN"})
    assert segdex_command("why", folder, "country = 'IN'", "nobody").code == 2


def test_customer(segdex_command: Command, folder: Path) -> None:
    code, out, _ = segdex_command("customer", folder, "ann")
    assert code == 0
    assert ["attributes", "country", "IN"] in words(out)
    assert ["metrics", "spend", "100.00"] in words(out)
    assert ["stages", "lifecycle", "active"] in words(out)
    assert "in segments: spenders, good" in out
    (found,) = parsed(segdex_command("customer", folder, "ann", "--json").out)
    assert list(found) == ["key", "attributes", "metrics", "bands", "stages", "labels", "segments"]
    assert (found["key"], found["metrics"]["spend"]) == ("ann", 100)
    assert found["metrics"]["value_share"] == {"garden": 0.8, "toys": 0.2}


def test_an_unknown_customer_is_not_named(segdex_command: Command, folder: Path) -> None:
    code, out, err = segdex_command("customer", folder, "secret@example.org")
    assert (code, out) == (2, "")
    assert "secret" not in err


# --- about the index ---------------------------------------------------------------------------------------------


def test_inspect(segdex_command: Command, folder: Path) -> None:
    code, out, _ = segdex_command("inspect", folder)
    assert code == 0
    assert ["segments", "good", "segment", "'spenders'", "and", "not", "segment", "'no_email'"] in words(out)
    assert ["orders", "6"] in words(out) or ["orders", "5"] in words(out)
    (found,) = parsed(segdex_command("inspect", folder, "--json").out)
    assert found["schema"]["metrics"]["value_share"] == "share"
    sets = {(each["name"], each["label"], each["category"]): each["customers"] for each in found["predicates"]}
    assert sets["country", "IN", None] == 2
    assert found["containers"] == sum(each["containers"] for each in found["predicates"])
    assert found["bytes"] == sum(path.stat().st_size for path in folder.glob("*.segdex"))


def test_verify(segdex_command: Command, folder: Path, tmp_path: Path) -> None:
    assert segdex_command("verify", folder).out == f"{folder}: no damage\n"
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    (file,) = damaged.glob("*.segdex")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, out, _ = segdex_command("verify", damaged)
    assert code == 1
    assert file.name in out
    code, out, _ = segdex_command("verify", damaged, "--json")
    (found,) = parsed(out)
    assert (code, found["ok"]) == (1, False)
    assert "offset" in found["damage"][0]


def test_verify_of_no_index(segdex_command: Command, tmp_path: Path) -> None:
    assert segdex_command("verify", tmp_path).code == 2


# --- making ------------------------------------------------------------------------------------------------------

SCHEMA = """
[customers]
source = "customers.csv"
key = "id"
[customers.attributes]
country = "category"
points = "integer"
[segments]
many = { where = "points > 10" }
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.toml"
    path.write_text(SCHEMA)
    (tmp_path / "customers.csv").write_text("id,country,points\na,IN,5\nb,AE,50\nc,IN,500\n")
    return path


def test_build_then_count(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    built = segdex_command("build", schema, "--out", out, "--as-of", "2026-06-30T05:30:00+05:30")
    assert (built.code, built.err) == (0, "")
    assert built.out.startswith(f"{out}: 3 customers as of 2026-06-30T00:00:00Z, generation 1\n")
    assert ["customers", "3", "3"] in words(built.out)
    (found,) = parsed(segdex_command("count", out, "segment 'many'", "--json").out)
    assert (found["count"], found["as_of"]) == (2, "2026-06-30T00:00:00Z")


def test_build_takes_over_what_an_older_index_was_told(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    clock = ["--as-of", "2026-06-30T00:00:00Z"]
    assert segdex_command("build", schema, "--out", old, *clock).code == 0
    assert segdex_command("define", old, "few", "points < 100", "--tracked").code == 0
    assert segdex_command("erase", old, "a").code == 0
    built = segdex_command("build", schema, "--out", new, *clock, "--carry", old)
    assert (built.code, built.err) == (0, "")
    assert built.out.startswith(f"{new}: 2 customers as of 2026-06-30T00:00:00Z, generation 1\n")
    (found,) = parsed(segdex_command("count", new, "segment 'few'", "--json").out)
    assert found["count"] == 1
    assert segdex_command("build", schema, "--out", new, *clock, "--carry", tmp_path / "none").code == 2


def test_build_with_a_bad_row(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    with (tmp_path / "customers.csv").open("a") as file:
        file.write("d,IN,many\n")
    out = tmp_path / "index"
    code, _, err = segdex_command("build", schema, "--out", out)
    assert code == 1
    assert "customers.csv" in err
    assert "points" in err
    assert not out.exists()
    built = segdex_command("build", schema, "--out", out, "--on-error", "skip")
    assert built.code == 0
    assert ["customers", "4", "3", "1", "bad"] in words(built.out)
    assert "customers.csv, row 4, column 'points'" in built.err
    assert parsed(segdex_command("count", out, "everyone", "--json").out)[0]["count"] == 3


def test_build_lists_the_first_bad_rows(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    with (tmp_path / "customers.csv").open("a") as file:
        file.writelines(f"k{number},IN,many\n" for number in range(25))
    err = segdex_command("build", schema, "--out", tmp_path / "index", "--on-error", "skip").err
    assert err.count("\n") == 21
    assert "row 23, column" in err
    assert err.endswith("left out: 5 bad rows more\n")


def test_build_with_a_wrong_schema(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    schema.write_text(SCHEMA.replace("integer", "intger"))
    code, _, err = segdex_command("build", schema, "--out", tmp_path / "index")
    assert code == 2
    assert "schema.toml" in err
    assert "customers.attributes.points" in err


def test_build_without_its_source(segdex_command: Command, schema: Path, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").unlink()
    code, _, err = segdex_command("build", schema, "--out", tmp_path / "index")
    assert code == 1
    assert "customers.csv" in err


@pytest.mark.parametrize("clock", ["yesterday", "2026-06-30T00:00:00", "2026-13-01T00:00:00Z"])
def test_build_with_a_wrong_clock(segdex_command: Command, schema: Path, tmp_path: Path, clock: str) -> None:
    code, _, err = segdex_command("build", schema, "--out", tmp_path / "index", "--as-of", clock)
    assert code == 2
    assert clock in err


def test_warmup(segdex_command: Command) -> None:
    code, out, err = segdex_command("warmup")
    assert (code, err) == (0, "")
    assert " kernels ready in " in out


def test_demo(segdex_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def run(customers: int | None, out: Path | None, _tell: object) -> demonstration.Demonstration:
        asked.extend((customers, out))
        line = demonstration.Line("big", "Big spenders", "spend > 5", 50, 0.5, 12.3)
        moment = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
        return demonstration.Demonstration("customers", Path("x"), False, 1.5, 100, moment, (line,))

    monkeypatch.setattr(demonstration, "run", run)
    code, out, err = segdex_command("demo", "--customers", 100, "--out", "x")
    assert (code, err, asked) == (0, "", [100, Path("x")])
    assert ["50", "50.00", "%", "12", "µs", "Big", "spenders", "spend", ">", "5"] in words(out)


# --- as a process ------------------------------------------------------------------------------------------------


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "segdex", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_as_a_process(folder: Path) -> None:
    out, err = process("count", folder, "everyone", "--json").communicate(timeout=60)
    assert (parsed(out)[0]["count"], err) == (5, "")


def test_a_reader_that_stops_is_no_error(folder: Path) -> None:
    running = process("count", folder, "everyone", "--json")
    assert running.stdout is not None
    running.stdout.close()
    running.stdout = None
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (141, "")


def test_a_terminal_that_knows_only_ascii(folder: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    running = process("explain", folder, "country = 'É'", env=environment)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "country" in out


def test_the_shop_is_what_the_tests_think() -> None:
    with shop.index() as made:
        assert len(made) == 5


def test_labels_are_shown(segdex_command: Command, tmp_path: Path) -> None:
    with test_labels.build() as index:
        index.load("chosen", ["ann"])
        index.save(tmp_path)
    _, out, _ = segdex_command("customer", tmp_path, "ann")
    assert ["labels", "survey", "loyal"] in words(out)
    assert "in segments: spenders, good, fans, chosen" in out
    (found,) = parsed(segdex_command("inspect", tmp_path, "--json").out)
    assert found["schema"]["labels"] == {"survey": "given, with scores"}
    assert found["schema"]["segments"]["chosen"] == "loaded"
    (count,) = parsed(segdex_command("count", tmp_path, "segment 'chosen' and survey = 'loyal'", "--json").out)
    assert count["count"] == 1
