"""A life of an index against a naive model, and what was found wrong on the way."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa

import segdex
from tests.live import actions


def test_an_index_its_readers_and_whoever_opens_it_again_say_what_the_model_says(tmp_path: Path) -> None:
    model, index = actions.begun(), actions.build(tmp_path / "index")
    reader = segdex.open(tmp_path / "index")
    for number in range(1, 2 * len(actions.KINDS) + 1):
        action = actions.action(number, model.clock)
        actions.act(index, action, model)
        model.act(action)
        expected = model.told()
        assert actions.told(index, model) == expected, action
        if number % 5 == 0:
            assert actions.replayed(index, model) == expected.tracked, action
            reader.refresh()
            assert (reader.generation, actions.told(reader, model)) == (index.generation, expected), action
        if number % 19 == 0:
            before = index.generation
            index.close()
            index = segdex.open(tmp_path / "index", read_only=False)
            assert (index.generation, actions.told(index, model)) == (before, expected), action
            assert actions.replayed(index, model) == expected.tracked, action
    index.close()


SMALL = {"customers": {"key": "id", "attributes": {"country": "category"}}}


def small(keys: list[str], countries: list[str], folder: Path | None = None) -> segdex.Index:
    """An index of customers with a country."""
    tables = {"customers": pa.table({"id": keys, "country": countries})}
    return segdex.build(SMALL, as_of="2026-06-30T00:00:00Z", sources=tables, out=folder)


def test_customers_keep_their_keys_when_they_are_numbered_anew() -> None:
    index = small(["b", "d"], ["IN", "US"])
    index.apply({"customers": pa.table({"id": ["a", "c", "e"], "country": ["AE", "FR", "DE"]})})
    index.erase(["b"])
    index.compact()
    rows = index.members("everyone", columns=["country"]).read_all().to_pylist()
    assert rows == [
        {"id": key, "country": country} for key, country in zip("acde", ("AE", "FR", "US", "DE"), strict=True)
    ]


def row(key: str, country: str = "IN") -> dict[str, pa.Table]:
    """A batch of one customer."""
    return {"customers": pa.table({"id": [key], "country": [country]})}


def test_a_generation_has_one_number_for_its_writer_its_readers_and_whoever_opens_it(tmp_path: Path) -> None:
    writer = small(["b"], ["IN"], tmp_path / "index")
    reader = segdex.open(tmp_path / "index")
    for change in (lambda _: writer.compact(), writer.save, writer.save, lambda _: writer.apply(row("x"))):
        change(tmp_path / "index")
        reader.refresh()
        with segdex.open(tmp_path / "index") as other:
            assert writer.generation == reader.generation == other.generation
            assert [each.generation for each in writer.changes(1)] == [each.generation for each in other.changes(1)]
    assert [each.generation for each in reader.changes(1)] == [reader.generation]


def test_days_that_are_the_same_again_have_not_moved_along() -> None:
    """At both clocks an order is new, and it is not the same one."""
    rows = tuple(actions.Row("a", actions.START + dt.timedelta(days=days), f"{days}", 100, "x") for days in (0, 3))
    tables = {"customers": actions.customers({"b": (None, (), 1)}), "orders": actions.orders(rows)}
    index = segdex.build(actions.SCHEMA, as_of=actions.START, sources=tables)
    index.advance(actions.START + dt.timedelta(days=3))
    assert index.customer("a").metrics["since"] == 0
    index.advance(actions.START + dt.timedelta(days=5))
    assert index.customer("a").metrics["since"] == 2
