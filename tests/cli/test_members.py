"""`segdex members`: every format read back, who is left out, and what a failure leaves behind."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command

COLUMNS = ("--columns", "country,tags,spend", "--columns", "value_share['toys']")


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().to_pylist()


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "A.PARQUET", "with space.arrow"])
def test_binary_files(segdex_command: Command, folder: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    code, printed, err = segdex_command("members", folder, "spend > 0", "--no-suppression", "--out", out, *COLUMNS)
    assert (code, printed, err) == (0, "", f"2 members written to {out}\n")
    found = read(out) if out.suffix.islower() else pq.read_table(out).to_pylist()
    assert found == [
        {
            "customer_id": "ann",
            "country": "IN",
            "tags": ["beta", "vip"],
            "spend": Decimal("100.00"),
            "value_share['toys']": 0.2,
        },
        {"customer_id": "bob", "country": "AE", "tags": [], "spend": Decimal("40.00"), "value_share['toys']": 1.0},
    ]
    assert list(tmp_path.iterdir()) == [out]


def test_csv(segdex_command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    assert segdex_command("members", folder, "everyone", "--no-suppression", "--out", out, *COLUMNS).code == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["customer_id"] for row in rows] == ["ann", "bob", "cat", "dan", "eve"]
    assert [row["tags"] for row in rows] == ['["beta","vip"]', "[]", "", '["beta"]', ""]
    assert [row["spend"] for row in rows] == ["100.00", "40.00", "0.00", "0.00", "0.00"]
    assert [row["value_share['toys']"] for row in rows] == ["0.2", "1", "", "", ""]


def test_standard_output(segdex_command: Command, folder: Path) -> None:
    code, out, err = segdex_command(
        "members", folder, "everyone", "--no-suppression", "--out", "-",
        "--order-by", "spend", "--descending", "--limit", "2", "--columns", "birth_date,consent",
    )  # fmt: skip
    assert (code, err) == (0, "2 members written\n")
    assert list(csv.reader(io.StringIO(out))) == [
        ["customer_id", "birth_date", "consent"],
        ["ann", "1990-01-01", "true"],
        ["bob", "2010-05-05", "false"],
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "ann dan"),  # no_email: bob, cat, eve; minors: bob
        (["--purpose", "ads"], "ann cat dan eve"),
        (["--purpose", "ads", "--purpose", "email"], "ann dan"),
        (["--no-suppression"], "ann bob cat dan eve"),
    ],
)
def test_suppression(segdex_command: Command, folder: Path, options: list[str], expected: str) -> None:
    out = segdex_command("members", folder, "everyone", "--out", "-", *options).out
    assert " ".join(out.replace('"', "").split()[1:]) == expected


def test_a_suppression_segment_is_written_whole(segdex_command: Command, folder: Path) -> None:
    for options in ([], ["--purpose", "ads"], ["--no-suppression"]):
        out = segdex_command("members", folder, "segment 'no_email'", "--out", "-", *options).out
        assert out.replace('"', "").split()[1:] == ["bob", "cat", "eve"]
    code, _, err = segdex_command("members", folder, "segment 'no_email'", "--out", "-", "--purpose", "letters")
    assert (code, "no suppression segment has this purpose" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--purpose", "letters"], "letters"),
        (["--purpose", "ads", "--no-suppression"], "exclude each other"),
        (["--columns", "contry"], "'country'"),
        (["--order-by", "tags"], "tags"),
        (["--limit", "-1"], "-1"),
    ],
)
def test_wrong_options(segdex_command: Command, folder: Path, tmp_path: Path, options: list[str], said: str) -> None:
    code, out, err = segdex_command("members", folder, "everyone", "--out", tmp_path / "a.csv", *options)
    assert (code, out) == (2, "")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(segdex_command: Command, folder: Path, tmp_path: Path) -> None:
    code, _, err = segdex_command("members", folder, "everyone", "--out", tmp_path / "no" / "a.csv")
    assert code == 1
    assert "cannot write" in err


def test_a_failure_keeps_the_file_that_was_there(
    segdex_command: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import csv as arrow_csv

    class Full:
        def __init__(self, *_arguments: object, **_options: object) -> None:
            raise OSError(28, "No space left on device")

    out = tmp_path / "a.csv"
    out.write_text("yesterday")
    monkeypatch.setattr(arrow_csv, "CSVWriter", Full)
    code, _, err = segdex_command("members", folder, "everyone", "--out", out)
    assert code == 1
    assert "No space left on device" in err
    assert out.read_text() == "yesterday"
    assert list(tmp_path.iterdir()) == [out]
