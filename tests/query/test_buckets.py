"""Buckets: the same for a key in every process and version, whatever the order of customers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash

import segdex

AS_OF = "2026-06-30T00:00:00Z"


def expected(salt: str, count: int, key: object) -> int:
    return xxhash.xxh3_64_intdigest(f"{salt}\0{key}".encode()) % count


def build(keys: Any, **customers: Any) -> segdex.Index:
    schema = {"customers": {"key": "id", "attributes": {"n": "integer"}, **customers}}
    table = pa.table({"id": keys, "n": pa.array(range(len(keys))[::-1], pa.int64())})
    return segdex.build(schema, as_of=AS_OF, sources={"customers": table})


def test_pinned_values() -> None:
    """These never change: a test that was drawn in one version is the same in the next."""
    with build(["ann", "bob", "a key of more than sixteen bytes", "größe"]) as index:
        table = index.members("everyone", columns=["bucket('spring-test', 1000000000)"]).read_all()
        assert dict(zip(*table.to_pydict().values(), strict=True)) == PINNED


PINNED = {"a key of more than sixteen bytes": 145887934, "ann": 182740223, "bob": 762830707, "größe": 660979388}


@pytest.mark.parametrize("keys", [["", "a", "'b'", "é" * 9, "x" * 300, "7", "-5"], [0, 7, -5, 2**63 - 1, -(2**63) + 1]])
@pytest.mark.parametrize("salt", ["", "spring-test", "o'clock", "ß" * 200])
@pytest.mark.parametrize("customers", [{}, {"order": ["n"]}])
def test_a_bucket_is_the_hash_of_salt_and_key(keys: list[Any], salt: str, customers: dict[str, Any]) -> None:
    with build([key for key in keys if key != ""] or keys, **customers) as index:
        for count in (1, 2, 100, 1_000_000_000):
            bucket = segdex.bucket(salt, count)
            found = {
                key: number
                for number in {expected(salt, count, key) for key in keys}
                for key in index.members(bucket == number).read_all()["id"].to_pylist()
            }
            assert found == {key: expected(salt, count, key) for key in keys if key != ""}


def test_integers_and_their_digits_have_one_bucket() -> None:
    rule = "bucket('a', 2) = 0"
    with build(list(range(100))) as whole, build([str(key) for key in range(100)]) as text:
        assert {str(key) for key in whole.members(rule).read_all()["id"].to_pylist()} == set(
            text.members(rule).read_all()["id"].to_pylist()
        )


@pytest.mark.compiled
def test_shares_and_independence() -> None:
    with build(list(range(20_000))) as index:
        assert index.count("bucket('a', 100) between 0 and 99") == 20_000
        assert abs(index.count("bucket('a', 10) < 1") - 2000) < 200
        assert abs(index.count("bucket('a', 10) < 1 and bucket('b', 10) < 1") - 200) < 70
        assert index.count("bucket('a', 10) = 3 or not bucket('a', 10) = 3") == 20_000
        assert index.count("bucket('a', 10) > n") == sum(expected("a", 10, key) > 19_999 - key for key in range(20_000))


def test_saved_and_opened(tmp_path: Path) -> None:
    with build(["ann", "bob", "cat"]) as index:
        index.save(tmp_path / "index")
        with segdex.open(tmp_path / "index") as opened:
            rule = "bucket('a', 3) = 1"
            assert opened.members(rule).read_all().equals(index.members(rule).read_all())
            assert opened.stats().remembered >= 2
            opened.count(rule)


def test_members_have_buckets_and_anniversaries_as_columns() -> None:
    with build([7, 8]) as index:
        table = index.members("everyone", columns=["bucket('a', 10)"], order_by="bucket('a', 10)").read_all()
        assert table["bucket('a', 10)"].to_pylist() == sorted(expected("a", 10, key) for key in (7, 8))


def test_nobody_has_no_bucket() -> None:
    with build(pa.array([], pa.int64())) as index:
        assert index.count("bucket('a', 3) = 1") == 0
