"""The generated retailer: every rule names the customers that its SQL names."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

import segdex
from segdex.demo import retailer
from tests.proof import retailer_rules
from tests.proof.harness import Case, database, same

pytestmark = pytest.mark.compiled  # too many rows for plain Python

CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    generated = retailer.generate(CUSTOMERS)
    with database(**generated) as connection:
        connection.execute(retailer_rules.VIEWS)
        yield connection


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[segdex.Index]:
    """Built, saved and opened again."""
    folder = tmp_path_factory.mktemp("retailer") / "index"
    sources = retailer.generate(CUSTOMERS)
    segdex.build(retailer.SCHEMA, as_of=retailer.AS_OF, sources=sources, out=folder).close()
    with segdex.open(folder) as opened:
        yield opened


@pytest.mark.parametrize("case", retailer_rules.CASES, ids=str)
def test_retailer(case: Case, index: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(index, tables, case)


def test_the_universe_is_every_customer(index: segdex.Index) -> None:
    assert len(index) == CUSTOMERS
