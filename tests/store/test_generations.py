"""A whole generation through a folder and back."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import segdex
from segdex.bitmap import predicate as hot
from segdex.errors import CorruptError, SegdexError, VersionError
from segdex.generation import Generation
from segdex.schema.load import load
from segdex.store import generations, snapshot
from segdex.store.container import Reader, Writer
from segdex.store.folder import file_name
from segdex.store.os import OperatingSystem
from segdex.values.column import MISSING
from tests.query import shop

SYSTEM = OperatingSystem()
RULES = [
    "everyone",
    "spend > 40.5",
    "recency = 'hot' or lifecycle = 'lead'",
    "value_share['garden'] > 0.5",
    "value_share[any] >= 1",
    "affinity['toys'] = '0.5..'",
    "tags has any ('vip') or email ends with '@GMAIL.COM' ignoring case",
    "income >= 'high' or income is missing",
    "segment 'good' and not segment 'minors'",
    "count(orders, lifetime, where department = 'toys') >= 1",
    "birth_date < 2000-01-01",
]


@pytest.fixture(scope="module")
def built() -> segdex.Index:
    return shop.index()


@pytest.fixture(scope="module")
def generation(built) -> Generation:
    return built._running().generation


def flat(value: Any) -> Any:
    """Any part of a generation as plain, comparable data."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, pa.Array):
        return value.to_pylist()
    if isinstance(value, Mapping):
        return {key: flat(held) for key, held in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: flat(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def everything(generation: Generation) -> dict[str, Any]:
    parts = (
        "as_of",
        "epoch",
        "keys",
        "universe",
        "values",
        "events",
        "predicates",
        "ranks",
        "fitted",
        "order",
        "lookups",
        "hidden",
    )
    return {part: repr(flat(getattr(generation, part))) for part in parts}


def test_a_generation_comes_back_whole(tmp_path, generation):
    assert generations.save(generation, tmp_path).generation == 1
    found = generations.load(tmp_path)
    assert everything(found) == everything(generation)
    assert found.number == 1
    assert found.catalog.schema == generation.catalog.schema
    assert found.catalog.types == generation.catalog.types
    assert found.catalog.order == generation.catalog.order
    assert list(found.predicates) == list(generation.predicates)
    assert list(generations.verify(tmp_path)) == []


def test_answers_are_the_same_after_saving_twice(tmp_path, built):
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        opened.save(tmp_path)
    with segdex.open(tmp_path) as again:
        assert again.generation == 2
        assert again.epoch == built.epoch
        assert again.counts(RULES) == built.counts(RULES)
        for rule in RULES:
            assert again.bitmap(rule) == built.bitmap(rule)
        assert again.customer("ann") == built.customer("ann")
        assert (
            again.members("everyone", columns=["spend", "tags"]).read_all()
            == built.members("everyone", columns=["spend", "tags"]).read_all()
        )


def test_another_process_answers_alike(tmp_path, built):
    built.save(tmp_path)
    program = "import sys, segdex; print(segdex.open(sys.argv[1]).counts(sys.argv[2:]))"
    environment = os.environ | {"PYTHONPATH": str(Path(segdex.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), *RULES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(built.counts(RULES))


def test_columns_and_sets_are_read_when_they_are_used(tmp_path, generation):
    generations.save(generation, tmp_path)
    reader = snapshot.open_current(tmp_path, SYSTEM)
    found = generations.decode(reader)
    assert not any(name.startswith(("values", "events", "predicates")) for name in reader._verified)
    assert found.values["spend"].data.tolist() == generation.values["spend"].data.tolist()
    assert {name for name in reader._verified if name.startswith("values")} == {"values/spend/data"}
    assert found.events["orders"].rows == 5
    assert not any(name.startswith("events/orders/fields") for name in reader._verified)


def test_an_empty_index(tmp_path):
    empty = {"customers": shop.CUSTOMERS.slice(0, 0), "orders": shop.ORDERS.slice(0, 0)}
    built = segdex.build(shop.SCHEMA, as_of=shop.AS_OF, sources=empty)
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert opened.counts(RULES) == built.counts(RULES) == [0] * len(RULES)
    assert list(generations.verify(tmp_path)) == []


def test_integer_keys_and_odd_names(tmp_path):
    schema = {
        "customers": {"key": "id", "attributes": {"a/b": "category", "100%": "integer", "ünï": "text"}},
        "segments": {"x/y": {"where": "\"a/b\" = 'u'"}},
    }
    table = pa.table({"id": [7, -3], "a/b": ["u", "v"], "100%": [1, None], "ünï": ["é", ""]})
    built = segdex.build(schema, as_of=shop.AS_OF, sources={"customers": table})
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert opened.customer(7) == built.customer(7)
        assert opened.keys(opened.bitmap("segment 'x/y'")).to_pylist() == [7]


KEPT: dict[str, Any] = {
    "customers": {"key": "id", "version": "v", "attributes": {"n": "integer"}},
    "lookups": {
        "p/q": {"key": "pid", "fields": {"a": "category", "b": "integer", "unused": "text"}},
        "other": {"key": "pid", "source": "absent.csv", "fields": {"c": "text"}},
    },
    "streams": {
        "s": {
            "key": "id",
            "fields": {
                "pid": "id",
                "a": {"type": "category", "lookup": "p/q.a", "on": "pid"},
                "b": {"type": "integer", "lookup": "p/q.b", "on": "pid"},
            },
        }
    },
}


def kept() -> segdex.Index:
    people = pa.table({"id": [1, 1, 2, 3], "n": [1, 2, 3, 4], "v": [9, 8, None, 7]})
    products = pa.table({"pid": ["x", "y"], "a": ["u", None], "b": [1, 2], "unused": ["much", "text"]})
    rows = pa.table({"id": [1, 4], "pid": ["x", "z"]})
    return segdex.build(KEPT, as_of=shop.AS_OF, sources={"customers": people, "p/q": products, "s": rows})


def test_lookups_and_versions_are_kept(tmp_path):
    built = kept()
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        for index in (built, opened):
            assert index.keys(index.bitmap("n = 1 or n = 3 or n = 4")).to_pylist() == [1, 2, 3]
            found = index._running().generation
            assert list(found.lookups) == ["p/q"]  # nothing comes through the other one
            assert sorted(found.lookups["p/q"].columns) == ["a", "b"]
            assert found.lookups["p/q"].keys.values.to_pylist() == ["x", "y"]
            assert found.lookups["p/q"].columns["b"].data.tolist() == [1, 2]
            assert list(found.hidden) == ["version"]
            assert found.hidden["version"].data.tolist() == [9, MISSING, 7, MISSING]
            with pytest.raises(SegdexError, match="version"):
                index.count("version > 1")
    assert list(generations.verify(tmp_path)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held["lookups"].update(absent=held["lookups"]["p/q"]),
        lambda held: held["lookups"]["p/q"]["fields"].update(absent=held["lookups"]["p/q"]["fields"]["a"]),
        lambda held: held["lookups"]["p/q"]["fields"].update(b=held["lookups"]["p/q"]["fields"]["a"]),
        lambda held: held["lookups"]["p/q"]["keys"].update(count=1),
        lambda held: held.pop("hidden"),
        lambda held: held["hidden"].update(more=held["hidden"]["version"]),
        lambda held: held["hidden"]["version"]["type"].update(kind="date"),
        lambda held: held["hidden"]["version"].update(length=1),
    ],
)
def test_what_is_kept_for_later_rows_is_checked(tmp_path, change):
    kept().save(tmp_path)
    described(tmp_path / file_name(1), change)
    problems = list(generations.verify(tmp_path))
    assert problems
    assert all(isinstance(problem, CorruptError) for problem in problems)


def test_an_index_without_lookups_is_read(tmp_path):
    """As an earlier version saved it."""
    kept().save(tmp_path)
    described(tmp_path / file_name(1), lambda held: held.pop("lookups"))
    assert list(generations.verify(tmp_path)) == []


class Whole(int):
    """An integer that is something else too."""


def test_a_schema_of_derived_types_is_saved(tmp_path):
    text, moment = np.str_, pd.Timestamp("2026-01-01T00:00:00Z")
    schema = {
        "customers": {"key": text("id"), "attributes": {text("n"): text("number"), "t": "time"}},
        "bands": {
            "b": {"metric": text("n"), "edges": [np.float64(1.5), Whole(3)], "labels": [text("x"), "y", "z"]},
            "c": {"metric": "t", "edges": [moment]},
        },
        "segments": {text("s"): {"where": text("n > 1"), "suppression": [text("mail")], "title": text("S")}},
        "privacy": {"minimum_count": Whole(0)},
    }
    table = pa.table({"id": [1], "n": [2.0], "t": [moment]})
    built = segdex.build(schema, as_of=shop.AS_OF, sources={"customers": table})
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert opened.customer(1) == built.customer(1)
        assert opened.customer(1).bands == {"b": "y", "c": "2026-01-01T00:00:00Z.."}


def test_the_longest_names_are_saved(tmp_path):
    """Each slash is written as three characters in the name of a section."""
    names = ["/" * 1024, "a" * 1024]
    table = pa.table({"id": [1], **{name: ["x"] for name in names}, "at": ["2026-01-01"]})
    fields = dict.fromkeys(names, "category")
    schema = {
        "customers": {"key": "id", "attributes": fields},
        "streams": {"/" * 1024: {"key": "id", "time": "at", "fields": fields}},
    }
    built = segdex.build(schema, as_of=shop.AS_OF, sources={"customers": table, "/" * 1024: table})
    built.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert opened.customer(1) == built.customer(1)
        assert list(generations.verify(tmp_path)) == []


# --- damage ------------------------------------------------------------------------------------------------------


def touch(folder: Path) -> dict[str, Any]:
    return everything(generations.load(folder))


def damaged(tmp_path: Path, generation: Generation) -> tuple[Path, bytes]:
    folder = tmp_path / "index"
    generations.save(generation, folder)
    path = folder / file_name(1)
    return path, path.read_bytes()


def test_a_flip_anywhere_is_refused(tmp_path, generation):
    """A byte in every 64, and every byte of both ends."""
    path, good = damaged(tmp_path, generation)
    expected = touch(path.parent)
    ends = [*range(128), *range(len(good) - 256, len(good))]
    positions = sorted({*ends, *(at + at // 64 % 64 for at in range(128, len(good) - 320, 64))})
    for position in positions:
        data = bytearray(good)
        data[position] ^= 1 << position % 8
        path.unlink()
        path.write_bytes(data)
        with pytest.raises((CorruptError, VersionError)):
            touch(path.parent)
        assert len(list(generations.verify(path.parent))) >= 1
    path.unlink()
    path.write_bytes(good)
    assert touch(path.parent) == expected


def rewritten(path: Path, changes: Mapping[str, bytes]) -> None:
    """Other bytes in some sections of a generation, every checksum right again."""
    reader = Reader(path, SYSTEM)
    sections = {
        name: (entry.kind, bytes(reader.section(name)) if name not in changes else changes[name])
        for name, entry in reader.sections.items()
    }
    path.unlink()
    file = SYSTEM.create(path)
    writer = Writer(file, reader.identity, SYSTEM)
    for name, (kind, data) in sections.items():
        writer._add(name, kind, data)
    writer.finish()
    SYSTEM.close(file)
    found = snapshot.Pointer(reader.identity.store, reader.identity.generation, writer.size, writer.seal)
    (path.parent / snapshot.CURRENT).write_bytes(found.to_bytes())


def test_hostile_sections_are_refused_and_never_crash(tmp_path, generation):
    """One flipped byte in each section, with right checksums: refused, or other values, but never more than that."""
    path, good = damaged(tmp_path, generation)
    current = (path.parent / snapshot.CURRENT).read_bytes()
    reader = Reader(path, SYSTEM)
    held = {name: bytes(reader.section(name)) for name in reader.sections}
    refused = 0
    for name, data in held.items():
        for position in sorted({0, len(data) // 2, len(data) - 1}) if data else []:
            path.unlink()
            path.write_bytes(good)
            (path.parent / snapshot.CURRENT).write_bytes(current)
            changed = data[:position] + bytes([data[position] ^ 0x81]) + data[position + 1 :]
            rewritten(path, {name: changed})
            problems = list(generations.verify(path.parent))
            assert all(isinstance(problem, CorruptError) for problem in problems)
            refused += bool(problems)
            try:
                with segdex.open(path.parent) as index:
                    index.counts(RULES)
                    index.members("everyone", columns=["spend", "tags", "email"]).read_all()
            except SegdexError:
                pass
    assert refused > len(held)


@pytest.mark.parametrize(
    ("section", "data"),
    [
        ("schema", b""),
        ("schema", b"[]"),
        ("schema", b"{\xff}"),
        ("schema", b"[" * 100_000),
        ("schema", b'{"unknown": 1}'),
        ("schema", b'{"metrics": {"x": {"kind": "count", "stream": "absent"}}}'),
        ("description", b""),
        ("description", b"\x80"),
        ("description", b"\xc1"),
        ("universe", b""),
        ("universe", hot.from_ids(np.array([5]), 6).words.tobytes()),
        ("predicates/0", hot.from_ids(np.array([65_536]), 65_537).words.tobytes()),
        ("predicates/0", (65_537).to_bytes(8, "little") + bytes(56)),
        ("keys/bytes", b"\xff" * 15),
    ],
)
def test_sections_that_are_something_else(tmp_path, generation, section, data):
    path, _ = damaged(tmp_path, generation)
    rewritten(path, {section: data})
    with pytest.raises(CorruptError) as caught:
        touch(path.parent)
    assert str(path) in str(caught.value)
    assert len(list(generations.verify(path.parent))) >= 1


def described(path: Path, change: Any) -> None:
    """Another description in a generation, every checksum right."""
    description = msgspec.msgpack.decode(bytes(Reader(path, SYSTEM).section("description")))
    change(description)
    rewritten(path, {"description": msgspec.msgpack.encode(description)})


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(customers=4),
        lambda held: held.update(customers=2**62),
        lambda held: held.update(as_of=-(2**63)),
        lambda held: held.update(as_of=2**63),
        lambda held: held.update(extra=1),
        lambda held: held["values"].pop("spend"),
        lambda held: held["values"].update(spend=held["values"]["email"]),
        lambda held: held["values"].update(spend=held["values"]["value_share"]),
        lambda held: held["values"]["value_share"].update(rest="0"),
        lambda held: held["events"].pop("orders"),
        lambda held: held["events"]["orders"]["fields"].pop("amount"),
        lambda held: held["events"]["orders"].update(transactions=2**40),
        lambda held: held["predicates"].append(["spend", None, None]),
        lambda held: held["predicates"].append(["absent"]),
        lambda held: held["keys"].update(count=1),
        lambda held: held["keys"].update(numbered=True),
        lambda held: held.update(order=["absent"]),
        lambda held: held.update(order="spend"),
    ],
)
def test_descriptions_that_lie(tmp_path, generation, change):
    path, _ = damaged(tmp_path, generation)
    described(path, change)
    problems = list(generations.verify(path.parent))
    assert problems
    assert all(isinstance(problem, CorruptError) for problem in problems)


def test_verify_lists_every_part_that_does_not_fit(tmp_path, generation):
    path, _ = damaged(tmp_path, generation)
    count = generation.count
    rewritten(
        path,
        {
            "values/country/data": np.full(count, 99, np.int32).tobytes(),
            "events/orders/fields/department/data": np.full(5, -2, np.int32).tobytes(),
            "predicates/1": b"12345678",
        },
    )
    places = [str(problem) for problem in generations.verify(path.parent)]
    assert [any(name in place for place in places) for name in ("values/country", "fields/department", "predicates/1")]
    assert len(places) == 3


BANDED: dict[str, Any] = {
    "customers": {"attributes": {"points": "number"}},
    "streams": {"orders": {"time": "at"}},
    "metrics": {"alive": {"kind": "p_alive", "stream": "orders"}},
    "bands": {
        "level": {"metric": "points", "edges": [1, 2]},
        "fifths": {"metric": "points", "quantiles": 5},
    },
}
FITTED = {"level": (1.0, 2.0), "fifths": (0.5, 0.5, 3.0), "alive": (0.2, 4.4, 0.8, 2.4)}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"fifths": ()}, None),
        ({"alive": (0.2, 4.4, 0.8)}, "four numbers above 0"),
        ({"alive": (0.0, 4.4, 0.8, 2.4)}, "four numbers above 0"),
        ({"level": (2.0, 1.0)}, "do not ascend"),
        ({"fifths": (0.5, math.nan, 3.0)}, "do not ascend"),
        ({"fifths": (math.nan,)}, "do not ascend"),
        ({"level": (1.0,)}, "has 1 edges, declared are 2"),
        ({"zzz": (1.0,)}, "no band"),
        ({"level": None}, "has no edges"),
    ],
)
def test_what_was_fitted_fits_the_schema(changed: dict[str, Any], fault: str | None) -> None:
    fitted = {name: held for name, held in {**FITTED, **changed}.items() if held is not None}
    found = generations._fitted_fault(fitted, load(BANDED))
    assert found is None if fault is None else fault in str(found)
