"""The generated retailer: every rule names the customers that its SQL names."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
import xxhash

import segdex
from segdex.demo import retailer
from tests.proof import retailer_rules
from tests.proof.harness import Case, database, same

CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    generated = retailer.generate(CUSTOMERS)
    with database(**generated) as connection:
        connection.execute(retailer_rules.VIEWS)
        yield connection


@pytest.fixture(scope="module")
def index() -> Iterator[segdex.Index]:
    with segdex.build(retailer.SCHEMA, as_of=retailer.AS_OF, sources=retailer.generate(CUSTOMERS)) as built:
        yield built


@pytest.mark.parametrize("case", retailer_rules.CASES, ids=str)
def test_retailer(case: Case, index: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(index, tables, case)


def test_the_universe_is_every_customer(index: segdex.Index) -> None:
    assert len(index) == CUSTOMERS


def test_samples_are_those_of_the_hash(index: segdex.Index) -> None:
    expected = [k for k in range(1, CUSTOMERS + 1) if xxhash.xxh3_64_intdigest(b"spring-test\0%d" % k) % 100 < 10]
    found = index.keys(index.bitmap("bucket('spring-test', 100) < 10")).to_pylist()
    assert sorted(found) == expected
